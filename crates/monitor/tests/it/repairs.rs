//! What is mended without a person, and what is not.

use domain::ledger::{Authorization, Authorize};
use domain::ports::Orders as _;
use domain::{Actor, Decision, Discrepancy, ErrorName, Event, PaymentStatus, Status, Timestamp};
use operations::Incident;
use operations::{Health, ProcessState};
use serde_json::json;
use tests::{document, invocation};

use crate::{ORDER, Shop, status};

async fn events(shop: &Shop) -> Vec<String> {
    let order_id = ORDER.parse().expect("an order id");
    let record = shop
        .database
        .store
        .load(&order_id)
        .await
        .expect("an answer");
    let events = record.expect("the order").audit.into_iter();
    events
        .map(|event| format!("{} {}", event.by, event.event))
        .collect()
}

#[tokio::test]
async fn what_was_accepted_and_never_started_is_started_once() {
    let shop = Shop::open().await;
    shop.database.accepted(&document(ORDER)).await;
    assert_eq!(
        shop.sweep(1).await.reconciled,
        0,
        "whoever is at it has time"
    );
    assert_eq!(shop.sweep(60).await.reconciled, 1);
    let starts = |shop: &Shop| {
        let calls = shop.step_functions.calls().into_iter();
        calls
            .filter(|(operation, _)| operation == "StartExecution")
            .map(|(_, input)| input["name"].clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(starts(&shop), ["ord-1-1"]);
    assert_eq!(events(&shop).await, ["monitor started"]);
    shop.sweep(120).await;
    assert_eq!(starts(&shop).len(), 1);
}

/// Its sender was answered 202, and no step is left to see it.
#[tokio::test]
async fn a_cancellation_after_the_execution_has_ended_is_carried_out_by_an_attempt_of_its_own() {
    let shop = Shop::open().await;
    shop.database.validated(&document(ORDER)).await;
    let held = Authorization::Held {
        payment: "pi_1".to_owned(),
        made_at: None,
    };
    shop.database.did::<Authorize>(ORDER, held).await;
    let aborted = json!({"status": "ABORTED", "stopDate": Timestamp::now().as_second()});
    shop.step_functions.tells("ord-1-1", aborted.clone());
    shop.sweep(60).await;
    assert_eq!(
        shop.projection(ORDER).await.status,
        Status::NeedsAttention,
        "a person decides what becomes of an order that nobody cancelled"
    );
    shop.database.cancelled(ORDER).await;
    shop.ledger().await;
    shop.sweep(180).await;
    let state = shop.database.state(ORDER).await;
    assert_eq!((state.attempt, state.cancel.is_some()), (2, true));
    assert_eq!(state.held_payment(), Some("pi_1"), "to be let go of");
    assert!(
        events(&shop)
            .await
            .contains(&"monitor restart_requested".to_owned())
    );
    // Should that attempt end early, too, it is a person's.
    shop.step_functions.tells("ord-1-2", aborted);
    shop.sweep(400).await;
    assert_eq!(shop.database.state(ORDER).await.attempt, 2);
}

#[tokio::test]
async fn a_cancellation_is_carried_out_also_if_the_execution_is_forgotten() {
    let shop = Shop::open().await;
    shop.database.validated(&document(ORDER)).await;
    // Step Functions knows no execution of it.
    shop.database.cancelled(ORDER).await;
    shop.sweep(60).await;
    assert_eq!(shop.database.state(ORDER).await.attempt, 2);
}

#[tokio::test]
async fn an_order_that_cannot_be_started_becomes_a_persons_and_is_tried_again() {
    let shop = Shop::open().await;
    shop.database.accepted(&document(ORDER)).await;
    shop.step_functions.throttles("StartExecution", true);
    shop.sweep(60).await;
    assert!(shop.projection(ORDER).await.incidents.is_empty());
    shop.sweep(150).await;
    let projection = shop.projection(ORDER).await;
    let incidents: Vec<_> = projection.incidents.keys().copied().collect();
    assert_eq!(incidents, [Incident::NotStarted]);
    assert_eq!(projection.waits_for(), "its execution");
    shop.step_functions.throttles("StartExecution", false);
    shop.sweep(220).await;
    let projection = shop.projection(ORDER).await;
    assert!(projection.incidents.is_empty(), "{projection:?}");
    assert_eq!(events(&shop).await, ["monitor started"]);
}

#[tokio::test]
async fn an_end_that_nobody_told_of_is_recorded_on_the_order() {
    let shop = Shop::open().await;
    crate::completed(&shop.database, ORDER).await;
    shop.event(&status("ord-1-1", "RUNNING")).await;
    let ended = json!({"status": "SUCCEEDED", "stopDate": Timestamp::now().as_second()});
    shop.step_functions.tells("ord-1-1", ended);
    shop.sweep(90).await;
    assert!(shop.projection(ORDER).await.is_over());
    assert_eq!(events(&shop).await, ["monitor end_recorded"]);
}

#[tokio::test]
async fn an_undo_that_gave_up_needs_a_person_until_it_goes_on() {
    let shop = Shop::open().await;
    shop.database.validated(&document(ORDER)).await;
    shop.database
        .reversing(ORDER, ErrorName::CarrierUnavailable)
        .await;
    shop.event(&status("ord-1-1", "FAILED")).await;
    let projection = shop.projection(ORDER).await;
    assert_eq!(projection.status, Status::NeedsAttention);
    assert_eq!(projection.state, Some(ProcessState::CancelShipment));
    assert!(projection.incidents.contains_key(&Incident::Unfinished));
    assert_eq!(projection.waits_for(), "an operator");
}

#[tokio::test]
async fn a_decision_whose_execution_was_never_told_is_told_to_it() {
    let shop = Shop::open().await;
    shop.database.accepted(&document(ORDER)).await;
    shop.step_functions
        .tells("ord-1-1", json!({"status": "RUNNING"}));
    let by = invocation(ORDER, "validate", 1000);
    let order = tests::submission(&document(ORDER)).order;
    let reserved = domain::ports::Stock::reserve(&shop.database.store, &by, &order, true).await;
    reserved.expect("reserved");
    let opened = shop.database.store.open_review(&by, "token").await;
    opened.expect("an answer").expect("opened");
    let event = domain::AuditEvent::new(
        Timestamp::now(),
        Event::Approved,
        Actor::Operator("somebody".to_owned()),
        "known",
    );
    let decided = shop
        .database
        .store
        .decide_review(&by.order_id, Decision::Approved, &event);
    decided.await.expect("decided");
    shop.sweep(60).await;
    let calls = shop.step_functions.calls();
    let woken = calls
        .iter()
        .filter(|(operation, _)| operation == "SendTaskSuccess");
    assert_eq!(woken.count(), 1, "{calls:?}");
    assert_eq!(events(&shop).await, ["somebody approved", "monitor woken"]);
}

#[tokio::test]
async fn a_task_that_waits_for_its_next_try_is_told_from_one_that_runs() {
    let shop = Shop::open().await;
    shop.database.validated(&document(ORDER)).await;
    let failed = |id: u32, at: u32| {
        json!({"id": id, "timestamp": at, "type": "TaskFailed", "taskFailedEventDetails":
            {"resourceType": "lambda", "resource": "invoke", "error": "PaymentUnavailable"}})
    };
    let scheduled = |id: u32| json!({"id": id, "timestamp": 1, "type": "TaskScheduled"});
    let entered = json!({"id": 1, "timestamp": 1, "type": "TaskStateEntered",
        "stateEnteredEventDetails": {"name": "ChargePayment"}});
    let events = json!([
        failed(5, 9),
        scheduled(4),
        failed(3, 5),
        scheduled(2),
        entered
    ]);
    let running = json!({"status": "RUNNING", "events": events});
    shop.step_functions.tells("ord-1-1", running);
    shop.sweep(60).await;
    let projection = shop.projection(ORDER).await;
    let retry = projection.retry.clone().expect("a retry");
    assert_eq!((retry.failed, retry.of), (2, 16));
    assert_eq!(retry.next_by.map(domain::Timestamp::as_second), Some(11));
    assert_eq!(
        (projection.health, projection.counted.retries),
        (Health::OnTrack, 2)
    );
    assert_eq!(projection.waits_for(), "the payment provider");
}

#[tokio::test]
async fn an_order_is_at_risk_then_overdue_by_its_own_steps_limits() {
    let shop = Shop::open().await;
    shop.database.validated(&document(ORDER)).await;
    shop.step_functions
        .tells("ord-1-1", json!({"status": "RUNNING"}));
    for (later_s, health) in [
        (60, Health::OnTrack),
        (130, Health::AtRisk),
        (16 * 60, Health::Overdue),
    ] {
        shop.sweep(later_s).await;
        assert_eq!(
            shop.projection(ORDER).await.health,
            health,
            "after {later_s} s"
        );
    }
    let projection = shop.projection(ORDER).await;
    assert!(projection.incidents.contains_key(&Incident::Overdue));
}

#[tokio::test]
async fn a_hold_that_is_about_to_lapse_is_told_in_time() {
    let shop = Shop::open().await;
    shop.database.validated(&document(ORDER)).await;
    crate::held(&shop.database, ORDER).await;
    shop.step_functions
        .tells("ord-1-1", json!({"status": "RUNNING"}));
    let lapses = domain::ledger::Authorization::TRUSTED_FOR.as_secs();
    let lapses = i64::try_from(lapses).expect("days");
    shop.sweep(lapses - 25 * 3600).await;
    let lapsing = |projection: &operations::Projection| {
        projection.incidents.contains_key(&Incident::HoldLapsing)
    };
    assert!(!lapsing(&shop.projection(ORDER).await));
    shop.sweep(lapses - 23 * 3600).await;
    assert!(lapsing(&shop.projection(ORDER).await));
}

#[tokio::test]
async fn a_message_that_was_not_sent_is_a_persons_though_the_order_is_complete() {
    let shop = Shop::open().await;
    shop.database.validated(&document(ORDER)).await;
    crate::held(&shop.database, ORDER).await;
    crate::booked(&shop.database, ORDER).await;
    crate::captured(&shop.database, ORDER).await;
    shop.event(&status("ord-1-1", "SUCCEEDED")).await;
    let projection = shop.projection(ORDER).await;
    assert_eq!(projection.status, Status::Completed);
    let incidents: Vec<_> = projection.incidents.keys().copied().collect();
    assert_eq!(incidents, [Incident::MessageNotSent]);
    assert!(!projection.is_over());
}

#[tokio::test]
async fn what_a_provider_sees_otherwise_than_the_ledger_is_a_persons() {
    let shop = Shop::open().await;
    shop.database.validated(&document(ORDER)).await;
    crate::held(&shop.database, ORDER).await;
    shop.step_functions
        .tells("ord-1-1", json!({"status": "RUNNING"}));
    let compared = || {
        let calls = shop.step_functions.calls();
        let asked = calls
            .iter()
            .filter(|(_, input)| input["action"] == "compare");
        asked.count()
    };
    shop.sweep(30).await;
    assert_eq!(compared(), 0, "an order that gets on is left alone");
    let differs = json!({"of": "payment", "ledger": "authorized", "provider": "voided"});
    shop.step_functions
        .steps_answer(json!({"differs": differs}));
    shop.sweep(310).await;
    let projection = shop.projection(ORDER).await;
    assert!(
        projection
            .incidents
            .contains_key(&Incident::ProviderDiffers)
    );
    let voided = Discrepancy::Payment {
        ledger: PaymentStatus::Authorized,
        provider: PaymentStatus::Voided,
    };
    assert_eq!(projection.discrepancies[0], voided);
    let asked = compared();
    shop.sweep(380).await;
    assert_eq!(compared(), asked, "once in a quarter of an hour");
    let projection = shop.projection(ORDER).await;
    assert!(
        projection
            .incidents
            .contains_key(&Incident::ProviderDiffers)
    );
    // It was about the ledger as it was.
    shop.step_functions.steps_answer(json!({"differs": null}));
    crate::booked(&shop.database, ORDER).await;
    shop.ledger().await;
    let projection = shop.projection(ORDER).await;
    assert!(
        !projection
            .incidents
            .contains_key(&Incident::ProviderDiffers)
    );
}

#[tokio::test]
async fn a_provider_that_does_not_tell_is_asked_again_by_the_next_look() {
    let shop = Shop::open().await;
    shop.database.validated(&document(ORDER)).await;
    crate::held(&shop.database, ORDER).await;
    shop.step_functions
        .tells("ord-1-1", json!({"status": "RUNNING"}));
    shop.step_functions.steps_answer(json!({"differs": "?"}));
    shop.sweep(310).await;
    let projection = shop.projection(ORDER).await;
    assert_eq!(
        (projection.health, projection.compared_at),
        (Health::AtRisk, None)
    );
    shop.step_functions.steps_answer(json!({"differs": null}));
    shop.sweep(380).await;
    assert!(shop.projection(ORDER).await.compared_at.is_some());
}

#[tokio::test]
async fn what_is_repaired_each_minute_is_one_entry_with_a_count() {
    let shop = Shop::open().await;
    shop.database.validated(&document(ORDER)).await;
    let by = invocation(ORDER, "charge", -1000);
    let claimed = shop.database.store.claim::<Authorize>(&by).await;
    claimed.expect("claimed");
    shop.step_functions.tells(
        "ord-1-1",
        json!({"status": "ABORTED", "stopDate": Timestamp::now().as_second()}),
    );
    // The provider is asked in each sweep, and the ledger says afterwards what it said before.
    let asked = json!({"resolved": true, "differs": null});
    shop.step_functions.steps_answer(asked);
    for second in [60, 420, 800] {
        shop.sweep(second).await;
    }
    let order_id = ORDER.parse().expect("an order id");
    let record = shop.database.store.load(&order_id).await;
    let audit = record.expect("a database").expect("an order").audit;
    let resolved = audit.iter().filter(|event| event.event == Event::Resolved);
    let [event] = resolved.collect::<Vec<_>>()[..] else {
        panic!("{audit:?}");
    };
    assert_eq!(event.again.map(|again| again.times), Some(3));
    let projection = shop.projection(ORDER).await;
    let incidents: Vec<Incident> = projection.incidents.keys().copied().collect();
    // A redrive is not possible, and is not advised.
    assert_eq!(incidents, [Incident::OutcomeUnknown]);
    let lapses = by.now + Authorization::TRUSTED_FOR;
    assert_eq!(
        projection.deadline.map(Timestamp::as_second),
        Some(lapses.as_second()),
        "what may be held lapses before the redrive does"
    );
}

/// It is among those that are over at once, and nevertheless due for a day.
#[tokio::test]
async fn an_order_that_was_closed_while_nobody_knew_is_looked_at_again_for_a_day() {
    use domain::ledger::{MessageId, NotifyFailure, Reversal, Reverse, Unbook, Unbooking};
    let shop = Shop::open().await;
    shop.database.validated(&document(ORDER)).await;
    shop.database.claimed::<Authorize>(ORDER, -1000).await;
    let error = ErrorName::PaymentUnavailable;
    shop.database.reversing(ORDER, error).await;
    shop.database.did::<Unbook>(ORDER, Unbooking::Nothing).await;
    shop.database.did::<Reverse>(ORDER, Reversal::Nothing).await;
    shop.database.released(ORDER).await;
    let message = MessageId("message".to_owned());
    shop.database.did::<NotifyFailure>(ORDER, message).await;
    shop.step_functions.tells(
        "ord-1-1",
        json!({"status": "FAILED", "stopDate": Timestamp::now().as_second()}),
    );
    let nothing = json!({"let_go": false});
    shop.step_functions.steps_answer(nothing);
    assert_eq!(shop.sweep(60).await.reconciled, 1);
    let projection = shop.projection(ORDER).await;
    assert!(projection.is_over() && projection.due_at.is_some());
    let read_models = &shop.database.read_models;
    let closed = read_models.closed_orders(Status::Failed, None, 10).await;
    assert_eq!(closed.expect("an answer").0.len(), 1);
    let open = read_models.open_orders().await.expect("an answer");
    assert!(open.projections.is_empty());
    assert_eq!(shop.sweep(120).await.reconciled, 0, "not each minute");
    let hour = 3600;
    let held = json!({"let_go": true});
    shop.step_functions.steps_answer(held);
    assert_eq!(shop.sweep(hour).await.reconciled, 1);
    assert_eq!(
        events(&shop).await,
        ["monitor end_recorded", "monitor resolved"]
    );
    let nothing = json!({"let_go": false});
    shop.step_functions.steps_answer(nothing);
    assert_eq!(shop.sweep(25 * hour).await.reconciled, 1);
    assert_eq!(shop.projection(ORDER).await.due_at, None);
    assert_eq!(shop.sweep(26 * hour).await.reconciled, 0);
}
