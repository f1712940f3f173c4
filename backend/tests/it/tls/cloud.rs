//! curl as an unchanged client of the cloud service, which identifies itself only by mutual TLS.

use std::path::PathBuf;

use countersign_protocol::{
    activation::NewPurpose, cvc::PublicKey, digest::Sha256Digest, lease::LeaseLimits,
    mechanism::Mechanism, purpose::Scope, signature::SignRequest,
};
use serde_json::Value;

use super::{
    curl::run,
    server::{TlsServer, token_for},
};
use crate::cloud::client::{lock, path, public_key};
use crate::test_server::DOUG;

const MESSAGE: &[u8] = b"Hello World";

struct Curl {
    folder: PathBuf,
    base: String,
    /// Name of the files of the client certificate, if it has one.
    identity: Option<&'static str>,
}

impl Curl {
    /// Sends a request, and returns the status and the body.
    async fn request(&self, path: &str, more: &[&str]) -> (u16, Value) {
        let mut arguments: Vec<String> = ["--silent", "--show-error", "--cacert", "server.pem"]
            .map(str::to_owned)
            .into();
        if let Some(name) = self.identity {
            let files = [
                "--cert",
                &format!("{name}.pem"),
                "--key",
                &format!("{name}.key"),
            ];
            arguments.extend(files.map(str::to_owned));
        }
        arguments.extend(more.iter().map(|argument| (*argument).to_owned()));
        arguments.extend(["--write-out".into(), "\n%{http_code}".into()]);
        arguments.push(format!("{}{path}", self.base));
        let folder = self.folder.clone();
        let output = tokio::task::spawn_blocking(move || {
            let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
            run(&folder, "curl", &arguments)
        });
        let text = String::from_utf8(output.await.expect("no panic")).expect("text");
        let (body, status) = text.rsplit_once('\n').expect("a status");
        let body = serde_json::from_str(body).expect("JSON");
        (status.parse().expect("a number"), body)
    }

    async fn sign(&self, key: &str, algorithm: &str, hash: &[u8]) -> (u16, Value) {
        let body = format!(
            r#"{{"hash": "{}", "algo": "{algorithm}"}}"#,
            hex::encode_upper(hash)
        );
        let json = "Content-Type: application/json";
        let path = format!("{key}/signhash");
        self.request(&path, &["--header", json, "--data", &body])
            .await
    }
}

fn problem(answer: &(u16, Value)) -> (u16, &str) {
    let kind = answer.1["type"].as_str().expect("a problem");
    assert!(
        answer.1["detail"]
            .as_str()
            .is_some_and(|text| !text.is_empty())
    );
    (answer.0, kind.rsplit(':').next().expect("a code"))
}

fn must_verify(answer: &(u16, Value), mechanism: Mechanism, key: &PublicKey) {
    assert_eq!(answer.0, 200, "{}", answer.1);
    let signature = answer.1["signature"].as_str().expect("a signature");
    let signature = hex::decode(signature).expect("hex");
    let digest = Sha256Digest::of(MESSAGE).as_bytes().to_vec();
    SignRequest::new(mechanism, digest)
        .verify(key, &signature)
        .expect("verifies");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_of_the_cloud_service_needs_only_its_certificate() {
    let mut tls_server = TlsServer::new().await;
    tls_server.test.make_ready().await;
    let folder = tls_server.test.folder.path().to_owned();
    for name in ["client", "stranger"] {
        let command = format!(
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -days 365 -subj /CN={name} -keyout {name}.key \
             -out {name}.pem"
        );
        let arguments: Vec<_> = command.split_whitespace().collect();
        run(&folder, "openssl", &arguments);
    }
    let pem = std::fs::read_to_string(folder.join("client.pem")).expect("a certificate");
    token_for(&tls_server.test, &[], Some(pem))
        .await
        .expect("a token");
    let base = format!("{}/se/api", tls_server.origin());
    let curl = |identity| Curl {
        folder: folder.clone(),
        base: base.clone(),
        identity,
    };
    let client = curl(Some("client"));
    let hash = Sha256Digest::of(MESSAGE);
    let (ec, rsa) = (path(&tls_server.test, "ec"), path(&tls_server.test, "rsa"));

    // While the HSM is locked, nothing is listed and nothing is signed.
    assert_eq!(
        client.request("/keys", &[]).await,
        (200, Value::Array(vec![]))
    );
    let locked = client.sign(&ec, "ECDSA", hash.as_bytes()).await;
    assert_eq!(problem(&locked), (409, "not-open"));

    let purpose = NewPurpose::Sign {
        keys: vec!["ec".into(), "rsa".into()],
        scope: Scope::Open,
    };
    let lease = LeaseLimits {
        seconds: 600,
        signatures: 3,
    };
    let requested = tls_server.test.request(DOUG, purpose, Some(lease)).await;
    let id = requested.expect("requested").id();
    tls_server.test.open(&id).await;
    for path in ["/hsms", "/keys", "/keydomains", &ec, &rsa] {
        let (status, _) = client.request(path, &[]).await;
        assert_eq!(status, 200, "{path}");
    }
    for (key, algorithm, mechanism, label) in [
        (&ec, "ECDSA", Mechanism::EcdsaSha256, "ec"),
        (&rsa, "RSA_PKCS1", Mechanism::RsaPkcs1Sha256, "rsa"),
        (&rsa, "RSA_PSS", Mechanism::RsaPssSha256, "rsa"),
    ] {
        // A repeated request counts once. The last signature ends the lease, so it is not repeated.
        let made = client.sign(key, algorithm, hash.as_bytes()).await;
        must_verify(&made, mechanism, &public_key(&tls_server.test, label));
        if algorithm != "RSA_PSS" {
            assert_eq!(client.sign(key, algorithm, hash.as_bytes()).await, made);
        }
        for (wrong, hash, expected) in [
            (key.as_str(), &[1; 20][..], (400, "invalid-request")),
            ("/keys/7F", hash.as_bytes(), (404, "not-found")),
        ] {
            let rejected = client.sign(wrong, algorithm, hash).await;
            assert_eq!(problem(&rejected), expected, "{wrong} {algorithm}");
        }
    }
    let method = client.request(&ec, &["--request", "DELETE"]).await;
    assert_eq!(problem(&method), (405, "method-not-allowed"));
    for unknown in [curl(None), curl(Some("stranger"))] {
        let rejected = unknown.request("/keys", &[]).await;
        assert_eq!(problem(&rejected), (401, "not-authenticated"));
    }

    let ended = |view: &countersign_protocol::activation::ActivationView| view.state.is_ended();
    let view = tls_server.test.wait_for(&id, ended).await;
    assert_eq!(view.signatures, 3);
    let after_end = client.sign(&ec, "ECDSA", &[7; 32]).await;
    assert_eq!(problem(&after_end), (409, "not-open"));

    // *Lock now* ends the lease for clients as well.
    let id = tls_server.test.request_any_content("ec", 600, 5).await;
    tls_server.test.open(&id).await;
    let made = client.sign(&ec, "ECDSA", hash.as_bytes()).await;
    must_verify(
        &made,
        Mechanism::EcdsaSha256,
        &public_key(&tls_server.test, "ec"),
    );
    lock(&tls_server.test, &id).await;
    let after_end = client.sign(&ec, "ECDSA", hash.as_bytes()).await;
    assert_eq!(problem(&after_end), (409, "not-open"));
    tls_server.test.shutdown().await;
}
