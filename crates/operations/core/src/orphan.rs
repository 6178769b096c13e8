//! What the providers hold and no ledger accounts for, and how far their books were read.

use std::time::Duration;

use domain::books::{Posting, PostingKind};
use domain::{Timestamp, words};
use serde::{Deserialize, Serialize};

use crate::process::{HOUR, MINUTE};

/// A posting that no order's ledger accounts for: money or goods that nobody is going to do anything about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Orphan {
    /// What the provider holds, as it was when somebody last looked.
    pub posting: Posting,
    /// When it was found.
    pub found_at: Timestamp,
    /// When somebody last looked.
    pub seen_at: Timestamp,
    /// Who wanted it let go of, if somebody did.
    #[serde(default)]
    pub let_go: Option<LetGo>,
    /// When nothing stood of it any more, a ledger accounted for it, or it was written off.
    #[serde(default)]
    pub over_at: Option<Timestamp>,
    /// What the provider said that refuses to undo it for good: whoever let go of it wrote it off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub written_off: Option<String>,
    /// Whether it is an incident of its order, whose ledger says that it went back. It is not among the orphans
    /// then.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_of_order: bool,
    /// Raised by every write.
    pub revision: u64,
}

/// Somebody wanted an orphan let go of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LetGo {
    /// Who: an ARN, or the name that they signed in with.
    pub by: String,
    /// Why, in their words.
    pub reason: String,
    /// When.
    pub at: Timestamp,
}

impl Orphan {
    /// One that was just found.
    #[must_use]
    pub fn found(posting: Posting, now: Timestamp) -> Self {
        Self {
            posting,
            found_at: now,
            seen_at: now,
            let_go: None,
            over_at: None,
            written_off: None,
            is_of_order: false,
            revision: 1,
        }
    }

    /// What letting go of it does, as the end of a sentence.
    #[must_use]
    pub const fn consequence(&self) -> &'static str {
        match self.posting.kind {
            PostingKind::Payment => {
                "Money that is held is released, and money that was captured goes back to the \
                 customer. Nothing of it can be taken again."
            }
            PostingKind::Label => {
                "The label is voided, and nothing can be shipped with it. If the carrier refuses \
                 for good, for it was used or is too old, its price is written off."
            }
        }
    }
}

words! {
    /// How old what is looked at is. What was made is looked at three times: soon, once all retries are over, and
    /// before the last hold lapses.
    pub enum Pass {
        /// Half an hour: a step's retries at a provider that answers are over.
        Soon = "soon",
        /// More than a day: what was left to retries, to undos and to people that day is settled.
        Later = "later",
        /// Almost a week: a payment of the checkout's may have been taken over days after it was made.
        Latest = "latest",
    }
}

words! {
    /// What of the providers' books is read again and again, for it changes long after it was made.
    pub enum Round {
        /// What became of refunds: a bank may send one back for 30 days.
        Refunds = "refunds",
        /// Disputes: most are decided within three months.
        Disputes = "disputes",
    }
}

impl Round {
    /// How far back it is read.
    #[must_use]
    pub const fn span(self) -> Duration {
        match self {
            Self::Refunds => Duration::from_secs(35 * 24 * HOUR),
            Self::Disputes => Duration::from_secs(180 * 24 * HOUR),
        }
    }

    /// How often.
    #[must_use]
    pub const fn every(self) -> Duration {
        match self {
            Self::Refunds => Duration::from_secs(6 * HOUR),
            Self::Disputes => Duration::from_secs(HOUR),
        }
    }
}

impl Pass {
    /// How old what is looked at is at least.
    #[must_use]
    pub const fn age(self) -> Duration {
        match self {
            Self::Soon => Duration::from_secs(30 * MINUTE),
            Self::Later => Duration::from_secs(26 * HOUR),
            Self::Latest => Duration::from_secs(6 * 24 * HOUR),
        }
    }
}

/// The shortest time that is read at once, so that quiet hours cost few requests.
const SHORTEST: Duration = Duration::from_secs(MINUTE);
/// How far before the first time ever the books are read.
const AT_FIRST: Duration = Duration::from_secs(HOUR);

/// How far a provider's books were read by a pass: what was made in a stretch of time, page by page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stretch {
    /// What was made from then on …
    pub since: Timestamp,
    /// … and before then.
    pub until: Timestamp,
    /// The page that is to be read.
    #[serde(default)]
    pub page: Option<String>,
    /// The last posting of that page that was dealt with, if the time was too short for all of it.
    #[serde(default)]
    pub after: Option<String>,
    /// Whether all of it was read.
    pub is_read: bool,
}

