//! The server with its people and its cards, and what it is expected to be.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use countersign_card::KeyKind;
use countersign_protocol::{
    activation::{ActivationState, NewActivation, NewPurpose},
    audit::{Actor, AuditEvent},
    hsm::HsmState,
    id::{ActivationId, TokenId},
    lease::LeaseLimits,
    mechanism::Mechanism,
    operator::Role,
    purpose::Scope,
    token::NewToken,
};
use countersign_server::{activation::LockRequest, store};
use countersign_simulator::{NewCard, Profile, Simulator};
use tokio::runtime::Runtime;

use super::{
    clocks::Clocks,
    rules::{APPROVALS_WITHIN, Expected, LEASE, Requested, Rules, State},
    step::{File, Step, TICK, Wanted, Who},
};
use crate::{
    person::Person,
    pools::{Pool, ids, wait_for_hsm},
    test_server::{
        ANNA, BEN, CARLA, anything, confirm, create_token, files, operator, request_for, requester,
    },
};

/// Number of HSMs, which have the same key. The first one also has another key.
pub const HSMS: usize = 2;

const CARDS: [&str; HSMS] = ["first.card", "second.card"];

/// Index of the second requester.
pub const ERIN: usize = 4;

/// Instruction of SELECT.
const SELECT: u8 = 0xA4;

/// A set-up server on disk, from which every sequence begins.
pub struct Prepared {
    folder: tempfile::TempDir,
    /// Cards keep no state that a sequence could change, so all sequences use the same.
    people: Vec<Person>,
}

impl Prepared {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let card = |(file, serial): (&str, &str)| {
            let new = NewCard {
                serial: serial.into(),
                label: serial.into(),
                profile: Profile::VENDOR,
                user_pin: None,
            };
            Simulator::create(&folder.path().join(file), &new).expect("a card")
        };
        let hsms: Vec<_> = CARDS
            .into_iter()
            .zip(["TARGET", "SECOND"])
            .map(card)
            .collect();
        runtime().block_on(async {
            let own_keys = [("rsa", KeyKind::Rsa(2048))];
            let mut pool = Pool::of(hsms, &[2; HSMS], folder, &own_keys).await;
            let link = pool.test.invite("Erin", Role::Requester).await;
            pool.test.enrol(&link, "ERIN01").await;
            let (anna, erin) = (&pool.test.people[ANNA].person, &pool.test.people[ERIN]);
            let key = erin.card.fingerprint();
            confirm(&pool.test.server, anna, &erin.person.id, key)
                .await
                .expect("confirmed");
            pool.test.shutdown().await;
            Self {
                people: pool.test.people,
                folder: pool.test.folder,
            }
        })
    }
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime")
}

/// Counts since the beginning, by the log and by the cards.
#[derive(Debug, PartialEq, Eq)]
struct Happened {
    /// Signatures that the cards have made.
    made: u64,
    signed: usize,
    requested: usize,
    approved: usize,
    declined: usize,
    opened: usize,
    ended: usize,
    key_revocations: usize,
    token_revocations: usize,
}

pub struct World {
    runtime: Runtime,
    pool: Pool,
    clocks: Clocks,
    rules: Rules,
    /// Tokens that are not revoked, by their owner.
    tokens: BTreeMap<usize, TokenId>,
    /// Number of idempotency keys so far.
    keys: u32,
    /// Number of audit entries at the beginning.
    entries_before: usize,
    /// Signatures that the cards had made at the beginning.
    made_before: u64,
}

type Outcome = Result<(), String>;

macro_rules! ensure {
    ($condition:expr, $($why:tt)*) => {
        if !$condition {
            return Err(format!($($why)*));
        }
    };
}

