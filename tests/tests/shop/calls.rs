//! Each call of the process, in one table: what runs, and what tests expect of it.

use domain::OrderState;
use domain::StepError;
use domain::ledger::Entry;
use domain::ports::Invocation;
use serde_json::Value;
use step::{FailureInput, Task};
use tests::Plan;
use tests::definition::{Call, Kind, calls};

use super::{Running, Shop, task};

/// What tests expect of a call.
#[expect(dead_code, reason = "each of these tests looks at a part of it")]
#[derive(Debug, Clone, Copy)]
pub(crate) struct Expected {
    /// How often it waits for the database when all goes well.
    pub(crate) round_trips: usize,
    /// How many I/Os it has, each a point to crash at.
    pub(crate) points: usize,
    /// What it may ask which provider for.
    pub(crate) asks: (&'static str, &'static [&'static str]),
    /// Whether it has come to something, so that a cancellation does not keep it from beginning.
    pub(crate) is_done: fn(&OrderState) -> bool,
}

/// The step's method of [`Shop`] and its action; the state machine's word for it; what is expected.
macro_rules! calls {
    ($($what:ident = $step:ident::$action:ident as $called:literal, $expected:expr;)*) => {
        /// One task of the state machine.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Do {
            $($what,)*
        }

        impl Do {
            /// What runs when the state machine calls it.
            pub(crate) fn of(call: &Call) -> Self {
                match (call.function, call.action) {
                    $((stringify!($step), $called) => Self::$what,)*
                    (function, action) => panic!(
                        "{} calls {function} with `{action}`: add a line for it to the table in \
                         tests/tests/shop/calls.rs",
                        call.state
                    ),
                }
            }

            /// What is expected of it.
            pub(crate) fn expected(self) -> Expected {
                match self {
                    $(Self::$what => $expected,)*
                }
            }
        }

        impl Shop {
            /// Runs one task. Only the first undo looks at the failure.
            pub(crate) async fn run(
                &self,
                what: Do,
                by: Invocation,
                plan: &Plan,
                failure: FailureInput,
            ) -> Result<Value, StepError> {
                let failure = (what == Do::CancelShipment).then_some(failure);
                // Boxed: the SDK's futures are large, and a test's stack is small.
                let running: Running<'_> = match what {
                    $(Do::$what => {
                        let task = Task { failure, ..task($step::Action::$action, by) };
                        Box::pin(self.$step(plan, task))
                    })*
                };
                running.await
            }
        }
    };
}

calls! {
    Validate = validate::Validate as "validate", Expected {
        // It reads the order, its articles, and reserves.
        round_trips: 3,
        points: 4,
        // What it asks the carrier is about no order; this is what comes next.
        asks: ("payment", &["authorize", "find"]),
        is_done: |state| state.stage != domain::Stage::Received,
    };
    Authorize = charge::Authorize as "authorize", Expected {
        round_trips: 2,
        points: 4,
        asks: ("payment", &["authorize", "find"]),
        is_done: |state| is_known(state.authorize.as_ref()),
    };
    Book = ship::Book as "book", Expected {
        // It reads the catalogue beside, and keeps what is known of the label.
        round_trips: 4,
        points: 6,
        asks: ("carrier", &["book", "find"]),
        is_done: |state| is_known(state.book.as_ref()),
    };
    Capture = charge::Capture as "capture", Expected {
        round_trips: 2,
        points: 3,
        asks: ("payment", &["authorize", "capture", "find"]),
        is_done: |state| is_known(state.capture.as_ref()),
    };
    Shipped = notify::Shipped as "shipped", Expected {
        round_trips: 2,
        points: 4,
        asks: ("none", &[]),
        is_done: |_| true,
    };
    CancelShipment = ship::Cancel as "cancel", Expected {
        round_trips: 2,
        points: 3,
        asks: ("carrier", &["cancel", "find"]),
        is_done: |_| true,
    };
    Reverse = charge::Reverse as "reverse", Expected {
        round_trips: 2,
        points: 3,
        asks: ("payment", &["void", "refund", "find"]),
        is_done: |_| true,
    };
    Release = validate::Release as "release", Expected {
        round_trips: 2,
        points: 3,
        asks: ("none", &[]),
        is_done: |_| true,
    };
    Failed = notify::Failed as "failed", Expected {
        round_trips: 2,
        points: 4,
        asks: ("none", &[]),
        is_done: |_| true,
    };
}

impl Do {
    /// The steps, in their order.
    pub(crate) fn forward() -> Vec<Self> {
        let steps = calls().iter().filter(|call| call.kind == Kind::Forward);
        steps.map(Self::of).collect()
    }
}

fn is_known<T>(entry: Option<&Entry<T>>) -> bool {
    entry.and_then(Entry::outcome).is_some()
}
