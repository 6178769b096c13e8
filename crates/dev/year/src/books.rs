//! The providers: their books, what they do when a request arrives, and what happens to it on its way. As kind as
//! the domain's ports promise, and no kinder. What is judged is read from here.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use domain::books::{BookPage, DisputePage, Named, Posting, PostingKind, RefundPage, Stands};
use domain::ports::{
    AuthorizeRequest, BookRequest, Booked, Books as ReadBooks, Carrier, FindRequest, GivenBack,
    Payment, PaymentBooks, PaymentProvider, PaymentState, ProviderError, Voiding,
};
use domain::{Label, Money, OrderId, PaymentMeans, Timestamp};
use memory::Bug;
use serde_json::Value;

use crate::plan::{Fault, ms};
use crate::sim::{self, Invocation, lock};
use crate::world::World;

/// A bank lets a hold lapse after so long.
const LAPSES_MS: i64 = 7 * 86_400_000;
/// For so long a provider knows a key.
const KEYS_MS: i64 = 86_400_000;
/// One page of the books.
const PAGE: usize = 100;

/// A payment.
#[derive(Debug)]
pub(crate) struct Paid {
    pub(crate) reference: String,
    pub(crate) order: OrderId,
    attempt: u32,
    pub(crate) amount: Money,
    made_ms: i64,
    pub(crate) state: PaymentState,
    pub(crate) refunded: u64,
    is_disputed: bool,
}

/// A label.
#[derive(Debug)]
pub(crate) struct Bought {
    pub(crate) id: String,
    pub(crate) order: OrderId,
    made_ms: i64,
    pub(crate) is_void: bool,
    /// From then on it is never voided.
    used_ms: Option<i64>,
}

/// Everything that the outside world knows.
#[derive(Debug, Default)]
pub(crate) struct Books {
    pub(crate) payments: Vec<Paid>,
    by_order: HashMap<OrderId, Vec<usize>>,
    by_reference: HashMap<String, usize>,
    keys: HashMap<String, (usize, i64)>,
    used_up: HashSet<String>,
    refunds: Vec<(i64, usize)>,
    failed_refunds: HashSet<usize>,
    pub(crate) labels: Vec<Bought>,
    labels_by_reference: HashMap<String, Vec<usize>>,
    labels_by_order: HashMap<OrderId, Vec<usize>>,
    /// Whether each mail was one that says that the order is on its way.
    pub(crate) mails: BTreeMap<String, Vec<bool>>,
    /// Orders of which an operator says that something is written off.
    pub(crate) written_off: HashSet<String>,
    /// When the customer was told that their order is cancelled.
    pub(crate) cancelled: HashMap<String, i64>,
}

impl Paid {
    /// A hold may have lapsed since somebody looked.
    fn refresh(&mut self, now_ms: i64) {
        if matches!(self.state, PaymentState::Held(_)) && self.made_ms + LAPSES_MS <= now_ms {
            self.state = PaymentState::Voided;
        }
    }

    fn told(&self) -> Payment {
        Payment {
            reference: self.reference.clone(),
            made_at: Some(sim::at(self.made_ms)),
            state: self.state.clone(),
        }
    }

    /// Whether money is held.
    pub(crate) fn is_held(&self) -> bool {
        matches!(self.state, PaymentState::Held(_))
    }

    /// What is ours of it, in minor units.
    pub(crate) fn kept(&self) -> u64 {
        match self.state {
            PaymentState::Captured(amount) => amount.minor().saturating_sub(self.refunded),
            _ => 0,
        }
    }

    fn posting(&self) -> Posting {
        let stands = match &self.state {
            PaymentState::Held(amount) => Stands::Held(*amount),
            PaymentState::Captured(amount) if self.kept() > 0 => {
                Stands::Kept(Money::new(self.kept(), amount.currency()).unwrap_or(*amount))
            }
            _ => Stands::Nothing,
        };
        Posting {
            kind: PostingKind::Payment,
            reference: self.reference.clone(),
            order_id: Some(self.order.clone()),
            amount: Some(self.amount),
            stands,
            made_at: sim::at(self.made_ms),
        }
    }
}

