//! Wire formats that other programs, and later versions of this one, depend on.

#![allow(clippy::expect_used, reason = "tests")]

use countersign_protocol::{
    Timestamp,
    activation::{ActivationTerms, HsmName, Pool, Quorum},
    cvc::{Curve, EcSecretKey, Fingerprint},
    digest::Sha256Digest,
    dsse::{Envelope, EnvelopeError, Unsigned, pre_authentication_encoding},
    file_digest::FileDigest,
    helper::{Message, Operation, Request},
    id::{ActivationId, HsmId, OperatorId},
    lease::LeaseLimits,
    manifest::{Manifest, ManifestError, ManifestFile},
    mechanism::{Hash, Mechanism},
    operator::Person,
    problem::{Problem, ProblemCode},
    purpose::{KeyName, KeySet, Purpose, Scope},
    statement::{Approval, LoginStatement},
    text::printable,
};
use proptest::prelude::*;

fn key() -> EcSecretKey {
    EcSecretKey::from_bytes(Curve::BrainpoolP256r1, &[7; 32]).expect("a valid scalar")
}

fn file(name: &str, content: &[u8]) -> ManifestFile {
    ManifestFile {
        name: name.to_owned(),
        digest: Sha256Digest::of(content).into(),
    }
}

fn terms(scope: Scope) -> ActivationTerms {
    ActivationTerms {
        id: ActivationId::new("8K3F-92QD"),
        hsm: HsmName {
            id: HsmId::new("release"),
            device: "ZZSIM00000200001".parse().expect("a device id"),
        },
        pool: None,
        purpose: Purpose::Sign {
            keys: KeySet::one(KeyName {
                label: "firmware".into(),
                fingerprint: key().public_key().fingerprint(),
            }),
            scope,
        },
        requester: Person {
            id: OperatorId::new("1"),
            name: "Doug".into(),
        },
        reason: "Firmware 4.2.1".into(),
        lease: LeaseLimits {
            seconds: 600,
            signatures: 2,
        },
        quorum: Quorum {
            required: 2,
            total: 3,
        },
        requested_at: Timestamp::UNIX_EPOCH,
        expires_at: Timestamp::UNIX_EPOCH,
    }
}

fn login(fingerprint: Fingerprint) -> LoginStatement {
    LoginStatement {
        origin: "https://sign.example.org".into(),
        server_key: fingerprint,
        nonce: "n".into(),
        key: fingerprint,
        at: Timestamp::UNIX_EPOCH,
    }
}

fn sign(unsigned: Unsigned) -> Envelope {
    let signature = key()
        .sign_prehash(unsigned.digest().as_bytes())
        .expect("signs");
    unsigned.seal(&key().public_key().fingerprint(), &signature)
}

#[test]
fn pre_authentication_encoding_is_that_of_the_dsse_specification() {
    // Example of secure-systems-lab/dsse, protocol.md.
    assert_eq!(
        pre_authentication_encoding("http://example.com/HelloWorld", b"hello world"),
        b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    );
}

#[test]
fn a_statement_verifies_with_its_key_only() {
    let statement = login(key().public_key().fingerprint());
    let envelope = sign(Unsigned::new(&statement));
    assert_eq!(
        envelope
            .verify::<LoginStatement>(&key().public_key())
            .expect("verifies"),
        statement
    );

    let other = EcSecretKey::from_bytes(Curve::BrainpoolP256r1, &[8; 32]).expect("a valid scalar");
    assert!(matches!(
        envelope.verify::<LoginStatement>(&other.public_key()),
        Err(EnvelopeError::WrongSignature(_))
    ));
}

#[test]
fn a_statement_of_one_kind_is_never_taken_for_another() {
    let mut envelope = sign(Unsigned::new(&login(key().public_key().fingerprint())));
    assert!(matches!(
        envelope.verify::<Approval>(&key().public_key()),
        Err(EnvelopeError::WrongType { .. })
    ));
    envelope.payload_type = "application/vnd.in-toto+json".into();
    assert!(matches!(
        envelope.verify::<Approval>(&key().public_key()),
        Err(EnvelopeError::WrongSignature(_))
    ));
}

