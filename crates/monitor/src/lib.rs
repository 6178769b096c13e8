#![doc = include_str!("../README.md")]

pub mod alarms;
mod board;
mod bulk;
mod config;
mod history;
mod look;
pub mod metrics;
mod notice;
mod repair;
mod sweep;
pub mod trigger;

use std::sync::{Mutex, PoisonError};

use actions::{Actions, Refused};
pub use config::Config;
use domain::Timestamp;
use domain::ports::StoreError;
use domain::trend::Counter;
use lambda_runtime::{LambdaEvent, service_fn};
use metrics::{Measured, Metric};
pub use notice::{QUIET, Sns};
use serde_json::{Value, json};
use step::InitError;
use store::Store;
pub use sweep::{LOOKS, Swept, WORST_CASE};
use tracing::{error, warn};
use trigger::Trigger;
use workflow::{Workflow, WorkflowError};

use crate::history::Rules;

/// Looks at orders, tells what they need, and mends what it can.
#[derive(Debug)]
pub struct Monitor<P> {
    actions: Actions,
    operators: P,
    rules: Rules,
    environment: String,
    console_url: String,
    // What this invocation has to add to the counters of the last hours.
    counted: Mutex<Vec<(Counter, u64)>>,
}

/// Why a look came to nothing. The next one finds the same.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failed {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Step Functions.
    #[error(transparent)]
    Workflow(#[from] WorkflowError),
    /// A repair.
    #[error(transparent)]
    Repair(#[from] Refused),
    /// The event itself.
    #[error(transparent)]
    Event(#[from] trigger::Unknown),
}

impl Monitor<Sns> {
    /// Connects to what `config` names.
    pub async fn connect(config: Config) -> Self {
        let aws = step::aws_config().await;
        let store = Store::new(&aws, config.orders_table, "");
        store.warm_up().await;
        let workflow = Workflow::new(&aws, config.state_machine_arn);
        let operators = Sns::new(&aws, config.operators_topic_arn);
        let actions = Actions::new(&aws, store, workflow, config.steps);
        Self::new(actions, operators, config.environment).linked_to(config.console_url)
    }

    /// Serves events until Lambda ends the environment.
    ///
    /// # Errors
    /// If the runtime cannot be reached.
    pub async fn serve(&self) -> Result<(), InitError> {
        lambda_runtime::run(service_fn(|event: LambdaEvent<Value>| async move {
            // Logged already; the name and the codes are all that it says.
            let handled = Box::pin(self.handle(&event.payload)).await;
            handled.map_err(|failed| lambda_runtime::Error::from(failed.to_string()))
        }))
        .await?;
        Ok(())
    }
}

impl<P: domain::ports::Operators> Monitor<P> {
    /// A monitor on these.
    pub fn new(actions: Actions, operators: P, environment: impl Into<String>) -> Self {
        Self {
            actions,
            operators,
            rules: Rules::of_the_process(),
            environment: environment.into(),
            console_url: String::new(),
            counted: Mutex::default(),
        }
    }

    /// The same, with messages that lead to the operators' page.
    #[must_use]
    pub fn linked_to(self, console_url: impl Into<String>) -> Self {
        Self {
            console_url: console_url.into(),
            ..self
        }
    }

    /// Deals with an event.
    ///
    /// # Errors
    /// If it has to come again.
    pub async fn handle(&self, event: &Value) -> Result<Value, Failed> {
        let now = Timestamp::now();
        let done = match trigger::read(event) {
            Ok(Trigger::Schedule) => self.sweep(now).await.map(drop),
            Ok(Trigger::Board) => self.refresh(now).await,
            Ok(Trigger::Ledger(orders, at)) => {
                self.lag(at, now);
                let mut failed = None;
                for order_id in &orders {
                    if let Err(error) = self.heard(order_id, None, now).await {
                        failed = Some(error);
                    }
                }
                failed.map_or(Ok(()), Err)
            }
            Ok(Trigger::Execution(order_id, execution, at)) => {
                self.lag(at, now);
                self.heard(&order_id, execution, now).await
            }
            Ok(Trigger::Nothing) => Ok(()),
            Err(unknown) => Err(unknown.into()),
        };
        self.keep_count(now).await;
        match &done {
            Ok(()) => {}
            Err(Failed::Event(unknown)) => error!(%unknown, "event not understood"),
            Err(failed) => warn!(%failed, "look failed, and comes again"),
        }
        done.map(|()| json!({}))
    }

    fn lag(&self, at: Option<Timestamp>, now: Timestamp) {
        let lag = at.and_then(|at| u64::try_from(now.duration_since(at).as_millis()).ok());
        if let Some(lag) = lag {
            self.emit(&[Measured::plain(Metric::EventLag, lag)]);
        }
    }

    fn count(&self, counted: Vec<(Counter, u64)>) {
        let mut all = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        all.extend(counted);
    }

    /// The counters are for plots: one that gets lost is worth no second look at the orders.
    async fn keep_count(&self, now: Timestamp) {
        let counted = {
            let mut all = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *all)
        };
        if let Err(error) = self.actions.store.count(&counted, now).await {
            warn!(%error, "counters not kept");
        }
    }

    fn emit(&self, measured: &[Measured]) {
        metrics::emit(&self.environment, measured);
    }
}
