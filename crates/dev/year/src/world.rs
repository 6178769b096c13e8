//! One shop for a year: what all who are at work in it share.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use wire::{Both, Embedded, Tables, Wire};

use crate::aws::SimulatedTime;
use crate::books::Books;
use crate::definition::Definition;
use crate::dice::Dice;
use crate::machine::Machine;
use crate::plan::{Fault, Weather};
use crate::shop::Shop;
use crate::sim::{self, lock};

/// How much of what.
pub(crate) type Tally = BTreeMap<&'static str, u64>;

/// What has happened so far.
#[derive(Debug, Default)]
pub(crate) struct Trace {
    hasher: DefaultHasher,
    /// In words, if somebody is going to read it.
    pub(crate) story: Option<Vec<String>>,
    /// Rules that were broken, with the order.
    pub(crate) broken: Vec<(String, String)>,
}

/// What a customer wants, and what they were told of it.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    /// Articles, with how many pieces.
    pub(crate) pieces: Vec<(String, u64)>,
    /// In minor units.
    pub(crate) total: u64,
    /// Whether the shop has taken the order.
    pub(crate) is_accepted: bool,
}

/// What a world is made with.
#[derive(Debug, Clone)]
pub(crate) struct Setting {
    pub(crate) seed: u64,
    /// Which of the shops it is.
    pub(crate) number: u64,
    pub(crate) orders: u64,
    pub(crate) days: u64,
    /// Only these orders come, if any is named.
    pub(crate) only: BTreeSet<String>,
    pub(crate) without: BTreeSet<Fault>,
    /// What is planted, if anything.
    pub(crate) bug: Option<memory::Bug>,
    /// Whether each answer of the tables is compared with that of the embedded DynamoDB.
    pub(crate) is_checked: bool,
    /// Whether a story is told.
    pub(crate) tells: bool,
}

/// Everything.
pub(crate) struct World {
    pub(crate) setting: Setting,
    pub(crate) definition: Definition,
    pub(crate) weather: Weather,
    pub(crate) wire: Wire,
    pub(crate) books: Mutex<Books>,
    pub(crate) machine: Mutex<Machine>,
    pub(crate) shop: Mutex<Option<Arc<Shop>>>,
    pub(crate) tally: Mutex<Tally>,
    pub(crate) trace: Mutex<Trace>,
    /// The function calls that are under way, by function.
    pub(crate) at_work: Mutex<BTreeMap<&'static str, u64>>,
    /// Orders of which the monitor is about to hear.
    pub(crate) changed: Mutex<BTreeSet<String>>,
    /// What customers want, by order.
    pub(crate) wanted: Mutex<BTreeMap<String, Wanted>>,
    /// Documents that wait in the queue, with how often they were received.
    pub(crate) queue: Mutex<Vec<(String, String, u32)>>,
    /// When the year ends, and nothing goes wrong any more.
    pub(crate) end_ms: AtomicI64,
    /// Raised by each invocation.
    pub(crate) invocations: Mutex<u64>,
}

impl fmt::Debug for World {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "World({})", self.setting.number)
    }
}

impl World {
    pub(crate) fn new(setting: Setting) -> Arc<Self> {
        let weather = Weather::of(setting.seed, sim::FIRST_MS, setting.days, &setting.without);
        let trace = Trace {
            story: setting.tells.then(Vec::new),
            ..Trace::default()
        };
        let wire = if setting.is_checked {
            let embedded = Embedded::new().expect("a database");
            Wire::new(Both::new(Tables::new(), embedded), SimulatedTime)
        } else {
            Wire::new(Tables::new(), SimulatedTime)
        };
        Arc::new(Self {
            definition: Definition::read(),
            weather,
            wire,
            books: Mutex::default(),
            machine: Mutex::default(),
            shop: Mutex::default(),
            tally: Mutex::default(),
            trace: Mutex::new(trace),
            at_work: Mutex::default(),
            changed: Mutex::default(),
            wanted: Mutex::default(),
            queue: Mutex::default(),
            end_ms: AtomicI64::new(i64::MAX),
            invocations: Mutex::default(),
            setting,
        })
    }

    /// The functions, as they are deployed now.
    pub(crate) fn shop(&self) -> Arc<Shop> {
        let shop = lock(&self.shop);
        Arc::clone(shop.as_ref().expect("a shop that is open"))
    }

    /// Chance for something that has a name.
    pub(crate) fn dice(&self, what: impl Hash) -> Dice {
        Dice::of(self.setting.seed, what)
    }

    /// Whether this may go wrong.
    pub(crate) fn may(&self, fault: Fault) -> bool {
        !self.setting.without.contains(&fault) && !self.is_over()
    }

    /// Whether the year is over. After it nothing goes wrong any more, and what is left comes to its end.
    pub(crate) fn is_over(&self) -> bool {
        sim::now_ms() >= self.end_ms.load(Ordering::Relaxed)
    }

    /// Something happened to an order: it counts, is part of the trace, and of the story if one is told.
    pub(crate) fn happened(&self, what: &'static str, order: &str, more: impl fmt::Display) {
        *lock(&self.tally).entry(what).or_default() += 1;
        let now_ms = sim::now_ms();
        let mut trace = lock(&self.trace);
        (now_ms, what, order).hash(&mut trace.hasher);
        // What is about no order, such as a sweep, is nobody's story.
        if let Some(story) = trace.story.as_mut().filter(|_| !order.is_empty()) {
            story.push(format!("{} {order} {what} {more}", sim::at(now_ms)));
        }
    }

    /// A rule is broken.
    pub(crate) fn broken(&self, order: &str, rule: impl Into<String>) {
        let rule = rule.into();
        self.happened("broken rules", order, &rule);
        lock(&self.trace).broken.push((order.to_owned(), rule));
    }

    /// What all that has happened so far comes to.
    pub(crate) fn hash(&self) -> u64 {
        lock(&self.trace).hasher.finish()
    }
}