impl Bought {
    fn told(&self) -> Label {
        Label {
            id: self.id.clone(),
            carrier: "usps".to_owned(),
            tracking: format!("9400{}", self.id),
            cost: None,
            request: None,
            parcels: Vec::new(),
        }
    }

    fn posting(&self) -> Posting {
        Posting {
            kind: PostingKind::Label,
            reference: self.id.clone(),
            order_id: Some(self.order.clone()),
            amount: None,
            stands: if self.is_void {
                Stands::Nothing
            } else {
                Stands::Live
            },
            made_at: sim::at(self.made_ms),
        }
    }
}

/// What lies between two times, of a list that is in their order.
fn page<T>(
    all: &[T],
    made_ms: impl Fn(&T) -> i64,
    (since, until): (Timestamp, Timestamp),
    page: Option<&str>,
) -> (std::ops::Range<usize>, Option<String>) {
    let place = |at: Timestamp| all.partition_point(|one| made_ms(one) < at.as_millisecond());
    let (from, to) = (place(since), place(until));
    let from = page.and_then(|page| page.parse().ok()).unwrap_or(from);
    let end = to.min(from + PAGE);
    (from..end.max(from), (end < to).then(|| end.to_string()))
}

/// Where a label is in the books.
fn place(label: &str) -> Option<usize> {
    let (_, number) = label.rsplit_once('x')?;
    number.parse::<usize>().ok()?.checked_sub(1)
}

fn missing() -> ProviderError {
    ProviderError::Defect("resource_missing".to_owned())
}

/// How often each goes wrong, in ten thousand requests.
const UNAVAILABLE: u64 = 30;
const REQUEST_LOST: u64 = 40;
const ANSWER_LOST: u64 = 100;
const LATE: u64 = 40;
/// A request that was given up may still be on its way for so long.
const LATEST_MS: u64 = 90_000;

/// Whom a step asks: one of the two providers, over a net that loses things.
#[derive(Debug, Clone)]
pub(crate) struct Provider {
    world: Arc<World>,
    name: &'static str,
}

impl Provider {
    /// Who takes the money.
    pub(crate) fn bank(world: &Arc<World>) -> Self {
        Self {
            world: Arc::clone(world),
            name: "payment",
        }
    }

    /// Who takes the goods.
    pub(crate) fn carrier(world: &Arc<World>) -> Self {
        Self {
            world: Arc::clone(world),
            name: "carrier",
        }
    }

    async fn ask<T: Send + 'static>(
        &self,
        what: &'static str,
        act: impl FnOnce(&World, &mut Books) -> Result<T, ProviderError> + Send + 'static,
    ) -> Result<T, ProviderError> {
        sim::point().await;
        let world = &self.world;
        let unknown = || Err(ProviderError::Unknown("no answer".to_owned()));
        if let Some(here) = Invocation::here() {
            let (takes_ms, happens) = {
                let mut dice = lock(&here.dice);
                let rates = [UNAVAILABLE, REQUEST_LOST, ANSWER_LOST, LATE];
                (dice.between(30, 250), rates.map(|rate| dice.happens(rate)))
            };
            sim::sleep_ms(takes_ms).await;
            let order = &here.order;
            let [is_away, loses_request, loses_answer, is_late] = happens;
            if world.weather.is_away(self.name, sim::now_ms()) {
                world.happened("provider requests in an outage", order, what);
                // Some time out, and a few of these arrive all the same.
                return if takes_ms % 10 == 0 {
                    let _ = act(world, &mut lock(&world.books));
                    unknown()
                } else if takes_ms % 3 == 0 {
                    unknown()
                } else {
                    Err(ProviderError::Unavailable("out of reach".to_owned()))
                };
            }
            if is_away && world.may(Fault::Unavailable) {
                world.happened("provider requests refused", order, what);
                return Err(ProviderError::Unavailable("it answered 503".to_owned()));
            }
            if loses_request && world.may(Fault::LostRequest) {
                world.happened("provider requests lost", order, what);
                sim::sleep_ms(6_000).await;
                return unknown();
            }
            if loses_answer && world.may(Fault::LostAnswer) {
                world.happened("provider answers lost", order, what);
                let _ = act(world, &mut lock(&world.books));
                sim::sleep_ms(6_000).await;
                return unknown();
            }
            if is_late && world.may(Fault::Late) {
                world.happened("provider requests late", order, what);
                let late_ms = lock(&here.dice).between(6_000, LATEST_MS);
                let world = Arc::clone(world);
                tokio::spawn(async move {
                    sim::sleep_ms(late_ms).await;
                    let _ = act(&world, &mut lock(&world.books));
                });
                sim::sleep_ms(6_000).await;
                return unknown();
            }
        }
        let acted = act(world, &mut lock(&world.books));
        sim::point().await;
        acted
    }
}

