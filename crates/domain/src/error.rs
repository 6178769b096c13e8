//! The error catalogue. Its names are an interface: the state machine branches on them.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::words;

words! {
    /// Who is in the best place to mend an error.
    pub enum Class {
        /// The order itself, its customer or the customer's money said no. Wakes nobody.
        Customer = "customer",
        /// Somebody else's service did not do its part.
        Dependency = "dependency",
        /// We did.
        System = "system",
    }
}

/// Where an order goes when a step ends with an error and its retries are used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeadsTo {
    /// Everything is reversed; the order or the customer's money said no.
    Rejected,
    /// Everything is reversed; somebody asked for it.
    Cancelled,
    /// Everything is reversed; a dependency or we failed.
    Failed,
    /// A person looks at the order first.
    Review,
    /// The order goes on without: a message that was not sent never fails a paid, shipped order.
    GoesOn,
}

macro_rules! catalogue {
    ($($(#[$doc:meta])* $name:ident: $class:ident, retry: $retry:literal, $leads_to:ident;)*) => {
        /// The name of an error. Each exists exactly once, here; `statemachine/order.asl.json` is
        /// held against this list by a test, both ways.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum ErrorName {
            $($(#[$doc])* $name,)*
        }

        impl ErrorName {
            /// The whole catalogue.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The name as Step Functions sees it.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => stringify!($name)),* }
            }

            /// Who is in the best place to mend it.
            #[must_use]
            pub const fn class(self) -> Class {
                match self { $(Self::$name => Class::$class),* }
            }

            /// Whether the same call may succeed later.
            #[must_use]
            pub const fn retryable(self) -> bool {
                match self { $(Self::$name => $retry),* }
            }

            /// Where the order goes once retries are used up.
            #[must_use]
            pub const fn leads_to(self) -> LeadsTo {
                match self { $(Self::$name => LeadsTo::$leads_to),* }
            }
        }
    };
}

catalogue! {
    /// A step was called with something that it cannot mean: a fault of the caller, not of the order.
    InvalidInput: System, retry: false, Failed;
    /// Catalogue price, stock or another rule says no.
    OrderRejected: Customer, retry: false, Rejected;
    /// A person has to look at the order before money moves.
    ReviewRequired: Customer, retry: false, Review;
    /// A person looked and said no, or nobody did before the deadline.
    ReviewRejected: Customer, retry: false, Rejected;
    /// Somebody cancelled the order before its money was captured.
    OrderCancelled: Customer, retry: false, Cancelled;
    /// The customer's bank said no.
    PaymentDeclined: Customer, retry: false, Rejected;
    /// The payment provider did not answer, or answered that it cannot now. The outcome may be unknown.
    PaymentUnavailable: Dependency, retry: true, Failed;
    /// The carrier will not take this shipment.
    ShipmentRejected: Dependency, retry: false, Failed;
    /// The carrier did not answer, or answered that it cannot now. The outcome may be unknown.
    CarrierUnavailable: Dependency, retry: true, Failed;
    /// A message could not be handed over.
    NotificationUnavailable: Dependency, retry: true, GoesOn;
    /// The database did not answer, or another invocation is at work on the same order.
    StoreUnavailable: Dependency, retry: true, Failed;
    /// A defect or a wrong setting of ours.
    Internal: System, retry: false, Failed;
}

/// What to do about an order that is neither done nor fully reversed.
pub const NEEDS_ATTENTION: &str = "The order is neither done nor fully reversed. Look at the \
    failed state of its execution, mend the cause, and redrive the execution: it goes on where it \
    stopped. If a provider refuses for good to take something back, settle the order first.";

/// What to do about an order of which nobody knows what became of an effect.
pub const ASK_FIRST: &str = "Resolve the order: the provider is asked what became of it. Until \
    then nothing that could pay again is possible.";

/// What to do about an order whose undo its provider refuses for good.
pub const SETTLE: &str = "A provider refuses for good to take something back. Find out what has \
    become of it, settle the order as that, and redrive or restart it: it goes on from there.";

impl ErrorName {
    /// What to do about it, in a sentence or two.
    #[must_use]
    pub const fn recommended_action(self) -> &'static str {
        match self {
            Self::InvalidInput => {
                "Compare the execution's input with the order's current attempt; a newer attempt \
                 may be at work, or the customer's data was erased."
            }
            Self::OrderRejected => {
                "Nothing to do: the order asks for what the catalogue does not offer. The \
                 customer may order again."
            }
            Self::ReviewRequired => "Look at the order, then approve or reject it.",
            Self::ReviewRejected => {
                "Nothing to do: a reviewer said no, or nobody decided in time. The customer may \
                 order again."
            }
            Self::OrderCancelled => {
                "Nothing to do: the order was cancelled and everything was reversed."
            }
            Self::PaymentDeclined => {
                "Nothing to do: the customer's bank said no. The customer may order again with \
                 another card."
            }
            Self::PaymentUnavailable => {
                "Look at the payment provider's status page; once it answers, process the order \
                 again."
            }
            Self::ShipmentRejected => {
                "Ask the customer for an address that the carrier accepts; then a new order."
            }
            Self::CarrierUnavailable => {
                "Look at the carrier's status page; once it answers, process the order again."
            }
            Self::NotificationUnavailable => {
                "Look at the mail service; once it answers, send the message again."
            }
            Self::StoreUnavailable => {
                "Look at the database's throttling and status; once it answers, process the order \
                 again."
            }
            Self::Internal => {
                "Look at the failed state's cause and the function's log; this is a defect or a \
                 wrong setting of ours. Once it is mended, process the order again."
            }
        }
    }
}

impl fmt::Display for ErrorName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(self.as_str())
    }
}

