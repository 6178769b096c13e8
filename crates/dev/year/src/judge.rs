//! Who judges: from the providers' books, the mails, the stock, and what customers and operators are told; never
//! from what is inside.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::http::Request;
use domain::OrderId;
use read_models::Row;
use serde_json::Value;
use tower::ServiceExt as _;

use crate::books::Paid;
use crate::people;
use crate::sim::lock;
use crate::world::World;

/// How many orders ended in each way.
pub(crate) type Ends = BTreeMap<String, u64>;

/// What the books have of an order.
#[derive(Debug, Default)]
struct Held {
    holds: usize,
    kept: u64,
    live: usize,
    mails: Vec<bool>,
    is_cancelled: bool,
    is_written_off: bool,
}

/// Judges every order, and the stock.
pub(crate) async fn judge(world: &Arc<World>) -> Ends {
    let wanted = lock(&world.wanted).clone();
    let mut ends = Ends::new();
    let mut out: BTreeMap<String, u64> = BTreeMap::new();
    for (order, wanted) in &wanted {
        let id: OrderId = order.parse().expect("an order id");
        let Some(view) = view(world, order).await else {
            if wanted.is_accepted {
                world.broken(order, "it was accepted, and nobody knows it");
            }
            continue;
        };
        let status = view["status"].as_str().unwrap_or("none").to_owned();
        let books = held(world, &id);
        for broken in rules(&status, &view, &books, wanted.total) {
            world.broken(
                order,
                format!("{broken}; status {status}, {books:?}, {view}"),
            );
        }
        let is_closed = matches!(&*status, "completed" | "rejected" | "cancelled" | "failed");
        if !is_closed {
            let shown = shown(world, &id).await;
            if !shown {
                world.broken(order, format!("it is {status}, and no operator sees it"));
            }
        }
        let keeps_stock = status == "completed"
            || !is_closed && view["timeline"].to_string().contains("validated");
        if keeps_stock {
            for (sku, pieces) in &wanted.pieces {
                *out.entry(sku.clone()).or_default() += pieces;
            }
        }
        *ends.entry(status).or_default() += 1;
    }
    stock(world, &out).await;
    ends
}

fn held(world: &World, order: &OrderId) -> Held {
    let mut books = lock(&world.books);
    let (mut holds, mut kept) = (0, 0);
    for paid in books.of_order(order) {
        holds += usize::from(paid.is_held());
        kept += Paid::kept(paid);
    }
    Held {
        holds,
        kept,
        live: books
            .labels_of(order)
            .filter(|label| !label.is_void)
            .count(),
        mails: books.mails.get(order.as_str()).cloned().unwrap_or_default(),
        is_cancelled: books.cancelled.contains_key(order.as_str()),
        is_written_off: books.written_off.contains(order.as_str()),
    }
}

/// The rules that an order breaks as it stands now that everything is over.
fn rules(status: &str, view: &Value, books: &Held, total: u64) -> Vec<String> {
    let mut broken = Vec::new();
    let mut must = |holds: bool, rule: &str| {
        if !holds {
            broken.push(rule.to_owned());
        }
    };
    let is_told = view["notification"]["status"] == "sent";
    let is_written_off = books.is_written_off;
    match status {
        "completed" => {
            must(books.kept == total, "what was taken is the total");
            must(books.holds == 0, "nothing is held of an order that is paid");
            must(books.live == 1, "an order that is paid has a label");
            must(!books.is_cancelled, "a cancelled order is not completed");
            must(
                books.mails.iter().all(|shipped| *shipped) || books.mails.last() == Some(&true),
                "the last word is that it is on its way",
            );
        }
        "rejected" | "cancelled" | "failed" => {
            must(books.holds == 0, "nothing is held of an order that is over");
            must(
                books.kept == 0 || is_written_off,
                "nothing is kept of an order that is over",
            );
            must(
                books.live == 0 || is_written_off,
                "no label is live of an order that is over",
            );
            must(
                books.mails.last() != Some(&true),
                "nobody is told that it is on its way",
            );
            must(
                !books.is_cancelled || status == "cancelled",
                "a cancellation that was accepted ends as one",
            );
        }
        _ => {}
    }
    if is_told {
        must(!books.mails.is_empty(), "who is said to be told was");
    }
    broken
}

/// The status view, as the shop sees it.
async fn view(world: &Arc<World>, order: &str) -> Option<Value> {
    let request = Request::get(format!("/orders/{order}")).body(Body::empty());
    let router = world.shop().intake.clone().router();
    let answer = router.oneshot(request.expect("a request")).await;
    let Ok(answer) = answer;
    if !answer.status().is_success() {
        return None;
    }
    let body = to_bytes(answer.into_body(), usize::MAX).await.ok()?;
    serde_json::from_slice(&body).ok()
}

/// Whether an operator sees an order that is not over, and what is wrong with it.
async fn shown(world: &World, order: &OrderId) -> bool {
    let Ok(open) = world.shop().read_models.open_orders().await else {
        return false;
    };
    let mut rows = open.projections.iter();
    if !rows.any(|projection| projection.order_id == *order) {
        return false;
    }
    let row = world.shop().read_models.order(order).await;
    let projection = row.ok().flatten().and_then(Row::projection);
    projection.is_some_and(|projection| !projection.incidents.is_empty())
}

async fn stock(world: &World, out: &BTreeMap<String, u64>) {
    for (sku, _, at_first) in people::catalogue() {
        let article = sku.parse().expect("a sku");
        let article = world.shop().store.article(&article).await;
        let Ok(Some(article)) = article else {
            world.broken("", format!("{sku} is in the catalogue no more"));
            continue;
        };
        let sold = out.get(&sku).copied().unwrap_or(0);
        if article.available + sold != at_first {
            let left = article.available;
            let text =
                format!("stock is not conserved: {sku} had {at_first}, sold {sold}, has {left}");
            world.broken("", text);
        }
    }
}
