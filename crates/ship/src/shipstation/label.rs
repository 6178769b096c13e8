//! Labels as ShipStation tells of them.

use std::iter;

use domain::ports::ProviderError;
use domain::{Currency, LabelledParcel, Money};
use serde::Deserialize;
use serde_json::Number;

/// What is read of a label. <https://docs.shipstation.com/apis/openapi/labels>
#[derive(Deserialize)]
pub(super) struct Label {
    #[serde(rename = "label_id")]
    pub(super) id: String,
    status: Status,
    #[serde(default)]
    voided: bool,
    /// Whose it is.
    pub(super) shipment_id: String,
    #[serde(default)]
    tracking_number: String,
    #[serde(default)]
    carrier_code: String,
    shipment_cost: Option<Cost>,
    #[serde(default)]
    packages: Vec<Package>,
    /// Where its document is for the moment. Whoever has this reads the customer's name and address.
    #[serde(default)]
    #[serde(rename = "label_download")]
    document: Option<Download>,
}

/// What is read of a parcel with a label.
#[derive(Deserialize)]
struct Package {
    #[serde(default)]
    tracking_number: Option<String>,
    #[serde(default)]
    weight: Option<Weight>,
}

#[derive(Deserialize)]
struct Weight {
    value: Number,
    unit: String,
}

#[derive(Deserialize)]
struct Download {
    pdf: Option<String>,
}

#[derive(Deserialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
enum Status {
    Processing,
    Completed,
    Error,
    Voided,
}

/// A page of a list.
#[derive(Deserialize)]
pub(super) struct Page {
    pub(super) labels: Vec<Label>,
    /// How many pages there are.
    #[serde(default)]
    pub(super) pages: u32,
}

#[derive(Deserialize)]
struct Cost {
    currency: String,
    /// A JSON number: its shortest decimal text is what the carrier wrote, and nothing is calculated with it.
    amount: Number,
}

/// Where a label stands.
pub(super) enum Standing {
    /// It can be used.
    Live(domain::Label),
    /// It is being made.
    Processing,
    /// It is void.
    Voided,
    /// It was not made.
    Failed,
}

impl Label {
    /// What it costs, if the carrier says so. An amount that is none is not worth failing a shipment for.
    pub(super) fn cost(&self) -> Option<Money> {
        let Cost { currency, amount } = self.shipment_cost.as_ref()?;
        let currency: Currency = currency.to_uppercase().parse().ok()?;
        Money::of_decimal(&amount.to_string(), currency).ok()
    }

    /// Where its document is, unless it is void or not made.
    pub(super) fn document(mut self) -> Option<String> {
        let document = self.document.take().and_then(|download| download.pdf);
        match self.standing() {
            Standing::Live(_) => document,
            Standing::Processing | Standing::Voided | Standing::Failed => None,
        }
    }

    /// Where it stands.
    pub(super) fn standing(self) -> Standing {
        match self.status {
            Status::Voided => Standing::Voided,
            Status::Completed | Status::Processing | Status::Error if self.voided => {
                Standing::Voided
            }
            Status::Processing => Standing::Processing,
            Status::Error => Standing::Failed,
            Status::Completed => Standing::Live(domain::Label {
                cost: self.cost(),
                request: None,
                parcels: self.packages.into_iter().map(Package::told).collect(),
                id: self.id,
                carrier: self.carrier_code,
                tracking: self.tracking_number,
            }),
        }
    }
}

impl Package {
    fn told(self) -> LabelledParcel {
        LabelledParcel {
            tracking: self.tracking_number,
            weight_g: self.weight.and_then(|weight| weight.grams()),
        }
    }
}

impl Weight {
    /// In the unit that it was asked for in; another one is not what was asked for.
    fn grams(&self) -> Option<u32> {
        let text = self.value.to_string();
        let whole = text.split('.').next()?;
        (self.unit == "gram").then(|| whole.parse().ok())?
    }
}

/// The labels of one shipment.
#[derive(Debug)]
pub(super) enum Found {
    /// This is the one, and these are others that can be used as well.
    Live(domain::Label, Vec<domain::Label>),
    /// There are some, and none that can be used.
    OnlyVoided,
    /// There is none.
    Nothing,
}

