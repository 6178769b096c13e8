//! One action on many orders: previewed, frozen, applied; the monitor carries it out.

use actions::{Attribution, BulkRefused};
use axum::response::Response;
use domain::{OrderId, Timestamp};
use operations::ProcessState;
use operations::bulk::{Bulk, BulkState, Control, LARGEST, Outcome, OutcomeKind, Part};
use operations::snapshot::List;
use read_models::PAGE;
use tracing::info;

use crate::answer::{live, see_other, see_other_told, soon};
use crate::frame::Frame;
use crate::list::encoded;
use crate::operator::Operator;
use crate::request::PageRequest;
use crate::words::{self, Moment};
use crate::{Console, Failed};

#[derive(askama::Template)]
#[template(path = "bulk_preview.html")]
struct Preview<'a> {
    frame: Frame<'a>,
    verb: &'static str,
    consequence: &'static str,
    dangerous: bool,
    count: String,
    parts: Vec<PartView>,
    /// How many orders are warned of.
    warned: Option<String>,
    skipped: Vec<SkippedView<'a>>,
    skipped_count: String,
    worth: Vec<String>,
    previewed: Moment,
    digest: &'a str,
    /// The list that the orders were chosen from.
    list: &'a str,
    may_act: bool,
}

#[derive(askama::Template)]
#[template(path = "bulk.html")]
struct Running<'a> {
    frame: Frame<'a>,
    verb: &'static str,
    count: String,
    state: &'static str,
    tone: &'static str,
    begun: Moment,
    by: String,
    reason: &'a str,
    digest: &'a str,
    stopped: Option<&'a str>,
    stopped_by: Option<String>,
    untouched: String,
    controlled: Vec<(&'static str, String, Moment)>,
    may_pause: bool,
    may_resume: bool,
    may_stop: bool,
    phases: Vec<Phase>,
    parts: Vec<PartView>,
}

#[derive(askama::Template)]
#[template(path = "bulks.html")]
struct Latest<'a> {
    frame: Frame<'a>,
    bulks: Vec<BulkView>,
    is_full: bool,
}

/// A bulk on the list of them.
#[derive(Debug)]
struct BulkView {
    digest: String,
    verb: &'static str,
    count: String,
    by: String,
    reason: String,
    begun: Moment,
    state: &'static str,
    tone: &'static str,
    outcomes: String,
}

impl BulkView {
    fn of(bulk: &Bulk, now: Timestamp) -> Option<Self> {
        let applied = bulk.applied.as_ref()?;
        let (state, tone) = state(bulk.state());
        let counts = OutcomeKind::ALL.iter().filter_map(|kind| {
            let count = bulk.count(*kind);
            (count > 0).then(|| format!("{count} {}", outcome(*kind).0))
        });
        Some(Self {
            digest: bulk.digest.clone(),
            verb: words::verb(bulk.action),
            count: words::orders(bulk.parts.len()),
            by: applied.by.to_string(),
            reason: applied.reason.clone(),
            begun: Moment::of(applied.at, now),
            state,
            tone,
            outcomes: counts.collect::<Vec<_>>().join(", "),
        })
    }
}

#[derive(Debug)]
struct SkippedView<'a> {
    id: &'a str,
    why: &'a str,
    left_to: Option<&'a str>,
}

#[derive(Debug)]
struct PartView {
    id: String,
    state_to_pass: &'static str,
    attempt: u32,
    amount: String,
    outcome: &'static str,
    tone: &'static str,
    why: String,
    warning: String,
    left_to: Option<String>,
    requested: Option<Moment>,
}

