//! What operators know of single orders, and the indexes that orders are listed by.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::{Put, TransactWriteItem};
use domain::ports::StoreError;
use domain::{OrderId, Status, Timestamp};
use operations::Projection;
use store::announcement::{PARTITION, SHARDS, order_key, shard};
use store::error::{classify, unreadable};
use store::item::{Item, millisecond, number, text, with_key};
use tracing::warn;

use crate::{FOLLOWS, ReadModels, condition_failed, moment, partition};

/// An order's row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Row {
    /// What operators know of it.
    Projection(Box<Projection>),
    /// Nothing that this version can read.
    Blank(Blank),
}

/// A row that says no more than that there is an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blank {
    /// Which order.
    pub order_id: OrderId,
    /// What the next projection has to follow.
    pub revision: u64,
    /// When the order is to be reconciled; at once, if that cannot be read.
    pub due_at: Timestamp,
    /// Whether it is so because another version wrote it, and not because nobody has reconciled it yet.
    pub is_unreadable: bool,
}

impl Row {
    /// `None` if not even the order's id can be read.
    fn read(item: Item) -> Option<Self> {
        let order_id: Option<OrderId> = partition(&item)
            .strip_prefix("order#")
            .and_then(|id| id.parse().ok());
        let Some(order_id) = order_id else {
            warn!(
                partition = partition(&item),
                "failed to read a row of the read models"
            );
            return None;
        };
        let revision = item.get("revision").and_then(|number| number.as_n().ok());
        let revision = revision.and_then(|number| number.parse().ok());
        let mut blank = Blank {
            order_id,
            revision: revision.unwrap_or(0),
            due_at: moment(&item, "due_at").unwrap_or(Timestamp::UNIX_EPOCH),
            is_unreadable: false,
        };
        if !item.contains_key("status") {
            return Some(Self::Blank(blank));
        }
        if let Ok(projection) = serde_dynamo::from_item::<_, Projection>(item) {
            return Some(Self::Projection(Box::new(projection)));
        }
        let order_id = blank.order_id.as_str();
        warn!(
            order_id,
            "failed to read a projection: another version wrote it"
        );
        blank.is_unreadable = true;
        Some(Self::Blank(blank))
    }

    /// The projection, if it is one.
    #[must_use]
    pub fn projection(self) -> Option<Projection> {
        match self {
            Self::Projection(projection) => Some(*projection),
            Self::Blank(_) => None,
        }
    }
}

/// The open orders.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Open {
    /// Those of which operators know something.
    pub projections: Vec<Projection>,
    /// Those that were only announced, and those whose projection cannot be read.
    pub blanks: Vec<Blank>,
    /// Those that are over, and due nevertheless.
    pub looked_at_again: Vec<Projection>,
}

/// A part of the open orders that is still to be read.
#[derive(Debug, Clone, PartialEq)]
pub struct OpenPart {
    shard: u64,
    after: Option<Item>,
}

impl OpenPart {
    /// The parts that are all of them together.
    #[must_use]
    pub fn all() -> Vec<Self> {
        (0..SHARDS)
            .map(|shard| Self { shard, after: None })
            .collect()
    }
}

/// Which orders that are over to read, and in which order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    /// How they ended.
    pub status: Status,
    /// Not before this.
    pub from: Timestamp,
    /// Not after this.
    pub to: Timestamp,
    /// The first that ended first, not the last.
    pub oldest_first: bool,
}

impl Ended {
    /// All that ended like this, the latest first.
    #[must_use]
    pub fn as_status(status: Status) -> Self {
        Self {
            status,
            from: Timestamp::UNIX_EPOCH,
            to: Timestamp::MAX,
            oldest_first: false,
        }
    }

    /// Where a page of them ends with this order.
    #[must_use]
    pub fn place(projection: &Projection) -> String {
        let ended_at = projection.since.as_millisecond();
        format!("{ended_at}.{}", projection.order_id)
    }
}