impl Found {
    /// The label that can be used; of several, the first.
    pub(super) fn live(self) -> Option<domain::Label> {
        match self {
            Self::Live(label, _) => Some(label),
            Self::OnlyVoided | Self::Nothing => None,
        }
    }

    /// All labels that can be used.
    pub(super) fn all_live(self) -> Vec<domain::Label> {
        match self {
            Self::Live(label, others) => iter::once(label).chain(others).collect(),
            Self::OnlyVoided | Self::Nothing => Vec::new(),
        }
    }
}

/// Which of a shipment's labels counts: those that are void or were never made hide none that is live.
pub(super) fn found(labels: Vec<Label>) -> Result<Found, ProviderError> {
    let (mut is_being_made, mut is_empty) = (false, true);
    let mut live = Vec::new();
    for label in labels {
        is_empty = false;
        match label.standing() {
            Standing::Live(label) => live.push(label),
            Standing::Processing => is_being_made = true,
            Standing::Voided | Standing::Failed => {}
        }
    }
    let mut live = live.into_iter();
    if let Some(first) = live.next() {
        return Ok(Found::Live(first, live.collect()));
    }
    match (is_being_made, is_empty) {
        (true, _) => Err(being_made()),
        (false, true) => Ok(Found::Nothing),
        (false, false) => Ok(Found::OnlyVoided),
    }
}

/// Nobody can ship with it yet, and nothing may be bought in its place.
pub(super) fn being_made() -> ProviderError {
    ProviderError::Unknown("the label is still being made".to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn label(id: &str, more: &Value) -> Label {
        let mut label = json!({"label_id": id, "status": "completed", "shipment_id": "se-1"});
        for (name, value) in more.as_object().expect("fields") {
            label[name] = value.clone();
        }
        serde_json::from_value(label).expect("a label")
    }

    fn live(labels: Vec<Label>) -> Option<String> {
        let live = found(labels).expect("an answer").live();
        live.map(|label| label.id)
    }

    #[test]
    fn voided_labels_hide_none_that_is_live_whichever_comes_first() {
        let voided = || label("a", &json!({"status": "voided"}));
        let voided_too = || label("b", &json!({"voided": true}));
        let failed = || label("c", &json!({"status": "error"}));
        let good = || label("d", &json!({}));
        assert_eq!(live(vec![voided(), voided_too(), failed()]), None);
        assert!(matches!(found(vec![voided()]), Ok(Found::OnlyVoided)));
        assert!(matches!(found(vec![]), Ok(Found::Nothing)));
        let orders = [
            vec![good(), voided(), failed()],
            vec![voided(), voided_too(), good()],
        ];
        for labels in orders {
            assert_eq!(live(labels).as_deref(), Some("d"));
        }
    }

    #[test]
    fn of_several_that_are_live_the_first_counts_and_all_are_known() {
        let labels = || {
            vec![
                label("a", &json!({"status": "voided"})),
                label("b", &json!({})),
                label("c", &json!({})),
            ]
        };
        assert_eq!(live(labels()).as_deref(), Some("b"));
        let all = found(labels()).expect("an answer").all_live();
        let ids: Vec<_> = all.into_iter().map(|label| label.id).collect();
        assert_eq!(ids, ["b", "c"]);
    }

    #[test]
    fn while_one_is_being_made_nobody_can_tell() {
        let processing = label("a", &json!({"status": "processing"}));
        assert!(found(vec![processing]).is_err());
    }

    #[test]
    fn what_it_costs_is_what_the_carrier_wrote() {
        for (text, cost) in [
            (r#"{"currency": "usd", "amount": 7.85}"#, Some("7.85 USD")),
            (r#"{"currency": "usd", "amount": 0.1}"#, Some("0.10 USD")),
            (r#"{"currency": "eur", "amount": 12}"#, Some("12.00 EUR")),
            (r#"{"currency": "jpy", "amount": 900.0}"#, Some("900 JPY")),
            (r#"{"currency": "usd", "amount": 8.0750}"#, None),
            (r#"{"currency": "usd", "amount": -1}"#, None),
            (r#"{"currency": "gold", "amount": 1}"#, None),
        ] {
            let told: Value = serde_json::from_str(text).expect("a cost");
            let told = label("a", &json!({"shipment_cost": told})).cost();
            let told = told.map(|money| money.to_string());
            assert_eq!(told.as_deref(), cost, "{text}");
        }
    }
}
