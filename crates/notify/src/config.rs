//! Settings.

use step::{InitError, env};

/// What Terraform sets for this function.
#[derive(Debug, Clone)]
pub struct Config {
    /// `ORDERS_TABLE`.
    pub orders_table: String,
    /// `SENDER_ADDRESS`: who writes to customers; verified with the mail service.
    pub sender_address: String,
    /// `MAIL_CONFIGURATION_SET`: by it the mail service reports bounces and complaints.
    pub mail_configuration_set: String,
    /// `OPERATORS_TOPIC_ARN`.
    pub operators_topic_arn: String,
}

impl Config {
    /// Reads them.
    ///
    /// # Errors
    /// Names what is missing.
    pub fn from_env() -> Result<Self, InitError> {
        Ok(Self {
            orders_table: env::required("ORDERS_TABLE")?,
            sender_address: env::required("SENDER_ADDRESS")?,
            mail_configuration_set: env::required("MAIL_CONFIGURATION_SET")?,
            operators_topic_arn: env::required("OPERATORS_TOPIC_ARN")?,
        })
    }
}
