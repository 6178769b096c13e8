//! The state machine's definition, for tests that look at it.

use std::collections::BTreeMap;
use std::path::Path;

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
