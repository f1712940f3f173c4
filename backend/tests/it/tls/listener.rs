//! The server's own TLS: handshakes, certificates and their replacement.

use std::time::{Duration, Instant};

use countersign_protocol::about::About;
use countersign_server::{
    config::{Files, TlsConfig},
    http::{ConnectionLimits, PlaceLimits},
    tls::{Handshakes, TlsError, reload_when_changed},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::server::{BOTH, Pair, TlsServer, in_time, send};

#[tokio::test(flavor = "multi_thread")]
async fn https_connections_are_kept_open_until_the_server_stops() {
    let mut tls_server = TlsServer::new().await;
    for version in BOTH {
        let mut connection = tls_server
            .connect_as(None, &[*version])
            .await
            .expect("connects");
        let alpn = connection.0.get_ref().1.alpn_protocol();
        assert_eq!(alpn, Some(&b"http/1.1"[..]));
        for _ in 0..3 {
            let answer = in_time(connection.get("/about")).await;
            assert!(answer.head.contains("strict-transport-security"));
            assert!(answer.json::<About>().demo);
        }
    }

    // An open WebSocket, and an idle connection.
    let secret = tls_server.token(&[], None).await.expect("a token").secret;
    let bearer = format!("Bearer {secret}");
    let mut socket = tls_server.connect(None).await;
    let headers = [
        ("authorization", bearer.as_str()),
        ("connection", "upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "AAAAAAAAAAAAAAAAAAAAAA=="),
    ];
    let answer = in_time(socket.send("GET", "/events", &headers, "")).await;
    assert_eq!(answer.status, 101);
    // The first byte of the first ping.
    assert_eq!(in_time(socket.0.read_u8()).await.expect("a frame"), 0x89);
    let mut resting = tls_server.connect(None).await;
    resting.get("/about").await;

    // When the server stops, it closes idle connections and accepts no new ones.
    drop(tls_server.stop.take());
    let end = in_time(resting.0.read_u8()).await;
    assert!(end.is_err_and(|error| error.kind() == std::io::ErrorKind::UnexpectedEof));
    drop(socket);
    in_time(&mut tls_server.serving).await.expect("served");
    assert!(TcpStream::connect(tls_server.address).await.is_err());
    tls_server.test.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn plain_http_is_rejected_with_status_400() {
    let tls_server = TlsServer::new().await;
    let mut plain = TcpStream::connect(tls_server.address)
        .await
        .expect("connects");
    let answer = in_time(send(&mut plain, "GET", "/about", &[], "")).await;
    assert_eq!(answer.expect("an answer").status, 400);
    let mut nonsense = TcpStream::connect(tls_server.address)
        .await
        .expect("connects");
    nonsense.write_all(&[0xff; 64]).await.expect("sent");
    let mut rest = Vec::new();
    let _ = in_time(nonsense.read_to_end(&mut rest)).await;
    tls_server.test.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stalled_handshakes_do_not_delay_other_clients() {
    let limits = ConnectionLimits {
        places: PlaceLimits {
            strangers: 8,
            strangers_per_network: 8,
            known: 8,
        },
        handshake: Duration::from_secs(2),
        ..ConnectionLimits::of_this_process()
    };
    let tls_server = TlsServer::with(limits, |_| {}).await;
    let mut stalled = Vec::new();
    for number in 0..20 {
        let mut tcp = TcpStream::connect(tls_server.address)
            .await
            .expect("connects");
        if number % 2 == 0 {
            // The beginning of a ClientHello.
            tcp.write_all(&[0x16, 3, 1, 2, 0, 1]).await.expect("sent");
        }
        stalled.push(tcp);
    }
    let start = Instant::now();
    let answer = tls_server.connect(None).await.get("/about").await;
    assert_eq!(answer.status, 200);
    assert!(
        start.elapsed() < Duration::from_secs(1),
        "{:?}",
        start.elapsed()
    );
    // The server closes the stalled connections.
    for mut tcp in stalled {
        let _ = in_time(tcp.read_to_end(&mut Vec::new())).await;
    }
    assert_eq!(
        tls_server.connect(None).await.get("/about").await.status,
        200
    );
    tls_server.test.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_certificate_is_loaded_and_an_invalid_one_is_not() {
    let mut tls_server = TlsServer::new().await;
    let old = tls_server.own.clone();
    let mut kept = tls_server.connect(None).await;
    let shown = async |tls_server: &mut TlsServer, pair: &Pair| {
        tls_server.own = pair.clone();
        tls_server.connect_as(None, BOTH).await.is_ok()
    };
    let wait_until_loaded = async |tls_server: &mut TlsServer, pair: &Pair| {
        for _ in 0..1000 {
            if shown(tls_server, pair).await {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("the certificate is not loaded");
    };

    // A new certificate is loaded even if it is written before the watch starts.
    let new = Pair::new("server");
    new.write(tls_server.test.folder.path(), "server");
    tokio::spawn(reload_when_changed(
        tls_server.reload.clone(),
        Duration::from_millis(50),
    ));
    wait_until_loaded(&mut tls_server, &new).await;
    assert!(!shown(&mut tls_server, &old).await);
    assert_eq!(
        kept.get("/about").await.status,
        200,
        "open connections stay open"
    );

    // With the key of another pair, garbage or an empty file, the previous pair stays in use.
    for (certificate, key) in [
        (new.certificate.as_str(), old.key.as_str()),
        (&new.certificate, "-----BEGIN PRIVATE KEY-----\nAAAA"),
        ("", &new.key),
    ] {
        std::fs::write(&tls_server.files.certificate, certificate).expect("written");
        std::fs::write(&tls_server.files.key, key).expect("written");
        assert!(tls_server.reload.now().is_err());
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert!(shown(&mut tls_server, &new).await);
    }
    std::fs::remove_file(&tls_server.files.key).expect("removed");
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(shown(&mut tls_server, &new).await);

    old.write(tls_server.test.folder.path(), "server");
    wait_until_loaded(&mut tls_server, &old).await;
    tls_server.test.shutdown().await;
}

#[tokio::test]
async fn each_unusable_certificate_has_its_own_error() {
    let folder = tempfile::tempdir().expect("a folder");
    let good = Pair::new("good");
    let files = good.write(folder.path(), "good");
    let other = Pair::new("other").write(folder.path(), "other");
    let rejection = |certificate: &std::path::Path, key: &std::path::Path| {
        let files = Files {
            certificate: certificate.to_owned(),
            key: key.to_owned(),
        };
        Handshakes::new(&files, &TlsConfig::default())
            .err()
            .expect("a refusal")
    };
    let none = folder.path().join("none");
    let error = rejection(&none, &files.key);
    assert!(matches!(error, TlsError::Unreadable { .. }), "{error}");
    let error = rejection(&files.certificate, &none);
    assert!(matches!(error, TlsError::Unreadable { .. }), "{error}");
    let error = rejection(&files.certificate, &other.key);
    assert!(matches!(error, TlsError::OtherKey { .. }), "{error}");
    let error = rejection(&files.key, &files.key);
    assert!(matches!(error, TlsError::NoCertificate(_)), "{error}");
    let error = rejection(&files.certificate, &files.certificate);
    assert!(matches!(error, TlsError::NoKey(_)), "{error}");
    std::fs::write(&none, "-----BEGIN CERTIFICATE-----\n????").expect("written");
    let error = rejection(&none, &files.key);
    assert!(matches!(error, TlsError::Damaged(_)), "{error}");
}
