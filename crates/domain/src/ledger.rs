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
use jiff::fmt::serde::timestamp::millisecond;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::{ErrorName, OrderId, OrderState, Stage, StepError};

/// Somebody is performing an effect, or died trying.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// The invocation that performs it.
    pub owner: String,
    /// When it was first claimed. Kept when a successor takes over: providers forget keys after a while.
    #[serde(with = "millisecond::required")]
    pub since: Timestamp,
    /// Until when the owner may be at work: not later than when its function is killed.
    #[serde(with = "millisecond::required")]
    pub until: Timestamp,
}

/// One side effect in the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Entry<T> {
    /// The outcome is known.
    Done {
        /// What came of it.
        outcome: T,
        /// When it was committed.
        #[serde(with = "millisecond::required")]
        at: Timestamp,
    },
    /// The outcome is not known (yet).
    Open(Claim),
}

impl<T> Entry<T> {
    /// The outcome, if it is known.
    pub fn outcome(&self) -> Option<&T> {
        match self {
            Self::Done { outcome, .. } => Some(outcome),
            Self::Open(_) => None,
        }
    }
}

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
    /// What can come of it.
    type Outcome: Serialize + DeserializeOwned + Clone + Debug + PartialEq + Send + Sync + 'static;

    /// Its entry.
    fn entry(state: &OrderState) -> Option<&Entry<Self::Outcome>>;
    /// The stage that its outcome leads to, if it changes the stage.
    fn stage_after(outcome: &Self::Outcome) -> Option<Stage>;
}

/// What came of asking the bank to hold the money.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Authorization {
    /// The money is held.
    Held {
        /// The provider's reference.
        payment: String,
    },
    /// The bank said no.
    Declined {
        /// The provider's code, such as `insufficient_funds`.
        code: String,
    },
}

impl Authorization {
    /// A hold lapses by itself: the shortest that a card network grants for a payment without the
    /// card at hand is 4 days and 18 hours. Six hours before that it is no longer relied on.
    /// <https://docs.stripe.com/payments/place-a-hold-on-a-payment-method>
    pub const TRUSTED_FOR: std::time::Duration = std::time::Duration::from_hours(4 * 24 + 12);
}

/// What came of booking the shipment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Booking {
    /// There is a label.
    Booked {
        /// The carrier's reference.
        label: String,
        /// The carrier.
        carrier: String,
        /// What the customer can follow.
        tracking: String,
    },
    /// The carrier will not take it.
    Refused {
        /// The carrier's code, such as `invalid_address`.
        code: String,
    },
}

/// What came of taking the money.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CaptureResult {
    /// It is ours.
    Taken {
        /// Minor units of the order's currency.
        amount: u64,
    },
    /// The authorisation no longer stands.
    Refused {
        /// The provider's code.
        code: String,
    },
}

/// What came of giving the money back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reversal {
    /// There was nothing to give back.
    Nothing,
    /// The money is no longer held.
    Voided,
    /// The money went back.
    Refunded {
        /// The provider's reference of the refund.
        refund: String,
        /// Minor units of the order's currency.
        amount: u64,
    },
}

/// What came of cancelling the shipment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unbooking {
    /// There was no shipment.
    Nothing,
    /// The label is void.
    Cancelled,
}

/// The mail service's id of a message that it took.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MessageId(pub String);

macro_rules! effect {
    ($(#[$doc:meta])* $name:ident, $field:ident, $outcome:ty, $gate:expr, $after:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy)]
        pub enum $name {}

        impl Effect for $name {
            const NAME: &'static str = stringify!($field);
            const GATE: Gate = $gate;
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
    Authorize, authorize, Authorization, Gate::Forward(Stage::Validated), |outcome| match outcome {
        Authorization::Held { .. } => Some(Stage::Authorized),
        Authorization::Declined { .. } => None,
    }
);
effect!(
    /// Books the shipment.
    Book, book, Booking, Gate::Forward(Stage::Authorized), |outcome| match outcome {
        Booking::Booked { .. } => Some(Stage::Shipped),
        Booking::Refused { .. } => None,
    }
);
effect!(
    /// Takes the customer's money. Its claim is the point of no return for cancelling.
    Capture, capture, CaptureResult, Gate::Forward(Stage::Shipped), |outcome| match outcome {
        CaptureResult::Taken { .. } => Some(Stage::Captured),
        CaptureResult::Refused { .. } => None,
    }
);
effect!(
    /// Tells the customer that the order is on its way.
    Notify, notify, MessageId, Gate::Forward(Stage::Captured), |_| Some(Stage::Completed)
);
effect!(
    /// Undo of [`Book`].
    Unbook, unbook, Unbooking, Gate::Undo, |_| None
);
effect!(
    /// Undo of [`Authorize`] and [`Capture`].
    Reverse, reverse, Reversal, Gate::Undo, |_| None
);
effect!(
    /// Tells the customer that the order did not come about.
    NotifyFailure, notify_failure, MessageId, Gate::AfterUndo, |_| None
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
