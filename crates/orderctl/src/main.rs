#![doc = include_str!("../README.md")]

mod connection;
mod follow;
mod table;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use actions::Attribution;
use clap::{Parser, Subcommand};
use domain::{OrderId, StatusView, Timestamp};
use operations::Incident;
use operations::advice::Action;
use store::Article;

use crate::connection::{Connection, Failure};

/// Orders from the command line.
#[derive(Parser)]
#[command(version)]
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
        /// Why; it is kept on the order.
        #[arg(long)]
        reason: String,
    },
    /// Ends an order that waits for a review.
    Reject {
        order: OrderId,
        /// Why; it is kept on the order.
        #[arg(long)]
        reason: String,
    },
    /// Asks for an order to be cancelled.
    Cancel {
        order: OrderId,
        /// Why; it is kept on the order.
        #[arg(long)]
        reason: String,
    },
    /// Lets an execution that ended too early go on where it stopped.
    Redrive {
        order: OrderId,
        /// Why; it is kept on the order.
        #[arg(long)]
        reason: String,
    },
    /// Begins a new attempt at an order that was reversed.
    Reprocess {
        order: OrderId,
        /// Why; it is kept on the order.
        #[arg(long)]
        reason: String,
    },
    /// Sends the message that the customer did not get.
    Resend {
        order: OrderId,
        /// Why; it is kept on the order.
        #[arg(long)]
        reason: String,
    },
    /// Has the providers asked what became of an effect whose outcome nobody knows.
    Resolve {
        order: OrderId,
        /// Why; it is kept on the order.
        #[arg(long)]
        reason: String,
    },
    /// Lists the open orders: where each is, how it does there, and what it needs.
    Orders {
        /// Only those with this incident, such as `unfinished`; `any` for each that has one.
        #[arg(long, alias = "trouble")]
        incident: Option<String>,
    },
    /// Puts articles into the catalogue or changes their prices. Stock counts for new articles only.
    Catalogue {
        /// A JSON array of articles; see `orders/catalogue/sample.json`.
        file: PathBuf,
    },
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(arguments).await {
        Ok(code) => code,
        Err(failure) => {
            eprintln!("error: {failure}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> Result<ExitCode, Failure> {
    let connection = Connection::open(&arguments.endpoints).await?;
    match arguments.command {
        Command::Submit { files } => submit(&connection, &files).await,
        Command::Status { order } => {
            show(&connection.status(&order).await?);
            Ok(ExitCode::SUCCESS)
        }
        Command::Watch { orders, timeout } => {
            follow::until_ended(&connection, &orders, timeout).await
        }
        Command::Table { orders } => {
            let mut views = Vec::with_capacity(orders.len());
            for order in &orders {
                views.push(connection.status(order).await?);
            }
            print!("{}", table::of(&views));
            Ok(ExitCode::SUCCESS)
        }
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
        Command::Reprocess { order, reason } => {
            act(&connection, Action::Reprocess, &order, &reason).await
        }
        Command::Resend { order, reason } => {
            act(&connection, Action::Resend, &order, &reason).await
        }
        Command::Resolve { order, reason } => {
            act(&connection, Action::Resolve, &order, &reason).await
        }
        Command::Orders { incident } => orders(&connection, incident.as_deref()).await,
        Command::Catalogue { file } => catalogue(&connection, &file).await,
    }
}

async fn submit(connection: &Connection, files: &[PathBuf]) -> Result<ExitCode, Failure> {
    let mut code = ExitCode::SUCCESS;
    for file in files {
        let document = connection::read(file)?;
        let answer = connection.post("/orders", document).await?;
        println!("{}: {}", file.display(), answer.summary());
        if !answer.ok() {
            code = ExitCode::FAILURE;
        }
    }
    Ok(code)
}

async fn act(
    connection: &Connection,
    action: Action,
    order: &OrderId,
    reason: &str,
) -> Result<ExitCode, Failure> {
    let by = connection.caller().await?;
    let who = Attribution {
        by: &by,
        reason,
        at: Timestamp::now(),
    };
    let done = connection.actions.act(action, order, who).await;
    let done = done.map_err(|refused| Failure::new(format!("{order}: {refused}")))?;
    println!("{order}: {done}");
    Ok(ExitCode::SUCCESS)
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
            Failure::new(format!(
                "there is no incident {word}; there are any, {known}"
            ))
        })
    }
}

async fn orders(connection: &Connection, incident: Option<&str>) -> Result<ExitCode, Failure> {
    let wanted = Wanted::read(incident)?;
    let open = connection.read_models.open_orders().await;
    let mut open = open.map_err(Failure::of)?.projections;
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
        return Ok(ExitCode::SUCCESS);
    }
    open.sort_by_key(|projection| projection.received_at);
    print!("{}", table::of_open(&open, Timestamp::now()));
    Ok(ExitCode::SUCCESS)
}

async fn catalogue(connection: &Connection, file: &Path) -> Result<ExitCode, Failure> {
    let content = connection::read(file)?;
    let articles: Vec<Article> = serde_json::from_slice(&content)
        .map_err(|error| Failure::new(format!("{}: {error}", file.display())))?;
    for article in &articles {
        let put = connection.store.put_article(article).await;
        put.map_err(Failure::of)?;
    }
    println!("{} articles are in the catalogue", articles.len());
    Ok(ExitCode::SUCCESS)
}

fn show(view: &StatusView) {
    print!("{}", table::of(std::slice::from_ref(view)));
    if let Some(failure) = &view.failure {
        println!("\n{}: {}", failure.error, failure.recommended_action);
    }
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

    use super::Arguments;

    #[test]
    fn every_action_is_a_command() {
        let command = Arguments::command();
        let missing = Action::ALL
            .iter()
            .filter(|action| command.find_subcommand(action.as_str()).is_none());
        assert_eq!(missing.collect::<Vec<_>>(), Vec::<&Action>::new());
    }
}
