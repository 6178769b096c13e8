//! The two databases say the same: to random requests, and to whatever the shipped adapters ask.

use domain::ledger::{Authorization, Authorize, Book, Booking, Capture, CaptureResult};
use domain::ports::{Catalogue as _, Orders as _, Stock as _};
use domain::{Decision, ErrorName, Event, Failure, Status};
use operations::figures::Days;
use operations::trend::{Counter, Flow, Increment};
use operations::{Movement, Projection};
use proptest::prelude::*;
use proptest::sample::select;
use read_models::{Behind, OpenPart};
use serde_json::{Map, Value, json};
use tests::{ORDERS, READ_MODELS, audited, document, invocation, money};
use wire::{Request, Service};

use crate::shop;

/// An expression with what it needs.
#[derive(Debug, Clone, Default)]
struct Expression {
    text: String,
    values: Map<String, Value>,
}

impl Expression {
    fn join(parts: Vec<Self>, between: &str) -> Self {
        let texts: Vec<&str> = parts.iter().map(|part| part.text.as_str()).collect();
        let text = texts.join(between);
        let values = parts.into_iter().flat_map(|part| part.values).collect();
        Self { text, values }
    }
}

/// Attributes are few, so that requests meet.
const PATHS: [&str; 7] = ["aa", "bb", "mm", "mm.aa", "mm.bb", "#nn", "mm.#nn"];

fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        3 => number(),
        3 => text(),
        1 => any::<bool>().prop_map(|yes| json!({"BOOL": yes})),
        1 => Just(json!({"NULL": true})),
        1 => set(),
        1 => Just(json!({"L": [{"N": "1"}, {"S": "a"}]})),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    let map = prop::collection::btree_map(select(vec!["aa", "bb", "nn"]), scalar(), 0..3);
    prop_oneof![5 => scalar(), 1 => map.prop_map(|map| json!({"M": map}))]
}

fn number() -> impl Strategy<Value = Value> {
    (-2..12_i64).prop_map(|number| json!({"N": number.to_string()}))
}

fn set() -> impl Strategy<Value = Value> {
    let texts = prop::collection::btree_set(select(vec!["a", "b", "c"]), 1..3);
    texts.prop_map(|texts| json!({"SS": texts}))
}

fn text() -> impl Strategy<Value = Value> {
    select(vec!["", "a", "ab", "b", "ä"]).prop_map(|text| json!({"S": text}))
}

/// A placeholder with its value, named by the value so that no two are in each other's way. What is of no use
/// where it stands, such as a list as a bound, the embedded database refuses only once it gets there.
fn bound(value: impl Strategy<Value = Value>) -> impl Strategy<Value = Expression> {
    value.prop_map(|value| {
        let hash = value.to_string().bytes().fold(7_u64, |hash, byte| {
            hash.wrapping_mul(31).wrapping_add(u64::from(byte))
        });
        let name = format!(":v{hash}");
        Expression {
            text: name.clone(),
            values: Map::from_iter([(name, value)]),
        }
    })
}

fn path() -> impl Strategy<Value = Expression> {
    select(PATHS.to_vec()).prop_map(|path| Expression {
        text: path.to_owned(),
        ..Expression::default()
    })
}

fn wrapped(before: &str, inner: Vec<Expression>, between: &str, after: &str) -> Expression {
    let inner = Expression::join(inner, between);
    Expression {
        text: format!("{before}{}{after}", inner.text),
        ..inner
    }
}

