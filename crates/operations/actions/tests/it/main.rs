//! What people can do to an order, and what they cannot. Step Functions is a double that answers as its API
//! model says.
#![expect(clippy::expect_used, reason = "tests")]

mod bulks;
mod settle;

use std::collections::HashMap;

use actions::{Actions, Attribution, Reason, Refused, warning};
use domain::ledger::{Authorization, Authorize, Book, Booking};
use domain::ports::Orders as _;
use domain::{Changes, ErrorName, OrderId, PaymentMeans, Stage, Timestamp};
use operations::advice::Action;
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
        let (record, _) = shop
            .actions
            .inspect(&bulks::ids(&[ORDER])[0])
            .await
            .expect("it");
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
