#![doc = include_str!("../README.md")]

mod answer;
mod api;
mod assets;
mod bulk;
mod config;
mod csv;
mod filters;
mod finance;
mod frame;
mod home;
mod list;
mod look;
mod message;
mod modify;
mod operator;
mod order;
mod orphans;
mod plot;
mod problems;
mod request;
mod rows;
mod runbook;
mod search;
mod sign_in;
mod timeline;
mod view;
mod words;

use std::sync::Arc;
use std::time::Duration;

use actions::{Actions, BulkRefused, InvalidReason, Reason, Refused};
use aws_sdk_lambda::types::InvocationType;
use axum::Router;
use axum::extract::{Extension, Path, Request, State};
use axum::http::{Method, StatusCode};
use axum::middleware::{Next, from_fn, from_fn_with_state, map_response};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
pub use config::{Config, Issuer};
use domain::ports::StoreError;
use domain::{OrderId, Timestamp};
use operations::advice::Action;
use operations::bulk::Control;
use operations::figures::Day;
use operations::retries::Rules;
use operations::snapshot::{self, Snapshot};
use read_models::ReadModels;
use serde_json::json;
use sign_in::SignIn;
use step::budget;
use store::Store;
use tracing::{error, info, warn};
use web::Problem;
use workflow::Workflow;

use crate::answer::{see_other, with_flash};
use crate::frame::Frame;
use crate::message::message;
use crate::operator::Operator;
use crate::request::PageRequest;

/// A step that an operator has asked is not waited for longer: the gateway gives up after 30 seconds.
const STEP: Duration = Duration::from_secs(6);

/// What the longest request can take: it asks for the issuer's keys, reads the order, asks Step Functions, notes who
/// and why, and has two steps asked. A preview of many orders, or a look through many, may take longer while the
/// database is slow; it changes nothing, and is asked for again.
pub const WORST_CASE: Duration =
    Duration::from_secs(6 + budget::worst_case(2, 0).as_secs() + 3 + 2 * STEP.as_secs());

/// The operators' page.
#[derive(Debug)]
pub struct Console {
    actions: Actions,
    store: Store,
    read_models: ReadModels,
    workflow: Workflow,
    lambda: aws_sdk_lambda::Client,
    monitor: String,
    rules: Rules,
    environment: String,
    aws_console_url: Option<String>,
    sign_in: SignIn,
}

/// Why there is no answer but this one. [`signed_in_only`] turns it into a page, a redirect or a problem, and
/// [`render_failures`] what comes before that.
#[derive(Debug, Clone)]
enum Failed {
    /// There is no such thing.
    NotFound,
    /// What was sent is not valid: what would be.
    Invalid(String),
    /// More was sent than is read.
    TooLarge,
    /// It comes from a page of somebody else.
    NotOurs,
    /// Whoever asks may not: why.
    Forbidden(&'static str),
    /// What was asked for is not possible, or not now: why.
    NotPossible(String),
    /// Something that is needed does not answer.
    Unavailable(String),
}

impl From<StoreError> for Failed {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NotFound(_) => Self::NotFound,
            StoreError::Unavailable(_) | StoreError::Defect(_) => {
                Self::Unavailable(error.to_string())
            }
        }
    }
}

impl From<Refused> for Failed {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::NotFound(_) => Self::NotFound,
            Refused::NotPossible(why) => Self::NotPossible(why),
            Refused::Unavailable(why) => Self::Unavailable(why),
        }
    }
}

impl From<BulkRefused> for Failed {
    fn from(refused: BulkRefused) -> Self {
        match refused {
            BulkRefused::NotFound(_) => Self::NotFound,
            BulkRefused::NotPossible(why) => Self::NotPossible(why),
            BulkRefused::Unavailable(why) => Self::Unavailable(why),
        }
    }
}

impl Console {
    /// Connects to what `config` names.
    ///
    /// # Errors
    /// If no HTTP client can be built.
    pub async fn connect(config: Config) -> Result<Self, step::InitError> {
        let aws = step::aws_config().await;
        let store = Store::new(&aws, config.orders_table.clone(), "");
        store.warm_up().await;
        let read_models = ReadModels::new(&aws, config.read_models_table.clone());
        Self::new(&aws, config, store, read_models).map_err(step::InitError::new)
    }