impl Books {
    /// The payments of an order, as they stand now.
    pub(crate) fn of_order(&mut self, order: &OrderId) -> impl Iterator<Item = &Paid> {
        let now_ms = sim::now_ms();
        let all = self.by_order.get(order).cloned().unwrap_or_default();
        for at in &all {
            self.payments[*at].refresh(now_ms);
        }
        all.into_iter().map(|at| &self.payments[at])
    }

    /// The labels of an order.
    pub(crate) fn labels_of(&self, order: &OrderId) -> impl Iterator<Item = &Bought> {
        let all = self.labels_by_order.get(order).into_iter().flatten();
        all.map(|at| &self.labels[*at])
    }

    fn paid(&mut self, reference: &str) -> Result<&mut Paid, ProviderError> {
        let at = *self.by_reference.get(reference).ok_or_else(missing)?;
        let paid = &mut self.payments[at];
        paid.refresh(sim::now_ms());
        Ok(paid)
    }

    /// Holds the money. A key that is known gets the answer of then, whatever became of it since.
    fn authorize(&mut self, world: &World, key: &str, asked: &Asked) -> Payment {
        let now_ms = sim::now_ms();
        let forgets = world.setting.bug == Some(Bug::NoKeys);
        if let Some((at, since_ms)) = self.keys.get(key)
            && since_ms + KEYS_MS > now_ms
            && !forgets
        {
            let paid = &self.payments[*at];
            let mut told = paid.told();
            if !matches!(paid.state, PaymentState::Declined(_)) {
                told.state = PaymentState::Held(paid.amount);
            }
            return told;
        }
        let order = asked.order.as_str();
        let mut dice = world.dice((order, "bank", asked.attempt));
        let is_used_up = match &asked.means {
            PaymentMeans::Single(token) => !self.used_up.insert(token.as_str().to_owned()),
            PaymentMeans::Saved { .. } | PaymentMeans::Intent { .. } => false,
        };
        let declined = |code: &str| PaymentState::Declined(code.to_owned());
        let state = if is_used_up {
            declined("payment_method_unactivated")
        } else if dice.happens(300) && world.may(Fault::Declined) {
            world.happened("payments declined", order, "");
            declined("insufficient_funds")
        } else {
            PaymentState::Held(asked.amount)
        };
        if matches!(state, PaymentState::Held(_)) {
            world.happened("holds", order, asked.amount);
            if self.of_order(&asked.order).any(Paid::is_held) {
                world.broken(order, "two holds stand at once");
            }
        }
        let at = self.payments.len();
        let paid = Paid {
            reference: format!("pay{}x{}", world.setting.number, at + 1),
            order: asked.order.clone(),
            attempt: asked.attempt,
            amount: asked.amount,
            made_ms: now_ms,
            state,
            refunded: 0,
            is_disputed: dice.happens(600),
        };
        let told = paid.told();
        self.keys.insert(key.to_owned(), (at, now_ms));
        self.by_reference.insert(paid.reference.clone(), at);
        self.by_order
            .entry(asked.order.clone())
            .or_default()
            .push(at);
        self.payments.push(paid);
        told
    }

    fn capture(
        &mut self,
        world: &World,
        reference: &str,
        amount: Money,
    ) -> Result<Payment, ProviderError> {
        let paid = self.paid(reference)?;
        if !paid.is_held() {
            return Ok(paid.told());
        }
        paid.state = PaymentState::Captured(amount);
        let (told, order) = (paid.told(), paid.order.to_string());
        world.happened("captures", &order, amount);
        if self.cancelled.contains_key(&order) {
            world.broken(&order, "money is taken after an accepted cancellation");
        }
        Ok(told)
    }

