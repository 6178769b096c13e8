//! The sweep of what the providers hold: the monitor on an embedded database, and the sandbox's books through the
//! steps.
#![expect(clippy::expect_used, reason = "tests")]

#[path = "books/aftermath.rs"]
mod aftermath;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use actions::{Actions, Attribution, Refused};
use charge::{Charge, Stripe};
use domain::books::{Posting, PostingKind, Stands};
use domain::ledger::{
    Authorization, Authorize, Book, Booking, Capture, CaptureResult, Reversal, Reverse, Unbook,
    Unbooking,
};
use domain::ports::Orders as _;
use domain::{ErrorName, Event, Timestamp};
use monitor::{Monitor, Reach};
use operations::Orphan;
use provider::Secret;
use serde_json::{Value, json};
use ship::{Account, Ship, ShipStation};
use step::Ask;
use store::Store;
use tests::{
    Database, Outbox, STATE_MACHINE, Sandbox, StepFunctions, database, document, sandbox,
    sdk_config, step_functions,
};
use workflow::Workflow;

const ORDER: &str = "ord-1";

struct Shop {
    database: Database,
    sandbox: Sandbox,
    // Serves the steps' functions, too.
    step_functions: StepFunctions,
    monitor: Monitor<Outbox>,
    actions: Actions,
    http: reqwest::Client,
}

impl Shop {
    async fn open() -> Self {
        let (database, sandbox) = (database().await, sandbox().await);
        let step_functions = step_functions();
        let steps = Steps::open(&database, &sandbox);
        let runtime = tokio::runtime::Handle::current();
        step_functions.steps_are(Arc::new(move |first, input| {
            runtime.block_on(steps.answer(first, input))
        }));
        let http = reqwest::Client::builder().tls_certs_only([]).build();
        let reach = reach(&database, &step_functions);
        Self {
            monitor: Monitor::new(reach, Outbox::default(), "test").auditing(),
            actions: self::reach(&database, &step_functions).actions,
            database,
            sandbox,
            step_functions,
            http: http.expect("a client"),
        }
    }

    /// A payment as somebody makes it with our credential: what is in its metadata.
    async fn pay(&self, metadata: &[(&str, &str)]) {
        let mut form = vec![
            ("amount", "3098"),
            ("currency", "usd"),
            ("payment_method", "pm_card_visa"),
            ("payment_method_types[]", "card"),
            ("confirm", "true"),
            ("capture_method", "manual"),
        ];
        form.extend(metadata);
        self.sandbox.in_dashboard("payment_intents", &form).await;
    }

    /// One of an order, as the step makes it.
    async fn pay_for(&self, order: &str) {
        self.pay(&[
            ("metadata[order_id]", order),
            ("metadata[attempt]", "1"),
            ("metadata[environment]", "test"),
        ])
        .await;
    }

    /// A label as somebody buys it with our credential.
    async fn buy(&self, external_id: &str) {
        let place = json!({"name": "Ada Example", "phone": "1", "address_line1": "1 Main St",
            "city_locality": "Springfield", "state_province": "IL", "postal_code": "62701",
            "country_code": "US"});
        let label = json!({"shipment": {"carrier_id": "se-1", "service_code": "usps_priority_mail",
            "warehouse_id": "se-1", "external_shipment_id": external_id,
            "external_order_id": ORDER, "ship_to": place,
            "packages": [{"weight": {"value": 1, "unit": "gram"}}]}});
        let request = self.http.post(format!("{}/v2/labels", self.sandbox.url));
        let request = request.header("API-Key", "TEST_sandbox").json(&label);
        let answer = request.send().await.expect("an answer");
        assert!(answer.status().is_success(), "{external_id}");
    }

    /// The references of what the providers made, of this kind: `authorizations` or `shipments`.
    async fn made(&self, kind: &str) -> Vec<String> {
        let ledger = self.sandbox.ledger().await;
        let made = ledger[kind].as_array().expect("a list").iter();
        made.map(|one| one["id"].as_str().expect("an id").to_owned())
            .collect()
    }

    /// Sweeps so many minutes from now, three times, once for each pass; what is an orphan then.
    async fn found_after(&self, minutes: i64) -> Vec<Orphan> {
        let now = Timestamp::now().as_millisecond() + minutes * 60_000;
        let now = Timestamp::from_millisecond(now).expect("a time");
        for _ in 0..3 {
            self.monitor.sweep(now).await.expect("a sweep");
        }
        self.orphans().await
    }

    async fn orphans(&self) -> Vec<Orphan> {
        self.database.read_models.orphans().await.expect("a list")
    }

    async fn let_go(&self, reference: &str) -> Result<String, Refused> {
        let reason = "made twice".parse().expect("a reason");
        let who = Attribution {
            by: "somebody",
            reason: &reason,
            at: Timestamp::now(),
        };
        self.actions.let_go(reference, who).await
    }