/// A name that is not in the catalogue, such as `States.Timeout`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a name of the error catalogue")]
pub struct UnknownErrorName;

impl std::str::FromStr for ErrorName {
    type Err = UnknownErrorName;
    fn from_str(text: &str) -> Result<Self, UnknownErrorName> {
        Self::ALL
            .iter()
            .copied()
            .find(|name| name.as_str() == text)
            .ok_or(UnknownErrorName)
    }
}

/// The error that a try of a task ended with, as Step Functions has it: a name of the catalogue, or one
/// of the platform's, such as `States.Timeout`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum TaskError {
    /// One of ours.
    Catalogue(ErrorName),
    /// One of Step Functions', of Lambda's or of the runtime's.
    Platform(String),
}

impl From<String> for TaskError {
    fn from(name: String) -> Self {
        name.parse().map_or(Self::Platform(name), Self::Catalogue)
    }
}

impl From<ErrorName> for TaskError {
    fn from(name: ErrorName) -> Self {
        Self::Catalogue(name)
    }
}

impl From<TaskError> for String {
    fn from(error: TaskError) -> Self {
        match error {
            TaskError::Catalogue(name) => name.as_str().to_owned(),
            TaskError::Platform(name) => name,
        }
    }
}

impl TaskError {
    /// The name as Step Functions has it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Catalogue(name) => name.as_str(),
            Self::Platform(name) => name,
        }
    }
}

impl fmt::Display for TaskError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(self.as_str())
    }
}

/// How a step fails: a name from the catalogue and a sentence for people.
///
/// The message goes into execution histories, logs and the status view. It MUST NOT hold a name,
/// address, e-mail or payment method: identifiers, amounts and the provider's codes only.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name}: {message}")]
pub struct StepError {
    name: ErrorName,
    message: String,
}

impl StepError {
    /// An error with its explanation.
    pub fn new(name: ErrorName, message: impl Into<String>) -> Self {
        Self {
            name,
            message: message.into(),
        }
    }

    /// The name in the catalogue.
    #[must_use]
    pub fn name(&self) -> ErrorName {
        self.name
    }

    /// What happened, without personal data.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_reads_back() {
        for name in ErrorName::ALL {
            assert_eq!(name.as_str().parse(), Ok(*name));
        }
        assert_eq!("States.Timeout".parse::<ErrorName>(), Err(UnknownErrorName));
    }

    #[test]
    fn what_the_customer_caused_is_never_retried() {
        for name in ErrorName::ALL {
            assert!(
                !(name.retryable() && name.class() == Class::Customer),
                "{name}"
            );
        }
    }

    #[test]
    fn what_to_do_names_whoever_it_is_to_be_done_about() {
        use ErrorName as Of;
        for (name, word) in [
            (Of::InvalidInput, "execution's input"),
            (Of::OrderRejected, "catalogue"),
            (Of::ReviewRequired, "approve or reject"),
            (Of::ReviewRejected, "reviewer said no"),
            (Of::OrderCancelled, "was cancelled"),
            (Of::PaymentDeclined, "another card"),
            (Of::PaymentUnavailable, "payment provider's status page"),
            (Of::ShipmentRejected, "address"),
            (Of::CarrierUnavailable, "carrier's status page"),
            (Of::NotificationUnavailable, "mail service"),
            (Of::StoreUnavailable, "database"),
            (Of::Internal, "function's log"),
        ] {
            let action = name.recommended_action();
            assert!(action.contains(word), "{name}: {action}");
        }
    }

    #[test]
    fn nobody_is_told_to_act_on_what_the_customer_caused_but_on_a_review() {
        for name in ErrorName::ALL {
            let idle = name.recommended_action().starts_with("Nothing to do");
            let acts = name.class() != Class::Customer || *name == ErrorName::ReviewRequired;
            assert_eq!(idle, !acts, "{name}");
        }
    }

    #[test]
    fn the_error_of_a_task_is_one_of_ours_or_keeps_the_platforms_name() {
        let ours = TaskError::from("PaymentDeclined".to_owned());
        assert_eq!(ours, ErrorName::PaymentDeclined.into());
        let theirs = TaskError::from("States.Timeout".to_owned());
        assert_eq!(theirs, TaskError::Platform("States.Timeout".to_owned()));
        for (error, name) in [(ours, "PaymentDeclined"), (theirs, "States.Timeout")] {
            assert_eq!((error.as_str(), error.to_string()), (name, name.to_owned()));
            assert_eq!(serde_json::to_value(&error).unwrap(), name);
            assert_eq!(
                serde_json::from_value::<TaskError>(name.into()).unwrap(),
                error
            );
            // So that tables can give it a width.
            assert_eq!(format!("{error:>20}").len(), 20);
        }
        assert_eq!(format!("{:8}|", ErrorName::Internal), "Internal|");
    }

    #[test]
    fn a_step_fails_with_a_name_and_a_sentence() {
        let error = StepError::new(ErrorName::CarrierUnavailable, "it answered 503");
        assert_eq!(error.name(), ErrorName::CarrierUnavailable);
        assert_eq!(error.message(), "it answered 503");
        assert_eq!(error.to_string(), "CarrierUnavailable: it answered 503");
    }
}
