//! What happens to requests to AWS on their way, and who answers them.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_config::{Region, SdkConfig};
use aws_smithy_async::time::TimeSource;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use wire::{Answer, Fate, Listener, Request, Service, Wire};

use crate::plan::Fault;
use crate::sim::{self, Invocation, lock};
use crate::world::World;

/// The tables.
pub(crate) const ORDERS: &str = "orders";
pub(crate) const STOCK: &str = "stock";
pub(crate) const READ_MODELS: &str = "read-models";

/// The simulated clock, as the SDK takes it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SimulatedTime;

impl TimeSource for SimulatedTime {
    fn now(&self) -> SystemTime {
        let ms = u64::try_from(sim::now_ms()).unwrap_or(0);
        UNIX_EPOCH + Duration::from_millis(ms)
    }
}

/// How often each goes wrong, in ten thousand requests.
const THROTTLED: u64 = 15;
const THROTTLED_WHILE_AWAY: u64 = 4_000;
const REQUEST_LOST: u64 = 5;
const ANSWER_LOST: u64 = 8;
const LATE: u64 = 5;

/// What goes wrong on the wire.
struct Trouble(Arc<World>);

impl Listener for Trouble {
    fn before(&self, request: &Request) -> BoxFuture<'static, Fate> {
        let (world, request) = (Arc::clone(&self.0), request.clone());
        async move { sent(&world, request).await }.boxed()
    }

    fn after(&self, request: &Request, _: &Answer) -> BoxFuture<'static, Fate> {
        let world = Arc::clone(&self.0);
        let (service, operation) = (request.service, request.operation.clone());
        async move {
            changed(&world);
            if happens(&world, service, ANSWER_LOST, Fault::LostAnswer) {
                world.happened("AWS answers lost", &order(), operation);
                return Fate::Lost;
            }
            sim::point().await;
            Fate::Arrives
        }
        .boxed()
    }
}

/// The order that whoever asks is at work on.
fn order() -> String {
    Invocation::here().map_or_else(String::new, |here| here.order.clone())
}

/// Whether something goes wrong with a request of a function. A function that is asked by another one is no
/// service that fails: it crashes by itself.
fn happens(world: &World, service: Service, of_ten_thousand: u64, fault: Fault) -> bool {
    let Some(here) = Invocation::here().filter(|_| service != Service::Lambda) else {
        return false;
    };
    lock(&here.dice).happens(of_ten_thousand) && world.may(fault)
}

async fn sent(world: &Arc<World>, request: Request) -> Fate {
    sim::point().await;
    let Some(here) = Invocation::here() else {
        return Fate::Arrives;
    };
    let takes_ms = lock(&here.dice).between(2, 12);
    sim::sleep_ms(takes_ms).await;
    let (service, order) = (request.service, &here.order);
    let (name, operation) = (name(service), &request.operation);
    let is_away = world.weather.is_away(name, sim::now_ms());
    if is_away && service == Service::Ses {
        world.happened("mails that could not be sent", order, "");
        return Fate::Lost;
    }
    let throttled = if is_away {
        THROTTLED_WHILE_AWAY
    } else {
        THROTTLED
    };
    if happens(world, service, throttled, Fault::Throttled) {
        world.happened("AWS requests throttled", order, operation);
        return Fate::Instead(request.refused(400, "ThrottlingException", "slow down"));
    }
    if happens(world, service, REQUEST_LOST, Fault::LostRequest) {
        world.happened("AWS requests lost", order, operation);
        return Fate::Lost;
    }
    if happens(world, service, LATE, Fault::Late) {
        world.happened("AWS requests late", order, operation);
        let late_ms = lock(&here.dice).between(1_000, 8_000);
        let world = Arc::clone(world);
        tokio::spawn(async move {
            sim::sleep_ms(late_ms).await;
            world.wire.ask(request).await;
            changed(&world);
        });
        // Whoever asked gives it up by themselves.
        return pending().await;
    }
    Fate::Arrives
}

const fn name(service: Service) -> &'static str {
    match service {
        Service::DynamoDb => "dynamodb",
        Service::StepFunctions => "states",
        Service::Ses => "mail",
        Service::Lambda => "lambda",
        Service::Sns => "sns",
        Service::Secrets => "secrets",
    }
}

/// What was written of ledgers goes into the stream.
fn changed(world: &Arc<World>) {
    for change in world.wire.take_changes() {
        crate::shop::stream(world, &change);
    }
}

/// Connects the services, and lets things go wrong from now on.
pub(crate) fn open(world: &Arc<World>) {
    let wire = &world.wire;
    let for_states = Arc::clone(world);
    wire.serve(Service::StepFunctions, move |request| {
        let world = Arc::clone(&for_states);
        async move { crate::machine::answer(&world, &request) }.boxed()
    });
    let for_functions = Arc::clone(world);
    wire.serve(Service::Lambda, move |request| {
        let world = Arc::clone(&for_functions);
        async move {
            let function = request.function().unwrap_or_default().to_owned();
            let payload = serde_json::from_slice(&request.body).unwrap_or_default();
            let invoked = crate::shop::invoke(&world, &function, payload).await;
            Answer::invoked(&invoked.map_err(|failed| failed.told()))
        }
        .boxed()
    });
    let for_mails = Arc::clone(world);
    wire.serve(Service::Ses, move |request| {
        let mail: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        let id = crate::books::mailed(&for_mails, &mail);
        async move { Answer::json(&json!({"MessageId": id})) }.boxed()
    });
    let for_notices = Arc::clone(world);
    wire.serve(Service::Sns, move |_| {
        for_notices.happened("notices to operators", "", "");
        async { Answer::published("notice") }.boxed()
    });
    wire.listen(Trouble(Arc::clone(world)));
}

/// How many configurations there were in this process.
static REGIONS: AtomicU64 = AtomicU64::new(0);

/// Configuration for shipped code: it asks this world. In a region of its own: what the SDK spends on asking again
/// is counted by region for the whole process, and another world must not spend it.
pub(crate) fn config(wire: &Wire) -> SdkConfig {
    let region = REGIONS.fetch_add(1, Ordering::Relaxed);
    let config = wire.config("year", SimulatedTime).into_builder();
    config.region(Region::new(format!("year-{region}"))).build()
}
