//! The functions as they are deployed: who calls them, what they are given, and how they end.

use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use actions::Actions;
use charge::Charge;
use domain::{Money, Packing, StepError};
use intake::Intake;
use lambda_runtime::Context;
use monitor::{Monitor, Reach};
use notify::{Notify, Ses, Sns};
use read_models::ReadModels;
use serde_json::{Value, json};
use ship::Ship;
use step::{Ask, Task};
use store::Store;
use validate::Validate;
use wire::Change;
use workflow::Workflow;

use crate::aws::{self, ORDERS, READ_MODELS, STOCK};
use crate::books::Provider;
use crate::machine::STATE_MACHINE;
use crate::plan::{Fault, ms};
use crate::sim::{self, Ended, Invocation, lock};
use crate::world::World;

/// When Lambda ends each function and how often it runs at once.
const FUNCTIONS: &str = include_str!("../../../../terraform/functions.json");

/// A deployment comes so often.
const DEPLOYED_EVERY_MS: i64 = 31 * 86_400_000;
/// Money of more than this is looked at by a person, in minor units; another sum from deployment to deployment.
const LIMITS: [u64; 2] = [40_000, 45_000];
/// The steps wait so long for what may be on its way at a provider.
const SETTLED_AFTER: Duration = Duration::from_mins(2);

type Steps = (
    Validate<Store, validate::ShipStation>,
    Charge<Store, Provider>,
    Ship<Store, Provider>,
    Notify<Store, Ses, Sns, Workflow>,
);

/// What is deployed, one version of the steps after the other.
pub(crate) struct Shop {
    steps: Vec<Steps>,
    limits: BTreeMap<&'static str, (Duration, u64)>,
    pub(crate) intake: Intake,
    pub(crate) monitor: Monitor<Sns>,
    pub(crate) actions: Actions,
    pub(crate) read_models: ReadModels,
    pub(crate) store: Store,
}

/// How an invocation fails.
#[derive(Debug, Clone)]
pub(crate) struct Failed {
    pub(crate) name: String,
    pub(crate) message: String,
    /// Whether the cause is told as functions tell it.
    is_of_function: bool,
}

impl Failed {
    /// Something that is no function's.
    pub(crate) fn new(name: &str, message: &str) -> Self {
        Self {
            name: name.to_owned(),
            message: message.to_owned(),
            is_of_function: false,
        }
    }

    fn of_function(name: &str, message: &str) -> Self {
        Self {
            is_of_function: true,
            ..Self::new(name, message)
        }
    }

    /// As Lambda tells it.
    pub(crate) fn told(&self) -> Value {
        json!({"errorType": self.name, "errorMessage": self.message})
    }

    /// As Step Functions has it for a cause.
    pub(crate) fn cause(&self) -> String {
        if self.is_of_function {
            self.told().to_string()
        } else {
            self.message.clone()
        }
    }
}

impl From<StepError> for Failed {
    fn from(error: StepError) -> Self {
        Self::of_function(error.name().as_str(), error.message())
    }
}

fn packing() -> Packing {
    Packing {
        grams_per_piece: 400,
        max_parcel_g: 30_000,
        domestic_countries: ["US".parse().expect("a country")].into(),
        ships_abroad: true,
        multi_package: true,
    }
}

impl Shop {
    /// Everything, connected to this world.
    pub(crate) fn open(world: &Arc<World>) -> Self {
        let config = aws::config(&world.wire);
        let store = || {
            Store::new(&config, ORDERS, STOCK)
                .announcing_in(READ_MODELS)
                .timed_by(sim::CLOCK)
        };
        let workflow = || Workflow::new(&config, STATE_MACHINE);
        let read_models = ReadModels::new(&config, READ_MODELS);
        let functions = ["charge", "ship", "notify"].map(|step| (step.to_owned(), step.to_owned()));
        let actions = || {
            let functions = HashMap::from(functions.clone());
            Actions::new(&config, store(), read_models.clone(), workflow(), functions)
        };
        let topic = || Sns::new(&config, "arn:aws:sns:us-east-1:0:operators".to_owned());
        let steps = LIMITS.map(|limit| {
            let limit = Money::new(limit, "USD".parse().expect("a currency"));
            let limit = limit.expect("an amount");
            let limits = [(limit.currency(), limit)].into();
            let bank = Provider::bank(world);
            (
                Validate::new(store(), limits, packing()),
                Charge::new(store(), bank, SETTLED_AFTER),
                Ship::new(store(), Provider::carrier(world), packing())
                    .settled_after(SETTLED_AFTER),
                Notify::new(
                    store(),
                    Ses::new(&config, "shop@example.com".to_owned()),
                    topic(),
                    workflow(),
                ),
            )
        });
        let reach = Reach {
            store: store(),
            read_models: read_models.clone(),
            workflow: workflow(),
            actions: actions(),
        };
        Self {
            steps: steps.into(),
            limits: limits(),
            intake: Intake::new(store(), workflow()).timed_by(sim::CLOCK),
            monitor: Monitor::new(reach, topic(), "year")
                .auditing()
                .timed_by(sim::CLOCK)
                .telling(|_| {}),
            actions: actions(),
            store: store(),
            read_models,
        }
    }
}

