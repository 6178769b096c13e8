//! Who does what, and when: customers and their shops, reviewers and operators, and the monitor's schedule.

use std::sync::Arc;
use std::time::Duration;

use actions::{Attribution, Reason, Refused};
use axum::body::Body;
use axum::http::{Request, StatusCode};
use domain::{ErrorName, OrderId, Settlement, Status};
use operations::advice::{Action, of_error};
use operations::{Incident, ProcessState, Projection};
use serde_json::{Value, json};
use store::Article;
use tower::ServiceExt as _;

use crate::books;
use crate::dice::Dice;
use crate::plan::{Fault, ms};
use crate::shop::run;
use crate::sim::{self, lock};
use crate::world::{Wanted, World};

/// The articles that are sold, but for the scarce one.
const ARTICLES: u64 = 12;
/// Pieces of each at first, and of the scarce one.
pub(crate) const PIECES: u64 = 50_000_000;
const SCARCE: &str = "scarce";
pub(crate) const SCARCE_PIECES: u64 = 20;

const MINUTE_MS: u64 = 60_000;
const HOUR_MS: u64 = 60 * MINUTE_MS;
const DAY_MS: u64 = 24 * HOUR_MS;

/// An article and its price, in minor units.
fn article(number: u64) -> (String, u64) {
    (format!("article-{number}"), 900 + 700 * number)
}

/// All articles, with what there is of them at first.
pub(crate) fn catalogue() -> Vec<(String, u64, u64)> {
    let mut all: Vec<_> = (0..ARTICLES)
        .map(article)
        .map(|(sku, price)| (sku, price, PIECES))
        .collect();
    all.push((SCARCE.to_owned(), 2_500, SCARCE_PIECES));
    all
}

/// Puts the articles into the catalogue.
pub(crate) async fn stock_up(world: &World) {
    for (sku, price, available) in catalogue() {
        let currency = "USD".parse().expect("a currency");
        let article = Article {
            sku: sku.parse().expect("a sku"),
            unit_price: domain::Money::new(price, currency).expect("a price"),
            available,
            goods: domain::Goods::default(),
        };
        let put = world.shop().store.put_article(&article).await;
        put.expect("an article in the catalogue");
    }
}

/// An order that comes.
#[derive(Debug, Clone)]
pub(crate) struct Coming {
    pub(crate) at_ms: i64,
    pub(crate) order: String,
}

/// All that come, the first one first.
pub(crate) fn coming(world: &World) -> Vec<Coming> {
    let setting = &world.setting;
    let all = (0..setting.orders).map(|number| format!("ord-{}-{number}", setting.number));
    let mut coming: Vec<_> = all
        .filter(|order| setting.only.is_empty() || setting.only.contains(order))
        .map(|order| {
            let mut dice = world.dice((&order, "comes"));
            let day = dice.below(setting.days);
            // One in twenty comes on the day of a sale, when many come at once.
            let at = if dice.happens(500) {
                (day / 30 * 30) * DAY_MS + 10 * HOUR_MS + dice.below(MINUTE_MS / 2)
            } else {
                day * DAY_MS + dice.below(DAY_MS)
            };
            let at_ms = sim::FIRST_MS + ms(at);
            Coming { at_ms, order }
        })
        .collect();
    coming.sort_by_key(|coming| (coming.at_ms, coming.order.clone()));
    coming
}

fn document(order: &str, dice: &mut Dice) -> (Value, Wanted) {
    let mut lines = Vec::new();
    let mut pieces = Vec::new();
    let mut total = 500;
    let first = dice.below(ARTICLES);
    for more in 0..dice.between(1, 4) {
        let (sku, price) = article((first + more) % ARTICLES);
        // One line in thirty is large, so that somebody has to look at the order.
        let most = if dice.happens(330) { 16 } else { 3 };
        let quantity = dice.between(1, most + 1);
        total += price * quantity;
        lines.push(json!({"sku": sku, "quantity": quantity, "unit_price": price}));
        pieces.push((sku, quantity));
    }
    if dice.happens(20) {
        total += 2_500;
        lines.push(json!({"sku": SCARCE, "quantity": 1, "unit_price": 2_500}));
        pieces.push((SCARCE.to_owned(), 1));
    }
    let token: String = order.chars().filter(char::is_ascii_alphanumeric).collect();
    let payment = if dice.happens(6_000) {
        json!({"method": format!("pm_saved{token}"), "customer": "cus_year"})
    } else {
        json!({"method": format!("pm_{}", order.replace('-', "_"))})
    };
    let document = json!({
        "schema_version": 1, "order_id": order, "currency": "USD",
        "customer": {"customer_id": format!("customer-{}", dice.below(5_000)),
            "name": "Ada Example", "email": "ada@example.com"},
        "payment": payment,
        "shipping_address": {"name": "Ada Example", "line1": "1 Main St", "line2": null,
            "city": "Springfield", "region": "IL", "postal_code": "62701", "country": "US"},
        "lines": lines, "shipping_fee": 500, "tax": 0, "total": total
    });
    let wanted = Wanted {
        pieces,
        total,
        is_accepted: false,
    };
    (document, wanted)
}

