//! The providers' books, through the steps, which have their credentials; and what an operator does about a
//! posting that no ledger accounts for.

use domain::aftermath::{failed_refunds, next_at};
use domain::books::{BookPage, Dispute, DisputePage, Posting, PostingKind, RefundPage};
use domain::ports::{Orders as _, Record};
use domain::{AuditEvent, Event, OrderId, Timestamp};
use operations::{LetGo, Orphan};
use read_models::Reference;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::{Actions, Attribution, Refused, event};

const CHARGE: &str = "charge";

/// The step whose provider has such postings.
const fn step(kind: PostingKind) -> &'static str {
    match kind {
        PostingKind::Payment => CHARGE,
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

    /// A page of what became of the refunds that were made from `since` on and before `until`.
    ///
    /// # Errors
    /// If the step, or its provider, does not tell.
    pub async fn refunds(
        &self,
        since: Timestamp,
        until: Timestamp,
        page: Option<&str>,
    ) -> Result<RefundPage, Refused> {
        let ask = json!({"action": "refunds", "since": since, "until": until, "page": page});
        read(CHARGE, self.ask(CHARGE, &ask).await?)
    }

    /// A page of the disputes that began from `since` on and before `until`.
    ///
    /// # Errors
    /// If the step, or its provider, does not tell.
    pub async fn disputes(
        &self,
        since: Timestamp,
        until: Timestamp,
        page: Option<&str>,
    ) -> Result<DisputePage, Refused> {
        let ask = json!({"action": "disputes", "since": since, "until": until, "page": page});
        read(CHARGE, self.ask(CHARGE, &ask).await?)
    }

    /// Whose a posting is: as it says itself, or else as a ledger has it. Metadata can be edited by whoever has the
    /// provider's dashboard.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn owner(&self, posting: &Posting) -> Result<Option<OrderId>, Refused> {
        match (&posting.order_id, posting.kind) {
            (Some(order_id), _) => Ok(Some(order_id.clone())),
            // What a label is called cannot be edited.
            (None, PostingKind::Label) => Ok(None),
            (None, PostingKind::Payment) => self.payer_of(&posting.reference).await,
        }
    }

    /// Whose payment is disputed, in the same way.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn payer(&self, dispute: &Dispute) -> Result<Option<OrderId>, Refused> {
        match &dispute.order_id {
            Some(order_id) => Ok(Some(order_id.clone())),
            None => self.payer_of(&dispute.payment).await,
        }
    }

    async fn payer_of(&self, payment: &str) -> Result<Option<OrderId>, Refused> {
        let known = self.read_models.find(Reference::Payment, payment).await?;
        Ok(known.into_iter().next())
    }

    /// Lets go of an orphan: releases what is held, gives back what was captured, voids the label. The step
    /// looks again first, and refuses if an order's ledger accounts for it by now. A label that the carrier never
    /// voids is written off.
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
        let order = match self.owner(&asked.posting).await? {
            Some(order_id) => self.store.load(&order_id).await?,
            None => None,
        };
        if let Some(record) = &order {
            let word = if asked.is_of_order {
                Event::GiveBackRequested
            } else {
                Event::LetGoRequested
            };
            let noted = event(word, who).about(reference);
            self.store.note(&record.state.order_id, &noted).await?;
        }
        let step = step(asked.posting.kind);
        let mut ask = json!({"action": "let_go", "reference": reference});
        if let (None, Some(record)) = (&asked.posting.order_id, &order) {
            ask["order_id"] = json!(record.state.order_id);
        }
        let answer = self.invoke(step, &ask).await?;
        let mut answer = answer.map_err(|ended| ended.refused_as_impossible(step))?;
        let refused = answer["refused"].as_str().map(str::to_owned);
        let posting: Option<Posting> = read(step, answer["posting"].take())?;
        if posting.is_none() && asked.is_of_order {
            return Err(not_shown(reference));
        }
        let stands = posting.filter(|posting| posting.stands.is_something());
        if let (Some(posting), None) = (&stands, &refused) {
            return Ok(format!("asked for; {} still", posting.stands));
        }
        // Before it is over: what is over nobody looks at again.
        if let (Some(record), true) = (&order, asked.is_of_order) {
            self.note_made_good(record, reference, who).await?;
        }
        let over = Orphan {
            over_at: Some(who.at),
            seen_at: who.at,
            written_off: refused.clone(),
            revision: asked.revision + 1,
            ..asked
        };
        // Whoever wrote it meanwhile, or the monitor, sees that nothing stands. That it is written off nobody sees.
        if !self.read_models.put_orphan(&over).await? && refused.is_some() {
            let text = "somebody else has looked at it meanwhile: try again";
            return Err(Refused::NotPossible(text.to_owned()));
        }
        Ok(match refused {
            Some(code) => format!("the provider does not undo it ({code}): it is written off"),
            None => "nothing stands of it any more".to_owned(),
        })
    }

    /// Gives back again what an order's ledger says went back, and a bank has sent to us.
    pub(crate) async fn give_back(
        &self,
        record: &Record,
        who: Attribution<'_>,
    ) -> Result<String, Refused> {
        for payment in failed_refunds(&record.audit) {
            self.find_again(payment, who.at).await?;
            self.let_go(payment, who).await?;
        }
        Ok("the money went back".to_owned())
    }

    /// Puts the row of a failed refund anew that is missing or over: whoever wrote it, or noted what came of it, did
    /// not come to an end.
    async fn find_again(&self, payment: &str, now: Timestamp) -> Result<(), Refused> {
        let known = self.read_models.orphan(payment).await?;
        let revision = match known {
            Some(known) if known.over_at.is_none() => return Ok(()),
            Some(over) => over.revision,
            None => 0,
        };
        let seen = self.look_up(PostingKind::Payment, payment).await?;
        let posting = seen.ok_or_else(|| not_shown(payment))?;
        let orphan = Orphan {
            revision: revision + 1,
            is_of_order: true,
            ..Orphan::found(posting, now)
        };
        // Somebody else who found it meanwhile found the same.
        self.read_models.put_orphan(&orphan).await?;
        Ok(())
    }

    /// After what is on record of it, though the clock here be slow.
    async fn note_made_good(
        &self,
        record: &Record,
        payment: &str,
        who: Attribution<'_>,
    ) -> Result<(), Refused> {
        let noted = AuditEvent {
            at: next_at(&record.audit, payment, who.at),
            ..event(Event::RefundMadeGood, who)
        };
        let noted = noted.about(payment);
        Ok(self.store.note(&record.state.order_id, &noted).await?)
    }

    async fn ask(&self, step: &str, ask: &Value) -> Result<Value, Refused> {
        let answer = self.invoke(step, ask).await?;
        answer.map_err(|failed| failed.refused(step))
    }
}

/// The provider does not show what a ledger names: nobody knows how it stands.
fn not_shown(reference: &str) -> Refused {
    let text = format!(
        "the provider does not show {reference} as this environment's: look whether its metadata \
         have lost the environment, and put it back"
    );
    Refused::NotPossible(text)
}

fn read<T: DeserializeOwned>(step: &str, answer: Value) -> Result<T, Refused> {
    serde_json::from_value(answer)
        .map_err(|_| Refused::Unavailable(format!("the answer of {step} cannot be read")))
}
