//! Pools: several HSMs with the same key.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use countersign_card::{
    DkekShare, InitializeOptions, KeyDomainOptions, KeyKind, KeySpec, PkaOptions, SmartCardHsm,
    SoPin,
    pka::{ChallengeBehaviour, PkaResponse, RespondOutcome, Round},
};
use countersign_protocol::{
    Timestamp,
    activation::{ActivationState, ActivationView, EndReason, NewActivation},
    audit::AuditEvent,
    cvc::{Curve, VerifiedDevice},
    dsse::Envelope,
    hsm::{HsmState, RegisterCustodian},
    id::{ActivationId, HsmId, MemberId},
    mechanism::Mechanism,
};
use countersign_server::{
    activation::{ActivationError, Approved, LockRequest},
    clock::Clock,
    config::{Attachment, Config, HsmConfig},
    devices::DeviceError,
    hsm::Connector,
    mandate::Mandate,
    server::{Server, SimulatorConnector},
    signing::SigningError,
};
use countersign_simulator::{Fault, Latency, Profile, Simulator};

use crate::{
    person::{Person, anchors, new_card},
    test_server::{
        self, ANNA, BEN, CARLA, DOUG, TestServer, anything, hsm_id, operator, reason, request_for,
    },
};

const EC: Mechanism = Mechanism::EcdsaSha256;

fn second() -> HsmId {
    HsmId::new("second")
}

/// Ids of the first HSMs.
pub fn ids(count: usize) -> Vec<HsmId> {
    let all = [hsm_id(), second(), HsmId::new("third")];
    all.into_iter().take(count).collect()
}

fn pool_config(folder: &std::path::Path, count: usize) -> Config {
    let mut config = test_server::config(folder, true);
    let others = ids(count).into_iter().skip(1).map(|id| HsmConfig {
        id,
        attachment: Attachment::Reader("played by the test".into()),
        device: None,
    });
    config.hsms.extend(others);
    config
}

async fn start(folder: &std::path::Path, hsms: &[Simulator], clock: Clock) -> Server {
    let config = pool_config(folder, hsms.len());
    let server = Server::open_with_clock(config, clock).await.expect("opens");
    let connector =
        |hsm: &Simulator| -> Box<dyn Connector> { Box::new(SimulatorConnector::new(hsm.clone())) };
    let connectors: BTreeMap<_, _> = ids(hsms.len())
        .into_iter()
        .zip(hsms.iter().map(connector))
        .collect();
    server.start_with(connectors).await.expect("starts");
    server
}

fn open(simulator: &Simulator) -> (SmartCardHsm, VerifiedDevice) {
    let mut card = SmartCardHsm::open(simulator.connect()).expect("selects");
    let chain = card.device_chain().expect("a chain");
    let device = chain.verify(&anchors()).expect("genuine");
    card.open_secure_channel(&device).expect("a channel");
    (card, device)
}

/// Opens a device with the cards of these people at one place, as is necessary to copy keys between devices.
fn authenticated(simulator: &Simulator, people: &mut [Person]) -> SmartCardHsm {
    let (mut card, device) = open(simulator);
    let mut round = Round::new(device.id().clone(), ChallengeBehaviour::Unknown);
    for person in people {
        loop {
            let challenge = round.challenge(&mut card).expect("a challenge");
            let signature = person.card.sign(&challenge.digest(device.id()));
            let response = PkaResponse {
                name: person.card.file.request.chr(),
                key: person.card.file.request.public_key(),
                challenge: &challenge,
                signature: &signature,
            };
            match round.respond(&mut card, &response).expect("an outcome") {
                RespondOutcome::Counted(_) => break,
                RespondOutcome::NeedsFreshChallenge { .. } => {}
                other => panic!("unexpected: {other:?}"),
            }
        }
    }
    card
}

pub struct Pool {
    pub test: TestServer,
    pub hsms: Vec<Simulator>,
    pub clock: Clock,
}

impl Pool {
    /// Two HSMs for 2 of 3 with the same key `ec`.
    async fn ready() -> Self {
        Self::with_quorums(&[2, 2]).await
    }

    /// HSMs with the same key `ec`, each with its own number of approvals out of 3.
    async fn with_quorums(required: &[u8]) -> Self {
        let hsms: Vec<_> = ["TARGET", "SECOND", "THIRD0"]
            .iter()
            .take(required.len())
            .map(|serial| new_card(serial, Profile::VENDOR, None))
            .collect();
        let folder = tempfile::tempdir().expect("a folder");
        Self::of(hsms, required, folder, &[]).await
    }

