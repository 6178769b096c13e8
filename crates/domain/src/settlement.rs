//! What a person says has become of what a provider does not undo.

use crate::entry::{Booking, Entry};
use crate::{OrderState, words};

words! {
    /// What a person claims has become of an effect whose undo its provider refuses. The provider is
    /// asked whether it is so before it goes on record.
    pub enum Settlement {
        /// The label was voided with the carrier by hand.
        ShipmentCancelled = "shipment_cancelled",
        /// The carrier does not void the label: the parcel has gone out, or its price is lost.
        ShipmentWrittenOff = "shipment_written_off",
        /// The money was let go of or given back by hand, in the provider's dashboard.
        PaymentReturned = "payment_returned",
        /// The provider does not give the money back: it was settled otherwise, or is lost.
        PaymentWrittenOff = "payment_written_off",
    }
}

impl Settlement {
    /// What is claimed by it, and how that is checked, in a sentence or two.
    #[must_use]
    pub const fn claim(self) -> &'static str {
        match self {
            Self::ShipmentCancelled => {
                "The label is void: somebody had the carrier void it. The carrier is asked."
            }
            Self::ShipmentWrittenOff => {
                "The parcel has gone out, or the label's price is lost, and we bear it. The \
                 carrier is asked once more; if it voids the label now, that is what counts."
            }
            Self::PaymentReturned => {
                "The money was let go of or given back in the provider's dashboard. The provider \
                 is asked: nothing may be held, and all that was captured must have gone back."
            }
            Self::PaymentWrittenOff => {
                "The provider does not give the money back, as after a dispute, and it is settled \
                 otherwise or stays ours. The provider is asked once more; if it gives it back \
                 now, that is what counts."
            }
        }
    }

    /// Whether it is about the goods; else it is about the money.
    #[must_use]
    pub const fn is_of_shipment(self) -> bool {
        match self {
            Self::ShipmentCancelled | Self::ShipmentWrittenOff => true,
            Self::PaymentReturned | Self::PaymentWrittenOff => false,
        }
    }

    /// What can be claimed about an order in `state`: about its shipment first, for money goes back
    /// only once it is known what becomes of the goods.
    ///
    /// # Errors
    /// Why nothing can be, as the end of a sentence.
    pub fn possible(state: &OrderState) -> Result<&'static [Self], &'static str> {
        if state.stage.is_closed() {
            return Err("the order is closed");
        }
        if state.failure.is_none() {
            return Err("the order is not being reversed");
        }
        if !is_done(state.unbook.as_ref()) {
            let booked = match &state.book {
                None => false,
                Some(Entry::Open(_)) => true,
                Some(Entry::Done { outcome, .. }) => matches!(outcome, Booking::Booked { .. }),
            };
            if booked || state.label_to_void().is_some() {
                return Ok(&[Self::ShipmentCancelled, Self::ShipmentWrittenOff]);
            }
            return Err("no shipment is booked: redrive or restart it");
        }
        if is_done(state.reverse.as_ref()) {
            return Err("shipment and payment are reversed or settled: redrive or restart it");
        }
        match state.authorize {
            Some(_) => Ok(&[Self::PaymentReturned, Self::PaymentWrittenOff]),
            None => Err("nothing was paid: redrive or restart it"),
        }
    }

    /// Whether this can be claimed about an order in `state`.
    ///
    /// # Errors
    /// Why not, as the end of a sentence.
    pub fn allowed(self, state: &OrderState) -> Result<(), &'static str> {
        let possible = Self::possible(state)?;
        if possible.contains(&self) {
            Ok(())
        } else if self.is_of_shipment() {
            Err("its shipment is cancelled or settled, and its payment is next")
        } else {
            Err("its shipment comes first")
        }
    }
}