fn limits() -> BTreeMap<&'static str, (Duration, u64)> {
    let functions: BTreeMap<String, Value> = serde_json::from_str(FUNCTIONS).expect("JSON");
    let number = |function: &Value, name: &str| function[name].as_u64().expect("a number");
    functions
        .iter()
        .map(|(name, function)| {
            let timeout = Duration::from_secs(number(function, "timeout_s"));
            let name: &'static str = name.clone().leak();
            (name, (timeout, number(function, "at_once")))
        })
        .collect()
}

/// The version with which an execution begins now.
pub(crate) fn version() -> u64 {
    let since_ms = sim::now_ms() - sim::FIRST_MS;
    u64::try_from(since_ms / DEPLOYED_EVERY_MS).unwrap_or(0)
}

/// How often an invocation crashes, in ten thousand, and at which of its points at the latest.
const CRASHES: u64 = 50;
const POINTS: u64 = 14;
/// How often the clock of an environment is wrong, and by how much at most.
const SKEWED: u64 = 2_000;
const SKEW_MS: u64 = 1_500;

/// An environment for a function that is invoked now, for this order.
fn environment(world: &World, function: &str, order: &str, what: &str) -> Arc<Invocation> {
    let mut dice = world.dice((function, order, what, sim::now_ms()));
    let crashes = dice.happens(CRASHES) && world.may(Fault::Crash);
    let crashes_at = crashes.then(|| u32::try_from(dice.below(POINTS)).unwrap_or(0));
    let skewed = dice.happens(SKEWED) && world.may(Fault::Skew);
    let skew_ms = if skewed {
        ms(dice.below(2 * SKEW_MS)) - ms(SKEW_MS)
    } else {
        0
    };
    Invocation::new(order, dice, skew_ms, crashes_at)
}

/// Runs code as a function of Lambda's: not too often at once, and no longer than it may.
pub(crate) async fn run<T>(
    world: &Arc<World>,
    function: &'static str,
    order: &str,
    what: &str,
    code: impl Future<Output = T>,
) -> Result<T, Failed> {
    let (timeout, at_once) = world.shop().limits[function];
    let is_free = {
        let mut at_work = lock(&world.at_work);
        let running = at_work.entry(function).or_default();
        let is_free = *running < at_once;
        *running += u64::from(is_free);
        is_free
    };
    if !is_free {
        world.happened("invocations throttled", order, function);
        return Err(Failed::new(
            "Lambda.TooManyRequestsException",
            "Rate Exceeded.",
        ));
    }
    let invocation = environment(world, function, order, what);
    let ended = invocation.run(timeout, code).await;
    if let Some(at_work) = lock(&world.at_work).get_mut(function) {
        *at_work -= 1;
    }
    ended.map_err(|ended| match ended {
        Ended::Crashed => {
            world.happened("crashes", order, function);
            Failed::of_function("Runtime.ExitError", "RequestId: year Error: exited")
        }
        Ended::TimedOut => {
            world.happened("functions that ran out of time", order, function);
            Failed::of_function("Sandbox.Timedout", "Task timed out")
        }
    })
}

/// Calls a step, as Step Functions and the monitor do; it goes on by itself whatever becomes of the caller.
pub(crate) async fn call(
    world: &Arc<World>,
    version: u64,
    function: &'static str,
    payload: Value,
) -> Result<Value, Failed> {
    let world = Arc::clone(world);
    let called = tokio::spawn(async move {
        let order = payload["order_id"].as_str().unwrap_or_default().to_owned();
        let action = payload["action"].as_str().unwrap_or_default().to_owned();
        let number = {
            let mut invocations = lock(&world.invocations);
            *invocations += 1;
            *invocations
        };
        let shop = world.shop();
        let (timeout, _) = shop.limits[function];
        let steps = &shop.steps[usize::try_from(version).unwrap_or(0) % shop.steps.len()];
        let mut context = Context::default();
        context.request_id = format!("request-{number}");
        let deadline = sim::now_ms() + ms(u64::try_from(timeout.as_millis()).unwrap_or(0));
        context.deadline = u64::try_from(deadline).unwrap_or(u64::MAX);
        let code = Box::pin(answered(steps, function, payload, context));
        let answered = run(&world, function, &order, &action, code).await?;
        match &answered {
            Ok(answer) => world.happened("answers", &order, format_args!("{action} {answer}")),
            Err(error) => world.happened("errors", &order, format_args!("{action} {error}")),
        }
        answered.map_err(Failed::from)
    });
    called.await.unwrap_or_else(|error| {
        std::panic::resume_unwind(error.into_panic());
    })
}

