//! A request as the pages need it.

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, Method, StatusCode};
use axum_extra::extract::CookieJar;
use form_urlencoded::parse;
use sha2::{Digest, Sha256};

use crate::Failed;

/// A request, read once.
#[derive(Debug)]
pub(crate) struct PageRequest {
    pub(crate) method: Method,
    /// Without slashes at its ends.
    pub(crate) path: String,
    /// What a relative link begins with to lead to the page's root: `../` for each folder.
    pub(crate) root: String,
    query: Vec<(String, String)>,
    form: Vec<(String, String)>,
    pub(crate) body: Bytes,
    headers: HeaderMap,
    cookies: CookieJar,
}

/// The cookie that the next page says something from.
pub(crate) const FLASH: &str = "flash";
/// A cookie: what is asked for and why, until somebody says yes. Not in the address, which logs have.
pub(crate) const ASKED: &str = "asked";

impl<S: Send + Sync> FromRequest<S> for PageRequest {
    type Rejection = Failed;

    async fn from_request(request: Request, state: &S) -> Result<Self, Failed> {
        let read = Self::of_head(&request);
        let body = Bytes::from_request(request, state).await;
        let body = body.map_err(|refused| match refused.status() {
            StatusCode::PAYLOAD_TOO_LARGE => Failed::TooLarge,
            _ => Failed::Invalid("The request broke off.".to_owned()),
        })?;
        let form = if read.is_form() {
            parse(&body).into_owned().collect()
        } else {
            Vec::new()
        };
        Ok(Self { form, body, ..read })
    }
}

impl PageRequest {
    /// All but its body.
    pub(crate) fn of_head(request: &Request) -> Self {
        let path = request.uri().path().trim_start_matches('/');
        let query = request.uri().query().unwrap_or_default();
        Self {
            method: request.method().clone(),
            path: path.to_owned(),
            root: "../".repeat(path.matches('/').count()),
            query: parse(query.as_bytes()).into_owned().collect(),
            form: Vec::new(),
            body: Bytes::new(),
            headers: request.headers().clone(),
            cookies: CookieJar::from_headers(request.headers()),
        }
    }

    pub(crate) fn is_form(&self) -> bool {
        web::media_type(&self.headers) == "application/x-www-form-urlencoded"
    }

    pub(crate) fn is_json(&self) -> bool {
        web::media_type(&self.headers) == "application/json"
    }

    /// Whether it is for the API: errors are problems then, and not pages.
    pub(crate) fn is_of_api(&self) -> bool {
        self.path.starts_with("api/")
    }

    pub(crate) fn query(&self, name: &str) -> Option<&str> {
        value(&self.query, name)
    }

    /// The query as it came, in its order.
    pub(crate) fn pairs(&self) -> &[(String, String)] {
        &self.query
    }

    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        value(&self.form, name)
    }

    /// Every value of a field that a form may have more than once.
    pub(crate) fn fields<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let values = self.form.iter().filter(move |(of, _)| of == name);
        values.map(|(_, value)| value.as_str())
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    pub(crate) fn cookie(&self, name: &str) -> Option<&str> {
        let value = self.cookies.get(name)?.value();
        (!value.is_empty()).then_some(value)
    }

    /// What the last action had to say; it is shown once, and to a reader: a poll leaves it alone.
    pub(crate) fn flash(&self) -> Option<String> {
        self.kept(FLASH).filter(|_| self.header("x-poll").is_none())
    }

    /// Where people who sent a form to this path find themselves again. `None` if it is no form's.
    pub(crate) fn back(&self) -> Option<String> {
        if self.method != Method::POST || !self.is_form() {
            return None;
        }
        let root = &self.root;
        match self.path.split('/').collect::<Vec<_>>().as_slice() {
            ["orders", order, _] => Some(format!("{root}orders/{order}")),
            ["bulk", digest] | ["bulk", digest, _] => Some(format!("{root}bulk/{digest}")),
            ["bulk"] => Some(format!("{root}orders")),
            _ => None,
        }
    }

    /// The reason that was given for what is about to be confirmed.
    pub(crate) fn asked(&self, what: &str) -> Option<String> {
        let asked = self.kept(ASKED)?;
        Some(asked.strip_prefix(what)?.strip_prefix(' ')?.to_owned())
    }

    fn kept(&self, cookie: &str) -> Option<String> {
        let cookie = self.cookie(cookie)?;
        let (text, _) = parse(format!("{cookie}=").as_bytes()).into_owned().next()?;
        Some(text)
    }

    /// Whether it is a browser's, from a page of ours, and the browser says so. A link has no more than that.
    pub(crate) fn is_from_our_page(&self) -> bool {
        self.header("sec-fetch-site") == Some("same-origin")
    }

    /// Whether a request that changes something comes from our own page, or from a program: a browser tells for
    /// every POST where it comes from, and no page of somebody else can make it tell otherwise.
    /// <https://owasp.org/www-community/attacks/csrf>, "Fetch Metadata" and "Verifying Origin".
    pub(crate) fn is_ours(&self) -> bool {
        let site = self.header("sec-fetch-site");
        if let Some(site) = site {
            return site == "same-origin";
        }
        match self.header("origin") {
            Some(origin) => {
                let host = origin.split_once("://").map(|(_, host)| host);
                host.is_some() && host == self.header("host")
            }
            // No browser. A form without either is one that does not tell.
            None => !self.is_form(),
        }
    }
}

fn value<'a>(pairs: &'a [(String, String)], name: &str) -> Option<&'a str> {
    let found = pairs.iter().find(|(of, _)| of == name);
    found
        .map(|(_, value)| value.as_str())
        .filter(|value| !value.is_empty())
}

/// A name for content, for `ETag`.
pub(crate) fn tag_of(content: &[u8]) -> String {
    let digest = Sha256::digest(content);
    let first = digest.iter().take(8);
    let number = first.fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    format!("{number:016x}")
}
