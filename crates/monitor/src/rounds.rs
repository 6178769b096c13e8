//! What of the providers' books is read again and again, for it changes long after it was made: refunds that a bank
//! sends back, and disputes. What is heard is noted on the order, whose ledger stays as it is.

use std::time::Instant;

use domain::aftermath::{last_of, next_at};
use domain::books::{Dispute, PostingKind, Standing};
use domain::ports::{Operators, Orders as _};
use domain::{Actor, AuditEvent, Event, Timestamp};
use operations::{Round, Stretch};
use tracing::{error, info, warn};

use crate::books::{MOST_PAGES, READING, Records, not_read};
use crate::{Failed, Monitor};

impl<P: Operators> Monitor<P> {
    /// Reads on in a round, or begins the next one once it is time.
    pub(crate) async fn read_round(
        &self,
        round: Round,
        unreadable: &mut u64,
        began: Instant,
        now: Timestamp,
    ) -> Result<(), Failed> {
        for _ in 0..MOST_PAGES {
            if began.elapsed() > READING {
                break;
            }
            let last = self.reach.read_models.round(round).await?;
            let Some(stretch) = Stretch::round(last.as_ref(), round, now) else {
                break;
            };
            if last.as_ref() != Some(&stretch) {
                // So that a round that cannot be read is behind.
                self.reach.read_models.put_round(round, &stretch).await?;
            }
            let read = match round {
                Round::Refunds => self.read_refunds(stretch, unreadable, began, now).await?,
                Round::Disputes => self.read_disputes(stretch, unreadable, began, now).await?,
            };
            self.reach.read_models.put_round(round, &read).await?;
        }
        Ok(())
    }

    /// A page of refunds: payments of which one has given nothing back are looked at. What is to be read after it.
    async fn read_refunds(
        &self,
        stretch: Stretch,
        unreadable: &mut u64,
        began: Instant,
        now: Timestamp,
    ) -> Result<Stretch, Failed> {
        let (since, until) = (stretch.since, stretch.until);
        let asked = self
            .reach
            .actions
            .refunds(since, until, stretch.page.as_deref());
        let page = asked.await?;
        let mut after = stretch.after.clone();
        let mut records = Records::new();
        // They are sorted.
        let left = page.in_question.into_iter();
        for payment in left.filter(|payment| stretch.after.as_ref() < Some(payment)) {
            if began.elapsed() > READING {
                return Ok(Stretch { after, ..stretch });
            }
            let kind = PostingKind::Payment;
            // The next round looks at it again, and the others are not to wait for it.
            if let Err(failed) = self.suspect(kind, &payment, &mut records, now).await {
                warn!(reference = payment, %failed, "failed to look at a refunded payment");
                *unreadable += 1;
            }
            after = Some(payment);
        }
        Ok(stretch.turned(page.next))
    }

    /// A page of disputes: what is new about each is noted on its order. What is to be read after it.
    async fn read_disputes(
        &self,
        stretch: Stretch,
        unreadable: &mut u64,
        began: Instant,
        now: Timestamp,
    ) -> Result<Stretch, Failed> {
        let (since, until) = (stretch.since, stretch.until);
        let asked = self
            .reach
            .actions
            .disputes(since, until, stretch.page.as_deref());
        let page = asked.await?;
        *unreadable += not_read(Round::Disputes.as_str(), &page.unreadable);
        let done = stretch.after.as_deref().and_then(|after| {
            let mut disputes = page.disputes.iter();
            disputes.position(|dispute| dispute.reference == after)
        });
        let mut after = stretch.after.clone();
        for dispute in page.disputes.iter().skip(done.map_or(0, |done| done + 1)) {
            if began.elapsed() > READING {
                return Ok(Stretch { after, ..stretch });
            }
            let reference = &dispute.reference;
            // The next round hears of it again, and the others are not to wait for it.
            match self.hear_of(dispute, now).await {
                Ok(true) => {}
                Ok(false) => *unreadable += 1,
                Err(failed) => {
                    warn!(reference, %failed, "failed to note a dispute");
                    *unreadable += 1;
                }
            }
            after = Some(reference.clone());
        }
        Ok(stretch.turned(page.next))
    }

    /// Whether there is an order whose it is.
    async fn hear_of(&self, dispute: &Dispute, now: Timestamp) -> Result<bool, Failed> {
        let reference = &dispute.reference;
        let order_id = self.reach.actions.payer(dispute).await?;
        let record = match &order_id {
            Some(order_id) => self.reach.store.load(order_id).await?,
            None => None,
        };
        let Some(record) = record else {
            let payment = &dispute.payment;
            error!(reference, payment, "dispute of no order of ours");
            return Ok(false);
        };
        let ended = match dispute.standing {
            Standing::Open => None,
            Standing::Won => Some(Event::DisputeWon),
            Standing::Lost => Some(Event::DisputeLost),
        };
        let events = [Event::Disputed, Event::DisputeWon, Event::DisputeLost];
        let known = last_of(&record.audit, reference, &events);
        let news: Vec<(Timestamp, Event, String)> = match (known, ended) {
            (None, None) => vec![begun(dispute)],
            // It was over before anybody looked.
            (None, Some(ended)) => vec![begun(dispute), (now, ended, dispute.amount.to_string())],
            (Some(Event::DisputeWon | Event::DisputeLost), None) => {
                let why = format!("{}, and it is open again", dispute.amount);
                vec![(now, Event::Disputed, why)]
            }
            (Some(known), Some(ended)) if known != ended => {
                vec![(now, ended, dispute.amount.to_string())]
            }
            (Some(_), Some(_) | None) => return Ok(true),
        };
        let order_id = &record.state.order_id;
        for (at, event, why) in news {
            let at = next_at(&record.audit, reference, at);
            let noted = AuditEvent::new(at, event, Actor::Monitor, why).about(reference);
            self.reach.store.note(order_id, &noted).await?;
            let (order_id, event) = (order_id.as_str(), event.as_str());
            info!(order_id, reference, event, "dispute heard of");
        }
        self.observe(order_id, None, now).await?;
        Ok(true)
    }
}

/// That a dispute began, when it did.
fn begun(dispute: &Dispute) -> (Timestamp, Event, String) {
    let (amount, reason) = (dispute.amount, &dispute.reason);
    let due = dispute.answer_by;
    let due = due.map_or_else(String::new, |due| format!(", to be answered by {due}"));
    // The bank only asks.
    let asks = if dispute.is_inquiry { "inquiry, " } else { "" };
    let why = format!("{amount}, {asks}{reason}{due}");
    (dispute.opened_at, Event::Disputed, why)
}
