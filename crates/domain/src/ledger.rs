//! How a side effect happens exactly once.
//!
//! A step **claims** its effect (a conditional write with an owner token and a lease), calls the
//! provider with a key derived from order, attempt and effect, and **commits** the outcome
//! (conditional on the owner token). A claim that is found open means an unknown outcome: once its
//! lease has run out, its successor asks the provider first. Whoever wakes after that finds
//! another owner's token, and changes nothing.
//!
//! This module is the rule; an adapter of [`crate::ports::Orders`] turns it into conditional
//! writes, and a test holds the two against each other for every reachable state.

use std::fmt::Debug;

use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;

pub use crate::entry::{
    Authorization, Booking, CaptureResult, Claim, Entry, MessageId, Reversal, Unbooking,
};
use crate::event::Event;
use crate::stage::Stage;
use crate::state::OrderState;
use crate::{ErrorName, OrderId, StepError};

/// When an effect may begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gate {
    /// At this stage, while nobody cancelled and nothing failed.
    Forward(Stage),
    /// While the order is being reversed.
    Undo,
    /// Once everything is reversed.
    AfterUndo,
}

/// A side effect: where its entry is, when it may begin and where it leads.
pub trait Effect {
    /// The name of its entry, and the last part of its idempotency key.
    const NAME: &'static str;
    /// When it may begin.
    const GATE: Gate;
    /// What the timeline says while its outcome is not known.
    const STARTED: Event;
    /// What can come of it.
    type Outcome: Serialize + DeserializeOwned + Clone + Debug + PartialEq + Send + Sync + 'static;

    /// Its entry.
    fn entry(state: &OrderState) -> Option<&Entry<Self::Outcome>>;
    /// The stage that its outcome leads to, if it changes the stage.
    fn stage_after(outcome: &Self::Outcome) -> Option<Stage>;
}

macro_rules! effect {
    (
        $(#[$doc:meta])*
        $name:ident, $field:ident, $started:ident, $outcome:ty, $gate:expr, $after:expr
    ) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy)]
        pub enum $name {}

        impl Effect for $name {
            const NAME: &'static str = stringify!($field);
            const GATE: Gate = $gate;
            const STARTED: Event = Event::$started;
            type Outcome = $outcome;

            fn entry(state: &OrderState) -> Option<&Entry<$outcome>> {
                state.$field.as_ref()
            }

            fn stage_after(outcome: &$outcome) -> Option<Stage> {
                let after: fn(&$outcome) -> Option<Stage> = $after;
                after(outcome)
            }
        }
    };
}

effect!(
    /// Holds the customer's money.
    Authorize, authorize, AuthorizeStarted, Authorization, Gate::Forward(Stage::Validated),
    |outcome| match outcome {
        Authorization::Held { .. } => Some(Stage::Authorized),
        Authorization::Declined { .. } => None,
    }
);
effect!(
    /// Books the shipment.
    Book, book, BookStarted, Booking, Gate::Forward(Stage::Authorized), |outcome| match outcome {
        Booking::Booked { .. } => Some(Stage::Shipped),
        Booking::Refused { .. } => None,
    }
);
effect!(
    /// Takes the customer's money. Its claim is the point of no return for cancelling.
    Capture, capture, CaptureStarted, CaptureResult, Gate::Forward(Stage::Shipped),
    |outcome| match outcome {
        CaptureResult::Taken { .. } => Some(Stage::Captured),
        CaptureResult::Refused { .. } => None,
    }
);
effect!(
    /// Tells the customer that the order is on its way.
    Notify, notify, NotifyStarted, MessageId, Gate::Forward(Stage::Captured),
    |_| Some(Stage::Completed)
);
effect!(
    /// Undo of [`Book`].
    Unbook, unbook, UnbookStarted, Unbooking, Gate::Undo, |_| None
);
effect!(
    /// Undo of [`Authorize`] and [`Capture`].
    Reverse, reverse, ReverseStarted, Reversal, Gate::Undo, |_| None
);
effect!(
    /// Tells the customer that the order did not come about.
    NotifyFailure, notify_failure, NotifyFailureStarted, MessageId, Gate::AfterUndo, |_| None
);

/// The key under which a provider performs an effect at most once: derived from order, attempt of
/// the order and effect, never from the retry.
#[must_use]
pub fn idempotency_key<E: Effect>(order_id: &OrderId, attempt: u32) -> String {
    format!("{order_id}-{attempt}-{}", E::NAME)
}

