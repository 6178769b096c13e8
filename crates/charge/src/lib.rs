#![doc = include_str!("../README.md")]

mod books;
mod config;
mod settle;
mod stripe;

use std::time::Duration;

pub use config::Config;
use domain::ledger::{
    Authorization, Authorize, Capture, CaptureResult, Claim, Effect, Entry, Reversal, Reverse,
    idempotency_key,
};
use domain::ports::{
    AuthorizeRequest, FindRequest, Invocation, Orders, Payment, PaymentProvider, PaymentState,
    ProviderError,
};
use domain::view::is_held_otherwise;
use domain::{
    Discrepancy, ErrorName, Money, OrderState, PaymentStatus, PersonalData, StepError, Timestamp,
};
use serde::Deserialize;
use serde_json::{Value, json};
use step::{Documents, Task, budget};
use store::Store;
pub use stripe::Stripe;

/// What the longest action can take. A capture whose authorisation has lapsed looks at the payment,
/// looks for one that renews it, holds the money anew and takes it; besides the claim and the commit
/// it reads the order and notes the new payment. A reversal makes as many calls: it finds a payment,
/// looks at it and at what was refunded of it, and refunds the rest; whoever lets go of a payment does
/// the same. Repeated server errors, which are answered at once and asked again under another key, come
/// on top; if they take too long, the claim stays and the retry asks.
pub const WORST_CASE: Duration = budget::worst_case(7, 4);

