//! Booking the shipment.

use domain::ledger::Book;
use domain::{ErrorName, Stage};
use serde_json::{Value, json};
use ship::{Action, Ship};
use tests::{document, later, nobody, packing, sdk_config};

use crate::parcels::customs;
use crate::{ORDER, Shop, because, ship_station, task};

fn label_of(ledger: &Value) -> Value {
    let label = &ledger["shipments"][0];
    json!({"label_id": label["id"], "tracking_number": label["tracking_number"]})
}

#[tokio::test]
async fn booking_answers_with_label_and_tracking_number_and_nothing_else() {
    let shop = Shop::with_order().await;
    let answer = shop.run(Action::Book).await;
    let ledger = shop.sandbox.ledger().await;
    assert_eq!(answer, Ok(label_of(&ledger)));
    assert_eq!(ledger["shipments"][0]["key"], json!("test.ord-1-1"));
    assert_eq!(ledger["shipments"][0]["order_id"], json!(ORDER));
    assert_eq!(shop.database.state(ORDER).await.stage, Stage::Shipped);
}

#[tokio::test]
async fn booking_twice_ships_once_and_answers_the_same() {
    let shop = Shop::with_order().await;
    let first = shop.run(Action::Book).await;
    assert!(first.is_ok());
    assert_eq!(shop.run(Action::Book).await, first);
    assert_eq!(shop.sandbox.effects().await, ["shipments"]);
}

#[tokio::test]
async fn nothing_is_shipped_against_a_hold_that_may_lapse() {
    let shop = Shop::with_order().await;
    let by = later(shop.invocation(), 5 * 24);
    let refused = shop.run_task(task(Action::Book, by, None)).await;
    assert_eq!(refused.expect_err("too old").name(), ErrorName::Internal);
    assert!(shop.sandbox.effects().await.is_empty());
    assert_eq!(shop.database.state(ORDER).await.book, None, "no claim");
}

#[tokio::test]
async fn an_invocation_without_time_left_does_nothing() {
    for action in [Action::Book, Action::Cancel] {
        let shop = Shop::with_order().await;
        let before = shop.database.state(ORDER).await;
        let mut by = shop.invocation();
        by.deadline = by.now;
        let because = because("CarrierUnavailable", "");
        let late = shop.run_task(task(action, by, Some(because))).await;
        assert_eq!(late.expect_err("late").name(), ErrorName::StoreUnavailable);
        assert_eq!(shop.database.state(ORDER).await, before);
    }
}

#[tokio::test]
async fn of_many_invocations_at_once_one_ships() {
    let shop = Shop::with_order().await;
    let (a, b, c) = tokio::join!(
        shop.run(Action::Book),
        shop.run(Action::Book),
        shop.run(Action::Book)
    );
    assert!(a.is_ok() || b.is_ok() || c.is_ok(), "{a:?} {b:?} {c:?}");
    for outcome in [a, b, c] {
        if let Err(error) = outcome {
            assert_eq!(error.name(), ErrorName::StoreUnavailable, "{error}");
        }
    }
    assert_eq!(shop.sandbox.effects().await, ["shipments"]);
}

#[tokio::test]
async fn whatever_breaks_the_call_is_retryable_and_the_retry_ships_once() {
    for mode in ["error", "refuse", "lose_response"] {
        let shop = Shop::with_order().await;
        shop.sandbox.plant("carrier", "book", mode).await;
        assert_eq!(
            shop.error(Action::Book).await,
            ErrorName::CarrierUnavailable,
            "{mode}"
        );
        assert_eq!(shop.sandbox.fired().await, [format!("book {mode}")]);
        if mode != "lose_response" {
            // It may still appear.
            assert_eq!(
                shop.error(Action::Book).await,
                ErrorName::CarrierUnavailable
            );
            assert!(shop.sandbox.effects().await.is_empty(), "{mode}");
            shop.wait_for_late_labels().await;
        }
        let answer = shop.run(Action::Book).await;
        assert_eq!(answer, Ok(label_of(&shop.sandbox.ledger().await)), "{mode}");
        assert_eq!(shop.sandbox.effects().await, ["shipments"]);
    }
}

#[tokio::test]
async fn while_nobody_can_tell_whether_there_is_a_label_none_is_bought() {
    let shop = Shop::with_order().await;
    shop.sandbox.plant("carrier", "book", "lose_response").await;
    shop.error(Action::Book).await;
    for mode in ["error", "refuse", "lose_response"] {
        shop.sandbox.plant("carrier", "find", mode).await;
        assert_eq!(
            shop.error(Action::Book).await,
            ErrorName::CarrierUnavailable,
            "{mode}"
        );
    }
    assert_eq!(
        shop.sandbox.fired().await,
        [
            "book lose_response",
            "find error",
            "find refuse",
            "find lose_response"
        ]
    );
    shop.run(Action::Book).await.expect("found");
    assert_eq!(shop.sandbox.effects().await, ["shipments"]);
}

#[tokio::test]
async fn a_label_that_is_not_found_at_first_is_found_when_its_reference_is_taken() {
    let shop = Shop::with_order().await;
    shop.sandbox.plant("carrier", "book", "lose_response").await;
    shop.error(Action::Book).await;
    shop.wait_for_late_labels().await;
    shop.sandbox.plant("carrier", "find", "decline").await;
    let answer = shop.run(Action::Book).await;
    assert_eq!(
        shop.sandbox.fired().await,
        ["book lose_response", "find decline"]
    );
    assert_eq!(answer, Ok(label_of(&shop.sandbox.ledger().await)));
    assert_eq!(shop.sandbox.effects().await, ["shipments"]);
}

