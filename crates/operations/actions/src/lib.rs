#![doc = include_str!("../README.md")]

mod books;
mod bulk;
mod guard;
mod label;
mod modify;
mod reason;
mod restart;
mod settle;

use std::collections::HashMap;
use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_lambda::primitives::Blob;
pub use bulk::BulkRefused;
use domain::ports::{Cancellation, Decided, Orders as _, Record, StoreError};
use domain::view::{payment_is_unknown, shipment_is_unknown};
use domain::{
    Actor, AuditEvent, Changes, Decision, Discrepancy, ErrorName, Event, OrderId, OrderState,
    PersonalData, Timestamp,
};
pub use guard::{possible, warning};
use operations::advice::Action;
use operations::{ProcessState, Projection};
use read_models::{ReadModels, Row};
pub use reason::{InvalidReason, Reason};
pub use restart::{Fate, Offer, offers};
use serde_json::{Value, json};
use store::{Begun, Store};
use workflow::{Described, Woken, Workflow, WorkflowError};

/// A step's function may work for so long on what is asked for here: only booking, which never is, takes longer.
pub const STEP: Duration = Duration::from_secs(45);

/// Who acts, why and when. It is kept on the order, in its audit trail.
#[derive(Debug, Clone, Copy)]
pub struct Attribution<'a> {
    /// Who: an ARN, or the name that they signed in with.
    pub by: &'a str,
    /// Why.
    pub reason: &'a Reason,
    /// When.
    pub at: Timestamp,
}

/// Why nothing was done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// There is no such order.
    #[error("there is no order {0}")]
    NotFound(OrderId),
    /// It is not possible now: why.
    #[error("{0}")]
    NotPossible(String),
    /// Something that is needed for it does not answer, or says no: the same may succeed later.
    #[error("{0}")]
    Unavailable(String),
}

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NotFound(order_id) => Self::NotFound(order_id),
            StoreError::Unavailable(_) | StoreError::Defect(_) => {
                Self::Unavailable(error.to_string())
            }
        }
    }
}

impl From<WorkflowError> for Refused {
    fn from(error: WorkflowError) -> Self {
        Self::Unavailable(error.to_string())
    }
}

/// What is done to orders, and through what.
#[derive(Debug)]
pub struct Actions {
    store: Store,
    read_models: ReadModels,
    workflow: Workflow,
    lambda: aws_sdk_lambda::Client,
    /// The functions of the steps, by the step's name.
    steps: HashMap<String, String>,
}

impl Actions {
    /// Acts on these; `steps` has a function's name or ARN for each of `charge`, `ship` and `notify`.
    #[must_use]
    pub fn new(
        config: &aws_config::SdkConfig,
        store: Store,
        read_models: ReadModels,
        workflow: Workflow,
        steps: HashMap<String, String>,
    ) -> Self {
        let config = aws_sdk_lambda::config::Builder::from(config)
            // A step is safe to call again, and its own claim says when.
            .retry_config(RetryConfig::disabled())
            .timeout_config(TimeoutConfig::builder().operation_timeout(STEP).build())
            .build();
        Self {
            store,
            read_models,
            workflow,
            lambda: aws_sdk_lambda::Client::from_conf(config),
            steps,
        }
    }

    /// The same, but a step's function is not waited for longer than so long: it goes on by itself, and what
    /// came of it is on record then.
    #[must_use]
    pub fn waiting_at_most(self, patience: Duration) -> Self {
        let timeouts = TimeoutConfig::builder().operation_timeout(patience).build();
        let config = self.lambda.config().to_builder().timeout_config(timeouts);
        Self {
            lambda: aws_sdk_lambda::Client::from_conf(config.build()),
            ..self
        }
    }

    /// What is stored of an order, and what Step Functions tells of its execution.
    ///
    /// # Errors
    /// If either does not answer.
    pub async fn inspect(&self, order_id: &OrderId) -> Result<(Record, Described), Refused> {
        let record = self.store.load(order_id).await?;
        let record = record.ok_or_else(|| Refused::NotFound(order_id.clone()))?;
        let described = self.workflow.describe(&record.state).await?;
        Ok((record, described))
    }

