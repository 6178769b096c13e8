//! What needs a person, grouped by its cause, as the page's home has it: of the monitor's latest snapshot.

use std::fmt::Write as _;

use domain::{OrderId, Timestamp};
use operations::snapshot::{Group, List, Snapshot};
use operations::{Problem, Projection};
use read_models::PAGE;

use crate::connection::{Connection, Failure};
use crate::exit::Exit;
use crate::table;

/// The monitor takes one each minute: one that is older than this says that it does not.
const STALE_S: i64 = 180;

/// Prints all groups.
pub(crate) async fn print(connection: &Connection) -> Result<Exit, Failure> {
    let snapshot = latest(connection).await?;
    let now = Timestamp::now();
    print!("{}", listing(&snapshot, now));
    warn_of_age(&snapshot, now);
    Ok(Exit::Well)
}

/// Prints the orders of a group.
pub(crate) async fn print_orders(connection: &Connection, id: &str) -> Result<Exit, Failure> {
    let snapshot = latest(connection).await?;
    let group = group(&snapshot, id)?;
    let mut found = Vec::new();
    for page in orders(connection, &snapshot, group, usize::MAX)
        .await?
        .chunks(PAGE)
    {
        found.extend(connection.read_models.projections(page).await?);
    }
    let now = Timestamp::now();
    print!("{}", table_of(&snapshot, group, &found, now));
    warn_of_age(&snapshot, now);
    Ok(Exit::Well)
}

pub(crate) async fn latest(connection: &Connection) -> Result<Snapshot, Failure> {
    let snapshot = connection.read_models.snapshot().await?;
    snapshot.ok_or_else(|| {
        Failure::no_answer("the monitor has taken no snapshot yet; it does within a minute")
    })
}

pub(crate) fn group<'a>(snapshot: &'a Snapshot, id: &str) -> Result<&'a Group, Failure> {
    snapshot.group(id).ok_or_else(|| {
        let text =
            format!("there is no group {id} now; `orderctl groups` lists those that there are");
        Failure::new(Exit::NotFound, text)
    })
}

/// The orders of a group, at most so many, the longest first.
pub(crate) async fn orders(
    connection: &Connection,
    snapshot: &Snapshot,
    group: &Group,
    most: usize,
) -> Result<Vec<OrderId>, Failure> {
    let list = List::Cause(group.cause.id());
    let most = most.min(group.count);
    let mut orders = Vec::with_capacity(most);
    for page in 0..most.div_ceil(PAGE) {
        let found = connection
            .read_models
            .listed(&snapshot.id, &list, page)
            .await?;
        orders.extend(found.ok_or_else(|| {
            Failure::no_answer("the group's list is not kept any more; the next snapshot has it")
        })?);
    }
    orders.truncate(most);
    Ok(orders)
}

fn listing(snapshot: &Snapshot, now: Timestamp) -> String {
    let mut text = as_of(snapshot, now);
    let groups = &snapshot.groups;
    let of = |wanted: fn(&Group) -> bool| {
        let groups = groups.iter().filter(move |group| wanted(group));
        groups.collect::<Vec<_>>()
    };
    let happening = of(Group::is_happening);
    if !happening.is_empty() {
        text += "Happening now: tasks that fail and are tried again by themselves.\n";
    }
    for group in &happening {
        text += &shown(group, now);
    }
    if !happening.is_empty() {
        text += "\n";
    }
    let needs =
        of(|group| !group.is_happening() && matches!(group.cause.problem, Problem::Incident(_)));
    let _ = writeln!(text, "{}.", headline(snapshot, needs.len()));
    for group in needs {
        text += &shown(group, now);
    }
    let reversed = of(|group| matches!(group.cause.problem, Problem::Reversed(_)));
    if !reversed.is_empty() {
        text += "\nFailed and reversed in the last 7 days; everything was given back";
        text += if snapshot.more_reversed {
            "; the latest 1000 orders.\n"
        } else {
            ".\n"
        };
    }
    for group in reversed {
        text += &shown(group, now);
    }
    text
}

fn headline(snapshot: &Snapshot, causes: usize) -> String {
    let need = match snapshot.need_a_person {
        0 => "No order needs a person".to_owned(),
        1 => "1 order needs a person".to_owned(),
        count => format!("{count} orders need a person"),
    };
    let causes = match causes {
        0 => String::new(),
        1 => ", for 1 cause".to_owned(),
        count => format!(", for {count} causes"),
    };
    let reviews = match snapshot.count(&List::Reviews).unwrap_or(0) {
        0 => String::new(),
        1 => "; besides, 1 review waits".to_owned(),
        count => format!("; besides, {count} reviews wait"),
    };
    format!("{need}{causes}{reviews}")
}

