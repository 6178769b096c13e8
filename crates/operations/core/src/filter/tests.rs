use domain::{Execution, ExecutionStatus, OrderId};

use super::*;
use crate::fixtures::{at, projection};
use crate::process::Health;
use crate::retries::Retry;
use crate::snapshot;

fn pairs(query: &str) -> Vec<(&str, &str)> {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| pair.split_once('=').expect("a pair"))
        .collect()
}

fn filter(query: &str) -> Filter {
    Filter::parse(pairs(query)).expect("a filter")
}

fn refused(query: &str) -> Vec<(String, String)> {
    let invalid = Filter::parse(pairs(query)).expect_err("not a filter");
    let invalid = invalid.into_iter();
    invalid.map(|invalid| (invalid.name, invalid.why)).collect()
}

/// Received at `at(100)`, of 10.00 USD, in its second attempt, stopped by the carrier.
fn order() -> Projection {
    Projection {
        status: Status::NeedsAttention,
        state: Some(ProcessState::ShipOrder),
        attempt: 2,
        last_error: Some(TaskError::from("States.Timeout".to_owned())),
        error: Some(ErrorName::CarrierUnavailable),
        skus: vec![
            "MUG-01".parse().expect("a sku"),
            "TEE-01".parse().expect("a sku"),
        ],
        ..projection(100)
    }
}

#[track_caller]
fn assert_matches(order: &Projection, yes: &[&str], no: &[&str]) {
    for query in yes {
        assert!(filter(query).matches(order, at(200)), "{query}");
    }
    for query in no {
        assert!(!filter(query).matches(order, at(200)), "{query}");
    }
}

#[test]
fn each_part_lets_its_orders_pass_and_no_others() {
    let (from, later) = (at(100), at(101));
    let exact = format!("received_from={from}&received_to={from}");
    let after = format!("received_from={later}");
    let before = format!("received_to={}", at(99));
    let yes = [
        "",
        "status=needs_attention",
        "status=completed&status=needs_attention",
        "status=completed,Needs_Attention",
        "state=ShipOrder",
        "state=shiporder&state=ChargePayment",
        "received_from=2026-11-23",
        "received_from=2026-11-23&received_to=2026-11-23",
        exact.as_str(),
        "within=2m",
        "currency=usd",
        "amount_from=10&currency=USD",
        "amount_from=9.99&amount_to=10.00&currency=USD",
        "error=States.Timeout",
        "error=carrierunavailable",
        "sku=TEE-01",
        "sku=mug-01",
        "customer=cus-7",
        "customer=CUS-7",
        "attempt=1",
        "attempt=2",
        "list=status.needs_attention",
    ];
    let no = [
        "status=completed",
        "state=ChargePayment",
        "received_from=2026-11-24",
        "received_to=2026-11-22",
        after.as_str(),
        before.as_str(),
        "within=1m",
        "currency=EUR",
        "amount_from=10.01&currency=USD",
        "amount_to=9.99&currency=USD",
        "amount_from=10&currency=EUR",
        "error=Internal",
        "error=States.TaskFailed",
        "sku=MUG",
        "customer=cus-8",
        "attempt=3",
        "list=need-a-person",
    ];
    assert_matches(&order(), &yes, &no);
}

#[test]
fn parts_combine() {
    let all = "status=needs_attention&state=ShipOrder&within=1h&amount_from=5&amount_to=20\
        &currency=USD&error=CarrierUnavailable&sku=MUG-01&customer=cus-7&attempt=2";
    assert_matches(&order(), &[all], &[]);
    for other in [
        "attempt=3",
        "sku=HAT-01",
        "customer=cus-8",
        "error=Internal",
        "within=1m",
    ] {
        let name = other.split('=').next().expect("a name");
        let mut changed = pairs(all);
        changed.retain(|(of, _)| of != &name);
        changed.extend(pairs(other));
        let filter = Filter::parse(changed).expect("a filter");
        assert!(!filter.matches(&order(), at(200)), "{other}");
    }
    // The later of two beginnings counts.
    assert_matches(&order(), &[], &["received_from=2026-11-23&within=1m"]);
}

#[test]
fn what_was_reversed_is_found_by_the_state_that_it_did_not_get_past() {
    let over = Projection {
        state: None,
        failed_in: Some(ProcessState::ChargePayment),
        ..order()
    };
    assert_matches(&over, &["state=ChargePayment"], &["state=ShipOrder"]);
}

#[test]
fn a_filter_reads_back_from_its_pairs() {
    for query in [
        "",
        "list=state.ShipOrder.overdue",
        "status=needs_attention&status=failed&state=ShipOrder&received_from=2026-11-24\
         &received_to=2026-11-24T10:00:00Z&within=24h&amount_from=12.50&amount_to=1000.00\
         &currency=USD&error=CarrierUnavailable&sku=MUG-01&customer=cus-7&attempt=2",
    ] {
        let written = filter(query).pairs();
        let written: Vec<(&str, &str)> = written
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        assert_eq!(written, pairs(query));
        assert_eq!(Filter::parse(written), Ok(filter(query)));
    }
    // What nobody filled in is not asked for.
    assert!(filter("sku=&status=&within=").is_empty());
    let plain = filter("received_from=2026-11-24T10:00").pairs();
    assert_eq!(
        plain,
        [("received_from", "2026-11-24T10:00:00Z".to_owned())]
    );
}

