//! When somebody is woken. Terraform makes the alarms from `terraform/monitor.json`, which is written from
//! this; a test holds the two together.

use domain::ErrorName;
use operations::{Incident, Problem, ProcessState};
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::metrics::{ENVIRONMENT, Metric, NAMESPACE};

/// An alarm: what its message says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Alarm {
    /// Its name after the environment's, and the heading of its section in `docs/RUNBOOK.md`.
    pub name: &'static str,
    /// The metric of ours that it looks at, if it is one of ours.
    pub metric: Option<Metric>,
    /// What it means, in a sentence.
    pub meaning: &'static str,
    /// What to do first.
    pub action: &'static str,
    /// When it is raised, if one number decides that. Terraform has the others in blocks of their own.
    pub rule: Option<Rule>,
}

/// The alarm's metric is above a number in some of the last periods.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Rule {
    /// CloudWatch's word for what is made of a period's values: `Maximum`, `Sum`, `p99`.
    pub statistic: &'static str,
    /// The value of the metric's own dimension.
    pub of: Option<&'static str>,
    /// In the metric's unit.
    pub above: u64,
    /// How long a period is.
    pub period_s: u32,
    /// How many of the last periods are looked at …
    pub periods: u32,
    /// … and in how many of them it has to be above.
    pub times: u32,
}

/// Every alarm but those of the dead-letter queues, whose text is with them.
pub const ALARMS: [Alarm; 14] = [
    Alarm {
        name: "NeedsAttention",
        metric: Some(Metric::NeedsAttention),
        meaning: "Orders wait for somebody: money or goods are neither delivered nor given back.",
        action: "orderctl orders --incident any lists them; the message about each says what to \
            do.",
        rule: Some(Rule {
            statistic: "Maximum",
            of: None,
            above: 0,
            period_s: 60,
            periods: 1,
            times: 1,
        }),
    },
    Alarm {
        name: "Orphans",
        metric: Some(Metric::Orphans),
        meaning: "A provider holds a payment or a label that no order's ledger accounts for: a \
            customer may be charged for nothing, or goods leave unpaid.",
        action: "orderctl orphans lists them; look at the order, then orderctl let-go.",
        rule: Some(Rule {
            statistic: "Maximum",
            of: None,
            above: 0,
            period_s: 60,
            periods: 1,
            times: 1,
        }),
    },
    Alarm {
        name: "BooksBehind",
        metric: Some(Metric::BooksBehind),
        meaning: "The providers' books have not been read for an hour: nobody would see a payment \
            or a label that no order knows.",
        action: "Look at the monitor's log for why; it goes on by itself where it stopped.",
        rule: Some(Rule {
            statistic: "Maximum",
            of: None,
            above: 3600,
            period_s: 60,
            periods: 5,
            times: 3,
        }),
    },
    Alarm {
        name: "UnreadablePostings",
        metric: Some(Metric::UnreadablePostings),
        meaning: "A provider's books hold something of ours that the monitor cannot read: nobody \
            has held it against an order's ledger.",
        action: "The monitor's log names it; look at it in the provider's dashboard.",
        rule: Some(Rule {
            statistic: "Maximum",
            of: None,
            above: 0,
            period_s: 60,
            periods: 1,
            times: 1,
        }),
    },
    Alarm {
        name: "OverdueOrders",
        metric: Some(Metric::Overdue),
        meaning: "Orders are in one state for longer than its limit; they are still being retried.",
        action: Problem::Incident(Incident::Overdue)
            .advice()
            .recommended_action,
        rule: Some(Rule {
            statistic: "Maximum",
            of: None,
            above: 0,
            period_s: 60,
            periods: 5,
            times: 3,
        }),
    },
    Alarm {
        name: "KeepsFailing",
        metric: Some(Metric::KeepsFailing),
        meaning: "A task of orders has been failing for minutes and is tried again: a provider or \
            a service is in trouble.",
        action: Problem::Incident(Incident::KeepsFailing)
            .advice()
            .recommended_action,
        rule: Some(Rule {
            statistic: "Maximum",
            of: None,
            above: 0,
            period_s: 60,
            periods: 1,
            times: 1,
        }),
    },
    Alarm {
        name: "SystemFailures",
        metric: Some(Metric::OrdersReversed),
        meaning: "Orders were reversed because of a defect or a wrong setting of ours.",
        action: Problem::Reversed(ErrorName::Internal)
            .advice()
            .recommended_action,
        rule: Some(Rule {
            statistic: "Sum",
            of: Some("system"),
            above: 0,
            period_s: 300,
            periods: 1,
            times: 1,
        }),
    },
    Alarm {
        name: "DependencyFailures",
        metric: Some(Metric::OrdersReversed),
        meaning: "Orders were reversed because a provider or a service did not do its part.",
        action: "Look at the provider's status page; once it answers, reprocess the orders.",
        rule: Some(Rule {
            statistic: "Sum",
            of: Some("dependency"),
            above: 4,
            period_s: 900,
            periods: 1,
            times: 1,
        }),
    },
    Alarm {
        name: "SlowOrders",
        metric: Some(Metric::OrderDuration),
        meaning: "One order in a hundred takes longer than ten minutes, the time in review not \
            counted.",
        action: "Look at the dashboard for the state that takes the time.",
        rule: Some(Rule {
            statistic: "p99",
            of: None,
            above: 600_000,
            period_s: 900,
            periods: 2,
            times: 2,
        }),
    },
    Alarm {
        name: "NoOrders",
        metric: Some(Metric::OrdersReceived),
        meaning: "Far fewer orders come in than usual at this time.",
        action: "Send a test order; look at the API's access log and at the senders of the queue.",
        rule: None,
    },
    Alarm {
        name: "NoticesUndelivered",
        metric: Some(Metric::NoticesUndelivered),
        meaning: "The webhook for notices has not taken them for ten minutes; they come by e-mail \
            only.",
        action: "Look at the monitor's log for what it answers, and at the secret with its \
            address.",
        rule: Some(Rule {
            statistic: "Maximum",
            of: None,
            above: 0,
            period_s: 60,
            periods: 15,
            times: 10,
        }),
    },
    Alarm {
        name: "MonitorSilent",
        metric: Some(Metric::Sweeps),
        meaning: "The monitor has not reconciled the orders for five minutes: nothing else here \
            can be trusted.",
        action: "Look at the monitor's log and at its schedule.",
        rule: None,
    },
    Alarm {
        name: "Throttles",
        metric: None,
        meaning: "Functions are refused for want of concurrency.",
        action: "Look at which one; orders wait and are not lost. Raise reserved_concurrency if \
            it lasts.",
        rule: None,
    },
    Alarm {
        name: "FunctionErrors",
        metric: None,
        meaning: "A function that answers every error itself has failed: a crash or a time-out.",
        action: "Look at the function's log.",
        rule: None,
    },
];

