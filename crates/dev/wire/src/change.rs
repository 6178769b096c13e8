//! Records of a table's stream.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::Item;

/// One item of a table was written, and this is how it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Where it is among all changes.
    pub sequence: u64,
    /// When, by the wire's clock.
    pub at: SystemTime,
    /// The table.
    pub table: String,
    /// The item's key.
    pub keys: Item,
    /// As it was, if it was.
    pub old: Option<Item>,
    /// As it is, if it is.
    pub new: Option<Item>,
}

impl Change {
    /// A record as a function gets it from a stream that has keys only, as that of the orders table does. A function
    /// is called with `{"Records": […]}` of them.
    /// <https://docs.aws.amazon.com/lambda/latest/dg/with-ddb.html>
    #[must_use]
    pub fn record(&self) -> Value {
        let name = match (&self.old, &self.new) {
            (None, _) => "INSERT",
            (Some(_), Some(_)) => "MODIFY",
            (Some(_), None) => "REMOVE",
        };
        let at = self.at.duration_since(UNIX_EPOCH).unwrap_or_default();
        json!({
            "eventID": format!("{:032x}", self.sequence),
            "eventName": name,
            "eventSource": "aws:dynamodb",
            "awsRegion": crate::REGION,
            "dynamodb": {
                "ApproximateCreationDateTime": at.as_secs(),
                "Keys": self.keys,
                "SequenceNumber": format!("{:021}", self.sequence),
                "StreamViewType": "KEYS_ONLY",
            },
        })
    }
}
