#![doc = include_str!("../README.md")]

mod bulk;
mod connection;
mod exit;
mod follow;
mod groups;
mod money;
mod orphans;
mod restart;
mod settle;
#[cfg(test)]
mod shop;
mod table;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use actions::{Attribution, InvalidReason, Reason};
use clap::{Parser, Subcommand};
use domain::{OrderId, StatusView, Timestamp};
use operations::Incident;
use operations::advice::Action;
use store::Article;

use crate::connection::{Connection, Failure};
use crate::exit::Exit;

/// Orders from the command line.
#[derive(Parser)]
#[command(version, after_help = exit::help())]
struct Arguments {
    /// Where the shop is: a file like the one that `make up` writes.
    #[arg(
        long,
        global = true,
        env = "ORDERS_ENDPOINTS",
        default_value = "target/local/endpoints.json"
    )]
    endpoints: PathBuf,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Sends order documents, and tells what became of each.
    Submit {
        /// One JSON document a file.
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
    /// Shows where an order stands, and its timeline.
    Status { order: OrderId },
    /// Follows orders until each has ended or waits for a person, then prints a table.
    Watch {
        #[arg(required = true)]
        orders: Vec<OrderId>,
        /// Give up after so many seconds.
        #[arg(long, default_value_t = 300)]
        timeout: u64,
    },
    /// Prints the table of these orders as they are now.
    Table {
        #[arg(required = true)]
        orders: Vec<OrderId>,
    },
    /// Lets an order that waits for a review go on.
    Approve {
        order: OrderId,
        /// Why, without personal data; it is kept on the order.
        #[arg(long)]
        reason: String,
    },
    /// Ends an order that waits for a review.
    Reject {
        order: OrderId,
        /// Why, without personal data; it is kept on the order.
        #[arg(long)]
        reason: String,
    },
    /// Asks for an order to be cancelled.
    Cancel {
        order: OrderId,
        /// Why, without personal data; it is kept on the order.
        #[arg(long)]
        reason: String,
    },
    /// Lets an execution that ended too early go on where it stopped.
    Redrive {
        order: OrderId,
        /// Why, without personal data; it is kept on the order.
        #[arg(long)]
        reason: String,
    },
    /// Begins a new attempt that goes on with what the last one did.
    Restart(restart::Arguments),
    /// Changes where an order or its messages go, or how it is paid, for as long as that was not done.
    Modify {
        order: OrderId,
        /// Those parts of the order document that are to change, such as
        /// `{"customer": {"email": "…"}}`; `-` reads them from the standard input.
        changes: PathBuf,
        /// Why, without personal data; it is kept on the order.
        #[arg(long)]
        reason: String,
    },
    /// Begins a new attempt at an order that was reversed.
    Reprocess {
        order: OrderId,
        /// How it is paid from now on, as the order document's `payment`: a file, `-` for the standard
        /// input, or the JSON itself, which other people on the machine can see.
        #[arg(long)]
        payment: Option<String>,
        /// Why, without personal data; it is kept on the order.
        #[arg(long)]
        reason: String,
    },
    /// Sends the message that the customer did not get.
    Resend {
        order: OrderId,
        /// Why, without personal data; it is kept on the order.
        #[arg(long)]
        reason: String,
    },
    /// Gives money back again whose refund has failed.
    GiveBack {
        order: OrderId,
        /// Why, without personal data; it is kept on the order.
        #[arg(long)]
        reason: String,
    },
    /// Has the providers asked what became of an effect whose outcome nobody knows.
    Resolve {
        order: OrderId,
        /// Why, without personal data; it is kept on the order.
        #[arg(long)]
        reason: String,
    },
    /// Puts on record what has become of what a provider does not undo, once the provider was asked.
    Settle(settle::Arguments),
    /// Prints where the document of the order's label is for the moment. It has the customer's name and address:
    /// that you asked is kept on the order.
    Label { order: OrderId },
    /// Lists the open orders: where each is, how it does there, and what it needs.
    Orders {
        /// Only those with this incident, such as `unfinished`; `any` for each that has one.
        #[arg(long, alias = "trouble")]
        incident: Option<String>,
        /// Those of the group with this id, which `orderctl groups` lists.
        #[arg(long, conflicts_with = "incident")]
        group: Option<String>,
    },
    /// Lists what needs a person, grouped by its cause: how many orders, the money, since when, what to do.
    Groups,
    /// Lists payments and labels that a provider holds and no order's ledger accounts for.
    Orphans,
    /// Lets go of one: releases held money, gives captured money back, voids the label.
    LetGo {
        /// The provider's reference: `pi_…`, `se-…`.
        reference: String,
        /// Why, without personal data; it is kept with who it was.
        #[arg(long)]
        reason: String,
    },
    /// Prints the money of each day: authorised, captured, voided, refunded, and the net of it, by currency.
    Money(money::Arguments),
    /// Does one action to many orders: previews it, applies what was previewed by its digest, and has it pause, go
    /// on or stop.
    #[command(after_help = bulk::EXAMPLES)]
    Bulk(bulk::Arguments),
    /// Puts articles into the catalogue or changes their prices. Stock counts for new articles only.
    Catalogue {
        /// A JSON array of articles; see `orders/catalogue/sample.json`.
        file: PathBuf,
    },
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let exit = run(arguments).await.unwrap_or_else(|failure| {
        eprintln!("error: {failure}");
        failure.exit
    });
    exit.into()
}

