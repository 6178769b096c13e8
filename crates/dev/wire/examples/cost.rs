//! What a call of the shipped adapters costs over TCP and on the wire, with few and with many orders:
//! `cargo run -p wire --example cost`. The profile of development says nothing about cost: optimise the SDK, the
//! databases and this crate first.
#![expect(clippy::print_stdout, reason = "a tool for a terminal")]
#![expect(
    clippy::expect_used,
    reason = "what cannot be set up cannot be measured"
)]

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use aws_config::SdkConfig;
use aws_smithy_async::time::SystemTimeSource;
use domain::Timestamp;
use domain::ledger::{Authorization, Authorize};
use domain::ports::{Catalogue as _, Orders as _, Stock as _};
use operations::trend::Flow;
use operations::{Movement, Projection};
use read_models::OpenPart;
use tests::{Database, document, invocation, money, submission};
use wire::{Answer, Change, Embedded, Item, Request, Tables, Wire};

/// How long each of some calls took.
type Times = Arc<Mutex<Vec<Duration>>>;

/// Of times that are forgotten then. What else the machine does is in the mean and hardly in the median.
fn median_us(times: &Times) -> u128 {
    let mut times = std::mem::take(&mut *times.lock().expect("a lock"));
    times.sort();
    times.get(times.len() / 2).map_or(0, Duration::as_micros)
}

/// A database that notes how long it takes.
struct Timed<D> {
    database: D,
    times: Times,
}

impl<D: wire::Database> wire::Database for Timed<D> {
    fn answer(&self, operation: &str, request: &Request) -> Answer {
        let begun = Instant::now();
        let answer = self.database.answer(operation, request);
        self.times.lock().expect("a lock").push(begun.elapsed());
        answer
    }

    fn stream(&self, tables: &[&str]) {
        self.database.stream(tables);
    }

    fn changes(&self) -> Vec<Change> {
        self.database.changes()
    }

    fn contents(&self, table: &str) -> Vec<Item> {
        self.database.contents(table)
    }
}

/// Runs what `$call` does with each of `$orders`, and tells what one took and how much of it the database did.
macro_rules! measure {
    ($what:literal, $times:expr, $orders:expr, |$order:ident| $call:expr) => {{
        $times.lock().expect("a lock").clear();
        let all = Times::default();
        for $order in &$orders {
            let begun = Instant::now();
            $call;
            all.lock().expect("a lock").push(begun.elapsed());
        }
        let (all, database) = (median_us(&all), median_us($times));
        println!(
            "  {:<44}{all:>7} us{database:>7} us of it the database",
            $what
        );
    }};
}

const CALLS: usize = 500;

#[expect(clippy::too_many_lines, reason = "a few lines for each kind of call")]
async fn run(name: &str, config: &SdkConfig, times: &Times, orders: usize) {
    println!("{name}, {orders} orders");
    let database = Database::create(config).await;
    database.article("MUG-01", 1299, "USD", 100_000_000).await;
    let (store, read_models) = (&database.store, &database.read_models);
    let now = Timestamp::now();
    let ids = |from: usize| {
        (from..from + CALLS)
            .map(|n| format!("ord-{n}"))
            .collect::<Vec<_>>()
    };
    for n in CALLS..orders {
        let submission = submission(&document(&format!("ord-{n}")));
        store.accept(&submission, now).await.expect("accepted");
        let mut projection =
            Projection::received(&domain::OrderState::received(&submission.order, now));
        projection.revision = 2;
        // What is over is in no index of open orders.
        if n > 2 * CALLS {
            projection.due_at = None;
        }
        read_models.put_projection(&projection).await.expect("put");
    }
    let order = |id: &str| submission(&document(id)).order;
    measure!("accept (4 puts in a transaction)", times, ids(0), |id| {
        store
            .accept(&submission(&document(id)), now)
            .await
            .expect("accepted")
    });
    measure!(
        "reserve (2 updates in a transaction)",
        times,
        ids(0),
        |id| {
            store
                .reserve(&invocation(id, "a", 1000), &order(id), false)
                .await
                .expect("reserved")
        }
    );
    measure!("claim (update)", times, ids(0), |id| {
        store
            .claim::<Authorize>(&invocation(id, "a", 60_000))
            .await
            .expect("claimed")
    });
    measure!("a second claim (update refused)", times, ids(0), |id| {
        store
            .claim::<Authorize>(&invocation(id, "b", 60_000))
            .await
            .expect_err("the first one is at work")
    });
    measure!("commit (update)", times, ids(0), |id| {
        let outcome = Authorization::Held {
            payment: format!("pi_{id}"),
            made_at: None,
        };
        store
            .commit::<Authorize>(&invocation(id, "a", 60_000), outcome)
            .await
            .expect("committed")
    });
    measure!("load (query of 3 items)", times, ids(0), |id| {
        store
            .load(&id.parse().expect("an id"))
            .await
            .expect("loaded")
    });
    measure!("goods (batch get of 1)", times, ids(0), |id| {
        store.goods(&order(id).lines).await.expect("goods")
    });
    measure!("put a projection (put)", times, ids(0), |id| {
        let state = domain::OrderState::received(&order(id), now);
        let next = Projection {
            revision: 2,
            ..Projection::received(&state)
        };
        read_models.put_projection(&next).await.expect("put")
    });
    measure!("a projection (query of 1 row)", times, ids(0), |id| {
        read_models
            .order(&id.parse().expect("an id"))
            .await
            .expect("a row")
    });
    measure!(
        "enter (put and update in a transaction)",
        times,
        ids(0),
        |id| {
            let order_id = id.parse().expect("an id");
            let movement = Movement {
                flow: Flow::Captured,
                amount: money(1, "USD"),
                order_id,
                attempt: 1,
                at: now,
            };
            read_models.enter(&movement).await.expect("entered");
        }
    );
    measure!("20 open orders (query of an index)", times, ids(0), |_id| {
        let part = OpenPart::all().pop().expect("a part");
        read_models.open_part(part, Some(20)).await.expect("a part")
    });
}

fn main() {
    let many = std::env::args().nth(1).and_then(|many| many.parse().ok());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.expect("a runtime").block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let engine = dynoxide::Database::memory().expect("a database");
        let server = tokio::spawn(dynoxide::server::serve_on(listener, engine));
        run("TCP", &tests::sdk_config(&url), &Times::default(), 10).await;
        server.abort();
        for orders in [10, many.unwrap_or(20_000)] {
            let embedded = Embedded::new().expect("a database");
            run_on_wire("wire, embedded", embedded, orders).await;
            run_on_wire("wire, tables", Tables::new(), orders).await;
        }
    });
}

async fn run_on_wire(name: &str, database: impl wire::Database + 'static, orders: usize) {
    let times = Times::default();
    let timed = Timed {
        database,
        times: times.clone(),
    };
    let wire = Wire::new(timed, SystemTimeSource::new());
    let config = wire.config("cost", SystemTimeSource::new());
    run(name, &config, &times, orders).await;
}
