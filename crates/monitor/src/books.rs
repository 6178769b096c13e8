//! The sweep of what the providers hold: each payment and each label is held against the orders' ledgers, soon
//! after it was made, a day later and almost a week later. What no ledger accounts for is an orphan. What a ledger
//! says went back, and did not, is an incident of its order.
//!
//! Whoever acts does not audit: this knows the ledgers and the providers' lists, and nothing of how the steps came
//! to them.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use actions::STEP;
use domain::aftermath::{failed_refunds, next_at};
use domain::books::{Posting, PostingKind, accounts_for, says_it_went_back};
use domain::ports::{Operators, Orders as _, Record};
use domain::{Actor, AuditEvent, Event, OrderId, Timestamp};
use operations::{Orphan, Pass, Round, Stretch};
use tracing::{error, info, warn};

use crate::metrics::{Measured, Metric};
use crate::{Failed, Monitor, Reach};

/// Nothing of a provider's is begun after so long; what is left is read by the next sweep.
pub(crate) const READING: Duration = Duration::from_secs(20);
/// What the longest look at the books can take: the last step that is asked takes its time, and the database.
pub(crate) const READ: Duration = Duration::from_secs(READING.as_secs() + STEP.as_secs() + 20);
/// So many pages of one provider are read in a sweep at most. In quiet hours it is one.
pub(crate) const MOST_PAGES: usize = 5;
/// So many orphans are looked at again in a sweep at most, those first that nobody has looked at for longest …
const MOST_LOOKED: usize = 5;
/// … and none that somebody has looked at so lately.
const LOOKED: Duration = Duration::from_mins(5);

/// Orders of one page, each read once.
pub(crate) type Records = HashMap<OrderId, Option<Record>>;

impl<P: Operators> Monitor<P> {
    /// Reads on in the providers' books, looks again at what was found, and says how things stand.
    pub(crate) async fn audit(&self, now: Timestamp) {
        let began = Instant::now();
        let mut unreadable = 0;
        for books in in_turn(now) {
            let read = match books {
                Books::Made(kind) => self.read_books(kind, &mut unreadable, began, now).await,
                Books::Since(round) => self.read_round(round, &mut unreadable, began, now).await,
            };
            if let Err(failed) = read {
                let books = books.as_str();
                warn!(books, %failed, "failed to read a provider's books");
            }
        }
        self.emit(&[Measured::plain(Metric::UnreadablePostings, unreadable)]);
        match self.look_again(began, now).await {
            Ok(orphans) => {
                let orphans = u64::try_from(orphans).unwrap_or(u64::MAX);
                self.emit(&[Measured::plain(Metric::Orphans, orphans)]);
            }
            Err(failed) => warn!(%failed, "failed to look at the orphans"),
        }
        match self.behind(now).await {
            Ok(behind) => self.emit(&[Measured::plain(Metric::BooksBehind, behind.as_secs())]),
            Err(failed) => warn!(%failed, "failed to read how far the books were read"),
        }
    }

    /// Page by page; first the pass that is further behind.
    async fn read_books(
        &self,
        kind: PostingKind,
        unreadable: &mut u64,
        began: Instant,
        now: Timestamp,
    ) -> Result<(), Failed> {
        for page in 0..MOST_PAGES {
            if began.elapsed() > READING {
                break;
            }
            let Some((pass, stretch)) = self.due(kind, now).await? else {
                break;
            };
            // Quiet hours: the other pass has its turn in the next sweep.
            let reading = Reading {
                kind,
                pass,
                stretch,
            };
            let is_more = self.read_page(reading, unreadable, began, now).await?;
            if !is_more && page == 0 {
                break;
            }
        }
        Ok(())
    }

    async fn due(
        &self,
        kind: PostingKind,
        now: Timestamp,
    ) -> Result<Option<(Pass, Stretch)>, Failed> {
        let read_models = &self.reach.read_models;
        let mut due: Option<(Pass, Stretch)> = None;
        for pass in Pass::ALL.iter().copied() {
            let last = read_models.stretch(kind, pass).await?;
            let Some(next) = Stretch::next(last.as_ref(), pass, now) else {
                continue;
            };
            if last.is_none() {
                // So that the first one, too, is behind if it cannot be read.
                read_models.put_stretch(kind, pass, &next).await?;
            }
            let longest = due.as_ref().map(|(pass, due)| due.behind(*pass, now));
            if longest.is_none_or(|longest| next.behind(pass, now) > longest) {
                due = Some((pass, next));
            }
        }
        Ok(due)
    }

