use serde_json::{Value, json};

use crate::client::Sandbox;

fn fault(provider: &str, operation: &str, order_id: &str, mode: &str) -> Value {
    json!({ "provider": provider, "operation": operation, "order_id": order_id, "mode": mode })
}

#[tokio::test]
async fn an_error_fires_as_often_as_asked_for_its_order_only() {
    let sandbox = Sandbox::start().await;
    let mut twice = fault("payment", "authorize", "ord-1", "error");
    twice["times"] = json!(2);
    let planted = sandbox.plant(&twice).await;
    assert_eq!(
        (planted.status, &planted.body["remaining"]),
        (201, &json!(2))
    );
    sandbox.authorized("ord-2").await;
    for _ in 0..2 {
        let reply = sandbox
            .send(sandbox.authorization("ord-1", "pm_card_visa"))
            .await
            .unwrap();
        assert_eq!(
            (reply.status, reply.text("/error/type")),
            (503, "api_error")
        );
    }
    sandbox.authorized("ord-1").await;
    let fired = &sandbox.ledger(Some("ord-1")).await["faults_fired"];
    assert_eq!(fired.as_array().unwrap().len(), 2);
    assert_eq!(fired[0]["key"], "ord-1-1-authorize");
}

#[tokio::test]
async fn what_was_planted_for_an_order_is_lifted_by_planting_it_no_times() {
    let sandbox = Sandbox::start().await;
    for (order_id, times) in [("ord-1", 9), ("ord-2", 1), ("ord-1", 0)] {
        let mut fault = fault("payment", "authorize", order_id, "error");
        fault["times"] = json!(times);
        assert_eq!(sandbox.plant(&fault).await.status, 201);
    }
    sandbox.authorized("ord-1").await;
    let other = sandbox.authorization("ord-2", "pm_card_visa");
    assert_eq!(sandbox.send(other).await.unwrap().status, 503);
}

#[tokio::test]
async fn a_label_that_was_used_is_not_voided_however_often_until_that_is_lifted() {
    let sandbox = Sandbox::start().await;
    let booked = sandbox.send(sandbox.booking("ord-1-1")).await;
    let label = booked.unwrap().text("/label_id").to_owned();
    let mut used = fault("carrier", "cancel", "ord-1", "refuse_for_good");
    assert_eq!(sandbox.plant(&used).await.status, 201);
    for _ in 0..3 {
        let reply = sandbox.send(sandbox.void_label(&label)).await.unwrap();
        let said = (reply.status, reply.text("/reason_code"));
        assert_eq!(said, (200, "label_already_used"));
    }
    assert_eq!(sandbox.count("cancelled_shipments").await, 0);
    used["times"] = json!(0);
    sandbox.plant(&used).await;
    let voided = sandbox.send(sandbox.void_label(&label)).await.unwrap();
    assert_eq!(voided.body["approved"], true);
    used["operation"] = json!("book");
    assert_eq!(sandbox.plant(&used).await.status, 400);
}

#[tokio::test]
async fn a_refused_connection_has_no_effect() {
    let sandbox = Sandbox::start().await;
    sandbox
        .plant(&fault("payment", "authorize", "*", "refuse"))
        .await;
    sandbox
        .plant(&fault("carrier", "book", "*", "refuse"))
        .await;
    sandbox
        .send(sandbox.authorization("ord-1", "pm_card_visa"))
        .await
        .unwrap_err();
    sandbox.send(sandbox.booking("ord-1-1")).await.unwrap_err();
    assert_eq!(sandbox.count("authorizations").await, 0);
    assert_eq!(sandbox.count("shipments").await, 0);
    assert_eq!(sandbox.count("faults_fired").await, 2);
}

