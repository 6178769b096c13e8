//! What cannot be shipped is refused before money is held.

use std::collections::BTreeMap;

use domain::{Article, Customs, ErrorName, Goods, Packing, Stage};
use provider::Secret;
use serde_json::{Value, json};
use tests::{Sandbox, document, invocation, nobody, packing, sandbox, sdk_config};
use validate::{Action, ShipStation, Validate};

use crate::{ORDER, Shop, order_of, task};

async fn knows(shop: &Shop, goods: &Goods) {
    let article = Article {
        sku: "MUG-01".parse().expect("a sku"),
        unit_price: tests::money(1299, "USD"),
        available: 100,
        goods: goods.clone(),
    };
    let put = shop.database.store.put_article(&article).await;
    put.expect("an article");
}

fn abroad() -> Value {
    let mut document = document(ORDER);
    let address = &mut document["shipping_address"];
    address["country"] = json!("CH");
    address["postal_code"] = json!("8001");
    document
}

/// What customs can be told of.
fn with_customs() -> Goods {
    Goods {
        customs: Some(Customs {
            hs_code: "691200".parse().expect("a code"),
            origin: "PT".parse().expect("a country"),
            description: "Ceramic mug".to_owned(),
        }),
        ..Goods::default()
    }
}

/// Why it is refused. Nothing is reserved then.
async fn rejected(shop: &Shop) -> String {
    let error = shop.run(Action::Validate).await.expect_err("rejected");
    assert_eq!(error.name(), ErrorName::OrderRejected);
    assert_eq!(shop.database.state(ORDER).await.reserved_lines, 0);
    error.to_string()
}

#[tokio::test]
async fn an_article_without_customs_data_is_not_sold_abroad() {
    let shop = Shop::with_order(&abroad()).await;
    let reason = "MUG-01 has no customs data in the catalogue and cannot be sent abroad";
    assert!(rejected(&shop).await.contains(reason));
    knows(&shop, &with_customs()).await;
    shop.run(Action::Validate).await.expect("validated");
}

#[tokio::test]
async fn what_is_heavier_than_a_parcel_may_be_is_not_sold() {
    let shop = Shop::with_order(&document(ORDER)).await;
    let goods = Goods {
        weight_g: Some(30_001),
        ..Goods::default()
    };
    knows(&shop, &goods).await;
    let reason = "MUG-01 weighs 30001 g, and a parcel at most 30000 g";
    assert!(rejected(&shop).await.contains(reason));
}

/// The same shop, whose account can do less.
async fn rejected_by(shop: &Shop, packing: Packing) -> String {
    let limit = tests::money(crate::LIMIT, "USD");
    let limits = BTreeMap::from([(limit.currency(), limit)]);
    let validate: Validate<_, ShipStation> =
        Validate::new(shop.database.store.clone(), limits, packing);
    let by = invocation(ORDER, "request", 60_000);
    let error = validate.handle(task(Action::Validate, by)).await;
    let error = error.expect_err("rejected");
    assert_eq!(error.name(), ErrorName::OrderRejected);
    assert_eq!(shop.database.state(ORDER).await.reserved_lines, 0);
    error.to_string()
}

#[tokio::test]
async fn what_takes_several_parcels_is_not_sold_if_the_service_takes_one() {
    let shop = Shop::with_order(&document(ORDER)).await;
    let goods = Goods {
        weight_g: Some(20_000),
        ..Goods::default()
    };
    knows(&shop, &goods).await;
    let single = Packing {
        multi_package: false,
        ..packing()
    };
    let reason = "the order takes 2 parcels, and the carrier's service takes one";
    let told = rejected_by(&shop, single).await;
    assert!(told.contains(reason), "{told}");
    shop.run(Action::Validate).await.expect("validated");
}

#[tokio::test]
async fn nothing_is_sold_abroad_without_a_service_that_goes_there() {
    let shop = Shop::with_order(&abroad()).await;
    knows(&shop, &with_customs()).await;
    let at_home = Packing {
        ships_abroad: false,
        ..packing()
    };
    let told = rejected_by(&shop, at_home).await;
    assert!(told.contains("nothing is sent abroad, and CH is"), "{told}");
    shop.run(Action::Validate).await.expect("validated");
}

#[tokio::test]
async fn an_article_that_is_not_in_the_catalogue_is_told_as_before() {
    let mut document = order_of(&[("GONE-01", 1, 100)], "USD");
    document["shipping_address"]["country"] = json!("CH");
    let shop = Shop::with_order(&document).await;
    assert!(
        rejected(&shop)
            .await
            .contains("GONE-01 is not in the catalogue")
    );
}