/// Whatever the carrier says to the request: while nobody has seen that there is no label, the
/// claim stays, and with it the undo's duty to look.
#[tokio::test]
async fn a_refusal_that_could_not_be_checked_leaves_the_outcome_unknown() {
    let shop = Shop::with_order().await;
    shop.sandbox.plant("carrier", "book", "decline").await;
    shop.sandbox.plant_status("carrier", "find", 429).await;
    assert_eq!(
        shop.error(Action::Book).await,
        ErrorName::CarrierUnavailable
    );
    assert_eq!(shop.sandbox.fired().await, ["book decline", "find error"]);
    assert!(shop.database.state(ORDER).await.book.is_some());
}

#[tokio::test]
async fn a_function_that_dies_before_the_call_is_succeeded() {
    let shop = Shop::with_order().await;
    let mut dead = shop.database.claimed::<Book>(ORDER, -1).await;
    shop.wait_for_late_labels().await;
    let answer = shop.run(Action::Book).await;
    assert!(answer.is_ok());
    // Should it be asked once more, it finds what its successor left.
    dead.deadline = shop.invocation().deadline;
    assert_eq!(shop.run_task(task(Action::Book, dead, None)).await, answer);
    assert_eq!(shop.sandbox.effects().await, ["shipments"]);
}

#[tokio::test]
async fn another_invocation_at_work_is_waited_for() {
    let shop = Shop::with_order().await;
    shop.database.claimed::<Book>(ORDER, 60_000).await;
    assert_eq!(shop.error(Action::Book).await, ErrorName::StoreUnavailable);
    assert!(shop.sandbox.effects().await.is_empty());
}

#[tokio::test]
async fn a_carriers_no_is_final_and_tells_its_code_only() {
    let shop = Shop::with_order().await;
    shop.sandbox.plant("carrier", "book", "decline").await;
    let refused = shop.run(Action::Book).await.expect_err("refused");
    assert_eq!(refused.name(), ErrorName::ShipmentRejected);
    let text = refused.message();
    assert!(
        text.starts_with("the carrier refuses the shipment: "),
        "{text}"
    );
    assert_eq!(shop.sandbox.fired().await, ["book decline"]);
    assert_eq!(shop.run(Action::Book).await, Err(refused));
    assert!(shop.sandbox.effects().await.is_empty());
}

#[tokio::test]
async fn an_address_that_the_carrier_does_not_know_is_refused() {
    let mut document = document(ORDER);
    document["shipping_address"]["postal_code"] = json!("00000");
    let shop = Shop::with_document(&document).await;
    assert_eq!(shop.error(Action::Book).await, ErrorName::ShipmentRejected);
}

#[tokio::test]
async fn an_address_without_a_region_is_shipped_to() {
    let mut document = document(ORDER);
    document["shipping_address"]["region"] = Value::Null;
    document["shipping_address"]["country"] = json!("DE");
    let shop = Shop::with_document(&document).await;
    shop.knows_mugs(&customs()).await;
    shop.run(Action::Book).await.expect("booked");
}

#[tokio::test]
async fn each_status_of_the_carrier_has_its_name_in_the_catalogue() {
    for (status, name) in [
        (401, ErrorName::CarrierUnavailable),
        (404, ErrorName::Internal),
        (429, ErrorName::CarrierUnavailable),
        (500, ErrorName::CarrierUnavailable),
    ] {
        let shop = Shop::with_order().await;
        shop.sandbox.plant_status("carrier", "book", status).await;
        assert_eq!(shop.error(Action::Book).await, name, "{status}");
        assert_eq!(shop.sandbox.fired().await, ["book error"]);
        assert!(shop.sandbox.effects().await.is_empty());
    }
}

#[tokio::test]
async fn a_cancelled_order_is_not_shipped() {
    let shop = Shop::with_order().await;
    shop.database.cancelled(ORDER).await;
    assert_eq!(shop.error(Action::Book).await, ErrorName::OrderCancelled);
    assert!(shop.sandbox.effects().await.is_empty());
}

#[tokio::test]
async fn an_order_whose_personal_data_was_erased_is_not_shipped() {
    let shop = Shop::with_order().await;
    shop.database.erase_personal_data(ORDER).await;
    assert_eq!(shop.error(Action::Book).await, ErrorName::InvalidInput);
    assert!(shop.sandbox.effects().await.is_empty());
}

#[tokio::test]
async fn an_order_without_held_money_is_not_shipped() {
    let shop = Shop::open().await;
    assert_eq!(
        shop.error(Action::Book).await,
        ErrorName::InvalidInput,
        "no order"
    );
    shop.database.validated(&document(ORDER)).await;
    assert_eq!(
        shop.error(Action::Book).await,
        ErrorName::InvalidInput,
        "no money"
    );
    let shop = Shop::with_order().await;
    let mut by = shop.invocation();
    by.attempt = 2;
    let other = shop.run_task(task(Action::Book, by, None)).await;
    assert_eq!(
        other.expect_err("another attempt").name(),
        ErrorName::InvalidInput
    );
    assert!(shop.sandbox.effects().await.is_empty());
}

#[tokio::test]
async fn without_a_database_nothing_is_shipped() {
    let shop = Shop::open().await;
    let gone = store::Store::new(&sdk_config(&nobody().await), "orders", "stock");
    let ship = Ship::new(gone, ship_station(&shop.sandbox.url).await, packing());
    let failed = ship
        .handle(task(Action::Book, shop.invocation(), None))
        .await;
    assert_eq!(
        failed.expect_err("no database").name(),
        ErrorName::StoreUnavailable
    );
    assert!(shop.sandbox.effects().await.is_empty());
}
