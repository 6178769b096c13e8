//! Movements of money: each time that an order's money was held, taken, let go or given back, with the moment
//! that the ledger has of it. What finance reads is made of these and of nothing else.

use domain::ledger::{Entry, Reversal};
use domain::view::payment;
use domain::{Money, OrderId, OrderState, Timestamp};

use crate::figures::{Day, decimal};
use crate::trend::Flow;

/// Money of an order that moved: once for each attempt and way at most.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Movement {
    /// Which way.
    pub flow: Flow,
    /// How much.
    pub amount: Money,
    /// Whose it is.
    pub order_id: OrderId,
    /// The attempt of the order that the payment is of: the first of those that go on with it.
    pub attempt: u32,
    /// When the ledger noted it.
    pub at: Timestamp,
}

impl Movement {
    /// Those of an attempt so far. The same ledger always has the same.
    #[must_use]
    pub fn of(state: &OrderState) -> Vec<Self> {
        // Of what this says, the amounts do not depend on the time.
        let view = payment(state, Timestamp::UNIX_EPOCH);
        let (way_back, reversed) = match state.reverse.as_ref().and_then(Entry::outcome) {
            Some(Reversal::Refunded { amount, .. }) => (Flow::Refunded, *amount),
            // What did not go back is ours: the net of the day on which it was taken.
            Some(Reversal::WrittenOff { refunded, .. }) => (Flow::Refunded, *refunded),
            Some(Reversal::Voided) => (Flow::Voided, state.total),
            Some(Reversal::Nothing) | None => (Flow::Voided, Money::zero(view.captured.currency())),
        };
        // What is reversed was there, also where nothing else tells because the answer to it was lost.
        let reversed_at = begun(state.reverse.as_ref());
        let held_at = begun(state.authorize.as_ref()).or(reversed_at);
        // A hold may be renewed while it is taken.
        let taken_at = begun(state.capture.as_ref()).or(reversed_at).max(held_at);
        [
            (Flow::Authorized, view.authorized, held_at),
            (Flow::Captured, view.captured, taken_at),
            (way_back, reversed, reversed_at),
        ]
        .into_iter()
        .filter(|(_, amount, _)| !amount.is_zero())
        .filter_map(|(flow, amount, at)| {
            Some(Self {
                flow,
                amount,
                order_id: state.order_id.clone(),
                attempt: state.payment_attempt(),
                at: at?,
            })
        })
        .collect()
    }

    /// The day of it.
    #[must_use]
    pub fn day(&self) -> Day {
        Day::of(self.at)
    }
}

/// When an effect was noted; while nobody knows what came of it, since when.
pub(crate) fn begun<T>(entry: Option<&Entry<T>>) -> Option<Timestamp> {
    entry.map(|entry| match entry {
        Entry::Done { at, .. } => *at,
        Entry::Open(claim) => claim.since,
    })
}

/// Movements for a spreadsheet. Nothing in it can be a formula: an order's id begins with a letter or a digit.
#[must_use]
pub fn csv(movements: &[Movement]) -> String {
    let mut lines = "at,flow,order_id,attempt,amount,currency\r\n".to_owned();
    for movement in movements {
        let (amount, currency) = (movement.amount.minor(), movement.amount.currency());
        let cells = [
            movement.at.to_string(),
            movement.flow.to_string(),
            movement.order_id.to_string(),
            movement.attempt.to_string(),
            decimal(amount, currency),
            currency.to_string(),
        ];
        lines += &cells.join(",");
        lines += "\r\n";
    }
    lines
}

#[cfg(test)]
mod tests {
    use domain::ledger::{Authorization, CaptureResult, Claim};
    use domain::{ErrorName, Failure, Stage, Submission};

    use super::*;
    use crate::fixtures::{at, document};

    fn done<T>(outcome: T, second: i64) -> Entry<T> {
        let at = at(second);
        Entry::Done { outcome, at }
    }

    fn open<T>(second: i64) -> Entry<T> {
        Entry::Open(Claim::new("o", at(second), at(second + 40)))
    }

    fn state() -> OrderState {
        let document = document(1).to_string();
        let order = Submission::parse(document.as_bytes()).expect("a document");
        OrderState::received(&order.order, at(0))
    }

