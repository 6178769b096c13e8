#![doc = include_str!("../README.md")]

mod board;
mod bulk;
mod catalogue;
mod error;
mod item;
mod orders;
mod stock;
mod watch;

use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
pub use board::{PAGE, Reference};
pub use catalogue::Article;
pub use watch::{Begun, Notice};

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
}

impl Store {
    /// A store on these tables. A function that never touches the stock may leave its name empty.
    #[must_use]
    pub fn new(
        config: &aws_config::SdkConfig,
        orders_table: impl Into<String>,
        stock_table: impl Into<String>,
    ) -> Self {
        let config = aws_sdk_dynamodb::config::Builder::from(config)
            .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS))
            .timeout_config(
                TimeoutConfig::builder()
                    .operation_timeout(OPERATION_TIMEOUT)
                    .operation_attempt_timeout(ATTEMPT_TIMEOUT)
                    .build(),
            )
            .build();
        Self {
            client: Client::from_conf(config),
            orders_table: orders_table.into(),
            stock_table: stock_table.into(),
        }
    }

    /// Opens the connection, so that the TLS handshake is paid during init and not by the first
    /// order. Failing is no error here: the first order would see it.
    pub async fn warm_up(&self) {
        // No order id begins with a hyphen.
        let _ = self
            .client
            .query()
            .table_name(&self.orders_table)
            .key_condition_expression("order_id = :none")
            .expression_attribute_values(":none", item::text("-"))
            .send()
            .await;
    }
}
