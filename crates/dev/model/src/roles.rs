//! Who can be at work on an order, and what they run: the shipped steps, and for people what they do beside them.

use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};
use std::time::Duration;

use charge::Charge;
use domain::ports::{Cancellation, Decided, Invocation, Orders as _, TaskTokens as _};
use domain::{Actor, AuditEvent, Currency, Decision, ErrorName, Event, Money, Packing, StepError};
use memory::{Bug, Ports, Snapshot, Wire};
use notify::Notify;
use serde::de::DeserializeOwned;
use serde_json::Value;
use ship::Ship;
use step::{FailureInput, Task};
use validate::Validate;

use crate::system::SETTLED_S;

/// Who is at work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Role {
    /// A step, for a state of the state machine.
    Step {
        state: &'static str,
        function: String,
        action: String,
        failure: Option<FailureInput>,
        token: Option<&'static str>,
    },
    /// A person decides about the order.
    Decide(Decision),
    /// The monitor wakes an execution that waits for what was decided already, as it has read it.
    Wake {
        decision: Option<Decision>,
        is_cancelled: bool,
    },
    /// Whoever ordered asks for a cancellation.
    Customer,
    /// An operator, or the monitor, asks the providers what became of what nobody knows.
    Resolve,
    /// The monitor compares the ledger with what the providers say.
    Compare,
    /// The monitor looks for money that was held after all.
    LookAgain,
    /// An operator begins a new attempt, from what they have read.
    Begin {
        last: Snapshot,
        fresh: Snapshot,
        word: &'static str,
    },
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ended {
    /// It did what it was asked for.
    Well,
    /// It failed.
    With(StepError),
    /// A new attempt has begun.
    Begun,
    /// The customer was told that the order is cancelled.
    Cancelled,
    /// Somebody was told that provider and ledger differ.
    Differs(String),
}

impl Role {
    /// Hashes it as it looks to whoever has seen this version of the order's state.
    pub(crate) fn hash_beside<H: Hasher>(&self, version: u64, hasher: &mut H) {
        std::mem::discriminant(self).hash(hasher);
        match self {
            Self::Step {
                state,
                failure,
                token,
                ..
            } => {
                (state, token).hash(hasher);
                failure
                    .as_ref()
                    .map(|it| (&it.error, &it.cause))
                    .hash(hasher);
            }
            Self::Begin { last, fresh, word } => {
                let is_news = last.state().version != version;
                (word, last, fresh, is_news).hash(hasher);
            }
            Self::Decide(decision) => word(*decision).hash(hasher),
            Self::Wake {
                decision,
                is_cancelled,
            } => (decision.map(word), is_cancelled).hash(hasher),
            Self::Customer | Self::Resolve | Self::Compare | Self::LookAgain => {}
        }
    }

    /// For a person to read.
    pub(crate) fn words(&self) -> String {
        match self {
            Self::Step { state, .. } => (*state).to_owned(),
            Self::Decide(decision) => format!("the reviewer who has {} it", word(*decision)),
            Self::Wake { .. } => "the monitor, about the review".to_owned(),
            Self::Customer => "the customer's cancellation".to_owned(),
            Self::Resolve => "resolve".to_owned(),
            Self::Compare => "compare".to_owned(),
            Self::LookAgain => "the monitor's second look".to_owned(),
            Self::Begin { word, .. } => (*word).to_owned(),
        }
    }

    /// Does it.
    pub(crate) async fn run<W: Wire>(&self, by: Invocation, ports: Ports<W>) -> Ended {
        match self {
            Self::Step {
                function,
                action,
                failure,
                token,
                ..
            } => {
                let given = (failure.as_ref(), *token);
                match step(function, action, given, by, ports).await {
                    Ok(_) => Ended::Well,
                    Err(error) => Ended::With(error),
                }
            }
            Self::Decide(decision) => decide(*decision, &by, &ports).await,
            Self::Wake {
                decision,
                is_cancelled,
            } => wake(*decision, *is_cancelled, &ports).await,
            Self::Customer => match ports.request_cancel(&by.order_id, by.now).await {
                Ok(Cancellation::Requested { review }) => {
                    if let Some(token) = review {
                        // The monitor tells it if this is not heard.
                        let _ = ports.give_up(&token, &cancelled()).await;
                    }
                    Ended::Cancelled
                }
                Ok(Cancellation::Refused(_)) | Err(_) => Ended::Well,
            },
            Self::Resolve => both("resolve", by, ports).await,
            Self::Compare => both("compare", by, ports).await,
            Self::LookAgain => match step("charge", "look_again", NOTHING, by, ports).await {
                Ok(_) => Ended::Well,
                Err(error) => Ended::With(error),
            },
            Self::Begin { last, fresh, .. } => {
                let fresh = fresh.state().clone();
                match ports.begin_attempt(last.state(), fresh).await {
                    Ok(true) => Ended::Begun,
                    Ok(false) | Err(_) => Ended::Well,
                }
            }
        }
    }
}

