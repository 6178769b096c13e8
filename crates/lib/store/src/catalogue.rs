//! The shop's side of the stock table: what is sold, for how much, and how many there are.

use domain::ports::{LineProblem, StoreError};
use domain::{Currency, InvalidMoney, Line, Money, Sku};
use serde::{Deserialize, Serialize};

use crate::Store;
use crate::error::classify;
use crate::item::{Item, number, text};

/// An article of the catalogue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "StoredArticle", into = "StoredArticle")]
pub struct Article {
    /// Its name.
    pub sku: Sku,
    /// What one piece costs.
    pub unit_price: Money,
    /// Pieces that can be sold.
    pub available: u64,
}

/// An article as it is stored, and in the catalogue's files: its price in minor units.
#[derive(Debug, Serialize, Deserialize)]
struct StoredArticle {
    sku: Sku,
    unit_price: u64,
    currency: Currency,
    available: u64,
}

impl From<Article> for StoredArticle {
    fn from(article: Article) -> Self {
        Self {
            sku: article.sku,
            unit_price: article.unit_price.minor(),
            currency: article.unit_price.currency(),
            available: article.available,
        }
    }
}

impl TryFrom<StoredArticle> for Article {
    type Error = InvalidMoney;
    fn try_from(stored: StoredArticle) -> Result<Self, InvalidMoney> {
        Ok(Self {
            sku: stored.sku,
            unit_price: Money::new(stored.unit_price, stored.currency)?,
            available: stored.available,
        })
    }
}

impl Store {
    /// Puts an article into the catalogue or changes its price. `available` counts only for an
    /// article that is new: the stock of others is what orders have left of it.
    pub async fn put_article(&self, article: &Article) -> Result<(), StoreError> {
        self.client
            .update_item()
            .table_name(&self.stock_table)
            .key("sku", text(article.sku.as_str()))
            .update_expression(
                "SET unit_price = :price, currency = :currency, available = \
                 if_not_exists(available, :available)",
            )
            .expression_attribute_values(":price", number(article.unit_price.minor()))
            .expression_attribute_values(":currency", text(article.unit_price.currency().code()))
            .expression_attribute_values(":available", number(article.available))
            .send()
            .await
            .map_err(|error| classify("UpdateItem", &error))?;
        Ok(())
    }

    /// Reads an article, consistently.
    pub async fn article(&self, sku: &Sku) -> Result<Option<Article>, StoreError> {
        let found = self
            .client
            .get_item()
            .table_name(&self.stock_table)
            .key("sku", text(sku.as_str()))
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| classify("GetItem", &error))?;
        Ok(found
            .item
            .and_then(|item| serde_dynamo::from_item(item).ok()))
    }
}

/// Why a line could not be reserved, from the article as it was at that moment.
pub(crate) fn problem(line: &Line, item: Option<&Item>) -> LineProblem {
    let article = item.and_then(|item| serde_dynamo::from_item::<_, Article>(item.clone()).ok());
    let Some(article) = article else {
        return LineProblem::Unknown(line.sku.clone());
    };
    if article.unit_price != line.unit_price {
        return LineProblem::Price {
            sku: line.sku.clone(),
            catalogue: article.unit_price,
            offered: line.unit_price,
        };
    }
    LineProblem::SoldOut {
        sku: line.sku.clone(),
        available: article.available,
        wanted: line.quantity.get(),
    }
}
