//! The carrier: ShipStation API v2.
//!
//! Labels: <https://docs.shipstation.com/create-labels>, voiding them:
//! <https://docs.shipstation.com/void-labels>, our ids on them:
//! <https://docs.shipstation.com/orders/external-identifiers>.

mod books;

use std::fmt::Write as _;

use domain::ledger::Booking;
use domain::ports::{BookRequest, Carrier, ProviderError, Voiding};
use provider::{Answer, Http, Secret};
use reqwest::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use step::budget;

use crate::Account;

/// ShipStation, or whatever speaks its API.
#[derive(Debug)]
pub struct ShipStation {
    http: Http,
    secret: Secret,
    account: Account,
    environment: String,
}

#[derive(Deserialize)]
struct Label {
    #[serde(rename = "label_id")]
    id: String,
    status: String,
    #[serde(default)]
    voided: bool,
    #[serde(default)]
    tracking_number: String,
    #[serde(default)]
    carrier_code: String,
}

#[derive(Deserialize)]
struct Voided {
    approved: bool,
    reason_code: Option<String>,
}

#[derive(Deserialize, Default)]
struct ErrorAnswer {
    #[serde(default)]
    errors: Vec<ErrorBody>,
}

#[derive(Deserialize)]
struct ErrorBody {
    #[serde(default)]
    error_type: String,
    #[serde(default)]
    error_code: String,
}

/// The longest `external_shipment_id`; what is longer is cut off, and two orders would share one.
const LONGEST_REFERENCE: usize = 50;

