//! What the schedule does: counts the open orders, reconciles those that are due, notifies the operators.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use actions::STEP;
use domain::ports::Operators;
use domain::{OrderId, Timestamp};
use operations::{Cause, Health, Incident, ProcessState, Projection};
use tracing::{error, warn};

use crate::books::READ;
use crate::bulk::ACTING;
use crate::metrics::{Measured, Metric};
use crate::notice::POSTED;
use crate::reconcile::Reconciled;
use crate::{Failed, Monitor};

/// The most orders of one sweep that are reconciled, each with a few requests. The others are due still, and
/// first in the next sweep: the longest overdue come first.
pub const MOST_RECONCILED: usize = 200;

/// A sweep begins to reconcile no order after so long; what is left is due still.
const RECONCILING: Duration = Duration::from_secs(45);

/// An order that could not be reconciled waits for so long, so that many of them never keep others waiting.
const POSTPONED: Duration = Duration::from_mins(5);

/// What the longest invocation can take: the last order has two steps asked what became of it and then how
/// the providers see it, the last order of a bulk has two asked as well, the webhook takes its time, so do the
/// providers' books, and there are reads and messages around it.
pub const WORST_CASE: Duration = Duration::from_secs(
    RECONCILING.as_secs()
        + ACTING.as_secs()
        + POSTED.as_secs()
        + READ.as_secs()
        + 6 * STEP.as_secs()
        + 60,
);

/// What a sweep has come to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Swept {
    /// Orders that have not ended.
    pub open: usize,
    /// Orders that were taken up.
    pub reconciled: usize,
    /// Of these, those that could not be reconciled.
    pub failed: usize,
    /// Orders that are due and have to wait for the next sweep.
    pub postponed: usize,
    /// Open orders whose projection this version could not read.
    pub unreadable: usize,
    /// Causes that the operators' webhook should have been told of, and was not.
    pub undelivered: usize,
}

impl<P: Operators> Monitor<P> {
    /// Reconciles what is due, and says how things stand.
    ///
    /// # Errors
    /// If the database does not answer at all. An order that cannot be reconciled is left to a later sweep.
    pub async fn sweep(&self, now: Timestamp) -> Result<Swept, Failed> {
        let open = self.reach.read_models.open_orders().await?;
        let mut swept = Swept {
            open: open.projections.len() + open.blanks.len(),
            unreadable: open
                .blanks
                .iter()
                .filter(|blank| blank.is_unreadable)
                .count(),
            ..Swept::default()
        };
        let announced = open.blanks.iter();
        let announced = announced.map(|blank| (blank.due_at, blank.order_id.clone()));
        let known = open.projections.iter().chain(&open.looked_at_again);
        let known = known.filter_map(|projection| {
            let due_at = projection.due_at?;
            Some((due_at, projection.order_id.clone()))
        });
        let mut due: Vec<(Timestamp, OrderId)> = announced.chain(known).collect();
        due.retain(|(at, _)| *at <= now);
        due.sort();
        swept.postponed = due.len().saturating_sub(MOST_RECONCILED);
        let mut projections: BTreeMap<OrderId, Projection> = open
            .projections
            .into_iter()
            .map(|projection| (projection.order_id.clone(), projection))
            .collect();
        let began = Instant::now();
        for (_, order_id) in due.into_iter().take(MOST_RECONCILED) {
            if began.elapsed() > RECONCILING {
                swept.postponed += 1;
                continue;
            }
            swept.reconciled += 1;
            match self.reconcile(&order_id, now).await {
                Ok(Reconciled::Is(projection)) => {
                    projections.insert(order_id, *projection);
                }
                Ok(Reconciled::Overtaken) => {}
                Ok(Reconciled::Nowhere) => {
                    swept.failed += 1;
                    error!(
                        order_id = order_id.as_str(),
                        "failed to find an order that was announced"
                    );
                    self.postpone(&order_id, now).await;
                }
                Err(error) => {
                    swept.failed += 1;
                    warn!(order_id = order_id.as_str(), %error, "failed to reconcile an order");
                    self.postpone(&order_id, now).await;
                }
            }
        }
        // What is not sent is on the list still.
        if let Err(error) = self.notify_operators(now).await {
            warn!(%error, "failed to keep the notices");
        }
        self.carry_out(now).await;
        // As they are now; what is over by now is open no more.
        let mut open: Vec<Projection> = projections.into_values().collect();
        open.retain(|projection| !projection.is_over());
        self.show(&open, now).await;
        // After all else: whoever receives it may take its time.
        match self.post_notices(&open, now).await {
            Ok(undelivered) => swept.undelivered = undelivered,
            Err(error) => warn!(%error, "failed to keep the notices"),
        }
        self.emit(&gauges(&open, swept, now));
        // Nobody waits for it.
        if self.audits {
            self.audit(now).await;
        }
        Ok(swept)
    }

