//! Claims, commits, take-overs and cancellations.

use crate::{held, shipped, state, validated};
use domain::ledger::{Authorization, Authorize, Capture, CaptureResult, Entry, MessageId, Notify};
use domain::ports::{Cancellation, Claimed, Orders as _, StoreError};
use domain::{ErrorName, Failure, OrderState, Stage, Timestamp};
use tests::{database, invocation};

#[tokio::test]
async fn one_of_many_claims_and_the_others_hear_of_it() {
    let database = database().await;
    validated(&database, "o").await;
    let claims = (0..8).map(|n| {
        let store = database.store.clone();
        tokio::spawn(async move {
            let by = invocation("o", &format!("owner-{n}"), 60_000);
            store.claim::<Authorize>(&by).await
        })
    });
    let (mut performing, mut busy) = (0, 0);
    for claim in claims.collect::<Vec<_>>() {
        match claim.await.expect("no panic") {
            Ok(Claimed::Perform {
                unknown_since: None,
                ..
            }) => performing += 1,
            Err(StoreError::Unavailable(_)) => busy += 1,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((performing, busy), (1, 7));
}

#[tokio::test]
async fn a_zombie_that_wakes_after_its_successor_changes_nothing() {
    let database = database().await;
    validated(&database, "o").await;
    let zombie = invocation("o", "zombie", 0);
    database
        .store
        .claim::<Authorize>(&zombie)
        .await
        .expect("claimed");
    tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    let successor = invocation("o", "successor", 1000);
    let claimed = database
        .store
        .claim::<Authorize>(&successor)
        .await
        .expect("claimed");
    let Claimed::Perform { unknown_since, .. } = claimed else {
        panic!("{claimed:?}")
    };
    assert_eq!(
        unknown_since.map(Timestamp::as_millisecond),
        Some(zombie.now.as_millisecond()),
        "the first claim's time is kept"
    );
    database
        .store
        .commit::<Authorize>(&successor, held())
        .await
        .expect("committed");
    let before = state(&database, "o").await;
    let late = Authorization::Declined {
        code: "late".to_owned(),
    };
    assert!(matches!(
        database.store.commit::<Authorize>(&zombie, late).await,
        Err(StoreError::Unavailable(_))
    ));
    database
        .store
        .relinquish::<Authorize>(&zombie)
        .await
        .expect("ignored");
    assert_eq!(state(&database, "o").await, before);
}

#[tokio::test]
async fn a_commit_whose_answer_was_lost_is_repeated_without_effect() {
    let database = database().await;
    validated(&database, "o").await;
    let by = invocation("o", "a", 1000);
    database
        .store
        .claim::<Authorize>(&by)
        .await
        .expect("claimed");
    // The claim's own answer was lost: claiming again is the same claim, nothing is unknown.
    assert!(matches!(
        database.store.claim::<Authorize>(&by).await,
        Ok(Claimed::Perform {
            unknown_since: None,
            ..
        })
    ));
    let first = database
        .store
        .commit::<Authorize>(&by, held())
        .await
        .expect("committed");
    let again = database
        .store
        .commit::<Authorize>(&by, held())
        .await
        .expect("committed");
    assert_eq!(first, again);
    assert_eq!(first.stage, Stage::Authorized);
}

#[tokio::test]
async fn a_relinquished_claim_is_taken_over_at_once() {
    let database = database().await;
    validated(&database, "o").await;
    let by = invocation("o", "a", 60_000);
    database
        .store
        .claim::<Authorize>(&by)
        .await
        .expect("claimed");
    database
        .store
        .relinquish::<Authorize>(&by)
        .await
        .expect("relinquished");
    tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    let claimed = database
        .store
        .claim::<Authorize>(&invocation("o", "b", 1000))
        .await;
    assert!(
        matches!(
            claimed,
            Ok(Claimed::Perform {
                unknown_since: Some(_),
                ..
            })
        ),
        "{claimed:?}"
    );
}

/// However many look and do not act.
#[tokio::test]
async fn a_claim_that_is_taken_over_and_given_back_is_as_old_as_it_was() {
    let database = database().await;
    validated(&database, "o").await;
    let store = &database.store;
    let dead = invocation("o", "dead", 0);
    store.claim::<Authorize>(&dead).await.expect("claimed");
    let open = |state: &OrderState| match &state.authorize {
        Some(Entry::Open(claim)) => claim.clone(),
        other => panic!("{other:?}"),
    };
    let ended = open(&state(&database, "o").await).until;
    for owner in ["a", "b"] {
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        let by = invocation("o", owner, 60_000);
        // Once more, as after a lost answer: what is unknown stays so.
        for _ in 0..2 {
            let claimed = store.claim::<Authorize>(&by).await.expect("an answer");
            let Claimed::Perform {
                state,
                unknown_since: Some(_),
            } = claimed
            else {
                panic!("{claimed:?}")
            };
            assert_eq!(open(&state).tried_until, Some(ended));
        }
        store.give_back::<Authorize>(&by).await.expect("given back");
        assert_eq!(open(&state(&database, "o").await).until, ended);
    }
    let before = state(&database, "o").await;
    store.give_back::<Authorize>(&dead).await.expect("ignored");
    assert_eq!(state(&database, "o").await, before);
}

#[tokio::test]
async fn only_its_owner_takes_a_claim_back_and_then_it_was_never_made() {
    let database = database().await;
    validated(&database, "o").await;
    let by = invocation("o", "a", 60_000);
    database
        .store
        .claim::<Authorize>(&by)
        .await
        .expect("claimed");
    let other = invocation("o", "b", 60_000);
    database
        .store
        .withdraw::<Authorize>(&other)
        .await
        .expect("ignored");
    assert!(state(&database, "o").await.authorize.is_some());
    database
        .store
        .withdraw::<Authorize>(&by)
        .await
        .expect("taken back");
    let claimed = database.store.claim::<Authorize>(&other).await;
    assert!(
        matches!(
            claimed,
            Ok(Claimed::Perform {
                unknown_since: None,
                ..
            })
        ),
        "{claimed:?}"
    );
}

#[tokio::test]
async fn cancelling_stops_the_next_claim_until_the_capture_is_claimed() {
    let database = database().await;
    validated(&database, "o").await;
    let order_id = "o".parse().expect("an id");
    let by = invocation("o", "a", 1000);
    let asked = database
        .store
        .request_cancel(&order_id, Timestamp::now())
        .await;
    assert_eq!(asked, Ok(Cancellation::Requested { review: None }));
    assert_eq!(
        database
            .store
            .request_cancel(&order_id, Timestamp::now())
            .await,
        asked
    );
    let claimed = database
        .store
        .claim::<Authorize>(&by)
        .await
        .expect("an answer");
    let Claimed::Refused(error) = claimed else {
        panic!("{claimed:?}")
    };
    assert_eq!(error.name(), ErrorName::OrderCancelled);

    shipped(&database, "late").await;
    let late = invocation("late", "a", 1000);
    database
        .store
        .claim::<Capture>(&late)
        .await
        .expect("claimed");
    let asked = database
        .store
        .request_cancel(&late.order_id, Timestamp::now())
        .await;
    assert!(matches!(asked, Ok(Cancellation::Refused(_))), "{asked:?}");
    let missing = "missing".parse().expect("an id");
    assert!(matches!(
        database
            .store
            .request_cancel(&missing, Timestamp::now())
            .await,
        Err(StoreError::NotFound(_))
    ));
}

#[tokio::test]
async fn the_happy_path_ends_closed() {
    let database = database().await;
    shipped(&database, "o").await;
    let by = invocation("o", "a", 1000);
    database.store.claim::<Capture>(&by).await.expect("claimed");
    let amount = tests::money(3098, "USD");
    let taken = CaptureResult::Taken { amount };
    database
        .store
        .commit::<Capture>(&by, taken)
        .await
        .expect("committed");
    database.store.claim::<Notify>(&by).await.expect("claimed");
    let sent = MessageId("m".to_owned());
    let state = database
        .store
        .commit::<Notify>(&by, sent)
        .await
        .expect("committed");
    assert_eq!(state.stage, Stage::Completed);
    assert!(state.closed_at.is_some());
}

/// Whoever asked for it was answered that it is cancelled. A try of the step that was under way then, and that
/// fails, is not why the order ends.
#[tokio::test]
async fn a_failure_after_an_accepted_cancellation_is_noted_as_the_cancellation() {
    let database = database().await;
    validated(&database, "o").await;
    let by = invocation("o", "a", 1000);
    let requested = database.store.request_cancel(&by.order_id, by.now).await;
    assert_eq!(requested, Ok(Cancellation::Requested { review: None }));
    let failed = Failure::new(
        ErrorName::CarrierUnavailable,
        "answered 503",
        Timestamp::now(),
    );
    for _again in 0..2 {
        let begun = database.store.begin_reversal(&by, failed.clone()).await;
        assert!(matches!(begun, Ok(Claimed::Perform { .. })), "{begun:?}");
        let noted = state(&database, "o").await.failure.expect("a failure");
        assert_eq!(noted.error, ErrorName::OrderCancelled);
        assert_eq!(
            noted.message,
            "the order was cancelled (CarrierUnavailable: answered 503)"
        );
    }
}

#[tokio::test]
async fn a_cancellation_comes_before_the_failure_or_is_refused() {
    let database = database().await;
    for round in 0..16 {
        let order_id = format!("o-{round}");
        validated(&database, &order_id).await;
        let by = invocation(&order_id, "a", 1000);
        let failure = Failure::new(ErrorName::Internal, "x", Timestamp::now());
        let (cancelled, begun) = tokio::join!(
            database.store.request_cancel(&by.order_id, by.now),
            database.store.begin_reversal(&by, failure),
        );
        assert!(matches!(begun, Ok(Claimed::Perform { .. })), "{begun:?}");
        let noted = state(&database, &order_id).await.failure.expect("noted");
        let accepted = matches!(cancelled, Ok(Cancellation::Requested { .. }));
        assert_eq!(noted.error == ErrorName::OrderCancelled, accepted);
    }
}

/// The message went out while somebody noted a failure: an order that is being reversed is not completed.
#[tokio::test]
async fn the_last_message_does_not_complete_an_order_that_is_being_reversed() {
    let database = database().await;
    shipped(&database, "o").await;
    let by = invocation("o", "a", 1000);
    database.store.claim::<Capture>(&by).await.expect("claimed");
    let amount = state(&database, "o").await.total;
    let taken = CaptureResult::Taken { amount };
    let committed = database.store.commit::<Capture>(&by, taken).await;
    committed.expect("committed");
    database.store.claim::<Notify>(&by).await.expect("claimed");
    let failure = Failure::new(ErrorName::Internal, "x", Timestamp::now());
    let begun = database.store.begin_reversal(&by, failure).await;
    begun.expect("noted");
    let sent = MessageId("m-1".to_owned());
    let committed = database.store.commit::<Notify>(&by, sent).await;
    assert!(
        matches!(committed, Err(StoreError::Unavailable(_))),
        "{committed:?}"
    );
    let state = state(&database, "o").await;
    assert_eq!((state.stage, state.closed_at), (Stage::Captured, None));
}
