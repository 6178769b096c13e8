//! What each of Stripe's errors becomes: the table of the crate's README, which a test holds against
//! this, row by row. Codes: <https://docs.stripe.com/error-codes>.

use domain::ports::{Payment, PaymentState, ProviderError};
use provider::Answer;
use serde::Deserialize;

use super::declined;
use super::intent::Intent;

/// <https://docs.stripe.com/api/errors>
#[derive(Deserialize, Default)]
pub(super) struct ErrorBody {
    #[serde(rename = "type", default)]
    kind: String,
    code: Option<String>,
    decline_code: Option<String>,
    /// Never shown to anybody: it may name the card.
    message: Option<String>,
    payment_intent: Option<Box<Intent>>,
}

#[derive(Deserialize, Default)]
struct ErrorAnswer {
    #[serde(default)]
    error: ErrorBody,
}

/// What Stripe says, in so many words and under no code, of a method that was used before.
/// <https://docs.stripe.com/api/payment_methods/attach>
const USED: &str = "may not be used again";

impl ErrorBody {
    fn of(answer: &Answer) -> Self {
        answer.json::<ErrorAnswer>().unwrap_or_default().error
    }

    /// The bank's reason, or the provider's: a code, never the message.
    pub(super) fn reason(&self) -> String {
        let code = self.decline_code.as_ref().or(self.code.as_ref());
        code.unwrap_or(&self.kind).clone()
    }

    fn is_of_used_method(&self) -> bool {
        let message = self.message.as_deref().unwrap_or_default();
        self.code.is_none() && message.contains(USED)
    }
}

/// A payment that was refused; one that does not exist, as far as the ledger is concerned.
pub(super) fn refused(answer: &Answer) -> Result<Payment, ProviderError> {
    let error = ErrorBody::of(answer);
    let code = match (answer.status.as_u16(), error.code.as_deref()) {
        (402, _) => error.reason(),
        // The customer's token is no means of payment: their matter, not a defect of ours.
        (400, Some("resource_missing")) => "payment_method_unknown".to_owned(),
        (400, None) if error.is_of_used_method() => "payment_method_used".to_owned(),
        // So is a total that no card can be charged with.
        (400, Some(code @ ("amount_too_small" | "amount_too_large"))) => code.to_owned(),
        (_, code) => return Err(answer.error(code)),
    };
    Ok(declined(&code))
}

/// Whether the key of a request was used for another one.
/// <https://docs.stripe.com/api/idempotent_requests>
pub(super) fn is_of_other_request(answer: &Answer) -> bool {
    // Under 409 it is the same request, still at work.
    answer.status.as_u16() == 400 && ErrorBody::of(answer).kind == "idempotency_error"
}

/// Where a payment stands that could not be captured or let go of.
pub(super) fn not_moved(answer: &Answer, reference: &str) -> Result<Payment, ProviderError> {
    let error = ErrorBody::of(answer);
    let state = match (answer.status.as_u16(), error.code.as_deref()) {
        (402, _) => PaymentState::Declined(error.reason()),
        (_, Some("charge_expired_for_capture" | "capture_charge_authorization_expired")) => {
            PaymentState::Voided
        }
        (_, Some(code @ "capture_unauthorized_payment")) => PaymentState::Declined(code.to_owned()),
        (_, Some(code)) if stands_elsewhere(code) => {
            return match error.payment_intent {
                Some(intent) => intent.payment(),
                None => Err(elsewhere(code)),
            };
        }
        (_, code) => return Err(answer.error(code)),
    };
    Ok(Payment {
        reference: reference.to_owned(),
        made_at: None,
        state,
    })
}

/// Why nothing was given back.
pub(super) fn not_refunded(answer: &Answer) -> ProviderError {
    match ErrorBody::of(answer).code.as_deref() {
        // Somebody was faster; the next try sees with how much.
        Some(code) if stands_elsewhere(code) => elsewhere(code),
        code => answer.error(code),
    }
}

/// Whether the call came too late for where the payment stands.
fn stands_elsewhere(code: &str) -> bool {
    matches!(
        code,
        "charge_already_captured" | "charge_already_refunded" | "payment_intent_unexpected_state"
    )
}

/// Nothing that the next try does not see: it begins by looking.
fn elsewhere(code: &str) -> ProviderError {
    ProviderError::Unknown(format!("the payment stands elsewhere ({code})"))
}
