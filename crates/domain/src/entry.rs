//! What the ledger holds of a side effect: who claimed it, or what came of it.

use jiff::Timestamp;
use jiff::fmt::serde::timestamp::millisecond;
use serde::{Deserialize, Serialize};

use crate::Money;

/// Somebody is performing an effect, or died trying.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// The invocation that performs it.
    pub owner: String,
    /// When it was first claimed. Kept when a successor takes over: providers forget keys after a while.
    #[serde(with = "millisecond::required")]
    pub since: Timestamp,
    /// Until when the owner may be at work: not later than when its function is killed.
    #[serde(with = "millisecond::required")]
    pub until: Timestamp,
    /// Until when whoever had it before may have been at work; a successor that only asks does not
    /// count. What a provider took long to do appears some time after this, or never.
    #[serde(
        default,
        with = "millisecond::optional",
        skip_serializing_if = "Option::is_none"
    )]
    pub tried_until: Option<Timestamp>,
    /// What the provider said when it was last asked, if no retry changes that: it refuses an undo for
    /// good, or has something else than was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
}

impl Claim {
    /// Keeps the state item below 1 KB, what one unit of writing pays for.
    pub const MAX_REFUSED: usize = 60;

    /// A claim by `owner`, who may be at work until `until`.
    #[must_use]
    pub fn new(owner: impl Into<String>, since: Timestamp, until: Timestamp) -> Self {
        Self {
            owner: owner.into(),
            since,
            until,
            tried_until: None,
            refused: None,
        }
    }
}

/// One side effect in the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Entry<T> {
    /// The outcome is known.
    Done {
        /// What came of it.
        outcome: T,
        /// When it was committed.
        #[serde(with = "millisecond::required")]
        at: Timestamp,
    },
    /// The outcome is not known (yet).
    Open(Claim),
}

impl<T> Entry<T> {
    /// The outcome, if it is known.
    pub fn outcome(&self) -> Option<&T> {
        match self {
            Self::Done { outcome, .. } => Some(outcome),
            Self::Open(_) => None,
        }
    }

    /// What the provider said, if it refused for good and nothing came of it since.
    pub fn refused(&self) -> Option<&str> {
        match self {
            Self::Done { .. } => None,
            Self::Open(claim) => claim.refused.as_deref(),
        }
    }
}

/// What came of asking the bank to hold the money.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Authorization {
    /// The money is held.
    Held {
        /// The provider's reference.
        payment: String,
        /// When the provider made the payment: before it was held, and days before if the shop's
        /// checkout made it. Not kept by earlier versions.
        #[serde(
            default,
            skip_serializing_if = "Option::is_none",
            with = "millisecond::optional"
        )]
        made_at: Option<Timestamp>,
    },
    /// The bank said no.
    Declined {
        /// The provider's code, such as `insufficient_funds`.
        code: String,
    },
}

impl Authorization {
    /// A hold lapses by itself: the shortest that a card network grants for a payment without the
    /// card at hand is 4 days and 18 hours. Six hours before that it is no longer relied on.
    /// <https://docs.stripe.com/payments/place-a-hold-on-a-payment-method>
    pub const TRUSTED_FOR: std::time::Duration = std::time::Duration::from_hours(4 * 24 + 12);
}

/// What came of booking the shipment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Booking {
    /// There is a label.
    Booked {
        /// The carrier's reference.
        label: String,
        /// The carrier.
        carrier: String,
        /// What the customer can follow.
        tracking: String,
    },
    /// The carrier will not take it.
    Refused {
        /// The carrier's code, such as `invalid_address`.
        code: String,
    },
}

/// What came of taking the money.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CaptureResult {
    /// It is ours.
    Taken {
        /// How much.
        #[serde(with = "crate::money::pair")]
        amount: Money,
    },
    /// The authorisation no longer stands.
    Refused {
        /// The provider's code.
        code: String,
    },
}

/// What came of giving the money back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reversal {
    /// There was nothing to give back.
    Nothing,
    /// The money is no longer held.
    Voided,
    /// The money went back.
    Refunded {
        /// The provider's reference of the refund.
        refund: String,
        /// How much.
        #[serde(with = "crate::money::pair")]
        amount: Money,
    },
    /// The provider does not give it back; a person has settled it otherwise. What did not go back stays
    /// ours.
    WrittenOff {
        /// How much was taken.
        #[serde(with = "crate::money::pair")]
        captured: Money,
        /// How much of it had gone back.
        #[serde(with = "crate::money::pair")]
        refunded: Money,
    },
}

/// What came of cancelling the shipment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unbooking {
    /// There was no shipment.
    Nothing,
    /// The label is void.
    Cancelled,
    /// The carrier does not void the label; a person has decided that we bear it.
    WrittenOff,
}

/// The mail service's id of a message that it took.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MessageId(pub String);

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::fixtures::{done, open, refused};

    #[test]
    fn an_entry_has_an_outcome_once_it_is_done_and_a_refusal_only_before() {
        let [none, claimed] = [refused("used"), open()].map(Option::unwrap);
        let written_off = done(Unbooking::WrittenOff).unwrap();
        assert_eq!(written_off.outcome(), Some(&Unbooking::WrittenOff));
        assert_eq!(written_off.refused(), None);
        assert_eq!((none.outcome(), none.refused()), (None, Some("used")));
        assert_eq!(
            (claimed.outcome(), claimed.refused()),
            (None::<&Unbooking>, None)
        );
    }

    #[test]
    fn a_hold_is_trusted_for_six_hours_less_than_the_shortest_that_is_granted() {
        let granted = std::time::Duration::from_hours(4 * 24 + 18);
        let margin = std::time::Duration::from_hours(6);
        assert_eq!(Authorization::TRUSTED_FOR + margin, granted);
    }

    #[test]
    fn what_came_of_an_effect_is_kept_as_it_always_was() {
        let amount = Money::new(3098, "USD".parse().unwrap()).unwrap();
        let refunded = Money::zero(amount.currency());
        let at = 1_795_428_010_000_i64;
        let claimed = json!({"owner": "somebody", "since": at, "until": at + 10_000});
        let with = |outcome| json!({"outcome": outcome, "at": at});
        assert_eq!(serde_json::to_value(open::<Reversal>()).unwrap(), claimed);
        for (reversal, kept) in [
            (Reversal::Nothing, json!("nothing")),
            (Reversal::Voided, json!("voided")),
            (
                Reversal::Refunded {
                    refund: "re_1".to_owned(),
                    amount,
                },
                json!({"refunded": {"refund": "re_1", "amount": [3098, "USD"]}}),
            ),
            (
                Reversal::WrittenOff {
                    captured: amount,
                    refunded,
                },
                json!({"written_off": {"captured": [3098, "USD"], "refunded": [0, "USD"]}}),
            ),
        ] {
            let entry = done(reversal);
            assert_eq!(serde_json::to_value(&entry).unwrap(), with(kept.clone()));
            let read: Option<Entry<Reversal>> = serde_json::from_value(with(kept)).unwrap();
            assert_eq!(read, entry);
        }
    }
}
