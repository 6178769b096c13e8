//! The error shape of <https://docs.shipstation.com/apis/shipengine/docs/guides/errors>, with the
//! types and codes of <https://docs.shipstation.com/apis/shipengine/docs/reference/errors-codes>.

use axum::http::StatusCode;
use serde_json::{Map, Value, json};

use crate::answer::{Answer, Dialect, request_number, status};

fn error(status: StatusCode, source: &str, kind: &str, code: &str, message: &str) -> Answer {
    let request = request_id();
    let body = json!({
        "request_id": request,
        "errors": [{
            "error_source": source,
            "error_type": kind,
            "error_code": code,
            "message": message,
        }],
    });
    Answer::new(status, body).with_header(REQUEST_ID, request)
}

/// In which each answer names its request.
pub(crate) const REQUEST_ID: &str = "x-shipengine-requestid";

/// UUID-shaped, as theirs are.
pub(crate) fn request_id() -> String {
    format!("00000000-0000-4000-8000-{:012}", request_number())
}

/// This spelling is the v2 document's; its predecessor's was `shipengine`. Do not branch on it.
const API: &str = "ShipStation";

pub(crate) fn unauthorized() -> Answer {
    let message = "The API key is missing or invalid.";
    error(
        StatusCode::UNAUTHORIZED,
        API,
        "security",
        "unauthorized",
        message,
    )
}

pub(crate) fn not_found(message: &str) -> Answer {
    error(
        StatusCode::NOT_FOUND,
        API,
        "validation",
        "invalid_identifier",
        message,
    )
}

pub(crate) fn invalid(code: &str, message: &str) -> Answer {
    error(StatusCode::BAD_REQUEST, API, "validation", code, message)
}

pub(crate) fn unreadable(status: StatusCode) -> Answer {
    let message = "The request's body cannot be read.";
    error(status, API, "validation", "request_body_required", message)
}

/// "If you provide a duplicate ID, you receive an error message"
/// (<https://docs.shipstation.com/apis/shipengine/docs/shipping/create-a-shipment>). The page names
/// neither status nor code: 400 is the only refusal that the operation documents, and of the listed
/// codes this one fits.
pub(crate) fn duplicate(external_shipment_id: &str) -> Answer {
    let message =
        format!("A shipment with external_shipment_id '{external_shipment_id}' already exists.");
    let status = StatusCode::BAD_REQUEST;
    error(
        status,
        API,
        "business_rules",
        "identifier_conflict",
        &message,
    )
}

pub(crate) fn address_refused() -> Answer {
    let message = "The carrier cannot deliver to the ship_to address.";
    let status = StatusCode::BAD_REQUEST;
    error(
        status,
        "carrier",
        "business_rules",
        "invalid_address",
        message,
    )
}

/// What is sent abroad has to be declared.
pub(crate) fn customs_items_required() -> Answer {
    let message = "Customs items are required for an international shipment.";
    let status = StatusCode::BAD_REQUEST;
    error(
        status,
        API,
        "business_rules",
        "customs_items_required",
        message,
    )
}

/// In the shape that this status has there, with what the fault says of it.
fn planted(status: StatusCode, said: Option<&Map<String, Value>>) -> Answer {
    let (kind, code) = match status.as_u16() {
        401 => ("security", "unauthorized"),
        403 => ("security", "forbidden"),
        429 => ("system", "rate_limit_exceeded"),
        400..=499 => ("validation", "invalid_field_value"),
        _ => ("system", "unspecified"),
    };
    let word = |name: &str, usual: &'static str| {
        let said = said.and_then(|said| said.get(name)).and_then(Value::as_str);
        said.unwrap_or(usual).to_owned()
    };
    let (source, kind) = (word("error_source", API), word("error_type", kind));
    let code = word("error_code", code);
    let message = word("message", "A fault planted in the sandbox.");
    let answer = error(status, &source, &kind, &code, &message);
    if status == StatusCode::TOO_MANY_REQUESTS {
        // https://docs.shipstation.com/rate-limits
        return answer.with_header("retry-after", "1");
    }
    answer
}

/// How the carrier says what the way of every call has to say. It knows no idempotency keys.
pub(crate) const DIALECT: Dialect = Dialect {
    planted: |fault| planted(status(fault.status), fault.error.as_ref()),
    key_in_use: || planted(StatusCode::CONFLICT, None),
    key_of_another_request: || planted(StatusCode::CONFLICT, None),
};