    fn void(&mut self, world: &World, reference: &str) -> Result<Payment, ProviderError> {
        let for_show = world.setting.bug == Some(Bug::VoidForShow);
        let paid = self.paid(reference)?;
        let mut told = paid.told();
        if paid.is_held() {
            told.state = PaymentState::Voided;
            if !for_show {
                paid.state = PaymentState::Voided;
            }
            world.happened("voids", paid.order.as_str(), "");
        }
        Ok(told)
    }

    /// Gives back all that is left. Not while it is disputed.
    fn refund(&mut self, world: &World, reference: &str) -> Result<String, ProviderError> {
        let at = *self.by_reference.get(reference).ok_or_else(missing)?;
        let paid = &mut self.payments[at];
        let order = paid.order.to_string();
        if paid.is_disputed && world.may(Fault::Disputed) {
            world.happened("refunds refused", &order, "");
            return Err(ProviderError::Defect("charge_disputed".to_owned()));
        }
        if paid.kept() > 0 {
            paid.refunded = paid.amount.minor();
            world.happened("refunds", &order, "");
            self.refunds.push((sim::now_ms(), at));
            self.failed_refunds.remove(&at);
        }
        Ok(format!("refund-of-{reference}"))
    }

    fn label(&mut self, reference: &str) -> Option<&mut Bought> {
        let all = self.labels_by_reference.get(reference)?;
        let at = all.iter().find(|at| !self.labels[**at].is_void)?;
        Some(&mut self.labels[*at])
    }

    fn book(&mut self, world: &World, reference: String, order: OrderId) -> Booked {
        if let Some(label) = self.label(&reference) {
            return Booked::Label(label.told());
        }
        let mut dice = world.dice((order.as_str(), "carrier", &reference));
        if dice.happens(150) && world.may(Fault::Refused) {
            world.happened("shipments refused", order.as_str(), "");
            let code = "invalid_address".to_owned();
            return Booked::Refused { code };
        }
        world.happened("labels", order.as_str(), &reference);
        let now_ms = sim::now_ms();
        let used_ms = dice.happens(2_000) && world.may(Fault::Used);
        let at = self.labels.len();
        let label = Bought {
            id: format!("se-{}x{}", world.setting.number, at + 1),
            order,
            made_ms: now_ms,
            is_void: false,
            used_ms: used_ms.then(|| now_ms + ms(dice.below(60_000))),
        };
        let of_order = self.labels_by_order.entry(label.order.clone()).or_default();
        if of_order.iter().any(|other| !self.labels[*other].is_void) {
            world.broken(label.order.as_str(), "two labels are live at once");
        }
        of_order.push(at);
        let told = label.told();
        self.labels_by_reference
            .entry(reference)
            .or_default()
            .push(at);
        self.labels.push(label);
        Booked::Label(told)
    }
}

/// What is asked of the bank.
struct Asked {
    order: OrderId,
    attempt: u32,
    amount: Money,
    means: PaymentMeans,
}

impl PaymentProvider for Provider {
    const KEYS_ARE_KEPT: Duration = Duration::from_hours(23);

    async fn authorize(
        &self,
        key: &str,
        request: AuthorizeRequest<'_>,
    ) -> Result<Payment, ProviderError> {
        let key = key.to_owned();
        let asked = Asked {
            order: request.order_id.clone(),
            attempt: request.attempt,
            amount: request.amount,
            means: request.means.clone(),
        };
        self.ask("authorize", move |world, books| {
            Ok(books.authorize(world, &key, &asked))
        })
        .await
    }

