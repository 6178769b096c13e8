//! Lists of orders, a page at a time: those that a number of the board counts, and those of a status.

use domain::advice::Action;
use domain::board::{self, Board, Problem};
use domain::watch::Watch;
use domain::{OrderId, Status, Timestamp};
use lambda_http::http::StatusCode;
use store::PAGE;

use crate::answer::{Answer, live, see_other, soon};
use crate::frame::Frame;
use crate::request::Asked;
use crate::rows::Row;
use crate::sign_in::Operator;
use crate::words;
use crate::{Console, Failed};

/// A list that a number of a board counts.
#[derive(Debug, Clone)]
pub(crate) struct Listed<'a> {
    /// Its name.
    pub(crate) name: &'a str,
    /// The board's id.
    pub(crate) board: &'a str,
    /// Which page, from 0.
    pub(crate) page: usize,
}

/// What a page of orders is of.
#[derive(Debug, PartialEq, Eq)]
enum Chosen {
    All,
    Status(Status),
    List,
}

/// A filter that can be chosen.
#[derive(Debug)]
pub(crate) struct Choice {
    pub(crate) word: &'static str,
    pub(crate) told: &'static str,
    pub(crate) count: Option<usize>,
    pub(crate) chosen: bool,
}

#[derive(askama::Template)]
#[template(path = "list.html")]
struct ListPage<'a> {
    frame: Frame<'a>,
    heading: String,
    total: Option<String>,
    list_name: &'a str,
    board_id: &'a str,
    rows: Vec<Row>,
    choices: Vec<Choice>,
    /// Set where the rows are those of a board that is not the latest.
    newer_list: Option<String>,
    first: Option<String>,
    older: Option<String>,
    newer: Option<String>,
    actions: Vec<(&'static str, &'static str)>,
    advice: Option<(String, &'static str, &'static str)>,
}

/// Where a list of statuses goes on: at which status, among the open orders or the closed ones, and after what.
#[derive(Debug, PartialEq, Eq)]
struct Cursor<'a> {
    status: Status,
    part: Part<'a>,
}

