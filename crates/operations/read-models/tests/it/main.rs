//! The adapter against a real engine.
#![expect(clippy::expect_used, reason = "tests")]

mod notices;
mod projections;
mod snapshots;
