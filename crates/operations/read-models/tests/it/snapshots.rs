//! What the operators' page reads.

use domain::{Actor, Execution, ExecutionStatus, OrderId, OrderState, Status, Timestamp};
use operations::advice::Action;
use operations::bulk::{Applied, Bulk, BulkState, Outcome, Part};
use operations::snapshot::{List, Lists, take};
use operations::trend::{self, Counter, Flow, Increment};
use operations::{Limits, Observation, Projection};
use read_models::{Ended, PAGE, Reference, Referred};
use store::item::text;
use tests::{Database, READ_MODELS, database, document, money, submission};

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_795_428_000 + second).expect("a time")
}

fn id(text: &str) -> OrderId {
    text.parse().expect("an order id")
}

fn projection(order_id: &str, second: i64) -> (OrderState, Projection) {
    let state = OrderState::received(&submission(&document(order_id)).order, at(second));
    let projection = Projection::received(&state);
    (state, projection)
}

/// An order whose message was given up at that second: it is over.
async fn ended(database: &Database, order_id: &str, second: i64) {
    let (mut state, projection) = projection(order_id, 0);
    state.stage = domain::Stage::Completed;
    state.closed_at = Some(at(second));
    let observed = Observation {
        execution: Some(Execution {
            attempt: 1,
            status: ExecutionStatus::Succeeded,
            redriven_at: None,
            stopped_at: Some(at(second)),
        }),
        ..Observation::default()
    };
    let over = projection.next(&state, &observed, &Limits::default(), at(second));
    assert!(over.is_over());
    assert_eq!(database.read_models.put_projection(&over).await, Ok(true));
}