    /// An order whose money was held and let go of, as the ledger has it.
    async fn closed_order(&self, payment: &str) {
        let payment = payment.to_owned();
        let held = Authorization::Held {
            payment,
            made_at: None,
        };
        self.database.did::<Authorize>(ORDER, held).await;
        let error = ErrorName::CarrierUnavailable;
        self.database.reversing(ORDER, error).await;
        self.database.did::<Unbook>(ORDER, Unbooking::Nothing).await;
        self.database.did::<Reverse>(ORDER, Reversal::Voided).await;
        self.database.released(ORDER).await;
    }
}

fn reach(database: &Database, step_functions: &StepFunctions) -> Reach {
    let config = sdk_config(&step_functions.url);
    let workflow = Workflow::new(&config, STATE_MACHINE);
    let steps = ["charge", "ship", "notify"].map(|step| (step.to_owned(), step.to_owned()));
    let (store, read_models) = (database.store.clone(), database.read_models.clone());
    let actions = Actions::new(
        &config,
        store.clone(),
        read_models.clone(),
        workflow.clone(),
        HashMap::from(steps),
    );
    Reach {
        store,
        read_models,
        workflow,
        actions,
    }
}

/// The functions of the steps, as far as they are asked about the books.
struct Steps {
    charge: Charge<Store, Stripe>,
    ship: Ship<Store, ShipStation>,
}

impl Steps {
    fn open(database: &Database, sandbox: &Sandbox) -> Self {
        let config = sdk_config(&sandbox.url);
        let account = Account {
            carrier_id: "se-1".to_owned(),
            service_code: "usps_priority_mail".to_owned(),
            service_code_abroad: Some("usps_priority_mail_international".to_owned()),
            warehouse_id: "se-1".to_owned(),
            contact_phone: "555-0100".to_owned(),
        };
        let secret = Secret::known(&config, "sk_test_sandbox");
        let stripe = Stripe::new(&sandbox.url, secret, "test").expect("an adapter");
        let secret = Secret::known(&config, "TEST_sandbox");
        let carrier = ShipStation::new(&sandbox.url, secret, account, "test");
        let store = database.store.clone();
        Self {
            charge: Charge::new(store.clone(), stripe, Duration::ZERO),
            ship: Ship::new(store, carrier.expect("an adapter"), tests::packing()),
        }
    }

    async fn answer(&self, first: &str, input: &Value) -> Result<Value, Value> {
        let Ok(ask) = serde_json::from_value::<Ask>(input.clone()) else {
            // Not about the books.
            return Ok(json!({"resolved": false, "differs": null}));
        };
        let answer = if first.contains("/charge/") {
            self.charge.answer(ask).await
        } else {
            self.ship.answer(ask).await
        };
        answer.map_err(
            |error| json!({"errorType": error.name().as_str(), "errorMessage": error.message()}),
        )
    }
}

#[tokio::test]
async fn a_payment_made_behind_our_back_is_an_orphan_and_an_operator_lets_go_of_it() {
    let shop = Shop::open().await;
    shop.database.validated(&document(ORDER)).await;
    shop.pay_for(ORDER).await;
    shop.pay_for("ord-unknown").await;
    assert_eq!(shop.found_after(20).await, [], "somebody may be at it");
    let found = shop.found_after(31).await;
    let made = shop.made("authorizations").await;
    let references: Vec<_> = found.iter().map(|one| &one.posting.reference).collect();
    assert_eq!(references, made.iter().collect::<Vec<_>>());
    let held = Stands::Held(tests::money(3098, "USD"));
    assert_eq!(found[0].posting.stands, held);

    // Until the order has another one, it may find this one.
    let refused = shop.let_go(&made[0]).await;
    assert!(
        matches!(&refused, Err(Refused::NotPossible(why)) if why.contains("may still go on with")),
        "{refused:?}"
    );
    let held = Authorization::Held {
        payment: "pi_of_the_order".to_owned(),
        made_at: None,
    };
    shop.database.did::<Authorize>(ORDER, held).await;

    for reference in &made {
        let done = shop.let_go(reference).await;
        assert_eq!(done.as_deref(), Ok("nothing stands of it any more"));
    }
    let effects = shop.sandbox.effects().await;
    assert_eq!(
        effects,
        ["authorizations", "authorizations", "voids", "voids"]
    );
    assert_eq!(shop.orphans().await, []);
    let over = shop.database.read_models.orphan(&made[0]).await;
    let asked = over.expect("an answer").and_then(|orphan| orphan.let_go);
    let asked = asked.expect("who and why");
    assert_eq!(
        (asked.by.as_str(), asked.reason.as_str()),
        ("somebody", "made twice")
    );
    let id = ORDER.parse().expect("an id");
    let record = shop.database.store.load(&id).await.expect("an answer");
    let audit = record.expect("the order").audit;
    assert!(
        audit
            .iter()
            .any(|event| event.event == Event::LetGoRequested)
    );
    let unknown = "ord-unknown".parse().expect("an id");
    let unknown = shop.database.store.load(&unknown).await;
    assert_eq!(unknown, Ok(None), "an order is not made by a note on it");
    assert!(matches!(
        shop.let_go(&made[0]).await,
        Err(Refused::NotPossible(_))
    ));
}

