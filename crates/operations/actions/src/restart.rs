//! A new attempt that goes on with what the last one did, and what of that it keeps.

use domain::ledger::{Authorization, Booking, Entry};
use domain::ports::Record;
use domain::{Actor, AuditEvent, Changes, Event, OrderId, OrderState, Timestamp};
use operations::ProcessState;
use operations::advice::Action;
use workflow::Described;

use crate::{Actions, Attribution, Refused, event, modify, possible};

/// What becomes of what a state of the process does, in an attempt that is restarted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// It was done, and is not done again.
    Kept(String),
    /// It was done, is undone and done again.
    Again(String),
    /// It was not done yet.
    ToDo,
}

/// A state from which a new attempt could go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// The state.
    pub from: ProcessState,
    /// Whether that is possible now; if not, why.
    pub possible: Result<(), String>,
    /// What becomes of each state's effect, in their order. Nothing if it is not possible.
    pub effects: Vec<(ProcessState, Fate)>,
}

/// The states that an order has reached, each with what a restart from there would do. None if the order is over.
#[must_use]
pub fn offers(record: &Record, described: &Described, now: Timestamp) -> Vec<Offer> {
    let state = &record.state;
    let Some((at, _)) = ProcessState::of(state) else {
        return Vec::new();
    };
    let reached = |from: &ProcessState| match from {
        from if *from == at => true,
        // It begins with what is validated.
        ProcessState::ReviewOrder => false,
        // An order that is being reversed goes on with that.
        from => !at.is_undo() && *from < at,
    };
    let all = ProcessState::ALL.iter().copied();
    all.filter(reached)
        .map(|from| {
            let fresh = fresh(record, described, Some(from), now);
            let effects = fresh.as_ref().map(|fresh| effects(state, fresh));
            Offer {
                from,
                effects: effects.unwrap_or_default(),
                possible: fresh.map(drop),
            }
        })
        .collect()
}

/// The state with which an attempt from there begins.
fn fresh(
    record: &Record,
    described: &Described,
    from: Option<ProcessState>,
    now: Timestamp,
) -> Result<OrderState, String> {
    possible(Action::Restart, record, described, now)?;
    let state = &record.state;
    let at = ProcessState::of(state).map(|(at, _)| at);
    let ships_again = match from {
        None => false,
        from if from == at => false,
        Some(ProcessState::ShipOrder) => true,
        Some(ProcessState::ValidateOrder | ProcessState::ReviewOrder) => {
            return Err("its stock is reserved, and stays so".to_owned());
        }
        Some(ProcessState::ChargePayment) => {
            return Err("its money is held, and is never held a second time".to_owned());
        }
        Some(from) => return Err(format!("it is not in {from}, and cannot begin there")),
    };
    state.restarted(ships_again, now).map_err(str::to_owned)
}

/// What becomes of each effect between two attempts.
fn effects(last: &OrderState, fresh: &OrderState) -> Vec<(ProcessState, Fate)> {
    let Some((at, _)) = ProcessState::of(fresh) else {
        return Vec::new();
    };
    let all = ProcessState::ALL.iter().copied();
    let way = all.filter(|state| state.is_undo() == at.is_undo());
    let without_review =
        way.filter(|state| *state != ProcessState::ReviewOrder || last.review.is_some());
    without_review
        .map(|state| (state, fate(state, at, last)))
        .collect()
}

fn fate(state: ProcessState, at: ProcessState, last: &OrderState) -> Fate {
    let label = match last.book.as_ref().and_then(Entry::outcome) {
        Some(Booking::Booked { label, .. }) => Some(label.as_str()),
        Some(Booking::Refused { .. }) | None => last.label_to_void(),
    };
    if state >= at {
        return match (state, label) {
            (ProcessState::ShipOrder, Some(label)) => {
                Fate::Again(format!("label {label} is voided, and another one bought"))
            }
            _ => Fate::ToDo,
        };
    }
    Fate::Kept(match state {
        ProcessState::ValidateOrder => "the stock stays reserved".to_owned(),
        ProcessState::ReviewOrder => "the decision stands".to_owned(),
        ProcessState::ChargePayment => match last.authorize.as_ref().and_then(Entry::outcome) {
            Some(Authorization::Held { payment, .. }) => format!("payment {payment} stays held"),
            Some(Authorization::Declined { .. }) | None => "nothing is held".to_owned(),
        },
        ProcessState::ShipOrder => match label {
            Some(label) => format!("label {label} stays"),
            None => "nothing is booked".to_owned(),
        },
        ProcessState::CapturePayment => "the payment is taken".to_owned(),
        ProcessState::CancelShipment => "the shipment is cancelled".to_owned(),
        ProcessState::ReversePayment => "the money went back".to_owned(),
        ProcessState::ReleaseStock => "the stock is released".to_owned(),
        _ => "it was done".to_owned(),
    })
}

impl Actions {
    /// Begins a new attempt that goes on with what the last one did, `from` the state where that stopped or an
    /// earlier one ([`offers`]), and with `changes` to where it goes and how it is paid. Tells what came of it.
    ///
    /// # Errors
    /// If it is not possible, or something does not answer.
    pub async fn restart(
        &self,
        order_id: &OrderId,
        from: Option<ProcessState>,
        changes: Option<&Changes>,
        who: Attribution<'_>,
    ) -> Result<String, Refused> {
        let (record, described) = self.inspect(order_id).await?;
        let fresh = fresh(&record, &described, from, who.at).map_err(Refused::NotPossible)?;
        let (fresh, personal) = modify::with(&record, fresh, changes, who.at)?;
        let mut noted = event(Event::RestartRequested, who);
        let from = from.map(|from| format!("from {from}"));
        let more: Vec<String> = from
            .into_iter()
            .chain(changes.map(Changes::words))
            .collect();
        if !more.is_empty() {
            noted.reason = format!("{} ({})", noted.reason, more.join("; "));
        }
        self.begin(&record, fresh, personal.as_ref(), &noted).await
    }

    /// Begins the attempt that reverses an order whose cancellation was accepted after its execution had ended,
    /// so that no step was left to see it. `false` if that is not so, or not possible before its outcomes are known.
    ///
    /// # Errors
    /// If something does not answer.
    pub async fn carry_out_cancellation(
        &self,
        record: &Record,
        described: &Described,
        now: Timestamp,
    ) -> Result<bool, Refused> {
        if !record.state.cancelled_unseen() {
            return Ok(false);
        }
        let Ok(fresh) = fresh(record, described, None, now) else {
            return Ok(false);
        };
        let why = "it was cancelled, and its execution had ended";
        let noted = AuditEvent::new(now, Event::RestartRequested, Actor::Monitor, why);
        match self.begin(record, fresh, None, &noted).await {
            Ok(_) => Ok(true),
            // Somebody was quicker.
            Err(Refused::NotPossible(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }
}
