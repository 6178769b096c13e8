//! The shop as its customers and operators meet it: over HTTP, on the command line, and, to look
//! behind it, through AWS's own APIs.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use aws_sdk_sfn::types::ExecutionStatus;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use store::{Article, Store};

/// An order that has not ended by then is stuck. No measure of speed.
pub(crate) const PATIENCE: Duration = Duration::from_mins(4);

pub(crate) struct Shop {
    pub(crate) endpoints: Value,
    intake: String,
    sandbox: String,
    aws: String,
    state_machine_arn: String,
    pub(crate) store: Store,
    sfn: aws_sdk_sfn::Client,
    http: reqwest::Client,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the workspace")
        .to_owned()
}

fn endpoints_file() -> PathBuf {
    root().join("target/e2e/endpoints.json")
}

/// A JSON file of the project.
pub(crate) fn json<T: DeserializeOwned>(path: &str) -> T {
    let content =
        std::fs::read(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
    serde_json::from_slice(&content).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Every document that `make run` sends.
pub(crate) fn sample_documents() -> Vec<Value> {
    let files = std::fs::read_dir(root().join("orders")).expect("the sample orders");
    let paths = files.map(|file| file.expect("a file").path());
    let documents: Vec<Value> = paths
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "json")
        })
        .map(|path| {
            serde_json::from_slice(&std::fs::read(path).expect("a document")).expect("JSON")
        })
        .collect();
    assert!(documents.len() >= 9, "the sample orders");
    documents
}

/// `function/situation` of every file in `tests/events`, sorted.
pub(crate) fn event_files() -> Vec<String> {
    let mut found = Vec::new();
    let entries = std::fs::read_dir(root().join("tests/events")).expect("events");
    let folders = entries.map(|entry| entry.expect("an entry").path());
    for folder in folders.filter(|path| path.is_dir()) {
        let function = folder
            .file_name()
            .and_then(|name| name.to_str())
            .expect("a name");
        for file in std::fs::read_dir(&folder).expect("events") {
            let path = file.expect("a file").path();
            let stem = path
                .file_stem()
                .and_then(|stem| stem.to_str())
                .expect("a name");
            found.push(format!("{function}/{stem}"));
        }
    }
    found.sort();
    found
}

/// A document for one line of one article, without shipping and tax.
pub(crate) fn document(order: &str, sku: &str, quantity: u64, unit_price: u64) -> Value {
    let mut document = tests::document(order);
    document["lines"] = json!([{"sku": sku, "quantity": quantity, "unit_price": unit_price}]);
    document["shipping_fee"] = json!(0);
    document["total"] = json!(quantity * unit_price);
    document
}

/// How many effects of each kind the providers' ledger has.
pub(crate) fn effects(ledger: &Value) -> Value {
    let counts = ledger.as_object().expect("a ledger").iter();
    counts
        .map(|(kind, entries)| (kind.clone(), json!(entries.as_array().map(Vec::len))))
        .collect()
}

impl Shop {
    pub(crate) async fn open() -> Self {
        let file = endpoints_file();
        let content = std::fs::read(&file).unwrap_or_else(|_| {
            panic!("there is no stack for these tests: `make test` starts one")
        });
        let endpoints: Value = serde_json::from_slice(&content).expect("endpoints");
        let text = |name: &str| {
            endpoints[name]
                .as_str()
                .unwrap_or_else(|| panic!("{name}"))
                .to_owned()
        };
        let aws = text("aws");
        let config = tests::sdk_config(&aws);
        let shop = Self {
            intake: text("intake"),
            sandbox: text("sandbox"),
            state_machine_arn: text("state_machine_arn"),
            store: Store::new(&config, text("orders_table"), text("stock_table"))
                .announcing_in(text("read_models_table")),
            sfn: aws_sdk_sfn::Client::new(&config),
            http: reqwest::Client::builder()
                .no_proxy()
                .build()
                .expect("a client"),
            aws,
            endpoints: endpoints.clone(),
        };
        let catalogue: Vec<Article> = json("orders/catalogue/sample.json");
        for article in &catalogue {
            shop.store.put_article(article).await.expect("an article");
        }
        shop
    }

    pub(crate) async fn article(&self, sku: &str, unit_price: u64, available: u64) {
        let article = Article {
            sku: sku.parse().expect("a sku"),
            unit_price: tests::money(unit_price, "USD"),
            available,
            goods: domain::Goods::default(),
        };
        self.store.put_article(&article).await.expect("an article");
    }

