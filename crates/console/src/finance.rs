//! The page for whoever asks where the money is: what is held now, what moved on each day, and the orders behind
//! each number.
//!
//! However many orders there are, a page asks the database a handful of times: for the latest snapshot, for the
//! sums of at most 31 days, and for one page of movements.

use axum::http::StatusCode;
use axum::response::Response;
use domain::{Currency, Sums, Timestamp};
use operations::figures::{Day, Days, Figures, Ways, amounts};
use operations::filter::Invalid;
use operations::holds::Held;
use operations::movement::{self, Movement};
use operations::snapshot::{List, Snapshot};
use operations::trend::Flow;
use read_models::{Behind, PAGE, ReadModels};

use crate::answer::{page, problem_of};
use crate::csv::file;
use crate::filters::Input;
use crate::frame::Frame;
use crate::list::capital;
use crate::operator::Operator;
use crate::request::PageRequest;
use crate::view::{link, no_such_place};
use crate::words::{self, Moment};
use crate::{Console, Failed};

/// So many movements are read with one request for a file, and so many requests are made for it.
const AT_A_TIME: usize = 500;
const REQUESTS: usize = 10;

#[derive(askama::Template)]
#[template(path = "finance.html")]
struct Finance<'a> {
    frame: Frame<'a>,
    snapshot_id: &'a str,
    /// Not before the first snapshot.
    held: Option<Vec<String>>,
    held_tables: [HeldTable; 2],
    inputs: Vec<Input>,
    /// Which days, in words. Not if they are wrong.
    days: Option<Days>,
    rows: Vec<Row>,
    totals: Vec<(Currency, [String; 5])>,
    csv: String,
}

#[derive(Debug)]
struct HeldTable {
    id: &'static str,
    caption: &'static str,
    head: &'static str,
    rows: Vec<HeldRow>,
}

#[derive(Debug)]
struct HeldRow {
    text: String,
    currency: Currency,
    amount: String,
    orders: String,
    list: List,
}

/// What moved on a day in a currency.
#[derive(Debug)]
struct Row {
    day: Day,
    currency: Currency,
    cells: Vec<Cell>,
    net: String,
}

#[derive(Debug)]
struct Cell {
    head: String,
    amount: String,
    /// The movements behind it, and what they are. Not behind nothing.
    behind: Option<(String, String)>,
}

#[derive(askama::Template)]
#[template(path = "money.html")]
struct MoneyOfDay<'a> {
    frame: Frame<'a>,
    day: Day,
    heading: String,
    total: String,
    /// What moved, in words; the movements behind it; and whether these are they.
    choices: Vec<(String, String, bool)>,
    rows: Vec<MovementRow>,
    first: Option<String>,
    next: Option<String>,
    csv: String,
}

#[derive(Debug)]
struct MovementRow {
    order: String,
    attempt: u32,
    way: &'static str,
    amount: String,
    at: Moment,
}

impl Console {
    /// `GET /finance`.
    pub(crate) async fn finance(
        &self,
        request: &PageRequest,
        operator: &Operator,
        now: Timestamp,
    ) -> Result<Response, Failed> {
        let read = days_of(request, now);
        let (snapshot, figures) = tokio::join!(self.snapshot(now), async {
            match &read {
                Ok(days) => self.read_models.figures(*days).await,
                Err(_) => Ok(Figures::default()),
            }
        });
        let ((snapshot, _), figures) = (snapshot?, figures?);
        let snapshot = snapshot.as_ref();
        let (status, wrong) = match &read {
            Ok(_) => (StatusCode::OK, [].as_slice()),
            Err(wrong) => (StatusCode::BAD_REQUEST, wrong.as_slice()),
        };
        let totals = figures.totals().into_iter();
        let shown = Finance {
            frame: Frame::of(self, request, operator, snapshot, now)
                .titled("Finance")
                .still(),
            snapshot_id: snapshot.map_or("", |snapshot| snapshot.id.as_str()),
            held: snapshot.map(held),
            held_tables: held_tables(snapshot),
            inputs: inputs(request, read.as_ref().ok(), wrong),
            days: read.as_ref().ok().copied(),
            rows: figures.rows().map(row).collect(),
            totals: totals
                .map(|(currency, ways)| (currency, amounts(&ways, currency)))
                .collect(),
            csv: link("finance.csv", &pairs_of(read.as_ref().ok())),
        };
        Ok(page(status, &shown))
    }

    /// `GET /finance.csv`: the same days for a spreadsheet.
    pub(crate) async fn finance_csv(
        &self,
        request: &PageRequest,
        now: Timestamp,
    ) -> Result<Response, Failed> {
        let days = match days_of(request, now) {
            Ok(days) => days,
            Err(wrong) => return Ok(problem_of(&wrong)),
        };
        let figures = self.read_models.figures(days).await?;
        let name = format!("money-{}-{}.csv", days.from, days.to);
        Ok(file(&name, figures.csv(), None))
    }

