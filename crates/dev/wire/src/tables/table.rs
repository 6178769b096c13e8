//! A table with its indexes.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::{Bound, RangeBounds as _};
use std::sync::Arc;

use serde::Serialize;

use super::calls::{CreateTable, KeyElement, Query};
use crate::attribute::{self, Attribute, Item};
use crate::expression::{Bindings, Comparison, Condition, Invalid, Operand};

/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html>
const MAX_ITEM: usize = 400 * 1024;
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Query.Pagination.html>
const MAX_PAGE: usize = 1024 * 1024;

/// Where an item is: its partition, and its place there, if the table has any.
pub(super) type Key = (Attribute, Option<Attribute>);

/// The names of a key's attributes.
struct Schema {
    partition: String,
    sort: Option<String>,
}

pub(super) struct Table {
    schema: Schema,
    /// The types of all attributes of keys.
    kinds: BTreeMap<String, String>,
    partitions: BTreeMap<Attribute, BTreeMap<Option<Attribute>, Arc<Item>>>,
    indexes: BTreeMap<String, Index>,
}

struct Index {
    partition: String,
    sort: String,
    partitions: BTreeMap<Attribute, BTreeMap<Attribute, BTreeSet<Key>>>,
}

/// What a query answers.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Page<'a> {
    items: Vec<&'a Item>,
    count: usize,
    scanned_count: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_evaluated_key: Option<Item>,
}

/// What a query asks for: a partition, and which places there.
struct Wanted<'a> {
    partition: &'a Attribute,
    places: Places<'a>,
}

enum Places<'a> {
    All,
    At(Comparison, &'a Attribute),
    Between(&'a Attribute, &'a Attribute),
    BeginWith(&'a str),
}

impl Places<'_> {
    fn bounds(&self) -> (Bound<Attribute>, Bound<Attribute>) {
        let included = |value: &Attribute| Bound::Included(value.clone());
        let excluded = |value: &Attribute| Bound::Excluded(value.clone());
        match self {
            Self::All | Self::At(Comparison::Unequal, _) => (Bound::Unbounded, Bound::Unbounded),
            Self::At(Comparison::Equal, at) => (included(at), included(at)),
            Self::At(Comparison::Less, at) => (Bound::Unbounded, excluded(at)),
            Self::At(Comparison::AtMost, at) => (Bound::Unbounded, included(at)),
            Self::At(Comparison::More, at) => (excluded(at), Bound::Unbounded),
            Self::At(Comparison::AtLeast, at) => (included(at), Bound::Unbounded),
            Self::Between(from, to) => (included(from), included(to)),
            Self::BeginWith(prefix) => {
                let last = Attribute::S(format!("{prefix}{}", char::MAX));
                (
                    Bound::Included(Attribute::S((*prefix).to_owned())),
                    Bound::Included(last),
                )
            }
        }
    }

    fn have(&self, place: &Attribute) -> bool {
        self.bounds().contains(place)
    }
}

impl Schema {
    fn of(elements: Vec<KeyElement>) -> Self {
        let (mut partition, mut sort) = (String::new(), None);
        for element in elements {
            match element.key_type.as_str() {
                "HASH" => partition = element.attribute_name,
                _ => sort = Some(element.attribute_name),
            }
        }
        Self { partition, sort }
    }
}

impl Index {
    /// Where an item is in it, if it is.
    fn place(&self, item: &Item) -> Option<(Attribute, Attribute)> {
        let (partition, sort) = (item.get(&self.partition)?, item.get(&self.sort)?);
        Some((partition.clone(), sort.clone()))
    }

    fn remove(&mut self, (partition, sort): (Attribute, Attribute), key: &Key) {
        let Some(places) = self.partitions.get_mut(&partition) else {
            return;
        };
        if let Some(keys) = places.get_mut(&sort) {
            keys.remove(key);
            if keys.is_empty() {
                places.remove(&sort);
            }
        }
    }
}

