//! A form to change where an order or its messages go, or how it is paid.
//!
//! What is stored is not shown: whoever modifies an order has the new values from its customer. What was typed
//! is shown again only in answer to the form that it came with, and kept nowhere.

use actions::{Attribution, Reason, Refused};
use axum::http::StatusCode;
use axum::response::Response;
use domain::{Changes, Modifiable, OrderId, OrderState, Timestamp, Violation};
use serde_json::{Map, Value, json};

use crate::answer::{page, see_other, with_flash};
use crate::frame::Frame;
use crate::operator::Operator;
use crate::request::PageRequest;
use crate::{Console, Failed};

/// A field of the form.
struct Field {
    name: &'static str,
    label: &'static str,
    /// Where the order document has it.
    pointer: &'static str,
}

const fn field(name: &'static str, label: &'static str, pointer: &'static str) -> Field {
    Field {
        name,
        label,
        pointer,
    }
}

/// What belongs together: an address changes as a whole.
struct Part {
    of: Modifiable,
    legend: &'static str,
    fields: &'static [Field],
}

const PARTS: [Part; 3] = [
    Part {
        of: Modifiable::Messages,
        legend: "Messages to the customer",
        fields: &[
            field("name", "Name", "/customer/name"),
            field("email", "E-mail address", "/customer/email"),
        ],
    },
    Part {
        of: Modifiable::Payment,
        legend: "Means of payment",
        fields: &[
            field(
                "method",
                "A method: the payment provider's token",
                "/payment/method",
            ),
            field(
                "customer",
                "The customer who has saved it, if one has: the provider's token",
                "/payment/customer",
            ),
            field(
                "intent",
                "Or a payment that the checkout has made: the provider's token",
                "/payment/intent",
            ),
        ],
    },
    Part {
        of: Modifiable::Address,
        legend: "Shipping address",
        fields: &[
            field("to", "Recipient", "/shipping_address/name"),
            field("line1", "Street and number", "/shipping_address/line1"),
            field("line2", "Flat, floor, company", "/shipping_address/line2"),
            field("city", "City", "/shipping_address/city"),
            field("region", "State or region", "/shipping_address/region"),
            field("postal", "Postal code", "/shipping_address/postal_code"),
            field(
                "country",
                "Country (two letters)",
                "/shipping_address/country",
            ),
        ],
    },
];

#[derive(askama::Template)]
#[template(path = "modify.html")]
struct Form<'a> {
    frame: Frame<'a>,
    id: &'a str,
    parts: Vec<PartView<'a>>,
    reason: &'a str,
    complaint: String,
    /// What is wrong with all of it.
    wrong: String,
}

struct PartView<'a> {
    legend: &'static str,
    /// Why it cannot be changed any more. Empty if it can.
    why_not: &'static str,
    fields: Vec<FieldView<'a>>,
}

struct FieldView<'a> {
    name: &'static str,
    label: &'static str,
    value: &'a str,
    complaint: String,
}

impl Console {
    /// The empty form.
    pub(crate) async fn changing(
        &self,
        request: &PageRequest,
        operator: &Operator,
        order_id: &OrderId,
        now: Timestamp,
    ) -> Result<Response, Failed> {
        let (record, _) = self.actions.inspect(order_id).await?;
        let form = self.form(request, operator, &record.state, &[], now);
        Ok(page(StatusCode::OK, &form))
    }

    fn form<'a>(
        &'a self,
        request: &'a PageRequest,
        operator: &'a Operator,
        state: &'a OrderState,
        violations: &[Violation],
        now: Timestamp,
    ) -> Form<'a> {
        let wrong_with = |pointer: &str| {
            let found = violations.iter().find(|found| found.pointer == pointer);
            found.map_or_else(String::new, |found| found.detail.clone())
        };
        let parts = PARTS.iter().map(|part| PartView {
            legend: part.legend,
            why_not: part.of.allowed(state, now).err().unwrap_or_default(),
            fields: part
                .fields
                .iter()
                .map(|field| FieldView {
                    name: field.name,
                    label: field.label,
                    value: request.field(field.name).unwrap_or_default(),
                    complaint: wrong_with(field.pointer),
                })
                .collect(),
        });
        let id = state.order_id.as_str();
        let reason = request.field("reason").unwrap_or_default();
        let asked = request.field("reason").is_some();
        Form {
            frame: Frame::of(self, request, operator, None, now)
                .titled(format!("Modify {id}"))
                .still(),
            id,
            parts: parts.collect(),
            reason,
            complaint: match reason.parse::<Reason>() {
                Err(invalid) if asked => invalid.to_string(),
                Ok(_) | Err(_) => String::new(),
            },
            wrong: wrong_with(""),
        }
    }

    /// The form that was filled in.
    pub(crate) async fn modify(
        &self,
        request: &PageRequest,
        operator: &Operator,
        order_id: &OrderId,
        now: Timestamp,
    ) -> Result<Response, Failed> {
        let changes = Changes::parse(document(request).to_string().as_bytes());
        let reason = request
            .field("reason")
            .unwrap_or_default()
            .parse::<Reason>();
        let (changes, reason) = match (changes, reason) {
            (Ok(changes), Ok(reason)) => (changes, reason),
            (changes, _) => {
                let (record, _) = self.actions.inspect(order_id).await?;
                let violations = changes.err().unwrap_or_default();
                let form = self.form(request, operator, &record.state, &violations, now);
                // Not a redirect: what was typed is kept nowhere.
                return Ok(page(StatusCode::UNPROCESSABLE_ENTITY, &form));
            }
        };
        let who = Attribution {
            by: &operator.name,
            reason: &reason,
            at: now,
        };
        let told = match self.actions.modify(order_id, &changes, who).await {
            Ok(done) => format!("Modify: {done}."),
            Err(Refused::NotPossible(why)) => format!("Not done: {why}."),
            Err(refused) => return Err(refused.into()),
        };
        let there = see_other(&format!("{}orders/{order_id}", request.root));
        Ok(with_flash(there, &told))
    }
}

/// Whether anything of an order in `state` may be modified.
pub(crate) fn is_modifiable(state: &OrderState, now: Timestamp) -> bool {
    let mut parts = PARTS.iter();
    parts.any(|part| part.of.allowed(state, now).is_ok())
}

/// Those fields that have something in them, as the order document has them.
fn document(request: &PageRequest) -> Value {
    let mut document = Map::new();
    for field in PARTS.iter().flat_map(|part| part.fields) {
        let typed = request.field(field.name).unwrap_or_default().trim();
        let mut names = field.pointer.split('/').skip(1);
        let (Some(object), Some(name)) = (names.next(), names.next()) else {
            continue;
        };
        if !typed.is_empty() {
            document.entry(object).or_insert_with(|| json!({}))[name] = json!(typed);
        }
    }
    Value::Object(document)
}
