//! The whole system on the local stack: real Terraform, the real state machine, our own binaries.
//! `make test` starts the stack that these tests run on.
#![expect(clippy::expect_used, reason = "tests")]

#[path = "end_to_end/cancel.rs"]
mod cancel;
#[path = "../examples/situations/prepare.rs"]
mod prepare;
#[path = "end_to_end/shop.rs"]
mod shop;

use std::collections::BTreeMap;

use serde_json::{Value, json};
use shop::{Shop, effects};

/// Every sample order ends as the design says: its status, money, goods, ledger at the providers,
/// message, execution, and the stock that is left.
#[tokio::test(flavor = "multi_thread")]
async fn every_sample_order_ends_as_it_should() {
    let shop = Shop::open().await;
    let samples: Vec<Value> = shop::json("orders/samples/expected.json");
    let documents = shop::sample_documents();
    for fault in samples
        .iter()
        .filter_map(|sample| sample["faults"].as_array())
        .flatten()
    {
        shop.plant(fault).await;
    }
    for document in &documents {
        shop.submit(document).await;
    }
    for sample in samples
        .iter()
        .filter(|sample| sample["approve"].is_string())
    {
        let order = sample["order_id"].as_str().expect("an id");
        shop.until(order, |view| view["status"] == "in_review")
            .await;
        shop.orderctl(&["approve", order, "--reason", "a known customer"]);
    }
    for sample in &samples {
        let order = sample["order_id"].as_str().expect("an id");
        let view = shop.ended(order).await;
        let document = documents
            .iter()
            .find(|document| document["order_id"] == order)
            .expect("it");
        ends_as_expected(&shop, sample, &view, document).await;
    }
    stock_adds_up(&shop, &samples, &documents).await;
}

async fn ends_as_expected(shop: &Shop, sample: &Value, view: &Value, document: &Value) {
    let order = sample["order_id"].as_str().expect("an id");
    assert_eq!(view["status"], sample["status"], "{view:#}");
    assert_eq!(view["failure"]["error"], sample["error"], "{order}");
    assert_eq!(view["payment"]["captured"], sample["captured"], "{order}");
    assert_eq!(
        view["payment"]["authorized"], sample["authorized"],
        "{order}"
    );
    assert_eq!(view["payment"]["status"], sample["payment"], "{order}");
    assert_eq!(view["payment"]["currency"], document["currency"], "{order}");
    assert_eq!(view["shipment"]["status"], sample["shipment"], "{order}");
    assert_eq!(view["notification"]["status"], "sent", "{order}");
    assert_eq!(view["workflow"]["attempt"], 1, "{order}");

    let ledger = shop.ledger(order).await;
    let completed = sample["status"] == "completed";
    let held = u64::from(sample["authorized"].as_u64() > Some(0));
    let expected = json!({
        "authorizations": held,
        "captures": u64::from(completed),
        "voids": u64::from(!completed && held == 1),
        "refunds": 0,
        "shipments": u64::from(completed),
        "cancelled_shipments": 0,
        "faults_fired": sample["faults"][0]["times"].as_u64().unwrap_or(0),
    });
    assert_eq!(effects(&ledger), expected, "{order}: {ledger:#}");
    for effect in ["authorizations", "captures"] {
        for entry in ledger[effect].as_array().into_iter().flatten() {
            assert_eq!(entry["amount"], document["total"], "{order}");
            assert_eq!(entry["currency"], document["currency"], "{order}");
        }
    }
    if completed {
        let tracking = &view["shipment"]["tracking_number"];
        assert_eq!(
            tracking, &ledger["shipments"][0]["tracking_number"],
            "{order}"
        );
    }

    let execution = shop.execution(view).await;
    let status = if completed { "SUCCEEDED" } else { "FAILED" };
    assert_eq!(
        (execution.0.as_str(), view["workflow"]["status"].as_str()),
        (status, Some(status))
    );
    assert_eq!(
        execution.1,
        sample["error"].as_str().map(str::to_owned),
        "the Fail state's error"
    );
    assert_eq!(
        shop.mails(document).await,
        1,
        "{order}: one message to the customer"
    );
}

