//! The forms of payment: a method that works once, one that the customer has saved, and a payment that
//! the shop's checkout has made.

use charge::Action;
use domain::ledger::{Authorization, Authorize};
use domain::{ErrorName, StepError};
use serde_json::{Value, json};
use tests::{Sandbox, document};

use crate::{ORDER, Shop};

/// A shop with an order that names a payment of the checkout's; its reference.
async fn with_intent(amount: &str, more: &[(&str, &str)]) -> (Shop, String) {
    let made = async |sandbox: &Sandbox| {
        let intent = sandbox.checked_out(amount, more).await;
        json!({"intent": intent})
    };
    let mut intent = String::new();
    let shop = Shop::with_order_paid_by(async |sandbox| {
        let payment = made(sandbox).await;
        payment["intent"]
            .as_str()
            .expect("an id")
            .clone_into(&mut intent);
        payment
    })
    .await;
    (shop, intent)
}

/// Why a payment was declined.
fn code(outcome: Result<Value, StepError>) -> String {
    let declined = outcome.expect_err("declined");
    assert_eq!(declined.name(), ErrorName::PaymentDeclined, "{declined}");
    let code = declined.message().rsplit(": ").next();
    code.expect("a code").to_owned()
}

#[tokio::test]
async fn a_saved_method_is_charged_without_its_customer() {
    let saved = async |sandbox: &Sandbox| sandbox.saved("pm_card_visa").await;
    let shop = Shop::with_order_paid_by(saved).await;
    shop.run(Action::Authorize).await.expect("authorised");
    let intent = shop.sandbox.payment(&shop.payment().await).await;
    assert!(intent["customer"].is_string(), "{intent}");
    assert_eq!(shop.sandbox.effects().await, ["authorizations"]);
}

#[tokio::test]
async fn a_bank_that_wants_to_ask_a_customer_who_is_not_there_says_no() {
    let method = "pm_card_authenticationRequired";
    let saved = async |sandbox: &Sandbox| sandbox.saved(method).await;
    let shop = Shop::with_order_paid_by(saved).await;
    let declined = shop.run(Action::Authorize).await;
    assert_eq!(code(declined), "authentication_required");
    assert!(shop.sandbox.effects().await.is_empty());
}

#[tokio::test]
async fn a_method_of_another_customers_is_none() {
    let saved = async |sandbox: &Sandbox| {
        let (mine, theirs) = (sandbox.single().await, sandbox.saved("").await);
        json!({"method": mine, "customer": theirs["customer"]})
    };
    let shop = Shop::with_order_paid_by(saved).await;
    let declined = shop.run(Action::Authorize).await;
    assert_eq!(code(declined), "payment_method_unknown");
}

#[tokio::test]
async fn a_question_of_the_banks_is_a_no_also_where_the_customer_could_be() {
    let shop = Shop::with_order().await;
    shop.sandbox
        .plant("payment", "authorize", "challenge")
        .await;
    let declined = shop.run(Action::Authorize).await;
    assert_eq!(code(declined), "requires_action");
    assert_eq!(shop.sandbox.fired().await, ["authorize challenge"]);
    assert!(shop.sandbox.effects().await.is_empty());
}

#[tokio::test]
async fn a_method_that_works_once_does_not_work_twice() {
    let shop = Shop::open().await;
    let method = shop.sandbox.single().await;
    for (order, expected) in [(ORDER, None), ("ord-2", Some("payment_method_used"))] {
        let mut document = document(order);
        document["payment"]["method"] = json!(method);
        shop.database.validated(&document).await;
        let mut by = shop.invocation();
        by.order_id = order.parse().expect("an id");
        let outcome = shop.run_by(Action::Authorize, by).await;
        match expected {
            None => assert!(outcome.is_ok(), "{outcome:?}"),
            Some(expected) => assert_eq!(code(outcome), expected),
        }
    }
}

