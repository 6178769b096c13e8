//! The step against an embedded DynamoDB. SES, SNS and Step Functions have no engine to embed, so
//! they are recorded: personal data goes to the customer's mailbox and nowhere else.
#![expect(clippy::expect_used, reason = "tests")]

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use domain::ledger::{
    Authorization, Authorize, Book, Booking, Capture, CaptureResult, Entry, Notify as Notified,
    Reversal, Reverse,
};
use domain::ports::{
    Decided, Invocation, Mailer, Message, OperatorEvent, Operators, Orders as _, ProviderError,
    Reserved, Stock as _,
};
use domain::{Decision, ErrorName, Stage, StepError, Timestamp};
use notify::{Action, Notify};
use serde_json::{Value, json};
use step::Task;
use store::Store;
use tests::{
    Database, STATE_MACHINE, StepFunctions, assert_impersonal, database, document, invocation,
    nobody, sdk_config, step_functions,
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
        self.take(&message.subject, format!("{to}\n{text}\n{html}"))
    }
}

impl Operators for Outbox {
    async fn tell(&self, subject: &str, text: &str) -> Result<(), ProviderError> {
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
        let held = Authorization::Held { payment };
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
        let taken = CaptureResult::Taken { amount: 3098 };
        shop.database.did::<Capture>(ORDER, taken).await;
        shop
    }

    /// A shop with an order that was reversed because of `error`.
    async fn with_reversed_order(error: ErrorName, reversal: Reversal) -> Self {
        let shop = match reversal {
            Reversal::Refunded { .. } => Self::with_paid_order().await,
            Reversal::Voided => Self::with_held_money().await,
            Reversal::Nothing => {
                let shop = Self::open().await;
                shop.database.validated(&document(ORDER)).await;
                shop
            }
        };
        shop.database.reversing(ORDER, error).await;
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
        let event = OperatorEvent {
            at: Timestamp::now(),
            event: "decided".to_owned(),
            by: "olga".to_owned(),
            reason: "a test".to_owned(),
        };
        let order_id = ORDER.parse().expect("an order id");
        let store = &self.database.store;
        let decided = store.decide_review(&order_id, decision, &event).await;
        decided.expect("an answer")
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
    }
}

fn sent(message: &str) -> Result<Value, StepError> {
    Ok(json!({ "message_id": message }))
}

fn outage() -> ProviderError {
    ProviderError::Unavailable("the mail service answered TooManyRequests".to_owned())
}

#[tokio::test]
async fn the_customer_of_a_paid_order_hears_once_where_it_is() {
    let shop = Shop::with_paid_order().await;
    for _ in 0..2 {
        assert_eq!(shop.run(Action::Shipped).await, sent("message-1"));
    }
    let messages = shop.customers.sent();
    assert_eq!(messages.len(), 1);
    let (subject, text) = &messages[0];
    assert_eq!(subject, "Your order ord-1 is on its way");
    for needed in [
        "ada@example.com",
        "Ada Example",
        "9400-tracking",
        "30.98 USD",
        "<html",
    ] {
        assert!(text.contains(needed), "{needed} in {text}");
    }
    assert!(shop.operators.sent().is_empty());
    let state = shop.database.state(ORDER).await;
    assert_eq!(state.stage, Stage::Completed);
    assert!(state.closed_at.is_some());
}

#[tokio::test]
async fn a_mail_service_that_is_down_is_retryable_and_leaves_the_order_paid() {
    let shop = Shop::with_paid_order().await;
    shop.customers.fail(outage());
    assert_eq!(
        shop.error(Action::Shipped).await,
        ErrorName::NotificationUnavailable
    );
    assert_eq!(shop.database.state(ORDER).await.stage, Stage::Captured);
    assert_eq!(shop.run(Action::Shipped).await, sent("message-1"));
}

#[tokio::test]
async fn a_message_that_may_not_have_gone_out_is_sent_again() {
    let shop = Shop::with_paid_order().await;
    let silence = "the mail service did not answer".to_owned();
    shop.customers.fail(ProviderError::Unknown(silence));
    assert_eq!(
        shop.error(Action::Shipped).await,
        ErrorName::NotificationUnavailable
    );
    assert_eq!(shop.run(Action::Shipped).await, sent("message-2"));
}

