//! HSMs that are attached from afar: who is let in, what happens when connections break.

use std::{net::SocketAddr, time::Duration};

use countersign_card::{Transport, TransportError};
use countersign_protocol::{
    activation::EndReason, audit::AuditEvent, cvc::DeviceId, hsm::HsmState, id::HsmId,
    mechanism::Mechanism,
};
use countersign_ram::{Instruction, Request};
use countersign_server::{
    activation::LockRequest,
    config::{Attachment, RemoteConfig, UnknownDevices},
    devices::DeviceError,
    http::Peer,
    server::Server,
};
use countersign_simulator::{Profile, Simulator};
use hex_literal::hex;

use crate::{
    player::new_card,
    ram_client::{Client, Wire, nobody},
    world::{World, config, hsm_id, operator, reason, request_for},
};

const EC: Mechanism = Mechanism::EcdsaSha256;

fn device(card: &Simulator) -> DeviceId {
    DeviceId(card.device())
}

/// A world whose HSM is configured as a remote one; nothing is attached yet.
async fn world(
    profile: Profile,
    change: impl Fn(&mut countersign_server::config::Config),
) -> (World, SocketAddr) {
    let folder = tempfile::tempdir().expect("a folder");
    let hsm = new_card("TARGET", profile, None);
    let mut config = config(folder.path(), true);
    config.hsms[0].device = Some(device(&hsm));
    config.hsms[0].attachment = Attachment::Remote {
        device: device(&hsm),
        without_secure_channel: false,
    };
    change(&mut config);
    let app = Server::open(config).await.expect("opens");
    app.start().await.expect("starts");
    let server = listen(&app).await;
    let world = World::of(app, hsm, folder).await;
    (world, server)
}

async fn listen(app: &Server) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let address = listener.local_addr().expect("an address");
    let router = crate::world::router(app).await;
    let service = router.into_make_service_with_connect_info::<Peer>();
    tokio::spawn(async move { axum::serve(listener, service).await });
    address
}

fn attach(server: SocketAddr, card: &Simulator) -> Client {
    Client::attach(server, "/rt/hsm", card.connect(), nobody())
}

