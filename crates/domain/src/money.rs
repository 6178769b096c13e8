//! Money: integers in the currency's minor unit, never floating point.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// Why an amount, currency or quantity cannot exist.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidMoney {
    /// The code is not one of ISO 4217's, or its currency has no minor unit that is in use.
    #[error("must be an ISO 4217 currency code in capitals, such as USD, JPY or KWD")]
    Currency,
    /// The amount is above [`Money::MAX_MINOR`].
    #[error(
        "must be an integer from 0 to {max} in the currency's minor unit",
        max = Money::MAX_MINOR
    )]
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

/// By code: the order in which people look for them.
impl Ord for Currency {
    fn cmp(&self, other: &Self) -> Ordering {
        self.code().cmp(other.code())
    }
}

impl PartialOrd for Currency {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
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

    /// Nothing, in this currency.
    #[must_use]
    pub fn zero(currency: Currency) -> Self {
        Self {
            amount: 0,
            currency,
        }
    }

    /// Whether it is nothing.
    #[must_use]
    pub fn is_zero(self) -> bool {
        self.amount == 0
    }

    /// The amount in minor units.
    #[must_use]
    pub fn minor(self) -> u64 {
        self.amount
    }

    /// The amount as a decimal number, where the currency is named elsewhere: `12.99`.
    #[must_use]
    pub fn decimal(self) -> String {
        decimal(self.amount, self.currency)
    }

    /// Reads a decimal number as [`Self::decimal`] writes it, exactly: `12.99`, also `12.9` and `12`.
    ///
    /// # Errors
    /// [`InvalidMoney::Amount`] if it is no such number, has more digits than the currency, or is too much.
    pub fn of_decimal(text: &str, currency: Currency) -> Result<Self, InvalidMoney> {
        let (whole, part) = text.split_once('.').unwrap_or((text, ""));
        // What other programs write beyond the minor unit is nothing, or not an amount of money.
        let digits = currency.minor_digits() as usize;
        let (part, beyond) = part.split_at_checked(digits).unwrap_or((part, ""));
        let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty()
            || !is_number(whole)
            || !is_number(part)
            || beyond.contains(|c| c != '0')
        {
            return Err(InvalidMoney::Amount);
        }
        let minor = format!("{whole}{part:0<digits$}");
        let minor = minor.parse().map_err(|_| InvalidMoney::Amount)?;
        Self::new(minor, currency)
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

    /// What this is more than `other`, if both are of one currency; nothing if it is less.
    ///
    /// # Errors
    /// [`InvalidMoney::Mixed`].
    pub fn beyond(self, other: Self) -> Result<Self, InvalidMoney> {
        if self.currency != other.currency {
            return Err(InvalidMoney::Mixed(self.currency, other.currency));
        }
        Self::new(self.amount.saturating_sub(other.amount), self.currency)
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
        let currency = self.currency;
        write!(out, "{} {currency}", decimal(self.amount, currency))
    }
}

/// So many minor units as a decimal number, with the currency's own number of digits.
fn decimal(minor: u64, currency: Currency) -> String {
    let digits = currency.minor_digits();
    if digits == 0 {
        return minor.to_string();
    }
    let unit = 10_u64.pow(digits);
    let width = digits as usize;
    format!("{}.{:0width$}", minor / unit, minor % unit)
}

/// The shortest form of an amount, for the ledger's item, which has to stay below a size: `[3098, "USD"]`.
pub(crate) mod pair {
    use serde::de::Error as _;
    use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer};

    use super::{Currency, Money};

    pub(crate) fn serialize<S: Serializer>(money: &Money, to: S) -> Result<S::Ok, S::Error> {
        (money.minor(), money.currency()).serialize(to)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Money, D::Error> {
        let (minor, currency) = <(u64, Currency)>::deserialize(from)?;
        Money::new(minor, currency).map_err(D::Error::custom)
    }
}

/// Sums of money, one for each currency. A sum may be larger than any [`Money`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Sums(BTreeMap<Currency, u64>);

impl Sums {
    /// Adds an amount.
    pub fn add(&mut self, money: Money) {
        self.add_minor(money.minor(), money.currency());
    }

    /// Adds so many minor units of a currency, which may be more than any [`Money`].
    pub fn add_minor(&mut self, minor: u64, currency: Currency) {
        if minor > 0 {
            let sum = self.0.entry(currency).or_default();
            *sum = sum.saturating_add(minor);
        }
    }

    /// The currencies in which it is more than nothing.
    pub fn currencies(&self) -> impl Iterator<Item = Currency> + '_ {
        self.0.keys().copied()
    }

    /// The sum in a currency as a decimal number, where a heading names the currency: `12.99`.
    #[must_use]
    pub fn amount_in(&self, currency: Currency) -> String {
        decimal(self.0.get(&currency).copied().unwrap_or(0), currency)
    }

