//! Crashes before and after every I/O of every step and undo: run again, or reverse instead, and
//! there is one effect of each, or none that is not taken back.
//!
//! The points are enumerated by the code under test: an order is crashed at its first point, the
//! next at its second, until one gets through without reaching the point it was to crash at.
#![expect(clippy::expect_used, reason = "tests")]

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use charge::{Charge, Stripe};
use domain::ledger::{Booking, Effect, Unbooking};
use domain::ports::{
    Accepted, AuthorizeRequest, BookRequest, Cancellation, Carrier, Claimed, Decided, Invocation,
    OperatorEvent, Orders, Payment, PaymentProvider, ProviderError, Record, Reserved, Stock,
    StoreError,
};
use domain::{
    Decision, Failure, Line, Money, Order, OrderId, OrderState, Stage, StepError, Submission,
    Timestamp,
};
use provider::Secret;
use serde_json::{Value, json};
use ship::{Account, Ship, ShipStation};
use step::{FailureInput, Task};
use store::Store;
use tests::{Database, Sandbox, database, document, invocation, later, sandbox, sdk_config};
use tokio::sync::Notify;
use validate::Validate;

/// Where the next crash happens, and whether it has.
#[derive(Clone, Default)]
struct Plan(Arc<Points>);

#[derive(Default)]
struct Points {
    reached: AtomicUsize,
    crash_at: AtomicUsize,
    crashed: Notify,
}

impl Plan {
    fn crash_at(&self, point: usize) {
        self.0.reached.store(0, Ordering::SeqCst);
        self.0.crash_at.store(point, Ordering::SeqCst);
    }

    /// A function that is killed here never goes on; its future is dropped.
    async fn point(&self) {
        let here = self.0.reached.fetch_add(1, Ordering::SeqCst);
        if here == self.0.crash_at.load(Ordering::SeqCst) {
            self.0.crashed.notify_one();
            pending::<()>().await;
        }
    }

    fn has_crashed(&self) -> bool {
        self.0.reached.load(Ordering::SeqCst) > self.0.crash_at.load(Ordering::SeqCst)
    }
}

/// A port with a point before and one after each of its calls.
#[derive(Clone)]
struct Crashing<T> {
    inner: T,
    plan: Plan,
}

macro_rules! io {
    ($self:ident.$($call:tt)+) => {{
        $self.plan.point().await;
        let answer = $self.inner.$($call)+.await;
        $self.plan.point().await;
        answer
    }};
}

impl<T: Orders> Orders for Crashing<T> {
    async fn accept(
        &self,
        submission: &Submission,
        now: Timestamp,
    ) -> Result<Accepted, StoreError> {
        io!(self.accept(submission, now))
    }
    async fn load(&self, order_id: &OrderId) -> Result<Option<Record>, StoreError> {
        io!(self.load(order_id))
    }
    async fn claim<E: Effect>(&self, by: &Invocation) -> Result<Claimed<E::Outcome>, StoreError> {
        io!(self.claim::<E>(by))
    }
    async fn commit<E: Effect>(
        &self,
        by: &Invocation,
        outcome: E::Outcome,
    ) -> Result<OrderState, StoreError> {
        io!(self.commit::<E>(by, outcome))
    }
    async fn withdraw<E: Effect>(&self, by: &Invocation) -> Result<(), StoreError> {
        io!(self.withdraw::<E>(by))
    }
    async fn relinquish<E: Effect>(&self, by: &Invocation) -> Result<(), StoreError> {
        io!(self.relinquish::<E>(by))
    }
    async fn begin_reversal(
        &self,
        by: &Invocation,
        failure: Failure,
    ) -> Result<Claimed<Unbooking>, StoreError> {
        io!(self.begin_reversal(by, failure))
    }
    async fn replace_hold(
        &self,
        by: &Invocation,
        lapsed: &str,
        payment: &str,
    ) -> Result<(), StoreError> {
        io!(self.replace_hold(by, lapsed, payment))
    }
    async fn request_cancel(
        &self,
        order_id: &OrderId,
        now: Timestamp,
    ) -> Result<Cancellation, StoreError> {
        io!(self.request_cancel(order_id, now))
    }
    async fn open_review(
        &self,
        by: &Invocation,
        token: &str,
    ) -> Result<Result<(), OrderState>, StoreError> {
        io!(self.open_review(by, token))
    }
    async fn decide_review(
        &self,
        order_id: &OrderId,
        decision: Decision,
        event: &OperatorEvent,
    ) -> Result<Decided, StoreError> {
        io!(self.decide_review(order_id, decision, event))
    }
}

impl<T: Stock> Stock for Crashing<T> {
    async fn reserve(
        &self,
        by: &Invocation,
        order: &Order,
        review: bool,
    ) -> Result<Reserved, StoreError> {
        io!(self.reserve(by, order, review))
    }
    async fn release_and_close(
        &self,
        by: &Invocation,
        lines: &[Line],
        state: OrderState,
    ) -> Result<OrderState, StoreError> {
        io!(self.release_and_close(by, lines, state))
    }
}

