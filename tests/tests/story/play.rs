//! One order on its way through a story.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use domain::ports::{Cancellation, Invocation, Orders as _};
use domain::view::{asks_first, refused_undo};
use domain::{ErrorName, Event as Noted, OrderId, Settlement, StepError, Timestamp};
use operations::figures::{Day, Days, Figures};
use operations::{Movement, Projection};
use read_models::Behind;
use serde_json::{Value, json};
use step::{FailureInput, Settling, Task};
use store::Begun;
use tests::{Fault, Plan, audited, invocation};

use crate::balance::Balance;
use crate::execution::{At, Execution, state_of};
use crate::seen::{Seen, is_in_the_index};
use crate::shop::{ARTICLE, Do, Shop, task};
use crate::{Event, Failing, PLANTED};

/// How long a function may run: its claims' leases last as long.
const LEASE: Duration = Duration::from_secs(40);
/// How long after its end a request of an invocation may still arrive at a provider: what the undos
/// wait for.
const SETTLED: Duration = Duration::from_mins(2);
/// How long the payment provider's search lags behind; less than the undo waits.
const SEARCH_LAG: Duration = Duration::from_secs(90);
/// Between one task of the state machine and the next.
const PAUSE: Duration = Duration::from_secs(30);

type Running = Pin<Box<dyn Future<Output = Result<Value, StepError>> + Send>>;

/// An invocation that nobody hears of any more. It wakes at some time.
struct Zombie {
    task: Do,
    wakes_at: usize,
    running: Running,
    plan: Plan,
    begun: Duration,
}

pub(crate) struct Play {
    shop: &'static Shop,
    order: String,
    order_id: OrderId,
    execution: Execution,
    redriven_at: Option<Timestamp>,
    attempt: u32,
    /// Why the order was being reversed already when the last attempt began.
    reversed_before: Option<FailureInput>,
    /// How much time has passed.
    clock: Duration,
    events: usize,
    invocations: usize,
    /// The tasks that were run, each once, in their order.
    delivered: Vec<Do>,
    zombies: Vec<Zombie>,
    /// When the money was held, and how often.
    held: (Duration, usize),
    balance: Balance,
    /// What operators know of it.
    recorded: Projection,
    lines: Vec<String>,
    /// What happened in this story, to see that stories have everything in them.
    pub(crate) happened: BTreeMap<String, usize>,
}

impl Play {
    /// Accepts an order and starts its execution.
    pub(crate) async fn start(shop: &'static Shop, order: String) -> Self {
        let pieces = shop.database.available(ARTICLE).await;
        shop.accept(&order).await;
        let (ledger, state) = (shop.ledger(&order).await, shop.database.state(&order).await);
        Self {
            order_id: order.parse().expect("an order id"),
            order,
            shop,
            execution: Execution::start(),
            redriven_at: None,
            attempt: 1,
            reversed_before: None,
            clock: Duration::ZERO,
            events: 0,
            invocations: 0,
            delivered: Vec::new(),
            zombies: Vec::new(),
            held: (Duration::ZERO, 0),
            recorded: Projection::received(&state),
            balance: Balance::new(pieces, ledger, state),
            lines: Vec::new(),
            happened: BTreeMap::new(),
        }
    }

    /// Lets one thing happen and looks whether everything is as it may be.
    pub(crate) async fn event(&mut self, event: &Event) -> Result<(), String> {
        self.events += 1;
        self.wake_up_to(self.events).await?;
        let text = match event {
            Event::Run(fault) => self.run(*fault).await?,
            Event::Provider(fault) => self.plant(*fault).await,
            Event::Duplicate => match self.delivered.last().copied() {
                Some(task) => self.deliver("Again", task).await,
                None => nothing("Again", "nothing was run"),
            },
            Event::Stray(number) => {
                let delivered = self.delivered.iter();
                // Before its turn a step, but not what closes the order or undoes anything: the state
                // machine alone knows when that is right, and it takes a stray one for a wrong call.
                let any_time = Do::forward();
                let late = delivered.filter(|task| !any_time.contains(task));
                let tasks: Vec<_> = any_time.iter().chain(late).copied().collect();
                self.deliver("Stray", tasks[number % tasks.len()]).await
            }
            Event::Cancel => self.cancel().await,
            Event::ForgetKeys => {
                self.shop.sandbox.forget_keys().await;
                self.pass(Duration::from_hours(25)).await;
                "25 hours pass, and the payment provider forgets its keys".to_owned()
            }
            Event::Hours(hours) => {
                self.pass(Duration::from_hours(u64::from(*hours))).await;
                format!("{hours} hours pass")
            }
            Event::Lapse => self.lapse().await,
            Event::Used => self.use_label().await,
            Event::GiveUp => self.give_up(),
            Event::Redrive => {
                if self.execution.redrive() {
                    self.redriven_at = Some(Timestamp::now());
                    "Redrive".to_owned()
                } else {
                    nothing("Redrive", "nothing gave up")
                }
            }
            Event::Restart { ships_again } => self.restart(*ships_again).await,
        };
        // What could not happen changes nothing.
        let happened = !text.starts_with('(');
        self.lines.push(text);
        if happened { self.check().await } else { Ok(()) }
    }

