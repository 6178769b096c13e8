//! A label as the API shows it.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::shipment::is_international;
use crate::ledger::{Goods, Reference};

/// <https://docs.shipstation.com/apis/openapi/labels>; of the documented ones, those that are to be had
/// here: no label is made in a batch.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Status {
    Processing,
    Completed,
    Error,
    Voided,
}

impl Status {
    const ALL: [Self; 4] = [Self::Processing, Self::Completed, Self::Error, Self::Voided];

    pub(crate) fn of(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == text)
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Processing => "processing",
            Self::Completed => "completed",
            Self::Error => "error",
            Self::Voided => "voided",
        }
    }
}

/// With its shipment as it was when the label was bought.
#[derive(Clone, Debug)]
pub(crate) struct Label {
    /// `se-…`
    pub(crate) id: String,
    pub(crate) shipment_id: String,
    pub(crate) reference: Reference,
    pub(crate) external_shipment_id: String,
    pub(crate) external_order_id: Option<String>,
    /// As sent, without what the API fills in.
    pub(crate) shipment: Value,
    pub(crate) tracking_number: String,
    pub(crate) created_at: Timestamp,
    pub(crate) voided_at: Option<Timestamp>,
}

impl Label {
    /// This label's goods, as an effect of now.
    pub(crate) fn effect(&self) -> Goods {
        Goods {
            reference: self.reference.clone(),
            id: self.id.clone(),
            shipment_id: self.shipment_id.clone(),
            tracking_number: self.tracking_number.clone(),
            at: Timestamp::now(),
        }
    }

    pub(crate) fn status(&self) -> Status {
        match self.voided_at {
            Some(_) => Status::Voided,
            None => Status::Completed,
        }
    }

    /// With a document that is to be had at `base_url`.
    pub(crate) fn to_json(&self, base_url: &str) -> Value {
        let voided = self.voided_at.is_some();
        // What the carrier charges is decimal on the wire.
        let money = |amount: f64| json!({ "currency": "usd", "amount": amount });
        let service_code = self.shipment["service_code"].as_str().unwrap_or_default();
        let carrier_code = service_code.split('_').next();
        let download = format!("{base_url}/v2/downloads/{}.pdf", self.id);
        json!({
            "label_id": self.id,
            "status": self.status().as_str(),
            "shipment_id": self.shipment_id,
            "external_shipment_id": self.external_shipment_id,
            "external_order_id": self.external_order_id,
            "ship_date": self.created_at,
            "created_at": self.created_at,
            "shipment_cost": money(self.price()),
            "insurance_cost": money(0.0),
            "tracking_number": self.tracking_number,
            "is_return_label": false,
            "rma_number": null,
            "is_international": is_international(&self.shipment),
            // Required, though it was made in no batch.
            "batch_id": "se-0",
            "carrier_id": self.shipment["carrier_id"],
            "charge_event": "carrier_default",
            "service_code": service_code,
            "package_code": "package",
            "voided": voided,
            "voided_at": self.voided_at,
            "label_format": "pdf",
            "display_scheme": "label",
            "label_layout": "4x6",
            "label_image_id": null,
            "trackable": true,
            "carrier_code": carrier_code,
            "tracking_status": "in_transit",
            "label_download": { "pdf": download, "href": download },
            "form_download": null,
            "paperless_download": null,
            "insurance_claim": null,
            "packages": self.packages(),
            "rate_details": [],
            "ship_to": self.shipment["ship_to"],
        })
    }

    /// Each as it was asked for, without what customs were told, with a tracking number of its own.
    fn packages(&self) -> Vec<Value> {
        let packages = self.shipment["packages"].as_array();
        let packages = packages.into_iter().flatten().zip(1_u32..);
        let labelled = packages.map(|(package, sequence)| {
            let mut labelled = json!({
                "package_id": sequence,
                "package_code": "package",
                "weight": package["weight"],
                "tracking_number": self.tracking_number_of(sequence),
                "sequence": sequence,
                "has_label_documents": true,
                "has_form_documents": false,
            });
            if !package["dimensions"].is_null() {
                labelled["dimensions"] = package["dimensions"].clone();
            }
            labelled
        });
        labelled.collect()
    }

    /// The first package has the label's own, which is that of all of them.
    fn tracking_number_of(&self, package: u32) -> String {
        if package == 1 {
            return self.tracking_number.clone();
        }
        tracking_number(&format!("{}, package {package}", self.tracking_number))
    }

    /// In dollars: 4.99 for a label, and a cent for each five grams.
    fn price(&self) -> f64 {
        let packages = self.shipment["packages"].as_array();
        let weights = packages.into_iter().flatten();
        let grams: u64 = weights
            .filter_map(|one| one["weight"]["value"].as_u64())
            .sum();
        let cents = u32::try_from(499 + grams / 5).unwrap_or(u32::MAX);
        f64::from(cents) / 100.0
    }
}

/// Twenty-two digits as USPS prints them, the same for the same key in every run, so that a
/// transcript of a run can be compared with another.
pub(crate) fn tracking_number(key: &str) -> String {
    // FNV-1a; the standard library's hasher may change between releases.
    let hash = key.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("94001{:017}", hash % 100_000_000_000_000_000)
}
