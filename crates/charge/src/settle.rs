//! What a person says has become of money that the provider does not give back.

use domain::ledger::{Reversal, Reverse};
use domain::ports::{
    GivenBack, Invocation, Orders, Payment, PaymentProvider, PaymentState, ProviderError,
};
use domain::{ErrorName, Money, OrderState, Settlement, StepError};
use serde_json::{Value, json};
use step::Settling;

use crate::{Charge, key, pending};

/// The outcome and what the provider refuses, or why what is claimed is not true.
type Checked = Result<Result<(Reversal, Option<String>), String>, ProviderError>;

impl<O: Orders, P: PaymentProvider> Charge<O, P> {
    /// What the provider says counts, and not the claim. Money that is held can always be let go: nobody settles it.
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
            let Some(payment) = self.to_reverse(by, &state).await? else {
                return Ok(Ok((Reversal::Nothing, None)));
            };
            match payment.state {
                PaymentState::Declined(_) => Ok(Ok((Reversal::Nothing, None))),
                PaymentState::Voided => Ok(Ok((Reversal::Voided, None))),
                PaymentState::Pending => Err(pending()),
                PaymentState::Held(amount) => Ok(Err(format!(
                    "{amount} is still held: redrive or restart the order, and it is let go"
                ))),
                PaymentState::Captured(amount) => match settlement {
                    Settlement::PaymentReturned => self.returned(&payment, amount).await,
                    Settlement::PaymentWrittenOff => {
                        self.written_off(&state, &payment, amount).await
                    }
                    Settlement::ShipmentCancelled | Settlement::ShipmentWrittenOff => Ok(Err(
                        "a shipment is not the payment provider's matter".to_owned(),
                    )),
                },
            }
        };
        let unavailable = ErrorName::PaymentUnavailable;
        let settled =
            step::settle::<Reverse, _, _>(&self.orders, by, event, unavailable, check).await?;
        let settled = match settled {
            Reversal::Nothing => "nothing was held or taken",
            Reversal::Voided => "the money is not held any more",
            Reversal::Refunded { .. } => "the money went back",
            Reversal::WrittenOff { .. } => "the payment is written off",
        };
        Ok(json!({"settled": settled}))
    }

    async fn returned(&self, payment: &Payment, captured: Money) -> Checked {
        let given = self.provider.given_back(&payment.reference, captured);
        Ok(match whole(given.await?, captured) {
            Ok(refunded) => Ok((refunded, None)),
            Err(given) => Err(format!(
                "{captured} was captured, and {given} of it has gone back so far"
            )),
        })
    }

    /// Asks for the money once more.
    async fn written_off(&self, state: &OrderState, payment: &Payment, captured: Money) -> Checked {
        let key = format!("{}-refund", key::<Reverse>(state));
        let refunded = self.provider.refund(&key, &payment.reference, captured);
        match refunded.await {
            Ok(refund) => {
                let amount = captured;
                Ok(Ok((Reversal::Refunded { refund, amount }, None)))
            }
            Err(ProviderError::Defect(said)) => {
                let given = self.provider.given_back(&payment.reference, captured);
                Ok(Ok(match whole(given.await?, captured) {
                    Ok(refunded) => (refunded, None),
                    Err(refunded) => {
                        let written_off = Reversal::WrittenOff { captured, refunded };
                        (written_off, Some(said))
                    }
                }))
            }
            Err(error) => Err(error),
        }
    }
}

/// The refund that made it whole; else how much has gone back.
fn whole(given: GivenBack, captured: Money) -> Result<Reversal, Money> {
    match given.last {
        Some(refund) if given.amount == captured => Ok(Reversal::Refunded {
            refund,
            amount: captured,
        }),
        Some(_) | None => Err(given.amount),
    }
}
