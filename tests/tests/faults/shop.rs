//! One order through the real local state machine, with what was planted for it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_sfn::types::ExecutionStatus;
use domain::ledger::Entry;
use domain::ports::Orders as _;
use domain::{Actor, AuditEvent, Decision, Event, OrderId, OrderState, Stage, Timestamp};
use serde_json::{Value, json};
use store::{Article, Store};
use tests::definition::{Kind, calls};

use crate::case::{Case, End, Fault};

/// An order that has not ended by then is lost. No measure of speed.
const PATIENCE: Duration = Duration::from_mins(20);
/// The timeout of a task in the state machine that is impatient with it: shorter than its function's.
const IMPATIENT_S: u64 = 4;

const SKU: &str = "FAULT-01";
const PRICE: u64 = 1000;
const STOCK: u64 = 1_000_000;
/// Above it an order is looked at (`review_limits` of the local stack).
const REVIEWED_QUANTITY: u64 = 100;

/// A review's task token, and when it was asked for: the local engine gives each try the same token.
type Asked = (String, String);

pub(crate) struct Shop {
    sandbox: String,
    orders_table: String,
    planted: PathBuf,
    store: Store,
    dynamodb: aws_sdk_dynamodb::Client,
    sfn: aws_sdk_sfn::Client,
    http: reqwest::Client,
    /// The state machine as deployed, and one for each task with which it is impatient.
    machines: BTreeMap<&'static str, String>,
}

/// How an order ended, and what it took.
pub(crate) struct Outcome {
    pub(crate) end: End,
    /// Why it was reversed, if it was.
    pub(crate) why: String,
    pub(crate) fired: u64,
    pub(crate) took: Duration,
}

