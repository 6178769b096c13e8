//! Everything that outlives an invocation: an order's items, the stock, and the providers' books.

use std::collections::hash_map::DefaultHasher;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use domain::ledger::Booking;
use domain::ports::{Payment, PaymentState, Record};
use domain::{ErrorName, Fingerprint, Money, Order, OrderState, PersonalData, Timestamp};

use crate::bug::Bug;

/// An order's state as it was at one moment: cheap to copy, to compare and to hash.
///
/// Its hash is of all but the version. That is only ever compared with the version of what was read before, so
/// whoever holds such a thing hashes whether it is still the same; else two worlds that differ by nothing
/// but how often they were written would be two.
#[derive(Clone)]
pub struct Snapshot {
    inner: Arc<Inner>,
}

struct Inner {
    state: OrderState,
    /// Of all but the version.
    digest: u64,
}

impl Snapshot {
    /// Of this state.
    #[must_use]
    pub fn new(state: OrderState) -> Self {
        let mut plain = state.clone();
        plain.version = 0;
        if let Some(restart) = &mut plain.restart {
            // Whether anything was written since.
            restart.version = u64::from(state.version != restart.version);
        }
        let mut hasher = DefaultHasher::new();
        HashedText(&mut hasher).hash(&plain);
        let digest = hasher.finish();
        Self {
            inner: Arc::new(Inner { state, digest }),
        }
    }

    /// The state.
    #[must_use]
    pub fn state(&self) -> &OrderState {
        &self.inner.state
    }
}

impl Hash for Snapshot {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.inner.digest.hash(hasher);
    }
}

impl PartialEq for Snapshot {
    fn eq(&self, other: &Self) -> bool {
        self.inner.digest == other.inner.digest
    }
}

impl Eq for Snapshot {}

impl fmt::Debug for Snapshot {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state();
        write!(out, "v{} {}", state.version, state.stage.as_str())
    }
}

/// Hashes what something looks like, without writing it down.
pub struct HashedText<'a, H: Hasher>(pub &'a mut H);

impl<H: Hasher> HashedText<'_, H> {
    /// Hashes what `value` looks like.
    pub fn hash(&mut self, value: &impl fmt::Debug) {
        use fmt::Write as _;
        // Hashing cannot fail.
        let _ = write!(self, "{value:?}");
    }
}

impl<H: Hasher> fmt::Write for HashedText<'_, H> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.write(text.as_bytes());
        Ok(())
    }
}

/// What never changes about a world.
#[derive(Debug)]
pub struct Scene {
    /// What is ordered.
    pub order: Order,
    /// Of the document.
    pub fingerprint: Fingerprint,
    /// For whom.
    pub personal: PersonalData,
    /// How many pieces of the article there are before anything happens.
    pub stock: u64,
    /// Whether a person decides about the order before money is held.
    pub is_reviewed: bool,
    /// What is planted, if anything.
    pub bug: Option<Bug>,
}

/// A payment in the payment provider's books.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BookedPayment {
    /// Under which it was made.
    pub key: String,
    /// The attempt that it says it is for.
    pub attempt: u32,
    /// As it is now.
    pub payment: Payment,
    /// What went back of it.
    pub refunded: Option<Money>,
}

impl BookedPayment {
    /// How much was taken with it.
    #[must_use]
    pub fn captured(&self) -> u64 {
        match self.payment.state {
            PaymentState::Captured(amount) => amount.minor(),
            PaymentState::Held(_)
            | PaymentState::Voided
            | PaymentState::Declined(_)
            | PaymentState::Pending => 0,
        }
    }

    /// Whether money is held with it.
    #[must_use]
    pub fn is_held(&self) -> bool {
        matches!(self.payment.state, PaymentState::Held(_))
    }
}

/// A label in the carrier's books.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BookedLabel {
    /// Under which it is found.
    pub reference: String,
    /// What the carrier says of it.
    pub booking: Booking,
    /// Whether it can be used no more.
    pub is_void: bool,
    /// Whether it was used, so that it is never voided.
    pub is_used: bool,
}

/// A task of the state machine that goes on when somebody says so.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Waiting {
    /// By which they know it.
    pub token: String,
    /// What they have said, first: that it goes on, or the error that it ends with.
    pub told: Option<Result<(), &'static str>>,
}