impl Table {
    pub(super) fn new(request: CreateTable) -> Self {
        let indexes = request.global_secondary_indexes.into_iter().map(|index| {
            let schema = Schema::of(index.key_schema);
            let (Some(sort), "ALL") = (schema.sort, index.projection.projection_type.as_str())
            else {
                panic!(
                    "{}: an index has a sort key and all attributes",
                    index.index_name
                );
            };
            let made = Index {
                partition: schema.partition,
                sort,
                partitions: BTreeMap::new(),
            };
            (index.index_name, made)
        });
        let kinds = request.attribute_definitions.into_iter();
        Self {
            indexes: indexes.collect(),
            schema: Schema::of(request.key_schema),
            kinds: kinds
                .map(|definition| (definition.attribute_name, definition.attribute_type))
                .collect(),
            partitions: BTreeMap::new(),
        }
    }

    /// Every item, by key.
    pub(super) fn all(&self) -> impl Iterator<Item = &Arc<Item>> {
        self.partitions.values().flat_map(BTreeMap::values)
    }

    pub(super) fn get(&self, (partition, sort): &Key) -> Option<&Arc<Item>> {
        self.partitions.get(partition)?.get(sort)
    }

    /// A value that can be that of a key.
    fn refuse_as_key(&self, name: &str, value: &Attribute) -> Result<(), Invalid> {
        if self.kinds.get(name).map(String::as_str) != Some(value.kind()) {
            return Err("One or more parameter values were invalid: Type mismatch for key");
        }
        if matches!(value, Attribute::S(text) if text.is_empty()) {
            return Err("One or more parameter values are not valid: a key is empty");
        }
        Ok(())
    }

    /// The key of an item.
    pub(super) fn key_of(&self, item: &Item) -> Result<Key, Invalid> {
        let part = |name: &String| {
            let value = item.get(name);
            let value = value.ok_or("One of the required keys was not given a value")?;
            self.refuse_as_key(name, value).map(|()| value.clone())
        };
        let sort = self.schema.sort.as_ref().map(part).transpose()?;
        Ok((part(&self.schema.partition)?, sort))
    }

    /// The same of what is a key and nothing more.
    pub(super) fn whole_key(&self, key: &Item) -> Result<Key, Invalid> {
        if key.len() != 1 + usize::from(self.schema.sort.is_some()) {
            return Err("The provided key element does not match the schema");
        }
        self.key_of(key)
    }

    fn key_names(&self) -> impl Iterator<Item = &String> {
        let partition = std::iter::once(&self.schema.partition);
        partition.chain(&self.schema.sort)
    }

    /// An item's key, by name.
    pub(super) fn key_item(&self, item: &Item) -> Item {
        part_of(item, self.key_names())
    }

    pub(super) fn refuse_key_change(&self, touched: &[&str]) -> Result<(), Invalid> {
        if self
            .key_names()
            .any(|name| touched.contains(&name.as_str()))
        {
            return Err("Cannot update attribute. This attribute is part of the key");
        }
        Ok(())
    }

    /// An item that is too large, or that an index cannot take.
    pub(super) fn refuse_unfit(&self, item: &Item) -> Result<(), Invalid> {
        if attribute::size(item) > MAX_ITEM {
            return Err("Item size has exceeded the maximum allowed size");
        }
        for index in self.indexes.values() {
            for name in [&index.partition, &index.sort] {
                if let Some(value) = item.get(name) {
                    self.refuse_as_key(name, value)?;
                }
            }
        }
        Ok(())
    }

    pub(super) fn put(&mut self, key: &Key, item: &Arc<Item>) {
        let partition = self.partitions.entry(key.0.clone()).or_default();
        let old = partition.insert(key.1.clone(), Arc::clone(item));
        for index in self.indexes.values_mut() {
            let before = old.as_ref().and_then(|old| index.place(old));
            let after = index.place(item);
            if before == after {
                continue;
            }
            if let Some(before) = before {
                index.remove(before, key);
            }
            if let Some((partition, sort)) = after {
                let places = index.partitions.entry(partition).or_default();
                places.entry(sort).or_default().insert(key.clone());
            }
        }
    }

