//! The same for programs.

use actions::Attribution;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use domain::{Changes, Money, OrderId, Status, StatusView, TaskError, Timestamp};
use operations::advice::Action;
use operations::snapshot::List;
use operations::trend::{self, Flow};
use operations::{Health, Incident, ProcessState, Projection, Retry};
use read_models::PAGE;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use web::Problem;

use crate::answer::problem_of;
use crate::look::Looked;
use crate::operator::Operator;
use crate::order::Needs;
use crate::request::PageRequest;
use crate::view::{Plain, View, no_such_place};
use crate::{Console, Failed};

/// What operators know of an order, as it is sent.
#[derive(Debug, Serialize)]
struct Listed<'a> {
    order_id: &'a OrderId,
    status: Status,
    attempt: u32,
    state: Option<ProcessState>,
    since: Timestamp,
    health: Health,
    waits_for: &'static str,
    retry: Option<ListedRetry<'a>>,
    incidents: Vec<Incident>,
    error: Option<domain::ErrorName>,
    last_error: Option<&'a TaskError>,
    total: Money,
    held: Money,
    deadline: Option<Timestamp>,
    received_at: Timestamp,
}

#[derive(Debug, Serialize)]
struct ListedRetry<'a> {
    failed: u32,
    of: u32,
    error: &'a TaskError,
    reason: Option<&'a str>,
    next_by: Option<Timestamp>,
}

impl<'a> ListedRetry<'a> {
    fn of(retry: &'a Retry) -> Self {
        Self {
            failed: retry.failed,
            of: retry.of,
            error: &retry.error,
            reason: retry.reason.as_deref(),
            next_by: retry.next_by,
        }
    }
}

impl<'a> Listed<'a> {
    fn of(projection: &'a Projection) -> Self {
        Self {
            order_id: &projection.order_id,
            status: projection.status,
            attempt: projection.attempt,
            state: projection.state,
            since: projection.since,
            health: projection.health,
            waits_for: projection.waits_for(),
            retry: projection.retry.as_ref().map(ListedRetry::of),
            incidents: projection.incidents.keys().copied().collect(),
            error: projection.error,
            last_error: projection.last_error.as_ref(),
            total: projection.total,
            held: projection.held,
            deadline: projection.deadline,
            received_at: projection.received_at,
        }
    }
}

/// Not shown: changes are personal data.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    #[serde(default)]
    reason: String,
    /// Where a restart begins.
    from: Option<String>,
    /// What a restart, or `modify`, changes.
    changes: Option<Value>,
    /// What an order is settled as.
    #[serde(rename = "as")]
    settled_as: Option<String>,
    /// How an order is paid that is reprocessed.
    payment: Option<Value>,
}

impl Body {
    fn read(request: &PageRequest) -> Result<Self, Failed> {
        serde_json::from_slice(&request.body).map_err(|_| {
            let text = "Send {\"reason\": \"…\"} and what the action needs: there is a field that \
                it does not know, or one is no text.";
            Failed::Invalid(text.to_owned())
        })
    }

    fn changes(&self) -> Result<Option<Changes>, Failed> {
        let paid = self.payment.as_ref();
        let paid = paid.map(|payment| json!({"payment": payment}));
        let Some(changes) = self.changes.as_ref().or(paid.as_ref()) else {
            return Ok(None);
        };
        let changes = Changes::parse(changes.to_string().as_bytes());
        changes.map(Some).map_err(|violations| {
            let violations: Vec<String> = violations.iter().map(ToString::to_string).collect();
            Failed::Invalid(violations.join("; "))
        })
    }
}

impl Console {
    /// `GET /api/summary`: the latest snapshot.
    pub(crate) async fn summary(&self, now: Timestamp) -> Result<Response, Failed> {
        let (snapshot, _) = self.snapshot(now).await?;
        let Some(snapshot) = snapshot else {
            let detail = "The monitor has taken no snapshot yet. It does within a minute.";
            return Ok(
                Problem::new(StatusCode::SERVICE_UNAVAILABLE, "No snapshot yet", detail)
                    .into_response(),
            );
        };
        let today = [self.read_models.counted_today(now).await?];
        let money = |flow| trend::money(&today, flow);
        let groups = snapshot.groups.iter().map(|group| {
            let mut shown = json!(group);
            shown["id"] = json!(group.cause.id());
            shown["message"] = json!(group.message());
            shown["advice"] = json!(group.cause.advice());
            shown["list"] = json!(List::Cause(group.cause.id()).to_string());
            shown["first_seen"] = json!(group.first_seen);
            shown["last_seen"] = json!(group.last_seen);
            shown["deadline"] = json!(group.deadline);
            shown
        });
        let body = json!({
            "as_of": snapshot.at,
            "snapshot": snapshot.id,
            "open": snapshot.open,
            "need_a_person": snapshot.need_a_person,
            "statuses": snapshot.statuses,
            "states": snapshot.states,
            "groups": groups.collect::<Vec<_>>(),
            "reversed_lately": snapshot.reversed,
            "money_today": {
                "authorized": money(Flow::Authorized),
                "captured": money(Flow::Captured),
                "voided": money(Flow::Voided),
                "refunded": money(Flow::Refunded),
            },
        });
        Ok(web::json(StatusCode::OK, &body))
    }

