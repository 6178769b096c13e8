//! Checking the order and reserving its stock.

use std::collections::BTreeMap;

use domain::ledger::{Authorization, Authorize};
use domain::{Decision, ErrorName, Stage};
use serde_json::json;
use store::Store;
use tests::{document, invocation, nobody, packing, sdk_config};
use validate::ShipStation;
use validate::{Action, Validate};

use crate::{LIMIT, ORDER, Shop, large_order, order_of, task};

#[tokio::test]
async fn validating_answers_with_lines_and_amount_and_reserves_the_stock() {
    let shop = Shop::with_order(&document(ORDER)).await;
    let answer = shop.run(Action::Validate).await;
    assert_eq!(
        answer,
        Ok(json!({"lines": 1, "total": {"amount": 3098, "currency": "USD"}}))
    );
    assert_eq!(shop.database.available("MUG-01").await, 98);
    assert_eq!(shop.database.state(ORDER).await.stage, Stage::Validated);
}

#[tokio::test]
async fn validating_twice_reserves_once_and_answers_the_same() {
    let shop = Shop::with_order(&document(ORDER)).await;
    let first = shop.run(Action::Validate).await;
    assert!(first.is_ok());
    assert_eq!(shop.run(Action::Validate).await, first);
    assert_eq!(shop.database.available("MUG-01").await, 98);
    // A duplicate that comes late, when money is held already, changes nothing.
    let held = Authorization::Held {
        payment: "pi_1".to_owned(),
        made_at: None,
    };
    shop.database.did::<Authorize>(ORDER, held).await;
    assert_eq!(shop.run(Action::Validate).await, first);
    assert_eq!(shop.database.state(ORDER).await.stage, Stage::Authorized);
    assert_eq!(shop.database.available("MUG-01").await, 98);
}

#[tokio::test]
async fn a_rejection_tells_what_is_wrong_with_each_line_and_reserves_nothing() {
    let lines = [
        ("MUG-01", 1, 1299),
        ("NONE-01", 1, 100),
        ("TEE-01", 1, 1),
        ("SOLDOUT-01", 3, 1000),
    ];
    let shop = Shop::with_order(&order_of(&lines, "USD")).await;
    let rejected = shop.run(Action::Validate).await.expect_err("rejected");
    assert_eq!(rejected.name(), ErrorName::OrderRejected);
    assert_eq!(
        rejected.message(),
        "NONE-01 is not in the catalogue; TEE-01 costs 25.00 USD, not 0.01 USD; \
         SOLDOUT-01: 0 left, 3 wanted"
    );
    assert_eq!(shop.run(Action::Validate).await, Err(rejected));
    assert_eq!(shop.database.available("MUG-01").await, 100);
    assert_eq!(shop.database.available("TEE-01").await, 50);
}

#[tokio::test]
async fn a_rejection_of_many_lines_stays_short_enough_for_an_executions_history() {
    let names: Vec<String> = (0..100)
        .map(|number| format!("{}-{number}", "N".repeat(60)))
        .collect();
    let lines: Vec<_> = names.iter().map(|name| (name.as_str(), 1, 1)).collect();
    let shop = Shop::with_order(&order_of(&lines, "USD")).await;
    let rejected = shop.run(Action::Validate).await.expect_err("rejected");
    let text = rejected.message();
    assert!(text.len() < 1000, "{text}");
    assert!(
        text.starts_with(&format!("{} is not in the catalogue; ", names[0])),
        "{text}"
    );
    // Of the 99 lines of the first transaction, five are told.
    assert!(text.ends_with("; and 94 more problems"), "{text}");
}

#[tokio::test]
async fn a_price_in_another_currency_is_another_price() {
    let shop = Shop::with_order(&order_of(&[("MUG-01", 1, 1299)], "EUR")).await;
    let rejected = shop.run(Action::Validate).await.expect_err("rejected");
    assert_eq!(rejected.name(), ErrorName::OrderRejected);
    assert_eq!(rejected.message(), "MUG-01 costs 12.99 USD, not 12.99 EUR");
}

#[tokio::test]
async fn of_two_orders_for_the_last_piece_one_is_rejected() {
    let shop = Shop::with_order(&order_of(&[("RARE-01", 1, 9900)], "USD")).await;
    shop.database.article("RARE-01", 9900, "USD", 1).await;
    let mut other = order_of(&[("RARE-01", 1, 9900)], "USD");
    other["order_id"] = json!("ord-2");
    shop.database.accepted(&other).await;
    let second = invocation("ord-2", "request", 60_000);
    let mut outcomes = vec![
        shop.run(Action::Validate).await,
        shop.run_by(Action::Validate, second).await,
    ];
    outcomes.retain(Result::is_ok);
    assert_eq!(outcomes.len(), 1);
    assert_eq!(shop.database.available("RARE-01").await, 0);
}

