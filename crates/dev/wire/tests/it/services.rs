//! The other services, as shipped adapters call them.

use std::sync::{Arc, Mutex};

use aws_sdk_lambda::primitives::Blob;
use domain::ports::{Mailer as _, Message, Operators as _, ProviderError};
use domain::{ExecutionStatus, OrderState, Timestamp};
use futures_util::future::{FutureExt as _, ready};
use serde_json::{Value, json};
use tests::{document, submission};
use wire::{Answer, Request, Service, Wire};

use crate::{Still, shop};

/// Serves one service with these answers, and keeps what it was asked.
fn serve(
    wire: &Wire,
    service: Service,
    answer: impl Fn(&Request) -> Answer + Send + Sync + 'static,
) -> Arc<Mutex<Vec<Request>>> {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let kept = asked.clone();
    wire.serve(service, move |request| {
        let answer = answer(&request);
        kept.lock().expect("a lock").push(request);
        ready(answer).boxed()
    });
    asked
}

/// What was asked: each operation, and the order that it is about.
fn operations(asked: &Mutex<Vec<Request>>) -> Vec<String> {
    let asked = asked.lock().expect("a lock");
    let told = asked.iter().map(|request| {
        let order = request.order().unwrap_or("-");
        format!("{} {order}", request.operation)
    });
    told.collect()
}

#[tokio::test]
async fn step_functions_is_asked_and_refuses_in_its_own_words() {
    let (wire, _) = shop().await;
    let asked = serve(&wire, Service::StepFunctions, |request| {
        match request.operation.as_str() {
            "StartExecution" => Answer::json(&json!({"executionArn": "arn", "startDate": 1.5})),
            _ => request.refused(400, "ExecutionDoesNotExist", "there is none"),
        }
    });
    let arn = "arn:aws:states:us-east-1:000000000000:stateMachine:orders:live";
    let workflow = workflow::Workflow::new(&wire.config("intake", Still), arn);
    let order = submission(&document("ord-7-8")).order;
    let state = OrderState::received(&order, Timestamp::now());
    workflow.start(&state).await.expect("started");
    let status = workflow.status(&state).await;
    assert_eq!(status, Ok(ExecutionStatus::NotStarted));
    assert_eq!(
        operations(&asked),
        ["StartExecution ord-7-8", "DescribeExecution ord-7-8"]
    );
}

#[tokio::test]
async fn a_function_answers_or_ends_with_an_error() {
    let (wire, _) = shop().await;
    serve(&wire, Service::Lambda, |request| {
        let task: Value = serde_json::from_slice(&request.body).expect("a task");
        match request.function() {
            Some("charge") => Answer::invoked(&Ok(json!({"of": task["order_id"]}))),
            _ => Answer::invoked(&Err(json!({"errorType": "Internal", "errorMessage": "no"}))),
        }
    });
    let config = wire.config("monitor", Still);
    let client = aws_sdk_lambda::Client::new(&config);
    let invoke = async |name: &str| {
        let payload = Blob::new(json!({"order_id": "ord-7"}).to_string());
        let request = client.invoke().function_name(name).payload(payload);
        let answer = request.send().await.expect("an answer");
        let payload = answer.payload.expect("a payload").into_inner();
        let payload: Value = serde_json::from_slice(&payload).expect("JSON");
        (answer.function_error, payload)
    };
    assert_eq!(invoke("charge").await, (None, json!({"of": "ord-7"})));
    let (error, payload) = invoke("ship").await;
    assert_eq!(error.as_deref(), Some("Unhandled"));
    assert_eq!(payload["errorType"], "Internal");
}

#[tokio::test]
async fn mail_notices_and_credentials_go_over_the_wire() {
    let (wire, _) = shop().await;
    let config = wire.config("notify", Still);
    let mails = serve(&wire, Service::Ses, |_| {
        Answer::json(&json!({"MessageId": "m-1"}))
    });
    let message = Message {
        to: "ada@example.com".to_owned(),
        subject: "On its way".to_owned(),
        text: "text".to_owned(),
        html: "html".to_owned(),
        order_id: "ord-7".parse().expect("an id"),
        execution: "ord-7-1".to_owned(),
    };
    let ses = notify::Ses::new(
        &config,
        "shop@example.com".to_owned(),
        "mail-of-orders".to_owned(),
    );
    assert_eq!(ses.send(message).await, Ok("m-1".to_owned()));
    assert_eq!(operations(&mails), ["SendEmail ord-7"]);

    let notices = serve(&wire, Service::Sns, |request| {
        match request.field("Subject").as_deref() {
            Some("a & b") => Answer::published("n-1"),
            _ => request.throttled(),
        }
    });
    let sns = notify::Sns::new(
        &config,
        "arn:aws:sns:us-east-1:000000000000:notices".to_owned(),
    );
    assert_eq!(sns.notify("a & b", "text").await, Ok(()));
    let throttled = sns.notify("other", "text").await;
    let text = "the operators' topic answered Throttled".to_owned();
    assert_eq!(throttled, Err(ProviderError::Unavailable(text)));
    assert_eq!(operations(&notices), ["Publish -", "Publish -"]);

    serve(&wire, Service::Secrets, |_| {
        Answer::json(&json!({"SecretString": "sk_test\n"}))
    });
    let secret = provider::Secret::new(&config, "arn");
    assert_eq!(secret.get().await, Ok("sk_test".to_owned()));
}

#[tokio::test]
#[should_panic(expected = "nobody answers Publish of Sns")]
async fn a_service_that_nobody_plays_stops_the_caller() {
    let (wire, _) = shop().await;
    let sns = notify::Sns::new(&wire.config("notify", Still), "arn".to_owned());
    let _ = sns.notify("a", "text").await;
}
