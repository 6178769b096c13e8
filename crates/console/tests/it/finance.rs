//! Where the money is: what is held now, what moved on each day, and the orders behind each number.

use std::time::Duration;

use aws_sdk_dynamodb::types::{AttributeValue, PutRequest, WriteRequest};
use domain::{OrderState, Timestamp};
use lambda_http::http::Method;
use operations::figures::Day;
use operations::snapshot::take;
use operations::trend::Flow;
use operations::{Movement, Projection};
use read_models::PAGE;
use tests::{READ_MODELS, assert_impersonal, document, money, submission};

use crate::{Page, request, text};

const DAY: &str = "2026-11-24";
const DAYS: &str = "from=2026-11-20&to=2026-11-24";

fn movement(flow: Flow, order_id: &str, minor: u64, currency: &str, at: &str) -> Movement {
    Movement {
        flow,
        amount: money(minor, currency),
        order_id: order_id.parse().expect("an order id"),
        attempt: 1,
        at: at.parse().expect("a time"),
    }
}

async fn enter(page: &Page, movements: &[Movement]) {
    for movement in movements {
        let entered = page.database.read_models.enter(movement).await;
        entered.expect("entered");
    }
}

/// Orders of two days in two currencies. On the second day more was refunded than captured of one of them.
async fn some(page: &Page) {
    let (first, second) = ("2026-11-23T10:00:00Z", "2026-11-24T11:30:00Z");
    enter(
        page,
        &[
            movement(Flow::Authorized, "ord-1", 1299, "USD", first),
            movement(Flow::Captured, "ord-1", 1299, "USD", first),
            movement(Flow::Authorized, "ord-2", 2500, "USD", second),
            movement(Flow::Voided, "ord-2", 2500, "USD", second),
            movement(Flow::Refunded, "ord-1", 1299, "USD", second),
            movement(Flow::Authorized, "ord-3", 1500, "JPY", second),
            movement(Flow::Captured, "ord-3", 1500, "JPY", second),
            movement(Flow::Captured, "ord-4", 250, "JPY", second),
        ],
    )
    .await;
}

/// The addresses behind the numbers of the page, each with its number.
fn links(html: &str) -> Vec<(String, String)> {
    let parts = html.split("<td class=\"num\" data-label=\"").skip(1);
    parts
        .filter_map(|part| {
            let cell = part.split("</td>").next()?;
            let link = cell.split("href=\"").nth(1)?.split('"').next()?;
            let number = cell.split("</a>").next()?.rsplit('>').next()?;
            let link = link.replace("&#38;", "&").replace("&amp;", "&");
            Some((link, number.to_owned()))
        })
        .collect()
}

/// What a page of movements has: its orders.
fn orders(html: &str) -> Vec<String> {
    let parts = html.split("<a class=\"id\" href=\"../orders/").skip(1);
    parts
        .filter_map(|part| Some(part.split('"').next()?.to_owned()))
        .collect()
}

#[tokio::test]
async fn every_number_of_a_day_leads_to_the_orders_that_make_it_up() {
    let page = Page::open(None).await;
    some(&page).await;
    let (status, html) = page.get(&format!("/finance?{DAYS}")).await;
    assert_eq!(status, 200);
    for part in [
        "<title>Finance",
        "<a data-go=\"f\" href=\"finance\" aria-current=\"page\">",
        "id=\"money-2026-11-24-JPY\"",
        "id=\"money-2026-11-24-USD\"",
        "id=\"money-2026-11-23-USD\"",
        // Refunded, and captured the day before.
        "data-label=\"Net\">-12.99</td>",
        "aria-label=\"1750 JPY captured on 2026-11-24, 2 movements\"",
    ] {
        assert!(html.contains(part), "{part} is not in {html}");
    }
    let links = links(&html);
    assert_eq!(links.len(), 7, "{links:?}");
    for (link, number) in links {
        let (status, html) = page.get(&format!("/{link}")).await;
        assert_eq!(status, 200, "{link}");
        let sum = format!("id=\"total\">{number} ");
        assert!(html.contains(&sum), "{link}: {sum} is not in {html}");
        let count = if number == "1750" { 2 } else { 1 };
        assert_eq!(orders(&html).len(), count, "{link}");
    }
    let (_, html) = page.get(&format!("/finance/{DAY}")).await;
    assert_eq!(orders(&html).len(), 6);
    assert!(html.contains("id=\"total\">6 movements;"), "{html}");
}

