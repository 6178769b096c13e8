//! Who is asking: an authorisation code with PKCE from an `OpenID` Connect issuer, whose ID token is the session.
//! <https://openid.net/specs/openid-connect-core-1_0.html>, <https://www.rfc-editor.org/rfc/rfc7636>.

use std::time::{Duration, Instant};

use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use domain::Timestamp;
use form_urlencoded::Serializer;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use tokio::sync::Mutex;
use tracing::{info, warn};
use web::Problem;

use crate::answer::{see_other, with_cookie};
use crate::config::Issuer;
use crate::frame::Frame;
use crate::message::message;
use crate::operator::Operator;
use crate::request::PageRequest;

// Behind a prefix by which a browser keeps other hosts and plain http from setting them; see `SignIn::named`.
const SESSION: &str = "session";
const SIGNING_IN: &str = "sign-in";
/// Somebody who signs in has so long for it.
const SIGNING_IN_S: u64 = 600;
/// Keys are asked for anew at most once in so long, if a token names one that is not known.
const KEYS_AGAIN: Duration = Duration::from_secs(30);
/// An issuer that takes longer is not waited for.
const PATIENCE: Duration = Duration::from_secs(6);
/// What an issuer may sign with. No symmetric one: our name there is no secret.
const ALGORITHMS: [Algorithm; 3] = [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA];

/// The group whose members may act.
const OPERATORS: &str = "operators";
/// The group whose members may look.
const VIEWERS: &str = "viewers";

/// The door.
#[derive(Debug)]
pub(crate) struct SignIn {
    issuer: Option<Issuer>,
    callback: String,
    home: String,
    is_https: bool,
    http: reqwest::Client,
    keys: Mutex<Option<(Instant, JwkSet)>>,
}

/// What is remembered of a sign-in that was begun, by the browser that began it.
#[derive(Debug, Serialize, Deserialize)]
struct Begun {
    state: String,
    nonce: String,
    verifier: String,
    to: String,
}

#[derive(Debug, Deserialize)]
struct Tokens {
    id_token: String,
}

