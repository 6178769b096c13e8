//! Where the shop is, and how to talk to it.

use std::collections::HashMap;
use std::fmt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use actions::{Actions, Refused};
use aws_config::{BehaviorVersion, SdkConfig};
use aws_credential_types::provider::ProvideCredentials as _;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use domain::ports::StoreError;
use domain::{OrderId, StatusView};
use read_models::ReadModels;
use reqwest::StatusCode;
use serde::Deserialize;
use store::Store;
use workflow::Workflow;

use crate::exit::Exit;

/// Something that the person at the keyboard has to know.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    text: String,
}

impl Failure {
    pub(crate) fn new(exit: Exit, text: impl Into<String>) -> Self {
        Self {
            exit,
            text: text.into(),
        }
    }

    /// The command line is wrong, or a file that it names.
    pub(crate) fn wrong(text: impl fmt::Display) -> Self {
        Self::new(Exit::WrongCommandLine, text.to_string())
    }

    /// Something that is needed does not answer, or not with an answer.
    pub(crate) fn no_answer(text: impl fmt::Display) -> Self {
        Self::new(Exit::NoAnswer, text.to_string())
    }

    /// The same, saying which order it is about.
    pub(crate) fn about(self, order: &OrderId) -> Self {
        Self {
            text: format!("{order}: {}", self.text),
            ..self
        }
    }

    pub(crate) fn no_order(order: &OrderId) -> Self {
        Self::new(Exit::NotFound, format!("there is no order {order}"))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.text)
    }
}

impl From<Refused> for Failure {
    fn from(refused: Refused) -> Self {
        let exit = match refused {
            Refused::NotFound(_) => Exit::NotFound,
            Refused::NotPossible(_) => Exit::NotPossible,
            Refused::Unavailable(_) => Exit::NoAnswer,
        };
        Self::new(exit, refused.to_string())
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Refused::from(error).into()
    }
}

/// What `make up` writes.
#[derive(Deserialize)]
struct Endpoints {
    aws: Option<String>,
    intake: String,
    state_machine_arn: String,
    orders_table: String,
    read_models_table: String,
    stock_table: String,
    /// The functions of the steps that can be asked, by the step's name.
    #[serde(default)]
    asked_functions: HashMap<String, String>,
}

pub(crate) struct Connection {
    pub(crate) actions: Actions,
    pub(crate) store: Store,
    pub(crate) read_models: ReadModels,
    config: SdkConfig,
    http: reqwest::Client,
    intake: String,
}

/// An answer of the front door.
pub(crate) struct Answer {
    status: StatusCode,
    body: serde_json::Value,
}

pub(crate) fn read(file: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(file).map_err(|error| Failure::wrong(format!("{}: {error}", file.display())))
}

impl Connection {
    pub(crate) async fn open(endpoints: &Path) -> Result<Self, Failure> {
        let shown = endpoints.display();
        let content = std::fs::read(endpoints).map_err(|error| {
            Failure::wrong(format!(
                "{shown}: {error}\n  what to do: `make up` starts a local shop, --endpoints names \
                 another"
            ))
        })?;
        let found: Endpoints = serde_json::from_slice(&content)
            .map_err(|error| Failure::wrong(format!("{shown}: {error}")))?;
        let mut loader = aws_config::defaults(BehaviorVersion::latest());
        if let Some(url) = &found.aws {
            loader = loader.endpoint_url(url);
        }
        let config = loader.load().await;
        let store = Store::new(&config, &found.orders_table, &found.stock_table);
        let read_models = ReadModels::new(&config, &found.read_models_table);
        let workflow = Workflow::new(&config, &found.state_machine_arn);
        let actions = Actions::new(
            &config,
            store.clone(),
            read_models.clone(),
            workflow,
            found.asked_functions,
        );
        Self::new(config, actions, store, read_models, found.intake)
    }

    pub(crate) fn new(
        config: SdkConfig,
        actions: Actions,
        store: Store,
        read_models: ReadModels,
        intake: String,
    ) -> Result<Self, Failure> {
        let http = reqwest::Client::builder()
            .timeout(Duration::from_secs(15))
            .build();
        Ok(Self {
            actions,
            store,
            read_models,
            config,
            http: http.map_err(Failure::no_answer)?,
            intake,
        })
    }

    #[cfg(test)]
    pub(crate) fn send_to(&mut self, intake: &str) {
        intake.clone_into(&mut self.intake);
    }

    /// Who acts: the ARN that the credentials belong to.
    pub(crate) async fn caller(&self) -> Result<String, Failure> {
        let identity = aws_sdk_sts::Client::new(&self.config)
            .get_caller_identity()
            .send()
            .await;
        let identity = identity.map_err(|_| {
            Failure::no_answer("AWS does not tell whose credentials these are; check them")
        })?;
        Ok(identity.arn.unwrap_or_default())
    }

