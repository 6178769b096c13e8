//! The tables, as Terraform makes them.

use std::sync::Arc;

use serde_json::{Value, json};
use wire::{Request, Service};

use crate::aws::{ORDERS, READ_MODELS, STOCK};
use crate::world::World;

/// Makes them.
pub(crate) async fn create(world: &Arc<World>) {
    world.wire.stream(&[ORDERS]);
    let key = |name: &str, kind: &str| json!({"AttributeName": name, "KeyType": kind});
    let of = |name: &str, kind: &str| json!({"AttributeName": name, "AttributeType": kind});
    let index = |name: &str, hash: &str, range: &str| {
        json!({"IndexName": name, "Projection": {"ProjectionType": "ALL"},
            "KeySchema": [key(hash, "HASH"), key(range, "RANGE")]})
    };
    let tables = [
        json!({"TableName": ORDERS, "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [of("order_id", "S"), of("item", "S")],
            "KeySchema": [key("order_id", "HASH"), key("item", "RANGE")]}),
        json!({"TableName": STOCK, "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [of("sku", "S")], "KeySchema": [key("sku", "HASH")]}),
        json!({"TableName": READ_MODELS, "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [of("pk", "S"), of("sk", "S"), of("open_shard", "S"),
                of("due_at", "N"), of("closed_as", "S"), of("ended_at", "N")],
            "KeySchema": [key("pk", "HASH"), key("sk", "RANGE")],
            "GlobalSecondaryIndexes": [index("open", "open_shard", "due_at"),
                index("closed", "closed_as", "ended_at")]}),
    ];
    for table in tables {
        made(world, &table).await;
    }
}

async fn made(world: &World, table: &Value) {
    let request = Request {
        caller: "setup".into(),
        service: Service::DynamoDb,
        operation: "CreateTable".to_owned(),
        path: "/".to_owned(),
        body: table.to_string().into_bytes(),
    };
    let answer = world.wire.ask(request).await;
    assert!(answer.is_success(), "{}", answer.body);
}
