//! Payments that their customers dispute with their banks: <https://docs.stripe.com/api/disputes>. Nobody answers
//! one here; a test says when one begins and how it ends.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::intent::Status;
use super::lists::{Expanded, Wanted};
use super::payments::either;
use crate::answer::Answer;
use crate::exchange::Verdict;
use crate::world::World;

/// By then a dispute has to be answered, or is lost.
const ANSWERED_WITHIN: SignedDuration = SignedDuration::from_hours(20 * 24);

/// The others are for what was answered.
/// <https://docs.stripe.com/api/disputes/object#dispute_object-status>
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Standing {
    /// An inquiry: no money was taken.
    Asked,
    NeedsResponse,
    Prevented,
    Won,
    Lost,
}

impl Standing {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Asked => "warning_needs_response",
            Self::Prevented => "prevented",
            Self::NeedsResponse => "needs_response",
            Self::Won => "won",
            Self::Lost => "lost",
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Dispute {
    pub(super) id: String,
    standing: Standing,
    amount: u64,
    charge: String,
    currency: String,
    pub(super) payment_intent: String,
    pub(super) created: Timestamp,
}

impl Dispute {
    /// How much the bank has, for now or for good: it cannot be refunded then.
    pub(super) const fn taken(&self) -> u64 {
        match self.standing {
            Standing::NeedsResponse | Standing::Prevented | Standing::Lost => self.amount,
            Standing::Asked | Standing::Won => 0,
        }
    }

    pub(super) fn to_json(&self, expanded: &Expanded<'_>) -> Value {
        let due_by = self.created + ANSWERED_WITHIN;
        json!({
            "id": self.id,
            "object": "dispute",
            "amount": self.amount,
            "balance_transactions": [],
            "charge": self.charge,
            "created": self.created.as_second(),
            "currency": self.currency,
            "enhanced_eligibility_types": [],
            "evidence": evidence(),
            "evidence_details": {
                "due_by": due_by.as_second(),
                "enhanced_eligibility": {},
                "has_evidence": false,
                "past_due": false,
                "submission_count": 0,
            },
            "is_charge_refundable": false,
            "livemode": false,
            "metadata": {},
            "payment_intent": expanded.payment_intent(&self.payment_intent),
            "reason": "fraudulent",
            "status": self.standing.as_str(),
        })
    }
}

/// Nobody has given any.
fn evidence() -> Value {
    let names = [
        "access_activity_log",
        "billing_address",
        "cancellation_policy",
        "cancellation_policy_disclosure",
        "cancellation_rebuttal",
        "customer_communication",
        "customer_email_address",
        "customer_name",
        "customer_purchase_ip",
        "customer_signature",
        "duplicate_charge_documentation",
        "duplicate_charge_explanation",
        "duplicate_charge_id",
        "product_description",
        "receipt",
        "refund_policy",
        "refund_policy_disclosure",
        "refund_refusal_explanation",
        "service_date",
        "service_documentation",
        "shipping_address",
        "shipping_carrier",
        "shipping_date",
        "shipping_documentation",
        "shipping_tracking_number",
        "uncategorized_file",
        "uncategorized_text",
    ];
    let mut evidence = json!({ "enhanced_evidence": {} });
    for name in names {
        evidence[name] = Value::Null;
    }
    evidence
}

/// The customer disputes what was captured for an order, or so much of each payment; how many payments that is.
pub(crate) fn begin(
    world: &mut World,
    order_id: &str,
    standing: Standing,
    amount: Option<u64>,
    currency: Option<&str>,
) -> usize {
    let mut begun = Vec::new();
    for intent in &world.payments.intents {
        let its = intent.order_id().as_deref() == Some(order_id);
        let mut disputes = world.payments.disputes.iter();
        let disputed = disputes.any(|one| one.payment_intent == intent.id());
        if its && intent.status == Status::Succeeded && (!disputed || amount.is_some()) {
            begun.push((
                amount.unwrap_or(intent.amount_received),
                intent.charge(),
                currency.map_or_else(|| intent.currency.clone(), str::to_owned),
                intent.id(),
            ));
        }
    }
    let count = begun.len();
    for (amount, charge, currency, payment_intent) in begun {
        let dispute = Dispute {
            id: format!("du_{}", world.number()),
            standing,
            amount,
            charge,
            currency,
            payment_intent,
            created: Timestamp::now(),
        };
        world.payments.disputes.push(dispute);
    }
    count
}

/// The bank decides what is disputed of an order; how many there were.
pub(crate) fn end(world: &mut World, order_id: &str, standing: Standing) -> usize {
    let payments = &mut world.payments;
    let its: Vec<String> = payments
        .intents
        .iter()
        .filter(|intent| intent.order_id().as_deref() == Some(order_id))
        .map(super::intent::Intent::id)
        .collect();
    let mut count = 0;
    for dispute in &mut payments.disputes {
        let open = matches!(dispute.standing, Standing::NeedsResponse | Standing::Asked);
        if open && its.contains(&dispute.payment_intent) {
            dispute.standing = standing;
            count += 1;
        }
    }
    count
}

/// <https://docs.stripe.com/api/disputes/list>
pub(crate) fn list(world: &World, wanted: &Wanted, verdict: Verdict) -> Answer {
    let expanded = wanted.expanded(&world.payments);
    let disputes = world.payments.disputes.iter().rev();
    let all = disputes
        .filter(|one| {
            verdict.sees(one.created)
                && wanted.includes(one.created, &one.payment_intent, &one.charge)
        })
        .map(|one| (one.id.clone(), one.to_json(&expanded)))
        .collect();
    either(wanted.page.of("/v1/disputes", all))
}
