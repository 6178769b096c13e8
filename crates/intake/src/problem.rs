//! Answers: JSON, and problems as RFC 9457 has them.

use domain::Violation;
use lambda_http::http::header::{CONTENT_TYPE, LOCATION, RETRY_AFTER};
use lambda_http::http::{HeaderValue, StatusCode};
use lambda_http::{Body, Response};
use serde::Serialize;
use serde_json::{Value, json};

/// JSON with this status.
pub(crate) fn answer(status: StatusCode, body: &impl Serialize) -> Response<Body> {
    with_type(status, body, "application/json")
}

/// A problem: `title` is the same for every one of its kind, `detail` is about this one.
pub(crate) fn problem(status: StatusCode, title: &str, detail: &str) -> Response<Body> {
    problem_with(status, title, detail, json!({}))
}

/// What is wrong with a document: all of it, with JSON pointers.
pub(crate) fn violations(found: &[Violation]) -> Response<Body> {
    problem_with(
        StatusCode::BAD_REQUEST,
        "The document is not a valid order",
        "Mend every violation and send the order again.",
        json!({"violations": found}),
    )
}

fn problem_with(status: StatusCode, title: &str, detail: &str, more: Value) -> Response<Body> {
    let mut body = json!({
        "type": "about:blank",
        "title": title,
        "status": status.as_u16(),
        "detail": detail,
    });
    if let (Some(body), Value::Object(more)) = (body.as_object_mut(), more) {
        body.extend(more);
    }
    let mut response = with_type(status, &body, "application/problem+json");
    if status == StatusCode::SERVICE_UNAVAILABLE {
        response
            .headers_mut()
            .insert(RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}

/// Where the order can be looked at.
pub(crate) fn located(mut response: Response<Body>, order_id: &domain::OrderId) -> Response<Body> {
    // Ids are visible ASCII, which a header takes.
    if let Ok(location) = HeaderValue::from_str(&format!("/orders/{order_id}")) {
        response.headers_mut().insert(LOCATION, location);
    }
    response
}

fn with_type(
    status: StatusCode,
    body: &impl Serialize,
    content_type: &'static str,
) -> Response<Body> {
    // Our own types always serialise.
    let text = serde_json::to_string(body).unwrap_or_default();
    let mut response = Response::new(Body::Text(text));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
