//! What has become of what a provider does not undo.

use actions::Attribution;
use domain::{OrderId, Settlement, Timestamp};

use crate::connection::{Connection, Failure};
use crate::exit::Exit;
use crate::reason;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    order: OrderId,
    /// What has become of it: `shipment_cancelled`, `shipment_written_off`, `payment_returned` or
    /// `payment_written_off`. The provider is asked whether it is so.
    #[arg(long = "as")]
    settled_as: String,
    /// Why, without personal data; it is kept on the order.
    #[arg(long)]
    reason: String,
}

pub(crate) async fn run(connection: &Connection, arguments: &Arguments) -> Result<Exit, Failure> {
    let order = &arguments.order;
    let settlement = settlement(&arguments.settled_as)?;
    let reason = reason(&arguments.reason)?;
    let by = connection.caller().await?;
    let who = Attribution {
        by: &by,
        reason: &reason,
        at: Timestamp::now(),
    };
    settle_as(connection, order, settlement, who).await
}

async fn settle_as(
    connection: &Connection,
    order: &OrderId,
    settlement: Settlement,
    who: Attribution<'_>,
) -> Result<Exit, Failure> {
    let done = connection.actions.settle(order, settlement, who).await;
    let done = done.map_err(|refused| Failure::from(refused).about(order))?;
    println!("{order}: {done}");
    Ok(Exit::Well)
}

fn settlement(word: &str) -> Result<Settlement, Failure> {
    Settlement::from_word(word).ok_or_else(|| {
        let known = Settlement::ALL.iter().map(|known| known.as_str());
        let known = known.collect::<Vec<_>>().join(", ");
        Failure::wrong(format!("nothing is settled as {word}; there are {known}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shop::Shop;

    #[tokio::test]
    async fn what_is_no_settlement_is_a_wrong_command_line_and_what_goes_well_is_not_settled() {
        let shop = Shop::open().await;
        let order = shop.validated("ord-1", "ABORTED").await;
        let wrong = Arguments {
            order: order.clone(),
            settled_as: "lost".to_owned(),
            reason: "a test".to_owned(),
        };
        let failure = run(&shop.connection, &wrong).await;
        let failure = failure.expect_err("no settlement");
        assert_eq!(failure.exit, Exit::WrongCommandLine);
        let told = failure.to_string();
        assert!(told.contains("payment_returned"), "{told}");
        let reason = reason("a test").expect("a reason");
        let who = Attribution {
            by: "somebody",
            reason: &reason,
            at: Timestamp::now(),
        };
        let settlement = Settlement::PaymentReturned;
        let failure = settle_as(&shop.connection, &order, settlement, who).await;
        let failure = failure.expect_err("nothing to settle");
        assert_eq!(failure.exit, Exit::NotPossible);
        let told = failure.to_string();
        assert!(told.contains("not being reversed"), "{told}");
    }
}
