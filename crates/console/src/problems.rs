//! What is wrong with an order, as its page tells it.

use domain::ports::Record;
use domain::{PaymentStatus, StatusView, Timestamp};
use operations::advice::{self, Advice};
use operations::{Incident, Projection, Retry};

use crate::words::{self, Moment};

/// Something that is wrong, what it means and what to do about it.
#[derive(Debug)]
pub(crate) struct ProblemView {
    pub(crate) tone: &'static str,
    pub(crate) title: String,
    pub(crate) meaning: &'static str,
    pub(crate) more: String,
    pub(crate) todo: &'static str,
    pub(crate) runbook: &'static str,
    pub(crate) who: &'static str,
}

impl ProblemView {
    fn of(tone: &'static str, title: String, more: String, advice: Advice) -> Self {
        Self {
            tone,
            title,
            meaning: advice.meaning,
            more,
            todo: advice.recommended_action,
            runbook: advice.runbook,
            who: words::responsible(advice.who),
        }
    }
}

/// What holds the order now comes first; why it was reversed in the first place comes after it.
pub(crate) fn problems(
    record: &Record,
    projection: Option<&Projection>,
    view: &StatusView,
    retry: Option<&Retry>,
    now: Timestamp,
) -> Vec<ProblemView> {
    let mut problems: Vec<ProblemView> = projection
        .iter()
        .flat_map(|projection| {
            let incidents = projection.incidents.keys();
            let incidents = incidents.filter(|incident| **incident != Incident::KeepsFailing);
            incidents.map(|incident| incident_of(projection, *incident, view, now))
        })
        .collect();
    if let Some(retry) = retry.filter(|_| !view.workflow.status.has_ended()) {
        problems.push(being_retried(retry, now));
    }
    if let Some(failure) = &record.state.failure {
        let why = format!("{}: {}", failure.error, failure.message);
        let is_first = problems.is_empty();
        let ours = failure.error.class() != domain::Class::Customer;
        let (title, tone) = if is_first {
            (why, if ours { "warn" } else { "off" })
        } else {
            (format!("Being reversed because of {why}"), "off")
        };
        let advice = advice::of_error(failure.error);
        problems.push(ProblemView::of(tone, title, String::new(), advice));
    }
    if view.status == domain::Status::InReview {
        let advice = advice::of_error(domain::ErrorName::ReviewRequired);
        let title = "Waits for a person's decision".to_owned();
        problems.push(ProblemView::of("warn", title, String::new(), advice));
    }
    problems
}

fn incident_of(
    projection: &Projection,
    incident: Incident,
    view: &StatusView,
    now: Timestamp,
) -> ProblemView {
    let mut more = Vec::new();
    if let Some(last) = projection.last_try() {
        more.push(format!("The last try ended with {last}."));
    }
    let discrepancies = projection.discrepancies.iter();
    more.extend(discrepancies.map(|discrepancy| words::sentence(&discrepancy.to_string())));
    let held = projection.held;
    if !held.is_zero() {
        more.push(match view.payment.status {
            PaymentStatus::Unknown => {
                format!("Up to {held} of the customer's money may be held: nobody knows.")
            }
            _ => format!("{held} of the customer's money is held."),
        });
    }
    if let Some(deadline) = projection.deadline {
        let Moment { text, ago, .. } = Moment::of(deadline, now);
        more.push(format!("It gets worse at {text} UTC, {ago}."));
    }
    let title = words::incident(incident).to_owned();
    ProblemView::of("bad", title, more.join(" "), incident.advice())
}

/// A task that fails and is tried again, from its first failure on.
fn being_retried(retry: &Retry, now: Timestamp) -> ProblemView {
    let (failed, of, next) = (retry.failed, retry.of, retry.next(now));
    let why = retry.why();
    let title = format!("{} is tried again: {why}", retry.state);
    let until = retry.gives_up_at.map_or_else(String::new, |at| {
        let Moment { text, ago, .. } = Moment::of(at, now);
        format!(" If each fails, they are used up at about {text} UTC, {ago}.")
    });
    let more = format!("{failed} of {of} tries have failed; {next}.{until}");
    let advice = match &retry.error {
        domain::TaskError::Catalogue(error) => advice::of_error(*error),
        domain::TaskError::Platform(_) => Incident::KeepsFailing.advice(),
    };
    // Nothing is to be done about the order while it is tried.
    let advice = Advice {
        recommended_action: Incident::KeepsFailing.advice().recommended_action,
        runbook: Incident::KeepsFailing.advice().runbook,
        ..advice
    };
    ProblemView::of("warn", title, more, advice)
}
