//! Taking over a payment that the shop's checkout has made and the customer confirmed.
//!
//! An order has it once its metadata name the order and its environment. Stripe writes metadata unconditionally, so that
//! two orders that name one payment could both find it free and both write. What tells them apart is
//! the key of the write: it follows from the payment alone, not from the order or its environment, and Stripe
//! refuses a key that comes with other parameters (<https://docs.stripe.com/api/idempotent_requests>). Once
//! Stripe may have forgotten the key, the metadata have long been there to be seen.

use domain::PaymentToken;
use domain::ports::{AuthorizeRequest, Payment, ProviderError};

use super::error;
use super::intent::{HELD, Intent, TAKEN};
use super::{Stripe, declined, wire_amount};

impl Stripe {
    pub(super) async fn adopt(
        &self,
        request: &AuthorizeRequest<'_>,
        intent: &PaymentToken,
    ) -> Result<Payment, ProviderError> {
        let order_id = request.order_id.as_str();
        let Some(seen) = self.intent(intent).await? else {
            return Ok(declined("intent_unknown"));
        };
        if let Some(answer) = self.unfit(&seen, request)? {
            return Ok(answer);
        }
        if self.has(order_id, &seen) {
            return seen.payment();
        }
        let path = path(intent);
        // No environment in it: two on one account may be given the same payment.
        let key = format!("adopt-{}", intent.as_str());
        let form = [
            ("metadata[order_id]", order_id.to_owned()),
            ("metadata[environment]", self.environment.clone()),
        ];
        let answer = self.post_anew(&path, &key, &form).await?;
        let refused_key = error::is_of_other_request(&answer);
        if !answer.status.is_success() && !refused_key {
            return Err(answer.error(None));
        }
        // A stored answer may be old, and a key that another order has used tells nothing of what came
        // of it. Whatever goes wrong from here on, the payment may be the order's by now.
        let unknown = |error: ProviderError| ProviderError::Unknown(error.to_string());
        match self.intent(intent).await.map_err(unknown)? {
            Some(now) if now.environment().is_some() => match self.unfit(&now, request)? {
                Some(answer) => Ok(answer),
                None => now.payment(),
            },
            Some(_) | None => Err(ProviderError::Unknown(
                "another order asks for the same payment".to_owned(),
            )),
        }
    }

    /// The payment that was taken over for an order, if it was.
    pub(super) async fn adopted(
        &self,
        order_id: &str,
        intent: &PaymentToken,
    ) -> Result<Option<Payment>, ProviderError> {
        let intent = self.intent(intent).await?;
        let its = intent.filter(|intent| self.has(order_id, intent));
        its.map(|intent| intent.payment()).transpose()
    }

    /// The payment with this name. `None` if there is none.
    async fn intent(&self, intent: &PaymentToken) -> Result<Option<Intent>, ProviderError> {
        let answer = self.get_json(&path(intent), &[]).await?;
        if answer.status == reqwest::StatusCode::NOT_FOUND {
            return Ok(None);
        }
        if answer.status.is_success() {
            return answer.json::<Intent>().map(Some);
        }
        Err(answer.error(None))
    }

    /// Whether an order of this environment has it.
    fn has(&self, order_id: &str, intent: &Intent) -> bool {
        intent.order() == Some(order_id) && intent.environment() == Some(&self.environment)
    }

    /// Why a payment cannot be the order's: an answer that ends it. `None` if it can.
    fn unfit(
        &self,
        intent: &Intent,
        request: &AuthorizeRequest<'_>,
    ) -> Result<Option<Payment>, ProviderError> {
        let order_id = request.order_id.as_str();
        let ours = self.has(order_id, intent);
        let of_others = intent.order().is_some_and(|its| its != order_id)
            || intent
                .environment()
                .is_some_and(|its| its != self.environment);
        let amount = wire_amount(request.amount)?;
        let currency = request.amount.currency().code();
        let capturable = intent.amount_capturable.unwrap_or(intent.amount);
        // One that is the order's already is the order's to use or to let go of, whatever its age.
        let too_old = intent.made_at().is_none_or(|at| at < request.not_before);
        let code = if of_others {
            "intent_used_by_another_order"
        } else if intent.status == "processing" || (ours && intent.status == TAKEN) {
            // Nobody knows yet; or it was taken by somebody else, and has to be given back.
            return intent.payment().map(Some);
        } else if intent.capture_method.as_deref() != Some("manual") {
            "intent_not_captured_manually"
        } else if intent.status != HELD {
            "intent_not_held"
        } else if !intent.currency.eq_ignore_ascii_case(currency) {
            "intent_currency_differs"
        } else if intent.amount != amount || capturable != amount {
            "intent_amount_differs"
        } else if too_old && !ours {
            "intent_about_to_lapse"
        } else {
            return Ok(None);
        };
        Ok(Some(declined(code)))
    }
}

fn path(intent: &PaymentToken) -> String {
    format!("/v1/payment_intents/{}", intent.as_str())
}