/// The same shop with somebody who knows addresses.
struct Asking {
    shop: Shop,
    sandbox: Sandbox,
    validate: Validate<store::Store, ShipStation>,
}

impl Asking {
    async fn with_postal_code(postal_code: &str) -> Self {
        let mut document = document(ORDER);
        document["shipping_address"]["postal_code"] = json!(postal_code);
        Self::with_order(&document).await
    }

    async fn with_order(document: &Value) -> Self {
        let (shop, sandbox) = (Shop::with_order(document).await, sandbox().await);
        let secrets = sdk_config(&nobody().await);
        let addresses = ShipStation::new(&sandbox.url, Secret::known(&secrets, "local"));
        let limit = tests::money(crate::LIMIT, "USD");
        let limits = BTreeMap::from([(limit.currency(), limit)]);
        let validate = Validate::new(shop.database.store.clone(), limits, packing());
        Self {
            validate: validate.looking_up(addresses.expect("a client")),
            shop,
            sandbox,
        }
    }

    async fn run(&self) -> Result<Value, domain::StepError> {
        let by = invocation(ORDER, "request", 60_000);
        let outcome = self.validate.handle(task(Action::Validate, by)).await;
        tests::assert_impersonal(&format!("{outcome:?}"));
        outcome
    }

    async fn stage(&self) -> Stage {
        self.shop.database.state(ORDER).await.stage
    }
}

#[tokio::test]
async fn an_address_that_is_none_is_refused_before_money_is_held_and_by_name() {
    let asking = Asking::with_postal_code("99999").await;
    let error = asking.run().await.expect_err("rejected");
    assert_eq!(error.name(), ErrorName::OrderRejected);
    let reason = "the carrier knows no such address (address_not_found)";
    assert!(error.to_string().contains(reason), "{error}");
    assert_eq!(asking.stage().await, Stage::Received);
}

#[tokio::test]
async fn an_address_that_is_doubtful_or_cannot_be_looked_up_passes() {
    for postal_code in ["62701", "99998"] {
        let asking = Asking::with_postal_code(postal_code).await;
        asking.run().await.expect("validated");
    }
    let mut document = document(ORDER);
    document["shipping_address"]["country"] = json!("AQ");
    let asking = Asking::with_order(&document).await;
    knows(&asking.shop, &with_customs()).await;
    asking.run().await.expect("validated");
}

#[tokio::test]
async fn an_address_without_a_region_is_not_looked_up_by_an_invented_one() {
    let mut document = abroad();
    let address = document["shipping_address"].as_object_mut();
    address.expect("an address").remove("region");
    document["shipping_address"]["postal_code"] = json!("99999");
    let asking = Asking::with_order(&document).await;
    knows(&asking.shop, &with_customs()).await;
    asking.sandbox.plant("carrier", "validate", "decline").await;
    asking.run().await.expect("validated");
    assert!(asking.sandbox.fired().await.is_empty(), "it was asked");
}

#[tokio::test]
async fn a_carrier_that_does_not_answer_stops_no_order() {
    for mode in ["error", "refuse", "lose_response"] {
        let asking = Asking::with_postal_code("99999").await;
        asking.sandbox.plant("carrier", "validate", mode).await;
        asking.run().await.expect("validated");
        let fired = asking.sandbox.fired().await;
        assert_eq!(fired, [format!("validate {mode}")]);
    }
    for status in [401, 403, 404, 429, 500] {
        let asking = Asking::with_postal_code("99999").await;
        let sandbox = &asking.sandbox;
        sandbox.plant_status("carrier", "validate", status).await;
        asking.run().await.expect("validated");
        assert_eq!(sandbox.fired().await, ["validate error"], "{status}");
    }
}

#[tokio::test]
async fn an_address_is_looked_up_once_and_of_no_order_that_is_cancelled() {
    let asking = Asking::with_postal_code("62701").await;
    asking.run().await.expect("validated");
    asking.sandbox.plant("carrier", "validate", "decline").await;
    asking.run().await.expect("validated before");
    assert!(asking.sandbox.fired().await.is_empty());

    let asking = Asking::with_postal_code("99999").await;
    asking.shop.database.cancelled(ORDER).await;
    let error = asking.run().await.expect_err("cancelled");
    assert_eq!(error.name(), ErrorName::OrderCancelled);
}
