//! Two databases that have to say the same.

use std::fmt;

use serde_json::Value;

use crate::{Answer, Change, Database, Embedded, Item, Request, Tables};

/// [`Tables`] and [`Embedded`] side by side: each request goes to both, and where they disagree the caller is stopped
/// with a panic. Errors agree if they have the same name, whatever their texts.
pub struct Both {
    tables: Tables,
    embedded: Embedded,
}

impl fmt::Debug for Both {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Both")
    }
}

impl Both {
    /// These two, as long as nobody has written to either.
    #[must_use]
    pub fn new(tables: Tables, embedded: Embedded) -> Self {
        Self { tables, embedded }
    }
}

impl Database for Both {
    fn answer(&self, operation: &str, request: &Request) -> Answer {
        let embedded = self.embedded.answer(operation, request);
        let tables = self.tables.answer(operation, request);
        let said = [&embedded, &tables].map(|answer| said(operation, answer));
        assert_eq!(
            said[0],
            said[1],
            "{operation} {}",
            String::from_utf8_lossy(&request.body)
        );
        tables
    }

    fn stream(&self, tables: &[&str]) {
        self.embedded.stream(tables);
        self.tables.stream(tables);
    }

    fn changes(&self) -> Vec<Change> {
        let (embedded, tables) = (self.embedded.changes(), self.tables.changes());
        assert_eq!(embedded, tables, "the changes");
        tables
    }

    fn contents(&self, table: &str) -> Vec<Item> {
        let (mut embedded, tables) = (self.embedded.contents(table), self.tables.contents(table));
        // A scan goes by the hashes of the keys.
        embedded.sort();
        let mut sorted = tables.clone();
        sorted.sort();
        assert_eq!(embedded, sorted, "what is in {table}");
        tables
    }
}

/// What of an answer counts.
fn said(operation: &str, answer: &Answer) -> (u16, Value) {
    let mut body: Value = serde_json::from_str(&answer.body).unwrap_or_default();
    let status = answer.status;
    if operation == "CreateTable" {
        return (status, Value::Null);
    }
    if !answer.is_success() {
        let name = body["__type"].as_str().unwrap_or_default();
        body["__type"] = name.rsplit('#').next().unwrap_or_default().into();
        for text in ["message", "Message"] {
            body.as_object_mut().map(|body| body.remove(text));
        }
        for reason in body["CancellationReasons"]
            .as_array_mut()
            .into_iter()
            .flatten()
        {
            reason
                .as_object_mut()
                .map(|reason| reason.remove("Message"));
        }
    }
    unordered(&mut body, operation == "BatchGetItem");
    (status, body)
}

/// A set has no order, and neither have the items of a batch.
fn unordered(value: &mut Value, all: bool) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                unordered(field, all);
                if let Value::Array(elements) = field
                    && (name == "SS" || all)
                {
                    elements.sort_by_key(Value::to_string);
                }
            }
        }
        Value::Array(elements) => elements
            .iter_mut()
            .for_each(|element| unordered(element, all)),
        _ => {}
    }
}
