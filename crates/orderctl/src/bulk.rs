//! One action on many orders, as on the page: previewed and frozen under a digest, applied by that digest, and
//! then carried out by the monitor.

use std::fmt::Write as _;

use actions::{Attribution, BulkRefused, Reason};
use clap::Args;
use domain::{OrderId, Timestamp};
use operations::ProcessState;
use operations::advice::Action;
use operations::bulk::{Bulk, BulkState, Control, LARGEST, Outcome, OutcomeKind};

use crate::connection::{Connection, Failure};
use crate::exit::Exit;
use crate::groups::{self, count, distance};
use crate::table;

/// What its help ends with; a test reads each line as it is typed.
pub(crate) const EXAMPLES: &str = "Examples:
  orderctl bulk redrive --group 0123456789abcdef
  orderctl bulk --apply 0123456789abcdef --reason \"the carrier is back\"
  orderctl bulk --show 0123456789abcdef
  orderctl bulk --pause 0123456789abcdef
  orderctl bulk --resume 0123456789abcdef
  orderctl bulk --stop 0123456789abcdef --reason \"the carrier is away again\"";

#[derive(Args)]
pub(crate) struct Arguments {
    /// What is to be done to each of the orders, such as `redrive`.
    #[arg(value_parser = action, required_unless_present = "of_digest")]
    action: Option<Action>,
    #[arg(required_unless_present_any = ["group", "of_digest"])]
    orders: Vec<OrderId>,
    /// The orders of the group with this id, which `orderctl groups` lists.
    #[arg(long, value_name = "ID", conflicts_with = "orders")]
    group: Option<String>,
    #[command(flatten)]
    of_digest: OfDigest,
    /// Why it is applied or stopped, without personal data; it is kept on each order, or on the bulk.
    #[arg(
        long,
        requires = "why",
        conflicts_with_all = ["action", "orders", "group"]
    )]
    reason: Option<String>,
}

/// What is done with a bulk that there is.
#[derive(Args)]
#[group(id = "of_digest", multiple = false, conflicts_with_all = ["action", "orders", "group"])]
struct OfDigest {
    /// Lets happen what was previewed under this digest, and nothing else.
    #[arg(long, value_name = "DIGEST", requires = "reason", group = "why")]
    apply: Option<String>,
    /// Shows what was previewed under this digest, or how far it has come. The exit code says what became of its
    /// orders.
    #[arg(long, value_name = "DIGEST")]
    show: Option<String>,
    /// Begins no further order until it is resumed.
    #[arg(long, value_name = "DIGEST")]
    pause: Option<String>,
    /// Goes on after a pause.
    #[arg(long, value_name = "DIGEST")]
    resume: Option<String>,
    /// Begins no further order ever; those that were begun are followed to their end.
    #[arg(long, value_name = "DIGEST", requires = "reason", group = "why")]
    stop: Option<String>,
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
    let of = arguments.of_digest;
    if let Some(digest) = of.show {
        let bulk = connection.actions.bulk(&digest).await?;
        print!("{}", shown(&bulk, Timestamp::now()));
        return Ok(came_to(&bulk));
    }
    if let Some(digest) = of.pause {
        return control(connection, Control::Pause, &digest, None).await;
    }
    if let Some(digest) = of.resume {
        return control(connection, Control::Resume, &digest, None).await;
    }
    let reason = arguments.reason;
    if let Some(digest) = of.stop {
        return control(connection, Control::Stop, &digest, reason).await;
    }
    if let Some(digest) = of.apply {
        let reason = crate::reason(&reason.unwrap_or_default())?;
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

async fn control(
    connection: &Connection,
    control: Control,
    digest: &str,
    reason: Option<String>,
) -> Result<Exit, Failure> {
    let reason = reason.as_deref().map(crate::reason).transpose()?;
    let by = connection.caller().await?;
    control_as(connection, control, digest, &by, reason.as_ref()).await
}

async fn control_as(
    connection: &Connection,
    control: Control,
    digest: &str,
    by: &str,
    reason: Option<&Reason>,
) -> Result<Exit, Failure> {
    let (actions, at) = (&connection.actions, Timestamp::now());
    let bulk = match (control, reason) {
        (Control::Pause, _) => actions.pause(digest, by, at).await?,
        (Control::Resume, _) => actions.resume(digest, by, at).await?,
        (Control::Stop, Some(reason)) => {
            let who = Attribution { by, reason, at };
            actions.stop(digest, who).await?
        }
        (Control::Stop, None) => return Err(Failure::wrong("say why it is stopped")),
    };
    print!("{}", shown(&bulk, at));
    Ok(Exit::Well)
}

/// What became of its orders. One that was not let happen yet is all well.
fn came_to(bulk: &Bulk) -> Exit {
    let has = |kind| bulk.count(kind) > 0;
    let is_left = match bulk.state() {
        BulkState::Previewed => return Exit::Well,
        BulkState::Stopped => has(OutcomeKind::Waiting),
        BulkState::Running | BulkState::Paused | BulkState::Done => false,
    };
    let failed = has(OutcomeKind::FailedAgain) || has(OutcomeKind::Refused) || is_left;
    let paused = bulk.state() == BulkState::Paused;
    let codes = [
        (failed, Exit::NotCompleted),
        (paused, Exit::NeedsAPerson),
        (bulk.is_at_work() && !paused, Exit::UnderWay),
    ];
    let codes = codes
        .into_iter()
        .filter_map(|(is_so, exit)| is_so.then_some(exit));
    codes.max().unwrap_or(Exit::Well)
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
    let mut text = format!("{}: {}\n", named(bulk), bulk.state());
    let (at, by, reason) = (applied.at, &applied.by, &applied.reason);
    let ago = distance(at, now);
    let _ = writeln!(text, "begun {at:.0} ({ago}) by {by}: “{reason}”");
    for did in &bulk.controlled {
        let (control, by, ago) = (done(did.control), &did.by, distance(did.at, now));
        let _ = writeln!(text, "{control} {:.0} ({ago}) by {by}", did.at);
    }
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

const fn done(control: Control) -> &'static str {
    match control {
        Control::Pause => "paused",
        Control::Resume => "resumed",
        Control::Stop => "stopped",
    }
}

fn words(kind: OutcomeKind) -> String {
    kind.as_str().replace('_', " ")
}

#[cfg(test)]
mod tests;
