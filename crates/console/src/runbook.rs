//! What to do when something is wrong: the runbook as it was when this version was built.

use axum::http::StatusCode;
use axum::response::Response;
use domain::Timestamp;

use crate::Console;
use crate::answer::page;
use crate::frame::Frame;
use crate::operator::Operator;
use crate::request::PageRequest;

#[derive(askama::Template)]
#[template(path = "runbook.html")]
struct Runbook<'a> {
    frame: Frame<'a>,
    contents: &'static str,
    text: &'static str,
}

impl Console {
    pub(crate) fn runbook(
        &self,
        request: &PageRequest,
        operator: &Operator,
        now: Timestamp,
    ) -> Response {
        let frame = Frame::of(self, request, operator, None, now);
        let shown = Runbook {
            frame: frame.titled("Runbook").still(),
            contents: include_str!(concat!(env!("OUT_DIR"), "/contents.html")),
            text: include_str!(concat!(env!("OUT_DIR"), "/runbook.html")),
        };
        page(StatusCode::OK, &shown)
    }
}
