#![doc = include_str!("../README.md")]

mod config;
mod stripe;

use std::time::Duration;

pub use config::Config;
use domain::ledger::{
    Authorization, Authorize, Capture, CaptureResult, Effect, Entry, Reversal, Reverse,
    idempotency_key,
};
use domain::ports::{
    AuthorizeRequest, Invocation, Orders, Payment, PaymentProvider, PaymentStatus, ProviderError,
};
use domain::{ErrorName, Order, OrderState, PersonalData, StepError, Timestamp};
use serde::Deserialize;
use serde_json::{Value, json};
use step::{Task, budget};
use store::Store;
pub use stripe::Stripe;

/// What the longest action can take: a reversal that finds a payment, looks at it, voids it, is told
/// that it was captured, and refunds it. Repeated server errors, which are answered at once and asked
/// again under another key, come on top; if they take too long, the claim stays and the retry asks.
pub const WORST_CASE: Duration = budget::once(4);

/// For this long after the first try the provider still knows our keys: Stripe keeps them for at
/// least 24 hours; an hour is left for clocks and queues.
const KEYS_ARE_KEPT: Duration = Duration::from_hours(23);

/// What the state machine may ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Hold the money.
    Authorize,
    /// Take it.
    Capture,
    /// The undo of both.
    Reverse,
}

/// The step.
#[derive(Debug)]
pub struct Charge<O, P> {
    orders: O,
    provider: P,
    search_lag: Duration,
}

impl Charge<Store, Stripe> {
    /// Connects to what `config` names.
    ///
    /// # Errors
    /// If no HTTP client can be built.
    pub async fn connect(config: Config) -> Result<Self, step::InitError> {
        let aws = step::aws_config().await;
        let store = Store::new(&aws, config.orders_table, "");
        let secret = provider::Secret::new(&aws, &config.payment_secret_arn);
        let stripe = Stripe::new(&config.payment_api_url, secret).map_err(step::InitError::new)?;
        store.warm_up().await;
        Ok(Self::new(store, stripe, config.search_lag))
    }
}

impl<O: Orders, P: PaymentProvider> Charge<O, P> {
    /// The step on these ports.
    pub fn new(orders: O, provider: P, search_lag: Duration) -> Self {
        Self {
            orders,
            provider,
            search_lag,
        }
    }

    /// Does what the state machine asks for.
    ///
    /// # Errors
    /// The catalogue's.
    pub async fn handle(&self, task: Task<Action>) -> Result<Value, StepError> {
        match task.action {
            Action::Authorize => self.authorize(&task.by).await,
            Action::Capture => self.capture(&task.by).await,
            Action::Reverse => self.reverse(&task.by).await,
        }
    }

    async fn authorize(&self, by: &Invocation) -> Result<Value, StepError> {
        let prepare = step::documents(&self.orders, &by.order_id);
        let act = async |(_, personal): (Order, PersonalData),
                         state: OrderState,
                         unknown_since: Option<Timestamp>| {
            if let Some(since) = unknown_since
                && older(by.now, since, KEYS_ARE_KEPT)
                && let Some(payment) = self.provider.find(&by.order_id, by.attempt).await?
            {
                return authorization(payment);
            }
            let request = AuthorizeRequest {
                order_id: &by.order_id,
                attempt: by.attempt,
                amount: state.total,
                payment_method: &personal.payment_method,
            };
            let key = key::<Authorize>(by);
            authorization(self.provider.authorize(&key, request).await?)
        };
        let unavailable = ErrorName::PaymentUnavailable;
        match step::once::<Authorize, _, _, _, _>(&self.orders, by, unavailable, prepare, act)
            .await?
        {
            Authorization::Held { payment } => Ok(json!({"payment_id": payment})),
            Authorization::Declined { code } => Err(StepError::new(
                ErrorName::PaymentDeclined,
                format!("the customer's bank declined the payment: {code}"),
            )),
        }
    }

    async fn capture(&self, by: &Invocation) -> Result<Value, StepError> {
        let act = async |(), state: OrderState, unknown_since: Option<Timestamp>| {
            let payment = reference(&state).ok_or_else(|| {
                ProviderError::Defect("a shipped order without a payment".to_owned())
            })?;
            let known = match unknown_since {
                Some(_) => Some(self.provider.get(payment).await?),
                None => None,
            };
            let answer = match known {
                Some(known) if known.status != PaymentStatus::Held => known,
                Some(_) | None => {
                    let key = key::<Capture>(by);
                    self.provider.capture(&key, payment, state.total).await?
                }
            };
            match answer.status {
                PaymentStatus::Captured(amount) => Ok(CaptureResult::Taken { amount }),
                PaymentStatus::Voided => Ok(CaptureResult::Refused {
                    code: "authorization_lapsed".to_owned(),
                }),
                PaymentStatus::Declined(code) => Ok(CaptureResult::Refused { code }),
                PaymentStatus::Held | PaymentStatus::Pending => Err(pending()),
            }
        };
        let unavailable = ErrorName::PaymentUnavailable;
        let prepare = async { Ok(()) };
        match step::once::<Capture, _, _, _, _>(&self.orders, by, unavailable, prepare, act).await?
        {
            CaptureResult::Taken { amount } => Ok(json!({"captured": amount})),
            CaptureResult::Refused { code } => Err(StepError::new(
                ErrorName::PaymentDeclined,
                format!("the payment can no longer be captured: {code}"),
            )),
        }
    }

