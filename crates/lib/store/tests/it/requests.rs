//! What a call costs: DynamoDB bills by request, and each one is a wait.

use crate::{accepted, held, state, validated};
use domain::ledger::{
    Authorization, Authorize, Book, Booking, Capture, CaptureResult, MessageId, Notify, Unbook,
    Unbooking,
};
use domain::ports::{Cancellation, Claimed, Orders as _, Reserved, Stock as _};
use domain::{ErrorName, Failure, Stage};
use serde_json::json;
use tests::{Database, Requests, document, invocation, submission, watched_database};

/// A watched database with an order of which nothing is known yet but what `prepare` did.
async fn with_order(prepare: impl AsyncFnOnce(&Database)) -> (Database, Requests) {
    let (database, requests) = watched_database().await;
    database.article("MUG-01", 1299, "USD", 100).await;
    prepare(&database).await;
    // Whatever preparing took.
    let _ = requests.take();
    (database, requests)
}

const UPDATE: [&str; 1] = ["UpdateItem"];
const TRANSACTION: [&str; 1] = ["TransactWriteItems"];
const QUERY: [&str; 1] = ["Query"];

#[tokio::test]
async fn every_claim_and_every_commit_on_the_way_to_the_customer_is_one_request() {
    let (database, requests) = with_order(async |database| {
        accepted(database, "o").await;
    })
    .await;
    let (store, by) = (&database.store, invocation("o", "a", 60_000));
    let order = submission(&document("o")).order;

    let record = store.load(&by.order_id).await;
    assert!(record.expect("an answer").is_some());
    assert_eq!(requests.take(), QUERY);

    let reserved = store.reserve(&by, &order, false).await;
    assert_eq!(reserved, Ok(Reserved::All));
    assert_eq!(requests.take(), TRANSACTION);

    let booked = Booking::Booked {
        label: "se-1".to_owned(),
        carrier: "usps".to_owned(),
        tracking: "9400".to_owned(),
    };
    let taken = CaptureResult::Taken {
        amount: tests::money(3098, "USD"),
    };
    let told = MessageId("message-1".to_owned());
    macro_rules! done_in_two {
        ($effect:ty, $outcome:expr) => {
            let claimed = store.claim::<$effect>(&by).await;
            assert!(
                matches!(claimed, Ok(Claimed::Perform { .. })),
                "{claimed:?}"
            );
            assert_eq!(requests.take(), UPDATE);
            let committed = store.commit::<$effect>(&by, $outcome).await;
            assert!(committed.is_ok(), "{committed:?}");
            assert_eq!(requests.take(), UPDATE);
        };
    }
    done_in_two!(Authorize, held());
    done_in_two!(Book, booked);
    done_in_two!(Capture, taken);
    done_in_two!(Notify, told);
    assert_eq!(state(&database, "o").await.stage, Stage::Completed);
}

#[tokio::test]
async fn noting_a_failure_claims_the_first_undo_in_the_same_request_and_closing_takes_one_more() {
    let (database, requests) = with_order(async |database| {
        validated(database, "o").await;
    })
    .await;
    let (store, by) = (&database.store, invocation("o", "a", 60_000));
    let order = submission(&document("o")).order;

    let failure = Failure::new(ErrorName::PaymentDeclined, "no", by.now);
    let begun = store.begin_reversal(&by, failure).await;
    assert!(matches!(begun, Ok(Claimed::Perform { .. })), "{begun:?}");
    assert_eq!(requests.take(), UPDATE);

    let committed = store.commit::<Unbook>(&by, Unbooking::Nothing).await;
    let reversing = committed.expect("committed");
    assert_eq!(requests.take(), UPDATE);

    let closed = store.release_and_close(&by, &order.lines, reversing).await;
    assert_eq!(closed.expect("closed").stage, Stage::Rejected);
    assert_eq!(requests.take(), TRANSACTION);
}

#[tokio::test]
async fn whatever_else_is_written_to_an_order_is_one_request() {
    let (database, requests) = with_order(async |database| {
        validated(database, "o").await;
    })
    .await;
    let (store, by) = (&database.store, invocation("o", "a", 60_000));

    database.claimed::<Authorize>("o", 60_000).await;
    let by_another = invocation("o", "another-authorize", 60_000);
    let _ = requests.take();
    let relinquished = store.relinquish::<Authorize>(&by_another).await;
    assert_eq!(relinquished, Ok(()));
    assert_eq!(requests.take(), UPDATE);

    let withdrawn = store.withdraw::<Authorize>(&by_another).await;
    assert_eq!(withdrawn, Ok(()));
    assert_eq!(requests.take(), UPDATE);
    assert_eq!(state(&database, "o").await.authorize, None);

    database.did::<Authorize>("o", held()).await;
    let booked = Booking::Booked {
        label: "se-1".to_owned(),
        carrier: "usps".to_owned(),
        tracking: "9400".to_owned(),
    };
    database.did::<Book>("o", booked).await;
    let claimed = store.claim::<Capture>(&by).await;
    assert!(
        matches!(claimed, Ok(Claimed::Perform { .. })),
        "{claimed:?}"
    );
    let _ = requests.take();
    let renewed = Authorization::Held {
        payment: "pi_2".to_owned(),
        made_at: Some(by.now),
    };
    assert_eq!(store.replace_hold(&by, "pi_1", &renewed).await, Ok(()));
    assert_eq!(requests.take(), UPDATE);
    assert_eq!(state(&database, "o").await.held_payment(), Some("pi_2"));
}

#[tokio::test]
async fn asking_for_a_cancellation_is_one_request_and_one_more_if_a_review_waits() {
    let (database, requests) = with_order(async |database| {
        validated(database, "o").await;
        let order = accepted(database, "reviewed").await;
        let by = invocation("reviewed", "a", 60_000);
        let reserved = database.store.reserve(&by, &order, true).await;
        assert_eq!(reserved, Ok(Reserved::All));
    })
    .await;
    let (store, by) = (&database.store, invocation("o", "a", 60_000));
    let cancelled = store.request_cancel(&by.order_id, by.now).await;
    assert_eq!(cancelled, Ok(Cancellation::Requested { review: None }));
    assert_eq!(requests.take(), UPDATE);

    let by = invocation("reviewed", "a", 60_000);
    assert_eq!(store.open_review(&by, "token").await, Ok(Ok(())));
    assert_eq!(requests.take(), TRANSACTION);
    let cancelled = store.request_cancel(&by.order_id, by.now).await;
    let review = Some("token".to_owned());
    assert_eq!(cancelled, Ok(Cancellation::Requested { review }));
    assert_eq!(requests.take(), [UPDATE, QUERY].concat());
}

#[tokio::test]
async fn a_hundred_lines_are_reserved_in_two_requests() {
    let (database, requests) = with_order(async |_| {}).await;
    let mut document = document("o");
    let mut lines = Vec::new();
    for n in 0..100 {
        database.article(&format!("A-{n}"), 1, "USD", 5).await;
        lines.push(json!({"sku": format!("A-{n}"), "quantity": 1, "unit_price": 1}));
    }
    document["lines"] = json!(lines);
    document["total"] = json!(600);
    let order = database.accepted(&document).await;
    let _ = requests.take();
    let by = invocation("o", "a", 60_000);
    let reserved = database.store.reserve(&by, &order, false).await;
    assert_eq!(reserved, Ok(Reserved::All));
    assert_eq!(requests.take(), [TRANSACTION, TRANSACTION].concat());
}
