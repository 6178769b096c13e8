//! Late, duplicate, out-of-order and lost events converge to the same record.

use domain::{ExecutionStatus, Status};
use operations::ProcessState;
use serde_json::{Value, json};
use tests::document;

use crate::{ORDER, Shop, booked, captured, essence, held, notified, status};

/// Every order of these indices.
fn permutations(items: &[usize]) -> Vec<Vec<usize>> {
    if items.is_empty() {
        return vec![Vec::new()];
    }
    let mut all = Vec::new();
    for (position, item) in items.iter().enumerate() {
        let mut rest = items.to_vec();
        rest.remove(position);
        for mut tail in permutations(&rest) {
            tail.insert(0, *item);
            all.push(tail);
        }
    }
    all
}

fn redriven(status: &str, at: i64) -> Value {
    let mut event = crate::status("ord-1-1", status);
    event["detail"]["redriveDate"] = json!(at);
    event
}

#[tokio::test]
async fn the_events_of_an_execution_in_every_order_and_twice_come_to_the_same() {
    // It failed, was redriven, and succeeded.
    let events = [
        status("ord-1-1", "RUNNING"),
        status("ord-1-1", "FAILED"),
        redriven("RUNNING", 1_795_428_001_000),
        redriven("SUCCEEDED", 1_795_428_001_000),
    ];
    let mut seen = None;
    for order in permutations(&[0, 1, 2, 3]) {
        let shop = Shop::open().await;
        crate::completed(&shop.database, ORDER).await;
        for index in order.iter().chain(&order) {
            shop.event(&events[*index]).await;
            shop.ledger().await;
        }
        let now = essence(&shop.projection(ORDER).await);
        assert_eq!(now.0, Some(ExecutionStatus::Succeeded), "{order:?}");
        assert_eq!(seen.get_or_insert_with(|| now.clone()), &now, "{order:?}");
    }
}

#[tokio::test]
async fn an_old_event_never_moves_an_order_back_and_a_redrive_may() {
    let shop = Shop::open().await;
    shop.database.validated(&document(ORDER)).await;
    shop.event(&status("ord-1-1", "FAILED")).await;
    shop.event(&status("ord-1-1", "RUNNING")).await;
    let projection = shop.projection(ORDER).await;
    assert_eq!(projection.status, Status::NeedsAttention);
    shop.event(&redriven("RUNNING", 1_795_428_001_000)).await;
    let projection = shop.projection(ORDER).await;
    assert_eq!(projection.status, Status::Validated);
    assert_eq!(projection.state, Some(ProcessState::ChargePayment));
    assert!(
        projection.incidents.is_empty(),
        "{:?}",
        projection.incidents
    );
    shop.event(&status("ord-1-1", "FAILED")).await;
    assert_eq!(shop.projection(ORDER).await.status, Status::Validated);
}

/// A happy order; `lost` is the event that nobody hears.
async fn happy(lost: Option<usize>) -> Shop {
    let shop = Shop::open().await;
    shop.database.accepted(&document(ORDER)).await;
    shop.step_functions
        .tells("ord-1-1", json!({"status": "RUNNING"}));
    let mut number = 0;
    let mut observed = || {
        number += 1;
        Some(number - 1) != lost
    };
    if observed() {
        shop.event(&status("ord-1-1", "RUNNING")).await;
    }
    let by = tests::invocation(ORDER, "validate", 1000);
    let order = tests::submission(&document(ORDER)).order;
    let reserved = domain::ports::Stock::reserve(&shop.database.store, &by, &order, false).await;
    reserved.expect("reserved");
    if observed() {
        shop.ledger().await;
    }
    held(&shop.database, ORDER).await;
    if observed() {
        shop.ledger().await;
    }
    booked(&shop.database, ORDER).await;
    if observed() {
        shop.ledger().await;
    }
    captured(&shop.database, ORDER).await;
    if observed() {
        shop.ledger().await;
    }
    notified(&shop.database, ORDER).await;
    if observed() {
        shop.ledger().await;
    }
    let ended = json!({"status": "SUCCEEDED", "stopDate": 1_795_428_000});
    shop.step_functions.tells("ord-1-1", ended);
    if observed() {
        shop.event(&status("ord-1-1", "SUCCEEDED")).await;
    }
    shop
}

#[tokio::test]
async fn any_lost_event_is_made_good_within_one_sweep() {
    let expected = essence(&happy(None).await.projection(ORDER).await);
    assert_eq!(expected.0, Some(ExecutionStatus::Succeeded));
    for lost in 0..7 {
        let shop = happy(Some(lost)).await;
        let swept = shop.sweep(90).await;
        let now = essence(&shop.projection(ORDER).await);
        assert_eq!(now, expected, "event {lost} was lost; {swept:?}");
    }
}

#[tokio::test]
async fn an_order_that_is_over_is_in_no_sweep() {
    let shop = happy(None).await;
    assert_eq!(shop.sweep(100_000).await.open, 0);
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig { cases: 48, ..Default::default() })]
    /// Longer stories: several redrives, events in any order, any number of times, with sweeps between.
    #[test]
    fn random_histories_come_to_what_happened_last(
        observed in proptest::collection::vec((0usize..10, proptest::bool::weighted(0.15)), 1..30),
    ) {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let shop = Shop::open().await;
            crate::completed(&shop.database, ORDER).await;
            // Five tries, each but the last failed.
            let at = |round: i64| 1_795_428_000_000 + round * 1000;
            let event = |index: usize| {
                let round = i64::try_from(index / 2).expect("small");
                let end = if round == 4 { "SUCCEEDED" } else { "FAILED" };
                let status = if index.is_multiple_of(2) { "RUNNING" } else { end };
                if round == 0 {
                    crate::status("ord-1-1", status)
                } else {
                    redriven(status, at(round))
                }
            };
            let last = json!({"status": "SUCCEEDED",
                "stopDate": 1_795_428_004, "redriveDate": 1_795_428_004});
            shop.step_functions.tells("ord-1-1", last);
            for (index, sweep) in observed {
                shop.event(&event(index)).await;
                if sweep {
                    shop.sweep(90).await;
                }
            }
            shop.sweep(400).await;
            let projection = shop.projection(ORDER).await;
            let status = projection.execution.map(|execution| execution.status);
            assert_eq!(status, Some(ExecutionStatus::Succeeded));
            assert!(projection.is_over(), "{projection:?}");
        });
    }
}
