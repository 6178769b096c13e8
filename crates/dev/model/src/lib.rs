#![doc = include_str!("../README.md")]

mod command;
mod definition;
mod process;
mod properties;
mod roles;
mod scopes;
mod system;
mod words;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

pub use command::Command;
use definition::Definition;
use domain::{Submission, Timestamp};
pub use memory::Bug;
use memory::{Scene, World};
pub use process::Fate;
use properties::{ENDS, RULES};
pub use scopes::{PLANTED, QUICK, SCOPES, Scope};
use serde_json::json;
use stateright::{Checker as _, HasDiscoveries, Model, Property};
pub use system::{Beginning, Bounds, Meeting, Move, System};

/// One order, and everything that can happen to it within these bounds.
#[derive(Debug)]
pub struct OneOrder {
    definition: Definition,
    scene: Arc<Scene>,
    bounds: Bounds,
    /// The rules that were seen broken. Of each only the first time counts: in breadth-first order, on one
    /// thread, the shortest way there.
    broken: [AtomicBool; RULES.len()],
}

/// What an exploration has come to.
#[derive(Debug)]
pub struct Explored {
    /// States that differ.
    pub unique: usize,
    /// Ways that lead to them, by their last move.
    pub states: usize,
    /// The longest way.
    pub depth: usize,
    /// Whether there was nothing left to explore.
    pub is_exhausted: bool,
    /// The ends that orders have come to.
    pub ends: Vec<&'static str>,
    /// The rules that are broken, each with a way to where it is, a line a move.
    pub broken: Vec<(&'static str, Vec<String>)>,
}

fn document() -> serde_json::Value {
    json!({
        "schema_version": 1, "order_id": "ord-1", "currency": "USD",
        "customer": {"customer_id": "cus-7", "name": "Ada Example", "email": "ada@example.com"},
        "payment": {"method": "pm_card_visa", "customer": "cus_7"},
        "shipping_address": {"name": "Ada Example", "line1": "1 Main St", "line2": null,
            "city": "Springfield", "region": "IL", "postal_code": "62701", "country": "US"},
        "lines": [{"sku": "MUG-01", "quantity": 2, "unit_price": 1299}],
        "shipping_fee": 500, "tax": 0, "total": 3098
    })
}

impl OneOrder {
    /// Within these bounds, perhaps with a bug planted.
    ///
    /// # Panics
    /// If the sample order is none.
    #[must_use]
    #[expect(clippy::expect_used, reason = "a constant document")]
    pub fn new(bounds: Bounds, bug: Option<Bug>) -> Self {
        let submission = Submission::parse(document().to_string().as_bytes());
        let submission = submission.expect("a valid document");
        Self {
            definition: Definition::read(bug),
            scene: Arc::new(Scene {
                order: submission.order,
                fingerprint: submission.fingerprint,
                personal: submission.personal,
                stock: 5,
                is_reviewed: bounds.decisions > 0,
                bug,
            }),
            bounds,
            broken: [const { AtomicBool::new(false) }; RULES.len()],
        }
    }

    /// Explores all of it, or until a rule is broken, or for so long. `progress` hears of it now and then.
    #[must_use]
    pub fn explore(
        self,
        threads: usize,
        patience: Duration,
        progress: impl Fn(usize, usize),
    ) -> Explored {
        let checker = self
            .checker()
            .threads(threads)
            .timeout(patience)
            .finish_when(HasDiscoveries::AnyFailures)
            .spawn_bfs();
        let began = Instant::now();
        while !checker.is_done() {
            std::thread::sleep(Duration::from_millis(50));
            progress(checker.unique_state_count(), checker.max_depth());
        }
        let (mut broken, mut ends) = (Vec::new(), Vec::new());
        for (name, path) in checker.discoveries() {
            if ENDS.iter().any(|(end, _)| *end == name) {
                ends.push(name);
            } else {
                broken.push((name, words::told(path.into_vec())));
            }
        }
        broken.sort_by_key(|(_, way)| way.len());
        Explored {
            unique: checker.unique_state_count(),
            states: checker.state_count(),
            depth: checker.max_depth(),
            is_exhausted: broken.is_empty() && began.elapsed() < patience,
            ends,
            broken,
        }
    }

    fn holds(&self, rule: usize, system: &System) -> bool {
        let (_, holds) = RULES[rule];
        holds(system) || self.broken[rule].swap(true, Ordering::Relaxed)
    }
}

/// The checker takes plain functions, one a rule.
macro_rules! properties {
    ($($index:literal)*) => {
        vec![$(Property::always(RULES[$index].0, |model: &OneOrder, system| {
            model.holds($index, system)
        })),*]
    };
}

impl Model for OneOrder {
    type State = System;
    type Action = Move;

    fn init_states(&self) -> Vec<System> {
        let now = Timestamp::UNIX_EPOCH;
        let world = World::new(self.scene.clone(), now);
        vec![System::new(world, &self.definition, self.bounds)]
    }

    fn actions(&self, system: &System, moves: &mut Vec<Move>) {
        system.moves(&self.definition, moves);
    }

    fn next_state(&self, system: &System, next: Move) -> Option<System> {
        system.after(&self.definition, &next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut properties = properties!(0 1 2 3 4 5 6 7 8 9 10 11 12);
        properties.extend([
            Property::sometimes(ENDS[0].0, |_, system| (ENDS[0].1)(system)),
            Property::sometimes(ENDS[1].0, |_, system| (ENDS[1].1)(system)),
            Property::sometimes(ENDS[2].0, |_, system| (ENDS[2].1)(system)),
            Property::sometimes(ENDS[3].0, |_, system| (ENDS[3].1)(system)),
            Property::sometimes(ENDS[4].0, |_, system| (ENDS[4].1)(system)),
        ]);
        properties
    }
}
