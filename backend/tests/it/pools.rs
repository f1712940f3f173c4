//! A key that lives on several HSMs.

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
    hsm::HsmState,
    id::{ActivationId, HsmId},
    mechanism::Mechanism,
};
use countersign_server::{
    activation::{ActivationError, Approved, LockRequest},
    config::{Attachment, Config, HsmConfig},
    hsm::Connector,
    server::{Server, SimulatorConnector},
    signing::SigningError,
};
use countersign_simulator::{Fault, Latency, Profile, Simulator};

use crate::{
    player::{Player, anchors, new_card},
    world::{self, World, anything, hsm_id, operator, reason, request_for},
};

const EC: Mechanism = Mechanism::EcdsaSha256;

fn second() -> HsmId {
    HsmId::new("second")
}

/// So many HSMs.
fn ids(count: usize) -> Vec<HsmId> {
    let all = [hsm_id(), second(), HsmId::new("third")];
    all.into_iter().take(count).collect()
}

fn pool_config(folder: &std::path::Path, count: usize) -> Config {
    let mut config = world::config(folder, true);
    let others = ids(count).into_iter().skip(1).map(|id| HsmConfig {
        id,
        attachment: Attachment::Reader("played by the test".into()),
        device: None,
        so_pin_file: None,
    });
    config.hsms.extend(others);
    config
}

async fn start(folder: &std::path::Path, hsms: &[Simulator]) -> Server {
    let config = pool_config(folder, hsms.len());
    let app = Server::open(config).await.expect("opens");
    let connector =
        |hsm: &Simulator| -> Box<dyn Connector> { Box::new(SimulatorConnector::new(hsm.clone())) };
    let connectors: BTreeMap<_, _> = ids(hsms.len())
        .into_iter()
        .zip(hsms.iter().map(connector))
        .collect();
    app.start_with(connectors).await.expect("starts");
    app
}

fn open(simulator: &Simulator) -> (SmartCardHsm, VerifiedDevice) {
    let mut card = SmartCardHsm::open(simulator.connect()).expect("selects");
    let chain = card.device_chain().expect("a chain");
    let device = chain.verify(&anchors()).expect("genuine");
    card.open_secure_channel(&device).expect("a channel");
    (card, device)
}

