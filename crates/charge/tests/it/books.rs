//! The payment provider's books, as whoever audits reads them.

use std::time::Duration;

use domain::books::{BookPage, Posting, PostingKind, Stands};
use domain::ports::{Books as _, FindRequest, PaymentProvider as _};
use domain::{ErrorName, Timestamp};
use serde_json::{Value, json};
use step::Ask;
use tests::{assert_impersonal, money};

use crate::{Action, ORDER, Shop, stripe};

fn list(page: Option<&str>) -> Ask {
    let now = Timestamp::now();
    Ask::List {
        since: now - Duration::from_mins(1),
        until: now + Duration::from_mins(1),
        page: page.map(str::to_owned),
    }
}

async fn read(shop: &Shop, ask: Ask) -> BookPage {
    let answer = shop.charge.answer(ask).await.expect("a page");
    assert_impersonal(&answer.to_string());
    serde_json::from_value(answer).expect("a page")
}

fn look(reference: &str) -> Ask {
    let reference = reference.to_owned();
    Ask::Look { reference }
}

fn let_go(reference: &str) -> Ask {
    Ask::LetGo {
        reference: reference.to_owned(),
        order_id: None,
    }
}

/// Stripe's own form for a payment with this metadata.
async fn pay(shop: &Shop, metadata: &[(&str, &str)]) {
    let mut form = vec![
        ("amount", "500"),
        ("currency", "usd"),
        ("payment_method", "pm_card_visa"),
        ("payment_method_types[]", "card"),
        ("confirm", "true"),
        ("capture_method", "manual"),
    ];
    form.extend(metadata);
    shop.sandbox.in_dashboard("payment_intents", &form).await;
}

#[tokio::test]
async fn what_was_made_is_told_with_what_stands_of_it() {
    let shop = Shop::with_shipped_order().await;
    let payment = shop.payment().await;
    let page = read(&shop, list(None)).await;
    let [posting] = page.postings.as_slice() else {
        panic!("{page:?}");
    };
    assert_eq!((page.unreadable.len(), page.next), (0, None));
    let expected = Posting {
        kind: PostingKind::Payment,
        reference: payment.clone(),
        order_id: Some(ORDER.parse().expect("an id")),
        amount: Some(money(3098, "USD")),
        stands: Stands::Held(money(3098, "USD")),
        made_at: posting.made_at,
    };
    assert_eq!(*posting, expected);

    shop.run(Action::Capture).await.expect("captured");
    let stands = async |ask| {
        let answer = shop.charge.answer(ask).await.expect("an answer");
        let posting: Posting = serde_json::from_value(answer["posting"].clone()).expect("one");
        posting.stands
    };
    let kept = Stands::Kept(money(3098, "USD"));
    assert_eq!(stands(look(&payment)).await, kept);
    let part = [("payment_intent", payment.as_str()), ("amount", "3000")];
    shop.sandbox.in_dashboard("refunds", &part).await;
    assert_eq!(stands(look(&payment)).await, Stands::Kept(money(98, "USD")));
    let rest = [("payment_intent", payment.as_str())];
    shop.sandbox.in_dashboard("refunds", &rest).await;
    assert_eq!(stands(look(&payment)).await, Stands::Nothing);
}

#[tokio::test]
async fn only_this_environments_payments_are_in_its_books() {
    let shop = Shop::with_held_money().await;
    pay(&shop, &[("metadata[order_id]", ORDER)]).await;
    let other = ("metadata[environment]", "test-2");
    pay(&shop, &[("metadata[order_id]", ORDER), other]).await;
    pay(&shop, &[("metadata[environment]", "test")]).await;
    let page = read(&shop, list(None)).await;
    let orders: Vec<_> = page.postings.iter().map(|one| &one.order_id).collect();
    assert_eq!(orders, [&None, &Some(ORDER.parse().expect("an id"))]);
    let nobodys = shop.charge.answer(look("pi_unknown")).await;
    assert_eq!(nobodys, Ok(json!({"posting": null})));
    // Nor are they adopted.
    let stripe = stripe(&shop.sandbox.url).await;
    let id = ORDER.parse().expect("an id");
    let request = FindRequest {
        order_id: &id,
        attempt: 1,
        means: None,
        since: Timestamp::now() - Duration::from_mins(1),
        until: Timestamp::now(),
    };
    let found = stripe.find(request).await;
    let found = found.expect("an answer").expect("ours");
    assert_eq!(found.reference, shop.payment().await);
}

#[tokio::test]
async fn a_time_is_read_page_by_page_and_nothing_beside_it() {
    let shop = Shop::open().await;
    for _ in 0..101 {
        pay(&shop, &[("metadata[environment]", "test")]).await;
    }
    let first = read(&shop, list(None)).await;
    assert_eq!(first.postings.len(), 100);
    let second = read(&shop, list(first.next.as_deref())).await;
    assert_eq!((second.postings.len(), &second.next), (1, &None));
    assert!(!first.postings.contains(&second.postings[0]));
    let stripe = stripe(&shop.sandbox.url).await;
    let soon = Timestamp::now() + Duration::from_secs(5);
    let later = stripe.page(soon, soon + Duration::from_mins(1), None).await;
    assert_eq!(later, Ok(BookPage::default()));
}

