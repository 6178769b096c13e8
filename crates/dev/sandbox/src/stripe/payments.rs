//! What may be done with an intent in which state, and what it does.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::book::no_such_intent;
use super::decline::{Decline, GENERIC_DECLINE};
use super::errors;
use super::form::Form;
use super::intent::{Intent, Status};
use super::search::Query;
use crate::answer::Answer;
use crate::exchange::Verdict;
use crate::ledger::Reference;
use crate::world::World;

/// Either way, the answer.
pub(super) fn either(outcome: Result<Value, Answer>) -> Answer {
    outcome.map_or_else(|refusal| refusal, Answer::ok)
}

/// A valid `POST /v1/payment_intents`, <https://docs.stripe.com/api/payment_intents/create>.
#[derive(Debug)]
pub(crate) struct Authorization {
    amount: u64,
    currency: String,
    description: Option<String>,
    payment_method: Option<String>,
    payment_method_types: Vec<String>,
    metadata: BTreeMap<String, String>,
    confirm: bool,
}

impl Authorization {
    pub(crate) fn read(form: &Form) -> Result<Self, Answer> {
        form.allow(&[
            "amount",
            "automatic_payment_methods",
            "capture_method",
            "confirm",
            "currency",
            "customer",
            "description",
            "error_on_requires_action",
            "expand",
            "metadata",
            "off_session",
            "payment_method",
            "payment_method_types",
            "receipt_email",
            "return_url",
            "shipping",
            "statement_descriptor_suffix",
            "transfer_group",
        ])?;
        let amount = form
            .amount("amount")?
            .ok_or_else(|| errors::missing("amount"))?;
        let currency = form.required("currency")?.to_owned();
        check_currency(&currency, amount)?;
        let confirm = form.get("confirm") == Some("true");
        let payment_method = match form.get("payment_method") {
            None if !confirm => None,
            Some(_) | None => Some(form.required("payment_method")?.to_owned()),
        };
        if form.get("capture_method") != Some("manual") {
            let message = "The sandbox speaks capture_method=manual only.";
            return Err(errors::bad_value("capture_method", message));
        }
        let mut payment_method_types = form.list("payment_method_types");
        if payment_method_types.is_empty() {
            let redirects = form.get("automatic_payment_methods[allow_redirects]");
            if redirects != Some("never") && form.get("return_url").is_none() {
                // What a server-side integration meets first with automatic payment methods.
                let message = "This PaymentIntent is configured to accept payment methods enabled \
                    in your Dashboard. Because some of these payment methods might redirect your \
                    customer off of your page, you must provide a `return_url`. If you don't want \
                    to accept redirect-based payment methods, set \
                    `automatic_payment_methods[enabled]` to `true` and \
                    `automatic_payment_methods[allow_redirects]` to `never`.";
                return Err(errors::bad_value("return_url", message));
            }
            payment_method_types.push("card".to_owned());
        }
        Ok(Self {
            amount,
            currency,
            description: form.get("description").map(str::to_owned),
            payment_method,
            payment_method_types,
            metadata: form.metadata(),
            confirm,
        })
    }

    pub(crate) fn order_id(&self) -> Option<String> {
        self.metadata.get("order_id").cloned()
    }
}

/// <https://docs.stripe.com/currencies>: lower case, and three-decimal amounts end in 0.
fn check_currency(currency: &str, amount: u64) -> Result<(), Answer> {
    let code = currency.len() == 3 && currency.bytes().all(|byte| byte.is_ascii_lowercase());
    if !code {
        let message = format!("Invalid currency: {currency}. Use a three-letter lowercase code.");
        return Err(errors::bad_value("currency", &message));
    }
    let three_decimals = matches!(currency, "bhd" | "jod" | "kwd" | "omr" | "tnd");
    if three_decimals && !amount.is_multiple_of(10) {
        let message = "The last digit of an amount in a three-decimal currency must be 0.";
        return Err(errors::bad_value("amount", message));
    }
    Ok(())
}

/// What Stripe's test payment methods do, <https://docs.stripe.com/testing#declined-payments>.
/// `None` for one that does not exist.
fn outcome_of(payment_method: &str) -> Option<Result<(), Decline>> {
    let card = payment_method.strip_prefix("pm_card_")?;
    // Documented with the brand for some and without for others.
    let declined = card
        .strip_prefix("visa_")
        .unwrap_or(card)
        .strip_prefix("chargeDeclined");
    let Some(why) = declined else {
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
        return brands.contains(&card).then_some(Ok(()));
    };
    let with = |reason| Decline {
        reason,
        ..GENERIC_DECLINE
    };
    Some(Err(match why {
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
    }))
}

