//! The payment provider: Stripe's PaymentIntents with manual capture.
//!
//! Requests and answers: <https://docs.stripe.com/api/payment_intents>,
//! <https://docs.stripe.com/api/refunds>. Errors: <https://docs.stripe.com/error-low-level>.

use domain::ports::{AuthorizeRequest, Payment, PaymentProvider, PaymentState, ProviderError};
use domain::{Currency, Money, OrderId};
use provider::{Answer, Http, Secret};
use serde::Deserialize;
use step::budget;

/// What this adapter is written against; without it the account's own setting would decide.
/// <https://docs.stripe.com/api/versioning>
const API_VERSION: &str = "2025-12-15.clover";

/// Stripe, or whatever speaks its API.
#[derive(Debug)]
pub struct Stripe {
    http: Http,
    secret: Secret,
}

#[derive(Deserialize)]
struct Intent {
    id: String,
    status: String,
    #[serde(default)]
    amount: u64,
    amount_received: Option<u64>,
    currency: String,
    last_payment_error: Option<ErrorBody>,
    #[serde(default)]
    metadata: std::collections::HashMap<String, String>,
}

#[derive(Deserialize)]
struct List<T> {
    data: Vec<T>,
}

#[derive(Deserialize)]
struct Refund {
    id: String,
    amount: u64,
}

#[derive(Deserialize, Default)]
struct ErrorBody {
    #[serde(rename = "type", default)]
    kind: String,
    code: Option<String>,
    decline_code: Option<String>,
    payment_intent: Option<Box<Intent>>,
}

#[derive(Deserialize, Default)]
struct ErrorAnswer {
    #[serde(default)]
    error: ErrorBody,
}

impl Stripe {
    /// Stripe at `base_url`, with this credential.
    ///
    /// # Errors
    /// If no HTTP client can be built.
    pub fn new(base_url: &str, secret: Secret) -> Result<Self, String> {
        let (connect, call) = (budget::PROVIDER_CONNECT, budget::PROVIDER_CALL);
        let http = Http::new("payment provider", base_url, connect, call)?;
        Ok(Self { http, secret })
    }

    async fn post(
        &self,
        path: &str,
        key: &str,
        form: &[(&str, String)],
    ) -> Result<Answer, ProviderError> {
        let request = self.http.request(reqwest::Method::POST, path);
        self.sent(request.header("Idempotency-Key", key).form(form))
            .await
    }

    /// A move of a payment that exists, which its own state allows only once. A server error that
    /// the provider keeps repeating for this key is no answer, so it is asked under another one.
    async fn post_anew(
        &self,
        path: &str,
        key: &str,
        form: &[(&str, String)],
    ) -> Result<Answer, ProviderError> {
        let answer = self.post(path, key, form).await?;
        if answer.replayed && answer.status.is_server_error() {
            return self.post(path, &format!("{key}-anew"), form).await;
        }
        Ok(answer)
    }

    /// A refund of this amount that exists.
    async fn refund_of(&self, reference: &str, wire: u64) -> Result<Option<String>, ProviderError> {
        let query = [("payment_intent", reference.to_owned())];
        let answer = self.get_json("/v1/refunds", &query).await?;
        if !answer.status.is_success() {
            return Err(answer.error(None));
        }
        let mut refunds = answer.json::<List<Refund>>()?.data.into_iter();
        Ok(refunds
            .find(|refund| refund.amount == wire)
            .map(|refund| refund.id))
    }

    async fn get_json(
        &self,
        path: &str,
        query: &[(&str, String)],
    ) -> Result<Answer, ProviderError> {
        let request = self.http.request(reqwest::Method::GET, path);
        self.sent(request.query(query)).await
    }

    async fn sent(&self, request: reqwest::RequestBuilder) -> Result<Answer, ProviderError> {
        let request = request
            .bearer_auth(self.secret.get().await?)
            .header("Stripe-Version", API_VERSION);
        let answer = self.http.send(request).await?;
        if answer.status == reqwest::StatusCode::UNAUTHORIZED {
            self.secret.forget().await;
        }
        Ok(answer)
    }
}

