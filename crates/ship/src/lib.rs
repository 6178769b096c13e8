#![doc = include_str!("../README.md")]

mod books;
mod config;
mod settle;
mod shipstation;

use std::time::Duration;

pub use config::{Account, Config};
use domain::ledger::{Book, Booking, Claim, Entry, Unbook, Unbooking};
use domain::ports::{
    BookRequest, Booked, Carrier, Catalogue, Invocation, Orders, ProviderError, Voiding,
};
use domain::{
    Discrepancy, ErrorName, Failure, Label, Order, OrderState, Packing, Parcels, PersonalData,
    ShipmentStatus, StepError, Timestamp,
};
use serde::Deserialize;
use serde_json::{Value, json};
pub use shipstation::ShipStation;
use step::{Documents, FailureInput, Task, budget};
use store::Store;

/// What the longest action can take: a booking that is looked for (the shipment, then its labels), in whose way
/// another label is voided, whose shipment is there already (asked for, found, its labels looked for, brought up
/// to date), and whose label is refused and looked for once more; the catalogue is read before, and what is known of
/// the label noted. The undo, which notes the failure first, looks and cancels.
pub const WORST_CASE: Duration = budget::worst_case(7, 8).saturating_add(budget::BUYING_A_LABEL);

/// What the state machine may ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Book the shipment.
    Book,
    /// The undo, and the first of the undos: it also notes why.
    Cancel,
    /// Ask what became of either, if nobody knows. Not the state machine's: the monitor and operators do,
    /// once no execution is at work.
    Resolve,
    /// Compare the ledger with what the carrier says. Reads and tells, no more.
    Compare,
    /// Where the label's document is for the moment. Reads and tells, no more: operators print it.
    Document,
    /// Put on record what a person says has become of a shipment that the carrier does not cancel, once the
    /// carrier was asked. Operators do, once no execution is at work.
    Settle,
}

impl Action {
    /// Whether the answer is for whoever asks alone: who has a document's address reads the customer's.
    #[must_use]
    pub fn is_in_confidence(&self) -> bool {
        match self {
            Self::Document => true,
            Self::Book | Self::Cancel | Self::Resolve | Self::Compare | Self::Settle => false,
        }
    }
}

/// The step.
#[derive(Debug)]
pub struct Ship<O, C> {
    orders: O,
    carrier: C,
    packing: Packing,
    settled_after: Duration,
}

/// After this long a label that the carrier does not know was never bought: a request that was
/// given up on its way may still be at work there for a while. Longer than it may take to buy one.
const SETTLED_AFTER: Duration = Duration::from_mins(2);

impl Ship<Store, ShipStation> {
    /// Connects to what `config` names.
    ///
    /// # Errors
    /// If no HTTP client can be built.
    pub async fn connect(config: Config) -> Result<Self, step::InitError> {
        let aws = step::aws_config().await;
        let store = Store::new(&aws, config.orders_table, config.stock_table);
        let secret = provider::Secret::new(&aws, &config.carrier_secret_arn);
        let (url, environment) = (&config.carrier_api_url, &config.environment);
        let carrier = ShipStation::new(url, secret, config.account, environment);
        store.warm_up().await;
        let carrier = carrier.map_err(step::InitError::new)?;
        let ship = Self::new(store, carrier, config.packing);
        Ok(ship.settled_after(config.settled_after))
    }
}

impl<O: Orders + Catalogue, C: Carrier> Ship<O, C> {
    /// The step on these ports.
    pub fn new(orders: O, carrier: C, packing: Packing) -> Self {
        Self {
            orders,
            carrier,
            packing,
            settled_after: SETTLED_AFTER,
        }
    }

    /// The same step with another patience before the undo believes that nothing was booked.
    #[must_use]
    pub fn settled_after(self, settled_after: Duration) -> Self {
        Self {
            settled_after,
            ..self
        }
    }

