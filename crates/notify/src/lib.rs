#![doc = include_str!("../README.md")]

mod aws;
mod config;
mod message;

use std::time::Duration;

pub use aws::{Ses, Sns};
pub use config::Config;
use domain::ledger::{Effect, Gate, MessageId};
use domain::ports::{Invocation, Mailer, Message, Operators, Orders, ProviderError, TaskTokens};
use domain::{Decision, ErrorName, Order, OrderState, PersonalData, StepError, Timestamp};
use serde::Deserialize;
use serde_json::{Value, json};
use step::{Documents, Task, budget, store_error};
use store::Store;
use tracing::warn;
use workflow::Workflow;

/// What the longest action can take: one message.
pub const WORST_CASE: Duration = budget::once(1);

/// What the state machine may ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Tell the customer that the order is on its way.
    Shipped,
    /// Tell the customer that the order did not come about.
    Failed,
    /// Ask the operators to look at the order; each further time is a reminder.
    Review,
}

/// The step.
#[derive(Debug)]
pub struct Notify<O, M, P, W> {
    orders: O,
    mailer: M,
    operators: P,
    waiting: W,
}

impl Notify<Store, Ses, Sns, Workflow> {
    /// Connects to what `config` names.
    pub async fn connect(config: Config) -> Self {
        let aws = step::aws_config().await;
        let store = Store::new(&aws, config.orders_table, "");
        store.warm_up().await;
        let mailer = Ses::new(&aws, config.sender_address, config.mail_configuration_set);
        let operators = Sns::new(&aws, config.operators_topic_arn);
        // Wakes by token only, so it needs no state machine's name.
        Self::new(store, mailer, operators, Workflow::new(&aws, ""))
    }
}

type Render = fn(&Order, &PersonalData, &OrderState) -> Result<Message, askama::Error>;

impl<O: Orders, M: Mailer, P: Operators, W: TaskTokens> Notify<O, M, P, W> {
    /// The step on these ports.
    pub fn new(orders: O, mailer: M, operators: P, waiting: W) -> Self {
        Self {
            orders,
            mailer,
            operators,
            waiting,
        }
    }

    /// Does what the state machine asks for.
    ///
    /// # Errors
    /// The catalogue's.
    pub async fn handle(&self, task: Task<Action>) -> Result<Value, StepError> {
        match task.action {
            Action::Shipped => {
                self.send::<domain::ledger::Notify>(&task.by, message::shipped)
                    .await
            }
            Action::Failed => {
                self.send::<domain::ledger::NotifyFailure>(&task.by, message::ended)
                    .await
            }
            Action::Review => self.review(&task.by, task.task_token.as_deref()).await,
        }
    }

    async fn send<E: Effect<Outcome = MessageId>>(
        &self,
        by: &Invocation,
        render: Render,
    ) -> Result<Value, StepError> {
        let prepare = step::documents(&self.orders, &by.order_id);
        let act = async |(order, personal, _): Documents,
                         state: OrderState,
                         _: Option<Timestamp>| {
            step::still_true(&personal, &state)?;
            let message = render(&order, &personal, &state)
                .map_err(|_| ProviderError::Defect("a message cannot be rendered".to_owned()))?;
            self.mailer.send(message).await.map(MessageId)
        };
        let unavailable = ErrorName::NotificationUnavailable;
        let sent = step::once::<E, _, _, _, _>(&self.orders, by, unavailable, prepare, act).await?;
        Ok(json!({"message_id": sent.0}))
    }

    /// Its answer is not heard: the execution waits for the token. Its errors are.
    async fn review(&self, by: &Invocation, token: Option<&str>) -> Result<Value, StepError> {
        let token = token.ok_or_else(|| {
            StepError::new(
                ErrorName::InvalidInput,
                "a review without a task token".to_owned(),
            )
        })?;
        let opened = self.orders.open_review(by, token).await;
        if let Err(state) = opened.map_err(|error| store_error(&error))? {
            return self.decided(by, token, &state).await;
        }
        let order_id = &by.order_id;
        let text = format!(
            "Order {order_id} waits for a review.\n\nLook at it:  orderctl status {order_id}\n\
             Then either: orderctl approve {order_id} --reason \"…\"\n\
             or:          orderctl reject {order_id} --reason \"…\"\n"
        );
        if let Err(error) = self
            .operators
            .notify(&format!("Review order {order_id}"), &text)
            .await
        {
            // The order waits all the same, and the reminder tells them.
            warn!(%error, "failed to notify the operators of a review");
        }
        Ok(json!({}))
    }

    /// A review that cannot be opened: it was decided before anybody waited for it, or the order
    /// went another way. Whoever waits hears of it by the token, as from a person.
    async fn decided(
        &self,
        by: &Invocation,
        token: &str,
        state: &OrderState,
    ) -> Result<Value, StepError> {
        domain::ledger::current_attempt(state, by.attempt)?;
        let decision = state.review.as_ref().and_then(|review| review.decision);
        let gate = Gate::Forward(state.stage);
        let woken = match (domain::ledger::pass(state, "review", gate), decision) {
            (Ok(()), Some(Decision::Approved)) => self.waiting.proceed(token).await,
            (Ok(()), Some(Decision::Rejected)) => {
                let error = StepError::new(ErrorName::ReviewRejected, "a reviewer said no");
                self.waiting.give_up(token, &error).await
            }
            (Ok(()), None) => {
                let word = state.stage.as_str();
                let text = format!("an order that is {word} cannot be reviewed");
                let error = StepError::new(ErrorName::InvalidInput, text);
                self.waiting.give_up(token, &error).await
            }
            (Err(error), _) => self.waiting.give_up(token, &error).await,
        };
        woken.map_err(|error| StepError::new(ErrorName::StoreUnavailable, error.to_string()))?;
        Ok(json!({}))
    }
}
