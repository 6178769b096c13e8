//! What a sweep costs.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::{AttributeValue, PutRequest, WriteRequest};
use domain::ports::Orders as _;
use domain::{Execution, ExecutionStatus, OrderState, Status, Submission, Timestamp};
use monitor::MOST_RECONCILED;
use operations::trend::{self, Flow};
use operations::{Limits, Observation, Projection};
use serde::Serialize;
use serde_json::json;
use tests::{
    Database, ORDERS, READ_MODELS, document, step_functions, submission, watched_database,
};

use crate::{Notices, ORDER, Shop, completed, monitor};

#[tokio::test]
async fn ten_thousand_open_orders_cost_a_sweep_a_bounded_number_of_requests() {
    let (database, requests) = watched_database().await;
    let step_functions = step_functions();
    let now = Timestamp::now();
    // As `accept` stores them; one by one would take a minute.
    let template = submission(&document("ord-0"));
    let (mut writes, mut rows) = (Vec::new(), Vec::new());
    for number in 0..10_000_u32 {
        let mut order = template.order.clone();
        order.order_id = format!("ord-{number}").parse().expect("an order id");
        let state = OrderState::received(&order, now);
        let projection = Projection::received(&state);
        let shard = AttributeValue::S((number % 8).to_string());
        writes.push(write(
            number,
            "order",
            &order,
            ("fingerprint", fingerprint(&template)),
        ));
        writes.push(write(
            number,
            "state",
            &state,
            ("item", AttributeValue::S("state".to_owned())),
        ));
        let mut row: HashMap<String, AttributeValue> =
            serde_dynamo::to_item(&projection).expect("an item");
        let partition = format!("order#ord-{number}");
        row.insert("pk".to_owned(), AttributeValue::S(partition));
        let sort = "projection".to_owned();
        row.insert("sk".to_owned(), AttributeValue::S(sort));
        row.insert("open_shard".to_owned(), shard);
        rows.push(put(row));
    }
    for (table, writes) in [(ORDERS, writes), (READ_MODELS, rows)] {
        for batch in writes.chunks(25) {
            let request = database.client.batch_write_item();
            let request = request.request_items(table, batch.to_vec());
            request.send().await.expect("written");
        }
    }
    let monitor = monitor(&database, &step_functions, Notices::default());
    let _ = requests.take();

    // Nobody is due.
    let swept = monitor.sweep(now).await.expect("a sweep");
    assert_eq!((swept.open, swept.reconciled), (10_000, 0));
    let first = requests.take().len();
    assert!(
        first <= 90,
        "{first} requests, the snapshot's lists among them"
    );
    monitor.sweep(now).await.expect("a sweep");
    let idle = requests.take().len();
    assert!(
        idle <= 40,
        "{idle} requests for reading the index and the notices, and for a snapshot whose lists \
         are there"
    );

    // All are due: so many are reconciled, and the others wait.
    let later = Timestamp::from_millisecond(now.as_millisecond() + 25_000).expect("a time");
    let swept = monitor.sweep(later).await.expect("a sweep");
    assert_eq!((swept.reconciled, swept.failed), (MOST_RECONCILED, 0));
    assert_eq!(swept.postponed, 10_000 - MOST_RECONCILED);
    let busy = requests.take().len();
    // One more for the customer that each is found by, the first time.
    assert!(busy <= first + 4 * MOST_RECONCILED, "{busy} requests");
    assert!(step_functions.calls().len() <= 2 * MOST_RECONCILED);

    // The next one goes on with others.
    let again = monitor.sweep(later).await.expect("a sweep");
    assert_eq!(again.postponed, 10_000 - 2 * MOST_RECONCILED);
}

/// Somebody's hands in the table: what is stored of an order cannot be read.
async fn spoil(database: &Database, order_id: &str) {
    let text = |text: &str| AttributeValue::S(text.to_owned());
    let update = database.client.update_item().table_name(ORDERS);
    let update = update
        .key("order_id", text(order_id))
        .key("item", text("state"))
        .update_expression("SET stage = :stage")
        .expression_attribute_values(":stage", text("teleported"));
    update.send().await.expect("spoilt");
}

#[tokio::test]
async fn orders_that_cannot_be_reconciled_never_keep_the_others_waiting() {
    let shop = Shop::open().await;
    // They are accepted first, so that they are due first.
    for number in 0..=MOST_RECONCILED {
        let order_id = format!("spoilt-{number}");
        shop.database.accepted(&document(&order_id)).await;
        spoil(&shop.database, &order_id).await;
    }
    shop.database.accepted(&document("fine")).await;
    let first = shop.sweep(60).await;
    assert_eq!(
        (first.reconciled, first.failed),
        (MOST_RECONCILED, MOST_RECONCILED)
    );
    assert_eq!(first.postponed, 2);
    let second = shop.sweep(61).await;
    assert_eq!(
        (second.reconciled, second.failed, second.postponed),
        (2, 1, 0)
    );
    assert_eq!(shop.projection("fine").await.status, Status::Received);
    // They come again, later.
    assert_eq!(shop.sweep(120).await.reconciled, 1, "the one that is fine");
    assert_eq!(shop.sweep(400).await.failed, MOST_RECONCILED - 1);
}

