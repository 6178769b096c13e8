//! Finding a payment of which nobody has heard.
//!
//! A list has what was written before it was asked for; a search may lag behind, by a minute or, in an
//! outage, by more (<https://docs.stripe.com/search#data-freshness>). So that nothing was made is believed
//! of the list only. The search is asked at the same time, for what is older than the list goes back.

use std::time::Duration;

use domain::Timestamp;
use domain::ports::{FindRequest, Payment, ProviderError};
use step::budget;

use super::intent::Intent;
use super::{ENVIRONMENT, List, Stripe};

/// By how much the provider's clock may differ from ours.
const SKEW: Duration = Duration::from_mins(5);

/// How many pages of 100 are looked through, if there is the time.
const MOST_PAGES: u32 = 20;

impl Stripe {
    pub(super) async fn look_for(
        &self,
        request: FindRequest<'_>,
    ) -> Result<Option<Payment>, ProviderError> {
        let listed = async {
            let listed = tokio::time::timeout(budget::PROVIDER_CALL, self.listed(request));
            let too_many = "there are more payments since then than can be looked through";
            listed
                .await
                .unwrap_or_else(|_| Err(ProviderError::Unavailable(too_many.to_owned())))
        };
        let (listed, searched) = tokio::join!(listed, self.searched(request));
        for found in [&listed, &searched] {
            if let Ok(Some(intent)) = found
                && !intent.is_canceled()
            {
                return intent.payment().map(Some);
            }
        }
        let gone = listed?.or(searched?);
        gone.map(|intent| intent.payment()).transpose()
    }

    fn made(&self, intent: &Intent, request: FindRequest<'_>) -> bool {
        intent.is_of(&self.environment, request.order_id, request.attempt)
    }

    /// What was made since, newest first: <https://docs.stripe.com/api/payment_intents/list>.
    async fn listed(&self, request: FindRequest<'_>) -> Result<Option<Intent>, ProviderError> {
        let (since, until) = (request.since - SKEW, request.until + SKEW);
        let mut gone = None;
        let mut after: Option<String> = None;
        for _ in 0..MOST_PAGES {
            let page = self.page(since, until, after.take()).await?;
            let last = page.data.last().map(|intent| intent.id.clone());
            let its = page.data.into_iter();
            let its = its.filter(|intent| self.made(intent, request));
            if let Some(intent) = standing_first(its) {
                if !intent.is_canceled() {
                    return Ok(Some(intent));
                }
                gone = Some(intent);
            }
            match last.filter(|_| page.has_more) {
                Some(last) => after = Some(last),
                None => return Ok(gone),
            }
        }
        Err(ProviderError::Unavailable(format!(
            "there are more than {} payments since then, too many to look through",
            MOST_PAGES * 100
        )))
    }

    async fn page(
        &self,
        since: Timestamp,
        until: Timestamp,
        after: Option<String>,
    ) -> Result<List<Intent>, ProviderError> {
        let mut query = vec![
            ("created[gte]", since.as_second().to_string()),
            ("created[lte]", until.as_second().to_string()),
            ("limit", "100".to_owned()),
        ];
        query.extend(after.map(|id| ("starting_after", id)));
        let answer = self.get_json("/v1/payment_intents", &query).await?;
        if !answer.status.is_success() {
            return Err(answer.error(None));
        }
        answer.json()
    }

    /// <https://docs.stripe.com/api/payment_intents/search>
    async fn searched(&self, request: FindRequest<'_>) -> Result<Option<Intent>, ProviderError> {
        let FindRequest {
            order_id, attempt, ..
        } = request;
        // Ids hold no quotes, so there is nothing to escape.
        let environment = &self.environment;
        let query = format!(
            "metadata['order_id']:'{order_id}' AND metadata['attempt']:'{attempt}' AND \
             metadata['{ENVIRONMENT}']:'{environment}'"
        );
        let answer = self
            .get_json("/v1/payment_intents/search", &[("query", query)])
            .await?;
        if !answer.status.is_success() {
            return Err(answer.error(None));
        }
        let found = answer.json::<List<Intent>>()?.data.into_iter();
        Ok(standing_first(
            found.filter(|intent| self.made(intent, request)),
        ))
    }
}

/// The one that still stands, if any does.
fn standing_first(intents: impl Iterator<Item = Intent>) -> Option<Intent> {
    // `false` comes first.
    intents.min_by_key(Intent::is_canceled)
}
