//! Messages to customers.

use domain::ledger::{Entry, Notify as Notified, Reversal};
use domain::ports::ProviderError;
use domain::{ErrorName, Stage};
use notify::{Action, Notify, Ses, Sns};
use tests::{STATE_MACHINE, assert_impersonal, nobody, sdk_config};
use workflow::Workflow;

use crate::{ORDER, Shop, outage, sent, task};

#[tokio::test]
async fn the_customer_of_a_paid_order_hears_once_where_it_is() {
    let shop = Shop::with_paid_order().await;
    for _ in 0..2 {
        assert_eq!(shop.run(Action::Shipped).await, sent("message-1"));
    }
    let messages = shop.customers.sent();
    assert_eq!(messages.len(), 1);
    let (subject, text) = &messages[0];
    assert_eq!(subject, "Your order ord-1 is on its way");
    for needed in [
        "ada@example.com",
        "Ada Example",
        "9400-tracking",
        "30.98 USD",
        "<html",
    ] {
        assert!(text.contains(needed), "{needed} in {text}");
    }
    assert!(shop.operators.sent().is_empty());
    let state = shop.database.state(ORDER).await;
    assert_eq!(state.stage, Stage::Completed);
    assert!(state.closed_at.is_some());
}

#[tokio::test]
async fn a_mail_service_that_is_down_is_retryable_and_leaves_the_order_paid() {
    let shop = Shop::with_paid_order().await;
    shop.customers.fail(outage());
    assert_eq!(
        shop.error(Action::Shipped).await,
        ErrorName::NotificationUnavailable
    );
    assert_eq!(shop.database.state(ORDER).await.stage, Stage::Captured);
    assert_eq!(shop.run(Action::Shipped).await, sent("message-1"));
}

#[tokio::test]
async fn a_message_that_may_not_have_gone_out_is_sent_again() {
    let shop = Shop::with_paid_order().await;
    let silence = "the mail service did not answer".to_owned();
    shop.customers.fail(ProviderError::Unknown(silence));
    assert_eq!(
        shop.error(Action::Shipped).await,
        ErrorName::NotificationUnavailable
    );
    assert_eq!(shop.run(Action::Shipped).await, sent("message-2"));
}

#[tokio::test]
async fn a_function_that_died_is_succeeded_and_one_at_work_is_waited_for() {
    let shop = Shop::with_paid_order().await;
    shop.database.claimed::<Notified>(ORDER, -1).await;
    assert_eq!(shop.run(Action::Shipped).await, sent("message-1"));
    let shop = Shop::with_paid_order().await;
    shop.database.claimed::<Notified>(ORDER, 60_000).await;
    assert_eq!(
        shop.error(Action::Shipped).await,
        ErrorName::StoreUnavailable
    );
    assert!(shop.customers.sent().is_empty());
}

#[tokio::test]
async fn a_customer_whose_personal_data_was_erased_gets_no_message() {
    let shop = Shop::with_paid_order().await;
    shop.database.erase_personal_data(ORDER).await;
    assert_eq!(shop.error(Action::Shipped).await, ErrorName::InvalidInput);
    assert!(shop.customers.sent().is_empty());
}

#[tokio::test]
async fn nobody_hears_of_an_order_that_is_not_there_yet_or_is_being_reversed() {
    let shop = Shop::with_held_money().await;
    for action in [Action::Shipped, Action::Failed] {
        assert_eq!(
            shop.error(action).await,
            ErrorName::InvalidInput,
            "{action:?}"
        );
    }
    shop.database.reversing(ORDER, ErrorName::Internal).await;
    for action in [Action::Shipped, Action::Failed] {
        assert_eq!(
            shop.error(action).await,
            ErrorName::InvalidInput,
            "{action:?}"
        );
    }
    assert!(shop.customers.sent().is_empty());
}

#[tokio::test]
async fn the_customer_of_a_reversed_order_hears_once_why_and_where_the_money_is() {
    let refunded = Reversal::Refunded {
        refund: "re_1".to_owned(),
        amount: tests::money(3098, "USD"),
    };
    let written_off = Reversal::WrittenOff {
        captured: tests::money(3098, "USD"),
        refunded: tests::money(0, "USD"),
    };
    for (error, reversal, reason, money) in [
        (
            ErrorName::OrderRejected,
            Reversal::Nothing,
            "sold out or its price has changed",
            "You were not charged.",
        ),
        (
            ErrorName::PaymentDeclined,
            Reversal::Nothing,
            "your payment was declined",
            "You were not charged.",
        ),
        (
            ErrorName::OrderCancelled,
            Reversal::Voided,
            "it was cancelled",
            "Your payment was released; you were not charged.",
        ),
        (
            ErrorName::ShipmentRejected,
            Reversal::Voided,
            "the carrier cannot deliver",
            "Your payment was released; you were not charged.",
        ),
        (
            ErrorName::StoreUnavailable,
            refunded,
            "something went wrong on our side",
            "Your payment was refunded.",
        ),
        (
            ErrorName::Internal,
            written_off,
            "something went wrong on our side",
            "Your payment is settled with you separately.",
        ),
    ] {
        let shop = Shop::with_reversed_order(error, reversal).await;
        for _ in 0..2 {
            assert_eq!(shop.run(Action::Failed).await, sent("message-1"), "{error}");
        }
        let messages = shop.customers.sent();
        assert_eq!(messages.len(), 1);
        let (subject, text) = &messages[0];
        assert_eq!(subject, "Your order ord-1 could not be completed");
        assert!(text.contains(reason) && text.contains(money), "{text}");
        assert!(!text.contains(error.as_str()), "our inner life: {text}");
    }
}

#[tokio::test]
async fn a_failure_message_that_cannot_be_sent_is_retryable_and_the_order_stays_closed() {
    let error = ErrorName::PaymentDeclined;
    let shop = Shop::with_reversed_order(error, Reversal::Nothing).await;
    shop.customers.fail(outage());
    assert_eq!(
        shop.error(Action::Failed).await,
        ErrorName::NotificationUnavailable
    );
    shop.database.erase_personal_data(ORDER).await;
    assert_eq!(shop.error(Action::Failed).await, ErrorName::InvalidInput);
    let state = shop.database.state(ORDER).await;
    assert_eq!(state.stage, Stage::Rejected);
    assert_eq!(state.notify_failure.as_ref().and_then(Entry::outcome), None);
}

#[tokio::test]
async fn a_mail_service_that_cannot_be_reached_is_retryable_and_nobody_is_named() {
    let shop = Shop::with_paid_order().await;
    let aws = sdk_config(&nobody().await);
    let notify = Notify::new(
        shop.database.store.clone(),
        Ses::new(
            &aws,
            "shop@example.com".to_owned(),
            "mail-of-orders".to_owned(),
        ),
        Sns::new(
            &aws,
            "arn:aws:sns:us-east-1:000000000000:operators".to_owned(),
        ),
        Workflow::new(&aws, STATE_MACHINE),
    );
    let failed = notify
        .handle(task(Action::Shipped, shop.invocation(), None))
        .await;
    assert_impersonal(&format!("{failed:?}"));
    assert_eq!(
        failed.expect_err("nobody there").name(),
        ErrorName::NotificationUnavailable
    );
    assert_eq!(shop.database.state(ORDER).await.stage, Stage::Captured);
}