impl World {
    pub fn new(prepared: &Prepared) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        copy(prepared.folder.path(), folder.path());
        let hsms = CARDS.map(|card| Simulator::open(&folder.path().join(card)).expect("a card"));
        let runtime = runtime();
        let people = prepared.people.iter().map(Person::again).collect();
        let (clocks, clock) = Clocks::new();
        let (pool, entries_before) = runtime.block_on(async {
            let pool = Pool::again(hsms.into(), people, folder, clock).await;
            let entries = pool.test.audit().await.len();
            (pool, entries)
        });
        Self {
            made_before: made(&pool),
            entries_before,
            runtime,
            pool,
            clocks,
            rules: Rules::default(),
            tokens: BTreeMap::new(),
            keys: 0,
        }
    }

    /// Ends the sequence, and returns how many leases were opened and how many signatures were made.
    pub fn end(self) -> (usize, usize) {
        self.runtime.block_on(self.pool.test.shutdown());
        let expected = self.expected();
        (expected.opened, expected.signed)
    }

    /// Takes a step, and compares everything with the rules.
    pub fn take(&mut self, step: &Step) -> Outcome {
        match step {
            Step::Request(who, wanted, signatures) => self.request(*who, *wanted, *signatures)?,
            Step::RequestAgain => self.request_again()?,
            Step::Approve(custodian, hsm) => self.approve(*custodian, *hsm)?,
            Step::ApproveAll(hsm) => {
                for custodian in [ANNA, BEN, CARLA] {
                    if self.rules.may_approve(custodian, *hsm) {
                        self.approve(custodian, *hsm)?;
                        self.compare()?;
                    }
                }
            }
            Step::Decline(custodian, hsm) => self.decline(*custodian, *hsm)?,
            Step::Lock(hsm) => self.lock(*hsm)?,
            Step::Withdraw => self.withdraw()?,
            Step::Sign(file, hsm) => self.sign(*file, *hsm)?,
            Step::SignAgain => self.sign_again()?,
            Step::Crowd(hsm) => self.crowd(*hsm)?,
            Step::ResetByOther(hsm) => self.reset_by_other(*hsm),
            Step::PullAndInsert(hsm) => self.pull_and_insert(*hsm),
            Step::Restart => {
                self.runtime.block_on(self.pool.restart_with_requests());
                self.rules.restarted();
                (0..HSMS).for_each(|hsm| self.wait_until_attached(hsm));
            }
            Step::Revoke(person) => self.revoke(*person)?,
            Step::RevokeToken(owner) => self.revoke_token(*owner)?,
            Step::TimePasses => self.pass(1, 1),
            Step::SetClock(ticks) => self.pass(*ticks, 0),
            Step::ClockStops => self.pass(0, 1),
        }
        self.compare()
    }

    /// Moves both clocks by this many ticks.
    fn pass(&mut self, wall: i32, monotonic: u32) {
        let (wall, monotonic) = (i64::from(wall * TICK), monotonic * TICK.unsigned_abs());
        self.clocks.pass(wall, monotonic);
        self.rules.time_passed(wall, monotonic);
        (0..HSMS).for_each(|hsm| self.look(hsm));
        self.pool.clock.has_moved();
    }

    /// Has an HSM's thread look at its device and its lease now.
    fn look(&self, hsm: usize) {
        let hsms = &self.pool.test.server.hsms;
        hsms.get(&ids(HSMS)[hsm]).expect("the HSM").look();
    }

    fn request(&mut self, who: Who, wanted: Wanted, limit: u32) -> Outcome {
        let (Who::Person(requester) | Who::Program(requester)) = who;
        if self.rules.revoked.contains(&requester) {
            // The server rejects the caller before it reads a request.
            return Ok(());
        }
        let token = match who {
            Who::Person(_) => None,
            Who::Program(owner) => Some(self.token(owner)),
        };
        let reason = format!("Request {}", self.rules.activations.len());
        let requested = self.send(requester, token.clone(), wanted, limit, &reason);
        if self.rules.confirmed() < 2 {
            ensure!(
                requested.is_err(),
                "a request was accepted that nobody can approve"
            );
            return Ok(());
        }
        let (id, is_new) = requested?;
        ensure!(is_new, "another request took its place");
        self.rules.requested(Requested {
            id,
            wanted,
            reason,
            limit,
            requester,
            token,
        });
        Ok(())
    }

    /// The token of a person, which is created at its first use.
    fn token(&mut self, owner: usize) -> TokenId {
        if let Some(token) = self.tokens.get(&owner) {
            return token.clone();
        }
        let new = NewToken {
            label: format!("program {}", self.rules.logged.token_revocations),
            keys: vec![],
            days: 1,
            certificate: None,
        };
        let test = &self.pool.test;
        let person = &test.people[owner].person;
        let created = create_token(&test.server, person, &new);
        let token = self.runtime.block_on(created).expect("a token").token.id;
        self.tokens.insert(owner, token.clone());
        token
    }

    fn request_again(&mut self) -> Outcome {
        let active = |expected: &&Expected| !expected.has_ended();
        let Some(expected) = self.rules.activations.iter().rev().find(active).cloned() else {
            return Ok(());
        };
        if self.rules.confirmed() < 2 {
            return Ok(());
        }
        let (id, is_new) = self.send(
            expected.requester,
            expected.token,
            expected.wanted,
            expected.limit,
            &expected.reason,
        )?;
        ensure!(
            !is_new && id == expected.id,
            "an equal request is another activation"
        );
        Ok(())
    }

    fn actor(&self, index: usize, token: Option<TokenId>) -> Actor {
        let person = self.pool.test.people[index].person.clone();
        match token {
            Some(token) => Actor::Token { person, token },
            None => Actor::Operator { person },
        }
    }

    fn send(
        &self,
        index: usize,
        token: Option<TokenId>,
        wanted: Wanted,
        limit: u32,
        reason: &str,
    ) -> Result<(ActivationId, bool), String> {
        let listed = |names| Scope::Manifest {
            files: files(names),
        };
        let (key, scope) = match wanted {
            Wanted::AnyContent => ("ec", Scope::Open),
            Wanted::TwoFiles => ("ec", listed(&["a", "b"])),
            Wanted::OneFileRsa => ("rsa", listed(&["a"])),
        };
        let new = NewActivation {
            purpose: NewPurpose::Sign {
                keys: vec![key.into()],
                scope,
            },
            reason: reason.into(),
            lease: Some(LeaseLimits {
                seconds: LEASE,
                signatures: limit,
            }),
            approval_seconds: Some(APPROVALS_WITHIN),
            ..anything()
        };
        let actor = self.actor(index, token);
        let test = &self.pool.test;
        let requester = requester(&test.people[index].person, &actor, false);
        let created = test.server.activations.create(&requester, new);
        self.runtime
            .block_on(created)
            .map_err(|error| error.to_string())
    }

    fn approve(&mut self, custodian: usize, hsm: usize) -> Outcome {
        let Some(id) = self
            .rules
            .current(hsm)
            .map(|current| current.id.member(hsm))
        else {
            return Ok(());
        };
        let name = &ids(HSMS)[hsm];
        let task = self
            .runtime
            .block_on(self.pool.request_task(custodian, name, &id));
        let may = self.rules.may_approve(custodian, hsm);
        ensure!(task.is_ok() == may, "expected {may}, was {task:?}");
        if let Ok(task) = task {
            let answered = self.pool.answer(custodian, name, task);
            self.runtime
                .block_on(answered)
                .map_err(|error| error.to_string())?;
            self.rules.approved(custodian, hsm);
        }
        Ok(())
    }

    fn decline(&mut self, custodian: usize, hsm: usize) -> Outcome {
        let Some(id) = self
            .rules
            .current(hsm)
            .map(|current| current.id.member(hsm))
        else {
            return Ok(());
        };
        let may = self.rules.may_approve(custodian, hsm);
        let who = self.pool.test.people[custodian].custodian();
        let coordinators = self.pool.test.server.activations.coordinators();
        let name = &ids(HSMS)[hsm];
        let declined = coordinators.decline(name, id, who, "no".into());
        let declined = self.runtime.block_on(declined);
        ensure!(declined.is_ok() == may, "expected {may}, was {declined:?}");
        if may {
            self.rules.declined(custodian, hsm);
        }
        Ok(())
    }

    fn lock(&mut self, hsm: usize) -> Outcome {
        let Some(current) = self.rules.current(hsm).cloned() else {
            return Ok(());
        };
        self.end_as(ANNA, &current.id)?;
        for (hsm, member) in self.pool.hsms.iter().zip(&current.members) {
            ensure!(
                *member != State::Open || !hsm.is_open(),
                "an HSM is open after Lock now"
            );
        }
        self.rules.end_where(|one| one.id == current.id);
        Ok(())
    }

    fn withdraw(&mut self) -> Outcome {
        let active = |expected: &&Expected| !expected.has_ended();
        let Some(newest) = self.rules.activations.iter().rev().find(active).cloned() else {
            return Ok(());
        };
        self.end_as(newest.requester, &newest.id)?;
        self.rules.end_where(|one| one.id == newest.id);
        Ok(())
    }

    fn end_as(&self, who: usize, id: &ActivationId) -> Outcome {
        let test = &self.pool.test;
        let person = test.people[who].person.clone();
        let request = LockRequest {
            actor: operator(&person),
            person,
            is_admin: who == ANNA,
        };
        self.runtime
            .block_on(async {
                let terms = test.view(id).await.terms;
                test.server.activations.lock(&terms, request).await
            })
            .map_err(|error| format!("not locked: {error}"))
    }

    fn next_key(&mut self) -> String {
        self.keys += 1;
        self.keys.to_string()
    }

    fn sign(&mut self, file: File, hsm: usize) -> Outcome {
        let key = self.next_key();
        let Some(current) = self.rules.current(hsm).map(|current| current.clone()) else {
            return Ok(());
        };
        let signed = self
            .runtime
            .block_on(self.request_signature(&current, &key, file));
        let may = current.is_open() && current.covers(file);
        ensure!(signed.is_ok() == may, "expected {may}, was {signed:?}");
        if let Ok(signature) = signed {
            self.rules.signed(&current.id, key, file, signature);
        }
        Ok(())
    }

    async fn request_signature(
        &self,
        activation: &Expected,
        key: &str,
        file: File,
    ) -> Result<Vec<u8>, String> {
        let request = request_for(file.name(), mechanism(activation.wanted));
        let actor = self.actor(activation.requester, activation.token.clone());
        let test = &self.pool.test;
        let person = &test.people[activation.requester].person;
        let requester = requester(person, &actor, false);
        let signing = &test.server.signing;
        let signed = signing.sign(&requester, &activation.id, key, &request);
        let view = signed.await.map_err(|error| error.to_string())?;
        Ok(view.signature.as_bytes().to_vec())
    }

    /// Every signature that was ever made is given out again, and is not made again.
    fn sign_again(&mut self) -> Outcome {
        for activation in &self.rules.activations {
            for (key, (file, before)) in &activation.made {
                let again = self.request_signature(activation, key, *file);
                let again = self.runtime.block_on(again)?;
                ensure!(
                    again == *before,
                    "another signature for the same idempotency key"
                );
            }
        }
        Ok(())
    }

    fn crowd(&mut self, hsm: usize) -> Outcome {
        let Some(current) = self.rules.current(hsm).map(|current| current.clone()) else {
            return Ok(());
        };
        let keys: Vec<_> = (0..5).map(|_| self.next_key()).collect();
        let signed = self.runtime.block_on(async {
            let sign = |at: usize| self.request_signature(&current, &keys[at], File::A);
            <[_; 5]>::from(tokio::join!(sign(0), sign(1), sign(2), sign(3), sign(4)))
        });
        let made: Vec<_> = keys
            .into_iter()
            .zip(signed)
            .filter_map(|(key, signed)| Some((key, signed.ok()?)))
            .collect();
        let most = if current.is_open() {
            current.left().min(5)
        } else {
            0
        };
        ensure!(
            made.len() == most,
            "{} signatures instead of {most}",
            made.len()
        );
        for (key, signature) in made {
            self.rules.signed(&current.id, key, File::A, signature);
        }
        Ok(())
    }

    fn reset_by_other(&mut self, hsm: usize) {
        let before = self.selections(hsm);
        self.pool.hsms[hsm].reset_by_other();
        self.rules.card_forgot(hsm);
        self.look(hsm);
        let noticed = async {
            for _ in 0..1000 {
                if self.selections(hsm) > before {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            panic!("the server never noticed that the card was reset");
        };
        self.runtime.block_on(noticed);
        self.wait_until_attached(hsm);
    }

    fn pull_and_insert(&mut self, hsm: usize) {
        self.pool.hsms[hsm].remove();
        self.rules.card_forgot(hsm);
        self.look(hsm);
        let absent = |state: &HsmState| matches!(state, HsmState::Absent { .. });
        self.wait_for_state(hsm, absent);
        self.pool.hsms[hsm].insert();
        self.look(hsm);
        self.wait_until_attached(hsm);
    }

    fn wait_until_attached(&self, hsm: usize) {
        let absent = |state: &HsmState| matches!(state, HsmState::Absent { .. });
        self.wait_for_state(hsm, |state| !absent(state));
    }

    fn wait_for_state(&self, hsm: usize, wanted: impl Fn(&HsmState) -> bool) {
        let name = &ids(HSMS)[hsm];
        let reached = wait_for_hsm(&self.pool.test, name, wanted);
        self.runtime.block_on(reached);
    }

    /// Number of times that the server has connected to a card.
    fn selections(&self, hsm: usize) -> u64 {
        let counts = self.pool.hsms[hsm].apdu_counts();
        counts.by_instruction.get(&SELECT).copied().unwrap_or(0)
    }

    fn revoke(&mut self, person: usize) -> Outcome {
        if person == ANNA {
            // Nobody revokes their own key, and she is the only admin.
            return Ok(());
        }
        let test = &self.pool.test;
        let admin = test.anna().person.clone();
        let id = test.people[person].person.id.clone();
        let actor = operator(&admin);
        let revoked = test.server.people.revoke_key(&admin, &actor, &id);
        let revoked = self.runtime.block_on(revoked);
        ensure!(
            revoked.is_err() == self.rules.revoked.contains(&person),
            "revoked twice, or not at all"
        );
        if revoked.is_ok() {
            self.rules.was_revoked(person);
        }
        Ok(())
    }

    fn revoke_token(&mut self, owner: usize) -> Outcome {
        let Some(token) = self.tokens.remove(&owner) else {
            return Ok(());
        };
        let test = &self.pool.test;
        let person = &test.people[owner].person;
        let actor = operator(person);
        let revoked = test.server.tokens.revoke(person, false, &actor, &token);
        let revoked = self.runtime.block_on(revoked);
        revoked.map_err(|error| error.to_string())?;
        self.rules.logged.token_revocations += 1;
        self.rules
            .end_where(|one| one.token.as_ref() == Some(&token));
        Ok(())
    }

    /// Waits until the server is as the rules say, and fails if it never is.
    fn compare(&mut self) -> Outcome {
        let mut last = Ok(());
        for _ in 0..1000 {
            last = self.runtime.block_on(self.differs());
            if last.is_ok() {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        last
    }

    async fn differs(&self) -> Outcome {
        for expected in &self.rules.activations {
            self.activation_differs(expected).await?;
        }
        self.leases_differ()?;
        let (expected, happened) = (self.expected(), self.happened().await?);
        ensure!(
            happened == expected,
            "expected {expected:?}, was {happened:?}"
        );
        Ok(())
    }

    async fn activation_differs(&self, expected: &Expected) -> Outcome {
        let test = &self.pool.test;
        let view = test.view(&expected.id).await;
        let states: Vec<_> = if expected.members.len() == 1 {
            vec![(view.state.clone(), view.approvals)]
        } else {
            let state = |member: &countersign_protocol::activation::MemberView| {
                (member.state.clone(), member.approvals)
            };
            view.members.iter().map(state).collect()
        };
        let is_same = |(wanted, (state, approvals)): (&State, &(ActivationState, u8))| match (
            wanted, state,
        ) {
            (State::Queued, ActivationState::Queued)
            | (State::Ended, ActivationState::Ended { .. })
            | (State::Open, ActivationState::Open { .. }) => true,
            (State::Awaiting { approved, .. }, ActivationState::AwaitingApprovals) => {
                approved.len() == usize::from(*approvals)
            }
            _ => false,
        };
        ensure!(
            states.len() == expected.members.len()
                && expected.members.iter().zip(&states).all(is_same),
            "{expected:?} is {states:?}"
        );
        if let ActivationState::Open { left, .. } = view.state {
            ensure!(
                left as usize == expected.left(),
                "{left} signatures are left, not {}",
                expected.left()
            );
        }
        let stored = test.server.views.signatures(&expected.id).await;
        let stored = stored.map_err(|error| error.to_string())?;
        let stored: BTreeSet<_> = stored
            .iter()
            .map(|made| made.signature.as_bytes().to_vec())
            .collect();
        let made = expected
            .made
            .values()
            .map(|(_, made)| made.clone())
            .collect();
        ensure!(
            stored == made,
            "{} signatures are stored, {} were acknowledged",
            stored.len(),
            expected.made.len()
        );
        Ok(())
    }

    /// Each open card belongs to a lease, and each lease to an open card.
    fn leases_differ(&self) -> Outcome {
        let open = self.rules.activations.iter().flat_map(|expected| {
            let members = expected.members.iter().enumerate();
            let open = members.filter(|(_, member)| **member == State::Open);
            open.map(|(hsm, _)| (hsm, expected.id.member(hsm)))
        });
        let open: BTreeMap<_, _> = open.collect();
        for (hsm, card) in self.pool.hsms.iter().enumerate() {
            ensure!(
                card.is_open() == open.contains_key(&hsm),
                "HSM {hsm} is open: {}",
                card.is_open()
            );
        }
        let leases = self.pool.test.server.activations.leases().open();
        let leases: BTreeSet<_> = leases.iter().map(|lease| lease.terms.id.clone()).collect();
        ensure!(
            leases
                .iter()
                .eq(&open.values().cloned().collect::<BTreeSet<_>>()),
            "leases: {leases:?}, open: {open:?}"
        );
        Ok(())
    }

    fn expected(&self) -> Happened {
        let activations = &self.rules.activations;
        let signed = activations.iter().map(|one| one.made.len()).sum();
        let members = || activations.iter().flat_map(|one| &one.members);
        let logged = &self.rules.logged;
        Happened {
            made: signed as u64,
            signed,
            requested: members().count(),
            approved: logged.approvals,
            declined: logged.declines,
            opened: logged.openings,
            ended: members().filter(|member| **member == State::Ended).count(),
            key_revocations: logged.key_revocations,
            token_revocations: logged.token_revocations,
        }
    }

    async fn happened(&self) -> Result<Happened, String> {
        let mut connection = self.pool.test.server.store.read().await.expect("reads");
        let page = store::audit::page(&mut connection, None, 100_000).await;
        let mut log = page.map_err(|error| error.to_string())?.entries;
        log.reverse();
        for (place, entry) in log.iter().enumerate() {
            ensure!(
                usize::try_from(entry.index) == Ok(place),
                "entry {} of the log is in place {place}",
                entry.index
            );
        }
        let log = &log[self.entries_before..];
        let count = |wanted: fn(&AuditEvent) -> bool| {
            log.iter().filter(|entry| wanted(&entry.event)).count()
        };
        Ok(Happened {
            made: made(&self.pool) - self.made_before,
            signed: count(|event| matches!(event, AuditEvent::Signed { .. })),
            requested: count(|event| matches!(event, AuditEvent::ActivationRequested { .. })),
            approved: count(|event| matches!(event, AuditEvent::Approved { .. })),
            declined: count(|event| matches!(event, AuditEvent::Declined { .. })),
            opened: count(|event| matches!(event, AuditEvent::LeaseOpened { .. })),
            ended: count(|event| matches!(event, AuditEvent::ActivationEnded { .. })),
            key_revocations: count(|event| matches!(event, AuditEvent::KeyRevoked { .. })),
            token_revocations: count(|event| matches!(event, AuditEvent::TokenRevoked { .. })),
        })
    }
}

/// Number of signatures that the cards have made.
fn made(pool: &Pool) -> u64 {
    let made = pool.hsms.iter().map(|hsm| hsm.apdu_counts().signatures);
    made.sum()
}

fn mechanism(wanted: Wanted) -> Mechanism {
    match wanted {
        Wanted::AnyContent | Wanted::TwoFiles => Mechanism::EcdsaSha256,
        Wanted::OneFileRsa => Mechanism::RsaPkcs1Sha256,
    }
}

fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).expect("a folder") {
        let from: PathBuf = entry.expect("an entry").path();
        if from.is_file() {
            let name = from.file_name().expect("a name");
            fs::copy(&from, to.join(name)).expect("copied");
        }
    }
}
