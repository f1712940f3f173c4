//! Clients that hang up at any moment after they have sent a request.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    sync::Arc,
    time::Duration,
};

use countersign_protocol::{
    activation::{ActivationState, ActivationView, CustodianProgress, Decision, EndReason},
    audit::AuditEvent,
    mechanism::Mechanism,
};
use countersign_simulator::Profile;
use rustls::{ClientConfig, ClientConnection, StreamOwned, pki_types::ServerName};
use socket2::SockRef;
use tokio::task::block_in_place;

use super::{
    health::{Lost, nothing_is_half_done},
    routes::{ATTEMPTS, ROUTES, Route, Setting},
};
use crate::{
    cloud::client::lock,
    test_server::{BEN, TestServer, listen, reason, request_for},
    tls::server::TlsServer,
};

/// Longest time between the request and the hang-up, in microseconds.
const LONGEST: u64 = 3000;
/// Time limit for the response to a write.
const TIME_LIMIT: Duration = Duration::from_secs(3);
/// Time limit for a whole test.
const BOUND: Duration = Duration::from_secs(240);

/// Attempts at requests that need a custodian's card.
const MORE: usize = 16;

/// How a client leaves.
#[derive(Clone, Copy, Debug)]
enum End {
    /// RST, as when the program is killed.
    Reset,
    /// FIN, after a TLS alert if there is TLS.
    Close,
}

/// The server's address, and the TLS configuration of its clients.
#[derive(Clone)]
struct Server {
    address: SocketAddr,
    tls: Option<Arc<ClientConfig>>,
}

enum Stream {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Stream {
    fn both(&mut self) -> &mut dyn ReadWrite {
        match self {
            Self::Plain(stream) => stream,
            Self::Tls(stream) => stream,
        }
    }
}

trait ReadWrite: Read + Write {}
impl<T: Read + Write> ReadWrite for T {}

impl Server {
    fn connect(&self) -> std::io::Result<Stream> {
        let tcp = TcpStream::connect(self.address)?;
        tcp.set_nodelay(true)?;
        tcp.set_read_timeout(Some(TIME_LIMIT))?;
        let Some(config) = &self.tls else {
            return Ok(Stream::Plain(tcp));
        };
        let name = ServerName::try_from("localhost").expect("a name");
        let mut tls = ClientConnection::new(config.clone(), name).expect("a client");
        let mut tcp = tcp;
        while tls.is_handshaking() {
            tls.complete_io(&mut tcp)?;
        }
        Ok(Stream::Tls(Box::new(StreamOwned::new(tls, tcp))))
    }

    /// Sends a request, waits, and closes the connection without reading the response.
    fn hang_up(&self, request: &[u8], wait: Duration, end: End) -> std::io::Result<()> {
        let mut stream = self.connect()?;
        stream.both().write_all(request)?;
        stream.both().flush()?;
        std::thread::sleep(wait);
        let tcp = match &mut stream {
            Stream::Plain(tcp) => tcp,
            Stream::Tls(tls) => {
                if matches!(end, End::Close) {
                    tls.conn.send_close_notify();
                    let _ = tls.conn.write_tls(&mut tls.sock);
                }
                &mut tls.sock
            }
        };
        if matches!(end, End::Reset) {
            SockRef::from(&*tcp).set_linger(Some(Duration::ZERO))?;
        }
        Ok(())
    }

    /// Sends a request and returns the status of its response.
    fn status(&self, request: &[u8]) -> std::io::Result<u16> {
        let mut stream = self.connect()?;
        stream.both().write_all(request)?;
        stream.both().flush()?;
        let mut head = [0; 12];
        stream.both().read_exact(&mut head)?;
        let status = std::str::from_utf8(&head[9..]).ok();
        Ok(status.and_then(|text| text.parse().ok()).expect("a status"))
    }
}

/// A moment for each attempt. The moments cover the whole range, and are the same in every run.
fn moment(number: usize) -> Duration {
    let number = u64::try_from(number).expect("few attempts");
    Duration::from_micros(number * 7919 % LONGEST)
}

fn route(method: &str, path: &str) -> &'static Route {
    ROUTES
        .iter()
        .find(|route| route.method == method && route.path == path)
        .expect("a route of the table")
}

/// Writes of every kind succeed at once.
fn must_write(server: &Server, setting: &Setting) {
    for (method, path) in [
        ("POST", "/api/v1/session/challenge"),
        ("POST", "/api/v1/enrolment/open"),
        ("POST", "/api/v1/invitations"),
        ("POST", "/api/v1/tokens"),
        ("PUT", "/api/v1/keys/{fingerprint}/settings"),
        ("POST", "/api/v1/activations"),
        ("POST", "/api/v1/activations/{id}/decline"),
        ("POST", "/api/v1/activations/{id}/signatures"),
        ("POST", "/se/api/keys/{key}/signhash"),
    ] {
        let request = setting.request(route(method, path), 0);
        let status = server.status(&request);
        let status = status.unwrap_or_else(|error| panic!("{method} {path}: {error}"));
        assert!((200..300).contains(&status), "{method} {path}: {status}");
    }
}

