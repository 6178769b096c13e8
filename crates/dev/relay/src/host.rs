//! The hosting half: runs a function as its deployed namesake runs, between it and the watch server.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::body::{Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde_json::json;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpListener;
use tokio::process::Command;
use tokio::sync::Notify;

use crate::{DEADLINE, Error, environment_of};

const DEADLINE_MS: &str = "lambda-runtime-deadline-ms";
const REQUEST_ID: &str = "lambda-runtime-aws-request-id";
/// For an invocation that came by `cargo lambda invoke`: nothing waits for its answer but a person.
const BY_HAND: Duration = Duration::from_mins(15);
/// The most that Lambda takes, <https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>.
const MAX_BODY_BYTES: usize = 6 * 1024 * 1024;
/// Between the end of a function and its next start.
const PAUSE: Duration = Duration::from_millis(500);

/// Between the function and the watch server.
#[derive(Clone)]
struct Between {
    server: String,
    client: reqwest::Client,
    /// The invocation that the function is at work on.
    at_work: Arc<Mutex<Option<String>>>,
    /// Its time is up.
    late: Arc<Notify>,
    /// Let a function go on that is late: somebody may be looking at it with a debugger.
    patient: bool,
}

/// Runs the function in `binary` until somebody ends us; the watch server does when it has built anew.
pub(crate) async fn run(binary: PathBuf) -> Result<(), Error> {
    let name = binary.file_name().and_then(|name| name.to_str());
    let name = name.ok_or("the binary has no name")?.to_owned();
    let api = std::env::var("AWS_LAMBDA_RUNTIME_API")?;
    let server = if api.starts_with("http") {
        api
    } else {
        format!("http://{api}")
    };
    let between = Between {
        server,
        client: reqwest::Client::builder().no_proxy().build()?,
        at_work: Arc::default(),
        late: Arc::default(),
        patient: std::env::var_os("ORDERS_WATCH_PATIENT").is_some(),
    };
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let app = Router::new().fallback(pass).with_state(between.clone());
    tokio::spawn(async move { axum::serve(listener, app).await });
    tell_how_fresh(&name);
    loop {
        let mut child = Command::new(&binary)
            .args(std::env::args_os().skip(2))
            .env_clear()
            .envs(environment(&name)?)
            .env("AWS_LAMBDA_RUNTIME_API", address.to_string())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let printed = child.stdout.take().ok_or("no output of the function")?;
        let mut lines = BufReader::new(printed).lines();
        loop {
            tokio::select! {
                line = lines.next_line() => match line? {
                    Some(line) => println!("{name} {line}"),
                    None => break,
                },
                () = between.late.notified() => {
                    println!("{name} has used up its time and is killed");
                    child.start_kill()?;
                }
            }
        }
        let status = child.wait().await?;
        between.report_exit(&status.to_string()).await;
        println!("{name} ended ({status}); it is started anew");
        tokio::time::sleep(PAUSE).await;
    }
}

/// What the deployed function has, written by its forwarding half.
fn environment(name: &str) -> Result<BTreeMap<String, String>, Error> {
    let folder = std::env::var("ORDERS_WATCH_FOLDER")
        .map_err(|_| "ORDERS_WATCH_FOLDER is missing: `make watch` sets it")?;
    let file = environment_of(Path::new(&folder), name);
    let text = std::fs::read(&file).map_err(|error| {
        format!(
            "{} cannot be read ({error}): has the stack invoked {name} yet?",
            file.display()
        )
    })?;
    Ok(serde_json::from_slice(&text)?)
}

async fn pass(State(between): State<Between>, request: Request) -> Response {
    match between.pass(request).await {
        Ok(response) => response,
        Err(error) => (StatusCode::BAD_GATEWAY, error.to_string()).into_response(),
    }
}

impl Between {
    async fn pass(&self, request: Request) -> Result<Response, Error> {
        let (parts, body) = request.into_parts();
        let body: Bytes = to_bytes(body, MAX_BODY_BYTES).await?;
        let url = format!("{}{}", self.server, parts.uri);
        let mut headers = parts.headers;
        headers.remove("host");
        let asks = parts.method == Method::GET;
        let passed = self.client.request(parts.method, url).headers(headers);
        let answer = passed.body(body).send().await?;
        let (status, mut headers) = (answer.status(), answer.headers().clone());
        headers.remove("transfer-encoding");
        if asks && status == StatusCode::OK {
            let deadline = headers.remove(DEADLINE).unwrap_or_else(by_hand);
            let id = headers.get(REQUEST_ID).and_then(|id| id.to_str().ok());
            let id = id.map(str::to_owned);
            self.work_on(id.clone());
            tokio::spawn(self.clone().end_at(deadline.clone(), id));
            headers.insert(DEADLINE_MS, deadline);
        } else if !asks {
            self.work_on(None);
        }
        Ok((status, headers, answer.bytes().await?).into_response())
    }

    fn work_on(&self, invocation: Option<String>) -> Option<String> {
        let mut at_work = self.at_work.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *at_work, invocation)
    }

    /// Ends the function if it is still at work on this invocation when its time is up, as Lambda does.
    async fn end_at(self, deadline: HeaderValue, invocation: Option<String>) {
        let deadline = deadline.to_str().ok().and_then(|text| text.parse().ok());
        let left = deadline.unwrap_or(i64::MAX) - Timestamp::now().as_millisecond();
        tokio::time::sleep(Duration::from_millis(left.try_into().unwrap_or_default())).await;
        let at_work = self.at_work.lock().unwrap_or_else(PoisonError::into_inner);
        if invocation.is_some() && *at_work == invocation && !self.patient {
            self.late.notify_one();
        }
    }

    /// As Lambda does when a function's process ends in the middle of an invocation.
    async fn report_exit(&self, status: &str) {
        let Some(id) = self.work_on(None) else {
            return;
        };
        let url = format!("{}/2018-06-01/runtime/invocation/{id}/error", self.server);
        let message = format!("RequestId: {id} Error: Runtime exited with error: {status}");
        let error = json!({"errorType": "Runtime.ExitError", "errorMessage": message});
        if let Err(error) = self.client.post(url).json(&error).send().await {
            println!("the end of a function cannot be told: {error}");
        }
    }
}

fn by_hand() -> HeaderValue {
    HeaderValue::from((Timestamp::now() + BY_HAND).as_millisecond())
}

/// How long it took from the last save to here, where the next invocation runs the new code.
fn tell_how_fresh(name: &str) {
    let saved = newest(Path::new("crates")).and_then(|at| at.elapsed().ok());
    match saved {
        Some(since) if since < Duration::from_mins(2) => {
            println!(
                "{name} is live, {:.1} s after the last save",
                since.as_secs_f64()
            );
        }
        Some(_) | None => println!("{name} is live"),
    }
}

/// When a source file was last written.
fn newest(folder: &Path) -> Option<SystemTime> {
    let entries = std::fs::read_dir(folder).ok()?.flatten();
    let times = entries.filter_map(|entry| {
        let path = entry.path();
        if path.is_dir() {
            newest(&path)
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            entry.metadata().ok()?.modified().ok()
        } else {
            None
        }
    });
    times.max()
}
