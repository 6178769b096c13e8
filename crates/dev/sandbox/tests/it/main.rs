//! The server as its clients meet it: on a port, over HTTP.
#![expect(clippy::unwrap_used, reason = "a test ends where its set-up fails")]

mod carrier;
mod client;
mod faults;
mod idempotency;
mod notices;
mod payments;
