//! Bounds of values in requests.

use axum::{
    Router,
    http::{StatusCode, header},
};
use countersign_protocol::problem::{Problem, ProblemCode};
use countersign_simulator::Profile;
use serde_json::{Value, json};

use crate::{
    http::{code, json as read, log_in, send},
    test_server::{ANNA, DOUG, ORIGIN, TestServer, router},
    tls::server::token_for,
};

async fn rejection(router: &Router, path: &str, headers: &[(&str, &str)], body: Value) -> Problem {
    let response = send(router, "POST", path, headers, Some(body.to_string())).await;
    assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{path}");
    assert!(response.headers().contains_key(header::CONTENT_TYPE));
    read(response).await
}

#[tokio::test]
async fn names_are_checked_before_use_and_not_repeated_whole() {
    let mut test = TestServer::with_people(Profile::VENDOR).await;
    let router = router(&test.server).await;
    let anna = log_in(&mut test, &router, ANNA).await;
    let doug = log_in(&mut test, &router, DOUG).await;
    let admin = [("cookie", anna.as_str()), ("origin", ORIGIN)];
    let requester = [("cookie", doug.as_str()), ("origin", ORIGIN)];
    let long = "x".repeat(50_000);
    let token = |keys: Vec<&str>| json!({"type": "create-token", "label": "build", "days": 1, "keys": keys});
    let invitation = |mail: &str| json!({"type": "invite-person", "name": "Eve", "roles": ["requester"], "mail": mail});
    let request = |hsm: Option<&str>, keys: Vec<&str>| {
        json!({
            "hsm": hsm, "reason": "a build",
            "purpose": {"type": "sign", "keys": keys, "scope": {"type": "open"}}
        })
    };
    for (path, headers, body) in [
        ("/acts", &requester, token(vec![&long])),
        ("/acts", &requester, token(vec!["key"; 65])),
        ("/acts", &admin, invitation(&long)),
        ("/activations", &requester, request(None, vec![&long])),
        (
            "/activations",
            &requester,
            request(None, vec!["key"; 100_000]),
        ),
        (
            "/activations",
            &requester,
            request(Some(&long), vec!["key"]),
        ),
        (
            "/acts",
            &requester,
            json!({"type": "create-token", "label": "build", "days": long, "keys": []}),
        ),
    ] {
        let problem = rejection(&router, path, headers, body).await;
        assert!(
            problem.detail.len() < 500,
            "{path}: {}",
            problem.detail.len()
        );
    }
    test.shutdown().await;
}

#[tokio::test]
async fn programs_learn_nothing_about_people() {
    let test = TestServer::with_people(Profile::VENDOR).await;
    let router = router(&test.server).await;
    let secret = token_for(&test, &[], None).await.expect("a token").secret;
    let bearer = format!("Bearer {secret}");
    let headers = [("authorization", bearer.as_str())];
    let response = send(&router, "GET", "/operators", &headers, None).await;
    assert_eq!(code(response).await, ProblemCode::NotAllowed);
    test.shutdown().await;
}
