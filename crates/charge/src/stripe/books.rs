//! Stripe's books, as an auditor reads them: only payments that carry this environment's name.
//!
//! Lists have what was written before them, unlike a search.
//! <https://docs.stripe.com/api/payment_intents/list>

use domain::books::{BookPage, Posting, PostingKind, Stands};
use domain::ports::{Books, PaymentState, ProviderError};
use domain::{Money, Timestamp};
use reqwest::StatusCode;

use super::amount::domain_amount;
use super::intent::Intent;
use super::refund::Refunds;
use super::{List, Stripe};

/// The most that one page may have.
/// <https://docs.stripe.com/api/pagination>
pub(super) const PAGE: &str = "100";

impl Books for Stripe {
    async fn page(
        &self,
        since: Timestamp,
        until: Timestamp,
        page: Option<&str>,
    ) -> Result<BookPage, ProviderError> {
        let mut query = vec![
            ("created[gte]", since.as_second().to_string()),
            ("created[lt]", until.as_second().to_string()),
            ("limit", PAGE.to_owned()),
        ];
        query.extend(page.map(|last| ("starting_after", last.to_owned())));
        let answer = self.get_json("/v1/payment_intents", &query).await?;
        if !answer.status.is_success() {
            return Err(answer.error(None));
        }
        let list = answer.json::<List<Intent>>()?;
        let next = list.data.last().filter(|_| list.has_more);
        let next = next.map(|last| last.id.clone());
        let mut read = BookPage {
            next,
            ..BookPage::default()
        };
        for intent in list.data.iter().filter(|intent| self.is_ours(intent)) {
            match intent.posting() {
                Some(posting) => read.postings.push(posting),
                None => read.unreadable.push(intent.id.clone()),
            }
        }
        Ok(read)
    }

    async fn posting(&self, reference: &str) -> Result<Option<Posting>, ProviderError> {
        let path = format!("/v1/payment_intents/{reference}");
        let answer = self.get_json(&path, &[]).await?;
        if answer.status == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        if !answer.status.is_success() {
            return Err(answer.error(None));
        }
        let intent: Intent = answer.json()?;
        if !self.is_ours(&intent) {
            return Ok(None);
        }
        let posting = intent.posting().ok_or_else(|| {
            ProviderError::Unknown("the payment provider answered an unknown payment".to_owned())
        })?;
        let Stands::Kept(_) = posting.stands else {
            return Ok(Some(posting));
        };
        let made = self.refunds_of(reference).await?;
        let left = domain_amount(self.left(&intent, &made).await?, &intent.currency)?;
        Ok(Some(Posting {
            stands: kept(left),
            ..posting
        }))
    }
}

impl Stripe {
    /// What is ours of a payment that was taken.
    pub(super) async fn left(&self, intent: &Intent, made: &Refunds) -> Result<u64, ProviderError> {
        // What is on its way back may come to nothing, and counts as ours until it has arrived.
        let left = intent.taken().saturating_sub(made.amount_given());
        if left == 0 {
            return Ok(0);
        }
        // What the bank has given to the customer is not ours to give.
        let lost = self.lost(&intent.id, &intent.currency).await?;
        Ok(left.saturating_sub(lost))
    }

    /// Whether a payment carries this environment's name. One without any is nobody's to audit.
    pub(super) fn is_ours(&self, intent: &Intent) -> bool {
        intent.environment() == Some(&self.environment)
    }
}

impl Intent {
    fn taken(&self) -> u64 {
        self.amount_received.unwrap_or(self.amount)
    }

    /// `None` if this version does not understand it.
    fn posting(&self) -> Option<Posting> {
        let order_id = self.order();
        let (amount, stands) = match self.payment().ok()?.state {
            PaymentState::Held(amount) => (Some(amount), Stands::Held(amount)),
            PaymentState::Captured(amount) => (Some(amount), kept(amount)),
            // The later look sees what came of one that is being processed.
            PaymentState::Voided | PaymentState::Declined(_) | PaymentState::Pending => {
                (None, Stands::Nothing)
            }
        };
        Some(Posting {
            kind: PostingKind::Payment,
            reference: self.id.clone(),
            order_id: order_id.and_then(|id| id.parse().ok()),
            amount,
            stands,
            made_at: self.made_at()?,
        })
    }
}

fn kept(amount: Money) -> Stands {
    if amount.is_zero() {
        return Stands::Nothing;
    }
    Stands::Kept(amount)
}