    /// `GET /api/orders` with the parameters of the page, and `cursor`: a page, and where the next one begins.
    pub(crate) async fn orders(
        &self,
        request: &PageRequest,
        now: Timestamp,
    ) -> Result<Response, Failed> {
        let view = match View::of(request) {
            Ok(view) => view,
            Err(invalid) => return Ok(problem_of(&invalid)),
        };
        let (snapshot, _) = self.snapshot(now).await?;
        let from = request.query("cursor");
        let mut looked = match view.plain() {
            Some(Plain::Status(status)) => {
                let (found, next) = self.by_status(status, from, snapshot.as_ref()).await?;
                Looked {
                    found,
                    next,
                    ..Looked::default()
                }
            }
            Some(Plain::List(_)) | None => match self.look(&view, from, PAGE, now).await? {
                Some(looked) => looked,
                None => return Ok(problem_of(&[no_such_place()])),
            },
        };
        let body = json!({
            "orders": looked.found.iter().map(Listed::of).collect::<Vec<_>>(),
            "cursor": looked.next.take(),
            "as_of": snapshot.map(|snapshot| snapshot.at),
            "looked_through": {
                "over": looked.over,
                "to": looked.reached,
                "more_open": looked.more_open,
                "unknown": looked.unknown + looked.blanks,
            },
        });
        Ok(web::json(StatusCode::OK, &body))
    }

    /// `GET /api/orders/{id}`: the status view, and what can be done.
    pub(crate) async fn view(
        &self,
        order_id: &OrderId,
        now: Timestamp,
    ) -> Result<Response, Failed> {
        let (record, described, projection) = self.inspect(order_id).await?;
        let arn = self.workflow.execution_arn(&record.state);
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
        body["projection"] = json!(projection.as_ref().map(Listed::of));
        Ok(web::json(StatusCode::OK, &body))
    }

    /// `POST /api/orders/{id}/{action}` with `{"reason": "…"}`; a restart may have the state to
    /// begin `from`, and `changes` like those of `modify`; what is reprocessed another `payment`;
    /// `settle` has `as` what.
    pub(crate) async fn acted(
        &self,
        request: &PageRequest,
        operator: &Operator,
        order_id: &OrderId,
        action: Action,
        now: Timestamp,
    ) -> Result<Response, Failed> {
        if !request.is_json() {
            return Ok(not_json());
        }
        let body = Body::read(request)?;
        let reason = crate::reason(&body.reason)?;
        if action != Action::Restart && (body.from.is_some() || body.changes.is_some()) {
            let text = "Only a restart takes \"from\" and \"changes\".";
            return Err(Failed::Invalid(text.to_owned()));
        }
        if (action == Action::Settle) != body.settled_as.is_some() {
            let text = "\"settle\", and no other action, takes \"as\": what has become of it.";
            return Err(Failed::Invalid(text.to_owned()));
        }
        if action != Action::Reprocess && body.payment.is_some() {
            let text = "Only what is reprocessed takes \"payment\".";
            return Err(Failed::Invalid(text.to_owned()));
        }
        let changes = body.changes()?;
        let who = Attribution {
            by: &operator.name,
            reason: &reason,
            at: now,
        };
        let needs = Needs {
            from: body.from.as_deref(),
            changes: changes.as_ref(),
            settled_as: body.settled_as.as_deref(),
        };
        let done = self.act_with(action, order_id, needs, who).await?;
        let body = json!({"order_id": order_id, "action": action, "result": done});
        Ok(web::json(StatusCode::OK, &body))
    }

    /// `POST /api/orders/{id}/modify` with `{"reason": "…", "changes": {…}}`: those parts of the order
    /// document that are to change.
    pub(crate) async fn modified(
        &self,
        request: &PageRequest,
        operator: &Operator,
        order_id: &OrderId,
        now: Timestamp,
    ) -> Result<Response, Failed> {
        if !request.is_json() {
            return Ok(not_json());
        }
        let body = Body::read(request)?;
        let reason = crate::reason(&body.reason)?;
        let Some(changes) = body.changes()? else {
            return Err(Failed::Invalid(
                "Say what changes: \"changes\" is missing.".to_owned(),
            ));
        };
        let who = Attribution {
            by: &operator.name,
            reason: &reason,
            at: now,
        };
        let done = self.actions.modify(order_id, &changes, who).await?;
        let body = json!({"order_id": order_id, "action": "modify", "result": done});
        Ok(web::json(StatusCode::OK, &body))
    }
}

pub(crate) fn not_json() -> Response {
    let detail = "Send {\"reason\": \"…\"} as application/json.";
    Problem::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "Unsupported media type",
        detail,
    )
    .into_response()
}
