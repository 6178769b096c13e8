//! What must hold of an order: at any time, and at its end.

use std::fmt::Write as _;

use domain::ledger::{Authorization, Entry, Unbooking};
use domain::{ErrorName, Money, OrderState, Stage, Timestamp};
use operations::trend::Flow;
use operations::{Limits, Movement, Observation, Projection};
use serde_json::Value;
use step::FailureInput;

use crate::shop::{Do, TOTAL, count};

/// What an order has come to, at the providers and on record.
pub(crate) struct Balance {
    /// Pieces in stock before the order came.
    pieces: u64,
    ledger: Value,
    state: OrderState,
    cancelled: bool,
    /// How often a hold has lapsed by itself.
    lapses: usize,
}

/// `Err` with what is broken.
pub(crate) fn must(holds: bool, what: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(what.to_owned()) }
}

impl Balance {
    pub(crate) fn new(pieces: u64, ledger: Value, state: OrderState) -> Self {
        Self {
            pieces,
            ledger,
            state,
            cancelled: false,
            lapses: 0,
        }
    }

    pub(crate) fn count(&self, kind: &str) -> usize {
        count(&self.ledger, kind)
    }

    /// Holds that stand.
    pub(crate) fn holds(&self) -> usize {
        let over = self.count("captures") + self.count("voids") + self.lapsed_at_capture();
        self.count("authorizations").saturating_sub(over)
    }

    /// Holds that a planted refusal of the capture has found lapsed; no void tells of them.
    fn lapsed_at_capture(&self) -> usize {
        let fired = self.ledger["faults_fired"].as_array();
        let fired = fired.into_iter().flatten();
        fired
            .filter(|fault| fault["operation"] == "capture" && fault["mode"] == "decline")
            .count()
    }

    fn labels(&self) -> usize {
        self.count("shipments") - self.count("cancelled_shipments")
    }

    pub(crate) fn tracking_numbers(&self, kind: &str) -> Vec<String> {
        self.texts(kind, "tracking_number")
    }

    /// The tracking numbers of labels that are not void.
    pub(crate) fn live_labels(&self) -> Vec<String> {
        let void = self.texts("cancelled_shipments", "id");
        let labels = self.texts("shipments", "id").into_iter();
        let labels = labels.zip(self.tracking_numbers("shipments"));
        let live = labels.filter(|(id, _)| !void.contains(id));
        live.map(|(_, tracking)| tracking).collect()
    }

    fn texts(&self, kind: &str, field: &str) -> Vec<String> {
        let entries = self.ledger[kind].as_array().into_iter().flatten();
        let texts = entries.map(|one| one[field].as_str().unwrap_or_default().to_owned());
        texts.collect()
    }

    fn shipment_is_written_off(&self) -> bool {
        let unbook = self.state.unbook.as_ref().and_then(Entry::outcome);
        match unbook {
            Some(Unbooking::WrittenOff) => true,
            Some(Unbooking::Nothing | Unbooking::Cancelled) | None => false,
        }
    }

    pub(crate) fn sum(&self, kind: &str) -> u64 {
        let amounts = self.ledger[kind].as_array().into_iter().flatten();
        amounts.filter_map(|one| one["amount"].as_u64()).sum()
    }

    /// When the first effect of a kind happened.
    fn first(&self, kind: &str) -> Option<Timestamp> {
        self.ledger[kind][0]["at"].as_str()?.parse().ok()
    }

    /// A cancellation was asked for in time.
    pub(crate) fn cancelled(&mut self) {
        self.cancelled = true;
    }

    /// A hold has lapsed: money may be held anew.
    pub(crate) fn lapsed(&mut self) {
        self.lapses += 1;
    }

    /// Whether a cancellation was asked for before this task came to anything: it must not begin.
    pub(crate) fn is_cancelled_before(&self, task: Do) -> bool {
        self.cancelled && !(task.expected().is_done)(&self.state)
    }

    /// The planted faults that fired.
    pub(crate) fn fired(&self) -> Vec<String> {
        let fired = self.ledger["faults_fired"].as_array();
        let text = |fault: &Value| {
            let field = |name: &str| fault[name].as_str().unwrap_or_default().to_owned();
            [field("provider"), field("operation"), field("mode")].join(" ")
        };
        fired.into_iter().flatten().map(text).collect()
    }

    /// Paid and shipped, and nobody told the customer.
    pub(crate) fn awaits_message(&self) -> bool {
        self.state.stage == Stage::Captured
    }

