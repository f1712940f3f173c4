//! Limits of connections: what a stranger with many or slow connections can do.

use std::{net::SocketAddr, time::Duration};

use countersign_server::{
    events::Change,
    http::{ConnectionLimits, PlaceLimits},
};
use countersign_simulator::Profile;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
};

use crate::{
    test_server::{TestServer, listen_with},
    tls::server::{in_time, send, token_for},
};

/// Few places, and times that no test waits for.
fn limits() -> ConnectionLimits {
    let long = Duration::from_secs(600);
    ConnectionLimits {
        places: PlaceLimits {
            strangers: 8,
            strangers_per_network: 6,
            known: 4,
        },
        handshake: long,
        head: long,
        head_of_proxy: long,
        write: long,
    }
}

/// Connects from another address than other clients of the test.
async fn connect_from(last: u8, server: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket
        .bind(([127, 0, 0, last], 0).into())
        .expect("an address");
    socket.connect(server).await.expect("connects")
}

/// Connections that send only the beginning of a request.
async fn half_open(count: usize, from: u8, server: SocketAddr) -> Vec<TcpStream> {
    let mut open = Vec::new();
    for _ in 0..count {
        let mut stream = connect_from(from, server).await;
        let _ = stream
            .write_all(b"GET /api/v1/about HTTP/1.1\r\nHost: x\r\n")
            .await;
        open.push(stream);
    }
    open
}

async fn is_closed(stream: &mut TcpStream) {
    let end = in_time(stream.read(&mut [0])).await;
    assert!(!matches!(end, Ok(1..)), "{end:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn half_open_connections_of_a_stranger_keep_nobody_out() {
    let test = TestServer::with_people(Profile::VENDOR).await;
    let address = listen_with(&test.server, limits()).await;
    let secret = token_for(&test, &[], None).await.expect("a token").secret;
    let bearer = format!("Bearer {secret}");
    let logged_in = [("authorization", bearer.as_str())];
    let mut known = connect_from(1, address).await;
    let answer = in_time(send(&mut known, "GET", "/session", &logged_in, "")).await;
    assert_eq!(answer.expect("an answer").status, 200);
    // A stranger with the same address, and one with another.
    let mut stranger = half_open(100, 1, address).await;
    let others = half_open(100, 2, address).await;
    is_closed(&mut stranger[0]).await;
    for _ in 0..3 {
        let answer = in_time(send(&mut known, "GET", "/session", &logged_in, "")).await;
        assert_eq!(answer.expect("an answer").status, 200);
        for address_of_new in [1, 3] {
            let mut new = connect_from(address_of_new, address).await;
            let answer = in_time(send(&mut new, "GET", "/about", &[], "")).await;
            assert_eq!(answer.expect("an answer").status, 200);
        }
    }
    drop((stranger, others));
    test.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_and_idle_connections_end_but_open_sockets_stay() {
    let test = TestServer::with_people(Profile::VENDOR).await;
    let head = Duration::from_millis(300);
    let address = listen_with(&test.server, ConnectionLimits { head, ..limits() }).await;
    let secret = token_for(&test, &[], None).await.expect("a token").secret;
    let bearer = format!("Bearer {secret}");
    let mut socket = connect_from(1, address).await;
    let upgrade = [
        ("authorization", bearer.as_str()),
        ("connection", "upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "AAAAAAAAAAAAAAAAAAAAAA=="),
    ];
    let answer = in_time(send(&mut socket, "GET", "/events", &upgrade, "")).await;
    assert_eq!(answer.expect("an answer").status, 101);
    // The first ping.
    assert_eq!(in_time(socket.read_u16()).await.expect("a frame"), 0x8900);

    let mut silent = connect_from(1, address).await;
    let mut slow = half_open(1, 1, address).await;
    let mut idle = connect_from(1, address).await;
    let answer = in_time(send(&mut idle, "GET", "/about", &[], "")).await;
    assert_eq!(answer.expect("an answer").status, 200);
    for ended in [&mut silent, &mut slow[0], &mut idle] {
        is_closed(ended).await;
    }
    // The socket is older than the connections that ended, and it still carries events.
    test.server.changes.publish(Change::Everything);
    assert_eq!(in_time(socket.read_u8()).await.expect("a frame"), 0x81);
    test.shutdown().await;
}
