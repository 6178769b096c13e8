//! Holding the customer's money.

use charge::{Action, Charge};
use domain::ledger::{Authorize, idempotency_key};
use domain::ports::{AuthorizeRequest, PaymentProvider as _};
use domain::{ErrorName, PaymentMeans, Stage, Timestamp};
use serde_json::json;
use tests::{document, nobody, sdk_config};

use crate::{ORDER, Shop, stripe, task};

#[tokio::test]
async fn authorising_answers_with_the_payments_reference_and_nothing_else() {
    let shop = Shop::with_order().await;
    let answer = shop.run(Action::Authorize).await.expect("authorised");
    let ledger = shop.sandbox.ledger().await;
    let held = &ledger["authorizations"][0];
    assert_eq!(answer, json!({"payment_id": held["id"]}));
    assert_eq!(
        (&held["amount"], &held["currency"], &held["key"]),
        (
            &json!(3098),
            &json!("USD"),
            &json!("test.ord-1-1-authorize")
        )
    );
    assert_eq!(shop.database.state(ORDER).await.stage, Stage::Authorized);
}

#[tokio::test]
async fn authorising_twice_holds_the_money_once_and_answers_the_same() {
    let shop = Shop::with_order().await;
    let first = shop.run(Action::Authorize).await;
    assert!(first.is_ok());
    assert_eq!(shop.run(Action::Authorize).await, first);
    assert_eq!(shop.sandbox.effects().await, ["authorizations"]);
}

#[tokio::test]
async fn of_many_invocations_at_once_one_holds_the_money() {
    let shop = Shop::with_order().await;
    let (a, b, c) = tokio::join!(
        shop.run(Action::Authorize),
        shop.run(Action::Authorize),
        shop.run(Action::Authorize)
    );
    assert!(a.is_ok() || b.is_ok() || c.is_ok(), "{a:?} {b:?} {c:?}");
    for outcome in [a, b, c] {
        if let Err(error) = outcome {
            assert_eq!(error.name(), ErrorName::StoreUnavailable, "{error}");
        }
    }
    assert_eq!(shop.sandbox.effects().await, ["authorizations"]);
}

#[tokio::test]
async fn an_outage_without_effect_is_retryable_and_the_retry_holds_the_money() {
    for mode in ["error", "refuse"] {
        let shop = Shop::with_order().await;
        shop.sandbox.plant("payment", "authorize", mode).await;
        assert_eq!(
            shop.error(Action::Authorize).await,
            ErrorName::PaymentUnavailable,
            "{mode}"
        );
        assert_eq!(shop.sandbox.fired().await, [format!("authorize {mode}")]);
        assert!(shop.sandbox.effects().await.is_empty());
        shop.run(Action::Authorize).await.expect("authorised");
        assert_eq!(shop.sandbox.effects().await, ["authorizations"]);
    }
}

#[tokio::test]
async fn a_lost_answer_is_retryable_and_the_retry_finds_the_money_held_already() {
    let shop = Shop::with_order().await;
    shop.sandbox
        .plant("payment", "authorize", "lose_response")
        .await;
    assert_eq!(
        shop.error(Action::Authorize).await,
        ErrorName::PaymentUnavailable
    );
    assert_eq!(shop.sandbox.fired().await, ["authorize lose_response"]);
    let answer = shop.run(Action::Authorize).await.expect("authorised");
    assert_eq!(shop.sandbox.effects().await, ["authorizations"]);
    let ledger = shop.sandbox.ledger().await;
    assert_eq!(
        answer,
        json!({"payment_id": ledger["authorizations"][0]["id"]})
    );
}

#[tokio::test]
async fn a_lost_answer_is_searched_for_once_the_provider_may_have_forgotten_the_key() {
    for hours in [25, 13 * 24] {
        let shop = Shop::with_order().await;
        shop.sandbox
            .plant("payment", "authorize", "lose_response")
            .await;
        shop.error(Action::Authorize).await;
        shop.sandbox.forget_keys().await;
        shop.sandbox.plant_finds("error").await;
        let outage = shop.run_after_hours(hours, Action::Authorize).await;
        assert_eq!(
            outage.expect_err("an outage").name(),
            ErrorName::PaymentUnavailable
        );
        let found = shop.run_after_hours(hours, Action::Authorize).await;
        found.expect("found");
        assert_eq!(
            shop.sandbox.fired().await,
            ["authorize lose_response", "find error", "find error"]
        );
        assert_eq!(shop.sandbox.effects().await, ["authorizations"]);
    }
}

