//! The part of DynamoDB's expressions that code of ours uses. Whatever else somebody writes stops them with a panic:
//! half understood, it would be a rule that does not hold.
//! <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.html>

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::attribute::{Attribute, Item, Number};

/// Why a request is refused as invalid.
pub(crate) type Invalid = &'static str;

/// What comes with an expression: what its placeholders stand for.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Bindings<'a> {
    pub(crate) names: Option<&'a BTreeMap<String, String>>,
    pub(crate) values: Option<&'a BTreeMap<String, Attribute>>,
}

/// Attributes within one another: `#effect.#owner`.
pub(crate) type Path = Vec<String>;

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Condition {
    All(Vec<Condition>),
    Any(Vec<Condition>),
    Exists(Path),
    Missing(Path),
    BeginsWith(Path, Operand),
    Between(Operand, Operand, Operand),
    Compared(Operand, Comparison, Operand),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Comparison {
    Equal,
    Unequal,
    Less,
    AtMost,
    More,
    AtLeast,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Operand {
    Path(Path),
    Value(String),
}

/// The actions of an update, each in its order.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Changes {
    set: Vec<(Path, Source)>,
    remove: Vec<Path>,
    add: Vec<(Path, String)>,
    delete: Vec<(Path, String)>,
}

#[derive(Debug, Clone, PartialEq)]
enum Source {
    Of(Operand),
    OrElse(Path, Operand),
    Sum(Operand, Operand),
    Difference(Operand, Operand),
}

/// Reads expressions, each once: there are few, and they come often.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    conditions: BTreeMap<String, Arc<Condition>>,
    changes: BTreeMap<String, Arc<Changes>>,
    paths: BTreeMap<String, Arc<Vec<Path>>>,
}

impl Reader {
    pub(crate) fn condition(&mut self, text: &str) -> Arc<Condition> {
        read_once(&mut self.conditions, text, Tokens::any)
    }

    pub(crate) fn changes(&mut self, text: &str) -> Arc<Changes> {
        read_once(&mut self.changes, text, Tokens::changes)
    }

    pub(crate) fn projection(&mut self, text: &str) -> Arc<Vec<Path>> {
        read_once(&mut self.paths, text, |tokens| {
            tokens.separated(Tokens::path)
        })
    }
}

fn read_once<'a, T>(
    known: &mut BTreeMap<String, Arc<T>>,
    text: &'a str,
    read: impl FnOnce(&mut Tokens<'a>) -> T,
) -> Arc<T> {
    if let Some(known) = known.get(text) {
        return known.clone();
    }
    let read = Arc::new(Tokens::of(text).whole(read));
    known.insert(text.to_owned(), read.clone());
    read
}

/// A text in words and signs.
struct Tokens<'a> {
    text: &'a str,
    left: std::iter::Peekable<std::vec::IntoIter<&'a str>>,
}

impl<'a> Tokens<'a> {
    fn of(text: &'a str) -> Self {
        let mut found = Vec::new();
        let mut rest = text.trim_start();
        while let Some(first) = rest.chars().next() {
            let in_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
            let length = if in_word(first) || first == '#' || first == ':' {
                let word = &rest[1..];
                1 + word.find(|c| !in_word(c)).unwrap_or(word.len())
            } else if ["<>", "<=", ">="].iter().any(|sign| rest.starts_with(sign)) {
                2
            } else {
                first.len_utf8()
            };
            found.push(&rest[..length]);
            rest = rest[length..].trim_start();
        }
        Self {
            text,
            left: found.into_iter().peekable(),
        }
    }

    fn whole<T>(mut self, read: impl FnOnce(&mut Self) -> T) -> T {
        let read = read(&mut self);
        match self.left.next() {
            None => read,
            Some(found) => self.stop(found),
        }
    }

    fn stop(&self, found: &str) -> ! {
        panic!("{found:?} is not understood in {:?}", self.text)
    }

