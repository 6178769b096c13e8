//! The undo, and the beginning of the failure branch.

use domain::ledger::{
    Book, Booking, Capture, CaptureResult, MessageId, Notify, Reversal, Reverse, Unbook,
};
use domain::ports::{BookRequest, Carrier as _, Orders as _};
use domain::{ErrorName, Failure};
use serde_json::{Value, json};
use ship::Action;
use tests::{document, later, parcels};

use crate::{ORDER, Shop, because, ship_station, task};

#[expect(
    clippy::unnecessary_wraps,
    reason = "compared with what the step answers"
)]
fn cancelled(cancelled: bool) -> Result<Value, domain::StepError> {
    Ok(json!({"cancelled": cancelled}))
}

async fn cancel_after_an_hour(shop: &Shop) -> Result<Value, domain::StepError> {
    let by = later(shop.invocation(), 1);
    let because = because("CarrierUnavailable", "");
    shop.run_task(task(Action::Cancel, by, Some(because))).await
}

#[tokio::test]
async fn nothing_is_cancelled_when_nothing_was_booked() {
    let shop = Shop::with_order().await;
    for _ in 0..2 {
        assert_eq!(shop.run(Action::Cancel).await, cancelled(false));
    }
    assert!(shop.sandbox.effects().await.is_empty());
    let state = shop.database.state(ORDER).await;
    assert_eq!(
        state.failure.map(|failure| failure.error),
        Some(ErrorName::PaymentDeclined)
    );
}

#[tokio::test]
async fn an_order_that_was_never_validated_can_be_undone() {
    let shop = Shop::open().await;
    shop.database.accepted(&document(ORDER)).await;
    assert_eq!(shop.run(Action::Cancel).await, cancelled(false));
}

#[tokio::test]
async fn nothing_is_cancelled_after_a_carriers_no() {
    let shop = Shop::with_order().await;
    shop.sandbox.plant("carrier", "book", "decline").await;
    shop.error(Action::Book).await;
    assert_eq!(shop.sandbox.fired().await, ["book decline"]);
    assert_eq!(shop.run(Action::Cancel).await, cancelled(false));
    assert!(shop.sandbox.effects().await.is_empty());
}

#[tokio::test]
async fn a_booked_shipment_is_cancelled_once_and_the_answer_stays_the_same() {
    let shop = Shop::with_booked_shipment().await;
    for _ in 0..2 {
        assert_eq!(shop.run(Action::Cancel).await, cancelled(true));
    }
    let effects = shop.sandbox.effects().await;
    assert_eq!(effects, ["shipments", "cancelled_shipments"]);
}

#[tokio::test]
async fn whatever_breaks_the_call_is_retryable_and_the_retry_cancels_once() {
    for mode in ["error", "refuse", "lose_response"] {
        let shop = Shop::with_booked_shipment().await;
        shop.sandbox.plant("carrier", "cancel", mode).await;
        assert_eq!(
            shop.error(Action::Cancel).await,
            ErrorName::CarrierUnavailable,
            "{mode}"
        );
        assert_eq!(shop.sandbox.fired().await, [format!("cancel {mode}")]);
        assert_eq!(shop.run(Action::Cancel).await, cancelled(true), "{mode}");
        let effects = shop.sandbox.effects().await;
        assert_eq!(effects, ["shipments", "cancelled_shipments"]);
    }
}

#[tokio::test]
async fn a_void_that_the_carrier_does_not_approve_is_tried_again() {
    let shop = Shop::with_booked_shipment().await;
    shop.sandbox.plant("carrier", "cancel", "decline").await;
    let failed = shop.run(Action::Cancel).await.expect_err("not approved");
    assert_eq!(failed.name(), ErrorName::CarrierUnavailable);
    assert!(failed.message().contains("contact_carrier"), "{failed}");
    assert_eq!(shop.sandbox.fired().await, ["cancel decline"]);
    assert_eq!(shop.run(Action::Cancel).await, cancelled(true));
}

#[tokio::test]
async fn a_booking_whose_answer_was_lost_is_found_and_cancelled() {
    let shop = Shop::with_order().await;
    shop.sandbox.plant("carrier", "book", "lose_response").await;
    shop.error(Action::Book).await;
    shop.sandbox.plant("carrier", "find", "error").await;
    assert_eq!(
        shop.error(Action::Cancel).await,
        ErrorName::CarrierUnavailable
    );
    assert_eq!(
        shop.sandbox.fired().await,
        ["book lose_response", "find error"]
    );
    assert_eq!(shop.run(Action::Cancel).await, cancelled(true));
    let effects = shop.sandbox.effects().await;
    assert_eq!(effects, ["shipments", "cancelled_shipments"]);
}

#[tokio::test]
async fn a_booking_that_may_be_under_way_is_waited_for() {
    let shop = Shop::with_order().await;
    shop.database.claimed::<Book>(ORDER, 60_000).await;
    assert_eq!(
        shop.error(Action::Cancel).await,
        ErrorName::CarrierUnavailable
    );
    assert!(shop.sandbox.effects().await.is_empty());
}

#[tokio::test]
async fn a_label_that_the_carrier_does_not_know_yet_is_waited_for() {
    let shop = Shop::with_order().await;
    shop.database.claimed::<Book>(ORDER, -1).await;
    assert_eq!(
        shop.error(Action::Cancel).await,
        ErrorName::CarrierUnavailable
    );
    // The dead function's request was still on its way.
    let record = shop.database.store.load(&shop.invocation().order_id).await;
    let record = record.expect("an answer").expect("the order");
    let request = BookRequest {
        order: &record.order,
        personal: record.personal.as_ref().expect("personal data"),
        parcels: &parcels(&record.order),
        reference: "ord-1-1",
    };
    let late = ship_station(&shop.sandbox.url).await;
    late.book(request).await.expect("booked");
    assert_eq!(shop.run(Action::Cancel).await, cancelled(true));
    let effects = shop.sandbox.effects().await;
    assert_eq!(effects, ["shipments", "cancelled_shipments"]);
}