/// For how long a hold that somebody else has made must still be relied on: a carrier that is away is waited
/// for, for hours.
const LEFT_TO_SHIP: Duration = Duration::from_hours(6);

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
    /// Ask what became of either, if nobody knows. Not the state machine's: the monitor and operators do,
    /// once no execution is at work.
    Resolve,
    /// Compare the ledger with what the provider says. Reads and tells, no more.
    Compare,
    /// Put on record what a person says has become of money that the provider does not give back, once the
    /// provider was asked. Operators do, once no execution is at work.
    Settle,
    /// Let go of money that is held after all for an order that was closed when nobody knew. The monitor's.
    LookAgain,
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
        let stripe = Stripe::new(&config.payment_api_url, secret, &config.environment)
            .map_err(step::InitError::new)?;
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
            Action::Resolve => self.resolve(&task.by).await,
            Action::Compare => self.compare(&task.by).await,
            Action::Settle => self.settle(&task.by, task.settling()?).await,
            Action::LookAgain => self.look_again(&task.by).await,
        }
    }

    async fn authorize(&self, by: &Invocation) -> Result<Value, StepError> {
        let prepare = step::documents(&self.orders, &by.order_id);
        let act = async |(_, personal, _): Documents,
                         state: OrderState,
                         unknown_since: Option<Timestamp>| {
            let known = self.held_by(by, &state, &personal, unknown_since, None);
            let known = known.await?;
            self.hold(by, &key::<Authorize>(&state), &state, &personal, known)
                .await
        };
        let unavailable = ErrorName::PaymentUnavailable;
        match step::once::<Authorize, _, _, _, _>(&self.orders, by, unavailable, prepare, act)
            .await?
        {
            Authorization::Held { payment, .. } => Ok(json!({"payment_id": payment})),
            Authorization::Declined { code } => Err(StepError::new(
                ErrorName::PaymentDeclined,
                format!("the payment was declined: {code}"),
            )),
        }
    }

    /// The payment of an earlier try whose outcome is unknown, if the provider may have forgotten its
    /// key by now; else the key finds it. Not the one that has `lapsed`.
    async fn held_by(
        &self,
        by: &Invocation,
        state: &OrderState,
        personal: &PersonalData,
        unknown_since: Option<Timestamp>,
        lapsed: Option<&str>,
    ) -> Result<Option<Payment>, ProviderError> {
        match unknown_since {
            Some(since) if older(by.now, since, P::KEYS_ARE_KEPT) => {
                let request = FindRequest {
                    order_id: &by.order_id,
                    attempt: state.payment_attempt(),
                    means: Some(&personal.payment),
                    since,
                    until: by.now,
                };
                let found = self.provider.find(request).await?;
                Ok(found.filter(|payment| Some(payment.reference.as_str()) != lapsed))
            }
            Some(_) | None => Ok(None),
        }
    }

    /// Holds the money, unless it is `known` to be held.
    async fn hold(
        &self,
        by: &Invocation,
        key: &str,
        state: &OrderState,
        personal: &PersonalData,
        known: Option<Payment>,
    ) -> Result<Authorization, ProviderError> {
        let total = state.total;
        if let Some(payment) = known {
            return authorization(payment, total);
        }
        step::still_true(personal, state)?;
        let request = AuthorizeRequest {
            order_id: &state.order_id,
            attempt: state.payment_attempt(),
            amount: total,
            means: &personal.payment,
            not_before: by.now + LEFT_TO_SHIP - Authorization::TRUSTED_FOR,
        };
        authorization(self.provider.authorize(key, request).await?, total)
    }

    async fn capture(&self, by: &Invocation) -> Result<Value, StepError> {
        let act = async |(), state: OrderState, unknown_since: Option<Timestamp>| {
            let payment = state.held_payment().ok_or_else(|| {
                ProviderError::Defect("a shipped order without a payment".to_owned())
            })?;
            let lapsing = state.hold_trusted_until() <= Some(by.now);
            let known = if lapsing || unknown_since.is_some() {
                Some(self.provider.get(payment).await?)
            } else {
                None
            };
            let (mut key, mut payment) = (key::<Capture>(&state), payment.to_owned());
            let answer = match known {
                Some(known) if lapsing && known.state == PaymentState::Voided => {
                    match self.renew(by, &state, &payment, unknown_since).await? {
                        Authorization::Held {
                            payment: renewed, ..
                        } => payment = renewed,
                        Authorization::Declined { code } => {
                            return Ok(CaptureResult::Refused { code });
                        }
                    }
                    key += "-renewed";
                    self.provider.capture(&key, &payment, state.total).await?
                }
                Some(known) if !matches!(known.state, PaymentState::Held(_)) => known,
                Some(_) | None => self.provider.capture(&key, &payment, state.total).await?,
            };
            match answer.state {
                PaymentState::Captured(amount) => taken(amount, state.total),
                PaymentState::Voided => Ok(CaptureResult::Refused {
                    code: LAPSED.to_owned(),
                }),
                PaymentState::Declined(code) => Ok(CaptureResult::Refused { code }),
                PaymentState::Held(_) | PaymentState::Pending => Err(pending()),
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

    /// Holds the money anew for a shipped order whose hold has `lapsed`, and notes the new payment
    /// before anything is done with it. Not with means of payment that work once: they have.
    async fn renew(
        &self,
        by: &Invocation,
        state: &OrderState,
        lapsed: &str,
        unknown_since: Option<Timestamp>,
    ) -> Result<Authorization, ProviderError> {
        // Of the documents only what was never sent before: this is the rare way.
        let documents = step::documents(&self.orders, &by.order_id).await;
        let (_, personal, _) = documents.map_err(|error| unread(&error))?;
        if !personal.payment.works_again() {
            let code = LAPSED.to_owned();
            return Ok(Authorization::Declined { code });
        }
        let key = format!("{}-renew", key::<Authorize>(state));
        let known = self.held_by(by, state, &personal, unknown_since, Some(lapsed));
        let known = known.await?;
        let renewed = self.hold(by, &key, state, &personal, known).await?;
        if let Authorization::Held { .. } = &renewed {
            let noted = self.orders.replace_hold(by, lapsed, &renewed).await;
            noted.map_err(|error| ProviderError::Unknown(error.to_string()))?;
        }
        Ok(renewed)
    }

    /// Undo of [`Self::authorize`] and [`Self::capture`]: MUST be safe when neither ran or when
    /// nobody knows, and MUST NOT fail for good.
    async fn reverse(&self, by: &Invocation) -> Result<Value, StepError> {
        let act = async |(), state: OrderState, _: Option<Timestamp>| {
            let Some(payment) = self.to_reverse(by, &state).await? else {
                return Ok(Reversal::Nothing);
            };
            let key = key::<Reverse>(&state);
            match payment.state {
                // A declined payment is void by itself.
                PaymentState::Declined(_) => Ok(Reversal::Nothing),
                PaymentState::Voided => Ok(Reversal::Voided),
                PaymentState::Captured(amount) => {
                    let key = format!("{key}-refund");
                    let refunded = self.provider.refund(&key, &payment.reference, amount);
                    match refunded.await {
                        Ok(refund) => Ok(Reversal::Refunded { refund, amount }),
                        // Such as a dispute: no retry changes it.
                        Err(ProviderError::Defect(said)) => {
                            let noted = self.orders.refuse::<Reverse>(by, &said).await;
                            noted.map_err(|error| ProviderError::Unknown(error.to_string()))?;
                            Err(ProviderError::Defect(format!("{said}: settle it")))
                        }
                        Err(error) => Err(error),
                    }
                }
                PaymentState::Held(_) | PaymentState::Pending => {
                    match self.provider.void(&key, &payment.reference).await?.state {
                        PaymentState::Voided | PaymentState::Declined(_) => Ok(Reversal::Voided),
                        // Captured after all, perhaps by an invocation that was given up: the retry
                        // gives it back.
                        PaymentState::Captured(_) => Err(ProviderError::Unknown(
                            "the payment was captured meanwhile".to_owned(),
                        )),
                        PaymentState::Held(_) | PaymentState::Pending => Err(pending()),
                    }
                }
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
            Reversal::WrittenOff { captured, refunded } => {
                json!({"captured": captured, "refunded": refunded})
            }
        })
    }

    /// Finds out what became of an effect whose outcome nobody knows. Never takes or holds money; an undo
    /// that was begun is carried through, which asks first by itself.
    async fn resolve(&self, by: &Invocation) -> Result<Value, StepError> {
        let state = step::record(&self.orders, &by.order_id).await?.state;
        let unavailable = ErrorName::PaymentUnavailable;
        if state.failure.is_some() {
            if matches!(state.reverse, Some(Entry::Open(_))) {
                self.reverse(by).await?;
                return Ok(json!({"resolved": true}));
            }
            return Ok(json!({"resolved": false}));
        }
        // What was found is known: it is no outcome of ours, and the failure branch lets it go.
        if is_held_otherwise(&state) {
            return Ok(json!({"resolved": false}));
        }
        let mut differs = false;
        let held = async |state: &OrderState, claim: &Claim| {
            let Some(payment) = self.find(by, state, claim).await? else {
                return Ok(None);
            };
            let authorized = authorization(payment, state.total);
            if let Err(ProviderError::Defect(said)) = &authorized {
                let noted = self.orders.refuse::<Authorize>(by, said).await;
                noted.map_err(|error| ProviderError::Unknown(error.to_string()))?;
                differs = true;
            }
            authorized.map(Some)
        };
        let captured = async |state: &OrderState, claim: &Claim| {
            let payment = state.held_payment().ok_or_else(|| {
                ProviderError::Defect("a shipped order without a payment".to_owned())
            })?;
            match self.provider.get(payment).await?.state {
                // Another amount is none that our capture took: the step finds it, and it is reversed.
                PaymentState::Captured(amount) => Ok(taken(amount, state.total).ok()),
                PaymentState::Held(_) => Ok(None),
                // The capture may have held the money anew without noting it: noted now, nobody loses it.
                PaymentState::Voided => {
                    let found = self.find(by, state, claim).await?;
                    let renewed = found.filter(|found| found.reference != payment);
                    let renewed = renewed.map(|found| authorization(found, state.total));
                    if let Some(renewed @ Authorization::Held { .. }) = renewed.transpose()? {
                        let noted = self.orders.replace_hold(by, payment, &renewed).await;
                        noted.map_err(|error| ProviderError::Unknown(error.to_string()))?;
                    }
                    Ok(None)
                }
                PaymentState::Declined(code) => Ok(Some(CaptureResult::Refused { code })),
                PaymentState::Pending => Err(pending()),
            }
        };
        let orders = &self.orders;
        if step::find_out::<Capture, _, _>(orders, by, &state, unavailable, captured).await? {
            return Ok(json!({"resolved": true}));
        }
        let resolved = step::find_out::<Authorize, _, _>(orders, by, &state, unavailable, held);
        match resolved.await {
            Err(_) if differs => Ok(json!({"resolved": true})),
            resolved => Ok(json!({"resolved": resolved?})),
        }
    }

    /// Whether the provider sees the payment as the ledger does. What nobody knows yet is not compared.
    async fn compare(&self, by: &Invocation) -> Result<Value, StepError> {
        let state = step::record(&self.orders, &by.order_id).await?.state;
        let same = Ok(json!({"differs": null}));
        let open = matches!(state.capture, Some(Entry::Open(_)))
            || matches!(state.reverse, Some(Entry::Open(_)));
        let Some(payment) = state.held_payment().filter(|_| !open) else {
            return same;
        };
        let captured = state.capture.as_ref().and_then(Entry::outcome);
        let ledger = match (state.reverse.as_ref().and_then(Entry::outcome), captured) {
            (Some(Reversal::Voided), _) => PaymentStatus::Voided,
            // A refund leaves the payment as it was.
            (Some(Reversal::Refunded { .. } | Reversal::WrittenOff { .. }), _)
            | (_, Some(CaptureResult::Taken { .. })) => PaymentStatus::Captured,
            (_, Some(CaptureResult::Refused { .. })) | (Some(Reversal::Nothing), _) => {
                return same;
            }
            (None, None) => PaymentStatus::Authorized,
        };
        step::time_left(by)?;
        let seen =
            self.provider.get(payment).await.map_err(|error| {
                StepError::new(ErrorName::PaymentUnavailable, error.to_string())
            })?;
        let provider = match seen.state {
            PaymentState::Held(_) => PaymentStatus::Authorized,
            PaymentState::Captured(_) => PaymentStatus::Captured,
            PaymentState::Voided => PaymentStatus::Voided,
            PaymentState::Declined(_) => PaymentStatus::Declined,
            PaymentState::Pending => ledger,
        };
        if ledger == provider || !step::unchanged(&self.orders, &state).await? {
            return same;
        }
        Ok(json!({"differs": Discrepancy::Payment { ledger, provider }}))
    }

    /// An order was closed because the provider had nothing of a hold of which nobody knew. A request that
    /// arrived afterwards has held the customer's money for nothing.
    async fn look_again(&self, by: &Invocation) -> Result<Value, StepError> {
        let record = step::record(&self.orders, &by.order_id).await?;
        let state = &record.state;
        let Some(since) = state.closed_without_knowing() else {
            return Ok(json!({"let_go": false}));
        };
        step::time_left(by)?;
        let request = FindRequest {
            order_id: &by.order_id,
            attempt: state.payment_attempt(),
            means: record.personal.as_ref().map(|personal| &personal.payment),
            since,
            until: by.now,
        };
        let unavailable =
            |error: ProviderError| StepError::new(ErrorName::PaymentUnavailable, error.to_string());
        let found = self.provider.find(request).await.map_err(unavailable)?;
        let Some(payment) = found else {
            return Ok(json!({"let_go": false}));
        };
        match payment.state {
            PaymentState::Voided | PaymentState::Declined(_) => Ok(json!({"let_go": false})),
            PaymentState::Held(_) | PaymentState::Pending | PaymentState::Captured(_) => {
                // A new attempt may have begun meanwhile, and taken over the same payment.
                let now = step::record(&self.orders, &by.order_id).await?.state;
                if now.attempt != state.attempt || now.closed_without_knowing().is_none() {
                    return Ok(json!({"let_go": false}));
                }
                let key = key::<Reverse>(state);
                let voided = self.provider.void(&key, &payment.reference).await;
                match voided.map_err(unavailable)?.state {
                    PaymentState::Voided | PaymentState::Declined(_) => Ok(json!({"let_go": true})),
                    PaymentState::Held(_) | PaymentState::Pending => Err(unavailable(pending())),
                    PaymentState::Captured(_) => Err(StepError::new(
                        ErrorName::Internal,
                        "the payment of an order that is closed was captured",
                    )),
                }
            }
        }
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
                outcome: Authorization::Held { payment, .. },
                ..
            }) => match &state.capture {
                // Whoever may be at work on the capture is waited for.
                Some(Entry::Open(claim)) if claim.until > by.now => Err(busy()),
                // It may have held the money anew without noting it.
                Some(Entry::Open(claim)) => match self.provider.get(payment).await? {
                    lapsed if lapsed.state == PaymentState::Voided => {
                        let found = self.find(by, state, claim).await?;
                        Ok(Some(found.unwrap_or(lapsed)))
                    }
                    standing => Ok(Some(standing)),
                },
                Some(Entry::Done { .. }) | None => self.provider.get(payment).await.map(Some),
            },
            Some(Entry::Open(claim)) if claim.until > by.now => Err(busy()),
            Some(Entry::Open(claim)) => self.find(by, state, claim).await,
        }
    }

    /// What was authorised under a claim. `None` if it certainly was not.
    async fn find(
        &self,
        by: &Invocation,
        state: &OrderState,
        claim: &Claim,
    ) -> Result<Option<Payment>, ProviderError> {
        let record = step::record(&self.orders, &by.order_id).await;
        let personal = record.map_err(|error| unread(&error))?.personal;
        let request = FindRequest {
            order_id: &by.order_id,
            attempt: state.payment_attempt(),
            means: personal.as_ref().map(|personal| &personal.payment),
            since: claim.since,
            until: claim.until + self.search_lag,
        };
        match self.provider.find(request).await? {
            // A search may show an older state; the payment itself does not.
            Some(payment) if payment.state != PaymentState::Voided => {
                self.provider.get(&payment.reference).await.map(Some)
            }
            found if older(by.now, claim.until, self.search_lag) => Ok(found),
            Some(_) | None => Err(ProviderError::Unavailable(
                "a payment that is still on its way may exist".to_owned(),
            )),
        }
    }
}

