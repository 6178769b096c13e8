//! A request as the pages need it.

use form_urlencoded::parse;
use lambda_http::http::{HeaderMap, Method};
use lambda_http::{Request, RequestExt as _};
use sha2::{Digest, Sha256};

/// A request, read once.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) method: Method,
    /// Without slashes at its ends.
    pub(crate) path: String,
    /// What a relative link begins with to lead to the page's root: `../` for each folder.
    pub(crate) root: String,
    query: Vec<(String, String)>,
    form: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    headers: HeaderMap,
}

/// The cookie that the next page says something from.
pub(crate) const FLASH: &str = "flash";

/// A form of two hundred order ids is a quarter of it.
const LARGEST_BODY: usize = 64 * 1024;

impl Asked {
    pub(crate) fn read(request: &Request) -> Self {
        let raw = request.raw_http_path();
        let body = request.body().to_vec();
        let headers = request.headers().clone();
        let is_form = content_type(&headers) == "application/x-www-form-urlencoded";
        let pairs = |text: &[u8]| parse(text).into_owned().collect();
        let query = request.query_string_parameters_ref();
        let query = query.map(|query| {
            query
                .iter()
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
        });
        Self {
            method: request.method().clone(),
            path: raw.trim_matches('/').to_owned(),
            root: "../".repeat(raw.trim_start_matches('/').matches('/').count()),
            query: query.map(Iterator::collect).unwrap_or_default(),
            form: if is_form && body.len() <= LARGEST_BODY {
                pairs(&body)
            } else {
                Vec::new()
            },
            body,
            headers,
        }
    }

    pub(crate) fn too_large(&self) -> bool {
        self.body.len() > LARGEST_BODY
    }

    pub(crate) fn is_form(&self) -> bool {
        content_type(&self.headers) == "application/x-www-form-urlencoded"
    }

    pub(crate) fn is_json(&self) -> bool {
        content_type(&self.headers) == "application/json"
    }

    pub(crate) fn query(&self, name: &str) -> Option<&str> {
        value(&self.query, name)
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
        let cookies = self.headers.get_all("cookie").iter();
        let cookies = cookies.filter_map(|value| value.to_str().ok());
        let mut pairs = cookies.flat_map(|value| value.split(';'));
        pairs.find_map(|pair| {
            let (of, value) = pair.trim().split_once('=')?;
            (of == name && !value.is_empty()).then_some(value)
        })
    }

    /// What the last action had to say; it is shown once.
    pub(crate) fn flash(&self) -> Option<String> {
        let cookie = self.cookie(FLASH)?;
        let (text, _) = parse(format!("{cookie}=").as_bytes()).into_owned().next()?;
        Some(text)
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

fn content_type(headers: &HeaderMap) -> String {
    let value = headers
        .get("content-type")
        .and_then(|value| value.to_str().ok());
    let media_type = value
        .unwrap_or_default()
        .split(';')
        .next()
        .unwrap_or_default();
    media_type.trim().to_ascii_lowercase()
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
