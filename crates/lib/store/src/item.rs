//! Keys and items of the orders table.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use domain::ports::{Record, StoreError};
use domain::{AuditEvent, Label, Order, OrderId, OrderState, PersonalData, Timestamp};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::unreadable;

/// An item as the SDK has it.
pub type Item = HashMap<String, AttributeValue>;

pub(crate) const ORDER: &str = "order";
pub(crate) const PERSONAL: &str = "personal";
pub(crate) const STATE: &str = "state";
pub(crate) const REVIEW: &str = "review";
const AUDIT: &str = "event#";
const ATTEMPT: &str = "attempt#";
const LABEL: &str = "label#";

/// As an attribute.
#[must_use]
pub fn text(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}

/// As an attribute.
#[must_use]
pub fn number(value: impl ToString + Copy) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

/// As an attribute.
#[must_use]
pub fn millisecond(at: Timestamp) -> AttributeValue {
    number(at.as_millisecond())
}

/// As an attribute.
///
/// # Errors
/// If it cannot be stored.
pub fn value<T: Serialize>(value: T) -> Result<AttributeValue, StoreError> {
    serde_dynamo::to_attribute_value(value).map_err(|_| unreadable("an outcome"))
}

pub(crate) fn key(order_id: &OrderId, item: &str) -> Item {
    HashMap::from([
        ("order_id".to_owned(), text(order_id.as_str())),
        ("item".to_owned(), text(item)),
    ])
}

/// Of the label that was bought under the number of an attempt.
pub(crate) fn label_key(order_id: &OrderId, attempt: u32) -> Item {
    key(order_id, &format!("{LABEL}{attempt:05}"))
}

fn audit_key(order_id: &OrderId, event: &AuditEvent) -> Item {
    // The time first, so that events are read in their order. An order may have several of one kind at once, about
    // different things.
    let (at, what) = (event.at.as_millisecond(), event.event);
    let about = event.about.as_deref();
    let about = about.map_or_else(String::new, |about| format!("#{about}"));
    key(order_id, &format!("{AUDIT}{at:015}#{what}{about}"))
}

/// A value's fields with a key.
///
/// # Errors
/// If it cannot be stored.
pub fn with_key<T: Serialize>(content: &T, key: Item) -> Result<Item, StoreError> {
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

pub(crate) fn of_audit(order_id: &OrderId, event: &AuditEvent) -> Result<Item, StoreError> {
    with_key(event, audit_key(order_id, event))
}

fn read<T: DeserializeOwned>(item: Item, what: &str) -> Result<T, StoreError> {
    serde_dynamo::from_item(item).map_err(|_| unreadable(what))
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

/// Puts an order's items together. `None` if there are none. What of its history this version cannot read,
/// because another one wrote it, is left out and named.
pub(crate) fn record(items: Vec<Item>) -> Result<Option<Record>, StoreError> {
    if items.is_empty() {
        return Ok(None);
    }
    let (mut order, mut personal, mut state) = (None, None, None);
    let (mut audit, mut earlier, mut labels) = (Vec::new(), Vec::new(), Vec::new());
    let mut unreadable_items = Vec::new();
    for item in items {
        let name = item.get("item").and_then(|name| name.as_s().ok());
        let name = name.cloned().unwrap_or_default();
        match name.as_str() {
            ORDER => order = Some((fingerprint(&item)?, read::<Order>(item, "an order")?)),
            PERSONAL => personal = Some(read(item, "personal data")?),
            STATE => state = Some(self::state(item)?),
            _ if name.starts_with(ATTEMPT) => match self::state(item) {
                Ok(state) => earlier.push(state),
                Err(_) => unreadable_items.push(name),
            },
            _ if name.starts_with(AUDIT) => match read(item, "an audit event") {
                Ok(event) => audit.push(event),
                Err(_) => unreadable_items.push(name),
            },
            _ if name.starts_with(LABEL) => match read::<Label>(item, "a label") {
                Ok(label) => labels.push(label),
                Err(_) => unreadable_items.push(name),
            },
            // The review's token is nobody's business but its own reader's.
            REVIEW => {}
            _ => unreadable_items.push(name),
        }
    }
    let (fingerprint, order) = order.ok_or_else(|| unreadable("an order's document"))?;
    Ok(Some(Record {
        order,
        fingerprint,
        personal,
        state: state.ok_or_else(|| unreadable("an order's state"))?,
        audit,
        earlier,
        labels,
        unreadable: unreadable_items,
    }))
}
