//! Faults of every kind in every task, through the real local state machine: whatever happens, an
//! order ends completed, fully reversed, or in need of a person in the very undo that gave up.
//!
//! The steps are the real ones in `tests/saboteur`; `make test` runs a chosen set, `make faults` all.
#![expect(clippy::expect_used, reason = "tests")]

#[path = "faults/case.rs"]
mod case;
#[path = "faults/shop.rs"]
mod shop;

use std::collections::BTreeMap;
use std::sync::Arc;

use case::{Case, End, Fault};
use domain::ErrorName;
use shop::{Outcome, Shop};
use tests::definition::{Call, Kind, calls};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// Orders in flight at once: they wait, most of the time.
const AT_ONCE: usize = 32;

fn task(state: &str) -> Call {
    let found = calls().iter().find(|task| task.state == state);
    *found.expect("a task of the state machine")
}

/// Of each kind of fault and of each task something, each name where it belongs, and nothing that
/// takes minutes.
fn chosen() -> Vec<Case> {
    let mut cases = Vec::new();
    let mut add = |state: &str, fault, after, always| {
        cases.push(Case {
            task: task(state),
            fault,
            after,
            always,
        });
    };
    for task in calls() {
        add(task.state, Fault::Crash, true, false);
        if task.kind == Kind::Undo {
            add(task.state, Fault::OutOfMemory, false, true);
        }
    }
    for state in ["ValidateOrder", "ShipOrder", "CancelShipment"] {
        add(state, Fault::Panic, false, false);
    }
    add("ChargePayment", Fault::Panic, true, true);
    add("CapturePayment", Fault::OutOfMemory, true, true);
    add("ValidateOrder", Fault::FunctionTimeout, false, false);
    add("ReleaseStock", Fault::FunctionTimeout, true, false);
    for state in [
        "ReviewOrder",
        "ShipOrder",
        "ReversePayment",
        "NotifyFailure",
    ] {
        add(state, Fault::TaskTimeout, true, false);
    }
    add("ReviewOrder", Fault::Crash, false, true);
    // Each name where the process meets it first, and some once more where the order is undone.
    let first = ErrorName::ALL.iter().map(|name| {
        let call = calls().iter().find(|call| call.names(name.as_str()));
        (call.expect("a rule that names it").state, *name)
    });
    let undone = [
        ("CapturePayment", ErrorName::Internal),
        ("CapturePayment", ErrorName::OrderCancelled),
        ("CancelShipment", ErrorName::InvalidInput),
        ("ReversePayment", ErrorName::Internal),
        ("NotifyFailure", ErrorName::NotificationUnavailable),
    ];
    for (state, name) in first.chain(undone) {
        add(
            state,
            Fault::Named(name),
            true,
            name.retryable() || name == ErrorName::Internal,
        );
    }
    cases
}

/// Runs them, tells of each as it ends, and prints the table.
async fn run(cases: Vec<Case>) {
    let shop = Arc::new(Shop::open().await);
    let places = Arc::new(Semaphore::new(AT_ONCE));
    let total = cases.len();
    let mut running = JoinSet::new();
    for (number, case) in cases.into_iter().enumerate() {
        let (shop, places) = (Arc::clone(&shop), Arc::clone(&places));
        running.spawn(async move {
            let _place = places.acquire_owned().await.expect("a place");
            let outcome = shop.run(number, &case).await;
            (case, outcome)
        });
    }
    let (mut ended, mut table, mut wrong) = (0, Table::default(), Vec::new());
    while let Some(done) = running.join_next().await {
        let (case, outcome) = done.expect("a case");
        ended += 1;
        let told = match judged(&case, &outcome) {
            Ok(told) => told,
            Err(what) => {
                wrong.push(format!("{case}: {what}"));
                format!("WRONG: {what}")
            }
        };
        println!("[{ended:>3}/{total}] {case}: {told}");
        table.add(&case, &outcome);
    }
    println!("\n{table}");
    assert!(
        wrong.is_empty(),
        "{} of {total} cases:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    shop.stock_adds_up(total).await;
}

fn judged(case: &Case, outcome: &Result<Outcome, String>) -> Result<String, String> {
    let outcome = outcome.as_ref().map_err(Clone::clone)?;
    let (end, wanted) = (outcome.end, case.end());
    if end != wanted {
        return Err(format!("{end:?}, not {wanted:?} ({})", outcome.why));
    }
    let fired = outcome.fired;
    let wanted = if case.always { case.tries() } else { 1 };
    // A review that was opened is answered, though its function died afterwards: no further try.
    let answered = case.is_reviewed() && case.after && fired >= 1;
    if fired != wanted && !answered {
        return Err(format!("the fault struck {fired} times, not {wanted}"));
    }
    Ok(format!(
        "{end:?} in {:.0} s, struck {fired} times",
        outcome.took.as_secs_f64()
    ))
}

/// How the orders ended, by task and fault.
#[derive(Default)]
struct Table(BTreeMap<(usize, String), BTreeMap<&'static str, u32>>);

impl Table {
    fn add(&mut self, case: &Case, outcome: &Result<Outcome, String>) {
        let row = calls().iter().position(|task| *task == case.task);
        let end = match outcome.as_ref().map(|outcome| outcome.end) {
            Ok(End::Completed) => "completed",
            Ok(End::Reversed) => "reversed",
            Ok(End::NeedsAttention) => "needs attention",
            Err(_) => "LOST",
        };
        let column = match case.fault {
            Fault::Named(_) => "an error's name".to_owned(),
            fault => fault.to_string(),
        };
        let cell = self.0.entry((row.unwrap_or_default(), column)).or_default();
        *cell.entry(end).or_default() += 1;
    }
}

impl std::fmt::Display for Table {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(out, "{:<15} {:<17} how the orders ended", "task", "fault")?;
        for ((row, fault), ends) in &self.0 {
            let ends: Vec<String> = ends
                .iter()
                .map(|(end, count)| format!("{count} {end}"))
                .collect();
            writeln!(
                out,
                "{:<15} {fault:<17} {}",
                calls()[*row].state,
                ends.join(", ")
            )?;
        }
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the stack that `make test` starts for it"]
async fn the_chosen_faults() {
    run(chosen()).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "minutes long: `make faults`"]
async fn the_whole_matrix() {
    run(Case::all()).await;
}
