#![doc = include_str!("../README.md")]

mod build;
mod forward;
mod host;
mod invocations;

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};

type Error = Box<dyn std::error::Error + Send + Sync>;

/// What the forwarding half passes the invocation's deadline in, through a watch server that hands on
/// few headers and makes nothing of this one.
const DEADLINE: &str = "lambda-runtime-cognito-identity";

/// A function that does not build runs nothing, so that asking again is safe: the state machine goes on
/// asking for hours under this name, which a Lambda without capacity answers with.
const DOES_NOT_BUILD: &str = "Lambda.TooManyRequestsException";

/// The function was stopped for a new build before it had answered. The forwarding half asks again.
const REBUILT: &str = "Relay.Rebuilt";

/// Where a function's deployed environment is kept for whoever hosts it.
fn environment_of(folder: &Path, function: &str) -> PathBuf {
    folder.join(format!("{function}.json"))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.first().map(String::as_str) {
        None => forward::run().await,
        Some("run") => host::run(&arguments[1..]).await,
        Some(_) => Err(build::cargo().args(arguments).exec().into()),
    }
}
