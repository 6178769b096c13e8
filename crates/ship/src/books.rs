//! The carrier's books: read for whoever audits, and what to do about a label that no order's ledger accounts
//! for.

use domain::books::{Posting, Stands};
use domain::ports::{Books, Carrier, Orders, ProviderError, Voiding};
use domain::{ErrorName, StepError};
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
            Ask::Look { reference } => Ok(json!({"posting": self.look(&reference).await?})),
            Ask::LetGo { reference } => self.let_go(&reference).await,
        }
    }

    async fn look(&self, reference: &str) -> Result<Option<Posting>, StepError> {
        let posting = self.carrier.posting(reference).await;
        posting.map_err(|error| failed(&error))
    }

    /// Voids a label. None of an order that accounts for it.
    async fn let_go(&self, reference: &str) -> Result<Value, StepError> {
        let Some(posting) = self.look(reference).await? else {
            return Ok(json!({"posting": null}));
        };
        step::may_be_let_go(&self.orders, &posting).await?;
        match posting.stands {
            Stands::Nothing | Stands::Held(_) | Stands::Kept(_) => {}
            Stands::Live => {
                let voiding = self.carrier.cancel(reference).await;
                if let Voiding::Refused { code, .. } = voiding.map_err(|error| failed(&error))? {
                    // A person has to talk to the carrier.
                    let text = format!("the carrier does not void the label ({code})");
                    return Err(StepError::new(ErrorName::CarrierUnavailable, text));
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
