//! What goes wrong, and when.

use std::collections::{BTreeMap, BTreeSet};

use clap::ValueEnum;

use crate::dice::Dice;

/// A kind of thing that happens in a year and that shops would rather not have. `--without` leaves one out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, ValueEnum)]
pub enum Fault {
    /// A function ends in the middle of its work.
    Crash,
    /// A request to AWS or a provider never arrives.
    LostRequest,
    /// It arrives, and its answer does not.
    LostAnswer,
    /// It is given up, and arrives later.
    Late,
    /// AWS says that it is asked too often.
    Throttled,
    /// A provider, or the mail service, cannot be reached for a moment.
    Unavailable,
    /// A provider cannot be reached for hours.
    Outage,
    /// A function is called twice for one try.
    Twice,
    /// The clock of a function's environment is wrong.
    Skew,
    /// An event for the monitor is late.
    EventLate,
    /// … comes again.
    EventTwice,
    /// … never comes.
    EventLost,
    /// The customer's bank says no.
    Declined,
    /// The carrier does not take the address.
    Refused,
    /// A label was used before it is voided.
    Used,
    /// A payment is disputed before it is given back.
    Disputed,
    /// A refund fails days after it succeeded.
    RefundFails,
    /// The customer changes their mind.
    Cancelled,
    /// The shop sends a document twice.
    SentTwice,
    /// Somebody stops an execution.
    Stopped,
    /// Nobody is at work for weeks, in which holds lapse and redrives become impossible.
    Neglected,
}

/// As `--without` takes it.
impl std::fmt::Display for Fault {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.to_possible_value() {
            Some(value) => out.write_str(value.get_name()),
            None => write!(out, "{self:?}"),
        }
    }
}

/// Hours in which something is away.
#[derive(Debug)]
pub(crate) struct Weather {
    outages: BTreeMap<&'static str, Vec<(i64, i64)>>,
}

const HOUR_MS: u64 = 3_600_000;
const DAY_MS: u64 = 24 * HOUR_MS;

/// What can be away, how many days lie between two times at the average, and how many hours it is at most.
const AWAY: [(&str, u64, u64); 5] = [
    ("payment", 14, 5),
    ("carrier", 12, 8),
    ("mail", 30, 6),
    // In which AWS is asked too often.
    ("dynamodb", 20, 2),
    ("states", 25, 3),
];

impl Weather {
    /// The weather of so many days.
    pub(crate) fn of(seed: u64, first_ms: i64, days: u64, without: &BTreeSet<Fault>) -> Self {
        let end_ms = first_ms + ms(days * DAY_MS);
        let mut outages = BTreeMap::new();
        for (what, every_days, longest_h) in AWAY {
            let mut dice = Dice::of(seed, ("weather", what));
            let mut all = Vec::new();
            let mut at = first_ms;
            while !without.contains(&Fault::Outage) {
                at += ms(dice.between(DAY_MS, 2 * every_days * DAY_MS));
                let until = at + ms(dice.between(HOUR_MS / 6, longest_h * HOUR_MS));
                if until >= end_ms {
                    break;
                }
                all.push((at, until));
                at = until;
            }
            outages.insert(what, all);
        }
        Self { outages }
    }

    /// Whether something is away.
    pub(crate) fn is_away(&self, what: &str, now_ms: i64) -> bool {
        let Some(all) = self.outages.get(what) else {
            return false;
        };
        let next = all.partition_point(|(from, _)| *from <= now_ms);
        next.checked_sub(1).is_some_and(|last| now_ms < all[last].1)
    }
}

/// Milliseconds as times have them.
pub(crate) fn ms(ms: u64) -> i64 {
    i64::try_from(ms).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_away_comes_back_before_the_year_is_over() {
        let none = BTreeSet::new();
        let weather = Weather::of(1, 0, 365, &none);
        for (what, _, _) in AWAY {
            assert!(weather.outages[what].len() > 3, "{what}");
            let (from, until) = weather.outages[what][0];
            assert!(!weather.is_away(what, from - 1));
            assert!(weather.is_away(what, from));
            assert!(!weather.is_away(what, until));
            assert!(!weather.is_away(what, ms(365 * DAY_MS)));
        }
        let fine = Weather::of(1, 0, 365, &[Fault::Outage].into());
        assert!(fine.outages["carrier"].is_empty());
    }
}
