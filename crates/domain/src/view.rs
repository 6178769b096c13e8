//! What the outside sees of an order. Derived from the ledger and its execution, never stored.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::aftermath::{failed_refunds, open_disputes};
use crate::error::{ASK_FIRST, NEEDS_ATTENTION, SETTLE};
use crate::event::{Event, Origin};
use crate::execution::ExecutionStatus;
use crate::ledger::{
    Authorization, Authorize, Book, Booking, Capture, CaptureResult, Effect, Entry, Notify,
    NotifyFailure, Reversal, Reverse, Unbook, Unbooking,
};
use crate::ports::Record;
use crate::stage::Stage;
use crate::state::OrderState;
use crate::status::{NotificationStatus, PaymentStatus, ShipmentStatus, Status};
use crate::{Class, Currency, ErrorName, InvalidMoney, Label, Money, OrderId};

/// The money of an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "SentPayment", into = "SentPayment")]
pub struct PaymentView {
    /// Where it stands.
    pub status: PaymentStatus,
    /// What is or was held.
    pub authorized: Money,
    /// What was taken.
    pub captured: Money,
    /// What went back.
    pub refunded: Money,
}

/// The same as it is sent: amounts in minor units of one currency.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct SentPayment {
    status: PaymentStatus,
    authorized: u64,
    captured: u64,
    refunded: u64,
    currency: Currency,
}

impl From<PaymentView> for SentPayment {
    fn from(view: PaymentView) -> Self {
        Self {
            status: view.status,
            authorized: view.authorized.minor(),
            captured: view.captured.minor(),
            refunded: view.refunded.minor(),
            currency: view.authorized.currency(),
        }
    }
}

impl TryFrom<SentPayment> for PaymentView {
    type Error = InvalidMoney;
    fn try_from(sent: SentPayment) -> Result<Self, InvalidMoney> {
        let money = |minor| Money::new(minor, sent.currency);
        Ok(Self {
            status: sent.status,
            authorized: money(sent.authorized)?,
            captured: money(sent.captured)?,
            refunded: money(sent.refunded)?,
        })
    }
}

/// The goods of an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShipmentView {
    /// Where they stand.
    pub status: ShipmentStatus,
    /// Who carries them.
    pub carrier: Option<String>,
    /// What the customer can follow.
    pub tracking_number: Option<String>,
    /// What is known of the label that the ledger has. `None` if there is none, or if that was not noted.
    #[serde(default)]
    pub label: Option<Label>,
}

/// The message to the customer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotificationView {
    /// Where it stands.
    pub status: NotificationStatus,
}

/// The execution that processes an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkflowView {
    /// As Step Functions says.
    pub status: ExecutionStatus,
    /// Its ARN.
    pub execution_arn: String,
    /// The attempt of the order that it works for.
    pub attempt: u32,
}

/// Why an order did not come about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailureView {
    /// The catalogue's name.
    pub error: ErrorName,
    /// Who can mend it.
    pub class: Class,
    /// What to do.
    pub recommended_action: String,
}

/// Something that happened to an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimelineEntry {
    /// When.
    pub at: Timestamp,
    /// What it is about.
    pub step: Origin,
    /// What.
    pub event: Event,
    /// More of it, without personal data.
    pub detail: Option<String>,
}

/// The answer to `GET /orders/{id}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusView {
    /// The caller's name for the order.
    pub order_id: OrderId,
    /// Where it stands.
    pub status: Status,
    /// Its money.
    pub payment: PaymentView,
    /// Its goods.
    pub shipment: ShipmentView,
    /// Its message.
    pub notification: NotificationView,
    /// Its execution.
    pub workflow: WorkflowView,
    /// Why it did not come about, if it did not.
    pub failure: Option<FailureView>,
    /// What happened, oldest first.
    pub timeline: Vec<TimelineEntry>,
}

impl StatusView {
    /// What the outside sees of an order now.
    #[must_use]
    pub fn of(
        record: &Record,
        execution: ExecutionStatus,
        execution_arn: String,
        now: Timestamp,
    ) -> Self {
        let state = &record.state;
        Self {
            order_id: state.order_id.clone(),
            status: Status::of(state, execution),
            payment: PaymentView {
                status: payment_status(record, now),
                ..payment(state, now)
            },
            shipment: ShipmentView {
                label: record.label().cloned(),
                ..shipment(state, now)
            },
            notification: notification(state, execution, now),
            workflow: WorkflowView {
                status: execution,
                execution_arn,
                attempt: state.attempt,
            },
            failure: failure(state, execution, now),
            timeline: timeline(record),
        }
    }
}

fn failure(state: &OrderState, execution: ExecutionStatus, now: Timestamp) -> Option<FailureView> {
    let needs_attention = Status::of(state, execution) == Status::NeedsAttention;
    let error = match &state.failure {
        Some(failure) => failure.error,
        None if needs_attention && payment_is_unknown(state, now) => ErrorName::PaymentUnavailable,
        None if needs_attention && shipment_is_unknown(state, now) => ErrorName::CarrierUnavailable,
        None if needs_attention => ErrorName::Internal,
        None => return None,
    };
    let recommended_action = match needs_attention {
        true if refused_undo(state).is_some() => SETTLE,
        true if asks_first(state, now) => ASK_FIRST,
        true => NEEDS_ATTENTION,
        false => error.recommended_action(),
    };
    Some(FailureView {
        error,
        class: error.class(),
        recommended_action: recommended_action.to_owned(),
    })
}

