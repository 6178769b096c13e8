//! `POST /orders`

use domain::ledger::{Authorization, Authorize};
use domain::{ErrorName, Stage};
use serde_json::{Value, json};
use tests::{STATE_MACHINE, document};

use crate::{ORDER, Shop};

fn pointers(body: &Value) -> Vec<&str> {
    let violations = body["violations"].as_array().expect("violations");
    violations
        .iter()
        .map(|violation| violation["pointer"].as_str().expect("a pointer"))
        .collect()
}

#[tokio::test]
async fn a_new_order_is_stored_started_and_answered_with_202() {
    let shop = Shop::open().await;
    let answer = shop.submit(&document(ORDER)).await;
    assert_eq!(answer.status, 202);
    assert_eq!(
        answer.body,
        json!({"order_id": ORDER, "status": "received"})
    );
    assert_eq!(answer.location.as_deref(), Some("/orders/ord-1"));
    assert_eq!(answer.correlation_id.as_deref(), Some("ord-1-1"));
    assert_eq!(shop.database.state(ORDER).await.stage, Stage::Received);
}

#[tokio::test]
async fn an_execution_is_started_with_ids_and_nothing_personal() {
    let shop = Shop::open().await;
    shop.submit(&document(ORDER)).await;
    let calls = shop.step_functions.calls();
    let [(operation, request)] = calls.as_slice() else {
        unreachable!("one call, not {calls:?}");
    };
    assert_eq!(operation, "StartExecution");
    assert_eq!(request["stateMachineArn"], json!(STATE_MACHINE));
    assert_eq!(request["name"], json!("ord-1-1"));
    let input = request["input"].as_str().expect("an input");
    let input: Value = serde_json::from_str(input).expect("JSON");
    assert_eq!(
        input,
        json!({"schema_version": 1, "order_id": ORDER, "attempt": 1})
    );
}

#[tokio::test]
async fn the_same_document_again_is_answered_with_200_and_is_the_same_order() {
    let shop = Shop::open().await;
    shop.submit(&document(ORDER)).await;
    let before = shop.database.state(ORDER).await;
    let pretty = serde_json::to_string_pretty(&document(ORDER)).expect("JSON");
    let content_type = Some("Application/JSON; charset=utf-8");
    let again = shop.ask("POST", "/orders", content_type, &pretty).await;
    assert_eq!(again.status, 200);
    assert_eq!(again.body, json!({"order_id": ORDER, "status": "received"}));
    assert_eq!(again.location.as_deref(), Some("/orders/ord-1"));
    assert_eq!(shop.database.state(ORDER).await, before);
}

#[tokio::test]
async fn an_order_that_was_stored_but_never_started_is_started_by_the_same_document_again() {
    let shop = Shop::open().await;
    shop.database.accepted(&document(ORDER)).await;
    assert_eq!(shop.submit(&document(ORDER)).await.status, 200);
    assert_eq!(shop.step_functions.calls().len(), 1);
}

#[tokio::test]
async fn a_closed_order_is_not_started_again() {
    let shop = Shop::open().await;
    shop.database.validated(&document(ORDER)).await;
    let code = "expired_card".to_owned();
    let declined = Authorization::Declined { code };
    shop.database.did::<Authorize>(ORDER, declined).await;
    shop.database
        .reversing(ORDER, ErrorName::PaymentDeclined)
        .await;
    shop.database.released(ORDER).await;
    let again = shop.submit(&document(ORDER)).await;
    assert_eq!(again.status, 200);
    assert_eq!(again.body, json!({"order_id": ORDER, "status": "rejected"}));
    assert!(shop.step_functions.calls().is_empty());
}

#[tokio::test]
async fn another_document_under_the_same_id_is_answered_with_409_and_changes_nothing() {
    let shop = Shop::open().await;
    shop.submit(&document(ORDER)).await;
    let before = shop.database.state(ORDER).await;
    let mut other = document(ORDER);
    other["customer"]["name"] = json!("Eve Example");
    let answer = shop.submit(&other).await;
    assert_eq!(answer.status, 409);
    assert!(!answer.body.to_string().contains("Eve"), "{answer:?}");
    assert_eq!(shop.database.state(ORDER).await, before);
    assert_eq!(shop.step_functions.calls().len(), 1);
}

#[tokio::test]
async fn an_accepted_order_survives_an_execution_that_cannot_be_started() {
    let shop = Shop::without_step_functions().await;
    let answer = shop.submit(&document(ORDER)).await;
    assert_eq!(answer.status, 202);
    assert_eq!(
        answer.body,
        json!({"order_id": ORDER, "status": "received"})
    );
    assert_eq!(shop.database.state(ORDER).await.stage, Stage::Received);
}

