//! At most one label, whatever the carrier is slow with, and whoever else is at work there.

use std::time::Duration;

use domain::ports::{Carrier as _, Orders as _};
use domain::{Changes, ErrorName, Event};
use serde_json::{Value, json};
use ship::{Action, Ship};
use tests::{audited, packing};

use crate::{ORDER, Shop, ship_station, task};

/// The order's shipment, as the carrier has it.
async fn shipment(shop: &Shop) -> Value {
    let path = "shipments/external_shipment_id/test.ord-1-1";
    shop.sandbox.at_carrier("GET", path, &Value::Null).await
}

/// What somebody else makes with the carrier under this reference.
fn shipments(reference: &str) -> Value {
    json!({"shipments": [{"carrier_id": "se-1", "service_code": "usps_priority_mail",
        "warehouse_id": "se-2", "external_shipment_id": reference,
        "ship_to": {"name": "Somebody", "phone": "555-0100", "address_line1": "2 Main St",
            "city_locality": "Springfield", "state_province": "IL", "postal_code": "62701",
            "country_code": "US", "address_residential_indicator": "unknown"},
        "packages": [{"weight": {"value": 500, "unit": "gram"}}]}]})
}

/// The function gives up, the carrier does not. However often it is looked for meanwhile, it is not bought
/// again, and not given up either.
#[tokio::test]
async fn a_label_that_appears_late_is_found_and_none_is_bought_beside_it() {
    let shop = Shop::with_order().await;
    let late = json!({"provider": "carrier", "operation": "book", "mode": "delay",
        "delay_ms": 600, "order_id": ORDER});
    shop.sandbox.plant_fault(&late).await;
    let impatient = ship_station(&shop.sandbox.url).await;
    let impatient = impatient.buying_within(Duration::from_millis(50));
    let ship = Ship::new(shop.database.store.clone(), impatient, packing());
    let given_up = ship
        .handle(task(Action::Book, shop.invocation(), None))
        .await;
    assert_eq!(
        given_up.expect_err("given up").name(),
        ErrorName::CarrierUnavailable
    );
    let mut looked = 0;
    let found = loop {
        match shop.run(Action::Book).await {
            Ok(found) => break found,
            Err(error) => assert_eq!(error.name(), ErrorName::CarrierUnavailable, "{error}"),
        }
        looked += 1;
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert!(looked > 0, "it was looked for before it appeared");
    assert_eq!(shop.sandbox.effects().await, ["shipments"]);
    assert_eq!(shop.run(Action::Book).await, Ok(found));
}

#[tokio::test]
async fn looking_for_it_does_not_prolong_the_wait() {
    let shop = Shop::with_order().await;
    shop.sandbox.plant("carrier", "book", "refuse").await;
    shop.error(Action::Book).await;
    for _ in 0..3 {
        shop.database.elapse(ORDER, Duration::from_secs(39)).await;
        assert_eq!(
            shop.error(Action::Book).await,
            ErrorName::CarrierUnavailable
        );
        assert_eq!(
            shop.error(Action::Resolve).await,
            ErrorName::CarrierUnavailable
        );
    }
    assert!(shop.sandbox.effects().await.is_empty());
    shop.database.elapse(ORDER, Duration::from_secs(4)).await;
    shop.run(Action::Book).await.expect("bought");
    assert_eq!(shop.sandbox.effects().await, ["shipments"]);
}

#[tokio::test]
async fn what_was_given_up_twice_is_waited_for_twice() {
    let shop = Shop::with_order().await;
    for _ in 0..2 {
        shop.sandbox.plant("carrier", "book", "refuse").await;
        shop.error(Action::Book).await;
        assert_eq!(
            shop.error(Action::Book).await,
            ErrorName::CarrierUnavailable
        );
        shop.wait_for_late_labels().await;
    }
    assert_eq!(shop.sandbox.fired().await.len(), 2);
    shop.run(Action::Book).await.expect("bought");
    assert_eq!(shop.sandbox.effects().await, ["shipments"]);
}

#[tokio::test]
async fn a_label_that_somebody_voided_hides_none_that_was_bought_since() {
    let shop = Shop::with_booked_shipment().await;
    let id = shipment(&shop).await["shipment_id"].clone();
    let path = format!("labels/shipment/{}", id.as_str().expect("an id"));
    let carrier = ship_station(&shop.sandbox.url).await;
    let first = carrier.find("ord-1-1").await.expect("an answer");
    let first = first.expect("a label").id;
    shop.sandbox.void_label(&first).await;
    assert_eq!(carrier.find("ord-1-1").await, Ok(None));
    let second = shop.sandbox.at_carrier("POST", &path, &json!({})).await;
    let found = carrier.find("ord-1-1").await.expect("an answer");
    let label = found.expect("a label").id;
    assert_eq!(second["label_id"], json!(label));
    // It is none that we know of.
    let compared = shop.run(Action::Compare).await;
    let differs = json!({"of": "label", "ledger": first, "provider": label});
    assert_eq!(compared, Ok(json!({"differs": differs})));
}

#[tokio::test]
async fn a_label_that_somebody_bought_besides_is_told_as_an_extra_one() {
    let shop = Shop::with_booked_shipment().await;
    let carrier = ship_station(&shop.sandbox.url).await;
    let first = carrier.find("ord-1-1").await.expect("an answer");
    let first = first.expect("a label").id;
    let id = shipment(&shop).await["shipment_id"].clone();
    let path = format!("labels/shipment/{}", id.as_str().expect("an id"));
    let second = shop.sandbox.at_carrier("POST", &path, &json!({})).await;
    let second = second["label_id"].as_str().expect("an id").to_owned();
    // Ours is still what is found.
    let found = carrier.find("ord-1-1").await.expect("an answer");
    assert_eq!(found.map(|label| label.id).as_ref(), Some(&first));
    let compared = shop.run(Action::Compare).await;
    let differs = json!({"of": "extra_label", "ledger": first, "provider": second});
    assert_eq!(compared, Ok(json!({"differs": differs})));
    shop.sandbox.void_label(&second).await;
    let same = shop.run(Action::Compare).await;
    assert_eq!(same, Ok(json!({"differs": null})));
}

#[tokio::test]
async fn an_address_that_was_modified_after_the_shipment_was_made_is_shipped_to() {
    let shop = Shop::with_order().await;
    shop.sandbox.plant_status("carrier", "book", 429).await;
    shop.error(Action::Book).await;
    assert_eq!(shipment(&shop).await["ship_to"]["postal_code"], "62701");
    let record = shop.database.store.load(&shop.invocation().order_id).await;
    let record = record.expect("an answer").expect("the order");
    let mut address = json!(
        record
            .personal
            .as_ref()
            .expect("personal data")
            .shipping_address
    );
    address["postal_code"] = json!("62702");
    let changes = json!({"shipping_address": address}).to_string();
    let changes = Changes::parse(changes.as_bytes()).expect("changes");
    let personal = changes.of(record.personal.as_ref().expect("personal data"), 1);
    let event = audited(Event::Modified);
    let modified = shop.database.store.modify(&record.state, &personal, &event);
    assert_eq!(modified.await, Ok(true));
    shop.run(Action::Book).await.expect("booked");
    assert_eq!(shipment(&shop).await["ship_to"]["postal_code"], "62702");
    assert_eq!(shop.sandbox.effects().await, ["shipments"]);
}

#[tokio::test]
async fn a_shipment_whose_answer_was_lost_is_found_and_costs_no_wait() {
    let shop = Shop::with_order().await;
    shop.sandbox
        .plant("carrier", "prepare", "lose_response")
        .await;
    assert_eq!(
        shop.error(Action::Book).await,
        ErrorName::CarrierUnavailable
    );
    assert_eq!(shop.database.state(ORDER).await.book, None, "no claim");
    shop.run(Action::Book).await.expect("bought");
    assert_eq!(shop.sandbox.effects().await, ["shipments"]);
}

/// For the carrier, capital letters may be the same as small ones. For us they are another order.
#[tokio::test]
async fn the_shipment_of_another_reference_is_never_used() {
    let shop = Shop::with_order().await;
    let others = shipments("test.ORD-1-1");
    shop.sandbox.at_carrier("POST", "shipments", &others).await;
    let refused = shop.run(Action::Book).await.expect_err("not ours");
    assert_eq!(refused.name(), ErrorName::Internal, "{refused}");
    // Ours was never made: there is nothing to cancel, and the order goes its way.
    shop.wait_for_late_labels().await;
    let cancelled = shop.run(Action::Cancel).await;
    assert_eq!(cancelled, Ok(json!({"cancelled": false})));
    assert!(shop.sandbox.effects().await.is_empty());
}

#[tokio::test]
async fn a_shipment_that_somebody_cancelled_is_left_to_a_person() {
    let shop = Shop::with_order().await;
    shop.sandbox.plant_status("carrier", "book", 429).await;
    shop.error(Action::Book).await;
    let id = shipment(&shop).await["shipment_id"].clone();
    let path = format!("shipments/{}/cancel", id.as_str().expect("an id"));
    shop.sandbox.at_carrier("PUT", &path, &json!({})).await;
    assert_eq!(shop.error(Action::Book).await, ErrorName::Internal);
    assert!(shop.sandbox.effects().await.is_empty());
}