    /// Undo of [`Self::authorize`] and [`Self::capture`]: MUST be safe when neither ran or when
    /// nobody knows, and MUST NOT fail for good.
    async fn reverse(&self, by: &Invocation) -> Result<Value, StepError> {
        let act = async |(), state: OrderState, _: Option<Timestamp>| {
            let Some(payment) = self.to_reverse(by, &state).await? else {
                return Ok(Reversal::Nothing);
            };
            let key = key::<Reverse>(by);
            let status = match payment.status {
                // A declined payment is void by itself.
                PaymentStatus::Declined(_) => return Ok(Reversal::Nothing),
                PaymentStatus::Voided => return Ok(Reversal::Voided),
                PaymentStatus::Captured(amount) => PaymentStatus::Captured(amount),
                PaymentStatus::Held | PaymentStatus::Pending => {
                    self.provider.void(&key, &payment.reference).await?.status
                }
            };
            match status {
                PaymentStatus::Voided | PaymentStatus::Declined(_) => Ok(Reversal::Voided),
                // Captured after all, perhaps by an invocation that was given up: it goes back.
                PaymentStatus::Captured(amount) => {
                    let money = domain::Money::new(amount, state.total.currency())
                        .map_err(|error| ProviderError::Defect(error.to_string()))?;
                    let key = format!("{key}-refund");
                    let refund = self
                        .provider
                        .refund(&key, &payment.reference, money)
                        .await?;
                    Ok(Reversal::Refunded { refund, amount })
                }
                PaymentStatus::Held | PaymentStatus::Pending => Err(pending()),
            }
        };
        let unavailable = ErrorName::PaymentUnavailable;
        let prepare = async { Ok(()) };
        let reversal =
            step::once::<Reverse, _, _, _, _>(&self.orders, by, unavailable, prepare, act).await?;
        Ok(match reversal {
            Reversal::Nothing => json!({"reversed": 0}),
            Reversal::Voided => json!({"voided": true}),
            Reversal::Refunded { refund, amount } => {
                json!({"refunded": amount, "refund_id": refund})
            }
        })
    }

    /// The payment that may have to be reversed, as the provider sees it now. `None` if there
    /// certainly is none.
    async fn to_reverse(
        &self,
        by: &Invocation,
        state: &OrderState,
    ) -> Result<Option<Payment>, ProviderError> {
        match &state.authorize {
            None => Ok(None),
            Some(Entry::Done {
                outcome: Authorization::Declined { .. },
                ..
            }) => Ok(None),
            Some(Entry::Done {
                outcome: Authorization::Held { payment },
                ..
            }) => match &state.capture {
                // Whoever may be at work on the capture is waited for.
                Some(Entry::Open(claim)) if claim.until > by.now => Err(busy()),
                Some(_) | None => self.provider.get(payment).await.map(Some),
            },
            Some(Entry::Open(claim)) if claim.until > by.now => Err(busy()),
            Some(Entry::Open(claim)) => match self.provider.find(&by.order_id, by.attempt).await? {
                // A search may show an older state; the payment itself does not.
                Some(payment) => self.provider.get(&payment.reference).await.map(Some),
                None if older(by.now, claim.until, self.search_lag) => Ok(None),
                None => Err(ProviderError::Unavailable(
                    "a payment that the search does not find yet may exist".to_owned(),
                )),
            },
        }
    }
}

fn key<E: Effect>(by: &Invocation) -> String {
    idempotency_key::<E>(&by.order_id, by.attempt)
}

fn older(now: Timestamp, since: Timestamp, than: Duration) -> bool {
    now.duration_since(since).unsigned_abs() > than && now > since
}

fn pending() -> ProviderError {
    ProviderError::Unknown("the payment is still being processed".to_owned())
}

fn busy() -> ProviderError {
    ProviderError::Unavailable("an earlier invocation may still be at work".to_owned())
}

fn authorization(payment: Payment) -> Result<Authorization, ProviderError> {
    match payment.status {
        PaymentStatus::Held => Ok(Authorization::Held {
            payment: payment.reference,
        }),
        PaymentStatus::Declined(code) => Ok(Authorization::Declined { code }),
        PaymentStatus::Voided => Ok(Authorization::Declined {
            code: "canceled".to_owned(),
        }),
        PaymentStatus::Captured(_) => Err(ProviderError::Defect(
            "the payment was captured without being authorised first".to_owned(),
        )),
        PaymentStatus::Pending => Err(pending()),
    }
}

/// The reference of the payment that is held.
fn reference(state: &OrderState) -> Option<&str> {
    match state.authorize.as_ref().and_then(Entry::outcome) {
        Some(Authorization::Held { payment }) => Some(payment),
        Some(Authorization::Declined { .. }) | None => None,
    }
}
