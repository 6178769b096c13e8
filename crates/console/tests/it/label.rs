//! What is known of a label, and the way to its document.

use std::sync::Arc;

use domain::ledger::{Authorization, Authorize, Book};
use domain::ports::Orders as _;
use domain::{Actor, Event, Label, LabelledParcel};
use lambda_http::Request;
use lambda_http::http::Method;
use serde_json::{Value, json};
use tests::document;

use crate::{Page, request};

const ORDER: &str = "ord-1";
const DOCUMENT: &str = "https://carrier.example/v2/downloads/secret.pdf";

fn known() -> Label {
    let parcel = |tracking: &str, weight_g| LabelledParcel {
        tracking: Some(tracking.to_owned()),
        weight_g: Some(weight_g),
    };
    Label {
        id: "se-1".to_owned(),
        carrier: "usps".to_owned(),
        tracking: "9400".to_owned(),
        cost: Some(tests::money(785, "USD")),
        request: Some("request-7".to_owned()),
        parcels: vec![parcel("9400", 29_750), parcel("9401", 5250)],
    }
}

/// A link to the label is followed.
fn opening(order: &str, site: Option<&str>) -> Request {
    let headers: Vec<(&str, &str)> = site
        .map(|site| ("sec-fetch-site", site))
        .into_iter()
        .collect();
    request(
        &Method::GET,
        &format!("/orders/{order}/label"),
        &headers,
        "",
    )
}

/// A page with an order that is shipped, under a label of which so much is noted.
async fn shipped(noted: Option<&Label>) -> Page {
    let page = Page::open(None).await;
    page.database.validated(&document(ORDER)).await;
    let payment = "pi_1".to_owned();
    let held = Authorization::Held {
        payment,
        made_at: None,
    };
    page.database.did::<Authorize>(ORDER, held).await;
    page.database.did::<Book>(ORDER, known().booking()).await;
    if let Some(label) = noted {
        let id = ORDER.parse().expect("an id");
        let noted = page.database.store.note_label(&id, 1, label).await;
        noted.expect("noted");
    }
    page
}

#[tokio::test]
async fn packers_and_support_see_cost_parcels_and_the_carriers_request() {
    let page = shipped(Some(&known())).await;
    let (_, shown) = page.get("/orders/ord-1").await;
    for told in ["7.85 USD", "29750 g, 9400", "5250 g, 9401", "request-7"] {
        assert!(shown.contains(told), "no {told} in {shown}");
    }
    let view = page.json("/api/orders/ord-1").await;
    let label = json!({
        "label_id": "se-1", "carrier": "usps", "tracking": "9400", "request": "request-7",
        "cost": {"amount": 785, "currency": "USD"},
        "parcels": [
            {"tracking": "9400", "weight_g": 29_750},
            {"tracking": "9401", "weight_g": 5250},
        ],
    });
    assert_eq!(view["shipment"]["label"], label);
}

#[tokio::test]
async fn what_was_not_noted_of_a_label_is_not_recorded() {
    let of_another = Label {
        id: "se-0".to_owned(),
        ..known()
    };
    for noted in [None, Some(of_another)] {
        let page = shipped(noted.as_ref()).await;
        let (_, shown) = page.get("/orders/ord-1").await;
        assert!(shown.contains("<dt>Cost</dt><dd class=\"id\">not recorded</dd>"));
        let view = page.json("/api/orders/ord-1").await;
        assert_eq!(view["shipment"]["label"], Value::Null);
    }
}

#[tokio::test]
async fn a_labels_document_is_led_to_and_who_opened_it_is_kept_and_where_it_was_is_not() {
    let page = shipped(None).await;
    page.step_functions
        .steps_answer(json!({"document": DOCUMENT}));
    let (_, shown) = page.get("/orders/ord-1").await;
    assert!(shown.contains("orders/ord-1/label\""), "{shown}");
    let answer = page.ask(opening("ord-1", Some("same-origin"))).await;
    let header = |name: &str| answer.headers().get(name)?.to_str().ok();
    assert_eq!(answer.status(), 303);
    assert_eq!(header("location"), Some(DOCUMENT));
    assert_eq!(header("cache-control"), Some("no-store"));
    assert_eq!(header("referrer-policy"), Some("no-referrer"));
    let calls = page.step_functions.calls().into_iter();
    let asked = calls.filter(|(_, task)| task["action"] == "document");
    assert_eq!(asked.count(), 1);
    let record = page
        .database
        .store
        .load(&ORDER.parse().expect("an id"))
        .await;
    let record = record.expect("an answer").expect("the order");
    let opened = record
        .audit
        .iter()
        .find(|event| event.event == Event::LabelOpened);
    let opened = opened.expect("on record");
    assert!(matches!(opened.by, Actor::Operator(_)), "{opened:?}");
    assert!(format!("{opened:?}").contains("opened on the page"));
    assert!(!format!("{record:?}").contains("downloads"));
}

#[tokio::test]
async fn without_a_document_nobody_is_led_anywhere_and_nothing_is_on_record() {
    let page = shipped(None).await;
    let function = |_: &str, _: &Value| {
        Err(json!({"errorType": "CarrierUnavailable", "errorMessage": "the carrier answered 503"}))
    };
    page.step_functions.steps_are(Arc::new(function));
    let open = async |order: &str| {
        let answer = page.ask(opening(order, Some("same-origin"))).await;
        answer.status().as_u16()
    };
    assert_eq!(open("ord-1").await, 503);
    page.step_functions
        .steps_are(Arc::new(|_, _| Ok(json!({"document": null}))));
    assert_eq!(open("ord-1").await, 409);
    assert_eq!(open("ord-2").await, 404);
    let record = page
        .database
        .store
        .load(&ORDER.parse().expect("an id"))
        .await;
    assert_eq!(record.expect("an answer").expect("the order").audit, []);
}

#[tokio::test]
async fn a_link_on_another_page_opens_no_label_and_puts_nothing_on_record() {
    let page = shipped(None).await;
    page.step_functions
        .steps_answer(json!({"document": DOCUMENT}));
    for site in [None, Some("cross-site"), Some("same-site"), Some("none")] {
        let answer = page.ask(opening("ord-1", site)).await;
        assert_eq!(answer.status(), 403, "{site:?}");
        assert_eq!(answer.headers().get("location"), None);
    }
    let id = ORDER.parse().expect("an id");
    let record = page.database.store.load(&id).await;
    assert_eq!(record.expect("an answer").expect("the order").audit, []);
}

#[tokio::test]
async fn of_an_order_whose_personal_data_were_erased_no_label_is_opened() {
    let page = shipped(None).await;
    page.database.erase_personal_data(ORDER).await;
    page.step_functions
        .steps_answer(json!({"document": DOCUMENT}));
    let (_, shown) = page.get("/orders/ord-1").await;
    assert!(!shown.contains("orders/ord-1/label"), "{shown}");
    let answer = page.ask(opening("ord-1", Some("same-origin"))).await;
    assert_eq!(answer.status(), 409);
    let id = ORDER.parse().expect("an id");
    let record = page.database.store.load(&id).await;
    assert_eq!(record.expect("an answer").expect("the order").audit, []);
}

#[tokio::test]
async fn an_order_without_a_label_offers_none() {
    let page = Page::open(None).await;
    page.database.validated(&document(ORDER)).await;
    let (_, shown) = page.get("/orders/ord-1").await;
    assert!(!shown.contains("orders/ord-1/label"), "{shown}");
    assert!(!shown.contains("Cost"), "{shown}");
}
