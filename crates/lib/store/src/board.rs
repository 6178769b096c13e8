//! What the operators' page reads: the monitor's boards and their lists, orders that are over, what orders are found
//! by, and the counters of the last hours. One request reads one page of anything.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_dynamodb::error::ProvideErrorMetadata;
use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes, PutRequest, WriteRequest};
use domain::board::{Board, Lists};
use domain::ports::StoreError;
use domain::trend::{self, Counted, Counter};
use domain::watch::Watch;
use domain::{OrderId, Status, Timestamp};

use crate::Store;
use crate::error::{classify, unreadable};
use crate::item::{self, Item, WATCH, millisecond, number, text};

/// So many orders are one page of any list.
pub const PAGE: usize = 50;

/// DynamoDB writes so many items in one request.
/// <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchWriteItem.html>
const WRITES: usize = 25;
/// How often what a batch has left over is tried again.
const TRIES: usize = 5;

// No order id begins with a hyphen.
const BOARD: &str = "-board";
const NOW: &str = "now";
const ASKED: &str = "asked";
const TREND: &str = "-trend";

/// Lists are kept for so long after the last board that has them.
const KEPT_S: i64 = 2 * 3600;
/// Counters are kept for so long.
const COUNTED_S: i64 = 32 * 24 * 3600;

/// What an order is found by besides its id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reference {
    /// The shop's name for its customer.
    Customer,
    /// The payment provider's reference.
    Payment,
    /// The carrier's tracking number.
    Tracking,
}

impl Reference {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Customer, Self::Payment, Self::Tracking];

    fn partition(self, value: &str) -> String {
        let kind = match self {
            Self::Customer => "customer",
            Self::Payment => "payment",
            Self::Tracking => "tracking",
        };
        format!("-{kind}#{value}")
    }
}

fn internal_key(partition: &str, name: impl Into<String>) -> Item {
    HashMap::from([
        ("order_id".to_owned(), text(partition)),
        ("item".to_owned(), text(name)),
    ])
}

fn expires(at: Timestamp, kept_s: i64) -> AttributeValue {
    number(at.as_second() + kept_s)
}

