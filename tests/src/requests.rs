//! A database that tells what it was asked over the network.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};

use aws_sdk_dynamodb::Client;
use read_models::ReadModels;
use store::Store;

use crate::{Database, ORDERS, READ_MODELS, STOCK, create_tables, sdk_config};

/// The requests that have arrived, by operation: `["UpdateItem"]`.
#[derive(Debug, Clone, Default)]
pub struct Requests(Arc<Mutex<Vec<String>>>);

impl Requests {
    /// What was asked since the last time.
    #[must_use]
    pub fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.seen())
    }

    fn seen(&self) -> MutexGuard<'_, Vec<String>> {
        self.0.lock().expect("a lock")
    }

    /// Passes on what comes over one connection, noting each request.
    fn pass_on(&self, mut client: TcpStream, engine: SocketAddr) -> io::Result<()> {
        let mut server = TcpStream::connect(engine)?;
        let (mut answers, mut back) = (server.try_clone()?, client.try_clone()?);
        std::thread::spawn(move || io::copy(&mut answers, &mut back));
        let mut bytes = vec![0; 1 << 16];
        loop {
            let length = client.read(&mut bytes)?;
            if length == 0 {
                return Ok(());
            }
            // A client waits for its answer before it sends the next request, so each one begins
            // a read; its body does not begin like that.
            if let Some(operation) = operation(&bytes[..length]) {
                self.seen().push(operation);
            }
            server.write_all(&bytes[..length])?;
        }
    }
}

/// The operation that a request names in its head.
fn operation(bytes: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(bytes);
    let head = text.strip_prefix("POST ")?;
    let target = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("x-amz-target").then_some(value)
    });
    let operation = target.and_then(|target| target.rsplit('.').next());
    Some(operation.unwrap_or("unnamed").trim().to_owned())
}

/// Starts a database like [`crate::database`], without a catalogue, whose store is listened to.
pub async fn watched_database() -> (Database, Requests) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0");
    let listener = listener.await.expect("a free port");
    let engine = listener.local_addr().expect("an address");
    let memory = dynoxide::Database::memory().expect("an in-memory database");
    tokio::spawn(dynoxide::server::serve_on(listener, memory));

    let entrance = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let watched = entrance.local_addr().expect("an address");
    let requests = Requests::default();
    let seen = requests.clone();
    std::thread::spawn(move || {
        for client in entrance.incoming() {
            let seen = seen.clone();
            // A connection that breaks is noticed by its client.
            std::thread::spawn(move || client.and_then(|client| seen.pass_on(client, engine)));
        }
    });

    let client = Client::new(&sdk_config(&format!("http://{engine}")));
    create_tables(&client).await;
    let config = sdk_config(&format!("http://{watched}"));
    let store = Store::new(&config, ORDERS, STOCK).announcing_in(READ_MODELS);
    let read_models = ReadModels::new(&config, READ_MODELS);
    let database = Database {
        store,
        read_models,
        client,
    };
    (database, requests)
}
