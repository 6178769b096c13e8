//! One action on many orders, as it is asked for on the page.

use lambda_http::http::Method;
use lambda_http::{Body, Response};
use serde_json::json;
use tests::document;

use crate::{Page, request, text};

/// Orders that are being processed.
async fn running(orders: &[&str]) -> Page {
    let page = Page::open(None).await;
    for order in orders {
        page.database.validated(&document(order)).await;
        page.step_functions
            .tells(&format!("{order}-1"), json!({"status": "RUNNING"}));
    }
    page
}

async fn post(page: &Page, path: &str, form: &str) -> Response<Body> {
    post_from(page, "https://orders.example/", path, form).await
}

async fn post_from(page: &Page, referer: &str, path: &str, form: &str) -> Response<Body> {
    let headers = [
        ("content-type", "application/x-www-form-urlencoded"),
        ("sec-fetch-site", "same-origin"),
        ("referer", referer),
    ];
    page.ask(request(&Method::POST, path, &headers, form)).await
}

fn location(answer: &Response<Body>) -> &str {
    assert_eq!(answer.status(), 303, "{}", text(answer));
    answer.headers()["location"].to_str().expect("a path")
}

/// The digest of a preview of cancelling these.
async fn preview(page: &Page, orders: &str) -> String {
    let form = format!("action=cancel&scope=selected&{orders}");
    let answer = post(page, "/bulk", &form).await;
    let path = location(&answer).split('?').next().expect("a path");
    path.rsplit('/').next().expect("a digest").to_owned()
}

async fn apply(page: &Page, digest: &str) {
    let answer = post(page, &format!("/bulk/{digest}"), "reason=no+stock").await;
    assert_eq!(location(&answer), format!("../bulk/{digest}"));
}

#[tokio::test]
async fn an_order_that_is_chosen_twice_is_in_a_bulk_once() {
    let page = running(&["ord-1", "ord-2"]).await;
    let digest = preview(&page, "order=ord-1&order=ord-2&order=ord-1").await;
    let bulk = page.database.read_models.bulk(&digest).await;
    let parts = bulk.expect("an answer").expect("the bulk").parts;
    assert_eq!(parts.len(), 2);
}

#[tokio::test]
async fn an_order_of_another_bulk_is_left_out_with_whose_it_is_and_a_link() {
    let page = running(&["ord-1", "ord-2"]).await;
    let first = preview(&page, "order=ord-1").await;
    apply(&page, &first).await;
    let second = preview(&page, "order=ord-1&order=ord-2").await;
    let (status, html) = page.get(&format!("/bulk/{second}")).await;
    assert_eq!(status, 200);
    assert!(html.contains("1 order left out"), "{html}");
    assert!(
        html.contains("another bulk has it in hand: cancel by"),
        "{html}"
    );
    assert!(
        html.contains(&format!("href=\"../bulk/{first}\"")),
        "{html}"
    );
}

#[tokio::test]
async fn bulks_are_listed_with_who_and_why_and_home_says_that_one_is_at_work() {
    let page = running(&["ord-1", "ord-2"]).await;
    let (_, none) = page.get("/bulk").await;
    assert!(none.contains("Nothing was done to many orders"), "{none}");
    let (_, home) = page.get("/").await;
    assert!(!home.contains("at work"), "{home}");
    let digest = preview(&page, "order=ord-1&order=ord-2").await;
    apply(&page, &digest).await;
    let _ = page.requests.take();
    let (status, html) = page.get("/bulk").await;
    assert_eq!((status, page.requests.take().len()), (200, 2));
    for part in [
        &format!("href=\"bulk/{digest}\">Cancel: 2 orders</a>"),
        "no stock",
        "running",
        "2 waiting",
    ] {
        assert!(html.contains(part), "{part} is not in {html}");
    }
    let (_, home) = page.get("/").await;
    assert!(
        home.contains("<a href=\"bulk\">1 bulk is at work</a>"),
        "{home}"
    );
}

/// The page that a form's answer leads to, with what it says once.
async fn followed(page: &Page, answer: &Response<Body>, path: &str) -> String {
    let cookie = answer.headers()["set-cookie"].to_str().expect("a cookie");
    let cookie = cookie.split(';').next().expect("a cookie");
    let asked = request(&Method::GET, path, &[("cookie", cookie)], "");
    let shown = page.ask(asked).await;
    let cleared = shown.headers()["set-cookie"].to_str().expect("a cookie");
    assert!(cleared.starts_with("flash=; "), "said once: {cleared}");
    text(&shown)
}

