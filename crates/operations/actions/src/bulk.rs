//! One action on many orders: previewed and frozen, then applied. The monitor carries it out.

use domain::ports::StoreError;
use domain::{Actor, OrderId, Timestamp};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use operations::ProcessState;
use operations::advice::Action;
use operations::bulk::{Applied, Bulk, Control, LARGEST, Outcome, Part, Skipped};
use read_models::Row;

use crate::{Actions, Attribution, Refused, possible, warning};

/// So many orders are looked at at once.
const AT_ONCE: usize = 8;
/// So often what somebody else wrote meanwhile is read anew. The monitor writes twice in some seconds.
const TRIES: usize = 8;

/// Why nothing came of what was asked of a bulk.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BulkRefused {
    /// There is no such bulk, or not any more.
    #[error("there is no bulk {0}: a preview is kept for an hour, and previewed anew after that")]
    NotFound(String),
    /// It is not possible: why, as the end of a sentence.
    #[error("{0}")]
    NotPossible(String),
    /// Something that is needed for it does not answer: the same may succeed later.
    #[error("{0}")]
    Unavailable(String),
}

impl From<StoreError> for BulkRefused {
    fn from(error: StoreError) -> Self {
        Self::Unavailable(error.to_string())
    }
}

impl BulkRefused {
    fn not_possible(why: &str) -> Self {
        Self::NotPossible(why.to_owned())
    }
}

impl Actions {
    /// Looks at each of these orders, and keeps what was seen under a digest. Those that the action is not
    /// possible for, or that another bulk has in hand, are left out, each with the reason.
    ///
    /// # Errors
    /// If there are no orders or more than [`LARGEST`], or something does not answer.
    pub async fn preview(
        &self,
        action: Action,
        mut orders: Vec<OrderId>,
        now: Timestamp,
    ) -> Result<Bulk, BulkRefused> {
        if !action.is_for_many() {
            let why = "each order is settled by itself: what has become of it differs";
            return Err(BulkRefused::not_possible(why));
        }
        // Twice is once: a part that nobody finds would wait for ever.
        orders.sort();
        orders.dedup();
        if orders.is_empty() {
            return Err(BulkRefused::not_possible("no order was chosen"));
        }
        if orders.len() > LARGEST {
            let (count, most) = (orders.len(), LARGEST);
            let why = format!("{count} orders are too many at once: {most} are the most");
            return Err(BulkRefused::NotPossible(why));
        }
        let at_work = self.read_models.bulks_at_work().await?;
        let looked: Vec<Result<Part, Skipped>> = stream::iter(orders)
            .map(|order_id| self.look_at(action, order_id, &at_work, now))
            .buffered(AT_ONCE)
            .try_collect()
            .await?;
        let (mut parts, mut skipped) = (Vec::new(), Vec::new());
        for part in looked {
            match part {
                Ok(part) => parts.push(part),
                Err(left_out) => skipped.push(left_out),
            }
        }
        let bulk = Bulk::preview(action, parts, skipped, now);
        // The same orders previewed in the same second are the same preview.
        self.read_models.put_bulk(&bulk, now).await?;
        Ok(bulk)
    }

    async fn look_at(
        &self,
        action: Action,
        order_id: OrderId,
        at_work: &[Bulk],
        now: Timestamp,
    ) -> Result<Result<Part, Skipped>, BulkRefused> {
        let left_out = |order_id, why: &str| {
            Ok(Err(Skipped {
                order_id,
                why: why.to_owned(),
                left_to: None,
            }))
        };
        if let Some(holder) = at_work.iter().find_map(|bulk| bulk.holder_of(&order_id)) {
            return Ok(Err(Skipped {
                order_id,
                why: holder.to_string(),
                left_to: Some(holder.digest),
            }));
        }
        let (record, described) = match self.inspect(&order_id).await {
            Ok(found) => found,
            Err(Refused::NotFound(_)) => return left_out(order_id, "there is no such order"),
            Err(Refused::NotPossible(why)) => return left_out(order_id, &why),
            Err(Refused::Unavailable(why)) => return Err(BulkRefused::Unavailable(why)),
        };
        if let Err(why) = possible(action, &record, &described, now) {
            return left_out(order_id, &why);
        }
        let state = &record.state;
        let to_pass = match action {
            // A new attempt has to get past where the last one failed.
            Action::Reprocess => {
                let row = self.read_models.order(&order_id).await?;
                let projection = row.and_then(Row::projection);
                projection.and_then(|projection| projection.failed_in)
            }
            Action::Approve
            | Action::Reject
            | Action::Cancel
            | Action::Redrive
            | Action::Restart
            | Action::Resend
            | Action::Resolve
            | Action::GiveBack
            | Action::Settle => ProcessState::of(state).map(|(at, _)| at),
        };
        Ok(Ok(Part {
            order_id,
            version: state.version,
            attempt: state.attempt,
            state: to_pass,
            total: state.total,
            requested_at: None,
            outcome: Outcome::Waiting,
            warning: warning(action, &record).map(str::to_owned),
            failure: None,
            left_to: None,
        }))
    }

