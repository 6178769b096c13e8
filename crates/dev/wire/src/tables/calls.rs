//! Requests, with every member that code of ours sends. One with another member cannot be read.
#![expect(
    clippy::struct_field_names,
    reason = "the service's own names, from which those in JSON are derived"
)]

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::attribute::{Attribute, Item};
use crate::expression::Bindings;

pub(super) type Names = BTreeMap<String, String>;
pub(super) type Values = BTreeMap<String, Attribute>;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct Put {
    table_name: String,
    pub(super) item: Item,
    condition_expression: Option<String>,
    expression_attribute_names: Option<Names>,
    expression_attribute_values: Option<Values>,
    return_values: Option<String>,
    return_values_on_condition_check_failure: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct Update {
    table_name: String,
    pub(super) key: Item,
    pub(super) update_expression: Option<String>,
    condition_expression: Option<String>,
    expression_attribute_names: Option<Names>,
    expression_attribute_values: Option<Values>,
    return_values: Option<String>,
    return_values_on_condition_check_failure: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct Check {
    table_name: String,
    pub(super) key: Item,
    condition_expression: String,
    expression_attribute_names: Option<Names>,
    expression_attribute_values: Option<Values>,
    return_values_on_condition_check_failure: Option<String>,
}

#[derive(Deserialize)]
pub(super) enum Write {
    Put(Put),
    Update(Update),
    #[serde(rename = "ConditionCheck")]
    Check(Check),
}

/// What every write has.
pub(super) struct Parts<'a> {
    pub(super) table: &'a str,
    pub(super) condition: Option<&'a String>,
    pub(super) update: Option<&'a String>,
    pub(super) names: Option<&'a Names>,
    pub(super) values: Option<&'a Values>,
    pub(super) returned: Option<&'a str>,
    pub(super) returns_old_on_failure: bool,
}

impl Put {
    pub(super) fn of(table_name: String, item: Item) -> Self {
        Self {
            table_name,
            item,
            condition_expression: None,
            expression_attribute_names: None,
            expression_attribute_values: None,
            return_values: None,
            return_values_on_condition_check_failure: None,
        }
    }
}

impl Write {
    pub(super) fn parts(&self) -> Parts<'_> {
        let all_old = |returned: &Option<String>| returned.as_deref() == Some("ALL_OLD");
        match self {
            Self::Put(put) => Parts {
                table: &put.table_name,
                condition: put.condition_expression.as_ref(),
                update: None,
                names: put.expression_attribute_names.as_ref(),
                values: put.expression_attribute_values.as_ref(),
                returned: put.return_values.as_deref(),
                returns_old_on_failure: all_old(&put.return_values_on_condition_check_failure),
            },
            Self::Update(update) => Parts {
                table: &update.table_name,
                condition: update.condition_expression.as_ref(),
                update: update.update_expression.as_ref(),
                names: update.expression_attribute_names.as_ref(),
                values: update.expression_attribute_values.as_ref(),
                returned: update.return_values.as_deref(),
                returns_old_on_failure: all_old(&update.return_values_on_condition_check_failure),
            },
            Self::Check(check) => Parts {
                table: &check.table_name,
                condition: Some(&check.condition_expression),
                update: None,
                names: check.expression_attribute_names.as_ref(),
                values: check.expression_attribute_values.as_ref(),
                returned: None,
                returns_old_on_failure: all_old(&check.return_values_on_condition_check_failure),
            },
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct Transaction {
    pub(super) transact_items: Vec<Write>,
    pub(super) client_request_token: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct Get {
    pub(super) table_name: String,
    pub(super) key: Item,
    /// What is read is always as it is now.
    #[serde(rename = "ConsistentRead")]
    _consistent_read: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct Query {
    pub(super) table_name: String,
    pub(super) index_name: Option<String>,
    pub(super) key_condition_expression: String,
    expression_attribute_names: Option<Names>,
    expression_attribute_values: Option<Values>,
    pub(super) consistent_read: Option<bool>,
    pub(super) scan_index_forward: Option<bool>,
    pub(super) limit: Option<usize>,
    pub(super) exclusive_start_key: Option<Item>,
}

impl Query {
    pub(super) fn bindings(&self) -> Bindings<'_> {
        Bindings {
            names: self.expression_attribute_names.as_ref(),
            values: self.expression_attribute_values.as_ref(),
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct BatchGet {
    pub(super) request_items: BTreeMap<String, Keys>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct Keys {
    pub(super) keys: Vec<Item>,
    pub(super) projection_expression: Option<String>,
    pub(super) expression_attribute_names: Option<Names>,
    #[serde(rename = "ConsistentRead")]
    _consistent_read: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct BatchWrite {
    pub(super) request_items: BTreeMap<String, Vec<BatchedWrite>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct BatchedWrite {
    pub(super) put_request: BatchedPut,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct BatchedPut {
    pub(super) item: Item,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct CreateTable {
    pub(super) table_name: String,
    pub(super) key_schema: Vec<KeyElement>,
    pub(super) attribute_definitions: Vec<Definition>,
    #[serde(default)]
    pub(super) global_secondary_indexes: Vec<Index>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct KeyElement {
    pub(super) attribute_name: String,
    pub(super) key_type: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Definition {
    pub(super) attribute_name: String,
    pub(super) attribute_type: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Index {
    pub(super) index_name: String,
    pub(super) key_schema: Vec<KeyElement>,
    pub(super) projection: Projection,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Projection {
    pub(super) projection_type: String,
}