#[derive(Debug)]
struct Phase {
    title: &'static str,
    settled: usize,
    total: usize,
    tone: &'static str,
    current: bool,
    shares: Vec<(&'static str, String, String)>,
    says: String,
}

const fn state(state: BulkState) -> (&'static str, &'static str) {
    match state {
        BulkState::Previewed => ("previewed", "off"),
        BulkState::Running => ("running", "info"),
        BulkState::Paused => ("paused", "warn"),
        BulkState::Stopped => ("stopped", "bad"),
        BulkState::Done => ("done", "ok"),
    }
}

const fn done(control: Control) -> &'static str {
    match control {
        Control::Pause => "paused",
        Control::Resume => "resumed",
        Control::Stop => "stopped",
    }
}

const fn outcome(kind: OutcomeKind) -> (&'static str, &'static str) {
    match kind {
        OutcomeKind::Waiting => ("waiting", "off"),
        OutcomeKind::Requested => ("requested", "info"),
        OutcomeKind::Running => ("running", "info"),
        OutcomeKind::Recovered => ("recovered", "ok"),
        OutcomeKind::FailedAgain => ("failed again", "bad"),
        OutcomeKind::Refused => ("refused", "warn"),
    }
}

impl PartView {
    fn of(part: &Part, now: Timestamp) -> Self {
        let (outcome, tone) = outcome(part.outcome.kind());
        let why = match &part.outcome {
            Outcome::Refused(why) => why.clone(),
            Outcome::Recovered => part
                .state
                .map_or_else(String::new, |state| format!("past {state}")),
            Outcome::FailedAgain => part.failure.clone().unwrap_or_default(),
            Outcome::Waiting | Outcome::Requested | Outcome::Running => String::new(),
        };
        Self {
            id: part.order_id.to_string(),
            state_to_pass: part.state.map_or("", ProcessState::as_str),
            attempt: part.attempt,
            amount: part.total.to_string(),
            outcome,
            tone,
            why,
            warning: part.warning.clone().unwrap_or_default(),
            left_to: part.left_to.clone(),
            requested: Moment::maybe(part.requested_at, now),
        }
    }
}

/// The list that a form of a page was on, below the page's root.
fn came_from(request: &PageRequest) -> String {
    // From our own page, or we would not be here.
    let page = request.header("referer").unwrap_or_default();
    let (page, query) = page.split_once('?').unwrap_or((page, ""));
    match page.rsplit('/').next() {
        Some(list @ ("orders" | "search")) if query.is_empty() => list.to_owned(),
        Some(list @ ("orders" | "search")) => format!("{list}?{query}"),
        _ => match (request.field("list"), request.field("snapshot")) {
            (Some(list), Some(snapshot)) => {
                let (list, snapshot) = (encoded(list), encoded(snapshot));
                format!("orders?list={list}&snapshot={snapshot}")
            }
            _ => "orders".to_owned(),
        },
    }
}

/// The list that a preview leads back to.
fn way_back(request: &PageRequest) -> &str {
    let from = request.query("from").unwrap_or_default();
    let is_list = from.starts_with("orders?") || from.starts_with("search?");
    if is_list { from } else { "orders" }
}

impl Console {
    /// Looks at each of the orders that were chosen, and freezes what was seen.
    pub(crate) async fn preview(
        &self,
        request: &PageRequest,
        now: Timestamp,
    ) -> Result<Response, Failed> {
        let list = came_from(request);
        let dead_end = |told: &str| see_other_told(&format!("{}{list}", request.root), told);
        let Some(word) = request.field("action") else {
            return Ok(dead_end("Choose an action first. Nothing was done."));
        };
        let action = crate::action(word)?;
        let orders = self.chosen(request).await?;
        if orders.is_empty() {
            return Ok(dead_end(match request.field("scope") {
                Some("all") => "No order is on this list any more. Nothing was done.",
                _ => "Select at least one order, or take all of the list. Nothing was done.",
            }));
        }
        match self.actions.preview(action, orders, now).await {
            Ok(bulk) => {
                let (root, digest, list) = (&request.root, bulk.digest, encoded(&list));
                Ok(see_other(&format!("{root}bulk/{digest}?from={list}")))
            }
            Err(BulkRefused::NotPossible(why)) => {
                let told = format!("Nothing was done: {why}.");
                Ok(dead_end(&told))
            }
            Err(refused) => Err(refused.into()),
        }
    }

