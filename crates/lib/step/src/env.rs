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

#[cfg(test)]
mod tests {
    use super::*;

    /// Cargo sets both for a test: the package's name, and where it has none, an empty page of its own.
    const SET: &str = "CARGO_PKG_NAME";
    const EMPTY: &str = "CARGO_PKG_HOMEPAGE";
    const MISSING: &str = "NOBODY_SETS_THIS";

    #[test]
    fn a_setting_that_is_empty_is_as_good_as_missing() {
        assert_eq!(required(SET).expect("set"), "step");
        assert_eq!(optional(SET).as_deref(), Some("step"));
        for name in [EMPTY, MISSING] {
            assert_eq!(optional(name), None);
            let error = required(name).expect_err("missing");
            let text = format!(
                "the environment variable {name} is missing: Terraform sets it for each function"
            );
            assert_eq!(error.to_string(), text);
            // `main` shows it so.
            assert_eq!(format!("{error:?}"), text);
        }
        assert_eq!(std::env::var(EMPTY).as_deref(), Ok(""));
    }

    #[test]
    fn a_setting_that_is_not_what_it_must_be_is_named_with_its_value() {
        let long = |text: &str| Some(text.len()).filter(|length| *length > 3);
        assert_eq!(parsed(SET, long).expect("long"), 4);
        let error = parsed(SET, |_| None::<u32>).expect_err("no number");
        let text = "the environment variable CARGO_PKG_NAME is not what it must be: step";
        assert_eq!(error.to_string(), text);
        assert!(parsed(MISSING, long).is_err());
    }
}
