//! The headers of every answer.

use axum::http::{HeaderName, HeaderValue, header};
use axum::response::Response;

/// What every answer has, unless it says otherwise itself.
const OF_EVERY_ANSWER: [(HeaderName, &str); 4] = [
    // Orders and what is known of them are nobody's to keep.
    (header::CACHE_CONTROL, "no-store"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::STRICT_TRANSPORT_SECURITY, "max-age=31536000"),
];

pub(crate) async fn of_every_answer(mut response: Response) -> Response {
    for (name, value) in OF_EVERY_ANSWER {
        let headers = response.headers_mut();
        headers
            .entry(name)
            .or_insert(HeaderValue::from_static(value));
    }
    response
}
