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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{
        at, at_stage, booked, booking, declined, done, failure, held, not_booked, open, received,
        refused, taken,
    };
    use crate::{CancelRequest, Replaced, Restart};

    fn cancelled(state: OrderState) -> OrderState {
        let cancel = Some(CancelRequest { at: at(3) });
        OrderState { cancel, ..state }
    }

    fn failing(stage: Stage) -> OrderState {
        OrderState {
            failure: failure(ErrorName::Internal),
            ..at_stage(stage)
        }
    }

    #[test]
    fn an_effect_is_claimed_once_and_taken_over_only_when_its_lease_has_run_out() {
        let validated = at_stage(Stage::Validated);
        let claimed = OrderState {
            authorize: open(),
            ..validated.clone()
        };
        let claim = Claim::new("somebody", at(10), at(20));
        for (state, owner, now, expected) in [
            (&validated, "me", 11, Admission::Fresh),
            (&claimed, "somebody", 11, Admission::Own),
            (&claimed, "somebody", 30, Admission::Own),
            (&claimed, "me", 19, Admission::Busy(at(20))),
            (&claimed, "me", 20, Admission::TakeOver(claim.clone())),
        ] {
            let found = admit::<Authorize>(state, 1, owner, at(now));
            assert_eq!(found, expected, "{owner} at {now}");
        }
    }

    #[test]
    fn what_came_of_an_effect_is_told_whatever_became_of_the_order_since() {
        let state = OrderState {
            authorize: declined(),
            ..cancelled(failing(Stage::Failed))
        };
        let outcome = state.authorize.as_ref().and_then(Entry::outcome).cloned();
        let told = admit::<Authorize>(&state, 1, "me", at(30));
        assert_eq!(Some(told), outcome.map(Admission::Done));
        // But only for its own attempt.
        let Admission::Refused(error) = admit::<Authorize>(&state, 2, "me", at(30)) else {
            panic!("another attempt was admitted");
        };
        let text = "InvalidInput: attempt 2 is not the order's current attempt 1";
        assert_eq!(error.to_string(), text);
    }

    #[test]
    fn an_open_claim_is_no_way_past_the_gate() {
        let state = OrderState {
            authorize: open(),
            ..cancelled(at_stage(Stage::Validated))
        };
        let admitted = admit::<Authorize>(&state, 1, "somebody", at(11));
        assert!(matches!(admitted, Admission::Refused(_)), "{admitted:?}");
    }

    #[test]
    fn each_gate_opens_where_it_should_and_nowhere_else() {
        let forward = Gate::Forward(Stage::Authorized);
        let reversed = "InvalidInput: book cannot happen to an order that is being reversed";
        for (gate, state, expected) in [
            (forward, at_stage(Stage::Authorized), ""),
            (
                forward,
                at_stage(Stage::Shipped),
                "InvalidInput: book cannot happen to an order that is shipped",
            ),
            (
                forward,
                cancelled(at_stage(Stage::Authorized)),
                "OrderCancelled: the order was cancelled",
            ),
            (forward, failing(Stage::Authorized), reversed),
            (forward, cancelled(failing(Stage::Authorized)), reversed),
            (Gate::Undo, failing(Stage::Authorized), ""),
            (Gate::Undo, cancelled(failing(Stage::Shipped)), ""),
            (
                Gate::Undo,
                at_stage(Stage::Shipped),
                "InvalidInput: book cannot happen to an order that is shipped",
            ),
            (
                Gate::Undo,
                failing(Stage::Failed),
                "InvalidInput: book cannot happen to an order that is failed",
            ),
            (Gate::AfterUndo, failing(Stage::Failed), ""),
            (
                Gate::AfterUndo,
                failing(Stage::Shipped),
                "InvalidInput: book cannot happen to an order that is shipped",
            ),
            (
                Gate::AfterUndo,
                at_stage(Stage::Completed),
                "InvalidInput: book cannot happen to an order that is completed",
            ),
        ] {
            let told = pass(&state, "book", gate).err();
            let told = told.map_or_else(String::new, |error| error.to_string());
            assert_eq!(told, expected, "{gate:?} at {}", state.stage);
        }
    }

    #[test]
    fn an_order_is_not_closed_while_its_shipment_or_its_payment_may_stand() {
        let shipment = Err("its shipment is not cancelled");
        let payment = Err("its payment is not reversed");
        let unbook = || done(Unbooking::Cancelled);
        for (book, unbook, authorize, reverse, expected) in [
            (None, None, None, None, Ok(())),
            (not_booked(), None, declined(), None, Ok(())),
            (booked(), None, None, None, shipment),
            (booked(), open(), None, None, shipment),
            (booked(), refused("used"), None, None, shipment),
            (open(), None, None, None, shipment),
            (booked(), unbook(), None, None, Ok(())),
            (booked(), unbook(), held(), None, payment),
            (None, None, held(), open(), payment),
            (None, None, open(), None, payment),
            (None, None, open(), done(Reversal::Nothing), Ok(())),
            (booked(), unbook(), held(), done(Reversal::Voided), Ok(())),
        ] {
            let state = OrderState {
                authorize,
                book,
                unbook,
                reverse,
                ..failing(Stage::Shipped)
            };
            assert_eq!(undone(&state), expected, "{state:?}");
        }
    }

    #[test]
    fn an_order_is_not_closed_while_a_label_that_was_to_be_replaced_may_stand() {
        let replaces = Some(Replaced {
            booking: booking("se-1"),
            attempt: 1,
        });
        let state = OrderState {
            restart: Some(Restart {
                at: at(3),
                version: 2,
                payment_of: 1,
                shipment_of: 2,
                replaces,
            }),
            ..failing(Stage::Authorized)
        };
        assert_eq!(undone(&state), Err("its shipment is not cancelled"));
        let unbook = done(Unbooking::Cancelled);
        assert_eq!(undone(&OrderState { unbook, ..state }), Ok(()));
    }

    #[test]
    fn an_outcome_moves_an_order_on_and_a_refusal_does_not() {
        fn after<E: Effect>(entry: Option<&Entry<E::Outcome>>) -> Option<Stage> {
            entry.and_then(Entry::outcome).and_then(E::stage_after)
        }
        let message = || done(MessageId("m".to_owned()));
        let code = String::new();
        let lapsed = done(CaptureResult::Refused { code });
        for (stage, expected) in [
            (after::<Authorize>(held().as_ref()), Some(Stage::Authorized)),
            (after::<Authorize>(declined().as_ref()), None),
            (after::<Book>(booked().as_ref()), Some(Stage::Shipped)),
            (after::<Book>(not_booked().as_ref()), None),
            (after::<Capture>(taken().as_ref()), Some(Stage::Captured)),
            (after::<Capture>(lapsed.as_ref()), None),
            (after::<Notify>(message().as_ref()), Some(Stage::Completed)),
            // What closes a reversed order is the release of its stock.
            (after::<Unbook>(done(Unbooking::Cancelled).as_ref()), None),
            (after::<Reverse>(done(Reversal::Voided).as_ref()), None),
            (after::<NotifyFailure>(message().as_ref()), None),
        ] {
            assert_eq!(stage, expected);
        }
    }

    #[test]
    fn a_key_is_that_of_an_effect_of_an_attempt_of_an_order() {
        let order_id = received().order_id;
        assert_eq!(idempotency_key::<Capture>(&order_id, 2), "ord-1-2-capture");
    }
}