async fn stock_adds_up(shop: &Shop, samples: &[Value], documents: &[Value]) {
    let catalogue: Vec<Value> = shop::json("orders/catalogue/sample.json");
    let mut left: BTreeMap<&str, u64> = BTreeMap::new();
    for article in &catalogue {
        left.insert(
            article["sku"].as_str().expect("a sku"),
            article["available"].as_u64().expect("pieces"),
        );
    }
    for sample in samples
        .iter()
        .filter(|sample| sample["status"] == "completed")
    {
        let document = documents
            .iter()
            .find(|document| document["order_id"] == sample["order_id"]);
        for line in document.expect("a document")["lines"]
            .as_array()
            .expect("lines")
        {
            let sku = line["sku"].as_str().expect("a sku");
            *left.get_mut(sku).expect("an article") -= line["quantity"].as_u64().expect("pieces");
        }
    }
    for (sku, left) in left {
        assert_eq!(shop.available(sku).await, left, "{sku}");
    }
}

/// Five transitions for a plain order, and for one that fails every undo in reverse.
#[tokio::test(flavor = "multi_thread")]
async fn an_order_takes_the_states_of_the_design_and_no_other() {
    let shop = Shop::open().await;
    shop.article("PATH-01", 1000, 5).await;
    let forward = tests::definition::path("ValidateOrder");
    let refused = forward.iter().position(|state| state == "ShipOrder");
    let begun = &forward[..=refused.expect("a state that ships")];
    let back = tests::definition::path("CancelShipment");
    for (order, postal_code, path) in [
        ("e2e-path-1", "62701", forward.clone()),
        ("e2e-path-2", "00000", [begun, &back].concat()),
    ] {
        let mut document = shop::document(order, "PATH-01", 1, 1000);
        document["shipping_address"]["postal_code"] = json!(postal_code);
        shop.submit(&document).await;
        let view = shop.ended(order).await;
        assert_eq!(shop.states(&view).await, path);
    }
}

