//! What somebody looks for among the orders: a [`Filter`]. It is read from the pairs of an address and written
//! back as pairs, so that an address is a view that can be kept and sent to somebody.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use domain::{Currency, CustomerId, ErrorName, Money, Sku, Status, TaskError, Timestamp, words};
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;

use crate::holds::{HeldFor, Lapses};
use crate::incident::Incident;
use crate::process::{HOUR, MINUTE, ProcessState};
use crate::projection::Projection;
use crate::snapshot::List;

words! {
    /// A part of a filter, by its name in an address.
    pub enum Field {
        /// The list of a number on the home page.
        List = "list",
        /// Any of these statuses; may be given more than once.
        Status = "status",
        /// In, or stopped by, any of these states of the process; may be given more than once.
        State = "state",
        /// Received on this day, at this moment, or later.
        ReceivedFrom = "received_from",
        /// Received on this day, at this moment, or earlier.
        ReceivedTo = "received_to",
        /// Received so long ago at most.
        Within = "within",
        /// Worth at least this.
        AmountFrom = "amount_from",
        /// Worth at most this.
        AmountTo = "amount_to",
        /// In this currency.
        Currency = "currency",
        /// Why it was reversed, or the last error of its task.
        Error = "error",
        /// With this article.
        Sku = "sku",
        /// Of this customer, by the shop's name for them.
        Customer = "customer",
        /// At this attempt or a later one.
        Attempt = "attempt",
    }
}

/// What is wrong with one part of an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invalid {
    /// The name of that part.
    pub name: String,
    /// What is wrong, and what would be right.
    pub why: String,
}

/// A day, in universal time, or a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    /// A whole day.
    Day(Date),
    /// A moment.
    At(Timestamp),
}

const DAY: u64 = 24 * HOUR;
const MILLISECOND: Duration = Duration::from_millis(1);

impl Bound {
    fn begin(self) -> Timestamp {
        match self {
            Self::At(at) => at,
            // A day that is no moment is far from any order.
            Self::Day(day) => day
                .to_zoned(TimeZone::UTC)
                .map_or(Timestamp::MAX, |begin| begin.timestamp()),
        }
    }

    /// The first moment after it.
    fn end(self) -> Timestamp {
        let long = match self {
            Self::At(_) => MILLISECOND,
            Self::Day(_) => Duration::from_secs(DAY),
        };
        self.begin().saturating_add(long).unwrap_or(Timestamp::MAX)
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Day(day) => day.fmt(out),
            Self::At(at) => at.fmt(out),
        }
    }
}

impl FromStr for Bound {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            "Write a day, such as 2026-11-24, or a moment, such as 2026-11-24T10:00:00Z.".to_owned()
        };
        if text.len() == 10 {
            return text.parse().map(Self::Day).map_err(|_| wrong());
        }
        if let Ok(at) = text.parse() {
            return Ok(Self::At(at));
        }
        // Without an offset it is universal time, as everything that is shown.
        let is_clock = |rest: &str| {
            rest.chars()
                .all(|c| c.is_ascii_digit() || "T :.".contains(c))
        };
        let plain = text.get(10..).filter(|rest| is_clock(rest));
        let plain = plain.and_then(|_| text.parse::<DateTime>().ok());
        let at = plain.and_then(|plain| plain.to_zoned(TimeZone::UTC).ok());
        at.map(|at| Self::At(at.timestamp())).ok_or_else(wrong)
    }
}

/// A span of time back from now: `24h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Within {
    count: u32,
    unit: char,
}

impl Within {
    const LONGEST: Duration = Duration::from_secs(366 * DAY);

    fn duration(self) -> Duration {
        let seconds = match self.unit {
            'm' => MINUTE,
            'h' => HOUR,
            _ => DAY,
        };
        Duration::from_secs(u64::from(self.count) * seconds)
    }
}

impl fmt::Display for Within {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}{}", self.count, self.unit)
    }
}

impl FromStr for Within {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let unit = text.chars().last().filter(|unit| "mhd".contains(*unit));
        let count = unit.and_then(|unit| text.strip_suffix(unit)?.parse().ok());
        let within = unit.zip(count).map(|(unit, count)| Self { count, unit });
        within
            .filter(|within| within.count > 0 && within.duration() <= Self::LONGEST)
            .ok_or_else(|| {
                "Write minutes, hours or days, such as 30m, 24h or 7d, at most 366d.".to_owned()
            })
    }
}

