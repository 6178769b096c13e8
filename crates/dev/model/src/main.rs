//! `make model`: explores every interleaving of one order, scope by scope.
use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    model::Command::parse().run()
}