#[derive(Debug, PartialEq, Eq)]
enum Part<'a> {
    Open { board: &'a str, page: usize },
    Closed(Option<&'a str>),
}

impl<'a> Cursor<'a> {
    fn read(text: &'a str) -> Option<Self> {
        let mut parts = text.splitn(3, '~');
        let word = parts.next()?;
        let status = Status::ALL
            .into_iter()
            .find(|status| status.as_str() == word)?;
        let part = match (parts.next()?, parts.next()?) {
            ("closed", "") => Part::Closed(None),
            ("closed", after) => Part::Closed(Some(after)),
            (page, board) => Part::Open {
                board,
                page: page.parse().ok()?,
            },
        };
        Some(Self { status, part })
    }
}

fn cursor(status: Status, page: usize, board: &str) -> String {
    format!("{}~{page}~{board}", status.as_str())
}

fn closed_cursor(status: Status, after: &str) -> String {
    format!("{}~closed~{after}", status.as_str())
}

/// The words for a list of a board.
fn heading(board: Option<&Board>, name: &str) -> String {
    let mut parts = name.split('.');
    match (parts.next(), parts.next(), parts.next()) {
        (Some("place"), Some(place), Some("all")) => format!("In {place}"),
        (Some("place"), Some(place), Some(how)) => format!("{} in {place}", capital(how)),
        (Some("health"), Some(how), _) => capital(how),
        (Some("group"), Some(id), _) => {
            let group = board.and_then(|board| board.groups.iter().find(|group| group.id == id));
            group.map_or_else(
                || "Orders of a group".to_owned(),
                |group| {
                    let title = words::problem(group.problem);
                    match group.step {
                        Some(step) => format!("{title}, in {}", step.as_str()),
                        None => title,
                    }
                },
            )
        }
        _ if name == board::REVIEWS => "Waiting for a review".to_owned(),
        _ if name == board::TROUBLED => "Needs a person".to_owned(),
        _ if name == board::OPEN => "Open orders".to_owned(),
        _ => "Orders".to_owned(),
    }
}

/// How many orders a list of a board has.
fn count(board: &Board, name: &str) -> Option<usize> {
    let mut parts = name.split('.');
    match (parts.next(), parts.next(), parts.next()) {
        (Some("group"), Some(id), _) => {
            let mut groups = board.groups.iter();
            groups.find(|group| group.id == id).map(|group| group.count)
        }
        (Some("place"), Some(place), Some(how)) => {
            let mut places = board.places.iter();
            let (_, counts) = places.find(|(of, _)| of.as_str() == place)?;
            match how {
                "all" => Some(counts.all()),
                "on_track" => Some(counts.on_track),
                "at_risk" => Some(counts.at_risk),
                "overdue" => Some(counts.overdue),
                "retrying" => Some(counts.retrying),
                _ => None,
            }
        }
        (Some("health"), Some(how), _) => {
            let counts = board.places.values();
            match how {
                "on_track" => Some(counts.map(|counts| counts.on_track).sum()),
                "at_risk" => Some(counts.map(|counts| counts.at_risk).sum()),
                "overdue" => Some(counts.map(|counts| counts.overdue).sum()),
                _ => None,
            }
        }
        _ if name == board::OPEN => Some(board.open),
        _ if name == board::TROUBLED => Some(board.troubled),
        _ => None,
    }
}

impl Console {
    /// A page of a list of a board. `None` if the list is not kept (any more).
    pub(crate) async fn listed(&self, of: &Listed<'_>) -> Result<Option<Vec<Watch>>, Failed> {
        let store = &self.actions.store;
        let Some(ids) = store.listed(of.board, of.name, of.page).await? else {
            return Ok(None);
        };
        Ok(Some(store.watches(&ids).await?))
    }

    /// All orders of a list of a board, at most `limit`.
    pub(crate) async fn all_listed(
        &self,
        name: &str,
        board: &str,
        limit: usize,
    ) -> Result<Vec<OrderId>, Failed> {
        let mut all = Vec::new();
        for page in 0..limit.div_ceil(PAGE) {
            match self.actions.store.listed(board, name, page).await? {
                Some(ids) => all.extend(ids),
                None => break,
            }
        }
        all.truncate(limit);
        Ok(all)
    }

    /// A page of the orders of a status, or of all, the most pressing status first; and where the next one
    /// begins.
    pub(crate) async fn by_status(
        &self,
        wanted: Option<Status>,
        at: Option<&str>,
        board: Option<&Board>,
    ) -> Result<(Vec<Watch>, Option<String>), Failed> {
        let statuses: Vec<Status> = match wanted {
            Some(status) => vec![status],
            None => Status::ALL.to_vec(),
        };
        let latest = board.map_or("", |board| board.id.as_str());
        let begin = |status| Some(cursor(status, 0, latest));
        // What comes back from somebody else's hands and makes no sense is the beginning.
        let mut next = match at.filter(|at| Cursor::read(at).is_some()) {
            Some(at) => Some(at.to_owned()),
            None => statuses.first().copied().and_then(begin),
        };
        let mut all = Vec::new();
        while let Some(text) = next.take() {
            let Some(Cursor { status, part }) = Cursor::read(&text) else {
                break;
            };
            let following = statuses
                .iter()
                .skip_while(|of| **of != status)
                .nth(1)
                .copied();
            let (mut found, after) = match part {
                Part::Open { board, page } => {
                    let name = board::status_list(status);
                    let listed = Listed {
                        name: &name,
                        board,
                        page,
                    };
                    let found = self.listed(&listed).await?;
                    let after = match &found {
                        Some(found) if found.len() == PAGE => Some(cursor(status, page + 1, board)),
                        _ if status.is_final() => Some(closed_cursor(status, "")),
                        _ => following.and_then(begin),
                    };
                    (found.unwrap_or_default(), after)
                }
                Part::Closed(after) => {
                    let page = self
                        .actions
                        .store
                        .closed_orders(status, after, PAGE)
                        .await?;
                    let after = page.1.map(|after| closed_cursor(status, &after));
                    (page.0, after.or_else(|| following.and_then(begin)))
                }
            };
            // What has moved on since the board is in another list by now.
            found.retain(|watch| watch.status == status);
            all.extend(found);
            next = after;
            // What is left of a page is filled from the next status.
            if all.len() > PAGE / 2 {
                break;
            }
        }
        Ok((all, next))
    }

    pub(crate) async fn list(
        &self,
        asked: &Asked,
        operator: &Operator,
        now: Timestamp,
    ) -> Result<Answer, Failed> {
        let (board, coming) = self.board(now).await?;
        let page = match asked.query("list") {
            Some(name) => {
                self.list_of_board(asked, operator, board.as_ref(), name, now)
                    .await?
            }
            None => {
                self.list_of_status(asked, operator, board.as_ref(), now)
                    .await?
            }
        };
        Ok(if coming { soon(page) } else { page })
    }

    async fn list_of_board(
        &self,
        asked: &Asked,
        operator: &Operator,
        board: Option<&Board>,
        name: &str,
        now: Timestamp,
    ) -> Result<Answer, Failed> {
        let latest = board.map(|board| board.id.as_str()).unwrap_or_default();
        let of = Listed {
            name,
            board: asked.query("board").unwrap_or(latest),
            page: asked
                .query("page")
                .and_then(|page| page.parse().ok())
                .unwrap_or(0),
        };
        let is_latest = of.board == latest;
        let found = self.listed(&of).await?;
        if found.is_none() && !is_latest {
            // Not kept any more: the same list of the latest board.
            return Ok(see_other(&format!("orders?list={}", encoded(name))));
        }
        let found = found.unwrap_or_default();
        let link = |page: usize| {
            format!(
                "orders?list={}&board={}&page={page}",
                encoded(name),
                encoded(of.board)
            )
        };
        let group = name.strip_prefix("group.").and_then(|id| {
            let mut groups = board?.groups.iter();
            groups.find(|group| group.id == id)
        });
        let frame = Frame::of(self, asked, operator, board, now).titled(heading(board, name));
        let page = ListPage {
            heading: heading(board, name),
            total: board
                .filter(|_| is_latest)
                .and_then(|board| count(board, name))
                .map(words::orders),
            list_name: name,
            board_id: of.board,
            rows: found.iter().map(|watch| Row::of(watch, now)).collect(),
            choices: choices(board, &Chosen::List),
            newer_list: (!is_latest).then(|| format!("orders?list={}", encoded(name))),
            first: (of.page > 1).then(|| link(0)),
            newer: (of.page > 0).then(|| link(of.page - 1)),
            older: (found.len() == PAGE).then(|| link(of.page + 1)),
            actions: actions(operator, group.map(|group| group.problem)),
            advice: group.map(|group| {
                let advice = group.problem.advice();
                (
                    advice.meaning.to_owned(),
                    advice.recommended_action,
                    advice.runbook,
                )
            }),
            frame,
        };
        Ok(live(asked, &page))
    }

    async fn list_of_status(
        &self,
        asked: &Asked,
        operator: &Operator,
        board: Option<&Board>,
        now: Timestamp,
    ) -> Result<Answer, Failed> {
        let word = asked.query("status");
        let status = Status::ALL
            .into_iter()
            .find(|status| Some(status.as_str()) == word);
        if word.is_some() && status.is_none() {
            return Err(Failed::NotFound);
        }
        let (found, older) = self.by_status(status, asked.query("cursor"), board).await?;
        let filter =
            status.map_or_else(String::new, |status| format!("status={}&", status.as_str()));
        let heading = match status {
            Some(status) => format!("{} orders", capital(words::status(status))),
            None => "Orders".to_owned(),
        };
        let frame = Frame::of(self, asked, operator, board, now).titled(heading.clone());
        let page = ListPage {
            heading,
            total: None,
            list_name: "",
            board_id: "",
            rows: found.iter().map(|watch| Row::of(watch, now)).collect(),
            choices: choices(board, &status.map_or(Chosen::All, Chosen::Status)),
            newer_list: None,
            first: asked.query("cursor").map(|_| format!("orders?{filter}")),
            newer: None,
            older: older.map(|older| format!("orders?{filter}cursor={}", encoded(&older))),
            actions: actions(operator, None),
            advice: None,
            frame,
        };
        Ok(live(asked, &page))
    }

    /// Orders that were looked for.
    pub(crate) fn found(
        &self,
        asked: &Asked,
        operator: &Operator,
        found: &[Watch],
        heading: String,
        now: Timestamp,
    ) -> Answer {
        let frame = Frame::of(self, asked, operator, None, now).titled(heading.clone());
        let page = ListPage {
            heading,
            total: None,
            list_name: "",
            board_id: "",
            rows: found.iter().map(|watch| Row::of(watch, now)).collect(),
            choices: Vec::new(),
            newer_list: None,
            first: None,
            newer: None,
            older: None,
            actions: actions(operator, None),
            advice: None,
            frame,
        };
        crate::answer::page(StatusCode::OK, &page)
    }
}

/// The statuses to choose from; open ones with how many there are.
fn choices(board: Option<&Board>, chosen: &Chosen) -> Vec<Choice> {
    let mut choices = vec![Choice {
        word: "",
        told: "all",
        count: None,
        chosen: *chosen == Chosen::All,
    }];
    choices.extend(Status::ALL.into_iter().map(|status| {
        let open = board.and_then(|board| board.statuses.get(&status)).copied();
        Choice {
            word: status.as_str(),
            told: words::status(status),
            count: if status.is_final() {
                None
            } else {
                Some(open.unwrap_or(0))
            },
            chosen: *chosen == Chosen::Status(status),
        }
    }));
    choices
}

/// What can be done to many at once: the advised action first.
fn actions(operator: &Operator, problem: Option<Problem>) -> Vec<(&'static str, &'static str)> {
    if !operator.may_act {
        return Vec::new();
    }
    let advised = problem.and_then(|problem| problem.advice().action);
    let mut actions: Vec<Action> = Action::ALL.to_vec();
    actions.sort_by_key(|action| Some(*action) != advised);
    let named = actions
        .into_iter()
        .map(|action| (action.as_str(), words::verb(action)));
    named.collect()
}

/// With a capital and without underscores.
fn capital(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|first| first.to_ascii_uppercase());
    first
        .into_iter()
        .chain(letters)
        .collect::<String>()
        .replace('_', " ")
}

/// For a query.
pub(crate) fn encoded(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_reads_back_and_nonsense_is_none() {
        let open = cursor(Status::InReview, 3, "abc");
        assert_eq!(
            Cursor::read(&open),
            Some(Cursor {
                status: Status::InReview,
                part: Part::Open {
                    board: "abc",
                    page: 3
                }
            })
        );
        let closed = closed_cursor(Status::Completed, "17.ord-1");
        assert_eq!(
            Cursor::read(&closed),
            Some(Cursor {
                status: Status::Completed,
                part: Part::Closed(Some("17.ord-1"))
            })
        );
        for nonsense in [
            "",
            "x",
            "completed",
            "completed~closed",
            "completed~x~y",
            "gone~0~a",
        ] {
            assert_eq!(Cursor::read(nonsense), None, "{nonsense}");
        }
    }
}
