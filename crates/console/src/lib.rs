#![doc = include_str!("../README.md")]

mod answer;
mod api;
mod assets;
mod bulk;
mod config;
mod frame;
mod home;
mod list;
mod message;
mod operator;
mod order;
mod plot;
mod request;
mod rows;
mod search;
mod sign_in;
mod words;

use std::sync::Arc;
use std::time::Duration;

use actions::{Actions, Refused};
use aws_sdk_lambda::types::InvocationType;
pub use config::{Config, Issuer};
use domain::ports::StoreError;
use domain::{OrderId, Timestamp};
use lambda_http::http::{Method, StatusCode};
use lambda_http::{Body, Request, Response, service_fn};
use operations::advice::Action;
use operations::snapshot::{self, Snapshot};
use read_models::ReadModels;
use serde_json::json;
use sign_in::SignIn;
use step::budget;
use store::Store;
use tracing::{error, info, warn};
use workflow::Workflow;

use crate::answer::{Answer, problem};
use crate::message::message;
use crate::operator::Operator;
use crate::request::Asked;

/// A step that an operator has asked is not waited for longer: the gateway gives up after 30 seconds.
const STEP: Duration = Duration::from_secs(6);

/// What the longest request can take: it asks for the issuer's keys, reads the order, asks Step Functions, notes who
/// and why, and has two steps asked. A preview of many orders may take longer while the database is slow; it changes
/// nothing, and is asked for again.
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
    environment: String,
    aws_console_url: Option<String>,
    sign_in: SignIn,
}

/// Why there is no answer but this one.
#[derive(Debug)]
enum Failed {
    /// There is no such thing.
    NotFound,
    /// What was sent is not as it must be: what is.
    Invalid(String),
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
            environment: config.environment,
            aws_console_url: config.aws_console_url,
            sign_in: SignIn::new(config.issuer, &config.console_url)?,
        })
    }

    /// Serves requests until Lambda ends the environment.
    ///
    /// # Errors
    /// If the runtime cannot be reached.
    pub async fn serve(self) -> Result<(), step::InitError> {
        let console = Arc::new(self);
        lambda_http::run(service_fn(move |request: Request| {
            let console = Arc::clone(&console);
            async move { Ok::<_, lambda_http::Error>(console.handle(&request).await) }
        }))
        .await?;
        Ok(())
    }

    /// Answers one request.
    pub async fn handle(&self, request: &Request) -> Response<Body> {
        let asked = Asked::read(request);
        let path = asked.path.clone();
        let parts: Vec<&str> = path.split('/').collect();
        match (&asked.method, parts.as_slice()) {
            (&Method::GET, ["assets", tag, name]) => {
                assets::asset(tag, name).unwrap_or_else(|| failed(&asked, Failed::NotFound))
            }
            (&Method::GET, ["auth", "sign-in"]) => self.sign_in.begin(&asked),
            (&Method::GET, ["auth", "callback"]) => self.sign_in.end(&asked).await,
            (&Method::GET, ["auth", "signed-out"]) => {
                let text = "You are signed out.";
                message(StatusCode::OK, &asked.root, "Signed out", text)
            }
            (&Method::POST, _) if !asked.is_ours() => {
                let detail = "This request comes from another page than ours.";
                problem(StatusCode::FORBIDDEN, "Not from here", detail)
            }
            (&Method::POST, _) if asked.too_large() => {
                let detail = "Choose fewer orders at once.";
                problem(StatusCode::PAYLOAD_TOO_LARGE, "Too much at once", detail)
            }
            (&Method::POST, ["sign-out"]) => self.sign_in.sign_out(&asked),
            _ => match self.sign_in.operator(&asked).await {
                Ok(operator) => {
                    let answered = Box::pin(self.answer(&asked, &parts, &operator)).await;
                    answered.unwrap_or_else(|error| failed(&asked, error))
                }
                Err(first) => first,
            },
        }
    }

    async fn answer(
        &self,
        asked: &Asked,
        parts: &[&str],
        operator: &Operator,
    ) -> Result<Answer, Failed> {
        let now = Timestamp::now();
        match (&asked.method, parts) {
            (&Method::GET, [""]) => self.home(asked, operator, now).await,
            (&Method::GET, ["orders"]) => self.list(asked, operator, now).await,
            (&Method::GET, ["orders", id]) => {
                self.order(asked, operator, &order_id(id)?, now).await
            }
            (&Method::POST, ["orders", id, action]) => {
                let (id, action) = (order_id(id)?, self::action(action)?);
                may_act(operator)?;
                self.act(asked, operator, &id, action, now).await
            }
            (&Method::GET, ["search"]) => self.search(asked, operator, now).await,
            (&Method::POST, ["bulk"]) => {
                may_act(operator)?;
                self.preview(asked, now).await
            }
            (&Method::GET, ["bulk", digest]) => self.bulk(asked, operator, digest, now).await,
            (&Method::POST, ["bulk", digest]) => {
                may_act(operator)?;
                self.apply(asked, operator, digest, now).await
            }
            (&Method::GET, ["api", "summary"]) => self.summary(now).await,
            (&Method::GET, ["api", "orders"]) => self.orders(asked, now).await,
            (&Method::GET, ["api", "orders", id]) => self.view(&order_id(id)?, now).await,
            (&Method::POST, ["api", "orders", id, action]) => {
                let (id, action) = (order_id(id)?, self::action(action)?);
                may_act(operator)?;
                self.acted(asked, operator, &id, action, now).await
            }
            _ => Err(Failed::NotFound),
        }
    }

    /// The latest snapshot, and whether a newer one was asked for because somebody looks. It reads as many records as
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
            warn!(error = %aws_sdk_lambda::error::DisplayErrorContext(&error), "failed to ask the monitor for a snapshot");
            return Ok((snapshot, false));
        }
        Ok((snapshot, true))
    }
}

