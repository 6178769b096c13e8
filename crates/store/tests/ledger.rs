//! The ledger against a real engine: what the domain's rules promise, DynamoDB keeps.
#![expect(clippy::expect_used, clippy::panic, reason = "tests")]

use domain::ledger::{
    Admission, Authorization, Authorize, Book, Capture, CaptureResult, Claim, Effect, Entry,
    MessageId, Notify, NotifyFailure, Reverse, Unbook, admit,
};
use domain::ports::{
    Accepted, Cancellation, Claimed, Decided, LineProblem, OperatorEvent, Orders as _, Reserved,
    Stock as _, StoreError,
};
use domain::{CancelRequest, Decision, ErrorName, Failure, OrderState, Stage, Timestamp};
use proptest::prelude::*;
use serde_json::json;
use tests::{Database, database, document, invocation, submission};

fn held() -> Authorization {
    Authorization::Held {
        payment: "pi_1".to_owned(),
    }
}

async fn accepted(database: &Database, order_id: &str) -> domain::Order {
    let submission = submission(&document(order_id));
    database
        .store
        .accept(&submission, Timestamp::now())
        .await
        .expect("accepted");
    submission.order
}

async fn validated(database: &Database, order_id: &str) -> domain::Order {
    let order = accepted(database, order_id).await;
    let by = invocation(order_id, "validate", 1000);
    assert_eq!(
        database.store.reserve(&by, &order, false).await,
        Ok(Reserved::All)
    );
    order
}

async fn state(database: &Database, order_id: &str) -> OrderState {
    let order_id = order_id.parse().expect("an id");
    database
        .store
        .load(&order_id)
        .await
        .expect("an answer")
        .expect("the order")
        .state
}

#[tokio::test]
async fn the_same_document_is_accepted_once_and_another_one_never() {
    let database = database().await;
    let first = submission(&document("o"));
    let now = Timestamp::now();
    assert!(matches!(
        database.store.accept(&first, now).await,
        Ok(Accepted::New(_))
    ));
    assert!(matches!(
        database.store.accept(&first, now).await,
        Ok(Accepted::Same(_))
    ));
    let mut other = document("o");
    other["lines"][0]["quantity"] = json!(1);
    other["total"] = json!(1799);
    assert_eq!(
        database.store.accept(&submission(&other), now).await,
        Ok(Accepted::Different)
    );
    let record = database
        .store
        .load(&first.order.order_id)
        .await
        .expect("an answer")
        .expect("it");
    assert_eq!(
        (record.order, record.personal),
        (first.order, Some(first.personal))
    );
    assert_eq!(record.state.version, 1);
}

#[tokio::test]
async fn two_senders_of_one_document_get_one_order() {
    let database = database().await;
    let first = submission(&document("o"));
    let now = Timestamp::now();
    let (a, b) = tokio::join!(
        database.store.accept(&first, now),
        database.store.accept(&first, now)
    );
    let new = [a, b]
        .into_iter()
        .filter(|done| matches!(done, Ok(Accepted::New(_))))
        .count();
    assert_eq!(new, 1);
}

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

async fn shipped(database: &Database, order_id: &str) {
    validated(database, order_id).await;
    let by = invocation(order_id, "s", 1000);
    database
        .store
        .claim::<Authorize>(&by)
        .await
        .expect("claimed");
    database
        .store
        .commit::<Authorize>(&by, held())
        .await
        .expect("committed");
    database.store.claim::<Book>(&by).await.expect("claimed");
    let booked = domain::ledger::Booking::Booked {
        label: "se-1".to_owned(),
        carrier: "usps".to_owned(),
        tracking: "9400".to_owned(),
    };
    database
        .store
        .commit::<Book>(&by, booked)
        .await
        .expect("committed");
}

#[tokio::test]
async fn the_happy_path_ends_closed_and_out_of_the_index_of_open_orders() {
    let database = database().await;
    shipped(&database, "o").await;
    assert_eq!(open_orders(&database).await, 1);
    let by = invocation("o", "a", 1000);
    database.store.claim::<Capture>(&by).await.expect("claimed");
    let taken = CaptureResult::Taken { amount: 3098 };
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
    assert_eq!(open_orders(&database).await, 0);
}

