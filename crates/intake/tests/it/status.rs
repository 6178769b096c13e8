//! `GET /orders/{id}`, and paths that nobody has.

use domain::ledger::{Authorization, Authorize, Book, Booking, Capture, CaptureResult};
use serde_json::json;
use tests::document;

use crate::{ORDER, Shop};

#[tokio::test]
async fn the_status_view_tells_where_money_goods_and_execution_are() {
    let shop = Shop::open().await;
    shop.submit(&document(ORDER)).await;
    let view = shop.get("/orders/ord-1").await;
    assert_eq!(view.status, 200);
    let timeline = view.body["timeline"].as_array().expect("a timeline");
    assert_eq!(timeline.len(), 1);
    let mut body = view.body.clone();
    body["timeline"] = json!([]);
    assert_eq!(
        body,
        json!({
            "order_id": ORDER,
            "status": "received",
            "payment": {"status": "none", "authorized": 0, "captured": 0, "refunded": 0,
                "currency": "USD"},
            "shipment": {"status": "none", "carrier": null, "tracking_number": null, "label": null},
            "notification": {"status": "none"},
            "workflow": {
                "status": "RUNNING",
                "execution_arn":
                    "arn:aws:states:us-east-1:000000000000:execution:order-processing:ord-1-1",
                "attempt": 1
            },
            "failure": null,
            "timeline": []
        })
    );
}

#[tokio::test]
async fn the_status_view_of_a_paid_order_has_its_amounts_and_its_tracking_number() {
    let shop = Shop::open().await;
    shop.submit(&document(ORDER)).await;
    let by = tests::invocation(ORDER, "validate", 1000);
    let record = domain::ports::Orders::load(&shop.database.store, &by.order_id).await;
    let order = record.expect("an answer").expect("the order").order;
    let reserved = domain::ports::Stock::reserve(&shop.database.store, &by, &order, false).await;
    reserved.expect("reserved");
    let payment = "pi_1".to_owned();
    let held = Authorization::Held {
        payment,
        made_at: None,
    };
    shop.database.did::<Authorize>(ORDER, held).await;
    let booking = Booking::Booked {
        label: "se-1".to_owned(),
        carrier: "usps".to_owned(),
        tracking: "9400".to_owned(),
    };
    shop.database.did::<Book>(ORDER, booking).await;
    let taken = CaptureResult::Taken {
        amount: tests::money(3098, "USD"),
    };
    shop.database.did::<Capture>(ORDER, taken).await;
    let view = shop.get("/orders/ord-1").await.body;
    assert_eq!(view["status"], json!("shipped"));
    assert_eq!(
        view["payment"],
        json!({"status": "captured", "authorized": 3098, "captured": 3098, "refunded": 0,
            "currency": "USD"})
    );
    assert_eq!(
        view["shipment"],
        json!({"status": "booked", "carrier": "usps", "tracking_number": "9400", "label": null})
    );
    let events = view["timeline"].as_array().expect("a timeline");
    let events: Vec<_> = events
        .iter()
        .filter_map(|one| one["event"].as_str())
        .collect();
    assert_eq!(
        events,
        ["received", "validated", "authorized", "booked", "captured"]
    );
}

#[tokio::test]
async fn an_order_whose_execution_was_never_started_is_received() {
    let shop = Shop::open().await;
    shop.database.accepted(&document(ORDER)).await;
    let view = shop.get("/orders/ord-1").await.body;
    assert_eq!(view["status"], json!("received"));
    assert_eq!(view["workflow"]["status"], json!("NOT_STARTED"));
}

#[tokio::test]
async fn an_order_whose_personal_data_was_erased_still_has_a_status() {
    let shop = Shop::open().await;
    shop.submit(&document(ORDER)).await;
    shop.database.erase_personal_data(ORDER).await;
    assert_eq!(shop.get("/orders/ord-1").await.status, 200);
}

#[tokio::test]
async fn an_unknown_or_impossible_order_is_answered_with_404() {
    let shop = Shop::open().await;
    for path in ["/orders/ord-2", "/orders/-", "/orders/a%20b", "/orders/%FF"] {
        assert_eq!(shop.get(path).await.status, 404, "{path}");
        let cancel = format!("{path}/cancel");
        assert_eq!(shop.post(&cancel).await.status, 404, "{cancel}");
    }
}

#[tokio::test]
async fn a_path_that_nobody_has_is_answered_with_404() {
    let shop = Shop::open().await;
    shop.submit(&document(ORDER)).await;
    for (method, path) in [
        ("GET", "/"),
        ("GET", "/orders"),
        ("DELETE", "/orders/ord-1"),
        ("GET", "/orders/ord-1/cancel"),
        ("POST", "/orders/ord-1/cancel/now"),
        ("POST", "/order"),
    ] {
        let answer = shop.ask(method, path, Some("application/json"), "{}").await;
        assert_eq!(answer.status, 404, "{method} {path}");
    }
}

#[tokio::test]
async fn what_cannot_be_told_now_is_answered_with_503() {
    for shop in [
        Shop::without_step_functions().await,
        Shop::without_database().await,
    ] {
        shop.database.accepted(&document(ORDER)).await;
        let answer = shop.get("/orders/ord-1").await;
        assert_eq!(answer.status, 503);
        assert_eq!(answer.retry_after.as_deref(), Some("1"));
    }
}
