//! What is mended without a person. Each repair is on the order's timeline.

use std::time::Duration;

use domain::ports::{MONITOR, OperatorEvent, Operators, Orders as _, Record};
use domain::watch::{payment_is_locked, shipment_is_unknown};
use domain::{Decision, ExecutionStatus, Stage, Timestamp};
use tracing::{info, warn};
use workflow::Described;

use crate::metrics::{Measured, Metric};
use crate::{Failed, Monitor};

/// Whoever is at it has this long before the monitor does it as well.
const GRACE: Duration = Duration::from_secs(30);

impl<P: Operators> Monitor<P> {
    /// Mends what can be mended about an order, and answers what is stored after it. `None` if that has
    /// to be looked at anew, with its execution.
    pub(crate) async fn repair(
        &self,
        record: Record,
        described: &Described,
        now: Timestamp,
    ) -> Result<Option<Record>, Failed> {
        let state = &record.state;
        let status = described.execution.status;
        if status == ExecutionStatus::NotStarted {
            if state.stage != Stage::Received || now < state.received_at + GRACE {
                return Ok(Some(record));
            }
            return match self.actions.workflow.start(state).await {
                Ok(()) => {
                    let why = "it was accepted, and its execution had not been started";
                    self.mended(&record, "started", why, now).await?;
                    Ok(None)
                }
                // The record says for how long; a person hears of it in time.
                Err(error) => {
                    warn!(order_id = state.order_id.as_str(), %error, "execution not started");
                    Ok(Some(record))
                }
            };
        }
        if !status.has_ended() {
            if decided_and_not_woken(&record, now) && self.actions.wake(&record).await? {
                let why = "it was decided, and its execution had not been told";
                self.mended(&record, "woken", why, now).await?;
            }
            return Ok(Some(record));
        }
        let known = record.watch.as_ref().and_then(|watch| watch.execution);
        let unseen = known.is_none_or(|known| described.execution.is_news_after(&known));
        let stopped = described.execution.stopped_at.unwrap_or(now);
        if unseen && now >= stopped + GRACE {
            let why = "its execution had ended, and nobody had told of it";
            self.mended(&record, "end_recorded", why, now).await?;
        }
        if !payment_is_locked(state, now) && !shipment_is_unknown(state, now) {
            return Ok(Some(record));
        }
        match self.actions.ask_providers(&record).await {
            Ok(true) => {
                let why = "the providers were asked what became of it";
                self.mended(&record, "resolved", why, now).await?;
                Ok(self.actions.store.load(&state.order_id).await?)
            }
            Ok(false) => Ok(Some(record)),
            Err(error) => {
                let order_id = state.order_id.as_str();
                warn!(order_id, %error, "an unknown outcome stays unknown");
                Ok(Some(record))
            }
        }
    }

    async fn mended(
        &self,
        record: &Record,
        word: &str,
        why: &str,
        now: Timestamp,
    ) -> Result<(), Failed> {
        let order_id = &record.state.order_id;
        let event = OperatorEvent {
            at: now,
            event: word.to_owned(),
            by: MONITOR.to_owned(),
            reason: why.to_owned(),
        };
        self.actions.store.note(order_id, &event).await?;
        info!(order_id = order_id.as_str(), repair = word, "order mended");
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
