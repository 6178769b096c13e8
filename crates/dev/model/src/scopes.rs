//! What is explored: one scope for each way in which things come together. All of it at once is too much for a
//! laptop; each of these is exhausted.

use memory::Bug;

use crate::Explored;
use crate::system::Bounds;

/// Bounds with a name.
#[derive(Debug, Clone, Copy)]
pub struct Scope {
    /// For a person to read.
    pub name: &'static str,
    /// How often what can happen.
    pub bounds: Bounds,
    /// It has at least so many states: a model that explores nothing proves nothing.
    pub at_least: usize,
}

impl Scope {
    /// Whether that is an exploration of all of it, in which no rule is broken.
    #[must_use]
    pub fn is_shown_by(&self, explored: &Explored) -> bool {
        explored.is_exhausted && explored.unique >= self.at_least
    }
}

/// Nothing happens but what the steps do.
const NOTHING: Bounds = Bounds {
    crashes: 0,
    losses: 0,
    lates: 0,
    refusals: 0,
    duplicates: 0,
    zombies: 0,
    cancels: 0,
    attempts: 0,
    decisions: 0,
    resolves: 0,
    compares: 0,
    give_ups: 0,
    ticks: 0,
};

/// Tasks that fail are tried again while claims lapse, and once not again.
const TRIES: Bounds = Bounds {
    give_ups: 1,
    ticks: 3,
    ..NOTHING
};

/// What `make model` explores.
pub const SCOPES: [Scope; 19] = [
    Scope {
        name: "two crashes and a lost message",
        bounds: Bounds {
            crashes: 2,
            losses: 1,
            ticks: 4,
            ..TRIES
        },
        at_least: 450_000,
    },
    Scope {
        name: "a crash, a provider's no, a cancellation, a new attempt, a question",
        bounds: Bounds {
            crashes: 1,
            refusals: 1,
            cancels: 1,
            attempts: 1,
            resolves: 1,
            ..TRIES
        },
        at_least: 380_000,
    },
    Scope {
        name: "a lost message, a provider's no, a cancellation, a question",
        bounds: Bounds {
            losses: 1,
            refusals: 1,
            cancels: 1,
            resolves: 1,
            ..TRIES
        },
        at_least: 30_000,
    },
    Scope {
        name: "a task that is run twice, and a cancellation",
        bounds: Bounds {
            duplicates: 1,
            cancels: 1,
            ..TRIES
        },
        at_least: 300_000,
    },
    Scope {
        name: "a task that is run twice, and a crash",
        bounds: Bounds {
            duplicates: 1,
            crashes: 1,
            give_ups: 0,
            ..TRIES
        },
        at_least: 250_000,
    },
    Scope {
        name: "a task that goes on after its end, and a cancellation",
        bounds: Bounds {
            zombies: 1,
            cancels: 1,
            ..TRIES
        },
        at_least: 300_000,
    },
    Scope {
        name: "a task that goes on after its end, a provider's no, a question",
        bounds: Bounds {
            zombies: 1,
            refusals: 1,
            resolves: 1,
            ..TRIES
        },
        at_least: 150_000,
    },
    Scope {
        name: "a task that goes on after its end, a new attempt, a question",
        bounds: Bounds {
            zombies: 1,
            attempts: 1,
            resolves: 1,
            ..TRIES
        },
        at_least: 900_000,
    },
    Scope {
        name: "a task that goes on after its end, and a crash",
        bounds: Bounds {
            zombies: 1,
            crashes: 1,
            give_ups: 0,
            ..TRIES
        },
        at_least: 190_000,
    },
    Scope {
        name: "a request that arrives late, and a crash",
        bounds: Bounds {
            lates: 1,
            crashes: 1,
            ..TRIES
        },
        at_least: 240_000,
    },
    Scope {
        name: "a request that arrives late, a provider's no, a cancellation",
        bounds: Bounds {
            lates: 1,
            refusals: 1,
            cancels: 1,
            ..TRIES
        },
        at_least: 160_000,
    },
    Scope {
        name: "two operators, and a crash",
        bounds: Bounds {
            crashes: 1,
            attempts: 2,
            ..TRIES
        },
        at_least: 130_000,
    },
    Scope {
        name: "two operators, a task that goes on after its end",
        bounds: Bounds {
            zombies: 1,
            attempts: 2,
            ..TRIES
        },
        at_least: 5_000_000,
    },
    Scope {
        name: "two operators, a provider's no, a question",
        bounds: Bounds {
            refusals: 1,
            attempts: 2,
            resolves: 1,
            ..TRIES
        },
        at_least: 17_000,
    },
    Scope {
        name: "a review that two people decide, and a cancellation",
        bounds: Bounds {
            decisions: 2,
            cancels: 1,
            ..TRIES
        },
        at_least: 4_900_000,
    },
    Scope {
        name: "a review, a crash, a lost message",
        bounds: Bounds {
            decisions: 1,
            crashes: 1,
            losses: 1,
            ..TRIES
        },
        at_least: 360_000,
    },
    Scope {
        name: "a review, and a task that is run twice",
        bounds: Bounds {
            decisions: 1,
            duplicates: 1,
            ..TRIES
        },
        at_least: 490_000,
    },
    Scope {
        name: "a review, a new attempt",
        bounds: Bounds {
            decisions: 1,
            attempts: 1,
            ..TRIES
        },
        at_least: 54_000,
    },
    Scope {
        name: "a comparison, and a crash",
        bounds: Bounds {
            crashes: 1,
            compares: 1,
            give_ups: 0,
            ticks: 2,
            ..TRIES
        },
        at_least: 150_000,
    },
];

