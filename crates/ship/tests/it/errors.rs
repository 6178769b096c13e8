//! What each of the carrier's errors becomes: the table of the crate's README, row by row.

use domain::{ErrorName, StepError};
use serde_json::{Value, json};
use ship::Action;

use crate::{ORDER, Shop};

const README: &str = include_str!("../../README.md");

/// A row of the table.
#[derive(Debug)]
struct Row<'a> {
    call: &'a str,
    status: u16,
    error: Value,
    name: &'a str,
    code: Option<&'a str>,
}

fn rows() -> Vec<Row<'static>> {
    let mut lines = README.lines();
    lines
        .by_ref()
        .find(|line| line.starts_with("| call | status |"))
        .expect("the table");
    let rows = lines.skip(1).take_while(|line| line.starts_with('|'));
    rows.map(row).collect()
}

fn row(line: &'static str) -> Row<'static> {
    let cells: Vec<_> = line.split('|').map(str::trim).collect();
    let [_, call, status, kind, code, becomes, _] = cells[..] else {
        panic!("five columns: {line}");
    };
    let word = |cell: &'static str| cell.trim_matches('`');
    let (name, told) = match becomes.split_once(": ") {
        Some((name, code)) => (word(name), Some(word(code))),
        None => (word(becomes), None),
    };
    Row {
        call,
        status: status.parse().expect("a status"),
        error: json!({"error_type": word(kind), "error_code": word(code),
            "message": "Ada Example of 1 Main St, Springfield, is not to be told of"}),
        name,
        code: told,
    }
}

fn is_as_told(failed: &StepError, row: &Row<'_>) {
    assert_eq!(failed.name().as_str(), row.name, "{row:?}: {failed}");
    if let Some(code) = row.code {
        let ending = format!(": {code}");
        assert!(failed.message().ends_with(&ending), "{row:?}: {failed}");
    }
}

#[tokio::test]
async fn each_error_becomes_what_the_readme_says() {
    let mut seen = 0;
    for row in rows() {
        let operations = match row.call {
            "any" => vec!["prepare", "book"],
            call => vec![call],
        };
        for operation in operations {
            let shop = Shop::with_order().await;
            let fault = json!({"provider": "carrier", "operation": operation, "mode": "error",
                "status": row.status, "error": row.error, "order_id": ORDER});
            shop.sandbox.plant_fault(&fault).await;
            is_as_told(&shop.run(Action::Book).await.expect_err(operation), &row);
            assert_eq!(shop.sandbox.fired().await, [format!("{operation} error")]);
            assert!(shop.sandbox.effects().await.is_empty(), "{row:?}");
            seen += 1;
            // After 401 the credential is read anew, which this shop has nowhere to read from.
            if row.name == ErrorName::CarrierUnavailable.as_str() && row.status != 401 {
                shop.wait_for_late_labels().await;
                let again = shop.run(Action::Book).await;
                assert!(again.is_ok(), "{operation} {row:?}: {again:?}");
                assert_eq!(shop.sandbox.effects().await, ["shipments"]);
            }
        }
    }
    assert!(seen > 60, "{seen} rows");
}

/// No customer can be told of a refusal there; what passes by itself is waited for, and named.
#[tokio::test]
async fn an_error_is_the_same_when_a_label_is_looked_for_or_voided() {
    let any = rows().into_iter().filter(|row| row.call == "any");
    for row in any.filter(|row| row.code.is_none() && row.status == 400) {
        let fault = |operation: &str| {
            json!({"provider": "carrier", "operation": operation, "mode": "error",
                "status": row.status, "error": row.error, "order_id": ORDER})
        };
        let shop = Shop::with_booked_shipment().await;
        shop.sandbox.plant_fault(&fault("cancel")).await;
        let failed = shop.run(Action::Cancel).await.expect_err("cancel");
        is_as_told(&failed, &row);
        assert!(failed.message().contains("request "), "{failed}");
        let shop = Shop::with_order().await;
        shop.database
            .claimed::<domain::ledger::Book>(ORDER, -1)
            .await;
        shop.sandbox.plant_fault(&fault("find")).await;
        is_as_told(&shop.run(Action::Book).await.expect_err("find"), &row);
    }
}
