//! One action on many orders, as on the page: previewed and frozen under a digest, applied by that digest, and
//! then carried out by the monitor.

use std::fmt::Write as _;

use actions::{Attribution, BulkRefused};
use clap::Args;
use domain::{OrderId, Timestamp};
use operations::ProcessState;
use operations::advice::Action;
use operations::bulk::{Bulk, LARGEST, Outcome, OutcomeKind};

use crate::connection::{Connection, Failure};
use crate::exit::Exit;
use crate::groups::{self, count, distance};
use crate::table;

#[derive(Args)]
pub(crate) struct Arguments {
    /// What is to be done to each of the orders, such as `redrive`.
    #[arg(value_parser = action, required_unless_present_any = ["apply", "show"])]
    action: Option<Action>,
    #[arg(required_unless_present_any = ["group", "apply", "show"])]
    orders: Vec<OrderId>,
    /// The orders of the group with this id, which `orderctl groups` lists.
    #[arg(long, value_name = "ID", conflicts_with_all = ["orders", "apply", "show"])]
    group: Option<String>,
    /// Lets happen what was previewed under this digest, and nothing else.
    #[arg(
        long,
        value_name = "DIGEST",
        requires = "reason",
        conflicts_with_all = ["action", "orders", "show"]
    )]
    apply: Option<String>,
    /// Why, without personal data; it is kept on each order.
    #[arg(
        long,
        requires = "apply",
        conflicts_with_all = ["action", "orders", "group", "show"]
    )]
    reason: Option<String>,
    /// Shows what was previewed under this digest, or how far it has come.
    #[arg(long, value_name = "DIGEST", conflicts_with_all = ["action", "orders"])]
    show: Option<String>,
}

fn action(word: &str) -> Result<Action, String> {
    Action::from_word(word).ok_or_else(|| {
        let known = Action::ALL.iter().map(|known| known.as_str());
        let known = known.collect::<Vec<_>>().join(", ");
        format!("there are {known}")
    })
}

impl From<BulkRefused> for Failure {
    fn from(refused: BulkRefused) -> Self {
        let exit = match refused {
            BulkRefused::NotFound(_) => Exit::NotFound,
            BulkRefused::NotPossible(_) => Exit::NotPossible,
            BulkRefused::Unavailable(_) => Exit::NoAnswer,
        };
        Self::new(exit, refused.to_string())
    }
}

pub(crate) async fn run(connection: &Connection, arguments: Arguments) -> Result<Exit, Failure> {
    if let Some(digest) = arguments.show {
        let bulk = connection.actions.bulk(&digest).await?;
        print!("{}", shown(&bulk, Timestamp::now()));
        return Ok(Exit::Well);
    }
    if let Some(digest) = arguments.apply {
        let reason = crate::reason(&arguments.reason.unwrap_or_default())?;
        let by = connection.caller().await?;
        let who = Attribution {
            by: &by,
            reason: &reason,
            at: Timestamp::now(),
        };
        return apply(connection, &digest, who).await;
    }
    let orders = match arguments.group {
        Some(group) => of_group(connection, &group).await?,
        None => arguments.orders,
    };
    let action = arguments.action;
    let action = action.ok_or_else(|| Failure::wrong("say what is to be done"))?;
    let now = Timestamp::now();
    let bulk = connection.actions.preview(action, orders, now).await?;
    print!("{}", previewed(&bulk));
    Ok(if bulk.parts.is_empty() {
        Exit::NotPossible
    } else {
        Exit::Well
    })
}

/// As many of its orders as one bulk can have.
async fn of_group(connection: &Connection, id: &str) -> Result<Vec<OrderId>, Failure> {
    let snapshot = groups::latest(connection).await?;
    let group = groups::group(&snapshot, id)?;
    if group.count > LARGEST {
        let all = group.count;
        eprintln!("warning: of {all} orders these are the first {LARGEST}, the most at once");
    }
    groups::orders(connection, &snapshot, group, LARGEST).await
}

async fn apply(
    connection: &Connection,
    digest: &str,
    who: Attribution<'_>,
) -> Result<Exit, Failure> {
    let bulk = connection.actions.apply(digest, who).await?;
    match &bulk.applied {
        Some(applied) if applied.at == who.at => println!(
            "{} is applied, one order first. The monitor begins within a minute; to see how far \
             it is:\n  orderctl bulk --show {digest}",
            named(&bulk)
        ),
        // Twice is once.
        Some(_) | None => print!("Applied before.\n{}", shown(&bulk, who.at)),
    }
    Ok(Exit::Well)
}