    /// `GET /finance/<day>`: the movements behind a number.
    pub(crate) async fn money_of_day(
        &self,
        request: &PageRequest,
        operator: &Operator,
        day: Day,
        now: Timestamp,
    ) -> Result<Response, Failed> {
        let (behind, after) = asked(request).map_err(|wrong| Failed::Invalid(wrong.why))?;
        let read_models = &self.read_models;
        let (figures, found) = tokio::join!(
            read_models.figures(Days::only(day)),
            read_models.movements(day, behind, after, PAGE)
        );
        let (figures, (found, next)) = (figures?, found?);
        let heading = heading(day, behind);
        let pairs = pairs_behind(behind);
        let here = format!("finance/{day}");
        let csv = link(&format!("{here}/movements.csv"), &pairs);
        let next = next.map(|next| {
            let cursor = ("cursor", next);
            link(&here, &[pairs.as_slice(), &[cursor]].concat())
        });
        let shown = MoneyOfDay {
            frame: Frame::of(self, request, operator, None, now)
                .titled(heading.clone())
                .still(),
            day,
            heading,
            total: total(&figures, behind),
            choices: choices(&figures, day, behind),
            rows: found.iter().map(|one| movement_row(one, now)).collect(),
            first: after.map(|_| link(&here, &pairs)),
            next,
            csv,
        };
        Ok(page(StatusCode::OK, &shown))
    }

    /// `GET /finance/<day>/movements.csv`: the same for a spreadsheet, as many as are found by the requests of one
    /// file. What is left is at `Link: …; rel="next"`.
    pub(crate) async fn money_of_day_csv(
        &self,
        request: &PageRequest,
        day: Day,
    ) -> Result<Response, Failed> {
        let (behind, after) = match asked(request) {
            Ok(asked) => asked,
            Err(wrong) => return Ok(problem_of(&[wrong])),
        };
        let mut after = after.map(str::to_owned);
        let mut all: Vec<Movement> = Vec::new();
        for _ in 0..REQUESTS {
            let from = after.as_deref();
            let page = self.read_models.movements(day, behind, from, AT_A_TIME);
            let (found, next) = page.await?;
            all.extend(found);
            after = next;
            if after.is_none() {
                break;
            }
        }
        let next = after.map(|next| {
            let mut pairs = pairs_behind(behind);
            pairs.push(("cursor", next));
            link("movements.csv", &pairs)
        });
        let name = format!("movements-{day}.csv");
        Ok(file(&name, movement::csv(&all), next.as_deref()))
    }
}

// --- what is asked for ----------------------------------------------------------------------------

fn days_of(request: &PageRequest, now: Timestamp) -> Result<Days, Vec<Invalid>> {
    Days::read(request.query("from"), request.query("to"), Day::of(now))
}

fn pairs_of(days: Option<&Days>) -> Vec<(&'static str, String)> {
    days.map_or_else(Vec::new, |days| {
        vec![("from", days.from.to_string()), ("to", days.to.to_string())]
    })
}

/// Which movements somebody wants to see, and after which place.
fn asked(request: &PageRequest) -> Result<(Behind, Option<&str>), Invalid> {
    let invalid = |name: &str, why: String| Invalid {
        name: name.to_owned(),
        why,
    };
    let flow = match request.query("flow") {
        None => None,
        Some(word) => Some(Flow::from_word(word).ok_or_else(|| {
            let words: Vec<&str> = Flow::ALL.iter().map(|flow| flow.as_str()).collect();
            let why = format!("There is no such flow; there are {}.", words.join(", "));
            invalid("flow", why)
        })?),
    };
    let currency = match request.query("currency") {
        None => None,
        Some(_) if flow.is_none() => {
            let why = "A currency is looked for within a flow: give a flow as well.";
            return Err(invalid("flow", why.to_owned()));
        }
        Some(code) => {
            let currency = code.to_ascii_uppercase().parse();
            let why = |why| invalid("currency", format!("A currency {why}."));
            Some(currency.map_err(why)?)
        }
    };
    let behind = Behind { flow, currency };
    match request.query("cursor") {
        Some(place) if !ReadModels::is_place(behind, place) => Err(no_such_place()),
        place => Ok((behind, place)),
    }
}

fn pairs_behind(behind: Behind) -> Vec<(&'static str, String)> {
    let flow = behind.flow.map(|flow| ("flow", flow.to_string()));
    let currency = behind.currency.map(|code| ("currency", code.to_string()));
    flow.into_iter().chain(currency).collect()
}

fn link_behind(day: Day, behind: Behind) -> String {
    link(&format!("finance/{day}"), &pairs_behind(behind))
}

// --- what is shown --------------------------------------------------------------------------------

