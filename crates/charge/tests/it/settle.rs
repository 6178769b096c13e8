//! Money that the provider does not give back, and what a person says has become of it.

use charge::Action;
use domain::ledger::{Authorize, Entry, Reversal, Unbook, Unbooking};
use domain::ports::Orders as _;
use domain::view::{asks_first, is_held_otherwise, payment, refused_undo};
use domain::{
    Actor, AuditEvent, ErrorName, Event, PaymentStatus, Settlement, Stage, StepError, Timestamp,
};
use serde_json::{Value, json};
use step::{Settling, Task};
use tests::money;

use crate::{ORDER, Shop, task};

impl Shop {
    /// The failure branch has come to the payment.
    async fn unbooked(&self) {
        self.fail().await;
        self.database
            .did::<Unbook>(ORDER, Unbooking::Cancelled)
            .await;
    }

    /// The money was taken and is to go back; the provider is told to refuse that, so many times.
    async fn with_disputed_charge(times: u32) -> Self {
        let shop = Self::with_shipped_order().await;
        shop.run(Action::Capture).await.expect("captured");
        shop.unbooked().await;
        let disputed = json!({"provider": "payment", "operation": "refund", "mode": "decline",
            "times": times, "order_id": ORDER});
        shop.sandbox.plant_fault(&disputed).await;
        let failed = shop.run(Action::Reverse).await.expect_err("disputed");
        assert_eq!(failed.name(), ErrorName::Internal);
        let told = failed.message();
        assert!(
            told.contains("charge_disputed") && told.contains("settle it"),
            "{told}"
        );
        shop
    }

    async fn settle(&self, settlement: Settlement) -> Result<Value, StepError> {
        let by = Actor::Operator("somebody".to_owned());
        let event = AuditEvent::new(Timestamp::now(), Event::Settled, by, "the dispute is lost");
        let settling = Some(Settling { settlement, event });
        let task = Task {
            settling,
            ..task(Action::Settle, self.invocation())
        };
        self.charge.handle(task).await
    }

    async fn refused_to_settle(&self, settlement: Settlement) -> String {
        let refused = self.settle(settlement).await.expect_err("not so");
        assert_eq!(refused.name(), ErrorName::InvalidInput);
        refused.message().to_owned()
    }

    async fn reversal(&self) -> Option<Reversal> {
        let reverse = self.database.state(ORDER).await.reverse;
        reverse.as_ref().and_then(Entry::outcome).cloned()
    }
}

#[tokio::test]
async fn a_refund_that_is_refused_is_known_and_says_what_to_do() {
    let shop = Shop::with_disputed_charge(1).await;
    let (state, now) = (shop.database.state(ORDER).await, Timestamp::now());
    assert_eq!(payment(&state, now).status, PaymentStatus::Captured);
    assert!(!asks_first(&state, now), "nobody has to ask what is known");
    let said = refused_undo(&state).expect("what the provider said");
    assert!(said.contains("charge_disputed"), "{said}");
    // A redrive asks anew, and the dispute was won meanwhile.
    let refunded = shop.run(Action::Reverse).await.expect("refunded");
    assert_eq!(refunded["refunded"], json!(money(3098, "USD")));
}

#[tokio::test]
async fn an_undo_that_meets_a_dispute_waits_for_a_person_and_goes_on_once_that_is_won() {
    let shop = Shop::with_shipped_order().await;
    shop.run(Action::Capture).await.expect("captured");
    shop.sandbox.happens(ORDER, "dispute").await;
    shop.unbooked().await;
    assert_eq!(shop.error(Action::Reverse).await, ErrorName::Internal);
    let state = shop.database.state(ORDER).await;
    let said = refused_undo(&state).expect("what the provider said");
    assert!(said.contains("charge_disputed"), "{said}");
    shop.sandbox.happens(ORDER, "dispute_won").await;
    let refunded = shop.run(Action::Reverse).await.expect("refunded");
    assert_eq!(refunded["refunded"], json!(money(3098, "USD")));
}

#[tokio::test]
async fn a_payment_is_written_off_only_while_the_provider_refuses_and_stays_ours() {
    let shop = Shop::with_disputed_charge(9).await;
    let settled = shop.settle(Settlement::PaymentWrittenOff).await;
    assert_eq!(
        settled,
        Ok(json!({"settled": "the payment is written off"}))
    );
    let written_off = Reversal::WrittenOff {
        captured: money(3098, "USD"),
        refunded: money(0, "USD"),
    };
    assert_eq!(shop.reversal().await, Some(written_off));
    let state = shop.database.state(ORDER).await;
    let view = payment(&state, Timestamp::now());
    assert_eq!(
        (view.status, view.captured, view.refunded),
        (PaymentStatus::Captured, money(3098, "USD"), money(0, "USD"))
    );
    let record = shop.database.store.load(&shop.invocation().order_id).await;
    let record = record.expect("an answer").expect("the order");
    let noted: Vec<_> = record.audit.iter().map(AuditEvent::text).collect();
    let said = "the payment provider answered 400 (charge_disputed)";
    assert_eq!(noted, [format!("somebody: the dispute is lost: {said}")]);
    // The failure branch goes on, and the provider sees it as we do.
    shop.run(Action::Reverse).await.expect("settled");
    let compared = shop.run(Action::Compare).await;
    assert_eq!(compared, Ok(json!({"differs": null})));
    assert_eq!(shop.database.released(ORDER).await.stage, Stage::Failed);
    assert_eq!(shop.sandbox.effects().await, ["authorizations", "captures"]);

    let shop = Shop::with_disputed_charge(1).await;
    let settled = shop.settle(Settlement::PaymentWrittenOff).await;
    assert_eq!(settled, Ok(json!({"settled": "the money went back"})));
}

