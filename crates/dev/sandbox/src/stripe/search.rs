//! The part of the search query language that finds an intent by our own ids,
//! <https://docs.stripe.com/search#search-query-language>: exact matches joined by AND. A match is
//! case-insensitive there, so callers have to compare what they get.

use super::errors;
use super::form::Form;
use super::intent::Intent;
use super::lists;
use crate::answer::Answer;

#[derive(Debug)]
pub(crate) struct Query {
    clauses: Vec<Clause>,
    pub(crate) limit: usize,
    /// How many were on the pages before.
    pub(crate) skipped: usize,
}

#[derive(Debug, Eq, PartialEq)]
enum Clause {
    Metadata { key: String, value: String },
    Status(String),
}

impl Query {
    pub(crate) fn read(form: &Form) -> Result<Self, Answer> {
        form.allow(&["query", "limit", "expand", "page"])?;
        let text = form.required("query")?;
        let limit = lists::limit(form)?;
        let skipped = match form.get("page").map(str::parse) {
            None => 0,
            Some(Ok(skipped)) => skipped,
            Some(Err(_)) => {
                let message = "A page is what `next_page` of the one before says.";
                return Err(errors::bad_value("page", message));
            }
        };
        let clauses = clauses(text).ok_or_else(|| {
            let message =
                "The sandbox reads metadata['key']:'value' and status:'value', joined by AND.";
            errors::bad_value("query", message)
        })?;
        Ok(Self {
            clauses,
            limit,
            skipped,
        })
    }

    /// The order that a search by our metadata is about.
    pub(crate) fn order_id(&self) -> Option<String> {
        self.clauses.iter().find_map(|clause| match clause {
            Clause::Metadata { key, value } if key == "order_id" => Some(value.clone()),
            Clause::Metadata { .. } | Clause::Status(_) => None,
        })
    }

    pub(crate) fn matches(&self, intent: &Intent) -> bool {
        self.clauses.iter().all(|clause| match clause {
            Clause::Metadata { key, value } => intent
                .metadata
                .get(key)
                .is_some_and(|has| has.to_lowercase() == value.to_lowercase()),
            Clause::Status(status) => intent.status.as_str().eq_ignore_ascii_case(status),
        })
    }
}

fn clauses(text: &str) -> Option<Vec<Clause>> {
    let (first, mut rest) = clause(text.trim())?;
    let mut all = vec![first];
    while !rest.trim().is_empty() {
        // AND between words; the value's own text is already taken.
        let next = rest.trim_start().strip_prefix("AND ")?;
        let (one, after) = clause(next.trim_start())?;
        all.push(one);
        rest = after;
    }
    Some(all)
}

fn clause(text: &str) -> Option<(Clause, &str)> {
    if let Some(rest) = text.strip_prefix("metadata[") {
        let (key, rest) = quoted(rest)?;
        let (value, rest) = quoted(rest.strip_prefix("]:")?)?;
        Some((Clause::Metadata { key, value }, rest))
    } else {
        let (value, rest) = quoted(text.strip_prefix("status:")?)?;
        Some((Clause::Status(value), rest))
    }
}

/// A string in single or double quotes, with backslash before a quote of its own.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut characters = text.char_indices();
    let (_, quote @ ('\'' | '"')) = characters.next()? else {
        return None;
    };
    let mut value = String::new();
    while let Some((at, character)) = characters.next() {
        match character {
            '\\' => value.push(characters.next()?.1),
            end if end == quote => return Some((value, text.get(at + 1..)?)),
            other => value.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metadata(key: &str, value: &str) -> Clause {
        Clause::Metadata {
            key: key.to_owned(),
            value: value.to_owned(),
        }
    }

    #[test]
    fn conjunctions_of_metadata_are_read() {
        let read = clauses(r#"metadata['order_id']:'ord-1' AND metadata["attempt"]:"2""#);
        assert_eq!(
            read,
            Some(vec![
                metadata("order_id", "ord-1"),
                metadata("attempt", "2")
            ])
        );
    }

    #[test]
    fn quotes_and_the_word_and_inside_a_value_belong_to_it() {
        let read = clauses(r"metadata['k']:'it\'s AND more' AND status:'canceled'");
        let status = Clause::Status("canceled".to_owned());
        assert_eq!(read, Some(vec![metadata("k", "it's AND more"), status]));
    }

    #[test]
    fn what_the_language_has_beyond_that_is_refused() {
        for text in [
            "",
            "metadata['k']:",
            "amount>1",
            "metadata['k']:'v' OR status:'x'",
            "metadata['k']:'v",
        ] {
            assert_eq!(clauses(text), None, "{text}");
        }
    }
}
