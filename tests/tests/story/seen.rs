//! What everybody sees of an order, held against the providers' books: its status view, its record, the index of open
//! orders, and whether somebody hears of it.

use actions::possible;
use domain::ports::Record;
use domain::view::StatusView;
use domain::{Execution, ExecutionStatus, Status, Timestamp};
use operations::advice::Action;
use operations::{Incident, Limits, Observation, Projection};
use read_models::{ReadModels, Row};
use serde_json::Value;
use tests::PERSONAL;
use workflow::Described;

use crate::balance::{Balance, must};
use crate::execution::At;
use crate::shop::TOTAL;

/// What is seen of an order at one moment.
pub(crate) struct Seen<'a> {
    record: &'a Record,
    described: Described,
    view: StatusView,
    now: Timestamp,
}

impl<'a> Seen<'a> {
    /// As Step Functions and the ledger tell of it now.
    pub(crate) fn now(record: &'a Record, at: At, redriven_at: Option<Timestamp>) -> Self {
        let now = Timestamp::now();
        let status = match at {
            At::Task(_) => ExecutionStatus::Running,
            At::Stuck(_) => ExecutionStatus::Failed,
            At::Ended if record.state.failure.is_none() => ExecutionStatus::Succeeded,
            At::Ended => ExecutionStatus::Failed,
        };
        let execution = Execution {
            attempt: record.state.attempt,
            status,
            redriven_at,
            stopped_at: status.has_ended().then_some(now),
        };
        Self {
            record,
            described: Described {
                execution,
                redrivable: Ok(()),
                trace_id: None,
            },
            view: StatusView::of(record, status, "arn".to_owned(), now),
            now,
        }
    }

    /// What it says has happened, whatever has happened since.
    pub(crate) fn is_no_lie(&self, balance: &Balance) -> Result<(), String> {
        let (view, payment) = (&self.view, &self.view.payment);
        let (captured, refunded) = (payment.captured.minor(), payment.refunded.minor());
        must(
            captured <= balance.sum("captures") && refunded <= balance.sum("refunds"),
            "the view tells of money that did not move",
        )?;
        if let Some(tracking) = &view.shipment.tracking_number {
            must(
                balance.tracking_numbers("shipments").contains(tracking),
                "the view has a tracking number that the carrier does not know",
            )?;
        }
        if view.status == Status::Completed {
            let kept = balance.sum("captures") - balance.sum("refunds");
            must(kept == TOTAL, "the view calls completed what is not paid")?;
            let live = balance.live_labels();
            must(
                view.shipment.tracking_number.iter().eq(live.iter()),
                "the view calls completed what is not shipped, or with another label",
            )?;
        } else if view.status.is_final() {
            let kept = balance.sum("captures") - balance.sum("refunds");
            must(
                kept == 0 && balance.holds() == 0,
                "the view calls over what keeps money",
            )?;
        }
        must(
            view.failure.is_some() || !view.status.is_final() || view.status == Status::Completed,
            "the view has no reason why it did not come about",
        )?;
        must(
            view.timeline.is_sorted_by_key(|entry| entry.at),
            "the timeline is not in the order of time",
        )?;
        let text = serde_json::to_string(view).unwrap_or_default();
        must(
            !PERSONAL.iter().any(|personal| text.contains(personal)),
            "the view has personal data",
        )
    }

    /// The record that follows from what was recorded before is the one that follows from nothing: events may come
    /// twice, late, or not at all. The record.
    pub(crate) fn recorded_after(&self, before: &Projection) -> Result<Projection, String> {
        let followed = self.next(before);
        let fresh = self.next(&Projection::received(&self.record.state));
        let said = |record: &Projection| -> Value {
            let incidents: Vec<Incident> = record.incidents.keys().copied().collect();
            serde_json::json!({
                "status": record.status, "state": record.state, "error": record.error,
                "failed_in": record.failed_in, "held": record.held.minor(),
                "payment": record.payment, "tracking": record.tracking, "incidents": incidents,
                "over": record.is_over(),
            })
        };
        let (after, anew) = (said(&followed), said(&fresh));
        must(
            after == anew,
            &format!("the record depends on what came before: {after}, and anew {anew}"),
        )?;
        must(
            followed.status == self.view.status,
            "record and view do not agree",
        )?;
        Ok(followed)
    }

    fn next(&self, before: &Projection) -> Projection {
        let observed = Observation {
            execution: Some(self.described.execution),
            asked: true,
            ..Observation::default()
        };
        before.next(&self.record.state, &observed, &Limits::default(), self.now)
    }

    /// Somebody hears of an order that does not get on by itself, and can do something about it; nobody of one that
    /// is over.
    pub(crate) fn is_told(&self, record: &Projection, at: At) -> Result<(), String> {
        let needs_a_person = record.incidents.keys().any(|one| one.needs_a_person());
        match at {
            At::Stuck(_) => {
                must(needs_a_person, "nobody hears that it does not get on")?;
                let possible = Action::ALL.iter().any(|action| {
                    possible(*action, self.record, &self.described, self.now).is_ok()
                });
                must(possible, "nobody can do anything about it")
            }
            At::Ended if record.is_over() => {
                must(!needs_a_person, "somebody hears of what is over")
            }
            At::Ended | At::Task(_) => Ok(()),
        }
    }
}

/// Writes the record, and looks whether the index of open orders has it if and only if it is open.
pub(crate) async fn is_in_the_index(
    read_models: &ReadModels,
    record: &Projection,
) -> Result<(), String> {
    let order_id = &record.order_id;
    let unavailable = |error: domain::ports::StoreError| error.to_string();
    let row = read_models.order(order_id).await.map_err(unavailable)?;
    let revision = match row {
        Some(Row::Projection(before)) => before.revision,
        Some(Row::Blank(blank)) => blank.revision,
        None => return Err("the order was not announced".to_owned()),
    };
    let record = Projection {
        revision: revision + 1,
        ..record.clone()
    };
    let written = read_models.put_projection(&record).await;
    must(written == Ok(true), "its record could not be written")?;
    let open = read_models.open_orders().await.map_err(unavailable)?;
    let is_open = open.projections.iter().any(|one| one.order_id == *order_id);
    must(
        is_open != record.is_over(),
        "the index of open orders has what is over, or has not what is open",
    )
}
