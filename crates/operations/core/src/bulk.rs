//! One action on many orders: previewed and frozen under a digest, then done to one order, to ten more, and to
//! the rest, and stopped when one fails again.

use std::fmt;

use domain::{Actor, Money, OrderId, Status, Sums, Timestamp, words};
use jiff::fmt::serde::timestamp::millisecond;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::advice::Action;
use crate::incident::Incident;
use crate::process::ProcessState;
use crate::projection::Projection;
use crate::short;

/// So many orders are in one bulk at most: each is inspected while somebody waits for the preview.
pub const LARGEST: usize = 200;
/// So many are acted on after the first one has come through.
const SECOND_WAVE: usize = 10;

/// So many times that people paused, resumed or stopped one bulk are kept.
const KEPT: usize = 20;

/// What became of one order of a bulk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Nothing was done yet.
    Waiting,
    /// It was asked for; nothing was seen of it yet.
    Requested,
    /// It is under way, and not yet past the state that it had failed in.
    Running,
    /// It is past that state.
    Recovered,
    /// It has failed again.
    FailedAgain,
    /// Nothing was done, because it was not possible any more: why.
    Refused(String),
}

words! {
    /// What became of one order of a bulk, without the reason.
    pub enum OutcomeKind {
        /// See [`Outcome::Recovered`].
        Recovered = "recovered",
        /// See [`Outcome::FailedAgain`].
        FailedAgain = "failed_again",
        /// See [`Outcome::Refused`].
        Refused = "refused",
        /// See [`Outcome::Running`].
        Running = "running",
        /// See [`Outcome::Requested`].
        Requested = "requested",
        /// See [`Outcome::Waiting`].
        Waiting = "waiting",
    }
}

words! {
    /// How far a bulk is.
    pub enum BulkState {
        /// It was looked at, and nobody has let it happen yet.
        Previewed = "previewed",
        /// The monitor carries it out.
        Running = "running",
        /// No further order is touched until somebody resumes it.
        Paused = "paused",
        /// No further order is touched; those that were are followed to their end.
        Stopped = "stopped",
        /// Nothing is left to do.
        Done = "done",
    }
}

impl Outcome {
    /// Which it is, whatever the reason.
    #[must_use]
    pub const fn kind(&self) -> OutcomeKind {
        match self {
            Self::Waiting => OutcomeKind::Waiting,
            Self::Requested => OutcomeKind::Requested,
            Self::Running => OutcomeKind::Running,
            Self::Recovered => OutcomeKind::Recovered,
            Self::FailedAgain => OutcomeKind::FailedAgain,
            Self::Refused(_) => OutcomeKind::Refused,
        }
    }
}

/// One order of a bulk, as it was when it was previewed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Which order.
    pub order_id: OrderId,
    /// The version of its ledger: if that has changed, the order is left alone.
    pub version: u64,
    /// The attempt that it was at.
    pub attempt: u32,
    /// The state of the process that it has to get past.
    pub state: Option<ProcessState>,
    /// What it is worth.
    pub total: Money,
    /// When it was asked for.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "millisecond::optional"
    )]
    pub requested_at: Option<Timestamp>,
    /// What became of it.
    pub outcome: Outcome,
    /// Why it is likely to come to the same again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warning: Option<String>,
    /// With which error it failed again, and where.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// The digest of the other bulk that it was left to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left_to: Option<String>,
}

/// An order that is left out: the action is not possible for it, or another bulk has it in hand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skipped {
    /// Which order.
    pub order_id: OrderId,
    /// Why.
    pub why: String,
    /// The digest of the other bulk that has it in hand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left_to: Option<String>,
}

/// Another bulk that has an order in hand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// Its digest.
    pub digest: String,
    /// What it does.
    pub action: Action,
    /// Who let it happen.
    pub by: Actor,
    /// Since when.
    pub since: Timestamp,
}

impl fmt::Display for Holder {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            digest,
            action,
            by,
            since,
        } = self;
        write!(
            out,
            "another bulk has it in hand: {action} by {by} since {since:.0} (bulk {digest})"
        )
    }
}

/// Who lets it happen, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Applied {
    /// Who.
    pub by: Actor,
    /// Why, in their words.
    pub reason: String,
    /// When.
    #[serde(with = "millisecond::required")]
    pub at: Timestamp,
}

words! {
    /// What an operator can do to a bulk at work. The word is what a command and a route ask for it by.
    pub enum Control {
        /// Begins no further order for now.
        Pause = "pause",
        /// Goes on after a pause.
        Resume = "resume",
        /// Begins no further order ever.
        Stop = "stop",
    }
}

