//! One order with everybody who may be at work on it, and what can happen next.

use std::hash::{Hash, Hasher};
use std::time::Duration;

use actions::possible;
use domain::ledger::Entry;
use domain::{Decision, Execution, ExecutionStatus, OrderState, Timestamp};
use memory::{BookedPayment, Call, Snapshot, Waiting, Whom, World};
use operations::advice::Action;
use step::FailureInput;
use workflow::Described;

use crate::definition::{Caught, Definition, End, Task};
use crate::process::{Fate, Process, Request, owner_name};
use crate::roles::{Ended, Role};

/// How long a claim is its owner's, in seconds.
pub(crate) const LEASE_S: i64 = 240;
/// How long after that a request may still arrive, and a step does not believe that there is nothing.
pub(crate) const SETTLED_S: u64 = 120;
/// How far the clock goes in one move: past the end of a lease, and not past [`SETTLED_S`] after it.
pub(crate) const TICK_S: i64 = 300;

/// So many seconds later.
pub(crate) fn later(at: Timestamp, seconds: i64) -> Timestamp {
    let span = Duration::from_secs(seconds.unsigned_abs());
    at.checked_add(span).unwrap_or(Timestamp::MAX)
}

/// A state whose task touches nothing that anybody else does: the order is closed, and the message is sent or
/// not. Its requests arrive one after the other.
const ALONE: &str = "NotifyFailure";

/// Tokens of tasks that wait, over and over.
const TOKENS: [&str; 6] = ["t1", "t2", "t3", "t4", "t5", "t6"];

/// How often what can happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Bounds {
    /// An invocation ends between two of its requests.
    pub crashes: u8,
    /// A request or an answer is lost.
    pub losses: u8,
    /// A request is given up, and arrives later or never.
    pub lates: u8,
    /// A provider says no.
    pub refusals: u8,
    /// A task is run twice.
    pub duplicates: u8,
    /// An invocation goes on after its task has timed out.
    pub zombies: u8,
    /// The customer cancels.
    pub cancels: u8,
    /// An operator redrives, restarts or reprocesses.
    pub attempts: u8,
    /// A person decides about the order, which is looked at then.
    pub decisions: u8,
    /// An operator or the monitor asks the providers what nobody knows.
    pub resolves: u8,
    /// The monitor compares ledger and providers.
    pub compares: u8,
    /// An execution has tried often enough.
    pub give_ups: u8,
    /// The clock moves on.
    pub ticks: u8,
}

/// Where an execution stands in its state.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Phase {
    /// Its task is to be run.
    Ready,
    /// It waits for this invocation.
    Waits(u8),
    /// Its function has answered, and it waits for somebody with this token.
    Awaits,
    /// The last try ended with this error.
    Troubled(String),
    /// It has ended here.
    Ended(End),
}

/// The execution of the current attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) attempt: u32,
    pub(crate) state: &'static str,
    pub(crate) phase: Phase,
    pub(crate) failure: Option<FailureInput>,
}

/// Everything, at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct System {
    pub(crate) world: World,
    pub(crate) run: Run,
    pub(crate) processes: Vec<Process>,
    /// What may still happen.
    pub(crate) left: Bounds,
    /// What a comparison claimed that was not so.
    pub(crate) cried_wolf: bool,
    /// Whether the monitor looked for what is held of a closed order, and left it.
    pub(crate) looked_in_vain: bool,
}

/// What happens next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Move {
    /// The execution runs its task.
    Invoke,
    /// A request of the process in this place meets its fate.
    Meet(usize, Meeting, Fate),
    /// This process ends between two requests.
    Crash(u8),
    /// The task of this process times out, and the process goes on.
    Outlive(u8),
    /// The task that is run is run by another invocation, too.
    Duplicate,
    /// The execution tries the task again.
    Retry,
    /// The execution has tried often enough.
    GiveUp,
    /// Time passes.
    Tick,
    /// The customer cancels.
    Cancel,
    /// A person decides.
    Decide(Decision),
    /// The monitor wakes an execution that waits for what was decided already.
    Wake,
    /// A task that waits for a person has waited for long enough.
    NobodyDecides,
    /// A person lets the execution go on where it stopped.
    Redrive,
    /// A person begins a new attempt.
    Begin(Beginning),
    /// Somebody asks the providers.
    Resolve,
    /// The monitor compares.
    Compare,
    /// The monitor looks again.
    LookAgain,
}

