//! The embedded DynamoDB that other tests have, too.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::UNIX_EPOCH;

use dynoxide::{Database as Engine, DynoxideError};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::{Answer, Change, Database, Item, Request};

/// dynoxide, without its HTTP server.
pub struct Embedded {
    engine: Engine,
    streams: Mutex<Streams>,
}

impl fmt::Debug for Embedded {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Embedded")
    }
}

#[derive(Default)]
struct Streams {
    wanted: Vec<String>,
    /// Where to read on, by table.
    iterators: BTreeMap<String, String>,
    sequence: u64,
}

impl Embedded {
    /// An empty database in memory.
    ///
    /// # Errors
    /// If there is no memory for one.
    pub fn new() -> Result<Self, DynoxideError> {
        Ok(Self {
            engine: Engine::memory()?,
            streams: Mutex::default(),
        })
    }

    fn streams(&self) -> MutexGuard<'_, Streams> {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn create_table(&self, body: &[u8]) -> Result<String, DynoxideError> {
        let mut request: Value = read(body)?;
        let table = request["TableName"].as_str().unwrap_or_default().to_owned();
        let is_streamed = self.streams().wanted.contains(&table);
        if is_streamed {
            request["StreamSpecification"] =
                json!({"StreamEnabled": true, "StreamViewType": "NEW_AND_OLD_IMAGES"});
        }
        let created = json!(self.engine.create_table(read_value(request)?)?);
        if is_streamed {
            let arn = &created["TableDescription"]["LatestStreamArn"];
            let stream = self
                .engine
                .describe_stream(read_value(json!({"StreamArn": arn}))?)?;
            let shard = &json!(stream)["StreamDescription"]["Shards"][0]["ShardId"];
            let iterator = self.engine.get_shard_iterator(read_value(json!({
                "StreamArn": arn, "ShardId": shard, "ShardIteratorType": "TRIM_HORIZON",
            }))?)?;
            let iterator = iterator.shard_iterator.unwrap_or_default();
            self.streams().iterators.insert(table, iterator);
        }
        Ok(created.to_string())
    }

    fn run(&self, operation: &str, body: &[u8]) -> Result<String, DynoxideError> {
        let engine = &self.engine;
        match operation {
            "CreateTable" => self.create_table(body),
            "PutItem" => written(&engine.put_item(read(body)?)?),
            "GetItem" => written(&engine.get_item(read(body)?)?),
            "DeleteItem" => written(&engine.delete_item(read(body)?)?),
            "UpdateItem" => written(&engine.update_item(read(body)?)?),
            "Query" => written(&engine.query(read(body)?)?),
            "Scan" => written(&engine.scan(read(body)?)?),
            "BatchGetItem" => written(&engine.batch_get_item(read(body)?)?),
            "BatchWriteItem" => written(&engine.batch_write_item(read(body)?)?),
            "TransactWriteItems" => written(&engine.transact_write_items(read(body)?)?),
            other => panic!("no table of ours is asked {other}"),
        }
    }

    fn read_stream(&self) -> Result<Vec<Change>, DynoxideError> {
        let mut streams = self.streams();
        let Streams {
            iterators,
            sequence,
            ..
        } = &mut *streams;
        let mut changes = Vec::new();
        for (table, iterator) in iterators {
            loop {
                let request = read_value(json!({"ShardIterator": iterator}))?;
                let page = self.engine.get_records(request)?;
                let (found, next) = (json!(page.records), page.next_shard_iterator);
                if let Some(next) = next {
                    *iterator = next;
                }
                let Some(records) = found.as_array().filter(|records| !records.is_empty()) else {
                    break;
                };
                for record in records {
                    let image =
                        |name: &str| read_value::<Option<Item>>(record["dynamodb"][name].clone());
                    let (old, new) = (image("OldImage")?, image("NewImage")?);
                    // The service has no record of a write that changes nothing.
                    // <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Streams.html>
                    if old == new {
                        continue;
                    }
                    *sequence += 1;
                    changes.push(Change {
                        sequence: *sequence,
                        at: UNIX_EPOCH,
                        table: table.clone(),
                        keys: image("Keys")?.unwrap_or_default(),
                        old,
                        new,
                    });
                }
            }
        }
        Ok(changes)
    }

    fn scan(&self, table: &str) -> Result<Vec<Item>, DynoxideError> {
        let (mut items, mut start) = (Vec::new(), Value::Null);
        loop {
            let request = json!({"TableName": table, "ExclusiveStartKey": start});
            let page = json!(self.engine.scan(read_value(request)?)?);
            items.extend(read_value::<Vec<Item>>(page["Items"].clone())?);
            if page["LastEvaluatedKey"].is_null() {
                return Ok(items);
            }
            start = page["LastEvaluatedKey"].clone();
        }
    }
}

impl Database for Embedded {
    fn answer(&self, operation: &str, request: &Request) -> Answer {
        match self.run(operation, &request.body) {
            Ok(body) => Answer::ok(body),
            Err(error) => Answer {
                status: error.status_code(),
                headers: Vec::new(),
                body: error.to_json(),
            },
        }
    }

    fn stream(&self, tables: &[&str]) {
        let tables = tables.iter().map(|&table| table.to_owned());
        self.streams().wanted.extend(tables);
    }

    fn changes(&self) -> Vec<Change> {
        match self.read_stream() {
            Ok(changes) => changes,
            Err(error) => panic!("the stream cannot be read: {error}"),
        }
    }

    fn contents(&self, table: &str) -> Vec<Item> {
        match self.scan(table) {
            Ok(items) => items,
            Err(error) => panic!("{table} cannot be read: {error}"),
        }
    }
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, DynoxideError> {
    serde_json::from_slice(body).map_err(unreadable)
}

fn read_value<T: DeserializeOwned>(value: Value) -> Result<T, DynoxideError> {
    serde_json::from_value(value).map_err(unreadable)
}

fn written(answer: &impl Serialize) -> Result<String, DynoxideError> {
    serde_json::to_string(answer).map_err(unreadable)
}

#[expect(clippy::needless_pass_by_value, reason = "as `map_err` wants it")]
fn unreadable(error: serde_json::Error) -> DynoxideError {
    DynoxideError::SerializationException(error.to_string())
}
