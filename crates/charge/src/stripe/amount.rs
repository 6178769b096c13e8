//! Amounts in Stripe's units.

use domain::ports::ProviderError;
use domain::{Currency, Money};

/// Currencies that Stripe counts in hundredths though ISO 4217 gives them no smaller unit.
/// <https://docs.stripe.com/currencies#special-cases>
const COUNTED_IN_HUNDREDTHS: [&str; 2] = ["ISK", "UGX"];
/// Currencies that Stripe counts in whole units though ISO 4217 gives them hundredths.
/// <https://docs.stripe.com/currencies#zero-decimal>
const COUNTED_IN_WHOLE_UNITS: [&str; 1] = ["MGA"];

/// The amount in Stripe's unit, which is the currency's minor unit but for special cases.
pub(super) fn wire_amount(money: Money) -> Result<u64, ProviderError> {
    let (amount, currency) = (money.minor(), money.currency());
    if COUNTED_IN_HUNDREDTHS.contains(&currency.code()) {
        return Ok(amount * 100);
    }
    if COUNTED_IN_WHOLE_UNITS.contains(&currency.code()) {
        if amount.is_multiple_of(100) {
            return Ok(amount / 100);
        }
        let text = format!("the payment provider takes whole units of {currency} only");
        return Err(ProviderError::Defect(text));
    }
    if currency.minor_digits() == 3 && !amount.is_multiple_of(10) {
        let text =
            format!("the payment provider takes {currency} in steps of ten minor units only");
        return Err(ProviderError::Defect(text));
    }
    Ok(amount)
}

pub(super) fn domain_amount(wire: u64, currency: &str) -> Result<Money, ProviderError> {
    let code = currency.to_ascii_uppercase();
    let unknown = |what| ProviderError::Unknown(format!("the payment provider answered {what}"));
    let known: Currency = code
        .parse()
        .map_err(|_| unknown("in an unknown currency"))?;
    let minor = if COUNTED_IN_HUNDREDTHS.contains(&code.as_str()) {
        wire / 100
    } else if COUNTED_IN_WHOLE_UNITS.contains(&code.as_str()) {
        wire.saturating_mul(100)
    } else {
        wire
    };
    Money::new(minor, known).map_err(|_| unknown("an amount that no payment can have"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_keep_their_value_in_the_providers_units() {
        let wire = |minor, code: &str| {
            wire_amount(Money::new(minor, code.parse().expect("a currency")).expect("an amount"))
                .ok()
        };
        assert_eq!(wire(1299, "USD"), Some(1299));
        assert_eq!(wire(1500, "JPY"), Some(1500));
        assert_eq!(wire(1500, "ISK"), Some(150_000));
        assert_eq!((wire(1500, "MGA"), wire(1550, "MGA")), (Some(15), None));
        assert_eq!(wire(1250, "KWD"), Some(1250));
        assert_eq!(wire(1255, "KWD"), None);
        let krona = Money::new(1500, "ISK".parse().expect("a currency"));
        assert_eq!(domain_amount(150_000, "isk").ok(), krona.ok());
        assert!(domain_amount(1, "gold").is_err());
    }
}