/// A request of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Meeting(pub(crate) Request);

/// How a new attempt begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beginning {
    /// From the beginning.
    Reprocess,
    /// With what the last one did.
    Restart,
}

impl Hash for System {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        let version = self.world.state.state().version;
        self.world.hash(hasher);
        let Run {
            attempt,
            state,
            phase,
            failure,
        } = &self.run;
        (attempt, state, phase).hash(hasher);
        failure.as_ref().map(|failure| &failure.error).hash(hasher);
        (self.left, self.cried_wolf, self.looked_in_vain).hash(hasher);
        for process in &self.processes {
            process.hash_beside(version, hasher);
        }
        self.processes.len().hash(hasher);
    }
}

fn owners(state: &OrderState) -> impl Iterator<Item = &str> {
    fn of<T>(entry: Option<&Entry<T>>) -> Option<&str> {
        match entry {
            Some(Entry::Open(claim)) => Some(&claim.owner),
            Some(Entry::Done { .. }) | None => None,
        }
    }
    let all = [
        of(state.authorize.as_ref()),
        of(state.book.as_ref()),
        of(state.capture.as_ref()),
        of(state.notify.as_ref()),
        of(state.unbook.as_ref()),
        of(state.reverse.as_ref()),
        of(state.notify_failure.as_ref()),
    ];
    all.into_iter().flatten()
}

impl System {
    pub(crate) fn new(world: World, definition: &Definition, bounds: Bounds) -> Self {
        let run = Run {
            attempt: 1,
            state: definition.start,
            phase: Phase::Ready,
            failure: None,
        };
        Self {
            world,
            run,
            processes: Vec::new(),
            left: bounds,
            cried_wolf: false,
            looked_in_vain: false,
        }
    }

    pub(crate) fn state(&self) -> &OrderState {
        self.world.state.state()
    }

    /// The end of the execution, if it has ended.
    pub(crate) fn end(&self) -> Option<End> {
        match self.run.phase {
            Phase::Ended(end) => Some(end),
            Phase::Ready | Phase::Waits(_) | Phase::Awaits | Phase::Troubled(_) => None,
        }
    }

    /// As Step Functions tells of the execution.
    pub(crate) fn described(&self) -> Described {
        let status = match self.end() {
            None => ExecutionStatus::Running,
            Some(End::Succeeded) => ExecutionStatus::Succeeded,
            Some(End::Failed) => ExecutionStatus::Failed,
        };
        Described {
            execution: Execution {
                attempt: self.run.attempt,
                status,
                redriven_at: None,
                stopped_at: self.end().map(|_| self.world.now),
            },
            redrivable: match self.end() {
                Some(End::Failed) => Ok(()),
                Some(End::Succeeded) | None => Err("it has not failed".to_owned()),
            },
            trace_id: None,
        }
    }

    pub(crate) fn is_possible(&self, action: Action, now: Timestamp) -> bool {
        possible(action, &self.world.record(), &self.described(), now).is_ok()
    }

    pub(crate) fn process(&self, owner: u8) -> Option<&Process> {
        let mut processes = self.processes.iter();
        processes.find(|process| process.owner == owner && !process.is_on_its_way)
    }

    /// Whether this process can still reach a provider: its function was ended at its deadline, and only what
    /// was sent before then arrives later.
    fn reaches(&self, process: &Process, call: Call) -> bool {
        let settled = i64::try_from(SETTLED_S).unwrap_or(i64::MAX);
        call.whom == Whom::Database || self.world.now < later(process.deadline, settled)
    }