#[tokio::test]
async fn a_function_that_dies_after_the_call_leaves_money_that_its_successor_finds() {
    let shop = Shop::with_order().await;
    let mut dead = shop.database.claimed::<Authorize>(ORDER, -1).await;
    let order = shop.database.state(ORDER).await;
    let request = AuthorizeRequest {
        order_id: &order.order_id,
        attempt: 1,
        amount: order.total,
        means: &PaymentMeans::Single("pm_card_visa".parse().expect("a token")),
        not_before: Timestamp::UNIX_EPOCH,
    };
    let key = idempotency_key::<Authorize>(&order.order_id, 1);
    let stripe = stripe(&shop.sandbox.url).await;
    let held = stripe.authorize(&key, request).await.expect("held");
    let answer = shop.run(Action::Authorize).await.expect("authorised");
    assert_eq!(answer, json!({"payment_id": held.reference}));
    assert_eq!(shop.sandbox.effects().await, ["authorizations"]);
    // Should it be asked once more, it finds what its successor left.
    dead.deadline = shop.invocation().deadline;
    assert_eq!(shop.run_by(Action::Authorize, dead).await, Ok(answer));
}

#[tokio::test]
async fn another_invocation_at_work_is_waited_for() {
    let shop = Shop::with_order().await;
    shop.database.claimed::<Authorize>(ORDER, 60_000).await;
    assert_eq!(
        shop.error(Action::Authorize).await,
        ErrorName::StoreUnavailable
    );
    assert!(shop.sandbox.effects().await.is_empty());
}

#[tokio::test]
async fn a_banks_no_is_final_and_tells_its_code_only() {
    let shop = Shop::with_order().await;
    shop.sandbox.plant("payment", "authorize", "decline").await;
    let declined = shop.run(Action::Authorize).await.expect_err("declined");
    assert_eq!(declined.name(), ErrorName::PaymentDeclined);
    assert_eq!(
        declined.message(),
        "the payment was declined: generic_decline"
    );
    assert_eq!(shop.sandbox.fired().await, ["authorize decline"]);
    assert_eq!(shop.run(Action::Authorize).await, Err(declined));
    assert!(shop.sandbox.effects().await.is_empty());
}

#[tokio::test]
async fn test_cards_are_declined_with_their_reasons() {
    for (method, code) in [
        (
            "pm_card_visa_chargeDeclinedInsufficientFunds",
            "insufficient_funds",
        ),
        ("pm_card_nobody", "payment_method_unknown"),
    ] {
        let shop = Shop::open().await;
        let mut document = document(ORDER);
        document["payment"]["method"] = json!(method);
        shop.database.validated(&document).await;
        let declined = shop.run(Action::Authorize).await.expect_err("declined");
        assert_eq!(declined.name(), ErrorName::PaymentDeclined);
        assert!(declined.message().ends_with(code), "{declined}");
    }
}

#[tokio::test]
async fn each_status_of_the_provider_has_its_name_in_the_catalogue() {
    for (status, name) in [
        (400, ErrorName::Internal),
        (401, ErrorName::PaymentUnavailable),
        (409, ErrorName::PaymentUnavailable),
        (429, ErrorName::PaymentUnavailable),
        (500, ErrorName::PaymentUnavailable),
    ] {
        let shop = Shop::with_order().await;
        shop.sandbox
            .plant_status("payment", "authorize", status)
            .await;
        assert_eq!(shop.error(Action::Authorize).await, name, "{status}");
        assert_eq!(shop.sandbox.fired().await, ["authorize error"]);
        assert!(shop.sandbox.effects().await.is_empty());
    }
}

#[tokio::test]
async fn an_error_that_the_provider_keeps_under_the_key_never_becomes_money_held_twice() {
    let shop = Shop::with_order().await;
    shop.keep_error("authorize").await;
    for _ in 0..2 {
        assert_eq!(
            shop.error(Action::Authorize).await,
            ErrorName::PaymentUnavailable
        );
    }
    assert_eq!(shop.sandbox.fired().await, ["authorize error"]);
    shop.sandbox.forget_keys().await;
    let next_day = shop.run_after_hours(25, Action::Authorize).await;
    next_day.expect("authorised");
    assert_eq!(shop.sandbox.effects().await, ["authorizations"]);
}

#[tokio::test]
async fn a_cancelled_order_is_not_charged() {
    let shop = Shop::with_order().await;
    shop.database.cancelled(ORDER).await;
    assert_eq!(
        shop.error(Action::Authorize).await,
        ErrorName::OrderCancelled
    );
    assert!(shop.sandbox.effects().await.is_empty());
}

