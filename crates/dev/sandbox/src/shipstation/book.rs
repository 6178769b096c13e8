//! The labels that there are, and what they are asked for by.

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
}

impl By {
    /// `GET /v2/labels` filters; the sandbox has no use for a list of everything.
    pub(crate) fn of_query(pairs: &[(String, String)]) -> Result<Self, Answer> {
        let of = |name: &str| {
            let mut named = pairs.iter().filter(|(given, _)| given == name);
            named.next().map(|(_, value)| value.clone())
        };
        let external = of("external_shipment_id").map(Self::External);
        external
            .or_else(|| of("shipment_id").map(Self::Shipment))
            .ok_or_else(|| {
                let message = "The sandbox lists labels by external_shipment_id or shipment_id.";
                errors::invalid("field_value_required", message)
            })
    }

    pub(super) fn is(&self, label: &Label) -> bool {
        match self {
            Self::Label(id) => label.id == *id,
            Self::Shipment(id) => label.shipment_id == *id,
            Self::External(id) => label.external_shipment_id == *id,
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
                By::Label(_) | By::Shipment(_) => None,
            })
    }
}

/// Our adapter's external id is `{order_id}-{attempt}`; `external_order_id`, when sent, says the
/// order outright.
pub(super) fn reference(external_shipment_id: &str, external_order_id: Option<&str>) -> Reference {
    let split = external_shipment_id
        .rsplit_once('-')
        .and_then(|(order_id, attempt)| Some((order_id, attempt.parse().ok()?)));
    let derived = split.map_or(external_shipment_id, |(order_id, _)| order_id);
    Reference {
        order_id: Some(external_order_id.unwrap_or(derived).to_owned()),
        attempt: split.map(|(_, attempt)| attempt),
        key: Some(external_shipment_id.to_owned()),
    }
}
