//! Many orders at once.

use actions::{Attribution, BulkRefused};
use domain::{Actor, OrderId, Timestamp};
use operations::advice::Action;
use operations::bulk::{Bulk, BulkState, Control, LARGEST, Outcome};
use serde_json::json;
use tests::document;

use crate::{Shop, somebody, why};

pub(crate) fn ids(orders: &[&str]) -> Vec<OrderId> {
    let ids = orders.iter().map(|order| order.parse());
    ids.collect::<Result<_, _>>().expect("order ids")
}

impl Shop {
    /// Orders that are being processed.
    async fn running(orders: &[&str]) -> Self {
        let shop = Self::open().await;
        for order in orders {
            shop.database.validated(&document(order)).await;
            let running = json!({"status": "RUNNING"});
            shop.step_functions.tells(&format!("{order}-1"), running);
        }
        shop
    }

    pub(crate) async fn preview(
        &self,
        action: Action,
        orders: &[&str],
    ) -> Result<Bulk, BulkRefused> {
        let now = Timestamp::now();
        self.actions.preview(action, ids(orders), now).await
    }

    async fn apply(&self, digest: &str, by: &str) -> Result<Bulk, BulkRefused> {
        let who = Attribution {
            by,
            reason: &why(),
            at: Timestamp::now(),
        };
        self.actions.apply(digest, who).await
    }
}

impl Shop {
    async fn stop(&self, digest: &str) -> Result<Bulk, BulkRefused> {
        self.actions.stop(digest, somebody(&why())).await
    }
}

fn applied_by(bulk: &Bulk) -> Option<Actor> {
    bulk.applied.as_ref().map(|applied| applied.by.clone())
}

#[tokio::test]
async fn a_preview_has_each_order_once_or_why_not_and_is_applied_once() {
    let shop = Shop::running(&["ord-1", "ord-2"]).await;
    let orders = ["ord-2", "ord-1", "ord-2", "ord-9"];
    let bulk = shop.preview(Action::Cancel, &orders).await;
    let bulk = bulk.expect("a preview");
    let parts = bulk.parts.iter().map(|part| part.order_id.as_str());
    let parts: Vec<&str> = parts.collect();
    assert_eq!(parts, ["ord-1", "ord-2"]);
    assert_eq!(bulk.skipped.len(), 1);
    assert_eq!(bulk.skipped[0].why, "there is no such order");
    let kept = shop.actions.bulk(&bulk.digest).await.expect("the bulk");
    assert_eq!((kept.parts, kept.applied), (bulk.parts, None));
    for by in ["somebody", "somebody else"] {
        let applied = shop.apply(&bulk.digest, by).await.expect("applied");
        let somebody = Actor::Operator("somebody".to_owned());
        assert_eq!(applied_by(&applied), Some(somebody), "{by}");
    }
}

#[tokio::test]
async fn what_no_bulk_can_be_made_of_is_told() {
    let shop = Shop::running(&["ord-1"]).await;
    let many: Vec<String> = (0..=LARGEST)
        .map(|number| format!("ord-{number}"))
        .collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    for (orders, told) in [(&[] as &[&str], "no order"), (&many, "200 are the most")] {
        match shop.preview(Action::Cancel, orders).await {
            Err(BulkRefused::NotPossible(why)) => assert!(why.contains(told), "{why}"),
            other => panic!("{other:?}"),
        }
    }
    let none = shop.preview(Action::Reprocess, &["ord-1"]).await;
    let none = none.expect("a preview");
    assert_eq!(none.skipped[0].why, "the order is not reversed yet");
    let refused = shop.apply(&none.digest, "somebody").await;
    assert!(
        matches!(refused, Err(BulkRefused::NotPossible(_))),
        "{refused:?}"
    );
    let gone = shop.apply("0123456789abcdef", "somebody").await;
    let not_found = BulkRefused::NotFound("0123456789abcdef".to_owned());
    assert_eq!(gone, Err(not_found));
}

#[tokio::test]
async fn what_another_bulk_has_in_hand_is_left_to_it_at_the_preview_and_when_it_is_applied() {
    let shop = Shop::running(&["ord-1", "ord-2"]).await;
    let both = shop.preview(Action::Cancel, &["ord-1", "ord-2"]).await;
    let both = both.expect("a preview").digest;
    let one = shop.preview(Action::Cancel, &["ord-1"]).await;
    let one = one.expect("a preview").digest;
    shop.apply(&one, "somebody").await.expect("applied");
    let told = "another bulk has it in hand: cancel by somebody since";
    let late = shop.preview(Action::Cancel, &["ord-1", "ord-2"]).await;
    let late = late.expect("a preview");
    assert_eq!(late.parts.len(), 1);
    assert!(late.skipped[0].why.starts_with(told), "{:?}", late.skipped);
    assert_eq!(late.skipped[0].left_to, Some(one.clone()));
    // This one was previewed before the other was applied.
    let both = shop.apply(&both, "somebody else").await.expect("applied");
    let [first, second] = &both.parts[..] else {
        panic!("{both:?}");
    };
    assert!(
        matches!(&first.outcome, Outcome::Refused(why) if why.starts_with(told)),
        "{first:?}"
    );
    assert_eq!(first.left_to, Some(one));
    assert_eq!(second.outcome, Outcome::Waiting);
}

#[tokio::test]
async fn a_bulk_is_paused_and_stopped_also_by_two_at_once() {
    let shop = Shop::running(&["ord-1", "ord-2"]).await;
    let bulk = shop.preview(Action::Cancel, &["ord-1", "ord-2"]).await;
    let digest = bulk.expect("a preview").digest;
    let early = shop.stop(&digest).await;
    let why = "it was not applied yet".to_owned();
    assert_eq!(early, Err(BulkRefused::NotPossible(why)));
    shop.apply(&digest, "somebody").await.expect("applied");
    let now = Timestamp::now();
    for _ in 0..2 {
        let paused = shop.actions.pause(&digest, "somebody", now).await;
        assert_eq!(paused.map(|bulk| bulk.state()), Ok(BulkState::Paused));
        let resumed = shop.actions.resume(&digest, "somebody", now).await;
        assert_eq!(resumed.map(|bulk| bulk.state()), Ok(BulkState::Running));
    }
    // Both read it before either writes.
    let (paused, stopped) = tokio::join!(
        shop.actions.pause(&digest, "somebody", Timestamp::now()),
        shop.stop(&digest)
    );
    let paused_after_the_stop = Err(BulkRefused::NotPossible("it was stopped before".to_owned()));
    assert!(
        paused.is_ok() || paused == paused_after_the_stop,
        "{paused:?}"
    );
    assert_eq!(stopped.map(|bulk| bulk.state()), Ok(BulkState::Stopped));
    let kept = shop.actions.bulk(&digest).await.expect("the bulk");
    assert_eq!(kept.state(), BulkState::Stopped);
    assert_eq!(kept.stopped.as_deref(), Some("a test"));
    let last = kept.controlled.last().expect("a stop");
    let somebody = Actor::Operator("somebody".to_owned());
    assert_eq!((last.control, &last.by), (Control::Stop, &somebody));
}