#[tokio::test]
async fn a_function_that_died_is_succeeded_and_one_at_work_is_waited_for() {
    let shop = Shop::with_paid_order().await;
    shop.database.claimed::<Notified>(ORDER, -1).await;
    assert_eq!(shop.run(Action::Shipped).await, sent("message-1"));
    let shop = Shop::with_paid_order().await;
    shop.database.claimed::<Notified>(ORDER, 60_000).await;
    assert_eq!(
        shop.error(Action::Shipped).await,
        ErrorName::StoreUnavailable
    );
    assert!(shop.customers.sent().is_empty());
}

#[tokio::test]
async fn a_customer_whose_personal_data_was_erased_gets_no_message() {
    let shop = Shop::with_paid_order().await;
    shop.database.erase_personal_data(ORDER).await;
    assert_eq!(shop.error(Action::Shipped).await, ErrorName::InvalidInput);
    assert!(shop.customers.sent().is_empty());
}

#[tokio::test]
async fn nobody_hears_of_an_order_that_is_not_there_yet_or_is_being_reversed() {
    let shop = Shop::with_held_money().await;
    for action in [Action::Shipped, Action::Failed, Action::Review] {
        assert_eq!(
            shop.error(action).await,
            ErrorName::InvalidInput,
            "{action:?}"
        );
    }
    shop.database.reversing(ORDER, ErrorName::Internal).await;
    for action in [Action::Shipped, Action::Failed, Action::Review] {
        assert_eq!(
            shop.error(action).await,
            ErrorName::InvalidInput,
            "{action:?}"
        );
    }
    assert!(shop.customers.sent().is_empty() && shop.operators.sent().is_empty());
}

#[tokio::test]
async fn the_customer_of_a_reversed_order_hears_once_why_and_where_the_money_is() {
    let refunded = Reversal::Refunded {
        refund: "re_1".to_owned(),
        amount: 3098,
    };
    for (error, reversal, reason, money) in [
        (
            ErrorName::OrderRejected,
            Reversal::Nothing,
            "sold out or its price has changed",
            "You were not charged.",
        ),
        (
            ErrorName::PaymentDeclined,
            Reversal::Nothing,
            "your bank declined",
            "You were not charged.",
        ),
        (
            ErrorName::OrderCancelled,
            Reversal::Voided,
            "it was cancelled",
            "Your payment was released; you were not charged.",
        ),
        (
            ErrorName::ShipmentRejected,
            Reversal::Voided,
            "the carrier cannot deliver",
            "Your payment was released; you were not charged.",
        ),
        (
            ErrorName::StoreUnavailable,
            refunded,
            "something went wrong on our side",
            "Your payment was refunded.",
        ),
    ] {
        let shop = Shop::with_reversed_order(error, reversal).await;
        for _ in 0..2 {
            assert_eq!(shop.run(Action::Failed).await, sent("message-1"), "{error}");
        }
        let messages = shop.customers.sent();
        assert_eq!(messages.len(), 1);
        let (subject, text) = &messages[0];
        assert_eq!(subject, "Your order ord-1 could not be completed");
        assert!(text.contains(reason) && text.contains(money), "{text}");
        assert!(!text.contains(error.as_str()), "our inner life: {text}");
    }
}

#[tokio::test]
async fn a_failure_message_that_cannot_be_sent_is_retryable_and_the_order_stays_closed() {
    let error = ErrorName::PaymentDeclined;
    let shop = Shop::with_reversed_order(error, Reversal::Nothing).await;
    shop.customers.fail(outage());
    assert_eq!(
        shop.error(Action::Failed).await,
        ErrorName::NotificationUnavailable
    );
    shop.database.erase_personal_data(ORDER).await;
    assert_eq!(shop.error(Action::Failed).await, ErrorName::InvalidInput);
    let state = shop.database.state(ORDER).await;
    assert_eq!(state.stage, Stage::Rejected);
    assert_eq!(state.notify_failure.as_ref().and_then(Entry::outcome), None);
}

