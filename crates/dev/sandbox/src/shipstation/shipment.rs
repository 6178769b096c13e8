//! Shipments: what is to be sent, before and after there is a label for it.
//!
//! Sources: <https://docs.shipstation.com/shipments/create>, <https://docs.shipstation.com/shipments/update>.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::book::{By, Carrier, reference};
use super::errors;
use crate::answer::Answer;
use crate::exchange::{Received, Verdict};
use crate::ledger::Reference;
use crate::world::World;

/// "Any additional characters will be truncated": the carrier's limit on an external id. Two longer
/// ids that begin alike are one and the same to it.
const EXTERNAL_ID_CHARACTERS: usize = 50;

#[derive(Clone, Debug)]
pub(crate) struct Shipment {
    /// `se-…`
    pub(super) id: String,
    pub(super) reference: Reference,
    pub(super) external_shipment_id: String,
    pub(super) external_order_id: Option<String>,
    /// As sent, without what the API fills in.
    pub(super) content: Value,
    pub(super) created_at: Timestamp,
    pub(super) modified_at: Timestamp,
    pub(super) cancelled: bool,
}

/// A shipment as it is sent, with all that the document requires.
#[derive(Debug)]
pub(crate) struct Wanted {
    pub(super) content: Value,
    external_shipment_id: Option<String>,
    external_order_id: Option<String>,
}

/// `address` of `openapi.yaml` requires the phone number too, although an order has none.
const REQUIRED: [&str; 11] = [
    "/carrier_id",
    "/service_code",
    "/ship_to/name",
    "/ship_to/phone",
    "/ship_to/address_line1",
    "/ship_to/city_locality",
    "/ship_to/state_province",
    "/ship_to/postal_code",
    "/ship_to/country_code",
    "/packages/0/weight/value",
    "/packages/0/weight/unit",
];

/// Where every warehouse is.
const WAREHOUSE_COUNTRY: &str = "US";

/// Reads a body as JSON.
pub(super) fn body(received: &Received) -> Result<Value, Answer> {
    let body = received.body.as_ref();
    let body = body.map_err(|status| errors::unreadable(*status))?;
    serde_json::from_slice(body)
        .map_err(|_| errors::invalid("request_body_required", "The body must be JSON."))
}

impl Wanted {
    /// Of `POST /v2/shipments`, which takes several; the sandbox, one.
    pub(crate) fn one_of_many(received: &Received) -> Result<Self, Answer> {
        let mut body = body(received)?;
        match body["shipments"].as_array_mut().map(Vec::as_mut_slice) {
            Some([shipment]) => Self::of(shipment.take()),
            Some([]) | None => Err(required("shipments")),
            Some(_) => {
                let message = "The sandbox takes one shipment at a time.";
                Err(errors::invalid("invalid_field_value", message))
            }
        }
    }

    /// Of `PUT /v2/shipments/{id}`.
    pub(crate) fn alone(received: &Received) -> Result<Self, Answer> {
        Self::of(body(received)?)
    }

    pub(super) fn of(content: Value) -> Result<Self, Answer> {
        let missing = REQUIRED.iter().find(|pointer| {
            let value = content.pointer(pointer);
            value.is_none_or(|value| value.is_null() || value.as_str() == Some(""))
        });
        if let Some(pointer) = missing {
            return Err(required(&format!("shipment{}", pointer.replace('/', "."))));
        }
        let from = ["warehouse_id", "ship_from"];
        if from.iter().all(|name| content[name].is_null()) {
            return Err(required("shipment.warehouse_id or shipment.ship_from"));
        }
        check_country(&content["ship_to"])?;
        check_packages(&content["packages"])?;
        let text = |name: &str| content[name].as_str().map(str::to_owned);
        let external_shipment_id = text("external_shipment_id")
            .map(|id| id.chars().take(EXTERNAL_ID_CHARACTERS).collect());
        let external_order_id = text("external_order_id");
        Ok(Self {
            content,
            external_shipment_id,
            external_order_id,
        })
    }

