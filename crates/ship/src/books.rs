//! The carrier's books: read for whoever audits, and what to do about a label that no order's ledger accounts
//! for.

use domain::books::{Posting, Stands};
use domain::ports::{Books, Carrier, Orders, ProviderError, Voiding};
use domain::{ErrorName, OrderId, StepError};
use serde_json::{Value, json};
use step::Ask;

use crate::Ship;

impl<O: Orders, C: Carrier + Books> Ship<O, C> {
    /// Answers a question about the books.
    ///
    /// # Errors
    /// The catalogue's.
    pub async fn answer(&self, ask: Ask) -> Result<Value, StepError> {
        match ask {
            Ask::List { since, until, page } => {
                let page = self.carrier.page(since, until, page.as_deref()).await;
                Ok(json!(page.map_err(|error| failed(&error))?))
            }
            Ask::Refunds { .. } | Ask::Disputes { .. } => Err(StepError::new(
                ErrorName::InvalidInput,
                "a carrier has neither refunds nor disputes",
            )),
            Ask::Look { reference } => Ok(json!({"posting": self.look(&reference).await?})),
            Ask::LetGo {
                reference,
                order_id,
            } => self.let_go(&reference, order_id.as_ref()).await,
        }
    }

    async fn look(&self, reference: &str) -> Result<Option<Posting>, StepError> {
        let posting = self.carrier.posting(reference).await;
        posting.map_err(|error| failed(&error))
    }

    /// Voids a label. None of an order that accounts for it. What the carrier refuses for good is told beside what
    /// still stands.
    async fn let_go(
        &self,
        reference: &str,
        known_by: Option<&OrderId>,
    ) -> Result<Value, StepError> {
        let Some(posting) = self.look(reference).await? else {
            return Ok(json!({"posting": null}));
        };
        step::may_be_let_go(&self.orders, &posting, known_by).await?;
        match posting.stands {
            Stands::Nothing | Stands::Held(_) | Stands::Kept(_) => {}
            Stands::Live => {
                let voiding = self.carrier.cancel(reference).await;
                match voiding.map_err(|error| failed(&error))? {
                    Voiding::Voided => {}
                    // The parcel is out, or its price is lost.
                    Voiding::Refused {
                        code,
                        for_good: true,
                    } => return Ok(json!({"posting": posting, "refused": code})),
                    // A person has to talk to the carrier.
                    Voiding::Refused {
                        code,
                        for_good: false,
                    } => {
                        let text = format!("the carrier does not void the label ({code})");
                        return Err(StepError::new(ErrorName::CarrierUnavailable, text));
                    }
                }
            }
        }
        let posting = Posting {
            stands: Stands::Nothing,
            ..posting
        };
        Ok(json!({"posting": posting}))
    }
}

fn failed(error: &ProviderError) -> StepError {
    step::provider_error(error, ErrorName::CarrierUnavailable)
}