/// What a provider says otherwise than our ledger: somebody acted behind our back, or one of us is
/// wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "of", rename_all = "snake_case")]
pub enum Discrepancy {
    /// About the money.
    Payment {
        /// How it stands in the ledger.
        ledger: PaymentStatus,
        /// How it stands with the payment provider.
        provider: PaymentStatus,
    },
    /// About the goods.
    Shipment {
        /// How they stand in the ledger.
        ledger: ShipmentStatus,
        /// How they stand with the carrier.
        provider: ShipmentStatus,
    },
    /// About the label: ours cannot be used any more, and another one can.
    Label {
        /// The carrier's reference of the one in the ledger.
        ledger: String,
        /// The carrier's reference of the one that can be used.
        provider: String,
    },
    /// About another label: ours can be used, and so can one that we do not know of.
    ExtraLabel {
        /// The carrier's reference of the one in the ledger.
        ledger: String,
        /// The carrier's reference of the other one.
        provider: String,
    },
}

impl std::fmt::Display for Discrepancy {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Payment { ledger, provider } => write!(
                out,
                "the payment is {ledger} in our ledger and {provider} at the provider"
            ),
            Self::Shipment { ledger, provider } => write!(
                out,
                "the shipment is {ledger} in our ledger and {provider} at the carrier"
            ),
            Self::Label { ledger, provider } => write!(
                out,
                "the label {ledger} of our ledger is void at the carrier, and {provider} can be \
                 used there"
            ),
            Self::ExtraLabel { ledger, provider } => write!(
                out,
                "besides the label {ledger} of our ledger, {provider} can be used at the carrier: \
                 void only that one there, and do not restart the order"
            ),
        }
    }
}

/// Whether an effect that could pay again is locked: nobody knows what became of the last one, so
/// that the provider has to be asked first.
#[must_use]
pub fn payment_is_unknown(state: &OrderState, now: Timestamp) -> bool {
    payment(state, now).status == PaymentStatus::Unknown
}

/// Whether nobody knows what became of the shipment, or of its undo.
#[must_use]
pub fn shipment_is_unknown(state: &OrderState, now: Timestamp) -> bool {
    shipment(state, now).status == ShipmentStatus::Unknown
}

/// Whether the providers have to be asked what became of an effect before an execution that has ended can go on.
/// Where its failure branch asks by itself, they have not.
#[must_use]
pub fn asks_first(state: &OrderState, now: Timestamp) -> bool {
    let unknown = payment_is_unknown(state, now) || shipment_is_unknown(state, now);
    let branch_asks = if state.failure.is_some() {
        !is_begun(state.unbook.as_ref()) && !is_begun(state.reverse.as_ref())
    } else {
        state.cancel.is_some() || is_held_otherwise(state)
    };
    unknown && !branch_asks
}

/// Whether the provider was asked what became of the authorisation, and has a payment that is none for this order,
/// such as one of another amount. The step finds it again and fails, and the failure branch lets it go.
#[must_use]
pub fn is_held_otherwise(state: &OrderState) -> bool {
    let authorize = state.authorize.as_ref();
    authorize.and_then(Entry::refused).is_some()
}

/// What a provider said that refuses to undo something for good. `None` if none does.
#[must_use]
pub fn refused_undo(state: &OrderState) -> Option<&str> {
    let unbook = state.unbook.as_ref().and_then(Entry::refused);
    unbook.or_else(|| state.reverse.as_ref().and_then(Entry::refused))
}

/// Whether an undo is open, and its provider has not refused it.
fn is_begun<T>(undo: Option<&Entry<T>>) -> bool {
    matches!(undo, Some(Entry::Open(claim)) if claim.refused.is_none())
}

/// Whether an entry is open and nobody can be at work on it any more.
fn unknown<T>(entry: Option<&Entry<T>>, now: Timestamp) -> bool {
    matches!(entry, Some(Entry::Open(claim)) if claim.until <= now)
}

/// The same of an undo: what its provider refused is known.
fn undo_is_unknown<T>(undo: Option<&Entry<T>>, now: Timestamp) -> bool {
    is_begun(undo) && unknown(undo, now)
}

fn done<T>(entry: Option<&Entry<T>>) -> Option<&T> {
    entry.and_then(Entry::outcome)
}

