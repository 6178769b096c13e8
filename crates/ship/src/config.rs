//! Settings.

use std::time::Duration;

use domain::Packing;
use step::{InitError, env};

/// What Terraform sets for this function.
#[derive(Debug, Clone)]
pub struct Config {
    /// `ENVIRONMENT`: labels carry it, so that two environments on one account keep apart.
    pub environment: String,
    /// `ORDERS_TABLE`.
    pub orders_table: String,
    /// `STOCK_TABLE`: the catalogue says what articles weigh.
    pub stock_table: String,
    /// `CARRIER_API_URL`, without a trailing slash.
    pub carrier_api_url: String,
    /// `CARRIER_SECRET_ARN`.
    pub carrier_secret_arn: String,
    /// `CARRIER_SETTLED_AFTER_S`: after how many seconds a label that the carrier does not know was
    /// never bought.
    pub settled_after: Duration,
    /// How shipments are booked.
    pub account: Account,
    /// How pieces become parcels.
    pub packing: Packing,
}

/// The shop's account with the carrier, and how it ships.
#[derive(Debug, Clone)]
pub struct Account {
    /// `CARRIER_ID`: with whom.
    pub carrier_id: String,
    /// `CARRIER_SERVICE_CODE`: how fast.
    pub service_code: String,
    /// `CARRIER_SERVICE_CODE_ABROAD`: how, to where parcels need a customs declaration. Empty if none are sent there.
    pub service_code_abroad: Option<String>,
    /// `CARRIER_WAREHOUSE_ID`: from where.
    pub warehouse_id: String,
    /// `CARRIER_CONTACT_PHONE`: whom the driver calls. The shop: an order has no number.
    pub contact_phone: String,
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
            stock_table: env::required("STOCK_TABLE")?,
            carrier_api_url: env::required("CARRIER_API_URL")?,
            carrier_secret_arn: env::required("CARRIER_SECRET_ARN")?,
            settled_after: env::parsed("CARRIER_SETTLED_AFTER_S", |seconds| {
                seconds.parse().ok().map(Duration::from_secs)
            })?,
            account: Account {
                carrier_id: env::required("CARRIER_ID")?,
                service_code: env::required("CARRIER_SERVICE_CODE")?,
                service_code_abroad: env::optional("CARRIER_SERVICE_CODE_ABROAD"),
                warehouse_id: env::required("CARRIER_WAREHOUSE_ID")?,
                contact_phone: env::required("CARRIER_CONTACT_PHONE")?,
            },
            packing: step::packing()?,
        })
    }
}
