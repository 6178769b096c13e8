//! What happens to money when nobody is at work on it any more: refunds that a bank sends back, and disputes.

use std::time::Duration;

use actions::{Attribution, Refused};
use domain::books::Stands;
use domain::ledger::{
    Authorization, Authorize, Book, Booking, Capture, CaptureResult, MessageId, Notify,
    NotifyFailure, Reversal, Reverse, Unbook, Unbooking,
};
use domain::ports::{Orders as _, Record};
use domain::{
    Actor, AuditEvent, ErrorName, Event, ExecutionStatus, PaymentStatus, StatusView, Timestamp,
};
use operations::advice::Action;
use operations::{Incident, Orphan, Projection};
use serde_json::json;
use tests::{document, money};

use crate::{ORDER, Shop};

const HOUR: i64 = 60;

impl Shop {
    async fn record(&self) -> Record {
        let id = ORDER.parse().expect("an id");
        let record = self.database.store.load(&id).await.expect("an answer");
        record.expect("the order")
    }

    /// How the shop sees the payment.
    async fn payment_status(&self) -> PaymentStatus {
        let record = self.record().await;
        let (ended, arn) = (ExecutionStatus::Succeeded, "an:arn".to_owned());
        let view = StatusView::of(&record, ended, arn, Timestamp::now());
        view.payment.status
    }

    /// What was noted of the money since, and about what.
    async fn noted(&self) -> Vec<(Event, String)> {
        let audit = self.record().await.audit.into_iter();
        let about = audit.filter_map(|entry| Some((entry.event, entry.about?)));
        about.collect()
    }

    async fn projection(&self) -> Projection {
        let id = ORDER.parse().expect("an id");
        let row = self.database.read_models.order(&id).await;
        let row = row.expect("an answer").expect("a row");
        row.projection().expect("a projection")
    }

    async fn has(&self, incident: Incident) -> bool {
        self.projection().await.incidents.contains_key(&incident)
    }

    /// An operator does it, so many minutes from now.
    async fn give_back(&self, minutes: u64) -> Result<String, Refused> {
        let reason = "the bank sent it back".parse().expect("a reason");
        let who = Attribution {
            by: "somebody",
            reason: &reason,
            at: Timestamp::now() + Duration::from_mins(minutes),
        };
        let id = ORDER.parse().expect("an id");
        self.actions.act(Action::GiveBack, &id, who).await
    }

    /// A payment that was captured for an order, by whatever way.
    async fn captured(&self) -> String {
        self.database.validated(&document(ORDER)).await;
        self.pay_for(ORDER).await;
        let payment = self.made("authorizations").await.remove(0);
        let held = Authorization::Held {
            payment: payment.clone(),
            made_at: None,
        };
        self.database.did::<Authorize>(ORDER, held).await;
        let capture = format!("payment_intents/{payment}/capture");
        self.sandbox.in_dashboard(&capture, &[]).await;
        payment
    }

    /// An order that was reversed: its money was captured, and went back. Its payment.
    async fn refunded_order(&self) -> String {
        let payment = self.captured().await;
        let whole = [("payment_intent", payment.as_str())];
        let refund = self.sandbox.in_dashboard("refunds", &whole).await;
        let error = ErrorName::CarrierUnavailable;
        self.database.reversing(ORDER, error).await;
        self.database.did::<Unbook>(ORDER, Unbooking::Nothing).await;
        let refunded = Reversal::Refunded {
            refund: refund["id"].as_str().expect("an id").to_owned(),
            amount: money(3098, "USD"),
        };
        self.database.did::<Reverse>(ORDER, refunded).await;
        self.database.released(ORDER).await;
        let told = MessageId("m-1".to_owned());
        self.database.did::<NotifyFailure>(ORDER, told).await;
        self.ended("FAILED");
        payment
    }

