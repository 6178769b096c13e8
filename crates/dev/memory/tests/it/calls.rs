//! Calls of the ports, and what they answer, in a form that can be compared.

use domain::ledger::{
    Authorization, Authorize, Book, Booking, Capture, CaptureResult, Effect, MessageId, Notify,
    NotifyFailure, Reversal, Reverse, Unbook, Unbooking,
};
use domain::ports::{Claimed, Decided, Invocation, Orders, Reserved, Stock, StoreError};
use domain::{AuditEvent, Decision, ErrorName, Failure, OrderState};
use proptest::prelude::*;
use tests::{audited, money};

/// The effects by a number.
pub(crate) const EFFECTS: u8 = 7;

/// What is asked of an effect's claim.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Of {
    Claim,
    Commit,
    CommitNo,
    Withdraw,
    Relinquish,
    Refuse,
    Settle,
    GiveBack,
}

/// What is asked.
#[derive(Debug, Clone, Copy)]
pub(crate) enum What {
    Effect(u8, Of),
    Reserve {
        review: bool,
    },
    Release,
    ReplaceHold {
        known: bool,
    },
    BeginReversal {
        cancelled: bool,
    },
    Cancel,
    OpenReview,
    Decide {
        approved: bool,
    },
    /// A new attempt, from the state as it is or as it was before the last write.
    Begin {
        is_news: bool,
    },
}

/// By whom.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Call {
    pub(crate) what: What,
    pub(crate) owner: u8,
    pub(crate) attempt: u32,
    /// Hours since the order came; a lease is half of one.
    pub(crate) hour: u8,
}

/// The way of an order that nothing happens to, and beyond it.
pub(crate) fn way() -> Vec<Call> {
    let forward =
        (0..4).flat_map(|effect| [Of::Claim, Of::Commit].map(|of| What::Effect(effect, of)));
    let all = [What::Reserve { review: false }].into_iter().chain(forward);
    let call = |what| Call {
        what,
        owner: 1,
        attempt: 1,
        hour: 1,
    };
    all.map(call).collect()
}

fn of() -> impl Strategy<Value = Of> {
    prop_oneof![
        4 => Just(Of::Claim),
        3 => Just(Of::Commit),
        1 => Just(Of::CommitNo),
        1 => Just(Of::Withdraw),
        1 => Just(Of::Relinquish),
        1 => Just(Of::Refuse),
        1 => Just(Of::Settle),
        1 => Just(Of::GiveBack),
    ]
}

/// Any call.
pub(crate) fn calls() -> impl Strategy<Value = Call> {
    let what = prop_oneof![
        12 => (0..EFFECTS, of()).prop_map(|(effect, of)| What::Effect(effect, of)),
        1 => any::<bool>().prop_map(|review| What::Reserve { review }),
        2 => Just(What::Release),
        1 => any::<bool>().prop_map(|known| What::ReplaceHold { known }),
        3 => any::<bool>().prop_map(|cancelled| What::BeginReversal { cancelled }),
        1 => Just(What::Cancel),
        1 => Just(What::OpenReview),
        1 => any::<bool>().prop_map(|approved| What::Decide { approved }),
        1 => any::<bool>().prop_map(|is_news| What::Begin { is_news }),
    ];
    let attempt = prop_oneof![5 => Just(1_u32), 1 => Just(2)];
    (what, 1_u8..3, attempt, 1_u8..4).prop_map(|(what, owner, attempt, hour)| Call {
        what,
        owner,
        attempt,
        hour,
    })
}

/// An answer without the words that are for people.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Answer {
    Done,
    State(Box<OrderState>),
    Perform(Box<OrderState>, bool),
    Outcome(Box<OrderState>, String),
    Said(String),
    Unavailable,
    Defect,
    NotFound,
}

impl From<StoreError> for Answer {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(_) => Self::Unavailable,
            StoreError::NotFound(_) => Self::NotFound,
            StoreError::Defect(_) => Self::Defect,
        }
    }
}

fn claimed<T: std::fmt::Debug>(answer: Result<Claimed<T>, StoreError>) -> Answer {
    match answer {
        Ok(Claimed::Perform {
            state,
            unknown_since,
        }) => Answer::Perform(Box::new(state), unknown_since.is_some()),
        Ok(Claimed::Done { state, outcome }) => {
            Answer::Outcome(Box::new(state), format!("{outcome:?}"))
        }
        Ok(Claimed::Refused(error)) => Answer::Said(error.to_string()),
        Err(error) => error.into(),
    }
}

fn done<T>(answer: Result<T, StoreError>) -> Answer {
    answer.map_or_else(Into::into, |_| Answer::Done)
}

fn state(answer: Result<OrderState, StoreError>) -> Answer {
    answer.map_or_else(Into::into, |state| Answer::State(Box::new(state)))
}

