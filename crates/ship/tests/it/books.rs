//! The carrier's books, as whoever audits reads them.

use std::time::Duration;

use domain::books::{BookPage, Posting, PostingKind, Stands};
use domain::ports::{BookRequest, Books as _, Carrier as _, Orders as _};
use domain::{ErrorName, Timestamp};
use serde_json::json;
use step::Ask;
use tests::{assert_impersonal, parcels};

use crate::{Action, ORDER, Shop, ship_station_of};

async fn read(shop: &Shop) -> BookPage {
    let now = Timestamp::now();
    let ask = Ask::List {
        since: now - Duration::from_mins(1),
        until: now + Duration::from_mins(1),
        page: None,
    };
    let answer = shop.ship.answer(ask).await.expect("a page");
    assert_impersonal(&answer.to_string());
    serde_json::from_value(answer).expect("a page")
}

fn let_go(reference: &str) -> Ask {
    let reference = reference.to_owned();
    let order_id = None;
    Ask::LetGo {
        reference,
        order_id,
    }
}

/// Another label of the order, by somebody of this environment.
async fn buy(shop: &Shop, environment: &str, reference: &str) {
    let record = shop.database.store.load(&shop.invocation().order_id).await;
    let record = record.expect("an answer").expect("the order");
    let request = BookRequest {
        order: &record.order,
        personal: record.personal.as_ref().expect("personal data"),
        parcels: &parcels(&record.order),
        reference,
    };
    let carrier = ship_station_of(&shop.sandbox.url, environment).await;
    carrier.book(request).await.expect("booked");
}

#[tokio::test]
async fn what_was_bought_is_told_with_what_stands_of_it() {
    let shop = Shop::with_booked_shipment().await;
    let label = shop.sandbox.ledger().await["shipments"][0]["id"].clone();
    let label = label.as_str().expect("an id");
    let page = read(&shop).await;
    let expected = Posting {
        kind: PostingKind::Label,
        reference: label.to_owned(),
        order_id: Some(ORDER.parse().expect("an id")),
        amount: None,
        stands: Stands::Live,
        made_at: page.postings[0].made_at,
    };
    assert_eq!(page.postings, [expected]);
    shop.run(Action::Cancel).await.expect("cancelled");
    assert_eq!(read(&shop).await.postings[0].stands, Stands::Nothing);
}

#[tokio::test]
async fn two_environments_on_one_account_have_the_same_order_and_a_label_each() {
    let shop = Shop::with_order().await;
    for environment in ["test-2", "prod"] {
        buy(&shop, environment, "ord-1-1").await;
    }
    shop.database
        .claimed::<domain::ledger::Book>(ORDER, -1)
        .await;
    shop.wait_for_late_labels().await;
    // An unknown outcome is not found with another environment's label.
    shop.run(Action::Book).await.expect("booked");
    let ledger = shop.sandbox.ledger().await;
    let shipments = ledger["shipments"].as_array().expect("a list").iter();
    let keys = shipments.map(|one| one["key"].as_str().expect("a key"));
    let keys: Vec<_> = keys.collect();
    assert_eq!(keys, ["test-2.ord-1-1", "prod.ord-1-1", "test.ord-1-1"]);
    let page = read(&shop).await;
    assert_eq!(page.postings.len(), 1);
}

#[tokio::test]
async fn a_time_is_read_page_by_page_and_nothing_beside_it() {
    let shop = Shop::with_order().await;
    for number in 0..101 {
        buy(&shop, "test", &format!("ord-1-{number}")).await;
    }
    let carrier = ship_station_of(&shop.sandbox.url, "test").await;
    let now = Timestamp::now();
    let since = now - Duration::from_mins(1);
    let first = carrier.page(since, now, None).await.expect("a page");
    assert_eq!(first.postings.len(), 100);
    let second = carrier.page(since, now, first.next.as_deref()).await;
    let second = second.expect("a page");
    assert_eq!((second.postings.len(), &second.next), (1, &None));
    assert!(!first.postings.contains(&second.postings[0]));
    let later = now + Duration::from_mins(1);
    let none = carrier
        .page(now + Duration::from_secs(5), later, None)
        .await;
    assert_eq!(none, Ok(BookPage::default()));
}

#[tokio::test]
async fn a_label_that_no_ledger_accounts_for_is_voided_and_no_other_is() {
    let shop = Shop::with_booked_shipment().await;
    buy(&shop, "test", "ord-1-again").await;
    buy(&shop, "prod", "ord-1-1").await;
    let ledger = shop.sandbox.ledger().await;
    let label = |number: usize| ledger["shipments"][number]["id"].as_str().expect("an id");
    let refused = shop.ship.answer(let_go(label(0))).await;
    let error = refused.expect_err("the ledger accounts for it");
    assert_eq!(error.name(), ErrorName::InvalidInput);
    let others = shop.ship.answer(let_go(label(2))).await;
    assert_eq!(others, Ok(json!({"posting": null})));
    for _ in 0..2 {
        let gone = shop.ship.answer(let_go(label(1))).await.expect("voided");
        assert_eq!(gone["posting"]["stands"], json!("nothing"));
    }
    let voided = &shop.sandbox.ledger().await["cancelled_shipments"];
    assert_eq!(voided.as_array().expect("a list").len(), 1);
    assert_eq!(voided[0]["id"], json!(label(1)));
}

#[tokio::test]
async fn a_label_that_the_carrier_does_not_void_is_told_as_such() {
    let shop = Shop::with_booked_shipment().await;
    buy(&shop, "test", "ord-1-again").await;
    let label = shop.sandbox.ledger().await["shipments"][1]["id"].clone();
    let label = label.as_str().expect("an id");
    shop.sandbox.plant("carrier", "cancel", "decline").await;
    let failed = shop.ship.answer(let_go(label)).await;
    let error = failed.expect_err("the carrier refuses");
    assert_eq!(error.name(), ErrorName::CarrierUnavailable);
    assert!(error.message().contains("contact_carrier"), "{error}");
}

#[tokio::test]
async fn a_label_that_its_order_may_still_go_on_with_is_not_voided() {
    let shop = Shop::with_order().await;
    buy(&shop, "test", "ord-1-1").await;
    let label = shop.sandbox.ledger().await["shipments"][0]["id"].clone();
    let refused = shop
        .ship
        .answer(let_go(label.as_str().expect("an id")))
        .await;
    let error = refused.expect_err("the order has none yet");
    assert_eq!(error.name(), ErrorName::InvalidInput);
    assert!(error.message().contains("restart or resolve it"), "{error}");
    shop.run(Action::Book).await.expect("found");
    assert_eq!(shop.sandbox.effects().await, ["shipments"]);
}
