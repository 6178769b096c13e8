//! What is posted to the operators' webhook about one cause. `docs/RUNBOOK.md` tells receivers what is in it.

use domain::{OrderId, Sums, Timestamp};
use operations::snapshot::List;
use operations::{Incident, Problem, Projection};
use read_models::Notice;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::notice::{NAMED, subject};

/// Raised when a field goes or changes its meaning; with another field it is the same version.
const VERSION: u32 = 1;

/// The same for the same orders of a cause, however often they are tried to be told of.
pub(crate) fn id(notice: &Notice) -> String {
    let mut orders: Vec<&str> = notice.orders.iter().map(OrderId::as_str).collect();
    orders.sort_unstable();
    let before = notice.notified_at.map_or(0, Timestamp::as_millisecond);
    let mut hasher = Sha256::new();
    hasher.update(before.to_be_bytes());
    for order in orders {
        hasher.update(order.as_bytes());
        hasher.update([0]);
    }
    let digest = hasher.finalize();
    let digits = digest.iter().take(8).map(|byte| format!("{byte:02x}"));
    format!(
        "notice_{}_{}",
        notice.cause.id(),
        digits.collect::<String>()
    )
}

/// What is posted about a notice's orders, of which those in `open` have not ended.
pub(crate) fn body(
    notice: &Notice,
    open: &[Projection],
    environment: &str,
    console_url: &str,
    now: Timestamp,
) -> String {
    let cause = &notice.cause;
    let advice = cause.advice();
    let subject = subject(notice, environment);
    let group = format!("{console_url}/orders?list={}", List::Cause(cause.id()));
    let runbook = format!("{console_url}/runbook#{}", advice.runbook.to_lowercase());
    let lines = [
        subject.as_str(),
        advice.meaning,
        &format!("What to do: {}", advice.recommended_action),
        &format!("All of them: {group}"),
        &format!("More: {runbook}"),
    ];
    let known = Known::of(notice, open);
    let named = notice.orders.iter().take(NAMED);
    json!({
        "type": "incident.opened",
        "schema_version": VERSION,
        "timestamp": now,
        // All that a chat shows.
        "text": lines.join("\n"),
        "data": {
            "environment": environment,
            "cause_id": cause.id(),
            "problem": cause.problem.as_str(),
            "state": cause.state,
            "error": cause.error,
            "summary": subject,
            "meaning": advice.meaning,
            "recommended_action": advice.recommended_action,
            "needs_a_person": needs_a_person(notice),
            "orders": notice.orders.len(),
            "order_ids": named.collect::<Vec<_>>(),
            "amounts": known.amounts,
            "held": known.held,
            "since": known.since,
            "deadline": known.deadline,
            "notified_before": notice.notified_at,
            "group_url": group,
            "runbook_url": runbook,
        }
    })
    .to_string()
}

fn needs_a_person(notice: &Notice) -> bool {
    match notice.cause.problem {
        Problem::Incident(incident) => incident.needs_a_person(),
        Problem::Reversed(_) => false,
    }
}

/// What is known of the orders of a notice, as far as they are open still.
#[derive(Debug, Default)]
struct Known {
    /// What they are worth, by currency in minor units.
    amounts: Sums,
    /// The customers' money of these that is held or in doubt.
    held: Sums,
    /// Since when the first of them has the problem.
    since: Option<Timestamp>,
    /// When it gets worse for the first of them.
    deadline: Option<Timestamp>,
}

impl Known {
    fn of(notice: &Notice, open: &[Projection]) -> Self {
        let mut known = Self::default();
        let Problem::Incident(incident) = notice.cause.problem else {
            return known;
        };
        let theirs = open
            .iter()
            .filter(|projection| notice.orders.contains(&projection.order_id));
        for projection in theirs {
            known.amounts.add(projection.total);
            known.held.add(projection.held);
            let since = projection.incidents.get(&incident).copied();
            let deadline = match (incident, &projection.retry) {
                (Incident::KeepsFailing, Some(retry)) => retry.gives_up_at,
                _ => projection.deadline,
            };
            known.since = [known.since, since].into_iter().flatten().min();
            known.deadline = [known.deadline, deadline].into_iter().flatten().min();
        }
        known
    }
}

#[cfg(test)]
mod tests {
    use domain::ErrorName;
    use operations::{Cause, ProcessState};
    use read_models::Target;
    use serde_json::Value;

    use super::*;

    fn notice(orders: &[&str]) -> Notice {
        let id = |order: &&str| order.parse::<OrderId>().expect("an order id");
        Notice {
            target: Target::Webhook,
            cause: Cause {
                problem: Problem::Incident(Incident::Unfinished),
                state: Some(ProcessState::CancelShipment),
                error: Some(ErrorName::CarrierUnavailable.into()),
            },
            orders: orders.iter().map(id).collect(),
            notified_at: None,
        }
    }

    #[test]
    fn it_is_the_same_message_for_the_same_orders_and_another_for_others() {
        let told = Notice {
            notified_at: Timestamp::from_second(1).ok(),
            ..notice(&["ord-1", "ord-2"])
        };
        let first = id(&notice(&["ord-1", "ord-2"]));
        assert_eq!(first, id(&notice(&["ord-2", "ord-1"])));
        assert_ne!(first, id(&notice(&["ord-1"])));
        assert_ne!(first, id(&told), "told of again");
        assert!(!first.contains('.'), "it is signed with stops around it");
    }

    #[test]
    fn a_chat_has_it_in_words_and_a_program_in_fields() {
        let now = Timestamp::from_second(1_795_428_000).expect("a time");
        let notice = notice(&["ord-1", "ord-2"]);
        let body = body(&notice, &[], "prod", "https://orders.example", now);
        let body: Value = serde_json::from_str(&body).expect("JSON");
        let text = body["text"].as_str().expect("a text");
        let first = text.lines().next();
        assert_eq!(first, Some("[prod] 2 orders: unfinished in CancelShipment"));
        let group = format!(
            "https://orders.example/orders?list=cause.{}",
            notice.cause.id()
        );
        assert!(text.contains(&group), "{text}");
        let advice = Incident::Unfinished.advice();
        assert_eq!(
            body,
            json!({
                "type": "incident.opened",
                "schema_version": 1,
                "timestamp": "2026-11-23T10:00:00Z",
                "text": text,
                "data": {
                    "environment": "prod",
                    "cause_id": notice.cause.id(),
                    "problem": "unfinished",
                    "state": "CancelShipment",
                    "error": "CarrierUnavailable",
                    "summary": "[prod] 2 orders: unfinished in CancelShipment",
                    "meaning": advice.meaning,
                    "recommended_action": advice.recommended_action,
                    "needs_a_person": true,
                    "orders": 2,
                    "order_ids": ["ord-1", "ord-2"],
                    "amounts": {},
                    "held": {},
                    "since": null,
                    "deadline": null,
                    "notified_before": null,
                    "group_url": group,
                    "runbook_url": "https://orders.example/runbook#unfinished",
                }
            })
        );
    }
}
