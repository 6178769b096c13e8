//! What is possible now.

use domain::ledger::{Entry, Reversal, Unbooking};
use domain::ports::Record;
use domain::view::{asks_first, is_held_otherwise, payment_is_unknown, shipment_is_unknown};
use domain::{ErrorName, ExecutionStatus, Settlement, Stage, Status, Timestamp};
use operations::ProcessState;
use operations::advice::Action;
use workflow::Described;

/// Whether an action is possible on an order as it is stored, with its execution as Step Functions tells
/// of it.
///
/// # Errors
/// Why not, and what is possible instead.
pub fn possible(
    action: Action,
    record: &Record,
    described: &Described,
    now: Timestamp,
) -> Result<(), String> {
    let state = &record.state;
    let execution = described.execution.status;
    let status = Status::of(state, execution);
    let at = ProcessState::of(state).map(|(at, _)| at);
    let refuse = |why: &str| Err(why.to_owned());
    let locked = payment_is_unknown(state, now);
    let ended = has_ended(record, described);
    match action {
        Action::Approve | Action::Reject => {
            let decided = state
                .review
                .as_ref()
                .and_then(|review| review.decision)
                .is_some();
            if decided {
                refuse("the review was decided before")
            } else if state.cancel.is_some() {
                refuse("the order was cancelled")
            } else if at != Some(ProcessState::ReviewOrder) {
                refuse("the order does not wait for a review")
            } else {
                Ok(())
            }
        }
        Action::Cancel => match state.cancellable() {
            Err(why) => refuse(why),
            Ok(()) if state.cancel.is_some() => refuse("its cancellation was asked for before"),
            Ok(()) => Ok(()),
        },
        Action::Redrive => {
            if status != Status::NeedsAttention {
                refuse("nothing is left unfinished")
            } else if locked
                && state.failure.is_none()
                && state.cancel.is_none()
                && !is_held_otherwise(state)
            {
                refuse("nobody knows what became of the payment: resolve it first")
            } else {
                described.redrivable.clone()
            }
        }
        Action::Restart if !ended => refuse("its execution is at work"),
        Action::Restart if asks_first(state, now) => {
            refuse("nobody knows what became of the last call to a provider: resolve it first")
        }
        Action::Restart => {
            let restarted = state.restarted(false, now);
            restarted.map(drop).map_err(str::to_owned)
        }
        Action::Reprocess => {
            reprocessable(record, described, now)?;
            let personal = record.personal.as_ref();
            if personal.is_some_and(|data| data.payment_is_used_up(&record.earlier, state)) {
                return refuse(
                    "its means of payment works once and was used: give another with --payment, \
                     or modify it first",
                );
            }
            Ok(())
        }
        Action::Resend => {
            if !matches!(
                at,
                Some(ProcessState::NotifyCustomer | ProcessState::NotifyFailure)
            ) {
                refuse("there is no message that was not sent")
            } else if !ended {
                refuse("its execution is still at work on the message")
            } else if record.personal.is_none() {
                refuse("the customer's data was erased")
            } else {
                Ok(())
            }
        }
        Action::Resolve => {
            let message = matches!(
                at,
                Some(ProcessState::NotifyCustomer | ProcessState::NotifyFailure)
            );
            if !locked && !shipment_is_unknown(state, now) && message && ended {
                Ok(())
            } else if !locked && !shipment_is_unknown(state, now) {
                refuse("every outcome is known")
            } else if !ended {
                refuse("its execution is at work, and asks by itself")
            } else if asks_first(state, now) {
                Ok(())
            } else {
                refuse("redrive or restart it: its execution asks by itself then")
            }
        }
        Action::Settle if !ended => refuse("its execution is at work, and tries by itself"),
        Action::Settle => Settlement::possible(state).map(drop).map_err(str::to_owned),
    }
}

/// Whether its execution has ended, also if Step Functions has forgotten it, 90 days after that.
fn has_ended(record: &Record, described: &Described) -> bool {
    let status = described.execution.status;
    let forgotten = status == ExecutionStatus::NotStarted && !record.state.may_not_be_started();
    status.has_ended() || forgotten
}

/// Whether another attempt is possible at an order that was reversed, if it has means of payment that can be
/// used.
///
/// # Errors
/// Why not.
pub(crate) fn reprocessable(
    record: &Record,
    described: &Described,
    now: Timestamp,
) -> Result<(), String> {
    let state = &record.state;
    let refuse = |why: &str| Err(why.to_owned());
    match state.stage {
        Stage::Failed | Stage::Rejected if !has_ended(record, described) => {
            refuse("its execution is still at work: the customer is being told")
        }
        Stage::Failed | Stage::Rejected if payment_is_unknown(state, now) => {
            refuse("nobody knows what became of the payment: resolve it first")
        }
        Stage::Failed | Stage::Rejected if is_written_off(record) => refuse(
            "its parcel or its money was written off, and would be sent or taken twice: it takes a \
             new order",
        ),
        Stage::Failed | Stage::Rejected if record.personal.is_none() => {
            refuse("the customer's data was erased")
        }
        Stage::Failed | Stage::Rejected => Ok(()),
        Stage::Cancelled => refuse("somebody cancelled it: it takes a new order"),
        Stage::Completed | Stage::Captured => refuse("the order is paid and shipped"),
        Stage::Received
        | Stage::InReview
        | Stage::Validated
        | Stage::Authorized
        | Stage::Shipped => refuse("the order is not reversed yet"),
    }
}

/// Whether an attempt ended with goods that stay out or money that stays ours, and not with nothing.
fn is_written_off(record: &Record) -> bool {
    let mut attempts = record.earlier.iter().chain([&record.state]);
    attempts.any(|state| {
        let unbooking = state.unbook.as_ref().and_then(Entry::outcome);
        let reversal = state.reverse.as_ref().and_then(Entry::outcome);
        unbooking == Some(&Unbooking::WrittenOff)
            || matches!(reversal, Some(Reversal::WrittenOff { .. }))
    })
}

/// What is to be known before an action that is possible, and that will come to the same again.
#[must_use]
pub fn warning(action: Action, record: &Record) -> Option<&'static str> {
    if action != Action::Reprocess {
        return None;
    }
    let error = record.state.failure.as_ref()?.error;
    if error == ErrorName::ShipmentRejected {
        Some(
            "The carrier refused this shipment. A new attempt has the same articles and, unless it \
             was modified, the same address; it comes to the same unless something has changed.",
        )
    } else if error == ErrorName::PaymentDeclined {
        Some(
            "The customer's bank declined this means of payment. A new attempt has the same one \
             unless it was modified, and comes to the same unless something has changed. One that \
             works once may be used up.",
        )
    } else {
        None
    }
}
