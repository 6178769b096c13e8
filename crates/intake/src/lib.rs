#![doc = include_str!("../README.md")]

mod config;
mod queue;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, State};
use axum::http::header::LOCATION;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
pub use config::Config;
use domain::ports::{Cancellation, Orders as _, StoreError};
use domain::{
    Clock, ExecutionStatus, OrderId, OrderState, Status, StatusView, Submission, Violation,
};
pub use queue::{BATCH, Batch, Left, QUEUE_WORST_CASE};
use serde_json::json;
use step::budget;
use store::{Accepted, Store};
use tracing::{error, info, warn};
use web::Problem;
use workflow::{Woken, Workflow};

/// What the longest call can take: accept (store, then look), and one call to Step Functions of at
/// most three seconds.
pub const WORST_CASE: Duration = Duration::from_secs(budget::worst_case(2, 0).as_secs() + 3);

/// The front door: over HTTP, and by queue.
#[derive(Debug, Clone)]
pub struct Intake {
    orders: Store,
    workflow: Workflow,
    clock: Clock,
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
        Self {
            orders,
            workflow,
            clock: Clock::default(),
        }
    }

    /// The same, by another clock than the machine's.
    #[must_use]
    pub fn timed_by(self, clock: Clock) -> Self {
        Self { clock, ..self }
    }

    /// What is answered over HTTP.
    pub fn router(self) -> Router {
        let routes = Router::new()
            .route("/orders", post(submit))
            .route("/orders/{id}", get(status))
            .route("/orders/{id}/cancel", post(cancel))
            .fallback(nothing_here)
            .method_not_allowed_fallback(nothing_here)
            .with_state(Arc::new(self));
        web::front_door(routes)
    }

    /// Serves requests until Lambda ends the environment.
    ///
    /// # Errors
    /// If the runtime cannot be reached.
    pub async fn serve(self) -> Result<(), step::InitError> {
        Ok(web::serve(self.router()).await?)
    }

    /// Stores a document and starts its execution, whichever way it came in.
    async fn accept(&self, document: &[u8]) -> Result<Accepted, NotAccepted> {
        if document.len() > web::LARGEST_BODY {
            return Err(NotAccepted::TooLarge);
        }
        let submission = Submission::parse(document).map_err(NotAccepted::Invalid)?;
        let accepted = self.orders.accept(&submission, self.clock.now()).await;
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
            warn!(order_id, execution, %error, "failed to start an execution; the order is \
                accepted and will be started");
        }
    }
}

async fn submit(
    State(intake): State<Arc<Intake>>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    if web::media_type(&headers) != "application/json" {
        let detail = "Send the order as application/json.";
        let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
        return Problem::new(status, "Unsupported media type", detail).into_response();
    }
    let accepted = match &body {
        Ok(body) => intake.accept(body).await,
        // The gateway hands over whole bodies: there is no other reason.
        Err(_) => Err(NotAccepted::TooLarge),
    };
    match accepted {
        Ok(Accepted::New(state)) => taken(StatusCode::ACCEPTED, &state),
        Ok(Accepted::Same(state)) => taken(StatusCode::OK, &state),
        Ok(Accepted::Different) => Problem::new(
            StatusCode::CONFLICT,
            "The order id is taken",
            "Another document was accepted under this order_id. An id is for one order, for good.",
        )
        .into_response(),
        Err(NotAccepted::TooLarge) => {
            let most = web::LARGEST_BODY;
            let detail = format!("An order has at most {most} bytes.");
            let title = "The document is too large";
            Problem::new(StatusCode::PAYLOAD_TOO_LARGE, title, &detail).into_response()
        }
        Err(NotAccepted::Invalid(found)) => Problem::new(
            StatusCode::BAD_REQUEST,
            "The document is not a valid order",
            "Mend every violation and send the order again.",
        )
        .with("violations", json!(found))
        .into_response(),
        Err(NotAccepted::NotStored(error)) => failed(&error),
    }
}

