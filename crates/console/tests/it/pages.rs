//! What is answered, and what it costs.

use aws_sdk_dynamodb::types::AttributeValue;
use domain::{ErrorName, OrderState, Status, Timestamp};
use lambda_http::http::Method;
use operations::snapshot::take;
use operations::{ProcessState, Projection};
use serde_json::json;
use tests::{READ_MODELS, assert_impersonal, document, submission};

use crate::{Page, request, text};

/// So many open orders, as the monitor keeps them; with their records where a page shows them.
async fn open_orders(page: &Page, count: u32) {
    kept(page, count, |_| ()).await;
}

async fn kept(page: &Page, count: u32, change: fn(&mut Projection)) {
    let template = submission(&document("ord-0")).order;
    let now = Timestamp::now();
    let projections: Vec<Projection> = (0..count)
        .map(|number| {
            let mut order = template.clone();
            order.order_id = format!("ord-{number:05}").parse().expect("an order id");
            let mut projection = Projection::received(&OrderState::received(&order, now));
            change(&mut projection);
            projection
        })
        .collect();
    for projection in projections.iter().take(60) {
        let kept = page.database.read_models.put_projection(projection).await;
        assert_eq!(kept, Ok(true));
    }
    let (snapshot, lists) = take(&projections, &[], false, now);
    page.database
        .read_models
        .put_snapshot(&snapshot, &lists)
        .await
        .expect("kept");
}

#[tokio::test]
async fn with_ten_thousand_orders_no_request_reads_more_than_with_ten() {
    let mut costs = Vec::new();
    for count in [10, 10_000] {
        let page = Page::open(None).await;
        open_orders(&page, count).await;
        let _ = page.requests.take();
        let mut cost = Vec::new();
        for path in [
            "/",
            "/orders",
            "/orders?list=open",
            "/api/summary",
            "/api/orders",
        ] {
            let (status, _) = page.get(path).await;
            assert_eq!(status, 200, "{path}");
            cost.push(page.requests.take().len());
        }
        costs.push(cost);
    }
    // A snapshot, the counters, a page of reviews; a page of a list and of records.
    for (few, many) in costs[0].iter().zip(&costs[1]) {
        assert!(*many <= *few && *many <= 25, "{costs:?}");
    }
    let page = Page::open(None).await;
    open_orders(&page, 10_000).await;
    let (_, html) = page.get("/orders?list=open").await;
    assert_eq!(html.matches("<tr id=\"row-").count(), read_models::PAGE);
    assert!(
        html.contains("10000 orders"),
        "the number of the whole list"
    );
}

#[tokio::test]
async fn every_number_of_the_home_page_links_to_its_list_and_the_list_has_so_many() {
    let page = Page::open(None).await;
    open_orders(&page, 7).await;
    let (_, home) = page.get("/").await;
    assert!(home.contains("<b>7</b> open"), "{home}");
    let link = home
        .split("href=\"orders?list=state.ValidateOrder.on_track")
        .nth(1);
    let rest = link
        .and_then(|rest| rest.split('"').next())
        .expect("a link");
    let rest = rest.replace("&#38;", "&").replace("&amp;", "&");
    let (_, list) = page
        .get(&format!("/orders?list=state.ValidateOrder.on_track{rest}"))
        .await;
    assert_eq!(list.matches("<tr id=\"row-").count(), 7);
}

#[tokio::test]
async fn reviews_that_wait_are_told_where_it_is_said_what_needs_a_person() {
    let page = Page::open(None).await;
    kept(&page, 1, |_| ()).await;
    let (_, home) = page.get("/").await;
    assert!(home.contains("Nothing needs a person."), "{home}");
    let page = Page::open(None).await;
    kept(&page, 2, |projection| {
        projection.state = Some(ProcessState::ReviewOrder);
        projection.status = Status::InReview;
    })
    .await;
    let (_, home) = page.get("/").await;
    assert!(!home.contains("Nothing needs a person."), "{home}");
    assert!(
        home.contains("<a href=\"#reviews\">2 reviews wait</a>"),
        "{home}"
    );
    assert!(home.contains("<title>2 reviews wait"), "{home}");
}

#[tokio::test]
async fn a_list_that_is_no_longer_kept_leads_to_the_latest() {
    let page = Page::open(None).await;
    open_orders(&page, 3).await;
    let asked = request(&Method::GET, "/orders?list=open&snapshot=0000", &[], "");
    let answer = page.ask(asked).await;
    assert_eq!(answer.status(), 303);
    assert_eq!(answer.headers()["location"], "orders?list=open");
}

