//! Settings.

use step::{InitError, env};

/// What Terraform sets for this function.
#[derive(Debug, Clone)]
pub struct Config {
    /// `ORDERS_TABLE`.
    pub orders_table: String,
    /// `READ_MODELS_TABLE`: where new orders are announced.
    pub read_models_table: String,
    /// `STATE_MACHINE_ARN`: of the alias that executions start through.
    pub state_machine_arn: String,
}

impl Config {
    /// Reads them.
    ///
    /// # Errors
    /// Names what is missing.
    pub fn from_env() -> Result<Self, InitError> {
        Ok(Self {
            orders_table: env::required("ORDERS_TABLE")?,
            read_models_table: env::required("READ_MODELS_TABLE")?,
            state_machine_arn: env::required("STATE_MACHINE_ARN")?,
        })
    }
}
