//! Orders at the door.

use domain::ports::Orders as _;
use domain::{Actor, AuditEvent, Event, Timestamp};
use serde_json::json;
use store::Accepted;
use tests::{database, document, submission};

#[tokio::test]
async fn what_is_noted_at_once_about_different_things_is_kept_of_each() {
    let database = database().await;
    let first = submission(&document("o"));
    let now = Timestamp::now();
    database.store.accept(&first, now).await.expect("stored");
    let id = first.order.order_id;
    let noted = |about: &str| {
        let why = "a test";
        AuditEvent::new(now, Event::RefundFailed, Actor::Monitor, why).about(about)
    };
    for about in ["pi_1", "pi_2"] {
        let done = database.store.note(&id, &noted(about)).await;
        done.expect("noted");
    }
    let again = database.store.note_again(&id, &noted("pi_1"), now).await;
    again.expect("noted again");
    let record = database.store.load(&id).await.expect("an answer");
    let audit = record.expect("the order").audit;
    let seen: Vec<_> = audit
        .iter()
        .map(|entry| (entry.about.as_deref(), entry.again.map(|again| again.times)))
        .collect();
    assert_eq!(seen, [(Some("pi_1"), Some(2)), (Some("pi_2"), None)]);
}

#[tokio::test]
async fn the_same_document_is_accepted_once_and_another_one_never() {
    let database = database().await;
    let first = submission(&document("o"));
    let now = Timestamp::now();
    assert!(matches!(
        database.store.accept(&first, now).await,
        Ok(Accepted::New(_))
    ));
    assert!(matches!(
        database.store.accept(&first, now).await,
        Ok(Accepted::Same(_))
    ));
    let mut other = document("o");
    other["lines"][0]["quantity"] = json!(1);
    other["total"] = json!(1799);
    assert_eq!(
        database.store.accept(&submission(&other), now).await,
        Ok(Accepted::Different)
    );
    let record = database
        .store
        .load(&first.order.order_id)
        .await
        .expect("an answer")
        .expect("it");
    assert_eq!(
        (record.order, record.personal),
        (first.order, Some(first.personal))
    );
    assert_eq!(record.state.version, 1);
}

#[tokio::test]
async fn two_senders_of_one_document_get_one_order() {
    let database = database().await;
    let first = submission(&document("o"));
    let now = Timestamp::now();
    let (a, b) = tokio::join!(
        database.store.accept(&first, now),
        database.store.accept(&first, now)
    );
    let new = [a, b]
        .into_iter()
        .filter(|done| matches!(done, Ok(Accepted::New(_))))
        .count();
    assert_eq!(new, 1);
}
