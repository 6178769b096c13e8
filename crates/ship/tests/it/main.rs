//! The step against real engines: an embedded DynamoDB, and the sandbox over HTTP.
#![expect(clippy::expect_used, reason = "tests")]

mod at_most_one;
mod book;
mod books;
mod cancel;
mod errors;
mod labels;
mod parcels;
mod resolve;
mod restart;
mod settle;

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use domain::ledger::{Authorization, Authorize};
use domain::ports::Invocation;
use domain::{Article, ErrorName, Goods, StepError};
use provider::Secret;
use serde_json::{Value, json};
use ship::{Account, Action, Ship, ShipStation};
use step::{FailureInput, Task};
use store::Store;
use tests::{
    Database, Sandbox, assert_impersonal, database, document, invocation, nobody, packing, sandbox,
    sdk_config,
};

/// The order that every test here is about.
const ORDER: &str = "ord-1";

/// The step with everything around it.
struct Shop {
    database: Database,
    sandbox: Sandbox,
    ship: Ship<Store, ShipStation>,
    invocations: AtomicU32,
}

impl Shop {
    async fn open() -> Self {
        let (database, sandbox) = (database().await, sandbox().await);
        let ship = Ship::new(
            database.store.clone(),
            ship_station(&sandbox.url).await,
            packing(),
        );
        Self {
            database,
            sandbox,
            ship,
            invocations: AtomicU32::new(0),
        }
    }

    /// A shop with an order whose money is held.
    async fn with_order() -> Self {
        Self::with_document(&document(ORDER)).await
    }

    async fn with_document(document: &Value) -> Self {
        let shop = Self::open().await;
        shop.database.validated(document).await;
        let held = Authorization::Held {
            payment: "pi_1".to_owned(),
            made_at: None,
        };
        shop.database.did::<Authorize>(ORDER, held).await;
        shop
    }

    /// A shop with an order that is shipped.
    async fn with_booked_shipment() -> Self {
        let shop = Self::with_order().await;
        shop.run(Action::Book).await.expect("booked");
        shop
    }

    /// Until the carrier would have shown a label that was asked for.
    async fn wait_for_late_labels(&self) {
        let time = Duration::from_mins(3);
        self.database.elapse(ORDER, time).await;
    }

    /// What the carrier has of the order's shipment.
    async fn shipment(&self) -> Value {
        self.asked("shipments/external_shipment_id/test.ord-1-1")
            .await
    }

    /// What the carrier answers.
    async fn asked(&self, path: &str) -> Value {
        self.sandbox.at_carrier("GET", path, &json!({})).await
    }

    /// What is known of mugs from now on.
    async fn knows_mugs(&self, goods: &Goods) {
        let article = Article {
            sku: "MUG-01".parse().expect("a sku"),
            unit_price: tests::money(1299, "USD"),
            available: 100,
            goods: goods.clone(),
        };
        let put = self.database.store.put_article(&article).await;
        put.expect("an article");
    }

    /// The next invocation, by an owner that nobody has seen before.
    fn invocation(&self) -> Invocation {
        let number = self.invocations.fetch_add(1, Ordering::Relaxed);
        invocation(ORDER, &format!("request-{number}"), 60_000)
    }

    async fn run(&self, action: Action) -> Result<Value, StepError> {
        let failure = match action {
            Action::Book
            | Action::Resolve
            | Action::Compare
            | Action::Document
            | Action::Settle => None,
            Action::Cancel => Some(because(ErrorName::PaymentDeclined.as_str(), "")),
        };
        self.run_task(task(action, self.invocation(), failure))
            .await
    }

    /// Whatever comes of it holds nothing personal.
    async fn run_task(&self, task: Task<Action>) -> Result<Value, StepError> {
        let outcome = self.ship.handle(task).await;
        assert_impersonal(&format!("{outcome:?}"));
        outcome
    }

    /// Runs an action that must fail; the error's name.
    async fn error(&self, action: Action) -> ErrorName {
        let failed = self.run(action).await;
        failed.expect_err("it cannot succeed").name()
    }
}

async fn ship_station(url: &str) -> ShipStation {
    ship_station_of(url, "test").await
}

async fn ship_station_of(url: &str, environment: &str) -> ShipStation {
    let account = Account {
        carrier_id: "se-1".to_owned(),
        service_code: "usps_priority_mail".to_owned(),
        service_code_abroad: Some("usps_priority_mail_international".to_owned()),
        warehouse_id: "se-2".to_owned(),
        contact_phone: "555-0100".to_owned(),
    };
    let secrets = sdk_config(&nobody().await);
    ShipStation::new(url, Secret::known(&secrets, "local"), account, environment).expect("a client")
}

fn task(action: Action, by: Invocation, failure: Option<FailureInput>) -> Task<Action> {
    Task {
        action,
        execution: format!("{}-{}", by.order_id, by.attempt),
        by,
        failure,
        task_token: None,
        settling: None,
    }
}

fn because(error: &str, cause: &str) -> FailureInput {
    FailureInput {
        error: error.to_owned(),
        cause: cause.to_owned(),
    }
}
