//! Of the command, without what it prints being read by anybody.

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

#[test]
fn every_example_of_the_help_is_a_command_line() {
    let examples = EXAMPLES.lines().skip(1);
    for example in examples {
        let mut words: Vec<&str> = Vec::new();
        for (number, part) in example.trim().split('"').enumerate() {
            if number % 2 == 0 {
                words.extend(part.split_whitespace());
            } else {
                words.push(part);
            }
        }
        assert_eq!(words[0], "orderctl");
        assert!(Line::try_parse_from(&words[1..]).is_ok(), "{example}");
    }
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
        "--pause abc",
        "--resume abc",
        "--stop abc --reason why",
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
        "--stop abc",
        "--pause abc --reason why",
        "--pause abc --resume abc",
        "--stop abc --apply abc --reason why",
        "redrive --group abc --pause abc",
        "--group abc --show abc",
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

/// A bulk of these orders that was let happen.
async fn applied(shop: &Shop, orders: &[&str]) -> Bulk {
    let mut ids = Vec::new();
    for order in orders {
        ids.push(shop.validated(order, "RUNNING").await);
    }
    let (actions, now) = (&shop.connection.actions, Timestamp::now());
    let bulk = actions.preview(Action::Cancel, ids, now).await;
    let digest = bulk.expect("a preview").digest;
    apply_as(shop, "somebody", &digest).await.expect("applied");
    actions.bulk(&digest).await.expect("the bulk")
}

#[tokio::test]
async fn a_bulk_at_work_is_paused_resumed_and_stopped() {
    let shop = Shop::open().await;
    let digest = applied(&shop, &["ord-1", "ord-2"]).await.digest;
    let reason = "the carrier is away".parse().expect("a reason");
    let control = async |control, by| {
        let done = control_as(&shop.connection, control, &digest, by, Some(&reason)).await;
        done.unwrap_or_else(|failure| failure.exit)
    };
    let show = async || {
        let arguments = line(&format!("--show {digest}")).expect("a command line");
        let exit = super::run(&shop.connection, arguments).await;
        let bulk = shop.connection.actions.bulk(&digest).await;
        let text = shown(&bulk.expect("the bulk"), Timestamp::now());
        (exit.expect("an answer"), text)
    };
    assert_eq!(show().await.0, Exit::UnderWay);
    assert_eq!(
        control(Control::Resume, "ada").await,
        Exit::NotPossible,
        "not paused"
    );
    assert_eq!(control(Control::Pause, "ada").await, Exit::Well);
    let (exit, text) = show().await;
    assert_eq!(exit, Exit::NeedsAPerson);
    assert!(text.starts_with("Cancel 2 orders: paused\n"), "{text}");
    assert_eq!(control(Control::Resume, "bob").await, Exit::Well);
    assert_eq!(show().await.0, Exit::UnderWay);
    assert_eq!(control(Control::Stop, "bob").await, Exit::Well);
    let (_, text) = show().await;
    for part in [
        "Cancel 2 orders: stopped\n",
        ") by ada\nresumed ",
        ") by bob\nstopped ",
        "stopped, for the carrier is away; not touched: 2 orders\n",
    ] {
        assert!(text.contains(part), "{part}\nis not in\n{text}");
    }
    assert_eq!(control(Control::Stop, "bob").await, Exit::NotPossible);
    let gone = control_as(&shop.connection, Control::Pause, "abc", "ada", None).await;
    assert_eq!(gone.expect_err("no bulk").exit, Exit::NotFound);
}

#[tokio::test]
async fn the_code_says_what_became_of_the_orders() {
    let shop = Shop::open().await;
    let bulk = applied(&shop, &["ord-1", "ord-2"]).await;
    let now = Timestamp::now();
    let code = |outcomes: [Outcome; 2], is_over: bool, stopped: Option<&str>| {
        let mut bulk = bulk.clone();
        for (part, outcome) in bulk.parts.iter_mut().zip(outcomes) {
            part.outcome = outcome;
        }
        bulk.stopped = stopped.map(str::to_owned);
        bulk.ended_at = is_over.then_some(now);
        came_to(&bulk)
    };
    let (waiting, running) = (Outcome::Waiting, Outcome::Running);
    let (recovered, failed) = (Outcome::Recovered, Outcome::FailedAgain);
    let refused = Outcome::Refused("shipped by now".to_owned());
    let both = [recovered.clone(), recovered.clone()];
    assert_eq!(code(both, true, None), Exit::Well);
    let one = [recovered.clone(), refused];
    assert_eq!(code(one, true, None), Exit::NotCompleted);
    let again = [recovered.clone(), failed.clone()];
    assert_eq!(code(again, true, None), Exit::NotCompleted);
    let untouched = [recovered, waiting];
    assert_eq!(code(untouched, true, Some("lunch")), Exit::NotCompleted);
    // The highest counts: what is not over may come to anything yet.
    let under_way = [failed, running];
    assert_eq!(code(under_way, false, Some("1 of 2")), Exit::UnderWay);
    let previewed = Bulk {
        applied: None,
        ..bulk
    };
    assert_eq!(came_to(&previewed), Exit::Well);
}
