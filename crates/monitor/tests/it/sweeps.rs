//! What a sweep costs.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::{AttributeValue, PutRequest, WriteRequest};
use domain::watch::Watch;
use domain::{OrderState, Submission, Timestamp};
use monitor::LOOKS;
use serde::Serialize;
use tests::{ORDERS, document, step_functions, submission, watched_database};

use crate::{Told, monitor};

#[tokio::test]
async fn ten_thousand_open_orders_cost_a_sweep_a_bounded_number_of_requests() {
    let (database, requests) = watched_database().await;
    let step_functions = step_functions();
    let now = Timestamp::now();
    // As `accept` stores them; one by one would take a minute.
    let template = submission(&document("ord-0"));
    let mut writes = Vec::new();
    for number in 0..10_000_u32 {
        let mut order = template.order.clone();
        order.order_id = format!("ord-{number}").parse().expect("an order id");
        let state = OrderState::received(&order, now);
        let watch = Watch::received(&state);
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
        writes.push(write(number, "watch", &watch, ("open_shard", shard)));
    }
    for batch in writes.chunks(25) {
        let request = database.client.batch_write_item();
        let request = request.request_items(ORDERS, batch.to_vec());
        request.send().await.expect("written");
    }
    let monitor = monitor(database.store.clone(), &step_functions, Told::default());
    let _ = requests.take();

    // Nobody is due.
    let swept = monitor.sweep(now).await.expect("a sweep");
    assert_eq!((swept.open, swept.looked), (10_000, 0));
    let first = requests.take().len();
    assert!(
        first <= 90,
        "{first} requests, the board's lists among them"
    );
    monitor.sweep(now).await.expect("a sweep");
    let idle = requests.take().len();
    assert!(
        idle <= 40,
        "{idle} requests for reading the index and the notices, and for a board whose lists are there"
    );

    // All are due: so many are looked at, and the others wait.
    let later = Timestamp::from_millisecond(now.as_millisecond() + 25_000).expect("a time");
    let swept = monitor.sweep(later).await.expect("a sweep");
    assert_eq!((swept.looked, swept.failed), (LOOKS, 0));
    assert_eq!(swept.postponed, 10_000 - LOOKS);
    let busy = requests.take().len();
    // One more for the customer that each is found by, the first time.
    assert!(busy <= first + 4 * LOOKS, "{busy} requests");
    assert!(step_functions.calls().len() <= 2 * LOOKS);

    // The next one goes on with others.
    let again = monitor.sweep(later).await.expect("a sweep");
    assert_eq!(again.postponed, 10_000 - 2 * LOOKS);
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
    let put = PutRequest::builder().set_item(Some(attributes)).build();
    WriteRequest::builder()
        .put_request(put.expect("an item"))
        .build()
}