#[tokio::test]
async fn what_another_environment_holds_is_never_touched() {
    let shop = Shop::open().await;
    shop.database.validated(&document(ORDER)).await;
    let order = ("metadata[order_id]", ORDER);
    shop.pay(&[order, ("metadata[environment]", "prod")]).await;
    shop.pay(&[order, ("metadata[environment]", "test-2")])
        .await;
    shop.pay(&[order]).await;
    shop.buy("prod.ord-1-1").await;
    shop.buy("test-2.ord-1-1").await;
    shop.buy("ord-1-1").await;
    assert_eq!(shop.found_after(31).await, []);
    for (kind, of) in [
        (PostingKind::Payment, "authorizations"),
        (PostingKind::Label, "shipments"),
    ] {
        for reference in shop.made(of).await {
            let seen = shop.actions.look_up(kind, &reference).await;
            assert_eq!(seen, Ok(None), "{reference}");
        }
    }
}

#[tokio::test]
async fn a_label_that_was_bought_twice_is_an_orphan_and_the_one_on_the_ledger_is_not() {
    let shop = Shop::open().await;
    shop.database.validated(&document(ORDER)).await;
    let payment = "pi_of_another_day".to_owned();
    let held = Authorization::Held {
        payment,
        made_at: None,
    };
    shop.database.did::<Authorize>(ORDER, held).await;
    shop.buy("test.ord-1-1").await;
    shop.buy("test.ord-1-again").await;
    let labels = shop.made("shipments").await;
    let booked = Booking::Booked {
        label: labels[0].clone(),
        carrier: "usps".to_owned(),
        tracking: "9400".to_owned(),
    };
    shop.database.did::<Book>(ORDER, booked).await;
    let found = shop.found_after(31).await;
    let references: Vec<_> = found.iter().map(|one| &one.posting.reference).collect();
    assert_eq!(references, [&labels[1]]);
    // Somebody voids it in the carrier's dashboard: it is over by itself.
    shop.sandbox.void_label(&labels[1]).await;
    assert_eq!(
        shop.found_after(33).await.len(),
        1,
        "nobody looks that often"
    );
    assert_eq!(shop.found_after(37).await, []);
}

#[tokio::test]
async fn money_of_a_closed_order_is_an_orphan_and_goes_back() {
    let shop = Shop::open().await;
    shop.database.validated(&document(ORDER)).await;
    shop.pay_for(ORDER).await;
    let payment = shop.made("authorizations").await.remove(0);
    shop.closed_order(&payment).await;
    let capture = format!("payment_intents/{payment}/capture");
    shop.sandbox.in_dashboard(&capture, &[]).await;
    let found = shop.found_after(31).await;
    assert_eq!(found.len(), 1);
    let kept = Stands::Kept(tests::money(3098, "USD"));
    assert_eq!(found[0].posting.stands, kept);
    // What somebody gave back of it is not there any more.
    let part = [("payment_intent", payment.as_str()), ("amount", "1000")];
    shop.sandbox.in_dashboard("refunds", &part).await;
    let found = shop.found_after(37).await;
    let kept = Stands::Kept(tests::money(2098, "USD"));
    assert_eq!(found[0].posting.stands, kept);
    let done = shop.let_go(&payment).await;
    assert_eq!(done.as_deref(), Ok("nothing stands of it any more"));
    let effects = shop.sandbox.effects().await;
    assert_eq!(
        effects,
        ["authorizations", "captures", "refunds", "refunds"]
    );
}

#[tokio::test]
async fn a_refund_that_was_made_accounts_for_a_captured_payment() {
    let shop = Shop::open().await;
    shop.database.validated(&document(ORDER)).await;
    shop.pay_for(ORDER).await;
    let payment = shop.made("authorizations").await.remove(0);
    shop.closed_order(&payment).await;
    let capture = format!("payment_intents/{payment}/capture");
    shop.sandbox.in_dashboard(&capture, &[]).await;
    let whole = [("payment_intent", payment.as_str())];
    shop.sandbox.in_dashboard("refunds", &whole).await;
    assert_eq!(shop.found_after(31).await, []);
}

