//! The undo: giving the customer's money back, whatever is known of it.

use std::time::Duration;

use charge::Action;
use domain::ErrorName;
use domain::ledger::{Authorize, Capture, Reverse};
use serde_json::json;
use tests::document;

use crate::{ORDER, Shop};

/// An authorisation whose answer was lost, in a shop whose search lags behind.
async fn with_lost_authorization(search_lag: Duration) -> Shop {
    let shop = Shop::with_search_lag(search_lag).await;
    shop.database.validated(&document(ORDER)).await;
    shop.sandbox
        .plant("payment", "authorize", "lose_response")
        .await;
    shop.error(Action::Authorize).await;
    shop.fail().await;
    shop
}

async fn with_captured_money() -> Shop {
    let shop = Shop::with_shipped_order().await;
    shop.run(Action::Capture).await.expect("captured");
    shop.fail().await;
    shop
}

#[tokio::test]
async fn nothing_is_reversed_when_nothing_was_charged() {
    let shop = Shop::with_order().await;
    shop.fail().await;
    for _ in 0..2 {
        assert_eq!(shop.run(Action::Reverse).await, Ok(json!({"reversed": 0})));
    }
    assert!(shop.sandbox.effects().await.is_empty());
}

#[tokio::test]
async fn nothing_is_reversed_after_a_banks_no() {
    let shop = Shop::with_order().await;
    shop.sandbox.plant("payment", "authorize", "decline").await;
    shop.error(Action::Authorize).await;
    assert_eq!(shop.sandbox.fired().await, ["authorize decline"]);
    shop.fail().await;
    assert_eq!(shop.run(Action::Reverse).await, Ok(json!({"reversed": 0})));
    assert!(shop.sandbox.effects().await.is_empty());
}

#[tokio::test]
async fn held_money_is_let_go_once() {
    let shop = Shop::with_held_money().await;
    shop.fail().await;
    for _ in 0..2 {
        assert_eq!(shop.run(Action::Reverse).await, Ok(json!({"voided": true})));
    }
    assert_eq!(shop.sandbox.effects().await, ["authorizations", "voids"]);
}

#[tokio::test]
async fn captured_money_goes_back_once() {
    let shop = with_captured_money().await;
    let first = shop.run(Action::Reverse).await;
    let ledger = shop.sandbox.ledger().await;
    let refund = &ledger["refunds"][0];
    let expected = json!({"refunded": tests::money(3098, "USD"), "refund_id": refund["id"]});
    assert_eq!((&first, &refund["amount"]), (&Ok(expected), &json!(3098)));
    assert_eq!(shop.run(Action::Reverse).await, first);
    let effects = shop.sandbox.effects().await;
    assert_eq!(effects, ["authorizations", "captures", "refunds"]);
}

#[tokio::test]
async fn whatever_breaks_the_void_is_retryable_and_the_retry_lets_go_once() {
    for operation in ["find", "void"] {
        for mode in ["error", "refuse", "lose_response"] {
            let shop = Shop::with_held_money().await;
            shop.fail().await;
            shop.sandbox.plant("payment", operation, mode).await;
            assert_eq!(
                shop.error(Action::Reverse).await,
                ErrorName::PaymentUnavailable,
                "{operation} {mode}"
            );
            assert_eq!(shop.sandbox.fired().await, [format!("{operation} {mode}")]);
            assert_eq!(shop.run(Action::Reverse).await, Ok(json!({"voided": true})));
            assert_eq!(shop.sandbox.effects().await, ["authorizations", "voids"]);
        }
    }
}

