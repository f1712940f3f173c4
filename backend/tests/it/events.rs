//! The event WebSocket, over real sockets: which events callers receive, and when it is closed.

use std::{
    io::ErrorKind,
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use axum::http::{HeaderMap, StatusCode};
use countersign_protocol::{
    activation::{ActivationState, ActivationView},
    event::Event,
    hsm::HsmState,
};
use countersign_server::events::Change;
use countersign_simulator::Profile;
use tokio::task::block_in_place;
use tungstenite::{Error, Message, WebSocket, client::IntoClientRequest};

use crate::{
    http::{log_in, send},
    test_server::{ANNA, DOUG, ORIGIN, TestServer, listen, operator},
    tls::server::token_for,
};

pub struct EventSocket(WebSocket<TcpStream>);

impl EventSocket {
    fn open(address: SocketAddr, headers: &[(&'static str, &str)]) -> Self {
        Self::open_with_response(address, headers).0
    }

    /// Opens the socket, and returns the headers of the response as well.
    pub fn with_response(address: SocketAddr, cookie: &str) -> (Self, HeaderMap) {
        Self::open_with_response(address, &[("cookie", cookie), ("origin", ORIGIN)])
    }

    fn open_with_response(
        address: SocketAddr,
        headers: &[(&'static str, &str)],
    ) -> (Self, HeaderMap) {
        let mut request = format!("ws://{address}/api/v1/events")
            .into_client_request()
            .expect("a request");
        for (name, value) in headers {
            let value = value.parse().expect("a value");
            request.headers_mut().insert(*name, value);
        }
        block_in_place(|| {
            let stream = TcpStream::connect(address).expect("connects");
            let time_limit = Some(Duration::from_secs(5));
            stream.set_read_timeout(time_limit).expect("a time limit");
            let (socket, response) =
                tungstenite::client::client(request, stream).expect("a WebSocket");
            (Self(socket), response.headers().clone())
        })
    }

    fn with_token(address: SocketAddr, secret: &str) -> Self {
        Self::open(address, &[("authorization", &format!("Bearer {secret}"))])
    }

    pub fn with_session(address: SocketAddr, cookie: &str) -> Self {
        Self::open(address, &[("cookie", cookie), ("origin", ORIGIN)])
    }

    /// The next event; `None` when the server has closed the socket.
    pub fn next(&mut self) -> Option<Event> {
        loop {
            match block_in_place(|| self.0.read()) {
                Ok(Message::Text(text)) => {
                    return Some(serde_json::from_str(&text).expect("an event"));
                }
                Ok(_) => {}
                Err(Error::Io(error)) if error.kind() == ErrorKind::WouldBlock => {
                    panic!("neither an event nor the end")
                }
                Err(_) => return None,
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_event_socket_of_a_revoked_token_is_closed() {
    let test = TestServer::with_people(Profile::VENDOR).await;
    let address = listen(&test.server).await;
    let revoked = token_for(&test, &[], None).await.expect("a token");
    let kept = token_for(&test, &[], None).await.expect("a token");
    let mut ends = EventSocket::with_token(address, &revoked.secret);
    let mut stays = EventSocket::with_token(address, &kept.secret);
    test.server.store.publish(Change::Everything);
    assert_eq!(ends.next(), Some(Event::Resync));
    assert_eq!(stays.next(), Some(Event::Resync));

    let doug = &test.doug().person;
    test.server
        .tokens
        .revoke(doug, false, &operator(doug), &revoked.token.id)
        .await
        .expect("revoked");
    test.server.store.publish(Change::Everything);
    assert_eq!(ends.next(), None);
    assert_eq!(stays.next(), Some(Event::Resync));
    test.shutdown().await;
}

/// Only the socket of the ended session is closed. An admin receives the audit event of the log-out.
#[tokio::test(flavor = "multi_thread")]
async fn the_event_socket_of_a_logged_out_session_is_closed() {
    let mut test = TestServer::with_people(Profile::VENDOR).await;
    let router = crate::test_server::router(&test.server).await;
    let address = listen(&test.server).await;
    let cookies = [
        log_in(&mut test, &router, ANNA).await,
        log_in(&mut test, &router, ANNA).await,
    ];
    let [mut ends, mut stays] = cookies
        .each_ref()
        .map(|cookie| EventSocket::with_session(address, cookie));
    let headers = [("cookie", cookies[0].as_str()), ("origin", ORIGIN)];
    let out = send(&router, "DELETE", "/session", &headers, None).await;
    assert_eq!(out.status(), StatusCode::NO_CONTENT);
    assert_eq!(ends.next(), None);
    assert!(matches!(stays.next(), Some(Event::Audit { .. })));
    test.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_event_sockets_of_a_revoked_person_are_closed() {
    let mut test = TestServer::with_people(Profile::VENDOR).await;
    let router = crate::test_server::router(&test.server).await;
    let address = listen(&test.server).await;
    let cookie = log_in(&mut test, &router, DOUG).await;
    let created = token_for(&test, &[], None).await.expect("a token");
    let mut sockets = [
        EventSocket::with_session(address, &cookie),
        EventSocket::with_token(address, &created.secret),
    ];
    let (anna, doug) = (&test.anna().person, &test.doug().person);
    test.server
        .people
        .revoke_key(anna, &operator(anna), &doug.id)
        .await
        .expect("revoked");
    test.server.store.publish(Change::Everything);
    for socket in &mut sockets {
        assert_eq!(socket.next(), None);
    }
    test.shutdown().await;
}

/// A session can expire without any request or change.
#[tokio::test(flavor = "multi_thread")]
async fn the_event_socket_of_an_expired_session_is_closed() {
    let mut test = TestServer::with_people(Profile::VENDOR).await;
    let router = crate::test_server::router(&test.server).await;
    let address = listen(&test.server).await;
    let cookie = log_in(&mut test, &router, DOUG).await;
    let mut socket = EventSocket::with_session(address, &cookie);
    test.server.store.publish(Change::Everything);
    assert_eq!(socket.next(), Some(Event::Resync));
    sqlx::query("UPDATE sessions SET used_at = 0")
        .execute(test.server.store.pool())
        .await
        .expect("ended");
    tokio::time::sleep(Duration::from_millis(1100)).await;
    test.server.store.publish(Change::Everything);
    assert_eq!(socket.next(), None);
    test.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_limited_to_some_keys_receives_only_their_events() {
    let test = TestServer::ready(Profile::VENDOR).await;
    let address = listen(&test.server).await;
    let limited = token_for(&test, &["ec"], None).await.expect("a token");
    let unlimited = token_for(&test, &[], None).await.expect("a token");
    let mut sockets =
        [&limited, &unlimited].map(|token| EventSocket::with_token(address, &token.secret));
    let rsa = test.request_any_content("rsa", 60, 1).await;
    let waiting = |view: &ActivationView| view.state == ActivationState::AwaitingApprovals;
    test.wait_for(&rsa, waiting).await;
    let ec = test.request_any_content("ec", 60, 1).await;
    let received = sockets.each_mut().map(|socket| {
        let mut received = Vec::new();
        while received.last() != Some(&ec) {
            match socket.next().expect("an event") {
                Event::Activation { activation } => received.push(activation.id()),
                Event::Hsm { hsm } => {
                    if let HsmState::AwaitingApprovals { activation } = hsm.state {
                        received.extend(activation);
                    }
                }
                _ => {}
            }
        }
        received
    });
    assert!(!received[0].contains(&rsa), "{received:?}");
    assert!(received[1].contains(&rsa), "{received:?}");
    test.shutdown().await;
}
