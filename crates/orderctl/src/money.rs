//! The money of days, as the page's finance has it.

use domain::Timestamp;
use operations::figures::{Day, Days, Figures, amounts};
use operations::filter::Invalid;
use operations::trend::Flow;

use crate::connection::{Connection, Failure};
use crate::exit::Exit;
use crate::table::aligned;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The first day, in UTC, such as 2026-11-24; two weeks are shown without it.
    #[arg(long, value_name = "DAY")]
    from: Option<String>,
    /// The last day, today without it; at most 31 days at once.
    #[arg(long, value_name = "DAY")]
    to: Option<String>,
    /// As CSV, for a spreadsheet.
    #[arg(long)]
    csv: bool,
}

pub(crate) async fn print(
    connection: &Connection,
    arguments: &Arguments,
    now: Timestamp,
) -> Result<Exit, Failure> {
    print!("{}", told(connection, arguments, now).await?);
    Ok(Exit::Well)
}

async fn told(
    connection: &Connection,
    arguments: &Arguments,
    now: Timestamp,
) -> Result<String, Failure> {
    let (from, to) = (arguments.from.as_deref(), arguments.to.as_deref());
    let days = Days::read(from, to, Day::of(now)).map_err(|wrong| {
        let why = |wrong: &Invalid| format!("--{}: {}", wrong.name, wrong.why);
        Failure::wrong(wrong.iter().map(why).collect::<Vec<_>>().join("\n"))
    })?;
    let figures = connection.read_models.figures(days).await?;
    Ok(if arguments.csv {
        figures.csv()
    } else {
        listing(days, &figures)
    })
}

fn listing(days: Days, figures: &Figures) -> String {
    let told = format!("Money by day {days}, in UTC.\n");
    if figures.is_empty() {
        return told + "No money moved.\n";
    }
    let [authorized, captured, voided, refunded] = [
        Flow::Authorized,
        Flow::Captured,
        Flow::Voided,
        Flow::Refunded,
    ]
    .map(|flow| flow.as_str().to_uppercase());
    let (day, currency, net) = ("DAY", "CURRENCY", "NET");
    let mut rows = vec![[
        day.to_owned(),
        currency.to_owned(),
        authorized,
        captured,
        voided,
        refunded,
        net.to_owned(),
    ]];
    let mut add = |day: String, currency: domain::Currency, ways| {
        let [authorized, captured, voided, refunded, net] = amounts(ways, currency);
        let currency = currency.to_string();
        rows.push([day, currency, authorized, captured, voided, refunded, net]);
    };
    for (day, currency, ways) in figures.rows() {
        add(day.to_string(), currency, ways);
    }
    for (currency, ways) in &figures.totals() {
        add("all days".to_owned(), *currency, ways);
    }
    told + &aligned(&rows)
}

#[cfg(test)]
mod tests {
    use operations::Movement;

    use super::*;
    use crate::shop::{Shop, id};

    fn arguments(from: Option<&str>, to: Option<&str>, csv: bool) -> Arguments {
        let (from, to) = (from.map(str::to_owned), to.map(str::to_owned));
        Arguments { from, to, csv }
    }

    #[tokio::test]
    async fn the_money_of_days_is_told_as_a_table_and_for_a_spreadsheet() {
        let shop = Shop::open().await;
        for (flow, minor, at) in [
            (Flow::Captured, 3098, "2026-11-23T10:00:00Z"),
            (Flow::Refunded, 4000, "2026-11-24T10:00:00Z"),
        ] {
            let movement = Movement {
                flow,
                amount: ::tests::money(minor, "USD"),
                order_id: id("ord-1"),
                attempt: 1,
                at: at.parse().expect("a time"),
            };
            let entered = shop.database.read_models.enter(&movement).await;
            entered.expect("entered");
        }
        let now = "2026-11-24T12:00:00Z".parse().expect("a time");
        let connection = &shop.connection;
        let ask = async |arguments| told(connection, &arguments, now).await;
        let all = ask(arguments(None, None, false)).await.expect("a table");
        assert_eq!(
            all,
            "Money by day from 2026-11-11 to 2026-11-24, in UTC.\n\
             DAY         CURRENCY  AUTHORIZED  CAPTURED  VOIDED  REFUNDED  NET\n\
             2026-11-24  USD       0.00        0.00      0.00    40.00     -40.00\n\
             2026-11-23  USD       0.00        30.98     0.00    0.00      30.98\n\
             all days    USD       0.00        30.98     0.00    40.00     -9.02\n"
        );
        let first = Some("2026-11-23");
        let csv = ask(arguments(first, first, true)).await.expect("a file");
        assert_eq!(
            csv,
            "day,currency,authorized,captured,voided,refunded,net\r\n\
             2026-11-23,USD,0.00,30.98,0.00,0.00,30.98\r\n"
        );
        let before = Some("2026-11-20");
        let none = ask(arguments(before, before, false)).await.expect("words");
        assert_eq!(
            none,
            "Money by day on 2026-11-20, in UTC.\nNo money moved.\n"
        );
    }

    #[tokio::test]
    async fn days_that_are_none_are_a_wrong_command_line() {
        let shop = Shop::open().await;
        let wrong = arguments(Some("yesterday"), Some("2026-02-30"), false);
        let failure = told(&shop.connection, &wrong, Timestamp::now()).await;
        let failure = failure.expect_err("wrong");
        assert_eq!(failure.exit, Exit::WrongCommandLine);
        let text = failure.to_string();
        assert!(
            text.contains("--from: ") && text.contains("--to: "),
            "{text}"
        );
    }
}
