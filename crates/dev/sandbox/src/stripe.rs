//! The part of Stripe's API that charges: `PaymentIntents` and refunds, and the methods that customers
//! have saved.
//!
//! Sources: <https://docs.stripe.com/api/payment_intents>, <https://docs.stripe.com/api/refunds>,
//! <https://docs.stripe.com/payments/place-a-hold-on-a-payment-method>,
//! <https://docs.stripe.com/search>, and the shapes of
//! <https://github.com/stripe/openapi>.

mod access;
pub(crate) mod book;
mod cards;
mod decline;
pub(crate) mod disputes;
pub(crate) mod errors;
mod form;
mod intent;
mod lists;
mod methods;
mod payments;
mod refunds;
mod search;

use axum::Router;
use axum::extract::Path;
use axum::http::HeaderValue;
use axum::middleware::map_response;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};

use crate::answer::Answer;
use crate::exchange::{Received, Verdict};
use crate::faults::{Operation, Provider, Target};
use crate::idempotency::Keyed;
use crate::ledger::Reference;
use crate::world::{Shared, World};

use form::Form;
use lists::Wanted;
use methods::{NewCustomer, NewMethod};
use payments::{Authorization, Confirmation, Update};
use refunds::Refunding;
use search::Query;

pub(crate) use payments::lapse;
pub(crate) use refunds::{fail, settle};

pub(crate) fn routes() -> Router<Shared> {
    Router::new()
        .route("/v1/payment_intents", post(authorize).get(list))
        .route("/v1/payment_intents/search", get(search))
        .route("/v1/payment_intents/{id}", get(retrieve).post(update))
        .route("/v1/payment_intents/{id}/confirm", post(confirm))
        .route("/v1/payment_intents/{id}/capture", post(capture))
        .route("/v1/payment_intents/{id}/cancel", post(cancel))
        .route("/v1/payment_methods", post(create_method))
        .route("/v1/payment_methods/{id}/attach", post(attach))
        .route("/v1/customers", post(create_customer))
        .route("/v1/refunds", post(refund).get(list_refunds))
        .route("/v1/refunds/{id}", get(retrieve_refund))
        .route("/v1/disputes", get(list_disputes))
        .layer(map_response(replayed))
}

/// A stored answer comes with a request id of its own and names the first request's,
/// <https://docs.stripe.com/api/idempotent_requests>.
async fn replayed(mut response: Response) -> Response {
    let headers = response.headers_mut();
    if headers.contains_key("idempotent-replayed")
        && let Some(first) = headers.remove("request-id")
    {
        headers.insert("original-request", first);
        if let Ok(own) = HeaderValue::from_str(&errors::request_id()) {
            headers.insert("request-id", own);
        }
    }
    response
}

async fn authorize(received: Received) -> Response {
    match read(&received, Form::of_body, Authorization::read) {
        Err(answer) => answer.into_response(),
        Ok(wanted) => {
            let order_id = wanted.order_id();
            let act = move |world: &mut World, verdict, reference| {
                payments::authorize(world, wanted, verdict, reference)
            };
            carry_out(received, Operation::Authorize, order_id, act).await
        }
    }
}

async fn update(Path(id): Path<String>, received: Received) -> Response {
    match read(&received, Form::of_body, Update::read) {
        Err(answer) => answer.into_response(),
        Ok(wanted) => {
            let known = received.shared.lock().payments.order_of(&id);
            let order_id = wanted.order_id().or(known);
            let act = move |world: &mut World, _, _| payments::update(world, &id, wanted);
            carry_out(received, Operation::Authorize, order_id, act).await
        }
    }
}

/// The answer to a call that no fault is planted for.
fn named(answer: Answer) -> Response {
    let named = answer.with_header("request-id", errors::request_id());
    named.into_response()
}

async fn create_method(received: Received) -> Response {
    match read(&received, Form::of_body, NewMethod::read) {
        Err(answer) => answer.into_response(),
        Ok(new) => named(methods::create_method(&mut received.shared.lock(), new)),
    }
}

async fn attach(Path(id): Path<String>, received: Received) -> Response {
    match read(&received, Form::of_body, methods::read_attach) {
        Err(answer) => answer.into_response(),
        Ok(customer) => named(methods::attach(&mut received.shared.lock(), &id, customer)),
    }
}

async fn create_customer(received: Received) -> Response {
    match read(&received, Form::of_body, NewCustomer::read) {
        Err(answer) => answer.into_response(),
        Ok(new) => named(methods::create_customer(&mut received.shared.lock(), new)),
    }
}

async fn confirm(Path(id): Path<String>, received: Received) -> Response {
    match read(&received, Form::of_body, Confirmation::read) {
        Err(answer) => answer.into_response(),
        Ok(how) => {
            let order_id = received.shared.lock().payments.order_of(&id);
            let act = move |world: &mut World, verdict, reference| {
                payments::confirm(world, &id, &how, verdict, reference)
            };
            carry_out(received, Operation::Authorize, order_id, act).await
        }
    }
}

