#![doc = include_str!("../README.md")]
#![expect(
    clippy::expect_used,
    reason = "a simulation that cannot be set up must end at once"
)]

mod aws;
mod books;
mod command;
mod definition;
mod dice;
mod judge;
mod machine;
mod people;
mod plan;
mod shop;
mod sim;
mod tables;
mod world;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Once};
use std::time::{Duration, Instant};

pub use command::{Command, replay, shrunk};
pub use memory::Bug;
pub use plan::Fault;
use plan::ms;
use shop::Shop;
use sim::lock;
use world::{Setting, World};

/// How much of what.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The same seed is the same year.
    pub seed: u64,
    /// So many orders come.
    pub orders: u64,
    /// In so many days.
    pub days: u64,
    /// In so many shops, each a year of its own, side by side.
    pub shops: u64,
    /// Only these of them, if any is named.
    pub only: BTreeSet<String>,
    /// What does not go wrong.
    pub without: BTreeSet<Fault>,
    /// What is planted, if anything.
    pub bug: Option<Bug>,
    /// Whether each answer of the tables in memory is compared with that of the embedded DynamoDB.
    pub is_checked: bool,
    /// Whether the story is told.
    pub tells: bool,
}

/// A rule that was broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// By which order. Empty if by none in particular.
    pub order: String,
    /// Which.
    pub rule: String,
}

/// What a year has come to.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// How often each thing happened.
    pub tally: BTreeMap<&'static str, u64>,
    /// How many orders ended in each way.
    pub ends: BTreeMap<String, u64>,
    /// What all that happened comes to: the same for the same seed.
    pub hash: u64,
    /// The rules that were broken, the first one first.
    pub broken: Vec<Broken>,
    /// What happened, in words, if that was wanted.
    pub story: Vec<String>,
    /// Requests to AWS.
    pub calls: u64,
}

/// How far a shop is.
#[derive(Debug, Clone, Copy)]
pub struct Progress {
    /// Which shop.
    pub shop: u64,
    /// The day.
    pub day: i64,
    /// So many orders have come.
    pub orders: usize,
    /// So many executions are at work.
    pub running: u64,
}

/// How often there is a word on how far it is.
const EVERY: Duration = Duration::from_secs(5);

const DAY_MS: i64 = 86_400_000;

thread_local! {
    /// What has panicked in this shop: where nobody waits for a task, its runtime keeps that to itself.
    static PANICS: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

fn notice_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let others = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            PANICS.with_borrow_mut(|panics| panics.push(panic.to_string()));
            others(panic);
        }));
    });
}

/// Lets a year pass.
///
/// # Panics
/// If a shop cannot be opened. What panics later is a broken rule.
#[must_use]
pub fn year(options: &Options, tell: &(dyn Fn(Progress) + Sync)) -> Outcome {
    let shops = options.shops.max(1);
    let mut outcome = Outcome::default();
    std::thread::scope(|scope| {
        let years: Vec<_> = (0..shops)
            .map(|number| {
                let setting = Setting {
                    seed: options.seed,
                    number,
                    orders: options.orders / shops + u64::from(number < options.orders % shops),
                    days: options.days.max(1),
                    only: options.only.clone(),
                    without: options.without.clone(),
                    bug: options.bug,
                    is_checked: options.is_checked,
                    tells: options.tells,
                };
                // The SDK's futures are large.
                let thread = std::thread::Builder::new().stack_size(64 << 20);
                let year = thread.spawn_scoped(scope, move || one_shop(setting, tell));
                year.expect("a thread")
            })
            .collect();
        for year in years {
            let part = year.join().expect("a year that comes to its end");
            for (what, times) in part.tally {
                *outcome.tally.entry(what).or_default() += times;
            }
            for (end, orders) in part.ends {
                *outcome.ends.entry(end).or_default() += orders;
            }
            outcome.hash = outcome.hash.rotate_left(7) ^ part.hash;
            outcome.broken.extend(part.broken);
            outcome.story.extend(part.story);
            outcome.calls += part.calls;
        }
    });
    outcome
}

