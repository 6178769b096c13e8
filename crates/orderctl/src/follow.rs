//! Follows orders until each has ended.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use domain::{OrderId, Status, StatusView};

use crate::connection::{Connection, Failure};
use crate::table::{self, word};

const EVERY: Duration = Duration::from_millis(400);
/// Without news a line says so much later that it is still at it.
const QUIET: Duration = Duration::from_secs(10);

/// Prints each new event of each order, and who is in which step, until every order has ended or
/// waits for a person.
pub(crate) async fn until_ended(
    connection: &Connection,
    orders: &[OrderId],
    timeout_s: u64,
) -> Result<ExitCode, Failure> {
    let began = Instant::now();
    let mut last_line = began;
    let mut seen: BTreeMap<&OrderId, usize> = BTreeMap::new();
    let mut views: BTreeMap<&OrderId, StatusView> = BTreeMap::new();
    loop {
        let mut news = false;
        for order in orders {
            if views.get(order).is_some_and(|view| view.status.has_ended()) {
                continue;
            }
            let view = connection.status(order).await?;
            let told = seen.entry(order).or_default();
            for entry in view.timeline.iter().skip(*told) {
                let seconds = began.elapsed().as_secs_f32();
                let (step, event) = (&entry.step, &entry.event);
                let detail = entry.detail.as_deref().unwrap_or("");
                println!("{seconds:6.1}s  {order:<24} {step:<9} {event:<22} {detail}");
                news = true;
            }
            *told = view.timeline.len();
            views.insert(order, view);
        }
        let waiting = views
            .values()
            .filter(|view| view.status == Status::InReview)
            .count();
        let ended = views
            .values()
            .filter(|view| view.status.has_ended())
            .count();
        if news || last_line.elapsed() > QUIET {
            println!("         -- {}", summary(views.values(), ended));
            last_line = Instant::now();
        }
        if ended + waiting == orders.len() {
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

fn summary<'a>(views: impl Iterator<Item = &'a StatusView>, ended: usize) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for view in views.filter(|view| !view.status.has_ended()) {
        *counts.entry(word(view.status)).or_default() += 1;
    }
    let mut parts: Vec<String> = counts
        .iter()
        .map(|(word, count)| format!("{word} {count}"))
        .collect();
    parts.push(format!("ended {ended}"));
    parts.join(" · ")
}
