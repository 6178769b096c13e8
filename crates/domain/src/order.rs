//! The order document, version 1, as its customers' systems send it.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::address::needs_region;
use crate::catalogue::Country;
use crate::fields::{Fields, Text};
use crate::payment::PaymentMeans;
use crate::violation::Violation;
use crate::{Currency, CustomerId, InvalidMoney, Money, OrderId, OrderState, Quantity, Sku};

/// One article of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The article.
    pub sku: Sku,
    /// How many.
    pub quantity: Quantity,
    /// What one costs.
    pub unit_price: Money,
}

/// What was ordered, without anything personal. Written once, kept with the books.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "StoredOrder", into = "StoredOrder")]
pub struct Order {
    /// The caller's name for it.
    pub order_id: OrderId,
    /// The caller's name for its customer.
    pub customer_id: CustomerId,
    /// 1 to 100 lines, each article once.
    pub lines: Vec<Line>,
    /// Shipping.
    pub shipping_fee: Money,
    /// Tax.
    pub tax: Money,
    /// What the customer pays: lines + shipping + tax.
    pub total: Money,
}

/// An order as it is stored: amounts in minor units of the total's currency.
#[derive(Debug, Serialize, Deserialize)]
struct StoredOrder {
    order_id: OrderId,
    customer_id: CustomerId,
    lines: Vec<StoredLine>,
    shipping_fee: u64,
    tax: u64,
    total: Money,
}

#[derive(Debug, Serialize, Deserialize)]
struct StoredLine {
    sku: Sku,
    quantity: Quantity,
    unit_price: u64,
}

impl From<Order> for StoredOrder {
    fn from(order: Order) -> Self {
        let lines = order.lines.into_iter().map(|line| StoredLine {
            sku: line.sku,
            quantity: line.quantity,
            unit_price: line.unit_price.minor(),
        });
        Self {
            order_id: order.order_id,
            customer_id: order.customer_id,
            lines: lines.collect(),
            shipping_fee: order.shipping_fee.minor(),
            tax: order.tax.minor(),
            total: order.total,
        }
    }
}

impl TryFrom<StoredOrder> for Order {
    type Error = InvalidMoney;
    fn try_from(stored: StoredOrder) -> Result<Self, InvalidMoney> {
        let money = |minor| Money::new(minor, stored.total.currency());
        let lines = stored.lines.into_iter().map(|line| {
            Ok(Line {
                sku: line.sku,
                quantity: line.quantity,
                unit_price: money(line.unit_price)?,
            })
        });
        Ok(Self {
            order_id: stored.order_id,
            customer_id: stored.customer_id,
            lines: lines.collect::<Result<_, _>>()?,
            shipping_fee: money(stored.shipping_fee)?,
            tax: money(stored.tax)?,
            total: stored.total,
        })
    }
}

/// Where the goods go.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Address {
    /// Who receives them.
    pub name: String,
    /// Street and number.
    pub line1: String,
    /// Flat, floor, company.
    pub line2: Option<String>,
    /// City.
    pub city: String,
    /// State, province or prefecture; not everywhere.
    pub region: Option<String>,
    /// Postal code.
    pub postal_code: String,
    /// ISO 3166-1 alpha-2.
    pub country: String,
}

/// What can be erased on the customer's demand without losing the books.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PersonalData {
    /// How the customer is addressed.
    pub name: String,
    /// Where messages go.
    pub email: String,
    /// How the customer pays.
    #[serde(rename = "payment_method")]
    pub payment: PaymentMeans,
    /// The first attempt that is paid so, once somebody has modified it; 0 before, for all of them.
    #[serde(default, skip_serializing_if = "crate::state::is_zero")]
    pub paid_from: u32,
    /// Where the goods go.
    pub shipping_address: Address,
    /// How often somebody has modified this. A step that finds another count in the ledger than
    /// here has read what is no longer true.
    #[serde(default, skip_serializing_if = "crate::state::is_zero")]
    pub revision: u32,
}

