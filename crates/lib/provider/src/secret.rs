//! Credentials from Secrets Manager.

use std::fmt;
use std::time::{Duration, Instant};

use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::config::timeout::TimeoutConfig;
use domain::ports::ProviderError;
use tokio::sync::Mutex;

/// The longest that reading takes; as long as one of the database's operations.
const READ_TIMEOUT: Duration = Duration::from_secs(2);

/// How long a credential is kept before it is read again, so that a rotated one is noticed.
const KEPT: Duration = Duration::from_mins(5);

/// A credential that is read when it is first needed and every five minutes.
pub struct Secret {
    client: Client,
    arn: String,
    cached: Mutex<Option<(String, Instant)>>,
}

impl fmt::Debug for Secret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Secret({}, redacted)", self.arn)
    }
}

impl Secret {
    /// The secret with this ARN.
    #[must_use]
    pub fn new(config: &aws_config::SdkConfig, arn: &str) -> Self {
        Self {
            client: Client::from_conf(
                aws_sdk_secretsmanager::config::Builder::from(config)
                    .timeout_config(
                        TimeoutConfig::builder()
                            .operation_timeout(READ_TIMEOUT)
                            .build(),
                    )
                    .build(),
            ),
            arn: arn.to_owned(),
            cached: Mutex::new(None),
        }
    }

    /// A credential that is known already, for an engine of a test.
    #[must_use]
    pub fn known(config: &aws_config::SdkConfig, value: &str) -> Self {
        let mut secret = Self::new(config, "known");
        secret.cached = Mutex::new(Some((value.to_owned(), Instant::now())));
        secret
    }

    /// The credential.
    ///
    /// # Errors
    /// [`ProviderError::Unavailable`]: nothing was asked of the provider.
    pub async fn get(&self) -> Result<String, ProviderError> {
        let mut cached = self.cached.lock().await;
        if let Some((value, read_at)) = cached.as_ref()
            && read_at.elapsed() < KEPT
        {
            return Ok(value.clone());
        }
        let unavailable = |what: &str| ProviderError::Unavailable(format!("the credential {what}"));
        let answer = self
            .client
            .get_secret_value()
            .secret_id(&self.arn)
            .send()
            .await;
        let answer = answer.map_err(|_| unavailable("cannot be read from Secrets Manager"))?;
        // Many an editor and `echo` end a line: no credential does, and a header must not.
        let value = answer
            .secret_string
            .map(|value| value.trim().to_owned())
            .filter(|value| !value.is_empty())
            .ok_or_else(|| unavailable("has no value yet: put one"))?;
        *cached = Some((value.clone(), Instant::now()));
        Ok(value)
    }

    /// Forgets the credential, so that the next call reads it again: the provider refused it.
    pub async fn forget(&self) {
        *self.cached.lock().await = None;
    }
}
