//! Step Functions: executions of the process in simulated time.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio::task::AbortHandle;
use wire::{Answer, Request};

use crate::definition::{Scope, State, Task};
use crate::plan::Fault;
use crate::shop::{self, Failed};
use crate::sim::{self, lock};
use crate::world::World;

/// The state machine, by its alias.
pub(crate) const STATE_MACHINE: &str =
    "arn:aws:states:us-east-1:000000000000:stateMachine:orders:live";

/// An execution can be redriven for so long after its end.
/// <https://docs.aws.amazon.com/step-functions/latest/dg/redrive-executions.html>
const REDRIVABLE_MS: i64 = 14 * 86_400_000;
/// It is forgotten so long after its end.
/// <https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html>
const KNOWN_MS: i64 = 90 * 86_400_000;

/// All executions, by name.
#[derive(Debug, Default)]
pub(crate) struct Machine {
    executions: HashMap<String, Execution>,
    /// Whoever waits for a token.
    waiting: HashMap<String, oneshot::Sender<Result<(), Failed>>>,
    tokens: u64,
    /// How many executions are at work.
    pub(crate) running: u64,
}

/// An execution.
#[derive(Debug)]
pub(crate) struct Execution {
    input: Value,
    variables: Value,
    /// The version of functions and definition that it began with.
    version: u64,
    state: &'static str,
    status: &'static str,
    started_ms: i64,
    stopped_ms: Option<i64>,
    redriven_ms: Option<i64>,
    history: Vec<(i64, Noted)>,
    at_work: Option<AbortHandle>,
}

/// An event of an execution's history.
#[derive(Debug)]
enum Noted {
    Entered(&'static str),
    Scheduled,
    Failed(Failed),
    TimedOut,
    Redriven,
    Ended(Option<Failed>),
}

fn arn(name: &str) -> String {
    format!("arn:aws:states:us-east-1:000000000000:execution:orders:{name}")
}

/// What Step Functions answers.
pub(crate) fn answer(world: &Arc<World>, request: &Request) -> Answer {
    let input: Value = serde_json::from_slice(&request.body).unwrap_or_default();
    let text = |name: &str| input[name].as_str().unwrap_or_default();
    let name = text("executionArn").rsplit(':').next().unwrap_or_default();
    forget(world, name);
    let refused = |code: &str| request.refused(400, code, code);
    let now_s = seconds(sim::now_ms());
    match request.operation.as_str() {
        "StartExecution" => {
            let name = text("name");
            forget(world, name);
            if lock(&world.machine).executions.contains_key(name) {
                return refused("ExecutionAlreadyExists");
            }
            start(
                world,
                name,
                serde_json::from_str(text("input")).unwrap_or_default(),
            );
            Answer::json(&json!({"executionArn": arn(name), "startDate": now_s}))
        }
        "DescribeExecution" => {
            let machine = lock(&world.machine);
            match machine.executions.get(name) {
                Some(execution) => Answer::json(&described(name, execution)),
                None => refused("ExecutionDoesNotExist"),
            }
        }
        "GetExecutionHistory" => {
            let machine = lock(&world.machine);
            match machine.executions.get(name) {
                Some(execution) => Answer::json(&history(execution)),
                None => refused("ExecutionDoesNotExist"),
            }
        }
        "RedriveExecution" => {
            let redrivable = {
                let machine = lock(&world.machine);
                machine.executions.get(name).map(redrivable)
            };
            match redrivable {
                None => refused("ExecutionDoesNotExist"),
                Some(Err(_)) => refused("ExecutionNotRedrivable"),
                Some(Ok(())) => {
                    redrive(world, name);
                    Answer::json(&json!({"redriveDate": now_s}))
                }
            }
        }
        "SendTaskSuccess" | "SendTaskFailure" => {
            let token = text("taskToken");
            let answered = if request.operation == "SendTaskSuccess" {
                Ok(())
            } else {
                Err(Failed::new(text("error"), text("cause")))
            };
            let waiting = lock(&world.machine).waiting.remove(token);
            // Whoever waited has gone: its try is over.
            match waiting.map(|waiting| waiting.send(answered)) {
                Some(Ok(())) => Answer::json(&json!({})),
                Some(Err(_)) | None => refused("TaskTimedOut"),
            }
        }
        _ => refused("UnknownOperationException"),
    }
}

/// What has ended long ago is not known any more.
fn forget(world: &World, name: &str) {
    let mut machine = lock(&world.machine);
    let execution = machine.executions.get(name);
    let stopped = execution.and_then(|execution| execution.stopped_ms);
    if stopped.is_some_and(|stopped| stopped + KNOWN_MS < sim::now_ms()) {
        machine.executions.remove(name);
    }
}

fn seconds(ms: i64) -> f64 {
    let whole = i32::try_from(ms / 1000).unwrap_or(i32::MAX);
    let rest = i32::try_from(ms % 1000).unwrap_or(0);
    f64::from(whole) + f64::from(rest) / 1000.0
}

fn redrivable(execution: &Execution) -> Result<(), &'static str> {
    let ("FAILED" | "ABORTED", Some(stopped)) = (execution.status, execution.stopped_ms) else {
        return Err("Execution is not in a state that can be redriven");
    };
    if stopped + REDRIVABLE_MS < sim::now_ms() {
        return Err("Execution redrive period of 14 days has expired");
    }
    Ok(())
}

