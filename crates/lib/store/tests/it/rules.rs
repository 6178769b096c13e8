//! The conditional writes against the domain's rules, for every state.

use crate::held;
use domain::ledger::{Admission, Authorize, Claim, Effect, Entry, Reverse, admit};
use domain::ports::{Claimed, Orders as _, StoreError};
use domain::{CancelRequest, ErrorName, Failure, OrderState, Stage, Timestamp};
use proptest::prelude::*;
use tests::{Database, database, document, invocation, submission};

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
                tried_until: None,
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
