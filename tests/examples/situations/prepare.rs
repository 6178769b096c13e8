//! An order in the very situation that an event file is about, without an execution of its own.

use std::path::Path;
use std::time::Duration;

use charge::{Charge, Stripe};
use domain::ledger::{Authorize, Book};
use domain::ports::Orders as _;
use domain::{Actor, AuditEvent, Customs, Decision, ErrorName, Event, Goods, OrderId, Timestamp};
use provider::Secret;
use serde::Deserialize;
use serde_json::{Value, json};
use ship::{Account, Ship, ShipStation};
use step::{FailureInput, Task};
use store::{Article, Store};
use validate::Validate;

/// What these orders are for; nobody else's stock.
const ARTICLE: &str = "EVENT-01";
const SOLD_OUT: &str = "EVENT-02";
/// For how long an invocation that is said to be at work keeps others away.
const BUSY_MS: i64 = 24 * 3_600_000;

/// A line of `tests/events/situations.json`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Situation {
    /// `function/situation`: the event's file.
    pub(crate) event: String,
    pub(crate) what: String,
    /// What has happened to the order; none if there is no order.
    before: Option<Vec<String>>,
    #[serde(default)]
    sold_out: bool,
    #[serde(default)]
    order_quantity: Option<u64>,
    #[serde(default)]
    payment_method: Option<String>,
    #[serde(default)]
    postal_code: Option<String>,
    /// What goes wrong with the provider; an outage unless it says otherwise.
    #[serde(default)]
    fault: Option<Value>,
    /// A part of the function's answer,
    #[serde(default)]
    pub(crate) answer: Option<String>,
    /// or the error's name,
    #[serde(default)]
    pub(crate) error: Option<ErrorName>,
    /// or the HTTP statuses that it may answer.
    #[serde(default)]
    pub(crate) status: Vec<u16>,
}

impl Situation {
    fn order(&self) -> String {
        format!("event-{}", self.event.replace('/', "-"))
    }

    pub(crate) fn expected(&self) -> String {
        match (&self.answer, self.error) {
            (_, Some(error)) => error.to_string(),
            (Some(answer), None) => format!("an answer with {answer}"),
            (None, None) => format!("HTTP {:?}", self.status),
        }
    }
}

/// All of them, in the order of their file.
pub(crate) fn situations() -> Vec<Situation> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("events/situations.json");
    let text = std::fs::read(file).expect("the situations");
    serde_json::from_slice(&text).expect("situations")
}

/// Of an article that can be sent anywhere.
fn anywhere() -> Goods {
    let customs = Customs {
        hs_code: "691200".parse().expect("a code"),
        origin: "PT".parse().expect("a country"),
        description: "Ceramic mug".to_owned(),
    };
    Goods {
        customs: Some(customs),
        ..Goods::default()
    }
}

/// A local stack, and the steps as they are outside of it.
pub(crate) struct Stack {
    store: Store,
    validate: Validate<Store, validate::ShipStation>,
    charge: Charge<Store, Stripe>,
    ship: Ship<Store, ShipStation>,
    sandbox: String,
    http: reqwest::Client,
}

impl Stack {
    pub(crate) async fn at(endpoints: &Value) -> Self {
        let text = |name: &str| endpoints[name].as_str().expect("an endpoint").to_owned();
        let config = tests::sdk_config(&text("aws"));
        let sandbox = text("sandbox");
        let store = Store::new(&config, text("orders_table"), text("stock_table"))
            .announcing_in(text("read_models_table"));
        for (sku, unit_price, available) in [(ARTICLE, 1299, 1_000_000), (SOLD_OUT, 1299, 0)] {
            let article = Article {
                sku: sku.parse().expect("a sku"),
                unit_price: tests::money(unit_price, "USD"),
                available,
                goods: anywhere(),
            };
            store.put_article(&article).await.expect("an article");
        }
        let account = Account {
            carrier_id: "se-1".to_owned(),
            service_code: "usps_priority_mail".to_owned(),
            service_code_abroad: Some("usps_priority_mail_international".to_owned()),
            warehouse_id: "se-1".to_owned(),
            contact_phone: "+1 555 0100".to_owned(),
        };
        // The stack on a laptop has to know them for its own.
        let environment = "local";
        let stripe = Secret::known(&config, "sk_test_sandbox");
        let stripe = Stripe::new(&sandbox, stripe, environment);
        let carrier = Secret::known(&config, "TEST_sandbox");
        let carrier = ShipStation::new(&sandbox, carrier, account, environment);
        let limit = tests::money(50_000, "USD");
        let limits = [(limit.currency(), limit)].into();
        Self {
            validate: Validate::new(store.clone(), limits, tests::packing()),
            charge: Charge::new(store.clone(), stripe.expect("an adapter"), Duration::ZERO),
            ship: Ship::new(
                store.clone(),
                carrier.expect("an adapter"),
                tests::packing(),
            ),
            store,
            sandbox,
            http: reqwest::Client::builder()
                .no_proxy()
                .build()
                .expect("a client"),
        }
    }