fn condition() -> impl Strategy<Value = Expression> {
    let ordered = || prop_oneof![number(), text()];
    let equality = (path(), select(vec![" = ", " <> "]), bound(value()));
    let order = (
        path(),
        select(vec![" < ", " <= ", " > ", " >= "]),
        bound(ordered()),
    );
    let single = prop_oneof![
        3 => path().prop_map(|path| wrapped("attribute_exists(", vec![path], "", ")")),
        3 => path().prop_map(|path| wrapped("attribute_not_exists(", vec![path], "", ")")),
        3 => equality.prop_map(|(path, by, value)| Expression::join(vec![path, value], by)),
        3 => order.prop_map(|(path, by, value)| Expression::join(vec![path, value], by)),
        1 => (path(), bound(text())).prop_map(|(path, value)| {
            wrapped("begins_with(", vec![path, value], ", ", ")")
        }),
        1 => (path(), 0..5_i64, 0..5_i64).prop_map(|(path, from, more)| {
            let name = |number: i64| format!(":n{number}");
            let value = |number: i64| (name(number), json!({"N": number.to_string()}));
            Expression {
                text: format!("{} BETWEEN {} AND {}", path.text, name(from), name(from + more)),
                values: Map::from_iter([value(from), value(from + more)]),
            }
        }),
    ];
    single.prop_recursive(2, 6, 3, |inner| {
        let some = prop::collection::vec(inner, 2..4);
        (some, any::<bool>(), any::<bool>()).prop_map(|(parts, all, bracketed)| {
            let between = if all { " AND " } else { " OR " };
            let brackets = if bracketed { ("(", ")") } else { ("", "") };
            wrapped(brackets.0, parts, between, brackets.1)
        })
    })
}

fn update() -> impl Strategy<Value = Expression> {
    let source = prop_oneof![
        4 => bound(value()),
        1 => path(),
        2 => (path(), bound(value()))
            .prop_map(|(path, value)| wrapped("if_not_exists(", vec![path, value], ", ", ")")),
        2 => (path(), select(vec![" + ", " - "]), bound(number()))
            .prop_map(|(path, by, value)| Expression::join(vec![path, value], by)),
    ];
    let set_to =
        (path(), source).prop_map(|(path, source)| wrapped("SET ", vec![path, source], " = ", ""));
    let added = (path(), bound(prop_oneof![number(), set()]))
        .prop_map(|(path, value)| wrapped("ADD ", vec![path, value], " ", ""));
    let deleted = (path(), bound(set()))
        .prop_map(|(path, value)| wrapped("DELETE ", vec![path, value], " ", ""));
    let remove = path().prop_map(|path| wrapped("REMOVE ", vec![path], "", ""));
    let section = prop_oneof![
        4 => set_to, 1 => remove, 2 => added, 1 => deleted,
    ];
    prop::collection::vec(section, 1..3).prop_map(|mut sections| {
        // Each section at most once.
        sections.sort_by_key(|section| section.text[..3].to_owned());
        sections.dedup_by_key(|section| section.text[..3].to_owned());
        Expression::join(sections, " ")
    })
}

fn key() -> impl Strategy<Value = Value> {
    (select(vec!["o1", "o2"]), select(vec!["i1", "i2"]))
        .prop_map(|(order, item)| json!({"order_id": {"S": order}, "item": {"S": item}}))
}

fn item() -> impl Strategy<Value = Value> {
    let fields = prop::collection::btree_map(select(vec!["aa", "bb", "mm", "nn"]), value(), 0..4);
    (key(), fields).prop_map(|(mut key, fields)| {
        for (name, value) in fields {
            key[name] = value;
        }
        key
    })
}

/// Puts the placeholders of expressions beside them.
fn bind(request: &mut Value, expressions: &[&Expression]) {
    let texts: String = expressions.iter().map(|it| it.text.as_str()).collect();
    if texts.contains("#nn") {
        request["ExpressionAttributeNames"] = json!({"#nn": "nn"});
    }
    let values = expressions.iter().flat_map(|it| it.values.clone());
    let values: Map<String, Value> = values.collect();
    if !values.is_empty() {
        request["ExpressionAttributeValues"] = json!(values);
    }
}