fn described(name: &str, execution: &Execution) -> Value {
    let mut told = json!({
        "executionArn": arn(name), "stateMachineArn": STATE_MACHINE, "name": name,
        "status": execution.status, "startDate": seconds(execution.started_ms),
    });
    if let Some(stopped) = execution.stopped_ms {
        told["stopDate"] = json!(seconds(stopped));
    }
    if let Some(redriven) = execution.redriven_ms {
        told["redriveDate"] = json!(seconds(redriven));
    }
    match redrivable(execution) {
        Ok(()) => told["redriveStatus"] = json!("REDRIVABLE"),
        Err(why) => {
            told["redriveStatus"] = json!("NOT_REDRIVABLE");
            told["redriveStatusReason"] = json!(why);
        }
    }
    told
}

/// The latest events, latest first: all that is asked for.
fn history(execution: &Execution) -> Value {
    let events = execution.history.iter().enumerate().rev().take(1000);
    let event = |(id, (at_ms, noted)): (usize, &(i64, Noted))| {
        let mut event = json!({"id": id + 1, "timestamp": seconds(*at_ms)});
        let details = |failed: &Failed| {
            json!({"resourceType": "lambda", "resource": "invoke", "error": failed.name,
                "cause": failed.cause()})
        };
        match noted {
            Noted::Entered(state) => {
                event["type"] = json!("TaskStateEntered");
                event["stateEnteredEventDetails"] = json!({"name": state});
            }
            Noted::Scheduled => event["type"] = json!("TaskScheduled"),
            Noted::Failed(failed) => {
                event["type"] = json!("TaskFailed");
                event["taskFailedEventDetails"] = details(failed);
            }
            Noted::TimedOut => {
                event["type"] = json!("TaskTimedOut");
                event["taskTimedOutEventDetails"] = json!({"resourceType": "lambda",
                    "resource": "invoke", "error": "States.Timeout"});
            }
            Noted::Redriven => event["type"] = json!("ExecutionRedriven"),
            Noted::Ended(None) => event["type"] = json!("ExecutionSucceeded"),
            Noted::Ended(Some(failed)) if execution.status == "ABORTED" => {
                event["type"] = json!("ExecutionAborted");
                event["executionAbortedEventDetails"] = json!({"error": failed.name});
            }
            Noted::Ended(Some(failed)) => {
                event["type"] = json!("ExecutionFailed");
                event["executionFailedEventDetails"] =
                    json!({"error": failed.name, "cause": failed.cause()});
            }
        }
        event
    };
    json!({"events": events.map(event).collect::<Vec<_>>()})
}

fn start(world: &Arc<World>, name: &str, input: Value) {
    let order = input["order_id"].as_str().unwrap_or_default().to_owned();
    let now_ms = sim::now_ms();
    let execution = Execution {
        input,
        variables: json!({}),
        version: shop::version(),
        state: world.definition.start,
        status: "RUNNING",
        started_ms: now_ms,
        stopped_ms: None,
        redriven_ms: None,
        history: Vec::new(),
        at_work: None,
    };
    world.happened("executions", &order, name);
    {
        let mut machine = lock(&world.machine);
        machine.executions.insert(name.to_owned(), execution);
        machine.running += 1;
    }
    run(world, name, world.definition.start);
    shop::status_changed(world, name);
    let mut dice = world.dice((name, "stopped"));
    if dice.happens(100) && world.may(Fault::Stopped) {
        let (world, name, after_ms) = (Arc::clone(world), name.to_owned(), dice.below(1_500));
        tokio::spawn(async move {
            sim::sleep_ms(after_ms).await;
            stop(&world, &name);
        });
    }
}