impl<T: PaymentProvider> PaymentProvider for Crashing<T> {
    async fn authorize(
        &self,
        key: &str,
        request: AuthorizeRequest<'_>,
    ) -> Result<Payment, ProviderError> {
        io!(self.authorize(key, request))
    }
    async fn find(
        &self,
        order_id: &OrderId,
        attempt: u32,
    ) -> Result<Option<Payment>, ProviderError> {
        io!(self.find(order_id, attempt))
    }
    async fn get(&self, reference: &str) -> Result<Payment, ProviderError> {
        io!(self.get(reference))
    }
    async fn capture(
        &self,
        key: &str,
        reference: &str,
        amount: Money,
    ) -> Result<Payment, ProviderError> {
        io!(self.capture(key, reference, amount))
    }
    async fn void(&self, key: &str, reference: &str) -> Result<Payment, ProviderError> {
        io!(self.void(key, reference))
    }
    async fn refund(
        &self,
        key: &str,
        reference: &str,
        amount: Money,
    ) -> Result<String, ProviderError> {
        io!(self.refund(key, reference, amount))
    }
}

impl<T: Carrier> Carrier for Crashing<T> {
    async fn book(&self, request: BookRequest<'_>) -> Result<Booking, ProviderError> {
        io!(self.book(request))
    }
    async fn find(&self, reference: &str) -> Result<Option<Booking>, ProviderError> {
        io!(self.find(reference))
    }
    async fn cancel(&self, label: &str) -> Result<(), ProviderError> {
        io!(self.cancel(label))
    }
}

/// One task of the state machine.
#[derive(Clone, Copy)]
enum Do {
    Validate,
    Authorize,
    Book,
    Capture,
    CancelShipment,
    Reverse,
    Release,
}

const FORWARD: [Do; 4] = [Do::Validate, Do::Authorize, Do::Book, Do::Capture];
const UNDO: [Do; 3] = [Do::CancelShipment, Do::Reverse, Do::Release];

struct Shop {
    database: Database,
    sandbox: Sandbox,
    plan: Plan,
    validate: Validate<Crashing<Store>>,
    charge: Charge<Crashing<Store>, Crashing<Stripe>>,
    ship: Ship<Crashing<Store>, Crashing<ShipStation>>,
}

impl Shop {
    async fn open() -> Self {
        let (database, sandbox, plan) = (database().await, sandbox().await, Plan::default());
        database.article("CRASH-01", 1000, "USD", 1000).await;
        let config = sdk_config(&sandbox.url);
        let orders = Crashing {
            inner: database.store.clone(),
            plan: plan.clone(),
        };
        let stripe = Stripe::new(&sandbox.url, Secret::known(&config, "sk_test_sandbox"));
        let account = Account {
            carrier_id: "se-1".to_owned(),
            service_code: "usps_priority_mail".to_owned(),
            warehouse_id: "se-1".to_owned(),
            contact_phone: "+1 555 0100".to_owned(),
            grams_per_piece: 500,
        };
        let carrier = ShipStation::new(
            &sandbox.url,
            Secret::known(&config, "TEST_sandbox"),
            account,
        );
        let stripe = Crashing {
            inner: stripe.expect("an adapter"),
            plan: plan.clone(),
        };
        let carrier = Crashing {
            inner: carrier.expect("an adapter"),
            plan: plan.clone(),
        };
        let limits = [("USD".to_owned(), 1_000_000)].into();
        Self {
            validate: Validate::new(orders.clone(), limits),
            charge: Charge::new(orders.clone(), stripe, Duration::from_mins(2)),
            ship: Ship::new(orders, carrier),
            database,
            sandbox,
            plan,
        }
    }

    async fn run(&self, what: Do, by: Invocation) -> Result<Value, StepError> {
        match what {
            Do::Validate => {
                self.validate
                    .handle(task(validate::Action::Validate, by))
                    .await
            }
            Do::Release => {
                self.validate
                    .handle(task(validate::Action::Release, by))
                    .await
            }
            Do::Authorize => {
                self.charge
                    .handle(task(charge::Action::Authorize, by))
                    .await
            }
            Do::Capture => self.charge.handle(task(charge::Action::Capture, by)).await,
            Do::Reverse => self.charge.handle(task(charge::Action::Reverse, by)).await,
            Do::Book => self.ship.handle(task(ship::Action::Book, by)).await,
            Do::CancelShipment => self.ship.handle(task(ship::Action::Cancel, by)).await,
        }
    }

