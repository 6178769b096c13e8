//! What a provider does not undo is settled, and what becomes of such an order.

use actions::{BulkRefused, Refused};
use domain::ledger::{Authorize, Reversal, Reverse, Unbook, Unbooking};
use domain::ports::Orders as _;
use domain::{ErrorName, Settlement, Timestamp};
use operations::ProcessState;
use operations::advice::Action;
use serde_json::json;
use tests::document;

use crate::{ORDER, Shop, booked, somebody, why};

/// An order whose label the carrier does not void any more.
async fn used_label() -> Shop {
    let shop = booked().await;
    shop.database
        .reversing(ORDER, ErrorName::PaymentDeclined)
        .await;
    let by = shop.database.claimed::<Unbook>(ORDER, 60_000).await;
    let refused = shop
        .database
        .store
        .refuse::<Unbook>(&by, "label_already_used");
    refused.await.expect("noted");
    shop.ended("FAILED", &json!({"redriveStatus": "REDRIVABLE"}));
    shop
}

impl Shop {
    async fn settle(&self, settlement: Settlement) -> Result<String, Refused> {
        let order_id = ORDER.parse().expect("an order id");
        let reason = why();
        let who = somebody(&reason);
        self.actions.settle(&order_id, settlement, who).await
    }
}

#[tokio::test]
async fn the_step_is_asked_to_settle_with_what_who_and_why() {
    let shop = used_label().await;
    shop.step_functions
        .steps_answer(json!({"settled": "the shipment is written off"}));
    let done = shop.settle(Settlement::ShipmentWrittenOff).await;
    assert_eq!(
        done.expect("settled"),
        "the shipment is written off; redrive or restart the order, and its reversal goes on"
    );
    let tasks = shop.asked("");
    let task = &tasks[0];
    assert_eq!(tasks.len(), 1, "{tasks:?}");
    assert_eq!(
        (&task["action"], &task["attempt"]),
        (&json!("settle"), &json!(1))
    );
    let settling = &task["settling"];
    assert_eq!(settling["as"], "shipment_written_off");
    let event: domain::AuditEvent =
        serde_json::from_value(settling["event"].clone()).expect("an event");
    let text = format!("{}: {}", event.event, event.text());
    assert_eq!(text, "settled: somebody: a test (shipment_written_off)");
    // It is written with the outcome, by the step.
    assert!(shop.events().await.is_empty());
}

#[tokio::test]
async fn what_is_settled_is_what_its_provider_confirms_and_in_its_turn() {
    let shop = used_label().await;
    assert!(
        shop.refused(Action::Settle)
            .await
            .contains("shipment_cancelled")
    );
    let payment = shop.settle(Settlement::PaymentReturned).await;
    let first = Refused::NotPossible("its shipment comes first".to_owned());
    assert_eq!(payment, Err(first));
    shop.ended("RUNNING", &json!({}));
    let at_work = shop.settle(Settlement::ShipmentCancelled).await;
    assert!(
        matches!(&at_work, Err(Refused::NotPossible(why)) if why.contains("at work")),
        "{at_work:?}"
    );
    assert!(shop.asked("").is_empty());
    // What is known needs nobody who asks, and can be redriven and restarted.
    shop.ended("FAILED", &json!({"redriveStatus": "REDRIVABLE"}));
    assert!(
        shop.refused(Action::Resolve)
            .await
            .contains("every outcome is known")
    );
    shop.act(Action::Redrive).await.expect("redriven");
    shop.act(Action::Restart).await.expect("restarted");
    let orders = vec![ORDER.parse().expect("an order id")];
    let many = shop
        .actions
        .preview(Action::Settle, orders, Timestamp::now());
    assert!(matches!(many.await, Err(BulkRefused::NotPossible(why)) if why.contains("by itself")));
}

#[tokio::test]
async fn an_order_that_was_settled_and_restarted_goes_on_with_what_it_was_settled_as() {
    let shop = used_label().await;
    let by = tests::invocation(ORDER, "settles", 60_000);
    let store = &shop.database.store;
    store.claim::<Unbook>(&by).await.expect("claimed");
    let written_off = Unbooking::WrittenOff;
    let event = tests::audited(domain::Event::Settled);
    let settled = store.settle::<Unbook>(&by, written_off.clone(), &event);
    settled.await.expect("settled");
    shop.act(Action::Restart).await.expect("restarted");
    let state = shop.database.state(ORDER).await;
    let unbook = state
        .unbook
        .as_ref()
        .and_then(domain::ledger::Entry::outcome);
    assert_eq!((state.attempt, unbook), (2, Some(&written_off)));
    let at = ProcessState::of(&state).map(|(at, _)| at);
    assert_eq!(at, Some(ProcessState::ReversePayment));
}

/// The parcel is out, or the money stays: another attempt would send or take it twice.
#[tokio::test]
async fn what_was_written_off_is_never_processed_again() {
    let shop = used_label().await;
    let by = tests::invocation(ORDER, "settles", 60_000);
    let store = &shop.database.store;
    store.claim::<Unbook>(&by).await.expect("claimed");
    let event = tests::audited(domain::Event::Settled);
    let settled = store.settle::<Unbook>(&by, Unbooking::WrittenOff, &event);
    settled.await.expect("settled");
    shop.database.did::<Reverse>(ORDER, Reversal::Voided).await;
    shop.database.released(ORDER).await;
    let refused = shop.refused(Action::Reprocess).await;
    assert!(refused.contains("written off"), "{refused}");
}

#[tokio::test]
async fn a_payment_that_is_found_to_be_another_ones_is_no_reason_to_wait() {
    let shop = Shop::open().await;
    shop.database.validated(&document(ORDER)).await;
    let by = shop.database.claimed::<Authorize>(ORDER, 60_000).await;
    let refused = shop
        .database
        .store
        .refuse::<Authorize>(&by, "another amount");
    refused.await.expect("noted");
    shop.ended("ABORTED", &json!({"redriveStatus": "REDRIVABLE"}));
    assert!(
        shop.refused(Action::Resolve)
            .await
            .contains("redrive or restart")
    );
    shop.act(Action::Redrive).await.expect("redriven");
    shop.act(Action::Restart).await.expect("restarted");
}