#[test]
fn what_means_nothing_is_said_next_to_its_field() {
    for (query, field, part) in [
        (
            "status=lost",
            "status",
            "There is no status “lost”; there are needs_",
        ),
        ("status=failed,lost", "status", "“lost”"),
        ("state=Nowhere", "state", "ValidateOrder"),
        ("received_from=yesterday", "received_from", "2026-11-24"),
        ("received_from=2026-13-01", "received_from", "2026-11-24"),
        (
            "received_to=2026-11-24T10:00:00 02:00",
            "received_to",
            "2026-11-24",
        ),
        (
            "received_from=2026-11-24&received_to=2026-11-23",
            "received_to",
            "before",
        ),
        ("within=24", "within", "24h"),
        ("within=0h", "within", "24h"),
        ("within=99999d", "within", "366d"),
        ("within=4294967296h", "within", "24h"),
        ("within=é", "within", "24h"),
        ("amount_from=10", "amount_from", "currency"),
        ("amount_from=ten&currency=USD", "amount_from", "15.00"),
        ("amount_from=1.234&currency=USD", "amount_from", "15.00"),
        ("amount_from=1.5&currency=JPY", "amount_from", "1500"),
        ("amount_to=1,50&currency=USD", "amount_to", "15.00"),
        ("amount_to=-1&currency=USD", "amount_to", "15.00"),
        ("amount_to=9999999999999&currency=USD", "amount_to", "15.00"),
        (
            "amount_from=2&amount_to=1&currency=USD",
            "amount_to",
            "less",
        ),
        ("currency=dollars", "currency", "ISO 4217"),
        ("error=Carrier", "error", "There is no error “Carrier”"),
        ("sku=a b", "sku", "must be 1 to 64"),
        ("sku=A&sku=B", "sku", "more than once"),
        ("customer=a@example.com", "customer", "must be 1 to 64"),
        ("attempt=0", "attempt", "from 1"),
        ("attempt=two", "attempt", "from 1"),
        ("list=mine", "list", "There is no list “mine”"),
        ("recieved_from=2026-11-24", "recieved_from", "received_from"),
    ] {
        let refused = refused(query);
        assert_eq!(refused.len(), 1, "{query}: {refused:?}");
        let (name, why) = &refused[0];
        assert_eq!(name, field, "{query}");
        assert!(why.contains(part), "{query}: {why}");
    }
    let two: Vec<String> = refused("within=x&attempt=x")
        .into_iter()
        .map(|of| of.0)
        .collect();
    assert_eq!(two, ["within", "attempt"]);
}

#[test]
fn a_list_has_the_orders_that_its_number_counts() {
    let mut orders: Vec<Projection> = (0..6).map(projection).collect();
    orders[1].health = Health::Overdue;
    orders[1].retry = Some(Retry {
        state: ProcessState::ValidateOrder,
        failed: 1,
        of: 3,
        error: ErrorName::StoreUnavailable.into(),
        reason: None,
        since: None,
        gives_up_at: None,
        next_by: None,
    });
    orders[2].state = Some(ProcessState::ReviewOrder);
    orders[2].status = Status::InReview;
    orders[3].incidents.insert(Incident::Unfinished, at(3));
    orders[3].execution = Some(Execution {
        attempt: 1,
        status: ExecutionStatus::Failed,
        redriven_at: None,
        stopped_at: Some(at(3)),
    });
    for order in &mut orders[4..6] {
        order.held = order.total;
        order.held_since = Some(order.since);
        order.held_until = Some(at(5 * 3600));
    }
    let over = Projection {
        status: Status::Failed,
        error: Some(ErrorName::CarrierUnavailable),
        failed_in: Some(ProcessState::ShipOrder),
        state: None,
        due_at: None,
        ..projection(7)
    };
    let (_, lists) = snapshot::take(&orders, std::slice::from_ref(&over), false, at(10));
    orders.push(over);
    assert!(lists.len() > 10, "{lists:?}");
    for (list, ids) in lists {
        let filter = filter(&format!("list={list}"));
        let mut found: Vec<OrderId> = Vec::new();
        for order in orders.iter().filter(|order| filter.matches(order, at(10))) {
            found.push(order.order_id.clone());
            assert!(
                !order.is_over() || filter.ends() == [Status::Failed],
                "{list}"
            );
        }
        assert_eq!(found, ids, "{list}");
    }
}

#[test]
fn only_ends_that_can_be_among_them_are_looked_through() {
    assert_eq!(filter("").ends().len(), 4);
    assert_eq!(filter("status=in_review").ends(), []);
    assert_eq!(filter("status=in_review,failed").ends(), [Status::Failed]);
    assert!(!filter("error=Internal").ends().contains(&Status::Completed));
    assert!(
        !filter("state=ShipOrder")
            .ends()
            .contains(&Status::Completed)
    );
    assert_eq!(filter("list=open").ends(), []);
}

#[test]
fn orders_that_are_over_are_looked_for_where_most_of_them_ended() {
    let now = at(0);
    let whole = filter("").ended(now);
    assert_eq!(whole, [(Timestamp::UNIX_EPOCH, Timestamp::MAX)]);
    let lately = filter("within=1h").ended(now);
    assert_eq!(lately, [(at(-3600), Timestamp::MAX)]);
    let spans = filter("received_from=2026-10-01&received_to=2026-10-01").ended(now);
    assert_eq!(spans.len(), 3);
    assert_eq!(spans[0].0.to_string(), "2026-10-01T00:00:00Z");
    assert_eq!(spans[0].1.to_string(), "2026-10-02T01:00:00Z");
    assert_eq!(spans[2].1, Timestamp::MAX);
    for (one, next) in spans.iter().zip(&spans[1..]) {
        assert_eq!(one.1 + MILLISECOND, next.0, "nothing is left out");
    }
    // Nobody has ended after now.
    let today = filter("received_to=2026-11-23").ended(now);
    assert_eq!(today.len(), 1);
}
