//! How orders did over the last hours: counters of a quarter of an hour each, which the monitor adds to as it sees
//! orders get on, and what is drawn of them.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use domain::{Class, Currency, Money, Status, Sums, Timestamp, words};

use crate::process::ProcessState;

/// How long a counter counts.
pub const SPAN: Duration = Duration::from_mins(15);

/// Upper ends of the bins that durations are counted in, in milliseconds; the last bin has none.
const BINS_MS: [u64; 18] = [
    50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 60_000, 120_000, 300_000, 600_000,
    1_800_000, 3_600_000, 14_400_000, 43_200_000, 86_400_000,
];

words! {
    /// Which way money moved.
    pub enum Flow {
        /// It was held.
        Authorized = "authorized",
        /// It was taken.
        Captured = "captured",
        /// It was let go before it was taken.
        Voided = "voided",
        /// It was given back after it was taken.
        Refunded = "refunded",
    }
}

/// What is counted. Each has a name that it is kept under.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Counter {
    /// Orders that were accepted.
    Received,
    /// Orders that have ended like this.
    Ended(Status),
    /// Orders that were reversed, by who can mend it.
    Reversed(Class),
    /// Orders that were in this state for so long, by the number of the bin; see [`Counter::took`].
    Took(ProcessState, usize),
    /// Minor units of this currency that moved this way.
    Money(Flow, Currency),
}

impl Counter {
    /// An order was in this state for so long.
    #[must_use]
    pub fn took(state: ProcessState, took: Duration) -> Self {
        let ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        let bin = BINS_MS.iter().position(|end| ms <= *end);
        Self::Took(state, bin.unwrap_or(BINS_MS.len()))
    }

    /// The counter with this name. `None` if there is none: another version may count more.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        let mut parts = name.split('.');
        match (parts.next()?, parts.next(), parts.next()) {
            ("received", None, None) => Some(Self::Received),
            ("ended", Some(word), None) => Status::from_word(word).map(Self::Ended),
            ("reversed", Some(word), None) => Class::from_word(word).map(Self::Reversed),
            ("took", Some(state), Some(bin)) => {
                let bin = bin.parse().ok().filter(|bin| *bin <= BINS_MS.len());
                let pair = ProcessState::from_word(state).zip(bin);
                pair.map(|(state, bin)| Self::Took(state, bin))
            }
            ("money", Some(flow), Some(code)) => {
                let pair = Flow::from_word(flow).zip(code.parse().ok());
                pair.map(|(flow, currency)| Self::Money(flow, currency))
            }
            _ => None,
        }
    }
}

/// The name that it is kept under: letters, digits, `_` and `.`.
impl fmt::Display for Counter {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Received => out.write_str("received"),
            Self::Ended(status) => write!(out, "ended.{status}"),
            Self::Reversed(class) => write!(out, "reversed.{class}"),
            Self::Took(state, bin) => write!(out, "took.{state}.{bin}"),
            Self::Money(flow, currency) => write!(out, "money.{flow}.{currency}"),
        }
    }
}

/// What is added to a counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Increment {
    /// To which.
    pub counter: Counter,
    /// How much.
    pub by: u64,
}

impl Increment {
    /// One order more.
    #[must_use]
    pub const fn one(counter: Counter) -> Self {
        Self { counter, by: 1 }
    }

    /// So much money moved this way.
    #[must_use]
    pub fn money(flow: Flow, money: Money) -> Self {
        Self {
            counter: Counter::Money(flow, money.currency()),
            by: money.minor(),
        }
    }
}

/// The counters of one span.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counted {
    /// When the span began.
    pub from: Timestamp,
    /// How much.
    pub values: BTreeMap<Counter, u64>,
}

impl Counted {
    /// A counter's value.
    #[must_use]
    pub fn of(&self, counter: Counter) -> u64 {
        self.values.get(&counter).copied().unwrap_or(0)
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

/// The money of these spans that moved this way.
#[must_use]
pub fn money(spans: &[Counted], wanted: Flow) -> Sums {
    let mut sums = Sums::default();
    for (counter, minor) in spans.iter().flat_map(|span| &span.values) {
        if let Counter::Money(flow, currency) = counter
            && *flow == wanted
        {
            sums.add_minor(*minor, *currency);
        }
    }
    sums
}

/// How long half of the orders, and nineteen of twenty, were in this state at most. `None` if none was. Between
/// the ends of a bin it is interpolated, so that it is right to within the bin.
#[must_use]
pub fn took(spans: &[Counted], state: ProcessState) -> Option<[Duration; 2]> {
    let mut bins = [0_u64; BINS_MS.len() + 1];
    for (bin, count) in bins.iter_mut().enumerate() {
        let counter = Counter::Took(state, bin);
        *count = spans.iter().map(|span| span.of(counter)).sum();
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
        Counted {
            from: at(0),
            values: values.iter().copied().collect(),
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
        let took_ms = |ms| Counter::took(ProcessState::ShipOrder, Duration::from_millis(ms));
        let spans = [span(&[(took_ms(400), 10)]), span(&[(took_ms(7_000), 1)])];
        let [median, slow] = took(&spans, ProcessState::ShipOrder).expect("some");
        assert!(median > Duration::from_millis(200) && median <= Duration::from_millis(500));
        assert!(slow > Duration::from_secs(5) && slow <= Duration::from_secs(10));
        assert_eq!(took(&spans, ProcessState::ChargePayment), None);
        let endless = [span(&[(took_ms(u64::MAX), 1)])];
        let day = Duration::from_hours(24);
        assert_eq!(took(&endless, ProcessState::ShipOrder), Some([day, day]));
    }

    #[test]
    fn money_is_summed_by_currency_and_kind() {
        let [usd, jpy] = ["USD", "JPY"].map(|code| code.parse::<Currency>().expect("a currency"));
        let spans = [
            span(&[
                (Counter::Money(Flow::Captured, usd), 1299),
                (Counter::Money(Flow::Refunded, jpy), 1500),
            ]),
            span(&[(Counter::Money(Flow::Captured, usd), 1)]),
        ];
        let texts = |flow| money(&spans, flow).texts();
        assert_eq!(texts(Flow::Authorized), Vec::<String>::new());
        assert_eq!(texts(Flow::Captured), ["13.00 USD"]);
        assert_eq!(texts(Flow::Refunded), ["1500 JPY"]);
    }

    #[test]
    fn every_counter_reads_back_and_what_another_version_counts_is_left_out() {
        let usd = "USD".parse().expect("a currency");
        for counter in [
            Counter::Received,
            Counter::Ended(Status::Completed),
            Counter::Reversed(Class::System),
            Counter::took(ProcessState::ShipOrder, Duration::from_secs(1)),
            Counter::Money(Flow::Voided, usd),
        ] {
            assert_eq!(Counter::from_name(&counter.to_string()), Some(counter));
        }
        for name in [
            "",
            "returned",
            "ended.lost",
            "took.ShipOrder.99",
            "money.captured.XXX",
        ] {
            assert_eq!(Counter::from_name(name), None, "{name}");
        }
    }
}
