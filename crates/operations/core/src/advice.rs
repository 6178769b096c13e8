//! What each error and each incident means, who can mend it, and what to do: one table, which
//! the status view, the alarms' texts, the command line and the operators' page all read.

use domain::{ASK_FIRST, Class, ErrorName, NEEDS_ATTENTION, words};
use serde::{Deserialize, Serialize};

use crate::incident::Incident;

/// Who can mend it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Responsible {
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
pub enum RetrySafety {
    /// It may succeed, and does no harm.
    Safe,
    /// It does no harm, and comes to the same until something else has changed.
    Pointless,
    /// Not before the provider was asked what became of the last try.
    Locked,
}

words! {
    /// What an operator can do to an order. The word is what a command and a route ask for it by.
    pub enum Action {
        /// Lets an order that waits for a review go on.
        Approve = "approve",
        /// Ends an order that waits for a review.
        Reject = "reject",
        /// Asks for the order to be cancelled.
        Cancel = "cancel",
        /// Lets an execution that ended too early go on where it stopped.
        Redrive = "redrive",
        /// Begins a new attempt that goes on with what the last one did, where it stopped.
        Restart = "restart",
        /// Begins a new attempt at an order that was reversed.
        Reprocess = "reprocess",
        /// Sends the message that the customer did not get.
        Resend = "resend",
        /// Asks the provider what became of an effect whose outcome nobody knows; or, where a message
        /// cannot be sent, gives it up.
        Resolve = "resolve",
        /// Puts on record what has become of what a provider does not undo, once the provider was asked.
        Settle = "settle",
        /// Gives money back again whose refund has failed.
        GiveBack = "give-back",
    }
}

impl Action {
    /// Whether it can be done to many orders at once. What is settled differs from order to order, and so does why
    /// a bank did not take a refund.
    #[must_use]
    pub const fn is_for_many(self) -> bool {
        match self {
            Self::Settle | Self::GiveBack => false,
            Self::Approve
            | Self::Reject
            | Self::Cancel
            | Self::Redrive
            | Self::Restart
            | Self::Reprocess
            | Self::Resend
            | Self::Resolve => true,
        }
    }

    /// What happens then, in a sentence or two.
    #[must_use]
    pub const fn consequence(self) -> &'static str {
        match self {
            Self::Approve => "The order goes on: its money is held, and it is shipped.",
            Self::Reject => "The order ends: everything is reversed, and the customer is told.",
            Self::Cancel => {
                "The next step sees it: everything is reversed, and the customer is told."
            }
            Self::Redrive => {
                "The execution goes on in the state where it stopped, on the version it started \
                 with."
            }
            Self::Restart => {
                "A new attempt begins, on the version that is deployed now. What the last one did \
                 is kept: no money is held or taken a second time."
            }
            Self::Reprocess => {
                "A new attempt begins, with the same document and the same means of payment; one \
                 that works once and was used is given anew before. The last one's history stays."
            }
            Self::Resend => {
                "The customer gets the message; twice, if the first one arrived after all."
            }
            Self::Settle => {
                "The provider is asked whether it is so, and what it says is on record. Then the \
                 order can be redriven or restarted, and its reversal goes on."
            }
            Self::GiveBack => {
                "The payment provider is asked how much of it is ours, and that much is refunded. \
                 Nothing that is already with the customer goes there twice."
            }
            Self::Resolve => {
                "The providers are asked what became of it; nothing is paid or shipped. Where \
                 only a message is missing, it is given up."
            }
        }
    }
}

/// What is to be known about an error or a kind of incident.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Advice {
    /// Who is in the best place to mend it, in one word for statistics.
    pub class: Class,
    /// What it means, in a sentence.
    pub meaning: &'static str,
    /// Who can mend it.
    pub who: Responsible,
    /// Whether a retry is safe.
    pub again: RetrySafety,
    /// What to do, in a sentence or two.
    pub recommended_action: &'static str,
    /// The action that this comes to, if one of ours does.
    pub action: Option<Action>,
    /// The section of `docs/RUNBOOK.md`, as its heading.
    pub runbook: &'static str,
}

