//! Answers, each with the headers that keep other people's pages and scripts out.

use askama::Template;
use lambda_http::http::header::{
    CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderName, LOCATION, REFERRER_POLICY, RETRY_AFTER,
    SET_COOKIE, STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS,
};
use lambda_http::http::{HeaderValue, StatusCode};
use lambda_http::{Body, Response};
use serde::Serialize;
use serde_json::json;
use tracing::error;

use crate::request::{Asked, tag_of};

/// What a page may load: what we serve ourselves, and nothing else.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
    connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// An answer.
pub(crate) type Answer = Response<Body>;

fn answer(status: StatusCode, content_type: &'static str, body: Body) -> Answer {
    let mut answer = Response::new(body);
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    let year = HeaderValue::from_static("max-age=31536000");
    headers.insert(STRICT_TRANSPORT_SECURITY, year);
    let policy = HeaderName::from_static("content-security-policy");
    headers.insert(policy, HeaderValue::from_static(POLICY));
    answer
}

/// A page.
pub(crate) fn page(status: StatusCode, page: &impl Template) -> Answer {
    match page.render() {
        Ok(html) => answer(status, "text/html; charset=utf-8", Body::Text(html)),
        Err(defect) => {
            error!(%defect, "page not written");
            let body = Body::from("The page could not be written: a defect of ours.");
            answer(
                StatusCode::INTERNAL_SERVER_ERROR,
                "text/plain; charset=utf-8",
                body,
            )
        }
    }
}

/// A page that is polled: unchanged, it is not sent again.
pub(crate) fn live(asked: &Asked, shown: &impl Template) -> Answer {
    let mut answer = page(StatusCode::OK, shown);
    let Body::Text(html) = answer.body() else {
        return answer;
    };
    let tag = format!("W/\"{}\"", tag_of(html.as_bytes()));
    let unchanged = asked.header("if-none-match") == Some(tag.as_str());
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        answer.headers_mut().insert(ETAG, tag);
    }
    // To be kept by whoever asked, and asked about each time.
    let private = HeaderValue::from_static("private, no-cache");
    answer.headers_mut().insert(CACHE_CONTROL, private);
    if unchanged {
        *answer.status_mut() = StatusCode::NOT_MODIFIED;
        *answer.body_mut() = Body::Empty;
    }
    answer
}

/// Something that never changes under its name.
pub(crate) fn asset(content_type: &'static str, content: &'static str) -> Answer {
    let mut answer = answer(StatusCode::OK, content_type, Body::from(content));
    let for_good = HeaderValue::from_static("public, max-age=31536000, immutable");
    answer.headers_mut().insert(CACHE_CONTROL, for_good);
    answer
}

/// Look there.
pub(crate) fn see_other(location: &str) -> Answer {
    let mut answer = answer(
        StatusCode::SEE_OTHER,
        "text/plain; charset=utf-8",
        Body::Empty,
    );
    match HeaderValue::from_str(location) {
        Ok(location) => {
            answer.headers_mut().insert(LOCATION, location);
        }
        // Made of our own words and of percent-encoded ones.
        Err(_) => *answer.status_mut() = StatusCode::BAD_REQUEST,
    }
    answer
}

/// JSON.
pub(crate) fn json_of(status: StatusCode, body: &impl Serialize) -> Answer {
    // Our own types always serialise.
    let text = serde_json::to_string(body).unwrap_or_default();
    answer(status, "application/json", Body::Text(text))
}

/// A problem, as RFC 9457 has it.
pub(crate) fn problem(status: StatusCode, title: &str, detail: &str) -> Answer {
    let body =
        json!({"type": "about:blank", "title": title, "status": status.as_u16(), "detail": detail});
    let mut answer = answer(
        status,
        "application/problem+json",
        Body::Text(body.to_string()),
    );
    if status == StatusCode::SERVICE_UNAVAILABLE {
        answer
            .headers_mut()
            .insert(RETRY_AFTER, HeaderValue::from_static("1"));
    }
    answer
}

/// The same with a cookie that scripts cannot read and other sites cannot send with a form.
pub(crate) fn with_cookie(mut answer: Answer, name: &str, value: &str, seconds: u64) -> Answer {
    let cookie =
        format!("{name}={value}; Path=/; Max-Age={seconds}; HttpOnly; Secure; SameSite=Lax");
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        answer.headers_mut().append(SET_COOKIE, cookie);
    }
    answer
}

/// The same for a page that has asked for newer numbers: they are there in a moment.
pub(crate) fn soon(mut answer: Answer) -> Answer {
    let name = HeaderName::from_static("refresh-in");
    answer
        .headers_mut()
        .insert(name, HeaderValue::from_static("1"));
    answer
}
