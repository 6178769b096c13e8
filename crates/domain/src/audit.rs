//! Who did what to an order by hand, why and when.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::event::{Event, Origin};

/// Who acts on an order from outside its process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Actor {
    /// The monitor, by itself.
    Monitor,
    /// A person: an ARN, or the name that they signed in with.
    Operator(String),
}

impl Actor {
    /// Where the timeline puts what they did.
    #[must_use]
    pub const fn origin(&self) -> Origin {
        match self {
            Self::Monitor => Origin::Monitor,
            Self::Operator(_) => Origin::Operator,
        }
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Monitor => out.write_str("monitor"),
            Self::Operator(name) => out.write_str(name),
        }
    }
}

/// An entry of the audit trail, written once; what repeats right after itself is counted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEvent {
    /// When.
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
    pub at: Timestamp,
    /// What.
    pub event: Event,
    /// Who.
    pub by: Actor,
    /// Why.
    pub reason: String,
    /// The provider's reference of what it is about, where an order may have several of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub about: Option<String>,
    /// If the same happened again, with nothing else in between: how often, this once included, and when last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub again: Option<Again>,
}

/// How often the same happened, with nothing else in between.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Again {
    /// In all.
    pub times: u32,
    /// The last of them.
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
    pub last: Timestamp,
}

impl AuditEvent {
    /// Something that just happened.
    pub fn new(at: Timestamp, event: Event, by: Actor, reason: impl Into<String>) -> Self {
        Self {
            at,
            event,
            by,
            reason: reason.into(),
            about: None,
            again: None,
        }
    }

    /// The same, about what the provider calls this.
    #[must_use]
    pub fn about(self, reference: impl Into<String>) -> Self {
        Self {
            about: Some(reference.into()),
            ..self
        }
    }

    /// When it happened last.
    #[must_use]
    pub fn last(&self) -> Timestamp {
        self.again.map_or(self.at, |again| again.last)
    }

    /// Who and why, for people: `monitor: the providers were asked (12 times, last at 12:03:05)`.
    #[must_use]
    pub fn text(&self) -> String {
        let by = &self.by;
        let reason = match &self.about {
            Some(about) => format!("{about}, {}", self.reason),
            None => self.reason.clone(),
        };
        match self.again {
            Some(Again { times, last }) => {
                let last = format!("{last:.0}");
                format!("{by}: {reason} ({times} times, last at {last})")
            }
            None => format!("{by}: {reason}"),
        }
    }
}