const REFUND_FAILED: Advice = Advice {
    class: Class::Dependency,
    meaning: "A refund failed after it had succeeded: the customer's bank has sent the \
        money back to us.",
    who: Responsible::Operator,
    again: RetrySafety::Safe,
    recommended_action: "Give it back again. If that fails, too, the card is gone: pay \
        the customer in another way, and tell the payment provider.",
    action: Some(Action::GiveBack),
    runbook: "RefundFailed",
};

const DISPUTED: Advice = Advice {
    class: Class::Customer,
    meaning: "The customer disputes the payment with their bank, which holds the money \
        until it has decided. If the timeline says inquiry, the bank only asks so far.",
    who: Responsible::Operator,
    again: RetrySafety::Pointless,
    recommended_action: "Answer it in the payment provider's dashboard before it is \
        due, or accept it there. Do not refund it: it would go back twice. An inquiry may be \
        refunded there, which usually spares us the dispute.",
    action: None,
    runbook: "Disputed",
};

impl Incident {
    /// What is to be known about it.
    #[must_use]
    pub const fn advice(self) -> Advice {
        match self {
            Self::Unfinished => Advice {
                class: Class::System,
                meaning: "The order's execution ended before everything was done or reversed.",
                who: Responsible::Operator,
                again: RetrySafety::Safe,
                recommended_action: NEEDS_ATTENTION,
                action: Some(Action::Redrive),
                runbook: "Unfinished",
            },
            Self::OutcomeUnknown => Advice {
                class: Class::Dependency,
                meaning: "Nobody knows whether money moved or a shipment was booked, and no \
                    execution is at work to find out.",
                who: Responsible::Operator,
                again: RetrySafety::Locked,
                recommended_action: ASK_FIRST,
                action: Some(Action::Resolve),
                runbook: "OutcomeUnknown",
            },
            Self::ProviderDiffers => Advice {
                class: Class::System,
                meaning: "A provider sees the order's payment or shipment otherwise than our \
                    ledger: somebody acted behind our back.",
                who: Responsible::Operator,
                again: RetrySafety::Safe,
                recommended_action: "Compare the order with the provider's dashboard and find out \
                    who acted there. If it is not to go on, cancel it: what is left is reversed.",
                action: Some(Action::Cancel),
                runbook: "ProviderDiffers",
            },
            Self::RefundFailed => REFUND_FAILED,
            Self::Disputed => DISPUTED,
            Self::MessageNotSent => Advice {
                class: Class::Dependency,
                meaning: "The order is done or reversed, and its customer was not told.",
                who: Responsible::Operator,
                again: RetrySafety::Safe,
                recommended_action: "Look at the mail service; once it answers, resend the \
                    message. If it cannot be sent, tell the customer otherwise and resolve the \
                    order.",
                action: Some(Action::Resend),
                runbook: "MessageNotSent",
            },
            Self::NotStarted => Advice {
                class: Class::System,
                meaning: "The order was accepted, and its execution could not be started.",
                who: Responsible::Developer,
                again: RetrySafety::Safe,
                recommended_action: "The monitor tries again each minute. Look at the monitor's \
                    log for what Step Functions answers: quotas, rights, a missing version.",
                action: None,
                runbook: "NotStarted",
            },
            Self::ReviewOverdue => Advice {
                class: Class::System,
                meaning: "Nobody decided about the order before its deadline, and it still waits.",
                who: Responsible::Operator,
                again: RetrySafety::Safe,
                recommended_action: "Approve or reject the order now. Then look why its execution \
                    did not end the review itself.",
                action: Some(Action::Reject),
                runbook: "ReviewOverdue",
            },
            Self::HoldLapsing => Advice {
                class: Class::System,
                meaning: "The customer's money is held for so long that the hold is about to \
                    lapse.",
                who: Responsible::Operator,
                again: RetrySafety::Safe,
                recommended_action: "Mend what keeps the order, or cancel it: after the hold \
                    lapses the customer's bank may say no.",
                action: Some(Action::Cancel),
                runbook: "HoldLapsing",
            },
            Self::Overdue => Advice {
                class: Class::Dependency,
                meaning: "The order is in one state for longer than that state's limit; it is \
                    still being retried.",
                who: Responsible::Provider,
                again: RetrySafety::Safe,
                recommended_action: "Look at what the state waits for. The retries go on by \
                    themselves; nothing is lost while they do.",
                action: None,
                runbook: "Overdue",
            },
            Self::KeepsFailing => Advice {
                class: Class::Dependency,
                meaning: "A task of these orders has been failing for minutes and is tried again: \
                    what it calls is in trouble.",
                who: Responsible::Provider,
                again: RetrySafety::Safe,
                recommended_action: "Look at the status page of what the state waits for. The \
                    tries go on by themselves. Once they are used up, a step is given up and its \
                    order reversed, to be reprocessed when it works again; an undo needs a person.",
                action: None,
                runbook: "KeepsFailing",
            },
        }
    }
}