    pub(super) fn query(
        &self,
        query: &Query,
        condition: &Condition,
        bindings: &Bindings<'_>,
    ) -> Result<Page<'_>, Invalid> {
        if query.limit == Some(0) {
            return Err("Limit has to be at least 1");
        }
        match &query.index_name {
            None => self.query_items(query, condition, bindings),
            Some(name) => {
                let index = self.indexes.get(name);
                let index = index.ok_or("The table does not have the specified index")?;
                self.query_index(index, query, condition, bindings)
            }
        }
    }

    fn query_items(
        &self,
        query: &Query,
        condition: &Condition,
        bindings: &Bindings<'_>,
    ) -> Result<Page<'_>, Invalid> {
        let (partition, sort) = (&self.schema.partition, self.schema.sort.as_deref());
        let wanted = self.wanted(condition, bindings, partition, sort)?;
        let start = query.exclusive_start_key.as_ref();
        let start = start.map(|start| self.whole_key(start)).transpose()?;
        if let Some((partition, sort)) = &start {
            wanted.refuse_start(partition, sort.as_ref())?;
        }
        let start = start.map(|(_, sort)| sort);
        let forward = query.scan_index_forward.unwrap_or(true);
        let (from, to) = wanted.places.bounds();
        let (from, to) = match (start, forward) {
            (None, _) => (from.map(Some), to.map(Some)),
            (Some(start), true) => (Bound::Excluded(start), to.map(Some)),
            (Some(start), false) => (from.map(Some), Bound::Excluded(start)),
        };
        let found = self.partitions.get(wanted.partition).into_iter();
        let found = found.flat_map(|items| items.range((from.clone(), to.clone())));
        let items = found.map(|(_, item)| &**item);
        let last_key = |last: &Item| self.key_item(last);
        Ok(if forward {
            Page::of(items, query.limit, last_key)
        } else {
            Page::of(items.rev(), query.limit, last_key)
        })
    }

    fn query_index<'a>(
        &'a self,
        index: &'a Index,
        query: &Query,
        condition: &Condition,
        bindings: &Bindings<'_>,
    ) -> Result<Page<'a>, Invalid> {
        if query.consistent_read == Some(true) {
            return Err("Consistent reads are not supported on global secondary indexes");
        }
        let wanted = self.wanted(condition, bindings, &index.partition, Some(&index.sort))?;
        let start = query.exclusive_start_key.as_ref();
        let start = start.map(|start| self.start(index, start)).transpose()?;
        if let Some((partition, sort, _)) = &start {
            wanted.refuse_start(partition, Some(sort))?;
        }
        let forward = query.scan_index_forward.unwrap_or(true);
        let (mut from, mut to) = wanted.places.bounds();
        if let Some((_, sort, _)) = &start {
            let end = if forward { &mut from } else { &mut to };
            *end = Bound::Included(sort.clone());
        }
        let found = index.partitions.get(wanted.partition).into_iter();
        let found = found.flat_map(|places| places.range((from.clone(), to.clone())));
        let found = found.flat_map(|(sort, keys)| keys.iter().map(move |key| (sort, key)));
        // Of those at the very place where the last page ended, only those after it.
        let is_after = |&(sort, key): &(&Attribute, &Key)| match &start {
            Some((_, at, last)) if forward => (sort, key) > (at, last),
            Some((_, at, last)) => (sort, key) < (at, last),
            None => true,
        };
        let items = found.filter(is_after).filter_map(|(_, key)| self.get(key));
        let items = items.map(|item| &**item);
        let names = || {
            [&index.partition, &index.sort]
                .into_iter()
                .chain(self.key_names())
        };
        let last_key = |last: &Item| part_of(last, names());
        Ok(if forward {
            Page::of(items, query.limit, last_key)
        } else {
            Page::of(items.rev(), query.limit, last_key)
        })
    }

    /// Where in an index a page ended.
    fn start(&self, index: &Index, start: &Item) -> Result<(Attribute, Attribute, Key), Invalid> {
        let names = [&index.partition, &index.sort]
            .into_iter()
            .chain(self.key_names());
        let is_whole = part_of(start, names) == *start;
        match index.place(start) {
            Some((partition, sort)) if is_whole => Ok((partition, sort, self.key_of(start)?)),
            _ => Err("The provided starting key is invalid"),
        }
    }

    /// A condition on keys: one partition, and at most one condition on the place there.
    fn wanted<'a>(
        &self,
        condition: &'a Condition,
        bindings: &Bindings<'a>,
        partition: &str,
        sort: Option<&str>,
    ) -> Result<Wanted<'a>, Invalid> {
        let parts = match condition {
            Condition::All(parts) => parts.as_slice(),
            single => std::slice::from_ref(single),
        };
        let (mut found, mut places) = (None, Places::All);
        for part in parts {
            let (path, part) = match part {
                Condition::Compared(Operand::Path(path), by, Operand::Value(value)) => {
                    (path, Places::At(*by, bindings.value(value)?))
                }
                Condition::Between(
                    Operand::Path(path),
                    Operand::Value(from),
                    Operand::Value(to),
                ) => {
                    let (from, to) = (bindings.value(from)?, bindings.value(to)?);
                    if from > to {
                        return Err(
                            "The BETWEEN operator requires an upper bound that is not lower",
                        );
                    }
                    (path, Places::Between(from, to))
                }
                Condition::BeginsWith(path, Operand::Value(prefix)) => {
                    let Attribute::S(prefix) = bindings.value(prefix)? else {
                        return Err("begins_with is for texts");
                    };
                    (path, Places::BeginWith(prefix))
                }
                _ => return Err("Query key condition not supported"),
            };
            let [name] = path.as_slice() else {
                return Err("KeyConditionExpressions cannot have conditions on nested attributes");
            };
            let name = bindings.name(name)?;
            for value in part.values() {
                self.refuse_as_key(name, value)?;
            }
            match part {
                Places::At(Comparison::Equal, value) if name == partition && found.is_none() => {
                    found = Some(value);
                }
                part if Some(name) == sort && matches!(places, Places::All) => places = part,
                _ => return Err("Query key condition not supported"),
            }
        }
        let partition = found.ok_or("Query condition missed key schema element")?;
        Ok(Wanted { partition, places })
    }
}

