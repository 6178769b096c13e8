//! Movements of money: entered once, summed by day, listed a page at a time.

use domain::Timestamp;
use operations::Movement;
use operations::figures::{Day, Days, amounts};
use operations::trend::Flow;
use read_models::{Behind, ReadModels};
use tests::{Database, READ_MODELS, database, money};

const DAY: &str = "2026-11-24";

fn day(text: &str) -> Day {
    text.parse().expect("a day")
}

fn movement(flow: Flow, order_id: &str, minor: u64, currency: &str) -> Movement {
    Movement {
        flow,
        amount: money(minor, currency),
        order_id: order_id.parse().expect("an order id"),
        attempt: 1,
        at: "2026-11-24T23:59:59.999Z".parse().expect("a time"),
    }
}

async fn enter(database: &Database, movements: &[Movement]) {
    for movement in movements {
        database.read_models.enter(movement).await.expect("entered");
    }
}

async fn csv(database: &Database, from: &str, to: &str) -> String {
    let days = Days {
        from: day(from),
        to: day(to),
    };
    let figures = database.read_models.figures(days).await;
    figures.expect("figures").csv()
}

/// Every item that is on a day.
async fn behind(database: &Database, behind: Behind) -> Vec<Movement> {
    let found = database.read_models.movements(day(DAY), behind, None, 100);
    let (found, next) = found.await.expect("movements");
    assert_eq!(next, None);
    found
}

#[tokio::test]
async fn a_movement_is_entered_and_summed_once_however_often_it_comes() {
    let database = database().await;
    let taken = movement(Flow::Captured, "ord-1", 1299, "USD");
    enter(&database, &[taken.clone(), taken.clone()]).await;
    let again = Movement {
        attempt: 2,
        ..taken.clone()
    };
    let other = movement(Flow::Captured, "ord-2", 1, "USD");
    enter(&database, &[again.clone(), other.clone(), taken.clone()]).await;
    assert_eq!(
        csv(&database, DAY, DAY).await,
        "day,currency,authorized,captured,voided,refunded,net\r\n\
         2026-11-24,USD,0.00,25.99,0.00,0.00,25.99\r\n"
    );
    let found = behind(&database, Behind::default()).await;
    assert_eq!(found, [taken, again, other]);
}

#[tokio::test]
async fn the_first_entry_stands() {
    let database = database().await;
    enter(
        &database,
        &[
            movement(Flow::Voided, "ord-1", 1299, "USD"),
            movement(Flow::Voided, "ord-1", 999, "USD"),
        ],
    )
    .await;
    let found = behind(&database, Behind::default()).await;
    assert_eq!(found[0].amount, money(1299, "USD"));
    assert!(csv(&database, DAY, DAY).await.contains(",12.99,"));
}

#[tokio::test]
async fn a_number_is_the_sum_of_exactly_the_movements_behind_it() {
    let database = database().await;
    let mut moved = Vec::new();
    for number in 0..12 {
        let order = format!("ord-{number}");
        moved.push(movement(Flow::Authorized, &order, 1000 + number, "USD"));
        moved.push(movement(Flow::Captured, &order, 500 + number, "JPY"));
    }
    moved.push(movement(Flow::Captured, "ord-7", 250, "KWD"));
    enter(&database, &moved).await;
    let days = Days::only(day(DAY));
    let figures = database.read_models.figures(days).await.expect("figures");
    for (_, currency, ways) in figures.rows() {
        for (flow, sum) in Flow::ALL.iter().zip(ways) {
            let of = Behind {
                flow: Some(*flow),
                currency: Some(currency),
            };
            let found = behind(&database, of).await;
            let minor: u64 = found.iter().map(|one| one.amount.minor()).sum();
            assert_eq!(minor, sum.minor, "{flow} {currency}");
            assert_eq!(found.len() as u64, sum.movements, "{flow} {currency}");
        }
    }
    let jpy = "JPY".parse().expect("a currency");
    let ways = figures.totals()[&jpy];
    assert_eq!(amounts(&ways, jpy), ["0", "6066", "0", "0", "6066"]);
    let captured = Behind {
        flow: Some(Flow::Captured),
        currency: None,
    };
    assert_eq!(behind(&database, captured).await.len(), 13);
}

