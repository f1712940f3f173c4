//! Which callers are accepted, and what they may see and use.

use countersign_protocol::{
    activation::NewPurpose, lease::LeaseLimits, purpose::Scope, session::LogIn,
    session::LoginChallenge,
};
use countersign_simulator::Profile;
use serde_json::json;

use super::client::{Client, another_requester, device, path};
use crate::test_server::{BEN, DOUG, ORIGIN, TestServer, operator};

const PATHS: [&str; 3] = ["/hsms", "/keys", "/keydomains"];

#[tokio::test]
async fn requests_without_a_valid_token_are_rejected() {
    let mut test = TestServer::ready(Profile::VENDOR).await;
    let (client, id) = Client::of(&test, DOUG, &[]).await;
    let lease = test.request_any_content("ec", 600, 5).await;
    test.open(&lease).await;
    let key = path(&test, "ec");
    client.sign(&key, "ECDSA", &[1; 32]).await.ok();

    let doug = test.doug().person.clone();
    test.server
        .tokens
        .revoke(&doug, false, &operator(&doug), &id)
        .await
        .expect("revoked");
    let anonymous = Client::with(&test, &[]).await;
    let wrong = Client::with(&test, &[("authorization", "Bearer cst_wrong")]).await;
    let basic = Client::with(&test, &[("authorization", "Basic YTpi")]).await;
    for client in [&client, &anonymous, &wrong, &basic] {
        for path in PATHS.iter().copied().chain([key.as_str()]) {
            let reply = client.get(path).await;
            assert_eq!(reply.rejection(), (401, "not-authenticated"), "{path}");
        }
        let reply = client.sign(&key, "ECDSA", &[2; 32]).await;
        assert_eq!(reply.rejection(), (401, "not-authenticated"));
    }
    assert_eq!(test.view(&lease).await.signatures, 1);
    test.shutdown().await;
}

/// A browser cannot be made to sign, because sessions and requests from other sites' pages are rejected.
#[tokio::test]
async fn requests_of_browsers_are_rejected() {
    let mut test = TestServer::ready(Profile::VENDOR).await;
    let (client, _) = Client::of(&test, DOUG, &[]).await;
    let lease = test.request_any_content("ec", 600, 5).await;
    test.open(&lease).await;
    let key = path(&test, "ec");
    client.sign(&key, "ECDSA", &[1; 32]).await.ok();
    let cookie = log_in(&mut test, DOUG).await;
    let session = Client::with(&test, &[("cookie", &cookie), ("origin", ORIGIN)]).await;
    for path in PATHS {
        let reply = session.get(path).await;
        assert_eq!(reply.rejection(), (401, "not-authenticated"), "{path}");
    }
    let reply = session.sign(&key, "ECDSA", &[2; 32]).await;
    assert_eq!(reply.rejection(), (401, "not-authenticated"));
    let page = client.and("origin", "https://evil.example");
    let reply = page.sign(&key, "ECDSA", &[2; 32]).await;
    assert_eq!(reply.rejection(), (403, "not-allowed"));
    assert_eq!(test.view(&lease).await.signatures, 1);
    test.shutdown().await;
}

