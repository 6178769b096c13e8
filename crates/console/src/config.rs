//! Settings from the environment.

use std::collections::HashMap;

use serde::Deserialize;
use step::InitError;
use step::env::{optional, parsed, required};

/// The console's settings.
#[derive(Debug, Clone)]
pub struct Config {
    /// Name of the orders table.
    pub orders_table: String,
    /// Name of the table of the read models.
    pub read_models_table: String,
    /// ARN that executions are started through.
    pub state_machine_arn: String,
    /// ARN of the function of each step that can be asked, by the step's name.
    pub steps: HashMap<String, String>,
    /// ARN of the monitor, which is asked for a new snapshot.
    pub monitor: String,
    /// Name of the deployment, shown on every page.
    pub environment: String,
    /// Base URL of AWS's own console, for links. `None` where there is none.
    pub aws_console_url: Option<String>,
    /// Where this page is, without a trailing slash: the issuer sends people back there.
    pub console_url: String,
    /// Who signs people in. `None`: nobody has to, on a laptop.
    pub issuer: Option<Issuer>,
}

/// An `OpenID` Connect issuer, and us as its client: a public one, without a secret.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Issuer {
    /// As ID tokens have it in `iss`.
    pub issuer: String,
    /// Our name there, `aud` of its ID tokens.
    pub client_id: String,
    /// Where people sign in.
    pub authorize_url: String,
    /// Where a code becomes an ID token.
    pub token_url: String,
    /// Where the keys of its signatures are.
    pub jwks_url: String,
    /// Where people sign out, if there is such a place.
    #[serde(default)]
    pub logout_url: Option<String>,
    /// The claim that has the names of a person's groups.
    pub groups_claim: String,
    /// What is asked for, such as `openid email`.
    pub scopes: String,
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
            steps: parsed("STEP_FUNCTIONS", |text| serde_json::from_str(text).ok())?,
            monitor: required("MONITOR_FUNCTION")?,
            environment: required("ENVIRONMENT")?,
            aws_console_url: optional("AWS_CONSOLE_URL"),
            console_url: required("CONSOLE_URL")?,
            issuer: parsed("SIGN_IN", |text| match text {
                "none" => Some(None),
                text => serde_json::from_str(text).ok().map(Some),
            })?,
        })
    }
}
