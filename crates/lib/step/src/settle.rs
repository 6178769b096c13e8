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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use domain::ledger::{Reversal, Reverse};
    use domain::{Actor, Event, Failure, Stage};

    use super::*;
    use crate::fixtures::{Shop, at, by};

    const UNAVAILABLE: ErrorName = ErrorName::PaymentUnavailable;

    type Checked = Result<Result<(Reversal, Option<String>), String>, ProviderError>;

    fn reversing() -> Arc<Shop> {
        Shop::with(|state| OrderState {
            stage: Stage::Authorized,
            failure: Some(Failure::new(ErrorName::Internal, "why", at(0))),
            ..state
        })
    }

    async fn claim(
        shop: &Arc<Shop>,
        by: &Invocation,
        checked: Checked,
    ) -> Result<Reversal, StepError> {
        let operator = Actor::Operator("grace".to_owned());
        let event = AuditEvent::new(at(1), Event::Settled, operator, "sent back");
        let check = async |state: OrderState| {
            assert!(state.reverse.is_some(), "it is claimed");
            checked.clone()
        };
        settle::<Reverse, _, _>(&shop.orders(), by, &event, UNAVAILABLE, check).await
    }

    #[tokio::test]
    async fn what_a_person_says_goes_on_record_once_the_provider_was_asked() {
        let shop = reversing();
        let is_so = Ok(Ok((Reversal::Voided, None)));
        let settled = claim(&shop, &by("a", 1), is_so.clone()).await;
        assert_eq!(settled, Ok(Reversal::Voided));
        assert_eq!(shop.asked(), ["claim reverse", "settle reverse"]);
        let again = claim(&shop, &by("b", 2), is_so).await;
        let done = StepError::new(ErrorName::InvalidInput, "it is done or settled already");
        assert_eq!(again, Err(done));
    }

    #[tokio::test]
    async fn what_is_not_so_changes_nothing() {
        let shop = reversing();
        let text = "30.98 USD are held";
        let told = claim(&shop, &by("a", 1), Ok(Err(text.to_owned()))).await;
        assert_eq!(told, Err(StepError::new(ErrorName::InvalidInput, text)));
        assert_eq!(shop.asked(), ["claim reverse", "withdraw reverse"]);
        assert_eq!(shop.state().reverse, None);
    }

    #[tokio::test]
    async fn what_the_provider_does_not_tell_leaves_the_undo_as_it_was() {
        let out = || Err(ProviderError::Unavailable("out of reach".to_owned()));
        let silent = || Err(ProviderError::Unknown("no answer".to_owned()));
        for (checked, is_retry, last) in [
            (out(), false, "withdraw reverse"),
            (silent(), false, "relinquish reverse"),
            // Nobody knows what came of the first try.
            (out(), true, "relinquish reverse"),
            (Ok(Err("it is not".to_owned())), true, "relinquish reverse"),
        ] {
            let shop = reversing();
            if is_retry {
                shop.abandon::<Reverse>().await;
            }
            let told = claim(&shop, &by("b", 40), checked.clone()).await;
            let expected = match checked {
                Ok(_) => ErrorName::InvalidInput,
                Err(_) => UNAVAILABLE,
            };
            assert_eq!(told.map_err(|error| error.name()), Err(expected));
            let asked = shop.asked();
            assert_eq!(asked.last().map(String::as_str), Some(last), "{asked:?}");
        }
    }

    #[tokio::test]
    async fn what_cannot_be_put_on_record_is_unknown() {
        let shop = reversing();
        shop.lose("settle");
        let told = claim(&shop, &by("a", 1), Ok(Ok((Reversal::Voided, None)))).await;
        let name = told.map_err(|error| error.name());
        assert_eq!(name, Err(ErrorName::StoreUnavailable));
        let asked = ["claim reverse", "settle reverse", "relinquish reverse"];
        assert_eq!(shop.asked(), asked);
    }

    #[tokio::test]
    async fn an_order_that_is_not_being_reversed_has_nothing_to_settle() {
        let shop = Shop::open(Stage::Authorized);
        let told = claim(&shop, &by("a", 1), Ok(Ok((Reversal::Voided, None)))).await;
        let name = told.map_err(|error| error.name());
        assert_eq!(name, Err(ErrorName::InvalidInput));
    }
}
