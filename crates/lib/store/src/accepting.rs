//! Orders in, and new attempts at them.

use aws_sdk_dynamodb::types::{
    AttributeValue, CancellationReason, Put, ReturnValuesOnConditionCheckFailure,
    TransactWriteItem, Update,
};
use domain::ports::{Orders as _, Record, StoreError};
use domain::{Again, AuditEvent, OrderId, OrderState, PersonalData, Submission, Timestamp};

use crate::Store;
use crate::announcement::announcement;
use crate::error::{classify, unreadable};
use crate::item::{self, millisecond, number};
use crate::orders::{overtaken, state_of};

/// What became of a document at the door.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Accepted {
    /// It is stored now.
    New(OrderState),
    /// The same document was stored before.
    Same(OrderState),
    /// Another document was stored under this id.
    Different,
}

/// What became of beginning a new attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Begun {
    /// The order is at this attempt now.
    Yes(OrderState),
    /// It is not as it was when it was read; this is how it is.
    Changed(OrderState),
}

impl Store {
    /// Stores a new order and announces it, all of it or nothing. Nothing is changed if the id is taken by
    /// another document.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn accept(
        &self,
        submission: &Submission,
        now: Timestamp,
    ) -> Result<Accepted, StoreError> {
        let order = &submission.order;
        let state = OrderState::received(order, now);
        let items = [
            item::of_order(order, &submission.fingerprint)?,
            item::of_personal(&order.order_id, &submission.personal)?,
            item::of_state(&state)?,
        ];
        let announcement = announcement(&self.read_models_table, &state)?;
        let mut writes = vec![TransactWriteItem::builder().put(announcement).build()];
        for item in items {
            let put = Put::builder()
                .table_name(&self.orders_table)
                .set_item(Some(item))
                .condition_expression("attribute_not_exists(order_id)")
                .build()
                .map_err(|_| unreadable("a new order"))?;
            writes.push(TransactWriteItem::builder().put(put).build());
        }
        match self.transact(writes).await {
            Ok(Ok(())) => return Ok(Accepted::New(state)),
            // Somebody may have stored the same document a moment ago: the records tell.
            Ok(Err(_)) | Err(StoreError::Unavailable(_)) => {}
            Err(error) => return Err(error),
        }
        let Some(record) = self.load(&order.order_id).await? else {
            return Err(overtaken("the same order"));
        };
        if record.fingerprint == submission.fingerprint {
            Ok(Accepted::Same(record.state))
        } else {
            Ok(Accepted::Different)
        }
    }

    /// Puts on the order's timeline what somebody does about it.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn note(&self, order_id: &OrderId, event: &AuditEvent) -> Result<(), StoreError> {
        self.client
            .put_item()
            .table_name(&self.orders_table)
            .set_item(Some(item::of_audit(order_id, event)?))
            .send()
            .await
            .map(drop)
            .map_err(|error| classify("PutItem", &error))
    }

    /// Notes that what `event` says happened once more, right after itself.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn note_again(
        &self,
        order_id: &OrderId,
        event: &AuditEvent,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let times = event.again.map_or(2, |again| again.times.saturating_add(1));
        let again = Some(Again { times, last: now });
        let event = AuditEvent {
            again,
            ..event.clone()
        };
        // Its key is the first time's: the same item is written again.
        self.note(order_id, &event).await
    }

    /// Begins a new attempt at an order with the state `fresh`, from the record that was read; its personal
    /// data become `personal`, if that is given. What the last attempt has come to is kept beside it and never
    /// overwritten. `alongside` is written with it: how the new attempt is announced.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn begin_attempt(
        &self,
        record: &Record,
        fresh: OrderState,
        personal: Option<&PersonalData>,
        event: &AuditEvent,
        alongside: Vec<TransactWriteItem>,
    ) -> Result<Begun, StoreError> {
        let last = &record.state;
        let built = |_| unreadable("a new attempt");
        let state = Put::builder()
            .table_name(&self.orders_table)
            .set_item(Some(item::of_state(&fresh)?))
            .condition_expression("#version = :version")
            .expression_attribute_names("#version", "version")
            .expression_attribute_values(":version", number(last.version))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .build()
            .map_err(built)?;
        let archive = Put::builder()
            .table_name(&self.orders_table)
            .set_item(Some(item::of_attempt(last)?))
            .condition_expression("attribute_not_exists(order_id)")
            .build()
            .map_err(built)?;
        let noted = Put::builder()
            .table_name(&self.orders_table)
            .set_item(Some(item::of_audit(&last.order_id, event)?))
            .build()
            .map_err(built)?;
        let mut writes = vec![
            TransactWriteItem::builder().put(state).build(),
            TransactWriteItem::builder().put(archive).build(),
            TransactWriteItem::builder().put(noted).build(),
        ];
        if let Some(personal) = personal {
            writes.push(self.put_personal(&last.order_id, personal)?);
        }
        writes.extend(alongside);
        match self.transact(writes).await? {
            Ok(()) => Ok(Begun::Yes(fresh)),
            Err(reasons) => {
                let failed = |reason: &CancellationReason| reason.code() != Some("None");
                if !reasons.first().is_some_and(failed) {
                    // The order is as it was; what is written alongside has changed.
                    let text = "somebody else is writing about the order".to_owned();
                    return Err(StoreError::Unavailable(text));
                }
                match reasons.first().map(state_of).transpose()?.flatten() {
                    Some(now) => Ok(Begun::Changed(now)),
                    None => Err(StoreError::NotFound(last.order_id.clone())),
                }
            }
        }
    }

    /// Replaces an order's personal data, on the record that was read, together with who says so and why.
    /// `false` if the order has changed since.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn modify(
        &self,
        state: &OrderState,
        personal: &PersonalData,
        event: &AuditEvent,
    ) -> Result<bool, StoreError> {
        let revision = number(personal.revision);
        let mut writes = self.noted(state, "personal_revision", revision, event)?;
        writes.push(self.put_personal(&state.order_id, personal)?);
        Ok(self.transact(writes).await?.is_ok())
    }

    /// Not if they were erased: nobody brings them back.
    fn put_personal(
        &self,
        order_id: &OrderId,
        personal: &PersonalData,
    ) -> Result<TransactWriteItem, StoreError> {
        let put = Put::builder()
            .table_name(&self.orders_table)
            .set_item(Some(item::of_personal(order_id, personal)?))
            .condition_expression("attribute_exists(order_id)")
            .build()
            .map_err(|_| unreadable("personal data"))?;
        Ok(TransactWriteItem::builder().put(put).build())
    }

    /// Notes that the message to the customer is not to be sent any more, on the state that was read, together
    /// with who says so and why. `false` if it has changed since.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn waive_message(
        &self,
        state: &OrderState,
        event: &AuditEvent,
    ) -> Result<bool, StoreError> {
        let writes = self.noted(state, "waived_at", millisecond(event.at), event)?;
        Ok(self.transact(writes).await?.is_ok())
    }

    /// Sets an attribute of the state that was read, and notes why.
    fn noted(
        &self,
        state: &OrderState,
        attribute: &str,
        value: AttributeValue,
        event: &AuditEvent,
    ) -> Result<Vec<TransactWriteItem>, StoreError> {
        let built = |_| unreadable("a change of the state");
        let update = Update::builder()
            .table_name(&self.orders_table)
            .set_key(Some(item::key(&state.order_id, item::STATE)))
            .update_expression("SET #attribute = :value, #version = #version + :one")
            .condition_expression("#version = :version")
            .expression_attribute_names("#attribute", attribute)
            .expression_attribute_names("#version", "version")
            .expression_attribute_values(":value", value)
            .expression_attribute_values(":one", number(1))
            .expression_attribute_values(":version", number(state.version))
            .build()
            .map_err(built)?;
        let noted = Put::builder()
            .table_name(&self.orders_table)
            .set_item(Some(item::of_audit(&state.order_id, event)?))
            .build()
            .map_err(built)?;
        Ok(vec![
            TransactWriteItem::builder().update(update).build(),
            TransactWriteItem::builder().put(noted).build(),
        ])
    }
}
