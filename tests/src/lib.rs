//! What tests share: an embedded DynamoDB with the real tables, the embedded providers, and sample
//! orders.
#![expect(
    clippy::expect_used,
    reason = "a test that cannot be set up must fail at once"
)]

mod clock;
pub mod definition;
mod faulty;
mod outbox;
mod providers;
mod requests;
mod step_functions;

use aws_config::AppName;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection,
    ProjectionType, ScalarAttributeType,
};
use domain::ledger::Effect;
use domain::ports::{Cancellation, Claimed, Invocation, Orders as _, Reserved, Stock as _};
use domain::{
    Actor, AuditEvent, Changes, ErrorName, Event, Failure, Goods, Money, Order, OrderId,
    OrderState, Packing, Parcels, Submission, Timestamp,
};
pub use faulty::{Fault, Faulty, Plan};
pub use outbox::Outbox;
pub use providers::{Sandbox, sandbox};
use read_models::ReadModels;
pub use requests::{Requests, watched_database};
use serde_json::{Value, json};
pub use step_functions::{Function, STATE_MACHINE, StepFunctions, step_functions};
use store::{Article, Begun, Store};

/// The tables' names in the embedded database.
pub const ORDERS: &str = "orders";
/// See [`ORDERS`].
pub const STOCK: &str = "stock";
/// See [`ORDERS`].
pub const READ_MODELS: &str = "read-models";

/// A DynamoDB of this test's own, on a port of its own, with the tables and a small catalogue.
#[derive(Debug, Clone)]
pub struct Database {
    /// The adapter under test.
    pub store: Store,
    /// The adapter of what operators know.
    pub read_models: ReadModels,
    /// For looking behind it.
    pub client: Client,
}

/// SDK configuration for an engine on this machine.
#[must_use]
pub fn sdk_config(endpoint: &str) -> SdkConfig {
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .app_name(AppName::new("tests").expect("a valid name"))
        .credentials_provider(
            aws_credential_types::provider::SharedCredentialsProvider::new(
                // The local stack takes this pair as the account's root; other engines take any.
                Credentials::new("test", "test", None, None, "tests"),
            ),
        )
        .endpoint_url(endpoint)
        // Nobody here speaks TLS, and reading the machine's certificates takes most of a short test.
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .build()
}

/// Starts the database. It ends with the test's runtime.
pub async fn database() -> Database {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a free port");
    let address = listener.local_addr().expect("an address");
    let engine = dynoxide::Database::memory().expect("an in-memory database");
    tokio::spawn(dynoxide::server::serve_on(listener, engine));
    let database = Database::create(&sdk_config(&format!("http://{address}"))).await;
    for (sku, unit_price, currency, available) in [
        ("MUG-01", 1299, "USD", 100),
        ("TEE-01", 2500, "USD", 50),
        ("SOLDOUT-01", 1000, "USD", 0),
    ] {
        database.article(sku, unit_price, currency, available).await;
    }
    database
}

impl Database {
    /// The tables, created in an empty database, without a catalogue.
    pub async fn create(config: &SdkConfig) -> Self {
        let client = Client::new(config);
        create_tables(&client).await;
        Self {
            store: Store::new(config, ORDERS, STOCK).announcing_in(READ_MODELS),
            read_models: ReadModels::new(config, READ_MODELS),
            client,
        }
    }

    /// Puts an article into the catalogue.
    pub async fn article(&self, sku: &str, unit_price: u64, currency: &str, available: u64) {
        let article = Article {
            sku: sku.parse().expect("a sku"),
            unit_price: money(unit_price, currency),
            available,
            goods: Goods::default(),
        };
        self.store.put_article(&article).await.expect("an article");
    }

    /// How many pieces of an article can be sold.
    pub async fn available(&self, sku: &str) -> u64 {
        let sku = sku.parse().expect("a sku");
        let article = self.store.article(&sku).await.expect("an answer");
        article.expect("the article").available
    }
}

async fn create_tables(client: &Client) {
    let attribute = |name: &str, kind| {
        AttributeDefinition::builder()
            .attribute_name(name)
            .attribute_type(kind)
            .build()
            .expect("an attribute")
    };
    let key = |name: &str, kind| {
        KeySchemaElement::builder()
            .attribute_name(name)
            .key_type(kind)
            .build()
            .expect("a key")
    };
    let index = |name: &str, hash: &str, range: &str| {
        let all = Projection::builder().projection_type(ProjectionType::All);
        GlobalSecondaryIndex::builder()
            .index_name(name)
            .key_schema(key(hash, KeyType::Hash))
            .key_schema(key(range, KeyType::Range))
            .projection(all.build())
            .build()
            .expect("an index")
    };
    client
        .create_table()
        .table_name(ORDERS)
        .billing_mode(BillingMode::PayPerRequest)
        .attribute_definitions(attribute("order_id", ScalarAttributeType::S))
        .attribute_definitions(attribute("item", ScalarAttributeType::S))
        .key_schema(key("order_id", KeyType::Hash))
        .key_schema(key("item", KeyType::Range))
        .send()
        .await
        .expect("the orders table");
    client
        .create_table()
        .table_name(READ_MODELS)
        .billing_mode(BillingMode::PayPerRequest)
        .attribute_definitions(attribute("pk", ScalarAttributeType::S))
        .attribute_definitions(attribute("sk", ScalarAttributeType::S))
        .attribute_definitions(attribute("open_shard", ScalarAttributeType::S))
        .attribute_definitions(attribute("due_at", ScalarAttributeType::N))
        .attribute_definitions(attribute("closed_as", ScalarAttributeType::S))
        .attribute_definitions(attribute("ended_at", ScalarAttributeType::N))
        .key_schema(key("pk", KeyType::Hash))
        .key_schema(key("sk", KeyType::Range))
        .global_secondary_indexes(index("open", "open_shard", "due_at"))
        .global_secondary_indexes(index("closed", "closed_as", "ended_at"))
        .send()
        .await
        .expect("the table of the read models");
    client
        .create_table()
        .table_name(STOCK)
        .billing_mode(BillingMode::PayPerRequest)
        .attribute_definitions(attribute("sku", ScalarAttributeType::S))
        .key_schema(key("sku", KeyType::Hash))
        .send()
        .await
        .expect("the stock table");
}