async fn capture(Path(id): Path<String>, received: Received) -> Response {
    match read(&received, Form::of_body, payments::read_capture) {
        Err(answer) => answer.into_response(),
        Ok(amount) => {
            let order_id = received.shared.lock().payments.order_of(&id);
            let act = move |world: &mut World, verdict, reference| {
                payments::capture(world, &id, amount, verdict, reference)
            };
            carry_out(received, Operation::Capture, order_id, act).await
        }
    }
}

async fn cancel(Path(id): Path<String>, received: Received) -> Response {
    match read(&received, Form::of_body, payments::read_cancel) {
        Err(answer) => answer.into_response(),
        Ok(reason) => {
            let order_id = received.shared.lock().payments.order_of(&id);
            let act = move |world: &mut World, verdict, reference| {
                payments::cancel(world, &id, reason, verdict, reference)
            };
            carry_out(received, Operation::Void, order_id, act).await
        }
    }
}

async fn refund(received: Received) -> Response {
    match read(&received, Form::of_body, Refunding::read) {
        Err(answer) => answer.into_response(),
        Ok(wanted) => {
            let order_id = received
                .shared
                .lock()
                .payments
                .order_of(wanted.payment_intent());
            let act = move |world: &mut World, verdict, reference| {
                refunds::refund(world, wanted, verdict, reference)
            };
            carry_out(received, Operation::Refund, order_id, act).await
        }
    }
}

async fn retrieve(Path(id): Path<String>, received: Received) -> Response {
    if let Err(answer) = read(&received, Form::of_query, |form| form.allow(&["expand"])) {
        return answer.into_response();
    }
    let order_id = received.shared.lock().payments.order_of(&id);
    let act = move |world: &mut World, verdict, _| payments::retrieve(world, &id, verdict);
    carry_out(received, Operation::Find, order_id, act).await
}

async fn search(received: Received) -> Response {
    match read(&received, Form::of_query, Query::read) {
        Err(answer) => answer.into_response(),
        Ok(query) => {
            let order_id = query.order_id();
            let act = move |world: &mut World, verdict, _| payments::search(world, &query, verdict);
            carry_out(received, Operation::Find, order_id, act).await
        }
    }
}

async fn list(received: Received) -> Response {
    match read(&received, Form::of_query, lists::read_list) {
        Err(answer) => answer.into_response(),
        Ok(wanted) => {
            let act = move |world: &mut World, verdict, _| lists::list(world, &wanted, verdict);
            carry_out(received, Operation::Find, None, act).await
        }
    }
}

async fn list_refunds(received: Received) -> Response {
    list_of(received, lists::refunds).await
}

async fn list_disputes(received: Received) -> Response {
    list_of(received, disputes::list).await
}

/// What was made of payments, or of one.
async fn list_of(received: Received, list: fn(&World, &Wanted, Verdict) -> Answer) -> Response {
    match read(&received, Form::of_query, Wanted::read) {
        Err(answer) => answer.into_response(),
        Ok(wanted) => {
            let of = wanted.payment_intent();
            let order_id = of.and_then(|id| received.shared.lock().payments.order_of(id));
            let act = move |world: &mut World, verdict, _| list(world, &wanted, verdict);
            carry_out(received, Operation::Find, order_id, act).await
        }
    }
}

async fn retrieve_refund(Path(id): Path<String>, received: Received) -> Response {
    if let Err(answer) = read(&received, Form::of_query, |form| form.allow(&["expand"])) {
        return answer.into_response();
    }
    let order_id = received.shared.lock().payments.order_of_refund(&id);
    let act = move |world: &mut World, verdict, _| lists::retrieve_refund(world, &id, verdict);
    carry_out(received, Operation::Find, order_id, act).await
}

/// Credential and version first, then the parameters, as Stripe answers them; none of it uses a key up.
fn read<T>(
    received: &Received,
    parameters: impl FnOnce(&Received) -> Result<Form, Answer>,
    make: impl FnOnce(&Form) -> Result<T, Answer>,
) -> Result<T, Answer> {
    access::check(received)?;
    make(&parameters(received)?)
}

async fn carry_out<Act>(
    received: Received,
    operation: Operation,
    order_id: Option<String>,
    act: Act,
) -> Response
where
    Act: FnOnce(&mut World, Verdict, Reference) -> Answer + Send + 'static,
{
    // Keys are for POST; "it has no effect" on the others.
    let keyed = match received.header("idempotency-key") {
        Some(key) if operation != Operation::Find => {
            if key.is_empty() || key.len() > 255 {
                return errors::invalid_key().into_response();
            }
            let form =
                Form::of_body(&received).map_or_else(|_| String::new(), |form| form.canonical());
            Some(Keyed {
                key: key.to_owned(),
                request: format!("{} {} {form}", received.method, received.uri.path()),
            })
        }
        Some(_) | None => None,
    };
    let target = Target {
        provider: Provider::Payment,
        operation,
        order_id,
        key: keyed.as_ref().map(|keyed| keyed.key.clone()),
    };
    let reference = Reference {
        order_id: target.order_id.clone(),
        attempt: None,
        key: target.key.clone(),
    };
    received
        .carry_out(errors::DIALECT, target, keyed, move |world, verdict| {
            act(world, verdict, reference).with_header("request-id", errors::request_id())
        })
        .await
}