impl Shop {
    pub(crate) async fn open() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"))
            .parent()
            .expect("the workspace");
        let folder = root.join("target/faults");
        let content = std::fs::read(folder.join("endpoints.json"));
        let content = content.expect("a stack for these tests: `make faults` starts one");
        let endpoints: Value = serde_json::from_slice(&content).expect("endpoints");
        let text = |name: &str| endpoints[name].as_str().expect("a text").to_owned();
        let config = tests::sdk_config(&text("aws"));
        let mut shop = Self {
            sandbox: text("sandbox"),
            orders_table: text("orders_table"),
            planted: folder.join("tmp/planted"),
            store: Store::new(&config, text("orders_table"), text("stock_table"))
                .announcing_in(text("read_models_table")),
            dynamodb: aws_sdk_dynamodb::Client::new(&config),
            sfn: aws_sdk_sfn::Client::new(&config),
            http: reqwest::Client::builder()
                .no_proxy()
                .build()
                .expect("a client"),
            machines: BTreeMap::new(),
        };
        std::fs::create_dir_all(&shop.planted).expect("a folder for plans");
        let article = Article {
            sku: SKU.parse().expect("a sku"),
            unit_price: tests::money(PRICE, "USD"),
            available: STOCK,
            goods: domain::Goods::default(),
        };
        shop.store.put_article(&article).await.expect("an article");
        shop.make_machines(&text("state_machine_arn")).await;
        shop
    }

    /// A task's timeout is longer than its function's, as it must be, so that no function can outlast
    /// it. A copy of the deployed state machine has one short timeout and nothing else changed.
    async fn make_machines(&mut self, deployed: &str) {
        let described = self
            .sfn
            .describe_state_machine()
            .state_machine_arn(deployed)
            .send()
            .await;
        let described = described.expect("the state machine");
        self.machines.insert("", deployed.to_owned());
        for task in calls() {
            let mut definition: Value =
                serde_json::from_str(described.definition()).expect("a definition");
            definition["States"][task.state]["TimeoutSeconds"] = json!(IMPATIENT_S);
            let made = self
                .sfn
                .create_state_machine()
                .name(format!("impatient-{}", task.state))
                .role_arn(described.role_arn())
                .definition(definition.to_string())
                .send()
                .await
                .expect("a state machine");
            self.machines.insert(task.state, made.state_machine_arn);
        }
    }

    /// Processes an order with this fault in it, and checks that nothing is lost.
    pub(crate) async fn run(&self, number: usize, case: &Case) -> Result<Outcome, String> {
        let began = Instant::now();
        let order = format!("fault-{number}");
        let (plan, entry) = case.plan();
        std::fs::write(self.planted.join(format!("{order}.json")), plan.to_string())
            .expect("a plan");
        self.accept(&order, case).await;
        let arn = self.start(&order, case).await;
        let mut answered = 0;
        let mut asked = None;
        let execution = loop {
            let described = self
                .sfn
                .describe_execution()
                .execution_arn(&arn)
                .send()
                .await;
            let described = described.map_err(|error| format!("no execution: {error:?}"))?;
            if described.status != ExecutionStatus::Running {
                break described;
            }
            if case.is_reviewed() {
                answered += self.review(&order, case, answered, &mut asked).await;
            }
            if began.elapsed() > PATIENCE {
                return Err("it does not end".to_owned());
            }
            tokio::time::sleep(Duration::from_millis(250)).await;
        };
        let last = self.last_state(&arn).await;
        let state = self.state(&order).await;
        let effects = self.effects(&order).await;
        let end = match (&execution.status, last.as_str()) {
            (ExecutionStatus::Succeeded, _) => End::Completed,
            (_, "OrderFailed") => End::Reversed,
            (_, undo) if undo == case.task.state => End::NeedsAttention,
            (status, other) => return Err(format!("it ended as {status} in {other}")),
        };
        kept(end, case, &state, &effects)
            .map_err(|what| format!("{what}: {effects}, {state:?}"))?;
        let fired = match (case.task.kind, case.fault) {
            (Kind::Review, Fault::Named(_)) => answered,
            _ => self.fired(&order, entry),
        };
        Ok(Outcome {
            end,
            why: state.failure.map_or_else(String::new, |failure| {
                format!("{}: {}", failure.error, failure.message)
            }),
            fired,
            took: began.elapsed(),
        })
    }

    async fn accept(&self, order: &str, case: &Case) {
        let quantity = if case.is_reviewed() {
            REVIEWED_QUANTITY
        } else {
            1
        };
        let mut document = tests::document(order);
        document["lines"] = json!([{"sku": SKU, "quantity": quantity, "unit_price": PRICE}]);
        document["shipping_fee"] = json!(0);
        document["total"] = json!(quantity * PRICE);
        let submission = tests::submission(&document);
        let accepted = self.store.accept(&submission, Timestamp::now()).await;
        accepted.expect("accepted");
    }

    async fn start(&self, order: &str, case: &Case) -> String {
        let impatient = case.fault == Fault::TaskTimeout || case.is_reviewed();
        let machine = &self.machines[if impatient { case.task.state } else { "" }];
        let started = self
            .sfn
            .start_execution()
            .state_machine_arn(machine)
            .name(format!("{order}-1"))
            .input(json!({"schema_version": 1, "order_id": order, "attempt": 1}).to_string())
            .send()
            .await;
        started.expect("an execution").execution_arn
    }

    /// Answers each time that the order is asked about: with the fault, as the local engine drops what
    /// the function itself says, else with an approval. How many faults it has told.
    async fn review(&self, order: &str, case: &Case, told: u64, last: &mut Option<Asked>) -> u64 {
        let asked = self.asked(order).await;
        if asked == *last {
            return 0;
        }
        last.clone_from(&asked);
        let (token, _) = asked.unwrap_or_default();
        match case.fault {
            Fault::Named(name) if case.always || told == 0 => {
                let failed = self.sfn.send_task_failure().task_token(token);
                // One whose task has timed out meanwhile is answered with the next.
                let sent = failed
                    .error(name.as_str())
                    .cause("a planted error")
                    .send()
                    .await;
                u64::from(sent.is_ok())
            }
            _ => {
                let id: OrderId = order.parse().expect("an id");
                let event = AuditEvent::new(
                    Timestamp::now(),
                    Event::Approved,
                    Actor::Operator("tests".to_owned()),
                    "a test",
                );
                let decided = self
                    .store
                    .decide_review(&id, Decision::Approved, &event)
                    .await;
                decided.expect("a decision");
                let approval = self.sfn.send_task_success().task_token(token).output("{}");
                // The next try finds the decision.
                let _ = approval.send().await;
                0
            }
        }
    }

    async fn asked(&self, order: &str) -> Option<Asked> {
        let text = |text: &str| AttributeValue::S(text.to_owned());
        let item = self
            .dynamodb
            .get_item()
            .table_name(&self.orders_table)
            .key("order_id", text(order))
            .key("item", text("review"))
            .consistent_read(true)
            .send()
            .await
            .expect("an answer")
            .item?;
        let token = item.get("task_token")?.as_s().ok()?;
        let at = item.get("asked_at")?.as_n().ok()?;
        Some((token.clone(), at.clone()))
    }

    async fn state(&self, order: &str) -> OrderState {
        let id: OrderId = order.parse().expect("an id");
        let record = self.store.load(&id).await.expect("an answer");
        record.expect("the order").state
    }

    /// The state that the execution entered last.
    async fn last_state(&self, arn: &str) -> String {
        let request = self.sfn.get_execution_history().execution_arn(arn);
        let events = request.into_paginator().items().send();
        let events = events
            .collect::<Result<Vec<_>, _>>()
            .await
            .expect("a history");
        let mut entered = events
            .iter()
            .rev()
            .filter_map(|event| event.state_entered_event_details());
        entered.next().expect("a state").name().to_owned()
    }

    /// How many effects of each kind the providers know of.
    async fn effects(&self, order: &str) -> Value {
        let url = format!("{}/_sandbox/ledger?order_id={order}", self.sandbox);
        let answer = self.http.get(url).send().await.expect("an answer");
        let ledger: Value = answer.json().await.expect("a ledger");
        let kinds = ledger.as_object().expect("a ledger").iter();
        kinds
            .map(|(kind, entries)| (kind.clone(), json!(entries.as_array().map(Vec::len))))
            .collect()
    }

    /// How often the planted fault struck.
    fn fired(&self, order: &str, entry: usize) -> u64 {
        let mark = |time: u64| self.planted.join(format!("{order}.{entry}.fired.{time}"));
        (0..1000).filter(|time| mark(*time).exists()).count() as u64
    }

    /// What is left is what was not sold and not kept by orders that need a person.
    pub(crate) async fn stock_adds_up(&self, orders: usize) {
        let mut taken = 0;
        for number in 0..orders {
            let state = self.state(&format!("fault-{number}")).await;
            if state.reserved_lines > 0 {
                taken += state.total.minor() / PRICE;
            }
        }
        let article = self.store.article(&SKU.parse().expect("a sku")).await;
        let article = article.expect("an answer").expect("the article");
        assert_eq!(article.available, STOCK - taken);
    }
}

