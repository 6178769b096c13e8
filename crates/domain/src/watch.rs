//! Where an order is, as the monitor sees it: derived from the ledger, from what Step Functions tells of
//! the execution, and from the time, by one function, [`Watch::next`]. Whatever tells it first, late,
//! twice or not at all, the next look comes to the same.

mod place;

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::serde::timestamp::millisecond;
use serde::{Deserialize, Serialize};

use self::place::{HOUR, MINUTE, done_at};
pub use self::place::{Health, Place};
use crate::advice::Trouble;
use crate::ledger::{Booking, CaptureResult, Entry, Reversal};
use crate::view::{payment, shipment};
use crate::{ErrorName, ExecutionStatus, Money, OrderId, OrderState, Stage, Status};

/// What Step Functions told of an order's execution.
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
    /// Whether this is later news than `other`, whichever came first: a later attempt, a later redrive, or
    /// its end.
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

/// A task that has failed and waits for its next try.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retry {
    /// Which state it is.
    pub place: Place,
    /// How many tries of the task have failed.
    pub failed: u32,
    /// How many tries there are in all under the rule that retries this error.
    pub of: u32,
    /// The error of the last one, as Step Functions has it.
    pub error: String,
    /// The next one is not later than this; with full jitter it may be sooner.
    #[serde(with = "millisecond::required")]
    pub next_by: Timestamp,
}

/// What a provider says otherwise than our ledger: somebody acted behind our back, or one of us is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// What it is about: `payment` or `shipment`.
    pub of: String,
    /// How it stands in the ledger, in the status view's words.
    pub ledger: String,
    /// How it stands with the provider.
    pub provider: String,
}

/// What was heard of an order's execution.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Heard {
    /// What was told of it.
    pub execution: Option<Execution>,
    /// Whether Step Functions itself was asked, just now.
    pub asked: bool,
    /// What its history says of a next try, if somebody has looked there.
    pub retry: Option<Option<Retry>>,
    /// The error that the execution ended with, if its history was looked at.
    pub ended_with: Option<String>,
    /// What the providers say otherwise than the ledger, if they were asked just now.
    pub compared: Option<Vec<Difference>>,
}

/// What of an order's money and end was counted already, so that each is counted once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counted {
    /// Minor units held.
    #[serde(default)]
    pub authorized: u64,
    /// Minor units taken.
    #[serde(default)]
    pub captured: u64,
    /// Minor units let go or given back.
    #[serde(default)]
    pub reversed: u64,
    /// The order has ended.
    #[serde(default)]
    pub ended: bool,
    /// Retries seen in this place.
    #[serde(default)]
    pub retries: u32,
}

/// The monitor's record of an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watch {
    /// Whose record this is.
    pub order_id: OrderId,
    /// Raised by every write of it.
    pub revision: u64,
    /// The attempt of the order.
    pub attempt: u32,
    /// The version of the ledger that it was derived from.
    pub ledger: u64,
    /// In a word.
    pub status: Status,
    /// The state of the process that the order is in; `None` once nothing is left to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
    /// Since when it is there.
    #[serde(with = "millisecond::required")]
    pub since: Timestamp,
    /// How it does there.
    pub health: Health,
    /// What is known of the execution.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub execution: Option<Execution>,
    /// Set while the task waits for its next try.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<Retry>,
    /// Why it was or is being reversed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorName>,
    /// The last error of the task that it is in, as Step Functions has it, also once the execution has ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
    /// The failure's message without what differs from order to order; see [`normalised`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The step of the forward way that it did not get past, if it was or is being reversed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed_in: Option<Place>,
    /// The customer's money that is neither spent on delivered goods nor given back: minor units.
    #[serde(default)]
    pub held: u64,
    /// The payment provider's reference of what is or was held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payment: Option<String>,
    /// The carrier's tracking number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tracking: Option<String>,
    /// What the providers said otherwise than the ledger when they were last asked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub differences: Vec<Difference>,
    /// When they were last asked.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "millisecond::optional"
    )]
    pub compared_at: Option<Timestamp>,
    /// When it gets worse if nobody does anything: a review is rejected, a hold lapses, a redrive is no
    /// longer possible.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "millisecond::optional"
    )]
    pub deadline: Option<Timestamp>,
    /// What needs a person, and since when.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub troubles: BTreeMap<Trouble, Timestamp>,
    /// What the order is worth.
    pub total: Money,
    /// When it was accepted.
    #[serde(with = "millisecond::required")]
    pub received_at: Timestamp,
    /// What was counted.
    pub counted: Counted,
    /// When it is to be looked at again though nothing tells of it. `None` once it is over.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "millisecond::optional"
    )]
    pub due_at: Option<Timestamp>,
}

