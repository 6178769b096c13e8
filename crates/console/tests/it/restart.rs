//! A new attempt that goes on with what the last one did, and what an order may still have modified.

use domain::Stage;
use domain::ledger::{Authorization, Authorize, Book, Booking};
use domain::ports::Orders as _;
use lambda_http::http::Method;
use serde_json::json;
use tests::{assert_impersonal, document};

use crate::{Page, request, text};

const ORDER: &str = "ord-1";

/// An order with a hold and a label, whose execution somebody stopped.
async fn booked() -> Page {
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
    page.step_functions
        .tells("ord-1-1", json!({"status": "ABORTED"}));
    page
}

/// What a form answers that is shown again.
async fn shown_again(page: &Page, form: &str) -> (u16, String) {
    let headers = [
        ("content-type", "application/x-www-form-urlencoded"),
        ("sec-fetch-site", "same-origin"),
    ];
    let path = "/orders/ord-1/modify";
    let answer = page.ask(request(&Method::POST, path, &headers, form)).await;
    (answer.status().as_u16(), text(&answer))
}

#[tokio::test]
async fn before_a_restart_is_said_what_is_kept_and_what_is_done_again() {
    let page = booked().await;
    let (there, sent) = page.send("/orders/ord-1/restart", "reason=mended").await;
    assert_eq!(there, "../../orders/ord-1/restart");
    let question = text(&page.get_with("/orders/ord-1/restart", &sent).await);
    for said in [
        "kept: payment pi_1 stays held",
        "done again: label se-1 is voided, and another one bought",
        "Not possible: its money is held, and is never held a second time.",
        "value=\"CapturePayment\" checked",
        "value=\"ChargePayment\" disabled",
    ] {
        assert!(question.contains(said), "no {said} in {question}");
    }
    assert_eq!(page.database.state(ORDER).await.attempt, 1);
}

#[tokio::test]
async fn a_restart_begins_in_the_state_that_was_chosen() {
    for (from, stage) in [
        ("", Stage::Shipped),
        ("&from=CapturePayment", Stage::Shipped),
        ("&from=ShipOrder", Stage::Authorized),
    ] {
        let page = booked().await;
        let form = format!("reason=mended&confirmed=yes{from}");
        let (_, sent) = page.send("/orders/ord-1/restart", &form).await;
        let told = text(&page.get_with("/orders/ord-1", &sent).await);
        assert!(told.contains("Restart: attempt 2 has begun."), "{told}");
        let state = page.database.state(ORDER).await;
        assert_eq!((state.attempt, state.stage), (2, stage));
    }
}

#[tokio::test]
async fn a_program_restarts_where_it_says() {
    let page = booked().await;
    let headers = [("content-type", "application/json")];
    let path = "/api/orders/ord-1/restart";
    for (body, status) in [
        (json!({"reason": "mended", "from": "ChargePayment"}), 409),
        (json!({"reason": "mended", "from": "Nowhere"}), 409),
        (json!({"reason": "mended", "form": "ShipOrder"}), 400),
        (
            json!({"reason": "mended", "from": "ShipOrder", "changes": {"total": 1}}),
            400,
        ),
        (
            json!({"reason": "mended", "from": "ShipOrder", "changes": address()}),
            200,
        ),
    ] {
        let asked = request(&Method::POST, path, &headers, &body.to_string());
        assert_eq!(page.ask(asked).await.status(), status, "{body}");
    }
    let order_id = ORDER.parse().expect("an id");
    let record = page.database.store.load(&order_id);
    let record = record.await.expect("an answer").expect("the order");
    assert_eq!(record.state.stage, Stage::Authorized);
    let personal = record.personal.expect("personal data");
    assert_eq!(personal.shipping_address.city, "Shelbyville");
    let body = json!({"reason": "no", "from": "ShipOrder"}).to_string();
    let path = "/api/orders/ord-1/cancel";
    let answer = page
        .ask(request(&Method::POST, path, &headers, &body))
        .await;
    assert_eq!(answer.status(), 400, "a cancellation begins nowhere");
}

fn address() -> serde_json::Value {
    json!({"shipping_address": {"name": "Bo", "line1": "2 Side St", "city": "Shelbyville",
        "region": "IL", "postal_code": "62565", "country": "US"}})
}

#[tokio::test]
async fn what_was_done_is_no_field_and_what_is_stored_is_not_shown() {
    let page = booked().await;
    let (status, form) = page.get("/orders/ord-1/modify").await;
    assert_eq!(status, 200);
    assert_impersonal(&form);
    assert!(form.contains("name=\"email\""), "{form}");
    assert!(!form.contains("name=\"line1\""), "{form}");
    let why = "Not possible any more: the shipment is booked or being booked.";
    assert!(form.contains(why), "{form}");
    let (_, order) = page.get("/orders/ord-1").await;
    assert!(order.contains("orders/ord-1/modify"), "{order}");
}

