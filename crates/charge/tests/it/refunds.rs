//! What counts as given back: what the provider says has succeeded, and all of it.

use charge::Action;
use domain::ErrorName;
use serde_json::{Value, json};

use crate::{ORDER, Shop};

impl Shop {
    /// The money is taken, and has to go back.
    async fn with_money_to_give_back() -> Self {
        let shop = Self::with_shipped_order().await;
        shop.run(Action::Capture).await.expect("captured");
        shop.fail().await;
        shop
    }

    async fn plant_refund(&self, mode: &str) {
        self.sandbox.plant("payment", "refund", mode).await;
    }

    pub(crate) async fn refund_in_dashboard(&self, amount: &str) {
        let payment = self.payment().await;
        let form = [("payment_intent", payment.as_str()), ("amount", amount)];
        self.sandbox.in_dashboard("refunds", &form).await;
    }

    /// The amounts that went back, each with its key.
    async fn given_back(&self) -> Vec<(u64, Value)> {
        let ledger = self.sandbox.ledger().await;
        let refunds = ledger["refunds"].as_array().expect("a list").iter();
        refunds
            .map(|one| {
                let amount = one["amount"].as_u64().expect("an amount");
                (amount, one["key"].clone())
            })
            .collect()
    }

    /// The undo gives back what is left, and says that everything went back.
    async fn reverses(&self) {
        let answer = self.run(Action::Reverse).await.expect("given back");
        assert_eq!(answer["refunded"], json!(tests::money(3098, "USD")));
        assert_eq!(self.run(Action::Reverse).await, Ok(answer));
    }
}

#[tokio::test]
async fn a_refund_on_its_way_is_not_done_and_never_made_twice() {
    for keys_forgotten in [false, true] {
        let shop = Shop::with_money_to_give_back().await;
        shop.plant_refund("pending").await;
        for _ in 0..3 {
            assert_eq!(
                shop.error(Action::Reverse).await,
                ErrorName::PaymentUnavailable
            );
            if keys_forgotten {
                shop.sandbox.forget_keys().await;
            }
        }
        assert_eq!(shop.sandbox.fired().await, ["refund pending"]);
        assert!(shop.given_back().await.is_empty());
        shop.sandbox.settle(ORDER, "succeeded").await;
        shop.reverses().await;
        assert_eq!(
            shop.given_back().await,
            [(3098, json!("test.ord-1-1-reverse-refund"))]
        );
    }
}

#[tokio::test]
async fn a_refund_that_fails_does_not_count_and_another_one_is_made() {
    let shop = Shop::with_money_to_give_back().await;
    for _ in 0..2 {
        shop.plant_refund("fail").await;
        assert_eq!(
            shop.error(Action::Reverse).await,
            ErrorName::PaymentUnavailable
        );
    }
    assert_eq!(shop.sandbox.fired().await, ["refund fail", "refund fail"]);
    assert!(shop.given_back().await.is_empty());
    shop.reverses().await;
    assert_eq!(
        shop.given_back().await,
        [(3098, json!("test.ord-1-1-reverse-refund-2"))]
    );
}

#[tokio::test]
async fn a_refund_that_fails_after_days_is_made_again() {
    let shop = Shop::with_money_to_give_back().await;
    shop.plant_refund("pending").await;
    shop.error(Action::Reverse).await;
    shop.sandbox.settle(ORDER, "failed").await;
    shop.reverses().await;
    let again = [(3098, json!("test.ord-1-1-reverse-refund-1"))];
    assert_eq!(shop.given_back().await, again);
}

#[tokio::test]
async fn what_was_given_back_in_part_in_the_dashboard_is_completed() {
    let shop = Shop::with_money_to_give_back().await;
    shop.refund_in_dashboard("1000").await;
    shop.reverses().await;
    let given_back = shop.given_back().await;
    assert_eq!(given_back[0], (1000, Value::Null));
    assert_eq!(
        given_back[1],
        (2098, json!("test.ord-1-1-reverse-refund-1"))
    );
    assert_eq!(given_back.len(), 2);
}

#[tokio::test]
async fn what_was_given_back_in_whole_in_the_dashboard_is_not_given_back_again() {
    let shop = Shop::with_money_to_give_back().await;
    for part in ["1000", "2098"] {
        shop.refund_in_dashboard(part).await;
    }
    shop.reverses().await;
    let parts = [(1000, Value::Null), (2098, Value::Null)];
    assert_eq!(shop.given_back().await, parts);
}

#[tokio::test]
async fn a_part_that_is_given_back_between_two_tries_is_taken_into_account() {
    for mode in ["error", "fail", "stored"] {
        let shop = Shop::with_money_to_give_back().await;
        match mode {
            "stored" => shop.keep_error("refund").await,
            mode => shop.plant_refund(mode).await,
        }
        shop.error(Action::Reverse).await;
        shop.refund_in_dashboard("1000").await;
        shop.reverses().await;
        let amounts: Vec<_> = shop.given_back().await;
        let amounts: Vec<_> = amounts.iter().map(|(amount, _)| *amount).collect();
        assert_eq!(amounts, [1000, 2098], "{mode}");
    }
}

#[tokio::test]
async fn a_part_of_somebody_elses_that_is_on_its_way_is_waited_for() {
    let shop = Shop::with_money_to_give_back().await;
    shop.plant_refund("pending").await;
    shop.refund_in_dashboard("1000").await;
    assert_eq!(
        shop.error(Action::Reverse).await,
        ErrorName::PaymentUnavailable
    );
    shop.sandbox.settle(ORDER, "failed").await;
    shop.reverses().await;
    let whole = [(3098, json!("test.ord-1-1-reverse-refund-1"))];
    assert_eq!(shop.given_back().await, whole);
}