/// What `make test` explores.
pub const QUICK: [Scope; 5] = [
    Scope {
        name: "a crash and a lost message",
        bounds: Bounds {
            crashes: 1,
            losses: 1,
            ..TRIES
        },
        at_least: 50_000,
    },
    Scope {
        name: "a crash and a cancellation",
        bounds: Bounds {
            crashes: 1,
            cancels: 1,
            ..TRIES
        },
        at_least: 5_000,
    },
    Scope {
        name: "a crash, a provider's no, a new attempt, a question",
        bounds: Bounds {
            crashes: 1,
            refusals: 1,
            attempts: 1,
            resolves: 1,
            ..TRIES
        },
        at_least: 80_000,
    },
    Scope {
        name: "a task that is run twice",
        bounds: Bounds {
            duplicates: 1,
            ..TRIES
        },
        at_least: 20_000,
    },
    Scope {
        name: "a review, a crash, a cancellation",
        bounds: Bounds {
            decisions: 1,
            crashes: 1,
            cancels: 1,
            ..TRIES
        },
        at_least: 5_000,
    },
];

const ONE_CRASH: Scope = Scope {
    name: "a crash",
    bounds: Bounds {
        crashes: 1,
        ..TRIES
    },
    at_least: 0,
};
const ONE_LOSS: Scope = Scope {
    name: "a lost message",
    bounds: Bounds { losses: 1, ..TRIES },
    at_least: 0,
};
const ONE_NO: Scope = Scope {
    name: "a provider's no",
    bounds: Bounds {
        refusals: 1,
        ..TRIES
    },
    at_least: 0,
};
const TWO_AT_ONCE: Scope = Scope {
    name: "a task that is run twice",
    bounds: Bounds {
        duplicates: 1,
        ..TRIES
    },
    at_least: 0,
};
const OUTLIVED: Scope = Scope {
    name: "a task that goes on after its end",
    bounds: Bounds {
        zombies: 1,
        ..TRIES
    },
    at_least: 0,
};
const CANCELLED: Scope = Scope {
    name: "a cancellation",
    bounds: Bounds {
        cancels: 1,
        crashes: 1,
        ..TRIES
    },
    at_least: 0,
};
const AGAIN: Scope = Scope {
    name: "a provider's no, a task that goes on after its end, a new attempt",
    bounds: Bounds {
        refusals: 1,
        zombies: 1,
        attempts: 1,
        give_ups: 1,
        ticks: 1,
        ..NOTHING
    },
    at_least: 0,
};

const REVIEWED: Scope = Scope {
    name: "a review",
    bounds: Bounds {
        decisions: 1,
        ..TRIES
    },
    at_least: 0,
};
const CRASH_AND_LOSS: Scope = Scope {
    name: "a crash and a lost message",
    bounds: Bounds {
        crashes: 1,
        losses: 1,
        ..TRIES
    },
    at_least: 0,
};
const CRASH_AND_NO: Scope = Scope {
    name: "a crash and a provider's no",
    bounds: Bounds {
        crashes: 1,
        refusals: 1,
        ..TRIES
    },
    at_least: 0,
};
const TWICE_AND_NO: Scope = Scope {
    name: "a task that is run twice, and a provider's no",
    bounds: Bounds {
        duplicates: 1,
        refusals: 1,
        ..TRIES
    },
    at_least: 0,
};
const OUTLIVED_AND_LOSS: Scope = Scope {
    name: "a task that goes on after its end, and a lost message",
    bounds: Bounds {
        zombies: 1,
        losses: 1,
        ticks: 1,
        ..TRIES
    },
    at_least: 0,
};
const FORGOTTEN: Scope = Scope {
    name: "a crash, a cancellation, a new attempt",
    bounds: Bounds {
        crashes: 1,
        cancels: 1,
        attempts: 1,
        ..TRIES
    },
    at_least: 0,
};

/// The bugs that can be planted, each with a scope in which it shows.
pub const PLANTED: [(Bug, Scope); 24] = [
    (Bug::CommitByAnybody, OUTLIVED),
    (Bug::ClaimOverClaim, TWO_AT_ONCE),
    (Bug::WithdrawByAnybody, OUTLIVED_AND_LOSS),
    (Bug::ClaimDespiteCancel, CANCELLED),
    (Bug::ClaimDespiteFailure, OUTLIVED),
    (Bug::CancelDespiteCapture, CANCELLED),
    (Bug::UnknownIsForgotten, ONE_LOSS),
    (Bug::TakeOverLooksFresh, CRASH_AND_LOSS),
    (Bug::CommitAfterClose, OUTLIVED),
    (Bug::AttemptOverNews, AGAIN),
    (Bug::ReservedTwice, ONE_LOSS),
    (Bug::ReleasedTwice, TWICE_AND_NO),
    (Bug::NoKeys, ONE_LOSS),
    (Bug::StaleSearch, ONE_LOSS),
    (Bug::RefundForShow, ONE_LOSS),
    (Bug::StaleList, ONE_CRASH),
    (Bug::VoidForShow, ONE_NO),
    (Bug::Impatient, OUTLIVED),
    (Bug::UnbookForShow, ONE_NO),
    (Bug::CancellationForgotten, FORGOTTEN),
    (Bug::ReversePaymentSkipped, ONE_NO),
    (Bug::ReleaseStockSkipped, ONE_NO),
    (Bug::UndoCaught, CRASH_AND_NO),
    (Bug::ReviewSkipped, REVIEWED),
];
