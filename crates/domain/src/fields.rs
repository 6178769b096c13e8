//! Reads a JSON document and collects every violation instead of stopping at the first.

use serde_json::{Map, Value};

use crate::violation::Violation;

/// One JSON object under inspection. Fields that nobody asked for are violations too.
pub(crate) struct Fields<'a> {
    object: Option<&'a Map<String, Value>>,
    pointer: String,
    asked: Vec<&'static str>,
}

/// Bounds and characters of a text field.
#[derive(Clone, Copy)]
pub(crate) struct Text {
    /// At most this many characters.
    pub(crate) max: usize,
}

impl<'a> Fields<'a> {
    pub(crate) fn of(
        value: Option<&'a Value>,
        pointer: String,
        found: &mut Vec<Violation>,
    ) -> Self {
        let object = match value {
            Some(Value::Object(object)) => Some(object),
            Some(_) => {
                found.push(Violation::new(&pointer, "must be an object"));
                None
            }
            None => {
                found.push(Violation::new(&pointer, "is missing"));
                None
            }
        };
        Self {
            object,
            pointer,
            asked: Vec::new(),
        }
    }

    pub(crate) fn pointer(&self, field: &str) -> String {
        format!("{}/{field}", self.pointer)
    }

    pub(crate) fn get(&mut self, field: &'static str) -> Option<&'a Value> {
        self.asked.push(field);
        self.object.and_then(|object| object.get(field))
    }

    /// Whether it is there at all.
    pub(crate) fn has(&self, field: &str) -> bool {
        self.object.is_some_and(|object| object.contains_key(field))
    }

    /// Reads `field` with `read`; a missing field is a violation, unless the object itself is missing.
    fn required<T>(
        &mut self,
        field: &'static str,
        found: &mut Vec<Violation>,
        read: impl FnOnce(&'a Value) -> Result<T, String>,
    ) -> Option<T> {
        let value = self.get(field);
        self.object?;
        let read = value.map_or_else(|| Err("is missing".to_owned()), read);
        read.map_err(|reason| found.push(Violation::new(&self.pointer(field), reason)))
            .ok()
    }

    /// A text that is parsed into a type of its own.
    pub(crate) fn parsed<T>(&mut self, field: &'static str, found: &mut Vec<Violation>) -> Option<T>
    where
        T: std::str::FromStr,
        T::Err: std::fmt::Display,
    {
        self.required(field, found, |value| {
            let text = value.as_str().ok_or("must be a string")?;
            text.parse().map_err(|error: T::Err| error.to_string())
        })
    }

    pub(crate) fn text(
        &mut self,
        field: &'static str,
        text: Text,
        found: &mut Vec<Violation>,
    ) -> Option<String> {
        self.required(field, found, |value| text.read(value))
    }

    /// A text that may be null or left out.
    pub(crate) fn optional_text(
        &mut self,
        field: &'static str,
        text: Text,
        found: &mut Vec<Violation>,
    ) -> Option<String> {
        match self.get(field) {
            None | Some(Value::Null) => None,
            Some(value) => text
                .read(value)
                .map_err(|reason| found.push(Violation::new(&self.pointer(field), reason)))
                .ok(),
        }
    }

    /// The same for a text that may be left out.
    pub(crate) fn optional<T>(
        &mut self,
        field: &'static str,
        found: &mut Vec<Violation>,
    ) -> Option<T>
    where
        T: std::str::FromStr,
        T::Err: std::fmt::Display,
    {
        self.get(field)?;
        self.parsed(field, found)
    }

    /// An object that may be left out.
    pub(crate) fn optional_object(
        &mut self,
        field: &'static str,
        found: &mut Vec<Violation>,
    ) -> Option<Fields<'a>> {
        self.get(field)?;
        Some(self.object(field, found))
    }

    /// An integer without sign, fraction or exponent.
    pub(crate) fn integer<T, E>(
        &mut self,
        field: &'static str,
        found: &mut Vec<Violation>,
        check: impl FnOnce(u64) -> Result<T, E>,
    ) -> Option<T>
    where
        E: std::fmt::Display,
    {
        self.required(field, found, |value| {
            let integer = value.as_u64().ok_or("must be an integer, 0 or more")?;
            check(integer).map_err(|error| error.to_string())
        })
    }

    pub(crate) fn array(
        &mut self,
        field: &'static str,
        found: &mut Vec<Violation>,
    ) -> Option<&'a Vec<Value>> {
        self.required(field, found, |value| {
            value
                .as_array()
                .ok_or_else(|| "must be an array".to_owned())
        })
    }

    pub(crate) fn object(&mut self, field: &'static str, found: &mut Vec<Violation>) -> Fields<'a> {
        let value = self.get(field);
        let pointer = self.pointer(field);
        if self.object.is_none() {
            // The parent's own violation says enough.
            return Fields {
                object: None,
                pointer,
                asked: Vec::new(),
            };
        }
        Fields::of(value, pointer, found)
    }

    /// Everything was asked for: what is left is unknown, and refused.
    pub(crate) fn finish(self, found: &mut Vec<Violation>) {
        for name in self.object.into_iter().flat_map(Map::keys) {
            if !self.asked.contains(&name.as_str()) {
                let escaped = name.replace('~', "~0").replace('/', "~1");
                found.push(Violation::new(
                    &self.pointer(&escaped),
                    "is not a known field; remove it",
                ));
            }
        }
    }
}

impl Text {
    fn read(self, value: &Value) -> Result<String, String> {
        let text = value.as_str().ok_or("must be a string")?;
        let max = self.max;
        if text.trim().is_empty() || text.chars().count() > max {
            return Err(format!("must be 1 to {max} characters, not only spaces"));
        }
        // Control characters would let a document forge lines of mails, labels and logs.
        if text.chars().any(char::is_control) {
            return Err("must not contain control characters".to_owned());
        }
        Ok(text.to_owned())
    }
}
