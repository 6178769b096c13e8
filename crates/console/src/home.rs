//! The page that stays open all day: what needs a person, where every order is, and how the last hours were.

use std::collections::BTreeSet;

use axum::response::Response;
use domain::{Currency, Sums, Timestamp};
use operations::snapshot::{Counts, Group, List, Snapshot};
use operations::trend::{self, Counted, Flow};
use operations::{Health, Incident, Orphan, Problem, ProcessState, Projection};
use read_models::PAGE;

use crate::answer::{live, soon};
use crate::frame::Frame;
use crate::list::Listed;
use crate::operator::Operator;
use crate::orphans::OrphanView;
use crate::plot::{self, HOURS, Mark, Plot, Took};
use crate::request::PageRequest;
use crate::rows::Row;
use crate::words::{self, Moment};
use crate::{Console, Failed};

/// So many orphans are on the home page; `GET /api/orphans` and `orderctl orphans` have all.
const ORPHANS: usize = 20;

/// So many reviews are on the home page; the others are on their list.
const REVIEWS: usize = 8;

#[derive(askama::Template)]
#[template(path = "home.html")]
struct Home<'a> {
    frame: Frame<'a>,
    snapshot_id: &'a str,
    sums: Option<Vec<Sum>>,
    bulks_at_work: Option<String>,
    need_a_person: String,
    held: Vec<String>,
    happening: Vec<GroupView>,
    groups: Vec<GroupView>,
    orphans: Vec<OrphanView>,
    more_orphans: usize,
    reversed: Vec<GroupView>,
    more_reversed: bool,
    nodes: Vec<Node>,
    /// A review needs a person, too, and has a place of its own: it is no incident.
    reviews_waiting: Option<String>,
    reviews: Vec<Row>,
    more_reviews: bool,
    money: Vec<(&'static str, [String; 4])>,
    throughput: Plot,
    failures: Plot,
    times: Vec<Took>,
    marks: Vec<Mark>,
}

#[derive(Debug)]
struct Sum {
    count: usize,
    text: &'static str,
    tone: &'static str,
    list: List,
}

#[derive(Debug)]
struct GroupView {
    id: String,
    tone: &'static str,
    title: String,
    state: &'static str,
    error: String,
    message: String,
    todo: &'static str,
    runbook: &'static str,
    count: usize,
    counts: &'static str,
    orders: String,
    money_is: &'static str,
    money: Vec<String>,
    first: Moment,
    last: Moment,
    /// What the deadline is.
    ends: &'static str,
    deadline: Option<Moment>,
    action: Option<(&'static str, &'static str)>,
}

/// A state of the process in the drawing.
#[derive(Debug)]
struct Node {
    state: &'static str,
    x: u32,
    y: u32,
    tone: &'static str,
    counts: Counts,
}

/// A number of a state: how many, the end of its list's name, its tone, what it is, that as a heading; the area to
/// click at with its shape, and where the text is.
type Cell = (
    usize,
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    u32,
    u32,
);

impl Node {
    fn cells(&self) -> [Cell; 4] {
        [
            (
                self.counts.on_track,
                "on_track",
                "ok",
                "on track",
                "On track",
                "<rect class=\"hit\" x=\"6\" y=\"29\" width=\"92\" height=\"24\"/><circle \
                 class=\"tone ok\" cx=\"16\" cy=\"42\" r=\"4\"/>",
                25,
                46,
            ),
            (
                self.counts.at_risk,
                "at_risk",
                "warn",
                "at risk",
                "At risk",
                "<rect class=\"hit\" x=\"100\" y=\"29\" width=\"90\" height=\"24\"/><polygon \
                 class=\"tone warn\" points=\"108,37 112.5,46 103.5,46\"/>",
                117,
                46,
            ),
            (
                self.counts.overdue,
                "overdue",
                "bad",
                "overdue",
                "Overdue",
                "<rect class=\"hit\" x=\"6\" y=\"53\" width=\"92\" height=\"24\"/><polygon \
                 class=\"tone bad\" points=\"12,61 20,61 20,69 12,69\"/>",
                25,
                69,
            ),
            (
                self.counts.retrying,
                "retrying",
                "info",
                "retrying",
                "Retrying",
                "<rect class=\"hit\" x=\"100\" y=\"53\" width=\"90\" height=\"24\"/><polygon \
                 class=\"tone info\" points=\"108,60 113,65 108,70 103,65\"/>",
                117,
                69,
            ),
        ]
    }
}

