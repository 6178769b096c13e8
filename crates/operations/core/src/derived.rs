//! What follows for operators from an order's ledger and its execution: the parts of [`crate::Projection::next`].

use std::time::Duration;

use domain::ledger::{Authorization, Booking, CaptureResult, Entry};
use domain::view::{asks_first, payment};
use domain::{
    Execution, ExecutionStatus, Money, OrderState, PaymentStatus, Stage, Status, Timestamp,
};

use crate::incident::Incident;
use crate::limits::Limits;
use crate::movement::{Movement, begun};
use crate::process::{HOUR, Health, ProcessState};
use crate::projection::{Projection, REVIEW_DEADLINE, Tally};
use crate::retries::Retry;
use crate::trend::Flow;

/// For so long after its end an execution can be redriven.
/// <https://docs.aws.amazon.com/step-functions/latest/dg/redrive-executions.html>
const REDRIVABLE_FOR: Duration = Duration::from_secs(14 * 24 * HOUR);

/// What to take the execution for while nothing was observed of it.
pub(crate) fn known_status(state: &OrderState, execution: Option<Execution>) -> ExecutionStatus {
    match execution {
        Some(execution) => execution.status,
        None if state.may_not_be_started() => ExecutionStatus::NotStarted,
        None => ExecutionStatus::Running,
    }
}

pub(crate) fn incidents_of(
    state: &OrderState,
    at: Option<ProcessState>,
    health: Health,
    execution: Option<Execution>,
    limits: &Limits,
    now: Timestamp,
) -> Vec<Incident> {
    let ended = execution.is_some_and(|execution| execution.status.has_ended());
    let status = Status::of(state, known_status(state, execution));
    let started = execution
        .is_some_and(|execution| execution.status != ExecutionStatus::NotStarted)
        || !state.may_not_be_started();
    let hold_lapses = state.failure.is_none()
        && state.capture.is_none()
        && state
            .hold_trusted_until()
            .is_some_and(|until| now >= until - limits.hold_warning);
    // Until the providers were asked, nothing else is possible, and nothing else is to be advised.
    let unknown = ended && asks_first(state, now);
    let message = matches!(
        at,
        Some(ProcessState::NotifyCustomer | ProcessState::NotifyFailure)
    );
    let overdue = health == Health::Overdue && !ended && started;
    [
        (Incident::OutcomeUnknown, unknown),
        (
            Incident::Unfinished,
            status == Status::NeedsAttention && !unknown,
        ),
        (Incident::MessageNotSent, ended && message),
        (Incident::NotStarted, !started && health > Health::OnTrack),
        (
            Incident::ReviewOverdue,
            overdue && at == Some(ProcessState::ReviewOrder),
        ),
        (Incident::HoldLapsing, hold_lapses),
        (
            Incident::Overdue,
            overdue && at != Some(ProcessState::ReviewOrder),
        ),
    ]
    .into_iter()
    .filter_map(|(incident, applies)| applies.then_some(incident))
    .collect()
}

pub(crate) fn counted(
    before: &Projection,
    state: &OrderState,
    ended: bool,
    retry: Option<&Retry>,
    same_state: bool,
) -> Tally {
    let seen = if same_state {
        before.counted.retries
    } else {
        0
    };
    let moved = Movement::of(state);
    let sum = |flows: &[Flow]| {
        let of = moved.iter().find(|one| flows.contains(&one.flow));
        of.map_or(Money::zero(state.total.currency()), |one| one.amount)
    };
    Tally {
        authorized: sum(&[Flow::Authorized]),
        captured: sum(&[Flow::Captured]),
        reversed: sum(&[Flow::Voided, Flow::Refunded]),
        ended: ended && (state.stage.is_closed() || state.stage == Stage::Captured),
        retries: retry.map_or(seen, |retry| retry.failed.max(seen)),
    }
}

/// The state of the forward way that an order did not get past.
pub(crate) fn stopped_in(state: &OrderState) -> ProcessState {
    let captured = matches!(
        state.capture.as_ref().and_then(Entry::outcome),
        Some(CaptureResult::Taken { .. })
    );
    let booked = matches!(
        state.book.as_ref().and_then(Entry::outcome),
        Some(Booking::Booked { .. })
    );
    if captured {
        ProcessState::NotifyCustomer
    } else if booked {
        ProcessState::CapturePayment
    } else if state.held_payment().is_some() {
        ProcessState::ShipOrder
    } else if state.validated_at.is_some() {
        ProcessState::ChargePayment
    } else if state.review.is_some() {
        ProcessState::ReviewOrder
    } else {
        ProcessState::ValidateOrder
    }
}

/// The customer's money that is, or may be, neither spent on delivered goods nor given back.
pub(crate) fn held(state: &OrderState, now: Timestamp) -> Money {
    let view = payment(state, now);
    if matches!(state.reverse, Some(Entry::Done { .. })) {
        // Given back, or written off.
        return Money::zero(state.total.currency());
    }
    match view.status {
        PaymentStatus::Authorized | PaymentStatus::Unknown => state.total,
        // Taken, and to be given back.
        PaymentStatus::Captured if state.failure.is_some() => view.captured,
        PaymentStatus::Captured
        | PaymentStatus::None
        | PaymentStatus::Voided
        | PaymentStatus::Refunded
        | PaymentStatus::RefundPending
        | PaymentStatus::Disputed
        | PaymentStatus::Declined => Money::zero(state.total.currency()),
    }
}

/// Since when the money of an order is held, and until when the hold is relied on, if it was not taken.
pub(crate) fn held_from_to(
    state: &OrderState,
    held: Money,
) -> (Option<Timestamp>, Option<Timestamp>) {
    if held.is_zero() {
        return (None, None);
    }
    let since = begun(state.authorize.as_ref())
        .or_else(|| begun(state.capture.as_ref()))
        .or_else(|| begun(state.reverse.as_ref()));
    let taken = matches!(
        state.capture.as_ref().and_then(Entry::outcome),
        Some(CaptureResult::Taken { .. })
    );
    (since, hold_lapses_at(state).filter(|_| !taken))
}

pub(crate) fn deadline(
    state: &OrderState,
    at: Option<ProcessState>,
    since: Timestamp,
    execution: Option<Execution>,
) -> Option<Timestamp> {
    let at = at?;
    let ended = execution.filter(|execution| execution.status.has_ended());
    let redrive = ended
        .and_then(|execution| execution.stopped_at)
        .map(|at| at + REDRIVABLE_FOR);
    let review = (at == ProcessState::ReviewOrder).then(|| since + REVIEW_DEADLINE);
    let waits_for_money = state.failure.is_none() && state.capture.is_none();
    let hold = hold_lapses_at(state).filter(|_| waits_for_money);
    [redrive, review, hold].into_iter().flatten().min()
}

/// Until when a hold is relied on: one that is there, and one of which nobody knows whether it is.
pub(crate) fn hold_lapses_at(state: &OrderState) -> Option<Timestamp> {
    match &state.authorize {
        Some(Entry::Open(claim)) => Some(claim.since + Authorization::TRUSTED_FOR),
        Some(Entry::Done { .. }) | None => state.hold_trusted_until(),
    }
}
