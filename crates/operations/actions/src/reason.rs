//! Why somebody does something to an order, in their words.

use std::fmt;
use std::str::FromStr;

use operations::bulk::Applied;

/// A number of so many digits may be a card's or a telephone's: a date has eight.
const PERSONAL_DIGITS: usize = 9;

/// Why, in the words of who acts. It is kept on the order for good and shown to everybody who looks at it, so
/// that it has no personal data, as far as a program can tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason(String);

/// Why a text is no reason that can be kept. It does not repeat the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidReason {
    /// There is none.
    #[error("Say why: the reason is kept on the order.")]
    Missing,
    /// It has so many characters.
    #[error(
        "The reason has {0} characters, and at most {longest} are kept.",
        longest = Reason::LONGEST
    )]
    TooLong(usize),
    /// It seems to contain an e-mail address.
    #[error(
        "The reason seems to contain an e-mail address. It is kept on the order and shown to \
         everybody who looks at it: say it without personal data."
    )]
    EmailAddress,
    /// It seems to contain a card or telephone number.
    #[error(
        "The reason seems to contain a card or telephone number, for it has {PERSONAL_DIGITS} \
         digits or more in a row. It is kept on the order and shown to everybody who looks at it: \
         say it without personal data."
    )]
    LongNumber,
}

impl Reason {
    /// So many characters are kept at most.
    pub const LONGEST: usize = 200;

