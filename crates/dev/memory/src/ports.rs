//! The ports, on a world that somebody else keeps.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use domain::ledger::{
    Admission, Authorization, Booking, Capture, Effect, Entry, Gate, Unbook, Unbooking, admit,
    current_attempt, pass, undone,
};
use domain::ports::{
    AddressCheck, AuthorizeRequest, BookRequest, Booked, Cancellation, Carrier, Catalogue, Claimed,
    Decided, Deliverability, FindRequest, GivenBack, Invocation, Mailer, Message, Operators,
    Orders, Payment, PaymentProvider, ProviderError, Record, Reserved, Stock, StoreError,
    TaskTokens, Voiding,
};
use domain::{
    Address, AuditEvent, Decision, ErrorName, Failure, Goods, Label, Line, Money, Order, OrderId,
    OrderState, Sku, Stage, StepError, Timestamp,
};

use crate::answer::{Answer, Call, Lost, Mood, Said, Whom};
use crate::bug::Bug;
use crate::world::{Scene, Snapshot, World};

/// How a request reaches the world.
pub trait Wire: Send + Sync {
    /// Sends a request, and hears what came of it. `act` is what it does when it arrives.
    fn send(
        &self,
        call: Call,
        act: impl FnOnce(&mut World, Mood) -> Said + Send,
    ) -> impl Future<Output = Answer> + Send;

    /// What never changes about the world.
    fn scene(&self) -> &Arc<Scene>;
}

/// All ports, over one wire.
#[derive(Debug)]
pub struct Ports<W>(Arc<W>);

impl<W> Clone for Ports<W> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

enum Written {
    Yes(OrderState),
    No(OrderState),
}

impl<W: Wire> Ports<W> {
    /// Over this wire.
    pub fn new(wire: Arc<W>) -> Self {
        Self(wire)
    }

    /// Whether a person decides about the order before money is held.
    #[must_use]
    pub fn is_reviewed(&self) -> bool {
        self.0.scene().is_reviewed
    }

    /// Whether this is planted.
    #[must_use]
    pub fn has(&self, bug: Bug) -> bool {
        self.0.scene().bug == Some(bug)
    }

    async fn ask(
        &self,
        verb: &'static str,
        effect: &'static str,
        act: impl FnOnce(&mut World) -> Said + Send,
    ) -> Result<Said, StoreError> {
        let call = Call::new(Whom::Database, verb, effect);
        let answer = self.0.send(call, |world, _| act(world)).await;
        // Of a write nobody knows whether it happened.
        answer.map_err(|_| StoreError::Unavailable("no answer".to_owned()))
    }

    async fn write(
        &self,
        verb: &'static str,
        effect: &'static str,
        act: impl FnOnce(&mut World) -> Said + Send,
    ) -> Result<Written, StoreError> {
        match self.ask(verb, effect, act).await? {
            Said::Written(state) => Ok(Written::Yes(owned(&state))),
            Said::NotWritten(state) => Ok(Written::No(owned(&state))),
            said => Err(senseless(&said)),
        }
    }

    /// As the store does: what the first write came to, with a second one if a lease has run out.
    async fn claimed<E: Effect>(
        &self,
        by: &Invocation,
        written: Written,
    ) -> Result<Claimed<E::Outcome>, StoreError> {
        let old = match written {
            Written::Yes(state) => {
                return Ok(Claimed::Perform {
                    state,
                    unknown_since: None,
                });
            }
            Written::No(old) => old,
        };
        match admit::<E>(&old, by.attempt, &by.owner, by.now) {
            Admission::Own => {
                let claim = match E::entry(&old) {
                    Some(Entry::Open(claim)) => Some(claim),
                    Some(Entry::Done { .. }) | None => None,
                };
                let taken_over = claim.filter(|claim| claim.tried_until.is_some());
                Ok(Claimed::Perform {
                    unknown_since: taken_over.map(|claim| claim.since),
                    state: old,
                })
            }
            Admission::TakeOver(open) => {
                let take = |world: &mut World| world.take_over::<E>(by, &open.owner);
                match self.write("take over", E::NAME, take).await? {
                    Written::Yes(state) => Ok(Claimed::Perform {
                        state,
                        unknown_since: Some(open.since)
                            .filter(|_| !self.has(Bug::TakeOverLooksFresh)),
                    }),
                    Written::No(_) => Err(overtaken(E::NAME)),
                }
            }
            Admission::Busy(_) | Admission::Fresh => Err(overtaken(E::NAME)),
            Admission::Done(outcome) => Ok(Claimed::Done {
                state: old,
                outcome,
            }),
            Admission::Refused(error) => Ok(Claimed::Refused(error)),
        }
    }

