//! The wire, and the two databases at its end.
#![expect(clippy::expect_used, reason = "tests")]

mod both;
mod listening;
mod refusing;
mod services;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_smithy_async::time::TimeSource;
use tests::Database;
use wire::{Both, Embedded, Tables, Wire};

/// Time stands still.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Still;

impl TimeSource for Still {
    fn now(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_hours(500_000)
    }
}

/// A database that is two that agree, with a stream of the orders.
pub(crate) async fn shop() -> (Wire, Database) {
    let both = Both::new(Tables::new(), Embedded::new().expect("a database"));
    let wire = Wire::new(both, Still);
    wire.stream(&[tests::ORDERS]);
    let database = Database::create(&wire.config("setup", Still)).await;
    database.article("MUG-01", 1299, "USD", 3).await;
    (wire, database)
}
