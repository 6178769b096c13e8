//! The operators' webhook: each notice as a POST that is signed as the Standard Webhooks specification has it,
//! <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::Timestamp;
use domain::ports::ProviderError;
use hmac::{Hmac, KeyInit as _, Mac as _};
use provider::{Http, Secret};
use reqwest::{Method, Url};
use serde::Deserialize;
use sha2::Sha256;
use step::budget;

/// What is signed with has to be between these, in bytes.
const KEY_BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// Whoever receives notices over HTTP. Where that is, and what notices are signed with, is in a secret: many a
/// receiver takes whatever is posted to an address that nobody else knows.
#[derive(Debug)]
pub struct Webhook {
    http: Http,
    secret: Secret,
    takes_plain_http: bool,
}

/// The secret's content: `{"url": "https://…", "keys": ["whsec_…"]}`. Nothing here shows it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Receiver {
    url: String,
    keys: Vec<Key>,
}

/// What notices are signed with. While it is being changed there are two, and each signs.
#[derive(Deserialize)]
#[serde(try_from = "String")]
struct Key(Vec<u8>);

impl TryFrom<String> for Key {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let coded = text.strip_prefix("whsec_");
        let bytes = coded.and_then(|coded| STANDARD.decode(coded).ok());
        let bytes = bytes.filter(|bytes| KEY_BYTES.contains(&bytes.len()));
        bytes.map(Self).ok_or("no signing key")
    }
}

impl Key {
    /// The signature of a message, as it is in the header. `None` cannot be: HMAC takes keys of any length.
    fn sign(&self, id: &str, at_s: i64, body: &str) -> Option<String> {
        let mut hmac = Hmac::<Sha256>::new_from_slice(&self.0).ok()?;
        hmac.update(format!("{id}.{at_s}.{body}").as_bytes());
        let signature = STANDARD.encode(hmac.finalize().into_bytes());
        Some(format!("v1,{signature}"))
    }
}

impl Webhook {
    /// The receiver that the secret names, which has so long for its answer.
    ///
    /// # Errors
    /// If the machine has no certificates to check the receiver's against.
    pub fn new(secret: Secret, patience: Duration) -> Result<Self, String> {
        let connect = budget::PROVIDER_CONNECT.min(patience);
        Ok(Self {
            // Whose whole address is in the secret.
            http: Http::new("notices' webhook", "", connect, patience)?,
            secret,
            takes_plain_http: false,
        })
    }

    /// The same on a laptop, where the receiver has no certificate.
    #[must_use]
    pub fn on_a_laptop(self) -> Self {
        Self {
            takes_plain_http: true,
            ..self
        }
    }

    /// Posts a message, once. Under the same `id` it is the same message to the receiver, however often it comes.
    pub(crate) async fn post(&self, id: &str, body: String) -> Result<(), ProviderError> {
        let Some(receiver) = self.receiver(&self.secret.get().await?) else {
            // Whoever puts it right is not to wait.
            self.secret.forget().await;
            let text = "the secret of the notices' webhook is not as it must be: an https URL, and \
                        keys of 24 to 64 bytes";
            return Err(ProviderError::Defect(text.to_owned()));
        };
        // Of this try: receivers refuse what is older than some minutes.
        let at_s = Timestamp::now().as_second();
        let keys = receiver.keys.iter();
        let signatures: Vec<String> = keys.filter_map(|key| key.sign(id, at_s, &body)).collect();
        let request = self
            .http
            .request(Method::POST, &receiver.url)
            .header("content-type", "application/json")
            .header("webhook-id", id)
            .header("webhook-timestamp", at_s)
            .header("webhook-signature", signatures.join(" "))
            .body(body);
        let answer = self.http.send(request).await?;
        if answer.status.is_success() {
            return Ok(());
        }
        if answer.status.is_client_error() {
            // The address may have been given up, the key changed.
            self.secret.forget().await;
        }
        Err(answer.error(None))
    }

    fn receiver(&self, secret: &str) -> Option<Receiver> {
        let receiver: Receiver = serde_json::from_str(secret).ok()?;
        let url = Url::parse(&receiver.url).ok()?;
        let safe = url.scheme() == "https" || (self.takes_plain_http && url.scheme() == "http");
        (safe && !receiver.keys.is_empty()).then_some(receiver)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> Option<Key> {
        Key::try_from(text.to_owned()).ok()
    }

    #[test]
    fn a_signature_is_the_one_of_the_specifications_own_libraries() {
        let key = key("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").expect("a key");
        let id = "msg_p5jXN8AQM9LWM0D4loKWxJek";
        let signature = key.sign(id, 1_614_265_330, r#"{"test": 2432232314}"#);
        assert_eq!(
            signature.as_deref(),
            Some("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=")
        );
    }

    #[test]
    fn a_key_is_long_enough_and_marked_as_one() {
        let coded = |bytes: usize| format!("whsec_{}", STANDARD.encode(vec![7; bytes]));
        assert!(key(&coded(24)).is_some() && key(&coded(64)).is_some());
        for wrong in [
            coded(23),
            coded(65),
            "whsec_".to_owned(),
            "whsec_?".to_owned(),
            "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".to_owned(),
        ] {
            assert!(key(&wrong).is_none(), "{wrong}");
        }
    }
}