/// `Redrive 5 orders`.
fn named(bulk: &Bulk) -> String {
    let mut letters = bulk.action.as_str().chars();
    let first = letters.next().map(|first| first.to_ascii_uppercase());
    let verb: String = first.into_iter().chain(letters).collect();
    format!("{verb} {}", count(bulk.parts.len()))
}

/// What will be done to which orders, which are left out and why, and the digest of just this.
fn previewed(bulk: &Bulk) -> String {
    let mut text = format!("{}?\n{}\n", named(bulk), bulk.action.consequence());
    if bulk.parts.is_empty() {
        text += "It is possible for none of them.\n";
    } else {
        text += "One order goes first. Once it is past the state that it stands in, ten more \
                 follow, then the rest. As soon as one fails again, no further order is \
                 touched.\n\n";
        let mut rows = vec![["ORDER", "TO GET PAST", "ATTEMPT", "AMOUNT"].map(str::to_owned)];
        rows.extend(bulk.parts.iter().map(|part| {
            [
                part.order_id.to_string(),
                part.state.map_or("-", ProcessState::as_str).to_owned(),
                part.attempt.to_string(),
                part.total.to_string(),
            ]
        }));
        text += &table::aligned(&rows);
    }
    if !bulk.skipped.is_empty() {
        let _ = writeln!(text, "\n{} left out:", count(bulk.skipped.len()));
        let rows = bulk.skipped.iter();
        let rows: Vec<[String; 2]> = rows
            .map(|skipped| [skipped.order_id.to_string(), skipped.why.clone()])
            .collect();
        text += &table::aligned(&rows);
    }
    if !bulk.parts.is_empty() {
        let (worth, digest) = (bulk.worth().texts().join(", "), &bulk.digest);
        let _ = write!(
            text,
            "\nworth    {worth}\ndigest   {digest}, for an hour; whatever has changed by then is \
             left alone\napply    orderctl bulk --apply {digest} --reason \"…\"\n"
        );
    }
    text
}

/// How far it has come.
fn shown(bulk: &Bulk, now: Timestamp) -> String {
    let Some(applied) = &bulk.applied else {
        return previewed(bulk);
    };
    let state = match (&bulk.stopped, bulk.ended_at) {
        (Some(_), _) => "stopped",
        (None, Some(_)) => "done",
        (None, None) => "running",
    };
    let mut text = format!("{}: {state}\n", named(bulk));
    let (at, by, reason) = (applied.at, &applied.by, &applied.reason);
    let ago = distance(at, now);
    let _ = writeln!(text, "begun {at:.0} ({ago}) by {by}: “{reason}”");
    if let Some(why) = &bulk.stopped {
        let untouched = count(bulk.count(OutcomeKind::Waiting));
        let _ = writeln!(text, "stopped, for {why}; not touched: {untouched}");
    }
    let counts = OutcomeKind::ALL.iter().filter_map(|kind| {
        let found = bulk.count(*kind);
        (found > 0).then(|| format!("{} {found}", words(*kind)))
    });
    let _ = writeln!(text, "{}\n", counts.collect::<Vec<_>>().join(" · "));
    let heading = [
        "ORDER",
        "TO GET PAST",
        "ATTEMPT",
        "AMOUNT",
        "OUTCOME",
        "REQUESTED",
        "WHY",
    ];
    let mut rows = vec![heading.map(str::to_owned)];
    rows.extend(bulk.parts.iter().map(|part| {
        let requested = part.requested_at.map(|at| distance(at, now));
        let why = match &part.outcome {
            Outcome::Refused(why) => why.clone(),
            Outcome::Waiting
            | Outcome::Requested
            | Outcome::Running
            | Outcome::Recovered
            | Outcome::FailedAgain => String::new(),
        };
        [
            part.order_id.to_string(),
            part.state.map_or("-", ProcessState::as_str).to_owned(),
            part.attempt.to_string(),
            part.total.to_string(),
            words(part.outcome.kind()),
            requested.unwrap_or_else(|| "-".to_owned()),
            why,
        ]
    }));
    text += &table::aligned(&rows);
    text
}

