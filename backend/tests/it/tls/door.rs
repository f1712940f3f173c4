//! The server's own TLS: what it lets in, and with which certificate.

use std::time::{Duration, Instant};

use countersign_protocol::about::About;
use countersign_server::{
    config::{Files, TlsConfig},
    tls::{Pace, TlsError, TlsListener, reload_when_changed},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use super::stage::{BOTH, Pair, Stage, send, soon};

#[tokio::test(flavor = "multi_thread")]
async fn https_works_and_connections_are_kept() {
    let mut stage = Stage::new().await;
    for version in BOTH {
        let mut connection = stage.connect_as(None, &[*version]).await.expect("connects");
        let alpn = connection.0.get_ref().1.alpn_protocol();
        assert_eq!(alpn, Some(&b"http/1.1"[..]));
        for _ in 0..3 {
            let answer = soon(connection.get("/about")).await;
            assert!(answer.head.contains("strict-transport-security"));
            assert!(answer.json::<About>().demo);
        }
    }

    // A WebSocket, which stays open, and a connection that is at rest.
    let secret = stage.token(&[], None).await.expect("a token").secret;
    let bearer = format!("Bearer {secret}");
    let mut socket = stage.connect(None).await;
    let headers = [
        ("authorization", bearer.as_str()),
        ("connection", "upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "AAAAAAAAAAAAAAAAAAAAAA=="),
    ];
    let answer = soon(socket.send("GET", "/events", &headers, "")).await;
    assert_eq!(answer.status, 101);
    // The first ping.
    assert_eq!(soon(socket.0.read_u8()).await.expect("a frame"), 0x89);
    let mut resting = stage.connect(None).await;
    resting.get("/about").await;

    // Once asked to stop, it closes what rests, and takes nobody any more.
    drop(stage.stop.take());
    let end = soon(resting.0.read_u8()).await;
    assert!(end.is_err_and(|error| error.kind() == std::io::ErrorKind::UnexpectedEof));
    drop(socket);
    soon(&mut stage.serving).await.expect("served");
    assert!(TcpStream::connect(stage.address).await.is_err());
    stage.world.app.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn plain_http_is_told_where_to_go() {
    let stage = Stage::new().await;
    let mut plain = TcpStream::connect(stage.address).await.expect("connects");
    let answer = soon(send(&mut plain, "GET", "/about", &[], "")).await;
    assert_eq!(answer.expect("an answer").status, 400);
    let mut nonsense = TcpStream::connect(stage.address).await.expect("connects");
    nonsense.write_all(&[0xff; 64]).await.expect("sent");
    let mut rest = Vec::new();
    let _ = soon(nonsense.read_to_end(&mut rest)).await;
    stage.world.app.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stalled_handshakes_hold_nobody_up() {
    let pace = Pace {
        handshake: Duration::from_secs(2),
        most: 8,
    };
    let stage = Stage::with(pace, |_| {}).await;
    let mut stalled = Vec::new();
    for number in 0..20 {
        let mut tcp = TcpStream::connect(stage.address).await.expect("connects");
        if number % 2 == 0 {
            // Half a ClientHello.
            tcp.write_all(&[0x16, 3, 1, 2, 0, 1]).await.expect("sent");
        }
        stalled.push(tcp);
    }
    let start = Instant::now();
    let answer = stage.connect(None).await.get("/about").await;
    assert_eq!(answer.status, 200);
    assert!(
        start.elapsed() < Duration::from_secs(1),
        "{:?}",
        start.elapsed()
    );
    // None is kept for long.
    for mut tcp in stalled {
        let _ = soon(tcp.read_to_end(&mut Vec::new())).await;
    }
    assert_eq!(stage.connect(None).await.get("/about").await.status, 200);
    stage.world.app.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_pair_is_taken_and_a_broken_one_is_not() {
    let mut stage = Stage::new().await;
    let old = stage.own.clone();
    let mut kept = stage.connect(None).await;
    let shown = async |stage: &mut Stage, pair: &Pair| {
        stage.own = pair.clone();
        stage.connect_as(None, BOTH).await.is_ok()
    };
    let comes = async |stage: &mut Stage, pair: &Pair| {
        for _ in 0..1000 {
            if shown(stage, pair).await {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("the pair is not taken");
    };

    // Also if it is written before anybody watches.
    let new = Pair::new("server");
    new.write(stage.world.folder.path(), "server");
    tokio::spawn(reload_when_changed(
        stage.reload.clone(),
        Duration::from_millis(50),
    ));
    comes(&mut stage, &new).await;
    assert!(!shown(&mut stage, &old).await);
    assert_eq!(
        kept.get("/about").await.status,
        200,
        "what is open stays so"
    );

    // A key of another pair, garbage, nothing: the pair that works stays.
    for (certificate, key) in [
        (new.certificate.as_str(), old.key.as_str()),
        (&new.certificate, "-----BEGIN PRIVATE KEY-----\nAAAA"),
        ("", &new.key),
    ] {
        std::fs::write(&stage.files.certificate, certificate).expect("written");
        std::fs::write(&stage.files.key, key).expect("written");
        assert!(stage.reload.now().is_err());
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert!(shown(&mut stage, &new).await);
    }
    std::fs::remove_file(&stage.files.key).expect("removed");
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(shown(&mut stage, &new).await);

    old.write(stage.world.folder.path(), "server");
    comes(&mut stage, &old).await;
    stage.world.app.shutdown().await;
}

#[tokio::test]
async fn what_is_wrong_with_a_pair_is_told_apart() {
    let folder = tempfile::tempdir().expect("a folder");
    let good = Pair::new("good");
    let files = good.write(folder.path(), "good");
    let other = Pair::new("other").write(folder.path(), "other");
    let refusal = async |certificate: &std::path::Path, key: &std::path::Path| {
        let tcp = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let files = Files {
            certificate: certificate.to_owned(),
            key: key.to_owned(),
        };
        TlsListener::new(tcp, &files, &TlsConfig::default(), Pace::default())
            .err()
            .expect("a refusal")
    };
    let none = folder.path().join("none");
    let error = refusal(&none, &files.key).await;
    assert!(matches!(error, TlsError::Unreadable { .. }), "{error}");
    let error = refusal(&files.certificate, &none).await;
    assert!(matches!(error, TlsError::Unreadable { .. }), "{error}");
    let error = refusal(&files.certificate, &other.key).await;
    assert!(matches!(error, TlsError::OtherKey { .. }), "{error}");
    let error = refusal(&files.key, &files.key).await;
    assert!(matches!(error, TlsError::NoCertificate(_)), "{error}");
    let error = refusal(&files.certificate, &files.certificate).await;
    assert!(matches!(error, TlsError::NoKey(_)), "{error}");
    std::fs::write(&none, "-----BEGIN CERTIFICATE-----\n????").expect("written");
    let error = refusal(&none, &files.key).await;
    assert!(matches!(error, TlsError::Damaged(_)), "{error}");
}
