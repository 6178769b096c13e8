//! How all orders stand at one moment: what needs a person, grouped by its cause; how many orders are where; and
//! for each of these numbers exactly the orders that it counts. One pure function, [`board`], of the monitor's
//! records.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::fmt::serde::timestamp::millisecond;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::advice::{Advice, Trouble};
use crate::watch::{Health, Place, Watch};
use crate::{Currency, ErrorName, Money, OrderId, Status};

/// Sums of money by currency, in minor units. A sum may be larger than any [`Money`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Sums(pub BTreeMap<String, u64>);

impl Sums {
    /// Adds so many minor units.
    pub fn add(&mut self, minor: u64, currency: Currency) {
        if minor > 0 {
            let sum = self.0.entry(currency.code().to_owned()).or_default();
            *sum = sum.saturating_add(minor);
        }
    }

    /// Adds an amount.
    pub fn add_money(&mut self, money: Money) {
        self.add(money.minor(), money.currency());
    }

    /// Each sum for people, by currency: `12.99 USD`.
    #[must_use]
    pub fn told(&self) -> Vec<String> {
        let told = |(code, minor): (&String, &u64)| match code.parse::<Currency>() {
            Ok(currency) => crate::money::told(*minor, currency),
            Err(_) => format!("{minor} {code}"),
        };
        self.0.iter().map(told).collect()
    }
}

/// How many orders are in one state of the process.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// As usual.
    pub on_track: usize,
    /// Longer than usual.
    pub at_risk: usize,
    /// Longer than they may be.
    pub overdue: usize,
    /// Of all these, those whose task waits for its next try.
    pub retrying: usize,
}

impl Counts {
    /// All of them.
    #[must_use]
    pub fn all(self) -> usize {
        self.on_track + self.at_risk + self.overdue
    }
}

/// What orders of one group have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Problem {
    /// They have this trouble.
    Trouble(Trouble),
    /// They were reversed because of a dependency or of us, with this error.
    Reversed(ErrorName),
}

impl Problem {
    /// What is to be known about it.
    #[must_use]
    pub const fn advice(self) -> Advice {
        match self {
            Self::Trouble(trouble) => trouble.advice(),
            Self::Reversed(error) => error.advice(),
        }
    }
}

/// Orders with the same problem, in the same step, with the same error and message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// The same for the same problem, from board to board.
    pub id: String,
    /// What it is.
    pub problem: Problem,
    /// The state of the process: where they are, or where they failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<Place>,
    /// The error behind it, in the catalogue's words or the platform's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// What the failure says, without what differs from order to order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// How many orders.
    pub count: usize,
    /// The customers' money that is held or in doubt.
    pub held: Sums,
    /// What the orders are worth.
    pub worth: Sums,
    /// Since when the first of them has the problem.
    #[serde(with = "millisecond::required")]
    pub first_seen: Timestamp,
    /// Since when the last of them has it.
    #[serde(with = "millisecond::required")]
    pub last_seen: Timestamp,
    /// When it gets worse for the first of them.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "millisecond::optional"
    )]
    pub deadline: Option<Timestamp>,
}

/// The numbers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Board {
    /// Names the lists that belong to these numbers.
    pub id: String,
    /// When the records were read.
    #[serde(with = "millisecond::required")]
    pub at: Timestamp,
    /// Orders that are not over.
    pub open: usize,
    /// By the state of the process that they are in.
    pub places: BTreeMap<Place, Counts>,
    /// By status.
    pub statuses: BTreeMap<Status, usize>,
    /// Open orders with a trouble, each once.
    pub troubled: usize,
    /// What needs a person, the most pressing first.
    pub groups: Vec<Group>,
    /// Orders that were reversed lately, and whether there are more than were read.
    pub reversed: usize,
    /// Whether more were reversed lately than these.
    pub more_reversed: bool,
}

/// The orders behind the numbers: each list by its name.
pub type Lists = BTreeMap<String, Vec<OrderId>>;

