//! What the shop sells: for how much, how many there are, and what a carrier and customs have to know.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::fields::{Fields, Text};
use crate::order::json;
use crate::violation::Violation;
use crate::{Currency, InvalidMoney, Money, Sku};

/// An article of the catalogue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "StoredArticle", into = "StoredArticle")]
pub struct Article {
    /// Its name.
    pub sku: Sku,
    /// What one piece costs.
    pub unit_price: Money,
    /// Pieces that can be sold.
    pub available: u64,
    /// What has to be known of one piece to ship it.
    pub goods: Goods,
}

/// What has to be known of one piece of an article to ship it. Nothing of it must be there: an article
/// without a weight has the account's, and one without customs data is not sent abroad.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Goods {
    /// What it weighs with its packing, in grams.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight_g: Option<u32>,
    /// How large it is with its packing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dimensions_mm: Option<Dimensions>,
    /// What customs are told of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customs: Option<Customs>,
}

/// Length, width and height, in millimetres.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Dimensions(pub [u32; 3]);

/// What customs are told of an article.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Customs {
    /// What it is to customs.
    pub hs_code: HsCode,
    /// Where it was made.
    pub origin: Country,
    /// What it is, in words that a customs officer understands.
    pub description: String,
}

/// A code of the Harmonized System: 6 digits, and up to 4 more of the country's own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HsCode(String);

/// A country: ISO 3166-1 alpha-2.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Country(String);

/// Why a text is no code of the Harmonized System.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be a code of the Harmonized System: 6 to 10 digits, such as 691200")]
pub struct InvalidHsCode;

/// Why a text is no country.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be two capital letters (ISO 3166-1 alpha-2), such as US")]
pub struct InvalidCountry;

impl FromStr for HsCode {
    type Err = InvalidHsCode;
    fn from_str(text: &str) -> Result<Self, InvalidHsCode> {
        let is_code =
            (6..=10).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
        is_code.then(|| Self(text.to_owned())).ok_or(InvalidHsCode)
    }
}

impl FromStr for Country {
    type Err = InvalidCountry;
    fn from_str(text: &str) -> Result<Self, InvalidCountry> {
        let is_code = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_uppercase());
        is_code.then(|| Self(text.to_owned())).ok_or(InvalidCountry)
    }
}

macro_rules! code {
    ($name:ident, $invalid:ident) => {
        impl $name {
            /// The code as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = $invalid;
            fn try_from(text: String) -> Result<Self, $invalid> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(code: $name) -> Self {
                code.0
            }
        }
    };
}

code!(HsCode, InvalidHsCode);
code!(Country, InvalidCountry);

/// A country may be part of an address.
impl fmt::Debug for Country {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Country(redacted)")
    }
}

/// An article as it is stored: its price in minor units.
#[derive(Debug, Serialize, Deserialize)]
struct StoredArticle {
    sku: Sku,
    unit_price: u64,
    currency: Currency,
    available: u64,
    #[serde(flatten)]
    goods: Goods,
}

impl From<Article> for StoredArticle {
    fn from(article: Article) -> Self {
        Self {
            sku: article.sku,
            unit_price: article.unit_price.minor(),
            currency: article.unit_price.currency(),
            available: article.available,
            goods: article.goods,
        }
    }
}

impl TryFrom<StoredArticle> for Article {
    type Error = InvalidMoney;
    fn try_from(stored: StoredArticle) -> Result<Self, InvalidMoney> {
        Ok(Self {
            sku: stored.sku,
            unit_price: Money::new(stored.unit_price, stored.currency)?,
            available: stored.available,
            goods: stored.goods,
        })
    }
}

impl Article {
    /// What one piece may weigh: a tonne. What a parcel may weigh is the account's.
    const MAX_WEIGHT_G: u64 = 1_000_000;
    /// How long a piece may be: ten metres.
    const MAX_LENGTH_MM: u64 = 10_000;

    /// Reads a catalogue: an array of articles.
    ///
    /// # Errors
    /// Every violation in it, in the order of its articles; none is read then.
    pub fn parse_all(document: &[u8]) -> Result<Vec<Self>, Vec<Violation>> {
        let value = json(document)?;
        let mut found = Vec::new();
        let Value::Array(values) = &value else {
            found.push(Violation::new("", "must be an array of articles"));
            return Err(found);
        };
        let mut articles: Vec<Self> = Vec::with_capacity(values.len());
        for (index, value) in values.iter().enumerate() {
            let pointer = format!("/{index}");
            let Some(article) = read(value, &pointer, &mut found) else {
                continue;
            };
            if let Some(first) = articles.iter().position(|other| other.sku == article.sku) {
                let sku = &article.sku;
                let reason = format!("is {sku} again, which article {first} is; keep one of them");
                found.push(Violation::new(&format!("{pointer}/sku"), reason));
            }
            articles.push(article);
        }
        found.is_empty().then_some(articles).ok_or(found)
    }
}