    /// Whether the stretch goes on.
    async fn read_page(
        &self,
        reading: Reading,
        unreadable: &mut u64,
        began: Instant,
        now: Timestamp,
    ) -> Result<bool, Failed> {
        let Reading {
            kind,
            pass,
            stretch,
        } = reading;
        let Reach {
            actions,
            read_models,
            ..
        } = &self.reach;
        let (since, until) = (stretch.since, stretch.until);
        let page = actions
            .books(kind, since, until, stretch.page.as_deref())
            .await?;
        *unreadable += not_read(kind.as_str(), &page.unreadable);
        let done = stretch.after.as_deref().and_then(|after| {
            let mut postings = page.postings.iter();
            postings.position(|posting| posting.reference == after)
        });
        let mut records = Records::new();
        let mut after = stretch.after.clone();
        for posting in page.postings.iter().skip(done.map_or(0, |done| done + 1)) {
            if began.elapsed() > READING {
                let stretch = Stretch { after, ..stretch };
                read_models.put_stretch(kind, pass, &stretch).await?;
                return Ok(false);
            }
            if !self.is_accounted_for(posting, &mut records).await? {
                let (kind, reference) = (posting.kind, &posting.reference);
                self.suspect(kind, reference, &mut records, now).await?;
            }
            after = Some(posting.reference.clone());
        }
        let is_more = page.next.is_some();
        let turned = stretch.turned(page.next);
        read_models.put_stretch(kind, pass, &turned).await?;
        Ok(is_more)
    }

    async fn is_accounted_for(
        &self,
        posting: &Posting,
        records: &mut Records,
    ) -> Result<bool, Failed> {
        if !posting.stands.is_something() {
            return Ok(true);
        }
        let record = self.owner(posting, records).await?;
        Ok(record.is_some_and(|record| accounts_for(record, posting)))
    }

    /// The order whose posting it is. `None` if there is none.
    async fn owner<'a>(
        &self,
        posting: &Posting,
        records: &'a mut Records,
    ) -> Result<Option<&'a Record>, Failed> {
        let Some(order_id) = self.reach.actions.owner(posting).await? else {
            return Ok(None);
        };
        if !records.contains_key(&order_id) {
            let record = self.reach.store.load(&order_id).await?;
            records.insert(order_id.clone(), record);
        }
        Ok(records.get(&order_id).and_then(Option::as_ref))
    }

    /// A closer look, with what was given back: a list does not tell. What still stands, and is not accounted for, is
    /// an orphan, or an incident of its order.
    pub(crate) async fn suspect(
        &self,
        kind: PostingKind,
        reference: &str,
        records: &mut Records,
        now: Timestamp,
    ) -> Result<(), Failed> {
        let Reach {
            actions,
            read_models,
            ..
        } = &self.reach;
        let Some(posting) = actions.look_up(kind, reference).await? else {
            return Ok(());
        };
        if !posting.stands.is_something() {
            return self.heal(&posting, now).await;
        }
        if self.is_accounted_for(&posting, records).await? {
            return Ok(());
        }
        let known = read_models.orphan(&posting.reference).await?;
        let revision = match known {
            // It is looked at again by itself; or a person has decided.
            Some(known) if known.over_at.is_none() || known.written_off.is_some() => return Ok(()),
            Some(over) => over.revision,
            None => 0,
        };
        let record = self.owner(&posting, records).await?;
        let failed = record.filter(|record| says_it_went_back(record, &posting));
        let orphan = Orphan {
            revision: revision + 1,
            is_of_order: failed.is_some(),
            ..Orphan::found(posting, now)
        };
        let posting = &orphan.posting;
        let Some(record) = failed else {
            error!(
                reference = posting.reference,
                kind = posting.kind.as_str(),
                order_id = posting.order_id.as_ref().map(OrderId::as_str),
                stands = %posting.stands,
                made_at = %posting.made_at,
                "orphan found"
            );
            // Somebody else who found it meanwhile found the same.
            read_models.put_orphan(&orphan).await?;
            return Ok(());
        };
        let order_id = record.state.order_id.clone();
        error!(
            reference = posting.reference,
            order_id = order_id.as_str(),
            stands = %posting.stands,
            "refund failed after it had succeeded"
        );
        // On the order first: what is a row already is not noted any more.
        if !failed_refunds(&record.audit).contains(&posting.reference.as_str()) {
            let why = format!("{}, and our ledger says that it went back", posting.stands);
            let at = next_at(&record.audit, &posting.reference, now);
            let event = AuditEvent::new(at, Event::RefundFailed, Actor::Monitor, why);
            let event = event.about(&posting.reference);
            self.reach.store.note(&order_id, &event).await?;
        }
        read_models.put_orphan(&orphan).await?;
        self.observe(&order_id, None, now).await
    }

    /// Whether what was found still stands, and no ledger accounts for it by now. How many there are after it.
    async fn look_again(&self, began: Instant, now: Timestamp) -> Result<usize, Failed> {
        let Reach {
            actions,
            read_models,
            ..
        } = &self.reach;
        let mut orphans = read_models.standing().await?;
        let mut left = orphans.iter().filter(|orphan| !orphan.is_of_order).count();
        orphans.retain(|orphan| orphan.seen_at + LOOKED <= now);
        orphans.sort_by_key(|orphan| orphan.seen_at);
        for orphan in orphans.into_iter().take(MOST_LOOKED) {
            if began.elapsed() > READING {
                break;
            }
            let Posting {
                kind, reference, ..
            } = &orphan.posting;
            let seen = match actions.look_up(*kind, reference).await {
                Ok(seen) => seen,
                Err(refused) => {
                    warn!(reference, %refused, "failed to look at an orphan");
                    continue;
                }
            };
            let stands = match &seen {
                // Its ledger names it: there is more of it than is shown, such as one whose metadata were lost.
                None if orphan.is_of_order => {
                    warn!(reference, "payment of an order is not shown as ours");
                    true
                }
                Some(posting) => !self.is_accounted_for(posting, &mut Records::new()).await?,
                None => false,
            };
            if !stands {
                info!(reference, "orphan is over");
                if orphan.is_of_order {
                    self.made_good(&orphan.posting, now).await?;
                } else {
                    left -= 1;
                }
            }
            let looked = Orphan {
                over_at: (!stands).then_some(now),
                seen_at: now,
                revision: orphan.revision + 1,
                posting: seen.unwrap_or(orphan.posting),
                ..orphan
            };
            // Whoever wrote it meanwhile has looked, too.
            read_models.put_orphan(&looked).await?;
        }
        Ok(left)
    }

    /// Whoever let go of it did not come to note what came of that.
    async fn heal(&self, posting: &Posting, now: Timestamp) -> Result<(), Failed> {
        if posting.kind == PostingKind::Label {
            return Ok(());
        }
        let known = self.reach.read_models.orphan(&posting.reference).await?;
        if known.is_some_and(|known| known.over_at.is_none()) {
            // It is looked at again by itself.
            return Ok(());
        }
        self.made_good(posting, now).await
    }

    /// A refund that had failed was made good.
    async fn made_good(&self, posting: &Posting, now: Timestamp) -> Result<(), Failed> {
        let mut records = Records::new();
        let Some(record) = self.owner(posting, &mut records).await? else {
            return Ok(());
        };
        let order_id = &record.state.order_id;
        if failed_refunds(&record.audit).contains(&posting.reference.as_str()) {
            let why = "nothing of it is ours any more";
            let at = next_at(&record.audit, &posting.reference, now);
            let event = AuditEvent::new(at, Event::RefundMadeGood, Actor::Monitor, why);
            let event = event.about(&posting.reference);
            self.reach.store.note(order_id, &event).await?;
        }
        self.observe(order_id, None, now).await
    }

    async fn behind(&self, now: Timestamp) -> Result<Duration, Failed> {
        let mut behind = Duration::ZERO;
        for kind in PostingKind::ALL {
            for pass in Pass::ALL {
                let stretch = self.reach.read_models.stretch(*kind, *pass).await?;
                let late = stretch.map(|stretch| stretch.behind(*pass, now));
                behind = behind.max(late.unwrap_or_default());
            }
        }
        for round in Round::ALL {
            let stretch = self.reach.read_models.round(*round).await?;
            let late = stretch.map(|stretch| stretch.round_behind(*round, now));
            behind = behind.max(late.unwrap_or_default());
        }
        Ok(behind)
    }
}

