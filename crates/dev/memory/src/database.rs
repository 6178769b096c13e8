//! The database's requests, each atomic: the conditions of `crates/lib/store` in the domain's words.
//!
//! `tests/it` holds each of them against the real one.

use std::any::Any;

use domain::ledger::{
    Authorization, Authorize, Book, Capture, Claim, Effect, Entry, Gate, Notify, NotifyFailure,
    Reverse, Unbook, pass,
};
use domain::ports::{Invocation, LineProblem};
use domain::{CancelRequest, Decision, Failure, OrderState, Review, Stage, Timestamp};

use crate::answer::Said;
use crate::bug::Bug;
use crate::world::{Recorded, Snapshot, World};

/// The place of effect `E` in a ledger, to write there.
///
/// [`Effect`] has only the way to read it, since nothing that is deployed writes a ledger but by DynamoDB.
fn place<E: Effect>(state: &mut OrderState) -> Option<&mut Option<Entry<E::Outcome>>> {
    let place: &mut dyn Any = match E::NAME {
        Authorize::NAME => &mut state.authorize,
        Book::NAME => &mut state.book,
        Capture::NAME => &mut state.capture,
        Notify::NAME => &mut state.notify,
        Unbook::NAME => &mut state.unbook,
        Reverse::NAME => &mut state.reverse,
        NotifyFailure::NAME => &mut state.notify_failure,
        _ => return None,
    };
    place.downcast_mut()
}

fn put<E: Effect>(state: &mut OrderState, entry: Option<Entry<E::Outcome>>) {
    if let Some(place) = place::<E>(state) {
        *place = entry;
    }
}

/// Whose the claim on effect `E` is.
fn owner<E: Effect>(state: &OrderState) -> Option<&str> {
    match E::entry(state) {
        Some(Entry::Open(claim)) => Some(&claim.owner),
        Some(Entry::Done { .. }) | None => None,
    }
}

fn claimed<E: Effect>(state: &mut OrderState) -> Option<&mut Claim> {
    match place::<E>(state)? {
        Some(Entry::Open(claim)) => Some(claim),
        Some(Entry::Done { .. }) | None => None,
    }
}

impl World {
    /// A conditional write to the order's state, which raises its version.
    fn write(
        &mut self,
        condition: impl FnOnce(&OrderState) -> bool,
        change: impl FnOnce(&mut OrderState),
    ) -> Said {
        if !condition(self.state.state()) {
            return Said::NotWritten(self.state.clone());
        }
        let mut state = self.state.state().clone();
        change(&mut state);
        state.version += 1;
        self.state = Snapshot::new(state);
        Said::Written(self.state.clone())
    }

    fn passes(&self, state: &OrderState, gate: Gate) -> bool {
        let mut state = state.clone();
        if self.has(Bug::ClaimDespiteCancel) {
            state.cancel = None;
        }
        if self.has(Bug::ClaimDespiteFailure) && matches!(gate, Gate::Forward(_)) {
            state.failure = None;
        }
        pass(&state, "", gate).is_ok()
    }

    pub(crate) fn load(&self) -> Said {
        Said::Record(Recorded {
            state: self.state.clone(),
            earlier: self.earlier.clone(),
        })
    }

    pub(crate) fn claim_fresh<E: Effect>(&mut self, by: &Invocation) -> Said {
        let state = self.state.state();
        let free = E::entry(state).is_none() || self.has(Bug::ClaimOverClaim);
        let holds = state.attempt == by.attempt && free && self.passes(state, E::GATE);
        let claim = Claim::new(&by.owner, by.now, by.deadline);
        self.write(|_| holds, |state| put::<E>(state, Some(Entry::Open(claim))))
    }

    pub(crate) fn take_over<E: Effect>(&mut self, by: &Invocation, previous: &str) -> Said {
        let state = self.state.state();
        let theirs = owner::<E>(state) == Some(previous);
        let holds = state.attempt == by.attempt && theirs && self.passes(state, E::GATE);
        let looks_fresh = self.has(Bug::TakeOverLooksFresh);
        self.write(
            |_| holds,
            |state| {
                if let Some(claim) = claimed::<E>(state) {
                    claim.owner.clone_from(&by.owner);
                    claim.tried_until = (!looks_fresh).then_some(claim.until);
                    claim.until = by.deadline;
                }
            },
        )
    }

