#![doc = include_str!("../README.md")]

mod config;
mod problem;
mod queue;

use std::time::Duration;

pub use config::Config;
use domain::ports::{Cancellation, Orders as _, StoreError};
use domain::{
    ExecutionStatus, OrderId, OrderState, Status, StatusView, Submission, Timestamp, Violation,
};
use lambda_http::http::header::CONTENT_TYPE;
use lambda_http::http::{Method, StatusCode};
use lambda_http::{Body, Request, RequestExt as _, Response, service_fn};
pub use queue::{BATCH, Batch, Left, QUEUE_WORST_CASE};
use serde_json::json;
use step::budget;
use store::{Accepted, Store};
use tracing::{error, info, warn};
use workflow::{Woken, Workflow};

use crate::problem::{answer, located, problem, violations};

/// What the longest call can take: accept (store, then look), and one call to Step Functions of at
/// most three seconds.
pub const WORST_CASE: Duration = Duration::from_secs(budget::worst_case(2, 0).as_secs() + 3);

/// The largest document: a hundred lines with every field at its longest are a third of it.
const MAX_BYTES: usize = 64 * 1024;

/// The front door: over HTTP, and by queue.
#[derive(Debug)]
pub struct Intake {
    orders: Store,
    workflow: Workflow,
}

impl Intake {
    /// Connects to what `config` names.
    pub async fn connect(config: Config) -> Self {
        let aws = step::aws_config().await;
        let orders =
            Store::new(&aws, config.orders_table, "").announcing_in(config.read_models_table);
        orders.warm_up().await;
        Self::new(orders, Workflow::new(&aws, config.state_machine_arn))
    }

    /// The front door on these.
    #[must_use]
    pub fn new(orders: Store, workflow: Workflow) -> Self {
        Self { orders, workflow }
    }

    /// Serves requests until Lambda ends the environment.
    ///
    /// # Errors
    /// If the runtime cannot be reached.
    pub async fn serve(&self) -> Result<(), step::InitError> {
        lambda_http::run(service_fn(|request: Request| async move {
            Ok::<_, lambda_http::Error>(self.handle(&request).await)
        }))
        .await?;
        Ok(())
    }

    /// Answers one request.
    pub async fn handle(&self, request: &Request) -> Response<Body> {
        let path = request.raw_http_path().trim_matches('/').to_owned();
        let parts: Vec<&str> = path.split('/').collect();
        match (request.method(), parts.as_slice()) {
            (&Method::POST, ["orders"]) => self.submit(request).await,
            (&Method::GET, ["orders", id]) => self.status(id).await,
            (&Method::POST, ["orders", id, "cancel"]) => self.cancel(id).await,
            _ => not_found("There is nothing at this path."),
        }
    }

    async fn submit(&self, request: &Request) -> Response<Body> {
        let content_type = request
            .headers()
            .get(CONTENT_TYPE)
            .and_then(|value| value.to_str().ok());
        let media_type = content_type
            .and_then(|value| value.split(';').next())
            .unwrap_or_default();
        if !media_type.trim().eq_ignore_ascii_case("application/json") {
            let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
            return problem(
                status,
                "Unsupported media type",
                "Send the order as application/json.",
            );
        }
        match self.accept(request.body()).await {
            Ok(Accepted::New(state)) => taken(StatusCode::ACCEPTED, &state),
            Ok(Accepted::Same(state)) => taken(StatusCode::OK, &state),
            Ok(Accepted::Different) => problem(
                StatusCode::CONFLICT,
                "The order id is taken",
                "Another document was accepted under this order_id. An id is for one order, for good.",
            ),
            Err(NotAccepted::TooLarge) => {
                let detail = format!("An order has at most {MAX_BYTES} bytes.");
                problem(
                    StatusCode::PAYLOAD_TOO_LARGE,
                    "The document is too large",
                    &detail,
                )
            }
            Err(NotAccepted::Invalid(found)) => violations(&found),
            Err(NotAccepted::NotStored(error)) => failed(&error),
        }
    }