#[tokio::test]
async fn a_lost_answer_has_its_effect_and_is_found_under_its_key() {
    let sandbox = Sandbox::start().await;
    let id = sandbox.authorized("ord-1").await;
    for (provider, operation) in [
        ("payment", "capture"),
        ("payment", "refund"),
        ("carrier", "book"),
        ("carrier", "cancel"),
    ] {
        sandbox
            .plant(&fault(provider, operation, "ord-1", "lose_response"))
            .await;
    }
    sandbox
        .send(sandbox.capture(&id, "c", "3098"))
        .await
        .unwrap_err();
    let captured = sandbox
        .send(sandbox.capture(&id, "c", "3098"))
        .await
        .unwrap();
    assert!(captured.replayed);
    assert_eq!(captured.text("/status"), "succeeded");
    sandbox
        .send(sandbox.refund(&id, "r", "1"))
        .await
        .unwrap_err();
    assert!(
        sandbox
            .send(sandbox.refund(&id, "r", "1"))
            .await
            .unwrap()
            .replayed
    );

    sandbox.send(sandbox.booking("ord-1-1")).await.unwrap_err();
    let label = sandbox.carrier_get("labels/external_shipment_id/ord-1-1");
    let label = sandbox.send(label).await.unwrap();
    let label = label.text("/label_id");
    sandbox.send(sandbox.void_label(label)).await.unwrap_err();
    let voided = sandbox
        .send(sandbox.carrier_get(&format!("labels/{label}")))
        .await
        .unwrap();
    assert_eq!(voided.text("/status"), "voided");

    for kind in ["captures", "refunds", "shipments", "cancelled_shipments"] {
        assert_eq!(sandbox.count(kind).await, 1, "{kind}");
    }
    assert_eq!(sandbox.count("faults_fired").await, 4);
}

#[tokio::test]
async fn a_delayed_or_late_call_acts_even_when_its_caller_has_gone() {
    for mode in ["delay", "late"] {
        let sandbox = Sandbox::start().await;
        let mut slow = fault("payment", "authorize", "ord-1", mode);
        slow["delay_ms"] = json!(20);
        sandbox.plant(&slow).await;
        let caller = tokio::spawn(sandbox.authorization("ord-1", "pm_card_visa").send());
        while sandbox.count("faults_fired").await == 0 {
            tokio::task::yield_now().await;
        }
        caller.abort();
        while sandbox.count("authorizations").await == 0 {
            tokio::task::yield_now().await;
        }
        let again = sandbox.authorization("ord-1", "pm_card_visa");
        assert!(sandbox.send(again).await.unwrap().replayed, "{mode}");
    }
}

#[tokio::test]
async fn the_providers_no_comes_in_each_operations_own_words() {
    let sandbox = Sandbox::start().await;
    let held = sandbox.authorized("ord-1").await;
    for operation in ["authorize", "capture", "find"] {
        sandbox
            .plant(&fault("payment", operation, "*", "decline"))
            .await;
    }
    for operation in ["book", "cancel", "find"] {
        sandbox
            .plant(&fault("carrier", operation, "*", "decline"))
            .await;
    }
    // An answer already stored is not decided anew.
    assert!(
        sandbox
            .send(sandbox.authorization("ord-1", "pm_card_visa"))
            .await
            .unwrap()
            .replayed
    );
    let declined = sandbox
        .send(sandbox.authorization("ord-2", "pm_card_visa"))
        .await
        .unwrap();
    assert_eq!(
        (declined.status, declined.text("/error/code")),
        (402, "card_declined")
    );
    let not_yet = sandbox.send(sandbox.find("ord-1")).await.unwrap();
    assert_eq!(not_yet.body["data"], json!([]));
    let lapsed = sandbox
        .send(sandbox.capture(&held, "c", "3098"))
        .await
        .unwrap();
    assert_eq!(lapsed.text("/error/code"), "charge_expired_for_capture");
    let found = sandbox.send(sandbox.find("ord-1")).await.unwrap();
    assert_eq!(found.text("/data/0/cancellation_reason"), "automatic");

    let refused = sandbox.send(sandbox.booking("ord-1-1")).await.unwrap();
    assert_eq!(refused.text("/errors/0/error_code"), "invalid_address");
    let label = sandbox.send(sandbox.booking("ord-1-1")).await.unwrap();
    let kept = sandbox
        .send(sandbox.void_label(label.text("/label_id")))
        .await
        .unwrap();
    assert_eq!((kept.status, &kept.body["approved"]), (200, &json!(false)));
    let path = "labels/external_shipment_id/ord-1-1";
    assert_eq!(
        sandbox
            .send(sandbox.carrier_get(path))
            .await
            .unwrap()
            .status,
        404
    );
    assert_eq!(
        sandbox
            .send(sandbox.carrier_get(path))
            .await
            .unwrap()
            .status,
        200
    );
    assert_eq!(sandbox.count("faults_fired").await, 6);
}

