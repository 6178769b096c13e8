//! What people can do to an order, and what they cannot. Step Functions is a double that answers as its API
//! model says: the local engine has no redrive.
#![expect(clippy::expect_used, reason = "tests")]

use std::collections::HashMap;

use actions::{Actions, Attribution, BulkRefused, Reason, Refused, warning};
use domain::ledger::{Authorization, Authorize, Book, Booking, Unbook, Unbooking};
use domain::ports::Orders as _;
use domain::{Actor, Changes, ErrorName, OrderId, PaymentMeans, Settlement, Stage, Timestamp};
use operations::advice::Action;
use operations::bulk::{Bulk, BulkState, Control, LARGEST, Outcome};
use operations::{Limits, Observation, ProcessState, Projection};
use read_models::Row;
use serde_json::{Value, json};
use tests::{Database, StepFunctions, database, document, sdk_config, step_functions};
use workflow::Workflow;

const ORDER: &str = "ord-1";

fn why() -> Reason {
    "a test".parse().expect("a reason")
}

fn somebody(reason: &Reason) -> Attribution<'_> {
    Attribution {
        by: "somebody",
        reason,
        at: Timestamp::now(),
    }
}

struct Shop {
    database: Database,
    step_functions: StepFunctions,
    actions: Actions,
}

impl Shop {
    async fn open() -> Self {
        let (database, step_functions) = (database().await, step_functions());
        let config = sdk_config(&step_functions.url);
        let workflow = Workflow::new(&config, tests::STATE_MACHINE);
        let steps = ["charge", "ship", "notify"].map(|step| (step.to_owned(), step.to_owned()));
        let store = database.store.clone();
        let read_models = database.read_models.clone();
        let actions = Actions::new(&config, store, read_models, workflow, HashMap::from(steps));
        Self {
            database,
            step_functions,
            actions,
        }
    }

    /// The execution ended like that.
    fn ended(&self, status: &str, redrive: &Value) {
        let mut told = json!({"status": status, "stopDate": 1_795_428_000});
        for (name, value) in redrive.as_object().expect("members") {
            told[name] = value.clone();
        }
        self.step_functions.tells("ord-1-1", told);
    }

    async fn act(&self, action: Action) -> Result<String, Refused> {
        let order_id = ORDER.parse().expect("an order id");
        self.actions.act(action, &order_id, somebody(&why())).await
    }

    /// Why it is not possible.
    async fn refused(&self, action: Action) -> String {
        match self.act(action).await {
            Err(Refused::NotPossible(why)) => why,
            other => panic!("{action:?} came to {other:?}"),
        }
    }

    fn asked(&self, operation: &str) -> Vec<Value> {
        let calls = self.step_functions.calls().into_iter();
        calls
            .filter(|(name, _)| name == operation)
            .map(|(_, input)| input)
            .collect()
    }

    async fn events(&self) -> Vec<String> {
        let order_id = ORDER.parse().expect("an order id");
        let record = self.database.store.load(&order_id).await;
        let record = record.expect("an answer").expect("the order");
        let events = record.audit.into_iter();
        events
            .map(|event| format!("{} by {}: {}", event.event, event.by, event.reason))
            .collect()
    }

    /// An order whose undo gave up.
    async fn unfinished() -> Self {
        let shop = Self::open().await;
        shop.database.validated(&document(ORDER)).await;
        shop.database
            .reversing(ORDER, ErrorName::CarrierUnavailable)
            .await;
        shop
    }

    /// An order that failed, with everything reversed.
    async fn failed() -> Self {
        use domain::ledger::{Reversal, Reverse, Unbook, Unbooking};
        let shop = Self::unfinished().await;
        shop.database.did::<Unbook>(ORDER, Unbooking::Nothing).await;
        shop.database.did::<Reverse>(ORDER, Reversal::Nothing).await;
        shop.database.released(ORDER).await;
        shop
    }
}

