//! Money that moved: entered once, with the day that the ledger has of it, whatever becomes of events.

use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use domain::ledger::{Authorization, Authorize, Reversal, Reverse, Unbook, Unbooking};
use domain::ports::Orders as _;
use domain::{ErrorName, Event, OrderId, Timestamp};
use operations::figures::{Day, Days, Figures};
use operations::trend::{self, Flow};
use operations::{Movement, Projection};
use read_models::Behind;
use serde_json::json;
use store::Begun;
use tests::{READ_MODELS, audited, document};

use crate::{ORDER, Shop, booked, completed, held, status};

fn today() -> Day {
    Day::of(Timestamp::now())
}

async fn movements(shop: &Shop, day: Day) -> Vec<Movement> {
    let read_models = &shop.database.read_models;
    let found = read_models.movements(day, Behind::default(), None, 100);
    found.await.expect("movements").0
}

/// Those of a day in words, and whether its sums are theirs.
async fn told(shop: &Shop, day: Day) -> Vec<String> {
    let movements = movements(shop, day).await;
    let mut sums = Figures::default();
    for one in &movements {
        sums.add(day, one.flow, one.amount.currency(), one.amount.into());
    }
    let figures = shop.database.read_models.figures(Days::only(day)).await;
    assert_eq!(figures.as_ref(), Ok(&sums));
    let told = |one: Movement| {
        let (flow, amount, order, attempt) = (one.flow, one.amount, one.order_id, one.attempt);
        format!("{flow} {amount} {order} {attempt}")
    };
    movements.into_iter().map(told).collect()
}

/// The money was held, and let go: the order failed.
async fn voided(shop: &Shop) {
    shop.database.validated(&document(ORDER)).await;
    held(&shop.database, ORDER).await;
    booked(&shop.database, ORDER).await;
    let error = ErrorName::CarrierUnavailable;
    shop.database.reversing(ORDER, error).await;
    shop.database
        .did::<Unbook>(ORDER, Unbooking::Cancelled)
        .await;
    shop.database.did::<Reverse>(ORDER, Reversal::Voided).await;
    shop.database.released(ORDER).await;
}

#[tokio::test]
async fn what_moved_is_entered_once_however_often_it_is_told_as_it_is_counted() {
    let shop = Shop::open().await;
    completed(&shop.database, ORDER).await;
    for _ in 0..3 {
        shop.ledger().await;
        shop.event(&status("ord-1-1", "SUCCEEDED")).await;
    }
    let expected = ["authorized 30.98 USD ord-1 1", "captured 30.98 USD ord-1 1"];
    assert_eq!(told(&shop, today()).await, expected);
    let counted = shop.database.read_models.counted_today(Timestamp::now());
    let counted = [counted.await.expect("counters")];
    let texts = |flow| trend::money(&counted, flow).texts();
    assert_eq!(texts(Flow::Authorized), ["30.98 USD"]);
    assert_eq!(texts(Flow::Captured), ["30.98 USD"]);
}

#[tokio::test]
async fn what_was_entered_is_the_same_after_the_orders_row_was_lost() {
    let shop = Shop::open().await;
    completed(&shop.database, ORDER).await;
    shop.ledger().await;
    let before = movements(&shop, today()).await;
    let lost = shop.database.client.delete_item().table_name(READ_MODELS);
    let lost = lost.key("pk", AttributeValue::S(format!("order#{ORDER}")));
    let lost = lost.key("sk", AttributeValue::S("projection".to_owned()));
    lost.send().await.expect("lost");
    shop.ledger().await;
    assert_eq!(movements(&shop, today()).await, before);
    assert_eq!(told(&shop, today()).await.len(), 2);
}

#[tokio::test]
async fn what_was_never_entered_is_once_the_orders_row_is_made_anew() {
    let shop = Shop::open().await;
    completed(&shop.database, ORDER).await;
    let lost = shop.database.client.delete_item().table_name(READ_MODELS);
    let lost = lost.key("pk", AttributeValue::S(format!("order#{ORDER}")));
    let lost = lost.key("sk", AttributeValue::S("projection".to_owned()));
    lost.send().await.expect("lost");
    shop.ledger().await;
    assert_eq!(told(&shop, today()).await.len(), 2);
}

