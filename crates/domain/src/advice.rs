//! What each error and each kind of trouble means, who can mend it, and what to do: one table, which
//! the status view, the alarms' texts, the command line and the operators' page all read.

use serde::{Deserialize, Serialize};

use crate::{Class, ErrorName};

/// Who can mend it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mender {
    /// Who ordered.
    Customer,
    /// Whoever looks after orders: an action below is enough.
    Operator,
    /// Whoever runs the service that does not do its part.
    Provider,
    /// Whoever changes this software or its settings.
    Developer,
}

/// What becomes of trying it again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Again {
    /// It may succeed, and does no harm.
    Safe,
    /// It does no harm, and comes to the same until something else has changed.
    Pointless,
    /// Not before the provider was asked what became of the last try.
    Locked,
}

/// What an operator can do to an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Lets an order that waits for a review go on.
    Approve,
    /// Ends an order that waits for a review.
    Reject,
    /// Asks for the order to be cancelled.
    Cancel,
    /// Lets an execution that ended too early go on where it stopped.
    Redrive,
    /// Begins a new attempt at an order that was reversed.
    Reprocess,
    /// Sends the message that the customer did not get.
    Resend,
    /// Asks the provider what became of an effect whose outcome nobody knows; or, where a message cannot be
    /// sent, gives it up.
    Resolve,
}

impl Action {
    /// Every action.
    pub const ALL: [Self; 7] = [
        Self::Approve,
        Self::Reject,
        Self::Cancel,
        Self::Redrive,
        Self::Reprocess,
        Self::Resend,
        Self::Resolve,
    ];

    /// The word that it is asked for by, in a command and in a route.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Approve => "approve",
            Self::Reject => "reject",
            Self::Cancel => "cancel",
            Self::Redrive => "redrive",
            Self::Reprocess => "reprocess",
            Self::Resend => "resend",
            Self::Resolve => "resolve",
        }
    }
}

/// What is to be known about an error or a kind of trouble.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Advice {
    /// Who is in the best place to mend it, in one word for statistics.
    pub class: Class,
    /// What it means, in a sentence.
    pub meaning: &'static str,
    /// Who can mend it.
    pub who: Mender,
    /// Whether a retry is safe.
    pub again: Again,
    /// What to do, in a sentence or two.
    pub recommended_action: &'static str,
    /// The action that this comes to, if one of ours does.
    pub action: Option<Action>,
    /// The section of `docs/RUNBOOK.md`, as its heading.
    pub runbook: &'static str,
}

/// What needs a person though no step has failed with an error of the catalogue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trouble {
    /// Its execution ended before everything was done or reversed: an undo gave up, or somebody stopped it.
    Unfinished,
    /// Nobody knows whether an effect happened, and nobody is going to find out by itself.
    OutcomeUnknown,
    /// It is paid and shipped, or reversed, and its customer was not told.
    MessageNotSent,
    /// It was accepted, and its execution cannot be started.
    NotStarted,
    /// Nobody decided about it before its deadline, and it still waits.
    ReviewOverdue,
    /// A provider sees its payment or its shipment otherwise than our ledger does.
    ProviderDiffers,
    /// Its money is held for so long that the hold is about to lapse.
    HoldLapsing,
    /// It is in a step for longer than the step's limit.
    Overdue,
}

impl Trouble {
    /// Every kind, the most pressing first.
    pub const ALL: [Self; 8] = [
        Self::Unfinished,
        Self::OutcomeUnknown,
        Self::ProviderDiffers,
        Self::MessageNotSent,
        Self::NotStarted,
        Self::ReviewOverdue,
        Self::HoldLapsing,
        Self::Overdue,
    ];

