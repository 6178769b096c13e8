#![doc = include_str!("../README.md")]

use std::time::Duration;

use aws_sdk_sfn::Client;
use aws_sdk_sfn::config::retry::RetryConfig;
use aws_sdk_sfn::config::timeout::TimeoutConfig;
use aws_sdk_sfn::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sfn::types::{ExecutionRedriveStatus, ExecutionStatus as Reported};
use aws_sdk_sfn::types::{HistoryEvent as Event, HistoryEventType};
use domain::ports::ProviderError;
use domain::{
    ErrorName, Execution, ExecutionStatus, FailedTry, HistoryEvent, OrderState, StepError,
    Timestamp,
};
use serde_json::json;

/// The version of an execution's input.
const INPUT_SCHEMA_VERSION: u32 = 1;

/// The order workflow, by the state machine's alias.
#[derive(Debug, Clone)]
pub struct Workflow {
    client: Client,
    state_machine_arn: String,
}

/// What Step Functions tells of an execution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Described {
    /// Where it stands.
    pub execution: Execution,
    /// Whether it can be redriven, and if not, why: in Step Functions' words.
    pub redrivable: Result<(), String>,
    /// The X-Ray trace that it belongs to, if that is kept.
    pub trace_id: Option<String>,
}

/// So many events are looked at, the most of one answer: about what 241 tries leave, which is how often a
/// function that is throttled is tried.
const HISTORY_PAGE: i32 = 1000;

/// Of a header such as `Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1`. Of a trace that
/// was not sampled X-Ray keeps nothing (X-Ray Developer Guide, "Tracing header").
fn trace_id(header: &str) -> Option<String> {
    let parts = || header.split(';').map(str::trim);
    if !parts().any(|part| part == "Sampled=1") {
        return None;
    }
    let root = parts().find_map(|part| part.strip_prefix("Root="));
    root.map(str::to_owned)
}

fn time(at: aws_sdk_sfn::primitives::DateTime) -> Option<Timestamp> {
    Timestamp::from_millisecond(at.to_millis().ok()?).ok()
}

/// What a failed try says of itself: a function's error comes as JSON, a person's answer as a text.
fn message(cause: &str) -> Option<String> {
    match serde_json::from_str::<serde_json::Value>(cause) {
        Ok(cause) => cause["errorMessage"].as_str().map(str::to_owned),
        Err(_) => Some(cause.to_owned()),
    }
}

fn history_event(event: &Event) -> HistoryEvent {
    if let Some(entered) = &event.state_entered_event_details {
        let state = entered.name.clone();
        return HistoryEvent::StateEntered { state };
    }
    let Some(at) = time(event.timestamp) else {
        return HistoryEvent::Other;
    };
    let ended = |status, error: Option<&str>| {
        let error = error.map(|error| error.to_owned().into());
        HistoryEvent::Ended { at, status, error }
    };
    let (error, cause) = match event.r#type {
        HistoryEventType::TaskFailed => {
            let details = event.task_failed_event_details.as_ref();
            details
                .map(|details| (details.error.as_deref(), details.cause.as_deref()))
                .unwrap_or_default()
        }
        HistoryEventType::TaskTimedOut => {
            let details = event.task_timed_out_event_details.as_ref();
            let error = details.and_then(|details| details.error.as_deref());
            (error.or(Some("States.Timeout")), None)
        }
        HistoryEventType::TaskSubmitFailed => {
            let details = event.task_submit_failed_event_details.as_ref();
            (details.and_then(|details| details.error.as_deref()), None)
        }
        HistoryEventType::TaskStartFailed => {
            let details = event.task_start_failed_event_details.as_ref();
            (details.and_then(|details| details.error.as_deref()), None)
        }
        HistoryEventType::ExecutionRedriven => return HistoryEvent::Redriven { at },
        HistoryEventType::ExecutionSucceeded => return ended(ExecutionStatus::Succeeded, None),
        HistoryEventType::ExecutionFailed => {
            let details = event.execution_failed_event_details.as_ref();
            let error = details.and_then(|details| details.error.as_deref());
            return ended(ExecutionStatus::Failed, error);
        }
        HistoryEventType::ExecutionAborted => {
            let details = event.execution_aborted_event_details.as_ref();
            let error = details.and_then(|details| details.error.as_deref());
            return ended(ExecutionStatus::Aborted, error);
        }
        HistoryEventType::ExecutionTimedOut => {
            let details = event.execution_timed_out_event_details.as_ref();
            let error = details.and_then(|details| details.error.as_deref());
            return ended(ExecutionStatus::TimedOut, error);
        }
        _ => return HistoryEvent::Other,
    };
    let error = error.unwrap_or("States.TaskFailed");
    HistoryEvent::TryFailed(FailedTry::new(at, error, cause.and_then(message)))
}

