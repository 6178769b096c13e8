//! Asking the provider what became of a payment that nobody knows of.

use std::sync::Arc;
use std::time::Duration;

use charge::{Action, Charge};
use domain::ledger::{Authorize, Capture, Entry};
use domain::{ErrorName, Stage};
use serde_json::json;
use tests::{Fault, Faulty, Plan, document};

use crate::{ORDER, Shop, stripe, task};

#[tokio::test]
async fn money_that_was_held_and_nobody_heard_is_put_on_record() {
    let shop = Shop::with_order().await;
    shop.sandbox
        .plant("payment", "authorize", "lose_response")
        .await;
    shop.error(Action::Authorize).await;
    let resolved = shop.run(Action::Resolve).await;
    assert_eq!(resolved, Ok(json!({"resolved": true})));
    let state = shop.database.state(ORDER).await;
    assert_eq!(state.stage, Stage::Authorized);
    assert!(state.held_payment().is_some());
    assert_eq!(shop.sandbox.effects().await, ["authorizations"]);
}

#[tokio::test]
async fn money_that_was_taken_and_nobody_heard_is_put_on_record() {
    let shop = Shop::with_shipped_order().await;
    shop.sandbox
        .plant("payment", "capture", "lose_response")
        .await;
    shop.error(Action::Capture).await;
    let resolved = shop.run(Action::Resolve).await;
    assert_eq!(resolved, Ok(json!({"resolved": true})));
    assert_eq!(shop.database.state(ORDER).await.stage, Stage::Captured);
    assert_eq!(shop.sandbox.effects().await, ["authorizations", "captures"]);
}

#[tokio::test]
async fn money_that_was_taken_in_part_only_is_not_put_on_record_as_taken() {
    let shop = Shop::with_shipped_order().await;
    shop.database.claimed::<Capture>(ORDER, -1).await;
    let path = format!("payment_intents/{}/capture", shop.payment().await);
    let part = [("amount_to_capture", "1000")];
    shop.sandbox.in_dashboard(&path, &part).await;
    // It is none that our capture took: the order can go on to where it is found and given back.
    let resolved = shop.run(Action::Resolve).await;
    assert_eq!(resolved, Ok(json!({"resolved": true})));
    let state = shop.database.state(ORDER).await;
    assert_eq!((state.stage, state.capture), (Stage::Shipped, None));
    assert_eq!(shop.error(Action::Capture).await, ErrorName::Internal);
    shop.fail().await;
    let reversed = shop.run_after_hours(1, Action::Reverse).await;
    assert_eq!(reversed.expect("reversed")["refunded"]["amount"], 1000);
}

#[tokio::test]
async fn money_that_was_never_held_is_known_not_to_be_and_none_is_held_by_asking() {
    let shop = Shop::with_search_lag(Duration::ZERO).await;
    shop.database.validated(&document(ORDER)).await;
    shop.database.claimed::<Authorize>(ORDER, 0).await;
    // A search that lags is no answer yet.
    let resolved = shop.run_after_hours(1, Action::Resolve).await;
    assert_eq!(resolved, Ok(json!({"resolved": true})));
    let authorize = shop.database.state(ORDER).await.authorize;
    assert!(authorize.is_none(), "{authorize:?}");
    assert!(shop.sandbox.effects().await.is_empty());
}

#[tokio::test]
async fn an_undo_that_was_begun_is_carried_through() {
    let shop = Shop::with_held_money().await;
    shop.fail().await;
    shop.sandbox.plant("payment", "void", "lose_response").await;
    assert_eq!(
        shop.error(Action::Reverse).await,
        ErrorName::PaymentUnavailable
    );
    let resolved = shop.run(Action::Resolve).await;
    assert_eq!(resolved, Ok(json!({"resolved": true})));
    let reverse = shop.database.state(ORDER).await.reverse;
    assert!(matches!(reverse, Some(Entry::Done { .. })), "{reverse:?}");
    assert_eq!(shop.sandbox.effects().await, ["authorizations", "voids"]);
}

/// The step goes on while the provider is asked.
#[tokio::test]
async fn a_ledger_that_changes_while_the_provider_is_asked_does_not_differ() {
    let shop = Shop::with_held_money().await;
    let plan = Plan::new(Fault::CrashAfter, 1);
    let store = Arc::new(shop.database.store.clone());
    let provider = Arc::new(stripe(&shop.sandbox.url).await);
    let (store, provider) = (Faulty::new(&store, &plan), Faulty::new(&provider, &plan));
    let charge = Charge::new(store, provider, Duration::ZERO);
    shop.sandbox.lapse(ORDER).await;
    let compare = charge.handle(task(Action::Compare, shop.invocation()));
    let meanwhile = async {
        plan.stopped().await;
        shop.database
            .reversing(ORDER, ErrorName::OrderCancelled)
            .await;
        plan.wake();
    };
    let (compared, ()) = tokio::join!(compare, meanwhile);
    assert_eq!(plan.hit().as_deref(), Some("get"));
    assert_eq!(compared, Ok(json!({"differs": null})));
}

#[tokio::test]
async fn the_ledger_is_compared_with_the_provider_and_nothing_is_done() {
    let shop = Shop::with_held_money().await;
    let same = shop.run(Action::Compare).await;
    assert_eq!(same, Ok(json!({"differs": null})));
    // Somebody lets go of it in the provider's dashboard.
    shop.sandbox.lapse(ORDER).await;
    let differs = shop.run(Action::Compare).await;
    assert_eq!(
        differs,
        Ok(json!({"differs": {"of": "payment", "ledger": "authorized", "provider": "voided"}}))
    );
    assert_eq!(shop.database.state(ORDER).await.stage, Stage::Authorized);
}

#[tokio::test]
async fn an_outcome_that_nobody_knows_is_not_compared_but_resolved() {
    let shop = Shop::with_shipped_order().await;
    shop.sandbox
        .plant("payment", "capture", "lose_response")
        .await;
    shop.error(Action::Capture).await;
    let compared = shop.run(Action::Compare).await;
    assert_eq!(compared, Ok(json!({"differs": null})));
}
