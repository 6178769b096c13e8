//! The small record that changes while an order is processed. It is the ledger.

use jiff::Timestamp;
use jiff::fmt::serde::timestamp::millisecond;
use serde::{Deserialize, Serialize};

use crate::entry::{Authorization, Booking, CaptureResult, Entry, MessageId, Reversal, Unbooking};
use crate::stage::Stage;
use crate::{CustomerId, ErrorName, Money, OrderId};

/// Somebody asked for the order to be cancelled, before its money was captured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CancelRequest {
    /// When.
    #[serde(with = "millisecond::required")]
    pub at: Timestamp,
}

/// What a reviewer decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// Go on.
    Approved,
    /// Do not.
    Rejected,
}

/// A person has to look at the order, or has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Review {
    /// Since when.
    #[serde(with = "millisecond::required")]
    pub since: Timestamp,
    /// What was decided, once it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<Decision>,
    /// When it was decided.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "millisecond::optional"
    )]
    pub decided_at: Option<Timestamp>,
}

/// Why an order is or was being reversed. The first one stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The catalogue's name; what is not in the catalogue is [`ErrorName::Internal`].
    pub error: ErrorName,
    /// A sentence without personal data, at most [`Failure::MAX_MESSAGE`] bytes.
    pub message: String,
    /// When reversing began.
    #[serde(with = "millisecond::required")]
    pub at: Timestamp,
}

impl Failure {
    /// Keeps the state item below 1 KB, what one unit of writing pays for.
    pub const MAX_MESSAGE: usize = 88;

    /// A failure, its message cut to what the ledger keeps.
    #[must_use]
    pub fn new(error: ErrorName, message: &str, at: Timestamp) -> Self {
        let mut end = message.len().min(Self::MAX_MESSAGE);
        while !message.is_char_boundary(end) {
            end -= 1;
        }
        Self {
            error,
            message: message[..end].to_owned(),
            at,
        }
    }

    /// The same once a cancellation was accepted: whoever asked for it was told that it is cancelled, and not
    /// that something failed, and nothing begins again what they do not want.
    #[must_use]
    pub fn after_cancellation(self) -> Self {
        if self.error == ErrorName::OrderCancelled {
            return self;
        }
        let message = format!("the order was cancelled ({}: {})", self.error, self.message);
        Self::new(ErrorName::OrderCancelled, &message, self.at)
    }
}

/// How an attempt began that goes on with what an earlier one did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restart {
    /// When.
    #[serde(with = "millisecond::required")]
    pub at: Timestamp,
    /// The version of the state that it was written with.
    pub version: u64,
    /// The attempt under whose number the payment provider knows this order's payment, or would.
    pub payment_of: u32,
    /// The attempt under whose number the carrier knows this order's shipment, or would.
    pub shipment_of: u32,
    /// A shipment of an earlier attempt, to be cancelled before there is another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaces: Option<Replaced>,
}

/// A shipment that another one is to be booked instead of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replaced {
    /// What was booked.
    pub booking: Booking,
    /// The attempt under whose number the carrier knows it.
    pub attempt: u32,
}