#[tokio::test]
async fn money_moves_on_the_day_that_the_ledger_has_whenever_it_is_seen() {
    let shop = Shop::open().await;
    voided(&shop).await;
    let days = 3;
    let long = Duration::from_hours(days * 24);
    shop.database.elapse(ORDER, long).await;
    shop.ledger().await;
    let then = Day::of(Timestamp::now() - long);
    let expected = ["authorized 30.98 USD ord-1 1", "voided 30.98 USD ord-1 1"];
    assert_eq!(told(&shop, then).await, expected);
    assert!(movements(&shop, today()).await.is_empty());
}

#[tokio::test]
async fn what_cannot_be_entered_is_not_counted_and_comes_again() {
    let shop = Shop::open().await;
    completed(&shop.database, ORDER).await;
    // The sums of the day cannot be added to.
    let text = |text: &str| AttributeValue::S(text.to_owned());
    let order_id: OrderId = ORDER.parse().expect("an order id");
    let row = format!("{}#{}", today(), store::announcement::shard(&order_id));
    let spoil = |value| {
        let put = shop.database.client.put_item().table_name(READ_MODELS);
        put.item("pk", text("money"))
            .item("sk", text(&row))
            .item("money.captured.USD", value)
    };
    spoil(text("much")).send().await.expect("spoilt");
    let event = json!({"Records": [{"eventSource": "aws:dynamodb", "dynamodb": {
        "ApproximateCreationDateTime": 1.0,
        "Keys": {"order_id": {"S": ORDER}, "item": {"S": "state"}}}}]});
    let handled = shop.monitor.handle(&event).await;
    handled.expect_err("it has to come again");
    let counted = shop.database.read_models.counted_today(Timestamp::now());
    let counted = [counted.await.expect("counters")];
    assert!(trend::money(&counted, Flow::Captured).texts().is_empty());
    let mend = shop.database.client.delete_item().table_name(READ_MODELS);
    let mend = mend.key("pk", text("money")).key("sk", text(&row));
    mend.send().await.expect("mended");
    shop.ledger().await;
    let found = movements(&shop, today()).await;
    assert_eq!(found.len(), 2, "{found:?}");
    let counted = shop.database.read_models.counted_today(Timestamp::now());
    let counted = [counted.await.expect("counters")];
    let captured = trend::money(&counted, Flow::Captured).texts();
    assert_eq!(captured, ["30.98 USD"]);
}

#[tokio::test]
async fn an_attempt_that_nobody_saw_is_made_good_once_the_next_one_is_seen() {
    let shop = Shop::open().await;
    voided(&shop).await;
    let order_id: OrderId = ORDER.parse().expect("an order id");
    let record = shop.database.store.load(&order_id).await;
    let record = record.expect("an answer").expect("the order");
    let event = audited(Event::ReprocessRequested);
    let fresh = record.state.next_attempt(&record.order, event.at);
    let projection = Projection {
        revision: 2,
        has_unseen: true,
        ..Projection::received(&fresh)
    };
    let announced = shop.database.read_models.put_with(&projection);
    let announced = vec![announced.expect("a write")];
    let begun = shop
        .database
        .store
        .begin_attempt(&record, fresh, None, &event, announced);
    let begun = begun.await;
    assert!(matches!(begun, Ok(Begun::Yes(_))), "{begun:?}");
    shop.ledger().await;
    let expected = ["authorized 30.98 USD ord-1 1", "voided 30.98 USD ord-1 1"];
    assert_eq!(told(&shop, today()).await, expected);
}

#[tokio::test]
async fn what_a_restarted_attempt_goes_on_with_has_moved_once() {
    let shop = Shop::open().await;
    shop.database.validated(&document(ORDER)).await;
    let payment = "pi_1".to_owned();
    let held = Authorization::Held {
        payment,
        made_at: None,
    };
    shop.database.did::<Authorize>(ORDER, held).await;
    shop.ledger().await;
    let expected = ["authorized 30.98 USD ord-1 1"];
    assert_eq!(told(&shop, today()).await, expected);
    shop.database.restarted(ORDER, false).await;
    shop.ledger().await;
    assert_eq!(told(&shop, today()).await, expected);
}
