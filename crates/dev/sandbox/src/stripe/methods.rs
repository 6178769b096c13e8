//! Customers, and the payment methods that they have or that work once:
//! <https://docs.stripe.com/api/payment_methods>, <https://docs.stripe.com/api/customers>.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::book::Payments;
use super::cards::{self, Outcome};
use super::errors;
use super::form::Form;
use super::payments::either;
use crate::answer::Answer;
use crate::exchange::Verdict;
use crate::world::World;

/// A card that somebody has given to this account.
#[derive(Clone, Debug)]
pub(crate) struct Method {
    id: String,
    card: Outcome,
    brand: String,
    customer: Option<String>,
    /// Confirmed with, while no customer had it.
    used: bool,
    metadata: BTreeMap<String, String>,
    created: Timestamp,
}

#[derive(Clone, Debug)]
pub(crate) struct Customer {
    id: String,
    email: Option<String>,
    name: Option<String>,
    metadata: BTreeMap<String, String>,
    created: Timestamp,
}

/// A valid `POST /v1/payment_methods`.
#[derive(Debug)]
pub(crate) struct NewMethod {
    card: Outcome,
    brand: String,
    metadata: BTreeMap<String, String>,
}

impl NewMethod {
    pub(crate) fn read(form: &Form) -> Result<Self, Answer> {
        form.allow(&["type", "card", "metadata", "billing_details", "expand"])?;
        if form.required("type")? != "card" {
            return Err(errors::bad_value("type", "The sandbox has cards only."));
        }
        // A number would make of the sandbox what has to be as safe as Stripe.
        let token = form.required("card[token]")?;
        let Some(card) = cards::of_token(token) else {
            return Err(errors::no_such("token", token, "card[token]"));
        };
        let brand = token.trim_start_matches("tok_").split('_').next();
        Ok(Self {
            card,
            brand: brand.unwrap_or_default().to_owned(),
            metadata: form.metadata(),
        })
    }
}

pub(crate) fn create_method(world: &mut World, new: NewMethod) -> Answer {
    let method = Method {
        id: format!("pm_{}", world.number()),
        card: new.card,
        brand: new.brand,
        customer: None,
        used: false,
        metadata: new.metadata,
        created: Timestamp::now(),
    };
    let json = method.to_json();
    world.payments.methods.push(method);
    Answer::ok(json)
}

/// The customer to whom a method is to be attached.
pub(crate) fn read_attach(form: &Form) -> Result<String, Answer> {
    form.allow(&["customer", "expand"])?;
    form.required("customer").map(str::to_owned)
}

/// <https://docs.stripe.com/api/payment_methods/attach>
pub(crate) fn attach(world: &mut World, id: &str, customer: String) -> Answer {
    let payments = &mut world.payments;
    either(payments.check_customer(Some(&customer)).and_then(|()| {
        let mut named = payments.methods.iter_mut().filter(|one| one.id == id);
        let Some(method) = named.next() else {
            return Err(errors::no_such("PaymentMethod", id, "payment_method"));
        };
        if method.used {
            return Err(errors::method_used());
        }
        match &method.customer {
            Some(other) if *other != customer => Err(errors::bad_value(
                "payment_method",
                "The payment method you provided has already been attached to a customer.",
            )),
            Some(_) | None => {
                method.customer = Some(customer);
                Ok(method.to_json())
            }
        }
    }))
}

/// A valid `POST /v1/customers`.
#[derive(Debug)]
pub(crate) struct NewCustomer {
    email: Option<String>,
    name: Option<String>,
    metadata: BTreeMap<String, String>,
}

impl NewCustomer {
    pub(crate) fn read(form: &Form) -> Result<Self, Answer> {
        form.allow(&["email", "name", "metadata", "expand"])?;
        Ok(Self {
            email: form.get("email").map(str::to_owned),
            name: form.get("name").map(str::to_owned),
            metadata: form.metadata(),
        })
    }
}