#[tokio::test]
async fn a_bulk_is_paused_resumed_and_stopped_with_who_and_when_and_a_reason() {
    let page = running(&["ord-1", "ord-2"]).await;
    let digest = preview(&page, "order=ord-1&order=ord-2").await;
    apply(&page, &digest).await;
    let path = format!("/bulk/{digest}");
    let control = async |word: &str, form: &str| {
        let answer = post(&page, &format!("{path}/{word}"), form).await;
        assert_eq!(location(&answer), format!("../../bulk/{digest}"));
        followed(&page, &answer, &path).await
    };
    let has = |html: &str, parts: &[&str]| {
        for part in parts {
            assert!(html.contains(part), "{part} is not in {html}");
        }
    };
    let paused = control("pause", "").await;
    has(
        &paused,
        &["It is paused: no further order", "/resume\"", "/stop\""],
    );
    assert!(!paused.contains("/pause\""), "{paused}");
    let again = control("pause", "").await;
    has(&again, &["It is not paused: it was paused before."]);
    has(&control("resume", "").await, &["It is resumed", "/pause\""]);
    has(&control("stop", "").await, &["Say why", "running"]);
    let stopped = control("stop", "reason=wrong+list").await;
    has(
        &stopped,
        &["Stopped by", "wrong list", "2 orders were untouched"],
    );
    assert!(!stopped.contains("/stop\""), "{stopped}");
    let nothing = post(&page, &format!("{path}/fly"), "").await;
    assert_eq!(nothing.status(), 303, "a form never ends on an error");
    // What another page says is not for one that polls beside it.
    let polled = [("cookie", "flash=Hello"), ("x-poll", "1")];
    let polled = page.ask(request(&Method::GET, "/bulk", &polled, "")).await;
    assert!(!text(&polled).contains("Hello"));
    assert!(!polled.headers().contains_key("set-cookie"));
}

#[tokio::test]
async fn a_form_without_orders_or_an_action_leads_back_to_its_list_and_says_why() {
    let page = running(&["ord-1"]).await;
    let list = "https://orders.example/orders?status=validated&cursor=x";
    for (referer, form, back, told) in [
        (
            list,
            "scope=selected&order=ord-1",
            "orders?status=validated&cursor=x",
            "Choose an action",
        ),
        (
            list,
            "action=cancel&scope=selected",
            "orders?status=validated&cursor=x",
            "Select at least",
        ),
        (
            "https://orders.example/",
            "action=cancel&scope=all&list=open&snapshot=0",
            "orders?list=open&snapshot=0",
            "No order is on this list",
        ),
        (
            "https://evil.example/",
            "action=cancel",
            "orders",
            "Select at least",
        ),
    ] {
        let answer = post_from(&page, referer, "/bulk", form).await;
        assert_eq!(location(&answer), back);
        let shown = followed(&page, &answer, "/orders").await;
        assert!(shown.contains(told), "{shown}");
    }
    let unknown = post(&page, "/bulk", "action=fly&order=ord-1").await;
    assert_eq!(unknown.status(), 303, "a form never ends on an error");
}

#[tokio::test]
async fn a_preview_that_is_possible_for_none_says_why_and_leads_back_to_its_list() {
    let page = running(&["ord-1"]).await;
    let list = "https://orders.example/orders?status=validated";
    let form = "action=reprocess&scope=selected&order=ord-1";
    let answer = post_from(&page, list, "/bulk", form).await;
    let path = format!("/{}", location(&answer));
    let (status, html) = page.get(&path).await;
    assert_eq!(status, 200);
    for part in [
        "Reprocess is possible for none of 1 order",
        "the order is not reversed yet",
        "href=\"../orders?status=validated\"",
    ] {
        assert!(html.contains(part), "{part} is not in {html}");
    }
    assert!(!html.contains("name=\"reason\""), "{html}");
    let elsewhere = path.replace("from=orders", "from=https%3A%2F%2Fevil.example%2Forders");
    assert_ne!(elsewhere, path);
    let (_, html) = page.get(&elsewhere).await;
    assert!(!html.contains("evil"), "{html}");
    // Pressed all the same.
    let path = path.split('?').next().expect("a path");
    let answer = post(&page, path, "reason=a+test").await;
    let shown = followed(&page, &answer, path).await;
    assert!(
        shown.contains("Nothing was done: it is possible for none"),
        "{shown}"
    );
    let answer = post(&page, path, "reason=").await;
    assert!(followed(&page, &answer, path).await.contains("Say why"));
}

#[tokio::test]
async fn whoever_reprocesses_what_was_declined_is_warned_on_the_preview_and_when_asked() {
    use domain::ledger::{NotifyFailure, Reversal, Reverse, Unbook, Unbooking};
    let page = running(&["ord-1"]).await;
    let database = &page.database;
    database
        .reversing("ord-1", domain::ErrorName::PaymentDeclined)
        .await;
    database.did::<Unbook>("ord-1", Unbooking::Nothing).await;
    database.did::<Reverse>("ord-1", Reversal::Nothing).await;
    database.released("ord-1").await;
    let message = domain::ledger::MessageId("message".to_owned());
    database.did::<NotifyFailure>("ord-1", message).await;
    let ended = json!({"status": "FAILED", "stopDate": 1_795_428_000});
    page.step_functions.tells("ord-1-1", ended);
    let answer = post(&page, "/bulk", "action=reprocess&order=ord-1").await;
    let (_, shown) = page.get(&format!("/{}", location(&answer))).await;
    let warning = "bank declined this means of payment";
    assert!(
        shown.contains("1 order is likely to come to the same"),
        "{shown}"
    );
    assert!(shown.contains(warning), "{shown}");
    let path = "/orders/ord-1/reprocess";
    let answer = post(&page, path, "reason=a+test").await;
    let cookie = answer.headers()["set-cookie"].to_str().expect("a cookie");
    let cookie = cookie.split(';').next().expect("a cookie");
    let asked = request(&Method::GET, path, &[("cookie", cookie)], "");
    let question = text(&page.ask(asked).await);
    assert!(question.contains(warning), "{question}");
}
