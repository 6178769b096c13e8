//! Where an order, its money, its goods and its message stand, in the words of the status view.

use crate::execution::ExecutionStatus;
use crate::stage::Stage;
use crate::state::OrderState;
use crate::words;

words! {
    /// Where an order stands, in one word, as the outside sees it: its [`Stage`] and its execution taken
    /// together. The one that asks for a person comes first, those that are for good come last.
    pub enum Status {
        /// Its execution ended before everything was done or reversed.
        NeedsAttention = "needs_attention",
        /// It waits for a person's decision.
        InReview = "in_review",
        /// It was accepted.
        Received = "received",
        /// Its stock is reserved.
        Validated = "validated",
        /// Its money is held.
        Authorized = "authorized",
        /// It is booked with the carrier, and perhaps paid.
        Shipped = "shipped",
        /// A dependency or we failed, and everything was reversed.
        Failed = "failed",
        /// The order itself or the customer's money said no, and everything was reversed.
        Rejected = "rejected",
        /// Somebody cancelled it, and everything was reversed.
        Cancelled = "cancelled",
        /// It is paid and shipped.
        Completed = "completed",
    }
}

impl Status {
    /// Whether an order stays like that: it is listed by its end, not among the open ones.
    #[must_use]
    pub const fn is_final(self) -> bool {
        match self {
            Self::Completed | Self::Rejected | Self::Cancelled | Self::Failed => true,
            Self::Received
            | Self::Validated
            | Self::InReview
            | Self::Authorized
            | Self::Shipped
            | Self::NeedsAttention => false,
        }
    }

    /// The status of an order from its ledger and its execution.
    ///
    /// An execution that ended while the ledger is not closed needs a person, but for one case:
    /// an order that is paid and shipped is complete even if its message could not be sent.
    #[must_use]
    pub fn of(state: &OrderState, execution: ExecutionStatus) -> Self {
        match state.stage {
            Stage::Completed => Self::Completed,
            Stage::Rejected => Self::Rejected,
            Stage::Cancelled => Self::Cancelled,
            Stage::Failed => Self::Failed,
            Stage::Captured if execution == ExecutionStatus::Succeeded => Self::Completed,
            // Step Functions forgets an execution 90 days after its end.
            Stage::Captured
                if execution == ExecutionStatus::NotStarted && state.failure.is_none() =>
            {
                Self::Completed
            }
            _ if execution == ExecutionStatus::NotStarted && !state.may_not_be_started() => {
                Self::NeedsAttention
            }
            _ if execution.has_ended() => Self::NeedsAttention,
            Stage::Received => Self::Received,
            Stage::InReview => Self::InReview,
            Stage::Validated => Self::Validated,
            Stage::Authorized => Self::Authorized,
            Stage::Shipped | Stage::Captured => Self::Shipped,
        }
    }
}

words! {
    /// Where the customer's money stands.
    pub enum PaymentStatus {
        /// Nothing is or was held.
        None = "none",
        /// Nobody knows what became of the last call to the provider.
        Unknown = "unknown",
        /// It is held.
        Authorized = "authorized",
        /// It is ours.
        Captured = "captured",
        /// The hold was released.
        Voided = "voided",
        /// It went back.
        Refunded = "refunded",
        /// It is to go back: a refund has failed after it was made.
        RefundPending = "refund_pending",
        /// The customer disputes it with their bank, which has not decided yet.
        Disputed = "disputed",
        /// The bank said no.
        Declined = "declined",
    }
}

words! {
    /// Where the goods stand.
    pub enum ShipmentStatus {
        /// Nothing is booked.
        None = "none",
        /// Nobody knows what became of the last call to the carrier.
        Unknown = "unknown",
        /// There is a label.
        Booked = "booked",
        /// They are on their way.
        InTransit = "in_transit",
        /// They have arrived.
        Delivered = "delivered",
        /// The label is void.
        Cancelled = "cancelled",
        /// There is a label that the carrier does not void (any more).
        CannotBeCancelled = "cannot_be_cancelled",
    }
}