/// Where a state is drawn.
const fn drawn_at(state: ProcessState) -> (u32, u32) {
    match state {
        ProcessState::ValidateOrder => (1, 1),
        ProcessState::ReviewOrder => (1, 147),
        ProcessState::ChargePayment => (227, 1),
        ProcessState::ShipOrder => (453, 1),
        ProcessState::CapturePayment => (679, 1),
        ProcessState::NotifyCustomer => (905, 1),
        ProcessState::CancelShipment => (227, 147),
        ProcessState::ReversePayment => (453, 147),
        ProcessState::ReleaseStock => (679, 147),
        ProcessState::NotifyFailure => (905, 147),
    }
}

impl Console {
    pub(crate) async fn home(
        &self,
        request: &PageRequest,
        operator: &Operator,
        now: Timestamp,
    ) -> Result<Response, Failed> {
        let read_models = &self.read_models;
        let since = now - std::time::Duration::from_hours(HOURS.unsigned_abs());
        let (snapshot, spans, today, at_work, orphans) = tokio::join!(
            self.snapshot(now),
            read_models.counted_since(since),
            read_models.counted_today(now),
            read_models.digests_at_work(),
            read_models.orphans()
        );
        let ((snapshot, coming), spans, today) = (snapshot?, spans?, today?);
        let reviews = match &snapshot {
            Some(snapshot) => {
                let first = Listed {
                    list: List::Reviews,
                    snapshot: &snapshot.id,
                    page: 0,
                };
                self.listed(&first).await?.unwrap_or_default().0
            }
            None => Vec::new(),
        };
        let mut page = page(
            self,
            request,
            operator,
            snapshot.as_ref(),
            &reviews,
            &spans,
            &today,
            now,
        );
        page.bulks_at_work = match at_work?.len() {
            0 => None,
            1 => Some("1 bulk is at work".to_owned()),
            count => Some(format!("{count} bulks are at work")),
        };
        page.show_orphans(&orphans?, now);
        let answer = live(request, &page);
        Ok(if coming { soon(answer) } else { answer })
    }
}

impl Home<'_> {
    fn show_orphans(&mut self, orphans: &[Orphan], now: Timestamp) {
        let shown = orphans.iter().take(ORPHANS);
        self.orphans = shown.map(|orphan| OrphanView::of(orphan, now)).collect();
        self.more_orphans = orphans.len() - self.orphans.len();
        if !orphans.is_empty() {
            let orphans = words::orphans(orphans.len());
            let title = &self.frame.title;
            self.frame.title = match title.as_str() {
                "Home" => orphans,
                _ => format!("{orphans}, {title}"),
            };
        }
    }
}

#[expect(
    clippy::too_many_arguments,
    reason = "what the page shows, each read on its own"
)]
fn page<'a>(
    console: &'a Console,
    request: &'a PageRequest,
    operator: &'a Operator,
    snapshot: Option<&'a Snapshot>,
    reviews: &[Projection],
    spans: &[Counted],
    today: &Counted,
    now: Timestamp,
) -> Home<'a> {
    let groups = snapshot
        .map(|snapshot| snapshot.groups.as_slice())
        .unwrap_or_default();
    let view = |wanted: fn(&Group) -> bool| {
        let groups = groups.iter().filter(|group| wanted(group));
        groups
            .map(|group| group_view(group, operator, now))
            .collect::<Vec<_>>()
    };
    let need_a_person = snapshot.map_or(0, |snapshot| snapshot.need_a_person);
    let waiting = snapshot.and_then(|snapshot| snapshot.count(&List::Reviews));
    let waiting = match waiting.unwrap_or(0) {
        0 => None,
        1 => Some("1 review waits".to_owned()),
        count => Some(format!("{count} reviews wait")),
    };
    let title = match (need_a_person, &waiting) {
        (0, None) => "Home".to_owned(),
        (0, Some(waiting)) => waiting.clone(),
        (1, _) => "1 needs a person".to_owned(),
        (count, _) => format!("{count} need a person"),
    };
    Home {
        frame: Frame::of(console, request, operator, snapshot, now).titled(title),
        snapshot_id: snapshot
            .map(|snapshot| snapshot.id.as_str())
            .unwrap_or_default(),
        sums: snapshot.map(sums),
        bulks_at_work: None,
        need_a_person: words::orders(need_a_person),
        reviews_waiting: waiting,
        held: snapshot.map_or_else(Vec::new, |snapshot| snapshot.held.texts()),
        happening: view(Group::is_happening),
        groups: view(|group| {
            !group.is_happening() && matches!(group.cause.problem, Problem::Incident(_))
        }),
        orphans: Vec::new(),
        more_orphans: 0,
        reversed: view(|group| matches!(group.cause.problem, Problem::Reversed(_))),
        more_reversed: snapshot.is_some_and(|snapshot| snapshot.more_reversed),
        nodes: ProcessState::ALL
            .iter()
            .map(|state| node(*state, snapshot))
            .collect(),
        reviews: reviews
            .iter()
            .take(REVIEWS)
            .map(|projection| Row::of(projection, now))
            .collect(),
        more_reviews: reviews.len() > REVIEWS.min(PAGE),
        money: money(today),
        throughput: plot::throughput(spans, now),
        failures: plot::failures(spans, now),
        times: plot::times(spans),
        marks: plot::marks(),
    }
}