#[tokio::test]
async fn without_a_database_nothing_is_accepted_or_started() {
    let shop = Shop::without_database().await;
    let answer = shop.submit(&document(ORDER)).await;
    assert_eq!(answer.status, 503);
    assert_eq!(answer.retry_after.as_deref(), Some("1"));
    assert!(shop.step_functions.calls().is_empty());
}

#[tokio::test]
async fn every_violation_is_told_at_once_with_its_pointer() {
    let shop = Shop::open().await;
    let mut bad = document("-");
    bad["schema_version"] = json!(2);
    bad["currency"] = json!("usd");
    bad["customer"]["email"] = json!("ada@example.com, Ada Example");
    bad["payment"]["method"] = json!("4242424242424242");
    bad["payment"]["cvc"] = json!("123");
    bad["shipping_address"]["country"] = json!("Springfield");
    bad["shipping_address"]["line1"] = json!("1 Main St\u{7}");
    bad["lines"][0]["quantity"] = json!(10_001);
    bad["tax"] = json!(-1);
    bad["total"] = json!(30.98);
    let answer = shop.submit(&bad).await;
    assert_eq!(answer.status, 400);
    assert_eq!(
        pointers(&answer.body),
        [
            "/schema_version",
            "/order_id",
            "/currency",
            "/customer/email",
            "/payment/method",
            "/payment/cvc",
            "/shipping_address/line1",
            "/shipping_address/country",
            "/lines/0/quantity",
            "/tax",
            "/total"
        ]
    );
    let text = answer.body.to_string();
    assert!(!text.contains("4242"), "the document is quoted: {text}");
    assert!(shop.step_functions.calls().is_empty());
}

#[tokio::test]
async fn a_total_that_does_not_add_up_and_an_article_twice_are_violations() {
    let shop = Shop::open().await;
    let mut bad = document(ORDER);
    bad["lines"] = json!([
        {"sku": "MUG-01", "quantity": 1, "unit_price": 1299},
        {"sku": "MUG-01", "quantity": 1, "unit_price": 1299}
    ]);
    bad["total"] = json!(3099);
    let answer = shop.submit(&bad).await;
    assert_eq!(
        (answer.status, pointers(&answer.body)),
        (400, vec!["/lines/1/sku", "/total"])
    );
}

#[tokio::test]
async fn what_is_no_json_object_is_a_violation_of_the_whole_document() {
    let shop = Shop::open().await;
    let broken = document(ORDER)
        .to_string()
        .replace("\"Ada Example\"", "Ada Example");
    for body in [broken.as_str(), "[]", "\"Ada Example\"", "", "\u{0}"] {
        let answer = shop
            .ask("POST", "/orders", Some("application/json"), body)
            .await;
        assert_eq!(
            (answer.status, pointers(&answer.body)),
            (400, vec![""]),
            "{body}"
        );
    }
}

#[tokio::test]
async fn a_document_that_is_too_large_is_answered_with_413() {
    let shop = Shop::open().await;
    let mut large = document(ORDER);
    large["customer"]["name"] = json!("x".repeat(64 * 1024));
    assert_eq!(shop.submit(&large).await.status, 413);
}

#[tokio::test]
async fn the_largest_order_there_is_fits() {
    let shop = Shop::open().await;
    let mut largest = document(&"o".repeat(64));
    let longest = "x".repeat(100);
    for field in ["name", "line1", "line2", "city", "region"] {
        largest["shipping_address"][field] = json!(longest);
    }
    let sku = |number: u32| format!("{}-{number:03}", "S".repeat(60));
    let line = |number| json!({"sku": sku(number), "quantity": 10_000, "unit_price": 9_000});
    largest["lines"] = (0..100).map(line).collect();
    largest["total"] = json!(9_000_000_000_u64 + 500);
    assert_eq!(shop.submit(&largest).await.status, 202);
}

#[tokio::test]
async fn what_is_not_sent_as_json_is_answered_with_415() {
    let shop = Shop::open().await;
    let body = document(ORDER).to_string();
    for content_type in [
        None,
        Some("text/plain"),
        Some("application/x-www-form-urlencoded"),
        Some("application/jsonp"),
    ] {
        let answer = shop.ask("POST", "/orders", content_type, &body).await;
        assert_eq!(answer.status, 415, "{content_type:?}");
    }
}