#[tokio::test]
async fn days_on_which_nothing_moved_say_so() {
    let page = Page::open(None).await;
    let (_, html) = page.get(&format!("/finance?{DAYS}")).await;
    let said = "No money moved from 2026-11-20 to 2026-11-24.";
    assert!(html.contains(said), "{html}");
    assert!(html.contains("id=\"no-snapshot\""), "{html}");
    let (status, html) = page.get("/finance/2026-11-20").await;
    assert_eq!(status, 200);
    assert!(html.contains("No money moved on 2026-11-20."), "{html}");
    some(&page).await;
    let (_, html) = page
        .get("/finance/2026-11-24?flow=voided&currency=JPY")
        .await;
    let said = "No money moved like this on 2026-11-24.";
    assert!(html.contains(said), "{html}");
}

#[tokio::test]
async fn without_days_it_is_the_last_two_weeks() {
    let page = Page::open(None).await;
    let today = Day::of(Timestamp::now());
    let (_, html) = page.get("/finance?from=&to=").await;
    let days = format!("No money moved from {} to {today}.", today.before(13));
    assert!(html.contains(&days), "{html}");
}

#[tokio::test]
async fn what_is_no_day_is_said_at_its_field_and_kept_to_be_mended() {
    let page = Page::open(None).await;
    some(&page).await;
    for (query, part) in [
        ("from=soon", "id=\"wrong-from\">Write a day"),
        ("to=2026-02-30", "id=\"wrong-to\">Write a day"),
        ("from=%3Cb%3E", "value=\"&#60;b&#62;\""),
        (
            "from=2026-11-24&to=2026-11-23",
            "id=\"wrong-to\">This is before",
        ),
        (
            "from=2026-01-01&to=2026-11-23",
            "id=\"wrong-from\">These are 327 days; choose at most 31",
        ),
    ] {
        let (status, html) = page.get(&format!("/finance?{query}")).await;
        assert_eq!(status, 400, "{query}");
        assert!(html.contains(part), "{query}: {html}");
        assert!(!html.contains("id=\"money-"), "{query}");
        let (status, problem) = page.get(&format!("/finance.csv?{query}")).await;
        assert_eq!(status, 400, "{query}");
        assert!(problem.contains("\"invalid\":[{\"name\":"), "{problem}");
    }
    for (path, expected) in [
        ("/finance/soon", 404),
        ("/finance/2026-02-30", 404),
        ("/finance/2026-11-24?flow=lent", 400),
        ("/finance/2026-11-24?currency=USD", 400),
        ("/finance/2026-11-24?flow=captured&currency=XXX", 400),
        ("/finance/2026-11-24?flow=captured&cursor=x", 400),
        (
            "/finance/2026-11-24?flow=captured&cursor=voided%23USD%23ord-1%2300001",
            400,
        ),
    ] {
        assert_eq!(page.get(path).await.0, expected, "{path}");
        let csv = path.replace("-24?", "-24/movements.csv?");
        assert_eq!(page.get(&csv).await.0, expected, "{csv}");
    }
}