async fn open_orders(database: &Database) -> usize {
    let mut open = 0;
    for shard in 0..8 {
        let answer = database
            .client
            .query()
            .table_name(tests::ORDERS)
            .index_name("open")
            .key_condition_expression("open_shard = :shard")
            .expression_attribute_values(
                ":shard",
                aws_sdk_dynamodb::types::AttributeValue::S(shard.to_string()),
            )
            .send()
            .await
            .expect("an answer");
        open += answer.items().len();
    }
    open
}

#[tokio::test]
async fn stock_is_reserved_all_or_none_and_every_reason_is_told() {
    let database = database().await;
    let mut document = document("o");
    document["lines"] = json!([
        {"sku": "MUG-01", "quantity": 3, "unit_price": 1299},
        {"sku": "TEE-01", "quantity": 1, "unit_price": 1},
        {"sku": "SOLDOUT-01", "quantity": 1, "unit_price": 1000},
        {"sku": "NONE-01", "quantity": 1, "unit_price": 1},
    ]);
    document["total"] = json!(3 * 1299 + 1 + 1000 + 1 + 500);
    let submission = submission(&document);
    database
        .store
        .accept(&submission, Timestamp::now())
        .await
        .expect("accepted");
    let by = invocation("o", "a", 1000);
    let reserved = database.store.reserve(&by, &submission.order, false).await;
    let Ok(Reserved::Problems(problems)) = reserved else {
        panic!("{reserved:?}")
    };
    assert!(matches!(
        problems[..],
        [
            LineProblem::Price { .. },
            LineProblem::SoldOut { .. },
            LineProblem::Unknown(_)
        ]
    ));
    assert_eq!(database.available("MUG-01").await, 100);
    assert_eq!(state(&database, "o").await.stage, Stage::Received);
}

#[tokio::test]
async fn a_hundred_lines_are_reserved_once_and_released_once() {
    let database = database().await;
    let mut document = document("o");
    let mut lines = Vec::new();
    for n in 0..100 {
        database.article(&format!("A-{n}"), 1, "USD", 5).await;
        lines.push(json!({"sku": format!("A-{n}"), "quantity": 2, "unit_price": 1}));
    }
    document["lines"] = json!(lines);
    document["total"] = json!(700);
    let order = submission(&document).order;
    database
        .store
        .accept(&submission(&document), Timestamp::now())
        .await
        .expect("accepted");
    let by = invocation("o", "a", 1000);
    assert_eq!(
        database.store.reserve(&by, &order, false).await,
        Ok(Reserved::All)
    );
    assert_eq!(
        database.store.reserve(&by, &order, false).await,
        Ok(Reserved::All)
    );
    assert_eq!(
        (
            database.available("A-0").await,
            database.available("A-99").await
        ),
        (3, 3)
    );
    let failure = Failure::new(ErrorName::PaymentDeclined, "no", Timestamp::now());
    let state = database
        .store
        .begin_reversal(&by, failure)
        .await
        .expect("noted");
    for state in [state.clone(), state] {
        let closed = database
            .store
            .release_and_close(&by, &order.lines, state)
            .await
            .expect("closed");
        assert_eq!((closed.stage, closed.reserved_lines), (Stage::Rejected, 0));
    }
    assert_eq!(
        (
            database.available("A-0").await,
            database.available("A-99").await
        ),
        (5, 5)
    );
}

#[tokio::test]
async fn a_review_is_decided_once_and_the_same_decision_wakes_it_again() {
    let database = database().await;
    let order = accepted(&database, "o").await;
    let by = invocation("o", "a", 1000);
    let event = |event: &str| OperatorEvent {
        at: Timestamp::now(),
        event: event.to_owned(),
        by: "op".to_owned(),
        reason: "known".to_owned(),
    };
    let decide = async |decision| {
        let decided = database
            .store
            .decide_review(&by.order_id, decision, &event("decided"))
            .await;
        decided.expect("an answer")
    };
    assert_eq!(
        database.store.reserve(&by, &order, true).await,
        Ok(Reserved::All)
    );
    assert_eq!(database.store.open_review(&by, "token-1").await, Ok(Ok(())));
    assert_eq!(database.store.open_review(&by, "token-2").await, Ok(Ok(())));
    let token = Some("token-2".to_owned());
    assert_eq!(
        decide(Decision::Approved).await,
        Decided::Recorded {
            token: token.clone()
        }
    );
    assert_eq!(
        decide(Decision::Approved).await,
        Decided::Recorded { token }
    );
    assert!(matches!(
        decide(Decision::Rejected).await,
        Decided::Refused(_)
    ));
    let late = database
        .store
        .open_review(&by, "token-3")
        .await
        .expect("an answer");
    assert!(late.is_err(), "whoever asks after the decision finds it");
    let record = database
        .store
        .load(&by.order_id)
        .await
        .expect("an answer")
        .expect("the order");
    assert_eq!(
        (record.state.stage, record.events.len()),
        (Stage::Validated, 1)
    );
}