    /// Stores a document and starts its execution, whichever way it came in.
    async fn accept(&self, document: &[u8]) -> Result<Accepted, NotAccepted> {
        if document.len() > MAX_BYTES {
            return Err(NotAccepted::TooLarge);
        }
        let submission = Submission::parse(document).map_err(NotAccepted::Invalid)?;
        let accepted = self.orders.accept(&submission, Timestamp::now()).await;
        let accepted = accepted.map_err(NotAccepted::NotStored)?;
        match &accepted {
            Accepted::New(state) => {
                info!(
                    order_id = state.order_id.as_str(),
                    execution = state.execution_name(),
                    "order accepted"
                );
                self.start(state).await;
            }
            // Perhaps the first one was stored and never started.
            Accepted::Same(state) if !state.stage.is_closed() => self.start(state).await,
            Accepted::Same(_) | Accepted::Different => {}
        }
        Ok(accepted)
    }

    /// An order that is stored is accepted, whatever becomes of starting its execution now.
    async fn start(&self, state: &OrderState) {
        if let Err(error) = self.workflow.start(state).await {
            let (order_id, execution) = (state.order_id.as_str(), state.execution_name());
            warn!(order_id, execution, %error, "order accepted, execution not started yet");
        }
    }

    async fn status(&self, id: &str) -> Response<Body> {
        let Ok(order_id) = id.parse::<OrderId>() else {
            return unknown_order();
        };
        let record = match self.orders.load(&order_id).await {
            Ok(Some(record)) => record,
            Ok(None) => return unknown_order(),
            Err(error) => return failed(&error),
        };
        let execution = match self.workflow.status(&record.state).await {
            Ok(execution) => execution,
            Err(error) => {
                warn!(order_id = order_id.as_str(), %error, "execution not described");
                return unavailable();
            }
        };
        let arn = self.workflow.execution_arn(&record.state);
        let view = StatusView::of(&record, execution, arn, Timestamp::now());
        answer(StatusCode::OK, &view)
    }

    async fn cancel(&self, id: &str) -> Response<Body> {
        let Ok(order_id) = id.parse::<OrderId>() else {
            return unknown_order();
        };
        let review = match self
            .orders
            .request_cancel(&order_id, Timestamp::now())
            .await
        {
            Ok(Cancellation::Requested { review }) => review,
            Ok(Cancellation::Refused(reason)) => {
                return problem(
                    StatusCode::CONFLICT,
                    "The order can no longer be cancelled",
                    reason,
                );
            }
            Err(StoreError::NotFound(_)) => return unknown_order(),
            Err(error) => return failed(&error),
        };
        info!(order_id = order_id.as_str(), "cancellation requested");
        if let Some(token) = review {
            match self.workflow.cancel_review(&token).await {
                Ok(Woken::Yes | Woken::NotWaiting) => {}
                // The request is on record; the review's next reminder sees it.
                Err(error) => {
                    warn!(order_id = order_id.as_str(), %error, "waiting review not ended");
                }
            }
        }
        let body = json!({"order_id": order_id, "cancel_requested": true});
        located(answer(StatusCode::ACCEPTED, &body), &order_id)
    }
}

/// Why a document is not stored.
enum NotAccepted {
    TooLarge,
    Invalid(Vec<Violation>),
    NotStored(StoreError),
}

fn taken(status: StatusCode, state: &OrderState) -> Response<Body> {
    let body = json!({
        "order_id": state.order_id,
        "status": Status::of(state, ExecutionStatus::Running),
    });
    let mut answer = located(answer(status, &body), &state.order_id);
    // The id that every log line about this attempt has, up to the mail that the customer gets.
    if let Ok(id) = state.execution_name().parse() {
        answer.headers_mut().insert("correlation-id", id);
    }
    answer
}

fn not_found(detail: &str) -> Response<Body> {
    problem(StatusCode::NOT_FOUND, "Not found", detail)
}

fn unknown_order() -> Response<Body> {
    not_found("There is no order with this id.")
}

fn unavailable() -> Response<Body> {
    problem(
        StatusCode::SERVICE_UNAVAILABLE,
        "Not available right now",
        "Send the same request again in a moment; repeating it is safe.",
    )
}

fn failed(error: &StoreError) -> Response<Body> {
    match error {
        StoreError::Unavailable(_) => {
            warn!(%error, "request failed");
            unavailable()
        }
        StoreError::NotFound(_) => unknown_order(),
        StoreError::Defect(_) => {
            error!(%error, "request failed");
            let detail = "A defect on our side. Repeating the request is safe.";
            problem(StatusCode::INTERNAL_SERVER_ERROR, "Internal error", detail)
        }
    }
}
