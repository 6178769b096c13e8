//! Reconciles one order: brings what operators know of it in step with its ledger and its execution.

use domain::ports::{Operators, Orders as _, Record};
use domain::{Discrepancy, Execution, ExecutionStatus, FailedTry, OrderId, OrderState, Timestamp};
use operations::trend::{Counter, Flow, Increment};
use operations::{
    After, Movement, Observation, ProcessState, Projection, Retry, Tally, durations, retries, skus,
};
use read_models::{Reference, Row};
use tracing::{info, warn};
use workflow::Described;

use crate::metrics::{Measured, Metric};
use crate::{Failed, Monitor};

/// Others write the same projection: the stream, events and the sweep. Each try begins with what is stored.
const TRIES: u32 = 5;

/// What became of reconciling an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reconciled {
    /// What operators know of it now.
    Is(Box<Projection>),
    /// There is no such order.
    Nowhere,
    /// Others wrote its projection each time.
    Overtaken,
}

/// What is stored of an order.
struct Stored {
    record: Record,
    before: Projection,
    /// Whether what happens from here on is counted. Not if nobody can tell what was counted before.
    counts: bool,
}

impl<P: Operators> Monitor<P> {
    /// An event reported something of an order: its projection follows from what is stored and reported.
    pub(crate) async fn observe(
        &self,
        order_id: &OrderId,
        reported: Option<Execution>,
        now: Timestamp,
    ) -> Result<(), Failed> {
        for _ in 0..TRIES {
            let Some(stored) = self.stored(order_id).await? else {
                return Ok(());
            };
            let execution = reported.or(stored.before.execution);
            let ended_with = match execution {
                Some(execution) => self.ended_with(&stored, execution).await?,
                None => None,
            };
            let observed = Observation {
                execution: reported,
                ended_with,
                after: After::of(&stored.record.audit),
                ..Observation::default()
            };
            if self.follow(&stored, &observed, now).await?.is_some() {
                return Ok(());
            }
        }
        // Whoever was quicker each time has seen at least as much.
        Ok(())
    }

    /// An order is due: its execution is asked as well, and what can be repaired is repaired.
    pub(crate) async fn reconcile(
        &self,
        order_id: &OrderId,
        now: Timestamp,
    ) -> Result<Reconciled, Failed> {
        for _ in 0..TRIES {
            let Some(mut stored) = self.stored(order_id).await? else {
                return Ok(Reconciled::Nowhere);
            };
            let described = self.reach.workflow.describe(&stored.record.state).await?;
            let known = stored.before.execution;
            let repaired = self.repair(stored.record, known, &described, now).await?;
            let Some(record) = repaired else {
                continue;
            };
            stored.record = record;
            let observed = Observation {
                execution: Some(described.execution),
                asked: true,
                after: After::of(&stored.record.audit),
                retry: self.retry(&stored.record, &described).await?,
                ended_with: self.ended_with(&stored, described.execution).await?,
                compared: self.compared(&stored, &described, now).await,
            };
            if let Some(next) = self.follow(&stored, &observed, now).await? {
                return Ok(Reconciled::Is(Box::new(next)));
            }
        }
        warn!(
            order_id = order_id.as_str(),
            "failed to write a projection: others keep writing it"
        );
        Ok(Reconciled::Overtaken)
    }

    /// An order's ledger and its projection. `None` if there is no such order.
    async fn stored(&self, order_id: &OrderId) -> Result<Option<Stored>, Failed> {
        // The row first: what is written on it by its revision is never of an older ledger than what is on it.
        let row = self.reach.read_models.order(order_id).await?;
        let Some(record) = self.reach.store.load(order_id).await? else {
            return Ok(None);
        };
        if !record.unreadable.is_empty() {
            let items = record.unreadable.join(", ");
            warn!(
                order_id = order_id.as_str(),
                items, "failed to read items of an order: another version wrote them"
            );
        }
        let fresh = |revision| Projection {
            revision,
            ..Projection::received(&record.state)
        };
        let (before, counts) = match row {
            Some(Row::Projection(projection)) => (*projection, true),
            Some(Row::Blank(blank)) => (fresh(blank.revision), !blank.is_unreadable),
            // The way in announces every order, so that its row was lost. What was counted of it is not known.
            None => (fresh(1), false),
        };
        Ok(Some(Stored {
            record,
            before,
            counts,
        }))
    }

