//! A look at one order.

use domain::ports::{Operators, Orders as _, Record};
use domain::trend::Counter;
use domain::watch::{Difference, Execution, Heard, Place, Retry, Watch, durations};
use domain::{ExecutionStatus, OrderId, Timestamp};
use store::Reference;
use tracing::{info, warn};
use workflow::Described;

use crate::metrics::{Measured, Metric};
use crate::{Failed, Monitor, history, notice};

/// Others write the same record: the stream, events and the sweep. Each try begins with what is stored.
const TRIES: u32 = 5;

/// What a look has come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Looked {
    /// The record as it is now.
    Is(Box<Watch>),
    /// There is no such order.
    Nowhere,
}

impl<P: Operators> Monitor<P> {
    /// Something was told of an order: its record is brought up to date from what is stored and told.
    pub(crate) async fn heard(
        &self,
        order_id: &OrderId,
        told: Option<Execution>,
        now: Timestamp,
    ) -> Result<(), Failed> {
        let heard = Heard {
            execution: told,
            ..Heard::default()
        };
        for _ in 0..TRIES {
            let Some(record) = self.actions.store.load(order_id).await? else {
                return Ok(());
            };
            if self.follow(&record, &heard, now).await?.is_some() {
                return Ok(());
            }
        }
        // Whoever was quicker each time has seen at least as much.
        Ok(())
    }

    /// An order is due: its execution is asked as well, and what can be mended is mended.
    pub(crate) async fn look(&self, order_id: &OrderId, now: Timestamp) -> Result<Looked, Failed> {
        for _ in 0..TRIES {
            let Some(record) = self.actions.store.load(order_id).await? else {
                return Ok(Looked::Nowhere);
            };
            let described = self.actions.workflow.describe(&record.state).await?;
            let Some(record) = self.repair(record, &described, now).await? else {
                continue;
            };
            let heard = Heard {
                execution: Some(described.execution),
                asked: true,
                retry: self.retry(&record, &described).await?,
                ended_with: self.ended_with(&record, &described).await?,
                compared: self.compared(&record, &described, now).await,
            };
            if let Some(watch) = self.follow(&record, &heard, now).await? {
                return Ok(Looked::Is(Box::new(watch)));
            }
        }
        warn!(
            order_id = order_id.as_str(),
            "record changes too fast to be written"
        );
        Ok(Looked::Nowhere)
    }

    /// How the providers see an order that does not get on. One that does not tell is asked again by the next
    /// look.
    async fn compared(
        &self,
        record: &Record,
        described: &Described,
        now: Timestamp,
    ) -> Option<Vec<Difference>> {
        let ended = described.execution.status.has_ended();
        let watch = record.watch.as_ref()?;
        if !watch.wants_comparison(&record.state, ended, now) {
            return None;
        }
        match self.actions.compare(record).await {
            Ok(differences) => Some(differences),
            Err(error) => {
                let order_id = record.state.order_id.as_str();
                warn!(order_id, %error, "order not compared with the providers");
                None
            }
        }
    }

    /// The error that an execution ended with too early. It stays the same until the execution is redriven.
    async fn ended_with(
        &self,
        record: &Record,
        described: &Described,
    ) -> Result<Option<String>, Failed> {
        let execution = described.execution;
        let known = record
            .watch
            .as_ref()
            .is_some_and(|watch| watch.last_error.is_some() && watch.execution == Some(execution));
        let unfinished = execution.status.has_ended() && Place::of(&record.state).is_some();
        if known || !unfinished || execution.status == ExecutionStatus::Succeeded {
            return Ok(None);
        }
        let history = self.actions.workflow.history(&record.state).await?;
        Ok(history::last_error(&history))
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
        let history = self.actions.workflow.history(&record.state).await?;
        Ok(Some(self.rules.retry(&history)))
    }