fn sums(snapshot: &Snapshot) -> Vec<Sum> {
    let sum = |list: List, text, tone| Sum {
        count: snapshot.count(&list).unwrap_or(0),
        text,
        tone,
        list,
    };
    vec![
        sum(List::Open, "open", ""),
        sum(List::Health(Health::OnTrack), "on track", "ok"),
        sum(List::Health(Health::AtRisk), "at risk", "warn"),
        sum(List::Health(Health::Overdue), "overdue", "bad"),
        sum(List::NeedAPerson, "need a person", "bad"),
    ]
}

fn node(state: ProcessState, snapshot: Option<&Snapshot>) -> Node {
    let counts = snapshot
        .and_then(|snapshot| snapshot.states.get(&state))
        .copied()
        .unwrap_or_default();
    let (x, y) = drawn_at(state);
    let tone = if counts.overdue > 0 {
        "bad"
    } else if counts.at_risk > 0 {
        "warn"
    } else {
        ""
    };
    Node {
        state: state.as_str(),
        x,
        y,
        tone,
        counts,
    }
}

fn group_view(group: &Group, operator: &Operator, now: Timestamp) -> GroupView {
    let cause = &group.cause;
    let advice = cause.advice();
    let action = advice.action.filter(|_| operator.may_act);
    let is_incident = matches!(cause.problem, Problem::Incident(_));
    let (counts, money_is, ends) = match cause.problem {
        _ if group.is_happening() => ("Waiting", "Money held", given_up(cause.state)),
        Problem::Incident(Incident::OutcomeUnknown) => {
            ("Affected", "Held or in doubt", "Oldest deadline")
        }
        Problem::Incident(_) => ("Affected", "Money held", "Oldest deadline"),
        Problem::Reversed(_) => ("Reversed", "Worth", "Oldest deadline"),
    };
    GroupView {
        id: cause.id(),
        tone: words::problem_tone(cause.problem),
        title: words::problem(cause.problem),
        state: cause.state.map_or("", ProcessState::as_str),
        error: cause.error.clone().map(String::from).unwrap_or_default(),
        message: group.message().unwrap_or_default().to_owned(),
        todo: advice.recommended_action,
        runbook: advice.runbook,
        count: group.count,
        counts,
        orders: words::orders(group.count),
        money_is,
        money: if is_incident {
            group.held.texts()
        } else {
            group.worth.texts()
        },
        first: Moment::of(group.first_seen, now),
        last: Moment::of(group.last_seen, now),
        ends,
        deadline: Moment::maybe(group.deadline, now),
        action: action.map(|action| (action.as_str(), words::verb(action))),
    }
}

/// What becomes of an order in this state once its tries are used up.
fn given_up(state: Option<ProcessState>) -> &'static str {
    match state {
        Some(ProcessState::NotifyCustomer | ProcessState::NotifyFailure) => {
            "First message given up"
        }
        Some(state) if state.is_undo() => "First undo given up",
        Some(_) | None => "First reversal",
    }
}

/// A row for each currency that moved: authorised, captured, voided, refunded.
fn money(today: &Counted) -> Vec<(&'static str, [String; 4])> {
    let today = std::slice::from_ref(today);
    let sums = [
        Flow::Authorized,
        Flow::Captured,
        Flow::Voided,
        Flow::Refunded,
    ]
    .map(|flow| trend::money(today, flow));
    let moved: BTreeSet<Currency> = sums.iter().flat_map(Sums::currencies).collect();
    let row = |currency: Currency| {
        let amounts = sums.each_ref().map(|sums| sums.amount_in(currency));
        (currency.code(), amounts)
    };
    moved.into_iter().map(row).collect()
}