#[tokio::test]
async fn a_page_of_finance_asks_a_handful_of_times_whatever_there_is() {
    let page = Page::open(None).await;
    let today = Timestamp::now();
    let mut costs = Vec::new();
    for count in [1, 120] {
        for number in 0..count {
            let order = format!("ord-{number}");
            let moved = movement(Flow::Captured, &order, 1, "USD", &today.to_string());
            enter(&page, &[moved]).await;
        }
        let _ = page.requests.take();
        let day = Day::of(today);
        for path in [
            "/finance".to_owned(),
            "/finance.csv".to_owned(),
            format!("/finance/{day}"),
        ] {
            assert_eq!(page.get(&path).await.0, 200, "{path}");
            costs.push(page.requests.take().len());
        }
    }
    // A snapshot, and asking for a newer one; the sums; the movements.
    assert!(costs.iter().all(|cost| *cost <= 3), "{costs:?}");
}

#[tokio::test]
async fn the_orders_behind_a_number_are_shown_a_page_at_a_time() {
    let page = Page::open(None).await;
    let at = "2026-11-24T10:00:00Z";
    for number in 0..PAGE + 5 {
        let order = format!("ord-{number:03}");
        enter(&page, &[movement(Flow::Captured, &order, 1, "USD", at)]).await;
    }
    let mut path = "/finance/2026-11-24?flow=captured&currency=USD".to_owned();
    let mut seen = Vec::new();
    loop {
        let (status, html) = page.get(&path).await;
        assert_eq!(status, 200, "{path}");
        assert!(html.contains("id=\"total\">0.55 USD in 55 movements;"));
        seen.push(orders(&html).len());
        let next = html.split("\" rel=\"next\"").next();
        let next = next.filter(|_| html.contains("rel=\"next\""));
        let Some(next) = next.and_then(|rest| rest.rsplit("href=\"../").next()) else {
            break;
        };
        path = format!("/{}", next.replace("&#38;", "&").replace("&amp;", "&"));
    }
    assert_eq!(seen, [PAGE, 5]);
}

