//! What became of orders, as a table.

use domain::{Money, Status, StatusView};

/// One row an order: outcome, why, how long, tracking number, money captured.
pub(crate) fn of(views: &[StatusView]) -> String {
    let heading = [
        "ORDER", "OUTCOME", "TIME", "CAPTURED", "PAYMENT", "TRACKING", "WHY",
    ];
    let mut rows = vec![heading.map(str::to_owned)];
    rows.extend(views.iter().map(row));
    let mut widths = [0; 7];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut table = String::new();
    for row in &rows {
        let cells = row.iter().zip(widths);
        let padded: Vec<String> = cells
            .map(|(cell, width)| format!("{cell:<width$}"))
            .collect();
        table += padded.join("  ").trim_end();
        table.push('\n');
    }
    table
}

fn row(view: &StatusView) -> [String; 7] {
    let captured = Money::new(view.payment.captured, view.payment.currency);
    let captured = captured.map(|money| money.to_string()).unwrap_or_default();
    let tracking = match view.shipment.status.as_str() {
        "cancelled" => "cancelled".to_owned(),
        _ => view
            .shipment
            .tracking_number
            .clone()
            .unwrap_or_else(|| "-".to_owned()),
    };
    [
        view.order_id.clone(),
        view.status.as_str().to_owned(),
        took(view),
        captured,
        view.payment.status.clone(),
        tracking,
        why(view),
    ]
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
        .find(|entry| entry.event == "reversing");
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
