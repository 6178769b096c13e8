//! Buying, finding and voiding labels.

use axum::http::StatusCode;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::book::{By, Listing, reference};
use super::errors;
use super::label::{Label, tracking_number};
use crate::answer::Answer;
use crate::exchange::{Received, Verdict};
use crate::ledger::Reference;
use crate::world::World;

/// "Any additional characters will be truncated": the carrier's limit on an external id. Two longer
/// ids that begin alike are one and the same to it.
const EXTERNAL_ID_CHARACTERS: usize = 50;

/// The address that is always refused has this postal code.
const REFUSED_POSTAL_CODE: &str = "00000";

/// A `POST /v2/labels` with all that the document requires.
#[derive(Debug)]
pub(crate) struct Booking {
    shipment: Value,
    external_shipment_id: Option<String>,
    external_order_id: Option<String>,
}

impl Booking {
    pub(crate) fn read(received: &Received) -> Result<Self, Answer> {
        let body = match &received.body {
            Ok(body) => body,
            Err(status) => return Err(errors::unreadable(*status)),
        };
        let mut body: Value = serde_json::from_slice(body)
            .map_err(|_| errors::invalid("request_body_required", "The body must be JSON."))?;
        let shipment = body["shipment"].take();
        let missing = REQUIRED.iter().find(|pointer| {
            let value = shipment.pointer(pointer);
            value.is_none_or(|value| value.is_null() || value.as_str() == Some(""))
        });
        if let Some(pointer) = missing {
            return Err(required(&format!("shipment{}", pointer.replace('/', "."))));
        }
        let from = ["warehouse_id", "ship_from"];
        if from.iter().all(|name| shipment[name].is_null()) {
            return Err(required("shipment.warehouse_id or shipment.ship_from"));
        }
        let country = shipment["ship_to"]["country_code"]
            .as_str()
            .unwrap_or_default();
        if country.len() != 2 {
            let message = "'ship_to.country_code' must be a two-letter ISO 3166-1 code.";
            return Err(errors::invalid("invalid_field_value", message));
        }
        let text = |name: &str| shipment[name].as_str().map(str::to_owned);
        let external_shipment_id = text("external_shipment_id")
            .map(|id| id.chars().take(EXTERNAL_ID_CHARACTERS).collect());
        let external_order_id = text("external_order_id");
        Ok(Self {
            shipment,
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

fn required(field: &str) -> Answer {
    errors::invalid(
        "field_value_required",
        &format!("'{field}' should not be empty."),
    )
}

pub(crate) fn book(world: &mut World, booking: Booking, verdict: Verdict) -> Answer {
    let (label, shipment) = (world.number(), world.number());
    let reference = booking.reference();
    if let Some(id) = &booking.external_shipment_id {
        // A voided label does not free its id: the shipment stays.
        let by = By::External(id.clone());
        if world.carrier.labels.iter().any(|label| by.is(label)) {
            return errors::duplicate(id);
        }
    }
    let postal_code = &booking.shipment["ship_to"]["postal_code"];
    if verdict == Verdict::No || postal_code == REFUSED_POSTAL_CODE {
        return errors::address_refused();
    }
    let shipment_id = format!("se-{shipment}");
    let external_shipment_id = booking
        .external_shipment_id
        .unwrap_or_else(|| shipment_id.clone());
    let label = Label {
        id: format!("se-{label}"),
        tracking_number: tracking_number(&external_shipment_id),
        shipment_id,
        reference,
        external_shipment_id,
        external_order_id: booking.external_order_id,
        shipment: booking.shipment,
        created_at: Timestamp::now(),
        voided_at: None,
    };
    let json = label.to_json();
    world.ledger.shipments.push(label.effect());
    world.carrier.labels.push(label);
    Answer::ok(json)
}

/// <https://docs.shipstation.com/apis/openapi/labels/void_label>: a refusal is 200 with
/// `approved: false` and a reason.
pub(crate) fn void(world: &mut World, label_id: &str, verdict: Verdict) -> Answer {
    let labels = &mut world.carrier.labels;
    let Some(label) = labels.iter_mut().find(|label| label.id == label_id) else {
        return errors::not_found(&format!("There is no label {label_id}."));
    };
    let refused = |reason: &str, message: &str| {
        Answer::ok(json!({ "approved": false, "message": message, "reason_code": reason }))
    };
    if label.voided_at.is_some() {
        return refused(
            "label_already_voided",
            "This label has already been voided.",
        );
    }
    if verdict == Verdict::No {
        return refused("contact_carrier", "The carrier did not approve the void.");
    }
    label.voided_at = Some(Timestamp::now());
    world.ledger.cancelled_shipments.push(label.effect());
    Answer::ok(json!({
        "approved": true,
        "message": "Request for refund submitted. This label has been voided.",
        "voided_label_ids": [label_id],
    }))
}

fn found<'a>(world: &'a World, by: &'a By, verdict: Verdict) -> impl Iterator<Item = &'a Label> {
    let labels = world.carrier.labels.iter();
    labels.filter(move |label| verdict.sees(label.created_at) && by.is(label))
}

/// The earliest, voided or not: "returns only the first label found"
/// (<https://docs.shipstation.com/apis/openapi/labels/get_label_by_external_shipment_id>).
pub(crate) fn first_label(world: &World, by: &By, verdict: Verdict) -> Answer {
    match found(world, by, verdict).next() {
        Some(label) => Answer::ok(label.to_json()),
        // Documented with an empty body.
        None => Answer::empty(StatusCode::NOT_FOUND),
    }
}

pub(crate) fn shipment(world: &World, by: &By, verdict: Verdict) -> Answer {
    match found(world, by, verdict).next() {
        Some(label) => Answer::ok(label.shipment_json()),
        None => errors::not_found("There is no such shipment."),
    }
}

/// Newest first, <https://docs.shipstation.com/list-labels>.
pub(crate) fn list(world: &World, listing: &Listing, verdict: Verdict) -> Answer {
    let Listing {
        by,
        page,
        page_size,
    } = listing;
    let labels = world.carrier.labels.iter().rev();
    let found: Vec<_> = labels
        .filter(|label| verdict.sees(label.created_at) && by.iter().all(|by| by.is(label)))
        .collect();
    let pages = found.len().div_ceil(*page_size);
    let link =
        |page: usize| json!({ "href": format!("/v2/labels?page={page}&page_size={page_size}") });
    let beside = |page: Option<usize>| page.map_or_else(|| json!({}), link);
    let labels: Vec<_> = found
        .iter()
        .skip((page - 1).saturating_mul(*page_size))
        .take(*page_size)
        .map(|label| label.to_json())
        .collect();
    Answer::ok(json!({
        "total": found.len(),
        "page": page,
        "pages": pages,
        "labels": labels,
        "links": {
            "first": link(1),
            "last": link(pages.max(1)),
            "prev": beside(Some(page - 1).filter(|page| *page >= 1)),
            "next": beside(Some(page + 1).filter(|page| *page <= pages)),
        },
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_is_read_off_the_external_id_unless_it_is_said() {
        let derived = reference("ord-1-2", None);
        assert_eq!(
            (derived.order_id.as_deref(), derived.attempt),
            (Some("ord-1"), Some(2))
        );
        let said = reference("ord-1-2", Some("ord-9"));
        assert_eq!(said.order_id.as_deref(), Some("ord-9"));
        let other = reference("whatever", None);
        assert_eq!(
            (other.order_id.as_deref(), other.attempt),
            (Some("whatever"), None)
        );
    }

    #[test]
    fn a_tracking_number_is_the_same_in_every_run() {
        let number = tracking_number("ord-1-1");
        assert_eq!(number.len(), 22);
        assert_eq!(number, tracking_number("ord-1-1"));
        assert_ne!(number, tracking_number("ord-1-2"));
    }
}