#[tokio::test]
async fn a_payment_of_the_checkouts_is_taken_over_and_none_is_made() {
    let (shop, intent) = with_intent("3098", &[]).await;
    let answer = Ok(json!({"payment_id": intent}));
    for _ in 0..2 {
        assert_eq!(shop.run(Action::Authorize).await, answer);
    }
    assert_eq!(shop.sandbox.effects().await, ["authorizations"]);
    let seen = shop.sandbox.payment(&intent).await;
    assert_eq!(seen["metadata"]["order_id"], json!(ORDER));
    let state = shop.database.state(ORDER).await;
    let made_at = seen["created"].as_i64().expect("a time");
    let trusted = domain::Timestamp::from_second(made_at).expect("a time");
    let trusted = trusted + Authorization::TRUSTED_FOR;
    assert_eq!(state.hold_trusted_until(), Some(trusted));
    shop.ship().await;
    shop.run(Action::Capture).await.expect("captured");
    let ledger = shop.sandbox.ledger().await;
    assert_eq!(ledger["captures"][0]["id"], json!(intent));
}

#[tokio::test]
async fn a_payment_that_does_not_fit_is_declined_and_left_as_it_is() {
    let unconfirmed = [("confirm", "false")];
    let automatic = [("capture_method", "automatic")];
    let other = [("metadata[order_id]", "ord-2")];
    let yen = [("currency", "jpy")];
    for (amount, more, expected) in [
        ("3097", &[][..], "intent_amount_differs"),
        ("3098", &yen[..], "intent_currency_differs"),
        ("3098", &unconfirmed[..], "intent_not_held"),
        ("3098", &automatic[..], "intent_not_captured_manually"),
        ("3098", &other[..], "intent_used_by_another_order"),
    ] {
        let (shop, intent) = with_intent(amount, more).await;
        let (before, seen) = (
            shop.sandbox.effects().await,
            shop.sandbox.payment(&intent).await,
        );
        assert_eq!(code(shop.run(Action::Authorize).await), expected);
        shop.fail().await;
        assert_eq!(shop.run(Action::Reverse).await, Ok(json!({"reversed": 0})));
        assert_eq!(shop.sandbox.effects().await, before, "{expected}");
        assert_eq!(shop.sandbox.payment(&intent).await, seen, "{expected}");
    }
}

#[tokio::test]
async fn a_payment_that_is_let_go_or_does_not_exist_is_declined() {
    let (shop, intent) = with_intent("3098", &[]).await;
    let path = format!("payment_intents/{intent}/cancel");
    shop.sandbox.in_dashboard(&path, &[]).await;
    assert_eq!(code(shop.run(Action::Authorize).await), "intent_not_held");
    let unknown = async |_: &Sandbox| json!({"intent": "pi_nobody"});
    let shop = Shop::with_order_paid_by(unknown).await;
    assert_eq!(code(shop.run(Action::Authorize).await), "intent_unknown");
}

#[tokio::test]
async fn what_was_taken_over_is_the_orders_however_old_it_is_when_that_is_heard_of() {
    let (shop, intent) = with_intent("3098", &[]).await;
    shop.sandbox
        .plant("payment", "authorize", "lose_response")
        .await;
    let almost = i64::try_from(Authorization::TRUSTED_FOR.as_secs() / 3600).expect("hours");
    let lost = shop.run_after_hours(almost - 10, Action::Authorize).await;
    assert_eq!(
        lost.expect_err("no answer").name(),
        ErrorName::PaymentUnavailable
    );
    // By now it would be too old to be taken over.
    let held = shop.run_after_hours(almost - 5, Action::Authorize).await;
    assert_eq!(held, Ok(json!({"payment_id": intent})));
    // It is on record, so that the failure branch lets it go.
    shop.fail().await;
    let undone = shop.run_after_hours(almost - 4, Action::Reverse).await;
    assert_eq!(undone, Ok(json!({"voided": true})));
}

