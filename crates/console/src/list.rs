//! Lists of orders, a page at a time: those that a number of the snapshot counts, those of a status, and those
//! of a filter.

use axum::http::StatusCode;
use axum::response::Response;
use domain::{OrderId, Status, Timestamp};
use operations::advice::Action;
use operations::filter::Invalid;
use operations::snapshot::{List, Snapshot};
use operations::{Problem, Projection};
use read_models::PAGE;

use crate::answer::{live, see_other, soon};
use crate::filters::{Filters, Head, heads};
use crate::frame::Frame;
use crate::look::Looked;
use crate::operator::Operator;
use crate::request::PageRequest;
use crate::rows::Row;
use crate::view::{Plain, View, no_such_place};
use crate::words;
use crate::{Console, Failed};

/// A list that a number of a snapshot counts.
#[derive(Debug, Clone)]
pub(crate) struct Listed<'a> {
    /// Which.
    pub(crate) list: List,
    /// The snapshot's id.
    pub(crate) snapshot: &'a str,
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
    pub(crate) link: String,
    pub(crate) text: &'static str,
    pub(crate) count: Option<usize>,
    pub(crate) chosen: bool,
}

#[derive(askama::Template)]
#[template(path = "list.html")]
struct ListPage<'a> {
    frame: Frame<'a>,
    heading: String,
    total: Option<String>,
    list_name: String,
    snapshot_id: &'a str,
    heads: Vec<Head>,
    rows: Vec<Row>,
    /// What is said where there are none.
    nothing: &'static str,
    choices: Vec<Choice>,
    /// Not around what was searched.
    filters: Option<Filters>,
    /// Set where the rows are those of a snapshot that is not the latest.
    newer_list: Option<String>,
    first: Option<String>,
    older: Option<String>,
    /// What comes then.
    older_is: &'static str,
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
    Open { snapshot: &'a str, page: usize },
    Closed(Option<&'a str>),
}

impl<'a> Cursor<'a> {
    fn read(text: &'a str) -> Option<Self> {
        let mut parts = text.splitn(3, '~');
        let word = parts.next()?;
        let status = Status::from_word(word)?;
        let part = match (parts.next()?, parts.next()?) {
            ("closed", "") => Part::Closed(None),
            ("closed", after) => Part::Closed(Some(after)),
            (page, snapshot) => Part::Open {
                snapshot,
                page: page.parse().ok()?,
            },
        };
        Some(Self { status, part })
    }
}

fn cursor(status: Status, page: usize, snapshot: &str) -> String {
    format!("{}~{page}~{snapshot}", status.as_str())
}

fn closed_cursor(status: Status, after: &str) -> String {
    format!("{}~closed~{after}", status.as_str())
}

const NOTHING: &str = "No orders here.";
const NEXT_PAGE: &str = "Next page";

/// What there is to say of what was looked through.
fn notes(view: &View, looked: &Looked, now: Timestamp) -> Vec<String> {
    let mut notes = Vec::new();
    let sort = view.sort();
    if !view.filter.ends().is_empty() {
        let end = if sort.is_oldest_first() {
            "earliest"
        } else {
            "latest"
        };
        notes.push(format!(
            "Open orders come first, sorted among all of them. Then come those that are over, the \
             {end} end first, sorted only among those that are shown."
        ));
    }
    if let Some(reached) = looked.reached {
        let way = if sort.is_oldest_first() { "up" } else { "back" };
        notes.push(format!(
            "Looked through {} that {} over, {way} to {}.",
            words::orders(looked.over),
            if looked.over == 1 { "is" } else { "are" },
            words::Moment::of(reached, now).text,
        ));
    }
    if looked.more_open {
        notes.push(
            "There are more open orders than one page looks through; the lists of the home page \
             have all of them."
                .to_owned(),
        );
    }
    if looked.blanks > 0 {
        notes.push(format!(
            "Nothing is known yet of {} that came in just now or that another version wrote.",
            words::orders(looked.blanks)
        ));
    }
    if looked.unknown > 0 {
        notes.push(format!(
            "An earlier version did not note the articles of {}; they are not among these.",
            words::orders(looked.unknown)
        ));
    }
    notes
}

/// The words for a list of a snapshot.
fn heading(snapshot: Option<&Snapshot>, list: &List) -> String {
    match list {
        List::Open => "Open orders".to_owned(),
        List::NeedAPerson => "Needs a person".to_owned(),
        List::Reviews => "Waiting for a review".to_owned(),
        List::Status(status) => format!("{} orders", capital(words::status(*status))),
        List::Health(health) => capital(words::health(*health)),
        List::State(state) => format!("In {state}"),
        List::StateHealth(state, health) => {
            format!("{} in {state}", capital(words::health(*health)))
        }
        List::Retrying(state) => format!("Retrying in {state}"),
        List::HeldFor(held_for, currency) => {
            format!("{currency} held {}", words::held_for(*held_for))
        }
        List::Lapses(lapses, currency) => format!("{currency} held, {}", words::lapses(*lapses)),
        List::Cause(id) => {
            let group = snapshot.and_then(|snapshot| snapshot.group(id));
            let Some(group) = group else {
                return "Orders with one cause".to_owned();
            };
            let title = words::problem(group.cause.problem);
            match group.cause.state {
                Some(state) => format!("{title}, in {state}"),
                None => title,
            }
        }
    }
}

impl Console {
    /// A page of a list of a snapshot, and whether there is another one after it. `None` if the list is not kept
    /// (any more).
    pub(crate) async fn listed(
        &self,
        of: &Listed<'_>,
    ) -> Result<Option<(Vec<Projection>, bool)>, Failed> {
        let read_models = &self.read_models;
        let ids = read_models.listed(of.snapshot, &of.list, of.page).await?;
        let Some(ids) = ids else {
            return Ok(None);
        };
        // By what is on the list: a projection that another version wrote is left out, and hides no page.
        let more = ids.len() == PAGE;
        Ok(Some((read_models.projections(&ids).await?, more)))
    }

    /// All orders of a list of a snapshot, at most `limit`.
    pub(crate) async fn all_listed(
        &self,
        list: &List,
        snapshot: &str,
        limit: usize,
    ) -> Result<Vec<OrderId>, Failed> {
        let mut all = Vec::new();
        for page in 0..limit.div_ceil(PAGE) {
            match self.read_models.listed(snapshot, list, page).await? {
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
        snapshot: Option<&Snapshot>,
    ) -> Result<(Vec<Projection>, Option<String>), Failed> {
        let statuses: Vec<Status> = match wanted {
            Some(status) => vec![status],
            None => Status::ALL.to_vec(),
        };
        let latest = snapshot.map_or("", |snapshot| snapshot.id.as_str());
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
                Part::Open { snapshot, page } => {
                    let listed = Listed {
                        list: List::Status(status),
                        snapshot,
                        page,
                    };
                    let found = self.listed(&listed).await?;
                    let after = match &found {
                        Some((_, true)) => Some(cursor(status, page + 1, snapshot)),
                        _ if status.is_final() => Some(closed_cursor(status, "")),
                        _ => following.and_then(begin),
                    };
                    (found.unwrap_or_default().0, after)
                }
                Part::Closed(after) => {
                    let page = self.read_models.closed_orders(status, after, PAGE);
                    let page = page.await?;
                    let after = page.1.map(|after| closed_cursor(status, &after));
                    (page.0, after.or_else(|| following.and_then(begin)))
                }
            };
            // What has moved on since the snapshot is in another list by now.
            found.retain(|projection| projection.status == status);
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
        request: &PageRequest,
        operator: &Operator,
        now: Timestamp,
    ) -> Result<Response, Failed> {
        let view = match View::of(request) {
            Ok(view) => view,
            Err(wrong) => return Ok(self.refused(request, operator, &wrong, now)),
        };
        if request.pairs().iter().any(|(_, value)| value.is_empty()) {
            // What a form sends that nobody filled in is not worth an address.
            return Ok(see_other(&view.link()));
        }
        let (snapshot, coming) = self.snapshot(now).await?;
        let snapshot = snapshot.as_ref();
        let page = match view.plain() {
            Some(Plain::List(list)) => {
                self.list_of_snapshot(request, operator, snapshot, list, now)
                    .await?
            }
            Some(Plain::Status(status)) => {
                self.list_of_status(request, operator, snapshot, status, now)
                    .await?
            }
            None => {
                self.list_of_view(request, operator, snapshot, &view, now)
                    .await?
            }
        };
        Ok(if coming { soon(page) } else { page })
    }

    async fn list_of_snapshot(
        &self,
        request: &PageRequest,
        operator: &Operator,
        snapshot: Option<&Snapshot>,
        list: List,
        now: Timestamp,
    ) -> Result<Response, Failed> {
        let latest = snapshot
            .map(|snapshot| snapshot.id.as_str())
            .unwrap_or_default();
        let name = list.to_string();
        let of = Listed {
            list,
            snapshot: request.query("snapshot").unwrap_or(latest),
            page: request
                .query("page")
                .and_then(|page| page.parse().ok())
                .unwrap_or(0),
        };
        let is_latest = of.snapshot == latest;
        let found = self.listed(&of).await?;
        if found.is_none() && !is_latest {
            // Not kept any more: the same list of the latest snapshot.
            return Ok(see_other(&format!("orders?list={}", encoded(&name))));
        }
        let (found, more) = found.unwrap_or_default();
        let link = |page: usize| {
            format!(
                "orders?list={}&snapshot={}&page={page}",
                encoded(&name),
                encoded(of.snapshot)
            )
        };
        let group = match &of.list {
            List::Cause(id) => snapshot.and_then(|snapshot| snapshot.group(id)),
            _ => None,
        };
        let heading = heading(snapshot, &of.list);
        let frame = Frame::of(self, request, operator, snapshot, now).titled(heading.clone());
        let view = View::of_list(of.list.clone());
        let page = ListPage {
            heads: heads(Some(&view)),
            nothing: NOTHING,
            filters: Some(Filters::of(request, Some(&view), &[])),
            older_is: NEXT_PAGE,
            heading,
            total: snapshot
                .filter(|_| is_latest)
                .and_then(|snapshot| snapshot.count(&of.list))
                .map(words::orders),
            list_name: name.clone(),
            snapshot_id: of.snapshot,
            rows: found
                .iter()
                .map(|projection| Row::of(projection, now))
                .collect(),
            choices: choices(snapshot, &Chosen::List),
            newer_list: (!is_latest).then(|| format!("orders?list={}", encoded(&name))),
            first: (of.page > 1).then(|| link(0)),
            newer: (of.page > 0).then(|| link(of.page - 1)),
            older: more.then(|| link(of.page + 1)),
            actions: actions(operator, group.map(|group| group.cause.problem)),
            advice: group.map(|group| {
                let advice = group.cause.advice();
                (
                    advice.meaning.to_owned(),
                    advice.recommended_action,
                    advice.runbook,
                )
            }),
            frame,
        };
        Ok(live(request, &page))
    }

    async fn list_of_status(
        &self,
        request: &PageRequest,
        operator: &Operator,
        snapshot: Option<&Snapshot>,
        status: Option<Status>,
        now: Timestamp,
    ) -> Result<Response, Failed> {
        let (found, older) = self
            .by_status(status, request.query("cursor"), snapshot)
            .await?;
        let view = status.map(View::of_status).unwrap_or_default();
        let heading = match status {
            Some(status) => format!("{} orders", capital(words::status(status))),
            None => "Orders".to_owned(),
        };
        let frame = Frame::of(self, request, operator, snapshot, now).titled(heading.clone());
        let page = ListPage {
            heads: heads(Some(&view)),
            nothing: NOTHING,
            filters: Some(Filters::of(request, Some(&view), &[])),
            older_is: NEXT_PAGE,
            heading,
            total: None,
            list_name: String::new(),
            snapshot_id: "",
            rows: found
                .iter()
                .map(|projection| Row::of(projection, now))
                .collect(),
            choices: choices(snapshot, &status.map_or(Chosen::All, Chosen::Status)),
            newer_list: None,
            first: request.query("cursor").map(|_| view.link()),
            newer: None,
            older: older.map(|older| view.link_after(older)),
            actions: actions(operator, None),
            advice: None,
            frame,
        };
        Ok(live(request, &page))
    }

    /// What is found of a view by the requests of one page, and where to look further.
    async fn list_of_view(
        &self,
        request: &PageRequest,
        operator: &Operator,
        snapshot: Option<&Snapshot>,
        view: &View,
        now: Timestamp,
    ) -> Result<Response, Failed> {
        let from = request.query("cursor");
        let Some(looked) = self.look(view, from, PAGE, now).await? else {
            return Ok(self.refused(request, operator, &[no_such_place()], now));
        };
        let heading = match &view.filter.list {
            Some(list) => heading(snapshot, list),
            None => "Orders".to_owned(),
        };
        let mut frame = Frame::of(self, request, operator, snapshot, now).titled(heading.clone());
        let mut filters = Filters::of(request, Some(view), &[]);
        filters.notes = notes(view, &looked, now);
        // What costs much is not asked for again and again.
        if from.is_some() || !looked.is_cheap() {
            frame = frame.still();
            filters.notes.push(
                "This page does not follow by itself: load it again to see what has changed."
                    .to_owned(),
            );
        }
        let is_full = looked.found.len() >= PAGE;
        let page = ListPage {
            heads: heads(Some(view)),
            nothing: if looked.next.is_some() {
                "None among those that were looked through."
            } else {
                NOTHING
            },
            filters: Some(filters),
            older_is: if is_full { NEXT_PAGE } else { "Look further" },
            heading,
            total: None,
            list_name: String::new(),
            snapshot_id: "",
            rows: looked
                .found
                .iter()
                .map(|projection| Row::of(projection, now))
                .collect(),
            choices: choices(snapshot, &Chosen::List),
            newer_list: None,
            first: from.map(|_| view.link()),
            newer: None,
            older: looked.next.map(|next| view.link_after(next)),
            actions: actions(operator, None),
            advice: None,
            frame,
        };
        Ok(live(request, &page))
    }

    /// What is wrong with an address, next to its fields.
    fn refused(
        &self,
        request: &PageRequest,
        operator: &Operator,
        wrong: &[Invalid],
        now: Timestamp,
    ) -> Response {
        let frame = Frame::of(self, request, operator, None, now).titled("Orders");
        let page = ListPage {
            heading: "Orders".to_owned(),
            total: None,
            list_name: String::new(),
            snapshot_id: "",
            heads: Vec::new(),
            rows: Vec::new(),
            nothing: "Nothing was looked for: something in the filter is not right.",
            choices: choices(None, &Chosen::List),
            filters: Some(Filters::of(request, None, wrong)),
            newer_list: None,
            first: None,
            older: None,
            older_is: NEXT_PAGE,
            newer: None,
            actions: Vec::new(),
            advice: None,
            frame: frame.still(),
        };
        crate::answer::page(StatusCode::BAD_REQUEST, &page)
    }

    /// Orders that were looked for.
    pub(crate) fn found(
        &self,
        request: &PageRequest,
        operator: &Operator,
        found: &[Projection],
        heading: String,
        now: Timestamp,
    ) -> Response {
        let frame = Frame::of(self, request, operator, None, now).titled(heading.clone());
        let page = ListPage {
            heads: heads(None),
            nothing: NOTHING,
            filters: None,
            older_is: NEXT_PAGE,
            heading,
            total: None,
            list_name: String::new(),
            snapshot_id: "",
            rows: found
                .iter()
                .map(|projection| Row::of(projection, now))
                .collect(),
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
fn choices(snapshot: Option<&Snapshot>, chosen: &Chosen) -> Vec<Choice> {
    let mut choices = vec![Choice {
        link: View::default().link(),
        text: "all",
        count: None,
        chosen: *chosen == Chosen::All,
    }];
    choices.extend(Status::ALL.iter().copied().map(|status| {
        let open = snapshot
            .and_then(|snapshot| snapshot.statuses.get(&status))
            .copied();
        Choice {
            link: View::of_status(status).link(),
            text: words::status(status),
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

/// What can be done to many at once: the advised action first, or else none.
fn actions(operator: &Operator, problem: Option<Problem>) -> Vec<(&'static str, &'static str)> {
    if !operator.may_act {
        return Vec::new();
    }
    let advised = problem.and_then(|problem| problem.advice().action);
    let mut actions: Vec<Action> = Action::ALL.to_vec();
    actions.retain(|action| action.is_for_many());
    actions.sort_by_key(|action| Some(*action) != advised);
    let named = actions
        .into_iter()
        .map(|action| (action.as_str(), words::verb(action)));
    // Nothing is chosen by having forgotten to choose.
    let none = advised.is_none().then_some(("", "Choose an action…"));
    none.into_iter().chain(named).collect()
}

/// With a capital and without underscores.
pub(crate) fn capital(text: &str) -> String {
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
    fn no_action_is_chosen_but_the_advised_one() {
        let operator = Operator {
            name: "somebody".to_owned(),
            may_act: true,
            signs_out: false,
        };
        let first = |problem| actions(&operator, problem)[0].0;
        assert_eq!(first(None), "");
        let unfinished = Problem::Incident(operations::Incident::Unfinished);
        assert_eq!(first(Some(unfinished)), "redrive");
        let overdue = Problem::Incident(operations::Incident::Overdue);
        assert_eq!(first(Some(overdue)), "", "nothing is advised");
    }

    #[test]
    fn a_cursor_reads_back_and_nonsense_is_none() {
        let open = cursor(Status::InReview, 3, "abc");
        assert_eq!(
            Cursor::read(&open),
            Some(Cursor {
                status: Status::InReview,
                part: Part::Open {
                    snapshot: "abc",
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
