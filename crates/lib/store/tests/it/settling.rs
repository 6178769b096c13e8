//! What a provider refuses for good, and what a person settles then.

use domain::ledger::{Entry, Unbook, Unbooking};
use domain::ports::{Claimed, Orders as _, StoreError};
use domain::{ErrorName, Event};
use tests::{Database, audited, database, document, invocation};

/// An order whose label the carrier does not void any more.
async fn refused() -> Database {
    let database = database().await;
    database.validated(&document("o")).await;
    database.reversing("o", ErrorName::PaymentDeclined).await;
    let by = database.claimed::<Unbook>("o", 60_000).await;
    let said = "x".repeat(200);
    let noted = database.store.refuse::<Unbook>(&by, &said).await;
    noted.expect("noted");
    database
}

async fn audit_of(database: &Database) -> Vec<Event> {
    let order_id = invocation("o", "reads", 1000).order_id;
    let record = database.store.load(&order_id).await;
    let record = record.expect("an answer").expect("the order");
    record.audit.iter().map(|event| event.event).collect()
}

#[tokio::test]
async fn what_a_provider_said_is_kept_in_short_and_the_lease_is_over() {
    let database = refused().await;
    let unbook = database.state("o").await.unbook;
    let said = unbook.as_ref().and_then(Entry::refused);
    assert_eq!(said.map(str::len), Some(60));
    // A successor takes it over, and it stays known until the provider says otherwise.
    let by = invocation("o", "next", 60_000);
    let claimed = database.store.claim::<Unbook>(&by).await;
    assert!(
        matches!(&claimed, Ok(Claimed::Perform { .. })),
        "{claimed:?}"
    );
    let unbook = database.state("o").await.unbook;
    assert!(unbook.as_ref().and_then(Entry::refused).is_some());
    // Whoever lost it notes nothing.
    let late = invocation("o", "another-unbook", 60_000);
    database
        .store
        .refuse::<Unbook>(&late, "late")
        .await
        .expect("an answer");
    let unbook = database.state("o").await.unbook;
    assert_ne!(unbook.as_ref().and_then(Entry::refused), Some("late"));
}

#[tokio::test]
async fn an_outcome_is_settled_together_with_who_says_so_or_neither_is_written() {
    let database = refused().await;
    let by = invocation("o", "settles", 60_000);
    let event = audited(Event::Settled);
    let settle = async |by| {
        let store = &database.store;
        store
            .settle::<Unbook>(by, Unbooking::WrittenOff, &event)
            .await
    };
    let unclaimed = settle(&by).await;
    assert!(
        matches!(unclaimed, Err(StoreError::Unavailable(_))),
        "{unclaimed:?}"
    );
    assert!(audit_of(&database).await.is_empty());
    database.store.claim::<Unbook>(&by).await.expect("claimed");
    let before = database.state("o").await.version;
    assert_eq!(settle(&by).await, Ok(()));
    let state = database.state("o").await;
    let outcome = state.unbook.as_ref().and_then(Entry::outcome);
    assert_eq!(
        (outcome, state.version),
        (Some(&Unbooking::WrittenOff), before + 1)
    );
    // The answer was lost, and it is said again.
    assert_eq!(settle(&by).await, Ok(()));
    assert_eq!(database.state("o").await.version, before + 1);
    assert_eq!(audit_of(&database).await, [Event::Settled]);
    let closed = {
        let by = invocation("nobody", "settles", 60_000);
        let store = &database.store;
        store
            .settle::<Unbook>(&by, Unbooking::WrittenOff, &event)
            .await
    };
    assert!(matches!(closed, Err(StoreError::NotFound(_))), "{closed:?}");
}