#[tokio::test]
async fn a_payment_that_was_made_too_long_ago_to_ship_for_is_declined() {
    let almost = i64::try_from(Authorization::TRUSTED_FOR.as_secs() / 3600).expect("hours");
    for (hours, fits) in [(almost - 7, true), (almost - 5, false)] {
        let (shop, _) = with_intent("3098", &[]).await;
        let outcome = shop.run_after_hours(hours, Action::Authorize).await;
        if fits {
            assert!(outcome.is_ok(), "{outcome:?}");
        } else {
            assert_eq!(code(outcome), "intent_about_to_lapse");
        }
    }
}

#[tokio::test]
async fn a_payment_that_the_checkout_has_marked_as_this_orders_is_taken_over() {
    // The checkout knows the order's id, and perhaps not what we call our environments.
    let (shop, intent) = with_intent("3098", &[("metadata[order_id]", ORDER)]).await;
    let answer = shop.run(Action::Authorize).await;
    assert_eq!(answer, Ok(json!({"payment_id": intent})));
    let marked = [
        ("metadata[order_id]", ORDER),
        ("metadata[environment]", "test"),
    ];
    let (shop, intent) = with_intent("3098", &marked).await;
    // There is nothing to write: nobody may fail to.
    shop.sandbox.plant("payment", "authorize", "error").await;
    let answer = shop.run(Action::Authorize).await;
    assert_eq!(answer, Ok(json!({"payment_id": intent})));
    assert!(shop.sandbox.fired().await.is_empty());
}

#[tokio::test]
async fn an_order_of_another_environment_is_another_order() {
    let marked = [
        ("metadata[order_id]", ORDER),
        ("metadata[environment]", "prod"),
    ];
    let (shop, _) = with_intent("3098", &marked).await;
    let answer = shop.run(Action::Authorize).await;
    let declined = answer.expect_err("it is another order's");
    assert_eq!(declined.name(), ErrorName::PaymentDeclined);
    assert!(declined.message().contains("intent_used_by_another_order"));
}

/// The write of one is on its way while the other reads and writes: the key, which is the payment's, tells
/// them apart.
#[tokio::test]
async fn of_two_orders_that_name_one_payment_one_gets_it() {
    for delayed in [ORDER, "ord-2", "nobody"] {
        let (shop, intent) = with_intent("3098", &[]).await;
        let mut other = document("ord-2");
        other["payment"] = json!({"intent": intent});
        shop.database.validated(&other).await;
        let fault = json!({"provider": "payment", "operation": "authorize", "mode": "delay",
            "delay_ms": 300, "order_id": delayed});
        shop.sandbox.plant_fault(&fault).await;
        let of = |order: &str| {
            let mut by = shop.invocation();
            by.order_id = order.parse().expect("an id");
            shop.run_by(Action::Authorize, by)
        };
        let (mut one, mut two) = tokio::join!(of(ORDER), of("ord-2"));
        // Whoever met the other at it asks again.
        for (outcome, order) in [(&mut one, ORDER), (&mut two, "ord-2")] {
            if let Err(error) = outcome
                && error.name() == ErrorName::PaymentUnavailable
            {
                *outcome = of(order).await;
            }
        }
        let (got, not) = if one.is_ok() { (one, two) } else { (two, one) };
        assert_eq!(got, Ok(json!({"payment_id": intent})), "{delayed}");
        assert_eq!(code(not), "intent_used_by_another_order", "{delayed}");
        assert_eq!(shop.sandbox.effects().await, ["authorizations"]);
    }
}

/// The same order in two environments, which have databases of their own and one account.
#[tokio::test]
async fn of_two_environments_that_are_given_one_payment_one_gets_it() {
    // Whose write is on its way while the other reads and writes.
    for mode in ["delay", "late", "lose_response"] {
        let (shop, intent) = with_intent("3098", &[]).await;
        let other = shop.in_environment("prod").await;
        let mut document = document(ORDER);
        document["payment"] = json!({"intent": intent});
        other.database.validated(&document).await;
        let fault = json!({"provider": "payment", "operation": "authorize", "mode": mode,
            "delay_ms": 300, "order_id": "*"});
        shop.sandbox.plant_fault(&fault).await;
        let (mut one, mut two) =
            tokio::join!(shop.run(Action::Authorize), other.run(Action::Authorize));
        assert_eq!(shop.sandbox.fired().await, [format!("authorize {mode}")]);
        for (outcome, shop) in [(&mut one, &shop), (&mut two, &other)] {
            if let Err(error) = outcome
                && error.name() == ErrorName::PaymentUnavailable
            {
                *outcome = shop.run(Action::Authorize).await;
            }
        }
        let (got, not) = if one.is_ok() { (one, two) } else { (two, one) };
        assert_eq!(got, Ok(json!({"payment_id": intent})), "{mode}");
        assert_eq!(code(not), "intent_used_by_another_order", "{mode}");
        assert_eq!(shop.sandbox.effects().await, ["authorizations"]);
    }
}

