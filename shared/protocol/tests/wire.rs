//! The wire formats on which other programs and later versions depend.

#![allow(clippy::expect_used, reason = "tests")]

use countersign_protocol::{
    Timestamp,
    activation::{ActivationTerms, EndReason, HsmName, Pool, Quorum},
    cvc::{Curve, EcSecretKey, EcSignature, Fingerprint},
    digest::Sha256Digest,
    dsse::{Envelope, EnvelopeError, Unsigned, pre_authentication_encoding},
    file_digest::FileDigest,
    helper::{Message, Operation, Request},
    id::{ActivationId, HsmId, MemberId, OperatorId},
    lease::LeaseLimits,
    manifest::{Manifest, ManifestError, ManifestFile},
    mechanism::{Hash, Mechanism},
    operator::Person,
    problem::{Problem, ProblemCode},
    purpose::{KeyName, KeySet, NewKeyType, Purpose, Scope},
    statement::{Approval, ApprovedPurpose, LoginStatement},
    text::{capitalised, printable},
};
use proptest::prelude::*;

fn key() -> EcSecretKey {
    EcSecretKey::from_bytes(Curve::BrainpoolP256r1, &[7; 32]).expect("the scalar is valid")
}

fn file(name: &str, content: &[u8]) -> ManifestFile {
    ManifestFile {
        name: name.to_owned(),
        digest: Sha256Digest::of(content).into(),
    }
}