/// The item of a projection: in the index of open orders while it has a time at which it is reconciled again,
/// and once it is over in the index of closed ones. One that is over is in both while it is looked at again.
///
/// # Errors
/// If it cannot be stored.
pub fn projection_item(projection: &Projection) -> Result<Item, StoreError> {
    let mut item = with_key(projection, order_key(&projection.order_id))?;
    if projection.is_over() {
        let status = text(projection.status.as_str());
        item.insert("closed_as".to_owned(), status);
        item.insert("ended_at".to_owned(), millisecond(projection.since));
    }
    if projection.due_at.is_some() {
        let shard = text(shard(&projection.order_id));
        item.insert("open_shard".to_owned(), shard);
    }
    Ok(item)
}

impl ReadModels {
    /// What is known of an order, as it is now. `None` if it has no row.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn order(&self, order_id: &OrderId) -> Result<Option<Row>, StoreError> {
        let row = self.row(&format!("order#{order_id}"), "projection").await?;
        Ok(row.and_then(Row::read))
    }

    /// All open orders: a request for each part of the index and each megabyte. What the index shows is a
    /// moment old.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn open_orders(&self) -> Result<Open, StoreError> {
        let mut open = Open::default();
        let mut parts = OpenPart::all();
        while let Some(part) = parts.pop() {
            let (page, rest) = self.open_part(part, None).await?;
            open.projections.extend(page.projections);
            open.blanks.extend(page.blanks);
            open.looked_at_again.extend(page.looked_at_again);
            parts.extend(rest);
        }
        Ok(open)
    }

    /// At most `limit` open orders, and a megabyte of them, with one request; and what is left of that part of
    /// them.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn open_part(
        &self,
        part: OpenPart,
        limit: Option<usize>,
    ) -> Result<(Open, Option<OpenPart>), StoreError> {
        let shard = part.shard;
        let found = self
            .client
            .query()
            .table_name(&self.table)
            .index_name("open")
            .key_condition_expression("open_shard = :shard")
            .expression_attribute_values(":shard", text(shard.to_string()))
            .set_limit(limit.map(|limit| i32::try_from(limit).unwrap_or(i32::MAX)))
            .set_exclusive_start_key(part.after)
            .send()
            .await
            .map_err(|error| classify("Query", &error))?;
        let mut open = Open::default();
        for item in found.items.unwrap_or_default() {
            match Row::read(item) {
                Some(Row::Projection(over)) if over.is_over() => open.looked_at_again.push(*over),
                Some(Row::Projection(projection)) => open.projections.push(*projection),
                Some(Row::Blank(blank)) => open.blanks.push(blank),
                None => {}
            }
        }
        let after = found.last_evaluated_key;
        let rest = after.map(|after| OpenPart {
            shard,
            after: Some(after),
        });
        Ok((open, rest))
    }

    /// Replaces an order's projection by the one that follows it. `false` if somebody else did.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn put_projection(&self, next: &Projection) -> Result<bool, StoreError> {
        let item = projection_item(next)?;
        self.put_following(item, next.revision).await
    }

    /// Replaces an order's projection by the one that follows it, in a transaction with something else, which
    /// fails if somebody else did.
    ///
    /// # Errors
    /// If it cannot be stored.
    pub fn put_with(&self, projection: &Projection) -> Result<TransactWriteItem, StoreError> {
        let put = Put::builder()
            .table_name(&self.table)
            .set_item(Some(projection_item(projection)?))
            .condition_expression(FOLLOWS)
            .expression_attribute_names("#revision", "revision")
            .expression_attribute_values(":previous", number(projection.revision.saturating_sub(1)))
            .build()
            .map_err(|_| unreadable("a projection"))?;
        Ok(TransactWriteItem::builder().put(put).build())
    }

    /// Has an order that could not be reconciled wait for its next turn, so that others come first.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn postpone(&self, order_id: &OrderId, until: Timestamp) -> Result<(), StoreError> {
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(order_key(order_id)))
            .update_expression("SET due_at = :until")
            // Not one that is over by now, nor one that somebody else has reconciled.
            .condition_expression("attribute_exists(open_shard) AND due_at < :until")
            .expression_attribute_values(":until", millisecond(until))
            .send()
            .await;
        match update {
            Ok(_) => Ok(()),
            Err(error) if condition_failed(&error) => Ok(()),
            Err(error) => Err(classify("UpdateItem", &error)),
        }
    }

    /// A page of the orders that ended with a status, the latest first. `after` is where the last page ended.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn closed_orders(
        &self,
        status: Status,
        after: Option<&str>,
        limit: usize,
    ) -> Result<(Vec<Projection>, Option<String>), StoreError> {
        let ended = Ended::as_status(status);
        self.ended_orders(&ended, after, limit).await
    }

    /// A page of the orders that are over, with one request. `after` is where the last page ended.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn ended_orders(
        &self,
        ended: &Ended,
        after: Option<&str>,
        limit: usize,
    ) -> Result<(Vec<Projection>, Option<String>), StoreError> {
        let status = ended.status.as_str();
        // It comes back from whoever was given it: what is no place to go on at is the beginning.
        let start = after.and_then(|after| after.split_once('.'));
        let start = start.and_then(|(ended_at, order_id)| {
            let order_id: OrderId = order_id.parse().ok()?;
            Some((ended_at.parse::<i64>().ok()?, order_id))
        });
        let (from, to) = (ended.from.as_millisecond(), ended.to.as_millisecond());
        if let Some((at, _)) = &start
            && !(from..=to).contains(at)
        {
            // The database refuses to begin where nothing can be: the span has moved on since.
            let is_past = (*at > to) == ended.oldest_first;
            if is_past {
                return Ok((Vec::new(), None));
            }
        }
        let start = start.filter(|(at, _)| (from..=to).contains(at));
        let start = start.map(|(at, order_id)| {
            let mut key = order_key(&order_id);
            key.insert("closed_as".to_owned(), text(status));
            key.insert("ended_at".to_owned(), number(at));
            key
        });
        let found = self
            .client
            .query()
            .table_name(&self.table)
            .index_name("closed")
            .key_condition_expression("closed_as = :status AND ended_at BETWEEN :from AND :to")
            .expression_attribute_values(":status", text(status))
            .expression_attribute_values(":from", number(from))
            .expression_attribute_values(":to", number(to))
            .scan_index_forward(ended.oldest_first)
            .limit(i32::try_from(limit).unwrap_or(i32::MAX))
            .set_exclusive_start_key(start)
            .send()
            .await
            .map_err(|error| classify("Query", &error))?;
        let next = found.last_evaluated_key.and_then(|key| {
            let ended_at = key.get("ended_at")?.as_n().ok()?;
            let order_id = key.get(PARTITION)?.as_s().ok()?.strip_prefix("order#")?;
            Some(format!("{ended_at}.{order_id}"))
        });
        let rows = found.items.unwrap_or_default().into_iter();
        let projections = rows.filter_map(|item| Row::read(item)?.projection());
        Ok((projections.collect(), next))
    }

    /// The orders that ended with a status since then, the latest first, at most `limit`; and whether there are
    /// more.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn closed_since(
        &self,
        status: Status,
        since: Timestamp,
        limit: usize,
    ) -> Result<(Vec<Projection>, bool), StoreError> {
        let mut closed = Vec::new();
        let mut after = None;
        loop {
            let left = limit - closed.len();
            let (page, next) = self.closed_orders(status, after.as_deref(), left).await?;
            let past = page.iter().any(|projection| projection.since < since);
            closed.extend(
                page.into_iter()
                    .filter(|projection| projection.since >= since),
            );
            if closed.len() >= limit {
                return Ok((closed, next.is_some()));
            }
            if past || next.is_none() {
                return Ok((closed, false));
            }
            after = next;
        }
    }

    /// The projections of these orders, in their order; at most a hundred. Those that there are none of, or
    /// none that can be read, are left out.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn projections(&self, orders: &[OrderId]) -> Result<Vec<Projection>, StoreError> {
        let rows = self.batch(orders.iter().map(order_key).collect()).await?;
        let projections = rows
            .into_iter()
            .filter_map(|row| Row::read(row)?.projection());
        let mut found: HashMap<OrderId, Projection> = projections
            .map(|projection| (projection.order_id.clone(), projection))
            .collect();
        Ok(orders
            .iter()
            .filter_map(|order| found.remove(order))
            .collect())
    }
}
