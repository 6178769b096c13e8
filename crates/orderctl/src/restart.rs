//! New attempts that go on with what the last one did, and what an order may still have modified.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use actions::{Attribution, Fate, offers};
use domain::{Changes, OrderId, OrderState, Timestamp};
use operations::ProcessState;

use crate::connection::{self, Connection, Failure};
use crate::exit::Exit;
use crate::reason;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    order: OrderId,
    /// The state to begin in, such as `ShipOrder`; without it, where the last attempt stopped.
    #[arg(long)]
    from: Option<String>,
    /// Those parts of the order document that are to change, as for `modify`.
    #[arg(long)]
    changes: Option<PathBuf>,
    /// Shows what would be kept and what done again, and begins nothing.
    #[arg(long, conflicts_with = "reason")]
    preview: bool,
    /// Why, without personal data; it is kept on the order.
    #[arg(long, required_unless_present = "preview")]
    reason: Option<String>,
}

pub(crate) async fn run(connection: &Connection, arguments: &Arguments) -> Result<Exit, Failure> {
    let order = &arguments.order;
    if arguments.preview {
        return preview(connection, order).await;
    }
    let from = arguments.from.as_deref().map(state).transpose()?;
    let changes = arguments.changes.as_deref().map(read).transpose()?;
    let reason = reason(arguments.reason.as_deref().unwrap_or_default())?;
    let by = connection.caller().await?;
    let who = Attribution {
        by: &by,
        reason: &reason,
        at: Timestamp::now(),
    };
    let restarted = connection
        .actions
        .restart(order, from, changes.as_ref(), who);
    let done = restarted.await;
    let done = done.map_err(|refused| Failure::from(refused).about(order))?;
    println!("{order}: {done}");
    Ok(Exit::Well)
}

/// Changes what may still be changed.
pub(crate) async fn modify(
    connection: &Connection,
    order: &OrderId,
    changes: &Path,
    why: &str,
) -> Result<Exit, Failure> {
    let changes = read(changes)?;
    let reason = reason(why)?;
    let by = connection.caller().await?;
    let who = Attribution {
        by: &by,
        reason: &reason,
        at: Timestamp::now(),
    };
    let done = connection.actions.modify(order, &changes, who).await;
    let done = done.map_err(|refused| Failure::from(refused).about(order))?;
    println!("{order}: {done}");
    Ok(Exit::Well)
}

/// Begins a new attempt at an order that was reversed, and is paid otherwise.
pub(crate) async fn reprocess(
    connection: &Connection,
    order: &OrderId,
    payment: &str,
    why: &str,
) -> Result<Exit, Failure> {
    let changes = paid(payment)?;
    let reason = reason(why)?;
    let by = connection.caller().await?;
    let who = Attribution {
        by: &by,
        reason: &reason,
        at: Timestamp::now(),
    };
    let done = connection.actions.reprocess(order, Some(&changes), who);
    let done = done
        .await
        .map_err(|refused| Failure::from(refused).about(order))?;
    println!("{order}: {done}");
    Ok(Exit::Well)
}

/// The order document's `payment`: in a file, of the standard input, or as it is.
fn paid(payment: &str) -> Result<Changes, Failure> {
    let (shown, payment) = if payment.trim_start().starts_with('{') {
        ("--payment", payment.as_bytes().to_vec())
    } else {
        (payment, content(Path::new(payment))?)
    };
    let payment: serde_json::Value = serde_json::from_slice(&payment).map_err(|error| {
        // The parser's own text may quote it.
        let (line, column) = (error.line(), error.column());
        let told = format!("{shown} is not valid JSON: see line {line}, column {column}");
        Failure::wrong(told)
    })?;
    let document = serde_json::json!({ "payment": payment });
    parsed(document.to_string().as_bytes(), shown)
}

async fn preview(connection: &Connection, order: &OrderId) -> Result<Exit, Failure> {
    let inspected = connection.actions.inspect(order).await;
    let (record, described) = inspected.map_err(|refused| Failure::from(refused).about(order))?;
    let offers = offers(&record, &described, Timestamp::now());
    if offers.is_empty() {
        println!("{order} is over: there is nothing to restart");
        return Ok(Exit::NotPossible);
    }
    print!("{}", text(&offers, &record.state));
    let possible = offers.iter().any(|offer| offer.possible.is_ok());
    Ok(if possible {
        Exit::Well
    } else {
        Exit::NotPossible
    })
}

/// A paragraph for each state that a restart could begin in.
fn text(offers: &[actions::Offer], state: &OrderState) -> String {
    use std::fmt::Write as _;
    let stopped = ProcessState::of(state).map(|(at, _)| at);
    let mut text = String::new();
    for offer in offers {
        let usual = if Some(offer.from) == stopped {
            ", where it stopped"
        } else {
            ""
        };
        // Writing to a String cannot fail.
        let _ = match &offer.possible {
            Ok(()) => writeln!(text, "--from {}{usual}", offer.from),
            Err(why) => writeln!(text, "--from {}{usual}: not possible, {why}", offer.from),
        };
        for (state, fate) in &offer.effects {
            let _ = match fate {
                Fate::Kept(what) => writeln!(text, "  {state:<16}kept: {what}"),
                Fate::Again(what) => writeln!(text, "  {state:<16}done again: {what}"),
                Fate::ToDo => writeln!(text, "  {state:<16}still to be done"),
            };
        }
    }
    text
}

fn state(name: &str) -> Result<ProcessState, Failure> {
    ProcessState::from_word(name).ok_or_else(|| {
        let known = ProcessState::ALL.iter().map(|state| state.as_str());
        let known = known.collect::<Vec<_>>().join(", ");
        Failure::wrong(format!("the process has no state {name}; it has {known}"))
    })
}

