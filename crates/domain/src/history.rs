//! What an execution's history tells, as far as anybody here is interested in it.

use jiff::Timestamp;

use crate::{ErrorName, ExecutionStatus, TaskError};

/// A try of a task that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedTry {
    /// When.
    pub at: Timestamp,
    /// With what.
    pub error: TaskError,
    /// What the step says about it, such as `the carrier answered 503`. Only of an error of the catalogue: of
    /// others nobody vouches that there is no personal data in it.
    pub reason: Option<String>,
}

impl FailedTry {
    /// Longer reasons are cut.
    pub const MAX_REASON: usize = 200;

    /// A try that failed with an error of this name, and with this cause: the JSON that a function's error
    /// comes as, or a text.
    #[must_use]
    pub fn new(at: Timestamp, error: &str, message: Option<String>) -> Self {
        let error = TaskError::from(error.to_owned());
        let ours = matches!(error, TaskError::Catalogue(_));
        let message = message.filter(|message| ours && !message.is_empty());
        Self {
            at,
            error,
            reason: message.map(|message| message.chars().take(Self::MAX_REASON).collect()),
        }
    }

    /// Whether something did not work. An answer that the process has a way for is none: an order that is to
    /// be reviewed, or that somebody cancelled.
    #[must_use]
    pub fn is_trouble(&self) -> bool {
        !matches!(
            self.error,
            TaskError::Catalogue(
                ErrorName::ReviewRequired | ErrorName::ReviewRejected | ErrorName::OrderCancelled
            )
        )
    }
}

/// An event of an execution's history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HistoryEvent {
    /// A state of the process was entered.
    StateEntered {
        /// Its name.
        state: String,
    },
    /// A try of a task failed.
    TryFailed(FailedTry),
    /// Somebody let the execution go on after its end. Retries are counted anew from here on.
    Redriven {
        /// When.
        at: Timestamp,
    },
    /// The execution ended.
    Ended {
        /// When.
        at: Timestamp,
        /// How.
        status: ExecutionStatus,
        /// With what, if it did not end well.
        error: Option<TaskError>,
    },
    /// Anything else.
    Other,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::at;

    fn failed(error: &str, message: &str) -> FailedTry {
        FailedTry::new(at(0), error, Some(message.to_owned()))
    }

    #[test]
    fn only_of_our_own_errors_the_reason_is_kept() {
        let ours = failed("CarrierUnavailable", "the carrier answered 503");
        assert_eq!(
            ours.error,
            TaskError::Catalogue(ErrorName::CarrierUnavailable)
        );
        assert_eq!(ours.reason.as_deref(), Some("the carrier answered 503"));
        let theirs = failed("Runtime.ExitError", "somebody@example.com");
        assert_eq!(theirs.error.as_str(), "Runtime.ExitError");
        assert_eq!(theirs.reason, None);
        assert_eq!(failed("Internal", "").reason, None);
        assert_eq!(FailedTry::new(at(0), "Internal", None).reason, None);
    }

    #[test]
    fn a_long_reason_is_cut_between_characters() {
        let long = "é".repeat(FailedTry::MAX_REASON + 1);
        let reason = failed("Internal", &long).reason.unwrap();
        assert_eq!(reason, "é".repeat(FailedTry::MAX_REASON));
    }

    #[test]
    fn an_answer_that_the_process_has_a_way_for_is_no_trouble() {
        for (error, is_trouble) in [
            ("ReviewRequired", false),
            ("ReviewRejected", false),
            ("OrderCancelled", false),
            ("PaymentDeclined", true),
            ("StoreUnavailable", true),
            ("States.Timeout", true),
        ] {
            assert_eq!(failed(error, "").is_trouble(), is_trouble, "{error}");
        }
    }
}
