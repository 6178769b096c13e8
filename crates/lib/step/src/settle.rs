//! Settling an undo that its provider refuses.

use domain::ledger::Effect;
use domain::ports::{Claimed, Invocation, Orders, ProviderError};
use domain::{AuditEvent, ErrorName, OrderState, StepError};

use crate::once::provider_error;
use crate::{store_error, time_left};

/// Puts on record what a person says has become of what undo `E` is about, once `check` has asked the
/// provider: it answers with the outcome and what the provider refuses, or why the claim is not true. In
/// the same write is noted who says so, why, and what is refused. A person's claim waits for nobody: whoever has a lease on the undo is at work on it.
///
/// # Errors
/// The catalogue's: [`ErrorName::InvalidInput`] if the claim is not true, or the undo is done; the
/// step's own retryable name `unavailable` if the provider does not tell.
pub async fn settle<E, O, A>(
    orders: &O,
    by: &Invocation,
    event: &AuditEvent,
    unavailable: ErrorName,
    check: A,
) -> Result<E::Outcome, StepError>
where
    E: Effect,
    O: Orders,
    A: AsyncFnOnce(
        OrderState,
    ) -> Result<Result<(E::Outcome, Option<String>), String>, ProviderError>,
{
    time_left(by)?;
    let claimed = orders.claim::<E>(by).await;
    let (state, unknown_since) = match claimed.map_err(|error| store_error(&error))? {
        Claimed::Done { .. } => {
            let text = "it is done or settled already";
            return Err(StepError::new(ErrorName::InvalidInput, text));
        }
        Claimed::Refused(error) => return Err(error),
        Claimed::Perform {
            state,
            unknown_since,
        } => (state, unknown_since),
    };
    let (error, nothing_done) = match check(state).await {
        Ok(Ok((outcome, refused))) => {
            let mut event = event.clone();
            if let Some(refused) = refused {
                event.reason = format!("{}: {refused}", event.reason);
            }
            match orders.settle::<E>(by, outcome.clone(), &event).await {
                Ok(()) => return Ok(outcome),
                Err(error) => (store_error(&error), false),
            }
        }
        Ok(Err(why)) => (StepError::new(ErrorName::InvalidInput, why), true),
        Err(error) => {
            let nothing_done = matches!(error, ProviderError::Unavailable(_));
            (provider_error(&error, unavailable), nothing_done)
        }
    };
    // Both only shorten the wait of the next try; if they fail, the lease runs out by itself.
    if nothing_done && unknown_since.is_none() {
        let _ = orders.withdraw::<E>(by).await;
    } else {
        let _ = orders.relinquish::<E>(by).await;
    }
    Err(error)
}