    /// What holds after each event.
    pub(crate) fn check(&mut self, ledger: Value, state: OrderState) -> Result<(), String> {
        let (before, after) = (self.state.stage, state.stage);
        let noted = |state: &OrderState| {
            let failure = state.failure.as_ref();
            failure.map(|failure| (failure.error, failure.message.clone()))
        };
        let first_failure = noted(&self.state);
        let failure_changed = first_failure.is_some() && noted(&state) != first_failure;
        self.ledger = ledger;
        self.state = state;

        let (captures, shipments) = (self.count("captures"), self.count("shipments"));
        let stays = !before.is_closed() || before == after;
        must(stays, "a closed order moved")?;
        must(!failure_changed, "the first failure did not stand")?;
        must(self.holds() <= 1, "money is held twice")?;
        let held = self.count("authorizations");
        must(held <= 1 + self.lapses, "money was held again")?;
        must(captures <= 1, "money was taken twice")?;
        must(self.labels() <= 1, "two shipments are booked")?;
        let (taken, back) = (self.sum("captures"), self.sum("refunds"));
        must(back <= taken, "more was given back than was taken")?;
        let taken_after_cancel = self.cancelled && captures > 0;
        must(!taken_after_cancel, "money was taken of a cancelled order")?;
        in_order(
            self.first("authorizations"),
            self.first("shipments"),
            "a shipment was booked before money was held",
        )?;
        in_order(
            self.first("shipments"),
            self.first("captures"),
            "money was taken before a shipment was booked",
        )?;
        must(
            shipments == 0 || after != Stage::Received,
            "it shipped what it did not reserve",
        )?;
        if after.is_closed() {
            self.check_closed()?;
        }
        Ok(())
    }

    /// Money for goods, or neither.
    fn check_closed(&self) -> Result<(), String> {
        let kept = self.sum("captures") - self.sum("refunds");
        must(self.holds() == 0, "a closed order holds money")?;
        if self.state.stage == Stage::Completed {
            must(kept == TOTAL, "a completed order is not paid")?;
            must(self.labels() == 1, "a completed order is not shipped")?;
            must(self.state.failure.is_none(), "a failed order is completed")
        } else {
            must(kept == 0, "a reversed order keeps money")?;
            let written_off = usize::from(self.shipment_is_written_off());
            must(
                self.labels() == written_off,
                "a reversed order keeps a shipment, or has written off one that it does not keep",
            )
        }
    }