#[test]
fn an_approval_names_every_file_and_ties_the_challenge() {
    let files = Manifest::new(vec![file("a.bin", b"a"), file("b.bin", b"b")]).expect("a manifest");
    let fingerprint = key().public_key().fingerprint();
    let build = |challenge: &[u8]| {
        Approval::new(
            &terms(Scope::Manifest {
                files: files.clone(),
            }),
            Sha256Digest::of(b"device certificate"),
            challenge,
            fingerprint,
            fingerprint,
            Timestamp::UNIX_EPOCH,
        )
    };
    let approval = build(b"12345678");
    let subjects: Vec<_> = approval
        .subject
        .iter()
        .map(|subject| subject.name.as_str())
        .collect();
    assert_eq!(subjects, ["a.bin", "b.bin"]);
    assert_ne!(approval, build(b"87654321"));
    insta::assert_json_snapshot!(approval);
}

#[test]
fn an_open_scope_is_approved_by_the_digest_of_its_terms() {
    let terms = terms(Scope::Open);
    let fingerprint = key().public_key().fingerprint();
    let approval = Approval::new(
        &terms,
        Sha256Digest::of(b"device certificate"),
        b"12345678",
        fingerprint,
        fingerprint,
        Timestamp::UNIX_EPOCH,
    );
    assert_eq!(approval.subject.len(), 1);
    assert_eq!(approval.subject[0].digest, terms.digest().into());
}

#[test]
fn manifests_refuse_what_people_could_misread() {
    let refuse = |files: Vec<ManifestFile>| Manifest::new(files).expect_err("refused");
    assert_eq!(refuse(vec![]), ManifestError::Empty);
    assert!(matches!(
        refuse(vec![file("a", b"1"), file("a", b"2")]),
        ManifestError::DuplicateName(_)
    ));
    for name in ["", " ", "a\nb", "gnp.\u{202E}exe", "a\u{200B}b"] {
        let error = refuse(vec![file(name, b"1")]);
        assert!(
            matches!(error, ManifestError::UnreadableName { .. }),
            "{name:?}"
        );
        assert_eq!(printable(&error.to_string()), error.to_string());
    }
}

