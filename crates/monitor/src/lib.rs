#![doc = include_str!("../README.md")]

pub mod alarms;
mod books;
mod bulk;
mod config;
pub mod metrics;
mod notice;
mod payload;
mod reconcile;
mod repair;
mod rounds;
mod snapshot;
mod sweep;
pub mod trigger;
mod webhook;

use std::sync::{Mutex, PoisonError};

use actions::{Actions, Refused};
pub use config::Config;
use domain::ports::StoreError;
use domain::{Clock, Timestamp};
use lambda_runtime::{LambdaEvent, service_fn};
use metrics::{Measured, Metric};
pub use notice::Sns;
use operations::Limits;
use operations::retries::Rules;
use operations::trend::Increment;
use provider::Secret;
use read_models::ReadModels;
use serde_json::{Value, json};
use step::{InitError, budget};
use store::Store;
pub use sweep::{MOST_RECONCILED, Swept, WORST_CASE};
use tracing::{error, warn};
use trigger::Trigger;
pub use webhook::Webhook;
use workflow::{Workflow, WorkflowError};

/// The environment that is a laptop.
const LOCAL: &str = "local";

/// What the monitor reads and acts through.
#[derive(Debug)]
pub struct Reach {
    /// The orders and their ledger, which it reads.
    pub store: Store,
    /// What operators know of them, which it writes.
    pub read_models: ReadModels,
    /// Their executions.
    pub workflow: Workflow,
    /// What operators, and it, can do to them.
    pub actions: Actions,
}

/// The reconciler: keeps what operators know of orders in step with the ledger and with Step Functions,
/// notifies operators of what needs them, and repairs what it can.
#[derive(Debug)]
pub struct Monitor<P> {
    reach: Reach,
    operators: P,
    webhook: Option<Webhook>,
    rules: Rules,
    limits: Limits,
    environment: String,
    console_url: String,
    audits: bool,
    clock: Clock,
    tells: fn(&Value),
    // What this invocation has to add to the counters of the last hours.
    counted: Mutex<Vec<Increment>>,
}

/// Why an event could not be dealt with. The next one finds the same.
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
    ///
    /// # Errors
    /// If it has a webhook, and the machine has no certificates.
    pub async fn connect(config: Config) -> Result<Self, InitError> {
        let aws = step::aws_config().await;
        let webhook = config.webhook_secret_arn.as_deref().map(|arn| {
            let webhook = Webhook::new(Secret::new(&aws, arn), budget::PROVIDER_CALL)?;
            Ok(if config.environment == LOCAL {
                webhook.on_a_laptop()
            } else {
                webhook
            })
        });
        let webhook = webhook
            .transpose()
            .map_err(|error: String| InitError::new(error))?;
        let store = Store::new(&aws, config.orders_table, "");
        store.warm_up().await;
        let read_models = ReadModels::new(&aws, config.read_models_table);
        let workflow = Workflow::new(&aws, config.state_machine_arn);
        let operators = Sns::new(&aws, config.operators_topic_arn);
        let actions = Actions::new(
            &aws,
            store.clone(),
            read_models.clone(),
            workflow.clone(),
            config.steps,
        );
        let reach = Reach {
            store,
            read_models,
            workflow,
            actions,
        };
        let monitor = Self::new(reach, operators, config.environment)
            .linked_to(config.console_url)
            .within(config.limits)
            .auditing();
        Ok(Self { webhook, ..monitor })
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
    pub fn new(reach: Reach, operators: P, environment: impl Into<String>) -> Self {
        Self {
            reach,
            operators,
            webhook: None,
            rules: Rules::of_the_process(),
            limits: Limits::default(),
            environment: environment.into(),
            console_url: String::new(),
            audits: false,
            clock: Clock::default(),
            tells: metrics::to_the_log,
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

    /// The same, with a webhook that notices are posted to as well.
    #[must_use]
    pub fn posting_to(self, webhook: Webhook) -> Self {
        Self {
            webhook: Some(webhook),
            ..self
        }
    }

    /// The same, reading the providers' books in each sweep.
    #[must_use]
    pub fn auditing(self) -> Self {
        Self {
            audits: true,
            ..self
        }
    }

    /// The same, by another clock than the machine's.
    #[must_use]
    pub fn timed_by(self, clock: Clock) -> Self {
        Self { clock, ..self }
    }

    /// The same, whose metrics go to `tells`, a line each, and not into the log.
    #[must_use]
    pub fn telling(self, tells: fn(&Value)) -> Self {
        Self { tells, ..self }
    }

    /// The same, with other limits than the usual ones.
    #[must_use]
    pub fn within(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// Deals with an event.
    ///
    /// # Errors
    /// If it has to come again.
    pub async fn handle(&self, event: &Value) -> Result<Value, Failed> {
        let now = self.clock.now();
        let done = match trigger::read(event) {
            Ok(Trigger::Schedule) => self.sweep(now).await.map(drop),
            Ok(Trigger::Snapshot) => self.refresh(now).await,
            Ok(Trigger::Ledger(orders, at)) => {
                self.lag(at, now);
                let mut failed = None;
                for order_id in &orders {
                    if let Err(error) = self.observe(order_id, None, now).await {
                        let order_id = order_id.as_str();
                        warn!(order_id, %error, "failed to reconcile an order");
                        failed = Some(error);
                    }
                }
                failed.map_or(Ok(()), Err)
            }
            Ok(Trigger::Execution(order_id, execution, at)) => {
                self.lag(at, now);
                self.observe(&order_id, execution, now).await
            }
            Ok(Trigger::Nothing) => Ok(()),
            Err(unknown) => Err(unknown.into()),
        };
        self.keep_count(now).await;
        match &done {
            Ok(()) => {}
            Err(Failed::Event(unknown)) => error!(%unknown, "failed to read an event"),
            Err(failed) => warn!(%failed, "failed to handle an event; it will be retried"),
        }
        done.map(|()| json!({}))
    }

    fn lag(&self, at: Option<Timestamp>, now: Timestamp) {
        let lag = at.and_then(|at| u64::try_from(now.duration_since(at).as_millis()).ok());
        if let Some(lag) = lag {
            self.emit(&[Measured::plain(Metric::EventLag, lag)]);
        }
    }

    fn count(&self, counted: Vec<Increment>) {
        let mut all = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        all.extend(counted);
    }

    /// The counters are for plots: one that gets lost is not worth reading the orders again.
    async fn keep_count(&self, now: Timestamp) {
        let counted = {
            let mut all = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *all)
        };
        if let Err(error) = self.reach.read_models.count(&counted, now).await {
            warn!(%error, "failed to keep the counters");
        }
    }

    fn emit(&self, measured: &[Measured]) {
        for line in metrics::lines(&self.environment, measured, self.clock.now()) {
            (self.tells)(&line);
        }
    }
}
