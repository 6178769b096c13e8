//! Taking the money that is held.

use charge::Action;
use domain::ledger::{Authorization, Capture, Entry};
use domain::ports::PaymentProvider as _;
use domain::{ErrorName, Stage};
use serde_json::json;

use crate::{ORDER, Shop, stripe};

/// Somebody lets go of the held money behind our back, in the provider's dashboard perhaps.
async fn void_elsewhere(shop: &Shop) {
    let state = shop.database.state(ORDER).await;
    let held = state.authorize.as_ref().and_then(Entry::outcome);
    let Some(Authorization::Held { payment }) = held else {
        unreachable!("the money is held");
    };
    let stripe = stripe(&shop.sandbox.url).await;
    stripe.void("somebody-else", payment).await.expect("voided");
}

#[tokio::test]
async fn capturing_answers_with_the_amount_and_nothing_else() {
    let shop = Shop::with_shipped_order().await;
    let answer = shop.run(Action::Capture).await;
    assert_eq!(answer, Ok(json!({"captured": 3098})));
    let ledger = shop.sandbox.ledger().await;
    assert_eq!(ledger["captures"][0]["amount"], json!(3098));
    assert_eq!(ledger["captures"][0]["key"], json!("ord-1-1-capture"));
    assert_eq!(shop.database.state(ORDER).await.stage, Stage::Captured);
}

#[tokio::test]
async fn capturing_twice_takes_the_money_once_and_answers_the_same() {
    let shop = Shop::with_shipped_order().await;
    for _ in 0..2 {
        let answer = shop.run(Action::Capture).await;
        assert_eq!(answer, Ok(json!({"captured": 3098})));
    }
    assert_eq!(shop.sandbox.effects().await, ["authorizations", "captures"]);
}

#[tokio::test]
async fn whatever_breaks_the_call_is_retryable_and_the_retry_takes_the_money_once() {
    for mode in ["error", "refuse", "lose_response"] {
        let shop = Shop::with_shipped_order().await;
        shop.sandbox.plant("payment", "capture", mode).await;
        assert_eq!(
            shop.error(Action::Capture).await,
            ErrorName::PaymentUnavailable,
            "{mode}"
        );
        assert_eq!(shop.sandbox.fired().await, [format!("capture {mode}")]);
        let answer = shop.run(Action::Capture).await;
        assert_eq!(answer, Ok(json!({"captured": 3098})), "{mode}");
        assert_eq!(shop.sandbox.effects().await, ["authorizations", "captures"]);
    }
}

#[tokio::test]
async fn a_lost_answer_is_asked_for_even_when_the_provider_has_forgotten_the_key() {
    for hours in [25, 13 * 24] {
        let shop = Shop::with_shipped_order().await;
        shop.sandbox
            .plant("payment", "capture", "lose_response")
            .await;
        shop.error(Action::Capture).await;
        shop.sandbox.forget_keys().await;
        shop.sandbox.plant("payment", "find", "refuse").await;
        let outage = shop.run_after_hours(hours, Action::Capture).await;
        assert_eq!(
            outage.expect_err("an outage").name(),
            ErrorName::PaymentUnavailable
        );
        let answer = shop.run_after_hours(hours, Action::Capture).await;
        assert_eq!(answer, Ok(json!({"captured": 3098})));
        assert_eq!(
            shop.sandbox.fired().await,
            ["capture lose_response", "find refuse"]
        );
        assert_eq!(shop.sandbox.effects().await, ["authorizations", "captures"]);
    }
}

#[tokio::test]
async fn an_error_that_the_provider_keeps_under_the_key_does_not_keep_the_money_away() {
    let shop = Shop::with_shipped_order().await;
    shop.keep_error("capture").await;
    assert_eq!(
        shop.error(Action::Capture).await,
        ErrorName::PaymentUnavailable
    );
    assert_eq!(shop.sandbox.fired().await, ["capture error"]);
    for _ in 0..2 {
        let answer = shop.run(Action::Capture).await;
        assert_eq!(answer, Ok(json!({"captured": 3098})));
    }
    assert_eq!(shop.sandbox.effects().await, ["authorizations", "captures"]);
}

