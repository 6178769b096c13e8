//! The boards that the operators' page shows.

use std::time::Duration;

use domain::board::board;
use domain::ports::{Operators, StoreError};
use domain::watch::Watch;
use domain::{Status, Timestamp};
use tracing::warn;

use crate::{Failed, Monitor};

/// Orders that were reversed because of a dependency or of us are shown for so long.
const REVERSED_FOR: Duration = Duration::from_hours(7 * 24);
/// So many of them are read at most, the latest.
const REVERSED: usize = 1000;

impl<P: Operators> Monitor<P> {
    /// What somebody who looks at the page waits for: a board of now, and what is to be carried out.
    pub(crate) async fn refresh(&self, now: Timestamp) -> Result<(), Failed> {
        self.carry_out(now).await;
        let open = self.actions.store.all_open_orders().await?;
        self.put_board(&open, now).await?;
        Ok(())
    }

    /// The sweep's board. A sweep without one has still looked at the orders.
    pub(crate) async fn show(&self, open: &[Watch], now: Timestamp) {
        if let Err(error) = self.put_board(open, now).await {
            warn!(%error, "board not kept");
        }
    }

    async fn put_board(&self, open: &[Watch], now: Timestamp) -> Result<(), StoreError> {
        let store = &self.actions.store;
        let since = now - REVERSED_FOR;
        let (reversed, more) = store.closed_since(Status::Failed, since, REVERSED).await?;
        let (board, lists) = board(open, &reversed, more, now);
        store.put_board(&board, &lists).await
    }
}