    /// Does what the state machine asks for.
    ///
    /// # Errors
    /// The catalogue's.
    pub async fn handle(&self, task: Task<Action>) -> Result<Value, StepError> {
        match task.action {
            Action::Book => self.book(&task.by).await,
            Action::Cancel => self.cancel(&task.by, task.failure.as_ref()).await,
            Action::Resolve => self.resolve(&task.by).await,
            Action::Compare => self.compare(&task.by).await,
            Action::Document => self.document(&task.by).await,
            Action::Settle => self.settle(&task.by, task.settling()?).await,
        }
    }

    /// Whether a label that the carrier does not know was never bought: whoever may have asked for one is
    /// gone for long enough. A time that nobody knows is not over.
    fn settled(&self, tried_until: Option<Timestamp>, now: Timestamp) -> Result<(), ProviderError> {
        if tried_until.is_some_and(|until| until + self.settled_after <= now) {
            return Ok(());
        }
        let text = "a label that the carrier does not know yet may exist".to_owned();
        Err(ProviderError::Unavailable(text))
    }

    async fn book(&self, by: &Invocation) -> Result<Value, StepError> {
        let prepare = async {
            let documents = step::documents(&self.orders, &by.order_id).await?;
            let (order, personal, state) = &documents;
            money_is_held(state, by.now)?;
            let parcels = self.parcels(order, personal).await?;
            // What cannot be packed ends the try before anything is asked of the carrier, unless an earlier one
            // may have bought the label.
            if !may_be_booked(state, by)
                && let Err(unpacked) = parcels
            {
                return Err(unpacked);
            }
            Ok((documents, parcels))
        };
        let act =
            async |((order, personal, _), parcels): (Documents, Result<Parcels, StepError>),
                   state: OrderState,
                   unknown_since: Option<Timestamp>| {
                let reference = reference(&state);
                if unknown_since.is_some() {
                    if let Some(label) = self.carrier.find(&reference).await? {
                        return Ok(self.noted(&state, label).await);
                    }
                    // Neither bought again nor called refused.
                    self.settled(tried_until(&state), by.now)?;
                }
                step::still_true(&personal, &state)?;
                let parcels =
                    parcels.map_err(|error| ProviderError::Defect(error.message().to_owned()))?;
                // There is never more than one that can be used. One that the carrier does not void may be on its
                // way: then it is what is shipped.
                if let Some(label) = state.label_to_void()
                    && let Voiding::Refused { .. } = self.carrier.cancel(label).await?
                    && let Some(replaced) = state.to_replace()
                {
                    return Ok(replaced.booking.clone());
                }
                let request = BookRequest {
                    order: &order,
                    personal: &personal,
                    parcels: &parcels,
                    reference: &reference,
                };
                match self.carrier.book(request).await? {
                    Booked::Label(label) => Ok(self.noted(&state, label).await),
                    Booked::Refused { code } => Ok(Booking::Refused { code }),
                }
            };
        let unavailable = ErrorName::CarrierUnavailable;
        match step::once::<Book, _, _, _, _>(&self.orders, by, unavailable, prepare, act).await? {
            Booking::Booked {
                label, tracking, ..
            } => Ok(json!({"label_id": label, "tracking_number": tracking})),
            Booking::Refused { code } => Err(StepError::new(
                ErrorName::ShipmentRejected,
                format!("the carrier refuses the shipment: {code}"),
            )),
        }
    }

    /// What is shipped, by what the catalogue says now; inside, why it cannot be.
    async fn parcels(
        &self,
        order: &Order,
        personal: &PersonalData,
    ) -> Result<Result<Parcels, StepError>, StepError> {
        let goods = self.orders.goods(&order.lines).await;
        let goods = goods.map_err(|error| step::store_error(&error))?;
        let country = &personal.shipping_address.country;
        let packed = Parcels::pack(order, country, &goods, &self.packing);
        // Validation refuses such an order: its articles, its address or the settings are others since.
        Ok(packed.map_err(|problems| {
            let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
            StepError::new(ErrorName::Internal, problems.join("; "))
        }))
    }