    async fn note_failure(
        &self,
        by: &Invocation,
        failure: &Failure,
        cancelled: bool,
    ) -> Result<Written, StoreError> {
        let forgets = self.has(Bug::CancellationForgotten);
        let failure = failure.clone();
        let begin = move |world: &mut World| {
            let cancelled = cancelled || forgets && world.state.state().cancel.is_some();
            world.begin_reversal(by, failure, cancelled)
        };
        let verb = if cancelled {
            "note the cancellation with"
        } else {
            "note the failure with"
        };
        self.write(verb, Unbook::NAME, begin).await
    }

    /// What a review that waits goes on with.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn review_token(&self) -> Result<Option<String>, StoreError> {
        let look = |world: &mut World| Said::Token(world.review_token.clone());
        match self.ask("token", "", look).await? {
            Said::Token(token) => Ok(token),
            said => Err(senseless(&said)),
        }
    }

    /// Begins a new attempt with the state `fresh`, from the state that was read.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn begin_attempt(
        &self,
        last: &OrderState,
        fresh: OrderState,
    ) -> Result<bool, StoreError> {
        let version = last.version;
        let begin = |world: &mut World| world.begin_attempt(version, fresh);
        let written = self.write("begin an attempt", "", begin).await?;
        Ok(matches!(written, Written::Yes(_)))
    }
}

fn owned(state: &Snapshot) -> OrderState {
    state.state().clone()
}

fn overtaken(what: &str) -> StoreError {
    StoreError::Unavailable(format!("another invocation is at work on {what}"))
}

fn senseless(said: &Said) -> StoreError {
    StoreError::Defect(format!("an answer that makes no sense: {said:?}"))
}

impl<W: Wire> Orders for Ports<W> {
    /// What is kept of a label beside the ledger decides nothing, and is not modelled.
    async fn note_label(&self, _: &OrderId, _: u32, _: &Label) -> Result<(), StoreError> {
        Ok(())
    }

    async fn load(&self, _: &OrderId) -> Result<Option<Record>, StoreError> {
        match self.ask("load", "", |world| world.load()).await? {
            Said::Record(recorded) => Ok(Some(recorded.in_scene(self.0.scene()))),
            said => Err(senseless(&said)),
        }
    }

    async fn claim<E: Effect>(&self, by: &Invocation) -> Result<Claimed<E::Outcome>, StoreError> {
        let claim = |world: &mut World| world.claim_fresh::<E>(by);
        let written = self.write("claim", E::NAME, claim).await?;
        self.claimed::<E>(by, written).await
    }

    async fn commit<E: Effect>(
        &self,
        by: &Invocation,
        outcome: E::Outcome,
    ) -> Result<OrderState, StoreError> {
        let same = outcome.clone();
        let commit = |world: &mut World| world.commit::<E>(by, outcome);
        match self.write("commit", E::NAME, commit).await? {
            Written::Yes(state) => Ok(state),
            Written::No(old) if E::entry(&old).and_then(Entry::outcome) == Some(&same) => Ok(old),
            Written::No(_) => Err(overtaken(E::NAME)),
        }
    }

    async fn withdraw<E: Effect>(&self, by: &Invocation) -> Result<(), StoreError> {
        let withdraw = |world: &mut World| world.withdraw::<E>(by);
        self.write("withdraw", E::NAME, withdraw).await.map(drop)
    }

    async fn relinquish<E: Effect>(&self, by: &Invocation) -> Result<(), StoreError> {
        let relinquish = |world: &mut World| world.relinquish::<E>(by);
        let written = self.write("relinquish", E::NAME, relinquish);
        written.await.map(drop)
    }

    async fn refuse<E: Effect>(&self, by: &Invocation, said: &str) -> Result<(), StoreError> {
        let refuse = |world: &mut World| world.refuse::<E>(by, said);
        self.write("note a refusal of", E::NAME, refuse)
            .await
            .map(drop)
    }