    async fn find(&self, request: FindRequest<'_>) -> Result<Option<Payment>, ProviderError> {
        let (order, attempt) = (request.order_id.clone(), request.attempt);
        self.ask("find", move |_, books| {
            let of_attempt = books
                .of_order(&order)
                .filter(|paid| paid.attempt == attempt);
            let stands = |paid: &&Paid| match paid.state {
                PaymentState::Held(_) | PaymentState::Pending => 0,
                PaymentState::Captured(_) => 1,
                PaymentState::Voided | PaymentState::Declined(_) => 2,
            };
            Ok(of_attempt.min_by_key(stands).map(Paid::told))
        })
        .await
    }

    async fn get(&self, reference: &str) -> Result<Payment, ProviderError> {
        let reference = reference.to_owned();
        self.ask("get", move |_, books| Ok(books.paid(&reference)?.told()))
            .await
    }

    async fn capture(
        &self,
        _: &str,
        reference: &str,
        amount: Money,
    ) -> Result<Payment, ProviderError> {
        let reference = reference.to_owned();
        self.ask("capture", move |world, books| {
            books.capture(world, &reference, amount)
        })
        .await
    }

    async fn void(&self, _: &str, reference: &str) -> Result<Payment, ProviderError> {
        let reference = reference.to_owned();
        self.ask("void", move |world, books| books.void(world, &reference))
            .await
    }

    async fn refund(&self, _: &str, reference: &str, _: Money) -> Result<String, ProviderError> {
        let reference = reference.to_owned();
        self.ask("refund", move |world, books| {
            books.refund(world, &reference)
        })
        .await
    }

    async fn given_back(
        &self,
        reference: &str,
        captured: Money,
    ) -> Result<GivenBack, ProviderError> {
        let reference = reference.to_owned();
        self.ask("given_back", move |_, books| {
            let paid = books.paid(&reference)?;
            let amount = Money::new(paid.refunded, captured.currency());
            Ok(GivenBack {
                amount: amount.map_err(|_| missing())?,
                last: (paid.refunded > 0).then(|| format!("refund-of-{reference}")),
            })
        })
        .await
    }
}

impl ReadBooks for Provider {
    async fn page(
        &self,
        since: Timestamp,
        until: Timestamp,
        asked: Option<&str>,
    ) -> Result<BookPage, ProviderError> {
        let asked = asked.map(str::to_owned);
        let is_bank = self.name == "payment";
        self.ask("list", move |_, books| {
            let (between, asked) = ((since, until), asked.as_deref());
            let (postings, next) = if is_bank {
                let (range, next) = page(&books.payments, |paid| paid.made_ms, between, asked);
                let now_ms = sim::now_ms();
                let listed = books.payments[range].iter_mut().map(|paid| {
                    paid.refresh(now_ms);
                    paid.posting()
                });
                (listed.collect(), next)
            } else {
                let (range, next) = page(&books.labels, |label| label.made_ms, between, asked);
                let listed = books.labels[range].iter().map(Bought::posting);
                (listed.collect(), next)
            };
            Ok(BookPage {
                postings,
                unreadable: Vec::new(),
                next,
            })
        })
        .await
    }

    async fn posting(&self, reference: &str) -> Result<Option<Posting>, ProviderError> {
        let reference = reference.to_owned();
        let is_bank = self.name == "payment";
        self.ask("look", move |_, books| {
            if is_bank {
                return Ok(books.paid(&reference).ok().map(|paid| paid.posting()));
            }
            let label = place(&reference).and_then(|at| books.labels.get(at));
            Ok(label.map(Bought::posting))
        })
        .await
    }
}

impl PaymentBooks for Provider {
    async fn refunds(
        &self,
        since: Timestamp,
        until: Timestamp,
        asked: Option<&str>,
    ) -> Result<RefundPage, ProviderError> {
        let asked = asked.map(str::to_owned);
        self.ask("refunds", move |_, books| {
            let (range, next) = page(
                &books.refunds,
                |(made_ms, _)| *made_ms,
                (since, until),
                asked.as_deref(),
            );
            let failed = books.refunds[range]
                .iter()
                .filter(|(_, at)| books.failed_refunds.contains(at));
            Ok(RefundPage {
                in_question: failed
                    .map(|(_, at)| books.payments[*at].reference.clone())
                    .collect(),
                next,
            })
        })
        .await
    }

