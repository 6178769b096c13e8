//! Settings.

use std::collections::BTreeMap;

use domain::{Currency, Money, Packing};
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
    /// What can be shipped.
    pub packing: Packing,
    /// Where addresses are looked up, if they are.
    pub address_check: Option<AddressCheckConfig>,
}

/// Who knows addresses.
#[derive(Debug, Clone)]
pub struct AddressCheckConfig {
    /// `CARRIER_API_URL`, without a trailing slash. Empty if no address is looked up.
    pub carrier_api_url: String,
    /// `CARRIER_SECRET_ARN`.
    pub carrier_secret_arn: String,
}

impl Config {
    /// Reads them.
    ///
    /// # Errors
    /// Names what is missing.
    pub fn from_env() -> Result<Self, InitError> {
        let address_check = match env::optional("CARRIER_API_URL") {
            None => None,
            Some(carrier_api_url) => Some(AddressCheckConfig {
                carrier_api_url,
                carrier_secret_arn: env::required("CARRIER_SECRET_ARN")?,
            }),
        };
        Ok(Self {
            orders_table: env::required("ORDERS_TABLE")?,
            stock_table: env::required("STOCK_TABLE")?,
            review_limits: env::parsed("REVIEW_LIMITS", |json| {
                let limits: BTreeMap<Currency, u64> = serde_json::from_str(json).ok()?;
                let money = |(currency, minor)| Some((currency, Money::new(minor, currency).ok()?));
                limits.into_iter().map(money).collect()
            })?,
            packing: step::packing()?,
            address_check,
        })
    }
}
