//! An attempt that goes on with what an earlier one did.

use domain::ports::{Invocation, Orders as _};
use domain::{ErrorName, StepError};
use serde_json::Value;
use ship::Action;
use tests::later;

use crate::{ORDER, Shop, because, task};

impl Shop {
    async fn run_restarted(&self, action: Action) -> Result<Value, StepError> {
        let failure = (action == Action::Cancel).then(|| because("PaymentDeclined", ""));
        let by = Invocation {
            attempt: 2,
            ..later(self.invocation(), 1)
        };
        self.run_task(task(action, by, failure)).await
    }

    async fn labels(&self) -> (usize, usize) {
        let effects = self.sandbox.effects().await;
        let count = |of: &str| effects.iter().filter(|effect| **effect == of).count();
        (count("shipments"), count("cancelled_shipments"))
    }
}

#[tokio::test]
async fn a_label_is_kept_and_seen_as_the_last_attempt_bought_it() {
    let shop = Shop::with_booked_shipment().await;
    let label = shop.run(Action::Book).await.expect("booked");
    shop.database.restarted(ORDER, false).await;
    assert_eq!(shop.run_restarted(Action::Book).await, Ok(label));
    let compared = shop.run_restarted(Action::Compare).await;
    assert_eq!(compared.expect("compared")["differs"], Value::Null);
    assert_eq!(shop.labels().await, (1, 0));
}

#[tokio::test]
async fn a_label_that_is_bought_again_is_voided_first_and_never_are_there_two() {
    let shop = Shop::with_booked_shipment().await;
    let first = shop.run(Action::Book).await.expect("booked");
    shop.database.restarted(ORDER, true).await;
    // Whoever was at work on the last attempt is told so.
    assert_eq!(shop.error(Action::Book).await, ErrorName::InvalidInput);
    for _ in 0..2 {
        let second = shop.run_restarted(Action::Book).await.expect("booked");
        assert_ne!(second["label_id"], first["label_id"]);
    }
    assert_eq!(shop.labels().await, (2, 1));
    let compared = shop.run_restarted(Action::Compare).await;
    assert_eq!(compared.expect("compared")["differs"], Value::Null);
}

#[tokio::test]
async fn whatever_breaks_while_a_label_is_replaced_the_retry_leaves_one() {
    for (operation, mode) in [
        ("cancel", "error"),
        ("cancel", "lose_response"),
        ("book", "error"),
        ("book", "lose_response"),
    ] {
        let shop = Shop::with_booked_shipment().await;
        shop.database.restarted(ORDER, true).await;
        shop.sandbox.plant("carrier", operation, mode).await;
        let failed = shop.run_restarted(Action::Book).await;
        let failed = failed.expect_err("a planted fault").name();
        assert_eq!(failed, ErrorName::CarrierUnavailable, "{operation} {mode}");
        shop.run_restarted(Action::Book).await.expect("booked");
        assert_eq!(shop.labels().await, (2, 1), "{operation} {mode}");
    }
}

#[tokio::test]
async fn a_label_that_the_carrier_does_not_void_is_what_is_shipped() {
    let shop = Shop::with_booked_shipment().await;
    let first = shop.run(Action::Book).await.expect("booked");
    shop.database.restarted(ORDER, true).await;
    shop.sandbox.plant("carrier", "cancel", "decline").await;
    let kept = shop.run_restarted(Action::Book).await;
    assert_eq!(kept, Ok(first));
    assert_eq!(shop.labels().await, (1, 0));
    let compared = shop.run_restarted(Action::Compare).await;
    assert_eq!(compared.expect("compared")["differs"], Value::Null);
    let undone = shop.run_restarted(Action::Cancel).await.expect("undone");
    assert_eq!(undone["cancelled"], true);
    assert_eq!(shop.labels().await, (1, 1));
}

#[tokio::test]
async fn a_label_that_was_to_be_replaced_is_voided_by_the_undo() {
    for replaced in [false, true] {
        let shop = Shop::with_booked_shipment().await;
        shop.database.restarted(ORDER, true).await;
        if replaced {
            shop.run_restarted(Action::Book).await.expect("booked");
        }
        let undone = shop.run_restarted(Action::Cancel).await.expect("undone");
        assert_eq!(undone["cancelled"], true);
        let bought = if replaced { 2 } else { 1 };
        assert_eq!(shop.labels().await, (bought, bought));
    }
}

#[tokio::test]
async fn a_label_that_nobody_noted_is_found_by_the_undo_of_the_next_attempt() {
    let shop = Shop::with_order().await;
    shop.sandbox.plant("carrier", "book", "lose_response").await;
    shop.error(Action::Book).await;
    shop.database.cancelled(ORDER).await;
    shop.database.restarted(ORDER, false).await;
    let undone = shop.run_restarted(Action::Cancel).await.expect("undone");
    assert_eq!(undone["cancelled"], true);
    assert_eq!(shop.labels().await, (1, 1));
}

#[tokio::test]
async fn what_was_modified_after_it_was_read_is_not_shipped() {
    let shop = Shop::with_order().await;
    let record = shop
        .database
        .store
        .load(&ORDER.parse().expect("an id"))
        .await;
    let record = record.expect("an answer").expect("the order");
    let personal = record.personal.expect("personal data");
    shop.database.modified(ORDER).await;
    let claimed = shop.database.state(ORDER).await;
    let told = step::still_true(&personal, &claimed).expect_err("it has changed");
    assert!(told.to_string().contains("modified"), "{told}");
    let booked = shop.run(Action::Book).await;
    booked.expect("what is true now is shipped");
}
