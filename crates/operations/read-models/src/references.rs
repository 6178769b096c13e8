//! What orders are found by.

use domain::OrderId;
use domain::ports::StoreError;
use operations::Projection;
use store::announcement::row_key;
use store::error::classify;
use store::item::text;

use crate::{PAGE, ReadModels};

/// What an order is found by besides its id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reference {
    /// The shop's name for its customer.
    Customer,
    /// The payment provider's reference.
    Payment,
    /// The carrier's tracking number.
    Tracking,
}

impl Reference {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Customer, Self::Payment, Self::Tracking];

    fn partition(self, value: &str) -> String {
        let kind = match self {
            Self::Customer => "customer",
            Self::Payment => "payment",
            Self::Tracking => "tracking",
        };
        format!("{kind}#{value}")
    }
}

impl ReadModels {
    /// Has an order found by a reference. Doing it again changes nothing.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn remember(
        &self,
        reference: Reference,
        value: &str,
        projection: &Projection,
    ) -> Result<(), StoreError> {
        // The latest first, when read backwards.
        let at = projection.received_at.as_millisecond();
        let name = format!("{at:015}#{}", projection.order_id);
        let mut item = row_key(reference.partition(value), name);
        item.insert("of".to_owned(), text(projection.order_id.as_str()));
        self.put(item).await
    }

    /// The latest orders with this reference, at most a page.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn find(
        &self,
        reference: Reference,
        value: &str,
    ) -> Result<Vec<OrderId>, StoreError> {
        let found = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("pk = :reference")
            .expression_attribute_values(":reference", text(reference.partition(value)))
            .scan_index_forward(false)
            .limit(i32::try_from(PAGE).unwrap_or(i32::MAX))
            .send()
            .await
            .map_err(|error| classify("Query", &error))?;
        let orders = found.items().iter().filter_map(|item| {
            let order_id = item.get("of")?.as_s().ok()?;
            order_id.parse().ok()
        });
        Ok(orders.collect())
    }
}
