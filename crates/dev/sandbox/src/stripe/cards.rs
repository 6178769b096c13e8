//! What Stripe's test cards do, by the payment method or the token that stands for each:
//! <https://docs.stripe.com/testing>.

use super::decline::{Decline, GENERIC_DECLINE};

/// What the bank says of a card.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Outcome {
    Approved,
    Declined(Decline),
    /// It asks the customer something, 3-D Secure.
    Asks,
}

/// Of a method that every account has, and that is a new one each time that it is used:
/// `pm_card_visa`. `None` if there is no such method.
pub(crate) fn of_shared_method(method: &str) -> Option<Outcome> {
    of_card(method.strip_prefix("pm_card_")?)
}

/// Of a token that a method is made from: `tok_visa`.
pub(crate) fn of_token(token: &str) -> Option<Outcome> {
    of_card(token.strip_prefix("tok_")?)
}

fn of_card(card: &str) -> Option<Outcome> {
    // Documented with the brand for some and without for others.
    let plain = card.strip_prefix("visa_").unwrap_or(card);
    if let Some(why) = plain.strip_prefix("chargeDeclined") {
        return declined(why).map(Outcome::Declined);
    }
    let asks = ["authenticationRequired", "threeDSecure2Required"];
    if asks.contains(&plain) {
        return Some(Outcome::Asks);
    }
    let brands = [
        "visa",
        "visa_debit",
        "mastercard",
        "amex",
        "discover",
        "diners",
        "jcb",
        "us",
    ];
    brands.contains(&card).then_some(Outcome::Approved)
}

/// <https://docs.stripe.com/testing#declined-payments>
fn declined(why: &str) -> Option<Decline> {
    let with = |reason| Decline {
        reason,
        ..GENERIC_DECLINE
    };
    Some(match why {
        "" => GENERIC_DECLINE,
        "InsufficientFunds" => Decline {
            message: "Your card has insufficient funds.",
            ..with("insufficient_funds")
        },
        "LostCard" => with("lost_card"),
        "StolenCard" => with("stolen_card"),
        "Fraudulent" => with("fraudulent"),
        "VelocityLimitExceeded" => with("card_velocity_exceeded"),
        "ExpiredCard" => Decline {
            code: "expired_card",
            reason: "expired_card",
            message: "Your card has expired.",
        },
        "IncorrectCvc" => Decline {
            code: "incorrect_cvc",
            reason: "incorrect_cvc",
            message: "Your card's security code is incorrect.",
        },
        "ProcessingError" => Decline {
            code: "processing_error",
            reason: "processing_error",
            message: "An error occurred while processing your card. Try again in a little bit.",
        },
        _ => return None,
    })
}