    /// A bulk: previewed, or as far as it has come.
    ///
    /// # Errors
    /// If there is none, or the database does not answer.
    pub async fn bulk(&self, digest: &str) -> Result<Bulk, BulkRefused> {
        let bulk = self.read_models.bulk(digest).await?;
        bulk.ok_or_else(|| BulkRefused::NotFound(digest.to_owned()))
    }

    /// Lets exactly what was previewed happen, and returns the bulk: the monitor carries it out from now on.
    /// What was applied before, by whomever, stays as it is; what another bulk has in hand by now is left to it.
    ///
    /// # Errors
    /// If there is no such preview, it has no orders, or the database does not answer.
    pub async fn apply(&self, digest: &str, who: Attribution<'_>) -> Result<Bulk, BulkRefused> {
        let mut bulk = self.bulk(digest).await?;
        if bulk.applied.is_some() {
            return Ok(bulk);
        }
        if bulk.parts.is_empty() {
            let why = "it is possible for none of these orders";
            return Err(BulkRefused::not_possible(why));
        }
        bulk.revision += 1;
        bulk.applied = Some(Applied {
            by: Actor::Operator(who.by.to_owned()),
            reason: who.reason.to_string(),
            at: who.at,
        });
        // Another one may have been applied since the preview.
        let at_work = self.read_models.bulks_at_work().await?;
        bulk.leave_to(&at_work, who.at);
        if self.read_models.put_bulk(&bulk, who.at).await? {
            return Ok(bulk);
        }
        // Somebody else's press of the same button was quicker: it is applied once.
        self.bulk(digest).await
    }

    /// Has a bulk begin no further order until somebody resumes it, and returns it.
    ///
    /// # Errors
    /// If there is no such bulk, that is not possible now, or the database does not answer.
    pub async fn pause(&self, digest: &str, by: &str, now: Timestamp) -> Result<Bulk, BulkRefused> {
        self.control(Control::Pause, digest, by, "", now).await
    }

    /// Has a paused bulk go on, and returns it.
    ///
    /// # Errors
    /// If there is no such bulk, that is not possible now, or the database does not answer.
    pub async fn resume(
        &self,
        digest: &str,
        by: &str,
        now: Timestamp,
    ) -> Result<Bulk, BulkRefused> {
        self.control(Control::Resume, digest, by, "", now).await
    }

    /// Has a bulk begin no further order ever, and returns it.
    ///
    /// # Errors
    /// If there is no such bulk, that is not possible now, or the database does not answer.
    pub async fn stop(&self, digest: &str, who: Attribution<'_>) -> Result<Bulk, BulkRefused> {
        let (by, reason) = (who.by, who.reason.as_str());
        self.control(Control::Stop, digest, by, reason, who.at)
            .await
    }

    async fn control(
        &self,
        control: Control,
        digest: &str,
        by: &str,
        reason: &str,
        now: Timestamp,
    ) -> Result<Bulk, BulkRefused> {
        for _ in 0..TRIES {
            let mut bulk = self.bulk(digest).await?;
            let by = Actor::Operator(by.to_owned());
            bulk.control(control, by, reason, now)
                .map_err(BulkRefused::not_possible)?;
            bulk.revision += 1;
            // The monitor may have written what it did meanwhile: neither is lost.
            if self.read_models.put_bulk(&bulk, now).await? {
                return Ok(bulk);
            }
        }
        let why = "it is being written all the time: try again";
        Err(BulkRefused::Unavailable(why.to_owned()))
    }
}
