//! Counters of the last hours and days.

use std::collections::BTreeMap;

use domain::Timestamp;
use domain::ports::StoreError;
use operations::trend::{self, Counted, Counter, Increment};
use store::announcement::{SORT, row_key};
use store::error::classify;
use store::item::{Item, number, text};

use crate::{ReadModels, expires};

const TREND: &str = "trend";

/// Counters are kept for so long.
const KEPT_S: i64 = 32 * 24 * 3600;

impl ReadModels {
    /// Adds to the counters of the span that is now; money to those of the day as well.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn count(&self, increments: &[Increment], now: Timestamp) -> Result<(), StoreError> {
        let mut sums: BTreeMap<Counter, u64> = BTreeMap::new();
        for Increment { counter, by } in increments {
            *sums.entry(*counter).or_default() += by;
        }
        self.add(&span_name(trend::span_of(now)), &sums, now)
            .await?;
        sums.retain(|counter, _| matches!(counter, Counter::Money(..)));
        self.add(&day_name(now), &sums, now).await
    }

    async fn add(
        &self,
        name: &str,
        sums: &BTreeMap<Counter, u64>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        if sums.is_empty() {
            return Ok(());
        }
        let mut update = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(row_key(TREND, name)))
            .expression_attribute_values(":expires", expires(now, KEPT_S));
        let mut parts = Vec::with_capacity(sums.len());
        for (number_of, (counter, value)) in sums.iter().enumerate() {
            parts.push(format!("#c{number_of} :c{number_of}"));
            update = update
                .expression_attribute_names(format!("#c{number_of}"), counter.to_string())
                .expression_attribute_values(format!(":c{number_of}"), number(*value));
        }
        let expression = format!("SET expires_at = :expires ADD {}", parts.join(", "));
        update
            .update_expression(expression)
            .send()
            .await
            .map(drop)
            .map_err(|error| classify("UpdateItem", &error))
    }

    /// The counters of the spans that began since then, the oldest first.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn counted_since(&self, since: Timestamp) -> Result<Vec<Counted>, StoreError> {
        let found = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("pk = :trend AND sk BETWEEN :since AND :end")
            .expression_attribute_values(":trend", text(TREND))
            .expression_attribute_values(":since", text(span_name(trend::span_of(since))))
            .expression_attribute_values(":end", text("span#~"))
            .send()
            .await
            .map_err(|error| classify("Query", &error))?;
        Ok(found.items().iter().filter_map(counted).collect())
    }

    /// The money of the day of `now`, in UTC.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn counted_today(&self, now: Timestamp) -> Result<Counted, StoreError> {
        let item = self.row(TREND, &day_name(now)).await?;
        Ok(item.as_ref().and_then(counted).unwrap_or_default())
    }
}

fn span_name(from: Timestamp) -> String {
    format!("span#{:012}", from.as_second())
}

fn day_name(at: Timestamp) -> String {
    format!("day#{:012}", trend::day_of(at).as_second())
}

fn counted(item: &Item) -> Option<Counted> {
    let (_, from) = item.get(SORT)?.as_s().ok()?.split_once('#')?;
    let from = Timestamp::from_second(from.parse().ok()?).ok()?;
    let values = item.iter().filter_map(|(name, value)| {
        let counter = Counter::from_name(name)?;
        Some((counter, value.as_n().ok()?.parse().ok()?))
    });
    Some(Counted {
        from,
        values: values.collect(),
    })
}