/// The name of the list of orders with a status that are not over.
#[must_use]
pub fn status_list(status: Status) -> String {
    format!("status.{}", status.as_str())
}

/// The name of the list of orders in a state of the process that do like this there.
#[must_use]
pub fn place_list(place: Place, health: Health) -> String {
    format!("place.{}.{}", place.as_str(), health.as_str())
}

/// The name of the list of all orders in a state of the process.
#[must_use]
pub fn step_list(place: Place) -> String {
    format!("place.{}.all", place.as_str())
}

/// The name of the list of orders that do like this, in whichever state of the process.
#[must_use]
pub fn health_list(health: Health) -> String {
    format!("health.{}", health.as_str())
}

/// The name of the list of orders whose task in this state waits for its next try.
#[must_use]
pub fn retrying_list(place: Place) -> String {
    format!("place.{}.retrying", place.as_str())
}

/// The name of the list of a group.
#[must_use]
pub fn group_list(id: &str) -> String {
    format!("group.{id}")
}

/// The name of the list of orders that wait for a review, the first deadline first.
pub const REVIEWS: &str = "reviews";
/// The name of the list of all open orders.
pub const OPEN: &str = "open";
/// The name of the list of open orders with any trouble.
pub const TROUBLED: &str = "troubled";

/// How the orders stand: `open` are the records of those that are not over, `reversed` of those that were
/// reversed lately because of a dependency or of us, of which there may be `more`.
#[must_use]
pub fn board(open: &[Watch], reversed: &[Watch], more: bool, now: Timestamp) -> (Board, Lists) {
    let mut lists = Lists::new();
    let mut groups: BTreeMap<Key, (Group, Vec<OrderId>)> = BTreeMap::new();
    let mut places: BTreeMap<Place, Counts> = BTreeMap::new();
    let mut statuses: BTreeMap<Status, usize> = BTreeMap::new();
    let mut troubled = 0;
    // The longest first, in every list.
    let mut sorted: Vec<&Watch> = open.iter().collect();
    sorted.sort_by_key(|watch| (watch.since, watch.order_id.clone()));
    for watch in &sorted {
        let order_id = &watch.order_id;
        let mut list = |name: String| lists.entry(name).or_default().push(order_id.clone());
        list(OPEN.to_owned());
        list(status_list(watch.status));
        *statuses.entry(watch.status).or_default() += 1;
        // Its execution has ended, so that it is not at work there: it is among the groups.
        let stopped = watch
            .execution
            .is_some_and(|execution| execution.status.has_ended());
        if let Some(place) = watch.place
            && !stopped
        {
            let counts = places.entry(place).or_default();
            match watch.health {
                Health::OnTrack => counts.on_track += 1,
                Health::AtRisk => counts.at_risk += 1,
                Health::Overdue => counts.overdue += 1,
            }
            list(place_list(place, watch.health));
            list(step_list(place));
            list(health_list(watch.health));
            if watch.retry.is_some() {
                counts.retrying += 1;
                list(retrying_list(place));
            }
            if place == Place::ReviewOrder {
                list(REVIEWS.to_owned());
            }
        }
        if !watch.troubles.is_empty() {
            troubled += 1;
            list(TROUBLED.to_owned());
        }
        for (trouble, since) in &watch.troubles {
            add(&mut groups, Problem::Trouble(*trouble), watch, *since);
        }
    }
    for watch in reversed {
        if let Some(error) = watch.error {
            add(&mut groups, Problem::Reversed(error), watch, watch.since);
        }
    }
    let mut found = Vec::with_capacity(groups.len());
    for (group, orders) in groups.into_values() {
        lists.insert(group_list(&group.id), orders);
        found.push(group);
    }
    // By kind of trouble, then the largest.
    found.sort_by_key(|group| (group.problem, std::cmp::Reverse(group.count)));
    let board = Board {
        id: board_id(&lists, now),
        at: now,
        open: open.len(),
        places,
        statuses,
        troubled,
        groups: found,
        reversed: reversed.len(),
        more_reversed: more,
    };
    (board, lists)
}

