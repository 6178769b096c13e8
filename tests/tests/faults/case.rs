//! One fault in one task: what is planted, and how the order has to end.

use std::fmt;

use domain::ErrorName;
use serde_json::{Value, json};
use tests::definition::{Call, Kind, calls, states};

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The step fails with this name.
    Named(ErrorName),
    /// Its process exits.
    Crash,
    /// It panics.
    Panic,
    /// Its process is killed, as one that is out of memory.
    OutOfMemory,
    /// It hangs until the function's timeout.
    FunctionTimeout,
    /// It hangs until the task's timeout, which is then the shorter one.
    TaskTimeout,
}

impl Fault {
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        let platform = [
            Self::Crash,
            Self::Panic,
            Self::OutOfMemory,
            Self::FunctionTimeout,
            Self::TaskTimeout,
        ];
        let named = ErrorName::ALL.iter().copied().map(Self::Named);
        named.chain(platform)
    }

    /// What the saboteur calls it.
    fn word(self) -> &'static str {
        match self {
            Self::Named(name) => name.as_str(),
            Self::Crash => "crash",
            Self::Panic => "panic",
            Self::OutOfMemory => "kill",
            Self::FunctionTimeout | Self::TaskTimeout => "hang",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Named(name) => name.as_str(),
            Self::Crash => "crash",
            Self::Panic => "panic",
            Self::OutOfMemory => "out of memory",
            Self::FunctionTimeout => "function timeout",
            Self::TaskTimeout => "task timeout",
        })
    }
}

/// How an order may end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Completed,
    Reversed,
    NeedsAttention,
}

#[derive(Clone, Copy)]
pub(crate) struct Case {
    pub(crate) task: Call,
    pub(crate) fault: Fault,
    /// Whether the step has done all of its work when it strikes.
    pub(crate) after: bool,
    /// Whether it strikes every time, or the first time only.
    pub(crate) always: bool,
}

impl fmt::Display for Case {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let when = if self.after { "after" } else { "before" };
        let often = if self.always { "always" } else { "once" };
        let (state, fault) = (self.task.state, self.fault);
        write!(out, "{state}: {fault} {when} acting, {often}")
    }
}

impl Case {
    /// Every combination that tells something of its own.
    pub(crate) fn all() -> Vec<Self> {
        let mut cases = Vec::new();
        for task in calls().iter().copied() {
            for fault in Fault::all() {
                for (after, always) in [(false, false), (true, false), (false, true), (true, true)]
                {
                    let case = Self {
                        task,
                        fault,
                        after,
                        always,
                    };
                    // What is never tried again is the same once and always.
                    let again = case.tries() > 1;
                    // A token is answered or it is not; before and after are the same then.
                    let by_token = task.kind == Kind::Review && matches!(fault, Fault::Named(_));
                    if !(always && !again || after && by_token) {
                        cases.push(case);
                    }
                }
            }
        }
        cases
    }

    /// What to put into the saboteur's file, and which of its entries is the fault in question.
    pub(crate) fn plan(&self) -> (Value, usize) {
        let times = if self.always { 1000 } else { 1 };
        let word = match (self.task.kind, self.fault) {
            // By the token, see `Kind::Review`.
            (Kind::Review, Fault::Named(_)) => return (json!([]), 0),
            (_, fault) => fault.word(),
        };
        let fault =
            json!({"action": self.task.action, "after": self.after, "fault": word, "times": times});
        if self.is_in_failure_branch() {
            // Something has to fail first, as late as possible: then everything is to be undone.
            let first =
                json!({"action": "capture", "after": false, "fault": "Internal", "times": 1});
            (json!([first, fault]), 1)
        } else {
            (json!([fault]), 0)
        }
    }

    pub(crate) fn is_in_failure_branch(&self) -> bool {
        self.task.kind == Kind::Undo || self.task.state == "NotifyFailure"
    }

    /// Whether the order is to wait for a review.
    pub(crate) fn is_reviewed(&self) -> bool {
        self.task.kind == Kind::Review
    }

    /// How often the state machine tries a task that goes on failing like this.
    pub(crate) fn tries(&self) -> u64 {
        let error = match self.fault {
            Fault::Named(name) => name.as_str(),
            Fault::TaskTimeout => "States.Timeout",
            // What a function's end looks like in a review that waits for its token.
            _ if self.task.kind == Kind::Review => "States.Timeout",
            Fault::Crash | Fault::Panic | Fault::OutOfMemory | Fault::FunctionTimeout => {
                "a platform's"
            }
        };
        let states = states();
        let rules = states[self.task.state]["Retry"].as_array();
        let rules = rules.expect("retry rules").iter();
        let mut matching = rules.filter(|rule| {
            let names = rule["ErrorEquals"].as_array().expect("names");
            names
                .iter()
                .any(|name| name == error || name == "States.ALL")
        });
        let rule = matching.next().expect("States.ALL is in each");
        1 + rule["MaxAttempts"].as_u64().expect("a number")
    }

    /// How the order has to end.
    pub(crate) fn end(&self) -> End {
        let heals = !self.always && self.tries() > 1;
        match self.task.kind {
            Kind::Message if self.is_in_failure_branch() => End::Reversed,
            Kind::Message => End::Completed,
            Kind::Undo if heals => End::Reversed,
            Kind::Undo => End::NeedsAttention,
            // The review was opened, so that a person's answer is observed all the same.
            Kind::Review if self.after && !matches!(self.fault, Fault::Named(_)) => End::Completed,
            Kind::Forward | Kind::Review if heals => End::Completed,
            Kind::Forward | Kind::Review => End::Reversed,
        }
    }
}