    async fn settle<E: Effect>(
        &self,
        by: &Invocation,
        outcome: E::Outcome,
        _: &AuditEvent,
    ) -> Result<(), StoreError> {
        let same = outcome.clone();
        let settle = |world: &mut World| world.settle::<E>(by, outcome);
        match self.write("settle", E::NAME, settle).await? {
            Written::Yes(_) => Ok(()),
            Written::No(old) if E::entry(&old).and_then(Entry::outcome) == Some(&same) => Ok(()),
            Written::No(_) => Err(overtaken(E::NAME)),
        }
    }

    async fn give_back<E: Effect>(&self, by: &Invocation) -> Result<(), StoreError> {
        let give_back = |world: &mut World| world.give_back::<E>(by);
        self.write("give back", E::NAME, give_back).await.map(drop)
    }

    async fn replace_hold(
        &self,
        by: &Invocation,
        lapsed: &str,
        renewed: &Authorization,
    ) -> Result<(), StoreError> {
        let replace = |world: &mut World| world.replace_hold(by, lapsed, renewed);
        match self
            .write("replace the hold of", "authorize", replace)
            .await?
        {
            Written::Yes(_) => Ok(()),
            Written::No(old)
                if old.authorize.as_ref().and_then(Entry::outcome) == Some(renewed) =>
            {
                Ok(())
            }
            Written::No(_) => Err(overtaken(Capture::NAME)),
        }
    }

    async fn begin_reversal(
        &self,
        by: &Invocation,
        failure: Failure,
    ) -> Result<Claimed<Unbooking>, StoreError> {
        let written = match self.note_failure(by, &failure, false).await? {
            Written::No(old) if old.cancel.is_some() && old.failure.is_none() => {
                let cancelled = failure.after_cancellation();
                self.note_failure(by, &cancelled, true).await?
            }
            written => written,
        };
        self.claimed::<Unbook>(by, written).await
    }

    async fn request_cancel(
        &self,
        _: &OrderId,
        now: Timestamp,
    ) -> Result<Cancellation, StoreError> {
        let cancel = |world: &mut World| world.request_cancel(now);
        let state = match self.write("cancel", "", cancel).await? {
            Written::Yes(state) => state,
            Written::No(old) => match old.cancellable() {
                Ok(()) => old,
                Err(reason) => return Ok(Cancellation::Refused(reason)),
            },
        };
        let review = if state.stage == Stage::InReview && state.failure.is_none() {
            self.review_token().await?
        } else {
            None
        };
        Ok(Cancellation::Requested { review })
    }

    async fn open_review(
        &self,
        by: &Invocation,
        token: &str,
    ) -> Result<Result<(), OrderState>, StoreError> {
        let open = |world: &mut World| world.open_review(by, token);
        Ok(match self.write("open a review", "", open).await? {
            Written::Yes(_) => Ok(()),
            Written::No(old) => Err(old),
        })
    }

    async fn decide_review(
        &self,
        _: &OrderId,
        decision: Decision,
        event: &AuditEvent,
    ) -> Result<Decided, StoreError> {
        let at = event.at;
        let decide = |world: &mut World| world.decide_review(decision, at);
        let old = match self.write("decide a review", "", decide).await? {
            Written::Yes(_) => {
                let token = self.review_token().await?;
                return Ok(Decided::Recorded { token });
            }
            Written::No(old) => old,
        };
        let decided = old.review.as_ref().and_then(|review| review.decision);
        let waits =
            old.failure.is_none() && matches!(old.stage, Stage::InReview | Stage::Validated);
        if decided == Some(decision) && waits && old.cancel.is_none() {
            let token = self.review_token().await?;
            return Ok(Decided::Recorded { token });
        }
        Ok(Decided::Refused("it does not wait for a review".to_owned()))
    }
}

impl<W: Wire> Stock for Ports<W> {
    async fn reserve(
        &self,
        by: &Invocation,
        _: &Order,
        review: bool,
    ) -> Result<Reserved, StoreError> {
        let reserve = |world: &mut World| world.reserve(by, review);
        let old = match self.ask("reserve", "stock", reserve).await? {
            Said::Written(_) => return Ok(Reserved::All),
            Said::Problems(problems) => return Ok(Reserved::Problems(problems)),
            Said::NotWritten(old) => owned(&old),
            said => return Err(senseless(&said)),
        };
        let gate = match old.stage {
            Stage::Received | Stage::Rejected | Stage::Cancelled | Stage::Failed => Stage::Received,
            Stage::InReview
            | Stage::Validated
            | Stage::Authorized
            | Stage::Shipped
            | Stage::Captured
            | Stage::Completed => old.stage,
        };
        let stands = current_attempt(&old, by.attempt)
            .and_then(|()| pass(&old, "reserve", Gate::Forward(gate)));
        match stands {
            Err(error) => Ok(Reserved::Refused(error)),
            Ok(()) if old.stage == Stage::Received => Err(overtaken("the stock")),
            Ok(()) => Ok(Reserved::All),
        }
    }

