//! What a provider refuses for good, and what a person settles then.

use aws_sdk_dynamodb::types::builders::UpdateBuilder;
use aws_sdk_dynamodb::types::{ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update};
use domain::ledger::{Claim, Effect, Entry};
use domain::ports::{Invocation, StoreError};
use domain::{AuditEvent, OrderId};

use crate::Store;
use crate::error::unreadable;
use crate::item::{self, millisecond, number, text, value};
use crate::orders::{overtaken, state_of};

impl Store {
    pub(crate) async fn note_refusal<E: Effect>(
        &self,
        by: &Invocation,
        said: &str,
    ) -> Result<(), StoreError> {
        let said: String = said.chars().take(Claim::MAX_REFUSED).collect();
        let update = self
            .update_state(&by.order_id)
            .update_expression(
                "SET #effect.#until = :now, #effect.#refused = :said, #version = #version + :one",
            )
            .condition_expression("#effect.#owner = :owner")
            .expression_attribute_names("#effect", E::NAME)
            .expression_attribute_names("#owner", "owner")
            .expression_attribute_names("#until", "until")
            .expression_attribute_names("#refused", "refused")
            .expression_attribute_values(":owner", text(&by.owner))
            .expression_attribute_values(":said", text(said))
            .expression_attribute_values(":now", millisecond(self.clock.now()));
        // If it is not ours any more, whoever has it by now hears the same.
        self.write_state(update).await.map(drop)
    }

    pub(crate) async fn commit_settled<E: Effect>(
        &self,
        by: &Invocation,
        outcome: E::Outcome,
        event: &AuditEvent,
    ) -> Result<(), StoreError> {
        let done = Entry::Done {
            outcome: outcome.clone(),
            at: self.clock.now(),
        };
        let update = self
            .update_of(item::key(&by.order_id, item::STATE))
            .update_expression("SET #effect = :done, #version = #version + :one")
            .condition_expression("#effect.#owner = :owner AND attribute_not_exists(closed_at)")
            .expression_attribute_names("#effect", E::NAME)
            .expression_attribute_names("#owner", "owner")
            .expression_attribute_names("#version", "version")
            .expression_attribute_values(":owner", text(&by.owner))
            .expression_attribute_values(":one", number(1))
            .expression_attribute_values(":done", value(done)?)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let writes = vec![write(update)?, write(self.audited(&by.order_id, event)?)?];
        let Err(reasons) = self.transact(writes).await? else {
            return Ok(());
        };
        match reasons.first().map(state_of).transpose()?.flatten() {
            None => Err(StoreError::NotFound(by.order_id.clone())),
            // The answer to the same write was lost.
            Some(old) if E::entry(&old).and_then(Entry::outcome) == Some(&outcome) => Ok(()),
            Some(_) => Err(overtaken(E::NAME)),
        }
    }

    /// An entry of the audit trail for those who have the right to update and none to put.
    fn audited(&self, order_id: &OrderId, event: &AuditEvent) -> Result<UpdateBuilder, StoreError> {
        let mut fields = item::of_audit(order_id, event)?;
        let mut update = Update::builder().table_name(&self.orders_table);
        for key in ["order_id", "item"] {
            let field = fields.remove(key);
            update = update.key(key, field.ok_or_else(|| unreadable("an audit event"))?);
        }
        let mut set = Vec::with_capacity(fields.len());
        for (field, value) in fields {
            set.push(format!("#{field} = :{field}"));
            update = update
                .expression_attribute_names(format!("#{field}"), &field)
                .expression_attribute_values(format!(":{field}"), value);
        }
        Ok(update.update_expression(format!("SET {}", set.join(", "))))
    }

    fn update_of(&self, key: item::Item) -> UpdateBuilder {
        Update::builder()
            .table_name(&self.orders_table)
            .set_key(Some(key))
    }
}

fn write(update: UpdateBuilder) -> Result<TransactWriteItem, StoreError> {
    let update = update.build().map_err(|_| unreadable("a settlement"))?;
    Ok(TransactWriteItem::builder().update(update).build())
}
