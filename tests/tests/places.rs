//! What has to be said in places that no compiler looks at. Each test names the forgotten place, in the
//! words of docs/DEVELOPING.md.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use domain::{Class, ErrorName, LeadsTo};
use monitor::metrics::Metric;
use operations::advice::Action;
use operations::{Limits, ProcessState};
use tests::definition::{calls, functions, read, states};

/// Everything that is forgotten, at once.
fn none(forgotten: &[String]) {
    assert!(forgotten.is_empty(), "\n  {}\n", forgotten.join("\n  "));
}

/// The row of a table in Markdown whose first cell is this.
fn row(file: &str, first: &str) -> Option<Vec<String>> {
    let cells = |line: &str| -> Vec<String> {
        let cells = line.trim_matches('|').split('|');
        cells.map(|cell| cell.trim().to_owned()).collect()
    };
    let text = read(file);
    let mut rows = text.lines().filter(|line| line.starts_with('|')).map(cells);
    rows.find(|row| row[0] == first)
}

#[test]
fn every_function_is_where_functions_are_listed() {
    let mut forgotten = Vec::new();
    for name in functions().into_keys() {
        if row("docs/SECURITY.md", &format!("`{name}`")).is_none() {
            forgotten.push(format!(
                "docs/SECURITY.md, \"Roles\": a row `{name}` that says what it may do"
            ));
        }
    }
    none(&forgotten);
}

#[test]
fn every_step_is_where_steps_are_listed() {
    let mut forgotten = Vec::new();
    let steps = functions()
        .into_iter()
        .filter(|(_, row)| row.kind == "step");
    for (name, _) in steps {
        let places = [
            (
                "crates/README.md",
                format!("`{name}`"),
                "the row of the steps",
            ),
            (
                "tests/saboteur/src/main.rs",
                format!("Some(\"{name}\")"),
                "an arm, so that faults can be planted in it",
            ),
            (
                "tests/events/situations.json",
                format!("\"{name}/"),
                "a situation for what it can answer",
            ),
        ];
        for (file, text, what) in places {
            if !read(file).contains(&text) {
                forgotten.push(format!("{file} has no {text}: {what}"));
            }
        }
        if calls().iter().all(|call| call.function != name) {
            forgotten.push(format!("statemachine/order.asl.json never calls {name}"));
        }
    }
    none(&forgotten);
}

#[test]
fn every_call_of_the_process_is_in_its_table_and_in_its_diagram() {
    let process = read("statemachine/README.md");
    let mut forgotten = Vec::new();
    for call in calls() {
        let seconds = states()[call.state]["TimeoutSeconds"]
            .as_u64()
            .expect("seconds");
        let limit = match seconds {
            14_400 => "4 h for each try".to_owned(),
            seconds => format!("{seconds} s"),
        };
        let calls = format!("{}, `{}`", call.function, call.action);
        let documented = row("statemachine/README.md", call.state);
        if documented.is_none_or(|row| row[1] != calls || row[3] != limit) {
            forgotten.push(format!(
                "statemachine/README.md, \"States\": a row {}, {calls}, {limit}",
                call.state
            ));
        }
        if !process.contains(&format!("--> {}", call.state)) {
            forgotten.push(format!(
                "statemachine/README.md: {} in the diagram",
                call.state
            ));
        }
    }
    none(&forgotten);
}

#[test]
fn every_error_that_a_function_can_be_asked_for_by_hand_has_a_situation() {
    // A person's no, an outage of the mail service and a defect cannot be prepared beforehand.
    let without = [
        ErrorName::ReviewRejected,
        ErrorName::NotificationUnavailable,
        ErrorName::Internal,
    ];
    let situations = read("tests/events/situations.json");
    let forgotten = ErrorName::ALL.iter().filter(|error| {
        let line = format!("\"error\": \"{}\"", error.as_str());
        !without.contains(error) && !situations.contains(&line)
    });
    let forgotten = forgotten.map(|error| {
        format!("tests/events/situations.json: a line, and its file, that ends in {error}")
    });
    none(&forgotten.collect::<Vec<_>>());
}

#[test]
fn the_runbooks_query_for_our_own_failures_leaves_out_what_is_not_ours() {
    let reverses = |error: &ErrorName| match error.leads_to() {
        LeadsTo::Rejected | LeadsTo::Cancelled | LeadsTo::Failed => true,
        LeadsTo::Review | LeadsTo::GoesOn => false,
    };
    let others = |error: &&ErrorName| error.class() != Class::System && reverses(error);
    let wanted: BTreeSet<String> = ErrorName::ALL
        .iter()
        .filter(others)
        .map(|error| error.as_str().to_owned())
        .collect();
    let runbook = read("docs/RUNBOOK.md");
    let lines = runbook.lines();
    let lines = lines.filter_map(|line| line.split_once("details.error not in "));
    let named: BTreeSet<String> = lines
        .flat_map(|(_, names)| serde_json::from_str::<Vec<String>>(names).expect("names"))
        .collect();
    assert_eq!(
        named, wanted,
        "docs/RUNBOOK.md, \"SystemFailures\": the names in its query"
    );
}