    /// What holds once nothing more can happen; how the order ended.
    pub(crate) fn at_the_end(
        &self,
        failure: Option<&FailureInput>,
        payments: &[String],
        pieces: u64,
        messages: &[String],
    ) -> Result<&'static str, String> {
        let state = &self.state;
        must(state.stage.is_closed(), "the order is not closed")?;
        let standing = |status: &str| payments.iter().filter(|one| *one == status).count();
        must(
            standing("requires_capture") == 0 && standing("succeeded") == self.count("captures"),
            &format!("the provider's payments are {payments:?}"),
        )?;
        self.each_hold_ended_once()?;
        let of = |subject: &str| messages.iter().filter(|one| one.ends_with(subject)).count();
        let (shipped, ended) = (of("is on its way"), of("could not be completed"));
        if state.stage == Stage::Completed {
            must(failure.is_none(), "a failed execution's order is completed")?;
            must(!self.cancelled, "a cancelled order is completed")?;
            must(self.pieces == pieces + 1, "its piece is still in stock")?;
            must(shipped >= 1 && ended == 0, "the customer was told wrong")?;
        } else {
            let Some((error, _)) = failure.map(FailureInput::read) else {
                return Err("a reversed order has no failure".to_owned());
            };
            // Whatever else failed: that is what was promised.
            let error = if self.cancelled {
                ErrorName::OrderCancelled
            } else {
                error
            };
            let noted = state.failure.as_ref().map(|failure| failure.error);
            must(noted == Some(error), "another failure is noted")?;
            let ends = Stage::reversed_because_of(error);
            must(state.stage == ends, "the failure leads elsewhere")?;
            must(self.pieces == pieces, "its piece is not back in stock")?;
            let told = is_done(state.notify_failure.as_ref());
            must(
                ended >= usize::from(told) && shipped == 0,
                "the customer was told wrong",
            )?;
        }
        self.figures_are_the_books()?;
        Ok(state.stage.as_str())
    }

    /// What the order adds to the day's figures is what the providers' books have of it.
    fn figures_are_the_books(&self) -> Result<(), String> {
        let seen = Projection::received(&self.state).next(
            &self.state,
            &Observation::default(),
            &Limits::default(),
            Timestamp::now(),
        );
        let figures = seen.counted;
        let [authorized, captured, voided, refunded] = self.books();
        let told = [figures.authorized, figures.captured, figures.reversed].map(Money::minor);
        let reversed = voided + refunded;
        let books = [authorized, captured, reversed];
        must(
            told == books,
            &format!("authorised, captured and reversed are {told:?} for us and {books:?} there"),
        )?;
        let left = authorized - reversed - if reversed > 0 { 0 } else { captured };
        must(
            left == seen.held.minor(),
            "what is held is not what was authorised and is neither captured nor reversed",
        )
    }

    /// What the providers' books have of it: authorised, captured, voided, refunded.
    fn books(&self) -> [u64; 4] {
        // A hold that lapsed before anybody knew of it is counted neither as held nor as let go.
        let lapsed_unseen = matches!(
            self.state.authorize.as_ref().and_then(Entry::outcome),
            Some(Authorization::Declined { .. })
        );
        let held = self.count("authorizations") > 0 && !lapsed_unseen;
        let authorized = if held { TOTAL } else { 0 };
        let captured = self.sum("captures");
        let reversed = self.state.stage != Stage::Completed;
        // Of a hold that has lapsed by itself no void tells, but it is gone as well.
        let voided = if reversed && captured == 0 {
            authorized
        } else {
            0
        };
        [authorized, captured, voided, self.sum("refunds")]
    }

    /// The movements of its money.
    pub(crate) fn movements(&self) -> Vec<Movement> {
        Movement::of(&self.state)
    }

    /// What was entered of it is what the providers' books have.
    pub(crate) fn entered_are_the_books(&self, entered: &[Movement]) -> Result<(), String> {
        let sum = |flow: &Flow| {
            let of = entered.iter().filter(|one| one.flow == *flow);
            of.map(|one| one.amount.minor()).sum::<u64>()
        };
        let told: Vec<u64> = Flow::ALL.iter().map(sum).collect();
        let books = self.books();
        must(
            told == books,
            &format!("the movements are {told:?} and the books {books:?}"),
        )?;
        let moved = |flow: Flow| entered.iter().find(|one| one.flow == flow);
        let [held, taken] = [Flow::Authorized, Flow::Captured].map(moved);
        in_order(
            held.map(|one| one.at),
            taken.map(|one| one.at),
            "money was taken before it was held",
        )
    }

    /// Money that was held was taken or let go of, once.
    fn each_hold_ended_once(&self) -> Result<(), String> {
        let ids = |kind: &str| self.texts(kind, "id");
        let ended = [ids("captures"), ids("voids")].concat();
        let mut open = self.lapsed_at_capture();
        for hold in ids("authorizations") {
            match ended.iter().filter(|id| **id == hold).count() {
                1 => {}
                0 if open > 0 => open -= 1,
                times => return Err(format!("the hold {hold} ended {times} times")),
            }
        }
        let right = |kind: &str| self.sum(kind) == TOTAL * self.count(kind) as u64;
        must(
            right("authorizations") && right("captures") && right("refunds"),
            "an amount is wrong",
        )
    }

    /// What is on record here and there.
    pub(crate) fn told(&self) -> String {
        let mut told = "At the providers:\n".to_owned();
        for (kind, entries) in self.ledger.as_object().into_iter().flatten() {
            for entry in entries.as_array().into_iter().flatten() {
                let text = |field: &str| entry[field].as_str().unwrap_or_default();
                let what = [text("operation"), text("mode"), text("id"), text("key")];
                let _ = writeln!(told, "  {kind}: {}", what.join(" ").trim());
            }
        }
        told.push_str("On record:\n");
        let state = serde_json::to_value(&self.state).unwrap_or_default();
        for (field, value) in state.as_object().into_iter().flatten() {
            let _ = writeln!(told, "  {field}: {value}");
        }
        told
    }
}

fn is_done<T>(entry: Option<&Entry<T>>) -> bool {
    entry.is_some_and(|entry| entry.outcome().is_some())
}

fn in_order(first: Option<Timestamp>, then: Option<Timestamp>, broken: &str) -> Result<(), String> {
    must(
        then.is_none() || first.is_some_and(|first| Some(first) <= then),
        broken,
    )
}