    /// Processes an order until it crashes at `point`; then goes on as `then` says. Each invocation
    /// comes an hour after the one before. `None` if the point was not reached.
    async fn order(&self, order: &str, point: usize, tasks: &[Do], then: Then) -> Option<Value> {
        let mut document = document(order);
        document["lines"] = json!([{"sku": "CRASH-01", "quantity": 1, "unit_price": 1000}]);
        document["total"] = json!(1500);
        self.database.accepted(&document).await;
        self.plan.crash_at(point);
        let mut hour = 0;
        let mut open: Vec<Do> = tasks.iter().rev().copied().collect();
        while let Some(what) = open.pop() {
            hour += 1;
            let by = later(invocation(order, &format!("owner-{hour}"), 60_000), hour);
            tokio::select! {
                answer = self.run(what, by) => {
                    answer.expect("a step that is run again succeeds");
                }
                () = self.plan.0.crashed.notified() => match then {
                    Then::Again => open.push(what),
                    Then::Reverse => open = UNDO.into_iter().rev().collect(),
                },
            }
        }
        self.plan.has_crashed().then_some(self.ledger(order).await)
    }

    /// How many effects of each kind the providers know of.
    async fn ledger(&self, order: &str) -> Value {
        let url = format!("{}/_sandbox/ledger?order_id={order}", self.sandbox.url);
        let client = reqwest::Client::builder()
            .no_proxy()
            .build()
            .expect("a client");
        let ledger = client
            .get(url)
            .send()
            .await
            .expect("an answer")
            .text()
            .await
            .expect("a ledger");
        let ledger: Value = serde_json::from_str(&ledger).expect("JSON");
        let kinds = ledger.as_object().expect("a ledger").iter();
        kinds
            .map(|(kind, entries)| (kind.clone(), json!(entries.as_array().map(Vec::len))))
            .collect()
    }
}

/// As the state machine sends it; who does not undo does not look at the failure.
fn task<A>(action: A, by: Invocation) -> Task<A> {
    let failure = FailureInput {
        error: "CarrierUnavailable".to_owned(),
        cause: String::new(),
    };
    Task {
        action,
        by,
        failure: Some(failure),
        task_token: None,
        execution: String::new(),
    }
}

#[derive(Clone, Copy)]
enum Then {
    Again,
    Reverse,
}

#[tokio::test]
async fn a_step_that_crashed_anywhere_and_runs_again_has_one_effect() {
    let shop = Shop::open().await;
    let mut points = 0;
    while let Some(effects) = shop
        .order(&format!("again-{points}"), points, &FORWARD, Then::Again)
        .await
    {
        let expected = json!({"authorizations": 1, "captures": 1, "voids": 0, "refunds": 0,
            "shipments": 1, "cancelled_shipments": 0, "faults_fired": 0});
        assert_eq!(effects, expected, "crashed at point {points}");
        assert_eq!(
            shop.database.state(&format!("again-{points}")).await.stage,
            Stage::Captured
        );
        points += 1;
    }
    assert!(points >= 26, "{points} points: two for each I/O");
    // Each of these orders and the one that did not crash took one piece.
    assert_eq!(
        shop.database.available("CRASH-01").await,
        1000 - points as u64 - 1
    );
}

#[tokio::test]
async fn an_undo_that_crashed_anywhere_and_runs_again_takes_everything_back_once() {
    let shop = Shop::open().await;
    let tasks = [FORWARD.as_slice(), UNDO.as_slice()].concat();
    let mut points = 0;
    while let Some(effects) = shop
        .order(&format!("undo-{points}"), points, &tasks, Then::Again)
        .await
    {
        let expected = json!({"authorizations": 1, "captures": 1, "voids": 0, "refunds": 1,
            "shipments": 1, "cancelled_shipments": 1, "faults_fired": 0});
        assert_eq!(effects, expected, "crashed at point {points}");
        assert_eq!(
            shop.database.state(&format!("undo-{points}")).await.stage,
            Stage::Failed
        );
        points += 1;
    }
    assert!(points >= 44, "{points} points: two for each I/O");
    assert_eq!(
        shop.database.available("CRASH-01").await,
        1000,
        "every piece is back"
    );
}

#[tokio::test]
async fn an_order_that_is_reversed_after_a_crash_anywhere_keeps_neither_money_nor_goods() {
    let shop = Shop::open().await;
    let mut points = 0;
    while let Some(effects) = shop
        .order(
            &format!("reverse-{points}"),
            points,
            &FORWARD,
            Then::Reverse,
        )
        .await
    {
        let count = |kind: &str| effects[kind].as_u64().expect("a count");
        assert!(
            count("authorizations") <= 1 && count("shipments") <= 1,
            "point {points}: {effects}"
        );
        assert_eq!(
            count("refunds"),
            count("captures"),
            "point {points}: {effects}"
        );
        assert_eq!(
            count("voids") + count("captures"),
            count("authorizations"),
            "point {points}: {effects}"
        );
        assert_eq!(
            count("cancelled_shipments"),
            count("shipments"),
            "point {points}: {effects}"
        );
        assert_eq!(
            shop.database
                .state(&format!("reverse-{points}"))
                .await
                .stage,
            Stage::Failed
        );
        points += 1;
    }
    assert!(points >= 26, "{points} points: two for each I/O");
    // All but the one that did not crash.
    assert_eq!(shop.database.available("CRASH-01").await, 999);
}
