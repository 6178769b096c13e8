//! Where an order is, as operators see it: derived from the ledger, from what Step Functions says of the
//! execution, and from the time, by one function, [`Projection::next`]. Whether an event arrives first,
//! late, twice or not at all, the next reconciliation comes to the same.

use std::collections::BTreeMap;
use std::time::Duration;

use domain::view::{payment_is_unknown, shipment, shipment_is_unknown};
use domain::{
    Currency, CustomerId, Discrepancy, ErrorName, Execution, ExecutionStatus, FailedTry, Money,
    Order, OrderId, OrderState, Sku, Status, TaskError, Timestamp,
};
use jiff::fmt::serde::timestamp::millisecond;
use serde::{Deserialize, Serialize};

use crate::cause::{Cause, Problem};
use crate::derived::{
    counted, deadline, held, held_from_to, incidents_of, known_status, stopped_in,
};
use crate::incident::Incident;
use crate::limits::Limits;
use crate::process::{HOUR, Health, MINUTE, ProcessState};
use crate::retries::{Retry, why};
use crate::trend::Flow;

/// What was observed of an order's execution.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Observation {
    /// What an event reported, or Step Functions described.
    pub execution: Option<Execution>,
    /// Whether Step Functions itself was asked, just now.
    pub asked: bool,
    /// What its history says of a next try, if the history was read.
    pub retry: Option<Option<Retry>>,
    /// The try that the execution ended with, if its history was read.
    pub ended_with: Option<FailedTry>,
    /// What the providers say otherwise than the ledger, if they were asked just now.
    pub compared: Option<Vec<Discrepancy>>,
}

/// What of an order's money and end was counted already, so that each is counted once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Held.
    pub authorized: Money,
    /// Taken.
    pub captured: Money,
    /// Let go or given back.
    pub reversed: Money,
    /// The order has ended.
    pub ended: bool,
    /// Retries seen in the state that it is in.
    pub retries: u32,
}

impl Tally {
    /// Of an order of which nothing was counted yet.
    #[must_use]
    pub fn nothing(currency: Currency) -> Self {
        let nothing = Money::zero(currency);
        Self {
            authorized: nothing,
            captured: nothing,
            reversed: nothing,
            ended: false,
            retries: 0,
        }
    }

    /// How much of what moved this way was counted.
    #[must_use]
    pub const fn of(&self, flow: Flow) -> Money {
        match flow {
            Flow::Authorized => self.authorized,
            Flow::Captured => self.captured,
            Flow::Voided | Flow::Refunded => self.reversed,
        }
    }
}

/// What operators know of an order: the read model of one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Projection {
    /// Whose projection this is.
    pub order_id: OrderId,
    /// Raised by every write of it.
    pub revision: u64,
    /// The attempt of the order.
    pub attempt: u32,
    /// The version of the ledger that it was derived from.
    pub ledger: u64,
    /// In a word.
    pub status: Status,
    /// The state of the process that the order is in; `None` once nothing is left to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<ProcessState>,
    /// Since when it is there.
    #[serde(with = "millisecond::required")]
    pub since: Timestamp,
    /// How it does there.
    pub health: Health,
    /// What is known of the execution.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub execution: Option<Execution>,
    /// Set once the task has failed and is tried again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<Retry>,
    /// Why it was or is being reversed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorName>,
    /// The last error of the task that it is in, also once the execution has ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<TaskError>,
    /// What the step says about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_reason: Option<String>,
    /// The failure's message without what differs from order to order; see [`normalised`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The state of the forward way that it did not get past, if it was or is being reversed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed_in: Option<ProcessState>,
    /// The customer's money that is neither spent on delivered goods nor given back; also that of which nobody
    /// knows whether it is held.
    pub held: Money,
    /// Since when it is held.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "millisecond::optional"
    )]
    pub held_since: Option<Timestamp>,
    /// Until when the hold is relied on. `None` if the money was taken and is to be given back.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "millisecond::optional"
    )]
    pub held_until: Option<Timestamp>,
    /// The payment provider's reference of what is or was held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payment: Option<String>,
    /// The carrier's tracking number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tracking: Option<String>,
    /// What the providers said otherwise than the ledger when they were last asked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub discrepancies: Vec<Discrepancy>,
    /// When they were last asked.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "millisecond::optional"
    )]
    pub compared_at: Option<Timestamp>,
    /// When it gets worse if nobody does anything: a review is rejected, a hold lapses, a redrive is no
    /// longer possible.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "millisecond::optional"
    )]
    pub deadline: Option<Timestamp>,
    /// What needs a person, and since when.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub incidents: BTreeMap<Incident, Timestamp>,
    /// What the order is worth.
    pub total: Money,
    /// When it was accepted.
    #[serde(with = "millisecond::required")]
    pub received_at: Timestamp,
    /// The shop's name for whoever ordered. `None` if an earlier version wrote this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer_id: Option<CustomerId>,
    /// The articles that are in it, sorted; [`skus`]. None if an earlier version wrote this, or nobody has
    /// reconciled it yet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub skus: Vec<Sku>,
    /// What was counted.
    pub counted: Tally,
    /// Whether an earlier attempt ended otherwise than the projection then knew: its money may have moved unseen.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub has_unseen: bool,
    /// When it is to be reconciled though no event reports anything. `None` once it is over.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "millisecond::optional"
    )]
    pub due_at: Option<Timestamp>,
    /// Whether it is over and nevertheless due: nobody knew of a hold when it was closed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub looked_at_again: bool,
}

