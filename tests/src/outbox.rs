//! What customers, operators and waiting executions were notices: recorded, because the services that
//! notify them have no engine to embed.

use std::sync::{Mutex, MutexGuard};

use domain::StepError;
use domain::ports::{Mailer, Message, Operators, ProviderError, TaskTokens};

/// Takes every message. Like the mail service it knows no keys: what is sent twice is there twice.
#[derive(Debug, Default)]
pub struct Outbox {
    sent: Mutex<Vec<(String, String)>>,
    notices: Mutex<Vec<String>>,
    woken: Mutex<Vec<String>>,
    deaf: Mutex<bool>,
}

impl Outbox {
    /// Whether the operators' topic takes nothing.
    pub fn be_deaf(&self, deaf: bool) {
        *lock(&self.deaf) = deaf;
    }

    /// The subjects of the messages about an order, oldest first.
    #[must_use]
    pub fn sent(&self, order_id: &str) -> Vec<String> {
        let sent = lock(&self.sent);
        let its = sent.iter().filter(|(order, _)| order == order_id);
        its.map(|(_, subject)| subject.clone()).collect()
    }

    /// The subjects of the notices to the operators, oldest first.
    #[must_use]
    pub fn notices(&self) -> Vec<String> {
        lock(&self.notices).clone()
    }

    /// The tokens of the executions that were woken, oldest first.
    #[must_use]
    pub fn woken(&self) -> Vec<String> {
        lock(&self.woken).clone()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("a lock")
}

impl Mailer for Outbox {
    async fn send(&self, message: Message) -> Result<String, ProviderError> {
        let mut sent = lock(&self.sent);
        sent.push((message.order_id.to_string(), message.subject));
        Ok(format!("message-{}", sent.len()))
    }
}

impl Operators for Outbox {
    async fn notify(&self, subject: &str, _: &str) -> Result<(), ProviderError> {
        if *lock(&self.deaf) {
            return Err(ProviderError::Unavailable("nobody listens".to_owned()));
        }
        lock(&self.notices).push(subject.to_owned());
        Ok(())
    }
}

impl TaskTokens for Outbox {
    async fn proceed(&self, token: &str) -> Result<(), ProviderError> {
        lock(&self.woken).push(token.to_owned());
        Ok(())
    }
    async fn give_up(&self, token: &str, _: &StepError) -> Result<(), ProviderError> {
        self.proceed(token).await
    }
}