    pub(crate) fn commit<E: Effect>(&mut self, by: &Invocation, outcome: E::Outcome) -> Said {
        let at = self.now;
        let anybody = self.has(Bug::CommitByAnybody);
        let after_close = self.has(Bug::CommitAfterClose);
        let closes = E::stage_after(&outcome).is_some_and(Stage::is_closed);
        let holds = move |state: &OrderState| {
            let open = match E::GATE {
                Gate::Forward(_) if closes && state.failure.is_some() => false,
                Gate::Forward(_) | Gate::Undo => state.closed_at.is_none() || after_close,
                Gate::AfterUndo => true,
            };
            open && (anybody || owner::<E>(state) == Some(&by.owner))
        };
        self.write(holds, |state| {
            if let Some(stage) = E::stage_after(&outcome) {
                state.stage = stage;
                if stage.is_closed() {
                    state.closed_at = Some(at);
                }
            }
            put::<E>(state, Some(Entry::Done { outcome, at }));
        })
    }

    /// A change to the claim on effect `E`, if it is this invocation's.
    fn change_own<E: Effect>(&mut self, by: &Invocation, change: impl FnOnce(&mut Claim)) -> Said {
        self.write(
            |state| owner::<E>(state) == Some(&by.owner),
            |state| {
                if let Some(claim) = claimed::<E>(state) {
                    change(claim);
                }
            },
        )
    }

    pub(crate) fn withdraw<E: Effect>(&mut self, by: &Invocation) -> Said {
        let anybody = self.has(Bug::WithdrawByAnybody);
        self.write(
            |state| anybody || owner::<E>(state) == Some(&by.owner),
            |state| put::<E>(state, None),
        )
    }

    pub(crate) fn relinquish<E: Effect>(&mut self, by: &Invocation) -> Said {
        if self.has(Bug::UnknownIsForgotten) {
            return self.withdraw::<E>(by);
        }
        let now = self.now;
        self.change_own::<E>(by, |claim| claim.until = now)
    }

    pub(crate) fn refuse<E: Effect>(&mut self, by: &Invocation, said: &str) -> Said {
        let now = self.now;
        let said = said.chars().take(Claim::MAX_REFUSED).collect();
        self.change_own::<E>(by, |claim| {
            claim.until = now;
            claim.refused = Some(said);
        })
    }

    pub(crate) fn settle<E: Effect>(&mut self, by: &Invocation, outcome: E::Outcome) -> Said {
        let at = self.now;
        self.write(
            |state| owner::<E>(state) == Some(&by.owner) && state.closed_at.is_none(),
            |state| put::<E>(state, Some(Entry::Done { outcome, at })),
        )
    }

    pub(crate) fn give_back<E: Effect>(&mut self, by: &Invocation) -> Said {
        let was_tried = |state: &OrderState| match E::entry(state) {
            Some(Entry::Open(claim)) => claim.tried_until.is_some(),
            Some(Entry::Done { .. }) | None => false,
        };
        self.write(
            |state| owner::<E>(state) == Some(&by.owner) && was_tried(state),
            |state| {
                if let Some(claim) = claimed::<E>(state)
                    && let Some(tried_until) = claim.tried_until
                {
                    claim.until = tried_until;
                }
            },
        )
    }

    pub(crate) fn replace_hold(
        &mut self,
        by: &Invocation,
        lapsed: &str,
        renewed: &Authorization,
    ) -> Said {
        let at = self.now;
        self.write(
            |state| {
                owner::<Capture>(state) == Some(&by.owner) && state.held_payment() == Some(lapsed)
            },
            |state| {
                let outcome = renewed.clone();
                state.authorize = Some(Entry::Done { outcome, at });
            },
        )
    }

    /// Of an order that was `cancelled`, or was not.
    pub(crate) fn begin_reversal(
        &mut self,
        by: &Invocation,
        failure: Failure,
        cancelled: bool,
    ) -> Said {
        let claim = Claim::new(&by.owner, by.now, by.deadline);
        self.write(
            |state| {
                let as_read = if cancelled {
                    state.cancel.is_some()
                } else {
                    state.cancel.is_none() || state.failure.is_some()
                };
                let open = state.unbook.is_none() && state.closed_at.is_none();
                state.attempt == by.attempt && open && as_read
            },
            |state| {
                state.failure.get_or_insert(failure);
                state.unbook = Some(Entry::Open(claim));
            },
        )
    }