/// After so long without a decision the process rejects the order; a contract test holds it against the
/// state machine's reminders.
pub const REVIEW_DEADLINE: Duration = Duration::from_secs(24 * HOUR);
/// An order that was closed while nobody knew of a hold is looked at again once in so long.
const LOOKED_AT_EVERY: Duration = Duration::from_secs(30 * MINUTE);
/// And not after so long: by then no request is on its way any more, however it got lost.
const LOOKED_AT_FOR: Duration = Duration::from_secs(24 * HOUR);
/// An order that does not get on is compared with the providers once in so long.
const COMPARED_EVERY: Duration = Duration::from_secs(15 * MINUTE);
/// An order that is only running is reconciled after this; most have ended by then.
const FIRST_RECONCILED_AFTER: Duration = Duration::from_secs(20);
/// Then, while it is in one state: in every sweep, of which there is one in a minute.
const RECONCILED_EVERY: Duration = Duration::from_secs(45);
/// What waits for a person changes slowly.
const RECONCILED_SLOWLY_EVERY: Duration = Duration::from_secs(5 * MINUTE);

/// When a closed order is looked at again, if it is.
fn again(state: &OrderState, now: Timestamp) -> Option<Timestamp> {
    state.closed_without_knowing()?;
    let last = state.closed_at? + LOOKED_AT_FOR;
    (now < last).then(|| (now + LOOKED_AT_EVERY).min(last))
}

impl Projection {
    /// The projection of an order that was just accepted.
    #[must_use]
    pub fn received(state: &OrderState) -> Self {
        Self {
            order_id: state.order_id.clone(),
            revision: 1,
            attempt: state.attempt,
            ledger: state.version,
            status: Status::Received,
            state: Some(ProcessState::ValidateOrder),
            since: state.received_at,
            health: Health::OnTrack,
            execution: None,
            retry: None,
            error: None,
            last_error: None,
            last_reason: None,
            message: None,
            failed_in: None,
            held: Money::zero(state.total.currency()),
            held_since: None,
            held_until: None,
            payment: None,
            tracking: None,
            discrepancies: Vec::new(),
            compared_at: None,
            deadline: None,
            incidents: BTreeMap::new(),
            total: state.total,
            received_at: state.received_at,
            customer_id: Some(state.customer_id.clone()),
            skus: Vec::new(),
            counted: Tally::nothing(state.total.currency()),
            has_unseen: false,
            due_at: Some(state.received_at + FIRST_RECONCILED_AFTER),
            looked_at_again: false,
        }
    }

