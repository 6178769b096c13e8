//! Announces orders to whoever reconciles them.
//!
//! A new order and a new attempt are announced by a row in the table of the read models, in the same
//! transaction that stores them: an outbox, so that none is missing there, whatever becomes of the events
//! about it. What more that row holds is for its readers to say (`read-models`); this is the part that both
//! sides agree on.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use aws_sdk_dynamodb::types::Put;
use domain::ports::StoreError;
use domain::{OrderId, OrderState};

use crate::error::unreadable;
use crate::item::{Item, millisecond, number, text};

/// The partition key of the read models' table. Its value begins with what the partition holds.
pub const PARTITION: &str = "pk";
/// The sort key of the read models' table.
pub const SORT: &str = "sk";

/// Partitions of the index of open orders: each takes 1,000 writes a second.
pub const SHARDS: u64 = 8;

/// An order of which no event reported anything for so long is reconciled.
const DUE_AFTER: Duration = Duration::from_secs(20);

/// A key of the read models' table.
#[must_use]
pub fn row_key(partition: impl Into<String>, sort: impl Into<String>) -> Item {
    HashMap::from([
        (PARTITION.to_owned(), text(partition)),
        (SORT.to_owned(), text(sort)),
    ])
}

/// Where an order's row is in the read models' table.
#[must_use]
pub fn order_key(order_id: &OrderId) -> Item {
    row_key(format!("order#{order_id}"), "projection")
}

/// The part of the index of open orders that an order is in.
#[must_use]
pub fn shard(order_id: &OrderId) -> String {
    let mut hasher = DefaultHasher::new();
    order_id.as_str().hash(&mut hasher);
    (hasher.finish() % SHARDS).to_string()
}

/// The row of an order that was just accepted: nothing but that it is to be reconciled. Its transaction
/// is conditional on the order's being new; a row that a restored table may have is replaced.
pub(crate) fn announcement(table: &str, state: &OrderState) -> Result<Put, StoreError> {
    let mut row = order_key(&state.order_id);
    row.insert("order_id".to_owned(), text(state.order_id.as_str()));
    row.insert("open_shard".to_owned(), text(shard(&state.order_id)));
    row.insert(
        "due_at".to_owned(),
        millisecond(state.received_at + DUE_AFTER),
    );
    row.insert("revision".to_owned(), number(1));
    Put::builder()
        .table_name(table)
        .set_item(Some(row))
        .build()
        .map_err(|_| unreadable("an announcement"))
}
