#![doc = include_str!("../README.md")]

mod config;

use std::collections::BTreeMap;
use std::time::Duration;

pub use config::Config;
use domain::ports::{Invocation, LineProblem, Orders, Record, Reserved, Stock};
use domain::{Currency, ErrorName, Money, Order, Stage, StepError};
use serde::Deserialize;
use serde_json::{Value, json};
use step::{Task, budget, store_error};
use store::Store;

/// What the longest action can take: load the order, then reserve in two transactions, the first
/// of them twice; or release in two, each followed by a look.
pub const WORST_CASE: Duration = budget::worst_case(5, 0);

/// What the state machine may ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Check and reserve.
    Validate,
    /// The undo: release, and close the order.
    Release,
}

/// The step.
#[derive(Debug)]
pub struct Validate<S> {
    store: S,
    review_limits: BTreeMap<Currency, Money>,
}

impl Validate<Store> {
    /// Connects to what `config` names.
    pub async fn connect(config: Config) -> Self {
        let aws = step::aws_config().await;
        let store = Store::new(&aws, config.orders_table, config.stock_table);
        store.warm_up().await;
        Self::new(store, config.review_limits)
    }
}

impl<S: Orders + Stock> Validate<S> {
    /// The step on these ports.
    pub fn new(store: S, review_limits: BTreeMap<Currency, Money>) -> Self {
        Self {
            store,
            review_limits,
        }
    }

    /// Does what the state machine asks for.
    ///
    /// # Errors
    /// The catalogue's.
    pub async fn handle(&self, task: Task<Action>) -> Result<Value, StepError> {
        match task.action {
            Action::Validate => self.validate(&task.by).await,
            Action::Release => self.release(&task.by).await,
        }
    }

    async fn load(&self, by: &Invocation) -> Result<Record, StepError> {
        let record = self.store.load(&by.order_id).await;
        record.map_err(|error| store_error(&error))?.ok_or_else(|| {
            StepError::new(
                ErrorName::InvalidInput,
                format!("there is no order {}", by.order_id),
            )
        })
    }

    async fn validate(&self, by: &Invocation) -> Result<Value, StepError> {
        let record = self.load(by).await?;
        let order = &record.order;
        let review = self.needs_review(order);
        let reserved = self.store.reserve(by, order, review).await;
        match reserved.map_err(|error| store_error(&error))? {
            Reserved::All => {}
            Reserved::Refused(error) => return Err(error),
            Reserved::Problems(problems) => return Err(rejected(&problems)),
        }
        // An earlier try of this step may have moved the order; then what is on record counts.
        let waits = match record.state.stage {
            Stage::Received => review,
            Stage::InReview => true,
            Stage::Validated
            | Stage::Authorized
            | Stage::Shipped
            | Stage::Captured
            | Stage::Completed
            | Stage::Rejected
            | Stage::Cancelled
            | Stage::Failed => false,
        };
        if waits {
            let total = order.total;
            return Err(StepError::new(
                ErrorName::ReviewRequired,
                format!("{total} is above the limit that needs no review"),
            ));
        }
        Ok(json!({"total": order.total, "lines": order.lines.len()}))
    }

    fn needs_review(&self, order: &Order) -> bool {
        let limit = self.review_limits.get(&order.total.currency());
        let beyond = limit.and_then(|limit| order.total.beyond(*limit).ok());
        beyond.is_none_or(|beyond| !beyond.is_zero())
    }

    /// Undo of [`Self::validate`], and the last of the undos: MUST be safe when nothing was
    /// reserved, and MUST NOT fail for good.
    async fn release(&self, by: &Invocation) -> Result<Value, StepError> {
        let record = self.load(by).await?;
        domain::ledger::current_attempt(&record.state, by.attempt)?;

        let closed = self
            .store
            .release_and_close(by, &record.order.lines, record.state)
            .await
            .map_err(|error| store_error(&error))?;
        Ok(json!({"status": closed.stage}))
    }
}

/// Lines whose problems are listed one by one; the state machine passes on a thousand characters.
const MAX_LISTED: usize = 5;

fn rejected(problems: &[LineProblem]) -> StepError {
    let listed = problems.iter().take(MAX_LISTED).map(ToString::to_string);
    let mut listed: Vec<String> = listed.collect();
    if problems.len() > MAX_LISTED {
        listed.push(format!("and {} more lines", problems.len() - MAX_LISTED));
    }
    StepError::new(ErrorName::OrderRejected, listed.join("; "))
}
