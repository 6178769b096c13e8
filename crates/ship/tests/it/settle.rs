//! A label that cannot be voided any more, and what a person says has become of it.

use domain::ledger::{Booking, Entry, Unbook, Unbooking};
use domain::ports::Orders as _;
use domain::view::{asks_first, shipment};
use domain::{
    Actor, AuditEvent, ErrorName, Event, ExecutionStatus, SETTLE, Settlement, ShipmentStatus,
    StatusView, StepError, Timestamp,
};
use serde_json::{Value, json};
use ship::Action;
use step::{Settling, Task};

use crate::{ORDER, Shop, because, task};

impl Shop {
    /// The label was used, and the failure branch has found that out.
    async fn with_used_label() -> Self {
        let shop = Self::with_booked_shipment().await;
        shop.sandbox
            .plant("carrier", "cancel", "refuse_for_good")
            .await;
        let failed = shop.run(Action::Cancel).await.expect_err("a used label");
        assert_eq!(failed.name(), ErrorName::Internal);
        let told = failed.message();
        assert!(
            told.contains("label_already_used") && told.contains("settle it"),
            "{told}"
        );
        shop
    }

    async fn settle(&self, settlement: Settlement) -> Result<Value, StepError> {
        let by = Actor::Operator("somebody".to_owned());
        let event = AuditEvent::new(Timestamp::now(), Event::Settled, by, "the parcel is out");
        let settling = Some(Settling { settlement, event });
        let task = Task {
            settling,
            ..task(Action::Settle, self.invocation(), None)
        };
        self.run_task(task).await
    }

    async fn unbook(&self) -> Option<Entry<Unbooking>> {
        self.database.state(ORDER).await.unbook
    }

    /// What is on the audit trail.
    async fn noted(&self) -> Vec<String> {
        let record = self.database.store.load(&self.invocation().order_id).await;
        let record = record.expect("an answer").expect("the order");
        record.audit.iter().map(AuditEvent::text).collect()
    }

    async fn lift(&self) {
        let lifted = json!({"provider": "carrier", "operation": "cancel", "order_id": "*",
            "mode": "refuse_for_good", "times": 0});
        self.sandbox.plant_fault(&lifted).await;
    }

    pub(crate) async fn label(&self) -> String {
        let book = self.database.state(ORDER).await.book;
        match book.as_ref().and_then(Entry::outcome) {
            Some(Booking::Booked { label, .. }) => label.clone(),
            _ => panic!("{book:?}"),
        }
    }
}

#[tokio::test]
async fn a_used_label_is_known_not_to_be_voidable_and_says_so() {
    let shop = Shop::with_used_label().await;
    let record = shop.database.store.load(&shop.invocation().order_id).await;
    let record = record.expect("an answer").expect("the order");
    let (state, now) = (&record.state, Timestamp::now());
    assert_eq!(
        shipment(state, now).status,
        ShipmentStatus::CannotBeCancelled
    );
    assert!(
        !asks_first(state, now),
        "it is known, and nobody has to ask"
    );
    let view = StatusView::of(&record, ExecutionStatus::Failed, String::new(), now);
    assert_eq!(view.failure.expect("a failure").recommended_action, SETTLE);
    let told = view.timeline.iter();
    let told = told.filter(|entry| entry.event == Event::UnbookRefused);
    let told: Vec<_> = told.filter_map(|entry| entry.detail.as_deref()).collect();
    assert_eq!(told, ["label_already_used"]);
    // The carrier has it as before, which is no news.
    let compared = shop.run(Action::Compare).await;
    assert_eq!(compared, Ok(json!({"differs": null})));
}

#[tokio::test]
async fn a_used_label_is_asked_about_again_by_a_redrive_and_voided_if_it_can_be() {
    let shop = Shop::with_used_label().await;
    assert_eq!(shop.error(Action::Cancel).await, ErrorName::Internal);
    shop.lift().await;
    let cancelled = shop.run(Action::Cancel).await;
    assert_eq!(cancelled, Ok(json!({"cancelled": true})));
    let effects = shop.sandbox.effects().await;
    assert_eq!(effects, ["shipments", "cancelled_shipments"]);
}

