//! All steps and undos on the real adapters, an embedded database and embedded providers, with
//! every call of theirs planned.

mod calls;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

pub(crate) use calls::Do;
use charge::{Charge, Stripe};
use domain::StepError;
use domain::ports::Invocation;
use notify::Notify;
use provider::Secret;
use serde_json::{Value, json};
use ship::{Account, Ship, ShipStation};
use step::Task;
use store::Store;
use tests::{Database, Faulty, Outbox, Plan, Sandbox, database, document, sandbox, sdk_config};
use validate::Validate;

/// What every order of these tests takes one piece of.
pub(crate) const ARTICLE: &str = "PIECE-01";
/// How many there are at first.
pub(crate) const PIECES: u64 = 100_000;
/// What such an order costs.
pub(crate) const TOTAL: u64 = 1500;

type Running<'a> = Pin<Box<dyn Future<Output = Result<Value, StepError>> + Send + 'a>>;
type FaultyNotify = Notify<Faulty<Store>, Faulty<Outbox>, Faulty<Outbox>, Faulty<Outbox>>;

pub(crate) struct Shop {
    pub(crate) database: Database,
    pub(crate) sandbox: Sandbox,
    pub(crate) outbox: Arc<Outbox>,
    store: Arc<Store>,
    stripe: Arc<Stripe>,
    carrier: Arc<ShipStation>,
    addresses: Arc<validate::ShipStation>,
    pub(crate) http: reqwest::Client,
}

impl Shop {
    pub(crate) async fn open() -> Self {
        let (database, sandbox) = (database().await, sandbox().await);
        database.article(ARTICLE, 1000, "USD", PIECES).await;
        let config = sdk_config(&sandbox.url);
        let secret = Secret::known(&config, "sk_test_sandbox");
        let stripe = Stripe::new(&sandbox.url, secret, "test");
        let account = Account {
            carrier_id: "se-1".to_owned(),
            service_code: "usps_priority_mail".to_owned(),
            service_code_abroad: Some("usps_priority_mail_international".to_owned()),
            warehouse_id: "se-1".to_owned(),
            contact_phone: "+1 555 0100".to_owned(),
        };
        let secret = Secret::known(&config, "TEST_sandbox");
        let carrier = ShipStation::new(&sandbox.url, secret, account, "test");
        let secret = Secret::known(&config, "TEST_sandbox");
        let addresses = validate::ShipStation::new(&sandbox.url, secret);
        let http = reqwest::Client::builder().no_proxy().build();
        Self {
            addresses: Arc::new(addresses.expect("an adapter")),
            store: Arc::new(database.store.clone()),
            outbox: Arc::default(),
            stripe: Arc::new(stripe.expect("an adapter")),
            carrier: Arc::new(carrier.expect("an adapter")),
            http: http.expect("a client"),
            database,
            sandbox,
        }
    }

    /// Accepts an order for one piece, paid by a method that works again should its hold lapse.
    pub(crate) async fn accept(&self, order: &str) {
        let mut document = document(order);
        document["payment"] = self.sandbox.saved("pm_card_visa").await;
        document["lines"] = json!([{"sku": ARTICLE, "quantity": 1, "unit_price": 1000}]);
        document["total"] = json!(TOTAL);
        self.database.accepted(&document).await;
    }

    async fn validate(
        &self,
        plan: &Plan,
        task: Task<validate::Action>,
    ) -> Result<Value, StepError> {
        let limit = tests::money(1_000_000, "USD");
        let limits = [(limit.currency(), limit)].into();
        let validate = Validate::new(self.orders(plan), limits, tests::packing());
        let addresses = Faulty::new(&self.addresses, plan);
        validate.looking_up(addresses).handle(task).await
    }

    async fn charge(&self, plan: &Plan, task: Task<charge::Action>) -> Result<Value, StepError> {
        let (stripe, lag) = (Faulty::new(&self.stripe, plan), Duration::from_mins(2));
        let charge = Charge::new(self.orders(plan), stripe, lag);
        charge.handle(task).await
    }

    pub(crate) async fn ship(
        &self,
        plan: &Plan,
        task: Task<ship::Action>,
    ) -> Result<Value, StepError> {
        let ship = Ship::new(
            self.orders(plan),
            Faulty::new(&self.carrier, plan),
            tests::packing(),
        );
        ship.handle(task).await
    }

    pub(crate) async fn notify(
        &self,
        plan: &Plan,
        task: Task<notify::Action>,
    ) -> Result<Value, StepError> {
        let outbox = || Faulty::new(&self.outbox, plan);
        let notify: FaultyNotify = Notify::new(self.orders(plan), outbox(), outbox(), outbox());
        notify.handle(task).await
    }

    fn orders(&self, plan: &Plan) -> Faulty<Store> {
        Faulty::new(&self.store, plan)
    }

    /// What the providers know of an order: each effect once.
    pub(crate) async fn ledger(&self, order: &str) -> Value {
        let url = format!("{}/_sandbox/ledger?order_id={order}", self.sandbox.url);
        let answer = self.http.get(url).send().await.expect("an answer");
        answer.json().await.expect("a ledger")
    }
}

/// As the state machine sends it.
pub(crate) fn task<A>(action: A, by: Invocation) -> Task<A> {
    Task {
        action,
        by,
        failure: None,
        task_token: None,
        settling: None,
        execution: String::new(),
    }
}

/// How many effects of a kind a ledger has.
pub(crate) fn count(ledger: &Value, kind: &str) -> usize {
    ledger[kind].as_array().expect("a list").len()
}
