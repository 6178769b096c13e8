//! What became of orders, as a table.

use domain::{ErrorName, Event, ShipmentStatus, Status, StatusView, Timestamp};
use operations::{ProcessState, Projection};

use crate::groups::distance;

/// One row an order: outcome, why, how long, tracking number, money captured.
pub(crate) fn of(views: &[StatusView]) -> String {
    let heading = [
        "ORDER", "OUTCOME", "TIME", "CAPTURED", "PAYMENT", "TRACKING", "WHY",
    ];
    let mut rows = vec![heading.map(str::to_owned)];
    rows.extend(views.iter().map(row));
    aligned(&rows)
}

/// With each column as wide as what is in it.
pub(crate) fn aligned<const N: usize>(rows: &[[String; N]]) -> String {
    let mut widths = [0; N];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut table = String::new();
    for row in rows {
        let cells = row.iter().zip(widths);
        let padded: Vec<String> = cells
            .map(|(cell, width)| format!("{cell:<width$}"))
            .collect();
        table += padded.join("  ").trim_end();
        table.push('\n');
    }
    table
}

/// A line about the label, and one for each of its parcels. Empty if there is none.
pub(crate) fn of_label(view: &StatusView) -> String {
    let Some(label) = &view.shipment.label else {
        return String::new();
    };
    let cost = label
        .cost
        .map_or_else(|| "not recorded".to_owned(), |cost| cost.to_string());
    let request = label.request.as_deref().unwrap_or("not recorded");
    let id = &label.id;
    let mut told = vec![
        String::new(),
        format!("label {id}, cost {cost}, carrier's request {request}"),
    ];
    told.extend(label.parcels.iter().map(|parcel| {
        let tracking = parcel.tracking.as_deref().unwrap_or("-");
        let weight = parcel
            .weight_g
            .map_or_else(|| "-".to_owned(), |grams| format!("{grams} g"));
        format!("  parcel {tracking}, {weight}")
    }));
    told.push(String::new());
    told.join("\n")
}

fn row(view: &StatusView) -> [String; 7] {
    let tracking = if view.shipment.status == ShipmentStatus::Cancelled {
        ShipmentStatus::Cancelled.to_string()
    } else {
        let number = view.shipment.tracking_number.clone();
        number.unwrap_or_else(|| "-".to_owned())
    };
    [
        view.order_id.to_string(),
        view.status.to_string(),
        took(view),
        view.payment.captured.to_string(),
        view.payment.status.to_string(),
        tracking,
        why(view),
    ]
}

/// One row for each open order: where it is, how it does there, and what it needs.
pub(crate) fn of_open(open: &[Projection], now: Timestamp) -> String {
    let heading = [
        "ORDER",
        "IN",
        "FOR",
        "HEALTH",
        "WAITS FOR",
        "RETRY",
        "INCIDENT",
    ];
    let mut rows = vec![heading.map(str::to_owned)];
    rows.extend(open.iter().map(|projection| {
        let seconds = now.duration_since(projection.since).as_secs();
        let retry = projection.retry.as_ref().map_or_else(String::new, |retry| {
            let next = retry.next(now);
            format!("{} of {}, {next}: {}", retry.failed, retry.of, retry.why())
        });
        let incidents = projection
            .incidents
            .keys()
            .map(|incident| incident.as_str());
        [
            projection.order_id.to_string(),
            projection
                .state
                .map_or("-", ProcessState::as_str)
                .to_owned(),
            format!("{seconds} s"),
            projection.health.to_string(),
            projection.waits_for().to_owned(),
            retry,
            incidents.collect::<Vec<_>>().join(" "),
        ]
    }));
    aligned(&rows)
}

/// One row for each order of a group that was reversed: how it ended, where, and why.
pub(crate) fn of_reversed(reversed: &[Projection], now: Timestamp) -> String {
    let heading = [
        "ORDER",
        "OUTCOME",
        "ENDED",
        "WORTH",
        "FAILED IN",
        "WITH",
        "MESSAGE",
    ];
    let mut rows = vec![heading.map(str::to_owned)];
    rows.extend(reversed.iter().map(|projection| {
        let failed_in = projection.failed_in.map_or("-", ProcessState::as_str);
        let error = projection.error.map_or("-", ErrorName::as_str);
        [
            projection.order_id.to_string(),
            projection.status.to_string(),
            distance(projection.since, now),
            projection.total.to_string(),
            failed_in.to_owned(),
            error.to_owned(),
            projection.message.clone().unwrap_or_default(),
        ]
    }));
    aligned(&rows)
}

/// From the first entry of the timeline to the last.
fn took(view: &StatusView) -> String {
    let ends = view.timeline.first().zip(view.timeline.last());
    ends.map_or_else(String::new, |(first, last)| {
        let ms = last.at.as_millisecond() - first.at.as_millisecond();
        format!("{}.{} s", ms / 1000, ms % 1000 / 100)
    })
}

fn why(view: &StatusView) -> String {
    let failed = view
        .timeline
        .iter()
        .find(|entry| entry.event == Event::Reversing);
    match failed.and_then(|entry| entry.detail.clone()) {
        Some(detail) => detail,
        None if view.status == Status::InReview => {
            format!(
                "waits for: orderctl approve {} --reason \"…\"",
                view.order_id
            )
        }
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn told(label: &Value) -> String {
        let view = json!({
            "order_id": "ord-1", "status": "shipped",
            "payment": {"status": "authorized", "authorized": 3098, "captured": 0, "refunded": 0,
                "currency": "USD"},
            "shipment": {"status": "booked", "carrier": "usps", "tracking_number": "9400",
                "label": label},
            "notification": {"status": "none"},
            "workflow": {"status": "RUNNING", "execution_arn": "arn", "attempt": 1},
            "failure": null, "timeline": [],
        });
        of_label(&serde_json::from_value(view).expect("a view"))
    }

    #[test]
    fn a_label_is_told_with_its_parcels_and_what_is_not_known_of_it() {
        let known = json!({"label_id": "se-1", "carrier": "usps", "tracking": "9400",
            "cost": {"amount": 785, "currency": "USD"}, "request": "request-7",
            "parcels": [{"tracking": "9400", "weight_g": 700}, {}]});
        let expected = "\nlabel se-1, cost 7.85 USD, carrier's request request-7\n  \
            parcel 9400, 700 g\n  parcel -, -\n";
        assert_eq!(told(&known), expected);
        let found = json!({"label_id": "se-1", "carrier": "usps", "tracking": "9400"});
        let expected = "\nlabel se-1, cost not recorded, carrier's request not recorded\n";
        assert_eq!(told(&found), expected);
        assert_eq!(told(&Value::Null), "");
    }
}
