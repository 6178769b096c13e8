//! The objects as Stripe shows them.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::decline::Decline;
use super::lists::Expanded;
use crate::ledger::{Money, Reference};

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Status {
    RequiresPaymentMethod,
    RequiresConfirmation,
    RequiresAction,
    /// The bank has not answered yet.
    Processing,
    RequiresCapture,
    Succeeded,
    Canceled,
}

impl Status {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::RequiresPaymentMethod => "requires_payment_method",
            Self::RequiresConfirmation => "requires_confirmation",
            Self::RequiresAction => "requires_action",
            Self::Processing => "processing",
            Self::RequiresCapture => "requires_capture",
            Self::Succeeded => "succeeded",
            Self::Canceled => "canceled",
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Intent {
    /// Of `pi_…`, `ch_…` and the client secret.
    pub(crate) number: u64,
    pub(crate) amount: u64,
    pub(crate) amount_received: u64,
    pub(crate) amount_refunded: u64,
    /// Lower case.
    pub(crate) currency: String,
    pub(crate) description: Option<String>,
    pub(crate) customer: Option<String>,
    /// Whether what is held waits to be captured.
    pub(crate) manual: bool,
    /// None for a declined one: it may be tried again with another.
    pub(crate) payment_method: Option<String>,
    pub(crate) payment_method_types: Vec<String>,
    pub(crate) metadata: BTreeMap<String, String>,
    pub(crate) status: Status,
    /// Whether it was ever confirmed, which makes its charge.
    pub(crate) charged: bool,
    pub(crate) decline: Option<Decline>,
    pub(crate) cancellation_reason: Option<String>,
    pub(crate) canceled_at: Option<Timestamp>,
    pub(crate) created: Timestamp,
}

impl Intent {
    pub(crate) fn id(&self) -> String {
        format!("pi_{}", self.number)
    }

    pub(crate) fn charge(&self) -> String {
        format!("ch_{}", self.number)
    }

    pub(crate) fn order_id(&self) -> Option<String> {
        self.metadata.get("order_id").cloned()
    }

    /// The effect `amount` on this intent's money, for the ledger.
    pub(crate) fn effect(&self, amount: u64, id: String, reference: Reference) -> Money {
        Money {
            reference: Reference {
                order_id: self.order_id(),
                attempt: self
                    .metadata
                    .get("attempt")
                    .and_then(|one| one.parse().ok()),
                key: reference.key,
            },
            amount,
            currency: self.currency.to_uppercase(),
            id,
            at: Timestamp::now(),
        }
    }

    /// Where the customer answers the bank. Nobody does: no browser is here.
    fn question(&self) -> Value {
        let url = format!("https://sandbox.invalid/redirect/{}", self.id());
        json!({
            "type": "redirect_to_url",
            "redirect_to_url": { "return_url": null, "url": url },
        })
    }

    pub(crate) fn to_json(&self) -> Value {
        let capturable = match self.status {
            Status::RequiresCapture => self.amount,
            Status::RequiresPaymentMethod
            | Status::RequiresConfirmation
            | Status::RequiresAction
            | Status::Processing
            | Status::Succeeded
            | Status::Canceled => 0,
        };
        json!({
            "id": self.id(),
            "object": "payment_intent",
            "amount": self.amount,
            "amount_capturable": capturable,
            "amount_details": { "tip": {} },
            "amount_received": self.amount_received,
            "application": null,
            "application_fee_amount": null,
            "automatic_payment_methods": null,
            "canceled_at": self.canceled_at.map(Timestamp::as_second),
            "cancellation_reason": self.cancellation_reason,
            "capture_method": if self.manual { "manual" } else { "automatic" },
            "client_secret": format!("pi_{0}_secret_{0}", self.number),
            "confirmation_method": "automatic",
            "created": self.created.as_second(),
            "currency": self.currency,
            "customer": self.customer,
            "customer_account": null,
            "description": self.description,
            "excluded_payment_method_types": null,
            "last_payment_error": self.decline.map(|decline| json!({
                "type": "card_error",
                "code": decline.code,
                "decline_code": decline.reason,
                "message": decline.message,
                "charge": self.charge(),
            })),
            "latest_charge": self.charged.then(|| self.charge()),
            "livemode": false,
            "metadata": self.metadata,
            "next_action": (self.status == Status::RequiresAction).then(|| self.question()),
            "on_behalf_of": null,
            "payment_method": self.payment_method,
            "payment_method_configuration_details": null,
            "payment_method_options": {},
            "payment_method_types": self.payment_method_types,
            "processing": null,
            "receipt_email": null,
            "review": null,
            "setup_future_usage": null,
            "shipping": null,
            "source": null,
            "statement_descriptor": null,
            "statement_descriptor_suffix": null,
            "status": self.status.as_str(),
            "transfer_data": null,
            "transfer_group": null,
        })
    }
}

/// The other two are for methods that ask the customer something, which cards do not.
/// <https://docs.stripe.com/api/refunds/object#refund_object-status>
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum RefundStatus {
    Pending,
    Succeeded,
    Failed,
}

impl RefundStatus {
    fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Refund {
    pub(crate) id: String,
    pub(crate) status: RefundStatus,
    /// The idempotency key that it was asked for with.
    pub(crate) key: Option<String>,
    pub(crate) amount: u64,
    pub(crate) charge: String,
    pub(crate) currency: String,
    pub(crate) payment_intent: String,
    pub(crate) reason: Option<String>,
    pub(crate) metadata: BTreeMap<String, String>,
    pub(crate) created: Timestamp,
}

impl Refund {
    pub(super) fn to_json(&self, expanded: &Expanded<'_>) -> Value {
        let mut json = json!({
            "id": self.id,
            "object": "refund",
            "amount": self.amount,
            "balance_transaction": null,
            "charge": self.charge,
            "created": self.created.as_second(),
            "currency": self.currency,
            "destination_details": { "card": { "type": "refund" }, "type": "card" },
            "metadata": self.metadata,
            "payment_intent": expanded.payment_intent(&self.payment_intent),
            "reason": self.reason,
            "receipt_number": null,
            "source_transfer_reversal": null,
            "status": self.status.as_str(),
            "transfer_reversal": null,
        });
        if self.status == RefundStatus::Failed {
            json["failure_reason"] = json!("expired_or_canceled_card");
        }
        json
    }
}