/// A request to the front door. `None` if there is no answer.
pub(crate) async fn ask(
    world: &Arc<World>,
    order: &str,
    method: &str,
    path: String,
    body: String,
) -> Option<StatusCode> {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("content-type", "application/json")
        .body(Body::from(body))
        .expect("a request");
    let router = world.shop().intake.clone().router();
    let answered = run(
        world,
        "intake",
        order,
        method,
        Box::pin(router.oneshot(request)),
    )
    .await;
    let Ok(Ok(response)) = answered else {
        return None;
    };
    Some(response.status())
}

/// A customer orders, and may change their mind.
pub(crate) async fn customer(world: Arc<World>, order: String) {
    let mut dice = world.dice((&order, "customer"));
    let (document, wanted) = document(&order, &mut dice);
    lock(&world.wanted).insert(order.clone(), wanted);
    let is_queued = dice.happens(3_000);
    let document = document.to_string();
    world.happened(
        "orders sent",
        &order,
        if is_queued { "by queue" } else { "by HTTP" },
    );
    if is_queued {
        lock(&world.queue).push((order.clone(), document.clone(), 0));
        let world = Arc::clone(&world);
        let after_ms = dice.below(2_000);
        tokio::spawn(async move {
            sim::sleep_ms(after_ms).await;
            received(&world).await;
        });
    } else {
        submit(&world, &order, &document).await;
    }
    if dice.happens(200) && world.may(Fault::SentTwice) {
        sim::sleep_ms(dice.below(3 * HOUR_MS)).await;
        world.happened("documents sent twice", &order, "");
        submit(&world, &order, &document).await;
    }
    if dice.happens(500) && world.may(Fault::Cancelled) {
        // Mostly while it is at work, which does not take long.
        let within = if dice.happens(8_000) {
            1_500
        } else {
            12 * HOUR_MS
        };
        sim::sleep_ms(dice.below(within)).await;
        cancel(&world, &order).await;
    }
}

async fn submit(world: &Arc<World>, order: &str, document: &str) {
    for _ in 0..60 {
        let answered = ask(
            world,
            order,
            "POST",
            "/orders".to_owned(),
            document.to_owned(),
        )
        .await;
        match answered {
            Some(status) if status.is_success() => {
                if let Some(wanted) = lock(&world.wanted).get_mut(order) {
                    wanted.is_accepted = true;
                }
                return;
            }
            Some(status) if status.is_client_error() => {
                return world.broken(order, format!("the front door refuses it: {status}"));
            }
            Some(_) | None => sim::sleep(Duration::from_secs(20)).await,
        }
    }
    world.happened("orders that were never taken", order, "");
}

async fn cancel(world: &Arc<World>, order: &str) {
    for _ in 0..5 {
        let path = format!("/orders/{order}/cancel");
        match ask(world, order, "POST", path, String::new()).await {
            Some(StatusCode::ACCEPTED) => {
                let mut books = lock(&world.books);
                books.cancelled.insert(order.to_owned(), sim::now_ms());
                drop(books);
                return world.happened("cancellations accepted", order, "");
            }
            Some(StatusCode::CONFLICT) => {
                return world.happened("cancellations refused", order, "");
            }
            Some(StatusCode::NOT_FOUND) => return,
            Some(_) | None => sim::sleep(Duration::from_secs(30)).await,
        }
    }
}

