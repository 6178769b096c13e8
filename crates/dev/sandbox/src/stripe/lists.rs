//! Lists, a page at a time, newest first: <https://docs.stripe.com/api/pagination>.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::book::Payments;
use super::errors;
use super::form::Form;
use super::intent::Intent;
use super::payments::either;
use crate::answer::Answer;
use crate::exchange::Verdict;
use crate::world::World;

/// Which part of a list is wanted.
#[derive(Debug)]
pub(crate) struct Page {
    limit: usize,
    beside: Option<Beside>,
}

/// The object that the page begins after or ends before; it is on neither.
#[derive(Debug)]
enum Beside {
    After(String),
    Before(String),
}

impl Page {
    const PARAMETERS: [&str; 3] = ["ending_before", "limit", "starting_after"];

    fn read(form: &Form) -> Result<Self, Answer> {
        let beside = match (form.get("starting_after"), form.get("ending_before")) {
            (None, None) => None,
            (Some(id), None) => Some(Beside::After(id.to_owned())),
            (None, Some(id)) => Some(Beside::Before(id.to_owned())),
            (Some(_), Some(_)) => {
                let message = "You cannot use both starting_after and ending_before.";
                return Err(errors::bad_value("ending_before", message));
            }
        };
        Ok(Self {
            limit: limit(form)?,
            beside,
        })
    }

    /// The page of these objects, each with its id.
    pub(super) fn of(&self, url: &str, all: Vec<(String, Value)>) -> Result<Value, Answer> {
        let place_of = |parameter: &str, id: &String| {
            let place = all.iter().position(|(one, _)| one == id);
            place.ok_or_else(|| errors::no_such("object", id, parameter))
        };
        let (from, to) = match &self.beside {
            None => (0, all.len()),
            Some(Beside::After(id)) => (place_of("starting_after", id)? + 1, all.len()),
            Some(Beside::Before(id)) => (0, place_of("ending_before", id)?),
        };
        let has_more = to - from > self.limit;
        let from = match &self.beside {
            Some(Beside::Before(_)) => from.max(to.saturating_sub(self.limit)),
            Some(Beside::After(_)) | None => from,
        };
        let objects = all.into_iter().map(|(_, object)| object);
        let data: Vec<_> = objects.take(to).skip(from).take(self.limit).collect();
        Ok(json!({ "object": "list", "url": url, "has_more": has_more, "data": data }))
    }
}

/// How many objects a page has at most.
pub(super) fn limit(form: &Form) -> Result<usize, Answer> {
    match form.get("limit").map(str::parse) {
        None => Ok(10),
        Some(Ok(limit @ 1..=100)) => Ok(limit),
        Some(_) => Err(errors::bad_value("limit", "From 1 to 100.")),
    }
}

/// Which payment intents are wanted, and which page of them.
#[derive(Debug)]
pub(crate) struct Listing {
    created: Created,
    customer: Option<String>,
    page: Page,
}

/// When they were made, each bound by its own name, in seconds.
#[derive(Debug, Default)]
struct Created(Vec<(Holds, i64)>);

/// Whether a second is as a bound wants it.
type Holds = fn(&i64, &i64) -> bool;

impl Created {
    fn read(form: &Form) -> Result<Self, Answer> {
        let mut created = Self::default();
        for (name, value) in form.under("created") {
            let holds: Holds = match name {
                "created" => i64::eq,
                "created[gt]" => i64::gt,
                "created[gte]" => i64::ge,
                "created[lt]" => i64::lt,
                "created[lte]" => i64::le,
                _ => return Err(errors::unknown(name)),
            };
            let second = value.parse();
            let second = second.map_err(|_| errors::not_an_integer(name, value))?;
            created.0.push((holds, second));
        }
        Ok(created)
    }

    fn includes(&self, at: Timestamp) -> bool {
        let at = at.as_second();
        self.0.iter().all(|(holds, second)| holds(&at, second))
    }
}

