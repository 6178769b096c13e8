//! What orders are found by.

use domain::OrderId;
use domain::ports::StoreError;
use operations::Projection;
use store::announcement::{SORT, row_key};
use store::error::classify;
use store::item::text;

use crate::{PAGE, ReadModels};

/// What an order is found by besides its id, whatever its capitals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reference {
    /// The order's own id, for whoever writes it without its capitals.
    Order,
    /// The shop's name for its customer.
    Customer,
    /// The payment provider's reference.
    Payment,
    /// The carrier's tracking number.
    Tracking,
}

impl Reference {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Order, Self::Customer, Self::Payment, Self::Tracking];

    /// The keys that a value may be under: without capitals, and as an earlier version wrote it.
    #[must_use]
    pub fn keys(value: &str) -> Vec<String> {
        let mut keys = vec![value.to_lowercase(), value.to_owned()];
        keys.dedup();
        keys
    }

    fn partition(self, value: &str) -> String {
        let kind = match self {
            // The partition `order#…` is the order's row.
            Self::Order => "id",
            Self::Customer => "customer",
            Self::Payment => "payment",
            Self::Tracking => "tracking",
        };
        format!("{kind}#{value}")
    }
}

/// Which references to read, and in which order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Referred {
    /// What kind.
    pub reference: Reference,
    /// One of [`Reference::keys`].
    pub key: String,
    /// The first that was received first, not the last.
    pub oldest_first: bool,
}

impl Referred {
    fn latest(reference: Reference, key: String) -> Self {
        Self {
            reference,
            key,
            oldest_first: false,
        }
    }
}

/// An order that was found by a reference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Which.
    pub order_id: OrderId,
    /// Where it is among those with the reference, by when it was received.
    pub place: String,
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
        let mut item = row_key(reference.partition(&value.to_lowercase()), name);
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
        let mut found = Vec::new();
        for key in Reference::keys(value) {
            let asked = Referred::latest(reference, key);
            found.extend(self.referred(&asked, None, PAGE).await?);
        }
        found.sort_by(|one, other| other.place.cmp(&one.place));
        found.dedup();
        found.truncate(PAGE);
        Ok(found.into_iter().map(|found| found.order_id).collect())
    }

    /// At most so many orders that are under a key, with one request. `after` is the place of the last one that
    /// is known.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn referred(
        &self,
        asked: &Referred,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Found>, StoreError> {
        let partition = asked.reference.partition(&asked.key);
        let start = after.map(|after| row_key(&partition, after));
        let found = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("pk = :reference")
            .expression_attribute_values(":reference", text(partition))
            .scan_index_forward(asked.oldest_first)
            .limit(i32::try_from(limit).unwrap_or(i32::MAX))
            .set_exclusive_start_key(start)
            .send()
            .await
            .map_err(|error| classify("Query", &error))?;
        let orders = found.items().iter().filter_map(|item| {
            let order_id = item.get("of")?.as_s().ok()?;
            let place = item.get(SORT)?.as_s().ok()?;
            Some(Found {
                order_id: order_id.parse().ok()?,
                place: place.clone(),
            })
        });
        Ok(orders.collect())
    }
}
