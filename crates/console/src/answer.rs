//! Answers of the page.

use askama::Template;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderName, LOCATION, SET_COOKIE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum_extra::extract::cookie::{Cookie, SameSite};
use operations::filter::Invalid;
use serde_json::json;
use tracing::error;
use web::Problem;

use crate::list::encoded;
use crate::request::{FLASH, PageRequest, tag_of};

/// What a page may load: what we serve ourselves, and nothing else.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
    connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

const HTML: &str = "text/html; charset=utf-8";

/// Four bytes a letter at the most, each written with three: a browser keeps 4 kB.
const LONGEST_FLASH: usize = 320;

/// Keeps other people's pages and scripts out of every answer.
pub(crate) async fn with_policy(mut response: Response) -> Response {
    let policy = HeaderName::from_static("content-security-policy");
    let headers = response.headers_mut();
    headers.insert(policy, HeaderValue::from_static(POLICY));
    response
}

fn html(status: StatusCode, text: String) -> Response {
    let html = HeaderValue::from_static(HTML);
    (status, [(CONTENT_TYPE, html)], text).into_response()
}

fn not_written(defect: &askama::Error) -> Response {
    error!(%defect, "failed to write a page");
    let text = "The page could not be written: a defect of ours.";
    (StatusCode::INTERNAL_SERVER_ERROR, text).into_response()
}

/// A page.
pub(crate) fn page(status: StatusCode, page: &impl Template) -> Response {
    match page.render() {
        Ok(text) => html(status, text),
        Err(defect) => not_written(&defect),
    }
}

/// Look there, where this is said once.
pub(crate) fn see_other_told(location: &str, told: &str) -> Response {
    with_flash(see_other(location), told)
}

/// A page that is polled: unchanged, it is not sent again.
pub(crate) fn live(request: &PageRequest, shown: &impl Template) -> Response {
    let text = match shown.render() {
        Ok(text) => text,
        Err(defect) => return not_written(&defect),
    };
    let tag = format!("W/\"{}\"", tag_of(text.as_bytes()));
    let mut response = if request.header("if-none-match") == Some(tag.as_str()) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        html(StatusCode::OK, text)
    };
    let headers = response.headers_mut();
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        headers.insert(ETAG, tag);
    }
    // To be kept by whoever asked, and asked about each time.
    let private = HeaderValue::from_static("private, no-cache");
    headers.insert(CACHE_CONTROL, private);
    response
}

/// Something that never changes under its name.
pub(crate) fn asset(content_type: &'static str, content: &'static str) -> Response {
    let content_type = HeaderValue::from_static(content_type);
    let for_good = HeaderValue::from_static("public, max-age=31536000, immutable");
    let headers = [(CONTENT_TYPE, content_type), (CACHE_CONTROL, for_good)];
    (headers, content).into_response()
}

/// Look there.
pub(crate) fn see_other(location: &str) -> Response {
    match HeaderValue::from_str(location) {
        Ok(location) => (StatusCode::SEE_OTHER, [(LOCATION, location)]).into_response(),
        // Made of our own words and of percent-encoded ones.
        Err(_) => StatusCode::BAD_REQUEST.into_response(),
    }
}

/// What is wrong with an address, for a program: each part by its name.
pub(crate) fn problem_of(invalid: &[Invalid]) -> Response {
    let said: Vec<&str> = invalid.iter().map(|invalid| invalid.why.as_str()).collect();
    let parts: Vec<_> = invalid
        .iter()
        .map(|invalid| json!({"name": invalid.name, "why": invalid.why}))
        .collect();
    Problem::new(StatusCode::BAD_REQUEST, "Not a filter", &said.join(" "))
        .with("invalid", json!(parts))
        .into_response()
}

/// The same with a cookie that scripts cannot read and other sites cannot send with a form.
pub(crate) fn with_cookie(
    mut response: Response,
    name: &str,
    value: &str,
    seconds: u64,
) -> Response {
    let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
    let cookie = Cookie::build((name, value))
        .path("/")
        .max_age(time::Duration::seconds(seconds))
        .http_only(true)
        .secure(true)
        .same_site(SameSite::Lax);
    if let Ok(cookie) = HeaderValue::from_str(&cookie.to_string()) {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    response
}

/// The same, and the next page says this: as much of it as a cookie holds.
pub(crate) fn with_flash(response: Response, text: &str) -> Response {
    let text: String = text.chars().take(LONGEST_FLASH).collect();
    with_cookie(response, FLASH, &encoded(&text), 60)
}

/// A page that has said something. What is said once is not kept: a browser that goes back would show it again.
pub(crate) fn said_once(mut response: Response) -> Response {
    let is_page = response
        .headers()
        .get(CONTENT_TYPE)
        .is_some_and(|of| of == HTML);
    if response.status() != StatusCode::OK || !is_page {
        return response;
    }
    let headers = response.headers_mut();
    headers.remove(ETAG);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    with_cookie(response, FLASH, "", 0)
}

/// The same for a page that has asked for newer numbers: they are there in a moment.
pub(crate) fn soon(mut response: Response) -> Response {
    let name = HeaderName::from_static("refresh-in");
    let headers = response.headers_mut();
    headers.insert(name, HeaderValue::from_static("1"));
    response
}