impl<'a> Places<'a> {
    fn values(&self) -> Vec<&'a Attribute> {
        match self {
            Self::All | Self::BeginWith(_) => Vec::new(),
            Self::At(_, value) => vec![value],
            Self::Between(from, to) => vec![from, to],
        }
    }
}

impl Wanted<'_> {
    /// A page ends where it could have begun.
    fn refuse_start(&self, partition: &Attribute, sort: Option<&Attribute>) -> Result<(), Invalid> {
        if partition != self.partition || sort.is_some_and(|sort| !self.places.have(sort)) {
            return Err("The provided starting key is outside query boundaries");
        }
        Ok(())
    }
}

impl<'a> Page<'a> {
    /// As many items as are asked for, and a megabyte at most.
    fn of(
        mut items: impl Iterator<Item = &'a Item>,
        limit: Option<usize>,
        last_key: impl Fn(&Item) -> Item,
    ) -> Self {
        let (mut found, mut size) = (Vec::new(), 0);
        let is_cut = loop {
            if limit == Some(found.len()) {
                break true;
            }
            let Some(item) = items.next() else {
                break false;
            };
            size += attribute::size(item);
            if size > MAX_PAGE && !found.is_empty() {
                break true;
            }
            found.push(item);
        };
        let last = found.last().filter(|_| is_cut);
        Self {
            last_evaluated_key: last.map(|last| last_key(last)),
            count: found.len(),
            scanned_count: found.len(),
            items: found,
        }
    }
}

fn part_of<'a>(item: &Item, names: impl Iterator<Item = &'a String>) -> Item {
    names
        .filter_map(|name| Some((name.clone(), item.get(name)?.clone())))
        .collect()
}
