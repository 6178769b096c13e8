//! What has become of what a provider does not undo.

use domain::ErrorName;
use domain::ledger::{Authorization, Authorize, Book, Booking, Unbook};
use domain::ports::Orders as _;
use lambda_http::http::Method;
use serde_json::json;
use tests::document;

use crate::{Page, request, text};

const ORDER: &str = "ord-1";

/// An order whose label the carrier does not void any more, and whose execution has ended with that.
async fn used_label() -> Page {
    let page = Page::open(None).await;
    page.database.validated(&document(ORDER)).await;
    let payment = "pi_1".to_owned();
    let held = Authorization::Held {
        payment,
        made_at: None,
    };
    page.database.did::<Authorize>(ORDER, held).await;
    let booked = Booking::Booked {
        label: "se-1".to_owned(),
        carrier: "usps".to_owned(),
        tracking: "9400".to_owned(),
    };
    page.database.did::<Book>(ORDER, booked).await;
    page.database
        .reversing(ORDER, ErrorName::PaymentDeclined)
        .await;
    let by = page.database.claimed::<Unbook>(ORDER, 60_000).await;
    let refused = page
        .database
        .store
        .refuse::<Unbook>(&by, "label_already_used");
    refused.await.expect("noted");
    page.step_functions
        .tells("ord-1-1", json!({"status": "FAILED"}));
    page
}

fn tasks(page: &Page) -> Vec<serde_json::Value> {
    let calls = page.step_functions.calls().into_iter();
    let tasks = calls.filter(|(operation, _)| operation.is_empty());
    tasks.map(|(_, task)| task).collect()
}

#[tokio::test]
async fn the_page_advises_it_asks_as_what_and_what_is_chosen_is_settled() {
    let page = used_label().await;
    let (_, order) = page.get("/orders/ord-1").await;
    assert!(order.contains("cannot_be_cancelled"), "{order}");
    let view = page.json("/api/orders/ord-1").await;
    let advice = view["failure"]["recommended_action"].as_str();
    assert!(
        advice.is_some_and(|text| text.contains("settle the order")),
        "{view}"
    );
    let (there, sent) = page.send("/orders/ord-1/settle", "reason=gone+out").await;
    assert_eq!(there, "../../orders/ord-1/settle");
    let question = text(&page.get_with("/orders/ord-1/settle", &sent).await);
    for said in [
        "name=\"as\" value=\"shipment_cancelled\" required",
        "name=\"as\" value=\"shipment_written_off\" required",
        "The parcel has gone out",
    ] {
        assert!(question.contains(said), "no {said} in {question}");
    }
    assert!(!question.contains("payment_returned"), "{question}");
    page.step_functions
        .steps_answer(json!({"settled": "the shipment is written off"}));
    for (chosen, told) in [
        ("", "Not done: say what it is settled as"),
        ("&as=lost", "Not done: an order cannot be settled as that"),
        (
            "&as=shipment_written_off",
            "Settle: the shipment is written off; redrive or restart",
        ),
    ] {
        let form = format!("reason=gone+out&confirmed=yes{chosen}");
        let (_, sent) = page.send("/orders/ord-1/settle", &form).await;
        let said = text(&page.get_with("/orders/ord-1", &sent).await);
        assert!(said.contains(told), "no {told} in {said}");
    }
    let tasks = tasks(&page);
    assert_eq!(tasks.len(), 1, "{tasks:?}");
    assert_eq!(tasks[0]["settling"]["as"], "shipment_written_off");
}

#[tokio::test]
async fn a_program_settles_with_what_the_action_needs() {
    let page = used_label().await;
    page.step_functions
        .steps_answer(json!({"settled": "the label is void"}));
    let view = page.json("/api/orders/ord-1").await;
    let actions = view["actions"].as_array().expect("actions");
    assert!(actions.contains(&json!("settle")), "{view}");
    let headers = [("content-type", "application/json")];
    for (action, body, status) in [
        ("settle", json!({"reason": "void"}), 400),
        (
            "redrive",
            json!({"reason": "x", "as": "shipment_cancelled"}),
            400,
        ),
        ("settle", json!({"reason": "void", "as": "lost"}), 409),
        (
            "settle",
            json!({"reason": "void", "as": "payment_returned"}),
            409,
        ),
        (
            "settle",
            json!({"reason": "void", "as": "shipment_cancelled"}),
            200,
        ),
    ] {
        let path = format!("/api/orders/ord-1/{action}");
        let asked = request(&Method::POST, &path, &headers, &body.to_string());
        let answer = page.ask(asked).await;
        assert_eq!(answer.status(), status, "{body}: {}", text(&answer));
    }
    assert_eq!(tasks(&page).len(), 1);
}
