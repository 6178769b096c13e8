//! How often a step waits for the database: what its latency and its bill are made of. That each
//! of these calls is one request is counted in `crates/lib/store/tests/it/requests.rs`.
#![expect(clippy::expect_used, reason = "tests")]

mod shop;

use domain::Stage;
use serde_json::json;
use shop::{ARTICLE, Do, PIECES, Shop, count, task};
use step::{FailureInput, Task};
use tests::{Plan, document, invocation};

/// Runs tasks one after the other: how often each waited for the database, and for what.
async fn waits(shop: &Shop, order: &str, tasks: &[Do]) -> Vec<(Do, usize, Vec<String>)> {
    let mut waits = Vec::new();
    for what in tasks {
        let plan = Plan::default();
        let by = invocation(order, &format!("{what:?}"), 60_000);
        let failure = FailureInput {
            error: "CarrierUnavailable".to_owned(),
            cause: String::new(),
        };
        let answer = shop.run(*what, by, &plan, failure).await;
        answer.expect("a step without faults succeeds");
        waits.push((*what, plan.round_trips(), plan.made()));
    }
    waits
}

#[tokio::test]
async fn a_step_waits_for_the_database_no_oftener_than_it_must() {
    let shop = Shop::open().await;
    shop.accept("completed").await;
    let completed = [Do::forward(), vec![Do::Shipped]].concat();
    let completed = waits(&shop, "completed", &completed).await;
    shop.accept("reversed").await;
    let back = [Do::CancelShipment, Do::Reverse, Do::Release, Do::Failed];
    let reversed = [Do::forward(), back.to_vec()].concat();
    let reversed = waits(&shop, "reversed", &reversed).await;
    for (what, round_trips, made) in completed.iter().chain(&reversed) {
        // Reading with the claim, and the commit; more if the catalogue is asked.
        let expected = what.expected().round_trips;
        assert_eq!(*round_trips, expected, "{what:?}: {made:?}");
    }
    // They did what they are for.
    let stage = async |order| shop.database.state(order).await.stage;
    assert_eq!(stage("completed").await, Stage::Completed);
    assert_eq!(stage("reversed").await, Stage::Failed);
    assert_eq!(count(&shop.ledger("reversed").await, "refunds"), 1);
    assert_eq!(shop.outbox.sent("completed").len(), 1);
    assert_eq!(shop.database.available(ARTICLE).await, PIECES - 1);
}

#[tokio::test]
async fn a_step_that_was_done_before_waits_once() {
    let shop = Shop::open().await;
    shop.accept("o").await;
    let tasks = Do::forward();
    waits(&shop, "o", &tasks).await;
    for (what, round_trips, made) in waits(&shop, "o", &tasks).await {
        // Without a claim whose answer could tell, as in validating, it reads and then is refused; and who asks
        // the catalogue beside its claim has read the order before.
        let asks_the_catalogue = matches!(what, Do::Validate | Do::Book);
        let expected = if asks_the_catalogue { 2 } else { 1 };
        assert_eq!(round_trips, expected, "{what:?}: {made:?}");
    }
}

#[tokio::test]
async fn asking_for_a_review_waits_for_the_database_once() {
    let shop = Shop::open().await;
    let order = shop.database.accepted(&document("o")).await;
    let by = invocation("o", "a", 60_000);
    let reserved = domain::ports::Stock::reserve(&shop.database.store, &by, &order, true).await;
    assert_eq!(reserved, Ok(domain::ports::Reserved::All));
    let plan = Plan::default();
    let task = Task {
        task_token: Some("token".to_owned()),
        ..task(notify::Action::Review, by)
    };
    assert_eq!(shop.notify(&plan, task).await, Ok(json!({})));
    assert_eq!(plan.made(), ["open_review", "notify operators"]);
    assert_eq!(plan.round_trips(), 1);
    assert_eq!(shop.outbox.notices(), ["Review order o"]);
}
