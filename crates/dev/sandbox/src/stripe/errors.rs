//! Stripe's error object, <https://docs.stripe.com/api/errors>; codes from
//! <https://docs.stripe.com/error-codes>.

use axum::http::{Method, StatusCode};
use serde_json::{Value, json};

use super::decline::Decline;
use super::intent::Intent;
use crate::answer::{Answer, Dialect, request_number, status};
use crate::faults::Fault;

/// Fields beside `type` and `message`.
fn error(status: StatusCode, kind: &str, message: &str, more: Value) -> Answer {
    let mut error = json!({ "type": kind, "message": message });
    if let (Value::Object(error), Value::Object(more)) = (&mut error, more) {
        error.extend(more);
    }
    Answer::new(status, json!({ "error": error })).with_header("request-id", request_id())
}

/// <https://docs.stripe.com/api/request_ids>
pub(crate) fn request_id() -> String {
    format!("req_{:014}", request_number())
}

fn invalid(message: &str, more: Value) -> Answer {
    error(
        StatusCode::BAD_REQUEST,
        "invalid_request_error",
        message,
        more,
    )
}

pub(crate) fn missing(parameter: &str) -> Answer {
    let message = format!("Missing required param: {parameter}.");
    invalid(
        &message,
        json!({ "code": "parameter_missing", "param": parameter }),
    )
}

pub(crate) fn unknown(parameter: &str) -> Answer {
    let message = format!("Received unknown parameter: {parameter}");
    invalid(
        &message,
        json!({ "code": "parameter_unknown", "param": parameter }),
    )
}

pub(crate) fn not_an_integer(parameter: &str, value: &str) -> Answer {
    let message = format!("Invalid integer: {value}");
    invalid(
        &message,
        json!({ "code": "parameter_invalid_integer", "param": parameter }),
    )
}

/// A value that makes no sense; real ones have more codes than an adapter would tell apart.
pub(crate) fn bad_value(parameter: &str, message: &str) -> Answer {
    invalid(message, json!({ "param": parameter }))
}

pub(crate) fn amount_too_large(parameter: &str, message: &str) -> Answer {
    invalid(
        message,
        json!({ "code": "amount_too_large", "param": parameter }),
    )
}

pub(crate) fn no_such_refund(id: &str) -> Answer {
    error(
        StatusCode::NOT_FOUND,
        "invalid_request_error",
        &format!("No such refund: '{id}'"),
        json!({ "code": "resource_missing", "param": "id" }),
    )
}

/// 404 for an object of the path, 400 for one named in a parameter.
pub(crate) fn no_such(what: &str, id: &str, parameter: &str) -> Answer {
    let status = if parameter == "intent" {
        StatusCode::NOT_FOUND
    } else {
        StatusCode::BAD_REQUEST
    };
    error(
        status,
        "invalid_request_error",
        &format!("No such {what}: '{id}'"),
        json!({ "code": "resource_missing", "param": parameter }),
    )
}

/// Under no code, as seen in answers that others have published
/// (<https://github.com/Automattic/woocommerce-payments/issues/323>).
pub(crate) fn method_used() -> Answer {
    let message = "The provided PaymentMethod was previously used with a PaymentIntent without \
        Customer attachment, shared with a connected account without Customer attachment, or was \
        detached from a Customer. It may not be used again. To use a PaymentMethod multiple times, \
        you must attach it to a Customer first.";
    invalid(message, json!({}))
}

pub(crate) fn method_of_another(id: &str) -> Answer {
    let message = format!(
        "The customer does not have a payment method with the ID {id}. The payment method must be \
         attached to the customer."
    );
    invalid(
        &message,
        json!({ "code": "resource_missing", "param": "payment_method" }),
    )
}

pub(crate) fn method_without_its_customer() -> Answer {
    let message = "The provided PaymentMethod is attached to a Customer. Include the Customer in \
        the `customer` parameter on the PaymentIntent.";
    bad_value("payment_method", message)
}

pub(crate) fn unexpected_state(message: &str, intent: &Intent) -> Answer {
    invalid(
        message,
        json!({ "code": "payment_intent_unexpected_state", "payment_intent": intent.to_json() }),
    )
}

pub(crate) fn authorization_expired(intent: &Intent) -> Answer {
    invalid(
        "The charge cannot be captured as the authorization has expired.",
        json!({ "code": "charge_expired_for_capture", "payment_intent": intent.to_json() }),
    )
}

