//! Where in the process an order is, and how it does there.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ledger::Entry;
use crate::{OrderState, Stage};

macro_rules! places {
    ($($(#[$doc:meta])* $name:ident: $waits_for:literal, at_risk: $at_risk:expr, overdue: $overdue:expr;)*) => {
        /// The state of the process that an order is in. Named as in `statemachine/order.asl.json`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum Place {
            $($(#[$doc])* $name,)*
        }

        impl Place {
            /// Every place, in the order in which an order comes to them.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The state's name.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => stringify!($name)),* }
            }

            /// What an order that is here waits for.
            #[must_use]
            pub const fn waits_for(self) -> &'static str {
                match self { $(Self::$name => $waits_for),* }
            }

            /// How long an order is here at most while nothing is wrong: longer than one try of its task
            /// may take.
            #[must_use]
            pub const fn at_risk_after(self) -> Duration {
                match self { $(Self::$name => $at_risk),* }
            }

            /// After how long somebody should look, though retries may still go on.
            #[must_use]
            pub const fn overdue_after(self) -> Duration {
                match self { $(Self::$name => $overdue),* }
            }
        }
    };
}

pub(super) const MINUTE: u64 = 60;
pub(super) const HOUR: u64 = 60 * MINUTE;

places! {
    /// Catalogue, stock and risk are looked at.
    ValidateOrder: "the catalogue and the stock", at_risk: Duration::from_secs(2 * MINUTE), overdue: Duration::from_secs(15 * MINUTE);
    /// A person has to decide.
    ReviewOrder: "a person's decision", at_risk: Duration::from_secs(20 * HOUR), overdue: Duration::from_secs(25 * HOUR);
    /// The customer's money is to be held.
    ChargePayment: "the payment provider", at_risk: Duration::from_secs(2 * MINUTE), overdue: Duration::from_secs(15 * MINUTE);
    /// The shipment is to be booked.
    ShipOrder: "the carrier", at_risk: Duration::from_secs(2 * MINUTE), overdue: Duration::from_secs(15 * MINUTE);
    /// The customer's money is to be taken.
    CapturePayment: "the payment provider", at_risk: Duration::from_secs(2 * MINUTE), overdue: Duration::from_secs(15 * MINUTE);
    /// The customer is to be told that the order is on its way.
    NotifyCustomer: "the mail service", at_risk: Duration::from_secs(2 * MINUTE), overdue: Duration::from_secs(30 * MINUTE);
    /// The shipment is to be cancelled.
    CancelShipment: "the carrier", at_risk: Duration::from_secs(2 * MINUTE), overdue: Duration::from_secs(30 * MINUTE);
    /// The customer's money is to be given back.
    ReversePayment: "the payment provider", at_risk: Duration::from_secs(2 * MINUTE), overdue: Duration::from_secs(30 * MINUTE);
    /// The stock is to be released.
    ReleaseStock: "the stock", at_risk: Duration::from_secs(2 * MINUTE), overdue: Duration::from_secs(30 * MINUTE);
    /// The customer is to be told that the order did not come about.
    NotifyFailure: "the mail service", at_risk: Duration::from_secs(2 * MINUTE), overdue: Duration::from_secs(30 * MINUTE);
}

/// When an effect was committed, if it was.
pub(super) fn done_at<T>(entry: Option<&Entry<T>>) -> Option<Timestamp> {
    match entry {
        Some(Entry::Done { at, .. }) => Some(*at),
        Some(Entry::Open(_)) | None => None,
    }
}

impl Place {
    /// Whether it belongs to the failure branch.
    #[must_use]
    pub const fn is_undo(self) -> bool {
        match self {
            Self::CancelShipment
            | Self::ReversePayment
            | Self::ReleaseStock
            | Self::NotifyFailure => true,
            Self::ValidateOrder
            | Self::ReviewOrder
            | Self::ChargePayment
            | Self::ShipOrder
            | Self::CapturePayment
            | Self::NotifyCustomer => false,
        }
    }

    /// Where the ledger says that an order is, and since when. `None` once nothing is left to do.
    #[must_use]
    pub fn of(state: &OrderState) -> Option<(Self, Timestamp)> {
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

/// How an order does against the limits of its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    /// As usual.
    OnTrack,
    /// Longer than usual.
    AtRisk,
    /// Longer than it may be.
    Overdue,
}

impl Health {
    /// Every value, the best first.
    pub const ALL: [Self; 3] = [Self::OnTrack, Self::AtRisk, Self::Overdue];

    /// Its name in records.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OnTrack => "on_track",
            Self::AtRisk => "at_risk",
            Self::Overdue => "overdue",
        }
    }

    pub(super) fn of(place: Place, since: Timestamp, now: Timestamp) -> Self {
        if now >= since + place.overdue_after() {
            Self::Overdue
        } else if now >= since + place.at_risk_after() {
            Self::AtRisk
        } else {
            Self::OnTrack
        }
    }
}
