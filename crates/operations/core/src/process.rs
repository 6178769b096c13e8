//! The states of the process that an order passes, and how it does there.

use std::time::Duration;

use domain::ledger::Entry;
use domain::{OrderState, Stage, Timestamp, words};
use serde::{Deserialize, Serialize};

use crate::limits::Limits;

macro_rules! process_states {
    ($(
        $(#[$doc:meta])*
        $kind:ident $name:ident: $waits_for:literal, at_risk: $at_risk:expr, overdue: $overdue:expr;
    )*) => {
        /// The state of the process that an order is in. Named as in `statemachine/order.asl.json`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum ProcessState {
            $($(#[$doc])* $name,)*
        }

        impl ProcessState {
            /// Every state, in the order in which an order comes to them.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The state's name.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => stringify!($name)),* }
            }

            /// The state with this name.
            #[must_use]
            pub fn from_word(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|state| state.as_str() == name)
            }

            /// Whether it belongs to the failure branch.
            #[must_use]
            pub const fn is_undo(self) -> bool {
                match self { $(Self::$name => process_states!(@is_undo $kind)),* }
            }

            /// What an order that is here waits for.
            #[must_use]
            pub const fn waits_for(self) -> &'static str {
                match self { $(Self::$name => $waits_for),* }
            }

            /// How long an order is here at most while nothing is wrong, unless a deployment sets it
            /// otherwise: longer than one try of its task may take.
            #[must_use]
            pub const fn at_risk_after(self) -> Duration {
                match self { $(Self::$name => $at_risk),* }
            }

            /// After how long somebody should look, though retries may still go on, unless a deployment
            /// sets it otherwise; see [`Limits`].
            #[must_use]
            pub const fn overdue_after(self) -> Duration {
                match self { $(Self::$name => $overdue),* }
            }
        }
    };
    (@is_undo forward) => { false };
    (@is_undo undo) => { true };
}

impl std::fmt::Display for ProcessState {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.pad(self.as_str())
    }
}

pub(crate) const MINUTE: u64 = 60;
pub(crate) const HOUR: u64 = 60 * MINUTE;

const fn minutes(count: u64) -> Duration {
    Duration::from_secs(count * MINUTE)
}

const fn hours(count: u64) -> Duration {
    Duration::from_secs(count * HOUR)
}

process_states! {
    /// Catalogue, stock and risk are looked at.
    forward ValidateOrder: "the catalogue and the stock", at_risk: minutes(2), overdue: minutes(15);
    /// A person has to decide.
    forward ReviewOrder: "a person's decision", at_risk: hours(20), overdue: hours(25);
    /// The customer's money is to be held.
    forward ChargePayment: "the payment provider", at_risk: minutes(2), overdue: minutes(15);
    /// The shipment is to be booked.
    forward ShipOrder: "the carrier", at_risk: minutes(5), overdue: minutes(30);
    /// The customer's money is to be taken.
    forward CapturePayment: "the payment provider", at_risk: minutes(2), overdue: minutes(15);
    /// The customer is to be told that the order is on its way.
    forward NotifyCustomer: "the mail service", at_risk: minutes(2), overdue: minutes(30);
    /// The shipment is to be cancelled.
    undo CancelShipment: "the carrier", at_risk: minutes(5), overdue: minutes(30);
    /// The customer's money is to be given back.
    undo ReversePayment: "the payment provider", at_risk: minutes(2), overdue: minutes(30);
    /// The stock is to be released.
    undo ReleaseStock: "the stock", at_risk: minutes(2), overdue: minutes(30);
    /// The customer is to be told that the order did not come about.
    undo NotifyFailure: "the mail service", at_risk: minutes(2), overdue: minutes(30);
}

/// When an effect was committed, if it was.
pub(crate) fn done_at<T>(entry: Option<&Entry<T>>) -> Option<Timestamp> {
    match entry {
        Some(Entry::Done { at, .. }) => Some(*at),
        Some(Entry::Open(_)) | None => None,
    }
}

impl ProcessState {
    /// Where the ledger says that an order is, and since when. `None` once nothing is left to do.
    #[must_use]
    pub fn of(state: &OrderState) -> Option<(Self, Timestamp)> {
        let (at, since) = Self::reached(state)?;
        // What an earlier attempt did long ago does not make this one late.
        let began = state.restart.as_ref().map(|restart| restart.at);
        Some((at, began.map_or(since, |began| since.max(began))))
    }

