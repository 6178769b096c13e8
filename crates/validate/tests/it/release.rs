//! The undo: giving the stock back, and closing the order.

use domain::ledger::{Authorization, Authorize, Book, Reversal, Reverse, Unbook, Unbooking};
use domain::{Decision, ErrorName, Stage};
use serde_json::{Value, json};
use tests::document;
use validate::Action;

use crate::{ORDER, Shop, large_order, order_of};

/// A hundred lines, the most there are: articles `A-0` to `A-99`, one more piece of each.
fn longest_order(names: &[String]) -> Value {
    // As many of each as are one shipment.
    let lines: Vec<(&str, u64, u64)> = (1..=20)
        .cycle()
        .zip(names)
        .map(|(quantity, name)| (name.as_str(), quantity, 1))
        .collect();
    order_of(&lines, "USD")
}

#[tokio::test]
async fn releasing_gives_back_exactly_what_was_reserved_and_the_error_says_how_the_order_ends() {
    for (error, status, stage) in [
        (ErrorName::PaymentDeclined, "rejected", Stage::Rejected),
        (ErrorName::ReviewRejected, "rejected", Stage::Rejected),
        (ErrorName::OrderCancelled, "cancelled", Stage::Cancelled),
        (ErrorName::CarrierUnavailable, "failed", Stage::Failed),
        (ErrorName::Internal, "failed", Stage::Failed),
    ] {
        let lines = [("MUG-01", 3, 1299), ("TEE-01", 2, 2500)];
        let shop = Shop::with_order(&order_of(&lines, "USD")).await;
        shop.run(Action::Validate).await.expect("validated");
        assert_eq!(shop.database.available("TEE-01").await, 48);
        shop.database.reversing(ORDER, error).await;
        let answer = shop.run(Action::Release).await;
        assert_eq!(answer, Ok(json!({"status": status})), "{error}");
        let again = shop.run(Action::Release).await.expect("nothing to do");
        assert_eq!(again["status"], json!(status));
        assert_eq!(shop.database.available("MUG-01").await, 100);
        assert_eq!(shop.database.available("TEE-01").await, 50);
        let state = shop.database.state(ORDER).await;
        assert_eq!((state.stage, state.closed_at.is_some()), (stage, true));
    }
}

#[tokio::test]
async fn releasing_closes_an_order_that_reserved_nothing() {
    let shop = Shop::with_order(&order_of(&[("SOLDOUT-01", 1, 1000)], "USD")).await;
    shop.error(Action::Validate).await;
    shop.database
        .reversing(ORDER, ErrorName::OrderRejected)
        .await;
    let answer = shop.run(Action::Release).await;
    assert_eq!(answer, Ok(json!({"status": "rejected"})));
    assert_eq!(shop.database.available("SOLDOUT-01").await, 0);
}

#[tokio::test]
async fn releasing_gives_back_the_stock_of_an_order_in_review() {
    let shop = Shop::with_order(&large_order()).await;
    shop.error(Action::Validate).await;
    shop.decide(Decision::Rejected).await;
    shop.database
        .reversing(ORDER, ErrorName::ReviewRejected)
        .await;
    let answer = shop.run(Action::Release).await;
    assert_eq!(answer, Ok(json!({"status": "rejected"})));
    assert_eq!(shop.database.available("MUG-01").await, 100);
}

#[tokio::test]
async fn the_longest_order_is_reserved_and_given_back_whole_even_if_its_last_line_is_sold_out() {
    let names: Vec<String> = (0..100).map(|number| format!("A-{number}")).collect();
    for (last, reserved) in [(1000, 100), (0, 99)] {
        let shop = Shop::with_order(&longest_order(&names)).await;
        for name in &names {
            let pieces = if name == "A-99" { last } else { 1000 };
            shop.database.article(name, 1, "USD", pieces).await;
        }
        let outcome = shop.run(Action::Validate).await;
        assert_eq!(outcome.is_ok(), last > 0, "{outcome:?}");
        assert_eq!(shop.run(Action::Validate).await, outcome);
        let state = shop.database.state(ORDER).await;
        assert_eq!(state.reserved_lines, reserved);
        shop.database.reversing(ORDER, ErrorName::Internal).await;
        shop.run(Action::Release).await.expect("released");
        for name in &names {
            let pieces = if name == "A-99" { last } else { 1000 };
            assert_eq!(shop.database.available(name).await, pieces, "{name}");
        }
    }
}

#[tokio::test]
async fn an_order_that_goes_well_is_not_released() {
    let shop = Shop::with_order(&document(ORDER)).await;
    shop.run(Action::Validate).await.expect("validated");
    assert_eq!(shop.error(Action::Release).await, ErrorName::Internal);
    assert_eq!(shop.database.available("MUG-01").await, 98);
}

#[tokio::test]
async fn releasing_twice_answers_the_same() {
    let shop = Shop::with_order(&document(ORDER)).await;
    shop.run(Action::Validate).await.expect("validated");
    shop.database.reversing(ORDER, ErrorName::Internal).await;
    let first = shop.run(Action::Release).await;
    assert_eq!(shop.run(Action::Release).await, first);
}

/// The state machine asks for the undos in their order; the ledger does not rely on it.
#[tokio::test]
async fn an_order_is_not_closed_while_money_or_a_shipment_stands() {
    let shop = Shop::with_order(&document(ORDER)).await;
    shop.run(Action::Validate).await.expect("validated");
    let held = Authorization::Held {
        payment: "pi_1".to_owned(),
        made_at: None,
    };
    shop.database.did::<Authorize>(ORDER, held).await;
    shop.database.claimed::<Book>(ORDER, -1000).await;
    shop.database.reversing(ORDER, ErrorName::Internal).await;
    let before = shop.database.state(ORDER).await;
    let refused = shop.run(Action::Release).await.expect_err("refused");
    assert_eq!(refused.name(), ErrorName::Internal);
    assert!(
        refused
            .to_string()
            .contains("its shipment is not cancelled")
    );
    shop.database
        .did::<Unbook>(ORDER, Unbooking::Cancelled)
        .await;
    let refused = shop.run(Action::Release).await.expect_err("refused");
    assert!(refused.to_string().contains("its payment is not reversed"));
    let state = shop.database.state(ORDER).await;
    assert_eq!(state.reserved_lines, before.reserved_lines);
    shop.database.did::<Reverse>(ORDER, Reversal::Voided).await;
    let released = shop.run(Action::Release).await;
    assert_eq!(released, Ok(json!({"status": "failed"})));
}
