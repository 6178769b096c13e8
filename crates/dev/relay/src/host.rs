//! The hosting half: builds a function and runs it as its deployed namesake runs, between it and the watch
//! server.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::body::{Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpListener;
use tokio::process::Command;
use tokio::sync::Notify;

use crate::build::{build, first_error};
use crate::invocations::{Invocation, Invocations};
use crate::{DOES_NOT_BUILD, Error, environment_of};

/// The most that Lambda takes, <https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>.
const MAX_BODY_BYTES: usize = 6 * 1024 * 1024;
/// Between the end of a function and its next start.
const PAUSE: Duration = Duration::from_millis(500);

/// Between the function and its invocations.
#[derive(Clone)]
struct Between {
    invocations: Invocations,
    /// The invocation that the function is at work on.
    at_work: Arc<Mutex<Option<String>>>,
    /// Its time is up.
    late: Arc<Notify>,
    /// Let a function go on that is late: somebody may be looking at it with a debugger.
    patient: bool,
}

/// Serves the function that `cargo run` with these arguments would run, until somebody ends us; the watch
/// server does when a file has changed.
pub(crate) async fn run(arguments: &[String]) -> Result<(), Error> {
    let mut named = arguments.iter().skip_while(|argument| *argument != "--bin");
    let name = named.nth(1).ok_or("no --bin says which function")?;
    let folder = std::env::var("ORDERS_WATCH_FOLDER")
        .map_err(|_| "ORDERS_WATCH_FOLDER is missing: `make watch` sets it")?;
    let folder = Path::new(&folder);
    let invocations = Invocations::take(folder, name).await?;
    let built = build(arguments).await?;
    if !built.diagnostics.is_empty() && first_to_tell(folder, &built.diagnostics) {
        eprintln!("{}", built.diagnostics.trim_end());
    }
    match built.executable {
        Some(binary) => serve(folder, name, &binary, invocations).await,
        None => refuse(name, &first_error(&built.diagnostics), &invocations).await,
    }
}

/// What is broken in `domain` keeps every function from being built; it is printed once for each save.
fn first_to_tell(folder: &Path, diagnostics: &str) -> bool {
    let mut hasher = DefaultHasher::new();
    let lines = diagnostics.lines();
    let same_for_all: Vec<&str> = lines
        .filter(|line| !line.contains("build failed"))
        .collect();
    (same_for_all, last_save()).hash(&mut hasher);
    let told = folder.join(format!("{:x}.told", hasher.finish()));
    std::fs::File::create_new(told).is_ok()
}

/// Answers each invocation at once with what keeps the function from being built.
async fn refuse(name: &str, error: &str, invocations: &Invocations) -> Result<(), Error> {
    let message = format!("{name} does not build: {error}");
    println!("{message}");
    while let Some(invocation) = invocations.next().await {
        let failed = invocations.fail(&invocation.id, DOES_NOT_BUILD, &message);
        failed.await;
    }
    Ok(())
}

async fn serve(
    folder: &Path,
    name: &str,
    binary: &Path,
    invocations: Invocations,
) -> Result<(), Error> {
    let between = Between {
        invocations,
        at_work: Arc::default(),
        late: Arc::default(),
        patient: std::env::var("ORDERS_WATCH_PATIENT").is_ok_and(|set| is_on(&set)),
    };
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?.to_string();
    let app = Router::new().fallback(pass).with_state(between.clone());
    tokio::spawn(async move { axum::serve(listener, app).await });
    println!("{name} {}", how_fresh(folder, name));
    loop {
        let ended = match between.run(folder, name, binary, &address).await {
            Ok(status) => format!("ended ({status})"),
            Err(error) => format!("ended: {error}"),
        };
        println!("{name} {ended}; it is started anew");
        between.report_exit(&ended).await;
        tokio::time::sleep(PAUSE).await;
    }
}

/// Whether a switch of the environment is on.
fn is_on(set: &str) -> bool {
    !matches!(set, "" | "0" | "false")
}

