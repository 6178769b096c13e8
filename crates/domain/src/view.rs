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
