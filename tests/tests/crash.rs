//! A crash or a lost answer at every I/O of every step and undo: run again, or reverse instead, and
//! there is one effect of each, or none that is not taken back.
//!
//! The I/Os are enumerated by the code under test: an order fails at its first, the next one at
//! its second, until one gets through without reaching the one that was to fail.
#![expect(clippy::expect_used, reason = "tests")]

mod shop;

use std::time::Duration;

use domain::ledger::Entry;
use domain::ports::{Decided, Orders as _, Reserved, Stock as _};
use domain::{Actor, AuditEvent, Decision, ErrorName, Event, OrderState, Stage, StepError};
use serde_json::{Value, json};
use shop::{ARTICLE, Do, PIECES, Shop, count, task};
use step::{FailureInput, Task};
use tests::{Fault, Plan, document, invocation};

const UNDO: [Do; 4] = [Do::CancelShipment, Do::Reverse, Do::Release, Do::Failed];

/// The first I/O of all, and the first of taking the money.
const START: (usize, &str) = (0, "load");
fn capture() -> (usize, &'static str) {
    let forward = Do::forward().into_iter();
    let before = forward.take_while(|what| *what != Do::Capture);
    (points_of(&before.collect::<Vec<_>>()), "claim capture")
}

fn points_of(tasks: &[Do]) -> usize {
    tasks.iter().map(|what| what.expected().points).sum()
}

/// What is done after the crash or the failure.
#[derive(Clone, Copy)]
enum Then {
    Again,
    Reverse,
}

/// What is done with an order.
#[derive(Clone, Copy)]
struct Way<'a> {
    tasks: &'a [Do],
    /// Whether the hold has run out before the money is taken for the first time.
    lapses: bool,
    then: Then,
    /// The first I/O to fail, and what it is: what comes before fails in another test.
    from: (usize, &'a str),
}

/// An order at its end.
struct Ended {
    /// For a failing assertion: what happened where.
    case: String,
    /// The I/O that failed.
    hit: String,
    fault: Fault,
    lapses: bool,
    effects: Value,
    state: OrderState,
    messages: Vec<String>,
}

/// An hour passes before each invocation. `None` if the I/O was not reached.
async fn order(shop: &Shop, fault: Fault, at: usize, way: Way<'_>) -> Option<Ended> {
    let order = format!("{fault:?}-{at}");
    let plan = Plan::new(fault, at);
    shop.accept(&order).await;
    let (mut tries, mut lapses, mut reverses) = (0, way.lapses, false);
    let mut open: Vec<Do> = way.tasks.iter().rev().copied().collect();
    while let Some(what) = open.pop() {
        tries += 1;
        assert!(tries < 50, "{order} does not come to an end: {what:?}");
        let mut pause = Duration::from_hours(1);
        if what == Do::Capture && lapses {
            lapses = false;
            shop.sandbox.lapse(&order).await;
            pause = Duration::from_hours(5 * 24);
        }
        shop.database.elapse(&order, pause).await;
        let by = invocation(&order, &format!("owner-{tries}"), 60_000);
        let failed = tokio::select! {
            answer = shop.run(what, by, &plan, carrier_unavailable()) => match answer {
                Ok(_) => false,
                Err(error) => {
                    assert!(is_passing(&error), "{what:?}: {error}");
                    true
                }
            },
            () = plan.stopped() => true,
        };
        match way.then {
            Then::Again if failed => open.push(what),
            // Also if the step bore it.
            Then::Reverse if !reverses && plan.hit().is_some() => {
                reverses = true;
                open = UNDO.into_iter().rev().collect();
            }
            Then::Again | Then::Reverse => {}
        }
    }
    let hit = plan.hit()?;
    Some(Ended {
        case: format!("{fault:?} at I/O {at} ({hit})"),
        hit,
        fault,
        lapses: way.lapses,
        effects: shop.ledger(&order).await,
        state: shop.database.state(&order).await,
        messages: shop.outbox.sent(&order),
    })
}

fn carrier_unavailable() -> FailureInput {
    FailureInput {
        error: "CarrierUnavailable".to_owned(),
        cause: String::new(),
    }
}

/// Whether the state machine runs the step again.
fn is_passing(error: &StepError) -> bool {
    matches!(
        error.name(),
        ErrorName::StoreUnavailable
            | ErrorName::PaymentUnavailable
            | ErrorName::CarrierUnavailable
            | ErrorName::NotificationUnavailable
    )
}

impl Ended {
    #[track_caller]
    fn assert_effects(&self, expected: [(&str, usize); 6]) {
        for (kind, expected) in expected {
            let case = &self.case;
            assert_eq!(count(&self.effects, kind), expected, "{kind}, {case}");
        }
    }

