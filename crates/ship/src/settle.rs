//! What a person says has become of a shipment that the carrier does not cancel.

use domain::ledger::{Unbook, Unbooking};
use domain::ports::{Carrier, Catalogue, Invocation, Orders};
use domain::{ErrorName, OrderState, Settlement, StepError};
use serde_json::{Value, json};
use step::Settling;

use crate::Ship;

impl<O: Orders + Catalogue, C: Carrier> Ship<O, C> {
    /// The carrier is asked to void the label, whatever is claimed: of one that is void already it says so. What
    /// it says counts, and not the claim.
    pub(crate) async fn settle(
        &self,
        by: &Invocation,
        settling: &Settling,
    ) -> Result<Value, StepError> {
        let Settling { settlement, event } = settling;
        let check = async |state: OrderState| {
            if let Err(why) = settlement.allowed(&state) {
                return Ok(Err(why.to_owned()));
            }
            let labels = self.to_void(by, &state).await?;
            let refused = self.void(&labels).await?;
            Ok(match (refused, settlement) {
                (None, _) if labels.is_empty() => Ok((Unbooking::Nothing, None)),
                (None, _) => Ok((Unbooking::Cancelled, None)),
                (Some(unvoided), Settlement::ShipmentWrittenOff) => {
                    Ok((Unbooking::WrittenOff, Some(unvoided.code)))
                }
                (Some(unvoided), Settlement::ShipmentCancelled) => Err(format!(
                    "the label is not void, and the carrier does not void it ({})",
                    unvoided.code
                )),
                (Some(_), Settlement::PaymentReturned | Settlement::PaymentWrittenOff) => {
                    Err("a payment is not the carrier's matter".to_owned())
                }
            })
        };
        let unavailable = ErrorName::CarrierUnavailable;
        let settled =
            step::settle::<Unbook, _, _>(&self.orders, by, event, unavailable, check).await?;
        let settled = match settled {
            Unbooking::Nothing => "there was no shipment",
            Unbooking::Cancelled => "the label is void",
            Unbooking::WrittenOff => "the shipment is written off",
        };
        Ok(json!({"settled": settled}))
    }
}