pub(crate) fn authorize(
    world: &mut World,
    wanted: Authorization,
    verdict: Verdict,
    reference: Reference,
) -> Answer {
    if let Some(method) = &wanted.payment_method
        && outcome_of(method).is_none()
    {
        return errors::no_such("PaymentMethod", method, "payment_method");
    }
    let intent = Intent {
        number: world.number(),
        amount: wanted.amount,
        amount_received: 0,
        amount_refunded: 0,
        currency: wanted.currency,
        description: wanted.description,
        status: match wanted.payment_method {
            Some(_) => Status::RequiresConfirmation,
            None => Status::RequiresPaymentMethod,
        },
        payment_method: wanted.payment_method,
        payment_method_types: wanted.payment_method_types,
        metadata: wanted.metadata,
        charged: false,
        decline: None,
        cancellation_reason: None,
        canceled_at: None,
        created: Timestamp::now(),
    };
    let (id, made) = (intent.id(), intent.to_json());
    world.payments.intents.push(intent);
    if wanted.confirm {
        confirm(world, &id, None, verdict, reference)
    } else {
        Answer::ok(made)
    }
}

/// The method to confirm with, the intent's own when `None`.
pub(crate) fn read_confirm(form: &Form) -> Result<Option<String>, Answer> {
    form.allow(&[
        "error_on_requires_action",
        "expand",
        "off_session",
        "payment_method",
        "return_url",
    ])?;
    Ok(form.get("payment_method").map(str::to_owned))
}

/// <https://docs.stripe.com/api/payment_intents/confirm>: holds the money, or is declined.
pub(crate) fn confirm(
    world: &mut World,
    id: &str,
    method: Option<String>,
    verdict: Verdict,
    reference: Reference,
) -> Answer {
    let confirmed = world.payments.find_mut(id).and_then(|intent| {
        match intent.status {
            Status::RequiresPaymentMethod | Status::RequiresConfirmation => {}
            Status::RequiresCapture | Status::Succeeded | Status::Canceled => {
                let message = format!(
                    "You cannot confirm this PaymentIntent because it has a status of {}.",
                    intent.status.as_str()
                );
                return Err(errors::unexpected_state(&message, intent));
            }
        }
        let Some(method) = method.or_else(|| intent.payment_method.clone()) else {
            let message =
                "You cannot confirm this PaymentIntent because it's missing a payment method.";
            return Err(errors::unexpected_state(message, intent));
        };
        let decline = match (outcome_of(&method), verdict) {
            (None, _) => return Err(errors::no_such("PaymentMethod", &method, "payment_method")),
            (Some(Err(decline)), _) => Some(decline),
            (Some(Ok(())), Verdict::No) => Some(GENERIC_DECLINE),
            (
                Some(Ok(())),
                Verdict::AsUsual | Verdict::Pending | Verdict::Fails | Verdict::Used,
            ) => None,
        };
        intent.charged = true;
        intent.decline = decline;
        if let Some(decline) = decline {
            intent.payment_method = None;
            intent.status = Status::RequiresPaymentMethod;
            return Err(errors::declined(decline, intent));
        }
        intent.payment_method = Some(method);
        intent.status = Status::RequiresCapture;
        let effect = intent.effect(intent.amount, intent.id(), reference);
        Ok((intent.to_json(), effect))
    });
    either(confirmed.map(|(json, effect)| {
        world.ledger.authorizations.push(effect);
        json
    }))
}

/// The amount to capture, all of it when `None`.
pub(crate) fn read_capture(form: &Form) -> Result<Option<u64>, Answer> {
    form.allow(&["amount_to_capture", "expand", "metadata", "final_capture"])?;
    form.amount("amount_to_capture")
}

/// <https://docs.stripe.com/api/payment_intents/capture>: once; what is not captured is released.
pub(crate) fn capture(
    world: &mut World,
    id: &str,
    amount: Option<u64>,
    verdict: Verdict,
    reference: Reference,
) -> Answer {
    let captured = world.payments.find_mut(id).and_then(|intent| {
        if intent.status != Status::RequiresCapture {
            let message = format!(
                "This PaymentIntent could not be captured because it has a status of {}. Only a \
                 PaymentIntent with one of the following statuses may be captured: \
                 requires_capture.",
                intent.status.as_str()
            );
            return Err(errors::unexpected_state(&message, intent));
        }
        if verdict == Verdict::No {
            intent.status = Status::Canceled;
            intent.cancellation_reason = Some("automatic".to_owned());
            intent.canceled_at = Some(Timestamp::now());
            return Err(errors::authorization_expired(intent));
        }
        let amount = amount.unwrap_or(intent.amount);
        if amount > intent.amount {
            let message = "The amount to capture is greater than the amount capturable.";
            return Err(errors::amount_too_large("amount_to_capture", message));
        }
        intent.status = Status::Succeeded;
        intent.amount_received = amount;
        Ok((
            intent.to_json(),
            intent.effect(amount, intent.id(), reference),
        ))
    });
    either(captured.map(|(json, effect)| {
        world.ledger.captures.push(effect);
        json
    }))
}