/// Why Step Functions did not do what it was asked: its own code, no input and no output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkflowError {
    operation: &'static str,
    code: String,
}

impl std::fmt::Display for WorkflowError {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            out,
            "Step Functions answered {} with {}",
            self.operation, self.code
        )
    }
}

impl std::error::Error for WorkflowError {}

impl WorkflowError {
    fn of<E: ProvideErrorMetadata, R>(operation: &'static str, error: &SdkError<E, R>) -> Self {
        let code = match error {
            SdkError::ServiceError(context) => context.err().code().unwrap_or("an unknown error"),
            SdkError::TimeoutError(_) => "nothing in time",
            _ => "nothing",
        };
        Self {
            operation,
            code: code.to_owned(),
        }
    }
}

/// What became of waking an execution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Woken {
    /// It goes on.
    Yes,
    /// It does not wait with this token (any more).
    NotWaiting,
}

impl Workflow {
    /// The workflow behind `state_machine_arn`, which may be that of an alias or a version.
    #[must_use]
    pub fn new(config: &aws_config::SdkConfig, state_machine_arn: impl Into<String>) -> Self {
        let config = aws_sdk_sfn::config::Builder::from(config)
            .retry_config(RetryConfig::standard().with_max_attempts(3))
            .timeout_config(
                TimeoutConfig::builder()
                    .operation_timeout(Duration::from_secs(3))
                    .operation_attempt_timeout(Duration::from_millis(1400))
                    .build(),
            )
            .build();
        Self {
            client: Client::from_conf(config),
            state_machine_arn: state_machine_arn.into(),
        }
    }

    /// Starts the execution of the order's current attempt. Safe to repeat: its name is the
    /// order's and the attempt's, and a name is taken for 90 days.
    ///
    /// # Errors
    /// If it cannot be told that an execution runs or ran.
    pub async fn start(&self, state: &OrderState) -> Result<(), WorkflowError> {
        let input = json!({
            "schema_version": INPUT_SCHEMA_VERSION,
            "order_id": state.order_id,
            "attempt": state.attempt,
        });
        let started = self
            .client
            .start_execution()
            .state_machine_arn(&self.state_machine_arn)
            .name(state.execution_name())
            .input(input.to_string())
            // One X-Ray trace from the request to the last step.
            .set_trace_header(std::env::var("_X_AMZN_TRACE_ID").ok())
            .send()
            .await;
        match started {
            Ok(_) => Ok(()),
            Err(error) if error.code() == Some("ExecutionAlreadyExists") => Ok(()),
            Err(error) => Err(WorkflowError::of("StartExecution", &error)),
        }
    }

    /// Where the execution of the order's current attempt stands.
    ///
    /// # Errors
    /// If Step Functions does not tell.
    pub async fn status(&self, state: &OrderState) -> Result<ExecutionStatus, WorkflowError> {
        let described = self.describe(state).await?;
        Ok(described.execution.status)
    }

    /// What Step Functions tells of the execution of the order's current attempt.
    ///
    /// # Errors
    /// If it does not tell.
    pub async fn describe(&self, state: &OrderState) -> Result<Described, WorkflowError> {
        let described = self
            .client
            .describe_execution()
            .execution_arn(self.execution_arn(state))
            .send()
            .await;
        match described {
            Ok(described) => {
                let status = match described.status {
                    Reported::Succeeded => ExecutionStatus::Succeeded,
                    Reported::Failed => ExecutionStatus::Failed,
                    Reported::TimedOut => ExecutionStatus::TimedOut,
                    Reported::Aborted => ExecutionStatus::Aborted,
                    Reported::PendingRedrive => ExecutionStatus::PendingRedrive,
                    // The SDK's enum is open; a status that is new to us is not an end.
                    _ => ExecutionStatus::Running,
                };
                let redrivable = match described.redrive_status {
                    Some(ExecutionRedriveStatus::Redrivable) => Ok(()),
                    Some(_) => Err(described
                        .redrive_status_reason
                        .unwrap_or_else(|| "Step Functions does not offer a redrive".to_owned())),
                    None => Err("this Step Functions knows no redrive".to_owned()),
                };
                Ok(Described {
                    execution: Execution {
                        attempt: state.attempt,
                        status,
                        redriven_at: described.redrive_date.and_then(time),
                        stopped_at: described.stop_date.and_then(time),
                    },
                    redrivable,
                    trace_id: described.trace_header.as_deref().and_then(trace_id),
                })
            }
            Err(error) if error.code() == Some("ExecutionDoesNotExist") => Ok(Described {
                execution: Execution {
                    attempt: state.attempt,
                    status: ExecutionStatus::NotStarted,
                    redriven_at: None,
                    stopped_at: None,
                },
                redrivable: Err("there is no execution".to_owned()),
                trace_id: None,
            }),
            Err(error) => Err(WorkflowError::of("DescribeExecution", &error)),
        }
    }

