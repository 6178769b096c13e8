//! Keys and items of the orders table.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use aws_sdk_dynamodb::types::AttributeValue;
use domain::ports::{OperatorEvent, Record, StoreError};
use domain::watch::Watch;
use domain::{Order, OrderId, OrderState, PersonalData, Timestamp};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::unreadable;

pub(crate) type Item = HashMap<String, AttributeValue>;

pub(crate) const ORDER: &str = "order";
pub(crate) const PERSONAL: &str = "personal";
pub(crate) const STATE: &str = "state";
pub(crate) const REVIEW: &str = "review";
pub(crate) const WATCH: &str = "watch";
const EVENT: &str = "event#";
const ATTEMPT: &str = "attempt#";

/// Partitions of the index of open orders: each takes 1,000 writes a second.
pub(crate) const OPEN_SHARDS: u64 = 8;

pub(crate) fn text(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}

pub(crate) fn number(value: impl ToString + Copy) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

pub(crate) fn millisecond(at: Timestamp) -> AttributeValue {
    number(at.as_millisecond())
}

pub(crate) fn value<T: Serialize>(value: T) -> Result<AttributeValue, StoreError> {
    serde_dynamo::to_attribute_value(value).map_err(|_| unreadable("an outcome"))
}

pub(crate) fn key(order_id: &OrderId, item: &str) -> Item {
    HashMap::from([
        ("order_id".to_owned(), text(order_id.as_str())),
        ("item".to_owned(), text(item)),
    ])
}

pub(crate) fn event_key(order_id: &OrderId, event: &OperatorEvent) -> Item {
    // The time first, so that events are read in their order.
    let (at, what) = (event.at.as_millisecond(), &event.event);
    key(order_id, &format!("{EVENT}{at:015}#{what}"))
}

fn with_key<T: Serialize>(content: &T, key: Item) -> Result<Item, StoreError> {
    let mut item: Item = serde_dynamo::to_item(content).map_err(|_| unreadable("an item"))?;
    item.extend(key);
    Ok(item)
}

pub(crate) fn of_order(
    order: &Order,
    fingerprint: &domain::Fingerprint,
) -> Result<Item, StoreError> {
    let mut item = with_key(order, key(&order.order_id, ORDER))?;
    item.insert("fingerprint".to_owned(), value(fingerprint)?);
    Ok(item)
}

pub(crate) fn of_personal(order_id: &OrderId, personal: &PersonalData) -> Result<Item, StoreError> {
    with_key(personal, key(order_id, PERSONAL))
}

pub(crate) fn of_state(state: &OrderState) -> Result<Item, StoreError> {
    with_key(state, key(&state.order_id, STATE))
}

/// What an earlier attempt at an order has come to.
pub(crate) fn of_attempt(state: &OrderState) -> Result<Item, StoreError> {
    let name = format!("{ATTEMPT}{:05}", state.attempt);
    with_key(state, key(&state.order_id, &name))
}

/// In the index of open orders while it has a time at which somebody looks again, and after that in the index
/// of closed ones.
pub(crate) fn of_watch(watch: &Watch) -> Result<Item, StoreError> {
    let mut item = with_key(watch, key(&watch.order_id, WATCH))?;
    if watch.is_over() {
        item.insert("closed_as".to_owned(), text(watch.status.as_str()));
        item.insert("ended_at".to_owned(), millisecond(watch.since));
    } else {
        item.insert("open_shard".to_owned(), text(open_shard(&watch.order_id)));
    }
    Ok(item)
}

pub(crate) fn of_event(order_id: &OrderId, event: &OperatorEvent) -> Result<Item, StoreError> {
    with_key(event, event_key(order_id, event))
}

pub(crate) fn open_shard(order_id: &OrderId) -> String {
    let mut hasher = DefaultHasher::new();
    order_id.as_str().hash(&mut hasher);
    (hasher.finish() % OPEN_SHARDS).to_string()
}

fn read<T: DeserializeOwned>(item: Item, what: &str) -> Result<T, StoreError> {
    serde_dynamo::from_item(item).map_err(|_| unreadable(what))
}

pub(crate) fn watch(item: Item) -> Result<Watch, StoreError> {
    read(item, "the monitor's record")
}

pub(crate) fn state(item: Item) -> Result<OrderState, StoreError> {
    read(item, "an order's state")
}

pub(crate) fn fingerprint(item: &Item) -> Result<domain::Fingerprint, StoreError> {
    let stored = item
        .get("fingerprint")
        .cloned()
        .ok_or_else(|| unreadable("a fingerprint"))?;
    serde_dynamo::from_attribute_value(stored).map_err(|_| unreadable("a fingerprint"))
}

/// Puts an order's items together. `None` if there are none.
pub(crate) fn record(items: Vec<Item>) -> Result<Option<Record>, StoreError> {
    if items.is_empty() {
        return Ok(None);
    }
    let (mut order, mut personal, mut state, mut watch) = (None, None, None, None);
    let (mut events, mut earlier) = (Vec::new(), Vec::new());
    for item in items {
        let name = item
            .get("item")
            .and_then(|name| name.as_s().ok())
            .cloned()
            .unwrap_or_default();
        match name.as_str() {
            ORDER => order = Some((fingerprint(&item)?, read::<Order>(item, "an order")?)),
            PERSONAL => personal = Some(read(item, "personal data")?),
            STATE => state = Some(self::state(item)?),
            WATCH => watch = Some(self::watch(item)?),
            name if name.starts_with(ATTEMPT) => earlier.push(self::state(item)?),
            name if name.starts_with(EVENT) => events.push(read(item, "an operator's event")?),
            // The review's token is nobody's business but its own reader's.
            _ => {}
        }
    }
    let (fingerprint, order) = order.ok_or_else(|| unreadable("an order's document"))?;
    Ok(Some(Record {
        order,
        fingerprint,
        personal,
        state: state.ok_or_else(|| unreadable("an order's state"))?,
        events,
        earlier,
        watch,
    }))
}
