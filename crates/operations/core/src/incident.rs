//! What is wrong with an order, or with what it waits for.

use domain::words;

words! {
    /// What is wrong though the order was not given up; the most pressing first.
    pub enum Incident {
        /// Nobody knows whether an effect happened, and nobody is going to find out by itself.
        OutcomeUnknown = "outcome_unknown",
        /// Its execution ended before everything was done or reversed: an undo gave up, or somebody
        /// stopped it.
        Unfinished = "unfinished",
        /// A provider sees its payment or its shipment otherwise than our ledger does.
        ProviderDiffers = "provider_differs",
        /// A refund of it failed after it had succeeded: what its ledger says went back is ours again.
        RefundFailed = "refund_failed",
        /// Its customer disputes the payment with their bank.
        Disputed = "disputed",
        /// It is paid and shipped, or reversed, and its customer was not told.
        MessageNotSent = "message_not_sent",
        /// It was accepted, and its execution cannot be started.
        NotStarted = "not_started",
        /// Nobody decided about it before its deadline, and it still waits.
        ReviewOverdue = "review_overdue",
        /// Its money is held for so long that the hold is about to lapse.
        HoldLapsing = "hold_lapsing",
        /// It is in a state of the process for longer than that state's limit.
        Overdue = "overdue",
        /// Its task has been failing for minutes, and is still tried.
        KeepsFailing = "keeps_failing",
    }
}

impl Incident {
    /// Whether somebody has to do something about the order. What a provider has to mend first is told, and is
    /// nobody's work yet.
    #[must_use]
    pub const fn needs_a_person(self) -> bool {
        match self {
            Self::KeepsFailing => false,
            Self::OutcomeUnknown
            | Self::Unfinished
            | Self::ProviderDiffers
            | Self::RefundFailed
            | Self::Disputed
            | Self::MessageNotSent
            | Self::NotStarted
            | Self::ReviewOverdue
            | Self::HoldLapsing
            | Self::Overdue => true,
        }
    }
}