    /// An order that is paid, shipped and told of. Its payment.
    async fn completed_order(&self) -> String {
        let payment = self.captured().await;
        let booked = Booking::Booked {
            label: "se-1".to_owned(),
            carrier: "usps".to_owned(),
            tracking: "9400".to_owned(),
        };
        self.database.did::<Book>(ORDER, booked).await;
        let amount = money(3098, "USD");
        let taken = CaptureResult::Taken { amount };
        self.database.did::<Capture>(ORDER, taken).await;
        let told = MessageId("m-1".to_owned());
        self.database.did::<Notify>(ORDER, told).await;
        self.ended("SUCCEEDED");
        payment
    }

    fn ended(&self, status: &str) {
        let told = json!({"status": status, "stopDate": Timestamp::now().as_second()});
        self.step_functions.tells(&format!("{ORDER}-1"), told);
    }
}

#[tokio::test]
async fn a_refund_that_fails_after_its_order_was_closed_is_found_and_given_back_again() {
    let shop = Shop::open().await;
    let payment = shop.refunded_order().await;
    assert_eq!(shop.found_after(31).await, []);
    assert!(shop.projection().await.is_over());
    assert_eq!(shop.payment_status().await, PaymentStatus::Refunded);
    let refused = shop.give_back(31).await;
    let why = "no refund of it has failed".to_owned();
    assert_eq!(refused, Err(Refused::NotPossible(why)));

    // A week later, and then again: the card is gone, and the next one, too.
    for days in [7, 14] {
        let minutes = days * 24 * HOUR;
        shop.sandbox.happens(ORDER, "refund_failed").await;
        let orphans = shop.found_after(minutes).await;
        assert_eq!(orphans, [], "it is its order's");
        let incident = shop.projection().await;
        assert!(!incident.is_over() && incident.needs_a_person(), "{days}");
        assert!(shop.has(Incident::RefundFailed).await);
        assert_eq!(shop.payment_status().await, PaymentStatus::RefundPending);
        assert_eq!(shop.sandbox.effects().await.last(), Some(&"captures"));
        let advice = Incident::RefundFailed.advice();
        assert_eq!(advice.action, Some(Action::GiveBack));

        let at = minutes.unsigned_abs() + 1;
        assert_eq!(
            shop.give_back(at).await,
            Ok("the money went back".to_owned())
        );
        let effects = shop.sandbox.effects().await;
        assert_eq!(effects, ["authorizations", "captures", "refunds"]);
        assert_eq!(shop.payment_status().await, PaymentStatus::Refunded);
        assert!(shop.give_back(at).await.is_err(), "once is enough");
        assert_eq!(shop.found_after(minutes + 6).await, []);
        assert!(shop.projection().await.is_over());
    }
    let once = [
        (Event::RefundFailed, payment.clone()),
        (Event::GiveBackRequested, payment.clone()),
        (Event::RefundMadeGood, payment),
    ];
    let mut noted = shop.noted().await;
    noted.sort();
    let mut expected = [once.clone(), once].concat();
    expected.sort();
    assert_eq!(noted, expected);
    let ledger = shop.sandbox.ledger().await;
    let key = ledger["refunds"][0]["key"].as_str().expect("a key");
    assert!(key.starts_with("test.let-go-pi_"), "{key}");
}

#[tokio::test]
async fn a_refund_that_failed_and_was_made_good_in_the_dashboard_is_over_by_itself() {
    let shop = Shop::open().await;
    let payment = shop.refunded_order().await;
    shop.sandbox.happens(ORDER, "refund_failed").await;
    assert_eq!(shop.found_after(31).await, []);
    assert!(shop.has(Incident::RefundFailed).await);
    let whole = [("payment_intent", payment.as_str())];
    shop.sandbox.in_dashboard("refunds", &whole).await;
    assert_eq!(shop.found_after(31 + 6).await, []);
    assert!(!shop.has(Incident::RefundFailed).await);
    let noted = shop.noted().await;
    assert_eq!(noted[1], (Event::RefundMadeGood, payment));
}