/// For so long after its end an execution can be redriven.
/// <https://docs.aws.amazon.com/step-functions/latest/dg/redrive-executions.html>
const REDRIVABLE_FOR: Duration = Duration::from_secs(14 * 24 * HOUR);
/// After so long without a decision the process rejects the order; a contract test holds it against the
/// state machine's reminders.
pub const REVIEW_DEADLINE: Duration = Duration::from_secs(24 * HOUR);
/// An order that does not get on is compared with the providers once in so long.
const COMPARED_EVERY: Duration = Duration::from_secs(15 * MINUTE);
/// How long before a hold is no longer relied on somebody hears of it.
const HOLD_WARNING: Duration = Duration::from_secs(24 * HOUR);
/// An order that is only running is looked at after this; most have ended by then.
const FIRST_LOOK: Duration = Duration::from_secs(20);
/// Then, while it is in one place.
const NEXT_LOOK: Duration = Duration::from_secs(MINUTE);
/// What waits for a person changes slowly.
const SLOW_LOOK: Duration = Duration::from_secs(5 * MINUTE);

impl Watch {
    /// The record of an order that was just accepted.
    #[must_use]
    pub fn received(state: &OrderState) -> Self {
        Self {
            order_id: state.order_id.clone(),
            revision: 1,
            attempt: state.attempt,
            ledger: state.version,
            status: Status::Received,
            place: Some(Place::ValidateOrder),
            since: state.received_at,
            health: Health::OnTrack,
            execution: None,
            retry: None,
            error: None,
            last_error: None,
            message: None,
            failed_in: None,
            held: 0,
            payment: None,
            tracking: None,
            differences: Vec::new(),
            compared_at: None,
            deadline: None,
            troubles: BTreeMap::new(),
            total: state.total,
            received_at: state.received_at,
            counted: Counted::default(),
            due_at: Some(state.received_at + FIRST_LOOK),
        }
    }

