//! A running helper with a scripted user and simulated cards, and a server that signs tasks.

use std::{
    net::{SocketAddr, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use countersign_card::{
    Atr, KeyInfo, KeyKind, KeySpec, Locality, Pin, SmartCardHsm, Transport, TransportError,
};
use countersign_helper::{
    cards::{CardSource, Reader, SimulatedSource},
    conversation::{Caller, Conversation},
    helper::{Helper, Setup},
    loopback,
    origin::OriginStore,
    prompt::{Deadline, scripted::ScriptedPrompt},
};
use countersign_protocol::{
    Timestamp,
    activation::{ActivationTerms, HsmName, Quorum},
    cvc::{Curve, DeviceChain, EcSecretKey, Fingerprint, PublicKey, TrustAnchors, VerifiedDevice},
    digest::Sha256Digest,
    dsse::{Envelope, Unsigned},
    encoding::Base64,
    helper::{Answer, HELPER_PROTOCOL, HelperError, Message, Operation, Request, Step},
    id::{HsmId, InvitationId, MemberId, OperatorId},
    lease::LeaseLimits,
    manifest::{Manifest, ManifestFile},
    operator::{Person, Role},
    purpose::{KeyName, KeySet, Purpose, Scope},
    task::{ApproveTask, ServerIdentity, ServerTask, Task},
};
use countersign_simulator::{NewCard, Profile, Simulator};
use tungstenite::{WebSocket, client::IntoClientRequest};

pub const ORIGIN: &str = "https://sign.example.org";
pub const PIN: &str = "648219";

/// A helper in this process.
pub struct TestHelper {
    pub port: u16,
    pub user: Arc<ScriptedPrompt>,
    pub helper: Arc<Helper>,
    pub server: Server,
    pub cards: Vec<TestCard>,
    pub config: tempfile::TempDir,
    counts: Arc<CommandCounts>,
    _runtime: tokio::runtime::Runtime,
}

/// A simulated custodian's card with one key.
pub struct TestCard {
    pub simulator: Simulator,
    pub device: VerifiedDevice,
    pub key: Fingerprint,
    pub public_key: PublicKey,
}

impl TestHelper {
    pub fn without_cards() -> Self {
        Self::start(Vec::new())
    }

    pub fn with_card() -> Self {
        Self::start(vec![TestCard::with_ec_key(1)])
    }

    pub fn start(cards: Vec<TestCard>) -> Self {
        let config = tempfile::tempdir().unwrap();
        let user = Arc::new(ScriptedPrompt::approving(PIN));
        let named = cards
            .iter()
            .map(|card| ("card".to_owned(), card.simulator.clone()));
        let counts = Arc::new(CommandCounts::default());
        let source: Arc<dyn CardSource> = Arc::new(CountingSource {
            inner: SimulatedSource::new(named),
            counts: counts.clone(),
        });
        let helper = Helper::new(Setup {
            config: config.path().to_owned(),
            prompt: user.clone(),
            sources: vec![source],
            anchors: anchors(),
            demo: true,
        });
        OriginStore::new(config.path())
            .allow(&ORIGIN.parse().unwrap())
            .unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let loopback = runtime.block_on(loopback::bind(0)).unwrap();
        let port = loopback.port;
        runtime.spawn(loopback::serve(loopback, helper.clone()));
        Self {
            port,
            user,
            helper,
            server: Server::new(7),
            cards,
            config,
            counts,
            _runtime: runtime,
        }
    }

    pub fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    /// Pins the server's key.
    pub fn enrolled(self) -> Self {
        let origins = OriginStore::new(self.config.path());
        origins
            .pin(&ORIGIN.parse().unwrap(), &self.server.fingerprint())
            .unwrap();
        self
    }

    pub fn portal(&self) -> Portal {
        Portal::connect(self.port)
    }

    /// A connection without socket and threads.
    pub fn conversation(&self) -> Conversation {
        let mut conversation = Conversation::new(self.helper.clone(), ORIGIN.parse().unwrap());
        conversation
            .answer(
                Operation::Hello {
                    protocol: HELPER_PROTOCOL,
                },
                &silent(),
            )
            .unwrap();
        conversation
    }

    pub fn card(&self) -> &TestCard {
        &self.cards[0]
    }

    /// The number of PIN tries that reached cards.
    pub fn verify_count(&self) -> u64 {
        self.counts.verify.load(Ordering::SeqCst)
    }

    /// The number of signatures that cards were requested to make.
    pub fn sign_count(&self) -> u64 {
        self.counts.sign.load(Ordering::SeqCst)
    }
}

/// Waits until another thread has established this condition.
pub fn wait_until(mut condition: impl FnMut() -> bool) {
    let until = std::time::Instant::now() + Duration::from_secs(20);
    while !condition() {
        assert!(
            std::time::Instant::now() < until,
            "the condition did not become true"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A caller that ignores the steps.
pub fn silent() -> Caller {
    Caller::new(Deadline::minutes(1), Box::new(|_| {}))
}

pub fn anchors() -> TrustAnchors {
    TrustAnchors::default()
        .with_simulated(countersign_simulator::simulated_anchor().unwrap())
        .unwrap()
}

pub fn pin(text: &str) -> Pin {
    Pin::new(zeroize::Zeroizing::new(text.to_owned())).unwrap()
}

/// The number of commands that the helper sent to cards.
#[derive(Default)]
struct CommandCounts {
    verify: AtomicU64,
    sign: AtomicU64,
}

/// Counts the commands to its cards.
struct CountingSource {
    inner: SimulatedSource,
    counts: Arc<CommandCounts>,
}

struct CountingTransport {
    inner: Box<dyn Transport>,
    counts: Arc<CommandCounts>,
}

impl CardSource for CountingSource {
    fn readers(&self) -> Result<Vec<Reader>, TransportError> {
        self.inner.readers()
    }

    fn connect(&self, reader: &str) -> Result<Box<dyn Transport>, TransportError> {
        let inner = self.inner.connect(reader)?;
        Ok(Box::new(CountingTransport {
            inner,
            counts: self.counts.clone(),
        }))
    }

    fn watch(self: Arc<Self>, _: Box<dyn Fn() + Send>) {}
}

impl Transport for CountingTransport {
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, TransportError> {
        // VERIFY without data (unprotected: only a header; protected: no cryptogram) queries the status.
        let has_data = if command[0] & 0x0C == 0 {
            command.len() > 5
        } else {
            command.get(5) == Some(&0x87)
        };
        if command[1] == 0x20 && has_data {
            assert_ne!(
                command[0] & 0x0C,
                0,
                "a PIN must be sent in the secure channel"
            );
            self.counts.verify.fetch_add(1, Ordering::SeqCst);
        }
        if command[1] == 0x68 {
            self.counts.sign.fetch_add(1, Ordering::SeqCst);
        }
        self.inner.transmit(command)
    }

    fn reset(&mut self) -> Result<Atr, TransportError> {
        self.inner.reset()
    }

    fn name(&self) -> &str {
        self.inner.name()
    }

    fn locality(&self) -> Locality {
        self.inner.locality()
    }
}

/// A new card with a PIN and no key.
fn simulator(serial: &str) -> Simulator {
    Simulator::in_memory(&NewCard {
        serial: serial.to_owned(),
        label: format!("Card {serial}"),
        profile: Profile::VENDOR,
        user_pin: Some(PIN.to_owned()),
    })
    .unwrap()
}

/// The certificates of a signing HSM.
pub fn signing_hsm(serial: &str) -> DeviceChain {
    SmartCardHsm::open(simulator(serial).connect())
        .unwrap()
        .device_chain()
        .unwrap()
}

impl TestCard {
    /// The status word of a VERIFY without PIN, which another program sends.
    pub fn pin_status(&self) -> [u8; 2] {
        let answer = self.simulator.process(&[0x00, 0x20, 0x00, 0x81]).unwrap();
        answer.try_into().unwrap()
    }

    /// Enters a wrong PIN in another program.
    pub fn use_up_a_pin_try(&self) {
        let mut driver = SmartCardHsm::open(self.simulator.connect()).unwrap();
        driver.verify_pin(&pin("111111")).unwrap_err();
    }

    pub fn with_ec_key(number: u32) -> Self {
        Self::new(number, KeyKind::Ec(Curve::BrainpoolP256r1))
    }

    /// A card with one key.
    pub fn new(number: u32, kind: KeyKind) -> Self {
        let simulator = simulator(&format!("00000{number}"));
        let mut driver = SmartCardHsm::open(simulator.connect()).unwrap();
        let device = driver.device_chain().unwrap().verify(&anchors()).unwrap();
        driver.verify_pin(&pin(PIN)).unwrap();
        let spec = KeySpec {
            kind,
            label: format!("custodian {number}"),
            chr: format!("DECUST{number}00001").parse().unwrap(),
            algorithms: None,
            use_counter: None,
        };
        driver.generate_key(&spec).unwrap();
        let keys: Vec<KeyInfo> = driver.list_keys().unwrap();
        let public_key = keys[0].public_key.clone().unwrap();
        driver.logout().unwrap();
        Self {
            simulator,
            device,
            key: public_key.fingerprint(),
            public_key,
        }
    }
}

/// The page's side of the WebSocket.
pub struct Portal {
    socket: WebSocket<TcpStream>,
    next: u64,
    pub steps: Vec<Step>,
}

impl Portal {
    pub fn connect(port: u16) -> Self {
        let mut portal = Self::connect_without_hello(port);
        let hello = portal.request(Operation::Hello {
            protocol: HELPER_PROTOCOL,
        });
        assert!(
            matches!(
                hello,
                Ok(Answer::Hello {
                    protocol: HELPER_PROTOCOL,
                    ..
                })
            ),
            "{hello:?}"
        );
        portal
    }

    /// Connects without a hello.
    pub fn connect_without_hello(port: u16) -> Self {
        let mut request = format!("ws://127.0.0.1:{port}/v1")
            .into_client_request()
            .unwrap();
        request
            .headers_mut()
            .insert("origin", ORIGIN.parse().unwrap());
        let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(60)))
            .unwrap();
        let (socket, _) = tungstenite::client::client(request, stream).unwrap();
        Self {
            socket,
            next: 1,
            steps: Vec::new(),
        }
    }

    pub fn request(&mut self, operation: Operation) -> Result<Answer, HelperError> {
        let id = self.next;
        self.next += 1;
        self.send(&serde_json::to_string(&Request { id, operation }).unwrap());
        let (of, result) = self.reply();
        assert_eq!(of, id);
        result
    }

    /// Sends a request without waiting for its reply.
    pub fn post(&mut self, operation: Operation) {
        self.send(
            &serde_json::to_string(&Request {
                id: 1000,
                operation,
            })
            .unwrap(),
        );
    }

    pub fn send(&mut self, text: &str) {
        self.socket.send(tungstenite::Message::text(text)).unwrap();
    }

    pub fn reply(&mut self) -> (u64, Result<Answer, HelperError>) {
        self.steps.clear();
        loop {
            let message = self.socket.read().unwrap();
            if !message.is_text() {
                continue;
            }
            match serde_json::from_str(message.to_text().unwrap()).unwrap() {
                Message::Reply { id, result } => return (id, result),
                Message::Progress { step, .. } => self.steps.push(step),
                Message::CardsChanged => {}
            }
        }
    }
}

/// A server with its identity key and its signing HSM.
pub struct Server {
    key: EcSecretKey,
    pub hsm: DeviceChain,
    serial: Mutex<i64>,
}

impl Server {
    pub fn new(seed: u8) -> Self {
        let key = EcSecretKey::from_bytes(Curve::Secp256r1, &[seed; 32]).unwrap();
        Self {
            key,
            hsm: signing_hsm("900001"),
            serial: Mutex::new(0),
        }
    }

    pub fn fingerprint(&self) -> Fingerprint {
        self.key.public_key().fingerprint()
    }

    pub fn identity(&self, origin: &str) -> ServerIdentity {
        ServerIdentity {
            name: "Example signing".to_owned(),
            origin: origin.to_owned(),
            key: self.key.public_key(),
        }
    }

    /// A unique task for this origin, valid for this number of seconds.
    pub fn task_for(&self, origin: &str, seconds: i64, task: Task) -> Envelope {
        let mut serial = self.serial.lock().unwrap();
        *serial += 1;
        let expires_at = Timestamp::from_second(Timestamp::now().as_second() + seconds).unwrap();
        let expires_at =
            Timestamp::new(expires_at.as_second(), i32::try_from(*serial).unwrap()).unwrap();
        self.sign(&ServerTask {
            server: self.identity(origin),
            expires_at,
            task,
        })
    }

    pub fn sign(&self, task: &ServerTask) -> Envelope {
        let unsigned = Unsigned::new(task);
        let signature = self.key.sign_prehash(unsigned.digest().as_bytes()).unwrap();
        unsigned.seal(&self.fingerprint(), &signature)
    }

    pub fn task(&self, task: Task) -> Envelope {
        self.task_for(ORIGIN, 300, task)
    }

    pub fn log_in(&self) -> Envelope {
        self.task(Task::LogIn {
            nonce: "nonce-1".to_owned(),
        })
    }

    pub fn enrol(&self) -> Envelope {
        self.task(Task::Enrol {
            invitation: InvitationId::new("inv-1"),
            person: "Anna Example".to_owned(),
            roles: vec![Role::Custodian],
            nonce: "nonce-2".to_owned(),
        })
    }

    pub fn approve(&self, key: Fingerprint, challenge: &[u8]) -> Envelope {
        self.task(Task::Approve(Box::new(self.approve_task(key, challenge))))
    }

    pub fn approve_task(&self, key: Fingerprint, challenge: &[u8]) -> ApproveTask {
        ApproveTask {
            terms: self.terms(),
            device_certificates: Base64(self.hsm.to_ef()),
            challenge: Base64(challenge.to_vec()),
            key,
            approved_by: vec!["Ben".to_owned()],
        }
    }

    pub fn terms(&self) -> ActivationTerms {
        let file = |name: &str| ManifestFile {
            name: name.to_owned(),
            digest: Sha256Digest::of(name.as_bytes()).into(),
        };
        ActivationTerms {
            id: MemberId::new("8K3F"),
            hsm: HsmName {
                id: HsmId::new("release"),
                device: countersign_protocol::cvc::DeviceId(self.hsm.device.chr().clone()),
            },
            pool: None,
            purpose: Purpose::Sign {
                keys: KeySet::one(KeyName {
                    label: "fit-2026".to_owned(),
                    fingerprint: Fingerprint([9; 32]),
                }),
                scope: Scope::Manifest {
                    files: Manifest::new(vec![file("boot.bin"), file("rootfs.img")]).unwrap(),
                },
            },
            requester: Person {
                id: OperatorId::new("op-2"),
                name: "Doug Smith".to_owned(),
            },
            reason: "Firmware 4.2.1".to_owned(),
            lease: LeaseLimits {
                seconds: 7200,
                signatures: 2,
            },
            raw_rsa: Vec::new(),
            quorum: Quorum {
                required: 2,
                total: 3,
            },
            requested_at: "2026-10-02T14:05:00Z".parse().unwrap(),
            expires_at: "2099-01-01T00:00:00Z".parse().unwrap(),
        }
    }
}