impl PersonalData {
    /// Whether the means of payment works once and was used, in an attempt that stands at `last` or in one
    /// of those before it: nothing can be held with it any more.
    #[must_use]
    pub fn payment_is_used_up(&self, earlier: &[OrderState], last: &OrderState) -> bool {
        let attempts = earlier.iter().chain([last]);
        let mut paid_so = attempts.filter(|state| state.attempt >= self.paid_from);
        self.payment.is_used_up(&mut paid_so)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Address(redacted)")
    }
}

impl fmt::Debug for PersonalData {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("PersonalData(redacted)")
    }
}

/// SHA-256 of a document's meaning, in hexadecimal: white space and field order do not count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fingerprint(String);

/// A document that was accepted: valid as far as the document alone can tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Submission {
    /// What was ordered.
    pub order: Order,
    /// By whom, and for whom.
    pub personal: PersonalData,
    /// To tell a repeated document from another one under the same id.
    pub fingerprint: Fingerprint,
}

impl Submission {
    /// The only version there is.
    pub const SCHEMA_VERSION: u64 = 1;
    /// Most lines of one order.
    pub const MAX_LINES: usize = 100;

    /// Reads an order document.
    ///
    /// # Errors
    /// Every violation in the document, in the order of its fields.
    pub fn parse(document: &[u8]) -> Result<Self, Vec<Violation>> {
        let value = json(document)?;
        let mut found = Vec::new();
        let submission = read(&value, &mut found);
        match submission {
            Some(submission) if found.is_empty() => Ok(submission),
            _ => Err(found),
        }
    }
}

/// # Errors
/// Where it is none.
pub(crate) fn json(document: &[u8]) -> Result<Value, Vec<Violation>> {
    serde_json::from_slice(document).map_err(|error| {
        // The parser's own text may quote the document.
        let (line, column) = (error.line(), error.column());
        vec![Violation::new(
            "",
            format!("is not valid JSON: see line {line}, column {column}"),
        )]
    })
}

fn read(value: &Value, found: &mut Vec<Violation>) -> Option<Submission> {
    let mut document = Fields::of(Some(value), String::new(), found);
    document.integer("schema_version", found, |version| {
        (version == Submission::SCHEMA_VERSION)
            .then_some(())
            .ok_or("must be 1")
    });
    let order_id = document.parsed::<OrderId>("order_id", found);
    let currency = document.parsed::<Currency>("currency", found);

    let mut customer = document.object("customer", found);
    let customer_id = customer.parsed::<CustomerId>("customer_id", found);
    let name = customer.text("name", NAME, found);
    let email = customer.parsed::<Email>("email", found);
    customer.finish(found);

    let payment = document.object("payment", found);
    let payment = PaymentMeans::read(payment, found);

    let address = document.object("shipping_address", found);
    let shipping_address = read_address(address, found);

    let lines = read_lines(&mut document, found);
    let amount = |minor| (minor <= Money::MAX_MINOR).then_some(minor).ok_or(TOO_MUCH);
    let shipping_fee = document.integer("shipping_fee", found, amount);
    let tax = document.integer("tax", found, amount);
    let total = document.integer("total", found, amount);
    let total_pointer = document.pointer("total");
    document.finish(found);

    let (lines, shipping_fee, tax, total) = (lines?, shipping_fee?, tax?, total?);
    check_total(&lines, shipping_fee, tax, total, &total_pointer, found);
    let order = Order::try_from(StoredOrder {
        order_id: order_id?,
        customer_id: customer_id?,
        lines,
        shipping_fee,
        tax,
        total: Money::new(total, currency?).ok()?,
    });
    let order = order.ok()?;
    let personal = PersonalData {
        name: name?,
        email: email?.0,
        payment: payment?,
        paid_from: 0,
        shipping_address: shipping_address?,
        revision: 0,
    };
    let fingerprint = fingerprint(&order, &personal);
    Some(Submission {
        order,
        personal,
        fingerprint,
    })
}

/// A customer's or recipient's name.
pub(crate) const NAME: Text = Text { max: 100 };

const TOO_MUCH: &str = "must be at most 999999999999, in the currency's minor unit";

