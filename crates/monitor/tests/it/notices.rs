//! What operators are told.

use domain::{ErrorName, Timestamp};
use operations::snapshot::REQUESTED;
use serde_json::json;
use tests::document;

use crate::{Shop, monitor, status};

pub(crate) async fn gave_up(shop: &Shop, order_id: &str) {
    shop.database.validated(&document(order_id)).await;
    shop.database
        .reversing(order_id, ErrorName::CarrierUnavailable)
        .await;
    shop.event(&status(&format!("{order_id}-1"), "FAILED"))
        .await;
}

#[tokio::test]
async fn a_burst_of_one_cause_is_one_message_and_each_order_is_told_once() {
    let shop = Shop::open().await;
    for number in 0..7 {
        gave_up(&shop, &format!("ord-{number}")).await;
    }
    shop.sweep(1).await;
    let subject = "[test] 7 orders: unfinished in CancelShipment";
    assert_eq!(shop.notices.0.notices(), [subject]);
    // What comes again says nothing new.
    shop.event(&status("ord-3-1", "FAILED")).await;
    shop.sweep(20 * 60).await;
    assert_eq!(shop.notices.0.notices().len(), 1);
    // Another order of the same cause waits for the quiet to end, then is told.
    gave_up(&shop, "ord-late").await;
    shop.sweep(2).await;
    assert_eq!(shop.notices.0.notices().len(), 1);
    shop.sweep(16 * 60).await;
    let told = shop.notices.0.notices();
    assert_eq!(told[1..], ["[test] 1 order: unfinished in CancelShipment"]);
}

#[tokio::test]
async fn a_declined_card_tells_nobody() {
    let shop = Shop::open().await;
    shop.database.validated(&document("ord-1")).await;
    shop.database
        .reversing("ord-1", ErrorName::PaymentDeclined)
        .await;
    for _ in 0..2 {
        shop.event(&status("ord-1-1", "RUNNING")).await;
        shop.sweep(30).await;
    }
    assert!(shop.notices.0.notices().is_empty());
}

#[tokio::test]
async fn sweeps_that_overlap_tell_once() {
    let shop = Shop::open().await;
    gave_up(&shop, "ord-1").await;
    let read_models = &shop.database.read_models;
    let read = read_models.notices().await.expect("the list");
    let other = monitor(&shop.database, &shop.step_functions, shop.notices.clone());
    other.sweep(Timestamp::now()).await.expect("a sweep");
    // Another sweep that had read the list before claims what was claimed since.
    let claimed = read_models.claim_notice(&read[0], Timestamp::now()).await;
    assert_eq!(claimed, Ok(false));
    assert_eq!(shop.notices.0.notices().len(), 1);
}

#[tokio::test]
async fn what_the_topic_did_not_take_is_told_by_the_next_sweep() {
    let shop = Shop::open().await;
    gave_up(&shop, "ord-1").await;
    shop.notices.0.be_deaf(true);
    shop.sweep(1).await;
    shop.notices.0.be_deaf(false);
    shop.sweep(2).await;
    shop.sweep(3).await;
    let subject = "[test] 1 order: unfinished in CancelShipment";
    assert_eq!(shop.notices.0.notices(), [subject]);
}

/// What Step Functions tells of an execution that gave up, once its history has come that far.
fn given_up_with(error: &str) -> serde_json::Value {
    let events = json!([{
        "type": "TaskFailed", "id": 9, "timestamp": 1_795_428_000, "previousEventId": 8,
        "taskFailedEventDetails": {
            "resourceType": "lambda", "resource": "invoke", "error": error
        }
    }]);
    json!({"status": "FAILED", "stopDate": 1_795_428_000, "events": events})
}

#[tokio::test]
async fn operators_are_notified_of_the_very_cause_that_the_page_has() {
    let shop = Shop::open().await;
    let told = given_up_with("PaymentUnavailable");
    shop.step_functions.tells("ord-1-1", told);
    gave_up(&shop, "ord-1").await;
    // The history of the other one is late.
    gave_up(&shop, "ord-2").await;
    let told = given_up_with("PaymentUnavailable");
    shop.step_functions.tells("ord-2-1", told);
    shop.notices.0.be_deaf(true);
    shop.sweep(30).await;
    shop.notices.0.be_deaf(false);
    let waiting = shop.database.read_models.notices().await;
    let waiting = waiting.expect("an answer");
    let [notice] = waiting.as_slice() else {
        panic!("{waiting:?}");
    };
    assert_eq!(notice.orders.len(), 2);
    let filed = notice.cause.clone();
    assert_eq!(filed.error, Some(ErrorName::PaymentUnavailable.into()));
    shop.sweep(31).await;
    let subject = "[test] 2 orders: unfinished in CancelShipment";
    assert_eq!(shop.notices.0.notices(), [subject]);
    shop.event(&json!({"detail-type": REQUESTED})).await;
    let snapshot = shop.database.read_models.snapshot().await;
    let snapshot = snapshot.expect("an answer").expect("a snapshot");
    let groups: Vec<_> = snapshot.groups.iter().map(|group| &group.cause).collect();
    assert_eq!(groups, [&filed]);
    // Whatever came of it, nobody waits under another name.
    let waiting = shop.database.read_models.notices().await;
    assert!(waiting.expect("an answer").is_empty());
}
