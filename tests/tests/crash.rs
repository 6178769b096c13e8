//! A crash or a lost answer at every I/O of every step and undo: run again, or reverse instead, and
//! there is one effect of each, or none that is not taken back.
//!
//! The I/Os are enumerated by the code under test: an order fails at its first, the next one at
//! its second, until one gets through without reaching the one that was to fail.
#![expect(clippy::expect_used, reason = "tests")]

mod shop;

use domain::ledger::Entry;
use domain::{ErrorName, OrderState, Stage, StepError};
use serde_json::Value;
use shop::{ARTICLE, Do, PIECES, Shop, count};
use step::FailureInput;
use tests::{Fault, Plan, invocation, later};

const FORWARD: [Do; 4] = [Do::Validate, Do::Authorize, Do::Book, Do::Capture];
const UNDO: [Do; 4] = [Do::CancelShipment, Do::Reverse, Do::Release, Do::Failed];

/// What is done after the crash or the failure.
#[derive(Clone, Copy)]
enum Then {
    Again,
    Reverse,
}

/// An order at its end.
struct Ended {
    /// For a failing assertion: what happened where.
    case: String,
    /// The I/O that failed.
    hit: String,
    fault: Fault,
    effects: Value,
    state: OrderState,
    messages: Vec<String>,
}

/// Each invocation comes an hour after the one before. `None` if the I/O was not reached.
async fn order(shop: &Shop, fault: Fault, at: usize, tasks: &[Do], then: Then) -> Option<Ended> {
    let order = format!("{fault:?}-{at}");
    let plan = Plan::new(fault, at);
    shop.accept(&order).await;
    let mut hour = 0;
    let mut open: Vec<Do> = tasks.iter().rev().copied().collect();
    while let Some(what) = open.pop() {
        hour += 1;
        let by = later(invocation(&order, &format!("owner-{hour}"), 60_000), hour);
        let failed = tokio::select! {
            answer = shop.run(what, by, &plan, carrier_unavailable()) => {
                answer.err().inspect(|error| assert!(is_passing(error), "{what:?}: {error}"))
                    .is_some()
            }
            () = plan.stopped() => true,
        };
        match then {
            Then::Again if failed => open.push(what),
            Then::Reverse if failed => open = UNDO.into_iter().rev().collect(),
            Then::Again | Then::Reverse => {}
        }
        assert!(hour < 50, "{order} does not come to an end: {what:?}");
    }
    let hit = plan.hit()?;
    Some(Ended {
        case: format!("{fault:?} at I/O {at} ({hit})"),
        hit,
        fault,
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
        self.assert_effects([
            ("authorizations", 1),
            ("captures", 1),
            ("voids", 0),
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
        assert!(of("authorizations") <= 1 && of("shipments") <= 1, "{case}");
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

/// Lets each I/O of `tasks` fail with each of `faults`, and hands over what came of it. How many
/// I/Os there are, and how many orders got through without one that failed.
async fn everywhere(
    shop: &Shop,
    faults: &[Fault],
    tasks: &[Do],
    then: Then,
    check: fn(&Ended),
) -> (usize, u64) {
    let mut points = Vec::new();
    for fault in faults {
        let mut at = 0;
        while let Some(ended) = order(shop, *fault, at, tasks, then).await {
            check(&ended);
            at += 1;
        }
        points.push(at);
    }
    let same = points.iter().all(|one| Some(one) == points.first());
    assert!(same, "the faults hit other I/Os: {points:?}");
    (points.first().copied().unwrap_or(0), points.len() as u64)
}

async fn forward(faults: &[Fault]) {
    let shop = Shop::open().await;
    let tasks = [FORWARD.as_slice(), &[Do::Shipped]].concat();
    let check = Ended::assert_completed_once;
    let (points, _) = everywhere(&shop, faults, &tasks, Then::Again, check).await;
    assert_eq!(points, 17, "2 to validate, 3 to capture, 4 for each other");
    // Every order took one piece, those that did not fail as well.
    let orders = (points + 1) * faults.len();
    let available = shop.database.available(ARTICLE).await;
    assert_eq!(available, PIECES - orders as u64);
}

async fn undo(faults: &[Fault]) {
    let shop = Shop::open().await;
    let tasks = [FORWARD.as_slice(), &UNDO].concat();
    let check = Ended::assert_taken_back_once;
    let (points, _) = everywhere(&shop, faults, &tasks, Then::Again, check).await;
    assert_eq!(points, 26, "13 forward, 9 back, 4 to tell the customer");
    let available = shop.database.available(ARTICLE).await;
    assert_eq!(available, PIECES, "every piece is back");
}

async fn reverse_instead(faults: &[Fault]) {
    let shop = Shop::open().await;
    let check = Ended::assert_nothing_kept;
    let (points, through) = everywhere(&shop, faults, &FORWARD, Then::Reverse, check).await;
    assert_eq!(points, 13, "2 to validate, 3 to capture, 4 for each other");
    let available = shop.database.available(ARTICLE).await;
    assert_eq!(available, PIECES - through, "all but what did not fail");
}

#[tokio::test]
async fn a_step_that_crashed_anywhere_and_runs_again_has_one_effect() {
    forward(&Fault::CRASHES).await;
}

#[tokio::test]
async fn a_step_that_lost_an_answer_anywhere_and_runs_again_has_one_effect() {
    forward(&Fault::LOSSES).await;
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
    reverse_instead(&Fault::CRASHES).await;
}

#[tokio::test]
async fn an_order_that_is_reversed_after_a_lost_answer_anywhere_keeps_neither_money_nor_goods() {
    reverse_instead(&Fault::LOSSES).await;
}
