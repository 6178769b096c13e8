//! The snapshots that the operators' page shows.

use std::time::Duration;

use domain::ports::{Operators, StoreError};
use domain::{Status, Timestamp};
use operations::{Projection, snapshot};
use tracing::warn;

use crate::{Failed, Monitor};

/// Orders that were reversed because of a dependency or of us are shown for so long.
const REVERSED_FOR: Duration = Duration::from_hours(7 * 24);
/// So many of them are read at most, the latest.
const REVERSED: usize = 1000;

impl<P: Operators> Monitor<P> {
    /// What somebody who looks at the page waits for: a snapshot of now, and what is to be carried out.
    pub(crate) async fn refresh(&self, now: Timestamp) -> Result<(), Failed> {
        self.carry_out(now).await;
        let open = self.reach.read_models.open_orders().await?;
        self.put_snapshot(&open.projections, now).await?;
        Ok(())
    }

    /// The sweep's snapshot. A sweep without one has still reconciled the orders.
    pub(crate) async fn show(&self, open: &[Projection], now: Timestamp) {
        if let Err(error) = self.put_snapshot(open, now).await {
            warn!(%error, "failed to keep the snapshot");
        }
    }

    async fn put_snapshot(&self, open: &[Projection], now: Timestamp) -> Result<(), StoreError> {
        let read_models = &self.reach.read_models;
        let since = now - REVERSED_FOR;
        let reversed = read_models.closed_since(Status::Failed, since, REVERSED);
        let (reversed, more) = reversed.await?;
        let (snapshot, lists) = snapshot::take(open, &reversed, more, now);
        let snapshot = match read_models.snapshot().await? {
            Some(before) => snapshot.after(&before),
            None => snapshot,
        };
        read_models.put_snapshot(&snapshot, &lists).await
    }
}