    /// How the providers see an order that does not get on. One that does not tell is asked again next time.
    async fn compared(
        &self,
        stored: &Stored,
        described: &Described,
        now: Timestamp,
    ) -> Option<Vec<Discrepancy>> {
        let ended = described.execution.status.has_ended();
        let record = &stored.record;
        if !stored
            .before
            .wants_comparison(&record.state, ended, &self.limits, now)
        {
            return None;
        }
        match self.reach.actions.compare(record).await {
            Ok(discrepancies) => Some(discrepancies),
            Err(error) => {
                let order_id = record.state.order_id.as_str();
                warn!(order_id, %error, "failed to compare an order with the providers");
                None
            }
        }
    }

    /// The try that an execution ended with too early: a part of the cause, so that it is read before an
    /// incident is filed. It stays the same until the execution is redriven.
    async fn ended_with(
        &self,
        stored: &Stored,
        execution: Execution,
    ) -> Result<Option<FailedTry>, Failed> {
        let before = &stored.before;
        let known = before.last_error.is_some() && before.execution == Some(execution);
        let state = &stored.record.state;
        let unfinished = execution.status.has_ended() && ProcessState::of(state).is_some();
        let of_this = execution.attempt == state.attempt;
        if known || !unfinished || !of_this || execution.status == ExecutionStatus::Succeeded {
            return Ok(None);
        }
        let history = self.reach.workflow.history(state).await?;
        Ok(retries::last_failed(&history).cloned())
    }

    /// Whether the task waits for its next try. Only asked of an execution that is at work.
    async fn retry(
        &self,
        record: &Record,
        described: &Described,
    ) -> Result<Option<Option<Retry>>, Failed> {
        if described.execution.status != ExecutionStatus::Running {
            return Ok(None);
        }
        let history = self.reach.workflow.history(&record.state).await?;
        Ok(Some(self.rules.retry(&history)))
    }

    /// Writes the projection that follows from all this. `None` if somebody else wrote it meanwhile.
    async fn follow(
        &self,
        stored: &Stored,
        observed: &Observation,
        now: Timestamp,
    ) -> Result<Option<Projection>, Failed> {
        let (record, before) = (&stored.record, &stored.before);
        let next = Projection {
            skus: skus(&record.order),
            ..before.next(&record.state, observed, &self.limits, now)
        };
        let unchanged = Projection {
            revision: before.revision,
            due_at: before.due_at,
            ..next.clone()
        } == *before;
        let still_due = before.due_at.is_none_or(|at| at > now);
        if unchanged && still_due && before.is_over() == next.is_over() && stored.counts {
            return Ok(Some(before.clone()));
        }
        let read_models = &self.reach.read_models;
        // On the list before it is on the projection: of what is on that nobody is notified again.
        for incident in next.incidents.keys() {
            let order_id = &next.order_id;
            let cause = next.cause(*incident);
            if !before.incidents.contains_key(incident) {
                let targets = self.targets();
                read_models.file(&cause, order_id, targets, now).await?;
            } else if before.cause(*incident) != cause {
                // What operators were notified of already, they are not notified of by another name.
                let known = before.cause(*incident);
                read_models.refile(&known, &cause, order_id, now).await?;
            }
        }
        self.remember(before, &next, record).await?;
        let moved = moved(before, &next, &record.state);
        self.enter(stored, &moved).await?;
        if !read_models.put_projection(&next).await? {
            return Ok(None);
        }
        for incident in next.incidents.keys() {
            if !before.incidents.contains_key(incident) {
                info!(
                    order_id = next.order_id.as_str(),
                    incident = incident.as_str(),
                    "order needs a person"
                );
            }
        }
        if stored.counts {
            let (measured, counted) = changes(before, &next, &record.state, &moved);
            self.emit(&measured);
            self.count(counted);
        }
        Ok(Some(next))
    }

    /// Enters what moved. Before it is on the projection, as above: entered again, it changes nothing.
    async fn enter(&self, stored: &Stored, moved: &[Movement]) -> Result<(), Failed> {
        let mut earlier = Vec::new();
        // An attempt may have ended, and the next one begun, while nobody looked.
        if stored.before.has_unseen {
            earlier.extend(stored.record.earlier.iter().flat_map(Movement::of));
        }
        for movement in moved.iter().chain(&earlier) {
            self.reach.read_models.enter(movement).await?;
        }
        Ok(())
    }