/// A group in a few lines, the first of which begins with its id.
fn shown(group: &Group, now: Timestamp) -> String {
    let (cause, advice) = (&group.cause, group.cause.advice());
    let id = cause.id();
    let mut text = format!("\n{id}  {}\n", told(group));
    let mut line = |name: &str, value: &str| {
        let _ = writeln!(text, "  {name:<12} {value}");
    };
    let money = |sums: Vec<String>| match sums.as_slice() {
        [] => "none".to_owned(),
        sums => sums.join(", "),
    };
    line("orders", &group.count.to_string());
    match cause.problem {
        Problem::Incident(_) => line("money held", &money(group.held.texts())),
        Problem::Reversed(_) => line("worth", &money(group.worth.texts())),
    }
    let moment = |at: Timestamp| format!("{at:.0} ({})", distance(at, now));
    line("since", &moment(group.first_seen));
    if group.last_seen != group.first_seen {
        line("last joined", &moment(group.last_seen));
    }
    if let Some(deadline) = group.deadline {
        let name = if group.is_happening() {
            "given up"
        } else {
            "deadline"
        };
        line(name, &moment(deadline));
    }
    if let Some(message) = group.message() {
        line("message", message);
    }
    line("what to do", advice.recommended_action);
    line("runbook", advice.runbook);
    line("orders", &format!("orderctl orders --group {id}"));
    text
}

/// What it is, in a line.
fn told(group: &Group) -> String {
    match group.cause.problem {
        Problem::Incident(_) => group.cause.to_string(),
        Problem::Reversed(error) => match group.cause.state {
            Some(state) => format!("reversed in {state}, with {error}"),
            None => format!("reversed with {error}"),
        },
    }
}

fn table_of(snapshot: &Snapshot, group: &Group, found: &[Projection], now: Timestamp) -> String {
    let mut text = as_of(snapshot, now);
    let _ = writeln!(text, "{}: {}", told(group), count(group.count));
    text += &match group.cause.problem {
        Problem::Incident(_) => table::of_open(found, now),
        Problem::Reversed(_) => table::of_reversed(found, now),
    };
    text
}

pub(crate) fn count(orders: usize) -> String {
    match orders {
        1 => "1 order".to_owned(),
        count => format!("{count} orders"),
    }
}

fn as_of(snapshot: &Snapshot, now: Timestamp) -> String {
    let at = snapshot.at;
    format!("As of {at:.0}, {}.\n", distance(at, now))
}

fn warn_of_age(snapshot: &Snapshot, now: Timestamp) {
    if is_stale(snapshot, now) {
        eprintln!(
            "warning: the monitor takes a snapshot each minute, and this one is from {}; see \
             MonitorSilent in docs/RUNBOOK.md",
            distance(snapshot.at, now)
        );
    }
}

fn is_stale(snapshot: &Snapshot, now: Timestamp) -> bool {
    now.duration_since(snapshot.at).as_secs() > STALE_S
}

/// `3 min ago`, `in 2 h`.
pub(crate) fn distance(at: Timestamp, now: Timestamp) -> String {
    let ago_s = now.duration_since(at).as_secs();
    let s = ago_s.unsigned_abs();
    let span = match s {
        0..120 => format!("{s} s"),
        120..7200 => format!("{} min", s / 60),
        7200..172_800 => format!("{} h", s / 3600),
        _ => format!("{} d", s / 86_400),
    };
    if ago_s < 0 {
        format!("in {span}")
    } else {
        format!("{span} ago")
    }
}

#[cfg(test)]
mod tests {
    use domain::{ErrorName, OrderState, Status};
    use operations::snapshot::take;
    use operations::{Incident, ProcessState};

    use super::*;
    use crate::shop::Shop;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    fn projection(number: u32, now: Timestamp) -> Projection {
        let document = ::tests::document(&format!("ord-{number}"));
        let order = ::tests::submission(&document).order;
        Projection::received(&OrderState::received(&order, now))
    }

    fn unfinished(number: u32, now: Timestamp) -> Projection {
        let mut projection = projection(number, now);
        projection.state = Some(ProcessState::CancelShipment);
        projection.last_error = Some(ErrorName::CarrierUnavailable.into());
        projection.last_reason = Some("the carrier answers with an error".to_owned());
        projection.held = projection.total;
        projection.incidents.insert(Incident::Unfinished, now);
        projection
    }