fn terms(scope: Scope) -> ActivationTerms {
    ActivationTerms {
        id: MemberId::new("8K3F-92QD"),
        hsm: HsmName {
            id: HsmId::new("release"),
            device: "ZZSIM00000200001".parse().expect("the device id is valid"),
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
        raw_rsa: Vec::new(),
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
        .expect("signing succeeds");
    unsigned.seal(&key().public_key().fingerprint(), &signature)
}

#[test]
fn the_pre_authentication_encoding_follows_the_dsse_specification() {
    // The example in protocol.md of secure-systems-lab/dsse.
    assert_eq!(
        pre_authentication_encoding("http://example.com/HelloWorld", b"hello world"),
        b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    );
}

#[test]
fn a_statement_verifies_only_with_its_own_key() {
    let statement = login(key().public_key().fingerprint());
    let envelope = sign(Unsigned::new(&statement));
    assert_eq!(
        envelope
            .verify::<LoginStatement>(&key().public_key())
            .expect("the signature verifies"),
        statement
    );

    let other =
        EcSecretKey::from_bytes(Curve::BrainpoolP256r1, &[8; 32]).expect("the scalar is valid");
    assert!(matches!(
        envelope.verify::<LoginStatement>(&other.public_key()),
        Err(EnvelopeError::WrongSignature(_))
    ));
}

#[test]
fn a_statement_is_rejected_as_a_statement_of_another_type() {
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
fn an_approval_names_every_file_and_depends_on_the_challenge() {
    let files = Manifest::new(vec![file("a.bin", b"a"), file("b.bin", b"b")])
        .expect("the manifest is valid");
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
fn an_approval_of_any_content_names_the_digest_of_the_terms() {
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
fn file_names_that_people_could_misread_are_rejected() {
    let reject = |files: Vec<ManifestFile>| Manifest::new(files).expect_err("is rejected");
    assert_eq!(reject(vec![]), ManifestError::Empty);
    assert!(matches!(
        reject(vec![file("a", b"1"), file("a", b"2")]),
        ManifestError::DuplicateName(_)
    ));
    for name in ["", " ", "a\nb", "gnp.\u{202E}exe", "a\u{200B}b"] {
        let error = reject(vec![file(name, b"1")]);
        assert!(
            matches!(error, ManifestError::UnreadableName { .. }),
            "{name:?}"
        );
        assert_eq!(printable(&error.to_string()), error.to_string());
    }
}

#[test]
fn a_manifest_is_checked_when_it_is_deserialised() {
    let read = |file: String| serde_json::from_str::<Manifest>(&format!("[{file}]"));
    let (sha256, sha384, sha512) = ("11".repeat(32), "11".repeat(48), "11".repeat(64));
    assert!(serde_json::from_str::<Manifest>("[]").is_err());
    for digest in [
        format!(r#""sha256":"{sha256}""#),
        format!(r#""sha384":"{sha384}""#),
        format!(r#""sha512":"{sha512}""#),
    ] {
        let file = format!(r#"{{"name":"a",{digest}}}"#);
        let manifest = read(file.clone()).expect("the manifest is valid");
        let written = serde_json::to_string(&manifest).expect("serialisation succeeds");
        assert_eq!(written, format!("[{file}]"));
    }
    // A file has exactly one digest, with the length of its hash function, and no other members.
    for wrong in [
        r#"{"name":"a"}"#.to_owned(),
        format!(r#"{{"name":"a","sha384":"{sha256}"}}"#),
        format!(r#"{{"name":"a","sha1":"{sha256}"}}"#),
        format!(r#"{{"name":"a","sha256":"{sha256}","sha384":"{sha384}"}}"#),
        format!(r#"{{"name":"a","sha256":"{sha256}","size":1}}"#),
    ] {
        assert!(read(wrong.clone()).is_err(), "{wrong}");
    }
}

/// Manifests that were approved before SHA-384 and SHA-512 were supported keep their digests.
#[test]
fn the_digest_of_a_manifest_of_sha256_digests_is_stable() {
    let manifest = Manifest::new(vec![file("a.bin", b"a"), file("b.bin", b"b")])
        .expect("the manifest is valid");
    assert_eq!(
        manifest.digest().to_string(),
        "8bef6bf31695246f5a0e1ed3a45b5a919507d892a1a1612136145e290fbfeca3"
    );
}

/// Because the statement names the hash function, it does not approve the same bytes as a digest of another function.
#[test]
fn an_approval_names_the_hash_function() {
    let digest = FileDigest::new(Hash::Sha384, &[7; 48]).expect("the digest is valid");
    let files = Manifest::new(vec![ManifestFile {
        name: "a.bin".into(),
        digest: digest.clone(),
    }]);
    let fingerprint = key().public_key().fingerprint();
    let approval = Approval::new(
        &terms(Scope::Manifest {
            files: files.expect("the manifest is valid"),
        }),
        Sha256Digest::of(b"device certificate"),
        b"12345678",
        fingerprint,
        fingerprint,
        Timestamp::UNIX_EPOCH,
    );
    let written = serde_json::to_value(&approval).expect("serialisation succeeds");
    assert_eq!(written["subject"][0]["digest"]["sha384"], digest.hex());
    let read: Approval = serde_json::from_value(written).expect("deserialisation succeeds");
    assert_eq!(read, approval);
}

#[test]
fn helper_messages_have_a_stable_json_format() {
    let request = Request {
        id: 7,
        operation: Operation::Hello { protocol: 1 },
    };
    insta::assert_json_snapshot!(request);
    let read: Request =
        serde_json::from_str(r#"{"id":1,"op":"list-cards"}"#).expect("deserialisation succeeds");
    assert_eq!(read.operation, Operation::ListCards);
    let read: Message =
        serde_json::from_str(r#"{"type":"cards-changed"}"#).expect("deserialisation succeeds");
    assert_eq!(read, Message::CardsChanged);
}

#[test]
fn the_code_of_a_problem_survives_json() {
    let problem = Problem::new(
        ProblemCode::NotInManifest,
        "boot.bin is not in the approved manifest",
    );
    let text = serde_json::to_string(&problem).expect("serialisation succeeds");
    let read: Problem = serde_json::from_str(&text).expect("deserialisation succeeds");
    assert_eq!(read.code(), Some(ProblemCode::NotInManifest));
    assert_eq!(read.status, 422);
}

#[test]
fn a_mechanism_has_the_same_name_in_json_and_as_text() {
    for mechanism in Mechanism::ALL {
        let json = serde_json::to_string(&mechanism).expect("serialisation succeeds");
        assert_eq!(json, format!("\"{mechanism}\""));
        assert_eq!(
            mechanism
                .as_str()
                .parse::<Mechanism>()
                .expect("deserialisation succeeds"),
            mechanism
        );
    }
}

proptest! {
    #[test]
    fn reading_arbitrary_bytes_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = serde_json::from_slice::<Request>(&bytes);
        let _ = serde_json::from_slice::<Envelope>(&bytes);
    }

    #[test]
    fn one_flipped_bit_invalidates_the_signature(position in 0usize..1000, bit in 0u8..8) {
        let mut envelope = sign(Unsigned::new(&login(key().public_key().fingerprint())));
        let position = position % envelope.payload.0.len();
        envelope.payload.0[position] ^= 1 << bit;
        prop_assert!(envelope.verify::<LoginStatement>(&key().public_key()).is_err());
    }
}

#[test]
fn the_members_of_a_pool_are_terms_of_one_request() {
    let name = |id: &str, device: &str| HsmName {
        id: HsmId::new(id),
        device: device.parse().expect("the device id is valid"),
    };
    let first = name("release", "ZZSIM00000200001");
    let second = name("second", "ZZSIM00000300001");
    assert!(Pool::new(vec![first.clone()]).is_err());
    assert!(Pool::new(vec![first.clone(), first.clone()]).is_err());
    let mut one = terms(Scope::Open);
    one.pool = Some(Pool::new(vec![first, second.clone()]).expect("the pool is valid"));
    let members = one.members();
    assert_eq!(members[0], (one.id.clone(), &one.hsm));
    assert_eq!(members[1], (one.id.activation().member(1), &second));
    assert_eq!(one.id.activation(), ActivationId::new("8K3F-92QD"));
    assert_eq!(
        one.id.activation().member(1).activation(),
        one.id.activation()
    );

    let mut other = one.clone();
    other.id = one.id.activation().member(1);
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
        change(|terms| terms.id = MemberId::new("AAAA-BBBB.2")),
        change(|terms| {
            terms.hsm.device = "ZZSIM00000400001".parse().expect("the device id is valid")
        }),
    ] {
        assert!(!one.is_same_request(&changed), "{changed:?}");
    }
    let mut again = one.clone();
    again.quorum.required = 1;
    assert!(
        !one.is_same_request(&again),
        "the quorum of the same HSM differs"
    );
}

#[test]
fn every_end_of_an_activation_has_a_sentence_of_its_own() {
    let by = Person {
        id: OperatorId::new("1"),
        name: "Doug".into(),
    };
    let why = || "the reader was unplugged".to_owned();
    for (reason, sentence) in [
        (EndReason::Completed, "Completed."),
        (EndReason::LeaseExpired, "The lease expired."),
        (
            EndReason::SignatureLimitReached,
            "The lease reached its signature limit.",
        ),
        (EndReason::Locked { by: by.clone() }, "Locked by Doug."),
        (
            EndReason::Cancelled { by },
            "Cancelled by Doug before it opened.",
        ),
        (
            EndReason::Declined,
            "Declined, because too few custodians are left to reach the quorum.",
        ),
        (
            EndReason::Expired,
            "Expired before enough custodians approved.",
        ),
        (
            EndReason::ExpiredInQueue,
            "Expired while queued, because the HSM was in use or disconnected.",
        ),
        (
            EndReason::Abandoned { seconds: 390 },
            "Abandoned, because the program that waited had not contacted the server for 6 min 30 s.",
        ),
        (
            EndReason::HsmLost { why: why() },
            "The HSM was lost: the reader was unplugged.",
        ),
        (
            EndReason::Failed { why: why() },
            "Failed: the reader was unplugged.",
        ),
        (
            EndReason::HsmRemoved { why: why() },
            "The HSM was removed from the server: the reader was unplugged.",
        ),
        (
            EndReason::AccessRevoked { why: why() },
            "Access was revoked: the reader was unplugged.",
        ),
        (
            EndReason::ServerRestarted,
            "The server was restarted, which ends every lease.",
        ),
    ] {
        assert_eq!(format!("{}.", capitalised(&reason.to_string())), sentence);
    }
}

#[test]
fn purposes_are_put_into_words() {
    let quoted = |label: &str, _: Option<&Fingerprint>| format!("\"{label}\"");
    let files = Manifest::new(vec![file("a.bin", b"a")]).expect("the manifest is valid");
    let listed = terms(Scope::Manifest { files }).purpose;
    assert_eq!(listed.in_words(quoted), "sign 1 file with key \"firmware\"");
    assert_eq!(
        ApprovedPurpose::of(&listed).in_words(quoted),
        "sign listed files with key \"firmware\""
    );
    let keys = [("boot", 1), ("firmware", 2)].map(|(label, byte)| KeyName {
        label: label.into(),
        fingerprint: Fingerprint([byte; 32]),
    });
    let keys = KeySet::new(keys.into()).expect("the keys are valid");
    assert_eq!(keys.in_words(quoted), "keys \"boot\" and \"firmware\"");
    let any = terms(Scope::Open).purpose;
    assert_eq!(
        any.in_words(quoted),
        "sign any content with key \"firmware\""
    );
    assert_eq!(
        ApprovedPurpose::of(&any).in_words(quoted),
        any.in_words(quoted)
    );
    let generate = Purpose::GenerateKey {
        label: "release".into(),
        key_type: NewKeyType::Rsa3072,
    };
    assert_eq!(
        generate.in_words(quoted),
        "generate key \"release\" (RSA 3072)"
    );
    assert_eq!(
        ApprovedPurpose::of(&generate).in_words(quoted),
        generate.in_words(quoted)
    );
}

#[test]
fn a_signed_envelope_has_one_form_only() {
    let statement = login(key().public_key().fingerprint());
    let good = sign(Unsigned::new(&statement));
    assert!(good.verify::<LoginStatement>(&key().public_key()).is_ok());
    let curve = key().public_key().curve().expect("an EC key");
    let signature =
        EcSignature::from_der(good.signatures[0].sig.as_bytes(), curve).expect("a signature");
    let (r, s) = {
        let plain = signature.to_plain();
        (plain[..32].to_vec(), plain[32..].to_vec())
    };
    // n - s is as valid as s.
    let order = hex::decode("a9fb57dba1eea9bc3e660a909d838d718c397aa3b561a6f7901e0e82974856a7")
        .expect("hexadecimal digits");
    let mut other = vec![0; 32];
    let mut borrow = 0_i16;
    for at in (0..32).rev() {
        let digit = i16::from(order[at]) - i16::from(s[at]) - borrow;
        borrow = i16::from(digit < 0);
        other[at] = u8::try_from(digit.rem_euclid(256)).expect("a byte");
    }
    let high = EcSignature::from_plain(&[r.clone(), other].concat(), curve).expect("in range");
    let integer = |number: &[u8]| [&[0x02, 34, 0, 0], number].concat();
    let (r, s) = (integer(&r), integer(&s));
    let length = u8::try_from(r.len() + s.len()).expect("short");
    let long = [vec![0x30, length], r, s].concat();
    let mut changed = Vec::new();
    for sig in [high.to_der(), long] {
        let mut envelope = good.clone();
        envelope.signatures[0].sig.0 = sig;
        changed.push(envelope);
    }
    for keyid in [
        String::new(),
        "00".repeat(32),
        good.signatures[0].keyid.to_uppercase(),
    ] {
        let mut envelope = good.clone();
        envelope.signatures[0].keyid = keyid;
        changed.push(envelope);
    }
    for envelope in changed {
        assert!(
            matches!(
                envelope.verify::<LoginStatement>(&key().public_key()),
                Err(EnvelopeError::NotCanonical(_))
            ),
            "{envelope:?}"
        );
    }
}
