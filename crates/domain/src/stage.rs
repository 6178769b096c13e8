//! How far an order has come.

use crate::words;
use crate::{ErrorName, LeadsTo};

words! {
    /// How far an order has come, as its ledger says. Forward in the order given here; the last four
    /// are for good. What the outside sees of it is [`crate::Status`].
    pub enum Stage {
        /// Accepted at the door.
        Received = "received",
        /// Its stock is reserved; a person has to look at it.
        InReview = "in_review",
        /// Its stock is reserved; money may move.
        Validated = "validated",
        /// The customer's money is held.
        Authorized = "authorized",
        /// A shipment is booked.
        Shipped = "shipped",
        /// The customer's money is ours.
        Captured = "captured",
        /// The customer was told. Closed.
        Completed = "completed",
        /// Reversed: the order or the customer's money said no. Closed.
        Rejected = "rejected",
        /// Reversed: somebody cancelled it. Closed.
        Cancelled = "cancelled",
        /// Reversed: a dependency or we failed. Closed.
        Failed = "failed",
    }
}

impl Stage {
    /// Whether nothing happens to the order any more.
    #[must_use]
    pub const fn is_closed(self) -> bool {
        match self {
            Self::Completed | Self::Rejected | Self::Cancelled | Self::Failed => true,
            Self::Received
            | Self::InReview
            | Self::Validated
            | Self::Authorized
            | Self::Shipped
            | Self::Captured => false,
        }
    }

    /// Where an order ends once everything is reversed because of `error`.
    #[must_use]
    pub const fn reversed_because_of(error: ErrorName) -> Self {
        match error.leads_to() {
            LeadsTo::Rejected => Self::Rejected,
            LeadsTo::Cancelled => Self::Cancelled,
            LeadsTo::Failed | LeadsTo::Review | LeadsTo::GoesOn => Self::Failed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_four_are_for_good() {
        let closed = Stage::ALL.iter().filter(|stage| stage.is_closed());
        let last = &Stage::ALL[6..];
        assert_eq!(closed.collect::<Vec<_>>(), last.iter().collect::<Vec<_>>());
    }

    #[test]
    fn how_a_reversed_order_ends_depends_on_whose_fault_it_was() {
        for (error, end) in [
            (ErrorName::OrderRejected, Stage::Rejected),
            (ErrorName::PaymentDeclined, Stage::Rejected),
            (ErrorName::OrderCancelled, Stage::Cancelled),
            (ErrorName::CarrierUnavailable, Stage::Failed),
            (ErrorName::Internal, Stage::Failed),
            // Nothing is reversed because of these; if it were, the fault would be ours.
            (ErrorName::ReviewRequired, Stage::Failed),
            (ErrorName::NotificationUnavailable, Stage::Failed),
        ] {
            assert_eq!(Stage::reversed_because_of(error), end, "{error}");
        }
    }
}