impl Store {
    /// A page of the orders that ended with a status, the latest first. `after` is where the last page ended.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn closed_orders(
        &self,
        status: Status,
        after: Option<&str>,
        limit: usize,
    ) -> Result<(Vec<Watch>, Option<String>), StoreError> {
        // It comes back from whoever was given it: what is no place to go on at is the beginning.
        let start = after.and_then(|after| after.split_once('.'));
        let start = start.filter(|(ended_at, order_id)| {
            ended_at.parse::<i64>().is_ok() && order_id.parse::<OrderId>().is_ok()
        });
        let start = start.map(|(ended_at, order_id)| {
            let mut key = internal_key(order_id, WATCH);
            key.insert("closed_as".to_owned(), text(status.as_str()));
            key.insert(
                "ended_at".to_owned(),
                AttributeValue::N(ended_at.to_owned()),
            );
            key
        });
        let found = self
            .client
            .query()
            .table_name(&self.orders_table)
            .index_name("closed")
            .key_condition_expression("closed_as = :status")
            .expression_attribute_values(":status", text(status.as_str()))
            .scan_index_forward(false)
            .limit(i32::try_from(limit).unwrap_or(i32::MAX))
            .set_exclusive_start_key(start)
            .send()
            .await
            .map_err(|error| classify("Query", &error))?;
        let next = found.last_evaluated_key.and_then(|key| {
            let ended_at = key.get("ended_at")?.as_n().ok()?;
            let order_id = key.get("order_id")?.as_s().ok()?;
            Some(format!("{ended_at}.{order_id}"))
        });
        let watches = found.items.unwrap_or_default().into_iter();
        Ok((watches.map(item::watch).collect::<Result<_, _>>()?, next))
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
    ) -> Result<(Vec<Watch>, bool), StoreError> {
        let mut closed = Vec::new();
        let mut after = None;
        loop {
            let left = limit - closed.len();
            let (page, next) = self.closed_orders(status, after.as_deref(), left).await?;
            let read = page.len();
            closed.extend(page.into_iter().filter(|watch| watch.since >= since));
            let older = closed.len() < limit && next.is_none();
            let past = read > 0 && closed.last().is_none_or(|last| last.since < since);
            if closed.len() >= limit {
                return Ok((closed, next.is_some()));
            }
            if older || past || read == 0 {
                return Ok((closed, false));
            }
            after = next;
        }
    }

    /// Has an order found by a reference. Doing it again changes nothing.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn remember(
        &self,
        reference: Reference,
        value: &str,
        watch: &Watch,
    ) -> Result<(), StoreError> {
        // The latest first, when read backwards.
        let at = watch.received_at.as_millisecond();
        let name = format!("{at:015}#{}", watch.order_id);
        let mut item = internal_key(&reference.partition(value), name);
        item.insert("of".to_owned(), text(watch.order_id.as_str()));
        self.put(item).await
    }

    pub(crate) async fn put(&self, item: Item) -> Result<(), StoreError> {
        self.client
            .put_item()
            .table_name(&self.orders_table)
            .set_item(Some(item))
            .send()
            .await
            .map(drop)
            .map_err(|error| classify("PutItem", &error))
    }

    /// The latest orders with this reference, at most a page.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn find(
        &self,
        reference: Reference,
        value: &str,
    ) -> Result<Vec<OrderId>, StoreError> {
        let found = self
            .client
            .query()
            .table_name(&self.orders_table)
            .key_condition_expression("order_id = :reference")
            .expression_attribute_values(":reference", text(reference.partition(value)))
            .scan_index_forward(false)
            .limit(i32::try_from(PAGE).unwrap_or(i32::MAX))
            .send()
            .await
            .map_err(|error| classify("Query", &error))?;
        let orders = found.items().iter().filter_map(|item| {
            let order_id = item.get("of")?.as_s().ok()?;
            order_id.parse().ok()
        });
        Ok(orders.collect())
    }

    /// The monitor's records of these orders, in their order; at most a hundred. Those that there are none of
    /// are left out.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn watches(&self, orders: &[OrderId]) -> Result<Vec<Watch>, StoreError> {
        let mut keys: Vec<Item> = orders.iter().map(|order| item::key(order, WATCH)).collect();
        let mut found = HashMap::new();
        for _ in 0..TRIES {
            if keys.is_empty() {
                break;
            }
            let wanted = KeysAndAttributes::builder().set_keys(Some(keys)).build();
            let wanted = wanted.map_err(|_| unreadable("a page of orders"))?;
            let answer = self
                .client
                .batch_get_item()
                .request_items(&self.orders_table, wanted)
                .send()
                .await
                .map_err(|error| classify("BatchGetItem", &error))?;
            let items = answer.responses.unwrap_or_default().into_values().flatten();
            for item in items {
                let watch = item::watch(item)?;
                found.insert(watch.order_id.clone(), watch);
            }
            let left = answer.unprocessed_keys.unwrap_or_default();
            keys = left.into_values().flat_map(|left| left.keys).collect();
        }
        if !keys.is_empty() {
            let text = "BatchGetItem leaves keys over".to_owned();
            return Err(StoreError::Unavailable(text));
        }
        Ok(orders
            .iter()
            .filter_map(|order| found.remove(order))
            .collect())
    }

    /// Keeps a board with its lists. The lists first: whoever reads the board finds them.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn put_board(&self, board: &Board, lists: &Lists) -> Result<(), StoreError> {
        // The same lists are there already.
        if self.board().await?.is_none_or(|last| last.id != board.id) {
            self.put_lists(board, lists).await?;
        }
        let content = serde_dynamo::to_attribute_value(board).map_err(|_| unreadable("a board"))?;
        let mut item = internal_key(BOARD, NOW);
        item.insert("board".to_owned(), content);
        self.put(item).await
    }

    async fn put_lists(&self, board: &Board, lists: &Lists) -> Result<(), StoreError> {
        let partition = format!("{BOARD}#{}", board.id);
        let mut writes = Vec::new();
        for (name, orders) in lists {
            for (page, ids) in orders.chunks(PAGE).enumerate() {
                let mut item = internal_key(&partition, page_name(name, page));
                let ids: Vec<&str> = ids.iter().map(OrderId::as_str).collect();
                item.insert("orders".to_owned(), text(ids.join(" ")));
                item.insert("expires_at".to_owned(), expires(board.at, KEPT_S));
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
                    .request_items(&self.orders_table, batch)
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

    /// The latest board. `None` before the first one.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn board(&self) -> Result<Option<Board>, StoreError> {
        let Some(mut item) = self.internal(BOARD, NOW).await? else {
            return Ok(None);
        };
        let content = item.remove("board").ok_or_else(|| unreadable("a board"))?;
        let board = serde_dynamo::from_attribute_value(content);
        board.map(Some).map_err(|_| unreadable("a board"))
    }

    /// One item that belongs to no order. Query rather than `GetItem`: the one reading right that every function
    /// has.
    pub(crate) async fn internal(
        &self,
        partition: &str,
        name: &str,
    ) -> Result<Option<Item>, StoreError> {
        let found = self
            .client
            .query()
            .table_name(&self.orders_table)
            .consistent_read(true)
            .key_condition_expression("order_id = :partition AND #item = :name")
            .expression_attribute_names("#item", "item")
            .expression_attribute_values(":partition", text(partition))
            .expression_attribute_values(":name", text(name))
            .send()
            .await
            .map_err(|error| classify("Query", &error))?;
        Ok(found.items.unwrap_or_default().into_iter().next())
    }

    /// A page of a list of a board, counted from 0. `None` if it is not kept any more, or never was.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn listed(
        &self,
        board_id: &str,
        list: &str,
        page: usize,
    ) -> Result<Option<Vec<OrderId>>, StoreError> {
        let partition = format!("{BOARD}#{board_id}");
        let item = self.internal(&partition, &page_name(list, page)).await?;
        let Some(item) = item else {
            return Ok(None);
        };
        let ids = item.get("orders").and_then(|ids| ids.as_s().ok());
        let ids = ids.ok_or_else(|| unreadable("a list"))?;
        Ok(Some(
            ids.split(' ').filter_map(|id| id.parse().ok()).collect(),
        ))
    }

    /// Whether this caller is the one that asks for a new board now: once in so many seconds somebody is.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn claim_board(&self, now: Timestamp, every_s: i64) -> Result<bool, StoreError> {
        let claimed = self
            .client
            .update_item()
            .table_name(&self.orders_table)
            .set_key(Some(internal_key(BOARD, ASKED)))
            .update_expression("SET asked_at = :now")
            .condition_expression("attribute_not_exists(asked_at) OR asked_at < :before")
            .expression_attribute_values(":now", millisecond(now))
            .expression_attribute_values(":before", number(now.as_millisecond() - every_s * 1000))
            .send()
            .await;
        match claimed {
            Ok(_) => Ok(true),
            Err(error) if error.code() == Some("ConditionalCheckFailedException") => Ok(false),
            Err(error) => Err(classify("UpdateItem", &error)),
        }
    }

    /// Adds to the counters of the span that is now; money to those of the day as well.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn count(
        &self,
        counted: &[(Counter, u64)],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut sums: BTreeMap<String, u64> = BTreeMap::new();
        for (counter, value) in counted {
            *sums.entry(counter.name()).or_default() += value;
        }
        let money: BTreeMap<String, u64> = counted
            .iter()
            .filter(|(counter, _)| {
                matches!(
                    counter,
                    Counter::Authorized(_) | Counter::Captured(_) | Counter::GivenBack(_)
                )
            })
            .fold(BTreeMap::new(), |mut sums, (counter, value)| {
                *sums.entry(counter.name()).or_default() += value;
                sums
            });
        self.add(&span_name(trend::span_of(now)), &sums, now)
            .await?;
        self.add(&day_name(now), &money, now).await
    }

    async fn add(
        &self,
        name: &str,
        sums: &BTreeMap<String, u64>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        if sums.is_empty() {
            return Ok(());
        }
        let mut update = self
            .client
            .update_item()
            .table_name(&self.orders_table)
            .set_key(Some(internal_key(TREND, name)))
            .expression_attribute_values(":expires", expires(now, COUNTED_S));
        let mut parts = Vec::with_capacity(sums.len());
        for (number_of, (counter, value)) in sums.iter().enumerate() {
            parts.push(format!("#c{number_of} :c{number_of}"));
            update = update
                .expression_attribute_names(format!("#c{number_of}"), counter)
                .expression_attribute_values(format!(":c{number_of}"), number(*value));
        }
        let expression = format!("SET expires_at = :expires ADD {}", parts.join(", "));
        update
            .update_expression(expression)
            .send()
            .await
            .map(drop)
            .map_err(|error| classify("UpdateItem", &error))
    }

    /// The counters of the spans that began since then, the oldest first.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn counted_since(&self, since: Timestamp) -> Result<Vec<Counted>, StoreError> {
        let found = self
            .client
            .query()
            .table_name(&self.orders_table)
            .key_condition_expression("order_id = :trend AND #item BETWEEN :since AND :end")
            .expression_attribute_names("#item", "item")
            .expression_attribute_values(":trend", text(TREND))
            .expression_attribute_values(":since", text(span_name(trend::span_of(since))))
            .expression_attribute_values(":end", text("span#~"))
            .send()
            .await
            .map_err(|error| classify("Query", &error))?;
        Ok(found.items().iter().filter_map(counted).collect())
    }

    /// The money of the day of `now`, in UTC.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn counted_today(&self, now: Timestamp) -> Result<Counted, StoreError> {
        let item = self.internal(TREND, &day_name(now)).await?;
        Ok(item.as_ref().and_then(counted).unwrap_or_default())
    }
}

fn page_name(list: &str, page: usize) -> String {
    format!("{list}#{page:05}")
}

fn span_name(from: Timestamp) -> String {
    format!("span#{:012}", from.as_second())
}

fn day_name(at: Timestamp) -> String {
    format!("day#{:012}", trend::day_of(at).as_second())
}

fn counted(item: &Item) -> Option<Counted> {
    let (_, from) = item.get("item")?.as_s().ok()?.split_once('#')?;
    let from = Timestamp::from_second(from.parse().ok()?).ok()?;
    let values = item.iter().filter_map(|(name, value)| {
        let value = value.as_n().ok()?.parse().ok()?;
        (name != "expires_at").then(|| (name.clone(), value))
    });
    Some(Counted {
        from,
        values: values.collect(),
    })
}
