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
        self.may_be_ours(&posting, known_by).await?;
        step::may_be_let_go(&self.orders, &posting, known_by).await?;
        self.undo(&posting).await.map_err(|error| failed(&error))?;
        let posting = Posting {
            stands: Stands::Nothing,
            ..posting
        };
        Ok(json!({"posting": posting}))
    }

    /// Whether a payment is ours to undo. Others on the same account may write our environment's name, too: another
    /// shop, or the checkout for an order that has not come to its payment yet.
    ///
    /// # Errors
    /// [`ErrorName::InvalidInput`] if it may be somebody else's.
    async fn may_be_ours(
        &self,
        posting: &Posting,
        known_by: Option<&OrderId>,
    ) -> Result<(), StepError> {
        if !posting.stands.is_something() {
            return Ok(());
        }
        let reference = &posting.reference;
        let order_id = posting.order_id.as_ref().or(known_by);
        if let Some(order_id) = order_id {
            let record = self.orders.load(order_id).await;
            if record.map_err(|error| step::store_error(&error))?.is_some() {
                return Ok(());
            }
        }
        let named = self.provider.named(reference).await;
        let named = named.map_err(|error| failed(&error))?;
        let why = match (named.an_order, &posting.order_id) {
            (true, None) => "names an order in a way that is none of ours",
            (_, Some(_)) if !named.an_attempt => "names an order that we do not know",
            (false, _) if !named.an_attempt => "names no order, and no order has it on record",
            _ => return Ok(()),
        };
        let text = format!(
            "{reference} {why}: it may be of another shop or of the checkout; look at it in the \
             provider's dashboard, and undo it there if it is ours"
        );
        Err(StepError::new(ErrorName::InvalidInput, text))
    }

    async fn undo(&self, posting: &Posting) -> Result<(), ProviderError> {
        let reference = &posting.reference;
        // Of the posting: it may be of no order, and of none that has this attempt.
        let key = format!("let-go-{reference}");
        match &posting.stands {
            Stands::Nothing | Stands::Live => Ok(()),
            Stands::Held(_) => match self.provider.void(&key, reference).await?.state {
                PaymentState::Voided | PaymentState::Declined(_) => Ok(()),
                PaymentState::Captured(_) => Err(ProviderError::Unknown(
                    "the payment was captured meanwhile".to_owned(),
                )),
                PaymentState::Held(_) | PaymentState::Pending => Err(pending()),
            },
            // What is ours by then, and no more: what the bank gave to the customer is not.
            Stands::Kept(_) => self.provider.give_back(&key, reference).await,
        }
    }
}

fn failed(error: &ProviderError) -> StepError {
    step::provider_error(error, ErrorName::PaymentUnavailable)
}
