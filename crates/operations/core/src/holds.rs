//! The customers' money that is held now: for how long, and until when.

use std::time::Duration;

use domain::{Currency, Timestamp, words};
use serde::{Deserialize, Serialize};

use crate::figures::decimal;
use crate::process::HOUR;
use crate::projection::Projection;

const fn hours(hours: u64) -> Duration {
    Duration::from_secs(hours * HOUR)
}

words! {
    /// For how long an order's money has been held.
    pub enum HeldFor {
        /// Less than an hour.
        UnderAnHour = "under_1h",
        /// From an hour to a day.
        UnderADay = "under_24h",
        /// From a day to three.
        UnderThreeDays = "under_3d",
        /// Three days or longer.
        Longer = "over_3d",
    }
}

impl HeldFor {
    /// For how long this order's is. Of one that an earlier version wrote it is known since when it is where it is.
    #[must_use]
    pub fn of(order: &Projection, now: Timestamp) -> Self {
        let since = order.held_since.unwrap_or(order.since);
        [
            (hours(1), Self::UnderAnHour),
            (hours(24), Self::UnderADay),
            (hours(72), Self::UnderThreeDays),
        ]
        .into_iter()
        .find(|(most, _)| now < since + *most)
        .map_or(Self::Longer, |(_, held_for)| held_for)
    }
}

words! {
    /// When a hold is no longer relied on.
    pub enum Lapses {
        /// It is no longer: the bank may have let the money go.
        Now = "now",
        /// Within six hours.
        WithinSixHours = "within_6h",
        /// Later, within a day.
        WithinADay = "within_24h",
        /// Later, within three days.
        WithinThreeDays = "within_3d",
        /// Later than that.
        Later = "later",
        /// The money was taken and is to be given back: nothing lapses.
        Never = "never",
    }
}

impl Lapses {
    /// When this order's does.
    #[must_use]
    pub fn of(order: &Projection, now: Timestamp) -> Self {
        let Some(until) = order.held_until else {
            return Self::Never;
        };
        [
            (hours(0), Self::Now),
            (hours(6), Self::WithinSixHours),
            (hours(24), Self::WithinADay),
            (hours(72), Self::WithinThreeDays),
        ]
        .into_iter()
        .find(|(most, _)| until <= now + *most)
        .map_or(Self::Later, |(_, lapses)| lapses)
    }
}

/// Orders whose money is held, of one currency, with one thing in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held<By> {
    /// What they have in common.
    pub by: By,
    /// The currency.
    pub currency: Currency,
    /// How many orders.
    pub orders: usize,
    /// How much, in minor units.
    pub minor: u64,
}

impl<By> Held<By> {
    /// How much, as a decimal number: `12.99`.
    #[must_use]
    pub fn amount(&self) -> String {
        decimal(self.minor, self.currency)
    }
}

impl<By: Copy + Ord> Held<By> {
    /// Counts an order among those that it belongs to; they are kept sorted.
    pub(crate) fn count(all: &mut Vec<Self>, by: By, order: &Projection) {
        let currency = order.held.currency();
        let found = all.binary_search_by_key(&(by, currency), |held| (held.by, held.currency));
        let place = found.unwrap_or_else(|place| {
            let (orders, minor) = (0, 0);
            all.insert(
                place,
                Self {
                    by,
                    currency,
                    orders,
                    minor,
                },
            );
            place
        });
        if let Some(held) = all.get_mut(place) {
            held.orders += 1;
            held.minor = held.minor.saturating_add(order.held.minor());
        }
    }

    /// How many orders have this in common.
    pub(crate) fn orders(all: &[Self], by: By, currency: Currency) -> usize {
        let mut all = all.iter();
        all.find(|held| held.by == by && held.currency == currency)
            .map_or(0, |held| held.orders)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{at, projection};

    #[test]
    fn a_hold_moves_on_at_each_limit() {
        let mut order = projection(0);
        order.held = order.total;
        order.held_since = Some(at(0));
        let until = at(400_000);
        order.held_until = Some(until);
        let hour = 3600;
        for (second, held_for) in [
            (hour - 1, HeldFor::UnderAnHour),
            (hour, HeldFor::UnderADay),
            (24 * hour, HeldFor::UnderThreeDays),
            (72 * hour, HeldFor::Longer),
        ] {
            assert_eq!(HeldFor::of(&order, at(second)), held_for, "{second}");
        }
        for (left_s, lapses) in [
            (0, Lapses::Now),
            (1, Lapses::WithinSixHours),
            (6 * hour, Lapses::WithinSixHours),
            (6 * hour + 1, Lapses::WithinADay),
            (24 * hour + 1, Lapses::WithinThreeDays),
            (72 * hour + 1, Lapses::Later),
        ] {
            assert_eq!(Lapses::of(&order, at(400_000 - left_s)), lapses, "{left_s}");
        }
        order.held_until = None;
        assert_eq!(Lapses::of(&order, at(0)), Lapses::Never);
    }
}