    fn reversed(number: u32, now: Timestamp) -> Projection {
        let mut projection = projection(number, now);
        projection.status = Status::Failed;
        projection.state = None;
        projection.error = Some(ErrorName::PaymentUnavailable);
        projection.failed_in = Some(ProcessState::ChargePayment);
        projection.due_at = None;
        projection
    }

    #[test]
    fn a_group_is_told_with_money_times_and_what_to_do() {
        let began = at("2026-11-24T10:00:00Z");
        let mut open = [
            unfinished(1, began),
            unfinished(2, at("2026-11-24T10:05:00Z")),
        ];
        open[1].deadline = Some(at("2026-11-24T14:06:00Z"));
        let gone = reversed(3, began);
        let taken = at("2026-11-24T10:06:00Z");
        let (snapshot, _) = take(&open, &[gone], false, taken);
        let now = at("2026-11-24T10:06:30Z");
        let listing = listing(&snapshot, now);
        let id = snapshot.groups[0].cause.id();
        for line in [
            "As of 2026-11-24T10:06:00Z, 30 s ago.\n",
            "2 orders need a person, for 1 cause.\n",
            &format!("\n{id}  unfinished in CancelShipment, with CarrierUnavailable\n"),
            "  orders       2\n",
            "  money held   61.96 USD\n",
            "  since        2026-11-24T10:00:00Z (6 min ago)\n",
            "  last joined  2026-11-24T10:05:00Z (90 s ago)\n",
            "  deadline     2026-11-24T14:06:00Z (in 3 h)\n",
            "  message      the carrier answers with an error\n",
            &format!("  what to do   {}\n", domain::NEEDS_ATTENTION),
            &format!("  orders       orderctl orders --group {id}\n"),
            "\nFailed and reversed in the last 7 days; everything was given back.\n",
            "reversed in ChargePayment, with PaymentUnavailable\n",
            "  worth        30.98 USD\n",
        ] {
            assert!(listing.contains(line), "{line}\nis not in\n{listing}");
        }
        let none = take(&[], &[], false, taken).0;
        let nothing = super::listing(&none, now);
        assert!(nothing.ends_with("No order needs a person.\n"), "{nothing}");
        assert!(!is_stale(&none, now));
        assert!(is_stale(&none, at("2026-11-24T10:10:00Z")));
    }

    #[tokio::test]
    async fn a_groups_orders_are_those_of_the_snapshots_list_whatever_their_number() {
        let shop = Shop::open().await;
        assert_eq!(
            print(&shop.connection).await.expect_err("none").exit,
            Exit::NoAnswer
        );
        let now = Timestamp::now();
        let open: Vec<Projection> = (0..120).map(|number| unfinished(number, now)).collect();
        let gone = [reversed(500, now)];
        for projection in open.iter().chain(&gone) {
            let kept = shop.database.read_models.put_projection(projection).await;
            assert_eq!(kept, Ok(true));
        }
        let (snapshot, lists) = take(&open, &gone, false, now);
        let kept = shop
            .database
            .read_models
            .put_snapshot(&snapshot, &lists)
            .await;
        kept.expect("kept");
        let connection = &shop.connection;
        assert_eq!(print(connection).await.expect("groups"), Exit::Well);
        let [needs, reversed] = snapshot.groups.as_slice() else {
            panic!("{:?}", snapshot.groups);
        };
        let found = orders(connection, &snapshot, needs, usize::MAX).await;
        assert_eq!(found.expect("orders").len(), 120);
        let found = orders(connection, &snapshot, needs, 7).await;
        assert_eq!(found.expect("orders").len(), 7);
        for group in [needs, reversed] {
            let printed = print_orders(connection, &group.cause.id()).await;
            assert_eq!(printed.expect("a table"), Exit::Well);
        }
        let unknown = print_orders(connection, "0123456789abcdef").await;
        assert_eq!(unknown.expect_err("no group").exit, Exit::NotFound);
        let table = table_of(&snapshot, reversed, &gone, now);
        let row = table.lines().last().expect("a row");
        for part in [
            "ord-500",
            "failed",
            "30.98 USD",
            "ChargePayment",
            "PaymentUnavailable",
        ] {
            assert!(row.contains(part), "{part} is not in\n{table}");
        }
    }
}
