//! What can be changed about an order after it was accepted.

use jiff::Timestamp;

use crate::entry::Entry;
use crate::fields::Fields;
use crate::order::{Email, NAME, json, read_address};
use crate::payment::PaymentMeans;
use crate::violation::Violation;
use crate::{Address, OrderState, PersonalData, Stage};

/// New values for some of an order's personal data: the order document with only what is to change.
/// What was ordered, and what it costs, stays as it is.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// How the customer is addressed.
    pub name: Option<String>,
    /// Where messages go.
    pub email: Option<String>,
    /// How the customer pays.
    pub payment: Option<PaymentMeans>,
    /// Where the goods go.
    pub shipping_address: Option<Address>,
}

impl std::fmt::Debug for Changes {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Changes(redacted)")
    }
}

impl Changes {
    /// Reads a document such as `{"customer": {"email": "ada@example.com"}}`. An address is replaced
    /// as a whole.
    ///
    /// # Errors
    /// Every violation in the document; one if it changes nothing.
    pub fn parse(document: &[u8]) -> Result<Self, Vec<Violation>> {
        let value = json(document)?;
        let mut found = Vec::new();
        let mut document = Fields::of(Some(&value), String::new(), &mut found);
        let mut changes = Self::default();
        if let Some(mut customer) = document.optional_object("customer", &mut found) {
            changes.name = customer.optional_text("name", NAME, &mut found);
            let email = customer.optional::<Email>("email", &mut found);
            changes.email = email.map(|email| email.0);
            customer.finish(&mut found);
        }
        if let Some(payment) = document.optional_object("payment", &mut found) {
            changes.payment = PaymentMeans::read(payment, &mut found);
        }
        if let Some(address) = document.optional_object("shipping_address", &mut found) {
            changes.shipping_address = read_address(address, &mut found);
        }
        document.finish(&mut found);
        if found.is_empty() && changes == Self::default() {
            found.push(Violation::new(
                "",
                "changes nothing: give customer, payment or shipping_address",
            ));
        }
        if found.is_empty() {
            Ok(changes)
        } else {
            Err(found)
        }
    }

    /// The data with these values in it, from `attempt` on.
    #[must_use]
    pub fn of(&self, personal: &PersonalData, attempt: u32) -> PersonalData {
        let new = self.clone();
        let paid_from = if new.payment.is_some() {
            attempt
        } else {
            personal.paid_from
        };
        PersonalData {
            name: new.name.unwrap_or_else(|| personal.name.clone()),
            email: new.email.unwrap_or_else(|| personal.email.clone()),
            payment: new.payment.unwrap_or_else(|| personal.payment.clone()),
            paid_from,
            shipping_address: new
                .shipping_address
                .unwrap_or_else(|| personal.shipping_address.clone()),
            revision: personal.revision + 1,
        }
    }

    /// What changes, in words that have nothing personal in them: `e-mail address, means of payment`.
    #[must_use]
    pub fn words(&self) -> String {
        let words = [
            (self.name.is_some(), "name"),
            (self.email.is_some(), "e-mail address"),
            (self.payment.is_some(), "means of payment"),
            (self.shipping_address.is_some(), "shipping address"),
        ];
        let words = words.iter().filter(|(changes, _)| *changes);
        words.map(|(_, word)| *word).collect::<Vec<_>>().join(", ")
    }

    /// Whether an order in `state` may still have all of this changed.
    ///
    /// # Errors
    /// Why not, as the end of a sentence.
    pub fn allowed(&self, state: &OrderState, now: Timestamp) -> Result<(), &'static str> {
        let messages = self.name.is_some() || self.email.is_some();
        let parts = [
            (messages, Modifiable::Messages),
            (self.payment.is_some(), Modifiable::Payment),
            (self.shipping_address.is_some(), Modifiable::Address),
        ];
        let mut parts = parts.into_iter().filter(|(changes, _)| *changes);
        parts.try_for_each(|(_, part)| part.allowed(state, now))
    }
}

/// The parts of an order's personal data, by what they are used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Modifiable {
    /// How the customer is addressed, and where messages go.
    Messages,
    /// How it is paid.
    Payment,
    /// Where the goods go.
    Address,
}