    fn next(&mut self) -> &'a str {
        self.left.next().unwrap_or_default()
    }

    fn takes(&mut self, token: &str) -> bool {
        self.left
            .next_if(|next| next.eq_ignore_ascii_case(token))
            .is_some()
    }

    fn expect(&mut self, token: &str) {
        if !self.takes(token) {
            let found = self.next();
            self.stop(found);
        }
    }

    fn separated<T>(&mut self, read: impl Fn(&mut Self) -> T) -> Vec<T> {
        let mut found = vec![read(self)];
        while self.takes(",") {
            found.push(read(self));
        }
        found
    }

    fn path(&mut self) -> Path {
        let mut path = Vec::new();
        loop {
            let name = self.next();
            let first = name.chars().next().unwrap_or(' ');
            if first != '#' && first != '_' && !first.is_ascii_alphabetic() {
                self.stop(name);
            }
            path.push(name.to_owned());
            if !self.takes(".") {
                return path;
            }
        }
    }

    fn value(&mut self) -> String {
        let name = self.next();
        if !name.starts_with(':') {
            self.stop(name);
        }
        name.to_owned()
    }

    fn operand(&mut self) -> Operand {
        if self.left.peek().is_some_and(|next| next.starts_with(':')) {
            Operand::Value(self.value())
        } else {
            let path = self.path();
            // A function where an operand is expected.
            if let Some(&bracket) = self.left.peek()
                && bracket == "("
            {
                self.stop(bracket);
            }
            Operand::Path(path)
        }
    }

    fn any(&mut self) -> Condition {
        let mut found = vec![self.all()];
        while self.takes("OR") {
            found.push(self.all());
        }
        one_or(found, Condition::Any)
    }

    fn all(&mut self) -> Condition {
        let mut found = vec![self.single()];
        while self.takes("AND") {
            found.push(self.single());
        }
        one_or(found, Condition::All)
    }

    fn single(&mut self) -> Condition {
        if self.takes("(") {
            let inner = self.any();
            self.expect(")");
            return inner;
        }
        if self.takes("attribute_exists") {
            return Condition::Exists(self.bracketed(Self::path));
        }
        if self.takes("attribute_not_exists") {
            return Condition::Missing(self.bracketed(Self::path));
        }
        if self.takes("begins_with") {
            let (path, prefix) = self.bracketed(|tokens| {
                let path = tokens.path();
                tokens.expect(",");
                (path, tokens.operand())
            });
            return Condition::BeginsWith(path, prefix);
        }
        let left = self.operand();
        if self.takes("BETWEEN") {
            let from = self.operand();
            self.expect("AND");
            return Condition::Between(left, from, self.operand());
        }
        let comparison = match self.next() {
            "=" => Comparison::Equal,
            "<>" => Comparison::Unequal,
            "<" => Comparison::Less,
            "<=" => Comparison::AtMost,
            ">" => Comparison::More,
            ">=" => Comparison::AtLeast,
            other => self.stop(other),
        };
        Condition::Compared(left, comparison, self.operand())
    }

    fn bracketed<T>(&mut self, read: impl FnOnce(&mut Self) -> T) -> T {
        self.expect("(");
        let read = read(self);
        self.expect(")");
        read
    }

    fn changes(&mut self) -> Changes {
        let mut changes = Changes::default();
        while self.left.peek().is_some() {
            let section = self.next().to_ascii_uppercase();
            match section.as_str() {
                "SET" if changes.set.is_empty() => {
                    changes.set = self.separated(|tokens| {
                        let path = tokens.path();
                        tokens.expect("=");
                        (path, tokens.source())
                    });
                }
                "REMOVE" if changes.remove.is_empty() => {
                    changes.remove = self.separated(Self::path);
                }
                "ADD" if changes.add.is_empty() => {
                    changes.add = self.separated(|tokens| (tokens.path(), tokens.value()));
                }
                "DELETE" if changes.delete.is_empty() => {
                    changes.delete = self.separated(|tokens| (tokens.path(), tokens.value()));
                }
                other => self.stop(other),
            }
        }
        changes
    }

    fn source(&mut self) -> Source {
        if self.takes("if_not_exists") {
            return self.bracketed(|tokens| {
                let path = tokens.path();
                tokens.expect(",");
                Source::OrElse(path, tokens.operand())
            });
        }
        let first = self.operand();
        if self.takes("+") {
            Source::Sum(first, self.operand())
        } else if self.takes("-") {
            Source::Difference(first, self.operand())
        } else {
            Source::Of(first)
        }
    }
}

fn one_or(mut found: Vec<Condition>, of: impl FnOnce(Vec<Condition>) -> Condition) -> Condition {
    match found.pop() {
        Some(only) if found.is_empty() => only,
        last => {
            found.extend(last);
            of(found)
        }
    }
}