    /// Does it, if it is possible now, and tells what came of it.
    ///
    /// # Errors
    /// If it is not possible, or something does not answer.
    pub async fn act(
        &self,
        action: Action,
        order_id: &OrderId,
        who: Attribution<'_>,
    ) -> Result<String, Refused> {
        match action {
            // The write itself says whether it is possible: a decision that was made before may have woken
            // nobody, and is safe to repeat.
            Action::Approve => self.decide(order_id, Decision::Approved, who).await,
            Action::Reject => self.decide(order_id, Decision::Rejected, who).await,
            Action::Cancel => {
                self.check(action, order_id, who).await?;
                self.cancel(order_id, who).await
            }
            Action::Redrive => {
                let (record, described) = self.check(action, order_id, who).await?;
                self.redrive(&record, &described, who).await
            }
            Action::Reprocess => self.reprocess(order_id, None, who).await,
            Action::Restart => self.restart(order_id, None, None, who).await,
            Action::Resend => {
                let (record, _) = self.check(action, order_id, who).await?;
                self.resend(&record, who).await
            }
            Action::Resolve => {
                let (record, _) = self.check(action, order_id, who).await?;
                self.resolve(&record, who).await
            }
            Action::Settle => {
                self.check(action, order_id, who).await?;
                Err(Refused::NotPossible(settle::as_what()))
            }
        }
    }

    /// What the action is about, if it is possible now.
    async fn check(
        &self,
        action: Action,
        order_id: &OrderId,
        who: Attribution<'_>,
    ) -> Result<(Record, Described), Refused> {
        let (record, described) = self.inspect(order_id).await?;
        possible(action, &record, &described, who.at).map_err(Refused::NotPossible)?;
        Ok((record, described))
    }

    async fn decide(
        &self,
        order_id: &OrderId,
        decision: Decision,
        who: Attribution<'_>,
    ) -> Result<String, Refused> {
        let word = match decision {
            Decision::Approved => Event::Approved,
            Decision::Rejected => Event::Rejected,
        };
        // On record first: an execution that is woken finds the decision there.
        let event = event(word, who);
        let decided = self.store.decide_review(order_id, decision, &event).await?;
        let token = match decided {
            Decided::Refused(why) => return Err(Refused::NotPossible(why)),
            Decided::Recorded { token: None } => {
                return Ok(format!(
                    "{word}; its execution finds that when it comes to ask"
                ));
            }
            Decided::Recorded { token: Some(token) } => token,
        };
        let woken = match decision {
            Decision::Approved => self.workflow.succeed(&token).await,
            Decision::Rejected => self.workflow.reject_review(&token).await,
        };
        Ok(match woken? {
            Woken::Yes => format!("{word}, and its execution goes on"),
            Woken::NotWaiting => format!("{word}; its execution does not wait any more"),
        })
    }

    async fn cancel(&self, order_id: &OrderId, who: Attribution<'_>) -> Result<String, Refused> {
        // On record first: a cancellation of which nobody knows whose it is cannot be asked for again.
        self.store
            .note(order_id, &event(Event::Cancelled, who))
            .await?;
        match self.store.request_cancel(order_id, who.at).await? {
            Cancellation::Refused(why) => return Err(Refused::NotPossible(why.to_owned())),
            Cancellation::Requested { review } => {
                if let Some(token) = review {
                    self.workflow.cancel_review(&token).await?;
                }
            }
        }
        Ok(
            "cancellation requested; the next step sees it, or the monitor within minutes"
                .to_owned(),
        )
    }

    async fn redrive(
        &self,
        record: &Record,
        described: &Described,
        who: Attribution<'_>,
    ) -> Result<String, Refused> {
        let state = &record.state;
        self.store
            .note(&state.order_id, &event(Event::RedriveRequested, who))
            .await?;
        // The same request twice is one redrive; after the next end it is another one. At most 64 characters:
        // <https://docs.aws.amazon.com/step-functions/latest/apireference/API_RedriveExecution.html>
        let stopped = described.execution.stopped_at.unwrap_or(who.at);
        let token = format!("redrive-{}", stopped.as_millisecond());
        self.workflow.redrive(state, &token).await?;
        Ok("its execution goes on where it stopped".to_owned())
    }