fn inputs(request: &PageRequest, days: Option<&Days>, wrong: &[Invalid]) -> Vec<Input> {
    let input = |name: &'static str, label, hint, day: Option<Day>| {
        let given = request.query(name).map(str::to_owned);
        let why = wrong.iter().filter(|invalid| invalid.name == name);
        Input {
            name,
            label,
            hint,
            value: given
                .or_else(|| day.map(|day| day.to_string()))
                .unwrap_or_default(),
            wrong: why.map(|invalid| invalid.why.clone()).collect(),
        }
    };
    vec![
        input(
            "from",
            "First day",
            "UTC, such as 2026-11-24",
            days.map(|days| days.from),
        ),
        input(
            "to",
            "Last day",
            "that day included",
            days.map(|days| days.to),
        ),
    ]
}

/// All that is held, by currency.
fn held(snapshot: &Snapshot) -> Vec<String> {
    let mut sums = Sums::default();
    for held in &snapshot.held_for {
        sums.add_minor(held.minor, held.currency);
    }
    sums.texts()
}

fn held_tables(snapshot: Option<&Snapshot>) -> [HeldTable; 2] {
    let held_for = snapshot.map_or([].as_slice(), |snapshot| &snapshot.held_for);
    let lapses = snapshot.map_or([].as_slice(), |snapshot| &snapshot.lapses);
    [
        HeldTable {
            id: "held-for",
            caption: "By age",
            head: "Held",
            rows: held_rows(held_for, words::held_for, List::HeldFor),
        },
        HeldTable {
            id: "lapses",
            caption: "By when the hold lapses",
            head: "Hold",
            rows: held_rows(lapses, words::lapses, List::Lapses),
        },
    ]
}

/// A row for each of these: its text, and the list behind it.
fn held_rows<By: Copy>(
    held: &[Held<By>],
    text: fn(By) -> &'static str,
    list: fn(By, Currency) -> List,
) -> Vec<HeldRow> {
    let row = |held: &Held<By>| HeldRow {
        text: capital(text(held.by)),
        currency: held.currency,
        amount: held.amount(),
        orders: words::orders(held.orders),
        list: list(held.by, held.currency),
    };
    held.iter().map(row).collect()
}

fn row((day, currency, ways): (Day, Currency, &Ways)) -> Row {
    let [authorized, captured, voided, refunded, net] = amounts(ways, currency);
    let amounts = [authorized, captured, voided, refunded];
    let cells = Flow::ALL.iter().zip(ways).zip(amounts);
    Row {
        day,
        currency,
        cells: cells
            .map(|((flow, sum), amount)| {
                let way = words::flow(*flow);
                let behind = Behind {
                    flow: Some(*flow),
                    currency: Some(currency),
                };
                let said = format!(
                    "{amount} {currency} {way} on {day}, {}",
                    movements(sum.movements)
                );
                Cell {
                    head: capital(way),
                    amount,
                    behind: (sum.movements > 0).then(|| (link_behind(day, behind), said)),
                }
            })
            .collect(),
        net,
    }
}

/// `1 movement`, `2 movements`.
fn movements(count: u64) -> String {
    match count {
        1 => "1 movement".to_owned(),
        count => format!("{count} movements"),
    }
}

fn heading(day: Day, behind: Behind) -> String {
    match (behind.flow, behind.currency) {
        (Some(flow), Some(currency)) => {
            format!("{currency} {} on {day}", words::flow(flow))
        }
        (Some(flow), None) => format!("{} on {day}", capital(words::flow(flow))),
        (None, _) => format!("Money on {day}"),
    }
}

fn total(figures: &Figures, behind: Behind) -> String {
    let (mut sums, mut count) = (Sums::default(), 0);
    for (_, currency, ways) in figures.rows() {
        for (flow, sum) in Flow::ALL.iter().zip(ways) {
            let of_flow = behind.flow.is_none_or(|wanted| wanted == *flow);
            if of_flow && behind.currency.is_none_or(|wanted| wanted == currency) {
                sums.add_minor(sum.minor, currency);
                count += sum.movements;
            }
        }
    }
    let count = movements(count);
    match behind.flow {
        // Of different ways there is no sum.
        Some(_) if sums.currencies().next().is_some() => {
            format!("{} in {count}", sums.texts().join(", "))
        }
        Some(_) | None => count,
    }
}

fn choices(figures: &Figures, day: Day, chosen: Behind) -> Vec<(String, String, bool)> {
    let all = Behind::default();
    let mut choices = vec![("all".to_owned(), link_behind(day, all), chosen == all)];
    for (_, currency, ways) in figures.rows() {
        let moved = Flow::ALL.iter().zip(ways).zip(amounts(ways, currency));
        for ((flow, sum), amount) in moved {
            let behind = Behind {
                flow: Some(*flow),
                currency: Some(currency),
            };
            if sum.movements > 0 {
                let text = format!("{} {amount} {currency}", words::flow(*flow));
                choices.push((text, link_behind(day, behind), chosen == behind));
            }
        }
    }
    choices
}

fn movement_row(movement: &Movement, now: Timestamp) -> MovementRow {
    MovementRow {
        order: movement.order_id.to_string(),
        attempt: movement.attempt,
        way: words::flow(movement.flow),
        amount: movement.amount.to_string(),
        at: Moment::of(movement.at, now),
    }
}
