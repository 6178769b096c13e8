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
    code: String,
    detail_code: Option<String>,
}

/// What says nothing about the address: the provider has no directory of the country.
const NOT_THE_ADDRESS: [&str; 2] = ["unsupported_country", "non_supported_country"];

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
        let codes: Vec<String> = errors
            .map(|message| message.detail_code.unwrap_or(message.code))
            .collect();
        if codes
            .iter()
            .any(|code| NOT_THE_ADDRESS.contains(&code.as_str()))
        {
            return Deliverability::NotRefuted;
        }
        let code = codes.into_iter().next();
        Deliverability::Undeliverable {
            code: code.unwrap_or_else(|| "not_verified".to_owned()),
        }
    }
}

impl AddressCheck for ShipStation {
    async fn check(&self, address: &Address) -> Result<Deliverability, ProviderError> {
        // Without name and number: who lives there is not asked.
        let body = json!([{
            "address_line1": address.line1,
            "address_line2": address.line2,
            "city_locality": address.city,
            // Asked for even where there are none.
            "state_province": address.region.as_deref().unwrap_or(&address.city),
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
        let without_detail = json!([{"type": "error", "code": "a1002", "detail_code": null}]);
        let code = "a1002".to_owned();
        let refused = Deliverability::Undeliverable { code };
        assert_eq!(read("error", &without_detail), refused);
    }

    #[test]
    fn a_country_that_the_provider_does_not_know_is_not_the_customers_fault() {
        for detail in NOT_THE_ADDRESS {
            let unknown = message("error", detail);
            assert_eq!(read("error", &unknown), Deliverability::NotRefuted);
        }
    }
}