#[tokio::test]
async fn whatever_breaks_the_refund_is_retryable_and_the_retry_gives_back_once() {
    for operation in ["find", "refund"] {
        for mode in ["error", "refuse", "lose_response"] {
            let shop = with_captured_money().await;
            shop.sandbox.plant("payment", operation, mode).await;
            assert_eq!(
                shop.error(Action::Reverse).await,
                ErrorName::PaymentUnavailable,
                "{operation} {mode}"
            );
            assert_eq!(shop.sandbox.fired().await, [format!("{operation} {mode}")]);
            let answer = shop.run(Action::Reverse).await.expect("refunded");
            assert_eq!(answer["refunded"], json!(tests::money(3098, "USD")));
            let effects = shop.sandbox.effects().await;
            assert_eq!(effects, ["authorizations", "captures", "refunds"]);
        }
    }
}

#[tokio::test]
async fn a_lost_refund_is_found_even_when_the_provider_has_forgotten_the_key() {
    let shop = with_captured_money().await;
    shop.sandbox
        .plant("payment", "refund", "lose_response")
        .await;
    shop.error(Action::Reverse).await;
    assert_eq!(shop.sandbox.fired().await, ["refund lose_response"]);
    shop.sandbox.forget_keys().await;
    let answer = shop.run_after_hours(25, Action::Reverse).await;
    let ledger = shop.sandbox.ledger().await;
    let expected =
        json!({"refunded": tests::money(3098, "USD"), "refund_id": ledger["refunds"][0]["id"]});
    assert_eq!(answer, Ok(expected));
    assert_eq!(ledger["refunds"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn an_error_that_the_provider_keeps_under_the_key_does_not_keep_the_customers_money() {
    for (operation, undone) in [("void", "voids"), ("refund", "refunds")] {
        let shop = match operation {
            "void" => Shop::with_held_money().await,
            _ => with_captured_money().await,
        };
        shop.fail().await;
        shop.keep_error(operation).await;
        assert_eq!(
            shop.error(Action::Reverse).await,
            ErrorName::PaymentUnavailable
        );
        assert_eq!(shop.sandbox.fired().await, [format!("{operation} error")]);
        let answer = shop.run(Action::Reverse).await;
        assert!(answer.is_ok());
        assert_eq!(shop.run(Action::Reverse).await, answer);
        let mut effects = shop.sandbox.effects().await;
        effects.retain(|effect| *effect == undone);
        assert_eq!(effects, [undone]);
    }
}

#[tokio::test]
async fn a_charge_that_the_customer_disputes_is_for_a_person() {
    let shop = with_captured_money().await;
    shop.sandbox.plant("payment", "refund", "decline").await;
    let failed = shop.run(Action::Reverse).await.expect_err("disputed");
    assert_eq!(failed.name(), ErrorName::Internal);
    assert!(failed.message().contains("charge_disputed"), "{failed}");
    assert_eq!(shop.sandbox.fired().await, ["refund decline"]);
    assert_eq!(shop.sandbox.effects().await, ["authorizations", "captures"]);
}

#[tokio::test]
async fn a_lapsed_authorisation_counts_as_let_go() {
    let shop = Shop::with_shipped_order().await;
    shop.sandbox.plant("payment", "capture", "decline").await;
    shop.error(Action::Capture).await;
    assert_eq!(shop.sandbox.fired().await, ["capture decline"]);
    shop.fail().await;
    assert_eq!(shop.run(Action::Reverse).await, Ok(json!({"voided": true})));
    assert_eq!(shop.sandbox.effects().await, ["authorizations"]);
}

#[tokio::test]
async fn money_that_may_be_held_is_looked_for_and_let_go() {
    let shop = with_lost_authorization(Duration::ZERO).await;
    assert_eq!(shop.run(Action::Reverse).await, Ok(json!({"voided": true})));
    assert_eq!(shop.sandbox.fired().await, ["authorize lose_response"]);
    assert_eq!(shop.sandbox.effects().await, ["authorizations", "voids"]);
}

#[tokio::test]
async fn what_is_not_found_may_be_on_its_way_until_it_had_time_to_arrive() {
    let shop = with_lost_authorization(Duration::from_mins(1)).await;
    shop.sandbox.plant_finds("hide").await;
    assert_eq!(
        shop.error(Action::Reverse).await,
        ErrorName::PaymentUnavailable
    );
    assert_eq!(
        shop.sandbox.fired().await,
        ["authorize lose_response", "find hide", "find hide"]
    );
    assert_eq!(shop.run(Action::Reverse).await, Ok(json!({"voided": true})));
    assert_eq!(shop.sandbox.effects().await, ["authorizations", "voids"]);
}

#[tokio::test]
async fn what_is_not_found_after_that_does_not_exist() {
    let shop = Shop::with_search_lag(Duration::from_mins(1)).await;
    shop.database.validated(&document(ORDER)).await;
    shop.database.claimed::<Authorize>(ORDER, -1).await;
    shop.fail().await;
    assert_eq!(
        shop.error(Action::Reverse).await,
        ErrorName::PaymentUnavailable
    );
    let answer = shop.run_after_hours(1, Action::Reverse).await;
    assert_eq!(answer, Ok(json!({"reversed": 0})));
    assert!(shop.sandbox.effects().await.is_empty());
}

/// A fault of one order hits the search for it, and not the list.
#[tokio::test]
async fn what_the_search_does_not_see_is_in_the_list() {
    for mode in ["decline", "error"] {
        let shop = with_lost_authorization(Duration::ZERO).await;
        let fault = json!({"provider": "payment", "operation": "find", "mode": mode,
            "order_id": ORDER});
        shop.sandbox.plant_fault(&fault).await;
        assert_eq!(shop.run(Action::Reverse).await, Ok(json!({"voided": true})));
        let fired = ["authorize lose_response".to_owned(), format!("find {mode}")];
        assert_eq!(shop.sandbox.fired().await, fired);
        assert_eq!(shop.sandbox.effects().await, ["authorizations", "voids"]);
    }
}

#[tokio::test]
async fn a_list_without_its_end_proves_nothing() {
    let shop = with_lost_authorization(Duration::ZERO).await;
    // The search does not see it, and it is on the last page but some.
    for number in 0..2_000 {
        let order = format!("other-{number}");
        let more = [("metadata[order_id]", order.as_str()), ("confirm", "false")];
        shop.sandbox.checked_out("3098", &more).await;
    }
    let fault = json!({"provider": "payment", "operation": "find", "mode": "decline",
        "order_id": ORDER});
    shop.sandbox.plant_fault(&fault).await;
    assert_eq!(
        shop.error(Action::Reverse).await,
        ErrorName::PaymentUnavailable
    );
    let fired = ["authorize lose_response", "find decline"];
    assert_eq!(shop.sandbox.fired().await, fired);
    // By then the search sees it.
    assert_eq!(shop.run(Action::Reverse).await, Ok(json!({"voided": true})));
}

#[tokio::test]
async fn an_authorisation_that_may_be_under_way_is_waited_for() {
    let shop = Shop::with_order().await;
    shop.database.claimed::<Authorize>(ORDER, 60_000).await;
    shop.fail().await;
    assert_eq!(
        shop.error(Action::Reverse).await,
        ErrorName::PaymentUnavailable
    );
    let answer = shop.run_after_hours(1, Action::Reverse).await;
    assert_eq!(answer, Ok(json!({"reversed": 0})));
}

#[tokio::test]
async fn a_capture_that_may_be_under_way_is_waited_for() {
    let shop = Shop::with_shipped_order().await;
    shop.database.claimed::<Capture>(ORDER, 60_000).await;
    shop.fail().await;
    assert_eq!(
        shop.error(Action::Reverse).await,
        ErrorName::PaymentUnavailable
    );
    assert_eq!(shop.sandbox.effects().await, ["authorizations"]);
    let answer = shop.run_after_hours(1, Action::Reverse).await;
    assert_eq!(answer, Ok(json!({"voided": true})));
    assert_eq!(shop.sandbox.effects().await, ["authorizations", "voids"]);
}

#[tokio::test]
async fn a_capture_whose_answer_was_lost_goes_back() {
    let shop = Shop::with_shipped_order().await;
    shop.sandbox
        .plant("payment", "capture", "lose_response")
        .await;
    shop.error(Action::Capture).await;
    assert_eq!(shop.sandbox.fired().await, ["capture lose_response"]);
    shop.fail().await;
    let first = shop.run(Action::Reverse).await;
    assert_eq!(
        first.as_ref().expect("refunded")["refunded"],
        json!(tests::money(3098, "USD"))
    );
    assert_eq!(shop.run(Action::Reverse).await, first);
    let effects = shop.sandbox.effects().await;
    assert_eq!(effects, ["authorizations", "captures", "refunds"]);
}

#[tokio::test]
async fn an_undo_that_died_is_taken_over() {
    let shop = Shop::with_held_money().await;
    shop.fail().await;
    shop.database.claimed::<Reverse>(ORDER, -1).await;
    assert_eq!(shop.run(Action::Reverse).await, Ok(json!({"voided": true})));
    assert_eq!(shop.sandbox.effects().await, ["authorizations", "voids"]);
}

#[tokio::test]
async fn an_order_that_goes_well_is_not_reversed() {
    let shop = Shop::with_held_money().await;
    assert_eq!(shop.error(Action::Reverse).await, ErrorName::InvalidInput);
    assert_eq!(shop.sandbox.effects().await, ["authorizations"]);
}

#[tokio::test]
async fn the_undo_needs_no_personal_data() {
    let shop = Shop::with_held_money().await;
    shop.database.erase_personal_data(ORDER).await;
    shop.fail().await;
    assert_eq!(shop.run(Action::Reverse).await, Ok(json!({"voided": true})));
}

#[tokio::test]
async fn a_charge_that_was_never_sent_needs_no_waiting_to_undo() {
    let shop = Shop::with_search_lag(Duration::from_mins(1)).await;
    shop.database.validated(&document(ORDER)).await;
    shop.database.erase_personal_data(ORDER).await;
    assert_eq!(shop.error(Action::Authorize).await, ErrorName::InvalidInput);
    shop.fail().await;
    assert_eq!(shop.run(Action::Reverse).await, Ok(json!({"reversed": 0})));
}

/// A request that arrives once its order is closed: the provider had nothing of it before.
#[tokio::test]
async fn money_that_is_held_after_all_for_a_closed_order_is_let_go() {
    for late in [false, true] {
        let shop = Shop::with_order().await;
        shop.database.claimed::<Authorize>(ORDER, -1).await;
        shop.fail().await;
        shop.run(Action::Reverse).await.expect("nothing to reverse");
        let before = shop.run(Action::LookAgain).await;
        assert_eq!(before, Ok(json!({"let_go": false})), "it is not closed");
        shop.database.released(ORDER).await;
        if late {
            let more = [
                ("metadata[order_id]", ORDER),
                ("metadata[attempt]", "1"),
                ("metadata[environment]", "test"),
            ];
            shop.sandbox.checked_out("3098", &more).await;
        }
        for again in [late, false] {
            let looked = shop.run(Action::LookAgain).await;
            assert_eq!(looked, Ok(json!({"let_go": again})));
        }
        let effects: &[&str] = if late {
            &["authorizations", "voids"]
        } else {
            &[]
        };
        assert_eq!(shop.sandbox.effects().await, effects);
    }
}

#[tokio::test]
async fn a_provider_that_is_away_is_asked_again_about_a_closed_order() {
    let shop = Shop::with_order().await;
    shop.database.claimed::<Authorize>(ORDER, -1).await;
    shop.fail().await;
    shop.run(Action::Reverse).await.expect("nothing to reverse");
    shop.database.released(ORDER).await;
    shop.sandbox.plant_finds("error").await;
    assert_eq!(
        shop.error(Action::LookAgain).await,
        ErrorName::PaymentUnavailable
    );
    assert_eq!(shop.sandbox.fired().await, ["find error", "find error"]);
}
