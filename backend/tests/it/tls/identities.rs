//! Client certificates that identify API tokens.

use std::time::Duration;

use countersign_client::{CertificateFiles, Client, ClientError, Options, ServerUrl};
use countersign_protocol::{
    activation::{Join, NewActivation, NewPurpose},
    audit::{Actor, AuditEvent},
    problem::ProblemCode,
    purpose::Scope,
    session::{LogIn, LoginChallenge, SessionView},
    token::TokenView,
};
use countersign_server::{store, tls::CertificateError, tokens::TokenError};
use rcgen::{PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ED25519, date_time_ymd};

use super::server::{BOTH, Pair, TlsServer, in_time, token_for};
use crate::test_server::{NotCreated, files, operator};

/// The certificate of one pair with the key of another.
fn pair_of(
    certificate: &Pair,
    key: &Pair,
) -> (
    rustls::pki_types::CertificateDer<'static>,
    rustls::pki_types::PrivateKeyDer<'static>,
) {
    use rustls::pki_types::{PrivateKeyDer, pem::PemObject};
    let key = PrivateKeyDer::from_pem_slice(key.key.as_bytes()).expect("a key");
    (certificate.der(), key)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_proves_the_key_acts_as_the_token() {
    let tls_server = TlsServer::new().await;
    for algorithm in [
        &PKCS_ECDSA_P256_SHA256,
        &PKCS_ECDSA_P384_SHA384,
        &PKCS_ED25519,
    ] {
        let pair = Pair::of("build, machine 7", algorithm, |_| {});
        let created = tls_server
            .token(&[], Some(&pair))
            .await
            .expect("a token")
            .token;
        let shown = created.certificate.clone().expect("a certificate");
        assert!(shown.subject.contains("machine 7"), "{}", shown.subject);
        assert!(tls_server.test.audit().await.iter().any(|event| matches!(
            event,
            AuditEvent::TokenCreated { token, certificate, .. }
                if *token == created.id && *certificate == Some(shown.fingerprint)
        )));
        for version in BOTH {
            let mut connection = tls_server
                .connect_as(Some(pair_of(&pair, &pair)), &[*version])
                .await
                .expect("connects");
            let me: SessionView = connection.get("/session").await.json();
            assert_eq!(me.person.name, "Doug");
            // The token acts only as a requester.
            assert_eq!(
                connection.get("/audit").await.code(),
                ProblemCode::NotAllowed
            );
            assert_eq!(
                connection.get("/tokens").await.code(),
                ProblemCode::NotAllowed
            );
        }
        let mut read = tls_server
            .test
            .server
            .store
            .read()
            .await
            .expect("a connection");
        let stored = store::tokens::by_id(&mut read, &created.id)
            .await
            .expect("works");
        let stored: TokenView = stored.expect("the token");
        assert!(stored.last_used_at.is_some());
        assert_eq!(stored.certificate, created.certificate);

        // A revocation takes effect immediately, even on an open connection.
        let mut open = tls_server.connect(Some(&pair)).await;
        assert_eq!(open.get("/keys").await.status, 200);
        let doug = &tls_server.test.doug().person;
        tls_server
            .test
            .server
            .tokens
            .revoke(doug, false, &operator(doug), &created.id)
            .await
            .expect("revoked");
        assert_eq!(
            open.get("/keys").await.code(),
            ProblemCode::NotAuthenticated
        );
    }
    tls_server.test.shutdown().await;
}

/// Uses the client of the command line and the PKCS#11 module. The keys and the actor are those of the token.
#[tokio::test(flavor = "multi_thread")]
async fn a_program_with_a_certificate_is_limited_to_the_keys_of_its_token() {
    let mut tls_server = TlsServer::new().await;
    tls_server.test.make_ready().await;
    let pair = Pair::new("pipeline");
    let token = tls_server
        .token(&["ec"], Some(&pair))
        .await
        .expect("a token")
        .token;
    let folder = tls_server.test.folder.path();
    let mine = pair.write(folder, "client");
    make_private(&mine.key);
    let options = Options {
        ca_file: Some(tls_server.files.certificate.clone()),
        client_certificate: Some(CertificateFiles {
            certificate: mine.certificate,
            key: mine.key,
        }),
        ..Options::default()
    };
    let server = ServerUrl::parse(tls_server.origin()).expect("an address");
    let client = Client::new(server, None, &options).expect("a client");
    let rejected = tokio::task::spawn_blocking(move || {
        assert_eq!(client.session()?.person.name, "Doug");
        let rejected = client.request_activation(&request("rsa")).err();
        client.request_activation(&request("ec"))?;
        Ok::<_, ClientError>(rejected)
    })
    .await
    .expect("no panic")
    .expect("requested");
    assert_eq!(
        rejected.and_then(|error| error.code()),
        Some(ProblemCode::NotAllowed)
    );
    let mut read = tls_server
        .test
        .server
        .store
        .read()
        .await
        .expect("a connection");
    let log = store::audit::page(&mut read, None, 100)
        .await
        .expect("the log");
    let entry = log
        .entries
        .iter()
        .find(|entry| matches!(entry.event, AuditEvent::ActivationRequested { .. }))
        .expect("logged");
    assert!(
        matches!(&entry.actor, Actor::Token { token: by, .. } if *by == token.id),
        "{entry:?}"
    );
    tls_server.test.shutdown().await;
}

fn make_private(file: &std::path::Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o600)).expect("changed");
}

