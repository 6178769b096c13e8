//! The payment adapter against a Stripe server that this project did not write: what we send is
//! understood, and what is answered is read as it is meant.
#![expect(clippy::expect_used, reason = "tests")]

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use charge::Stripe;
use domain::ports::{AuthorizeRequest, PaymentProvider as _, PaymentState};
use domain::{Money, OrderId, PaymentMeans, Timestamp};
use provider::Secret;

/// The server, ended with the test.
struct Server {
    process: Child,
    url: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        // It is a child of this test's; if it has ended already, so much the better.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

async fn localstripe() -> Server {
    let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = free.local_addr().expect("an address").port();
    drop(free);
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the workspace");
    let process = Command::new(root.join(".venv/bin/localstripe"))
        .args(["--from-scratch", "--port", &port.to_string()])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("localstripe: `make setup` installs it");
    let address = format!("127.0.0.1:{port}");
    for _ in 0..300 {
        if tokio::net::TcpStream::connect(&address).await.is_ok() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let url = format!("http://{address}");
    Server { process, url }
}

fn stripe(server: &Server) -> Stripe {
    let secret = Secret::known(&tests::sdk_config(&server.url), "sk_test_12345");
    Stripe::new(&server.url, secret, "test").expect("an adapter")
}

fn yen(minor: u64) -> Money {
    Money::new(minor, "JPY".parse().expect("a currency")).expect("an amount")
}

fn means() -> PaymentMeans {
    PaymentMeans::Single("pm_card_visa".parse().expect("a token"))
}

fn request<'a>(order_id: &'a OrderId, means: &'a PaymentMeans) -> AuthorizeRequest<'a> {
    AuthorizeRequest {
        order_id,
        attempt: 1,
        amount: yen(3800),
        means,
        not_before: Timestamp::UNIX_EPOCH,
    }
}

#[tokio::test]
async fn money_is_held_then_taken_then_given_back() {
    let server = localstripe().await;
    let (stripe, order) = (stripe(&server), "ord-1".parse().expect("an id"));
    let held = stripe
        .authorize("ord-1-1-authorize", request(&order, &means()))
        .await
        .expect("held");
    assert_eq!(held.state, PaymentState::Held(yen(3800)));
    assert_eq!(
        stripe.get(&held.reference).await.expect("it").state,
        PaymentState::Held(yen(3800))
    );
    let key = "ord-1-1-capture";
    let taken = stripe
        .capture(key, &held.reference, yen(3800))
        .await
        .expect("taken");
    assert_eq!(taken.state, PaymentState::Captured(yen(3800)));
    let refund = stripe
        .refund("ord-1-1-reverse", &held.reference, yen(3800))
        .await
        .expect("back");
    assert!(refund.starts_with("re_"), "{refund}");
}

#[tokio::test]
async fn money_that_is_held_is_let_go() {
    let server = localstripe().await;
    let (stripe, order) = (stripe(&server), "ord-2".parse().expect("an id"));
    let held = stripe
        .authorize("ord-2-1-authorize", request(&order, &means()))
        .await
        .expect("held");
    let void = stripe
        .void("ord-2-1-reverse", &held.reference)
        .await
        .expect("let go");
    assert_eq!(void.state, PaymentState::Voided);
    assert_eq!(
        stripe.get(&held.reference).await.expect("it").state,
        PaymentState::Voided
    );
}