fn write() -> impl Strategy<Value = (&'static str, Value)> {
    let condition = || prop::option::of(condition());
    let put = (item(), condition()).prop_map(|(item, condition)| {
        let mut request = json!({"TableName": ORDERS, "Item": item});
        let condition = condition.unwrap_or_default();
        if !condition.text.is_empty() {
            request["ConditionExpression"] = condition.text.clone().into();
        }
        bind(&mut request, &[&condition]);
        ("Put", request)
    });
    let update = (key(), update(), condition()).prop_map(|(key, update, condition)| {
        let mut request = json!({"TableName": ORDERS, "Key": key, "UpdateExpression": update.text});
        let condition = condition.unwrap_or_default();
        if !condition.text.is_empty() {
            request["ConditionExpression"] = condition.text.clone().into();
        }
        bind(&mut request, &[&update, &condition]);
        ("Update", request)
    });
    (prop_oneof![put, update], any::<bool>()).prop_map(|((kind, mut write), old)| {
        if old {
            write["ReturnValuesOnConditionCheckFailure"] = "ALL_OLD".into();
        }
        (kind, write)
    })
}

/// A row in the indexes.
fn row() -> impl Strategy<Value = Value> {
    let number =
        || prop::option::of((-1..4_i64).prop_map(|number| json!({"N": number.to_string()})));
    let shard = prop::option::of(select(vec![
        json!({"S": "0"}),
        json!({"S": "1"}),
        json!({"N": "1"}),
    ]));
    (select(vec!["p1", "p2"]), 0..6_u8, shard, number(), number()).prop_map(
        |(partition, sort, shard, due_at, ended_at)| {
            let mut row = json!({"pk": {"S": partition}, "sk": {"S": format!("s{sort}")},
                "closed_as": {"S": "completed"}});
            let fields = [
                ("open_shard", shard),
                ("due_at", due_at),
                ("ended_at", ended_at),
            ];
            for (name, value) in fields {
                if let Some(value) = value {
                    row[name] = value;
                }
            }
            row
        },
    )
}

/// A query of which all pages are read.
fn query() -> impl Strategy<Value = Value> {
    let sort = |name: &'static str, value: fn(i64) -> Value| {
        let comparison = select(vec![" = ", " < ", " <= ", " > ", " >= "]);
        let compared = (comparison, -1..6_i64).prop_map(move |(by, number)| {
            (format!(" AND {name}{by}:x"), json!({":x": value(number)}))
        });
        let between = (-1..6_i64, -1..6_i64).prop_map(move |(from, to)| {
            let text = format!(" AND {name} BETWEEN :x AND :y");
            (text, json!({":x": value(from), ":y": value(to)}))
        });
        prop_oneof![
            2 => Just((String::new(), json!({}))), 2 => compared, 1 => between,
        ]
    };
    let text = |number: i64| json!({"S": format!("s{number}")});
    let number = |number: i64| json!({"N": number.to_string()});
    let prefixes = select(vec!["s", "s1", "t"]).prop_map(|prefix| {
        (
            " AND begins_with(sk, :x)".to_owned(),
            json!({":x": {"S": prefix}}),
        )
    });
    let of = prop_oneof![
        3 => sort("sk", text).prop_map(|rest| (None, "pk", "p1", rest)),
        1 => prefixes.prop_map(|rest| (None, "pk", "p1", rest)),
        2 => sort("due_at", number)
            .prop_map(|rest| (Some("open"), "open_shard", "0", rest)),
        1 => sort("ended_at", number)
            .prop_map(|rest| (Some("closed"), "closed_as", "completed", rest)),
    ];
    let limit = prop::option::of(1..4_u8);
    (of, limit, any::<bool>()).prop_map(
        |((index, name, partition, (rest, values)), limit, forward)| {
            let mut request = json!({"TableName": READ_MODELS, "ScanIndexForward": forward,
                "KeyConditionExpression": format!("{name} = :p{rest}"),
                "ExpressionAttributeValues": values});
            request["ExpressionAttributeValues"][":p"] = json!({"S": partition});
            if let Some(index) = index {
                request["IndexName"] = index.into();
            }
            if let Some(limit) = limit {
                request["Limit"] = limit.into();
            }
            request
        },
    )
}