impl<'a> Bindings<'a> {
    pub(crate) fn name<'b>(&self, name: &'b str) -> Result<&'b str, Invalid>
    where
        'a: 'b,
    {
        if !name.starts_with('#') {
            return Ok(name);
        }
        let found = self.names.and_then(|names| names.get(name));
        found
            .map(String::as_str)
            .ok_or("An expression attribute name used in the document path is not defined")
    }

    fn names<'b>(&self, path: &'b [String]) -> Result<Vec<&'b str>, Invalid>
    where
        'a: 'b,
    {
        path.iter().map(|name| self.name(name)).collect()
    }

    pub(crate) fn value(&self, name: &str) -> Result<&'a Attribute, Invalid> {
        let found = self.values.and_then(|values| values.get(name));
        found.ok_or("An expression attribute value used in expression is not defined")
    }

    fn find<'b>(&self, path: &[String], item: &'b Item) -> Result<Option<&'b Attribute>, Invalid> {
        let mut parts = path.iter();
        let Some(first) = parts.next() else {
            return Ok(None);
        };
        let mut found = item.get(self.name(first)?);
        for part in parts {
            let name = self.name(part)?;
            found = match found {
                Some(Attribute::M(fields)) => fields.get(name),
                _ => None,
            };
        }
        Ok(found)
    }

    fn operand<'b>(&self, of: &Operand, item: &'b Item) -> Result<Option<&'b Attribute>, Invalid>
    where
        'a: 'b,
    {
        match of {
            Operand::Path(path) => self.find(path, item),
            Operand::Value(name) => self.value(name).map(Some),
        }
    }

    /// Refuses a condition that no item could make sense of.
    pub(crate) fn check(&self, condition: &Condition) -> Result<(), Invalid> {
        match condition {
            Condition::All(parts) | Condition::Any(parts) => {
                parts.iter().try_for_each(|part| self.check(part))
            }
            Condition::Exists(path) | Condition::Missing(path) => self.names(path).map(drop),
            Condition::BeginsWith(path, prefix) => {
                self.names(path)?;
                match self.known(prefix)? {
                    None | Some(Attribute::S(_)) => Ok(()),
                    Some(_) => Err(WRONG_OPERAND),
                }
            }
            Condition::Between(value, from, to) => {
                self.known(value)?;
                let (Some(from), Some(to)) = (self.known(from)?, self.known(to)?) else {
                    return Ok(());
                };
                if !has_order(from) || !has_order(to) {
                    return Err(WRONG_OPERAND);
                }
                if from.kind() != to.kind() || from > to {
                    return Err("The BETWEEN operator requires bounds in their order");
                }
                Ok(())
            }
            Condition::Compared(left, by, right) => {
                let is_ordering = !matches!(by, Comparison::Equal | Comparison::Unequal);
                for operand in [left, right] {
                    let known = self.known(operand)?;
                    if is_ordering && known.is_some_and(|value| !has_order(value)) {
                        return Err(WRONG_OPERAND);
                    }
                }
                Ok(())
            }
        }
    }

    /// The same of an update.
    pub(crate) fn check_changes(&self, changes: &Changes) -> Result<(), Invalid> {
        self.refuse_overlaps(changes)?;
        for (_, source) in &changes.set {
            let (operands, is_sum) = match source {
                Source::Of(operand) => (vec![operand], false),
                Source::OrElse(path, operand) => {
                    self.names(path)?;
                    (vec![operand], false)
                }
                Source::Sum(one, other) | Source::Difference(one, other) => {
                    (vec![one, other], true)
                }
            };
            for operand in operands {
                let known = self.known(operand)?;
                if is_sum && known.is_some_and(|value| !matches!(value, Attribute::N(_))) {
                    return Err(WRONG_OPERAND);
                }
            }
        }
        for (_, value) in &changes.add {
            if !matches!(self.value(value)?, Attribute::N(_) | Attribute::Ss(_)) {
                return Err(WRONG_OPERAND);
            }
        }
        for (_, value) in &changes.delete {
            if !matches!(self.value(value)?, Attribute::Ss(_)) {
                return Err(WRONG_OPERAND);
            }
        }
        Ok(())
    }

    /// What an operand is, whatever the item, if that is known.
    fn known(&self, operand: &Operand) -> Result<Option<&'a Attribute>, Invalid> {
        match operand {
            Operand::Path(path) => self.names(path).map(|_| None),
            Operand::Value(name) => self.value(name).map(Some),
        }
    }

    /// Whether an item fulfils a condition that was checked. An item that there is none of is an empty one.
    pub(crate) fn holds(&self, condition: &Condition, item: &Item) -> Result<bool, Invalid> {
        Ok(match condition {
            Condition::All(parts) => {
                for part in parts {
                    if !self.holds(part, item)? {
                        return Ok(false);
                    }
                }
                true
            }
            Condition::Any(parts) => {
                for part in parts {
                    if self.holds(part, item)? {
                        return Ok(true);
                    }
                }
                false
            }
            Condition::Exists(path) => self.find(path, item)?.is_some(),
            Condition::Missing(path) => self.find(path, item)?.is_none(),
            Condition::BeginsWith(path, prefix) => {
                match (self.find(path, item)?, self.operand(prefix, item)?) {
                    (Some(Attribute::S(text)), Some(Attribute::S(prefix))) => {
                        text.starts_with(prefix)
                    }
                    _ => false,
                }
            }
            Condition::Between(value, from, to) => {
                let value = self.operand(value, item)?;
                let (from, to) = (self.operand(from, item)?, self.operand(to, item)?);
                compared(value, Comparison::AtLeast, from)
                    && compared(value, Comparison::AtMost, to)
            }
            Condition::Compared(left, comparison, right) => compared(
                self.operand(left, item)?,
                *comparison,
                self.operand(right, item)?,
            ),
        })
    }

    /// Makes changes that were checked. What is read is read of the item as it was.
    pub(crate) fn apply(&self, changes: &Changes, item: &Item) -> Result<Item, Invalid> {
        let mut changed = item.clone();
        for (path, source) in &changes.set {
            let value = self.source(source, item)?;
            let path = self.names(path)?;
            let (fields, name) = parent(&mut changed, &path).ok_or(NO_SUCH_PLACE)?;
            fields.insert(name.to_owned(), value);
        }
        for path in &changes.remove {
            let path = self.names(path)?;
            let (fields, name) = parent(&mut changed, &path).ok_or(NO_SUCH_PLACE)?;
            fields.remove(name);
        }
        for (path, value) in &changes.add {
            let (path, value) = (self.names(path)?, self.value(value)?);
            let (fields, name) = parent(&mut changed, &path).ok_or(NO_SUCH_PLACE)?;
            let sum = match (fields.get(name), value) {
                (None, Attribute::N(_) | Attribute::Ss(_)) => value.clone(),
                (Some(Attribute::N(Number(before))), Attribute::N(Number(more))) => {
                    Attribute::N(Number(before + more))
                }
                (Some(Attribute::Ss(before)), Attribute::Ss(more)) => {
                    Attribute::Ss(before.union(more).cloned().collect())
                }
                _ => return Err(WRONG_TYPE),
            };
            fields.insert(name.to_owned(), sum);
        }
        for (path, value) in &changes.delete {
            let (path, value) = (self.names(path)?, self.value(value)?);
            let Attribute::Ss(less) = value else {
                return Err(WRONG_TYPE);
            };
            let (fields, name) = parent(&mut changed, &path).ok_or(NO_SUCH_PLACE)?;
            match fields.get_mut(name) {
                None => {}
                Some(Attribute::Ss(texts)) => {
                    texts.retain(|text| !less.contains(text));
                    if texts.is_empty() {
                        fields.remove(name);
                    }
                }
                Some(_) => return Err(WRONG_TYPE),
            }
        }
        Ok(changed)
    }

    fn source(&self, source: &Source, item: &Item) -> Result<Attribute, Invalid> {
        let known = |operand: &Operand| -> Result<Attribute, Invalid> {
            let found = self.operand(operand, item)?.cloned();
            found.ok_or(
                "The provided expression refers to an attribute that does not exist in the item",
            )
        };
        let number = |operand: &Operand| match known(operand)? {
            Attribute::N(Number(number)) => Ok(number),
            _ => Err(WRONG_TYPE),
        };
        match source {
            Source::Of(operand) => known(operand),
            Source::OrElse(path, operand) => match self.find(path, item)? {
                Some(found) => {
                    self.operand(operand, item)?;
                    Ok(found.clone())
                }
                None => known(operand),
            },
            Source::Sum(one, other) => Ok(Attribute::N(Number(number(one)? + number(other)?))),
            Source::Difference(from, less) => {
                Ok(Attribute::N(Number(number(from)? - number(less)?)))
            }
        }
    }

    /// The top-level attributes that an update changes.
    pub(crate) fn touched<'b>(&self, changes: &'b Changes) -> Result<Vec<&'b str>, Invalid>
    where
        'a: 'b,
    {
        let first = |path: &'b Path| path.first().map_or(Ok(""), |name| self.name(name));
        targets(changes).map(first).collect()
    }

    fn refuse_overlaps(&self, changes: &Changes) -> Result<(), Invalid> {
        let targets = targets(changes).map(|path| self.names(path));
        let mut targets = targets.collect::<Result<Vec<_>, _>>()?;
        targets.sort();
        // Sorted, what is within something comes right after it.
        let overlap = targets.windows(2).any(|two| two[1].starts_with(&two[0]));
        if overlap {
            return Err("Two document paths overlap with each other");
        }
        Ok(())
    }

    /// What a projection leaves of an item.
    pub(crate) fn project(&self, paths: &[Path], item: &Item) -> Result<Item, Invalid> {
        let mut left = Item::new();
        for path in paths {
            let [name] = path.as_slice() else {
                panic!("a part of an attribute is not projected: {path:?}");
            };
            let name = self.name(name)?;
            if let Some(value) = item.get(name) {
                left.insert(name.to_owned(), value.clone());
            }
        }
        Ok(left)
    }

    /// Whatever is given has to be used by one of these expressions.
    pub(crate) fn refuse_unused(&self, texts: &[Option<&String>]) -> Result<(), Invalid> {
        let mut used = BTreeSet::new();
        for text in texts.iter().copied().flatten() {
            used.extend(placeholders(text));
        }
        let is_unused = |name: &String| !used.contains(name.as_str());
        if self.names.is_some_and(|names| names.keys().any(is_unused)) {
            return Err("Value provided in ExpressionAttributeNames unused in expressions");
        }
        if self
            .values
            .is_some_and(|values| values.keys().any(is_unused))
        {
            return Err("Value provided in ExpressionAttributeValues unused in expressions");
        }
        Ok(())
    }
}

