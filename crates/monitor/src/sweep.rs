//! What the schedule does: counts the open orders, looks at those that are due, tells the operators.

use actions::STEP;
use domain::Timestamp;
use std::time::{Duration, Instant};

use domain::advice::Trouble;
use domain::ports::Operators;
use domain::watch::{Health, Place, Watch};
use tracing::warn;

use crate::bulk::ACTING;
use crate::look::Looked;
use crate::metrics::{Measured, Metric};
use crate::{Failed, Monitor};

/// The most orders of one sweep that are looked at, each with a few requests. The others are due still, and
/// first in the next sweep: the longest overdue come first.
pub const LOOKS: usize = 200;

/// A sweep begins no look after so long; what is left is due still.
const LOOKING: Duration = Duration::from_secs(45);

/// What the longest invocation can take: the last look has two steps asked what became of the order and then how
/// the providers see it, the last order of a bulk has two asked as well, and there are reads and messages around it.
pub const WORST_CASE: Duration =
    Duration::from_secs(LOOKING.as_secs() + ACTING.as_secs() + 6 * STEP.as_secs() + 60);

/// What a sweep has come to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Swept {
    /// Orders that have not ended.
    pub open: usize,
    /// Orders that were looked at.
    pub looked: usize,
    /// Orders that could not be looked at.
    pub failed: usize,
    /// Orders that are due and have to wait for the next sweep.
    pub postponed: usize,
}

impl<P: Operators> Monitor<P> {
    /// Looks at what is due, and says how things stand.
    ///
    /// # Errors
    /// If the database does not answer at all. A look that fails is left to the next sweep.
    pub async fn sweep(&self, now: Timestamp) -> Result<Swept, Failed> {
        let mut open = self.actions.store.all_open_orders().await?;
        open.sort_by_key(|watch| watch.due_at);
        let due = open
            .iter()
            .take_while(|watch| watch.due_at.is_some_and(|at| at <= now))
            .count();
        let mut swept = Swept {
            open: open.len(),
            postponed: due.saturating_sub(LOOKS),
            ..Swept::default()
        };
        let began = Instant::now();
        for watch in open.iter_mut().take(due.min(LOOKS)) {
            if began.elapsed() > LOOKING {
                swept.postponed += 1;
                continue;
            }
            swept.looked += 1;
            match self.look(&watch.order_id, now).await {
                Ok(Looked::Is(looked)) => *watch = *looked,
                Ok(Looked::Nowhere) => {}
                Err(error) => {
                    swept.failed += 1;
                    warn!(order_id = watch.order_id.as_str(), %error, "order not looked at");
                }
            }
        }
        self.tell(now).await?;
        self.carry_out(now).await;
        // As they are after the looks; what is over by now is open no more.
        open.retain(|watch| !watch.is_over());
        self.show(&open, now).await;
        self.emit(&gauges(&open, swept, now));
        Ok(swept)
    }
}

/// How things stand, from the records of all open orders.
fn gauges(open: &[Watch], swept: Swept, now: Timestamp) -> Vec<Measured> {
    let count = |of: &dyn Fn(&Watch) -> bool| {
        let count = open.iter().filter(|watch| of(watch)).count();
        u64::try_from(count).unwrap_or(u64::MAX)
    };
    let oldest = open.iter().filter(|watch| watch.place.is_some());
    let oldest = oldest.map(|watch| watch.received_at).min();
    let age = oldest.and_then(|at| u64::try_from(now.duration_since(at).as_secs()).ok());
    let needs = |watch: &Watch| {
        let mut troubles = watch.troubles.keys();
        troubles.any(|trouble| *trouble != Trouble::Overdue)
    };
    let postponed = u64::try_from(swept.postponed + swept.failed).unwrap_or(u64::MAX);
    vec![
        Measured::plain(Metric::OpenOrders, count(&|watch| watch.place.is_some())),
        Measured::plain(Metric::OldestOpenOrder, age.unwrap_or(0)),
        Measured::plain(
            Metric::AtRisk,
            count(&|watch| watch.health == Health::AtRisk),
        ),
        Measured::plain(
            Metric::Overdue,
            count(&|watch| watch.troubles.contains_key(&Trouble::Overdue)),
        ),
        Measured::plain(Metric::Retrying, count(&|watch| watch.retry.is_some())),
        Measured::plain(
            Metric::ReviewsWaiting,
            count(&|watch| watch.place == Some(Place::ReviewOrder)),
        ),
        Measured::plain(Metric::NeedsAttention, count(&needs)),
        Measured::plain(
            Metric::UnknownOutcomes,
            count(&|watch| watch.troubles.contains_key(&Trouble::OutcomeUnknown)),
        ),
        Measured::plain(Metric::LooksPostponed, postponed),
        // A zero for each minute without: an alarm tells silence from nothing.
        Measured::plain(Metric::OrdersReceived, 0),
        Measured::plain(Metric::Sweeps, 1),
    ]
}
