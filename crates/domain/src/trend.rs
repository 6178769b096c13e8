//! How orders did over the last hours: counters of a quarter of an hour each, which the monitor adds to as it sees
//! orders get on, and what is drawn of them.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use crate::board::Sums;
use crate::watch::Place;
use crate::{Class, Currency, Status};

/// How long a counter counts.
pub const SPAN: Duration = Duration::from_mins(15);

/// Upper ends of the bins that durations are counted in, in milliseconds; the last bin has none.
const BINS_MS: [u64; 18] = [
    50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 60_000, 120_000, 300_000, 600_000,
    1_800_000, 3_600_000, 14_400_000, 43_200_000, 86_400_000,
];

/// What is counted. Each has a name that it is kept under.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Counter {
    /// Orders that were accepted.
    Received,
    /// Orders that have ended like this.
    Ended(Status),
    /// Orders that were reversed, by who can mend it.
    Reversed(Class),
    /// An order was in this state for so long.
    Took(Place, Duration),
    /// Money that was held.
    Authorized(Currency),
    /// Money that was taken.
    Captured(Currency),
    /// Money that was let go or given back.
    GivenBack(Currency),
}

impl Counter {
    /// The name that it is kept under: letters, digits, `_` and `.`.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Received => "received".to_owned(),
            Self::Ended(status) => format!("ended.{}", status.as_str()),
            Self::Reversed(class) => format!("reversed.{}", class.as_str()),
            Self::Took(place, took) => {
                let ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
                let bin = BINS_MS.iter().position(|end| ms <= *end);
                format!("took.{}.{}", place.as_str(), bin.unwrap_or(BINS_MS.len()))
            }
            Self::Authorized(currency) => format!("authorized.{currency}"),
            Self::Captured(currency) => format!("captured.{currency}"),
            Self::GivenBack(currency) => format!("given_back.{currency}"),
        }
    }
}

/// The counters of one span, by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counted {
    /// When the span began.
    pub from: Timestamp,
    /// How much.
    pub values: BTreeMap<String, u64>,
}

impl Counted {
    /// A counter's value.
    #[must_use]
    pub fn of(&self, counter: &Counter) -> u64 {
        self.values.get(&counter.name()).copied().unwrap_or(0)
    }
}

/// When the span of `at` began.
#[must_use]
pub fn span_of(at: Timestamp) -> Timestamp {
    let span = i64::try_from(SPAN.as_secs()).unwrap_or(1);
    Timestamp::from_second(at.as_second().div_euclid(span) * span).unwrap_or(at)
}

/// When the day of `at` began, in UTC.
#[must_use]
pub fn day_of(at: Timestamp) -> Timestamp {
    const DAY: i64 = 24 * 3600;
    Timestamp::from_second(at.as_second().div_euclid(DAY) * DAY).unwrap_or(at)
}

/// The money of these spans: what was authorised, captured and given back.
#[must_use]
pub fn money(spans: &[Counted]) -> [Sums; 3] {
    ["authorized", "captured", "given_back"].map(|what| {
        let mut sums = Sums::default();
        for (name, minor) in spans.iter().flat_map(|span| &span.values) {
            if let Some((of, code)) = name.split_once('.')
                && of == what
                && let Ok(currency) = code.parse()
            {
                sums.add(*minor, currency);
            }
        }
        sums
    })
}

/// How long half of the orders, and nineteen of twenty, were in this state at most. `None` if none was. Between
/// the ends of a bin it is interpolated, so that it is right to within the bin.
#[must_use]
pub fn took(spans: &[Counted], place: Place) -> Option<[Duration; 2]> {
    let mut bins = [0_u64; BINS_MS.len() + 1];
    for (bin, count) in bins.iter_mut().enumerate() {
        let name = format!("took.{}.{bin}", place.as_str());
        let values = spans.iter().filter_map(|span| span.values.get(&name));
        *count = values.sum();
    }
    let all: u64 = bins.iter().sum();
    (all > 0).then(|| [quantile(&bins, all, 50), quantile(&bins, all, 95)])
}

fn quantile(bins: &[u64], all: u64, percent: u64) -> Duration {
    let wanted = (all * percent).div_ceil(100).max(1);
    let mut below = 0;
    for (bin, count) in bins.iter().enumerate() {
        if below + count >= wanted {
            let from = if bin == 0 { 0 } else { BINS_MS[bin - 1] };
            let to = BINS_MS.get(bin).copied().unwrap_or(from);
            let part = (to - from) * (wanted - below) / (*count).max(1);
            return Duration::from_millis(from + part);
        }
        below += count;
    }
    Duration::ZERO
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("a time")
    }

    fn span(values: &[(Counter, u64)]) -> Counted {
        let values = values
            .iter()
            .map(|(counter, value)| (counter.name(), *value));
        Counted {
            from: at(0),
            values: values.collect(),
        }
    }

    #[test]
    fn spans_are_quarters_of_an_hour_and_days_are_utc() {
        assert_eq!(span_of(at(1_795_428_000 + 899)), at(1_795_428_000));
        assert_eq!(span_of(at(1_795_428_000 + 900)), at(1_795_428_900));
        assert_eq!(
            day_of(at(1_795_428_000)).to_string(),
            "2026-11-23T00:00:00Z"
        );
    }

    #[test]
    fn quantiles_are_right_to_within_their_bin() {
        let took_ms = |ms| Counter::Took(Place::ShipOrder, Duration::from_millis(ms));
        let spans = [span(&[(took_ms(400), 10)]), span(&[(took_ms(7_000), 1)])];
        let [median, slow] = took(&spans, Place::ShipOrder).expect("some");
        assert!(median > Duration::from_millis(200) && median <= Duration::from_millis(500));
        assert!(slow > Duration::from_secs(5) && slow <= Duration::from_secs(10));
        assert_eq!(took(&spans, Place::ChargePayment), None);
        let endless = [span(&[(took_ms(u64::MAX), 1)])];
        let day = Duration::from_hours(24);
        assert_eq!(took(&endless, Place::ShipOrder), Some([day, day]));
    }

    #[test]
    fn money_is_summed_by_currency_and_kind() {
        let [usd, jpy] = ["USD", "JPY"].map(|code| code.parse::<Currency>().expect("a currency"));
        let spans = [
            span(&[
                (Counter::Captured(usd), 1299),
                (Counter::GivenBack(jpy), 1500),
            ]),
            span(&[(Counter::Captured(usd), 1)]),
        ];
        let [authorized, captured, given_back] = money(&spans);
        assert_eq!(authorized.told(), Vec::<String>::new());
        assert_eq!(captured.told(), ["13.00 USD"]);
        assert_eq!(given_back.told(), ["1500 JPY"]);
    }
}
