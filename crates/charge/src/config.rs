//! Settings.

use std::time::Duration;

use step::{InitError, env};

/// What Terraform sets for this function.
#[derive(Debug, Clone)]
pub struct Config {
    /// `ENVIRONMENT`: payments carry it, so that two environments on one account keep apart.
    pub environment: String,
    /// `ORDERS_TABLE`.
    pub orders_table: String,
    /// `PAYMENT_API_URL`, without a trailing slash.
    pub payment_api_url: String,
    /// `PAYMENT_SECRET_ARN`.
    pub payment_secret_arn: String,
    /// `PAYMENT_SEARCH_LAG_S`: after how many seconds a payment that is not found does not exist: a
    /// request that was given up may be on its way.
    pub search_lag: Duration,
}

impl Config {
    /// Reads them.
    ///
    /// # Errors
    /// Names what is missing.
    pub fn from_env() -> Result<Self, InitError> {
        Ok(Self {
            environment: env::required("ENVIRONMENT")?,
            orders_table: env::required("ORDERS_TABLE")?,
            payment_api_url: env::required("PAYMENT_API_URL")?,
            payment_secret_arn: env::required("PAYMENT_SECRET_ARN")?,
            search_lag: env::parsed("PAYMENT_SEARCH_LAG_S", |seconds| {
                seconds.parse().ok().map(Duration::from_secs)
            })?,
        })
    }
}
