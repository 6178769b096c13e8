//! What answers like Step Functions' API and remembers what it was asked: there is no engine to
//! embed, and the end-to-end tests have the local stack's.

use std::collections::{HashMap, HashSet};
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
    // What it tells of an execution beyond that it runs, by the execution's name.
    told: Arc<Mutex<HashMap<String, Value>>>,
    refused: Arc<Mutex<HashSet<String>>>,
    // What the function of a step answers.
    answer: Arc<Mutex<Value>>,
    // What answers instead, if something does.
    functions: Functions,
}

/// A function, by the request's first line that names it, and what it is asked: its answer, or the error
/// that it ends with.
pub type Function = Arc<dyn Fn(&str, &Value) -> Result<Value, Value> + Send + Sync>;

#[derive(Clone, Default)]
struct Functions(Arc<Mutex<Option<Function>>>);

impl std::fmt::Debug for Functions {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Functions")
    }
}

/// Starts it.
#[must_use]
pub fn step_functions() -> StepFunctions {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address");
    let step_functions = StepFunctions {
        url: format!("http://{address}"),
        calls: Arc::default(),
        told: Arc::default(),
        refused: Arc::default(),
        answer: Arc::new(Mutex::new(json!({"resolved": false}))),
        functions: Functions::default(),
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

    /// From now on it tells this of an execution, whether or not it was asked to start it: members of
    /// `DescribeExecution`'s answer, and `events` of its history.
    pub fn tells(&self, name: &str, told: Value) {
        let mut all = self.told.lock().expect("a lock");
        all.insert(name.to_owned(), told);
    }

    /// From now on every step's function answers with this.
    pub fn steps_answer(&self, answer: Value) {
        *self.answer.lock().expect("a lock") = answer;
    }

    /// From now on the steps' functions are these.
    pub fn steps_are(&self, function: Function) {
        *self.functions.0.lock().expect("a lock") = Some(function);
    }

    /// From now on it throttles this operation, or no longer.
    pub fn throttles(&self, operation: &str, throttles: bool) {
        let mut refused = self.refused.lock().expect("a lock");
        if throttles {
            refused.insert(operation.to_owned());
        } else {
            refused.remove(operation);
        }
    }

    fn serve(&self, stream: TcpStream) -> std::io::Result<()> {
        let mut reader = BufReader::new(stream);
        let (mut length, mut operation) = (0, String::new());
        let mut first = String::new();
        reader.read_line(&mut first)?;
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
        let input: Value = serde_json::from_slice(&body)?;
        let function = self.functions.0.lock().expect("a lock").clone();
        let function = function.filter(|_| operation.is_empty());
        let mut failed = "";
        let (status, answer) = match function.map(|function| function(&first, &input)) {
            None => self.answer(operation, input),
            Some(Ok(answer)) => ("200 OK", answer),
            Some(Err(error)) => {
                failed = "x-amz-function-error: Unhandled\r\n";
                ("200 OK", error)
            }
        };
        let answer = answer.to_string();
        let head = format!(
            "HTTP/1.1 {status}\r\ncontent-type: application/x-amz-json-1.0\r\n{failed}\
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
        let told = |input: &Value| {
            let arn = input["executionArn"].as_str().unwrap_or_default();
            let name = arn.rsplit(':').next().unwrap_or_default();
            self.told.lock().expect("a lock").get(name).cloned()
        };
        let refusing = self.refused.lock().expect("a lock").contains(&operation);
        let answer = match operation.as_str() {
            _ if refusing => refused("ThrottlingException"),
            // The function of a step, asked by its path.
            "" => ("200 OK", self.answer.lock().expect("a lock").clone()),
            "GetExecutionHistory" => {
                let events = told(&input).map_or(Value::Null, |told| told["events"].clone());
                let events = if events.is_null() { json!([]) } else { events };
                ("200 OK", json!({"events": events}))
            }
            "RedriveExecution" => ("200 OK", json!({"redriveDate": 1.0})),
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
                let mut running = json!({"executionArn": arn, "stateMachineArn": STATE_MACHINE,
                    "name": name, "status": "RUNNING", "startDate": 1.0});
                let told = told(&input);
                if let Some(Value::Object(told)) = told.clone() {
                    for (member, value) in told.into_iter().filter(|(name, _)| name != "events") {
                        running[member] = value;
                    }
                }
                if started(name) || told.is_some() {
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
        if !refusing {
            calls.push((operation, input));
        }
        answer
    }
}
