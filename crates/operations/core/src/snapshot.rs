//! How all orders stand at one moment: what needs a person, grouped by its cause; how many orders are
//! where; and for each of these numbers exactly the orders that it counts. One pure function,
//! [`take`], of the projections of single orders.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use domain::{Currency, OrderId, Status, Sums, Timestamp};
use jiff::fmt::serde::timestamp::millisecond;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::cause::{Cause, Problem};
use crate::holds::{Held, HeldFor, Lapses};
use crate::incident::Incident;
use crate::process::{Health, ProcessState};
use crate::projection::Projection;
use crate::short;

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

    /// Those that do like this.
    #[must_use]
    pub fn of(self, health: Health) -> usize {
        match health {
            Health::OnTrack => self.on_track,
            Health::AtRisk => self.at_risk,
            Health::Overdue => self.overdue,
        }
    }
}

/// Orders with the same cause.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// What they have in common.
    #[serde(flatten)]
    pub cause: Cause,
    /// What their failures say, without what differs from order to order, and of how many orders.
    pub messages: BTreeMap<String, usize>,
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
    /// When it gets worse for the first of them. Of a task that keeps failing: when about the tries of the first
    /// of them are used up.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "millisecond::optional"
    )]
    pub deadline: Option<Timestamp>,
}

impl Group {
    /// Whether it is about a task that keeps failing: happening now, and nobody's work yet.
    #[must_use]
    pub fn is_happening(&self) -> bool {
        self.cause.problem == Problem::Incident(Incident::KeepsFailing)
    }

    /// What most of their failures say.
    #[must_use]
    pub fn message(&self) -> Option<&str> {
        let most = self.messages.iter().max_by_key(|(_, count)| **count);
        most.map(|(message, _)| message.as_str())
    }
}

/// The numbers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// Names the lists that belong to these numbers.
    pub id: String,
    /// When the projections were read.
    #[serde(with = "millisecond::required")]
    pub at: Timestamp,
    /// Orders that are not over.
    pub open: usize,
    /// By the state of the process that they are in.
    pub states: BTreeMap<ProcessState, Counts>,
    /// By status.
    pub statuses: BTreeMap<Status, usize>,
    /// Open orders with an incident that somebody has to do something about, each once.
    pub need_a_person: usize,
    /// The customers' money that these hold, or may hold: each order once, in however many groups it is.
    #[serde(default)]
    pub held: Sums,
    /// The customers' money that all open orders hold, or may hold, by for how long.
    #[serde(default)]
    pub held_for: Vec<Held<HeldFor>>,
    /// The same, by when the hold lapses.
    #[serde(default)]
    pub lapses: Vec<Held<Lapses>>,
    /// What needs a person, the most pressing first; tasks that keep failing, from the first try on; then what
    /// was reversed lately.
    pub groups: Vec<Group>,
    /// Orders that were reversed lately.
    pub reversed: usize,
    /// Whether more were reversed lately than these.
    pub more_reversed: bool,
}

/// Which orders of a snapshot: each of its numbers has the list of exactly the orders that it counts.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum List {
    /// All open orders.
    Open,
    /// Open orders with an incident.
    NeedAPerson,
    /// Orders that wait for a review, the first deadline first.
    Reviews,
    /// Open orders with this status.
    Status(Status),
    /// Orders that do like this, in whichever state of the process.
    Health(Health),
    /// Orders in this state of the process.
    State(ProcessState),
    /// Orders in this state of the process that do like this there.
    StateHealth(ProcessState, Health),
    /// Orders whose task in this state waits for its next try.
    Retrying(ProcessState),
    /// Orders whose money in this currency has been held for so long.
    HeldFor(HeldFor, Currency),
    /// Orders whose hold of money in this currency lapses then.
    Lapses(Lapses, Currency),
    /// Orders with the cause of this id.
    Cause(String),
}

/// Its name in addresses and in the database.
impl fmt::Display for List {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open => out.write_str("open"),
            Self::NeedAPerson => out.write_str("need-a-person"),
            Self::Reviews => out.write_str("reviews"),
            Self::Status(status) => write!(out, "status.{status}"),
            Self::Health(health) => write!(out, "health.{health}"),
            Self::State(state) => write!(out, "state.{state}"),
            Self::StateHealth(state, health) => write!(out, "state.{state}.{health}"),
            Self::Retrying(state) => write!(out, "state.{state}.retrying"),
            Self::HeldFor(held_for, currency) => write!(out, "held.{held_for}.{currency}"),
            Self::Lapses(lapses, currency) => write!(out, "lapses.{lapses}.{currency}"),
            Self::Cause(id) => write!(out, "cause.{id}"),
        }
    }
}