async fn status(State(intake): State<Arc<Intake>>, Path(id): Path<String>) -> Response {
    let Ok(order_id) = id.parse::<OrderId>() else {
        return unknown_order();
    };
    let record = match intake.orders.load(&order_id).await {
        Ok(Some(record)) => record,
        Ok(None) => return unknown_order(),
        Err(error) => return failed(&error),
    };
    let execution = match intake.workflow.status(&record.state).await {
        Ok(execution) => execution,
        Err(error) => {
            warn!(order_id = order_id.as_str(), %error, "failed to describe an execution");
            return unavailable();
        }
    };
    let arn = intake.workflow.execution_arn(&record.state);
    let view = StatusView::of(&record, execution, arn, intake.clock.now());
    web::json(StatusCode::OK, &view)
}

async fn cancel(State(intake): State<Arc<Intake>>, Path(id): Path<String>) -> Response {
    let Ok(order_id) = id.parse::<OrderId>() else {
        return unknown_order();
    };
    let requested = intake.orders.request_cancel(&order_id, intake.clock.now());
    let review = match requested.await {
        Ok(Cancellation::Requested { review }) => review,
        Ok(Cancellation::Refused(reason)) => {
            let title = "The order can no longer be cancelled";
            return Problem::new(StatusCode::CONFLICT, title, reason).into_response();
        }
        Err(StoreError::NotFound(_)) => return unknown_order(),
        Err(error) => return failed(&error),
    };
    info!(order_id = order_id.as_str(), "cancellation requested");
    if let Some(token) = review {
        match intake.workflow.cancel_review(&token).await {
            Ok(Woken::Yes | Woken::NotWaiting) => {}
            // The request is on record; the review's next reminder sees it.
            Err(error) => {
                warn!(order_id = order_id.as_str(), %error, "failed to end a waiting review");
            }
        }
    }
    let body = json!({"order_id": order_id, "cancel_requested": true});
    located(web::json(StatusCode::ACCEPTED, &body), &order_id)
}

async fn nothing_here() -> Response {
    not_found("There is nothing at this path.")
}

/// Why a document is not stored.
enum NotAccepted {
    TooLarge,
    Invalid(Vec<Violation>),
    NotStored(StoreError),
}

fn taken(status: StatusCode, state: &OrderState) -> Response {
    let body = json!({
        "order_id": state.order_id,
        "status": Status::of(state, ExecutionStatus::Running),
    });
    let mut answer = located(web::json(status, &body), &state.order_id);
    // The id that every log line about this attempt has, up to the mail that the customer gets.
    if let Ok(id) = state.execution_name().parse() {
        answer.headers_mut().insert("correlation-id", id);
    }
    answer
}

/// Where the order can be looked at.
fn located(mut response: Response, order_id: &OrderId) -> Response {
    // Ids are visible ASCII, which a header takes.
    if let Ok(location) = HeaderValue::from_str(&format!("/orders/{order_id}")) {
        response.headers_mut().insert(LOCATION, location);
    }
    response
}

fn not_found(detail: &str) -> Response {
    Problem::new(StatusCode::NOT_FOUND, "Not found", detail).into_response()
}

fn unknown_order() -> Response {
    not_found("There is no order with this id.")
}

fn unavailable() -> Response {
    Problem::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "Not available right now",
        "Send the same request again in a moment; repeating it is safe.",
    )
    .into_response()
}

fn failed(error: &StoreError) -> Response {
    match error {
        StoreError::Unavailable(_) => {
            warn!(%error, "request failed");
            unavailable()
        }
        StoreError::NotFound(_) => unknown_order(),
        StoreError::Defect(_) => {
            error!(%error, "request failed");
            let detail = "A defect on our side. Repeating the request is safe.";
            let status = StatusCode::INTERNAL_SERVER_ERROR;
            Problem::new(status, "Internal error", detail).into_response()
        }
    }
}
