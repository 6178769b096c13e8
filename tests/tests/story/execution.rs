//! The state machine, read from its own definition: what comes after a task, how often one that
//! failed is tried again, and where it leads then.

use std::collections::HashMap;
use std::sync::LazyLock;

use serde_json::Value;
use step::FailureInput;
use tests::definition::{Kind, calls};

use crate::shop::Do;

const DEFINITION: &str = include_str!("../../../statemachine/order.asl.json");

/// How Lambda ends a function that has not answered in time.
const NO_ANSWER: &str = "Sandbox.Timedout";

/// The states and what runs in them. No story has a review.
static TASKS: LazyLock<Vec<(&str, Do)>> = LazyLock::new(|| {
    let calls = calls().iter().filter(|call| call.kind != Kind::Review);
    let tasks = calls.map(|call| (call.state, Do::of(call)));
    tasks.collect()
});

/// The state in which a task runs.
pub(crate) fn state_of(task: Do) -> &'static str {
    let mut tasks = TASKS.iter().filter(|(_, one)| *one == task);
    tasks.next().expect("a state for each task").0
}

/// Where an execution is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum At {
    /// This task is to be run, for the first time or again.
    Task(Do),
    /// This task gave up, and nobody catches that: a person has to look, and redrives it.
    Stuck(Do),
    Ended,
}

pub(crate) struct Execution {
    states: Value,
    at: At,
    /// Why the failure branch was entered.
    failure: Option<FailureInput>,
    /// How often each retry rule of this state was followed.
    retries: HashMap<usize, u64>,
    /// How the task failed the last time.
    last: Option<FailureInput>,
}

impl Execution {
    pub(crate) fn start() -> Self {
        let definition: Value = serde_json::from_str(DEFINITION).expect("JSON");
        let mut execution = Self {
            states: definition["States"].clone(),
            at: At::Ended,
            failure: None,
            retries: HashMap::new(),
            last: None,
        };
        execution.go(definition["StartAt"].as_str().expect("a state"));
        execution
    }

    pub(crate) fn at(&self) -> At {
        self.at
    }

    pub(crate) fn failure(&self) -> Option<&FailureInput> {
        self.failure.as_ref()
    }

    fn go(&mut self, state: &str) {
        self.retries.clear();
        self.last = None;
        self.at = match self.states[state]["Type"].as_str() {
            Some("Task") => {
                let mut tasks = TASKS.iter().filter(|(name, _)| *name == state);
                At::Task(tasks.next().expect("a task that a story knows").1)
            }
            Some("Succeed" | "Fail") => At::Ended,
            other => panic!("{state} is {other:?}, which no story knows"),
        };
    }

    /// The current task ended well.
    pub(crate) fn succeeded(&mut self) {
        let At::Task(task) = self.at else { return };
        match self.states[state_of(task)]["Next"]
            .as_str()
            .map(str::to_owned)
        {
            Some(next) => self.go(&next),
            None => self.at = At::Ended,
        }
    }

    /// Nobody observed of the current task in time.
    pub(crate) fn not_answered(&mut self) {
        self.failed(FailureInput {
            error: NO_ANSWER.to_owned(),
            cause: String::new(),
        });
    }

    /// The current task ended with an error.
    pub(crate) fn failed(&mut self, failure: FailureInput) {
        let At::Task(task) = self.at else { return };
        let rules = &self.states[state_of(task)]["Retry"];
        let mut rules = rules.as_array().expect("rules").iter().enumerate();
        let rule = rules.find(|(_, rule)| names(rule, &failure.error));
        self.last = Some(failure);
        let may_retry = rule.is_some_and(|(number, rule)| {
            let used = self.retries.entry(number).or_default();
            *used += 1;
            *used <= rule["MaxAttempts"].as_u64().expect("a number")
        });
        if !may_retry {
            self.give_up();
        }
    }

    /// The current task's last error is final. `false` if it has not failed.
    pub(crate) fn give_up(&mut self) -> bool {
        let (At::Task(task), Some(failure)) = (self.at, self.last.clone()) else {
            return false;
        };
        let none = Vec::new();
        let catchers = self.states[state_of(task)]["Catch"].as_array();
        let mut catchers = catchers.unwrap_or(&none).iter();
        let Some(catcher) = catchers.find(|catcher| names(catcher, &failure.error)) else {
            self.at = At::Stuck(task);
            return true;
        };
        if catcher["Assign"].get("failure").is_some() {
            self.failure = Some(failure);
        }
        let next = catcher["Next"].as_str().expect("a state").to_owned();
        self.go(&next);
        true
    }

    /// Somebody lets the execution go on from where it gave up. `false` if it has not.
    pub(crate) fn redrive(&mut self) -> bool {
        let At::Stuck(task) = self.at else {
            return false;
        };
        self.go(state_of(task));
        true
    }
}

/// Whether a rule is about this error.
fn names(rule: &Value, error: &str) -> bool {
    let names = rule["ErrorEquals"].as_array().expect("names");
    names
        .iter()
        .any(|name| name == error || name == "States.ALL")
}
