//! Time that jumps to what happens next, and the invocations of functions, which end where it is planned.

use std::cell::Cell;
use std::future::{Future, pending, poll_fn};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use domain::{Clock, Timestamp};
use tokio::time::Instant;

use crate::dice::Dice;

thread_local! {
    /// When the simulation began, by the runtime's clock and by the simulated one. A year runs on one thread.
    static BEGAN: Cell<Option<(Instant, i64)>> = const { Cell::new(None) };
}

tokio::task_local! {
    /// The invocation whose code runs.
    static HERE: Arc<Invocation>;
}

/// The first day of the year: 1 January 2026.
pub(crate) const FIRST_MS: i64 = 1_767_225_600_000;

/// The clock of the simulation begins, on this thread.
pub(crate) fn begin(at_ms: i64) {
    BEGAN.set(Some((Instant::now(), at_ms)));
}

/// What time it is, truly.
pub(crate) fn now() -> Timestamp {
    at(now_ms())
}

/// The same in milliseconds.
pub(crate) fn now_ms() -> i64 {
    let (began, at_ms) = BEGAN.get().expect("a simulation that has begun");
    at_ms + i64::try_from(began.elapsed().as_millis()).unwrap_or(i64::MAX)
}

/// A time from its milliseconds.
pub(crate) fn at(ms: i64) -> Timestamp {
    Timestamp::from_millisecond(ms).unwrap_or(Timestamp::MAX)
}

/// What time it is by the clock of the environment that asks.
fn read() -> Timestamp {
    let skew_ms = HERE.try_with(|here| here.skew_ms).unwrap_or(0);
    at(now_ms() + skew_ms)
}

/// The clock that shipped code is given.
pub(crate) const CLOCK: Clock = Clock::new(read);

/// Waits.
pub(crate) async fn sleep(time: Duration) {
    tokio::time::sleep(time).await;
}

/// Waits so many milliseconds.
pub(crate) async fn sleep_ms(ms: u64) {
    sleep(Duration::from_millis(ms)).await;
}

/// A lock that nobody holds for long: the simulation has one thread.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An invocation of a function.
#[derive(Debug)]
pub(crate) struct Invocation {
    /// Of which order. Empty if of none.
    pub(crate) order: String,
    /// What chance has in store for it.
    pub(crate) dice: Mutex<Dice>,
    /// By how much its environment's clock is wrong.
    pub(crate) skew_ms: i64,
    /// Before which of its requests, or after it, it crashes.
    crashes_at: Option<u32>,
    points: AtomicU32,
    is_dead: AtomicBool,
}

/// How an invocation ends without an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// It crashed.
    Crashed,
    /// Lambda ended it at its deadline.
    TimedOut,
}

impl Invocation {
    /// An invocation that crashes at one of its points, if so.
    pub(crate) fn new(order: &str, dice: Dice, skew_ms: i64, crashes_at: Option<u32>) -> Arc<Self> {
        Arc::new(Self {
            order: order.to_owned(),
            dice: Mutex::new(dice),
            skew_ms,
            crashes_at,
            points: AtomicU32::new(0),
            is_dead: AtomicBool::new(false),
        })
    }

    /// That whose code runs, if any does.
    pub(crate) fn here() -> Option<Arc<Self>> {
        HERE.try_with(Arc::clone).ok()
    }

    /// Runs its code until it answers, crashes or is ended.
    pub(crate) async fn run<T>(
        self: &Arc<Self>,
        timeout: Duration,
        code: impl Future<Output = T>,
    ) -> Result<T, Ended> {
        let code = HERE.scope(Arc::clone(self), code);
        let run = async {
            let mut code = pin!(code);
            poll_fn(|context| match code.as_mut().poll(context) {
                Poll::Ready(answer) => Poll::Ready(Ok(answer)),
                Poll::Pending if self.is_dead.load(Ordering::Relaxed) => {
                    Poll::Ready(Err(Ended::Crashed))
                }
                Poll::Pending => Poll::Pending,
            })
            .await
        };
        match tokio::time::timeout(timeout, run).await {
            Ok(ended) => ended,
            Err(_) => Err(Ended::TimedOut),
        }
    }
}

/// A point at which the invocation whose code runs may crash: it goes on from here or never.
pub(crate) async fn point() {
    let Some(here) = Invocation::here() else {
        return;
    };
    let number = here.points.fetch_add(1, Ordering::Relaxed);
    if here.crashes_at == Some(number) {
        here.is_dead.store(true, Ordering::Relaxed);
        pending::<()>().await;
    }
}