#[tokio::test]
async fn pages_of_all_orders_have_each_order_once() {
    let page = Page::open(None).await;
    open_orders(&page, 60).await;
    let mut seen = Vec::new();
    let mut path = "/api/orders".to_owned();
    loop {
        let answer = page.json(&path).await;
        for order in answer["orders"].as_array().expect("orders") {
            seen.push(order["order_id"].as_str().expect("an id").to_owned());
        }
        match answer["cursor"].as_str() {
            Some(cursor) => path = format!("/api/orders?cursor={cursor}"),
            None => break,
        }
    }
    assert_eq!(seen.len(), 60);
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 60);
    let none = page.get("/api/orders?status=lost").await;
    assert_eq!(none.0, 400);
}

#[tokio::test]
async fn what_another_version_wrote_hides_no_page_of_a_list() {
    let page = Page::open(None).await;
    open_orders(&page, 60).await;
    let text = |text: &str| AttributeValue::S(text.to_owned());
    let update = page.database.client.update_item().table_name(READ_MODELS);
    let update = update
        .key("pk", text("order#ord-00007"))
        .key("sk", text("projection"))
        .update_expression("SET #status = :status")
        .expression_attribute_names("#status", "status")
        .expression_attribute_values(":status", text("teleported"));
    update.send().await.expect("written");
    let (_, html) = page.get("/orders?list=open").await;
    let rows = html.matches("<tr id=\"row-").count();
    assert_eq!(rows, read_models::PAGE - 1);
    assert!(html.contains("page=1"), "the next page is linked");
    let first = page.json("/api/orders").await;
    let cursor = first["cursor"].as_str().expect("the next page");
    let second = page.json(&format!("/api/orders?cursor={cursor}")).await;
    let orders = [&first, &second].map(|page| page["orders"].as_array().map_or(0, Vec::len));
    assert_eq!(orders, [read_models::PAGE - 1, 60 - read_models::PAGE]);
}

#[tokio::test]
async fn what_is_not_there_is_said_in_our_words_by_every_method_and_path() {
    let page = Page::open(None).await;
    for (method, path) in [
        (Method::GET, "/sign-out"),
        (Method::DELETE, "/orders"),
        (Method::GET, "/orders/%FF"),
        (Method::GET, "/nowhere"),
    ] {
        let headers = [("sec-fetch-site", "same-origin")];
        let answer = page.ask(request(&method, path, &headers, "")).await;
        assert_eq!(answer.status(), 404, "{method} {path}");
        assert!(text(&answer).contains("There is nothing here"), "{path}");
    }
}

#[tokio::test]
async fn a_page_that_has_not_changed_is_not_sent_again() {
    let page = Page::open(None).await;
    page.database.accepted(&document("ord-1")).await;
    let first = page
        .ask(request(&Method::GET, "/api/orders/ord-1", &[], ""))
        .await;
    assert_eq!(first.status(), 200);
    open_orders(&page, 2).await;
    let first = page.ask(request(&Method::GET, "/", &[], "")).await;
    let tag = first.headers()["etag"].to_str().expect("a tag").to_owned();
    let again = request(&Method::GET, "/", &[("if-none-match", &tag)], "");
    let again = page.ask(again).await;
    assert_eq!((again.status().as_u16(), text(&again).len()), (304, 0));
}

#[tokio::test]
async fn an_order_has_no_personal_data_on_its_page_but_the_country() {
    let page = Page::open(None).await;
    page.database.validated(&document("ord-1")).await;
    page.database
        .reversing("ord-1", ErrorName::CarrierUnavailable)
        .await;
    for path in ["/orders/ord-1", "/api/orders/ord-1"] {
        let (status, shown) = page.get(path).await;
        assert_eq!(status, 200, "{path}");
        // The shop's own name for its customer is what operators look for; the customer's own are not here.
        assert_impersonal(&shown.replace("cus-7", ""));
    }
    let (status, _) = page.get("/orders/no-such-order").await;
    assert_eq!(status, 404);
}