#[test]
fn a_manifest_is_checked_when_it_is_read() {
    let read = |file: String| serde_json::from_str::<Manifest>(&format!("[{file}]"));
    let (short, middle, long) = ("11".repeat(32), "11".repeat(48), "11".repeat(64));
    assert!(serde_json::from_str::<Manifest>("[]").is_err());
    for digest in [
        format!(r#""sha256":"{short}""#),
        format!(r#""sha384":"{middle}""#),
        format!(r#""sha512":"{long}""#),
    ] {
        let file = format!(r#"{{"name":"a",{digest}}}"#);
        let manifest = read(file.clone()).expect("a manifest");
        let written = serde_json::to_string(&manifest).expect("writes");
        assert_eq!(written, format!("[{file}]"));
    }
    // One digest, as long as its hash function makes it, and nothing else.
    for wrong in [
        r#"{"name":"a"}"#.to_owned(),
        format!(r#"{{"name":"a","sha384":"{short}"}}"#),
        format!(r#"{{"name":"a","sha1":"{short}"}}"#),
        format!(r#"{{"name":"a","sha256":"{short}","sha384":"{middle}"}}"#),
        format!(r#"{{"name":"a","sha256":"{short}","size":1}}"#),
    ] {
        assert!(read(wrong.clone()).is_err(), "{wrong}");
    }
}

/// What was approved and sealed before there were other hash functions than SHA-256 has the digest that it had.
#[test]
fn the_digest_of_a_manifest_stays() {
    let manifest =
        Manifest::new(vec![file("a.bin", b"a"), file("b.bin", b"b")]).expect("a manifest");
    assert_eq!(
        manifest.digest().to_string(),
        "8bef6bf31695246f5a0e1ed3a45b5a919507d892a1a1612136145e290fbfeca3"
    );
}

/// The statement names the hash function, so that nothing else of the same digits was approved.
#[test]
fn an_approval_names_the_hash_function() {
    let digest = FileDigest::new(Hash::Sha384, &[7; 48]).expect("a digest");
    let files = Manifest::new(vec![ManifestFile {
        name: "a.bin".into(),
        digest: digest.clone(),
    }]);
    let fingerprint = key().public_key().fingerprint();
    let approval = Approval::new(
        &terms(Scope::Manifest {
            files: files.expect("a manifest"),
        }),
        Sha256Digest::of(b"device certificate"),
        b"12345678",
        fingerprint,
        fingerprint,
        Timestamp::UNIX_EPOCH,
    );
    let written = serde_json::to_value(&approval).expect("writes");
    assert_eq!(written["subject"][0]["digest"]["sha384"], digest.hex());
    let read: Approval = serde_json::from_value(written).expect("reads");
    assert_eq!(read, approval);
}

#[test]
fn helper_requests_look_like_this() {
    let request = Request {
        id: 7,
        operation: Operation::Hello { protocol: 1 },
    };
    insta::assert_json_snapshot!(request);
    let read: Request = serde_json::from_str(r#"{"id":1,"op":"list-cards"}"#).expect("reads");
    assert_eq!(read.operation, Operation::ListCards);
    let read: Message = serde_json::from_str(r#"{"type":"cards-changed"}"#).expect("reads");
    assert_eq!(read, Message::CardsChanged);
}

#[test]
fn problems_keep_their_code() {
    let problem = Problem::new(ProblemCode::NotInManifest, "boot.bin is not approved");
    let text = serde_json::to_string(&problem).expect("writes");
    let read: Problem = serde_json::from_str(&text).expect("reads");
    assert_eq!(read.code(), Some(ProblemCode::NotInManifest));
    assert_eq!(read.status, 422);
}

#[test]
fn mechanisms_have_one_name() {
    for mechanism in Mechanism::ALL {
        let json = serde_json::to_string(&mechanism).expect("writes");
        assert_eq!(json, format!("\"{mechanism}\""));
        assert_eq!(
            mechanism.as_str().parse::<Mechanism>().expect("reads"),
            mechanism
        );
    }
}

proptest! {
    #[test]
    fn any_bytes_as_message_are_refused_or_read_but_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = serde_json::from_slice::<Request>(&bytes);
        let _ = serde_json::from_slice::<Envelope>(&bytes);
    }

    #[test]
    fn one_flipped_bit_breaks_the_signature(position in 0usize..1000, bit in 0u8..8) {
        let mut envelope = sign(Unsigned::new(&login(key().public_key().fingerprint())));
        let position = position % envelope.payload.0.len();
        envelope.payload.0[position] ^= 1 << bit;
        prop_assert!(envelope.verify::<LoginStatement>(&key().public_key()).is_err());
    }
}

#[test]
fn a_pool_is_one_request_for_several_hsms() {
    let name = |id: &str, device: &str| HsmName {
        id: HsmId::new(id),
        device: device.parse().expect("a device id"),
    };
    let first = name("release", "ZZSIM00000200001");
    let second = name("second", "ZZSIM00000300001");
    assert!(Pool::new(vec![first.clone()]).is_err());
    assert!(Pool::new(vec![first.clone(), first.clone()]).is_err());
    let mut one = terms(Scope::Open);
    one.pool = Some(Pool::new(vec![first, second.clone()]).expect("a pool"));
    let members = one.members();
    assert_eq!(members[0], (one.id.clone(), &one.hsm));
    assert_eq!(members[1], (one.id.member(1), &second));
    assert_eq!(one.id.member(1).activation(), one.id);

    let mut other = one.clone();
    other.id = one.id.member(1);
    other.hsm = second;
    assert!(one.is_same_request(&other) && one.is_same_request(&one));
    let change = |change: fn(&mut ActivationTerms)| {
        let mut changed = other.clone();
        change(&mut changed);
        changed
    };
    for changed in [
        change(|terms| terms.lease.signatures += 1),
        change(|terms| terms.reason = "Something else".into()),
        change(|terms| terms.quorum.required = 1),
        change(|terms| terms.pool = None),
        change(|terms| terms.id = ActivationId::new("AAAA-BBBB.2")),
        change(|terms| terms.hsm.device = "ZZSIM00000400001".parse().expect("a device id")),
    ] {
        assert!(!one.is_same_request(&changed), "{changed:?}");
    }
    let mut again = one.clone();
    again.quorum.required = 1;
    assert!(
        !one.is_same_request(&again),
        "the same HSM with another quorum"
    );
}
