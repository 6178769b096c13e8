//! The page that stays open all day: what needs a person, where every order is, and how the last hours were.

use domain::Timestamp;
use domain::board::{self, Board, Counts, Group, Problem, Sums};
use domain::trend::{self, Counted};
use domain::watch::{Place, Watch};
use store::PAGE;

use crate::answer::{Answer, live, soon};
use crate::frame::Frame;
use crate::list::Listed;
use crate::plot::{self, HOURS, Mark, Plot, Took};
use crate::request::Asked;
use crate::rows::Row;
use crate::sign_in::Operator;
use crate::words::{self, Moment};
use crate::{Console, Failed};

/// So many reviews are on the home page; the others are on their list.
const REVIEWS: usize = 8;

#[derive(askama::Template)]
#[template(path = "home.html")]
struct Home<'a> {
    frame: Frame<'a>,
    board_id: &'a str,
    sums: Option<Vec<Sum>>,
    troubled: String,
    groups: Vec<GroupView>,
    reversed: Vec<GroupView>,
    more_reversed: bool,
    nodes: Vec<Node>,
    reviews: Vec<Row>,
    more_reviews: bool,
    money: Vec<(String, [String; 3])>,
    throughput: Plot,
    failures: Plot,
    times: Vec<Took>,
    marks: Vec<Mark>,
}

#[derive(Debug)]
struct Sum {
    count: usize,
    told: &'static str,
    tone: &'static str,
    list: &'static str,
}

#[derive(Debug)]
struct GroupView {
    id: String,
    tone: &'static str,
    title: String,
    step: &'static str,
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
    deadline: Option<Moment>,
    action: Option<(&'static str, &'static str)>,
}

/// A state of the process in the drawing.
#[derive(Debug)]
struct Node {
    step: &'static str,
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
                "<rect class=\"hit\" x=\"6\" y=\"29\" width=\"92\" height=\"24\"/><circle class=\"tone ok\" cx=\"16\" cy=\"42\" r=\"4\"/>",
                25,
                46,
            ),
            (
                self.counts.at_risk,
                "at_risk",
                "warn",
                "at risk",
                "At risk",
                "<rect class=\"hit\" x=\"100\" y=\"29\" width=\"90\" height=\"24\"/><polygon class=\"tone warn\" points=\"108,37 112.5,46 103.5,46\"/>",
                117,
                46,
            ),
            (
                self.counts.overdue,
                "overdue",
                "bad",
                "overdue",
                "Overdue",
                "<rect class=\"hit\" x=\"6\" y=\"53\" width=\"92\" height=\"24\"/><polygon class=\"tone bad\" points=\"12,61 20,61 20,69 12,69\"/>",
                25,
                69,
            ),
            (
                self.counts.retrying,
                "retrying",
                "info",
                "retrying",
                "Retrying",
                "<rect class=\"hit\" x=\"100\" y=\"53\" width=\"90\" height=\"24\"/><polygon class=\"tone info\" points=\"108,60 113,65 108,70 103,65\"/>",
                117,
                69,
            ),
        ]
    }
}

/// Where a state is drawn.
const fn drawn_at(place: Place) -> (u32, u32) {
    match place {
        Place::ValidateOrder => (1, 1),
        Place::ReviewOrder => (1, 147),
        Place::ChargePayment => (227, 1),
        Place::ShipOrder => (453, 1),
        Place::CapturePayment => (679, 1),
        Place::NotifyCustomer => (905, 1),
        Place::CancelShipment => (227, 147),
        Place::ReversePayment => (453, 147),
        Place::ReleaseStock => (679, 147),
        Place::NotifyFailure => (905, 147),
    }
}

impl Console {
    pub(crate) async fn home(
        &self,
        asked: &Asked,
        operator: &Operator,
        now: Timestamp,
    ) -> Result<Answer, Failed> {
        let store = &self.actions.store;
        let since = now - std::time::Duration::from_hours(HOURS.unsigned_abs());
        let (board, spans, today) = tokio::join!(
            self.board(now),
            store.counted_since(since),
            store.counted_today(now)
        );
        let ((board, coming), spans, today) = (board?, spans?, today?);
        let reviews = match &board {
            Some(board) => {
                let first = Listed {
                    name: board::REVIEWS,
                    board: &board.id,
                    page: 0,
                };
                self.listed(&first).await?.unwrap_or_default()
            }
            None => Vec::new(),
        };
        let page = page(
            self,
            asked,
            operator,
            board.as_ref(),
            &reviews,
            &spans,
            &today,
            now,
        );
        let answer = live(asked, &page);
        Ok(if coming { soon(answer) } else { answer })
    }
}

