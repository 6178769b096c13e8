//! The state machine's lint: what every state, retry and catch has to have, and what the whole may cost.

use std::collections::BTreeSet;

use serde_json::Value;
use tests::definition::{UNDO, definition, names, path, read, rules, states, tasks};

const MESSAGES: [&str; 2] = ["NotifyCustomer", "NotifyFailure"];

#[test]
fn every_state_is_commented_and_reached() {
    let definition = definition();
    assert_eq!(definition["QueryLanguage"], "JSONata");
    // A limit of the whole would skip the failure branch.
    assert!(definition["TimeoutSeconds"].is_null());
    let states = states();
    let mut reached = BTreeSet::from([definition["StartAt"].as_str().expect("a start").to_owned()]);
    let mut open: Vec<String> = reached.iter().cloned().collect();
    while let Some(name) = open.pop() {
        let state = &states[&name];
        let catches = rules(state, "Catch");
        let next = catches
            .iter()
            .chain([state])
            .filter_map(|rule| rule["Next"].as_str());
        for next in next {
            if reached.insert(next.to_owned()) {
                open.push(next.to_owned());
            }
        }
    }
    assert_eq!(reached, states.keys().cloned().collect(), "no dead state");
    for (name, state) in &states {
        assert!(
            state["Comment"]
                .as_str()
                .is_some_and(|text| text.len() > 10),
            "{name} has no comment"
        );
        assert!(
            state["QueryLanguage"].is_null(),
            "{name}: one query language, at the top"
        );
    }
}

#[test]
fn forward_steps_catch_everything_last_and_undos_catch_nothing() {
    for (state, task) in tasks() {
        let catches = rules(&task, "Catch");
        if UNDO.contains(&state.as_str()) {
            assert!(
                catches.is_empty(),
                "{state}: a redrive resumes where an undo gave up"
            );
            let attempts = rules(&task, "Retry")
                .last()
                .and_then(|rule| rule["MaxAttempts"].as_u64());
            assert!(attempts >= Some(20), "{state} gives up early");
            continue;
        }
        let last = catches
            .last()
            .unwrap_or_else(|| panic!("{state} catches nothing"));
        assert_eq!(names(last), ["States.ALL"], "{state}");
        assert!(catches.len() > 1, "{state} catches by name first");
        for (index, rule) in rules(&task, "Retry").iter().enumerate() {
            let all = names(rule).contains(&"States.ALL".to_owned());
            assert_eq!(
                all,
                index + 1 == rules(&task, "Retry").len(),
                "{state}: States.ALL comes last"
            );
        }
        if !MESSAGES.contains(&state.as_str()) {
            assert_eq!(last["Next"], "CancelShipment", "{state}");
        }
    }
}

#[test]
fn the_happy_path_takes_five_tasks_and_the_failure_branch_undoes_them_in_reverse() {
    assert_eq!(
        path("ValidateOrder"),
        [
            "ValidateOrder",
            "ChargePayment",
            "ShipOrder",
            "CapturePayment",
            "NotifyCustomer"
        ]
    );
    assert_eq!(
        path("CancelShipment"),
        [
            "CancelShipment",
            "ReversePayment",
            "ReleaseStock",
            "NotifyFailure",
            "OrderFailed"
        ]
    );
}

#[test]
fn only_arns_are_filled_in_by_terraform() {
    for part in read("statemachine/order.asl.json").split("${").skip(1) {
        let placeholder = part.split('}').next().expect("a placeholder");
        assert!(placeholder.ends_with("_arn"), "{placeholder}");
    }
}