#[tokio::test]
async fn no_to_void_and_refund_leaves_the_money_where_it_is() {
    let sandbox = Sandbox::start().await;
    let held = sandbox.authorized("ord-1").await;
    for operation in ["void", "refund"] {
        sandbox
            .plant(&fault("payment", operation, "ord-1", "decline"))
            .await;
    }
    let kept = sandbox.send(sandbox.cancel(&held, "v")).await.unwrap();
    assert_eq!(
        kept.text("/error/payment_intent/status"),
        "requires_capture"
    );
    sandbox
        .send(sandbox.capture(&held, "c", "3098"))
        .await
        .unwrap();
    let disputed = sandbox
        .send(sandbox.refund(&held, "r", "3098"))
        .await
        .unwrap();
    assert_eq!(disputed.text("/error/code"), "charge_disputed");
    assert_eq!(
        (sandbox.count("voids").await, sandbox.count("refunds").await),
        (0, 0)
    );
}

#[tokio::test]
async fn find_covers_every_get_and_the_orders_that_objects_belong_to() {
    let sandbox = Sandbox::start().await;
    let id = sandbox.authorized("ord-1").await;
    let mut all = fault("payment", "find", "ord-1", "error");
    all["times"] = json!(3);
    sandbox.plant(&all).await;
    for request in [
        sandbox.find("ord-1"),
        sandbox.payment_get(&format!("payment_intents/{id}"), &[]),
        sandbox.payment_get("refunds", &[("payment_intent", &id)]),
    ] {
        assert_eq!(sandbox.send(request).await.unwrap().status, 503);
    }
    // By the id that our adapter would have given it, although nothing is booked.
    sandbox
        .plant(&fault("carrier", "find", "ord-1", "error"))
        .await;
    let request = sandbox.carrier_get("shipments/external_shipment_id/ord-1-1");
    let reply = sandbox.send(request).await.unwrap();
    assert_eq!(
        (reply.status, reply.text("/errors/0/error_type")),
        (503, "system")
    );
}

#[tokio::test]
async fn a_fault_that_makes_no_sense_is_refused_in_words() {
    let sandbox = Sandbox::start().await;
    let good = fault("payment", "authorize", "*", "error");
    for (field, value, word) in [
        ("mode", json!("explode"), "explode"),
        ("oder_id", json!("ord-1"), "oder_id"),
        ("operation", json!("book"), "operation"),
        ("status", json!(200), "status"),
        ("order_id", json!(""), "order_id"),
        ("delay_ms", json!(1_000_000_000), "delay_ms"),
        ("mode", json!("hide"), "mode"),
    ] {
        let mut fault = good.clone();
        fault[field] = value;
        let reply = sandbox.plant(&fault).await;
        assert_eq!(reply.status, 400, "{fault}");
        assert!(reply.text("/error").contains(word), "{reply:?}");
    }
    assert_eq!(
        sandbox
            .plant(&json!({ "provider": "payment" }))
            .await
            .status,
        400
    );
}