pub(crate) fn read_address(mut address: Fields<'_>, found: &mut Vec<Violation>) -> Option<Address> {
    let name = address.text("name", NAME, found);
    let line1 = address.text("line1", Text { max: 100 }, found);
    let line2 = address.optional_text("line2", Text { max: 100 }, found);
    let city = address.text("city", Text { max: 100 }, found);
    let region = address.optional_text("region", Text { max: 100 }, found);
    let postal_code = address.text("postal_code", Text { max: 16 }, found);
    let country = address.parsed::<Country>("country", found);
    let region_pointer = address.pointer("region");
    address.finish(found);
    if let Some(country) = &country
        && region.is_none()
        && needs_region(country.as_str())
    {
        let reason = "must be the state, province or territory, without which no carrier delivers";
        // One that was given and is wrong is told of already.
        if found.iter().all(|other| other.pointer != region_pointer) {
            found.push(Violation::new(&region_pointer, reason));
        }
    }
    Some(Address {
        name: name?,
        line1: line1?,
        line2,
        city: city?,
        region,
        postal_code: postal_code?,
        country: country?.into(),
    })
}

fn read_lines(document: &mut Fields<'_>, found: &mut Vec<Violation>) -> Option<Vec<StoredLine>> {
    let values = document.array("lines", found)?;
    let pointer = document.pointer("lines");
    if !(1..=Submission::MAX_LINES).contains(&values.len()) {
        found.push(Violation::new(&pointer, "must be 1 to 100 lines"));
        return None;
    }
    let mut lines: Vec<StoredLine> = Vec::with_capacity(values.len());
    let mut complete = true;
    for (index, value) in values.iter().enumerate() {
        let mut line = Fields::of(Some(value), format!("{pointer}/{index}"), found);
        let sku = line.parsed::<Sku>("sku", found);
        let quantity = line.integer("quantity", found, |pieces| {
            u32::try_from(pieces)
                .map_err(|_| crate::InvalidMoney::Quantity)
                .and_then(Quantity::try_from)
        });
        let unit_price = line.integer("unit_price", found, |minor| {
            (minor <= Money::MAX_MINOR).then_some(minor).ok_or(TOO_MUCH)
        });
        let sku_pointer = line.pointer("sku");
        line.finish(found);
        let (Some(sku), Some(quantity), Some(unit_price)) = (sku, quantity, unit_price) else {
            complete = false;
            continue;
        };
        if let Some(first) = lines.iter().position(|other| other.sku == sku) {
            found.push(Violation::new(
                &sku_pointer,
                format!("is the article of line {first} again; put the quantities into one line"),
            ));
        }
        lines.push(StoredLine {
            sku,
            quantity,
            unit_price,
        });
    }
    complete.then_some(lines)
}

fn check_total(
    lines: &[StoredLine],
    shipping_fee: u64,
    tax: u64,
    total: u64,
    pointer: &str,
    found: &mut Vec<Violation>,
) {
    // 100 lines of 10,000 pieces at 10^12 and two more amounts stay below 2^128.
    let goods: u128 = lines
        .iter()
        .map(|line| u128::from(line.unit_price) * u128::from(line.quantity.get()))
        .sum();
    let expected = goods + u128::from(shipping_fee) + u128::from(tax);
    if expected != u128::from(total) {
        found.push(Violation::new(
            pointer,
            format!("must be lines + shipping_fee + tax = {expected}"),
        ));
    }
    if total == 0 {
        found.push(Violation::new(pointer, "must be at least 1"));
    }
}

fn fingerprint(order: &Order, personal: &PersonalData) -> Fingerprint {
    use std::fmt::Write as _;
    // Values of these types always serialise: they hold strings and integers only.
    let canonical = serde_json::json!({ "order": order, "personal": personal }).to_string();
    let digest = Sha256::digest(canonical.as_bytes());
    let mut hexadecimal = String::with_capacity(64);
    for byte in digest {
        // Writing to a String cannot fail.
        let _ = write!(hexadecimal, "{byte:02x}");
    }
    Fingerprint(hexadecimal)
}

/// A mail address as far as a form can tell; whether it exists, only a mail can.
pub(crate) struct Email(pub(crate) String);