/// Lambda receives a batch of the queue. What is left of it comes again.
async fn received(world: &Arc<World>) {
    let mut batch: Vec<_> = {
        let mut queue = lock(&world.queue);
        let many = queue.len().min(5);
        queue.drain(..many).collect()
    };
    if batch.is_empty() {
        return;
    }
    let records = batch
        .iter()
        .map(|(order, document, _)| json!({"messageId": order, "body": document}));
    let event = json!({"Records": records.collect::<Vec<_>>()});
    let event: intake::Batch = serde_json::from_value(event).expect("a batch");
    let intake = world.shop().intake.clone();
    let code = Box::pin(async move { json!(intake.take(event).await) });
    let left = run(world, "intake-queue", &batch[0].0, "batch", code).await;
    if let Ok(left) = left {
        let failures = left["batchItemFailures"].as_array().cloned();
        let failures = failures.unwrap_or_default();
        let is_left = |order: &str| failures.iter().any(|left| left["itemIdentifier"] == order);
        if !failures.is_empty() {
            world.happened("batches of which a part is left", &batch[0].0, "");
        }
        let mut wanted = lock(&world.wanted);
        batch.retain(|(order, _, _)| {
            let left = is_left(order);
            if !left && let Some(wanted) = wanted.get_mut(order) {
                wanted.is_accepted = true;
            }
            left
        });
    }
    if batch.is_empty() {
        return;
    }
    let mut again = Vec::new();
    for (order, document, times) in batch {
        if times < 30 {
            again.push((order, document, times + 1));
        } else {
            world.happened("orders that were never taken", &order, "by queue");
        }
    }
    sim::sleep_ms(60_000).await;
    lock(&world.queue).extend(again);
    Box::pin(received(world)).await;
}

/// The monitor's schedule: in a year each minute is too often for a laptop.
pub(crate) async fn schedule(world: Arc<World>) {
    loop {
        let is_quiet = lock(&world.machine).running == 0;
        let wait_ms = if is_quiet {
            2 * HOUR_MS
        } else {
            15 * MINUTE_MS
        };
        sim::sleep_ms(wait_ms).await;
        sweep(&world).await;
    }
}

/// One sweep.
pub(crate) async fn sweep(world: &Arc<World>) {
    let shop = world.shop();
    let event = json!({"detail-type": "Scheduled Event"});
    let handled = Box::pin(shop.monitor.handle(&event));
    world.happened("sweeps", "", "");
    if !matches!(run(world, "monitor", "", "sweep", handled).await, Ok(Ok(_))) {
        world.happened("sweeps that failed", "", "");
    }
}

/// Somebody stops executions now and then, refunds fail, and nobody is at work for weeks.
pub(crate) async fn accidents(world: Arc<World>) {
    loop {
        sim::sleep_ms(DAY_MS).await;
        books::some_refunds_fail(&world);
    }
}

/// Whether nobody is at work, twice a year for three weeks.
fn is_neglected(world: &World) -> bool {
    let day = (sim::now_ms() - sim::FIRST_MS) / ms(DAY_MS);
    world.may(Fault::Neglected) && day % 180 >= 120 && day % 180 < 141
}

/// Operators look at what the monitor tells them, every few hours, and do what it advises.
pub(crate) async fn operators(world: Arc<World>) {
    loop {
        sim::sleep_ms(2 * HOUR_MS).await;
        if is_neglected(&world) {
            continue;
        }
        work(&world).await;
    }
}

const NOTED: &str = "as the page advises";

fn who(reason: &Reason) -> Attribution<'_> {
    Attribution {
        by: "operator",
        reason,
        at: sim::now(),
    }
}

/// What operators do when they look.
pub(crate) async fn work(world: &Arc<World>) {
    let shop = world.shop();
    let Ok(open) = shop.read_models.open_orders().await else {
        return;
    };
    for projection in &open.projections {
        attend(world, projection).await;
    }
    let since = sim::at(sim::now_ms() - ms(3 * DAY_MS));
    let failed = shop.read_models.closed_since(Status::Failed, since, 1_000);
    if let Ok((failed, _)) = failed.await {
        for projection in failed {
            reprocess(world, &projection).await;
        }
    }
    if let Ok(orphans) = shop.read_models.standing().await {
        let reason: Reason = NOTED.parse().expect("a reason");
        for orphan in orphans.into_iter().filter(|orphan| !orphan.is_of_order) {
            let reference = &orphan.posting.reference;
            let order = orphan.posting.order_id.as_ref();
            let order = order.map_or("", OrderId::as_str).to_owned();
            let letting = shop.actions.let_go(reference, who(&reason));
            let letting = run(world, "console", &order, "let go", Box::pin(letting)).await;
            if matches!(&letting, Ok(Ok(answer)) if answer.contains("written off")) {
                lock(&world.books).written_off.insert(order.clone());
            }
            world.happened("orphans let go of", &order, format_args!("{letting:?}"));
        }
    }
}