    /// The record after this, from the ledger as it is and what was heard of the execution.
    #[must_use]
    pub fn next(&self, state: &OrderState, heard: &Heard, now: Timestamp) -> Self {
        let known = self
            .execution
            .filter(|known| known.attempt == state.attempt);
        let told = heard.execution.filter(|told| told.attempt == state.attempt);
        let execution = match (known, told) {
            (Some(known), Some(told)) if told.is_news_after(&known) => Some(told),
            (Some(known), _) => Some(known),
            (None, told) => told,
        };
        let ended = execution.is_some_and(|execution| execution.status.has_ended());
        let place = Place::of(state);
        let over = state.closed_at.or(state.waived_at).unwrap_or(now);
        let since = place.map_or(over, |(_, since)| since);
        let place = place.map(|(place, _)| place);
        let same_place = self.place == place && self.attempt == state.attempt;
        let retry = match &heard.retry {
            Some(found) => found.clone(),
            None if same_place => self.retry.clone(),
            None => None,
        };
        let retried = retry.as_ref().map(|retry| retry.error.clone());
        let last_error = heard.ended_with.clone().or(retried);
        let last_error = last_error.or_else(|| self.last_error.clone().filter(|_| same_place));
        let last_error = last_error.filter(|_| place.is_some());
        // It is about the place, and over once that is left.
        let retry = retry.filter(|retry| Some(retry.place) == place && !ended);
        let health = match place {
            Some(place) => Health::of(place, since, now),
            None => Health::OnTrack,
        };
        let status = Status::of(state, known_status(state, execution));
        // About the ledger as it was: what has changed since is compared anew.
        let same_ledger = self.ledger == state.version && place.is_some();
        let (compared_at, differences) = match &heard.compared {
            Some(found) if place.is_some() => (Some(now), found.clone()),
            Some(_) | None if same_ledger => (self.compared_at, self.differences.clone()),
            Some(_) | None => (None, Vec::new()),
        };
        let mut found = troubles_of(state, place, since, execution, now);
        if !differences.is_empty() {
            found.push(Trouble::ProviderDiffers);
        }
        let mut troubles = BTreeMap::new();
        for trouble in found {
            // Most unknown outcomes are known once the first look has had the providers asked.
            if trouble == Trouble::OutcomeUnknown
                && !heard.asked
                && !self.troubles.contains_key(&trouble)
            {
                continue;
            }
            let since = self.troubles.get(&trouble).copied().unwrap_or(now);
            troubles.insert(trouble, since);
        }
        let mut next = Self {
            order_id: self.order_id.clone(),
            revision: self.revision + 1,
            attempt: state.attempt,
            ledger: state.version,
            status,
            place,
            since,
            health,
            execution,
            error: state.failure.as_ref().map(|failure| failure.error),
            last_error,
            message: state
                .failure
                .as_ref()
                .map(|failure| normalised(&failure.message)),
            failed_in: state.failure.as_ref().map(|_| stopped_in(state)),
            held: held(state, now),
            payment: state.held_payment().map(str::to_owned),
            tracking: shipment(state, now).tracking_number,
            differences,
            compared_at,
            deadline: deadline(state, place, since, execution),
            troubles,
            total: state.total,
            received_at: self.received_at,
            counted: counted(self, state, ended, retry.as_ref(), same_place),
            retry,
            due_at: None,
        };
        next.due_at = next.due(state, heard.asked, now);
        next
    }

    /// Whether nothing is left to do and nothing is left to hear.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.due_at.is_none()
    }

    /// Whether the providers are to be asked how they see the order: it has money held or a label bought, does
    /// not get on, nobody is at work on either, and they were not asked lately.
    #[must_use]
    pub fn wants_comparison(&self, state: &OrderState, ended: bool, now: Timestamp) -> bool {
        let Some((place, since)) = Place::of(state) else {
            return false;
        };
        let something = state.held_payment().is_some() || state.book.is_some();
        let stays = ended || Health::of(place, since, now) != Health::OnTrack;
        let known = !payment_is_locked(state, now) && !shipment_is_unknown(state, now);
        let lately = self.ledger == state.version
            && self.compared_at.is_some_and(|at| now < at + COMPARED_EVERY);
        something && stays && known && !lately
    }

    fn is_started(&self) -> bool {
        self.execution
            .is_some_and(|execution| execution.status != ExecutionStatus::NotStarted)
    }

    /// What the order waits for, in words.
    #[must_use]
    pub fn waits_for(&self) -> &'static str {
        let ended = self
            .execution
            .is_some_and(|execution| execution.status.has_ended());
        match self.place {
            None => "nothing",
            Some(_) if ended => "an operator",
            Some(Place::ValidateOrder) if !self.is_started() => "its execution",
            Some(place) => place.waits_for(),
        }
    }

    /// When time alone may change what this says.
    fn due(&self, state: &OrderState, asked: bool, now: Timestamp) -> Option<Timestamp> {
        let status = self.execution.map(|execution| execution.status);
        let ended = status.is_some_and(ExecutionStatus::has_ended);
        let Some(place) = self.place else {
            // An end that does not fit the order's may have been followed by a redrive that nobody told of.
            let fits = match status {
                Some(ExecutionStatus::Succeeded) => state.failure.is_none(),
                Some(ExecutionStatus::Failed) => state.failure.is_some(),
                _ => false,
            };
            let over = ended && (fits || asked);
            return (!over).then(|| now + NEXT_LOOK);
        };
        if ended {
            // What was only told of is looked at soon: it may mend by itself.
            return Some(now + if asked { SLOW_LOOK } else { FIRST_LOOK });
        }
        let usual = if self.health == Health::OnTrack && now < self.since + FIRST_LOOK {
            self.since + FIRST_LOOK
        } else if place == Place::ReviewOrder {
            now + SLOW_LOOK
        } else {
            now + NEXT_LOOK
        };
        let hold = state.hold_trusted_until().map(|until| until - HOLD_WARNING);
        let changes = [
            Some(self.since + place.at_risk_after()),
            Some(self.since + place.overdue_after()),
            hold,
        ];
        let next = changes.into_iter().flatten().filter(|at| *at > now).min();
        Some(next.map_or(usual, |next| next.min(usual)))
    }
}

