//! The step against a real engine: an embedded DynamoDB.
#![expect(clippy::expect_used, reason = "tests")]

mod release;
mod reserve;
mod shipping;

use std::collections::BTreeMap;

use domain::ports::{Decided, Invocation, Orders as _};
use domain::{Actor, AuditEvent, Event};
use domain::{Decision, ErrorName, StepError, Timestamp};
use serde_json::{Value, json};
use step::Task;
use store::Store;
use tests::{Database, assert_impersonal, database, document, invocation, packing};
use validate::{Action, ShipStation, Validate};

/// The order that every test here is about.
const ORDER: &str = "ord-1";
/// The largest total in USD that nobody needs to look at.
const LIMIT: u64 = 100_000;

/// The step with everything around it.
struct Shop {
    database: Database,
    validate: Validate<Store, ShipStation>,
}

impl Shop {
    /// A shop with an order that was accepted at the door.
    async fn with_order(document: &Value) -> Self {
        let database = database().await;
        database.accepted(document).await;
        let limit = tests::money(LIMIT, "USD");
        let limits = BTreeMap::from([(limit.currency(), limit)]);
        let validate = Validate::new(database.store.clone(), limits, packing());
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
        let event = AuditEvent::new(
            Timestamp::now(),
            Event::Approved,
            Actor::Operator("olga".to_owned()),
            "a test",
        );
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
        settling: None,
    }
}

/// A document with these lines: article, quantity, price of one. Its total is what they cost.
fn order_of(lines: &[(&str, u64, u64)], currency: &str) -> Value {
    let mut document = document(ORDER);
    let mut written = Vec::new();
    for (sku, quantity, price) in lines {
        written.push(json!({"sku": sku, "quantity": quantity, "unit_price": price}));
    }
    document["lines"] = json!(written);
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