    /// Mail knows no keys: a message whose going out was not put on record goes out again.
    #[track_caller]
    fn assert_messages(&self, subject: &str) {
        let case = &self.case;
        let twice = match self.hit.as_str() {
            "send" => self.fault.acts(),
            "commit notify" | "commit notify_failure" => !self.fault.acts(),
            _ => false,
        };
        assert_eq!(self.messages.len(), 1 + usize::from(twice), "{case}");
        let its = |message: &String| message.ends_with(subject);
        assert!(self.messages.iter().all(its), "{case}: {:?}", self.messages);
    }

    #[track_caller]
    fn assert_completed_once(&self) {
        let case = &self.case;
        // What has lapsed is held anew.
        let lapsed = usize::from(self.lapses);
        self.assert_effects([
            ("authorizations", 1 + lapsed),
            ("captures", 1),
            ("voids", lapsed),
            ("refunds", 0),
            ("shipments", 1),
            ("cancelled_shipments", 0),
        ]);
        self.assert_messages("is on its way");
        assert_eq!(self.state.stage, Stage::Completed, "{case}");
        assert!(is_done(self.state.notify.as_ref()), "{case}");
    }

    #[track_caller]
    fn assert_taken_back_once(&self) {
        let case = &self.case;
        self.assert_effects([
            ("authorizations", 1),
            ("captures", 1),
            ("voids", 0),
            ("refunds", 1),
            ("shipments", 1),
            ("cancelled_shipments", 1),
        ]);
        self.assert_failed();
        assert!(is_done(self.state.reverse.as_ref()), "{case}");
    }

    #[track_caller]
    fn assert_nothing_kept(&self) {
        let (case, of) = (&self.case, |kind| count(&self.effects, kind));
        let holds = 1 + usize::from(self.lapses);
        assert!(of("authorizations") <= holds, "{case}");
        assert!(of("shipments") <= 1, "{case}");
        assert_eq!(of("refunds"), of("captures"), "{case}");
        assert_eq!(of("voids") + of("captures"), of("authorizations"), "{case}");
        assert_eq!(of("cancelled_shipments"), of("shipments"), "{case}");
        self.assert_failed();
    }

    #[track_caller]
    fn assert_failed(&self) {
        let case = &self.case;
        self.assert_messages("could not be completed");
        assert_eq!(self.state.stage, Stage::Failed, "{case}");
        assert!(is_done(self.state.notify_failure.as_ref()), "{case}");
    }
}

fn is_done<T>(entry: Option<&Entry<T>>) -> bool {
    entry.is_some_and(|entry| entry.outcome().is_some())
}

/// Lets each I/O fail with each of `faults`, and looks what came of it. How many I/Os there are,
/// those before the first one to fail as well.
async fn everywhere(shop: &Shop, faults: &[Fault], way: Way<'_>, check: fn(&Ended)) -> usize {
    let mut points = Vec::new();
    for fault in faults {
        let (mut at, first) = way.from;
        while let Some(ended) = order(shop, *fault, at, way).await {
            assert!(at > way.from.0 || ended.hit == first, "{}", ended.case);
            check(&ended);
            at += 1;
        }
        points.push(at);
    }
    let last = points.first().copied().expect("a fault");
    let same = points.iter().all(|one| *one == last);
    assert!(same, "the faults hit other I/Os: {points:?}");
    last
}

/// Runs forward, again after each fault. How many I/Os there are.
async fn forward(faults: &[Fault], lapses: bool, from: (usize, &str)) -> usize {
    let shop = Shop::open().await;
    let way = Way {
        tasks: &[Do::forward(), vec![Do::Shipped]].concat(),
        lapses,
        then: Then::Again,
        from,
    };
    let points = everywhere(&shop, faults, way, Ended::assert_completed_once).await;
    // Every order took one piece, those that did not fail as well.
    let orders = (points - from.0 + 1) * faults.len();
    let available = shop.database.available(ARTICLE).await;
    assert_eq!(available, PIECES - orders as u64);
    points
}

/// Runs forward and back, again after each fault.
async fn undo(faults: &[Fault]) {
    let shop = Shop::open().await;
    let way = Way {
        tasks: &[Do::forward(), UNDO.to_vec()].concat(),
        lapses: false,
        then: Then::Again,
        from: (points_of(&Do::forward()), "begin_reversal"),
    };
    let points = everywhere(&shop, faults, way, Ended::assert_taken_back_once).await;
    assert_eq!(points, points_of(&Do::forward()) + points_of(&UNDO));
    let available = shop.database.available(ARTICLE).await;
    assert_eq!(available, PIECES, "every piece is back");
}

/// Runs forward until a fault, then back. How many I/Os there are.
async fn reverse_instead(faults: &[Fault], lapses: bool, from: (usize, &str)) -> usize {
    let shop = Shop::open().await;
    let way = Way {
        tasks: &Do::forward(),
        lapses,
        then: Then::Reverse,
        from,
    };
    let points = everywhere(&shop, faults, way, Ended::assert_nothing_kept).await;
    // Those that did not fail took a piece.
    let available = shop.database.available(ARTICLE).await;
    assert_eq!(available, PIECES - faults.len() as u64);
    points
}

