//! What must agree though it stands in different files: the error catalogue, the state machine,
//! its documentation, Terraform's timeouts and the steps' own budgets.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use domain::{ErrorName, LeadsTo};
use operations::advice::of_error;
use operations::{Incident, ProcessState};
use tests::definition::{UNDO, function_of, functions, names, read, rules, tasks};

const DEFINITION: &str = "statemachine/order.asl.json";

/// Names that Step Functions and Lambda give; all others must be ours.
fn is_platforms(name: &str) -> bool {
    ["Lambda.", "States.", "Runtime.", "Sandbox."]
        .iter()
        .any(|prefix| name.starts_with(prefix))
}

#[test]
fn the_state_machine_names_no_error_that_is_not_in_the_catalogue() {
    for (state, task) in tasks() {
        for rule in rules(&task, "Retry").iter().chain(&rules(&task, "Catch")) {
            for name in names(rule) {
                let known = is_platforms(&name) || name.parse::<ErrorName>().is_ok();
                assert!(
                    known,
                    "{DEFINITION}: {state} names {name}, which the catalogue does not have: add it \
                     to crates/domain/src/error.rs, or mend the name"
                );
            }
        }
    }
}

#[test]
fn every_error_of_the_catalogue_is_retried_as_it_says_and_caught_where_it_leads() {
    let (mut retried, mut refused, mut caught) =
        (BTreeSet::new(), BTreeSet::new(), BTreeMap::new());
    for (state, task) in tasks() {
        for rule in rules(&task, "Retry") {
            let kind = if rule["MaxAttempts"] == 0 {
                &mut refused
            } else {
                &mut retried
            };
            kind.extend(names(&rule));
        }
        for rule in rules(&task, "Catch") {
            for name in names(&rule) {
                let next = rule["Next"].as_str().expect("a state").to_owned();
                caught
                    .entry(name)
                    .or_insert_with(BTreeSet::new)
                    .insert((state.clone(), next));
            }
        }
    }
    for error in ErrorName::ALL {
        let name = error.as_str();
        assert_eq!(
            retried.contains(name),
            error.retryable(),
            "{DEFINITION}: {name} is retried somewhere if and only if its line in \
             crates/domain/src/error.rs says so"
        );
        assert_eq!(
            refused.contains(name),
            !error.retryable(),
            "{DEFINITION}: {name} is in a rule with MaxAttempts 0 if and only if its line in \
             crates/domain/src/error.rs says that it is not retried"
        );
        let caught = caught.get(name).unwrap_or_else(|| {
            panic!("{DEFINITION}: add {name} to the Catch of each task that may raise it")
        });
        for (state, next) in caught {
            let leads = match error.leads_to() {
                LeadsTo::Review => "ReviewOrder",
                _ if state == "NotifyCustomer" => "OrderCompleted",
                _ if state == "NotifyFailure" => "OrderFailed",
                LeadsTo::GoesOn => "OrderCompleted",
                LeadsTo::Rejected | LeadsTo::Cancelled | LeadsTo::Failed => "CancelShipment",
            };
            assert_eq!(
                next, leads,
                "{DEFINITION}: where {name}, caught in {state}, leads by its line in \
                 crates/domain/src/error.rs"
            );
        }
    }
}

#[test]
fn whatever_a_forward_step_retries_or_refuses_it_also_catches() {
    for (state, task) in tasks() {
        if UNDO.contains(&state.as_str()) {
            continue;
        }
        let caught: BTreeSet<String> = rules(&task, "Catch").iter().flat_map(names).collect();
        for name in rules(&task, "Retry").iter().flat_map(names) {
            let ours = name.parse::<ErrorName>().is_ok();
            assert!(
                !ours || caught.contains(&name),
                "{DEFINITION}: {state} retries or refuses {name}, and does not catch it: add it \
                 to its Catch"
            );
        }
    }
}

#[test]
fn the_documented_error_table_is_the_catalogue() {
    let rows = error_table().into_iter();
    let documented: BTreeMap<String, String> = rows
        .map(|(name, cells)| (name, cells[1..4].join(" ")))
        .collect();
    let catalogue: BTreeMap<String, String> = ErrorName::ALL
        .iter()
        .map(|error| {
            let class = error.class().as_str();
            let retry = if error.retryable() { "yes" } else { "no" };
            let leads = match error.leads_to() {
                LeadsTo::Rejected => "rejected",
                LeadsTo::Cancelled => "cancelled",
                LeadsTo::Failed => "failed",
                LeadsTo::Review => "review",
                LeadsTo::GoesOn => "goes on",
            };
            (
                error.as_str().to_owned(),
                format!("{class} {retry} {leads}"),
            )
        })
        .collect();
    assert_eq!(
        documented, catalogue,
        "the error table of statemachine/README.md, against the lines of crates/domain/src/error.rs"
    );
}

