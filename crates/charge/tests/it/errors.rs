//! What each of the provider's errors becomes: the table of the crate's README, row by row.

use charge::Action;
use domain::{ErrorName, StepError};
use serde_json::{Value, json};

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
    let [_, call, status, kind, code, says, becomes, _] = cells[..] else {
        panic!("six columns: {line}");
    };
    let word = |cell: &'static str| cell.trim_matches('`');
    let mut error = json!({"type": word(kind)});
    if !code.is_empty() {
        error["code"] = json!(word(code));
    }
    match says {
        "" => {}
        says if says.starts_with('`') => error["decline_code"] = json!(word(says)),
        says => error["message"] = json!(format!("The method was used. It {says}.")),
    }
    let (name, code) = match becomes.split_once(": ") {
        Some((name, code)) => (word(name), Some(word(code))),
        None => (word(becomes), None),
    };
    Row {
        call,
        status: status.parse().expect("a status"),
        error,
        name,
        code,
    }
}

/// An order about to make this call; the provider's name of the operation, and the action.
async fn about_to(call: &str) -> (Shop, &'static str, Action) {
    match call {
        "authorise" => (Shop::with_order().await, "authorize", Action::Authorize),
        "capture" => (Shop::with_shipped_order().await, "capture", Action::Capture),
        "void" => {
            let shop = Shop::with_held_money().await;
            shop.fail().await;
            (shop, "void", Action::Reverse)
        }
        "refund" => {
            let shop = Shop::with_shipped_order().await;
            shop.run(Action::Capture).await.expect("captured");
            shop.fail().await;
            (shop, "refund", Action::Reverse)
        }
        other => panic!("no call: {other}"),
    }
}

async fn plant(shop: &Shop, operation: &str, row: &Row<'_>, stored: bool) {
    let fault = json!({"provider": "payment", "operation": operation, "mode": "error",
        "status": row.status, "error": row.error, "stored": stored, "order_id": ORDER});
    shop.sandbox.plant_fault(&fault).await;
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
        let calls = match row.call {
            "any" => vec!["authorise", "capture", "void", "refund"],
            call => vec![call],
        };
        for call in calls {
            let (shop, operation, action) = about_to(call).await;
            let before = shop.sandbox.effects().await;
            plant(&shop, operation, &row, false).await;
            is_as_told(&shop.run(action).await.expect_err(call), &row);
            assert_eq!(shop.sandbox.fired().await, [format!("{operation} error")]);
            assert_eq!(shop.sandbox.effects().await, before, "{row:?}");
            seen += 1;
            // After 401 the credential is read anew, which this shop has nowhere to read from.
            if row.name == ErrorName::PaymentUnavailable.as_str() && row.status != 401 {
                let again = shop.run(action).await;
                assert!(again.is_ok(), "{call} {row:?}: {again:?}");
                let effects = shop.sandbox.effects().await;
                assert_eq!(effects.len(), before.len() + 1, "{call} {row:?}");
            }
        }
    }
    assert!(seen > 50, "{seen} rows");
}

#[tokio::test]
async fn an_error_that_is_repeated_under_its_key_is_asked_for_under_another() {
    for row in rows() {
        let told_again = row.name == ErrorName::PaymentUnavailable.as_str();
        // 401, 409 and 429 are told before the call begins: those are never kept.
        let is_kept = matches!(row.status, 400 | 424 | 500);
        let calls = match row.call {
            "any" => vec!["capture", "void", "refund"],
            "authorise" => continue,
            call => vec![call],
        };
        for call in calls.into_iter().filter(|_| told_again && is_kept) {
            let (shop, operation, action) = about_to(call).await;
            // The other key may be met with the same.
            for _ in 0..2 {
                plant(&shop, operation, &row, true).await;
            }
            for _ in 0..2 {
                is_as_told(&shop.run(action).await.expect_err(call), &row);
            }
            let done = shop.run(action).await;
            assert!(done.is_ok(), "{call} {row:?}: {done:?}");
            assert_eq!(shop.run(action).await, done);
        }
    }
}
