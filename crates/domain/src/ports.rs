//! What the steps need from outside, and what an adapter must promise.

use std::collections::BTreeMap;
use std::future::Future;
use std::time::Duration;

use jiff::Timestamp;

use crate::audit::AuditEvent;
use crate::books::{BookPage, DisputePage, Named, Posting, RefundPage};
use crate::catalogue::Goods;
use crate::label::Label;
use crate::ledger::{Authorization, Booking, Effect, Unbooking};
use crate::order::{Address, Fingerprint, Line, Order, PersonalData};
use crate::parcel::Parcels;
use crate::state::{Decision, Failure, OrderState};
use crate::{Money, OrderId, PaymentMeans, Sku, StepError};

/// Why the database could not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// No answer, throttled, or a conflict with a concurrent write: the same call may succeed
    /// later. Whether a write happened is unknown.
    #[error("the database is not available: {0}")]
    Unavailable(String),
    /// There is no such order.
    #[error("there is no order {0}")]
    NotFound(OrderId),
    /// What is stored cannot be read, or the database refused the request itself: a defect or a
    /// wrong setting.
    #[error("the database and this program do not understand each other: {0}")]
    Defect(String),
}

/// Who works, for which attempt of which order, and until when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invocation {
    /// The order.
    pub order_id: OrderId,
    /// The attempt of the order.
    pub attempt: u32,
    /// Unique to this invocation.
    pub owner: String,
    /// When the function is killed: its claims' leases end then.
    pub deadline: Timestamp,
    /// When it began.
    pub now: Timestamp,
}

impl Invocation {
    /// How long it may still work.
    #[must_use]
    pub fn time_left(&self) -> Duration {
        let left = self.deadline.duration_since(self.now);
        Duration::try_from(left).unwrap_or(Duration::ZERO)
    }
}

/// Everything stored of an order, but its operators' tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// What was ordered.
    pub order: Order,
    /// Of the document.
    pub fingerprint: Fingerprint,
    /// For whom; `None` once it was erased.
    pub personal: Option<PersonalData>,
    /// How far it has come.
    pub state: OrderState,
    /// What people and the monitor did about it, oldest first.
    pub audit: Vec<AuditEvent>,
    /// What earlier attempts have come to, oldest first.
    pub earlier: Vec<OrderState>,
    /// The labels that were bought, oldest first. One may be missing: noting it must not fail the booking.
    pub labels: Vec<Label>,
    /// The names of items that this version cannot read, because another one wrote them. Nothing that a
    /// step decides by is ever among them.
    pub unreadable: Vec<String>,
}

impl Record {
    /// What is known of the label that the ledger has. `None` if it has none, or if that was not noted.
    #[must_use]
    pub fn label(&self) -> Option<&Label> {
        let Some(Booking::Booked { label: id, .. }) = self.state.book.as_ref()?.outcome() else {
            return None;
        };
        self.labels.iter().find(|label| label.id == *id)
    }
}

/// The claim on an effect.
#[derive(Debug, Clone, PartialEq)]
pub enum Claimed<T> {
    /// It is this invocation's to perform.
    Perform {
        /// The state with the claim in it.
        state: OrderState,
        /// When somebody first claimed it, if its outcome is unknown: ask the provider first.
        unknown_since: Option<Timestamp>,
    },
    /// It is done; this came of it.
    Done {
        /// The state as it is.
        state: OrderState,
        /// What came of it.
        outcome: T,
    },
    /// It must not happen, or not now.
    Refused(StepError),
}

/// What is wrong with one line of an order.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LineProblem {
    /// The catalogue has no such article.
    #[error("{0} is not in the catalogue")]
    Unknown(Sku),
    /// The catalogue has another price.
    #[error("{sku} costs {catalogue}, not {offered}")]
    Price {
        /// The article.
        sku: Sku,
        /// What it costs.
        catalogue: Money,
        /// What the order says.
        offered: Money,
    },
    /// There is not enough of it.
    #[error("{sku}: {available} left, {wanted} wanted")]
    SoldOut {
        /// The article.
        sku: Sku,
        /// Pieces that can be sold.
        available: u64,
        /// Pieces ordered.
        wanted: u32,
    },
}

