//! Cancelling at every stage, and the point of no return.

use domain::Timestamp;
use domain::ports::Orders as _;
use serde_json::{Value, json};

use crate::shop::{self, Shop, effects};

async fn cancel(shop: &Shop, order: &str) -> u16 {
    let path = format!("/orders/{order}/cancel");
    shop.post(&path, "application/json", "").await.0
}

async fn fault(shop: &Shop, order: &str, operation: &str, mode: &Value) {
    let provider = if operation == "book" {
        "carrier"
    } else {
        "payment"
    };
    let mut fault = json!({"provider": provider, "operation": operation, "order_id": order});
    for (name, value) in mode.as_object().expect("a mode") {
        fault[name] = value.clone();
    }
    shop.plant(&fault).await;
}

fn outage() -> Value {
    json!({"mode": "error", "status": 503, "times": 1000})
}

/// Turned away at the door: nothing can have happened.
fn turned_away() -> Value {
    json!({"mode": "error", "status": 429, "times": 1000})
}

/// Long enough to be met at work, short enough for an adapter to wait for.
fn slow() -> Value {
    json!({"mode": "delay", "delay_ms": 4000, "times": 1})
}

async fn submitted(shop: &Shop, order: &str) {
    shop.article("CANCEL-02", 1000, 1000).await;
    shop.submit(&shop::document(order, "CANCEL-02", 1, 1000))
        .await;
}

/// Waits until somebody is at work on an effect of the order.
async fn at_work(shop: &Shop, order: &str, effect: &str) {
    let event = format!("{effect}_started");
    shop.until(order, |view| {
        let timeline = view["timeline"].as_array().expect("a timeline");
        timeline.iter().any(|entry| entry["event"] == event)
    })
    .await;
}

/// The order ended as cancelled, with everything taken back that had happened.
async fn is_cancelled(shop: &Shop, order: &str, held: u64, shipped: u64) {
    let view = shop.ended(order).await;
    assert_eq!(view["status"], "cancelled", "{view:#}");
    assert_eq!(view["failure"]["error"], "OrderCancelled", "{order}");
    let mut ledger = effects(&shop.ledger(order).await);
    ledger
        .as_object_mut()
        .expect("a ledger")
        .remove("faults_fired");
    let expected = json!({"authorizations": held, "captures": 0, "voids": held, "refunds": 0,
        "shipments": shipped, "cancelled_shipments": shipped});
    assert_eq!(ledger, expected, "{order}");
    let id = order.parse().expect("an id");
    let record = shop.store.load(&id).await.expect("an answer");
    assert_eq!(record.expect("the order").state.reserved_lines, 0);
    assert_eq!(
        cancel(shop, order).await,
        202,
        "asking again changes nothing"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_nobody_has_started_on_is_cancelled() {
    let shop = Shop::open().await;
    shop.article("CANCEL-02", 1000, 1000).await;
    let document = shop::document("e2e-cancel-received", "CANCEL-02", 1, 1000);
    let submission = tests::submission(&document);
    let accepted = shop.store.accept(&submission, Timestamp::now()).await;
    accepted.expect("accepted");
    assert_eq!(cancel(&shop, "e2e-cancel-received").await, 202);
    // Sent again, it is started.
    shop.submit(&document).await;
    is_cancelled(&shop, "e2e-cancel-received", 0, 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_waits_for_a_provider_is_cancelled_at_its_next_try() {
    let shop = Shop::open().await;
    for (operation, held, shipped) in [("authorize", 0, 0), ("book", 1, 0), ("capture", 1, 1)] {
        let order = format!("e2e-cancel-outage-{operation}");
        let outage = if operation == "capture" {
            turned_away()
        } else {
            outage()
        };
        fault(&shop, &order, operation, &outage).await;
        submitted(&shop, &order).await;
        while effects(&shop.ledger(&order).await)["faults_fired"] == 0 {
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        // While a capture is asked for it is too late; between its tries it is not, as long as it
        // certainly did not happen.
        let asked = std::time::Instant::now();
        while cancel(&shop, &order).await != 202 {
            assert_eq!(operation, "capture", "only a capture is in the way");
            assert!(asked.elapsed() < shop::PATIENCE, "never between two tries");
        }
        is_cancelled(&shop, &order, held, shipped).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_under_way_when_the_order_is_cancelled_is_finished_and_taken_back() {
    let shop = Shop::open().await;
    for (operation, held, shipped) in [("authorize", 1, 0), ("book", 1, 1)] {
        let order = format!("e2e-cancel-slow-{operation}");
        fault(&shop, &order, operation, &slow()).await;
        submitted(&shop, &order).await;
        at_work(&shop, &order, operation).await;
        assert_eq!(cancel(&shop, &order).await, 202);
        is_cancelled(&shop, &order, held, shipped).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn from_the_capture_on_the_answer_is_no() {
    let shop = Shop::open().await;
    let order = "e2e-cancel-slow-capture";
    fault(&shop, order, "capture", &slow()).await;
    submitted(&shop, order).await;
    at_work(&shop, order, "capture").await;
    assert_eq!(cancel(&shop, order).await, 409);
    let view = shop.ended(order).await;
    assert_eq!(view["status"], "completed", "{view:#}");
    assert_eq!(cancel(&shop, order).await, 409);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_was_reversed_for_another_reason_cannot_be_cancelled() {
    let shop = Shop::open().await;
    let order = "e2e-cancel-declined";
    fault(&shop, order, "authorize", &json!({"mode": "decline"})).await;
    submitted(&shop, order).await;
    assert_eq!(shop.ended(order).await["status"], "rejected");
    assert_eq!(cancel(&shop, order).await, 409);
}
