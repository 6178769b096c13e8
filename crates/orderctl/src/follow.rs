//! Follows orders until each has ended.

use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use domain::{Event, OrderId, Status, StatusView, Timestamp};

use crate::connection::{Connection, Failure};
use crate::table;

const EVERY: Duration = Duration::from_millis(400);
/// Answers that may fail one after the other before following is given up.
const MOST_FAILURES: u32 = 10;
/// So many of those that wait are looked at.
const MOST_NAMED: usize = 5;
/// Without news a line says so much later that it is still at it.
const QUIET: Duration = Duration::from_secs(10);

/// Prints each new event of each order, and how many have which status, until every order has ended or
/// waits for a person.
pub(crate) async fn until_ended(
    connection: &Connection,
    orders: &[OrderId],
    timeout_s: u64,
) -> Result<ExitCode, Failure> {
    let began = Instant::now();
    let mut last_line = began;
    let mut failures = 0;
    let mut seen: BTreeSet<(&OrderId, Timestamp, Event)> = BTreeSet::new();
    let mut views: BTreeMap<&OrderId, StatusView> = BTreeMap::new();
    loop {
        let mut news = false;
        for order in orders {
            if views.get(order).is_some_and(ended) {
                continue;
            }
            let view = match connection.status(order).await {
                Ok(view) => view,
                // That it fails for a moment is no reason to stop.
                Err(failure) if failures == MOST_FAILURES => return Err(failure),
                Err(_) => {
                    failures += 1;
                    continue;
                }
            };
            failures = 0;
            for entry in &view.timeline {
                if !seen.insert((order, entry.at, entry.event)) {
                    continue;
                }
                let seconds = began.elapsed().as_secs_f32();
                let (step, event) = (entry.step, entry.event);
                let detail = entry.detail.as_deref().unwrap_or("");
                println!("{seconds:6.1}s  {order:<24} {step:<9} {event:<22} {detail}");
                news = true;
            }
            views.insert(order, view);
        }
        let waiting = views
            .values()
            .filter(|view| view.status == Status::InReview)
            .count();
        let over = views.values().filter(|view| ended(view)).count();
        if news {
            println!("         -- {}", summary(views.values(), over));
            last_line = Instant::now();
        } else if last_line.elapsed() > QUIET {
            println!("         -- {}; no news", summary(views.values(), over));
            let waiting = views.iter().filter(|(_, view)| !ended(view));
            let waiting = waiting.map(|(order, _)| (*order).clone()).collect();
            tell_what_they_wait_for(connection, waiting).await;
            last_line = Instant::now();
        }
        if over + waiting == orders.len() {
            break;
        }
        if began.elapsed().as_secs() > timeout_s {
            eprintln!("error: after {timeout_s} s not every order has ended");
            return Ok(ExitCode::FAILURE);
        }
        tokio::time::sleep(EVERY).await;
    }
    let views: Vec<StatusView> = orders
        .iter()
        .filter_map(|order| views.remove(order))
        .collect();
    print!("\n{}", table::of(&views));
    Ok(ExitCode::SUCCESS)
}

/// Where the first of them are and what has failed there, as far as the monitor has seen it.
async fn tell_what_they_wait_for(connection: &Connection, mut waiting: Vec<OrderId>) {
    let more = waiting.len().saturating_sub(MOST_NAMED);
    waiting.truncate(MOST_NAMED);
    match connection.read_models.projections(&waiting).await {
        Ok(projections) => print!("{}", table::of_open(&projections, Timestamp::now())),
        Err(error) => println!("failed to read what they wait for: {error}"),
    }
    if more > 0 {
        println!("and {more} more; `orderctl orders` lists each");
    }
}

/// Whether nothing more happens by itself: the customer was told, too.
fn ended(view: &StatusView) -> bool {
    view.workflow.status.has_ended() || view.status == Status::NeedsAttention
}

fn summary<'a>(views: impl Iterator<Item = &'a StatusView>, over: usize) -> String {
    let mut counts: BTreeMap<Status, usize> = BTreeMap::new();
    for view in views.filter(|view| !ended(view)) {
        *counts.entry(view.status).or_default() += 1;
    }
    let mut parts: Vec<String> = counts
        .iter()
        .map(|(status, count)| format!("{status} {count}"))
        .collect();
    parts.push(format!("ended {over}"));
    parts.join(" · ")
}
