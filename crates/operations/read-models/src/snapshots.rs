//! Snapshots of all orders, and the lists behind their numbers.

use aws_sdk_dynamodb::types::{PutRequest, WriteRequest};
use domain::ports::StoreError;
use domain::{OrderId, Timestamp};
use operations::snapshot::{List, Lists, Snapshot};
use store::announcement::row_key;
use store::error::{classify, unreadable};
use store::item::{millisecond, number, text};
use tracing::warn;

use crate::{PAGE, ReadModels, TRIES, condition_failed, expires};

/// DynamoDB writes so many items in one request.
/// <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchWriteItem.html>
const WRITES: usize = 25;

const SNAPSHOT: &str = "snapshot";
const LATEST: &str = "latest";
const REQUESTED: &str = "requested";

/// Lists are kept for so long after the last snapshot that has them.
const KEPT_S: i64 = 2 * 3600;

impl ReadModels {
    /// Keeps a snapshot with its lists. The lists first: whoever reads the snapshot finds them.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn put_snapshot(&self, snapshot: &Snapshot, lists: &Lists) -> Result<(), StoreError> {
        // The same lists are there already.
        if self
            .snapshot()
            .await?
            .is_none_or(|last| last.id != snapshot.id)
        {
            self.put_lists(snapshot, lists).await?;
        }
        let content =
            serde_dynamo::to_attribute_value(snapshot).map_err(|_| unreadable("a snapshot"))?;
        let mut item = row_key(SNAPSHOT, LATEST);
        item.insert("snapshot".to_owned(), content);
        let put = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item))
            .condition_expression("attribute_not_exists(pk) OR #snapshot.#at <= :at")
            .expression_attribute_names("#snapshot", "snapshot")
            .expression_attribute_names("#at", "at")
            .expression_attribute_values(":at", number(snapshot.at.as_millisecond()))
            .send()
            .await;
        match put {
            // Whoever began later has seen more.
            Err(error) if condition_failed(&error) => Ok(()),
            put => put.map(drop).map_err(|error| classify("PutItem", &error)),
        }
    }

    async fn put_lists(&self, snapshot: &Snapshot, lists: &Lists) -> Result<(), StoreError> {
        let partition = format!("{SNAPSHOT}#{}", snapshot.id);
        let mut writes = Vec::new();
        for (list, orders) in lists {
            for (page, ids) in orders.chunks(PAGE).enumerate() {
                let mut item = row_key(&partition, page_name(list, page));
                let ids: Vec<&str> = ids.iter().map(OrderId::as_str).collect();
                item.insert("orders".to_owned(), text(ids.join(" ")));
                item.insert("expires_at".to_owned(), expires(snapshot.at, KEPT_S));
                let put = PutRequest::builder().set_item(Some(item)).build();
                let put = put.map_err(|_| unreadable("a list"))?;
                writes.push(WriteRequest::builder().put_request(put).build());
            }
        }
        for batch in writes.chunks(WRITES) {
            let mut batch = batch.to_vec();
            for _ in 0..TRIES {
                let answer = self
                    .client
                    .batch_write_item()
                    .request_items(&self.table, batch)
                    .send()
                    .await
                    .map_err(|error| classify("BatchWriteItem", &error))?;
                let left = answer.unprocessed_items.unwrap_or_default();
                batch = left.into_values().flatten().collect();
                if batch.is_empty() {
                    break;
                }
            }
            if !batch.is_empty() {
                let text = "BatchWriteItem leaves items over".to_owned();
                return Err(StoreError::Unavailable(text));
            }
        }
        Ok(())
    }

    /// The latest snapshot. `None` before the first one that this version can read.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn snapshot(&self) -> Result<Option<Snapshot>, StoreError> {
        let row = self.row(SNAPSHOT, LATEST).await?;
        let Some(content) = row.and_then(|mut row| row.remove("snapshot")) else {
            return Ok(None);
        };
        let snapshot = serde_dynamo::from_attribute_value(content);
        if snapshot.is_err() {
            warn!("failed to read the latest snapshot: another version wrote it");
        }
        Ok(snapshot.ok())
    }

    /// A page of a list of a snapshot, counted from 0. `None` if it is not kept any more, or never was.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn listed(
        &self,
        snapshot_id: &str,
        list: &List,
        page: usize,
    ) -> Result<Option<Vec<OrderId>>, StoreError> {
        let partition = format!("{SNAPSHOT}#{snapshot_id}");
        let item = self.row(&partition, &page_name(list, page)).await?;
        let Some(item) = item else {
            return Ok(None);
        };
        let ids = item.get("orders").and_then(|ids| ids.as_s().ok());
        let ids = ids.ok_or_else(|| unreadable("a list"))?;
        Ok(Some(
            ids.split(' ').filter_map(|id| id.parse().ok()).collect(),
        ))
    }

    /// Whether this caller is the one that asks for a new snapshot now: once in so many seconds somebody is.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn claim_snapshot(&self, now: Timestamp, every_s: i64) -> Result<bool, StoreError> {
        let claimed = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(row_key(SNAPSHOT, REQUESTED)))
            .update_expression("SET requested_at = :now")
            .condition_expression("attribute_not_exists(requested_at) OR requested_at < :before")
            .expression_attribute_values(":now", millisecond(now))
            .expression_attribute_values(":before", number(now.as_millisecond() - every_s * 1000))
            .send()
            .await;
        match claimed {
            Ok(_) => Ok(true),
            Err(error) if condition_failed(&error) => Ok(false),
            Err(error) => Err(classify("UpdateItem", &error)),
        }
    }
}

fn page_name(list: &List, page: usize) -> String {
    format!("{list}#{page:05}")
}
