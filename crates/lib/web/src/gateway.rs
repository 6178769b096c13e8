//! Requests as API Gateway hands them over.

use std::convert::Infallible;

use axum::Router;
use axum::body::to_bytes;
use axum::http::{StatusCode, Uri};
use axum::response::IntoResponse as _;
use lambda_http::{Body, Request, RequestExt as _, Response, service_fn};
use percent_encoding::percent_decode_str;
use tower::ServiceExt as _;
use tracing::error;

use crate::Problem;

/// Serves requests until Lambda ends the environment.
///
/// # Errors
/// If the runtime cannot be reached.
pub async fn serve(router: Router) -> Result<(), lambda_http::Error> {
    lambda_http::run(service_fn(|request: Request| async {
        Ok::<_, Infallible>(ask(&router, request).await)
    }))
    .await
}

/// Answers one request.
pub async fn ask(router: &Router, mut request: Request) -> Response<Body> {
    *request.uri_mut() = routed(&request);
    let answered = router.clone().oneshot(request).await;
    let (parts, body) = answered.unwrap_or_else(|never| match never {}).into_parts();
    // What we answer is in memory already.
    let Ok(bytes) = to_bytes(body, usize::MAX).await else {
        error!("failed to read an answer of our own");
        let detail = "A defect on our side. Repeating the request is safe.";
        let status = StatusCode::INTERNAL_SERVER_ERROR;
        let problem = Problem::new(status, "Internal error", detail).into_response();
        return problem.map(|_| Body::Empty);
    };
    // As text, so that the gateway need not decode it.
    let body = match String::from_utf8(bytes.into()) {
        Ok(text) if text.is_empty() => Body::Empty,
        Ok(text) => Body::Text(text),
        Err(binary) => Body::Binary(binary.into_bytes()),
    };
    Response::from_parts(parts, body)
}

/// The path that a stranger sees, without the stage and without a slash at its end; and the query.
fn routed(request: &Request) -> Uri {
    let path = request.raw_http_path().trim_matches('/');
    let whole = match request.uri().query() {
        Some(query) => format!("/{path}?{query}"),
        None => format!("/{path}"),
    };
    // What is no path, or no text, is nothing of ours.
    let text = percent_decode_str(path).decode_utf8();
    let whole = whole.parse().ok().filter(|_| text.is_ok());
    whole.unwrap_or_else(|| Uri::from_static("/-"))
}

#[cfg(test)]
mod tests {
    use axum::body::Bytes;
    use axum::extract::rejection::BytesRejection;
    use axum::routing::{get, post};

    use super::*;
    use crate::{LARGEST_BODY, front_door};

    fn router() -> Router {
        let length = |body: Result<Bytes, BytesRejection>| async move {
            body.map_or_else(
                |refused| refused.status().to_string(),
                |body| body.len().to_string(),
            )
        };
        let router = Router::new()
            .route("/", get(|| async { "root" }))
            .route("/length", post(length));
        front_door(router)
    }

    fn request(path: &str, body: &str) -> Request {
        let method = if body.is_empty() { "GET" } else { "POST" };
        let request = lambda_http::http::Request::builder()
            .method(method)
            .uri(format!("https://example.com{path}"))
            .body(Body::from(body.to_owned()))
            .expect("a request");
        request.with_raw_http_path(path)
    }

    async fn asked(path: &str, body: &str) -> (u16, String) {
        let answer = ask(&router(), request(path, body)).await;
        for header in [
            "cache-control",
            "x-content-type-options",
            "strict-transport-security",
        ] {
            assert!(answer.headers().contains_key(header), "{header}");
        }
        let text = String::from_utf8(answer.body().to_vec()).expect("a text");
        (answer.status().as_u16(), text)
    }

    #[tokio::test]
    async fn a_slash_at_the_end_changes_nothing_and_a_body_is_limited() {
        assert_eq!(asked("/", "").await, (200, "root".to_owned()));
        assert_eq!(asked("/length/", "four").await.1, "4");
        let most = "x".repeat(LARGEST_BODY);
        assert_eq!(asked("/length", &most).await.1, LARGEST_BODY.to_string());
        let more = format!("{most}x");
        assert_eq!(asked("/length", &more).await.1, "413 Payload Too Large");
        assert_eq!(asked("/nowhere", "").await.0, 404);
    }
}
