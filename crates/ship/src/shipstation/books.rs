//! ShipStation's books, as an auditor reads them: only labels that carry this environment's name.
//!
//! <https://docs.shipstation.com/list-labels>

use domain::Timestamp;
use domain::books::{BookPage, Posting, PostingKind, Stands};
use domain::ports::{Books, ProviderError};
use provider::Answer;
use reqwest::{Method, StatusCode};
use serde::Deserialize;

use super::ShipStation;
use super::error::failed;

/// So many labels are one page.
const PAGE: u32 = 100;

/// What a list tells of a label.
#[derive(Deserialize)]
struct Listed {
    label_id: String,
    status: String,
    #[serde(default)]
    voided: bool,
    external_shipment_id: Option<String>,
    external_order_id: Option<String>,
    created_at: Option<Timestamp>,
}

#[derive(Deserialize)]
struct Answered {
    labels: Vec<Listed>,
    page: u32,
    pages: u32,
}

impl Books for ShipStation {
    async fn page(
        &self,
        since: Timestamp,
        until: Timestamp,
        page: Option<&str>,
    ) -> Result<BookPage, ProviderError> {
        // The oldest first: what is made or voided meanwhile moves nothing to a page that was read.
        let path = format!(
            "/v2/labels?created_at_start={since}&created_at_end={until}&sort_by=created_at\
             &sort_dir=asc&page_size={PAGE}&page={}",
            page.unwrap_or("1")
        );
        let answer = read(self.send(Method::GET, &path, None).await?)?;
        let labels: Answered = answer.json()?;
        let next = (labels.page < labels.pages).then(|| (labels.page + 1).to_string());
        let mut found = BookPage {
            next,
            ..BookPage::default()
        };
        for label in labels.labels {
            if !self.is_ours(&label) {
                continue;
            }
            let reference = label.label_id.clone();
            match label.posting() {
                Some(posting) => found.postings.push(posting),
                None => found.unreadable.push(reference),
            }
        }
        Ok(found)
    }

    async fn posting(&self, reference: &str) -> Result<Option<Posting>, ProviderError> {
        let path = format!("/v2/labels/{reference}");
        let answer = self.send(Method::GET, &path, None).await?;
        if answer.status == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        let label: Listed = read(answer)?.json()?;
        if !self.is_ours(&label) {
            return Ok(None);
        }
        label.posting().map(Some).ok_or_else(|| {
            ProviderError::Unknown("the carrier answered an unknown label".to_owned())
        })
    }
}

fn read(answer: Answer) -> Result<Answer, ProviderError> {
    if answer.status.is_success() {
        return Ok(answer);
    }
    Err(failed(&answer))
}

impl ShipStation {
    /// Whether a label carries this environment's name. One without any is nobody's to audit.
    fn is_ours(&self, label: &Listed) -> bool {
        let id = label.external_shipment_id.as_deref().unwrap_or_default();
        let environment = id.split_once('.').map(|(environment, _)| environment);
        environment == Some(self.environment.as_str())
    }
}

impl Listed {
    /// `None` if this version does not understand it.
    fn posting(self) -> Option<Posting> {
        let stands = match self.status.as_str() {
            _ if self.voided => Stands::Nothing,
            "voided" | "error" => Stands::Nothing,
            // `completed`, `processing`, and what this version does not know: somebody looks.
            _ => Stands::Live,
        };
        Some(Posting {
            kind: PostingKind::Label,
            reference: self.label_id,
            order_id: self.external_order_id.and_then(|id| id.parse().ok()),
            amount: None,
            stands,
            made_at: self.created_at?,
        })
    }
}