    /// The last events of the execution of the order's current attempt, the latest first. Their data
    /// is asked for because a failed try says in it why.
    ///
    /// # Errors
    /// If Step Functions does not tell.
    pub async fn history(&self, state: &OrderState) -> Result<Vec<HistoryEvent>, WorkflowError> {
        let history = self
            .client
            .get_execution_history()
            .execution_arn(self.execution_arn(state))
            .reverse_order(true)
            .max_results(HISTORY_PAGE)
            .include_execution_data(true)
            .send()
            .await;
        let history = history.map_err(|error| WorkflowError::of("GetExecutionHistory", &error))?;
        Ok(history.events.iter().map(history_event).collect())
    }

    /// Lets an execution that ended too early go on in the state where it stopped. Safe to repeat with
    /// the same `client_token`.
    ///
    /// # Errors
    /// If Step Functions does not take it.
    pub async fn redrive(
        &self,
        state: &OrderState,
        client_token: &str,
    ) -> Result<(), WorkflowError> {
        let sent = self
            .client
            .redrive_execution()
            .execution_arn(self.execution_arn(state))
            .client_token(client_token)
            .send()
            .await;
        sent.map(drop)
            .map_err(|error| WorkflowError::of("RedriveExecution", &error))
    }

    /// The ARN of the execution of the order's current attempt.
    #[must_use]
    pub fn execution_arn(&self, state: &OrderState) -> String {
        // arn:aws:states:REGION:ACCOUNT:stateMachine:NAME, perhaps with :ALIAS or :VERSION
        let mut parts: Vec<&str> = self.state_machine_arn.split(':').take(7).collect();
        if let Some(kind) = parts.get_mut(5) {
            *kind = "execution";
        }
        let name = state.execution_name();
        parts.push(&name);
        parts.join(":")
    }

    /// Lets a waiting execution go on.
    ///
    /// # Errors
    /// If Step Functions does not take it.
    pub async fn succeed(&self, token: &str) -> Result<Woken, WorkflowError> {
        let sent = self
            .client
            .send_task_success()
            .task_token(token)
            .output("{}")
            .send()
            .await;
        woken("SendTaskSuccess", sent.err())
    }

    /// Ends a waiting execution's task with an error.
    ///
    /// # Errors
    /// If Step Functions does not take it.
    pub async fn fail(
        &self,
        token: &str,
        error: ErrorName,
        cause: &str,
    ) -> Result<Woken, WorkflowError> {
        let request = self.client.send_task_failure().task_token(token);
        let sent = request.error(error.as_str()).cause(cause).send().await;
        woken("SendTaskFailure", sent.err())
    }
}

impl Workflow {
    /// Ends a review because the order was cancelled.
    ///
    /// # Errors
    /// If Step Functions does not take it.
    pub async fn cancel_review(&self, token: &str) -> Result<Woken, WorkflowError> {
        let cause = "cancelled while waiting for a review";
        self.fail(token, ErrorName::OrderCancelled, cause).await
    }

    /// Ends a review with a reviewer's no.
    ///
    /// # Errors
    /// If Step Functions does not take it.
    pub async fn reject_review(&self, token: &str) -> Result<Woken, WorkflowError> {
        let cause = "a reviewer said no";
        self.fail(token, ErrorName::ReviewRejected, cause).await
    }
}

impl domain::ports::TaskTokens for Workflow {
    async fn proceed(&self, token: &str) -> Result<(), ProviderError> {
        let woken = self.succeed(token).await;
        woken
            .map(drop)
            .map_err(|error| ProviderError::Unavailable(error.to_string()))
    }

    async fn give_up(&self, token: &str, error: &StepError) -> Result<(), ProviderError> {
        let woken = self.fail(token, error.name(), error.message()).await;
        woken
            .map(drop)
            .map_err(|error| ProviderError::Unavailable(error.to_string()))
    }
}

