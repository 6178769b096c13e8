//! The shop's side of the stock table: what is sold, for how much, how many there are, and what a carrier has to
//! know.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::{KeysAndAttributes, ReturnValue};
use domain::ports::{Catalogue, LineProblem, StoreError};
use domain::{Article, Goods, Line, Sku};
use serde::{Deserialize, Serialize};

use crate::Store;
use crate::error::{classify, unreadable};
use crate::item::{Item, number, text};

/// What is changed of an article that is known. What it does not say any more is taken off.
const OF_GOODS: [&str; 3] = ["weight_g", "dimensions_mm", CUSTOMS];
const CUSTOMS: &str = "customs";

/// What is read of an article to ship it.
#[derive(Deserialize)]
struct StoredGoods {
    sku: Sku,
    #[serde(flatten)]
    goods: Goods,
}

impl Store {
    /// Puts an article into the catalogue or changes it. `available` counts only for an article that is new: the
    /// stock of others is what orders have left of it. Whether customs data are lost that it had before.
    pub async fn put_article(&self, article: &Article) -> Result<bool, StoreError> {
        let goods = stored(&article.goods)?;
        let mut set = vec![
            "SET unit_price = :price, currency = :currency".to_owned(),
            "available = if_not_exists(available, :available)".to_owned(),
        ];
        let mut remove = Vec::new();
        let mut update = self
            .client
            .update_item()
            .table_name(&self.stock_table)
            .key("sku", text(article.sku.as_str()))
            .expression_attribute_values(":price", number(article.unit_price.minor()))
            .expression_attribute_values(":currency", text(article.unit_price.currency().code()))
            .expression_attribute_values(":available", number(article.available));
        for name in OF_GOODS {
            match goods.get(name) {
                Some(known) => {
                    set.push(format!("{name} = :{name}"));
                    update = update.expression_attribute_values(format!(":{name}"), known.clone());
                }
                None => remove.push(name),
            }
        }
        let mut change = vec![set.join(", ")];
        if !remove.is_empty() {
            change.push(format!("REMOVE {}", remove.join(", ")));
        }
        let update = update.update_expression(change.join(" "));
        let sent = update.return_values(ReturnValue::AllOld).send().await;
        let before = sent.map_err(|error| classify("UpdateItem", &error))?;
        let had = before
            .attributes
            .is_some_and(|old| old.contains_key(CUSTOMS));
        Ok(had && article.goods.customs.is_none())
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

fn stored<T: Serialize>(content: &T) -> Result<Item, StoreError> {
    serde_dynamo::to_item(content).map_err(|_| unreadable("an article"))
}

impl Catalogue for Store {
    async fn goods(&self, lines: &[Line]) -> Result<BTreeMap<Sku, Goods>, StoreError> {
        let keys = lines
            .iter()
            .map(|line| Item::from([("sku".to_owned(), text(line.sku.as_str()))]));
        let wanted = KeysAndAttributes::builder()
            // An order has at most a hundred lines, and that is what one request takes.
            .set_keys(Some(keys.collect()))
            .consistent_read(true)
            .projection_expression(format!("sku, {}", OF_GOODS.join(", ")))
            .build()
            .map_err(|_| unreadable("the catalogue"))?;
        let answer = self
            .client
            .batch_get_item()
            .request_items(&self.stock_table, wanted)
            .send()
            .await
            .map_err(|error| classify("BatchGetItem", &error))?;
        if answer
            .unprocessed_keys()
            .is_some_and(|left| !left.is_empty())
        {
            let text = "it read a part of the catalogue".to_owned();
            return Err(StoreError::Unavailable(text));
        }
        let found = answer
            .responses
            .and_then(|mut tables| tables.remove(&self.stock_table));
        let read = |item: Item| {
            let stored: StoredGoods =
                serde_dynamo::from_item(item).map_err(|_| unreadable("an article"))?;
            Ok((stored.sku, stored.goods))
        };
        found.unwrap_or_default().into_iter().map(read).collect()
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
