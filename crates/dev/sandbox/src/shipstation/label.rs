//! A label and its shipment as the API shows them.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::ledger::{Goods, Reference};

/// A purchase makes both the shipment and its one label, so one record holds both.
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

    pub(crate) fn to_json(&self) -> Value {
        let voided = self.voided_at.is_some();
        // What the carrier charges is decimal on the wire; a label of the sandbox costs nothing.
        let nothing = json!({ "currency": "usd", "amount": 0.0 });
        let service_code = self.shipment["service_code"].as_str().unwrap_or_default();
        let carrier_code = service_code.split('_').next();
        json!({
            "label_id": self.id,
            "status": if voided { "voided" } else { "completed" },
            "shipment_id": self.shipment_id,
            "external_shipment_id": self.external_shipment_id,
            "external_order_id": self.external_order_id,
            "shipment": self.shipment_json(),
            "ship_date": self.created_at,
            "created_at": self.created_at,
            "shipment_cost": nothing,
            "insurance_cost": nothing,
            "tracking_number": self.tracking_number,
            "is_return_label": false,
            "is_international": false,
            "batch_id": "",
            "carrier_id": self.shipment["carrier_id"],
            "service_code": service_code,
            "package_code": "package",
            "voided": voided,
            "voided_at": self.voided_at,
            "label_format": "pdf",
            "label_layout": "4x6",
            "trackable": true,
            "carrier_code": carrier_code,
            "tracking_status": "in_transit",
            "label_download": { "pdf": "", "href": "" },
            "packages": self.shipment["packages"],
        })
    }

    pub(crate) fn shipment_json(&self) -> Value {
        let mut shipment = self.shipment.clone();
        if let Value::Object(fields) = &mut shipment {
            let filled_in = json!({
                "shipment_id": self.shipment_id,
                "external_shipment_id": self.external_shipment_id,
                "external_order_id": self.external_order_id,
                "shipment_number": self.external_shipment_id,
                "shipment_status": "label_purchased",
                "created_at": self.created_at,
                "modified_at": self.voided_at.unwrap_or(self.created_at),
            });
            if let Value::Object(filled_in) = filled_in {
                fields.extend(filled_in);
            }
        }
        shipment
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