/// Every string of a value, with the path of its fields.
fn strings<'a>(value: &'a Value, path: &str, found: &mut Vec<(String, &'a str)>) {
    match value {
        Value::String(text) => found.push((path.to_owned(), text)),
        Value::Array(parts) => parts.iter().for_each(|part| strings(part, path, found)),
        Value::Object(fields) => {
            for (name, part) in fields {
                strings(part, &format!("{path}/{name}"), found);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[test]
fn every_task_has_a_limit_and_waits_between_its_retries_as_aws_allows() {
    for (state, task) in tasks() {
        assert!(task["TimeoutSeconds"].as_u64() > Some(0), "{state}");
        let retries = rules(&task, "Retry");
        assert!(!retries.is_empty(), "{state} is never tried again");
        for rule in &retries {
            let names = names(rule);
            let attempts = rule["MaxAttempts"].as_u64();
            let attempts =
                attempts.unwrap_or_else(|| panic!("{state} {names:?}: three by default"));
            if attempts == 0 {
                continue;
            }
            assert!(
                rule["IntervalSeconds"].as_u64() > Some(0),
                "{state} {names:?}"
            );
            if names == ["States.Timeout"] {
                // A reminder has waited for hours already.
                continue;
            }
            assert!(
                rule["BackoffRate"].as_f64() > Some(1.0),
                "{state} {names:?}"
            );
            // The limit has to be longer than the first wait (States Language, "MaxDelaySeconds").
            assert!(
                rule["MaxDelaySeconds"].as_u64() > rule["IntervalSeconds"].as_u64(),
                "{state} {names:?}"
            );
            assert_eq!(rule["JitterStrategy"], "FULL", "{state} {names:?}");
        }
    }
}

/// Our own bound on how many run at once makes orders wait, and fails none.
#[test]
fn a_throttled_function_is_waited_for_longer_than_a_provider() {
    for (state, task) in tasks() {
        let attempts = |name: &str| {
            let retries = rules(&task, "Retry");
            let matching = |rule: &&Value| {
                names(rule)
                    .iter()
                    .any(|one| one == name || one == "States.ALL")
            };
            let rule = retries.iter().find(matching).expect("a rule");
            rule["MaxAttempts"].as_u64().expect("attempts")
        };
        let (throttled, away) = (
            attempts("Lambda.TooManyRequestsException"),
            attempts("StoreUnavailable"),
        );
        if UNDO.contains(&state.as_str()) {
            assert_eq!(throttled, away, "{state}");
        } else {
            assert!(throttled >= 10 * away, "{state}: {throttled} and {away}");
        }
    }
}

#[test]
fn a_failed_execution_says_why() {
    let failing: Vec<_> = states()
        .into_iter()
        .filter(|(_, state)| state["Type"] == "Fail")
        .collect();
    assert_eq!(failing.len(), 1, "one way to fail");
    for (name, state) in failing {
        assert!(
            state["Error"].is_string() && state["Cause"].is_string(),
            "{name}"
        );
    }
}

/// Step Functions' quotas: a definition of 1 MB, names of 80 characters, 25,000 events in an execution's
/// history (Developer Guide, "Quotas").
#[test]
fn the_process_stays_within_the_quotas_whatever_goes_wrong() {
    assert!(
        read("statemachine/order.asl.json").len() < 64 * 1024,
        "a person reads it"
    );
    assert!(states().keys().all(|name| name.len() <= 80));
    let mut events = 2;
    for (_, task) in tasks() {
        // Each rule counts its own retries, and every one may be used up. A try is scheduled, started and
        // ends; then the state is left for the next one.
        let retries: u64 = rules(&task, "Retry")
            .iter()
            .filter_map(|rule| rule["MaxAttempts"].as_u64())
            .sum();
        events += 2 + 4 * (1 + retries);
    }
    assert!(events < 25_000 / 2, "{events} events");
}

/// Ids, numbers and single words travel, so that no state's data nears the 256 KiB that it may have, and
/// nobody's name is in a history.
#[test]
fn tasks_are_told_ids_and_pass_on_what_they_answer() {
    let known = [
        "action",
        "order_id",
        "attempt",
        "execution",
        "task_token",
        "failure",
    ];
    for (state, task) in tasks() {
        let payload = task["Arguments"]["Payload"].as_object().expect("a payload");
        for name in payload.keys() {
            assert!(known.contains(&name.as_str()), "{state} is told {name}");
        }
        for rule in rules(&task, "Catch") {
            let mut texts = Vec::new();
            strings(&rule["Assign"], "", &mut texts);
            strings(&rule["Output"], "", &mut texts);
            for (path, text) in texts.iter().filter(|(_, text)| text.contains("Cause")) {
                assert!(
                    text.contains("$substring") && text.contains("0, 1000"),
                    "{state} {path}: {text}"
                );
            }
        }
    }
}

/// An expression with a name that nothing has assigned fails only when it is evaluated.
#[test]
fn expressions_use_only_what_was_assigned_before() {
    let states = states();
    let mut assigned = BTreeSet::from(["states", "exists", "substring"].map(str::to_owned));
    for state in states.values() {
        let catches = rules(state, "Catch");
        for rule in catches.iter().chain([state]) {
            let names = rule["Assign"]
                .as_object()
                .into_iter()
                .flat_map(serde_json::Map::keys);
            assigned.extend(names.cloned());
        }
    }
    for (name, state) in &states {
        let mut texts = Vec::new();
        strings(state, "", &mut texts);
        for (path, text) in texts {
            let Some(expression) = text.strip_prefix("{%") else {
                continue;
            };
            let expression = expression
                .strip_suffix("%}")
                .unwrap_or_else(|| panic!("{name}{path}: not closed"));
            for part in expression.split('$').skip(1) {
                let end = part.find(|letter: char| !letter.is_alphanumeric() && letter != '_');
                let used = &part[..end.unwrap_or(part.len())];
                assert!(assigned.contains(used), "{name}{path} uses ${used}");
            }
        }
    }
}