#[tokio::test]
async fn what_went_back_in_part_is_counted_where_the_rest_is_written_off() {
    let shop = Shop::with_shipped_order().await;
    shop.run(Action::Capture).await.expect("captured");
    shop.refund_in_dashboard("1000").await;
    shop.unbooked().await;
    for _ in 0..2 {
        shop.sandbox.plant("payment", "refund", "decline").await;
    }
    assert_eq!(shop.error(Action::Reverse).await, ErrorName::Internal);
    shop.settle(Settlement::PaymentWrittenOff)
        .await
        .expect("settled");
    let written_off = Reversal::WrittenOff {
        captured: money(3098, "USD"),
        refunded: money(1000, "USD"),
    };
    assert_eq!(shop.reversal().await, Some(written_off));
}

#[tokio::test]
async fn money_counts_as_returned_once_all_of_it_has_gone_back() {
    let shop = Shop::with_disputed_charge(1).await;
    shop.refund_in_dashboard("1000").await;
    let told = shop.refused_to_settle(Settlement::PaymentReturned).await;
    assert_eq!(
        told,
        "30.98 USD was captured, and 10.00 USD of it has gone back so far"
    );
    shop.refund_in_dashboard("2098").await;
    let settled = shop.settle(Settlement::PaymentReturned).await;
    assert_eq!(settled, Ok(json!({"settled": "the money went back"})));
    let amount = money(3098, "USD");
    let reversal = shop.reversal().await;
    assert!(
        matches!(&reversal, Some(Reversal::Refunded { amount: back, .. }) if *back == amount),
        "{reversal:?}"
    );
}

#[tokio::test]
async fn money_that_is_held_can_be_let_go_and_is_not_settled() {
    let shop = Shop::with_shipped_order().await;
    shop.fail().await;
    let told = shop.refused_to_settle(Settlement::PaymentReturned).await;
    assert_eq!(told, "its shipment comes first");
    shop.unbooked().await;
    for settlement in [Settlement::PaymentReturned, Settlement::PaymentWrittenOff] {
        let told = shop.refused_to_settle(settlement).await;
        assert!(told.contains("30.98 USD is still held"), "{told}");
    }
    assert_eq!(shop.reversal().await, None);
    // Somebody lets go of it in the dashboard.
    shop.sandbox.lapse(ORDER).await;
    let settled = shop.settle(Settlement::PaymentReturned).await;
    let said = json!({"settled": "the money is not held any more"});
    assert_eq!(settled, Ok(said));
    assert_eq!(shop.reversal().await, Some(Reversal::Voided));
}

#[tokio::test]
async fn whatever_breaks_the_question_nothing_is_settled_and_the_next_one_asks() {
    for mode in ["error", "refuse"] {
        let shop = Shop::with_disputed_charge(9).await;
        shop.sandbox.plant("payment", "find", mode).await;
        let failed = shop.settle(Settlement::PaymentWrittenOff).await;
        let failed = failed.expect_err("a planted fault").name();
        assert_eq!(failed, ErrorName::PaymentUnavailable, "{mode}");
        assert_eq!(shop.reversal().await, None);
        shop.settle(Settlement::PaymentWrittenOff)
            .await
            .expect("settled");
    }
}

/// A payment of another amount is found under an authorisation of which nobody heard.
#[tokio::test]
async fn a_payment_that_holds_another_amount_is_found_let_go_and_its_order_closed() {
    let shop = Shop::with_order().await;
    let by = shop.database.claimed::<Authorize>(ORDER, -1).await;
    let form = [
        ("amount", "1000"),
        ("currency", "usd"),
        ("payment_method", "pm_card_visa"),
        ("payment_method_types[]", "card"),
        ("confirm", "true"),
        ("capture_method", "manual"),
        ("metadata[order_id]", ORDER),
        ("metadata[attempt]", "1"),
        ("metadata[environment]", "test"),
    ];
    shop.sandbox.in_dashboard("payment_intents", &form).await;
    assert!(asks_first(&shop.database.state(ORDER).await, by.now));
    let resolved = shop.run(Action::Resolve).await;
    assert_eq!(resolved, Ok(json!({"resolved": true})));
    let (state, now) = (shop.database.state(ORDER).await, Timestamp::now());
    assert!(is_held_otherwise(&state), "{:?}", state.authorize);
    assert!(!asks_first(&state, now), "it can be redriven and restarted");
    let again = shop.run(Action::Resolve).await;
    assert_eq!(again, Ok(json!({"resolved": false})), "it is known");
    // Its execution goes on after the provider has forgotten the key: the step finds it, holds nothing
    // more, and fails; the failure branch lets it go.
    let held = shop.run_after_hours(25, Action::Authorize).await;
    let held = held.expect_err("another amount");
    assert_eq!(held.name(), ErrorName::Internal);
    assert_eq!(shop.sandbox.effects().await, ["authorizations"]);
    shop.unbooked().await;
    let reversed = shop.run_after_hours(26, Action::Reverse).await;
    assert_eq!(reversed, Ok(json!({"voided": true})));
    assert_eq!(shop.database.released(ORDER).await.stage, Stage::Failed);
    assert_eq!(shop.sandbox.effects().await, ["authorizations", "voids"]);
}
