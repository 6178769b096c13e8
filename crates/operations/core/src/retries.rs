//! Which try of a task an execution is at: read off its history and the retry rules of the process.

use std::time::Duration;

use domain::{FailedTry, HistoryEvent, TaskError, Timestamp};
use jiff::fmt::serde::timestamp::millisecond;
use serde::{Deserialize, Serialize};

use crate::process::ProcessState;

/// A task that has failed and is tried again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retry {
    /// Which state it is.
    pub state: ProcessState,
    /// How many tries of the task have failed.
    pub failed: u32,
    /// How many tries there are in all under the rule that retries this error.
    pub of: u32,
    /// The error of the last one.
    pub error: TaskError,
    /// What the step says about it; see [`FailedTry::reason`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When the first of them failed.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "millisecond::optional"
    )]
    pub since: Option<Timestamp>,
    /// The next one is not later than this; with full jitter it may be sooner. None while one is under way.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "millisecond::optional"
    )]
    pub next_by: Option<Timestamp>,
    /// When about the last try fails if each does: on the average of the waits, and not counting what the tries
    /// themselves take.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "millisecond::optional"
    )]
    pub gives_up_at: Option<Timestamp>,
}

impl Retry {
    /// When the next try comes, in words.
    #[must_use]
    pub fn next(&self, now: Timestamp) -> String {
        match self.next_by {
            Some(by) if by > now => {
                let left = by.duration_since(now).as_secs();
                format!("next within {left} s")
            }
            // What was known of it is older than the wait.
            Some(_) | None => "trying now".to_owned(),
        }
    }

    /// The error of the last try, and why: `CarrierUnavailable, the carrier answered 503`.
    #[must_use]
    pub fn why(&self) -> String {
        why(&self.error, self.reason.as_deref())
    }
}

/// An error with what the step says about it.
pub(crate) fn why(error: &TaskError, reason: Option<&str>) -> String {
    match reason {
        Some(reason) => format!("{error}, {reason}"),
        None => error.to_string(),
    }
}

/// The process as it is deployed with this. An order that started on another version may have other
/// rules; what is known of its retries is then the newer rules' view.
const DEFINITION: &str = include_str!("../../../../statemachine/order.asl.json");

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
    jitter_strategy: Option<String>,
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

    /// How long the tries after so many failures take until none is left, on the average of the waits. What
    /// the tries themselves take is not in it.
    fn left_after(&self, failed: u32) -> Duration {
        let waits: Duration = (failed..=self.max_attempts)
            .map(|failed| self.wait_after(failed))
            .sum();
        // Full jitter waits for anything between nothing and the longest.
        match &self.jitter_strategy {
            Some(strategy) if strategy == "FULL" => waits / 2,
            _ => waits,
        }
    }
}

/// The retry rules of the process, by state.
#[derive(Debug)]
pub struct Rules(Vec<(ProcessState, Vec<Rule>)>);