/// The money of an order in `state`.
#[must_use]
pub fn payment(state: &OrderState, now: Timestamp) -> PaymentView {
    let nothing = Money::zero(state.total.currency());
    let held = matches!(
        done(state.authorize.as_ref()),
        Some(Authorization::Held { .. })
    );
    let declined = matches!(
        done(state.authorize.as_ref()),
        Some(Authorization::Declined { .. })
    );
    let reversal = done(state.reverse.as_ref());
    let refunded = match reversal {
        Some(
            Reversal::Refunded { amount, .. }
            | Reversal::WrittenOff {
                refunded: amount, ..
            },
        ) => *amount,
        Some(Reversal::Nothing | Reversal::Voided) | None => nothing,
    };
    // What is reversed was there, also where nothing else tells because the answer to it was lost.
    let captured = match (done(state.capture.as_ref()), reversal) {
        (_, Some(Reversal::WrittenOff { captured, .. })) => *captured,
        (Some(CaptureResult::Taken { amount }), _) => *amount,
        (Some(CaptureResult::Refused { .. }) | None, _) => refunded,
    };
    let was_held = held
        || match reversal {
            Some(Reversal::Voided | Reversal::Refunded { .. } | Reversal::WrittenOff { .. }) => {
                true
            }
            Some(Reversal::Nothing) | None => false,
        };
    let unknown = undo_is_unknown(state.reverse.as_ref(), now)
        || (reversal.is_none()
            && (unknown(state.authorize.as_ref(), now) || unknown(state.capture.as_ref(), now)));
    let status = match reversal {
        _ if unknown => PaymentStatus::Unknown,
        Some(Reversal::Refunded { .. }) => PaymentStatus::Refunded,
        Some(Reversal::Voided) => PaymentStatus::Voided,
        // It is still ours.
        Some(Reversal::WrittenOff { .. }) => PaymentStatus::Captured,
        Some(Reversal::Nothing) | None if declined => PaymentStatus::Declined,
        Some(Reversal::Nothing) => PaymentStatus::None,
        None if !captured.is_zero() => PaymentStatus::Captured,
        None if held => PaymentStatus::Authorized,
        None => PaymentStatus::None,
    };
    PaymentView {
        status,
        authorized: if was_held { state.total } else { nothing },
        captured,
        refunded,
    }
}

/// Where an order's money stands, with what has happened to it since.
fn payment_status(record: &Record, now: Timestamp) -> PaymentStatus {
    let audit = &record.audit;
    if !open_disputes(audit).is_empty() {
        PaymentStatus::Disputed
    } else if !failed_refunds(audit).is_empty() {
        PaymentStatus::RefundPending
    } else {
        payment(&record.state, now).status
    }
}

/// The goods of an order in `state`, without what is kept beside it.
#[must_use]
pub fn shipment(state: &OrderState, now: Timestamp) -> ShipmentView {
    let booked = match done(state.book.as_ref()) {
        Some(Booking::Booked {
            carrier, tracking, ..
        }) => Some((carrier.clone(), tracking.clone())),
        Some(Booking::Refused { .. }) | None => None,
    };
    let undone = done(state.unbook.as_ref());
    let status = match undone {
        _ if state.book.is_some() && undo_is_unknown(state.unbook.as_ref(), now) => {
            ShipmentStatus::Unknown
        }
        Some(Unbooking::Cancelled) => ShipmentStatus::Cancelled,
        Some(Unbooking::WrittenOff) => ShipmentStatus::CannotBeCancelled,
        None if state.unbook.as_ref().and_then(Entry::refused).is_some() => {
            ShipmentStatus::CannotBeCancelled
        }
        None if unknown(state.book.as_ref(), now) => ShipmentStatus::Unknown,
        Some(Unbooking::Nothing) => ShipmentStatus::None,
        None if booked.is_some() || state.label_to_void().is_some() => ShipmentStatus::Booked,
        None => ShipmentStatus::None,
    };
    let (carrier, tracking_number) = booked.unzip();
    ShipmentView {
        status,
        carrier,
        tracking_number,
        label: None,
    }
}

fn notification(
    state: &OrderState,
    execution: ExecutionStatus,
    now: Timestamp,
) -> NotificationView {
    let (entry, is_due) = if state.failure.is_some() {
        (state.notify_failure.as_ref(), state.closed_at.is_some())
    } else {
        (state.notify.as_ref(), state.stage == Stage::Captured)
    };
    let status = match entry {
        None if !is_due => NotificationStatus::None,
        Some(Entry::Done { .. }) => NotificationStatus::Sent,
        Some(Entry::Open(_)) | None if state.waived_at.is_some() => NotificationStatus::Failed,
        // Nobody will try again by itself.
        Some(Entry::Open(_)) | None if execution.has_ended() => NotificationStatus::Failed,
        Some(Entry::Open(_)) if unknown(entry, now) => NotificationStatus::Unknown,
        Some(Entry::Open(_)) | None => NotificationStatus::None,
    };
    NotificationView { status }
}

fn timeline(record: &Record) -> Vec<TimelineEntry> {
    let mut timeline = Timeline(Vec::new());
    for attempt in &record.earlier {
        timeline.attempt(attempt);
    }
    timeline.attempt(&record.state);
    for audited in &record.audit {
        let detail = Some(audited.text());
        timeline.add(audited.at, audited.by.origin(), audited.event, detail);
    }
    timeline.0.sort_by_key(|entry| entry.at);
    // An attempt that goes on with what an earlier one did has the same on record.
    let mut told: Vec<TimelineEntry> = Vec::with_capacity(timeline.0.len());
    for entry in timeline.0 {
        let same_time = told.iter().rev().take_while(|other| other.at == entry.at);
        if !same_time.clone().any(|other| *other == entry) {
            told.push(entry);
        }
    }
    told
}

struct Timeline(Vec<TimelineEntry>);

