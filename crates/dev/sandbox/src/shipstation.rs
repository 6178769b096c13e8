//! The part of the `ShipStation` API v2 that ships: shipments with our own id, and labels for them, found
//! again and voided.
//!
//! Sources: <https://docs.shipstation.com/create-labels>,
//! <https://docs.shipstation.com/orders/external-identifiers>,
//! <https://docs.shipstation.com/apis/openapi/labels>, <https://docs.shipstation.com/void-labels>,
//! and `openapi.yaml` in <https://github.com/shipstation/mcp-shipstation-api>.

mod addresses;
pub(crate) mod book;
pub(crate) mod errors;
mod label;
mod labels;
mod shipment;

use axum::Router;
use axum::extract::Path;
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::map_response;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};

use crate::answer::Answer;
use crate::exchange::{Received, Verdict};
use crate::faults::{Operation, Provider, Target};
use crate::ledger::Reference;
use crate::world::{Shared, World};

use book::{By, Listing};
use shipment::Wanted;

pub(crate) fn routes() -> Router<Shared> {
    Router::new()
        .route("/v2/addresses/validate", post(validate_addresses))
        .route("/v2/downloads/{document}", get(document))
        .route("/v2/labels", post(book).get(list))
        .route("/v2/labels/{id}", get(label))
        .route(
            "/v2/labels/external_shipment_id/{id}",
            get(label_by_external_id),
        )
        .route("/v2/labels/shipment/{id}", post(book_for))
        .route("/v2/labels/{id}/void", put(void))
        .route("/v2/shipments", post(prepare))
        .route("/v2/shipments/{id}", get(shipment).put(update))
        .route("/v2/shipments/{id}/cancel", put(cancel_shipment))
        .route(
            "/v2/shipments/external_shipment_id/{id}",
            get(shipment_by_external_id),
        )
        .layer(map_response(named))
}

/// Each answer names its request.
async fn named(mut response: Response) -> Response {
    let name = HeaderName::from_static(errors::REQUEST_ID);
    if let Ok(id) = HeaderValue::from_str(&errors::request_id()) {
        response.headers_mut().entry(name).or_insert(id);
    }
    response
}

async fn validate_addresses(received: Received) -> Response {
    match authenticate(&received).and_then(|()| addresses::wanted(&received)) {
        Err(answer) => answer.into_response(),
        Ok(wanted) => {
            let act = move |_: &mut World, verdict| addresses::validate(&wanted, verdict);
            carry_out(received, Operation::Validate, None, act).await
        }
    }
}

/// A label's document, for whoever has its address: no key is asked for.
async fn document(Path(document): Path<String>, received: Received) -> Response {
    let label = document.trim_end_matches(".pdf").to_owned();
    let is_known = {
        let world = received.shared.lock();
        world.carrier.reference(&By::Label(label)).is_some()
    };
    if !is_known {
        return Answer::empty(axum::http::StatusCode::NOT_FOUND).into_response();
    }
    let content_type = [(axum::http::header::CONTENT_TYPE, "application/pdf")];
    (content_type, labels::DOCUMENT).into_response()
}

async fn book(received: Received) -> Response {
    match authenticate(&received).and_then(|()| labels::wanted(&received)) {
        Err(answer) => answer.into_response(),
        Ok(wanted) => {
            let reference = wanted.reference();
            let act = move |world: &mut World, verdict| labels::book(world, wanted, verdict);
            carry_out(received, Operation::Book, Some(reference), act).await
        }
    }
}

async fn book_for(Path(id): Path<String>, received: Received) -> Response {
    let asked = authenticate(&received).and_then(|()| shipment::body(&received));
    if let Err(answer) = asked {
        return answer.into_response();
    }
    let by = By::Shipment(id.clone());
    let reference = received.shared.lock().carrier.reference(&by);
    let act = move |world: &mut World, verdict| labels::book_for(world, &id, verdict);
    carry_out(received, Operation::Book, reference, act).await
}

