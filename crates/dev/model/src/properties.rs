//! What is always true, judged by the providers' books wherever it is about money or goods.

use domain::ports::PaymentState;
use domain::{Decision, Money, Stage};
use operations::ProcessState;
use operations::advice::Action;

use crate::definition::End;
use crate::system::{Phase, System, later};

/// An hour: long enough for every lease of the model to end.
const HOUR_S: i64 = 3600;

/// A sentence that is true of every state.
pub(crate) type Rule = (&'static str, fn(&System) -> bool);

/// All of them.
pub(crate) const RULES: [Rule; 13] = [
    ("at most one hold stands", at_most_one_hold),
    ("no hold stands once the order is over", no_hold_at_the_end),
    (
        "what was taken and not given back is nothing or the total",
        nothing_or_the_total,
    ),
    (
        "money stays if and only if the order is completed",
        paid_if_completed,
    ),
    ("at most one label is live", at_most_one_label),
    (
        "a label is live if and only if the order is paid",
        label_if_paid,
    ),
    (
        "an accepted cancellation is never followed by a capture",
        no_capture_after_cancel,
    ),
    ("stock is conserved", stock_is_conserved),
    (
        "an execution that came to its end leaves nothing open",
        nothing_left_open,
    ),
    ("something is always possible", something_is_possible),
    (
        "a comparison claims no difference where there is none",
        no_false_alarm,
    ),
    (
        "the monitor's second look lets go of what is held for nothing",
        lets_go,
    ),
    (
        "no money is held before a reviewer approved",
        held_once_approved,
    ),
];

/// Whether the order is closed, its execution has ended, and nobody is at work on it.
fn is_over(system: &System) -> bool {
    system.state().stage.is_closed() && system.end().is_some() && system.processes.is_empty()
}

fn holds(system: &System) -> usize {
    let payments = system.world.payments.iter();
    payments.filter(|booked| booked.is_held()).count()
}

/// What was taken and did not go back, of every payment.
fn kept(system: &System) -> u64 {
    let payments = system.world.payments.iter();
    let left = payments.map(|booked| {
        let refunded = booked.refunded.map_or(0, Money::minor);
        booked.captured().saturating_sub(refunded)
    });
    left.sum()
}

fn live_labels(system: &System) -> usize {
    let labels = system.world.labels.iter();
    labels.filter(|label| !label.is_void).count()
}

fn at_most_one_hold(system: &System) -> bool {
    holds(system) <= 1
}

/// The monitor looks for a hold of which nobody knew when the order was closed.
fn no_hold_at_the_end(system: &System) -> bool {
    let looked_for = system.state().closed_without_knowing().is_some();
    !is_over(system) || looked_for || holds(system) == 0
}

fn nothing_or_the_total(system: &System) -> bool {
    let total = system.state().total.minor();
    let refunded_too_much = system.world.payments.iter().any(|booked| {
        let taken = match booked.payment.state {
            PaymentState::Captured(amount) => amount.minor(),
            _ => 0,
        };
        booked.refunded.is_some_and(|amount| amount.minor() > taken)
    });
    let kept = kept(system);
    (kept == 0 || kept == total) && !refunded_too_much
}

fn paid_if_completed(system: &System) -> bool {
    !is_over(system) || (kept(system) > 0) == (system.state().stage == Stage::Completed)
}

fn at_most_one_label(system: &System) -> bool {
    live_labels(system) <= 1
}

fn label_if_paid(system: &System) -> bool {
    !is_over(system) || (live_labels(system) > 0) == (kept(system) > 0)
}

fn no_capture_after_cancel(system: &System) -> bool {
    !system.world.captured_after_cancel
}

fn stock_is_conserved(system: &System) -> bool {
    let world = &system.world;
    let taken = if system.state().reserved_lines > 0 {
        world.wanted()
    } else {
        0
    };
    world.available + taken == world.scene.0.stock
}

/// An execution that stopped in an undo is a person's; one that came to an end of the definition is nobody's.
fn nothing_left_open(system: &System) -> bool {
    let stopped_in_an_undo =
        system.run.phase == Phase::Ended(End::Failed) && system.run.state != "OrderFailed";
    let sent =
        matches!(system.state().stage, Stage::Captured) && system.end() == Some(End::Succeeded);
    let of_this = system.run.attempt == system.state().attempt;
    system.end().is_none()
        || stopped_in_an_undo
        || sent
        || !of_this
        || system.state().stage.is_closed()
}

/// Of an order that is not over something is being done, or something can be done.
fn something_is_possible(system: &System) -> bool {
    if system.end().is_none() || ProcessState::of(system.state()).is_none() {
        return true;
    }
    let soon = later(system.world.now, HOUR_S);
    Action::ALL
        .iter()
        .any(|action| system.is_possible(*action, soon))
}

/// Nobody acts behind our back in this model, but for a hold that lapses.
fn no_false_alarm(system: &System) -> bool {
    !system.cried_wolf
}

fn lets_go(system: &System) -> bool {
    !system.looked_in_vain
}

fn held_once_approved(system: &System) -> bool {
    let state = system.state();
    let review = state.review.as_ref();
    let approved = review.and_then(|review| review.decision) == Some(Decision::Approved);
    let mut payments = system.world.payments.iter();
    !system.world.scene.0.is_reviewed
        || approved
        || !payments.any(|booked| booked.attempt == state.attempt)
}

/// Ends that an order comes to. A model in which none is reached proves nothing about it.
pub(crate) const ENDS: [Rule; 5] = [
    ("completed", |system| ended_as(system, Stage::Completed)),
    ("rejected", |system| ended_as(system, Stage::Rejected)),
    ("cancelled", |system| ended_as(system, Stage::Cancelled)),
    ("failed", |system| ended_as(system, Stage::Failed)),
    ("refunded", |system| {
        let mut payments = system.world.payments.iter();
        is_over(system) && payments.any(|booked| booked.refunded.is_some())
    }),
];

fn ended_as(system: &System, stage: Stage) -> bool {
    is_over(system) && system.state().stage == stage
}
