//! What a service answers, in its own protocol.

use serde::Serialize;
use serde_json::{Value, json};

use crate::{Request, Service};

/// An answer as it is on the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// Beyond the content type, which no client of ours looks at.
    pub headers: Vec<(&'static str, String)>,
    /// JSON, or the XML of SNS.
    pub body: String,
}

impl Answer {
    /// Success, with this body.
    #[must_use]
    pub fn ok(body: impl Into<String>) -> Self {
        Self {
            status: 200,
            headers: Vec::new(),
            body: body.into(),
        }
    }

    /// Success, with this as JSON.
    #[must_use]
    pub fn json(body: &impl Serialize) -> Self {
        Self::ok(json!(body).to_string())
    }

    /// What a function answered to an invocation.
    #[must_use]
    pub fn invoked(result: &Result<Value, Value>) -> Self {
        match result {
            Ok(payload) => Self::json(payload),
            // The function ended with an error: the invocation did not.
            Err(error) => Self {
                headers: vec![("x-amz-function-error", "Unhandled".to_owned())],
                ..Self::json(error)
            },
        }
    }

    /// SNS took the message.
    #[must_use]
    pub fn published(message_id: &str) -> Self {
        Self::ok(format!(
            "<PublishResponse><PublishResult><MessageId>{message_id}</MessageId></PublishResult>\
             </PublishResponse>"
        ))
    }

    /// Whether the service did what it was asked.
    #[must_use]
    pub fn is_success(&self) -> bool {
        self.status < 300
    }
}

impl Request {
    /// The service refuses this request with one of its errors.
    #[must_use]
    pub fn refused(&self, status: u16, code: &str, message: &str) -> Answer {
        let (headers, body) = match self.service {
            Service::DynamoDb | Service::StepFunctions | Service::Secrets => (
                Vec::new(),
                json!({"__type": code, "message": message}).to_string(),
            ),
            Service::Lambda | Service::Ses => (
                vec![("x-amzn-errortype", code.to_owned())],
                json!({"message": message}).to_string(),
            ),
            Service::Sns => (
                Vec::new(),
                format!(
                    "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code>\
                     <Message>{message}</Message></Error></ErrorResponse>"
                ),
            ),
        };
        Answer {
            status,
            headers,
            body,
        }
    }

    /// There were too many requests, and nothing was done. The SDK tries again.
    #[must_use]
    pub fn throttled(&self) -> Answer {
        let (status, code) = match self.service {
            Service::DynamoDb | Service::StepFunctions | Service::Secrets => {
                (400, "ThrottlingException")
            }
            Service::Lambda | Service::Ses => (429, "TooManyRequestsException"),
            Service::Sns => (400, "Throttled"),
        };
        self.refused(status, code, "Rate exceeded")
    }

    /// The service failed; whether it did what it was asked is for the caller of this to say. The SDK tries
    /// again.
    #[must_use]
    pub fn broken(&self) -> Answer {
        let code = match self.service {
            Service::DynamoDb => "InternalServerError",
            Service::StepFunctions | Service::Ses | Service::Secrets => "InternalServiceError",
            Service::Lambda => "ServiceException",
            Service::Sns => "InternalError",
        };
        self.refused(500, code, "The service has failed")
    }
}
