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
