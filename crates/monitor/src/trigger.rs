//! What wakes the monitor.

use domain::{Execution, ExecutionStatus, OrderId, Timestamp};
use operations::snapshot;
use serde_json::Value;

/// What wakes the monitor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trigger {
    /// The schedule: reconcile what is due.
    Schedule,
    /// Somebody looks at the operators' page: a new snapshot, and bulks that are at work.
    Snapshot,
    /// The ledgers of these orders have changed; when the first of them did.
    Ledger(Vec<OrderId>, Option<Timestamp>),
    /// An execution has changed its status.
    Execution(OrderId, Option<Execution>, Option<Timestamp>),
    /// Something of ours, but of no order.
    Nothing,
}

/// An event that the monitor cannot make sense of.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an event that is neither a schedule, nor a change of an order or an execution: {0}")]
pub struct Unknown(String);

/// <https://docs.aws.amazon.com/step-functions/latest/dg/eventbridge-integration.html>
const STATUS_CHANGE: &str = "Step Functions Execution Status Change";

/// Reads an event: of EventBridge, or of the orders table's stream.
///
/// # Errors
/// If it is none of these.
pub fn read(event: &Value) -> Result<Trigger, Unknown> {
    if let Some(records) = event["Records"].as_array() {
        return Ok(ledger(records));
    }
    match event["detail-type"].as_str() {
        Some("Scheduled Event") => Ok(Trigger::Schedule),
        Some(snapshot::REQUESTED) => Ok(Trigger::Snapshot),
        Some(STATUS_CHANGE) => Ok(status_change(event)),
        other => Err(Unknown(other.unwrap_or("no detail-type").to_owned())),
    }
}

/// <https://docs.aws.amazon.com/lambda/latest/dg/with-ddb.html>. Several changes of one order are one reconciliation.
fn ledger(records: &[Value]) -> Trigger {
    let mut orders = Vec::new();
    let mut first: Option<Timestamp> = None;
    for record in records {
        let keys = &record["dynamodb"]["Keys"];
        if keys["item"]["S"] != "state" {
            continue;
        }
        let Some(Ok(order_id)) = keys["order_id"]["S"].as_str().map(str::parse::<OrderId>) else {
            continue;
        };
        let at = record["dynamodb"]["ApproximateCreationDateTime"].as_f64();
        #[expect(
            clippy::cast_possible_truncation,
            reason = "milliseconds of any date fit"
        )]
        let at = at.and_then(|at| Timestamp::from_millisecond((at * 1000.0) as i64).ok());
        first = [first, at].into_iter().flatten().min();
        if !orders.contains(&order_id) {
            orders.push(order_id);
        }
    }
    if orders.is_empty() {
        return Trigger::Nothing;
    }
    Trigger::Ledger(orders, first)
}

/// Neither input nor output is looked at: they may be left out, and the execution's name says it all.
fn status_change(event: &Value) -> Trigger {
    let detail = &event["detail"];
    let name = detail["name"].as_str().unwrap_or_default();
    let Some((order_id, attempt)) = name.rsplit_once('-') else {
        return Trigger::Nothing;
    };
    let (Ok(order_id), Ok(attempt)) = (order_id.parse(), attempt.parse()) else {
        return Trigger::Nothing;
    };
    // A status that is new to us says nothing, but that something has changed.
    let status = serde_json::from_value::<ExecutionStatus>(detail["status"].clone()).ok();
    let execution = status.map(|status| Execution {
        attempt,
        status,
        redriven_at: time(&detail["redriveDate"]),
        stopped_at: time(&detail["stopDate"]),
    });
    Trigger::Execution(order_id, execution, time(&event["time"]))
}

/// Milliseconds as a number or a text, or a date; documented as a text, sent as a number.
fn time(value: &Value) -> Option<Timestamp> {
    let of_number = |ms: i64| Timestamp::from_millisecond(ms).ok();
    match value {
        Value::Number(number) => number.as_i64().and_then(of_number),
        Value::String(text) => match text.parse::<i64>() {
            Ok(ms) => of_number(ms),
            Err(_) => text.parse().ok(),
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn event(detail: &Value) -> Value {
        json!({"version": "0", "id": "e", "detail-type": STATUS_CHANGE, "source": "aws.states",
            "time": "2026-11-23T10:00:00Z", "detail": detail})
    }

    fn execution(detail: &Value) -> Execution {
        match read(&event(detail)) {
            Ok(Trigger::Execution(_, Some(execution), _)) => execution,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_order_is_known_by_its_executions_name_whatever_else_is_left_out() {
        let detail = json!({"name": "ord-10-01-2", "status": "RUNNING", "input": null,
            "inputDetails": {"included": false}, "unheard_of": [1]});
        let read = read(&event(&detail)).expect("an event");
        let Trigger::Execution(order_id, Some(execution), Some(at)) = read else {
            panic!("{read:?}");
        };
        assert_eq!(order_id.as_str(), "ord-10-01");
        assert_eq!(execution.attempt, 2);
        assert_eq!(at.as_second(), 1_795_428_000);
    }

    #[test]
    fn a_date_may_be_a_number_or_a_text() {
        let at = |date: Value| {
            let detail = json!({"name": "o-1", "status": "RUNNING", "redriveDate": date});
            execution(&detail)
                .redriven_at
                .map(Timestamp::as_millisecond)
        };
        assert_eq!(at(json!(1_795_428_000_000_i64)), Some(1_795_428_000_000));
        assert_eq!(at(json!("1795428000000")), Some(1_795_428_000_000));
        assert_eq!(at(json!("2026-11-23T10:00:00Z")), Some(1_795_428_000_000));
        assert_eq!(at(json!(null)), None);
        assert_eq!(at(json!("soon")), None);
    }

    #[test]
    fn a_status_that_is_new_to_us_only_asks_for_a_reconciliation() {
        let detail = json!({"name": "o-1", "status": "HIBERNATING"});
        let read = read(&event(&detail));
        assert!(
            matches!(read, Ok(Trigger::Execution(_, None, _))),
            "{read:?}"
        );
    }

    #[test]
    fn changes_of_one_order_are_reconciled_once_and_other_items_are_none() {
        let record = |order: &str, item: &str, at: f64| {
            json!({"eventSource": "aws:dynamodb", "dynamodb": {"ApproximateCreationDateTime": at,
                "Keys": {"order_id": {"S": order}, "item": {"S": item}}}})
        };
        let records = [
            record("a", "state", 20.5),
            record("a", "review", 1.0),
            record("b", "state", 30.0),
            record("a", "state", 40.0),
            record("-monitor", "state", 2.0),
        ];
        let Ok(Trigger::Ledger(orders, first)) = read(&json!({"Records": records})) else {
            panic!("a change of the ledger");
        };
        assert_eq!(
            orders.iter().map(OrderId::as_str).collect::<Vec<_>>(),
            ["a", "b"]
        );
        assert_eq!(first.map(Timestamp::as_millisecond), Some(20_500));
        let none = read(&json!({"Records": [record("a", "review", 1.0)]}));
        assert_eq!(none, Ok(Trigger::Nothing));
    }

    #[test]
    fn what_is_no_event_of_ours_is_refused() {
        assert!(read(&json!({"hello": "world"})).is_err());
    }
}
