//! What is known of a label, kept beside the ledger.

use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use domain::ports::StoreError;
use domain::{Label, OrderId};

use crate::Store;
use crate::error::{classify, unreadable};
use crate::item::{self, Item};

/// What need not be known of a label.
const OPTIONAL: [&str; 2] = ["cost", "request"];

impl Store {
    /// One request, repeated safely: who only finds a label knows less of it than who bought it, and changes
    /// nothing.
    pub(crate) async fn keep_label(
        &self,
        order_id: &OrderId,
        attempt: u32,
        label: &Label,
    ) -> Result<(), StoreError> {
        let content: Item = serde_dynamo::to_item(label).map_err(|_| unreadable("a label"))?;
        let mut update = self
            .client
            .update_item()
            .table_name(&self.orders_table)
            .set_key(Some(item::label_key(order_id, attempt)))
            .condition_expression("attribute_not_exists(label_id) OR label_id <> :label_id");
        let (mut set, mut remove) = (Vec::new(), Vec::new());
        for name in OPTIONAL {
            if !content.contains_key(name) {
                // Of the label that was noted before, and is void.
                remove.push(format!("#{name}"));
                update = update.expression_attribute_names(format!("#{name}"), name);
            }
        }
        for (name, value) in content {
            set.push(format!("#{name} = :{name}"));
            update = update
                .expression_attribute_names(format!("#{name}"), &name)
                .expression_attribute_values(format!(":{name}"), value);
        }
        let mut change = vec![format!("SET {}", set.join(", "))];
        if !remove.is_empty() {
            change.push(format!("REMOVE {}", remove.join(", ")));
        }
        match update.update_expression(change.join(" ")).send().await {
            Ok(_) => Ok(()),
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(_)) => Ok(()),
                _ => Err(classify("UpdateItem", &error)),
            },
        }
    }
}
