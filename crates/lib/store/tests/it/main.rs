//! The adapter against a real engine: what the domain's rules promise, DynamoDB keeps.
#![expect(clippy::expect_used, clippy::panic, reason = "tests")]

mod accepting;
mod catalogue;
mod claims;
mod requests;
mod reviews;
mod rules;
mod settling;
mod size;
mod stock;

use domain::ledger::{Authorization, Authorize, Book};
use domain::ports::{Orders as _, Reserved, Stock as _};
use domain::{OrderState, Timestamp};
use tests::{Database, document, invocation, submission};

pub(crate) fn held() -> Authorization {
    Authorization::Held {
        payment: "pi_1".to_owned(),
        made_at: None,
    }
}

pub(crate) async fn accepted(database: &Database, order_id: &str) -> domain::Order {
    let submission = submission(&document(order_id));
    database
        .store
        .accept(&submission, Timestamp::now())
        .await
        .expect("accepted");
    submission.order
}

pub(crate) async fn validated(database: &Database, order_id: &str) -> domain::Order {
    let order = accepted(database, order_id).await;
    let by = invocation(order_id, "validate", 1000);
    assert_eq!(
        database.store.reserve(&by, &order, false).await,
        Ok(Reserved::All)
    );
    order
}

pub(crate) async fn state(database: &Database, order_id: &str) -> OrderState {
    let order_id = order_id.parse().expect("an id");
    database
        .store
        .load(&order_id)
        .await
        .expect("an answer")
        .expect("the order")
        .state
}

pub(crate) async fn shipped(database: &Database, order_id: &str) {
    validated(database, order_id).await;
    let by = invocation(order_id, "s", 1000);
    database
        .store
        .claim::<Authorize>(&by)
        .await
        .expect("claimed");
    database
        .store
        .commit::<Authorize>(&by, held())
        .await
        .expect("committed");
    database.store.claim::<Book>(&by).await.expect("claimed");
    let booked = domain::ledger::Booking::Booked {
        label: "se-1".to_owned(),
        carrier: "usps".to_owned(),
        tracking: "9400".to_owned(),
    };
    database
        .store
        .commit::<Book>(&by, booked)
        .await
        .expect("committed");
}
