//! Carries out what operators want done to many orders: in waves, and no further once one fails again.

use std::time::{Duration, Instant};

use actions::{Attribution, Reason};
use domain::ports::{Operators, Orders as _};
use domain::{OrderId, Timestamp};
use operations::bulk::{Applied, Bulk, BulkState};
use tracing::{info, warn};

use crate::{Failed, Monitor};

/// Nobody else carries a bulk out for so long: longer than what one invocation does of it.
const BUSY: Duration = Duration::from_mins(3);
/// One invocation acts on no order after so long, of whichever bulk; the next one goes on.
pub(crate) const ACTING: Duration = Duration::from_secs(25);
/// So often what was done is kept anew because people have written meanwhile.
const TRIES: usize = 8;
/// Orders of one request to the database.
const PAGE: usize = 100;

impl<P: Operators> Monitor<P> {
    /// Gets on with every bulk that is at work.
    pub(crate) async fn carry_out(&self, now: Timestamp) {
        let read_models = &self.reach.read_models;
        let digests = match read_models.digests_at_work().await {
            Ok(digests) => digests,
            Err(error) => {
                warn!(%error, "failed to read the bulks at work");
                return;
            }
        };
        // Two that were applied at the same moment have not heard of each other.
        let all = if digests.len() > 1 {
            match read_models.bulks_at_work().await {
                Ok(all) => all,
                Err(error) => {
                    warn!(%error, "failed to read the bulks at work");
                    return;
                }
            }
        } else {
            Vec::new()
        };
        let began = Instant::now();
        for digest in digests {
            if let Err(error) = self.get_on(&digest, &all, began, now).await {
                warn!(bulk = digest, %error, "failed to carry out a bulk");
            }
        }
    }

    async fn get_on(
        &self,
        digest: &str,
        all: &[Bulk],
        began: Instant,
        now: Timestamp,
    ) -> Result<(), Failed> {
        let read_models = &self.reach.read_models;
        let Some(mut bulk) = read_models.bulk(digest).await? else {
            read_models.bulk_is_over(digest, now).await?;
            return Ok(());
        };
        let Some(applied) = bulk.applied.clone().filter(|_| bulk.is_at_work()) else {
            // Found by its pointer before it is applied, or after it has ended.
            if bulk.ended_at.is_some() {
                read_models.bulk_is_over(digest, now).await?;
            }
            return Ok(());
        };
        // The sweep may have begun minutes ago.
        let clock = self.clock.now();
        if bulk.busy_until.is_some_and(|until| until > clock) {
            return Ok(());
        }
        if bulk.state() == BulkState::Paused && bulk.under_way().is_empty() {
            return Ok(());
        }
        bulk.busy_until = Some(clock + BUSY);
        if !self.keep(&mut bulk, now).await? {
            return Ok(());
        }
        for orders in bulk.under_way().chunks(PAGE) {
            for projection in read_models.projections(orders).await? {
                bulk.see(&projection);
            }
        }
        bulk.leave_to(all, now);
        for order_id in bulk.next_wave(now) {
            if began.elapsed() > ACTING || !self.may_begin(&mut bulk).await {
                break;
            }
            let refused = self.act_on(&bulk, &order_id, &applied).await;
            bulk.acted(&order_id, refused, self.clock.now());
        }
        if self.conclude(&mut bulk, now).await? && bulk.ended_at.is_some() {
            info!(bulk = digest, stopped = bulk.stopped, "bulk ended");
            read_models.bulk_is_over(digest, now).await?;
        }
        Ok(())
    }

    /// Whether a further order may be begun: somebody may have paused or stopped it since.
    async fn may_begin(&self, bulk: &mut Bulk) -> bool {
        match self.reach.read_models.bulk(&bulk.digest).await {
            Ok(Some(stored)) => bulk.heed(&stored) && bulk.state() == BulkState::Running,
            Ok(None) => false,
            Err(error) => {
                warn!(bulk = bulk.digest, %error, "failed to read a bulk");
                false
            }
        }
    }

    /// Keeps what was done, with what people have done to the bulk meanwhile. `false` if somebody else carries it
    /// out, who thought that this one had died.
    async fn conclude(&self, bulk: &mut Bulk, now: Timestamp) -> Result<bool, Failed> {
        for _ in 0..TRIES {
            let mut done = Bulk {
                busy_until: None,
                ..bulk.clone()
            };
            if self.keep(&mut done, now).await? {
                *bulk = done;
                return Ok(true);
            }
            let stored = self.reach.read_models.bulk(&bulk.digest).await?;
            if !stored.is_some_and(|stored| bulk.heed(&stored)) {
                return Ok(false);
            }
        }
        Ok(false)
    }

    async fn keep(&self, bulk: &mut Bulk, now: Timestamp) -> Result<bool, Failed> {
        bulk.revision += 1;
        Ok(self.reach.read_models.put_bulk(bulk, now).await?)
    }

    /// Why nothing was done, if nothing was.
    async fn act_on(&self, bulk: &Bulk, order_id: &OrderId, applied: &Applied) -> Option<String> {
        let part = bulk.parts.iter().find(|part| part.order_id == *order_id)?;
        match self.reach.store.load(order_id).await {
            Ok(Some(record)) if record.state.version == part.version => {}
            Ok(_) => return Some("it has changed since the preview".to_owned()),
            Err(error) => return Some(error.to_string()),
        }
        let reason = Reason::of_bulk(applied, &bulk.digest);
        let by = applied.by.to_string();
        let who = Attribution {
            by: &by,
            reason: &reason,
            at: self.clock.now(),
        };
        let acted = self.reach.actions.act(bulk.action, order_id, who).await;
        acted.err().map(|refused| refused.to_string())
    }
}