fn read(value: &Value, pointer: &str, found: &mut Vec<Violation>) -> Option<Article> {
    let mut article = Fields::of(Some(value), pointer.to_owned(), found);
    let sku = article.parsed::<Sku>("sku", found);
    let price = article.integer("unit_price", found, |minor| {
        let is_price = minor <= Money::MAX_MINOR;
        is_price.then_some(minor).ok_or(InvalidMoney::Amount)
    });
    let currency = article.parsed::<Currency>("currency", found);
    let available = article.integer("available", found, Ok::<u64, InvalidMoney>);
    let weight_g = article.has("weight_g").then(|| {
        let reason = "must be the grams of one piece, 1 to 1000000, or left out";
        let most = Article::MAX_WEIGHT_G;
        article.integer("weight_g", found, |grams| within(grams, most, reason))
    });
    let dimensions_mm = article
        .has("dimensions_mm")
        .then(|| read_dimensions(&mut article, found));
    let customs = article
        .optional_object("customs", found)
        .map(|customs| read_customs(customs, found));
    article.finish(found);
    Some(Article {
        sku: sku?,
        unit_price: Money::new(price?, currency?).ok()?,
        available: available?,
        goods: Goods {
            // What is there and wrong makes no article.
            weight_g: weight_g.map_or(Some(None), |grams| grams.map(Some))?,
            dimensions_mm: dimensions_mm.map_or(Some(None), |sides| sides.map(Some))?,
            customs: customs.map_or(Some(None), |customs| customs.map(Some))?,
        },
    })
}