#[tokio::test]
async fn an_execution_that_can_be_redriven_is_and_twice_is_once() {
    let shop = Shop::unfinished().await;
    shop.ended("FAILED", &json!({"redriveStatus": "REDRIVABLE"}));
    for _ in 0..2 {
        let done = shop.act(Action::Redrive).await.expect("redriven");
        assert_eq!(done, "its execution goes on where it stopped");
    }
    let asked = shop.asked("RedriveExecution");
    assert_eq!(asked.len(), 2);
    assert_eq!(asked[0], asked[1], "one client token: one redrive");
    let arn = asked[0]["executionArn"].as_str().expect("an ARN");
    assert!(
        arn.ends_with(":execution:order-processing:ord-1-1"),
        "{arn}"
    );
    let token = asked[0]["clientToken"].as_str().expect("a token");
    assert!(token.len() <= 64, "{token}");
    assert!(
        shop.events()
            .await
            .contains(&"redrive_requested by somebody: a test".to_owned())
    );
}

#[tokio::test]
async fn what_step_functions_does_not_redrive_is_refused_in_its_words() {
    let shop = Shop::unfinished().await;
    let reason = "Execution redrivable period exceeded";
    let late = json!({"redriveStatus": "NOT_REDRIVABLE", "redriveStatusReason": reason});
    shop.ended("FAILED", &late);
    assert_eq!(shop.refused(Action::Redrive).await, reason);
    shop.ended("FAILED", &json!({}));
    assert!(shop.refused(Action::Redrive).await.contains("no redrive"));
    shop.ended("RUNNING", &json!({"redriveStatus": "NOT_REDRIVABLE"}));
    assert_eq!(
        shop.refused(Action::Redrive).await,
        "nothing is left unfinished"
    );
    assert!(shop.asked("RedriveExecution").is_empty());
    assert!(shop.events().await.is_empty());
}

#[tokio::test]
async fn while_nobody_knows_of_a_payment_nothing_that_could_pay_again_is_possible() {
    let shop = Shop::open().await;
    shop.database.validated(&document(ORDER)).await;
    shop.database.claimed::<Authorize>(ORDER, 0).await;
    shop.ended("ABORTED", &json!({"redriveStatus": "REDRIVABLE"}));
    assert!(
        shop.refused(Action::Redrive)
            .await
            .contains("resolve it first")
    );
    assert!(
        shop.refused(Action::Reprocess)
            .await
            .contains("not reversed")
    );
    let done = shop.act(Action::Resolve).await.expect("resolved");
    assert!(done.starts_with("the providers were asked"), "{done}");
    assert!(shop.asked("RedriveExecution").is_empty());
}

/// An order whose label the carrier does not void any more.
async fn used_label() -> Shop {
    let shop = booked().await;
    shop.database
        .reversing(ORDER, ErrorName::PaymentDeclined)
        .await;
    let by = shop.database.claimed::<Unbook>(ORDER, 60_000).await;
    let refused = shop
        .database
        .store
        .refuse::<Unbook>(&by, "label_already_used");
    refused.await.expect("noted");
    shop.ended("FAILED", &json!({"redriveStatus": "REDRIVABLE"}));
    shop
}

impl Shop {
    async fn settle(&self, settlement: Settlement) -> Result<String, Refused> {
        let order_id = ORDER.parse().expect("an order id");
        let reason = why();
        let who = somebody(&reason);
        self.actions.settle(&order_id, settlement, who).await
    }
}

#[tokio::test]
async fn the_step_is_asked_to_settle_with_what_who_and_why() {
    let shop = used_label().await;
    shop.step_functions
        .steps_answer(json!({"settled": "the shipment is written off"}));
    let done = shop.settle(Settlement::ShipmentWrittenOff).await;
    assert_eq!(
        done.expect("settled"),
        "the shipment is written off; redrive or restart the order, and its reversal goes on"
    );
    let tasks = shop.asked("");
    let task = &tasks[0];
    assert_eq!(tasks.len(), 1, "{tasks:?}");
    assert_eq!(
        (&task["action"], &task["attempt"]),
        (&json!("settle"), &json!(1))
    );
    let settling = &task["settling"];
    assert_eq!(settling["as"], "shipment_written_off");
    let event: domain::AuditEvent =
        serde_json::from_value(settling["event"].clone()).expect("an event");
    let text = format!("{}: {}", event.event, event.text());
    assert_eq!(text, "settled: somebody: a test (shipment_written_off)");
    // It is written with the outcome, by the step.
    assert!(shop.events().await.is_empty());
}

