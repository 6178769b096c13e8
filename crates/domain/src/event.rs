//! What can happen to an order, in the words of its timeline.

use crate::stage::Stage;
use crate::words;

words! {
    /// Something that happened to an order. The words are the status view's, an interface.
    pub enum Event {
        /// It was accepted at the door.
        Received = "received",
        /// A person has to look at it.
        ReviewRequested = "review_requested",
        /// A reviewer said yes.
        Approved = "approved",
        /// Catalogue, stock and risk have nothing against it.
        Validated = "validated",
        /// Somebody began to hold the money; the outcome is not on record.
        AuthorizeStarted = "authorize_started",
        /// The money is held.
        Authorized = "authorized",
        /// The bank said no.
        Declined = "declined",
        /// Somebody began to book the shipment; the outcome is not on record.
        BookStarted = "book_started",
        /// A shipment is booked.
        Booked = "booked",
        /// The carrier said no.
        Refused = "refused",
        /// Somebody began to take the money; the outcome is not on record.
        CaptureStarted = "capture_started",
        /// The money is taken.
        Captured = "captured",
        /// The hold no longer stands.
        CaptureRefused = "capture_refused",
        /// Somebody began to send the confirmation; the outcome is not on record.
        NotifyStarted = "notify_started",
        /// The customer was told.
        CustomerNotified = "customer_notified",
        /// The customer, or whoever calls for them, asked for a cancellation.
        CancelRequested = "cancel_requested",
        /// Something failed, and everything is being reversed.
        Reversing = "reversing",
        /// Somebody began to cancel the shipment; the outcome is not on record.
        UnbookStarted = "unbook_started",
        /// The shipment is cancelled.
        ShipmentCancelled = "shipment_cancelled",
        /// The carrier does not void the label, for good.
        UnbookRefused = "unbook_refused",
        /// A person decided that we bear a shipment that the carrier does not cancel.
        ShipmentWrittenOff = "shipment_written_off",
        /// There was no shipment.
        NoShipmentToCancel = "no_shipment_to_cancel",
        /// Somebody began to give the money back; the outcome is not on record.
        ReverseStarted = "reverse_started",
        /// The provider does not give the money back, for good.
        ReverseRefused = "reverse_refused",
        /// A person settled otherwise what the provider does not give back.
        PaymentWrittenOff = "payment_written_off",
        /// There was no money to give back.
        NoPaymentToReverse = "no_payment_to_reverse",
        /// The hold was released.
        Voided = "voided",
        /// The money went back.
        Refunded = "refunded",
        /// Somebody began to tell the customer that it failed; the outcome is not on record.
        NotifyFailureStarted = "notify_failure_started",
        /// It was closed: paid, shipped, and the customer told.
        Completed = "completed",
        /// It was closed, or a reviewer said no.
        Rejected = "rejected",
        /// It was closed, or an operator cancelled it.
        Cancelled = "cancelled",
        /// It was closed: a dependency or we failed.
        Failed = "failed",
        /// The message to the customer is not to be sent any more.
        MessageWaived = "message_waived",
        /// An operator gave up the message to the customer.
        MessageGivenUp = "message_given_up",
        /// An operator asked for a redrive.
        RedriveRequested = "redrive_requested",
        /// An operator asked for a new attempt.
        ReprocessRequested = "reprocess_requested",
        /// An operator asked for a new attempt that goes on with what the last one did.
        RestartRequested = "restart_requested",
        /// An operator changed where the order or its messages go, or how it is paid.
        Modified = "modified",
        /// An operator asked for the message to be sent again.
        ResendRequested = "resend_requested",
        /// An operator had the providers asked.
        ResolveRequested = "resolve_requested",
        /// An operator settled what a provider does not undo.
        Settled = "settled",
        /// An operator had something let go of that the order's ledger did not account for.
        LetGoRequested = "let_go_requested",
        /// An operator had the label's document shown, which has the customer's name and address.
        LabelOpened = "label_opened",
        /// An operator had money given back again whose refund had failed.
        GiveBackRequested = "give_back_requested",
        /// A refund failed after it had succeeded: the customer's money is ours again.
        RefundFailed = "refund_failed",
        /// That money went back after all.
        RefundMadeGood = "refund_made_good",
        /// The customer disputes the payment with their bank.
        Disputed = "disputed",
        /// The bank decided for us, or the customer withdrew it: the money is ours.
        DisputeWon = "dispute_won",
        /// The bank decided for the customer: the money is theirs.
        DisputeLost = "dispute_lost",
        /// The monitor started an execution that had not been started.
        Started = "started",
        /// The monitor woke an execution that had missed a decision.
        Woken = "woken",
        /// The monitor recorded an end that no event had reported.
        EndRecorded = "end_recorded",
        /// The providers said what had become of an unknown outcome.
        Resolved = "resolved",
    }
}

impl Event {
    /// That an order was closed at `stage`. `None` for a stage that is not closed.
    #[must_use]
    pub const fn closed_as(stage: Stage) -> Option<Self> {
        match stage {
            Stage::Completed => Some(Self::Completed),
            Stage::Rejected => Some(Self::Rejected),
            Stage::Cancelled => Some(Self::Cancelled),
            Stage::Failed => Some(Self::Failed),
            Stage::Received
            | Stage::InReview
            | Stage::Validated
            | Stage::Authorized
            | Stage::Shipped
            | Stage::Captured => None,
        }
    }
}

words! {
    /// The part of the system that an entry of the timeline is about. Its words are the status view's,
    /// where the field is called `step`.
    pub enum Origin {
        /// The front door.
        Intake = "intake",
        /// The step that checks and reserves.
        Validate = "validate",
        /// The step that takes the money.
        Charge = "charge",
        /// The step that books the shipment.
        Ship = "ship",
        /// The step that tells the customer.
        Notify = "notify",
        /// The state machine.
        Workflow = "workflow",
        /// A person, through the page or the command line.
        Operator = "operator",
        /// What watches the orders.
        Monitor = "monitor",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_event_is_stored_under_its_word_and_reads_back() {
        for event in Event::ALL {
            let stored = serde_json::to_value(event).unwrap();
            assert_eq!(stored, event.as_str());
            assert_eq!(serde_json::from_value::<Event>(stored).unwrap(), *event);
        }
    }

    #[test]
    fn an_order_is_closed_under_the_word_of_its_stage_or_is_not_closed() {
        for stage in Stage::ALL {
            let event = Event::closed_as(*stage).map(Event::as_str);
            assert_eq!(event, stage.is_closed().then_some(stage.as_str()));
        }
    }
}