/// The carrier first, as operators and the monitor ask.
async fn both<W: Wire>(action: &str, by: Invocation, ports: Ports<W>) -> Ended {
    let mut differs = Vec::new();
    for function in ["ship", "charge"] {
        match step(function, action, NOTHING, by.clone(), ports.clone()).await {
            Ok(answer) if answer["differs"].is_object() => differs.push(function),
            Ok(_) => {}
            Err(error) => return Ended::With(error),
        }
    }
    if differs.is_empty() {
        Ended::Well
    } else {
        Ended::Differs(differs.join(", "))
    }
}

/// For a person to read.
pub(crate) const fn word(decision: Decision) -> &'static str {
    match decision {
        Decision::Approved => "approved",
        Decision::Rejected => "rejected",
    }
}

fn cancelled() -> StepError {
    StepError::new(ErrorName::OrderCancelled, String::new())
}

/// As an operator decides: on record first, then whoever waits is told.
async fn decide<W: Wire>(decision: Decision, by: &Invocation, ports: &Ports<W>) -> Ended {
    let word = match decision {
        Decision::Approved => Event::Approved,
        Decision::Rejected => Event::Rejected,
    };
    let event = AuditEvent::new(by.now, word, Actor::Operator(by.owner.clone()), "");
    let decided = ports.decide_review(&by.order_id, decision, &event).await;
    if let Ok(Decided::Recorded { token: Some(token) }) = decided {
        tell(decision, &token, ports).await;
    }
    Ended::Well
}

/// As the monitor repairs: whoever decided may have died before the execution was told.
async fn wake<W: Wire>(decision: Option<Decision>, is_cancelled: bool, ports: &Ports<W>) -> Ended {
    if let Ok(Some(token)) = ports.review_token().await {
        if is_cancelled {
            let _ = ports.give_up(&token, &cancelled()).await;
        } else if let Some(decision) = decision {
            tell(decision, &token, ports).await;
        }
    }
    Ended::Well
}

/// Whether it is heard or not: the monitor tells it again.
async fn tell<W: Wire>(decision: Decision, token: &str, ports: &Ports<W>) {
    let _ = match decision {
        Decision::Approved => ports.proceed(token).await,
        Decision::Rejected => {
            let error = StepError::new(ErrorName::ReviewRejected, String::new());
            ports.give_up(token, &error).await
        }
    };
}

/// What a state hands over beside the order: why the order is reversed, and a token to wait by.
type Given<'a> = (Option<&'a FailureInput>, Option<&'static str>);

const NOTHING: Given<'static> = (None, None);

async fn step<W: Wire>(
    function: &str,
    action: &str,
    given: Given<'_>,
    by: Invocation,
    ports: Ports<W>,
) -> Result<Value, StepError> {
    let patience = if ports.has(Bug::Impatient) {
        Duration::ZERO
    } else {
        Duration::from_secs(SETTLED_S)
    };
    match function {
        "validate" => {
            let limit = limits(ports.is_reviewed());
            let validate = Validate::<_, Ports<W>>::new(ports, limit, packing());
            validate.handle(task(action, given, by)).await
        }
        "charge" => {
            let charge = Charge::new(ports.clone(), ports, patience);
            charge.handle(task(action, given, by)).await
        }
        "ship" => {
            let ship = Ship::new(ports.clone(), ports, packing()).settled_after(patience);
            ship.handle(task(action, given, by)).await
        }
        _ => {
            let notify = Notify::new(ports.clone(), ports.clone(), ports.clone(), ports);
            notify.handle(task(action, given, by)).await
        }
    }
}

/// An order of the model is a parcel within the country.
#[expect(clippy::expect_used, reason = "a constant")]
fn packing() -> Packing {
    Packing {
        grams_per_piece: 500,
        max_parcel_g: 30_000,
        domestic_countries: ["US".parse().expect("a country")].into(),
        ships_abroad: false,
        multi_package: false,
    }
}

/// So high that no order of the model is looked at by a person, or so low that each is.
#[expect(clippy::expect_used, reason = "a constant")]
fn limits(is_reviewed: bool) -> BTreeMap<Currency, Money> {
    let usd: Currency = "USD".parse().expect("a currency");
    let limit = if is_reviewed { 1 } else { 1_000_000 };
    [(usd, Money::new(limit, usd).expect("an amount"))].into()
}

#[expect(
    clippy::expect_used,
    reason = "the definition's words, which tests hold against the steps"
)]
fn task<A: DeserializeOwned>(action: &str, (failure, token): Given<'_>, by: Invocation) -> Task<A> {
    let action = serde_json::from_value(Value::String(action.to_owned()));
    Task {
        action: action.expect("an action of the step"),
        execution: format!("{}-{}", by.order_id, by.attempt),
        by,
        failure: failure.cloned(),
        task_token: token.map(str::to_owned),
        settling: None,
    }
}