    /// There are none that anybody could read: a dispute shows by a refund that is refused.
    async fn disputes(
        &self,
        _: Timestamp,
        _: Timestamp,
        _: Option<&str>,
    ) -> Result<DisputePage, ProviderError> {
        self.ask("disputes", |_, _| Ok(DisputePage::default()))
            .await
    }

    async fn named(&self, reference: &str) -> Result<Named, ProviderError> {
        let reference = reference.to_owned();
        self.ask("named", move |_, books| {
            books.paid(&reference)?;
            Ok(Named {
                an_order: true,
                an_attempt: true,
            })
        })
        .await
    }

    async fn give_back(&self, _: &str, reference: &str) -> Result<(), ProviderError> {
        let reference = reference.to_owned();
        self.ask("give back", move |world, books| {
            books.refund(world, &reference).map(drop)
        })
        .await
    }
}

impl Carrier for Provider {
    async fn book(&self, request: BookRequest<'_>) -> Result<Booked, ProviderError> {
        let reference = request.reference.to_owned();
        let order = request.order.order_id.clone();
        self.ask("book", move |world, books| {
            Ok(books.book(world, reference, order))
        })
        .await
    }

    async fn find(&self, reference: &str) -> Result<Option<Label>, ProviderError> {
        let reference = reference.to_owned();
        self.ask("find label", move |_, books| {
            Ok(books.label(&reference).map(|label| label.told()))
        })
        .await
    }

    async fn document(&self, _: &str) -> Result<Option<String>, ProviderError> {
        Ok(None)
    }

    async fn cancel(&self, label: &str) -> Result<Voiding, ProviderError> {
        let label = label.to_owned();
        self.ask("cancel label", move |world, books| {
            let found = place(&label).and_then(|at| books.labels.get_mut(at));
            let bought = found.ok_or_else(missing)?;
            if bought.is_void {
                return Ok(Voiding::Voided);
            }
            if bought.used_ms.is_some_and(|used| used <= sim::now_ms()) {
                world.happened("labels that were used", bought.order.as_str(), "");
                let code = "label_used".to_owned();
                let for_good = true;
                return Ok(Voiding::Refused { code, for_good });
            }
            bought.is_void = true;
            world.happened("labels voided", bought.order.as_str(), "");
            Ok(Voiding::Voided)
        })
        .await
    }
}

/// A mail arrives. The mail service's name for it.
pub(crate) fn mailed(world: &World, mail: &Value) -> String {
    let subject = mail["Content"]["Simple"]["Subject"]["Data"].as_str();
    let is_shipped = subject.is_some_and(|subject| subject.ends_with("is on its way"));
    let tags = mail["EmailTags"].as_array();
    let mut tags = tags.into_iter().flatten();
    let order = tags.find(|tag| tag["Name"] == "order_id");
    let order = order
        .and_then(|tag| tag["Value"].as_str())
        .unwrap_or_default();
    world.happened("mails", order, if is_shipped { "shipped" } else { "ended" });
    let mut books = lock(&world.books);
    let of_order = books.mails.entry(order.to_owned()).or_default();
    of_order.push(is_shipped);
    format!("mail-{order}-{}", of_order.len())
}

/// A bank sends money back days after it was given.
pub(crate) fn some_refunds_fail(world: &World) {
    let mut failing = Vec::new();
    {
        let books = lock(&world.books);
        let now_ms = sim::now_ms();
        for (made_ms, at) in books.refunds.iter().rev() {
            let age_ms = now_ms - made_ms;
            if age_ms > 3 * 86_400_000 {
                break;
            }
            let paid = &books.payments[*at];
            let mut dice = world.dice((paid.reference.as_str(), "refund", *made_ms));
            if age_ms > 2 * 86_400_000
                && paid.refunded > 0
                && dice.happens(500)
                && world.may(Fault::RefundFails)
            {
                failing.push(*at);
            }
        }
    }
    for at in failing {
        let order = {
            let mut books = lock(&world.books);
            if !books.failed_refunds.insert(at) {
                continue;
            }
            books.payments[at].refunded = 0;
            books.payments[at].order.to_string()
        };
        world.happened("refunds that failed", &order, "");
    }
}
