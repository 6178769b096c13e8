//! DynamoDB as far as code of ours knows it, in maps.

mod calls;
mod table;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fmt;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::UNIX_EPOCH;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use self::calls::{
    BatchGet, BatchWrite, BatchedWrite, Check, CreateTable, Get, Keys, Parts, Put, Query,
    Transaction, Update, Write,
};
use self::table::{Key, Table};
use crate::attribute::Item;
use crate::expression::{Bindings, Changes, Condition, Invalid, Path, Reader};
use crate::{Answer, Change, Database, Request};

/// So many tokens of transactions are remembered. The service remembers each for ten minutes; what repeats one is
/// the SDK, a moment later.
const TOKENS: usize = 1000;

/// Answers what code of ours asks of DynamoDB, at a tenth of the cost. What it does not know it refuses with a panic.
/// It knows no reserved words: code of ours is tried on [`Embedded`](crate::Embedded), too, which does.
#[derive(Default)]
pub struct Tables(Mutex<Inner>);

impl fmt::Debug for Tables {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Tables")
    }
}

#[derive(Default)]
struct Inner {
    tables: BTreeMap<String, Table>,
    reader: Reader,
    /// The hashes of the transactions that happened, by token.
    tokens: HashMap<String, u64>,
    latest_tokens: VecDeque<String>,
    streamed: Vec<String>,
    changes: Vec<Change>,
    sequence: u64,
}

/// Why a request was not done.
enum Refused {
    Invalid(Invalid),
    NoTable,
    TableExists,
    Condition(Option<Arc<Item>>),
    OtherTransaction,
    Cancelled(Vec<Value>),
}

impl From<Invalid> for Refused {
    fn from(invalid: Invalid) -> Self {
        Self::Invalid(invalid)
    }
}

/// What one write of a transaction says.
fn reason(prepared: &Result<Prepared, Refused>) -> Value {
    match prepared {
        Ok(_) => json!({"Code": "None"}),
        Err(Refused::Condition(item)) => {
            let mut reason = json!({"Code": "ConditionalCheckFailed", "Message": CONDITION_FAILED});
            if let Some(item) = item {
                reason["Item"] = json!(**item);
            }
            reason
        }
        Err(Refused::Invalid(why)) => json!({"Code": "ValidationError", "Message": why}),
        Err(
            Refused::NoTable
            | Refused::TableExists
            | Refused::OtherTransaction
            | Refused::Cancelled(_),
        ) => panic!("a write that was checked is not refused like that"),
    }
}

const CONDITION_FAILED: &str = "The conditional request failed";

impl Refused {
    fn answer(self, request: &Request) -> Answer {
        match self {
            Self::Invalid(why) => request.refused(400, "ValidationException", why),
            Self::NoTable => {
                request.refused(400, "ResourceNotFoundException", "There is no such table")
            }
            Self::TableExists => request.refused(400, "ResourceInUseException", "The table exists"),
            Self::OtherTransaction => request.refused(
                400,
                "IdempotentParameterMismatchException",
                "The token was that of another transaction",
            ),
            Self::Condition(item) => {
                let code = "ConditionalCheckFailedException";
                let mut body = json!({"__type": code, "message": CONDITION_FAILED});
                if let Some(item) = item {
                    body["Item"] = json!(*item);
                }
                failed(&body)
            }
            Self::Cancelled(reasons) => failed(&json!({
                "__type": "TransactionCanceledException",
                "Message": "Transaction cancelled, its reasons say why",
                "CancellationReasons": reasons,
            })),
        }
    }
}

fn failed(body: &Value) -> Answer {
    Answer {
        status: 400,
        ..Answer::json(body)
    }
}

/// A write that makes sense.
struct Checked<'a> {
    write: &'a Write,
    parts: Parts<'a>,
    bindings: Bindings<'a>,
    condition: Option<Arc<Condition>>,
    changes: Option<Arc<Changes>>,
    key: Key,
}

