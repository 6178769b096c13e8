//! What needs a person.

use domain::words;

words! {
    /// What needs a person though no step has failed with an error of the catalogue; the most pressing
    /// first.
    pub enum Incident {
        /// Its execution ended before everything was done or reversed: an undo gave up, or somebody
        /// stopped it.
        Unfinished = "unfinished",
        /// Nobody knows whether an effect happened, and nobody is going to find out by itself.
        OutcomeUnknown = "outcome_unknown",
        /// A provider sees its payment or its shipment otherwise than our ledger does.
        ProviderDiffers = "provider_differs",
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
    }
}