impl Stretch {
    /// What is to be read, after what was read `last`. `None` if it is too early.
    #[must_use]
    pub fn next(last: Option<&Self>, pass: Pass, now: Timestamp) -> Option<Self> {
        let due = now - pass.age();
        // Providers count in whole seconds.
        let due = Timestamp::from_second(due.as_second()).unwrap_or(due);
        let since = match last {
            Some(last) if !last.is_read => return Some(last.clone()),
            Some(last) => last.until,
            None => due - AT_FIRST,
        };
        (since + SHORTEST <= due).then_some(Self {
            since,
            until: due,
            page: None,
            after: None,
            is_read: false,
        })
    }

    /// What is to be read in a round, after what was read `last`. `None` if it is too early.
    #[must_use]
    pub fn round(last: Option<&Self>, round: Round, now: Timestamp) -> Option<Self> {
        let until = Timestamp::from_second(now.as_second()).unwrap_or(now);
        match last {
            Some(last) if !last.is_read => return Some(last.clone()),
            Some(last) if now < last.until + round.every() => return None,
            Some(_) | None => {}
        }
        Some(Self {
            since: until - round.span(),
            until,
            page: None,
            after: None,
            is_read: false,
        })
    }

    /// How long a round, or what is left of it, has been due.
    #[must_use]
    pub fn round_behind(&self, round: Round, now: Timestamp) -> Duration {
        let due = if self.is_read {
            self.until + round.every()
        } else {
            self.until
        };
        Duration::try_from(now.duration_since(due)).unwrap_or_default()
    }

    /// The same once a page was read, and the next one is `page`.
    #[must_use]
    pub fn turned(self, page: Option<String>) -> Self {
        Self {
            is_read: page.is_none(),
            page,
            after: None,
            ..self
        }
    }

    /// How long what is to be read has been due.
    #[must_use]
    pub fn behind(&self, pass: Pass, now: Timestamp) -> Duration {
        let read_to = if self.is_read { self.until } else { self.since };
        let late = now.duration_since(read_to + pass.age());
        Duration::try_from(late).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minute: i64) -> Timestamp {
        let start: Timestamp = "2026-11-23T10:00:00Z".parse().unwrap();
        start + Duration::from_secs(minute.unsigned_abs() * MINUTE)
    }

    #[test]
    fn what_was_made_is_read_without_a_gap_and_once() {
        let first = Stretch::next(None, Pass::Soon, at(120)).unwrap();
        assert_eq!((first.since, first.until), (at(30), at(90)));
        let read = first.clone().turned(None);
        assert_eq!(Stretch::next(Some(&read), Pass::Soon, at(120)), None);
        let second = Stretch::next(Some(&read), Pass::Soon, at(125)).unwrap();
        assert_eq!((second.since, second.until), (at(90), at(95)));
        assert!(!second.is_read && second.page.is_none());
    }

    #[test]
    fn a_stretch_is_read_to_its_last_page_before_the_next_one() {
        let first = Stretch::next(None, Pass::Soon, at(120)).unwrap();
        let turned = first.clone().turned(Some("2".to_owned()));
        let next = Stretch::next(Some(&turned), Pass::Soon, at(300)).unwrap();
        assert_eq!(next, turned);
        assert_eq!((next.until, next.page.as_deref()), (first.until, Some("2")));
        let late = next.behind(Pass::Soon, at(300));
        assert_eq!(late, Duration::from_secs(240 * MINUTE));
        let late = next.turned(None).behind(Pass::Soon, at(121));
        assert_eq!(late, Duration::from_secs(MINUTE));
    }

    #[test]
    fn a_round_is_read_to_its_end_and_begins_anew_when_it_is_time() {
        let first = Stretch::round(None, Round::Disputes, at(0)).unwrap();
        assert_eq!(first.until, at(0));
        assert_eq!(first.until.duration_since(first.since).as_hours(), 180 * 24);
        let turned = first.turned(Some("du_9".to_owned()));
        let next = Stretch::round(Some(&turned), Round::Disputes, at(500));
        assert_eq!(next.as_ref(), Some(&turned));
        let late = turned.round_behind(Round::Disputes, at(500));
        assert_eq!(late, Duration::from_secs(500 * MINUTE));
        let read = turned.turned(None);
        assert_eq!(Stretch::round(Some(&read), Round::Disputes, at(59)), None);
        assert_eq!(read.round_behind(Round::Disputes, at(59)), Duration::ZERO);
        let second = Stretch::round(Some(&read), Round::Disputes, at(60)).unwrap();
        assert_eq!(second.until, at(60));
    }
}