fn woken<E: ProvideErrorMetadata, R>(
    operation: &'static str,
    error: Option<SdkError<E, R>>,
) -> Result<Woken, WorkflowError> {
    match error {
        None => Ok(Woken::Yes),
        Some(error)
            if matches!(
                error.code(),
                Some("TaskTimedOut" | "TaskDoesNotExist" | "InvalidToken")
            ) =>
        {
            Ok(Woken::NotWaiting)
        }
        Some(error) => Err(WorkflowError::of(operation, &error)),
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_sfn::primitives::DateTime;
    use aws_sdk_sfn::types::builders::HistoryEventBuilder;
    use aws_sdk_sfn::types::{
        ExecutionAbortedEventDetails, StateEnteredEventDetails, TaskFailedEventDetails,
        TaskTimedOutEventDetails,
    };

    use super::*;

    fn event(kind: HistoryEventType) -> HistoryEventBuilder {
        let event = Event::builder().id(1).r#type(kind);
        event.timestamp(DateTime::from_millis(1500))
    }

    fn read(event: HistoryEventBuilder) -> HistoryEvent {
        history_event(&event.build().expect("an event"))
    }

    fn at() -> Timestamp {
        Timestamp::from_millisecond(1500).expect("a time")
    }

    fn failed_with(error: &str, reason: Option<&str>) -> HistoryEvent {
        let reason = reason.map(str::to_owned);
        HistoryEvent::TryFailed(FailedTry::new(at(), error, reason))
    }

    #[test]
    fn only_a_trace_that_was_sampled_is_linked_to() {
        let root = "1-5759e988-bd862e3fe1be46a994272793";
        let kept = format!("Root={root};Parent=53995c3f42cd8ad8;Sampled=1");
        assert_eq!(trace_id(&kept).as_deref(), Some(root));
        for header in [
            &kept.replace("Sampled=1", "Sampled=0"),
            &format!("Root={root}"),
            "",
        ] {
            assert_eq!(trace_id(header), None, "{header}");
        }
    }

    #[test]
    fn entered_states_and_failed_tries_are_read_off_a_history_and_nothing_else() {
        let entered = StateEnteredEventDetails::builder()
            .name("ShipOrder")
            .build();
        let entered = event(HistoryEventType::TaskStateEntered)
            .state_entered_event_details(entered.expect("details"));
        let state = "ShipOrder".to_owned();
        assert_eq!(read(entered), HistoryEvent::StateEntered { state });

        let failed = TaskFailedEventDetails::builder()
            .resource_type("lambda")
            .resource("invoke")
            .error("CarrierUnavailable")
            .cause(
                json!({"errorType": "CarrierUnavailable", "errorMessage": "it answered 503"})
                    .to_string(),
            )
            .build();
        let failed =
            event(HistoryEventType::TaskFailed).task_failed_event_details(failed.expect("details"));
        assert_eq!(
            read(failed),
            failed_with("CarrierUnavailable", Some("it answered 503"))
        );

        let late = TaskTimedOutEventDetails::builder()
            .resource_type("lambda")
            .resource("invoke")
            .error("States.Timeout")
            .build();
        let late = event(HistoryEventType::TaskTimedOut)
            .task_timed_out_event_details(late.expect("details"));
        assert_eq!(read(late), failed_with("States.Timeout", None));

        let nameless = TaskFailedEventDetails::builder()
            .resource_type("lambda")
            .resource("invoke")
            .build();
        let nameless = event(HistoryEventType::TaskFailed)
            .task_failed_event_details(nameless.expect("details"));
        assert_eq!(read(nameless), failed_with("States.TaskFailed", None));

        let scheduled = event(HistoryEventType::TaskScheduled);
        assert_eq!(read(scheduled), HistoryEvent::Other);
    }

    #[test]
    fn a_reason_is_read_of_our_own_errors_only() {
        let read_of = |error: &str, cause: &str| {
            let failed = TaskFailedEventDetails::builder()
                .resource_type("lambda")
                .resource("invoke")
                .error(error)
                .cause(cause)
                .build();
            let event = event(HistoryEventType::TaskFailed);
            match read(event.task_failed_event_details(failed.expect("details"))) {
                HistoryEvent::TryFailed(failed) => failed.reason,
                other => panic!("{other:?}"),
            }
        };
        let text = "a reviewer said no";
        assert_eq!(read_of("ReviewRejected", text), Some(text.to_owned()));
        let crash = json!({"errorType": "panic", "errorMessage": "ada@example.com"});
        assert_eq!(read_of("panic", &crash.to_string()), None);
    }

    #[test]
    fn an_end_is_told_with_how_and_why_and_a_redrive_with_when() {
        let stopped = ExecutionAbortedEventDetails::builder().error("Destroyed");
        let stopped = event(HistoryEventType::ExecutionAborted)
            .execution_aborted_event_details(stopped.build());
        let (status, error) = (
            ExecutionStatus::Aborted,
            Some("Destroyed".to_owned().into()),
        );
        let ended = HistoryEvent::Ended {
            at: at(),
            status,
            error,
        };
        assert_eq!(read(stopped), ended);
        let redriven = event(HistoryEventType::ExecutionRedriven);
        assert_eq!(read(redriven), HistoryEvent::Redriven { at: at() });
    }
}