#[tokio::test]
async fn what_is_settled_is_what_its_provider_confirms_and_in_its_turn() {
    let shop = used_label().await;
    assert!(
        shop.refused(Action::Settle)
            .await
            .contains("shipment_cancelled")
    );
    let payment = shop.settle(Settlement::PaymentReturned).await;
    let first = Refused::NotPossible("its shipment comes first".to_owned());
    assert_eq!(payment, Err(first));
    shop.ended("RUNNING", &json!({}));
    let at_work = shop.settle(Settlement::ShipmentCancelled).await;
    assert!(
        matches!(&at_work, Err(Refused::NotPossible(why)) if why.contains("at work")),
        "{at_work:?}"
    );
    assert!(shop.asked("").is_empty());
    // What is known needs nobody who asks, and can be redriven and restarted.
    shop.ended("FAILED", &json!({"redriveStatus": "REDRIVABLE"}));
    assert!(
        shop.refused(Action::Resolve)
            .await
            .contains("every outcome is known")
    );
    shop.act(Action::Redrive).await.expect("redriven");
    shop.act(Action::Restart).await.expect("restarted");
    let orders = vec![ORDER.parse().expect("an order id")];
    let many = shop
        .actions
        .preview(Action::Settle, orders, Timestamp::now());
    assert!(matches!(many.await, Err(BulkRefused::NotPossible(why)) if why.contains("by itself")));
}

#[tokio::test]
async fn an_order_that_was_settled_and_restarted_goes_on_with_what_it_was_settled_as() {
    let shop = used_label().await;
    let by = tests::invocation(ORDER, "settles", 60_000);
    let store = &shop.database.store;
    store.claim::<Unbook>(&by).await.expect("claimed");
    let written_off = Unbooking::WrittenOff;
    let event = tests::audited(domain::Event::Settled);
    let settled = store.settle::<Unbook>(&by, written_off.clone(), &event);
    settled.await.expect("settled");
    shop.act(Action::Restart).await.expect("restarted");
    let state = shop.database.state(ORDER).await;
    let unbook = state
        .unbook
        .as_ref()
        .and_then(domain::ledger::Entry::outcome);
    assert_eq!((state.attempt, unbook), (2, Some(&written_off)));
    let at = ProcessState::of(&state).map(|(at, _)| at);
    assert_eq!(at, Some(ProcessState::ReversePayment));
}

/// The parcel is out, or the money stays: another attempt would send or take it twice.
#[tokio::test]
async fn what_was_written_off_is_never_processed_again() {
    let shop = used_label().await;
    let by = tests::invocation(ORDER, "settles", 60_000);
    let store = &shop.database.store;
    store.claim::<Unbook>(&by).await.expect("claimed");
    let event = tests::audited(domain::Event::Settled);
    let settled = store.settle::<Unbook>(&by, Unbooking::WrittenOff, &event);
    settled.await.expect("settled");
    shop.database.released(ORDER).await;
    let refused = shop.refused(Action::Reprocess).await;
    assert!(refused.contains("written off"), "{refused}");
}

#[tokio::test]
async fn a_payment_that_is_found_to_be_another_ones_is_no_reason_to_wait() {
    let shop = Shop::open().await;
    shop.database.validated(&document(ORDER)).await;
    let by = shop.database.claimed::<Authorize>(ORDER, 60_000).await;
    let refused = shop
        .database
        .store
        .refuse::<Authorize>(&by, "another amount");
    refused.await.expect("noted");
    shop.ended("ABORTED", &json!({"redriveStatus": "REDRIVABLE"}));
    assert!(
        shop.refused(Action::Resolve)
            .await
            .contains("redrive or restart")
    );
    shop.act(Action::Redrive).await.expect("redriven");
    shop.act(Action::Restart).await.expect("restarted");
}

#[tokio::test]
async fn a_new_attempt_is_linked_to_the_last_one_whose_ledger_stays() {
    let shop = Shop::failed().await;
    let last = shop.database.state(ORDER).await;
    shop.ended("RUNNING", &json!({}));
    assert!(shop.refused(Action::Reprocess).await.contains("being told"));
    shop.ended("FAILED", &json!({}));
    let done = shop.act(Action::Reprocess).await.expect("reprocessed");
    assert_eq!(done, "attempt 2 has begun");
    let order_id = ORDER.parse().expect("an order id");
    let record = shop.database.store.load(&order_id).await;
    let record = record.expect("an answer").expect("the order");
    assert_eq!(record.earlier, [last]);
    assert_eq!(record.state.attempt, 2);
    assert_eq!(record.state.stage, Stage::Received);
    let starts = shop.asked("StartExecution");
    assert_eq!(starts[0]["name"], "ord-1-2");
    // It is at work: once more is not possible.
    assert!(
        shop.refused(Action::Reprocess)
            .await
            .contains("not reversed")
    );
}

