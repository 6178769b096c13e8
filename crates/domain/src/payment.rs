//! How an order is paid: one of three forms, by the payment provider's own names for them.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::entry::{Authorization, Entry, Reversal};
use crate::fields::Fields;
use crate::state::OrderState;
use crate::violation::Violation;

/// A name that the payment provider gave to something of the customer's: never a card number.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PaymentToken(String);

impl PaymentToken {
    /// Longest token.
    pub const MAX_LEN: usize = 255;

    /// As the provider knows it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PaymentToken {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("PaymentToken(redacted)")
    }
}

impl std::str::FromStr for PaymentToken {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // A card number begins with a digit.
        let ok = text.starts_with(|first: char| first.is_ascii_alphabetic())
            && text.len() <= Self::MAX_LEN
            && text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        ok.then(|| Self(text.to_owned())).ok_or(
            "must be a token of the payment provider's: at most 255 letters, digits and _, first \
             a letter; never a card number",
        )
    }
}

/// How an order is paid.
///
/// Stored untagged: the first form as the plain token that it always was, so that what was stored
/// before reads as it, and a document keeps its fingerprint.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum PaymentMeans {
    /// A method that works once: `{"method": "…"}`.
    Single(PaymentToken),
    /// A method that the customer has saved, charged without them: `{"method": "…", "customer": "…"}`.
    Saved {
        /// The method.
        method: PaymentToken,
        /// The payment provider's name for the customer whose it is.
        customer: PaymentToken,
    },
    /// A payment that the shop's checkout has made and the customer confirmed, its money held and not
    /// taken: `{"intent": "…"}`.
    Intent {
        /// The payment.
        intent: PaymentToken,
    },
}

impl fmt::Debug for PaymentMeans {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("PaymentMeans(redacted)")
    }
}

impl PaymentMeans {
    /// Reads the order document's `payment`.
    pub(crate) fn read(mut payment: Fields<'_>, found: &mut Vec<Violation>) -> Option<Self> {
        if payment.has("intent") {
            for beside in ["method", "customer"] {
                if payment.get(beside).is_some() {
                    let pointer = payment.pointer(beside);
                    let text = "cannot be given beside an intent, which has its own; remove it";
                    found.push(Violation::new(&pointer, text));
                }
            }
            let intent = payment.parsed::<PaymentToken>("intent", found);
            payment.finish(found);
            return Some(Self::Intent { intent: intent? });
        }
        let saved = payment.has("customer");
        let method = payment.parsed::<PaymentToken>("method", found);
        let customer = payment.optional::<PaymentToken>("customer", found);
        payment.finish(found);
        if saved {
            return Some(Self::Saved {
                method: method?,
                customer: customer?,
            });
        }
        method.map(Self::Single)
    }

    /// Whether money can be held with it again after it was held once.
    #[must_use]
    pub const fn works_again(&self) -> bool {
        match self {
            Self::Saved { .. } => true,
            Self::Single(_) | Self::Intent { .. } => false,
        }
    }

    /// Whether it works once and one of `attempts` has had that once: money was held with it, whatever
    /// became of it. A bank's no is not counted. Nor is an attempt of which it was found out that it held
    /// nothing.
    pub(crate) fn is_used_up<'a>(
        &self,
        mut attempts: impl Iterator<Item = &'a OrderState>,
    ) -> bool {
        !self.works_again() && attempts.any(held_money)
    }
}

