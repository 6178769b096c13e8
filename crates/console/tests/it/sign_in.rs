//! Who is let in. The whole way through an issuer is gone by `tests/stack/test_sign_in.py`.

use console::Issuer;
use lambda_http::http::Method;

use crate::{Page, request, text};

fn issuer() -> Issuer {
    Issuer {
        issuer: "https://issuer.example".to_owned(),
        client_id: "orders".to_owned(),
        authorize_url: "https://issuer.example/authorize".to_owned(),
        token_url: "http://127.0.0.1:9/token".to_owned(),
        jwks_url: "http://127.0.0.1:9/keys".to_owned(),
        logout_url: None,
        groups_claim: "groups".to_owned(),
        scopes: "openid email".to_owned(),
    }
}

#[tokio::test]
async fn nobody_sees_anything_before_signing_in() {
    let page = Page::open(Some(issuer())).await;
    let answer = page
        .ask(request(&Method::GET, "/orders/ord-1", &[], ""))
        .await;
    assert_eq!(answer.status(), 303);
    let there = answer.headers()["location"].to_str().expect("a place");
    assert_eq!(there, "../auth/sign-in?to=orders%2Ford-1");
    // Programs and polls get no page to sign in at.
    for (path, headers) in [("/api/orders", vec![]), ("/", vec![("x-poll", "1")])] {
        let answer = page.ask(request(&Method::GET, path, &headers, "")).await;
        assert_eq!(answer.status(), 401, "{path}");
    }
    let session = [("cookie", "__Host-session=not.a.token")];
    let answer = page
        .ask(request(&Method::GET, "/api/orders", &session, ""))
        .await;
    assert_eq!(answer.status(), 401);
    // Not one request to the database.
    assert!(page.requests.take().is_empty());
}

#[tokio::test]
async fn signing_in_begins_with_a_challenge_that_only_this_browser_can_meet() {
    let page = Page::open(Some(issuer())).await;
    let begin = async || {
        let asked = request(&Method::GET, "/auth/sign-in?to=orders", &[], "");
        let answer = page.ask(asked).await;
        let there = answer.headers()["location"]
            .to_str()
            .expect("a place")
            .to_owned();
        let cookie = answer.headers()["set-cookie"]
            .to_str()
            .expect("a cookie")
            .to_owned();
        (there, cookie)
    };
    let (there, cookie) = begin().await;
    for part in [
        "https://issuer.example/authorize?response_type=code&client_id=orders",
        "&redirect_uri=https%3A%2F%2Forders.example%2Fauth%2Fcallback",
        "&scope=openid+email&state=",
        "&nonce=",
        "&code_challenge=",
        "&code_challenge_method=S256",
    ] {
        assert!(there.contains(part), "{part} in {there}");
    }
    for part in [
        "__Host-sign-in=",
        "HttpOnly",
        "Secure",
        "SameSite=Lax",
        "Path=/",
    ] {
        assert!(cookie.contains(part), "{part} in {cookie}");
    }
    assert_ne!(begin().await.0, there, "each time another one");
}

#[tokio::test]
async fn an_answer_for_another_browser_signs_nobody_in() {
    let page = Page::open(Some(issuer())).await;
    let path = "/auth/callback?code=stolen&state=theirs";
    let answer = page.ask(request(&Method::GET, path, &[], "")).await;
    assert_eq!(answer.status(), 403);
    assert!(text(&answer).contains("no sign-in was begun"));
    assert!(answer.headers().get("set-cookie").is_none());
}
