//! Orders by queue, asked the way Lambda asks for a queue.

use domain::Stage;
use serde_json::{Value, json};
use tests::document;

use crate::{ORDER, Shop};

/// The messages of these bodies, and which of them stay in the queue.
async fn left(shop: &Shop, bodies: &[&str]) -> Value {
    let records = bodies.iter().enumerate();
    // <https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html>, shortened.
    let records: Vec<_> = records
        .map(|(number, body)| {
            json!({
                "messageId": format!("message-{number}"),
                "receiptHandle": "handle",
                "body": body,
                "attributes": {"ApproximateReceiveCount": "1"},
                "messageAttributes": {},
                "eventSource": "aws:sqs",
                "eventSourceARN": "arn:aws:sqs:us-east-1:123456789012:orders-local-orders",
                "awsRegion": "us-east-1",
            })
        })
        .collect();
    let batch = serde_json::from_value(json!({"Records": records})).expect("a batch");
    serde_json::to_value(shop.intake.take(batch).await).expect("JSON")
}

fn failures(numbers: &[u32]) -> Value {
    let failures = numbers.iter();
    let failures: Vec<_> = failures
        .map(|number| json!({"itemIdentifier": format!("message-{number}")}))
        .collect();
    json!({"batchItemFailures": failures})
}

#[tokio::test]
async fn an_order_by_queue_is_stored_and_started_once_however_often_it_comes() {
    let shop = Shop::open().await;
    let order = document(ORDER).to_string();
    assert_eq!(left(&shop, &[&order]).await, failures(&[]));
    assert_eq!(shop.database.state(ORDER).await.stage, Stage::Received);
    assert_eq!(left(&shop, &[&order]).await, failures(&[]));
    assert_eq!(shop.submit(&document(ORDER)).await.status, 200);
    let calls = shop.step_functions.calls();
    assert!(
        calls.iter().all(|(_, start)| start["name"] == "ord-1-1"),
        "{calls:?}"
    );
}

#[tokio::test]
async fn what_is_no_order_stays_in_the_queue_and_keeps_no_other_order_back() {
    let shop = Shop::open().await;
    let order = document(ORDER);
    let mut other = order.clone();
    other["shipping_fee"] = json!(501);
    other["total"] = json!(order["total"].as_u64().expect("a total") + 1);
    let large = format!("{{\"order_id\": \"{}\"}}", "x".repeat(70_000));
    let bodies = [
        "not JSON",
        &order.to_string(),
        &other.to_string(),
        "{\"order_id\": \"ord-2\"}",
        &large,
    ];
    assert_eq!(left(&shop, &bodies).await, failures(&[0, 2, 3, 4]));
    assert_eq!(shop.database.state(ORDER).await.stage, Stage::Received);
}

#[tokio::test]
async fn an_order_that_cannot_be_stored_stays_in_the_queue() {
    let shop = Shop::without_database().await;
    let order = document(ORDER).to_string();
    assert_eq!(left(&shop, &[&order]).await, failures(&[0]));
}

#[tokio::test]
async fn an_order_that_is_stored_and_cannot_be_started_is_accepted() {
    let shop = Shop::without_step_functions().await;
    let order = document(ORDER).to_string();
    assert_eq!(left(&shop, &[&order]).await, failures(&[]));
    assert_eq!(shop.database.state(ORDER).await.stage, Stage::Received);
}