async fn answered(
    (validate, charge, ship, notify): &Steps,
    function: &str,
    payload: Value,
    context: Context,
) -> Result<Value, StepError> {
    let now = sim::CLOCK.now();
    let ask = if payload["order_id"].is_null() || payload["attempt"].is_null() {
        Ask::read(&payload).transpose()?
    } else {
        None
    };
    match (function, ask) {
        ("charge", Some(ask)) => charge.answer(ask).await,
        ("ship", Some(ask)) => ship.answer(ask).await,
        ("validate", _) => validate.handle(Task::read(payload, &context, now)?).await,
        ("charge", None) => charge.handle(Task::read(payload, &context, now)?).await,
        ("ship", None) => ship.handle(Task::read(payload, &context, now)?).await,
        ("notify", _) => notify.handle(Task::read(payload, &context, now)?).await,
        (unknown, _) => panic!("there is no function {unknown}"),
    }
}

/// A function asks another one: the version that is deployed now.
pub(crate) async fn invoke(
    world: &Arc<World>,
    function: &str,
    payload: Value,
) -> Result<Value, Failed> {
    let function = match function {
        "charge" => "charge",
        "ship" => "ship",
        "notify" => "notify",
        unknown => panic!("nobody asks {unknown}"),
    };
    Box::pin(call(world, version(), function, payload)).await
}

/// An event for the monitor, which Lambda hands it again if it fails.
fn tell(world: &Arc<World>, order: &str, after_ms: u64, event: Value) {
    let (world, order) = (Arc::clone(world), order.to_owned());
    tokio::spawn(async move {
        sim::sleep_ms(after_ms).await;
        lock(&world.changed).remove(&order);
        for _ in 0..3 {
            let shop = world.shop();
            let handled = Box::pin(shop.monitor.handle(&event));
            if let Ok(Ok(_)) = run(&world, "monitor", &order, "event", handled).await {
                return;
            }
            world.happened("events that were handed over again", &order, "");
            sim::sleep(Duration::from_mins(1)).await;
        }
        world.happened("events that were given up", &order, "");
    });
}

/// When an event arrives, each time that it does.
fn arrivals(world: &World, order: &str, what: &str) -> Vec<u64> {
    let mut dice = world.dice((order, what, "event", sim::now_ms()));
    let mut all = vec![dice.between(800, 1_800)];
    if dice.happens(100) && world.may(Fault::EventLost) {
        world.happened("events lost", order, what);
        all.clear();
    } else if dice.happens(200) && world.may(Fault::EventLate) {
        world.happened("events late", order, what);
        all[0] += dice.below(7_200_000);
    }
    if dice.happens(300) && world.may(Fault::EventTwice) {
        world.happened("events twice", order, what);
        all.push(dice.below(600_000));
    }
    all
}

/// A ledger was written: the monitor hears of it by the stream. What comes within a second is one event.
pub(crate) fn stream(world: &Arc<World>, change: &Change) {
    let record = change.record();
    let keys = &record["dynamodb"]["Keys"];
    if keys["item"]["S"] != "state" {
        return;
    }
    let Some(order) = keys["order_id"]["S"].as_str() else {
        return;
    };
    if !lock(&world.changed).insert(order.to_owned()) {
        return;
    }
    let arrivals = arrivals(world, order, "stream");
    // One that is late keeps no later one away.
    if arrivals.first().is_none_or(|after_ms| *after_ms > 5_000) {
        lock(&world.changed).remove(order);
    }
    for after_ms in arrivals {
        let record = record.clone();
        tell(world, order, after_ms, json!({"Records": [record]}));
    }
}

/// An execution has changed its status: the monitor hears of it by EventBridge.
pub(crate) fn status_changed(world: &Arc<World>, name: &str) {
    let Some(event) = crate::machine::status_event(world, name) else {
        return;
    };
    for after_ms in arrivals(world, name, "status") {
        let event = event.clone();
        tell(world, name, after_ms, event);
    }
}
