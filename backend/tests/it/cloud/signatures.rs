//! Signatures have the form of the cloud service, and are counted, recorded and audited as all others.

use countersign_protocol::{
    activation::EndReason,
    audit::{Actor, AuditEvent},
    cvc::{Curve, EcSignature},
    mechanism::Mechanism,
};
use countersign_server::store;
use countersign_simulator::Profile;
use serde_json::json;

use super::client::{Client, Reply, device, lock, path, public_key};
use crate::test_server::{DOUG, TestServer, reason, request_for};

fn signature(reply: Reply) -> Vec<u8> {
    let json = reply.ok();
    let text = json["signature"].as_str().expect("hex");
    assert_eq!(json, json!({"signature": text.to_uppercase()}));
    hex::decode(text).expect("hex")
}

#[tokio::test]
async fn every_algorithm_and_hash_signs_by_every_path() {
    let mut test = TestServer::ready(Profile::VENDOR).await;
    let (client, token) = Client::of(&test, DOUG, &[]).await;
    let (hsm, domain) = device(&test).await;
    let mut made = 0;
    for (label, algorithms) in [
        (
            "ec",
            vec![(
                "ECDSA",
                // The key's curve is too small for a longer hash function.
                [Mechanism::EcdsaSha256; 3],
            )],
        ),
        (
            "rsa",
            vec![
                (
                    "RSA_PKCS1",
                    [
                        Mechanism::RsaPkcs1Sha256,
                        Mechanism::RsaPkcs1Sha384,
                        Mechanism::RsaPkcs1Sha512,
                    ],
                ),
                (
                    "RSA_PSS",
                    [
                        Mechanism::RsaPssSha256,
                        Mechanism::RsaPssSha384,
                        Mechanism::RsaPssSha512,
                    ],
                ),
            ],
        ),
    ] {
        let id = test.request_any_content(label, 600, 50).await;
        test.open(&id).await;
        let key = path(&test, label);
        let public = public_key(&test, label);
        let paths = [
            key.clone(),
            format!("/hsms/{hsm}{key}"),
            format!("/keydomains/{domain}{key}"),
        ];
        for (algorithm, mechanisms) in algorithms {
            for (mechanism, path) in mechanisms.into_iter().zip(&paths) {
                let length = mechanism.hash().expect("a hash").digest_len();
                let hash = vec![u8::try_from(made).expect("a small number"); length];
                let signature = signature(client.sign(path, algorithm, &hash).await);
                mechanism
                    .verify(&public, &hash, &signature)
                    .unwrap_or_else(|error| panic!("{mechanism}: {error}"));
                if algorithm == "ECDSA" {
                    EcSignature::from_der(&signature, Curve::Secp256r1).expect("DER");
                }
                made += 1;
            }
        }
        let view = lock(&test, &id).await;
        assert_eq!(view.signatures, if label == "ec" { 3 } else { 6 });
    }
    let mut connection = test.server.store.read().await.expect("a connection");
    let page = store::audit::page(&mut connection, None, 10_000)
        .await
        .expect("the log");
    drop(connection);
    let signed = page.entries.iter().filter(|entry| {
        matches!(entry.event, AuditEvent::Signed { .. })
            && matches!(&entry.actor, Actor::Token { token: by, .. } if *by == token)
    });
    assert_eq!(signed.count(), made);
    test.shutdown().await;
}

/// The cloud service makes a new signature for each request; here an equal request under a lease makes one.
#[tokio::test]
async fn a_repeated_request_returns_the_recorded_signature_and_counts_once() {
    let mut test = TestServer::ready(Profile::VENDOR).await;
    let client = Client::doug(&test).await;
    let id = test.request_any_content("rsa", 600, 3).await;
    test.open(&id).await;
    let key = path(&test, "rsa");
    let hash = [7; 32];
    let first = signature(client.sign(&key, "RSA_PSS", &hash).await);
    let by_hsm = format!("/hsms/{}{key}", device(&test).await.0);
    for path in [&key, &by_hsm] {
        assert_eq!(
            signature(client.sign(path, "RSA_PSS", &hash).await),
            first,
            "a new salt"
        );
    }
    assert_eq!(test.view(&id).await.signatures, 1);
    // With another algorithm it is another request.
    let other = signature(client.sign(&key, "RSA_PKCS1", &hash).await);
    assert_ne!(first, other);
    assert_eq!(test.view(&id).await.signatures, 2);

    // The last signature of the lease ends it.
    signature(client.sign(&key, "RSA_PKCS1", &[8; 32]).await);
    let view = test.wait_for(&id, |view| view.state.is_ended()).await;
    assert_eq!(reason(&view), EndReason::SignatureLimitReached);
    assert_eq!(view.signatures, 3);
    for hash in [[7; 32], [9; 32]] {
        let reply = client.sign(&key, "RSA_PKCS1", &hash).await;
        assert_eq!(reply.rejection(), (409, "not-open"));
    }
    assert_eq!(test.view(&id).await.signatures, 3);
    // Under another lease the same request makes a new signature, which counts.
    let id = test.request_any_content("rsa", 600, 3).await;
    test.open(&id).await;
    assert_ne!(signature(client.sign(&key, "RSA_PSS", &hash).await), first);
    assert_eq!(test.view(&id).await.signatures, 1);
    test.shutdown().await;
}

#[tokio::test]
async fn concurrent_requests_cannot_exceed_the_lease() {
    let mut test = TestServer::ready(Profile::VENDOR).await;
    let client = Client::doug(&test).await;
    let id = test.request_any_content("ec", 600, 5).await;
    test.open(&id).await;
    let key = path(&test, "ec");
    let mut tasks = tokio::task::JoinSet::new();
    let client = std::sync::Arc::new(client);
    for number in 0..20 {
        let (client, key) = (client.clone(), key.clone());
        tasks.spawn(async move { client.sign(&key, "ECDSA", &[number; 32]).await });
    }
    let mut made = 0;
    while let Some(reply) = tasks.join_next().await {
        let reply = reply.expect("no panic");
        if reply.status == 200 {
            made += 1;
        } else {
            assert!(
                [(409, "not-open"), (410, "activation-ended")].contains(&reply.rejection()),
                "{}",
                reply.json
            );
        }
    }
    assert_eq!(made, 5);
    assert_eq!(test.view(&id).await.signatures, 5);
    test.shutdown().await;
}

#[tokio::test]
async fn under_a_manifest_only_its_files_are_signed() {
    let mut test = TestServer::ready(Profile::VENDOR).await;
    let client = Client::doug(&test).await;
    let id = test.request_signatures("ec", &["a.bin", "b.bin"]).await;
    test.open(&id).await;
    let key = path(&test, "ec");
    let file = |name| request_for(name, Mechanism::EcdsaSha256).digest;
    let outside = client.sign(&key, "ECDSA", &file("c.bin")).await;
    assert_eq!(outside.rejection(), (422, "not-in-manifest"));
    let unchecked = client.sign(&key, "ECDSA", &[1; 64]).await;
    assert_eq!(unchecked.rejection(), (400, "invalid-request"));
    signature(client.sign(&key, "ECDSA", &file("a.bin")).await);
    signature(client.sign(&key, "ECDSA", &file("b.bin")).await);
    let view = test.wait_for(&id, |view| view.state.is_ended()).await;
    assert_eq!(reason(&view), EndReason::Completed);
    test.shutdown().await;
}
