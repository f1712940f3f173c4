//! DSSE envelopes with approvals, log-ins, enrolments and tasks.

use std::sync::LazyLock;

use countersign_cvc::{Curve, EcSecretKey, Fingerprint, PublicKey};
use countersign_protocol::{
    Timestamp,
    digest::Sha256Digest,
    dsse::{Envelope, Payload, canonical},
    statement::{Approval, EnrolmentStatement, LoginStatement},
    task::ServerTask,
};

use crate::{
    sealed::seal,
    targets::helper::{approve_task, server_task},
};

static KEY: LazyLock<EcSecretKey> =
    LazyLock::new(|| EcSecretKey::from_bytes(Curve::Secp256r1, &[11; 32]).expect("a scalar"));

static APPROVAL: LazyLock<Approval> = LazyLock::new(|| {
    let task = approve_task(Fingerprint([5; 32]));
    Approval::new(
        &task.terms,
        Sha256Digest::of(b"certificate"),
        b"challenge",
        Fingerprint([3; 32]),
        KEY.public_key().fingerprint(),
        Timestamp::UNIX_EPOCH,
    )
});

static TASK: LazyLock<ServerTask> = LazyLock::new(server_task);

/// Only what the key signed is accepted, and only as the type that was signed.
pub fn run(data: &[u8]) {
    if let Some((number, payload)) = data.split_first()
        && let Some(payload_type) = TYPES.get(usize::from(*number))
    {
        return run_signed(payload_type, payload);
    }
    let Ok(envelope) = serde_json::from_slice::<Envelope>(data) else {
        return;
    };
    let key = KEY.public_key();
    accept(&envelope, &key, &*APPROVAL);
    accept(&envelope, &key, &*TASK);
    let _ = envelope.peek::<LoginStatement>();
    let _ = envelope.peek::<EnrolmentStatement>();
    assert!(envelope.verify::<LoginStatement>(&key).is_err());
    assert!(envelope.verify::<EnrolmentStatement>(&key).is_err());
}

/// The key signs any payload as one type.
fn run_signed(payload_type: &str, payload: &[u8]) {
    let envelope = seal(&KEY, payload_type, payload);
    let text = canonical(&envelope);
    let envelope: Envelope = serde_json::from_slice(&text).expect("the writer's own text");
    accept_signed::<Approval>(&envelope);
    accept_signed::<ServerTask>(&envelope);
    accept_signed::<LoginStatement>(&envelope);
    accept_signed::<EnrolmentStatement>(&envelope);
}

/// What is accepted is of the type that was signed, and keeps its meaning when it is written again.
fn accept_signed<P: Payload>(envelope: &Envelope) {
    if let Ok(payload) = envelope.verify::<P>(&KEY.public_key()) {
        assert_eq!(
            envelope.payload_type,
            P::PAYLOAD_TYPE,
            "accepted as another type"
        );
        let written = canonical(&payload);
        let again: P = serde_json::from_slice(&written).expect("the writer's own text");
        assert_eq!(canonical(&again), written);
    }
}

fn accept<P: Payload>(envelope: &Envelope, key: &PublicKey, signed: &P) {
    let _ = envelope.peek::<P>();
    if let Ok(payload) = envelope.verify::<P>(key) {
        assert_eq!(
            canonical(&payload),
            canonical(signed),
            "accepted, but never signed"
        );
    }
}

/// Types of payloads. Inputs that begin with one of their indices are payloads that the key signs; others are envelopes.
const TYPES: [&str; 4] = [
    Approval::PAYLOAD_TYPE,
    ServerTask::PAYLOAD_TYPE,
    LoginStatement::PAYLOAD_TYPE,
    EnrolmentStatement::PAYLOAD_TYPE,
];

pub fn seeds() -> Vec<Vec<u8>> {
    let payloads = [canonical(&*APPROVAL), canonical(&*TASK)];
    let mut seeds = Vec::new();
    for (number, payload_type) in (0_u8..).zip(TYPES) {
        for payload in &payloads {
            seeds.push([&[number], payload.as_slice()].concat());
            seeds.push(canonical(&seal(&KEY, payload_type, payload)));
        }
    }
    seeds
}