    pub(crate) fn request_cancel(&mut self, now: Timestamp) -> Said {
        let late = self.has(Bug::CancelDespiteCapture);
        self.write(
            |state| {
                let captured = state.capture.is_some() && !late;
                state.cancel.is_none() && !captured && state.failure.is_none()
            },
            |state| state.cancel = Some(CancelRequest { at: now }),
        )
    }

    pub(crate) fn open_review(&mut self, by: &Invocation, token: &str) -> Said {
        let state = self.state.state();
        let decided = state.review.as_ref().and_then(|review| review.decision);
        let waits = state.stage == Stage::InReview && decided.is_none();
        let untouched = state.cancel.is_none() && state.failure.is_none();
        if state.attempt != by.attempt || !waits || !untouched {
            return Said::NotWritten(self.state.clone());
        }
        self.review_token = Some(token.to_owned());
        Said::Written(self.state.clone())
    }

    pub(crate) fn decide_review(&mut self, decision: Decision, at: Timestamp) -> Said {
        self.write(
            |state| {
                let decided = state.review.as_ref().and_then(|review| review.decision);
                let waits = state.stage == Stage::InReview && decided.is_none();
                waits && state.cancel.is_none() && state.failure.is_none()
            },
            |state| {
                if let Some(review) = &mut state.review {
                    review.decision = Some(decision);
                    review.decided_at = Some(at);
                }
                if decision == Decision::Approved {
                    state.stage = Stage::Validated;
                    state.validated_at = Some(at);
                }
            },
        )
    }

    /// All lines in one transaction: a model's order has few.
    pub(crate) fn reserve(&mut self, by: &Invocation, review: bool) -> Said {
        let state = self.state.state();
        let again = self.has(Bug::ReservedTwice);
        let stands = state.stage == Stage::Received && state.reserved_lines == 0 || again;
        let untouched = state.cancel.is_none() && state.failure.is_none();
        if state.attempt != by.attempt || !stands || !untouched {
            return Said::NotWritten(self.state.clone());
        }
        let scene = self.scene.0.clone();
        let wanted = self.wanted();
        if wanted > self.available {
            let short = |line: &domain::Line| LineProblem::SoldOut {
                sku: line.sku.clone(),
                available: self.available,
                wanted: line.quantity.get(),
            };
            return Said::Problems(scene.order.lines.iter().map(short).collect());
        }
        self.available -= wanted;
        let skips = self.has(Bug::ReviewSkipped);
        let now = by.now;
        self.write(
            |_| true,
            |state| {
                state.reserved_lines = scene.order.lines.len();
                if review && !skips {
                    state.stage = Stage::InReview;
                    state.review = Some(Review {
                        since: now,
                        decision: None,
                        decided_at: None,
                    });
                } else {
                    state.stage = Stage::Validated;
                    state.validated_at = Some(now);
                }
            },
        )
    }

    /// The last transaction of releasing: `from` lines were reserved when the order was read.
    pub(crate) fn release(&mut self, by: &Invocation, from: usize, closed: Stage) -> Said {
        let state = self.state.state();
        let again = self.has(Bug::ReleasedTwice);
        let same = state.reserved_lines == from && state.closed_at.is_none() || again;
        if state.attempt != by.attempt || !same || state.failure.is_none() {
            return Said::NotWritten(self.state.clone());
        }
        if from > 0 {
            self.available += self.wanted();
        }
        let now = self.now;
        self.write(
            |_| true,
            |state| {
                state.reserved_lines = 0;
                state.stage = closed;
                state.closed_at = Some(now);
            },
        )
    }

    pub(crate) fn begin_attempt(&mut self, version: u64, fresh: OrderState) -> Said {
        let same = self.state.state().version == version || self.has(Bug::AttemptOverNews);
        if !same {
            return Said::NotWritten(self.state.clone());
        }
        self.earlier.push(self.state.clone());
        self.state = Snapshot::new(fresh);
        Said::Written(self.state.clone())
    }
}