/// Whether money and goods are where an order with this end has them.
fn kept(end: End, case: &Case, state: &OrderState, effects: &Value) -> Result<(), &'static str> {
    let count = |kind: &str| effects[kind].as_u64().unwrap_or(u64::MAX);
    let goods = count("shipments") - count("cancelled_shipments");
    let money = count("captures") - count("refunds");
    let held = count("authorizations") - count("captures") - count("voids");
    let fine = |fine: bool, what: &'static str| if fine { Ok(()) } else { Err(what) };
    fine(
        count("authorizations") <= 1 && count("shipments") <= 1,
        "something happened twice",
    )?;
    match end {
        End::Completed => {
            let told = state.notify.as_ref().and_then(Entry::outcome).is_some();
            fine(
                (goods, money, held) == (1, 1, 0),
                "not paid and shipped once",
            )?;
            fine(
                matches!(state.stage, Stage::Captured | Stage::Completed),
                "not at its end",
            )?;
            fine(
                told == (state.stage == Stage::Completed),
                "told and not closed, or not told",
            )
        }
        End::Reversed => {
            fine(
                (goods, money, held) == (0, 0, 0),
                "not everything is taken back",
            )?;
            fine(
                state.stage.is_closed() && state.stage != Stage::Completed,
                "not closed",
            )?;
            fine(state.reserved_lines == 0, "stock is kept")
        }
        End::NeedsAttention => {
            // The last undo had done its work when it was told otherwise.
            let closed = case.after && case.task.state == "ReleaseStock";
            // The first undo notes why, if it can.
            let noted = state.failure.is_some() || case.task.state == "CancelShipment";
            fine(noted, "nobody knows why")?;
            fine(
                state.stage.is_closed() == closed,
                "closed before everything was undone",
            )
        }
    }
}
