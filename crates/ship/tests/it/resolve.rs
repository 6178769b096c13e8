//! Asking the carrier what became of a shipment that nobody knows of.

use std::sync::Arc;

use domain::ErrorName;
use domain::ledger::{Booking, Entry};
use serde_json::json;
use ship::{Action, Ship};
use tests::{Fault, Faulty, Plan};

use crate::{ORDER, Shop, ship_station, task};

#[tokio::test]
async fn a_shipment_whose_answer_was_lost_is_found_and_put_on_record() {
    let shop = Shop::with_order().await;
    shop.sandbox.plant("carrier", "book", "lose_response").await;
    assert_eq!(
        shop.error(Action::Book).await,
        ErrorName::CarrierUnavailable
    );
    let resolved = shop.run(Action::Resolve).await;
    assert_eq!(resolved, Ok(json!({"resolved": true})));
    let book = shop.database.state(ORDER).await.book;
    let booked = book.as_ref().and_then(Entry::outcome);
    assert!(matches!(booked, Some(Booking::Booked { .. })), "{book:?}");
    assert_eq!(shop.sandbox.effects().await, ["shipments"]);
    let again = shop.run(Action::Resolve).await;
    assert_eq!(again, Ok(json!({"resolved": false})));
}

#[tokio::test]
async fn nothing_is_ever_booked_by_asking() {
    let shop = Shop::with_order().await;
    let resolved = shop.run(Action::Resolve).await;
    assert_eq!(resolved, Ok(json!({"resolved": false})));
    // Somebody claimed it and died before the carrier observed of it.
    shop.database
        .claimed::<domain::ledger::Book>(ORDER, 0)
        .await;
    // The carrier may not show it yet.
    assert_eq!(
        shop.error(Action::Resolve).await,
        ErrorName::CarrierUnavailable
    );
    assert!(shop.sandbox.effects().await.is_empty());
}

/// The step goes on while the carrier is asked.
#[tokio::test]
async fn a_ledger_that_changes_while_the_carrier_is_asked_does_not_differ() {
    let shop = Shop::with_booked_shipment().await;
    let label = shop.label().await;
    // The first call reads the ledger, the second one asks the carrier.
    let plan = Plan::new(Fault::CrashAfter, 1);
    let store = Arc::new(shop.database.store.clone());
    let carrier = Arc::new(ship_station(&shop.sandbox.url).await);
    let ship = Ship::new(
        Faulty::new(&store, &plan),
        Faulty::new(&carrier, &plan),
        tests::packing(),
    );
    shop.sandbox.void_label(&label).await;
    let compare = ship.handle(task(Action::Compare, shop.invocation(), None));
    let meanwhile = async {
        plan.stopped().await;
        shop.database
            .reversing(ORDER, ErrorName::OrderCancelled)
            .await;
        plan.wake();
    };
    let (compared, ()) = tokio::join!(compare, meanwhile);
    assert_eq!(plan.hit().as_deref(), Some("find a label"));
    assert_eq!(compared, Ok(json!({"differs": null})));
}

#[tokio::test]
async fn the_ledger_is_compared_with_the_carrier_and_nothing_is_done() {
    let shop = Shop::with_order().await;
    let nothing = shop.run(Action::Compare).await;
    assert_eq!(nothing, Ok(json!({"differs": null})));
    shop.run(Action::Book).await.expect("booked");
    let same = shop.run(Action::Compare).await;
    assert_eq!(same, Ok(json!({"differs": null})));
    // Somebody voids the label in the carrier's dashboard.
    let label = shop.label().await;
    shop.sandbox.void_label(&label).await;
    let differs = shop.run(Action::Compare).await;
    assert_eq!(
        differs,
        Ok(json!({"differs": {"of": "shipment", "ledger": "booked", "provider": "cancelled"}}))
    );
}
