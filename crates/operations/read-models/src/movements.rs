//! Movements of money, by day, and the sums of each day. A movement is entered together with what it adds to its
//! day's sums, or not at all, so that a sum and the movements behind it cannot disagree.

use aws_sdk_dynamodb::types::{Put, TransactWriteItem, Update};
use domain::ports::StoreError;
use domain::{Currency, Money};
use operations::Movement;
use operations::figures::{Day, Days, Figures, Sum};
use operations::trend::{Counter, Flow};
use store::announcement::{SORT, row_key, shard};
use store::error::{classify, unreadable};
use store::item::{Item, millisecond, number, text};
use store::transaction::{condition_failed, transact};
use tracing::warn;

use crate::{ReadModels, expires, moment};

/// The sums of days, each in as many rows as there are shards: movements of one day do not wait for each other.
const SUMS: &str = "money";

/// Movements and sums are kept for thirteen months after their day.
const KEPT_S: i64 = 400 * 24 * 3600;

fn partition_of(day: Day) -> String {
    format!("{SUMS}#{day}")
}

fn place(movement: &Movement) -> String {
    let prefix = Behind::of(movement).prefix();
    let (order_id, attempt) = (&movement.order_id, movement.attempt);
    format!("{prefix}{order_id}#{attempt:05}")
}

/// Which movements of a day: those behind a number.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Behind {
    /// Those that moved this way; all of them, if none is given.
    pub flow: Option<Flow>,
    /// Of these, those of this currency. Of no consequence without a way.
    pub currency: Option<Currency>,
}

impl Behind {
    fn of(movement: &Movement) -> Self {
        Self {
            flow: Some(movement.flow),
            currency: Some(movement.amount.currency()),
        }
    }

    /// What the places of these movements begin with.
    fn prefix(self) -> String {
        match (self.flow, self.currency) {
            (Some(flow), Some(currency)) => format!("{flow}#{currency}#"),
            (Some(flow), None) => format!("{flow}#"),
            (None, _) => String::new(),
        }
    }
}

