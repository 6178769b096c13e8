//! The adapter against a real engine.
#![expect(clippy::expect_used, reason = "tests")]

mod projections;
mod snapshots;