    /// A name that nobody has, and that nobody has seen.
    fn free_owner(&self) -> u8 {
        let is_used = |owner: &u8| {
            let name = owner_name(*owner);
            let in_states = |state: &OrderState| owners(state).any(|owner| owner == name);
            self.processes.iter().any(|process| process.owner == *owner)
                || in_states(self.state())
                || self.processes.iter().any(|process| {
                    let mut seen = process.seen();
                    seen.any(|state| in_states(state.state()))
                })
        };
        (1..=u8::MAX)
            .find(|owner| !is_used(owner))
            .unwrap_or(u8::MAX)
    }

    /// Somebody begins, up to the first request.
    fn spawn(&mut self, definition: &Definition, role: Role, is_heard: bool, attempt: u32) -> u8 {
        let owner = self.free_owner();
        let mut process = Process::new(role, owner, attempt, self.world.now, LEASE_S);
        process.is_heard = is_heard;
        if is_heard {
            self.run.phase = Phase::Waits(owner);
        }
        match process.advance(&mut self.world, None) {
            None => self.processes.push(process),
            Some(ended) => self.ends(is_heard, definition, &ended),
        }
        self.hears(definition);
        owner
    }

    /// What can happen to the requests of a process.
    fn fates(&self, at: usize, process: &Process, moves: &mut Vec<Move>) {
        for request in &process.waits_for {
            let call = request.call;
            if !self.reaches(process, call) {
                continue;
            }
            let mut add = |fate| moves.push(Move::Meet(at, Meeting(*request), fate));
            add(Fate::Heard);
            if process.is_on_its_way {
                continue;
            }
            if self.left.refusals > 0 && call.can_be_refused() {
                add(Fate::Refused);
            }
            if self.left.lates > 0 && !call.only_looks() {
                add(Fate::Late);
            }
            if self.left.losses > 0 {
                match call.whom {
                    Whom::Database => add(Fate::RequestLost),
                    Whom::Payment | Whom::Carrier | Whom::Messages => add(Fate::NotMade),
                }
                if !call.only_looks() {
                    if call.whom != Whom::Database {
                        add(Fate::RequestLost);
                    }
                    add(Fate::AnswerLost);
                }
            }
        }
    }

    /// Everything that can happen next.
    pub(crate) fn moves(&self, definition: &Definition, moves: &mut Vec<Move>) {
        match &self.run.phase {
            Phase::Ready => moves.push(Move::Invoke),
            Phase::Troubled(_) => {
                moves.push(Move::Retry);
                if self.left.give_ups > 0 {
                    moves.push(Move::GiveUp);
                }
            }
            Phase::Waits(owner) => {
                if self.left.duplicates > 0 {
                    moves.push(Move::Duplicate);
                }
                if self.left.crashes > 0 && self.process(*owner).is_some_and(Process::has_begun) {
                    moves.push(Move::Crash(*owner));
                }
                if self.left.zombies > 0 && self.left.ticks > 0 {
                    moves.push(Move::Outlive(*owner));
                }
            }
            Phase::Awaits if self.left.ticks > 0 => moves.push(Move::NobodyDecides),
            Phase::Awaits => {}
            Phase::Ended(_) => {}
        }
        for (at, process) in self.processes.iter().enumerate() {
            self.fates(at, process, moves);
        }
        if self.left.ticks > 0 && self.time_matters() {
            moves.push(Move::Tick);
        }
        if self.left.cancels > 0 {
            moves.push(Move::Cancel);
        }
        let now = self.world.now;
        if self.left.decisions > 0 {
            for (action, decision) in [
                (Action::Approve, Decision::Approved),
                (Action::Reject, Decision::Rejected),
            ] {
                if self.is_possible(action, now) {
                    moves.push(Move::Decide(decision));
                }
            }
        }
        if self.run.phase == Phase::Awaits
            && (self.decision().is_some() || self.state().cancel.is_some())
        {
            moves.push(Move::Wake);
        }
        let is_task = definition.task(self.run.state).is_some();
        if self.left.attempts > 0 && is_task && self.is_possible(Action::Redrive, now) {
            moves.push(Move::Redrive);
        }
        if self.left.attempts > 0 && self.end().is_some() {
            if self.is_possible(Action::Reprocess, now) {
                moves.push(Move::Begin(Beginning::Reprocess));
            }
            if self.is_possible(Action::Restart, now) {
                moves.push(Move::Begin(Beginning::Restart));
            }
        }
        if self.left.resolves > 0 && self.end().is_some() && self.is_possible(Action::Resolve, now)
        {
            moves.push(Move::Resolve);
        }
        if self.left.compares > 0 {
            moves.push(Move::Compare);
        }
        let looks = |process: &Process| process.role == Role::LookAgain;
        if self.end().is_some()
            && self.state().closed_without_knowing().is_some()
            // Else it finds nothing to do.
            && self.world.payments.iter().any(BookedPayment::is_held)
            && !self.processes.iter().any(looks)
        {
            moves.push(Move::LookAgain);
        }
    }