/// What an invocation may do about an effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Admission<T> {
    /// Claim it: nobody has.
    Fresh,
    /// The claim is this invocation's own: the answer to its write was lost.
    Own,
    /// Take the claim over from this owner, whose lease has run out: the outcome is unknown.
    TakeOver(Claim),
    /// Somebody else may be at work until then.
    Busy(Timestamp),
    /// It is done; this came of it.
    Done(T),
    /// It must not happen.
    Refused(StepError),
}

/// Decides about effect `E` for the invocation `owner`, which works for `attempt` of the order.
#[must_use]
pub fn admit<E: Effect>(
    state: &OrderState,
    attempt: u32,
    owner: &str,
    now: Timestamp,
) -> Admission<E::Outcome> {
    if let Err(error) = current_attempt(state, attempt) {
        return Admission::Refused(error);
    }
    if let Some(Entry::Done { outcome, .. }) = E::entry(state) {
        return Admission::Done(outcome.clone());
    }
    if let Err(error) = pass(state, E::NAME, E::GATE) {
        return Admission::Refused(error);
    }
    match E::entry(state) {
        None => Admission::Fresh,
        Some(Entry::Open(claim)) if claim.owner == owner => Admission::Own,
        Some(Entry::Open(claim)) if claim.until > now => Admission::Busy(claim.until),
        Some(Entry::Open(claim)) => Admission::TakeOver(claim.clone()),
        Some(Entry::Done { outcome, .. }) => Admission::Done(outcome.clone()),
    }
}

/// Whether nothing stands of an order that is being reversed, so that it may be closed: whatever order the
/// state machine asks for the undos in.
///
/// # Errors
/// What may still stand.
pub fn undone(state: &OrderState) -> Result<(), &'static str> {
    let refused = |booking: &Booking| matches!(booking, Booking::Refused { .. });
    let declined =
        |authorization: &Authorization| matches!(authorization, Authorization::Declined { .. });
    let ships = state.to_replace().is_some()
        || state
            .book
            .as_ref()
            .is_some_and(|entry| !entry.outcome().is_some_and(refused));
    if ships && state.unbook.as_ref().and_then(Entry::outcome).is_none() {
        return Err("its shipment is not cancelled");
    }
    let pays = state
        .authorize
        .as_ref()
        .is_some_and(|entry| !entry.outcome().is_some_and(declined));
    if pays && state.reverse.as_ref().and_then(Entry::outcome).is_none() {
        return Err("its payment is not reversed");
    }
    Ok(())
}

/// Whether `attempt` is the one that the order is at.
///
/// # Errors
/// [`ErrorName::InvalidInput`] if it is not.
pub fn current_attempt(state: &OrderState, attempt: u32) -> Result<(), StepError> {
    if state.attempt == attempt {
        return Ok(());
    }
    let current = state.attempt;
    Err(StepError::new(
        ErrorName::InvalidInput,
        format!("attempt {attempt} is not the order's current attempt {current}"),
    ))
}

/// Whether an order in `state` passes `gate`.
///
/// # Errors
/// [`ErrorName::OrderCancelled`] or [`ErrorName::InvalidInput`], with the reason.
pub fn pass(state: &OrderState, what: &str, gate: Gate) -> Result<(), StepError> {
    let stage = state.stage;
    let wrong_stage = || {
        let word = stage.as_str();
        StepError::new(
            ErrorName::InvalidInput,
            format!("{what} cannot happen to an order that is {word}"),
        )
    };
    match gate {
        Gate::Forward(_) if state.failure.is_some() => Err(StepError::new(
            ErrorName::InvalidInput,
            format!("{what} cannot happen to an order that is being reversed"),
        )),
        Gate::Forward(_) if state.cancel.is_some() => Err(StepError::new(
            ErrorName::OrderCancelled,
            "the order was cancelled",
        )),
        Gate::Forward(expected) if stage != expected => Err(wrong_stage()),
        Gate::Undo if stage.is_closed() || state.failure.is_none() => Err(wrong_stage()),
        Gate::AfterUndo if !stage.is_closed() || state.failure.is_none() => Err(wrong_stage()),
        Gate::Forward(_) | Gate::Undo | Gate::AfterUndo => Ok(()),
    }
}