/// A text that names no list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnknownList;

impl FromStr for List {
    type Err = UnknownList;
    fn from_str(name: &str) -> Result<Self, UnknownList> {
        let mut parts = name.split('.');
        let parts = (parts.next(), parts.next(), parts.next(), parts.next());
        let list = match parts {
            (Some("open"), None, ..) => Some(Self::Open),
            (Some("need-a-person"), None, ..) => Some(Self::NeedAPerson),
            (Some("reviews"), None, ..) => Some(Self::Reviews),
            (Some("status"), Some(word), None, _) => Status::from_word(word).map(Self::Status),
            (Some("health"), Some(word), None, _) => Health::from_word(word).map(Self::Health),
            (Some("state"), Some(state), None, _) => {
                ProcessState::from_word(state).map(Self::State)
            }
            (Some("state"), Some(state), Some("retrying"), None) => {
                ProcessState::from_word(state).map(Self::Retrying)
            }
            (Some("state"), Some(state), Some(health), None) => {
                let state = ProcessState::from_word(state);
                let pair = state.zip(Health::from_word(health));
                pair.map(|(state, health)| Self::StateHealth(state, health))
            }
            (Some("held"), Some(word), Some(code), None) => {
                let pair = HeldFor::from_word(word).zip(code.parse().ok());
                pair.map(|(held_for, currency)| Self::HeldFor(held_for, currency))
            }
            (Some("lapses"), Some(word), Some(code), None) => {
                let pair = Lapses::from_word(word).zip(code.parse().ok());
                pair.map(|(lapses, currency)| Self::Lapses(lapses, currency))
            }
            (Some("cause"), Some(id), None, _) => Some(Self::Cause(id.to_owned())),
            _ => None,
        };
        list.ok_or(UnknownList)
    }
}

/// The orders behind the numbers.
pub type Lists = BTreeMap<List, Vec<OrderId>>;

impl Snapshot {
    /// How many orders a list has, if this snapshot counts them.
    #[must_use]
    pub fn count(&self, list: &List) -> Option<usize> {
        let counts = |state: &ProcessState| self.states.get(state).copied().unwrap_or_default();
        Some(match list {
            List::Open => self.open,
            List::NeedAPerson => self.need_a_person,
            List::Reviews => counts(&ProcessState::ReviewOrder).all(),
            List::Status(status) => self.statuses.get(status).copied().unwrap_or(0),
            List::Health(health) => self.states.values().map(|counts| counts.of(*health)).sum(),
            List::State(state) => counts(state).all(),
            List::StateHealth(state, health) => counts(state).of(*health),
            List::Retrying(state) => counts(state).retrying,
            List::HeldFor(held_for, of) => Held::orders(&self.held_for, *held_for, *of),
            List::Lapses(lapses, of) => Held::orders(&self.lapses, *lapses, *of),
            List::Cause(id) => self.group(id)?.count,
        })
    }

    /// The same, with trouble that was there in the snapshot `before` known to last since then: of the orders
    /// that it began with most are given up by now.
    #[must_use]
    pub fn after(mut self, before: &Self) -> Self {
        for group in self.groups.iter_mut().filter(|group| group.is_happening()) {
            if let Some(known) = before.group(&group.cause.id()) {
                group.first_seen = group.first_seen.min(known.first_seen);
            }
        }
        self
    }

    /// The group whose cause has this id.
    #[must_use]
    pub fn group(&self, cause_id: &str) -> Option<&Group> {
        let mut groups = self.groups.iter();
        groups.find(|group| group.cause.id() == cause_id)
    }
}