    /// Each sum for people: `12.99 USD`.
    #[must_use]
    pub fn texts(&self) -> Vec<String> {
        let text = |currency| format!("{} {currency}", self.amount_in(currency));
        self.currencies().map(text).collect()
    }
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
    fn a_decimal_number_is_read_exactly_or_not_at_all() {
        for (text, code, minor) in [
            ("12.99", "USD", Some(1299)),
            ("12.9", "USD", Some(1290)),
            ("12", "USD", Some(1200)),
            ("0.05", "USD", Some(5)),
            ("7.850", "USD", Some(785)),
            ("1500", "JPY", Some(1500)),
            ("1500.0", "JPY", Some(1500)),
            ("1.25", "KWD", Some(1250)),
            ("7.855", "USD", None),
            ("-1", "USD", None),
            ("+1", "USD", None),
            ("1e3", "USD", None),
            (".5", "USD", None),
            ("", "USD", None),
            ("9999999999999", "USD", None),
            ("99999999999999999999999", "USD", None),
        ] {
            let currency = code.parse().unwrap();
            let read = Money::of_decimal(text, currency).map(Money::minor).ok();
            assert_eq!(read, minor, "{text} {code}");
        }
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
        assert!(money(1, "USD").beyond(money(1, "EUR")).is_err());
    }

    #[test]
    fn what_is_beyond_is_never_less_than_nothing() {
        assert_eq!(money(5, "USD").beyond(money(3, "USD")), Ok(money(2, "USD")));
        assert_eq!(money(3, "USD").beyond(money(5, "USD")), Ok(money(0, "USD")));
    }

    #[test]
    fn sums_keep_currencies_apart_and_may_exceed_any_single_amount() {
        let mut sums = Sums::default();
        for amount in [money(1299, "USD"), money(1500, "JPY"), money(1, "USD")] {
            sums.add(amount);
        }
        sums.add(money(0, "EUR"));
        assert_eq!(sums.texts(), ["1500 JPY", "13.00 USD"]);
        let [usd, eur] = ["USD", "EUR"].map(|code| code.parse().unwrap());
        assert_eq!(sums.amount_in(usd), "13.00");
        assert_eq!(sums.amount_in(eur), "0.00");
        for _ in 0..2 {
            sums.add(money(Money::MAX_MINOR, "USD"));
        }
        assert_eq!(sums.amount_in(usd), "20000000012.98");
        let stored = serde_json::to_value(&sums).unwrap();
        assert_eq!(stored["JPY"], 1500);
        assert_eq!(serde_json::from_value::<Sums>(stored).unwrap(), sums);
    }

    proptest! {
        #[test]
        fn sums_and_products_are_exact_or_refused(
            a in 0..=Money::MAX_MINOR,
            b in 0..=Money::MAX_MINOR,
            q in 1..=Quantity::MAX,
        ) {
            let exact = u128::from(a) * u128::from(q);
            let product = money(a, "USD").times(Quantity(q));
            prop_assert_eq!(product.is_ok(), exact <= u128::from(Money::MAX_MINOR));
            if let Ok(product) = product {
                prop_assert_eq!(u128::from(product.minor()), exact);
            }
            let sum = money(a, "USD").plus(money(b, "USD"));
            let fits = a + b <= Money::MAX_MINOR;
            prop_assert_eq!(sum.map(Money::minor).ok(), fits.then_some(a + b));
        }
    }

    #[test]
    fn a_currency_is_known_by_its_code_and_sorted_by_it() {
        let [jpy, usd] = ["JPY", "USD"].map(|code| code.parse::<Currency>().unwrap());
        assert_eq!(
            (jpy.code(), format!("{usd}"), format!("{usd:?}")),
            ("JPY", "USD".to_owned(), "USD".to_owned())
        );
        assert!(jpy < usd && jpy.cmp(&usd) == Ordering::Less);
        assert_eq!(usd.partial_cmp(&usd), Some(Ordering::Equal));
        assert_eq!(serde_json::to_value(usd).unwrap(), "USD");
        assert!(serde_json::from_value::<Currency>("usd".into()).is_err());
        assert_eq!(
            ["JPY", "USD", "KWD"].map(|code| money(0, code).currency().minor_digits()),
            [0, 2, 3]
        );
    }

    #[test]
    fn an_amount_is_refused_above_its_bound_and_at_no_other() {
        let usd = "USD".parse().unwrap();
        assert_eq!(money(Money::MAX_MINOR, "USD").minor(), 999_999_999_999);
        assert_eq!(
            Money::new(Money::MAX_MINOR + 1, usd),
            Err(InvalidMoney::Amount)
        );
        assert!(Money::zero(usd).is_zero() && !money(1, "USD").is_zero());
        assert_eq!(Money::zero(usd), money(0, "USD"));
        assert_eq!(money(1299, "USD").decimal(), "12.99");
    }

    #[test]
    fn a_quantity_is_one_to_ten_thousand_pieces() {
        for (pieces, is_one) in [(0, false), (1, true), (10_000, true), (10_001, false)] {
            let read = serde_json::from_value::<Quantity>(pieces.into());
            assert_eq!(read.as_ref().is_ok_and(|read| read.get() == pieces), is_one);
            let sent = read.ok().map(|read| serde_json::to_value(read).unwrap());
            assert_eq!(sent, is_one.then(|| pieces.into()), "{pieces}");
        }
    }

    #[test]
    fn an_amount_in_the_ledger_is_as_short_as_it_can_be_and_checked_when_it_is_read() {
        #[derive(Debug, PartialEq, Serialize, Deserialize)]
        struct Kept(#[serde(with = "pair")] Money);
        let kept = serde_json::json!([3098, "USD"]);
        let amount = Kept(money(3098, "USD"));
        assert_eq!(serde_json::to_value(&amount).unwrap(), kept);
        assert_eq!(serde_json::from_value::<Kept>(kept).unwrap(), amount);
        let too_much = serde_json::json!([Money::MAX_MINOR + 1, "USD"]);
        assert!(serde_json::from_value::<Kept>(too_much).is_err());
    }
}