    /// What the ledger keeps of a label, once the rest is kept beside it. A label that could not be noted is
    /// bought all the same: [`Self::compare`] notes it later.
    async fn noted(&self, state: &OrderState, label: Label) -> Booking {
        let attempt = state.shipment_attempt();
        let noted = self
            .orders
            .note_label(&state.order_id, attempt, &label)
            .await;
        if let Err(error) = noted {
            tracing::warn!(label_id = label.id, %error, "what the label costs is not noted");
        }
        label.booking()
    }

    /// Finds out what became of an effect whose outcome nobody knows. Never books; a cancellation that was
    /// begun is carried through, which asks first by itself.
    async fn resolve(&self, by: &Invocation) -> Result<Value, StepError> {
        let state = step::record(&self.orders, &by.order_id).await?.state;
        if let Some(failure) = &state.failure {
            if !matches!(state.unbook, Some(Entry::Open(_))) {
                return Ok(json!({"resolved": false}));
            }
            let failure = FailureInput {
                error: failure.error.as_str().to_owned(),
                cause: failure.message.clone(),
            };
            self.cancel(by, Some(&failure)).await?;
            return Ok(json!({"resolved": true}));
        }
        let booked = async |state: &OrderState, claim: &Claim| {
            let Some(label) = self.carrier.find(&reference(state)).await? else {
                self.settled(Some(claim.until), by.now)?;
                return Ok(None);
            };
            Ok(Some(self.noted(state, label).await))
        };
        let unavailable = ErrorName::CarrierUnavailable;
        let resolved =
            step::find_out::<Book, _, _>(&self.orders, by, &state, unavailable, booked).await?;
        Ok(json!({"resolved": resolved}))
    }

    /// Whether the carrier sees the shipment as the ledger does. What nobody knows yet is not compared. Changes
    /// nothing but what is kept beside the ledger: a label of which that is missing is noted.
    async fn compare(&self, by: &Invocation) -> Result<Value, StepError> {
        let record = step::record(&self.orders, &by.order_id).await?;
        let state = &record.state;
        let Some(Booking::Booked { label, .. }) = state.book.as_ref().and_then(Entry::outcome)
        else {
            return Ok(json!({"differs": null}));
        };
        let ledger = match &state.unbook {
            Some(Entry::Open(_)) => return Ok(json!({"differs": null})),
            Some(Entry::Done {
                outcome: Unbooking::Cancelled | Unbooking::Nothing,
                ..
            }) => ShipmentStatus::Cancelled,
            // It stands there, and a person knows.
            Some(Entry::Done {
                outcome: Unbooking::WrittenOff,
                ..
            }) => return Ok(json!({"differs": null})),
            None => ShipmentStatus::Booked,
        };
        step::time_left(by)?;
        let found = self.carrier.find_all(&reference(state)).await;
        let found = found
            .map_err(|error| StepError::new(ErrorName::CarrierUnavailable, error.to_string()))?;
        let differs = compared(ledger, label, &found);
        if differs.is_some() && !step::unchanged(&self.orders, state).await? {
            return Ok(json!({"differs": null}));
        }
        if let (None, Some(found)) = (&differs, found.into_iter().next())
            && record.labels.iter().all(|noted| noted.id != found.id)
        {
            self.noted(state, found).await;
        }
        Ok(json!({"differs": differs}))
    }