/// What somebody did to a bulk at work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Controlled {
    /// What.
    pub control: Control,
    /// Who.
    pub by: Actor,
    /// When.
    #[serde(with = "millisecond::required")]
    pub at: Timestamp,
}

/// An action on many orders.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bulk {
    /// Of the action and of each order as it was previewed: applying asks for exactly this.
    pub digest: String,
    /// Raised by every write.
    pub revision: u64,
    /// What is to be done.
    pub action: Action,
    /// When the orders were previewed.
    #[serde(with = "millisecond::required")]
    pub previewed_at: Timestamp,
    /// The orders that it is possible for.
    pub parts: Vec<Part>,
    /// The others.
    pub skipped: Vec<Skipped>,
    /// Set once it is applied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub applied: Option<Applied>,
    /// Why it was stopped, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped: Option<String>,
    /// What people did to it since it was applied, the latest last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub controlled: Vec<Controlled>,
    /// When nothing was left to do.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "millisecond::optional"
    )]
    pub ended_at: Option<Timestamp>,
    /// Until when somebody is at work on it.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "millisecond::optional"
    )]
    pub busy_until: Option<Timestamp>,
}

impl Bulk {
    /// What was previewed, frozen under a digest.
    #[must_use]
    pub fn preview(
        action: Action,
        mut parts: Vec<Part>,
        skipped: Vec<Skipped>,
        now: Timestamp,
    ) -> Self {
        parts.sort_by(|a, b| a.order_id.cmp(&b.order_id));
        let mut hasher = Sha256::new();
        hasher.update(action.as_str().as_bytes());
        for part in &parts {
            let (minor, currency) = (part.total.minor(), part.total.currency());
            let line = format!(
                "\n{} {} {} {minor} {currency}",
                part.order_id, part.version, part.attempt
            );
            hasher.update(line.as_bytes());
        }
        // The same orders previewed on another day are another decision.
        hasher.update(now.as_second().to_be_bytes());
        let digest = short(hasher);
        Self {
            digest,
            revision: 1,
            action,
            previewed_at: now,
            parts,
            skipped,
            applied: None,
            stopped: None,
            controlled: Vec::new(),
            ended_at: None,
            busy_until: None,
        }
    }

    /// What the orders are worth, by currency.
    #[must_use]
    pub fn worth(&self) -> Sums {
        let mut sums = Sums::default();
        for part in &self.parts {
            sums.add(part.total);
        }
        sums
    }

    /// How many have come to this.
    #[must_use]
    pub fn count(&self, kind: OutcomeKind) -> usize {
        let parts = self.parts.iter();
        parts.filter(|part| part.outcome.kind() == kind).count()
    }

    /// How far it is.
    #[must_use]
    pub fn state(&self) -> BulkState {
        match self {
            Self { applied: None, .. } => BulkState::Previewed,
            Self {
                stopped: Some(_), ..
            } => BulkState::Stopped,
            Self {
                ended_at: Some(_), ..
            } => BulkState::Done,
            Self { controlled, .. } => match controlled.last().map(|last| last.control) {
                Some(Control::Pause) => BulkState::Paused,
                Some(Control::Resume | Control::Stop) | None => BulkState::Running,
            },
        }
    }

