//! A port whose calls can be lost on their way, or be the last thing that a function does.
//!
//! The points where that may happen are the calls of the code under test, in their order. So a
//! test can enumerate them: the first call, then the second, until an order gets through without
//! reaching the call that was to fail.

use std::collections::BTreeMap;
use std::future::{Future, pending};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use domain::ledger::{Authorization, Effect, Unbooking};
use domain::ports::{
    AddressCheck, AuthorizeRequest, BookRequest, Booked, Cancellation, Carrier, Catalogue, Claimed,
    Decided, Deliverability, FindRequest, GivenBack, Invocation, Mailer, Message, Operators,
    Orders, Payment, PaymentProvider, ProviderError, Record, Reserved, Stock, StoreError,
    TaskTokens, Voiding,
};
use domain::{
    Address, AuditEvent, Decision, Failure, Goods, Label, Line, Money, Order, OrderId, OrderState,
    Sku, StepError, Timestamp,
};
use tokio::sync::Notify;

/// What happens at one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The function is stopped before the call. It goes on only if somebody wakes it.
    CrashBefore,
    /// The call is made, and the function stopped before it hears the answer.
    CrashAfter,
    /// The call is not made, and the caller knows.
    NotMade,
    /// The call is not made, and the caller does not know.
    RequestLost,
    /// The call is made, and the caller does not hear what came of it.
    AnswerLost,
}

impl Fault {
    /// Every way to stop.
    pub const CRASHES: [Self; 2] = [Self::CrashBefore, Self::CrashAfter];
    /// Every way to fail.
    pub const LOSSES: [Self; 3] = [Self::NotMade, Self::RequestLost, Self::AnswerLost];

    /// Whether what was asked for happens.
    #[must_use]
    pub const fn acts(self) -> bool {
        match self {
            Self::CrashAfter | Self::AnswerLost => true,
            Self::CrashBefore | Self::NotMade | Self::RequestLost => false,
        }
    }
}

/// Which call fails, and what was called so far. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Plan(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    calls: Mutex<Calls>,
    stopped: Notify,
    woken: Notify,
}

#[derive(Debug, Default)]
struct Calls {
    made: Vec<String>,
    fault: Option<(Fault, usize)>,
    database_asked: usize,
    round_trips: usize,
    search_is_behind: bool,
    providers_are_out_of_reach: bool,
}

impl Plan {
    /// The call `at`, counted from 0, fails.
    #[must_use]
    pub fn new(fault: Fault, at: usize) -> Self {
        let plan = Self::default();
        plan.calls().fault = Some((fault, at));
        plan
    }

    /// The call that the fault hit; `None` if it was not reached.
    #[must_use]
    pub fn hit(&self) -> Option<String> {
        let calls = self.calls();
        calls.fault.and_then(|(_, at)| calls.made.get(at)).cloned()
    }

    /// How many times the function waited for the database: calls at the same time count once.
    #[must_use]
    pub fn round_trips(&self) -> usize {
        self.calls().round_trips
    }

    /// Every call, in the order in which they began: `["claim authorize", "load", …]`.
    #[must_use]
    pub fn made(&self) -> Vec<String> {
        self.calls().made.clone()
    }

    /// Done when the function is stopped.
    pub async fn stopped(&self) {
        self.0.stopped.notified().await;
    }

    /// Lets a stopped function go on.
    pub fn wake(&self) {
        self.0.woken.notify_one();
    }

    /// A function that is woken now stops again in front of its next provider, for good: it was ended
    /// long ago, and only what it had sent to the database may still arrive.
    pub fn keep_from_providers(&self) {
        self.calls().providers_are_out_of_reach = true;
    }

    /// The payment provider's search finds nothing: it lags behind what was done.
    pub fn keep_search_behind(&self) {
        self.calls().search_is_behind = true;
    }

    fn calls(&self) -> MutexGuard<'_, Calls> {
        self.0.calls.lock().expect("a lock")
    }

    async fn stop(&self) {
        self.0.stopped.notify_one();
        self.0.woken.notified().await;
    }

    async fn io<T, E: Lost>(
        &self,
        name: String,
        call: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let Begun::As(fault) = self.begin::<E>(name) else {
            self.0.stopped.notify_one();
            return pending().await;
        };
        if fault == Some(Fault::CrashBefore) {
            self.stop().await;
            if !E::OF_THE_DATABASE && self.calls().providers_are_out_of_reach {
                self.0.stopped.notify_one();
                return pending().await;
            }
        }
        let answer = match fault {
            None | Some(Fault::CrashBefore | Fault::CrashAfter) => call.await,
            Some(Fault::NotMade) => Err(E::not_made()),
            Some(Fault::RequestLost) => Err(E::lost()),
            Some(Fault::AnswerLost) => {
                // Whatever it was.
                let _ = call.await;
                Err(E::lost())
            }
        };
        if fault == Some(Fault::CrashAfter) {
            self.stop().await;
        }
        self.end::<E>();
        answer
    }

    fn begin<E: Lost>(&self, name: String) -> Begun {
        let mut calls = self.calls();
        let here = calls.made.len();
        calls.made.push(name);
        if E::OF_THE_DATABASE {
            if calls.database_asked == 0 {
                calls.round_trips += 1;
            }
            calls.database_asked += 1;
        } else if calls.providers_are_out_of_reach {
            return Begun::Stopped;
        }
        let fault = calls.fault.filter(|(_, at)| *at == here);
        Begun::As(fault.map(|(fault, _)| fault))
    }

    fn end<E: Lost>(&self) {
        if E::OF_THE_DATABASE {
            self.calls().database_asked -= 1;
        }
    }
}

