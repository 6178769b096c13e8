//! The mail service and the operators' topic.

use std::time::Duration;

use aws_sdk_sesv2::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sesv2::types::{Body, Content, Destination, EmailContent, MessageTag};
use domain::ports::{Mailer, Message, Operators, ProviderError};
use step::budget;

/// One attempt for each call: the state machine retries, in front of everybody's eyes.
fn limits() -> (
    aws_config::retry::RetryConfig,
    aws_config::timeout::TimeoutConfig,
) {
    let timeouts = aws_config::timeout::TimeoutConfig::builder()
        .operation_timeout(budget::PROVIDER_CALL)
        .connect_timeout(Duration::from_secs(2))
        .build();
    (aws_config::retry::RetryConfig::disabled(), timeouts)
}

/// Amazon SES.
#[derive(Debug)]
pub struct Ses {
    client: aws_sdk_sesv2::Client,
    sender: String,
    configuration_set: String,
}

impl Ses {
    /// The mail service, writing as `sender`, reporting by `configuration_set`.
    #[must_use]
    pub fn new(config: &aws_config::SdkConfig, sender: String, configuration_set: String) -> Self {
        let (retry, timeouts) = limits();
        let config = aws_sdk_sesv2::config::Builder::from(config)
            .retry_config(retry)
            .timeout_config(timeouts)
            .build();
        Self {
            client: aws_sdk_sesv2::Client::from_conf(config),
            sender,
            configuration_set,
        }
    }
}

fn content(text: &str) -> Result<Content, ProviderError> {
    let content = Content::builder().data(text).charset("UTF-8").build();
    content.map_err(|_| ProviderError::Defect("a message cannot be built".to_owned()))
}

impl Mailer for Ses {
    async fn send(&self, message: Message) -> Result<String, ProviderError> {
        let body = Body::builder()
            .text(content(&message.text)?)
            .html(content(&message.html)?)
            .build();
        let mail = aws_sdk_sesv2::types::Message::builder()
            .subject(content(&message.subject)?)
            .body(body)
            .build();
        let tag = |name: &str, value: &str| {
            let tag = MessageTag::builder().name(name).value(value).build();
            tag.map_err(|_| ProviderError::Defect("a tag cannot be built".to_owned()))
        };
        let sent = self
            .client
            .send_email()
            .from_email_address(&self.sender)
            .configuration_set_name(&self.configuration_set)
            .destination(Destination::builder().to_addresses(message.to).build())
            .content(EmailContent::builder().simple(mail).build())
            .email_tags(tag("order_id", message.order_id.as_str())?)
            .email_tags(tag("execution", &message.execution)?)
            .send()
            .await;
        let answer = sent.map_err(|error| failure("mail service", &error))?;
        Ok(answer.message_id.unwrap_or_default())
    }
}

/// Amazon SNS.
#[derive(Debug)]
pub struct Sns {
    client: aws_sdk_sns::Client,
    topic_arn: String,
}

impl Sns {
    /// The operators' topic.
    #[must_use]
    pub fn new(config: &aws_config::SdkConfig, topic_arn: String) -> Self {
        let (retry, timeouts) = limits();
        let config = aws_sdk_sns::config::Builder::from(config)
            .retry_config(retry)
            .timeout_config(timeouts)
            .build();
        Self {
            client: aws_sdk_sns::Client::from_conf(config),
            topic_arn,
        }
    }
}

impl Operators for Sns {
    async fn notify(&self, subject: &str, text: &str) -> Result<(), ProviderError> {
        let request = self.client.publish().topic_arn(&self.topic_arn);
        let sent = request.subject(subject).message(text).send().await;
        sent.map(drop)
            .map_err(|error| failure("operators' topic", &error))
    }
}

/// Codes only: the services' messages quote addresses.
fn failure<E: ProvideErrorMetadata, R>(name: &str, error: &SdkError<E, R>) -> ProviderError {
    match error {
        SdkError::ServiceError(context) => {
            let code = context.err().code().unwrap_or("an unknown error");
            ProviderError::Unavailable(format!("the {name} answered {code}"))
        }
        SdkError::DispatchFailure(_) => {
            ProviderError::Unavailable(format!("the {name} cannot be reached"))
        }
        _ => ProviderError::Unknown(format!("the {name} did not answer")),
    }
}