    /// Everything works again, and whoever has to look does: the order comes to its end.
    pub(crate) async fn heal(&mut self) -> Result<(), String> {
        self.lines.push("From here on everything works".to_owned());
        for round in 1..=100 {
            match self.execution.at() {
                At::Ended => break,
                At::Stuck(_) => {
                    is_in_the_index(&self.shop.database.read_models, &self.recorded).await?;
                    // Whoever looks may do so on the next day.
                    self.event(&Event::ForgetKeys).await?;
                    self.settle().await?;
                    self.event(&Event::Redrive).await?;
                }
                At::Task(_) => self.event(&Event::Run(None)).await?,
            }
            if round == 100 {
                return Err("the order does not come to an end".to_owned());
            }
        }
        self.wake_up_to(usize::MAX).await?;
        // A message that could not be sent is left on the order, to be sent again.
        for _ in 0..20 {
            if self.balance.awaits_message() {
                self.pass(PAUSE).await;
                let text = self.deliver("Stray", Do::Shipped).await;
                self.lines.push(text);
                self.check().await?;
            }
        }
        let failure = self.reversed_before.as_ref();
        let failure = failure.or_else(|| self.execution.failure());
        let shop = self.shop;
        let payments = payments(shop, &self.order).await;
        let pieces = shop.database.available(ARTICLE).await;
        let messages = shop.outbox.sent(&self.order);
        let ending = self
            .balance
            .at_the_end(failure, &payments, pieces, &messages)?;
        self.movements_are_the_books().await?;
        is_in_the_index(&shop.database.read_models, &self.recorded).await?;
        self.note(&format!("ends {ending}"));
        if self.balance.count("authorizations") > 1 {
            self.note("money is held anew");
        }
        for fault in self.balance.fired() {
            self.note(&fault);
        }
        Ok(())
    }

    /// Whether the carrier has said that it does not void the label any more.
    async fn label_was_used(&self) -> bool {
        let state = self.shop.database.state(&self.order).await;
        refused_undo(&state).is_some()
    }

    /// Somebody says what has become of a shipment that the carrier does not cancel.
    async fn settle(&mut self) -> Result<(), String> {
        if !self.label_was_used().await {
            return Ok(());
        }
        self.invocations += 1;
        let lease_ms = i64::try_from(LEASE.as_millis()).expect("a lease");
        let owner = format!("owner-{}", self.invocations);
        let by = Invocation {
            attempt: self.attempt,
            ..invocation(&self.order, &owner, lease_ms)
        };
        let task = Task {
            settling: Some(Settling {
                settlement: Settlement::ShipmentWrittenOff,
                event: audited(Noted::Settled),
            }),
            ..task(ship::Action::Settle, by)
        };
        let plan = Plan::default();
        let settled = match Box::pin(self.shop.ship(&plan, task)).await {
            Ok(settled) => settled,
            Err(error) => return Err(format!("a used label is not settled: {error}")),
        };
        self.note(settled["settled"].as_str().unwrap_or_default());
        self.lines.push(format!("Settle → {settled}"));
        self.check().await
    }

    /// Enters what moved, and once more as after an event that comes twice, and reads it back by day.
    async fn movements_are_the_books(&self) -> Result<(), String> {
        let read_models = &self.shop.database.read_models;
        let moved = self.balance.movements();
        for movement in moved.iter().chain(&moved) {
            let entered = read_models.enter(movement).await;
            entered.map_err(|error| error.to_string())?;
        }
        let days: BTreeSet<Day> = moved.iter().map(Movement::day).collect();
        let mut entered = Vec::new();
        for day in days {
            let found = read_models.movements(day, Behind::default(), None, 10_000);
            let (found, _) = found.await.map_err(|error| error.to_string())?;
            let mut sums = Figures::default();
            for one in &found {
                sums.add(day, one.flow, one.amount.currency(), one.amount.into());
            }
            let figures = read_models.figures(Days::only(day)).await;
            if figures != Ok(sums) {
                return Err(format!("the sums of {day} are not those of its movements"));
            }
            entered.extend(
                found
                    .into_iter()
                    .filter(|one| one.order_id == self.order_id),
            );
        }
        self.balance.entered_are_the_books(&entered)
    }

