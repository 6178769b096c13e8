#![doc = include_str!("../README.md")]

mod gateway;
mod headers;
mod problem;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
pub use gateway::{ask, serve};
pub use problem::Problem;
use serde::Serialize;

/// The largest body that is read, in bytes: an order of a hundred lines with every field at its longest is a
/// third of it, a form of two hundred order ids a quarter.
pub const LARGEST_BODY: usize = 64 * 1024;

/// A front door: a body is limited to [`LARGEST_BODY`], and every answer has the headers that it must have.
pub fn front_door(router: Router) -> Router {
    router
        .layer(DefaultBodyLimit::max(LARGEST_BODY))
        .layer(axum::middleware::map_response(headers::of_every_answer))
}

/// JSON with this status.
pub fn json(status: StatusCode, body: &impl Serialize) -> Response {
    with_type(status, "application/json", body)
}

fn with_type(status: StatusCode, media_type: &'static str, body: &impl Serialize) -> Response {
    // Our own types always serialise.
    let text = serde_json::to_string(body).unwrap_or_default();
    let media_type = HeaderValue::from_static(media_type);
    (status, [(header::CONTENT_TYPE, media_type)], text).into_response()
}

/// The media type of a request's body, without parameters and in lower case. Empty if it has none.
#[must_use]
pub fn media_type(headers: &HeaderMap) -> String {
    let value = headers.get(header::CONTENT_TYPE);
    let text = value.and_then(|value| value.to_str().ok());
    let essence = text.and_then(|text| text.split(';').next());
    essence.unwrap_or_default().trim().to_ascii_lowercase()
}
