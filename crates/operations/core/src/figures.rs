//! The money of days: how much was authorised, captured, voided and refunded, by currency.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use domain::{Currency, Money, Sums, Timestamp};
use jiff::ToSpan as _;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::filter::Invalid;
use crate::trend::Flow;

/// A day, in universal time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Day(Date);

impl Day {
    /// The day of a moment.
    #[must_use]
    pub fn of(at: Timestamp) -> Self {
        Self(at.to_zoned(TimeZone::UTC).date())
    }

    /// When it begins.
    #[must_use]
    pub fn begin(self) -> Timestamp {
        let begin = self.0.to_zoned(TimeZone::UTC);
        begin.map_or(Timestamp::MAX, |begin| begin.timestamp())
    }

    /// So many days before it.
    #[must_use]
    pub fn before(self, days: i32) -> Self {
        Self(self.0.saturating_sub(days.days()))
    }
}

impl fmt::Display for Day {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(out)
    }
}

impl FromStr for Day {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let day = Some(text).filter(|text| text.len() == 10);
        let day = day.and_then(|text| text.parse().ok()).map(Self);
        day.ok_or_else(|| "Write a day, such as 2026-11-24.".to_owned())
    }
}

/// Days one after the other, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Days {
    /// The first.
    pub from: Day,
    /// The last.
    pub to: Day,
}

impl Days {
    /// So many at once.
    pub const MOST: i32 = 31;
    /// So many if nobody says which.
    const USUAL: i32 = 14;

    /// One day.
    #[must_use]
    pub const fn only(day: Day) -> Self {
        Self { from: day, to: day }
    }

    /// As somebody wants them: to today, if the last is not given; two weeks, if the first is not.
    ///
    /// # Errors
    /// What is wrong, by the names `from` and `to`.
    pub fn read(from: Option<&str>, to: Option<&str>, today: Day) -> Result<Self, Vec<Invalid>> {
        let mut invalid = Vec::new();
        let mut refuse = |name: &str, why: String| {
            let name = name.to_owned();
            invalid.push(Invalid { name, why });
        };
        let mut day = |name, given: Option<&str>| match given.map(|text| text.trim().parse()) {
            Some(Ok(day)) => Some(day),
            Some(Err(why)) => {
                refuse(name, why);
                None
            }
            None => None,
        };
        let (first, last) = (day("from", from), day("to", to));
        let to = last.unwrap_or(today);
        let from = first.unwrap_or_else(|| to.before(Self::USUAL - 1));
        let days = Self { from, to };
        let count = days.count();
        // What is no day is told first.
        if invalid.is_empty() && count < 1 {
            let (name, why) = match last {
                Some(_) => ("to", "This is before the first day."),
                None => ("from", "This is after today."),
            };
            let (name, why) = (name.to_owned(), why.to_owned());
            invalid.push(Invalid { name, why });
        } else if invalid.is_empty() && count > Self::MOST {
            let most = Self::MOST;
            invalid.push(Invalid {
                name: "from".to_owned(),
                why: format!("These are {count} days; choose at most {most} at once."),
            });
        }
        if invalid.is_empty() {
            Ok(days)
        } else {
            Err(invalid)
        }
    }

    /// How many they are.
    #[must_use]
    pub fn count(self) -> i32 {
        let span = self.from.0.until(self.to.0);
        span.map_or(0, |span| span.get_days() + 1)
    }
}

/// `from 2026-11-11 to 2026-11-24`, `on 2026-11-24`.
impl fmt::Display for Days {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.from == self.to {
            return write!(out, "on {}", self.to);
        }
        write!(out, "from {} to {}", self.from, self.to)
    }
}

/// How much moved one way, and in how many movements.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sum {
    /// Minor units.
    pub minor: u64,
    /// Movements.
    pub movements: u64,
}

/// A sum for each way, in the order of [`Flow::ALL`].
pub type Ways = [Sum; 4];

/// The money of days.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Figures(BTreeMap<(Day, Currency), Ways>);

impl Figures {
    /// Adds what moved one way on a day.
    pub fn add(&mut self, day: Day, flow: Flow, currency: Currency, more: Sum) {
        let ways = self.0.entry((day, currency)).or_default();
        for (_, sum) in Flow::ALL.iter().zip(ways).filter(|(of, _)| **of == flow) {
            sum.minor = sum.minor.saturating_add(more.minor);
            sum.movements += more.movements;
        }
    }

    /// Whether nothing moved.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What moved on each day in each currency, the latest day first.
    pub fn rows(&self) -> impl Iterator<Item = (Day, Currency, &Ways)> {
        let mut rows: Vec<_> = self.0.iter().collect();
        rows.sort_by_key(|((day, currency), _)| (std::cmp::Reverse(*day), *currency));
        let rows = rows.into_iter();
        rows.map(|((day, currency), ways)| (*day, *currency, ways))
    }

    /// What moved on all of these days in each currency.
    #[must_use]
    pub fn totals(&self) -> BTreeMap<Currency, Ways> {
        let mut totals: BTreeMap<Currency, Ways> = BTreeMap::new();
        for ((_, currency), ways) in &self.0 {
            for (total, sum) in totals.entry(*currency).or_default().iter_mut().zip(ways) {
                total.minor = total.minor.saturating_add(sum.minor);
                total.movements += sum.movements;
            }
        }
        totals
    }