#[tokio::test]
async fn the_sums_of_some_days_are_of_these_days_alone() {
    let database = database().await;
    for (order, at) in [
        ("ord-1", "2026-11-22T23:59:59.999Z"),
        ("ord-2", "2026-11-23T00:00:00Z"),
        ("ord-3", "2026-11-24T23:59:59.999Z"),
        ("ord-4", "2026-11-25T00:00:00Z"),
    ] {
        let taken = movement(Flow::Captured, order, 100, "USD");
        let at = at.parse().expect("a time");
        enter(&database, &[Movement { at, ..taken }]).await;
    }
    assert_eq!(
        csv(&database, "2026-11-23", "2026-11-24").await,
        "day,currency,authorized,captured,voided,refunded,net\r\n\
         2026-11-24,USD,0.00,1.00,0.00,0.00,1.00\r\n\
         2026-11-23,USD,0.00,1.00,0.00,0.00,1.00\r\n"
    );
}

#[tokio::test]
async fn movements_are_listed_a_page_at_a_time_and_the_last_page_says_so() {
    let database = database().await;
    for number in 0..5 {
        let order = format!("ord-{number}");
        let moved = [Flow::Captured, Flow::Voided].map(|flow| movement(flow, &order, 1, "USD"));
        enter(&database, &moved).await;
    }
    let captured = Behind {
        flow: Some(Flow::Captured),
        currency: Some("USD".parse().expect("a currency")),
    };
    for (size, pages) in [(2, vec![2, 2, 1]), (5, vec![5])] {
        let (mut after, mut seen, mut sizes) = (None, Vec::new(), Vec::new());
        loop {
            let after_it: Option<String> = after.take();
            let page =
                database
                    .read_models
                    .movements(day(DAY), captured, after_it.as_deref(), size);
            let (found, next) = page.await.expect("a page");
            sizes.push(found.len());
            seen.extend(found.into_iter().map(|one| one.order_id.to_string()));
            match next {
                Some(next) => {
                    assert!(ReadModels::is_place(captured, &next), "{next}");
                    after = Some(next);
                }
                None => break,
            }
        }
        assert_eq!(sizes, pages);
        assert_eq!(seen, ["ord-0", "ord-1", "ord-2", "ord-3", "ord-4"]);
    }
    for nonsense in [
        "",
        "captured#USD#",
        "voided#USD#ord-1#00001",
        "captured#USD#-#00001",
    ] {
        assert!(!ReadModels::is_place(captured, nonsense), "{nonsense}");
    }
}

#[tokio::test]
async fn movements_and_their_sums_are_kept_for_thirteen_months_and_no_longer() {
    let database = database().await;
    enter(&database, &[movement(Flow::Captured, "ord-1", 1, "USD")]).await;
    let items = database.client.scan().table_name(READ_MODELS).send().await;
    let items = items.expect("items").items.unwrap_or_default();
    assert_eq!(items.len(), 2);
    let begin: Timestamp = "2026-11-24T00:00:00Z".parse().expect("a time");
    for item in &items {
        let expires: i64 = item["expires_at"]
            .as_n()
            .expect("a number")
            .parse()
            .expect("a time");
        let days = (expires - begin.as_second()) / 86_400;
        assert!((396..=430).contains(&days), "{item:?}");
    }
}

#[tokio::test]
async fn what_another_version_wrote_stops_nobody() {
    use aws_sdk_dynamodb::types::AttributeValue;
    let database = database().await;
    enter(&database, &[movement(Flow::Captured, "ord-1", 100, "USD")]).await;
    let text = |text: &str| AttributeValue::S(text.to_owned());
    for (pk, sk) in [
        ("money", "2026-11-24#x"),
        ("money#2026-11-24", "lent#USD#ord-1#00001"),
    ] {
        let put = database.client.put_item().table_name(READ_MODELS);
        let put = put
            .item("pk", text(pk))
            .item("sk", text(sk))
            .item("money.lent.USD", AttributeValue::N("7".to_owned()));
        put.send().await.expect("written");
    }
    assert!(csv(&database, DAY, DAY).await.ends_with(",1.00\r\n"));
    assert_eq!(behind(&database, Behind::default()).await.len(), 1);
}