#[tokio::test]
async fn whatever_breaks_taking_over_is_retryable_and_the_retry_has_it() {
    for (operation, mode) in [
        ("find", "error"),
        ("find", "refuse"),
        ("authorize", "error"),
        ("authorize", "refuse"),
        ("authorize", "lose_response"),
    ] {
        for hours in [0, 25] {
            let (shop, intent) = with_intent("3098", &[]).await;
            shop.sandbox.plant("payment", operation, mode).await;
            assert_eq!(
                shop.error(Action::Authorize).await,
                ErrorName::PaymentUnavailable,
                "{operation} {mode}"
            );
            assert_eq!(shop.sandbox.fired().await, [format!("{operation} {mode}")]);
            if hours > 24 {
                shop.sandbox.forget_keys().await;
            }
            let answer = shop.run_after_hours(hours, Action::Authorize).await;
            assert_eq!(answer, Ok(json!({"payment_id": intent})));
            assert_eq!(shop.sandbox.effects().await, ["authorizations"]);
        }
    }
}

#[tokio::test]
async fn an_error_that_the_provider_keeps_under_the_key_does_not_keep_the_payment_away() {
    let (shop, intent) = with_intent("3098", &[]).await;
    shop.keep_error("authorize").await;
    assert_eq!(
        shop.error(Action::Authorize).await,
        ErrorName::PaymentUnavailable
    );
    let answer = shop.run(Action::Authorize).await;
    assert_eq!(answer, Ok(json!({"payment_id": intent})));
}

#[tokio::test]
async fn a_payment_that_was_taken_over_unheard_is_let_go_by_the_undo() {
    let (shop, _) = with_intent("3098", &[]).await;
    let lose = "lose_response";
    shop.sandbox.plant("payment", "authorize", lose).await;
    shop.error(Action::Authorize).await;
    shop.fail().await;
    assert_eq!(shop.run(Action::Reverse).await, Ok(json!({"voided": true})));
    assert_eq!(shop.sandbox.effects().await, ["authorizations", "voids"]);
}

#[tokio::test]
async fn a_payment_that_was_never_taken_over_is_none_of_the_undos() {
    let (shop, _) = with_intent("3098", &[]).await;
    shop.database.claimed::<Authorize>(ORDER, -1).await;
    shop.fail().await;
    let undone = shop.run_after_hours(1, Action::Reverse).await;
    assert_eq!(undone, Ok(json!({"reversed": 0})));
    assert_eq!(shop.sandbox.effects().await, ["authorizations"]);
}

#[tokio::test]
async fn a_hold_that_lapsed_is_not_renewed_by_what_works_once() {
    let days_later_h = 5 * 24;
    for by_intent in [false, true] {
        let shop = if by_intent {
            with_intent("3098", &[]).await.0
        } else {
            Shop::with_order().await
        };
        shop.run(Action::Authorize).await.expect("authorised");
        shop.ship().await;
        shop.sandbox.lapse(ORDER).await;
        // Nobody is asked.
        shop.sandbox.plant("payment", "authorize", "error").await;
        let refused = shop.run_after_hours(days_later_h, Action::Capture).await;
        assert_eq!(code(refused), "authorization_lapsed");
        assert!(shop.sandbox.fired().await.is_empty());
        assert_eq!(shop.sandbox.effects().await, ["authorizations", "voids"]);
    }
}