/// A request: its operation, and what is asked.
fn request() -> impl Strategy<Value = (&'static str, Value)> {
    let single = (write(), select(vec!["NONE", "ALL_OLD", "ALL_NEW"])).prop_map(
        |((kind, mut write), returned)| {
            if kind == "Update" || returned != "ALL_NEW" {
                write["ReturnValues"] = returned.into();
            }
            (
                if kind == "Put" {
                    "PutItem"
                } else {
                    "UpdateItem"
                },
                write,
            )
        },
    );
    let check = (key(), condition()).prop_map(|(key, condition)| {
        let mut check =
            json!({"TableName": ORDERS, "Key": key, "ConditionExpression": condition.text});
        bind(&mut check, &[&condition]);
        ("ConditionCheck", check)
    });
    let member = prop_oneof![4 => write(), 1 => check];
    let token = prop::option::of(select(vec!["t1", "t2"]));
    let transaction = (prop::collection::vec(member, 1..4), token).prop_map(|(writes, token)| {
        let writes: Vec<Value> = writes
            .into_iter()
            .map(|(kind, it)| json!({kind: it}))
            .collect();
        let mut request = json!({"TransactItems": writes});
        if let Some(token) = token {
            request["ClientRequestToken"] = token.into();
        }
        ("TransactWriteItems", request)
    });
    let get = key().prop_map(|key| ("GetItem", json!({"TableName": ORDERS, "Key": key})));
    let batch = prop::collection::vec(key(), 1..4).prop_map(|keys| {
        (
            "BatchGetItem",
            json!({"RequestItems": {ORDERS: {"Keys": keys,
                "ProjectionExpression": "order_id, aa, #nn",
                "ExpressionAttributeNames": {"#nn": "nn"}}}}),
        )
    });
    let row = row().prop_map(|row| ("PutItem", json!({"TableName": READ_MODELS, "Item": row})));
    let rows = prop::collection::vec(self::row(), 1..4).prop_map(|rows| {
        let puts: Vec<Value> = rows
            .iter()
            .map(|row| json!({"PutRequest": {"Item": row}}))
            .collect();
        (
            "BatchWriteItem",
            json!({"RequestItems": {READ_MODELS: puts}}),
        )
    });
    let query = query().prop_map(|query| ("Query", query));
    prop_oneof![
        8 => single, 3 => transaction, 1 => get, 1 => batch,
        4 => row, 1 => rows, 4 => query,
    ]
}

fn runtime() -> tokio::runtime::Runtime {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.expect("a runtime")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn both_databases_answer_any_request_alike(
        requests in prop::collection::vec(request(), 1..40)
    ) {
        runtime().block_on(async {
            let (wire, _) = shop().await;
            let ask = async |operation: &str, body: &Value| {
                let request = Request {
                    caller: "test".into(),
                    service: Service::DynamoDb,
                    operation: operation.to_owned(),
                    path: "/".to_owned(),
                    body: body.to_string().into_bytes(),
                };
                wire.ask(request).await
            };
            for (operation, mut body) in requests {
                let mut answer = ask(operation, &body).await;
                // Page by page to the end.
                while let Some(last) = serde_json::from_str::<Value>(&answer.body)
                    .ok()
                    .and_then(|answer| answer.get("LastEvaluatedKey").cloned())
                {
                    body["ExclusiveStartKey"] = last;
                    answer = ask(operation, &body).await;
                }
            }
            for table in [ORDERS, READ_MODELS] {
                let _ = wire.contents(table);
            }
        });
    }
}

/// What is asked of the adapters, about one of a few orders.
const ASKED: u8 = 24;