/// What is the same for all orders of a group.
type Key = (Problem, Option<Place>, Option<String>, Option<String>);

fn add(
    groups: &mut BTreeMap<Key, (Group, Vec<OrderId>)>,
    problem: Problem,
    watch: &Watch,
    since: Timestamp,
) {
    let (step, error, message) = match problem {
        Problem::Trouble(_) => {
            let retried = watch.retry.as_ref().map(|retry| retry.error.clone());
            let error = retried.or_else(|| watch.last_error.clone());
            let error = error.or_else(|| watch.error.map(|error| error.as_str().to_owned()));
            (watch.place, error, watch.message.clone())
        }
        Problem::Reversed(error) => (
            watch.failed_in,
            Some(error.as_str().to_owned()),
            watch.message.clone(),
        ),
    };
    let key = (problem, step, error.clone(), message.clone());
    let id = || group_id(problem, step, error.as_deref(), message.as_deref());
    let (group, orders) = groups.entry(key).or_insert_with(|| {
        let group = Group {
            id: id(),
            problem,
            step,
            error: error.clone(),
            message: message.clone(),
            count: 0,
            held: Sums::default(),
            worth: Sums::default(),
            first_seen: since,
            last_seen: since,
            deadline: None,
        };
        (group, Vec::new())
    });
    group.count += 1;
    group.held.add(watch.held, watch.total.currency());
    group.worth.add_money(watch.total);
    group.first_seen = group.first_seen.min(since);
    group.last_seen = group.last_seen.max(since);
    group.deadline = [group.deadline, watch.deadline].into_iter().flatten().min();
    orders.push(watch.order_id.clone());
}

fn group_id(
    problem: Problem,
    step: Option<Place>,
    error: Option<&str>,
    message: Option<&str>,
) -> String {
    let mut hasher = Sha256::new();
    let problem = match problem {
        Problem::Trouble(trouble) => trouble.as_str(),
        Problem::Reversed(error) => error.as_str(),
    };
    let step = step.map_or("-", Place::as_str);
    for part in [problem, step, error.unwrap_or("-"), message.unwrap_or("-")] {
        hasher.update(part.as_bytes());
        hasher.update([0]);
    }
    short(hasher)
}

/// The same orders in the same lists have the same id, so that nothing is written anew while nothing changes.
fn board_id(lists: &Lists, now: Timestamp) -> String {
    let mut hasher = Sha256::new();
    for (name, orders) in lists {
        hasher.update(name.as_bytes());
        for order in orders {
            hasher.update([0]);
            hasher.update(order.as_str().as_bytes());
        }
        hasher.update([1]);
    }
    // What is written expires, so that an id is not good for ever.
    let hours = now.as_second() / 3600;
    hasher.update(hours.to_be_bytes());
    short(hasher)
}

/// A name for what was hashed: 16 hexadecimal digits.
pub(crate) fn short(hasher: Sha256) -> String {
    let digest = hasher.finalize();
    let first = digest.iter().take(8);
    let number = first.fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    format!("{number:016x}")
}