/// Something that is read of the providers' books.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Books {
    /// What was made.
    Made(PostingKind),
    /// What has changed since.
    Since(Round),
}

impl Books {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Made(kind) => kind.as_str(),
            Self::Since(round) => round.as_str(),
        }
    }
}

/// All books, in an order that turns each minute: the sweep's time is short, and whatever is first has all of it.
fn in_turn(now: Timestamp) -> Vec<Books> {
    let made = PostingKind::ALL.iter().map(|kind| Books::Made(*kind));
    let since = Round::ALL.iter().map(|round| Books::Since(*round));
    let mut all: Vec<_> = made.chain(since).collect();
    let minute = usize::try_from(now.as_second().div_euclid(60)).unwrap_or_default();
    let first = minute % all.len().max(1);
    all.rotate_left(first);
    all
}

/// What is read next.
struct Reading {
    kind: PostingKind,
    pass: Pass,
    stretch: Stretch,
}

/// How many of a provider's books this version cannot read; each is in the log.
pub(crate) fn not_read(books: &str, references: &[String]) -> u64 {
    for reference in references {
        error!(books, reference, "failed to read a posting");
    }
    u64::try_from(references.len()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_four_sweeps_each_of_the_books_is_first_in_one() {
        let mut firsts: Vec<_> = (0..4)
            .map(|minute| {
                let at = Timestamp::from_second(1_740_000_007 + minute * 60);
                in_turn(at.unwrap_or_default())[0].as_str()
            })
            .collect();
        firsts.sort_unstable();
        assert_eq!(firsts, ["disputes", "label", "payment", "refunds"]);
        assert_eq!(in_turn(Timestamp::UNIX_EPOCH).len(), 4);
    }
}