    pub(crate) fn reference(&self) -> Reference {
        match &self.external_shipment_id {
            Some(id) => reference(id, self.external_order_id.as_deref()),
            None => Reference {
                order_id: self.external_order_id.clone(),
                ..Reference::default()
            },
        }
    }
}

fn check_country(address: &Value) -> Result<(), Answer> {
    let country = address["country_code"].as_str().unwrap_or_default();
    if country.len() == 2 {
        return Ok(());
    }
    let message = "'ship_to.country_code' must be a two-letter ISO 3166-1 code.";
    Err(errors::invalid("invalid_field_value", message))
}

/// `weight` of `openapi.yaml`, of each; and `dimensions`, if there are any.
fn check_packages(packages: &Value) -> Result<(), Answer> {
    for package in packages.as_array().into_iter().flatten() {
        let weight = &package["weight"];
        let is_weight = weight["value"].as_f64().is_some_and(|value| value > 0.0)
            && matches!(
                weight["unit"].as_str(),
                Some("pound" | "ounce" | "gram" | "kilogram")
            );
        if !is_weight {
            let message = "'packages.weight' must be more than nothing, in a known unit.";
            return Err(errors::invalid("invalid_field_value", message));
        }
        let dimensions = &package["dimensions"];
        let sides = ["length", "width", "height"];
        let is_side = |name: &&str| dimensions[*name].as_f64().is_some_and(|side| side > 0.0);
        let is_size = sides.iter().all(is_side)
            && matches!(dimensions["unit"].as_str(), Some("inch" | "centimeter"));
        if !dimensions.is_null() && !is_size {
            let message = "'packages.dimensions' must have three sides, in a known unit.";
            return Err(errors::invalid("invalid_field_value", message));
        }
    }
    Ok(())
}

/// Whether what is sent abroad says in each package what customs ask for.
pub(super) fn is_declared(shipment: &Value) -> bool {
    if !is_international(shipment) {
        return true;
    }
    let is_declared = |product: &Value| {
        let text = |name: &str| product[name].as_str().is_some_and(|text| !text.is_empty());
        text("description")
            && text("harmonized_tariff_code")
            && text("country_of_origin")
            && product["quantity"]
                .as_u64()
                .is_some_and(|pieces| pieces > 0)
            && product["value"]["amount"].is_number()
            && product["value"]["currency"].is_string()
    };
    let customs = &shipment["customs"];
    let packages = shipment["packages"].as_array();
    customs["contents"].is_string()
        && customs["non_delivery"].is_string()
        && packages.is_some_and(|packages| {
            packages.iter().all(|package| {
                let products = package["products"].as_array();
                products.is_some_and(|all| !all.is_empty() && all.iter().all(is_declared))
            })
        })
}

/// Whether it leaves the country of the warehouse.
pub(super) fn is_international(shipment: &Value) -> bool {
    shipment["ship_to"]["country_code"] != WAREHOUSE_COUNTRY
}

fn required(field: &str) -> Answer {
    errors::invalid(
        "field_value_required",
        &format!("'{field}' should not be empty."),
    )
}

impl World {
    /// Makes one; its external id must be nobody's.
    pub(super) fn ship(&mut self, wanted: Wanted) -> Result<Shipment, Answer> {
        let id = format!("se-{}", self.number());
        let reference = wanted.reference();
        if let Some(id) = &wanted.external_shipment_id {
            // Cancelled or with a voided label: the shipment stays, and its id with it.
            if self.carrier.shipment(&By::External(id.clone())).is_some() {
                return Err(errors::duplicate(id));
            }
        }
        let now = Timestamp::now();
        let shipment = Shipment {
            external_shipment_id: wanted.external_shipment_id.unwrap_or_else(|| id.clone()),
            id,
            reference,
            external_order_id: wanted.external_order_id,
            content: wanted.content,
            created_at: now,
            modified_at: now,
            cancelled: false,
        };
        self.carrier.shipments.push(shipment.clone());
        Ok(shipment)
    }
}

