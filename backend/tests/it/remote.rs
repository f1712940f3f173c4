//! Remote HSMs: which devices are accepted, and what happens when connections break.

use std::{net::SocketAddr, time::Duration};

use countersign_card::{Transport, TransportError};
use countersign_protocol::{
    activation::EndReason,
    audit::{AuditEvent, Refusal},
    cvc::DeviceId,
    hsm::HsmState,
    id::HsmId,
    mechanism::Mechanism,
    remote::AcceptDevice,
};
use countersign_ram::{Instruction, Request};
use countersign_server::{
    activation::LockRequest,
    config::{Attachment, RemoteConfig, UnknownDevices},
    devices::DeviceError,
    mandate::Mandate,
    server::Server,
};
use countersign_simulator::{Profile, Simulator};
use hex_literal::hex;

use crate::{
    person::new_card,
    ram_client::{Client, Wire, pass_through},
    test_server::{TestServer, config, hsm_id, listen, operator, reason, request_for},
};

const EC: Mechanism = Mechanism::EcdsaSha256;

fn device(card: &Simulator) -> DeviceId {
    DeviceId(card.device())
}

/// Starts a test server whose HSM is configured as a remote one. No device is attached yet.
pub async fn start_test_server(
    profile: Profile,
    change: impl Fn(&mut countersign_server::config::Config),
) -> (TestServer, SocketAddr) {
    let folder = tempfile::tempdir().expect("a folder");
    let hsm = new_card("TARGET", profile, None);
    let mut config = config(folder.path(), true);
    config.hsms[0].device = Some(device(&hsm));
    config.hsms[0].attachment = Attachment::Remote {
        device: device(&hsm),
        without_secure_channel: false,
    };
    change(&mut config);
    let server = Server::open(config).await.expect("opens");
    server.start().await.expect("starts");
    let address = listen(&server).await;
    let test = TestServer::of(server, hsm, folder).await;
    (test, address)
}

