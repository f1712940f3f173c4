//! Requests that are rejected with a clear 4xx status.

use countersign_simulator::Profile;
use serde_json::json;

use super::client::{Client, device, path};
use crate::test_server::TestServer;

async fn activations(test: &TestServer) -> usize {
    let mut connection = test.server.store.read().await.expect("a connection");
    countersign_server::store::activations::newest(
        &mut connection,
        countersign_server::store::activations::Which::All,
        None,
        100,
        None,
    )
    .await
    .expect("a list")
    .len()
}

#[tokio::test]
async fn invalid_input_is_rejected() {
    let mut test = TestServer::ready(Profile::VENDOR).await;
    let client = Client::doug(&test).await;
    let id = test.request_any_content("ec", 600, 5).await;
    test.open(&id).await;
    let ec = path(&test, "ec");
    let rsa = path(&test, "rsa");
    // SHA-1, SHA-224, an empty hash, one byte too many, and a DigestInfo for SHA-256.
    for (key, algorithm, length) in [
        (&ec, "ECDSA", 20),
        (&rsa, "RSA_PKCS1", 20),
        (&rsa, "RSA_PSS", 20),
        (&ec, "ECDSA", 28),
        (&ec, "ECDSA", 0),
        (&ec, "ECDSA", 33),
        (&rsa, "RSA_PKCS1", 51),
        (&rsa, "RSA_PSS", 256),
        (&ec, "RSA_PKCS1", 32),
        (&ec, "RSA_PSS", 32),
        (&rsa, "ECDSA", 32),
        (&ec, "ECDSA_SHA256", 32),
        (&ec, "ecdsa", 32),
        (&rsa, "RSA", 256),
        (&ec, "", 32),
    ] {
        let reply = client.sign(key, algorithm, &vec![1; length]).await;
        assert_eq!(
            reply.rejection(),
            (400, "invalid-request"),
            "{algorithm} {length}"
        );
    }
    let hash = "11".repeat(32);
    for body in [
        String::new(),
        "{".into(),
        "[]".into(),
        "null".into(),
        json!({"hash": hash}).to_string(),
        json!({"algo": "ECDSA"}).to_string(),
        json!({"hash": 1, "algo": "ECDSA"}).to_string(),
        json!({"hash": null, "algo": "ECDSA"}).to_string(),
        json!({"hash": format!("{hash}1"), "algo": "ECDSA"}).to_string(),
        json!({"hash": "zz".repeat(32), "algo": "ECDSA"}).to_string(),
        json!({"hash": "ä".repeat(32), "algo": "ECDSA"}).to_string(),
    ] {
        let reply = client
            .send("POST", &format!("{ec}/signhash"), Some(body.clone()))
            .await;
        assert_eq!(reply.rejection(), (400, "invalid-request"), "{body}");
    }
    let huge = client
        .send("POST", &format!("{ec}/signhash"), Some("a".repeat(100_000)))
        .await;
    assert_eq!(huge.rejection(), (400, "invalid-request"));
    // Other fields of a request are ignored, and hex may be in either case.
    let body = json!({"hash": "aB".repeat(32), "algo": "ECDSA", "note": 1}).to_string();
    client
        .send("POST", &format!("{ec}/signhash"), Some(body))
        .await
        .ok();
    assert_eq!(test.view(&id).await.signatures, 1);
    test.shutdown().await;
}

#[tokio::test]
async fn a_locked_key_names_the_next_step_and_requests_nothing() {
    let mut test = TestServer::ready(Profile::VENDOR).await;
    let client = Client::doug(&test).await;
    let (hsm, domain) = device(&test).await;
    let key = path(&test, "ec");
    let before = activations(&test).await;
    for path in [
        key.clone(),
        format!("/hsms/{hsm}{key}"),
        format!("/keydomains/{domain}{key}"),
    ] {
        let reply = client.sign(&path, "ECDSA", &[1; 32]).await;
        assert_eq!(reply.rejection(), (409, "not-open"), "{path}");
        assert!(
            reply.detail().contains("/api/v1/activations"),
            "{}",
            reply.detail()
        );
    }
    assert_eq!(activations(&test).await, before);
    for path in [
        "/keys/FF".to_owned(),
        format!("/hsms/nobody{key}"),
        format!("/hsms/{hsm}/keys/FF"),
        format!("/keydomains/00{key}"),
    ] {
        let reply = client.sign(&path, "ECDSA", &[1; 32]).await;
        assert_eq!(reply.rejection(), (404, "not-found"), "{path}");
    }
    // The error names an activation that is waiting for approvals.
    let id = test.request_any_content("ec", 600, 5).await;
    let reply = client.sign(&key, "ECDSA", &[1; 32]).await;
    assert_eq!(reply.rejection(), (409, "not-open"));
    assert!(reply.detail().contains(id.as_str()), "{}", reply.detail());
    // The HSM is open for another key.
    test.open(&id).await;
    let other = client.sign(&path(&test, "rsa"), "RSA_PSS", &[1; 32]).await;
    assert_eq!(other.rejection(), (409, "not-open"));
    client.sign(&key, "ECDSA", &[1; 32]).await.ok();
    // A key on a disconnected device does not exist.
    test.hsm.remove();
    test.wait_for(&id, |view| view.state.is_ended()).await;
    let gone = client.sign(&key, "ECDSA", &[2; 32]).await;
    assert_eq!(gone.rejection(), (404, "not-found"));
    assert_eq!(client.get("/hsms?state=all").await.ok(), json!([]));
    test.shutdown().await;
}
