//! Orders' rows: announced with the order, written by whoever follows, and skipped where they cannot be
//! read.

use aws_sdk_dynamodb::types::AttributeValue;
use domain::ports::{Orders as _, StoreError};
use domain::{Event, Execution, ExecutionStatus, OrderId, OrderState, Timestamp};
use operations::{Limits, Observation, Projection};
use read_models::Row;
use store::Begun;
use tests::{Database, READ_MODELS, audited, database, document};

fn id(text: &str) -> OrderId {
    text.parse().expect("an order id")
}

fn text(value: &str) -> AttributeValue {
    AttributeValue::S(value.to_owned())
}

/// Somebody else's version wrote this attribute.
async fn overwrite(database: &Database, order_id: &str, name: &str, value: AttributeValue) {
    let update = database
        .client
        .update_item()
        .table_name(READ_MODELS)
        .key("pk", text(&format!("order#{order_id}")))
        .key("sk", text("projection"))
        .update_expression("SET #name = :value")
        .expression_attribute_names("#name", name)
        .expression_attribute_values(":value", value);
    update.send().await.expect("overwritten");
}

async fn projected(database: &Database, order_id: &str) -> (OrderState, Projection) {
    database.accepted(&document(order_id)).await;
    let state = database.state(order_id).await;
    let projection = Projection {
        revision: 2,
        ..Projection::received(&state)
    };
    let put = database.read_models.put_projection(&projection).await;
    assert_eq!(put, Ok(true));
    (state, projection)
}

#[tokio::test]
async fn an_accepted_order_is_announced_in_the_same_write_and_found_among_the_open_ones() {
    let database = database().await;
    database.accepted(&document("o")).await;
    let open = database.read_models.open_orders().await.expect("an answer");
    assert!(open.projections.is_empty(), "nobody has looked at it yet");
    let [blank] = open.blanks.as_slice() else {
        panic!("{open:?}");
    };
    let state = database.state("o").await;
    assert_eq!((blank.order_id.as_str(), blank.revision), ("o", 1));
    assert!(blank.due_at > state.received_at && !blank.is_unreadable);
    let row = database.read_models.order(&id("o")).await;
    assert_eq!(row, Ok(Some(Row::Blank(blank.clone()))));
}

#[tokio::test]
async fn only_what_follows_what_is_stored_is_written_and_what_is_over_is_open_no_more() {
    let database = database().await;
    let (mut state, projection) = projected(&database, "o").await;
    let read_models = &database.read_models;
    assert_eq!(read_models.put_projection(&projection).await, Ok(false));
    let open = read_models.open_orders().await.expect("an answer");
    assert_eq!(open.projections, std::slice::from_ref(&projection));
    state.stage = domain::Stage::Completed;
    state.closed_at = Some(Timestamp::now());
    let observed = Observation {
        execution: Some(Execution {
            attempt: 1,
            status: ExecutionStatus::Succeeded,
            redriven_at: None,
            stopped_at: Some(Timestamp::now()),
        }),
        ..Observation::default()
    };
    let over = projection.next(&state, &observed, &Limits::default(), Timestamp::now());
    assert!(over.is_over());
    assert_eq!(read_models.put_projection(&over).await, Ok(true));
    let open = read_models.open_orders().await.expect("an answer");
    assert_eq!((open.projections.len(), open.blanks.len()), (0, 0));
}

#[tokio::test]
async fn a_projection_that_another_version_wrote_is_left_out_and_named_and_the_others_are_read() {
    let database = database().await;
    projected(&database, "newer").await;
    projected(&database, "stranger").await;
    let (_, fine) = projected(&database, "fine").await;
    // A word that this version does not know, and a field that it does not.
    overwrite(&database, "newer", "status", text("teleported")).await;
    overwrite(&database, "fine", "shoe_size", text("46")).await;
    overwrite(
        &database,
        "stranger",
        "due_at",
        AttributeValue::N("7".to_owned()),
    )
    .await;
    overwrite(&database, "stranger", "total", text("a lot")).await;
    let open = database.read_models.open_orders().await.expect("an answer");
    assert_eq!(open.projections, std::slice::from_ref(&fine));
    let mut left: Vec<_> = open
        .blanks
        .iter()
        .map(|blank| (blank.order_id.as_str(), blank.revision, blank.is_unreadable))
        .collect();
    left.sort_unstable();
    assert_eq!(left, [("newer", 2, true), ("stranger", 2, true)]);
    let orders = ["newer", "fine", "none"].map(id);
    let page = database.read_models.projections(&orders).await;
    assert_eq!(page, Ok(vec![fine]));
}

#[tokio::test]
async fn postponing_moves_an_order_back_and_never_forward_and_leaves_closed_ones_alone() {
    let database = database().await;
    let (_, projection) = projected(&database, "o").await;
    let read_models = &database.read_models;
    let due = projection.due_at.expect("it is open");
    let due_at = async || {
        let open = read_models.open_orders().await.expect("an answer");
        open.projections.first().and_then(|first| first.due_at)
    };
    let later = due + std::time::Duration::from_mins(5);
    read_models
        .postpone(&id("o"), later)
        .await
        .expect("an answer");
    assert_eq!(due_at().await, Some(later));
    read_models
        .postpone(&id("o"), due)
        .await
        .expect("an answer");
    assert_eq!(due_at().await, Some(later));
    read_models
        .postpone(&id("none"), later)
        .await
        .expect("an answer");
    assert_eq!(read_models.order(&id("none")).await, Ok(None));
    // Whoever follows need not know of it.
    let next = Projection {
        revision: 3,
        ..projection
    };
    assert_eq!(read_models.put_projection(&next).await, Ok(true));
}

#[tokio::test]
async fn a_new_attempt_begins_only_on_the_projection_that_it_was_made_from() {
    let database = database().await;
    let (state, projection) = projected(&database, "o").await;
    let record = database.store.load(&id("o")).await;
    let record = record.expect("an answer").expect("the order");
    let event = audited(Event::ReprocessRequested);
    let begin = async |revision| {
        let fresh = record.state.next_attempt(&record.order, event.at);
        let projection = Projection {
            revision,
            ..Projection::received(&fresh)
        };
        let announced = database.read_models.put_with(&projection);
        let announced = vec![announced.expect("a write")];
        database
            .store
            .begin_attempt(&record, fresh, None, &event, announced)
            .await
    };
    // Somebody else wrote it meanwhile.
    let stale = begin(projection.revision).await;
    assert!(
        matches!(stale, Err(StoreError::Unavailable(_))),
        "{stale:?}"
    );
    assert_eq!(database.state("o").await, state);
    let begun = begin(projection.revision + 1).await;
    assert!(matches!(begun, Ok(Begun::Yes(_))), "{begun:?}");
    let row = database.read_models.order(&id("o")).await;
    let row = row.expect("an answer").and_then(Row::projection);
    assert_eq!(row.map(|row| row.attempt), Some(2));
}
