//! The payment provider: Stripe's PaymentIntents with manual capture.
//!
//! Requests and answers: <https://docs.stripe.com/api/payment_intents>,
//! <https://docs.stripe.com/api/refunds>. Errors: <https://docs.stripe.com/error-low-level>.

mod adopt;
mod aftermath;
mod amount;
mod books;
mod error;
mod find;
mod intent;
mod refund;

use std::time::Duration;

use amount::{domain_amount, wire_amount};
use domain::ports::{
    AuthorizeRequest, FindRequest, GivenBack, Payment, PaymentProvider, PaymentState, ProviderError,
};
use domain::{Money, PaymentMeans};
use intent::Intent;
use provider::{Answer, Http, Secret};
use refund::{Refund, Refunds};
use serde::Deserialize;
use step::budget;

/// What this adapter is written against; without it the account's own setting would decide.
/// <https://docs.stripe.com/api/versioning>
const API_VERSION: &str = "2025-12-15.clover";

/// How the other keys of a move end, when an error is kept under the one before.
const OTHER_KEYS: [&str; 2] = ["-anew", "-anew-2"];

/// Under which a payment's metadata has the environment's name: two environments on one account never
/// adopt each other's payments.
const ENVIRONMENT: &str = "environment";

/// Stripe, or whatever speaks its API.
#[derive(Debug)]
pub struct Stripe {
    http: Http,
    secret: Secret,
    environment: String,
}

#[derive(Deserialize)]
struct List<T> {
    data: Vec<T>,
    #[serde(default)]
    has_more: bool,
}

impl Stripe {
    /// Stripe at `base_url`, with this credential, for the environment of this name.
    ///
    /// # Errors
    /// If no HTTP client can be built.
    pub fn new(base_url: &str, secret: Secret, environment: &str) -> Result<Self, String> {
        let (connect, call) = (budget::PROVIDER_CONNECT, budget::PROVIDER_CALL);
        let http = Http::new("payment provider", base_url, connect, call)?;
        Ok(Self {
            http,
            secret,
            environment: environment.to_owned(),
        })
    }