#[expect(
    clippy::too_many_arguments,
    reason = "what the page shows, each read on its own"
)]
fn page<'a>(
    console: &'a Console,
    asked: &'a Asked,
    operator: &'a Operator,
    board: Option<&'a Board>,
    reviews: &[Watch],
    spans: &[Counted],
    today: &Counted,
    now: Timestamp,
) -> Home<'a> {
    let groups = board
        .map(|board| board.groups.as_slice())
        .unwrap_or_default();
    let view = |wanted: fn(&Problem) -> bool| {
        let groups = groups.iter().filter(|group| wanted(&group.problem));
        groups
            .map(|group| group_view(group, operator, now))
            .collect::<Vec<_>>()
    };
    let troubled = board.map_or(0, |board| board.troubled);
    let title = match troubled {
        0 => "Home".to_owned(),
        1 => "1 needs a person".to_owned(),
        count => format!("{count} need a person"),
    };
    Home {
        frame: Frame::of(console, asked, operator, board, now).titled(title),
        board_id: board.map(|board| board.id.as_str()).unwrap_or_default(),
        sums: board.map(sums),
        troubled: words::orders(troubled),
        groups: view(|problem| matches!(problem, Problem::Trouble(_))),
        reversed: view(|problem| matches!(problem, Problem::Reversed(_))),
        more_reversed: board.is_some_and(|board| board.more_reversed),
        nodes: Place::ALL.iter().map(|place| node(*place, board)).collect(),
        reviews: reviews
            .iter()
            .take(REVIEWS)
            .map(|watch| Row::of(watch, now))
            .collect(),
        more_reviews: reviews.len() > REVIEWS.min(PAGE),
        money: money(today),
        throughput: plot::throughput(spans, now),
        failures: plot::failures(spans, now),
        times: plot::times(spans),
        marks: plot::marks(),
    }
}

fn sums(board: &Board) -> Vec<Sum> {
    let all = |of: fn(&Counts) -> usize| board.places.values().map(of).sum();
    vec![
        Sum {
            count: board.open,
            told: "open",
            tone: "",
            list: board::OPEN,
        },
        Sum {
            count: all(|counts| counts.on_track),
            told: "on track",
            tone: "ok",
            list: "health.on_track",
        },
        Sum {
            count: all(|counts| counts.at_risk),
            told: "at risk",
            tone: "warn",
            list: "health.at_risk",
        },
        Sum {
            count: all(|counts| counts.overdue),
            told: "overdue",
            tone: "bad",
            list: "health.overdue",
        },
        Sum {
            count: board.troubled,
            told: "need a person",
            tone: "bad",
            list: board::TROUBLED,
        },
    ]
}

fn node(place: Place, board: Option<&Board>) -> Node {
    let counts = board
        .and_then(|board| board.places.get(&place))
        .copied()
        .unwrap_or_default();
    let (x, y) = drawn_at(place);
    let tone = if counts.overdue > 0 {
        "bad"
    } else if counts.at_risk > 0 {
        "warn"
    } else {
        ""
    };
    Node {
        step: place.as_str(),
        x,
        y,
        tone,
        counts,
    }
}

fn group_view(group: &Group, operator: &Operator, now: Timestamp) -> GroupView {
    let advice = group.problem.advice();
    let action = advice.action.filter(|_| operator.may_act);
    let is_trouble = matches!(group.problem, Problem::Trouble(_));
    GroupView {
        id: group.id.clone(),
        tone: words::problem_tone(group.problem),
        title: words::problem(group.problem),
        step: group.step.map_or("", Place::as_str),
        error: group.error.clone().unwrap_or_default(),
        message: group.message.clone().unwrap_or_default(),
        todo: advice.recommended_action,
        runbook: advice.runbook,
        count: group.count,
        counts: if is_trouble { "Affected" } else { "Reversed" },
        orders: words::orders(group.count),
        money_is: if is_trouble { "Money held" } else { "Worth" },
        money: if is_trouble {
            group.held.told()
        } else {
            group.worth.told()
        },
        first: Moment::of(group.first_seen, now),
        last: Moment::of(group.last_seen, now),
        deadline: Moment::maybe(group.deadline, now),
        action: action.map(|action| (action.as_str(), words::verb(action))),
    }
}

/// A row for each currency that moved.
fn money(today: &Counted) -> Vec<(String, [String; 3])> {
    let sums = trend::money(std::slice::from_ref(today));
    let mut codes: Vec<&String> = sums.iter().flat_map(|sums| sums.0.keys()).collect();
    codes.sort();
    codes.dedup();
    let row = |code: &String| {
        let amounts = [0, 1, 2].map(|of: usize| {
            let minor = sums[of].0.get(code).copied().unwrap_or(0);
            let only = Sums([(code.clone(), minor)].into());
            let told = only.told().pop().unwrap_or_default();
            // The currency is what the row is about.
            told.trim_end_matches(code.as_str()).trim().to_owned()
        });
        (code.clone(), amounts)
    };
    codes.into_iter().map(row).collect()
}