    pub(crate) async fn available(&self, sku: &str) -> u64 {
        let article = self
            .store
            .article(&sku.parse().expect("a sku"))
            .await
            .expect("an answer");
        article.unwrap_or_else(|| panic!("{sku}")).available
    }

    async fn answered(request: reqwest::RequestBuilder) -> (u16, String, Value) {
        let response = request.send().await.expect("an answer");
        let status = response.status().as_u16();
        let kind = response
            .headers()
            .get("content-type")
            .and_then(|kind| kind.to_str().ok());
        let kind = kind.unwrap_or_default().to_owned();
        let text = response.text().await.expect("a body");
        (
            status,
            kind,
            serde_json::from_str(&text).unwrap_or(Value::String(text)),
        )
    }

    pub(crate) async fn post(
        &self,
        path: &str,
        content_type: &str,
        body: &str,
    ) -> (u16, String, Value) {
        let request = self.http.post(format!("{}{path}", self.intake));
        Self::answered(
            request
                .header("content-type", content_type)
                .body(body.to_owned()),
        )
        .await
    }

    pub(crate) async fn get(&self, path: &str) -> (u16, String, Value) {
        Self::answered(self.http.get(format!("{}{path}", self.intake))).await
    }

    pub(crate) async fn submit(&self, document: &Value) {
        let (status, _, body) = self
            .post("/orders", "application/json", &document.to_string())
            .await;
        assert!(status == 202 || status == 200, "{status}: {body}");
    }

    pub(crate) async fn view(&self, order: &str) -> Value {
        let (status, _, view) = self.get(&format!("/orders/{order}")).await;
        assert_eq!(status, 200, "{order}: {view}");
        view
    }

