//! What is known of articles, and of labels: what a request costs, and what is kept.

use std::collections::BTreeMap;

use domain::ports::{Catalogue as _, Orders as _};
use domain::{Article, Customs, Dimensions, Goods, Label, LabelledParcel, Line, Sku};
use tests::{Database, database, document, watched_database};

use crate::accepted;

fn mug(goods: Goods) -> Article {
    Article {
        sku: sku("MUG-01"),
        unit_price: tests::money(1299, "USD"),
        available: 5,
        goods,
    }
}

fn sku(text: &str) -> Sku {
    text.parse().expect("a sku")
}

fn known() -> Goods {
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

fn lines(names: &[&str]) -> Vec<Line> {
    let line = tests::submission(&document("o")).order.lines.remove(0);
    let line = |name: &&str| Line {
        sku: sku(name),
        ..line.clone()
    };
    names.iter().map(line).collect()
}

/// Whether that takes its customs data off.
async fn put(database: &Database, goods: Goods) -> bool {
    let put = database.store.put_article(&mug(goods)).await;
    put.expect("an article")
}

#[tokio::test]
async fn what_is_known_of_an_article_is_read_as_it_was_put_and_taken_off_again() {
    let database = database().await;
    assert!(!put(&database, known()).await, "it is new");
    assert!(!put(&database, known()).await, "it is the same");
    let read = database.store.article(&sku("MUG-01")).await;
    let read = read.expect("an answer").expect("the article");
    // The stock of an article that is known is what orders have left of it.
    assert_eq!((&read.goods, read.available), (&known(), 100));
    let lighter = Goods {
        weight_g: Some(300),
        customs: None,
        ..known()
    };
    assert!(
        put(&database, lighter.clone()).await,
        "customs data are lost"
    );
    let read = database.store.goods(&lines(&["MUG-01"])).await;
    assert_eq!(read, Ok(BTreeMap::from([(sku("MUG-01"), lighter)])));
    assert!(!put(&database, Goods::default()).await, "there were none");
    let read = database.store.goods(&lines(&["MUG-01"])).await;
    let nothing = BTreeMap::from([(sku("MUG-01"), Goods::default())]);
    assert_eq!(read, Ok(nothing));
}

#[tokio::test]
async fn the_articles_of_the_longest_order_are_one_request_and_those_that_are_none_are_left_out() {
    let (database, requests) = watched_database().await;
    let names: Vec<String> = (0..100).map(|number| format!("A-{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    for name in &names[1..] {
        database.article(name, 1, "USD", 1).await;
    }
    let _ = requests.take();
    let read = database.store.goods(&lines(&names)).await;
    assert_eq!(requests.take(), ["BatchGetItem"]);
    let read = read.expect("an answer");
    assert_eq!(read.len(), 99);
    assert!(!read.contains_key(&sku("A-0")));
}

fn label(id: &str, request: Option<&str>) -> Label {
    Label {
        id: id.to_owned(),
        carrier: "usps".to_owned(),
        tracking: "9400".to_owned(),
        cost: request.map(|_| tests::money(785, "USD")),
        request: request.map(str::to_owned),
        parcels: vec![LabelledParcel {
            tracking: None,
            weight_g: Some(700),
        }],
    }
}

#[tokio::test]
async fn the_first_note_of_a_label_stands_and_another_label_takes_its_place_whole() {
    let (database, requests) = watched_database().await;
    accepted(&database, "o").await;
    let id = "o".parse().expect("an id");
    let _ = requests.take();
    let bought = label("se-1", Some("request-1"));
    let found = label("se-1", None);
    let other = label("se-2", None);
    for (noted, kept) in [(&bought, &bought), (&found, &bought), (&other, &other)] {
        let done = database.store.note_label(&id, 1, noted).await;
        assert_eq!(done, Ok(()));
        assert_eq!(requests.take(), ["UpdateItem"]);
        let record = database.store.load(&id).await.expect("an answer");
        assert_eq!(
            &record.expect("the order").labels,
            std::slice::from_ref(kept)
        );
        let _ = requests.take();
    }
    // Of another attempt there is another one.
    let done = database.store.note_label(&id, 2, &bought).await;
    assert_eq!(done, Ok(()));
    let record = database.store.load(&id).await.expect("an answer");
    assert_eq!(record.expect("the order").labels, [other, bought]);
}