/// What to take the execution for while nothing was told of it.
fn known_status(state: &OrderState, execution: Option<Execution>) -> ExecutionStatus {
    match execution {
        Some(execution) => execution.status,
        None if state.stage == Stage::Received => ExecutionStatus::NotStarted,
        None => ExecutionStatus::Running,
    }
}

fn troubles_of(
    state: &OrderState,
    place: Option<Place>,
    since: Timestamp,
    execution: Option<Execution>,
    now: Timestamp,
) -> Vec<Trouble> {
    let ended = execution.is_some_and(|execution| execution.status.has_ended());
    let status = Status::of(state, known_status(state, execution));
    let started = execution
        .is_some_and(|execution| execution.status != ExecutionStatus::NotStarted)
        || state.stage != Stage::Received;
    let health = place.map(|place| Health::of(place, since, now));
    let hold_lapses = state.failure.is_none()
        && state.capture.is_none()
        && state
            .hold_trusted_until()
            .is_some_and(|until| now >= until - HOLD_WARNING);
    let unknown = payment_is_locked(state, now) || shipment_is_unknown(state, now);
    let message = matches!(place, Some(Place::NotifyCustomer | Place::NotifyFailure));
    let overdue = health == Some(Health::Overdue) && !ended && started;
    [
        (Trouble::Unfinished, status == Status::NeedsAttention),
        (Trouble::OutcomeUnknown, ended && unknown),
        (Trouble::MessageNotSent, ended && message),
        (
            Trouble::NotStarted,
            !started && health > Some(Health::OnTrack),
        ),
        (
            Trouble::ReviewOverdue,
            overdue && place == Some(Place::ReviewOrder),
        ),
        (Trouble::HoldLapsing, hold_lapses),
        (
            Trouble::Overdue,
            overdue && place != Some(Place::ReviewOrder),
        ),
    ]
    .into_iter()
    .filter_map(|(trouble, applies)| applies.then_some(trouble))
    .collect()
}

fn counted(
    before: &Watch,
    state: &OrderState,
    ended: bool,
    retry: Option<&Retry>,
    same_place: bool,
) -> Counted {
    let total = state.total.minor();
    let captured = match state.capture.as_ref().and_then(Entry::outcome) {
        Some(CaptureResult::Taken { amount }) => *amount,
        Some(CaptureResult::Refused { .. }) | None => 0,
    };
    let reversed = match state.reverse.as_ref().and_then(Entry::outcome) {
        Some(Reversal::Voided) => total,
        Some(Reversal::Refunded { amount, .. }) => *amount,
        Some(Reversal::Nothing) | None => 0,
    };
    let seen = if same_place {
        before.counted.retries
    } else {
        0
    };
    Counted {
        authorized: if state.held_payment().is_some() {
            total
        } else {
            0
        },
        captured,
        reversed,
        ended: ended && (state.stage.is_closed() || state.stage == Stage::Captured),
        retries: retry.map_or(seen, |retry| retry.failed.max(seen)),
    }
}

/// The step of the forward way that an order did not get past.
fn stopped_in(state: &OrderState) -> Place {
    let captured = matches!(
        state.capture.as_ref().and_then(Entry::outcome),
        Some(CaptureResult::Taken { .. })
    );
    let booked = matches!(
        state.book.as_ref().and_then(Entry::outcome),
        Some(Booking::Booked { .. })
    );
    if captured {
        Place::NotifyCustomer
    } else if booked {
        Place::CapturePayment
    } else if state.held_payment().is_some() {
        Place::ShipOrder
    } else if state.validated_at.is_some() {
        Place::ChargePayment
    } else if state.review.is_some() {
        Place::ReviewOrder
    } else {
        Place::ValidateOrder
    }
}

