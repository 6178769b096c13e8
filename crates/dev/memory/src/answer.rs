//! What is asked of the outside, and what it says.

use std::fmt;

use domain::ledger::Booking;
use domain::ports::{GivenBack, LineProblem, Payment, Voiding};

use crate::world::{Recorded, Snapshot};

/// Who is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Whom {
    /// The database: each call is one atomic request of it.
    Database,
    /// The payment provider.
    Payment,
    /// The carrier.
    Carrier,
    /// The mail service, the operators' topic, or Step Functions by a task token.
    Messages,
}

/// One request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Call {
    /// To whom.
    pub whom: Whom,
    /// What it asks for.
    pub verb: &'static str,
    /// About which effect, if about one.
    pub effect: &'static str,
}

impl Call {
    /// A request to do `verb`, perhaps about an `effect`.
    #[must_use]
    pub const fn new(whom: Whom, verb: &'static str, effect: &'static str) -> Self {
        Self { whom, verb, effect }
    }

    /// Whether whoever is asked may refuse it for good, as opposed to being out of reach.
    #[must_use]
    pub fn can_be_refused(&self) -> bool {
        match self.whom {
            Whom::Payment => matches!(self.verb, "authorize" | "capture" | "refund"),
            Whom::Carrier => matches!(self.verb, "book" | "cancel"),
            Whom::Database | Whom::Messages => false,
        }
    }

    /// Whether it changes nothing, whatever comes of it.
    #[must_use]
    pub fn only_looks(&self) -> bool {
        matches!(self.verb, "load" | "token" | "find" | "get" | "given_back")
    }
}

impl fmt::Display for Call {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whom = match self.whom {
            Whom::Database => "the database",
            Whom::Payment => "the payment provider",
            Whom::Carrier => "the carrier",
            Whom::Messages => "a messenger",
        };
        let Self { verb, effect, .. } = self;
        if effect.is_empty() {
            write!(out, "asks {whom} to {verb}")
        } else {
            write!(out, "asks {whom} to {verb} {effect}")
        }
    }
}

/// How whoever is asked feels about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mood {
    /// It does what it can.
    Willing,
    /// It says no, if it can: a bank, an address, a used label, a dispute.
    Refuses,
}

/// What came of a request whose answer arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// The write happened; the state as it is now.
    Written(Snapshot),
    /// The write's condition did not hold; the state as it is.
    NotWritten(Snapshot),
    /// What is stored.
    Record(Recorded),
    /// A task token, if there is one.
    Token(Option<String>),
    /// These lines cannot be reserved.
    Problems(Vec<LineProblem>),
    /// A payment, if there is one.
    Payment(Option<Payment>),
    /// The reference of a refund, or the id of a message.
    Reference(String),
    /// What went back so far.
    GivenBack(GivenBack),
    /// A shipment, if there is one.
    Booking(Option<Booking>),
    /// What came of voiding a label.
    Voiding(Voiding),
    /// It refuses the request as such.
    Defect(String),
}

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Lost {
    /// The request certainly did not arrive.
    NotMade,
    /// Nobody knows whether it arrived.
    Unknown,
}

/// An answer, or none.
pub type Answer = Result<Said, Lost>;
