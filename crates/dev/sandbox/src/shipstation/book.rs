//! The labels that there are, and what they are asked for by.

use jiff::Timestamp;

use super::errors;
use super::label::Label;
use crate::answer::Answer;
use crate::ledger::Reference;

/// Oldest first.
#[derive(Debug, Default)]
pub(crate) struct Carrier {
    pub(super) labels: Vec<Label>,
}

/// What a label or a shipment is asked for by.
#[derive(Clone, Debug)]
pub(crate) enum By {
    Label(String),
    Shipment(String),
    External(String),
    Tracking(String),
}

/// Which labels are wanted of a list, and which page of them.
#[derive(Debug)]
pub(crate) struct Listing {
    /// All of these.
    pub(crate) by: Vec<By>,
    /// Made then or later.
    pub(crate) made_from: Option<Timestamp>,
    /// Made then or before.
    pub(crate) made_to: Option<Timestamp>,
    pub(crate) oldest_first: bool,
    pub(crate) page: usize,
    pub(crate) page_size: usize,
}

impl Listing {
    /// Of `GET /v2/labels`, <https://docs.shipstation.com/list-labels>.
    pub(crate) fn of_query(pairs: Vec<(String, String)>) -> Result<Self, Answer> {
        let mut listing = Self {
            by: Vec::new(),
            made_from: None,
            made_to: None,
            oldest_first: false,
            page: 1,
            page_size: 25,
        };
        for (name, value) in pairs {
            let wrong = |what: &str| {
                let message = format!("'{name}' must be {what}.");
                errors::invalid("invalid_field_value", &message)
            };
            let number = || {
                let number = value.parse().ok().filter(|number| *number >= 1);
                number.ok_or_else(|| wrong("a number from 1 on"))
            };
            let time = || value.parse().map_err(|_| wrong("an ISO 8601 time"));
            match name.as_str() {
                "created_at_start" => listing.made_from = Some(time()?),
                "created_at_end" => listing.made_to = Some(time()?),
                "sort_by" if value == "created_at" => {}
                "sort_by" => return Err(wrong("created_at, for all that the sandbox knows")),
                "sort_dir" => match value.as_str() {
                    "asc" => listing.oldest_first = true,
                    "desc" => listing.oldest_first = false,
                    _ => return Err(wrong("asc or desc")),
                },
                "page" => listing.page = number()?,
                "page_size" => listing.page_size = number()?,
                "external_shipment_id" => listing.by.push(By::External(value)),
                "shipment_id" => listing.by.push(By::Shipment(value)),
                "tracking_number" => listing.by.push(By::Tracking(value)),
                _ => {
                    let message = format!("The sandbox knows no filter '{name}'.");
                    return Err(errors::invalid("invalid_field_value", &message));
                }
            }
        }
        Ok(listing)
    }
}

impl By {
    pub(super) fn is(&self, label: &Label) -> bool {
        match self {
            Self::Label(id) => label.id == *id,
            Self::Shipment(id) => label.shipment_id == *id,
            Self::External(id) => label.external_shipment_id == *id,
            Self::Tracking(number) => label.tracking_number == *number,
        }
    }
}

impl Carrier {
    /// Whose it is; for an external id that nobody has, whose it would be.
    pub(crate) fn reference(&self, by: &By) -> Option<Reference> {
        let label = self.labels.iter().find(|label| by.is(label));
        label
            .map(|label| label.reference.clone())
            .or_else(|| match by {
                By::External(id) => Some(reference(id, None)),
                By::Label(_) | By::Shipment(_) | By::Tracking(_) => None,
            })
    }
}

/// Our adapter's external id is `{environment}.{order_id}-{attempt}`; `external_order_id`, when sent, says
/// the order outright.
pub(super) fn reference(external_shipment_id: &str, external_order_id: Option<&str>) -> Reference {
    // No order's id has a dot.
    let own = external_shipment_id
        .split_once('.')
        .map_or(external_shipment_id, |(_, own)| own);
    let split = own
        .rsplit_once('-')
        .and_then(|(order_id, attempt)| Some((order_id, attempt.parse().ok()?)));
    let derived = split.map_or(own, |(order_id, _)| order_id);
    Reference {
        order_id: Some(external_order_id.unwrap_or(derived).to_owned()),
        attempt: split.map(|(_, attempt)| attempt),
        key: Some(external_shipment_id.to_owned()),
    }
}
