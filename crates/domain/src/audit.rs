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

/// An entry of the audit trail, written once.
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
}
