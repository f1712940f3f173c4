//! The server with its people and its card, and what it is expected to be.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use countersign_protocol::{
    activation::{ActivationState, NewActivation, NewPurpose},
    audit::AuditEvent,
    hsm::HsmState,
    lease::LeaseLimits,
    mechanism::Mechanism,
    purpose::Scope,
};
use countersign_server::activation::LockRequest;
use countersign_simulator::{NewCard, Profile, Simulator};
use tokio::runtime::Runtime;

use super::{
    rules::{Expected, Rules, State},
    step::{File, Step, Wanted},
};
use crate::{
    person::Person,
    test_server::{ANNA, DOUG, TestServer, anything, files, hsm_id, operator, request_for, start},
};

const CARD: &str = "hsm.card";

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
        let runtime = runtime();
        let folder = tempfile::tempdir().expect("a folder");
        let card = NewCard {
            serial: "TARGET".into(),
            label: "TARGET".into(),
            profile: Profile::VENDOR,
            user_pin: None,
        };
        let hsm = Simulator::create(&folder.path().join(CARD), &card).expect("a card");
        runtime.block_on(async {
            let server = start(folder.path(), &hsm).await;
            let mut test = TestServer::of(server, hsm, folder).await;
            test.make_ready().await;
            test.shutdown().await;
            Self {
                people: test.people,
                folder: test.folder,
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

pub struct World {
    runtime: Runtime,
    test: TestServer,
    rules: Rules,
    /// Number of idempotency keys so far.
    keys: u32,
    /// Signatures that the card had made before.
    signatures_before: u64,
    /// Audit entries of signatures before.
    entries_before: usize,
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
        let hsm = Simulator::open(&folder.path().join(CARD)).expect("the card");
        let runtime = runtime();
        let server = runtime.block_on(start(folder.path(), &hsm));
        let people = prepared.people.iter().map(Person::again).collect();
        let test = TestServer {
            server,
            hsm,
            people,
            folder,
        };
        let entries = runtime.block_on(async {
            test.wait_for_hsm(|view| view.state == HsmState::Locked)
                .await;
            signed_entries(&test).await
        });
        Self {
            signatures_before: test.hsm.apdu_counts().signatures,
            entries_before: entries,
            runtime,
            test,
            rules: Rules::default(),
            keys: 0,
        }
    }

    pub fn end(self) {
        self.runtime.block_on(self.test.shutdown());
    }

    /// Takes a step, and compares everything with the rules.
    pub fn take(&mut self, step: &Step) -> Outcome {
        match step {
            Step::Request(wanted, signatures) => self.request(*wanted, *signatures)?,
            Step::RequestAgain => self.request_again()?,
            Step::Approve(custodian) => self.approve(*custodian)?,
            Step::Decline(custodian) => self.decline(*custodian)?,
            Step::Lock => self.lock()?,
            Step::Withdraw => self.withdraw()?,
            Step::Sign(file) => self.sign(*file)?,
            Step::SignAgain => self.sign_again()?,
            Step::Crowd => self.crowd()?,
            Step::ResetByOther => {
                let before = self.selections();
                self.test.hsm.reset_by_other();
                self.rules.card_forgot();
                self.wait_for_another_selection(before);
            }
            Step::PullAndInsert => self.pull_and_insert(),
            Step::Restart => {
                self.runtime.block_on(self.test.restart());
                self.rules.card_forgot();
            }
            Step::Revoke(custodian) => self.revoke(*custodian)?,
        }
        self.compare()
    }

    fn request(&mut self, wanted: Wanted, limit: u32) -> Outcome {
        let reason = format!("Request {}", self.rules.activations.len());
        let requested = self.send(wanted, limit, &reason);
        if self.rules.confirmed() < 2 {
            ensure!(
                requested.is_err(),
                "a request was accepted that nobody can approve"
            );
            return Ok(());
        }
        let (id, is_new) = requested?;
        ensure!(is_new, "another request took its place");
        self.rules.requested(Expected {
            id,
            wanted,
            reason,
            limit,
            state: State::Queued,
            made: Default::default(),
        });
        Ok(())
    }

    fn request_again(&mut self) -> Outcome {
        let active = |expected: &&Expected| expected.state != State::Ended;
        let Some(expected) = self.rules.activations.iter().rev().find(active).cloned() else {
            return Ok(());
        };
        if self.rules.confirmed() < 2 {
            return Ok(());
        }
        let (id, is_new) = self.send(expected.wanted, expected.limit, &expected.reason)?;
        ensure!(
            !is_new && id == expected.id,
            "an equal request is another activation"
        );
        Ok(())
    }

    fn send(
        &self,
        wanted: Wanted,
        limit: u32,
        reason: &str,
    ) -> Result<(countersign_protocol::id::ActivationId, bool), String> {
        let (key, scope) = match wanted {
            Wanted::AnyContent => ("ec", Scope::Open),
            Wanted::TwoFiles => {
                let files = files(&["a", "b"]);
                ("ec", Scope::Manifest { files })
            }
            Wanted::OneFileRsa => {
                let files = files(&["a"]);
                ("rsa", Scope::Manifest { files })
            }
        };
        let new = NewActivation {
            purpose: NewPurpose::Sign {
                keys: vec![key.into()],
                scope,
            },
            reason: reason.into(),
            lease: Some(LeaseLimits {
                seconds: 600,
                signatures: limit,
            }),
            ..anything()
        };
        let requested = self
            .runtime
            .block_on(self.test.request_activation(DOUG, new));
        let (view, is_new) = requested.map_err(|error| error.to_string())?;
        Ok((view.id(), is_new))
    }

    fn approve(&mut self, custodian: usize) -> Outcome {
        let Some(id) = self.rules.current().map(|current| current.id.clone()) else {
            return Ok(());
        };
        if self.rules.may_approve(custodian) {
            self.runtime.block_on(self.test.approve(custodian, &id));
            self.rules.approved(custodian);
            return Ok(());
        }
        let task = self.runtime.block_on(self.test.task(custodian, &id));
        ensure!(task.is_err(), "a task for a custodian who may not approve");
        Ok(())
    }

    fn decline(&mut self, custodian: usize) -> Outcome {
        let Some(id) = self.rules.current().map(|current| current.id.clone()) else {
            return Ok(());
        };
        let may = self.rules.may_approve(custodian);
        let who = self.test.people[custodian].custodian();
        let coordinators = self.test.server.activations.coordinators();
        let hsm = hsm_id();
        let declined = coordinators.decline(&hsm, id.member(0), who, "no".into());
        let declined = self.runtime.block_on(declined);
        ensure!(declined.is_ok() == may, "expected {may}, was {declined:?}");
        if may {
            self.rules.declined(custodian);
        }
        Ok(())
    }

    fn lock_request(&self, who: usize) -> LockRequest {
        let person = self.test.people[who].person.clone();
        LockRequest {
            actor: operator(&person),
            person,
            is_admin: who == ANNA,
        }
    }

    fn lock(&mut self) -> Outcome {
        let Some(id) = self.rules.current().map(|current| current.id.clone()) else {
            return Ok(());
        };
        self.end_as(ANNA, &id)?;
        ensure!(!self.test.hsm.is_open(), "the HSM is open after Lock now");
        self.rules.ended();
        Ok(())
    }

    fn withdraw(&mut self) -> Outcome {
        let active = |expected: &&Expected| expected.state != State::Ended;
        let newest = self.rules.activations.iter().rev().find(active);
        let Some(id) = newest.map(|expected| expected.id.clone()) else {
            return Ok(());
        };
        self.end_as(DOUG, &id)?;
        self.rules.withdrawn(&id);
        Ok(())
    }

    fn end_as(&self, who: usize, id: &countersign_protocol::id::ActivationId) -> Outcome {
        let request = self.lock_request(who);
        self.runtime
            .block_on(async {
                let terms = self.test.view(id).await.terms;
                self.test.server.activations.lock(&terms, request).await
            })
            .map_err(|error| format!("not locked: {error}"))
    }

    fn next_key(&mut self) -> String {
        self.keys += 1;
        self.keys.to_string()
    }

    fn sign(&mut self, file: File) -> Outcome {
        let key = self.next_key();
        let Some(current) = self.rules.current().map(|current| current.clone()) else {
            return Ok(());
        };
        let signed = self.request_signature(&current, &key, file);
        let may = current.state == State::Open && current.covers(file);
        ensure!(signed.is_ok() == may, "expected {may}, was {signed:?}");
        if let Ok(signature) = signed {
            self.rules.signed(key, file, signature);
        }
        Ok(())
    }

    fn request_signature(
        &self,
        activation: &Expected,
        key: &str,
        file: File,
    ) -> Result<Vec<u8>, String> {
        let request = request_for(file.name(), mechanism(activation.wanted));
        self.runtime
            .block_on(self.test.sign(&activation.id, key, &request))
            .map(|view| view.signature.as_bytes().to_vec())
            .map_err(|error| error.to_string())
    }

    /// Every signature that was ever made is given out again, and is not made again.
    fn sign_again(&mut self) -> Outcome {
        for activation in &self.rules.activations {
            for (key, (file, before)) in &activation.made {
                let again = self.request_signature(activation, key, *file)?;
                ensure!(
                    again == *before,
                    "another signature for the same idempotency key"
                );
            }
        }
        Ok(())
    }

    fn crowd(&mut self) -> Outcome {
        let Some(current) = self.rules.current().map(|current| current.clone()) else {
            return Ok(());
        };
        let keys: Vec<_> = (0..5).map(|_| self.next_key()).collect();
        let request = request_for("a", mechanism(current.wanted));
        let signed = self.runtime.block_on(async {
            let sign = |key: &String| {
                let (key, request) = (key.clone(), request.clone());
                let test = &self.test;
                let id = &current.id;
                async move { (key.clone(), test.sign(id, &key, &request).await) }
            };
            let [one, two, three, four, five] = [0, 1, 2, 3, 4].map(|at| sign(&keys[at]));
            <[_; 5]>::from(tokio::join!(one, two, three, four, five))
        });
        let made: Vec<_> = signed
            .into_iter()
            .filter_map(|(key, view)| Some((key, view.ok()?.signature.as_bytes().to_vec())))
            .collect();
        let most = match current.state {
            State::Open => current.left().min(5),
            _ => 0,
        };
        ensure!(
            made.len() == most,
            "{} signatures instead of {most}",
            made.len()
        );
        for (key, signature) in made {
            self.rules.signed(key, File::A, signature);
        }
        Ok(())
    }

    fn pull_and_insert(&mut self) {
        self.test.hsm.remove();
        self.rules.card_forgot();
        self.runtime.block_on(async {
            let absent = |state: &HsmState| matches!(state, HsmState::Absent { .. });
            self.test.wait_for_hsm(|view| absent(&view.state)).await;
            self.test.hsm.insert();
            self.test.wait_for_hsm(|view| view.device.is_some()).await;
        });
    }

    /// Number of times that the server has connected to the card.
    fn selections(&self) -> u64 {
        let counts = self.test.hsm.apdu_counts();
        counts.by_instruction.get(&SELECT).copied().unwrap_or(0)
    }

    /// Waits until the server has connected to the card again, after it noticed the reset.
    fn wait_for_another_selection(&self, before: u64) {
        self.runtime.block_on(async {
            for _ in 0..1000 {
                if self.selections() > before && self.test.hsm_view().await.device.is_some() {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            panic!("the server never noticed that the card was reset");
        });
    }

    fn revoke(&mut self, custodian: usize) -> Outcome {
        if custodian == ANNA {
            // Nobody revokes their own key, and she is the only admin.
            return Ok(());
        }
        let admin = self.test.anna().person.clone();
        let id = self.test.people[custodian].person.id.clone();
        let people = &self.test.server.people;
        let actor = operator(&admin);
        let revoked = people.revoke_key(&admin, &actor, &id);
        let revoked = self.runtime.block_on(revoked);
        ensure!(
            revoked.is_err() == self.rules.revoked.contains(&custodian),
            "revoked twice, or not at all"
        );
        self.rules.was_revoked(custodian);
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
        let mut made = 0;
        let mut open = false;
        for expected in &self.rules.activations {
            let view = self.test.view(&expected.id).await;
            let is_same = match (&expected.state, &view.state) {
                (State::Queued, ActivationState::Queued)
                | (State::Ended, ActivationState::Ended { .. }) => true,
                (State::Awaiting { approved, .. }, ActivationState::AwaitingApprovals) => {
                    approved.len() == usize::from(view.approvals)
                }
                (State::Open, ActivationState::Open { left, .. }) => {
                    open = true;
                    *left as usize == expected.left()
                }
                _ => false,
            };
            ensure!(
                is_same,
                "{expected:?} is {:?} with {} approvals",
                view.state,
                view.approvals
            );
            made += expected.made.len();
        }
        ensure!(
            self.test.hsm.is_open() == open,
            "open: {}, expected {open}",
            !open
        );
        let signatures = self.test.hsm.apdu_counts().signatures - self.signatures_before;
        ensure!(
            signatures == made as u64,
            "the card made {signatures} signatures, not {made}"
        );
        let entries = signed_entries(&self.test).await - self.entries_before;
        ensure!(
            entries == made,
            "the log has {entries} signatures, not {made}"
        );
        Ok(())
    }
}

async fn signed_entries(test: &TestServer) -> usize {
    let signed = |event: &&AuditEvent| matches!(event, AuditEvent::Signed { .. });
    test.audit().await.iter().filter(signed).count()
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
