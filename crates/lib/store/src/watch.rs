//! The monitor's records, and what it finds open orders by.

use std::collections::HashMap;

use aws_sdk_dynamodb::error::ProvideErrorMetadata;
use aws_sdk_dynamodb::types::{
    AttributeValue, Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem,
};
use domain::ports::{OperatorEvent, Record, StoreError};
use domain::watch::Watch;
use domain::{OrderId, OrderState, Timestamp};

use crate::Store;
use crate::error::{classify, unreadable};
use crate::item::{self, Item, OPEN_SHARDS, millisecond, number, text};
use crate::orders::state_of;

/// Where the next page of open orders begins.
#[derive(Debug, Clone)]
struct Page(HashMap<String, AttributeValue>);

/// What became of beginning a new attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Begun {
    /// The order is at this attempt now.
    Yes(OrderState),
    /// It is not as it was when it was looked at; this is how it is.
    Changed(OrderState),
}

impl Store {
    /// The monitor's records of all open orders: a request for each part of the index and each megabyte.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn all_open_orders(&self) -> Result<Vec<Watch>, StoreError> {
        let mut open = Vec::new();
        for shard in 0..OPEN_SHARDS {
            let mut page = None;
            loop {
                let (watches, next) = self.open_orders(shard, page).await?;
                open.extend(watches);
                if next.is_none() {
                    break;
                }
                page = next;
            }
        }
        Ok(open)
    }

    /// A page of the open orders of one part of the index, those first that are due for a look first.
    /// What the index shows is a moment old.
    ///
    /// # Errors
    /// If the database does not answer.
    async fn open_orders(
        &self,
        shard: u64,
        after: Option<Page>,
    ) -> Result<(Vec<Watch>, Option<Page>), StoreError> {
        let found = self
            .client
            .query()
            .table_name(&self.orders_table)
            .index_name("open")
            .key_condition_expression("open_shard = :shard")
            .expression_attribute_values(":shard", text(shard.to_string()))
            .set_exclusive_start_key(after.map(|page| page.0))
            .send()
            .await
            .map_err(|error| classify("Query", &error))?;
        let next = found.last_evaluated_key.map(Page);
        let watches = found.items.unwrap_or_default().into_iter();
        Ok((watches.map(item::watch).collect::<Result<_, _>>()?, next))
    }

    /// Replaces the monitor's record of an order by the one that follows it. `false` if somebody else did.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn put_watch(&self, next: &Watch) -> Result<bool, StoreError> {
        self.put_following(item::of_watch(next)?, next.revision)
            .await
    }

    /// Replaces an item by the one that follows it: its revision is one more. `false` if somebody else did.
    pub(crate) async fn put_following(
        &self,
        item: Item,
        revision: u64,
    ) -> Result<bool, StoreError> {
        let put = self
            .client
            .put_item()
            .table_name(&self.orders_table)
            .set_item(Some(item))
            .condition_expression("attribute_not_exists(#revision) OR #revision = :previous")
            .expression_attribute_names("#revision", "revision")
            .expression_attribute_values(":previous", number(revision - 1))
            .send()
            .await;
        match put {
            Ok(_) => Ok(true),
            Err(error) if error.code() == Some("ConditionalCheckFailedException") => Ok(false),
            Err(error) => Err(classify("PutItem", &error)),
        }
    }

    /// Puts on the order's timeline what somebody does about it.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn note(&self, order_id: &OrderId, event: &OperatorEvent) -> Result<(), StoreError> {
        self.client
            .put_item()
            .table_name(&self.orders_table)
            .set_item(Some(item::of_event(order_id, event)?))
            .send()
            .await
            .map(drop)
            .map_err(|error| classify("PutItem", &error))
    }

    /// Begins a new attempt at an order that is closed, from the state that was looked at. What the last
    /// attempt has come to is kept beside it and never overwritten.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn begin_attempt(
        &self,
        record: &Record,
        event: &OperatorEvent,
    ) -> Result<Begun, StoreError> {
        let last = &record.state;
        let fresh = last.next_attempt(&record.order, event.at);
        let built = |_| unreadable("a new attempt");
        let state = Put::builder()
            .table_name(&self.orders_table)
            .set_item(Some(item::of_state(&fresh)?))
            .condition_expression("#version = :version")
            .expression_attribute_names("#version", "version")
            .expression_attribute_values(":version", number(last.version))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .build()
            .map_err(built)?;
        let archive = Put::builder()
            .table_name(&self.orders_table)
            .set_item(Some(item::of_attempt(last)?))
            .condition_expression("attribute_not_exists(order_id)")
            .build()
            .map_err(built)?;
        let noted = Put::builder()
            .table_name(&self.orders_table)
            .set_item(Some(item::of_event(&last.order_id, event)?))
            .build()
            .map_err(built)?;
        // The monitor sees it as a new order, whether or not it hears of it.
        let revision = record.watch.as_ref().map_or(1, |watch| watch.revision + 1);
        let watch = Watch {
            revision,
            ..Watch::received(&fresh)
        };
        let watch = Put::builder()
            .table_name(&self.orders_table)
            .set_item(Some(item::of_watch(&watch)?))
            .build()
            .map_err(built)?;
        let writes = vec![
            TransactWriteItem::builder().put(state).build(),
            TransactWriteItem::builder().put(archive).build(),
            TransactWriteItem::builder().put(noted).build(),
            TransactWriteItem::builder().put(watch).build(),
        ];
        match self.transact(writes).await? {
            Ok(()) => Ok(Begun::Yes(fresh)),
            Err(reasons) => match reasons.first().map(state_of).transpose()?.flatten() {
                Some(now) => Ok(Begun::Changed(now)),
                None => Err(StoreError::NotFound(last.order_id.clone())),
            },
        }
    }

    /// Notes that the message to the customer is not to be sent any more, on the state that was looked at.
    /// `false` if it has changed since.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn waive_message(
        &self,
        state: &OrderState,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let update = self
            .update_state(&state.order_id)
            .update_expression("SET waived_at = :now, #version = #version + :one")
            .condition_expression("#version = :version")
            .expression_attribute_values(":now", millisecond(now))
            .expression_attribute_values(":version", number(state.version));
        Ok(matches!(
            self.write_state(update).await?,
            crate::orders::Written::Yes(_)
        ))
    }

    /// Puts an order on the list of those that operators are to be told of because of this root cause.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn count_notice(
        &self,
        cause: &str,
        order_id: &OrderId,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let update = self
            .client
            .update_item()
            .table_name(&self.orders_table)
            .set_key(Some(notice_key(cause)))
            .update_expression(
                "SET cause = :cause, first_at = if_not_exists(first_at, :now) ADD waiting :order",
            )
            .expression_attribute_values(":cause", text(cause))
            .expression_attribute_values(":now", millisecond(now))
            .expression_attribute_values(":order", AttributeValue::Ss(vec![order_id.to_string()]))
            .send()
            .await;
        update
            .map(drop)
            .map_err(|error| classify("UpdateItem", &error))
    }

    /// The root causes of which operators are to be told, each with its orders, and when they were last
    /// told of it.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn notices(&self) -> Result<Vec<Notice>, StoreError> {
        let found = self
            .client
            .query()
            .table_name(&self.orders_table)
            .consistent_read(true)
            .key_condition_expression("order_id = :monitor AND begins_with(#item, :notice)")
            .expression_attribute_names("#item", "item")
            .expression_attribute_values(":monitor", text(MONITOR))
            .expression_attribute_values(":notice", text(NOTICE))
            .into_paginator()
            .items()
            .send()
            .collect::<Result<Vec<_>, _>>()
            .await
            .map_err(|error| classify("Query", &error))?;
        Ok(found.iter().filter_map(Notice::read).collect())
    }

    /// Claims the next message about this cause, for whoever claims first: two sweeps may overlap. `false` if
    /// somebody else did, and tells. What is claimed and not told after all is told once the pause after a
    /// message is over.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn claim_notice(&self, notice: &Notice, now: Timestamp) -> Result<bool, StoreError> {
        let update = self
            .client
            .update_item()
            .table_name(&self.orders_table)
            .set_key(Some(notice_key(&notice.cause)))
            .update_expression("SET told_at = :now")
            .expression_attribute_values(":now", millisecond(now));
        let update = match notice.told_at {
            None => update.condition_expression("attribute_not_exists(told_at)"),
            Some(at) => update
                .condition_expression("told_at = :before")
                .expression_attribute_values(":before", millisecond(at)),
        };
        match update.send().await {
            Ok(_) => Ok(true),
            Err(error) if error.code() == Some("ConditionalCheckFailedException") => Ok(false),
            Err(error) => Err(classify("UpdateItem", &error)),
        }
    }

    /// Takes back a claim under which nobody was told.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn withdraw_notice(&self, notice: &Notice) -> Result<(), StoreError> {
        let update = self
            .client
            .update_item()
            .table_name(&self.orders_table)
            .set_key(Some(notice_key(&notice.cause)));
        let update = match notice.told_at {
            None => update.update_expression("REMOVE told_at"),
            Some(at) => update
                .update_expression("SET told_at = :before")
                .expression_attribute_values(":before", millisecond(at)),
        };
        update
            .send()
            .await
            .map(drop)
            .map_err(|error| classify("UpdateItem", &error))
    }

    /// Notes that operators were told of these orders; others may have come since.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn told(&self, notice: &Notice) -> Result<(), StoreError> {
        let update = self
            .client
            .update_item()
            .table_name(&self.orders_table)
            .set_key(Some(notice_key(&notice.cause)))
            .update_expression("DELETE waiting :orders")
            .expression_attribute_values(":orders", AttributeValue::Ss(notice.orders.clone()))
            .send()
            .await;
        update
            .map(drop)
            .map_err(|error| classify("UpdateItem", &error))
    }
}

/// No order id begins with a hyphen.
const MONITOR: &str = "-monitor";
const NOTICE: &str = "notice#";

fn notice_key(cause: &str) -> Item {
    HashMap::from([
        ("order_id".to_owned(), text(MONITOR)),
        ("item".to_owned(), text(format!("{NOTICE}{cause}"))),
    ])
}

/// A root cause, and the orders that operators have not been told of yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// The root cause: a kind of trouble, and where.
    pub cause: String,
    /// The orders.
    pub orders: Vec<String>,
    /// When operators were last told of this cause.
    pub told_at: Option<Timestamp>,
}

impl Notice {
    fn read(item: &Item) -> Option<Self> {
        let told_at = item
            .get("told_at")
            .and_then(|at| at.as_n().ok()?.parse().ok())
            .and_then(|at| Timestamp::from_millisecond(at).ok());
        Some(Self {
            cause: item.get("cause")?.as_s().ok()?.clone(),
            orders: item.get("waiting")?.as_ss().ok()?.clone(),
            told_at,
        })
    }
}
