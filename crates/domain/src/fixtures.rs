//! An order, and what its ledger may hold: for unit tests.
#![expect(
    clippy::unnecessary_wraps,
    reason = "as a ledger holds it, where any of it may be missing"
)]

use jiff::Timestamp;
use serde_json::json;

use crate::entry::{Authorization, Booking, CaptureResult, Claim, Entry};
use crate::ports::Record;
use crate::{ErrorName, Failure, Money, OrderState, Stage, Submission};

/// So many seconds into a day.
pub(crate) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_795_428_000 + second).unwrap()
}

pub(crate) fn submission() -> Submission {
    let document = json!({
        "schema_version": 1, "order_id": "ord-1", "currency": "USD",
        "customer": {"customer_id": "cus-7", "name": "Ada", "email": "ada@example.com"},
        "payment": {"method": "pm_card_visa"},
        "shipping_address": {"name": "Ada", "line1": "1 Main St", "city": "Springfield",
            "region": "IL", "postal_code": "62701", "country": "US"},
        "lines": [{"sku": "MUG-01", "quantity": 2, "unit_price": 1299}],
        "shipping_fee": 500, "tax": 0, "total": 3098
    });
    Submission::parse(document.to_string().as_bytes()).unwrap()
}

/// Accepted at second 0, and nothing more.
pub(crate) fn received() -> OrderState {
    OrderState::received(&submission().order, at(0))
}

pub(crate) fn at_stage(stage: Stage) -> OrderState {
    OrderState {
        stage,
        ..received()
    }
}

pub(crate) fn record(state: OrderState) -> Record {
    let submission = submission();
    Record {
        state,
        order: submission.order,
        fingerprint: submission.fingerprint,
        personal: Some(submission.personal),
        audit: Vec::new(),
        earlier: Vec::new(),
        labels: Vec::new(),
        unreadable: Vec::new(),
    }
}

pub(crate) fn usd(minor: u64) -> Money {
    Money::new(minor, "USD".parse().unwrap()).unwrap()
}

/// Committed at second 10.
pub(crate) fn done<T>(outcome: T) -> Option<Entry<T>> {
    let at = at(10);
    Some(Entry::Done { outcome, at })
}

/// Claimed at second 10, with a lease until second 20.
pub(crate) fn open<T>() -> Option<Entry<T>> {
    Some(Entry::Open(Claim::new("somebody", at(10), at(20))))
}

/// The same, and the provider has refused it.
pub(crate) fn refused<T>(said: &str) -> Option<Entry<T>> {
    let claim = Claim::new("somebody", at(10), at(20));
    Some(Entry::Open(Claim {
        refused: Some(said.to_owned()),
        ..claim
    }))
}

pub(crate) fn held() -> Option<Entry<Authorization>> {
    done(Authorization::Held {
        payment: "pi_1".to_owned(),
        made_at: None,
    })
}

pub(crate) fn declined() -> Option<Entry<Authorization>> {
    done(Authorization::Declined {
        code: "insufficient_funds".to_owned(),
    })
}

pub(crate) fn booking(label: &str) -> Booking {
    Booking::Booked {
        label: label.to_owned(),
        carrier: "usps".to_owned(),
        tracking: format!("track-{label}"),
    }
}

pub(crate) fn booked() -> Option<Entry<Booking>> {
    done(booking("se-1"))
}

pub(crate) fn not_booked() -> Option<Entry<Booking>> {
    done(Booking::Refused {
        code: "invalid_address".to_owned(),
    })
}

pub(crate) fn taken() -> Option<Entry<CaptureResult>> {
    let amount = usd(3098);
    done(CaptureResult::Taken { amount })
}

pub(crate) fn failure(error: ErrorName) -> Option<Failure> {
    Some(Failure::new(error, "it failed", at(5)))
}
