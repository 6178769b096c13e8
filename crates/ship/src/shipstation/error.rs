//! What each of ShipStation's errors becomes: the table of the crate's README, which a test holds against
//! this, row by row. Types and codes:
//! <https://docs.shipstation.com/apis/shipengine/docs/reference/errors-codes>.

use domain::ports::ProviderError;
use provider::Answer;
use serde::Deserialize;

use super::REQUEST_ID;

/// Why the carrier did not do what it was asked.
pub(super) enum Refusal {
    /// Our reference has a shipment already.
    Taken,
    /// What the customer gave cannot be delivered to: the carrier's code.
    Undeliverable(String),
    /// Anything else is no matter of the customer's.
    Failed(ProviderError),
}

#[derive(Deserialize, Default)]
struct ErrorAnswer {
    #[serde(default)]
    errors: Vec<ErrorBody>,
}

/// The message is not read: it may quote the address.
#[derive(Deserialize, Default)]
struct ErrorBody {
    #[serde(default)]
    error_type: String,
    #[serde(default)]
    error_code: String,
}

/// Codes that somebody has to do something about before the same request succeeds, with the carrier or in the
/// account there; worth waiting for.
const OF_THE_ACCOUNT: [&str; 13] = [
    "carrier_disconnected",
    "carrier_not_connected",
    "funding_source_error",
    "funding_source_missing_configuration",
    "funding_source_registration_in_progress",
    "insufficient_funds",
    "invalid_billing_plan",
    "meter_failure",
    "rate_limit_exceeded",
    "subscription_inactive",
    "terms_not_accepted",
    "trial_expired",
    "unauthorized",
];

/// What a call fails with that neither makes a shipment nor buys a label: nobody can be told of a refusal there.
pub(super) fn failed(answer: &Answer) -> ProviderError {
    match refusal(answer) {
        Refusal::Failed(error) => error,
        Refusal::Undeliverable(code) => answer.error(Some(&code)),
        Refusal::Taken => answer.error(Some("identifier_conflict")),
    }
}

/// Reads an answer that is no success.
pub(super) fn refusal(answer: &Answer) -> Refusal {
    let errors = answer.json::<ErrorAnswer>().unwrap_or_default().errors;
    let ErrorBody {
        error_type,
        error_code,
    } = errors.into_iter().next().unwrap_or_default();
    // With it the carrier's support finds what happened.
    let request = answer.header(REQUEST_ID).unwrap_or("not named");
    let code = format!("{error_code}, request {request}");
    let told = |what: &str| format!("the carrier {what} ({code})");
    if answer.status.as_u16() != 400 {
        return Refusal::Failed(answer.error(Some(&code)));
    }
    match (error_type.as_str(), error_code.as_str()) {
        // Its own trouble or that of whoever is behind it, under a client error's status.
        ("system" | "integrations", _) => {
            Refusal::Failed(ProviderError::Unknown(told("answered 400")))
        }
        ("account_status" | "security", _) => {
            Refusal::Failed(ProviderError::Unavailable(told("refuses our account")))
        }
        (_, code) if OF_THE_ACCOUNT.contains(&code) => {
            Refusal::Failed(ProviderError::Unavailable(told("refuses our account")))
        }
        (_, "identifier_conflict") => Refusal::Taken,
        (_, "invalid_address") => Refusal::Undeliverable(error_code),
        _ => Refusal::Failed(answer.error(Some(&code))),
    }
}