    /// These cards as HSMs with the same key `ec`. The first one also has keys of its own.
    pub async fn of(
        hsms: Vec<Simulator>,
        required: &[u8],
        folder: tempfile::TempDir,
        own_keys: &[(&str, KeyKind)],
    ) -> Self {
        for (simulator, required) in hsms.iter().zip(required) {
            let (mut card, device) = open(simulator);
            let quorum = PkaOptions::new(*required, 3, false).expect("a quorum");
            let quorum = InitializeOptions::Quorum(quorum);
            let so_pin = SoPin::from_hex("3537363231383830").expect("a SO-PIN");
            card.initialize_with_domains(&quorum, KeyDomainOptions::Dkek { shares: 1 }, &so_pin)
                .expect("initialises");
            card.open_secure_channel(&device).expect("a channel");
            card.import_dkek_share(0, &DkekShare::new([7; 32]))
                .expect("takes the share");
        }
        let clock = Clock::system();
        let server = start(folder.path(), &hsms, clock.clone()).await;
        let mut test = TestServer::of(server, hsms[0].clone(), folder).await;
        for hsm in ids(hsms.len()) {
            wait_for_hsm(&test, &hsm, |state| *state == HsmState::Registering).await;
            for index in [ANNA, BEN, CARLA] {
                let mandate = Mandate::assumed(&test.anna().person);
                let register = RegisterCustodian {
                    hsm: hsm.clone(),
                    key: test.people[index].card.fingerprint(),
                };
                let registered = test.server.activations.register(&mandate, register);
                registered.await.expect("registered");
            }
        }
        test.shutdown().await;
        let enough = |of: usize| usize::from(required[of]);
        let mut first = authenticated(&hsms[0], &mut test.people[..enough(0)]);
        let mut generate = |number: usize, label: &str, kind| {
            let spec = KeySpec {
                kind,
                label: label.into(),
                chr: format!("ZZPOOL0000{number}").parse().expect("a name"),
                algorithms: None,
                use_counter: None,
            };
            first.generate_key(&spec).expect("a key").0
        };
        let reference = generate(1, "ec", KeyKind::Ec(Curve::Secp256r1));
        for (number, (label, kind)) in (2..).zip(own_keys) {
            generate(number, label, *kind);
        }
        let copy = first.wrap_key(reference).expect("a copy");
        drop(first);
        for (number, hsm) in hsms.iter().enumerate().skip(1) {
            let mut other = authenticated(hsm, &mut test.people[..enough(number)]);
            other.unwrap_key(&copy).expect("takes the copy");
        }
        let mut pool = Self { test, hsms, clock };
        pool.restart().await;
        pool
    }

    /// Starts a server with a data directory and cards that were set up before.
    pub async fn again(
        hsms: Vec<Simulator>,
        people: Vec<Person>,
        folder: tempfile::TempDir,
        clock: Clock,
    ) -> Self {
        let test = TestServer {
            server: start(folder.path(), &hsms, clock.clone()).await,
            hsm: hsms[0].clone(),
            people,
            folder,
        };
        let pool = Self { test, hsms, clock };
        pool.locked().await;
        pool
    }

    async fn restart(&mut self) {
        self.restart_with_requests().await;
        self.locked().await;
    }

    /// Restarts the server without waiting for locked HSMs, because an HSM with an activation does not stay locked.
    pub async fn restart_with_requests(&mut self) {
        self.test.shutdown().await;
        self.test.server = start(self.test.folder.path(), &self.hsms, self.clock.clone()).await;
    }

    /// Approves for every HSM, as a helper does with one consent, and returns their number.
    async fn approve(&mut self, index: usize, id: &ActivationId) -> (usize, ActivationView) {
        let mut task = self.test.task(index, id).await.expect("a task");
        let mut answered = std::collections::HashSet::new();
        loop {
            let signed = self.test.people[index].approve(&task);
            answered.insert(signed.activation.clone());
            match self
                .send_approval(index, id, signed)
                .await
                .expect("accepted")
            {
                Approved::Counted => return (answered.len(), self.test.view(id).await),
                Approved::SignAgain { task: next } => task = next,
            }
        }
    }