/// How the account of every test packs: a piece of which nothing is known weighs 400 g, a parcel at most 30 kg,
/// and what does not stay in the US is declared.
#[must_use]
pub fn packing() -> Packing {
    Packing {
        grams_per_piece: 400,
        max_parcel_g: 30_000,
        domestic_countries: ["US".parse().expect("a country")].into(),
        ships_abroad: true,
        multi_package: true,
    }
}

/// An order's parcels within the country, of articles of which nothing is known.
#[must_use]
pub fn parcels(order: &Order) -> Parcels {
    let packed = Parcels::pack(order, "US", &std::collections::BTreeMap::new(), &packing());
    packed.expect("parcels")
}

/// An order document: two mugs, 30.98 USD.
#[must_use]
pub fn document(order_id: &str) -> Value {
    json!({
        "schema_version": 1, "order_id": order_id, "currency": "USD",
        "customer": {"customer_id": "cus-7", "name": "Ada Example", "email": "ada@example.com"},
        "payment": {"method": "pm_card_visa"},
        "shipping_address": {"name": "Ada Example", "line1": "1 Main St", "line2": null,
            "city": "Springfield", "region": "IL", "postal_code": "62701", "country": "US"},
        "lines": [{"sku": "MUG-01", "quantity": 2, "unit_price": 1299}],
        "shipping_fee": 500, "tax": 0, "total": 3098
    })
}

/// So many minor units.
#[must_use]
pub fn money(minor: u64, currency: &str) -> Money {
    Money::new(minor, currency.parse().expect("a currency")).expect("an amount")
}

/// What an operator did to an order just now.
#[must_use]
pub fn audited(event: Event) -> AuditEvent {
    AuditEvent::new(
        Timestamp::now(),
        event,
        Actor::Operator("somebody".to_owned()),
        "a test",
    )
}

/// A document as it is after the door.
#[must_use]
pub fn submission(document: &Value) -> Submission {
    Submission::parse(document.to_string().as_bytes()).expect("a valid document")
}

/// An invocation for the first attempt of an order, killed `lease_ms` from now.
#[must_use]
pub fn invocation(order_id: &str, owner: &str, lease_ms: i64) -> Invocation {
    let now = Timestamp::now();
    let deadline = now.as_millisecond() + lease_ms;
    Invocation {
        order_id: order_id.parse::<OrderId>().expect("an order id"),
        attempt: 1,
        owner: owner.to_owned(),
        deadline: Timestamp::from_millisecond(deadline).expect("a time"),
        now,
    }
}

/// The same invocation, so many hours later.
#[must_use]
pub fn later(by: Invocation, hours: i64) -> Invocation {
    let moved = |at: Timestamp| {
        let at = at.as_millisecond() + hours * 3_600_000;
        Timestamp::from_millisecond(at).expect("a time")
    };
    Invocation {
        now: moved(by.now),
        deadline: moved(by.deadline),
        ..by
    }
}

/// An endpoint where nobody listens.
pub async fn nobody() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a free port");
    format!("http://{}", listener.local_addr().expect("an address"))
}

/// What no log, error or answer may hold of [`document`]: whoever it is, wherever they live,
/// however they pay.
pub const PERSONAL: [&str; 7] = [
    "Ada Example",
    "ada@example.com",
    "1 Main St",
    "Springfield",
    "62701",
    "cus-7",
    "pm_card",
];

/// Fails if `text` holds personal data of [`document`].
#[track_caller]
pub fn assert_impersonal(text: &str) {
    for personal in PERSONAL {
        assert!(!text.contains(personal), "{personal:?} is in {text:?}");
    }
}

/// An order as far as a test needs it, without the steps that it is not about.
impl Database {
    /// An order that was accepted at the door.
    pub async fn accepted(&self, document: &Value) -> Order {
        let submission = submission(document);
        let accepted = self.store.accept(&submission, Timestamp::now()).await;
        accepted.expect("accepted");
        submission.order
    }

