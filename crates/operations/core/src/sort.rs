//! The order of rows, and where an order is among them.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use domain::{Currency, OrderId, Timestamp, words};

use crate::filter::shown;
use crate::projection::Projection;

words! {
    /// What rows can be sorted by.
    pub enum SortBy {
        /// When the order was received.
        Received = "received",
        /// Since when it is in its state, or over.
        Since = "since",
        /// What it is worth; currencies are not mixed.
        Amount = "amount",
        /// When it gets worse; those that have no deadline come last.
        Deadline = "deadline",
    }
}

/// The order of rows: `received`, or `-received` for the latest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sort {
    /// By what.
    pub by: SortBy,
    /// The largest or latest first.
    pub descending: bool,
}

/// The latest first.
impl Default for Sort {
    fn default() -> Self {
        Self {
            by: SortBy::Received,
            descending: true,
        }
    }
}

impl fmt::Display for Sort {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.descending { "-" } else { "" };
        write!(out, "{sign}{}", self.by)
    }
}

impl FromStr for Sort {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let (word, descending) = match text.strip_prefix('-') {
            Some(word) => (word, true),
            None => (text, false),
        };
        let by = SortBy::from_word(word).ok_or_else(|| {
            let words: Vec<&str> = SortBy::ALL.iter().map(|by| by.as_str()).collect();
            format!(
                "There is no order “{}”; there are {}, each with - before it for the opposite.",
                shown(text),
                words.join(", ")
            )
        })?;
        Ok(Self { by, descending })
    }
}

/// Where an order is among sorted ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    currency: Option<Currency>,
    value: Option<i64>,
    order_id: OrderId,
}

impl fmt::Display for Place {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let currency = self.currency.map_or("", Currency::code);
        let value = self.value.map(|value| value.to_string());
        let value = value.unwrap_or_default();
        write!(out, "{currency}.{value}.{}", self.order_id)
    }
}

/// A text that is no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoPlace;

impl FromStr for Place {
    type Err = NoPlace;
    fn from_str(text: &str) -> Result<Self, NoPlace> {
        fn some<T: FromStr>(text: &str) -> Result<Option<T>, NoPlace> {
            let full = Some(text).filter(|text| !text.is_empty());
            full.map(|text| text.parse().map_err(|_| NoPlace))
                .transpose()
        }
        let mut parts = text.splitn(3, '.');
        let mut part = || parts.next().ok_or(NoPlace);
        Ok(Self {
            currency: some(part()?)?,
            value: some(part()?)?,
            order_id: part()?.parse().map_err(|_| NoPlace)?,
        })
    }
}

impl Sort {
    /// Where an order is among those that are sorted like this.
    #[must_use]
    pub fn place(self, order: &Projection) -> Place {
        let value = match self.by {
            SortBy::Received => Some(order.received_at.as_millisecond()),
            SortBy::Since => Some(order.since.as_millisecond()),
            SortBy::Amount => i64::try_from(order.total.minor()).ok(),
            SortBy::Deadline => order.deadline.map(Timestamp::as_millisecond),
        };
        let currency = (self.by == SortBy::Amount).then(|| order.total.currency());
        Place {
            currency,
            value,
            order_id: order.order_id.clone(),
        }
    }

    /// Which of two places comes first.
    #[must_use]
    pub fn compare(self, one: &Place, other: &Place) -> Ordering {
        let values = match (one.value, other.value) {
            (Some(one), Some(other)) if self.descending => other.cmp(&one),
            (Some(one), Some(other)) => one.cmp(&other),
            // None comes last either way.
            (one, other) => other.is_some().cmp(&one.is_some()),
        };
        let currencies = one.currency.cmp(&other.currency);
        currencies
            .then(values)
            .then_with(|| one.order_id.cmp(&other.order_id))
    }

    /// Sorts orders.
    pub fn sort(self, orders: &mut [Projection]) {
        orders.sort_by(|one, other| self.compare(&self.place(one), &self.place(other)));
    }

    /// Whether orders that are over are looked for from the first that ended.
    #[must_use]
    pub fn is_oldest_first(self) -> bool {
        match self.by {
            SortBy::Received | SortBy::Since => !self.descending,
            SortBy::Amount | SortBy::Deadline => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use domain::Money;

    use super::*;
    use crate::fixtures::{at, projection};

    #[test]
    fn rows_are_sorted_by_each_word_both_ways() {
        let mut orders: Vec<Projection> = (0..3).map(projection).collect();
        let usd = |minor| Money::new(minor, orders[0].total.currency()).expect("money");
        let (two, three) = (usd(900), usd(2000));
        orders[1].total = two;
        orders[2].total = three;
        orders[0].since = at(50);
        orders[1].deadline = Some(at(10));
        orders[2].deadline = Some(at(5));
        for (word, expected) in [
            ("received", ["0", "1", "2"]),
            ("-received", ["2", "1", "0"]),
            ("since", ["1", "2", "0"]),
            ("-since", ["0", "2", "1"]),
            ("amount", ["1", "0", "2"]),
            ("-amount", ["2", "0", "1"]),
            ("deadline", ["2", "1", "0"]),
            ("-deadline", ["1", "2", "0"]),
        ] {
            let sort: Sort = word.parse().expect("an order");
            assert_eq!(sort.to_string(), word);
            sort.sort(&mut orders);
            let sorted: Vec<&str> = orders
                .iter()
                .map(|order| order.order_id.as_str().trim_start_matches("ord-00"))
                .collect();
            assert_eq!(sorted, expected, "{word}");
            orders.sort_by_key(|order| order.received_at);
        }
        for nonsense in ["", "-", "worth", "--amount", "Amount"] {
            assert!(nonsense.parse::<Sort>().is_err(), "{nonsense}");
        }
        orders[0].total = Money::new(1, "EUR".parse().expect("a currency")).expect("money");
        let sort: Sort = "-amount".parse().expect("an order");
        sort.sort(&mut orders);
        assert_eq!(
            orders[0].total.currency().code(),
            "EUR",
            "one currency after the other"
        );
    }

    #[test]
    fn a_place_reads_back() {
        for word in ["-received", "amount", "deadline"] {
            let sort: Sort = word.parse().expect("an order");
            let place = sort.place(&projection(1));
            assert_eq!(place.to_string().parse(), Ok(place), "{word}");
        }
        for nonsense in ["", "1.2", "USD.x.ord-1", "usd.1.ord-1", "..", "...ord-1"] {
            assert_eq!(nonsense.parse::<Place>(), Err(NoPlace), "{nonsense}");
        }
    }
}
