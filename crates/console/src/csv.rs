//! A list of orders for a spreadsheet.

use axum::http::HeaderValue;
use axum::http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE, LINK};
use axum::response::{IntoResponse as _, Response};
use domain::{TaskError, Timestamp};
use operations::{ProcessState, Projection};

use crate::answer::problem_of;
use crate::look::Looked;
use crate::request::PageRequest;
use crate::view::{View, link};
use crate::{Console, Failed};

const HEADS: [&str; 8] = [
    "order_id", "status", "state", "received", "since", "amount", "currency", "error",
];

/// A cell that no spreadsheet takes for a formula, and no comma or line break ends.
/// <https://owasp.org/www-community/attacks/CSV_Injection>, RFC 4180.
fn cell(text: &str) -> String {
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let text = if formula {
        format!("'{text}")
    } else {
        text.to_owned()
    };
    if text.contains([',', '"', '\r', '\n']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text
    }
}

fn line(order: &Projection) -> String {
    let state = order.state.or(order.failed_in);
    let error = order.error.map(TaskError::from);
    let error = order.last_error.clone().or(error);
    let cells = [
        order.order_id.to_string(),
        order.status.to_string(),
        state.map_or("", ProcessState::as_str).to_owned(),
        order.received_at.to_string(),
        order.since.to_string(),
        order.total.decimal(),
        order.total.currency().to_string(),
        error.map(String::from).unwrap_or_default(),
    ];
    cells.map(|text| cell(&text)).join(",") + "\r\n"
}

fn written(orders: &[Projection]) -> String {
    let lines = orders.iter().map(line);
    std::iter::once(HEADS.join(",") + "\r\n")
        .chain(lines)
        .collect()
}

impl Console {
    /// `GET /orders.csv`: the orders of a view, as many as are found by the requests of one page. What is left
    /// is at `Link: …; rel="next"`.
    pub(crate) async fn csv(
        &self,
        request: &PageRequest,
        now: Timestamp,
    ) -> Result<Response, Failed> {
        let view = match View::of(request) {
            Ok(view) => view,
            Err(invalid) => return Ok(problem_of(&invalid)),
        };
        let from = request.query("cursor");
        let Some(looked) = self.look(&view, from, usize::MAX, now).await? else {
            return Ok(problem_of(&[crate::view::no_such_place()]));
        };
        Ok(answered(&view, looked))
    }
}

fn answered(view: &View, looked: Looked) -> Response {
    let next = looked.next.map(|next| {
        let mut pairs = view.pairs();
        pairs.push(("cursor", next));
        link("orders.csv", &pairs)
    });
    file("orders.csv", written(&looked.found), next.as_deref())
}

/// A file for a spreadsheet, and where it goes on.
pub(crate) fn file(name: &str, content: String, next: Option<&str>) -> Response {
    let csv = HeaderValue::from_static("text/csv; charset=utf-8");
    let private = HeaderValue::from_static("private, no-store");
    let headers = [(CONTENT_TYPE, csv), (CACHE_CONTROL, private)];
    let mut response = (headers, content).into_response();
    let named = format!("attachment; filename=\"{name}\"");
    let next = next.map(|next| format!("<{next}>; rel=\"next\""));
    for (header, value) in [(CONTENT_DISPOSITION, Some(named)), (LINK, next)] {
        // Made of our own words and of percent-encoded ones.
        if let Some(Ok(value)) = value.as_deref().map(HeaderValue::from_str) {
            response.headers_mut().insert(header, value);
        }
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_is_a_formula_or_ends_early() {
        for (text, expected) in [
            ("ord-1", "ord-1"),
            ("=1+1", "'=1+1"),
            ("+1", "'+1"),
            ("-1", "'-1"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("\t=1", "'\t=1"),
            ("\r=1", "\"'\r=1\""),
            (
                "=HYPERLINK(\"x\",\"y\")",
                "\"'=HYPERLINK(\"\"x\"\",\"\"y\"\")\"",
            ),
            ("a,b", "\"a,b\""),
            ("a\nb", "\"a\nb\""),
            ("", ""),
        ] {
            assert_eq!(cell(text), expected);
        }
    }
}
