//! What happens to an order's money when nobody is at work on it any more, as operators see it.

use std::time::Duration;

use domain::AuditEvent;
use domain::aftermath::{failed_refunds, open_disputes};

use crate::incident::Incident;
use crate::process::{HOUR, MINUTE};

/// Money that is given back again is so by an operator, of which nothing reports.
const REFUND_RECONCILED_EVERY: Duration = Duration::from_secs(5 * MINUTE);
/// There may be hundreds of disputes, for months, and what is heard of them is noted at once.
const DISPUTE_RECONCILED_EVERY: Duration = Duration::from_secs(HOUR);

/// What has happened to an order's money since. Its audit trail has it; its ledger stays as it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct After {
    /// Its customer disputes the payment, and the bank has not decided.
    pub disputed: bool,
    /// What its ledger says went back is ours again.
    pub refund_failed: bool,
}

impl After {
    /// As an audit trail has it.
    #[must_use]
    pub fn of(audit: &[AuditEvent]) -> Self {
        Self {
            disputed: !open_disputes(audit).is_empty(),
            refund_failed: !failed_refunds(audit).is_empty(),
        }
    }

    pub(crate) fn incidents(self) -> impl Iterator<Item = Incident> {
        let refund = self.refund_failed.then_some(Incident::RefundFailed);
        let dispute = self.disputed.then_some(Incident::Disputed);
        refund.into_iter().chain(dispute)
    }

    /// In how long an order is to be reconciled that needs a person for this, however long it has been over. `None`
    /// if it needs none.
    pub(crate) fn reconciled_every(self) -> Option<Duration> {
        if self.refund_failed {
            return Some(REFUND_RECONCILED_EVERY);
        }
        self.disputed.then_some(DISPUTE_RECONCILED_EVERY)
    }
}
