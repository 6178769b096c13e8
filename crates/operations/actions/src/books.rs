//! The providers' books, through the steps, which have their credentials; and what an operator does about a
//! posting that no ledger accounts for.

use domain::books::{BookPage, Posting, PostingKind};
use domain::ports::Orders as _;
use domain::{Event, Timestamp};
use operations::{LetGo, Orphan};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::{Actions, Attribution, Refused, event};

/// The step whose provider has such postings.
const fn step(kind: PostingKind) -> &'static str {
    match kind {
        PostingKind::Payment => "charge",
        PostingKind::Label => "ship",
    }
}

impl Actions {
    /// A page of what was made from `since` on and before `until`.
    ///
    /// # Errors
    /// If the step, or its provider, does not tell.
    pub async fn books(
        &self,
        kind: PostingKind,
        since: Timestamp,
        until: Timestamp,
        page: Option<&str>,
    ) -> Result<BookPage, Refused> {
        let ask = json!({"action": "list", "since": since, "until": until, "page": page});
        read(step(kind), self.ask(step(kind), &ask).await?)
    }

    /// How a posting stands now. `None` if there is none.
    ///
    /// # Errors
    /// If the step, or its provider, does not tell.
    pub async fn look_up(
        &self,
        kind: PostingKind,
        reference: &str,
    ) -> Result<Option<Posting>, Refused> {
        let ask = json!({"action": "look", "reference": reference});
        let mut answer = self.ask(step(kind), &ask).await?;
        read(step(kind), answer["posting"].take())
    }

    /// Lets go of an orphan: releases what is held, gives back what was captured, voids the label. The step
    /// looks again first, and refuses if an order's ledger accounts for it by now.
    ///
    /// # Errors
    /// If there is no such orphan, it is refused, or something does not answer.
    pub async fn let_go(&self, reference: &str, who: Attribution<'_>) -> Result<String, Refused> {
        let orphan = self.read_models.orphan(reference).await?;
        let Some(orphan) = orphan.filter(|orphan| orphan.over_at.is_none()) else {
            let text = format!("there is no orphan {reference}, or nothing stands of it any more");
            return Err(Refused::NotPossible(text));
        };
        // On record first: who, why and when.
        let asked = Orphan {
            let_go: Some(LetGo {
                by: who.by.to_owned(),
                reason: who.reason.to_string(),
                at: who.at,
            }),
            revision: orphan.revision + 1,
            ..orphan
        };
        if !self.read_models.put_orphan(&asked).await? {
            let text = "somebody else has looked at it meanwhile: try again";
            return Err(Refused::NotPossible(text.to_owned()));
        }
        if let Some(order_id) = &asked.posting.order_id
            && self.store.load(order_id).await?.is_some()
        {
            let noted = event(Event::LetGoRequested, who);
            self.store.note(order_id, &noted).await?;
        }
        let step = step(asked.posting.kind);
        let ask = json!({"action": "let_go", "reference": reference});
        let answer = self.invoke(step, &ask).await?;
        let mut answer = answer.map_err(|ended| ended.refused_as_impossible(step))?;
        let posting: Option<Posting> = read(step, answer["posting"].take())?;
        let Some(posting) = posting.filter(|posting| posting.stands.is_something()) else {
            let over = Orphan {
                over_at: Some(who.at),
                seen_at: who.at,
                revision: asked.revision + 1,
                ..asked
            };
            // Whoever wrote it meanwhile, or the monitor, sees the same.
            let _ = self.read_models.put_orphan(&over).await;
            return Ok("nothing stands of it any more".to_owned());
        };
        Ok(format!("asked for; {} still", posting.stands))
    }

    async fn ask(&self, step: &str, ask: &Value) -> Result<Value, Refused> {
        let answer = self.invoke(step, ask).await?;
        answer.map_err(|failed| failed.refused(step))
    }
}

fn read<T: DeserializeOwned>(step: &str, answer: Value) -> Result<T, Refused> {
    serde_json::from_value(answer)
        .map_err(|_| Refused::Unavailable(format!("the answer of {step} cannot be read")))
}