/// What everybody does who keeps keys on several devices, with all custodians at one place.
fn authenticated(simulator: &Simulator, people: &mut [Player]) -> SmartCardHsm {
    let (mut card, device) = open(simulator);
    let mut round = Round::new(device.id().clone(), ChallengeBehaviour::Unknown);
    for player in people {
        loop {
            let challenge = round.challenge(&mut card).expect("a challenge");
            let signature = player.card.sign(&challenge.digest(device.id()));
            let response = PkaResponse {
                name: player.card.file.request.chr(),
                key: player.card.file.request.public_key(),
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

struct Pool {
    world: World,
    hsms: Vec<Simulator>,
}

impl Pool {
    /// Two HSMs for 2 of 3 with the same key `ec`.
    async fn ready() -> Self {
        Self::with_quorums(&[2, 2]).await
    }

    /// The same, each for so many of 3.
    async fn with_quorums(required: &[u8]) -> Self {
        let hsms: Vec<_> = ["TARGET", "SECOND", "THIRD0"]
            .iter()
            .take(required.len())
            .map(|serial| new_card(serial, Profile::VENDOR, None))
            .collect();
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
        let folder = tempfile::tempdir().expect("a folder");
        let app = start(folder.path(), &hsms).await;
        let mut world = World::of(app, hsms[0].clone(), folder).await;
        for hsm in ids(hsms.len()) {
            wait_for_hsm(&world, &hsm, |state| *state == HsmState::Registering).await;
            for player in 0..3 {
                let admin = world.people[0].person.clone();
                let key = world.people[player].card.fingerprint();
                let registered = world
                    .app
                    .activations
                    .register(&hsm, operator(&admin), admin, key);
                registered.await.expect("registered");
            }
        }
        world.app.shutdown().await;
        let enough = |of: usize| usize::from(required[of]);
        let mut first = authenticated(&hsms[0], &mut world.people[..enough(0)]);
        let spec = KeySpec {
            kind: KeyKind::Ec(Curve::Secp256r1),
            label: "ec".into(),
            chr: "ZZPOOL00001".parse().expect("a name"),
            algorithms: None,
            use_counter: None,
        };
        let (reference, _) = first.generate_key(&spec).expect("a key");
        let copy = first.wrap_key(reference).expect("a copy");
        drop(first);
        for (number, hsm) in hsms.iter().enumerate().skip(1) {
            let mut other = authenticated(hsm, &mut world.people[..enough(number)]);
            other.unwrap_key(&copy).expect("takes the copy");
        }
        let mut pool = Self { world, hsms };
        pool.restart().await;
        pool
    }

    async fn restart(&mut self) {
        self.restart_with_requests().await;
        self.locked().await;
    }

    /// An HSM that somebody waits for does not stay locked.
    async fn restart_with_requests(&mut self) {
        self.world.app.shutdown().await;
        self.world.app = start(self.world.folder.path(), &self.hsms).await;
    }

    /// Answers for every HSM, as a helper does within one consent; returns for how many.
    async fn authenticate(&mut self, player: usize, id: &ActivationId) -> (usize, ActivationView) {
        let mut task = self.world.task(player, id).await.expect("a task");
        let mut answered = std::collections::HashSet::new();
        loop {
            let evidence = self.world.people[player].approve(&task);
            answered.insert(evidence.activation.clone());
            match self.approve(player, id, evidence).await.expect("accepted") {
                Approved::Counted => return (answered.len(), self.world.view(id).await),
                Approved::SignAgain { task: next } => task = next,
            }
        }
    }

    async fn approve(
        &self,
        player: usize,
        id: &ActivationId,
        evidence: countersign_protocol::activation::ApprovalEvidence,
    ) -> Result<Approved, ActivationError> {
        let custodian = self.world.people[player].custodian();
        let terms = self.world.view(id).await.terms;
        self.world
            .app
            .activations
            .approve(&terms, &custodian, evidence)
            .await
    }

    async fn open(&mut self, id: &ActivationId) {
        self.collecting(id).await;
        for player in [0, 2] {
            let (hsms, _) = self.authenticate(player, id).await;
            assert_eq!(hsms, self.hsms.len(), "one consent is for every HSM");
        }
        let view = self.world.view(id).await;
        let open = |state: &ActivationState| matches!(state, ActivationState::Open { .. });
        assert!(open(&view.state) && view.members.iter().all(|member| open(&member.state)));
    }

    /// Two custodians answer for the first HSM only.
    async fn open_first(&mut self, id: &ActivationId) {
        let collecting =
            |view: &ActivationView| view.members[0].state == ActivationState::Collecting;
        self.world.wait_for(id, collecting).await;
        for player in [0, 2] {
            let task = self.task(player, &hsm_id(), id).await;
            self.answer(player, &hsm_id(), task).await.expect("counted");
        }
    }

    /// Of one HSM.
    async fn task(&self, player: usize, hsm: &HsmId, member: &ActivationId) -> Envelope {
        let custodian = self.world.people[player].custodian();
        let activations = &self.world.app.activations;
        let task = activations
            .coordinators()
            .task(hsm, member.clone(), custodian)
            .await;
        task.expect("a task")
    }

    /// Answers to one HSM until it counts.
    async fn answer(
        &mut self,
        player: usize,
        hsm: &HsmId,
        mut task: Envelope,
    ) -> Result<(), ActivationError> {
        loop {
            let custodian = self.world.people[player].custodian();
            let evidence = self.world.people[player].approve(&task);
            let id = evidence.activation.clone();
            let activations = &self.world.app.activations;
            let coordinators = activations.coordinators();
            match coordinators.approve(hsm, id, custodian, evidence).await? {
                Approved::Counted => return Ok(()),
                Approved::SignAgain { task: next } => task = next,
            }
        }
    }

    /// Pulls the HSM that was opened; the other ones go on.
    async fn lose_first(&self, id: &ActivationId) {
        self.hsms[0].remove();
        self.world.app.hsms.get(&hsm_id()).expect("an HSM").look();
        self.world
            .wait_for(id, |view| view.members[0].state.is_ended())
            .await;
    }

    /// An admin takes the second HSM away.
    async fn withdraw_second(&self, id: &ActivationId) {
        let admin = operator(&self.world.people[0].person);
        self.world
            .app
            .activations
            .coordinators()
            .remove(&second(), &admin)
            .await;
        let view = self.world.view(id).await;
        assert!(view.members[1].state.is_ended() && !view.members[0].state.is_ended());
    }

    async fn collecting(&self, id: &ActivationId) -> ActivationView {
        let collecting = |view: &ActivationView| {
            view.members
                .iter()
                .all(|member| member.state == ActivationState::Collecting)
        };
        self.world.wait_for(id, collecting).await
    }

    async fn locked(&self) {
        for hsm in ids(self.hsms.len()) {
            wait_for_hsm(&self.world, &hsm, |state| *state == HsmState::Locked).await;
        }
    }
}

async fn wait_for_hsm(world: &World, hsm: &HsmId, wanted: impl Fn(&HsmState) -> bool) {
    for _ in 0..500 {
        let hsm = world.app.hsms.get(hsm).expect("the HSM");
        let view = world.app.views.hsm(&hsm).await.expect("a view");
        if wanted(&view.state) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("HSM {hsm} never came there");
}

fn names(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("file-{number}")).collect()
}

/// Eight at a time; returns what did not work.
async fn sign_all(pool: &Pool, id: &ActivationId, names: &[String]) -> Vec<SigningError> {
    let next = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let mut workers = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let (app, person) = (pool.world.app.clone(), pool.world.people[3].person.clone());
        let (id, names, next) = (id.clone(), names.to_vec(), next.clone());
        workers.spawn(async move {
            let actor = operator(&person);
            let requester = world::requester(&person, &actor, false);
            let mut failed = Vec::new();
            loop {
                let number = next.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                let Some(name) = names.get(number) else {
                    return failed;
                };
                let request = request_for(name, EC);
                let made = app.signing.sign(&requester, &id, name, &request).await;
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
async fn signing_is_spread_over_the_hsms_that_are_open() {
    let mut pool = Pool::ready().await;
    let names = names(40);
    let id = pool.world.ask_for_files("ec", &refs(&names)).await;
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
    // The last file ends it everywhere.
    let view = pool
        .world
        .wait_for(&id, |view| {
            view.members.iter().all(|member| member.state.is_ended())
        })
        .await;
    assert_eq!(reason(&view), EndReason::Completed);
    assert_eq!(view.signatures, 40);
    pool.locked().await;
    let audit = pool.world.audit().await;
    let signed = audit
        .iter()
        .filter(|event| matches!(event, AuditEvent::Signed { .. }))
        .count();
    assert_eq!(signed, 40);
    pool.world.app.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_signs_one_file_at_a_time_uses_every_hsm() {
    let mut pool = Pool::ready().await;
    let id = pool.world.ask_for_anything("ec", 600, 10).await;
    pool.open(&id).await;
    for hsm in &pool.hsms {
        hsm.reset_counts();
    }
    for name in names(6) {
        let made = pool.world.sign(&id, &name, &request_for(&name, EC)).await;
        assert!(made.is_ok(), "{made:?}");
    }
    for hsm in &pool.hsms {
        assert_eq!(hsm.apdu_counts().sign(), 3);
    }
    pool.world.app.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_hsm_that_drops_out_loses_no_request() {
    let mut pool = Pool::ready().await;
    let names = names(40);
    let id = pool.world.ask_for_files("ec", &refs(&names)).await;
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
        .world
        .wait_for(&id, |view| {
            view.members.iter().all(|member| member.state.is_ended())
        })
        .await;
    assert_eq!(reason(&view), EndReason::Completed);
    let ActivationState::Ended { reason, .. } = &view.members[1].state else {
        panic!("not ended")
    };
    assert!(matches!(reason, EndReason::HsmLost { .. }), "{reason:?}");
    // Each file once, whoever signed it.
    let views = &pool.world.app.views;
    let signatures = views.signatures(&id).await.expect("the record");
    assert!(signatures.iter().all(|made| made.activation == id));
    let digests: std::collections::HashSet<_> =
        signatures.iter().map(|made| &made.digest).collect();
    assert_eq!((signatures.len(), digests.len()), (40, 40));
    pool.world.app.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_limits_are_those_of_all_hsms_together() {
    let mut pool = Pool::ready().await;
    let id = pool.world.ask_for_anything("ec", 600, 10).await;
    pool.open(&id).await;
    let failed = sign_all(&pool, &id, &names(16)).await;
    assert_eq!(failed.len(), 6);
    assert!(
        failed
            .iter()
            .all(|error| matches!(error, SigningError::Ended(EndReason::CountUsed))),
        "{failed:?}"
    );
    // What was made is answered again, and not made again.
    let repeated = pool
        .world
        .sign(&id, "file-0", &request_for("file-0", EC))
        .await;
    assert!(repeated.is_ok(), "{repeated:?}");
    pool.locked().await;
    pool.world.app.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_used_up_on_one_hsm_is_used_up_for_the_next() {
    let mut pool = Pool::ready().await;
    let id = pool.world.ask_for_anything("ec", 600, 3).await;
    pool.open_first(&id).await;
    for name in ["a", "b"] {
        let made = pool.world.sign(&id, name, &request_for(name, EC)).await;
        made.expect("signed");
    }
    // The first one is lost, the second one opens.
    pool.lose_first(&id).await;
    for player in [0, 2] {
        pool.authenticate(player, &id).await;
    }
    let view = pool.world.view(&id).await;
    assert!(
        matches!(view.state, ActivationState::Open { left: 1, .. }),
        "{:?}",
        view.state
    );
    let made = pool.world.sign(&id, "c", &request_for("c", EC)).await;
    made.expect("signed");
    let refused = pool.world.sign(&id, "d", &request_for("d", EC)).await;
    assert!(
        matches!(refused, Err(SigningError::Ended(EndReason::CountUsed))),
        "{refused:?}"
    );
    pool.world.app.shutdown().await;
}

/// Seconds of a lease that ends before anybody expects it.
const SHORT: u32 = 3;

async fn ended_by_time(pool: &Pool, id: &ActivationId) {
    let view = pool
        .world
        .wait_for(id, |view| view.members[1].state.is_ended())
        .await;
    assert_eq!(reason(&view), EndReason::TimeUsed);
    let never_open = |event: &AuditEvent| !matches!(event, AuditEvent::LeaseOpened { activation } if *activation == id.member(1));
    assert!(pool.world.audit().await.iter().all(never_open));
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_asked_after_the_time_of_the_lease() {
    let mut pool = Pool::ready().await;
    let id = pool.world.ask_for_anything("ec", SHORT, 10).await;
    pool.open_first(&id).await;
    // Whoever watches the time is gone.
    pool.lose_first(&id).await;
    ended_by_time(&pool, &id).await;
    let late = pool.world.task(0, &id).await;
    assert!(late.is_err(), "{late:?}");
    pool.world.app.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quorum_that_comes_after_the_time_of_the_lease_opens_nothing() {
    let mut pool = Pool::ready().await;
    // From here on it is known how the cards' challenges live: an answer counts at once.
    let before = pool.world.ask_for_files("ec", &["a"]).await;
    pool.open(&before).await;
    let signed = pool.world.sign(&before, "1", &request_for("a", EC)).await;
    signed.expect("signed");

    let id = pool.world.ask_for_anything("ec", SHORT, 10).await;
    pool.collecting(&id).await;
    pool.authenticate(0, &id).await;
    let first = pool.task(2, &hsm_id(), &id).await;
    let other = pool.task(2, &second(), &id.member(1)).await;
    pool.answer(2, &hsm_id(), first).await.expect("counted");
    pool.lose_first(&id).await;
    // In time at the desk, but the card is slow to count.
    pool.hsms[1].inject(Fault::Slow(Duration::from_secs((SHORT + 1).into())));
    let _ = pool.answer(2, &second(), other).await;
    ended_by_time(&pool, &id).await;
    pool.world.app.shutdown().await;
}

/// Two of three HSMs are lost with a signature each that nobody has received; every request is one of the last.
#[tokio::test(flavor = "multi_thread")]
async fn what_lost_hsms_have_made_counts() {
    const LIMIT: u32 = 60;
    let mut pool = Pool::with_quorums(&[2, 2, 2]).await;
    let id = pool.world.ask_for_anything("ec", 600, LIMIT).await;
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
            .all(|error| matches!(error, SigningError::Ended(EndReason::CountUsed))),
        "{failed:?}"
    );
    let made: u64 = pool
        .hsms
        .iter()
        .map(|hsm| hsm.apdu_counts().signatures)
        .sum();
    assert_eq!(made, u64::from(LIMIT), "the cards' own count");
    // Two of them nobody has; all others were answered, and are answered again.
    let answered = names.len() - failed.len();
    assert_eq!(answered, LIMIT as usize - 2);
    let views = &pool.world.app.views;
    let record = views.signatures(&id).await.expect("the record");
    assert_eq!(record.len(), answered);
    let mut again = 0;
    for name in &names {
        let made = pool.world.sign(&id, name, &request_for(name, EC)).await;
        if let Ok(made) = made {
            assert!(record.contains(&made), "{name}");
            again += 1;
        }
    }
    assert_eq!(again, answered);
    let view = pool.world.wait_for(&id, |view| view.state.is_ended()).await;
    assert_eq!(reason(&view), EndReason::CountUsed);
    pool.world.app.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_loss_may_be_the_last_that_counts() {
    let mut pool = Pool::ready().await;
    let id = pool.world.ask_for_anything("ec", 600, 1).await;
    pool.open(&id).await;
    pool.hsms[0].inject(Fault::RemovedBeforeAnswer);
    let refused = pool.world.sign(&id, "x", &request_for("x", EC)).await;
    assert!(
        matches!(refused, Err(SigningError::Ended(EndReason::CountUsed))),
        "{refused:?}"
    );
    let view = pool.world.wait_for(&id, |view| view.state.is_ended()).await;
    assert_eq!(view.signatures, 0);
    assert_eq!(reason(&view), EndReason::CountUsed);
    pool.world.app.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_hsm_with_a_lesser_quorum_is_not_opened_along() {
    for required in [[2, 1], [1, 2]] {
        let pool = Pool::with_quorums(&required).await;
        let id = pool.world.ask_for_anything("ec", 600, 10).await;
        let view = pool.world.view(&id).await;
        assert_eq!(view.terms.quorum.required, 2);
        assert!(view.terms.pool.is_none() && view.members.is_empty());
        pool.world.app.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_names_an_hsm_gets_no_other() {
    let pool = Pool::ready().await;
    let everywhere = pool.world.ask_for_anything("ec", 600, 10).await;
    let there = pool.world.view(&everywhere).await.terms;
    let new = NewActivation {
        hsm: Some(second()),
        reason: there.reason.clone(),
        lease: Some(there.lease),
        ..anything()
    };
    let (view, is_new) = pool.world.request(3, new).await.expect("asked");
    assert!(is_new && view.terms.pool.is_none());
    assert_eq!(view.terms.hsm.id, second());
    pool.world.app.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn custodians_were_asked_if_one_hsm_was_free() {
    let pool = Pool::ready().await;
    let there = NewActivation {
        hsm: Some(second()),
        ..anything()
    };
    pool.world.request(3, there).await.expect("asked");
    let everywhere = NewActivation {
        reason: "everywhere".into(),
        collect_seconds: Some(2),
        ..anything()
    };
    let (view, _) = pool.world.request(3, everywhere).await.expect("asked");
    let id = view.terms.id;
    let view = pool.world.wait_for(&id, |view| view.state.is_ended()).await;
    assert_eq!(reason(&view), EndReason::Expired);
    let ActivationState::Ended { reason, .. } = &view.members[1].state else {
        panic!("not ended")
    };
    assert_eq!(*reason, EndReason::StillQueued);
    pool.world.app.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lock_now_locks_every_hsm() {
    let mut pool = Pool::ready().await;
    let id = pool.world.ask_for_anything("ec", 600, 10).await;
    pool.open(&id).await;
    let terms = pool.world.view(&id).await.terms;
    let person = pool.world.people[1].person.clone();
    let request = LockRequest {
        actor: operator(&person),
        person,
        is_admin: false,
    };
    pool.world
        .app
        .activations
        .lock(&terms, request)
        .await
        .expect("locked");
    let view = pool.world.view(&id).await;
    assert!(matches!(reason(&view), EndReason::Locked { .. }));
    assert!(view.members.iter().all(|member| member.state.is_ended()));
    pool.locked().await;
    pool.world.app.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_a_lease_does_not_end_what_waits_behind_it() {
    let mut pool = Pool::ready().await;
    let id = pool.world.ask_for_anything("ec", 3, 10_000).await;
    pool.open(&id).await;
    let next = pool.world.ask_for_files("ec", &["a"]).await;
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
        .world
        .wait_for(&id, |view| {
            view.members.iter().all(|member| member.state.is_ended())
        })
        .await;
    assert_eq!(reason(&view), EndReason::TimeUsed);
    pool.collecting(&next).await;
    pool.world.app.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approval_is_for_one_hsm_only() {
    let mut pool = Pool::ready().await;
    let id = pool.world.ask_for_anything("ec", 600, 10).await;
    pool.collecting(&id).await;
    let task = pool.world.task(0, &id).await.expect("a task");
    let mut evidence = pool.world.people[0].approve(&task);
    evidence.activation = id.member(1);
    let refused = pool.approve(0, &id, evidence).await;
    assert!(
        matches!(refused, Err(ActivationError::Rejected(_))),
        "{refused:?}"
    );
    let stranger = pool.world.people[0].approve(&task);
    let other = ActivationId::new("AAAA-BBBB");
    let refused = pool
        .approve(
            0,
            &id,
            countersign_protocol::activation::ApprovalEvidence {
                activation: other,
                ..stranger
            },
        )
        .await;
    assert!(refused.is_err(), "{refused:?}");
    pool.world.app.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_ends_what_was_open_on_any_hsm() {
    let mut pool = Pool::ready().await;
    let id = pool.world.ask_for_anything("ec", 600, 10).await;
    pool.open(&id).await;
    pool.restart().await;
    let view = pool.world.view(&id).await;
    assert_eq!(reason(&view), EndReason::ServerRestarted);
    assert!(view.members.iter().all(|member| member.state.is_ended()));
    pool.world.app.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_open_on_an_hsm_that_is_gone_is_over_after_a_restart() {
    let mut pool = Pool::ready().await;
    let id = pool.world.ask_for_anything("ec", 600, 10).await;
    pool.open_first(&id).await;
    pool.lose_first(&id).await;
    pool.hsms[0].insert();
    pool.restart().await;
    let view = pool.world.view(&id).await;
    assert_eq!(reason(&view), EndReason::ServerRestarted);
    pool.world.app.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_never_open_waits_on_after_a_restart() {
    let mut pool = Pool::ready().await;
    let id = pool.world.ask_for_anything("ec", 600, 10).await;
    pool.collecting(&id).await;
    pool.withdraw_second(&id).await;
    pool.restart_with_requests().await;
    pool.open_first(&id).await;
    let made = pool.world.sign(&id, "1", &request_for("a", EC)).await;
    assert!(made.is_ok(), "{made:?}");
    pool.world.app.shutdown().await;
}

/// The end on one HSM is no reason to forget when the requester was last heard of.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_waits_for_a_pool_waits_for_the_hsms_that_are_left() {
    const LIMIT: Duration = Duration::from_secs(4);
    let pool = Pool::ready().await;
    let new = NewActivation {
        abandoned_after_seconds: Some(4),
        ..anything()
    };
    let (view, _) = pool.world.request(3, new).await.expect("asked");
    let id = view.terms.id;
    tokio::time::sleep(LIMIT / 2).await;
    let asked = Timestamp::now();
    let attendance = pool.world.app.activations.attendance();
    attendance.asks(&id, Duration::ZERO);
    pool.withdraw_second(&id).await;
    let view = pool.world.wait_for(&id, |view| view.state.is_ended()).await;
    let ActivationState::Ended { reason, at } = &view.members[0].state else {
        panic!("not ended")
    };
    assert_eq!(*reason, EndReason::Abandoned { seconds: 4 });
    let waited = Duration::try_from(at.duration_since(asked)).expect("later");
    assert!(waited >= LIMIT, "only {waited:?}");
    pool.world.app.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_receipt_has_the_approvals_for_every_hsm() {
    let mut pool = Pool::ready().await;
    let id = pool.world.ask_for_files("ec", &["a"]).await;
    pool.open(&id).await;
    pool.world
        .sign(&id, "1", &request_for("a", EC))
        .await
        .expect("signed");
    let envelope: Envelope = pool.world.app.views.receipt(&id).await.expect("a receipt");
    let key = &pool.world.app.identity.identity().key;
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
        let own = &part.activation.terms.id;
        assert!(part.signatures.iter().all(|made| made.activation == *own));
    }
    assert_ne!(
        receipt.device_certificates,
        receipt.others[0].device_certificates
    );
    pool.world.app.shutdown().await;
}