    /// In their words.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Why something is done to an order of a bulk: the reason that was given for all of it, and which bulk
    /// it is.
    #[must_use]
    pub fn of_bulk(applied: &Applied, digest: &str) -> Self {
        Self(format!("{} (bulk {digest})", applied.reason))
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl FromStr for Reason {
    type Err = InvalidReason;
    fn from_str(text: &str) -> Result<Self, InvalidReason> {
        let text = text.trim();
        let length = text.chars().count();
        if length == 0 {
            return Err(InvalidReason::Missing);
        }
        if length > Self::LONGEST {
            return Err(InvalidReason::TooLong(length));
        }
        if has_email_address(text) {
            return Err(InvalidReason::EmailAddress);
        }
        if longest_number(text) >= PERSONAL_DIGITS {
            return Err(InvalidReason::LongNumber);
        }
        Ok(Self(text.to_owned()))
    }
}

/// Something before an `@`, and behind it a domain that ends in letters.
fn has_email_address(text: &str) -> bool {
    text.match_indices('@').any(|(at, _)| {
        let (before, behind) = (&text[..at], &text[at + 1..]);
        let is_named = before.ends_with(|last: char| !last.is_whitespace());
        let is_domain = |letter: char| letter.is_alphanumeric() || letter == '.' || letter == '-';
        let end = behind.find(|letter| !is_domain(letter));
        let domain = behind[..end.unwrap_or(behind.len())].trim_end_matches(['.', '-']);
        let last = domain.rsplit_once('.').map(|(_, last)| last);
        let is_last =
            |last: &str| last.chars().count() > 1 && last.chars().all(char::is_alphabetic);
        is_named && last.is_some_and(is_last)
    })
}

/// How many digits the longest number has, which may be written in groups. Dates are none, nor is what has
/// letters in it, such as an order's id.
fn longest_number(text: &str) -> usize {
    let (mut rest, mut digits, mut longest) = (text, 0, 0);
    while let Some(first) = rest.chars().next() {
        let date = date_at_start(rest);
        let word = rest.find(|letter| !is_of_word(letter));
        let word = &rest[..word.unwrap_or(rest.len())];
        let taken = if date > 0 {
            digits = 0;
            date
        } else if word.is_empty() {
            if !first.is_whitespace() && !"()./+".contains(first) {
                digits = 0;
            }
            first.len_utf8()
        } else {
            if word.contains(|letter: char| letter.is_alphabetic() || letter == '_') {
                digits = 0;
            } else {
                digits += word.chars().filter(|letter| letter.is_numeric()).count();
            }
            word.len()
        };
        longest = longest.max(digits);
        rest = &rest[taken..];
    }
    longest
}

fn is_of_word(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '-' || letter == '_'
}

/// How long the date is that a text begins with: `2026-11-24` or `24.11.2026`, also with `/`. 0 if it begins
/// with none.
fn date_at_start(text: &str) -> usize {
    let end = text.find(|letter: char| !letter.is_ascii_digit() && !"-./".contains(letter));
    let date = text[..end.unwrap_or(text.len())].trim_end_matches(['-', '.', '/']);
    let is_date = ['-', '.', '/'].iter().any(|separator| {
        let parts: Vec<usize> = date.split(*separator).map(str::len).collect();
        let is_number = !date.replace(*separator, "").contains(['-', '.', '/']);
        is_number && matches!(parts.as_slice(), [4, 1..=2, 1..=2] | [1..=2, 1..=2, 4])
    });
    if is_date { date.len() } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> Option<InvalidReason> {
        text.parse::<Reason>().err()
    }

    #[test]
    fn a_reason_is_trimmed_and_neither_empty_nor_long() {
        let reason: Reason = "  the customer called\n".parse().unwrap();
        assert_eq!(reason.as_str(), "the customer called");
        assert_eq!(refused(" \t"), Some(InvalidReason::Missing));
        // By characters, not bytes.
        assert_eq!(refused(&"é".repeat(Reason::LONGEST)), None);
        let long = refused(&"é".repeat(Reason::LONGEST + 1));
        assert_eq!(long, Some(InvalidReason::TooLong(201)));
        let told = long.unwrap().to_string();
        assert_eq!(
            told,
            "The reason has 201 characters, and at most 200 are kept."
        );
    }

    #[test]
    fn an_address_is_refused_and_not_repeated() {
        for text in [
            "ada@example.com",
            "asked by <ada.e+shop@mail.example.co.uk>, twice",
            "mail to Ada@EXAMPLE.com.",
            "two: @ops, then ada@example.org",
            "ädä@exämple.рф",
        ] {
            assert_eq!(refused(text), Some(InvalidReason::EmailAddress), "{text}");
        }
        let told = InvalidReason::EmailAddress.to_string();
        assert!(!told.contains('@'), "{told}");
        for text in [
            "@ops said so",
            "12 @ 12.99",
            "ops@laptop",
            "2 MUG-01@12.99 USD",
        ] {
            assert_eq!(refused(text), None, "{text}");
        }
    }

    #[test]
    fn a_card_or_telephone_number_is_refused_however_it_is_grouped() {
        for text in [
            "4242424242424242",
            "card 4242 4242 4242 4242 is stolen",
            "card 4242-4242-4242-4242.",
            "call +49 (0)170 123 45 67",
            "tel.0301234567",
            "tel:030/1234567",
            "(555) 123-4567",
            "06.12.34.56.78",
            "the 2026-11-24: 0170 1234567",
            "٠١٢٣٤٥٦٧٨",
        ] {
            assert_eq!(refused(text), Some(InvalidReason::LongNumber), "{text}");
        }
        let told = InvalidReason::LongNumber.to_string();
        assert!(told.contains("it has 9 digits or more in a row"), "{told}");
    }

    #[test]
    fn what_operators_write_about_orders_is_no_number_of_a_person() {
        for text in [
            "duplicate of ord-20261124-000123",
            "payment pi_3123456789012 is the other one",
            "parcel 1Z99912345678901 came back",
            "since 2026-11-24 12:03:05.123",
            "24.11.2026 12:00 to 25/11/2026 13:00",
            "2026-11-24T12:03:05Z",
            "1000000 USD, 200000 EUR",
            "ticket 48213377",
            "99999 of 88888",
        ] {
            assert_eq!(refused(text), None, "{text}");
        }
    }
}
