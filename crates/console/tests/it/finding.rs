//! Orders are found by what somebody knows of them, however many there are, and with few requests. Where there are
//! thousands, the database has a thread of its own: neither side is optimised, and requests have their time.

use std::collections::BTreeSet;
use std::time::Duration;

use aws_sdk_dynamodb::types::{PutRequest, WriteRequest};
use domain::{ErrorName, OrderState, Status, TaskError, Timestamp};
use lambda_http::http::Method;
use operations::{Incident, ProcessState, Projection};
use read_models::{PAGE, Reference, projection_item};
use tests::{READ_MODELS, assert_impersonal, document, money, submission};
use tokio::sync::Mutex;

use crate::{Page, request, text};

/// Thousands of orders are read by one test at a time: requests that wait for each other run out of time.
static THOUSANDS: Mutex<()> = Mutex::const_new(());

/// A page makes at most so many requests.
const MOST: usize = 25;

fn order(id: &str, minutes_ago: u64) -> Projection {
    let mut order = submission(&document("ord-0")).order;
    order.order_id = id.parse().expect("an order id");
    let received = Timestamp::now() - Duration::from_mins(minutes_ago);
    let received = Timestamp::from_millisecond(received.as_millisecond()).expect("a time");
    Projection {
        skus: operations::skus(&order),
        ..Projection::received(&OrderState::received(&order, received))
    }
}

/// It was over a minute after it was received.
fn over(id: &str, minutes_ago: u64, status: Status) -> Projection {
    let order = order(id, minutes_ago);
    Projection {
        status,
        state: None,
        since: order.received_at + Duration::from_mins(1),
        due_at: None,
        error: (status == Status::Failed).then_some(ErrorName::CarrierUnavailable),
        failed_in: (status == Status::Failed).then_some(ProcessState::ShipOrder),
        ..order
    }
}

async fn keep(page: &Page, orders: &[Projection]) {
    for some in orders.chunks(25) {
        let puts = some.iter().map(|order| {
            let item = projection_item(order).expect("an item");
            let put = PutRequest::builder().set_item(Some(item)).build();
            let put = put.expect("a write");
            WriteRequest::builder().put_request(put).build()
        });
        let write = page.database.client.batch_write_item();
        let write = write.request_items(READ_MODELS, puts.collect());
        write.send().await.expect("written");
    }
}

/// The orders of a page of the API, and where the next one begins.
async fn found(page: &Page, path: &str) -> (Vec<String>, Option<String>) {
    let answer = page.json(path).await;
    let orders = answer["orders"].as_array();
    let orders = orders.unwrap_or_else(|| panic!("{path}: {answer}"));
    let ids = orders.iter().map(|order| order["order_id"].as_str());
    let ids = ids.map(|id| id.expect("an id").to_owned()).collect();
    (ids, answer["cursor"].as_str().map(str::to_owned))
}

async fn ids(page: &Page, query: &str) -> Vec<String> {
    found(page, &format!("/api/orders?{query}")).await.0
}

/// All orders of a view, page after page; and how many pages there were.
async fn all(page: &Page, query: &str) -> (Vec<String>, usize) {
    let (mut all, mut pages, mut path) = (Vec::new(), 0, format!("/api/orders?{query}"));
    loop {
        let _ = page.requests.take();
        let (ids, next) = found(page, &path).await;
        let requests = page.requests.take();
        assert!(requests.len() <= MOST, "{path}: {requests:?}");
        all.extend(ids);
        pages += 1;
        match next {
            Some(next) => path = format!("/api/orders?{query}&cursor={}", encoded(&next)),
            None => return (all, pages),
        }
        assert!(pages < 50, "{query} goes on for ever");
    }
}

fn encoded(text: &str) -> String {
    text.replace('#', "%23")
}

async fn few(page: &Page) {
    let mut late = order("late", 600);
    late.attempt = 2;
    late.last_error = Some(TaskError::from("States.Timeout".to_owned()));
    late.state = Some(ProcessState::ShipOrder);
    late.status = Status::NeedsAttention;
    late.total = money(2000, "EUR");
    late.deadline = Some(late.received_at + Duration::from_hours(24));
    let since = late.since;
    late.incidents.insert(Incident::Unfinished, since);
    let mut hat = order("hat", 5);
    hat.skus = vec!["HAT-01".parse().expect("a sku")];
    keep(
        page,
        &[
            late,
            hat,
            order("new", 1),
            over("done", 30, Status::Completed),
            over("lost", 40, Status::Failed),
            over("old", 3000, Status::Failed),
        ],
    )
    .await;
}