impl ReadModels {
    /// Enters a movement. Doing it again changes nothing: the first entry stands.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn enter(&self, movement: &Movement) -> Result<(), StoreError> {
        let writes = vec![self.entry_of(movement)?, self.added_by(movement)?];
        let entered = transact(&self.client, writes).await?;
        match entered {
            Ok(()) => Ok(()),
            Err(reasons) if reasons.first().is_some_and(condition_failed) => Ok(()),
            Err(_) => Err(StoreError::Defect("a movement is refused".to_owned())),
        }
    }

    fn entry_of(&self, movement: &Movement) -> Result<TransactWriteItem, StoreError> {
        let day = movement.day();
        let mut item = row_key(partition_of(day), place(movement));
        item.insert("amount".to_owned(), number(movement.amount.minor()));
        item.insert("moved_at".to_owned(), millisecond(movement.at));
        item.insert("expires_at".to_owned(), expires(day.begin(), KEPT_S));
        let put = Put::builder()
            .table_name(&self.table)
            .set_item(Some(item))
            .condition_expression("attribute_not_exists(pk)")
            .build()
            .map_err(|_| unreadable("a movement"))?;
        Ok(TransactWriteItem::builder().put(put).build())
    }

    fn added_by(&self, movement: &Movement) -> Result<TransactWriteItem, StoreError> {
        let (day, amount) = (movement.day(), movement.amount);
        let counter = Counter::Money(movement.flow, amount.currency()).to_string();
        let row = format!("{day}#{}", shard(&movement.order_id));
        let update = Update::builder()
            .table_name(&self.table)
            .set_key(Some(row_key(SUMS, row)))
            .update_expression("SET expires_at = :expires ADD #sum :amount, #movements :one")
            .expression_attribute_names("#movements", format!("{MOVEMENTS}{counter}"))
            .expression_attribute_names("#sum", counter)
            .expression_attribute_values(":amount", number(amount.minor()))
            .expression_attribute_values(":one", number(1))
            .expression_attribute_values(":expires", expires(day.begin(), KEPT_S))
            .build()
            .map_err(|_| unreadable("a day's sum"))?;
        Ok(TransactWriteItem::builder().update(update).build())
    }

    /// The money of these days: a request for each megabyte of their sums, of which a month in a few currencies
    /// has one.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn figures(&self, days: Days) -> Result<Figures, StoreError> {
        let rows = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("pk = :sums AND sk BETWEEN :from AND :to")
            .expression_attribute_values(":sums", text(SUMS))
            .expression_attribute_values(":from", text(format!("{}#", days.from)))
            .expression_attribute_values(":to", text(format!("{}#~", days.to)))
            .into_paginator()
            .items()
            .send()
            .collect::<Result<Vec<_>, _>>()
            .await
            .map_err(|error| classify("Query", &error))?;
        let mut figures = Figures::default();
        for row in &rows {
            if add(&mut figures, row).is_none() {
                warn!("failed to read the sums of a day: another version wrote them");
            }
        }
        Ok(figures)
    }

    /// At most so many movements of a day, with one request, by way, currency and order. `after` is the place of
    /// the last one that is known; with them comes the place of the last one, if there are more.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn movements(
        &self,
        day: Day,
        behind: Behind,
        after: Option<&str>,
        limit: usize,
    ) -> Result<(Vec<Movement>, Option<String>), StoreError> {
        let (partition, prefix) = (partition_of(day), behind.prefix());
        let start = after.map(|after| row_key(&partition, after));
        let query = self.client.query().table_name(&self.table);
        let query = if prefix.is_empty() {
            query.key_condition_expression("pk = :day")
        } else {
            query
                .key_condition_expression("pk = :day AND begins_with(sk, :prefix)")
                .expression_attribute_values(":prefix", text(prefix))
        };
        let found = query
            .expression_attribute_values(":day", text(partition))
            // One more, which tells whether there are more.
            .limit(i32::try_from(limit + 1).unwrap_or(i32::MAX))
            .set_exclusive_start_key(start)
            .send()
            .await
            .map_err(|error| classify("Query", &error))?;
        let more = found.last_evaluated_key.is_some() || found.items().len() > limit;
        let shown = found.items().iter().take(limit);
        let last = shown
            .clone()
            .next_back()
            .and_then(sort_of)
            .map(str::to_owned);
        let movements = shown.filter_map(|item| {
            let movement = read(item);
            if movement.is_none() {
                warn!("failed to read a movement: another version wrote it");
            }
            movement
        });
        Ok((movements.collect(), last.filter(|_| more)))
    }

    /// Whether a text may be the place of one of these movements.
    #[must_use]
    pub fn is_place(behind: Behind, text: &str) -> bool {
        text.starts_with(&behind.prefix()) && parts(text).is_some()
    }
}

/// How many movements a sum is of: under its name with this before it.
const MOVEMENTS: &str = "movements.";

fn sort_of(item: &Item) -> Option<&str> {
    let sort = item.get(SORT)?.as_s().ok()?;
    Some(sort)
}

fn parts(place: &str) -> Option<(Flow, Currency, domain::OrderId, u32)> {
    let mut parts = place.split('#');
    let parts = [parts.next()?, parts.next()?, parts.next()?, parts.next()?];
    let [flow, currency, order_id, attempt] = parts;
    Some((
        Flow::from_word(flow)?,
        currency.parse().ok()?,
        order_id.parse().ok()?,
        attempt.parse().ok()?,
    ))
}

fn read(item: &Item) -> Option<Movement> {
    let (flow, currency, order_id, attempt) = parts(sort_of(item)?)?;
    let minor = item.get("amount")?.as_n().ok()?.parse().ok()?;
    Some(Movement {
        flow,
        amount: Money::new(minor, currency).ok()?,
        order_id,
        attempt,
        at: moment(item, "moved_at")?,
    })
}

/// `None` if the row cannot be read. What another version sums besides is left out.
fn add(figures: &mut Figures, row: &Item) -> Option<()> {
    let (day, _) = sort_of(row)?.split_once('#')?;
    let day = day.parse().ok()?;
    for (name, value) in row {
        let Some(Counter::Money(flow, currency)) = Counter::from_name(name) else {
            continue;
        };
        let movements = row.get(&format!("{MOVEMENTS}{name}"))?;
        let sum = Sum {
            minor: value.as_n().ok()?.parse().ok()?,
            movements: movements.as_n().ok()?.parse().ok()?,
        };
        figures.add(day, flow, currency, sum);
    }
    Some(())
}
