//! Buying, finding and voiding labels.

use axum::http::StatusCode;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::book::{By, Listing};
use super::errors;
use super::label::{Label, tracking_number};
use super::shipment::{Shipment, Wanted, body, is_declared, no_such};
use crate::answer::Answer;
use crate::exchange::{Received, Verdict};
use crate::world::World;

/// The address that is always refused has this postal code.
const REFUSED_POSTAL_CODE: &str = "00000";

/// What there is to print of every label: the smallest PDF.
pub(super) const DOCUMENT: &str = "%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n\
    2 0 obj<</Type/Pages/Kids[]/Count 0>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n";

/// Of `POST /v2/labels`.
pub(crate) fn wanted(received: &Received) -> Result<Wanted, Answer> {
    Wanted::of(body(received)?["shipment"].take())
}

/// Makes a shipment and buys a label for it. Of one that is refused, nothing is left.
pub(crate) fn book(world: &mut World, wanted: Wanted, verdict: Verdict) -> Answer {
    if is_refused(&wanted.content, verdict) {
        return errors::address_refused();
    }
    if !is_declared(&wanted.content) {
        return errors::customs_items_required();
    }
    match world.ship(wanted) {
        Ok(shipment) => buy(world, shipment),
        Err(answer) => answer,
    }
}

/// Buys a label for a shipment that there is. That there is a label already is no reason not to: none is
/// documented, and a shipment may have several.
pub(crate) fn book_for(world: &mut World, shipment: &str, verdict: Verdict) -> Answer {
    let by = By::Shipment(shipment.to_owned());
    let Some(shipment) = world.carrier.shipment(&by).cloned() else {
        return no_such();
    };
    if shipment.cancelled {
        let message = "A cancelled shipment gets no label.";
        return errors::invalid("invalid_status", message);
    }
    if is_refused(&shipment.content, verdict) {
        return errors::address_refused();
    }
    if !is_declared(&shipment.content) {
        return errors::customs_items_required();
    }
    buy(world, shipment)
}

fn is_refused(shipment: &Value, verdict: Verdict) -> bool {
    verdict == Verdict::No || shipment["ship_to"]["postal_code"] == REFUSED_POSTAL_CODE
}

fn buy(world: &mut World, shipment: Shipment) -> Answer {
    let id = format!("se-{}", world.number());
    let labels = world.carrier.labels.iter();
    let earlier = labels.filter(|label| label.shipment_id == shipment.id);
    let key = match earlier.count() {
        0 => shipment.external_shipment_id.clone(),
        earlier => format!("{}, after {earlier}", shipment.external_shipment_id),
    };
    let label = Label {
        id,
        tracking_number: tracking_number(&key),
        shipment_id: shipment.id,
        reference: shipment.reference,
        external_shipment_id: shipment.external_shipment_id,
        external_order_id: shipment.external_order_id,
        shipment: shipment.content,
        created_at: Timestamp::now(),
        voided_at: None,
    };
    let json = label.to_json(&world.base_url);
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
    if verdict == Verdict::Used {
        return refused("label_already_used", "This label has already been used.");
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
        Some(label) => Answer::ok(label.to_json(&world.base_url)),
        // Documented with an empty body.
        None => Answer::empty(StatusCode::NOT_FOUND),
    }
}

/// Newest first unless asked otherwise, <https://docs.shipstation.com/list-labels>.
pub(crate) fn list(world: &World, listing: &Listing, verdict: Verdict) -> Answer {
    let Listing {
        by,
        oldest_first,
        page,
        page_size,
    } = listing;
    let labels = world.carrier.labels.iter();
    let mut found: Vec<_> = labels
        .filter(|label| verdict.sees(label.created_at) && by.iter().all(|by| by.is(label)))
        .collect();
    if !oldest_first {
        found.reverse();
    }
    let pages = found.len().div_ceil(*page_size);
    let link =
        |page: usize| json!({ "href": format!("/v2/labels?page={page}&page_size={page_size}") });
    let beside = |page: Option<usize>| page.map_or_else(|| json!({}), link);
    let labels: Vec<_> = found
        .iter()
        .skip((page - 1).saturating_mul(*page_size))
        .take(*page_size)
        .map(|label| label.to_json(&world.base_url))
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
    fn a_tracking_number_is_the_same_in_every_run() {
        let number = tracking_number("ord-1-1");
        assert_eq!(number.len(), 22);
        assert_eq!(number, tracking_number("ord-1-1"));
        assert_ne!(number, tracking_number("ord-1-2"));
    }
}
