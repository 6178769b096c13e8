//! Several writes that happen together or not at all.

use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{CancellationReason, TransactWriteItem};
use domain::ports::StoreError;

use crate::Store;
use crate::error::classify;

/// The reason of a write that met another one.
const COLLISION: &str = "TransactionConflict";
/// Pauses before a transaction that collided is tried again.
const COLLISION_PAUSES_MS: [u64; 2] = [30, 90];

/// Runs a transaction. `Err` holds why each of its writes was refused. One that collides with
/// another on a much-wanted item is tried again shortly after.
///
/// # Errors
/// If the database does not answer, or other writes keep colliding with these.
pub async fn transact(
    client: &Client,
    writes: Vec<TransactWriteItem>,
) -> Result<Result<(), Vec<CancellationReason>>, StoreError> {
    let mut pauses_ms = COLLISION_PAUSES_MS.into_iter();
    loop {
        let Err(reasons) = transact_once(client, writes.clone()).await? else {
            return Ok(Ok(()));
        };
        let codes = || reasons.iter().filter_map(CancellationReason::code);
        if codes().any(|code| code == COLLISION) {
            // What else the reasons say may be due to what it collided with.
            let Some(pause_ms) = pauses_ms.next() else {
                let text = "other writes keep colliding with this one".to_owned();
                return Err(StoreError::Unavailable(text));
            };
            tokio::time::sleep(Duration::from_millis(pause_ms)).await;
        } else if reasons.iter().any(condition_failed) {
            return Ok(Err(reasons));
        } else {
            let code = codes().find(|code| *code != "None").unwrap_or("no reason");
            let text = format!("TransactWriteItems was cancelled: {code}");
            return Err(match code {
                "ValidationError" => StoreError::Defect(text),
                _ => StoreError::Unavailable(text),
            });
        }
    }
}

async fn transact_once(
    client: &Client,
    writes: Vec<TransactWriteItem>,
) -> Result<Result<(), Vec<CancellationReason>>, StoreError> {
    let request = client
        .transact_write_items()
        .set_transact_items(Some(writes));
    let Err(error) = request.send().await else {
        return Ok(Ok(()));
    };
    match error.as_service_error() {
        Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) => {
            Ok(Err(cancelled.cancellation_reasons().to_vec()))
        }
        _ => Err(classify("TransactWriteItems", &error)),
    }
}

/// A condition of this write did not hold.
#[must_use]
pub fn condition_failed(reason: &CancellationReason) -> bool {
    reason.code() == Some("ConditionalCheckFailed")
}

impl Store {
    pub(crate) async fn transact(
        &self,
        writes: Vec<TransactWriteItem>,
    ) -> Result<Result<(), Vec<CancellationReason>>, StoreError> {
        transact(&self.client, writes).await
    }
}
