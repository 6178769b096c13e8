//! What becomes of requests and answers on their way.

use std::sync::{Arc, Mutex};

use domain::Timestamp;
use domain::ports::{Orders as _, StoreError};
use futures_util::future::{BoxFuture, FutureExt as _, pending, ready};
use store::Store;
use tests::{ORDERS, READ_MODELS, STOCK, document, submission};
use wire::{Answer, Fate, Listener, Request, Wire};

use crate::{Still, shop};

/// What is to become of each request in turn, and of its answer. Everything arrives once these are used up.
#[derive(Clone, Default)]
struct Script {
    fates: Arc<Mutex<Vec<(Fate, Fate)>>>,
    heard: Arc<Mutex<Vec<String>>>,
}

impl Script {
    fn of(fates: impl IntoIterator<Item = (Fate, Fate)>) -> Self {
        let script = Self::default();
        *script.fates.lock().expect("a lock") = fates.into_iter().collect();
        script
    }

    fn heard(&self) -> Vec<String> {
        self.heard.lock().expect("a lock").clone()
    }
}

impl Listener for Script {
    fn before(&self, request: &Request) -> BoxFuture<'static, Fate> {
        let order = request.order().unwrap_or("-");
        let heard = format!("{} {} {order}", request.caller, request.operation);
        self.heard.lock().expect("a lock").push(heard);
        let fates = self.fates.lock().expect("a lock");
        let fate = fates
            .first()
            .map_or(Fate::Arrives, |(before, _)| before.clone());
        if fate != Fate::Arrives {
            drop(fates);
            self.fates.lock().expect("a lock").remove(0);
        }
        ready(fate).boxed()
    }

    fn after(&self, _: &Request, _: &Answer) -> BoxFuture<'static, Fate> {
        let mut fates = self.fates.lock().expect("a lock");
        if fates.is_empty() {
            return ready(Fate::Arrives).boxed();
        }
        ready(fates.remove(0).1).boxed()
    }
}

fn store(wire: &Wire, caller: &str) -> Store {
    let config = wire.config(caller, Still);
    Store::new(&config, ORDERS, STOCK).announcing_in(READ_MODELS)
}

#[tokio::test]
async fn a_listener_hears_who_asks_what_about_which_order() {
    let (wire, _) = shop().await;
    let script = Script::default();
    wire.listen(script.clone());
    let store = store(&wire, "intake");
    let accepted = store
        .accept(&submission(&document("ord-7")), Timestamp::now())
        .await;
    accepted.expect("accepted");
    store
        .load(&"ord-7".parse().expect("an id"))
        .await
        .expect("an answer");
    assert_eq!(
        script.heard(),
        ["intake TransactWriteItems ord-7", "intake Query ord-7"]
    );
}

#[tokio::test]
async fn a_lost_request_was_not_done_and_a_lost_answer_was() {
    let (wire, _) = shop().await;
    let store = store(&wire, "intake");
    let submission = submission(&document("ord-7"));
    let lost = || (Fate::Lost, Fate::Arrives);
    // As many as the adapter tries, for the write and for the look at what became of it.
    wire.listen(Script::of((0..6).map(|_| lost())));
    let accepted = store.accept(&submission, Timestamp::now()).await;
    assert!(
        matches!(accepted, Err(StoreError::Unavailable(_))),
        "{accepted:?}"
    );
    assert!(wire.contents(ORDERS).is_empty());

    wire.listen(Script::of((0..3).map(|_| (Fate::Arrives, Fate::Lost))));
    let accepted = store.accept(&submission, Timestamp::now()).await;
    let same = matches!(accepted, Ok(store::Accepted::Same(_)));
    assert!(same, "{accepted:?}");
    assert_eq!(wire.contents(ORDERS).len(), 3);
}

#[tokio::test]
async fn a_throttled_request_is_tried_again_by_the_sdk() {
    let (wire, _) = shop().await;
    let store = store(&wire, "intake");
    let throttles = Throttles(Script::default());
    wire.listen(throttles.clone());
    let accepted = store
        .accept(&submission(&document("ord-7")), Timestamp::now())
        .await;
    assert!(
        matches!(accepted, Ok(store::Accepted::New(_))),
        "{accepted:?}"
    );
    assert_eq!(throttles.0.heard().len(), 2);
}

/// Throttles the first request.
#[derive(Clone)]
struct Throttles(Script);

impl Listener for Throttles {
    fn before(&self, request: &Request) -> BoxFuture<'static, Fate> {
        let heard = self.0.before(request);
        if self.0.heard().len() == 1 {
            return ready(Fate::Instead(request.throttled())).boxed();
        }
        heard
    }

    fn after(&self, _: &Request, _: &Answer) -> BoxFuture<'static, Fate> {
        ready(Fate::Arrives).boxed()
    }
}

/// Holds everything back.
struct Frozen;

impl Listener for Frozen {
    fn before(&self, _: &Request) -> BoxFuture<'static, Fate> {
        pending().boxed()
    }

    fn after(&self, _: &Request, _: &Answer) -> BoxFuture<'static, Fate> {
        pending().boxed()
    }
}

#[tokio::test]
async fn what_is_held_back_can_be_dropped_and_was_not_done() {
    let (wire, _) = shop().await;
    let store = store(&wire, "intake");
    wire.listen(Frozen);
    let submission = submission(&document("ord-7"));
    let accepting = store.accept(&submission, Timestamp::now()).now_or_never();
    assert_eq!(accepting, None);
    assert!(wire.contents(ORDERS).is_empty());
}

#[tokio::test]
async fn each_write_to_a_streamed_table_is_a_record_that_wakes_the_monitor() {
    let (wire, database) = shop().await;
    database.accepted(&document("ord-7")).await;
    let changes = wire.take_changes();
    let items: Vec<_> = changes.iter().map(|change| &change.keys["item"]).collect();
    let text = |text: &str| wire::Attribute::S(text.to_owned());
    assert_eq!(items, [&text("order"), &text("personal"), &text("state")]);
    database.cancelled("ord-7").await;
    let changes = wire.take_changes();
    let [change] = changes.as_slice() else {
        panic!("{changes:?}");
    };
    assert!(
        !change
            .old
            .as_ref()
            .expect("as it was")
            .contains_key("cancel")
    );
    assert!(
        change
            .new
            .as_ref()
            .expect("as it is")
            .contains_key("cancel")
    );
    let record = change.record();
    assert_eq!(record["eventName"], "MODIFY");
    let read = monitor::trigger::read(&serde_json::json!({"Records": [record]}));
    let at = Timestamp::from_second(500_000 * 3600).ok();
    let orders = vec!["ord-7".parse().expect("an id")];
    assert_eq!(read, Ok(monitor::trigger::Trigger::Ledger(orders, at)));
}