impl Timeline {
    fn attempt(&mut self, state: &OrderState) {
        if state.attempt == 1 {
            self.add(state.received_at, Origin::Intake, Event::Received, None);
        }
        if let Some(review) = &state.review {
            self.add(review.since, Origin::Validate, Event::ReviewRequested, None);
        }
        if let Some(at) = state.validated_at {
            self.add(at, Origin::Validate, Event::Validated, None);
        }
        self.effect::<Authorize>(state, Origin::Charge, |outcome| match outcome {
            Authorization::Held { payment, .. } => (Event::Authorized, Some(payment.clone())),
            Authorization::Declined { code } => (Event::Declined, Some(code.clone())),
        });
        if let (Some(restart), Some(Entry::Done { outcome, at })) = (&state.restart, &state.book)
            && let Some(replaced) = &restart.replaces
            && replaced.booking != *outcome
        {
            self.add(*at, Origin::Ship, Event::ShipmentCancelled, None);
        }
        self.effect::<Book>(state, Origin::Ship, |outcome| match outcome {
            Booking::Booked { tracking, .. } => (Event::Booked, Some(tracking.clone())),
            Booking::Refused { code } => (Event::Refused, Some(code.clone())),
        });
        self.effect::<Capture>(state, Origin::Charge, |outcome| match outcome {
            CaptureResult::Taken { amount } => (Event::Captured, Some(amount.to_string())),
            CaptureResult::Refused { code } => (Event::CaptureRefused, Some(code.clone())),
        });
        self.effect::<Notify>(state, Origin::Notify, |_| (Event::CustomerNotified, None));
        if let Some(cancel) = &state.cancel {
            self.add(cancel.at, Origin::Intake, Event::CancelRequested, None);
        }
        if let Some(failure) = &state.failure {
            let detail = format!("{}: {}", failure.error, failure.message);
            self.add(failure.at, Origin::Workflow, Event::Reversing, Some(detail));
        }
        self.effect::<Unbook>(state, Origin::Ship, |outcome| match outcome {
            Unbooking::Cancelled => (Event::ShipmentCancelled, None),
            Unbooking::WrittenOff => (Event::ShipmentWrittenOff, None),
            Unbooking::Nothing => (Event::NoShipmentToCancel, None),
        });
        self.effect::<Reverse>(state, Origin::Charge, |outcome| match outcome {
            Reversal::Nothing => (Event::NoPaymentToReverse, None),
            Reversal::Voided => (Event::Voided, None),
            Reversal::Refunded { refund, amount } => {
                (Event::Refunded, Some(format!("{amount}, {refund}")))
            }
            Reversal::WrittenOff { captured, refunded } => {
                let detail = format!("{captured} captured, {refunded} of it refunded");
                (Event::PaymentWrittenOff, Some(detail))
            }
        });
        self.refused(state.unbook.as_ref(), Origin::Ship, Event::UnbookRefused);
        self.refused(
            state.reverse.as_ref(),
            Origin::Charge,
            Event::ReverseRefused,
        );
        self.effect::<NotifyFailure>(state, Origin::Notify, |_| (Event::CustomerNotified, None));
        if let Some((at, event)) = state.closed_at.zip(Event::closed_as(state.stage)) {
            self.add(at, Origin::Workflow, event, None);
        }
        if let Some(at) = state.waived_at {
            self.add(at, Origin::Notify, Event::MessageWaived, None);
        }
    }

    fn add(&mut self, at: Timestamp, step: Origin, event: Event, detail: Option<String>) {
        self.0.push(TimelineEntry {
            at,
            step,
            event,
            detail,
        });
    }

    fn refused<T>(&mut self, entry: Option<&Entry<T>>, step: Origin, event: Event) {
        if let Some(Entry::Open(claim)) = entry
            && let Some(said) = &claim.refused
        {
            self.add(claim.until, step, event, Some(said.clone()));
        }
    }

