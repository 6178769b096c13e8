//! The page on an embedded DynamoDB, beside a double of Step Functions. What people see is looked at in a browser
//! (`tests/stack/test_page.py`).
#![expect(clippy::expect_used, reason = "tests")]

mod bulks;
mod finance;
mod finding;
mod label;
mod orphans;
mod pages;
mod restart;
mod settle;
mod sign_in;

use std::collections::HashMap;

use axum::Router;
use console::{Config, Console, Issuer};
use lambda_http::http::{Method, Request as HttpRequest};
use lambda_http::{Body, Request, RequestExt as _, Response};
use serde_json::Value;
use tests::{Database, Requests, StepFunctions, sdk_config, step_functions, watched_database};

pub(crate) struct Page {
    pub(crate) database: Database,
    pub(crate) requests: Requests,
    pub(crate) step_functions: StepFunctions,
    pub(crate) console: Router,
}

impl Page {
    pub(crate) async fn open(issuer: Option<Issuer>) -> Self {
        let (database, requests) = watched_database().await;
        database.article("MUG-01", 1299, "USD", 100).await;
        let step_functions = step_functions();
        let steps = ["charge", "ship", "notify"].map(|step| (step.to_owned(), step.to_owned()));
        let config = Config {
            orders_table: tests::ORDERS.to_owned(),
            read_models_table: tests::READ_MODELS.to_owned(),
            state_machine_arn: tests::STATE_MACHINE.to_owned(),
            steps: HashMap::from(steps),
            monitor: "monitor".to_owned(),
            environment: "test".to_owned(),
            aws_console_url: None,
            console_url: "https://orders.example".to_owned(),
            issuer,
        };
        let aws = sdk_config(&step_functions.url);
        let _ = requests.take();
        let (store, read_models) = (database.store.clone(), database.read_models.clone());
        let console = Console::new(&aws, config, store, read_models)
            .expect("a console")
            .router();
        Self {
            database,
            requests,
            step_functions,
            console,
        }
    }

    pub(crate) async fn ask(&self, request: Request) -> Response<Body> {
        web::ask(&self.console, request).await
    }

    pub(crate) async fn get(&self, path: &str) -> (u16, String) {
        let answer = self.ask(request(&Method::GET, path, &[], "")).await;
        (answer.status().as_u16(), text(&answer))
    }

    /// Sends a form: where it leads, and what the next page says.
    pub(crate) async fn send(&self, path: &str, form: &str) -> (String, Sent) {
        let headers = [
            ("content-type", "application/x-www-form-urlencoded"),
            ("sec-fetch-site", "same-origin"),
        ];
        let answer = self.ask(request(&Method::POST, path, &headers, form)).await;
        assert_eq!(answer.status(), 303, "{path}: {}", text(&answer));
        let header = |name: &str| {
            let value = answer.headers().get(name)?;
            Some(value.to_str().expect("a text").to_owned())
        };
        let cookie = header("set-cookie").unwrap_or_default();
        let cookie = cookie.split(';').next().unwrap_or_default().to_owned();
        (header("location").expect("a place"), Sent { cookie })
    }

    pub(crate) async fn get_with(&self, path: &str, sent: &Sent) -> Response<Body> {
        let cookie = [("cookie", sent.cookie.as_str())];
        self.ask(request(&Method::GET, path, &cookie, "")).await
    }

    pub(crate) async fn json(&self, path: &str) -> Value {
        serde_json::from_str(&self.get(path).await.1).expect("JSON")
    }
}

/// What a browser keeps of an answer to a form.
pub(crate) struct Sent {
    cookie: String,
}

pub(crate) fn text(answer: &Response<Body>) -> String {
    String::from_utf8(answer.body().to_vec()).expect("a text")
}

/// A request as the gateway hands it over.
pub(crate) fn request(
    method: &Method,
    path_and_query: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Request {
    let (path, _) = path_and_query
        .split_once('?')
        .unwrap_or((path_and_query, ""));
    let mut request = HttpRequest::builder()
        .method(method)
        .uri(format!("https://orders.example{path_and_query}"));
    request = request.header("host", "orders.example");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request
        .body(Body::from(body.to_owned()))
        .expect("a request")
        .with_raw_http_path(path)
}
