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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// What `read` makes of a field `a` with this value, or what is found wrong with it.
    fn of<T>(
        value: &Value,
        read: impl FnOnce(&mut Fields<'_>, &mut Vec<Violation>) -> T,
    ) -> Result<T, Vec<String>> {
        let (document, mut found) = (json!({"a": value}), Vec::new());
        let mut fields = Fields::of(Some(&document), "/in".to_owned(), &mut found);
        let read = read(&mut fields, &mut found);
        fields.finish(&mut found);
        if found.is_empty() {
            return Ok(read);
        }
        Err(found.iter().map(ToString::to_string).collect())
    }

    fn wrong<T>(reason: &str) -> Result<T, Vec<String>> {
        Err(vec![format!("/in/a {reason}")])
    }

    #[test]
    fn a_text_has_a_length_and_neither_control_characters_nor_spaces_only() {
        let max = Text { max: 3 };
        let length = "must be 1 to 3 characters, not only spaces";
        for (value, expected) in [
            (json!("a"), Ok("a")),
            // Characters are counted, not bytes.
            (json!("äöü"), Ok("äöü")),
            (json!("äöüä"), Err(length)),
            (json!(""), Err(length)),
            (json!("  "), Err(length)),
            (json!("a\n"), Err("must not contain control characters")),
            (json!(1), Err("must be a string")),
        ] {
            let expected = match expected {
                Ok(text) => Ok(Some(text.to_owned())),
                Err(reason) => wrong(reason),
            };
            let read = of(&value, |fields, found| fields.text("a", max, found));
            assert_eq!(read, expected, "{value}");
            let read = of(&value, |fields, found| {
                fields.optional_text("a", max, found)
            });
            assert_eq!(read, expected, "{value}");
        }
    }

    #[test]
    fn an_optional_text_may_be_null_or_left_out_and_another_one_may_not_be_null() {
        let max = Text { max: 3 };
        let optional = |field| {
            move |fields: &mut Fields<'_>, found: &mut Vec<Violation>| {
                fields.get("a");
                fields.optional_text(field, max, found)
            }
        };
        assert_eq!(of(&Value::Null, optional("a")), Ok(None));
        assert_eq!(of(&json!("b"), optional("other")), Ok(None));
        let null = of(&Value::Null, |fields, found| fields.text("a", max, found));
        assert_eq!(null, wrong("must be a string"));
        let left_out = of(&json!("b"), |fields, found| {
            fields.get("a");
            fields.optional::<u8>("other", found)
        });
        assert_eq!(left_out, Ok(None));
        let null = of(&Value::Null, |fields, found| {
            fields.optional::<u8>("a", found)
        });
        assert_eq!(null, wrong("must be a string"));
    }

    #[test]
    fn an_integer_has_no_sign_fraction_or_exponent_and_passes_its_check() {
        let even = |integer: u64| {
            let is_even = integer.is_multiple_of(2);
            is_even.then_some(integer).ok_or("must be even")
        };
        let not_one = "must be an integer, 0 or more";
        for (value, expected) in [
            (json!(0), Ok(0)),
            (json!(u64::MAX - 1), Ok(u64::MAX - 1)),
            (json!(3), Err("must be even")),
            (json!(-2), Err(not_one)),
            (json!(2.0), Err(not_one)),
            (json!("2"), Err(not_one)),
            (Value::Null, Err(not_one)),
        ] {
            let expected = match expected {
                Ok(integer) => Ok(Some(integer)),
                Err(reason) => wrong(reason),
            };
            let read = of(&value, |fields, found| fields.integer("a", found, even));
            assert_eq!(read, expected);
        }
    }

    #[test]
    fn what_is_inside_is_an_array_or_an_object_and_knows_where_it_is() {
        let array = |fields: &mut Fields<'_>, found: &mut Vec<Violation>| {
            fields.array("a", found).map(Vec::len)
        };
        assert_eq!(of(&json!([1, 2]), array), Ok(Some(2)));
        assert_eq!(of(&json!({}), array), wrong("must be an array"));
        let object = |fields: &mut Fields<'_>, found: &mut Vec<Violation>| {
            let mut inner = fields.object("a", found);
            let read = inner.parsed::<u8>("b", found);
            inner.finish(found);
            read
        };
        assert_eq!(of(&json!({"b": "7"}), object), Ok(Some(7)));
        assert_eq!(of(&json!([]), object), wrong("must be an object"));
        let inside = |reason: &str| Err(vec![format!("/in/a/b {reason}")]);
        assert_eq!(of(&json!({}), object), inside("is missing"));
        assert_eq!(of(&json!({"b": 7}), object), inside("must be a string"));
        let unknown = vec!["/in/a/c~1~0 is not a known field; remove it".to_owned()];
        assert_eq!(of(&json!({"b": "7", "c/~": 1}), object), Err(unknown));
        let optional = |fields: &mut Fields<'_>, found: &mut Vec<Violation>| {
            fields.optional_object("a", found).is_some()
        };
        assert_eq!(of(&json!({}), optional), Ok(true));
        assert_eq!(of(&json!(1), optional), wrong("must be an object"));
    }

    #[test]
    fn of_an_object_that_is_not_there_nothing_else_is_told() {
        let mut found = Vec::new();
        let mut fields = Fields::of(None, "/in".to_owned(), &mut found);
        assert!(!fields.has("a"));
        assert_eq!(fields.parsed::<u8>("a", &mut found), None);
        let inner = fields.object("b", &mut found);
        assert_eq!(inner.pointer("c"), "/in/b/c");
        inner.finish(&mut found);
        fields.finish(&mut found);
        let told: Vec<String> = found.iter().map(ToString::to_string).collect();
        assert_eq!(told, ["/in is missing"]);
    }
}