/// What goes over HTTP is what the design says, through the real API.
#[tokio::test(flavor = "multi_thread")]
async fn the_front_door_answers_as_documented() {
    let shop = Shop::open().await;
    shop.article("DOOR-01", 1000, 5).await;
    let document = shop::document("e2e-door", "DOOR-01", 1, 1000);
    let (status, _, body) = shop
        .post("/orders", "application/json", &document.to_string())
        .await;
    assert!(status == 202 || status == 200, "{body}");
    let (status, _, _) = shop
        .post("/orders", "application/json", &document.to_string())
        .await;
    assert_eq!(status, 200, "the same document again");
    let mut other = document.clone();
    other["customer"]["name"] = json!("Somebody Else");
    let (status, kind, body) = shop
        .post("/orders", "application/json", &other.to_string())
        .await;
    assert_eq!(
        (status, kind.as_str()),
        (409, "application/problem+json"),
        "{body}"
    );
    let (status, kind, body) = shop
        .post("/orders", "application/json", r#"{"schema_version": 2}"#)
        .await;
    assert_eq!((status, kind.as_str()), (400, "application/problem+json"));
    assert!(
        body["violations"]
            .as_array()
            .is_some_and(|found| found.len() > 5),
        "{body}"
    );
    assert_eq!(shop.post("/orders", "text/plain", "{}").await.0, 415);
    let large = format!("{{\"order_id\": \"{}\"}}", "x".repeat(70_000));
    assert_eq!(
        shop.post("/orders", "application/json", &large).await.0,
        413
    );
    assert_eq!(shop.get("/orders/no-such-order").await.0, 404);
    assert_eq!(
        shop.post("/orders/no-such-order/cancel", "application/json", "")
            .await
            .0,
        404
    );
    shop.ended("e2e-door").await;
    let (status, _, body) = shop
        .post("/orders/e2e-door/cancel", "application/json", "")
        .await;
    assert_eq!(status, 409, "past capture: {body}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_waiting_review_ends_at_once_when_the_order_is_cancelled() {
    let shop = Shop::open().await;
    shop.article("CANCEL-01", 100_000, 1).await;
    shop.submit(&shop::document("e2e-cancel", "CANCEL-01", 1, 100_000))
        .await;
    shop.until("e2e-cancel", |view| {
        view["status"] == "in_review" || view["status"] == "cancelled"
    })
    .await;
    let (status, _, _) = shop
        .post("/orders/e2e-cancel/cancel", "application/json", "")
        .await;
    assert_eq!(status, 202);
    let view = shop.ended("e2e-cancel").await;
    assert_eq!(view["status"], "cancelled", "{view:#}");
    assert_eq!(view["failure"]["error"], "OrderCancelled");
    assert_eq!(
        effects(&shop.ledger("e2e-cancel").await)["authorizations"],
        0
    );
    assert_eq!(
        shop.available("CANCEL-01").await,
        1,
        "the last piece is back"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejected_review_reverses_the_order() {
    let shop = Shop::open().await;
    shop.article("REJECT-01", 100_000, 1).await;
    shop.submit(&shop::document("e2e-reject", "REJECT-01", 1, 100_000))
        .await;
    shop.until("e2e-reject", |view| {
        view["status"] == "in_review" || view["status"] == "rejected"
    })
    .await;
    if shop.view("e2e-reject").await["status"] == "in_review" {
        shop.orderctl(&["reject", "e2e-reject", "--reason", "not this one"]);
    }
    let view = shop.ended("e2e-reject").await;
    assert_eq!(
        (&view["status"], &view["failure"]["error"]),
        (&json!("rejected"), &json!("ReviewRejected"))
    );
    assert_eq!(
        shop.available("REJECT-01").await,
        1,
        "the last piece is back"
    );
}

/// The provider acts, its answer is lost: the retry finds out and nothing happens twice.
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_lost_costs_no_second_effect() {
    let shop = Shop::open().await;
    shop.article("LOST-01", 1000, 10).await;
    let operations = [
        ("payment", "authorize"),
        ("carrier", "book"),
        ("payment", "capture"),
    ];
    for (provider, operation) in operations {
        let order = format!("e2e-lost-{operation}");
        let fault = json!({"provider": provider, "operation": operation, "order_id": order,
            "mode": "lose_response"});
        shop.plant(&fault).await;
        shop.submit(&shop::document(&order, "LOST-01", 1, 1000))
            .await;
    }
    for (_, operation) in operations {
        let order = format!("e2e-lost-{operation}");
        let view = shop.ended(&order).await;
        assert_eq!(view["status"], "completed", "{view:#}");
        let ledger = shop.ledger(&order).await;
        let expected = json!({"authorizations": 1, "captures": 1, "voids": 0, "refunds": 0,
            "shipments": 1, "cancelled_shipments": 0, "faults_fired": 1});
        assert_eq!(effects(&ledger), expected, "{order}: {ledger:#}");
    }
}

/// A provider that stays away: every retry is used up, then everything is reversed.
#[tokio::test(flavor = "multi_thread")]
async fn an_outage_that_lasts_ends_in_an_order_that_is_reversed() {
    let shop = Shop::open().await;
    shop.article("OUTAGE-01", 1000, 2).await;
    // With these statuses nothing was done for certain, so that each try acts: the first one and all retries.
    let outages = [
        (
            "payment",
            "authorize",
            503,
            16,
            "PaymentUnavailable",
            "none",
            0,
        ),
        (
            "carrier",
            "book",
            429,
            31,
            "CarrierUnavailable",
            "voided",
            1,
        ),
    ];
    for (provider, operation, status, ..) in outages {
        let order = format!("e2e-outage-{provider}");
        shop.plant(
            &json!({"provider": provider, "operation": operation, "order_id": order,
            "mode": "error", "status": status, "times": 1000}),
        )
        .await;
        shop.submit(&shop::document(&order, "OUTAGE-01", 1, 1000))
            .await;
    }
    for (provider, _, _, tries, error, payment, held) in outages {
        let order = format!("e2e-outage-{provider}");
        let view = shop.ended(&order).await;
        assert_eq!(
            (&view["status"], &view["failure"]["error"]),
            (&json!("failed"), &json!(error)),
            "{view:#}"
        );
        assert_eq!(view["failure"]["class"], "dependency");
        assert_eq!(
            (&view["payment"]["status"], &view["shipment"]["status"]),
            (&json!(payment), &json!("none"))
        );
        let effects = effects(&shop.ledger(&order).await);
        let kinds = ["authorizations", "voids", "captures", "shipments"];
        assert_eq!(
            kinds.map(|kind| effects[kind].as_u64()),
            [Some(held), Some(held), Some(0), Some(0)]
        );
        assert_eq!(effects["faults_fired"], tries, "{order}");
    }
    assert_eq!(shop.available("OUTAGE-01").await, 2, "both pieces are back");
}

/// A capture that the provider refuses comes too late for the label: it is cancelled again.
#[tokio::test(flavor = "multi_thread")]
async fn an_authorisation_that_lapsed_cancels_the_shipment() {
    let shop = Shop::open().await;
    shop.article("LAPSED-01", 1000, 1).await;
    let fault = json!({"provider": "payment", "operation": "capture", "order_id": "e2e-lapsed",
        "mode": "decline"});
    shop.plant(&fault).await;
    shop.submit(&shop::document("e2e-lapsed", "LAPSED-01", 1, 1000))
        .await;
    let view = shop.ended("e2e-lapsed").await;
    assert_eq!(
        (&view["status"], &view["failure"]["error"]),
        (&json!("rejected"), &json!("PaymentDeclined"))
    );
    assert_eq!(view["shipment"]["status"], "cancelled");
    let ledger = effects(&shop.ledger("e2e-lapsed").await);
    assert_eq!(
        (&ledger["captures"], &ledger["shipments"]),
        (&json!(0), &json!(1)),
        "{ledger}"
    );
    assert_eq!(
        (&ledger["cancelled_shipments"], &ledger["faults_fired"]),
        (&json!(1), &json!(1))
    );
    assert_eq!(shop.available("LAPSED-01").await, 1);
}

/// The founding wish: an order id starts an execution. A second one for the same order finds
/// everything done and changes nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_second_execution_for_an_order_changes_nothing() {
    let shop = Shop::open().await;
    shop.article("TWICE-01", 1000, 5).await;
    shop.submit(&shop::document("e2e-twice", "TWICE-01", 1, 1000))
        .await;
    shop.ended("e2e-twice").await;
    let before = shop.ledger("e2e-twice").await;
    let status = shop.execute(&json!({"order_id": "e2e-twice"})).await;
    assert_eq!(status, "SUCCEEDED");
    assert_eq!(shop.ledger("e2e-twice").await, before);
    assert_eq!(shop.available("TWICE-01").await, 4);
}

/// Each file in `tests/events`, through `cargo lambda invoke`, and what it answers.
#[tokio::test(flavor = "multi_thread")]
async fn every_event_file_is_answered_as_expected() {
    let shop = Shop::open().await;
    let situations = prepare::situations();
    let mut known: Vec<_> = situations.iter().map(|one| one.event.clone()).collect();
    known.sort();
    assert_eq!(
        shop::event_files(),
        known,
        "each file has a situation, each situation a file"
    );
    let stack = prepare::Stack::at(&shop.endpoints).await;
    for situation in &situations {
        stack.prepare(situation).await;
        let file = &situation.event;
        let (succeeded, told) = shop.invoke(file);
        let as_expected = match (situation.error, &situation.answer) {
            (Some(name), _) => !succeeded && told.contains(name.as_str()),
            (None, Some(word)) => succeeded && told.contains(word),
            (None, None) => {
                let statuses = situation.status.iter();
                let mut words = statuses.map(|status| format!("\"statusCode\":{status}"));
                words.any(|word| told.replace(' ', "").contains(&word))
            }
        };
        let (what, wanted) = (&situation.what, situation.expected());
        assert!(
            as_expected,
            "{file} ({what}) is to be {wanted}, and is: {told}"
        );
    }
}

/// Neither an execution's history nor a log line nor a status view knows who the customer is.
#[tokio::test(flavor = "multi_thread")]
async fn personal_data_is_in_no_history_and_no_log() {
    let shop = Shop::open().await;
    shop.article("SECRET-01", 1000, 5).await;
    for (order, postal_code) in [("e2e-secret-1", "62701"), ("e2e-secret-2", "00000")] {
        let mut document = shop::document(order, "SECRET-01", 1, 1000);
        document["customer"]["name"] = json!("Zaphod Secretive");
        document["customer"]["email"] = json!("zaphod@secretive.example");
        document["shipping_address"]["name"] = json!("Zaphod Secretive");
        document["shipping_address"]["line1"] = json!("42 Secretive Lane");
        document["shipping_address"]["postal_code"] = json!(postal_code);
        document["payment"]["method"] = json!("pm_card_mastercard");
        shop.submit(&document).await;
        let view = shop.ended(order).await;
        for text in [view.to_string(), shop.history(&view).await] {
            assert!(text.contains(order), "something was looked at");
            for secret in ["ecretive", "pm_card"] {
                assert!(!text.contains(secret), "{secret} in {text}");
            }
        }
    }
    let mut lines = 0;
    for function in tests::definition::functions().into_keys() {
        for line in shop.log(&function).await {
            lines += usize::from(line.contains("e2e-secret"));
            for secret in ["ecretive", "pm_card"] {
                assert!(!line.contains(secret), "{function}: {line}");
            }
        }
    }
    assert!(lines >= 10, "{lines} lines about the orders");
}
