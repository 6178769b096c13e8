//! Items, and what is in them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// An item.
pub type Item = BTreeMap<String, Attribute>;

/// An attribute of a type that tables of ours have. Of another one, or with a number that is not whole, a request
/// cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Attribute {
    /// A text.
    S(String),
    /// A number.
    N(Number),
    /// Yes or no.
    #[serde(rename = "BOOL")]
    Bool(bool),
    /// Nothing.
    #[serde(rename = "NULL")]
    Null(bool),
    /// A list.
    L(Vec<Attribute>),
    /// A map.
    M(Item),
    /// A set of texts.
    #[serde(rename = "SS")]
    Ss(BTreeSet<String>),
}

/// A whole number: amounts are in minor units, times in milliseconds or seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Number(pub i128);

impl fmt::Display for Number {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(out)
    }
}

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        let number = text.parse();
        number
            .map(Self)
            .map_err(|_| D::Error::custom("a number that is not whole"))
    }
}

impl Attribute {
    /// Its type, as an expression and a table's schema name it.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::S(_) => "S",
            Self::N(_) => "N",
            Self::Bool(_) => "BOOL",
            Self::Null(_) => "NULL",
            Self::L(_) => "L",
            Self::M(_) => "M",
            Self::Ss(_) => "SS",
        }
    }

    /// Its size in bytes, by which items and pages are limited.
    /// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html>
    fn size(&self) -> usize {
        match self {
            Self::S(text) => text.len(),
            Self::N(number) => significant_digits(*number).div_ceil(2) + 1,
            Self::Bool(_) | Self::Null(_) => 1,
            Self::L(elements) => {
                3 + elements
                    .iter()
                    .map(|element| element.size() + 1)
                    .sum::<usize>()
            }
            Self::M(fields) => 3 + size(fields) + fields.len(),
            Self::Ss(texts) => texts.iter().map(String::len).sum(),
        }
    }
}

/// Zeros at the end are not stored.
fn significant_digits(number: Number) -> usize {
    let digits = number.0.unsigned_abs().to_string();
    let sign = usize::from(number.0 < 0);
    digits.trim_end_matches('0').len() + sign
}

/// An item's size in bytes.
pub(crate) fn size(item: &Item) -> usize {
    item.iter()
        .map(|(name, value)| name.len() + value.size())
        .sum()
}
