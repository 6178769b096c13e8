#![doc = include_str!("../README.md")]

mod connection;
mod follow;
mod table;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use domain::ports::{Decided, OperatorEvent, Orders as _};
use domain::{Decision, ErrorName, OrderId, StatusView, Timestamp};
use store::Article;
use workflow::Woken;

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
    Cancel { order: OrderId },
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
            decide(&connection, &order, Decision::Approved, reason).await
        }
        Command::Reject { order, reason } => {
            decide(&connection, &order, Decision::Rejected, reason).await
        }
        Command::Cancel { order } => {
            let answer = connection
                .post(&format!("/orders/{order}/cancel"), Vec::new())
                .await?;
            println!("{order}: {}", answer.told());
            Ok(answer.exit_code())
        }
        Command::Catalogue { file } => catalogue(&connection, &file).await,
    }
}

async fn submit(connection: &Connection, files: &[PathBuf]) -> Result<ExitCode, Failure> {
    let mut code = ExitCode::SUCCESS;
    for file in files {
        let document = connection::read(file)?;
        let answer = connection.post("/orders", document).await?;
        println!("{}: {}", file.display(), answer.told());
        if !answer.ok() {
            code = ExitCode::FAILURE;
        }
    }
    Ok(code)
}

async fn decide(
    connection: &Connection,
    order: &OrderId,
    decision: Decision,
    reason: String,
) -> Result<ExitCode, Failure> {
    let event = match decision {
        Decision::Approved => "approved",
        Decision::Rejected => "rejected",
    };
    let on_record = OperatorEvent {
        at: Timestamp::now(),
        event: event.to_owned(),
        by: connection.caller().await?,
        reason,
    };
    // On record first: an execution that is woken finds the decision there.
    let decided = connection
        .store
        .decide_review(order, decision, &on_record)
        .await;
    let token = match decided.map_err(Failure::of)? {
        Decided::Recorded { token } => token,
        Decided::Refused(why) => return Err(Failure::new(format!("{order}: {why}"))),
    };
    let Some(token) = token else {
        println!("{order}: {event}; its execution finds that when it comes to ask");
        return Ok(ExitCode::SUCCESS);
    };
    let woken = match decision {
        Decision::Approved => connection.workflow.succeed(&token).await,
        Decision::Rejected => {
            let cause = "a reviewer said no";
            connection
                .workflow
                .fail(&token, ErrorName::ReviewRejected, cause)
                .await
        }
    };
    match woken.map_err(Failure::of)? {
        Woken::Yes => println!("{order}: {event}, and its execution goes on"),
        Woken::NotWaiting => println!("{order}: {event}; its execution does not wait any more"),
    }
    Ok(ExitCode::SUCCESS)
}

async fn catalogue(connection: &Connection, file: &Path) -> Result<ExitCode, Failure> {
    let content = connection::read(file)?;
    let articles: Vec<Article> = serde_json::from_slice(&content)
        .map_err(|error| Failure::new(format!("{}: {error}", file.display())))?;
    for article in &articles {
        connection
            .store
            .put_article(article)
            .await
            .map_err(Failure::of)?;
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
        let (at, step, event) = (entry.at, &entry.step, &entry.event);
        println!(
            "{at:.3}  {step:<9} {event:<24} {}",
            entry.detail.as_deref().unwrap_or("")
        );
    }
}
