//! All that there is on the account.

use super::disputes::Dispute;
use super::errors;
use super::intent::{Intent, Refund};
use super::methods::{Customer, Method};
use crate::answer::Answer;

/// Oldest first.
#[derive(Debug, Default)]
pub(crate) struct Payments {
    pub(super) intents: Vec<Intent>,
    pub(super) refunds: Vec<Refund>,
    pub(super) disputes: Vec<Dispute>,
    pub(super) methods: Vec<Method>,
    pub(super) customers: Vec<Customer>,
}

impl Payments {
    pub(crate) fn order_of(&self, id: &str) -> Option<String> {
        self.find(id).ok()?.order_id()
    }

    pub(crate) fn order_of_refund(&self, id: &str) -> Option<String> {
        let refund = self.refunds.iter().find(|refund| refund.id == id)?;
        self.order_of(&refund.payment_intent)
    }

    pub(super) fn find(&self, id: &str) -> Result<&Intent, Answer> {
        let mut named = self.intents.iter().filter(|intent| intent.id() == id);
        named.next().ok_or_else(|| no_such_intent(id))
    }

    pub(super) fn find_mut(&mut self, id: &str) -> Result<&mut Intent, Answer> {
        let mut named = self.intents.iter_mut().filter(|intent| intent.id() == id);
        named.next().ok_or_else(|| no_such_intent(id))
    }
}

pub(super) fn no_such_intent(id: &str) -> Answer {
    errors::no_such("payment_intent", id, "intent")
}