/// What became of reserving an order's stock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reserved {
    /// Every line is reserved, now or before.
    All,
    /// No line of this call is reserved: these are the reasons.
    Problems(Vec<LineProblem>),
    /// The order does not stand where stock can be reserved.
    Refused(StepError),
}

/// What became of asking for a cancellation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cancellation {
    /// It is asked for; the next step's claim sees it. `review` is the task token of a review that
    /// waits, to be ended at once.
    Requested {
        /// The token of a waiting review.
        review: Option<String>,
    },
    /// It is too late: why.
    Refused(&'static str),
}

/// What became of a reviewer's decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decided {
    /// It is on record (now, or the same one before): wake the execution with this token.
    Recorded {
        /// The task token that the execution waits with. `None` if it has not come to ask yet: when
        /// it does, it finds the decision.
        token: Option<String>,
    },
    /// The order does not wait for a review: why.
    Refused(String),
}

/// The orders and their ledger.
///
/// Every write MUST be conditional, raise the version, and be safe to repeat when its answer was
/// lost. Nothing here may overwrite what another owner wrote.
pub trait Orders: Send + Sync {
    /// Reads an order, consistently. `None` if there is none.
    fn load(
        &self,
        order_id: &OrderId,
    ) -> impl Future<Output = Result<Option<Record>, StoreError>> + Send;

    /// Claims effect `E` as [`crate::ledger::admit`] says, in one write if nobody claimed it yet.
    fn claim<E: Effect>(
        &self,
        by: &Invocation,
    ) -> impl Future<Output = Result<Claimed<E::Outcome>, StoreError>> + Send;

    /// Commits what came of an effect that this invocation claimed.
    ///
    /// MUST fail with [`StoreError::Unavailable`] if another owner has taken the claim over: the
    /// retry finds that one's outcome.
    fn commit<E: Effect>(
        &self,
        by: &Invocation,
        outcome: E::Outcome,
    ) -> impl Future<Output = Result<OrderState, StoreError>> + Send;

