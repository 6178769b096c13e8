//! What answers like Step Functions' API and remembers what it was asked: there is no engine to
//! embed, and the end-to-end tests have the local stack's.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

/// The state machine's alias that tests start executions through.
pub const STATE_MACHINE: &str =
    "arn:aws:states:us-east-1:000000000000:stateMachine:order-processing:live";

/// Answers on a port of its own until the test's process ends.
#[derive(Debug, Clone)]
pub struct StepFunctions {
    /// Its endpoint.
    pub url: String,
    calls: Arc<Mutex<Vec<(String, Value)>>>,
}

/// Starts it.
#[must_use]
pub fn step_functions() -> StepFunctions {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address");
    let calls = Arc::default();
    let step_functions = StepFunctions {
        url: format!("http://{address}"),
        calls,
    };
    let served = step_functions.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            // A caller that hangs up is its own test's business.
            let _ = stream.and_then(|stream| served.serve(stream));
        }
    });
    step_functions
}

impl StepFunctions {
    /// What it was asked so far: operations and their inputs.
    #[must_use]
    pub fn calls(&self) -> Vec<(String, Value)> {
        self.calls.lock().expect("a lock").clone()
    }

    fn serve(&self, stream: TcpStream) -> std::io::Result<()> {
        let mut reader = BufReader::new(stream);
        let (mut length, mut operation) = (0, String::new());
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            let Some((name, value)) = line.split_once(':') else {
                if line.trim().is_empty() {
                    break;
                }
                continue;
            };
            let value = value.trim();
            match name.to_ascii_lowercase().as_str() {
                "content-length" => length = value.parse().expect("a length"),
                "x-amz-target" => value
                    .trim_start_matches("AWSStepFunctions.")
                    .clone_into(&mut operation),
                _ => {}
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        let (status, answer) = self.answer(operation, serde_json::from_slice(&body)?);
        let answer = answer.to_string();
        let head = format!(
            "HTTP/1.1 {status}\r\ncontent-type: application/x-amz-json-1.0\r\n\
             content-length: {}\r\nconnection: close\r\n\r\n",
            answer.len()
        );
        let mut stream = reader.into_inner();
        stream.write_all(head.as_bytes())?;
        stream.write_all(answer.as_bytes())
    }

    fn answer(&self, operation: String, input: Value) -> (&'static str, Value) {
        let mut calls = self.calls.lock().expect("a lock");
        let refused = |code: &str| ("400 Bad Request", json!({"__type": code}));
        let started = |name: &str| {
            calls
                .iter()
                .any(|(operation, input)| operation == "StartExecution" && input["name"] == name)
        };
        let answer = match operation.as_str() {
            "StartExecution" if started(input["name"].as_str().unwrap_or_default()) => {
                refused("ExecutionAlreadyExists")
            }
            "StartExecution" => (
                "200 OK",
                json!({"executionArn": "an:arn", "startDate": 1.0}),
            ),
            "DescribeExecution" => {
                let arn = input["executionArn"].as_str().unwrap_or_default();
                let name = arn.rsplit(':').next().unwrap_or_default();
                let running = json!({"executionArn": arn, "stateMachineArn": STATE_MACHINE,
                    "name": name, "status": "RUNNING", "startDate": 1.0});
                if started(name) {
                    ("200 OK", running)
                } else {
                    refused("ExecutionDoesNotExist")
                }
            }
            "SendTaskSuccess" | "SendTaskFailure" if input["taskToken"] == "gone" => {
                refused("TaskTimedOut")
            }
            "SendTaskSuccess" | "SendTaskFailure" => ("200 OK", json!({})),
            _ => refused("UnknownOperationException"),
        };
        calls.push((operation, input));
        answer
    }
}