impl std::str::FromStr for Email {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let ok = text.len() <= 254
            && text.bytes().all(|byte| byte.is_ascii_graphic())
            && !text.contains(['<', '>', ',', ';', '"', '\\', '(', ')'])
            && text.split_once('@').is_some_and(|(user, host)| {
                !user.is_empty()
                    && host.contains('.')
                    && !host.contains('@')
                    && !host.starts_with('.')
                    && !host.ends_with('.')
            });
        ok.then(|| Self(text.to_owned()))
            .ok_or("must be an e-mail address, such as ada@example.com")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn document() -> Value {
        json!({
            "schema_version": 1, "order_id": "ord-1001", "currency": "USD",
            "customer": {"customer_id": "cus-7", "name": "Ada Example", "email": "ada@example.com"},
            "payment": {"method": "pm_card_visa"},
            "shipping_address": {"name": "Ada Example", "line1": "1 Main St", "line2": null,
                "city": "Springfield", "region": "IL", "postal_code": "62701", "country": "US"},
            "lines": [{"sku": "MUG-01", "quantity": 2, "unit_price": 1299}],
            "shipping_fee": 500, "tax": 0, "total": 3098
        })
    }

    fn pointers(document: &Value) -> Vec<String> {
        let violations = Submission::parse(document.to_string().as_bytes()).unwrap_err();
        violations
            .into_iter()
            .map(|violation| violation.pointer)
            .collect()
    }

    #[test]
    fn the_documented_example_is_accepted() {
        let submission = Submission::parse(document().to_string().as_bytes()).unwrap();
        assert_eq!(submission.order.total.to_string(), "30.98 USD");
    }

    #[test]
    fn a_document_is_the_same_whatever_its_spacing_and_field_order() {
        let compact = Submission::parse(document().to_string().as_bytes()).unwrap();
        let pretty = serde_json::to_string_pretty(&document()).unwrap();
        assert_eq!(Submission::parse(pretty.as_bytes()).unwrap(), compact);
        let mut other = document();
        other["customer"]["name"] = json!("Eve Example");
        let other = Submission::parse(other.to_string().as_bytes()).unwrap();
        assert_ne!(other.fingerprint, compact.fingerprint);
    }

    #[test]
    fn every_violation_is_reported_with_its_pointer() {
        let mut bad = document();
        bad["order_id"] = json!("-");
        bad["currency"] = json!("usd");
        bad["customer"]["email"] = json!("ada");
        bad["payment"]["method"] = json!("4242424242424242");
        bad["payment"]["cvc/2"] = json!("123");
        bad["lines"][0]["quantity"] = json!(1.5);
        bad["tax"] = json!(-1);
        assert_eq!(
            pointers(&bad),
            [
                "/order_id",
                "/currency",
                "/customer/email",
                "/payment/method",
                "/payment/cvc~12",
                "/lines/0/quantity",
                "/tax"
            ]
        );
    }

    #[test]
    fn a_region_is_needed_where_no_carrier_delivers_without() {
        for (country, region, wrong) in [
            ("US", json!("IL"), false),
            ("US", Value::Null, true),
            ("US", json!(""), true),
            ("CA", Value::Null, true),
            ("AU", Value::Null, true),
            ("DE", Value::Null, false),
            ("JP", Value::Null, false),
        ] {
            let mut document = document();
            document["shipping_address"]["country"] = json!(country);
            document["shipping_address"]["region"] = region;
            let told = Submission::parse(document.to_string().as_bytes());
            let told = told.err().unwrap_or_default();
            let pointers: Vec<_> = told.iter().map(|one| one.pointer.as_str()).collect();
            let expected = if wrong {
                vec!["/shipping_address/region"]
            } else {
                vec![]
            };
            assert_eq!(pointers, expected, "{country}");
        }
    }

    #[test]
    fn a_missing_object_is_one_violation_not_one_for_each_of_its_fields() {
        let mut bad = document();
        bad.as_object_mut().unwrap().remove("shipping_address");
        assert_eq!(pointers(&bad), ["/shipping_address"]);
        assert_eq!(pointers(&json!([])), [""]);
    }