    /// The page on this store and these read models.
    ///
    /// # Errors
    /// If no HTTP client can be built.
    pub fn new(
        aws: &aws_config::SdkConfig,
        config: Config,
        store: Store,
        read_models: ReadModels,
    ) -> Result<Self, String> {
        let workflow = Workflow::new(aws, config.state_machine_arn);
        let actions = Actions::new(
            aws,
            store.clone(),
            read_models.clone(),
            workflow.clone(),
            config.steps,
        );
        Ok(Self {
            actions: actions.waiting_at_most(STEP),
            store,
            read_models,
            workflow,
            lambda: aws_sdk_lambda::Client::new(aws),
            monitor: config.monitor,
            rules: Rules::of_the_process(),
            environment: config.environment,
            aws_console_url: config.aws_console_url,
            sign_in: SignIn::new(config.issuer, &config.console_url)?,
        })
    }

    /// What is answered: to anybody the way to sign in, to people who are signed in the pages and the API, and
    /// to operators the actions.
    pub fn router(self) -> Router {
        let console = Arc::new(self);
        let acting = Router::new()
            .route("/orders/{id}/label", get(label))
            .route("/orders/{id}/{action}", get(confirm).post(act))
            .route("/orders/{id}/modify", get(changing).post(modify))
            .route("/bulk", post(preview))
            .route("/bulk/{digest}", post(apply))
            .route("/bulk/{digest}/{control}", post(control))
            .route("/orphans/{reference}/let-go", post(let_go))
            .route("/api/orders/{id}/{action}", post(api_act))
            .route("/api/orphans/{reference}/let-go", post(api_let_go))
            .route("/api/orders/{id}/modify", post(api_modify))
            .route_layer(from_fn(operators_only));
        let looking = Router::new()
            .route("/", get(home))
            .route("/orders", get(list))
            .route("/orders.csv", get(csv))
            .route("/orders/{id}", get(order))
            .route("/finance", get(finance))
            .route("/finance.csv", get(finance_csv))
            .route("/finance/{day}", get(money_of_day))
            .route("/finance/{day}/movements.csv", get(money_of_day_csv))
            .route("/orphans/{reference}", get(orphan))
            .route("/search", get(search))
            .route("/runbook", get(runbook))
            .route("/bulk", get(bulks))
            .route("/bulk/{digest}", get(bulk))
            .route("/api/summary", get(api_summary))
            .route("/api/orders", get(api_orders))
            .route("/api/orphans", get(api_orphans))
            .route("/api/orders/{id}", get(api_order));
        let inside = looking
            .merge(acting)
            .fallback(nothing_here)
            .method_not_allowed_fallback(nothing_here)
            .layer(from_fn_with_state(Arc::clone(&console), signed_in_only));
        let routes = Router::new()
            .route("/assets/{tag}/{name}", get(asset))
            .route("/auth/sign-in", get(begin_sign_in))
            .route("/auth/callback", get(end_sign_in))
            .route("/auth/signed-out", get(signed_out))
            .route("/sign-out", post(sign_out))
            .method_not_allowed_fallback(nothing_here)
            .merge(inside)
            .layer(from_fn(own_page_only))
            .layer(from_fn(render_failures))
            .layer(map_response(answer::with_policy))
            .with_state(console);
        web::front_door(routes)
    }

    /// Serves requests until Lambda ends the environment.
    ///
    /// # Errors
    /// If the runtime cannot be reached.
    pub async fn serve(self) -> Result<(), step::InitError> {
        Ok(web::serve(self.router()).await?)
    }

    /// The latest snapshot, and whether a newer one was asked for because somebody looks. It reads as many projections as
    /// there are open orders, so that it is made less often the more there are.
    async fn snapshot(&self, now: Timestamp) -> Result<(Option<Snapshot>, bool), Failed> {
        let read_models = &self.read_models;
        let snapshot = read_models.snapshot().await?;
        let open = snapshot.as_ref().map_or(0, |snapshot| snapshot.open);
        let every_s = 4 + i64::try_from(open / 500).unwrap_or(60).min(56);
        let old = snapshot
            .as_ref()
            .is_none_or(|snapshot| now.duration_since(snapshot.at).as_secs() >= every_s);
        if !old || !read_models.claim_snapshot(now, every_s).await? {
            return Ok((snapshot, false));
        }
        let event = json!({"detail-type": snapshot::REQUESTED});
        let asked = self
            .lambda
            .invoke()
            .function_name(&self.monitor)
            .invocation_type(InvocationType::Event)
            .payload(event.to_string().into_bytes().into())
            .send()
            .await;
        if let Err(error) = asked {
            // The schedule makes one within a minute; the page says how old this one is.
            warn!(error = %aws_sdk_lambda::error::DisplayErrorContext(&error), "failed to ask the \
                monitor for a snapshot");
            return Ok((snapshot, false));
        }
        Ok((snapshot, true))
    }
}

