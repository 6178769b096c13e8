//! Follows orders until each has ended.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use domain::{Event, OrderId, Status, StatusView, Timestamp};

use crate::connection::{Connection, Failure};
use crate::exit::Exit;
use crate::table;

const EVERY: Duration = Duration::from_millis(400);
/// Answers that may fail one after the other before following is given up.
const MOST_FAILURES: u32 = 10;
/// So many of those that wait are looked at.
const MOST_NAMED: usize = 5;
/// After so long without news a line says that it is still waiting, and for what.
const QUIET: Duration = Duration::from_secs(10);

/// Prints each new event of each order, and how many have which status, until every order has ended or
/// waits for a person; then what became of them.
pub(crate) async fn until_ended(
    connection: &Connection,
    orders: &[OrderId],
    timeout_s: u64,
) -> Result<Exit, Failure> {
    let mut followed = Followed::new(orders);
    let mut last_line = followed.began;
    loop {
        let news = followed.look(connection).await?;
        if news {
            println!("         -- {}", followed.summary());
            last_line = Instant::now();
        } else if last_line.elapsed() > QUIET {
            println!("         -- {}; no news", followed.summary());
            tell_what_they_wait_for(connection, followed.waiting()).await;
            last_line = Instant::now();
        }
        if followed.exit() != Exit::UnderWay {
            break;
        }
        if followed.began.elapsed().as_secs() > timeout_s {
            eprintln!("error: after {timeout_s} s not every order has ended");
            break;
        }
        tokio::time::sleep(EVERY).await;
    }
    let exit = followed.exit();
    let views = followed.into_views();
    if !views.is_empty() {
        print!("\n{}", table::of(&views));
    }
    Ok(exit)
}

/// The orders that are followed, and what is known of each.
struct Followed<'a> {
    orders: &'a [OrderId],
    began: Instant,
    views: BTreeMap<&'a OrderId, StatusView>,
    /// How often there was no such order. It may come in a moment later.
    missing: BTreeMap<&'a OrderId, u32>,
    /// Looks that failed, one after the other.
    failures: u32,
    seen: BTreeSet<(&'a OrderId, Timestamp, Event)>,
}

impl<'a> Followed<'a> {
    fn new(orders: &'a [OrderId]) -> Self {
        Self {
            orders,
            began: Instant::now(),
            views: BTreeMap::new(),
            missing: BTreeMap::new(),
            failures: 0,
            seen: BTreeSet::new(),
        }
    }

    /// Looks at each that has not ended. Whether there is news.
    async fn look(&mut self, connection: &Connection) -> Result<bool, Failure> {
        let mut news = false;
        for order in self.orders {
            if self.views.get(order).is_some_and(ended) || self.is_given_up(order) {
                continue;
            }
            match connection.find(order).await {
                Ok(Some(view)) => {
                    self.failures = 0;
                    self.missing.remove(order);
                    news |= self.print_news(order, &view);
                    self.views.insert(order, view);
                }
                Ok(None) => {
                    self.failures = 0;
                    *self.missing.entry(order).or_default() += 1;
                    if self.is_given_up(order) {
                        eprintln!("error: {}", Failure::no_order(order));
                    }
                }
                // That it fails for a moment is no reason to stop.
                Err(failure) if self.failures == MOST_FAILURES => return Err(failure),
                Err(_) => self.failures += 1,
            }
        }
        Ok(news)
    }

    fn print_news(&mut self, order: &'a OrderId, view: &StatusView) -> bool {
        let mut news = false;
        for entry in &view.timeline {
            if !self.seen.insert((order, entry.at, entry.event)) {
                continue;
            }
            let seconds = self.began.elapsed().as_secs_f32();
            let (step, event) = (entry.step, entry.event);
            let detail = entry.detail.as_deref().unwrap_or("");
            println!("{seconds:6.1}s  {order:<24} {step:<9} {event:<22} {detail}");
            news = true;
        }
        news
    }

    fn is_given_up(&self, order: &OrderId) -> bool {
        self.missing.get(order).copied().unwrap_or(0) > MOST_FAILURES
    }

