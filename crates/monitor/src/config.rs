//! Settings from the environment.

use std::collections::HashMap;

use operations::Limits;
use step::InitError;
use step::env::{optional, parsed, required};

/// The monitor's settings.
#[derive(Debug, Clone)]
pub struct Config {
    /// Name of the orders table.
    pub orders_table: String,
    /// Name of the table of the read models.
    pub read_models_table: String,
    /// ARN that executions are started through.
    pub state_machine_arn: String,
    /// ARN of the topic that notices to operators go to.
    pub operators_topic_arn: String,
    /// ARN of the secret with the webhook that notices are posted to as well, if there is one.
    pub webhook_secret_arn: Option<String>,
    /// ARN of the function of each step that can be asked, by the step's name.
    pub steps: HashMap<String, String>,
    /// Where the operators' page is, without a trailing slash: messages lead to it.
    pub console_url: String,
    /// Name of the deployment, a dimension of every metric.
    pub environment: String,
    /// When an order is looked at differently, and when somebody hears of it.
    pub limits: Limits,
}

impl Config {
    /// Reads the environment that Terraform sets.
    ///
    /// # Errors
    /// Names the variable that is missing or wrong.
    pub fn from_env() -> Result<Self, InitError> {
        Ok(Self {
            orders_table: required("ORDERS_TABLE")?,
            read_models_table: required("READ_MODELS_TABLE")?,
            state_machine_arn: required("STATE_MACHINE_ARN")?,
            operators_topic_arn: required("OPERATORS_TOPIC_ARN")?,
            webhook_secret_arn: optional("NOTICES_WEBHOOK_SECRET_ARN"),
            steps: parsed("STEP_FUNCTIONS", |text| serde_json::from_str(text).ok())?,
            console_url: required("CONSOLE_URL")?,
            environment: required("ENVIRONMENT")?,
            limits: parsed("LIMITS", |text| Limits::read(text).ok())?,
        })
    }
}