    /// Takes back a claim under which certainly nothing was done, as if it had never been made.
    fn withdraw<E: Effect>(
        &self,
        by: &Invocation,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Ends the lease of a claim whose outcome stays unknown, so that a successor need not wait.
    fn relinquish<E: Effect>(
        &self,
        by: &Invocation,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Notes what the provider said that no retry changes, on a claim of this invocation's, and ends its
    /// lease; see [`crate::ledger::Claim::refused`].
    fn refuse<E: Effect>(
        &self,
        by: &Invocation,
        said: &str,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Commits the outcome of an undo that this invocation claimed and a person has settled, together
    /// with who says so and why.
    ///
    /// MUST fail with [`StoreError::Unavailable`] if another owner has taken the claim over, and write
    /// neither then.
    fn settle<E: Effect>(
        &self,
        by: &Invocation,
        outcome: E::Outcome,
        event: &AuditEvent,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Keeps what is known of the label that was bought under the number of this attempt, beside the ledger. What is
    /// kept of a label stays as it was first noted.
    fn note_label(
        &self,
        order_id: &OrderId,
        attempt: u32,
        label: &Label,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Ends the lease of a claim that was taken over and under which only the provider was asked: it is
    /// again as old as when it was taken over.
    fn give_back<E: Effect>(
        &self,
        by: &Invocation,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Puts `renewed`, which holds the money anew, in the place of the payment `lapsed`, whose hold has
    /// lapsed. Only for the owner of the claim on the capture.
    ///
    /// MUST fail with [`StoreError::Unavailable`] if the claim or the hold is another one by now.
    fn replace_hold(
        &self,
        by: &Invocation,
        lapsed: &str,
        renewed: &Authorization,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Notes why the order is to be reversed, unless a reason is noted; the first one stands.
    /// From then on no forward effect is admitted. The same write claims the first undo.
    ///
    /// Of an order whose cancellation was accepted, MUST note [`Failure::after_cancellation`].
    fn begin_reversal(
        &self,
        by: &Invocation,
        failure: Failure,
    ) -> impl Future<Output = Result<Claimed<Unbooking>, StoreError>> + Send;

    /// Asks for the order to be cancelled, unless its capture was claimed.
    fn request_cancel(
        &self,
        order_id: &OrderId,
        now: Timestamp,
    ) -> impl Future<Output = Result<Cancellation, StoreError>> + Send;

    /// Notes the token that a waiting review continues with; a later one replaces it.
    ///
    /// MUST note nothing and return the state if the order does not wait for a review (any more).
    fn open_review(
        &self,
        by: &Invocation,
        token: &str,
    ) -> impl Future<Output = Result<Result<(), OrderState>, StoreError>> + Send;

    /// Puts a reviewer's decision on record.
    fn decide_review(
        &self,
        order_id: &OrderId,
        decision: Decision,
        event: &AuditEvent,
    ) -> impl Future<Output = Result<Decided, StoreError>> + Send;
}

/// What the shop sells.
pub trait Catalogue: Send + Sync {
    /// What has to be known of the articles of these lines to ship them. One that is not in the catalogue is
    /// left out.
    fn goods(
        &self,
        lines: &[Line],
    ) -> impl Future<Output = Result<BTreeMap<Sku, Goods>, StoreError>> + Send;
}

/// The catalogue and its stock.
pub trait Stock: Send + Sync {
    /// Checks price and stock of every line and reserves all of them or none. In the same write
    /// the order moves on: for a person to look at if `review`, else to where money may move.
    fn reserve(
        &self,
        by: &Invocation,
        order: &Order,
        review: bool,
    ) -> impl Future<Output = Result<Reserved, StoreError>> + Send;

    /// Gives back exactly what the order in `state` has reserved and closes it: the last undo.
    /// Does nothing to an order that is closed. MUST fail with [`StoreError::Defect`] and change nothing
    /// while something else stands of it ([`crate::ledger::undone`]).
    fn release_and_close(
        &self,
        by: &Invocation,
        lines: &[Line],
        state: OrderState,
    ) -> impl Future<Output = Result<OrderState, StoreError>> + Send;
}

/// Why a provider did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProviderError {
    /// It certainly did nothing: no connection, or it said so. The same call may succeed later.
    #[error("{0}")]
    Unavailable(String),
    /// Nobody knows whether it acted: no answer, or one that does not tell. Ask before acting again.
    #[error("{0}; the outcome is unknown")]
    Unknown(String),
    /// It refuses the request as such: a defect or a wrong setting of ours.
    #[error("{0}")]
    Defect(String),
}

/// A payment as the provider knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payment {
    /// The provider's reference. Empty if the provider refused to make one.
    pub reference: String,
    /// When the provider made it: a hold of its money is at most as old. `None` if it tells no such thing.
    pub made_at: Option<Timestamp>,
    /// Where it stands.
    pub state: PaymentState,
}

/// Where a payment stands at the provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PaymentState {
    /// So much money is held.
    Held(Money),
    /// So much money is ours.
    Captured(Money),
    /// The money is no longer held.
    Voided,
    /// The bank said no: the provider's code.
    Declined(String),
    /// The provider is still at it.
    Pending,
}

/// What to hold, and where to find it again.
#[derive(Debug, Clone)]
pub struct AuthorizeRequest<'a> {
    /// The order, to find the payment again.
    pub order_id: &'a OrderId,
    /// The attempt of the order, to find the payment again.
    pub attempt: u32,
    /// How much.
    pub amount: Money,
    /// The customer's means of payment.
    pub means: &'a PaymentMeans,
    /// A payment that was made before cannot be relied on for long enough, and is not taken over.
    pub not_before: Timestamp,
}

/// A payment that is looked for.
#[derive(Debug, Clone, Copy)]
pub struct FindRequest<'a> {
    /// The order that it is for.
    pub order_id: &'a OrderId,
    /// The attempt of the order.
    pub attempt: u32,
    /// The customer's means of payment, if they are still known: they name a payment that was taken over.
    pub means: Option<&'a PaymentMeans>,
    /// When it was asked for at the earliest, by this program's clock.
    pub since: Timestamp,
    /// When it was made at the latest, by this program's clock: what was made later is not looked through.
    pub until: Timestamp,
}

/// What of a captured payment went back so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GivenBack {
    /// How much, in all.
    pub amount: Money,
    /// The provider's reference of the last refund that counts.
    pub last: Option<String>,
}

/// Takes, keeps and returns the customer's money.
///
/// Every call that acts takes an idempotency key and MUST have one effect for one key.
pub trait PaymentProvider: Send + Sync {
    /// For how long it certainly knows a key after it was first used. Later, an effect of which nobody heard
    /// is looked for by [`Self::find`]; until then the same call under the same key tells what came of it.
    const KEYS_ARE_KEPT: Duration;

