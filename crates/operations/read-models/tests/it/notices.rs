//! What operators are to be notified of, by each way.

use domain::{OrderId, Timestamp};
use operations::{Cause, Incident, Problem, ProcessState};
use read_models::{Notice, Target};
use tests::database;

fn cause(state: ProcessState) -> Cause {
    Cause {
        problem: Problem::Incident(Incident::Unfinished),
        state: Some(state),
        error: None,
    }
}

#[tokio::test]
async fn each_way_has_a_list_of_its_own_and_an_order_moves_where_it_still_waits() {
    let read_models = database().await.read_models;
    let order: OrderId = "ord-1".parse().expect("an order id");
    let (before, after) = (
        cause(ProcessState::ShipOrder),
        cause(ProcessState::CancelShipment),
    );
    let now = Timestamp::now();
    let both = [Target::Topic, Target::Webhook];
    let filed = read_models.file(&before, &order, &both, now).await;
    filed.expect("filed");
    let waiting = async || read_models.notices().await.expect("an answer");
    let notices = waiting().await;
    let targets: Vec<Target> = notices.iter().map(|notice| notice.target).collect();
    assert_eq!(targets, both);
    for notice in &notices {
        let claimed = read_models.claim_notice(notice, now).await;
        assert_eq!(claimed, Ok(true), "one does not wait for the other");
        assert_eq!(read_models.claim_notice(notice, now).await, Ok(false));
    }
    let [topic, webhook] = notices.as_slice() else {
        panic!("{notices:?}");
    };
    read_models.notified(topic).await.expect("noted");
    read_models.withdraw_notice(webhook).await.expect("noted");
    let refiled = read_models.refile(&before, &after, &order, now).await;
    refiled.expect("refiled");
    let moved = Notice {
        target: Target::Webhook,
        cause: after,
        orders: vec![order],
        notified_at: None,
    };
    assert_eq!(waiting().await, [moved], "of the other, they know already");
}