/// Not from the command line, which other people on the machine can see.
fn read(file: &Path) -> Result<Changes, Failure> {
    parsed(&content(file)?, &file.display().to_string())
}

fn content(file: &Path) -> Result<Vec<u8>, Failure> {
    if file != Path::new("-") {
        return connection::read(file);
    }
    let mut document = Vec::new();
    let read = std::io::stdin().read_to_end(&mut document);
    read.map_err(|error| Failure::wrong(format!("failed to read the input: {error}")))?;
    Ok(document)
}

fn parsed(document: &[u8], shown: &str) -> Result<Changes, Failure> {
    Changes::parse(document).map_err(|violations| {
        let lines = violations
            .iter()
            .map(|violation| format!("\n  {violation}"));
        let lines: String = lines.collect();
        Failure::wrong(format!("{shown}:{lines}"))
    })
}

#[cfg(test)]
mod tests {
    use domain::ledger::{Authorization, Authorize, Book, Booking};
    use serde_json::json;

    use super::*;
    use crate::shop::Shop;

    fn arguments(order: &OrderId) -> Arguments {
        Arguments {
            order: order.clone(),
            from: None,
            changes: None,
            preview: false,
            reason: Some("a test".to_owned()),
        }
    }

    async fn booked(shop: &Shop) -> OrderId {
        let order = shop.validated("ord-1", "ABORTED").await;
        let payment = "pi_1".to_owned();
        let held = Authorization::Held {
            payment,
            made_at: None,
        };
        shop.database.did::<Authorize>("ord-1", held).await;
        let booked = Booking::Booked {
            label: "se-1".to_owned(),
            carrier: "usps".to_owned(),
            tracking: "9400".to_owned(),
        };
        shop.database.did::<Book>("ord-1", booked).await;
        order
    }

    #[tokio::test]
    async fn a_preview_says_what_is_kept_and_what_is_done_again() {
        let shop = Shop::open().await;
        let order = booked(&shop).await;
        let preview = Arguments {
            preview: true,
            reason: None,
            ..arguments(&order)
        };
        assert_eq!(
            run(&shop.connection, &preview).await.expect("a preview"),
            Exit::Well
        );
        let inspected = shop.connection.actions.inspect(&order).await;
        let (record, described) = inspected.expect("the order");
        let offers = offers(&record, &described, Timestamp::now());
        let text = text(&offers, &record.state);
        let expected = "\
--from ValidateOrder: not possible, its stock is reserved, and stays so
--from ChargePayment: not possible, its money is held, and is never held a second time
--from ShipOrder
  ValidateOrder   kept: the stock stays reserved
  ChargePayment   kept: payment pi_1 stays held
  ShipOrder       done again: label se-1 is voided, and another one bought
  CapturePayment  still to be done
  NotifyCustomer  still to be done
--from CapturePayment, where it stopped
  ValidateOrder   kept: the stock stays reserved
  ChargePayment   kept: payment pi_1 stays held
  ShipOrder       kept: label se-1 stays
  CapturePayment  still to be done
  NotifyCustomer  still to be done
";
        assert_eq!(text, expected);
        assert_eq!(shop.database.state("ord-1").await.attempt, 1);
    }

    #[tokio::test]
    async fn a_state_that_there_is_not_is_a_wrong_command_line() {
        let shop = Shop::open().await;
        let order = booked(&shop).await;
        let wrong = Arguments {
            from: Some("Ship".to_owned()),
            ..arguments(&order)
        };
        let failure = run(&shop.connection, &wrong).await.expect_err("no state");
        assert_eq!(failure.exit, Exit::WrongCommandLine);
        assert!(failure.to_string().contains("ShipOrder"), "{failure}");
    }

    #[test]
    fn changes_are_read_from_a_file_and_what_is_wrong_with_them_is_told() {
        let folder = std::env::temp_dir().join(format!("orderctl-modify-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let file = folder.join("changes");
        let read = |changes: serde_json::Value| {
            std::fs::write(&file, changes.to_string()).expect("a file");
            super::read(&file)
        };
        let failure = read(json!({"customer": {"email": "nowhere"}}));
        let failure = failure.expect_err("no address");
        assert_eq!(failure.exit, Exit::WrongCommandLine);
        let told = failure.to_string();
        assert!(
            told.contains("/customer/email") && !told.contains("nowhere"),
            "{told}"
        );
        let changes = read(json!({"customer": {"email": "new@example.com"}}));
        assert_eq!(changes.expect("changes").words(), "e-mail address");
        std::fs::remove_dir_all(&folder).expect("the folder");
    }

    #[test]
    fn how_an_order_is_paid_anew_is_read_from_a_file_or_as_it_is() {
        let folder = std::env::temp_dir().join(format!("orderctl-pay-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let file = folder.join("payment");
        std::fs::write(&file, "{\"intent\": \"pi_1\"}\n").expect("a file");
        let path = file.display().to_string();
        for given in [
            path.as_str(),
            "{\"method\": \"pm_1\", \"customer\": \"cus_1\"}",
        ] {
            assert_eq!(paid(given).expect("a payment").words(), "means of payment");
        }
        for (given, told) in [
            ("{\"method\": \"4242424242424242\"}", "/payment/method"),
            (
                "{\"intent\": \"pi_1\"}, \"customer\": {\"email\": \"a\"}",
                "is",
            ),
            ("{}", "/payment/method is missing"),
        ] {
            let failure = paid(given).expect_err("no payment");
            assert_eq!(failure.exit, Exit::WrongCommandLine);
            assert!(failure.to_string().contains(told), "{failure}");
            assert!(!failure.to_string().contains("4242"), "{failure}");
        }
        std::fs::remove_dir_all(&folder).expect("the folder");
    }
}