pub(crate) fn charge(code: &str, message: &str, charge: &str) -> Answer {
    invalid(message, json!({ "code": code, "charge": charge }))
}

/// A decline carries the intent, which stays behind as `requires_payment_method`.
pub(crate) fn declined(decline: Decline, intent: &Intent) -> Answer {
    error(
        StatusCode::PAYMENT_REQUIRED,
        "card_error",
        decline.message,
        json!({
            "code": decline.code,
            "decline_code": decline.reason,
            "charge": intent.charge(),
            "payment_intent": intent.to_json(),
        }),
    )
}

pub(crate) fn key_in_use() -> Answer {
    error(
        StatusCode::CONFLICT,
        "idempotency_error",
        "There is currently another in-progress request using this Idempotent Key (that probably \
         means you submitted twice, and the other request is still going through). Please try \
         again later.",
        json!({ "code": "idempotency_key_in_use" }),
    )
}

pub(crate) fn key_of_another_request() -> Answer {
    error(
        StatusCode::BAD_REQUEST,
        "idempotency_error",
        "Keys for idempotent requests can only be used with the same parameters they were first \
         used with. Try using a key other than this one if you meant to execute a different \
         request.",
        json!({}),
    )
}

pub(crate) fn invalid_key() -> Answer {
    let message = "An idempotency key has from 1 to 255 characters.";
    error(
        StatusCode::BAD_REQUEST,
        "idempotency_error",
        message,
        json!({}),
    )
}

pub(crate) fn no_credential() -> Answer {
    let message = "You did not provide an API key. You need to provide your API key in the \
        Authorization header, using Bearer auth.";
    error(
        StatusCode::UNAUTHORIZED,
        "invalid_request_error",
        message,
        json!({}),
    )
}

pub(crate) fn invalid_credential() -> Answer {
    let message = "Invalid API Key provided. The sandbox takes any key that starts with sk_test_ \
        or rk_test_.";
    error(
        StatusCode::UNAUTHORIZED,
        "invalid_request_error",
        message,
        json!({}),
    )
}

/// <https://docs.stripe.com/keys/restricted-api-keys>, in the words that
/// <https://github.com/stripe/stripe-node/issues/2246> has.
pub(crate) fn not_permitted(needed: &str) -> Answer {
    let message = format!(
        "The provided key 'rk_test_****' does not have the required permissions for this endpoint \
         on account 'acct_1'. Having the 'rak_{needed}' permission would allow this request to \
         continue."
    );
    error(
        StatusCode::FORBIDDEN,
        "invalid_request_error",
        &message,
        json!({}),
    )
}

/// <https://docs.stripe.com/api/versioning>
pub(crate) fn unknown_version(version: &str) -> Answer {
    invalid(&format!("Invalid Stripe API version: {version}"), json!({}))
}

pub(crate) fn unknown_path(method: &Method, path: &str) -> Answer {
    let message = format!("Unrecognized request URL ({method}: {path}).");
    error(
        StatusCode::NOT_FOUND,
        "invalid_request_error",
        &message,
        json!({}),
    )
}

pub(crate) fn unreadable(status: StatusCode) -> Answer {
    let message = "The request's body cannot be read.";
    error(status, "invalid_request_error", message, json!({}))
}

/// In the shape that Stripe gives this status, or with the fault's own words.
fn planted(fault: &Fault) -> Answer {
    let status = status(fault.status);
    let (kind, usual) = match status.as_u16() {
        402 => ("card_error", json!({ "code": "processing_error" })),
        409 => (
            "idempotency_error",
            json!({ "code": "idempotency_key_in_use" }),
        ),
        429 => ("invalid_request_error", json!({ "code": "rate_limit" })),
        400..=499 => ("invalid_request_error", json!({})),
        _ => ("api_error", json!({})),
    };
    let more = fault.error.clone().map_or(usual, Value::Object);
    let answer = error(status, kind, "A fault planted in the sandbox.", more);
    if status == StatusCode::TOO_MANY_REQUESTS {
        return answer.with_header("retry-after", "1");
    }
    answer
}

/// How Stripe says what the way of every call has to say.
pub(crate) const DIALECT: Dialect = Dialect {
    planted,
    key_in_use,
    key_of_another_request,
};
