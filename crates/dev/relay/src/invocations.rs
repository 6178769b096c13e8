//! A function's invocations, taken from the watch server as they come and kept until each is answered.
//!
//! The watch server keeps a queue of 100 for each function. While one of them is full nobody gets anything
//! out of any (cargo-lambda 1.9.2: `RequestCache::upsert` waits for room with all queues locked), and what
//! is in them is handed out even if whoever sent it has long given up. So nothing is left there: not while
//! a function is built, and not if it cannot be.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex as Locked, PoisonError};
use std::time::Duration;

use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use jiff::Timestamp;
use serde_json::json;
use tokio::sync::Mutex;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::{DEADLINE, Error, REBUILT};

const DEADLINE_MS: &str = "lambda-runtime-deadline-ms";
const REQUEST_ID: &str = "lambda-runtime-aws-request-id";
/// For an invocation that came by `cargo lambda invoke`: nothing waits for its answer but a person.
const BY_HAND: Duration = Duration::from_mins(15);
/// Before a watch server that does not answer is asked again.
const PAUSE: Duration = Duration::from_millis(200);

/// One invocation, as the watch server hands it out, with its real deadline.
#[derive(Debug)]
pub(crate) struct Invocation {
    pub(crate) id: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// Milliseconds since 1970.
    deadline_ms: i64,
}

impl Invocation {
    /// None once whoever sent it has given up.
    pub(crate) fn time_left(&self) -> Option<Duration> {
        let left = self.deadline_ms - Timestamp::now().as_millisecond();
        let left = u64::try_from(left).ok().filter(|left| *left > 0)?;
        Some(Duration::from_millis(left))
    }
}

/// Between the watch server and one function.
#[derive(Clone)]
pub(crate) struct Invocations {
    server: String,
    client: reqwest::Client,
    waiting: Arc<Mutex<UnboundedReceiver<Invocation>>>,
    taken: Arc<Locked<Taken>>,
}

/// Which invocations nobody has answered yet. Kept in a file: the watch server ends us without a word.
struct Taken {
    file: PathBuf,
    ids: BTreeSet<String>,
}

impl Invocations {
    /// Begins to take them, after those have been answered that a predecessor was ended with.
    pub(crate) async fn take(folder: &Path, function: &str) -> Result<Self, Error> {
        let api = std::env::var("AWS_LAMBDA_RUNTIME_API")?;
        let (sender, receiver) = unbounded_channel();
        let file = folder.join(format!("{function}.taken"));
        let left: BTreeSet<String> = std::fs::read(&file)
            .ok()
            .and_then(|text| serde_json::from_slice(&text).ok())
            .unwrap_or_default();
        let invocations = Self {
            server: if api.starts_with("http") {
                api
            } else {
                format!("http://{api}")
            },
            client: reqwest::Client::builder().no_proxy().build()?,
            waiting: Arc::new(Mutex::new(receiver)),
            taken: Arc::new(Locked::new(Taken {
                file,
                ids: left.clone(),
            })),
        };
        for id in left {
            let message = format!("{function} was stopped to be built anew");
            invocations.fail(&id, REBUILT, &message).await;
        }
        tokio::spawn(invocations.clone().keep_taking(sender));
        Ok(invocations)
    }

    /// The next one that somebody still waits for.
    pub(crate) async fn next(&self) -> Option<Invocation> {
        loop {
            let invocation = self.waiting.lock().await.recv().await?;
            if invocation.time_left().is_some() {
                return Some(invocation);
            }
            let message = "its time was up before it began";
            self.fail(&invocation.id, "Sandbox.Timedout", message).await;
        }
    }

    /// One that waits already, if there is one.
    pub(crate) async fn waiting(&self) -> Option<Invocation> {
        self.waiting.lock().await.try_recv().ok()
    }

    /// Answers an invocation, or hands on whatever else a function has to say to its Runtime API.
    pub(crate) async fn pass(
        &self,
        method: Method,
        path: &str,
        mut headers: HeaderMap,
        body: Bytes,
    ) -> Result<(StatusCode, HeaderMap, Bytes), Error> {
        headers.remove("host");
        let url = format!("{}{path}", self.server);
        let request = self.client.request(method, url).headers(headers);
        let answer = request.body(body).send().await?;
        let (status, mut headers) = (answer.status(), answer.headers().clone());
        headers.remove("transfer-encoding");
        Ok((status, headers, answer.bytes().await?))
    }

    /// Answers that it failed, under this name.
    pub(crate) async fn fail(&self, id: &str, name: &str, message: &str) {
        let path = format!("/2018-06-01/runtime/invocation/{id}/error");
        let error = json!({"errorType": name, "errorMessage": message}).to_string();
        let passed = self.pass(Method::POST, &path, HeaderMap::new(), error.into());
        if let Err(error) = passed.await {
            eprintln!("failed to tell how an invocation ended: {error}");
        }
        self.answered(id);
    }

    /// Nobody waits for its answer any more.
    pub(crate) fn answered(&self, id: &str) {
        self.change(|ids| ids.remove(id));
    }

    async fn keep_taking(self, sender: UnboundedSender<Invocation>) {
        loop {
            match self.ask().await {
                Ok(Some(invocation)) => {
                    self.change(|ids| ids.insert(invocation.id.clone()));
                    if sender.send(invocation).is_err() {
                        return;
                    }
                }
                Ok(None) => (),
                // It says why on its own; we end with it.
                Err(_) => tokio::time::sleep(PAUSE).await,
            }
        }
    }

    async fn ask(&self) -> Result<Option<Invocation>, Error> {
        let path = "/2018-06-01/runtime/invocation/next";
        let asked = self.pass(Method::GET, path, HeaderMap::new(), Bytes::new());
        let (status, mut headers, body) = asked.await?;
        let id = headers.get(REQUEST_ID).and_then(|id| id.to_str().ok());
        let Some(id) = id.filter(|_| status == StatusCode::OK).map(str::to_owned) else {
            return Ok(None);
        };
        let deadline = headers.remove(DEADLINE);
        let deadline_ms = deadline
            .and_then(|text| text.to_str().ok()?.parse().ok())
            .unwrap_or_else(|| (Timestamp::now() + BY_HAND).as_millisecond());
        headers.insert(DEADLINE_MS, HeaderValue::from(deadline_ms));
        Ok(Some(Invocation {
            id,
            headers,
            body,
            deadline_ms,
        }))
    }

    fn change(&self, what: impl FnOnce(&mut BTreeSet<String>) -> bool) {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if !what(&mut taken.ids) {
            return;
        }
        let part = taken.file.with_extension("part");
        let kept = serde_json::to_vec(&taken.ids)
            .map_err(Error::from)
            .and_then(|text| Ok(std::fs::write(&part, text)?))
            .and_then(|()| Ok(std::fs::rename(&part, &taken.file)?));
        if let Err(error) = kept {
            eprintln!("failed to write {}: {error}", taken.file.display());
        }
    }
}
