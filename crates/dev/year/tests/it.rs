//! A short year: nothing breaks in it, it is the same twice, and what is planted is seen.

use year::{Bug, Options, Outcome, replay, shrunk, year};

fn short() -> Options {
    Options {
        seed: 7,
        orders: 60,
        days: 3,
        shops: 1,
        ..Options::default()
    }
}

fn lived(options: &Options) -> Outcome {
    year(options, &|_| {})
}

fn with(bug: Bug) -> Options {
    Options {
        bug: Some(bug),
        ..short()
    }
}

#[test]
fn a_short_year_breaks_no_rule_and_the_same_seed_is_the_same_year() {
    let outcome = lived(&short());
    assert_eq!(outcome.broken, []);
    assert_eq!(outcome.ends.values().sum::<u64>(), 60);
    for what in [
        "captures",
        "voids",
        "crashes",
        "AWS answers lost",
        "operators: approve",
    ] {
        assert!(
            outcome.tally.contains_key(what),
            "{what}: {:?}",
            outcome.tally
        );
    }
    let again = lived(&short());
    assert_eq!((again.hash, again.tally), (outcome.hash, outcome.tally));
}

#[test]
fn another_seed_is_another_year() {
    let other = lived(&Options { seed: 8, ..short() });
    assert_ne!(other.hash, lived(&short()).hash);
}

/// So that the database in memory cannot drift: a difference stops the year.
#[test]
fn on_the_embedded_database_it_is_the_same_year() {
    let few = Options {
        orders: 60,
        days: 2,
        ..short()
    };
    let checked = lived(&Options {
        is_checked: true,
        ..few.clone()
    });
    assert_eq!(checked.broken, []);
    assert_eq!(checked.hash, lived(&few).hash);
}

#[test]
fn a_void_for_show_is_seen_and_shrinks_to_one_order_that_replays() {
    let options = with(Bug::VoidForShow);
    let outcome = lived(&options);
    let first = outcome.broken.first().expect("a broken rule");
    assert!(first.rule.contains("nothing is held"), "{first:?}");
    let (shorter, story) = shrunk(&options, first).expect("it happens without the others");
    assert_eq!(shorter.only.len(), 1);
    assert!(shorter.without.len() > 10, "{:?}", shorter.without);
    assert!(story.story.len() < 200, "{:?}", story.story);
    let command = replay(&shorter);
    assert!(
        command.contains(&format!("--only {}", first.order)),
        "{command}"
    );
    let again = lived(&shorter);
    assert_eq!(again.story, story.story);
}

#[test]
fn a_provider_that_forgets_its_keys_is_seen() {
    let outcome = lived(&Options {
        orders: 400,
        ..with(Bug::NoKeys)
    });
    let mut rules = outcome.broken.iter();
    assert!(rules.any(|broken| broken.rule == "two holds stand at once"));
}
