//! What is wrong with a document.

use serde::Serialize;

/// Something in a document that is not as it must be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("{pointer} {detail}")]
pub struct Violation {
    /// Where: a JSON pointer (RFC 6901), empty for the whole document.
    pub pointer: String,
    /// What must be the case. Never quotes the document: it may hold personal data.
    pub detail: String,
}

impl Violation {
    pub(crate) fn new(pointer: &str, detail: impl Into<String>) -> Self {
        Self {
            pointer: pointer.to_owned(),
            detail: detail.into(),
        }
    }
}
