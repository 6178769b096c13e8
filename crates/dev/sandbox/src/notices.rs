//! Whoever operators' notices are posted to: takes each, and keeps it as it came. Whether it is signed as it must
//! be is for a test to judge.

use std::collections::BTreeMap;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use serde::Serialize;

use crate::exchange::Received;
use crate::world::Shared;

/// So many are kept, the latest.
const KEPT: usize = 1000;

/// A notice as it came.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Posted {
    /// Those of the Standard Webhooks specification.
    headers: BTreeMap<String, String>,
    body: String,
}

pub(crate) fn routes() -> Router<Shared> {
    Router::new()
        .route("/webhooks/notices", post(take))
        .route("/_sandbox/notices", get(taken))
}

async fn take(received: Received) -> StatusCode {
    let body = match &received.body {
        Ok(body) => String::from_utf8_lossy(body).into_owned(),
        Err(status) => return *status,
    };
    let headers = received.headers.iter().filter_map(|(name, value)| {
        let value = value.to_str().ok()?;
        let kept = name.as_str().starts_with("webhook-");
        kept.then(|| (name.to_string(), value.to_owned()))
    });
    let posted = Posted {
        headers: headers.collect(),
        body,
    };
    let mut world = received.shared.lock();
    let too_many = (world.notices.len() + 1).saturating_sub(KEPT);
    world.notices.drain(..too_many);
    world.notices.push(posted);
    StatusCode::NO_CONTENT
}

async fn taken(State(shared): State<Shared>) -> axum::Json<Vec<Posted>> {
    axum::Json(shared.lock().notices.clone())
}