fn request(key: &str) -> NewActivation {
    NewActivation {
        hsm: None,
        purpose: NewPurpose::Sign {
            keys: vec![key.into()],
            scope: Scope::Manifest {
                files: files(&["a"]),
            },
        },
        reason: "Firmware 4.2.1".into(),
        lease: None,
        approval_seconds: None,
        abandoned_after_seconds: None,
        join: Join::SamePurpose,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_without_its_key_is_rejected() {
    let tls_server = TlsServer::new().await;
    let (victim, thief) = (Pair::new("victim"), Pair::new("thief"));
    tls_server.token(&[], Some(&victim)).await.expect("a token");
    for version in BOTH {
        let connection = tls_server
            .connect_as(Some(pair_of(&victim, &thief)), &[*version])
            .await;
        // In TLS 1.3 the client notices the failure when it reads.
        if let Ok(mut connection) = connection {
            let path = "/session";
            let answer = super::server::send(&mut connection.0, "GET", path, &[], "").await;
            assert!(answer.is_err());
        }
    }
    tls_server.test.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_and_expired_certificates_are_rejected() {
    let tls_server = TlsServer::new().await;
    let stranger = Pair::new("stranger");
    let mut connection = tls_server.connect(Some(&stranger)).await;
    assert_eq!(
        connection.get("/keys").await.code(),
        ProblemCode::NotAuthenticated
    );
    // Requests that need no credential are still accepted.
    assert_eq!(connection.get("/about").await.status, 200);

    // A token that has expired.
    let pair = Pair::new("pipeline");
    let created = tls_server
        .token(&[], Some(&pair))
        .await
        .expect("a token")
        .token;
    sqlx::query("UPDATE tokens SET expires_at = '2020-01-01T00:00:00.000Z' WHERE id = ?")
        .bind(created.id.as_str())
        .execute(tls_server.test.server.store.pool())
        .await
        .expect("changed");
    let mut connection = tls_server.connect(Some(&pair)).await;
    assert_eq!(
        connection.get("/keys").await.code(),
        ProblemCode::NotAuthenticated
    );
    // The same certificate can be used for the next token.
    tls_server.token(&[], Some(&pair)).await.expect("a token");
    assert_eq!(connection.get("/keys").await.status, 200);

    // A certificate that expires while a connection is open.
    let short = Pair::of("short", &PKCS_ECDSA_P256_SHA256, |params| {
        params.not_after = time::OffsetDateTime::now_utc() + Duration::from_secs(3);
    });
    tls_server.token(&[], Some(&short)).await.expect("a token");
    let mut connection = tls_server.connect(Some(&short)).await;
    assert_eq!(connection.get("/keys").await.status, 200);
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!(
        connection.get("/keys").await.code(),
        ProblemCode::NotAuthenticated
    );
    let again = in_time(tls_server.connect(Some(&short)))
        .await
        .get("/keys")
        .await;
    assert_eq!(again.code(), ProblemCode::NotAuthenticated);
    tls_server.test.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_rejects_unusable_certificates() {
    let tls_server = TlsServer::new().await;
    let pair = Pair::new("pipeline");
    let rejection = async |text: String| match token_for(&tls_server.test, &[], Some(text)).await {
        Err(NotCreated::Certificate(why)) => why,
        other => panic!("{:?}", other.map(|created| created.token)),
    };
    assert_eq!(
        rejection("nonsense".into()).await,
        CertificateError::Malformed
    );
    let both = format!("{}{}", pair.certificate, pair.key);
    assert_eq!(rejection(both).await, CertificateError::PrivateKey);
    let two = format!("{0}{0}", pair.certificate);
    assert_eq!(rejection(two).await, CertificateError::Several);
    let old = Pair::of("old", &PKCS_ECDSA_P256_SHA256, |params| {
        params.not_after = date_time_ymd(2020, 1, 1);
    });
    assert!(matches!(
        rejection(old.certificate).await,
        CertificateError::Expired(_)
    ));
    let early = Pair::of("early", &PKCS_ECDSA_P256_SHA256, |params| {
        params.not_before = date_time_ymd(2999, 1, 1);
    });
    assert!(matches!(
        rejection(early.certificate).await,
        CertificateError::NotYetValid(_)
    ));

    // A certificate can belong to one token only.
    tls_server.token(&[], Some(&pair)).await.expect("a token");
    let again = tls_server.token(&[], Some(&pair)).await;
    assert!(matches!(
        again,
        Err(NotCreated::Token(TokenError::CertificateTaken))
    ));
    tls_server.test.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_has_one_credential_and_certificates_of_browsers_are_ignored() {
    let mut tls_server = TlsServer::new().await;
    let pair = Pair::new("in a browser");
    tls_server.token(&[], Some(&pair)).await.expect("a token");
    let bearer = tls_server
        .token(&["ec"], None)
        .await
        .expect("a token")
        .secret;
    let origin = tls_server.origin().to_owned();
    let mut connection = tls_server.connect(Some(&pair)).await;
    assert_eq!(connection.get("/keys").await.status, 200);

    // The header `Authorization` takes precedence, even with an invalid token.
    for (value, status) in [(format!("Bearer {bearer}"), 200), ("Bearer x".into(), 401)] {
        let headers = [("authorization", value.as_str())];
        let answer = connection.send("GET", "/keys", &headers, "").await;
        assert_eq!(answer.status, status, "{value}");
    }

    // The certificate is ignored in requests from pages, whether of the portal or of another site.
    for (headers, status) in [
        (vec![("origin", "https://evil.example")], 403),
        (vec![("origin", "null")], 403),
        (vec![("sec-fetch-site", "cross-site")], 403),
        (vec![("sec-fetch-site", "none")], 403),
        (vec![("origin", origin.as_str())], 401),
        (
            vec![("origin", &origin), ("sec-fetch-site", "same-origin")],
            401,
        ),
    ] {
        // The server closes a connection whose body it did not read.
        let mut connection = tls_server.connect(Some(&pair)).await;
        let answer = connection
            .send("POST", "/activations", &headers, "{}")
            .await;
        assert_eq!(answer.status, status, "{headers:?}");
    }
    let headers = [("sec-fetch-site", "same-origin")];
    let answer = connection.send("GET", "/session", &headers, "").await;
    assert_eq!(
        answer.code(),
        ProblemCode::NotAuthenticated,
        "the portal needs a log-in"
    );

    // With a session, the certificate changes neither the caller nor the required headers.
    let headers = [("origin", origin.as_str())];
    let answer = connection
        .send("POST", "/session/challenge", &headers, "")
        .await;
    let challenge: LoginChallenge = answer.json();
    let statement = tls_server.test.anna_mut().card.log_in(&challenge.task);
    let body = serde_json::to_string(&LogIn { statement }).expect("JSON");
    let answer = connection.send("POST", "/session", &headers, &body).await;
    let cookie = answer
        .head
        .lines()
        .find_map(|line| line.strip_prefix("set-cookie: "))
        .and_then(|line| line.split(';').next())
        .expect("a cookie");
    let headers = [("cookie", cookie)];
    let me: SessionView = connection
        .send("GET", "/session", &headers, "")
        .await
        .json();
    assert_eq!(me.person.name, "Anna");
    let answer = connection.send("DELETE", "/session", &headers, "").await;
    assert_eq!(answer.code(), ProblemCode::NotAllowed, "no origin");
    let headers = [("cookie", "__Host-countersign=invented")];
    let answer = connection.send("GET", "/session", &headers, "").await;
    assert_eq!(answer.code(), ProblemCode::NotAuthenticated);
    tls_server.test.shutdown().await;
}
