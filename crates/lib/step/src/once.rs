//! Doing an effect exactly once.

use std::future::Future;

use domain::ledger::{Claim, Effect, Entry};
use domain::ports::{Claimed, Invocation, Orders, ProviderError, Record, StoreError};
use domain::{ErrorName, Order, OrderId, OrderState, PersonalData, StepError, Timestamp};

use crate::budget;

/// Performs effect `E`: claims it, acts, commits what came of it.
///
/// `prepare` runs beside the claim and reads what `act` needs. `act` gets it with the claimed
/// state and, if the outcome of an earlier try is unknown, since when: then it MUST ask the
/// provider before it acts. If `act` fails, the error carries `unavailable`, the step's own
/// retryable name, and the claim is taken back if certainly nothing was done, else stays open with
/// its lease ended.
///
/// # Errors
/// The catalogue's.
pub async fn once<E, T, O, P, A>(
    orders: &O,
    by: &Invocation,
    unavailable: ErrorName,
    prepare: P,
    act: A,
) -> Result<E::Outcome, StepError>
where
    E: Effect,
    O: Orders,
    P: Future<Output = Result<T, StepError>>,
    A: AsyncFnOnce(T, OrderState, Option<Timestamp>) -> Result<E::Outcome, ProviderError>,
{
    time_left(by)?;
    let (claimed, prepared) = tokio::join!(orders.claim::<E>(by), prepare);
    perform::<E, T, O, A>(orders, by, unavailable, claimed, prepared, act).await
}

/// The part of [`once`] after the claim, for an effect that is claimed together with another write.
///
/// # Errors
/// The catalogue's.
pub async fn perform<E, T, O, A>(
    orders: &O,
    by: &Invocation,
    unavailable: ErrorName,
    claimed: Result<Claimed<E::Outcome>, StoreError>,
    prepared: Result<T, StepError>,
    act: A,
) -> Result<E::Outcome, StepError>
where
    E: Effect,
    O: Orders,
    A: AsyncFnOnce(T, OrderState, Option<Timestamp>) -> Result<E::Outcome, ProviderError>,
{
    let (state, unknown_since) = match claimed.map_err(|error| store_error(&error))? {
        Claimed::Done { outcome, .. } => return Ok(outcome),
        Claimed::Refused(error) => return Err(error),
        Claimed::Perform {
            state,
            unknown_since,
        } => (state, unknown_since),
    };
    let acted = match prepared {
        Ok(prepared) => act(prepared, state, unknown_since).await.map_err(|error| {
            let nothing_done = matches!(error, ProviderError::Unavailable(_));
            (provider_error(&error, unavailable), nothing_done)
        }),
        Err(error) => Err((error, true)),
    };
    match acted {
        Ok(outcome) => {
            if let Err(error) = orders.commit::<E>(by, outcome.clone()).await {
                // What came of it is not on record: the retry asks, and need not wait for it.
                let _ = orders.relinquish::<E>(by).await;
                return Err(store_error(&error));
            }
            Ok(outcome)
        }
        // These only shorten the wait of the retry; if they fail, the lease runs out by itself.
        Err((error, nothing_done)) => {
            let _ = match (nothing_done, unknown_since) {
                (true, None) => orders.withdraw::<E>(by).await,
                // Nothing was done now; but who knows what came of an earlier try?
                (true, Some(_)) => orders.give_back::<E>(by).await,
                (false, _) => orders.relinquish::<E>(by).await,
            };
            Err(error)
        }
    }
}

