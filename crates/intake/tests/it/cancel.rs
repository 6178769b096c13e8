//! `POST /orders/{id}/cancel`

use domain::ErrorName;
use domain::ledger::{Authorization, Authorize, Book, Booking, Capture};
use domain::ports::{Orders as _, Reserved, Stock as _};
use serde_json::json;
use tests::{document, invocation};

use crate::{ORDER, Shop};

const CANCEL: &str = "/orders/ord-1/cancel";

/// A shop with an order that waits for a review with this token.
async fn in_review(shop: &Shop, token: &str) {
    let order = shop.database.accepted(&document(ORDER)).await;
    let (store, by) = (&shop.database.store, invocation(ORDER, "a", 1000));
    let reserved = store.reserve(&by, &order, true).await;
    assert_eq!(reserved, Ok(Reserved::All));
    let opened = store.open_review(&by, token).await;
    opened.expect("an answer").expect("a review");
}

#[tokio::test]
async fn a_cancellation_is_put_on_record_and_answered_with_202() {
    let shop = Shop::open().await;
    shop.submit(&document(ORDER)).await;
    for _ in 0..2 {
        let answer = shop.post(CANCEL).await;
        assert_eq!(answer.status, 202);
        assert_eq!(
            answer.body,
            json!({"order_id": ORDER, "cancel_requested": true})
        );
        assert_eq!(answer.location.as_deref(), Some("/orders/ord-1"));
    }
    assert!(shop.database.state(ORDER).await.cancel.is_some());
}

#[tokio::test]
async fn a_review_that_waits_is_ended_at_once() {
    for token in ["token", "gone"] {
        let shop = Shop::open().await;
        in_review(&shop, token).await;
        assert_eq!(shop.post(CANCEL).await.status, 202);
        let calls = shop.step_functions.calls();
        let [(operation, request)] = calls.as_slice() else {
            unreachable!("one call, not {calls:?}");
        };
        assert_eq!(operation, "SendTaskFailure");
        assert_eq!(request["taskToken"], json!(token));
        assert_eq!(request["error"], json!(ErrorName::OrderCancelled.as_str()));
    }
}

#[tokio::test]
async fn a_cancellation_stands_even_if_the_review_cannot_be_ended_now() {
    let shop = Shop::without_step_functions().await;
    in_review(&shop, "token").await;
    assert_eq!(shop.post(CANCEL).await.status, 202);
    assert!(shop.database.state(ORDER).await.cancel.is_some());
}

#[tokio::test]
async fn from_capture_on_the_answer_is_409_with_the_reason() {
    let shop = Shop::open().await;
    shop.database.validated(&document(ORDER)).await;
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
    shop.database.claimed::<Capture>(ORDER, 60_000).await;
    let answer = shop.post(CANCEL).await;
    assert_eq!(answer.status, 409);
    assert_eq!(
        answer.body["detail"],
        json!("the payment is captured or being captured; ask for a refund instead")
    );
    assert_eq!(shop.database.state(ORDER).await.cancel, None);
}

#[tokio::test]
async fn a_failed_order_is_answered_with_409_and_the_reason() {
    let shop = Shop::open().await;
    shop.database.validated(&document(ORDER)).await;
    let error = ErrorName::CarrierUnavailable;
    shop.database.reversing(ORDER, error).await;
    let answer = shop.post(CANCEL).await;
    assert_eq!(answer.status, 409);
    assert_eq!(
        answer.body["detail"],
        json!("the order has failed and is being or has been reversed")
    );
}

#[tokio::test]
async fn a_cancelled_order_that_is_reversed_already_is_still_cancelled() {
    let shop = Shop::open().await;
    shop.database.validated(&document(ORDER)).await;
    shop.database.cancelled(ORDER).await;
    let error = ErrorName::OrderCancelled;
    shop.database.reversing(ORDER, error).await;
    shop.database.released(ORDER).await;
    assert_eq!(shop.post(CANCEL).await.status, 202);
}

#[tokio::test]
async fn without_a_database_no_cancellation_is_promised() {
    let shop = Shop::without_database().await;
    assert_eq!(shop.post(CANCEL).await.status, 503);
}