    /// Holds the money, or takes over a payment that holds it. MUST NOT capture it, and MUST NOT take
    /// over a payment that another order has, also if both ask at once.
    fn authorize(
        &self,
        key: &str,
        request: AuthorizeRequest<'_>,
    ) -> impl Future<Output = Result<Payment, ProviderError>> + Send;
    /// Finds what was authorised for an attempt of an order, whatever became of it since. If it was
    /// authorised more than once, the payment that still stands.
    ///
    /// MUST NOT answer `None` unless it has seen everything that was made since: a
    /// [`ProviderError::Unavailable`] then. What is still on its way to the provider nobody can see.
    fn find(
        &self,
        request: FindRequest<'_>,
    ) -> impl Future<Output = Result<Option<Payment>, ProviderError>> + Send;
    /// The payment with this reference, as it is now.
    fn get(&self, reference: &str) -> impl Future<Output = Result<Payment, ProviderError>> + Send;
    /// Takes the money that is held. The answer tells where the payment stands now.
    fn capture(
        &self,
        key: &str,
        reference: &str,
        amount: Money,
    ) -> impl Future<Output = Result<Payment, ProviderError>> + Send;
    /// Lets go of money that is held. The answer tells where the payment stands now.
    fn void(
        &self,
        key: &str,
        reference: &str,
    ) -> impl Future<Output = Result<Payment, ProviderError>> + Send;
    /// Gives captured money back until all of `amount` is: what was given back before counts, by
    /// whomever. The provider's reference of the last refund.
    ///
    /// MUST fail with [`ProviderError::Unknown`] while a refund is on its way, and make none then.
    /// One that failed does not count.
    fn refund(
        &self,
        key: &str,
        reference: &str,
        amount: Money,
    ) -> impl Future<Output = Result<String, ProviderError>> + Send;
    /// What went back so far of a payment of which `captured` was taken, by whomever. Gives nothing back.
    ///
    /// MUST fail with [`ProviderError::Unknown`] while a refund is on its way.
    fn given_back(
        &self,
        reference: &str,
        captured: Money,
    ) -> impl Future<Output = Result<GivenBack, ProviderError>> + Send;
}

/// What to ship, and where to find it again.
#[derive(Debug, Clone)]
pub struct BookRequest<'a> {
    /// What was ordered.
    pub order: &'a Order,
    /// Where it goes.
    pub personal: &'a PersonalData,
    /// What is shipped.
    pub parcels: &'a Parcels,
    /// Unique per account: the label is found again by it.
    pub reference: &'a str,
}

