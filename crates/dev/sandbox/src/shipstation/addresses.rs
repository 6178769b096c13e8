//! Whether an address is one: `POST /v2/addresses/validate`.
//!
//! The page of the endpoint is <https://docs.shipstation.com/apis/openapi/addresses>; what it takes and answers is
//! described in `openapi.yaml` of <https://github.com/ShipEngine/shipengine-openapi>, its words in
//! <https://www.shipengine.com/docs/addresses/validation/messages/>.

use serde_json::{Value, json};

use super::errors;
use super::shipment::body;
use crate::answer::Answer;
use crate::exchange::{Received, Verdict};

/// Nobody lives under this postal code, and nowhere near.
const UNKNOWN_POSTAL_CODE: &str = "99999";
/// Something about the address with this postal code should be looked at.
const DOUBTFUL_POSTAL_CODE: &str = "99998";
/// No directory has the addresses of this country: Antarctica.
const UNSUPPORTED_COUNTRY: &str = "AQ";
/// "The JSON body can validate up to 250 addresses per request."
const MOST: usize = 250;

/// `address_to_validate` requires these.
const REQUIRED: [&str; 4] = [
    "address_line1",
    "city_locality",
    "state_province",
    "country_code",
];

/// Reads what is to be looked up.
pub(super) fn wanted(received: &Received) -> Result<Vec<Value>, Answer> {
    let Value::Array(addresses) = body(received)? else {
        let message = "The body must be an array of addresses.";
        return Err(errors::invalid("invalid_field_value", message));
    };
    if addresses.is_empty() || addresses.len() > MOST {
        let message = "The body must have 1 to 250 addresses.";
        return Err(errors::invalid("invalid_field_value", message));
    }
    Ok(addresses)
}

/// An answer for each address, in their order.
pub(super) fn validate(addresses: &[Value], verdict: Verdict) -> Answer {
    let results = addresses.iter().map(|address| result(address, verdict));
    Answer::ok(results.collect())
}

fn result(address: &Value, verdict: Verdict) -> Value {
    let text = |name: &str| address[name].as_str().unwrap_or_default();
    let message = |kind: &str, code: &str, detail: &str| {
        let said = "The sandbox says so.";
        json!([{"code": code, "type": kind, "detail_code": detail, "message": said}])
    };
    let (country, postal_code) = (text("country_code"), text("postal_code"));
    let is_incomplete = REQUIRED.iter().any(|name| text(name).is_empty());
    let (status, messages) = if is_incomplete || country.len() != 2 {
        (
            "unverified",
            message("error", "a1001", "unsupported_country"),
        )
    } else if country == UNSUPPORTED_COUNTRY {
        ("error", message("error", "a1001", "unsupported_country"))
    } else if verdict == Verdict::No || postal_code == UNKNOWN_POSTAL_CODE {
        ("error", message("error", "a1002", "address_not_found"))
    } else if postal_code == DOUBTFUL_POSTAL_CODE {
        ("warning", message("warning", "a1002", "suite_missing"))
    } else {
        ("verified", json!([]))
    };
    let matched = matches!(status, "verified" | "warning");
    json!({
        "status": status,
        "original_address": told(address, false),
        "matched_address": matched.then(|| told(address, true)),
        "messages": messages,
    })
}

/// All fields, and those of a match in capital letters.
fn told(address: &Value, capitals: bool) -> Value {
    let field = |name: &str| match address[name].as_str() {
        Some(text) if capitals => json!(text.to_uppercase()),
        Some(text) => json!(text),
        None => Value::Null,
    };
    json!({
        "name": field("name"),
        "phone": field("phone"),
        "company_name": field("company_name"),
        "address_line1": field("address_line1"),
        "address_line2": field("address_line2"),
        "address_line3": field("address_line3"),
        "city_locality": field("city_locality"),
        "state_province": field("state_province"),
        "postal_code": field("postal_code"),
        "country_code": field("country_code"),
        "address_residential_indicator": "unknown",
    })
}