    fn told(state: &OrderState) -> Vec<String> {
        let told = |one: Movement| {
            let seconds = one.at.duration_since(at(0)).as_secs();
            format!("{} {} {seconds}", one.flow, one.amount)
        };
        Movement::of(state).into_iter().map(told).collect()
    }

    #[test]
    fn each_way_is_there_once_with_the_moment_that_the_ledger_has() {
        let mut state = state();
        assert_eq!(told(&state), Vec::<String>::new());
        let payment = "pi_1".to_owned();
        state.authorize = Some(open(5));
        assert_eq!(told(&state), Vec::<String>::new(), "nobody knows yet");
        state.authorize = Some(done(
            Authorization::Held {
                payment,
                made_at: None,
            },
            10,
        ));
        state.stage = Stage::Authorized;
        assert_eq!(told(&state), ["authorized 10.00 USD 10"]);
        let amount = state.total;
        state.capture = Some(done(CaptureResult::Taken { amount }, 20));
        let refund = "re_1".to_owned();
        state.reverse = Some(done(Reversal::Refunded { refund, amount }, 30));
        assert_eq!(
            told(&state),
            [
                "authorized 10.00 USD 10",
                "captured 10.00 USD 20",
                "refunded 10.00 USD 30"
            ]
        );
    }

    #[test]
    fn what_was_reversed_was_there_also_if_nothing_else_tells() {
        let mut state = state();
        state.authorize = Some(open(5));
        state.reverse = Some(done(Reversal::Voided, 30));
        assert_eq!(
            told(&state),
            ["authorized 10.00 USD 5", "voided 10.00 USD 30"]
        );
        state.reverse = Some(done(Reversal::Nothing, 30));
        assert_eq!(told(&state), Vec::<String>::new());
    }

    #[test]
    fn what_is_written_off_was_taken_and_only_what_went_back_is_refunded() {
        let mut state = state();
        let payment = "pi_1".to_owned();
        state.authorize = Some(done(
            Authorization::Held {
                payment,
                made_at: None,
            },
            10,
        ));
        let captured = state.total;
        state.capture = Some(done(CaptureResult::Taken { amount: captured }, 20));
        let nothing = Money::zero(captured.currency());
        for (minor, back) in [(0, None), (400, Some("refunded 4.00 USD 30"))] {
            let refunded = Money::new(minor, nothing.currency()).expect("an amount");
            let written_off = Reversal::WrittenOff { captured, refunded };
            state.reverse = Some(done(written_off, 30));
            let taken = ["authorized 10.00 USD 10", "captured 10.00 USD 20"];
            let expected: Vec<&str> = taken.into_iter().chain(back).collect();
            assert_eq!(told(&state), expected);
            state.failure = Some(Failure::new(ErrorName::Internal, "x", at(25)));
            assert_eq!(crate::derived::held(&state, at(40)), nothing);
        }
    }

    #[test]
    fn money_is_taken_no_earlier_than_it_is_held() {
        let mut state = state();
        let (payment, amount) = ("pi_2".to_owned(), state.total);
        // Renewed while it was taken, of which the answer was lost.
        state.capture = Some(open(20));
        state.authorize = Some(done(
            Authorization::Held {
                payment,
                made_at: None,
            },
            21,
        ));
        let refund = "re_1".to_owned();
        state.reverse = Some(done(Reversal::Refunded { refund, amount }, 30));
        let expected = [
            "authorized 10.00 USD 21",
            "captured 10.00 USD 21",
            "refunded 10.00 USD 30",
        ];
        assert_eq!(told(&state), expected);
    }

    #[test]
    fn a_spreadsheet_gets_a_line_for_each() {
        let mut state = state();
        let payment = "pi_1".to_owned();
        state.authorize = Some(done(
            Authorization::Held {
                payment,
                made_at: None,
            },
            10,
        ));
        assert_eq!(
            csv(&Movement::of(&state)),
            "at,flow,order_id,attempt,amount,currency\r\n\
             2026-11-23T10:00:10Z,authorized,ord-001,1,10.00,USD\r\n"
        );
    }
}