    /// What they have come to: the worst of all.
    fn exit(&self) -> Exit {
        let orders = self.orders.iter().map(|order| match self.views.get(order) {
            Some(view) => came_to(view.status, ended(view)),
            None if self.is_given_up(order) => Exit::NotFound,
            None => Exit::UnderWay,
        });
        orders.max().unwrap_or_default()
    }

    fn waiting(&self) -> Vec<OrderId> {
        let waiting = self.views.iter().filter(|(_, view)| !ended(view));
        waiting.map(|(order, _)| (*order).clone()).collect()
    }

    fn summary(&self) -> String {
        let mut counts: BTreeMap<Status, usize> = BTreeMap::new();
        for view in self.views.values().filter(|view| !ended(view)) {
            *counts.entry(view.status).or_default() += 1;
        }
        let mut parts: Vec<String> = counts
            .iter()
            .map(|(status, count)| format!("{status} {count}"))
            .collect();
        let over = self.views.values().filter(|view| ended(view)).count();
        parts.push(format!("ended {over}"));
        parts.join(" · ")
    }

    /// In the order in which they were asked for.
    fn into_views(mut self) -> Vec<StatusView> {
        let orders = self.orders.iter();
        orders
            .filter_map(|order| self.views.remove(order))
            .collect()
    }
}

/// What following an order has come to. A review is waited for by a person, and by nobody here.
const fn came_to(status: Status, ended: bool) -> Exit {
    match status {
        Status::NeedsAttention | Status::InReview => Exit::NeedsAPerson,
        Status::Received | Status::Validated | Status::Authorized | Status::Shipped => {
            Exit::UnderWay
        }
        // The customer has yet to be told.
        Status::Completed | Status::Failed | Status::Rejected | Status::Cancelled if !ended => {
            Exit::UnderWay
        }
        Status::Completed => Exit::Well,
        Status::Failed | Status::Rejected | Status::Cancelled => Exit::NotCompleted,
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shop::{Shop, id};

    #[test]
    fn only_what_is_completed_is_well() {
        for status in Status::ALL {
            let exit = came_to(*status, true);
            assert_eq!(exit == Exit::Well, *status == Status::Completed, "{status}");
            if status.is_final() {
                assert_eq!(came_to(*status, false), Exit::UnderWay, "{status}");
            }
        }
        assert_eq!(came_to(Status::InReview, false), Exit::NeedsAPerson);
        assert_eq!(came_to(Status::NeedsAttention, true), Exit::NeedsAPerson);
        assert_eq!(came_to(Status::Failed, true), Exit::NotCompleted);
        assert_eq!(came_to(Status::Shipped, false), Exit::UnderWay);
    }

    #[tokio::test]
    async fn following_comes_to_the_worst_of_all() {
        let shop = Shop::open().await;
        let stopped = shop.validated("ord-1", "ABORTED").await;
        let exit = until_ended(&shop.connection, std::slice::from_ref(&stopped), 60).await;
        assert_eq!(exit.expect("an end"), Exit::NeedsAPerson);
        let running = shop.validated("ord-2", "RUNNING").await;
        let exit = until_ended(&shop.connection, &[running, stopped], 0).await;
        assert_eq!(exit.expect("an end"), Exit::UnderWay);
    }

    #[tokio::test]
    async fn an_order_that_does_not_come_in_is_given_up_though_others_answer() {
        let shop = Shop::open().await;
        let running = shop.validated("ord-1", "RUNNING").await;
        let orders = [running, id("ord-2")];
        let mut followed = Followed::new(&orders);
        for _ in 0..=MOST_FAILURES {
            assert_eq!(followed.exit(), Exit::UnderWay);
            followed.look(&shop.connection).await.expect("answers");
        }
        assert!(followed.is_given_up(&orders[1]));
        shop.ended("ord-1", "ABORTED");
        followed.look(&shop.connection).await.expect("answers");
        assert_eq!(followed.exit(), Exit::NeedsAPerson);
        followed.orders = &orders[1..];
        assert_eq!(followed.exit(), Exit::NotFound);
    }
}