/// What a label of an environment is found by at the carrier: an id that is unique in the account, of a reference
/// that is unique in the environment. A dot is in neither. One that is too long keeps its beginning for people
/// and gets a digest of the whole.
fn external_id(environment: &str, reference: &str) -> String {
    let whole = format!("{environment}.{reference}");
    if whole.len() <= LONGEST_REFERENCE {
        return whole;
    }
    let digest = Sha256::digest(whole.as_bytes());
    // Eighty bits: no two orders of one shop share them.
    let digest = digest
        .iter()
        .take(10)
        .fold(String::new(), |mut text, byte| {
            // Writing to a String cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        });
    // Identifiers are ASCII.
    let kept = LONGEST_REFERENCE - digest.len() - 1;
    format!("{}-{digest}", &whole[..kept])
}

impl ShipStation {
    /// ShipStation at `base_url`, with this credential and account, for the environment of this name.
    ///
    /// # Errors
    /// If no HTTP client can be built.
    pub fn new(
        base_url: &str,
        secret: Secret,
        account: Account,
        environment: &str,
    ) -> Result<Self, String> {
        let (connect, call) = (budget::PROVIDER_CONNECT, budget::PROVIDER_CALL);
        let http = Http::new("carrier", base_url, connect, call)?;
        Ok(Self {
            http,
            secret,
            account,
            environment: environment.to_owned(),
        })
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Result<Answer, ProviderError> {
        let mut request = self
            .http
            .request(method, path)
            .header("API-Key", self.secret.get().await?);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = self.http.send(request).await?;
        if answer.status == StatusCode::UNAUTHORIZED {
            self.secret.forget().await;
        }
        Ok(answer)
    }

    fn label_request(&self, request: &BookRequest<'_>) -> Value {
        let Account {
            carrier_id,
            service_code,
            warehouse_id,
            contact_phone,
            grams_per_piece,
        } = &self.account;
        let to = &request.personal.shipping_address;
        let pieces: u64 = request
            .order
            .lines
            .iter()
            .map(|line| u64::from(line.quantity.get()))
            .sum();
        json!({"shipment": {
            "carrier_id": carrier_id,
            "service_code": service_code,
            "warehouse_id": warehouse_id,
            "external_shipment_id": external_id(&self.environment, request.reference),
            "external_order_id": request.order.order_id,
            "ship_to": {
                "name": to.name,
                "phone": contact_phone,
                "address_line1": to.line1,
                "address_line2": to.line2,
                "city_locality": to.city,
                // Asked for even where there are none.
                "state_province": to.region.as_deref().unwrap_or(&to.city),
                "postal_code": to.postal_code,
                "country_code": to.country,
                "address_residential_indicator": "unknown",
            },
            "packages": [{"weight": {
                    "value": pieces * u64::from(*grams_per_piece),
                    "unit": "gram",
                }}],
        }})
    }
}

impl Carrier for ShipStation {
    async fn book(&self, request: BookRequest<'_>) -> Result<Booking, ProviderError> {
        let body = self.label_request(&request);
        let answer = self.send(Method::POST, "/v2/labels", Some(body)).await?;
        if answer.status.is_success() {
            return booking(answer.json()?);
        }
        let error = answer
            .json::<ErrorAnswer>()
            .unwrap_or_default()
            .errors
            .into_iter()
            .next();
        let Some(error) = error.filter(|_| answer.status == StatusCode::BAD_REQUEST) else {
            return Err(answer.error(None));
        };
        match (error.error_type.as_str(), error.error_code.as_str()) {
            // Its own trouble or that of a carrier behind it, under a client error's status.
            ("system" | "integrations", code) => Err(ProviderError::Unknown(format!(
                "the carrier answered 400 ({code})"
            ))),
            // Our account is out of money or locked: no matter of this order.
            ("account_status" | "security", code) => Err(ProviderError::Unavailable(format!(
                "the carrier refuses our account ({code})"
            ))),
            // Whether a taken reference is always refused is not documented: whatever a refusal
            // says, a label that is there counts. <https://docs.shipstation.com/list-labels>
            (_, code) => match self.find(request.reference).await.map_err(unknown)? {
                Some(booking) => Ok(booking),
                // An earlier request of ours is still at work there.
                None if code == "identifier_conflict" => Err(ProviderError::Unknown(
                    "the carrier knows the shipment's reference, but no label with it yet"
                        .to_owned(),
                )),
                None => Ok(Booking::Refused {
                    code: code.to_owned(),
                }),
            },
        }
    }

    async fn find(&self, reference: &str) -> Result<Option<Booking>, ProviderError> {
        let external_id = external_id(&self.environment, reference);
        let path = format!("/v2/labels/external_shipment_id/{external_id}");
        let answer = self.send(Method::GET, &path, None).await?;
        match answer.status {
            StatusCode::NOT_FOUND => Ok(None),
            status if status.is_success() => {
                let label: Label = answer.json()?;
                if label.voided || label.status == "voided" {
                    return Ok(None);
                }
                booking(label).map(Some)
            }
            _ => Err(answer.error(None)),
        }
    }

    async fn cancel(&self, label: &str) -> Result<Voiding, ProviderError> {
        let path = format!("/v2/labels/{label}/void");
        let answer = self.send(Method::PUT, &path, None).await?;
        if !answer.status.is_success() {
            return Err(answer.error(None));
        }
        let voided: Voided = answer.json()?;
        match voided.reason_code.as_deref() {
            _ if voided.approved => Ok(Voiding::Voided),
            Some("label_already_voided") => Ok(Voiding::Voided),
            code => Ok(Voiding::Refused(code.unwrap_or("no reason").to_owned())),
        }
    }
}

/// A look that failed after a label was asked for: what came of that is not known, whatever came of
/// the look.
fn unknown(error: ProviderError) -> ProviderError {
    match error {
        ProviderError::Unavailable(text) => ProviderError::Unknown(text),
        ProviderError::Unknown(_) | ProviderError::Defect(_) => error,
    }
}

fn booking(label: Label) -> Result<Booking, ProviderError> {
    match label.status.as_str() {
        "completed" => Ok(Booking::Booked {
            label: label.id,
            carrier: label.carrier_code,
            tracking: label.tracking_number,
        }),
        "processing" => Err(ProviderError::Unknown(
            "the label is still being made".to_owned(),
        )),
        other => Ok(Booking::Refused {
            code: format!("label_{other}"),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_fit_and_never_collide() {
        assert_eq!(external_id("prod", "ord-1001-1"), "prod.ord-1001-1");
        let id = |end: &str| external_id("prod", &format!("{}{end}", "x".repeat(63)));
        assert_eq!(id("a-1").len(), LONGEST_REFERENCE);
        assert_ne!(id("a-1"), id("b-1"));
        assert_ne!(id("a-1"), id("a-2"));
        assert!(id("a-1").starts_with("prod."));
        // The names of environments and the ids of orders may have the same letters.
        assert_ne!(external_id("eu", "west-1-1"), external_id("eu-west", "1-1"));
    }
}
