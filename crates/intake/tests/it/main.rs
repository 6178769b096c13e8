//! The front door against an embedded DynamoDB, asked the way API Gateway asks.
#![expect(clippy::expect_used, reason = "tests")]

mod cancel;
mod queue;
mod status;
mod submit;

use intake::Intake;
use lambda_http::request::from_str;
use serde_json::{Value, json};
use store::Store;
use tests::{
    Database, STATE_MACHINE, StepFunctions, assert_impersonal, database, nobody, sdk_config,
    step_functions,
};
use workflow::Workflow;

/// The order that every test here is about.
const ORDER: &str = "ord-1";

/// The front door with everything around it.
struct Shop {
    database: Database,
    step_functions: StepFunctions,
    intake: Intake,
}

/// What the caller gets to see.
#[derive(Debug, PartialEq)]
struct Answer {
    status: u16,
    content_type: String,
    location: Option<String>,
    retry_after: Option<String>,
    correlation_id: Option<String>,
    body: Value,
}

impl Shop {
    async fn open() -> Self {
        let (database, step_functions) = (database().await, step_functions());
        let workflow = Workflow::new(&sdk_config(&step_functions.url), STATE_MACHINE);
        Self {
            intake: Intake::new(database.store.clone(), workflow),
            database,
            step_functions,
        }
    }

    /// A shop whose Step Functions cannot be reached.
    async fn without_step_functions() -> Self {
        let shop = Self::open().await;
        let workflow = Workflow::new(&sdk_config(&nobody().await), STATE_MACHINE);
        let intake = Intake::new(shop.database.store.clone(), workflow);
        Self { intake, ..shop }
    }

    /// A shop whose database cannot be reached.
    async fn without_database() -> Self {
        let shop = Self::open().await;
        let gone = Store::new(&sdk_config(&nobody().await), "orders", "");
        let workflow = Workflow::new(&sdk_config(&shop.step_functions.url), STATE_MACHINE);
        let intake = Intake::new(gone, workflow);
        Self { intake, ..shop }
    }

    async fn submit(&self, document: &Value) -> Answer {
        let body = document.to_string();
        self.ask("POST", "/orders", Some("application/json"), &body)
            .await
    }

    async fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, None, "").await
    }

    async fn post(&self, path: &str) -> Answer {
        self.ask("POST", path, None, "").await
    }

    /// Asks, and holds what every answer must be: JSON, a problem if it is one, nothing personal.
    async fn ask(
        &self,
        method: &str,
        path: &str,
        content_type: Option<&str>,
        body: &str,
    ) -> Answer {
        let event = event(method, path, content_type, body).to_string();
        let request = from_str(&event).expect("a request");
        let response = web::ask(&self.intake.clone().router(), request).await;
        let header = |name: &str| {
            let value = response.headers().get(name)?;
            Some(value.to_str().expect("a header of ASCII").to_owned())
        };
        let answer = Answer {
            status: response.status().as_u16(),
            content_type: header("content-type").unwrap_or_default(),
            location: header("location"),
            retry_after: header("retry-after"),
            correlation_id: header("correlation-id"),
            body: serde_json::from_slice(response.body()).expect("JSON"),
        };
        // The example in our own words happens to be the sample customer's.
        let text = answer.body.to_string();
        assert_impersonal(&text.replace("such as ada@example.com", ""));
        if answer.status >= 400 {
            assert_eq!(answer.content_type, "application/problem+json");
            assert_eq!(answer.body["status"], json!(answer.status));
            for field in ["type", "title", "detail"] {
                assert!(answer.body[field].is_string(), "{field} in {answer:?}");
            }
        } else {
            assert_eq!(answer.content_type, "application/json");
        }
        answer
    }
}

/// A request as an HTTP API hands it over, payload format 2.0.
/// <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html>
fn event(method: &str, path: &str, content_type: Option<&str>, body: &str) -> Value {
    let mut event = json!({
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": "",
        "headers": {"host": "example.execute-api.us-east-1.amazonaws.com"},
        "requestContext": {
            "accountId": "000000000000", "apiId": "api",
            "domainName": "example", "domainPrefix": "api",
            "http": {"method": method, "path": path, "protocol": "HTTP/1.1",
                "sourceIp": "127.0.0.1", "userAgent": "tests"},
            "requestId": "request", "routeKey": "$default", "stage": "$default",
            "time": "01/Jan/2026:00:00:00 +0000", "timeEpoch": 1_767_225_600_000_u64
        },
        "isBase64Encoded": false
    });
    if let Some(content_type) = content_type {
        event["headers"]["content-type"] = json!(content_type);
    }
    if !body.is_empty() {
        event["body"] = json!(body);
    }
    event
}
