//! Settings.

use std::collections::BTreeMap;

use domain::{Currency, Money};
use step::{InitError, env};

/// What Terraform sets for this function.
#[derive(Debug, Clone)]
pub struct Config {
    /// `ORDERS_TABLE`.
    pub orders_table: String,
    /// `STOCK_TABLE`.
    pub stock_table: String,
    /// `REVIEW_LIMITS`: JSON, the largest total that no person needs to look at, in minor units by
    /// currency. A currency that is not listed is always looked at.
    pub review_limits: BTreeMap<Currency, Money>,
}

impl Config {
    /// Reads them.
    ///
    /// # Errors
    /// Names what is missing.
    pub fn from_env() -> Result<Self, InitError> {
        Ok(Self {
            orders_table: env::required("ORDERS_TABLE")?,
            stock_table: env::required("STOCK_TABLE")?,
            review_limits: env::parsed("REVIEW_LIMITS", |json| {
                let limits: BTreeMap<Currency, u64> = serde_json::from_str(json).ok()?;
                let money = |(currency, minor)| Some((currency, Money::new(minor, currency).ok()?));
                limits.into_iter().map(money).collect()
            })?,
        })
    }
}