#[tokio::test]
async fn a_spreadsheet_gets_the_same_numbers_and_nobodys_name() {
    let page = Page::open(None).await;
    some(&page).await;
    let answer = page
        .ask(request(
            &Method::GET,
            &format!("/finance.csv?{DAYS}"),
            &[],
            "",
        ))
        .await;
    assert_eq!(answer.headers()["content-type"], "text/csv; charset=utf-8");
    let named = &answer.headers()["content-disposition"];
    assert_eq!(
        named,
        "attachment; filename=\"money-2026-11-20-2026-11-24.csv\""
    );
    assert_eq!(
        text(&answer),
        "day,currency,authorized,captured,voided,refunded,net\r\n\
         2026-11-24,JPY,1500,1750,0,0,1750\r\n\
         2026-11-24,USD,25.00,0.00,25.00,12.99,-12.99\r\n\
         2026-11-23,USD,12.99,12.99,0.00,0.00,12.99\r\n"
    );
    let path = "/finance/2026-11-24/movements.csv?flow=captured&currency=JPY";
    let answer = page.ask(request(&Method::GET, path, &[], "")).await;
    let named = &answer.headers()["content-disposition"];
    assert_eq!(named, "attachment; filename=\"movements-2026-11-24.csv\"");
    let csv = text(&answer);
    assert_eq!(
        csv,
        "at,flow,order_id,attempt,amount,currency\r\n\
         2026-11-24T11:30:00Z,captured,ord-3,1,1500,JPY\r\n\
         2026-11-24T11:30:00Z,captured,ord-4,1,250,JPY\r\n"
    );
    assert!(!answer.headers().contains_key("link"), "nothing is left");
    assert_impersonal(&csv);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_of_movements_is_bounded_and_says_where_it_goes_on() {
    let page = Page::open(None).await;
    let (text_of, number) = (AttributeValue::S, AttributeValue::N);
    let puts: Vec<WriteRequest> = (0..5100)
        .map(|count| {
            let sort = format!("captured#USD#ord-{count:05}#00001");
            let put = PutRequest::builder()
                .item("pk", text_of(format!("money#{DAY}")))
                .item("sk", text_of(sort))
                .item("amount", number("1".to_owned()))
                .item("moved_at", number("1795428000000".to_owned()))
                .build();
            let put = put.expect("a write");
            WriteRequest::builder().put_request(put).build()
        })
        .collect();
    for some in puts.chunks(25) {
        let write = page.database.client.batch_write_item();
        let write = write.request_items(READ_MODELS, some.to_vec());
        write.send().await.expect("written");
    }
    let mut path = format!("/finance/{DAY}/movements.csv?flow=captured&currency=USD");
    let mut lines = Vec::new();
    loop {
        let _ = page.requests.take();
        let answer = page.ask(request(&Method::GET, &path, &[], "")).await;
        assert!(page.requests.take().len() <= 10);
        lines.push(text(&answer).lines().count() - 1);
        let Some(next) = answer.headers().get("link") else {
            break;
        };
        let next = next.to_str().expect("a text");
        let next = next
            .strip_prefix('<')
            .and_then(|next| next.split('>').next());
        path = format!("/finance/{DAY}/{}", next.expect("a link"));
    }
    assert_eq!(lines, [5000, 100]);
}

#[tokio::test]
async fn what_is_held_now_is_told_by_age_and_by_its_end_with_the_orders_of_each() {
    let page = Page::open(None).await;
    let now = Timestamp::now();
    let template = submission(&document("ord-0")).order;
    let open: Vec<Projection> = (0..5)
        .map(|number| {
            let mut order = template.clone();
            order.order_id = format!("ord-{number}").parse().expect("an order id");
            let mut order = Projection::received(&OrderState::received(&order, now));
            let hours = u64::from(number == 4) * 30;
            order.held_since = Some(now - Duration::from_hours(hours));
            order.held_until = Some(now + Duration::from_hours(100 - hours * 3));
            if number > 0 {
                order.held = order.total;
            }
            order
        })
        .collect();
    for order in &open {
        let kept = page.database.read_models.put_projection(order).await;
        assert_eq!(kept, Ok(true));
    }
    let (snapshot, lists) = take(&open, &[], false, now);
    let kept = page.database.read_models.put_snapshot(&snapshot, &lists);
    kept.await.expect("kept");
    let (_, html) = page.get("/finance").await;
    for part in [
        "<b>123.92 USD</b>",
        "For less than 1 h</th><td class=\"num\">92.94 USD</td>",
        "For 1 to 3 days</th><td class=\"num\">30.98 USD</td>",
        "Lapses in 6 to 24 h</th><td class=\"num\">30.98 USD</td>",
        "Lapses in more than 3 days</th><td class=\"num\">92.94 USD</td>",
    ] {
        assert!(html.contains(part), "{part} is not in {html}");
    }
    let links = html.split("href=\"orders?list=").skip(1);
    let links: Vec<&str> = links.filter_map(|part| part.split('"').next()).collect();
    assert_eq!(links.len(), 4);
    let mut counts = Vec::new();
    for link in links {
        let link = link.replace("&amp;", "&").replace("&#38;", "&");
        let (status, html) = page.get(&format!("/orders?list={link}")).await;
        assert_eq!(status, 200, "{link}");
        assert!(html.contains("<h1>USD held"), "{html}");
        counts.push(html.matches("<tr id=\"row-").count());
        // The same as things are now, which a sorted list looks through.
        let sorted = format!("/orders?list={link}&sort=amount");
        let (_, html) = page.get(&sorted).await;
        assert_eq!(
            html.matches("<tr id=\"row-").count(),
            *counts.last().expect("one")
        );
    }
    assert_eq!(counts, [3, 1, 1, 3]);
}

#[tokio::test]
async fn no_money_held_is_said() {
    let page = Page::open(None).await;
    let (snapshot, lists) = take(&[], &[], false, Timestamp::now());
    let kept = page.database.read_models.put_snapshot(&snapshot, &lists);
    kept.await.expect("kept");
    let (_, html) = page.get("/finance").await;
    assert!(html.contains("id=\"nothing-held\""), "{html}");
}