#[tokio::test]
async fn an_order_whose_personal_data_was_erased_is_not_charged() {
    let shop = Shop::with_order().await;
    shop.database.erase_personal_data(ORDER).await;
    assert_eq!(shop.error(Action::Authorize).await, ErrorName::InvalidInput);
    assert!(shop.sandbox.effects().await.is_empty());
}

#[tokio::test]
async fn only_a_validated_order_is_charged() {
    let shop = Shop::open().await;
    assert_eq!(
        shop.error(Action::Authorize).await,
        ErrorName::InvalidInput,
        "no order"
    );
    shop.database.accepted(&document(ORDER)).await;
    assert_eq!(
        shop.error(Action::Authorize).await,
        ErrorName::InvalidInput,
        "not validated"
    );
    let shop = Shop::with_order().await;
    let mut by = shop.invocation();
    by.attempt = 2;
    let other = shop.run_by(Action::Authorize, by).await;
    assert_eq!(
        other.expect_err("another attempt").name(),
        ErrorName::InvalidInput
    );
    shop.fail().await;
    assert_eq!(
        shop.error(Action::Authorize).await,
        ErrorName::InvalidInput,
        "reversing"
    );
    assert!(shop.sandbox.effects().await.is_empty());
}

#[tokio::test]
async fn without_a_database_no_money_moves() {
    let shop = Shop::open().await;
    let gone = store::Store::new(&sdk_config(&nobody().await), "orders", "stock");
    let lag = std::time::Duration::ZERO;
    let charge = Charge::new(gone, stripe(&shop.sandbox.url).await, lag);
    let failed = charge
        .handle(task(Action::Authorize, shop.invocation()))
        .await;
    assert_eq!(
        failed.expect_err("no database").name(),
        ErrorName::StoreUnavailable
    );
    assert!(shop.sandbox.effects().await.is_empty());
}

#[tokio::test]
async fn the_same_step_with_another_amount_holds_no_second_money() {
    for hours in [0, 25] {
        let shop = Shop::with_order().await;
        shop.sandbox
            .plant("payment", "authorize", "lose_response")
            .await;
        shop.error(Action::Authorize).await;
        assert_eq!(shop.sandbox.fired().await, ["authorize lose_response"]);
        shop.database.change_total(ORDER, 9999).await;
        if hours > 24 {
            shop.sandbox.forget_keys().await;
        }
        let refused = shop.run_after_hours(hours, Action::Authorize).await;
        let refused = refused.expect_err("another amount").name();
        assert_eq!(refused, ErrorName::Internal, "after {hours} h");
        assert_eq!(shop.sandbox.effects().await, ["authorizations"]);
    }
}

/// That nothing happened now tells nothing of what happened before.
#[tokio::test]
async fn a_successor_that_was_turned_away_leaves_the_outcome_unknown() {
    let shop = Shop::with_order().await;
    shop.sandbox
        .plant("payment", "authorize", "lose_response")
        .await;
    shop.error(Action::Authorize).await;
    shop.sandbox.forget_keys().await;
    let turned_away = json!({"provider": "payment", "operation": "find", "mode": "error",
        "status": 429, "order_id": "*", "times": 2});
    shop.sandbox.plant_fault(&turned_away).await;
    let turned_away = shop.run_after_hours(25, Action::Authorize).await;
    assert_eq!(
        turned_away.expect_err("turned away").name(),
        ErrorName::PaymentUnavailable
    );
    let fired = ["authorize lose_response", "find error", "find error"];
    assert_eq!(shop.sandbox.fired().await, fired);
    assert!(shop.run_after_hours(25, Action::Authorize).await.is_ok());
    assert_eq!(shop.sandbox.effects().await, ["authorizations"]);
}

/// Under its key the provider repeats what was true when it was asked first.
#[tokio::test]
async fn a_hold_of_which_an_answer_is_repeated_is_looked_at_again() {
    let shop = Shop::with_order().await;
    shop.sandbox
        .plant("payment", "authorize", "lose_response")
        .await;
    assert_eq!(
        shop.error(Action::Authorize).await,
        ErrorName::PaymentUnavailable
    );
    let ledger = shop.sandbox.ledger().await;
    let payment = ledger["authorizations"][0]["id"].as_str();
    let path = format!("payment_intents/{}/cancel", payment.expect("a payment"));
    shop.sandbox.in_dashboard(&path, &[]).await;
    assert_eq!(
        shop.error(Action::Authorize).await,
        ErrorName::PaymentDeclined
    );
    assert_eq!(shop.sandbox.effects().await, ["authorizations", "voids"]);
}