impl PaymentProvider for Stripe {
    async fn authorize(
        &self,
        key: &str,
        request: AuthorizeRequest<'_>,
    ) -> Result<Payment, ProviderError> {
        let amount = wire_amount(request.amount)?;
        let form = [
            ("amount", amount.to_string()),
            (
                "currency",
                request.amount.currency().code().to_ascii_lowercase(),
            ),
            ("payment_method", request.payment_method.to_owned()),
            ("payment_method_types[]", "card".to_owned()),
            ("confirm", "true".to_owned()),
            ("capture_method", "manual".to_owned()),
            ("metadata[order_id]", request.order_id.to_string()),
            ("metadata[attempt]", request.attempt.to_string()),
        ];
        let answer = self.post("/v1/payment_intents", key, &form).await?;
        if answer.status.is_success() {
            return answer.json::<Intent>()?.payment();
        }
        let error = answer.json::<ErrorAnswer>().unwrap_or_default().error;
        let declined = |code: String| Payment {
            reference: String::new(),
            state: PaymentState::Declined(code),
        };
        match (answer.status.as_u16(), error.code.as_deref()) {
            (402, _) => Ok(declined(error.reason())),
            // The customer's token is no means of payment: their matter, not a defect of ours.
            (400, Some("resource_missing")) => Ok(declined("payment_method_unknown".to_owned())),
            // So is a total that no card can be charged with.
            (400, Some(code @ ("amount_too_small" | "amount_too_large"))) => {
                Ok(declined(code.to_owned()))
            }
            (_, code) => Err(answer.error(code)),
        }
    }

    async fn find(
        &self,
        order_id: &OrderId,
        attempt: u32,
    ) -> Result<Option<Payment>, ProviderError> {
        // Ids hold no quotes, so there is nothing to escape.
        let query =
            format!("metadata['order_id']:'{order_id}' AND metadata['attempt']:'{attempt}'");
        let answer = self
            .get_json("/v1/payment_intents/search", &[("query", query)])
            .await?;
        if !answer.status.is_success() {
            return Err(answer.error(None));
        }
        let found = answer.json::<List<Intent>>()?.data;
        // Stripe matches without regard to case; order ids differ by it.
        let mine = found.into_iter().filter(|intent| {
            intent
                .metadata
                .get("order_id")
                .is_some_and(|id| id == order_id.as_str())
        });
        // `false` comes first.
        let standing = mine.min_by_key(|intent| intent.status == CANCELED);
        standing.map(|intent| intent.payment()).transpose()
    }

    async fn get(&self, reference: &str) -> Result<Payment, ProviderError> {
        let answer = self
            .get_json(&format!("/v1/payment_intents/{reference}"), &[])
            .await?;
        if answer.status.is_success() {
            answer.json::<Intent>()?.payment()
        } else {
            Err(answer.error(None))
        }
    }

    async fn capture(
        &self,
        key: &str,
        reference: &str,
        amount: Money,
    ) -> Result<Payment, ProviderError> {
        let form = [("amount_to_capture", wire_amount(amount)?.to_string())];
        let path = format!("/v1/payment_intents/{reference}/capture");
        moved(&self.post_anew(&path, key, &form).await?, reference)
    }

    async fn void(&self, key: &str, reference: &str) -> Result<Payment, ProviderError> {
        let path = format!("/v1/payment_intents/{reference}/cancel");
        moved(&self.post_anew(&path, key, &[]).await?, reference)
    }

    async fn refund(
        &self,
        key: &str,
        reference: &str,
        amount: Money,
    ) -> Result<String, ProviderError> {
        let wire = wire_amount(amount)?;
        let form = [
            ("payment_intent", reference.to_owned()),
            ("amount", wire.to_string()),
        ];
        let mut answer = self.post("/v1/refunds", key, &form).await?;
        if answer.replayed && answer.status.is_server_error() {
            // The same as in `post_anew`, but two refunds are possible: it may have been made.
            if let Some(refund) = self.refund_of(reference, wire).await? {
                return Ok(refund);
            }
            answer = self
                .post("/v1/refunds", &format!("{key}-anew"), &form)
                .await?;
        }
        if answer.status.is_success() {
            return Ok(answer.json::<Refund>()?.id);
        }
        let code = answer.json::<ErrorAnswer>().unwrap_or_default().error.code;
        if code.as_deref() == Some("charge_already_refunded")
            && let Some(refund) = self.refund_of(reference, wire).await?
        {
            return Ok(refund);
        }
        Err(answer.error(code.as_deref()))
    }
}