impl Modifiable {
    /// Whether an order in `state` may still have it changed.
    ///
    /// # Errors
    /// Why not, as the end of a sentence.
    pub fn allowed(self, state: &OrderState, now: Timestamp) -> Result<(), &'static str> {
        match state.stage {
            Stage::Completed => return Err("the order is paid and shipped, and its customer told"),
            Stage::Cancelled => return Err("the order was cancelled: it takes a new one"),
            // For the next attempt.
            Stage::Rejected | Stage::Failed => return Ok(()),
            Stage::Received
            | Stage::InReview
            | Stage::Validated
            | Stage::Authorized
            | Stage::Shipped
            | Stage::Captured => {}
        }
        match self {
            Self::Messages => match &state.notify {
                Some(Entry::Open(claim)) if claim.until > now => {
                    Err("the message to the customer is being sent")
                }
                Some(_) | None => Ok(()),
            },
            // A try under the same idempotency key with another means of payment would be refused.
            Self::Payment => {
                let untried = matches!(state.stage, Stage::Received | Stage::InReview);
                if untried && state.authorize.is_none() && state.failure.is_none() {
                    Ok(())
                } else {
                    Err("the payment was or is being tried with its means of payment")
                }
            }
            Self::Address if state.failure.is_some() => Err("the order is being reversed"),
            Self::Address if state.book.is_some() => Err("the shipment is booked or being booked"),
            Self::Address => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::entry::{Authorization, Booking, Claim};
    use crate::{ErrorName, Failure, Order, Submission};

    fn parse(document: &Value) -> Result<Changes, Vec<String>> {
        let changes = Changes::parse(document.to_string().as_bytes());
        changes.map_err(|found| found.iter().map(ToString::to_string).collect())
    }

    fn submission() -> Submission {
        let document = json!({
            "schema_version": 1, "order_id": "o", "currency": "USD",
            "customer": {"customer_id": "c", "name": "Ada", "email": "ada@example.com"},
            "payment": {"method": "pm_card_visa"},
            "shipping_address": address(),
            "lines": [{"sku": "MUG-01", "quantity": 1, "unit_price": 1000}],
            "shipping_fee": 0, "tax": 0, "total": 1000
        });
        Submission::parse(document.to_string().as_bytes()).unwrap()
    }

    fn address() -> Value {
        json!({"name": "Ada", "line1": "1 Main St", "city": "Springfield",
            "region": "IL", "postal_code": "62701", "country": "US"})
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn state(order: &Order) -> OrderState {
        OrderState::received(order, at(0))
    }

    #[test]
    fn only_what_is_given_changes_and_the_count_goes_up() {
        let before = submission().personal;
        let changes = parse(&json!({"customer": {"email": "new@example.com"}})).unwrap();
        let after = changes.of(&before, 1);
        let expected = PersonalData {
            email: "new@example.com".to_owned(),
            revision: 1,
            ..before
        };
        assert!(after == expected);
        assert_eq!(changes.words(), "e-mail address");
        assert_eq!(changes.of(&after, 1).revision, 2);
    }

    #[test]
    fn what_is_wrong_is_said_where_it_is_and_what_changes_nothing_is_refused() {
        let nothing = "changes nothing: give customer, payment or shipping_address";
        for (document, wrong) in [
            (json!({}), format!(" {nothing}")),
            (json!({"customer": {}}), format!(" {nothing}")),
            (
                json!({"total": 1}),
                "/total is not a known field; remove it".to_owned(),
            ),
            (
                json!({"customer": {"customer_id": "d", "name": "Bo"}}),
                "/customer/customer_id is not a known field; remove it".to_owned(),
            ),
            (
                json!({"payment": {}}),
                "/payment/method is missing".to_owned(),
            ),
            (
                json!({"shipping_address": {"city": "X"}}),
                "/shipping_address/name is missing".to_owned(),
            ),
        ] {
            let found = parse(&document).expect_err("wrong");
            assert!(found.contains(&wrong), "{document}: {found:?}");
        }
    }

    #[test]
    fn a_document_that_nobody_modified_has_the_fingerprint_that_it_always_had() {
        let personal = serde_json::to_value(submission().personal).unwrap();
        assert!(personal.get("revision").is_none());
        let state = serde_json::to_value(state(&submission().order)).unwrap();
        assert!(state.get("personal_revision").is_none() && state.get("restart").is_none());
    }

    #[test]
    fn each_part_can_be_modified_until_it_is_used() {
        use Modifiable::{Address, Messages, Payment};
        let received = state(&submission().order);
        let failing = OrderState {
            failure: Some(Failure::new(ErrorName::Internal, "", at(1))),
            ..received.clone()
        };
        let validated = OrderState {
            stage: Stage::Validated,
            ..received.clone()
        };
        let authorized = OrderState {
            stage: Stage::Authorized,
            authorize: Some(Entry::Done {
                outcome: Authorization::Held {
                    payment: "pi_1".to_owned(),
                    made_at: None,
                },
                at: at(1),
            }),
            ..received.clone()
        };
        let booking = OrderState {
            book: Some(Entry::Open(claim(2))),
            ..authorized.clone()
        };
        let sending = OrderState {
            stage: Stage::Captured,
            book: Some(Entry::Done {
                outcome: Booking::Refused {
                    code: String::new(),
                },
                at: at(1),
            }),
            notify: Some(Entry::Open(claim(200))),
            ..authorized.clone()
        };
        let failed = OrderState {
            stage: Stage::Failed,
            ..failing.clone()
        };
        let completed = OrderState {
            stage: Stage::Completed,
            ..received.clone()
        };
        for (state, allowed) in [
            (&received, vec![Messages, Payment, Address]),
            (&validated, vec![Messages, Address]),
            (&authorized, vec![Messages, Address]),
            (&booking, vec![Messages]),
            (&sending, vec![]),
            (&failing, vec![Messages]),
            (&failed, vec![Messages, Payment, Address]),
            (&completed, vec![]),
        ] {
            let all = [Messages, Payment, Address].into_iter();
            let found = all.filter(|part| part.allowed(state, at(100)).is_ok());
            assert_eq!(found.collect::<Vec<_>>(), allowed, "{:?}", state.stage);
        }
    }

    fn claim(until: i64) -> Claim {
        Claim::new("o", at(1), at(until))
    }

    #[test]
    fn a_change_of_everything_is_told_in_words_that_show_nothing_of_it() {
        let changes = parse(&json!({
            "customer": {"name": "Bo", "email": "bo@example.com"},
            "payment": {"method": "pm_2"}, "shipping_address": address()
        }));
        let changes = changes.unwrap();
        let words = "name, e-mail address, means of payment, shipping address";
        assert_eq!(changes.words(), words);
        assert_eq!(format!("{changes:?}"), "Changes(redacted)");
        assert_eq!(Changes::default().words(), "");
    }

    #[test]
    fn new_means_of_payment_count_from_the_attempt_that_they_are_for() {
        let before = PersonalData {
            paid_from: 2,
            ..submission().personal
        };
        let payment = parse(&json!({"payment": {"method": "pm_2"}})).unwrap();
        let after = payment.of(&before, 3);
        assert!(Some(&after.payment) == payment.payment.as_ref() && after.paid_from == 3);
        let name = parse(&json!({"customer": {"name": "Bo"}})).unwrap();
        let after = name.of(&before, 3);
        assert_eq!((after.name.as_str(), after.paid_from), ("Bo", 2));
        let elsewhere = json!({"shipping_address": {"name": "Bo", "line1": "2 Main St",
            "city": "Bonn", "postal_code": "53111", "country": "DE"}});
        let after = parse(&elsewhere).unwrap().of(&before, 3);
        assert_eq!(after.shipping_address.city, "Bonn");
    }

    #[test]
    fn a_change_is_allowed_if_all_of_its_parts_are() {
        let state = OrderState {
            stage: Stage::Validated,
            ..state(&submission().order)
        };
        let tried = Err("the payment was or is being tried with its means of payment");
        for (change, expected) in [
            (json!({"customer": {"name": "Bo"}}), Ok(())),
            (json!({"customer": {"email": "bo@example.com"}}), Ok(())),
            (json!({"shipping_address": address()}), Ok(())),
            (json!({"payment": {"method": "pm_2"}}), tried),
            (
                json!({"customer": {"name": "Bo"}, "payment": {"method": "pm_2"}}),
                tried,
            ),
        ] {
            let changes = parse(&change).unwrap();
            assert_eq!(changes.allowed(&state, at(1)), expected, "{change}");
        }
        let booking = OrderState {
            book: Some(Entry::Open(claim(2))),
            ..state.clone()
        };
        let reversed = OrderState {
            failure: Some(Failure::new(ErrorName::Internal, "", at(1))),
            ..state.clone()
        };
        let sending = OrderState {
            notify: Some(Entry::Open(claim(2))),
            ..state.clone()
        };
        let cancelled = OrderState {
            stage: Stage::Cancelled,
            ..state.clone()
        };
        let completed = OrderState {
            stage: Stage::Completed,
            ..state
        };
        let name = json!({"customer": {"name": "Bo"}});
        let email = json!({"customer": {"email": "bo@example.com"}});
        let address = json!({"shipping_address": address()});
        for (state, change, why) in [
            (&booking, &address, "the shipment is booked or being booked"),
            (&reversed, &address, "the order is being reversed"),
            (&sending, &name, "the message to the customer is being sent"),
            (
                &sending,
                &email,
                "the message to the customer is being sent",
            ),
            (
                &cancelled,
                &name,
                "the order was cancelled: it takes a new one",
            ),
            (
                &completed,
                &name,
                "the order is paid and shipped, and its customer told",
            ),
        ] {
            let changes = parse(change).unwrap();
            assert_eq!(changes.allowed(state, at(1)), Err(why), "{change}");
        }
        // Whoever was to send it has died.
        let changes = parse(&name).unwrap();
        assert_eq!(changes.allowed(&sending, at(2)), Ok(()));
    }
}
