//! The ports in memory against the real ones: the same calls in the same order, the same answers and states.
//! Others, and more: `PROPTEST_RNG_SEED=7 PROPTEST_CASES=2000`.
#![expect(clippy::expect_used, clippy::panic, reason = "tests")]

mod both;
mod calls;

use std::cell::Cell;

use both::Both;
use calls::{Call, calls, way};
use proptest::prelude::*;
use proptest::test_runner::{RngSeed, TestRunner};
use tests::database;

/// Few, since each is some dozens of requests over HTTP.
const CASES: u32 = 48;

#[test]
fn the_ports_in_memory_answer_as_the_store_does_and_keep_the_same() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let database = runtime.block_on(database());
    let number = Cell::new(0);
    let (written, refused) = (Cell::new(0), Cell::new(0));
    let mut config = ProptestConfig::default();
    if std::env::var_os("PROPTEST_CASES").is_none() {
        config.cases = CASES;
    }
    if config.rng_seed == RngSeed::Random {
        config.rng_seed = RngSeed::Fixed(17);
    }
    config.failure_persistence = None;
    let stories = (0..=way().len(), prop::collection::vec(calls(), 1..14));
    let played = TestRunner::new(config).run(&stories, |(begun, more)| {
        number.set(number.get() + 1);
        runtime.block_on(async {
            let mut both = Both::new(&database, number.get()).await;
            let first: Vec<Call> = way().into_iter().take(begun).collect();
            for call in first.iter().chain(&more) {
                let before = both.versions();
                both.agree_on(call).await?;
                let count = if both.versions() == before {
                    &refused
                } else {
                    &written
                };
                count.set(count.get() + 1);
            }
            Ok(())
        })
    });
    if let Err(error) = played {
        panic!("{error}");
    }
    // Calls that all come to nothing would compare nothing.
    assert!(written.get() > 150, "{} writes", written.get());
    assert!(refused.get() > 100, "{} refusals", refused.get());
}