#[tokio::test]
async fn a_label_that_the_carrier_does_not_know_for_long_was_never_bought() {
    let shop = Shop::with_order().await;
    shop.database.claimed::<Book>(ORDER, -1).await;
    assert_eq!(cancel_after_an_hour(&shop).await, cancelled(false));
    assert!(shop.sandbox.effects().await.is_empty());
}

#[tokio::test]
async fn a_booking_that_wakes_after_the_order_was_closed_changes_nothing() {
    let shop = Shop::with_order().await;
    let zombie = shop.database.claimed::<Book>(ORDER, -1).await;
    assert_eq!(cancel_after_an_hour(&shop).await, cancelled(false));
    shop.database.did::<Reverse>(ORDER, Reversal::Voided).await;
    let closed = shop.database.released(ORDER).await;
    let booking = Booking::Booked {
        label: "se-1".to_owned(),
        carrier: "usps".to_owned(),
        tracking: "9400".to_owned(),
    };
    let late = shop.database.store.commit::<Book>(&zombie, booking).await;
    assert!(late.is_err(), "{late:?}");
    assert_eq!(shop.database.state(ORDER).await, closed);
}

#[tokio::test]
async fn an_undo_that_died_is_taken_over() {
    let shop = Shop::with_booked_shipment().await;
    let error = ErrorName::PaymentUnavailable;
    shop.database.reversing(ORDER, error).await;
    shop.database.claimed::<Unbook>(ORDER, -1).await;
    assert_eq!(shop.run(Action::Cancel).await, cancelled(true));
    let effects = shop.sandbox.effects().await;
    assert_eq!(effects, ["shipments", "cancelled_shipments"]);
}

#[tokio::test]
async fn after_the_undo_nothing_is_booked() {
    let shop = Shop::with_order().await;
    assert_eq!(shop.run(Action::Cancel).await, cancelled(false));
    assert_eq!(shop.error(Action::Book).await, ErrorName::InvalidInput);
    assert!(shop.sandbox.effects().await.is_empty());
}

#[tokio::test]
async fn the_first_reason_stands_and_holds_our_own_words_only() {
    let ours = r#"{"errorType":"ShipmentRejected","errorMessage":"the carrier refuses"}"#;
    let platforms = r#"{"errorMessage":"Ada Example, 1 Main St"}"#;
    let longest = "x".repeat(2 * Failure::MAX_MESSAGE);
    for (error, cause, name, message) in [
        (
            "ShipmentRejected",
            ours,
            ErrorName::ShipmentRejected,
            "the carrier refuses",
        ),
        (
            "States.Timeout",
            platforms,
            ErrorName::Internal,
            "the step ended with States.Timeout",
        ),
        (
            "Internal",
            &longest,
            ErrorName::Internal,
            &longest[..Failure::MAX_MESSAGE],
        ),
    ] {
        let shop = Shop::with_order().await;
        let because = because(error, cause);
        let task = task(Action::Cancel, shop.invocation(), Some(because));
        assert_eq!(shop.run_task(task).await, cancelled(false));
        assert_eq!(
            shop.run(Action::Cancel).await,
            cancelled(false),
            "another reason"
        );
        let failure = shop.database.state(ORDER).await.failure.expect("a failure");
        assert_eq!((failure.error, failure.message.as_str()), (name, message));
    }
}

#[tokio::test]
async fn a_reversal_without_a_reason_or_of_another_attempt_is_refused() {
    let shop = Shop::with_booked_shipment().await;
    let without = task(Action::Cancel, shop.invocation(), None);
    let mut other = shop.invocation();
    other.attempt = 2;
    let other = task(Action::Cancel, other, Some(because("Internal", "")));
    for task in [without, other] {
        let failed = shop.run_task(task).await.expect_err("refused");
        assert_eq!(failed.name(), ErrorName::InvalidInput);
    }
    assert_eq!(shop.database.state(ORDER).await.failure, None);
    assert_eq!(shop.sandbox.effects().await, ["shipments"]);
}

#[tokio::test]
async fn a_completed_order_stays_shipped() {
    let shop = Shop::with_booked_shipment().await;
    let taken = CaptureResult::Taken {
        amount: tests::money(3098, "USD"),
    };
    shop.database.did::<Capture>(ORDER, taken).await;
    let told = MessageId("told".to_owned());
    shop.database.did::<Notify>(ORDER, told).await;
    assert_eq!(shop.error(Action::Cancel).await, ErrorName::InvalidInput);
    assert_eq!(shop.sandbox.effects().await, ["shipments"]);
}

#[tokio::test]
async fn the_undo_needs_no_personal_data() {
    let shop = Shop::with_booked_shipment().await;
    shop.database.erase_personal_data(ORDER).await;
    assert_eq!(shop.run(Action::Cancel).await, cancelled(true));
}

#[tokio::test]
async fn an_order_that_is_closed_answers_as_before() {
    let shop = Shop::with_booked_shipment().await;
    assert_eq!(shop.run(Action::Cancel).await, cancelled(true));
    shop.database.did::<Reverse>(ORDER, Reversal::Voided).await;
    shop.database.released(ORDER).await;
    assert_eq!(shop.run(Action::Cancel).await, cancelled(true));
    let effects = shop.sandbox.effects().await;
    assert_eq!(effects, ["shipments", "cancelled_shipments"]);
}
