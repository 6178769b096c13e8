//! The step against a real engine: an embedded DynamoDB.
#![expect(clippy::expect_used, reason = "tests")]

use std::collections::BTreeMap;

use domain::ledger::{Authorization, Authorize};
use domain::ports::{Decided, Invocation, OperatorEvent, Orders as _};
use domain::{Decision, ErrorName, Stage, StepError, Timestamp};
use serde_json::{Value, json};
use step::Task;
use store::Store;
use tests::{Database, assert_impersonal, database, document, invocation, nobody, sdk_config};
use validate::{Action, Validate};

/// The order that every test here is about.
const ORDER: &str = "ord-1";
/// The largest total in USD that nobody needs to look at.
const LIMIT: u64 = 100_000;

/// The step with everything around it.
struct Shop {
    database: Database,
    validate: Validate<Store>,
}

impl Shop {
    /// A shop with an order that was accepted at the door.
    async fn with_order(document: &Value) -> Self {
        let database = database().await;
        database.accepted(document).await;
        let limits = BTreeMap::from([("USD".to_owned(), LIMIT)]);
        let validate = Validate::new(database.store.clone(), limits);
        Self { database, validate }
    }

    async fn run(&self, action: Action) -> Result<Value, StepError> {
        self.run_by(action, invocation(ORDER, "request", 60_000))
            .await
    }

    /// Whatever comes of it holds nothing personal.
    async fn run_by(&self, action: Action, by: Invocation) -> Result<Value, StepError> {
        let outcome = self.validate.handle(task(action, by)).await;
        assert_impersonal(&format!("{outcome:?}"));
        outcome
    }

    /// Runs an action that must fail; the error's name.
    async fn error(&self, action: Action) -> ErrorName {
        let failed = self.run(action).await;
        failed.expect_err("it cannot succeed").name()
    }

    async fn decide(&self, decision: Decision) {
        let by = invocation(ORDER, "review", 1000);
        let opened = self.database.store.open_review(&by, "token").await;
        opened.expect("an answer").expect("a waiting review");
        let event = OperatorEvent {
            at: Timestamp::now(),
            event: "decided".to_owned(),
            by: "olga".to_owned(),
            reason: "a test".to_owned(),
        };
        let store = &self.database.store;
        let decided = store.decide_review(&by.order_id, decision, &event).await;
        assert!(matches!(decided, Ok(Decided::Recorded { .. })));
    }
}

fn task(action: Action, by: Invocation) -> Task<Action> {
    Task {
        action,
        execution: format!("{}-{}", by.order_id, by.attempt),
        by,
        failure: None,
        task_token: None,
    }
}

/// A document with these lines, of as many mugs' price as they cost, and nothing besides.
fn order_of(lines: &[(&str, u64, u64)], currency: &str) -> Value {
    let mut document = document(ORDER);
    let line = |(sku, quantity, unit_price): &(&str, u64, u64)| json!({"sku": sku, "quantity": quantity, "unit_price": unit_price});
    document["lines"] = lines.iter().map(line).collect();
    document["currency"] = json!(currency);
    document["shipping_fee"] = json!(0);
    let total: u64 = lines
        .iter()
        .map(|(_, quantity, price)| quantity * price)
        .sum();
    document["total"] = json!(total);
    document
}

/// 78 mugs: above the limit.
fn large_order() -> Value {
    order_of(&[("MUG-01", 78, 1299)], "USD")
}

/// A hundred lines, the most there are: articles `A-0` to `A-99`, one more piece of each.
fn longest_order(names: &[String]) -> Value {
    let lines: Vec<(&str, u64, u64)> = (1..)
        .zip(names)
        .map(|(quantity, name)| (name.as_str(), quantity, 1))
        .collect();
    order_of(&lines, "USD")
}

