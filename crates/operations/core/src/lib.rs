#![doc = include_str!("../README.md")]

pub mod advice;
mod after;
pub mod bulk;
mod cause;
mod derived;
pub mod figures;
pub mod filter;
#[cfg(test)]
mod fixtures;
pub mod holds;
mod incident;
mod limits;
pub mod movement;
mod orphan;
mod process;
mod projection;
pub mod retries;
pub mod snapshot;
pub mod sort;
pub mod trend;

pub use after::After;
pub use cause::{Cause, Problem};
pub use incident::Incident;
pub use limits::{InvalidLimits, Limits};
pub use movement::Movement;
pub use orphan::{LetGo, Orphan, Pass, Round, Stretch};
pub use process::{Health, ProcessState, durations};
pub use projection::{Observation, Projection, REVIEW_DEADLINE, Tally, normalised, skus};
pub use retries::Retry;
use sha2::{Digest as _, Sha256};

/// A name for what was hashed: 16 hexadecimal digits.
fn short(hasher: Sha256) -> String {
    let digest = hasher.finalize();
    let first = digest.iter().take(8);
    let number = first.fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    format!("{number:016x}")
}