#[tokio::test]
async fn a_token_limited_to_some_keys_sees_and_uses_only_these() {
    let mut test = TestServer::ready(Profile::VENDOR).await;
    let (rsa_only, _) = Client::of(&test, DOUG, &["rsa"]).await;
    let (ec_only, _) = Client::of(&test, DOUG, &["ec"]).await;
    let (neither, _) = Client::of(&test, DOUG, &["other"]).await;
    let id = test.request_any_content("ec", 600, 5).await;
    test.open(&id).await;
    let key = path(&test, "ec");
    ec_only.sign(&key, "ECDSA", &[1; 32]).await.ok();
    for client in [&rsa_only, &neither] {
        for path in PATHS {
            assert_eq!(client.get(path).await.ok(), json!([]), "{path}");
        }
        let reply = client.sign(&key, "ECDSA", &[2; 32]).await;
        assert_eq!(reply.rejection(), (404, "not-found"));
    }
    let labels = |keys: serde_json::Value| -> Vec<String> {
        let keys = keys.as_array().expect("a list").iter();
        keys.map(|key| key["label"].as_str().expect("a label").to_owned())
            .collect()
    };
    let of = async |client: &Client| labels(client.get("/keys?state=all").await.ok());
    assert_eq!(of(&rsa_only).await, ["rsa"]);
    assert_eq!(of(&ec_only).await, ["ec"]);
    assert_eq!(neither.get("/hsms?state=all").await.ok(), json!([]));
    assert_eq!(test.view(&id).await.signatures, 1);

    // A limited token cannot use a lease that includes other keys.
    super::client::lock(&test, &id).await;
    let both = NewPurpose::Sign {
        keys: vec!["ec".into(), "rsa".into()],
        scope: Scope::Open,
    };
    let limits = LeaseLimits {
        seconds: 600,
        signatures: 5,
    };
    let id = test
        .request(DOUG, both, Some(limits))
        .await
        .expect("requested")
        .id();
    test.open(&id).await;
    let reply = ec_only.sign(&key, "ECDSA", &[3; 32]).await;
    assert_eq!(reply.rejection(), (409, "not-open"));
    let everything = Client::doug(&test).await;
    everything.sign(&key, "ECDSA", &[3; 32]).await.ok();
    test.shutdown().await;
}

#[tokio::test]
async fn leases_of_other_people_cannot_be_used() {
    let mut test = TestServer::ready(Profile::VENDOR).await;
    let erin = another_requester(&mut test).await;
    let (stranger, _) = Client::of(&test, erin, &[]).await;
    // The owner of this token is not a requester.
    let (custodian, _) = Client::of(&test, BEN, &[]).await;
    let id = test.request_any_content("ec", 600, 5).await;
    test.open(&id).await;
    let (hsm, _) = device(&test).await;
    let key = path(&test, "ec");
    for path in PATHS {
        assert_eq!(stranger.get(path).await.ok(), json!([]), "{path}");
        let reply = custodian.get(path).await;
        assert_eq!(reply.rejection(), (403, "not-allowed"), "{path}");
    }
    for path in [key.clone(), format!("/hsms/{hsm}{key}")] {
        let reply = stranger.sign(&path, "ECDSA", &[1; 32]).await;
        assert_eq!(reply.rejection(), (409, "not-open"));
        assert!(!reply.detail().contains(id.as_str()), "{}", reply.detail());
        let reply = custodian.sign(&path, "ECDSA", &[1; 32]).await;
        assert_eq!(reply.rejection(), (403, "not-allowed"));
    }
    let all = stranger.get("/hsms?state=all").await.ok();
    assert_eq!(all[0]["open"], false);
    assert_eq!(test.view(&id).await.signatures, 0);
    test.shutdown().await;
}

/// The cookie of a portal session.
async fn log_in(test: &mut TestServer, index: usize) -> String {
    use axum::{
        body::{Body, to_bytes},
        http::{Request, header},
    };
    use tower::ServiceExt;
    let router = crate::test_server::router(&test.server).await;
    let challenge: LoginChallenge = test.server.people.challenge().expect("a challenge");
    let statement = test.people[index].card.log_in(&challenge.task);
    let body = serde_json::to_vec(&LogIn { statement }).expect("JSON");
    let request = Request::post("/api/v1/session")
        .header(header::ORIGIN, ORIGIN)
        .header(header::CONTENT_TYPE, "application/json")
        .body(Body::from(body))
        .expect("a request");
    let response = router.oneshot(request).await.expect("answers");
    let cookie = response.headers()[header::SET_COOKIE]
        .to_str()
        .expect("text")
        .to_owned();
    let _ = to_bytes(response.into_body(), usize::MAX).await;
    cookie.split(';').next().expect("a cookie").to_owned()
}
