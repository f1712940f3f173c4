//! A person with a simulated card, who does what a card helper does.

use countersign_card::{KeyKind, KeySpec, Pin, SignAlgorithm, SmartCardHsm, pka::Challenge};
use countersign_protocol::{
    Timestamp,
    activation::SignedApproval,
    cvc::{
        Chr, Curve, DeviceChain, EcSignature, Fingerprint, PkaFile, PublicKey, TrustAnchors,
        VerifiedDevice,
    },
    digest::Sha256Digest,
    dsse::{Envelope, Payload, Unsigned},
    encoding::Base64,
    operator::{self, Enrolment, OpenedInvitation},
    statement::{ActStatement, Approval, EnrolmentStatement, LoginStatement},
    task::{ApproveTask, ServerTask, Task},
};
use countersign_server::activation::Custodian;
use countersign_simulator::{NewCard, Profile, Simulator, simulated_anchor};
use zeroize::Zeroizing;

pub fn anchors() -> TrustAnchors {
    TrustAnchors::default()
        .with_simulated(simulated_anchor().expect("an anchor"))
        .expect("of the right kind")
}

pub fn new_card(serial: &str, profile: Profile, pin: Option<&str>) -> Simulator {
    Simulator::in_memory(&NewCard {
        serial: serial.into(),
        label: serial.into(),
        profile,
        user_pin: pin.map(str::to_owned),
    })
    .expect("a card")
}

/// A card with one key, whose PIN is verified.
pub struct Card {
    pub card: SmartCardHsm,
    reference: u8,
    pub file: PkaFile,
    simulator: Simulator,
}

/// Connects to a person's card and verifies its PIN.
fn unlock(simulator: &Simulator) -> (SmartCardHsm, VerifiedDevice) {
    let mut card = SmartCardHsm::open(simulator.connect()).expect("selects");
    let device = card
        .device_chain()
        .expect("a chain")
        .verify(&anchors())
        .expect("genuine");
    card.open_secure_channel(&device).expect("a channel");
    card.verify_pin(&Pin::new(Zeroizing::new("648219".into())).expect("a PIN"))
        .expect("the PIN");
    (card, device)
}

impl Card {
    /// A custodian's card.
    pub fn new(serial: &str) -> Self {
        Self::with_key(serial, KeyKind::Ec(Curve::BrainpoolP256r1))
    }

    pub fn with_key(serial: &str, kind: KeyKind) -> Self {
        Self::with_name(serial, kind, &format!("ZZ{serial}00001"))
    }

    /// A card whose key has this name.
    pub fn with_name(serial: &str, kind: KeyKind, name: &str) -> Self {
        let simulator = new_card(serial, Profile::VENDOR, Some("648219"));
        let (mut card, device) = unlock(&simulator);
        let name: Chr = name.parse().expect("a name");
        let spec = KeySpec {
            kind,
            label: "key".into(),
            chr: name,
            algorithms: None,
            use_counter: None,
        };
        let (reference, request) = card.generate_key(&spec).expect("a key");
        let file = PkaFile {
            request,
            chain: device.chain().clone(),
        };
        Self {
            card,
            reference,
            file,
            simulator,
        }
    }

    pub fn public_key(&self) -> &PublicKey {
        self.file.request.public_key()
    }

    pub fn fingerprint(&self) -> Fingerprint {
        self.public_key().fingerprint()
    }

    pub fn sign(&mut self, digest: &[u8]) -> EcSignature {
        let der = self
            .card
            .sign(self.reference, SignAlgorithm::Ecdsa, digest)
            .expect("signs");
        EcSignature::from_der(&der, Curve::BrainpoolP256r1).expect("a signature")
    }

    pub fn seal<P: Payload>(&mut self, payload: &P) -> Envelope {
        let unsigned = Unsigned::new(payload);
        let signature = self.sign(unsigned.digest().as_bytes());
        unsigned.seal(&self.fingerprint(), &signature)
    }

    pub fn enrolment(&mut self, code: &str, opened: &OpenedInvitation) -> Enrolment {
        let task: ServerTask = opened.task.peek().expect("a task");
        let Task::Enrol {
            invitation,
            person,
            nonce,
            ..
        } = task.task
        else {
            panic!("another task")
        };
        let statement = EnrolmentStatement {
            origin: task.server.origin,
            server_key: task.server.key.fingerprint(),
            invitation,
            person,
            nonce,
            key: self.fingerprint(),
            at: Timestamp::now(),
        };
        Enrolment {
            code: code.into(),
            pka: Base64(self.file.to_new_format()),
            statement: Some(self.seal(&statement)),
        }
    }

    pub fn log_in(&mut self, task: &Envelope) -> Envelope {
        let task: ServerTask = task.peek().expect("a task");
        let Task::LogIn { nonce } = task.task else {
            panic!("another task")
        };
        let statement = LoginStatement {
            origin: task.server.origin,
            server_key: task.server.key.fingerprint(),
            nonce,
            key: self.fingerprint(),
            at: Timestamp::now(),
        };
        self.seal(&statement)
    }

    pub fn sign_act(&mut self, task: &Envelope) -> Envelope {
        let task: ServerTask = task.peek().expect("a task");
        let Task::SignAct(act) = task.task else {
            panic!("another task")
        };
        let statement = ActStatement {
            terms: act.terms,
            origin: task.server.origin,
            server_key: task.server.key.fingerprint(),
            key: self.fingerprint(),
            at: Timestamp::now(),
        };
        self.seal(&statement)
    }
}

/// The content of an approval task.
pub fn approve_task(task: &Envelope) -> (ServerTask, ApproveTask) {
    let task: ServerTask = task.peek().expect("a task");
    let Task::Approve(approve) = task.task.clone() else {
        panic!("another task")
    };
    (task, *approve)
}

/// A person who has enrolled.
pub struct Person {
    pub card: Card,
    pub person: operator::Person,
}

impl Person {
    /// The same person with a new connection to the same card.
    pub fn again(&self) -> Self {
        Self {
            card: Card {
                card: unlock(&self.card.simulator).0,
                reference: self.card.reference,
                file: self.card.file.clone(),
                simulator: self.card.simulator.clone(),
            },
            person: self.person.clone(),
        }
    }

    pub fn custodian(&self) -> Custodian {
        Custodian {
            person: self.person.clone(),
            key: self.card.fingerprint(),
        }
    }

    /// Approves the task.
    pub fn approve(&mut self, task: &Envelope) -> SignedApproval {
        let (task, approve) = approve_task(task);
        self.approve_as(&task, &approve)
    }

    /// Approves this content, which may differ from the task.
    pub fn approve_as(&mut self, task: &ServerTask, approve: &ApproveTask) -> SignedApproval {
        let chain = DeviceChain::from_ef(approve.device_certificates.as_bytes()).expect("a chain");
        let device = chain.verify(&anchors()).expect("genuine");
        let statement = Approval::new(
            &approve.terms,
            Sha256Digest::of(chain.device.raw()),
            approve.challenge.as_bytes(),
            task.server.key.fingerprint(),
            self.card.fingerprint(),
            Timestamp::now(),
        );
        let statement = self.card.seal(&statement);
        let challenge = Challenge::new(approve.challenge.as_bytes()).expect("a challenge");
        let response = self.card.sign(&challenge.digest(device.id()));
        SignedApproval {
            activation: approve.terms.id.clone(),
            statement,
            challenge: approve.challenge.clone(),
            response: Base64(response.to_plain()),
        }
    }
}
