use serde_json::json;

use crate::client::Sandbox;

#[tokio::test]
async fn the_same_request_under_its_key_gets_the_same_answer_and_one_effect() {
    let sandbox = Sandbox::start().await;
    let first = sandbox
        .send(sandbox.authorization("ord-1", "pm_card_visa"))
        .await
        .unwrap();
    let second = sandbox
        .send(sandbox.authorization("ord-1", "pm_card_visa"))
        .await
        .unwrap();
    assert!(!first.replayed && second.replayed);
    assert_eq!((first.status, &first.body), (second.status, &second.body));
    assert_eq!(sandbox.count("authorizations").await, 1);
}

#[tokio::test]
async fn a_decline_is_kept_under_its_key() {
    let sandbox = Sandbox::start().await;
    let first = sandbox
        .send(sandbox.authorization("ord-1", "pm_card_visa_chargeDeclined"))
        .await
        .unwrap();
    let second = sandbox
        .send(sandbox.authorization("ord-1", "pm_card_visa_chargeDeclined"))
        .await
        .unwrap();
    assert_eq!(
        (first.status, second.status, second.replayed),
        (402, 402, true)
    );
    assert_eq!(first.body, second.body);
}

#[tokio::test]
async fn a_key_used_for_another_request_is_refused() {
    let sandbox = Sandbox::start().await;
    let id = sandbox.authorized("ord-1").await;
    let other_amount = sandbox.authorization_of("ord-1", "pm_card_visa", "1");
    let other_path = sandbox.capture(&id, "ord-1-1-authorize", "3098");
    for request in [other_amount, other_path] {
        let reply = sandbox.send(request).await.unwrap();
        assert_eq!(
            (reply.status, reply.text("/error/type")),
            (400, "idempotency_error")
        );
    }
    assert_eq!(sandbox.count("captures").await, 0);
}

#[tokio::test]
async fn a_request_that_fails_validation_uses_no_key_up() {
    let sandbox = Sandbox::start().await;
    let wrong = sandbox
        .send(sandbox.authorization_of("ord-1", "pm_card_visa", "none"))
        .await
        .unwrap();
    assert_eq!(wrong.text("/error/code"), "parameter_invalid_integer");
    sandbox.authorized("ord-1").await;
}

#[tokio::test]
async fn while_the_first_is_in_flight_the_second_conflicts_and_there_is_one_effect() {
    let sandbox = Sandbox::start().await;
    // Long enough to be in flight for the rest of the test, which does not wait for it.
    let slow = json!({ "provider": "payment", "operation": "authorize", "order_id": "ord-1",
        "mode": "delay", "delay_ms": 60_000 });
    assert_eq!(sandbox.plant(&slow).await.status, 201);
    let first = sandbox.authorization("ord-1", "pm_card_visa");
    let hanging = tokio::spawn(first.send());
    while sandbox.count("faults_fired").await == 0 {
        tokio::task::yield_now().await;
    }
    let second = sandbox
        .send(sandbox.authorization("ord-1", "pm_card_visa"))
        .await
        .unwrap();
    assert_eq!(
        (second.status, second.text("/error/code")),
        (409, "idempotency_key_in_use")
    );
    assert_eq!(sandbox.count("authorizations").await, 0);
    hanging.abort();
}

#[tokio::test]
async fn of_many_at_once_one_has_an_effect() {
    let sandbox = Sandbox::start().await;
    let requests: Vec<_> = (0..16)
        .map(|_| tokio::spawn(sandbox.authorization("ord-1", "pm_card_visa").send()))
        .collect();
    for request in requests {
        let status = request.await.unwrap().unwrap().status().as_u16();
        assert!(status == 200 || status == 409, "{status}");
    }
    assert_eq!(sandbox.count("authorizations").await, 1);
}

#[tokio::test]
async fn once_its_key_is_forgotten_a_repeated_request_acts_again() {
    let sandbox = Sandbox::start().await;
    let first = sandbox.authorized("ord-1").await;
    assert_eq!(sandbox.control("forget_keys").await.status, 200);
    assert_ne!(sandbox.authorized("ord-1").await, first);
    assert_eq!(sandbox.count("authorizations").await, 2);
}

#[tokio::test]
async fn a_stored_server_error_answers_for_good_without_an_effect() {
    let sandbox = Sandbox::start().await;
    let fault = json!({ "provider": "payment", "operation": "authorize", "order_id": "*",
        "mode": "error", "status": 500, "stored": true });
    sandbox.plant(&fault).await;
    for replayed in [false, true, true] {
        let reply = sandbox
            .send(sandbox.authorization("ord-1", "pm_card_visa"))
            .await
            .unwrap();
        assert_eq!((reply.status, reply.replayed), (500, replayed));
    }
    assert_eq!(sandbox.count("authorizations").await, 0);
    assert_eq!(sandbox.count("faults_fired").await, 1);
}