    #[test]
    fn totals_must_add_up_and_articles_must_not_repeat() {
        let mut bad = document();
        bad["total"] = json!(3099);
        assert_eq!(pointers(&bad), ["/total"]);
        bad["lines"] = json!([
            {"sku": "A", "quantity": 1, "unit_price": 1},
            {"sku": "A", "quantity": 1, "unit_price": 1}
        ]);
        bad["total"] = json!(502);
        assert_eq!(pointers(&bad), ["/lines/1/sku"]);
        bad["lines"] = json!(vec![
            json!({"sku": "A", "quantity": 1, "unit_price": 1});
            101
        ]);
        assert_eq!(pointers(&bad), ["/lines"]);
    }

    #[test]
    fn debug_output_holds_no_personal_data() {
        let submission = Submission::parse(document().to_string().as_bytes()).unwrap();
        let shown = format!("{submission:?}");
        for secret in ["Ada", "example.com", "Main", "pm_card", "62701"] {
            assert!(!shown.contains(secret), "{secret} in {shown}");
        }
        assert!(shown.contains("PersonalData(redacted)"), "{shown}");
        let address = format!("{:?}", submission.personal.shipping_address);
        assert_eq!(address, "Address(redacted)");
    }

    #[test]
    fn a_violation_never_quotes_the_document() {
        let secret = "4242424242424242";
        let broken = format!("{{\"payment\": {{\"method\": \"{secret}\"}}, oops");
        for text in [broken, json!({"customer": {"email": secret}}).to_string()] {
            let violations = Submission::parse(text.as_bytes()).unwrap_err();
            assert!(!format!("{violations:?}").contains(secret));
        }
    }

    #[test]
    fn a_document_keeps_its_fingerprint_for_good() {
        let submission = Submission::parse(document().to_string().as_bytes()).unwrap();
        // If this changes, what was sent before counts as another document, and its repetition as a
        // conflict: give a new field `skip_serializing_if`.
        assert_eq!(
            submission.fingerprint.0,
            "90afa15a8c58d695077bcc5958f6e4ade8dbbb15e16e6bcc42943cf4b34a5c2f"
        );
    }