type Shared = State<Arc<Console>>;
type Answered = Result<Response, Failed>;

// --- in between -----------------------------------------------------------------------------------

/// Whatever changes something comes from our own page, or from a program.
async fn own_page_only(request: Request, next: Next) -> Answered {
    if request.method() == Method::POST && !PageRequest::of_head(&request).is_ours() {
        return Err(Failed::NotOurs);
    }
    Ok(next.run(request).await)
}

/// Who is asking is known from here on.
async fn signed_in_only(State(console): Shared, mut request: Request, next: Next) -> Response {
    let head = PageRequest::of_head(&request);
    let operator = match console.sign_in.operator(&head).await {
        Ok(operator) => operator,
        Err(first) => return first,
    };
    request.extensions_mut().insert(operator.clone());
    let mut response = next.run(request).await;
    let Some(failed) = response.extensions_mut().remove::<Failed>() else {
        return match head.flash() {
            Some(_) => answer::said_once(response),
            None => response,
        };
    };
    if let Some(back) = head.back() {
        return failed.told(&back);
    }
    let frame = Frame::of(&console, &head, &operator, None, Timestamp::now());
    // What the last action had to say is for a page that is there.
    let frame = Frame {
        flash: None,
        ..frame
    };
    failed.rendered(&head, frame)
}

/// Viewers look and do not act.
async fn operators_only(
    Extension(operator): Extension<Operator>,
    request: Request,
    next: Next,
) -> Answered {
    if operator.may_act {
        return Ok(next.run(request).await);
    }
    Err(Failed::Forbidden(
        "You may look, but not act: that takes the group `operators`.",
    ))
}

/// A failure before anybody is signed in, as a page, or as a problem for whoever asked the API.
async fn render_failures(request: Request, next: Next) -> Response {
    let head = PageRequest::of_head(&request);
    let mut response = next.run(request).await;
    match response.extensions_mut().remove::<Failed>() {
        Some(failed) => failed.rendered(&head, Frame::outside(&head.root)),
        None => response,
    }
}

