//! What the state machine asks of a step.

use domain::ports::Invocation;
use domain::{AuditEvent, ErrorName, OrderId, Settlement, StepError, Timestamp};
use lambda_runtime::Context;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// A task: ids only. `A` is the step's own list of actions.
#[derive(Debug, Clone)]
pub struct Task<A> {
    /// What to do.
    pub action: A,
    /// For which attempt of which order, by whom, until when.
    pub by: Invocation,
    /// In the failure branch: why the order is being reversed.
    pub failure: Option<FailureInput>,
    /// When the state machine waits for a person: what wakes it.
    pub task_token: Option<String>,
    /// What a person says has become of what is to be undone; only of an action that settles it.
    pub settling: Option<Settling>,
    /// The execution's name, for the log.
    pub execution: String,
}

/// Why an order is being reversed, as the state machine caught it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct FailureInput {
    /// A name of the catalogue, or one of the platform's, such as `States.Timeout`.
    pub error: String,
    /// The platform's text: for our own errors JSON with an `errorMessage`.
    #[serde(default)]
    pub cause: String,
}

impl FailureInput {
    /// The catalogue's name and our own message. What the platform says besides stays in the
    /// execution's history: nobody has checked it for personal data.
    #[must_use]
    pub fn read(&self) -> (ErrorName, String) {
        match self.error.parse::<ErrorName>() {
            Ok(name) => {
                let cause = serde_json::from_str::<Value>(&self.cause).ok();
                let message = cause
                    .as_ref()
                    .and_then(|cause| cause["errorMessage"].as_str());
                // What a callback or the state machine itself gives as a cause is plain text.
                (name, message.unwrap_or(&self.cause).to_owned())
            }
            Err(_) => (
                ErrorName::Internal,
                format!("the step ended with {}", self.error),
            ),
        }
    }
}

/// What a person says has become of an effect whose undo its provider refuses.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Settling {
    /// What.
    #[serde(rename = "as")]
    pub settlement: Settlement,
    /// Who says so, when and why: kept on the order in the write that settles it.
    pub event: AuditEvent,
}

impl<A> Task<A> {
    /// What is to be settled.
    ///
    /// # Errors
    /// [`ErrorName::InvalidInput`] if the task does not say it.
    pub fn settling(&self) -> Result<&Settling, StepError> {
        self.settling.as_ref().ok_or_else(|| {
            let text = "the task does not say what is settled";
            StepError::new(ErrorName::InvalidInput, text)
        })
    }
}

#[derive(Deserialize)]
struct Payload<A> {
    action: A,
    order_id: OrderId,
    attempt: u32,
    execution: String,
    failure: Option<FailureInput>,
    task_token: Option<String>,
    settling: Option<Settling>,
}

impl<A: DeserializeOwned> Task<A> {
    /// Reads a task that is begun `now`.
    ///
    /// # Errors
    /// [`ErrorName::InvalidInput`] with what is wrong.
    pub fn read(payload: Value, context: &Context, now: Timestamp) -> Result<Self, StepError> {
        let payload: Payload<A> = serde_json::from_value(payload).map_err(|error| {
            StepError::new(
                ErrorName::InvalidInput,
                format!("the task cannot be read: {error}"),
            )
        })?;
        let deadline = i64::try_from(context.deadline).ok();
        let deadline = deadline.and_then(|at| Timestamp::from_millisecond(at).ok());
        Ok(Self {
            action: payload.action,
            by: Invocation {
                order_id: payload.order_id,
                attempt: payload.attempt,
                owner: context.request_id.clone(),
                deadline: deadline.unwrap_or(now),
                now,
            },
            failure: payload.failure,
            task_token: payload.task_token,
            settling: payload.settling,
            execution: payload.execution,
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(rename_all = "snake_case")]
    enum Action {
        Act,
    }

    #[test]
    fn a_task_that_cannot_be_read_says_what_is_wrong() {
        let good = json!({"action": "act", "order_id": "o", "attempt": 1, "execution": "o-1"});
        assert!(Task::<Action>::read(good, &Context::default(), Timestamp::now()).is_ok());
        for bad in [
            json!({}),
            json!({"action": "fly", "order_id": "o", "attempt": 1, "execution": "o-1"}),
            json!(null),
        ] {
            let error = Task::<Action>::read(bad, &Context::default(), Timestamp::now())
                .expect_err("unreadable");
            assert_eq!(error.name(), ErrorName::InvalidInput);
        }
    }

    #[test]
    fn only_our_own_messages_leave_the_execution_history() {
        let read = |error: &str, cause: &str| {
            FailureInput {
                error: error.to_owned(),
                cause: cause.to_owned(),
            }
            .read()
        };
        let ours = r#"{"errorType":"PaymentDeclined","errorMessage":"the bank said no"}"#;
        assert_eq!(
            read("PaymentDeclined", ours),
            (ErrorName::PaymentDeclined, "the bank said no".to_owned())
        );
        assert_eq!(
            read("ReviewRejected", "too late"),
            (ErrorName::ReviewRejected, "too late".to_owned())
        );
        let (name, message) = read("Runtime.ExitError", "secret");
        assert_eq!(
            (name, message.contains("secret")),
            (ErrorName::Internal, false)
        );
    }

    #[test]
    fn a_task_is_read_with_who_works_on_it_and_until_when() {
        let payload = json!({
            "action": "act", "order_id": "o", "attempt": 2, "execution": "o-2",
            "failure": {"error": "States.Timeout"}, "task_token": "t",
            "settling": {"as": "payment_returned", "event": {
                "at": 1_795_428_000_000_i64, "event": "settled", "by": "monitor", "reason": "why"
            }}
        });
        let mut context = Context::default();
        context.request_id = "request-1".to_owned();
        context.deadline = 1_795_428_010_000;
        let task = Task::<Action>::read(payload, &context, Timestamp::now()).expect("a task");
        assert_eq!((task.by.attempt, task.by.order_id.as_str()), (2, "o"));
        assert_eq!(task.by.owner, "request-1");
        assert_eq!(task.by.deadline.as_millisecond(), 1_795_428_010_000);
        assert_eq!(
            (task.execution.as_str(), task.task_token.as_deref()),
            ("o-2", Some("t"))
        );
        let settling = task.settling().expect("something to settle");
        assert_eq!(settling.settlement, Settlement::PaymentReturned);
        let failure = task.failure.expect("a failure");
        let text = "the step ended with States.Timeout".to_owned();
        assert_eq!(failure.read(), (ErrorName::Internal, text));
    }

    #[test]
    fn a_task_that_settles_nothing_says_so() {
        let payload = json!({"action": "act", "order_id": "o", "attempt": 1, "execution": "o-1"});
        let task =
            Task::<Action>::read(payload, &Context::default(), Timestamp::now()).expect("a task");
        let error = task.settling().expect_err("nothing to settle");
        assert_eq!(error.name(), ErrorName::InvalidInput);
    }
}