/// Books shipments and cancels them.
pub trait Carrier: Send + Sync {
    /// Books one. MUST NOT book a second one under the same reference.
    fn book(
        &self,
        request: BookRequest<'_>,
    ) -> impl Future<Output = Result<Booked, ProviderError>> + Send;
    /// Finds what was booked under a reference and is not cancelled; of several, the first that was booked.
    fn find(
        &self,
        reference: &str,
    ) -> impl Future<Output = Result<Option<Label>, ProviderError>> + Send;
    /// Finds all that was booked under a reference and is not cancelled: somebody else may have booked more, where
    /// the carrier lets them.
    fn find_all(
        &self,
        reference: &str,
    ) -> impl Future<Output = Result<Vec<Label>, ProviderError>> + Send {
        async { Ok(self.find(reference).await?.into_iter().collect()) }
    }
    /// Where the document of a label is to be had for the moment, to be printed. `None` if it is void or there is
    /// none. Whoever has the answer reads the customer's name and address: it MUST NOT be logged or kept.
    fn document(
        &self,
        label: &str,
    ) -> impl Future<Output = Result<Option<String>, ProviderError>> + Send;
    /// Cancels a shipment. MUST succeed if it is cancelled already.
    fn cancel(&self, label: &str) -> impl Future<Output = Result<Voiding, ProviderError>> + Send;
}

/// What came of asking the carrier to book a shipment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Booked {
    /// There is a label.
    Label(Label),
    /// The carrier will not take it.
    Refused {
        /// The carrier's code, such as `invalid_address`.
        code: String,
    },
}

/// What a carrier thinks of an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deliverability {
    /// Nothing speaks against it: it is known, or nobody can tell.
    NotRefuted,
    /// There is no such address.
    Undeliverable {
        /// The carrier's code, such as `address_not_found`. Never the address.
        code: String,
    },
}

/// Tells whether an address is one, before anything is done for the order.
pub trait AddressCheck: Send + Sync {
    /// Looks an address up. MUST NOT answer [`Deliverability::Undeliverable`] for one that the provider only
    /// cannot verify, such as in a country that it does not know.
    fn check(
        &self,
        address: &Address,
    ) -> impl Future<Output = Result<Deliverability, ProviderError>> + Send;
}

/// What came of asking the carrier to cancel a shipment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Voiding {
    /// The label is void.
    Voided,
    /// The carrier does not void it. The parcel may be on its way.
    Refused {
        /// The carrier's code.
        code: String,
        /// Whether it never will, as it says: the label was used, or is too old. A person decides then; else it
        /// is asked again.
        for_good: bool,
    },
}

/// A provider's books, as an auditor reads them: only what carries this environment's name is told.
pub trait Books: Send + Sync {
    /// A page of what was made from `since` on and before `until`. Without a `page` the first one, else the
    /// one that the last answer named. One request to the provider.
    fn page(
        &self,
        since: Timestamp,
        until: Timestamp,
        page: Option<&str>,
    ) -> impl Future<Output = Result<BookPage, ProviderError>> + Send;
    /// One posting as it is now, with what was given back of it. `None` if there is none, or if it is not
    /// this environment's.
    fn posting(
        &self,
        reference: &str,
    ) -> impl Future<Output = Result<Option<Posting>, ProviderError>> + Send;
}

/// What a payment provider's books have of money after it was taken.
pub trait PaymentBooks: Books {
    /// A page of what became of the refunds that were made from `since` on and before `until`. One request to the
    /// provider.
    fn refunds(
        &self,
        since: Timestamp,
        until: Timestamp,
        page: Option<&str>,
    ) -> impl Future<Output = Result<RefundPage, ProviderError>> + Send;
    /// A page of the disputes that began from `since` on and before `until`, as they stand now. One request to the
    /// provider.
    fn disputes(
        &self,
        since: Timestamp,
        until: Timestamp,
        page: Option<&str>,
    ) -> impl Future<Output = Result<DisputePage, ProviderError>> + Send;
    /// Whose a payment is, as its metadata say.
    fn named(&self, reference: &str) -> impl Future<Output = Result<Named, ProviderError>> + Send;
    /// Gives back all that is ours of a payment that was taken: neither what went back already, nor what a bank has
    /// given to its customer.
    ///
    /// # Errors
    /// [`ProviderError::Unknown`] while a refund is on its way.
    fn give_back(
        &self,
        key: &str,
        reference: &str,
    ) -> impl Future<Output = Result<(), ProviderError>> + Send;
}