#[tokio::test]
async fn an_action_takes_a_reason_and_is_refused_where_it_is_not_possible() {
    let page = Page::open(None).await;
    page.database.validated(&document("ord-1")).await;
    page.step_functions
        .tells("ord-1-1", json!({"status": "RUNNING"}));
    let act = async |action: &str, body: &str| {
        let path = format!("/api/orders/ord-1/{action}");
        let headers = [("content-type", "application/json")];
        let answer = page
            .ask(request(&Method::POST, &path, &headers, body))
            .await;
        (answer.status().as_u16(), text(&answer))
    };
    assert_eq!(act("cancel", "{}").await.0, 400);
    assert_eq!(act("cancel", "{\"reason\": \" \"}").await.0, 400);
    let long = json!({"reason": "x".repeat(201)}).to_string();
    assert_eq!(act("cancel", &long).await.0, 400);
    let (status, why) = act("reprocess", "{\"reason\": \"a test\"}").await;
    assert_eq!(status, 409);
    assert!(why.contains("not reversed yet"), "{why}");
    assert_eq!(act("fly", "{\"reason\": \"a test\"}").await.0, 404);
    assert_eq!(act("cancel", "{\"reason\": \"a test\"}").await.0, 200);
    let view = page.json("/api/orders/ord-1").await;
    let timeline = view["timeline"].to_string();
    assert!(timeline.contains("a test"), "{timeline}");
}

#[tokio::test]
async fn what_is_asked_before_an_action_can_be_gone_back_to() {
    let page = Page::open(None).await;
    page.database.validated(&document("ord-1")).await;
    page.step_functions
        .tells("ord-1-1", json!({"status": "RUNNING"}));
    let form = [
        ("content-type", "application/x-www-form-urlencoded"),
        ("sec-fetch-site", "same-origin"),
    ];
    let asked = request(
        &Method::POST,
        "/orders/ord-1/cancel",
        &form,
        "reason=no+stock",
    );
    let answer = page.ask(asked).await;
    let there = answer.headers()["location"].to_str().expect("a text");
    assert_eq!(
        (answer.status().as_u16(), there),
        (303, "../../orders/ord-1/cancel")
    );
    let cookie = answer.headers()["set-cookie"].to_str().expect("a text");
    let cookie = cookie.split(';').next().expect("a cookie").to_owned();
    let look = |path: &'static str| request(&Method::GET, path, &[("cookie", &cookie)], "");
    let question = page.ask(look("/orders/ord-1/cancel")).await;
    assert_eq!(question.status(), 200);
    assert!(
        text(&question).contains("value=\"no stock\""),
        "{}",
        text(&question)
    );
    // The reason was given for this and nothing else.
    for path in ["/orders/ord-1/resolve", "/orders/ord-2/cancel"] {
        assert_eq!(page.ask(look(path)).await.status(), 303, "{path}");
    }
}

#[tokio::test]
async fn what_changes_something_comes_from_our_own_page_or_from_a_program() {
    let page = Page::open(None).await;
    page.database.validated(&document("ord-1")).await;
    page.step_functions
        .tells("ord-1-1", json!({"status": "RUNNING"}));
    let form = ("content-type", "application/x-www-form-urlencoded");
    let post = async |headers: &[(&str, &str)]| {
        let body = "reason=a+test";
        let asked = request(&Method::POST, "/orders/ord-1/cancel", headers, body);
        page.ask(asked).await.status().as_u16()
    };
    assert_eq!(post(&[form, ("sec-fetch-site", "cross-site")]).await, 403);
    assert_eq!(post(&[form, ("sec-fetch-site", "same-site")]).await, 403);
    assert_eq!(post(&[form, ("origin", "https://evil.example")]).await, 403);
    assert_eq!(
        post(&[form]).await,
        403,
        "a form that does not tell where it is from"
    );
    // Asks for a yes first.
    assert_eq!(
        post(&[form, ("origin", "https://orders.example")]).await,
        303
    );
    assert_eq!(post(&[form, ("sec-fetch-site", "same-origin")]).await, 303);
    assert!(page.database.state("ord-1").await.cancel.is_none());
}

#[tokio::test]
async fn every_answer_keeps_other_scripts_and_frames_out() {
    let page = Page::open(None).await;
    for path in ["/", "/nothing", "/api/orders", "/assets/x/app.js"] {
        let answer = page.ask(request(&Method::GET, path, &[], "")).await;
        let policy = answer.headers()["content-security-policy"].to_str();
        let policy = policy.expect("a policy");
        assert_eq!(
            policy,
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src \
             'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
        );
        assert!(!text(&answer).contains(" style="), "{path}");
    }
}

#[test]
fn the_scripts_are_small() {
    let scripts = ["app.js", "idiomorph.js"];
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("assets");
    let sizes = scripts.map(|name| {
        std::fs::metadata(folder.join(name))
            .expect("a script")
            .len()
    });
    // Unpacked; gzip makes about a third of it, and 15 kB is the bound.
    assert!(sizes.iter().sum::<u64>() < 20_000, "{sizes:?}");
}