async fn run(arguments: Arguments) -> Result<Exit, Failure> {
    let connection = Connection::open(&arguments.endpoints).await?;
    match arguments.command {
        Command::Submit { files } => submit(&connection, &files).await,
        Command::Status { order } => {
            show(&connection.status(&order).await?);
            Ok(Exit::Well)
        }
        Command::Watch { orders, timeout } => {
            follow::until_ended(&connection, &orders, timeout).await
        }
        Command::Table { orders } => print_table(&connection, &orders).await,
        Command::Approve { order, reason } => {
            act(&connection, Action::Approve, &order, &reason).await
        }
        Command::Reject { order, reason } => {
            act(&connection, Action::Reject, &order, &reason).await
        }
        Command::Cancel { order, reason } => {
            act(&connection, Action::Cancel, &order, &reason).await
        }
        Command::Redrive { order, reason } => {
            act(&connection, Action::Redrive, &order, &reason).await
        }
        Command::Restart(arguments) => restart::run(&connection, &arguments).await,
        Command::Modify {
            order,
            changes,
            reason,
        } => restart::modify(&connection, &order, &changes, &reason).await,
        Command::Reprocess {
            order,
            payment: None,
            reason,
        } => act(&connection, Action::Reprocess, &order, &reason).await,
        Command::Reprocess {
            order,
            payment: Some(payment),
            reason,
        } => restart::reprocess(&connection, &order, &payment, &reason).await,
        Command::Resend { order, reason } => {
            act(&connection, Action::Resend, &order, &reason).await
        }
        Command::GiveBack { order, reason } => {
            act(&connection, Action::GiveBack, &order, &reason).await
        }
        Command::Resolve { order, reason } => {
            act(&connection, Action::Resolve, &order, &reason).await
        }
        Command::Settle(arguments) => settle::run(&connection, &arguments).await,
        Command::Label { order } => label(&connection, &order).await,
        Command::Orders {
            group: Some(group), ..
        } => groups::print_orders(&connection, &group).await,
        Command::Orders { incident, .. } => orders(&connection, incident.as_deref()).await,
        Command::Bulk(arguments) => bulk::run(&connection, arguments).await,
        Command::Money(arguments) => money::print(&connection, &arguments, Timestamp::now()).await,
        Command::Groups => groups::print(&connection).await,
        Command::Orphans => orphans::print(&connection, Timestamp::now()).await,
        Command::LetGo { reference, reason } => {
            orphans::let_go(&connection, &reference, &reason).await
        }
        Command::Catalogue { file } => catalogue(&connection, &file).await,
    }
}

async fn submit(connection: &Connection, files: &[PathBuf]) -> Result<Exit, Failure> {
    // Nothing is sent if one of them cannot be read.
    let read = files.iter().map(|file| Ok((file, connection::read(file)?)));
    let documents = read.collect::<Result<Vec<_>, Failure>>()?;
    let mut exit = Exit::Well;
    for (file, document) in documents {
        let answer = connection.post("/orders", document).await?;
        println!("{}: {}", file.display(), answer.summary());
        exit = exit.max(answer.exit());
    }
    Ok(exit)
}

async fn find_all(
    connection: &Connection,
    orders: &[OrderId],
) -> Result<(Vec<StatusView>, Vec<Failure>), Failure> {
    let (mut views, mut missing) = (Vec::with_capacity(orders.len()), Vec::new());
    for order in orders {
        match connection.find(order).await? {
            Some(view) => views.push(view),
            None => missing.push(Failure::no_order(order)),
        }
    }
    Ok((views, missing))
}

