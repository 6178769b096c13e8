//! One HTTP client, and what an answer or its absence means.

use std::time::Duration;

use domain::ports::ProviderError;
use reqwest::header::HeaderMap;
use reqwest::{Method, RequestBuilder, StatusCode};
use serde::de::DeserializeOwned;

/// An HTTP client for one provider.
#[derive(Debug, Clone)]
pub struct Http {
    client: reqwest::Client,
    base_url: String,
    name: &'static str,
}

/// What a provider answered.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Whether the provider says that it repeats a stored answer.
    pub replayed: bool,
    headers: HeaderMap,
    body: Vec<u8>,
    name: &'static str,
}

impl Http {
    /// A client for the provider `name` (for messages) at `base_url` (without a trailing slash).
    ///
    /// # Errors
    /// If the machine has no certificates to check the provider's against.
    pub fn new(
        name: &'static str,
        base_url: &str,
        connect: Duration,
        call: Duration,
    ) -> Result<Self, String> {
        let client = reqwest::Client::builder()
            .connect_timeout(connect)
            .timeout(call)
            // A redirected POST is none any more, and credentials stay with whom they are for.
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| format!("no HTTP client for {name}: {error}"))?;
        Ok(Self {
            client,
            base_url: base_url.trim_end_matches('/').to_owned(),
            name,
        })
    }

    /// Whether `url` is one of the provider's own.
    #[must_use]
    pub fn is_at(&self, url: &str) -> bool {
        let rest = url.strip_prefix(&self.base_url);
        rest.is_some_and(|path| path.starts_with('/'))
    }

    /// A request to `path` of the provider.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client
            .request(method, format!("{}{path}", self.base_url))
    }

    /// Sends a request and reads the whole answer.
    ///
    /// # Errors
    /// [`ProviderError::Unavailable`] if no connection came about, [`ProviderError::Unknown`] if
    /// the request may have arrived.
    pub async fn send(&self, request: RequestBuilder) -> Result<Answer, ProviderError> {
        let name = self.name;
        // Errors of the client quote the URL, which holds no personal data, but are not needed.
        let failed = |error: reqwest::Error| {
            if error.is_builder() {
                ProviderError::Defect(format!("the request to the {name} cannot be built"))
            } else if error.is_connect() {
                ProviderError::Unavailable(format!("the {name} cannot be reached"))
            } else if error.is_timeout() {
                ProviderError::Unknown(format!("the {name} did not answer in time"))
            } else {
                ProviderError::Unknown(format!("the connection to the {name} broke"))
            }
        };
        let response = request.send().await.map_err(failed)?;
        let (status, headers) = (response.status(), response.headers().clone());
        let replayed = headers.contains_key("idempotent-replayed");
        let body = response.bytes().await.map_err(failed)?.to_vec();
        Ok(Answer {
            status,
            replayed,
            headers,
            body,
            name,
        })
    }
}

impl Answer {
    /// A header, if it is there and text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The body as JSON.
    ///
    /// # Errors
    /// [`ProviderError::Unknown`]: whatever was asked for may have happened.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, ProviderError> {
        let (name, status) = (self.name, self.status.as_u16());
        serde_json::from_slice(&self.body).map_err(|_| {
            ProviderError::Unknown(format!(
                "the {name} answered {status} with something unreadable"
            ))
        })
    }

    /// The error for an answer that needs no closer look: `code` is the provider's own.
    #[must_use]
    pub fn error(&self, code: Option<&str>) -> ProviderError {
        let (name, status) = (self.name, self.status.as_u16());
        let code = code.map(|code| format!(" ({code})")).unwrap_or_default();
        let text = format!("the {name} answered {status}{code}");
        match status {
            // The provider did not act: too many requests, or a credential that is being rotated.
            401 | 403 | 429 => ProviderError::Unavailable(text),
            // 409: an earlier request of ours under the same key is still at work. 424: whom the
            // provider depends on has failed it.
            409 | 424 | 500.. => ProviderError::Unknown(text),
            _ => ProviderError::Defect(text),
        }
    }
}