async fn attend(world: &Arc<World>, projection: &Projection) {
    let order = projection.order_id.as_str();
    let mut dice = world.dice((order, "operators", sim::now_ms()));
    if projection.state == Some(ProcessState::ReviewOrder) && projection.incidents.is_empty() {
        // Of some nobody decides before the deadline.
        let mut fate = world.dice((order, "review"));
        if !fate.happens(500) && dice.happens(7_000) {
            let action = if fate.happens(8_000) {
                Action::Approve
            } else {
                Action::Reject
            };
            act(world, &projection.order_id, action).await;
        }
        return;
    }
    // What a provider refuses for good no redrive changes: the order says so.
    let reason = projection.last_reason.as_deref().unwrap_or_default();
    if reason.ends_with("settle it") && act(world, &projection.order_id, Action::Settle).await {
        act(world, &projection.order_id, Action::Redrive).await;
        return;
    }
    for incident in projection.incidents.keys() {
        let advice = incident.advice();
        let (true, Some(action)) = (incident.needs_a_person(), advice.action) else {
            continue;
        };
        if *incident == Incident::HoldLapsing && dice.happens(5_000) {
            continue;
        }
        if act(world, &projection.order_id, action).await {
            return;
        }
        // It is not possible, and the answer says what is.
        for other in [
            Action::Resolve,
            Action::Redrive,
            Action::Restart,
            Action::Settle,
        ] {
            if other != action && act(world, &projection.order_id, other).await {
                return;
            }
        }
        world.happened("operators could do nothing yet", order, incident.as_str());
        return;
    }
}

/// An order that was reversed because of a dependency gets another chance, in most cases.
async fn reprocess(world: &Arc<World>, projection: &Projection) {
    let mut fate = world.dice((projection.order_id.as_str(), "again", projection.attempt));
    let advised = projection
        .error
        .is_some_and(|error: ErrorName| of_error(error).action == Some(Action::Reprocess));
    if advised && projection.attempt < 4 && fate.happens(7_000) {
        act(world, &projection.order_id, Action::Reprocess).await;
    }
}

/// Does something to an order. Whether that was possible.
async fn act(world: &Arc<World>, order: &OrderId, action: Action) -> bool {
    let shop = world.shop();
    let reason: Reason = NOTED.parse().expect("a reason");
    let acting = async {
        match action {
            Action::Settle => settle(world, order, who(&reason)).await,
            action => shop.actions.act(action, order, who(&reason)).await,
        }
    };
    let acted = run(
        world,
        "console",
        order.as_str(),
        action.as_str(),
        Box::pin(acting),
    )
    .await;
    let what = match action {
        Action::Approve => "operators: approve",
        Action::Reject => "operators: reject",
        Action::Cancel => "operators: cancel",
        Action::Redrive => "operators: redrive",
        Action::Restart => "operators: restart",
        Action::Reprocess => "operators: reprocess",
        Action::Resend => "operators: resend",
        Action::Resolve => "operators: resolve",
        Action::Settle => "operators: settle",
        Action::GiveBack => "operators: give back",
    };
    match acted {
        Ok(Ok(answer)) => {
            world.happened(what, order.as_str(), answer);
            true
        }
        Ok(Err(Refused::NotPossible(why))) => {
            world.happened(
                "operators: not possible",
                order.as_str(),
                format_args!("{action}: {why}"),
            );
            false
        }
        Ok(Err(refused)) => {
            world.happened("operators: no answer", order.as_str(), refused);
            false
        }
        Err(failed) => {
            world.happened("operators: no answer", order.as_str(), failed.name);
            false
        }
    }
}

/// First as undone, which the provider is asked about; else as written off.
async fn settle(
    world: &Arc<World>,
    order: &OrderId,
    who: Attribution<'_>,
) -> Result<String, Refused> {
    let actions = &world.shop().actions;
    let (record, _) = actions.inspect(order).await?;
    let claims = Settlement::possible(&record.state);
    let claims = claims.map_err(|why| Refused::NotPossible(why.to_owned()))?;
    let mut last = Refused::NotPossible("there is nothing to settle".to_owned());
    for claim in claims {
        match actions.settle(order, *claim, who).await {
            Ok(answer) => {
                if matches!(
                    claim,
                    Settlement::ShipmentWrittenOff | Settlement::PaymentWrittenOff
                ) {
                    world.happened("written off", order.as_str(), claim);
                    lock(&world.books).written_off.insert(order.to_string());
                }
                return Ok(answer);
            }
            Err(refused) => last = refused,
        }
    }
    Err(last)
}
