//! When an order is looked at differently, and when somebody hears of it.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;

use crate::process::{HOUR, MINUTE, ProcessState};

/// When an order is looked at differently, and when somebody hears of it: the defaults, and what a deployment
/// sets instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    states: BTreeMap<ProcessState, OfState>,
    /// A task that fails for so long is an incident, though it is still tried.
    pub keeps_failing_after: Duration,
    /// How long before a hold is no longer relied on somebody hears of it.
    pub hold_warning: Duration,
    /// After a notice about a cause the next one about it waits for so long, and has all orders in it that came
    /// meanwhile.
    pub notices_every: Duration,
}

/// Of one state, where they are not the defaults.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct OfState {
    at_risk_after_s: Option<u64>,
    overdue_after_s: Option<u64>,
}

/// As Terraform sets it: whole seconds, and `null` for a default.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    #[serde(default)]
    states: BTreeMap<ProcessState, OfState>,
    keeps_failing_after_s: Option<u64>,
    hold_warning_s: Option<u64>,
    notices_every_s: Option<u64>,
}

/// Why a text is no limits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidLimits {
    /// It cannot be read.
    #[error("{0}")]
    Unreadable(String),
    /// An order of this state would be overdue before it is at risk.
    #[error("in {0} an order would be overdue before it is at risk")]
    Overlap(ProcessState),
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            states: BTreeMap::new(),
            keeps_failing_after: Duration::from_secs(3 * MINUTE),
            hold_warning: Duration::from_secs(24 * HOUR),
            notices_every: Duration::from_secs(15 * MINUTE),
        }
    }
}

impl Limits {
    /// Reads what a deployment sets: a JSON object of whole seconds, such as
    /// `{"keeps_failing_after_s": 180, "states": {"ShipOrder": {"overdue_after_s": 2700}}}`. What it leaves
    /// out, or has as `null`, is the default.
    ///
    /// # Errors
    /// If it is none, names something unknown, or contradicts itself.
    pub fn read(text: &str) -> Result<Self, InvalidLimits> {
        let set: Settings = serde_json::from_str(text)
            .map_err(|error| InvalidLimits::Unreadable(error.to_string()))?;
        let usual = Self::default();
        let or = |set: Option<u64>, usual| set.map_or(usual, Duration::from_secs);
        let limits = Self {
            states: set.states,
            keeps_failing_after: or(set.keeps_failing_after_s, usual.keeps_failing_after),
            hold_warning: or(set.hold_warning_s, usual.hold_warning),
            notices_every: or(set.notices_every_s, usual.notices_every),
        };
        for state in ProcessState::ALL {
            if limits.overdue_after(*state) <= limits.at_risk_after(*state) {
                return Err(InvalidLimits::Overlap(*state));
            }
        }
        Ok(limits)
    }

    /// How long an order is in this state at most while nothing is wrong.
    #[must_use]
    pub fn at_risk_after(&self, state: ProcessState) -> Duration {
        let set = self.states.get(&state).and_then(|set| set.at_risk_after_s);
        set.map_or(state.at_risk_after(), Duration::from_secs)
    }

    /// After how long in this state somebody should look, though retries may still go on.
    #[must_use]
    pub fn overdue_after(&self, state: ProcessState) -> Duration {
        let set = self.states.get(&state).and_then(|set| set.overdue_after_s);
        set.map_or(state.overdue_after(), Duration::from_secs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_set_is_the_default() {
        assert_eq!(Limits::read("{}"), Ok(Limits::default()));
        let nothing = r#"{"states": {}, "keeps_failing_after_s": null, "hold_warning_s": null}"#;
        assert_eq!(Limits::read(nothing), Ok(Limits::default()));
        let set = r#"{"notices_every_s": 60,
            "states": {"ShipOrder": {"at_risk_after_s": null, "overdue_after_s": 2700}}}"#;
        let limits = Limits::read(set).expect("limits");
        assert_eq!(limits.notices_every, Duration::from_mins(1));
        let [ship, charge] = [ProcessState::ShipOrder, ProcessState::ChargePayment];
        assert_eq!(limits.overdue_after(ship), Duration::from_mins(45));
        assert_eq!(limits.at_risk_after(ship), ship.at_risk_after());
        assert_eq!(limits.overdue_after(charge), charge.overdue_after());
    }

    #[test]
    fn what_contradicts_itself_or_is_not_known_is_refused() {
        let overlap = r#"{"states": {"ShipOrder": {"at_risk_after_s": 2000}}}"#;
        assert_eq!(
            Limits::read(overlap),
            Err(InvalidLimits::Overlap(ProcessState::ShipOrder))
        );
        for nonsense in [
            "",
            "[]",
            r#"{"patience": 5}"#,
            r#"{"states": {"Ship": {}}}"#,
            r#"{"notices_every_s": -1}"#,
        ] {
            let read = Limits::read(nonsense);
            assert!(
                matches!(read, Err(InvalidLimits::Unreadable(_))),
                "{nonsense}: {read:?}"
            );
        }
    }
}