/// A write that can be done: the item as it is, and as it will be. One that only checks changes nothing.
struct Prepared {
    table: String,
    key: Key,
    new: Option<Arc<Item>>,
    old: Option<Arc<Item>>,
}

impl Tables {
    /// An empty database.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Database for Tables {
    fn answer(&self, operation: &str, request: &Request) -> Answer {
        let answer = self.inner().answer(operation, &request.body);
        answer.unwrap_or_else(|refused| refused.answer(request))
    }

    fn stream(&self, tables: &[&str]) {
        let tables = tables.iter().map(|&table| table.to_owned());
        self.inner().streamed.extend(tables);
    }

    fn changes(&self) -> Vec<Change> {
        std::mem::take(&mut self.inner().changes)
    }

    fn contents(&self, table: &str) -> Vec<Item> {
        let inner = self.inner();
        let table = inner.tables.get(table).into_iter();
        table
            .flat_map(Table::all)
            .map(|item| (**item).clone())
            .collect()
    }
}

fn read<T: DeserializeOwned>(body: &[u8]) -> T {
    match serde_json::from_slice(body) {
        Ok(read) => read,
        Err(error) => panic!("{error}: {}", String::from_utf8_lossy(body)),
    }
}

impl Inner {
    fn answer(&mut self, operation: &str, body: &[u8]) -> Result<Answer, Refused> {
        match operation {
            "PutItem" => self.write(&Write::Put(read(body))),
            "UpdateItem" => self.write(&Write::Update(read(body))),
            "GetItem" => self.get(&read(body)),
            "Query" => self.query(&read(body)),
            "BatchGetItem" => self.batch_get(&read(body)),
            "BatchWriteItem" => self.batch_write(read(body)),
            "TransactWriteItems" => self.transact(&read(body), body),
            "CreateTable" => self.create_table(read(body)),
            other => panic!("{other} is not understood"),
        }
    }

    fn create_table(&mut self, request: CreateTable) -> Result<Answer, Refused> {
        if self.tables.contains_key(&request.table_name) {
            return Err(Refused::TableExists);
        }
        let description = json!({"TableDescription": {
            "TableName": request.table_name, "TableStatus": "ACTIVE",
        }});
        let name = request.table_name.clone();
        self.tables.insert(name, Table::new(request));
        Ok(Answer::json(&description))
    }

    fn table(&self, name: &str) -> Result<&Table, Refused> {
        self.tables.get(name).ok_or(Refused::NoTable)
    }

