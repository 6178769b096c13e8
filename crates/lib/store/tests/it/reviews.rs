//! Reviews and their tokens.

use crate::accepted;
use domain::ports::{Cancellation, Decided, Orders as _, Reserved, Stock as _};
use domain::{Actor, AuditEvent, Decision, Event, Stage, Timestamp};
use tests::{database, invocation};

#[tokio::test]
async fn a_review_is_decided_once_and_the_same_decision_wakes_it_again() {
    let database = database().await;
    let order = accepted(&database, "o").await;
    let by = invocation("o", "a", 1000);
    let event = |event| {
        AuditEvent::new(
            Timestamp::now(),
            event,
            Actor::Operator("op".to_owned()),
            "known",
        )
    };
    let decide = async |decision| {
        let decided = database
            .store
            .decide_review(&by.order_id, decision, &event(Event::Approved))
            .await;
        decided.expect("an answer")
    };
    assert_eq!(
        database.store.reserve(&by, &order, true).await,
        Ok(Reserved::All)
    );
    assert_eq!(database.store.open_review(&by, "token-1").await, Ok(Ok(())));
    assert_eq!(database.store.open_review(&by, "token-2").await, Ok(Ok(())));
    let token = Some("token-2".to_owned());
    assert_eq!(
        decide(Decision::Approved).await,
        Decided::Recorded {
            token: token.clone()
        }
    );
    assert_eq!(
        decide(Decision::Approved).await,
        Decided::Recorded { token }
    );
    assert!(matches!(
        decide(Decision::Rejected).await,
        Decided::Refused(_)
    ));
    let late = database
        .store
        .open_review(&by, "token-3")
        .await
        .expect("an answer");
    assert!(late.is_err(), "whoever asks after the decision finds it");
    let record = database
        .store
        .load(&by.order_id)
        .await
        .expect("an answer")
        .expect("the order");
    assert_eq!(
        (record.state.stage, record.audit.len()),
        (Stage::Validated, 1)
    );
}

#[tokio::test]
async fn cancelling_hands_out_the_token_of_a_waiting_review() {
    let database = database().await;
    let order = accepted(&database, "o").await;
    let by = invocation("o", "a", 1000);
    assert_eq!(
        database.store.reserve(&by, &order, true).await,
        Ok(Reserved::All)
    );
    assert_eq!(database.store.open_review(&by, "token").await, Ok(Ok(())));
    let asked = database
        .store
        .request_cancel(&by.order_id, Timestamp::now())
        .await;
    let review = Some("token".to_owned());
    assert_eq!(asked, Ok(Cancellation::Requested { review }));
    let opened = database
        .store
        .open_review(&by, "another")
        .await
        .expect("an answer");
    assert!(opened.is_err(), "a cancelled order asks nobody");
}
