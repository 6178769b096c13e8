//! What the operators' page is told, and what it has carried out.

use aws_sdk_dynamodb::types::AttributeValue;
use domain::ports::Orders as _;
use domain::{Actor, ErrorName, Event, Status, Timestamp};
use operations::advice::Action;
use operations::bulk::{Applied, Bulk, BulkState, Control, Outcome, OutcomeKind, Part};
use operations::snapshot::{List, REQUESTED, Snapshot};
use operations::trend::{self, Counter, Flow};
use operations::{Cause, Incident, Problem, ProcessState};
use read_models::Reference;
use serde_json::json;
use tests::{READ_MODELS, audited, document};

use crate::{ORDER, Shop, completed, status};

async fn failed(shop: &Shop, order_id: &str) {
    shop.database.validated(&document(order_id)).await;
    let error = ErrorName::PaymentUnavailable;
    shop.database.reversing(order_id, error).await;
    shop.database.released(order_id).await;
    let message = domain::ledger::MessageId("message".to_owned());
    shop.database
        .did::<domain::ledger::NotifyFailure>(order_id, message)
        .await;
    shop.event(&status(&format!("{order_id}-1"), "FAILED"))
        .await;
}

async fn refresh(shop: &Shop) -> Snapshot {
    shop.event(&json!({"detail-type": REQUESTED})).await;
    let snapshot = shop.database.read_models.snapshot().await;
    snapshot.expect("an answer").expect("a snapshot")
}

#[tokio::test]
async fn a_snapshot_has_what_needs_a_person_and_what_was_reversed_lately() {
    let shop = Shop::open().await;
    failed(&shop, "ord-1").await;
    failed(&shop, "ord-2").await;
    shop.database.validated(&document("ord-3")).await;
    shop.database
        .reversing("ord-3", ErrorName::CarrierUnavailable)
        .await;
    shop.event(&status("ord-3-1", "FAILED")).await;
    let snapshot = refresh(&shop).await;
    let groups: Vec<_> = snapshot
        .groups
        .iter()
        .map(|group| (group.cause.clone(), group.count))
        .collect();
    let error = ErrorName::PaymentUnavailable;
    let unfinished = Cause {
        problem: Problem::Incident(Incident::Unfinished),
        state: Some(ProcessState::CancelShipment),
        error: Some(ErrorName::CarrierUnavailable.into()),
    };
    let reversed = Cause {
        problem: Problem::Reversed(error),
        state: Some(ProcessState::ChargePayment),
        error: Some(error.into()),
    };
    assert_eq!(groups, [(unfinished.clone(), 1), (reversed.clone(), 2)]);
    let list = List::Cause(reversed.id());
    let listed = shop.database.read_models.listed(&snapshot.id, &list, 0);
    let listed = listed.await.expect("an answer");
    assert_eq!(listed.map(|page| page.len()), Some(2));
    assert_eq!((snapshot.open, snapshot.reversed), (1, 2));
    // Operators are notified of the very same cause.
    let notices = shop.database.read_models.notices().await;
    let notices = notices.expect("an answer").into_iter();
    let causes: Vec<_> = notices.map(|notice| notice.cause).collect();
    assert_eq!(causes, [unfinished]);
}

#[tokio::test]
async fn the_error_that_an_execution_ended_with_is_read_off_its_history_once() {
    let shop = Shop::open().await;
    shop.database.validated(&document(ORDER)).await;
    shop.database
        .reversing(ORDER, ErrorName::PaymentDeclined)
        .await;
    let events = json!([{
        "type": "TaskFailed", "id": 9, "timestamp": 1_795_428_000, "previousEventId": 8,
        "taskFailedEventDetails": {
            "resourceType": "lambda", "resource": "invoke", "error": "CarrierUnavailable"
        }
    }]);
    let ended = json!({"status": "FAILED", "stopDate": 1_795_428_000, "events": events});
    shop.step_functions.tells("ord-1-1", ended);
    shop.sweep(30).await;
    let projection = shop.projection(ORDER).await;
    assert_eq!(
        projection.last_error,
        Some(ErrorName::CarrierUnavailable.into())
    );
    let asked = || {
        let calls = shop.step_functions.calls();
        let asked = calls
            .iter()
            .filter(|(name, _)| name == "GetExecutionHistory");
        asked.count()
    };
    assert_eq!(asked(), 1);
    shop.sweep(10 * 60).await;
    assert_eq!(asked(), 1);
}

#[tokio::test]
async fn orders_are_found_by_what_people_know_of_them() {
    let shop = Shop::open().await;
    completed(&shop.database, ORDER).await;
    shop.ledger().await;
    for (reference, value) in [
        (Reference::Customer, "cus-7"),
        (Reference::Payment, "pi_1"),
        (Reference::Tracking, "9400"),
    ] {
        let found = shop.database.read_models.find(reference, value).await;
        let found = found.expect("an answer");
        assert_eq!(found.len(), 1, "{reference:?}");
        assert_eq!(found[0].as_str(), ORDER);
    }
}