/// The answer that says so, as a page or as a problem.
fn failed(asked: &Asked, failed: Failed) -> Answer {
    let (status, title, text) = match failed {
        Failed::NotFound => {
            let text = "There is nothing here. An order may be mistyped, or a list no longer kept.";
            (StatusCode::NOT_FOUND, "Not found", text.to_owned())
        }
        Failed::Invalid(what) => (StatusCode::BAD_REQUEST, "Something is missing", what),
        Failed::Forbidden(why) => (StatusCode::FORBIDDEN, "Not allowed", why.to_owned()),
        Failed::NotPossible(why) => {
            info!(why, "not possible");
            (StatusCode::CONFLICT, "Not possible now", why)
        }
        Failed::Unavailable(why) => {
            error!(why, "request failed");
            let text = "Something that is needed for this does not answer. Try again in a moment; nothing was lost.";
            (
                StatusCode::SERVICE_UNAVAILABLE,
                "Not available right now",
                format!("{text} ({why})"),
            )
        }
    };
    if asked.path.starts_with("api/") {
        return problem(status, title, &text);
    }
    message(status, &asked.root, title, &text)
}

fn order_id(text: &str) -> Result<OrderId, Failed> {
    text.parse().map_err(|_| Failed::NotFound)
}

fn action(text: &str) -> Result<Action, Failed> {
    Action::from_word(text).ok_or(Failed::NotFound)
}

/// The longest reason that is kept.
const LONGEST_REASON: usize = 200;

/// Why somebody wants something, in their words.
fn reason(text: &str) -> Result<&str, Failed> {
    let text = text.trim();
    if (1..=LONGEST_REASON).contains(&text.chars().count()) {
        return Ok(text);
    }
    let what = format!(
        "Say why, as `reason`, with at most {LONGEST_REASON} characters: it is kept on the order."
    );
    Err(Failed::Invalid(what))
}

fn may_act(operator: &Operator) -> Result<(), Failed> {
    if operator.may_act {
        return Ok(());
    }
    Err(Failed::Forbidden(
        "You may look, but not act: that takes the group `operators`.",
    ))
}
