//! What customers read. HTML is escaped by its template.

use askama::Template;
use domain::ledger::{Authorization, Booking, Entry, Reversal};
use domain::ports::Message;
use domain::{Class, ErrorName, Order, OrderState, PersonalData};

#[derive(Template)]
#[template(path = "shipped.txt")]
struct ShippedText<'a> {
    name: &'a str,
    order_id: &'a str,
    total: &'a str,
    carrier: &'a str,
    tracking: &'a str,
}

#[derive(Template)]
#[template(path = "shipped.html")]
struct ShippedHtml<'a> {
    name: &'a str,
    order_id: &'a str,
    total: &'a str,
    carrier: &'a str,
    tracking: &'a str,
}

#[derive(Template)]
#[template(path = "ended.txt")]
struct EndedText<'a> {
    name: &'a str,
    order_id: &'a str,
    reason: &'a str,
    money: &'a str,
}

#[derive(Template)]
#[template(path = "ended.html")]
struct EndedHtml<'a> {
    name: &'a str,
    order_id: &'a str,
    reason: &'a str,
    money: &'a str,
}

/// The order is on its way.
pub(crate) fn shipped(
    order: &Order,
    personal: &PersonalData,
    state: &OrderState,
) -> Result<Message, askama::Error> {
    let (carrier, tracking) = match state.book.as_ref().and_then(Entry::outcome) {
        Some(Booking::Booked {
            carrier, tracking, ..
        }) => (carrier.as_str(), tracking.as_str()),
        Some(Booking::Refused { .. }) | None => ("", ""),
    };
    let (name, order_id, total) = (
        personal.name.as_str(),
        order.order_id.as_str(),
        order.total.to_string(),
    );
    let total = total.as_str();
    let text = ShippedText {
        name,
        order_id,
        total,
        carrier,
        tracking,
    };
    let html = ShippedHtml {
        name,
        order_id,
        total,
        carrier,
        tracking,
    };
    Ok(Message {
        to: personal.email.clone(),
        subject: format!("Your order {order_id} is on its way"),
        text: text.render()?,
        html: html.render()?,
        order_id: order.order_id.clone(),
        execution: state.execution_name(),
    })
}

/// The order did not come about.
pub(crate) fn ended(
    order: &Order,
    personal: &PersonalData,
    state: &OrderState,
) -> Result<Message, askama::Error> {
    let error = state
        .failure
        .as_ref()
        .map_or(ErrorName::Internal, |failure| failure.error);
    let (name, order_id) = (personal.name.as_str(), order.order_id.as_str());
    let (reason, money) = (reason(error), money(state));
    let text = EndedText {
        name,
        order_id,
        reason,
        money,
    };
    let html = EndedHtml {
        name,
        order_id,
        reason,
        money,
    };
    Ok(Message {
        to: personal.email.clone(),
        subject: format!("Your order {order_id} could not be completed"),
        text: text.render()?,
        html: html.render()?,
        order_id: order.order_id.clone(),
        execution: state.execution_name(),
    })
}

/// What the customer can do something with; the rest is our own trouble.
fn reason(error: ErrorName) -> &'static str {
    match error {
        ErrorName::OrderRejected => "an article is sold out or its price has changed.",
        ErrorName::ReviewRejected => "we cannot accept it.",
        ErrorName::OrderCancelled => "it was cancelled.",
        ErrorName::PaymentDeclined => "your payment was declined.",
        ErrorName::ShipmentRejected => "the carrier cannot deliver to the address.",
        ErrorName::InvalidInput
        | ErrorName::ReviewRequired
        | ErrorName::PaymentUnavailable
        | ErrorName::CarrierUnavailable
        | ErrorName::NotificationUnavailable
        | ErrorName::StoreUnavailable
        | ErrorName::Internal => match error.class() {
            Class::Customer => "we cannot accept it.",
            Class::Dependency | Class::System => "something went wrong on our side. We are sorry.",
        },
    }
}

fn money(state: &OrderState) -> &'static str {
    let held = matches!(
        state.authorize.as_ref().and_then(Entry::outcome),
        Some(Authorization::Held { .. })
    );
    let unknown = matches!(state.authorize, Some(Entry::Open(_)));
    match state.reverse.as_ref().and_then(Entry::outcome) {
        Some(Reversal::Refunded { .. }) => "Your payment was refunded.",
        Some(Reversal::Voided) => "Your payment was released; you were not charged.",
        Some(Reversal::WrittenOff { .. }) => "Your payment is settled with you separately.",
        // That nothing was held is what the provider said then; it is looked at again.
        Some(Reversal::Nothing) | None if unknown => {
            "You were not charged. If your bank shows a hold, it will be released."
        }
        Some(Reversal::Nothing) | None if !held => "You were not charged.",
        Some(Reversal::Nothing) | None => "Your payment is being looked at.",
    }
}

#[cfg(test)]
mod tests {
    use domain::{Failure, Timestamp};

    use super::*;

    #[test]
    fn a_name_cannot_smuggle_markup_into_a_message() {
        let mut document = ::tests::document("o");
        document["customer"]["name"] = "<script>alert(1)</script>".into();
        let submission = ::tests::submission(&document);
        let mut state = OrderState::received(&submission.order, Timestamp::now());
        state.failure = Some(Failure::new(
            ErrorName::PaymentDeclined,
            "no",
            Timestamp::now(),
        ));
        for message in [
            shipped(&submission.order, &submission.personal, &state),
            ended(&submission.order, &submission.personal, &state),
        ] {
            let message = message.expect("a message");
            assert!(!message.html.contains("<script"), "{}", message.html);
            assert!(
                message.text.contains("<script"),
                "plain text needs no escaping"
            );
        }
    }
}
