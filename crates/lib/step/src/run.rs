//! The loop around a step.

use std::fmt;
use std::future::Future;
use std::time::Instant;

use domain::{Class, StepError, Timestamp};
use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tracing::{Instrument as _, Metadata, error, info, info_span, warn};
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::prelude::*;

use crate::{Ask, InitError, Task};

/// One JSON object a line, on standard output, where Lambda collects it.
pub fn init_tracing() {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    let lines = tracing_subscriber::fmt::layer()
        .json()
        .flatten_event(true)
        .with_current_span(true)
        .with_span_list(false)
        .with_target(false)
        .with_filter(filter_fn(|line| !is_told_before(line)));
    tracing_subscriber::registry()
        .with(filter)
        .with(lines)
        .init();
}

/// The runtime logs each error that a handler returns; it was logged in [`timed`]. A panic, which has
/// an `error` field there, was not.
fn is_told_before(line: &Metadata<'_>) -> bool {
    line.target() == "lambda_runtime::layers::panic" && line.fields().field("error").is_none()
}

/// A [`StepError`] on its way to Step Functions, which matches on its name.
struct Failed(StepError);

impl From<Failed> for Diagnostic {
    fn from(failed: Failed) -> Self {
        Self {
            error_type: failed.0.name().as_str().to_owned(),
            error_message: failed.0.message().to_owned(),
        }
    }
}

/// The runtime logs an error's `Debug`.
impl fmt::Debug for Failed {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}", self.0)
    }
}

/// Serves tasks with `handle` until Lambda ends the environment.
///
/// # Errors
/// If the runtime cannot be reached.
pub async fn run<A, H, F>(handle: H) -> Result<(), InitError>
where
    A: DeserializeOwned + fmt::Debug,
    H: Fn(Task<A>) -> F,
    F: Future<Output = Result<Value, StepError>>,
{
    let handle = &handle;
    let serve = |event: LambdaEvent<Value>| async move { served(handle, event, |_| false).await };
    lambda_runtime::run(service_fn(serve)).await?;
    Ok(())
}

/// The same for a step with a provider, whose books `answer` reads and mends. What it answers to an action that
/// is asked in confidence is not logged.
///
/// # Errors
/// If the runtime cannot be reached.
pub async fn run_with_books<A, H, F, B, G>(
    handle: H,
    answer: B,
    in_confidence: fn(&A) -> bool,
) -> Result<(), InitError>
where
    A: DeserializeOwned + fmt::Debug,
    H: Fn(Task<A>) -> F,
    F: Future<Output = Result<Value, StepError>>,
    B: Fn(Ask) -> G,
    G: Future<Output = Result<Value, StepError>>,
{
    let (handle, answer) = (&handle, &answer);
    let serve = |event: LambdaEvent<Value>| async move {
        let Some(ask) = Ask::read(&event.payload) else {
            return served(handle, event, in_confidence).await;
        };
        let ask = ask.map_err(unreadable)?;
        let span = info_span!(
            "books",
            action = ask.name(),
            reference = ask.reference(),
            request_id = event.context.request_id,
        );
        // What is listed is not for the log.
        let is_list = matches!(
            ask,
            Ask::List { .. } | Ask::Refunds { .. } | Ask::Disputes { .. }
        );
        timed(answer(ask), !is_list)
            .instrument(span)
            .await
            .map_err(Failed)
    };
    lambda_runtime::run(service_fn(serve)).await?;
    Ok(())
}

async fn served<A, H, F>(
    handle: &H,
    event: LambdaEvent<Value>,
    in_confidence: fn(&A) -> bool,
) -> Result<Value, Failed>
where
    A: DeserializeOwned + fmt::Debug,
    H: Fn(Task<A>) -> F,
    F: Future<Output = Result<Value, StepError>>,
{
    // Parsed here and not by the runtime, whose own error would have no name of the catalogue.
    let task =
        Task::<A>::read(event.payload, &event.context, Timestamp::now()).map_err(unreadable)?;
    let span = info_span!(
        "step",
        order_id = task.by.order_id.as_str(),
        execution = task.execution,
        attempt = task.by.attempt,
        action = ?task.action,
        request_id = task.by.owner,
    );
    let is_shown = !in_confidence(&task.action);
    timed(handle(task), is_shown)
        .instrument(span)
        .await
        .map_err(Failed)
}

fn unreadable(error: StepError) -> Failed {
    error!(
        error = error.name().as_str(),
        message = error.message(),
        "step failed"
    );
    Failed(error)
}

/// A failure is logged here, once. Who caused it decides how loudly.
async fn timed<F>(step: F, is_shown: bool) -> Result<Value, StepError>
where
    F: Future<Output = Result<Value, StepError>>,
{
    let began = Instant::now();
    let outcome = step.await;
    let elapsed_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    match &outcome {
        Ok(result) if is_shown => info!(elapsed_ms, %result, "step done"),
        Ok(_) => info!(elapsed_ms, "step done"),
        Err(failed) => {
            let (name, message) = (failed.name(), failed.message());
            match name.class() {
                Class::Customer => info!(
                    elapsed_ms,
                    error = name.as_str(),
                    reason = message,
                    "step ended"
                ),
                Class::Dependency => warn!(
                    elapsed_ms,
                    error = name.as_str(),
                    reason = message,
                    "step failed"
                ),
                Class::System => error!(
                    elapsed_ms,
                    error = name.as_str(),
                    reason = message,
                    "step failed"
                ),
            }
        }
    }
    outcome
}

#[cfg(test)]
mod tests {
    use domain::ErrorName;
    use serde::Deserialize;
    use serde_json::json;

