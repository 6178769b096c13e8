//! An answer before it is bytes, so that it can be stored under a key and given again.

use std::sync::atomic::{AtomicU64, Ordering};

use axum::Json;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::Value;

use crate::faults::Fault;

#[derive(Clone, Debug)]
pub(crate) struct Answer {
    status: StatusCode,
    /// `None` is an empty body, which `ShipStation` sends with some 404s.
    body: Option<Value>,
    headers: Vec<(&'static str, String)>,
}

impl Answer {
    pub(crate) fn new(status: StatusCode, body: Value) -> Self {
        Self {
            status,
            body: Some(body),
            headers: Vec::new(),
        }
    }

    pub(crate) fn ok(body: Value) -> Self {
        Self::new(StatusCode::OK, body)
    }

    pub(crate) fn empty(status: StatusCode) -> Self {
        Self {
            status,
            body: None,
            headers: Vec::new(),
        }
    }

    pub(crate) fn with_header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let mut response = match self.body {
            Some(body) => (self.status, Json(body)).into_response(),
            None => self.status.into_response(),
        };
        for (name, value) in self.headers {
            if let Ok(value) = HeaderValue::from_str(&value) {
                response
                    .headers_mut()
                    .insert(HeaderName::from_static(name), value);
            }
        }
        response
    }
}

/// Numbers the requests of this process, for the providers' request ids.
pub(crate) fn request_number() -> u64 {
    static LAST: AtomicU64 = AtomicU64::new(0);
    LAST.fetch_add(1, Ordering::Relaxed) + 1
}

/// The status a fault or a client asked for, as far as it is one.
pub(crate) fn status(code: u16) -> StatusCode {
    StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// How a provider says what is said on the way of every call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dialect {
    /// A planted error.
    pub(crate) planted: fn(&Fault) -> Answer,
    /// The first request with this idempotency key has no answer yet.
    pub(crate) key_in_use: fn() -> Answer,
    /// This idempotency key came with another request before.
    pub(crate) key_of_another_request: fn() -> Answer,
}