fn within(value: u64, most: u64, reason: &'static str) -> Result<u32, &'static str> {
    let value = u32::try_from(value).map_err(|_| reason)?;
    let is_within = (1..=most).contains(&u64::from(value));
    is_within.then_some(value).ok_or(reason)
}

fn read_dimensions(article: &mut Fields<'_>, found: &mut Vec<Violation>) -> Option<Dimensions> {
    let reason = "must be [length, width, height] of one piece in millimetres, each 1 to 10000, or \
        left out";
    let sides = article.array("dimensions_mm", found)?;
    let sides: Option<Vec<u32>> = sides
        .iter()
        .map(|side| within(side.as_u64()?, Article::MAX_LENGTH_MM, reason).ok())
        .collect();
    let sides = sides.and_then(|sides| <[u32; 3]>::try_from(sides).ok());
    if sides.is_none() {
        found.push(Violation::new(&article.pointer("dimensions_mm"), reason));
    }
    sides.map(Dimensions)
}

fn read_customs(mut customs: Fields<'_>, found: &mut Vec<Violation>) -> Option<Customs> {
    let hs_code = customs.parsed("hs_code", found);
    let origin = customs.parsed("origin", found);
    // The carrier takes a hundred.
    let description = customs.text("description", Text { max: 100 }, found);
    customs.finish(found);
    Some(Customs {
        hs_code: hs_code?,
        origin: origin?,
        description: description?,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn mug() -> Value {
        json!({"sku": "MUG-01", "unit_price": 1299, "currency": "USD", "available": 5,
            "weight_g": 350, "dimensions_mm": [120, 90, 100],
            "customs": {"hs_code": "691200", "origin": "PT", "description": "Ceramic mug"}})
    }

    fn wrong(change: impl FnOnce(&mut Value)) -> Vec<String> {
        let mut catalogue =
            json!([{"sku": "A", "unit_price": 1, "currency": "USD", "available": 0}]);
        let mut article = mug();
        change(&mut article);
        catalogue.as_array_mut().expect("a catalogue").push(article);
        let violations = Article::parse_all(catalogue.to_string().as_bytes()).expect_err("wrong");
        violations.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn an_article_says_what_a_carrier_and_customs_have_to_know_and_need_not() {
        let mut plain = mug();
        for name in ["weight_g", "dimensions_mm", "customs"] {
            plain.as_object_mut().expect("an object").remove(name);
        }
        plain["sku"] = json!("TEE-01");
        let catalogue = json!([mug(), plain]).to_string();
        let articles = Article::parse_all(catalogue.as_bytes()).expect("a catalogue");
        let [mug, tee] = &articles[..] else {
            panic!("{articles:?}");
        };
        assert_eq!(mug.goods.weight_g, Some(350));
        assert_eq!(mug.goods.dimensions_mm, Some(Dimensions([120, 90, 100])));
        let customs = mug.goods.customs.as_ref().expect("customs data");
        assert_eq!(
            (customs.hs_code.as_str(), customs.origin.as_str()),
            ("691200", "PT")
        );
        assert_eq!(tee.goods, Goods::default());
    }

    #[test]
    fn what_is_stored_is_read_again_and_what_was_stored_before_too() {
        let article = Article::parse_all(json!([mug()]).to_string().as_bytes()).expect("one");
        let stored = serde_json::to_value(&article[0]).expect("a value");
        assert_eq!(stored, mug());
        assert_eq!(
            serde_json::from_value::<Article>(stored).expect("one"),
            article[0]
        );
        let before = json!({"sku": "A", "unit_price": 1, "currency": "USD", "available": 0});
        let read: Article = serde_json::from_value(before).expect("an article");
        assert_eq!(read.goods, Goods::default());
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line_and_field() {
        let code = "/1/customs/hs_code must be a code of the Harmonized System: 6 to 10 digits, \
            such as 691200";
        for bad in ["6912.00", "69120", "69120000000"] {
            assert_eq!(wrong(|one| one["customs"]["hs_code"] = json!(bad)), [code]);
        }
        let origin =
            "/1/customs/origin must be two capital letters (ISO 3166-1 alpha-2), such as US";
        assert_eq!(
            wrong(|one| one["customs"]["origin"] = json!("pt")),
            [origin]
        );
        let weight = "/1/weight_g must be the grams of one piece, 1 to 1000000, or left out";
        for bad in [json!(0), json!(1_000_001)] {
            assert_eq!(wrong(|one| one["weight_g"] = bad.clone()), [weight]);
        }
        let dimensions = "/1/dimensions_mm must be [length, width, height] of one piece in \
            millimetres, each 1 to 10000, or left out";
        for bad in [
            json!([1, 2]),
            json!([1, 2, 0]),
            json!([1, 2, "3"]),
            json!([1, 2, 3, 4]),
        ] {
            assert_eq!(
                wrong(|one| one["dimensions_mm"] = bad.clone()),
                [dimensions]
            );
        }
        assert_eq!(
            wrong(|one| one["wieght_g"] = json!(1)),
            ["/1/wieght_g is not a known field; remove it"]
        );
        assert_eq!(
            wrong(|one| one["sku"] = json!("A")),
            ["/1/sku is A again, which article 0 is; keep one of them"]
        );
    }

    #[test]
    fn all_that_is_wrong_is_told_at_once() {
        let found = wrong(|one| {
            one["weight_g"] = json!(-1);
            one["customs"]["description"] = json!(" ");
        });
        assert_eq!(found.len(), 2, "{found:?}");
    }

    fn is_read(change: impl FnOnce(&mut Value)) -> bool {
        let mut article = mug();
        change(&mut article);
        Article::parse_all(json!([article]).to_string().as_bytes()).is_ok()
    }

    #[test]
    fn what_is_just_within_the_bounds_is_an_article() {
        for (weight, is_article) in [
            (0, false),
            (1, true),
            (1_000_000, true),
            (1_000_001, false),
            (u64::from(u32::MAX) + 2, false),
        ] {
            let read = is_read(|one| one["weight_g"] = json!(weight));
            assert_eq!(read, is_article, "{weight} g");
        }
        for (side, is_article) in [(0, false), (1, true), (10_000, true), (10_001, false)] {
            let read = is_read(|one| one["dimensions_mm"] = json!([1, side, 1]));
            assert_eq!(read, is_article, "{side} mm");
        }
        for (length, is_article) in [(1, true), (100, true), (101, false)] {
            let text = "x".repeat(length);
            let read = is_read(|one| one["customs"]["description"] = json!(text));
            assert_eq!(read, is_article, "{length} characters");
        }
        for (price, is_article) in [
            (0, true),
            (Money::MAX_MINOR, true),
            (Money::MAX_MINOR + 1, false),
        ] {
            let read = is_read(|one| one["unit_price"] = json!(price));
            assert_eq!(read, is_article, "{price}");
        }
        for (code, is_article) in [("691200", true), ("6912001234", true), ("69120a", false)] {
            let read = is_read(|one| one["customs"]["hs_code"] = json!(code));
            assert_eq!(read, is_article, "{code}");
        }
        for (origin, is_article) in [("PT", true), ("P", false), ("PRT", false), ("P1", false)] {
            let read = is_read(|one| one["customs"]["origin"] = json!(origin));
            assert_eq!(read, is_article, "{origin}");
        }
    }

    #[test]
    fn a_catalogue_is_an_array_and_an_article_has_its_four_fields() {
        let told = |document: &str| {
            let found = Article::parse_all(document.as_bytes()).expect_err("wrong");
            found.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(told("{}"), [" must be an array of articles"]);
        assert_eq!(told("[1]"), ["/0 must be an object"]);
        let missing = ["sku", "unit_price", "currency", "available"];
        assert_eq!(
            told("[{}]"),
            missing.map(|field| format!("/0/{field} is missing"))
        );
    }

    #[test]
    fn a_country_is_not_shown_where_it_may_be_part_of_an_address() {
        let country: Country = "PT".parse().expect("a country");
        assert_eq!(format!("{country:?}"), "Country(redacted)");
        assert_eq!(String::from(country), "PT");
    }
}
