#![doc = include_str!("../README.md")]

mod config;
mod shipstation;

use std::collections::BTreeMap;
use std::time::Duration;

pub use config::{AddressCheckConfig, Config};
use domain::ports::{
    AddressCheck, Catalogue, Deliverability, Invocation, Orders, Record, Reserved, Stock,
};
use domain::{Currency, ErrorName, Money, Order, Packing, Parcels, Stage, StepError};
use serde::Deserialize;
use serde_json::{Value, json};
pub use shipstation::ShipStation;
use step::{Task, budget, store_error};
use store::Store;

/// What the longest action can take: load the order and its articles, look the address up, which takes the
/// credential, then reserve in two transactions, the first of them twice.
pub const WORST_CASE: Duration = budget::worst_case(6, 1);

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
pub struct Validate<S, A> {
    store: S,
    review_limits: BTreeMap<Currency, Money>,
    packing: Packing,
    addresses: Option<A>,
}

impl Validate<Store, ShipStation> {
    /// Connects to what `config` names.
    ///
    /// # Errors
    /// If no HTTP client can be built.
    pub async fn connect(config: Config) -> Result<Self, step::InitError> {
        let aws = step::aws_config().await;
        let store = Store::new(&aws, config.orders_table, config.stock_table);
        store.warm_up().await;
        let validate = Self::new(store, config.review_limits, config.packing);
        let Some(check) = config.address_check else {
            return Ok(validate);
        };
        let secret = provider::Secret::new(&aws, &check.carrier_secret_arn);
        let addresses = ShipStation::new(&check.carrier_api_url, secret);
        Ok(validate.looking_up(addresses.map_err(step::InitError::new)?))
    }
}

impl<S: Orders + Stock + Catalogue, A: AddressCheck> Validate<S, A> {
    /// The step on these ports. It looks no address up.
    pub fn new(store: S, review_limits: BTreeMap<Currency, Money>, packing: Packing) -> Self {
        Self {
            store,
            review_limits,
            packing,
            addresses: None,
        }
    }

    /// The same step, which asks about addresses.
    #[must_use]
    pub fn looking_up(self, addresses: A) -> Self {
        Self {
            addresses: Some(addresses),
            ..self
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
        self.can_be_shipped(&record).await?;
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

    /// Before money is held, as far as that can be told: what the articles and the carrier know then may be
    /// otherwise when it is shipped.
    async fn can_be_shipped(&self, record: &Record) -> Result<(), StepError> {
        let Record {
            order,
            personal,
            state,
            ..
        } = record;
        let is_new = state.stage == Stage::Received && state.failure.is_none();
        let Some(personal) = personal
            .as_ref()
            .filter(|_| is_new && state.cancel.is_none())
        else {
            return Ok(());
        };
        let address = &personal.shipping_address;
        let goods = self.store.goods(&order.lines).await;
        let goods = goods.map_err(|error| store_error(&error))?;
        // Of an article that is not in the catalogue reserving will tell.
        if order.lines.iter().all(|line| goods.contains_key(&line.sku)) {
            let packed = Parcels::pack(order, &address.country, &goods, &self.packing);
            packed.map_err(|problems| rejected(&problems))?;
        }
        let Some(addresses) = &self.addresses else {
            return Ok(());
        };
        match addresses.check(address).await {
            Ok(Deliverability::NotRefuted) => Ok(()),
            Ok(Deliverability::Undeliverable { code }) => {
                let text = format!("the carrier knows no such address ({code})");
                Err(StepError::new(ErrorName::OrderRejected, text))
            }
            // Shipping will tell.
            Err(error) => {
                tracing::warn!(%error, "the address was not looked up");
                Ok(())
            }
        }
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

fn rejected(problems: &[impl ToString]) -> StepError {
    let listed = problems.iter().take(MAX_LISTED).map(ToString::to_string);
    let mut listed: Vec<String> = listed.collect();
    if problems.len() > MAX_LISTED {
        listed.push(format!("and {} more problems", problems.len() - MAX_LISTED));
    }
    StepError::new(ErrorName::OrderRejected, listed.join("; "))
}