/// Which orders somebody looks for: those that all of its parts apply to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Those that a number on the home page counts.
    pub list: Option<List>,
    /// Any of these statuses.
    pub statuses: BTreeSet<Status>,
    /// In any of these states, or, once reversed, stopped by it.
    pub states: BTreeSet<ProcessState>,
    /// The first day or moment at which it was received.
    pub received_from: Option<Bound>,
    /// The last one.
    pub received_to: Option<Bound>,
    /// How long ago at most it was received.
    pub within: Option<Within>,
    /// What it is worth at least.
    pub amount_from: Option<Money>,
    /// What it is worth at most.
    pub amount_to: Option<Money>,
    /// The currency.
    pub currency: Option<Currency>,
    /// Why it was reversed, or the last error of its task. Capitals do not count.
    pub error: Option<TaskError>,
    /// An article that is in it. Capitals do not count.
    pub sku: Option<Sku>,
    /// Whose it is. Capitals do not count.
    pub customer: Option<CustomerId>,
    /// The first attempt that counts.
    pub attempt: Option<u32>,
}

/// What an address has of each field.
struct Given<'a> {
    values: BTreeMap<Field, Vec<&'a str>>,
    invalid: Vec<Invalid>,
}

impl Given<'_> {
    fn refuse(&mut self, field: Field, why: impl Into<String>) {
        self.invalid.push(Invalid {
            name: field.as_str().to_owned(),
            why: why.into(),
        });
    }

    fn one<T>(&mut self, field: Field, read: impl Fn(&str) -> Result<T, String>) -> Option<T> {
        let read = match self.values.get(&field).map(Vec::as_slice)? {
            [value] => read(value),
            _ => Err("This is given more than once; give it once.".to_owned()),
        };
        read.map_err(|why| self.refuse(field, why)).ok()
    }

    /// Each of several values, given one by one or with commas between them.
    fn several<T: Copy + Ord>(
        &mut self,
        field: Field,
        all: &[T],
        word: impl Fn(T) -> &'static str,
    ) -> BTreeSet<T> {
        let mut found = BTreeSet::new();
        let given = self.values.get(&field).cloned().unwrap_or_default();
        let given = given.into_iter().flat_map(|value| value.split(','));
        for value in given.map(str::trim).filter(|value| !value.is_empty()) {
            if let Some(same) = (all.iter()).find(|of| word(**of).eq_ignore_ascii_case(value)) {
                found.insert(*same);
                continue;
            }
            let words: Vec<&str> = all.iter().map(|of| word(*of)).collect();
            let why = format!(
                "There is no {field} “{}”; there are {}.",
                shown(value),
                words.join(", ")
            );
            self.refuse(field, why);
        }
        found
    }
}

/// At most so much of what somebody sent is shown to them.
pub(crate) fn shown(text: &str) -> String {
    text.chars().take(80).collect()
}

impl Filter {
    /// The filter of these pairs. What has no value is not asked for.
    ///
    /// # Errors
    /// Everything that is wrong with them: a name that is none of [`Field`]'s, a value that means nothing, and
    /// values that do not go together.
    pub fn parse<'a>(
        pairs: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, Vec<Invalid>> {
        let mut given = Given {
            values: BTreeMap::new(),
            invalid: Vec::new(),
        };
        for (name, value) in pairs {
            let value = value.trim();
            match Field::from_word(name) {
                _ if value.is_empty() => {}
                Some(field) => given.values.entry(field).or_default().push(value),
                None => {
                    let names: Vec<&str> = Field::ALL.iter().map(|field| field.as_str()).collect();
                    let why = format!(
                        "There is no filter “{}”; there are {}.",
                        shown(name),
                        names.join(", ")
                    );
                    let name = name.to_owned();
                    given.invalid.push(Invalid { name, why });
                }
            }
        }
        let currency = given.one(Field::Currency, currency);
        let filter = Self {
            list: given.one(Field::List, |name| {
                let none = format!("There is no list “{}”.", shown(name));
                name.parse().map_err(|_| none)
            }),
            statuses: given.several(Field::Status, Status::ALL, Status::as_str),
            states: given.several(Field::State, ProcessState::ALL, ProcessState::as_str),
            received_from: given.one(Field::ReceivedFrom, str::parse),
            received_to: given.one(Field::ReceivedTo, str::parse),
            within: given.one(Field::Within, str::parse),
            amount_from: given.one(Field::AmountFrom, |text| amount(text, currency)),
            amount_to: given.one(Field::AmountTo, |text| amount(text, currency)),
            currency,
            error: given.one(Field::Error, error),
            sku: given.one(Field::Sku, |sku| {
                let bad = |why| format!("An article's number {why}.");
                sku.parse().map_err(bad)
            }),
            customer: given.one(Field::Customer, |customer| {
                let bad = |why| format!("A customer's id {why}.");
                customer.parse().map_err(bad)
            }),
            attempt: given.one(Field::Attempt, |text| {
                let attempt = text.parse().ok().filter(|attempt| *attempt > 0);
                attempt.ok_or_else(|| "Write a number from 1.".to_owned())
            }),
        };
        let times = filter.received_from.zip(filter.received_to);
        if times.is_some_and(|(from, to)| from.begin() >= to.end()) {
            given.refuse(Field::ReceivedTo, "This is before the beginning.");
        }
        let amounts = filter.amount_from.zip(filter.amount_to);
        if amounts.is_some_and(|(from, to)| from.minor() > to.minor()) {
            given.refuse(Field::AmountTo, "This is less than the least amount.");
        }
        if given.invalid.is_empty() {
            Ok(filter)
        } else {
            Err(given.invalid)
        }
    }

