//! What a provider holds and no ledger accounts for, on the page.

use domain::Timestamp;
use domain::books::{Posting, PostingKind, Stands};
use lambda_http::http::Method;
use operations::Orphan;
use serde_json::{Value, json};
use tests::money;

use crate::{Page, request, text};

async fn page_with_orphan() -> Page {
    let page = Page::open(None).await;
    let posting = Posting {
        kind: PostingKind::Payment,
        reference: "pi_7".to_owned(),
        order_id: Some("ord-7".parse().expect("an id")),
        amount: Some(money(3098, "USD")),
        stands: Stands::Held(money(3098, "USD")),
        made_at: Timestamp::now(),
    };
    let orphan = Orphan::found(posting, Timestamp::now());
    let kept = page.database.read_models.put_orphan(&orphan).await;
    assert_eq!(kept, Ok(true));
    page
}

/// What the steps were asked. The monitor is asked for snapshots besides.
fn asked(page: &Page) -> Vec<Value> {
    let calls = page.step_functions.calls().into_iter();
    let inputs = calls.map(|(_, input)| input);
    inputs.filter(|input| input["action"].is_string()).collect()
}

#[tokio::test]
async fn an_orphan_needs_a_person_who_lets_go_of_it_with_a_reason_and_a_yes() {
    let page = page_with_orphan().await;
    let (_, home) = page.get("/").await;
    assert!(home.contains("id=\"orphan-pi_7\"") && home.contains("30.98 USD held"));
    assert!(home.contains("<title>1 orphan") && !home.contains("Nothing needs a person"));
    let (status, form) = page.get("/orphans/pi_7").await;
    assert_eq!(status, 200);
    assert!(form.contains("ord-7") && form.contains("name=\"confirmed\""));

    page.step_functions.steps_answer(json!({"posting": null}));
    let own = "/orphans/pi_7/let-go";
    for (sent, told) in [
        ("reason=&confirmed=yes", "Say why"),
        ("reason=made+twice", "it was not confirmed"),
    ] {
        let (location, sent) = page.send(own, sent).await;
        assert!(location.ends_with("orphans/pi_7"), "{location}");
        let answer = page.get_with("/orphans/pi_7", &sent).await;
        assert!(text(&answer).contains(told), "{told}");
    }
    assert_eq!(asked(&page), Vec::<Value>::new(), "nothing was done");

    let (_, sent) = page.send(own, "reason=made+twice&confirmed=yes").await;
    let answer = page.get_with("/", &sent).await;
    assert!(text(&answer).contains("Let go of pi_7: nothing stands of it any more."));
    assert!(!text(&answer).contains("id=\"orphan-pi_7\""));
    let expected = json!({"action": "let_go", "reference": "pi_7"});
    assert_eq!(asked(&page), [expected]);
    let orphan = page.database.read_models.orphan("pi_7").await;
    let let_go = orphan.expect("an answer").and_then(|orphan| orphan.let_go);
    assert_eq!(let_go.expect("who and why").reason, "made twice");
    assert_eq!(page.get("/orphans/pi_7").await.0, 404);
}

#[tokio::test]
async fn a_program_lists_orphans_and_lets_go_of_them() {
    let page = page_with_orphan().await;
    let listed = page.json("/api/orphans").await;
    let orphan = &listed["orphans"][0];
    let told = (&orphan["reference"], &orphan["kind"], &orphan["order_id"]);
    assert_eq!(told, (&json!("pi_7"), &json!("payment"), &json!("ord-7")));
    let held = json!({"held": {"amount": 3098, "currency": "USD"}});
    assert_eq!(orphan["stands"], held);

    let post = async |path: &str, body: &str| {
        let headers = [("content-type", "application/json")];
        let answer = page.ask(request(&Method::POST, path, &headers, body)).await;
        let body: Value = serde_json::from_str(&text(&answer)).expect("JSON");
        (answer.status().as_u16(), body)
    };
    let reason = r#"{"reason": "made twice"}"#;
    assert_eq!(post("/api/orphans/pi_8/let-go", reason).await.0, 404);
    assert_eq!(post("/api/orphans/pi_7/let-go", "{}").await.0, 400);
    let why = r#"{"reason": "x", "force": true}"#;
    assert_eq!(post("/api/orphans/pi_7/let-go", why).await.0, 400);
    assert_eq!(asked(&page), Vec::<Value>::new(), "nothing was done");
    // The provider is still at it.
    let still = json!({"posting": {"kind": "payment", "reference": "pi_7", "order_id": "ord-7",
        "amount": null, "stands": held, "made_at": "2026-11-23T10:00:00Z"}});
    page.step_functions.steps_answer(still);
    let (status, body) = post("/api/orphans/pi_7/let-go", reason).await;
    assert_eq!(status, 200);
    assert_eq!(body["result"], "asked for; 30.98 USD held still");
    assert_eq!(
        page.json("/api/orphans").await["orphans"][0]["let_go"]["reason"],
        "made twice"
    );
    page.step_functions.steps_answer(json!({"posting": null}));
    let (status, _) = post("/api/orphans/pi_7/let-go", reason).await;
    assert_eq!(status, 200);
    assert_eq!(page.json("/api/orphans").await["orphans"], json!([]));
}
