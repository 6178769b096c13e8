#![doc = include_str!("../README.md")]

mod http;
mod secret;

pub use http::{Answer, Http};
pub use secret::Secret;