#[tokio::test]
async fn filters_combine_on_open_orders_and_on_those_that_are_over() {
    let page = Page::open(None).await;
    few(&page).await;
    let day = (Timestamp::now() - Duration::from_hours(48)).to_string();
    let day = &day[..10];
    for (query, expected) in [
        ("within=2h", vec!["new", "hat", "done", "lost"]),
        ("within=2h&status=failed", vec!["lost"]),
        (
            "status=failed&status=completed",
            vec!["done", "lost", "old"],
        ),
        ("error=carrierunavailable", vec!["lost", "old"]),
        ("error=States.Timeout&attempt=2", vec!["late"]),
        ("state=ShipOrder", vec!["late", "lost", "old"]),
        ("state=ShipOrder&within=24h&currency=EUR", vec!["late"]),
        ("sku=hat-01", vec!["hat"]),
        ("sku=MUG-01&within=1h", vec!["new", "done", "lost"]),
        ("sku=MUG-01&within=1h&status=received", vec!["new"]),
        ("amount_from=19.99&currency=EUR", vec!["late"]),
        (
            "amount_from=30.98&amount_to=30.98&currency=USD&within=3m",
            vec!["new"],
        ),
        ("amount_to=30.97&currency=USD", vec![]),
        ("customer=CUS-7&within=3m", vec!["new"]),
        ("list=need-a-person&currency=EUR", vec!["late"]),
        ("list=need-a-person&currency=USD", vec![]),
    ] {
        assert_eq!(ids(&page, query).await, expected, "{query}");
    }
    assert!(ids(&page, &format!("received_to={day}")).await.len() <= 1);
    // The page has what the API has.
    let (status, html) = page.get("/orders?within=2h&status=failed").await;
    assert_eq!((status, html.matches("<tr id=\"row-").count()), (200, 1));
    assert!(html.contains("id=\"row-lost\""), "{html}");
    assert!(html.contains("value=\"2h\""), "the form has what is set");
    assert!(
        html.contains("href=\"orders?status=failed\""),
        "one part can be removed"
    );
    let whole = "href=\"orders?status=failed&#38;within=2h\"";
    assert!(
        html.contains(&format!("id=\"this-view\" {whole}")),
        "{html}"
    );
    assert_impersonal(&html);
}

#[tokio::test]
async fn orders_that_are_over_are_found_in_the_days_in_which_they_were_received() {
    let page = Page::open(None).await;
    // Received two days ago; it took a day and a half, and the others a minute.
    let mut slow = over("slow", 48 * 60, Status::Completed);
    slow.since = slow.received_at + Duration::from_hours(36);
    let mut slowest = over("slowest", 5 * 24 * 60, Status::Failed);
    slowest.since = slowest.received_at + Duration::from_hours(100);
    let from = (slowest.received_at - Duration::from_mins(1)).to_string();
    let to = (slow.received_at + Duration::from_mins(1)).to_string();
    keep(
        &page,
        &[
            slow,
            slowest,
            over("fast", 49 * 60, Status::Completed),
            over("after", 10, Status::Completed),
            over("before", 6 * 24 * 60, Status::Completed),
        ],
    )
    .await;
    let query = format!("received_from={from}&received_to={to}");
    let (mut found, _) = all(&page, &query).await;
    found.sort();
    assert_eq!(found, ["fast", "slow", "slowest"]);
}

