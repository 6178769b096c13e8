//! Identifiers. One that exists is valid.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Why a text is not an identifier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to {max} of {allowed}, first a letter or digit")]
pub struct InvalidId {
    max: usize,
    allowed: &'static str,
}

fn check(text: &str, max: usize, extra: &[u8], allowed: &'static str) -> Result<(), InvalidId> {
    let bytes = text.as_bytes();
    let fits = bytes.first().is_some_and(u8::is_ascii_alphanumeric)
        && bytes.len() <= max
        && bytes
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || extra.contains(byte));
    fits.then_some(()).ok_or(InvalidId { max, allowed })
}

macro_rules! identifier {
    ($(#[$doc:meta])* $name:ident, $max:literal, $extra:literal, $allowed:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The identifier as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;
            fn try_from(text: String) -> Result<Self, InvalidId> {
                check(&text, $max, $extra, $allowed)?;
                Ok(Self(text))
            }
        }

        impl std::str::FromStr for $name {
            type Err = InvalidId;
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                Self::try_from(text.to_owned())
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str(&self.0)
            }
        }
    };
}

identifier!(
    /// The caller's name for an order and its idempotency key for good: 1 to 64 of
    /// `A-Z a-z 0-9 _ -`, first a letter or digit.
    OrderId, 64, b"_-", "A-Z a-z 0-9 _ -"
);
identifier!(
    /// The caller's name for a customer, never the customer's own: 1 to 64 of
    /// `A-Z a-z 0-9 _ -`, first a letter or digit.
    CustomerId, 64, b"_-", "A-Z a-z 0-9 _ -"
);
identifier!(
    /// An article in the catalogue: 1 to 64 of `A-Z a-z 0-9 _ - .`, first a letter or digit.
    Sku, 64, b"_-.", "A-Z a-z 0-9 _ - ."
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identifier_that_exists_is_valid() {
        for good in ["a", "ord-1001", "9_x", &"a".repeat(64)] {
            assert!(good.parse::<OrderId>().is_ok(), "{good}");
        }
        for bad in ["", "-a", "_a", "a b", "a/b", "ä", "a\n", &"a".repeat(65)] {
            assert!(bad.parse::<OrderId>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn deserialising_checks_too() {
        assert!(serde_json::from_str::<OrderId>(r#""a b""#).is_err());
        assert!(serde_json::from_str::<Sku>(r#""MUG.01""#).is_ok());
    }

    #[test]
    fn an_identifier_is_shown_and_sent_as_it_is() {
        let sku: Sku = "MUG-01.B".parse().unwrap();
        assert_eq!(
            (sku.as_str(), sku.to_string()),
            ("MUG-01.B", "MUG-01.B".to_owned())
        );
        assert_eq!(serde_json::to_value(&sku).unwrap(), "MUG-01.B");
        // What an article may have, an order may not.
        let wrong = "MUG.01".parse::<OrderId>().unwrap_err();
        let text = "must be 1 to 64 of A-Z a-z 0-9 _ -, first a letter or digit";
        assert_eq!(wrong.to_string(), text);
        assert!("cus-7".parse::<CustomerId>().is_ok() && "cus.7".parse::<CustomerId>().is_err());
    }
}
