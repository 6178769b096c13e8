//! What operators are told: once for each order and cause, and one message for all orders of one cause.

use std::time::Duration;

use aws_sdk_sns::error::{ProvideErrorMetadata, SdkError};
use domain::Timestamp;
use domain::advice::Trouble;
use domain::ports::{Operators, ProviderError};
use domain::watch::Watch;
use store::Notice;
use tracing::{info, warn};

use crate::{Failed, Monitor};

/// After a message about a cause the next one about the same cause waits for this long, and has all orders
/// in it that came meanwhile.
pub const QUIET: Duration = Duration::from_mins(15);

/// So many orders are named in a message; the others are counted.
const NAMED: usize = 20;

/// The root cause of a trouble: what it is, where, and with which error.
pub(crate) fn cause(trouble: Trouble, watch: &Watch) -> String {
    let place = watch.place.map_or("-", domain::watch::Place::as_str);
    // Why an order is reversed is not why its undo gave up.
    let error = watch
        .retry
        .as_ref()
        .map_or("-", |retry| retry.error.as_str());
    format!("{}#{place}#{error}", trouble.as_str())
}

impl<P: Operators> Monitor<P> {
    /// Tells of what has come since the last message about the same cause.
    pub(crate) async fn tell(&self, now: Timestamp) -> Result<(), Failed> {
        for notice in self.actions.store.notices().await? {
            if notice.told_at.is_some_and(|at| now < at + QUIET) {
                continue;
            }
            let (subject, text) = message(&notice, &self.environment, &self.console_url);
            let store = &self.actions.store;
            if !store.claim_notice(&notice, now).await? {
                continue;
            }
            // Kept on the list until it is taken: told twice is better than never.
            if let Err(error) = self.operators.tell(&subject, &text).await {
                warn!(cause = notice.cause, %error, "operators not told");
                store.withdraw_notice(&notice).await?;
                continue;
            }
            store.told(&notice).await?;
            info!(
                cause = notice.cause,
                orders = notice.orders.len(),
                "operators told"
            );
        }
        Ok(())
    }
}

fn message(notice: &Notice, environment: &str, console_url: &str) -> (String, String) {
    let mut parts = notice.cause.split('#');
    let (word, place, error) = (
        parts.next().unwrap_or_default(),
        parts.next().unwrap_or_default(),
        parts.next().unwrap_or_default(),
    );
    let trouble = Trouble::ALL
        .into_iter()
        .find(|trouble| trouble.as_str() == word);
    let advice = trouble.unwrap_or(Trouble::Unfinished).advice();
    let count = notice.orders.len();
    let orders = if count == 1 { "order" } else { "orders" };
    let subject = format!("[{environment}] {count} {orders}: {word} in {place}");
    let with = if error == "-" {
        String::new()
    } else {
        format!(", with {error}")
    };
    let mut lines = vec![
        advice.meaning.to_owned(),
        String::new(),
        format!("Where: {place}{with}"),
        format!("What to do: {}", advice.recommended_action),
        format!("More: docs/RUNBOOK.md, {}", advice.runbook),
        String::new(),
    ];
    for order in notice.orders.iter().take(NAMED) {
        lines.push(format!("{console_url}/orders/{order}"));
        lines.push(format!("orderctl status {order}"));
        if let Some(action) = advice.action {
            let action = action.as_str();
            lines.push(format!("orderctl {action} {order} --reason \"…\""));
        }
    }
    if count > NAMED {
        let more = count - NAMED;
        lines.push(format!("and {more} more: orderctl orders --trouble {word}"));
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
    async fn tell(&self, subject: &str, text: &str) -> Result<(), ProviderError> {
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
    use super::*;

    #[test]
    fn a_message_says_what_to_do_and_leads_to_each_order() {
        let notice = Notice {
            cause: "unfinished#CancelShipment#CarrierUnavailable".to_owned(),
            orders: (0..25).map(|number| format!("ord-{number}")).collect(),
            told_at: None,
        };
        let (subject, text) = message(&notice, "prod", "https://orders.example");
        assert_eq!(subject, "[prod] 25 orders: unfinished in CancelShipment");
        for line in [
            "Where: CancelShipment, with CarrierUnavailable",
            "https://orders.example/orders/ord-0",
            "orderctl redrive ord-0 --reason \"…\"",
            "and 5 more: orderctl orders --trouble unfinished",
        ] {
            assert!(text.lines().any(|of| of == line), "{line} in {text}");
        }
        assert_eq!(text.matches("https://").count(), NAMED);
    }
}