    /// Begins a new attempt at an order that was reversed, with `changes` to what is stored of its customer:
    /// means of payment that work once and were used have to be given anew. Tells what came of it.
    ///
    /// # Errors
    /// If it is not possible, or something does not answer.
    pub async fn reprocess(
        &self,
        order_id: &OrderId,
        changes: Option<&Changes>,
        who: Attribution<'_>,
    ) -> Result<String, Refused> {
        let (record, described) = self.inspect(order_id).await?;
        let paid_anew = changes.is_some_and(|changes| changes.payment.is_some());
        let allowed = if paid_anew {
            guard::reprocessable(&record, &described, who.at)
        } else {
            possible(Action::Reprocess, &record, &described, who.at)
        };
        allowed.map_err(Refused::NotPossible)?;
        let fresh = record.state.next_attempt(&record.order, who.at);
        let (fresh, personal) = modify::with(&record, fresh, changes, who.at)?;
        let mut noted = event(Event::ReprocessRequested, who);
        if let Some(changes) = changes {
            noted.reason = format!("{} ({})", noted.reason, changes.words());
        }
        self.begin(&record, fresh, personal.as_ref(), &noted).await
    }

    /// Begins an attempt with the state `fresh`, and with these personal data from now on, if they change.
    async fn begin(
        &self,
        record: &Record,
        fresh: OrderState,
        personal: Option<&PersonalData>,
        noted: &AuditEvent,
    ) -> Result<String, Refused> {
        // The monitor sees it as a new order, whether or not it hears of it.
        let row = self.read_models.order(&fresh.order_id).await?;
        let (revision, known) = match row {
            Some(Row::Projection(known)) => (known.revision, Some(known)),
            Some(Row::Blank(blank)) => (blank.revision, None),
            None => (0, None),
        };
        let received = Projection::received(&fresh);
        // What it goes on with was counted.
        let counted = known.as_ref().filter(|_| fresh.restart.is_some());
        let projection = Projection {
            revision: revision + 1,
            counted: counted.map_or(received.counted, |known| known.counted),
            has_unseen: known.is_none_or(|known| known.ledger < record.state.version),
            ..received
        };
        let announced = vec![self.read_models.put_with(&projection)?];
        let begun = self
            .store
            .begin_attempt(record, fresh, personal, noted, announced)
            .await?;
        let state = match begun {
            Begun::Yes(state) => state,
            Begun::Changed(state) => {
                let attempt = state.attempt;
                return Err(Refused::NotPossible(format!(
                    "the order has changed meanwhile; it is at attempt {attempt}"
                )));
            }
        };
        let attempt = state.attempt;
        match self.workflow.start(&state).await {
            Ok(()) => Ok(format!("attempt {attempt} has begun")),
            // It is on record: the monitor starts what was not started.
            Err(_) => Ok(format!("attempt {attempt} begins within minutes")),
        }
    }

    async fn resend(&self, record: &Record, who: Attribution<'_>) -> Result<String, Refused> {
        let state = &record.state;
        let action = match ProcessState::of(state) {
            Some((ProcessState::NotifyFailure, _)) => "failed",
            _ => "shipped",
        };
        self.store
            .note(&state.order_id, &event(Event::ResendRequested, who))
            .await?;
        self.call("notify", action, record).await?;
        Ok("the message is sent".to_owned())
    }

    /// The carrier first: money goes back only once the goods stay. Where every outcome is known, it is about
    /// a message that cannot be sent.
    async fn resolve(&self, record: &Record, who: Attribution<'_>) -> Result<String, Refused> {
        let state = &record.state;
        if !payment_is_unknown(state, who.at) && !shipment_is_unknown(state, who.at) {
            let noted = event(Event::MessageGivenUp, who);
            if !self.store.waive_message(state, &noted).await? {
                let why = "the order has changed meanwhile: look again";
                return Err(Refused::NotPossible(why.to_owned()));
            }
            return Ok("the message is given up".to_owned());
        }
        self.store
            .note(&record.state.order_id, &event(Event::ResolveRequested, who))
            .await?;
        self.ask_providers(record).await?;
        Ok("the providers were asked, and what they say is on record".to_owned())
    }

    /// Asks the providers what became of effects whose outcome nobody knows. Whether there was any.
    ///
    /// # Errors
    /// If one of them does not tell.
    pub async fn ask_providers(&self, record: &Record) -> Result<bool, Refused> {
        let ship = self.call("ship", "resolve", record).await?;
        let charge = self.call("charge", "resolve", record).await?;
        Ok(ship["resolved"] == true || charge["resolved"] == true)
    }