#[tokio::test]
async fn a_reset_empties_everything_and_ends_what_is_under_way() {
    let sandbox = Sandbox::start().await;
    let id = sandbox.authorized("ord-1").await;
    sandbox.send(sandbox.booking("ord-1-1")).await.unwrap();
    let mut slow = fault("payment", "authorize", "ord-2", "delay");
    slow["delay_ms"] = json!(600_000);
    sandbox.plant(&slow).await;
    sandbox
        .plant(&fault("payment", "authorize", "*", "error"))
        .await;
    let under_way = tokio::spawn(sandbox.authorization("ord-2", "pm_card_visa").send());
    while sandbox.count("faults_fired").await == 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(sandbox.control("reset").await.status, 200);
    under_way.await.unwrap().unwrap_err();
    let ledger = sandbox.ledger(None).await;
    assert!(
        ledger
            .as_object()
            .unwrap()
            .values()
            .all(|kind| *kind == json!([])),
        "{ledger}"
    );
    let gone = sandbox.payment_get(&format!("payment_intents/{id}"), &[]);
    assert_eq!(sandbox.send(gone).await.unwrap().status, 404);
    assert_ne!(
        sandbox.authorized("ord-1").await,
        id,
        "an id is never given twice"
    );
    assert_eq!(
        sandbox
            .send(sandbox.booking("ord-1-1"))
            .await
            .unwrap()
            .status,
        200
    );
}

#[tokio::test]
async fn a_refund_is_pending_until_it_is_settled_or_fails_by_itself() {
    let sandbox = Sandbox::start().await;
    let id = sandbox.authorized("ord-1").await;
    let taken = sandbox.send(sandbox.capture(&id, "c", "3098")).await;
    assert_eq!(taken.unwrap().status, 200);
    let statuses = async || {
        let list = sandbox.payment_get("refunds", &[("payment_intent", &id)]);
        let list = sandbox.send(list).await.unwrap();
        let refunds = list.body["data"].as_array().unwrap().iter();
        let newest_first: Vec<_> = refunds.map(|one| one["status"].clone()).collect();
        newest_first
    };
    for (key, mode) in [("r1", "fail"), ("r2", "pending")] {
        sandbox
            .plant(&fault("payment", "refund", "ord-1", mode))
            .await;
        let refund = sandbox.send(sandbox.refund(&id, key, "3098")).await;
        assert_eq!(refund.unwrap().text("/status"), "pending", "{mode}");
    }
    assert_eq!(statuses().await, ["pending", "failed"]);
    let another = sandbox.send(sandbox.refund(&id, "r3", "1")).await.unwrap();
    assert_eq!(another.text("/error/code"), "charge_already_refunded");
    assert_eq!(sandbox.count("refunds").await, 0);
    for (end, count, refunds) in [("failed", 1, 0), ("succeeded", 0, 0)] {
        let path = format!("settle?order_id=ord-1&status={end}");
        let settled = sandbox.control(&path).await;
        assert_eq!(settled.body["settled"], json!(count));
        assert_eq!(sandbox.count("refunds").await, refunds);
    }
    sandbox
        .plant(&fault("payment", "refund", "ord-1", "pending"))
        .await;
    let refund = sandbox.send(sandbox.refund(&id, "r4", "3098")).await;
    assert_eq!(refund.unwrap().text("/status"), "pending");
    let path = "settle?order_id=ord-1&status=succeeded";
    assert_eq!(sandbox.control(path).await.body["settled"], json!(1));
    assert_eq!(statuses().await, ["succeeded", "failed", "failed"]);
    let ledger = sandbox.ledger(Some("ord-1")).await;
    assert_eq!(ledger["refunds"][0]["key"], "r4");
    // Nothing else can be pending, or fail later.
    let capture = fault("payment", "capture", "ord-1", "pending");
    assert_eq!(sandbox.plant(&capture).await.status, 400);
}

#[tokio::test]
async fn an_error_says_what_it_is_planted_with() {
    let sandbox = Sandbox::start().await;
    let mut busy = fault("payment", "authorize", "ord-1", "error");
    busy["status"] = json!(429);
    busy["error"] = json!({ "type": "invalid_request_error", "code": "lock_timeout" });
    assert_eq!(sandbox.plant(&busy).await.status, 201);
    let reply = sandbox.send(sandbox.authorization("ord-1", "pm_card_visa"));
    let reply = reply.await.unwrap();
    assert_eq!(
        (reply.status, reply.text("/error/code")),
        (429, "lock_timeout")
    );
    busy["mode"] = json!("decline");
    assert_eq!(sandbox.plant(&busy).await.status, 400);
}