#[tokio::test]
async fn it_is_over_though_the_operators_clock_is_slow() {
    let shop = Shop::open().await;
    shop.refunded_order().await;
    shop.sandbox.happens(ORDER, "refund_failed").await;
    shop.found_after(31).await;
    // Noted half an hour from now; the laptop says that it is now.
    shop.give_back(0).await.expect("given back");
    assert_eq!(shop.payment_status().await, PaymentStatus::Refunded);
    assert!(shop.give_back(0).await.is_err(), "once is enough");
}

impl Shop {
    /// Whoever let go of it has refunded, and died before it was noted.
    async fn refunded_and_died(&self, payment: &str) {
        let whole = [("payment_intent", payment)];
        self.sandbox.in_dashboard("refunds", &whole).await;
        let read_models = &self.database.read_models;
        let orphan = read_models.orphan(payment).await.expect("an answer");
        let orphan = orphan.expect("an orphan");
        let over = Orphan {
            over_at: Some(Timestamp::now()),
            revision: orphan.revision + 1,
            ..orphan
        };
        assert_eq!(read_models.put_orphan(&over).await, Ok(true));
    }
}

#[tokio::test]
async fn a_refund_that_was_made_and_never_noted_is_over_by_giving_it_back_or_by_itself() {
    for by_a_person in [true, false] {
        let shop = Shop::open().await;
        let payment = shop.refunded_order().await;
        shop.sandbox.happens(ORDER, "refund_failed").await;
        shop.found_after(31).await;
        shop.refunded_and_died(&payment).await;
        assert_eq!(shop.payment_status().await, PaymentStatus::RefundPending);
        if by_a_person {
            shop.give_back(32).await.expect("it is over");
        } else {
            shop.found_after(31 + 7 * HOUR).await;
        }
        assert_eq!(shop.payment_status().await, PaymentStatus::Refunded);
        let effects = shop.sandbox.effects().await;
        assert_eq!(effects, ["authorizations", "captures", "refunds"]);
    }
}

#[tokio::test]
async fn a_failed_refund_that_is_noted_and_has_no_row_is_given_back_all_the_same() {
    for by_a_person in [true, false] {
        let shop = Shop::open().await;
        let payment = shop.refunded_order().await;
        shop.sandbox.happens(ORDER, "refund_failed").await;
        let noted = AuditEvent::new(Timestamp::now(), Event::RefundFailed, Actor::Monitor, "");
        let id = ORDER.parse().expect("an id");
        let store = &shop.database.store;
        store
            .note(&id, &noted.about(&payment))
            .await
            .expect("noted");
        if !by_a_person {
            shop.found_after(31).await;
            let row = shop.database.read_models.orphan(&payment).await;
            assert!(row.expect("an answer").is_some_and(|row| row.is_of_order));
        }
        shop.give_back(32).await.expect("given back");
        assert_eq!(shop.payment_status().await, PaymentStatus::Refunded);
        let effects = shop.sandbox.effects().await;
        assert_eq!(effects, ["authorizations", "captures", "refunds"]);
        let noted = shop.noted().await;
        let failed = noted
            .iter()
            .filter(|(event, _)| *event == Event::RefundFailed);
        assert_eq!(failed.count(), 1);
    }
}

#[tokio::test]
async fn a_payment_that_is_not_shown_as_ours_is_not_taken_for_one_that_went_back() {
    let shop = Shop::open().await;
    let payment = shop.refunded_order().await;
    shop.sandbox.happens(ORDER, "refund_failed").await;
    shop.found_after(31).await;
    let path = format!("payment_intents/{payment}");
    let lost = [("metadata[environment]", "")];
    shop.sandbox.in_dashboard(&path, &lost).await;
    shop.found_after(31 + 6).await;
    assert_eq!(shop.payment_status().await, PaymentStatus::RefundPending);
    let refused = shop.give_back(38).await;
    assert!(
        matches!(&refused, Err(Refused::NotPossible(why)) if why.contains("does not show")),
        "{refused:?}"
    );
    assert_eq!(shop.payment_status().await, PaymentStatus::RefundPending);
    let again = [("metadata[environment]", "test")];
    shop.sandbox.in_dashboard(&path, &again).await;
    shop.give_back(39).await.expect("given back");
    assert_eq!(shop.payment_status().await, PaymentStatus::Refunded);
}