async fn until<T>(mut look: impl FnMut() -> Option<T>) -> T {
    for _ in 0..1000 {
        if let Some(seen) = look() {
            return seen;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("never");
}

async fn refused(client: Client) -> String {
    let (_, text) = until(|| client.told().into_iter().find(|(id, _)| *id < 0)).await;
    assert_eq!(client.ended(), Some(200));
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn from_the_factory_to_signatures_through_the_network() {
    let (mut world, server) = world(Profile::VENDOR, |_| {}).await;
    assert!(matches!(
        world.hsm_view().await.state,
        HsmState::Absent { .. }
    ));
    let client = attach(server, &world.hsm);
    world.make_ready().await;
    let view = world.hsm_view().await;
    assert!(view.device.expect("a device").secure_channel);
    let id = world.ask_for_files("ec", &["a", "b"]).await;
    world.open(&id).await;
    world.hsm.reset_counts();
    world
        .sign(&id, "1", &request_for("a", EC))
        .await
        .expect("signed");
    assert_eq!(world.hsm.apdu_counts().sign(), 1);
    world
        .sign(&id, "2", &request_for("b", EC))
        .await
        .expect("signed");
    let view = world.wait_for(&id, |view| view.state.is_ended()).await;
    assert_eq!(reason(&view), EndReason::Completed);
    world.must_be_locked().await;
    assert!(client.told().iter().any(|(id, _)| *id == 3));
    world.app.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pulled_cable_ends_the_lease_and_the_hsm_comes_back_locked() {
    let (mut world, server) = world(Profile::VENDOR, |_| {}).await;
    let client = attach(server, &world.hsm);
    world.make_ready().await;
    let id = world.ask_for_files("ec", &["a", "b"]).await;
    world.open(&id).await;
    let first = world
        .sign(&id, "1", &request_for("a", EC))
        .await
        .expect("signed");
    client.pull();
    world
        .wait_for_hsm(|view| matches!(view.state, HsmState::Absent { .. }))
        .await;
    let view = world.wait_for(&id, |view| view.state.is_ended()).await;
    assert!(
        matches!(reason(&view), EndReason::HsmLost { .. }),
        "{view:?}"
    );
    assert!(world.sign(&id, "2", &request_for("b", EC)).await.is_err());
    // What was answered is answered again.
    let again = world.sign(&id, "1", &request_for("a", EC)).await;
    assert_eq!(again.expect("from the record"), first);
    let _client = attach(server, &world.hsm);
    world
        .wait_for_hsm(|view| view.state == HsmState::Locked)
        .await;
    world.must_be_locked().await;
    let id = world.ask_for_files("ec", &["b"]).await;
    world.open(&id).await;
    world
        .sign(&id, "3", &request_for("b", EC))
        .await
        .expect("signed");
    world.app.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_device_at_another_place_replaces_the_first_connection() {
    let (mut world, server) = world(Profile::VENDOR, |_| {}).await;
    let first = attach(server, &world.hsm);
    world.make_ready().await;
    let id = world.ask_for_files("ec", &["a"]).await;
    world.open(&id).await;
    // The card has moved: its state is gone, and there must not be two ways to it.
    let _second = attach(server, &world.hsm);
    let told = refused(first).await;
    assert!(told.contains("another place"), "{told}");
    let view = world.wait_for(&id, |view| view.state.is_ended()).await;
    assert!(
        matches!(reason(&view), EndReason::HsmLost { .. }),
        "{view:?}"
    );
    world
        .wait_for_hsm(|view| view.state == HsmState::Locked)
        .await;
    world.must_be_locked().await;
    world.app.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_card_that_is_pulled_out_at_the_client_is_absent() {
    let (mut world, server) = world(Profile::VENDOR, |_| {}).await;
    let client = attach(server, &world.hsm);
    world.make_ready().await;
    world.hsm.remove();
    world
        .wait_for_hsm(|view| matches!(view.state, HsmState::Absent { .. }))
        .await;
    assert_eq!(client.ended(), Some(504), "it is to connect anew");
    world.hsm.insert();
    let _client = attach(server, &world.hsm);
    world
        .wait_for_hsm(|view| view.state == HsmState::Locked)
        .await;
    world.app.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_device_waits_until_an_admin_accepts_it() {
    let (mut world, server) = world(Profile::VENDOR, |config| config.hsms.clear()).await;
    let admin = operator(&world.people[0].person);
    let id = device(&world.hsm);
    let client = attach(server, &world.hsm);
    let waiting = until(|| world.app.remote.list_waiting().pop()).await;
    assert_eq!(waiting.device, id);
    assert!(world.app.hsms.all().is_empty());

    let bad = world
        .app
        .devices
        .accept(&admin, &id, HsmId::new("No name"))
        .await;
    assert!(matches!(bad, Err(DeviceError::Name(_))));
    let nobody_there = DeviceId("ZZNOBODY00001".parse().expect("a name"));
    let bad = world
        .app
        .devices
        .accept(&admin, &nobody_there, hsm_id())
        .await;
    assert!(matches!(bad, Err(DeviceError::NotWaiting(_))));

    world
        .app
        .devices
        .accept(&admin, &id, hsm_id())
        .await
        .expect("accepted");
    assert!(world.app.remote.list_waiting().is_empty());
    world.make_ready().await;
    assert!(world.audit().await.iter().any(
        |event| matches!(event, AuditEvent::RemoteHsmAccepted { device, .. } if *device == id)
    ));

    // Accepted once and for all: a restarted server knows it.
    client.pull();
    world.app.shutdown().await;
    let mut config = config(world.folder.path(), true);
    config.hsms.clear();
    world.app = Server::open(config).await.expect("opens");
    world.app.start().await.expect("starts");
    let server = listen(&world.app).await;
    let client = attach(server, &world.hsm);
    world
        .wait_for_hsm(|view| view.state == HsmState::Locked)
        .await;

    let open = world.ask_for_files("ec", &["a"]).await;
    world.open(&open).await;
    world
        .app
        .devices
        .remove(&admin, &hsm_id())
        .await
        .expect("withdrawn");
    let told = refused(client).await;
    assert!(told.contains("removed"), "{told}");
    assert!(world.app.hsms.all().is_empty());
    let end = reason(&world.view(&open).await);
    assert!(matches!(end, EndReason::HsmRemoved { .. }), "{end:?}");
    // It is a stranger again; under its name nobody else can come.
    let other = new_card("OTHER0", Profile::VENDOR, None);
    let other_client = attach(server, &other);
    until(|| world.app.remote.list_waiting().pop()).await;
    let taken = world
        .app
        .devices
        .accept(&admin, &device(&other), hsm_id())
        .await;
    assert!(
        matches!(taken, Err(DeviceError::NameOfAnotherDevice { .. })),
        "{taken:?}"
    );
    world
        .app
        .devices
        .decline(&device(&other))
        .expect("declined");
    refused(other_client).await;
    world.app.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_may_refuse_whom_it_does_not_name() {
    let (world, server) = world(Profile::VENDOR, |config| {
        config.remote = RemoteConfig {
            unknown: UnknownDevices::Refuse,
            token_file: None,
        };
    })
    .await;
    let other = new_card("OTHER0", Profile::VENDOR, None);
    let told = refused(attach(server, &other)).await;
    assert!(told.contains(device(&other).as_str()), "{told}");
    assert!(world.app.remote.list_waiting().is_empty());
    world.app.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn simulated_devices_are_refused_outside_demo() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut config = config(folder.path(), false);
    config.hsms.clear();
    let app = Server::open(config).await.expect("opens");
    app.start().await.expect("starts");
    let server = listen(&app).await;
    let told = refused(attach(server, &new_card("TARGET", Profile::VENDOR, None))).await;
    assert!(told.contains("simulated"), "{told}");
    assert!(app.remote.list_waiting().is_empty());
    app.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_secure_channel_only_the_named_device_and_only_if_allowed() {
    let (world, server) = world(Profile::PICO_MEASURED, |_| {}).await;
    refused(attach(server, &world.hsm)).await;
    world.app.shutdown().await;

    let (world, server) = self::world(Profile::PICO_MEASURED, |config| {
        if let Attachment::Remote {
            without_secure_channel,
            ..
        } = &mut config.hsms[0].attachment
        {
            *without_secure_channel = true;
        }
    })
    .await;
    let _client = attach(server, &world.hsm);
    let view = world.wait_for_hsm(|view| view.device.is_some()).await;
    assert!(!view.device.expect("a device").secure_channel);
    assert!(!view.warnings.is_empty(), "nobody is warned");
    world.app.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_in_the_address_keeps_strangers_out() {
    let (world, server) = world(Profile::VENDOR, |config| {
        let file = config.data_dir.join("token");
        std::fs::write(&file, "kJ4dpXq0sVb2mTz9\n").expect("written");
        config.remote.token_file = Some(file);
    })
    .await;
    for wrong in ["/rt/hsm", "/rt/hsm/kJ4dpXq0sVb2mTz8"] {
        let client = Client::attach(server, wrong, world.hsm.connect(), nobody());
        assert_eq!(client.ended(), Some(404), "{wrong}");
    }
    let _client = Client::attach(
        server,
        "/rt/hsm/kJ4dpXq0sVb2mTz9",
        world.hsm.connect(),
        nobody(),
    );
    world.wait_for_hsm(|view| view.device.is_some()).await;
    world.app.shutdown().await;
}

/// Hands out another device's certificate, which anybody can copy.
struct Copycat {
    certificates: Simulator,
    own: Box<dyn Transport>,
}

impl Transport for Copycat {
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, TransportError> {
        // Everything that can be read, from the original; whatever needs its key, with the own one.
        match command.get(1) {
            Some(0x22 | 0x86) => self.own.transmit(command),
            _ if command[0] & 0x0C == 0x0C => self.own.transmit(command),
            _ => {
                self.own.transmit(command)?;
                self.certificates.process(command)
            }
        }
    }

    fn reset(&mut self) -> Result<countersign_card::Atr, TransportError> {
        self.certificates.reset();
        self.own.reset()
    }

    fn name(&self) -> &str {
        "copycat"
    }

    fn locality(&self) -> countersign_card::Locality {
        countersign_card::Locality::Remote
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copied_certificate_without_its_key_is_never_attached() {
    let (world, server) = world(Profile::VENDOR, |_| {}).await;
    let own = new_card("THIEF0", Profile::VENDOR, None);
    let copycat = Copycat {
        certificates: world.hsm.clone(),
        own: Box::new(own.connect()),
    };
    let client = Client::attach(server, "/rt/hsm", copycat, nobody());
    let told = refused(client).await;
    assert!(told.contains("prove its identity"), "{told}");
    assert!(matches!(
        world.hsm_view().await.state,
        HsmState::Absent { .. }
    ));
    assert!(world.app.remote.list_waiting().is_empty());
    world.app.shutdown().await;
}

/// What somebody in the middle does to the next SIGN command.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Mischief {
    AlterCommand,
    AlterResponse,
    Drop,
    Repeat,
    /// An older command in place of this one.
    Swap,
    Plain,
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_in_the_middle_is_noticed() {
    for mischief in [
        Mischief::AlterCommand,
        Mischief::AlterResponse,
        Mischief::Drop,
        Mischief::Repeat,
        Mischief::Swap,
        Mischief::Plain,
    ] {
        let (mut world, server) = world(Profile::VENDOR, |_| {}).await;
        let armed = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
        let trigger = armed.clone();
        let mut before: Option<Vec<u8>> = None;
        let middle = Box::new(move |card: &mut dyn Transport, command: &[u8]| {
            let sign = command.get(1) == Some(&0x68);
            if !sign || !trigger.load(std::sync::atomic::Ordering::SeqCst) {
                if sign {
                    before = Some(command.to_vec());
                }
                return card.transmit(command);
            }
            match mischief {
                Mischief::AlterCommand => {
                    let mut altered = command.to_vec();
                    altered[20] ^= 1;
                    card.transmit(&altered)
                }
                Mischief::AlterResponse => {
                    let mut response = card.transmit(command)?;
                    response[10] ^= 1;
                    Ok(response)
                }
                Mischief::Drop => Ok(vec![0x90, 0x00]),
                Mischief::Repeat => {
                    card.transmit(command)?;
                    card.transmit(command)
                }
                Mischief::Swap => card.transmit(&before.clone().expect("a signature before")),
                Mischief::Plain => {
                    // A signature of the thief's own choice, outside of the channel.
                    let mut plain = vec![0x80, 0x68, command[2], command[3], 0x20];
                    plain.extend_from_slice(&[0x66; 32]);
                    plain.push(0);
                    card.transmit(&plain)
                }
            }
        });
        let _client = Client::attach(server, "/rt/hsm", world.hsm.connect(), middle);
        world.make_ready().await;
        let id = world.ask_for_files("ec", &["a", "b"]).await;
        world.open(&id).await;
        world
            .sign(&id, "1", &request_for("a", EC))
            .await
            .expect("signed");
        armed.store(true, std::sync::atomic::Ordering::SeqCst);
        let signed = world.sign(&id, "2", &request_for("b", EC)).await;
        assert!(signed.is_err(), "{mischief:?}");
        let view = world.wait_for(&id, |view| view.state.is_ended()).await;
        let EndReason::HsmLost { why } = reason(&view) else {
            panic!("{mischief:?}: {:?}", view.state);
        };
        assert!(why.contains("secure channel"), "{mischief:?}: {why}");
        armed.store(false, std::sync::atomic::Ordering::SeqCst);
        world
            .wait_for_hsm(|view| view.state == HsmState::Locked)
            .await;
        world.must_be_locked().await;
        world.app.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suppressed_logout_is_noticed() {
    let (mut world, server) = world(Profile::VENDOR, |_| {}).await;
    let armed = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let trigger = armed.clone();
    let middle = Box::new(move |card: &mut dyn Transport, command: &[u8]| {
        if trigger.load(std::sync::atomic::Ordering::SeqCst)
            && command.get(1) == Some(&0xA4)
            && command[0] == 0
            && command[2] == 4
        {
            // SELECT is the logout; it cannot be protected.
            return Ok(vec![
                0x6F, 0x0A, 0x82, 0x01, 0x78, 0x85, 0x05, 0x00, 0x01, 0x00, 0x03, 0x05, 0x90, 0x00,
            ]);
        }
        card.transmit(command)
    });
    let _client = Client::attach(server, "/rt/hsm", world.hsm.connect(), middle);
    world.make_ready().await;
    let id = world.ask_for_files("ec", &["a", "b"]).await;
    world.open(&id).await;
    armed.store(true, std::sync::atomic::Ordering::SeqCst);
    let ben = world.people[1].person.clone();
    let request = LockRequest {
        actor: operator(&ben),
        person: ben,
        is_admin: false,
    };
    let terms = world.view(&id).await.terms;
    world
        .app
        .activations
        .lock(&terms, request)
        .await
        .expect("locked");
    // Not believed: a key use inside the channel told otherwise, the card was reset, and is not used like that.
    let view = world.hsm_view().await;
    assert!(matches!(view.state, HsmState::Failed { .. }), "{view:?}");
    assert!(world.sign(&id, "1", &request_for("a", EC)).await.is_err());
    armed.store(false, std::sync::atomic::Ordering::SeqCst);
    world
        .wait_for_hsm(|view| view.state == HsmState::Locked)
        .await;
    world.must_be_locked().await;
    world.app.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_travels_is_what_clients_in_the_field_understand() {
    let (world, server) = world(Profile::VENDOR, |_| {}).await;
    tokio::task::spawn_blocking(move || {
        let first = hex!("E81AC0183BFE1800008131FE458031815448534D31738021408107FA");
        let mut wire = Wire::connect(server, "/rt/hsm");
        let (status, cookie, body) = wire.post(&first).expect("an answer");
        let cookie = cookie.expect("a cookie");
        let (value, rest) = cookie.split_once(';').expect("attributes");
        assert!(value.starts_with("RAMSID=") && value.len() > 30, "{cookie}");
        assert_eq!(rest, " Path=/; HttpOnly");
        assert_eq!(status, 200);
        // Notes for the person, then the application is selected.
        let mut request = Request::parse(&body).expect("a request");
        while matches!(request.instructions[..], [Instruction::Notify(_)]) {
            let (_, cookie, body) = wire.post(&hex!("AB03800100")).expect("an answer");
            assert_eq!(cookie, None, "set once");
            request = Request::parse(&body).expect("a request");
        }
        let select = hex!("00A404000BE82B0601040181C31F020100").to_vec();
        assert_eq!(
            request.instructions.last(),
            Some(&Instruction::Command(select))
        );

        // No session, no sense, too much.
        let mut stranger = Wire::connect(server, "/rt/hsm");
        let (status, cookie, _) = stranger.post(&hex!("AB03800100")).expect("an answer");
        assert_eq!((status, cookie), (504, None));
        for (nonsense, wanted) in [(vec![], 400), (vec![0xAA, 0], 400), (vec![0; 70_000], 400)] {
            let mut stranger = Wire::connect(server, "/rt/hsm");
            let (status, _, _) = stranger.post(&nonsense).expect("an answer");
            assert_eq!(status, wanted);
        }
        let mut stranger = Wire::connect(server, "/rt/elsewhere");
        assert_eq!(stranger.post(&first).expect("an answer").0, 404);
    })
    .await
    .expect("no panic");
    world.app.shutdown().await;
}
