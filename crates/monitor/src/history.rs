//! Which try of a task an execution is at: read off its history and the retry rules of the process.

use std::time::Duration;

use domain::TaskError;
use operations::{ProcessState, Retry};
use serde::Deserialize;
use workflow::HistoryEvent;

/// The process as it is deployed with this monitor. An order that started on another version may have other
/// rules; what is known of its retries is then the newer rules' view.
const DEFINITION: &str = include_str!("../../../statemachine/order.asl.json");

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Definition {
    states: std::collections::HashMap<String, State>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct State {
    #[serde(default)]
    retry: Vec<Rule>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Rule {
    error_equals: Vec<String>,
    #[serde(default = "one")]
    interval_seconds: u32,
    #[serde(default = "two")]
    backoff_rate: f64,
    #[serde(default = "three")]
    max_attempts: u32,
    max_delay_seconds: Option<u32>,
}

// What Step Functions takes where a rule does not say.
fn one() -> u32 {
    1
}
fn two() -> f64 {
    2.0
}
fn three() -> u32 {
    3
}

impl Rule {
    fn is_for(&self, error: &str) -> bool {
        self.error_equals.iter().any(|name| {
            name == error
                || name == "States.ALL"
                || (name == "States.TaskFailed" && error != "States.Timeout")
        })
    }

    /// The longest wait before the next try; jitter makes it shorter.
    fn wait_after(&self, failed: u32) -> Duration {
        let power = i32::try_from(failed.saturating_sub(1)).unwrap_or(i32::MAX);
        let seconds = f64::from(self.interval_seconds) * self.backoff_rate.powi(power);
        let longest = self.max_delay_seconds.map_or(86_400.0, f64::from);
        Duration::from_secs_f64(seconds.min(longest))
    }
}

/// The retry rules of the process, by state.
#[derive(Debug)]
pub(crate) struct Rules(Vec<(ProcessState, Vec<Rule>)>);

impl Rules {
    /// Of the definition that this was built with; a contract test holds its form.
    pub(crate) fn of_the_process() -> Self {
        let definition = serde_json::from_str::<Definition>(DEFINITION);
        let mut states = definition
            .map(|definition| definition.states)
            .unwrap_or_default();
        let rules = ProcessState::ALL.iter().filter_map(|state| {
            let found = states.remove(state.as_str())?;
            Some((*state, found.retry))
        });
        Self(rules.collect())
    }

    fn of(&self, state: ProcessState, error: &TaskError) -> Option<&Rule> {
        let (_, rules) = self.0.iter().find(|(of, _)| *of == state)?;
        rules.iter().find(|rule| rule.is_for(error.as_str()))
    }

    /// How often the task that the execution is in has failed, if it is tried again. `latest_first` is the
    /// history from its end.
    pub(crate) fn retry(&self, latest_first: &[HistoryEvent]) -> Option<Retry> {
        let waits = matches!(latest_first.first()?, HistoryEvent::TryFailed { .. });
        let (at, error) = latest_first.iter().find_map(|event| match event {
            HistoryEvent::TryFailed { at, error } => Some(Some((at, error))),
            HistoryEvent::StateEntered { .. } => Some(None),
            HistoryEvent::Other => None,
        })??;
        let mut errors = Vec::new();
        let mut state = None;
        for event in latest_first {
            match event {
                HistoryEvent::TryFailed { error, .. } => errors.push(error),
                HistoryEvent::StateEntered { state: entered } => {
                    state = ProcessState::from_word(entered);
                    break;
                }
                HistoryEvent::Other => {}
            }
        }
        let state = state?;
        let rule = self.of(state, error)?;
        // Each rule counts the failures that it is for.
        let failed = errors.iter().filter(|error| {
            self.of(state, error)
                .is_some_and(|of| of.error_equals == rule.error_equals)
        });
        let failed = u32::try_from(failed.count()).unwrap_or(u32::MAX);
        (failed <= rule.max_attempts).then(|| Retry {
            state,
            failed,
            of: rule.max_attempts + 1,
            error: error.clone(),
            next_by: waits.then(|| *at + rule.wait_after(failed)),
        })
    }
}

/// The error of the last try of a task that failed.
pub(crate) fn last_error(latest_first: &[HistoryEvent]) -> Option<TaskError> {
    latest_first.iter().find_map(|event| match event {
        HistoryEvent::TryFailed { error, .. } => Some(error.clone()),
        HistoryEvent::StateEntered { .. } | HistoryEvent::Other => None,
    })
}

#[cfg(test)]
mod tests {
    use domain::{ErrorName, Timestamp};

    use super::*;

    fn entered(state: &str) -> HistoryEvent {
        let state = state.to_owned();
        HistoryEvent::StateEntered { state }
    }

    fn failed_with(at_ms: i64, error: &str) -> HistoryEvent {
        HistoryEvent::TryFailed {
            at: Timestamp::from_millisecond(at_ms).expect("a time"),
            error: error.to_owned().into(),
        }
    }

    /// A try that was scheduled.
    const SCHEDULED: HistoryEvent = HistoryEvent::Other;

    fn retry(failed: u32, error: &str) -> Option<(u32, u32, i64)> {
        let mut history = vec![entered("ShipOrder")];
        for number in 0..failed {
            history.push(SCHEDULED);
            history.push(failed_with(1000 * i64::from(number) + 500, error));
        }
        history.reverse();
        let retry = Rules::of_the_process().retry(&history)?;
        assert_eq!(retry.state, ProcessState::ShipOrder);
        let last = 1000 * i64::from(failed - 1) + 500;
        Some((
            retry.failed,
            retry.of,
            retry.next_by.expect("it waits").as_millisecond() - last,
        ))
    }

    #[test]
    fn every_state_has_retry_rules() {
        let rules = Rules::of_the_process();
        let error = ErrorName::StoreUnavailable.into();
        for state in ProcessState::ALL {
            assert!(rules.of(*state, &error).is_some(), "{state}");
        }
    }

    #[test]
    fn a_failed_task_waits_for_its_next_try_or_is_at_it() {
        assert_eq!(retry(1, "CarrierUnavailable"), Some((1, 16, 1000)));
        assert_eq!(retry(4, "CarrierUnavailable"), Some((4, 16, 8000)));
        assert_eq!(retry(10, "CarrierUnavailable"), Some((10, 16, 60_000)));
        assert_eq!(retry(2, "States.Timeout"), Some((2, 6, 4000)));
        assert_eq!(retry(1, "ShipmentRejected"), None, "it is not retried");
        let mut running = vec![entered("ShipOrder"), SCHEDULED];
        running.extend([failed_with(500, "CarrierUnavailable"), SCHEDULED]);
        running.reverse();
        let retry = Rules::of_the_process().retry(&running).expect("a retry");
        assert_eq!((retry.failed, retry.next_by), (1, None));
        let mut first = vec![entered("ShipOrder"), SCHEDULED];
        first.reverse();
        assert_eq!(Rules::of_the_process().retry(&first), None);
    }

    #[test]
    fn failures_of_an_earlier_state_and_under_another_rule_do_not_count() {
        let mut history = vec![entered("ChargePayment"), SCHEDULED];
        history.extend([failed_with(1, "PaymentUnavailable"), entered("ShipOrder")]);
        history.extend([SCHEDULED, failed_with(12, "States.Timeout")]);
        history.extend([SCHEDULED, failed_with(14, "CarrierUnavailable")]);
        history.reverse();
        let retry = Rules::of_the_process().retry(&history).expect("a retry");
        assert_eq!((retry.failed, retry.of), (1, 16));
    }
}
