//! Whether an address is one, as ShipStation knows: `POST /v2/addresses/validate`.
//!
//! <https://docs.shipstation.com/apis/openapi/addresses>; what the statuses mean:
//! <https://docs.shipstation.com/apis/shipengine/docs/addresses/validation>.
//!
//! `ship` has a client of its own: what the two share is a header.

use domain::Address;
use domain::ports::{AddressCheck, Deliverability, ProviderError};
use provider::{Http, Secret};
use reqwest::{Method, StatusCode};
use serde::Deserialize;
use serde_json::json;
use step::budget;

/// ShipStation, or whatever speaks its API.
#[derive(Debug)]
pub struct ShipStation {
    http: Http,
    secret: Secret,
}

/// What came of looking up one address.
#[derive(Deserialize)]
struct Looked {
    status: Status,
    #[serde(default)]
    messages: Vec<Message>,
}

#[derive(Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
enum Status {
    Verified,
    /// "Address was not verified against the database because pre-validation failed."
    Unverified,
    /// "The address was validated, but could have formatting issues and should be double checked."
    Warning,
    /// "The address could not be validated with any degree of certainty against the database."
    Error,
}

/// Its text is not read: it may quote the address.
#[derive(Deserialize)]
struct Message {
    #[serde(rename = "type")]
    kind: String,
    detail_code: Option<String>,
}

/// What says that there is no such address, or that nothing is delivered there. All other codes name a part that is wrong, missing, changed or ambiguous,
/// of an address that a parcel may reach all the same.
/// <https://www.shipengine.com/docs/addresses/validation/messages/>
const NO_SUCH_ADDRESS: [&str; 1] = ["address_not_found"];
/// What takes that back: the provider has no directory of the country, or found more than one address.
const NOT_THE_ADDRESS: [&str; 3] = [
    "unsupported_country",
    "non_supported_country",
    "multiple_matches",
];

impl ShipStation {
    /// ShipStation at `base_url`, with this credential.
    ///
    /// # Errors
    /// If no HTTP client can be built.
    pub fn new(base_url: &str, secret: Secret) -> Result<Self, String> {
        let (connect, call) = (budget::PROVIDER_CONNECT, budget::PROVIDER_CALL);
        let http = Http::new("carrier", base_url, connect, call)?;
        Ok(Self { http, secret })
    }
}

impl Looked {
    fn read(self) -> Deliverability {
        if self.status != Status::Error {
            return Deliverability::NotRefuted;
        }
        let errors = self.messages.into_iter();
        let errors = errors.filter(|message| message.kind == "error");
        let codes: Vec<String> = errors.filter_map(|message| message.detail_code).collect();
        let is_one_of = |list: &[&str], code: &String| list.contains(&code.as_str());
        if codes.iter().any(|code| is_one_of(&NOT_THE_ADDRESS, code)) {
            return Deliverability::NotRefuted;
        }
        let mut codes = codes.into_iter();
        codes
            .find(|code| is_one_of(&NO_SUCH_ADDRESS, code))
            .map_or(Deliverability::NotRefuted, |code| {
                Deliverability::Undeliverable { code }
            })
    }
}

impl AddressCheck for ShipStation {
    async fn check(&self, address: &Address) -> Result<Deliverability, ProviderError> {
        // The provider requires a region, and an invented one would be what it refuses.
        let Some(region) = &address.region else {
            return Ok(Deliverability::NotRefuted);
        };
        // Without name and number: who lives there is not asked.
        let body = json!([{
            "address_line1": address.line1,
            "address_line2": address.line2,
            "city_locality": address.city,
            "state_province": region,
            "postal_code": address.postal_code,
            "country_code": address.country,
        }]);
        let request = self.http.request(Method::POST, "/v2/addresses/validate");
        let request = request.header("API-Key", self.secret.get().await?);
        let answer = self.http.send(request.json(&body)).await?;
        if answer.status == StatusCode::UNAUTHORIZED {
            self.secret.forget().await;
        }
        if !answer.status.is_success() {
            return Err(answer.error(None));
        }
        let looked: Vec<Looked> = answer.json()?;
        let first = looked.into_iter().next().map(Looked::read);
        first.ok_or_else(|| {
            ProviderError::Unknown("the carrier answered about no address".to_owned())
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn read(status: &str, messages: &Value) -> Deliverability {
        let looked = json!({"status": status, "messages": messages});
        let looked: Looked = serde_json::from_value(looked).expect("an answer");
        looked.read()
    }

    fn message(kind: &str, detail: &str) -> Value {
        json!([{"type": kind, "code": "a1002", "detail_code": detail, "message": "1 Main St"}])
    }

    #[test]
    fn only_an_address_that_is_none_is_refused_and_by_the_codes_name() {
        let not_found = message("error", "address_not_found");
        let code = "address_not_found".to_owned();
        let refused = Deliverability::Undeliverable { code };
        assert_eq!(read("error", &not_found), refused);
        for status in ["verified", "unverified", "warning"] {
            assert_eq!(
                read(status, &not_found),
                Deliverability::NotRefuted,
                "{status}"
            );
        }
    }

    /// Every code that the provider documents but the one, and none at all.
    #[test]
    fn whatever_else_it_says_of_an_address_refuses_none() {
        for detail in [
            "minimum_postal_code_verification_failed",
            "street_does_not_match_unique_street_name",
            "multiple_directionals",
            "multiple_matches",
            "suite_missing",
            "invalid_house_number",
            "invalid_postal_code",
            "partially_verified_to_premise_level",
            "line2_max_length_exceeded",
        ] {
            let told = message("error", detail);
            assert_eq!(read("error", &told), Deliverability::NotRefuted, "{detail}");
        }
        let bare = json!([{"type": "error", "code": "a1002", "detail_code": null}]);
        let warning = message("warning", "address_not_found");
        for told in [json!([]), bare, warning] {
            assert_eq!(read("error", &told), Deliverability::NotRefuted, "{told}");
        }
    }

    #[test]
    fn what_is_partly_known_besides_is_refused_and_what_is_ambiguous_is_not() {
        let told = |other: &str| {
            let mut told = message("error", "partially_verified_to_city_level");
            for detail in [other, "address_not_found"] {
                told.as_array_mut()
                    .expect("messages")
                    .push(message("error", detail)[0].clone());
            }
            read("error", &told)
        };
        let code = "address_not_found".to_owned();
        let refused = Deliverability::Undeliverable { code };
        assert_eq!(told("invalid_house_number"), refused);
        assert_eq!(told("multiple_matches"), Deliverability::NotRefuted);
    }

    #[test]
    fn a_country_that_the_provider_does_not_know_is_not_the_customers_fault() {
        for detail in NOT_THE_ADDRESS {
            let unknown = message("error", detail);
            assert_eq!(read("error", &unknown), Deliverability::NotRefuted);
        }
    }
}
