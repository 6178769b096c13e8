//! Notices to operators: one message for all orders with the same cause, and each order once.

use std::time::Duration;

use aws_sdk_sns::error::{ProvideErrorMetadata, SdkError};
use domain::Timestamp;
use domain::ports::{Operators, ProviderError};
use operations::Problem;
use operations::snapshot::List;
use read_models::Notice;
use tracing::{info, warn};

use crate::{Failed, Monitor};

/// So many orders are named in a message; the others are counted.
const NAMED: usize = 20;

impl<P: Operators> Monitor<P> {
    /// Notifies operators of what has come since the last notice about the same cause.
    pub(crate) async fn notify_operators(&self, now: Timestamp) -> Result<(), Failed> {
        let read_models = &self.reach.read_models;
        for notice in read_models.notices().await? {
            if notice
                .notified_at
                .is_some_and(|at| now < at + self.limits.notices_every)
            {
                continue;
            }
            let (subject, text) = message(&notice, &self.environment, &self.console_url);
            if !read_models.claim_notice(&notice, now).await? {
                continue;
            }
            let cause = notice.cause.to_string();
            // Kept on the list until it is sent: twice is better than never.
            if let Err(error) = self.operators.notify(&subject, &text).await {
                warn!(cause, %error, "failed to notify the operators");
                read_models.withdraw_notice(&notice).await?;
                continue;
            }
            read_models.notified(&notice).await?;
            info!(
                cause,
                problem = notice.cause.problem.as_str(),
                state = notice.cause.state.map(operations::ProcessState::as_str),
                orders = notice.orders.len(),
                "operators notified"
            );
        }
        Ok(())
    }
}

fn message(notice: &Notice, environment: &str, console_url: &str) -> (String, String) {
    let cause = &notice.cause;
    let advice = cause.advice();
    let count = notice.orders.len();
    let orders = if count == 1 { "order" } else { "orders" };
    let problem = cause.problem.as_str();
    let subject = match cause.state {
        Some(state) => format!("[{environment}] {count} {orders}: {problem} in {state}"),
        None => format!("[{environment}] {count} {orders}: {problem}"),
    };
    let mut lines = vec![advice.meaning.to_owned(), String::new()];
    if let Some(state) = cause.state {
        lines.push(match &cause.error {
            Some(error) => format!("Where: {state}, with {error}"),
            None => format!("Where: {state}"),
        });
    }
    let list = List::Cause(cause.id());
    lines.extend([
        format!("What to do: {}", advice.recommended_action),
        format!("More: docs/RUNBOOK.md, {}", advice.runbook),
        format!("All of them: {console_url}/orders?list={list}"),
        String::new(),
    ]);
    for order in notice.orders.iter().take(NAMED) {
        lines.push(format!("{console_url}/orders/{order}"));
        lines.push(format!("orderctl status {order}"));
        if let Some(action) = advice.action {
            lines.push(format!("orderctl {action} {order} --reason \"…\""));
        }
    }
    if count > NAMED {
        let more = count - NAMED;
        lines.push(match cause.problem {
            Problem::Incident(_) => {
                format!("and {more} more: orderctl orders --incident {problem}")
            }
            Problem::Reversed(_) => format!("and {more} more"),
        });
    }
    (subject, lines.join("\n"))
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
    pub fn new(config: &aws_config::SdkConfig, topic_arn: impl Into<String>) -> Self {
        let timeouts = aws_config::timeout::TimeoutConfig::builder()
            .operation_timeout(Duration::from_secs(5))
            .build();
        let config = aws_sdk_sns::config::Builder::from(config)
            .timeout_config(timeouts)
            .build();
        Self {
            client: aws_sdk_sns::Client::from_conf(config),
            topic_arn: topic_arn.into(),
        }
    }
}

impl Operators for Sns {
    async fn notify(&self, subject: &str, text: &str) -> Result<(), ProviderError> {
        let request = self.client.publish().topic_arn(&self.topic_arn);
        let sent = request.subject(subject).message(text).send().await;
        sent.map(drop).map_err(|error| match &error {
            SdkError::ServiceError(context) => {
                let code = context.err().code().unwrap_or("an unknown error");
                ProviderError::Unavailable(format!("the operators' topic answered {code}"))
            }
            _ => ProviderError::Unknown("the operators' topic did not answer".to_owned()),
        })
    }
}

#[cfg(test)]
mod tests {
    use domain::ErrorName;
    use operations::{Cause, Incident, ProcessState};

    use super::*;

    #[test]
    fn a_message_says_what_to_do_and_leads_to_each_order() {
        let notice = Notice {
            cause: Cause {
                problem: Problem::Incident(Incident::Unfinished),
                state: Some(ProcessState::CancelShipment),
                error: Some(ErrorName::CarrierUnavailable.into()),
            },
            orders: (0..25)
                .map(|number| format!("ord-{number}").parse().expect("an order id"))
                .collect(),
            notified_at: None,
        };
        let (subject, text) = message(&notice, "prod", "https://orders.example");
        assert_eq!(subject, "[prod] 25 orders: unfinished in CancelShipment");
        for line in [
            "Where: CancelShipment, with CarrierUnavailable",
            "https://orders.example/orders/ord-0",
            "orderctl redrive ord-0 --reason \"…\"",
            "and 5 more: orderctl orders --incident unfinished",
        ] {
            assert!(text.lines().any(|of| of == line), "{line} in {text}");
        }
        assert_eq!(
            text.matches("https://orders.example/orders/").count(),
            NAMED
        );
        let list = format!(
            "https://orders.example/orders?list=cause.{}",
            notice.cause.id()
        );
        assert!(text.contains(&list), "{text}");
    }
}
