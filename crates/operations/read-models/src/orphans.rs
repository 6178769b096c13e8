//! What the providers hold and no ledger accounts for, and how far their books were read.

use domain::books::PostingKind;
use domain::ports::StoreError;
use operations::{Orphan, Pass, Round, Stretch};
use serde_dynamo::from_attribute_value;
use store::announcement::row_key;
use store::error::unreadable;
use store::item::{Item, number, value};
use tracing::warn;

use crate::{ReadModels, expires};

const ORPHANS: &str = "orphans";
const BOOKS: &str = "books";

/// Who let go of one, and why, is kept for so long after it is over.
const KEPT_S: i64 = 90 * 24 * 3600;

impl ReadModels {
    /// Keeps an orphan that follows the one that was read. `false` if somebody else wrote it meanwhile.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn put_orphan(&self, orphan: &Orphan) -> Result<bool, StoreError> {
        let mut item = row_key(ORPHANS, &orphan.posting.reference);
        item.insert("orphan".to_owned(), value(orphan)?);
        item.insert("revision".to_owned(), number(orphan.revision));
        if let Some(over_at) = orphan.over_at {
            item.insert("expires_at".to_owned(), expires(over_at, KEPT_S));
        }
        self.put_following(item, orphan.revision).await
    }

    /// An orphan, or one that was: by the provider's reference.
    ///
    /// # Errors
    /// If the database does not answer, or another version wrote it.
    pub async fn orphan(&self, reference: &str) -> Result<Option<Orphan>, StoreError> {
        let row = self.row(ORPHANS, reference).await?;
        row.map(|row| read(row).ok_or_else(|| unreadable("an orphan")))
            .transpose()
    }

    /// Every orphan that somebody has to do something about, the oldest first. Not what is an incident of its
    /// order.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn orphans(&self) -> Result<Vec<Orphan>, StoreError> {
        let mut orphans = self.standing().await?;
        orphans.retain(|orphan| !orphan.is_of_order);
        Ok(orphans)
    }

    /// The same together with what is an incident of its order.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn standing(&self) -> Result<Vec<Orphan>, StoreError> {
        let rows = self.rows(ORPHANS).await?.into_iter();
        let mut orphans: Vec<Orphan> = rows
            .filter_map(|row| {
                let orphan = read(row);
                if orphan.is_none() {
                    warn!("failed to read an orphan: another version wrote it");
                }
                orphan
            })
            .filter(|orphan| orphan.over_at.is_none())
            .collect();
        orphans.sort_by_key(|orphan| orphan.posting.made_at);
        Ok(orphans)
    }

    /// How far a provider's books were read. `None` if they never were, or if another version knows.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn stretch(
        &self,
        kind: PostingKind,
        pass: Pass,
    ) -> Result<Option<Stretch>, StoreError> {
        self.read_to(&place(kind, pass)).await
    }

    /// How far a round has come. `None` if there was none, or if another version knows.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn round(&self, round: Round) -> Result<Option<Stretch>, StoreError> {
        self.read_to(round.as_str()).await
    }

    async fn read_to(&self, place: &str) -> Result<Option<Stretch>, StoreError> {
        let row = self.row(BOOKS, place).await?;
        let stretch = row.and_then(|mut row| row.remove("stretch"));
        Ok(stretch.and_then(|stretch| from_attribute_value(stretch).ok()))
    }

    /// Keeps how far a provider's books were read. Whoever reads the same again finds the same.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn put_stretch(
        &self,
        kind: PostingKind,
        pass: Pass,
        stretch: &Stretch,
    ) -> Result<(), StoreError> {
        self.put_read_to(place(kind, pass), stretch).await
    }

    /// Keeps how far a round has come. Whoever reads the same again finds the same.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn put_round(&self, round: Round, stretch: &Stretch) -> Result<(), StoreError> {
        self.put_read_to(round.to_string(), stretch).await
    }

    async fn put_read_to(&self, place: String, stretch: &Stretch) -> Result<(), StoreError> {
        let mut item = row_key(BOOKS, place);
        item.insert("stretch".to_owned(), value(stretch)?);
        self.put(item).await
    }
}

fn place(kind: PostingKind, pass: Pass) -> String {
    format!("{kind}#{pass}")
}

fn read(mut row: Item) -> Option<Orphan> {
    from_attribute_value(row.remove("orphan")?).ok()
}