/// "Entirely or partially successful" is 2XX; of one that is not taken, nothing is
/// (<https://docs.shipstation.com/apis/shipengine/docs/guides/errors>).
pub(crate) fn create(world: &mut World, wanted: Wanted, verdict: Verdict) -> Answer {
    if verdict == Verdict::No {
        return errors::address_refused();
    }
    match world.ship(wanted) {
        Ok(shipment) => {
            let made = [world.carrier.to_json(&shipment)];
            Answer::ok(json!({ "has_errors": false, "shipments": made }))
        }
        Err(answer) => answer,
    }
}

/// "Use this endpoint to modify shipment information before purchasing a label."
pub(crate) fn update(world: &mut World, id: &str, wanted: Wanted, verdict: Verdict) -> Answer {
    if verdict == Verdict::No {
        return errors::address_refused();
    }
    let status = match world.carrier.shipment(&By::Shipment(id.to_owned())) {
        None => return no_such(),
        Some(shipment) => world.carrier.status(shipment),
    };
    if status != "pending" {
        let message = format!("A shipment that is {status} cannot be updated.");
        return errors::invalid("invalid_status", &message);
    }
    let Some(shipment) = world.carrier.shipment_mut(id) else {
        return no_such();
    };
    shipment.content = wanted.content;
    shipment.modified_at = Timestamp::now();
    let shipment = shipment.clone();
    Answer::ok(world.carrier.to_json(&shipment))
}

/// Not while it has a label: <https://docs.shipstation.com/apis/openapi/shipments/cancel_shipments>.
pub(crate) fn cancel(world: &mut World, id: &str) -> Answer {
    let status = match world.carrier.shipment(&By::Shipment(id.to_owned())) {
        None => return no_such(),
        Some(shipment) => world.carrier.status(shipment),
    };
    if status == "label_purchased" {
        let message = "A shipment with a label cannot be cancelled.";
        return errors::invalid("invalid_status", message);
    }
    if let Some(shipment) = world.carrier.shipment_mut(id) {
        shipment.cancelled = true;
    }
    Answer::empty(axum::http::StatusCode::NO_CONTENT)
}

pub(crate) fn get(world: &World, by: &By, verdict: Verdict) -> Answer {
    let found = world.carrier.shipment(by);
    match found.filter(|_| verdict == Verdict::AsUsual) {
        Some(shipment) => Answer::ok(world.carrier.to_json(shipment)),
        None => no_such(),
    }
}

pub(super) fn no_such() -> Answer {
    errors::not_found("There is no such shipment.")
}

impl Carrier {
    /// Whether a shipment whose label was voided is pending again is not documented; here it is.
    pub(super) fn status(&self, shipment: &Shipment) -> &'static str {
        let mut labels = self.labels.iter();
        let is_bought =
            labels.any(|label| label.shipment_id == shipment.id && label.voided_at.is_none());
        match (is_bought, shipment.cancelled) {
            (true, _) => "label_purchased",
            (false, true) => "cancelled",
            (false, false) => "pending",
        }
    }

    /// As the API shows it.
    fn to_json(&self, shipment: &Shipment) -> Value {
        let mut json = shipment.content.clone();
        if let Value::Object(fields) = &mut json {
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
                "total_weight": total_weight(&shipment.content),
                "shipment_id": shipment.id,
                "external_shipment_id": shipment.external_shipment_id,
                "external_order_id": shipment.external_order_id,
                "shipment_number": shipment.external_shipment_id,
                "shipment_status": self.status(shipment),
                "created_at": shipment.created_at,
                "modified_at": shipment.modified_at,
            });
            if let Value::Object(filled_in) = filled_in {
                fields.extend(filled_in);
            }
        }
        json
    }
}

/// In the first package's unit, which is that of all of them.
fn total_weight(shipment: &Value) -> Value {
    let packages = shipment["packages"].as_array();
    let weights = || packages.into_iter().flatten().map(|one| &one["weight"]);
    let value: f64 = weights().filter_map(|one| one["value"].as_f64()).sum();
    json!({ "value": value, "unit": weights().next().map(|one| &one["unit"]) })
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
        "country_code": WAREHOUSE_COUNTRY,
        "address_residential_indicator": "no",
    })
}
