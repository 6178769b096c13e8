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
        // An execution's ARN, or its name, which has the attempt behind the order's id.
        let name = text.rsplit(':').next().unwrap_or(text);
        let by_name = name
            .rsplit_once('-')
            .filter(|(_, attempt)| attempt.parse::<u32>().is_ok());
        let ids = [Some(name), by_name.map(|(order, _)| order)];
        for id in ids.into_iter().flatten() {
            if let Ok(id) = id.parse::<OrderId>()
                && self.store.load(&id).await?.is_some()
            {
                return Ok(vec![id]);
            }
        }
        for reference in Reference::ALL {
            let found = self.read_models.find(reference, text).await?;
            if !found.is_empty() {
                return Ok(found);
            }
        }
        Ok(Vec::new())
    }
}