    /// A key of this environment's own. A dot is in no environment's name, and in no key of ours.
    fn own(&self, key: &str) -> String {
        format!("{}.{key}", self.environment)
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

    /// A move of a payment that exists, which its own state allows only once: a refund, too, for it
    /// is always of all that is left. An error that the provider keeps repeating for this key is no
    /// answer, so it is asked under another one.
    async fn post_anew(
        &self,
        path: &str,
        key: &str,
        form: &[(&str, String)],
    ) -> Result<Answer, ProviderError> {
        let mut answer = self.post(path, key, form).await?;
        for anew in OTHER_KEYS {
            if !answer.replayed || answer.status.is_success() {
                break;
            }
            answer = self.post(path, &format!("{key}{anew}"), form).await?;
        }
        Ok(answer)
    }

    /// Every refund of a payment. A list has what was written before it, unlike a search.
    /// <https://docs.stripe.com/api/refunds/list>
    async fn refunds_of(&self, reference: &str) -> Result<Refunds, ProviderError> {
        let query = [
            ("payment_intent", reference.to_owned()),
            ("limit", "100".to_owned()),
        ];
        let answer = self.get_json("/v1/refunds", &query).await?;
        if !answer.status.is_success() {
            return Err(answer.error(None));
        }
        let list = answer.json::<List<Refund>>()?;
        if list.has_more {
            let text = "a payment with more refunds than anybody makes".to_owned();
            return Err(ProviderError::Defect(text));
        }
        Ok(Refunds::new(list.data))
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
    /// Stripe keeps them for at least 24 hours; an hour is left for clocks and queues.
    /// <https://docs.stripe.com/api/idempotent_requests>
    const KEYS_ARE_KEPT: Duration = Duration::from_hours(23);

    async fn authorize(
        &self,
        key: &str,
        request: AuthorizeRequest<'_>,
    ) -> Result<Payment, ProviderError> {
        let (method, customer) = match request.means {
            PaymentMeans::Intent { intent } => return self.adopt(&request, intent).await,
            PaymentMeans::Single(method) => (method, None),
            PaymentMeans::Saved { method, customer } => (method, Some(customer)),
        };
        let amount = wire_amount(request.amount)?;
        let currency = request.amount.currency().code().to_ascii_lowercase();
        let mut form = vec![
            ("amount", amount.to_string()),
            ("currency", currency),
            ("payment_method", method.as_str().to_owned()),
            ("payment_method_types[]", "card".to_owned()),
            ("confirm", "true".to_owned()),
            ("capture_method", "manual".to_owned()),
            ("metadata[order_id]", request.order_id.to_string()),
            ("metadata[attempt]", request.attempt.to_string()),
            ("metadata[environment]", self.environment.clone()),
        ];
        if let Some(customer) = customer {
            // The customer agreed to it when they saved the method, and is not there now.
            form.push(("customer", customer.as_str().to_owned()));
            form.push(("off_session", "true".to_owned()));
        }
        let answer = self
            .post("/v1/payment_intents", &self.own(key), &form)
            .await?;
        if answer.status.is_success() {
            let payment = answer.json::<Intent>()?.payment()?;
            // What is repeated is what was true then; somebody may have let go of it since.
            if answer.replayed {
                let unknown = |error: ProviderError| ProviderError::Unknown(error.to_string());
                return self.get(&payment.reference).await.map_err(unknown);
            }
            return Ok(payment);
        }
        error::refused(&answer)
    }

    async fn find(&self, request: FindRequest<'_>) -> Result<Option<Payment>, ProviderError> {
        match request.means {
            Some(PaymentMeans::Intent { intent }) => {
                self.adopted(request.order_id.as_str(), intent).await
            }
            Some(PaymentMeans::Single(_) | PaymentMeans::Saved { .. }) | None => {
                self.look_for(request).await
            }
        }
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
        let answer = self.post_anew(&path, &self.own(key), &form).await?;
        moved(&answer, reference)
    }

    async fn void(&self, key: &str, reference: &str) -> Result<Payment, ProviderError> {
        let path = format!("/v1/payment_intents/{reference}/cancel");
        let answer = self.post_anew(&path, &self.own(key), &[]).await?;
        moved(&answer, reference)
    }

    async fn refund(
        &self,
        key: &str,
        reference: &str,
        amount: Money,
    ) -> Result<String, ProviderError> {
        let whole = wire_amount(amount)?;
        let made = self.refunds_of(reference).await?;
        let Some(rest) = made.rest(whole)? else {
            return made.last_given();
        };
        let form = [
            ("payment_intent", reference.to_owned()),
            ("amount", rest.to_string()),
        ];
        let key = self.own(&made.next_key(key));
        let answer = self.post_anew("/v1/refunds", &key, &form).await?;
        if answer.status.is_success() {
            return answer.json::<Refund>()?.given();
        }
        Err(error::not_refunded(&answer))
    }

    async fn given_back(
        &self,
        reference: &str,
        captured: Money,
    ) -> Result<GivenBack, ProviderError> {
        let made = self.refunds_of(reference).await?;
        Ok(GivenBack {
            amount: domain_amount(made.sum_given()?, captured.currency().code())?,
            last: made.last_given().ok(),
        })
    }
}

/// A payment that certainly was not made or taken over, for this reason.
fn declined(code: &str) -> Payment {
    Payment {
        reference: String::new(),
        made_at: None,
        state: PaymentState::Declined(code.to_owned()),
    }
}

/// What a capture or a void answered: where the payment stands now, even if that was refused
/// because it stands elsewhere already.
fn moved(answer: &Answer, reference: &str) -> Result<Payment, ProviderError> {
    if answer.status.is_success() {
        return answer.json::<Intent>()?.payment();
    }
    error::not_moved(answer, reference)
}
