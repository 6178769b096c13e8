//! Everything the sandbox knows, behind one mutex: of concurrent requests with one key, one acts.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use tokio::sync::Notify;
use tokio::sync::futures::OwnedNotified;

use crate::faults::Faults;
use crate::idempotency::Keys;
use crate::ledger::Ledger;
use crate::notices::Posted;
use crate::shipstation::book::Carrier;
use crate::stripe::book::Payments;

#[derive(Clone, Debug, Default)]
pub(crate) struct Shared(Arc<Mutex<World>>);

impl Shared {
    pub(crate) fn lock(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug)]
pub(crate) struct World {
    pub(crate) faults: Faults,
    pub(crate) keys: Keys,
    pub(crate) ledger: Ledger,
    pub(crate) payments: Payments,
    pub(crate) carrier: Carrier,
    pub(crate) notices: Vec<Posted>,
    /// Where this is to be had, without a trailing slash.
    pub(crate) base_url: String,
    /// Grows with each reset, so that a call delayed across one has no effect on the next test.
    generation: u64,
    /// Wakes what a fault keeps waiting.
    resets: Arc<Notify>,
    last_number: u64,
}

impl Default for World {
    fn default() -> Self {
        Self {
            faults: Faults::default(),
            keys: Keys::default(),
            ledger: Ledger::default(),
            payments: Payments::default(),
            carrier: Carrier::default(),
            notices: Vec::new(),
            base_url: String::new(),
            generation: 0,
            resets: Arc::default(),
            // Ids outlive the process in the order store: a restart must not hand them out again.
            last_number: u64::try_from(Timestamp::now().as_millisecond()).unwrap_or_default()
                * 1000,
        }
    }
}

impl World {
    pub(crate) fn generation(&self) -> u64 {
        self.generation
    }

    /// A number never used before, for the providers' ids.
    pub(crate) fn number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }

    /// Done at the next reset.
    pub(crate) fn next_reset(&self) -> OwnedNotified {
        Arc::clone(&self.resets).notified_owned()
    }

    pub(crate) fn reset(&mut self) {
        self.resets.notify_waiters();
        *self = Self {
            generation: self.generation + 1,
            last_number: self.last_number,
            base_url: std::mem::take(&mut self.base_url),
            ..Self::default()
        };
    }
}