#[tokio::test]
async fn cancelling_hands_out_the_token_of_a_waiting_review() {
    let database = database().await;
    let order = accepted(&database, "o").await;
    let by = invocation("o", "a", 1000);
    assert_eq!(
        database.store.reserve(&by, &order, true).await,
        Ok(Reserved::All)
    );
    assert_eq!(database.store.open_review(&by, "token").await, Ok(Ok(())));
    let asked = database
        .store
        .request_cancel(&by.order_id, Timestamp::now())
        .await;
    let review = Some("token".to_owned());
    assert_eq!(asked, Ok(Cancellation::Requested { review }));
    let opened = database
        .store
        .open_review(&by, "another")
        .await
        .expect("an answer");
    assert!(opened.is_err(), "a cancelled order asks nobody");
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "one order's whole life")]
async fn a_full_state_item_stays_within_one_unit_of_writing() {
    let database = database().await;
    let id = "o".repeat(64);
    let mut document = document(&id);
    document["customer"]["customer_id"] = json!("c".repeat(64));
    let submission = submission(&document);
    database
        .store
        .accept(&submission, Timestamp::now())
        .await
        .expect("accepted");
    let by = invocation(&id, &"u".repeat(36), 1000);
    assert_eq!(
        database.store.reserve(&by, &submission.order, true).await,
        Ok(Reserved::All)
    );
    database
        .store
        .open_review(&by, "t")
        .await
        .expect("open")
        .expect("open");
    let event = OperatorEvent {
        at: Timestamp::now(),
        event: "approved".to_owned(),
        by: "op".to_owned(),
        reason: "known".to_owned(),
    };
    database
        .store
        .decide_review(&by.order_id, Decision::Approved, &event)
        .await
        .expect("decided");
    database
        .store
        .claim::<Authorize>(&by)
        .await
        .expect("claimed");
    let payment = "p".repeat(30);
    database
        .store
        .commit::<Authorize>(&by, Authorization::Held { payment })
        .await
        .expect("done");
    database.store.claim::<Book>(&by).await.expect("claimed");
    let booked = domain::ledger::Booking::Booked {
        label: "l".repeat(20),
        carrier: "stamps_com".to_owned(),
        tracking: "t".repeat(34),
    };
    database
        .store
        .commit::<Book>(&by, booked)
        .await
        .expect("done");
    database.store.claim::<Capture>(&by).await.expect("claimed");
    let failure = Failure::new(ErrorName::NotificationUnavailable, &"m".repeat(300), by.now);
    let state = database
        .store
        .begin_reversal(&by, failure)
        .await
        .expect("noted");
    database.store.claim::<Unbook>(&by).await.expect("claimed");
    database
        .store
        .commit::<Unbook>(&by, domain::ledger::Unbooking::Cancelled)
        .await
        .expect("done");
    database.store.claim::<Reverse>(&by).await.expect("claimed");
    let refund = "r".repeat(30);
    let refunded = domain::ledger::Reversal::Refunded {
        refund,
        amount: 999_999_999_999,
    };
    database
        .store
        .commit::<Reverse>(&by, refunded)
        .await
        .expect("done");
    database
        .store
        .release_and_close(&by, &submission.order.lines, state)
        .await
        .expect("closed");
    database
        .store
        .claim::<NotifyFailure>(&by)
        .await
        .expect("claimed");
    let answer = database
        .client
        .get_item()
        .table_name(tests::ORDERS)
        .key("order_id", aws_sdk_dynamodb::types::AttributeValue::S(id))
        .key(
            "item",
            aws_sdk_dynamodb::types::AttributeValue::S("state".to_owned()),
        )
        .send()
        .await
        .expect("an answer");
    let item = answer.item.expect("the state");
    let size: usize = item
        .iter()
        .map(|(name, value)| name.len() + size(value))
        .sum();
    assert!(size <= 1024, "{size} bytes");
}