/// A message to one person.
#[derive(Clone)]
pub struct Message {
    /// To whom.
    pub to: String,
    /// Its subject.
    pub subject: String,
    /// For readers without HTML.
    pub text: String,
    /// For readers with.
    pub html: String,
    /// Ties mail to order in the mail service's events: an order id, nothing personal.
    pub order_id: OrderId,
    /// The execution that sends it: the correlation id that is in every log line about it, too.
    pub execution: String,
}

impl std::fmt::Debug for Message {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Message(order {}, redacted)", self.order_id)
    }
}

/// Sends messages to customers.
pub trait Mailer: Send + Sync {
    /// Hands a message over; its id at the mail service. May have sent it even if it fails.
    fn send(&self, message: Message) -> impl Future<Output = Result<String, ProviderError>> + Send;
}

/// Wakes executions.
pub trait TaskTokens: Send + Sync {
    /// Lets the execution that waits with this token go on; one that waits no more is no error.
    fn proceed(&self, token: &str) -> impl Future<Output = Result<(), ProviderError>> + Send;
    /// Ends the waiting task with this error; one that waits no more is no error.
    fn give_up(
        &self,
        token: &str,
        error: &StepError,
    ) -> impl Future<Output = Result<(), ProviderError>> + Send;
}

/// Notifies the operators.
pub trait Operators: Send + Sync {
    /// Publishes a notice without personal data.
    fn notify(
        &self,
        subject: &str,
        text: &str,
    ) -> impl Future<Output = Result<(), ProviderError>> + Send;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{at, booked, not_booked, received, record};

    fn label(id: &str) -> Label {
        Label {
            id: id.to_owned(),
            carrier: "usps".to_owned(),
            tracking: "9400".to_owned(),
            cost: None,
            request: None,
            parcels: Vec::new(),
        }
    }

    #[test]
    fn there_is_time_until_the_deadline_and_never_less_than_none() {
        let left = |now| {
            let by = Invocation {
                order_id: received().order_id,
                attempt: 1,
                owner: "me".to_owned(),
                deadline: at(10),
                now: at(now),
            };
            by.time_left()
        };
        assert_eq!(left(4), Duration::from_secs(6));
        assert_eq!(left(10), Duration::ZERO);
        assert_eq!(left(11), Duration::ZERO);
    }

    #[test]
    fn of_all_labels_the_orders_is_the_one_that_its_ledger_has() {
        let labels = vec![label("se-0"), label("se-1")];
        let with = |book| {
            let state = OrderState { book, ..received() };
            let labels = labels.clone();
            Record {
                labels,
                ..record(state)
            }
        };
        assert_eq!(with(booked()).label(), Some(&labels[1]));
        assert_eq!(with(not_booked()).label(), None);
        assert_eq!(with(None).label(), None);
        assert_eq!(
            labels[1].booking(),
            Booking::Booked {
                label: "se-1".to_owned(),
                carrier: "usps".to_owned(),
                tracking: "9400".to_owned(),
            }
        );
    }

    #[test]
    fn a_message_is_shown_without_what_is_in_it() {
        let secret = || "Ada <ada@example.com>".to_owned();
        let message = Message {
            to: secret(),
            subject: secret(),
            text: secret(),
            html: secret(),
            order_id: received().order_id,
            execution: "ord-1-1".to_owned(),
        };
        assert_eq!(format!("{message:?}"), "Message(order ord-1, redacted)");
    }
}