    /// The projection after this one, from the ledger as it is and what was observed of the execution.
    #[must_use]
    pub fn next(
        &self,
        state: &OrderState,
        observed: &Observation,
        limits: &Limits,
        now: Timestamp,
    ) -> Self {
        let known = self
            .execution
            .filter(|known| known.attempt == state.attempt);
        let reported = observed.execution;
        let reported = reported.filter(|reported| reported.attempt == state.attempt);
        let execution = match (known, reported) {
            (Some(known), Some(reported)) if reported.is_news_after(&known) => Some(reported),
            (Some(known), _) => Some(known),
            (None, reported) => reported,
        };
        let ended = execution.is_some_and(|execution| execution.status.has_ended());
        let at = ProcessState::of(state);
        let over = state.closed_at.or(state.waived_at).unwrap_or(now);
        let since = at.map_or(over, |(_, since)| since);
        let at = at.map(|(at, _)| at);
        let same_state = self.state == at && self.attempt == state.attempt;
        let retry = match &observed.retry {
            Some(found) => found.clone(),
            None if same_state => self.retry.clone(),
            None => None,
        };
        let ended_with = observed.ended_with.as_ref();
        let ended_with = ended_with.map(|last| (last.error.clone(), last.reason.clone()));
        let retried = retry.as_ref();
        let retried = retried.map(|retry| (retry.error.clone(), retry.reason.clone()));
        let known = self.last_error.clone().filter(|_| same_state);
        let known = known.map(|error| (error, self.last_reason.clone()));
        let last = ended_with.or(retried).or(known).filter(|_| at.is_some());
        let (last_error, last_reason) = last.unzip();
        // It is about the state, and over once that is left.
        let retry = retry.filter(|retry| Some(retry.state) == at && !ended);
        let health = match at {
            Some(at) => Health::of(at, since, limits, now),
            None => Health::OnTrack,
        };
        let status = Status::of(state, known_status(state, execution));
        // About the ledger as it was: what has changed since is compared anew.
        let same_ledger = self.ledger == state.version && at.is_some();
        let (compared_at, discrepancies) = match &observed.compared {
            Some(found) if at.is_some() => (Some(now), found.clone()),
            Some(_) | None if same_ledger => (self.compared_at, self.discrepancies.clone()),
            Some(_) | None => (None, Vec::new()),
        };
        let mut found = incidents_of(state, at, health, execution, limits, now);
        if !discrepancies.is_empty() {
            found.push(Incident::ProviderDiffers);
        }
        let failing_since = retry.as_ref().and_then(|retry| retry.since);
        if failing_since.is_some_and(|since| now >= since + limits.keeps_failing_after) {
            found.push(Incident::KeepsFailing);
        }
        let incidents = self.since_when(found, observed.asked, now);
        let held = held(state, now);
        let (held_since, held_until) = held_from_to(state, held);
        let mut next = Self {
            order_id: self.order_id.clone(),
            revision: self.revision + 1,
            attempt: state.attempt,
            ledger: state.version,
            status,
            state: at,
            since,
            health,
            execution,
            error: state.failure.as_ref().map(|failure| failure.error),
            last_error,
            last_reason: last_reason.flatten(),
            message: state
                .failure
                .as_ref()
                .map(|failure| normalised(&failure.message)),
            failed_in: state.failure.as_ref().map(|_| stopped_in(state)),
            held,
            held_since,
            held_until,
            payment: state.held_payment().map(str::to_owned),
            tracking: shipment(state, now).tracking_number,
            discrepancies,
            compared_at,
            deadline: deadline(state, at, since, execution),
            incidents,
            total: state.total,
            received_at: self.received_at,
            customer_id: Some(state.customer_id.clone()),
            skus: self.skus.clone(),
            counted: counted(self, state, ended, retry.as_ref(), same_state),
            has_unseen: false,
            retry,
            due_at: None,
            looked_at_again: false,
        };
        next.due_at = next.due(state, observed.asked, limits, now);
        next.looked_at_again =
            next.has_come_to_its_end(state, observed.asked) && next.due_at.is_some();
        // A task that is retried writes the ledger with each try. What only follows that must not put off the
        // time at which Step Functions is asked itself.
        if same_state && !observed.asked {
            next.due_at = next
                .due_at
                .map(|due| self.due_at.map_or(due, |was| was.min(due)));
        }
        next
    }

    /// What needs a person now, and since when.
    fn since_when(
        &self,
        found: Vec<Incident>,
        asked: bool,
        now: Timestamp,
    ) -> BTreeMap<Incident, Timestamp> {
        let mut incidents = BTreeMap::new();
        for incident in found {
            // Most unknown outcomes are known once the first reconciliation has had the providers asked.
            if incident == Incident::OutcomeUnknown
                && !asked
                && !self.incidents.contains_key(&incident)
            {
                continue;
            }
            let since = self.incidents.get(&incident).copied().unwrap_or(now);
            incidents.insert(incident, since);
        }
        incidents
    }

    /// The cause of one of its incidents.
    #[must_use]
    pub fn cause(&self, incident: Incident) -> Cause {
        // Why an order is reversed is not why its undo gave up.
        let retried = self.retry.as_ref().map(|retry| retry.error.clone());
        let error = retried.or_else(|| self.last_error.clone());
        Cause {
            problem: Problem::Incident(incident),
            state: self.state,
            error: error.or_else(|| self.error.map(TaskError::from)),
        }
    }

    /// What the last failure of what holds the order says, without what differs from order to order: its task's,
    /// or else why it is being reversed.
    #[must_use]
    pub fn says(&self) -> Option<String> {
        match &self.last_error {
            Some(_) => self.last_reason.as_deref().map(normalised),
            None => self.message.clone(),
        }
    }

    /// The error of the last try of its task, and why, if there is one.
    #[must_use]
    pub fn last_try(&self) -> Option<String> {
        let error = self.last_error.as_ref()?;
        Some(why(error, self.last_reason.as_deref()))
    }

    /// Why it was reversed, if it was.
    #[must_use]
    pub fn reversed_because(&self) -> Option<Cause> {
        let error = self.error?;
        Some(Cause {
            problem: Problem::Reversed(error),
            state: self.failed_in,
            error: Some(error.into()),
        })
    }