/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html>
fn size(value: &aws_sdk_dynamodb::types::AttributeValue) -> usize {
    use aws_sdk_dynamodb::types::AttributeValue as V;
    match value {
        V::S(text) => text.len(),
        V::N(digits) => digits.len().div_ceil(2) + 1,
        V::M(map) => {
            3 + map
                .iter()
                .map(|(name, value)| 1 + name.len() + size(value))
                .sum::<usize>()
        }
        other => panic!("{other:?} is not in a state item"),
    }
}

/// Any state that the ledger can be in, reachable or not.
fn any_state() -> impl Strategy<Value = (OrderState, bool)> {
    let order = submission(&document("p")).order;
    let stage = (0..Stage::ALL.len()).prop_map(|index| Stage::ALL[index]);
    let entry = prop_oneof![Just(0), Just(1), Just(2), Just(3)];
    (
        stage,
        entry,
        any::<bool>(),
        any::<bool>(),
        1..3_u32,
        any::<bool>(),
    )
        .prop_map(move |(stage, entry, cancelled, failed, attempt, own)| {
            let now = Timestamp::now();
            let mut state = OrderState::received(&order, now);
            state.stage = stage;
            state.attempt = attempt;
            state.cancel = cancelled.then_some(CancelRequest { at: now });
            state.failure = failed.then(|| Failure::new(ErrorName::Internal, "x", now));
            state.closed_at = stage.is_closed().then_some(now);
            let open = |until_ms: i64| Claim {
                owner: if own { "me" } else { "other" }.to_owned(),
                since: now,
                until: Timestamp::from_millisecond(now.as_millisecond() + until_ms)
                    .expect("a time"),
            };
            state.authorize = match entry {
                0 => None,
                1 => Some(Entry::Open(open(60_000))),
                2 => Some(Entry::Open(open(-60_000))),
                _ => Some(Entry::Done {
                    outcome: held(),
                    at: now,
                }),
            };
            state.reverse = match entry {
                0 => None,
                1 => Some(Entry::Open(open(60_000))),
                2 => Some(Entry::Open(open(-60_000))),
                _ => Some(Entry::Done {
                    outcome: domain::ledger::Reversal::Voided,
                    at: now,
                }),
            };
            (state, own)
        })
}

async fn agrees<E: Effect>(database: &Database, state: &OrderState) -> Result<(), TestCaseError> {
    put(database, state).await;
    let by = invocation("p", "me", 1000);
    let rule = admit::<E>(state, by.attempt, &by.owner, by.now);
    let claimed = database.store.claim::<E>(&by).await;
    let same = match (&rule, &claimed) {
        (
            Admission::Fresh,
            Ok(Claimed::Perform {
                unknown_since: None,
                ..
            }),
        ) => true,
        (
            Admission::Own,
            Ok(Claimed::Perform {
                unknown_since: None,
                ..
            }),
        ) => true,
        (
            Admission::TakeOver(_),
            Ok(Claimed::Perform {
                unknown_since: Some(_),
                ..
            }),
        ) => true,
        (Admission::Busy(_), Err(StoreError::Unavailable(_))) => true,
        (Admission::Done(rule), Ok(Claimed::Done { outcome, .. })) => rule == outcome,
        (Admission::Refused(rule), Ok(Claimed::Refused(error))) => rule == error,
        _ => false,
    };
    prop_assert!(same, "rule {rule:?}, DynamoDB {claimed:?}");
    Ok(())
}

async fn put(database: &Database, state: &OrderState) {
    let mut item: std::collections::HashMap<_, _> = serde_dynamo::to_item(state).expect("an item");
    item.insert(
        "item".to_owned(),
        aws_sdk_dynamodb::types::AttributeValue::S("state".to_owned()),
    );
    let put = database
        .client
        .put_item()
        .table_name(tests::ORDERS)
        .set_item(Some(item));
    put.send().await.expect("stored");
}

#[test]
fn the_conditional_writes_admit_exactly_what_the_rules_admit() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let database = runtime.block_on(database());
    proptest!(ProptestConfig::with_cases(300), |((state, _) in any_state())| {
        runtime.block_on(async {
            agrees::<Authorize>(&database, &state).await?;
            agrees::<Reverse>(&database, &state).await
        })?;
    });
}
