//! The process, read from its definition, with the expressions that it uses.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

/// What is deployed.
const DEFINITION: &str = include_str!("../../../../statemachine/order.asl.json");

/// A state of the process.
#[derive(Debug)]
pub(crate) enum State {
    /// Calls a function.
    Task(Task),
    /// An execution ends well here.
    Succeed,
    /// An execution fails here, with this error and cause.
    Fail(Value, Value),
}

/// A state that calls a function.
#[derive(Debug)]
pub(crate) struct Task {
    /// The function, by its short name.
    pub(crate) function: &'static str,
    /// What it is called with.
    pub(crate) payload: Value,
    /// Whether the execution then waits for a token.
    pub(crate) waits_for_token: bool,
    /// When the try has failed.
    pub(crate) timeout: Duration,
    /// What is remembered once it is done.
    pub(crate) assign: Value,
    /// Where the execution goes on. `None` if it ends well here.
    pub(crate) next: Option<&'static str>,
    /// Which errors are tried again.
    pub(crate) retry: Vec<Retry>,
    catch: Vec<Catch>,
}

/// Which errors are tried again, how often and when.
#[derive(Debug)]
pub(crate) struct Retry {
    errors: Vec<String>,
    interval_s: f64,
    rate: f64,
    longest_s: f64,
    /// How often.
    pub(crate) most: u32,
    /// Whether the wait is anything up to what it is said to be.
    pub(crate) jitters: bool,
}

/// Where an error leads.
#[derive(Debug)]
pub(crate) struct Catch {
    errors: Vec<String>,
    /// What is remembered.
    pub(crate) assign: Value,
    /// Where the execution goes on.
    pub(crate) next: &'static str,
}

/// The whole of it.
#[derive(Debug)]
pub(crate) struct Definition {
    /// Where an execution begins.
    pub(crate) start: &'static str,
    states: BTreeMap<&'static str, State>,
}

/// What an expression can see.
#[derive(Debug)]
pub(crate) struct Scope<'a> {
    pub(crate) input: &'a Value,
    pub(crate) execution: &'a str,
    pub(crate) token: &'a str,
    pub(crate) variables: &'a Value,
    /// The error and its cause, in a Catch.
    pub(crate) failed: Option<(&'a str, &'a str)>,
}

/// So many characters of a cause are passed on, as the definition says.
const CAUSE: usize = 1000;

impl Scope<'_> {
    /// What a template comes to.
    ///
    /// # Panics
    /// If an expression is none of those that the definition had when this was written.
    pub(crate) fn fill(&self, template: &Value) -> Value {
        match template {
            Value::Object(fields) => {
                let fields = fields.iter();
                fields
                    .map(|(name, value)| (name.clone(), self.fill(value)))
                    .collect()
            }
            Value::String(text) => match expression(text) {
                Some(expression) => self.value(expression),
                None => template.clone(),
            },
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => template.clone(),
        }
    }

    fn value(&self, expression: &str) -> Value {
        let (error, cause) = self.failed.unwrap_or_default();
        match expression {
            "$states.input.order_id" => self.input["order_id"].clone(),
            "$exists($states.input.order_id) ? $states.input.order_id : ''" => {
                match &self.input["order_id"] {
                    Value::Null => "".into(),
                    order_id => order_id.clone(),
                }
            }
            "$exists($states.input.attempt) ? $states.input.attempt : 1" => {
                match &self.input["attempt"] {
                    Value::Null => 1.into(),
                    attempt => attempt.clone(),
                }
            }
            "$states.context.Execution.Name" => self.execution.into(),
            "$states.context.Task.Token" => self.token.into(),
            "$states.errorOutput.Error" => error.into(),
            "$substring($exists($states.errorOutput.Cause) ? $states.errorOutput.Cause : '', 0, \
             1000)" => cause.chars().take(CAUSE).collect::<String>().into(),
            "$order_id" => self.variables["order_id"].clone(),
            "$attempt" => self.variables["attempt"].clone(),
            "$failure" => self.variables["failure"].clone(),
            "$failure.error" => self.variables["failure"]["error"].clone(),
            "$failure.cause" => self.variables["failure"]["cause"].clone(),
            unknown => panic!("the definition has a new expression: {unknown}"),
        }
    }
}

/// What stands between the signs of an expression.
fn expression(text: &str) -> Option<&str> {
    Some(text.strip_prefix("{%")?.strip_suffix("%}")?.trim())
}

fn matches(errors: &[String], error: &str) -> bool {
    let mut errors = errors.iter();
    errors.any(|name| {
        name == error
            || name == "States.ALL"
            || (name == "States.TaskFailed" && error != "States.Timeout")
    })
}

impl Retry {
    /// The longest wait after so many failures.
    pub(crate) fn wait_after(&self, failed: u32) -> Duration {
        let power = i32::try_from(failed.saturating_sub(1)).unwrap_or(i32::MAX);
        let seconds = self.interval_s * self.rate.powi(power);
        Duration::from_secs_f64(seconds.min(self.longest_s))
    }
}

impl Task {
    /// The rule for an error, by its place.
    pub(crate) fn rule(&self, error: &str) -> Option<usize> {
        let mut rules = self.retry.iter();
        rules.position(|rule| matches(&rule.errors, error))
    }