/// Those that there are; the others are named.
async fn print_table(connection: &Connection, orders: &[OrderId]) -> Result<Exit, Failure> {
    let (views, missing) = find_all(connection, orders).await?;
    if !views.is_empty() {
        print!("{}", table::of(&views));
    }
    for failure in &missing {
        eprintln!("error: {failure}");
    }
    Ok(missing.first().map_or(Exit::Well, |failure| failure.exit))
}

async fn act(
    connection: &Connection,
    action: Action,
    order: &OrderId,
    reason: &str,
) -> Result<Exit, Failure> {
    let reason = self::reason(reason)?;
    let by = connection.caller().await?;
    let who = Attribution {
        by: &by,
        reason: &reason,
        at: Timestamp::now(),
    };
    act_as(connection, action, order, who).await
}

/// It is read here and not by clap, which repeats what it does not take.
fn reason(text: &str) -> Result<Reason, Failure> {
    text.parse()
        .map_err(|invalid: InvalidReason| Failure::wrong(invalid))
}

async fn act_as(
    connection: &Connection,
    action: Action,
    order: &OrderId,
    who: Attribution<'_>,
) -> Result<Exit, Failure> {
    if action == Action::Reprocess
        && let Ok((record, _)) = connection.actions.inspect(order).await
        && let Some(warning) = actions::warning(action, &record)
    {
        eprintln!("{order}: {warning}");
    }
    let done = connection.actions.act(action, order, who).await;
    let done = done.map_err(|refused| Failure::from(refused).about(order))?;
    println!("{order}: {done}");
    Ok(Exit::Well)
}

/// Which open orders are listed.
#[derive(Debug, Clone, Copy)]
enum Wanted {
    All,
    WithAnyIncident,
    With(Incident),
}

impl Wanted {
    fn read(word: Option<&str>) -> Result<Self, Failure> {
        let Some(word) = word else {
            return Ok(Self::All);
        };
        if word == "any" {
            return Ok(Self::WithAnyIncident);
        }
        Incident::from_word(word).map(Self::With).ok_or_else(|| {
            let known = Incident::ALL.iter().map(|known| known.as_str());
            let known = known.collect::<Vec<_>>().join(", ");
            Failure::wrong(format!(
                "there is no incident {word}; there are any, {known}"
            ))
        })
    }
}

async fn orders(connection: &Connection, incident: Option<&str>) -> Result<Exit, Failure> {
    let wanted = Wanted::read(incident)?;
    let open = connection.read_models.open_orders().await;
    let mut open = open?.projections;
    open.retain(|projection| match wanted {
        Wanted::All => true,
        Wanted::WithAnyIncident => !projection.incidents.is_empty(),
        Wanted::With(incident) => projection.incidents.contains_key(&incident),
    });
    if open.is_empty() {
        match wanted {
            Wanted::All => println!("no order is open"),
            Wanted::WithAnyIncident => println!("no open order has an incident"),
            Wanted::With(incident) => println!("no open order has the incident {incident}"),
        }
        return Ok(Exit::Well);
    }
    open.sort_by_key(|projection| projection.received_at);
    print!("{}", table::of_open(&open, Timestamp::now()));
    Ok(Exit::Well)
}

async fn catalogue(connection: &Connection, file: &Path) -> Result<Exit, Failure> {
    let content = connection::read(file)?;
    let articles = Article::parse_all(&content).map_err(|violations| {
        let violations: Vec<String> = violations.iter().map(ToString::to_string).collect();
        Failure::wrong(format!("{}: {}", file.display(), violations.join("\n  ")))
    })?;
    let mut lost = Vec::new();
    for article in &articles {
        if connection.store.put_article(article).await? {
            lost.push(article.sku.to_string());
        }
    }
    println!("{} articles are in the catalogue", articles.len());
    if !lost.is_empty() {
        println!(
            "no customs data any more, and not sold abroad: {}",
            lost.join(", ")
        );
    }
    Ok(Exit::Well)
}

async fn label(connection: &Connection, order: &OrderId) -> Result<Exit, Failure> {
    let by = connection.caller().await?;
    let document =
        connection
            .actions
            .label_document(order, &by, "opened by orderctl", Timestamp::now());
    let document = document
        .await
        .map_err(|refused| Failure::from(refused).about(order))?;
    println!("{document}");
    Ok(Exit::Well)
}