#[tokio::test]
async fn a_projection_has_the_articles_and_the_customer_of_its_order() {
    let shop = Shop::open().await;
    completed(&shop.database, ORDER).await;
    shop.ledger().await;
    let projection = shop.projection(ORDER).await;
    let skus: Vec<&str> = projection.skus.iter().map(domain::Sku::as_str).collect();
    assert_eq!(skus, ["MUG-01"]);
    let customer = projection.customer_id.map(String::from);
    assert_eq!(customer.as_deref(), Some("cus-7"));
}

#[tokio::test]
async fn what_an_earlier_version_knew_is_known_anew_with_its_references() {
    let shop = Shop::open().await;
    let mut order = document("Ord-1");
    order["customer"]["customer_id"] = json!("Cus-7");
    shop.database.validated(&order).await;
    shop.sweep(30).await;
    // As an earlier version wrote it, and as one.
    let text = |text: &str| AttributeValue::S(text.to_owned());
    let update = shop.database.client.update_item().table_name(READ_MODELS);
    let update = update
        .key("pk", text("order#Ord-1"))
        .key("sk", text("projection"))
        .update_expression("REMOVE skus, customer_id");
    update.send().await.expect("written");
    for (reference, value) in [(Reference::Customer, "cus-7"), (Reference::Order, "ord-1")] {
        let key = if reference == Reference::Order {
            format!("id#{value}")
        } else {
            format!("customer#{value}")
        };
        let found = shop.database.read_models.find(reference, value).await;
        assert_eq!(found.expect("an answer").len(), 1, "{key}");
        let received = shop.database.state("Ord-1").await.received_at;
        let name = format!("{:015}#Ord-1", received.as_millisecond());
        let delete = shop.database.client.delete_item().table_name(READ_MODELS);
        let delete = delete.key("pk", text(&key)).key("sk", text(&name));
        delete.send().await.expect("gone");
        let found = shop.database.read_models.find(reference, value).await;
        assert_eq!(found, Ok(Vec::new()), "{key}");
    }
    shop.sweep(10 * 60).await;
    assert_eq!(shop.projection("Ord-1").await.skus.len(), 1);
    for (reference, value) in [(Reference::Customer, "cus-7"), (Reference::Order, "oRD-1")] {
        let found = shop.database.read_models.find(reference, value).await;
        let found = found.expect("an answer");
        assert_eq!(found.len(), 1, "{reference:?}");
        assert_eq!(found[0].as_str(), "Ord-1");
    }
}

#[tokio::test]
async fn what_happens_to_an_order_is_counted_once_however_often_it_is_told() {
    let shop = Shop::open().await;
    completed(&shop.database, ORDER).await;
    for _ in 0..3 {
        shop.ledger().await;
        shop.event(&status("ord-1-1", "SUCCEEDED")).await;
    }
    let now = Timestamp::now();
    let spans = shop.database.read_models.counted_since(now).await;
    let spans = spans.expect("an answer");
    let sum = |counter| spans.iter().map(|span| span.of(counter)).sum::<u64>();
    assert_eq!(sum(Counter::Received), 1);
    assert_eq!(sum(Counter::Ended(Status::Completed)), 1);
    assert!(trend::took(&spans, ProcessState::ShipOrder).is_some());
    let today = shop.database.read_models.counted_today(now).await;
    let today = [today.expect("an answer")];
    let texts = |flow| trend::money(&today, flow).texts();
    assert_eq!(texts(Flow::Authorized), ["30.98 USD"]);
    assert_eq!(texts(Flow::Captured), ["30.98 USD"]);
    assert!(texts(Flow::Voided).is_empty());
    assert!(texts(Flow::Refunded).is_empty());
}

#[tokio::test]
async fn an_order_whose_row_was_lost_is_projected_anew_and_not_counted_again() {
    let shop = Shop::open().await;
    completed(&shop.database, ORDER).await;
    shop.ledger().await;
    let (pk, sk) = (format!("order#{ORDER}"), "projection".to_owned());
    let lost = shop.database.client.delete_item().table_name(READ_MODELS);
    let lost = lost.key("pk", AttributeValue::S(pk));
    let lost = lost.key("sk", AttributeValue::S(sk));
    lost.send().await.expect("lost");
    for _ in 0..2 {
        shop.ledger().await;
        shop.event(&status("ord-1-1", "SUCCEEDED")).await;
    }
    assert_eq!(shop.projection(ORDER).await.status, Status::Completed);
    let now = Timestamp::now();
    let spans = shop.database.read_models.counted_since(now).await;
    let spans = spans.expect("an answer");
    let sum = |counter| spans.iter().map(|span| span.of(counter)).sum::<u64>();
    assert_eq!(sum(Counter::Received), 1);
    let today = shop.database.read_models.counted_today(now).await;
    let today = [today.expect("an answer")];
    assert_eq!(trend::money(&today, Flow::Captured).texts(), ["30.98 USD"]);
}