/// What is to be known about an error of the catalogue.
#[must_use]
pub const fn of_error(error: ErrorName) -> Advice {
    let of = Advice {
        class: error.class(),
        meaning: "",
        who: Responsible::Customer,
        again: RetrySafety::Pointless,
        recommended_action: error.recommended_action(),
        action: None,
        runbook: error.as_str(),
    };
    match error {
        ErrorName::InvalidInput => Advice {
            meaning: "A step was called with something that it cannot mean.",
            who: Responsible::Developer,
            ..of
        },
        ErrorName::OrderRejected => Advice {
            meaning: "The order asks for what the catalogue does not offer.",
            ..of
        },
        ErrorName::ReviewRequired => Advice {
            meaning: "A person has to look at the order before money moves.",
            who: Responsible::Operator,
            action: Some(Action::Approve),
            ..of
        },
        ErrorName::ReviewRejected => Advice {
            meaning: "A reviewer said no, or nobody decided in time.",
            ..of
        },
        ErrorName::OrderCancelled => Advice {
            meaning: "Somebody cancelled the order before its money was taken.",
            ..of
        },
        ErrorName::PaymentDeclined => Advice {
            meaning: "The customer's bank said no, or what the checkout holds does not fit.",
            ..of
        },
        ErrorName::PaymentUnavailable => Advice {
            meaning: "The payment provider did not answer, or not with an answer that tells what \
                happened.",
            who: Responsible::Provider,
            again: RetrySafety::Safe,
            action: Some(Action::Reprocess),
            ..of
        },
        ErrorName::ShipmentRejected => Advice {
            meaning: "The carrier will not take this shipment.",
            ..of
        },
        ErrorName::CarrierUnavailable => Advice {
            meaning: "The carrier did not answer, or not with an answer that tells what happened.",
            who: Responsible::Provider,
            again: RetrySafety::Safe,
            action: Some(Action::Reprocess),
            ..of
        },
        ErrorName::NotificationUnavailable => Advice {
            meaning: "A message could not be handed over to the mail service.",
            who: Responsible::Provider,
            again: RetrySafety::Safe,
            action: Some(Action::Resend),
            ..of
        },
        ErrorName::StoreUnavailable => Advice {
            meaning: "The database did not answer, or another invocation was at work on the same \
                order.",
            who: Responsible::Provider,
            again: RetrySafety::Safe,
            action: Some(Action::Reprocess),
            ..of
        },
        ErrorName::Internal => Advice {
            meaning: "A defect or a wrong setting of ours.",
            who: Responsible::Developer,
            action: Some(Action::Reprocess),
            ..of
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_advice_is_complete_and_in_sentences() {
        let errors = ErrorName::ALL.iter().map(|error| of_error(*error));
        for advice in errors.chain(Incident::ALL.iter().map(|incident| incident.advice())) {
            for text in [advice.meaning, advice.recommended_action] {
                assert!(text.ends_with('.') && text.len() > 20, "{advice:?}");
                assert!(!text.contains("  "), "{text}");
            }
        }
    }

    #[test]
    fn what_a_retry_mends_is_not_the_customers_to_mend() {
        for error in ErrorName::ALL {
            let advice = of_error(*error);
            assert!(
                !error.retryable() || advice.again == RetrySafety::Safe,
                "{error} is retried by the state machine"
            );
            assert_eq!(advice.class, error.class());
        }
    }
}
