//! Giving captured money back: what may be asked, what comes of it, and when.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::errors;
use super::form::Form;
use super::intent::{Intent, Refund, RefundStatus, Status};
use super::lists::Expanded;
use super::payments::{self, either};
use crate::answer::Answer;
use crate::exchange::Verdict;
use crate::ledger::Reference;
use crate::world::World;

/// A valid `POST /v1/refunds`, <https://docs.stripe.com/api/refunds/create>.
#[derive(Debug)]
pub(crate) struct Refunding {
    payment_intent: String,
    amount: Option<u64>,
    reason: Option<String>,
    metadata: BTreeMap<String, String>,
}

impl Refunding {
    pub(crate) fn read(form: &Form) -> Result<Self, Answer> {
        form.allow(&["amount", "expand", "metadata", "payment_intent", "reason"])?;
        Ok(Self {
            payment_intent: form.required("payment_intent")?.to_owned(),
            amount: form.amount("amount")?,
            reason: form.get("reason").map(str::to_owned),
            metadata: form.metadata(),
        })
    }

    pub(crate) fn payment_intent(&self) -> &str {
        &self.payment_intent
    }
}

pub(crate) fn refund(
    world: &mut World,
    wanted: Refunding,
    verdict: Verdict,
    reference: Reference,
) -> Answer {
    let number = world.number();
    let disputes = world.payments.disputes.iter();
    let taken: u64 = disputes
        .filter(|one| one.payment_intent == wanted.payment_intent)
        .map(super::disputes::Dispute::taken)
        .sum();
    let refunded = world
        .payments
        .find_mut(&wanted.payment_intent)
        .map_err(|_| errors::no_such("payment_intent", &wanted.payment_intent, "payment_intent"));
    let refunded = refunded.and_then(|intent| {
        let charge = intent.charge();
        if intent.status != Status::Succeeded {
            let message = format!(
                "This PaymentIntent ({}) does not have a successful charge to refund.",
                intent.id()
            );
            return Err(errors::unexpected_state(&message, intent));
        }
        if verdict == Verdict::No || (taken > 0 && taken >= intent.amount_received) {
            let message = format!("Charge {charge} has been charged back; cannot issue a refund.");
            return Err(errors::charge("charge_disputed", &message, &charge));
        }
        let left = (intent.amount_received - intent.amount_refunded).saturating_sub(taken);
        if left == 0 {
            let message = format!("Charge {charge} has already been refunded.");
            return Err(errors::charge("charge_already_refunded", &message, &charge));
        }
        let amount = wanted.amount.unwrap_or(left);
        if amount > left {
            let message = "Refund amount is greater than unrefunded amount on charge.";
            return Err(errors::bad_value("amount", message));
        }
        let status = match verdict {
            Verdict::Pending => RefundStatus::Pending,
            Verdict::Fails => RefundStatus::Failed,
            Verdict::AsUsual | Verdict::No | Verdict::Used | Verdict::Asks | Verdict::Hides(_) => {
                RefundStatus::Succeeded
            }
        };
        // One on its way counts as refunded, as far as another one is concerned.
        if status != RefundStatus::Failed {
            intent.amount_refunded += amount;
        }
        let refund = Refund {
            id: format!("re_{number}"),
            status,
            key: reference.key.clone(),
            amount,
            charge,
            currency: intent.currency.clone(),
            payment_intent: intent.id(),
            reason: wanted.reason,
            metadata: wanted.metadata,
            created: Timestamp::now(),
        };
        let effect = intent.effect(amount, refund.id.clone(), reference);
        Ok((refund, effect))
    });
    either(refunded.map(|(refund, effect)| {
        let json = match refund.status {
            RefundStatus::Succeeded => {
                world.ledger.refunds.push(effect);
                refund.to_json(&Expanded::NOT)
            }
            // That it has failed is not known yet.
            RefundStatus::Pending | RefundStatus::Failed => Refund {
                status: RefundStatus::Pending,
                ..refund.clone()
            }
            .to_json(&Expanded::NOT),
        };
        world.payments.refunds.push(refund);
        json
    }))
}

/// What came of an order's refunds that are pending, and of its payments that are being processed; how many
/// there were.
pub(crate) fn settle(world: &mut World, order_id: &str, succeeded: bool) -> usize {
    let status = if succeeded {
        RefundStatus::Succeeded
    } else {
        RefundStatus::Failed
    };
    let pending = [RefundStatus::Pending];
    turn(world, order_id, &pending, status) + payments::process(world, order_id, succeeded)
}

/// The bank sends an order's refunds back that had succeeded, as it may for 30 days; how many there were.
/// <https://docs.stripe.com/refunds#failed-refunds>
pub(crate) fn fail(world: &mut World, order_id: &str) -> usize {
    let from = [RefundStatus::Pending, RefundStatus::Succeeded];
    turn(world, order_id, &from, RefundStatus::Failed)
}

/// An order's refunds that stand so stand otherwise from now on; how many there were.
fn turn(world: &mut World, order_id: &str, from: &[RefundStatus], to: RefundStatus) -> usize {
    let mut count = 0;
    for refund in &mut world.payments.refunds {
        let its = |intent: &&mut Intent| intent.id() == refund.payment_intent;
        let Some(intent) = world.payments.intents.iter_mut().find(its) else {
            continue;
        };
        let its = intent.order_id().as_deref() == Some(order_id);
        if !its || !from.contains(&refund.status) {
            continue;
        }
        count += 1;
        refund.status = to;
        match to {
            RefundStatus::Pending => {}
            RefundStatus::Succeeded => {
                let reference = Reference {
                    key: refund.key.clone(),
                    ..Reference::default()
                };
                let effect = intent.effect(refund.amount, refund.id.clone(), reference);
                world.ledger.refunds.push(effect);
            }
            // The customer has not got it, or not any more.
            RefundStatus::Failed => {
                intent.amount_refunded -= refund.amount;
                world.ledger.refunds.retain(|effect| effect.id != refund.id);
            }
        }
    }
    count
}