#[tokio::test]
async fn a_step_that_crashed_anywhere_and_runs_again_has_one_effect() {
    let points = forward(&Fault::CRASHES, false, START).await;
    assert_eq!(
        points,
        points_of(&Do::forward()) + points_of(&[Do::Shipped])
    );
}

#[tokio::test]
async fn a_step_that_lost_an_answer_anywhere_and_runs_again_has_one_effect() {
    let points = forward(&Fault::LOSSES, false, START).await;
    assert_eq!(
        points,
        points_of(&Do::forward()) + points_of(&[Do::Shipped])
    );
}

#[tokio::test]
async fn an_undo_that_crashed_anywhere_and_runs_again_takes_everything_back_once() {
    undo(&Fault::CRASHES).await;
}

#[tokio::test]
async fn an_undo_that_lost_an_answer_anywhere_and_runs_again_takes_everything_back_once() {
    undo(&Fault::LOSSES).await;
}

#[tokio::test]
async fn an_order_that_is_reversed_after_a_crash_anywhere_keeps_neither_money_nor_goods() {
    let points = reverse_instead(&Fault::CRASHES, false, START).await;
    assert_eq!(points, points_of(&Do::forward()));
}

#[tokio::test]
async fn an_order_that_is_reversed_after_a_lost_answer_anywhere_keeps_neither_money_nor_goods() {
    let points = reverse_instead(&Fault::LOSSES, false, START).await;
    assert_eq!(points, points_of(&Do::forward()));
}

#[tokio::test]
async fn a_hold_that_lapsed_is_renewed_once_whatever_fails_on_the_way() {
    let faults = [Fault::CrashAfter, Fault::RequestLost, Fault::AnswerLost];
    let points = forward(&faults, true, capture()).await;
    let plain = points_of(&Do::forward()) + points_of(&[Do::Shipped]);
    assert_eq!(points, plain + 4, "look, read, hold anew, note it");
}

#[tokio::test]
async fn an_order_that_is_reversed_while_its_hold_is_renewed_keeps_neither_money_nor_goods() {
    let faults = [Fault::CrashAfter, Fault::RequestLost, Fault::AnswerLost];
    let points = reverse_instead(&faults, true, capture()).await;
    let plain = points_of(&Do::forward());
    assert_eq!(points, plain + 4, "look, read, hold anew, note it");
}

/// A reviewer decided before the execution came to ask; it asks until somebody hears it.
#[tokio::test]
async fn an_execution_that_asks_for_a_decision_made_before_is_woken_whatever_fails_on_the_way() {
    let shop = Shop::open().await;
    let mut hits = Vec::new();
    for fault in [Fault::CRASHES.as_slice(), &Fault::LOSSES].concat() {
        for at in 0.. {
            let order = format!("review-{fault:?}-{at}");
            let plan = Plan::new(fault, at);
            approved(&shop, &order).await;
            let ask = async || {
                let task = Task {
                    task_token: Some(order.clone()),
                    ..task(notify::Action::Review, invocation(&order, "asks", 60_000))
                };
                tokio::select! {
                    answer = shop.notify(&plan, task) => answer.map_err(|error| error.name()),
                    () = plan.stopped() => Err(ErrorName::StoreUnavailable),
                }
            };
            let again = ask().await.is_err();
            if again {
                assert_eq!(ask().await, Ok(json!({})));
            }
            let woken = shop.outbox.woken();
            let woken = woken.iter().filter(|token| **token == order).count();
            let Some(hit) = plan.hit() else {
                assert_eq!((again, woken), (false, 1), "{order}");
                break;
            };
            // Who is woken twice goes on once: the token is used up.
            let twice = hit == "proceed" && fault.acts();
            assert_eq!((again, woken), (true, 1 + usize::from(twice)), "{order}");
            hits.push(hit);
        }
    }
    let each = ["open_review", "proceed"];
    assert_eq!(hits, each.repeat(5), "two I/Os, five faults");
}

/// An order that a reviewer approved.
async fn approved(shop: &Shop, order: &str) {
    let accepted = shop.database.accepted(&document(order)).await;
    let (store, by) = (&shop.database.store, invocation(order, "validate", 1000));
    let reserved = store.reserve(&by, &accepted, true).await;
    assert_eq!(reserved, Ok(Reserved::All));
    let event = AuditEvent::new(
        by.now,
        Event::Approved,
        Actor::Operator("op".to_owned()),
        "known",
    );
    let decided = store.decide_review(&by.order_id, Decision::Approved, &event);
    let recorded = Decided::Recorded { token: None };
    assert_eq!(decided.await, Ok(recorded));
}
