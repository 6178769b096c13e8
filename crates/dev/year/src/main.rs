//! `year`: a year of orders, before the coffee is cold.

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    year::Command::parse().run()
}