    async fn release_and_close(
        &self,
        by: &Invocation,
        lines: &[Line],
        state: OrderState,
    ) -> Result<OrderState, StoreError> {
        let mut state = state;
        loop {
            let Some(failure) = &state.failure else {
                let text = "an order without a failure is not released".to_owned();
                return Err(StoreError::Defect(text));
            };
            if state.stage.is_closed() {
                return Ok(state);
            }
            if let Err(stands) = undone(&state)
                && !self.has(Bug::ReversePaymentSkipped)
            {
                let text = format!("an order is not closed while {stands}");
                return Err(StoreError::Defect(text));
            }
            let closed = Stage::reversed_because_of(failure.error);
            let from = state.reserved_lines.min(lines.len());
            let release = |world: &mut World| world.release(by, from, closed);
            match self.write("release", "stock", release).await? {
                Written::Yes(state) => return Ok(state),
                Written::No(old) if old.stage.is_closed() || old.reserved_lines < from => {
                    state = old;
                }
                Written::No(_) => {
                    let text = "an order's stock cannot be released".to_owned();
                    return Err(StoreError::Defect(text));
                }
            }
        }
    }
}

impl<W: Wire> Ports<W> {
    async fn tell(
        &self,
        verb: &'static str,
        token: &str,
        outcome: Result<(), ErrorName>,
    ) -> Result<(), ProviderError> {
        let tell = |world: &mut World, _| {
            world.tell(token, outcome);
            Said::Token(None)
        };
        let said = self.provider(Whom::Messages, verb, tell).await;
        said.map(drop)
    }

    async fn provider(
        &self,
        whom: Whom,
        verb: &'static str,
        act: impl FnOnce(&mut World, Mood) -> Said + Send,
    ) -> Result<Said, ProviderError> {
        match self.0.send(Call::new(whom, verb, ""), act).await {
            Ok(Said::Defect(code)) => Err(ProviderError::Defect(code)),
            Ok(said) => Ok(said),
            Err(Lost::NotMade) => Err(ProviderError::Unavailable("out of reach".to_owned())),
            Err(Lost::Unknown) => Err(ProviderError::Unknown("no answer".to_owned())),
        }
    }

    async fn payment(
        &self,
        verb: &'static str,
        act: impl FnOnce(&mut World, Mood) -> Said + Send,
    ) -> Result<Option<Payment>, ProviderError> {
        match self.provider(Whom::Payment, verb, act).await? {
            Said::Payment(payment) => Ok(payment),
            said => Err(nonsense(&said)),
        }
    }
}

fn nonsense(said: &Said) -> ProviderError {
    ProviderError::Defect(format!("an answer that makes no sense: {said:?}"))
}

fn there(payment: Option<Payment>) -> Result<Payment, ProviderError> {
    payment.ok_or_else(|| ProviderError::Defect("resource_missing".to_owned()))
}

impl<W: Wire> PaymentProvider for Ports<W> {
    const KEYS_ARE_KEPT: Duration = Duration::from_hours(24);

    async fn authorize(
        &self,
        key: &str,
        request: AuthorizeRequest<'_>,
    ) -> Result<Payment, ProviderError> {
        let (attempt, amount) = (request.attempt, request.amount);
        let hold = |world: &mut World, mood| world.authorize(key, attempt, amount, mood);
        there(self.payment("authorize", hold).await?)
    }

    async fn find(&self, request: FindRequest<'_>) -> Result<Option<Payment>, ProviderError> {
        let attempt = request.attempt;
        let find = |world: &mut World, _| world.find_payment(attempt);
        self.payment("find", find).await
    }

    async fn get(&self, reference: &str) -> Result<Payment, ProviderError> {
        let get = |world: &mut World, _| world.get_payment(reference);
        there(self.payment("get", get).await?)
    }

