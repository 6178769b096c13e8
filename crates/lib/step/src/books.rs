//! What is asked of a step about its provider's books: by the monitor, which audits, and by operators.

use domain::books::{Posting, accounts_for, has_undone, may_still_take};
use domain::ports::Orders;
use domain::{ErrorName, OrderId, StepError, Timestamp};
use serde::Deserialize;
use serde_json::Value;

use crate::store_error;

/// A question about the books, or what to do about a posting that nobody accounts for.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case", deny_unknown_fields)]
pub enum Ask {
    /// What was made in this time, a page of it. Reads and tells, no more.
    List {
        /// From then on.
        since: Timestamp,
        /// Before then.
        until: Timestamp,
        /// What the answer before this one named as its next page.
        #[serde(default)]
        page: Option<String>,
    },
    /// What became of the refunds that were made in this time, a page of it. Reads and tells, no more.
    Refunds {
        /// From then on.
        since: Timestamp,
        /// Before then.
        until: Timestamp,
        /// What the answer before this one named as its next page.
        #[serde(default)]
        page: Option<String>,
    },
    /// The disputes that began in this time, a page of them. Reads and tells, no more.
    Disputes {
        /// From then on.
        since: Timestamp,
        /// Before then.
        until: Timestamp,
        /// What the answer before this one named as its next page.
        #[serde(default)]
        page: Option<String>,
    },
    /// How one posting stands now. Reads and tells, no more.
    Look {
        /// The provider's reference.
        reference: String,
    },
    /// Undo a posting that no order's ledger accounts for.
    LetGo {
        /// The provider's reference.
        reference: String,
        /// The order that operators know it by, if the posting names none.
        #[serde(default)]
        order_id: Option<OrderId>,
    },
}

impl Ask {
    /// Reads a payload that is one. `None` if it is a task of an order.
    ///
    /// # Errors
    /// [`ErrorName::InvalidInput`] with what is wrong.
    #[must_use]
    pub fn read(payload: &Value) -> Option<Result<Self, StepError>> {
        let action = payload["action"].as_str()?;
        if !matches!(action, "list" | "refunds" | "disputes" | "look" | "let_go") {
            return None;
        }
        let ask = Self::deserialize(payload).map_err(|error| {
            let text = format!("the question cannot be read: {error}");
            StepError::new(ErrorName::InvalidInput, text)
        });
        Some(ask)
    }

    /// Its name, for the log.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::List { .. } => "list",
            Self::Refunds { .. } => "refunds",
            Self::Disputes { .. } => "disputes",
            Self::Look { .. } => "look",
            Self::LetGo { .. } => "let_go",
        }
    }

    /// The posting that it is about, for the log.
    pub(crate) fn reference(&self) -> Option<&str> {
        match self {
            Self::List { .. } | Self::Refunds { .. } | Self::Disputes { .. } => None,
            Self::Look { reference } | Self::LetGo { reference, .. } => Some(reference),
        }
    }
}

/// Whether nobody needs what stands of a posting, so that it may be undone. One that names no order is that of
/// the order that operators know it by, or nobody's.
///
/// # Errors
/// [`ErrorName::InvalidInput`] if an order's ledger accounts for it or may yet; [`ErrorName::StoreUnavailable`].
pub async fn may_be_let_go<O: Orders>(
    orders: &O,
    posting: &Posting,
    known_by: Option<&OrderId>,
) -> Result<(), StepError> {
    if !posting.stands.is_something() {
        return Ok(());
    }
    let reference = &posting.reference;
    let refused = |text: String| Err(StepError::new(ErrorName::InvalidInput, text));
    let Some(order_id) = posting.order_id.as_ref().or(known_by) else {
        return Ok(());
    };
    let record = orders.load(order_id).await;
    let record = record.map_err(|error| store_error(&error))?;
    match record {
        Some(record) if accounts_for(&record, posting) => {
            refused(format!("order {order_id} accounts for {reference}"))
        }
        // What an earlier attempt has undone is taken by none.
        Some(record)
            if may_still_take(&record.state, posting.kind) && !has_undone(&record, posting) =>
        {
            refused(format!(
                "order {order_id} may still go on with {reference}: restart or resolve it, or \
                 cancel it first"
            ))
        }
        Some(_) | None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_question_is_told_from_a_task_and_a_wrong_one_says_what_is_wrong() {
        let task = json!({"action": "authorize", "order_id": "o", "attempt": 1, "execution": "x"});
        assert_eq!(Ask::read(&task), None);
        assert_eq!(Ask::read(&json!(null)), None);
        let list = json!({"action": "list", "since": "2026-11-23T10:00:00Z",
            "until": "2026-11-23T10:02:00Z", "page": null});
        let Some(Ok(Ask::List { page: None, .. })) = Ask::read(&list) else {
            panic!("{:?}", Ask::read(&list));
        };
        let let_go = json!({"action": "let_go", "reference": "pi_1"});
        let reference = "pi_1".to_owned();
        let order_id = None;
        let expected = Ask::LetGo {
            reference,
            order_id,
        };
        assert_eq!(Ask::read(&let_go), Some(Ok(expected)));
        let disputes = json!({"action": "disputes", "since": "2026-11-23T10:00:00Z",
            "until": "2026-11-23T10:02:00Z"});
        let Some(Ok(Ask::Disputes { page: None, .. })) = Ask::read(&disputes) else {
            panic!("{:?}", Ask::read(&disputes));
        };
        let nothing = Ask::read(&json!({"action": "let_go"}));
        let error = nothing.expect("a question").expect_err("unreadable");
        assert_eq!(error.name(), ErrorName::InvalidInput);
    }
}
