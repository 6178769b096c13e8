//! What a write costs.

use domain::ledger::{Authorization, Authorize, Book, Capture, NotifyFailure, Reverse, Unbook};
use domain::ports::{Orders as _, Reserved, Stock as _};
use domain::{Actor, AuditEvent, Decision, ErrorName, Event, Failure, Timestamp};
use serde_json::json;
use tests::{database, document, invocation, submission};

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "one order's whole life")]
async fn a_full_state_item_stays_within_one_unit_of_writing() {
    let database = database().await;
    let id = "o".repeat(64);
    let mut document = document(&id);
    document["customer"]["customer_id"] = json!("c".repeat(64));
    let submission = submission(&document);
    database
        .store
        .accept(&submission, Timestamp::now())
        .await
        .expect("accepted");
    let by = invocation(&id, &"u".repeat(36), 1000);
    assert_eq!(
        database.store.reserve(&by, &submission.order, true).await,
        Ok(Reserved::All)
    );
    database
        .store
        .open_review(&by, "t")
        .await
        .expect("open")
        .expect("open");
    let event = AuditEvent::new(
        Timestamp::now(),
        Event::Approved,
        Actor::Operator("op".to_owned()),
        "known",
    );
    database
        .store
        .decide_review(&by.order_id, Decision::Approved, &event)
        .await
        .expect("decided");
    database
        .store
        .claim::<Authorize>(&by)
        .await
        .expect("claimed");
    let payment = "p".repeat(30);
    database
        .store
        .commit::<Authorize>(
            &by,
            Authorization::Held {
                payment,
                made_at: None,
            },
        )
        .await
        .expect("done");
    database.store.claim::<Book>(&by).await.expect("claimed");
    let booked = domain::ledger::Booking::Booked {
        label: "l".repeat(20),
        carrier: "stamps_com".to_owned(),
        tracking: "t".repeat(34),
    };
    database
        .store
        .commit::<Book>(&by, booked)
        .await
        .expect("done");
    database.store.claim::<Capture>(&by).await.expect("claimed");
    let failure = Failure::new(ErrorName::NotificationUnavailable, &"m".repeat(300), by.now);
    database
        .store
        .begin_reversal(&by, failure)
        .await
        .expect("noted");
    database
        .store
        .commit::<Unbook>(&by, domain::ledger::Unbooking::WrittenOff)
        .await
        .expect("done");
    database.store.claim::<Reverse>(&by).await.expect("claimed");
    let refund = "r".repeat(30);
    let refunded = domain::ledger::Reversal::Refunded {
        refund,
        amount: tests::money(999_999_999_999, "USD"),
    };
    database
        .store
        .commit::<Reverse>(&by, refunded)
        .await
        .expect("done");
    let state = database.state(&id).await;
    database
        .store
        .release_and_close(&by, &submission.order.lines, state)
        .await
        .expect("closed");
    database
        .store
        .claim::<NotifyFailure>(&by)
        .await
        .expect("claimed");
    let state = database.state(&id).await;
    let waived = tests::audited(domain::Event::MessageGivenUp);
    let waived = database.store.waive_message(&state, &waived).await;
    assert_eq!(waived, Ok(true));
    let answer = database
        .client
        .get_item()
        .table_name(tests::ORDERS)
        .key("order_id", aws_sdk_dynamodb::types::AttributeValue::S(id))
        .key(
            "item",
            aws_sdk_dynamodb::types::AttributeValue::S("state".to_owned()),
        )
        .send()
        .await
        .expect("an answer");
    let item = answer.item.expect("the state");
    let size: usize = item
        .iter()
        .map(|(name, value)| name.len() + size(value))
        .sum();
    assert!(size <= 1024, "{size} bytes");
}

/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html>
fn size(value: &aws_sdk_dynamodb::types::AttributeValue) -> usize {
    use aws_sdk_dynamodb::types::AttributeValue as V;
    match value {
        V::S(text) => text.len(),
        V::N(digits) => digits.len().div_ceil(2) + 1,
        V::M(map) => {
            3 + map
                .iter()
                .map(|(name, value)| 1 + name.len() + size(value))
                .sum::<usize>()
        }
        V::L(list) => 3 + list.iter().map(|value| 1 + size(value)).sum::<usize>(),
        other => panic!("{other:?} is not in a state item"),
    }
}