    fn told(change: impl FnOnce(&mut Value)) -> Vec<String> {
        let mut document = document();
        change(&mut document);
        let told = Submission::parse(document.to_string().as_bytes());
        let told = told.err().unwrap_or_default();
        told.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn an_e_mail_address_is_what_a_mail_service_takes() {
        let host = "example.com";
        let longest = format!("{}@{host}", "a".repeat(254 - 1 - host.len()));
        for good in [
            "a@b.c",
            "ada+shop@mail.example.com",
            "o'hara@example.com",
            &longest,
        ] {
            assert!(good.parse::<Email>().is_ok(), "{good}");
        }
        let longer = format!("a{longest}");
        for bad in [
            "", "ada", "@b.c", "a@b", "a@b@c.d", "a@.b.c", "a@b.c.", "a b@c.d", "ä@b.c", "a@b.c\n",
            "<a@b.c", "a>@b.c", "a,a@b.c", "a;a@b.c", "\"a@b.c", "a\\a@b.c", "(a@b.c", "a)@b.c",
            &longer,
        ] {
            assert!(bad.parse::<Email>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn the_total_is_the_sum_of_all_that_it_is_made_of() {
        let with = |shipping: u64, tax: u64, total: u64| {
            told(|document| {
                document["shipping_fee"] = json!(shipping);
                document["tax"] = json!(tax);
                document["total"] = json!(total);
            })
        };
        let sum = "/total must be lines + shipping_fee + tax = 3105";
        assert_eq!(with(500, 7, 3105), [""; 0]);
        assert_eq!(with(500, 7, 3104), [sum]);
        assert_eq!(with(500, 7, 3106), [sum]);
    }

    #[test]
    fn nothing_is_sold_for_nothing_and_no_amount_is_above_the_bound() {
        let with = |field: &str, amount: u64| {
            told(|document| {
                document["shipping_fee"] = json!(0);
                document["lines"] = json!([{"sku": "A", "quantity": 1, "unit_price": 0}]);
                document["total"] = json!(amount);
                if field == "unit_price" {
                    document["lines"][0][field] = json!(amount);
                } else {
                    document[field] = json!(amount);
                }
            })
        };
        assert_eq!(with("tax", 0), ["/total must be at least 1"]);
        let bound = "must be at most 999999999999, in the currency's minor unit";
        for (field, pointer) in [
            ("shipping_fee", "/shipping_fee"),
            ("tax", "/tax"),
            ("unit_price", "/lines/0/unit_price"),
        ] {
            assert_eq!(with(field, 1), [""; 0], "{field}");
            assert_eq!(with(field, Money::MAX_MINOR), [""; 0], "{field}");
            let told = with(field, Money::MAX_MINOR + 1);
            let [too_much, total] = [pointer, "/total"].map(|at| format!("{at} {bound}"));
            assert!(
                told.contains(&too_much) && told.contains(&total),
                "{told:?}"
            );
        }
    }

    #[test]
    fn an_order_has_one_to_a_hundred_lines_of_one_to_ten_thousand_pieces() {
        let lines = |count: u32| {
            told(|document| {
                let line = |n| json!({"sku": format!("A-{n}"), "quantity": 1, "unit_price": 1});
                document["lines"] = (0..count).map(line).collect();
                document["total"] = json!(500 + count);
            })
        };
        let bound = ["/lines must be 1 to 100 lines"];
        assert_eq!(lines(0), bound);
        assert_eq!(lines(1), [""; 0]);
        assert_eq!(lines(100), [""; 0]);
        assert_eq!(lines(101), bound);
        for (quantity, is_one) in [
            (0, false),
            (1, true),
            (10_000, true),
            (10_001, false),
            (u64::from(u32::MAX) + 2, false),
        ] {
            let told = told(|document| {
                document["lines"][0]["quantity"] = json!(quantity);
                document["lines"][0]["unit_price"] = json!(1);
                document["total"] = json!(500 + quantity);
            });
            let wrong = ["/lines/0/quantity must be an integer from 1 to 10000"];
            assert_eq!(
                told,
                if is_one { &[][..] } else { &wrong[..] },
                "{quantity}"
            );
        }
    }

    #[test]
    fn another_version_of_the_document_is_not_guessed_at() {
        for version in [0, 2] {
            let told = told(|document| document["schema_version"] = json!(version));
            assert_eq!(told, ["/schema_version must be 1"]);
        }
    }

    #[test]
    fn what_is_no_json_is_told_by_line_and_column() {
        let told = Submission::parse(b"{\n  oops").unwrap_err();
        let expected = " is not valid JSON: see line 2, column 3";
        assert_eq!(told[0].to_string(), expected);
    }

    #[test]
    fn of_an_article_that_repeats_it_is_told_which_line_has_it() {
        let told = told(|document| {
            let line = |sku: &str| json!({"sku": sku, "quantity": 1, "unit_price": 1});
            document["lines"] = json!([line("A"), line("B"), line("B")]);
            document["total"] = json!(503);
        });
        let again = "/lines/2/sku is the article of line 1 again; put the quantities into one line";
        assert_eq!(told, [again]);
    }

    #[test]
    fn an_order_is_stored_with_its_currency_named_once_and_read_as_it_was() {
        let order = Submission::parse(document().to_string().as_bytes())
            .unwrap()
            .order;
        let stored = json!({
            "order_id": "ord-1001", "customer_id": "cus-7",
            "lines": [{"sku": "MUG-01", "quantity": 2, "unit_price": 1299}],
            "shipping_fee": 500, "tax": 0, "total": {"amount": 3098, "currency": "USD"}
        });
        assert_eq!(serde_json::to_value(&order).unwrap(), stored);
        assert_eq!(
            serde_json::from_value::<Order>(stored.clone()).unwrap(),
            order
        );
        let mut too_much = stored;
        too_much["tax"] = json!(Money::MAX_MINOR + 1);
        assert!(serde_json::from_value::<Order>(too_much).is_err());
    }
}