#[tokio::test]
async fn what_no_ledger_accounts_for_is_let_go_of_and_nothing_else_is() {
    let shop = Shop::with_held_money().await;
    let payment = shop.payment().await;
    let refused = shop.charge.answer(let_go(&payment)).await;
    let error = refused.expect_err("the ledger accounts for it");
    assert_eq!(error.name(), ErrorName::InvalidInput);
    pay(&shop, &[("metadata[environment]", "prod")]).await;
    let ledger = shop.sandbox.ledger().await;
    let others = ledger["authorizations"][1]["id"].as_str().expect("an id");
    let nothing = shop.charge.answer(let_go(others)).await;
    assert_eq!(nothing, Ok(json!({"posting": null})));
    assert_eq!(
        shop.sandbox.effects().await,
        ["authorizations", "authorizations"]
    );

    let ours = ("metadata[environment]", "test");
    let attempt = ("metadata[attempt]", "1");
    pay(&shop, &[("metadata[order_id]", "ord-9"), attempt, ours]).await;
    let ledger = shop.sandbox.ledger().await;
    let orphan = ledger["authorizations"][2]["id"].as_str().expect("an id");
    for _ in 0..2 {
        let gone = shop.charge.answer(let_go(orphan)).await.expect("let go");
        assert_eq!(gone["posting"]["stands"], json!("nothing"));
    }
    let voids = shop.sandbox.ledger().await["voids"].clone();
    let voided: Vec<&Value> = voids.as_array().expect("a list").iter().collect();
    assert_eq!(voided.len(), 1);
    let key = format!("test.let-go-{orphan}");
    assert_eq!(voided[0]["key"], json!(key));
}

/// A payment of an order that nobody knows, captured: 5.00 USD.
async fn captured(shop: &Shop, order: &str) -> String {
    let metadata = [
        ("metadata[order_id]", order),
        ("metadata[attempt]", "1"),
        ("metadata[environment]", "test"),
    ];
    pay(shop, &metadata).await;
    let ledger = shop.sandbox.ledger().await;
    let made = ledger["authorizations"].as_array().expect("a list");
    let payment = made.last().expect("one")["id"].as_str().expect("an id");
    let capture = format!("payment_intents/{payment}/capture");
    shop.sandbox.in_dashboard(&capture, &[]).await;
    payment.to_owned()
}

#[tokio::test]
async fn what_a_bank_gave_to_the_customer_is_not_given_back_again() {
    for (begun, ended) in [
        ("dispute", Some("dispute_lost")),
        ("dispute_prevented", None),
    ] {
        let shop = Shop::open().await;
        let payment = captured(&shop, "ord-9").await;
        let part = json!({"order_id": "ord-9", "event": begun, "amount": 200});
        shop.sandbox.happens_as(part).await;
        if let Some(ended) = ended {
            shop.sandbox.happens("ord-9", ended).await;
        }
        let part = [("payment_intent", payment.as_str()), ("amount", "100")];
        shop.sandbox.in_dashboard("refunds", &part).await;
        let seen = shop.charge.answer(look(&payment)).await.expect("an answer");
        let seen: Posting = serde_json::from_value(seen["posting"].clone()).expect("one");
        assert_eq!(seen.stands, Stands::Kept(money(200, "USD")), "{begun}");
        for _ in 0..2 {
            let gone = shop.charge.answer(let_go(&payment)).await.expect("let go");
            assert_eq!(gone["posting"]["stands"], json!("nothing"));
        }
        let ledger = shop.sandbox.ledger().await;
        let refunds = ledger["refunds"].as_array().expect("a list").iter();
        let amounts: Vec<_> = refunds.map(|one| one["amount"].clone()).collect();
        assert_eq!(amounts, [json!(100), json!(200)], "{begun}");
    }
}

#[tokio::test]
async fn a_dispute_in_another_currency_is_never_counted_as_if_it_were_in_ours() {
    let shop = Shop::open().await;
    let payment = captured(&shop, "ord-9").await;
    let other = json!({"order_id": "ord-9", "event": "dispute_prevented", "amount": 200,
        "currency": "eur"});
    shop.sandbox.happens_as(other).await;
    assert!(shop.charge.answer(look(&payment)).await.is_err());
    assert!(shop.charge.answer(let_go(&payment)).await.is_err());
    assert_eq!(shop.sandbox.effects().await, ["authorizations", "captures"]);
}

#[tokio::test]
async fn what_may_be_somebody_elses_is_not_let_go_of_and_why_is_said() {
    let ours = ("metadata[environment]", "test");
    let attempt = ("metadata[attempt]", "1");
    let unreadable = ("metadata[order_id]", "#1042");
    let unknown = ("metadata[order_id]", "ord-9");
    for (metadata, why) in [
        (vec![ours], "names no order"),
        (vec![ours, unknown], "names an order that we do not know"),
        (vec![ours, unreadable], "in a way that is none of ours"),
        (
            vec![ours, unreadable, attempt],
            "in a way that is none of ours",
        ),
    ] {
        let shop = Shop::open().await;
        pay(&shop, &metadata).await;
        let ledger = shop.sandbox.ledger().await;
        let payment = ledger["authorizations"][0]["id"].as_str().expect("an id");
        let refused = shop.charge.answer(let_go(payment)).await;
        let refused = refused.expect_err("it may be somebody else's");
        assert_eq!(refused.name(), ErrorName::InvalidInput);
        assert!(refused.message().contains(why), "{}", refused.message());
        assert_eq!(shop.sandbox.effects().await, ["authorizations"], "{why}");
    }
}

#[tokio::test]
async fn a_provider_that_is_away_is_told_as_such() {
    let shop = Shop::open().await;
    shop.sandbox.plant_status("payment", "find", 503).await;
    let failed = shop.charge.answer(list(None)).await;
    let error = failed.expect_err("nobody answers");
    assert_eq!(error.name(), ErrorName::PaymentUnavailable);
}
