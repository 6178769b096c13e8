//! The state machine's definition, for tests that look at it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::LazyLock;

use operations::ProcessState;
use serde::Deserialize;
use serde_json::Value;

/// The undos, in the order in which they run.
pub const UNDO: [&str; 3] = ["CancelShipment", "ReversePayment", "ReleaseStock"];

/// A text file of the project.
#[must_use]
pub fn read(path: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the workspace");
    std::fs::read_to_string(root.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// As it is in the repository, with its placeholders.
#[must_use]
pub fn definition() -> Value {
    serde_json::from_str(&read("statemachine/order.asl.json")).expect("JSON")
}

/// Every state by its name.
#[must_use]
pub fn states() -> BTreeMap<String, Value> {
    serde_json::from_value(definition()["States"].clone()).expect("states")
}

/// The states that call a function.
#[must_use]
pub fn tasks() -> Vec<(String, Value)> {
    states()
        .into_iter()
        .filter(|(_, state)| state["Type"] == "Task")
        .collect()
}

/// A state that calls a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Call {
    /// The state's name.
    pub state: &'static str,
    /// The function, such as `charge`.
    pub function: &'static str,
    /// What the function is asked for, such as `authorize`.
    pub action: &'static str,
    /// What it means if it fails for good.
    pub kind: Kind,
}

impl Call {
    /// Whether its rules say something about this error in particular.
    #[must_use]
    pub fn names(&self, error: &str) -> bool {
        let state = &states()[self.state];
        let rules = rules(state, "Retry");
        rules.iter().flat_map(names).any(|name| name == error)
    }
}

/// What it means if a call fails for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Everything is reversed.
    Forward,
    /// It waits for a person. The local engine drops what its function fails with, so that an error's
    /// name reaches the state machine by the task's token, and a crash as the task's timeout.
    Review,
    /// The execution ends there.
    Undo,
    /// The order goes on.
    Message,
}

/// Every call of the process, in its order.
#[must_use]
pub fn calls() -> &'static [Call] {
    static CALLS: LazyLock<Vec<Call>> = LazyLock::new(|| {
        let states = states();
        let in_order = ProcessState::ALL.iter().map(|state| state.as_str());
        let call = |state: &'static str| call(state, states.get(state)?);
        in_order.filter_map(call).collect()
    });
    &CALLS
}

fn call(state: &'static str, task: &Value) -> Option<Call> {
    let function = function_of(task).to_owned().leak();
    let action = task["Arguments"]["Payload"]["action"].as_str()?;
    let kind = match (task.get("Catch"), task["Resource"].as_str()?) {
        (None, _) => Kind::Undo,
        (Some(_), resource) if resource.ends_with(".waitForTaskToken") => Kind::Review,
        (Some(_), _) if function == "notify" => Kind::Message,
        (Some(_), _) => Kind::Forward,
    };
    Some(Call {
        state,
        function,
        action: action.to_owned().leak(),
        kind,
    })
}

/// The function that a task calls, by its short name.
///
/// # Panics
/// If it calls none.
#[must_use]
pub fn function_of(task: &Value) -> &str {
    let name = task["Arguments"]["FunctionName"].as_str();
    let name = name.and_then(|name| name.strip_prefix("${")?.strip_suffix("_function_arn}"));
    name.expect("a task calls a function by its placeholder")
}

/// A row of `terraform/functions.json`, as far as tests look at it.
#[derive(Debug, Clone, Deserialize)]
pub struct Function {
    /// Who calls it: `step`, `front_door` or `operations`.
    pub kind: String,
    /// When Lambda ends it.
    pub timeout_s: u64,
}

/// Every function that is deployed, by its short name.
#[must_use]
pub fn functions() -> BTreeMap<String, Function> {
    serde_json::from_str(&read("terraform/functions.json")).expect("the table of functions")
}

/// The states from this one on, if nothing fails.
#[must_use]
pub fn path(start: &str) -> Vec<String> {
    let states = states();
    let mut path = vec![start.to_owned()];
    while let Some(next) = states[path.last().expect("a state")]["Next"].as_str() {
        path.push(next.to_owned());
    }
    path
}

/// The error names of a rule.
#[must_use]
pub fn names(rule: &Value) -> Vec<String> {
    serde_json::from_value(rule["ErrorEquals"].clone()).expect("names")
}

/// The rules of a state: `Retry` or `Catch`.
#[must_use]
pub fn rules(state: &Value, field: &str) -> Vec<Value> {
    state[field].as_array().cloned().unwrap_or_default()
}