/// The reason given, if any.
pub(crate) fn read_cancel(form: &Form) -> Result<Option<String>, Answer> {
    form.allow(&["cancellation_reason", "expand"])?;
    match form.get("cancellation_reason") {
        None => Ok(None),
        Some(reason @ ("duplicate" | "fraudulent" | "requested_by_customer" | "abandoned")) => {
            Ok(Some(reason.to_owned()))
        }
        Some(_) => Err(errors::bad_value(
            "cancellation_reason",
            "Must be one of duplicate, fraudulent, requested_by_customer, or abandoned.",
        )),
    }
}

/// <https://docs.stripe.com/api/payment_intents/cancel>: releases what is held.
pub(crate) fn cancel(
    world: &mut World,
    id: &str,
    reason: Option<String>,
    verdict: Verdict,
    reference: Reference,
) -> Answer {
    let canceled = world.payments.find_mut(id).and_then(|intent| {
        let held = match intent.status {
            Status::RequiresCapture if verdict != Verdict::No => true,
            Status::RequiresPaymentMethod | Status::RequiresConfirmation
                if verdict != Verdict::No =>
            {
                false
            }
            Status::RequiresCapture
            | Status::RequiresPaymentMethod
            | Status::RequiresConfirmation
            | Status::Succeeded
            | Status::Canceled => {
                let message = format!(
                    "You cannot cancel this PaymentIntent because it has a status of {}. Only a \
                     PaymentIntent with one of the following statuses may be canceled: \
                     requires_payment_method, requires_capture, requires_confirmation, \
                     requires_action, processing.",
                    intent.status.as_str()
                );
                return Err(errors::unexpected_state(&message, intent));
            }
        };
        intent.status = Status::Canceled;
        intent.cancellation_reason = reason;
        intent.canceled_at = Some(Timestamp::now());
        // Nothing was held for a declined intent, so cancelling it moves no money.
        let effect = held.then(|| intent.effect(intent.amount, intent.id(), reference));
        Ok((intent.to_json(), effect))
    });
    either(canceled.map(|(json, effect)| {
        world.ledger.voids.extend(effect);
        json
    }))
}

/// Lets the holds of an order run out, as the card networks do after days; how many there were.
/// <https://docs.stripe.com/payments/place-a-hold-on-a-payment-method>
pub(crate) fn lapse(world: &mut World, order_id: &str) -> usize {
    let its = |intent: &&mut Intent| intent.order_id().as_deref() == Some(order_id);
    let held = world.payments.intents.iter_mut().filter(its);
    let held = held.filter(|intent| intent.status == Status::RequiresCapture);
    let lapsed: Vec<_> = held
        .map(|intent| {
            intent.status = Status::Canceled;
            intent.cancellation_reason = Some("automatic".to_owned());
            intent.canceled_at = Some(Timestamp::now());
            intent.effect(intent.amount, intent.id(), Reference::default())
        })
        .collect();
    let count = lapsed.len();
    world.ledger.voids.extend(lapsed);
    count
}

pub(crate) fn retrieve(world: &World, id: &str, verdict: Verdict) -> Answer {
    if verdict == Verdict::No {
        return no_such_intent(id);
    }
    either(world.payments.find(id).map(Intent::to_json))
}

/// <https://docs.stripe.com/api/payment_intents/search>, newest first.
pub(crate) fn search(world: &World, query: &Query, verdict: Verdict) -> Answer {
    let intents = world.payments.intents.iter().rev();
    let mut found: Vec<_> = intents
        .filter(|intent| verdict != Verdict::No && query.matches(intent))
        .map(Intent::to_json)
        .skip(query.skipped)
        .collect();
    let has_more = found.len() > query.limit;
    found.truncate(query.limit);
    let next_page = has_more.then(|| (query.skipped + query.limit).to_string());
    Answer::ok(json!({
        "object": "search_result",
        "url": "/v1/payment_intents/search",
        "has_more": has_more,
        "next_page": next_page,
        "data": found,
    }))
}