/// What a capture or a void answered: where the payment stands now, even if that was refused
/// because it stands elsewhere already.
fn moved(answer: &Answer, reference: &str) -> Result<Payment, ProviderError> {
    if answer.status.is_success() {
        return answer.json::<Intent>()?.payment();
    }
    let stands = |state| Payment {
        reference: reference.to_owned(),
        state,
    };
    let error = answer.json::<ErrorAnswer>().unwrap_or_default().error;
    if answer.status == reqwest::StatusCode::PAYMENT_REQUIRED {
        return Ok(stands(PaymentState::Declined(error.reason())));
    }
    match (error.code.as_deref(), error.payment_intent) {
        (Some("payment_intent_unexpected_state"), Some(intent)) => intent.payment(),
        (Some("charge_expired_for_capture"), _) => Ok(stands(PaymentState::Voided)),
        (code, _) => Err(answer.error(code)),
    }
}

impl ErrorBody {
    /// The bank's reason, or the provider's: a code, never the message, which names the card.
    fn reason(&self) -> String {
        let code = self.decline_code.as_ref().or(self.code.as_ref());
        code.unwrap_or(&self.kind).clone()
    }
}

/// What a payment is called that was let go of, or whose hold has lapsed.
const CANCELED: &str = "canceled";

impl Intent {
    /// <https://docs.stripe.com/payments/paymentintents/lifecycle>
    fn payment(&self) -> Result<Payment, ProviderError> {
        let state = match self.status.as_str() {
            "requires_capture" => PaymentState::Held(domain_amount(self.amount, &self.currency)?),
            "succeeded" => {
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
            state,
        })
    }
}

/// Currencies that Stripe counts in hundredths though ISO 4217 gives them no smaller unit.
/// <https://docs.stripe.com/currencies#special-cases>
const COUNTED_IN_HUNDREDTHS: [&str; 2] = ["ISK", "UGX"];
/// Currencies that Stripe counts in whole units though ISO 4217 gives them hundredths.
/// <https://docs.stripe.com/currencies#zero-decimal>
const COUNTED_IN_WHOLE_UNITS: [&str; 1] = ["MGA"];

/// The amount in Stripe's unit, which is the currency's minor unit but for special cases.
fn wire_amount(money: Money) -> Result<u64, ProviderError> {
    let (amount, currency) = (money.minor(), money.currency());
    if COUNTED_IN_HUNDREDTHS.contains(&currency.code()) {
        return Ok(amount * 100);
    }
    if COUNTED_IN_WHOLE_UNITS.contains(&currency.code()) {
        if amount.is_multiple_of(100) {
            return Ok(amount / 100);
        }
        let text = format!("the payment provider takes whole units of {currency} only");
        return Err(ProviderError::Defect(text));
    }
    if currency.minor_digits() == 3 && !amount.is_multiple_of(10) {
        let text =
            format!("the payment provider takes {currency} in steps of ten minor units only");
        return Err(ProviderError::Defect(text));
    }
    Ok(amount)
}

fn domain_amount(wire: u64, currency: &str) -> Result<Money, ProviderError> {
    let code = currency.to_ascii_uppercase();
    let unknown = |what| ProviderError::Unknown(format!("the payment provider answered {what}"));
    let known: Currency = code
        .parse()
        .map_err(|_| unknown("in an unknown currency"))?;
    let minor = if COUNTED_IN_HUNDREDTHS.contains(&code.as_str()) {
        wire / 100
    } else if COUNTED_IN_WHOLE_UNITS.contains(&code.as_str()) {
        wire.saturating_mul(100)
    } else {
        wire
    };
    Money::new(minor, known).map_err(|_| unknown("an amount that no payment can have"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_keep_their_value_in_the_providers_units() {
        let wire = |minor, code: &str| {
            wire_amount(Money::new(minor, code.parse().expect("a currency")).expect("an amount"))
                .ok()
        };
        assert_eq!(wire(1299, "USD"), Some(1299));
        assert_eq!(wire(1500, "JPY"), Some(1500));
        assert_eq!(wire(1500, "ISK"), Some(150_000));
        assert_eq!((wire(1500, "MGA"), wire(1550, "MGA")), (Some(15), None));
        assert_eq!(wire(1250, "KWD"), Some(1250));
        assert_eq!(wire(1255, "KWD"), None);
        let krona = Money::new(1500, "ISK".parse().expect("a currency"));
        assert_eq!(domain_amount(150_000, "isk").ok(), krona.ok());
        assert!(domain_amount(1, "gold").is_err());
    }
}