#[expect(clippy::too_many_lines, reason = "a line or two for each call")]
async fn ask(database: &tests::Database, what: u8, order: u8, owner: u8) {
    let (store, read_models) = (&database.store, &database.read_models);
    let name = format!("ord-{order}");
    let submission = tests::submission(&document(&name));
    let by = invocation(&name, &format!("owner-{owner}"), 60_000 * i64::from(owner));
    let id = &by.order_id;
    let now = by.now;
    let event = audited(Event::Approved);
    let movement = Movement {
        flow: Flow::Captured,
        amount: money(u64::from(owner) + 1, "USD"),
        order_id: id.clone(),
        attempt: 1,
        at: now,
    };
    // What comes of it is for the databases to agree upon.
    match what {
        0 | 1 => drop(store.accept(&submission, now).await),
        2 => drop(store.reserve(&by, &submission.order, owner == 0).await),
        3 | 4 => drop(store.claim::<Authorize>(&by).await),
        5 => {
            let held = Authorization::Held {
                payment: "pay".to_owned(),
                made_at: Some(now),
            };
            drop(store.commit::<Authorize>(&by, held).await);
        }
        6 => drop(store.claim::<Book>(&by).await),
        7 => {
            let booked = Booking::Booked {
                label: "label".to_owned(),
                carrier: "ups".to_owned(),
                tracking: "1Z".to_owned(),
            };
            drop(store.commit::<Book>(&by, booked).await);
        }
        8 => drop(store.claim::<Capture>(&by).await),
        9 => drop(
            store
                .commit::<Capture>(
                    &by,
                    CaptureResult::Refused {
                        code: "no".to_owned(),
                    },
                )
                .await,
        ),
        10 => drop(store.relinquish::<Authorize>(&by).await),
        11 => drop(store.give_back::<Authorize>(&by).await),
        12 => drop(store.withdraw::<Authorize>(&by).await),
        13 => {
            let failure = Failure::new(ErrorName::Internal, "as a test wants it", now);
            drop(store.begin_reversal(&by, failure).await);
        }
        14 => drop(store.request_cancel(id, now).await),
        15 => drop(store.open_review(&by, "token").await),
        16 => drop(store.decide_review(id, Decision::Approved, &event).await),
        17 => {
            if let Ok(Some(record)) = store.load(id).await {
                drop(
                    store
                        .modify(&record.state, &submission.personal, &event)
                        .await,
                );
                let lines = &record.order.lines;
                drop(store.goods(lines).await);
                if record.state.failure.is_some() {
                    drop(store.release_and_close(&by, lines, record.state).await);
                }
            }
        }
        18 => {
            let state = domain::OrderState::received(&submission.order, now);
            let mut next = Projection::received(&state);
            next.revision = u64::from(owner) + 1;
            drop(read_models.put_projection(&next).await);
            drop(read_models.postpone(id, now).await);
        }
        19 => {
            drop(read_models.enter(&movement).await);
            let day = movement.day();
            drop(read_models.figures(Days { from: day, to: day }).await);
            drop(read_models.movements(day, Behind::default(), None, 1).await);
        }
        20 => {
            let counted = Counter::Money(Flow::Captured, movement.amount.currency());
            drop(
                read_models
                    .count(
                        &[Increment {
                            counter: counted,
                            by: 2,
                        }],
                        now,
                    )
                    .await,
            );
            drop(read_models.counted_since(now).await);
        }
        21 => {
            for part in OpenPart::all() {
                drop(read_models.open_part(part, Some(1)).await);
            }
            drop(read_models.projections(std::slice::from_ref(id)).await);
        }
        22 => drop(read_models.closed_orders(Status::Completed, None, 2).await),
        _ => drop(read_models.claim_snapshot(now, 60).await),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(50))]

    #[test]
    fn both_databases_answer_the_shipped_adapters_alike(
        calls in prop::collection::vec((0..ASKED, 0..2_u8, 0..3_u8), 1..40)
    ) {
        runtime().block_on(async {
            let (wire, database) = shop().await;
            for (what, order, owner) in calls {
                ask(&database, what, order, owner).await;
            }
            for table in [ORDERS, READ_MODELS, tests::STOCK] {
                let _ = wire.contents(table);
            }
            let _ = wire.take_changes();
        });
    }
}
