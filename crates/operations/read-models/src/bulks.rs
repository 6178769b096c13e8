//! Actions on many orders.

use std::collections::{BTreeMap, BTreeSet};

use domain::Timestamp;
use domain::ports::StoreError;
use operations::bulk::Bulk;
use store::announcement::{SORT, row_key};
use store::error::{classify, unreadable};
use store::item::{number, text};

use crate::{PAGE, ReadModels, expires};

/// What was applied, by time, so that the latest are found without reading the others.
const APPLIED: &str = "bulks";
/// What is at work, so that it is found without reading the others.
const AT_WORK: &str = "bulks-at-work";
/// A preview that nobody applies is kept for so long.
const PREVIEW_S: i64 = 3600;
/// What was applied is kept for so long; what was done to each order is on the order for good.
const APPLIED_S: i64 = 90 * 24 * 3600;

const BULK: &str = "bulk";

fn partition_of(digest: &str) -> String {
    format!("bulk#{digest}")
}

fn by_time(at: Timestamp, digest: &str) -> String {
    format!("{:015}#{digest}", at.as_millisecond())
}

fn digest_of(name: &str) -> Option<&str> {
    name.split_once('#').map(|(_, digest)| digest)
}

impl ReadModels {
    /// Keeps a bulk that follows the one that was read. `false` if somebody else wrote it meanwhile.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn put_bulk(&self, bulk: &Bulk, now: Timestamp) -> Result<bool, StoreError> {
        // Found by what carries it out before it is to be carried out.
        if let Some(applied) = bulk.applied.as_ref().filter(|_| bulk.is_at_work()) {
            let mut row = row_key(APPLIED, by_time(applied.at, &bulk.digest));
            row.insert("expires_at".to_owned(), expires(now, APPLIED_S));
            self.put(row).await?;
            self.put(row_key(AT_WORK, &bulk.digest)).await?;
        }
        let kept_s = if bulk.applied.is_some() {
            APPLIED_S
        } else {
            PREVIEW_S
        };
        let content = serde_dynamo::to_attribute_value(bulk).map_err(|_| unreadable("a bulk"))?;
        let mut item = row_key(partition_of(&bulk.digest), BULK);
        item.insert("bulk".to_owned(), content);
        item.insert("revision".to_owned(), number(bulk.revision));
        item.insert("expires_at".to_owned(), expires(now, kept_s));
        self.put_following(item, bulk.revision).await
    }

    /// A bulk by its digest.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn bulk(&self, digest: &str) -> Result<Option<Bulk>, StoreError> {
        let Some(mut item) = self.row(&partition_of(digest), BULK).await? else {
            return Ok(None);
        };
        let content = item.remove("bulk").ok_or_else(|| unreadable("a bulk"))?;
        let bulk = serde_dynamo::from_attribute_value(content);
        bulk.map(Some).map_err(|_| unreadable("a bulk"))
    }

    /// The bulks that were applied last, the latest first, at most a page. One that another version wrote and
    /// this one cannot read is left out.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn latest_bulks(&self) -> Result<Vec<Bulk>, StoreError> {
        let found = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("pk = :applied")
            .expression_attribute_values(":applied", text(APPLIED))
            .scan_index_forward(false)
            .limit(i32::try_from(PAGE).unwrap_or(i32::MAX))
            .send()
            .await
            .map_err(|error| classify("Query", &error))?;
        let names: Vec<&str> = found
            .items()
            .iter()
            .filter_map(|item| Some(item.get(SORT)?.as_s().ok()?.as_str()))
            .collect();
        let digests: BTreeSet<&str> = names.iter().filter_map(|name| digest_of(name)).collect();
        let keys = digests
            .into_iter()
            .map(|digest| row_key(partition_of(digest), BULK));
        let rows = self.batch(keys.collect()).await?.into_iter();
        let bulks = rows.filter_map(|mut row| {
            let bulk: Bulk = serde_dynamo::from_attribute_value(row.remove("bulk")?).ok()?;
            // Of two people who applied it at the same moment, one did.
            let name = by_time(bulk.applied.as_ref()?.at, &bulk.digest);
            names.contains(&name.as_str()).then_some((name, bulk))
        });
        let bulks: BTreeMap<String, Bulk> = bulks.collect();
        Ok(bulks.into_values().rev().collect())
    }

    /// The bulks that are at work: few, for each is read.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn bulks_at_work(&self) -> Result<Vec<Bulk>, StoreError> {
        let mut at_work = Vec::new();
        for digest in self.digests_at_work().await? {
            let bulk = self.bulk(&digest).await?;
            at_work.extend(bulk.filter(Bulk::is_at_work));
        }
        Ok(at_work)
    }

    /// The digests of the bulks that are at work, and of some that are not yet or were until a moment ago.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn digests_at_work(&self) -> Result<Vec<String>, StoreError> {
        let rows = self.rows(AT_WORK).await?;
        let digests = rows.iter().filter_map(|item| {
            let over = item.get("over").is_some();
            let digest = item.get(SORT)?.as_s().ok()?.clone();
            (!over).then_some(digest)
        });
        Ok(digests.collect())
    }

    /// A bulk is not at work any more.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn bulk_is_over(&self, digest: &str, now: Timestamp) -> Result<(), StoreError> {
        let mut item = row_key(AT_WORK, digest);
        item.insert("over".to_owned(), number(1));
        item.insert("expires_at".to_owned(), expires(now, PREVIEW_S));
        self.put(item).await
    }
}
