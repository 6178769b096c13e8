//! Form-encoded parameters, nested ones as `metadata[order_id]`, lists as `expand[]`.

use std::collections::BTreeMap;

use axum::extract::Query;
use axum::http::Uri;

use super::errors;
use crate::answer::Answer;
use crate::exchange::Received;

#[derive(Debug)]
pub(crate) struct Form(Vec<(String, String)>);

impl Form {
    pub(crate) fn of_query(received: &Received) -> Result<Self, Answer> {
        let pairs = received.query();
        pairs
            .map(Self)
            .ok_or_else(|| errors::bad_value("query", "The query string is not form-encoded."))
    }

    pub(crate) fn of_body(received: &Received) -> Result<Self, Answer> {
        let body = match &received.body {
            Ok(body) => body,
            Err(status) => return Err(errors::unreadable(*status)),
        };
        if body.is_empty() {
            return Ok(Self(Vec::new()));
        }
        let form = received
            .header("content-type")
            .is_some_and(|kind| kind.starts_with("application/x-www-form-urlencoded"));
        if !form {
            return Err(errors::bad_value(
                "body",
                "Send parameters as application/x-www-form-urlencoded.",
            ));
        }
        // A form is encoded as a query is, so axum's decoder for those serves both.
        let uri = str::from_utf8(body)
            .ok()
            .and_then(|body| format!("/?{body}").parse::<Uri>().ok());
        uri.and_then(|uri| Query::try_from_uri(&uri).ok())
            .map(|Query(pairs)| Self(pairs))
            .ok_or_else(|| errors::bad_value("body", "The body is not form-encoded."))
    }

    /// Refuses what the endpoint does not know, by the name before any bracket.
    pub(crate) fn allow(&self, known: &[&str]) -> Result<(), Answer> {
        for (name, _) in &self.0 {
            let root = name.split('[').next().unwrap_or(name);
            if !known.contains(&root) {
                return Err(errors::unknown(root));
            }
        }
        Ok(())
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let mut named = self.0.iter().filter(|(given, _)| given == name);
        named.next_back().map(|(_, value)| value.as_str())
    }

    /// `name`, and every `name[…]`.
    pub(crate) fn under(&self, name: &str) -> impl Iterator<Item = (&str, &str)> {
        let its = self.0.iter().filter(move |(given, _)| {
            let rest = given.strip_prefix(name);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('['))
        });
        its.map(|(given, value)| (given.as_str(), value.as_str()))
    }

    pub(crate) fn required(&self, name: &str) -> Result<&str, Answer> {
        match self.get(name) {
            Some(value) if !value.is_empty() => Ok(value),
            Some(_) | None => Err(errors::missing(name)),
        }
    }

    /// A positive number of minor units.
    pub(crate) fn amount(&self, name: &str) -> Result<Option<u64>, Answer> {
        let Some(value) = self.get(name) else {
            return Ok(None);
        };
        match value.parse() {
            Ok(0) => Err(errors::bad_value(
                name,
                "This value must be greater than or equal to 1.",
            )),
            Ok(amount) => Ok(Some(amount)),
            Err(_) => Err(errors::not_an_integer(name, value)),
        }
    }

    /// `name[]` or `name[0]`.
    pub(crate) fn list(&self, name: &str) -> Vec<String> {
        let entries = self.0.iter().filter(|(given, _)| {
            given
                .strip_prefix(name)
                .is_some_and(|rest| rest.starts_with('[') && rest.ends_with(']'))
        });
        entries.map(|(_, value)| value.clone()).collect()
    }

    pub(crate) fn metadata(&self) -> BTreeMap<String, String> {
        let entries = self.0.iter().filter_map(|(name, value)| {
            let key = name.strip_prefix("metadata[")?.strip_suffix(']')?;
            Some((key.to_owned(), value.clone()))
        });
        entries.collect()
    }

    /// The same for the same parameters in any order.
    pub(crate) fn canonical(&self) -> String {
        let mut pairs: Vec<_> = self.0.iter().map(|pair| format!("{pair:?}")).collect();
        pairs.sort();
        pairs.concat()
    }
}