/// Hangs up over every route, then checks that the server works as before.
async fn hang_up_everywhere(test: &mut TestServer, server: Server) {
    let setting = Setting::of(test).await;
    block_in_place(|| must_write(&server, &setting));
    let half = ATTEMPTS / 2;
    for (end, attempts) in [(End::Reset, 0..half), (End::Close, half..ATTEMPTS)] {
        for (place, route) in ROUTES.iter().enumerate() {
            for attempt in attempts.clone() {
                let request = setting.request(route, attempt);
                let wait = moment(place * ATTEMPTS + attempt);
                // A server that rejects a request early may have closed the connection already.
                let _ = block_in_place(|| server.hang_up(&request, wait, end));
            }
        }
        block_in_place(|| must_write(&server, &setting));
        nothing_is_half_done(test, Lost::None).await;
    }
    assert!(
        matches!(
            test.view(&setting.open).await.state,
            ActivationState::Open { .. }
        ),
        "a hung-up request ended the lease"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_that_hang_up_leave_the_server_as_it_was() {
    let mut test = TestServer::ready(Profile::VENDOR).await;
    let server = Server {
        address: listen(&test.server).await,
        tls: None,
    };
    tokio::time::timeout(BOUND, hang_up_everywhere(&mut test, server))
        .await
        .expect("within the time limit");
    test.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_that_hang_up_leave_a_server_with_tls_as_it_was() {
    let mut tls_server = TlsServer::new().await;
    tls_server.test.make_ready().await;
    let server = Server {
        address: tls_server.address,
        tls: Some(tls_server.client_config()),
    };
    tokio::time::timeout(BOUND, hang_up_everywhere(&mut tls_server.test, server))
        .await
        .expect("within the time limit");
    tls_server.test.shutdown().await;
}

/// Number of approvals on record.
fn on_record(view: &ActivationView) -> usize {
    let approved =
        |custodian: &&CustodianProgress| matches!(custodian.decision, Decision::Approved { .. });
    view.custodians.iter().filter(approved).count()
}

/// The card's count and the stored approvals agree, whenever the custodian's client hangs up.
#[tokio::test(flavor = "multi_thread")]
async fn an_approval_whose_custodian_hangs_up_counts_on_the_card_and_on_record_or_nowhere() {
    let mut test = TestServer::ready(Profile::VENDOR).await;
    let setting = Setting::of(&mut test).await;
    lock(&test, &setting.open).await;
    let server = Server {
        address: listen(&test.server).await,
        tls: None,
    };
    for waiting in test.active().await {
        lock(&test, &waiting).await;
    }
    let mut counted = 0;
    for number in 0..MORE {
        let id = test
            .request_signatures("ec", &[&format!("approved {number}")])
            .await;
        test.wait_for(&id, |view| view.state == ActivationState::AwaitingApprovals)
            .await;
        let task = test.task(BEN, &id).await.expect("a task");
        let signed = test.ben_mut().approve(&task);
        let body = serde_json::to_string(&signed).expect("JSON");
        let path = format!("/api/v1/activations/{id}/approvals");
        let request = setting.request_of(BEN, "POST", &path, &body);
        let end = if number % 2 == 0 {
            End::Reset
        } else {
            End::Close
        };
        block_in_place(|| server.hang_up(&request, moment(number * 3), end)).expect("sent");
        // The coordinator of the HSM completes a request that has arrived, so card and record differ only for a moment.
        tokio::time::sleep(Duration::from_millis(100)).await;
        let mut differs = true;
        for _ in 0..500 {
            let view = test.view(&id).await;
            let card = test.hsm_view().await.pka.expect("a quorum").authenticated;
            differs = usize::from(card) != on_record(&view) || view.approvals != card;
            if !differs {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert!(!differs, "card and record differ");
        lock(&test, &id).await;
        test.assert_locked().await;
        counted += on_record(&test.view(&id).await);
    }
    let approved = test.audit().await;
    let approved = approved
        .iter()
        .filter(|event| matches!(event, AuditEvent::Approved { .. }));
    // Both keys and the lease of the setting took two approvals each.
    assert_eq!(approved.count(), counted + 6);
    nothing_is_half_done(&test, Lost::None).await;
    test.shutdown().await;
}

/// Either the request never arrived, or the HSM is locked and the activation has ended.
#[tokio::test(flavor = "multi_thread")]
async fn lock_now_whose_sender_hangs_up_is_done_or_never_arrived() {
    let mut test = TestServer::ready(Profile::VENDOR).await;
    let setting = Setting::of(&mut test).await;
    let server = Server {
        address: listen(&test.server).await,
        tls: None,
    };
    for waiting in test.active().await {
        lock(&test, &waiting).await;
    }
    let mut done = 0;
    for number in 0..MORE {
        let id = test.request_any_content("ec", 600, 10).await;
        test.open(&id).await;
        let path = format!("/api/v1/activations/{id}/lock");
        let request = setting.request_of(BEN, "POST", &path, "");
        block_in_place(|| server.hang_up(&request, moment(number * 5), End::Reset)).expect("sent");
        tokio::time::sleep(Duration::from_millis(200)).await;
        let request = request_for("a", Mechanism::EcdsaSha256);
        if test.sign(&id, "1", &request).await.is_ok() {
            lock(&test, &id).await;
        } else {
            // On a busy machine the lock may still be under way.
            let view = test.wait_for(&id, |view| view.state.is_ended()).await;
            assert!(matches!(reason(&view), EndReason::Locked { by } if by.name == "Ben"));
            test.assert_locked().await;
            assert!(!test.hsm.is_open());
            done += 1;
        }
    }
    assert!(done > 0, "no request arrived");
    nothing_is_half_done(&test, Lost::None).await;
    test.shutdown().await;
}
