#![doc = include_str!("../README.md")]

mod forward;
mod host;

use std::path::PathBuf;

type Error = Box<dyn std::error::Error + Send + Sync>;

/// What the forwarding half passes the invocation's deadline in, through a watch server that hands on
/// few headers and makes nothing of this one.
const DEADLINE: &str = "lambda-runtime-cognito-identity";

/// Where a function's deployed environment is kept for whoever hosts it.
fn environment_of(folder: &std::path::Path, function: &str) -> PathBuf {
    folder.join(format!("{function}.json"))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    match std::env::args_os().nth(1) {
        Some(binary) => host::run(PathBuf::from(binary)).await,
        None => forward::run().await,
    }
}
