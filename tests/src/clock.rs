//! Time that passes for one order while the machine's clock stands.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;

use crate::{Database, ORDERS};

/// Every time that is stored is later, in milliseconds, and no amount of a test is as large.
const EARLIEST_MS: i64 = 1_000_000_000_000;

impl Database {
    /// Lets time pass for an order: whatever is on record about it is so much older. What is under
    /// test reads the real clock and sees the same as it would after a wait.
    pub async fn elapse(&self, order_id: &str, time: Duration) {
        let text = |text: &str| AttributeValue::S(text.to_owned());
        let found = self.client.get_item().table_name(ORDERS);
        let found = found
            .key("order_id", text(order_id))
            .key("item", text("state"))
            .consistent_read(true)
            .send()
            .await
            .expect("an answer");
        let by_ms = i64::try_from(time.as_millis()).expect("a time");
        let older = aged(found.item.expect("the order's state"), by_ms);
        let put = self.client.put_item().table_name(ORDERS);
        let put = put.set_item(Some(older));
        put.send().await.expect("stored");
    }
}

fn aged(item: HashMap<String, AttributeValue>, by_ms: i64) -> HashMap<String, AttributeValue> {
    let older = |value| match value {
        AttributeValue::N(number) => match number.parse::<i64>() {
            Ok(at) if at > EARLIEST_MS => AttributeValue::N((at - by_ms).to_string()),
            Ok(_) | Err(_) => AttributeValue::N(number),
        },
        AttributeValue::M(fields) => AttributeValue::M(aged(fields, by_ms)),
        other => other,
    };
    let fields = item.into_iter();
    fields.map(|(name, value)| (name, older(value))).collect()
}