impl SignIn {
    pub(crate) fn new(issuer: Option<Issuer>, console_url: &str) -> Result<Self, String> {
        let http = reqwest::Client::builder()
            .timeout(PATIENCE)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| format!("no HTTP client for the issuer: {error}"))?;
        Ok(Self {
            issuer,
            callback: format!("{console_url}/auth/callback"),
            home: format!("{console_url}/"),
            is_https: console_url.starts_with("https://"),
            http,
            keys: Mutex::default(),
        })
    }

    /// A cookie's name. On a laptop there is no https, and no browser takes the prefix.
    fn named(&self, name: &str) -> String {
        if self.is_https {
            format!("__Host-{name}")
        } else {
            name.to_owned()
        }
    }

    /// Who is asking, or the answer that has them sign in.
    pub(crate) async fn operator(&self, request: &PageRequest) -> Result<Operator, Response> {
        let Some(issuer) = &self.issuer else {
            return Ok(Operator {
                name: "somebody at the local stack".to_owned(),
                may_act: true,
                signs_out: false,
            });
        };
        let claims = match request.cookie(&self.named(SESSION)) {
            Some(token) => self.verified(issuer, token, None).await,
            None => None,
        };
        let Some(claims) = claims else {
            return Err(sign_in_first(request));
        };
        let groups = groups(&claims, &issuer.groups_claim);
        let has = |name: &str| groups.iter().any(|group| group == name);
        if !has(OPERATORS) && !has(VIEWERS) {
            return Err(stranger(request));
        }
        Ok(Operator {
            name: name(&claims),
            may_act: has(OPERATORS),
            signs_out: true,
        })
    }

    /// Sends somebody to the issuer.
    pub(crate) fn begin(&self, request: &PageRequest) -> Response {
        let Some(issuer) = &self.issuer else {
            return see_other(&request.root);
        };
        let Ok([state, nonce, verifier]) = random_texts() else {
            return Problem::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "No random numbers",
                "Try again in a moment.",
            )
            .into_response();
        };
        let challenge = BASE64.encode(Sha256::digest(verifier.as_bytes()));
        let query = Serializer::new(String::new())
            .append_pair("response_type", "code")
            .append_pair("client_id", &issuer.client_id)
            .append_pair("redirect_uri", &self.callback)
            .append_pair("scope", &issuer.scopes)
            .append_pair("state", &state)
            .append_pair("nonce", &nonce)
            .append_pair("code_challenge", &challenge)
            .append_pair("code_challenge_method", "S256")
            .finish();
        let begun = Begun {
            state,
            nonce,
            verifier,
            to: request.query("to").unwrap_or_default().to_owned(),
        };
        let cookie = BASE64.encode(serde_json::to_vec(&begun).unwrap_or_default());
        let there = see_other(&with_query(&issuer.authorize_url, &query));
        with_cookie(there, &self.named(SIGNING_IN), &cookie, SIGNING_IN_S)
    }

    /// Somebody comes back from the issuer.
    pub(crate) async fn end(&self, request: &PageRequest) -> Response {
        let Some(issuer) = &self.issuer else {
            return see_other(&request.root);
        };
        let begun = request
            .cookie(&self.named(SIGNING_IN))
            .and_then(|cookie| BASE64.decode(cookie).ok())
            .and_then(|json| serde_json::from_slice::<Begun>(&json).ok());
        let (Some(begun), Some(code), Some(state)) =
            (begun, request.query("code"), request.query("state"))
        else {
            let error = request
                .query("error")
                .unwrap_or("no sign-in was begun in this browser");
            return not_signed_in(request, error);
        };
        if begun.state != state {
            return not_signed_in(request, "the answer is for another sign-in");
        }
        let Some(token) = self.redeem(issuer, code, &begun.verifier).await else {
            return not_signed_in(request, "the issuer did not take the code");
        };
        let Some(claims) = self.verified(issuer, &token, Some(&begun.nonce)).await else {
            return not_signed_in(request, "the issuer's token is not as it must be");
        };
        let left = claims.get("exp").and_then(Value::as_i64);
        let left = left.unwrap_or_default() - Timestamp::now().as_second();
        info!("operator signed in");
        let back = see_other(&format!("{}{}", request.root, safe(&begun.to)));
        let back = with_cookie(
            back,
            &self.named(SESSION),
            &token,
            u64::try_from(left).unwrap_or(0),
        );
        with_cookie(back, &self.named(SIGNING_IN), "", 0)
    }

    /// Ends the session here, and with the issuer where it has a place for that.
    pub(crate) fn sign_out(&self, request: &PageRequest) -> Response {
        let there = match self
            .issuer
            .as_ref()
            .and_then(|issuer| Some((issuer, issuer.logout_url.as_ref()?)))
        {
            Some((issuer, logout_url)) => {
                let query = Serializer::new(String::new())
                    .append_pair("client_id", &issuer.client_id)
                    // Cognito's name for it, and the standard's.
                    .append_pair("logout_uri", &self.home)
                    .append_pair("post_logout_redirect_uri", &self.home)
                    .finish();
                see_other(&with_query(logout_url, &query))
            }
            None => see_other(&format!("{}auth/signed-out", request.root)),
        };
        with_cookie(there, &self.named(SESSION), "", 0)
    }

    async fn redeem(&self, issuer: &Issuer, code: &str, verifier: &str) -> Option<String> {
        let form = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", &self.callback),
            ("client_id", &issuer.client_id),
            ("code_verifier", verifier),
        ];
        let answer = self.http.post(&issuer.token_url).form(&form).send().await;
        let answer = match answer.and_then(reqwest::Response::error_for_status) {
            Ok(answer) => answer,
            Err(error) => {
                // The address holds neither code nor verifier: both are in the body.
                warn!(
                    status = error.status().map(|status| status.as_u16()),
                    "failed to redeem a code at the issuer"
                );
                return None;
            }
        };
        let tokens = answer.json::<Tokens>().await.ok()?;
        Some(tokens.id_token)
    }

    /// The claims of an ID token that the issuer has signed for us and that is still good.
    async fn verified(
        &self,
        issuer: &Issuer,
        token: &str,
        nonce: Option<&str>,
    ) -> Option<Map<String, Value>> {
        let header = decode_header(token).ok()?;
        if !ALGORITHMS.contains(&header.alg) {
            return None;
        }
        let key = self.key(issuer, header.kid.as_deref()?).await?;
        let mut validation = Validation::new(header.alg);
        validation.set_audience(&[&issuer.client_id]);
        validation.set_issuer(&[&issuer.issuer]);
        validation.set_required_spec_claims(&["exp", "iss", "aud"]);
        let claims = match decode::<Map<String, Value>>(token, &key, &validation) {
            Ok(decoded) => decoded.claims,
            Err(error) => {
                // A session that is over is nothing to report.
                if *error.kind() != ErrorKind::ExpiredSignature {
                    warn!(%error, "refused an ID token");
                }
                return None;
            }
        };
        let expected =
            nonce.is_none_or(|nonce| claims.get("nonce").and_then(Value::as_str) == Some(nonce));
        expected.then_some(claims)
    }

    async fn key(&self, issuer: &Issuer, kid: &str) -> Option<DecodingKey> {
        let mut keys = self.keys.lock().await;
        let known = keys.as_ref().and_then(|(_, set)| set.find(kid));
        if known.is_none() {
            let lately = keys
                .as_ref()
                .is_some_and(|(at, _)| at.elapsed() < KEYS_AGAIN);
            if lately {
                return None;
            }
            let answer = self.http.get(&issuer.jwks_url).send().await;
            let set = match answer.and_then(reqwest::Response::error_for_status) {
                Ok(answer) => answer.json::<JwkSet>().await.ok()?,
                Err(error) => {
                    warn!(
                        status = error.status().map(|status| status.as_u16()),
                        "failed to fetch the issuer's keys"
                    );
                    return None;
                }
            };
            *keys = Some((Instant::now(), set));
        }
        let key = keys.as_ref().and_then(|(_, set)| set.find(kid))?;
        DecodingKey::from_jwk(key).ok()
    }
}

