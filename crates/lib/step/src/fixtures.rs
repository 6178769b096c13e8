//! An order in memory, whose database can be out of reach: for unit tests.

use std::sync::{Arc, Mutex, MutexGuard};

use domain::ledger::Effect;
use domain::ports::{Claimed, Invocation, Orders as _};
use domain::{OrderState, Stage, Submission, Timestamp};
use memory::{Answer, Call, Lost, Mood, Ports, Said, Scene, Snapshot, Wire, World};
use serde_json::json;

/// When the world stands still.
pub(crate) const NOW: i64 = 1_795_428_000;

pub(crate) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(NOW + second).unwrap()
}

/// An invocation that begins at `second`, with half a minute.
pub(crate) fn by(owner: &str, second: i64) -> Invocation {
    Invocation {
        order_id: "ord-1".parse().unwrap(),
        attempt: 1,
        owner: owner.to_owned(),
        deadline: at(second + 30),
        now: at(second),
    }
}

/// What the database was asked, and what it does not hear of.
#[derive(Default)]
struct Calls {
    asked: Vec<String>,
    lost: Option<&'static str>,
}

pub(crate) struct Shop {
    scene: Arc<Scene>,
    world: Mutex<World>,
    calls: Mutex<Calls>,
}

impl Wire for Shop {
    async fn send(&self, call: Call, act: impl FnOnce(&mut World, Mood) -> Said + Send) -> Answer {
        let mut calls = self.calls.lock().unwrap();
        calls.asked.push(format!("{} {}", call.verb, call.effect));
        if calls.lost == Some(call.verb) {
            return Err(Lost::NotMade);
        }
        Ok(act(&mut self.world(), Mood::Willing))
    }

    fn scene(&self) -> &Arc<Scene> {
        &self.scene
    }
}

impl Shop {
    /// With an order at this stage.
    pub(crate) fn open(stage: Stage) -> Arc<Self> {
        Self::with(|state| OrderState { stage, ..state })
    }

    /// With an order that has been changed since it was accepted.
    pub(crate) fn with(change: impl FnOnce(OrderState) -> OrderState) -> Arc<Self> {
        let document = json!({
            "schema_version": 1, "order_id": "ord-1", "currency": "USD",
            "customer": {"customer_id": "cus-7", "name": "Ada", "email": "ada@example.com"},
            "payment": {"method": "pm_card_visa"},
            "shipping_address": {"name": "Ada", "line1": "1 Main St", "city": "Springfield",
                "region": "IL", "postal_code": "62701", "country": "US"},
            "lines": [{"sku": "MUG-01", "quantity": 2, "unit_price": 1299}],
            "shipping_fee": 500, "tax": 0, "total": 3098
        });
        let submission = Submission::parse(document.to_string().as_bytes()).unwrap();
        let scene = Arc::new(Scene {
            order: submission.order,
            fingerprint: submission.fingerprint,
            personal: submission.personal,
            stock: 5,
            is_reviewed: false,
            bug: None,
        });
        let mut world = World::new(scene.clone(), at(0));
        world.state = Snapshot::new(change(world.state.state().clone()));
        Arc::new(Self {
            scene,
            world: Mutex::new(world),
            calls: Mutex::default(),
        })
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap()
    }

    /// Requests of this kind do not arrive from now on.
    pub(crate) fn lose(&self, verb: &'static str) {
        self.calls.lock().unwrap().lost = Some(verb);
    }

    /// What it was asked since it was last looked at.
    pub(crate) fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.calls.lock().unwrap().asked)
    }

    pub(crate) fn state(&self) -> OrderState {
        self.world().state.state().clone()
    }

    /// An attempt that came before.
    pub(crate) fn had(&self, earlier: OrderState) {
        self.world().earlier.push(Snapshot::new(earlier));
    }

    pub(crate) fn orders(self: &Arc<Self>) -> Ports<Self> {
        Ports::new(self.clone())
    }

    /// Has somebody claim an effect, and nobody hear of them again.
    pub(crate) async fn abandon<E: Effect>(self: &Arc<Self>) {
        let claimed = self.orders().claim::<E>(&by("somebody", 0)).await.unwrap();
        assert!(matches!(claimed, Claimed::Perform { .. }), "{claimed:?}");
        self.asked();
    }
}
