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

#[tokio::test]
async fn a_shipment_is_made_once_and_its_label_bought_for_it() {
    let sandbox = Sandbox::start().await;
    let made = sandbox.send(sandbox.preparing("ord-1-1")).await.unwrap();
    assert_eq!(
        (made.status, &made.body["has_errors"]),
        (200, &json!(false))
    );
    let shipment = made.text("/shipments/0/shipment_id");
    assert_eq!(made.text("/shipments/0/shipment_status"), "pending");
    assert_eq!(sandbox.count("shipments").await, 0);
    // By either way, and whether or not small letters are capital ones.
    for again in [
        sandbox.preparing("ord-1-1"),
        sandbox.preparing("ORD-1-1"),
        sandbox.booking("ord-1-1"),
    ] {
        let again = sandbox.send(again).await.unwrap();
        assert_eq!(
            (again.status, again.text("/errors/0/error_code")),
            (400, "identifier_conflict")
        );
    }
    let label = sandbox.send(sandbox.booking_for(shipment)).await.unwrap();
    assert_eq!(label.text("/external_shipment_id"), "ord-1-1");
    // 4.99 and a cent for each five of 500 grams.
    assert_eq!(
        label.body["shipment_cost"],
        json!({"currency": "usd", "amount": 5.99})
    );
    let path = format!("shipments/{shipment}");
    let found = sandbox.send(sandbox.carrier_get(&path)).await.unwrap();
    assert_eq!(found.text("/shipment_status"), "label_purchased");
    assert_eq!(sandbox.count("shipments").await, 1);
}

/// Nowhere is it written that a shipment has one label only.
#[tokio::test]
async fn another_label_for_the_same_shipment_is_sold() {
    let sandbox = Sandbox::start().await;
    let made = sandbox.send(sandbox.preparing("ord-1-1")).await.unwrap();
    let shipment = made.text("/shipments/0/shipment_id");
    let first = sandbox.send(sandbox.booking_for(shipment)).await.unwrap();
    let second = sandbox.send(sandbox.booking_for(shipment)).await.unwrap();
    assert_ne!(first.text("/label_id"), second.text("/label_id"));
    assert_ne!(
        first.text("/tracking_number"),
        second.text("/tracking_number")
    );
    let voided = sandbox.void_label(first.text("/label_id"));
    sandbox.send(voided).await.unwrap();
    let ids = async |query: &str| {
        let path = format!("labels?shipment_id={shipment}{query}");
        let found = sandbox.send(sandbox.carrier_get(&path)).await.unwrap();
        let labels = found.body["labels"].as_array().unwrap().clone();
        labels
            .iter()
            .map(|label| label["label_id"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    let (first_id, second_id) = (first.text("/label_id"), second.text("/label_id"));
    assert_eq!(ids("").await, [second_id, first_id]);
    assert_eq!(ids("&sort_dir=asc").await, [first_id, second_id]);
    assert_eq!(ids("&label_status=voided").await, [first_id]);
    assert_eq!(ids("&label_status=completed").await, [second_id]);
    assert_eq!(ids("&page_size=1&page=2").await, [first_id]);
    assert_eq!(ids("&created_at_end=2020-01-01T00:00:00Z").await, [""; 0]);
    // By our id the earliest is shown, voided or not.
    let earliest = sandbox.carrier_get("labels/external_shipment_id/ord-1-1");
    let earliest = sandbox.send(earliest).await.unwrap();
    assert_eq!(
        (earliest.text("/label_id"), earliest.text("/status")),
        (first_id, "voided")
    );
}

#[tokio::test]
async fn a_shipment_is_updated_until_it_has_a_label_and_cancelled_without_one() {
    let sandbox = Sandbox::start().await;
    let made = sandbox.send(sandbox.preparing("ord-1-1")).await.unwrap();
    let path = format!("shipments/{}", made.text("/shipments/0/shipment_id"));
    let shipment = &Sandbox::shipment("ord-1-1", "62702")["shipment"];
    let updated = sandbox.send(sandbox.carrier_put(&path, shipment)).await;
    assert_eq!(updated.unwrap().text("/ship_to/postal_code"), "62702");
    let label = sandbox.booking_for(made.text("/shipments/0/shipment_id"));
    let label = sandbox.send(label).await.unwrap();
    let cancel = format!("{path}/cancel");
    for (path, body) in [(&path, shipment), (&cancel, &json!({}))] {
        let late = sandbox.send(sandbox.carrier_put(path, body)).await.unwrap();
        assert_eq!(
            (late.status, late.text("/errors/0/error_code")),
            (400, "invalid_status"),
            "{path}"
        );
    }
    let voided = sandbox.void_label(label.text("/label_id"));
    sandbox.send(voided).await.unwrap();
    let cancelled = sandbox.carrier_put(&cancel, &json!({}));
    assert_eq!(sandbox.send(cancelled).await.unwrap().status, 204);
    let bought = sandbox.booking_for(made.text("/shipments/0/shipment_id"));
    let bought = sandbox.send(bought).await.unwrap();
    assert_eq!(bought.text("/errors/0/error_code"), "invalid_status");
}

#[tokio::test]
async fn each_answer_names_its_request_and_an_error_the_same() {
    let sandbox = Sandbox::start().await;
    let mut seen = Vec::new();
    for request in [
        sandbox.preparing("ord-1-1"),
        sandbox.preparing("ord-1-1"),
        sandbox.carrier_get("labels"),
        sandbox.carrier_get("labels/se-0"),
    ] {
        let answer = request.send().await.unwrap();
        let named = answer.headers()["x-shipengine-requestid"].to_str();
        let named = named.unwrap().to_owned();
        let body = answer.json::<serde_json::Value>().await.unwrap_or_default();
        if let Some(told) = body["request_id"].as_str() {
            assert_eq!(named, told);
        }
        assert!(!seen.contains(&named), "{named}");
        seen.push(named);
    }
}

#[tokio::test]
async fn an_error_is_worded_as_the_fault_says() {
    let sandbox = Sandbox::start().await;
    let fault = json!({"provider": "carrier", "operation": "prepare", "order_id": "*",
        "mode": "error", "status": 400,
        "error": {"error_type": "account_status", "error_code": "insufficient_funds"}});
    assert_eq!(sandbox.plant(&fault).await.status, 201);
    let refused = sandbox.send(sandbox.preparing("ord-1-1")).await.unwrap();
    assert_eq!(refused.text("/errors/0/error_type"), "account_status");
    assert_eq!(refused.text("/errors/0/error_code"), "insufficient_funds");
    assert_eq!(refused.text("/errors/0/error_source"), "ShipStation");
}