    /// Has money let go of that is held after all for an order that was closed when nobody knew. Whether there
    /// was any.
    ///
    /// # Errors
    /// If the payment provider does not tell.
    pub async fn look_again(&self, record: &Record) -> Result<bool, Refused> {
        let looked = self.call("charge", "look_again", record).await?;
        Ok(looked["let_go"] == true)
    }

    /// Asks the providers how they see an order, and tells what differs from the ledger.
    ///
    /// # Errors
    /// If one of them does not tell.
    pub async fn compare(&self, record: &Record) -> Result<Vec<Discrepancy>, Refused> {
        let mut discrepancies = Vec::new();
        for step in ["ship", "charge"] {
            let answer = self.call(step, "compare", record).await?;
            let found = serde_json::from_value(answer["differs"].clone());
            let found: Option<Discrepancy> = found.map_err(|_| {
                Refused::Unavailable(format!("the answer of {step} cannot be read"))
            })?;
            discrepancies.extend(found);
        }
        Ok(discrepancies)
    }

    /// Wakes an execution that still waits for what was decided: whoever decided may have died in between.
    /// Whether it did wait.
    ///
    /// # Errors
    /// If the database or Step Functions does not answer.
    pub async fn wake(&self, record: &Record) -> Result<bool, Refused> {
        let state = &record.state;
        let decision = state.review.as_ref().and_then(|review| review.decision);
        let Some(token) = self.store.review_token(&state.order_id).await? else {
            return Ok(false);
        };
        let woken = match decision {
            _ if state.cancel.is_some() => self.workflow.cancel_review(&token).await?,
            Some(Decision::Approved) => self.workflow.succeed(&token).await?,
            Some(Decision::Rejected) => self.workflow.reject_review(&token).await?,
            None => return Ok(false),
        };
        Ok(woken == Woken::Yes)
    }

    /// Asks a step's own function, which has its credentials and its rules.
    async fn call(&self, step: &str, action: &str, record: &Record) -> Result<Value, Refused> {
        let called = self.invoke(step, &task(action, record)).await?;
        called.map_err(|ended| ended.refused(step))
    }

    /// What such a function answers to a task or a question, or ends with.
    async fn invoke(&self, step: &str, task: &Value) -> Result<Result<Value, Ended>, Refused> {
        let name = self.steps.get(step).ok_or_else(|| {
            Refused::Unavailable(format!("the function of {step} is not known here"))
        })?;
        let request = self.lambda.invoke().function_name(name);
        let answer = request.payload(Blob::new(task.to_string())).send().await;
        let answer = answer
            .map_err(|_| Refused::Unavailable(format!("the function of {step} does not answer")))?;
        let payload = answer.payload.map(Blob::into_inner).unwrap_or_default();
        let payload: Value = serde_json::from_slice(&payload).unwrap_or_default();
        if answer.function_error.is_none() {
            return Ok(Ok(payload));
        }
        let part = |name: &str| payload[name].as_str().unwrap_or_default().to_owned();
        Ok(Err(Ended {
            name: part("errorType"),
            message: part("errorMessage"),
        }))
    }
}

/// What a step's function ended with.
struct Ended {
    name: String,
    message: String,
}

impl Ended {
    /// The catalogue's name, if it is one of ours.
    fn error(&self) -> Option<ErrorName> {
        self.name.parse().ok()
    }

    /// The same of a step that says so itself if something is not possible.
    fn refused_as_impossible(self, step: &str) -> Refused {
        match self.error() {
            Some(ErrorName::InvalidInput) => Refused::NotPossible(self.message),
            Some(_) | None => self.refused(step),
        }
    }

    fn refused(self, step: &str) -> Refused {
        // Only our own texts are known to be free of personal data.
        Refused::Unavailable(match self.error() {
            Some(name) => format!("{name}: {}", self.message),
            None => format!("the function of {step} ended with {}", self.name),
        })
    }
}

/// As the state machine would send it.
fn task(action: &str, record: &Record) -> Value {
    let state = &record.state;
    json!({
        "action": action,
        "order_id": state.order_id,
        "attempt": state.attempt,
        "execution": state.execution_name(),
    })
}

fn event(event: Event, who: Attribution<'_>) -> AuditEvent {
    AuditEvent::new(
        who.at,
        event,
        Actor::Operator(who.by.to_owned()),
        who.reason.as_str(),
    )
}