/// The rows of the documented error table, by name.
#[expect(clippy::expect_used, reason = "tests")]
fn error_table() -> BTreeMap<String, Vec<String>> {
    let text = read("statemachine/README.md");
    let table = text.split("## Error table").nth(1).expect("an error table");
    let table = table.split("\n## ").next().expect("the section");
    let rows = table.lines().filter(|line| line.starts_with("| `"));
    rows.map(|line| {
        let cells = line.trim_matches('|').split('|');
        let cells: Vec<String> = cells.map(|cell| cell.trim().to_owned()).collect();
        (cells[0].trim_matches('`').to_owned(), cells)
    })
    .collect()
}

/// A task that is forgotten when an error gets a name would send it the way of what nobody knows.
#[test]
fn every_error_is_caught_in_the_states_that_its_row_names() {
    let states: Vec<String> = tasks().into_iter().map(|(state, _)| state).collect();
    let mut caught: BTreeMap<String, BTreeSet<(String, String)>> = BTreeMap::new();
    for (state, task) in tasks() {
        for rule in rules(&task, "Catch") {
            let next = rule["Next"].as_str().expect("a state");
            let ours = names(&rule).into_iter().filter(|name| !is_platforms(name));
            for name in ours {
                let pair = (state.clone(), next.to_owned());
                caught.entry(name).or_default().insert(pair);
            }
        }
    }
    let forward = states.iter().filter(|state| {
        let tells = ["NotifyCustomer", "NotifyFailure"].contains(&state.as_str());
        !tells && !UNDO.contains(&state.as_str())
    });
    let forward = forward.cloned().collect::<Vec<_>>().join(", ");
    for (name, cells) in error_table() {
        let column = cells[5].replace("every task before NotifyCustomer", &forward);
        let documented: BTreeSet<(String, String)> = column
            .split("; ")
            .filter_map(|part| part.split_once(": "))
            .flat_map(|(states, next)| {
                let states = states.split(", ").map(str::to_owned);
                states.map(|state| (state, next.to_owned()))
            })
            .collect();
        let mut found = caught.remove(&name).unwrap_or_default();
        // There everything leads on, as the text says; only who fails to mail has it in its row.
        if ErrorName::ALL
            .iter()
            .any(|error| error.as_str() == name && error.leads_to() != LeadsTo::GoesOn)
        {
            found.retain(|(state, _)| {
                !["NotifyCustomer", "NotifyFailure"].contains(&state.as_str())
            });
        }
        assert_eq!(
            found, documented,
            "{name}: the Catch rules of {DEFINITION}, against \"caught in\" of the error table in \
             statemachine/README.md"
        );
    }
}

fn function_timeouts() -> BTreeMap<String, Duration> {
    let functions = functions().into_iter();
    let timeouts = functions.map(|(name, row)| (name, Duration::from_secs(row.timeout_s)));
    timeouts.collect()
}

#[test]
fn budgets_every_task_outlasts_its_function_and_every_function_its_own_calls() {
    let timeouts = function_timeouts();
    let worst: BTreeMap<&str, Duration> = BTreeMap::from([
        ("validate", validate::WORST_CASE),
        ("charge", charge::WORST_CASE),
        ("console", console::WORST_CASE),
        ("ship", ship::WORST_CASE),
        ("notify", notify::WORST_CASE),
        ("intake", intake::WORST_CASE),
        ("intake-queue", intake::QUEUE_WORST_CASE),
        ("monitor", monitor::WORST_CASE),
    ]);
    let known: Vec<&str> = timeouts.keys().map(String::as_str).collect();
    assert_eq!(
        known,
        worst.keys().copied().collect::<Vec<_>>(),
        "the functions of terraform/functions.json, and those with a budget in this test: a new \
         one needs its WORST_CASE in the list above"
    );
    // A second for the function's own work and for starting.
    for (function, worst) in &worst {
        let timeout = timeouts[*function];
        println!("{function:<13} calls {worst:>5?}, function {timeout:>4?}");
        assert!(
            timeout > *worst + Duration::from_secs(1),
            "{function}: {timeout:?} <= {worst:?}"
        );
    }
    for (state, task) in tasks() {
        let function = function_of(&task).to_owned();
        let seconds = task["TimeoutSeconds"]
            .as_u64()
            .unwrap_or_else(|| panic!("{state} has no limit"));
        let (task, function) = (Duration::from_secs(seconds), timeouts[&function]);
        println!("{state:<15} {task:?}, its function {function:?}");
        assert!(task > function, "{state}: {task:?} <= {function:?}");
    }
    // API Gateway gives up after 30 seconds.
    assert!(timeouts["intake"] < Duration::from_secs(30));
    assert!(timeouts["console"] < Duration::from_secs(30));
    let batch = format!("batch_size              = {}\n", intake::BATCH);
    assert!(read("terraform/queue.tf").contains(&batch));
    assert_eq!(step::budget::STORE_OPERATION, store::OPERATION_TIMEOUT);
}