/// Everything that outlives an invocation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct World {
    /// What never changes.
    pub scene: Fixed,
    /// What time it is, everywhere.
    pub now: Timestamp,
    /// The order's state.
    pub state: Snapshot,
    /// What earlier attempts have come to.
    pub earlier: Vec<Snapshot>,
    /// What a review that waits goes on with.
    pub review_token: Option<String>,
    /// What the execution waits for, if it waits for a person.
    pub waiting: Option<Waiting>,
    /// Pieces of the order's article that can be sold.
    pub available: u64,
    /// The payment provider's books.
    pub payments: Vec<BookedPayment>,
    /// The carrier's books.
    pub labels: Vec<BookedLabel>,
    /// How often a customer was written to.
    pub mails: u32,
    /// Whether somebody was told that the order is cancelled. Nobody decides by it but who judges.
    pub cancel_was_accepted: bool,
    /// Whether money was taken after that.
    pub captured_after_cancel: bool,
}

/// The same of all worlds that are ever compared.
#[derive(Debug, Clone)]
pub struct Fixed(pub Arc<Scene>);

impl PartialEq for Fixed {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Fixed {}

impl World {
    /// A world in which the order was accepted a moment ago.
    #[must_use]
    pub fn new(scene: Arc<Scene>, now: Timestamp) -> Self {
        let state = Snapshot::new(OrderState::received(&scene.order, now));
        Self {
            available: scene.stock,
            scene: Fixed(scene),
            now,
            state,
            earlier: Vec::new(),
            review_token: None,
            waiting: None,
            payments: Vec::new(),
            labels: Vec::new(),
            mails: 0,
            cancel_was_accepted: false,
            captured_after_cancel: false,
        }
    }

    /// What is stored of the order.
    #[must_use]
    pub fn record(&self) -> Record {
        Recorded {
            state: self.state.clone(),
            earlier: self.earlier.clone(),
        }
        .in_scene(&self.scene.0)
    }

    /// Whether this is planted.
    #[must_use]
    pub fn has(&self, bug: Bug) -> bool {
        self.scene.0.bug == Some(bug)
    }

    /// Tells the task that waits with this token. Of two who tell, the first is heard.
    pub fn tell(&mut self, token: &str, outcome: Result<(), ErrorName>) {
        if let Some(waiting) = &mut self.waiting
            && waiting.token == token
            && waiting.told.is_none()
        {
            waiting.told = Some(outcome.map_err(ErrorName::as_str));
        }
    }

    /// Pieces that the order takes, if its stock is reserved.
    #[must_use]
    pub fn wanted(&self) -> u64 {
        let lines = self.scene.0.order.lines.iter();
        lines.map(|line| u64::from(line.quantity.get())).sum()
    }
}

/// What changes of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// The order's state.
    pub state: Snapshot,
    /// What earlier attempts have come to.
    pub earlier: Vec<Snapshot>,
}

impl Recorded {
    /// The record itself.
    #[must_use]
    pub fn in_scene(&self, scene: &Scene) -> Record {
        let earlier = self.earlier.iter();
        Record {
            order: scene.order.clone(),
            fingerprint: scene.fingerprint.clone(),
            personal: Some(scene.personal.clone()),
            state: self.state.state().clone(),
            audit: Vec::new(),
            labels: Vec::new(),
            earlier: earlier.map(|state| state.state().clone()).collect(),
            unreadable: Vec::new(),
        }
    }
}

impl Hash for World {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        (&self.state, &self.earlier).hash(hasher);
        (self.available, self.mails).hash(hasher);
        (&self.review_token, &self.waiting).hash(hasher);
        (self.cancel_was_accepted, self.captured_after_cancel).hash(hasher);
        self.now.as_millisecond().hash(hasher);
        for booked in &self.payments {
            (&booked.key, booked.attempt, &booked.payment.reference).hash(hasher);
            let made_at = booked.payment.made_at.map(Timestamp::as_millisecond);
            let refunded = booked.refunded.map(Money::minor);
            (made_at, refunded).hash(hasher);
            let (word, amount) = match &booked.payment.state {
                PaymentState::Held(amount) => (0_u8, amount.minor()),
                PaymentState::Captured(amount) => (1, amount.minor()),
                PaymentState::Voided => (2, 0),
                PaymentState::Declined(_) => (3, 0),
                PaymentState::Pending => (4, 0),
            };
            (word, amount).hash(hasher);
        }
        // A label is made as its place in the books says.
        for label in &self.labels {
            (&label.reference, label.is_void, label.is_used).hash(hasher);
        }
    }
}
