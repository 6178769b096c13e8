//! What Stripe's books have of payments after they were taken: refunds that failed, and disputes. Both lists come with
//! their payments, whose metadata say whose they are (<https://docs.stripe.com/expand>).

use domain::Timestamp;
use domain::books::{Dispute, DisputePage, Named, RefundPage, Standing};
use domain::ports::{PaymentBooks, ProviderError};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::amount::domain_amount;
use super::books::PAGE;
use super::error;
use super::intent::Intent;
use super::refund::Refund;
use super::{List, Stripe};

/// <https://docs.stripe.com/api/refunds/object>
#[derive(Deserialize)]
struct MadeRefund {
    id: String,
    #[serde(default)]
    status: Option<String>,
    /// None of a charge that has none, which is not ours.
    payment_intent: Option<Intent>,
}

/// <https://docs.stripe.com/api/disputes/object>
#[derive(Deserialize)]
struct BegunDispute {
    id: String,
    amount: u64,
    currency: String,
    status: String,
    #[serde(default)]
    reason: String,
    created: i64,
    evidence_details: Option<EvidenceDetails>,
    #[serde(default)]
    balance_transactions: Vec<Balanced>,
    payment_intent: Option<Intent>,
}

#[derive(Deserialize)]
struct EvidenceDetails {
    due_by: Option<i64>,
}

/// As it is listed of one payment.
#[derive(Deserialize)]
struct OfPayment {
    amount: u64,
    currency: String,
    status: String,
    #[serde(default)]
    balance_transactions: Vec<Balanced>,
}

/// What a dispute did to our balance: <https://docs.stripe.com/api/balance_transactions/object>
#[derive(Deserialize)]
struct Balanced {
    amount: i64,
}

impl PaymentBooks for Stripe {
    /// <https://docs.stripe.com/api/refunds/list>
    async fn refunds(
        &self,
        since: Timestamp,
        until: Timestamp,
        page: Option<&str>,
    ) -> Result<RefundPage, ProviderError> {
        let list: List<MadeRefund> = self.since("/v1/refunds", since, until, page).await?;
        let next = list.data.last().filter(|_| list.has_more);
        let next = next.map(|last| last.id.clone());
        let gave = |refund: &MadeRefund| refund.status.as_deref() == Some("succeeded");
        let unsure = list.data.into_iter().filter(|refund| !gave(refund));
        let payments = unsure.filter_map(|refund| refund.payment_intent);
        let mut in_question: Vec<_> = payments
            .filter(|intent| self.is_ours(intent))
            .map(|intent| intent.id)
            .collect();
        in_question.sort();
        in_question.dedup();
        Ok(RefundPage { in_question, next })
    }

    /// <https://docs.stripe.com/api/disputes/list>
    async fn disputes(
        &self,
        since: Timestamp,
        until: Timestamp,
        page: Option<&str>,
    ) -> Result<DisputePage, ProviderError> {
        let list: List<BegunDispute> = self.since("/v1/disputes", since, until, page).await?;
        let next = list.data.last().filter(|_| list.has_more);
        let next = next.map(|last| last.id.clone());
        let mut read = DisputePage {
            next,
            ..DisputePage::default()
        };
        for dispute in list.data {
            let payment = dispute.payment_intent.as_ref();
            let Some(payment) = payment.filter(|intent| self.is_ours(intent)) else {
                continue;
            };
            match dispute.told(payment) {
                Some(told) => read.disputes.push(told),
                None => read.unreadable.push(dispute.id),
            }
        }
        Ok(read)
    }

    async fn named(&self, reference: &str) -> Result<Named, ProviderError> {
        let intent = self.seen(reference).await?;
        Ok(Named {
            an_order: intent.order().is_some(),
            an_attempt: intent.has_attempt(),
        })
    }

    async fn give_back(&self, key: &str, reference: &str) -> Result<(), ProviderError> {
        let intent = self.seen(reference).await?;
        let made = self.refunds_of(reference).await?;
        // What comes of one that is on its way has to be known first.
        made.sum_given()?;
        let left = self.left(&intent, &made).await?;
        if left == 0 {
            return Ok(());
        }
        let form = [
            ("payment_intent", reference.to_owned()),
            ("amount", left.to_string()),
        ];
        let key = self.own(&made.next_key(key));
        let answer = self.post_anew("/v1/refunds", &key, &form).await?;
        if answer.status.is_success() {
            return answer.json::<Refund>()?.given().map(drop);
        }
        Err(error::not_refunded(&answer))
    }
}

impl Stripe {
    /// A payment that is there.
    async fn seen(&self, reference: &str) -> Result<Intent, ProviderError> {
        let path = format!("/v1/payment_intents/{reference}");
        let answer = self.get_json(&path, &[]).await?;
        if answer.status.is_success() {
            return answer.json();
        }
        Err(answer.error(None))
    }