    async fn send_approval(
        &self,
        index: usize,
        id: &ActivationId,
        signed: countersign_protocol::activation::SignedApproval,
    ) -> Result<Approved, ActivationError> {
        let custodian = self.test.people[index].custodian();
        let terms = self.test.view(id).await.terms;
        self.test
            .server
            .activations
            .approve(&terms, &custodian, signed)
            .await
    }

    async fn open(&mut self, id: &ActivationId) {
        self.waiting(id).await;
        for index in [ANNA, CARLA] {
            let (hsms, _) = self.approve(index, id).await;
            assert_eq!(hsms, self.hsms.len(), "one consent is for every HSM");
        }
        let view = self.test.view(id).await;
        let open = |state: &ActivationState| matches!(state, ActivationState::Open { .. });
        assert!(open(&view.state) && view.members.iter().all(|member| open(&member.state)));
    }

    /// Two custodians approve for the first HSM only.
    async fn open_first(&mut self, id: &ActivationId) {
        let waiting =
            |view: &ActivationView| view.members[0].state == ActivationState::AwaitingApprovals;
        self.test.wait_for(id, waiting).await;
        for index in [ANNA, CARLA] {
            let task = self.task(index, &hsm_id(), &id.member(0)).await;
            self.answer(index, &hsm_id(), task).await.expect("counted");
        }
    }

    /// The approval task for one HSM.
    async fn task(&self, index: usize, hsm: &HsmId, member: &MemberId) -> Envelope {
        self.request_task(index, hsm, member).await.expect("a task")
    }

    pub async fn request_task(
        &self,
        index: usize,
        hsm: &HsmId,
        member: &MemberId,
    ) -> Result<Envelope, ActivationError> {
        let custodian = self.test.people[index].custodian();
        let coordinators = self.test.server.activations.coordinators();
        coordinators.task(hsm, member.clone(), custodian).await
    }

    /// Approves for one HSM, repeatedly until it counts the approval.
    pub async fn answer(
        &mut self,
        index: usize,
        hsm: &HsmId,
        mut task: Envelope,
    ) -> Result<(), ActivationError> {
        loop {
            let custodian = self.test.people[index].custodian();
            let signed = self.test.people[index].approve(&task);
            let id = signed.activation.clone();
            let activations = &self.test.server.activations;
            let coordinators = activations.coordinators();
            match coordinators.approve(hsm, id, custodian, signed).await? {
                Approved::Counted => return Ok(()),
                Approved::SignAgain { task: next } => task = next,
            }
        }
    }

    /// Disconnects the opened HSM; the activation continues with the other ones.
    async fn disconnect_first(&self, id: &ActivationId) {
        self.hsms[0].remove();
        self.test.server.hsms.get(&hsm_id()).expect("an HSM").look();
        self.test
            .wait_for(id, |view| view.members[0].state.is_ended())
            .await;
    }

    /// An admin removes the second HSM.
    async fn remove_second(&self, id: &ActivationId) {
        let admin = operator(&self.test.anna().person);
        self.test
            .server
            .activations
            .coordinators()
            .remove(&second(), &admin)
            .await;
        let view = self.test.view(id).await;
        assert!(view.members[1].state.is_ended() && !view.members[0].state.is_ended());
    }

    async fn waiting(&self, id: &ActivationId) -> ActivationView {
        let waiting = |view: &ActivationView| {
            view.members
                .iter()
                .all(|member| member.state == ActivationState::AwaitingApprovals)
        };
        self.test.wait_for(id, waiting).await
    }

    pub async fn locked(&self) {
        for hsm in ids(self.hsms.len()) {
            wait_for_hsm(&self.test, &hsm, |state| *state == HsmState::Locked).await;
        }
    }
}

pub async fn wait_for_hsm(test: &TestServer, hsm: &HsmId, wanted: impl Fn(&HsmState) -> bool) {
    for _ in 0..500 {
        let hsm = test.server.hsms.get(hsm).expect("the HSM");
        let view = test.server.views.hsm(&hsm).await.expect("a view");
        if wanted(&view.state) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("HSM {hsm} never reached the state");
}

fn names(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("file-{number}")).collect()
}