    use super::*;
    use crate::elsewhere::{is_here, serve};

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Action {
        Act,
        Whisper,
        Decline,
        Wait,
        Stumble,
        Panic,
    }

    #[expect(clippy::panic, reason = "as a step with a defect does")]
    async fn act(task: Task<Action>) -> Result<Value, StepError> {
        let failed = |name, text| Err(StepError::new(name, text));
        match task.action {
            Action::Act | Action::Whisper => Ok(json!({"attempt": task.by.attempt})),
            Action::Decline => failed(ErrorName::PaymentDeclined, "no funds"),
            Action::Wait => failed(ErrorName::CarrierUnavailable, "it answered 503"),
            Action::Stumble => failed(ErrorName::Internal, "a defect"),
            Action::Panic => panic!("at once"),
        }
    }

    async fn answer(ask: Ask) -> Result<Value, StepError> {
        Ok(json!({"asked": ask.name()}))
    }

    fn task(action: &str) -> Value {
        json!({"action": action, "order_id": "o", "attempt": 2, "execution": "o-2"})
    }

    /// What a test is in the process that serves.
    #[tokio::main(flavor = "current_thread")]
    async fn function(with_books: bool) {
        init_tracing();
        let served = if with_books {
            let in_confidence = |action: &Action| matches!(action, Action::Whisper);
            run_with_books(act, answer, in_confidence).await
        } else {
            run(act).await
        };
        served.expect("served until it is ended");
    }

    /// The level and the message of a line, and what it tells of the result.
    fn told(log: &[Value]) -> Vec<String> {
        let line = |line: &Value| {
            let text = |name: &str| line[name].as_str().unwrap_or_default().to_owned();
            let more = [text("error"), text("reason"), text("result")].concat();
            format!("{} {} {more}", text("level"), text("message"))
        };
        log.iter().map(line).collect()
    }

    #[test]
    fn a_task_ends_with_its_result_or_the_name_of_its_error() {
        if is_here() {
            return function(false);
        }
        let actions = ["act", "whisper", "decline", "wait", "stumble", "fly"];
        let served = serve(
            "run::tests::a_task_ends_with_its_result_or_the_name_of_its_error",
            actions.map(task).into(),
        );
        let done = json!({"attempt": 2});
        assert_eq!(served.answers[0], ("r0/response".to_owned(), done.clone()));
        assert_eq!(served.answers[1], ("r1/response".to_owned(), done));
        let errors = served.answers[2..].iter().map(|(path, body)| {
            let text = |name: &str| body[name].as_str().unwrap_or_default();
            let message: String = text("errorMessage").chars().take(15).collect();
            format!("{path} {} {message}", text("errorType"))
        });
        let expected = [
            "r2/error PaymentDeclined no funds",
            "r3/error CarrierUnavailable it answered 503",
            "r4/error Internal a defect",
            "r5/error InvalidInput the task cannot",
        ];
        assert_eq!(errors.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn each_task_is_logged_once_as_loudly_as_it_is_ours() {
        if is_here() {
            return function(true);
        }
        let actions = [
            "act", "whisper", "decline", "wait", "stumble", "fly", "panic",
        ];
        let served = serve(
            "run::tests::each_task_is_logged_once_as_loudly_as_it_is_ours",
            actions.map(task).into(),
        );
        let mut log = told(&served.log);
        let unreadable = log.remove(5);
        let begins = "ERROR the task cannot be read: unknown variant `fly`";
        assert!(unreadable.starts_with(begins), "{unreadable}");
        let expected = [
            "INFO step done {\"attempt\":2}",
            // In confidence.
            "INFO step done ",
            "INFO step ended PaymentDeclinedno funds",
            "WARN step failed CarrierUnavailableit answered 503",
            "ERROR step failed Internala defect",
            // The runtime's, for nobody else has seen it.
            "ERROR user handler panicked Any { .. }",
        ];
        assert_eq!(log, expected);
        let span = json!({
            "name": "step", "order_id": "o", "execution": "o-2", "attempt": 2, "action": "Act",
            "request_id": "r0"
        });
        assert_eq!(served.log[0]["span"], span);
        assert!(served.log[0]["elapsed_ms"].is_u64());
    }

    #[test]
    fn what_the_runtime_may_log_of_an_error_is_its_name_and_sentence() {
        let failed = Failed(StepError::new(ErrorName::PaymentDeclined, "no funds"));
        assert_eq!(format!("{failed:?}"), "PaymentDeclined: no funds");
    }

    #[test]
    fn questions_about_the_books_are_answered_and_what_is_listed_is_not_logged() {
        if is_here() {
            return function(true);
        }
        let (since, until) = ("2026-11-23T10:00:00Z", "2026-11-23T10:02:00Z");
        let about = |action: &str| json!({"action": action, "since": since, "until": until});
        let look = json!({"action": "look", "reference": "pi_1"});
        let wrong = json!({"action": "look"});
        let served = serve(
            "run::tests::questions_about_the_books_are_answered_and_what_is_listed_is_not_logged",
            vec![
                about("list"),
                about("refunds"),
                about("disputes"),
                look,
                wrong,
            ],
        );
        for (answer, name) in served
            .answers
            .iter()
            .zip(["list", "refunds", "disputes", "look"])
        {
            assert_eq!(answer.1, json!({"asked": name}));
        }
        assert_eq!(served.answers[4].1["errorType"], "InvalidInput");
        let log = told(&served.log);
        assert_eq!(log[..3], ["INFO step done "; 3]);
        assert_eq!(log[3], "INFO step done {\"asked\":\"look\"}");
        let span = &served.log[3]["span"];
        assert_eq!(
            (&span["action"], &span["reference"]),
            (&json!("look"), &json!("pi_1"))
        );
    }
}
