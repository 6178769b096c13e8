//! What Step Functions says of the execution that processes an attempt at an order.

use jiff::Timestamp;
use jiff::fmt::serde::timestamp::millisecond;
use serde::{Deserialize, Serialize};

/// Where an execution stands, as Step Functions says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(missing_docs, reason = "Step Functions' own words")]
pub enum ExecutionStatus {
    Running,
    Succeeded,
    Failed,
    TimedOut,
    Aborted,
    PendingRedrive,
    /// There is none: the order waits to be started.
    NotStarted,
}

impl ExecutionStatus {
    /// Whether the execution has ended, well or not.
    #[must_use]
    pub const fn has_ended(self) -> bool {
        match self {
            Self::Succeeded | Self::Failed | Self::TimedOut | Self::Aborted => true,
            Self::Running | Self::PendingRedrive | Self::NotStarted => false,
        }
    }
}

/// An execution as Step Functions described it, or as one of its events reported it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Execution {
    /// The attempt of the order that it works for.
    pub attempt: u32,
    /// Where it stands.
    pub status: ExecutionStatus,
    /// When it was last redriven, if it was.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "millisecond::optional"
    )]
    pub redriven_at: Option<Timestamp>,
    /// When it ended, if it has.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "millisecond::optional"
    )]
    pub stopped_at: Option<Timestamp>,
}

impl Execution {
    /// Whether this is later news than `other`, whichever arrived first: a later attempt, a later
    /// redrive, or its end.
    #[must_use]
    pub fn is_news_after(&self, other: &Self) -> bool {
        let position = |execution: &Self| {
            let progress = match execution.status {
                ExecutionStatus::NotStarted => 0,
                ExecutionStatus::Running | ExecutionStatus::PendingRedrive => 1,
                ExecutionStatus::Succeeded
                | ExecutionStatus::Failed
                | ExecutionStatus::TimedOut
                | ExecutionStatus::Aborted => 2,
            };
            (execution.attempt, execution.redriven_at, progress)
        };
        position(self) > position(other)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::fixtures::at;

    const ENDS: [ExecutionStatus; 4] = [
        ExecutionStatus::Succeeded,
        ExecutionStatus::Failed,
        ExecutionStatus::TimedOut,
        ExecutionStatus::Aborted,
    ];

    fn execution(status: ExecutionStatus) -> Execution {
        Execution {
            attempt: 1,
            status,
            redriven_at: None,
            stopped_at: None,
        }
    }

    #[test]
    fn an_execution_that_may_still_do_something_has_not_ended() {
        assert!(ENDS.iter().all(|end| end.has_ended()));
        for open in [
            ExecutionStatus::Running,
            ExecutionStatus::PendingRedrive,
            ExecutionStatus::NotStarted,
        ] {
            assert!(!open.has_ended(), "{open:?}");
        }
    }

    #[test]
    fn of_two_reports_the_later_attempt_counts_then_the_later_redrive_then_the_end() {
        let running = execution(ExecutionStatus::Running);
        let failed = execution(ExecutionStatus::Failed);
        let redriven = |second| Execution {
            redriven_at: Some(at(second)),
            ..running
        };
        let again = Execution {
            redriven_at: Some(at(1)),
            ..failed
        };
        let next = Execution {
            attempt: 2,
            status: ExecutionStatus::NotStarted,
            ..failed
        };
        let story = [
            execution(ExecutionStatus::NotStarted),
            running,
            failed,
            redriven(1),
            again,
            redriven(2),
            next,
        ];
        for (index, earlier) in story.iter().enumerate() {
            assert!(!earlier.is_news_after(earlier), "{earlier:?}");
            for later in &story[index + 1..] {
                assert!(later.is_news_after(earlier), "{later:?} after {earlier:?}");
                assert!(!earlier.is_news_after(later), "{earlier:?} after {later:?}");
            }
        }
        for end in ENDS {
            assert!(
                execution(end).is_news_after(&running) && !running.is_news_after(&execution(end))
            );
        }
    }

    #[test]
    fn an_execution_is_kept_with_step_functions_own_words() {
        let ended = Execution {
            redriven_at: Some(at(1)),
            ..execution(ExecutionStatus::TimedOut)
        };
        let kept = serde_json::to_value(ended).unwrap();
        let expected =
            json!({"attempt": 1, "status": "TIMED_OUT", "redriven_at": 1_795_428_001_000_i64});
        assert_eq!(kept, expected);
        assert_eq!(serde_json::from_value::<Execution>(kept).unwrap(), ended);
    }
}