const NO_SUCH_PLACE: Invalid =
    "The document path provided in the update expression is invalid for update";
const WRONG_OPERAND: Invalid = "Incorrect operand type for operator or function";
const WRONG_TYPE: Invalid = "An operand in the update expression has an incorrect data type";

fn placeholders(text: &str) -> impl Iterator<Item = &str> {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '#' || c == ':';
    let words = text.split(move |c| !word(c));
    words.filter(|word| word.starts_with(['#', ':']))
}

fn targets(changes: &Changes) -> impl Iterator<Item = &Path> {
    let set = changes.set.iter().map(|(path, _)| path);
    let counted = changes
        .add
        .iter()
        .chain(&changes.delete)
        .map(|(path, _)| path);
    set.chain(&changes.remove).chain(counted)
}

fn has_order(value: &Attribute) -> bool {
    matches!(value, Attribute::S(_) | Attribute::N(_))
}

/// The map that holds the last part of a path, if there is one.
fn parent<'a, 'b>(item: &'a mut Item, path: &[&'b str]) -> Option<(&'a mut Item, &'b str)> {
    let (last, before) = path.split_last()?;
    let mut fields = item;
    for part in before {
        fields = match fields.get_mut(*part)? {
            Attribute::M(inner) => inner,
            _ => return None,
        };
    }
    Some((fields, last))
}

/// What is missing compares with nothing; what is of another type is unequal, and neither less nor more.
fn compared(left: Option<&Attribute>, by: Comparison, right: Option<&Attribute>) -> bool {
    let (Some(left), Some(right)) = (left, right) else {
        // <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.OperatorsAndFunctions.html>
        return by == Comparison::Unequal;
    };
    let order = match (left, right) {
        (Attribute::S(left), Attribute::S(right)) => Some(left.cmp(right)),
        (Attribute::N(left), Attribute::N(right)) => Some(left.cmp(right)),
        _ => None,
    };
    match by {
        Comparison::Equal => left == right,
        Comparison::Unequal => left != right,
        Comparison::Less => order.is_some_and(std::cmp::Ordering::is_lt),
        Comparison::AtMost => order.is_some_and(std::cmp::Ordering::is_le),
        Comparison::More => order.is_some_and(std::cmp::Ordering::is_gt),
        Comparison::AtLeast => order.is_some_and(std::cmp::Ordering::is_ge),
    }
}
