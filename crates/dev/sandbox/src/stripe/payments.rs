//! What may be done with an intent in which state, and what it does.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::book::no_such_intent;
use super::cards::Outcome;
use super::decline::{AUTHENTICATION_REQUIRED, GENERIC_DECLINE};
use super::errors;
use super::form::Form;
use super::intent::{Intent, Status};
use super::methods::verdict_of;
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
    customer: Option<String>,
    manual: bool,
    payment_method: Option<String>,
    payment_method_types: Vec<String>,
    metadata: BTreeMap<String, String>,
    /// How it is confirmed at once, if it is.
    confirm: Option<Confirmation>,
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
        if !confirm && form.get("off_session").is_some() {
            let message = "You cannot set `off_session` when `confirm` is not true.";
            return Err(errors::bad_value("off_session", message));
        }
        let payment_method = match form.get("payment_method") {
            None if !confirm => None,
            Some(_) | None => Some(form.required("payment_method")?.to_owned()),
        };
        let manual = match form.get("capture_method") {
            Some("manual") => true,
            Some("automatic" | "automatic_async") | None => false,
            Some(_) => {
                let message = "Must be one of automatic, automatic_async, or manual.";
                return Err(errors::bad_value("capture_method", message));
            }
        };
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
            customer: form.get("customer").map(str::to_owned),
            manual,
            payment_method,
            payment_method_types,
            metadata: form.metadata(),
            confirm: confirm.then(|| Confirmation::of(form)),
        })
    }

    pub(crate) fn order_id(&self) -> Option<String> {
        self.metadata.get("order_id").cloned()
    }

    /// What only the account can tell.
    fn check(&self, world: &World) -> Result<(), Answer> {
        let (payments, customer) = (&world.payments, self.customer.as_deref());
        payments.check_customer(customer)?;
        match &self.payment_method {
            Some(method) => payments.card(method, customer).map(drop),
            None => Ok(()),
        }
    }
}

/// <https://docs.stripe.com/currencies#presentment-currencies>
const CURRENCIES: &str = "\
    usd aed afn all amd ang aoa ars aud awg azn bam bbd bdt bgn bhd bif bmd bnd bob brl bsd \
    bwp byn bzd cad cdf chf clp cny cop crc cve czk djf dkk dop dzd egp etb eur fjd fkp gbp \
    gel gip gmd gnf gtq gyd hkd hnl htg huf idr ils inr isk jmd jod jpy kes kgs khr kmf krw \
    kwd kyd kzt lak lbp lkr lrd lsl mad mdl mga mkd mmk mnt mop mur mvr mwk mxn myr mzn nad \
    ngn nio nok npr nzd omr pab pen pgk php pkr pln pyg qar ron rsd rub rwf sar sbd scr sek \
    sgd shp sle sos srd std szl thb tjs tnd top try ttd twd tzs uah ugx uyu uzs vnd vuv wst \
    xaf xcd xcg xof xpf yer zar zmw";

/// <https://docs.stripe.com/currencies>: lower case, and three-decimal amounts end in 0.
fn check_currency(currency: &str, amount: u64) -> Result<(), Answer> {
    let code = currency.len() == 3 && currency.bytes().all(|byte| byte.is_ascii_lowercase());
    if !code {
        let message = format!("Invalid currency: {currency}. Use a three-letter lowercase code.");
        return Err(errors::bad_value("currency", &message));
    }
    if !CURRENCIES.split(' ').any(|known| known == currency) {
        let known = CURRENCIES.replace(' ', ", ");
        let message = format!(
            "Invalid currency: {currency}. Stripe currently supports these currencies: {known}"
        );
        return Err(errors::bad_value("currency", &message));
    }
    let three_decimals = matches!(currency, "bhd" | "jod" | "kwd" | "omr" | "tnd");
    if three_decimals && !amount.is_multiple_of(10) {
        let message = "The last digit of an amount in a three-decimal currency must be 0.";
        return Err(errors::bad_value("amount", message));
    }
    Ok(())
}