    /// The rows for a spreadsheet: codes and numbers only, with a minus before a net that is one.
    #[must_use]
    pub fn csv(&self) -> String {
        let ways: Vec<&str> = Flow::ALL.iter().map(|flow| flow.as_str()).collect();
        let lines = self.rows().map(|(day, currency, ways)| {
            let amounts = amounts(ways, currency).join(",");
            format!("{day},{currency},{amounts}\r\n")
        });
        let heads = format!("day,currency,{},net\r\n", ways.join(","));
        std::iter::once(heads).chain(lines).collect()
    }
}

/// How much moved each way, and the net: what was captured and not refunded.
#[must_use]
pub fn amounts(ways: &Ways, currency: Currency) -> [String; 5] {
    let [authorized, captured, voided, refunded] = ways.map(|sum| sum.minor);
    let net = match captured.checked_sub(refunded) {
        Some(net) => decimal(net, currency),
        None => format!("-{}", decimal(refunded - captured, currency)),
    };
    let [authorized, captured, voided, refunded] =
        [authorized, captured, voided, refunded].map(|minor| decimal(minor, currency));
    [authorized, captured, voided, refunded, net]
}

/// So many minor units, which may be more than any [`Money`], as a decimal number.
pub(crate) fn decimal(minor: u64, currency: Currency) -> String {
    let mut sum = Sums::default();
    sum.add_minor(minor, currency);
    sum.amount_in(currency)
}

impl From<Money> for Sum {
    fn from(money: Money) -> Self {
        Self {
            minor: money.minor(),
            movements: 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> Day {
        text.parse().expect("a day")
    }

    fn currency(code: &str) -> Currency {
        code.parse().expect("a currency")
    }

    #[test]
    fn days_are_universal_and_read_back() {
        let at: Timestamp = "2026-11-24T23:59:59.999Z".parse().expect("a time");
        assert_eq!(Day::of(at), day("2026-11-24"));
        assert_eq!(
            day("2026-11-24").begin().to_string(),
            "2026-11-24T00:00:00Z"
        );
        assert_eq!(day("2026-03-01").before(1).to_string(), "2026-02-28");
        for nonsense in [
            "",
            "2026-11-31",
            "20261124",
            "2026-11-24T10:00Z",
            "24.11.2026",
        ] {
            assert!(nonsense.parse::<Day>().is_err(), "{nonsense}");
        }
    }

    #[test]
    fn two_weeks_to_today_are_meant_if_nobody_says_so() {
        let today = day("2026-11-24");
        let read = |from, to| Days::read(from, to, today).expect("days").to_string();
        assert_eq!(read(None, None), "from 2026-11-11 to 2026-11-24");
        assert_eq!(
            read(None, Some("2026-11-02")),
            "from 2026-10-20 to 2026-11-02"
        );
        assert_eq!(read(Some("2026-11-24"), None), "on 2026-11-24");
        let longest = read(Some("2026-10-01"), Some("2026-10-31"));
        assert_eq!(longest, "from 2026-10-01 to 2026-10-31");
    }

    #[test]
    fn what_is_wrong_with_days_is_told_by_its_name() {
        let today = day("2026-11-24");
        for (from, to, expected) in [
            (Some("soon"), None, vec!["from"]),
            (Some("soon"), Some("2026-02-30"), vec!["from", "to"]),
            (Some("2026-11-03"), Some("2026-11-02"), vec!["to"]),
            (Some("2026-11-25"), None, vec!["from"]),
            (Some("2026-10-01"), Some("2026-11-01"), vec!["from"]),
        ] {
            let invalid = Days::read(from, to, today).expect_err("invalid");
            let names: Vec<&str> = invalid.iter().map(|of| of.name.as_str()).collect();
            assert_eq!(names, expected, "{from:?} {to:?}");
        }
    }

    #[test]
    fn the_net_is_what_was_captured_and_not_refunded_also_below_nothing() {
        let mut figures = Figures::default();
        let mut add = |on: &str, flow, code: &str, minor| {
            let more = Sum {
                minor,
                movements: 1,
            };
            figures.add(day(on), flow, currency(code), more);
        };
        add("2026-11-23", Flow::Captured, "USD", 1299);
        add("2026-11-23", Flow::Captured, "USD", 1);
        add("2026-11-24", Flow::Refunded, "USD", 500);
        add("2026-11-24", Flow::Authorized, "JPY", 1500);
        add("2026-11-24", Flow::Voided, "KWD", 1250);
        assert_eq!(
            figures.csv(),
            "day,currency,authorized,captured,voided,refunded,net\r\n\
             2026-11-24,JPY,1500,0,0,0,0\r\n\
             2026-11-24,KWD,0.000,0.000,1.250,0.000,0.000\r\n\
             2026-11-24,USD,0.00,0.00,0.00,5.00,-5.00\r\n\
             2026-11-23,USD,0.00,13.00,0.00,0.00,13.00\r\n"
        );
        let usd = figures.totals()[&currency("USD")];
        assert_eq!(
            amounts(&usd, currency("USD")),
            ["0.00", "13.00", "0.00", "5.00", "8.00"]
        );
        assert_eq!(usd[1].movements, 2);
    }
}
