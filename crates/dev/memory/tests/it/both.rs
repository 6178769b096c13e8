//! One order twice: in memory and in the database.

use std::sync::{Arc, Mutex};

use domain::ports::{Invocation, Orders as _};
use domain::{OrderState, Timestamp};
use memory::{Answer as Heard, Call as Request, Mood, Ports, Said, Scene, Wire, World};
use proptest::test_runner::TestCaseError;
use serde_json::{Value, json};
use store::Begun;
use tests::{Database, audited, document, submission};

use crate::calls::{Answer, Call, What, made};

const STOCK: u64 = 5;
const HOUR_MS: i64 = 3_600_000;

/// A wire on which nothing is lost.
struct Direct {
    scene: Arc<Scene>,
    world: Mutex<World>,
}

impl Wire for Direct {
    async fn send(&self, _: Request, act: impl FnOnce(&mut World, Mood) -> Said + Send) -> Heard {
        let mut world = self.world.lock().expect("a lock");
        Ok(act(&mut world, Mood::Willing))
    }

    fn scene(&self) -> &Arc<Scene> {
        &self.scene
    }
}

pub(crate) struct Both<'a> {
    database: &'a Database,
    wire: Arc<Direct>,
    memory: Ports<Direct>,
    sku: String,
    began_ms: i64,
    /// As it was before the last write.
    older: OrderState,
}

impl<'a> Both<'a> {
    pub(crate) async fn new(database: &'a Database, number: u32) -> Self {
        let sku = format!("SKU-{number}");
        database.article(&sku, 1299, "USD", STOCK).await;
        let mut document: Value = document(&format!("drift-{number}"));
        document["lines"][0]["sku"] = json!(sku);
        let submission = submission(&document);
        let began_ms = Timestamp::now().as_millisecond();
        let now = Timestamp::from_millisecond(began_ms).expect("a time");
        let accepted = database.store.accept(&submission, now).await;
        accepted.expect("accepted");
        let scene = Arc::new(Scene {
            order: submission.order,
            fingerprint: submission.fingerprint,
            personal: submission.personal,
            stock: STOCK,
            is_reviewed: false,
            bug: None,
        });
        let world = World::new(scene.clone(), now);
        let older = world.state.state().clone();
        let world = Mutex::new(world);
        let wire = Arc::new(Direct { scene, world });
        Self {
            database,
            memory: Ports::new(wire.clone()),
            wire,
            sku,
            began_ms,
            older,
        }
    }

    pub(crate) fn versions(&self) -> u64 {
        self.state().version
    }

    fn state(&self) -> OrderState {
        let world = self.wire.world.lock().expect("a lock");
        world.state.state().clone()
    }

    fn by(&self, call: Call) -> Invocation {
        let at = |ms: i64| Timestamp::from_millisecond(ms).expect("a time");
        let now = self.began_ms + i64::from(call.hour) * HOUR_MS;
        Invocation {
            order_id: self.wire.scene.order.order_id.clone(),
            attempt: call.attempt,
            owner: format!("owner-{}", call.owner),
            deadline: at(now + HOUR_MS / 2),
            now: at(now),
        }
    }

    /// What the database's own clock wrote is of the moment at which the memory stands still.
    fn plain(&self, mut value: Value) -> Value {
        self.stop_clock(&mut value);
        value
    }

    fn stop_clock(&self, value: &mut Value) {
        match value {
            Value::Number(number) => {
                let now = self.began_ms..self.began_ms + HOUR_MS / 2;
                if number.as_i64().is_some_and(|ms| now.contains(&ms)) {
                    *value = json!(self.began_ms);
                }
            }
            Value::Array(values) => values.iter_mut().for_each(|value| self.stop_clock(value)),
            Value::Object(fields) => fields.values_mut().for_each(|value| self.stop_clock(value)),
            Value::Null | Value::Bool(_) | Value::String(_) => {}
        }
    }

    fn plain_state(&self, state: &OrderState) -> Value {
        self.plain(serde_json::to_value(state).expect("JSON"))
    }

    fn plain_answer(&self, answer: &Answer) -> Value {
        match answer {
            Answer::State(state) => json!({"state": self.plain_state(state)}),
            Answer::Perform(state, unknown) => {
                json!({"perform": self.plain_state(state), "unknown": unknown})
            }
            Answer::Outcome(state, outcome) => {
                json!({"outcome": outcome, "state": self.plain_state(state)})
            }
            Answer::Said(said) => json!({"said": said}),
            Answer::Done | Answer::Unavailable | Answer::Defect | Answer::NotFound => {
                json!(format!("{answer:?}"))
            }
        }
    }

    /// Makes the call on both.
    pub(crate) async fn agree_on(&mut self, call: &Call) -> Result<(), TestCaseError> {
        let before = self.state();
        let by = self.by(*call);
        let (memory, store) = if let What::Begin { is_news } = call.what {
            let read = if is_news { &self.older } else { &before };
            self.begin(read, by.now).await
        } else {
            let memory = made(&self.memory, call, &by).await;
            (memory, made(&self.database.store, call, &by).await)
        };
        let (memory, store) = (self.plain_answer(&memory), self.plain_answer(&store));
        if memory != store {
            let text = format!("{call:?} on {before:?}\n  memory: {memory}\n  store:  {store}");
            return Err(TestCaseError::fail(text));
        }
        if self.state() != before {
            self.older = before;
        }
        self.is_the_same(call).await
    }

    /// A new attempt, from what was read.
    async fn begin(&self, read: &OrderState, now: Timestamp) -> (Answer, Answer) {
        let fresh = read.next_attempt(&self.wire.scene.order, now);
        let record = self.database.store.load(&read.order_id).await;
        let mut record = record.expect("an answer").expect("the order");
        // As it was read, by its version and times.
        let (version, attempt) = (read.version, read.attempt);
        record.state = OrderState {
            version,
            attempt,
            ..record.state
        };
        let event = audited(domain::Event::ReprocessRequested);
        let store = &self.database.store;
        let begun = store.begin_attempt(&record, fresh.clone(), None, &event, Vec::new());
        let said = |begun: bool| Answer::Said(begun.to_string());
        let store = match begun.await {
            Ok(Begun::Yes(_)) => said(true),
            Ok(Begun::Changed(_)) => said(false),
            Err(error) => error.into(),
        };
        let memory = self.memory.begin_attempt(read, fresh).await;
        (memory.map_or_else(Into::into, said), store)
    }

    /// Whether both keep the same.
    async fn is_the_same(&self, call: &Call) -> Result<(), TestCaseError> {
        let record = self
            .database
            .store
            .load(&self.wire.scene.order.order_id)
            .await;
        let record = record.expect("an answer").expect("the order");
        let available = self.database.available(&self.sku).await;
        let token = self
            .database
            .store
            .review_token(&record.order.order_id)
            .await;
        let earlier = |states: &[OrderState]| -> Vec<Value> {
            states.iter().map(|state| self.plain_state(state)).collect()
        };
        let world = self.wire.world.lock().expect("a lock");
        let in_memory = world.record();
        let memory = json!({
            "state": self.plain_state(&in_memory.state),
            "earlier": earlier(&in_memory.earlier),
            "available": world.available,
            "token": world.review_token,
        });
        let store = json!({
            "state": self.plain_state(&record.state),
            "earlier": earlier(&record.earlier),
            "available": available,
            "token": token.expect("an answer"),
        });
        if memory == store {
            return Ok(());
        }
        let text = format!("after {call:?}\n  memory: {memory}\n  store:  {store}");
        Err(TestCaseError::fail(text))
    }
}