/// A bulk of these orders, applied.
async fn applied(shop: &Shop, orders: &[&str]) -> String {
    let mut parts = Vec::new();
    for order in orders {
        let order_id = order.parse().expect("an order id");
        let record = shop.database.store.load(&order_id).await;
        let record = record.expect("an answer").expect("the order");
        parts.push(Part {
            order_id,
            version: record.state.version,
            attempt: record.state.attempt,
            state: Some(ProcessState::ChargePayment),
            total: record.state.total,
            requested_at: None,
            outcome: Outcome::Waiting,
            warning: None,
            failure: None,
            left_to: None,
        });
    }
    let now = Timestamp::now();
    let mut bulk = Bulk::preview(Action::Reprocess, parts, Vec::new(), now);
    bulk.applied = Some(Applied {
        by: Actor::Operator("somebody".to_owned()),
        reason: "the provider answers again".to_owned(),
        at: now,
    });
    let kept = shop.database.read_models.put_bulk(&bulk, now).await;
    assert_eq!(kept, Ok(true));
    bulk.digest
}

async fn outcomes(shop: &Shop, digest: &str) -> Vec<&'static str> {
    let bulk = shop.database.read_models.bulk(digest).await;
    let bulk = bulk.expect("an answer");
    let bulk = bulk.expect("the bulk");
    bulk.parts
        .iter()
        .map(|part| part.outcome.kind().as_str())
        .collect()
}