/// How the orders stand: `open` are the projections of those that are not over, `reversed` of those that
/// were reversed lately because of a dependency or of us, of which there may be `more`.
#[must_use]
pub fn take(
    open: &[Projection],
    reversed: &[Projection],
    more: bool,
    now: Timestamp,
) -> (Snapshot, Lists) {
    let mut lists = Lists::new();
    let mut groups = Groups::default();
    let mut states: BTreeMap<ProcessState, Counts> = BTreeMap::new();
    let mut statuses: BTreeMap<Status, usize> = BTreeMap::new();
    let (mut need_a_person, mut held) = (0, Sums::default());
    let (mut held_for, mut lapses) = (Vec::new(), Vec::new());
    // The longest first, in every list.
    let mut sorted: Vec<&Projection> = open.iter().collect();
    sorted.sort_by_key(|projection| (projection.since, projection.order_id.clone()));
    for projection in &sorted {
        let mut add_to = |list: List| {
            let list = lists.entry(list).or_default();
            list.push(projection.order_id.clone());
        };
        add_to(List::Open);
        add_to(List::Status(projection.status));
        *statuses.entry(projection.status).or_default() += 1;
        // One whose execution has ended is not at work in its state: it is among the groups.
        let stopped = projection
            .execution
            .is_some_and(|execution| execution.status.has_ended());
        if let Some(state) = projection.state
            && !stopped
        {
            let (counts, health) = (states.entry(state).or_default(), projection.health);
            match health {
                Health::OnTrack => counts.on_track += 1,
                Health::AtRisk => counts.at_risk += 1,
                Health::Overdue => counts.overdue += 1,
            }
            add_to(List::StateHealth(state, health));
            add_to(List::State(state));
            add_to(List::Health(health));
            if projection.retry.is_some() {
                counts.retrying += 1;
                add_to(List::Retrying(state));
            }
            if state == ProcessState::ReviewOrder {
                add_to(List::Reviews);
            }
        }
        if !projection.held.is_zero() {
            let currency = projection.held.currency();
            let (age, end) = (HeldFor::of(projection, now), Lapses::of(projection, now));
            Held::count(&mut held_for, age, projection);
            Held::count(&mut lapses, end, projection);
            add_to(List::HeldFor(age, currency));
            add_to(List::Lapses(end, currency));
        }
        if projection.needs_a_person() {
            need_a_person += 1;
            held.add(projection.held);
            add_to(List::NeedAPerson);
        }
        for (incident, since) in &projection.incidents {
            // Shown below, from the first try on.
            if *incident != Incident::KeepsFailing {
                let cause = projection.cause(*incident);
                groups.add(cause, projection, projection.says(), *since);
            }
        }
        if let Some(retry) = &projection.retry {
            let cause = projection.cause(Incident::KeepsFailing);
            let since = retry.since.unwrap_or(projection.since);
            let group = groups.add(cause, projection, projection.says(), since);
            let ends = [group.deadline, retry.gives_up_at];
            group.deadline = ends.into_iter().flatten().min();
        }
    }
    for projection in reversed {
        if let Some(cause) = projection.reversed_because() {
            let message = projection.message.clone();
            groups.add(cause, projection, message, projection.since);
        }
    }
    let mut found = Vec::with_capacity(groups.0.len());
    for (cause, (group, orders)) in groups.0 {
        lists.insert(List::Cause(cause.id()), orders);
        found.push(group);
    }
    // By kind of problem, then the largest.
    found.sort_by_key(|group: &Group| (group.cause.problem, std::cmp::Reverse(group.count)));
    let snapshot = Snapshot {
        id: snapshot_id(&lists, now),
        at: now,
        open: open.len(),
        states,
        statuses,
        need_a_person,
        held,
        held_for,
        lapses,
        groups: found,
        reversed: reversed.len(),
        more_reversed: more,
    };
    (snapshot, lists)
}

#[derive(Default)]
struct Groups(BTreeMap<Cause, (Group, Vec<OrderId>)>);