#[tokio::test]
async fn disputes_of_one_second_are_told_apart_and_an_inquiry_says_so() {
    let shop = Shop::open().await;
    shop.completed_order().await;
    for (event, amount) in [("dispute", 1000), ("dispute_inquiry", 500)] {
        let part = json!({"order_id": ORDER, "event": event, "amount": amount});
        shop.sandbox.happens_as(part).await;
    }
    shop.found_after(31).await;
    assert_eq!(shop.noted().await.len(), 2);
    let texts: Vec<_> = shop
        .record()
        .await
        .audit
        .iter()
        .map(AuditEvent::text)
        .collect();
    let says = |text: &str| texts.iter().filter(|one| one.contains(text)).count();
    assert_eq!(says("10.00 USD, fraudulent"), 1, "{texts:?}");
    assert_eq!(says("5.00 USD, inquiry, fraudulent"), 1, "{texts:?}");
}

#[tokio::test]
async fn a_dispute_that_cannot_be_noted_keeps_no_other_one_waiting() {
    let shop = Shop::open().await;
    shop.completed_order().await;
    shop.sandbox.happens(ORDER, "dispute").await;
    shop.pay_for("ord-bad").await;
    let bad = shop.made("authorizations").await.remove(1);
    let capture = format!("payment_intents/{bad}/capture");
    shop.sandbox.in_dashboard(&capture, &[]).await;
    shop.sandbox.happens("ord-bad", "dispute").await;
    // Another version wrote the order. The dispute is listed first, for it is the newest.
    let noted = AuditEvent::new(
        Timestamp::now(),
        Event::RedriveRequested,
        Actor::Monitor,
        "",
    );
    let id = "ord-bad".parse().expect("an id");
    let store = &shop.database.store;
    store.note(&id, &noted).await.expect("noted");
    assert!(store.load(&id).await.is_err());
    shop.found_after(31).await;
    assert_eq!(shop.payment_status().await, PaymentStatus::Disputed);
}

#[tokio::test]
async fn a_refund_that_is_on_its_way_has_given_nothing_back_and_is_not_made_twice() {
    let shop = Shop::open().await;
    shop.refunded_order().await;
    shop.sandbox.happens(ORDER, "refund_failed").await;
    shop.found_after(31).await;
    shop.sandbox.plant("payment", "refund", "pending").await;
    for _ in 0..2 {
        let given = shop.give_back(32).await;
        assert!(matches!(given, Err(Refused::Unavailable(_))), "{given:?}");
    }
    assert_eq!(shop.payment_status().await, PaymentStatus::RefundPending);
    shop.sandbox.happens(ORDER, "refund_succeeded").await;
    assert_eq!(shop.found_after(31 + 6).await, []);
    assert!(!shop.has(Incident::RefundFailed).await);
    let effects = shop.sandbox.effects().await;
    assert_eq!(effects, ["authorizations", "captures", "refunds"]);
}

#[tokio::test]
async fn a_refund_of_a_paid_order_that_fails_leaves_the_order_paid() {
    let shop = Shop::open().await;
    let payment = shop.completed_order().await;
    let whole = [("payment_intent", payment.as_str())];
    shop.sandbox.in_dashboard("refunds", &whole).await;
    shop.sandbox.happens(ORDER, "refund_failed").await;
    assert_eq!(shop.found_after(31).await, []);
    assert_eq!(shop.noted().await, []);
    assert_eq!(shop.payment_status().await, PaymentStatus::Captured);
}