#[tokio::test]
async fn what_means_nothing_is_said_next_to_its_field_and_finds_nothing() {
    let page = Page::open(None).await;
    few(&page).await;
    for (query, part) in [
        ("within=soon", "id=\"wrong-within\">Write minutes"),
        (
            "status=lost",
            "id=\"wrong-status\">There is no status “lost”",
        ),
        (
            "state=Nowhere",
            "id=\"wrong-state\">There is no state “Nowhere”",
        ),
        (
            "amount_from=5",
            "id=\"wrong-amount_from\">Choose a currency",
        ),
        ("customer=%FF%00", "id=\"wrong-customer\">A customer"),
        ("sku=%3Cb%3E", "id=\"wrong-sku\">An article"),
        ("sort=size", "<li>There is no order “size”"),
        ("list=mine&sku=MUG-01", "<li>There is no list “mine”"),
        (
            "recieved_from=2026-01-01",
            "<li>There is no filter “recieved_from”",
        ),
        ("within=2h&cursor=x", "<li>There is no such place"),
        (
            "within=2h&cursor=over~0~0:9.-",
            "<li>There is no such place",
        ),
    ] {
        let (status, html) = page.get(&format!("/orders?{query}")).await;
        assert_eq!(status, 400, "{query}");
        assert!(html.contains(part), "{query}: {html}");
        assert!(!html.contains("id=\"row-"), "{query}");
        assert!(
            !html.contains("data-poll"),
            "it is not asked for again and again"
        );
        for path in ["/api/orders", "/orders.csv"] {
            let (status, problem) = page.get(&format!("{path}?{query}")).await;
            assert_eq!(status, 400, "{path}?{query}");
            assert!(problem.contains("\"invalid\":[{\"name\":"), "{problem}");
        }
    }
    // What was written is still there to be mended.
    let (_, html) = page.get("/orders?within=soon&sku=MUG-01").await;
    assert!(html.contains("value=\"soon\"") && html.contains("value=\"MUG-01\""));
    // A place that is one, though nothing is there.
    for cursor in [
        "over~9~0:9.ord-1",
        "over~0~9:",
        "over~0~0:9.ord-1",
        "open~.1.ord-1",
    ] {
        let (status, _) = page
            .get(&format!("/orders?within=2h&cursor={cursor}"))
            .await;
        assert_eq!(status, 200, "{cursor}");
    }
}

#[tokio::test]
async fn a_form_that_was_filled_in_leads_to_an_address_that_is_worth_keeping() {
    let page = Page::open(None).await;
    let sent = "/orders?received_from=&within=24h&sku=&status=failed&sort=&error=&cursor=";
    let answer = page.ask(request(&Method::GET, sent, &[], "")).await;
    assert_eq!(answer.status(), 303);
    assert_eq!(
        answer.headers()["location"],
        "orders?status=failed&within=24h"
    );
}

#[tokio::test]
async fn rows_are_sorted_among_all_open_orders_and_the_head_says_how() {
    let page = Page::open(None).await;
    let orders: Vec<Projection> = (0..120_u32)
        .map(|number| Projection {
            total: money(u64::from(number * 7 % 120) + 1, "USD"),
            ..order(&format!("ord-{number:03}"), u64::from(number))
        })
        .collect();
    keep(&page, &orders).await;
    let (sorted, pages) = all(&page, "sort=-amount").await;
    assert_eq!(pages, 3);
    let mut expected: Vec<&Projection> = orders.iter().collect();
    expected.sort_by_key(|order| std::cmp::Reverse(order.total.minor()));
    let expected: Vec<&str> = expected
        .iter()
        .map(|order| order.order_id.as_str())
        .collect();
    assert_eq!(sorted, expected);
    let (_, html) = page.get("/orders?sort=-amount").await;
    let head = "<th scope=\"col\" class=\"num\" aria-sort=\"descending\"><a \
                href=\"orders?sort=amount\">Amount</a>";
    assert!(html.contains(head), "{html}");
    assert_eq!(html.matches("aria-sort").count(), 1);
    assert!(html.contains("sorted only among those that are shown"));
    let (_, html) = page.get("/orders?within=3h").await;
    let head = "<a href=\"orders?within=3h&#38;sort=-received\">Received</a>";
    assert!(html.contains(head), "{html}");
    assert_eq!(html.matches("aria-sort").count(), 0);
}

