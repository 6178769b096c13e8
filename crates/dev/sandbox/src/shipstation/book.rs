//! The shipments and labels that there are, and what they are asked for by.

use jiff::Timestamp;

use super::errors;
use super::label::{Label, Status};
use super::shipment::Shipment;
use crate::answer::Answer;
use crate::ledger::Reference;

/// Oldest first.
#[derive(Debug, Default)]
pub(crate) struct Carrier {
    pub(super) shipments: Vec<Shipment>,
    pub(super) labels: Vec<Label>,
}

/// What a label or a shipment is asked for by.
#[derive(Clone, Debug)]
pub(crate) enum By {
    Label(String),
    Shipment(String),
    External(String),
    Tracking(String),
    Status(Status),
    Service(String),
    Carrier(String),
    Warehouse(String),
    CreatedSince(Timestamp),
    CreatedUntil(Timestamp),
}

/// Which labels are wanted of a list, in which order, and which page of them.
#[derive(Debug)]
pub(crate) struct Listing {
    /// All of these.
    pub(crate) by: Vec<By>,
    pub(crate) oldest_first: bool,
    pub(crate) page: usize,
    pub(crate) page_size: usize,
}

impl Listing {
    /// Of `GET /v2/labels`, <https://docs.shipstation.com/list-labels>.
    pub(crate) fn of_query(pairs: Vec<(String, String)>) -> Result<Self, Answer> {
        let mut listing = Self {
            by: Vec::new(),
            oldest_first: false,
            page: 1,
            page_size: 25,
        };
        for (name, value) in pairs {
            let wrong = |what: &str| {
                errors::invalid("invalid_field_value", &format!("'{name}' must be {what}."))
            };
            let number = || {
                let number = value.parse().ok().filter(|number| *number >= 1);
                number.ok_or_else(|| wrong("a number from 1 on"))
            };
            let time = || value.parse().map_err(|_| wrong("a date and time"));
            match name.as_str() {
                "page" => listing.page = number()?,
                "page_size" => listing.page_size = number()?,
                "sort_dir" if matches!(value.as_str(), "asc" | "desc") => {
                    listing.oldest_first = value == "asc";
                }
                "sort_by" if value == "created_at" => {}
                "external_shipment_id" => listing.by.push(By::External(value)),
                "shipment_id" => listing.by.push(By::Shipment(value)),
                "tracking_number" => listing.by.push(By::Tracking(value)),
                "service_code" => listing.by.push(By::Service(value)),
                "carrier_id" => listing.by.push(By::Carrier(value)),
                "warehouse_id" => listing.by.push(By::Warehouse(value)),
                "created_at_start" => listing.by.push(By::CreatedSince(time()?)),
                "created_at_end" => listing.by.push(By::CreatedUntil(time()?)),
                "label_status" => {
                    let status = Status::of(&value);
                    let status = status.ok_or_else(|| wrong("the status of a label"))?;
                    listing.by.push(By::Status(status));
                }
                _ => {
                    let message = format!("The sandbox knows no filter '{name}' like this.");
                    return Err(errors::invalid("invalid_field_value", &message));
                }
            }
        }
        Ok(listing)
    }
}

impl By {
    pub(super) fn is(&self, label: &Label) -> bool {
        let told = |name: &str, value: &str| label.shipment[name] == value;
        match self {
            Self::Label(id) => label.id == *id,
            Self::Shipment(id) => label.shipment_id == *id,
            Self::External(id) => same(&label.external_shipment_id, id),
            Self::Tracking(number) => label.tracking_number == *number,
            Self::Status(status) => label.status() == *status,
            Self::Service(code) => told("service_code", code),
            Self::Carrier(id) => told("carrier_id", id),
            Self::Warehouse(id) => told("warehouse_id", id),
            Self::CreatedSince(at) => label.created_at >= *at,
            Self::CreatedUntil(at) => label.created_at <= *at,
        }
    }
}

/// Whether ids in capital and small letters are the same to the carrier is not documented. Here they
/// are: who relies on either is wrong.
fn same(one: &str, other: &str) -> bool {
    one.eq_ignore_ascii_case(other)
}

impl Carrier {
    /// The shipment with this id of the carrier's or of ours.
    pub(super) fn shipment(&self, by: &By) -> Option<&Shipment> {
        let is = |shipment: &&Shipment| match by {
            By::Shipment(id) => shipment.id == *id,
            By::External(id) => same(&shipment.external_shipment_id, id),
            By::Label(_)
            | By::Tracking(_)
            | By::Status(_)
            | By::Service(_)
            | By::Carrier(_)
            | By::Warehouse(_)
            | By::CreatedSince(_)
            | By::CreatedUntil(_) => false,
        };
        self.shipments.iter().find(is)
    }

    pub(super) fn shipment_mut(&mut self, id: &str) -> Option<&mut Shipment> {
        self.shipments.iter_mut().find(|shipment| shipment.id == id)
    }

    /// Whose it is; for an external id that nobody has, whose it would be.
    pub(crate) fn reference(&self, by: &By) -> Option<Reference> {
        let shipment = self.shipment(by).map(|shipment| &shipment.reference);
        let label = || self.labels.iter().find(|label| by.is(label));
        shipment
            .or_else(|| label().map(|label| &label.reference))
            .cloned()
            .or_else(|| match by {
                By::External(id) => Some(reference(id, None)),
                By::Label(_)
                | By::Shipment(_)
                | By::Tracking(_)
                | By::Status(_)
                | By::Service(_)
                | By::Carrier(_)
                | By::Warehouse(_)
                | By::CreatedSince(_)
                | By::CreatedUntil(_) => None,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_is_read_off_the_external_id_unless_it_is_said() {
        let derived = reference("ord-1-2", None);
        assert_eq!(
            (derived.order_id.as_deref(), derived.attempt),
            (Some("ord-1"), Some(2))
        );
        let of_an_environment = reference("prod.ord-1-2", None);
        assert_eq!(of_an_environment.order_id, derived.order_id);
        let said = reference("ord-1-2", Some("ord-9"));
        assert_eq!(said.order_id.as_deref(), Some("ord-9"));
        let other = reference("whatever", None);
        assert_eq!(
            (other.order_id.as_deref(), other.attempt),
            (Some("whatever"), None)
        );
    }
}
