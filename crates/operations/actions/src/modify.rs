//! What an order may still have modified.

use domain::ports::Record;
use domain::{Changes, Event, OrderId, OrderState, PersonalData, Timestamp};

use crate::{Actions, Attribution, Refused, event};

/// The personal data with these changes in them, if they are possible for an order in `state`.
pub(crate) fn changed(
    record: &Record,
    state: &OrderState,
    changes: &Changes,
    now: Timestamp,
) -> Result<PersonalData, Refused> {
    let refuse = |why: &str| Refused::NotPossible(why.to_owned());
    let allowed = changes.allowed(state, now);
    allowed.map_err(refuse)?;
    let personal = record.personal.as_ref();
    let personal = personal.ok_or_else(|| refuse("the customer's data was erased"))?;
    // What is modified once an attempt is over is for the next one.
    let attempt = state.attempt + u32::from(state.stage.is_closed());
    Ok(changes.of(personal, attempt))
}

/// The state with which an attempt begins, and the personal data from then on if `changes` change them.
pub(crate) fn with(
    record: &Record,
    fresh: OrderState,
    changes: Option<&Changes>,
    now: Timestamp,
) -> Result<(OrderState, Option<PersonalData>), Refused> {
    let Some(changes) = changes else {
        return Ok((fresh, None));
    };
    let personal = changed(record, &fresh, changes, now)?;
    let fresh = OrderState {
        personal_revision: personal.revision,
        ..fresh
    };
    Ok((fresh, Some(personal)))
}

impl Actions {
    /// Changes where an order or its messages go, or how it is paid, for as long as that was not done. A step
    /// that has just read the old values begins again. Tells what came of it.
    ///
    /// # Errors
    /// If it is not possible (any more), or something does not answer.
    pub async fn modify(
        &self,
        order_id: &OrderId,
        changes: &Changes,
        who: Attribution<'_>,
    ) -> Result<String, Refused> {
        let (record, _) = self.inspect(order_id).await?;
        let personal = changed(&record, &record.state, changes, who.at)?;
        // The values are in the order's personal data alone: what is noted stays for good.
        let mut noted = event(Event::Modified, who);
        noted.reason = format!("{} ({})", noted.reason, changes.words());
        if !self.store.modify(&record.state, &personal, &noted).await? {
            let why = "the order has changed meanwhile: look again";
            return Err(Refused::NotPossible(why.to_owned()));
        }
        Ok(format!("changed: {}", changes.words()))
    }
}