/// Whether money was held in this attempt, as far as its ledger can tell. What nobody knows may have been.
fn held_money(attempt: &OrderState) -> bool {
    match &attempt.authorize {
        None => false,
        Some(Entry::Done { outcome, .. }) => match outcome {
            Authorization::Held { .. } => true,
            Authorization::Declined { .. } => false,
        },
        Some(Entry::Open(_)) => match attempt.reverse.as_ref().and_then(Entry::outcome) {
            Some(Reversal::Nothing) => false,
            Some(Reversal::Voided | Reversal::Refunded { .. } | Reversal::WrittenOff { .. })
            | None => true,
        },
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use serde_json::{Value, json};

    use super::*;
    use crate::entry::Claim;
    use crate::{PersonalData, Submission};

    fn read(payment: &Value) -> Result<PaymentMeans, Vec<String>> {
        let mut found = Vec::new();
        let fields = Fields::of(Some(payment), "/payment".to_owned(), &mut found);
        let means = PaymentMeans::read(fields, &mut found);
        means.filter(|_| found.is_empty()).ok_or_else(|| {
            let pointers = found.into_iter().map(|violation| violation.pointer);
            pointers.collect()
        })
    }

    fn token(text: &str) -> PaymentToken {
        text.parse().unwrap()
    }

    #[test]
    fn there_are_three_forms_and_each_is_stored_and_read_as_it_was() {
        for (given, means, stored) in [
            (
                json!({"method": "pm_1"}),
                PaymentMeans::Single(token("pm_1")),
                // As it was before there were others.
                json!("pm_1"),
            ),
            (
                json!({"method": "pm_1", "customer": "cus_1"}),
                PaymentMeans::Saved {
                    method: token("pm_1"),
                    customer: token("cus_1"),
                },
                json!({"method": "pm_1", "customer": "cus_1"}),
            ),
            (
                json!({"intent": "pi_1"}),
                PaymentMeans::Intent {
                    intent: token("pi_1"),
                },
                json!({"intent": "pi_1"}),
            ),
        ] {
            assert!(read(&given) == Ok(means.clone()), "{given}");
            assert_eq!(serde_json::to_value(&means).unwrap(), stored);
            assert!(serde_json::from_value::<PaymentMeans>(stored).unwrap() == means);
            assert_eq!(format!("{means:?}"), "PaymentMeans(redacted)");
        }
        assert_eq!(format!("{:?}", token("pm_1")), "PaymentToken(redacted)");
    }

    #[test]
    fn what_works_once_is_used_up_by_a_hold_whatever_became_of_it() {
        let held = Entry::Done {
            outcome: Authorization::Held {
                payment: "pi_1".to_owned(),
                made_at: None,
            },
            at: at(1),
        };
        let declined = Entry::Done {
            outcome: Authorization::Declined {
                code: "insufficient_funds".to_owned(),
            },
            at: at(1),
        };
        let open = Entry::Open(Claim::new("o", at(1), at(2)));
        let found = |outcome| Some(Entry::Done { outcome, at: at(3) });
        for (authorize, reverse, used_up) in [
            (None, None, false),
            (None, found(Reversal::Nothing), false),
            (Some(held.clone()), None, true),
            (Some(held), found(Reversal::Voided), true),
            (Some(declined), found(Reversal::Nothing), false),
            (Some(open.clone()), None, true),
            (Some(open.clone()), found(Reversal::Nothing), false),
            (Some(open), found(Reversal::Voided), true),
        ] {
            let order = submission().order;
            let last = OrderState {
                attempt: 2,
                authorize,
                reverse,
                ..OrderState::received(&order, at(0))
            };
            let earlier = [OrderState::received(&order, at(0))];
            let data = |paid_from, payment: &Value| PersonalData {
                payment: read(payment).unwrap(),
                paid_from,
                ..submission().personal
            };
            let single = json!({"method": "pm_1"});
            let saved = json!({"method": "pm_1", "customer": "cus_1"});
            for (means, paid_from, expected) in [
                (&single, 0, used_up),
                (&json!({"intent": "pi_1"}), 2, used_up),
                // It was given afterwards.
                (&single, 3, false),
                (&saved, 0, false),
            ] {
                let found = data(paid_from, means).payment_is_used_up(&earlier, &last);
                assert_eq!(found, expected, "{means} from {paid_from}: {last:?}");
            }
        }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn submission() -> Submission {
        let document = json!({
            "schema_version": 1, "order_id": "o", "currency": "USD",
            "customer": {"customer_id": "c", "name": "Ada", "email": "ada@example.com"},
            "payment": {"method": "pm_1"},
            "shipping_address": {"name": "Ada", "line1": "1 Main St", "city": "Springfield",
                "region": "IL", "postal_code": "62701", "country": "US"},
            "lines": [{"sku": "MUG-01", "quantity": 1, "unit_price": 1000}],
            "shipping_fee": 0, "tax": 0, "total": 1000
        });
        Submission::parse(document.to_string().as_bytes()).unwrap()
    }

    #[test]
    fn what_is_none_of_them_is_refused_where_it_is_wrong() {
        let long = format!("p{}", "m".repeat(PaymentToken::MAX_LEN));
        for (given, pointers) in [
            (json!({}), vec!["/payment/method"]),
            (json!({"customer": "cus_1"}), vec!["/payment/method"]),
            (
                json!({"method": "pm_1", "intent": "pi_1"}),
                vec!["/payment/method"],
            ),
            (
                json!({"customer": "cus_1", "intent": "pi-1"}),
                vec!["/payment/customer", "/payment/intent"],
            ),
            (
                json!({"method": "pm_1", "customer": null}),
                vec!["/payment/customer"],
            ),
            (
                json!({"method": "4242424242424242"}),
                vec!["/payment/method"],
            ),
            (json!({"intent": "4242 4242"}), vec!["/payment/intent"]),
            (json!({"method": long}), vec!["/payment/method"]),
            (json!({"intent": 1}), vec!["/payment/intent"]),
            (
                json!({"method": "pm_1", "card": "x"}),
                vec!["/payment/card"],
            ),
            (json!({"method": ""}), vec!["/payment/method"]),
            (json!("pm_1"), vec!["/payment"]),
        ] {
            let found = read(&given).expect_err("wrong");
            assert_eq!(found, pointers, "{given}");
        }
    }
}