    /// Writes the record that follows from all this. `None` if somebody else wrote it meanwhile.
    async fn follow(
        &self,
        record: &Record,
        heard: &Heard,
        now: Timestamp,
    ) -> Result<Option<Watch>, Failed> {
        let before = record.watch.clone().unwrap_or_else(|| Watch {
            revision: 0,
            ..Watch::received(&record.state)
        });
        let next = before.next(&record.state, heard, now);
        let unchanged = Watch {
            revision: before.revision,
            due_at: before.due_at,
            ..next.clone()
        } == before;
        let still_due = before.due_at.is_some_and(|at| at > now) || before.is_over();
        if unchanged && still_due && before.is_over() == next.is_over() {
            return Ok(Some(before));
        }
        // On the list before it is on the record: what is on the record is not told again.
        for trouble in next.troubles.keys() {
            if !before.troubles.contains_key(trouble) {
                let cause = notice::cause(*trouble, &next);
                let order_id = &next.order_id;
                self.actions
                    .store
                    .count_notice(&cause, order_id, now)
                    .await?;
                info!(
                    order_id = order_id.as_str(),
                    trouble = trouble.as_str(),
                    "order needs a person"
                );
            }
        }
        self.remember(&before, &next, record).await?;
        if !self.actions.store.put_watch(&next).await? {
            return Ok(None);
        }
        let (measured, counted) = changes(&before, &next, record);
        self.emit(&measured);
        self.count(counted);
        Ok(Some(next))
    }
}

impl<P: Operators> Monitor<P> {
    /// Has the order found by what people know of it. Before it is on the record, as above.
    async fn remember(&self, before: &Watch, next: &Watch, record: &Record) -> Result<(), Failed> {
        let store = &self.actions.store;
        if before.revision <= 1 {
            let customer = record.state.customer_id.as_str();
            store.remember(Reference::Customer, customer, next).await?;
        }
        for (reference, known, found) in [
            (Reference::Payment, &before.payment, &next.payment),
            (Reference::Tracking, &before.tracking, &next.tracking),
        ] {
            if let Some(found) = found
                && known.as_ref() != Some(found)
            {
                store.remember(reference, found, next).await?;
            }
        }
        Ok(())
    }
}

/// What is to be counted of the way from one record to the next: for CloudWatch, and for the page's plots.
fn changes(before: &Watch, next: &Watch, record: &Record) -> (Vec<Measured>, Vec<(Counter, u64)>) {
    let state = &record.state;
    let (mut measured, mut plotted) = (Vec::new(), Vec::new());
    if before.revision <= 1 {
        measured.push(Measured::plain(Metric::OrdersReceived, 1));
        plotted.push((Counter::Received, 1));
    }
    let same_attempt = before.attempt == next.attempt;
    let counted = if same_attempt {
        before.counted
    } else {
        domain::watch::Counted::default()
    };
    let currency = state.total.currency();
    for (metric, counter, before, next) in [
        (
            Metric::MoneyAuthorized,
            Counter::Authorized(currency),
            counted.authorized,
            next.counted.authorized,
        ),
        (
            Metric::MoneyCaptured,
            Counter::Captured(currency),
            counted.captured,
            next.counted.captured,
        ),
        (
            Metric::MoneyReversed,
            Counter::GivenBack(currency),
            counted.reversed,
            next.counted.reversed,
        ),
    ] {
        if next > before {
            measured.push(Measured::of(metric, currency.code(), next - before));
            plotted.push((counter, next - before));
        }
    }
    if let Some(place) = next.place
        && next.counted.retries > 0
    {
        let seen = if before.place == next.place {
            counted.retries
        } else {
            0
        };
        if next.counted.retries > seen {
            let more = u64::from(next.counted.retries - seen);
            measured.push(Measured::of(Metric::Retries, place.as_str(), more));
        }
    }
    if next.counted.ended && !counted.ended {
        measured.push(Measured::of(Metric::OrdersEnded, next.status.as_str(), 1));
        plotted.push((Counter::Ended(next.status), 1));
        if let Some(error) = next.error {
            let class = error.class();
            measured.push(Measured::of(Metric::OrdersReversed, class.as_str(), 1));
            plotted.push((Counter::Reversed(class), 1));
        }
        let ended = next.execution.and_then(|execution| execution.stopped_at);
        // A person's time says nothing about ours.
        let reviewed = durations(state)
            .into_iter()
            .find(|(place, _)| *place == Place::ReviewOrder)
            .map_or(0, |(_, took)| i128::try_from(took.as_millis()).unwrap_or(0));
        let took = ended.map(|at| at.duration_since(state.received_at).as_millis() - reviewed);
        if let Some(took) = took.and_then(|took| u64::try_from(took).ok()) {
            measured.push(Measured::plain(Metric::OrderDuration, took));
        }
        for (place, took) in durations(state) {
            plotted.push((Counter::Took(place, took), 1));
            let took = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
            measured.push(Measured::of(Metric::StepDuration, place.as_str(), took));
        }
    }
    (measured, plotted)
}
