//! What a provider holds and no order's ledger accounts for.

use actions::Attribution;
use domain::{OrderId, Timestamp};
use operations::Orphan;

use crate::connection::{Connection, Failure};
use crate::exit::Exit;
use crate::groups::distance;
use crate::table::aligned;

/// Prints them.
pub(crate) async fn print(connection: &Connection, now: Timestamp) -> Result<Exit, Failure> {
    let orphans = connection.read_models.orphans().await?;
    if orphans.is_empty() {
        println!("the ledgers account for everything that was looked at");
        return Ok(Exit::Well);
    }
    print!("{}", listing(&orphans, now));
    Ok(Exit::Well)
}

fn listing(orphans: &[Orphan], now: Timestamp) -> String {
    let heading = ["REFERENCE", "KIND", "ORDER", "STANDS", "MADE", "FOUND"];
    let mut rows = vec![heading.map(str::to_owned)];
    rows.extend(orphans.iter().map(|orphan| {
        let posting = &orphan.posting;
        let order = posting.order_id.as_ref().map_or("-", OrderId::as_str);
        [
            posting.reference.clone(),
            posting.kind.to_string(),
            order.to_owned(),
            posting.stands.to_string(),
            distance(posting.made_at, now),
            distance(orphan.found_at, now),
        ]
    }));
    aligned(&rows)
}

/// Lets go of one.
pub(crate) async fn let_go(
    connection: &Connection,
    reference: &str,
    reason: &str,
) -> Result<Exit, Failure> {
    let reason = crate::reason(reason)?;
    let by = connection.caller().await?;
    let who = Attribution {
        by: &by,
        reason: &reason,
        at: Timestamp::now(),
    };
    let done = connection.actions.let_go(reference, who).await?;
    println!("{reference}: {done}");
    Ok(Exit::Well)
}

#[cfg(test)]
mod tests {
    use domain::books::{Posting, PostingKind, Stands};

    use super::*;
    use crate::shop::{Shop, id};

    #[tokio::test]
    async fn orphans_are_listed_and_none_is_let_go_of_that_is_not_one() {
        let shop = Shop::open().await;
        let now = Timestamp::now();
        let posting = Posting {
            kind: PostingKind::Payment,
            reference: "pi_1".to_owned(),
            order_id: Some(id("ord-1")),
            amount: None,
            stands: Stands::Held(::tests::money(3098, "USD")),
            made_at: now,
        };
        let orphan = Orphan::found(posting, now);
        let text = listing(std::slice::from_ref(&orphan), now);
        assert!(
            text.contains("pi_1") && text.contains("30.98 USD held"),
            "{text}"
        );
        let kept = shop.connection.read_models.put_orphan(&orphan).await;
        assert_eq!(kept, Ok(true));
        let printed = print(&shop.connection, now).await.expect("a table");
        assert_eq!(printed, Exit::Well);
        let reason = "a test".parse().expect("a reason");
        let who = Attribution {
            by: "somebody",
            reason: &reason,
            at: now,
        };
        let refused = shop.connection.actions.let_go("pi_2", who).await;
        let failure = Failure::from(refused.expect_err("no such orphan"));
        assert_eq!(failure.exit, Exit::NotPossible);
    }
}