words! {
    /// Where the message to the customer stands.
    pub enum NotificationStatus {
        /// It is not due, or still being sent.
        None = "none",
        /// Nobody knows whether the mail service took it.
        Unknown = "unknown",
        /// The mail service took it.
        Sent = "sent",
        /// Nobody sends it any more.
        Failed = "failed",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{at, at_stage, failure, received};
    use crate::{ErrorName, Restart};
    use ExecutionStatus::{
        Aborted, Failed, NotStarted, PendingRedrive, Running, Succeeded, TimedOut,
    };

    #[test]
    fn an_open_order_whose_execution_goes_on_is_where_its_stage_says() {
        for (stage, status) in [
            (Stage::Received, Status::Received),
            (Stage::InReview, Status::InReview),
            (Stage::Validated, Status::Validated),
            (Stage::Authorized, Status::Authorized),
            (Stage::Shipped, Status::Shipped),
            // Whether it is paid is told beside it.
            (Stage::Captured, Status::Shipped),
        ] {
            for execution in [Running, PendingRedrive] {
                assert_eq!(Status::of(&at_stage(stage), execution), status, "{stage}");
            }
            assert!(!status.is_final());
        }
        assert!(!Status::NeedsAttention.is_final());
    }

    #[test]
    fn an_order_whose_execution_ended_too_early_needs_a_person() {
        let stages = Stage::ALL[..5].iter().copied();
        for (stage, execution) in stages.flat_map(|stage| {
            [Succeeded, Failed, TimedOut, Aborted].map(|execution| (stage, execution))
        }) {
            let found = Status::of(&at_stage(stage), execution);
            assert_eq!(found, Status::NeedsAttention, "{stage}, {execution:?}");
        }
    }

    #[test]
    fn what_is_closed_stays_as_it_is_whatever_became_of_its_execution() {
        for (stage, status) in [
            (Stage::Completed, Status::Completed),
            (Stage::Rejected, Status::Rejected),
            (Stage::Cancelled, Status::Cancelled),
            (Stage::Failed, Status::Failed),
        ] {
            for execution in [Running, NotStarted, Succeeded, Failed] {
                assert_eq!(Status::of(&at_stage(stage), execution), status);
            }
            assert!(status.is_final());
        }
    }

    #[test]
    fn an_order_is_complete_without_its_message_once_it_is_paid_and_shipped() {
        let paid = at_stage(Stage::Captured);
        let reversed = OrderState {
            failure: failure(ErrorName::Internal),
            ..paid.clone()
        };
        assert_eq!(Status::of(&paid, Succeeded), Status::Completed);
        // Step Functions has forgotten it.
        assert_eq!(Status::of(&paid, NotStarted), Status::Completed);
        assert_eq!(Status::of(&reversed, NotStarted), Status::NeedsAttention);
        assert_eq!(Status::of(&paid, Failed), Status::NeedsAttention);
    }

    #[test]
    fn an_order_that_was_not_started_waits_and_one_whose_execution_is_forgotten_does_not() {
        assert_eq!(Status::of(&received(), NotStarted), Status::Received);
        let validated = at_stage(Stage::Validated);
        assert_eq!(Status::of(&validated, NotStarted), Status::NeedsAttention);
        // A new attempt at it, to which nothing has happened yet.
        let restarted = OrderState {
            restart: Some(Restart {
                at: at(1),
                version: validated.version,
                payment_of: 1,
                shipment_of: 1,
                replaces: None,
            }),
            ..validated
        };
        assert_eq!(Status::of(&restarted, NotStarted), Status::Validated);
        let touched = OrderState {
            version: restarted.version + 1,
            ..restarted
        };
        assert_eq!(Status::of(&touched, NotStarted), Status::NeedsAttention);
    }
}