    /// Refuses a write that no item could make sense of.
    fn check<'a>(&mut self, write: &'a Write) -> Result<Checked<'a>, Refused> {
        let parts = write.parts();
        let bindings = Bindings {
            names: parts.names,
            values: parts.values,
        };
        bindings.refuse_unused(&[parts.condition, parts.update])?;
        let condition = parts.condition.map(|text| self.reader.condition(text));
        let changes = parts.update.map(|text| self.reader.changes(text));
        let table = self.table(parts.table)?;
        if let Some(condition) = &condition {
            bindings.check(condition)?;
        }
        if let Some(changes) = &changes {
            bindings.check_changes(changes)?;
            table.refuse_key_change(&bindings.touched(changes)?)?;
        }
        let key = match write {
            Write::Put(Put { item, .. }) => {
                table.refuse_unfit(item)?;
                table.key_of(item)?
            }
            Write::Update(Update { key, .. }) | Write::Check(Check { key, .. }) => {
                table.whole_key(key)?
            }
        };
        Ok(Checked {
            write,
            parts,
            bindings,
            condition,
            changes,
            key,
        })
    }

    /// What a write would do.
    fn prepare(&self, checked: Checked<'_>) -> Result<Prepared, Refused> {
        let Checked {
            bindings,
            parts,
            key,
            ..
        } = checked;
        let table = self.table(parts.table)?;
        let old = table.get(&key);
        let none = Item::new();
        let before = old.map_or(&none, |item| &**item);
        if let Some(condition) = &checked.condition
            && !bindings.holds(condition, before)?
        {
            let item = old.filter(|_| parts.returns_old_on_failure);
            return Err(Refused::Condition(item.cloned()));
        }
        let new = match checked.write {
            Write::Put(put) => Some(Arc::new(put.item.clone())),
            Write::Check(_) => None,
            Write::Update(update) => {
                let mut item = match &checked.changes {
                    Some(changes) => bindings.apply(changes, before)?,
                    None => before.clone(),
                };
                item.extend(update.key.clone());
                table.refuse_unfit(&item)?;
                Some(Arc::new(item))
            }
        };
        Ok(Prepared {
            table: parts.table.to_owned(),
            old: old.cloned(),
            key,
            new,
        })
    }

    fn commit(&mut self, prepared: Prepared) {
        let Prepared {
            table,
            key,
            new,
            old,
        } = prepared;
        let (Some(target), Some(new)) = (self.tables.get_mut(&table), new) else {
            return;
        };
        // A write that changes nothing makes no record.
        if self.streamed.contains(&table) && old.as_ref() != Some(&new) {
            self.sequence += 1;
            self.changes.push(Change {
                sequence: self.sequence,
                at: UNIX_EPOCH,
                keys: target.key_item(&new),
                old: old.as_deref().cloned(),
                new: Some((*new).clone()),
                table,
            });
        }
        target.put(&key, &new);
    }

    fn write(&mut self, write: &Write) -> Result<Answer, Refused> {
        let checked = self.check(write)?;
        let returned = checked.parts.returned.unwrap_or("NONE");
        let prepared = self.prepare(checked)?;
        let returned = match returned {
            "NONE" => None,
            "ALL_OLD" => match (&prepared.old, write) {
                // As the embedded database has it.
                (None, Write::Update(update)) => Some(Arc::new(update.key.clone())),
                (old, _) => old.clone(),
            },
            "ALL_NEW" if matches!(write, Write::Update(_)) => prepared.new.clone(),
            other => panic!("{other} is not understood"),
        };
        self.commit(prepared);
        Ok(match returned {
            None => Answer::ok("{}"),
            Some(item) => Answer::json(&Attributes { attributes: &item }),
        })
    }

    fn transact(&mut self, request: &Transaction, body: &[u8]) -> Result<Answer, Refused> {
        let writes = &request.transact_items;
        if !(1..=100).contains(&writes.len()) {
            return Err(Refused::Invalid("A transaction has 1 to 100 writes"));
        }
        let mut hasher = DefaultHasher::new();
        body.hash(&mut hasher);
        let hash = hasher.finish();
        if let Some(token) = &request.client_request_token
            && let Some(&before) = self.tokens.get(token)
        {
            if before == hash {
                return Ok(Answer::ok("{}"));
            }
            return Err(Refused::OtherTransaction);
        }
        let checked = writes.iter().map(|write| self.check(write));
        let checked = checked.collect::<Result<Vec<_>, _>>()?;
        if has_twice(checked.iter().map(|write| (write.parts.table, &write.key))) {
            return Err(Refused::Invalid(
                "Transaction request cannot include multiple operations on one item",
            ));
        }
        let prepared = checked.into_iter().map(|checked| self.prepare(checked));
        let prepared: Vec<Result<Prepared, Refused>> = prepared.collect();
        if prepared.iter().any(Result::is_err) {
            return Err(Refused::Cancelled(prepared.iter().map(reason).collect()));
        }
        for prepared in prepared.into_iter().flatten() {
            self.commit(prepared);
        }
        if let Some(token) = &request.client_request_token {
            self.remember(token, hash);
        }
        Ok(Answer::ok("{}"))
    }

    fn remember(&mut self, token: &str, hash: u64) {
        self.tokens.insert(token.to_owned(), hash);
        self.latest_tokens.push_back(token.to_owned());
        if self.latest_tokens.len() > TOKENS
            && let Some(oldest) = self.latest_tokens.pop_front()
        {
            self.tokens.remove(&oldest);
        }
    }

    fn get(&mut self, request: &Get) -> Result<Answer, Refused> {
        let table = self.table(&request.table_name)?;
        let found = table.get(&table.whole_key(&request.key)?);
        Ok(match found {
            None => Answer::ok("{}"),
            Some(item) => Answer::json(&Single { item }),
        })
    }

    fn query(&mut self, request: &Query) -> Result<Answer, Refused> {
        let Self { tables, reader, .. } = self;
        let table = tables.get(&request.table_name).ok_or(Refused::NoTable)?;
        let bindings = request.bindings();
        bindings.refuse_unused(&[Some(&request.key_condition_expression)])?;
        let condition = reader.condition(&request.key_condition_expression);
        bindings.check(&condition)?;
        let page = table.query(request, &condition, &bindings)?;
        Ok(Answer::json(&page))
    }

    fn batch_get(&mut self, request: &BatchGet) -> Result<Answer, Refused> {
        let Self { tables, reader, .. } = self;
        let wanted = request.request_items.values().map(|keys| keys.keys.len());
        if !(1..=100).contains(&wanted.sum::<usize>()) {
            return Err(Refused::Invalid("A batch has 1 to 100 keys"));
        }
        let mut responses = BTreeMap::new();
        for (name, keys) in &request.request_items {
            let table = tables.get(name).ok_or(Refused::NoTable)?;
            let paths = keys.projection_expression.as_ref();
            let paths = paths.map(|text| reader.projection(text));
            let paths = paths.as_deref().map(Vec::as_slice);
            responses.insert(name, found(table, keys, paths)?);
        }
        Ok(Answer::json(
            &json!({"Responses": responses, "UnprocessedKeys": {}}),
        ))
    }

    fn batch_write(&mut self, request: BatchWrite) -> Result<Answer, Refused> {
        let tables = request.request_items.into_iter();
        let writes = tables.flat_map(|(table, writes)| {
            let put = move |write: BatchedWrite| Put::of(table.clone(), write.put_request.item);
            writes.into_iter().map(put).map(Write::Put)
        });
        let writes: Vec<Write> = writes.collect();
        if !(1..=25).contains(&writes.len()) {
            return Err(Refused::Invalid("A batch has 1 to 25 writes"));
        }
        let checked = writes.iter().map(|write| self.check(write));
        let checked = checked.collect::<Result<Vec<_>, _>>()?;
        if has_twice(checked.iter().map(|write| (write.parts.table, &write.key))) {
            return Err(Refused::Invalid(DUPLICATES));
        }
        let prepared = checked.into_iter().map(|checked| self.prepare(checked));
        let prepared = prepared.collect::<Result<Vec<_>, _>>()?;
        for prepared in prepared {
            self.commit(prepared);
        }
        Ok(Answer::ok(r#"{"UnprocessedItems":{}}"#))
    }
}

const DUPLICATES: Invalid = "Provided list of item keys contains duplicates";

fn has_twice<T: Ord>(all: impl Iterator<Item = T>) -> bool {
    let mut all: Vec<T> = all.collect();
    all.sort();
    all.windows(2).any(|two| two[0] == two[1])
}

fn found(table: &Table, keys: &Keys, paths: Option<&[Path]>) -> Result<Vec<Value>, Refused> {
    let names = keys.expression_attribute_names.as_ref();
    let bindings = Bindings {
        names,
        values: None,
    };
    bindings.refuse_unused(&[keys.projection_expression.as_ref()])?;
    let wanted = keys.keys.iter().map(|key| table.whole_key(key));
    let wanted = wanted.collect::<Result<Vec<_>, _>>()?;
    if has_twice(wanted.iter()) {
        return Err(Refused::Invalid(DUPLICATES));
    }
    let mut found = Vec::new();
    for item in wanted.iter().filter_map(|key| table.get(key)) {
        found.push(match paths {
            None => json!(**item),
            Some(paths) => json!(bindings.project(paths, item)?),
        });
    }
    Ok(found)
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Attributes<'a> {
    attributes: &'a Item,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Single<'a> {
    item: &'a Item,
}