/// An order whose money was held by a means of payment that works once, and let go of.
async fn let_go() -> Shop {
    use domain::ledger::{Reversal, Reverse, Unbook, Unbooking};
    let shop = Shop::open().await;
    shop.database.validated(&document(ORDER)).await;
    let held = Authorization::Held {
        payment: "pi_1".to_owned(),
        made_at: None,
    };
    shop.database.did::<Authorize>(ORDER, held).await;
    shop.database
        .reversing(ORDER, ErrorName::CarrierUnavailable)
        .await;
    shop.database.did::<Unbook>(ORDER, Unbooking::Nothing).await;
    shop.database.did::<Reverse>(ORDER, Reversal::Voided).await;
    shop.database.released(ORDER).await;
    shop.ended("FAILED", &json!({}));
    shop
}

fn changes(document: &Value) -> Changes {
    Changes::parse(document.to_string().as_bytes()).expect("changes")
}

#[tokio::test]
async fn what_works_once_and_was_used_is_given_anew_with_the_new_attempt() {
    let shop = let_go().await;
    let refused = shop.refused(Action::Reprocess).await;
    assert!(refused.contains("works once and was used"), "{refused}");
    let (order_id, reason) = (ORDER.parse().expect("an order id"), why());
    let email = changes(&json!({"customer": {"email": "new@example.com"}}));
    let other = shop
        .actions
        .reprocess(&order_id, Some(&email), somebody(&reason));
    assert!(matches!(other.await, Err(Refused::NotPossible(_))));
    let paid = changes(&json!({"payment": {"intent": "pi_2"}}));
    let done = shop
        .actions
        .reprocess(&order_id, Some(&paid), somebody(&reason));
    assert_eq!(done.await.expect("reprocessed"), "attempt 2 has begun");
    assert_eq!(
        shop.events().await,
        ["reprocess_requested by somebody: a test (means of payment)"]
    );
    let record = shop.database.store.load(&order_id).await;
    let record = record.expect("an answer").expect("the order");
    let personal = record.personal.expect("personal data");
    assert_eq!(record.state.personal_revision, personal.revision);
    assert_eq!(personal.paid_from, 2);
    let intent = "pi_2".parse().expect("a token");
    assert!(personal.payment == PaymentMeans::Intent { intent });
}

#[tokio::test]
async fn what_works_once_and_was_used_is_modified_and_then_reprocessed() {
    let shop = let_go().await;
    let (order_id, reason) = (ORDER.parse().expect("an order id"), why());
    for (document, possible) in [
        (json!({"customer": {"email": "new@example.com"}}), false),
        (json!({"payment": {"method": "pm_2"}}), true),
    ] {
        let changes = changes(&document);
        let modified = shop
            .actions
            .modify(&order_id, &changes, somebody(&reason))
            .await;
        modified.expect("modified");
        if possible {
            let done = shop.act(Action::Reprocess).await.expect("reprocessed");
            assert_eq!(done, "attempt 2 has begun");
        } else {
            let refused = shop.refused(Action::Reprocess).await;
            assert!(refused.contains("works once"), "{refused}");
        }
    }
}

/// An order with a hold and a label, whose execution somebody stopped.
async fn booked() -> Shop {
    let shop = Shop::open().await;
    shop.database.validated(&document(ORDER)).await;
    let payment = "pi_1".to_owned();
    let held = Authorization::Held {
        payment,
        made_at: None,
    };
    shop.database.did::<Authorize>(ORDER, held).await;
    let booked = Booking::Booked {
        label: "se-1".to_owned(),
        carrier: "usps".to_owned(),
        tracking: "9400".to_owned(),
    };
    shop.database.did::<Book>(ORDER, booked).await;
    shop.ended("ABORTED", &json!({}));
    shop
}