    async fn chosen(&self, request: &PageRequest) -> Result<Vec<OrderId>, Failed> {
        if request.field("scope") == Some("all") {
            let (list, snapshot) = (
                request.field("list").unwrap_or_default(),
                request.field("snapshot").unwrap_or_default(),
            );
            let list: List = list.parse().map_err(|_| Failed::NotFound)?;
            return self.all_listed(&list, snapshot, LARGEST).await;
        }
        let ids = request.fields("order").map(crate::order_id);
        ids.collect()
    }

    /// The bulks that were applied last.
    pub(crate) async fn bulks(
        &self,
        request: &PageRequest,
        operator: &Operator,
        now: Timestamp,
    ) -> Result<Response, Failed> {
        let bulks = self.read_models.latest_bulks().await?;
        let bulks = bulks.iter().filter_map(|bulk| BulkView::of(bulk, now));
        let bulks: Vec<BulkView> = bulks.collect();
        let page = Latest {
            frame: Frame::of(self, request, operator, None, now).titled("Bulks"),
            is_full: bulks.len() >= PAGE,
            bulks,
        };
        Ok(live(request, &page))
    }

    /// A preview, or how far it has come.
    pub(crate) async fn bulk(
        &self,
        request: &PageRequest,
        operator: &Operator,
        digest: &str,
        now: Timestamp,
    ) -> Result<Response, Failed> {
        let bulk = self.read_models.bulk(digest).await?;
        let bulk = bulk.ok_or(Failed::NotFound)?;
        let Some(applied) = &bulk.applied else {
            return Ok(self.shown(request, operator, &bulk, now));
        };
        // Whoever looks has it carried on sooner than the schedule would.
        let coming = bulk.is_at_work() && self.snapshot(now).await?.1;
        let is_left = operator.may_act && bulk.count(OutcomeKind::Waiting) > 0;
        let is = |state: BulkState| is_left && bulk.state() == state;
        let (may_pause, may_resume) = (is(BulkState::Running), is(BulkState::Paused));
        let stop = bulk.controlled.last();
        let stop = stop.filter(|last| last.control == Control::Stop);
        let (state, tone) = state(bulk.state());
        let verb = words::verb(bulk.action);
        let frame =
            Frame::of(self, request, operator, None, now).titled(format!("{verb}: {state}"));
        let running = Running {
            frame: if bulk.is_at_work() {
                frame
            } else {
                frame.still()
            },
            verb,
            count: words::orders(bulk.parts.len()),
            state,
            tone,
            begun: Moment::of(applied.at, now),
            by: applied.by.to_string(),
            reason: &applied.reason,
            digest: &bulk.digest,
            stopped: bulk.stopped.as_deref(),
            stopped_by: stop.map(|stop| stop.by.to_string()),
            controlled: bulk
                .controlled
                .iter()
                .map(|did| {
                    let at = Moment::of(did.at, now);
                    (self::done(did.control), did.by.to_string(), at)
                })
                .collect(),
            may_pause,
            may_resume,
            may_stop: may_pause || may_resume,
            untouched: match bulk.count(OutcomeKind::Waiting) {
                1 => "1 order was".to_owned(),
                count => format!("{count} orders were"),
            },
            phases: phases(&bulk),
            parts: bulk
                .parts
                .iter()
                .map(|part| PartView::of(part, now))
                .collect(),
        };
        let answer = live(request, &running);
        Ok(if coming { soon(answer) } else { answer })
    }

