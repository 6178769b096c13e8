//! The small record that changes while an order is processed. It is the ledger.

use jiff::Timestamp;
use jiff::fmt::serde::timestamp::millisecond;
use serde::{Deserialize, Serialize};

use crate::entry::{Authorization, Booking, CaptureResult, Entry, MessageId, Reversal, Unbooking};
use crate::stage::Stage;
use crate::{CustomerId, ErrorName, Money, OrderId};

/// Somebody asked for the order to be cancelled, before its money was captured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CancelRequest {
    /// When.
    #[serde(with = "millisecond::required")]
    pub at: Timestamp,
}

/// What a reviewer decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// Go on.
    Approved,
    /// Do not.
    Rejected,
}

/// A person has to look at the order, or has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Review {
    /// Since when.
    #[serde(with = "millisecond::required")]
    pub since: Timestamp,
    /// What was decided, once it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<Decision>,
    /// When it was decided.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "millisecond::optional"
    )]
    pub decided_at: Option<Timestamp>,
}

/// Why an order is or was being reversed. The first one stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The catalogue's name; what is not in the catalogue is [`ErrorName::Internal`].
    pub error: ErrorName,
    /// A sentence without personal data, at most [`Failure::MAX_MESSAGE`] bytes.
    pub message: String,
    /// When reversing began.
    #[serde(with = "millisecond::required")]
    pub at: Timestamp,
}

impl Failure {
    /// Keeps the state item below 1 KB, what one unit of writing pays for.
    pub const MAX_MESSAGE: usize = 88;

    /// A failure, its message cut to what the ledger keeps.
    #[must_use]
    pub fn new(error: ErrorName, message: &str, at: Timestamp) -> Self {
        let mut end = message.len().min(Self::MAX_MESSAGE);
        while !message.is_char_boundary(end) {
            end -= 1;
        }
        Self {
            error,
            message: message[..end].to_owned(),
            at,
        }
    }
}

/// What changes about an order. Each side effect has an [`Entry`] of its own; see
/// [`crate::ledger`] for who may write what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderState {
    /// Whose state this is.
    pub order_id: OrderId,
    /// Raised by every write.
    pub version: u64,
    /// Which try at processing the order this is, from 1. Executions are named after it.
    pub attempt: u32,
    /// How far the order has come.
    pub stage: Stage,
    /// Whose order it is.
    pub customer_id: CustomerId,
    /// What is authorised and captured.
    pub total: Money,
    /// When the order was accepted.
    #[serde(with = "millisecond::required")]
    pub received_at: Timestamp,
    /// How many of the order's lines, from the first, have their stock reserved.
    #[serde(default)]
    pub reserved_lines: usize,
    /// When validation ended well.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "millisecond::optional"
    )]
    pub validated_at: Option<Timestamp>,
    /// Set when a person has to look at the order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub review: Option<Review>,
    /// Set when somebody asked for the order to be cancelled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancel: Option<CancelRequest>,
    /// Holding the customer's money.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authorize: Option<Entry<Authorization>>,
    /// Booking the shipment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub book: Option<Entry<Booking>>,
    /// Taking the customer's money.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capture: Option<Entry<CaptureResult>>,
    /// Telling the customer that the order is on its way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notify: Option<Entry<MessageId>>,
    /// Why the order is being reversed. From here on no forward step acts any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
    /// The undo of [`Self::book`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unbook: Option<Entry<Unbooking>>,
    /// The undo of [`Self::authorize`] and [`Self::capture`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reverse: Option<Entry<Reversal>>,
    /// Telling the customer that the order did not come about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notify_failure: Option<Entry<MessageId>>,
    /// When the order was closed.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "millisecond::optional"
    )]
    pub closed_at: Option<Timestamp>,
    /// When somebody decided that the message to the customer is not to be sent any more.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "millisecond::optional"
    )]
    pub waived_at: Option<Timestamp>,
}

impl OrderState {
    /// The state of an order that was just accepted.
    #[must_use]
    pub fn received(order: &crate::Order, now: Timestamp) -> Self {
        Self {
            order_id: order.order_id.clone(),
            version: 1,
            attempt: 1,
            stage: Stage::Received,
            customer_id: order.customer_id.clone(),
            total: order.total,
            received_at: now,
            reserved_lines: 0,
            validated_at: None,
            review: None,
            cancel: None,
            authorize: None,
            book: None,
            capture: None,
            notify: None,
            failure: None,
            unbook: None,
            reverse: None,
            notify_failure: None,
            closed_at: None,
            waived_at: None,
        }
    }

    /// The state with which a new attempt at `order` begins, after this one.
    #[must_use]
    pub fn next_attempt(&self, order: &crate::Order, now: Timestamp) -> Self {
        Self {
            version: self.version + 1,
            attempt: self.attempt + 1,
            ..Self::received(order, now)
        }
    }

    /// The name of the execution that processes this attempt: at most 75 characters of Step
    /// Functions' 80.
    #[must_use]
    pub fn execution_name(&self) -> String {
        format!("{}-{}", self.order_id, self.attempt)
    }

    /// The payment whose money is held for this order.
    #[must_use]
    pub fn held_payment(&self) -> Option<&str> {
        match self.authorize.as_ref().and_then(Entry::outcome) {
            Some(Authorization::Held { payment }) => Some(payment),
            Some(Authorization::Declined { .. }) | None => None,
        }
    }

    /// Until when the held money may be relied on without asking the provider. `None` if none is held.
    #[must_use]
    pub fn hold_trusted_until(&self) -> Option<Timestamp> {
        match &self.authorize {
            Some(Entry::Done {
                outcome: Authorization::Held { .. },
                at,
            }) => Some(*at + Authorization::TRUSTED_FOR),
            Some(Entry::Done { .. } | Entry::Open(_)) | None => None,
        }
    }

    /// Whether the order may still be cancelled, and if not, why.
    ///
    /// # Errors
    /// The reason, for the caller.
    pub fn cancellable(&self) -> Result<(), &'static str> {
        if self.capture.is_some() {
            Err("the payment is captured or being captured; ask for a refund instead")
        } else if self.failure.is_some() && self.cancel.is_none() {
            Err("the order has failed and is being or has been reversed")
        } else {
            Ok(())
        }
    }
}
