//! Stock: all lines or none, and back exactly once.

use crate::state;
use domain::ports::{LineProblem, Orders as _, Reserved, Stock as _};
use domain::{ErrorName, Failure, Stage, Timestamp};
use serde_json::json;
use tests::{database, document, invocation, submission};

#[tokio::test]
async fn stock_is_reserved_all_or_none_and_every_reason_is_told() {
    let database = database().await;
    let mut document = document("o");
    document["lines"] = json!([
        {"sku": "MUG-01", "quantity": 3, "unit_price": 1299},
        {"sku": "TEE-01", "quantity": 1, "unit_price": 1},
        {"sku": "SOLDOUT-01", "quantity": 1, "unit_price": 1000},
        {"sku": "NONE-01", "quantity": 1, "unit_price": 1},
    ]);
    document["total"] = json!(3 * 1299 + 1 + 1000 + 1 + 500);
    let submission = submission(&document);
    database
        .store
        .accept(&submission, Timestamp::now())
        .await
        .expect("accepted");
    let by = invocation("o", "a", 1000);
    let reserved = database.store.reserve(&by, &submission.order, false).await;
    let Ok(Reserved::Problems(problems)) = reserved else {
        panic!("{reserved:?}")
    };
    assert!(matches!(
        problems[..],
        [
            LineProblem::Price { .. },
            LineProblem::SoldOut { .. },
            LineProblem::Unknown(_)
        ]
    ));
    assert_eq!(database.available("MUG-01").await, 100);
    assert_eq!(state(&database, "o").await.stage, Stage::Received);
}

#[tokio::test]
async fn a_hundred_lines_are_reserved_once_and_released_once() {
    let database = database().await;
    let mut document = document("o");
    let mut lines = Vec::new();
    for n in 0..100 {
        database.article(&format!("A-{n}"), 1, "USD", 5).await;
        lines.push(json!({"sku": format!("A-{n}"), "quantity": 2, "unit_price": 1}));
    }
    document["lines"] = json!(lines);
    document["total"] = json!(700);
    let order = submission(&document).order;
    database
        .store
        .accept(&submission(&document), Timestamp::now())
        .await
        .expect("accepted");
    let by = invocation("o", "a", 1000);
    assert_eq!(
        database.store.reserve(&by, &order, false).await,
        Ok(Reserved::All)
    );
    assert_eq!(
        database.store.reserve(&by, &order, false).await,
        Ok(Reserved::All)
    );
    assert_eq!(
        (
            database.available("A-0").await,
            database.available("A-99").await
        ),
        (3, 3)
    );
    let failure = Failure::new(ErrorName::PaymentDeclined, "no", Timestamp::now());
    database
        .store
        .begin_reversal(&by, failure)
        .await
        .expect("noted");
    let state = database.state("o").await;
    for state in [state.clone(), state] {
        let closed = database
            .store
            .release_and_close(&by, &order.lines, state)
            .await
            .expect("closed");
        assert_eq!((closed.stage, closed.reserved_lines), (Stage::Rejected, 0));
    }
    assert_eq!(
        (
            database.available("A-0").await,
            database.available("A-99").await
        ),
        (5, 5)
    );
}