#[tokio::test]
async fn a_bulk_is_carried_out_one_order_first_and_each_has_who_and_why() {
    let shop = Shop::open().await;
    for order in ["ord-1", "ord-2", "ord-3"] {
        failed(&shop, order).await;
        let ended = json!({"status": "FAILED", "stopDate": 1_795_428_000});
        shop.step_functions.tells(&format!("{order}-1"), ended);
    }
    let digest = applied(&shop, &["ord-1", "ord-2", "ord-3"]).await;
    refresh(&shop).await;
    assert_eq!(
        outcomes(&shop, &digest).await,
        ["requested", "waiting", "waiting"]
    );
    refresh(&shop).await;
    let starts = |shop: &Shop| {
        let calls = shop.step_functions.calls();
        let starts = calls.iter().filter(|(name, _)| name == "StartExecution");
        starts
            .map(|(_, input)| input["name"].clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(starts(&shop), ["ord-1-2"]);
    // Past the step that it had failed in; then the others follow.
    shop.database.state("ord-1").await;
    let by = tests::invocation("ord-1", "validate", 1000);
    let by = domain::ports::Invocation { attempt: 2, ..by };
    let order = document("ord-1");
    let order = tests::submission(&order).order;
    let reserved = domain::ports::Stock::reserve(&shop.database.store, &by, &order, false).await;
    reserved.expect("reserved");
    shop.database
        .store
        .claim::<domain::ledger::Authorize>(&by)
        .await
        .expect("claimed");
    let held = domain::ledger::Authorization::Held {
        payment: "pi_2".to_owned(),
        made_at: None,
    };
    shop.database
        .store
        .commit::<domain::ledger::Authorize>(&by, held)
        .await
        .expect("held");
    shop.ledger().await;
    refresh(&shop).await;
    assert_eq!(
        outcomes(&shop, &digest).await,
        ["recovered", "requested", "requested"]
    );
    let order_id = "ord-2".parse().expect("an order id");
    let record = shop.database.store.load(&order_id).await;
    let events = record.expect("an answer").expect("the order").audit;
    assert_eq!(events[0].by, Actor::Operator("somebody".to_owned()));
    let reason = &events[0].reason;
    assert_eq!(
        *reason,
        format!("the provider answers again (bulk {digest})")
    );
}

#[tokio::test]
async fn an_order_that_changed_since_it_was_looked_at_is_left_alone() {
    let shop = Shop::open().await;
    failed(&shop, ORDER).await;
    let ended = json!({"status": "FAILED", "stopDate": 1_795_428_000});
    shop.step_functions.tells("ord-1-1", ended);
    let digest = applied(&shop, &[ORDER]).await;
    let state = shop.database.state(ORDER).await;
    let waived = audited(Event::MessageGivenUp);
    let changed = shop.database.store.waive_message(&state, &waived).await;
    assert_eq!(changed, Ok(true));
    refresh(&shop).await;
    assert_eq!(outcomes(&shop, &digest).await, ["refused"]);
    refresh(&shop).await;
    let at_work = shop.database.read_models.digests_at_work().await;
    assert_eq!(at_work, Ok(Vec::new()), "nothing is left to do");
    assert_eq!(shop.database.state(ORDER).await.attempt, 1);
}

#[tokio::test]
async fn an_order_of_two_bulks_that_were_applied_at_once_is_acted_on_once() {
    let shop = Shop::open().await;
    for order in ["ord-1", "ord-2"] {
        failed(&shop, order).await;
        let ended = json!({"status": "FAILED", "stopDate": 1_795_428_000});
        shop.step_functions.tells(&format!("{order}-1"), ended);
    }
    let first = applied(&shop, &["ord-1"]).await;
    let second = applied(&shop, &["ord-1", "ord-2"]).await;
    refresh(&shop).await;
    assert_eq!(outcomes(&shop, &first).await, ["requested"]);
    assert_eq!(outcomes(&shop, &second).await, ["refused", "requested"]);
    let bulk = shop.database.read_models.bulk(&second).await;
    let parts = bulk.expect("an answer").expect("the bulk").parts;
    assert_eq!(parts[0].left_to, Some(first));
}

/// As an operator does it, who reads it anew when somebody else has written.
async fn control(shop: &Shop, digest: &str, control: Control) -> Bulk {
    let read_models = &shop.database.read_models;
    loop {
        let mut bulk = kept(shop, digest).await;
        let now = Timestamp::now();
        let by = Actor::Operator("somebody".to_owned());
        bulk.control(control, by, "a test", now).expect("possible");
        bulk.revision += 1;
        if read_models.put_bulk(&bulk, now).await.expect("an answer") {
            return bulk;
        }
    }
}

async fn kept(shop: &Shop, digest: &str) -> Bulk {
    let bulk = shop.database.read_models.bulk(digest).await;
    bulk.expect("an answer").expect("the bulk")
}

#[tokio::test]
async fn a_paused_bulk_is_not_carried_out_until_it_is_resumed() {
    let shop = Shop::open().await;
    failed(&shop, ORDER).await;
    let ended = json!({"status": "FAILED", "stopDate": 1_795_428_000});
    shop.step_functions.tells("ord-1-1", ended);
    let digest = applied(&shop, &[ORDER]).await;
    control(&shop, &digest, Control::Pause).await;
    refresh(&shop).await;
    assert_eq!(outcomes(&shop, &digest).await, ["waiting"]);
    control(&shop, &digest, Control::Resume).await;
    refresh(&shop).await;
    assert_eq!(outcomes(&shop, &digest).await, ["requested"]);
}

#[tokio::test]
async fn a_stop_amid_a_wave_is_heeded_and_what_was_begun_is_kept() {
    let shop = Shop::open().await;
    let orders: Vec<String> = (10..22).map(|number| format!("ord-{number}")).collect();
    let orders: Vec<&str> = orders.iter().map(String::as_str).collect();
    for order in &orders {
        failed(&shop, order).await;
        let ended = json!({"status": "FAILED", "stopDate": 1_795_428_000});
        shop.step_functions.tells(&format!("{order}-1"), ended);
    }
    let digest = applied(&shop, &orders).await;
    let mut bulk = kept(&shop, &digest).await;
    // Ten are next.
    bulk.parts[0].outcome = Outcome::Recovered;
    bulk.revision += 1;
    let now = Timestamp::now();
    let changed = shop.database.read_models.put_bulk(&bulk, now).await;
    assert_eq!(changed, Ok(true));
    let stop = async {
        while kept(&shop, &digest).await.busy_until.is_none() {}
        control(&shop, &digest, Control::Stop).await
    };
    // A sweep that began long ago.
    let (_, stopped) = tokio::join!(shop.sweep(-600), stop);
    let nobody_else_until = stopped.busy_until.expect("it was being carried out");
    assert!(nobody_else_until > Timestamp::now());
    let bulk = kept(&shop, &digest).await;
    assert_eq!(bulk.state(), BulkState::Stopped);
    assert_eq!(bulk.busy_until, None, "what was done is kept");
    let begun = bulk.count(OutcomeKind::Requested);
    let calls = shop.step_functions.calls();
    let starts = calls.iter().filter(|(name, _)| name == "StartExecution");
    assert_eq!(begun, starts.count(), "each that was begun is on record");
    assert!(begun < 10, "{begun} were begun in spite of the stop");
    refresh(&shop).await;
    let untouched = kept(&shop, &digest).await.count(OutcomeKind::Waiting);
    assert_eq!(untouched, 11 - begun);
}