    async fn check(&mut self) -> Result<(), String> {
        let ledger = self.shop.ledger(&self.order).await;
        let state = self.shop.database.state(&self.order).await;
        self.balance.check(ledger, state)?;
        self.look().await?;
        let holds = self.balance.count("authorizations");
        if holds > self.held.1 {
            self.held = (self.clock, holds);
        }
        Ok(())
    }

    /// What everybody sees of it.
    async fn look(&mut self) -> Result<(), String> {
        let (at, store) = (self.execution.at(), &self.shop.database.store);
        let record = store.load(&self.order_id).await.expect("an answer");
        let record = record.expect("the order");
        let seen = Seen::now(&record, at, self.redriven_at);
        seen.is_no_lie(&self.balance)?;
        let recorded = seen.recorded_after(&self.recorded)?;
        seen.is_told(&recorded, at)?;
        self.recorded = recorded;
        Ok(())
    }

    async fn pass(&mut self, time: Duration) {
        self.clock += time;
        self.shop.database.elapse(&self.order, time).await;
    }

    /// Runs the current task.
    async fn run(&mut self, failing: Option<Failing>) -> Result<String, String> {
        let At::Task(task) = self.execution.at() else {
            return Ok(nothing("Run", "the execution does not wait for anything"));
        };
        self.pass(PAUSE).await;
        let plan = failing.map_or_else(Plan::default, |failing| {
            Plan::new(failing.fault, failing.at)
        });
        let must_not_begin = self.balance.is_cancelled_before(task);
        let answer = self.invoke(task, &plan).await;
        let right = match answer
            .as_ref()
            .map(|answer| answer.as_ref().map_err(StepError::name))
        {
            // With that a restarted attempt comes to its failure branch.
            Some(Err(ErrorName::InvalidInput)) => {
                task == Do::Validate && self.reversed_before.is_some()
            }
            // Nothing is shipped for a hold that is about to lapse; all else but a used label is a defect.
            Some(Err(ErrorName::Internal)) => {
                task == Do::Book || (task == Do::CancelShipment && self.label_was_used().await)
            }
            // Somebody may still be at work on what began before.
            None | Some(Err(ErrorName::OrderCancelled | ErrorName::StoreUnavailable)) => true,
            Some(_) => !must_not_begin,
        };
        match &answer {
            Some(Ok(_)) => self.execution.succeeded(),
            Some(Err(error)) => self.execution.failed(failure_of(error)),
            None => self.execution.not_answered(),
        }
        let mut line = format!("Run {}", state_of(task));
        if let Some(zombie) = self.zombies.last_mut().filter(|_| answer.is_none()) {
            let after = failing.map_or(0, |failing| failing.wakes_after);
            zombie.wakes_at = self.events + after;
        }
        let is_last = failing.is_some_and(|failing| failing.is_last) && self.execution.give_up();
        if let Some(Failing { fault, at, .. }) = failing {
            let hit = plan.hit();
            let hit_or_not = hit.as_deref().unwrap_or("there is none");
            let _ = write!(line, ", {} I/O {at} ({hit_or_not})", words(fault));
            if let Some(hit) = hit {
                self.note(&format!("{fault:?}"));
                self.note(&format!("{} {hit}", words(fault)));
            }
        }
        let mut line = self.answered(&line, answer);
        if is_last {
            line.push_str("; and gives up");
            self.note_given_up();
        }
        if right {
            return Ok(line);
        }
        self.lines.push(line.clone());
        Err(format!("that is no right answer: {line}"))
    }

    /// Runs a task out of turn; the execution does not hear of it.
    async fn deliver(&mut self, how: &str, task: Do) -> String {
        let answer = self.invoke(task, &Plan::default()).await;
        self.note(how);
        self.answered(&format!("{how}: {}", state_of(task)), answer)
    }

    fn answered(&mut self, line: &str, answer: Option<Result<Value, StepError>>) -> String {
        let answer = match answer {
            Some(Ok(_)) => "ok".to_owned(),
            Some(Err(error)) => {
                self.note(&format!("{}", error.name()));
                error.to_string()
            }
            None => "no answer".to_owned(),
        };
        format!("{line} → {answer}")
    }

