//! Reviews: asking operators, and what they decided before anybody asked.

use domain::ports::Decided;
use domain::{Decision, ErrorName};
use notify::{Action, Notify};
use serde_json::json;
use tests::{STATE_MACHINE, invocation, nobody, sdk_config};
use workflow::Workflow;

use crate::{ORDER, Outbox, Shop, outage, task};

#[tokio::test]
async fn operators_are_asked_to_review_and_reminded() {
    let shop = Shop::with_review().await;
    for reminders in 1..=2 {
        assert_eq!(shop.run(Action::Review).await, Ok(json!({})));
        let notices = shop.operators.sent();
        assert_eq!(notices.len(), reminders);
        let (subject, text) = &notices[0];
        assert_eq!(subject, "Review order ord-1");
        assert!(text.contains("orderctl approve ord-1"), "{text}");
        assert!(!text.contains("token"), "{text}");
    }
    assert!(shop.customers.sent().is_empty());
}

#[tokio::test]
async fn a_review_goes_on_when_operators_cannot_be_told_and_the_reminder_tells_them() {
    let shop = Shop::with_review().await;
    shop.operators.fail(outage());
    assert_eq!(shop.run(Action::Review).await, Ok(json!({})));
    assert!(shop.operators.sent().is_empty());
    let token = Some("token".to_owned());
    let decided = shop.decide(Decision::Approved).await;
    assert_eq!(decided, Decided::Recorded { token });
    let shop = Shop::with_review().await;
    shop.operators.fail(outage());
    shop.run(Action::Review).await.expect("it waits");
    shop.run(Action::Review).await.expect("reminded");
    assert_eq!(shop.operators.sent().len(), 1);
}

#[tokio::test]
async fn an_approval_that_came_before_anybody_waited_lets_the_execution_go_on() {
    for token in ["token", "gone"] {
        let shop = Shop::with_review().await;
        let decided = shop.decide(Decision::Approved).await;
        assert_eq!(decided, Decided::Recorded { token: None });
        let by = shop.invocation();
        let answer = shop.run_with(Action::Review, by, Some(token)).await;
        assert_eq!(answer, Ok(json!({})));
        let woken = json!({"taskToken": token, "output": "{}"});
        let calls = shop.step_functions.calls();
        assert_eq!(calls, [("SendTaskSuccess".to_owned(), woken)]);
        assert!(shop.operators.sent().is_empty());
    }
}

#[tokio::test]
async fn a_rejection_that_came_before_anybody_waited_ends_the_review() {
    let shop = Shop::with_review().await;
    shop.decide(Decision::Rejected).await;
    assert_eq!(shop.run(Action::Review).await, Ok(json!({})));
    assert_eq!(shop.given_up(), ["ReviewRejected"]);
}

#[tokio::test]
async fn an_execution_that_cannot_be_woken_is_retryable() {
    let shop = Shop::with_review().await;
    let decision = Decision::Approved;
    shop.decide(decision).await;
    let workflow = Workflow::new(&sdk_config(&nobody().await), STATE_MACHINE);
    let (store, outbox) = (shop.database.store.clone(), Outbox::default());
    let notify = Notify::new(store, outbox.clone(), outbox, workflow);
    let task = task(Action::Review, shop.invocation(), Some("token"));
    let failed = notify.handle(task).await.expect_err("nobody there");
    assert!(failed.name().retryable(), "{failed}");
}

#[tokio::test]
async fn the_review_of_a_cancelled_order_ends() {
    for decision in [None, Some(Decision::Approved), Some(Decision::Rejected)] {
        let shop = Shop::with_review().await;
        if let Some(decision) = decision {
            shop.decide(decision).await;
        }
        shop.database.cancelled(ORDER).await;
        assert_eq!(shop.run(Action::Review).await, Ok(json!({})));
        assert_eq!(shop.given_up(), ["OrderCancelled"]);
    }
}

#[tokio::test]
async fn the_review_of_an_order_that_is_being_reversed_ends() {
    let shop = Shop::with_review().await;
    shop.database.reversing(ORDER, ErrorName::Internal).await;
    assert_eq!(shop.run(Action::Review).await, Ok(json!({})));
    assert_eq!(shop.given_up(), ["InvalidInput"]);
}

#[tokio::test]
async fn an_order_that_needs_no_review_is_not_reviewed() {
    let shop = Shop::with_held_money().await;
    assert_eq!(shop.run(Action::Review).await, Ok(json!({})));
    assert_eq!(shop.given_up(), ["InvalidInput"]);
}

#[tokio::test]
async fn a_review_needs_a_token_and_the_current_attempt_of_an_order() {
    let shop = Shop::with_review().await;
    let mut other = shop.invocation();
    other.attempt = 2;
    let unknown = invocation("ord-2", "request", 60_000);
    for (by, token) in [
        (shop.invocation(), None),
        (other, Some("token")),
        (unknown, Some("token")),
    ] {
        let refused = shop.run_with(Action::Review, by, token).await;
        assert_eq!(
            refused.expect_err("refused").name(),
            ErrorName::InvalidInput
        );
    }
    assert!(shop.operators.sent().is_empty());
}
