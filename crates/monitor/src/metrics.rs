//! Metrics in CloudWatch's embedded format: a line of the log, which CloudWatch turns into numbers.
//! <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>

use domain::{Money, Timestamp};
use serde::Serialize;
use serde_json::{Map, Value, json};

/// All our metrics are here.
pub const NAMESPACE: &str = "Orders";
/// The dimension that each of them has.
pub const ENVIRONMENT: &str = "Environment";

/// What a metric is counted in, in CloudWatch's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Unit {
    /// How often.
    Count,
    /// How long.
    Milliseconds,
    /// How long.
    Seconds,
    /// Minor units of a currency, which is a dimension: CloudWatch has no unit for money.
    None,
}

macro_rules! metrics {
    ($($(#[$doc:meta])* $name:ident: $unit:ident $(, by $dimension:literal)?;)*) => {
        /// Every metric.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Metric {
            $($(#[$doc])* $name,)*
        }

        impl Metric {
            /// The whole list.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// Its name in CloudWatch.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => stringify!($name)),* }
            }

            /// Its unit in CloudWatch.
            #[must_use]
            pub const fn unit(self) -> Unit {
                match self { $(Self::$name => Unit::$unit),* }
            }

            /// The one dimension that it has besides the environment, if it has one.
            #[must_use]
            pub const fn dimension(self) -> Option<&'static str> {
                match self { $(Self::$name => metrics!(@dimension $($dimension)?)),* }
            }
        }
    };
    (@dimension) => { None };
    (@dimension $dimension:literal) => { Some($dimension) };
}

metrics! {
    /// Orders that were accepted.
    OrdersReceived: Count;
    /// Orders that have ended, by how: `completed`, `rejected`, `cancelled`, `failed`.
    OrdersEnded: Count, by "Outcome";
    /// Orders that were reversed, by who can mend it: `customer`, `dependency`, `system`.
    OrdersReversed: Count, by "Class";
    /// From the door to the end, without the time that a person took to decide.
    OrderDuration: Milliseconds;
    /// What an order spent in a state of the process.
    StateDuration: Milliseconds, by "State";
    /// Tries of a task that failed and are followed by another.
    Retries: Count, by "State";
    /// Money that was held.
    MoneyAuthorized: None, by "Currency";
    /// Money that was taken.
    MoneyCaptured: None, by "Currency";
    /// Money that was let go or given back.
    MoneyReversed: None, by "Currency";
    /// Orders that have not ended.
    OpenOrders: Count;
    /// How long the oldest of them is under way.
    OldestOpenOrder: Seconds;
    /// Orders that are in a state for longer than usual.
    AtRisk: Count;
    /// Orders that are in a state for longer than its limit.
    Overdue: Count;
    /// Orders whose task waits for its next try.
    Retrying: Count;
    /// Orders whose task has been failing for minutes, and is still tried.
    KeepsFailing: Count;
    /// Orders that wait for a person's decision.
    ReviewsWaiting: Count;
    /// Orders that somebody has to do something about.
    NeedsAttention: Count;
    /// Incidents of open orders by their cause, as on the page and in notices.
    OrdersByCause: Count, by "Cause";
    /// Orders of which nobody knows whether an effect happened.
    UnknownOutcomes: Count;
    /// What a provider holds and no order's ledger accounts for.
    Orphans: Count;
    /// What is in a provider's books that this version cannot read.
    UnreadablePostings: Count;
    /// For how long something of the providers' books has been due to be read, at the most.
    BooksBehind: Seconds;
    /// What the monitor has repaired.
    Repairs: Count;
    /// Orders that were due to be reconciled and have to wait for the next sweep.
    ReconciliationsPostponed: Count;
    /// Open orders whose projection another version wrote, so that this one cannot read it.
    UnreadableProjections: Count;
    /// Causes that the operators' webhook was not told of, though it was time.
    NoticesUndelivered: Count;
    /// Sweeps that have come to their end.
    Sweeps: Count;
    /// From a change to the event about it.
    EventLag: Milliseconds;
}

/// A value on its way to CloudWatch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Measured {
    /// Of what.
    pub metric: Metric,
    /// How many or how long.
    pub value: u64,
    /// The value of the metric's own dimension.
    pub of: Option<String>,
}