/// A mark for [`signed_in_only`] and [`render_failures`], which know who asked.
impl IntoResponse for Failed {
    fn into_response(self) -> Response {
        let mut response = StatusCode::INTERNAL_SERVER_ERROR.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

impl Failed {
    /// As a page in this frame, or as a problem for whoever asked the API.
    fn rendered(self, request: &PageRequest, frame: Frame<'_>) -> Response {
        let is_page = !request.is_of_api() && !matches!(self, Self::NotOurs);
        let (status, title, text) = self.said();
        if is_page {
            return message(status, frame, title, &text);
        }
        Problem::new(status, title, &text).into_response()
    }

    /// For people who sent a form: on a page of its own, an error would come again on the way back to it.
    fn told(self, back: &str) -> Response {
        let there = see_other(back);
        if matches!(self, Self::NotFound) {
            // That page says so itself.
            return there;
        }
        let (_, _, text) = self.said();
        with_flash(there, &text)
    }

    fn said(self) -> (StatusCode, &'static str, String) {
        match self {
            Self::NotFound => {
                let text =
                    "There is nothing here. An order may be mistyped, or a list no longer kept.";
                (StatusCode::NOT_FOUND, "Not found", text.to_owned())
            }
            Self::Invalid(what) => (StatusCode::BAD_REQUEST, "Not valid", what),
            Self::TooLarge => {
                let text = "Choose fewer orders at once.".to_owned();
                (StatusCode::PAYLOAD_TOO_LARGE, "Too much at once", text)
            }
            Self::NotOurs => {
                let text = "This request comes from another page than ours.".to_owned();
                (StatusCode::FORBIDDEN, "Not from here", text)
            }
            Self::Forbidden(why) => (StatusCode::FORBIDDEN, "Not allowed", why.to_owned()),
            Self::NotPossible(why) => {
                info!(why, "not possible");
                (StatusCode::CONFLICT, "Not possible now", why)
            }
            Self::Unavailable(why) => {
                error!(why, "request failed");
                let text = format!(
                    "Something that is needed for this does not answer. Try again in a moment; \
                     nothing was lost. ({why})"
                );
                let status = StatusCode::SERVICE_UNAVAILABLE;
                (status, "Not available right now", text)
            }
        }
    }
}

// --- for anybody ----------------------------------------------------------------------------------

async fn asset(Path((tag, name)): Path<(String, String)>) -> Answered {
    assets::asset(&tag, &name).ok_or(Failed::NotFound)
}

async fn begin_sign_in(State(console): Shared, request: PageRequest) -> Response {
    console.sign_in.begin(&request)
}

async fn end_sign_in(State(console): Shared, request: PageRequest) -> Response {
    console.sign_in.end(&request).await
}

async fn signed_out(request: PageRequest) -> Response {
    let text = "You are signed out.";
    message(
        StatusCode::OK,
        Frame::outside(&request.root),
        "Signed out",
        text,
    )
}

async fn sign_out(State(console): Shared, request: PageRequest) -> Response {
    console.sign_in.sign_out(&request)
}

// --- for whoever is signed in ---------------------------------------------------------------------

type By = Extension<Operator>;

async fn nothing_here() -> Failed {
    Failed::NotFound
}

async fn home(State(console): Shared, Extension(by): By, request: PageRequest) -> Answered {
    console.home(&request, &by, Timestamp::now()).await
}

async fn list(State(console): Shared, Extension(by): By, request: PageRequest) -> Answered {
    console.list(&request, &by, Timestamp::now()).await
}

async fn csv(State(console): Shared, request: PageRequest) -> Answered {
    console.csv(&request, Timestamp::now()).await
}

async fn order(
    State(console): Shared,
    Extension(by): By,
    Path(id): Path<String>,
    request: PageRequest,
) -> Answered {
    let now = Timestamp::now();
    console.order(&request, &by, &order_id(&id)?, now).await
}

async fn finance(State(console): Shared, Extension(by): By, request: PageRequest) -> Answered {
    console.finance(&request, &by, Timestamp::now()).await
}

async fn finance_csv(State(console): Shared, request: PageRequest) -> Answered {
    console.finance_csv(&request, Timestamp::now()).await
}

async fn money_of_day(
    State(console): Shared,
    Extension(by): By,
    Path(day): Path<String>,
    request: PageRequest,
) -> Answered {
    let (day, now) = (self::day(&day)?, Timestamp::now());
    console.money_of_day(&request, &by, day, now).await
}

async fn money_of_day_csv(
    State(console): Shared,
    Path(day): Path<String>,
    request: PageRequest,
) -> Answered {
    console.money_of_day_csv(&request, self::day(&day)?).await
}

async fn search(State(console): Shared, Extension(by): By, request: PageRequest) -> Answered {
    console.search(&request, &by, Timestamp::now()).await
}

async fn runbook(State(console): Shared, Extension(by): By, request: PageRequest) -> Response {
    console.runbook(&request, &by, Timestamp::now())
}

async fn bulks(State(console): Shared, Extension(by): By, request: PageRequest) -> Answered {
    console.bulks(&request, &by, Timestamp::now()).await
}

async fn bulk(
    State(console): Shared,
    Extension(by): By,
    Path(digest): Path<String>,
    request: PageRequest,
) -> Answered {
    let now = Timestamp::now();
    console.bulk(&request, &by, &digest, now).await
}

async fn orphan(
    State(console): Shared,
    Extension(by): By,
    Path(reference): Path<String>,
    request: PageRequest,
) -> Answered {
    let now = Timestamp::now();
    console.orphan(&request, &by, &reference, now).await
}

async fn api_orphans(State(console): Shared) -> Answered {
    console.api_orphans().await
}

async fn api_summary(State(console): Shared) -> Answered {
    console.summary(Timestamp::now()).await
}

async fn api_orders(State(console): Shared, request: PageRequest) -> Answered {
    console.orders(&request, Timestamp::now()).await
}

async fn api_order(State(console): Shared, Path(id): Path<String>) -> Answered {
    console.view(&order_id(&id)?, Timestamp::now()).await
}

// --- for operators --------------------------------------------------------------------------------

async fn confirm(
    State(console): Shared,
    Extension(by): By,
    Path((id, action)): Path<(String, String)>,
    request: PageRequest,
) -> Answered {
    let (id, action) = (order_id(&id)?, self::action(&action)?);
    let now = Timestamp::now();
    console.confirm(&request, &by, &id, action, now).await
}

async fn act(
    State(console): Shared,
    Extension(by): By,
    Path((id, action)): Path<(String, String)>,
    request: PageRequest,
) -> Answered {
    let (id, action) = (order_id(&id)?, self::action(&action)?);
    let now = Timestamp::now();
    console.act(&request, &by, &id, action, now).await
}

/// A link, so that the browser follows it to the carrier, which our policy lets no form do. It puts something on
/// record, so that it has to be on our page.
async fn label(
    State(console): Shared,
    Extension(by): By,
    Path(id): Path<String>,
    request: PageRequest,
) -> Answered {
    if !request.is_from_our_page() {
        return Err(Failed::NotOurs);
    }
    console.label(&by, &order_id(&id)?, Timestamp::now()).await
}

async fn changing(
    State(console): Shared,
    Extension(by): By,
    Path(id): Path<String>,
    request: PageRequest,
) -> Answered {
    let now = Timestamp::now();
    let id = order_id(&id)?;
    console.changing(&request, &by, &id, now).await
}

async fn modify(
    State(console): Shared,
    Extension(by): By,
    Path(id): Path<String>,
    request: PageRequest,
) -> Answered {
    let now = Timestamp::now();
    let id = order_id(&id)?;
    console.modify(&request, &by, &id, now).await
}

async fn preview(State(console): Shared, request: PageRequest) -> Answered {
    console.preview(&request, Timestamp::now()).await
}

async fn apply(
    State(console): Shared,
    Extension(by): By,
    Path(digest): Path<String>,
    request: PageRequest,
) -> Answered {
    let now = Timestamp::now();
    console.apply(&request, &by, &digest, now).await
}

async fn control(
    State(console): Shared,
    Extension(by): By,
    Path((digest, control)): Path<(String, String)>,
    request: PageRequest,
) -> Answered {
    let control = Control::from_word(&control).ok_or(Failed::NotFound)?;
    let now = Timestamp::now();
    console.control(&request, &by, &digest, control, now).await
}

async fn let_go(
    State(console): Shared,
    Extension(by): By,
    Path(reference): Path<String>,
    request: PageRequest,
) -> Answered {
    let now = Timestamp::now();
    console.let_go(&request, &by, &reference, now).await
}

async fn api_let_go(
    State(console): Shared,
    Extension(by): By,
    Path(reference): Path<String>,
    request: PageRequest,
) -> Answered {
    let now = Timestamp::now();
    console.api_let_go(&request, &by, &reference, now).await
}

async fn api_modify(
    State(console): Shared,
    Extension(by): By,
    Path(id): Path<String>,
    request: PageRequest,
) -> Answered {
    let now = Timestamp::now();
    let id = order_id(&id)?;
    console.modified(&request, &by, &id, now).await
}

async fn api_act(
    State(console): Shared,
    Extension(by): By,
    Path((id, action)): Path<(String, String)>,
    request: PageRequest,
) -> Answered {
    let (id, action) = (order_id(&id)?, self::action(&action)?);
    let now = Timestamp::now();
    console.acted(&request, &by, &id, action, now).await
}

// --- what is asked for ----------------------------------------------------------------------------

fn order_id(text: &str) -> Result<OrderId, Failed> {
    text.parse().map_err(|_| Failed::NotFound)
}

fn day(text: &str) -> Result<Day, Failed> {
    text.parse().map_err(|_| Failed::NotFound)
}

fn action(text: &str) -> Result<Action, Failed> {
    Action::from_word(text).ok_or(Failed::NotFound)
}

/// Why somebody wants something, in their words.
fn reason(text: &str) -> Result<Reason, Failed> {
    let reason = text.parse();
    reason.map_err(|invalid: InvalidReason| Failed::Invalid(invalid.to_string()))
}
