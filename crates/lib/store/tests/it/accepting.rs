//! Orders at the door.

use domain::Timestamp;
use domain::ports::Orders as _;
use serde_json::json;
use store::Accepted;
use tests::{database, document, submission};

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
