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
    let Some(Authorization::Held { payment, .. }) = held else {
        unreachable!("the money is held");
    };
    let stripe = stripe(&shop.sandbox.url).await;
    stripe.void("somebody-else", payment).await.expect("voided");
}

#[tokio::test]
async fn capturing_answers_with_the_amount_and_nothing_else() {
    let shop = Shop::with_shipped_order().await;
    let answer = shop.run(Action::Capture).await;
    assert_eq!(answer, Ok(json!({"captured": tests::money(3098, "USD")})));
    let ledger = shop.sandbox.ledger().await;
    assert_eq!(ledger["captures"][0]["amount"], json!(3098));
    assert_eq!(ledger["captures"][0]["key"], json!("test.ord-1-1-capture"));
    assert_eq!(shop.database.state(ORDER).await.stage, Stage::Captured);
}

#[tokio::test]
async fn capturing_twice_takes_the_money_once_and_answers_the_same() {
    let shop = Shop::with_shipped_order().await;
    for _ in 0..2 {
        let answer = shop.run(Action::Capture).await;
        assert_eq!(answer, Ok(json!({"captured": tests::money(3098, "USD")})));
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
        assert_eq!(
            answer,
            Ok(json!({"captured": tests::money(3098, "USD")})),
            "{mode}"
        );
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
        assert_eq!(answer, Ok(json!({"captured": tests::money(3098, "USD")})));
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
        assert_eq!(answer, Ok(json!({"captured": tests::money(3098, "USD")})));
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
        Ok(json!({"captured": tests::money(3098, "USD")}))
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

/// Somebody takes so much of the held money behind our back.
async fn capture_elsewhere(shop: &Shop, amount: &str) {
    let path = format!("payment_intents/{}/capture", shop.payment().await);
    let form = [("amount_to_capture", amount)];
    shop.sandbox.in_dashboard(&path, &form).await;
}

#[tokio::test]
async fn what_was_captured_in_part_elsewhere_is_no_payment_and_goes_back() {
    for known_before in [false, true] {
        let shop = Shop::with_shipped_order().await;
        capture_elsewhere(&shop, "1000").await;
        if known_before {
            shop.database.claimed::<Capture>(ORDER, -1).await;
        }
        let refused = shop.run(Action::Capture).await.expect_err("too little");
        assert_eq!(refused.name(), ErrorName::Internal, "{refused}");
        let of = "the payment was captured with another amount than the order's total";
        assert_eq!(refused.message(), of);
        assert_eq!(shop.database.state(ORDER).await.stage, Stage::Shipped);
        shop.fail().await;
        let undone = shop.run(Action::Reverse).await.expect("undone");
        assert_eq!(undone["refunded"], json!(tests::money(1000, "USD")));
        let ledger = shop.sandbox.ledger().await;
        let moved = |kind: &str| ledger[kind][0]["amount"].clone();
        assert_eq!(
            (moved("captures"), moved("refunds")),
            (json!(1000), json!(1000))
        );
    }
}

#[tokio::test]
async fn what_was_captured_in_whole_elsewhere_is_taken() {
    let shop = Shop::with_shipped_order().await;
    capture_elsewhere(&shop, "3098").await;
    let answer = shop.run(Action::Capture).await;
    assert_eq!(answer, Ok(json!({"captured": tests::money(3098, "USD")})));
    assert_eq!(shop.sandbox.effects().await, ["authorizations", "captures"]);
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
        Ok(json!({"captured": tests::money(3098, "USD")}))
    );
}

/// Five days on, as after a redrive: the hold may have lapsed.
const DAYS_LATER_H: i64 = 5 * 24;

#[tokio::test]
async fn a_hold_that_lapsed_is_renewed_and_the_new_payment_captured() {
    let shop = Shop::with_order_shipped_for_a_saved_method().await;
    shop.sandbox.lapse(ORDER).await;
    let lapsed = shop.database.state(ORDER).await;
    for _ in 0..2 {
        let answer = shop.run_after_hours(DAYS_LATER_H, Action::Capture).await;
        assert_eq!(answer, Ok(json!({"captured": tests::money(3098, "USD")})));
    }
    let effects = ["authorizations", "authorizations", "captures", "voids"];
    assert_eq!(shop.sandbox.effects().await, effects);
    let ledger = shop.sandbox.ledger().await;
    let state = shop.database.state(ORDER).await;
    assert_ne!(state.held_payment(), lapsed.held_payment());
    assert_eq!(ledger["captures"][0]["id"], json!(state.held_payment()));
    assert_eq!(ledger["captures"][0]["amount"], json!(3098));
}

#[tokio::test]
async fn an_old_hold_that_still_stands_is_asked_for_and_captured() {
    let shop = Shop::with_shipped_order().await;
    shop.sandbox.plant("payment", "find", "refuse").await;
    let outage = shop.run_after_hours(DAYS_LATER_H, Action::Capture).await;
    let outage = outage.expect_err("never captured blind");
    assert_eq!(outage.name(), ErrorName::PaymentUnavailable);
    assert_eq!(shop.sandbox.fired().await, ["find refuse"]);
    let answer = shop.run_after_hours(DAYS_LATER_H, Action::Capture).await;
    assert_eq!(answer, Ok(json!({"captured": tests::money(3098, "USD")})));
    assert_eq!(shop.sandbox.effects().await, ["authorizations", "captures"]);
}

#[tokio::test]
async fn a_bank_that_does_not_hold_the_money_again_ends_the_order() {
    let shop = Shop::with_order_shipped_for_a_saved_method().await;
    shop.sandbox.lapse(ORDER).await;
    shop.sandbox.plant("payment", "authorize", "decline").await;
    let refused = shop.run_after_hours(DAYS_LATER_H, Action::Capture).await;
    assert_eq!(
        refused.expect_err("a no").name(),
        ErrorName::PaymentDeclined
    );
    assert_eq!(shop.sandbox.fired().await, ["authorize decline"]);
    shop.fail().await;
    let undone = shop.run_after_hours(DAYS_LATER_H, Action::Reverse).await;
    assert_eq!(undone, Ok(json!({"voided": true})));
    assert_eq!(shop.sandbox.effects().await, ["authorizations", "voids"]);
}

/// A renewal whose answer is lost, found by the retry, or by the undo.
#[tokio::test]
async fn a_renewal_that_nobody_noted_is_captured_or_let_go_and_never_made_twice() {
    for hours in [1, 25, 13 * 24] {
        for undo in [false, true] {
            let shop = Shop::with_order_shipped_for_a_saved_method().await;
            shop.sandbox.lapse(ORDER).await;
            let lose = "lose_response";
            shop.sandbox.plant("payment", "authorize", lose).await;
            let lost = shop.run_after_hours(DAYS_LATER_H, Action::Capture).await;
            let lost = lost.expect_err("no answer").name();
            assert_eq!(lost, ErrorName::PaymentUnavailable);
            assert_eq!(shop.sandbox.fired().await, ["authorize lose_response"]);
            if hours > 24 {
                shop.sandbox.forget_keys().await;
            }
            let hours = DAYS_LATER_H + hours;
            if undo {
                shop.fail().await;
                let undone = shop.run_after_hours(hours, Action::Reverse).await;
                assert_eq!(undone, Ok(json!({"voided": true})));
                let effects = ["authorizations", "authorizations", "voids", "voids"];
                assert_eq!(shop.sandbox.effects().await, effects);
            } else {
                let answer = shop.run_after_hours(hours, Action::Capture).await;
                assert_eq!(answer, Ok(json!({"captured": tests::money(3098, "USD")})));
                let effects = ["authorizations", "authorizations", "captures", "voids"];
                assert_eq!(shop.sandbox.effects().await, effects);
            }
        }
    }
}

#[tokio::test]
async fn a_renewal_that_nobody_noted_is_noted_when_its_outcome_is_resolved() {
    let shop = Shop::with_order_shipped_for_a_saved_method().await;
    shop.sandbox.lapse(ORDER).await;
    let lapsed = shop.database.state(ORDER).await;
    shop.sandbox
        .plant("payment", "authorize", "lose_response")
        .await;
    let lost = shop.run_after_hours(DAYS_LATER_H, Action::Capture).await;
    assert!(lost.is_err(), "{lost:?}");
    let resolved = shop
        .run_after_hours(DAYS_LATER_H + 1, Action::Resolve)
        .await;
    assert_eq!(resolved, Ok(json!({"resolved": true})));
    let state = shop.database.state(ORDER).await;
    assert_eq!(state.capture, None);
    assert_ne!(state.held_payment(), lapsed.held_payment());
    let answer = shop
        .run_after_hours(DAYS_LATER_H + 2, Action::Capture)
        .await;
    assert_eq!(answer, Ok(json!({"captured": tests::money(3098, "USD")})));
    let effects = ["authorizations", "authorizations", "captures", "voids"];
    assert_eq!(shop.sandbox.effects().await, effects);
}

#[tokio::test]
async fn a_renewed_payment_is_refunded_by_the_undo() {
    let shop = Shop::with_order_shipped_for_a_saved_method().await;
    shop.sandbox.lapse(ORDER).await;
    let answer = shop.run_after_hours(DAYS_LATER_H, Action::Capture).await;
    assert_eq!(answer, Ok(json!({"captured": tests::money(3098, "USD")})));
    shop.fail().await;
    let undone = shop.run_after_hours(DAYS_LATER_H, Action::Reverse).await;
    assert_eq!(
        undone.expect("undone")["refunded"],
        json!(tests::money(3098, "USD"))
    );
}

#[tokio::test]
async fn an_invocation_without_time_left_does_nothing() {
    let shop = Shop::with_shipped_order().await;
    let mut by = shop.invocation();
    by.deadline = by.now;
    let late = shop.run_by(Action::Capture, by).await;
    assert_eq!(
        late.expect_err("too late").name(),
        ErrorName::StoreUnavailable
    );
    assert_eq!(shop.sandbox.effects().await, ["authorizations"]);
    assert_eq!(shop.database.state(ORDER).await.capture, None, "no claim");
}