#[tokio::test]
async fn a_dispute_is_its_orders_until_the_bank_has_decided() {
    for (decision, event) in [
        ("dispute_won", Event::DisputeWon),
        ("dispute_lost", Event::DisputeLost),
    ] {
        let shop = Shop::open().await;
        shop.completed_order().await;
        let ledger = shop.database.state(ORDER).await;
        shop.sandbox.happens(ORDER, "dispute").await;
        assert_eq!(shop.found_after(31).await, []);
        assert_eq!(shop.payment_status().await, PaymentStatus::Disputed);
        assert!(shop.has(Incident::Disputed).await);
        assert!(shop.projection().await.needs_a_person());
        let noted = shop.noted().await;
        let [(Event::Disputed, dispute)] = noted.as_slice() else {
            panic!("{noted:?}");
        };
        let record = shop.record().await;
        let text = record.audit[0].text();
        assert!(text.contains("30.98 USD, fraudulent, to be answered by 2"));
        // What is known is not noted again.
        shop.found_after(31 + HOUR).await;
        assert_eq!(shop.noted().await.len(), 1);

        shop.sandbox.happens(ORDER, decision).await;
        assert_eq!(shop.found_after(31 + 2 * HOUR).await, []);
        assert_eq!(shop.payment_status().await, PaymentStatus::Captured);
        assert!(shop.projection().await.is_over(), "{decision}");
        assert_eq!(shop.noted().await[1], (event, dispute.clone()));
        assert_eq!(shop.database.state(ORDER).await, ledger, "no money moved");
        let effects = shop.sandbox.effects().await;
        assert_eq!(effects, ["authorizations", "captures"]);
    }
}

#[tokio::test]
async fn money_that_a_bank_has_given_to_the_customer_is_no_orphan() {
    let shop = Shop::open().await;
    let payment = shop.refunded_order().await;
    shop.sandbox.happens(ORDER, "refund_failed").await;
    shop.sandbox.happens(ORDER, "dispute").await;
    shop.found_after(31).await;
    assert_eq!(shop.payment_status().await, PaymentStatus::Disputed);
    // The provider refunds nothing that is disputed.
    let refused = shop.give_back(32).await;
    assert!(
        matches!(&refused, Err(Refused::Unavailable(why)) if why.contains("charge_disputed")),
        "{refused:?}"
    );
    shop.sandbox.happens(ORDER, "dispute_lost").await;
    let found = shop.found_after(31 + 2 * HOUR).await;
    assert_eq!(found, [], "{payment}");
    assert_eq!(shop.payment_status().await, PaymentStatus::Refunded);
    assert!(shop.projection().await.is_over());
}

#[tokio::test]
async fn what_other_environments_are_disputed_is_none_of_ours() {
    let shop = Shop::open().await;
    shop.database.validated(&document(ORDER)).await;
    let order = ("metadata[order_id]", ORDER);
    shop.pay(&[order, ("metadata[environment]", "prod")]).await;
    let payment = shop.made("authorizations").await.remove(0);
    let capture = format!("payment_intents/{payment}/capture");
    shop.sandbox.in_dashboard(&capture, &[]).await;
    shop.sandbox.happens(ORDER, "dispute").await;
    shop.found_after(31).await;
    assert_eq!(shop.noted().await, []);
}