    /// Whether somebody has to do something about it.
    #[must_use]
    pub fn needs_a_person(&self) -> bool {
        let mut incidents = self.incidents.keys();
        incidents.any(|incident| incident.needs_a_person())
    }

    /// Whether nothing is left to do, and nothing to observe but for what should not be there.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.due_at.is_none() || self.looked_at_again
    }

    /// Whether the providers are to be asked how they see the order: it has money held or a label bought, does
    /// not get on, nobody is at work on either, and they were not asked lately.
    #[must_use]
    pub fn wants_comparison(
        &self,
        state: &OrderState,
        ended: bool,
        limits: &Limits,
        now: Timestamp,
    ) -> bool {
        let Some((at, since)) = ProcessState::of(state) else {
            return false;
        };
        let something = state.held_payment().is_some() || state.book.is_some();
        let stays = ended || Health::of(at, since, limits, now) != Health::OnTrack;
        let known = !payment_is_unknown(state, now) && !shipment_is_unknown(state, now);
        let lately = self.ledger == state.version
            && self.compared_at.is_some_and(|at| now < at + COMPARED_EVERY);
        something && stays && known && !lately
    }

    fn is_started(&self) -> bool {
        self.execution
            .is_some_and(|execution| execution.status != ExecutionStatus::NotStarted)
    }

    /// What the order waits for, in words.
    #[must_use]
    pub fn waits_for(&self) -> &'static str {
        let ended = self
            .execution
            .is_some_and(|execution| execution.status.has_ended());
        match self.state {
            None => "nothing",
            Some(_) if ended => "an operator",
            Some(ProcessState::ValidateOrder) if !self.is_started() => "its execution",
            Some(at) => at.waits_for(),
        }
    }

    /// Whether the order and its execution have ended as each other says.
    fn has_come_to_its_end(&self, state: &OrderState, asked: bool) -> bool {
        let status = self.execution.map(|execution| execution.status);
        // An end that does not fit the order's may have been followed by a redrive that no event reported.
        let fits = match status {
            Some(ExecutionStatus::Succeeded) => state.failure.is_none(),
            Some(ExecutionStatus::Failed) => state.failure.is_some(),
            _ => false,
        };
        let ended = status.is_some_and(ExecutionStatus::has_ended);
        self.state.is_none() && ended && (fits || asked)
    }

    /// When time alone may change what this says.
    fn due(
        &self,
        state: &OrderState,
        asked: bool,
        limits: &Limits,
        now: Timestamp,
    ) -> Option<Timestamp> {
        if self.has_come_to_its_end(state, asked) {
            return again(state, now);
        }
        let Some(at) = self.state else {
            return Some(now + RECONCILED_EVERY);
        };
        let status = self.execution.map(|execution| execution.status);
        let ended = status.is_some_and(ExecutionStatus::has_ended);
        if ended {
            // What was only reported is reconciled soon: it may mend by itself, as does what was cancelled.
            return Some(
                now + if asked && !state.cancelled_unseen() {
                    RECONCILED_SLOWLY_EVERY
                } else {
                    FIRST_RECONCILED_AFTER
                },
            );
        }
        let usual = if self.health == Health::OnTrack && now < self.since + FIRST_RECONCILED_AFTER {
            self.since + FIRST_RECONCILED_AFTER
        } else if at == ProcessState::ReviewOrder {
            now + RECONCILED_SLOWLY_EVERY
        } else {
            now + RECONCILED_EVERY
        };
        let hold = state.hold_trusted_until();
        let failing_since = self.retry.as_ref().and_then(|retry| retry.since);
        let changes = [
            Some(self.since + limits.at_risk_after(at)),
            Some(self.since + limits.overdue_after(at)),
            hold.map(|until| until - limits.hold_warning),
            failing_since.map(|since| since + limits.keeps_failing_after),
        ];
        let next = changes.into_iter().flatten().filter(|at| *at > now).min();
        Some(next.map_or(usual, |next| next.min(usual)))
    }
}

/// The articles of an order, sorted, as [`Projection::skus`] has them.
#[must_use]
pub fn skus(order: &Order) -> Vec<Sku> {
    let mut skus: Vec<Sku> = order.lines.iter().map(|line| line.sku.clone()).collect();
    skus.sort();
    skus.dedup();
    skus
}

/// A message without what differs from order to order: each word with a digit in it becomes `…`, so that the
/// same failure of many orders is one.
#[must_use]
pub fn normalised(message: &str) -> String {
    let words = message.split(' ').map(|word| {
        let bare = word.trim_end_matches([',', '.', ';', ':']);
        if bare.contains(|c: char| c.is_ascii_digit()) {
            format!("…{}", &word[bare.len()..])
        } else {
            word.to_owned()
        }
    });
    words.collect::<Vec<_>>().join(" ")
}