    /// Has the order found by what people know of it. Before it is on the projection, as above.
    async fn remember(
        &self,
        before: &Projection,
        next: &Projection,
        record: &Record,
    ) -> Result<(), Failed> {
        let read_models = &self.reach.read_models;
        let (order_id, customer) = (&next.order_id, record.state.customer_id.as_str());
        // One that an earlier version knew by its capitals is known anew.
        let is_new = before.revision <= 1 || before.customer_id.is_none();
        if is_new {
            let customer = read_models.remember(Reference::Customer, customer, next);
            customer.await?;
        }
        // Its row is found by its id as it is.
        if is_new && order_id.as_str().contains(|c: char| c.is_ascii_uppercase()) {
            let order = read_models.remember(Reference::Order, order_id.as_str(), next);
            order.await?;
        }
        for (reference, known, found) in [
            (Reference::Payment, &before.payment, &next.payment),
            (Reference::Tracking, &before.tracking, &next.tracking),
        ] {
            if let Some(found) = found
                && (is_new || known.as_ref() != Some(found))
            {
                read_models.remember(reference, found, next).await?;
            }
        }
        Ok(())
    }
}

/// The counters of an attempt before it goes on.
fn counted(before: &Projection, next: &Projection) -> Tally {
    if before.attempt == next.attempt {
        before.counted
    } else {
        Tally::nothing(next.total.currency())
    }
}

/// The money that moved on the way from one projection to the next.
fn moved(before: &Projection, next: &Projection, state: &OrderState) -> Vec<Movement> {
    let counted = counted(before, next);
    let mut moved = Movement::of(state);
    moved.retain(|one| {
        let more = one.amount.beyond(counted.of(one.flow));
        more.is_ok_and(|more| !more.is_zero())
    });
    moved
}

/// What is to be counted of the way from one projection to the next: for CloudWatch, and for the page's
/// plots.
fn changes(
    before: &Projection,
    next: &Projection,
    state: &OrderState,
    moved: &[Movement],
) -> (Vec<Measured>, Vec<Increment>) {
    let (mut measured, mut plotted) = (Vec::new(), Vec::new());
    if before.revision <= 1 {
        measured.push(Measured::plain(Metric::OrdersReceived, 1));
        plotted.push(Increment::one(Counter::Received));
    }
    let counted = counted(before, next);
    for one in moved {
        let metric = match one.flow {
            Flow::Authorized => Metric::MoneyAuthorized,
            Flow::Captured => Metric::MoneyCaptured,
            Flow::Voided | Flow::Refunded => Metric::MoneyReversed,
        };
        if let Ok(more) = one.amount.beyond(counted.of(one.flow)) {
            measured.push(Measured::money(metric, more));
            plotted.push(Increment::money(one.flow, more));
        }
    }
    if let Some(state) = next.state {
        let same = before.state == next.state;
        let seen = if same { counted.retries } else { 0 };
        if next.counted.retries > seen {
            let more = u64::from(next.counted.retries - seen);
            measured.push(Measured::of(Metric::Retries, state.as_str(), more));
        }
    }
    if next.counted.ended && !counted.ended {
        measured.push(Measured::of(Metric::OrdersEnded, next.status.as_str(), 1));
        plotted.push(Increment::one(Counter::Ended(next.status)));
        if let Some(error) = next.error {
            let class = error.class();
            measured.push(Measured::of(Metric::OrdersReversed, class.as_str(), 1));
            plotted.push(Increment::one(Counter::Reversed(class)));
        }
        let ended = next.execution.and_then(|execution| execution.stopped_at);
        // A person's time says nothing about ours.
        let reviewed = durations(state)
            .into_iter()
            .find(|(state, _)| *state == ProcessState::ReviewOrder)
            .map_or(0, |(_, took)| i128::try_from(took.as_millis()).unwrap_or(0));
        let took = ended.map(|at| at.duration_since(state.received_at).as_millis() - reviewed);
        if let Some(took) = took.and_then(|took| u64::try_from(took).ok()) {
            measured.push(Measured::plain(Metric::OrderDuration, took));
        }
        for (state, took) in durations(state) {
            plotted.push(Increment::one(Counter::took(state, took)));
            let took = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
            measured.push(Measured::of(Metric::StateDuration, state.as_str(), took));
        }
    }
    (measured, plotted)
}