#[test]
fn retries_of_a_step_outlast_the_lease_of_an_invocation_that_died() {
    let timeouts = function_timeouts();
    for (state, task) in tasks() {
        let function = function_of(&task).to_owned();
        for rule in rules(&task, "Retry")
            .iter()
            .filter(|rule| names(rule).contains(&"StoreUnavailable".to_owned()))
        {
            let average = average_of_waits(rule);
            assert!(
                average > timeouts[&function],
                "{state}: {average:?} <= {:?}",
                timeouts[&function]
            );
        }
    }
}

/// What is asked for without an answer may appear late, and nothing is bought again before that is over; nor has
/// the order failed by then, even if that happens twice.
#[test]
fn retries_of_the_carrier_outlast_what_may_still_appear() {
    let variables = read("terraform/variables.tf");
    let settled = variables
        .split("variable \"carrier_settled_after_s\"")
        .nth(1);
    let settled = settled.and_then(|block| block.split("default     = ").nth(1));
    let settled = settled.and_then(|rest| rest.split_whitespace().next()?.parse().ok());
    let settled = Duration::from_secs(settled.expect("a default"));
    assert!(settled > step::budget::BUYING_A_LABEL);
    let may_appear = function_timeouts()["ship"] + settled;
    let (_, task) = tasks()
        .into_iter()
        .find(|(state, _)| state == "ShipOrder")
        .expect("the task");
    let rule = rules(&task, "Retry").into_iter();
    let mut rule = rule.filter(|rule| names(rule).contains(&"CarrierUnavailable".to_owned()));
    let average = average_of_waits(&rule.next().expect("a rule"));
    assert!(
        average > 2 * may_appear,
        "{average:?} <= 2 * {may_appear:?}"
    );
}

/// Full jitter halves what is waited on the average.
fn average_of_waits(rule: &serde_json::Value) -> Duration {
    let number = |field: &str| {
        rule[field]
            .as_f64()
            .unwrap_or_else(|| panic!("{rule}: {field}"))
    };
    let (mut wait, mut sum) = (number("IntervalSeconds"), 0.0);
    let attempts = rule["MaxAttempts"].as_u64();
    for _ in 0..attempts.unwrap_or_else(|| panic!("{rule}: attempts")) {
        sum += wait.min(number("MaxDelaySeconds"));
        wait *= number("BackoffRate");
    }
    Duration::from_secs_f64(sum / 2.0)
}

#[test]
fn terraform_knows_the_metrics_and_alarms_that_the_monitor_has() {
    let written: serde_json::Value =
        serde_json::from_str(&read("terraform/monitor.json")).expect("JSON");
    assert_eq!(
        written,
        monitor::alarms::facts(),
        "the metrics, alarms or states have changed: run `make facts`"
    );
    let alarms = read("terraform/alarms.tf");
    for alarm in monitor::alarms::ALARMS {
        let made = alarm.rule.is_some() || alarms.contains(alarm.name);
        assert!(
            made,
            "{} has no `rule`, and terraform/alarms.tf has no block for it",
            alarm.name
        );
    }
}

#[test]
fn every_alarm_error_and_incident_has_a_section_in_the_runbook() {
    let runbook = read("docs/RUNBOOK.md");
    let alarms = monitor::alarms::ALARMS.map(|alarm| alarm.name);
    let errors = ErrorName::ALL.iter().map(|error| of_error(*error).runbook);
    let incidents = Incident::ALL
        .iter()
        .map(|incident| incident.advice().runbook);
    for heading in alarms.into_iter().chain(errors).chain(incidents) {
        assert!(
            runbook.contains(&format!("\n## {heading}\n")),
            "no section {heading}"
        );
    }
}

#[test]
fn every_place_is_a_task_of_the_process_and_its_limits_leave_room_for_a_try() {
    let tasks: BTreeMap<String, _> = tasks().into_iter().collect();
    let places: BTreeSet<&str> = ProcessState::ALL
        .iter()
        .map(|place| place.as_str())
        .collect();
    let names: BTreeSet<&str> = tasks.keys().map(String::as_str).collect();
    assert_eq!(places, names);
    for place in ProcessState::ALL {
        let task = &tasks[place.as_str()];
        let seconds = task["TimeoutSeconds"].as_u64().expect("a limit");
        let tries = if *place == ProcessState::ReviewOrder {
            6
        } else {
            1
        };
        let try_ = Duration::from_secs(seconds);
        assert!(place.at_risk_after() > try_, "{place:?}");
        assert!(place.overdue_after() > try_ * tries, "{place:?}");
        assert!(place.overdue_after() > place.at_risk_after());
    }
    let review = &tasks[ProcessState::ReviewOrder.as_str()];
    let reminders = review["Retry"]
        .as_array()
        .and_then(|rules| {
            let on_time_out =
                |rule: &&serde_json::Value| rule["ErrorEquals"][0] == "States.Timeout";
            rules.iter().find(on_time_out)
        })
        .and_then(|rule| rule["MaxAttempts"].as_u64())
        .expect("reminders");
    let seconds = review["TimeoutSeconds"].as_u64().expect("a limit");
    let deadline = Duration::from_secs(seconds * (reminders + 1));
    assert_eq!(operations::REVIEW_DEADLINE, deadline);
}