async fn effect<E: Effect, O: Orders>(
    orders: &O,
    of: Of,
    by: &Invocation,
    yes: E::Outcome,
    no: E::Outcome,
) -> Answer {
    match of {
        Of::Claim => claimed(orders.claim::<E>(by).await),
        Of::Commit => state(orders.commit::<E>(by, yes).await),
        Of::CommitNo => state(orders.commit::<E>(by, no).await),
        Of::Withdraw => done(orders.withdraw::<E>(by).await),
        Of::Relinquish => done(orders.relinquish::<E>(by).await),
        Of::Refuse => done(orders.refuse::<E>(by, "it said no").await),
        Of::Settle => done(orders.settle::<E>(by, yes, &event()).await),
        Of::GiveBack => done(orders.give_back::<E>(by).await),
    }
}

fn event() -> AuditEvent {
    audited(domain::Event::Settled)
}

fn held(payment: &str) -> Authorization {
    Authorization::Held {
        payment: payment.to_owned(),
        made_at: None,
    }
}

fn code() -> String {
    "no".to_owned()
}

async fn of_effect<O: Orders>(orders: &O, number: u8, of: Of, by: &Invocation) -> Answer {
    let message = |id: &str| MessageId(id.to_owned());
    match number {
        0 => {
            let no = Authorization::Declined { code: code() };
            effect::<Authorize, O>(orders, of, by, held("pay-1"), no).await
        }
        1 => {
            let yes = Booking::Booked {
                label: "label-1".to_owned(),
                carrier: "usps".to_owned(),
                tracking: "track-1".to_owned(),
            };
            let no = Booking::Refused { code: code() };
            effect::<Book, O>(orders, of, by, yes, no).await
        }
        2 => {
            let amount = money(3098, "USD");
            let (yes, no) = (
                CaptureResult::Taken { amount },
                CaptureResult::Refused { code: code() },
            );
            effect::<Capture, O>(orders, of, by, yes, no).await
        }
        3 => effect::<Notify, O>(orders, of, by, message("m-1"), message("m-2")).await,
        4 => effect::<Unbook, O>(orders, of, by, Unbooking::Cancelled, Unbooking::WrittenOff).await,
        5 => effect::<Reverse, O>(orders, of, by, Reversal::Voided, Reversal::Nothing).await,
        _ => effect::<NotifyFailure, O>(orders, of, by, message("m-1"), message("m-2")).await,
    }
}

/// Makes a call, but for one that begins a new attempt: that is not of the ports.
pub(crate) async fn made<O: Orders + Stock>(ports: &O, call: &Call, by: &Invocation) -> Answer {
    let order_id = &by.order_id;
    match call.what {
        What::Effect(number, of) => of_effect(ports, number, of, by).await,
        What::Reserve { review } => {
            let record = ports.load(order_id).await.expect("an answer");
            let order = record.expect("the order").order;
            match ports.reserve(by, &order, review).await {
                Ok(Reserved::All) => Answer::Done,
                Ok(Reserved::Problems(problems)) => Answer::Said(format!("{problems:?}")),
                Ok(Reserved::Refused(error)) => Answer::Said(error.to_string()),
                Err(error) => error.into(),
            }
        }
        What::Release => {
            let record = ports.load(order_id).await.expect("an answer");
            let record = record.expect("the order");
            let released = ports.release_and_close(by, &record.order.lines, record.state);
            state(released.await)
        }
        What::ReplaceHold { known } => {
            let lapsed = if known { "pay-1" } else { "pay-7" };
            done(ports.replace_hold(by, lapsed, &held("pay-2")).await)
        }
        What::BeginReversal { cancelled } => {
            let error = if cancelled {
                ErrorName::OrderCancelled
            } else {
                ErrorName::Internal
            };
            let failure = Failure::new(error, "why", by.now);
            claimed(ports.begin_reversal(by, failure).await)
        }
        What::Cancel => match ports.request_cancel(order_id, by.now).await {
            Ok(cancellation) => Answer::Said(format!("{cancellation:?}")),
            Err(error) => error.into(),
        },
        What::OpenReview => match ports.open_review(by, "token").await {
            Ok(Ok(())) => Answer::Done,
            Ok(Err(state)) => Answer::State(Box::new(state)),
            Err(error) => error.into(),
        },
        What::Decide { approved } => {
            let decision = if approved {
                Decision::Approved
            } else {
                Decision::Rejected
            };
            let event = AuditEvent {
                at: by.now,
                ..event()
            };
            match ports.decide_review(order_id, decision, &event).await {
                // Why not is for people.
                Ok(Decided::Refused(_)) => Answer::Said("refused".to_owned()),
                Ok(decided) => Answer::Said(format!("{decided:?}")),
                Err(error) => error.into(),
            }
        }
        What::Begin { .. } => panic!("a new attempt is not of the ports"),
    }
}