    /// Its name in records, metrics and messages.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unfinished => "unfinished",
            Self::OutcomeUnknown => "outcome_unknown",
            Self::ProviderDiffers => "provider_differs",
            Self::MessageNotSent => "message_not_sent",
            Self::NotStarted => "not_started",
            Self::ReviewOverdue => "review_overdue",
            Self::HoldLapsing => "hold_lapsing",
            Self::Overdue => "overdue",
        }
    }

    /// What is to be known about it.
    #[must_use]
    pub const fn advice(self) -> Advice {
        match self {
            Self::Unfinished => Advice {
                class: Class::System,
                meaning: "The order's execution ended before everything was done or reversed.",
                who: Mender::Operator,
                again: Again::Safe,
                recommended_action: "The order is neither done nor fully reversed. Look at the failed state of \
                                     its execution, mend the cause, and redrive the execution: it goes on where it stopped.",
                action: Some(Action::Redrive),
                runbook: "Unfinished",
            },
            Self::OutcomeUnknown => Advice {
                class: Class::Dependency,
                meaning: "Nobody knows whether money moved or a shipment was booked, and no execution is at work to find out.",
                who: Mender::Operator,
                again: Again::Locked,
                recommended_action: "Resolve the order: the provider is asked what became of it. Until then nothing that \
                                     could pay again is possible.",
                action: Some(Action::Resolve),
                runbook: "OutcomeUnknown",
            },
            Self::ProviderDiffers => Advice {
                class: Class::System,
                meaning: "A provider sees the order's payment or shipment otherwise than our ledger: somebody acted \
                          behind our back.",
                who: Mender::Operator,
                again: Again::Safe,
                recommended_action: "Compare the order with the provider's dashboard and find out who acted there. If it is \
                                     not to go on, cancel it: what is left is reversed.",
                action: Some(Action::Cancel),
                runbook: "ProviderDiffers",
            },
            Self::MessageNotSent => Advice {
                class: Class::Dependency,
                meaning: "The order is done or reversed, and its customer was not told.",
                who: Mender::Operator,
                again: Again::Safe,
                recommended_action: "Look at the mail service; once it answers, resend the message. If it cannot be sent, tell \
                                     the customer otherwise and resolve the order.",
                action: Some(Action::Resend),
                runbook: "MessageNotSent",
            },
            Self::NotStarted => Advice {
                class: Class::System,
                meaning: "The order was accepted, and its execution could not be started.",
                who: Mender::Developer,
                again: Again::Safe,
                recommended_action: "The monitor tries again each minute. Look at the monitor's log for what Step Functions \
                                     answers: quotas, rights, a missing version.",
                action: None,
                runbook: "NotStarted",
            },
            Self::ReviewOverdue => Advice {
                class: Class::System,
                meaning: "Nobody decided about the order before its deadline, and it still waits.",
                who: Mender::Operator,
                again: Again::Safe,
                recommended_action: "Approve or reject the order now. Then look why its execution did not end the review itself.",
                action: Some(Action::Reject),
                runbook: "ReviewOverdue",
            },
            Self::HoldLapsing => Advice {
                class: Class::System,
                meaning: "The customer's money is held for so long that the hold is about to lapse.",
                who: Mender::Operator,
                again: Again::Safe,
                recommended_action: "Mend what keeps the order, or cancel it: after the hold lapses the customer's bank may \
                                     say no.",
                action: Some(Action::Cancel),
                runbook: "HoldLapsing",
            },
            Self::Overdue => Advice {
                class: Class::Dependency,
                meaning: "The order is in one step for longer than that step's limit; it is still being retried.",
                who: Mender::Provider,
                again: Again::Safe,
                recommended_action: "Look at what the step waits for. The retries go on by themselves; nothing is lost while \
                                     they do.",
                action: None,
                runbook: "Overdue",
            },
        }
    }
}