fn one_shop(setting: Setting, tell: &(dyn Fn(Progress) + Sync)) -> Outcome {
    notice_panics();
    // The pauses of the SDK before it asks again.
    fastrand::seed(setting.seed.wrapping_add(setting.number));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build();
    let runtime = runtime.expect("a runtime");
    let outcome = runtime.block_on(live(setting, tell));
    // Whoever still waits for something is not waited for.
    runtime.shutdown_background();
    outcome
}

async fn live(setting: Setting, tell: &(dyn Fn(Progress) + Sync)) -> Outcome {
    // For whoever asks before the first order has come.
    sim::begin(sim::FIRST_MS);
    let world = World::new(setting);
    let coming = people::coming(&world);
    let first_ms = coming.first().map_or(sim::FIRST_MS, |first| first.at_ms);
    let last_ms = coming.last().map_or(sim::FIRST_MS, |last| last.at_ms);
    if !world.setting.only.is_empty() {
        sim::begin(first_ms - DAY_MS / 24);
    }
    let year_ms = sim::FIRST_MS + ms(world.setting.days) * DAY_MS;
    world
        .end_ms
        .store(year_ms.max(last_ms + DAY_MS), Ordering::Relaxed);
    tables::create(&world).await;
    *lock(&world.shop) = Some(Arc::new(Shop::open(&world)));
    people::stock_up(&world).await;
    aws::open(&world);
    let others = [
        tokio::spawn(people::schedule(Arc::clone(&world))),
        tokio::spawn(people::operators(Arc::clone(&world))),
        tokio::spawn(people::accidents(Arc::clone(&world))),
    ];
    let mut told = Instant::now();
    for (orders, coming) in coming.iter().enumerate() {
        let wait_ms = coming.at_ms - sim::now_ms();
        sim::sleep_ms(u64::try_from(wait_ms).unwrap_or(0)).await;
        tokio::spawn(people::customer(Arc::clone(&world), coming.order.clone()));
        if told.elapsed() >= EVERY {
            told = Instant::now();
            tell(Progress {
                shop: world.setting.number,
                day: (coming.at_ms - sim::FIRST_MS) / DAY_MS,
                orders,
                running: lock(&world.machine).running,
            });
        }
    }
    afterwards(&world).await;
    for other in others {
        other.abort();
    }
    let ends = judge::judge(&world).await;
    report(&world, ends)
}

/// Nothing goes wrong any more. Whatever is left comes to its end, or stays for somebody to see.
async fn afterwards(world: &Arc<World>) {
    let left_ms = world.end_ms.load(Ordering::Relaxed) - sim::now_ms();
    sim::sleep_ms(u64::try_from(left_ms).unwrap_or(0)).await;
    for _ in 0..120 {
        sim::sleep_ms(12 * 3_600_000).await;
        let open = world.shop().read_models.open_orders().await;
        let is_done = lock(&world.machine).running == 0
            && open.is_ok_and(|open| open.projections.is_empty() && open.blanks.is_empty());
        if is_done {
            break;
        }
    }
}

fn report(world: &World, ends: BTreeMap<String, u64>) -> Outcome {
    let hash = world.hash();
    let mut trace = lock(&world.trace);
    let panics = PANICS.take().into_iter();
    let broken = std::mem::take(&mut trace.broken).into_iter();
    let broken = broken.chain(panics.map(|panic| (String::new(), format!("a panic: {panic}"))));
    Outcome {
        tally: std::mem::take(&mut lock(&world.tally)),
        ends,
        hash,
        broken: broken.map(|(order, rule)| Broken { order, rule }).collect(),
        story: trace.story.take().unwrap_or_default(),
        calls: world.wire.calls(),
    }
}

#[cfg(test)]
#[expect(clippy::panic, reason = "that is what is noticed")]
mod tests {
    use super::*;

    #[test]
    fn a_panic_that_nobody_waits_for_is_a_broken_rule() {
        notice_panics();
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        runtime.expect("a runtime").block_on(async {
            let task = tokio::spawn(async { panic!("as planned") });
            assert!(task.await.is_err());
        });
        let panics = PANICS.take();
        assert!(
            panics.len() == 1 && panics[0].contains("as planned"),
            "{panics:?}"
        );
    }
}