    /// Where this error leads if it is not tried again.
    pub(crate) fn catches(&self, error: &str) -> Option<&Catch> {
        let mut rules = self.catch.iter();
        rules.find(|rule| matches(&rule.errors, error))
    }
}

impl Definition {
    /// As it is deployed.
    pub(crate) fn read() -> Self {
        let definition: Value = serde_json::from_str(DEFINITION).expect("JSON");
        let states = definition["States"].as_object().expect("states");
        // A handful of names, for as long as the program runs.
        let names: BTreeMap<&String, &'static str> = states
            .keys()
            .map(|name| (name, &*name.clone().leak()))
            .collect();
        let name = |value: &Value| {
            let mut all = names.iter();
            let value = value.as_str()?;
            all.find(|(name, _)| **name == value).map(|(_, name)| *name)
        };
        let read = |state: &Value| match state["Type"].as_str() {
            Some("Task") => State::Task(task(state, &name)),
            Some("Succeed") => State::Succeed,
            Some("Fail") => State::Fail(state["Error"].clone(), state["Cause"].clone()),
            other => panic!("the definition has a new type of state: {other:?}"),
        };
        Self {
            start: name(&definition["StartAt"]).expect("a start"),
            states: states
                .iter()
                .map(|(key, state)| (names[key], read(state)))
                .collect(),
        }
    }

    /// A state by its name.
    pub(crate) fn state(&self, name: &str) -> &State {
        &self.states[name]
    }
}

fn task(state: &Value, name: &impl Fn(&Value) -> Option<&'static str>) -> Task {
    let function = state["Arguments"]["FunctionName"].as_str();
    let function =
        function.and_then(|name| name.strip_prefix("${")?.strip_suffix("_function_arn}"));
    let resource = state["Resource"].as_str().expect("a resource");
    let errors = |rule: &Value| -> Vec<String> {
        serde_json::from_value(rule["ErrorEquals"].clone()).expect("names of errors")
    };
    let rules = |field: &str| state[field].as_array().cloned().unwrap_or_default();
    let retry = |rule: &Value| Retry {
        errors: errors(rule),
        interval_s: rule["IntervalSeconds"].as_f64().unwrap_or(1.0),
        rate: rule["BackoffRate"].as_f64().unwrap_or(2.0),
        longest_s: rule["MaxDelaySeconds"].as_f64().unwrap_or(86_400.0),
        most: rule["MaxAttempts"]
            .as_u64()
            .and_then(|most| u32::try_from(most).ok())
            .unwrap_or(3),
        jitters: rule["JitterStrategy"] == "FULL",
    };
    Task {
        function: function.expect("a function").to_owned().leak(),
        payload: state["Arguments"]["Payload"].clone(),
        waits_for_token: resource.ends_with(".waitForTaskToken"),
        timeout: Duration::from_secs(state["TimeoutSeconds"].as_u64().expect("a timeout")),
        assign: state["Assign"].clone(),
        next: name(&state["Next"]),
        retry: rules("Retry").iter().map(retry).collect(),
        catch: rules("Catch")
            .iter()
            .map(|rule| Catch {
                errors: errors(rule),
                assign: rule["Assign"].clone(),
                next: name(&rule["Next"]).expect("a state"),
            })
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn task<'a>(definition: &'a Definition, state: &str) -> &'a Task {
        match definition.state(state) {
            State::Task(task) => task,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn every_expression_of_the_definition_is_known() {
        let definition = Definition::read();
        let (input, variables) = (json!({"order_id": "o"}), json!({}));
        let scope = Scope {
            input: &input,
            execution: "o-1",
            token: "t",
            variables: &variables,
            failed: Some(("E", "c")),
        };
        for state in definition.states.values() {
            match state {
                State::Task(task) => {
                    scope.fill(&task.payload);
                    scope.fill(&task.assign);
                    for catch in &task.catch {
                        scope.fill(&catch.assign);
                    }
                }
                State::Fail(error, cause) => {
                    scope.fill(error);
                    scope.fill(cause);
                }
                State::Succeed => {}
            }
        }
        let validate = task(&definition, definition.start);
        let payload = scope.fill(&validate.payload);
        assert_eq!(payload["attempt"], 1, "one that is left out is the first");
        assert_eq!(payload["execution"], "o-1");
    }

    #[test]
    fn errors_find_their_rules_and_waits_grow_up_to_a_limit() {
        let definition = Definition::read();
        let ship = task(&definition, "ShipOrder");
        let rule = |error| &ship.retry[ship.rule(error).expect("a rule")];
        assert_eq!(rule("Internal").most, 0);
        let carrier = rule("CarrierUnavailable");
        assert_eq!((carrier.most, carrier.jitters), (30, true));
        assert_eq!(carrier.wait_after(1), Duration::from_secs(2));
        assert_eq!(carrier.wait_after(9), Duration::from_mins(1));
        assert_eq!(rule("Runtime.ExitError").most, 5, "States.ALL");
        let caught = ship.catches("Runtime.ExitError").expect("caught");
        assert_eq!(caught.next, "CancelShipment");
        assert!(
            task(&definition, "ReleaseStock")
                .catches("Internal")
                .is_none()
        );
    }
}
