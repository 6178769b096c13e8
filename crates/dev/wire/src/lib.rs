#![doc = include_str!("../README.md")]

mod answer;
mod attribute;
mod both;
mod change;
mod client;
mod embedded;
mod expression;
mod request;
mod tables;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use answer::Answer;
pub use attribute::{Attribute, Item, Number};
use aws_config::identity::IdentityCache;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_async::time::{SharedTimeSource, TimeSource};
pub use both::Both;
pub use change::Change;
pub use embedded::Embedded;
use futures_util::future::BoxFuture;
pub use request::{Request, Service};
pub use tables::Tables;

/// Where everything is.
pub const REGION: &str = "us-east-1";

/// What becomes of a request, or of its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// It arrives.
    Arrives,
    /// This is answered instead. Of a request: nobody was asked.
    Instead(Answer),
    /// The connection breaks. Of a request: nobody was asked. Of an answer: what was asked has happened.
    Lost,
}

/// Decides about what is on the wire. What waits does not arrive until it has waited; what never ends is never
/// answered, as when the caller's environment freezes.
pub trait Listener: Send + Sync {
    /// A request is on its way.
    fn before(&self, request: &Request) -> BoxFuture<'static, Fate>;

    /// It was answered, and the answer is on its way.
    fn after(&self, request: &Request, answer: &Answer) -> BoxFuture<'static, Fate>;
}

/// What answers like DynamoDB.
pub trait Database: Send + Sync {
    /// What it answers to an operation.
    fn answer(&self, operation: &str, request: &Request) -> Answer;

    /// Has each change of these tables noted from now on, but for tables that there are already.
    fn stream(&self, tables: &[&str]);

    /// The changes since the last time, in their order, without their time.
    fn changes(&self) -> Vec<Change>;

    /// Every item of a table, by key.
    fn contents(&self, table: &str) -> Vec<Item>;
}

/// What answers for a service.
type Answering = Arc<dyn Fn(Request) -> BoxFuture<'static, Answer> + Send + Sync>;

/// The wire, and what is at its end.
#[derive(Clone)]
pub struct Wire {
    database: Arc<dyn Database>,
    time: SharedTimeSource,
    ends: Arc<Mutex<Ends>>,
}

/// What can be changed while there are callers.
#[derive(Default)]
struct Ends {
    listener: Option<Arc<dyn Listener>>,
    services: HashMap<Service, Answering>,
    changes: Vec<Change>,
    calls: u64,
}

impl fmt::Debug for Wire {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Wire")
    }
}

impl Wire {
    /// A wire to this database, on which nothing is lost. `time` dates the records of streams.
    #[must_use]
    pub fn new(database: impl Database + 'static, time: impl TimeSource + 'static) -> Self {
        Self {
            database: Arc::new(database),
            time: SharedTimeSource::new(time),
            ends: Arc::default(),
        }
    }

    fn ends(&self) -> MutexGuard<'_, Ends> {
        // What a panicking test left is as good as it was.
        self.ends.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on this decides about everything.
    pub fn listen(&self, listener: impl Listener + 'static) {
        self.ends().listener = Some(Arc::new(listener));
    }

    /// From now on this answers for a service. A service that nothing answers for stops the caller with a panic.
    pub fn serve<F>(&self, service: Service, answering: F)
    where
        F: Fn(Request) -> BoxFuture<'static, Answer> + Send + Sync + 'static,
    {
        self.ends().services.insert(service, Arc::new(answering));
    }

    /// Notes each change of these tables, if they are created later.
    pub fn stream(&self, tables: &[&str]) {
        self.database.stream(tables);
    }

    /// Configuration for a caller, with that caller's clock.
    #[must_use]
    pub fn config(&self, caller: &str, time: impl TimeSource + 'static) -> SdkConfig {
        SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(REGION))
            .credentials_provider(SharedCredentialsProvider::new(Credentials::new(
                "wire", "wire", None, None, "wire",
            )))
            // One pair of credentials, which never expires: what would keep it costs more than it.
            .identity_cache(IdentityCache::no_cache())
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .endpoint_url(client::ENDPOINT)
            .time_source(time)
            .http_client(client::client(self, caller))
            .build()
    }

    /// The changes of the tables whose streams are on, since the last time, in the order in which they happened.
    #[must_use]
    pub fn take_changes(&self) -> Vec<Change> {
        std::mem::take(&mut self.ends().changes)
    }

    /// Every item of a table, by key, for whoever looks behind the adapters.
    #[must_use]
    pub fn contents(&self, table: &str) -> Vec<Item> {
        self.database.contents(table)
    }

    /// How many requests there were so far, counting those that were lost.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.ends().calls
    }

    /// Puts a request to whoever answers for its service, without asking the listener.
    ///
    /// # Panics
    /// If nobody does.
    pub async fn ask(&self, request: Request) -> Answer {
        if request.service == Service::DynamoDb {
            return self.ask_database(&request);
        }
        let answering = self.ends().services.get(&request.service).cloned();
        match answering {
            Some(answering) => answering(request).await,
            None => panic!(
                "nobody answers {} of {:?}",
                request.operation, request.service
            ),
        }
    }

    fn ask_database(&self, request: &Request) -> Answer {
        // One lock around both, so that changes are in the order of the writes.
        let mut ends = self.ends();
        let answer = self.database.answer(&request.operation, request);
        let at = self.time.now();
        let changes = self.database.changes().into_iter();
        ends.changes
            .extend(changes.map(|change| Change { at, ..change }));
        answer
    }
}
