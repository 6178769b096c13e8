use serde_json::json;

use crate::client::Sandbox;

#[tokio::test]
async fn a_label_is_bought_found_by_every_id_and_voided_once() {
    let sandbox = Sandbox::start().await;
    let mut body = Sandbox::shipment("ord-1-1", "62701");
    body["shipment"]["external_order_id"] = json!("ord-1");
    let label = sandbox.send(sandbox.booking_of(&body)).await.unwrap();
    assert_eq!((label.status, label.text("/status")), (200, "completed"));
    assert_eq!(label.text("/external_shipment_id"), "ord-1-1");
    assert_eq!(label.body["voided"], false);
    let (id, shipment) = (label.text("/label_id"), label.text("/shipment_id"));

    for path in [
        "labels/external_shipment_id/ord-1-1".to_owned(),
        format!("labels/{id}"),
    ] {
        let found = sandbox.send(sandbox.carrier_get(&path)).await.unwrap();
        assert_eq!(found.body, label.body);
    }
    for path in [
        "labels?external_shipment_id=ord-1-1".to_owned(),
        format!("labels?shipment_id={shipment}"),
    ] {
        let found = sandbox.send(sandbox.carrier_get(&path)).await.unwrap();
        assert_eq!(found.body["labels"], json!([label.body]));
    }
    for path in [
        "shipments/external_shipment_id/ord-1-1".to_owned(),
        format!("shipments/{shipment}"),
    ] {
        let found = sandbox.send(sandbox.carrier_get(&path)).await.unwrap();
        assert_eq!(found.text("/shipment_id"), shipment);
        assert_eq!(found.text("/ship_to/postal_code"), "62701");
    }

    let voided = sandbox.send(sandbox.void_label(id)).await.unwrap();
    assert_eq!(
        (voided.status, &voided.body["approved"]),
        (200, &json!(true))
    );
    let again = sandbox.send(sandbox.void_label(id)).await.unwrap();
    assert_eq!(
        (again.status, &again.body["approved"]),
        (200, &json!(false))
    );
    assert_eq!(again.text("/reason_code"), "label_already_voided");

    let ledger = sandbox.ledger(Some("ord-1")).await;
    assert_eq!(ledger["shipments"][0]["key"], "ord-1-1");
    assert_eq!(ledger["shipments"][0]["attempt"], 1);
    assert_eq!(
        ledger["shipments"][0]["tracking_number"],
        label.body["tracking_number"]
    );
    assert_eq!(ledger["cancelled_shipments"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn an_external_id_is_used_once_also_after_its_label_was_voided() {
    let sandbox = Sandbox::start().await;
    let label = sandbox.send(sandbox.booking("ord-1-1")).await.unwrap();
    for _ in 0..2 {
        let again = sandbox.send(sandbox.booking("ord-1-1")).await.unwrap();
        assert_eq!(
            (again.status, again.text("/errors/0/error_code")),
            (400, "identifier_conflict")
        );
        sandbox
            .send(sandbox.void_label(label.text("/label_id")))
            .await
            .unwrap();
    }
    assert_eq!(sandbox.count("shipments").await, 1);
}

#[tokio::test]
async fn ids_are_cut_at_fifty_characters_so_long_ones_collide() {
    let sandbox = Sandbox::start().await;
    let long = "o".repeat(50);
    let first = sandbox
        .send(sandbox.booking(&format!("{long}-1")))
        .await
        .unwrap();
    assert_eq!(first.text("/external_shipment_id"), long);
    let other = sandbox
        .send(sandbox.booking(&format!("{long}-2")))
        .await
        .unwrap();
    assert_eq!(other.text("/errors/0/error_code"), "identifier_conflict");
}

#[tokio::test]
async fn a_refused_address_and_a_missing_field_are_told_apart_and_book_nothing() {
    let sandbox = Sandbox::start().await;
    let refused = Sandbox::shipment("ord-1-1", "00000");
    let refused = sandbox.send(sandbox.booking_of(&refused)).await.unwrap();
    assert_eq!(
        (refused.status, refused.text("/errors/0/error_code")),
        (400, "invalid_address")
    );
    assert_eq!(refused.text("/errors/0/error_source"), "carrier");
    let mut incomplete = Sandbox::shipment("ord-1-1", "62701");
    incomplete["shipment"]["ship_to"]["phone"] = json!("");
    let incomplete = sandbox.send(sandbox.booking_of(&incomplete)).await.unwrap();
    assert_eq!(
        incomplete.text("/errors/0/error_code"),
        "field_value_required"
    );
    assert!(
        incomplete
            .text("/errors/0/message")
            .contains("ship_to.phone")
    );
    assert_eq!(sandbox.count("shipments").await, 0);
}

#[tokio::test]
async fn what_is_not_there_is_404_and_without_a_key_nothing_is_told() {
    let sandbox = Sandbox::start().await;
    let label = sandbox.carrier_get("labels/external_shipment_id/ord-1-1");
    let label = sandbox.send(label).await.unwrap();
    assert_eq!((label.status, label.body.is_null()), (404, true));
    let shipment = sandbox.carrier_get("shipments/external_shipment_id/ord-1-1");
    assert_eq!(sandbox.send(shipment).await.unwrap().status, 404);
    assert_eq!(
        sandbox
            .send(sandbox.void_label("se-0"))
            .await
            .unwrap()
            .status,
        404
    );
    let anonymous = sandbox.http.get(format!("{}/v2/labels/se-0", sandbox.url));
    let anonymous = sandbox.send(anonymous).await.unwrap();
    assert_eq!(
        (anonymous.status, anonymous.text("/errors/0/error_code")),
        (401, "unauthorized")
    );
}
