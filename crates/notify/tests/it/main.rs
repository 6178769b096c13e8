//! The step against an embedded DynamoDB. SES, SNS and Step Functions have no engine to embed, so
//! they are recorded: personal data goes to the customer's mailbox and nowhere else.
#![expect(clippy::expect_used, reason = "tests")]

mod customers;
mod operators;

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use domain::ledger::{
    Authorization, Authorize, Book, Booking, Capture, CaptureResult, Reversal, Reverse, Unbook,
    Unbooking,
};
use domain::ports::{
    Decided, Invocation, Mailer, Message, Operators, Orders as _, ProviderError, Reserved,
    Stock as _,
};
use domain::{Actor, AuditEvent, Decision, ErrorName, Event, StepError, Timestamp};
use notify::{Action, Notify};
use serde_json::{Value, json};
use step::Task;
use store::Store;
use tests::{
    Database, STATE_MACHINE, StepFunctions, assert_impersonal, database, document, invocation,
    sdk_config, step_functions,
};
use workflow::Workflow;

/// The order that every test here is about.
const ORDER: &str = "ord-1";

/// Takes messages, or fails with what a test wants next. A failure may have sent the message.
#[derive(Debug, Clone, Default)]
struct Outbox {
    sent: Arc<Mutex<Vec<(String, String)>>>,
    failures: Arc<Mutex<Vec<ProviderError>>>,
}

impl Outbox {
    fn take(&self, subject: &str, text: String) -> Result<String, ProviderError> {
        let mut sent = self.sent.lock().expect("a lock");
        let failure = self.failures.lock().expect("a lock").pop();
        match failure {
            None | Some(ProviderError::Unknown(_)) => sent.push((subject.to_owned(), text)),
            Some(ProviderError::Unavailable(_) | ProviderError::Defect(_)) => {}
        }
        failure.map_or_else(|| Ok(format!("message-{}", sent.len())), Err)
    }

    fn fail(&self, error: ProviderError) {
        self.failures.lock().expect("a lock").push(error);
    }

    /// Subjects and texts.
    fn sent(&self) -> Vec<(String, String)> {
        self.sent.lock().expect("a lock").clone()
    }
}

impl Mailer for Outbox {
    async fn send(&self, message: Message) -> Result<String, ProviderError> {
        let Message { to, text, html, .. } = &message;
        assert_eq!(message.execution, format!("{}-1", message.order_id));
        self.take(&message.subject, format!("{to}\n{text}\n{html}"))
    }
}

impl Operators for Outbox {
    async fn notify(&self, subject: &str, text: &str) -> Result<(), ProviderError> {
        self.take(subject, text.to_owned()).map(drop)
    }
}

/// The step with everything around it.
struct Shop {
    database: Database,
    customers: Outbox,
    operators: Outbox,
    step_functions: StepFunctions,
    notify: Notify<Store, Outbox, Outbox, Workflow>,
    invocations: AtomicU32,
}

impl Shop {
    async fn open() -> Self {
        let (database, customers, operators) =
            (database().await, Outbox::default(), Outbox::default());
        let (store, step_functions) = (database.store.clone(), step_functions());
        let workflow = Workflow::new(&sdk_config(&step_functions.url), STATE_MACHINE);
        Self {
            notify: Notify::new(store, customers.clone(), operators.clone(), workflow),
            step_functions,
            database,
            customers,
            operators,
            invocations: AtomicU32::new(0),
        }
    }

    /// A shop with an order whose money is held.
    async fn with_held_money() -> Self {
        let shop = Self::open().await;
        shop.database.validated(&document(ORDER)).await;
        let payment = "pi_1".to_owned();
        let held = Authorization::Held {
            payment,
            made_at: None,
        };
        shop.database.did::<Authorize>(ORDER, held).await;
        shop
    }