    /// Whether anything looks different later: nothing does while an invocation is waited for, which ends
    /// first, or while nothing is claimed.
    fn time_matters(&self) -> bool {
        let waits = matches!(self.run.phase, Phase::Waits(_));
        let claimed = owners(self.state()).next().is_some();
        !waits && (claimed || !self.processes.is_empty())
    }

    fn pass_time(&mut self) {
        self.left.ticks -= 1;
        self.world.now = later(self.world.now, TICK_S);
        let mut processes = std::mem::take(&mut self.processes);
        // Whoever could only go on to a provider was ended long ago.
        processes.retain(|process| {
            let mut requests = process.waits_for.iter();
            requests.any(|request| self.reaches(process, request.call))
        });
        self.processes = processes;
    }

    /// What comes of this move.
    pub(crate) fn after(&self, definition: &Definition, next: &Move) -> Option<Self> {
        let mut system = self.clone();
        match next {
            Move::Invoke | Move::Retry => {
                let task = definition.task(self.run.state)?;
                if task.waits {
                    system.world.waiting = Some(Waiting {
                        token: self.free_token().to_owned(),
                        told: None,
                    });
                }
                let role = system.step(task);
                if self.run.state == ALONE {
                    system.at_once(role, true, definition);
                } else {
                    system.spawn(definition, role, true, self.run.attempt);
                }
            }
            Move::Duplicate => {
                system.left.duplicates -= 1;
                let task = definition.task(self.run.state)?;
                let role = self.step(task);
                system.spawn(definition, role, false, self.run.attempt);
            }
            Move::Meet(at, Meeting(request), fate) => {
                system.meet(definition, *at, *request, *fate);
            }
            Move::Crash(owner) => {
                system.left.crashes -= 1;
                system
                    .processes
                    .retain(|process| process.owner != *owner || process.is_on_its_way);
                system.trouble(definition, "Lambda.Unknown");
            }
            Move::Outlive(owner) => {
                system.left.zombies -= 1;
                for process in &mut system.processes {
                    process.is_heard &= process.owner != *owner;
                }
                system.pass_time();
                system.trouble(definition, "States.Timeout");
            }
            Move::GiveUp => {
                let Phase::Troubled(error) = &self.run.phase else {
                    return None;
                };
                system.left.give_ups -= 1;
                system.give_up(definition, error);
            }
            Move::Tick => system.pass_time(),
            Move::Cancel => {
                system.left.cancels -= 1;
                if self.world.scene.0.is_reviewed {
                    // Whoever waits for a review is told with a request of its own.
                    system.spawn(definition, Role::Customer, false, self.run.attempt);
                } else {
                    system.at_once(Role::Customer, false, definition);
                }
            }
            Move::Decide(decision) => {
                system.left.decisions -= 1;
                system.spawn(definition, Role::Decide(*decision), false, self.run.attempt);
            }
            Move::Wake => {
                let role = Role::Wake {
                    decision: self.decision(),
                    is_cancelled: self.state().cancel.is_some(),
                };
                system.at_once(role, false, definition);
            }
            Move::NobodyDecides => {
                system.pass_time();
                system.trouble(definition, "States.Timeout");
            }
            Move::Redrive => {
                system.left.attempts -= 1;
                system.run.phase = Phase::Ready;
            }
            Move::Begin(how) => {
                system.left.attempts -= 1;
                let role = self.beginning(*how)?;
                system.spawn(definition, role, false, self.run.attempt);
            }
            Move::Resolve => {
                system.left.resolves -= 1;
                system.spawn(definition, Role::Resolve, false, self.state().attempt);
            }
            Move::Compare => {
                system.left.compares -= 1;
                system.spawn(definition, Role::Compare, false, self.state().attempt);
            }
            Move::LookAgain => {
                system.spawn(definition, Role::LookAgain, false, self.state().attempt);
            }
        }
        Some(system)
    }