    fn shown(
        &self,
        request: &PageRequest,
        operator: &Operator,
        bulk: &Bulk,
        now: Timestamp,
    ) -> Response {
        let verb = words::verb(bulk.action);
        let count = words::orders(bulk.parts.len());
        let warned = bulk.parts.iter().filter(|part| part.warning.is_some());
        let warned = match warned.count() {
            0 => None,
            1 => Some("1 order is likely to come to the same again".to_owned()),
            count => Some(format!(
                "{count} orders are likely to come to the same again"
            )),
        };
        let title = if bulk.parts.is_empty() {
            format!("{verb}: possible for none")
        } else {
            format!("{verb} {count}?")
        };
        let preview = Preview {
            frame: Frame::of(self, request, operator, None, now)
                .titled(title)
                .still(),
            verb,
            consequence: words::consequence(bulk.action),
            dangerous: words::is_dangerous(bulk.action),
            count,
            parts: bulk
                .parts
                .iter()
                .map(|part| PartView::of(part, now))
                .collect(),
            warned,
            skipped: bulk
                .skipped
                .iter()
                .map(|skipped| SkippedView {
                    id: skipped.order_id.as_str(),
                    why: &skipped.why,
                    left_to: skipped.left_to.as_deref(),
                })
                .collect(),
            skipped_count: words::orders(bulk.skipped.len()),
            worth: bulk.worth().texts(),
            previewed: Moment::of(bulk.previewed_at, now),
            digest: &bulk.digest,
            list: way_back(request),
            may_act: operator.may_act,
        };
        live(request, &preview)
    }

    /// Pauses, resumes or stops what the monitor carries out.
    pub(crate) async fn control(
        &self,
        request: &PageRequest,
        operator: &Operator,
        digest: &str,
        control: Control,
        now: Timestamp,
    ) -> Result<Response, Failed> {
        let there = format!("{}bulk/{digest}", request.root);
        let (done, then) = (self::done(control), words::then(control));
        let by = &operator.name;
        let controlled = match control {
            Control::Pause => self.actions.pause(digest, by, now).await,
            Control::Resume => self.actions.resume(digest, by, now).await,
            Control::Stop => {
                let reason = match crate::reason(request.field("reason").unwrap_or_default()) {
                    Ok(reason) => reason,
                    Err(Failed::Invalid(what)) => return Ok(see_other_told(&there, &what)),
                    Err(failed) => return Err(failed),
                };
                let who = Attribution {
                    by,
                    reason: &reason,
                    at: now,
                };
                self.actions.stop(digest, who).await
            }
        };
        match controlled {
            Ok(_) => {
                info!(bulk = digest, control = control.as_str(), "bulk controlled");
                self.snapshot(now).await?;
                let told = format!("It is {done}: {then}.");
                Ok(see_other_told(&there, &told))
            }
            Err(BulkRefused::NotPossible(why)) => {
                let told = format!("It is not {done}: {why}.");
                Ok(see_other_told(&there, &told))
            }
            Err(refused) => Err(refused.into()),
        }
    }

    /// Lets exactly what was previewed happen.
    pub(crate) async fn apply(
        &self,
        request: &PageRequest,
        operator: &Operator,
        digest: &str,
        now: Timestamp,
    ) -> Result<Response, Failed> {
        let there = format!("{}bulk/{digest}", request.root);
        let reason = match crate::reason(request.field("reason").unwrap_or_default()) {
            Ok(reason) => reason,
            Err(Failed::Invalid(what)) => return Ok(see_other_told(&there, &what)),
            Err(failed) => return Err(failed),
        };
        let who = Attribution {
            by: &operator.name,
            reason: &reason,
            at: now,
        };
        let bulk = match self.actions.apply(digest, who).await {
            Ok(bulk) => bulk,
            Err(BulkRefused::NotPossible(why)) => {
                let told = format!("Nothing was done: {why}.");
                return Ok(see_other_told(&there, &told));
            }
            Err(refused) => return Err(refused.into()),
        };
        // Somebody may have applied it before.
        if bulk.applied.is_some_and(|applied| applied.at == now) {
            info!(
                bulk = digest,
                action = bulk.action.as_str(),
                orders = bulk.parts.len(),
                "bulk applied"
            );
        }
        self.snapshot(now).await?;
        Ok(see_other(&there))
    }
}

