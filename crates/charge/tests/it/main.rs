//! The step against real engines: an embedded DynamoDB, and the sandbox over HTTP.
#![expect(clippy::expect_used, reason = "tests")]

mod authorize;
mod books;
mod capture;
mod errors;
mod means;
mod refunds;
mod resolve;
mod restart;
mod reverse;
mod settle;

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use charge::{Action, Charge, Stripe};
use domain::ledger::{Book, Booking};
use domain::ports::Invocation;
use domain::{ErrorName, StepError};
use provider::Secret;
use serde_json::{Value, json};
use step::Task;
use store::Store;
use tests::{
    Database, Sandbox, assert_impersonal, database, document, invocation, later, nobody, sandbox,
    sdk_config,
};

/// The order that every test here is about: 30.98 USD.
const ORDER: &str = "ord-1";

/// The step with everything around it.
struct Shop {
    database: Database,
    sandbox: Sandbox,
    charge: Charge<Store, Stripe>,
    invocations: AtomicU32,
}

impl Shop {
    async fn open() -> Self {
        Self::with_search_lag(Duration::ZERO).await
    }

    async fn with_search_lag(search_lag: Duration) -> Self {
        let (database, sandbox) = (database().await, sandbox().await);
        Self::on(database, sandbox, "test", search_lag).await
    }

    async fn on(
        database: Database,
        sandbox: Sandbox,
        environment: &str,
        search_lag: Duration,
    ) -> Self {
        let stripe = stripe_of(&sandbox.url, environment).await;
        Self {
            charge: Charge::new(database.store.clone(), stripe, search_lag),
            database,
            sandbox,
            invocations: AtomicU32::new(0),
        }
    }

    /// A shop of another environment, with the same account at the provider.
    async fn in_environment(&self, environment: &str) -> Self {
        let sandbox = self.sandbox.clone();
        Self::on(database().await, sandbox, environment, Duration::ZERO).await
    }

    /// A shop with an order whose stock is reserved.
    async fn with_order() -> Self {
        let shop = Self::open().await;
        shop.database.validated(&document(ORDER)).await;
        shop
    }

    /// A shop with an order whose money is held.
    async fn with_held_money() -> Self {
        let shop = Self::with_order().await;
        shop.run(Action::Authorize).await.expect("authorised");
        shop
    }

    /// A shop with an order that is to be paid so, its stock reserved.
    async fn with_order_paid_by(payment: impl AsyncFnOnce(&Sandbox) -> Value) -> Self {
        let shop = Self::open().await;
        let mut document = document(ORDER);
        document["payment"] = payment(&shop.sandbox).await;
        shop.database.validated(&document).await;
        shop
    }

    /// A shop with an order that is shipped.
    async fn with_shipped_order() -> Self {
        let shop = Self::with_held_money().await;
        shop.ship().await;
        shop
    }

    /// The same for an order that is paid by a method that can be used again.
    async fn with_order_shipped_for_a_saved_method() -> Self {
        let saved = async |sandbox: &Sandbox| sandbox.saved("pm_card_visa").await;
        let shop = Self::with_order_paid_by(saved).await;
        shop.run(Action::Authorize).await.expect("authorised");
        shop.ship().await;
        shop
    }

    async fn ship(&self) {
        let booking = Booking::Booked {
            label: "se-1".to_owned(),
            carrier: "usps".to_owned(),
            tracking: "9400".to_owned(),
        };
        self.database.did::<Book>(ORDER, booking).await;
    }

    /// The provider answers an operation with 500 and repeats that for as long as it knows the key.
    async fn keep_error(&self, operation: &str) {
        let fault = json!({"provider": "payment", "operation": operation, "mode": "error",
            "status": 500, "stored": true, "order_id": ORDER});
        self.sandbox.plant_fault(&fault).await;
    }

    /// The payment that holds the order's money, as the ledger has it.
    async fn payment(&self) -> String {
        let state = self.database.state(ORDER).await;
        state.held_payment().expect("held money").to_owned()
    }

    /// The failure branch begins.
    async fn fail(&self) {
        let error = ErrorName::CarrierUnavailable;
        self.database.reversing(ORDER, error).await;
    }

    /// The next invocation, by an owner that nobody has seen before.
    fn invocation(&self) -> Invocation {
        let number = self.invocations.fetch_add(1, Ordering::Relaxed);
        invocation(ORDER, &format!("request-{number}"), 60_000)
    }

    async fn run(&self, action: Action) -> Result<Value, StepError> {
        self.run_by(action, self.invocation()).await
    }

    async fn run_after_hours(&self, hours: i64, action: Action) -> Result<Value, StepError> {
        self.run_by(action, later(self.invocation(), hours)).await
    }

    /// Whatever comes of it holds nothing personal.
    async fn run_by(&self, action: Action, by: Invocation) -> Result<Value, StepError> {
        let outcome = self.charge.handle(task(action, by)).await;
        assert_impersonal(&format!("{outcome:?}"));
        outcome
    }

    /// Runs an action that must fail; the error's name.
    async fn error(&self, action: Action) -> ErrorName {
        let failed = self.run(action).await;
        failed.expect_err("it cannot succeed").name()
    }
}

async fn stripe(url: &str) -> Stripe {
    stripe_of(url, "test").await
}

async fn stripe_of(url: &str, environment: &str) -> Stripe {
    let secrets = sdk_config(&nobody().await);
    Stripe::new(url, Secret::known(&secrets, "sk_test_local"), environment).expect("a client")
}

fn task(action: Action, by: Invocation) -> Task<Action> {
    Task {
        action,
        execution: format!("{}-{}", by.order_id, by.attempt),
        by,
        failure: None,
        task_token: None,
        settling: None,
    }
}