#[test]
fn the_runbook_has_every_limit_that_a_deployment_may_set_and_its_default() {
    let usual = Limits::default();
    let times = [
        ("keeps_failing_after_s", usual.keeps_failing_after),
        ("notices_every_s", usual.notices_every),
        ("hold_warning_s", usual.hold_warning),
    ];
    let states = ProcessState::ALL.iter().map(|state| {
        let limits = [usual.at_risk_after(*state), usual.overdue_after(*state)];
        let cells = limits.map(|limit| limit.as_secs().to_string());
        (state.as_str(), cells.to_vec())
    });
    let times_of_all = times
        .iter()
        .map(|(name, time)| (*name, vec![time.as_secs().to_string()]));
    let mut forgotten = Vec::new();
    for (name, defaults) in times_of_all.chain(states) {
        let first = format!("`{name}`");
        let written = row("docs/RUNBOOK.md", &first).unwrap_or_default();
        if !written
            .get(1..)
            .is_some_and(|cells| cells.starts_with(&defaults))
        {
            let defaults = defaults.join(" | ");
            forgotten.push(format!(
                "docs/RUNBOOK.md, \"Limits and times\": a row | {first} | {defaults} |"
            ));
        }
    }
    none(&forgotten);
    // Terraform's own list of what may be set.
    let variables = read("terraform/variables.tf");
    let variable = variables.split("variable \"monitoring\" {").nth(1);
    let variable = variable.and_then(|text| text.split("default = {}").next());
    let variable = variable.expect("the variable");
    let settable: BTreeSet<&str> = variable
        .lines()
        .filter_map(|line| line.split_once("= optional(number)"))
        .map(|(name, _)| name.trim())
        .collect();
    let of_a_state = ["at_risk_after_s", "overdue_after_s"];
    let known: BTreeSet<&str> = times
        .iter()
        .map(|(name, _)| *name)
        .chain(of_a_state)
        .collect();
    assert_eq!(settable, known, "terraform/variables.tf, `monitoring`");
    let headings = of_a_state.map(|name| format!("`{name}`"));
    let heading = row("docs/RUNBOOK.md", "`monitoring.states`");
    assert_eq!(heading.unwrap_or_default().get(1..), Some(&headings[..]));
}

#[test]
fn every_action_has_a_section_in_the_runbook() {
    let runbook = read("docs/RUNBOOK.md").to_lowercase();
    let headings: Vec<&str> = runbook
        .lines()
        .filter(|line| line.starts_with("## "))
        .collect();
    let forgotten = Action::ALL
        .iter()
        .filter(|action| !headings.iter().any(|line| line.contains(action.as_str())));
    let forgotten =
        forgotten.map(|action| format!("docs/RUNBOOK.md: a section for the action {action}"));
    none(&forgotten.collect::<Vec<_>>());
}

#[test]
fn every_metric_is_measured_and_shown() {
    let mut source = String::new();
    let room = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/monitor/src");
    for file in fs::read_dir(room).expect("the monitor").flatten() {
        let name = file.file_name();
        if name != "metrics.rs" && name != "alarms.rs" {
            let text = fs::read_to_string(file.path()).unwrap_or_default();
            let code = text.split("#[cfg(test)]").next().unwrap_or_default();
            source.push_str(code);
        }
    }
    let shown = read("terraform/dashboard.tf") + &read("terraform/monitor.json");
    let mut forgotten = Vec::new();
    for metric in Metric::ALL {
        let name = metric.as_str();
        let value = format!("Metric::{name}");
        let measured = source.match_indices(&value).filter(|(at, text)| {
            let next = source[at + text.len()..].chars().next();
            !next.is_some_and(char::is_alphanumeric)
        });
        if measured.count() == 0 {
            forgotten.push(format!("crates/monitor/src: nothing measures {name}"));
        }
        if !shown.contains(&format!("[\"{name}\""))
            && !shown.contains(&format!("\"metric\": \"{name}\""))
        {
            forgotten.push(format!(
                "terraform/dashboard.tf: {name} in one of the plots; no alarm looks at it, either"
            ));
        }
    }
    none(&forgotten);
}