/// What changes about an order. Each side effect has an [`Entry`] of its own; see
/// [`crate::ledger`] for who may write what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderState {
    /// Whose state this is.
    pub order_id: OrderId,
    /// Raised by every write.
    pub version: u64,
    /// Which try at processing the order this is, from 1. Executions are named after it.
    pub attempt: u32,
    /// Set if this attempt goes on with what an earlier one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restart: Option<Restart>,
    /// How often somebody has modified the order's personal data, as they count it; see
    /// [`crate::PersonalData::revision`].
    #[serde(default, skip_serializing_if = "is_zero")]
    pub personal_revision: u32,
    /// How far the order has come.
    pub stage: Stage,
    /// Whose order it is.
    pub customer_id: CustomerId,
    /// What is authorised and captured.
    pub total: Money,
    /// When the order was accepted.
    #[serde(with = "millisecond::required")]
    pub received_at: Timestamp,
    /// How many of the order's lines, from the first, have their stock reserved.
    #[serde(default)]
    pub reserved_lines: usize,
    /// When validation ended well.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "millisecond::optional"
    )]
    pub validated_at: Option<Timestamp>,
    /// Set when a person has to look at the order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub review: Option<Review>,
    /// Set when somebody asked for the order to be cancelled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancel: Option<CancelRequest>,
    /// Holding the customer's money.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authorize: Option<Entry<Authorization>>,
    /// Booking the shipment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub book: Option<Entry<Booking>>,
    /// Taking the customer's money.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capture: Option<Entry<CaptureResult>>,
    /// Telling the customer that the order is on its way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notify: Option<Entry<MessageId>>,
    /// Why the order is being reversed. From here on no forward step acts any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
    /// The undo of [`Self::book`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unbook: Option<Entry<Unbooking>>,
    /// The undo of [`Self::authorize`] and [`Self::capture`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reverse: Option<Entry<Reversal>>,
    /// Telling the customer that the order did not come about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notify_failure: Option<Entry<MessageId>>,
    /// When the order was closed.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "millisecond::optional"
    )]
    pub closed_at: Option<Timestamp>,
    /// When somebody decided that the message to the customer is not to be sent any more.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "millisecond::optional"
    )]
    pub waived_at: Option<Timestamp>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
pub(crate) const fn is_zero(count: &u32) -> bool {
    *count == 0
}

impl OrderState {
    /// The state of an order that was just accepted.
    #[must_use]
    pub fn received(order: &crate::Order, now: Timestamp) -> Self {
        Self {
            order_id: order.order_id.clone(),
            version: 1,
            attempt: 1,
            restart: None,
            personal_revision: 0,
            stage: Stage::Received,
            customer_id: order.customer_id.clone(),
            total: order.total,
            received_at: now,
            reserved_lines: 0,
            validated_at: None,
            review: None,
            cancel: None,
            authorize: None,
            book: None,
            capture: None,
            notify: None,
            failure: None,
            unbook: None,
            reverse: None,
            notify_failure: None,
            closed_at: None,
            waived_at: None,
        }
    }

    /// The state with which a new attempt at `order` begins, after this one.
    #[must_use]
    pub fn next_attempt(&self, order: &crate::Order, now: Timestamp) -> Self {
        Self {
            version: self.version + 1,
            attempt: self.attempt + 1,
            personal_revision: self.personal_revision,
            ..Self::received(order, now)
        }
    }