fn redrive(world: &Arc<World>, name: &str) {
    let state = {
        let mut machine = lock(&world.machine);
        machine.running += 1;
        let Some(execution) = machine.executions.get_mut(name) else {
            return;
        };
        execution.status = "RUNNING";
        execution.stopped_ms = None;
        execution.redriven_ms = Some(sim::now_ms());
        execution.history.push((sim::now_ms(), Noted::Redriven));
        execution.state
    };
    world.happened("redrives", order_of(name), name);
    run(world, name, state);
    shop::status_changed(world, name);
}

/// Somebody stops an execution.
pub(crate) fn stop(world: &Arc<World>, name: &str) {
    let at_work = {
        let machine = lock(&world.machine);
        let execution = machine.executions.get(name);
        execution.and_then(|execution| execution.at_work.clone())
    };
    if let Some(at_work) = at_work {
        at_work.abort();
        world.happened("executions stopped", order_of(name), name);
        end(world, name, "ABORTED", Some(Failed::new("Stopped", "")));
    }
}

/// The order of an execution.
fn order_of(name: &str) -> &str {
    name.rsplit_once('-').map_or(name, |(order, _)| order)
}

fn run(world: &Arc<World>, name: &str, state: &'static str) {
    let (of_world, of_name) = (Arc::clone(world), name.to_owned());
    let running = tokio::spawn(async move { go(&of_world, &of_name, state).await });
    let mut machine = lock(&world.machine);
    if let Some(execution) = machine.executions.get_mut(name) {
        execution.at_work = Some(running.abort_handle());
    }
}

fn note(world: &World, name: &str, noted: Noted) {
    let mut machine = lock(&world.machine);
    if let Some(execution) = machine.executions.get_mut(name) {
        execution.history.push((sim::now_ms(), noted));
    }
}

fn end(world: &Arc<World>, name: &str, status: &'static str, failed: Option<Failed>) {
    {
        let mut machine = lock(&world.machine);
        machine.running -= 1;
        let Some(execution) = machine.executions.get_mut(name) else {
            return;
        };
        execution.status = status;
        execution.stopped_ms = Some(sim::now_ms());
        execution
            .history
            .push((sim::now_ms(), Noted::Ended(failed)));
        execution.at_work = None;
    }
    let what = match status {
        "SUCCEEDED" => "executions succeeded",
        "ABORTED" => "executions aborted",
        _ => "executions failed",
    };
    world.happened(what, order_of(name), name);
    shop::status_changed(world, name);
}

/// What an expression of a state can see.
fn fill(
    world: &World,
    name: &str,
    template: &Value,
    token: &str,
    failed: Option<&Failed>,
) -> Value {
    let machine = lock(&world.machine);
    let execution = &machine.executions[name];
    let cause = failed.map(Failed::cause);
    let failed = failed.map(|failed| (&*failed.name, cause.as_deref().unwrap_or_default()));
    Scope {
        input: &execution.input,
        execution: name,
        token,
        variables: &execution.variables,
        failed,
    }
    .fill(template)
}

fn assign(world: &World, name: &str, template: &Value, failed: Option<&Failed>) {
    if let Value::Object(assigned) = fill(world, name, template, "", failed) {
        let mut machine = lock(&world.machine);
        if let Some(execution) = machine.executions.get_mut(name)
            && let Value::Object(variables) = &mut execution.variables
        {
            variables.extend(assigned);
        }
    }
}