#[tokio::test]
async fn a_large_order_waits_for_a_review_with_its_stock_reserved() {
    let shop = Shop::with_order(&large_order()).await;
    let review = shop.run(Action::Validate).await.expect_err("a review");
    assert_eq!(review.name(), ErrorName::ReviewRequired);
    assert_eq!(
        review.message(),
        "1013.22 USD is above the limit that needs no review"
    );
    assert_eq!(shop.run(Action::Validate).await, Err(review));
    assert_eq!(shop.database.available("MUG-01").await, 22);
    assert_eq!(shop.database.state(ORDER).await.stage, Stage::InReview);
}

#[tokio::test]
async fn an_order_of_exactly_the_limit_needs_no_review() {
    let shop = Shop::with_order(&order_of(&[("EXACT-01", 1, LIMIT)], "USD")).await;
    shop.database.article("EXACT-01", LIMIT, "USD", 1).await;
    assert!(shop.run(Action::Validate).await.is_ok());
}

#[tokio::test]
async fn an_order_in_a_currency_without_a_limit_waits_for_a_review() {
    let shop = Shop::with_order(&order_of(&[("MATCHA-01", 1, 1500)], "JPY")).await;
    shop.database.article("MATCHA-01", 1500, "JPY", 5).await;
    assert_eq!(
        shop.error(Action::Validate).await,
        ErrorName::ReviewRequired
    );
    assert_eq!(shop.database.available("MATCHA-01").await, 4);
}

#[tokio::test]
async fn an_approved_order_passes() {
    let shop = Shop::with_order(&large_order()).await;
    shop.error(Action::Validate).await;
    shop.decide(Decision::Approved).await;
    let answer = shop.run(Action::Validate).await;
    assert_eq!(
        answer,
        Ok(json!({"lines": 1, "total": {"amount": 101_322, "currency": "USD"}}))
    );
    assert_eq!(shop.database.available("MUG-01").await, 22);
}

#[tokio::test]
async fn a_cancelled_order_reserves_nothing() {
    let shop = Shop::with_order(&document(ORDER)).await;
    shop.database.cancelled(ORDER).await;
    assert_eq!(
        shop.error(Action::Validate).await,
        ErrorName::OrderCancelled
    );
    assert_eq!(shop.database.available("MUG-01").await, 100);
}

#[tokio::test]
async fn an_unknown_order_another_attempt_and_a_reversed_order_are_refused() {
    let shop = Shop::with_order(&document(ORDER)).await;
    let unknown = invocation("ord-2", "request", 60_000);
    let mut attempt = invocation(ORDER, "request", 60_000);
    attempt.attempt = 2;
    for action in [Action::Validate, Action::Release] {
        for by in [unknown.clone(), attempt.clone()] {
            let refused = shop.run_by(action, by).await.expect_err("refused");
            assert_eq!(refused.name(), ErrorName::InvalidInput);
        }
    }
    shop.database.reversing(ORDER, ErrorName::Internal).await;
    assert_eq!(shop.error(Action::Validate).await, ErrorName::InvalidInput);
    assert_eq!(shop.database.available("MUG-01").await, 100);
}

#[tokio::test]
async fn validating_and_releasing_need_no_personal_data() {
    let shop = Shop::with_order(&document(ORDER)).await;
    shop.database.erase_personal_data(ORDER).await;
    shop.run(Action::Validate).await.expect("validated");
    shop.database.reversing(ORDER, ErrorName::Internal).await;
    shop.run(Action::Release).await.expect("released");
}

#[tokio::test]
async fn without_a_database_the_step_is_retryable() {
    let gone = Store::new(&sdk_config(&nobody().await), "orders", "stock");
    let validate = Validate::<_, ShipStation>::new(gone, BTreeMap::new(), packing());
    for action in [Action::Validate, Action::Release] {
        let by = invocation(ORDER, "request", 60_000);
        let failed = validate.handle(task(action, by)).await;
        let failed = failed.expect_err("no database");
        assert_eq!(failed.name(), ErrorName::StoreUnavailable);
    }
}

/// Another version of the function may know other limits: what is on record counts.
#[tokio::test]
async fn an_order_in_review_stays_there_when_the_limit_is_raised() {
    let shop = Shop::with_order(&large_order()).await;
    shop.error(Action::Validate).await;
    let limit = tests::money(10_000_000, "USD");
    let limits = BTreeMap::from([(limit.currency(), limit)]);
    let raised = Validate::<_, ShipStation>::new(shop.database.store.clone(), limits, packing());
    let by = invocation(ORDER, "again", 1000);
    assert!(raised.handle(task(Action::Validate, by)).await.is_err());
}

#[tokio::test]
async fn a_validated_order_stays_so_when_the_limit_is_lowered() {
    let shop = Shop::with_order(&document(ORDER)).await;
    shop.run(Action::Validate).await.expect("validated");
    let limit = tests::money(1, "USD");
    let limits = BTreeMap::from([(limit.currency(), limit)]);
    let lowered = Validate::<_, ShipStation>::new(shop.database.store.clone(), limits, packing());
    let by = invocation(ORDER, "again", 1000);
    assert!(lowered.handle(task(Action::Validate, by)).await.is_ok());
}
