//! The shop's side of the stock table: what is sold, for how much, and how many there are.

use domain::ports::{LineProblem, StoreError};
use domain::{Line, Money, Sku};
use serde::{Deserialize, Serialize};

use crate::Store;
use crate::error::classify;
use crate::item::{Item, number, text};

/// An article of the catalogue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Article {
    /// Its name.
    pub sku: Sku,
    /// What one piece costs, in minor units.
    pub unit_price: u64,
    /// In which currency.
    pub currency: domain::Currency,
    /// Pieces that can be sold.
    pub available: u64,
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
                "SET unit_price = :price, currency = :currency, available = if_not_exists(available, :available)",
            )
            .expression_attribute_values(":price", number(article.unit_price))
            .expression_attribute_values(":currency", text(article.currency.code()))
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
pub(crate) fn problem(
    line: &Line,
    currency: domain::Currency,
    item: Option<&Item>,
) -> Option<LineProblem> {
    let unknown = || Some(LineProblem::Unknown(line.sku.clone()));
    let Some(article) =
        item.and_then(|item| serde_dynamo::from_item::<_, Article>(item.clone()).ok())
    else {
        return unknown();
    };
    let catalogue = Money::new(article.unit_price, article.currency).ok();
    let offered = Money::new(line.unit_price, currency).ok();
    match (catalogue, offered) {
        (Some(catalogue), Some(offered)) if catalogue != offered => Some(LineProblem::Price {
            sku: line.sku.clone(),
            catalogue,
            offered,
        }),
        (Some(_), Some(_)) => Some(LineProblem::SoldOut {
            sku: line.sku.clone(),
            available: article.available,
            wanted: line.quantity.get(),
        }),
        (None, _) | (_, None) => unknown(),
    }
}
