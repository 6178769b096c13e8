#![doc = include_str!("../README.md")]

mod books;
pub mod budget;
#[cfg(test)]
mod elsewhere;
pub mod env;
#[cfg(test)]
mod fixtures;
mod once;
mod packing;
mod run;
mod settle;
mod task;

pub use books::{Ask, may_be_let_go};
pub use env::InitError;
pub use once::{
    Documents, documents, find_out, once, perform, provider_error, record, still_true, store_error,
    time_left, unchanged,
};
pub use packing::packing;
pub use run::{init_tracing, run, run_with_books};
pub use settle::settle;
pub use task::{FailureInput, Settling, Task};

/// AWS configuration for this function: region, credentials and endpoint from the environment
/// that Lambda sets.
pub async fn aws_config() -> aws_config::SdkConfig {
    aws_config::load_defaults(aws_config::BehaviorVersion::latest()).await
}
