//! What has become of what a provider does not undo.

use domain::{Event, OrderId, Settlement};
use operations::advice::Action;
use serde_json::json;

use crate::{Actions, Attribution, Refused, event, task};

/// What an order can be settled as, for whoever did not say it.
pub(crate) fn as_what() -> String {
    let all = Settlement::ALL.iter().map(|known| known.as_str());
    let all = all.collect::<Vec<_>>().join(", ");
    format!("say what it is settled as: {all}")
}

impl Actions {
    /// Has the deployed step ask its provider whether it is so, and put on record what that says, together with
    /// who says so and why. Tells what came of it. The order goes on once it is redriven or restarted.
    ///
    /// # Errors
    /// If it is not possible, the provider says otherwise, or something does not answer.
    pub async fn settle(
        &self,
        order_id: &OrderId,
        settlement: Settlement,
        who: Attribution<'_>,
    ) -> Result<String, Refused> {
        let (record, _) = self.check(Action::Settle, order_id, who).await?;
        let allowed = settlement.allowed(&record.state);
        allowed.map_err(|why| Refused::NotPossible(why.to_owned()))?;
        let step = if settlement.is_of_shipment() {
            "ship"
        } else {
            "charge"
        };
        let mut noted = event(Event::Settled, who);
        noted.reason = format!("{} ({settlement})", noted.reason);
        let mut task = task("settle", &record);
        // The step writes it with the outcome: neither is there without the other.
        task["settling"] = json!({"as": settlement, "event": noted});
        let answer = self.invoke(step, &task).await?;
        let answer = answer.map_err(|ended| ended.refused_as_impossible(step))?;
        let settled = answer["settled"].as_str().unwrap_or("it is settled");
        Ok(format!(
            "{settled}; redrive or restart the order, and its reversal goes on"
        ))
    }
}
