use serde_json::{Value, json};

use crate::client::Sandbox;

#[tokio::test]
async fn money_is_held_then_taken_then_given_back() {
    let sandbox = Sandbox::start().await;
    let held = sandbox
        .send(sandbox.authorization("ord-1", "pm_card_visa"))
        .await
        .unwrap();
    assert_eq!(held.text("/status"), "requires_capture");
    assert_eq!(held.body["amount_capturable"], 3098);
    assert_eq!(
        held.body["metadata"],
        json!({ "order_id": "ord-1", "attempt": "1" })
    );
    let id = held.text("/id");

    let taken = sandbox
        .send(sandbox.capture(id, "c", "3098"))
        .await
        .unwrap();
    assert_eq!(taken.text("/status"), "succeeded");
    assert_eq!(taken.body["amount_received"], 3098);
    assert_eq!(taken.body["amount_capturable"], 0);

    let back = sandbox.send(sandbox.refund(id, "r", "1000")).await.unwrap();
    assert_eq!(
        (back.text("/status"), &back.body["amount"]),
        ("succeeded", &json!(1000))
    );
    let rest = sandbox
        .send(sandbox.refund(id, "r2", "2098"))
        .await
        .unwrap();
    assert_eq!(rest.status, 200);
    let again = sandbox.send(sandbox.refund(id, "r3", "1")).await.unwrap();
    assert_eq!(
        (again.status, again.text("/error/code")),
        (400, "charge_already_refunded")
    );

    let list = sandbox.payment_get("refunds", &[("payment_intent", id)]);
    let list = sandbox.send(list).await.unwrap();
    assert_eq!(list.body["data"].as_array().unwrap().len(), 2);

    let ledger = sandbox.ledger(Some("ord-1")).await;
    let capture = &ledger["captures"][0];
    assert_eq!(capture["order_id"], "ord-1");
    assert_eq!(capture["attempt"], 1);
    assert_eq!(capture["key"], "c");
    assert_eq!(
        (&capture["amount"], &capture["currency"]),
        (&json!(3098), &json!("USD"))
    );
    assert_eq!(capture["id"], id);
    assert_eq!(sandbox.ledger(Some("ord-2")).await["captures"], json!([]));
}

#[tokio::test]
async fn a_voided_authorisation_cannot_be_captured_nor_voided_again() {
    let sandbox = Sandbox::start().await;
    let id = sandbox.authorized("ord-1").await;
    let voided = sandbox.send(sandbox.cancel(&id, "v")).await.unwrap();
    assert_eq!(voided.text("/status"), "canceled");
    for request in [sandbox.capture(&id, "c", "1"), sandbox.cancel(&id, "v2")] {
        let refused = sandbox.send(request).await.unwrap();
        assert_eq!(refused.status, 400);
        assert_eq!(
            refused.text("/error/code"),
            "payment_intent_unexpected_state"
        );
        assert_eq!(refused.text("/error/payment_intent/status"), "canceled");
    }
    assert_eq!(sandbox.count("voids").await, 1);
    assert_eq!(sandbox.count("captures").await, 0);
}

#[tokio::test]
async fn a_decline_leaves_an_intent_behind_that_holds_nothing() {
    let sandbox = Sandbox::start().await;
    for (order_id, method, code, decline_code) in [
        (
            "a",
            "pm_card_visa_chargeDeclined",
            "card_declined",
            "generic_decline",
        ),
        (
            "b",
            "pm_card_visa_chargeDeclinedInsufficientFunds",
            "card_declined",
            "insufficient_funds",
        ),
        (
            "c",
            "pm_card_chargeDeclinedExpiredCard",
            "expired_card",
            "expired_card",
        ),
    ] {
        let reply = sandbox
            .send(sandbox.authorization(order_id, method))
            .await
            .unwrap();
        assert_eq!(
            (reply.status, reply.text("/error/type")),
            (402, "card_error")
        );
        assert_eq!(reply.text("/error/code"), code);
        assert_eq!(reply.text("/error/decline_code"), decline_code);
        let found = sandbox.send(sandbox.find(order_id)).await.unwrap();
        assert_eq!(found.text("/data/0/status"), "requires_payment_method");
        assert_eq!(
            found.text("/data/0/id"),
            reply.text("/error/payment_intent/id")
        );
    }
    assert_eq!(sandbox.count("authorizations").await, 0);
}

