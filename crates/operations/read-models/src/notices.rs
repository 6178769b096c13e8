//! What operators are to be notified of, and when they last were.

use aws_sdk_dynamodb::types::AttributeValue;
use domain::ports::StoreError;
use domain::{OrderId, Timestamp};
use operations::Cause;
use store::announcement::row_key;
use store::error::classify;
use store::item::{Item, millisecond, value};
use tracing::warn;

use crate::{ReadModels, condition_failed, moment};

const NOTICES: &str = "notices";

/// A cause, and the orders that operators have not been notified of yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// What the orders have in common.
    pub cause: Cause,
    /// The orders.
    pub orders: Vec<OrderId>,
    /// When operators were last notified of this cause.
    pub notified_at: Option<Timestamp>,
}

impl Notice {
    /// `None` if nobody is to be notified of anything, or if this version cannot read of what.
    fn read(mut item: Item) -> Option<Self> {
        let waiting = item.get("waiting")?.as_ss().ok()?;
        let orders = waiting.iter().filter_map(|id| id.parse().ok()).collect();
        let notified_at = moment(&item, "notified_at");
        let cause = item.remove("cause").map(serde_dynamo::from_attribute_value);
        let Some(Ok(cause)) = cause else {
            warn!("failed to read a notice: another version wrote it");
            return None;
        };
        Some(Self {
            cause,
            orders,
            notified_at,
        })
    }
}

impl ReadModels {
    /// Puts an order on the list of those that operators are to be notified of because of this cause.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn file(
        &self,
        cause: &Cause,
        order_id: &OrderId,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(row_key(NOTICES, cause.id())))
            .update_expression(
                "SET cause = :cause, first_at = if_not_exists(first_at, :now) ADD waiting :order",
            )
            .expression_attribute_values(":cause", value(cause)?)
            .expression_attribute_values(":now", millisecond(now))
            .expression_attribute_values(":order", AttributeValue::Ss(vec![order_id.to_string()]))
            .send()
            .await;
        update
            .map(drop)
            .map_err(|error| classify("UpdateItem", &error))
    }

    /// The same for an order whose cause has changed, if operators were not notified of the one `before`. On
    /// the new list before it leaves the old one, and in no transaction: in an outage many orders of one cause
    /// are filed at once, and twice is better than never.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn refile(
        &self,
        before: &Cause,
        cause: &Cause,
        order_id: &OrderId,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let row = self.row(NOTICES, &before.id()).await?;
        let waiting = row
            .as_ref()
            .and_then(|row| row.get("waiting")?.as_ss().ok());
        if !waiting.is_some_and(|waiting| waiting.iter().any(|id| id == order_id.as_str())) {
            return Ok(());
        }
        self.file(cause, order_id, now).await?;
        self.strike(before, std::slice::from_ref(order_id)).await
    }

    /// The causes of which operators are to be notified, each with its orders, and when they were last
    /// notified of it.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn notices(&self) -> Result<Vec<Notice>, StoreError> {
        let rows = self.rows(NOTICES).await?;
        Ok(rows.into_iter().filter_map(Notice::read).collect())
    }

    /// Claims the next message about this cause, for whoever claims first: two sweeps may overlap. `false` if
    /// somebody else did, and notifies them. What is claimed and not sent after all is sent once the pause after
    /// a message is over.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn claim_notice(&self, notice: &Notice, now: Timestamp) -> Result<bool, StoreError> {
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(row_key(NOTICES, notice.cause.id())))
            .update_expression("SET notified_at = :now")
            .expression_attribute_values(":now", millisecond(now));
        let update = match notice.notified_at {
            None => update.condition_expression("attribute_not_exists(notified_at)"),
            Some(at) => update
                .condition_expression("notified_at = :before")
                .expression_attribute_values(":before", millisecond(at)),
        };
        match update.send().await {
            Ok(_) => Ok(true),
            Err(error) if condition_failed(&error) => Ok(false),
            Err(error) => Err(classify("UpdateItem", &error)),
        }
    }

    /// Takes back a claim under which nobody was notified.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn withdraw_notice(&self, notice: &Notice) -> Result<(), StoreError> {
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(row_key(NOTICES, notice.cause.id())));
        let update = match notice.notified_at {
            None => update.update_expression("REMOVE notified_at"),
            Some(at) => update
                .update_expression("SET notified_at = :before")
                .expression_attribute_values(":before", millisecond(at)),
        };
        update
            .send()
            .await
            .map(drop)
            .map_err(|error| classify("UpdateItem", &error))
    }

    /// Notes that operators were notified of these orders; others may have come since.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn notified(&self, notice: &Notice) -> Result<(), StoreError> {
        self.strike(&notice.cause, &notice.orders).await
    }

    async fn strike(&self, cause: &Cause, orders: &[OrderId]) -> Result<(), StoreError> {
        let orders = orders.iter().map(ToString::to_string).collect();
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(row_key(NOTICES, cause.id())))
            .update_expression("DELETE waiting :orders")
            .expression_attribute_values(":orders", AttributeValue::Ss(orders))
            .send()
            .await;
        update
            .map(drop)
            .map_err(|error| classify("UpdateItem", &error))
    }
}
