//! What is planted for an order, and doing it.

use std::fmt::Debug;
use std::fs::OpenOptions;
use std::future::{Future, pending};
use std::path::PathBuf;
use std::process::{Command, exit};

use domain::{ErrorName, StepError};
use serde::Deserialize;
use serde_json::Value;
use step::Task;

/// One planted fault.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Plan {
    /// The action that it hits, as the state machine names it.
    action: String,
    /// Whether the step has done all of its work by then.
    after: bool,
    /// `crash`, `panic`, `kill`, `hang`, or an error's name.
    fault: String,
    /// How often.
    times: u32,
}

/// The step, with what is planted for its order before or after it.
pub(crate) async fn sabotaged<A, F>(
    task: Task<A>,
    handle: impl FnOnce(Task<A>) -> F,
) -> Result<Value, StepError>
where
    A: Debug,
    F: Future<Output = Result<Value, StepError>>,
{
    let order = task.by.order_id.to_string();
    // `Authorize` is `authorize` to the state machine.
    let action = format!("{:?}", task.action).to_lowercase();
    strike(&order, &action, false).await?;
    let done = handle(task).await;
    strike(&order, &action, true).await?;
    done
}

async fn strike(order: &str, action: &str, after: bool) -> Result<(), StepError> {
    for (number, plan) in planted(order)?.into_iter().enumerate() {
        if plan.action == action && plan.after == after && fires(order, number, plan.times) {
            return perform(&plan.fault).await;
        }
    }
    Ok(())
}

fn folder() -> PathBuf {
    std::env::temp_dir().join("planted")
}

fn planted(order: &str) -> Result<Vec<Plan>, StepError> {
    let Ok(text) = std::fs::read(folder().join(format!("{order}.json"))) else {
        return Ok(Vec::new());
    };
    serde_json::from_slice(&text).map_err(|error| {
        let text = format!("the plan of {order} cannot be read: {error}");
        StepError::new(ErrorName::Internal, text)
    })
}

/// Whether this is one of the first `times` calls. Files, because processes die in between.
fn fires(order: &str, number: usize, times: u32) -> bool {
    (0..times).any(|time| {
        let mark = folder().join(format!("{order}.{number}.fired.{time}"));
        OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(mark)
            .is_ok()
    })
}

async fn perform(fault: &str) -> Result<(), StepError> {
    match fault {
        "crash" => exit(1),
        "panic" => panic!("a planted panic"),
        // What the kernel does to a function that is out of memory; this shell's parent is we.
        "kill" => {
            let killed = Command::new("sh").args(["-c", "kill -9 $PPID"]).status();
            panic!("a planted kill did not kill: {killed:?}")
        }
        "hang" => pending().await,
        name => match name.parse::<ErrorName>() {
            Ok(name) => Err(StepError::new(name, "a planted error")),
            Err(error) => panic!("a plan that nobody can follow: {error}"),
        },
    }
}