    /// If that fails, too, the order is due still.
    async fn postpone(&self, order_id: &OrderId, now: Timestamp) {
        let until = now + POSTPONED;
        if let Err(error) = self.reach.read_models.postpone(order_id, until).await {
            warn!(order_id = order_id.as_str(), %error, "failed to postpone an order");
        }
    }
}

/// How things stand, from the projections of all open orders.
fn gauges(open: &[Projection], swept: Swept, now: Timestamp) -> Vec<Measured> {
    let size = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
    let count = |of: &dyn Fn(&Projection) -> bool| {
        size(open.iter().filter(|projection| of(projection)).count())
    };
    let oldest = open.iter().filter(|projection| projection.state.is_some());
    let oldest = oldest.map(|projection| projection.received_at).min();
    let age = oldest.and_then(|at| u64::try_from(now.duration_since(at).as_secs()).ok());
    let needs = |projection: &Projection| {
        let mut incidents = projection.incidents.keys();
        incidents.any(|incident| incident.needs_a_person() && *incident != Incident::Overdue)
    };
    let has = |incident: Incident| {
        count(&|projection: &Projection| projection.incidents.contains_key(&incident))
    };
    let mut gauges = vec![
        Measured::plain(
            Metric::OpenOrders,
            count(&|projection| projection.state.is_some()),
        ),
        Measured::plain(Metric::OldestOpenOrder, age.unwrap_or(0)),
        Measured::plain(
            Metric::AtRisk,
            count(&|projection| projection.health == Health::AtRisk),
        ),
        Measured::plain(Metric::Overdue, has(Incident::Overdue)),
        Measured::plain(
            Metric::Retrying,
            count(&|projection| projection.retry.is_some()),
        ),
        Measured::plain(Metric::KeepsFailing, has(Incident::KeepsFailing)),
        Measured::plain(
            Metric::ReviewsWaiting,
            count(&|projection| projection.state == Some(ProcessState::ReviewOrder)),
        ),
        Measured::plain(Metric::NeedsAttention, count(&needs)),
        Measured::plain(Metric::UnknownOutcomes, has(Incident::OutcomeUnknown)),
        Measured::plain(
            Metric::ReconciliationsPostponed,
            size(swept.postponed + swept.failed),
        ),
        Measured::plain(Metric::UnreadableProjections, size(swept.unreadable)),
        Measured::plain(Metric::NoticesUndelivered, size(swept.undelivered)),
        // A zero for each minute without: an alarm tells silence from nothing.
        Measured::plain(Metric::OrdersReceived, 0),
        Measured::plain(Metric::Sweeps, 1),
    ];
    let mut causes: BTreeMap<Cause, u64> = BTreeMap::new();
    for projection in open {
        for incident in projection.incidents.keys() {
            *causes.entry(projection.cause(*incident)).or_default() += 1;
        }
    }
    gauges.extend(
        causes
            .into_iter()
            .map(|(cause, orders)| Measured::of(Metric::OrdersByCause, cause.to_string(), orders)),
    );
    gauges
}
