//! One box without syntax: whatever somebody has in their hands.

use axum::http::StatusCode;
use axum::response::Response;
use domain::ports::Orders as _;
use domain::{OrderId, Timestamp};
use read_models::Reference;

use crate::answer::see_other;
use crate::frame::Frame;
use crate::message::message;
use crate::operator::Operator;
use crate::request::PageRequest;
use crate::{Console, Failed, words};

impl Console {
    pub(crate) async fn search(
        &self,
        request: &PageRequest,
        operator: &Operator,
        now: Timestamp,
    ) -> Result<Response, Failed> {
        let text = request.query("q").unwrap_or_default().trim();
        if text.is_empty() {
            return Ok(see_other(&request.root));
        }
        let found = self.look_up(text).await?;
        if let [order] = found.as_slice() {
            return Ok(see_other(&format!("{}orders/{order}", request.root)));
        }
        if found.is_empty() {
            let shown: String = text.chars().take(80).collect();
            let said = format!(
                "No order has “{shown}” as its id, customer, payment, tracking number or \
                 execution. Orders are found a moment after they come in."
            );
            return Ok(message(
                StatusCode::NOT_FOUND,
                Frame::of(self, request, operator, None, now),
                "Nothing found",
                &said,
            ));
        }
        let projections = self.read_models.projections(&found).await?;
        let heading = format!("{} for “{text}”", words::orders(projections.len()));
        Ok(self.found(request, operator, &projections, heading, now))
    }

    /// The orders that a text may mean.
    async fn look_up(&self, text: &str) -> Result<Vec<OrderId>, Failed> {
        let names = names(text);
        // As it is written, then in small letters: of two that differ in nothing else, it is the exact one.
        let written = names.iter().map(|name| (*name).to_owned());
        let small = names.iter().map(|name| name.to_lowercase());
        let mut tried: Vec<OrderId> = Vec::new();
        for name in written.chain(small) {
            let Ok(id) = name.parse::<OrderId>() else {
                continue;
            };
            if tried.contains(&id) {
                continue;
            }
            if self.store.load(&id).await?.is_some() {
                return Ok(vec![id]);
            }
            tried.push(id);
        }
        let orders = names.iter().map(|name| (Reference::Order, *name));
        let others = [Reference::Customer, Reference::Payment, Reference::Tracking];
        let others = others.map(|reference| (reference, text));
        for (reference, value) in orders.chain(others) {
            if value.len() > LONGEST {
                continue;
            }
            let found = self.read_models.find(reference, value).await?;
            if !found.is_empty() {
                return Ok(found);
            }
        }
        Ok(Vec::new())
    }
}

/// Nothing that orders are found by is longer than this, in bytes.
const LONGEST: usize = 256;

/// What in a text may name an order: its id, also in the address of its page, or the name of an execution, also at
/// the end of its ARN, which has the attempt behind the order's id.
fn names(text: &str) -> Vec<&str> {
    let mut name = text;
    if let Some((_, path)) = text.split_once("://") {
        // Of `https://…/orders/ord-1/approve?x#y`, or of a page that names an execution.
        let path = path.split(['?', '#']).next().unwrap_or(path);
        let mut parts = path.split('/').skip_while(|part| *part != "orders").skip(1);
        name = parts.next().unwrap_or(text);
    }
    let name = name.rsplit([':', '/']).next().unwrap_or(name);
    let name = name.trim();
    let order = name
        .rsplit_once('-')
        .filter(|(_, attempt)| attempt.parse::<u32>().is_ok())
        .map(|(order, _)| order);
    let names = [Some(name), order];
    names
        .into_iter()
        .flatten()
        .filter(|name| !name.is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_is_named_by_whatever_people_have_in_their_hands() {
        for (text, expected) in [
            ("ord-a", vec!["ord-a"]),
            ("ord-1", vec!["ord-1", "ord"]),
            ("ord-1-2", vec!["ord-1-2", "ord-1"]),
            (
                "arn:aws:states:us-east-1:1:execution:orders:ord-a-1",
                vec!["ord-a-1", "ord-a"],
            ),
            ("https://orders.example/orders/ord-a", vec!["ord-a"]),
            ("https://x.example/orders/ord-a/approve?y#z", vec!["ord-a"]),
            ("https://x.example/base/orders/ord-a#main", vec!["ord-a"]),
            ("https://x.example/api/orders/ord-a/", vec!["ord-a"]),
            (
                "https://x.example/states/home?region=us-east-1#/v2/executions/details/arn:aws:\
                 states:us-east-1:1:execution:orders:ord-a-1",
                vec!["ord-a-1", "ord-a"],
            ),
            ("/orders/ord-a", vec!["ord-a"]),
            ("https://x.example/orders/", vec![]),
        ] {
            assert_eq!(names(text), expected, "{text}");
        }
    }
}