/// The customer's money that is neither spent on delivered goods nor given back.
fn held(state: &OrderState, now: Timestamp) -> u64 {
    let view = payment(state, now);
    match view.status.as_str() {
        "authorized" | "unknown" => state.total.minor(),
        // Taken, and to be given back.
        "captured" if state.failure.is_some() => view.captured,
        _ => 0,
    }
}

fn deadline(
    state: &OrderState,
    place: Option<Place>,
    since: Timestamp,
    execution: Option<Execution>,
) -> Option<Timestamp> {
    let place = place?;
    let ended = execution.filter(|execution| execution.status.has_ended());
    let redrive = ended
        .and_then(|execution| execution.stopped_at)
        .map(|at| at + REDRIVABLE_FOR);
    let review = (place == Place::ReviewOrder).then(|| since + REVIEW_DEADLINE);
    let waits_for_money = state.failure.is_none() && state.capture.is_none();
    let hold = state.hold_trusted_until().filter(|_| waits_for_money);
    [redrive, review, hold].into_iter().flatten().min()
}

/// A message without what differs from order to order: each word with a digit in it becomes `…`, so that the
/// same failure of many orders is one.
#[must_use]
pub fn normalised(message: &str) -> String {
    let words = message.split(' ').map(|word| {
        let bare = word.trim_end_matches([',', '.', ';', ':']);
        if bare.contains(|c: char| c.is_ascii_digit()) {
            format!("…{}", &word[bare.len()..])
        } else {
            word.to_owned()
        }
    });
    words.collect::<Vec<_>>().join(" ")
}

/// How long an order that came to its end spent in each place that it passed.
#[must_use]
pub fn durations(state: &OrderState) -> Vec<(Place, Duration)> {
    let reviewed = state.review.as_ref().map(|review| review.since);
    let steps = [
        (
            Place::ValidateOrder,
            Some(state.received_at),
            reviewed.or(state.validated_at),
        ),
        (
            Place::ReviewOrder,
            reviewed,
            state
                .validated_at
                .or(state.failure.as_ref().map(|failure| failure.at)),
        ),
        (
            Place::ChargePayment,
            state.validated_at,
            done_at(state.authorize.as_ref()),
        ),
        (
            Place::ShipOrder,
            done_at(state.authorize.as_ref()),
            done_at(state.book.as_ref()),
        ),
        (
            Place::CapturePayment,
            done_at(state.book.as_ref()),
            done_at(state.capture.as_ref()),
        ),
        (
            Place::NotifyCustomer,
            done_at(state.capture.as_ref()),
            done_at(state.notify.as_ref()),
        ),
        (
            Place::CancelShipment,
            state.failure.as_ref().map(|failure| failure.at),
            done_at(state.unbook.as_ref()),
        ),
        (
            Place::ReversePayment,
            done_at(state.unbook.as_ref()),
            done_at(state.reverse.as_ref()),
        ),
        (
            Place::ReleaseStock,
            done_at(state.reverse.as_ref()),
            state.closed_at,
        ),
        (
            Place::NotifyFailure,
            state.failure.as_ref().and(state.closed_at),
            done_at(state.notify_failure.as_ref()),
        ),
    ];
    let took = |(place, from, to): (Place, Option<Timestamp>, Option<Timestamp>)| {
        let took = Duration::try_from(to?.duration_since(from?)).ok()?;
        Some((place, took))
    };
    steps.into_iter().filter_map(took).collect()
}

/// Whether an effect that could pay again is locked: nobody knows what became of the last one, so that
/// the provider has to be asked first.
#[must_use]
pub fn payment_is_locked(state: &OrderState, now: Timestamp) -> bool {
    payment(state, now).status == "unknown"
}

/// Whether nobody knows what became of the shipment, or of its undo.
#[must_use]
pub fn shipment_is_unknown(state: &OrderState, now: Timestamp) -> bool {
    shipment(state, now).status == "unknown"
}