/// How a call goes on.
enum Begun {
    Stopped,
    As(Option<Fault>),
}

/// How a port says that there is no answer.
trait Lost {
    const OF_THE_DATABASE: bool;
    fn not_made() -> Self;
    fn lost() -> Self;
}

impl Lost for StoreError {
    const OF_THE_DATABASE: bool = true;
    fn not_made() -> Self {
        Self::Unavailable("the test did not ask it".to_owned())
    }
    fn lost() -> Self {
        Self::Unavailable("the test lost a message".to_owned())
    }
}

impl Lost for ProviderError {
    const OF_THE_DATABASE: bool = false;
    fn not_made() -> Self {
        Self::Unavailable("the test did not ask".to_owned())
    }
    fn lost() -> Self {
        Self::Unknown("the test lost a message".to_owned())
    }
}

/// A port that works as planned.
#[derive(Debug)]
pub struct Faulty<T> {
    inner: Arc<T>,
    plan: Plan,
}

impl<T> Faulty<T> {
    /// `inner`, but as `plan` has it.
    #[must_use]
    pub fn new(inner: &Arc<T>, plan: &Plan) -> Self {
        Self {
            inner: inner.clone(),
            plan: plan.clone(),
        }
    }

    // Boxed: the SDK's futures are large, and a test's stack is small.
    async fn io<A, E: Lost>(
        &self,
        name: &str,
        call: impl Future<Output = Result<A, E>>,
    ) -> Result<A, E> {
        self.plan.io(name.to_owned(), Box::pin(call)).await
    }

    async fn io_of<F: Effect, A, E: Lost>(
        &self,
        name: &str,
        call: impl Future<Output = Result<A, E>>,
    ) -> Result<A, E> {
        let name = format!("{name} {}", F::NAME);
        self.plan.io(name, Box::pin(call)).await
    }
}

impl<T: Orders> Orders for Faulty<T> {
    async fn load(&self, order_id: &OrderId) -> Result<Option<Record>, StoreError> {
        self.io("load", self.inner.load(order_id)).await
    }
    async fn claim<E: Effect>(&self, by: &Invocation) -> Result<Claimed<E::Outcome>, StoreError> {
        self.io_of::<E, _, _>("claim", self.inner.claim::<E>(by))
            .await
    }
    async fn commit<E: Effect>(
        &self,
        by: &Invocation,
        outcome: E::Outcome,
    ) -> Result<OrderState, StoreError> {
        self.io_of::<E, _, _>("commit", self.inner.commit::<E>(by, outcome))
            .await
    }
    async fn withdraw<E: Effect>(&self, by: &Invocation) -> Result<(), StoreError> {
        self.io_of::<E, _, _>("withdraw", self.inner.withdraw::<E>(by))
            .await
    }
    async fn relinquish<E: Effect>(&self, by: &Invocation) -> Result<(), StoreError> {
        self.io_of::<E, _, _>("relinquish", self.inner.relinquish::<E>(by))
            .await
    }
    async fn refuse<E: Effect>(&self, by: &Invocation, said: &str) -> Result<(), StoreError> {
        self.io_of::<E, _, _>("refuse", self.inner.refuse::<E>(by, said))
            .await
    }
    async fn settle<E: Effect>(
        &self,
        by: &Invocation,
        outcome: E::Outcome,
        event: &AuditEvent,
    ) -> Result<(), StoreError> {
        self.io_of::<E, _, _>("settle", self.inner.settle::<E>(by, outcome, event))
            .await
    }
    async fn give_back<E: Effect>(&self, by: &Invocation) -> Result<(), StoreError> {
        self.io_of::<E, _, _>("give_back", self.inner.give_back::<E>(by))
            .await
    }
    async fn note_label(
        &self,
        order_id: &OrderId,
        attempt: u32,
        label: &Label,
    ) -> Result<(), StoreError> {
        let noted = self.inner.note_label(order_id, attempt, label);
        self.io("note_label", noted).await
    }
    async fn replace_hold(
        &self,
        by: &Invocation,
        lapsed: &str,
        renewed: &Authorization,
    ) -> Result<(), StoreError> {
        self.io("replace_hold", self.inner.replace_hold(by, lapsed, renewed))
            .await
    }
    async fn begin_reversal(
        &self,
        by: &Invocation,
        failure: Failure,
    ) -> Result<Claimed<Unbooking>, StoreError> {
        self.io("begin_reversal", self.inner.begin_reversal(by, failure))
            .await
    }
    async fn request_cancel(
        &self,
        order_id: &OrderId,
        now: Timestamp,
    ) -> Result<Cancellation, StoreError> {
        self.io("request_cancel", self.inner.request_cancel(order_id, now))
            .await
    }
    async fn open_review(
        &self,
        by: &Invocation,
        token: &str,
    ) -> Result<Result<(), OrderState>, StoreError> {
        self.io("open_review", self.inner.open_review(by, token))
            .await
    }
    async fn decide_review(
        &self,
        order_id: &OrderId,
        decision: Decision,
        event: &AuditEvent,
    ) -> Result<Decided, StoreError> {
        let decide = self.inner.decide_review(order_id, decision, event);
        self.io("decide_review", decide).await
    }
}