fn phases(bulk: &Bulk) -> Vec<Phase> {
    let parts = &bulk.parts;
    let (first, others) = parts.split_at(parts.len().min(1));
    let (ten, rest) = others.split_at(others.len().min(10));
    let all = [
        ("One order first", first),
        ("Then up to ten", ten),
        ("Then the rest", rest),
    ];
    let phases = all.into_iter().filter(|(_, parts)| !parts.is_empty());
    let mut phases: Vec<Phase> = phases.map(|(title, parts)| phase(title, parts)).collect();
    let current = phases.iter_mut().find(|phase| phase.settled < phase.total);
    if let Some(current) = current.filter(|_| bulk.is_at_work()) {
        current.current = true;
    }
    phases
}

#[expect(clippy::cast_precision_loss, reason = "pixels")]
fn phase(title: &'static str, parts: &[Part]) -> Phase {
    let count = |kind: OutcomeKind| {
        let parts = parts.iter();
        parts.filter(|part| part.outcome.kind() == kind).count()
    };
    let (mut x, mut shares, mut says) = (0.0, Vec::new(), Vec::new());
    for kind in OutcomeKind::ALL {
        let found = count(*kind);
        if found > 0 && *kind != OutcomeKind::Waiting {
            let (text, tone) = outcome(*kind);
            let width = 100.0 * found as f64 / parts.len() as f64;
            shares.push((tone, format!("{x:.2}%"), format!("{width:.2}%")));
            says.push(format!("{found} {text}"));
            x += width;
        }
    }
    let failed = count(OutcomeKind::FailedAgain);
    let settled = count(OutcomeKind::Recovered) + failed + count(OutcomeKind::Refused);
    let tone = if failed > 0 {
        "bad"
    } else if settled == parts.len() {
        "ok"
    } else if says.is_empty() {
        "off"
    } else {
        "info"
    };
    Phase {
        title,
        settled,
        total: parts.len(),
        tone,
        current: false,
        shares,
        says: if says.is_empty() {
            "not begun".to_owned()
        } else {
            says.join(", ")
        },
    }
}

#[cfg(test)]
mod tests {
    use operations::advice::Action;

    use super::*;

    #[test]
    fn a_phase_and_an_order_say_what_became_of_them_in_words() {
        let part = |number: u32, outcome| Part {
            order_id: format!("ord-{number}").parse().expect("an order id"),
            version: 1,
            attempt: 1,
            state: Some(ProcessState::ShipOrder),
            total: domain::Money::zero("USD".parse().expect("a currency")),
            requested_at: None,
            outcome,
            warning: None,
            failure: Some("CarrierUnavailable in ShipOrder".to_owned()),
            left_to: None,
        };
        let now = Timestamp::UNIX_EPOCH;
        let parts = vec![
            part(1, Outcome::Recovered),
            part(2, Outcome::FailedAgain),
            part(3, Outcome::Running),
            part(4, Outcome::Refused("it has changed".to_owned())),
        ];
        let why = parts.iter().map(|part| PartView::of(part, now).why);
        let expected = [
            "past ShipOrder",
            "CarrierUnavailable in ShipOrder",
            "",
            "it has changed",
        ];
        assert_eq!(why.collect::<Vec<_>>(), expected);
        let bulk = Bulk::preview(Action::Redrive, parts, Vec::new(), now);
        let phases = phases(&bulk);
        let said = phases.iter().map(|phase| {
            let (title, settled, total) = (phase.title, phase.settled, phase.total);
            format!("{title}: {settled} of {total}, {}", phase.says)
        });
        let expected = [
            "One order first: 1 of 1, 1 recovered",
            "Then up to ten: 2 of 3, 1 failed again, 1 refused, 1 running",
        ];
        assert_eq!(said.collect::<Vec<_>>(), expected);
    }
}