#[tokio::test]
async fn a_payment_whose_metadata_got_lost_is_its_orders_or_is_let_go_of() {
    let shop = Shop::open().await;
    let payment = shop.completed_order().await;
    // The monitor remembers whose it is.
    shop.found_after(1).await;
    let lost = [("metadata[order_id]", ""), ("metadata[attempt]", "")];
    let path = format!("payment_intents/{payment}");
    shop.sandbox.in_dashboard(&path, &lost).await;
    assert_eq!(shop.found_after(31).await, []);

    let attempt = ("metadata[attempt]", "1");
    shop.pay(&[attempt, ("metadata[environment]", "test")])
        .await;
    let nobodys = shop.made("authorizations").await.remove(1);
    // The next time that looks at it.
    let found = shop.found_after(27 * HOUR).await;
    let [orphan] = found.as_slice() else {
        panic!("{found:?}");
    };
    assert_eq!(orphan.posting.reference, nobodys);
    assert_eq!(orphan.posting.order_id, None);
    assert_eq!(orphan.posting.stands, Stands::Held(money(3098, "USD")));
    let done = shop.let_go(&nobodys).await;
    assert_eq!(done.as_deref(), Ok("nothing stands of it any more"));
    let over = shop.database.read_models.orphan(&nobodys).await;
    let asked = over.expect("an answer").and_then(|orphan| orphan.let_go);
    let asked = asked.expect("who and why");
    assert_eq!(
        (asked.by.as_str(), asked.reason.as_str()),
        ("somebody", "made twice")
    );
    assert_eq!(shop.found_after(27 * HOUR + 6).await, []);
    let effects = shop.sandbox.effects().await;
    assert_eq!(
        effects,
        ["authorizations", "authorizations", "captures", "voids"]
    );
}

/// Somebody has found it before the order's payment was known by its reference.
#[tokio::test]
async fn what_a_ledger_accounts_for_is_not_let_go_of_though_it_names_no_order() {
    let shop = Shop::open().await;
    shop.database.validated(&document(ORDER)).await;
    shop.pay(&[("metadata[environment]", "test")]).await;
    assert_eq!(shop.found_after(31).await.len(), 1);
    let payment = shop.made("authorizations").await.remove(0);
    let held = Authorization::Held {
        payment: payment.clone(),
        made_at: None,
    };
    shop.database.did::<Authorize>(ORDER, held).await;
    shop.found_after(32).await;
    let refused = shop.let_go(&payment).await;
    let why = format!("order {ORDER} accounts for {payment}");
    assert_eq!(refused, Err(Refused::NotPossible(why)));
    assert_eq!(shop.sandbox.effects().await, ["authorizations"]);
}

#[tokio::test]
async fn a_label_that_the_carrier_never_voids_is_written_off_by_whoever_lets_go_of_it() {
    let shop = Shop::open().await;
    shop.buy("test.ord-9-1").await;
    let label = shop.made("shipments").await.remove(0);
    assert_eq!(shop.found_after(31).await.len(), 1);
    let used = json!({"provider": "carrier", "operation": "cancel", "order_id": "*",
        "mode": "refuse_for_good"});
    shop.sandbox.plant_fault(&used).await;
    let done = shop.let_go(&label).await.expect("written off");
    assert!(done.contains("it is written off"), "{done}");
    let over = shop.database.read_models.orphan(&label).await;
    let over = over.expect("an answer").expect("it is kept");
    assert!(over.over_at.is_some() && over.written_off.is_some());
    assert_eq!(over.let_go.expect("who and why").by, "somebody");
    // It is live still, and nobody's work any more.
    for minutes in [40, 27 * HOUR, 7 * 24 * HOUR] {
        assert_eq!(shop.found_after(minutes).await, [], "{minutes}");
    }
}

#[tokio::test]
async fn a_payment_that_was_taken_over_days_after_it_was_made_is_looked_at_before_it_lapses() {
    let shop = Shop::open().await;
    let intent = shop.sandbox.checked_out("3098", &[]).await;
    assert_eq!(shop.found_after(31).await, []);
    assert_eq!(shop.found_after(27 * HOUR).await, []);
    // Then an order takes it over, and is closed as if it had not.
    let ours = [
        ("metadata[order_id]", "ord-9"),
        ("metadata[environment]", "test"),
    ];
    let path = format!("payment_intents/{intent}");
    shop.sandbox.in_dashboard(&path, &ours).await;
    assert_eq!(shop.found_after(28 * HOUR).await, []);
    let found = shop.found_after(6 * 24 * HOUR + 31).await;
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].posting.reference, intent);
}
