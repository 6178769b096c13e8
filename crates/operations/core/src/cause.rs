//! What orders that need a person have in common.

use std::fmt;

use domain::{ErrorName, TaskError};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::advice::{self, Advice};
use crate::incident::Incident;
use crate::process::ProcessState;
use crate::short;

/// What is wrong with an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Problem {
    /// It has this incident.
    Incident(Incident),
    /// It was reversed because of a dependency or of us, with this error.
    Reversed(ErrorName),
}

impl Problem {
    /// What is to be known about it.
    #[must_use]
    pub const fn advice(self) -> Advice {
        match self {
            Self::Incident(incident) => incident.advice(),
            Self::Reversed(error) => advice::of_error(error),
        }
    }

    /// The word for it: the incident's, or the error's.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Incident(incident) => incident.as_str(),
            Self::Reversed(error) => error.as_str(),
        }
    }
}

/// The one key by which orders are grouped, wherever they are: on the page, in a notice, in a metric.
/// Orders with the same cause have the same problem, in the same state, with the same error.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Cause {
    /// What is wrong.
    pub problem: Problem,
    /// The state of the process in which it went wrong. `None` once nothing is left to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<ProcessState>,
    /// The error behind it, if one is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<TaskError>,
}

impl Cause {
    /// A short name that is the same for the same cause, wherever it is computed: 16 hexadecimal digits.
    #[must_use]
    pub fn id(&self) -> String {
        let kind = match self.problem {
            Problem::Incident(_) => "incident",
            Problem::Reversed(_) => "reversed",
        };
        let state = self.state.map_or("-", ProcessState::as_str);
        let error = self.error.as_ref().map_or("-", TaskError::as_str);
        let mut hasher = Sha256::new();
        for part in [kind, self.problem.as_str(), state, error] {
            hasher.update(part.as_bytes());
            hasher.update([0]);
        }
        short(hasher)
    }

    /// What is to be known about it.
    #[must_use]
    pub const fn advice(&self) -> Advice {
        self.problem.advice()
    }
}

/// In a line: `unfinished in CancelShipment, with CarrierUnavailable`.
impl fmt::Display for Cause {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.problem.as_str())?;
        if let Some(state) = self.state {
            write!(out, " in {state}")?;
        }
        match &self.error {
            Some(error) => write!(out, ", with {error}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cause(problem: Problem, state: Option<ProcessState>, error: Option<&str>) -> Cause {
        Cause {
            problem,
            state,
            error: error.map(|error| error.to_owned().into()),
        }
    }

    #[test]
    fn causes_differ_by_each_of_their_parts_and_by_nothing_else() {
        let unfinished = Problem::Incident(Incident::Unfinished);
        let ship = Some(ProcessState::ShipOrder);
        let causes = [
            cause(unfinished, ship, None),
            cause(unfinished, ship, Some("CarrierUnavailable")),
            cause(unfinished, ship, Some("States.Timeout")),
            cause(unfinished, Some(ProcessState::CancelShipment), None),
            cause(unfinished, None, None),
            cause(Problem::Incident(Incident::Overdue), ship, None),
            cause(Problem::Reversed(ErrorName::CarrierUnavailable), ship, None),
        ];
        for (one, first) in causes.iter().enumerate() {
            for (other, second) in causes.iter().enumerate() {
                assert_eq!(one == other, first.id() == second.id(), "{first} {second}");
            }
            let stored = serde_json::to_string(first).unwrap();
            assert_eq!(&serde_json::from_str::<Cause>(&stored).unwrap(), first);
        }
    }

    #[test]
    fn a_cause_is_told_in_a_line() {
        let problem = Problem::Incident(Incident::Unfinished);
        let state = Some(ProcessState::CancelShipment);
        let text = cause(problem, state, Some("CarrierUnavailable")).to_string();
        assert_eq!(
            text,
            "unfinished in CancelShipment, with CarrierUnavailable"
        );
        assert_eq!(cause(problem, None, None).to_string(), "unfinished");
    }
}
