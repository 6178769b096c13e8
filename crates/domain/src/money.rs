//! Money: integers in the currency's minor unit, never floating point.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Why an amount, currency or quantity cannot exist.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidMoney {
    /// The code is not one of ISO 4217's, or its currency has no minor unit that is in use.
    #[error("must be an ISO 4217 currency code in capitals, such as USD, JPY or KWD")]
    Currency,
    /// The amount is above [`Money::MAX_MINOR`].
    #[error("must be an integer from 0 to {max} in the currency's minor unit", max = Money::MAX_MINOR)]
    Amount,
    /// Two amounts in different currencies were added or compared.
    #[error("amounts in {0} and {1} cannot be combined")]
    Mixed(Currency, Currency),
    /// The quantity is not 1 to 10,000.
    #[error("must be an integer from 1 to {max}", max = Quantity::MAX)]
    Quantity,
}

/// A currency by its ISO 4217 code.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Currency(iso_currency::Currency);

impl Currency {
    /// The three-letter code, such as `USD`.
    #[must_use]
    pub fn code(self) -> &'static str {
        self.0.code()
    }

    /// Digits of the minor unit: 2 for USD, 0 for JPY, 3 for KWD (ISO 4217 list one).
    #[must_use]
    pub fn minor_digits(self) -> u32 {
        self.0.exponent().map_or(0, u32::from)
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.code())
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.code())
    }
}

impl TryFrom<String> for Currency {
    type Error = InvalidMoney;
    fn try_from(code: String) -> Result<Self, InvalidMoney> {
        code.parse()
    }
}

impl std::str::FromStr for Currency {
    type Err = InvalidMoney;
    fn from_str(code: &str) -> Result<Self, InvalidMoney> {
        iso_currency::Currency::from_code(code)
            .filter(|currency| currency.exponent().is_some())
            .map(Self)
            .ok_or(InvalidMoney::Currency)
    }
}

impl From<Currency> for String {
    fn from(currency: Currency) -> Self {
        currency.code().to_owned()
    }
}

/// An amount in a currency's minor unit: 1299 USD are 12.99 dollars, 1500 JPY are 1500 yen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Money {
    amount: u64,
    currency: Currency,
}

impl Money {
    /// The largest amount: twelve digits, far above any card payment and far below overflow
    /// in every integer and JSON type that an amount passes through.
    pub const MAX_MINOR: u64 = 999_999_999_999;

    /// An amount of `minor` units.
    pub fn new(minor: u64, currency: Currency) -> Result<Self, InvalidMoney> {
        if minor > Self::MAX_MINOR {
            return Err(InvalidMoney::Amount);
        }
        Ok(Self {
            amount: minor,
            currency,
        })
    }

    /// The amount in minor units.
    #[must_use]
    pub fn minor(self) -> u64 {
        self.amount
    }

    /// The currency.
    #[must_use]
    pub fn currency(self) -> Currency {
        self.currency
    }

    /// The sum, if both are of one currency and it is in range.
    pub fn plus(self, other: Self) -> Result<Self, InvalidMoney> {
        if self.currency != other.currency {
            return Err(InvalidMoney::Mixed(self.currency, other.currency));
        }
        // Both are at most MAX_MINOR, so the sum fits an u64.
        Self::new(self.amount + other.amount, self.currency)
    }

    /// The price of `quantity` pieces.
    pub fn times(self, quantity: Quantity) -> Result<Self, InvalidMoney> {
        let product = self
            .amount
            .checked_mul(u64::from(quantity.get()))
            .ok_or(InvalidMoney::Amount)?;
        Self::new(product, self.currency)
    }
}

/// For people: `12.99 USD`, `1500 JPY`, `1.250 KWD`.
impl fmt::Display for Money {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&told(self.amount, self.currency))
    }
}

/// So many minor units for people; a sum may be larger than any [`Money`].
pub(crate) fn told(amount: u64, currency: Currency) -> String {
    let digits = currency.minor_digits();
    let unit = 10_u64.pow(digits);
    if digits == 0 {
        return format!("{amount} {currency}");
    }
    let width = digits as usize;
    let (major, minor) = (amount / unit, amount % unit);
    format!("{major}.{minor:0width$} {currency}")
}

/// How many pieces of an article: 1 to 10,000.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct Quantity(u32);

impl Quantity {
    /// The largest quantity of one line.
    pub const MAX: u32 = 10_000;

    /// The number of pieces.
    #[must_use]
    pub fn get(self) -> u32 {
        self.0
    }
}

impl TryFrom<u32> for Quantity {
    type Error = InvalidMoney;
    fn try_from(pieces: u32) -> Result<Self, InvalidMoney> {
        (1..=Self::MAX)
            .contains(&pieces)
            .then_some(Self(pieces))
            .ok_or(InvalidMoney::Quantity)
    }
}

impl From<Quantity> for u32 {
    fn from(quantity: Quantity) -> Self {
        quantity.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn money(minor: u64, code: &str) -> Money {
        Money::new(minor, code.parse().unwrap()).unwrap()
    }

    #[test]
    fn each_currency_shows_its_own_number_of_digits() {
        assert_eq!(money(1299, "USD").to_string(), "12.99 USD");
        assert_eq!(money(5, "USD").to_string(), "0.05 USD");
        assert_eq!(money(1500, "JPY").to_string(), "1500 JPY");
        assert_eq!(money(1250, "KWD").to_string(), "1.250 KWD");
    }

    #[test]
    fn codes_that_are_no_currency_in_use_are_refused() {
        for bad in ["usd", "US", "XXX", "ZZZ", ""] {
            assert_eq!(
                bad.parse::<Currency>(),
                Err(InvalidMoney::Currency),
                "{bad}"
            );
        }
    }

    #[test]
    fn currencies_do_not_mix() {
        assert!(money(1, "USD").plus(money(1, "EUR")).is_err());
    }

    proptest! {
        #[test]
        fn sums_and_products_are_exact_or_refused(a in 0..=Money::MAX_MINOR, b in 0..=Money::MAX_MINOR, q in 1..=Quantity::MAX) {
            let exact = u128::from(a) * u128::from(q);
            let product = money(a, "USD").times(Quantity(q));
            prop_assert_eq!(product.is_ok(), exact <= u128::from(Money::MAX_MINOR));
            if let Ok(product) = product {
                prop_assert_eq!(u128::from(product.minor()), exact);
            }
            let sum = money(a, "USD").plus(money(b, "USD"));
            prop_assert_eq!(sum.map(Money::minor).ok(), (a + b <= Money::MAX_MINOR).then_some(a + b));
        }
    }
}