#[tokio::test]
async fn a_restarted_attempt_goes_on_with_what_the_last_one_did() {
    let shop = booked().await;
    let last = shop.database.state(ORDER).await;
    let done = shop.act(Action::Restart).await.expect("restarted");
    assert_eq!(done, "attempt 2 has begun");
    assert_eq!(shop.asked("StartExecution")[0]["name"], "ord-1-2");
    let state = shop.database.state(ORDER).await;
    assert_eq!((state.attempt, state.stage), (2, Stage::Shipped));
    assert_eq!(
        (&state.authorize, &state.book),
        (&last.authorize, &last.book)
    );
    assert_eq!((state.payment_attempt(), state.shipment_attempt()), (1, 1));
    assert_eq!(
        shop.events().await,
        ["restart_requested by somebody: a test"]
    );
    // It is at work: once more is not possible.
    shop.step_functions
        .tells("ord-1-2", json!({"status": "RUNNING"}));
    assert!(shop.refused(Action::Restart).await.contains("at work"));
}

#[tokio::test]
async fn an_attempt_that_did_something_and_is_forgotten_is_not_started_again() {
    let shop = booked().await;
    shop.act(Action::Restart).await.expect("restarted");
    assert!(shop.database.state(ORDER).await.may_not_be_started());
    shop.database.cancelled(ORDER).await;
    assert!(!shop.database.state(ORDER).await.may_not_be_started());
}

#[tokio::test]
async fn no_shipment_is_booked_anew_against_a_hold_that_may_lapse() {
    let shop = booked().await;
    shop.database
        .elapse(ORDER, std::time::Duration::from_hours(5 * 24))
        .await;
    let order_id: OrderId = ORDER.parse().expect("an order id");
    let reason = why();
    let who = somebody(&reason);
    let from = Some(ProcessState::ShipOrder);
    let again = shop.actions.restart(&order_id, from, None, who).await;
    assert!(
        matches!(&again, Err(Refused::NotPossible(why)) if why.contains("may lapse")),
        "{again:?}"
    );
    shop.act(Action::Restart)
        .await
        .expect("what is booked is captured");
}

#[tokio::test]
async fn what_was_counted_of_the_last_attempt_is_not_counted_again() {
    let shop = booked().await;
    let order_id: OrderId = ORDER.parse().expect("an order id");
    let state = shop.database.state(ORDER).await;
    let now = Timestamp::now();
    let known =
        Projection::received(&state).next(&state, &Observation::default(), &Limits::default(), now);
    assert!(!known.counted.authorized.is_zero());
    let read_models = &shop.database.read_models;
    assert_eq!(read_models.put_projection(&known).await, Ok(true));
    shop.act(Action::Restart).await.expect("restarted");
    let row = read_models.order(&order_id).await.expect("an answer");
    let announced = row.and_then(Row::projection).expect("a projection");
    assert_eq!((announced.attempt, announced.counted), (2, known.counted));
}

#[tokio::test]
async fn a_restart_begins_where_it_is_chosen_with_what_is_changed() {
    let shop = booked().await;
    let order_id: OrderId = ORDER.parse().expect("an order id");
    let reason = why();
    let who = somebody(&reason);
    let address = json!({"shipping_address": {"name": "Bo", "line1": "2 Side St",
        "city": "Shelbyville", "region": "IL", "postal_code": "62565",
        "country": "US"}});
    let changes = Changes::parse(address.to_string().as_bytes()).expect("changes");
    let modified = shop.actions.modify(&order_id, &changes, who).await;
    assert!(
        matches!(&modified, Err(Refused::NotPossible(why)) if why.contains("booked")),
        "{modified:?}"
    );
    let from = Some(ProcessState::ChargePayment);
    let held = shop.actions.restart(&order_id, from, None, who).await;
    assert!(
        matches!(&held, Err(Refused::NotPossible(why)) if why.contains("never held")),
        "{held:?}"
    );
    let from = Some(ProcessState::ShipOrder);
    let restarted = shop.actions.restart(&order_id, from, Some(&changes), who);
    assert_eq!(restarted.await.expect("restarted"), "attempt 2 has begun");
    let record = shop.database.store.load(&order_id).await;
    let record = record.expect("an answer").expect("the order");
    assert_eq!(record.state.stage, Stage::Authorized);
    assert_eq!(record.state.label_to_void(), Some("se-1"));
    let personal = record.personal.expect("personal data");
    assert_eq!(personal.shipping_address.city, "Shelbyville");
    assert_eq!(personal.revision, record.state.personal_revision);
    // What stays for good has nothing personal in it.
    assert_eq!(
        shop.events().await,
        ["restart_requested by somebody: a test (from ShipOrder; shipping address)"]
    );
}

