//! What really happened, each effect once, whatever the caller got to hear of it.

use jiff::Timestamp;
use serde::Serialize;

use crate::faults::Fired;

/// Who an effect was for, taken from what the adapters send along.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Reference {
    pub(crate) order_id: Option<String>,
    pub(crate) attempt: Option<u32>,
    /// The idempotency key, or the carrier's `external_shipment_id`.
    pub(crate) key: Option<String>,
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct Money {
    #[serde(flatten)]
    pub(crate) reference: Reference,
    /// Minor units.
    pub(crate) amount: u64,
    /// ISO 4217, upper case as in an order (Stripe's own is lower case).
    pub(crate) currency: String,
    /// `pi_…`, or `re_…` for a refund.
    pub(crate) id: String,
    pub(crate) at: Timestamp,
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct Goods {
    #[serde(flatten)]
    pub(crate) reference: Reference,
    /// The label, `se-…`.
    pub(crate) id: String,
    pub(crate) shipment_id: String,
    pub(crate) tracking_number: String,
    pub(crate) at: Timestamp,
}

#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Ledger {
    pub(crate) authorizations: Vec<Money>,
    pub(crate) captures: Vec<Money>,
    pub(crate) voids: Vec<Money>,
    pub(crate) refunds: Vec<Money>,
    pub(crate) shipments: Vec<Goods>,
    pub(crate) cancelled_shipments: Vec<Goods>,
    pub(crate) faults_fired: Vec<Fired>,
}

impl Ledger {
    /// The part of one order.
    pub(crate) fn of(&self, order_id: &str) -> Self {
        let is_its = |id: &Option<String>| id.as_deref() == Some(order_id);
        let money = |all: &[Money]| {
            let its = all.iter().filter(|one| is_its(&one.reference.order_id));
            its.cloned().collect()
        };
        let goods = |all: &[Goods]| {
            let its = all.iter().filter(|one| is_its(&one.reference.order_id));
            its.cloned().collect()
        };
        let fired = self.faults_fired.iter().filter(|one| is_its(&one.order_id));
        Self {
            authorizations: money(&self.authorizations),
            captures: money(&self.captures),
            voids: money(&self.voids),
            refunds: money(&self.refunds),
            shipments: goods(&self.shipments),
            cancelled_shipments: goods(&self.cancelled_shipments),
            faults_fired: fired.cloned().collect(),
        }
    }
}