#[tokio::test]
async fn validating_answers_with_lines_and_amount_and_reserves_the_stock() {
    let shop = Shop::with_order(&document(ORDER)).await;
    let answer = shop.run(Action::Validate).await;
    assert_eq!(
        answer,
        Ok(json!({"lines": 1, "amount": 3098, "currency": "USD"}))
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
        Ok(json!({"lines": 1, "amount": 101_322, "currency": "USD"}))
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
    let validate = Validate::new(gone, BTreeMap::new());
    for action in [Action::Validate, Action::Release] {
        let by = invocation(ORDER, "request", 60_000);
        let failed = validate.handle(task(action, by)).await;
        let failed = failed.expect_err("no database");
        assert_eq!(failed.name(), ErrorName::StoreUnavailable);
    }
}

#[tokio::test]
async fn releasing_gives_back_exactly_what_was_reserved_and_the_error_says_how_the_order_ends() {
    for (error, status, stage) in [
        (ErrorName::PaymentDeclined, "rejected", Stage::Rejected),
        (ErrorName::ReviewRejected, "rejected", Stage::Rejected),
        (ErrorName::OrderCancelled, "cancelled", Stage::Cancelled),
        (ErrorName::CarrierUnavailable, "failed", Stage::Failed),
        (ErrorName::Internal, "failed", Stage::Failed),
    ] {
        let lines = [("MUG-01", 3, 1299), ("TEE-01", 2, 2500)];
        let shop = Shop::with_order(&order_of(&lines, "USD")).await;
        shop.run(Action::Validate).await.expect("validated");
        assert_eq!(shop.database.available("TEE-01").await, 48);
        shop.database.reversing(ORDER, error).await;
        let answer = shop.run(Action::Release).await;
        assert_eq!(
            answer,
            Ok(json!({"released_lines": 2, "status": status})),
            "{error}"
        );
        let again = shop.run(Action::Release).await.expect("nothing to do");
        assert_eq!(again["status"], json!(status));
        assert_eq!(shop.database.available("MUG-01").await, 100);
        assert_eq!(shop.database.available("TEE-01").await, 50);
        let state = shop.database.state(ORDER).await;
        assert_eq!((state.stage, state.closed_at.is_some()), (stage, true));
    }
}

#[tokio::test]
async fn releasing_closes_an_order_that_reserved_nothing() {
    let shop = Shop::with_order(&order_of(&[("SOLDOUT-01", 1, 1000)], "USD")).await;
    shop.error(Action::Validate).await;
    shop.database
        .reversing(ORDER, ErrorName::OrderRejected)
        .await;
    let answer = shop.run(Action::Release).await;
    assert_eq!(
        answer,
        Ok(json!({"released_lines": 0, "status": "rejected"}))
    );
    assert_eq!(shop.database.available("SOLDOUT-01").await, 0);
}

#[tokio::test]
async fn releasing_gives_back_the_stock_of_an_order_in_review() {
    let shop = Shop::with_order(&large_order()).await;
    shop.error(Action::Validate).await;
    shop.decide(Decision::Rejected).await;
    shop.database
        .reversing(ORDER, ErrorName::ReviewRejected)
        .await;
    let answer = shop.run(Action::Release).await;
    assert_eq!(
        answer,
        Ok(json!({"released_lines": 1, "status": "rejected"}))
    );
    assert_eq!(shop.database.available("MUG-01").await, 100);
}

#[tokio::test]
async fn the_longest_order_is_reserved_and_given_back_whole_even_if_its_last_line_is_sold_out() {
    let names: Vec<String> = (0..100).map(|number| format!("A-{number}")).collect();
    for (last, reserved) in [(1000, 100), (0, 99)] {
        let shop = Shop::with_order(&longest_order(&names)).await;
        for name in &names {
            let pieces = if name == "A-99" { last } else { 1000 };
            shop.database.article(name, 1, "USD", pieces).await;
        }
        let outcome = shop.run(Action::Validate).await;
        assert_eq!(outcome.is_ok(), last > 0, "{outcome:?}");
        assert_eq!(shop.run(Action::Validate).await, outcome);
        let state = shop.database.state(ORDER).await;
        assert_eq!(state.reserved_lines, reserved);
        shop.database.reversing(ORDER, ErrorName::Internal).await;
        let answer = shop.run(Action::Release).await.expect("released");
        assert_eq!(answer["released_lines"], json!(reserved));
        for name in &names {
            let pieces = if name == "A-99" { last } else { 1000 };
            assert_eq!(shop.database.available(name).await, pieces, "{name}");
        }
    }
}

#[tokio::test]
async fn an_order_that_goes_well_is_not_released() {
    let shop = Shop::with_order(&document(ORDER)).await;
    shop.run(Action::Validate).await.expect("validated");
    assert_eq!(shop.error(Action::Release).await, ErrorName::Internal);
    assert_eq!(shop.database.available("MUG-01").await, 98);
}