    /// The state with which a new attempt begins that goes on with what this one did. With
    /// `ships_again`, the label that there is is voided and another one bought.
    ///
    /// # Errors
    /// Why that is not possible, as the end of a sentence.
    pub fn restarted(&self, ships_again: bool, now: Timestamp) -> Result<Self, &'static str> {
        match self.stage {
            Stage::Completed => return Err("the order is paid and shipped"),
            Stage::Captured if self.failure.is_none() => {
                return Err(
                    "the order is paid and shipped, and only its message is missing: resend it",
                );
            }
            Stage::Rejected | Stage::Cancelled | Stage::Failed => {
                return Err("the order was reversed: reprocess it");
            }
            Stage::Received
            | Stage::InReview
            | Stage::Validated
            | Stage::Authorized
            | Stage::Shipped
            | Stage::Captured => {}
        }
        let restart = Restart {
            at: now,
            version: self.version + 1,
            // Also where nothing is on record: a call that was given up may still arrive.
            payment_of: self.payment_attempt(),
            shipment_of: self.shipment_attempt(),
            replaces: self.to_replace().cloned(),
        };
        let next = Self {
            version: restart.version,
            attempt: self.attempt + 1,
            restart: Some(restart.clone()),
            ..self.clone()
        };
        if !ships_again {
            return Ok(next);
        }
        if self.failure.is_some() || self.cancel.is_some() {
            return Err("the order is being reversed");
        }
        if self.capture.is_some() {
            return Err("the payment is captured or being captured");
        }
        if self.hold_trusted_until() <= Some(now) {
            return Err("its hold may lapse: only what is booked already is captured then");
        }
        let Some(Entry::Done {
            outcome: booking @ Booking::Booked { .. },
            ..
        }) = &self.book
        else {
            return Err("no shipment is booked");
        };
        let replaces = Some(Replaced {
            booking: booking.clone(),
            attempt: self.shipment_attempt(),
        });
        Ok(Self {
            stage: Stage::Authorized,
            book: None,
            restart: Some(Restart {
                shipment_of: next.attempt,
                replaces,
                ..restart
            }),
            ..next
        })
    }

    /// The attempt under whose number the payment provider knows this order's payment, or would.
    #[must_use]
    pub fn payment_attempt(&self) -> u32 {
        let restart = self.restart.as_ref();
        restart.map_or(self.attempt, |restart| restart.payment_of)
    }

    /// The attempt under whose number the carrier knows this order's shipment, or would.
    #[must_use]
    pub fn shipment_attempt(&self) -> u32 {
        match &self.restart {
            Some(Restart {
                replaces: Some(Replaced { booking, attempt }),
                ..
            }) if self.book.as_ref().and_then(Entry::outcome) == Some(booking) => *attempt,
            Some(restart) => restart.shipment_of,
            None => self.attempt,
        }
    }

    /// The shipment of an earlier attempt that has to be cancelled before there is another one, or if
    /// there is to be none. `None` once what came of booking is on record.
    #[must_use]
    pub fn to_replace(&self) -> Option<&Replaced> {
        match self.book {
            None | Some(Entry::Open(_)) => self.restart.as_ref()?.replaces.as_ref(),
            Some(Entry::Done { .. }) => None,
        }
    }

    /// The label of that shipment.
    #[must_use]
    pub fn label_to_void(&self) -> Option<&str> {
        match &self.to_replace()?.booking {
            Booking::Booked { label, .. } => Some(label),
            Booking::Refused { .. } => None,
        }
    }

    /// When this attempt began.
    #[must_use]
    pub fn began_at(&self) -> Timestamp {
        let restarted = self.restart.as_ref().map(|restart| restart.at);
        restarted.unwrap_or(self.received_at)
    }

    /// Whether an execution that Step Functions does not know was not started yet. If not, Step
    /// Functions has forgotten it, 90 days after its end.
    #[must_use]
    pub fn may_not_be_started(&self) -> bool {
        let restart = self.restart.as_ref();
        let untouched = restart.is_some_and(|restart| restart.version == self.version);
        self.stage == Stage::Received || (untouched && !self.stage.is_closed())
    }

    /// The name of the execution that processes this attempt: at most 75 characters of Step
    /// Functions' 80.
    #[must_use]
    pub fn execution_name(&self) -> String {
        format!("{}-{}", self.order_id, self.attempt)
    }

    /// The payment whose money is held for this order.
    #[must_use]
    pub fn held_payment(&self) -> Option<&str> {
        match self.authorize.as_ref().and_then(Entry::outcome) {
            Some(Authorization::Held { payment, .. }) => Some(payment),
            Some(Authorization::Declined { .. }) | None => None,
        }
    }

    /// Since when somebody wanted to hold the money of an order that was closed without knowing what came of
    /// that: the provider had nothing then. Something may have arrived since.
    #[must_use]
    pub fn closed_without_knowing(&self) -> Option<Timestamp> {
        let nothing = self.reverse.as_ref().and_then(Entry::outcome) == Some(&Reversal::Nothing);
        match &self.authorize {
            Some(Entry::Open(claim)) if nothing && self.stage.is_closed() => Some(claim.since),
            Some(Entry::Open(_) | Entry::Done { .. }) | None => None,
        }
    }

    /// Until when the held money may be relied on without asking the provider: it counts from when that
    /// made the payment. `None` if none is held.
    #[must_use]
    pub fn hold_trusted_until(&self) -> Option<Timestamp> {
        match &self.authorize {
            Some(Entry::Done {
                outcome: Authorization::Held { made_at, .. },
                at,
            }) => {
                let held_at = made_at.map_or(*at, |made_at| made_at.min(*at));
                Some(held_at + Authorization::TRUSTED_FOR)
            }
            Some(Entry::Done { .. } | Entry::Open(_)) | None => None,
        }
    }

    /// Whether a cancellation was accepted that this attempt has not acted on. Another attempt sees it first of
    /// all, and an execution that is at work sees it at its next step.
    #[must_use]
    pub fn cancelled_unseen(&self) -> bool {
        let since = self.began_at();
        let cancelled = self
            .cancel
            .as_ref()
            .is_some_and(|cancel| cancel.at >= since);
        cancelled && self.failure.is_none() && !self.stage.is_closed()
    }

    /// Whether the order may still be cancelled, and if not, why.
    ///
    /// # Errors
    /// The reason, for the caller.
    pub fn cancellable(&self) -> Result<(), &'static str> {
        if self.capture.is_some() {
            Err("the payment is captured or being captured; ask for a refund instead")
        } else if self.failure.is_some() && self.cancel.is_none() {
            Err("the order has failed and is being or has been reversed")
        } else {
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::fixtures::{
        at, at_stage, booked, booking, declined, done, failure, held, not_booked, open, received,
        submission, taken,
    };

    #[test]
    fn a_hold_is_relied_on_from_when_the_provider_made_it() {
        let day = |days: i64| Timestamp::from_second(days * 86_400).unwrap();
        let until = |outcome: serde_json::Value| {
            let state = OrderState {
                authorize: serde_json::from_value(json!({
                    "outcome": {"held": outcome}, "at": day(10).as_millisecond()
                }))
                .unwrap(),
                ..state()
            };
            state.hold_trusted_until()
        };
        let trusted = |from: i64| Some(day(from) + Authorization::TRUSTED_FOR);
        let made = |days| json!({"payment": "pi_1", "made_at": day(days).as_millisecond()});
        assert_eq!(until(made(7)), trusted(7), "adopted");
        assert_eq!(until(made(11)), trusted(10), "by a clock that is ahead");
        let before = json!({"payment": "pi_1"});
        assert_eq!(until(before), trusted(10), "as an earlier version wrote it");
    }

    fn state() -> OrderState {
        serde_json::from_value(json!({
            "order_id": "o", "version": 1, "attempt": 1, "stage": "authorized",
            "customer_id": "c", "total": {"amount": 1000, "currency": "USD"}, "received_at": 0
        }))
        .unwrap()
    }

    fn shipped() -> OrderState {
        OrderState {
            version: 7,
            authorize: held(),
            book: booked(),
            ..at_stage(Stage::Shipped)
        }
    }

    fn cancelled(state: OrderState) -> OrderState {
        let cancel = Some(CancelRequest { at: at(5) });
        OrderState { cancel, ..state }
    }

    #[test]
    fn a_message_is_cut_to_what_the_ledger_has_room_for_between_characters() {
        let cut = |message: &str| Failure::new(ErrorName::Internal, message, at(0)).message;
        let fits = "x".repeat(Failure::MAX_MESSAGE);
        assert_eq!(cut(&fits), fits);
        assert_eq!(cut(&format!("{fits}y")), fits);
        // The last character would begin within and end without.
        let one_less = "x".repeat(Failure::MAX_MESSAGE - 1);
        assert_eq!(cut(&format!("{one_less}é")), one_less);
    }

    #[test]
    fn after_a_cancellation_whatever_failed_ends_as_a_cancellation() {
        let failed = Failure::new(ErrorName::PaymentDeclined, "no funds", at(1));
        let noted = failed.after_cancellation();
        assert_eq!(noted.error, ErrorName::OrderCancelled);
        let text = "the order was cancelled (PaymentDeclined: no funds)";
        assert_eq!((noted.message.as_str(), noted.at), (text, at(1)));
        assert_eq!(noted.clone().after_cancellation(), noted);
    }

    #[test]
    fn a_new_attempt_begins_from_the_door_and_counts_on() {
        let last = OrderState {
            attempt: 2,
            personal_revision: 3,
            failure: failure(ErrorName::PaymentDeclined),
            ..shipped()
        };
        let expected = OrderState {
            version: 8,
            attempt: 3,
            personal_revision: 3,
            received_at: at(9),
            ..received()
        };
        assert_eq!(last.next_attempt(&submission().order, at(9)), expected);
        assert_eq!(expected.execution_name(), "ord-1-3");
        // What an earlier attempt did is none of its business.
        assert_eq!(
            (expected.payment_attempt(), expected.shipment_attempt()),
            (3, 3)
        );
        assert_eq!(expected.began_at(), at(9));
    }

    #[test]
    fn a_restart_goes_on_with_all_that_was_done_under_the_numbers_that_it_has() {
        let last = shipped();
        let next = last.restarted(false, at(30)).unwrap();
        let restart = Restart {
            at: at(30),
            version: 8,
            payment_of: 1,
            shipment_of: 1,
            replaces: None,
        };
        let expected = OrderState {
            version: 8,
            attempt: 2,
            restart: Some(restart),
            ..last
        };
        assert_eq!(next, expected);
        assert_eq!(next.began_at(), at(30));
        // And so does the one after it.
        let third = next.restarted(false, at(40)).unwrap();
        assert_eq!((third.payment_attempt(), third.shipment_attempt()), (1, 1));
    }

    #[test]
    fn an_order_that_has_come_to_an_end_is_not_restarted() {
        let captured = at_stage(Stage::Captured);
        let failed = OrderState {
            failure: failure(ErrorName::Internal),
            ..captured.clone()
        };
        assert!(failed.restarted(false, at(30)).is_ok());
        let paid = "the order is paid and shipped";
        let resend = "the order is paid and shipped, and only its message is missing: resend it";
        let reprocess = "the order was reversed: reprocess it";
        for (state, why) in [
            (at_stage(Stage::Completed), paid),
            (captured, resend),
            (at_stage(Stage::Rejected), reprocess),
            (at_stage(Stage::Cancelled), reprocess),
            (at_stage(Stage::Failed), reprocess),
        ] {
            assert_eq!(state.restarted(false, at(30)), Err(why), "{}", state.stage);
        }
    }

    #[test]
    fn an_order_that_ships_again_gives_its_label_up_for_another() {
        let first = shipped();
        let second = first.restarted(true, at(30)).unwrap();
        let replaced = Replaced {
            booking: booking("se-1"),
            attempt: 1,
        };
        assert_eq!((second.stage, &second.book), (Stage::Authorized, &None));
        assert_eq!((second.version, second.attempt), (8, 2));
        assert_eq!(
            (second.payment_attempt(), second.shipment_attempt()),
            (1, 2)
        );
        for book in [None, open()] {
            let state = OrderState {
                book,
                ..second.clone()
            };
            assert_eq!(state.to_replace(), Some(&replaced));
            assert_eq!(state.label_to_void(), Some("se-1"));
        }
        let replaced = OrderState {
            book: done(booking("se-2")),
            ..second.clone()
        };
        assert_eq!(replaced.to_replace(), None);
        assert_eq!(replaced.label_to_void(), None);
        assert_eq!(replaced.shipment_attempt(), 2);
        // The carrier did not void it: it is shipped with the old one, under the old number.
        let kept = OrderState {
            book: booked(),
            ..second.clone()
        };
        assert_eq!(kept.shipment_attempt(), 1);
        // One that ends before it has voided the label leaves that to the next.
        let third = second.restarted(false, at(40)).unwrap();
        assert_eq!(third.label_to_void(), Some("se-1"));
        assert_eq!(third.shipment_attempt(), 2);
    }

    #[test]
    fn an_order_ships_again_only_while_that_cannot_go_wrong() {
        let again = |state: &OrderState, now| state.restarted(true, now).map(|next| next.stage);
        let state = shipped();
        let lapses = state.hold_trusted_until().unwrap();
        let moment = std::time::Duration::from_secs(1);
        assert_eq!(again(&state, lapses - moment), Ok(Stage::Authorized));
        let lapse = "its hold may lapse: only what is booked already is captured then";
        assert_eq!(again(&state, lapses), Err(lapse));
        let failed = OrderState {
            failure: failure(ErrorName::Internal),
            ..state.clone()
        };
        let capturing = OrderState {
            capture: open(),
            ..state.clone()
        };
        let book = |book| OrderState {
            book,
            ..state.clone()
        };
        for (state, why) in [
            (failed, "the order is being reversed"),
            (cancelled(state.clone()), "the order is being reversed"),
            (capturing, "the payment is captured or being captured"),
            (book(None), "no shipment is booked"),
            (book(open()), "no shipment is booked"),
            (book(not_booked()), "no shipment is booked"),
        ] {
            assert_eq!(again(&state, at(30)), Err(why), "{state:?}");
        }
    }

    #[test]
    fn only_an_attempt_that_nothing_happened_to_may_not_be_started() {
        assert!(received().may_not_be_started());
        assert!(!shipped().may_not_be_started());
        let restarted = shipped().restarted(false, at(30)).unwrap();
        assert!(restarted.may_not_be_started());
        let touched = OrderState {
            version: restarted.version + 1,
            ..restarted.clone()
        };
        assert!(!touched.may_not_be_started());
        let closed = OrderState {
            stage: Stage::Failed,
            ..restarted
        };
        assert!(!closed.may_not_be_started());
    }

    #[test]
    fn money_is_held_by_what_the_bank_said_yes_to() {
        for (authorize, payment) in [
            (None, None),
            (open(), None),
            (declined(), None),
            (held(), Some("pi_1")),
        ] {
            let state = OrderState {
                authorize,
                ..received()
            };
            assert_eq!(state.held_payment(), payment);
            let until = payment.map(|_| at(10) + Authorization::TRUSTED_FOR);
            assert_eq!(state.hold_trusted_until(), until);
        }
    }

    #[test]
    fn an_order_is_closed_without_knowing_if_its_hold_was_never_heard_of() {
        let nothing = || done(Reversal::Nothing);
        for (authorize, reverse, stage, since) in [
            (open(), nothing(), Stage::Failed, Some(at(10))),
            (open(), nothing(), Stage::Authorized, None),
            (open(), done(Reversal::Voided), Stage::Failed, None),
            (open(), None, Stage::Failed, None),
            (held(), nothing(), Stage::Failed, None),
            (None, nothing(), Stage::Failed, None),
        ] {
            let state = OrderState {
                authorize,
                reverse,
                ..at_stage(stage)
            };
            assert_eq!(state.closed_without_knowing(), since, "{state:?}");
        }
    }

    #[test]
    fn a_cancellation_is_unseen_until_this_attempt_has_acted_on_it() {
        let asked = cancelled(shipped());
        assert!(asked.cancelled_unseen());
        assert!(!shipped().cancelled_unseen());
        let seen = OrderState {
            failure: failure(ErrorName::OrderCancelled),
            ..asked.clone()
        };
        assert!(!seen.cancelled_unseen());
        let closed = OrderState {
            stage: Stage::Cancelled,
            ..asked.clone()
        };
        assert!(!closed.cancelled_unseen());
        // One that was asked for before this attempt began was another's; at the same moment, it is this one's.
        for (began, unseen) in [(4, true), (5, true), (6, false)] {
            let restarted = asked.restarted(false, at(began)).unwrap();
            assert_eq!(restarted.cancelled_unseen(), unseen, "{began}");
        }
    }

    #[test]
    fn an_order_can_be_cancelled_until_its_money_is_being_taken_or_it_has_failed() {
        let failed = OrderState {
            failure: failure(ErrorName::Internal),
            ..shipped()
        };
        let capture = |capture| OrderState {
            capture,
            ..shipped()
        };
        let late = Err("the payment is captured or being captured; ask for a refund instead");
        for (state, expected) in [
            (shipped(), Ok(())),
            // Once more: it is cancelled as they wish.
            (cancelled(shipped()), Ok(())),
            (cancelled(failed.clone()), Ok(())),
            (
                failed,
                Err("the order has failed and is being or has been reversed"),
            ),
            (capture(open()), late),
            (capture(taken()), late),
        ] {
            assert_eq!(state.cancellable(), expected, "{state:?}");
        }
    }

    #[test]
    fn what_is_not_there_takes_no_room_in_the_ledger() {
        let kept = serde_json::to_value(received()).unwrap();
        let expected = json!({
            "order_id": "ord-1", "version": 1, "attempt": 1, "stage": "received",
            "customer_id": "cus-7", "total": {"amount": 3098, "currency": "USD"},
            "received_at": 1_795_428_000_000_i64, "reserved_lines": 0
        });
        assert_eq!(kept, expected);
        assert_eq!(
            serde_json::from_value::<OrderState>(kept).unwrap(),
            received()
        );
        let modified = OrderState {
            personal_revision: 1,
            ..received()
        };
        assert_eq!(
            serde_json::to_value(modified).unwrap()["personal_revision"],
            1
        );
    }
}
