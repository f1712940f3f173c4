//! A running server with one simulated HSM and four people.

use std::{collections::BTreeMap, net::SocketAddr, path::Path, time::Duration};

use countersign_card::SoPin;
use countersign_protocol::{
    Timestamp,
    act::{ActOutcome, ActToSign, NewAct},
    activation::{
        ActivationState, ActivationView, EndReason, Join, NewActivation, NewPurpose, Quorum,
    },
    audit::{Actor, AuditEvent},
    cvc::Fingerprint,
    digest::Sha256Digest,
    dsse::Envelope,
    hsm::{HsmState, HsmView, InitialiseHsm, RegisterCustodian},
    id::{ActId, ActivationId, HsmId, OperatorId},
    lease::LeaseLimits,
    manifest::{Manifest, ManifestFile},
    mechanism::Mechanism,
    operator::{self, Bootstrap, ConfirmKey, NewInvitation, OperatorView, Role},
    purpose::{NewKeyType, Scope},
    signature::{SignRequest, SignatureView},
    token::{CreatedToken, NewToken, TokenCertificate},
};
use countersign_server::{
    activation::{ActivationError, Approved, Requester},
    acts::{ActError, Signed, Signer},
    clock::Clock,
    config::{
        Attachment, Config, HsmConfig, LeaseConfig, LogConfig, RemoteConfig, SessionConfig,
        TlsConfig, TrustedProxies,
    },
    hsm::Connector,
    http::{self, ConnectionLimits, Connections},
    mandate::Mandate,
    people::PeopleError,
    server::{Server, SimulatorConnector},
    signing::SigningError,
    store,
    tls::{CertificateError, ClientCertificate},
    tokens::TokenError,
};
use countersign_simulator::{Profile, Simulator};
use tokio::net::TcpListener;

use crate::person::{Card, Person, new_card};

/// The SO-PIN of every simulated HSM.
pub const SO_PIN: &str = "3537363231383830";

pub const ORIGIN: &str = "http://localhost:8080";

pub fn hsm_id() -> HsmId {
    HsmId::new("release")
}

/// Indices of the people in [`TestServer::people`].
pub const ANNA: usize = 0;
pub const BEN: usize = 1;
pub const CARLA: usize = 2;
pub const DOUG: usize = 3;

/// A server with Anna (admin and custodian), Ben and Carla (custodians) and Doug (requester).
pub struct TestServer {
    pub server: Server,
    pub hsm: Simulator,
    pub people: Vec<Person>,
    pub folder: tempfile::TempDir,
}

pub fn config(folder: &Path, demo: bool) -> Config {
    Config {
        name: "Test".into(),
        listen: ([127, 0, 0, 1], 0).into(),
        public_origin: ORIGIN.into(),
        data_dir: folder.to_owned(),
        helper_port: 1,
        demo,
        cardcontact_test_root: false,
        anchors: vec![],
        hsms: vec![HsmConfig {
            id: hsm_id(),
            attachment: Attachment::Reader("played by the test".into()),
            device: None,
        }],
        lease: LeaseConfig {
            // Tests of faults leave many requests behind.
            max_waiting_requests: 100_000,
            ..LeaseConfig::default()
        },
        log: LogConfig::default(),
        remote: RemoteConfig::default(),
        session: SessionConfig::default(),
        tls: TlsConfig::default(),
        trusted_proxies: TrustedProxies::default(),
    }
}

/// Serves without TLS, as behind a proxy.
pub async fn listen(server: &Server) -> SocketAddr {
    listen_with(server, ConnectionLimits::of_this_process()).await
}

/// Serves without TLS, with these limits of connections.
pub async fn listen_with(server: &Server, limits: ConnectionLimits) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let proxies = server.config.trusted_proxies.clone();
    let connections = Connections::new(router(server).await, proxies, limits);
    tokio::spawn(connections.serve(listener, std::future::pending()));
    address
}

pub async fn router(server: &Server) -> axum::Router {
    http::router(server.http_state()).expect("a router")
}

/// Why a token could not be created.
#[derive(Debug)]
pub enum NotCreated {
    Certificate(CertificateError),
    Token(TokenError),
}