#[tokio::test]
async fn what_comes_after_its_order_was_closed_is_found_a_day_later() {
    let shop = Shop::open().await;
    shop.database.validated(&document(ORDER)).await;
    // Somebody is at work on it.
    shop.database.claimed::<Authorize>(ORDER, -1).await;
    shop.pay_for(ORDER).await;
    assert_eq!(shop.found_after(31).await, []);
    // The undo did not find it.
    let error = ErrorName::PaymentUnavailable;
    shop.database.reversing(ORDER, error).await;
    shop.database.did::<Unbook>(ORDER, Unbooking::Nothing).await;
    shop.database.did::<Reverse>(ORDER, Reversal::Nothing).await;
    shop.database.released(ORDER).await;
    assert_eq!(shop.found_after(35).await, [], "that time was read");
    let found = shop.found_after(26 * 60 + 5).await;
    assert_eq!(found.len(), 1);
}

#[tokio::test]
async fn an_order_that_is_paid_and_shipped_accounts_for_both() {
    let shop = Shop::open().await;
    shop.database.validated(&document(ORDER)).await;
    shop.pay_for(ORDER).await;
    shop.buy("test.ord-1-1").await;
    let payment = shop.made("authorizations").await.remove(0);
    let label = shop.made("shipments").await.remove(0);
    let capture = format!("payment_intents/{payment}/capture");
    let held = Authorization::Held {
        payment,
        made_at: None,
    };
    shop.database.did::<Authorize>(ORDER, held).await;
    let booked = Booking::Booked {
        label,
        carrier: "usps".to_owned(),
        tracking: "9400".to_owned(),
    };
    shop.database.did::<Book>(ORDER, booked).await;
    shop.sandbox.in_dashboard(&capture, &[]).await;
    let amount = tests::money(3098, "USD");
    let taken = CaptureResult::Taken { amount };
    shop.database.did::<Capture>(ORDER, taken).await;
    assert_eq!(shop.found_after(31).await, []);
    assert_eq!(shop.found_after(26 * 60 + 31).await, []);
}

#[tokio::test]
async fn what_a_ledger_accounts_for_is_not_let_go_of() {
    let shop = Shop::open().await;
    shop.database.validated(&document(ORDER)).await;
    shop.pay_for(ORDER).await;
    assert_eq!(shop.found_after(31).await.len(), 1);
    // The order goes on, and finds it.
    let payment = shop.made("authorizations").await.remove(0);
    let held = Authorization::Held {
        payment: payment.clone(),
        made_at: None,
    };
    shop.database.did::<Authorize>(ORDER, held).await;
    let refused = shop.let_go(&payment).await;
    let why = format!("order {ORDER} accounts for {payment}");
    assert_eq!(refused, Err(Refused::NotPossible(why)));
    assert_eq!(shop.sandbox.effects().await, ["authorizations"]);
    assert_eq!(shop.found_after(40).await, [], "it is no orphan any more");
}

#[tokio::test]
async fn a_page_that_was_not_read_is_read_by_the_next_sweep_and_so_is_the_one_after_it() {
    let shop = Shop::open().await;
    shop.pay_for("ord-oldest").await;
    for _ in 0..100 {
        shop.pay(&[("metadata[environment]", "prod")]).await;
    }
    shop.pay_for("ord-latest").await;
    let fault = json!({"provider": "payment", "operation": "find", "mode": "error", "status": 500,
        "order_id": "*"});
    shop.sandbox.plant_fault(&fault).await;
    // A minute in which payments are read first.
    let minute = Timestamp::now().as_second().unsigned_abs() / 60 + 31;
    let first = minute.next_multiple_of(4).cast_signed() * 60;
    let first = Timestamp::from_second(first).expect("a time");
    shop.monitor.sweep(first).await.expect("a sweep");
    assert_eq!(shop.sandbox.fired().await, ["find error"]);
    assert_eq!(shop.orphans().await, []);
    // Later, and still of the time that could not be read.
    let found = shop.found_after(31 + 90).await;
    let orders: Vec<_> = found
        .iter()
        .map(|one| one.posting.order_id.as_ref().expect("an order").as_str())
        .collect();
    assert_eq!(orders, ["ord-oldest", "ord-latest"]);
}

#[tokio::test]
async fn an_orphan_is_kept_once_and_survives_being_written_twice() {
    let shop = Shop::open().await;
    let posting = Posting {
        kind: PostingKind::Label,
        reference: "se-1".to_owned(),
        order_id: None,
        amount: None,
        stands: Stands::Live,
        made_at: Timestamp::UNIX_EPOCH,
    };
    let orphan = Orphan::found(posting, Timestamp::UNIX_EPOCH);
    let read_models = &shop.database.read_models;
    assert_eq!(read_models.put_orphan(&orphan).await, Ok(true));
    assert_eq!(read_models.put_orphan(&orphan).await, Ok(false));
    assert_eq!(read_models.orphan("se-1").await, Ok(Some(orphan.clone())));
    assert_eq!(shop.orphans().await, [orphan]);
}