#[tokio::test]
async fn a_projection_that_another_version_wrote_is_computed_anew_and_counts_nothing_twice() {
    let shop = Shop::open().await;
    completed(&shop.database, ORDER).await;
    shop.ledger().await;
    let text = |text: &str| AttributeValue::S(text.to_owned());
    let update = shop.database.client.update_item().table_name(READ_MODELS);
    let update = update
        .key("pk", text(&format!("order#{ORDER}")))
        .key("sk", text("projection"))
        .update_expression("SET health = :health")
        .expression_attribute_values(":health", text("divine"));
    update.send().await.expect("spoilt");
    shop.step_functions.tells(
        "ord-1-1",
        json!({"status": "SUCCEEDED", "stopDate": 1_795_428_000}),
    );
    let swept = shop.sweep(120).await;
    assert_eq!((swept.unreadable, swept.failed), (1, 0));
    let projection = shop.projection(ORDER).await;
    assert_eq!(projection.status, Status::Completed);
    let today = shop
        .database
        .read_models
        .counted_today(Timestamp::now())
        .await;
    let captured = trend::money(&[today.expect("an answer")], Flow::Captured);
    assert_eq!(captured.texts(), ["30.98 USD"]);
    assert_eq!(shop.sweep(180).await.unreadable, 0);
}

#[tokio::test]
async fn what_another_version_put_into_an_orders_history_stops_nobody() {
    let shop = Shop::open().await;
    completed(&shop.database, ORDER).await;
    let text = |text: &str| AttributeValue::S(text.to_owned());
    for (item, event) in [
        ("event#000000000000001#beamed_up", "beamed_up"),
        ("parcel#1", "x"),
    ] {
        let put = shop.database.client.put_item().table_name(ORDERS);
        let put = put
            .item("order_id", text(ORDER))
            .item("item", text(item))
            .item("event", text(event));
        put.send().await.expect("written");
    }
    let order_id = ORDER.parse().expect("an order id");
    let record = shop.database.store.load(&order_id).await;
    let record = record.expect("an answer").expect("the order");
    assert_eq!(
        record.unreadable,
        ["event#000000000000001#beamed_up", "parcel#1"]
    );
    shop.ledger().await;
    assert_eq!(shop.projection(ORDER).await.status, Status::Completed);
}

fn fingerprint(submission: &Submission) -> AttributeValue {
    serde_dynamo::to_attribute_value(&submission.fingerprint).expect("a fingerprint")
}

fn write<T: Serialize>(
    number: u32,
    item: &str,
    content: &T,
    more: (&str, AttributeValue),
) -> WriteRequest {
    let mut attributes: HashMap<String, AttributeValue> =
        serde_dynamo::to_item(content).expect("an item");
    let text = |text: String| AttributeValue::S(text);
    attributes.insert("order_id".to_owned(), text(format!("ord-{number}")));
    attributes.insert("item".to_owned(), text(item.to_owned()));
    attributes.insert(more.0.to_owned(), more.1);
    put(attributes)
}

fn put(item: HashMap<String, AttributeValue>) -> WriteRequest {
    let put = PutRequest::builder().set_item(Some(item)).build();
    WriteRequest::builder()
        .put_request(put.expect("an item"))
        .build()
}

/// Each try of a task writes the ledger, and the stream has its projection follow.
#[test]
fn tries_that_write_the_ledger_do_not_put_off_the_next_look_at_the_execution() {
    let at = |second: i64| Timestamp::from_second(1_000 + second).expect("a time");
    let submission = submission(&document(ORDER));
    let mut state = OrderState::received(&submission.order, at(0));
    let running = Execution {
        attempt: 1,
        status: ExecutionStatus::Running,
        stopped_at: None,
        redriven_at: None,
    };
    let asked = Observation {
        execution: Some(running),
        asked: true,
        ..Observation::default()
    };
    let limits = Limits::default();
    let mut projection = Projection::received(&state).next(&state, &asked, &limits, at(30));
    let due = projection.due_at.expect("it is open");
    for second in (35..300).step_by(5) {
        state.version += 1;
        projection = projection.next(&state, &Observation::default(), &limits, at(second));
        assert_eq!(projection.due_at, Some(due), "after {second} s");
    }
    let next = projection.next(&state, &asked, &limits, at(300)).due_at;
    assert!(
        next > Some(at(300)),
        "once it was asked, it is asked again later"
    );
}
