//! The carrier: ShipStation API v2.
//!
//! Shipments: <https://docs.shipstation.com/shipments/create>, labels for them:
//! <https://docs.shipstation.com/apis/openapi/labels/create_label_from_shipment>, finding labels:
//! <https://docs.shipstation.com/list-labels>, voiding them: <https://docs.shipstation.com/void-labels>, our
//! ids: <https://docs.shipstation.com/orders/external-identifiers>.

mod error;
mod label;
mod shipment;

mod books;

use std::fmt::Write as _;
use std::time::Duration;

use domain::ports::{BookRequest, Booked, Carrier, ProviderError, Voiding};
use provider::{Answer, Http, Secret};
use reqwest::{Method, StatusCode, Url};
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use step::budget;

use crate::Account;
use error::{Refusal, failed, refusal};
use label::{Found, Label, Page, Standing, being_made, found};
use shipment::{Made, Shipment, Status};

/// ShipStation, or whatever speaks its API.
#[derive(Debug)]
pub struct ShipStation {
    http: Http,
    secret: Secret,
    account: Account,
    buying: Duration,
    environment: String,
}

#[derive(Deserialize)]
struct Voided {
    approved: bool,
    reason_code: Option<String>,
}

/// A shipment that a label can be bought for, or what has come of booking already.
enum Prepared {
    For(String),
    Decided(Booked),
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
            buying: budget::BUYING_A_LABEL,
            environment: environment.to_owned(),
        })
    }

    /// The same with another patience when a label is bought.
    #[must_use]
    pub fn buying_within(self, buying: Duration) -> Self {
        Self { buying, ..self }
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Result<Answer, ProviderError> {
        self.send_within(budget::PROVIDER_CALL, method, path, body)
            .await
    }

    async fn send_within(
        &self,
        patience: Duration,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Result<Answer, ProviderError> {
        let mut request = self
            .http
            .request(method, path)
            .timeout(patience)
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

    /// The shipment with our reference, whatever became of it. `None` also if there is one whose reference differs
    /// in capital letters only, which for the carrier may be the same: ours was never made then.
    async fn shipment(&self, reference: &str) -> Result<Option<Shipment>, ProviderError> {
        let path = format!("/v2/shipments/external_shipment_id/{reference}");
        let answer = self.send(Method::GET, &path, None).await?;
        if answer.status == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        if !answer.status.is_success() {
            return Err(failed(&answer));
        }
        let found: Shipment = answer.json()?;
        let is_ours = found.external_shipment_id.as_deref() == Some(reference);
        Ok(Some(found).filter(|_| is_ours))
    }

    /// What labels a shipment has, the first bought first. Asked for by the shipment and not by our reference, for which
    /// the carrier shows the earliest label, voided or not.
    /// <https://docs.shipstation.com/apis/openapi/labels/get_label_by_external_shipment_id>
    async fn labels_of(&self, shipment: &str) -> Result<Found, ProviderError> {
        let path = format!(
            "/v2/labels?shipment_id={shipment}&sort_by=created_at&sort_dir=asc\
             &page_size={PAGE}&page=1"
        );
        let answer = self.send(Method::GET, &path, None).await?;
        if !answer.status.is_success() {
            return Err(failed(&answer));
        }
        let page: Page = answer.json()?;
        if page.pages > 1 {
            let text = format!("the carrier has more than {PAGE} labels of one shipment");
            return Err(ProviderError::Defect(text));
        }
        let labels = page.labels.into_iter();
        let labels = labels.filter(|label| label.shipment_id == shipment);
        found(labels.collect())
    }

    /// What labels there are under our reference.
    async fn found(&self, reference: &str) -> Result<Found, ProviderError> {
        let reference = external_id(&self.environment, reference);
        match self.shipment(&reference).await.map_err(only_asked)? {
            None => Ok(Found::Nothing),
            Some(shipment) => self.labels_of(&shipment.id).await.map_err(only_asked),
        }
    }

    /// Makes the shipment, which costs nothing and of which there is one for each reference; or finds the one
    /// that there is and brings it up to date, for the address may have been modified since.
    async fn prepare(&self, request: &BookRequest<'_>) -> Result<Prepared, ProviderError> {
        let content = shipment::content(&self.account, request);
        let body = json!({"shipments": [content]});
        let answer = self.send(Method::POST, "/v2/shipments", Some(body)).await;
        let answer = answer.map_err(nothing_bought)?;
        if answer.status.is_success() {
            let made: Made = answer.json().map_err(nothing_bought)?;
            let id = made.shipments.into_iter().find_map(|shipment| shipment.id);
            // What is wrong is said in words; that our reference is taken is seen by looking.
            if let Some(id) = id.filter(|_| !made.has_errors) {
                return Ok(Prepared::For(id));
            }
        } else {
            match refusal(&answer) {
                Refusal::Taken => {}
                Refusal::Undeliverable(code) => {
                    return Ok(Prepared::Decided(Booked::Refused { code }));
                }
                Refusal::Failed(error) => return Err(nothing_bought(error)),
            }
        }
        self.prepared_before(request.reference, content).await
    }

    /// The shipment that there is under a reference that is taken, with this content.
    async fn prepared_before(
        &self,
        reference: &str,
        content: Value,
    ) -> Result<Prepared, ProviderError> {
        let found = self.shipment(reference).await;
        let Some(shipment) = found.map_err(nothing_bought)? else {
            let text =
                "the carrier makes no shipment, and has none or another one under the reference"
                    .to_owned();
            return Err(ProviderError::Defect(text));
        };
        match shipment.status {
            Status::Pending => {}
            Status::Processing => return Err(being_made()),
            Status::LabelPurchased => match self.labels_of(&shipment.id).await.map_err(unknown)? {
                Found::Live(label, _) => return Ok(Prepared::Decided(Booked::Label(label))),
                Found::Nothing => return Err(being_made()),
                // It may take another one.
                Found::OnlyVoided => {}
            },
            Status::Cancelled => {
                let text = "somebody cancelled the shipment with the carrier".to_owned();
                return Err(ProviderError::Defect(text));
            }
        }
        let path = format!("/v2/shipments/{}", shipment.id);
        let answer = self.send(Method::PUT, &path, Some(content)).await;
        let answer = answer.map_err(nothing_bought)?;
        if answer.status.is_success() {
            return Ok(Prepared::For(shipment.id));
        }
        match refusal(&answer) {
            Refusal::Undeliverable(code) => Ok(Prepared::Decided(Booked::Refused { code })),
            Refusal::Failed(error) => Err(nothing_bought(error)),
            Refusal::Taken => Err(answer.error(Some("identifier_conflict"))),
        }
    }

    /// Buys the label of a shipment that has none.
    async fn buy(&self, shipment: &str) -> Result<Booked, ProviderError> {
        let path = format!("/v2/labels/shipment/{shipment}");
        let body = json!({"validate_address": "no_validation", "label_format": "pdf"});
        let answer = self
            .send_within(self.buying, Method::POST, &path, Some(body))
            .await?;
        if answer.status.is_success() {
            let label: Label = answer.json()?;
            let cost = label.cost().map(|cost| cost.to_string());
            let request = answer.header(REQUEST_ID);
            tracing::info!(
                label_id = label.id,
                cost,
                carrier_request = request,
                "label bought"
            );
            return match label.standing() {
                Standing::Live(label) => Ok(Booked::Label(domain::Label {
                    request: request.map(str::to_owned),
                    ..label
                })),
                Standing::Processing | Standing::Voided => Err(being_made()),
                Standing::Failed => {
                    let text = "the carrier could not make the label".to_owned();
                    Err(ProviderError::Defect(text))
                }
            };
        }
        let refused = match refusal(&answer) {
            // It says that it did nothing, or nobody knows what it did.
            Refusal::Failed(
                error @ (ProviderError::Unavailable(_) | ProviderError::Unknown(_)),
            ) => return Err(error),
            Refusal::Failed(error @ ProviderError::Defect(_)) => Err(error),
            Refusal::Taken => Err(being_made()),
            Refusal::Undeliverable(code) => Ok(Booked::Refused { code }),
        };
        // Whatever a refusal says, a label that is there counts.
        let found = self.labels_of(shipment).await.map_err(unknown)?;
        let live = found.live().map(Booked::Label);
        live.map_or(refused, Ok)
    }
}

impl Carrier for ShipStation {
    async fn book(&self, request: BookRequest<'_>) -> Result<Booked, ProviderError> {
        let reference = &external_id(&self.environment, request.reference);
        let request = BookRequest {
            reference,
            ..request
        };
        match self.prepare(&request).await? {
            Prepared::For(shipment) => self.buy(&shipment).await,
            Prepared::Decided(booked) => Ok(booked),
        }
    }

    async fn find(&self, reference: &str) -> Result<Option<domain::Label>, ProviderError> {
        Ok(self.found(reference).await?.live())
    }

    async fn find_all(&self, reference: &str) -> Result<Vec<domain::Label>, ProviderError> {
        Ok(self.found(reference).await?.all_live())
    }

    async fn document(&self, label: &str) -> Result<Option<String>, ProviderError> {
        let path = format!("/v2/labels/{label}");
        let answer = self.send(Method::GET, &path, None).await?;
        if answer.status == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        if !answer.status.is_success() {
            return Err(failed(&answer));
        }
        let label: Label = answer.json()?;
        let document = label.document();
        // A browser is sent there.
        Ok(document.filter(|url| self.http.is_at(url) || is_the_carriers(url)))
    }

    async fn cancel(&self, label: &str) -> Result<Voiding, ProviderError> {
        let path = format!("/v2/labels/{label}/void");
        let answer = self.send(Method::PUT, &path, None).await?;
        if !answer.status.is_success() {
            return Err(failed(&answer));
        }
        let voided: Voided = answer.json()?;
        match voided.reason_code.as_deref() {
            _ if voided.approved => Ok(Voiding::Voided),
            Some("label_already_voided") => Ok(Voiding::Voided),
            code => Ok(Voiding::Refused {
                code: code.unwrap_or("no reason").to_owned(),
                for_good: code.is_some_and(|code| NEVER_VOIDED.contains(&code)),
            }),
        }
    }
}

/// With these reasons a label is never voided: it was used, or is too old.
/// <https://docs.shipstation.com/apis/openapi/labels/void_label>
const NEVER_VOIDED: [&str; 2] = ["label_already_used", "label_not_found_within_void_period"];

/// Labels on a page of a list: more than any shipment ever has.
const PAGE: u32 = 50;

/// Below these the carrier keeps what is downloaded.
const DOMAINS: [&str; 2] = [".shipstation.com", ".shipengine.com"];

/// Whether `url` is one of the carrier's own, which are `https`.
fn is_the_carriers(url: &str) -> bool {
    let Ok(url) = Url::parse(url) else {
        return false;
    };
    let host = url.host_str().unwrap_or_default();
    url.scheme() == "https" && DOMAINS.iter().any(|domain| host.ends_with(domain))
}

/// In which each answer names its request. <https://docs.shipstation.com/apis/shipengine/docs/guides/errors>
const REQUEST_ID: &str = "x-shipengine-requestid";

/// A look that failed after a label was asked for: what came of that is not known, whatever came of
/// the look.
fn unknown(error: ProviderError) -> ProviderError {
    match error {
        ProviderError::Unavailable(text) => ProviderError::Unknown(text),
        ProviderError::Unknown(_) | ProviderError::Defect(_) => error,
    }
}

/// Before a label is asked for, whatever is lost costs nothing, and is found again.
fn nothing_bought(error: ProviderError) -> ProviderError {
    match error {
        ProviderError::Unknown(text) => ProviderError::Unavailable(text),
        ProviderError::Unavailable(_) | ProviderError::Defect(_) => error,
    }
}

/// Who only asks, does nothing.
fn only_asked(error: ProviderError) -> ProviderError {
    nothing_bought(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_led_anywhere_but_to_the_carrier() {
        for url in [
            "https://api.shipstation.com/v2/downloads/1/a/label-1.pdf",
            "https://api.shipengine.com/v1/downloads/1/a/label-1.pdf",
        ] {
            assert!(is_the_carriers(url), "{url}");
        }
        for url in [
            "http://api.shipstation.com/label-1.pdf",
            "https://shipstation.com.example.net/label-1.pdf",
            "https://evilshipstation.com/label-1.pdf",
            "https://api.shipstation.com@example.net/label-1.pdf",
            "https://example.net/.shipstation.com",
            "https://example.net#.shipstation.com",
            "javascript:alert(1)",
            "",
        ] {
            assert!(!is_the_carriers(url), "{url}");
        }
    }

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
