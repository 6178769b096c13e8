use serde_json::json;

use crate::client::Sandbox;

#[tokio::test]
async fn a_notice_is_kept_as_it_came_until_all_is_emptied() {
    let sandbox = Sandbox::start().await;
    let (posts, kept, reset) = (
        format!("{}/webhooks/notices", sandbox.url),
        format!("{}/_sandbox/notices", sandbox.url),
        format!("{}/_sandbox/reset", sandbox.url),
    );
    // To the letter: what is signed is the text, not what it means.
    let body = r#"{"text":  "one\u0020"}"#;
    let request = sandbox.http.post(&posts).body(body);
    let request = request
        .header("webhook-id", "notice_1")
        .header("webhook-signature", "v1,abc")
        .header("authorization", "none of its business");
    assert_eq!(sandbox.send(request).await.unwrap().status, 204);
    let headers = json!({"webhook-id": "notice_1", "webhook-signature": "v1,abc"});
    let reply = sandbox.send(sandbox.http.get(&kept)).await.unwrap();
    assert_eq!(reply.body, json!([{"headers": headers, "body": body}]));
    sandbox.send(sandbox.http.post(&reset)).await.unwrap();
    let reply = sandbox.send(sandbox.http.get(&kept)).await.unwrap();
    assert_eq!(reply.body, json!([]));
}
