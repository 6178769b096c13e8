//! An invocation that can be stopped at any of its requests: the shipped code, run again from its beginning with
//! the answers that it has had, up to the first request that has none.

use std::fmt;
use std::future::{Future, pending};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use domain::ports::Invocation;
use domain::{OrderId, Timestamp};
use memory::{Answer, Call, HashedText, Lost, Mood, Ports, Said, Scene, Snapshot, Wire, World};

use crate::roles::{Ended, Role};

/// One of the requests of a process: the `nth` of its kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Request {
    pub(crate) call: Call,
    pub(crate) nth: u8,
}

/// What becomes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fate {
    /// It arrives, and so does its answer.
    Heard,
    /// It arrives, and the answer is no.
    Refused,
    /// It does not arrive, and the sender knows.
    NotMade,
    /// It does not arrive, and the sender does not know.
    RequestLost,
    /// It arrives, and the sender does not hear what came of it.
    AnswerLost,
    /// The sender gives it up, and it arrives later, or never.
    Late,
}

/// A request that was answered, or whose answer was lost.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Answered {
    request: Request,
    answer: Arc<Answer>,
    /// Of the answer, where it has no state of the order in it.
    digest: u64,
}

impl Answered {
    fn new(request: Request, answer: Answer) -> Self {
        let mut hasher = DefaultHasher::new();
        match &answer {
            Ok(Said::Written(_) | Said::NotWritten(_) | Said::Record(_)) => {}
            other => HashedText(&mut hasher).hash(other),
        }
        Self {
            request,
            answer: Arc::new(answer),
            digest: hasher.finish(),
        }
    }
}

/// An invocation of a step, or somebody's doing.
#[derive(Debug, Clone)]
pub(crate) struct Process {
    pub(crate) role: Role,
    /// Its name among those that are alive or remembered.
    pub(crate) owner: u8,
    pub(crate) attempt: u32,
    pub(crate) now: Timestamp,
    pub(crate) deadline: Timestamp,
    /// Whether its execution waits for it.
    pub(crate) is_heard: bool,
    /// Whether it is but a request that is on its way: whoever sent it has given it up.
    pub(crate) is_on_its_way: bool,
    answers: Vec<Answered>,
    /// What it waits for.
    pub(crate) waits_for: Vec<Request>,
}

/// As it stands in the ledger.
pub(crate) fn owner_name(owner: u8) -> String {
    format!("i{owner}")
}

impl PartialEq for Process {
    fn eq(&self, other: &Self) -> bool {
        self.role == other.role
            && self.owner == other.owner
            && self.attempt == other.attempt
            && self.now == other.now
            && self.is_heard == other.is_heard
            && self.is_on_its_way == other.is_on_its_way
            && self.answers == other.answers
    }
}

impl Process {
    pub(crate) fn new(role: Role, owner: u8, attempt: u32, now: Timestamp, lease: i64) -> Self {
        Self {
            role,
            owner,
            attempt,
            now,
            deadline: crate::system::later(now, lease),
            is_heard: false,
            is_on_its_way: false,
            answers: Vec::new(),
            waits_for: Vec::new(),
        }
    }

    /// A request of it that it gives up now, and that may arrive all the same.
    pub(crate) fn on_its_way(&self, request: Request, now: Timestamp) -> Self {
        Self {
            is_heard: false,
            is_on_its_way: true,
            deadline: now,
            waits_for: vec![request],
            ..self.clone()
        }
    }

    /// Whether it has asked for anything yet.
    pub(crate) fn has_begun(&self) -> bool {
        !self.answers.is_empty()
    }

    /// Whether it has read this token.
    pub(crate) fn has_token(&self, token: &str) -> bool {
        let mut answers = self.answers.iter();
        answers.any(|answered| {
            matches!(answered.answer.as_ref(), Ok(Said::Token(Some(read))) if read == token)
        })
    }

    /// Every state that it has seen.
    pub(crate) fn seen(&self) -> impl Iterator<Item = &Snapshot> {
        let answers = self.answers.iter();
        answers.filter_map(|answered| match answered.answer.as_ref() {
            Ok(Said::Written(state) | Said::NotWritten(state)) => Some(state),
            Ok(Said::Record(recorded)) => Some(&recorded.state),
            Ok(_) | Err(_) => None,
        })
    }

