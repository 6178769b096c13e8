//! For unit tests of what reads the environment or never returns: a test is run again in a process of its own.

use std::collections::VecDeque;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;

/// The variable by which a test knows that it is the other process.
const HERE: &str = "STEP_TEST_ELSEWHERE";

pub(crate) fn is_here() -> bool {
    std::env::var_os(HERE).is_some()
}

/// Starts this crate's test of that name with these settings.
pub(crate) fn start(test: &str, settings: &[(&str, &str)]) -> Child {
    let program = std::env::current_exe().expect("this program");
    let mut command = Command::new(program);
    command.args(["--exact", test, "--nocapture"]);
    command.env_remove("RUST_LOG").env(HERE, "1");
    command.envs(settings.iter().copied());
    command.stdout(Stdio::piped()).stderr(Stdio::null());
    command.spawn().expect("a process")
}

/// What a function did with its events.
pub(crate) struct Served {
    /// Where each answer was posted, after the id of its event, and what it was.
    pub(crate) answers: Vec<(String, Value)>,
    /// Each line of its log.
    pub(crate) log: Vec<Value>,
}

/// Has the test of that name serve events by Lambda's runtime API, one after the other. Events have the ids
/// `r0`, `r1` and so on.
/// <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>
pub(crate) fn serve(test: &str, events: Vec<Value>) -> Served {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    let count = events.len();
    let answers = runtime_api(listener, events);
    let mut function = start(
        test,
        &[
            ("AWS_LAMBDA_RUNTIME_API", &address),
            ("AWS_LAMBDA_FUNCTION_NAME", "step"),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128"),
            ("AWS_LAMBDA_FUNCTION_VERSION", "1"),
        ],
    );
    let answers: Option<Vec<_>> = (0..count).map(|_| next(&answers, &mut function)).collect();
    function.kill().expect("it serves on");
    let output = function.wait_with_output().expect("its output");
    let log = String::from_utf8(output.stdout).expect("a text");
    let log = log.lines().filter(|line| line.starts_with('{'));
    Served {
        answers: answers.expect("an answer to each event"),
        log: log
            .map(|line| serde_json::from_str(line).expect("JSON"))
            .collect(),
    }
}

/// The next answer. `None` if the function has ended, or takes longer than the busiest machine.
fn next(answers: &Receiver<(String, Value)>, function: &mut Child) -> Option<(String, Value)> {
    for _ in 0..60 {
        match answers.recv_timeout(Duration::from_secs(1)) {
            Ok(answer) => return Some(answer),
            Err(_) if function.try_wait().ok()?.is_some() => return None,
            Err(_) => {}
        }
    }
    None
}

fn runtime_api(listener: TcpListener, events: Vec<Value>) -> Receiver<(String, Value)> {
    let (answered, answers) = channel();
    let events = Arc::new(Mutex::new((0..).zip(events).collect::<VecDeque<_>>()));
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            let (answered, events) = (answered.clone(), events.clone());
            let connection = connection.expect("a connection");
            std::thread::spawn(move || converse(&connection, &events, &answered));
        }
    });
    answers
}

/// Until the function hangs up, or there is nothing left for it to do.
fn converse(
    connection: &TcpStream,
    events: &Mutex<VecDeque<(u32, Value)>>,
    answered: &Sender<(String, Value)>,
) -> Option<()> {
    let mut reader = BufReader::new(connection);
    loop {
        let mut head = Vec::new();
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
            if line.trim().is_empty() {
                break;
            }
            head.push(line.trim().to_lowercase());
        }
        let length = head
            .iter()
            .find_map(|line| line.strip_prefix("content-length: "));
        let mut body = vec![0; length.map_or(Ok(0), str::parse).ok()?];
        reader.read_exact(&mut body).ok()?;
        let path = head.first()?.split(' ').nth(1)?;
        let path = path.strip_prefix("/2018-06-01/runtime/invocation/")?;
        let answer = if path == "next" {
            let Some((number, event)) = events.lock().ok()?.pop_front() else {
                // There is never another one: it waits until it is ended.
                std::thread::park();
                return None;
            };
            let event = event.to_string();
            format!(
                "HTTP/1.1 200 OK\r\nlambda-runtime-aws-request-id: r{number}\r\n\
                 lambda-runtime-deadline-ms: 9999999999999\r\n\
                 lambda-runtime-invoked-function-arn: arn\r\ncontent-length: {}\r\n\r\n{event}",
                event.len()
            )
        } else {
            let body = serde_json::from_slice(&body).unwrap_or_default();
            answered.send((path.to_owned(), body)).ok()?;
            "HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n".to_owned()
        };
        let mut connection = connection;
        connection.write_all(answer.as_bytes()).ok()?;
    }
}