fn is_done<T>(entry: Option<&Entry<T>>) -> bool {
    entry.is_some_and(|entry| entry.outcome().is_some())
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::entry::{Authorization, Claim, Reversal, Unbooking};
    use crate::{ErrorName, Failure, Stage, Submission};

    fn at() -> Timestamp {
        Timestamp::from_second(1).unwrap()
    }

    fn done<T>(outcome: T) -> Entry<T> {
        Entry::Done { outcome, at: at() }
    }

    fn received() -> OrderState {
        let document = serde_json::json!({
            "schema_version": 1, "order_id": "o", "currency": "USD",
            "customer": {"customer_id": "c", "name": "Ada", "email": "ada@example.com"},
            "payment": {"method": "pm_card_visa"},
            "shipping_address": {"name": "Ada", "line1": "1 Main St", "city": "Springfield",
                "region": "IL", "postal_code": "62701", "country": "US"},
            "lines": [{"sku": "MUG-01", "quantity": 1, "unit_price": 1000}],
            "shipping_fee": 0, "tax": 0, "total": 1000
        });
        let submission = Submission::parse(document.to_string().as_bytes()).unwrap();
        OrderState::received(&submission.order, at())
    }

    fn booked() -> OrderState {
        let payment = "pi_1".to_owned();
        OrderState {
            authorize: Some(done(Authorization::Held {
                payment,
                made_at: None,
            })),
            book: Some(done(Booking::Booked {
                label: "se-1".to_owned(),
                carrier: "usps".to_owned(),
                tracking: "9400".to_owned(),
            })),
            failure: Some(Failure::new(ErrorName::Internal, "x", at())),
            stage: Stage::Shipped,
            ..received()
        }
    }

    #[test]
    fn the_shipment_is_settled_first_then_the_payment_and_then_nothing() {
        let mut state = booked();
        let shipment: &[Settlement] = &[
            Settlement::ShipmentCancelled,
            Settlement::ShipmentWrittenOff,
        ];
        let payment: &[Settlement] = &[Settlement::PaymentReturned, Settlement::PaymentWrittenOff];
        assert_eq!(Settlement::possible(&state), Ok(shipment));
        assert_eq!(
            Settlement::PaymentReturned.allowed(&state),
            Err("its shipment comes first")
        );
        // Whether a claim of it is open says nothing: the step's own claim does.
        state.unbook = Some(Entry::Open(Claim::new("o", at(), at())));
        assert_eq!(Settlement::possible(&state), Ok(shipment));
        state.unbook = Some(done(Unbooking::Cancelled));
        assert_eq!(Settlement::possible(&state), Ok(payment));
        assert!(Settlement::ShipmentWrittenOff.allowed(&state).is_err());
        state.reverse = Some(done(Reversal::Voided));
        assert!(Settlement::possible(&state).is_err());
    }

    #[test]
    fn what_is_not_being_reversed_or_was_never_done_is_not_settled() {
        let state = booked();
        let going_well = OrderState {
            failure: None,
            ..state.clone()
        };
        let closed = OrderState {
            stage: Stage::Failed,
            ..state.clone()
        };
        let unbooked = OrderState {
            book: None,
            ..state.clone()
        };
        let unpaid = OrderState {
            authorize: None,
            unbook: Some(done(Unbooking::Nothing)),
            ..state
        };
        for (state, why) in [
            (going_well, "not being reversed"),
            (closed, "closed"),
            (unbooked, "no shipment is booked"),
            (unpaid, "nothing was paid"),
        ] {
            let refused = Settlement::possible(&state).expect_err(why);
            assert!(refused.contains(why), "{refused}");
        }
    }

    #[test]
    fn money_is_settled_once_it_is_known_what_became_of_the_goods() {
        let shipment = "shipment and payment are reversed or settled: redrive or restart it";
        let nothing_booked = "no shipment is booked: redrive or restart it";
        let all = |state: &OrderState| Settlement::possible(state).map(<[Settlement]>::len);
        let refused_by_carrier = OrderState {
            book: Some(done(Booking::Refused {
                code: String::new(),
            })),
            ..booked()
        };
        assert_eq!(all(&refused_by_carrier), Err(nothing_booked));
        // Nobody knows what came of it: it may have been.
        let unknown = OrderState {
            book: Some(Entry::Open(Claim::new("o", at(), at()))),
            ..booked()
        };
        assert_eq!(all(&unknown), Ok(2));
        // What an earlier attempt booked and was to be replaced counts, too.
        let replacing = OrderState {
            failure: None,
            ..booked()
        };
        let replacing = OrderState {
            failure: booked().failure,
            ..replacing.restarted(true, at()).unwrap()
        };
        assert_eq!(all(&replacing), Ok(2));
        let reversed = OrderState {
            unbook: Some(done(Unbooking::Cancelled)),
            reverse: Some(done(Reversal::Voided)),
            ..booked()
        };
        assert_eq!(all(&reversed), Err(shipment));
    }

    #[test]
    fn what_can_be_claimed_is_allowed_and_no_more() {
        use Settlement::{
            PaymentReturned, PaymentWrittenOff, ShipmentCancelled, ShipmentWrittenOff,
        };
        let goods_first = booked();
        let money_next = OrderState {
            unbook: Some(done(Unbooking::Cancelled)),
            ..booked()
        };
        let next = Err("its shipment is cancelled or settled, and its payment is next");
        let first = Err("its shipment comes first");
        for (settlement, before, after) in [
            (ShipmentCancelled, Ok(()), next),
            (ShipmentWrittenOff, Ok(()), next),
            (PaymentReturned, first, Ok(())),
            (PaymentWrittenOff, first, Ok(())),
        ] {
            assert_eq!(settlement.allowed(&goods_first), before, "{settlement}");
            assert_eq!(settlement.allowed(&money_next), after, "{settlement}");
        }
        assert_eq!(
            ShipmentCancelled.allowed(&received()),
            Err("the order is not being reversed")
        );
    }

    #[test]
    fn a_claim_says_who_is_asked_whether_it_is_so() {
        for settlement in Settlement::ALL {
            let asked = if settlement.is_of_shipment() {
                "The carrier is asked"
            } else {
                "The provider is asked"
            };
            assert!(settlement.claim().contains(asked), "{settlement}");
        }
    }
}