/// Confirms a key as an admin whose card signed it.
pub async fn confirm(
    server: &Server,
    admin: &operator::Person,
    person: &OperatorId,
    fingerprint: Fingerprint,
) -> Result<OperatorView, PeopleError> {
    let mut tx = server.store.write().await.expect("a transaction");
    let confirm = ConfirmKey {
        person: person.clone(),
        fingerprint,
    };
    let mandate = Mandate::assumed(admin);
    let view = server
        .people
        .confirm_key(&mut tx, &mandate, &confirm)
        .await?;
    tx.commit().await.expect("stored");
    Ok(view)
}

/// Creates a token as a requester whose card signed it.
pub async fn create_token(
    server: &Server,
    owner: &operator::Person,
    new: &NewToken,
) -> Result<CreatedToken, NotCreated> {
    let certificate = new.certificate.as_ref().map(|pem| {
        let certificate = ClientCertificate::from_pem(pem.as_bytes())?;
        certificate.check(Timestamp::now())?;
        Ok::<_, CertificateError>(TokenCertificate {
            fingerprint: certificate.fingerprint,
            subject: certificate.subject,
            not_after: certificate.not_after,
        })
    });
    let certificate = certificate.transpose().map_err(NotCreated::Certificate)?;
    let mut tx = server.store.write().await.expect("a transaction");
    let mandate = Mandate::assumed(owner);
    let created = server
        .tokens
        .create(&mut tx, &mandate, new, certificate)
        .await
        .map_err(NotCreated::Token)?;
    tx.commit().await.expect("stored");
    Ok(created)
}

pub async fn start(folder: &Path, hsm: &Simulator) -> Server {
    start_with(config(folder, true), hsm).await
}

pub async fn start_with(config: Config, hsm: &Simulator) -> Server {
    start_at(config, hsm, Clock::system()).await
}

pub async fn start_at(config: Config, hsm: &Simulator, clock: Clock) -> Server {
    let server = Server::open_with_clock(config, clock).await.expect("opens");
    let connector: Box<dyn Connector> = Box::new(SimulatorConnector::new(hsm.clone()));
    server
        .start_with(BTreeMap::from([(hsm_id(), connector)]))
        .await
        .expect("starts");
    server
}

pub fn operator(person: &operator::Person) -> Actor {
    Actor::Operator {
        person: person.clone(),
    }
}

pub fn files(names: &[&str]) -> Manifest {
    let files = names
        .iter()
        .map(|name| ManifestFile {
            name: (*name).into(),
            digest: Sha256Digest::of(name.as_bytes()).into(),
        })
        .collect();
    Manifest::new(files).expect("a manifest")
}

pub fn request_for(name: &str, mechanism: Mechanism) -> SignRequest {
    SignRequest::new(
        mechanism,
        Sha256Digest::of(name.as_bytes()).as_bytes().to_vec(),
    )
}