#[tokio::test]
async fn what_is_over_is_listed_by_status_the_latest_first_a_page_at_a_time() {
    let database = database().await;
    for number in 0..5 {
        ended(&database, &format!("ord-{number}"), number).await;
    }
    let read_models = &database.read_models;
    let mut seen = Vec::new();
    let mut after = None;
    loop {
        let page = read_models.closed_orders(Status::Completed, after.as_deref(), 2);
        let (page, next) = page.await.expect("a page");
        assert!(page.len() <= 2);
        seen.extend(
            page.into_iter()
                .map(|projection| projection.order_id.to_string()),
        );
        after = next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(seen, ["ord-4", "ord-3", "ord-2", "ord-1", "ord-0"]);
    let none = read_models.closed_orders(Status::Failed, None, 2).await;
    assert_eq!(none.expect("a page"), (Vec::new(), None));
    // What is no place to go on at is the beginning.
    let first = read_models
        .closed_orders(Status::Completed, Some("x.y"), 1)
        .await;
    assert_eq!(first.expect("a page").0[0].order_id, id("ord-4"));
}

#[tokio::test]
async fn what_ended_lately_is_bounded_by_time_and_by_number() {
    let database = database().await;
    for number in 0..5 {
        ended(&database, &format!("ord-{number}"), number).await;
    }
    let read_models = &database.read_models;
    let since = async |second, limit| {
        let found = read_models.closed_since(Status::Completed, at(second), limit);
        let (found, more) = found.await.expect("an answer");
        (found.len(), more)
    };
    assert_eq!(since(0, 10).await, (5, false));
    assert_eq!(since(3, 10).await, (2, false));
    assert_eq!(since(9, 10).await, (0, false));
    assert_eq!(since(0, 3).await, (3, true));
}

#[tokio::test]
async fn a_snapshot_is_kept_with_its_lists_and_each_page_is_read_alone() {
    let database = database().await;
    let read_models = &database.read_models;
    assert_eq!(read_models.snapshot().await, Ok(None));
    let open: Vec<Projection> = (0..120)
        .map(|number| projection(&format!("ord-{number:03}"), number).1)
        .collect();
    let (shown, lists): (_, Lists) = take(&open, &[], false, at(200));
    read_models
        .put_snapshot(&shown, &lists)
        .await
        .expect("kept");
    assert_eq!(read_models.snapshot().await, Ok(Some(shown.clone())));
    let page = async |number| {
        let page = read_models
            .listed(&shown.id, &List::Status(Status::Received), number)
            .await;
        page.expect("an answer").map(|page| page.len())
    };
    assert_eq!(page(0).await, Some(PAGE));
    assert_eq!(page(2).await, Some(20));
    assert_eq!(page(3).await, None);
    let none = read_models.listed(&shown.id, &List::Reviews, 0).await;
    assert_eq!(none, Ok(None));
    // A snapshot of the same orders is a later look at the same lists.
    let (later, lists) = take(&open, &[], false, at(210));
    assert_eq!(later.id, shown.id);
    read_models
        .put_snapshot(&later, &lists)
        .await
        .expect("kept");
    let kept = read_models
        .snapshot()
        .await
        .expect("an answer")
        .expect("a snapshot");
    assert_eq!(kept.at, at(210));
}

#[tokio::test]
async fn what_ended_in_a_span_is_read_either_way_and_on_from_any_of_them() {
    let database = database().await;
    for number in 0..5 {
        ended(&database, &format!("ord-{number}"), number).await;
    }
    let read_models = &database.read_models;
    let read = async |oldest_first, after: Option<&str>| {
        let span = Ended {
            from: at(1),
            to: at(3),
            oldest_first,
            ..Ended::as_status(Status::Completed)
        };
        let page = read_models.ended_orders(&span, after, 10).await;
        let (page, next) = page.expect("a page");
        assert_eq!(next, None);
        let ids = page.into_iter().map(|order| order.order_id.to_string());
        ids.collect::<Vec<_>>()
    };
    assert_eq!(read(false, None).await, ["ord-3", "ord-2", "ord-1"]);
    assert_eq!(read(true, None).await, ["ord-1", "ord-2", "ord-3"]);
    let page = read_models.closed_orders(Status::Completed, None, 5).await;
    let places: Vec<String> = page.expect("a page").0.iter().map(Ended::place).collect();
    // The latest, then the others; beyond the span nothing is left, or all of it.
    assert_eq!(read(false, Some(&places[1])).await, ["ord-2", "ord-1"]);
    assert_eq!(read(true, Some(&places[2])).await, ["ord-3"]);
    assert_eq!(read(false, Some(&places[4])).await, [""; 0]);
    assert_eq!(read(true, Some(&places[0])).await, [""; 0]);
    assert_eq!(read(false, Some(&places[0])).await.len(), 3);
    assert_eq!(read(true, Some(&places[4])).await.len(), 3);
}

#[tokio::test]
async fn a_look_that_began_earlier_and_ended_later_replaces_nothing() {
    let database = database().await;
    let read_models = &database.read_models;
    let (later, lists) = take(&[projection("ord-1", 1).1], &[], false, at(210));
    let kept = read_models.put_snapshot(&later, &lists).await;
    kept.expect("kept");
    let (earlier, lists) = take(&[], &[], false, at(200));
    let left = read_models.put_snapshot(&earlier, &lists).await;
    left.expect("left alone");
    assert_eq!(read_models.snapshot().await, Ok(Some(later)));
}

#[tokio::test]
async fn one_of_many_that_look_asks_for_the_next_snapshot() {
    let database = database().await;
    let read_models = &database.read_models;
    assert_eq!(read_models.claim_snapshot(at(0), 5).await, Ok(true));
    assert_eq!(read_models.claim_snapshot(at(4), 5).await, Ok(false));
    assert_eq!(read_models.claim_snapshot(at(6), 5).await, Ok(true));
}

#[tokio::test]
async fn orders_are_found_by_customer_payment_and_tracking_number() {
    let database = database().await;
    let read_models = &database.read_models;
    for (number, second) in [(1, 10), (2, 20)] {
        let (_, projection) = projection(&format!("ord-{number}"), second);
        for _ in 0..2 {
            let done = read_models
                .remember(Reference::Customer, "cus-7", &projection)
                .await;
            done.expect("remembered");
        }
    }
    let found = read_models.find(Reference::Customer, "cus-7").await;
    assert_eq!(found, Ok(vec![id("ord-2"), id("ord-1")]));
    let none = read_models.find(Reference::Payment, "cus-7").await;
    assert_eq!(none, Ok(Vec::new()));
}

#[tokio::test]
async fn orders_are_found_whatever_the_capitals_and_those_of_an_earlier_version_as_they_were() {
    let database = database().await;
    let read_models = &database.read_models;
    for (order, second, value) in [("ord-1", 10, "Cus-7"), ("ord-2", 20, "CUS-7")] {
        let (_, projection) = projection(order, second);
        let done = read_models.remember(Reference::Customer, value, &projection);
        done.await.expect("remembered");
    }
    // An earlier version kept a value as it was written.
    let old = database.client.put_item().table_name(READ_MODELS);
    let old = old
        .item("pk", text("customer#Cus-7"))
        .item("sk", text("001795428015000#ord-3"))
        .item("of", text("ord-3"));
    old.send().await.expect("written");
    let as_written = read_models.find(Reference::Customer, "Cus-7").await;
    let all = ["ord-2", "ord-3", "ord-1"].map(id);
    assert_eq!(as_written, Ok(all.to_vec()), "the latest first");
    let small = read_models.find(Reference::Customer, "cus-7").await;
    assert_eq!(small, Ok(vec![id("ord-2"), id("ord-1")]));
}

#[tokio::test]
async fn references_are_read_on_from_the_last_one_that_is_known_either_way() {
    let database = database().await;
    let read_models = &database.read_models;
    for number in 0..3 {
        let (_, projection) = projection(&format!("ord-{number}"), number);
        let done = read_models.remember(Reference::Customer, "cus-7", &projection);
        done.await.expect("remembered");
    }
    for oldest_first in [false, true] {
        let asked = Referred {
            reference: Reference::Customer,
            key: "cus-7".to_owned(),
            oldest_first,
        };
        let first = read_models.referred(&asked, None, 2).await;
        let first = first.expect("an answer");
        let place = first[1].place.as_str();
        let second = read_models.referred(&asked, Some(place), 2).await;
        let found = first.iter().chain(second.as_ref().expect("an answer"));
        let found: Vec<&str> = found.map(|found| found.order_id.as_str()).collect();
        let mut expected = ["ord-2", "ord-1", "ord-0"];
        if oldest_first {
            expected.reverse();
        }
        assert_eq!(found, expected);
    }
}

#[tokio::test]
async fn counters_add_up_within_their_span_and_money_within_its_day() {
    let database = database().await;
    let read_models = &database.read_models;
    let counted = [
        Increment::one(Counter::Received),
        Increment::money(Flow::Captured, money(1299, "USD")),
    ];
    read_models.count(&counted, at(0)).await.expect("counted");
    read_models.count(&counted, at(10)).await.expect("counted");
    read_models.count(&counted, at(900)).await.expect("counted");
    read_models
        .count(&[], at(900))
        .await
        .expect("nothing to count");
    let spans = read_models.counted_since(at(0)).await.expect("an answer");
    let received: Vec<u64> = spans
        .iter()
        .map(|span| span.of(Counter::Received))
        .collect();
    assert_eq!(received, [2, 1]);
    assert_eq!(
        read_models
            .counted_since(at(900))
            .await
            .expect("some")
            .len(),
        1
    );
    let today = read_models.counted_today(at(5)).await.expect("an answer");
    let captured = trend::money(&[today], Flow::Captured);
    assert_eq!(captured.texts(), ["38.97 USD"]);
    let tomorrow = read_models
        .counted_today(at(24 * 3600))
        .await
        .expect("an answer");
    assert!(tomorrow.values.is_empty());
}

#[tokio::test]
async fn a_bulk_is_written_by_whoever_read_it_last_and_found_while_it_is_at_work() {
    let database = database().await;
    let read_models = &database.read_models;
    let part = Part {
        order_id: id("ord-1"),
        version: 1,
        attempt: 1,
        state: None,
        total: submission(&document("ord-1")).order.total,
        requested_at: None,
        outcome: Outcome::Waiting,
        warning: None,
        failure: None,
        left_to: None,
    };
    let action = Action::Reprocess;
    let mut bulk = Bulk::preview(action, vec![part], Vec::new(), at(0));
    assert_eq!(read_models.put_bulk(&bulk, at(0)).await, Ok(true));
    assert_eq!(read_models.put_bulk(&bulk, at(0)).await, Ok(false));
    assert_eq!(read_models.bulks_at_work().await, Ok(Vec::new()));
    bulk.revision += 1;
    bulk.applied = Some(Applied {
        by: Actor::Operator("somebody".to_owned()),
        reason: "a test".to_owned(),
        at: at(1),
    });
    assert_eq!(read_models.put_bulk(&bulk, at(1)).await, Ok(true));
    assert_eq!(read_models.bulk(&bulk.digest).await, Ok(Some(bulk.clone())));
    let digests = read_models.digests_at_work().await;
    assert_eq!(digests, Ok(vec![bulk.digest.clone()]));
    assert_eq!(read_models.bulks_at_work().await, Ok(vec![bulk.clone()]));
    read_models
        .bulk_is_over(&bulk.digest, at(2))
        .await
        .expect("over");
    assert_eq!(read_models.digests_at_work().await, Ok(Vec::new()));
    assert_eq!(read_models.bulk("another").await, Ok(None));
}

#[tokio::test]
async fn the_bulks_that_were_applied_last_are_listed_first_and_each_once() {
    let database = database().await;
    let read_models = &database.read_models;
    let preview = |action, second| Bulk::preview(action, Vec::new(), Vec::new(), at(second));
    let keep = async |bulk: &mut Bulk, second| {
        bulk.revision += 1;
        bulk.applied = Some(Applied {
            by: Actor::Operator("somebody".to_owned()),
            reason: "a test".to_owned(),
            at: at(second),
        });
        read_models.put_bulk(bulk, at(second)).await
    };
    let (mut first, mut second) = (preview(Action::Cancel, 0), preview(Action::Redrive, 0));
    let previewed = preview(Action::Resend, 0);
    for bulk in [&first, &second, &previewed] {
        assert_eq!(read_models.put_bulk(bulk, at(0)).await, Ok(true));
    }
    assert_eq!(keep(&mut second.clone(), 2).await, Ok(true));
    assert_eq!(keep(&mut second, 3).await, Ok(false), "it is applied");
    assert_eq!(keep(&mut first, 1).await, Ok(true));
    first.revision += 1;
    first.ended_at = Some(at(4));
    assert_eq!(read_models.put_bulk(&first, at(4)).await, Ok(true));
    let latest = read_models.latest_bulks().await.expect("an answer");
    let latest: Vec<_> = latest
        .iter()
        .map(|bulk| (bulk.action, bulk.state()))
        .collect();
    let expected = [
        (Action::Redrive, BulkState::Running),
        (Action::Cancel, BulkState::Done),
    ];
    assert_eq!(latest, expected);
}