    /// The pairs that read back as this filter.
    #[must_use]
    pub fn pairs(&self) -> Vec<(&'static str, String)> {
        let mut pairs = Vec::new();
        let mut add = |field: Field, value: Option<String>| {
            pairs.extend(value.map(|value| (field.as_str(), value)));
        };
        add(Field::List, self.list.as_ref().map(List::to_string));
        for status in &self.statuses {
            add(Field::Status, Some(status.to_string()));
        }
        for state in &self.states {
            add(Field::State, Some(state.to_string()));
        }
        let from = self.received_from.map(|from| from.to_string());
        add(Field::ReceivedFrom, from);
        add(Field::ReceivedTo, self.received_to.map(|to| to.to_string()));
        add(Field::Within, self.within.map(|within| within.to_string()));
        add(Field::AmountFrom, self.amount_from.map(Money::decimal));
        add(Field::AmountTo, self.amount_to.map(Money::decimal));
        add(Field::Currency, self.currency.map(String::from));
        add(Field::Error, self.error.clone().map(String::from));
        add(Field::Sku, self.sku.clone().map(String::from));
        add(Field::Customer, self.customer.clone().map(String::from));
        add(
            Field::Attempt,
            self.attempt.map(|attempt| attempt.to_string()),
        );
        pairs
    }

    /// Whether it lets every order pass.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// From when, and until before when, an order was received.
    fn received(&self, now: Timestamp) -> (Timestamp, Timestamp) {
        let from = self.received_from.map(Bound::begin);
        let within = self
            .within
            .and_then(|within| now.saturating_sub(within.duration()).ok());
        let from = from.max(within).unwrap_or(Timestamp::UNIX_EPOCH);
        let to = self.received_to.map_or(Timestamp::MAX, Bound::end);
        (from, to)
    }

    /// Whether an order is one of those. A projection that an earlier version wrote says neither which articles
    /// are in the order nor whose it is, and is none of those then.
    #[must_use]
    pub fn matches(&self, order: &Projection, now: Timestamp) -> bool {
        let (from, to) = self.received(now);
        let (amount, currency) = (order.total.minor(), order.total.currency());
        let any = |set: &BTreeSet<ProcessState>, of: Option<ProcessState>| {
            set.is_empty() || of.is_some_and(|of| set.contains(&of))
        };
        let same = |wanted: &str, is: &str| wanted.eq_ignore_ascii_case(is);
        let errors = || {
            let task = order.last_error.as_ref().map(TaskError::as_str);
            let failure = order.error.map(ErrorName::as_str);
            task.into_iter().chain(failure)
        };
        self.list
            .as_ref()
            .is_none_or(|list| is_on(list, order, now))
            && (self.statuses.is_empty() || self.statuses.contains(&order.status))
            && any(&self.states, order.state.or(order.failed_in))
            && (from <= order.received_at && order.received_at < to)
            && self.currency.is_none_or(|wanted| wanted == currency)
            && self.amount_from.is_none_or(|from| amount >= from.minor())
            && self.amount_to.is_none_or(|to| amount <= to.minor())
            && self.attempt.is_none_or(|first| order.attempt >= first)
            && (self.error.as_ref())
                .is_none_or(|wanted| errors().any(|error| same(wanted.as_str(), error)))
            && (self.sku.as_ref()).is_none_or(|wanted| {
                let mut skus = order.skus.iter();
                skus.any(|sku| same(wanted.as_str(), sku.as_str()))
            })
            && (self.customer.as_ref()).is_none_or(|wanted| {
                let of = order.customer_id.as_ref();
                of.is_some_and(|of| same(wanted.as_str(), of.as_str()))
            })
    }

    /// The statuses that an order that is over and one of those can have.
    #[must_use]
    pub fn ends(&self) -> Vec<Status> {
        let mut ends: Vec<Status> = Status::ALL.to_vec();
        // What was completed has no error and was stopped by nothing.
        let failed = self.error.is_some() || !self.states.is_empty();
        ends.retain(|status| {
            status.is_final()
                && (self.statuses.is_empty() || self.statuses.contains(status))
                && !(failed && *status == Status::Completed)
                && match self.list {
                    None => true,
                    Some(List::Cause(_)) => *status == Status::Failed,
                    Some(_) => false,
                }
        });
        ends
    }

