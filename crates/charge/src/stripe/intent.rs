//! A payment as Stripe shows it: <https://docs.stripe.com/api/payment_intents/object>.

use std::collections::HashMap;

use domain::ports::{Payment, PaymentState, ProviderError};
use domain::{OrderId, Timestamp};
use serde::Deserialize;

use super::ENVIRONMENT;
use super::amount::domain_amount;
use super::error::ErrorBody;

/// What a payment is called that was let go of, or whose hold has lapsed.
const CANCELED: &str = "canceled";
/// What one is called whose money is held.
pub(super) const HELD: &str = "requires_capture";
/// What one is called that was taken.
pub(super) const TAKEN: &str = "succeeded";

#[derive(Deserialize)]
pub(super) struct Intent {
    pub(super) id: String,
    pub(super) status: String,
    #[serde(default)]
    pub(super) amount: u64,
    /// Less than the amount if the bank held only a part.
    pub(super) amount_capturable: Option<u64>,
    pub(super) amount_received: Option<u64>,
    pub(super) currency: String,
    pub(super) capture_method: Option<String>,
    created: Option<i64>,
    last_payment_error: Option<ErrorBody>,
    #[serde(default)]
    metadata: HashMap<String, String>,
}

impl Intent {
    /// The order that it is for, as its metadata say.
    pub(super) fn order(&self) -> Option<&str> {
        let order = self.metadata.get("order_id").map(String::as_str);
        order.filter(|order| !order.is_empty())
    }

    /// The environment that it is of, as its metadata say.
    pub(super) fn environment(&self) -> Option<&str> {
        let environment = self.metadata.get(ENVIRONMENT).map(String::as_str);
        environment.filter(|environment| !environment.is_empty())
    }

    /// Whether it was made for this attempt of this order. Ids are compared exactly: Stripe's search does
    /// not.
    pub(super) fn is_of(&self, environment: &str, order_id: &OrderId, attempt: u32) -> bool {
        let its = self.metadata.get("attempt");
        self.environment() == Some(environment)
            && self.order() == Some(order_id.as_str())
            && its.is_some_and(|its| *its == attempt.to_string())
    }

    /// Whether it names an attempt at an order, which nobody but we write.
    pub(super) fn has_attempt(&self) -> bool {
        self.metadata
            .get("attempt")
            .is_some_and(|attempt| !attempt.is_empty())
    }

    pub(super) fn is_canceled(&self) -> bool {
        self.status == CANCELED
    }

    /// When it was made, to the second.
    pub(super) fn made_at(&self) -> Option<Timestamp> {
        let created = self.created?;
        Timestamp::from_second(created).ok()
    }

    /// <https://docs.stripe.com/payments/paymentintents/lifecycle>
    pub(super) fn payment(&self) -> Result<Payment, ProviderError> {
        let state = match self.status.as_str() {
            HELD => PaymentState::Held(domain_amount(self.amount, &self.currency)?),
            TAKEN => {
                let wire = self.amount_received.unwrap_or(self.amount);
                PaymentState::Captured(domain_amount(wire, &self.currency)?)
            }
            CANCELED => PaymentState::Voided,
            "processing" => PaymentState::Pending,
            // No customer is there to answer a question of the bank's.
            "requires_payment_method" | "requires_action" | "requires_confirmation" => {
                let error = self.last_payment_error.as_ref();
                let reason = error.map_or_else(|| self.status.clone(), ErrorBody::reason);
                PaymentState::Declined(reason)
            }
            other => {
                let text = format!("the payment provider answered an unknown status, {other}");
                return Err(ProviderError::Unknown(text));
            }
        };
        Ok(Payment {
            reference: self.id.clone(),
            made_at: self.made_at(),
            state,
        })
    }
}