#[tokio::test]
async fn an_order_is_modified_by_those_fields_that_are_filled_in() {
    let page = Page::open(None).await;
    page.database.validated(&document(ORDER)).await;
    page.step_functions
        .tells("ord-1-1", json!({"status": "RUNNING"}));
    let form = "reason=moved&email=new%40example.com&name=&to=Bo&line1=2+Side+St&city=Shelbyville\
        &region=IL&postal=62565&country=US";
    let (there, sent) = page.send("/orders/ord-1/modify", form).await;
    assert_eq!(there, "../../orders/ord-1");
    let told = text(&page.get_with("/orders/ord-1", &sent).await);
    let said = "Modify: changed: e-mail address, shipping address.";
    assert!(told.contains(said), "{told}");
    let record = page
        .database
        .store
        .load(&ORDER.parse().expect("an id"))
        .await;
    let personal = record.expect("an answer").expect("the order").personal;
    let personal = personal.expect("personal data");
    assert_eq!(personal.email, "new@example.com");
    assert_eq!(personal.name, "Ada Example");
    assert_eq!(personal.shipping_address.name, "Bo");
}

#[tokio::test]
async fn what_is_wrong_is_said_at_its_field_with_what_was_typed_and_kept_nowhere() {
    let page = Page::open(None).await;
    page.database.validated(&document(ORDER)).await;
    page.step_functions
        .tells("ord-1-1", json!({"status": "RUNNING"}));
    let (status, form) = shown_again(&page, "reason=+&email=nowhere&city=Shelbyville").await;
    assert_eq!(status, 422);
    for said in [
        "value=\"nowhere\" aria-invalid=\"true\" aria-describedby=\"wrong-email\"",
        "It must be an e-mail address, such as ada@example.com.",
        "id=\"wrong-line1\">It is missing.",
        "value=\"Shelbyville\"",
        "Say why: the reason is kept on the order.",
    ] {
        assert!(form.contains(said), "no {said} in {form}");
    }
    let (_, form) = shown_again(&page, "reason=fine").await;
    assert!(form.contains("The form changes nothing"), "{form}");
    assert_eq!(page.database.state(ORDER).await.personal_revision, 0);
}

#[tokio::test]
async fn a_program_is_told_what_is_wrong_without_what_it_sent() {
    let page = Page::open(None).await;
    page.database.validated(&document(ORDER)).await;
    page.step_functions
        .tells("ord-1-1", json!({"status": "RUNNING"}));
    let headers = [("content-type", "application/json")];
    for (changes, status) in [
        (json!({"customer": {"email": "nowhere"}}), 400),
        (json!(null), 400),
        (json!({"customer": {"email": "new@example.com"}}), 200),
    ] {
        let body = json!({"reason": "typo", "changes": changes}).to_string();
        let path = "/api/orders/ord-1/modify";
        let answer = page
            .ask(request(&Method::POST, path, &headers, &body))
            .await;
        let (found, said) = (answer.status(), text(&answer));
        assert_eq!(found, status, "{body}: {said}");
        assert!(!said.contains("nowhere"), "{said}");
    }
    assert_eq!(page.database.state(ORDER).await.personal_revision, 1);
}

#[tokio::test]
async fn a_program_reprocesses_with_means_of_payment_that_were_not_used() {
    use domain::ErrorName;
    use domain::ledger::{Reversal, Reverse, Unbook, Unbooking};
    let page = booked().await;
    let error = ErrorName::CarrierUnavailable;
    page.database.reversing(ORDER, error).await;
    page.database
        .did::<Unbook>(ORDER, Unbooking::Cancelled)
        .await;
    page.database.did::<Reverse>(ORDER, Reversal::Voided).await;
    page.database.released(ORDER).await;
    let headers = [("content-type", "application/json")];
    let paid = json!({"method": "pm_2", "customer": "cus_2"});
    for (action, body, status) in [
        ("reprocess", json!({"reason": "mended"}), 409),
        ("resend", json!({"reason": "mended", "payment": paid}), 400),
        (
            "reprocess",
            json!({"reason": "mended", "payment": {"method": "4242"}}),
            400,
        ),
        (
            "reprocess",
            json!({"reason": "mended", "changes": {"customer": {"email": "a@example.com"}}}),
            400,
        ),
        (
            "reprocess",
            json!({"reason": "mended", "payment": paid}),
            200,
        ),
    ] {
        let path = format!("/api/orders/ord-1/{action}");
        let asked = request(&Method::POST, &path, &headers, &body.to_string());
        let answer = page.ask(asked).await;
        let said = text(&answer);
        assert_eq!(answer.status(), status, "{body}: {said}");
        assert!(!said.contains("4242"), "{said}");
    }
    assert_eq!(page.database.state(ORDER).await.attempt, 2);
}