    /// Pauses, resumes or stops it. Orders that were begun are followed to their end.
    ///
    /// # Errors
    /// Why that is not possible.
    pub fn control(
        &mut self,
        control: Control,
        by: Actor,
        reason: &str,
        now: Timestamp,
    ) -> Result<(), &'static str> {
        match (self.state(), control) {
            (BulkState::Previewed, _) => return Err("it was not applied yet"),
            (BulkState::Stopped, _) => return Err("it was stopped before"),
            (BulkState::Done, _) => return Err("it has come to its end"),
            (BulkState::Paused, Control::Pause) => return Err("it was paused before"),
            (BulkState::Running, Control::Resume) => return Err("it is not paused"),
            (BulkState::Running, Control::Pause) | (_, Control::Stop)
                if self.count(OutcomeKind::Waiting) == 0 =>
            {
                return Err("every order was begun, and is followed to its end");
            }
            (BulkState::Running | BulkState::Paused, _) => {}
        }
        if control == Control::Stop {
            self.stopped = Some(reason.to_owned());
        }
        let too_many = (self.controlled.len() + 1).saturating_sub(KEPT);
        self.controlled.drain(..too_many);
        self.controlled.push(Controlled {
            control,
            by,
            at: now,
        });
        Ok(())
    }

    /// Takes over what people have done to it since it was read to be carried out. `false` if it is carried out
    /// by somebody else by now.
    pub fn heed(&mut self, stored: &Self) -> bool {
        // As it is kept: to the millisecond.
        let until = |bulk: &Self| bulk.busy_until.map(Timestamp::as_millisecond);
        if until(stored) != until(self) {
            return false;
        }
        self.revision = stored.revision;
        self.controlled.clone_from(&stored.controlled);
        if stored.stopped.is_some() {
            self.stopped.clone_from(&stored.stopped);
        }
        true
    }

    /// Whether something is left to do or to see.
    #[must_use]
    pub fn is_at_work(&self) -> bool {
        self.applied.is_some() && self.ended_at.is_none()
    }

    /// Itself as whoever has this order in hand, if it has.
    #[must_use]
    pub fn holder_of(&self, order_id: &OrderId) -> Option<Holder> {
        self.holds(order_id).and_then(|_| self.holder())
    }

    /// Leaves to other bulks what they have in hand. Of two that were applied at once the earlier one goes on,
    /// whichever of them is asked.
    pub fn leave_to(&mut self, others: &[Self], now: Timestamp) {
        let Some(since) = self.began() else {
            return;
        };
        let others = others.iter().filter(|other| other.digest != self.digest);
        let others: Vec<&Self> = others.collect();
        let waiting = self.parts.iter_mut();
        for part in waiting.filter(|part| part.outcome == Outcome::Waiting) {
            let holder = others.iter().find_map(|other| {
                let theirs = other.holds(&part.order_id)?;
                let first = theirs.is_under_way() || other.began() < Some(since.clone());
                other.holder().filter(|_| first)
            });
            if let Some(holder) = holder {
                part.requested_at = Some(now);
                part.outcome = Outcome::Refused(holder.to_string());
                part.left_to = Some(holder.digest);
            }
        }
    }

    /// By which bulks are put in order: when it was applied, and its digest.
    fn began(&self) -> Option<(Timestamp, String)> {
        let applied = self.applied.as_ref()?;
        Some((applied.at, self.digest.clone()))
    }

    fn holder(&self) -> Option<Holder> {
        let applied = self.applied.as_ref()?;
        Some(Holder {
            digest: self.digest.clone(),
            action: self.action,
            by: applied.by.clone(),
            since: applied.at,
        })
    }

    /// The part that is acted on, or is going to be.
    fn holds(&self, order_id: &OrderId) -> Option<&Part> {
        let part = self.parts.iter().find(|part| part.order_id == *order_id)?;
        let to_come = part.outcome == Outcome::Waiting && self.stopped.is_none();
        (self.is_at_work() && (part.is_under_way() || to_come)).then_some(part)
    }

    /// The orders whose projections say what became of them.
    #[must_use]
    pub fn under_way(&self) -> Vec<OrderId> {
        let parts = self.parts.iter().filter(|part| part.is_under_way());
        parts.map(|part| part.order_id.clone()).collect()
    }

    /// Takes note of what became of an order.
    pub fn see(&mut self, projection: &Projection) {
        let action = self.action;
        let part = self
            .parts
            .iter_mut()
            .find(|part| part.order_id == projection.order_id);
        if let Some(part) = part.filter(|part| part.is_under_way()) {
            part.outcome = part.became(action, projection);
            if part.outcome == Outcome::FailedAgain {
                part.failure = Some(failure(projection));
            }
        }
    }

    /// The orders that are to be acted on now: one, then ten more once that came through, then the rest; none
    /// while it is paused. Stops when one has failed again, and ends when nothing is left.
    #[must_use]
    pub fn next_wave(&mut self, now: Timestamp) -> Vec<OrderId> {
        if !self.is_at_work() {
            return Vec::new();
        }
        let (recovered, failed) = (
            self.count(OutcomeKind::Recovered),
            self.count(OutcomeKind::FailedAgain),
        );
        let under_way = self.under_way().len();
        let asked = recovered + failed + under_way;
        if failed > 0 && self.stopped.is_none() && self.count(OutcomeKind::Waiting) > 0 {
            self.stopped = Some(format!("{failed} of {asked} failed again"));
        }
        let waiting = self
            .parts
            .iter()
            .filter(|part| part.outcome == Outcome::Waiting);
        let waiting: Vec<OrderId> = waiting.map(|part| part.order_id.clone()).collect();
        if self.stopped.is_some() || waiting.is_empty() {
            if under_way == 0 {
                self.ended_at = Some(now);
            }
            return Vec::new();
        }
        if self.state() == BulkState::Paused {
            return Vec::new();
        }
        let wave = match asked {
            0 => 1,
            _ if under_way > 0 && asked <= SECOND_WAVE + 1 => 0,
            asked if asked <= SECOND_WAVE => SECOND_WAVE + 1 - asked,
            _ => waiting.len(),
        };
        waiting.into_iter().take(wave).collect()
    }

    /// An order was acted on, or could not be.
    pub fn acted(&mut self, order_id: &OrderId, refused: Option<String>, now: Timestamp) {
        let part = self
            .parts
            .iter_mut()
            .find(|part| part.order_id == *order_id);
        if let Some(part) = part {
            part.requested_at = Some(now);
            part.outcome = refused.map_or(Outcome::Requested, Outcome::Refused);
        }
    }
}