/// From one state to the next.
async fn go(world: &Arc<World>, name: &str, from: &'static str) {
    let mut state = from;
    loop {
        {
            let mut machine = lock(&world.machine);
            if let Some(execution) = machine.executions.get_mut(name) {
                execution.state = state;
            }
        }
        let task = match world.definition.state(state) {
            State::Task(task) => task,
            State::Succeed => return end(world, name, "SUCCEEDED", None),
            State::Fail(error, cause) => {
                let told = |template| {
                    let told = fill(world, name, template, "", None);
                    told.as_str().unwrap_or_default().to_owned()
                };
                let failed = Failed::new(&told(error), &told(cause));
                return end(world, name, "FAILED", Some(failed));
            }
        };
        note(world, name, Noted::Entered(state));
        match tried(world, name, state, task).await {
            Ok(()) => {
                assign(world, name, &task.assign, None);
                match task.next {
                    Some(next) => state = next,
                    None => return end(world, name, "SUCCEEDED", None),
                }
            }
            Err(failed) => {
                let Some(catch) = task.catches(&failed.name) else {
                    world.happened("executions stuck in an undo", order_of(name), &failed.name);
                    return end(world, name, "FAILED", Some(failed));
                };
                assign(world, name, &catch.assign, Some(&failed));
                world.happened("errors caught", order_of(name), &failed.name);
                state = catch.next;
            }
        }
    }
}

/// A task, as often as its rules have it tried.
async fn tried(
    world: &Arc<World>,
    name: &str,
    state: &'static str,
    task: &Task,
) -> Result<(), Failed> {
    let mut failures = vec![0_u32; task.retry.len()];
    let mut jitter = world.dice((name, state, "jitter", sim::now_ms()));
    loop {
        note(world, name, Noted::Scheduled);
        let Err(failed) = once(world, name, state, task).await else {
            return Ok(());
        };
        let is_timeout = failed.name == "States.Timeout";
        let noted = if is_timeout {
            Noted::TimedOut
        } else {
            Noted::Failed(failed.clone())
        };
        note(world, name, noted);
        let Some(at) = task.rule(&failed.name) else {
            return Err(failed);
        };
        let rule = &task.retry[at];
        failures[at] += 1;
        if failures[at] > rule.most {
            return Err(failed);
        }
        world.happened("tries after a failure", order_of(name), &failed.name);
        let wait = rule.wait_after(failures[at]);
        let longest = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        let wait_ms = if rule.jitters {
            jitter.below(longest)
        } else {
            longest
        };
        sim::sleep_ms(wait_ms).await;
    }
}

/// One try.
async fn once(
    world: &Arc<World>,
    name: &str,
    state: &'static str,
    task: &Task,
) -> Result<(), Failed> {
    let (token, woken) = token(world, task.waits_for_token);
    let payload = fill(world, name, &task.payload, &token, None);
    let version = lock(&world.machine).executions[name].version;
    let mut dice = world.dice((name, state, "try", sim::now_ms()));
    if dice.happens(40) && world.may(Fault::Twice) {
        world.happened("functions called twice", order_of(name), state);
        let (world, payload) = (Arc::clone(world), payload.clone());
        let (after_ms, function) = (dice.below(3_000), task.function);
        tokio::spawn(async move {
            sim::sleep_ms(after_ms).await;
            // Nobody hears what it answers.
            let _ = shop::call(&world, version, function, payload).await;
        });
    }
    let waits_for_token = task.waits_for_token;
    let called = async {
        shop::call(world, version, task.function, payload).await?;
        if waits_for_token {
            // It is the token that ends this try.
            std::future::pending::<()>().await;
        }
        Ok(())
    };
    let hears = async {
        match woken {
            Some(woken) => woken.await.unwrap_or(Ok(())),
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        biased;
        heard = hears => heard,
        called = called => called,
        () = sim::sleep(task.timeout) => Err(Failed::new("States.Timeout", "")),
    }
}

/// A token for a try that waits for one.
fn token(world: &World, waits: bool) -> (String, Option<oneshot::Receiver<Result<(), Failed>>>) {
    if !waits {
        return (String::new(), None);
    }
    let mut machine = lock(&world.machine);
    machine.tokens += 1;
    let token = format!("token-{}", machine.tokens);
    let (wakes, woken) = oneshot::channel();
    machine.waiting.insert(token.clone(), wakes);
    (token, Some(woken))
}

/// As EventBridge tells of a change.
pub(crate) fn status_event(world: &World, name: &str) -> Option<Value> {
    let machine = lock(&world.machine);
    let execution = machine.executions.get(name)?;
    let mut event = described(name, execution);
    for (told, of) in [
        ("startDate", Some(execution.started_ms)),
        ("stopDate", execution.stopped_ms),
        ("redriveDate", execution.redriven_ms),
    ] {
        event[told] = json!(of);
    }
    Some(
        json!({"detail-type": "Step Functions Execution Status Change",
        "source": "aws.states", "time": sim::now(), "detail": event}),
    )
}