/// Why an order could not be read, on the way of a provider's errors.
fn unread(error: &StepError) -> ProviderError {
    let text = error.message().to_owned();
    match error.name() {
        ErrorName::StoreUnavailable => ProviderError::Unavailable(text),
        _ => ProviderError::Defect(text),
    }
}

/// Why a payment cannot be taken whose hold is over.
const LAPSED: &str = "authorization_lapsed";

fn key<E: Effect>(state: &OrderState) -> String {
    idempotency_key::<E>(&state.order_id, state.payment_attempt())
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

/// What a captured payment says about the capture. Whoever took another amount than `total` did so by
/// hand, and no retry changes it: the failure branch gives back what was taken.
fn taken(amount: Money, total: Money) -> Result<CaptureResult, ProviderError> {
    if amount == total {
        return Ok(CaptureResult::Taken { amount });
    }
    Err(ProviderError::Defect(
        "the payment was captured with another amount than the order's total".to_owned(),
    ))
}

/// What a payment for `total` says about its authorisation.
fn authorization(payment: Payment, total: Money) -> Result<Authorization, ProviderError> {
    match payment.state {
        PaymentState::Held(amount) if amount == total => Ok(Authorization::Held {
            payment: payment.reference,
            made_at: payment.made_at,
        }),
        PaymentState::Held(_) => Err(ProviderError::Defect(
            "the payment holds another amount than the order's total".to_owned(),
        )),
        PaymentState::Declined(code) => Ok(Authorization::Declined { code }),
        PaymentState::Voided => Ok(Authorization::Declined {
            code: "voided".to_owned(),
        }),
        PaymentState::Captured(_) => Err(ProviderError::Defect(
            "the payment was captured without being authorised first".to_owned(),
        )),
        PaymentState::Pending => Err(pending()),
    }
}