pub(crate) fn authorize(
    world: &mut World,
    wanted: Authorization,
    verdict: Verdict,
    reference: Reference,
) -> Answer {
    if let Err(refusal) = wanted.check(world) {
        return refusal;
    }
    let intent = Intent {
        number: world.number(),
        amount: wanted.amount,
        amount_received: 0,
        amount_refunded: 0,
        currency: wanted.currency,
        description: wanted.description,
        customer: wanted.customer,
        manual: wanted.manual,
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
    match wanted.confirm {
        Some(how) => confirm(world, &id, &how, verdict, reference),
        None => Answer::ok(made),
    }
}

/// How an intent is confirmed.
#[derive(Debug)]
pub(crate) struct Confirmation {
    /// The intent's own when `None`.
    method: Option<String>,
    /// The customer is not there to answer the bank.
    off_session: bool,
    /// A question of the bank's is an error.
    no_questions: bool,
}

impl Confirmation {
    fn of(form: &Form) -> Self {
        Self {
            method: form.get("payment_method").map(str::to_owned),
            off_session: form.get("off_session") == Some("true"),
            no_questions: form.get("error_on_requires_action") == Some("true"),
        }
    }

    pub(crate) fn read(form: &Form) -> Result<Self, Answer> {
        form.allow(&[
            "error_on_requires_action",
            "expand",
            "off_session",
            "payment_method",
            "return_url",
        ])?;
        Ok(Self::of(form))
    }
}

/// <https://docs.stripe.com/api/payment_intents/confirm>: holds the money, or is declined.
pub(crate) fn confirm(
    world: &mut World,
    id: &str,
    how: &Confirmation,
    verdict: Verdict,
    reference: Reference,
) -> Answer {
    let found = world.payments.find(id).and_then(|intent| {
        let method = confirmable(intent, how.method.as_deref())?;
        let card = world.payments.card(&method, intent.customer.as_deref())?;
        let processing = verdict == Verdict::Pending;
        Ok((method, verdict_of(card, verdict), processing))
    });
    let (method, card, processing) = match found {
        Ok(found) => found,
        Err(refusal) => return refusal,
    };
    world.payments.use_up(&method);
    let confirmed = world.payments.find_mut(id).and_then(|intent| {
        intent.charged = true;
        intent.decline = match card {
            Outcome::Declined(decline) => Some(decline),
            Outcome::Asks if how.off_session || how.no_questions => Some(AUTHENTICATION_REQUIRED),
            Outcome::Asks | Outcome::Approved => None,
        };
        if let Some(decline) = intent.decline {
            intent.payment_method = None;
            intent.status = Status::RequiresPaymentMethod;
            return Err(errors::declined(decline, intent));
        }
        intent.payment_method = Some(method);
        Ok(match card {
            Outcome::Asks | Outcome::Declined(_) => {
                intent.status = Status::RequiresAction;
                (intent.to_json(), None)
            }
            Outcome::Approved if processing => {
                intent.status = Status::Processing;
                (intent.to_json(), None)
            }
            Outcome::Approved if intent.manual => {
                intent.status = Status::RequiresCapture;
                let effect = intent.effect(intent.amount, intent.id(), reference);
                (intent.to_json(), Some(effect))
            }
            Outcome::Approved => {
                intent.status = Status::Succeeded;
                intent.amount_received = intent.amount;
                let effect = intent.effect(intent.amount, intent.id(), reference);
                (intent.to_json(), Some(effect))
            }
        })
    });
    either(confirmed.map(|(json, effect)| {
        if json["status"] == Status::Succeeded.as_str() {
            world.ledger.captures.extend(effect);
        } else {
            world.ledger.authorizations.extend(effect);
        }
        json
    }))
}

/// The method that an intent would be confirmed with.
fn confirmable(intent: &Intent, method: Option<&str>) -> Result<String, Answer> {
    match intent.status {
        Status::RequiresPaymentMethod | Status::RequiresConfirmation | Status::RequiresAction => {}
        Status::Processing | Status::RequiresCapture | Status::Succeeded | Status::Canceled => {
            let message = format!(
                "You cannot confirm this PaymentIntent because it has a status of {}.",
                intent.status.as_str()
            );
            return Err(errors::unexpected_state(&message, intent));
        }
    }
    let method = method.map(str::to_owned);
    method
        .or_else(|| intent.payment_method.clone())
        .ok_or_else(|| {
            let message =
                "You cannot confirm this PaymentIntent because it's missing a payment method.";
            errors::unexpected_state(message, intent)
        })
}

/// The part of `POST /v1/payment_intents/{id}` that changes no money.
#[derive(Debug)]
pub(crate) struct Update {
    metadata: BTreeMap<String, String>,
    description: Option<String>,
}

impl Update {
    pub(crate) fn read(form: &Form) -> Result<Self, Answer> {
        form.allow(&["description", "expand", "metadata"])?;
        Ok(Self {
            metadata: form.metadata(),
            description: form.get("description").map(str::to_owned),
        })
    }

    pub(crate) fn order_id(&self) -> Option<String> {
        self.metadata.get("order_id").cloned()
    }
}

/// <https://docs.stripe.com/api/payment_intents/update>. Metadata are merged; one without a value is
/// taken away (<https://docs.stripe.com/api/metadata>).
pub(crate) fn update(world: &mut World, id: &str, update: Update) -> Answer {
    let ledger = &mut world.ledger;
    either(world.payments.find_mut(id).map(|intent| {
        intent.metadata.extend(update.metadata);
        intent.metadata.retain(|_, value| !value.is_empty());
        intent.description = update.description.or(intent.description.take());
        // Whom an effect was for may become known afterwards.
        let order_id = intent.order_id();
        let (id, held) = (intent.id(), ledger.authorizations.iter_mut());
        for held in held.filter(|held| held.id == id) {
            held.reference.order_id.clone_from(&order_id);
        }
        intent.to_json()
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
            Status::RequiresPaymentMethod
            | Status::RequiresConfirmation
            | Status::RequiresAction
                if verdict != Verdict::No =>
            {
                false
            }
            // Only "in rare cases" can one that is processing be cancelled.
            Status::Processing
            | Status::RequiresCapture
            | Status::RequiresPaymentMethod
            | Status::RequiresConfirmation
            | Status::RequiresAction
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

/// What the bank says of an order's payments that are being processed; how many there were.
/// <https://docs.stripe.com/payments/paymentintents/lifecycle>
pub(super) fn process(world: &mut World, order_id: &str, succeeded: bool) -> usize {
    let its = |intent: &&mut Intent| intent.order_id().as_deref() == Some(order_id);
    let under_way = world.payments.intents.iter_mut().filter(its);
    let under_way = under_way.filter(|intent| intent.status == Status::Processing);
    let mut count = 0;
    for intent in under_way {
        count += 1;
        if !succeeded {
            intent.status = Status::RequiresPaymentMethod;
            intent.payment_method = None;
            intent.decline = Some(GENERIC_DECLINE);
            continue;
        }
        let effect = intent.effect(intent.amount, intent.id(), Reference::default());
        if intent.manual {
            intent.status = Status::RequiresCapture;
            world.ledger.authorizations.push(effect);
        } else {
            intent.status = Status::Succeeded;
            intent.amount_received = intent.amount;
            world.ledger.captures.push(effect);
        }
    }
    count
}

pub(crate) fn retrieve(world: &World, id: &str, verdict: Verdict) -> Answer {
    match world.payments.find(id) {
        Ok(intent) if verdict.sees(intent.created) => Answer::ok(intent.to_json()),
        Ok(_) => no_such_intent(id),
        Err(refusal) => refusal,
    }
}

/// <https://docs.stripe.com/api/payment_intents/search>, newest first.
pub(crate) fn search(world: &World, query: &Query, verdict: Verdict) -> Answer {
    let intents = world.payments.intents.iter().rev();
    let mut found: Vec<_> = intents
        .filter(|intent| verdict.sees(intent.created) && query.matches(intent))
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
