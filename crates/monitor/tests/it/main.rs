//! The monitor on an embedded DynamoDB, beside a double of Step Functions.
#![expect(clippy::expect_used, reason = "tests")]

mod boards;
mod events;
mod notices;
mod repairs;
mod sweeps;

use std::collections::HashMap;
use std::sync::Arc;

use actions::Actions;
use domain::ledger::{Authorization, Authorize, Book, Booking, Capture, CaptureResult, MessageId};
use domain::ports::{Operators, Orders as _, ProviderError};
use domain::watch::Watch;
use domain::{ExecutionStatus, OrderId, Timestamp};
use monitor::Monitor;
use serde_json::{Value, json};
use store::Store;
use tests::{Database, Outbox, StepFunctions, database, document, sdk_config, step_functions};
use workflow::Workflow;

pub(crate) const ORDER: &str = "ord-1";

/// What operators are told, kept where a test can look.
#[derive(Debug, Clone, Default)]
pub(crate) struct Told(Arc<Outbox>);

impl Operators for Told {
    async fn tell(&self, subject: &str, text: &str) -> Result<(), ProviderError> {
        self.0.tell(subject, text).await
    }
}

pub(crate) struct Shop {
    pub(crate) database: Database,
    pub(crate) step_functions: StepFunctions,
    pub(crate) told: Told,
    pub(crate) monitor: Monitor<Told>,
}

pub(crate) fn monitor(store: Store, step_functions: &StepFunctions, told: Told) -> Monitor<Told> {
    let config = sdk_config(&step_functions.url);
    let workflow = Workflow::new(&config, tests::STATE_MACHINE);
    let steps = ["charge", "ship", "notify"].map(|step| (step.to_owned(), step.to_owned()));
    let actions = Actions::new(&config, store, workflow, HashMap::from(steps));
    Monitor::new(actions, told, "test")
}

impl Shop {
    pub(crate) async fn open() -> Self {
        let (database, step_functions) = (database().await, step_functions());
        let told = Told::default();
        let monitor = monitor(database.store.clone(), &step_functions, told.clone());
        Self {
            database,
            step_functions,
            told,
            monitor,
        }
    }

    pub(crate) async fn watch(&self, order_id: &str) -> Watch {
        let order_id = order_id.parse::<OrderId>().expect("an order id");
        let record = self
            .database
            .store
            .load(&order_id)
            .await
            .expect("an answer");
        record.and_then(|record| record.watch).expect("a record")
    }

    /// The ledger changed.
    pub(crate) async fn ledger(&self) {
        self.event(&json!({"Records": [{"eventSource": "aws:dynamodb", "dynamodb": {
            "ApproximateCreationDateTime": 1.0, "Keys": {"order_id": {"S": ORDER}, "item": {"S": "state"}}}}]}))
            .await;
    }

    pub(crate) async fn event(&self, event: &Value) {
        self.monitor.handle(event).await.expect("dealt with");
    }

    /// The next look of the schedule, so much later.
    pub(crate) async fn sweep(&self, later_s: i64) -> monitor::Swept {
        let now = Timestamp::now().as_millisecond() + later_s * 1000;
        let now = Timestamp::from_millisecond(now).expect("a time");
        self.monitor.sweep(now).await.expect("a sweep")
    }
}

pub(crate) fn status(name: &str, status: &str) -> Value {
    json!({"detail-type": "Step Functions Execution Status Change", "source": "aws.states",
        "time": "2026-11-23T10:00:00Z", "detail": {"name": name, "status": status,
        "stopDate": (status != "RUNNING").then_some(1_795_428_000_000_i64),
        "redriveDate": null, "inputDetails": {"included": false}}})
}

/// Everything that happens to an order that completes, and to one that the carrier refuses.
pub(crate) async fn held(database: &Database, order_id: &str) {
    let payment = "pi_1".to_owned();
    database
        .did::<Authorize>(order_id, Authorization::Held { payment })
        .await;
}

pub(crate) async fn booked(database: &Database, order_id: &str) {
    let booking = Booking::Booked {
        label: "se-1".to_owned(),
        carrier: "usps".to_owned(),
        tracking: "9400".to_owned(),
    };
    database.did::<Book>(order_id, booking).await;
}

pub(crate) async fn captured(database: &Database, order_id: &str) {
    let taken = CaptureResult::Taken { amount: 3098 };
    database.did::<Capture>(order_id, taken).await;
}

pub(crate) async fn notified(database: &Database, order_id: &str) {
    let message = MessageId("message".to_owned());
    database
        .did::<domain::ledger::Notify>(order_id, message)
        .await;
}

pub(crate) async fn completed(database: &Database, order_id: &str) {
    database.validated(&document(order_id)).await;
    held(database, order_id).await;
    booked(database, order_id).await;
    captured(database, order_id).await;
    notified(database, order_id).await;
}

/// What must be the same whatever was told in which order.
pub(crate) fn essence(watch: &Watch) -> (Option<ExecutionStatus>, String) {
    let execution = watch.execution.map(|execution| execution.status);
    let rest = format!(
        "{:?} {:?} {} {:?} {:?} {:?}",
        watch.status,
        watch.place,
        watch.attempt,
        watch.troubles.keys().collect::<Vec<_>>(),
        watch.counted,
        watch.due_at.is_none()
    );
    (execution, rest)
}