    fn effect<E: Effect>(
        &mut self,
        state: &OrderState,
        step: Origin,
        describe: impl FnOnce(&E::Outcome) -> (Event, Option<String>),
    ) {
        match E::entry(state) {
            None => {}
            Some(Entry::Open(claim)) => self.add(claim.since, step, E::STARTED, None),
            Some(Entry::Done { outcome, at }) => {
                let (event, detail) = describe(outcome);
                self.add(*at, step, event, detail);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::fixtures::{
        at, at_stage, booked, booking, declined, done, failure, held, not_booked, open, received,
        record, refused, taken, usd,
    };
    use crate::ledger::MessageId;
    use crate::{Actor, AuditEvent, CancelRequest, Failure, Replaced, Restart, Review};

    /// While a claim of the fixtures holds, and from when on it does not.
    const CLAIMED: i64 = 19;
    const LAPSED: i64 = 20;

    fn failing(state: OrderState) -> OrderState {
        let failure = failure(ErrorName::PaymentDeclined);
        OrderState { failure, ..state }
    }

    #[test]
    #[expect(clippy::too_many_lines, reason = "a row for each situation")]
    fn where_the_money_stands_follows_from_what_was_done_and_undone() {
        use PaymentStatus as Is;
        let all = 3098;
        let refund = || {
            let (refund, amount) = ("re_1".to_owned(), usd(all));
            done(Reversal::Refunded { refund, amount })
        };
        let written_off = |refunded| {
            let (captured, refunded) = (usd(all), usd(refunded));
            done(Reversal::WrittenOff { captured, refunded })
        };
        let lapsed = || {
            let code = String::new();
            done(CaptureResult::Refused { code })
        };
        let nothing = || done(Reversal::Nothing);
        for (authorize, capture, reverse, now, status, amounts) in [
            (None, None, None, LAPSED, Is::None, [0, 0, 0]),
            (open(), None, None, CLAIMED, Is::None, [0, 0, 0]),
            (open(), None, None, LAPSED, Is::Unknown, [0, 0, 0]),
            (held(), None, None, LAPSED, Is::Authorized, [all, 0, 0]),
            (declined(), None, None, LAPSED, Is::Declined, [0, 0, 0]),
            (declined(), None, nothing(), LAPSED, Is::Declined, [0, 0, 0]),
            (held(), open(), None, CLAIMED, Is::Authorized, [all, 0, 0]),
            (held(), open(), None, LAPSED, Is::Unknown, [all, 0, 0]),
            (held(), lapsed(), None, LAPSED, Is::Authorized, [all, 0, 0]),
            (held(), taken(), None, LAPSED, Is::Captured, [all, all, 0]),
            (
                held(),
                taken(),
                open(),
                CLAIMED,
                Is::Captured,
                [all, all, 0],
            ),
            (held(), taken(), open(), LAPSED, Is::Unknown, [all, all, 0]),
            // The provider has said what it says: there is nothing to ask.
            (
                held(),
                None,
                refused("no"),
                LAPSED,
                Is::Authorized,
                [all, 0, 0],
            ),
            (
                held(),
                None,
                done(Reversal::Voided),
                LAPSED,
                Is::Voided,
                [all, 0, 0],
            ),
            (
                held(),
                taken(),
                refund(),
                LAPSED,
                Is::Refunded,
                [all, all, all],
            ),
            (
                held(),
                taken(),
                written_off(1000),
                LAPSED,
                Is::Captured,
                [all, all, 1000],
            ),
            // The undo has found out what nobody had heard of.
            (open(), None, nothing(), LAPSED, Is::None, [0, 0, 0]),
            (
                open(),
                None,
                done(Reversal::Voided),
                LAPSED,
                Is::Voided,
                [all, 0, 0],
            ),
            (
                held(),
                open(),
                refund(),
                LAPSED,
                Is::Refunded,
                [all, all, all],
            ),
            (
                held(),
                open(),
                written_off(0),
                LAPSED,
                Is::Captured,
                [all, all, 0],
            ),
        ] {
            let state = OrderState {
                authorize,
                capture,
                reverse,
                ..received()
            };
            let [authorized, captured, refunded] = amounts.map(usd);
            let expected = PaymentView {
                status,
                authorized,
                captured,
                refunded,
            };
            assert_eq!(payment(&state, at(now)), expected, "{state:?}");
            assert_eq!(payment_is_unknown(&state, at(now)), status == Is::Unknown);
        }
    }

    #[test]
    fn where_the_goods_stand_follows_from_what_was_done_and_undone() {
        use ShipmentStatus as Is;
        let cancelled = || done(Unbooking::Cancelled);
        for (book, unbook, now, status, label) in [
            (None, None, LAPSED, Is::None, None),
            (open(), None, CLAIMED, Is::None, None),
            (open(), None, LAPSED, Is::Unknown, None),
            (booked(), None, LAPSED, Is::Booked, Some("se-1")),
            (not_booked(), None, LAPSED, Is::None, None),
            (booked(), open(), CLAIMED, Is::Booked, Some("se-1")),
            (booked(), open(), LAPSED, Is::Unknown, Some("se-1")),
            // There is nothing of which anybody could not know what became of it.
            (None, open(), LAPSED, Is::None, None),
            (
                booked(),
                refused("used"),
                LAPSED,
                Is::CannotBeCancelled,
                Some("se-1"),
            ),
            (
                booked(),
                done(Unbooking::WrittenOff),
                LAPSED,
                Is::CannotBeCancelled,
                Some("se-1"),
            ),
            (booked(), cancelled(), LAPSED, Is::Cancelled, Some("se-1")),
            (open(), cancelled(), LAPSED, Is::Cancelled, None),
            (open(), done(Unbooking::Nothing), LAPSED, Is::None, None),
        ] {
            let state = OrderState {
                book,
                unbook,
                ..received()
            };
            let expected = ShipmentView {
                status,
                carrier: label.map(|_| "usps".to_owned()),
                tracking_number: label.map(|label| format!("track-{label}")),
                label: None,
            };
            assert_eq!(shipment(&state, at(now)), expected, "{state:?}");
            assert_eq!(shipment_is_unknown(&state, at(now)), status == Is::Unknown);
        }
    }

    #[test]
    fn a_label_that_is_to_be_replaced_is_booked_until_it_is_void() {
        let state = OrderState {
            restart: Some(restart(Some("se-1"))),
            ..at_stage(Stage::Authorized)
        };
        assert_eq!(shipment(&state, at(LAPSED)).status, ShipmentStatus::Booked);
    }

    fn restart(replaces: Option<&str>) -> Restart {
        let replaces = replaces.map(|label| Replaced {
            booking: booking(label),
            attempt: 1,
        });
        Restart {
            at: at(2),
            version: 2,
            payment_of: 1,
            shipment_of: 2,
            replaces,
        }
    }

    #[test]
    fn where_the_message_stands_depends_on_whether_it_is_due_and_who_would_send_it() {
        use ExecutionStatus::{Failed, Running};
        use NotificationStatus as Is;
        let sent = || done(MessageId("m".to_owned()));
        let paid = at_stage(Stage::Captured);
        let sending = OrderState {
            notify: open(),
            ..paid.clone()
        };
        let told = OrderState {
            notify: sent(),
            ..at_stage(Stage::Completed)
        };
        let reversing = failing(at_stage(Stage::Authorized));
        let reversed = OrderState {
            closed_at: Some(at(9)),
            ..failing(at_stage(Stage::Rejected))
        };
        let told_why = OrderState {
            notify_failure: sent(),
            ..reversed.clone()
        };
        let waived = |state: &OrderState| OrderState {
            waived_at: Some(at(9)),
            ..state.clone()
        };
        for (state, execution, now, status) in vec![
            (received(), Running, LAPSED, Is::None),
            // Nothing is due that could fail.
            (received(), Failed, LAPSED, Is::None),
            (paid.clone(), Running, LAPSED, Is::None),
            (paid.clone(), Failed, LAPSED, Is::Failed),
            (waived(&paid), Running, LAPSED, Is::Failed),
            (sending.clone(), Running, CLAIMED, Is::None),
            (sending.clone(), Running, LAPSED, Is::Unknown),
            (sending.clone(), Failed, CLAIMED, Is::Failed),
            (waived(&sending), Running, CLAIMED, Is::Failed),
            (told.clone(), Failed, LAPSED, Is::Sent),
            (waived(&told), Failed, LAPSED, Is::Sent),
            (reversing, Failed, LAPSED, Is::None),
            (reversed.clone(), Running, LAPSED, Is::None),
            (reversed, Failed, LAPSED, Is::Failed),
            (told_why, Running, LAPSED, Is::Sent),
        ] {
            let found = notification(&state, execution, at(now)).status;
            assert_eq!(found, status, "{execution:?} at {now}: {state:?}");
        }
    }

    #[test]
    fn a_failure_says_whose_it_is_and_what_to_do() {
        use ErrorName::{CarrierUnavailable, Internal, PaymentDeclined, PaymentUnavailable};
        use ExecutionStatus::{Failed, Running};
        let asked = |name: ErrorName| Some((name, ASK_FIRST));
        let unpaid = OrderState {
            authorize: open(),
            ..at_stage(Stage::Validated)
        };
        let unshipped = OrderState {
            book: open(),
            ..at_stage(Stage::Authorized)
        };
        let stuck = OrderState {
            book: booked(),
            unbook: refused("used"),
            ..failing(at_stage(Stage::Shipped))
        };
        let reversing = failing(at_stage(Stage::Authorized));
        let rejected = failing(at_stage(Stage::Rejected));
        let own = PaymentDeclined.recommended_action();
        for (state, execution, expected) in [
            (at_stage(Stage::Shipped), Running, None),
            (
                at_stage(Stage::Shipped),
                Failed,
                Some((Internal, NEEDS_ATTENTION)),
            ),
            (unpaid.clone(), Failed, asked(PaymentUnavailable)),
            (unpaid, Running, None),
            (unshipped, Failed, asked(CarrierUnavailable)),
            (rejected, Failed, Some((PaymentDeclined, own))),
            (reversing.clone(), Running, Some((PaymentDeclined, own))),
            (reversing, Failed, Some((PaymentDeclined, NEEDS_ATTENTION))),
            (stuck, Failed, Some((PaymentDeclined, SETTLE))),
        ] {
            let expected = expected.map(|(error, action)| FailureView {
                error,
                class: error.class(),
                recommended_action: action.to_owned(),
            });
            assert_eq!(failure_of(&state, execution), expected, "{state:?}");
        }
    }

    fn failure_of(state: &OrderState, execution: ExecutionStatus) -> Option<FailureView> {
        super::failure(state, execution, at(LAPSED))
    }

    #[test]
    fn nobody_asks_a_provider_where_the_failure_branch_does_it_by_itself() {
        let unpaid = OrderState {
            authorize: open(),
            ..at_stage(Stage::Validated)
        };
        let unshipped = OrderState {
            authorize: held(),
            book: open(),
            ..at_stage(Stage::Authorized)
        };
        let cancel = Some(CancelRequest { at: at(3) });
        let another = OrderState {
            authorize: refused("another amount"),
            ..unpaid.clone()
        };
        let unbooking = OrderState {
            unbook: open(),
            ..failing(unshipped.clone())
        };
        let reversing = OrderState {
            reverse: open(),
            ..failing(unpaid.clone())
        };
        let refused_to_reverse = OrderState {
            reverse: refused("disputed"),
            ..failing(unpaid.clone())
        };
        for (state, expected) in [
            (at_stage(Stage::Shipped), false),
            (unpaid.clone(), true),
            (unshipped.clone(), true),
            // These go into the failure branch, whose undos look first.
            (
                OrderState {
                    cancel,
                    ..unpaid.clone()
                },
                false,
            ),
            (another.clone(), false),
            (failing(unpaid.clone()), false),
            (failing(unshipped), false),
            (refused_to_reverse, false),
            // An undo that was begun is one more thing of which nobody knows what came of it.
            (unbooking, true),
            (reversing, true),
        ] {
            assert_eq!(asks_first(&state, at(LAPSED)), expected, "{state:?}");
        }
        assert!(is_held_otherwise(&another) && !is_held_otherwise(&unpaid));
        assert!(!asks_first(&unpaid, at(CLAIMED)));
    }

    #[test]
    fn what_a_provider_refuses_to_undo_is_told_of_the_goods_first() {
        let unbook = || refused("label_used");
        let reverse = || refused("charge_disputed");
        for (unbook, reverse, told) in [
            (None, None, None),
            (open(), open(), None),
            (unbook(), None, Some("label_used")),
            (None, reverse(), Some("charge_disputed")),
            (unbook(), reverse(), Some("label_used")),
        ] {
            let state = OrderState {
                unbook,
                reverse,
                ..received()
            };
            assert_eq!(refused_undo(&state), told);
        }
    }

    #[test]
    fn a_discrepancy_says_what_each_side_has() {
        let label = |extra| {
            let (ledger, provider) = ("se-1".to_owned(), "se-2".to_owned());
            if extra {
                Discrepancy::ExtraLabel { ledger, provider }
            } else {
                Discrepancy::Label { ledger, provider }
            }
        };
        let payment = Discrepancy::Payment {
            ledger: PaymentStatus::Authorized,
            provider: PaymentStatus::Voided,
        };
        let shipment = Discrepancy::Shipment {
            ledger: ShipmentStatus::Booked,
            provider: ShipmentStatus::Cancelled,
        };
        for (discrepancy, text) in [
            (
                payment,
                "the payment is authorized in our ledger and voided at the provider",
            ),
            (
                shipment,
                "the shipment is booked in our ledger and cancelled at the carrier",
            ),
            (
                label(false),
                "the label se-1 of our ledger is void at the carrier, and se-2 can be used there",
            ),
            (
                label(true),
                "besides the label se-1 of our ledger, se-2 can be used at the carrier: void only \
                 that one there, and do not restart the order",
            ),
        ] {
            assert_eq!(discrepancy.to_string(), text);
        }
    }

    #[test]
    fn money_after_the_end_is_told_before_what_the_ledger_says() {
        let audited = |events: &[Event]| {
            let paid = OrderState {
                authorize: held(),
                capture: taken(),
                ..at_stage(Stage::Completed)
            };
            let mut record = record(paid);
            let entries = events.iter().zip(30..).map(|(event, second)| {
                AuditEvent::new(at(second), *event, Actor::Monitor, "").about("x")
            });
            record.audit = entries.collect();
            payment_status(&record, at(LAPSED))
        };
        assert_eq!(audited(&[]), PaymentStatus::Captured);
        assert_eq!(audited(&[Event::Disputed]), PaymentStatus::Disputed);
        let won = [Event::Disputed, Event::DisputeWon];
        assert_eq!(audited(&won), PaymentStatus::Captured);
        assert_eq!(
            audited(&[Event::RefundFailed]),
            PaymentStatus::RefundPending
        );
        let both = [Event::RefundFailed, Event::Disputed];
        assert_eq!(audited(&both), PaymentStatus::Disputed);
    }

    #[test]
    fn money_is_sent_in_minor_units_with_its_currency_named_once() {
        let view = PaymentView {
            status: PaymentStatus::Refunded,
            authorized: usd(3),
            captured: usd(2),
            refunded: usd(1),
        };
        let sent = json!({
            "status": "refunded", "authorized": 3, "captured": 2, "refunded": 1, "currency": "USD"
        });
        assert_eq!(serde_json::to_value(&view).unwrap(), sent);
        assert_eq!(
            serde_json::from_value::<PaymentView>(sent.clone()).unwrap(),
            view
        );
        let mut too_much = sent;
        too_much["captured"] = json!(Money::MAX_MINOR + 1);
        assert!(serde_json::from_value::<PaymentView>(too_much).is_err());
    }

    /// Each entry as seconds, origin, event and detail.
    fn told(record: &Record) -> Vec<String> {
        let entries = timeline(record).into_iter().map(|entry| {
            let second = entry.at.duration_since(at(0)).as_secs();
            let detail = entry
                .detail
                .map_or_else(String::new, |detail| format!(": {detail}"));
            format!("{second} {} {}{detail}", entry.step, entry.event)
        });
        entries.collect()
    }

    #[test]
    fn the_timeline_of_an_order_that_goes_well_has_what_was_done_and_by_whom() {
        let state = OrderState {
            review: Some(Review {
                since: at(1),
                decision: None,
                decided_at: None,
            }),
            validated_at: Some(at(2)),
            authorize: held(),
            book: booked(),
            capture: taken(),
            notify: done(MessageId("m".to_owned())),
            closed_at: Some(at(11)),
            ..at_stage(Stage::Completed)
        };
        let mut record = record(state);
        let by = Actor::Operator("grace".to_owned());
        record.audit = vec![AuditEvent::new(at(1), Event::Approved, by, "a regular")];
        let expected = [
            "0 intake received",
            "1 validate review_requested",
            "1 operator approved: grace: a regular",
            "2 validate validated",
            "10 charge authorized: pi_1",
            "10 ship booked: track-se-1",
            "10 charge captured: 30.98 USD",
            "10 notify customer_notified",
            "11 workflow completed",
        ];
        assert_eq!(told(&record), expected);
    }

    #[test]
    fn the_timeline_of_an_order_that_is_reversed_says_why_and_what_went_back() {
        let refund = Reversal::Refunded {
            refund: "re_1".to_owned(),
            amount: usd(3098),
        };
        let state = OrderState {
            authorize: held(),
            book: booked(),
            capture: done(CaptureResult::Refused {
                code: "expired".to_owned(),
            }),
            cancel: Some(CancelRequest { at: at(4) }),
            failure: Some(Failure::new(ErrorName::OrderCancelled, "by them", at(5))),
            unbook: done(Unbooking::Cancelled),
            reverse: done(refund),
            notify_failure: done(MessageId("m".to_owned())),
            closed_at: Some(at(11)),
            waived_at: Some(at(12)),
            ..at_stage(Stage::Cancelled)
        };
        let expected = [
            "0 intake received",
            "4 intake cancel_requested",
            "5 workflow reversing: OrderCancelled: by them",
            "10 charge authorized: pi_1",
            "10 ship booked: track-se-1",
            "10 charge capture_refused: expired",
            "10 ship shipment_cancelled",
            "10 charge refunded: 30.98 USD, re_1",
            "10 notify customer_notified",
            "11 workflow cancelled",
            "12 notify message_waived",
        ];
        assert_eq!(told(&record(state)), expected);
    }

    #[test]
    fn the_timeline_says_what_was_refused_or_found_undone_or_written_off() {
        let reversed = |unbook, reverse| {
            let state = OrderState {
                authorize: declined(),
                book: not_booked(),
                unbook: done(unbook),
                reverse: done(reverse),
                ..received()
            };
            told(&record(state)).split_off(1)
        };
        let refusals = [
            "10 charge declined: insufficient_funds",
            "10 ship refused: invalid_address",
        ];
        let nothing = [
            "10 ship no_shipment_to_cancel",
            "10 charge no_payment_to_reverse",
        ];
        let found = reversed(Unbooking::Nothing, Reversal::Nothing);
        assert_eq!(found, [refusals, nothing].concat());
        let voided = reversed(Unbooking::Nothing, Reversal::Voided);
        assert_eq!(voided[3], "10 charge voided");
        let written_off = Reversal::WrittenOff {
            captured: usd(3098),
            refunded: usd(1000),
        };
        let found = reversed(Unbooking::WrittenOff, written_off);
        let detail = "10 charge payment_written_off: 30.98 USD captured, 10.00 USD of it refunded";
        assert_eq!(found[2..], ["10 ship shipment_written_off", detail]);
    }

    #[test]
    fn the_timeline_says_what_was_begun_and_what_is_refused_for_good() {
        let begun = OrderState {
            authorize: open(),
            book: open(),
            capture: open(),
            notify: open(),
            unbook: refused("label_used"),
            reverse: refused("disputed"),
            notify_failure: open(),
            ..received()
        };
        let expected = [
            "0 intake received",
            "10 charge authorize_started",
            "10 ship book_started",
            "10 charge capture_started",
            "10 notify notify_started",
            "10 ship unbook_started",
            "10 charge reverse_started",
            "10 notify notify_failure_started",
            // When the provider had said it.
            "20 ship unbook_refused: label_used",
            "20 charge reverse_refused: disputed",
        ];
        assert_eq!(told(&record(begun)), expected);
    }

    #[test]
    fn the_timeline_of_several_attempts_tells_once_what_they_have_in_common() {
        let first = OrderState {
            validated_at: Some(at(1)),
            authorize: held(),
            book: booked(),
            ..at_stage(Stage::Shipped)
        };
        let second = OrderState {
            attempt: 2,
            book: done(booking("se-2")),
            restart: Some(restart(Some("se-1"))),
            ..first.clone()
        };
        let mut both = record(second.clone());
        both.earlier = vec![first.clone()];
        let expected = [
            "0 intake received",
            "1 validate validated",
            "10 charge authorized: pi_1",
            "10 ship booked: track-se-1",
            "10 ship shipment_cancelled",
            "10 ship booked: track-se-2",
        ];
        assert_eq!(told(&both), expected);
        // The carrier did not void the label: it is shipped with it.
        both.state.book = booked();
        assert_eq!(told(&both), expected[..4]);
        // A restart that replaces nothing cancels nothing.
        both.state.restart = Some(restart(None));
        assert_eq!(told(&both), expected[..4]);
    }

    #[test]
    fn the_view_of_an_order_is_put_together_from_all_that_is_known_of_it() {
        let label = Label {
            id: "se-1".to_owned(),
            carrier: "usps".to_owned(),
            tracking: "track-se-1".to_owned(),
            cost: Some(usd(700)),
            request: None,
            parcels: Vec::new(),
        };
        let state = OrderState {
            attempt: 2,
            authorize: held(),
            book: booked(),
            ..at_stage(Stage::Shipped)
        };
        let mut record = record(state);
        record.labels = vec![label.clone()];
        record.audit =
            vec![AuditEvent::new(at(30), Event::Disputed, Actor::Monitor, "").about("x")];
        let arn = "arn:execution".to_owned();
        let view = StatusView::of(&record, ExecutionStatus::Failed, arn.clone(), at(LAPSED));
        assert_eq!(view.order_id, record.order.order_id);
        assert_eq!(view.status, Status::NeedsAttention);
        assert_eq!(view.payment.status, PaymentStatus::Disputed);
        assert_eq!(view.payment.authorized, usd(3098));
        assert_eq!(view.shipment.label, Some(label));
        assert_eq!(view.shipment.tracking_number.as_deref(), Some("track-se-1"));
        assert_eq!(view.notification.status, NotificationStatus::None);
        let workflow = WorkflowView {
            status: ExecutionStatus::Failed,
            execution_arn: arn,
            attempt: 2,
        };
        assert_eq!(view.workflow, workflow);
        assert_eq!(
            view.failure.map(|failure| failure.error),
            Some(ErrorName::Internal)
        );
        assert_eq!(view.timeline, timeline(&record));
    }
}