async fn prepare(received: Received) -> Response {
    match authenticate(&received).and_then(|()| Wanted::one_of_many(&received)) {
        Err(answer) => answer.into_response(),
        Ok(wanted) => {
            let reference = wanted.reference();
            let act = move |world: &mut World, verdict| shipment::create(world, wanted, verdict);
            carry_out(received, Operation::Prepare, Some(reference), act).await
        }
    }
}

async fn update(Path(id): Path<String>, received: Received) -> Response {
    match authenticate(&received).and_then(|()| Wanted::alone(&received)) {
        Err(answer) => answer.into_response(),
        Ok(wanted) => {
            let reference = wanted.reference();
            let act =
                move |world: &mut World, verdict| shipment::update(world, &id, wanted, verdict);
            carry_out(received, Operation::Prepare, Some(reference), act).await
        }
    }
}

async fn cancel_shipment(Path(id): Path<String>, received: Received) -> Response {
    if let Err(answer) = authenticate(&received) {
        return answer.into_response();
    }
    let by = By::Shipment(id.clone());
    let reference = received.shared.lock().carrier.reference(&by);
    let act = move |world: &mut World, _: Verdict| shipment::cancel(world, &id);
    carry_out(received, Operation::Prepare, reference, act).await
}

async fn void(Path(id): Path<String>, received: Received) -> Response {
    if let Err(answer) = authenticate(&received) {
        return answer.into_response();
    }
    let reference = received
        .shared
        .lock()
        .carrier
        .reference(&By::Label(id.clone()));
    let act = move |world: &mut World, verdict| labels::void(world, &id, verdict);
    carry_out(received, Operation::Cancel, reference, act).await
}

async fn label(Path(id): Path<String>, received: Received) -> Response {
    find(received, By::Label(id), labels::first_label).await
}

async fn label_by_external_id(Path(id): Path<String>, received: Received) -> Response {
    find(received, By::External(id), labels::first_label).await
}

async fn shipment(Path(id): Path<String>, received: Received) -> Response {
    find(received, By::Shipment(id), shipment::get).await
}

async fn shipment_by_external_id(Path(id): Path<String>, received: Received) -> Response {
    find(received, By::External(id), shipment::get).await
}

async fn list(received: Received) -> Response {
    let query = received.query().unwrap_or_default();
    match authenticate(&received).and_then(|()| Listing::of_query(query)) {
        Err(answer) => answer.into_response(),
        Ok(listing) => {
            let by = listing.by.first();
            let reference = by.and_then(|by| received.shared.lock().carrier.reference(by));
            let act = move |world: &mut World, verdict| labels::list(world, &listing, verdict);
            carry_out(received, Operation::Find, reference, act).await
        }
    }
}

async fn find(received: Received, by: By, answer: fn(&World, &By, Verdict) -> Answer) -> Response {
    if let Err(answer) = authenticate(&received) {
        return answer.into_response();
    }
    let reference = received.shared.lock().carrier.reference(&by);
    let act = move |world: &mut World, verdict| answer(world, &by, verdict);
    carry_out(received, Operation::Find, reference, act).await
}

/// <https://docs.shipstation.com/authentication>: the key in a header of its own.
fn authenticate(received: &Received) -> Result<(), Answer> {
    match received.header("api-key") {
        Some(key) if !key.trim().is_empty() => Ok(()),
        Some(_) | None => Err(errors::unauthorized()),
    }
}

async fn carry_out<Act>(
    received: Received,
    operation: Operation,
    reference: Option<Reference>,
    act: Act,
) -> Response
where
    Act: FnOnce(&mut World, Verdict) -> Answer + Send + 'static,
{
    let target = Target {
        provider: Provider::Carrier,
        operation,
        order_id: reference.as_ref().and_then(|one| one.order_id.clone()),
        key: reference.and_then(|one| one.key),
    };
    received.carry_out(errors::DIALECT, target, None, act).await
}
