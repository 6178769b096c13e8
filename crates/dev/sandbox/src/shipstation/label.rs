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
        // A name that nobody can have: there is nothing to download.
        let download = format!("https://sandbox.invalid/v2/downloads/{}.pdf", self.id);
        json!({
            "label_id": self.id,
            "status": if voided { "voided" } else { "completed" },
            "shipment_id": self.shipment_id,
            "external_shipment_id": self.external_shipment_id,
            "external_order_id": self.external_order_id,
            "ship_date": self.created_at,
            "created_at": self.created_at,
            "shipment_cost": nothing,
            "insurance_cost": nothing,
            "tracking_number": self.tracking_number,
            "is_return_label": false,
            "rma_number": null,
            "is_international": false,
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
            "packages": self.shipment["packages"],
            "rate_details": [],
            "ship_to": self.shipment["ship_to"],
        })
    }

    pub(crate) fn shipment_json(&self) -> Value {
        let mut shipment = self.shipment.clone();
        if let Value::Object(fields) = &mut shipment {
            let warehouse = warehouse();
            let given = |name: &str, otherwise: &Value| match fields.get(name) {
                None | Some(Value::Null) => otherwise.clone(),
                Some(value) => value.clone(),
            };
            let ship_from = given("ship_from", &warehouse);
            let filled_in = json!({
                "return_to": given("return_to", &ship_from),
                "ship_from": ship_from,
                "confirmation": given("confirmation", &json!("none")),
                "advanced_options": given("advanced_options", &json!({})),
                "insurance_provider": given("insurance_provider", &json!("none")),
                "tags": given("tags", &json!([])),
                "total_weight": self.total_weight(),
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

    /// In the first package's unit, which is that of all of them.
    fn total_weight(&self) -> Value {
        let packages = self.shipment["packages"].as_array();
        let weights = || packages.into_iter().flatten().map(|one| &one["weight"]);
        let value: f64 = weights().filter_map(|one| one["value"].as_f64()).sum();
        json!({ "value": value, "unit": weights().next().map(|one| &one["unit"]) })
    }
}

/// The address of every warehouse.
fn warehouse() -> Value {
    json!({
        "name": "Warehouse",
        "phone": "555-0199",
        "address_line1": "1 Dock Rd",
        "city_locality": "Austin",
        "state_province": "TX",
        "postal_code": "78701",
        "country_code": "US",
        "address_residential_indicator": "no",
    })
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