impl Part {
    fn is_under_way(&self) -> bool {
        matches!(self.outcome, Outcome::Requested | Outcome::Running)
    }

    /// What became of it, by the monitor's record.
    fn became(&self, action: Action, projection: &Projection) -> Outcome {
        let since = self.requested_at;
        let stopped_again = projection.incidents.contains_key(&Incident::Unfinished)
            && projection
                .execution
                .and_then(|execution| execution.stopped_at)
                .is_some_and(|at| since.is_some_and(|since| at >= since));
        // The record follows the ledger a moment later.
        let seen =
            projection.ledger > self.version || projection.attempt > self.attempt || stopped_again;
        let incident_is_over = |incident| !projection.incidents.contains_key(&incident);
        match action {
            Action::Resolve => {
                let over = incident_is_over(Incident::OutcomeUnknown)
                    && incident_is_over(Incident::MessageNotSent);
                if seen && over {
                    Outcome::Recovered
                } else {
                    Outcome::Running
                }
            }
            Action::Resend => {
                let over = seen && incident_is_over(Incident::MessageNotSent);
                if over {
                    Outcome::Recovered
                } else {
                    Outcome::Running
                }
            }
            Action::Reject | Action::Cancel => match projection.status {
                Status::Rejected | Status::Cancelled => Outcome::Recovered,
                // It has ended otherwise, and nothing comes after that.
                _ if projection.is_over() => Outcome::FailedAgain,
                _ if stopped_again => Outcome::FailedAgain,
                _ => Outcome::Running,
            },
            // None is made of it.
            Action::Settle => Outcome::Running,
            Action::Approve | Action::Redrive | Action::Restart | Action::Reprocess => {
                if stopped_again {
                    Outcome::FailedAgain
                } else if !seen {
                    Outcome::Requested
                } else if self.is_past(projection) {
                    Outcome::Recovered
                } else if self.went_back(projection) {
                    Outcome::FailedAgain
                } else {
                    Outcome::Running
                }
            }
        }
    }

    /// Whether the order is past the state that it had to get past.
    fn is_past(&self, projection: &Projection) -> bool {
        let Some(state) = self.state else {
            return projection.status == Status::Completed;
        };
        match projection.state {
            Some(at) => at.is_undo() == state.is_undo() && at > state,
            None => state.is_undo() || projection.status == Status::Completed,
        }
    }

    /// Whether it is being reversed though it was to go on.
    fn went_back(&self, projection: &Projection) -> bool {
        let forward = self.state.is_none_or(|state| !state.is_undo());
        forward && projection.error.is_some()
    }
}

/// What an order that failed again failed with: what its undo gave up on, or else why it is reversed.
fn failure(projection: &Projection) -> String {
    let unfinished = projection.incidents.contains_key(&Incident::Unfinished);
    let last = projection.last_error.clone().filter(|_| unfinished);
    let (error, state, message) = match (last, projection.error) {
        (Some(last), _) => (Some(String::from(last)), projection.state, None),
        (None, Some(error)) => {
            let state = projection.failed_in;
            (
                Some(error.to_string()),
                state,
                projection.message.as_deref(),
            )
        }
        (None, None) => (None, projection.state, None),
    };
    let error = error.unwrap_or_else(|| "its execution stopped".to_owned());
    let state = state.map_or_else(String::new, |state| format!(" in {state}"));
    let message = message.map_or_else(String::new, |message| format!(": {message}"));
    format!("{error}{state}{message}")
}

#[cfg(test)]
mod tests;
