//! The way through the state machine, read from its definition.

use std::collections::BTreeMap;

use memory::Bug;
use serde_json::Value;

/// What is deployed.
const DEFINITION: &str = include_str!("../../../../statemachine/order.asl.json");

/// A state that calls a function and then waits for somebody with its token.
const WAITS: &str = "arn:aws:states:::lambda:invoke.waitForTaskToken";

/// The undos that a planted bug leaves out.
const SKIPPED: [(Bug, &str); 2] = [
    (Bug::ReversePaymentSkipped, "ReversePayment"),
    (Bug::ReleaseStockSkipped, "ReleaseStock"),
];

/// A state that calls a function.
#[derive(Debug, Clone)]
pub(crate) struct Task {
    /// The function, by its short name.
    pub(crate) function: String,
    /// What it is asked for.
    pub(crate) action: String,
    /// Whether it goes on when somebody says so, and not when its function has answered.
    pub(crate) waits: bool,
    /// Where an order goes on. `None` if its execution ends well here.
    pub(crate) next: Option<&'static str>,
    retry: Vec<Retry>,
    catch: Vec<Catch>,
}

#[derive(Debug, Clone)]
struct Retry {
    errors: Vec<String>,
    is_tried_again: bool,
}

#[derive(Debug, Clone)]
struct Catch {
    errors: Vec<String>,
    next: &'static str,
    notes: bool,
    renamed: Option<&'static str>,
}

/// What comes of an error that is not tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Caught {
    /// The execution goes on.
    Next {
        /// There.
        next: &'static str,
        /// Whether the error is the one that the order is reversed for.
        notes: bool,
        /// The error that it is reversed for then, if the definition gives it another name.
        renamed: Option<&'static str>,
    },
    /// It fails where it is.
    Nowhere,
}

/// How an execution ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum End {
    Succeeded,
    Failed,
}

/// The whole of it.
#[derive(Debug)]
pub(crate) struct Definition {
    /// Where an execution begins.
    pub(crate) start: &'static str,
    tasks: BTreeMap<&'static str, Task>,
    ends: BTreeMap<&'static str, End>,
}

fn matches(errors: &[String], error: &str) -> bool {
    errors
        .iter()
        .any(|name| name == error || name == "States.ALL")
}

impl Task {
    /// Whether this error is tried again. How often does not matter: any number of tries is explored.
    pub(crate) fn tries_again(&self, error: &str) -> bool {
        let rule = self.retry.iter().find(|rule| matches(&rule.errors, error));
        rule.is_some_and(|rule| rule.is_tried_again)
    }

    /// Where this error leads if it is not.
    pub(crate) fn catches(&self, error: &str) -> Caught {
        let rule = self.catch.iter().find(|rule| matches(&rule.errors, error));
        rule.map_or(Caught::Nowhere, |rule| Caught::Next {
            next: rule.next,
            notes: rule.notes,
            renamed: rule.renamed,
        })
    }
}

impl Definition {
    /// As it is deployed, or with what is planted.
    ///
    /// # Panics
    /// If the definition is not as the tests of `tests/` hold it.
    #[expect(
        clippy::expect_used,
        reason = "a model of something else proves nothing"
    )]
    pub(crate) fn read(bug: Option<Bug>) -> Self {
        let definition: Value = serde_json::from_str(DEFINITION).expect("JSON");
        let mut names: BTreeMap<String, &'static str> = BTreeMap::new();
        let states = definition["States"].as_object().expect("states");
        for name in states.keys() {
            // A handful of names, for as long as the program runs.
            names.insert(name.clone(), name.clone().leak());
        }
        let name = |value: &Value| value.as_str().map(|name| names[name]);
        let (mut tasks, mut ends) = (BTreeMap::new(), BTreeMap::new());
        for (key, state) in states {
            let key = names[key];
            match state["Type"].as_str() {
                Some("Succeed") => {
                    ends.insert(key, End::Succeeded);
                }
                Some("Fail") => {
                    ends.insert(key, End::Failed);
                }
                _ => {
                    tasks.insert(key, task(state, &name));
                }
            }
        }
        let mut read = Self {
            start: name(&definition["StartAt"]).expect("a start"),
            tasks,
            ends,
        };
        if let Some(bug) = bug {
            read.plant(bug);
        }
        read
    }

    fn plant(&mut self, bug: Bug) {
        let skipped = SKIPPED.iter().find(|(planted, _)| *planted == bug);
        if let Some((_, skipped)) = skipped {
            let next = self.tasks[skipped].next;
            for task in self.tasks.values_mut() {
                if task.next == Some(skipped) {
                    task.next = next;
                }
            }
        }
        if bug == Bug::ReviewSkipped {
            let reviews: Vec<_> = self.tasks.iter().filter(|(_, task)| task.waits).collect();
            let past: BTreeMap<_, _> = reviews
                .into_iter()
                .filter_map(|(name, task)| Some((*name, task.next?)))
                .collect();
            for catch in self.tasks.values_mut().flat_map(|task| &mut task.catch) {
                if let Some(past) = past.get(catch.next) {
                    catch.next = past;
                }
            }
        }
        if bug == Bug::UndoCaught {
            for task in self.tasks.values_mut() {
                if task.catch.is_empty()
                    && let Some(next) = task.next
                {
                    let errors = vec!["States.ALL".to_owned()];
                    task.catch.push(Catch {
                        errors,
                        next,
                        notes: false,
                        renamed: None,
                    });
                }
            }
        }
    }

    /// The task of a state. `None` if an execution ends there.
    pub(crate) fn task(&self, state: &str) -> Option<&Task> {
        self.tasks.get(state)
    }

    /// How an execution ends in a state that is no task.
    pub(crate) fn end(&self, state: &str) -> End {
        self.ends.get(state).copied().unwrap_or(End::Failed)
    }
}

/// A text that is no expression.
fn constant(value: &Value) -> Option<&'static str> {
    let text = value.as_str().filter(|text| !text.starts_with("{%"))?;
    // A handful of names, for as long as the program runs.
    Some(text.to_owned().leak())
}

#[expect(
    clippy::expect_used,
    reason = "a model of something else proves nothing"
)]
fn task(state: &Value, name: &impl Fn(&Value) -> Option<&'static str>) -> Task {
    let arguments = &state["Arguments"];
    let function = arguments["FunctionName"].as_str();
    let function =
        function.and_then(|name| name.strip_prefix("${")?.strip_suffix("_function_arn}"));
    let action = arguments["Payload"]["action"].as_str();
    let errors = |rule: &Value| -> Vec<String> {
        serde_json::from_value(rule["ErrorEquals"].clone()).expect("names of errors")
    };
    let rules = |field: &str| state[field].as_array().cloned().unwrap_or_default();
    Task {
        function: function.expect("a function").to_owned(),
        action: action.expect("an action").to_owned(),
        waits: state["Resource"] == WAITS,
        next: name(&state["Next"]),
        retry: rules("Retry")
            .iter()
            .map(|rule| Retry {
                errors: errors(rule),
                is_tried_again: rule["MaxAttempts"].as_u64() != Some(0),
            })
            .collect(),
        catch: rules("Catch")
            .iter()
            .map(|rule| Catch {
                errors: errors(rule),
                next: name(&rule["Next"]).expect("a state"),
                notes: rule["Assign"]["failure"].is_object(),
                renamed: constant(&rule["Assign"]["failure"]["error"]),
            })
            .collect(),
    }
}