impl<T: Catalogue> Catalogue for Faulty<T> {
    async fn goods(&self, lines: &[Line]) -> Result<BTreeMap<Sku, Goods>, StoreError> {
        self.io("goods", self.inner.goods(lines)).await
    }
}

impl<T: Stock> Stock for Faulty<T> {
    async fn reserve(
        &self,
        by: &Invocation,
        order: &Order,
        review: bool,
    ) -> Result<Reserved, StoreError> {
        self.io("reserve", self.inner.reserve(by, order, review))
            .await
    }
    async fn release_and_close(
        &self,
        by: &Invocation,
        lines: &[Line],
        state: OrderState,
    ) -> Result<OrderState, StoreError> {
        let release = self.inner.release_and_close(by, lines, state);
        self.io("release_and_close", release).await
    }
}

impl<T: PaymentProvider> PaymentProvider for Faulty<T> {
    const KEYS_ARE_KEPT: Duration = T::KEYS_ARE_KEPT;

    async fn authorize(
        &self,
        key: &str,
        request: AuthorizeRequest<'_>,
    ) -> Result<Payment, ProviderError> {
        self.io("authorize", self.inner.authorize(key, request))
            .await
    }
    async fn find(&self, request: FindRequest<'_>) -> Result<Option<Payment>, ProviderError> {
        let found = self.io("find a payment", self.inner.find(request)).await?;
        let behind = self.plan.calls().search_is_behind;
        Ok(found.filter(|_| !behind))
    }
    async fn get(&self, reference: &str) -> Result<Payment, ProviderError> {
        self.io("get", self.inner.get(reference)).await
    }
    async fn capture(
        &self,
        key: &str,
        reference: &str,
        amount: Money,
    ) -> Result<Payment, ProviderError> {
        self.io("capture", self.inner.capture(key, reference, amount))
            .await
    }
    async fn void(&self, key: &str, reference: &str) -> Result<Payment, ProviderError> {
        self.io("void", self.inner.void(key, reference)).await
    }
    async fn refund(
        &self,
        key: &str,
        reference: &str,
        amount: Money,
    ) -> Result<String, ProviderError> {
        self.io("refund", self.inner.refund(key, reference, amount))
            .await
    }
    async fn given_back(
        &self,
        reference: &str,
        captured: Money,
    ) -> Result<GivenBack, ProviderError> {
        let given_back = self.inner.given_back(reference, captured);
        self.io("given back", given_back).await
    }
}

impl<T: AddressCheck> AddressCheck for Faulty<T> {
    async fn check(&self, address: &Address) -> Result<Deliverability, ProviderError> {
        self.io("check an address", self.inner.check(address)).await
    }
}

impl<T: Carrier> Carrier for Faulty<T> {
    async fn book(&self, request: BookRequest<'_>) -> Result<Booked, ProviderError> {
        self.io("book", self.inner.book(request)).await
    }
    async fn find(&self, reference: &str) -> Result<Option<Label>, ProviderError> {
        self.io("find a label", self.inner.find(reference)).await
    }
    async fn find_all(&self, reference: &str) -> Result<Vec<Label>, ProviderError> {
        self.io("find a label", self.inner.find_all(reference))
            .await
    }
    async fn document(&self, label: &str) -> Result<Option<String>, ProviderError> {
        self.io("document", self.inner.document(label)).await
    }
    async fn cancel(&self, label: &str) -> Result<Voiding, ProviderError> {
        self.io("cancel", self.inner.cancel(label)).await
    }
}

impl<T: Mailer> Mailer for Faulty<T> {
    async fn send(&self, message: Message) -> Result<String, ProviderError> {
        self.io("send", self.inner.send(message)).await
    }
}

impl<T: Operators> Operators for Faulty<T> {
    async fn notify(&self, subject: &str, text: &str) -> Result<(), ProviderError> {
        self.io("notify operators", self.inner.notify(subject, text))
            .await
    }
}

impl<T: TaskTokens> TaskTokens for Faulty<T> {
    async fn proceed(&self, token: &str) -> Result<(), ProviderError> {
        self.io("proceed", self.inner.proceed(token)).await
    }
    async fn give_up(&self, token: &str, error: &StepError) -> Result<(), ProviderError> {
        self.io("give_up", self.inner.give_up(token, error)).await
    }
}
