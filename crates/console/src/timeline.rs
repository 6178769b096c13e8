//! What happened to an order, attempt by attempt: what is on record, and what only its executions' histories tell.

use domain::ports::Record;
use domain::{
    Event, ExecutionStatus, FailedTry, HistoryEvent, OrderState, Origin, StatusView, Timestamp,
};
use operations::{ProcessState, retries};

use crate::words::{self, Moment};

/// A pause that is pointed out.
const LONG_MS: u128 = 60_000;

/// The history of an attempt's execution, the latest event first.
pub(crate) type History = (u32, Vec<HistoryEvent>);

/// The entries of one attempt.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) attempt: u32,
    pub(crate) execution: String,
    pub(crate) entries: Vec<Entry>,
}

#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) at: Moment,
    pub(crate) gap: String,
    pub(crate) long: bool,
    pub(crate) origin: String,
    pub(crate) event: String,
    pub(crate) detail: String,
    pub(crate) tone: &'static str,
    pub(crate) person: bool,
}

/// What only an execution's history tells.
struct Told {
    at: Timestamp,
    state: String,
    event: &'static str,
    detail: String,
    tone: &'static str,
}

/// Tries that failed, reminders, redrives, and an end that nothing of ours brought about; the oldest first.
fn told(latest_first: &[HistoryEvent]) -> Vec<Told> {
    let mut state = String::new();
    let mut all = Vec::new();
    for event in latest_first.iter().rev() {
        match event {
            HistoryEvent::StateEntered { state: entered } => state.clone_from(entered),
            HistoryEvent::TryFailed(failed) if failed.is_trouble() => {
                all.push(of_try(&state, failed));
            }
            HistoryEvent::Redriven { at } => all.push(Told {
                at: *at,
                state: state.clone(),
                event: "execution redriven",
                detail: String::new(),
                tone: "info",
            }),
            HistoryEvent::Ended { at, status, error } => {
                let event = match status {
                    ExecutionStatus::Aborted => "execution stopped",
                    ExecutionStatus::TimedOut => "execution timed out",
                    _ => continue,
                };
                all.push(Told {
                    at: *at,
                    state: state.clone(),
                    event,
                    detail: error.as_ref().map(ToString::to_string).unwrap_or_default(),
                    tone: "bad",
                });
            }
            HistoryEvent::TryFailed(_) | HistoryEvent::Other => {}
        }
    }
    all
}

fn of_try(state: &str, failed: &FailedTry) -> Told {
    let reminder =
        ProcessState::from_word(state).is_some_and(|state| retries::is_reminder(state, failed));
    let detail = match &failed.reason {
        _ if reminder => "nobody had decided".to_owned(),
        Some(reason) => format!("{}, {reason}", failed.error),
        None => failed.error.to_string(),
    };
    Told {
        at: failed.at,
        state: state.to_owned(),
        event: if reminder { "reminded" } else { "a try failed" },
        detail,
        tone: if reminder { "info" } else { "warn" },
    }
}

/// The latest attempt first; within it, the oldest entry first.
pub(crate) fn timeline(
    record: &Record,
    view: &StatusView,
    histories: &[History],
    now: Timestamp,
) -> Vec<Part> {
    let attempts = record.earlier.iter().chain([&record.state]);
    let mut parts: Vec<(&OrderState, Vec<(Timestamp, Entry)>)> =
        attempts.map(|state| (state, Vec::new())).collect();
    let mut add = |at: Timestamp, entry: Entry| {
        let of = parts
            .iter()
            .rposition(|(state, _)| at >= state.received_at)
            .unwrap_or(0);
        if let Some((_, entries)) = parts.get_mut(of) {
            entries.push((at, entry));
        }
    };
    for entry in &view.timeline {
        let person = matches!(entry.step, Origin::Operator | Origin::Monitor);
        add(
            entry.at,
            Entry {
                at: Moment::of(entry.at, now),
                gap: String::new(),
                long: false,
                origin: entry.step.to_string(),
                event: entry.event.as_str().replace('_', " "),
                detail: entry.detail.clone().unwrap_or_default(),
                tone: tone(entry.event, person),
                person,
            },
        );
    }
    for (attempt, history) in histories {
        let Some((_, entries)) = parts
            .iter_mut()
            .find(|(state, _)| state.attempt == *attempt)
        else {
            continue;
        };
        entries.extend(told(history).into_iter().map(|told| {
            let entry = Entry {
                at: Moment::of(told.at, now),
                gap: String::new(),
                long: false,
                origin: told.state,
                event: told.event.to_owned(),
                detail: told.detail,
                tone: told.tone,
                person: false,
            };
            (told.at, entry)
        }));
    }
    let parts = parts.into_iter().rev().map(|(state, mut entries)| {
        entries.sort_by_key(|(at, _)| *at);
        let mut before: Option<Timestamp> = None;
        let entries = entries.into_iter().map(|(at, mut entry)| {
            if let Some(before) = before {
                let ms = at.duration_since(before).as_millis().unsigned_abs();
                entry.gap = format!("+{}", words::span(ms));
                entry.long = ms >= LONG_MS;
            }
            before = Some(at);
            entry
        });
        Part {
            attempt: state.attempt,
            execution: state.execution_name(),
            entries: entries.collect(),
        }
    });
    parts.collect()
}

fn tone(event: Event, person: bool) -> &'static str {
    match event {
        _ if person => "info",
        Event::Declined
        | Event::Refused
        | Event::CaptureRefused
        | Event::UnbookRefused
        | Event::ReverseRefused
        | Event::Reversing
        | Event::RefundFailed
        | Event::Disputed
        | Event::DisputeLost
        | Event::Failed
        | Event::Rejected
        | Event::Cancelled => "bad",
        Event::AuthorizeStarted
        | Event::BookStarted
        | Event::CaptureStarted
        | Event::NotifyStarted
        | Event::UnbookStarted
        | Event::ReverseStarted
        | Event::NotifyFailureStarted
        | Event::ReviewRequested
        | Event::CancelRequested
        | Event::RedriveRequested
        | Event::RestartRequested
        | Event::Modified
        | Event::ReprocessRequested
        | Event::ResendRequested
        | Event::ResolveRequested
        | Event::LetGoRequested
        | Event::LabelOpened
        | Event::GiveBackRequested
        | Event::ShipmentWrittenOff
        | Event::PaymentWrittenOff => "warn",
        Event::Received
        | Event::Approved
        | Event::Validated
        | Event::Authorized
        | Event::Booked
        | Event::Captured
        | Event::CustomerNotified
        | Event::ShipmentCancelled
        | Event::NoShipmentToCancel
        | Event::NoPaymentToReverse
        | Event::Voided
        | Event::Refunded
        | Event::Completed
        | Event::MessageWaived
        | Event::MessageGivenUp
        | Event::Started
        | Event::Woken
        | Event::EndRecorded
        | Event::Settled
        | Event::RefundMadeGood
        | Event::DisputeWon
        | Event::Resolved => "ok",
    }
}