    /// An order whose stock is reserved.
    pub async fn validated(&self, document: &Value) -> Order {
        let order = self.accepted(document).await;
        let by = invocation(order.order_id.as_str(), "validate", 1000);
        let reserved = self.store.reserve(&by, &order, false).await;
        assert_eq!(reserved, Ok(Reserved::All));
        order
    }

    /// Effect `E` happened, and this came of it.
    pub async fn did<E: Effect>(&self, order_id: &str, outcome: E::Outcome) {
        let by = self.claimed::<E>(order_id, 60_000).await;
        let committed = self.store.commit::<E>(&by, outcome).await;
        committed.expect("committed");
    }

    /// Somebody claimed effect `E` and died, or is still at work if the lease is not over.
    pub async fn claimed<E: Effect>(&self, order_id: &str, lease_ms: i64) -> Invocation {
        let by = invocation(order_id, &format!("another-{}", E::NAME), lease_ms);
        let claimed = self.store.claim::<E>(&by).await.expect("an answer");
        assert!(matches!(claimed, Claimed::Perform { .. }), "{claimed:?}");
        by
    }

    /// A new attempt has begun that goes on with what the last one did.
    pub async fn restarted(&self, order_id: &str, ships_again: bool) -> OrderState {
        let id = order_id.parse().expect("an order id");
        let record = self.store.load(&id).await.expect("an answer");
        let record = record.expect("the order");
        let fresh = record.state.restarted(ships_again, Timestamp::now());
        let event = audited(Event::RestartRequested);
        let begun =
            self.store
                .begin_attempt(&record, fresh.expect("possible"), None, &event, Vec::new());
        match begun.await {
            Ok(Begun::Yes(state)) => state,
            other => panic!("{other:?}"),
        }
    }

    /// The customer's e-mail address was modified.
    pub async fn modified(&self, order_id: &str) {
        let id = order_id.parse().expect("an order id");
        let record = self.store.load(&id).await.expect("an answer");
        let record = record.expect("the order");
        let document = json!({"customer": {"email": "new@example.com"}});
        let changes = Changes::parse(document.to_string().as_bytes()).expect("changes");
        let personal = record.personal.as_ref().expect("personal data");
        let personal = changes.of(personal, record.state.attempt);
        let event = audited(Event::Modified);
        let modified = self.store.modify(&record.state, &personal, &event).await;
        assert_eq!(modified, Ok(true));
    }

    /// The failure branch has begun.
    pub async fn reversing(&self, order_id: &str, error: ErrorName) {
        // Whoever began it is dead: the first undo is anybody's to take over.
        let by = invocation(order_id, "reversal", 0);
        let failure = Failure::new(error, "as a test wants it", by.now);
        let claimed = self.store.begin_reversal(&by, failure).await;
        let failure = match claimed.expect("an answer") {
            Claimed::Perform { state, .. } | Claimed::Done { state, .. } => state.failure,
            Claimed::Refused(error) => panic!("{error}"),
        };
        assert_eq!(failure.map(|failure| failure.error), Some(error));
    }

    /// The failure branch has ended: the stock is back, the order closed.
    pub async fn released(&self, order_id: &str) -> OrderState {
        let by = invocation(order_id, "release", 1000);
        let record = self.store.load(&by.order_id).await.expect("an answer");
        let record = record.expect("the order");
        let closed = self
            .store
            .release_and_close(&by, &record.order.lines, record.state)
            .await;
        closed.expect("closed")
    }

    /// The customer asked for a cancellation in time.
    pub async fn cancelled(&self, order_id: &str) {
        let order_id = order_id.parse::<OrderId>().expect("an order id");
        let asked = self.store.request_cancel(&order_id, Timestamp::now()).await;
        assert!(
            matches!(asked, Ok(Cancellation::Requested { .. })),
            "{asked:?}"
        );
    }

    /// Erases the customer's personal data from an order.
    pub async fn erase_personal_data(&self, order_id: &str) {
        use aws_sdk_dynamodb::types::AttributeValue;
        let text = |text: &str| AttributeValue::S(text.to_owned());
        let request = self.client.delete_item().table_name(ORDERS);
        let request = request
            .key("order_id", text(order_id))
            .key("item", text("personal"));
        request.send().await.expect("erased");
    }

    /// Somebody's hands in the table: the order's amount is not what it was.
    pub async fn change_total(&self, order_id: &str, minor: u64) {
        use aws_sdk_dynamodb::types::AttributeValue;
        let text = |text: &str| AttributeValue::S(text.to_owned());
        let request = self.client.update_item().table_name(ORDERS);
        let request = request
            .key("order_id", text(order_id))
            .key("item", text("state"))
            .update_expression("SET #total.amount = :amount")
            .expression_attribute_names("#total", "total")
            .expression_attribute_values(":amount", AttributeValue::N(minor.to_string()));
        request.send().await.expect("changed");
    }

    /// An order's ledger.
    pub async fn state(&self, order_id: &str) -> OrderState {
        let order_id = order_id.parse::<OrderId>().expect("an order id");
        let record = self.store.load(&order_id).await.expect("an answer");
        record.expect("the order").state
    }
}
