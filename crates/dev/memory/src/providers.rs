//! The providers' side: what they do when a request arrives. As kind as their ports promise, and no kinder.

use domain::Money;
use domain::ledger::Booking;
use domain::ports::{GivenBack, Payment, PaymentState, Voiding};

use crate::answer::{Mood, Said};
use crate::bug::Bug;
use crate::world::{BookedLabel, BookedPayment, World};

impl World {
    fn payment(&mut self, reference: &str) -> Option<&mut BookedPayment> {
        let mut payments = self.payments.iter_mut();
        payments.find(|booked| booked.payment.reference == reference)
    }

    /// Holds the money. A key that was seen before gets the answer of then, whatever became of it since.
    pub(crate) fn authorize(&mut self, key: &str, attempt: u32, amount: Money, mood: Mood) -> Said {
        let mut payments = self.payments.iter();
        let known = payments.find(|booked| booked.key == key);
        if let Some(known) = known.filter(|_| !self.has(Bug::NoKeys)) {
            let mut payment = known.payment.clone();
            if !matches!(payment.state, PaymentState::Declined(_)) {
                payment.state = PaymentState::Held(amount);
            }
            return Said::Payment(Some(payment));
        }
        let payment = Payment {
            reference: format!("pay-{}", self.payments.len() + 1),
            made_at: Some(self.now),
            state: match mood {
                Mood::Willing => PaymentState::Held(amount),
                Mood::Refuses => PaymentState::Declined("insufficient_funds".to_owned()),
            },
        };
        self.payments.push(BookedPayment {
            key: key.to_owned(),
            attempt,
            payment: payment.clone(),
            refunded: None,
        });
        Said::Payment(Some(payment))
    }

    /// What was authorised for an attempt; what still stands goes first.
    pub(crate) fn find_payment(&self, attempt: u32) -> Said {
        if self.has(Bug::StaleSearch) {
            return Said::Payment(None);
        }
        let of_attempt = self.payments.iter().filter(|it| it.attempt == attempt);
        let stands = |booked: &&BookedPayment| match booked.payment.state {
            PaymentState::Held(_) | PaymentState::Pending => 0,
            PaymentState::Captured(_) => 1,
            PaymentState::Voided | PaymentState::Declined(_) => 2,
        };
        let found = of_attempt.min_by_key(stands);
        Said::Payment(found.map(|booked| booked.payment.clone()))
    }

    pub(crate) fn get_payment(&self, reference: &str) -> Said {
        let mut payments = self.payments.iter();
        let found = payments.find(|booked| booked.payment.reference == reference);
        Said::Payment(found.map(|booked| booked.payment.clone()))
    }

    /// Takes what is held. A hold may have lapsed by then, as the card networks let it.
    pub(crate) fn capture(&mut self, reference: &str, amount: Money, mood: Mood) -> Said {
        let was_cancelled = self.cancel_was_accepted;
        let Some(booked) = self.payment(reference) else {
            return Said::Defect("resource_missing".to_owned());
        };
        let mut took = false;
        if booked.is_held() {
            took = mood == Mood::Willing;
            booked.payment.state = match mood {
                Mood::Willing => PaymentState::Captured(amount),
                Mood::Refuses => PaymentState::Voided,
            };
        }
        let payment = booked.payment.clone();
        self.captured_after_cancel |= took && was_cancelled;
        Said::Payment(Some(payment))
    }

    pub(crate) fn void(&mut self, reference: &str) -> Said {
        let for_show = self.has(Bug::VoidForShow);
        let Some(booked) = self.payment(reference) else {
            return Said::Defect("resource_missing".to_owned());
        };
        let mut payment = booked.payment.clone();
        if booked.is_held() {
            payment.state = PaymentState::Voided;
        }
        if !for_show {
            booked.payment = payment.clone();
        }
        Said::Payment(Some(payment))
    }

    /// Gives back all that is left. It may refuse for good, as while a payment is disputed.
    pub(crate) fn refund(&mut self, reference: &str, amount: Money, mood: Mood) -> Said {
        let for_show = self.has(Bug::RefundForShow);
        let Some(booked) = self.payment(reference) else {
            return Said::Defect("resource_missing".to_owned());
        };
        if mood == Mood::Refuses && booked.refunded.is_none() {
            return Said::Defect("charge_disputed".to_owned());
        }
        if !for_show {
            booked.refunded = Some(amount);
        }
        Said::Reference(format!("refund-of-{reference}"))
    }

    pub(crate) fn given_back(&mut self, reference: &str, captured: Money) -> Said {
        let nothing = Money::zero(captured.currency());
        let refunded = self.payment(reference).and_then(|booked| booked.refunded);
        Said::GivenBack(GivenBack {
            amount: refunded.unwrap_or(nothing),
            last: refunded.map(|_| format!("refund-of-{reference}")),
        })
    }

    fn live(&self, reference: &str) -> Option<Booking> {
        let mut labels = self.labels.iter();
        let live = labels.find(|label| label.reference == reference && !label.is_void);
        live.map(|label| label.booking.clone())
    }

    /// Buys a label unless there is a live one under the reference.
    pub(crate) fn book(&mut self, reference: &str, mood: Mood) -> Said {
        if let Some(booking) = self.live(reference) {
            return Said::Booking(Some(booking));
        }
        if mood == Mood::Refuses {
            let code = "undeliverable".to_owned();
            return Said::Booking(Some(Booking::Refused { code }));
        }
        let number = self.labels.len() + 1;
        let booking = Booking::Booked {
            label: format!("label-{number}"),
            carrier: "usps".to_owned(),
            tracking: format!("track-{number}"),
        };
        self.labels.push(BookedLabel {
            reference: reference.to_owned(),
            booking: booking.clone(),
            is_void: false,
            is_used: false,
        });
        Said::Booking(Some(booking))
    }

    pub(crate) fn find_label(&self, reference: &str) -> Said {
        if self.has(Bug::StaleList) {
            return Said::Booking(None);
        }
        Said::Booking(self.live(reference))
    }

    /// Voids a label, unless it is on a parcel by now: then never.
    pub(crate) fn cancel_label(&mut self, label: &str, mood: Mood) -> Said {
        let for_show = self.has(Bug::UnbookForShow);
        let mut labels = self.labels.iter_mut();
        let is_it = |booked: &&mut BookedLabel| match &booked.booking {
            Booking::Booked { label: it, .. } => it == label,
            Booking::Refused { .. } => false,
        };
        let Some(booked) = labels.find(is_it) else {
            return Said::Defect("label_not_found".to_owned());
        };
        if for_show {
            return Said::Voiding(Voiding::Voided);
        }
        if !booked.is_void {
            booked.is_used |= mood == Mood::Refuses;
            booked.is_void = !booked.is_used;
        }
        Said::Voiding(if booked.is_void {
            Voiding::Voided
        } else {
            Voiding::Refused {
                code: "label_already_used".to_owned(),
                for_good: true,
            }
        })
    }

    pub(crate) fn send_mail(&mut self) -> Said {
        self.mails += 1;
        Said::Reference(format!("mail-{}", self.mails))
    }
}