/// What the deployed function has, written by its forwarding half.
fn environment(folder: &Path, name: &str) -> Result<BTreeMap<String, String>, Error> {
    let file = environment_of(folder, name);
    let text = std::fs::read(&file).map_err(|error| {
        format!(
            "failed to read {} ({error}): has the stack invoked {name} yet? `make samples` does",
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
    /// The function's whole life.
    async fn run(
        &self,
        folder: &Path,
        name: &str,
        binary: &Path,
        address: &str,
    ) -> Result<std::process::ExitStatus, Error> {
        let mut child = Command::new(binary)
            .env_clear()
            .envs(environment(folder, name)?)
            .env("AWS_LAMBDA_RUNTIME_API", address)
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
                () = self.late.notified() => {
                    println!("{name} has used up its time and is killed");
                    child.start_kill()?;
                }
            }
        }
        Ok(child.wait().await?)
    }

    async fn pass(&self, request: Request) -> Result<Response, Error> {
        let (parts, body) = request.into_parts();
        let body: Bytes = to_bytes(body, MAX_BODY_BYTES).await?;
        if parts.method == Method::GET {
            let Some(invocation) = self.invocations.next().await else {
                return Ok(StatusCode::GONE.into_response());
            };
            self.work_on(Some(invocation.id.clone()));
            tokio::spawn(self.clone().end_in_time(&invocation));
            return Ok((invocation.headers, invocation.body).into_response());
        }
        let path = parts.uri.to_string();
        let passed = self
            .invocations
            .pass(parts.method, &path, parts.headers, body);
        let answer = passed.await?;
        if let Some(id) = self.work_on(None) {
            self.invocations.answered(&id);
        }
        Ok(answer.into_response())
    }

    fn work_on(&self, invocation: Option<String>) -> Option<String> {
        let mut at_work = self.at_work.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *at_work, invocation)
    }

    /// Ends the function if it is still at work on this invocation when its time is up, as Lambda does.
    fn end_in_time(self, invocation: &Invocation) -> impl Future<Output = ()> + use<> {
        let (id, left) = (invocation.id.clone(), invocation.time_left());
        async move {
            tokio::time::sleep(left.unwrap_or_default()).await;
            let at_work = self.at_work.lock().unwrap_or_else(PoisonError::into_inner);
            if at_work.as_deref() == Some(&id) && !self.patient {
                self.late.notify_one();
            }
        }
    }

    /// As Lambda does when a function's process ends in the middle of an invocation, or never asks for one.
    async fn report_exit(&self, ended: &str) {
        let id = match self.work_on(None) {
            Some(id) => Some(id),
            None => self.invocations.waiting().await.map(|waiting| waiting.id),
        };
        if let Some(id) = id {
            let message = format!("RequestId: {id} Error: Runtime exited with error: {ended}");
            self.invocations
                .fail(&id, "Runtime.ExitError", &message)
                .await;
        }
    }
}

/// How long it took from a save to here, where the next invocation runs the new code.
fn how_fresh(folder: &Path, name: &str) -> String {
    // When it was last live, the source was as old as this file.
    let mark: PathBuf = folder.join(format!("{name}.live"));
    let was_live = std::fs::metadata(&mark).and_then(|file| file.modified());
    let saved = last_save();
    if let Err(error) = std::fs::write(&mark, "") {
        eprintln!("failed to write {}: {error}", mark.display());
    }
    live(saved, was_live.ok(), SystemTime::now())
}

/// Without a save since it was last live it says nothing of one.
fn live(saved: Option<SystemTime>, was_live: Option<SystemTime>, now: SystemTime) -> String {
    match (saved, was_live) {
        (Some(saved), Some(was_live)) if saved > was_live => {
            let since = now.duration_since(saved).unwrap_or_default();
            format!("is live, {:.1} s after the last save", since.as_secs_f64())
        }
        _ => "is live".to_owned(),
    }
}

/// When a source file was last written.
fn last_save() -> Option<SystemTime> {
    newest(Path::new("crates"))
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_save_is_told_of_only_if_there_was_one_since_the_function_was_live() {
        let at = |second| SystemTime::UNIX_EPOCH + Duration::from_secs(second);
        let after_a_save = live(Some(at(20)), Some(at(10)), at(27));
        assert_eq!(after_a_save, "is live, 7.0 s after the last save");
        for (saved, was_live) in [
            (Some(at(20)), None),
            (Some(at(20)), Some(at(100))),
            (None, Some(at(10))),
        ] {
            assert_eq!(live(saved, was_live, at(104)), "is live");
        }
    }

    #[test]
    fn a_switch_that_says_no_is_off() {
        assert!(is_on("1"));
        assert!(["", "0", "false"].iter().all(|set| !is_on(set)));
    }
}