impl TestServer {
    /// Starts a server with enrolled and confirmed people, and an HSM that is not initialised.
    pub async fn with_people(profile: Profile) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let hsm = new_card("TARGET", profile, None);
        let server = start(folder.path(), &hsm).await;
        Self::of(server, hsm, folder).await
    }

    /// Enrols and confirms the people at this server.
    pub async fn of(server: Server, hsm: Simulator, folder: tempfile::TempDir) -> Self {
        let mut test = Self {
            server,
            hsm,
            people: Vec::new(),
            folder,
        };
        let (code, _) = test
            .server
            .people
            .new_bootstrap_code()
            .await
            .expect("works")
            .expect("a code");
        let bootstrap = Bootstrap {
            code,
            name: "Anna".into(),
            mail: None,
        };
        let invited = test
            .server
            .people
            .bootstrap(&bootstrap)
            .await
            .expect("an invitation");
        test.enrol(&invited.link, "ANNA01").await;
        for (name, role) in [
            ("Ben", Role::Custodian),
            ("Carla", Role::Custodian),
            ("Doug", Role::Requester),
        ] {
            let link = test.invite(name, role).await;
            test.enrol(
                &link,
                &format!("{:X<4}01", name.to_uppercase()).replace('X', "0")[..6],
            )
            .await;
            let admin = test.anna().person.clone();
            let person = test.people.last().expect("a person");
            let key = person.card.fingerprint();
            confirm(&test.server, &admin, &person.person.id, key)
                .await
                .expect("confirmed");
        }
        test
    }

    /// Starts a server whose HSM needs 2 of 3 approvals and holds the keys `ec` and `rsa`.
    pub async fn ready(profile: Profile) -> Self {
        let mut test = Self::with_people(profile).await;
        test.make_ready().await;
        test
    }

    /// Sets up the HSM for 2 of 3 approvals, with the keys `ec` and `rsa`.
    pub async fn make_ready(&mut self) {
        self.set_up().await;
        for (label, key_type) in [
            ("ec", NewKeyType::EcSecp256r1),
            ("rsa", NewKeyType::Rsa2048),
        ] {
            self.generate(label, key_type).await;
        }
    }

    pub fn anna(&self) -> &Person {
        &self.people[ANNA]
    }

    pub fn anna_mut(&mut self) -> &mut Person {
        &mut self.people[ANNA]
    }

    pub fn ben(&self) -> &Person {
        &self.people[BEN]
    }

    pub fn ben_mut(&mut self) -> &mut Person {
        &mut self.people[BEN]
    }

    pub fn carla(&self) -> &Person {
        &self.people[CARLA]
    }

    pub fn carla_mut(&mut self) -> &mut Person {
        &mut self.people[CARLA]
    }

    pub fn doug(&self) -> &Person {
        &self.people[DOUG]
    }

    /// Locks the HSMs. Each test ends with it, because a `Drop` cannot wait for the server's tasks.
    pub async fn shutdown(&self) {
        self.server.shutdown().await;
    }

    pub async fn invite(&self, name: &str, role: Role) -> String {
        self.invite_as(name, &[role]).await
    }

    pub async fn invite_as(&self, name: &str, roles: &[Role]) -> String {
        let admin = &self.anna().person;
        let invitation = NewInvitation {
            name: name.into(),
            mail: None,
            roles: roles.to_vec(),
        };
        let mut tx = self.server.store.write().await.expect("a transaction");
        let mandate = Mandate::assumed(admin);
        let invited = self.server.people.invite(&mut tx, &mandate, invitation);
        let link = invited.await.expect("invited").link;
        tx.commit().await.expect("stored");
        link
    }

    pub async fn enrol(&mut self, link: &str, serial: &str) {
        let mut card = Card::new(serial);
        let (_, code) = link.split_once('#').expect("a code");
        let opened = self
            .server
            .people
            .open_invitation(code)
            .await
            .expect("opened");
        let view = self
            .server
            .people
            .enrol(&card.enrolment(code, &opened))
            .await
            .expect("enrolled");
        self.people.push(Person {
            card,
            person: view.person,
        });
    }

    pub async fn set_up(&mut self) {
        self.wait_for_hsm(|view| view.device.is_some()).await;
        self.initialise().await;
        self.register_custodians().await;
    }

    pub async fn register_custodians(&self) {
        for index in [ANNA, BEN, CARLA] {
            let mandate = Mandate::assumed(&self.anna().person);
            let register = RegisterCustodian {
                hsm: hsm_id(),
                key: self.people[index].card.fingerprint(),
            };
            self.server
                .activations
                .register(&mandate, register)
                .await
                .expect("registered");
        }
    }

    pub async fn initialise(&self) {
        let quorum = Quorum {
            required: 2,
            total: 3,
        };
        let request = InitialiseHsm {
            hsm: hsm_id(),
            quorum,
            allow_replace: false,
            erase: hsm_id(),
        };
        let so_pin = SoPin::from_hex(SO_PIN).expect("an SO-PIN");
        let mandate = Mandate::assumed(&self.anna().person);
        self.server
            .activations
            .initialise(&mandate, request, so_pin)
            .await
            .expect("initialised");
    }

    /// The person as the API knows them when they are logged in.
    pub fn signer(&self, index: usize) -> Signer {
        let person = &self.people[index];
        Signer {
            person: person.person.clone(),
            key: person.card.fingerprint(),
        }
    }

    pub async fn propose(&self, index: usize, act: NewAct) -> Result<ActToSign, ActError> {
        self.server
            .acts
            .propose(&self.signer(index), act, None)
            .await
    }

    /// This person's card signs a pending act.
    pub async fn sign_act(&mut self, index: usize, id: &ActId) -> Signed {
        let signer = self.signer(index);
        let task = self.server.acts.task(&signer, id).await?;
        let statement = self.people[index].card.sign_act(&task);
        self.server.acts.sign(signer, id.clone(), statement).await
    }

    /// This person proposes and signs an act.
    pub async fn perform(&mut self, index: usize, act: NewAct) -> Result<ActOutcome, ActError> {
        let id = self.propose(index, act).await?.act.terms.id;
        self.sign_act(index, &id).await
    }

    pub async fn generate(&mut self, label: &str, key_type: NewKeyType) {
        let purpose = NewPurpose::GenerateKey {
            label: label.into(),
            key_type,
        };
        let view = self.request(ANNA, purpose, None).await.expect("requested");
        let id = view.id();
        self.approve(BEN, &id).await;
        self.approve(CARLA, &id).await;
        let view = self.wait_for(&id, |view| view.state.is_ended()).await;
        assert_eq!(reason(&view), EndReason::Completed);
    }

    /// Requests an activation with default values as this person.
    pub async fn request(
        &self,
        index: usize,
        purpose: NewPurpose,
        lease: Option<LeaseLimits>,
    ) -> Result<ActivationView, ActivationError> {
        let new = NewActivation {
            purpose,
            lease,
            ..anything()
        };
        let (view, _) = self.request_activation(index, new).await?;
        Ok(view)
    }

    /// Requests an activation as this person. Also returns whether it is new.
    pub async fn request_activation(
        &self,
        index: usize,
        new: NewActivation,
    ) -> Result<(ActivationView, bool), ActivationError> {
        let person = &self.people[index].person;
        let actor = operator(person);
        let requester = requester(person, &actor, index == ANNA);
        let (id, is_new) = self.server.activations.create(&requester, new).await?;
        Ok((self.view(&id).await, is_new))
    }

    /// Doug requests signatures of files.
    pub async fn request_signatures(&self, key: &str, names: &[&str]) -> ActivationId {
        let scope = Scope::Manifest {
            files: files(names),
        };
        let view = self
            .request(
                DOUG,
                NewPurpose::Sign {
                    keys: vec![key.into()],
                    scope,
                },
                None,
            )
            .await
            .expect("requested");
        view.id()
    }

    /// Doug requests signatures of any content.
    pub async fn request_any_content(
        &self,
        key: &str,
        seconds: u32,
        signatures: u32,
    ) -> ActivationId {
        let purpose = NewPurpose::Sign {
            keys: vec![key.into()],
            scope: Scope::Open,
        };
        let lease = LeaseLimits {
            seconds,
            signatures,
        };
        self.request(DOUG, purpose, Some(lease))
            .await
            .expect("requested")
            .id()
    }

    pub async fn task(&self, index: usize, id: &ActivationId) -> Result<Envelope, ActivationError> {
        let custodian = self.people[index].custodian();
        let terms = self.view(id).await.terms;
        self.server.activations.task(&terms, &custodian).await
    }

    /// Approves as this custodian, repeatedly until the HSM counts the approval. Returns the number of attempts.
    pub async fn approve(&mut self, index: usize, id: &ActivationId) -> (u8, ActivationView) {
        self.wait_for(id, |view| view.state == ActivationState::AwaitingApprovals)
            .await;
        let mut task = self.task(index, id).await.expect("a task");
        for answers in 1..=3 {
            let signed = self.people[index].approve(&task);
            let custodian = self.people[index].custodian();
            let terms = self.view(id).await.terms;
            let outcome = self
                .server
                .activations
                .approve(&terms, &custodian, signed)
                .await
                .expect("an outcome");
            match outcome {
                Approved::Counted => return (answers, self.view(id).await),
                Approved::SignAgain { task: again } => task = again,
            }
        }
        panic!("the HSM never counted the approval");
    }

    /// Opens the HSM with the approvals of Anna and Carla.
    pub async fn open(&mut self, id: &ActivationId) {
        self.approve(ANNA, id).await;
        let (_, view) = self.approve(CARLA, id).await;
        assert!(
            matches!(view.state, ActivationState::Open { .. }),
            "{:?}",
            view.state
        );
    }

    pub async fn sign(
        &self,
        id: &ActivationId,
        idempotency_key: &str,
        request: &SignRequest,
    ) -> Result<SignatureView, SigningError> {
        let person = &self.doug().person;
        let actor = operator(person);
        self.server
            .signing
            .sign(
                &requester(person, &actor, false),
                id,
                idempotency_key,
                request,
            )
            .await
    }

    pub async fn view(&self, id: &ActivationId) -> ActivationView {
        self.server
            .views
            .activation(id)
            .await
            .expect("an activation")
    }

    /// Activations that have not ended, the oldest first.
    pub async fn active(&self) -> Vec<ActivationId> {
        let mut connection = self.server.store.read().await.expect("a connection");
        let active = store::activations::active_of(&mut connection, &hsm_id()).await;
        let active = active.expect("activations").into_iter();
        active
            .map(|activation| activation.terms.id.activation())
            .collect()
    }

    pub async fn wait_for(
        &self,
        id: &ActivationId,
        ready: impl Fn(&ActivationView) -> bool,
    ) -> ActivationView {
        for _ in 0..1000 {
            let view = self.view(id).await;
            if ready(&view) {
                return view;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("never: {:#?}", self.view(id).await);
    }

    pub async fn hsm_view(&self) -> HsmView {
        let hsm = self.server.hsms.get(&hsm_id()).expect("the HSM");
        self.server.views.hsm(&hsm).await.expect("a view")
    }

    pub async fn wait_for_hsm(&self, ready: impl Fn(&HsmView) -> bool) -> HsmView {
        for _ in 0..1000 {
            let view = self.hsm_view().await;
            if ready(&view) {
                return view;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("never: {:#?}", self.hsm_view().await);
    }

    pub async fn assert_locked(&self) {
        let view = self.hsm_view().await;
        assert_eq!(view.state, HsmState::Locked);
        assert_eq!(view.pka.expect("a quorum").authenticated, 0);
    }

    /// Checks that the device refuses the use of a key.
    pub async fn assert_not_open(&self) {
        let view = self.hsm_view().await;
        assert!(
            matches!(
                view.state,
                HsmState::Locked | HsmState::AwaitingApprovals { .. }
            ),
            "{:?}",
            view.state
        );
    }

    /// The receipt in its envelope.
    pub async fn receipt(&self, id: &ActivationId) -> Envelope {
        let file = self.server.views.receipt(id).await.expect("a receipt");
        serde_json::from_reader(std::io::BufReader::new(file)).expect("an envelope")
    }

    pub async fn audit(&self) -> Vec<AuditEvent> {
        let mut connection = self.server.store.read().await.expect("a connection");
        let page = store::audit::page(&mut connection, None, 10_000)
            .await
            .expect("the log");
        let mut events: Vec<_> = page.entries.into_iter().map(|entry| entry.event).collect();
        events.reverse();
        events
    }

    pub async fn wait_for_audit(&self, wanted: fn(&AuditEvent) -> bool) {
        for _ in 0..500 {
            if self.audit().await.iter().any(wanted) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("never: {:#?}", self.audit().await);
    }

    pub async fn restart(&mut self) {
        self.shutdown().await;
        self.server = start(self.folder.path(), &self.hsm).await;
        self.wait_for_hsm(|view| view.device.is_some()).await;
    }
}

/// A request to sign any content with the EC key.
pub fn anything() -> NewActivation {
    NewActivation {
        hsm: None,
        purpose: NewPurpose::Sign {
            keys: vec!["ec".into()],
            scope: Scope::Open,
        },
        reason: "Firmware 4.2.1".into(),
        lease: Some(LeaseLimits {
            seconds: 600,
            signatures: 10,
        }),
        approval_seconds: None,
        abandoned_after_seconds: None,
        join: Join::SamePurpose,
    }
}

pub fn requester<'a>(person: &'a operator::Person, actor: &'a Actor, admin: bool) -> Requester<'a> {
    Requester {
        person,
        actor,
        may_sign: !admin,
        may_generate: admin,
        keys: &[],
    }
}

pub fn reason(view: &ActivationView) -> EndReason {
    match &view.state {
        ActivationState::Ended { reason, .. } => reason.clone(),
        state => panic!("not ended: {state:?}"),
    }
}
