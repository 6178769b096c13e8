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

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::sync::Arc;

    use domain::ledger::{Authorization, Authorize};
    use domain::{CancelRequest, Stage};

    use super::*;
    use crate::fixtures::{Shop, at, by};

    const UNAVAILABLE: ErrorName = ErrorName::PaymentUnavailable;

    fn held() -> Authorization {
        Authorization::Held {
            payment: "pi_1".to_owned(),
            made_at: None,
        }
    }

    /// Has `owner` hold the money from `second` on, where the provider says this. What it was told of an earlier
    /// try is noted.
    struct Tried {
        came_to: Result<Authorization, StepError>,
        acted: u32,
        unknown_since: Option<Timestamp>,
    }

    async fn hold(
        shop: &Arc<Shop>,
        by: &Invocation,
        says: Result<Authorization, ProviderError>,
    ) -> Tried {
        let (acted, unknown_since) = (Cell::new(0), Cell::new(None));
        let act = async |(): (), state: OrderState, since| {
            assert!(matches!(state.authorize, Some(Entry::Open(_))), "{state:?}");
            acted.set(acted.get() + 1);
            unknown_since.set(since);
            says.clone()
        };
        let prepare = std::future::ready(Ok(()));
        let orders = shop.orders();
        let came_to = once::<Authorize, _, _, _, _>(&orders, by, UNAVAILABLE, prepare, act).await;
        Tried {
            came_to,
            acted: acted.get(),
            unknown_since: unknown_since.get(),
        }
    }

    fn error(name: ErrorName, message: &str) -> StepError {
        StepError::new(name, message)
    }

    fn claim(shop: &Shop) -> Option<Claim> {
        match shop.state().authorize? {
            Entry::Open(claim) => Some(claim),
            Entry::Done { .. } => None,
        }
    }

    #[tokio::test]
    async fn an_effect_is_performed_once_and_told_ever_after() {
        let shop = Shop::open(Stage::Validated);
        let first = hold(&shop, &by("a", 1), Ok(held())).await;
        assert_eq!((first.came_to, first.acted), (Ok(held()), 1));
        assert_eq!(first.unknown_since, None);
        assert_eq!(shop.asked(), ["claim authorize", "commit authorize"]);
        let second = hold(&shop, &by("b", 2), Ok(held())).await;
        assert_eq!((second.came_to, second.acted), (Ok(held()), 0));
        assert_eq!(shop.asked(), ["claim authorize"]);
    }

    #[tokio::test]
    async fn who_has_no_time_left_for_a_call_claims_nothing() {
        let shop = Shop::open(Stage::Validated);
        let late = |left| Invocation {
            deadline: at(1) + left,
            ..by("a", 1)
        };
        let none = late(budget::PROVIDER_CALL.mul_f64(0.99));
        let text = "this invocation has no time left to act; the next one has";
        let refused = error(ErrorName::StoreUnavailable, text);
        let tried = hold(&shop, &none, Ok(held())).await;
        assert_eq!(tried.came_to, Err(refused.clone()));
        assert_eq!(shop.asked(), [""; 0]);
        assert_eq!(time_left(&late(budget::PROVIDER_CALL)), Ok(()));
        // Nor does who only asks.
        shop.abandon::<Authorize>().await;
        assert_eq!(ask(&shop, &none, Ok(None)).await, Err(refused));
        assert_eq!(shop.asked(), [""; 0]);
    }

    #[tokio::test]
    async fn a_claim_under_which_certainly_nothing_was_done_is_taken_back() {
        let shop = Shop::open(Stage::Validated);
        let no = ProviderError::Unavailable("no connection".to_owned());
        let tried = hold(&shop, &by("a", 1), Err(no)).await;
        assert_eq!(tried.came_to, Err(error(UNAVAILABLE, "no connection")));
        assert_eq!(shop.asked(), ["claim authorize", "withdraw authorize"]);
        assert_eq!(shop.state().authorize, None);
    }

    #[tokio::test]
    async fn a_claim_whose_outcome_is_unknown_stays_and_its_successor_is_told_since_when() {
        let shop = Shop::open(Stage::Validated);
        let timeout = ProviderError::Unknown("no answer".to_owned());
        let tried = hold(&shop, &by("a", 1), Err(timeout)).await;
        let text = "no answer; the outcome is unknown";
        assert_eq!(tried.came_to, Err(error(UNAVAILABLE, text)));
        assert_eq!(shop.asked(), ["claim authorize", "relinquish authorize"]);
        // Its lease has ended, so that nobody waits for it.
        assert_eq!(claim(&shop).map(|claim| claim.until), Some(at(0)));
        let next = hold(&shop, &by("b", 2), Ok(held())).await;
        assert_eq!(
            (next.came_to, next.unknown_since),
            (Ok(held()), Some(at(1)))
        );
    }

    #[tokio::test]
    async fn what_a_provider_refuses_as_such_is_ours_to_mend_and_its_outcome_unknown() {
        let shop = Shop::open(Stage::Validated);
        let defect = ProviderError::Defect("no such parameter".to_owned());
        let tried = hold(&shop, &by("a", 1), Err(defect)).await;
        let mend = error(ErrorName::Internal, "no such parameter");
        assert_eq!(tried.came_to, Err(mend));
        assert_eq!(shop.asked(), ["claim authorize", "relinquish authorize"]);
    }

    #[tokio::test]
    async fn a_claim_that_was_taken_over_is_never_taken_back_for_its_first_try_may_have_acted() {
        let shop = Shop::open(Stage::Validated);
        shop.abandon::<Authorize>().await;
        let no = ProviderError::Unavailable("no connection".to_owned());
        let tried = hold(&shop, &by("b", 40), Err(no)).await;
        assert_eq!((tried.acted, tried.unknown_since), (1, Some(at(0))));
        assert_eq!(
            shop.asked()[1..],
            ["take over authorize", "give back authorize"]
        );
        // As old as when it was taken over.
        let claim = claim(&shop).unwrap();
        assert_eq!((claim.since, claim.until), (at(0), at(30)));
    }

    #[tokio::test]
    async fn while_somebody_may_be_at_work_nobody_else_is() {
        let shop = Shop::open(Stage::Validated);
        shop.abandon::<Authorize>().await;
        let tried = hold(&shop, &by("b", 29), Ok(held())).await;
        let name = tried.came_to.map_err(|error| error.name());
        assert_eq!((name, tried.acted), (Err(ErrorName::StoreUnavailable), 0));
    }

    #[tokio::test]
    async fn what_could_not_be_prepared_is_not_done() {
        let shop = Shop::open(Stage::Validated);
        let erased = error(ErrorName::InvalidInput, "erased");
        let prepare = std::future::ready(Err::<(), _>(erased.clone()));
        let act = async |(): (), _, _| -> Result<Authorization, ProviderError> {
            unreachable!("nothing was prepared")
        };
        let (orders, by) = (shop.orders(), by("a", 1));
        let tried = once::<Authorize, _, _, _, _>(&orders, &by, UNAVAILABLE, prepare, act).await;
        assert_eq!(tried, Err(erased));
        assert_eq!(shop.asked(), ["claim authorize", "withdraw authorize"]);
    }

    #[tokio::test]
    async fn an_outcome_that_could_not_be_put_on_record_is_asked_for_at_once() {
        let shop = Shop::open(Stage::Validated);
        shop.lose("commit");
        let tried = hold(&shop, &by("a", 1), Ok(held())).await;
        let name = tried.came_to.map_err(|error| error.name());
        assert_eq!(name, Err(ErrorName::StoreUnavailable));
        let asked = [
            "claim authorize",
            "commit authorize",
            "relinquish authorize",
        ];
        assert_eq!(shop.asked(), asked);
        assert_eq!(claim(&shop).map(|claim| claim.until), Some(at(0)));
    }

    #[tokio::test]
    async fn without_a_claim_nothing_is_done() {
        let shop = Shop::with(|state| OrderState {
            stage: Stage::Validated,
            cancel: Some(CancelRequest { at: at(0) }),
            ..state
        });
        let tried = hold(&shop, &by("a", 1), Ok(held())).await;
        let cancelled = error(ErrorName::OrderCancelled, "the order was cancelled");
        assert_eq!((tried.came_to, tried.acted), (Err(cancelled), 0));
        shop.lose("claim");
        let tried = hold(&shop, &by("a", 1), Ok(held())).await;
        let name = tried.came_to.map_err(|error| error.name());
        assert_eq!((name, tried.acted), (Err(ErrorName::StoreUnavailable), 0));
    }

    /// Asks what came of holding the money, where the provider says this.
    async fn ask(
        shop: &Arc<Shop>,
        by: &Invocation,
        says: Result<Option<Authorization>, ProviderError>,
    ) -> Result<bool, StepError> {
        let (orders, state) = (shop.orders(), shop.state());
        let ask = async |_: &OrderState, open: &Claim| {
            assert_eq!(open.since, at(0), "the claim that nobody heard of");
            says.clone()
        };
        find_out::<Authorize, _, _>(&orders, by, &state, UNAVAILABLE, ask).await
    }

    #[tokio::test]
    async fn what_came_of_an_effect_is_found_out_and_put_on_record() {
        let shop = Shop::open(Stage::Validated);
        let later = by("b", 40);
        // Nobody has claimed it: there is nothing to find out.
        assert_eq!(ask(&shop, &later, Ok(None)).await, Ok(false));
        assert_eq!(shop.asked(), [""; 0]);
        shop.abandon::<Authorize>().await;
        assert_eq!(ask(&shop, &later, Ok(Some(held()))).await, Ok(true));
        let outcome = shop.state().authorize.and_then(|it| it.outcome().cloned());
        assert_eq!(outcome, Some(held()));
        shop.asked();
        assert_eq!(ask(&shop, &later, Ok(None)).await, Ok(false));
        assert_eq!(shop.asked(), [""; 0]);
    }

    #[tokio::test]
    async fn an_effect_that_certainly_never_happened_is_as_if_it_had_not_been_claimed() {
        let shop = Shop::open(Stage::Validated);
        shop.abandon::<Authorize>().await;
        assert_eq!(ask(&shop, &by("b", 40), Ok(None)).await, Ok(true));
        assert_eq!(shop.state().authorize, None);
    }

    #[tokio::test]
    async fn what_a_provider_does_not_tell_stays_unknown_for_as_long_as_it_was() {
        let shop = Shop::open(Stage::Validated);
        shop.abandon::<Authorize>().await;
        let out = ProviderError::Unavailable("out of reach".to_owned());
        let told = ask(&shop, &by("b", 40), Err(out)).await;
        assert_eq!(told, Err(error(UNAVAILABLE, "out of reach")));
        let claim = claim(&shop).unwrap();
        assert_eq!((claim.since, claim.until), (at(0), at(30)));
    }

    #[tokio::test]
    async fn what_somebody_else_finds_out_meanwhile_is_found_out() {
        let shop = Shop::open(Stage::Validated);
        shop.abandon::<Authorize>().await;
        let before = shop.state();
        let (orders, later) = (shop.orders(), by("b", 40));
        assert_eq!(ask(&shop, &later, Ok(Some(held()))).await, Ok(true));
        let asked = Cell::new(false);
        let ask = async |_: &OrderState, _: &Claim| {
            asked.set(true);
            Ok(None)
        };
        let found = find_out::<Authorize, _, _>(&orders, &later, &before, UNAVAILABLE, ask).await;
        assert_eq!((found, asked.get()), (Ok(false), false));
    }

    #[tokio::test]
    async fn an_order_that_is_reversed_is_not_asked_about_its_way_forward() {
        let shop = Shop::open(Stage::Validated);
        shop.abandon::<Authorize>().await;
        let before = shop.state();
        let cancelled = Shop::with(|_| OrderState {
            cancel: Some(CancelRequest { at: at(1) }),
            ..before
        });
        let told = ask(&cancelled, &by("b", 40), Ok(None)).await;
        let name = told.map_err(|error| error.name());
        assert_eq!(name, Err(ErrorName::OrderCancelled));
    }

    #[tokio::test]
    async fn documents_are_the_orders_until_they_or_the_order_are_changed() {
        let shop = Shop::open(Stage::Validated);
        let (orders, order_id) = (shop.orders(), by("a", 0).order_id);
        let (order, personal, state) = documents(&orders, &order_id).await.unwrap();
        assert_eq!((order.order_id, state.clone()), (order_id, shop.state()));
        assert!(still_true(&personal, &state).is_ok());
        let modified = OrderState {
            personal_revision: 1,
            ..state.clone()
        };
        let told = still_true(&personal, &modified);
        let text = "the order was modified while it was read".to_owned();
        assert_eq!(told, Err(ProviderError::Unavailable(text)));
        assert_eq!(unchanged(&orders, &state).await, Ok(true));
        shop.abandon::<Authorize>().await;
        assert_eq!(unchanged(&orders, &state).await, Ok(false));
        shop.lose("load");
        let told = record(&orders, &state.order_id).await;
        let name = told.map_err(|error| error.name());
        assert_eq!(name, Err(ErrorName::StoreUnavailable));
    }

    #[test]
    fn each_way_to_fail_has_a_name_that_the_state_machine_knows() {
        let text = || "why".to_owned();
        let order_id = by("a", 0).order_id;
        for (failed, name) in [
            (StoreError::Unavailable(text()), ErrorName::StoreUnavailable),
            (StoreError::NotFound(order_id), ErrorName::InvalidInput),
            (StoreError::Defect(text()), ErrorName::Internal),
        ] {
            assert_eq!(store_error(&failed), error(name, &failed.to_string()));
        }
        for (failed, name) in [
            (ProviderError::Unavailable(text()), UNAVAILABLE),
            (ProviderError::Unknown(text()), UNAVAILABLE),
            (ProviderError::Defect(text()), ErrorName::Internal),
        ] {
            let found = provider_error(&failed, UNAVAILABLE);
            assert_eq!(found, error(name, &failed.to_string()));
        }
    }
}
