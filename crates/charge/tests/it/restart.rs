//! An attempt that goes on with what an earlier one did.

use charge::Action;
use domain::StepError;
use domain::ports::Invocation;
use serde_json::{Value, json};
use tests::later;

use crate::{ORDER, Shop};

impl Shop {
    async fn run_restarted(&self, action: Action) -> Result<Value, StepError> {
        let by = Invocation {
            attempt: 2,
            ..later(self.invocation(), 1)
        };
        self.run_by(action, by).await
    }
}

#[tokio::test]
async fn a_hold_is_kept_and_captured_once() {
    let shop = Shop::with_shipped_order().await;
    shop.database.restarted(ORDER, false).await;
    shop.run_restarted(Action::Authorize).await.expect("held");
    let compared = shop.run_restarted(Action::Compare).await;
    assert_eq!(compared.expect("compared")["differs"], Value::Null);
    for _ in 0..2 {
        shop.run_restarted(Action::Capture).await.expect("captured");
    }
    assert_eq!(shop.sandbox.effects().await, ["authorizations", "captures"]);
}

#[tokio::test]
async fn a_hold_that_nobody_noted_is_found_by_the_undo_of_the_next_attempt() {
    let shop = Shop::with_order().await;
    let lost = ("payment", "authorize", "lose_response");
    shop.sandbox.plant(lost.0, lost.1, lost.2).await;
    shop.error(Action::Authorize).await;
    shop.fail().await;
    shop.database.restarted(ORDER, false).await;
    let reversed = shop.run_restarted(Action::Reverse).await;
    assert_eq!(reversed, Ok(json!({"voided": true})));
    assert_eq!(shop.sandbox.effects().await, ["authorizations", "voids"]);
}

#[tokio::test]
async fn a_refund_that_nobody_noted_is_not_made_again_by_the_next_attempt() {
    let shop = Shop::with_shipped_order().await;
    shop.run(Action::Capture).await.expect("captured");
    shop.fail().await;
    shop.sandbox
        .plant("payment", "refund", "lose_response")
        .await;
    shop.error(Action::Reverse).await;
    shop.database.restarted(ORDER, false).await;
    let reversed = shop.run_restarted(Action::Reverse).await;
    reversed.expect("refunded under the key of the first attempt");
    let effects = shop.sandbox.effects().await;
    assert_eq!(effects, ["authorizations", "captures", "refunds"]);
}

#[tokio::test]
async fn what_was_not_held_is_held_under_the_key_of_the_first_attempt_which_may_still_arrive() {
    let shop = Shop::with_order().await;
    shop.database.restarted(ORDER, false).await;
    shop.run_restarted(Action::Authorize).await.expect("held");
    let ledger = shop.sandbox.ledger().await;
    assert_eq!(ledger["authorizations"][0]["key"], "test.ord-1-1-authorize");
}