    /// Where the document of the order's label is. `null` if it has none that can be used, or the personal data that
    /// are on it were erased here.
    async fn document(&self, by: &Invocation) -> Result<Value, StepError> {
        let record = step::record(&self.orders, &by.order_id).await?;
        if record.personal.is_none() {
            return Ok(json!({"document": null}));
        }
        let state = record.state;
        let booked = state.book.as_ref().and_then(Entry::outcome);
        let Some(Booking::Booked { label, .. }) = booked else {
            return Ok(json!({"document": null}));
        };
        step::time_left(by)?;
        let document = self.carrier.document(label).await;
        let document = document
            .map_err(|error| step::provider_error(&error, ErrorName::CarrierUnavailable))?;
        Ok(json!({"document": document}))
    }

    /// The labels that there are, or may be, of an order that is being reversed.
    async fn to_void(
        &self,
        by: &Invocation,
        state: &OrderState,
    ) -> Result<Vec<String>, ProviderError> {
        let label = match &state.book {
            None => None,
            Some(Entry::Done {
                outcome: Booking::Refused { .. },
                ..
            }) => None,
            Some(Entry::Done {
                outcome: Booking::Booked { label, .. },
                ..
            }) => Some(label.clone()),
            // Whoever may be at work on it is waited for.
            Some(Entry::Open(claim)) if claim.until > by.now => {
                let text = "an earlier invocation may still be at work".to_owned();
                return Err(ProviderError::Unavailable(text));
            }
            Some(Entry::Open(claim)) => {
                let found = self.carrier.find(&reference(state)).await?;
                if found.is_none() {
                    self.settled(Some(claim.until), by.now)?;
                }
                found.map(|label| label.id)
            }
        };
        let replaced = state.label_to_void().map(str::to_owned);
        Ok(label.into_iter().chain(replaced).collect())
    }

    /// Has the carrier void all of these labels. Why it does not, if it does not; a reason that may pass goes
    /// before one that is for good.
    async fn void(&self, labels: &[String]) -> Result<Option<Unvoided>, ProviderError> {
        let mut unvoided = None;
        for label in labels {
            if let Voiding::Refused { code, for_good } = self.carrier.cancel(label).await?
                && (unvoided.is_none() || !for_good)
            {
                unvoided = Some(Unvoided { code, for_good });
            }
        }
        Ok(unvoided)
    }

    /// Undo of [`Self::book`], and the first step of the failure branch: from here on no forward
    /// step acts any more. MUST be safe when nothing was booked or when nobody knows, and MUST NOT
    /// fail for good.
    async fn cancel(
        &self,
        by: &Invocation,
        failure: Option<&FailureInput>,
    ) -> Result<Value, StepError> {
        let failure = failure.ok_or_else(|| {
            let reason = "the task does not say why the order is to be reversed".to_owned();
            StepError::new(ErrorName::InvalidInput, reason)
        })?;
        let (error, message) = failure.read();
        let failure = Failure::new(error, &message, by.now);
        step::time_left(by)?;
        let claimed = self.orders.begin_reversal(by, failure).await;
        let act = async |(), state: OrderState, _: Option<Timestamp>| {
            let labels = self.to_void(by, &state).await?;
            match self.void(&labels).await? {
                None if labels.is_empty() => Ok(Unbooking::Nothing),
                None => Ok(Unbooking::Cancelled),
                Some(Unvoided {
                    code,
                    for_good: true,
                }) => {
                    let noted = self.orders.refuse::<Unbook>(by, &code).await;
                    noted.map_err(|error| ProviderError::Unknown(error.to_string()))?;
                    let text = format!("the carrier does not void the label ({code}): settle it");
                    Err(ProviderError::Defect(text))
                }
                // A person has to talk to the carrier; the task is tried again until one has.
                Some(Unvoided {
                    code,
                    for_good: false,
                }) => {
                    let text = format!("the carrier does not void the label ({code})");
                    Err(ProviderError::Unavailable(text))
                }
            }
        };
        let unavailable = ErrorName::CarrierUnavailable;
        let orders = &self.orders;
        let undone =
            step::perform::<Unbook, _, _, _>(orders, by, unavailable, claimed, Ok(()), act).await?;
        Ok(json!({"cancelled": undone == Unbooking::Cancelled}))
    }
}