    /// A page of what was made of payments in this time, each with its payment.
    async fn since<T: DeserializeOwned>(
        &self,
        path: &str,
        since: Timestamp,
        until: Timestamp,
        page: Option<&str>,
    ) -> Result<List<T>, ProviderError> {
        let mut query = vec![
            ("created[gte]", since.as_second().to_string()),
            ("created[lt]", until.as_second().to_string()),
            ("limit", PAGE.to_owned()),
            ("expand[]", "data.payment_intent".to_owned()),
        ];
        query.extend(page.map(|last| ("starting_after", last.to_owned())));
        let answer = self.get_json(path, &query).await?;
        if !answer.status.is_success() {
            return Err(answer.error(None));
        }
        answer.json()
    }

    /// How much of a payment a bank has given to its customer.
    ///
    /// # Errors
    /// Also [`ProviderError::Defect`] if it cannot be told: a dispute is in another currency.
    pub(super) async fn lost(&self, reference: &str, currency: &str) -> Result<u64, ProviderError> {
        let query = [
            ("payment_intent", reference.to_owned()),
            ("limit", PAGE.to_owned()),
        ];
        let answer = self.get_json("/v1/disputes", &query).await?;
        if !answer.status.is_success() {
            return Err(answer.error(None));
        }
        let all = answer.json::<List<OfPayment>>()?.data.into_iter();
        let mut sum = 0_u64;
        for one in all.filter(OfPayment::is_lost) {
            if !one.currency.eq_ignore_ascii_case(currency) {
                let text = "a dispute in another currency than its payment".to_owned();
                return Err(ProviderError::Defect(text));
            }
            sum = sum.saturating_add(one.amount);
        }
        Ok(sum)
    }
}

impl OfPayment {
    /// Whether its customer has the money.
    fn is_lost(&self) -> bool {
        match standing(&self.status, &self.balance_transactions) {
            Some(Standing::Lost) => true,
            Some(Standing::Open | Standing::Won) | None => false,
        }
    }
}

impl BegunDispute {
    /// `None` if this version does not understand it.
    fn told(&self, payment: &Intent) -> Option<Dispute> {
        let due = self.evidence_details.as_ref();
        let due = due.and_then(|details| details.due_by);
        Some(Dispute {
            reference: self.id.clone(),
            payment: payment.id.clone(),
            order_id: payment.order().and_then(|id| id.parse().ok()),
            amount: domain_amount(self.amount, &self.currency).ok()?,
            standing: standing(&self.status, &self.balance_transactions)?,
            is_inquiry: self.status.starts_with("warning_"),
            reason: self.reason.clone(),
            opened_at: Timestamp::from_second(self.created).ok()?,
            answer_by: due.and_then(|due| Timestamp::from_second(due).ok()),
        })
    }
}

/// <https://docs.stripe.com/api/disputes/object#dispute_object-status>
fn standing(status: &str, balanced: &[Balanced]) -> Option<Standing> {
    match status {
        "needs_response" | "under_review" | "warning_needs_response" | "warning_under_review" => {
            Some(Standing::Open)
        }
        "won" | "warning_closed" => Some(Standing::Won),
        "lost" => Some(Standing::Lost),
        // A rule has given the money to the customer before the bank asked, unless our balance says otherwise.
        // <https://docs.stripe.com/disputes/prevention>
        "prevented" => {
            let came_back = balanced.iter().map(|one| one.amount).sum::<i64>() >= 0;
            let is_back = !balanced.is_empty() && came_back;
            Some(if is_back {
                Standing::Won
            } else {
                Standing::Lost
            })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_inquiry_takes_no_money_and_is_open_while_it_is_asked() {
        for (status, expected) in [
            ("warning_needs_response", Some(Standing::Open)),
            ("warning_closed", Some(Standing::Won)),
            ("under_review", Some(Standing::Open)),
            ("lost", Some(Standing::Lost)),
            ("prevented", Some(Standing::Lost)),
            ("new_in_2030", None),
        ] {
            assert_eq!(standing(status, &[]), expected, "{status}");
        }
    }

    #[test]
    fn what_was_prevented_is_the_customers_unless_our_balance_has_it_back() {
        let balance = |amounts: &[i64]| {
            let amounts = amounts.iter().map(|amount| Balanced { amount: *amount });
            standing("prevented", &amounts.collect::<Vec<_>>())
        };
        assert_eq!(balance(&[-3098]), Some(Standing::Lost));
        assert_eq!(balance(&[-3098, 3098]), Some(Standing::Won));
    }
}
