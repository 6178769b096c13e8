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

/// Where notices go. Each target has a list of its own, so that none waits for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// The operators' topic.
    Topic,
    /// The operators' webhook.
    Webhook,
}

impl Target {
    const ALL: [Self; 2] = [Self::Topic, Self::Webhook];

    /// Its name in logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Topic => "topic",
            Self::Webhook => "webhook",
        }
    }

    /// The attribute with the orders that it has not been told of.
    const fn waiting(self) -> &'static str {
        match self {
            Self::Topic => "waiting",
            Self::Webhook => "webhook_waiting",
        }
    }

    /// The attribute with when it was last told.
    const fn notified_at(self) -> &'static str {
        match self {
            Self::Topic => "notified_at",
            Self::Webhook => "webhook_notified_at",
        }
    }
}

/// A cause, and the orders that operators have not been notified of yet, by this way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// Where it goes.
    pub target: Target,
    /// What the orders have in common.
    pub cause: Cause,
    /// The orders.
    pub orders: Vec<OrderId>,
    /// When operators were last notified of this cause.
    pub notified_at: Option<Timestamp>,
}

impl Notice {
    /// `None` if nobody is to be notified of anything by this way, or if this version cannot read of what.
    fn read(item: &Item, target: Target) -> Option<Self> {
        let orders = waiting(item, target)?;
        let cause = item.get("cause").cloned();
        let cause = cause.map(serde_dynamo::from_attribute_value);
        let Some(Ok(cause)) = cause else {
            warn!("failed to read a notice: another version wrote it");
            return None;
        };
        Some(Self {
            target,
            cause,
            orders: orders.iter().filter_map(|id| id.parse().ok()).collect(),
            notified_at: moment(item, target.notified_at()),
        })
    }
}

fn waiting(item: &Item, target: Target) -> Option<&Vec<String>> {
    item.get(target.waiting())?.as_ss().ok()
}

impl ReadModels {
    /// Puts an order on the lists of those that operators are to be notified of because of this cause, by each
    /// of these ways.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn file(
        &self,
        cause: &Cause,
        order_id: &OrderId,
        targets: &[Target],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let lists = targets
            .iter()
            .map(|target| format!("{} :order", target.waiting()));
        let lists = lists.collect::<Vec<_>>().join(", ");
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(row_key(NOTICES, cause.id())))
            .update_expression(format!(
                "SET cause = :cause, first_at = if_not_exists(first_at, :now) ADD {lists}"
            ))
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
        let Some(row) = self.row(NOTICES, &before.id()).await? else {
            return Ok(());
        };
        for target in Target::ALL {
            let waits = waiting(&row, target)
                .is_some_and(|waiting| waiting.iter().any(|id| id == order_id.as_str()));
            if waits {
                self.file(cause, order_id, &[target], now).await?;
                let order = std::slice::from_ref(order_id);
                self.strike(target, before, order).await?;
            }
        }
        Ok(())
    }

    /// The causes of which operators are to be notified, each with its orders, and when they were last
    /// notified of it: one notice for each way by which they are.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn notices(&self) -> Result<Vec<Notice>, StoreError> {
        let rows = self.rows(NOTICES).await?;
        let notices = rows.iter().flat_map(|row| {
            let targets = Target::ALL.into_iter();
            targets.filter_map(|target| Notice::read(row, target))
        });
        Ok(notices.collect())
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
            .update_expression("SET #notified_at = :now")
            .expression_attribute_names("#notified_at", notice.target.notified_at())
            .expression_attribute_values(":now", millisecond(now));
        let update = match notice.notified_at {
            None => update.condition_expression("attribute_not_exists(#notified_at)"),
            Some(at) => update
                .condition_expression("#notified_at = :before")
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
            .set_key(Some(row_key(NOTICES, notice.cause.id())))
            .expression_attribute_names("#notified_at", notice.target.notified_at());
        let update = match notice.notified_at {
            None => update.update_expression("REMOVE #notified_at"),
            Some(at) => update
                .update_expression("SET #notified_at = :before")
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
        self.strike(notice.target, &notice.cause, &notice.orders)
            .await
    }

    async fn strike(
        &self,
        target: Target,
        cause: &Cause,
        orders: &[OrderId],
    ) -> Result<(), StoreError> {
        let orders = orders.iter().map(ToString::to_string).collect();
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(row_key(NOTICES, cause.id())))
            .update_expression("DELETE #waiting :orders")
            .expression_attribute_names("#waiting", target.waiting())
            .expression_attribute_values(":orders", AttributeValue::Ss(orders))
            .send()
            .await;
        update
            .map(drop)
            .map_err(|error| classify("UpdateItem", &error))
    }
}