    /// `None` if it was stopped; then it may wake.
    async fn invoke(&mut self, task: Do, plan: &Plan) -> Option<Result<Value, StepError>> {
        self.invocations += 1;
        if !self.delivered.contains(&task) {
            self.delivered.push(task);
        }
        let lease_ms = i64::try_from(LEASE.as_millis()).expect("a lease");
        let owner = format!("owner-{}", self.invocations);
        let by = Invocation {
            attempt: self.attempt,
            ..invocation(&self.order, &owner, lease_ms)
        };
        if self.clock < self.held.0 + SEARCH_LAG {
            plan.keep_search_behind();
        }
        let failure = self.execution.failure().cloned();
        let failure = failure.unwrap_or_else(|| FailureInput {
            error: "Internal".to_owned(),
            cause: "delivered before its time".to_owned(),
        });
        let (shop, its_plan) = (self.shop, plan.clone());
        let running = async move { shop.run(task, by, &its_plan, failure).await };
        let mut running: Running = Box::pin(running);
        tokio::select! {
            answer = &mut running => Some(answer),
            () = plan.stopped() => {
                let (plan, begun) = (plan.clone(), self.clock);
                self.zombies.push(Zombie { task, wakes_at: usize::MAX, running, plan, begun });
                None
            }
        }
    }

    /// Wakes whoever is to wake before this event.
    async fn wake_up_to(&mut self, event: usize) -> Result<(), String> {
        while let Some(next) = self.zombies.iter().position(|one| one.wakes_at <= event) {
            let zombie = self.zombies.remove(next);
            let text = self.wake(zombie).await;
            self.lines.push(text);
            self.check().await?;
        }
        Ok(())
    }

    /// Lets an invocation that nobody waits for go on. What it sends may still arrive at a provider
    /// as long as the undos count with that; at the database always.
    async fn wake(&mut self, zombie: Zombie) -> String {
        let (plan, mut running) = (zombie.plan, zombie.running);
        let late = self.clock > zombie.begun + LEASE + SETTLED;
        if late {
            plan.keep_from_providers();
            self.note("wakes too late for a provider");
        } else {
            self.note("wakes in time for a provider");
        }
        plan.wake();
        let answer = tokio::select! {
            answer = &mut running => Some(answer),
            () = plan.stopped() => None,
        };
        let slept = self.clock.saturating_sub(zombie.begun).as_secs();
        let line = format!("{} wakes after {slept} s", state_of(zombie.task));
        self.answered(&line, answer)
    }

    async fn plant(&mut self, number: usize) -> String {
        let (provider, operations) = asked_by(self.execution.at());
        let its = |planted: &&(&str, &str, &str)| {
            planted.0 == provider && operations.contains(&planted.1)
        };
        let its: Vec<_> = PLANTED.iter().filter(its).collect();
        if its.is_empty() {
            return nothing(&format!("Provider {number}"), "none is asked");
        }
        let (provider, operation, mode) = *its[number % its.len()];
        // A carrier that refuses an address does so each time; one that does not void a label, too.
        let times = if (operation, mode) == ("book", "decline") {
            1000
        } else {
            1
        };
        let stored = mode == "stored";
        let fault = json!({"provider": provider, "operation": operation,
            "mode": if stored { "error" } else { mode }, "stored": stored,
            "status": if stored { 500 } else { 503 }, "times": times, "order_id": self.order});
        self.shop.sandbox.plant_fault(&fault).await;
        format!("At the next {operation} the {provider} does this: {mode}")
    }

    async fn cancel(&mut self) -> String {
        let store = &self.shop.database.store;
        let asked = store.request_cancel(&self.order_id, Timestamp::now()).await;
        match asked.expect("an answer") {
            Cancellation::Requested { .. } => {
                self.balance.cancelled();
                self.note("cancel requested");
                "Cancel → requested".to_owned()
            }
            Cancellation::Refused(reason) => {
                self.note("cancel refused");
                format!("Cancel → refused: {reason}")
            }
        }
    }