/// Finds out what came of effect `E` that somebody claimed and never committed, and does nothing else:
/// `ask` asks the provider, and `None` means that it certainly never happened. Nothing to do if the
/// outcome is known, or if nobody has claimed it.
///
/// # Errors
/// The catalogue's; the step's own retryable name `unavailable` if the provider does not tell.
pub async fn find_out<E, O, A>(
    orders: &O,
    by: &Invocation,
    state: &OrderState,
    unavailable: ErrorName,
    ask: A,
) -> Result<bool, StepError>
where
    E: Effect,
    O: Orders,
    A: AsyncFnOnce(&OrderState, &Claim) -> Result<Option<E::Outcome>, ProviderError>,
{
    let Some(Entry::Open(open)) = E::entry(state).cloned() else {
        return Ok(false);
    };
    time_left(by)?;
    let claimed = orders.claim::<E>(by).await;
    let state = match claimed.map_err(|error| store_error(&error))? {
        Claimed::Done { .. } => return Ok(false),
        Claimed::Refused(error) => return Err(error),
        Claimed::Perform { state, .. } => state,
    };
    match ask(&state, &open).await {
        Ok(Some(outcome)) => orders.commit::<E>(by, outcome).await.map(drop),
        Ok(None) => orders.withdraw::<E>(by).await,
        Err(error) => {
            let _ = orders.give_back::<E>(by).await;
            return Err(provider_error(&error, unavailable));
        }
    }
    .map_err(|error| store_error(&error))?;
    Ok(true)
}

/// Whether this invocation has the time to act before it is killed. A claim that is made too late
/// would end while its owner is still at work.
///
/// # Errors
/// [`ErrorName::StoreUnavailable`]: the retry has more time.
pub fn time_left(by: &Invocation) -> Result<(), StepError> {
    if by.time_left() >= budget::PROVIDER_CALL {
        return Ok(());
    }
    Err(StepError::new(
        ErrorName::StoreUnavailable,
        "this invocation has no time left to act; the next one has",
    ))
}

/// Whether the personal data that was read beside the claim is the order's still: somebody may have
/// modified it in between.
///
/// # Errors
/// If it is not: the retry reads what is true now.
pub fn still_true(personal: &PersonalData, claimed: &OrderState) -> Result<(), ProviderError> {
    if personal.revision == claimed.personal_revision {
        return Ok(());
    }
    let text = "the order was modified while it was read".to_owned();
    Err(ProviderError::Unavailable(text))
}

/// What was ordered, for whom, and how far it had come when it was read.
pub type Documents = (Order, PersonalData, OrderState);

/// Reads an order's documents: for [`once`], to run beside the claim.
///
/// # Errors
/// The catalogue's; [`ErrorName::InvalidInput`] if there is no such order or its personal data was
/// erased.
pub async fn documents<O: Orders>(orders: &O, order_id: &OrderId) -> Result<Documents, StepError> {
    let record = record(orders, order_id).await?;
    let personal = record.personal.ok_or_else(|| {
        let text = format!("the personal data of order {order_id} was erased");
        StepError::new(ErrorName::InvalidInput, text)
    })?;
    Ok((record.order, personal, record.state))
}

/// Reads what is stored of an order.
///
/// # Errors
/// The catalogue's; [`ErrorName::InvalidInput`] if there is no such order.
pub async fn record<O: Orders>(orders: &O, order_id: &OrderId) -> Result<Record, StepError> {
    let record = orders.load(order_id).await;
    let record = record.map_err(|error| store_error(&error))?;
    record.ok_or_else(|| {
        let text = format!("there is no order {order_id}");
        StepError::new(ErrorName::InvalidInput, text)
    })
}

/// Whether an order is still as it was read, before a provider was asked: what differs from a ledger that goes on
/// meanwhile is no difference.
///
/// # Errors
/// The catalogue's.
pub async fn unchanged<O: Orders>(orders: &O, state: &OrderState) -> Result<bool, StepError> {
    let now = record(orders, &state.order_id).await?.state;
    Ok(now.version == state.version)
}

/// The catalogue's name for a failing database.
#[must_use]
pub fn store_error(error: &StoreError) -> StepError {
    let name = match error {
        StoreError::Unavailable(_) => ErrorName::StoreUnavailable,
        StoreError::NotFound(_) => ErrorName::InvalidInput,
        StoreError::Defect(_) => ErrorName::Internal,
    };
    StepError::new(name, error.to_string())
}

/// The catalogue's name for a failing provider: `unavailable` is the step's own retryable one.
#[must_use]
pub fn provider_error(error: &ProviderError, unavailable: ErrorName) -> StepError {
    let name = match error {
        ProviderError::Unavailable(_) | ProviderError::Unknown(_) => unavailable,
        ProviderError::Defect(_) => ErrorName::Internal,
    };
    StepError::new(name, error.to_string())
}