impl Measured {
    /// So much money, by its currency.
    #[must_use]
    pub fn money(metric: Metric, money: Money) -> Self {
        Self::of(metric, money.currency().code(), money.minor())
    }
}

impl Measured {
    /// A value of a metric that has no dimension of its own.
    #[must_use]
    pub fn plain(metric: Metric, value: u64) -> Self {
        Self {
            metric,
            value,
            of: None,
        }
    }

    /// A value of a metric that has one.
    #[must_use]
    pub fn of(metric: Metric, of: impl Into<String>, value: u64) -> Self {
        Self {
            metric,
            value,
            of: Some(of.into()),
        }
    }
}

/// Name and value of a metric's own dimension.
type Dimension<'a> = Option<(&'a str, &'a str)>;

/// The lines that say these values: one for each set of dimensions.
#[must_use]
pub fn lines(environment: &str, measured: &[Measured], now: Timestamp) -> Vec<Value> {
    let mut lines: Vec<(Dimension<'_>, Vec<&Measured>)> = Vec::new();
    for value in measured {
        let dimension = value.metric.dimension().zip(value.of.as_deref());
        match lines.iter_mut().find(|(of, values)| {
            *of == dimension && values.iter().all(|other| other.metric != value.metric)
        }) {
            Some((_, values)) => values.push(value),
            None => lines.push((dimension, vec![value])),
        }
    }
    lines
        .into_iter()
        .map(|(dimension, values)| line(environment, dimension, &values, now))
        .collect()
}

fn line(
    environment: &str,
    dimension: Dimension<'_>,
    values: &[&Measured],
    now: Timestamp,
) -> Value {
    let mut names = vec![ENVIRONMENT];
    names.extend(dimension.map(|(name, _)| name));
    let metrics: Vec<Value> = values
        .iter()
        .map(|value| json!({"Name": value.metric.as_str(), "Unit": value.metric.unit()}))
        .collect();
    let mut line = Map::new();
    line.insert(
        "_aws".to_owned(),
        json!({"Timestamp": now.as_millisecond(), "CloudWatchMetrics": [
            {"Namespace": NAMESPACE, "Dimensions": [names], "Metrics": metrics}
        ]}),
    );
    line.insert(ENVIRONMENT.to_owned(), json!(environment));
    if let Some((name, value)) = dimension {
        line.insert(name.to_owned(), json!(value));
    }
    for value in values {
        line.insert(value.metric.as_str().to_owned(), json!(value.value));
    }
    Value::Object(line)
}

/// Puts a line of values into the log, as it is: `CloudWatch` knows nothing of what a log line of ours has around it.
#[expect(
    clippy::print_stdout,
    reason = "the format is a line on standard output"
)]
pub(crate) fn to_the_log(line: &Value) {
    println!("{line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_the_same_dimensions_share_a_line_and_every_value_is_in_one() {
        let now = Timestamp::from_millisecond(1_795_428_000_000).expect("a time");
        let measured = [
            Measured::plain(Metric::OpenOrders, 3),
            Measured::plain(Metric::Overdue, 1),
            Measured::of(Metric::StateDuration, "ShipOrder", 500),
            Measured::of(Metric::StateDuration, "ShipOrder", 700),
        ];
        let lines = lines("prod", &measured, now);
        assert_eq!(lines.len(), 3, "{lines:?}");
        assert_eq!(
            lines[0],
            json!({"_aws": {"Timestamp": 1_795_428_000_000_i64, "CloudWatchMetrics": [{
                "Namespace": "Orders", "Dimensions": [["Environment"]],
                "Metrics": [{"Name": "OpenOrders", "Unit": "Count"},
                    {"Name": "Overdue", "Unit": "Count"}]}]},
                "Environment": "prod", "OpenOrders": 3, "Overdue": 1})
        );
        assert_eq!(
            lines[1]["_aws"]["CloudWatchMetrics"][0]["Dimensions"],
            json!([["Environment", "State"]])
        );
        assert_eq!(lines[2]["StateDuration"], 700);
    }
}
