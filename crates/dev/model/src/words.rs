//! A way through the model, for a person to read.

use domain::ports::PaymentState;

use crate::process::Fate;
use crate::roles::word;
use crate::system::{Beginning, Meeting, Move, Phase, System};

/// A line for each move.
pub(crate) fn told(way: Vec<(System, Option<Move>)>) -> Vec<String> {
    let mut lines = Vec::new();
    let mut way = way.into_iter().peekable();
    while let Some((before, next)) = way.next() {
        if let (Some(next), Some((after, _))) = (next, way.peek()) {
            let mut line = line(&before, &next);
            line.push_str(&news(&before, after));
            lines.push(line);
        }
    }
    lines
}

fn name(system: &System, owner: u8) -> String {
    let role = system.process(owner).map(|process| process.role.words());
    format!("{}#{owner}", role.unwrap_or_default())
}

fn line(before: &System, next: &Move) -> String {
    let state = before.run.state;
    match next {
        Move::Invoke => format!("{state} is run"),
        Move::Retry => format!("{state} is tried again"),
        Move::GiveUp => format!("{state} is not tried again"),
        Move::Duplicate => format!("{state} is run once more, beside the other"),
        Move::Crash(owner) => format!("{} crashes", name(before, *owner)),
        Move::Outlive(owner) => {
            format!(
                "the task of {} times out, and it goes on",
                name(before, *owner)
            )
        }
        Move::Tick => "five minutes pass".to_owned(),
        Move::Decide(decision) => format!("a reviewer is about to say: {}", word(*decision)),
        Move::Wake => "the monitor is about to tell what was decided".to_owned(),
        Move::NobodyDecides => format!("nobody decides, and {state} times out"),
        Move::Cancel => "the customer cancels".to_owned(),
        Move::Redrive => format!("an operator redrives, and {state} is to be run again"),
        Move::Begin(Beginning::Reprocess) => "an operator is about to reprocess".to_owned(),
        Move::Begin(Beginning::Restart) => "an operator is about to restart".to_owned(),
        Move::Resolve => "the providers are to be asked what nobody knows".to_owned(),
        Move::Compare => "the monitor begins to compare".to_owned(),
        Move::LookAgain => "the monitor looks for money that was held after all".to_owned(),
        Move::Meet(at, Meeting(request), fate) => {
            let process = &before.processes[*at];
            let name = format!("{}#{}", process.role.words(), process.owner);
            if process.is_on_its_way {
                return format!("late: {name} {}", request.call);
            }
            let fate = match fate {
                Fate::Heard => "",
                Fate::Refused => ", which refuses",
                Fate::NotMade => ", which is out of reach",
                Fate::RequestLost => ", and the request is lost",
                Fate::AnswerLost => ", and the answer is lost",
                Fate::Late => ", and gives it up while it is on its way",
            };
            format!("{name} {}{fate}", request.call)
        }
    }
}

/// Where a payment stands.
fn stands(state: &PaymentState) -> String {
    match state {
        PaymentState::Held(amount) => format!("holds {amount}"),
        PaymentState::Captured(amount) => format!("has taken {amount}"),
        PaymentState::Voided => "holds nothing any more".to_owned(),
        PaymentState::Declined(_) => "is declined".to_owned(),
        PaymentState::Pending => "is pending".to_owned(),
    }
}

/// What is different after a move, where it can be seen from outside.
fn news(before: &System, after: &System) -> String {
    let mut news = Vec::new();
    let (was, is) = (&before.world, &after.world);
    for (index, payment) in is.payments.iter().enumerate() {
        if was.payments.get(index) != Some(payment) {
            let state = stands(&payment.payment.state);
            let refunded = if payment.refunded.is_some() {
                ", given back"
            } else {
                ""
            };
            news.push(format!("{} {state}{refunded}", payment.payment.reference));
        }
    }
    for (index, label) in is.labels.iter().enumerate() {
        if was.labels.get(index) != Some(label) {
            let number = index + 1;
            let word = if label.is_void { "void" } else { "live" };
            news.push(format!("label-{number} is {word}"));
        }
    }
    let (was, is) = (was.state.state(), is.state.state());
    if was.attempt != is.attempt {
        news.push(format!("attempt {} begins", is.attempt));
    }
    if was.stage != is.stage {
        news.push(format!("the order is {}", is.stage.as_str()));
    }
    if was.failure.is_none() && is.failure.is_some() {
        news.push("it is being reversed".to_owned());
    }
    if was.cancel.is_none() && is.cancel.is_some() {
        news.push("its cancellation is on record".to_owned());
    }
    if before.run.state != after.run.state {
        news.push(format!("the execution is at {}", after.run.state));
    }
    match &after.run.phase {
        Phase::Troubled(error) if before.run.phase != after.run.phase => {
            news.push(format!("its try ends with {error}"));
        }
        Phase::Ended(end) if before.run.phase != after.run.phase => {
            news.push(format!("the execution has {end:?}").to_lowercase());
        }
        _ => {}
    }
    if news.is_empty() {
        String::new()
    } else {
        format!("; {}", news.join("; "))
    }
}
