//! Settings from the environment. Read in init, never by a handler.

use std::fmt;

/// Why a function could not start. Shown as it is by `main`.
#[derive(thiserror::Error)]
#[error("{0}")]
pub struct InitError(String);

impl InitError {
    /// A reason, and what to do about it.
    pub fn new(reason: impl Into<String>) -> Self {
        Self(reason.into())
    }
}

/// `main` shows an error by its `Debug`.
impl fmt::Debug for InitError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl From<lambda_runtime::Error> for InitError {
    fn from(error: lambda_runtime::Error) -> Self {
        Self(error.to_string())
    }
}

/// A setting that must be there.
///
/// # Errors
/// Names the variable that is missing or empty.
pub fn required(name: &str) -> Result<String, InitError> {
    match std::env::var(name) {
        Ok(value) if !value.is_empty() => Ok(value),
        Ok(_) | Err(_) => Err(InitError(format!(
            "the environment variable {name} is missing: Terraform sets it for each function"
        ))),
    }
}

/// A setting that may be missing or empty.
#[must_use]
pub fn optional(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// A setting that must be there and be of this type.
///
/// # Errors
/// Names the variable that is missing or not as it must be.
pub fn parsed<T>(name: &str, parse: impl FnOnce(&str) -> Option<T>) -> Result<T, InitError> {
    let value = required(name)?;
    parse(&value).ok_or_else(|| {
        InitError(format!(
            "the environment variable {name} is not what it must be: {value}"
        ))
    })
}