impl Rules {
    /// Of the definition that this was built with; a contract test holds its form.
    #[must_use]
    pub fn of_the_process() -> Self {
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
    #[must_use]
    pub fn retry(&self, latest_first: &[HistoryEvent]) -> Option<Retry> {
        let waits = matches!(latest_first.first()?, HistoryEvent::TryFailed(_));
        let (state, tries) = tries_of_this_state(latest_first)?;
        let last = *tries.first()?;
        if is_reminder(state, last) || !last.is_trouble() {
            return None;
        }
        let rule = self.of(state, &last.error)?;
        // Each rule counts the failures that it is for.
        let same_rule = |failed: &&FailedTry| {
            self.of(state, &failed.error)
                .is_some_and(|of| of.error_equals == rule.error_equals)
        };
        let failed = tries.iter().copied().filter(same_rule).count();
        let failed = u32::try_from(failed).unwrap_or(u32::MAX);
        (failed <= rule.max_attempts).then(|| Retry {
            state,
            failed,
            of: rule.max_attempts + 1,
            error: last.error.clone(),
            reason: last.reason.clone(),
            since: tries.last().map(|first| first.at),
            next_by: waits.then(|| last.at + rule.wait_after(failed)),
            gives_up_at: Some(last.at + rule.left_after(failed)),
        })
    }
}

/// The state that the execution is in, and its tries that have failed, the latest first. After a redrive they
/// are counted anew.
fn tries_of_this_state(latest_first: &[HistoryEvent]) -> Option<(ProcessState, Vec<&FailedTry>)> {
    let mut tries = Vec::new();
    let mut counts = true;
    for event in latest_first {
        match event {
            HistoryEvent::TryFailed(failed) if counts => tries.push(failed),
            HistoryEvent::Redriven { .. } => counts = false,
            HistoryEvent::StateEntered { state } => {
                return ProcessState::from_word(state).map(|state| (state, tries));
            }
            HistoryEvent::TryFailed(_) | HistoryEvent::Ended { .. } | HistoryEvent::Other => {}
        }
    }
    None
}

/// A review that nobody decided in time is asked for again: a reminder, and nothing that went wrong.
#[must_use]
pub fn is_reminder(state: ProcessState, failed: &FailedTry) -> bool {
    state == ProcessState::ReviewOrder && failed.error.as_str() == "States.Timeout"
}

/// The last try that failed of the state of the process that the execution is in, or ended in. What an earlier state
/// had to say is not why it stopped here.
#[must_use]
pub fn last_failed(latest_first: &[HistoryEvent]) -> Option<&FailedTry> {
    for event in latest_first {
        match event {
            HistoryEvent::TryFailed(failed) if failed.is_trouble() => return Some(failed),
            // Not the end that a failure leads to.
            HistoryEvent::StateEntered { state } if ProcessState::from_word(state).is_some() => {
                return None;
            }
            HistoryEvent::TryFailed(_)
            | HistoryEvent::StateEntered { .. }
            | HistoryEvent::Redriven { .. }
            | HistoryEvent::Ended { .. }
            | HistoryEvent::Other => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use domain::ErrorName;

    use super::*;

    fn entered(state: &str) -> HistoryEvent {
        let state = state.to_owned();
        HistoryEvent::StateEntered { state }
    }

    fn failed_with(at_ms: i64, error: &str) -> HistoryEvent {
        let at = Timestamp::from_millisecond(at_ms).expect("a time");
        HistoryEvent::TryFailed(FailedTry::new(
            at,
            error,
            Some("it answered 503".to_owned()),
        ))
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
        assert_eq!(retry(1, "CarrierUnavailable"), Some((1, 31, 2000)));
        assert_eq!(retry(4, "CarrierUnavailable"), Some((4, 31, 16_000)));
        assert_eq!(retry(10, "CarrierUnavailable"), Some((10, 31, 60_000)));
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
        assert_eq!((retry.failed, retry.of), (1, 31));
    }

    #[test]
    fn a_retry_knows_why_since_when_and_until_about_when() {
        let mut history = vec![entered("ShipOrder"), SCHEDULED];
        history.extend([failed_with(500, "CarrierUnavailable"), SCHEDULED]);
        history.extend([failed_with(2500, "CarrierUnavailable")]);
        history.reverse();
        let retry = Rules::of_the_process().retry(&history).expect("a retry");
        assert_eq!(retry.reason.as_deref(), Some("it answered 503"));
        assert_eq!(retry.since.map(Timestamp::as_millisecond), Some(500));
        // Twenty-nine more waits: 4, 8, 16 and 32 s, then 25 of 60 s; half of each on the average.
        let half_ms = (4 + 8 + 16 + 32 + 60 * 25) * 1000 / 2;
        let gives_up_at = retry.gives_up_at.map(Timestamp::as_millisecond);
        assert_eq!(gives_up_at, Some(2500 + half_ms));
    }

    #[test]
    fn a_redrive_counts_anew() {
        let mut history = vec![entered("ReversePayment"), SCHEDULED];
        for number in 0..31 {
            history.push(failed_with(number, "PaymentUnavailable"));
        }
        let at = Timestamp::from_second(60).expect("a time");
        history.extend([HistoryEvent::Redriven { at }, SCHEDULED]);
        history.push(failed_with(70_000, "PaymentUnavailable"));
        history.reverse();
        let retry = Rules::of_the_process().retry(&history).expect("a retry");
        assert_eq!((retry.failed, retry.of), (1, 31));
    }

    #[test]
    fn neither_a_reminder_nor_an_answer_that_the_process_has_a_way_for_is_a_retry() {
        let rules = Rules::of_the_process();
        for (state, error) in [
            ("ReviewOrder", "States.Timeout"),
            ("ValidateOrder", "ReviewRequired"),
        ] {
            let history = [failed_with(500, error), SCHEDULED, entered(state)];
            assert_eq!(rules.retry(&history), None, "{error}");
        }
    }

    #[test]
    fn an_execution_that_is_stopped_did_not_stop_because_of_an_earlier_states_answer() {
        let at = Timestamp::from_second(60).expect("a time");
        let (status, error) = (domain::ExecutionStatus::Aborted, None);
        let stopped = HistoryEvent::Ended { at, status, error };
        let mut history = vec![entered("ValidateOrder"), failed_with(1, "ReviewRequired")];
        history.extend([entered("ReviewOrder"), entered("ChargePayment"), stopped]);
        history.reverse();
        assert_eq!(last_failed(&history), None);
        let mut message = vec![
            entered("NotifyCustomer"),
            failed_with(1, "NotificationUnavailable"),
            entered("OrderCompleted"),
        ];
        message.reverse();
        let last = last_failed(&message).map(|last| last.error.as_str());
        assert_eq!(last, Some("NotificationUnavailable"));
    }
}
