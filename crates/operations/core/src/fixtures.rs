//! What unit tests of several modules begin with.

use domain::{OrderState, Submission, Timestamp};

use crate::projection::Projection;

/// So many seconds after a moment of 2026.
pub(crate) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_795_428_000 + second).expect("a time")
}

/// Order `ord-<number>`, of 10.00 USD.
pub(crate) fn document(number: u32) -> serde_json::Value {
    serde_json::json!({
        "schema_version": 1, "order_id": format!("ord-{number:03}"), "currency": "USD",
        "customer": {"customer_id": "cus-7", "name": "A", "email": "a@example.com"},
        "payment": {"method": "pm_card_visa"},
        "shipping_address": {"name": "A", "line1": "1", "line2": null, "city": "S", "region": "IL",
            "postal_code": "62701", "country": "US"},
        "lines": [{"sku": "MUG-01", "quantity": 1, "unit_price": 1000}],
        "shipping_fee": 0, "tax": 0, "total": 1000})
}

/// The projection of order `ord-<number>`, of 10.00 USD, accepted in that second.
pub(crate) fn projection(number: u32) -> Projection {
    let document = document(number).to_string();
    let submission = Submission::parse(document.as_bytes()).expect("a document");
    let received = at(i64::from(number));
    Projection::received(&OrderState::received(&submission.order, received))
}