#[tokio::test]
async fn what_cannot_be_restarted_is_refused_with_the_reason() {
    let shop = Shop::open().await;
    shop.database.validated(&document(ORDER)).await;
    shop.ended("RUNNING", &json!({}));
    assert!(shop.refused(Action::Restart).await.contains("at work"));
    shop.database.claimed::<Authorize>(ORDER, 0).await;
    shop.ended("ABORTED", &json!({}));
    assert!(shop.refused(Action::Restart).await.contains("resolve it"));
    let shop = Shop::failed().await;
    shop.ended("FAILED", &json!({}));
    assert!(shop.refused(Action::Restart).await.contains("reprocess"));
}

#[tokio::test]
async fn an_order_that_is_being_reversed_goes_on_with_that() {
    let shop = Shop::unfinished().await;
    shop.ended("FAILED", &json!({}));
    let last = shop.database.state(ORDER).await;
    shop.act(Action::Restart).await.expect("restarted");
    let state = shop.database.state(ORDER).await;
    assert_eq!((state.attempt, state.failure), (2, last.failure));
}

#[tokio::test]
async fn an_order_is_modified_for_as_long_as_that_was_not_done() {
    let shop = Shop::open().await;
    shop.database.validated(&document(ORDER)).await;
    shop.ended("RUNNING", &json!({}));
    let order_id: OrderId = ORDER.parse().expect("an order id");
    let reason = why();
    let who = somebody(&reason);
    let changes = json!({"customer": {"email": "new@example.com"}});
    let changes = Changes::parse(changes.to_string().as_bytes()).expect("changes");
    let modified = shop.actions.modify(&order_id, &changes, who).await;
    assert_eq!(modified, Ok("changed: e-mail address".to_owned()));
    assert_eq!(
        shop.events().await,
        ["modified by somebody: a test (e-mail address)"]
    );
    shop.database.erase_personal_data(ORDER).await;
    let modified = shop.actions.modify(&order_id, &changes, who).await;
    assert!(
        matches!(&modified, Err(Refused::NotPossible(why)) if why.contains("erased")),
        "{modified:?}"
    );
}

#[tokio::test]
async fn what_is_not_possible_now_is_refused_with_the_reason() {
    let shop = Shop::open().await;
    shop.database.validated(&document(ORDER)).await;
    shop.ended("RUNNING", &json!({}));
    for (action, why) in [
        (Action::Approve, "does not wait for a review"),
        (Action::Reject, "does not wait for a review"),
        (Action::Redrive, "nothing is left unfinished"),
        (Action::Reprocess, "not reversed yet"),
        (Action::Resend, "no message"),
        (Action::Resolve, "every outcome is known"),
    ] {
        let refused = shop.refused(action).await;
        assert!(refused.contains(why), "{action:?}: {refused}");
    }
    assert!(shop.act(Action::Cancel).await.is_ok());
    assert!(shop.refused(Action::Cancel).await.contains("before"));
    assert_eq!(shop.events().await, ["cancelled by somebody: a test"]);
}

#[tokio::test]
async fn an_action_without_an_order_is_refused() {
    let shop = Shop::open().await;
    assert!(matches!(
        shop.act(Action::Cancel).await,
        Err(Refused::NotFound(_))
    ));
}

#[tokio::test]
async fn a_message_that_cannot_be_sent_is_given_up_by_a_person() {
    let shop = Shop::failed().await;
    shop.ended("RUNNING", &json!({}));
    let refused = shop.refused(Action::Resolve).await;
    assert!(refused.contains("every outcome is known"), "{refused}");
    shop.ended("FAILED", &json!({}));
    shop.act(Action::Resolve).await.expect("given up");
    let state = shop.database.state(ORDER).await;
    assert_eq!(
        operations::ProcessState::of(&state),
        None,
        "nothing is left"
    );
    let events = shop.events().await;
    assert_eq!(events, ["message_given_up by somebody: a test"]);
    assert!(shop.refused(Action::Resend).await.contains("no message"));
}