    /// Somebody stops the execution, and begins a new attempt that goes on with what it did.
    async fn restart(&mut self, ships_again: bool) -> String {
        let name = if ships_again { "Ship again" } else { "Restart" };
        if self.execution.at() == At::Ended {
            return nothing(name, "the execution has ended");
        }
        let store = &self.shop.database.store;
        let record = store.load(&self.order_id).await.expect("an answer");
        let record = record.expect("the order");
        let now = Timestamp::now();
        if asks_first(&record.state, now) {
            return nothing(name, "the providers have to be asked first");
        }
        let fresh = match record.state.restarted(ships_again, now) {
            Ok(fresh) => fresh,
            Err(why) => return nothing(name, why),
        };
        let event = audited(Noted::RestartRequested);
        let begun = store
            .begin_attempt(&record, fresh, None, &event, Vec::new())
            .await;
        let Ok(Begun::Yes(state)) = begun else {
            panic!("a restart that came to {begun:?}");
        };
        self.attempt = state.attempt;
        self.reversed_before = state.failure.map(|failure| FailureInput {
            error: failure.error.as_str().to_owned(),
            cause: failure.message,
        });
        self.execution = Execution::start();
        self.redriven_at = None;
        self.note(name);
        if self.reversed_before.is_some() {
            self.note("Restart of a reversal");
        }
        format!("{name} → attempt {}", self.attempt)
    }

    async fn lapse(&mut self) -> String {
        if self.balance.holds() != 1 {
            return nothing("Lapse", "no money is held");
        }
        self.shop.sandbox.lapse(&self.order).await;
        self.pass(Duration::from_hours(5 * 24)).await;
        self.balance.lapsed();
        self.note("the hold lapses");
        "5 days pass, and the hold lapses".to_owned()
    }

    async fn use_label(&mut self) -> String {
        for (provider, operation, mode) in [
            ("payment", "capture", "decline"),
            ("carrier", "cancel", "refuse_for_good"),
        ] {
            let fault = json!({"provider": provider, "operation": operation, "mode": mode,
                "order_id": self.order});
            self.shop.sandbox.plant_fault(&fault).await;
        }
        "The parcel goes out, and the hold lapses".to_owned()
    }

    fn give_up(&mut self) -> String {
        let At::Task(task) = self.execution.at() else {
            return nothing("Give up", "nothing runs");
        };
        if !self.execution.give_up() {
            return nothing("Give up", "nothing failed");
        }
        self.note_given_up();
        format!("{} gives up", state_of(task))
    }

    fn note_given_up(&mut self) {
        let stuck = matches!(self.execution.at(), At::Stuck(_));
        self.note(if stuck {
            "an undo gives up"
        } else {
            "a step gives up"
        });
    }

    fn note(&mut self, what: &str) {
        *self.happened.entry(what.to_owned()).or_default() += 1;
    }

    /// The whole story, for whoever has to find out what went wrong.
    pub(crate) fn told(&self, broken: &str) -> String {
        let mut told = format!("{broken}\n\nThe story of {}:\n", self.order);
        for (number, line) in self.lines.iter().enumerate() {
            let _ = writeln!(told, "{:3}. {line}", number + 1);
        }
        let _ = write!(told, "\n{}", self.balance.told());
        told
    }
}

/// What a task may ask which provider for.
fn asked_by(at: At) -> (&'static str, &'static [&'static str]) {
    let At::Task(task) = at else {
        return ("none", &[]);
    };
    task.expected().asks
}

/// Where the payments of an order stand, as the payment provider tells its customers.
async fn payments(shop: &Shop, order: &str) -> Vec<String> {
    let url = format!("{}/v1/payment_intents/search", shop.sandbox.url);
    // Planted faults may be left that hit this call.
    for _ in 0..50 {
        let query = format!("metadata['order_id']:'{order}'");
        let request = shop.http.get(&url).query(&[("query", query)]);
        let Ok(answer) = request.bearer_auth("sk_test_story").send().await else {
            continue;
        };
        if answer.status().is_success() {
            let found: Value = answer.json().await.expect("JSON");
            let found = found["data"].as_array().expect("a list").iter();
            let status = |one: &Value| one["status"].as_str().expect("a status").to_owned();
            return found.map(status).collect();
        }
    }
    panic!("the payment provider does not tell");
}

fn nothing(what: &str, why: &str) -> String {
    format!("({what}: {why})")
}

/// As Lambda reports it.
fn failure_of(error: &StepError) -> FailureInput {
    let name = error.name().as_str();
    FailureInput {
        error: name.to_owned(),
        cause: json!({"errorType": name, "errorMessage": error.message()}).to_string(),
    }
}

fn words(fault: Fault) -> &'static str {
    match fault {
        Fault::CrashBefore => "stopped before",
        Fault::CrashAfter => "stopped after",
        Fault::NotMade => "without",
        Fault::RequestLost => "request lost at",
        Fault::AnswerLost => "answer lost at",
    }
}