/// What Terraform has to know of metrics and alarms.
#[must_use]
pub fn facts() -> Value {
    let metrics: Map<String, Value> = Metric::ALL
        .iter()
        .map(|metric| {
            let facts = json!({"unit": metric.unit(), "dimension": metric.dimension()});
            (metric.as_str().to_owned(), facts)
        })
        .collect();
    let alarms: Map<String, Value> = ALARMS
        .iter()
        .map(|alarm| {
            let (meaning, action, name) = (alarm.meaning, alarm.action, alarm.name);
            let text = format!("{meaning} {action} More: docs/RUNBOOK.md, {name}.");
            let metric = alarm.metric.map(Metric::as_str);
            let facts = json!({"text": text, "metric": metric, "rule": alarm.rule});
            (name.to_owned(), facts)
        })
        .collect();
    let limits: Map<String, Value> = ProcessState::ALL
        .iter()
        .map(|state| {
            let facts = json!({
                "at_risk_after_s": state.at_risk_after().as_secs(),
                "overdue_after_s": state.overdue_after().as_secs(),
            });
            (state.as_str().to_owned(), facts)
        })
        .collect();
    json!({
        "namespace": NAMESPACE,
        "environment_dimension": ENVIRONMENT,
        "metrics": metrics,
        "alarms": alarms,
        "limits": limits,
        "states": ProcessState::ALL.iter().map(|state| state.as_str()).collect::<Vec<_>>(),
    })
}