fn show(view: &StatusView) {
    print!("{}", table::of(std::slice::from_ref(view)));
    if let Some(failure) = &view.failure {
        println!("\n{}: {}", failure.error, failure.recommended_action);
    }
    print!("{}", table::of_label(view));
    println!();
    for entry in &view.timeline {
        let (at, step, event) = (entry.at, entry.step, entry.event);
        println!(
            "{at:.3}  {step:<9} {event:<24} {}",
            entry.detail.as_deref().unwrap_or("")
        );
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;
    use operations::advice::Action;
    use serde_json::{Value, json};

    use super::*;
    use crate::shop::{Shop, id};

    #[test]
    fn every_action_is_a_command() {
        let command = Arguments::command();
        let missing = Action::ALL
            .iter()
            .filter(|action| command.find_subcommand(action.as_str()).is_none());
        assert_eq!(missing.collect::<Vec<_>>(), Vec::<&Action>::new());
    }

    #[tokio::test]
    async fn a_table_is_of_those_that_there_are() {
        let shop = Shop::open().await;
        let order = shop.validated("ord-1", "RUNNING").await;
        let exit = print_table(&shop.connection, std::slice::from_ref(&order)).await;
        assert_eq!(exit.expect("a table"), Exit::Well);
        let found = find_all(&shop.connection, &[id("ord-2"), order]).await;
        let (views, missing) = found.expect("an answer");
        assert_eq!(views.len(), 1);
        assert_eq!(missing.len(), 1);
        assert_eq!(missing[0].to_string(), "there is no order ord-2");
        let exit = print_table(&shop.connection, &[id("ord-2")]).await;
        assert_eq!(exit.expect("an answer"), Exit::NotFound);
    }

    #[tokio::test]
    async fn what_cannot_be_done_tells_whether_it_may_be_later() {
        let mut shop = Shop::open().await;
        let order = shop.validated("ord-1", "RUNNING").await;
        let exit = async |shop: &Shop, action, order: &OrderId| {
            let reason = reason("a test").expect("a reason");
            let who = Attribution {
                by: "somebody",
                reason: &reason,
                at: Timestamp::now(),
            };
            let done = act_as(&shop.connection, action, order, who).await;
            done.unwrap_or_else(|failure| failure.exit)
        };
        assert_eq!(
            exit(&shop, Action::Redrive, &order).await,
            Exit::NotPossible
        );
        assert_eq!(
            exit(&shop, Action::Redrive, &id("ord-2")).await,
            Exit::NotFound
        );
        shop.step_functions.throttles("DescribeExecution", true);
        assert_eq!(exit(&shop, Action::Redrive, &order).await, Exit::NoAnswer);
        shop.connection.send_to(&::tests::nobody().await);
        let failure = shop.connection.status(&order).await.expect_err("nobody");
        assert_eq!(failure.exit, Exit::NoAnswer);
    }

    #[tokio::test]
    async fn a_reason_with_personal_data_is_a_wrong_command_line_and_not_repeated() {
        let shop = Shop::open().await;
        let order = shop.validated("ord-1", "RUNNING").await;
        let why = "ada@example.com called";
        let acted = act(&shop.connection, Action::Cancel, &order, why).await;
        let failure = acted.expect_err("no reason");
        assert_eq!(failure.exit, Exit::WrongCommandLine);
        let told = failure.to_string();
        assert!(
            told.contains("an e-mail address") && !told.contains("ada"),
            "{told}"
        );
        assert!(shop.database.state("ord-1").await.cancel.is_none());
    }

    #[tokio::test]
    async fn one_document_that_is_refused_is_told_and_the_others_are_taken() {
        let shop = Shop::open().await;
        let folder = std::env::temp_dir().join(format!("orderctl-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let write = |name: &str, document: &Value| {
            let file = folder.join(name);
            std::fs::write(&file, document.to_string()).expect("a file");
            file
        };
        let wrong = write("wrong", &json!({"order_id": "ord-1"}));
        let right = write("right", &::tests::document("ord-2"));
        let files = [wrong, right, folder.join("none")];
        let read = submit(&shop.connection, &files).await;
        assert_eq!(read.expect_err("no such file").exit, Exit::WrongCommandLine);
        let found = shop.connection.find(&id("ord-2")).await.expect("an answer");
        assert!(found.is_none(), "nothing is sent if a file cannot be read");
        let sent = submit(&shop.connection, &files[..2]).await;
        assert_eq!(sent.expect("answers"), Exit::DocumentRefused);
        let found = shop.connection.find(&id("ord-2")).await.expect("an answer");
        assert!(found.is_some());
        std::fs::remove_dir_all(&folder).expect("the folder");
    }
}