    /// Hashes it as it looks to whoever has seen this version of the order's state.
    pub(crate) fn hash_beside<H: Hasher>(&self, version: u64, hasher: &mut H) {
        (self.owner, self.attempt, self.is_heard).hash(hasher);
        // What is on its way does not go on, so that this is all that it is.
        if self.is_on_its_way {
            (self.deadline.as_millisecond(), &self.waits_for).hash(hasher);
        }
        self.role.hash_beside(version, hasher);
        for answered in &self.answers {
            answered.request.hash(hasher);
            match answered.answer.as_ref() {
                Ok(Said::Written(state)) => (0_u8, state).hash(hasher),
                Ok(Said::NotWritten(state)) => (1_u8, state).hash(hasher),
                Ok(Said::Record(recorded)) => {
                    let is_news = recorded.state.state().version != version;
                    let compares = self.role == Role::Compare;
                    (2_u8, &recorded.state, &recorded.earlier).hash(hasher);
                    (compares && is_news).hash(hasher);
                }
                Ok(_) | Err(_) => answered.digest.hash(hasher),
            }
        }
        self.now.as_millisecond().hash(hasher);
    }

    fn invocation(&self, order_id: &OrderId) -> Invocation {
        Invocation {
            order_id: order_id.clone(),
            attempt: self.attempt,
            owner: owner_name(self.owner),
            deadline: self.deadline,
            now: self.now,
        }
    }

    /// Runs it to its next requests; `met` is what becomes of one that it waits for. What it ended with, if it
    /// has.
    pub(crate) fn advance(
        &mut self,
        world: &mut World,
        met: Option<(Request, Fate)>,
    ) -> Option<Ended> {
        let scene = world.scene.0.clone();
        let by = self.invocation(&scene.order.order_id);
        let replay = Arc::new(Replay {
            scene,
            held: Mutex::new(Held {
                world: world.clone(),
                answers: std::mem::take(&mut self.answers),
                met,
                begun: Vec::new(),
                waits_for: Vec::new(),
            }),
        });
        let ended = {
            let run = pin!(self.role.run(by, Ports::new(replay.clone())));
            match run.poll(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(ended) => Some(ended),
                Poll::Pending => None,
            }
        };
        let mut held = replay.held();
        std::mem::swap(world, &mut held.world);
        self.answers = std::mem::take(&mut held.answers);
        self.waits_for = std::mem::take(&mut held.waits_for);
        ended
    }
}

/// The wire of a process that is run again.
pub(crate) struct Replay {
    scene: Arc<Scene>,
    held: Mutex<Held>,
}

struct Held {
    world: World,
    answers: Vec<Answered>,
    met: Option<(Request, Fate)>,
    /// Every request of this run.
    begun: Vec<Call>,
    waits_for: Vec<Request>,
}

impl fmt::Debug for Replay {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Replay")
    }
}

impl Replay {
    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    fn answer(&mut self, call: Call, act: impl FnOnce(&mut World, Mood) -> Said) -> Option<Answer> {
        let before = self.begun.iter().filter(|begun| **begun == call).count();
        self.begun.push(call);
        let nth = u8::try_from(before).unwrap_or(u8::MAX);
        let request = Request { call, nth };
        let mut known = self.answers.iter();
        if let Some(known) = known.find(|known| known.request == request) {
            return Some(known.answer.as_ref().clone());
        }
        let Some((_, fate)) = self.met.filter(|(met, _)| *met == request) else {
            self.waits_for.push(request);
            return None;
        };
        let answer = match fate {
            Fate::Heard => Ok(act(&mut self.world, Mood::Willing)),
            Fate::Refused => Ok(act(&mut self.world, Mood::Refuses)),
            Fate::NotMade => Err(Lost::NotMade),
            Fate::RequestLost | Fate::Late => Err(Lost::Unknown),
            Fate::AnswerLost => {
                act(&mut self.world, Mood::Willing);
                Err(Lost::Unknown)
            }
        };
        self.answers.push(Answered::new(request, answer.clone()));
        Some(answer)
    }
}

impl Wire for Replay {
    async fn send(&self, call: Call, act: impl FnOnce(&mut World, Mood) -> Said + Send) -> Answer {
        let answer = self.held().answer(call, act);
        match answer {
            Some(answer) => answer,
            None => pending().await,
        }
    }

    fn scene(&self) -> &Arc<Scene> {
        &self.scene
    }
}
