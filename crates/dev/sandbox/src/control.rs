//! `/_sandbox`: faults, ledger, reset; and what answers a path that nobody has.

use axum::Router;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::answer::Answer;
use crate::exchange::Received;
use crate::faults::{Fault, Provider};
use crate::ledger::Ledger;
use crate::stripe::disputes::{self, Standing};
use crate::world::Shared;
use crate::{shipstation, stripe};

pub(crate) fn routes() -> Router<Shared> {
    Router::new()
        .route("/_sandbox/faults", post(plant))
        .route("/_sandbox/ledger", get(ledger))
        .route("/_sandbox/forget_keys", post(forget_keys))
        .route("/_sandbox/lapse", post(lapse))
        .route("/_sandbox/settle", post(settle))
        .route("/_sandbox/events", post(happen))
        .route("/_sandbox/reset", post(reset))
}

async fn plant(received: Received) -> Response {
    let body = match &received.body {
        Ok(body) => body,
        Err(status) => return refusal(*status, "the body is too large or broken off"),
    };
    let fault = serde_json::from_slice::<Fault>(body)
        .map_err(|error| error.to_string())
        .and_then(|fault| fault.check().map(|()| fault));
    match fault {
        Ok(fault) => {
            let planted = received.shared.lock().faults.plant(fault);
            (StatusCode::CREATED, axum::Json(planted)).into_response()
        }
        Err(message) => refusal(StatusCode::BAD_REQUEST, &message),
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct OfOrder {
    order_id: Option<String>,
}

async fn ledger(State(shared): State<Shared>, Query(of): Query<OfOrder>) -> axum::Json<Ledger> {
    let world = shared.lock();
    axum::Json(match of.order_id {
        Some(order_id) => world.ledger.of(&order_id),
        None => world.ledger.clone(),
    })
}

async fn forget_keys(State(shared): State<Shared>) -> axum::Json<Value> {
    shared.lock().keys.forget();
    axum::Json(json!({ "forgotten": true }))
}

async fn lapse(State(shared): State<Shared>, Query(of): Query<OfOrder>) -> Response {
    match of.order_id {
        Some(order_id) => {
            let lapsed = stripe::lapse(&mut shared.lock(), &order_id);
            axum::Json(json!({ "lapsed": lapsed })).into_response()
        }
        None => refusal(StatusCode::BAD_REQUEST, "say whose: ?order_id=ord-1"),
    }
}

#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "snake_case")]
enum RefundEnd {
    Succeeded,
    Failed,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Settlement {
    order_id: String,
    status: RefundEnd,
}

async fn settle(State(shared): State<Shared>, Query(of): Query<Settlement>) -> axum::Json<Value> {
    let succeeded = of.status == RefundEnd::Succeeded;
    let settled = stripe::settle(&mut shared.lock(), &of.order_id, succeeded);
    axum::Json(json!({ "settled": settled }))
}

/// What happens at a provider without our doing.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "snake_case")]
enum Event {
    Dispute,
    DisputeInquiry,
    DisputePrevented,
    DisputeWon,
    DisputeLost,
    RefundSucceeded,
    RefundFailed,
    IntentCanceled,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Happening {
    provider: Provider,
    order_id: String,
    event: Event,
    /// Of a dispute: how much of each payment. All of it if it is not given.
    #[serde(default)]
    amount: Option<u64>,
    /// Of a dispute: not the payment's.
    #[serde(default)]
    currency: Option<String>,
}

async fn happen(State(shared): State<Shared>, received: axum::body::Bytes) -> Response {
    let of: Happening = match serde_json::from_slice(&received) {
        Ok(of) => of,
        Err(error) => return refusal(StatusCode::BAD_REQUEST, &error.to_string()),
    };
    if of.provider != Provider::Payment {
        let message = "provider: only at the payment provider does anything happen by itself";
        return refusal(StatusCode::BAD_REQUEST, message);
    }
    let (amount, currency) = (of.amount, of.currency.as_deref());
    let world = &mut shared.lock();
    let begins = match of.event {
        Event::Dispute => Some(Standing::NeedsResponse),
        Event::DisputeInquiry => Some(Standing::Asked),
        Event::DisputePrevented => Some(Standing::Prevented),
        _ => None,
    };
    let happened = match of.event {
        Event::Dispute | Event::DisputeInquiry | Event::DisputePrevented => begins
            .map_or(0, |standing| {
                disputes::begin(world, &of.order_id, standing, amount, currency)
            }),
        Event::DisputeWon => disputes::end(world, &of.order_id, Standing::Won),
        Event::DisputeLost => disputes::end(world, &of.order_id, Standing::Lost),
        Event::RefundSucceeded => stripe::settle(world, &of.order_id, true),
        Event::RefundFailed => stripe::fail(world, &of.order_id),
        Event::IntentCanceled => stripe::lapse(world, &of.order_id),
    };
    axum::Json(json!({ "happened": happened })).into_response()
}

async fn reset(State(shared): State<Shared>) -> axum::Json<Value> {
    shared.lock().reset();
    axum::Json(json!({ "reset": true }))
}

/// Also for a known path with another method: both providers answer 404 then.
pub(crate) async fn unknown_path(received: Received) -> Response {
    let path = received.uri.path();
    if path == "/v1" || path.starts_with("/v1/") {
        stripe::errors::unknown_path(&received.method, path).into_response()
    } else if path == "/v2" || path.starts_with("/v2/") {
        shipstation::errors::not_found("There is no such resource").into_response()
    } else {
        refusal(
            StatusCode::NOT_FOUND,
            "there is /v1 (payment), /v2 (carrier), /webhooks/notices and /_sandbox",
        )
    }
}

fn refusal(status: StatusCode, message: &str) -> Response {
    Answer::new(status, json!({ "error": message })).into_response()
}
