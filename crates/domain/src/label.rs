//! What is kept of a label beside the ledger, whose item has no room for it.

use serde::{Deserialize, Serialize};

use crate::Money;
use crate::ledger::Booking;

/// A label as the carrier tells of it, without anything personal. What the carrier does not tell is left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Label {
    /// The carrier's reference.
    #[serde(rename = "label_id")]
    pub id: String,
    /// Who carries it.
    pub carrier: String,
    /// What the customer can follow; of several parcels, the first or all of them.
    pub tracking: String,
    /// What the carrier charges for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<Money>,
    /// The carrier's name for the request that bought it, for its support. A label that was found has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<String>,
    /// What it is for.
    #[serde(default)]
    pub parcels: Vec<LabelledParcel>,
}

/// A parcel with a label.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LabelledParcel {
    /// Its own tracking number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tracking: Option<String>,
    /// What it weighs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight_g: Option<u32>,
}

impl Label {
    /// What the ledger keeps of it.
    #[must_use]
    pub fn booking(&self) -> Booking {
        Booking::Booked {
            label: self.id.clone(),
            carrier: self.carrier.clone(),
            tracking: self.tracking.clone(),
        }
    }
}