/// Signs with eight concurrent workers, and returns the errors.
async fn sign_all(pool: &Pool, id: &ActivationId, names: &[String]) -> Vec<SigningError> {
    let next = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let mut workers = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let (server, person) = (pool.test.server.clone(), pool.test.doug().person.clone());
        let (id, names, next) = (id.clone(), names.to_vec(), next.clone());
        workers.spawn(async move {
            let actor = operator(&person);
            let requester = test_server::requester(&person, &actor, false);
            let mut failed = Vec::new();
            loop {
                let number = next.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                let Some(name) = names.get(number) else {
                    return failed;
                };
                let request = request_for(name, EC);
                let made = server.signing.sign(&requester, &id, name, &request).await;
                failed.extend(made.err());
            }
        });
    }
    workers.join_all().await.into_iter().flatten().collect()
}

fn refs(names: &[String]) -> Vec<&str> {
    names.iter().map(String::as_str).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn signatures_are_spread_over_the_open_hsms() {
    let mut pool = Pool::ready().await;
    let names = names(40);
    let id = pool.test.request_signatures("ec", &refs(&names)).await;
    pool.open(&id).await;
    for hsm in &pool.hsms {
        hsm.set_latency(Latency::REALISTIC);
        hsm.reset_counts();
    }
    let failed = sign_all(&pool, &id, &names).await;
    assert!(failed.is_empty(), "{failed:?}");
    let made: Vec<_> = pool
        .hsms
        .iter()
        .map(|hsm| hsm.apdu_counts().sign())
        .collect();
    assert_eq!(made.iter().sum::<u64>(), 40, "one command a signature");
    assert!(made.iter().all(|made| *made >= 15), "spread: {made:?}");
    // The last file ends the lease on every HSM.
    let view = pool
        .test
        .wait_for(&id, |view| {
            view.members.iter().all(|member| member.state.is_ended())
        })
        .await;
    assert_eq!(reason(&view), EndReason::Completed);
    assert_eq!(view.signatures, 40);
    pool.locked().await;
    let audit = pool.test.audit().await;
    let signed = audit
        .iter()
        .filter(|event| matches!(event, AuditEvent::Signed { .. }))
        .count();
    assert_eq!(signed, 40);
    pool.test.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sequential_signatures_use_every_hsm() {
    let mut pool = Pool::ready().await;
    let id = pool.test.request_any_content("ec", 600, 10).await;
    pool.open(&id).await;
    for hsm in &pool.hsms {
        hsm.reset_counts();
    }
    for name in names(6) {
        let made = pool.test.sign(&id, &name, &request_for(&name, EC)).await;
        assert!(made.is_ok(), "{made:?}");
    }
    for hsm in &pool.hsms {
        assert_eq!(hsm.apdu_counts().sign(), 3);
    }
    pool.test.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disconnected_hsm_loses_no_signature_request() {
    let mut pool = Pool::ready().await;
    let names = names(40);
    let id = pool.test.request_signatures("ec", &refs(&names)).await;
    pool.open(&id).await;
    for hsm in &pool.hsms {
        hsm.set_latency(Latency::REALISTIC);
    }
    let gone = pool.hsms[1].clone();
    let pulled = tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(700)).await;
        gone.remove();
    });
    let failed = sign_all(&pool, &id, &names).await;
    pulled.await.expect("pulled");
    assert!(failed.is_empty(), "{failed:?}");
    let view = pool
        .test
        .wait_for(&id, |view| {
            view.members.iter().all(|member| member.state.is_ended())
        })
        .await;
    assert_eq!(reason(&view), EndReason::Completed);
    let ActivationState::Ended { reason, .. } = &view.members[1].state else {
        panic!("not ended")
    };
    assert!(matches!(reason, EndReason::HsmLost { .. }), "{reason:?}");
    // Each file was signed once, by either HSM.
    let views = &pool.test.server.views;
    let signatures = views.signatures(&id).await.expect("the record");
    assert!(signatures.iter().all(|made| made.activation == id));
    let digests: std::collections::HashSet<_> =
        signatures.iter().map(|made| &made.digest).collect();
    assert_eq!((signatures.len(), digests.len()), (40, 40));
    pool.test.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_limits_apply_to_all_hsms_together() {
    let mut pool = Pool::ready().await;
    let id = pool.test.request_any_content("ec", 600, 10).await;
    pool.open(&id).await;
    let failed = sign_all(&pool, &id, &names(16)).await;
    assert_eq!(failed.len(), 6);
    assert!(
        failed
            .iter()
            .all(|error| matches!(error, SigningError::Ended(EndReason::SignatureLimitReached))),
        "{failed:?}"
    );
    // A repeated request returns the recorded signature without making another one.
    let repeated = pool
        .test
        .sign(&id, "file-0", &request_for("file-0", EC))
        .await;
    assert!(repeated.is_ok(), "{repeated:?}");
    pool.locked().await;
    pool.test.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn signatures_by_one_hsm_count_for_the_next_one() {
    let mut pool = Pool::ready().await;
    let id = pool.test.request_any_content("ec", 600, 3).await;
    pool.open_first(&id).await;
    for name in ["a", "b"] {
        let made = pool.test.sign(&id, name, &request_for(name, EC)).await;
        made.expect("signed");
    }
    // The first HSM is lost, and the second one opens.
    pool.disconnect_first(&id).await;
    for index in [ANNA, CARLA] {
        pool.approve(index, &id).await;
    }
    let view = pool.test.view(&id).await;
    assert!(
        matches!(view.state, ActivationState::Open { left: 1, .. }),
        "{:?}",
        view.state
    );
    let made = pool.test.sign(&id, "c", &request_for("c", EC)).await;
    made.expect("signed");
    let rejected = pool.test.sign(&id, "d", &request_for("d", EC)).await;
    assert!(
        matches!(
            rejected,
            Err(SigningError::Ended(EndReason::SignatureLimitReached))
        ),
        "{rejected:?}"
    );
    pool.test.shutdown().await;
}

/// Time limit of a short lease, in seconds.
const SHORT: u32 = 3;

async fn assert_ended_by_time(pool: &Pool, id: &ActivationId) {
    let view = pool
        .test
        .wait_for(id, |view| view.members[1].state.is_ended())
        .await;
    assert_eq!(reason(&view), EndReason::LeaseExpired);
    let never_open = |event: &AuditEvent| !matches!(event, AuditEvent::LeaseOpened { activation } if *activation == id.member(1));
    assert!(pool.test.audit().await.iter().all(never_open));
}

#[tokio::test(flavor = "multi_thread")]
async fn custodians_cannot_approve_after_the_time_of_the_lease() {
    let mut pool = Pool::ready().await;
    let id = pool.test.request_any_content("ec", SHORT, 10).await;
    pool.open_first(&id).await;
    // The HSM whose thread watches the time limit is lost.
    pool.disconnect_first(&id).await;
    assert_ended_by_time(&pool, &id).await;
    let late = pool.test.task(ANNA, &id).await;
    assert!(late.is_err(), "{late:?}");
    pool.test.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quorum_after_the_time_of_the_lease_opens_nothing() {
    let mut pool = Pool::ready().await;
    // From here on the behaviour of the challenges is known, so an approval counts at the first attempt.
    let before = pool.test.request_signatures("ec", &["a"]).await;
    pool.open(&before).await;
    let signed = pool.test.sign(&before, "1", &request_for("a", EC)).await;
    signed.expect("signed");

    let id = pool.test.request_any_content("ec", SHORT, 10).await;
    pool.waiting(&id).await;
    pool.approve(ANNA, &id).await;
    let first = pool.task(CARLA, &hsm_id(), &id.member(0)).await;
    let other = pool.task(CARLA, &second(), &id.member(1)).await;
    pool.answer(CARLA, &hsm_id(), first).await.expect("counted");
    pool.disconnect_first(&id).await;
    // The approval reaches the coordinator in time, but the card is slow to count it.
    pool.hsms[1].inject(Fault::Slow(Duration::from_secs((SHORT + 1).into())));
    let _ = pool.answer(CARLA, &second(), other).await;
    assert_ended_by_time(&pool, &id).await;
    pool.test.shutdown().await;
}

/// Two of three HSMs are lost, each with a signature that was never returned, while the limit is nearly reached.
#[tokio::test(flavor = "multi_thread")]
async fn signatures_by_lost_hsms_count() {
    const LIMIT: u32 = 60;
    let mut pool = Pool::with_quorums(&[2, 2, 2]).await;
    let id = pool.test.request_any_content("ec", 600, LIMIT).await;
    pool.open(&id).await;
    for hsm in &pool.hsms {
        hsm.set_latency(Latency::REALISTIC);
        hsm.reset_counts();
    }
    let losing = pool.hsms[..2].to_vec();
    let lost = tokio::spawn(async move {
        for hsm in losing {
            let before = hsm.apdu_counts().signatures;
            while hsm.apdu_counts().signatures < before + 3 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            hsm.inject(Fault::RemovedBeforeAnswer);
        }
    });
    let names = names(LIMIT as usize + 20);
    let failed = sign_all(&pool, &id, &names).await;
    lost.await.expect("lost");
    assert!(
        failed
            .iter()
            .all(|error| matches!(error, SigningError::Ended(EndReason::SignatureLimitReached))),
        "{failed:?}"
    );
    let made: u64 = pool
        .hsms
        .iter()
        .map(|hsm| hsm.apdu_counts().signatures)
        .sum();
    assert_eq!(made, u64::from(LIMIT), "the cards' own count");
    // Two of them were never returned. All others were returned, and repeated requests return them again.
    let answered = names.len() - failed.len();
    assert_eq!(answered, LIMIT as usize - 2);
    let views = &pool.test.server.views;
    let record = views.signatures(&id).await.expect("the record");
    assert_eq!(record.len(), answered);
    let mut again = 0;
    for name in &names {
        let made = pool.test.sign(&id, name, &request_for(name, EC)).await;
        if let Ok(made) = made {
            assert!(record.contains(&made), "{name}");
            again += 1;
        }
    }
    assert_eq!(again, answered);
    let view = pool.test.wait_for(&id, |view| view.state.is_ended()).await;
    assert_eq!(reason(&view), EndReason::SignatureLimitReached);
    pool.test.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_signature_can_reach_the_limit() {
    let mut pool = Pool::ready().await;
    let id = pool.test.request_any_content("ec", 600, 1).await;
    pool.open(&id).await;
    pool.hsms[0].inject(Fault::RemovedBeforeAnswer);
    let rejected = pool.test.sign(&id, "x", &request_for("x", EC)).await;
    assert!(
        matches!(
            rejected,
            Err(SigningError::Ended(EndReason::SignatureLimitReached))
        ),
        "{rejected:?}"
    );
    let view = pool.test.wait_for(&id, |view| view.state.is_ended()).await;
    assert_eq!(view.signatures, 0);
    assert_eq!(reason(&view), EndReason::SignatureLimitReached);
    pool.test.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hsms_with_different_quorums_form_no_pool() {
    for required in [[2, 1], [1, 2]] {
        let pool = Pool::with_quorums(&required).await;
        let id = pool.test.request_any_content("ec", 600, 10).await;
        let view = pool.test.view(&id).await;
        assert_eq!(view.terms.quorum.required, 2);
        assert!(view.terms.pool.is_none() && view.members.is_empty());
        pool.test.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_for_a_named_hsm_uses_no_other_hsm() {
    let pool = Pool::ready().await;
    let everywhere = pool.test.request_any_content("ec", 600, 10).await;
    let other = pool.test.view(&everywhere).await.terms;
    let new = NewActivation {
        hsm: Some(second()),
        reason: other.reason.clone(),
        lease: Some(other.lease),
        ..anything()
    };
    let (view, is_new) = pool
        .test
        .request_activation(DOUG, new)
        .await
        .expect("requested");
    assert!(is_new && view.terms.pool.is_none());
    assert_eq!(view.terms.hsm.id, second());
    pool.test.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pool_with_one_free_hsm_expires_instead_of_staying_queued() {
    let pool = Pool::ready().await;
    let other = NewActivation {
        hsm: Some(second()),
        ..anything()
    };
    pool.test
        .request_activation(DOUG, other)
        .await
        .expect("requested");
    let everywhere = NewActivation {
        reason: "everywhere".into(),
        approval_seconds: Some(2),
        ..anything()
    };
    let (view, _) = pool
        .test
        .request_activation(DOUG, everywhere)
        .await
        .expect("requested");
    let id = view.id();
    let view = pool.test.wait_for(&id, |view| view.state.is_ended()).await;
    assert_eq!(reason(&view), EndReason::Expired);
    let ActivationState::Ended { reason, .. } = &view.members[1].state else {
        panic!("not ended")
    };
    assert_eq!(*reason, EndReason::ExpiredInQueue);
    pool.test.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lock_now_locks_every_hsm() {
    let mut pool = Pool::ready().await;
    let id = pool.test.request_any_content("ec", 600, 10).await;
    pool.open(&id).await;
    let terms = pool.test.view(&id).await.terms;
    let person = pool.test.ben().person.clone();
    let request = LockRequest {
        actor: operator(&person),
        person,
        is_admin: false,
    };
    pool.test
        .server
        .activations
        .lock(&terms, request)
        .await
        .expect("locked");
    let view = pool.test.view(&id).await;
    assert!(matches!(reason(&view), EndReason::Locked { .. }));
    assert!(view.members.iter().all(|member| member.state.is_ended()));
    pool.locked().await;
    pool.test.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_a_lease_does_not_end_queued_activations() {
    let mut pool = Pool::ready().await;
    let id = pool.test.request_any_content("ec", 3, 10_000).await;
    pool.open(&id).await;
    let next = pool.test.request_signatures("ec", &["a"]).await;
    // The first HSM is locked while the second one still signs.
    pool.hsms[1].set_latency(Latency::REALISTIC);
    let mut number = 0;
    loop {
        let from = number;
        number += 16;
        let names: Vec<_> = (from..number).map(|at| format!("file-{at}")).collect();
        if !sign_all(&pool, &id, &names).await.is_empty() {
            break;
        }
    }
    let view = pool
        .test
        .wait_for(&id, |view| {
            view.members.iter().all(|member| member.state.is_ended())
        })
        .await;
    assert_eq!(reason(&view), EndReason::LeaseExpired);
    pool.waiting(&next).await;
    pool.test.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approval_is_for_one_hsm_only() {
    let mut pool = Pool::ready().await;
    let id = pool.test.request_any_content("ec", 600, 10).await;
    pool.waiting(&id).await;
    let task = pool.test.task(ANNA, &id).await.expect("a task");
    let mut signed = pool.test.anna_mut().approve(&task);
    signed.activation = id.member(1);
    let rejected = pool.send_approval(ANNA, &id, signed).await;
    assert!(
        matches!(rejected, Err(ActivationError::Rejected(_))),
        "{rejected:?}"
    );
    let stranger = pool.test.anna_mut().approve(&task);
    let other = MemberId::new("AAAA-BBBB");
    let rejected = pool
        .send_approval(
            ANNA,
            &id,
            countersign_protocol::activation::SignedApproval {
                activation: other,
                ..stranger
            },
        )
        .await;
    assert!(rejected.is_err(), "{rejected:?}");
    pool.test.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_ends_a_lease_that_was_open_on_any_hsm() {
    let mut pool = Pool::ready().await;
    let id = pool.test.request_any_content("ec", 600, 10).await;
    pool.open(&id).await;
    pool.restart().await;
    let view = pool.test.view(&id).await;
    assert_eq!(reason(&view), EndReason::ServerRestarted);
    assert!(view.members.iter().all(|member| member.state.is_ended()));
    pool.test.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_ends_a_lease_whose_only_open_hsm_was_lost() {
    let mut pool = Pool::ready().await;
    let id = pool.test.request_any_content("ec", 600, 10).await;
    pool.open_first(&id).await;
    pool.disconnect_first(&id).await;
    pool.hsms[0].insert();
    pool.restart().await;
    let view = pool.test.view(&id).await;
    assert_eq!(reason(&view), EndReason::ServerRestarted);
    pool.test.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_activation_that_never_opened_continues_after_a_restart() {
    let mut pool = Pool::ready().await;
    let id = pool.test.request_any_content("ec", 600, 10).await;
    pool.waiting(&id).await;
    pool.remove_second(&id).await;
    pool.restart_with_requests().await;
    pool.open_first(&id).await;
    let made = pool.test.sign(&id, "1", &request_for("a", EC)).await;
    assert!(made.is_ok(), "{made:?}");
    pool.test.shutdown().await;
}

/// The end on one HSM must not reset the time of the last poll.
#[tokio::test(flavor = "multi_thread")]
async fn a_poll_counts_for_the_remaining_hsms_of_a_pool() {
    const LIMIT: Duration = Duration::from_secs(4);
    let pool = Pool::ready().await;
    let new = NewActivation {
        abandoned_after_seconds: Some(4),
        ..anything()
    };
    let (view, _) = pool
        .test
        .request_activation(DOUG, new)
        .await
        .expect("requested");
    let id = view.id();
    tokio::time::sleep(LIMIT / 2).await;
    let requested = Timestamp::now();
    let attendance = pool.test.server.activations.attendance();
    attendance.note_poll(&id, Duration::ZERO);
    pool.remove_second(&id).await;
    let view = pool.test.wait_for(&id, |view| view.state.is_ended()).await;
    let ActivationState::Ended { reason, at } = &view.members[0].state else {
        panic!("not ended")
    };
    assert_eq!(*reason, EndReason::Abandoned { seconds: 4 });
    let waited = Duration::try_from(at.duration_since(requested)).expect("later");
    assert!(waited >= LIMIT, "only {waited:?}");
    pool.test.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_receipt_has_the_approvals_for_every_hsm() {
    let mut pool = Pool::ready().await;
    let id = pool.test.request_signatures("ec", &["a"]).await;
    pool.open(&id).await;
    pool.test
        .sign(&id, "1", &request_for("a", EC))
        .await
        .expect("signed");
    let envelope = pool.test.receipt(&id).await;
    let key = &pool.test.server.identity.identity().key;
    let receipt: countersign_protocol::receipt::Receipt = envelope.verify(key).expect("signed");
    assert_eq!(receipt.others.len(), 1);
    let both = [&receipt, &receipt.others[0]];
    for part in both {
        assert_eq!(part.approvals.len(), 2);
        assert_eq!(part.activation.terms.members().len(), 2);
    }
    let signatures: usize = both.iter().map(|part| part.signatures.len()).sum();
    assert_eq!(signatures, 1);
    for part in both {
        let own = &part.activation.id();
        assert!(part.signatures.iter().all(|made| made.activation == *own));
    }
    assert_ne!(
        receipt.device_certificates,
        receipt.others[0].device_certificates
    );
    pool.test.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_without_the_key_that_it_claims_uses_up_nothing_and_is_not_used_again() {
    let mut pool = Pool::ready().await;
    let id = pool.test.request_any_content("ec", 600, 2).await;
    pool.open(&id).await;
    pool.hsms[0].forge_signatures();
    for name in ["x", "y"] {
        let signed = pool.test.sign(&id, name, &request_for(name, EC)).await;
        signed.expect("the other HSM signs");
    }
    let view = pool.test.wait_for(&id, |view| view.state.is_ended()).await;
    assert_eq!(view.signatures, 2);
    assert_eq!(reason(&view), EndReason::SignatureLimitReached);
    wait_for_hsm(&pool.test, &hsm_id(), is_quarantined).await;
    assert!(!pool.hsms[0].is_open());
    // Removing and inserting the device does not help.
    pool.hsms[0].remove();
    pool.hsms[0].insert();
    pool.test
        .server
        .hsms
        .get(&hsm_id())
        .expect("the HSM")
        .look();
    tokio::time::sleep(Duration::from_millis(1500)).await;
    wait_for_hsm(&pool.test, &hsm_id(), is_quarantined).await;
    pool.test.shutdown().await;
}

fn is_quarantined(state: &HsmState) -> bool {
    matches!(state, HsmState::Quarantined { .. })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quarantine_survives_a_restart_and_ends_when_an_admin_ends_it() {
    let mut pool = Pool::ready().await;
    let id = pool.test.request_any_content("ec", 600, 1).await;
    pool.open(&id).await;
    pool.hsms[0].forge_signatures();
    let signed = pool.test.sign(&id, "x", &request_for("x", EC)).await;
    signed.expect("the other HSM signs");
    wait_for_hsm(&pool.test, &hsm_id(), is_quarantined).await;
    let quarantined = |event: &AuditEvent| matches!(event, AuditEvent::HsmQuarantined { .. });
    pool.test.wait_for_audit(quarantined).await;
    pool.restart_with_requests().await;
    wait_for_hsm(&pool.test, &hsm_id(), is_quarantined).await;
    let admin = operator(&pool.test.anna().person);
    let devices = &pool.test.server.devices;
    devices
        .end_quarantine(&admin, &hsm_id())
        .await
        .expect("ended");
    wait_for_hsm(&pool.test, &hsm_id(), |state| {
        matches!(state, HsmState::Locked)
    })
    .await;
    let again = devices.end_quarantine(&admin, &hsm_id()).await;
    assert!(
        matches!(again, Err(DeviceError::NotQuarantined(_))),
        "{again:?}"
    );
    let ended = |event: &AuditEvent| matches!(event, AuditEvent::HsmQuarantineEnded { .. });
    pool.test.wait_for_audit(ended).await;
    pool.restart().await;
    wait_for_hsm(&pool.test, &hsm_id(), |state| {
        matches!(state, HsmState::Locked)
    })
    .await;
    pool.test.shutdown().await;
}
