//! What is answered, and what it costs.

use aws_sdk_dynamodb::types::AttributeValue;
use domain::{ErrorName, OrderState, Status, Timestamp};
use lambda_http::http::Method;
use operations::advice::of_error;
use operations::snapshot::take;
use operations::{Incident, ProcessState, Projection};
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
async fn what_needs_a_person_comes_before_what_is_to_be_looked_at() {
    let page = Page::open(None).await;
    open_orders(&page, 2).await;
    let (_, home) = page.get("/").await;
    let places = [
        "id=\"needs\"",
        "id=\"reviews\"",
        // Folded on a phone: the style sheet holds it open elsewhere.
        "<details class=\"fold\" id=\"process\">",
        "<svg class=\"process\"",
    ];
    let at = places.map(|place| {
        home.find(place)
            .unwrap_or_else(|| panic!("{place}: {home}"))
    });
    assert!(at.is_sorted(), "{at:?}");
}

#[tokio::test]
async fn the_first_link_of_a_page_leads_to_the_first_thing_to_do() {
    let page = Page::open(None).await;
    kept(&page, 2, |projection| {
        projection.state = Some(ProcessState::ReviewOrder);
        projection.status = Status::InReview;
    })
    .await;
    page.database.validated(&document("ord-1")).await;
    page.step_functions
        .tells("ord-1-1", json!({"status": "RUNNING"}));
    for (path, target) in [
        ("/", "reviews"),
        ("/orders?list=reviews", "rows-region"),
        ("/orders/ord-1", "actions"),
        ("/runbook", "contents"),
        ("/nowhere", "main"),
    ] {
        let (_, html) = page.get(path).await;
        let first = html.split("<a class=\"skip\" href=\"#").nth(1);
        let first = first.and_then(|rest| rest.split('"').next());
        assert_eq!(first, Some(target), "{path}");
        let at = html
            .split(&format!("id=\"{target}\""))
            .nth(1)
            .expect("its target");
        let attributes = at.split('>').next().expect("an element");
        assert!(
            attributes.contains("tabindex="),
            "{path}: it takes the focus"
        );
    }
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
async fn who_is_signed_in_keeps_the_frame_where_something_is_not_there() {
    let page = Page::open(None).await;
    for path in ["/nowhere", "/orders/ord-404", "/search?q=ord-404%20x"] {
        let (status, html) = page.get(path).await;
        assert_eq!(status, 404, "{path}");
        for part in [
            "<span class=\"env info\">test</span>",
            "role=\"search\"",
            "class=\"who\"",
        ] {
            assert!(html.contains(part), "{path} has no {part}");
        }
        assert!(html.contains("· Orders test</title>"), "{path}");
        // A poll would take the failure for a lost connection.
        assert!(!html.contains("data-poll"), "{path}");
    }
    let (_, html) = page.get("/search?q=ord-404%20x").await;
    assert!(html.contains("value=\"ord-404 x\""), "{html}");
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

/// What alarms say is read where Terraform reads it: `More: docs/RUNBOOK.md, Unfinished.`
fn sections_that_alarms_name() -> Vec<String> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../terraform");
    let texts = ["monitor.json", "monitor.tf"].map(|name| {
        let text = std::fs::read_to_string(folder.join(name));
        text.expect("a file of Terraform")
    });
    let named = texts
        .iter()
        .flat_map(|text| text.split("docs/RUNBOOK.md, "));
    let named = named.skip(1).filter_map(|rest| rest.split('.').next());
    named
        .filter(|section| section.chars().all(char::is_alphanumeric))
        .map(str::to_owned)
        .collect()
}

#[tokio::test]
async fn every_section_that_an_advice_or_an_alarm_names_is_on_the_page_of_the_runbook() {
    let page = Page::open(None).await;
    let (status, runbook) = page.get("/runbook").await;
    assert_eq!(status, 200);
    let alarms = sections_that_alarms_name();
    assert!(alarms.len() >= 10, "{alarms:?}");
    let errors = ErrorName::ALL.iter().map(|error| of_error(*error));
    let advices = errors.chain(Incident::ALL.iter().map(|incident| incident.advice()));
    let advised = advices.map(|advice| advice.runbook.to_owned());
    for section in advised.chain(alarms) {
        let heading = format!("<h2 id=\"{}\">{section}</h2>", section.to_lowercase());
        assert_eq!(runbook.matches(&heading).count(), 1, "{section}");
    }
}

#[tokio::test]
async fn no_link_of_the_runbook_leads_nowhere() {
    let page = Page::open(None).await;
    let (_, runbook) = page.get("/runbook").await;
    let links = runbook.split("href=\"#").skip(1);
    let targets: Vec<&str> = links.filter_map(|rest| rest.split('"').next()).collect();
    assert!(targets.len() > 50, "{targets:?}");
    for target in targets {
        let id = format!("id=\"{target}\"");
        assert_eq!(runbook.matches(&id).count(), 1, "{target}");
    }
    // What it links beside it in the repository is named, and no link: it is not served.
    assert!(runbook.contains("error table") && !runbook.contains("href=\"../"));
}

#[tokio::test]
async fn where_the_runbook_is_named_its_section_is_linked() {
    let page = Page::open(None).await;
    kept(&page, 1, |projection| {
        let now = Timestamp::now();
        projection.incidents.insert(Incident::Unfinished, now);
    })
    .await;
    let link = "<a href=\"runbook#unfinished\">Runbook: Unfinished</a>";
    let (_, home) = page.get("/").await;
    assert!(home.contains(link), "{home}");
    let cause = home.split("orders?list=cause.").nth(1);
    let cause = cause.and_then(|rest| rest.split('&').next());
    let list = format!("/orders?list=cause.{}", cause.expect("a list"));
    assert!(page.get(&list).await.1.contains(link), "{list}");
    page.database.validated(&document("ord-1")).await;
    page.database
        .reversing("ord-1", ErrorName::CarrierUnavailable)
        .await;
    let (_, order) = page.get("/orders/ord-1").await;
    let link = "<a href=\"../runbook#carrierunavailable\">Runbook: CarrierUnavailable</a>";
    assert!(order.contains(link), "{order}");
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
    let personal = json!({"reason": "ada@example.com called"}).to_string();
    let (status, why) = act("cancel", &personal).await;
    assert_eq!(status, 400);
    assert!(why.contains("an e-mail address"), "{why}");
    assert!(!why.contains("ada"), "{why}");
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
async fn whoever_is_too_late_is_told_who_was_quicker() {
    let page = Page::open(None).await;
    page.database.validated(&document("ord-1")).await;
    page.step_functions
        .tells("ord-1-1", json!({"status": "RUNNING"}));
    let form = "reason=no+stock&confirmed=yes";
    let (there, sent) = page.send("/orders/ord-1/cancel", form).await;
    assert_eq!(there, "../../orders/ord-1");
    let done = text(&page.get_with("/orders/ord-1", &sent).await);
    assert!(done.contains("Cancel: cancellation requested"), "{done}");
    let by = done
        .split("<span>")
        .nth(1)
        .and_then(|rest| rest.split('<').next());
    let who = by.expect("who is signed in").to_owned();
    // Both before and after the question, and whatever else the first one made impossible.
    for (path, form) in [
        ("/orders/ord-1/cancel", "reason=no+stock"),
        ("/orders/ord-1/cancel", "reason=no+stock&confirmed=yes"),
        ("/orders/ord-1/approve", "reason=fine&confirmed=yes"),
    ] {
        let (there, sent) = page.send(path, form).await;
        assert_eq!(there, "../../orders/ord-1", "{path}");
        let told = text(&page.get_with("/orders/ord-1", &sent).await);
        let said = format!("Not done: the order was cancelled by {who}, ");
        assert!(told.contains(&said), "{path}, {form}: no {said} in {told}");
    }
    // Nobody did anything that is in the way of this.
    let (_, sent) = page.send("/orders/ord-1/reprocess", "reason=again").await;
    let told = text(&page.get_with("/orders/ord-1", &sent).await);
    let why = "Not done: the order is not reversed yet.";
    assert!(told.contains(why), "{told}");
    // A program is told as before.
    let headers = [("content-type", "application/json")];
    let body = "{\"reason\": \"no stock\"}";
    let asked = request(&Method::POST, "/api/orders/ord-1/cancel", &headers, body);
    let answer = page.ask(asked).await;
    assert_eq!(answer.status(), 409);
    assert_eq!(answer.headers()["content-type"], "application/problem+json");
}

#[tokio::test]
async fn what_came_of_an_action_has_the_focus_and_is_said_once() {
    let page = Page::open(None).await;
    page.database.validated(&document("ord-1")).await;
    page.step_functions
        .tells("ord-1-1", json!({"status": "RUNNING"}));
    let form = "reason=no+stock&confirmed=yes";
    let (_, sent) = page.send("/orders/ord-1/cancel", form).await;
    // On whatever page comes next, and on no poll.
    for path in ["/orders/ord-1", "/", "/runbook"] {
        let answer = page.get_with(path, &sent).await;
        let flash = "id=\"flash\" role=\"status\" tabindex=\"-1\" autofocus>Cancel: ";
        assert!(text(&answer).contains(flash), "{path}: {}", text(&answer));
        let forgets = answer.headers()["set-cookie"].to_str().expect("a cookie");
        assert!(forgets.starts_with("flash=; "), "{path}: {forgets}");
        assert_eq!(answer.headers()["cache-control"], "no-store", "{path}");
    }
    let poll = [("cookie", sent.cookie.as_str()), ("x-poll", "1")];
    let polled = page.ask(request(&Method::GET, "/", &poll, "")).await;
    assert!(!text(&polled).contains("id=\"flash\""));
    assert!(polled.headers().get("set-cookie").is_none());
    let answer = page.get_with("/nowhere", &sent).await;
    assert!(!text(&answer).contains("id=\"flash\""));
    assert!(answer.headers().get("set-cookie").is_none());
}

#[tokio::test]
async fn an_action_without_a_reason_is_asked_about_again_with_what_was_typed() {
    let page = Page::open(None).await;
    page.database.validated(&document("ord-1")).await;
    page.step_functions
        .tells("ord-1-1", json!({"status": "RUNNING"}));
    let long = "x".repeat(210);
    for (reason, typed, complaint) in [
        ("+", "", "Say why: the reason is kept on the order."),
        (
            &long,
            long.as_str(),
            "The reason has 210 characters, and at most 200 are kept.",
        ),
    ] {
        for confirmed in ["", "&confirmed=yes"] {
            let form = format!("reason={reason}{confirmed}");
            let (there, sent) = page.send("/orders/ord-1/cancel", &form).await;
            assert_eq!(there, "../../orders/ord-1/cancel");
            let question = text(&page.get_with("/orders/ord-1/cancel", &sent).await);
            assert!(question.contains(complaint), "{question}");
            assert!(
                question.contains(&format!("autofocus value=\"{typed}\"")),
                "{question}"
            );
            assert!(!question.contains("name=\"confirmed\""), "{question}");
        }
    }
    assert!(page.database.state("ord-1").await.cancel.is_none());
}

#[tokio::test]
async fn whatever_a_form_sends_is_answered_with_a_redirect() {
    let page = Page::open(None).await;
    for (path, form, leads) in [
        (
            "/orders/ord-404/cancel",
            "reason=x&confirmed=yes",
            "../../orders/ord-404",
        ),
        ("/orders/ord-404/fly", "reason=x", "../../orders/ord-404"),
        ("/bulk", "action=cancel&scope=selected", "orders"),
        (
            "/bulk/0123456789abcdef",
            "reason=x",
            "../bulk/0123456789abcdef",
        ),
    ] {
        assert_eq!(page.send(path, form).await.0, leads, "{path}");
    }
    let (_, sent) = page.send("/bulk", "action=cancel&scope=selected").await;
    let told = text(&page.get_with("/orders", &sent).await);
    assert!(told.contains("Select at least one order"), "{told}");
}

#[tokio::test]
async fn a_form_asks_for_a_reason_without_personal_data_and_takes_no_other() {
    let page = Page::open(None).await;
    page.database.validated(&document("ord-1")).await;
    page.step_functions
        .tells("ord-1-1", json!({"status": "RUNNING"}));
    let (_, shown) = page.get("/orders/ord-1").await;
    assert!(shown.contains("maxlength=\"200\""), "{shown}");
    assert!(shown.contains("At most 200 characters, without personal data"));
    let form = [
        ("content-type", "application/x-www-form-urlencoded"),
        ("sec-fetch-site", "same-origin"),
    ];
    let post = async |path: &str, body: &str| {
        let answer = page.ask(request(&Method::POST, path, &form, body)).await;
        assert_eq!(answer.status(), 303, "{path}");
        let there = answer.headers()["location"].to_str().expect("a text");
        there.trim_start_matches("../").to_owned()
    };
    let bulk = post("/bulk", "action=cancel&scope=selected&order=ord-1").await;
    let number = "reason=call+%2B49+170+1234567";
    for (path, again) in [
        ("/orders/ord-1/cancel", "/orders/ord-1/cancel"),
        (&format!("/{bulk}"), &format!("/{bulk}")),
    ] {
        let (_, sent) = page.send(path, number).await;
        let complaint = text(&page.get_with(again, &sent).await);
        assert!(
            complaint.contains("a card or telephone number"),
            "{complaint}"
        );
    }
    assert!(page.database.state("ord-1").await.cancel.is_none());
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
    let scripts = ["app.js", "reader.js", "idiomorph.js"];
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("assets");
    let sizes = scripts.map(|name| {
        std::fs::metadata(folder.join(name))
            .expect("a script")
            .len()
    });
    // Unpacked; gzip makes about a third of it, and 15 kB is the bound.
    assert!(sizes.iter().sum::<u64>() < 24_000, "{sizes:?}");
}