pub(crate) fn create_customer(world: &mut World, new: NewCustomer) -> Answer {
    let customer = Customer {
        id: format!("cus_{}", world.number()),
        email: new.email,
        name: new.name,
        metadata: new.metadata,
        created: Timestamp::now(),
    };
    let json = customer.to_json();
    world.payments.customers.push(customer);
    Answer::ok(json)
}

impl Payments {
    /// # Errors
    /// If there is no such customer.
    pub(super) fn check_customer(&self, customer: Option<&str>) -> Result<(), Answer> {
        match customer {
            Some(id) if !self.customers.iter().any(|one| one.id == id) => {
                Err(errors::no_such("customer", id, "customer"))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// What a card does that an intent of this customer is confirmed with, or of nobody.
    ///
    /// # Errors
    /// If the method may not be used, or there is none.
    pub(super) fn card(&self, method: &str, customer: Option<&str>) -> Result<Outcome, Answer> {
        if let Some(outcome) = cards::of_shared_method(method) {
            return Ok(outcome);
        }
        let mut named = self.methods.iter().filter(|one| one.id == method);
        let Some(known) = named.next() else {
            return Err(errors::no_such("PaymentMethod", method, "payment_method"));
        };
        match (known.customer.as_deref(), customer) {
            (Some(its), Some(of)) if its == of => Ok(known.card),
            (None, None) if known.used => Err(errors::method_used()),
            (None, None) => Ok(known.card),
            (_, Some(_)) => Err(errors::method_of_another(method)),
            (Some(_), None) => Err(errors::method_without_its_customer()),
        }
    }

    /// A method that no customer has works once, whatever comes of it.
    pub(super) fn use_up(&mut self, method: &str) {
        let its = |one: &&mut Method| one.id == method && one.customer.is_none();
        for method in self.methods.iter_mut().filter(its) {
            method.used = true;
        }
    }
}

/// What the bank says, or does for a test.
pub(super) fn verdict_of(card: Outcome, verdict: Verdict) -> Outcome {
    match (card, verdict) {
        (Outcome::Approved, Verdict::No) => Outcome::Declined(super::decline::GENERIC_DECLINE),
        (Outcome::Approved, Verdict::Asks) => Outcome::Asks,
        (
            Outcome::Approved | Outcome::Declined(_) | Outcome::Asks,
            Verdict::AsUsual
            | Verdict::No
            | Verdict::Asks
            | Verdict::Pending
            | Verdict::Fails
            | Verdict::Used
            | Verdict::Hides(_),
        ) => card,
    }
}

impl Method {
    fn to_json(&self) -> Value {
        json!({
            "id": self.id,
            "object": "payment_method",
            "allow_redisplay": "unspecified",
            "billing_details": {
                "address": null, "email": null, "name": null, "phone": null, "tax_id": null,
            },
            "card": {
                "brand": self.brand,
                "checks": null,
                "country": "US",
                "display_brand": self.brand,
                "exp_month": 12,
                "exp_year": 2040,
                "fingerprint": null,
                "funding": "credit",
                "generated_from": null,
                "last4": "4242",
                "networks": null,
                "regulated_status": "unregulated",
                "three_d_secure_usage": null,
                "wallet": null,
            },
            "created": self.created.as_second(),
            "customer": self.customer,
            "customer_account": null,
            "livemode": false,
            "metadata": self.metadata,
            "type": "card",
        })
    }
}

impl Customer {
    fn to_json(&self) -> Value {
        json!({
            "id": self.id,
            "object": "customer",
            "address": null,
            "balance": 0,
            "created": self.created.as_second(),
            "currency": null,
            "customer_account": null,
            "default_source": null,
            "delinquent": false,
            "description": null,
            "email": self.email,
            "invoice_prefix": self.id.to_uppercase(),
            "invoice_settings": {
                "custom_fields": null, "default_payment_method": null, "footer": null,
                "rendering_options": null,
            },
            "livemode": false,
            "metadata": self.metadata,
            "name": self.name,
            "next_invoice_sequence": 1,
            "phone": null,
            "preferred_locales": [],
            "shipping": null,
            "tax_exempt": "none",
            "test_clock": null,
        })
    }
}