#[tokio::test]
async fn orders_that_are_over_come_in_the_order_in_which_they_ended_either_way() {
    let page = Page::open(None).await;
    let ends = [Status::Completed, Status::Failed, Status::Cancelled];
    let orders: Vec<Projection> = (0..130_u64)
        .map(|number| {
            let status = ends[usize::try_from(number % 3).expect("a number")];
            over(&format!("ord-{number:03}"), number + 1, status)
        })
        .collect();
    keep(&page, &orders).await;
    let expected: Vec<&str> = orders.iter().map(|order| order.order_id.as_str()).collect();
    let (latest, _) = all(&page, "sort=-since").await;
    assert_eq!(latest, expected);
    let (mut earliest, _) = all(&page, "sort=since").await;
    earliest.reverse();
    assert_eq!(earliest, expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thousands_are_looked_through_with_few_requests_and_with_a_place_to_go_on_at() {
    let _alone = THOUSANDS.lock().await;
    let page = Page::open(None).await;
    // Only the oldest is what is looked for.
    let mut orders: Vec<Projection> = (1..2600_u64)
        .map(|number| over(&format!("ord-{number:05}"), number, Status::Completed))
        .collect();
    orders.last_mut().expect("an order").attempt = 2;
    keep(&page, &orders).await;
    let _ = page.requests.take();
    let (status, html) = page.get("/orders?attempt=2").await;
    let requests = page.requests.take().len();
    assert!(status == 200 && requests <= MOST, "{requests} requests");
    assert!(
        html.contains("None among those that were looked through."),
        "{html}"
    );
    assert!(
        html.contains("Looked through 22") || html.contains("Looked through 23"),
        "{html}"
    );
    assert!(html.contains(">Look further</a>"), "{html}");
    assert!(
        !html.contains("data-poll"),
        "what costs much is not asked for again and again"
    );
    let (found, pages) = all(&page, "attempt=2").await;
    assert_eq!(found, ["ord-02599"]);
    assert!(pages > 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_ten_thousand_open_orders_a_filter_keeps_to_its_requests() {
    let _alone = THOUSANDS.lock().await;
    let page = Page::open(None).await;
    let orders: Vec<Projection> = (0..10_000_u64)
        .map(|number| {
            let mut order = order(&format!("ord-{number:05}"), number % 1000 + 1);
            order.attempt = if number % 1000 == 7 { 2 } else { 1 };
            order
        })
        .collect();
    keep(&page, &orders).await;
    for path in [
        "/orders?customer=cus-7",
        "/api/orders?attempt=2&sku=MUG-01",
        "/orders.csv?attempt=2",
    ] {
        let _ = page.requests.take();
        let (status, body) = page.get(path).await;
        let requests = page.requests.take();
        assert_eq!(status, 200, "{path}: {body}");
        assert!(requests.len() <= MOST, "{path}: {requests:?}");
    }
    let found: BTreeSet<String> = ids(&page, "attempt=2").await.into_iter().collect();
    assert_eq!(found.len(), 10, "all of them were looked through");
    let _ = page.requests.take();
    let (_, html) = page.get("/orders?sort=-amount").await;
    assert_eq!(html.matches("<tr id=\"row-").count(), PAGE);
    assert!(page.requests.take().len() <= MOST);
}

#[tokio::test]
async fn all_that_a_customer_has_ordered_is_found_also_what_an_earlier_version_wrote() {
    let page = Page::open(None).await;
    let mut orders: Vec<Projection> = (0..120_u64)
        .map(|number| over(&format!("ord-{number:03}"), number + 1, Status::Completed))
        .collect();
    for order in &mut orders[..60] {
        order.customer_id = None;
    }
    keep(&page, &orders).await;
    for order in &orders {
        let read_models = &page.database.read_models;
        let known = read_models.remember(Reference::Customer, "Cus-7", order);
        known.await.expect("known");
    }
    // Somebody else's, and one that is still open.
    let mut other = over("other", 3, Status::Completed);
    other.customer_id = Some("cus-8".parse().expect("a customer"));
    keep(&page, &[other, order("open", 1)]).await;
    let (found, _) = all(&page, "customer=CUS-7").await;
    let expected = orders.iter().map(|order| order.order_id.to_string());
    let expected: Vec<String> = std::iter::once("open".to_owned()).chain(expected).collect();
    assert_eq!(found, expected);
}

#[tokio::test]
async fn a_list_for_a_spreadsheet_has_what_the_page_has_and_nobodys_name() {
    let page = Page::open(None).await;
    few(&page).await;
    let asked = request(
        &Method::GET,
        "/orders.csv?state=ShipOrder&within=24h",
        &[],
        "",
    );
    let answer = page.ask(asked).await;
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["content-type"], "text/csv; charset=utf-8");
    let named = &answer.headers()["content-disposition"];
    assert_eq!(named, "attachment; filename=\"orders.csv\"");
    let csv = text(&answer);
    let lines: Vec<Vec<&str>> = csv
        .split_terminator("\r\n")
        .map(|line| line.split(',').collect())
        .collect();
    let heads = "order_id,status,state,received,since,amount,currency,error";
    assert_eq!(lines[0].join(","), heads);
    let cells = |line: &[&str]| [line[0], line[1], line[2], line[5], line[6], line[7]].join(" ");
    assert_eq!(
        cells(&lines[1]),
        "late needs_attention ShipOrder 20.00 EUR States.Timeout"
    );
    assert_eq!(
        cells(&lines[2]),
        "lost failed ShipOrder 30.98 USD CarrierUnavailable"
    );
    assert_eq!(lines.len(), 3);
    assert!(!csv.contains("cus-7"), "{csv}");
    assert_impersonal(&csv);
    assert!(!answer.headers().contains_key("link"), "nothing is left");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_for_a_spreadsheet_is_bounded_and_says_where_it_goes_on() {
    let _alone = THOUSANDS.lock().await;
    let page = Page::open(None).await;
    let orders: Vec<Projection> = (1..3100_u64)
        .map(|number| over(&format!("ord-{number:05}"), number, Status::Completed))
        .collect();
    keep(&page, &orders).await;
    let mut path = "/orders.csv?status=completed".to_owned();
    let (mut seen, mut pages) = (Vec::new(), 0);
    loop {
        let _ = page.requests.take();
        let answer = page.ask(request(&Method::GET, &path, &[], "")).await;
        assert!(page.requests.take().len() <= MOST);
        assert_eq!(answer.status(), 200, "{path}");
        let csv = text(&answer);
        let ids = csv
            .lines()
            .skip(1)
            .filter_map(|line| line.split(',').next());
        seen.extend(ids.map(str::to_owned));
        pages += 1;
        let Some(next) = answer.headers().get("link") else {
            break;
        };
        let next = next.to_str().expect("a text");
        let next = next.strip_prefix('<').expect("a link");
        path = format!("/{}", next.split('>').next().expect("a link"));
    }
    assert!(pages > 1);
    let expected: Vec<&str> = orders.iter().map(|order| order.order_id.as_str()).collect();
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn an_order_is_found_whatever_the_capitals_and_whatever_is_around_it() {
    let page = Page::open(None).await;
    let mut capital = document("ORD-a");
    capital["customer"]["customer_id"] = "Cus-9".into();
    for document in [&document("ord-b"), &capital] {
        page.database.validated(document).await;
    }
    let read_models = &page.database.read_models;
    let projection = order("ORD-a", 1);
    for (reference, value) in [
        (Reference::Order, "ORD-a"),
        (Reference::Customer, "Cus-9"),
        (Reference::Payment, "pi_3AbC"),
        (Reference::Tracking, "1Z9400"),
    ] {
        let known = read_models.remember(reference, value, &projection);
        known.await.expect("known");
    }
    for (asked, expected) in [
        ("ord-b", "ord-b"),
        ("ORD-B", "ord-b"),
        ("%20ord-b%0A", "ord-b"),
        ("ord-b-1", "ord-b"),
        ("ORD-B-1", "ord-b"),
        ("https://orders.example/orders/ord-b%23main", "ord-b"),
        ("ORD-a", "ORD-a"),
        ("ord-a", "ORD-a"),
        ("ord-A-1", "ORD-a"),
        ("https://orders.example/orders/ORD-a/approve", "ORD-a"),
        ("cus-9", "ORD-a"),
        ("CUS-9", "ORD-a"),
        ("PI_3ABC", "ORD-a"),
        ("1z9400", "ORD-a"),
    ] {
        let path = format!("/search?q={asked}");
        let _ = page.requests.take();
        let answer = page.ask(request(&Method::GET, &path, &[], "")).await;
        assert!(page.requests.take().len() <= MOST);
        assert_eq!(answer.status(), 303, "{asked}");
        let there = format!("orders/{expected}");
        assert_eq!(answer.headers()["location"], there.as_str(), "{asked}");
    }
    // Of two that differ in their capitals only, it is the one that was written.
    page.database.validated(&document("ord-a")).await;
    for id in ["ord-a", "ORD-a"] {
        let path = format!("/search?q={id}");
        let answer = page.ask(request(&Method::GET, &path, &[], "")).await;
        assert_eq!(
            answer.headers()["location"],
            format!("orders/{id}").as_str()
        );
    }
    for nothing in [
        "nothing-like-it",
        &"x".repeat(3000),
        "https://orders.example/orders/",
    ] {
        let (status, _) = page.get(&format!("/search?q={nothing}")).await;
        assert_eq!(status, 404, "{nothing}");
    }
}
