//! What is kept of a label beside the ledger, and its document.

use domain::ledger::{Booking, Entry};
use domain::ports::Orders as _;
use domain::{Label, LabelledParcel};
use serde_json::{Value, json};
use ship::{Action, Ship};
use tests::{Fault, Faulty, Plan, packing};

use crate::{ORDER, Shop, ship_station, task};

async fn kept(shop: &Shop) -> Vec<Label> {
    let record = shop.database.store.load(&shop.invocation().order_id).await;
    let record = record.expect("an answer").expect("the order");
    assert_eq!(record.unreadable, Vec::<String>::new());
    record.labels
}

/// What the carrier has of the only label.
async fn expected(shop: &Shop, request: Option<&str>) -> Label {
    let label = shop.asked("labels").await["labels"][0].clone();
    let text = |name: &str| label[name].as_str().expect("a text").to_owned();
    Label {
        id: text("label_id"),
        carrier: "usps".to_owned(),
        tracking: text("tracking_number"),
        cost: Some(tests::money(659, "USD")),
        request: request.map(str::to_owned),
        parcels: vec![LabelledParcel {
            tracking: Some(text("tracking_number")),
            weight_g: Some(800),
        }],
    }
}

#[tokio::test]
async fn cost_request_and_parcels_of_a_label_are_kept() {
    let shop = Shop::with_booked_shipment().await;
    let kept = kept(&shop).await;
    let request = kept[0].request.as_deref();
    assert!(request.is_some_and(|id| id.starts_with("0000")), "{kept:?}");
    assert_eq!(kept, [expected(&shop, request).await]);
}

#[tokio::test]
async fn a_label_that_was_found_is_kept_without_the_request_that_bought_it() {
    let shop = Shop::with_order().await;
    shop.sandbox.plant("carrier", "book", "lose_response").await;
    shop.error(Action::Book).await;
    assert_eq!(kept(&shop).await, []);
    shop.run(Action::Book).await.expect("found");
    assert_eq!(kept(&shop).await, [expected(&shop, None).await]);
}

#[tokio::test]
async fn resolving_keeps_it_too() {
    let shop = Shop::with_order().await;
    shop.sandbox.plant("carrier", "book", "lose_response").await;
    shop.error(Action::Book).await;
    let resolved = shop.run(Action::Resolve).await;
    assert_eq!(resolved, Ok(json!({"resolved": true})));
    assert_eq!(kept(&shop).await, [expected(&shop, None).await]);
}

#[tokio::test]
async fn a_label_that_cannot_be_noted_is_booked_all_the_same_and_noted_by_the_comparison() {
    let shop = Shop::with_order().await;
    let plan = Plan::new(Fault::NotMade, 3);
    let store = std::sync::Arc::new(shop.database.store.clone());
    let carrier = ship_station(&shop.sandbox.url).await;
    let ship = Ship::new(Faulty::new(&store, &plan), carrier, packing());
    let booked = ship
        .handle(task(Action::Book, shop.invocation(), None))
        .await;
    let booked = booked.expect("booked");
    assert_eq!(plan.hit().as_deref(), Some("note_label"));
    assert_eq!(kept(&shop).await, []);
    assert!(matches!(
        shop.database.state(ORDER).await.book,
        Some(Entry::Done {
            outcome: Booking::Booked { .. },
            ..
        })
    ));
    let same = shop.run(Action::Compare).await;
    assert_eq!(same, Ok(json!({"differs": null})));
    let kept = kept(&shop).await;
    assert_eq!(json!(kept[0].id), booked["label_id"]);
    // Comparing again changes nothing.
    shop.run(Action::Compare).await.expect("compared");
    assert_eq!(crate::labels::kept(&shop).await, kept);
}

#[tokio::test]
async fn what_is_kept_of_a_label_has_nothing_personal_and_outlives_the_personal_data() {
    let shop = Shop::with_booked_shipment().await;
    let before = kept(&shop).await;
    shop.database.erase_personal_data(ORDER).await;
    assert_eq!(kept(&shop).await, before);
    tests::assert_impersonal(&format!("{before:?}"));
}

#[tokio::test]
async fn the_document_of_a_label_is_told_for_the_moment_and_kept_nowhere() {
    let shop = Shop::with_order().await;
    let none = Ok(json!({"document": null}));
    assert_eq!(shop.run(Action::Document).await, none);
    shop.run(Action::Book).await.expect("booked");
    let before = shop.database.state(ORDER).await;
    let answer = shop.run(Action::Document).await.expect("an answer");
    let url = answer["document"].as_str().expect("an address");
    let label = kept(&shop).await.remove(0);
    assert_eq!(
        url,
        format!("{}/v2/downloads/{}.pdf", shop.sandbox.url, label.id)
    );
    assert_eq!(shop.database.state(ORDER).await, before);
    let record = shop.database.store.load(&before.order_id).await;
    assert!(!format!("{record:?}").contains("downloads"));
    let http = reqwest::Client::builder().tls_certs_only([]).build();
    let document = http.expect("a client").get(url).send().await;
    let document = document.expect("an answer").text().await.expect("a text");
    assert!(document.starts_with("%PDF"), "{document}");
}

#[tokio::test]
async fn once_the_personal_data_are_erased_here_nobody_is_led_to_them_there() {
    let shop = Shop::with_booked_shipment().await;
    shop.database.erase_personal_data(ORDER).await;
    let none = Ok(json!({"document": null}));
    assert_eq!(shop.run(Action::Document).await, none);
}

#[tokio::test]
async fn a_void_label_has_no_document_and_an_absent_carrier_tells_of_none() {
    let shop = Shop::with_booked_shipment().await;
    shop.sandbox.plant("carrier", "find", "error").await;
    let failed = shop.run(Action::Document).await;
    let name = failed.expect_err("no answer").name();
    assert_eq!(name, domain::ErrorName::CarrierUnavailable);
    shop.run(Action::Cancel).await.expect("cancelled");
    let none: Result<Value, _> = Ok(json!({"document": null}));
    assert_eq!(shop.run(Action::Document).await, none);
}