fn words(kind: OutcomeKind) -> String {
    kind.as_str().replace('_', " ")
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::shop::{Shop, id};

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        bulk: Arguments,
    }

    fn line(text: &str) -> Option<Arguments> {
        let words = std::iter::once("bulk").chain(text.split(' '));
        Line::try_parse_from(words).ok().map(|line| line.bulk)
    }

    async fn apply_as(shop: &Shop, by: &str, digest: &str) -> Result<Exit, Failure> {
        let reason = "a test".parse().expect("a reason");
        let who = Attribution {
            by,
            reason: &reason,
            at: Timestamp::now(),
        };
        apply(&shop.connection, digest, who).await
    }

    #[test]
    fn it_previews_or_applies_or_shows() {
        let preview = line("redrive ord-1 ord-2").expect("a preview");
        assert_eq!(preview.action, Some(Action::Redrive));
        assert_eq!(preview.orders, [id("ord-1"), id("ord-2")]);
        for fine in [
            "redrive --group abc",
            "--apply abc --reason why",
            "--show abc",
        ] {
            assert!(line(fine).is_some(), "{fine}");
        }
        for wrong in [
            "redrive",
            "fly ord-1",
            "--apply abc",
            "--reason why --show abc",
            "redrive ord-1 --group abc",
            "redrive ord-1 --apply abc --reason why",
            "redrive ord-1 --reason why",
            "--apply abc --reason why --show abc",
        ] {
            assert!(line(wrong).is_none(), "{wrong}");
        }
    }

    #[tokio::test]
    async fn what_is_previewed_is_applied_once_and_seen_on_its_way() {
        let shop = Shop::open().await;
        let orders = vec![shop.validated("ord-1", "RUNNING").await, id("ord-9")];
        let (connection, now) = (&shop.connection, Timestamp::now());
        let bulk = connection
            .actions
            .preview(Action::Cancel, orders, now)
            .await;
        let bulk = bulk.expect("a preview");
        let (text, digest) = (previewed(&bulk), &bulk.digest);
        for part in [
            "Cancel 1 order?\n",
            Action::Cancel.consequence(),
            "ord-1  ChargePayment  1        30.98 USD\n",
            "\n1 order left out:\nord-9  there is no such order\n",
            "\nworth    30.98 USD\n",
            &format!("\napply    orderctl bulk --apply {digest} --reason \"…\"\n"),
        ] {
            assert!(text.contains(part), "{part}\nis not in\n{text}");
        }
        assert_eq!(shown(&bulk, now), text);
        for by in ["somebody", "somebody else"] {
            let applied = apply_as(&shop, by, digest).await;
            assert_eq!(applied.expect("applied"), Exit::Well);
        }
        let applied = connection.actions.bulk(digest).await.expect("the bulk");
        let text = shown(&applied, Timestamp::now());
        for part in [
            "Cancel 1 order: running\n",
            " by somebody: “a test”\n",
            "\nwaiting 1\n",
            "ord-1  ChargePayment  1        30.98 USD  waiting  -\n",
        ] {
            assert!(text.contains(part), "{part}\nis not in\n{text}");
        }
    }

    #[tokio::test]
    async fn what_is_possible_for_none_or_not_there_is_told_by_the_code() {
        let shop = Shop::open().await;
        shop.validated("ord-1", "RUNNING").await;
        let run = async |text: &str| {
            let arguments = line(text).expect("a command line");
            let done = super::run(&shop.connection, arguments).await;
            done.unwrap_or_else(|failure| failure.exit)
        };
        assert_eq!(run("cancel ord-1").await, Exit::Well);
        assert_eq!(run("reprocess ord-1").await, Exit::NotPossible);
        assert_eq!(run("--show 0123456789abcdef").await, Exit::NotFound);
        assert_eq!(
            run("cancel --group abc").await,
            Exit::NoAnswer,
            "no snapshot"
        );
        let gone = apply_as(&shop, "somebody", "0123456789abcdef").await;
        assert_eq!(gone.expect_err("no bulk").exit, Exit::NotFound);
        shop.step_functions.throttles("DescribeExecution", true);
        assert_eq!(run("cancel ord-1").await, Exit::NoAnswer);
    }
}