    /// Waits until the order's view is as wanted.
    pub(crate) async fn until(&self, order: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let began = Instant::now();
        loop {
            let view = self.view(order).await;
            if wanted(&view) {
                return view;
            }
            assert!(
                began.elapsed() < PATIENCE,
                "{order} does not get there: {view:#}"
            );
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// Waits until the order and its execution have ended.
    pub(crate) async fn ended(&self, order: &str) -> Value {
        self.until(order, |view| {
            let execution = view["workflow"]["status"].as_str();
            matches!(
                execution,
                Some("SUCCEEDED" | "FAILED" | "TIMED_OUT" | "ABORTED")
            )
        })
        .await
    }

    pub(crate) async fn plant(&self, fault: &Value) {
        let request = self
            .http
            .post(format!("{}/_sandbox/faults", self.sandbox))
            .json(fault);
        let (status, _, body) = Self::answered(request).await;
        assert_eq!(status, 201, "{body}");
    }

    pub(crate) async fn ledger(&self, order: &str) -> Value {
        let url = format!("{}/_sandbox/ledger?order_id={order}", self.sandbox);
        let (status, _, ledger) = Self::answered(self.http.get(url)).await;
        assert_eq!(status, 200, "{ledger}");
        ledger
    }

    /// How many mails the customer of this document got about it.
    pub(crate) async fn mails(&self, document: &Value) -> usize {
        let url = format!("{}/_ministack/ses/messages", self.aws);
        let (status, _, body) = Self::answered(self.http.get(url)).await;
        assert_eq!(status, 200, "{body}");
        let order = format!(
            "Your order {} ",
            document["order_id"].as_str().expect("an id")
        );
        let email = document["customer"]["email"].as_str().expect("an address");
        let mails = body["messages"].as_object().expect("messages by account");
        let mails = mails
            .values()
            .filter_map(Value::as_array)
            .flatten()
            .map(Value::to_string);
        mails
            .filter(|mail| mail.contains(&order) && mail.contains(email))
            .count()
    }

    /// An execution's status and the error it ended with.
    pub(crate) async fn execution(&self, view: &Value) -> (String, Option<String>) {
        let arn = view["workflow"]["execution_arn"].as_str().expect("an ARN");
        let described = self
            .sfn
            .describe_execution()
            .execution_arn(arn)
            .send()
            .await
            .expect("it");
        (described.status.as_str().to_owned(), described.error)
    }

    /// Starts one more execution with this input and waits for its end.
    pub(crate) async fn execute(&self, input: &Value) -> String {
        let started = self
            .sfn
            .start_execution()
            .state_machine_arn(&self.state_machine_arn)
            .input(input.to_string())
            .send()
            .await
            .expect("an execution");
        let began = Instant::now();
        loop {
            let arn = &started.execution_arn;
            let described = self
                .sfn
                .describe_execution()
                .execution_arn(arn)
                .send()
                .await
                .expect("it");
            if described.status != ExecutionStatus::Running {
                return described.status.as_str().to_owned();
            }
            assert!(began.elapsed() < PATIENCE, "{arn} does not end");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// What an execution's history holds of inputs, parameters, outputs and causes. Their `Debug` is
    /// redacted by the SDK, so each is asked for by its name.
    pub(crate) async fn history(&self, view: &Value) -> String {
        let arn = view["workflow"]["execution_arn"].as_str().expect("an ARN");
        let request = self
            .sfn
            .get_execution_history()
            .execution_arn(arn)
            .include_execution_data(true);
        let events = request.into_paginator().items().send();
        let events = events
            .collect::<Result<Vec<_>, _>>()
            .await
            .expect("a history");
        let mut told = Vec::new();
        for event in &events {
            told.extend(
                event
                    .execution_started_event_details()
                    .and_then(|details| details.input()),
            );
            told.extend(
                event
                    .execution_failed_event_details()
                    .and_then(|details| details.cause()),
            );
            told.extend(
                event
                    .execution_succeeded_event_details()
                    .and_then(|details| details.output()),
            );
            told.extend(
                event
                    .state_entered_event_details()
                    .and_then(|details| details.input()),
            );
            told.extend(
                event
                    .state_exited_event_details()
                    .and_then(|details| details.output()),
            );
            told.extend(
                event
                    .task_scheduled_event_details()
                    .map(aws_sdk_sfn::types::TaskScheduledEventDetails::parameters),
            );
            told.extend(
                event
                    .task_succeeded_event_details()
                    .and_then(|details| details.output()),
            );
            told.extend(
                event
                    .task_failed_event_details()
                    .and_then(|details| details.cause()),
            );
        }
        assert!(told.len() >= 10, "{told:?}");
        told.join("\n")
    }

    /// The states that an execution has entered, in order: what Step Functions is paid for.
    pub(crate) async fn states(&self, view: &Value) -> Vec<String> {
        let arn = view["workflow"]["execution_arn"].as_str().expect("an ARN");
        let request = self.sfn.get_execution_history().execution_arn(arn);
        let events = request.into_paginator().items().send();
        let events = events
            .collect::<Result<Vec<_>, _>>()
            .await
            .expect("a history");
        let entered = events
            .iter()
            .filter_map(|event| event.state_entered_event_details());
        entered.map(|details| details.name().to_owned()).collect()
    }

    fn environment(&self) -> [(&'static str, String); 8] {
        [
            ("AWS_ENDPOINT_URL", self.aws.clone()),
            ("AWS_REGION", "us-east-1".to_owned()),
            ("AWS_ACCESS_KEY_ID", "test".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "test".to_owned()),
            ("AWS_CONFIG_FILE", "/dev/null".to_owned()),
            ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null".to_owned()),
            ("NO_PROXY", "127.0.0.1".to_owned()),
            ("ORDERS_ENDPOINTS", endpoints_file().display().to_string()),
        ]
    }

    pub(crate) fn orderctl(&self, arguments: &[&str]) {
        let mut command = Command::new(root().join("target/debug/orderctl"));
        let done = command
            .args(arguments)
            .envs(self.environment())
            .output()
            .expect("orderctl");
        assert!(
            done.status.success(),
            "{}",
            String::from_utf8_lossy(&done.stderr)
        );
    }

    /// `cargo lambda invoke` with a file of `tests/events`: whether it succeeded, and what it told.
    pub(crate) fn invoke(&self, file: &str) -> (bool, String) {
        let function = file.split('/').next().expect("a function");
        let done = Command::new(root().join(".venv/bin/cargo-lambda"))
            .args([
                "lambda",
                "invoke",
                "--remote",
                &format!("orders-local-{function}"),
            ])
            .args(["--endpoint-url", &self.aws])
            .args(["--data-file", &format!("tests/events/{file}.json")])
            .current_dir(root())
            .envs(self.environment())
            .output()
            .expect("cargo-lambda");
        let told = [done.stdout, done.stderr].concat();
        (
            done.status.success(),
            String::from_utf8_lossy(&told).into_owned(),
        )
    }

    /// The lines that a function has logged.
    pub(crate) async fn log(&self, function: &str) -> Vec<String> {
        let mut command = tokio::process::Command::new(root().join(".venv/bin/python"));
        let done = command
            .args(["tools/log.py", "--name", "e2e", "--raw", function])
            .current_dir(root())
            .envs(self.environment())
            .output()
            .await
            .expect("tools/log.py");
        assert!(
            done.status.success(),
            "{}",
            String::from_utf8_lossy(&done.stderr)
        );
        String::from_utf8_lossy(&done.stdout)
            .lines()
            .map(str::to_owned)
            .collect()
    }
}