impl Groups {
    fn add(
        &mut self,
        cause: Cause,
        projection: &Projection,
        message: Option<String>,
        since: Timestamp,
    ) -> &mut Group {
        let happening = cause.problem == Problem::Incident(Incident::KeepsFailing);
        let (group, orders) = self.0.entry(cause.clone()).or_insert_with(|| {
            let group = Group {
                cause,
                messages: BTreeMap::new(),
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
        if let Some(message) = message {
            *group.messages.entry(message).or_default() += 1;
        }
        group.held.add(projection.held);
        group.worth.add(projection.total);
        group.first_seen = group.first_seen.min(since);
        group.last_seen = group.last_seen.max(since);
        if !happening {
            let deadlines = [group.deadline, projection.deadline];
            group.deadline = deadlines.into_iter().flatten().min();
        }
        orders.push(projection.order_id.clone());
        group
    }
}

/// The same orders in the same lists have the same id, so that nothing is written anew while nothing
/// changes.
fn snapshot_id(lists: &Lists, now: Timestamp) -> String {
    let mut hasher = Sha256::new();
    for (list, orders) in lists {
        hasher.update(list.to_string().as_bytes());
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

/// The event that asks the monitor for a new snapshot, by its `detail-type`.
pub const REQUESTED: &str = "Snapshot Requested";

#[cfg(test)]
mod tests {
    use domain::{ErrorName, TaskError};

    use super::*;
    use crate::fixtures::{at, projection};
    use crate::retries::Retry;

    fn with_incident(
        number: u32,
        state: ProcessState,
        incident: Incident,
        error: &str,
    ) -> Projection {
        let mut projection = projection(number);
        projection.state = Some(state);
        projection.last_error = Some(TaskError::from(error.to_owned()));
        projection.held = projection.total;
        projection.incidents.insert(incident, at(i64::from(number)));
        projection
    }

    #[test]
    fn every_number_has_exactly_its_orders() {
        let mut orders: Vec<Projection> = (0..9).map(projection).collect();
        orders[1].health = Health::AtRisk;
        orders[2].health = Health::Overdue;
        orders[2].retry = Some(Retry {
            state: ProcessState::ValidateOrder,
            failed: 4,
            of: 16,
            error: ErrorName::StoreUnavailable.into(),
            reason: None,
            since: Some(at(2)),
            next_by: Some(at(99)),
            gives_up_at: Some(at(300)),
        });
        orders[3].state = Some(ProcessState::ReviewOrder);
        orders[3].status = Status::InReview;
        for order in &mut orders[5..8] {
            order.held = order.total;
            order.held_since = Some(order.since);
            order.held_until = Some(at(7 * 3600));
        }
        orders[7].held_until = Some(at(60));
        orders[4] = with_incident(
            4,
            ProcessState::ShipOrder,
            Incident::Unfinished,
            "CarrierUnavailable",
        );
        let (snapshot, lists) = take(&orders, &[], false, at(100));
        assert_eq!(snapshot.open, 9);
        let listed = |list: List| lists.get(&list).map_or(0, Vec::len);
        for state in ProcessState::ALL {
            let counts = snapshot.states.get(state).copied().unwrap_or_default();
            for health in Health::ALL {
                let list = List::StateHealth(*state, *health);
                assert_eq!(listed(list), counts.of(*health));
            }
            assert_eq!(listed(List::Retrying(*state)), counts.retrying);
            assert_eq!(listed(List::State(*state)), counts.all());
        }
        for (status, count) in &snapshot.statuses {
            assert_eq!(listed(List::Status(*status)), *count);
        }
        for group in &snapshot.groups {
            assert_eq!(listed(List::Cause(group.cause.id())), group.count);
        }
        let healthy = listed(List::Health(Health::OnTrack));
        assert_eq!((healthy, listed(List::Open)), (7, 9));
        let needy = (listed(List::NeedAPerson), listed(List::Reviews));
        assert_eq!((snapshot.need_a_person, needy), (1, (1, 1)));
        assert_eq!(snapshot.statuses.values().sum::<usize>(), 9);
        let usd = orders[0].total.currency();
        let held = |by, orders, minor| Held {
            by,
            currency: usd,
            orders,
            minor,
        };
        // Of the one that needs a person nobody knows until when.
        assert_eq!(snapshot.held_for, [held(HeldFor::UnderAnHour, 4, 4000)]);
        let lapses = snapshot.lapses.iter().map(|held| (held.by, held.minor));
        let lapses: Vec<_> = lapses.collect();
        let expected = [
            (Lapses::Now, 1000),
            (Lapses::WithinADay, 2000),
            (Lapses::Never, 1000),
        ];
        assert_eq!(lapses, expected);
        for (list, orders) in &lists {
            assert_eq!(snapshot.count(list), Some(orders.len()), "{list}");
            assert_eq!(
                list.to_string().parse().as_ref(),
                Ok(list),
                "its name reads back"
            );
        }
        for nonsense in [
            "",
            "opened",
            "state",
            "state.Nowhere",
            "health.fine",
            "open.x",
            "held.under_1h",
            "held.under_1h.XXX",
            "lapses.soon.USD",
        ] {
            assert_eq!(nonsense.parse::<List>(), Err(UnknownList), "{nonsense}");
        }
    }

    #[test]
    fn a_group_is_one_problem_in_one_state_with_one_error() {
        let unfinished =
            |number, state, error| with_incident(number, state, Incident::Unfinished, error);
        let mut orders = vec![
            unfinished(1, ProcessState::CancelShipment, "CarrierUnavailable"),
            unfinished(2, ProcessState::CancelShipment, "CarrierUnavailable"),
            unfinished(3, ProcessState::CancelShipment, "Internal"),
            unfinished(4, ProcessState::ReversePayment, "CarrierUnavailable"),
            with_incident(
                5,
                ProcessState::CancelShipment,
                Incident::Overdue,
                "CarrierUnavailable",
            ),
        ];
        // Why it is reversed is not why its undo gave up.
        for order in &mut orders[..2] {
            order.message = Some("the address is not known".to_owned());
            order.last_reason = Some("no such label".to_owned());
        }
        orders[1].deadline = Some(at(500));
        orders[0].deadline = Some(at(400));
        let mut reversed = projection(6);
        reversed.error = Some(ErrorName::PaymentUnavailable);
        reversed.failed_in = Some(ProcessState::ChargePayment);
        let (first, _) = take(&orders, &[reversed], true, at(100));
        let counts: Vec<usize> = first.groups.iter().map(|group| group.count).collect();
        assert_eq!(counts, [2, 1, 1, 1, 1], "{:?}", first.groups);
        let group = &first.groups[0];
        assert_eq!(group.held.texts(), ["20.00 USD"]);
        assert_eq!((group.first_seen, group.last_seen), (at(1), at(2)));
        assert_eq!(group.deadline, Some(at(400)));
        assert_eq!(group.message(), Some("no such label"));
        let last = &first.groups[4];
        assert_eq!(
            last.cause.problem,
            Problem::Reversed(ErrorName::PaymentUnavailable)
        );
        assert_eq!(last.cause.state, Some(ProcessState::ChargePayment));
        // The same group has the same id on the next snapshot, whoever is in it.
        let (second, _) = take(&orders[1..2], &[], false, at(200));
        assert_eq!(second.groups[0].cause, group.cause);
        assert_ne!(second.id, first.id);
    }

    #[test]
    fn a_message_is_the_same_whatever_differs_from_order_to_order() {
        let normalised = crate::projection::normalised;
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

    #[test]
    fn an_order_in_two_groups_is_counted_once() {
        let mut order = with_incident(
            1,
            ProcessState::CapturePayment,
            Incident::HoldLapsing,
            "Internal",
        );
        order.incidents.insert(Incident::Overdue, at(3));
        let (snapshot, _) = take(&[order], &[], false, at(100));
        assert_eq!(snapshot.groups.len(), 2);
        assert_eq!(snapshot.need_a_person, 1);
        assert_eq!(snapshot.held.texts(), ["10.00 USD"]);
    }

    #[test]
    fn a_provider_in_trouble_is_seen_from_the_first_failed_try_on_and_is_nobodys_work() {
        let failing = |number: u32, since: i64, gives_up: i64| {
            let mut order = projection(number);
            order.state = Some(ProcessState::ShipOrder);
            order.held = order.total;
            order.last_error = Some(ErrorName::CarrierUnavailable.into());
            order.last_reason = Some("the carrier answered 503".to_owned());
            order.retry = Some(Retry {
                state: ProcessState::ShipOrder,
                failed: 3,
                of: 16,
                error: ErrorName::CarrierUnavailable.into(),
                reason: order.last_reason.clone(),
                since: Some(at(since)),
                next_by: None,
                gives_up_at: Some(at(gives_up)),
            });
            order
        };
        let mut known = failing(1, 10, 400);
        known.incidents.insert(Incident::KeepsFailing, at(190));
        let (snapshot, lists) = take(&[known, failing(2, 20, 300)], &[], false, at(200));
        let [group] = snapshot.groups.as_slice() else {
            panic!("{:?}", snapshot.groups);
        };
        assert!(group.is_happening());
        assert_eq!(
            (group.count, group.held.texts()),
            (2, vec!["20.00 USD".to_owned()])
        );
        assert_eq!(group.message(), Some("the carrier answered …"));
        assert_eq!((group.first_seen, group.deadline), (at(10), Some(at(300))));
        assert_eq!(snapshot.need_a_person, 0);
        assert_eq!(
            lists.get(&List::Cause(group.cause.id())).map(Vec::len),
            Some(2)
        );

        // The orders that it began with are given up; it lasts.
        let (later, _) = take(&[failing(3, 500, 900)], &[], false, at(600));
        assert_eq!(later.after(&snapshot).groups[0].first_seen, at(10));
    }
}