fn with_query(url: &str, query: &str) -> String {
    let mark = if url.contains('?') { '&' } else { '?' };
    format!("{url}{mark}{query}")
}

fn random_texts<const N: usize>() -> Result<[String; N], getrandom::Error> {
    let mut texts = [const { String::new() }; N];
    for text in &mut texts {
        let mut bytes = [0_u8; 32];
        getrandom::fill(&mut bytes)?;
        *text = BASE64.encode(bytes);
    }
    Ok(texts)
}

/// Where somebody was going, if that is on this page: a path without a host.
fn safe(to: &str) -> &str {
    let odd = |c: char| c == '\\' || c.is_ascii_control();
    if to.starts_with('/') || to.contains("//") || to.contains(':') || to.contains(odd) {
        ""
    } else {
        to
    }
}

fn groups(claims: &Map<String, Value>, claim: &str) -> Vec<String> {
    match claims.get(claim) {
        Some(Value::Array(groups)) => {
            let names = groups.iter().filter_map(Value::as_str);
            names.map(str::to_owned).collect()
        }
        Some(Value::String(groups)) => groups.split([' ', ',']).map(str::to_owned).collect(),
        _ => Vec::new(),
    }
}

fn name(claims: &Map<String, Value>) -> String {
    // An address that nobody has checked is what anybody says it is.
    let checked = claims
        .get("email_verified")
        .is_some_and(|checked| checked == true || checked == "true");
    let known = ["email", "preferred_username", "cognito:username", "sub"];
    let known = known.iter().filter(|claim| **claim != "email" || checked);
    let mut names = known.filter_map(|claim| claims.get(*claim)?.as_str());
    names.next().unwrap_or("somebody without a name").to_owned()
}

fn sign_in_first(request: &PageRequest) -> Response {
    let is_page =
        request.method == "GET" && !request.is_of_api() && request.header("x-poll").is_none();
    if !is_page {
        let detail = "Sign in at the page first; its cookie is what counts.";
        return Problem::new(StatusCode::UNAUTHORIZED, "Nobody is signed in", detail)
            .into_response();
    }
    let query = Serializer::new(String::new())
        .append_pair("to", &request.path)
        .finish();
    see_other(&format!("{}auth/sign-in?{query}", request.root))
}

fn stranger(request: &PageRequest) -> Response {
    let text = format!(
        "You are signed in, but in neither of the groups `{OPERATORS}` and `{VIEWERS}`. Ask \
         whoever runs this to put you into one of them, then sign in again."
    );
    message(
        StatusCode::FORBIDDEN,
        Frame::outside(&request.root),
        "Not for this account",
        &text,
    )
}

fn not_signed_in(request: &PageRequest, why: &str) -> Response {
    // An issuer's code, such as access_denied; what it says besides stays with it.
    let why: String = why
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || " _'-".contains(*c))
        .take(80)
        .collect();
    let text = format!("Signing in did not work: {why}. Begin again at the home page.");
    let frame = Frame::outside(&request.root);
    message(StatusCode::FORBIDDEN, frame, "Not signed in", &text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_signed_in_goes_back_to_this_page_and_nowhere_else() {
        assert_eq!(safe("orders/ord-1"), "orders/ord-1");
        for elsewhere in [
            "//evil.example",
            "/\\evil.example",
            "https://evil.example",
            "a//b",
            "javascript:alert(1)",
            "a\r\nb",
        ] {
            assert_eq!(safe(elsewhere), "", "{elsewhere}");
        }
    }

    #[test]
    fn an_address_that_nobody_checked_is_no_name() {
        let claims = |checked: bool| {
            let claims = serde_json::json!({
                "email": "a@example.com", "email_verified": checked, "sub": "s-1"
            });
            claims.as_object().cloned().unwrap_or_default()
        };
        assert_eq!(name(&claims(true)), "a@example.com");
        assert_eq!(name(&claims(false)), "s-1");
    }

    #[test]
    fn groups_are_a_list_or_a_text() {
        let claims = |value: Value| Map::from_iter([("groups".to_owned(), value)]);
        let both = ["operators".to_owned(), "x".to_owned()];
        assert_eq!(
            groups(&claims(serde_json::json!(["operators", "x"])), "groups"),
            both
        );
        assert_eq!(
            groups(&claims(serde_json::json!("operators x")), "groups"),
            both
        );
        assert!(groups(&claims(serde_json::json!(7)), "groups").is_empty());
        assert!(groups(&Map::new(), "groups").is_empty());
    }
}