    async fn capture(
        &self,
        _: &str,
        reference: &str,
        amount: Money,
    ) -> Result<Payment, ProviderError> {
        let take = |world: &mut World, mood| world.capture(reference, amount, mood);
        there(self.payment("capture", take).await?)
    }

    async fn void(&self, _: &str, reference: &str) -> Result<Payment, ProviderError> {
        let void = |world: &mut World, _| world.void(reference);
        there(self.payment("void", void).await?)
    }

    async fn refund(
        &self,
        _: &str,
        reference: &str,
        amount: Money,
    ) -> Result<String, ProviderError> {
        let refund = |world: &mut World, mood| world.refund(reference, amount, mood);
        match self.provider(Whom::Payment, "refund", refund).await? {
            Said::Reference(reference) => Ok(reference),
            said => Err(nonsense(&said)),
        }
    }

    async fn given_back(
        &self,
        reference: &str,
        captured: Money,
    ) -> Result<GivenBack, ProviderError> {
        let look = |world: &mut World, _| world.given_back(reference, captured);
        match self.provider(Whom::Payment, "given_back", look).await? {
            Said::GivenBack(given_back) => Ok(given_back),
            said => Err(nonsense(&said)),
        }
    }
}

/// What a carrier tells of a booking: nothing beyond it.
fn label_of(booking: Booking) -> Booked {
    match booking {
        Booking::Booked {
            label,
            carrier,
            tracking,
        } => Booked::Label(Label {
            id: label,
            carrier,
            tracking,
            cost: None,
            request: None,
            parcels: Vec::new(),
        }),
        Booking::Refused { code } => Booked::Refused { code },
    }
}

impl<W: Wire> Carrier for Ports<W> {
    async fn book(&self, request: BookRequest<'_>) -> Result<Booked, ProviderError> {
        let reference = request.reference;
        let book = |world: &mut World, mood| world.book(reference, mood);
        match self.provider(Whom::Carrier, "book", book).await? {
            Said::Booking(Some(booking)) => Ok(label_of(booking)),
            said => Err(nonsense(&said)),
        }
    }

    async fn find(&self, reference: &str) -> Result<Option<Label>, ProviderError> {
        let find = |world: &mut World, _| world.find_label(reference);
        match self.provider(Whom::Carrier, "find", find).await? {
            Said::Booking(booking) => Ok(match booking.map(label_of) {
                Some(Booked::Label(label)) => Some(label),
                Some(Booked::Refused { .. }) | None => None,
            }),
            said => Err(nonsense(&said)),
        }
    }

    /// None is modelled: whoever asks only reads.
    async fn document(&self, _: &str) -> Result<Option<String>, ProviderError> {
        Ok(None)
    }

    async fn cancel(&self, label: &str) -> Result<Voiding, ProviderError> {
        let cancel = |world: &mut World, mood| world.cancel_label(label, mood);
        match self.provider(Whom::Carrier, "cancel", cancel).await? {
            Said::Voiding(voiding) => Ok(voiding),
            said => Err(nonsense(&said)),
        }
    }
}

/// What the articles are does not change, and reading it is no choice.
impl<W: Wire> Catalogue for Ports<W> {
    async fn goods(&self, lines: &[Line]) -> Result<BTreeMap<Sku, Goods>, StoreError> {
        let all = lines.iter();
        Ok(all
            .map(|line| (line.sku.clone(), Goods::default()))
            .collect())
    }
}

impl<W: Wire> AddressCheck for Ports<W> {
    async fn check(&self, _: &Address) -> Result<Deliverability, ProviderError> {
        Ok(Deliverability::NotRefuted)
    }
}

impl<W: Wire> Mailer for Ports<W> {
    async fn send(&self, _: Message) -> Result<String, ProviderError> {
        let send = |world: &mut World, _| world.send_mail();
        match self.provider(Whom::Messages, "send mail", send).await? {
            Said::Reference(id) => Ok(id),
            said => Err(nonsense(&said)),
        }
    }
}

impl<W: Wire> TaskTokens for Ports<W> {
    async fn proceed(&self, token: &str) -> Result<(), ProviderError> {
        self.tell("go on", token, Ok(())).await
    }

    async fn give_up(&self, token: &str, error: &StepError) -> Result<(), ProviderError> {
        self.tell("end the wait", token, Err(error.name())).await
    }
}

impl<W: Wire> Operators for Ports<W> {
    async fn notify(&self, _: &str, _: &str) -> Result<(), ProviderError> {
        Ok(())
    }
}
