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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::at;

    #[test]
    fn who_acted_is_told_by_name_and_the_monitor_by_what_it_is() {
        let operator = Actor::Operator("grace".to_owned());
        assert_eq!(operator.to_string(), "grace");
        assert_eq!(operator.origin(), Origin::Operator);
        assert_eq!(Actor::Monitor.to_string(), "monitor");
        assert_eq!(Actor::Monitor.origin(), Origin::Monitor);
    }

    #[test]
    fn an_entry_is_told_with_who_why_about_what_and_how_often() {
        let by = Actor::Operator("grace".to_owned());
        let once = AuditEvent::new(at(0), Event::Settled, by, "sent back");
        assert_eq!(once.text(), "grace: sent back");
        assert_eq!(once.last(), at(0));
        let about = once.about("se-1");
        assert_eq!(about.text(), "grace: se-1, sent back");
        let again = AuditEvent {
            again: Some(Again {
                times: 12,
                last: at(65),
            }),
            ..about
        };
        assert_eq!(again.last(), at(65));
        let text = "grace: se-1, sent back (12 times, last at 2026-11-23T10:01:05Z)";
        assert_eq!(again.text(), text);
    }

    #[test]
    fn an_entry_is_kept_without_what_it_has_not() {
        let entry = AuditEvent::new(at(0), Event::Started, Actor::Monitor, "why");
        let kept = serde_json::to_value(&entry).unwrap();
        let expected = serde_json::json!({
            "at": 1_795_428_000_000_i64, "event": "started", "by": "monitor", "reason": "why"
        });
        assert_eq!(kept, expected);
        assert_eq!(serde_json::from_value::<AuditEvent>(kept).unwrap(), entry);
    }
}