fn ids(orders: &[&str]) -> Vec<OrderId> {
    let ids = orders.iter().map(|order| order.parse());
    ids.collect::<Result<_, _>>().expect("order ids")
}

impl Shop {
    /// Orders that are being processed.
    async fn running(orders: &[&str]) -> Self {
        let shop = Self::open().await;
        for order in orders {
            shop.database.validated(&document(order)).await;
            let running = json!({"status": "RUNNING"});
            shop.step_functions.tells(&format!("{order}-1"), running);
        }
        shop
    }

    async fn preview(&self, action: Action, orders: &[&str]) -> Result<Bulk, BulkRefused> {
        let now = Timestamp::now();
        self.actions.preview(action, ids(orders), now).await
    }

    async fn apply(&self, digest: &str, by: &str) -> Result<Bulk, BulkRefused> {
        let who = Attribution {
            by,
            reason: &why(),
            at: Timestamp::now(),
        };
        self.actions.apply(digest, who).await
    }
}

impl Shop {
    async fn stop(&self, digest: &str) -> Result<Bulk, BulkRefused> {
        self.actions.stop(digest, somebody(&why())).await
    }
}

fn applied_by(bulk: &Bulk) -> Option<Actor> {
    bulk.applied.as_ref().map(|applied| applied.by.clone())
}

#[tokio::test]
async fn a_preview_has_each_order_once_or_why_not_and_is_applied_once() {
    let shop = Shop::running(&["ord-1", "ord-2"]).await;
    let orders = ["ord-2", "ord-1", "ord-2", "ord-9"];
    let bulk = shop.preview(Action::Cancel, &orders).await;
    let bulk = bulk.expect("a preview");
    let parts = bulk.parts.iter().map(|part| part.order_id.as_str());
    let parts: Vec<&str> = parts.collect();
    assert_eq!(parts, ["ord-1", "ord-2"]);
    assert_eq!(bulk.skipped.len(), 1);
    assert_eq!(bulk.skipped[0].why, "there is no such order");
    let kept = shop.actions.bulk(&bulk.digest).await.expect("the bulk");
    assert_eq!((kept.parts, kept.applied), (bulk.parts, None));
    for by in ["somebody", "somebody else"] {
        let applied = shop.apply(&bulk.digest, by).await.expect("applied");
        let somebody = Actor::Operator("somebody".to_owned());
        assert_eq!(applied_by(&applied), Some(somebody), "{by}");
    }
}

#[tokio::test]
async fn what_no_bulk_can_be_made_of_is_told() {
    let shop = Shop::running(&["ord-1"]).await;
    let many: Vec<String> = (0..=LARGEST)
        .map(|number| format!("ord-{number}"))
        .collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    for (orders, told) in [(&[] as &[&str], "no order"), (&many, "200 are the most")] {
        match shop.preview(Action::Cancel, orders).await {
            Err(BulkRefused::NotPossible(why)) => assert!(why.contains(told), "{why}"),
            other => panic!("{other:?}"),
        }
    }
    let none = shop.preview(Action::Reprocess, &["ord-1"]).await;
    let none = none.expect("a preview");
    assert_eq!(none.skipped[0].why, "the order is not reversed yet");
    let refused = shop.apply(&none.digest, "somebody").await;
    assert!(
        matches!(refused, Err(BulkRefused::NotPossible(_))),
        "{refused:?}"
    );
    let gone = shop.apply("0123456789abcdef", "somebody").await;
    let not_found = BulkRefused::NotFound("0123456789abcdef".to_owned());
    assert_eq!(gone, Err(not_found));
}

