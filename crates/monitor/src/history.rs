//! Which try of a task an execution is at: read off its history and the retry rules of the process.

use std::time::Duration;

use domain::watch::{Place, Retry};
use serde::Deserialize;
use workflow::{HistoryEvent, failure};

/// The process as it is deployed with this monitor. An order that started on another version may have other
/// rules; what is told of its retries is then the newer rules' view.
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

/// The retry rules of the process, by place.
#[derive(Debug)]
pub(crate) struct Rules(Vec<(Place, Vec<Rule>)>);

impl Rules {
    /// Of the definition that this was built with; a contract test holds its form.
    pub(crate) fn of_the_process() -> Self {
        let definition = serde_json::from_str::<Definition>(DEFINITION);
        let mut states = definition
            .map(|definition| definition.states)
            .unwrap_or_default();
        let places = Place::ALL.iter().filter_map(|place| {
            let state = states.remove(place.as_str())?;
            Some((*place, state.retry))
        });
        Self(places.collect())
    }

    fn of(&self, place: Place, error: &str) -> Option<&Rule> {
        let (_, rules) = self.0.iter().find(|(of, _)| *of == place)?;
        rules.iter().find(|rule| rule.is_for(error))
    }

    /// Whether the task that the execution is in has failed and waits for its next try. `latest_first` is
    /// the history from its end.
    pub(crate) fn retry(&self, latest_first: &[HistoryEvent]) -> Option<Retry> {
        let (latest, error) = failure(latest_first.first()?)?;
        let mut errors = Vec::new();
        let mut place = None;
        for event in latest_first {
            if let Some((_, error)) = failure(event) {
                errors.push(error);
            } else if let Some(entered) = &event.state_entered_event_details {
                place = Place::ALL
                    .iter()
                    .copied()
                    .find(|place| place.as_str() == entered.name);
                break;
            }
        }
        let place = place?;
        let rule = self.of(place, error)?;
        // Each rule counts the failures that it is for.
        let failed = errors.iter().filter(|error| {
            self.of(place, error)
                .is_some_and(|of| of.error_equals == rule.error_equals)
        });
        let failed = u32::try_from(failed.count()).unwrap_or(u32::MAX);
        (failed <= rule.max_attempts).then(|| Retry {
            place,
            failed,
            of: rule.max_attempts + 1,
            error: error.to_owned(),
            next_by: latest + rule.wait_after(failed),
        })
    }
}

/// The error of the last try of a task that failed.
pub(crate) fn last_error(latest_first: &[HistoryEvent]) -> Option<String> {
    let mut failures = latest_first.iter().filter_map(failure);
    failures.next().map(|(_, error)| error.to_owned())
}

#[cfg(test)]
mod tests {
    use aws_sdk_sfn::types::builders::HistoryEventBuilder;
    use aws_sdk_sfn::types::{
        StateEnteredEventDetails, TaskFailedEventDetails, TaskTimedOutEventDetails,
    };

    use workflow::HistoryEventType;

    use super::*;

    fn event(at: i64, kind: HistoryEventType) -> HistoryEventBuilder {
        let event = HistoryEvent::builder().id(1).r#type(kind);
        event.timestamp(aws_sdk_sfn::primitives::DateTime::from_millis(at))
    }

    fn entered(at: i64, state: &str) -> HistoryEvent {
        let details = StateEnteredEventDetails::builder().name(state).build();
        event(at, HistoryEventType::TaskStateEntered)
            .state_entered_event_details(details.expect("details"))
            .build()
            .expect("an event")
    }

    fn scheduled(at: i64) -> HistoryEvent {
        event(at, HistoryEventType::TaskScheduled)
            .build()
            .expect("an event")
    }

    fn failed_with(at: i64, error: &str) -> HistoryEvent {
        let (kind, resource) = ("lambda", "invoke");
        if error == "States.Timeout" {
            let details = TaskTimedOutEventDetails::builder()
                .resource_type(kind)
                .resource(resource)
                .error(error)
                .build();
            return event(at, HistoryEventType::TaskTimedOut)
                .task_timed_out_event_details(details.expect("details"))
                .build()
                .expect("an event");
        }
        let details = TaskFailedEventDetails::builder()
            .resource_type(kind)
            .resource(resource)
            .error(error)
            .build();
        event(at, HistoryEventType::TaskFailed)
            .task_failed_event_details(details.expect("details"))
            .build()
            .expect("an event")
    }

    fn retry(failed: u32, error: &str) -> Option<(u32, u32, i64)> {
        let mut history = vec![entered(0, "ShipOrder")];
        for number in 0..failed {
            history.push(scheduled(1000 * i64::from(number)));
            history.push(failed_with(1000 * i64::from(number) + 500, error));
        }
        history.reverse();
        let retry = Rules::of_the_process().retry(&history)?;
        assert_eq!(retry.place, Place::ShipOrder);
        let last = 1000 * i64::from(failed - 1) + 500;
        Some((
            retry.failed,
            retry.of,
            retry.next_by.as_millisecond() - last,
        ))
    }

    #[test]
    fn every_place_has_retry_rules() {
        let rules = Rules::of_the_process();
        for place in Place::ALL {
            assert!(rules.of(*place, "StoreUnavailable").is_some(), "{place:?}");
        }
    }

    #[test]
    fn a_failed_task_waits_for_its_next_try_and_a_running_one_does_not() {
        assert_eq!(retry(1, "CarrierUnavailable"), Some((1, 16, 1000)));
        assert_eq!(retry(4, "CarrierUnavailable"), Some((4, 16, 8000)));
        assert_eq!(retry(10, "CarrierUnavailable"), Some((10, 16, 60_000)));
        assert_eq!(retry(2, "States.Timeout"), Some((2, 6, 4000)));
        assert_eq!(retry(1, "ShipmentRejected"), None, "it is not retried");
        let mut running = vec![entered(0, "ShipOrder"), scheduled(0)];
        running.extend([failed_with(500, "CarrierUnavailable"), scheduled(1000)]);
        running.reverse();
        assert_eq!(Rules::of_the_process().retry(&running), None);
    }

    #[test]
    fn failures_of_an_earlier_state_and_under_another_rule_do_not_count() {
        let mut history = vec![entered(0, "ChargePayment"), scheduled(0)];
        history.extend([
            failed_with(1, "PaymentUnavailable"),
            entered(10, "ShipOrder"),
        ]);
        history.extend([scheduled(11), failed_with(12, "States.Timeout")]);
        history.extend([scheduled(13), failed_with(14, "CarrierUnavailable")]);
        history.reverse();
        let retry = Rules::of_the_process().retry(&history).expect("a retry");
        assert_eq!((retry.failed, retry.of), (1, 16));
    }
}
