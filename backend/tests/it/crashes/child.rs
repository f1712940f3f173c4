//! A server in a process of its own, whose people do everything once, and which dies at a fault point.

use std::{
    io::Write,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use countersign_protocol::{
    activation::ActivationState,
    cvc::{DeviceId, Fingerprint},
    id::{ActivationId, TokenId},
    mechanism::Mechanism,
    purpose::NewKeyType,
    token::NewToken,
};
use countersign_server::{
    activation::LockRequest,
    config::{Attachment, Config},
    server::Server,
};
use countersign_simulator::Profile;
use serde::{Deserialize, Serialize};

use crate::{
    http::log_in,
    person::new_card,
    test_server::{
        ANNA, BEN, CARLA, DOUG, TestServer, config, create_token, hsm_id, listen, operator,
        request_for, router,
    },
};

/// The data directory of the child. Without it, the test of the child does nothing.
pub const FOLDER: &str = "COUNTERSIGN_CRASH_FOLDER";
/// The device of the HSM that the test attaches.
pub const DEVICE: &str = "COUNTERSIGN_CRASH_DEVICE";
/// The beginning of the lines that the child writes for the test.
pub const PREFIX: &str = "crash test: ";

/// A message from the child to the test.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Told {
    Listening(SocketAddr),
    /// A signature is requested.
    Signing(ActivationId, String),
    Acknowledged(Acknowledged),
}

/// What the server has acknowledged.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Acknowledged {
    /// The person with this index is confirmed.
    LoggedIn,
    Initialised,
    Registered(Fingerprint),
    Generated(String),
    Token(TokenId),
    TokenRevoked(TokenId),
    Requested(ActivationId),
    Declined(ActivationId),
    Approved(ActivationId),
    Signed(ActivationId, String, Vec<u8>),
    Ended(ActivationId),
    KeyRevoked(Fingerprint),
}

fn tell(told: &Told) {
    let line = serde_json::to_string(told).expect("JSON");
    let mut out = std::io::stdout().lock();
    writeln!(out, "\n{PREFIX}{line}").expect("the test reads");
    out.flush().expect("the test reads");
}

fn acknowledged(what: Acknowledged) {
    tell(&Told::Acknowledged(what));
}

/// The server's configuration, with an HSM that the test attaches over the network, so that the card survives.
fn remote(folder: &Path, device: &str) -> Config {
    let mut config = config(folder, true);
    let device: DeviceId = DeviceId(device.parse().expect("a device"));
    config.hsms[0].device = Some(device.clone());
    config.hsms[0].attachment = Attachment::Remote {
        device,
        without_secure_channel: false,
    };
    config
}

/// Not a test: the tests of this module start it in a process of its own.
#[test]
fn the_child_tells_a_story() {
    let Some(folder) = std::env::var_os(FOLDER).map(PathBuf::from) else {
        return;
    };
    let device = std::env::var(DEVICE).expect("a device");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(tell_story(&folder, &device));
    // Nothing is tidied up, because the test looks at it.
    std::process::exit(0);
}

async fn tell_story(folder: &Path, device: &str) {
    let server = Server::open(remote(folder, device)).await.expect("opens");
    server.start().await.expect("starts");
    tell(&Told::Listening(listen(&server).await));
    // The card is in the process of the test, so this one is never used.
    let unused = new_card("UNUSED", Profile::VENDOR, None);
    let elsewhere = tempfile::tempdir().expect("a folder");
    let mut test = TestServer::of(server, unused, elsewhere).await;
    let router = router(&test.server).await;
    log_in(&mut test, &router, ANNA).await;
    acknowledged(Acknowledged::LoggedIn);
    set_up(&mut test).await;
    token(&test).await;
    sign(&mut test).await;
    revoke(&test).await;
}

async fn set_up(test: &mut TestServer) {
    test.wait_for_hsm(|view| view.device.is_some()).await;
    test.initialise().await;
    acknowledged(Acknowledged::Initialised);
    test.register_custodians().await;
    for index in [ANNA, BEN, CARLA] {
        let key = test.people[index].card.fingerprint();
        acknowledged(Acknowledged::Registered(key));
    }
    test.generate("ec", NewKeyType::EcSecp256r1).await;
    acknowledged(Acknowledged::Generated("ec".into()));
}

async fn token(test: &TestServer) {
    let person = &test.people[DOUG].person;
    let new = NewToken {
        label: "program".into(),
        keys: vec![],
        days: 1,
        certificate: None,
    };
    let created = create_token(&test.server, person, &new).await;
    let token = created.expect("a token").token.id;
    acknowledged(Acknowledged::Token(token.clone()));
    let tokens = &test.server.tokens;
    tokens
        .revoke(person, false, &operator(person), &token)
        .await
        .expect("revoked");
    acknowledged(Acknowledged::TokenRevoked(token));
}

async fn sign(test: &mut TestServer) {
    let id = test.request_any_content("ec", 600, 10).await;
    acknowledged(Acknowledged::Requested(id.clone()));
    test.wait_for(&id, |view| view.state == ActivationState::AwaitingApprovals)
        .await;
    let who = test.people[BEN].custodian();
    let coordinators = test.server.activations.coordinators();
    coordinators
        .decline(&hsm_id(), id.member(0), who, "not now".into())
        .await
        .expect("declined");
    acknowledged(Acknowledged::Declined(id.clone()));
    for index in [ANNA, CARLA] {
        test.approve(index, &id).await;
        acknowledged(Acknowledged::Approved(id.clone()));
    }
    for key in ["1", "2", "3"] {
        tell(&Told::Signing(id.clone(), key.into()));
        let request = request_for(key, Mechanism::EcdsaSha256);
        let made = test.sign(&id, key, &request).await.expect("signed");
        let signature = made.signature.as_bytes().to_vec();
        acknowledged(Acknowledged::Signed(id.clone(), key.into(), signature));
    }
    let person = test.people[ANNA].person.clone();
    let request = LockRequest {
        actor: operator(&person),
        person,
        is_admin: true,
    };
    let terms = test.view(&id).await.terms;
    let locked = test.server.activations.lock(&terms, request);
    locked.await.expect("locked");
    acknowledged(Acknowledged::Ended(id));
}

async fn revoke(test: &TestServer) {
    let admin = &test.people[ANNA].person;
    let ben = &test.people[BEN];
    let people = &test.server.people;
    people
        .revoke_key(admin, &operator(admin), &ben.person.id)
        .await
        .expect("revoked");
    acknowledged(Acknowledged::KeyRevoked(ben.card.fingerprint()));
}