#[tokio::test]
async fn an_intent_is_found_by_its_metadata_and_its_id() {
    let sandbox = Sandbox::start().await;
    let id = sandbox.authorized("ord-1").await;
    sandbox.authorized("ord-2").await;
    let found = sandbox.send(sandbox.find("ord-1")).await.unwrap();
    assert_eq!(found.text("/object"), "search_result");
    assert_eq!(found.body["data"].as_array().unwrap().len(), 1);
    assert_eq!(found.text("/data/0/id"), id);
    let read = sandbox.payment_get(&format!("payment_intents/{id}"), &[]);
    assert_eq!(
        sandbox.send(read).await.unwrap().body,
        found.body["data"][0]
    );
    let none = sandbox.send(sandbox.find("ord-3")).await.unwrap();
    assert_eq!(none.body["data"], json!([]));
}

#[tokio::test]
async fn what_stripe_would_refuse_is_refused() {
    let sandbox = Sandbox::start().await;
    let no_method = sandbox
        .send(sandbox.authorization("o", "pm_none"))
        .await
        .unwrap();
    assert_eq!(
        (no_method.status, no_method.text("/error/code")),
        (400, "resource_missing")
    );

    let unknown = sandbox
        .send(sandbox.capture("pi_0", "k", "1"))
        .await
        .unwrap();
    assert_eq!(
        (unknown.status, unknown.text("/error/code")),
        (404, "resource_missing")
    );

    let id = sandbox.authorized("ord-1").await;
    let more = sandbox
        .send(sandbox.capture(&id, "more", "3099"))
        .await
        .unwrap();
    assert_eq!(more.text("/error/code"), "amount_too_large");

    let early = sandbox
        .send(sandbox.refund(&id, "early", "1"))
        .await
        .unwrap();
    assert_eq!(early.status, 400);

    let odd = sandbox.payment_post("payment_intents", "odd", &[("amout", "1")]);
    let odd = sandbox.send(odd).await.unwrap();
    assert_eq!(odd.text("/error/code"), "parameter_unknown");

    let dinars = [
        ("amount", "1001"),
        ("currency", "kwd"),
        ("payment_method", "pm_card_visa"),
        ("confirm", "true"),
        ("capture_method", "manual"),
    ];
    let dinars = sandbox
        .send(sandbox.payment_post("payment_intents", "kwd", &dinars))
        .await
        .unwrap();
    assert_eq!(dinars.text("/error/param"), "amount");

    for credential in [None, Some("sk_live_x"), Some("sk_test_")] {
        let request = sandbox
            .http
            .get(format!("{}/v1/payment_intents/{id}", sandbox.url));
        let request = match credential {
            Some(key) => request.bearer_auth(key),
            None => request,
        };
        assert_eq!(sandbox.send(request).await.unwrap().status, 401);
    }
    assert_eq!(sandbox.count("captures").await, 0);
}

#[tokio::test]
async fn paths_and_bodies_out_of_bounds_get_the_providers_error_shapes() {
    let sandbox = Sandbox::start().await;
    let stripe = sandbox
        .send(sandbox.payment_get("charges", &[]))
        .await
        .unwrap();
    assert_eq!(
        (stripe.status, stripe.text("/error/type")),
        (404, "invalid_request_error")
    );
    let carrier = sandbox.send(sandbox.carrier_get("rates")).await.unwrap();
    assert_eq!(carrier.status, 404);
    assert!(carrier.body["errors"].is_array() && carrier.body["request_id"].is_string());
    let method = sandbox.http.delete(format!("{}/v1/refunds", sandbox.url));
    assert_eq!(
        sandbox.send(method).await.unwrap().text("/error/type"),
        "invalid_request_error"
    );
    let other = sandbox.http.get(format!("{}/other", sandbox.url));
    assert_eq!(sandbox.send(other).await.unwrap().status, 404);

    let long = "x".repeat(70_000);
    let large = sandbox.payment_post("payment_intents", "k", &[("description", &long)]);
    let large = sandbox.send(large).await.unwrap();
    assert_eq!(
        (large.status, large.text("/error/type")),
        (413, "invalid_request_error")
    );
    let large = sandbox
        .send(sandbox.booking_of(&Value::from(long)))
        .await
        .unwrap();
    assert_eq!(large.status, 413);
}