    fn step(&self, task: &Task) -> Role {
        Role::Step {
            state: self.run.state,
            function: task.function.clone(),
            action: task.action.clone(),
            failure: self.run.failure.clone(),
            token: self.token(),
        }
    }

    fn decision(&self) -> Option<Decision> {
        let review = self.state().review.as_ref();
        review.and_then(|review| review.decision)
    }

    /// The token of the task that waits.
    fn token(&self) -> Option<&'static str> {
        let waiting = self.world.waiting.as_ref()?;
        TOKENS.into_iter().find(|token| *token == waiting.token)
    }

    /// A token by which nobody knows a task that waited.
    #[expect(
        clippy::expect_used,
        reason = "a token that somebody knows would wake the wrong task"
    )]
    fn free_token(&self) -> &'static str {
        let is_used = |token: &&str| {
            let is_stored = self.world.review_token.as_deref() == Some(*token);
            let given = self.processes.iter().any(|process| match &process.role {
                Role::Step { token: given, .. } => *given == Some(*token),
                _ => process.has_token(token),
            });
            is_stored || given
        };
        let mut free = TOKENS.into_iter().filter(|token| !is_used(token));
        free.next().expect("more tokens than people who know one")
    }

    /// The task that waits is told.
    fn hears(&mut self, definition: &Definition) {
        let told = self.world.waiting.as_ref().and_then(|waiting| waiting.told);
        let Some(told) = told else { return };
        self.world.waiting = None;
        // Its function may not have answered yet: nobody waits for that any more.
        for process in &mut self.processes {
            process.is_heard = false;
        }
        match told {
            Ok(()) => self.goes_on(definition),
            Err(error) => self.trouble(definition, error),
        }
    }

    fn goes_on(&mut self, definition: &Definition) {
        if let Some(task) = definition.task(self.run.state) {
            match task.next {
                Some(next) => self.enter(definition, next),
                None => self.run.phase = Phase::Ended(End::Succeeded),
            }
        }
    }

    fn beginning(&self, how: Beginning) -> Option<Role> {
        let last = self.world.state.clone();
        let now = self.world.now;
        let (fresh, word) = match how {
            Beginning::Reprocess => {
                let fresh = last.state().next_attempt(&self.world.scene.0.order, now);
                (fresh, "reprocess")
            }
            Beginning::Restart => (last.state().restarted(false, now).ok()?, "restart"),
        };
        Some(Role::Begin {
            last,
            fresh: Snapshot::new(fresh),
            word,
        })
    }

    /// Somebody whose requests all arrive before anybody else's.
    fn at_once(&mut self, role: Role, is_heard: bool, definition: &Definition) {
        let owner = self.spawn(definition, role, is_heard, self.run.attempt);
        while let Some(at) = self.place(owner)
            && let Some(request) = self.processes[at].waits_for.first().copied()
        {
            self.meet(definition, at, request, Fate::Heard);
        }
    }

    /// Where the process of this name is.
    fn place(&self, owner: u8) -> Option<usize> {
        let mut processes = self.processes.iter();
        processes.position(|process| process.owner == owner && !process.is_on_its_way)
    }

    fn meet(&mut self, definition: &Definition, at: usize, request: Request, fate: Fate) {
        match fate {
            Fate::Heard => {}
            Fate::Refused => self.left.refusals -= 1,
            Fate::NotMade | Fate::RequestLost | Fate::AnswerLost => self.left.losses -= 1,
            Fate::Late => self.left.lates -= 1,
        }
        if self.processes[at].is_on_its_way {
            let mut late = self.processes.remove(at);
            // Nobody hears what comes of it.
            late.advance(&mut self.world, Some((request, fate)));
            self.hears(definition);
            return;
        }
        if fate == Fate::Late {
            let late = self.processes[at].on_its_way(request, self.world.now);
            self.processes.push(late);
        }
        let ended = self.processes[at].advance(&mut self.world, Some((request, fate)));
        if let Some(ended) = ended {
            let process = self.processes.remove(at);
            if process.role == Role::LookAgain && ended == Ended::Well {
                let waits = self.state().closed_without_knowing().is_some();
                let held = self.world.payments.iter().any(BookedPayment::is_held);
                self.looked_in_vain |= waits && held;
            }
            self.ends(process.is_heard, definition, &ended);
        }
        self.hears(definition);
    }

    /// A process has ended.
    fn ends(&mut self, is_heard: bool, definition: &Definition, ended: &Ended) {
        match ended {
            Ended::Well if is_heard => {
                if self.world.waiting.is_some() {
                    self.run.phase = Phase::Awaits;
                } else {
                    self.goes_on(definition);
                }
            }
            Ended::With(error) if is_heard => self.trouble(definition, error.name().as_str()),
            Ended::Begun => {
                // An execution that somebody else has redriven meanwhile: nobody waits for its task any more.
                for process in &mut self.processes {
                    process.is_heard = false;
                }
                self.world.waiting = None;
                self.run = Run {
                    attempt: self.state().attempt,
                    state: definition.start,
                    phase: Phase::Ready,
                    failure: None,
                };
            }
            Ended::Cancelled => self.world.cancel_was_accepted = true,
            Ended::Differs(_) => self.cried_wolf = true,
            Ended::Well | Ended::With(_) => {}
        }
    }

    fn enter(&mut self, definition: &Definition, state: &'static str) {
        self.run.state = state;
        self.run.phase = match definition.task(state) {
            Some(_) => Phase::Ready,
            None => Phase::Ended(definition.end(state)),
        };
        // Whoever has decided would only tell a task that waits, and none will.
        if self.left.attempts == 0 && !definition.task(state).is_some_and(|task| task.waits) {
            let decides = |process: &Process| matches!(process.role, Role::Decide(_));
            self.processes
                .retain(|process| !decides(process) || !process.has_begun());
        }
    }

    /// The last try ended with this error.
    fn trouble(&mut self, definition: &Definition, error: &str) {
        self.world.waiting = None;
        let task = definition.task(self.run.state);
        if task.is_some_and(|task| task.tries_again(error)) {
            self.run.phase = Phase::Troubled(error.to_owned());
        } else {
            self.give_up(definition, error);
        }
    }

    fn give_up(&mut self, definition: &Definition, error: &str) {
        let task = definition.task(self.run.state);
        match task.map_or(Caught::Nowhere, |task| task.catches(error)) {
            Caught::Nowhere => self.run.phase = Phase::Ended(End::Failed),
            Caught::Next {
                next,
                notes,
                renamed,
            } => {
                if notes {
                    self.run.failure = Some(FailureInput {
                        error: renamed.unwrap_or(error).to_owned(),
                        // What it says is for people.
                        cause: String::new(),
                    });
                }
                self.enter(definition, next);
            }
        }
    }
}
