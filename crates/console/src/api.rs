//! The same for programs.

use actions::Asked as Wish;
use domain::advice::Action;
use domain::watch::{Place, Watch};
use domain::{OrderId, Status, StatusView, Timestamp};
use lambda_http::http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::answer::{Answer, json_of, problem};
use crate::request::Asked;
use crate::sign_in::Operator;
use crate::{Console, Failed};

#[derive(Debug, Serialize)]
struct Listed<'a> {
    order_id: &'a OrderId,
    status: Status,
    attempt: u32,
    step: Option<&'static str>,
    since: Timestamp,
    health: &'static str,
    waits_for: &'static str,
    retry: Option<Value>,
    troubles: Vec<&'static str>,
    error: Option<&'static str>,
    last_error: Option<&'a str>,
    total: Value,
    held: u64,
    deadline: Option<Timestamp>,
    received_at: Timestamp,
}

impl<'a> Listed<'a> {
    fn of(watch: &'a Watch) -> Self {
        Self {
            order_id: &watch.order_id,
            status: watch.status,
            attempt: watch.attempt,
            step: watch.place.map(Place::as_str),
            since: watch.since,
            health: watch.health.as_str(),
            waits_for: watch.waits_for(),
            retry: watch.retry.as_ref().map(|retry| {
                json!({"failed": retry.failed, "of": retry.of, "error": retry.error, "next_by": retry.next_by})
            }),
            troubles: watch.troubles.keys().map(|trouble| trouble.as_str()).collect(),
            error: watch.error.map(domain::ErrorName::as_str),
            last_error: watch.last_error.as_deref(),
            total: json!({"amount": watch.total.minor(), "currency": watch.total.currency()}),
            held: watch.held,
            deadline: watch.deadline,
            received_at: watch.received_at,
        }
    }
}

#[derive(Debug, Deserialize)]
struct Body {
    reason: String,
}

impl Console {
    /// `GET /api/summary`: the latest board.
    pub(crate) async fn summary(&self, now: Timestamp) -> Result<Answer, Failed> {
        let (board, _) = self.board(now).await?;
        let Some(board) = board else {
            let detail = "The monitor has not looked at the orders yet. It does within a minute.";
            return Ok(problem(
                StatusCode::SERVICE_UNAVAILABLE,
                "No board yet",
                detail,
            ));
        };
        let today = self.actions.store.counted_today(now).await?;
        let [authorized, captured, reversed] = domain::trend::money(&[today]);
        let groups = board.groups.iter().map(|group| {
            let mut shown = json!(group);
            let advice = group.problem.advice();
            shown["advice"] = json!(advice);
            shown["list"] = json!(domain::board::group_list(&group.id));
            shown["first_seen"] = json!(group.first_seen);
            shown["last_seen"] = json!(group.last_seen);
            shown["deadline"] = json!(group.deadline);
            shown
        });
        let body = json!({
            "as_of": board.at,
            "board": board.id,
            "open": board.open,
            "needs_a_person": board.troubled,
            "statuses": board.statuses,
            "steps": board.places,
            "groups": groups.collect::<Vec<_>>(),
            "reversed_lately": board.reversed,
            "money_today": {"authorized": authorized, "captured": captured, "reversed": reversed},
        });
        Ok(json_of(StatusCode::OK, &body))
    }

    /// `GET /api/orders?status=&cursor=`: a page, and where the next one begins.
    pub(crate) async fn orders(&self, asked: &Asked, now: Timestamp) -> Result<Answer, Failed> {
        let (board, _) = self.board(now).await?;
        let word = asked.query("status");
        let status = Status::ALL
            .into_iter()
            .find(|status| Some(status.as_str()) == word);
        if word.is_some() && status.is_none() {
            let words: Vec<&str> = Status::ALL.iter().map(|status| status.as_str()).collect();
            let detail = format!("There is no such status; there are {}.", words.join(", "));
            return Ok(problem(StatusCode::BAD_REQUEST, "No such status", &detail));
        }
        let (found, next) = self
            .by_status(status, asked.query("cursor"), board.as_ref())
            .await?;
        let body = json!({
            "orders": found.iter().map(Listed::of).collect::<Vec<_>>(),
            "cursor": next,
            "as_of": board.map(|board| board.at),
        });
        Ok(json_of(StatusCode::OK, &body))
    }

    /// `GET /api/orders/{id}`: the status view, and what can be done.
    pub(crate) async fn view(&self, order_id: &OrderId, now: Timestamp) -> Result<Answer, Failed> {
        let (record, described) = self.actions.look(order_id).await?;
        let arn = self.actions.workflow.execution_arn(&record.state);
        let view = StatusView::of(&record, described.execution.status, arn, now);
        let mut body = json!(view);
        let possible =
            |action: &Action| actions::possible(*action, &record, &described, now).is_ok();
        body["actions"] = json!(
            Action::ALL
                .iter()
                .filter(|action| possible(action))
                .collect::<Vec<_>>()
        );
        body["watch"] = json!(record.watch.as_ref().map(Listed::of));
        Ok(json_of(StatusCode::OK, &body))
    }

    /// `POST /api/orders/{id}/{action}` with `{"reason": "…"}`.
    pub(crate) async fn acted(
        &self,
        asked: &Asked,
        operator: &Operator,
        order_id: &OrderId,
        action: Action,
        now: Timestamp,
    ) -> Result<Answer, Failed> {
        if !asked.is_json() {
            let detail = "Send {\"reason\": \"…\"} as application/json.";
            return Ok(problem(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "Unsupported media type",
                detail,
            ));
        }
        let body = serde_json::from_slice::<Body>(&asked.body);
        let body = body.map(|body| body.reason).unwrap_or_default();
        let reason = crate::reason(&body)?;
        let wish = Wish {
            by: &operator.name,
            reason,
            at: now,
        };
        let told = self.actions.act(action, order_id, wish).await?;
        let body = json!({"order_id": order_id, "action": action, "result": told});
        Ok(json_of(StatusCode::OK, &body))
    }
}
