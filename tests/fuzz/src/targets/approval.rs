//! DSSE envelopes with approvals, log-ins, enrolments and tasks.

use std::sync::LazyLock;

use countersign_cvc::{Curve, EcSecretKey, Fingerprint, PublicKey};
use countersign_protocol::{
    Timestamp,
    digest::Sha256Digest,
    dsse::{Envelope, Payload, Unsigned, canonical},
    statement::{Approval, EnrolmentStatement, LoginStatement},
    task::ServerTask,
};

use crate::targets::helper::{approve_task, server_task};

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

/// Only what the key signed is accepted.
pub fn run(data: &[u8]) {
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

fn seal<P: Payload>(payload: &P) -> Vec<u8> {
    let unsigned = Unsigned::new(payload);
    let signature = KEY
        .sign_prehash(unsigned.digest().as_bytes())
        .expect("a signature");
    canonical(&unsigned.seal(&KEY.public_key().fingerprint(), &signature))
}

pub fn seeds() -> Vec<Vec<u8>> {
    vec![seal(&*APPROVAL), seal(&*TASK)]
}