#[tokio::test]
async fn what_another_bulk_has_in_hand_is_left_to_it_at_the_preview_and_when_it_is_applied() {
    let shop = Shop::running(&["ord-1", "ord-2"]).await;
    let both = shop.preview(Action::Cancel, &["ord-1", "ord-2"]).await;
    let both = both.expect("a preview").digest;
    let one = shop.preview(Action::Cancel, &["ord-1"]).await;
    let one = one.expect("a preview").digest;
    shop.apply(&one, "somebody").await.expect("applied");
    let told = "another bulk has it in hand: cancel by somebody since";
    let late = shop.preview(Action::Cancel, &["ord-1", "ord-2"]).await;
    let late = late.expect("a preview");
    assert_eq!(late.parts.len(), 1);
    assert!(late.skipped[0].why.starts_with(told), "{:?}", late.skipped);
    assert_eq!(late.skipped[0].left_to, Some(one.clone()));
    // This one was previewed before the other was applied.
    let both = shop.apply(&both, "somebody else").await.expect("applied");
    let [first, second] = &both.parts[..] else {
        panic!("{both:?}");
    };
    assert!(
        matches!(&first.outcome, Outcome::Refused(why) if why.starts_with(told)),
        "{first:?}"
    );
    assert_eq!(first.left_to, Some(one));
    assert_eq!(second.outcome, Outcome::Waiting);
}

#[tokio::test]
async fn a_bulk_is_paused_and_stopped_also_by_two_at_once() {
    let shop = Shop::running(&["ord-1", "ord-2"]).await;
    let bulk = shop.preview(Action::Cancel, &["ord-1", "ord-2"]).await;
    let digest = bulk.expect("a preview").digest;
    let early = shop.stop(&digest).await;
    let why = "it was not applied yet".to_owned();
    assert_eq!(early, Err(BulkRefused::NotPossible(why)));
    shop.apply(&digest, "somebody").await.expect("applied");
    let now = Timestamp::now();
    for _ in 0..2 {
        let paused = shop.actions.pause(&digest, "somebody", now).await;
        assert_eq!(paused.map(|bulk| bulk.state()), Ok(BulkState::Paused));
        let resumed = shop.actions.resume(&digest, "somebody", now).await;
        assert_eq!(resumed.map(|bulk| bulk.state()), Ok(BulkState::Running));
    }
    // Both read it before either writes.
    let (paused, stopped) = tokio::join!(
        shop.actions.pause(&digest, "somebody", Timestamp::now()),
        shop.stop(&digest)
    );
    let paused_after_the_stop = Err(BulkRefused::NotPossible("it was stopped before".to_owned()));
    assert!(
        paused.is_ok() || paused == paused_after_the_stop,
        "{paused:?}"
    );
    assert_eq!(stopped.map(|bulk| bulk.state()), Ok(BulkState::Stopped));
    let kept = shop.actions.bulk(&digest).await.expect("the bulk");
    assert_eq!(kept.state(), BulkState::Stopped);
    assert_eq!(kept.stopped.as_deref(), Some("a test"));
    let last = kept.controlled.last().expect("a stop");
    let somebody = Actor::Operator("somebody".to_owned());
    assert_eq!((last.control, &last.by), (Control::Stop, &somebody));
}

#[tokio::test]
async fn what_will_come_to_the_same_again_is_warned_of() {
    for (error, told) in [
        (ErrorName::ShipmentRejected, Some("The carrier refused")),
        (
            ErrorName::PaymentDeclined,
            Some("The customer's bank declined"),
        ),
        (ErrorName::CarrierUnavailable, None),
    ] {
        use domain::ledger::{Reversal, Reverse, Unbook, Unbooking};
        let shop = Shop::open().await;
        shop.database.validated(&document(ORDER)).await;
        shop.database.reversing(ORDER, error).await;
        shop.database.did::<Unbook>(ORDER, Unbooking::Nothing).await;
        shop.database.did::<Reverse>(ORDER, Reversal::Nothing).await;
        shop.database.released(ORDER).await;
        shop.ended("FAILED", &json!({}));
        let (record, _) = shop.actions.inspect(&ids(&[ORDER])[0]).await.expect("it");
        let warned = warning(Action::Reprocess, &record);
        assert_eq!(warned.is_some(), told.is_some(), "{error}");
        assert!(
            warned
                .unwrap_or_default()
                .starts_with(told.unwrap_or_default())
        );
        assert_eq!(warning(Action::Resend, &record), None, "{error}");
        let bulk = shop.preview(Action::Reprocess, &[ORDER]).await;
        let part = bulk.expect("a preview").parts.remove(0);
        assert_eq!(part.warning.as_deref(), warned);
    }
}
