#![doc = include_str!("../README.md")]

mod bulks;
mod movements;
mod notices;
mod orphans;
mod projections;
mod references;
mod snapshots;
mod trends;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::ProvideErrorMetadata;
use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes};
use domain::Timestamp;
use domain::ports::StoreError;
pub use movements::Behind;
pub use notices::{Notice, Target};
pub use projections::{Blank, Ended, Open, OpenPart, Row, projection_item};
pub use references::{Found, Reference, Referred};
use store::announcement::PARTITION;
use store::error::{classify, unreadable};
use store::item::{Item, number, text};

/// So many orders are one page of any list.
pub const PAGE: usize = 50;

/// How often what a batch has left over is tried again.
const TRIES: usize = 5;

/// The read models in DynamoDB.
#[derive(Debug, Clone)]
pub struct ReadModels {
    client: Client,
    table: String,
}

impl ReadModels {
    /// The read models in this table.
    #[must_use]
    pub fn new(config: &aws_config::SdkConfig, table: impl Into<String>) -> Self {
        Self {
            client: store::client(config),
            table: table.into(),
        }
    }

    /// One row, as it is now. Query rather than `GetItem`: one right fewer.
    async fn row(&self, partition: &str, sort: &str) -> Result<Option<Item>, StoreError> {
        let found = self
            .client
            .query()
            .table_name(&self.table)
            .consistent_read(true)
            .key_condition_expression("pk = :partition AND sk = :sort")
            .expression_attribute_values(":partition", text(partition))
            .expression_attribute_values(":sort", text(sort))
            .send()
            .await
            .map_err(|error| classify("Query", &error))?;
        Ok(found.items.unwrap_or_default().into_iter().next())
    }

    /// All rows of a partition, as they are now.
    async fn rows(&self, partition: &str) -> Result<Vec<Item>, StoreError> {
        self.client
            .query()
            .table_name(&self.table)
            .consistent_read(true)
            .key_condition_expression("pk = :partition")
            .expression_attribute_values(":partition", text(partition))
            .into_paginator()
            .items()
            .send()
            .collect::<Result<Vec<_>, _>>()
            .await
            .map_err(|error| classify("Query", &error))
    }

    /// The rows with these keys, in any order; at most a hundred. Those that there are none of are left out.
    async fn batch(&self, mut keys: Vec<Item>) -> Result<Vec<Item>, StoreError> {
        let mut rows = Vec::new();
        for _ in 0..TRIES {
            if keys.is_empty() {
                break;
            }
            let wanted = KeysAndAttributes::builder().set_keys(Some(keys)).build();
            let wanted = wanted.map_err(|_| unreadable("a list of keys"))?;
            let answer = self
                .client
                .batch_get_item()
                .request_items(&self.table, wanted)
                .send()
                .await
                .map_err(|error| classify("BatchGetItem", &error))?;
            rows.extend(answer.responses.unwrap_or_default().into_values().flatten());
            let left = answer.unprocessed_keys.unwrap_or_default();
            keys = left.into_values().flat_map(|left| left.keys).collect();
        }
        if keys.is_empty() {
            return Ok(rows);
        }
        let text = "BatchGetItem leaves keys over".to_owned();
        Err(StoreError::Unavailable(text))
    }

    async fn put(&self, item: Item) -> Result<(), StoreError> {
        self.client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item))
            .send()
            .await
            .map(drop)
            .map_err(|error| classify("PutItem", &error))
    }

    /// Replaces a row by the one that follows it: its revision is one more. `false` if somebody else did.
    async fn put_following(&self, item: Item, revision: u64) -> Result<bool, StoreError> {
        let put = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item))
            .condition_expression(FOLLOWS)
            .expression_attribute_names("#revision", "revision")
            .expression_attribute_values(":previous", number(revision.saturating_sub(1)))
            .send()
            .await;
        match put {
            Ok(_) => Ok(true),
            Err(error) if condition_failed(&error) => Ok(false),
            Err(error) => Err(classify("PutItem", &error)),
        }
    }
}

/// A row follows the one of the revision before it, or none.
const FOLLOWS: &str = "attribute_not_exists(#revision) OR #revision = :previous";

fn condition_failed(error: &impl ProvideErrorMetadata) -> bool {
    error.code() == Some("ConditionalCheckFailedException")
}

fn expires(at: Timestamp, kept_s: i64) -> AttributeValue {
    number(at.as_second() + kept_s)
}

fn partition(item: &Item) -> &str {
    let partition = item
        .get(PARTITION)
        .and_then(|partition| partition.as_s().ok());
    partition.map_or("", String::as_str)
}

fn moment(item: &Item, name: &str) -> Option<Timestamp> {
    let at = item.get(name)?.as_n().ok()?.parse().ok()?;
    Timestamp::from_millisecond(at).ok()
}
