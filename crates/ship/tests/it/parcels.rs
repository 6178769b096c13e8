//! What is bought is what is sent: weights, sizes, parcels and what customs are told.

use domain::{Customs, Dimensions, ErrorName, Goods};
use serde_json::{Value, json};
use ship::Action;
use tests::document;

use crate::{ORDER, Shop};

/// Mugs that can be sent abroad.
pub(crate) fn customs() -> Goods {
    Goods {
        weight_g: Some(350),
        dimensions_mm: Some(Dimensions([120, 90, 105])),
        customs: Some(Customs {
            hs_code: "691200".parse().expect("a code"),
            origin: "PT".parse().expect("a country"),
            description: "Ceramic mug".to_owned(),
        }),
    }
}

fn mugs(count: u32) -> Value {
    let mut document = document(ORDER);
    document["lines"][0]["quantity"] = json!(count);
    document["total"] = json!(1299 * count + 500);
    document
}

fn abroad() -> Value {
    let mut document = mugs(2);
    let address = &mut document["shipping_address"];
    address["country"] = json!("CH");
    address["postal_code"] = json!("8001");
    document
}

#[tokio::test]
async fn a_parcel_weighs_and_measures_what_the_catalogue_says() {
    let shop = Shop::with_order().await;
    shop.knows_mugs(&customs()).await;
    shop.run(Action::Book).await.expect("booked");
    let shipment = shop.shipment().await;
    let expected = json!([{
        "weight": {"value": 700, "unit": "gram"},
        "dimensions": {"unit": "centimeter", "length": 18.0, "width": 12.0, "height": 10.5},
    }]);
    assert_eq!(shipment["packages"], expected);
    assert_eq!(shipment["service_code"], "usps_priority_mail");
    assert_eq!(shipment["customs"], Value::Null);
}

#[tokio::test]
async fn an_article_of_which_nothing_is_known_has_the_accounts_weight() {
    let shop = Shop::with_order().await;
    shop.run(Action::Book).await.expect("booked");
    let expected = json!([{"weight": {"value": 800, "unit": "gram"}}]);
    assert_eq!(shop.shipment().await["packages"], expected);
}

#[tokio::test]
async fn customs_are_told_what_is_in_each_parcel_that_goes_abroad() {
    let shop = Shop::with_document(&abroad()).await;
    shop.knows_mugs(&customs()).await;
    shop.run(Action::Book).await.expect("booked");
    let shipment = shop.shipment().await;
    assert_eq!(shipment["service_code"], "usps_priority_mail_international");
    let told = json!({"contents": "merchandise", "non_delivery": "return_to_sender"});
    assert_eq!(shipment["customs"], told);
    let expected = json!([{
        "sku": "MUG-01", "description": "Ceramic mug", "quantity": 2,
        "value": {"currency": "usd", "amount": 12.99}, "weight": {"value": 350, "unit": "gram"},
        "harmonized_tariff_code": "691200", "country_of_origin": "PT",
    }]);
    assert_eq!(shipment["packages"][0]["products"], expected);
}

#[tokio::test]
async fn what_customs_cannot_be_told_is_not_sent_abroad() {
    let shop = Shop::with_document(&abroad()).await;
    let refused = shop.run(Action::Book).await.expect_err("no customs data");
    assert_eq!(refused.name(), ErrorName::Internal);
    assert!(refused.to_string().contains("MUG-01 has no customs data"));
    assert!(shop.sandbox.effects().await.is_empty());
    // Nothing was asked of the carrier, so nothing about the shipment is unknown.
    assert_eq!(shop.database.state(ORDER).await.book, None);
    // Somebody mends the catalogue, and the order goes on.
    shop.knows_mugs(&customs()).await;
    shop.run(Action::Book).await.expect("booked");
}

#[tokio::test]
async fn several_parcels_have_one_label_with_a_tracking_number_for_each() {
    let shop = Shop::with_document(&mugs(100)).await;
    shop.knows_mugs(&customs()).await;
    let booked = shop.run(Action::Book).await.expect("booked");
    let packages = shop.shipment().await["packages"].clone();
    let weights = packages.as_array().expect("parcels").iter();
    let weights: Vec<_> = weights.map(|one| one["weight"]["value"].clone()).collect();
    assert_eq!(weights, [json!(29_750), json!(5250)], "85 and 15 mugs");
    assert_eq!(shop.sandbox.effects().await, ["shipments"]);
    let labels = shop.asked("labels").await;
    let parcels = &labels["labels"][0]["packages"];
    assert_eq!(parcels[0]["tracking_number"], booked["tracking_number"]);
    assert_ne!(parcels[1]["tracking_number"], booked["tracking_number"]);
}

/// Then it may be there already, whatever the catalogue says since.
#[tokio::test]
async fn a_label_that_may_be_there_is_looked_for_before_anything_is_packed() {
    let shop = Shop::with_document(&abroad()).await;
    shop.knows_mugs(&customs()).await;
    shop.sandbox.plant("carrier", "book", "lose_response").await;
    shop.error(Action::Book).await;
    shop.knows_mugs(&Goods::default()).await;
    shop.run(Action::Book).await.expect("found");
    assert_eq!(shop.sandbox.effects().await, ["shipments"]);
}

#[tokio::test]
async fn the_same_order_makes_the_same_parcels_whatever_the_retry() {
    let shop = Shop::with_document(&mugs(100)).await;
    shop.knows_mugs(&customs()).await;
    shop.sandbox.plant("carrier", "book", "error").await;
    shop.error(Action::Book).await;
    let first = shop.shipment().await["packages"].clone();
    shop.wait_for_late_labels().await;
    shop.run(Action::Book).await.expect("booked");
    assert_eq!(shop.shipment().await["packages"], first);
}
