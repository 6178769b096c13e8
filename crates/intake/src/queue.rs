//! Orders in by queue: each message's body is an order document.

use std::convert::Infallible;
use std::time::Duration;

use domain::ports::StoreError;
use lambda_runtime::{LambdaEvent, service_fn};
use serde::{Deserialize, Serialize};
use store::Accepted;
use tracing::{error, info, warn};

use crate::{Intake, NotAccepted, WORST_CASE};

/// The most messages of one invocation; they are taken one after the other.
pub const BATCH: u32 = 5;

/// What the longest invocation by queue can take.
pub const QUEUE_WORST_CASE: Duration = Duration::from_secs(WORST_CASE.as_secs() * BATCH as u64);

/// What of an event we look at. `aws_lambda_events` has all of it, and brings fifteen crates for it.
/// <https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html>
#[derive(Deserialize)]
pub struct Batch {
    #[serde(rename = "Records")]
    records: Vec<Message>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Message {
    message_id: String,
    /// The document.
    body: String,
}

/// The messages that stay in the queue.
/// <https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html>
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Left {
    batch_item_failures: Vec<Failure>,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Failure {
    item_identifier: String,
}

impl Intake {
    /// Serves messages until Lambda ends the environment.
    ///
    /// # Errors
    /// If the runtime cannot be reached.
    pub async fn serve_queue(&self) -> Result<(), step::InitError> {
        lambda_runtime::run(service_fn(|event: LambdaEvent<Batch>| async move {
            // Boxed: the compiler's limit is on how deep futures nest in each other.
            Ok::<_, Infallible>(Box::pin(self.take(event.payload)).await)
        }))
        .await?;
        Ok(())
    }

    /// Takes the orders of a batch and names the messages that have to stay in the queue. Those that
    /// cannot be an order however often they come end up in the dead-letter queue, where a person sees
    /// them: nobody else could be told what is wrong.
    pub async fn take(&self, batch: Batch) -> Left {
        let mut left = Left::default();
        for Message { message_id, body } in batch.records {
            if !self.takes(&message_id, body.as_bytes()).await {
                let item_identifier = message_id;
                left.batch_item_failures.push(Failure { item_identifier });
            }
        }
        left
    }

    /// Whether the message is done with. Nothing of its document is logged, not even where it is wrong:
    /// a field that we do not know may be named after anything. `orderctl submit` tells.
    async fn takes(&self, message_id: &str, document: &[u8]) -> bool {
        match self.accept(document).await {
            Ok(Accepted::New(state)) => {
                let order_id = state.order_id.as_str();
                info!(order_id, message_id, "order came by queue");
                true
            }
            Ok(Accepted::Same(_)) => true,
            Ok(Accepted::Different) => {
                warn!(message_id, "message refused: its order_id is taken");
                false
            }
            Err(NotAccepted::TooLarge) => {
                warn!(message_id, bytes = document.len(), "message refused");
                false
            }
            Err(NotAccepted::Invalid(found)) => {
                warn!(
                    message_id,
                    violations = found.len(),
                    "message refused: no valid order"
                );
                false
            }
            Err(NotAccepted::NotStored(error @ StoreError::Defect(_))) => {
                error!(message_id, %error, "message not taken");
                false
            }
            Err(NotAccepted::NotStored(error)) => {
                warn!(message_id, %error, "message not taken yet");
                false
            }
        }
    }
}