impl ErrorName {
    /// What is to be known about it.
    #[must_use]
    pub const fn advice(self) -> Advice {
        let of = Advice {
            class: self.class(),
            meaning: "",
            who: Mender::Customer,
            again: Again::Pointless,
            recommended_action: "",
            action: None,
            runbook: self.as_str(),
        };
        match self {
            Self::InvalidInput => Advice {
                meaning: "A step was called with something that it cannot mean.",
                who: Mender::Developer,
                recommended_action: "Compare the execution's input with the order's current attempt; a newer attempt may be \
                                     at work, or the customer's data was erased.",
                ..of
            },
            Self::OrderRejected => Advice {
                meaning: "The order asks for what the catalogue does not offer.",
                recommended_action: "Nothing to do: the order asks for what the catalogue does not offer. The customer may \
                                     order again.",
                ..of
            },
            Self::ReviewRequired => Advice {
                meaning: "A person has to look at the order before money moves.",
                who: Mender::Operator,
                recommended_action: "Look at the order, then approve or reject it.",
                action: Some(Action::Approve),
                ..of
            },
            Self::ReviewRejected => Advice {
                meaning: "A reviewer said no, or nobody decided in time.",
                recommended_action: "Nothing to do: a reviewer said no, or nobody decided in time. The customer may order \
                                     again.",
                ..of
            },
            Self::OrderCancelled => Advice {
                meaning: "Somebody cancelled the order before its money was taken.",
                recommended_action: "Nothing to do: the order was cancelled and everything was reversed.",
                ..of
            },
            Self::PaymentDeclined => Advice {
                meaning: "The customer's bank said no.",
                recommended_action: "Nothing to do: the customer's bank said no. The customer may order again with another \
                                     card.",
                ..of
            },
            Self::PaymentUnavailable => Advice {
                meaning: "The payment provider did not answer, or not with an answer that tells what happened.",
                who: Mender::Provider,
                again: Again::Safe,
                recommended_action: "Look at the payment provider's status page; once it answers, process the order again.",
                action: Some(Action::Reprocess),
                ..of
            },
            Self::ShipmentRejected => Advice {
                meaning: "The carrier will not take this shipment.",
                recommended_action: "Ask the customer for an address that the carrier accepts; then a new order.",
                ..of
            },
            Self::CarrierUnavailable => Advice {
                meaning: "The carrier did not answer, or not with an answer that tells what happened.",
                who: Mender::Provider,
                again: Again::Safe,
                recommended_action: "Look at the carrier's status page; once it answers, process the order again.",
                action: Some(Action::Reprocess),
                ..of
            },
            Self::NotificationUnavailable => Advice {
                meaning: "A message could not be handed over to the mail service.",
                who: Mender::Provider,
                again: Again::Safe,
                recommended_action: "Look at the mail service; once it answers, send the message again.",
                action: Some(Action::Resend),
                ..of
            },
            Self::StoreUnavailable => Advice {
                meaning: "The database did not answer, or another invocation was at work on the same order.",
                who: Mender::Provider,
                again: Again::Safe,
                recommended_action: "Look at the database's throttling and status; once it answers, process the order again.",
                action: Some(Action::Reprocess),
                ..of
            },
            Self::Internal => Advice {
                meaning: "A defect or a wrong setting of ours.",
                who: Mender::Developer,
                recommended_action: "Look at the failed state's cause and the function's log; this is a defect or a wrong \
                                     setting of ours. Once it is mended, process the order again.",
                action: Some(Action::Reprocess),
                ..of
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_advice_is_complete_and_in_sentences() {
        let errors = ErrorName::ALL.iter().map(|error| error.advice());
        for advice in errors.chain(Trouble::ALL.map(Trouble::advice)) {
            for text in [advice.meaning, advice.recommended_action] {
                assert!(text.ends_with('.') && text.len() > 20, "{advice:?}");
                assert!(!text.contains("  "), "{text}");
            }
        }
    }

    #[test]
    fn what_a_retry_mends_is_not_the_customers_to_mend() {
        for error in ErrorName::ALL {
            let advice = error.advice();
            assert!(
                !error.retryable() || advice.again == Again::Safe,
                "{error} is retried by the state machine"
            );
            assert_eq!(advice.class, error.class());
        }
    }
}