/// The event that asks the monitor for a new board, by its `detail-type`.
pub const REQUESTED: &str = "Board Requested";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{at, watch};
    use crate::watch::Retry;

    fn troubled(number: u32, place: Place, trouble: Trouble, error: &str) -> Watch {
        let mut watch = watch(number);
        watch.place = Some(place);
        watch.last_error = Some(error.to_owned());
        watch.held = 1000;
        watch.troubles.insert(trouble, at(i64::from(number)));
        watch
    }

    #[test]
    fn every_number_has_exactly_its_orders() {
        let mut orders: Vec<Watch> = (0..9).map(watch).collect();
        orders[1].health = Health::AtRisk;
        orders[2].health = Health::Overdue;
        orders[2].retry = Some(Retry {
            place: Place::ValidateOrder,
            failed: 4,
            of: 16,
            error: "StoreUnavailable".to_owned(),
            next_by: at(99),
        });
        orders[3].place = Some(Place::ReviewOrder);
        orders[3].status = Status::InReview;
        orders[4] = troubled(
            4,
            Place::ShipOrder,
            Trouble::Unfinished,
            "CarrierUnavailable",
        );
        let (board, lists) = board(&orders, &[], false, at(100));
        assert_eq!(board.open, 9);
        let listed = |name: &str| lists.get(name).map_or(0, Vec::len);
        for (place, counts) in &board.places {
            assert_eq!(
                listed(&place_list(*place, Health::OnTrack)),
                counts.on_track
            );
            assert_eq!(listed(&place_list(*place, Health::AtRisk)), counts.at_risk);
            assert_eq!(listed(&place_list(*place, Health::Overdue)), counts.overdue);
            assert_eq!(listed(&retrying_list(*place)), counts.retrying);
            assert_eq!(listed(&step_list(*place)), counts.all());
        }
        for (status, count) in &board.statuses {
            assert_eq!(listed(&status_list(*status)), *count);
        }
        for group in &board.groups {
            assert_eq!(listed(&group_list(&group.id)), group.count);
        }
        let healthy = listed(&health_list(Health::OnTrack));
        assert_eq!((healthy, listed(OPEN)), (7, 9));
        assert_eq!(
            (board.troubled, listed(TROUBLED), listed(REVIEWS)),
            (1, 1, 1)
        );
        assert_eq!(board.statuses.values().sum::<usize>(), 9);
    }

    #[test]
    fn a_group_is_one_problem_in_one_step_with_one_error_and_one_message() {
        let unfinished = |number, place, error| troubled(number, place, Trouble::Unfinished, error);
        let mut orders = vec![
            unfinished(1, Place::CancelShipment, "CarrierUnavailable"),
            unfinished(2, Place::CancelShipment, "CarrierUnavailable"),
            unfinished(3, Place::CancelShipment, "Internal"),
            unfinished(4, Place::ReversePayment, "CarrierUnavailable"),
            troubled(
                5,
                Place::CancelShipment,
                Trouble::Overdue,
                "CarrierUnavailable",
            ),
        ];
        orders[1].deadline = Some(at(500));
        orders[0].deadline = Some(at(400));
        let mut reversed = watch(6);
        reversed.error = Some(ErrorName::PaymentUnavailable);
        reversed.failed_in = Some(Place::ChargePayment);
        let (first, _) = board(&orders, &[reversed], true, at(100));
        let counts: Vec<usize> = first.groups.iter().map(|group| group.count).collect();
        assert_eq!(counts, [2, 1, 1, 1, 1], "{:?}", first.groups);
        let group = &first.groups[0];
        assert_eq!(group.held.told(), ["20.00 USD"]);
        assert_eq!((group.first_seen, group.last_seen), (at(1), at(2)));
        assert_eq!(group.deadline, Some(at(400)));
        let last = &first.groups[4];
        assert_eq!(
            last.problem,
            Problem::Reversed(ErrorName::PaymentUnavailable)
        );
        assert_eq!(last.step, Some(Place::ChargePayment));
        // The same group has the same id on the next board, whoever is in it.
        let (second, _) = board(&orders[1..2], &[], false, at(200));
        assert_eq!(second.groups[0].id, group.id);
        assert_ne!(second.id, first.id);
    }

    #[test]
    fn a_message_is_the_same_whatever_differs_from_order_to_order() {
        let normalised = crate::watch::normalised;
        assert_eq!(
            normalised("POSTER-01 costs 18.00 USD, not 1.80 USD"),
            "… costs … USD, not … USD"
        );
        assert_eq!(
            normalised("the carrier refuses the shipment: invalid_address"),
            "the carrier refuses the shipment: invalid_address"
        );
        assert_eq!(
            normalised("until 2026-11-24T10:00:00Z, then"),
            "until …, then"
        );
    }
}
