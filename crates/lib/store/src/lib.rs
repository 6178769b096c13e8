#![doc = include_str!("../README.md")]

mod accepting;
pub mod announcement;
mod catalogue;
pub mod error;
pub mod item;
mod label;
mod orders;
mod settling;
mod stock;
pub mod transaction;

use std::time::Duration;

pub use accepting::{Accepted, Begun};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
pub use domain::Article;
use domain::Clock;

/// The longest that one operation takes, all its attempts together, before it counts as failed.
/// `step::budget` counts with it; a test holds the two together.
pub const OPERATION_TIMEOUT: Duration = Duration::from_secs(2);

const ATTEMPT_TIMEOUT: Duration = Duration::from_millis(900);
const ATTEMPTS: u32 = 3;

/// The orders and the stock in DynamoDB.
#[derive(Debug, Clone)]
pub struct Store {
    client: Client,
    orders_table: String,
    stock_table: String,
    read_models_table: String,
    clock: Clock,
}

impl Store {
    /// A store on these tables. A function that never touches the stock may leave its name empty.
    #[must_use]
    pub fn new(
        config: &aws_config::SdkConfig,
        orders_table: impl Into<String>,
        stock_table: impl Into<String>,
    ) -> Self {
        Self {
            client: client(config),
            orders_table: orders_table.into(),
            stock_table: stock_table.into(),
            read_models_table: String::new(),
            clock: Clock::default(),
        }
    }

    /// The same, announcing new orders in this table. Only who accepts orders needs it.
    #[must_use]
    pub fn announcing_in(self, read_models_table: impl Into<String>) -> Self {
        Self {
            read_models_table: read_models_table.into(),
            ..self
        }
    }

    /// The same, by another clock than the machine's.
    #[must_use]
    pub fn timed_by(self, clock: Clock) -> Self {
        Self { clock, ..self }
    }

    /// Opens the connection, so that the TLS handshake is paid during init and not by the first
    /// order. Failing is no error here: the first order would see it.
    pub async fn warm_up(&self) {
        let _ = self
            .client
            .query()
            .table_name(&self.orders_table)
            .key_condition_expression("order_id = :none")
            // No order id begins with a hyphen.
            .expression_attribute_values(":none", item::text("-"))
            .send()
            .await;
    }
}

/// A client with our limits: every adapter to a table of ours has the same.
#[must_use]
pub fn client(config: &aws_config::SdkConfig) -> Client {
    let config = aws_sdk_dynamodb::config::Builder::from(config)
        .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS))
        .timeout_config(
            TimeoutConfig::builder()
                .operation_timeout(OPERATION_TIMEOUT)
                .operation_attempt_timeout(ATTEMPT_TIMEOUT)
                .build(),
        )
        .build();
    Client::from_conf(config)
}
