//! Prepares one order for each situation in `tests/events`, so that each of its files can be sent to
//! its function with `cargo lambda invoke`, and tells how.
//!
//! ```text
//! cargo run --example situations [ENDPOINTS [EVENT]]      (make situations)
//! ```
//!
//! `EVENT` is how the wanted events begin, such as `charge/`.
#![expect(
    clippy::expect_used,
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "a tool for developers"
)]

#[path = "situations/prepare.rs"]
mod prepare;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let endpoints = std::env::args().nth(1);
    let endpoints = endpoints.unwrap_or_else(|| "target/local/endpoints.json".to_owned());
    let Ok(text) = std::fs::read(&endpoints) else {
        eprintln!("error: there is no {endpoints}: the stack is not up");
        eprintln!("  what to do: make up, or make watch");
        std::process::exit(1);
    };
    let endpoints = serde_json::from_slice(&text).expect("endpoints");
    let stack = prepare::Stack::at(&endpoints).await;
    let situations = prepare::situations();
    let wanted = std::env::args().nth(2).unwrap_or_default();
    for situation in situations
        .iter()
        .filter(|situation| situation.event.starts_with(&wanted))
    {
        stack.prepare(situation).await;
        let function = situation.event.split('/').next().unwrap_or_default();
        println!(
            "cargo lambda invoke {function} --data-file tests/events/{}.json\n    {}: {}\n",
            situation.event,
            situation.what,
            situation.expected()
        );
    }
    println!("the situations are prepared");
}