    pub(crate) async fn status(&self, order: &OrderId) -> Result<StatusView, Failure> {
        let view = self.find(order).await?;
        view.ok_or_else(|| Failure::no_order(order))
    }

    /// Where an order stands, if there is one of this id.
    pub(crate) async fn find(&self, order: &OrderId) -> Result<Option<StatusView>, Failure> {
        let answer = self
            .send("GET", &format!("/orders/{order}"), Vec::new())
            .await?;
        if answer.status == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        if answer.exit() != Exit::Well {
            let text = format!("{order}: {}", answer.summary());
            return Err(Failure::no_answer(text));
        }
        let view = serde_json::from_value(answer.body);
        view.map(Some).map_err(Failure::no_answer)
    }

    pub(crate) async fn post(&self, path: &str, body: Vec<u8>) -> Result<Answer, Failure> {
        self.send("POST", path, body).await
    }

    async fn send(&self, method: &str, path: &str, body: Vec<u8>) -> Result<Answer, Failure> {
        let url = format!("{}{path}", self.intake);
        let mut request = http_request(method, &url, body)?;
        self.sign(&mut request).await?;
        let request = reqwest::Request::try_from(request).map_err(Failure::no_answer)?;
        let response = self
            .http
            .execute(request)
            .await
            .map_err(|error| Failure::no_answer(format!("{url} does not answer: {error}")))?;
        let status = response.status();
        let text = response.text().await.map_err(Failure::no_answer)?;
        let body = serde_json::from_str(&text).unwrap_or(serde_json::Value::String(text));
        Ok(Answer { status, body })
    }

    /// The front door takes signed requests only, but for a local one.
    async fn sign(&self, request: &mut http::Request<Vec<u8>>) -> Result<(), Failure> {
        let provider = self.config.credentials_provider();
        let provider =
            provider.ok_or_else(|| Failure::no_answer("there are no AWS credentials"))?;
        let credentials = provider.provide_credentials().await.map_err(|_| {
            Failure::no_answer(
                "there are no AWS credentials; for the local shop: eval \"$(make -s env)\"",
            )
        })?;
        let identity = credentials.into();
        let region = self.config.region().map_or("us-east-1", AsRef::as_ref);
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region(region)
            .name("execute-api")
            .time(SystemTime::now())
            .settings(SigningSettings::default())
            .build()
            .map_err(Failure::no_answer)?
            .into();
        let headers = request
            .headers()
            .iter()
            .filter_map(|(name, value)| value.to_str().ok().map(|value| (name.as_str(), value)));
        let signable = SignableRequest::new(
            request.method().as_str(),
            request.uri().to_string(),
            headers,
            SignableBody::Bytes(request.body()),
        );
        let signed =
            sign(signable.map_err(Failure::no_answer)?, &parameters).map_err(Failure::no_answer)?;
        signed.into_parts().0.apply_to_request_http1x(request);
        Ok(())
    }
}

fn http_request(method: &str, url: &str, body: Vec<u8>) -> Result<http::Request<Vec<u8>>, Failure> {
    let builder = http::Request::builder().method(method).uri(url);
    let builder = builder.header("content-type", "application/json");
    builder.body(body).map_err(Failure::no_answer)
}

impl Answer {
    /// Whether the document was taken, or refused; anything else is no answer to it.
    pub(crate) fn exit(&self) -> Exit {
        match self.status {
            status if status.is_success() => Exit::Well,
            StatusCode::BAD_REQUEST
            | StatusCode::CONFLICT
            | StatusCode::PAYLOAD_TOO_LARGE
            | StatusCode::UNSUPPORTED_MEDIA_TYPE => Exit::DocumentRefused,
            _ => Exit::NoAnswer,
        }
    }

    /// In a line for people: a problem with all its violations, or what became of the order.
    pub(crate) fn summary(&self) -> String {
        let status = self.status.as_u16();
        let text = |field: &str| self.body[field].as_str().unwrap_or_default();
        if self.status.is_success() {
            let stands = if self.body["cancel_requested"] == true {
                "cancellation requested"
            } else {
                text("status")
            };
            return match status {
                200 => format!("known already ({stands})"),
                _ => format!("accepted ({stands})"),
            };
        }
        // What is before the front door answers otherwise than it does.
        let title = self.body["title"].as_str().unwrap_or(text("message"));
        let mut summary = format!("{status} {title}. {}", text("detail"));
        for violation in self.body["violations"].as_array().into_iter().flatten() {
            let part = |field: &str| violation[field].as_str().unwrap_or_default();
            summary = format!("{summary}\n  {} {}", part("pointer"), part("detail"));
        }
        summary
    }
}
