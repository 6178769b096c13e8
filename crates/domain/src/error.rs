//! The error catalogue. Its names are an interface: the state machine branches on them.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Who is in the best place to mend an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// The order itself, its customer or the customer's money said no. Wakes nobody.
    Customer,
    /// Somebody else's service did not do its part.
    Dependency,
    /// We did.
    System,
}

impl Class {
    /// Every class.
    pub const ALL: [Self; 3] = [Self::Customer, Self::Dependency, Self::System];

    /// Its name in records, views and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Customer => "customer",
            Self::Dependency => "dependency",
            Self::System => "system",
        }
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

impl fmt::Display for ErrorName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
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
}
