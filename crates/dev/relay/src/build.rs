//! Builds a function for its host, and says in a line why that failed.

use std::path::PathBuf;
use std::process::Stdio;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::Command;

use crate::Error;

/// How Cargo begins a line about its own progress.
const PROGRESS: [&str; 6] = [
    "Blocking",
    "Compiling",
    "Downloaded",
    "Downloading",
    "Finished",
    "Updating",
];

/// What came of a build.
pub(crate) struct Built {
    /// Nowhere if it failed.
    pub(crate) executable: Option<PathBuf>,
    /// Errors and warnings, as they are for people.
    pub(crate) diagnostics: String,
}

/// The Cargo that stands behind us.
pub(crate) fn cargo() -> std::process::Command {
    let cargo = std::env::var_os("ORDERS_WATCH_CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = std::process::Command::new(cargo);
    command.env_remove("CARGO");
    command
}

/// Builds what `cargo run` with these arguments would run. Prints its progress.
pub(crate) async fn build(arguments: &[String]) -> Result<Built, Error> {
    let mut cargo = Command::from(cargo())
        .args(["build", "--message-format", "json-render-diagnostics"])
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let messages = lines_of(cargo.stdout.take(), executable);
    let diagnostics = lines_of(cargo.stderr.take(), |line| {
        if PROGRESS
            .iter()
            .any(|word| line.trim_start().starts_with(word))
        {
            eprintln!("{line}");
            return None;
        }
        Some(line.to_owned())
    });
    let (messages, diagnostics) = tokio::try_join!(messages, diagnostics)?;
    let fine = cargo.wait().await?.success();
    Ok(Built {
        executable: messages.into_iter().next_back().filter(|_| fine),
        diagnostics: diagnostics.join("\n"),
    })
}

async fn lines_of<T>(
    output: Option<impl AsyncRead + Unpin>,
    kept: impl Fn(&str) -> Option<T>,
) -> Result<Vec<T>, Error> {
    let output = output.ok_or("no output of cargo")?;
    let mut lines = BufReader::new(output).lines();
    let mut found = Vec::new();
    while let Some(line) = lines.next_line().await? {
        found.extend(kept(&line));
    }
    Ok(found)
}

fn executable(message: &str) -> Option<PathBuf> {
    let message: Value = serde_json::from_str(message).ok()?;
    message["executable"].as_str().map(PathBuf::from)
}

/// The first line that begins with `error`, and the place that rustc points to below it.
pub(crate) fn first_error(printed: &str) -> String {
    let mut lines = printed
        .lines()
        .skip_while(|line| !line.starts_with("error"));
    let Some(error) = lines.next() else {
        return "cargo build failed without an error".to_owned();
    };
    let place = lines
        .take_while(|line| !line.starts_with("error"))
        .find_map(|line| line.trim_start().strip_prefix("--> "));
    match place {
        Some(place) => format!("{error} ({place})"),
        None => error.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::first_error;

    #[test]
    fn the_first_error_is_told_with_its_place() {
        let printed = [
            "   Compiling validate v0.1.0",
            "warning: unused variable",
            "  --> crates/validate/src/a.rs:1:2",
            "error[E0308]: mismatched types",
            "   --> crates/validate/src/lib.rs:12:5",
            "    |",
            "error: could not compile `validate` (lib) due to 1 previous error",
        ];
        let error = "error[E0308]: mismatched types (crates/validate/src/lib.rs:12:5)";
        assert_eq!(first_error(&printed.join("\n")), error);
    }

    #[test]
    fn an_error_of_cargo_has_no_place() {
        let printed = "error: failed to parse manifest at `Cargo.toml`\n\nCaused by:\n  no\n";
        let error = "error: failed to parse manifest at `Cargo.toml`";
        assert_eq!(first_error(printed), error);
    }
}