    fn reached(state: &OrderState) -> Option<(Self, Timestamp)> {
        if let Some(failure) = &state.failure {
            let unbooked = done_at(state.unbook.as_ref());
            let reversed = done_at(state.reverse.as_ref());
            return match (unbooked, reversed, state.closed_at) {
                (_, _, Some(_)) if done_at(state.notify_failure.as_ref()).is_some() => None,
                (_, _, Some(_)) if state.waived_at.is_some() => None,
                (_, _, Some(at)) => Some((Self::NotifyFailure, at)),
                (None, _, None) => Some((Self::CancelShipment, failure.at)),
                (Some(at), None, None) => Some((Self::ReversePayment, at)),
                (Some(_), Some(at), None) => Some((Self::ReleaseStock, at)),
            };
        }
        let since = |at: Option<Timestamp>| at.unwrap_or(state.received_at);
        match state.stage {
            Stage::Received => Some((Self::ValidateOrder, state.received_at)),
            Stage::InReview => {
                let at = state.review.as_ref().map(|review| review.since);
                Some((Self::ReviewOrder, since(at)))
            }
            Stage::Validated => Some((Self::ChargePayment, since(state.validated_at))),
            Stage::Authorized => Some((Self::ShipOrder, since(done_at(state.authorize.as_ref())))),
            Stage::Shipped => Some((Self::CapturePayment, since(done_at(state.book.as_ref())))),
            Stage::Captured if state.waived_at.is_some() => None,
            Stage::Captured => Some((Self::NotifyCustomer, since(done_at(state.capture.as_ref())))),
            Stage::Completed | Stage::Rejected | Stage::Cancelled | Stage::Failed => None,
        }
    }
}

/// How long an order that came to its end spent in each at that it passed.
#[must_use]
pub fn durations(state: &OrderState) -> Vec<(ProcessState, Duration)> {
    let reviewed = state.review.as_ref().map(|review| review.since);
    let states = [
        (
            ProcessState::ValidateOrder,
            Some(state.received_at),
            reviewed.or(state.validated_at),
        ),
        (
            ProcessState::ReviewOrder,
            reviewed,
            state
                .validated_at
                .or(state.failure.as_ref().map(|failure| failure.at)),
        ),
        (
            ProcessState::ChargePayment,
            state.validated_at,
            done_at(state.authorize.as_ref()),
        ),
        (
            ProcessState::ShipOrder,
            done_at(state.authorize.as_ref()),
            done_at(state.book.as_ref()),
        ),
        (
            ProcessState::CapturePayment,
            done_at(state.book.as_ref()),
            done_at(state.capture.as_ref()),
        ),
        (
            ProcessState::NotifyCustomer,
            done_at(state.capture.as_ref()),
            done_at(state.notify.as_ref()),
        ),
        (
            ProcessState::CancelShipment,
            state.failure.as_ref().map(|failure| failure.at),
            done_at(state.unbook.as_ref()),
        ),
        (
            ProcessState::ReversePayment,
            done_at(state.unbook.as_ref()),
            done_at(state.reverse.as_ref()),
        ),
        (
            ProcessState::ReleaseStock,
            done_at(state.reverse.as_ref()),
            state.closed_at,
        ),
        (
            ProcessState::NotifyFailure,
            state.failure.as_ref().and(state.closed_at),
            done_at(state.notify_failure.as_ref()),
        ),
    ];
    let took = |(at, from, to): (ProcessState, Option<Timestamp>, Option<Timestamp>)| {
        let took = Duration::try_from(to?.duration_since(from?)).ok()?;
        Some((at, took))
    };
    states.into_iter().filter_map(took).collect()
}

words! {
    /// How an order does against the limits of the state that it is in, the best first.
    pub enum Health {
        /// As usual.
        OnTrack = "on_track",
        /// Longer than usual.
        AtRisk = "at_risk",
        /// Longer than it may be.
        Overdue = "overdue",
    }
}

impl Health {
    pub(crate) fn of(at: ProcessState, since: Timestamp, limits: &Limits, now: Timestamp) -> Self {
        if now >= since + limits.overdue_after(at) {
            Self::Overdue
        } else if now >= since + limits.at_risk_after(at) {
            Self::AtRisk
        } else {
            Self::OnTrack
        }
    }
}
