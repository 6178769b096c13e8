//! Shipments: what ShipStation is told of an order, and what it tells of it.

use domain::ports::BookRequest;
use domain::{Contents, Dimensions, Parcel, Parcels};
use serde::Deserialize;
use serde_json::{Number, Value, json};

use crate::Account;

/// What is read of a shipment. <https://docs.shipstation.com/apis/openapi/shipments>
#[derive(Deserialize)]
pub(super) struct Shipment {
    #[serde(rename = "shipment_id")]
    pub(super) id: String,
    #[serde(default)]
    pub(super) external_shipment_id: Option<String>,
    #[serde(rename = "shipment_status")]
    pub(super) status: Status,
}

#[derive(Deserialize, Debug, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(super) enum Status {
    Pending,
    Processing,
    LabelPurchased,
    Cancelled,
}

/// What came of making one. <https://docs.shipstation.com/shipments/create>
#[derive(Deserialize)]
pub(super) struct Made {
    pub(super) has_errors: bool,
    pub(super) shipments: Vec<MadeShipment>,
}

/// One of them; without an id if it was not made.
#[derive(Deserialize)]
pub(super) struct MadeShipment {
    #[serde(rename = "shipment_id")]
    pub(super) id: Option<String>,
}

/// What is sent of an order.
pub(super) fn content(account: &Account, request: &BookRequest<'_>) -> Value {
    let Account {
        carrier_id,
        service_code,
        service_code_abroad,
        warehouse_id,
        contact_phone,
    } = account;
    let to = &request.personal.shipping_address;
    let Parcels { parcels, abroad } = request.parcels;
    // Without a service abroad nothing is packed for it.
    let service_code = match service_code_abroad {
        Some(service_abroad) if *abroad => service_abroad,
        Some(_) | None => service_code,
    };
    let packages = parcels.iter().map(|parcel| package(parcel, *abroad));
    let mut content = json!({
        "carrier_id": carrier_id,
        "service_code": service_code,
        "warehouse_id": warehouse_id,
        "external_shipment_id": request.reference,
        "external_order_id": request.order.order_id,
        "ship_to": {
            "name": to.name,
            "phone": contact_phone,
            "address_line1": to.line1,
            "address_line2": to.line2,
            "city_locality": to.city,
            // Asked for even where there are none.
            "state_province": to.region.as_deref().unwrap_or(&to.city),
            "postal_code": to.postal_code,
            "country_code": to.country,
            "address_residential_indicator": "unknown",
        },
        "packages": packages.collect::<Vec<_>>(),
    });
    if *abroad {
        // What is in the parcels is told parcel by parcel: `customs_items` is deprecated.
        content["customs"] = json!({
            "contents": "merchandise",
            "non_delivery": "return_to_sender",
        });
    }
    content
}

fn package(parcel: &Parcel, abroad: bool) -> Value {
    let mut package = json!({"weight": grams(parcel.weight_g)});
    if let Some(Dimensions(sides)) = parcel.dimensions_mm {
        let [length, width, height] = sides.map(|side| f64::from(side) / 10.0);
        package["dimensions"] =
            json!({"unit": "centimeter", "length": length, "width": width, "height": height});
    }
    if abroad {
        package["products"] = parcel.contents.iter().map(product).collect();
    }
    package
}

/// What customs are told; its value is that of each piece.
fn product(contents: &Contents) -> Value {
    let customs = contents.customs.as_ref();
    let price = contents.unit_price;
    // The shortest decimal number, which loses nothing of twelve digits.
    let amount: Option<Number> = serde_json::from_str(&price.decimal()).ok();
    json!({
        "sku": contents.sku,
        "description": customs.map(|customs| &customs.description),
        "quantity": contents.quantity,
        "value": {"currency": price.currency().code().to_lowercase(), "amount": amount},
        "weight": grams(contents.weight_g),
        "harmonized_tariff_code": customs.map(|customs| &customs.hs_code),
        "country_of_origin": customs.map(|customs| &customs.origin),
    })
}

fn grams(value: u32) -> Value {
    json!({"value": value, "unit": "gram"})
}

#[cfg(test)]
mod tests {
    use super::*;

    /// "Entirely or partially successful" is 200 too: <https://docs.shipstation.com/apis/shipengine/docs/guides/errors>.
    #[test]
    fn one_that_was_not_made_need_not_have_an_id() {
        let told = r#"{"has_errors": true, "shipments": [{"errors": ["It exists already."]}]}"#;
        let made: Made = serde_json::from_str(told).expect("an answer");
        assert!(made.has_errors);
        assert!(made.shipments.iter().all(|shipment| shipment.id.is_none()));
    }
}
