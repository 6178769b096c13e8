//! The payment provider's books: read for whoever audits, and what to do about a payment that no order's ledger
//! accounts for.

use domain::books::{Posting, Stands};
use domain::ports::{Orders, PaymentBooks, PaymentProvider, PaymentState, ProviderError};
use domain::{ErrorName, OrderId, StepError};
use serde_json::{Value, json};
use step::Ask;

use crate::{Charge, pending};

impl<O: Orders, P: PaymentProvider + PaymentBooks> Charge<O, P> {
    /// Answers a question about the books.
    ///
    /// # Errors
    /// The catalogue's.
    pub async fn answer(&self, ask: Ask) -> Result<Value, StepError> {
        match ask {
            Ask::List { since, until, page } => {
                let page = self.provider.page(since, until, page.as_deref()).await;
                Ok(json!(page.map_err(|error| failed(&error))?))
            }
            Ask::Refunds { since, until, page } => {
                let page = self.provider.refunds(since, until, page.as_deref()).await;
                Ok(json!(page.map_err(|error| failed(&error))?))
            }
            Ask::Disputes { since, until, page } => {
                let page = self.provider.disputes(since, until, page.as_deref()).await;
                Ok(json!(page.map_err(|error| failed(&error))?))
            }
            Ask::Look { reference } => Ok(json!({"posting": self.look(&reference).await?})),
            Ask::LetGo {
                reference,
                order_id,
            } => self.let_go(&reference, order_id.as_ref()).await,
        }
    }

    async fn look(&self, reference: &str) -> Result<Option<Posting>, StepError> {
        let posting = self.provider.posting(reference).await;
        posting.map_err(|error| failed(&error))
    }

    /// Lets go of what is held, or gives back what was taken. Nothing of an order that accounts for it.
    async fn let_go(
        &self,
        reference: &str,
        known_by: Option<&OrderId>,
    ) -> Result<Value, StepError> {
        let Some(posting) = self.look(reference).await? else {
            return Ok(json!({"posting": null}));
        };
        step::may_be_let_go(&self.orders, &posting, known_by).await?;
        self.undo(&posting).await.map_err(|error| failed(&error))?;
        let posting = Posting {
            stands: Stands::Nothing,
            ..posting
        };
        Ok(json!({"posting": posting}))
    }

    async fn undo(&self, posting: &Posting) -> Result<(), ProviderError> {
        let reference = &posting.reference;
        // Of the posting: it may be of no order, and of none that has this attempt.
        let key = format!("let-go-{reference}");
        match (&posting.stands, posting.amount) {
            (Stands::Nothing | Stands::Live, _) => Ok(()),
            (Stands::Held(_), _) => match self.provider.void(&key, reference).await?.state {
                PaymentState::Voided | PaymentState::Declined(_) => Ok(()),
                PaymentState::Captured(_) => Err(ProviderError::Unknown(
                    "the payment was captured meanwhile".to_owned(),
                )),
                PaymentState::Held(_) | PaymentState::Pending => Err(pending()),
            },
            // What is left of the whole: what was given back before counts.
            (Stands::Kept(rest), whole) => {
                let whole = whole.unwrap_or(*rest);
                let refund = self.provider.refund(&key, reference, whole).await;
                refund.map(drop)
            }
        }
    }
}

fn failed(error: &ProviderError) -> StepError {
    step::provider_error(error, ErrorName::PaymentUnavailable)
}