    /// When orders that are over and among those have ended: spans from a moment to another, both included, in
    /// which to look for them. An order ends after it was received, most of them soon after it, so that the
    /// span in which most of them are comes first.
    #[must_use]
    pub fn ended(&self, now: Timestamp) -> Vec<(Timestamp, Timestamp)> {
        let (from, to) = self.received(now);
        let after = |seconds| {
            let after = to.saturating_add(Duration::from_secs(seconds));
            after.unwrap_or(Timestamp::MAX)
        };
        let mut spans = Vec::new();
        let mut begin = from;
        for end in [after(HOUR), after(2 * DAY), Timestamp::MAX] {
            if begin <= end && begin <= now {
                spans.push((begin, end));
                begin = end.saturating_add(MILLISECOND).unwrap_or(Timestamp::MAX);
            }
        }
        spans
    }
}

/// Whether an order is on a list as things are now; see [`crate::snapshot::take`], which counts them.
fn is_on(list: &List, order: &Projection, now: Timestamp) -> bool {
    if let List::Cause(id) = list {
        let mut causes = order
            .incidents
            .keys()
            .map(|incident| order.cause(*incident));
        // From the first failed try on, long before it is an incident.
        let failing = order.retry.as_ref().filter(|_| !order.is_over());
        let failing = failing.map(|_| order.cause(Incident::KeepsFailing));
        let reversed = order.reversed_because().filter(|_| order.is_over());
        return causes.any(|cause| cause.id() == *id)
            || failing.is_some_and(|cause| cause.id() == *id)
            || reversed.is_some_and(|cause| cause.id() == *id);
    }
    if order.is_over() {
        return false;
    }
    let stopped = order
        .execution
        .is_some_and(|execution| execution.status.has_ended());
    let at = order.state.filter(|_| !stopped);
    match list {
        List::Open => true,
        List::NeedAPerson => order.needs_a_person(),
        List::Reviews => at == Some(ProcessState::ReviewOrder),
        List::Status(status) => order.status == *status,
        List::Health(health) => at.is_some() && order.health == *health,
        List::State(state) => at == Some(*state),
        List::StateHealth(state, health) => at == Some(*state) && order.health == *health,
        List::Retrying(state) => at == Some(*state) && order.retry.is_some(),
        List::HeldFor(held_for, currency) => {
            holds(order, *currency) && HeldFor::of(order, now) == *held_for
        }
        List::Lapses(lapses, currency) => {
            holds(order, *currency) && Lapses::of(order, now) == *lapses
        }
        List::Cause(_) => false,
    }
}

fn holds(order: &Projection, currency: Currency) -> bool {
    !order.held.is_zero() && order.held.currency() == currency
}

fn currency(code: &str) -> Result<Currency, String> {
    let currency = code.to_ascii_uppercase().parse();
    currency.map_err(|why| format!("A currency {why}."))
}

/// A decimal amount: `12.99`.
fn amount(text: &str, currency: Option<Currency>) -> Result<Money, String> {
    let currency =
        currency.ok_or("Choose a currency as well: amounts are compared within one.".to_owned())?;
    let digits = currency.minor_digits() as usize;
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let fits = !whole.is_empty() && is_number(whole) && is_number(fraction);
    let minor = format!("{whole}{fraction:0<digits$}");
    let minor = minor
        .parse()
        .ok()
        .filter(|_| fits && fraction.len() <= digits);
    let money = minor.and_then(|minor| Money::new(minor, currency).ok());
    money.ok_or_else(|| {
        let example = Money::new(1500, currency).map_or_else(|_| String::new(), Money::decimal);
        format!("Write an amount of {currency} such as {example}.")
    })
}

/// A name of the catalogue, or one of the platform's, which has a point or a colon in it.
fn error(name: &str) -> Result<TaskError, String> {
    let mut catalogue = ErrorName::ALL.iter();
    if let Some(name) = catalogue.find(|of| of.as_str().eq_ignore_ascii_case(name)) {
        return Ok(TaskError::Catalogue(*name));
    }
    if name.len() <= 100 && name.contains(['.', ':']) {
        return Ok(TaskError::Platform(name.to_owned()));
    }
    Err(format!(
        "There is no error “{}”. Write one of the catalogue, such as {}, or of the platform, such \
         as States.Timeout.",
        shown(name),
        ErrorName::CarrierUnavailable
    ))
}

#[cfg(test)]
mod tests;
