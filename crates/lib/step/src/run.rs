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
