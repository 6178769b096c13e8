//! What the quick database does not know, it refuses; half understood, it would be another database.

use std::panic::{AssertUnwindSafe, catch_unwind};

use serde_json::{Value, json};
use wire::{Database as _, Request, Service, Tables};

fn request(operation: &str, body: &Value) -> Request {
    Request {
        caller: "test".into(),
        service: Service::DynamoDb,
        operation: operation.to_owned(),
        path: "/".to_owned(),
        body: body.to_string().into_bytes(),
    }
}

fn tables() -> Tables {
    let tables = Tables::new();
    let create = json!({"TableName": "t",
        "AttributeDefinitions": [{"AttributeName": "k", "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": "k", "KeyType": "HASH"}]});
    let created = tables.answer("CreateTable", &request("CreateTable", &create));
    assert!(created.is_success(), "{created:?}");
    tables
}

#[test]
fn an_expression_that_is_not_understood_stops_the_caller() {
    let tables = tables();
    for condition in [
        "size(a) = :v",
        "NOT a = :v",
        "a IN (:v)",
        "contains(a, :v)",
        "attribute_type(a, :v)",
        "a[0] = :v",
        "a = :v AND",
        "a == :v",
        "(a = :v",
        "a = :v b",
    ] {
        let body = json!({"TableName": "t", "Item": {"k": {"S": "a"}},
            "ConditionExpression": condition,
            "ExpressionAttributeValues": {":v": {"N": "1"}}});
        let put = || tables.answer("PutItem", &request("PutItem", &body));
        assert!(catch_unwind(AssertUnwindSafe(put)).is_err(), "{condition}");
    }
    for update in [
        "SET a = list_append(a, :v)",
        "SET a[0] = :v",
        "SET a = if_not_exists(a, :v) + :v",
        "SET a = :v SET b = :v",
        "ADD a :v, b",
        "DROP a :v",
    ] {
        let body = json!({"TableName": "t", "Key": {"k": {"S": "a"}}, "UpdateExpression": update,
            "ExpressionAttributeValues": {":v": {"N": "1"}}});
        let put = || tables.answer("UpdateItem", &request("UpdateItem", &body));
        assert!(catch_unwind(AssertUnwindSafe(put)).is_err(), "{update}");
    }
    assert!(tables.contents("t").is_empty());
}

#[test]
fn a_request_that_code_of_ours_never_sends_stops_the_caller() {
    let tables = tables();
    let key = json!({"k": {"S": "a"}});
    for (operation, body) in [
        ("Scan", json!({"TableName": "t"})),
        ("DeleteItem", json!({"TableName": "t", "Key": key})),
        (
            "GetItem",
            json!({"TableName": "t", "Key": key, "ProjectionExpression": "k"}),
        ),
        (
            "PutItem",
            json!({"TableName": "t", "Item": {"k": {"S": "a"}, "b": {"B": "AA=="}}}),
        ),
        (
            "PutItem",
            json!({"TableName": "t", "Item": {"k": {"S": "a"}, "n": {"N": "1.5"}}}),
        ),
        (
            "PutItem",
            json!({"TableName": "t", "Item": key, "ReturnValues": "ALL_NEW"}),
        ),
        (
            "UpdateItem",
            json!({"TableName": "t", "Key": key, "ReturnValues": "UPDATED_NEW"}),
        ),
        (
            "Query",
            json!({"TableName": "t", "KeyConditionExpression": "k = :k", "Select": "COUNT",
                "ExpressionAttributeValues": {":k": {"S": "a"}}}),
        ),
        (
            "TransactWriteItems",
            json!({"TransactItems": [{"Delete": {"TableName": "t", "Key": key}}]}),
        ),
    ] {
        let asked = || tables.answer(operation, &request(operation, &body));
        let stopped = catch_unwind(AssertUnwindSafe(asked)).is_err();
        assert!(stopped, "{operation} {body}");
    }
    assert!(tables.contents("t").is_empty());
}

#[test]
fn an_item_of_more_than_400_kilobytes_is_refused() {
    let tables = tables();
    for (length, status) in [(409_000, 200), (410_000, 400)] {
        let item = json!({"k": {"S": "a"}, "text": {"S": "x".repeat(length)}});
        let put = request("PutItem", &json!({"TableName": "t", "Item": item}));
        assert_eq!(tables.answer("PutItem", &put).status, status, "{length}");
    }
}