fn attach(address: SocketAddr, card: &Simulator) -> Client {
    Client::attach(address, "/rt/hsm", card.connect(), pass_through())
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

async fn rejected(client: Client) -> String {
    let (_, text) = until(|| client.notifications().into_iter().find(|(id, _)| *id < 0)).await;
    assert_eq!(client.ended(), Some(200));
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_remote_hsm_is_set_up_and_signs() {
    let (mut test, address) = start_test_server(Profile::VENDOR, |_| {}).await;
    assert!(matches!(
        test.hsm_view().await.state,
        HsmState::Absent { .. }
    ));
    let client = attach(address, &test.hsm);
    test.make_ready().await;
    let view = test.hsm_view().await;
    assert!(view.device.expect("a device").secure_channel);
    let id = test.request_signatures("ec", &["a", "b"]).await;
    test.open(&id).await;
    test.hsm.reset_counts();
    test.sign(&id, "1", &request_for("a", EC))
        .await
        .expect("signed");
    assert_eq!(test.hsm.apdu_counts().sign(), 1);
    test.sign(&id, "2", &request_for("b", EC))
        .await
        .expect("signed");
    let view = test.wait_for(&id, |view| view.state.is_ended()).await;
    assert_eq!(reason(&view), EndReason::Completed);
    test.assert_locked().await;
    assert!(client.notifications().iter().any(|(id, _)| *id == 3));
    test.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pulled_cable_ends_the_lease_and_the_hsm_comes_back_locked() {
    let (mut test, address) = start_test_server(Profile::VENDOR, |_| {}).await;
    let client = attach(address, &test.hsm);
    test.make_ready().await;
    let id = test.request_signatures("ec", &["a", "b"]).await;
    test.open(&id).await;
    let first = test
        .sign(&id, "1", &request_for("a", EC))
        .await
        .expect("signed");
    client.pull();
    test.wait_for_hsm(|view| matches!(view.state, HsmState::Absent { .. }))
        .await;
    let view = test.wait_for(&id, |view| view.state.is_ended()).await;
    assert!(
        matches!(reason(&view), EndReason::HsmLost { .. }),
        "{view:?}"
    );
    assert!(test.sign(&id, "2", &request_for("b", EC)).await.is_err());
    // A repeated request returns the recorded signature.
    let again = test.sign(&id, "1", &request_for("a", EC)).await;
    assert_eq!(again.expect("from the record"), first);
    let _client = attach(address, &test.hsm);
    test.wait_for_hsm(|view| view.state == HsmState::Locked)
        .await;
    test.assert_locked().await;
    let id = test.request_signatures("ec", &["b"]).await;
    test.open(&id).await;
    test.sign(&id, "3", &request_for("b", EC))
        .await
        .expect("signed");
    test.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_device_at_another_place_replaces_the_first_connection() {
    let (mut test, address) = start_test_server(Profile::VENDOR, |_| {}).await;
    let first = attach(address, &test.hsm);
    test.make_ready().await;
    let id = test.request_signatures("ec", &["a"]).await;
    test.open(&id).await;
    // The card has moved and lost its state, and must not be reachable by two connections.
    let _second = attach(address, &test.hsm);
    let received = rejected(first).await;
    assert!(received.contains("another connection"), "{received}");
    let view = test.wait_for(&id, |view| view.state.is_ended()).await;
    assert!(
        matches!(reason(&view), EndReason::HsmLost { .. }),
        "{view:?}"
    );
    test.wait_for_hsm(|view| view.state == HsmState::Locked)
        .await;
    test.assert_locked().await;
    test.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_card_that_is_pulled_out_at_the_client_is_absent() {
    let (mut test, address) = start_test_server(Profile::VENDOR, |_| {}).await;
    let client = attach(address, &test.hsm);
    test.make_ready().await;
    test.hsm.remove();
    test.wait_for_hsm(|view| matches!(view.state, HsmState::Absent { .. }))
        .await;
    assert_eq!(client.ended(), Some(504), "the client must connect again");
    test.hsm.insert();
    let _client = attach(address, &test.hsm);
    test.wait_for_hsm(|view| view.state == HsmState::Locked)
        .await;
    test.shutdown().await;
}

/// Anna's card accepts a device.
async fn accept(test: &TestServer, device: &DeviceId, hsm: HsmId) -> Result<(), DeviceError> {
    let mandate = Mandate::assumed(&test.anna().person);
    let accept = AcceptDevice {
        device: device.clone(),
        hsm,
    };
    test.server.devices.accept(&mandate, &accept).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_device_waits_until_an_admin_accepts_it() {
    let (mut test, address) =
        start_test_server(Profile::VENDOR, |config| config.hsms.clear()).await;
    let admin = operator(&test.anna().person);
    let id = device(&test.hsm);
    let client = attach(address, &test.hsm);
    let waiting = until(|| test.server.remote.list_waiting().pop()).await;
    assert_eq!(waiting.device, id);
    assert!(test.server.hsms.all().is_empty());

    let bad = accept(&test, &id, HsmId::new("No name")).await;
    assert!(matches!(bad, Err(DeviceError::Name(_))));
    let unknown = DeviceId("ZZNOBODY00001".parse().expect("a name"));
    let bad = accept(&test, &unknown, hsm_id()).await;
    assert!(matches!(bad, Err(DeviceError::NotWaiting(_))));

    accept(&test, &id, hsm_id()).await.expect("accepted");
    assert!(test.server.remote.list_waiting().is_empty());
    test.make_ready().await;
    assert!(test.audit().await.iter().any(
        |event| matches!(event, AuditEvent::RemoteHsmAccepted { device, .. } if *device == id)
    ));

    // The acceptance is permanent, so a restarted server attaches the device.
    client.pull();
    test.shutdown().await;
    let mut config = config(test.folder.path(), true);
    config.hsms.clear();
    test.server = Server::open(config).await.expect("opens");
    test.server.start().await.expect("starts");
    let address = listen(&test.server).await;
    let client = attach(address, &test.hsm);
    test.wait_for_hsm(|view| view.state == HsmState::Locked)
        .await;

    let open = test.request_signatures("ec", &["a"]).await;
    test.open(&open).await;
    test.server
        .devices
        .remove(&admin, &hsm_id())
        .await
        .expect("removed");
    let received = rejected(client).await;
    assert!(received.contains("removed"), "{received}");
    assert!(test.server.hsms.all().is_empty());
    let end = reason(&test.view(&open).await);
    assert!(matches!(end, EndReason::HsmRemoved { .. }), "{end:?}");
    // The removed device is unknown again, and no other device can take its name.
    let other = new_card("OTHER0", Profile::VENDOR, None);
    let other_client = attach(address, &other);
    until(|| test.server.remote.list_waiting().pop()).await;
    let taken = accept(&test, &device(&other), hsm_id()).await;
    assert!(
        matches!(taken, Err(DeviceError::NameOfAnotherDevice { .. })),
        "{taken:?}"
    );
    test.server
        .devices
        .decline(&admin, &device(&other))
        .await
        .expect("declined");
    assert!(matches!(
        test.audit().await.last(),
        Some(AuditEvent::RemoteDeviceDeclined { device: declined }) if *declined == device(&other)
    ));
    rejected(other_client).await;
    test.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_devices_are_rejected_if_so_configured() {
    let (test, address) = start_test_server(Profile::VENDOR, |config| {
        config.remote = RemoteConfig {
            unknown: UnknownDevices::Reject,
            token_file: None,
        };
    })
    .await;
    let other = new_card("OTHER0", Profile::VENDOR, None);
    let received = rejected(attach(address, &other)).await;
    assert!(received.contains(device(&other).as_str()), "{received}");
    assert!(test.server.remote.list_waiting().is_empty());
    test.wait_for_audit(is_refused_device).await;
    test.shutdown().await;
}

fn is_refused_device(event: &AuditEvent) -> bool {
    matches!(
        event,
        AuditEvent::Refused {
            refusal: Refusal::Device,
            ..
        }
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn simulated_devices_are_rejected_outside_demo_mode() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut config = config(folder.path(), false);
    config.hsms.clear();
    let server = Server::open(config).await.expect("opens");
    server.start().await.expect("starts");
    let address = listen(&server).await;
    let received = rejected(attach(address, &new_card("TARGET", Profile::VENDOR, None))).await;
    assert!(received.contains("simulated"), "{received}");
    assert!(server.remote.list_waiting().is_empty());
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_without_a_secure_channel_needs_a_permission() {
    let (test, address) = start_test_server(Profile::PICO_MEASURED, |_| {}).await;
    rejected(attach(address, &test.hsm)).await;
    test.wait_for_audit(is_refused_device).await;
    test.shutdown().await;

    let (test, address) = self::start_test_server(Profile::PICO_MEASURED, |config| {
        if let Attachment::Remote {
            without_secure_channel,
            ..
        } = &mut config.hsms[0].attachment
        {
            *without_secure_channel = true;
        }
    })
    .await;
    let _client = attach(address, &test.hsm);
    let view = test.wait_for_hsm(|view| view.device.is_some()).await;
    assert!(!view.device.expect("a device").secure_channel);
    assert!(!view.warnings.is_empty(), "there is no warning");
    test.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_without_the_token_in_the_address_are_rejected() {
    let (test, address) = start_test_server(Profile::VENDOR, |config| {
        let file = config.data_dir.join("token");
        std::fs::write(&file, "kJ4dpXq0sVb2mTz9\n").expect("written");
        config.remote.token_file = Some(file);
    })
    .await;
    for wrong in ["/rt/hsm", "/rt/hsm/kJ4dpXq0sVb2mTz8"] {
        let client = Client::attach(address, wrong, test.hsm.connect(), pass_through());
        assert_eq!(client.ended(), Some(404), "{wrong}");
    }
    let _client = Client::attach(
        address,
        "/rt/hsm/kJ4dpXq0sVb2mTz9",
        test.hsm.connect(),
        pass_through(),
    );
    test.wait_for_hsm(|view| view.device.is_some()).await;
    test.shutdown().await;
}

/// Presents the certificate of another device, which is public.
struct CopiedCertificate {
    certificates: Simulator,
    own: Box<dyn Transport>,
}

impl Transport for CopiedCertificate {
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, TransportError> {
        // Reads come from the original; commands that need a private key go to the attacker's own device.
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
    let (test, address) = start_test_server(Profile::VENDOR, |_| {}).await;
    let own = new_card("THIEF0", Profile::VENDOR, None);
    let attacker = CopiedCertificate {
        certificates: test.hsm.clone(),
        own: Box::new(own.connect()),
    };
    let client = Client::attach(address, "/rt/hsm", attacker, pass_through());
    let received = rejected(client).await;
    assert!(received.contains("prove its identity"), "{received}");
    assert!(matches!(
        test.hsm_view().await.state,
        HsmState::Absent { .. }
    ));
    assert!(test.server.remote.list_waiting().is_empty());
    test.shutdown().await;
}

/// What an attacker on the network does to the next SIGN command.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Attack {
    AlterCommand,
    AlterResponse,
    Drop,
    Repeat,
    /// Replays an older command in place of this one.
    Swap,
    Plain,
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attacker_on_the_network_is_detected() {
    for attack in [
        Attack::AlterCommand,
        Attack::AlterResponse,
        Attack::Drop,
        Attack::Repeat,
        Attack::Swap,
        Attack::Plain,
    ] {
        let (mut test, address) = start_test_server(Profile::VENDOR, |_| {}).await;
        let armed = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
        let trigger = armed.clone();
        let mut before: Option<Vec<u8>> = None;
        let interceptor = Box::new(move |card: &mut dyn Transport, command: &[u8]| {
            let sign = command.get(1) == Some(&0x68);
            if !sign || !trigger.load(std::sync::atomic::Ordering::SeqCst) {
                if sign {
                    before = Some(command.to_vec());
                }
                return card.transmit(command);
            }
            match attack {
                Attack::AlterCommand => {
                    let mut altered = command.to_vec();
                    altered[20] ^= 1;
                    card.transmit(&altered)
                }
                Attack::AlterResponse => {
                    let mut response = card.transmit(command)?;
                    response[10] ^= 1;
                    Ok(response)
                }
                Attack::Drop => Ok(vec![0x90, 0x00]),
                Attack::Repeat => {
                    card.transmit(command)?;
                    card.transmit(command)
                }
                Attack::Swap => card.transmit(&before.clone().expect("a signature before")),
                Attack::Plain => {
                    // A signature of the attacker's choice, outside of the secure channel.
                    let mut plain = vec![0x80, 0x68, command[2], command[3], 0x20];
                    plain.extend_from_slice(&[0x66; 32]);
                    plain.push(0);
                    card.transmit(&plain)
                }
            }
        });
        let _client = Client::attach(address, "/rt/hsm", test.hsm.connect(), interceptor);
        test.make_ready().await;
        let id = test.request_signatures("ec", &["a", "b"]).await;
        test.open(&id).await;
        test.sign(&id, "1", &request_for("a", EC))
            .await
            .expect("signed");
        let before = test.hsm.apdu_counts().signatures;
        armed.store(true, std::sync::atomic::Ordering::SeqCst);
        let signed = test.sign(&id, "2", &request_for("b", EC)).await;
        assert!(signed.is_err(), "{attack:?}");
        // Commands inside the channel make no other signature than the requested one. The host's own command outside of it makes
        // one, and the server notices only afterwards: docs/remote.md says so.
        let made = test.hsm.apdu_counts().signatures - before;
        let possible = match attack {
            Attack::AlterCommand | Attack::Drop | Attack::Swap => 0,
            Attack::AlterResponse | Attack::Repeat | Attack::Plain => 1,
        };
        assert_eq!(made, possible, "{attack:?}");
        let view = test.wait_for(&id, |view| view.state.is_ended()).await;
        let EndReason::HsmLost { why } = reason(&view) else {
            panic!("{attack:?}: {:?}", view.state);
        };
        assert!(why.contains("secure channel"), "{attack:?}: {why}");
        armed.store(false, std::sync::atomic::Ordering::SeqCst);
        test.wait_for_hsm(|view| view.state == HsmState::Locked)
            .await;
        test.assert_locked().await;
        test.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suppressed_logout_is_detected() {
    let (mut test, address) = start_test_server(Profile::VENDOR, |_| {}).await;
    let armed = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let trigger = armed.clone();
    let interceptor = Box::new(move |card: &mut dyn Transport, command: &[u8]| {
        if trigger.load(std::sync::atomic::Ordering::SeqCst)
            && command.get(1) == Some(&0xA4)
            && command[0] == 0
            && command[2] == 4
        {
            // SELECT is the log-out, and cannot be protected by the secure channel.
            return Ok(vec![
                0x6F, 0x0A, 0x82, 0x01, 0x78, 0x85, 0x05, 0x00, 0x01, 0x00, 0x03, 0x05, 0x90, 0x00,
            ]);
        }
        card.transmit(command)
    });
    let _client = Client::attach(address, "/rt/hsm", test.hsm.connect(), interceptor);
    test.make_ready().await;
    let id = test.request_signatures("ec", &["a", "b"]).await;
    test.open(&id).await;
    armed.store(true, std::sync::atomic::Ordering::SeqCst);
    let ben = test.ben().person.clone();
    let request = LockRequest {
        actor: operator(&ben),
        person: ben,
        is_admin: false,
    };
    let terms = test.view(&id).await.terms;
    test.server
        .activations
        .lock(&terms, request)
        .await
        .expect("locked");
    // A key use inside the secure channel showed that the card was still open, so the server reset it and reports a failure.
    let view = test.hsm_view().await;
    assert!(matches!(view.state, HsmState::Failed { .. }), "{view:?}");
    assert!(test.sign(&id, "1", &request_for("a", EC)).await.is_err());
    armed.store(false, std::sync::atomic::Ordering::SeqCst);
    test.wait_for_hsm(|view| view.state == HsmState::Locked)
        .await;
    test.assert_locked().await;
    test.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn existing_clients_understand_the_protocol() {
    let (test, address) = start_test_server(Profile::VENDOR, |_| {}).await;
    tokio::task::spawn_blocking(move || {
        let first = hex!("E81AC0183BFE1800008131FE458031815448534D31738021408107FA");
        let mut wire = Wire::connect(address, "/rt/hsm");
        let (status, cookie, body) = wire.post(&first).expect("an answer");
        let cookie = cookie.expect("a cookie");
        let (value, rest) = cookie.split_once(';').expect("attributes");
        assert!(value.starts_with("RAMSID=") && value.len() > 30, "{cookie}");
        assert_eq!(rest, " Path=/; HttpOnly");
        assert_eq!(status, 200);
        // Notifications for the person come first, then the application is selected.
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

        // Requests without a session, malformed ones and too large ones are rejected.
        let mut stranger = Wire::connect(address, "/rt/hsm");
        let (status, cookie, _) = stranger.post(&hex!("AB03800100")).expect("an answer");
        assert_eq!((status, cookie), (504, None));
        for (nonsense, wanted) in [(vec![], 400), (vec![0xAA, 0], 400), (vec![0; 70_000], 400)] {
            let mut stranger = Wire::connect(address, "/rt/hsm");
            let (status, _, _) = stranger.post(&nonsense).expect("an answer");
            assert_eq!(status, wanted);
        }
        let mut stranger = Wire::connect(address, "/rt/elsewhere");
        assert_eq!(stranger.post(&first).expect("an answer").0, 404);
    })
    .await
    .expect("no panic");
    test.shutdown().await;
}

/// Posts an initiation as any stranger can, and reads nothing.
fn initiate(address: SocketAddr) -> std::net::TcpStream {
    let body = hex!("E81AC0183BFE1800008131FE458031815448534D31738021408107FA");
    let mut stream = std::net::TcpStream::connect(address).expect("connects");
    let head = format!(
        "POST /rt/hsm HTTP/1.1\r\nHost: localhost\r\nContent-Type: {}\r\nContent-Length: {}\r\n\r\n",
        countersign_ram::http::CLIENT_CONTENT_TYPE,
        body.len()
    );
    let _ = std::io::Write::write_all(&mut stream, &[head.as_bytes(), &body].concat());
    stream
}

/// Attaches the HSM, and connects again after a failure, as the helper does.
async fn attach_again(test: &TestServer, address: SocketAddr) -> Client {
    for _ in 0..20 {
        let client = attach(address, &test.hsm);
        for _ in 0..100 {
            if !matches!(test.hsm_view().await.state, HsmState::Absent { .. }) {
                return client;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        client.pull();
    }
    panic!("the HSM was never attached");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_initiations_keeps_no_hsm_out() {
    let (test, address) = start_test_server(Profile::VENDOR, |_| {}).await;
    // Many that wait for a reply, and many that hang up.
    let _waiting: Vec<_> = (0..300).map(|_| initiate(address)).collect();
    (0..300).for_each(|_| drop(initiate(address)));
    let go_on = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(true));
    let flood = std::thread::spawn({
        let go_on = go_on.clone();
        move || {
            let mut last = None;
            while go_on.load(std::sync::atomic::Ordering::Relaxed) {
                last = Some(initiate(address));
                std::thread::sleep(Duration::from_millis(100));
            }
            drop(last);
        }
    });
    for _ in 0..2 {
        let client = attach_again(&test, address).await;
        client.pull();
        test.wait_for_hsm(|view| matches!(view.state, HsmState::Absent { .. }))
            .await;
    }
    let client = attach_again(&test, address).await;
    let _more: Vec<_> = (0..300).map(|_| initiate(address)).collect();
    assert!(test.hsm_view().await.device.is_some());
    go_on.store(false, std::sync::atomic::Ordering::Relaxed);
    flood.join().expect("the flood");
    client.pull();
    test.shutdown().await;
}
