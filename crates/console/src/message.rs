//! A page that says one thing.

use axum::http::StatusCode;
use axum::response::Response;

use crate::answer::page;
use crate::frame::Frame;

#[derive(askama::Template)]
#[template(path = "message.html")]
struct Message<'a> {
    frame: Frame<'a>,
    code: u16,
    heading: &'a str,
    text: &'a str,
}

/// A page that says one thing.
pub(crate) fn message(status: StatusCode, frame: Frame<'_>, heading: &str, text: &str) -> Response {
    let shown = Message {
        frame: frame.titled(heading).still(),
        code: status.as_u16(),
        heading,
        text,
    };
    page(status, &shown)
}