#[tokio::test]
async fn a_shipment_that_is_written_off_is_so_with_who_and_why_and_the_reversal_goes_on() {
    let shop = Shop::with_used_label().await;
    let settled = shop.settle(Settlement::ShipmentWrittenOff).await;
    assert_eq!(
        settled,
        Ok(json!({"settled": "the shipment is written off"}))
    );
    let unbook = shop.unbook().await;
    let outcome = unbook.as_ref().and_then(Entry::outcome);
    assert_eq!(outcome, Some(&Unbooking::WrittenOff));
    let noted = "somebody: the parcel is out: label_already_used";
    assert_eq!(shop.noted().await, [noted]);
    let again = shop.settle(Settlement::ShipmentWrittenOff).await;
    assert_eq!(again.expect_err("done").name(), ErrorName::InvalidInput);
    // A redrive, and a new attempt that goes on with it.
    assert_eq!(
        shop.run(Action::Cancel).await,
        Ok(json!({"cancelled": false}))
    );
    shop.database.restarted(ORDER, false).await;
    let mut by = shop.invocation();
    by.attempt = 2;
    let task = task(Action::Cancel, by, Some(because("InvalidInput", "")));
    assert_eq!(shop.run_task(task).await, Ok(json!({"cancelled": false})));
    let state = shop.database.state(ORDER).await;
    let failure = state.failure.as_ref().map(|failure| failure.error);
    assert_eq!(failure, Some(ErrorName::PaymentDeclined), "the first one");
    let status = shipment(&state, Timestamp::now()).status;
    assert_eq!(status, ShipmentStatus::CannotBeCancelled);
    let compared = shop.run(Action::Compare).await;
    assert_eq!(compared, Ok(json!({"differs": null})));
    assert_eq!(shop.sandbox.effects().await, ["shipments"]);
}

#[tokio::test]
async fn what_the_carrier_says_counts_and_not_the_claim() {
    let shop = Shop::with_used_label().await;
    let refused = shop.settle(Settlement::ShipmentCancelled).await;
    let refused = refused.expect_err("it is not void");
    assert_eq!(refused.name(), ErrorName::InvalidInput);
    assert!(
        refused.message().contains("label_already_used"),
        "{refused}"
    );
    assert!(shop.noted().await.is_empty());
    let unbook = shop.unbook().await;
    let said = unbook.as_ref().and_then(Entry::refused);
    assert_eq!(said, Some("label_already_used"), "it is known as before");
    // Somebody has the carrier void it after all.
    let label = shop.label().await;
    shop.lift().await;
    shop.sandbox.void_label(&label).await;
    let settled = shop.settle(Settlement::ShipmentCancelled).await;
    assert_eq!(settled, Ok(json!({"settled": "the label is void"})));
    let outcome = shop.unbook().await;
    let outcome = outcome.as_ref().and_then(Entry::outcome).cloned();
    assert_eq!(outcome, Some(Unbooking::Cancelled));
}

#[tokio::test]
async fn a_label_that_can_be_voided_is_not_written_off_but_voided() {
    let shop = Shop::with_used_label().await;
    shop.lift().await;
    let settled = shop.settle(Settlement::ShipmentWrittenOff).await;
    assert_eq!(settled, Ok(json!({"settled": "the label is void"})));
    let effects = shop.sandbox.effects().await;
    assert_eq!(effects, ["shipments", "cancelled_shipments"]);
}

#[tokio::test]
async fn whatever_breaks_the_question_nothing_is_settled_and_the_next_one_asks() {
    for mode in ["error", "refuse", "lose_response"] {
        let shop = Shop::with_used_label().await;
        shop.lift().await;
        shop.sandbox.plant("carrier", "cancel", mode).await;
        let failed = shop.settle(Settlement::ShipmentWrittenOff).await;
        let failed = failed.expect_err("a planted fault").name();
        assert_eq!(failed, ErrorName::CarrierUnavailable, "{mode}");
        assert!(shop.noted().await.is_empty());
        let settled = shop.settle(Settlement::ShipmentWrittenOff).await;
        assert_eq!(
            settled,
            Ok(json!({"settled": "the label is void"})),
            "{mode}"
        );
    }
}

#[tokio::test]
async fn nobody_settles_what_somebody_is_at_work_on_or_what_goes_well() {
    let shop = Shop::with_booked_shipment().await;
    let well = shop.settle(Settlement::ShipmentWrittenOff).await;
    assert_eq!(
        well.expect_err("not reversed").name(),
        ErrorName::InvalidInput
    );
    shop.database
        .reversing(ORDER, ErrorName::CarrierUnavailable)
        .await;
    let payment = shop.settle(Settlement::PaymentReturned).await;
    let payment = payment.expect_err("the carrier knows no payment");
    assert_eq!(payment.name(), ErrorName::InvalidInput);
    shop.database.claimed::<Unbook>(ORDER, 60_000).await;
    let busy = shop.settle(Settlement::ShipmentWrittenOff).await;
    assert_eq!(busy.expect_err("busy").name(), ErrorName::StoreUnavailable);
    let without = task(Action::Settle, shop.invocation(), None);
    let without = shop.run_task(without).await.expect_err("nothing said");
    assert_eq!(without.name(), ErrorName::InvalidInput);
    assert_eq!(shop.sandbox.effects().await, ["shipments"]);
}