/// What the carrier says otherwise: `live` are the labels of the shipment that can be used, `label` is the ledger's.
/// One of ours that can be used is what is shipped, whatever there is besides.
fn compared(ledger: ShipmentStatus, label: &str, live: &[Label]) -> Option<Discrepancy> {
    let (ours, others): (Vec<&Label>, Vec<&Label>) = live.iter().partition(|one| one.id == label);
    let (is_live, other) = (
        !ours.is_empty(),
        others.first().map(|other| other.id.clone()),
    );
    let label = label.to_owned();
    match (ledger, is_live, other) {
        (ShipmentStatus::Booked, true, None) | (ShipmentStatus::Cancelled, false, None) => None,
        (ShipmentStatus::Booked, true, Some(provider)) => Some(Discrepancy::ExtraLabel {
            ledger: label,
            provider,
        }),
        (ShipmentStatus::Booked, false, Some(provider)) => Some(Discrepancy::Label {
            ledger: label,
            provider,
        }),
        (ledger, is_live, other) => Some(Discrepancy::Shipment {
            ledger,
            provider: if is_live || other.is_some() {
                ShipmentStatus::Booked
            } else {
                ShipmentStatus::Cancelled
            },
        }),
    }
}

/// Why a label is not void: the carrier's code, and whether it never will be.
struct Unvoided {
    code: String,
    for_good: bool,
}

/// Until when somebody may have been at work on booking before this invocation.
fn tried_until(state: &OrderState) -> Option<Timestamp> {
    match &state.book {
        Some(Entry::Open(claim)) => claim.tried_until,
        Some(Entry::Done { .. }) | None => None,
    }
}

/// Whether somebody before this invocation may have bought a label, or has.
fn may_be_booked(state: &OrderState, by: &Invocation) -> bool {
    match &state.book {
        None => false,
        Some(Entry::Open(claim)) => claim.owner != by.owner || claim.tried_until.is_some(),
        Some(Entry::Done { .. }) => true,
    }
}

/// Under which the carrier knows the shipment of an order.
fn reference(state: &OrderState) -> String {
    format!("{}-{}", state.order_id, state.shipment_attempt())
}

/// Goods leave only for money that is held. A hold that may lapse before the capture is let go by
/// the failure branch.
fn money_is_held(state: &OrderState, now: Timestamp) -> Result<(), StepError> {
    match state.hold_trusted_until() {
        Some(until) if until <= now => Err(StepError::new(
            ErrorName::Internal,
            format!(
                "the payment's authorisation is about to lapse; it was relied on until {until}"
            ),
        )),
        Some(_) | None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn live(ids: &[&str]) -> Vec<Label> {
        let label = |id: &&str| Label {
            id: (*id).to_owned(),
            carrier: "usps".to_owned(),
            tracking: String::new(),
            cost: None,
            request: None,
            parcels: Vec::new(),
        };
        ids.iter().map(label).collect()
    }

    #[test]
    fn an_extra_label_is_never_taken_for_ours_whichever_is_listed_first() {
        let (ledger, provider) = ("ours".to_owned(), "extra".to_owned());
        let extra = Discrepancy::ExtraLabel { ledger, provider };
        for ids in [["ours", "extra"], ["extra", "ours"]] {
            let told = compared(ShipmentStatus::Booked, "ours", &live(&ids));
            assert_eq!(told.as_ref(), Some(&extra), "{ids:?}");
        }
        let (ledger, provider) = ("ours".to_owned(), "extra".to_owned());
        let another = Discrepancy::Label { ledger, provider };
        let told = compared(ShipmentStatus::Booked, "ours", &live(&["extra"]));
        assert_eq!(told, Some(another));
        assert_eq!(
            compared(ShipmentStatus::Booked, "ours", &live(&["ours"])),
            None
        );
    }
}