    /// A shop with an order that is shipped and paid.
    async fn with_paid_order() -> Self {
        let shop = Self::with_held_money().await;
        let booking = Booking::Booked {
            label: "se-1".to_owned(),
            carrier: "usps".to_owned(),
            tracking: "9400-tracking".to_owned(),
        };
        shop.database.did::<Book>(ORDER, booking).await;
        let taken = CaptureResult::Taken {
            amount: tests::money(3098, "USD"),
        };
        shop.database.did::<Capture>(ORDER, taken).await;
        shop
    }

    /// A shop with an order that was reversed because of `error`.
    async fn with_reversed_order(error: ErrorName, reversal: Reversal) -> Self {
        let shop = match reversal {
            Reversal::Refunded { .. } | Reversal::WrittenOff { .. } => {
                Self::with_paid_order().await
            }
            Reversal::Voided => Self::with_held_money().await,
            Reversal::Nothing => {
                let shop = Self::open().await;
                shop.database.validated(&document(ORDER)).await;
                shop
            }
        };
        shop.database.reversing(ORDER, error).await;
        shop.database
            .did::<Unbook>(ORDER, Unbooking::Cancelled)
            .await;
        shop.database.did::<Reverse>(ORDER, reversal).await;
        shop.database.released(ORDER).await;
        shop
    }

    /// A shop with an order that a person has to look at.
    async fn with_review() -> Self {
        let shop = Self::open().await;
        let order = shop.database.accepted(&document(ORDER)).await;
        let by = invocation(ORDER, "validate", 1000);
        let reserved = shop.database.store.reserve(&by, &order, true).await;
        assert_eq!(reserved, Ok(Reserved::All));
        shop
    }

    fn invocation(&self) -> Invocation {
        let number = self.invocations.fetch_add(1, Ordering::Relaxed);
        invocation(ORDER, &format!("request-{number}"), 60_000)
    }

    async fn run(&self, action: Action) -> Result<Value, StepError> {
        self.run_with(action, self.invocation(), Some("token"))
            .await
    }

    /// Whatever comes of it holds nothing personal, and neither does what the operators read.
    async fn run_with(
        &self,
        action: Action,
        by: Invocation,
        token: Option<&str>,
    ) -> Result<Value, StepError> {
        let outcome = self.notify.handle(task(action, by, token)).await;
        assert_impersonal(&format!("{outcome:?} {:?}", self.operators.sent()));
        outcome
    }

    async fn decide(&self, decision: Decision) -> Decided {
        let event = AuditEvent::new(
            Timestamp::now(),
            Event::Approved,
            Actor::Operator("olga".to_owned()),
            "a test",
        );
        let order_id = ORDER.parse().expect("an order id");
        let store = &self.database.store;
        let decided = store.decide_review(&order_id, decision, &event).await;
        decided.expect("an answer")
    }

    /// With which errors the waiting execution was told to give up; nobody was asked to look.
    fn given_up(&self) -> Vec<String> {
        assert!(self.operators.sent().is_empty());
        let calls = self.step_functions.calls().into_iter();
        calls
            .map(|(operation, request)| {
                assert_eq!(operation, "SendTaskFailure");
                assert_eq!(request["taskToken"], json!("token"));
                let cause = request["cause"].as_str().expect("a cause");
                assert_impersonal(cause);
                request["error"].as_str().expect("an error").to_owned()
            })
            .collect()
    }

    /// Runs an action that must fail; the error's name.
    async fn error(&self, action: Action) -> ErrorName {
        let failed = self.run(action).await;
        failed.expect_err("it cannot succeed").name()
    }
}

fn task(action: Action, by: Invocation, token: Option<&str>) -> Task<Action> {
    Task {
        action,
        execution: format!("{}-{}", by.order_id, by.attempt),
        by,
        failure: None,
        task_token: token.map(str::to_owned),
        settling: None,
    }
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "compared with what the step answers"
)]
fn sent(message: &str) -> Result<Value, StepError> {
    Ok(json!({ "message_id": message }))
}

fn outage() -> ProviderError {
    ProviderError::Unavailable("the mail service answered TooManyRequests".to_owned())
}
