//! Notices to operators: one message for all orders with the same cause, and each order once.

use std::time::{Duration, Instant};

use aws_sdk_sns::error::{ProvideErrorMetadata, SdkError};
use domain::Timestamp;
use domain::ports::{Operators, ProviderError};
use operations::snapshot::List;
use operations::{Problem, Projection};
use read_models::{Notice, Target};
use step::budget;
use tracing::{info, warn};

use crate::{Failed, Monitor, payload};

/// So many orders are named in a message; the others are counted.
pub(crate) const NAMED: usize = 20;

/// A sweep posts so many messages to the webhook at most …
const MOST_POSTED: usize = 20;
/// … and begins no further one after so long. What is left is posted by the next.
const POSTING: Duration = Duration::from_secs(15);

/// The longest that posting can take: the last message is given its whole time, the secret is read for it.
pub(crate) const POSTED: Duration = Duration::from_secs(
    POSTING.as_secs() + budget::PROVIDER_CALL.as_secs() + budget::STORE_OPERATION.as_secs(),
);

impl<P: Operators> Monitor<P> {
    /// The ways by which operators are notified.
    pub(crate) fn targets(&self) -> &'static [Target] {
        match self.webhook {
            None => &[Target::Topic],
            Some(_) => &[Target::Topic, Target::Webhook],
        }
    }

    /// Notifies operators of what has come since the last notice about the same cause.
    pub(crate) async fn notify_operators(&self, now: Timestamp) -> Result<(), Failed> {
        let read_models = &self.reach.read_models;
        for notice in read_models.notices().await? {
            match notice.target {
                Target::Topic => {}
                // There was one. Another one is not to be told of what is long over.
                Target::Webhook if self.webhook.is_none() => {
                    read_models.notified(&notice).await?;
                    continue;
                }
                Target::Webhook => continue,
            }
            if !self.is_time(&notice, now) || !read_models.claim_notice(&notice, now).await? {
                continue;
            }
            let (subject, text) = message(&notice, &self.environment, &self.console_url);
            let told = self.operators.notify(&subject, &text).await;
            self.told(&notice, told).await?;
        }
        Ok(())
    }

    /// Posts to the webhook what has come since, and answers of how many causes it could not be told. Of the
    /// orders, those in `open` have not ended.
    pub(crate) async fn post_notices(
        &self,
        open: &[Projection],
        now: Timestamp,
    ) -> Result<usize, Failed> {
        let Some(webhook) = &self.webhook else {
            return Ok(0);
        };
        let read_models = &self.reach.read_models;
        let (began, mut posted, mut undelivered) = (Instant::now(), 0, 0);
        let mut notices = read_models.notices().await?;
        // So that those that are not taken keep the others waiting for a sweep and no longer.
        let minute = usize::try_from(now.as_second() / 60).unwrap_or(0);
        let first = minute % notices.len().max(1);
        notices.rotate_left(first);
        for notice in notices {
            if notice.target != Target::Webhook || !self.is_time(&notice, now) {
                continue;
            }
            if posted >= MOST_POSTED || began.elapsed() > POSTING {
                undelivered += 1;
                continue;
            }
            if !read_models.claim_notice(&notice, now).await? {
                continue;
            }
            posted += 1;
            let (environment, url) = (&self.environment, &self.console_url);
            let body = payload::body(&notice, open, environment, url, now);
            let told = webhook.post(&payload::id(&notice), body).await;
            if !self.told(&notice, told).await? {
                undelivered += 1;
            }
        }
        Ok(undelivered)
    }

    fn is_time(&self, notice: &Notice, now: Timestamp) -> bool {
        let last = notice.notified_at;
        last.is_none_or(|at| now >= at + self.limits.notices_every)
    }

    /// Notes what came of a notice that was claimed; whether it was told.
    async fn told(&self, notice: &Notice, told: Result<(), ProviderError>) -> Result<bool, Failed> {
        let read_models = &self.reach.read_models;
        let (cause, to) = (notice.cause.to_string(), notice.target.as_str());
        // Kept on the list until it is sent: twice is better than never.
        if let Err(error) = told {
            warn!(cause, to, %error, "failed to notify the operators");
            read_models.withdraw_notice(notice).await?;
            return Ok(false);
        }
        read_models.notified(notice).await?;
        info!(
            cause,
            to,
            problem = notice.cause.problem.as_str(),
            state = notice.cause.state.map(operations::ProcessState::as_str),
            orders = notice.orders.len(),
            "operators notified"
        );
        Ok(true)
    }
}

/// What a notice is about, in a line.
pub(crate) fn subject(notice: &Notice, environment: &str) -> String {
    let count = notice.orders.len();
    let orders = if count == 1 { "order" } else { "orders" };
    let problem = notice.cause.problem.as_str();
    match notice.cause.state {
        Some(state) => format!("[{environment}] {count} {orders}: {problem} in {state}"),
        None => format!("[{environment}] {count} {orders}: {problem}"),
    }
}

fn message(notice: &Notice, environment: &str, console_url: &str) -> (String, String) {
    let cause = &notice.cause;
    let advice = cause.advice();
    let (count, problem) = (notice.orders.len(), cause.problem.as_str());
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
    (subject(notice, environment), lines.join("\n"))
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
            target: Target::Topic,
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