#[tokio::test]
async fn operators_are_asked_to_review_and_reminded() {
    let shop = Shop::with_review().await;
    for reminders in 1..=2 {
        assert_eq!(shop.run(Action::Review).await, Ok(json!({})));
        let notices = shop.operators.sent();
        assert_eq!(notices.len(), reminders);
        let (subject, text) = &notices[0];
        assert_eq!(subject, "Review order ord-1");
        assert!(text.contains("orderctl approve ord-1"), "{text}");
        assert!(!text.contains("token"), "{text}");
    }
    assert!(shop.customers.sent().is_empty());
}

#[tokio::test]
async fn a_review_goes_on_when_operators_cannot_be_told_and_the_reminder_tells_them() {
    let shop = Shop::with_review().await;
    shop.operators.fail(outage());
    assert_eq!(shop.run(Action::Review).await, Ok(json!({})));
    assert!(shop.operators.sent().is_empty());
    let token = Some("token".to_owned());
    let decided = shop.decide(Decision::Approved).await;
    assert_eq!(decided, Decided::Recorded { token });
    let shop = Shop::with_review().await;
    shop.operators.fail(outage());
    shop.run(Action::Review).await.expect("it waits");
    shop.run(Action::Review).await.expect("reminded");
    assert_eq!(shop.operators.sent().len(), 1);
}

#[tokio::test]
async fn an_approval_that_came_before_anybody_waited_lets_the_execution_go_on() {
    for token in ["token", "gone"] {
        let shop = Shop::with_review().await;
        let decided = shop.decide(Decision::Approved).await;
        assert_eq!(decided, Decided::Recorded { token: None });
        let by = shop.invocation();
        let answer = shop.run_with(Action::Review, by, Some(token)).await;
        assert_eq!(answer, Ok(json!({})));
        let woken = json!({"taskToken": token, "output": "{}"});
        let calls = shop.step_functions.calls();
        assert_eq!(calls, [("SendTaskSuccess".to_owned(), woken)]);
        assert!(shop.operators.sent().is_empty());
    }
}

#[tokio::test]
async fn a_rejection_that_came_before_anybody_waited_ends_the_review() {
    let shop = Shop::with_review().await;
    shop.decide(Decision::Rejected).await;
    assert_eq!(shop.error(Action::Review).await, ErrorName::ReviewRejected);
    assert!(shop.operators.sent().is_empty());
    assert!(shop.step_functions.calls().is_empty());
}

#[tokio::test]
async fn an_execution_that_cannot_be_woken_is_retryable() {
    let shop = Shop::with_review().await;
    shop.decide(Decision::Approved).await;
    let workflow = Workflow::new(&sdk_config(&nobody().await), STATE_MACHINE);
    let (store, outbox) = (shop.database.store.clone(), Outbox::default());
    let notify = Notify::new(store, outbox.clone(), outbox, workflow);
    let task = task(Action::Review, shop.invocation(), Some("token"));
    let failed = notify.handle(task).await.expect_err("nobody there");
    assert!(failed.name().retryable(), "{failed}");
}

#[tokio::test]
async fn a_cancelled_order_is_not_reviewed() {
    for decision in [None, Some(Decision::Approved)] {
        let shop = Shop::with_review().await;
        if let Some(decision) = decision {
            shop.decide(decision).await;
        }
        shop.database.cancelled(ORDER).await;
        assert_eq!(shop.error(Action::Review).await, ErrorName::OrderCancelled);
        assert!(shop.operators.sent().is_empty());
        assert!(shop.step_functions.calls().is_empty());
    }
}

#[tokio::test]
async fn a_review_needs_a_token_and_the_current_attempt_of_an_order() {
    let shop = Shop::with_review().await;
    let mut other = shop.invocation();
    other.attempt = 2;
    let unknown = invocation("ord-2", "request", 60_000);
    for (by, token) in [
        (shop.invocation(), None),
        (other, Some("token")),
        (unknown, Some("token")),
    ] {
        let refused = shop.run_with(Action::Review, by, token).await;
        assert_eq!(
            refused.expect_err("refused").name(),
            ErrorName::InvalidInput
        );
    }
    assert!(shop.operators.sent().is_empty());
}