    /// Brings the situation's order to where it has to be. Again, it changes nothing.
    pub(crate) async fn prepare(&self, situation: &Situation) {
        let Some(before) = &situation.before else {
            return;
        };
        let order = situation.order();
        let submission = tests::submission(&document(situation, &order));
        let accepted = self.store.accept(&submission, Timestamp::now()).await;
        accepted.expect("accepted");
        for what in before {
            self.happen(&order, what).await;
        }
        if let Some(fault) = &situation.fault {
            let mut planted =
                json!({"mode": "error", "status": 503, "times": 1000, "order_id": order});
            for (name, value) in fault.as_object().into_iter().flatten() {
                planted[name] = value.clone();
            }
            let url = format!("{}/_sandbox/faults", self.sandbox);
            let answer = self.http.post(url).json(&planted).send().await;
            assert!(
                answer.expect("the sandbox").status().is_success(),
                "{planted}"
            );
        }
    }

    /// What a step answers here, the function's own answer tells at last.
    async fn happen(&self, order: &str, what: &str) {
        let by = tests::invocation(order, &format!("prepare-{what}"), 60_000);
        let busy = tests::invocation(order, "somebody-else", BUSY_MS);
        match what {
            "validate" => drop(
                self.validate
                    .handle(task(validate::Action::Validate, by))
                    .await,
            ),
            "release" => drop(
                self.validate
                    .handle(task(validate::Action::Release, by))
                    .await,
            ),
            "authorize" => drop(
                self.charge
                    .handle(task(charge::Action::Authorize, by))
                    .await,
            ),
            "capture" => drop(self.charge.handle(task(charge::Action::Capture, by)).await),
            "reverse" => drop(self.charge.handle(task(charge::Action::Reverse, by)).await),
            "book" => drop(self.ship.handle(task(ship::Action::Book, by)).await),
            "cancel" => drop(self.ship.handle(task(ship::Action::Cancel, by)).await),
            "busy-authorize" => drop(self.store.claim::<Authorize>(&busy).await),
            "busy-book" => drop(self.store.claim::<Book>(&busy).await),
            "approve" => self.decide(&by.order_id, Decision::Approved).await,
            "reject" => self.decide(&by.order_id, Decision::Rejected).await,
            "cancel-request" => drop(self.store.request_cancel(&by.order_id, by.now).await),
            other => panic!("{other} is nothing that can happen to an order"),
        }
    }
}

impl Stack {
    async fn decide(&self, order_id: &OrderId, decision: Decision) {
        let event = AuditEvent::new(
            Timestamp::now(),
            Event::Approved,
            Actor::Operator("prepare".to_owned()),
            "to be in this situation",
        );
        let decided = self.store.decide_review(order_id, decision, &event).await;
        drop(decided.expect("a decision"));
    }
}

fn document(situation: &Situation, order: &str) -> Value {
    let mut document = tests::document(order);
    let line = &mut document["lines"][0];
    line["sku"] = json!(if situation.sold_out {
        SOLD_OUT
    } else {
        ARTICLE
    });
    if let Some(quantity) = situation.order_quantity {
        line["quantity"] = json!(quantity);
    }
    let price = |field: &str| line[field].as_u64().unwrap_or_default();
    let total = price("quantity") * price("unit_price") + 500;
    document["total"] = json!(total);
    if let Some(method) = &situation.payment_method {
        document["payment"]["method"] = json!(method);
    }
    if let Some(postal_code) = &situation.postal_code {
        document["shipping_address"]["postal_code"] = json!(postal_code);
    }
    document
}

fn task<A>(action: A, by: domain::ports::Invocation) -> Task<A> {
    Task {
        action,
        execution: format!("{}-1", by.order_id),
        by,
        failure: Some(FailureInput {
            error: ErrorName::CarrierUnavailable.as_str().to_owned(),
            cause: String::new(),
        }),
        task_token: None,
        settling: None,
    }
}
