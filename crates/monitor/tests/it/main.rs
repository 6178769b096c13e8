//! The monitor on an embedded DynamoDB, beside a double of Step Functions.
#![expect(clippy::expect_used, reason = "tests")]

mod events;
mod money;
mod notices;
mod repairs;
mod snapshots;
mod sweeps;
mod webhook;

use std::collections::HashMap;
use std::sync::Arc;

use actions::Actions;
use domain::ledger::{Authorization, Authorize, Book, Booking, Capture, CaptureResult, MessageId};
use domain::ports::{Operators, ProviderError};
use domain::{ExecutionStatus, OrderId, Timestamp};
use monitor::{Monitor, Reach, Webhook};
use operations::Projection;
use read_models::Row;
use serde_json::{Value, json};
use tests::{Database, Outbox, StepFunctions, database, document, sdk_config, step_functions};
use workflow::Workflow;

pub(crate) const ORDER: &str = "ord-1";

/// The notices to operators, kept where a test can look.
#[derive(Debug, Clone, Default)]
pub(crate) struct Notices(Arc<Outbox>);

impl Operators for Notices {
    async fn notify(&self, subject: &str, text: &str) -> Result<(), ProviderError> {
        self.0.notify(subject, text).await
    }
}

pub(crate) struct Shop {
    pub(crate) database: Database,
    pub(crate) step_functions: StepFunctions,
    pub(crate) notices: Notices,
    pub(crate) monitor: Monitor<Notices>,
}

pub(crate) fn monitor(
    database: &Database,
    step_functions: &StepFunctions,
    notices: Notices,
) -> Monitor<Notices> {
    let config = sdk_config(&step_functions.url);
    let workflow = Workflow::new(&config, tests::STATE_MACHINE);
    let steps = ["charge", "ship", "notify"].map(|step| (step.to_owned(), step.to_owned()));
    let (store, read_models) = (database.store.clone(), database.read_models.clone());
    let actions = Actions::new(
        &config,
        store.clone(),
        read_models.clone(),
        workflow.clone(),
        HashMap::from(steps),
    );
    let reach = Reach {
        store,
        read_models,
        workflow,
        actions,
    };
    Monitor::new(reach, notices, "test")
}

impl Shop {
    pub(crate) async fn open() -> Self {
        let (database, step_functions) = (database().await, step_functions());
        let notices = Notices::default();
        let monitor = monitor(&database, &step_functions, notices.clone());
        Self {
            database,
            step_functions,
            notices,
            monitor,
        }
    }

    /// The same, with a webhook beside the topic.
    pub(crate) fn posting_to(self, webhook: Webhook) -> Self {
        let monitor = self.monitor.posting_to(webhook);
        Self { monitor, ..self }
    }

    pub(crate) async fn projection(&self, order_id: &str) -> Projection {
        let order_id = order_id.parse::<OrderId>().expect("an order id");
        let row = self.database.read_models.order(&order_id).await;
        let row = row.expect("an answer").and_then(Row::projection);
        row.expect("a projection")
    }

    /// The ledger changed.
    pub(crate) async fn ledger(&self) {
        self.event(
            &json!({"Records": [{"eventSource": "aws:dynamodb", "dynamodb": {
            "ApproximateCreationDateTime": 1.0,
            "Keys": {"order_id": {"S": ORDER}, "item": {"S": "state"}}}}]}),
        )
        .await;
    }

    pub(crate) async fn event(&self, event: &Value) {
        self.monitor.handle(event).await.expect("dealt with");
    }

    /// The next sweep of the schedule, so much later.
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
        .did::<Authorize>(
            order_id,
            Authorization::Held {
                payment,
                made_at: None,
            },
        )
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
    let taken = CaptureResult::Taken {
        amount: tests::money(3098, "USD"),
    };
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

/// What must be the same whichever events arrived in which order.
pub(crate) fn essence(projection: &Projection) -> (Option<ExecutionStatus>, String) {
    let execution = projection.execution.map(|execution| execution.status);
    let rest = format!(
        "{:?} {:?} {} {:?} {:?} {:?}",
        projection.status,
        projection.state,
        projection.attempt,
        projection.incidents.keys().collect::<Vec<_>>(),
        projection.counted,
        projection.due_at.is_none()
    );
    (execution, rest)
}