pub(crate) fn read_list(form: &Form) -> Result<Listing, Answer> {
    form.allow(&[&Page::PARAMETERS[..], &["created", "customer", "expand"]].concat())?;
    Ok(Listing {
        created: Created::read(form)?,
        customer: form.get("customer").map(str::to_owned),
        page: Page::read(form)?,
    })
}

/// <https://docs.stripe.com/api/payment_intents/list>
pub(crate) fn list(world: &World, wanted: &Listing, verdict: Verdict) -> Answer {
    let is_wanted = |intent: &&Intent| {
        let of = wanted.customer.as_ref();
        verdict.sees(intent.created)
            && wanted.created.includes(intent.created)
            && of.is_none_or(|of| intent.customer.as_ref() == Some(of))
    };
    let intents = world.payments.intents.iter().rev();
    let all = intents
        .filter(is_wanted)
        .map(|intent| (intent.id(), intent.to_json()))
        .collect();
    either(wanted.page.of("/v1/payment_intents", all))
}

/// Which of what was made of payments is wanted, refunds or disputes, and which page of it.
#[derive(Debug)]
pub(crate) struct Wanted {
    created: Created,
    charge: Option<String>,
    payment_intent: Option<String>,
    expands: bool,
    pub(super) page: Page,
}

impl Wanted {
    pub(crate) fn read(form: &Form) -> Result<Self, Answer> {
        let own = ["charge", "created", "payment_intent", "expand"];
        form.allow(&[&Page::PARAMETERS[..], &own].concat())?;
        let expand = form.list("expand");
        Ok(Self {
            created: Created::read(form)?,
            charge: form.get("charge").map(str::to_owned),
            payment_intent: form.get("payment_intent").map(str::to_owned),
            expands: expand.iter().any(|one| one == "data.payment_intent"),
            page: Page::read(form)?,
        })
    }

    /// The payment that all of it is of, if one was named.
    pub(crate) fn payment_intent(&self) -> Option<&str> {
        self.payment_intent.as_deref()
    }

    pub(super) fn includes(&self, at: Timestamp, payment_intent: &str, charge: &str) -> bool {
        let is = |wanted: &Option<String>, it: &str| wanted.as_ref().is_none_or(|one| one == it);
        self.created.includes(at)
            && is(&self.payment_intent, payment_intent)
            && is(&self.charge, charge)
    }

    pub(super) fn expanded<'a>(&self, payments: &'a Payments) -> Expanded<'a> {
        Expanded(self.expands.then_some(payments))
    }
}

/// What is shown of a payment in what was made of it: its id, unless more was asked for.
/// <https://docs.stripe.com/expand>
pub(super) struct Expanded<'a>(Option<&'a Payments>);

impl Expanded<'_> {
    /// Nothing more was asked for.
    pub(super) const NOT: Self = Self(None);

    pub(super) fn payment_intent(&self, id: &str) -> Value {
        let found = self.0.and_then(|payments| payments.find(id).ok());
        found.map_or_else(|| json!(id), Intent::to_json)
    }
}

/// <https://docs.stripe.com/api/refunds/list>
pub(crate) fn refunds(world: &World, wanted: &Wanted, verdict: Verdict) -> Answer {
    let expanded = wanted.expanded(&world.payments);
    let refunds = world.payments.refunds.iter().rev();
    let all = refunds
        .filter(|one| {
            verdict.sees(one.created)
                && wanted.includes(one.created, &one.payment_intent, &one.charge)
        })
        .map(|one| (one.id.clone(), one.to_json(&expanded)))
        .collect();
    either(wanted.page.of("/v1/refunds", all))
}

/// <https://docs.stripe.com/api/refunds/retrieve>
pub(crate) fn retrieve_refund(world: &World, id: &str, verdict: Verdict) -> Answer {
    let mut named = world
        .payments
        .refunds
        .iter()
        .filter(|refund| refund.id == id);
    match named.next() {
        Some(refund) if verdict.sees(refund.created) => Answer::ok(refund.to_json(&Expanded::NOT)),
        Some(_) | None => errors::no_such_refund(id),
    }
}