#[tokio::test]
async fn a_banks_late_no_is_final() {
    let shop = Shop::with_shipped_order().await;
    shop.sandbox.plant_status("payment", "capture", 402).await;
    assert_eq!(
        shop.error(Action::Capture).await,
        ErrorName::PaymentDeclined
    );
    assert_eq!(shop.sandbox.fired().await, ["capture error"]);
    shop.fail().await;
    assert_eq!(shop.run(Action::Reverse).await, Ok(json!({"voided": true})));
    assert_eq!(shop.sandbox.effects().await, ["authorizations", "voids"]);
}

#[tokio::test]
async fn a_function_that_dies_before_the_call_is_succeeded() {
    let shop = Shop::with_shipped_order().await;
    shop.database.claimed::<Capture>(ORDER, -1).await;
    assert_eq!(
        shop.run(Action::Capture).await,
        Ok(json!({"captured": 3098}))
    );
    assert_eq!(shop.sandbox.effects().await, ["authorizations", "captures"]);
}

#[tokio::test]
async fn an_authorisation_that_lapsed_is_a_final_no() {
    let shop = Shop::with_shipped_order().await;
    shop.sandbox.plant("payment", "capture", "decline").await;
    let refused = shop.run(Action::Capture).await.expect_err("lapsed");
    assert_eq!(refused.name(), ErrorName::PaymentDeclined);
    assert_eq!(
        refused.message(),
        "the payment can no longer be captured: authorization_lapsed"
    );
    assert_eq!(shop.sandbox.fired().await, ["capture decline"]);
    assert_eq!(shop.run(Action::Capture).await, Err(refused));
    assert_eq!(shop.sandbox.effects().await, ["authorizations"]);
}

#[tokio::test]
async fn money_that_was_let_go_elsewhere_is_not_captured() {
    let shop = Shop::with_shipped_order().await;
    void_elsewhere(&shop).await;
    assert_eq!(
        shop.error(Action::Capture).await,
        ErrorName::PaymentDeclined
    );
    assert_eq!(shop.sandbox.effects().await, ["authorizations", "voids"]);
    assert_eq!(shop.database.state(ORDER).await.stage, Stage::Shipped);
}

#[tokio::test]
async fn after_the_undo_nothing_is_captured() {
    let shop = Shop::with_shipped_order().await;
    shop.fail().await;
    let undone = shop.run(Action::Reverse).await;
    assert_eq!(undone, Ok(json!({"voided": true})));
    assert_eq!(shop.error(Action::Capture).await, ErrorName::InvalidInput);
    assert_eq!(shop.sandbox.effects().await, ["authorizations", "voids"]);
}

#[tokio::test]
async fn a_cancelled_order_is_not_captured() {
    let shop = Shop::with_shipped_order().await;
    shop.database.cancelled(ORDER).await;
    assert_eq!(shop.error(Action::Capture).await, ErrorName::OrderCancelled);
    assert_eq!(shop.sandbox.effects().await, ["authorizations"]);
}

#[tokio::test]
async fn an_order_that_is_not_shipped_is_not_captured() {
    let shop = Shop::with_held_money().await;
    assert_eq!(shop.error(Action::Capture).await, ErrorName::InvalidInput);
    assert_eq!(shop.sandbox.effects().await, ["authorizations"]);
}

#[tokio::test]
async fn capturing_needs_no_personal_data() {
    let shop = Shop::with_shipped_order().await;
    shop.database.erase_personal_data(ORDER).await;
    assert_eq!(
        shop.run(Action::Capture).await,
        Ok(json!({"captured": 3098}))
    );
}
