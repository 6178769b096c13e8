//! What is repaired without a person. Each repair is on the order's timeline.

use std::time::Duration;

use domain::ports::{Operators, Orders as _, Record};
use domain::view::{payment_is_unknown, shipment_is_unknown};
use domain::{Actor, AuditEvent, Decision, Event, Execution, ExecutionStatus, Stage, Timestamp};
use tracing::{info, warn};
use workflow::Described;

use crate::metrics::{Measured, Metric};
use crate::{Failed, Monitor};

/// Whoever is at it has this long before the monitor does it as well.
const GRACE: Duration = Duration::from_secs(30);

impl<P: Operators> Monitor<P> {
    /// Repairs what can be repaired about an order, of whose execution operators `known` this, and answers
    /// what is stored after it. `None` if that has to be read anew, with its execution.
    pub(crate) async fn repair(
        &self,
        record: Record,
        known: Option<Execution>,
        described: &Described,
        now: Timestamp,
    ) -> Result<Option<Record>, Failed> {
        let state = &record.state;
        let status = described.execution.status;
        if status == ExecutionStatus::NotStarted {
            // Step Functions has forgotten it, 90 days after its end.
            let forgotten = !state.may_not_be_started();
            if forgotten
                && state.cancelled_unseen()
                && self.reverse_cancelled(&record, described, now).await
            {
                return Ok(None);
            }
            if !state.may_not_be_started() || now < state.began_at() + GRACE {
                return Ok(Some(record));
            }
            return match self.reach.workflow.start(state).await {
                Ok(()) => {
                    let why = "it was accepted, and its execution had not been started";
                    self.repaired(&record, Event::Started, why, now).await?;
                    Ok(None)
                }
                // The projection says for how long; an incident tells a person in time.
                Err(error) => {
                    let order_id = state.order_id.as_str();
                    warn!(order_id, %error, "failed to start an execution");
                    Ok(Some(record))
                }
            };
        }
        if !status.has_ended() {
            if decided_and_not_woken(&record, now) && self.reach.actions.wake(&record).await? {
                let why = "it was decided, and its execution had not been woken";
                self.repaired(&record, Event::Woken, why, now).await?;
            }
            return Ok(Some(record));
        }
        let unseen = known.is_none_or(|known| described.execution.is_news_after(&known));
        let stopped = described.execution.stopped_at.unwrap_or(now);
        if unseen && now >= stopped + GRACE {
            let why = "its execution had ended, and no event had reported it";
            self.repaired(&record, Event::EndRecorded, why, now).await?;
        }
        if state.cancelled_unseen() && self.reverse_cancelled(&record, described, now).await {
            return Ok(None);
        }
        if state.closed_without_knowing().is_some() {
            return self.let_go_late(record, now).await.map(Some);
        }
        if !payment_is_unknown(state, now) && !shipment_is_unknown(state, now) {
            return Ok(Some(record));
        }
        match self.reach.actions.ask_providers(&record).await {
            Ok(true) => {
                let why = "the providers were asked what became of it";
                self.repaired(&record, Event::Resolved, why, now).await?;
                Ok(self.reach.store.load(&state.order_id).await?)
            }
            Ok(false) => Ok(Some(record)),
            Err(error) => {
                let order_id = state.order_id.as_str();
                warn!(order_id, %error, "failed to resolve an unknown outcome");
                Ok(Some(record))
            }
        }
    }

    /// A cancellation was accepted that no step will see: an attempt of its own reverses the order. Whether it
    /// has begun.
    async fn reverse_cancelled(
        &self,
        record: &Record,
        described: &Described,
        now: Timestamp,
    ) -> bool {
        let actions = &self.reach.actions;
        match actions.carry_out_cancellation(record, described, now).await {
            Ok(begun) => begun,
            Err(error) => {
                let order_id = record.state.order_id.as_str();
                warn!(order_id, %error, "failed to reverse a cancelled order");
                false
            }
        }
    }

    /// An order was closed while nobody knew of a hold: one that arrived since is let go.
    async fn let_go_late(&self, record: Record, now: Timestamp) -> Result<Record, Failed> {
        match self.reach.actions.look_again(&record).await {
            Ok(true) => {
                let why = "money was held after all when it was closed, and was let go";
                self.repaired(&record, Event::Resolved, why, now).await?;
            }
            Ok(false) => {}
            Err(error) => {
                let order_id = record.state.order_id.as_str();
                warn!(order_id, %error, "failed to look for a hold of a closed order");
            }
        }
        Ok(record)
    }

    async fn repaired(
        &self,
        record: &Record,
        repair: Event,
        why: &str,
        now: Timestamp,
    ) -> Result<(), Failed> {
        let order_id = &record.state.order_id;
        // What is tried each minute is one entry with a count.
        let last = record.audit.iter().max_by_key(|event| event.last());
        let same = last.filter(|last| {
            (last.event, &last.by, last.reason.as_str()) == (repair, &Actor::Monitor, why)
                && last.at >= record.state.received_at
        });
        if let Some(event) = same {
            self.reach.store.note_again(order_id, event, now).await?;
        } else {
            let event = AuditEvent::new(now, repair, Actor::Monitor, why);
            self.reach.store.note(order_id, &event).await?;
        }
        info!(
            order_id = order_id.as_str(),
            repair = repair.as_str(),
            "order repaired"
        );
        self.emit(&[Measured::plain(Metric::Repairs, 1)]);
        Ok(())
    }
}

/// Whoever decided about a review, or cancelled the order that waits for one, may have died before
/// waking its execution.
fn decided_and_not_woken(record: &Record, now: Timestamp) -> bool {
    let state = &record.state;
    let Some(review) = &state.review else {
        return false;
    };
    if state.failure.is_some() || state.authorize.is_some() {
        return false;
    }
    let cancelled = state.cancel.as_ref().map(|cancel| cancel.at);
    let decided = match (review.decision, state.stage) {
        (Some(Decision::Approved), Stage::Validated) => review.decided_at,
        (Some(Decision::Rejected), Stage::InReview) => review.decided_at,
        (_, Stage::InReview) => cancelled,
        _ => None,
    };
    decided.is_some_and(|at| now >= at + GRACE)
}
