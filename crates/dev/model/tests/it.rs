//! A smaller bound of what `make model` explores, and what shows that the model sees.

use std::collections::BTreeSet;
use std::time::Duration;

use model::{Bug, OneOrder, PLANTED, QUICK};

/// Longer than any of it takes.
const PATIENCE: Duration = Duration::from_mins(10);

#[test]
fn whatever_comes_together_no_rule_is_broken() {
    let mut ends = BTreeSet::new();
    for scope in QUICK {
        let model = OneOrder::new(scope.bounds, None);
        let explored = model.explore(1, PATIENCE, |_, _| {});
        assert!(
            scope.is_shown_by(&explored),
            "{}: {explored:#?}",
            scope.name
        );
        ends.extend(explored.ends);
    }
    let all = ["cancelled", "completed", "failed", "refunded", "rejected"];
    assert_eq!(ends.into_iter().collect::<Vec<_>>(), all);
}

#[test]
fn each_planted_bug_is_caught_and_the_way_to_it_is_told() {
    for bug in Bug::ALL {
        let planted = PLANTED.iter().find(|(planted, _)| *planted == bug);
        let (_, scope) = planted.expect("a scope for each bug");
        let explored = OneOrder::new(scope.bounds, Some(bug)).explore(1, PATIENCE, |_, _| {});
        let (rule, way) = explored.broken.first().expect("a broken rule");
        assert!(way.len() > 3, "{bug:?}: {rule}: {way:#?}");
    }
}
