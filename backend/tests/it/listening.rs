//! Who hears events, and for how long: over real sockets.

use std::{
    io::ErrorKind,
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use axum::http::StatusCode;
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
    tls::stage::{listen, token_for},
    world::{ORIGIN, World, operator},
};

pub struct Ear(WebSocket<TcpStream>);

impl Ear {
    fn open(server: SocketAddr, headers: &[(&'static str, &str)]) -> Self {
        let mut request = format!("ws://{server}/api/v1/events")
            .into_client_request()
            .expect("a request");
        for (name, value) in headers {
            let value = value.parse().expect("a value");
            request.headers_mut().insert(*name, value);
        }
        block_in_place(|| {
            let stream = TcpStream::connect(server).expect("connects");
            let patience = Some(Duration::from_secs(5));
            stream.set_read_timeout(patience).expect("a time limit");
            let (socket, _) = tungstenite::client::client(request, stream).expect("a WebSocket");
            Self(socket)
        })
    }

    fn with_token(server: SocketAddr, secret: &str) -> Self {
        Self::open(server, &[("authorization", &format!("Bearer {secret}"))])
    }

    pub fn with_session(server: SocketAddr, cookie: &str) -> Self {
        Self::open(server, &[("cookie", cookie), ("origin", ORIGIN)])
    }

    /// The next event; nothing when the server closed.
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
async fn a_revoked_token_hears_no_more() {
    let world = World::with_people(Profile::VENDOR).await;
    let server = listen(&world.app).await;
    let revoked = token_for(&world, &[], None).await.expect("a token");
    let kept = token_for(&world, &[], None).await.expect("a token");
    let mut ends = Ear::with_token(server, &revoked.secret);
    let mut stays = Ear::with_token(server, &kept.secret);
    world.app.store.publish(Change::Everything);
    assert_eq!(ends.next(), Some(Event::Resync));
    assert_eq!(stays.next(), Some(Event::Resync));

    let doug = &world.people[3].person;
    world
        .app
        .tokens
        .revoke(doug, false, &operator(doug), &revoked.token.id)
        .await
        .expect("revoked");
    world.app.store.publish(Change::Everything);
    assert_eq!(ends.next(), None);
    assert_eq!(stays.next(), Some(Event::Resync));
    world.app.shutdown().await;
}

/// Of two log-ins of one person, the one that ended; an admin would be told of the log-out.
#[tokio::test(flavor = "multi_thread")]
async fn who_logged_out_hears_no_more() {
    let mut world = World::with_people(Profile::VENDOR).await;
    let router = crate::world::router(&world.app).await;
    let server = listen(&world.app).await;
    let cookies = [
        log_in(&mut world, &router, 0).await,
        log_in(&mut world, &router, 0).await,
    ];
    let [mut ends, mut stays] = cookies
        .each_ref()
        .map(|cookie| Ear::with_session(server, cookie));
    let headers = [("cookie", cookies[0].as_str()), ("origin", ORIGIN)];
    let out = send(&router, "DELETE", "/session", &headers, None).await;
    assert_eq!(out.status(), StatusCode::NO_CONTENT);
    assert_eq!(ends.next(), None);
    assert!(matches!(stays.next(), Some(Event::Audit { .. })));
    world.app.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_revoked_hears_no_more() {
    let mut world = World::with_people(Profile::VENDOR).await;
    let router = crate::world::router(&world.app).await;
    let server = listen(&world.app).await;
    let cookie = log_in(&mut world, &router, 3).await;
    let created = token_for(&world, &[], None).await.expect("a token");
    let mut ears = [
        Ear::with_session(server, &cookie),
        Ear::with_token(server, &created.secret),
    ];
    let (anna, doug) = (&world.people[0].person, &world.people[3].person);
    world
        .app
        .people
        .revoke_key(anna, &operator(anna), &doug.id)
        .await
        .expect("revoked");
    world.app.store.publish(Change::Everything);
    for ear in &mut ears {
        assert_eq!(ear.next(), None);
    }
    world.app.shutdown().await;
}

/// Nobody does anything when a session has lasted long enough.
#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_ended_by_itself_hears_no_more() {
    let mut world = World::with_people(Profile::VENDOR).await;
    let router = crate::world::router(&world.app).await;
    let server = listen(&world.app).await;
    let cookie = log_in(&mut world, &router, 3).await;
    let mut ear = Ear::with_session(server, &cookie);
    world.app.store.publish(Change::Everything);
    assert_eq!(ear.next(), Some(Event::Resync));
    sqlx::query("UPDATE tower_sessions SET expiry_date = 0")
        .execute(world.app.store.pool())
        .await
        .expect("ended");
    tokio::time::sleep(Duration::from_millis(1100)).await;
    world.app.store.publish(Change::Everything);
    assert_eq!(ear.next(), None);
    world.app.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_for_some_keys_hears_of_no_others() {
    let world = World::ready(Profile::VENDOR).await;
    let server = listen(&world.app).await;
    let limited = token_for(&world, &["ec"], None).await.expect("a token");
    let unlimited = token_for(&world, &[], None).await.expect("a token");
    let mut ears = [&limited, &unlimited].map(|token| Ear::with_token(server, &token.secret));
    let rsa = world.ask_for_anything("rsa", 60, 1).await;
    let collecting = |view: &ActivationView| view.state == ActivationState::Collecting;
    world.wait_for(&rsa, collecting).await;
    let ec = world.ask_for_anything("ec", 60, 1).await;
    let told = ears.each_mut().map(|ear| {
        let mut told = Vec::new();
        while told.last() != Some(&ec) {
            match ear.next().expect("an event") {
                Event::Activation { activation } => told.push(activation.terms.id),
                Event::Hsm { hsm } => {
                    if let HsmState::Collecting { activation } = hsm.state {
                        told.extend(activation);
                    }
                }
                _ => {}
            }
        }
        told
    });
    assert!(!told[0].contains(&rsa), "{told:?}");
    assert!(told[1].contains(&rsa), "{told:?}");
    world.app.shutdown().await;
}
