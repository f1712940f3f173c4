//! Activations with several keys, salts of RSA-PSS, raw RSA, and certificates.

use std::time::Duration;

use countersign_protocol::{
    activation::{ActivationState, Join, NewActivation, NewPurpose},
    audit::AuditEvent,
    cvc::Fingerprint,
    event::Event,
    hsm::KeySettings,
    id::ActivationId,
    lease::LeaseLimits,
    mechanism::Mechanism,
    purpose::{Purpose, Scope},
    signature::SignRequest,
};
use countersign_server::{
    activation::{ActivationError, LockRequest},
    keys::KeyError,
    mandate::Mandate,
    signing::SigningError,
    views::Who,
};
use countersign_simulator::Profile;

use crate::{
    pki,
    test_server::{self, DOUG, TestServer, files, operator, request_for},
};

const LIMITS: LeaseLimits = LeaseLimits {
    seconds: 600,
    signatures: 50,
};

fn anything(keys: &[&str]) -> NewPurpose {
    NewPurpose::Sign {
        keys: keys.iter().map(|key| (*key).to_owned()).collect(),
        scope: Scope::Open,
    }
}

async fn request(
    test: &TestServer,
    purpose: NewPurpose,
    reason: &str,
    join: Join,
) -> Result<(countersign_protocol::activation::ActivationView, bool), ActivationError> {
    let new = NewActivation {
        purpose,
        reason: reason.into(),
        lease: Some(LIMITS),
        join,
        ..test_server::anything()
    };
    test.request_activation(DOUG, new).await
}

#[tokio::test]
async fn one_activation_opens_several_keys_and_no_others() {
    let mut test = TestServer::ready(Profile::VENDOR).await;
    let twice = request(&test, anything(&["ec", "ec"]), "x", Join::SamePurpose).await;
    assert!(
        matches!(twice, Err(ActivationError::Invalid(_))),
        "{twice:?}"
    );
    let none = request(&test, anything(&[]), "x", Join::SamePurpose).await;
    assert!(matches!(none, Err(ActivationError::Invalid(_))), "{none:?}");

    let (view, _) = request(&test, anything(&["rsa", "ec"]), "both", Join::SamePurpose)
        .await
        .expect("requested");
    let id = view.id();
    test.open(&id).await;
    let view = test.hsm_view().await;
    let fingerprint = |label: &str| {
        let key = view.keys.iter().find(|key| key.label == label);
        key.expect("the key").fingerprint
    };
    let unnamed = test
        .sign(&id, "1", &request_for("a", Mechanism::EcdsaSha256))
        .await;
    assert!(
        matches!(unnamed, Err(SigningError::Invalid(_))),
        "{unnamed:?}"
    );
    for (label, mechanism) in [
        ("ec", Mechanism::EcdsaSha256),
        ("rsa", Mechanism::RsaPkcs1Sha256),
    ] {
        let request = SignRequest {
            key: Some(fingerprint(label)),
            ..request_for("a", mechanism)
        };
        let made = test.sign(&id, label, &request).await.expect("signed");
        assert_eq!(made.key, fingerprint(label));
    }
    test.shutdown().await;
    let mut single = TestServer::ready(Profile::VENDOR).await;
    let id = single.request_any_content("ec", 600, 5).await;
    single.open(&id).await;
    let view = single.hsm_view().await;
    let rsa = view
        .keys
        .iter()
        .find(|key| key.label == "rsa")
        .expect("rsa");
    let request = SignRequest {
        key: Some(rsa.fingerprint),
        ..request_for("a", Mechanism::RsaPkcs1Sha256)
    };
    let other = single.sign(&id, "1", &request).await;
    assert!(matches!(other, Err(SigningError::Invalid(_))), "{other:?}");
    single.server.shutdown().await;
}

#[tokio::test]
async fn a_request_with_a_misleading_file_name_is_rejected() {
    let test = TestServer::ready(Profile::VENDOR).await;
    let mut listed = files(&["a"]).files().to_vec();
    listed[0].name = "gnp.\u{202E}exe".into();
    let purpose = NewPurpose::Sign {
        keys: vec!["ec".into()],
        scope: Scope::Manifest {
            // Only reading accepts such a name.
            files: listed.try_into().expect("the list is read"),
        },
    };
    let rejected = request(&test, purpose, "x", Join::SamePurpose).await;
    assert!(
        matches!(&rejected, Err(ActivationError::Invalid(why)) if why.contains("U+202E")),
        "{rejected:?}"
    );
    test.shutdown().await;
}

#[tokio::test]
async fn programs_of_a_build_join_an_activation_with_their_keys_and_reason() {
    let mut test = TestServer::ready(Profile::VENDOR).await;
    let manifest = NewPurpose::Sign {
        keys: vec!["ec".into(), "rsa".into()],
        scope: Scope::Manifest {
            files: files(&["a"]),
        },
    };
    let (first, new) = request(&test, manifest, "build", Join::SamePurpose)
        .await
        .expect("requested");
    assert!(new);
    // A request for fewer keys joins the activation of the build.
    let (joined, new) = request(&test, anything(&["ec"]), "build", Join::SameKeys)
        .await
        .expect("requested");
    assert!(!new && joined.id() == first.id());
    let (other, new) = request(&test, anything(&["ec"]), "build", Join::SamePurpose)
        .await
        .expect("requested");
    assert!(new && other.id() != first.id());
    let (another, new) = request(&test, anything(&["ec"]), "another", Join::SameKeys)
        .await
        .expect("requested");
    assert!(new, "joined {} for another reason", another.id());
    // An open activation is preferred to a waiting one.
    test.open(&first.id()).await;
    let (joined, _) = request(&test, anything(&["ec"]), "build", Join::SameKeys)
        .await
        .expect("requested");
    assert!(matches!(joined.state, ActivationState::Open { .. }));
    assert_eq!(joined.id(), first.id());
    test.shutdown().await;
}

#[tokio::test]
async fn every_salt_length_that_fits_is_accepted() {
    let mut test = TestServer::ready(Profile::VENDOR).await;
    let id = test.request_any_content("rsa", 600, 50).await;
    test.open(&id).await;
    let keys = test.hsm_view().await.keys;
    let key = &keys
        .iter()
        .find(|key| key.label == "rsa")
        .expect("rsa")
        .public_key;
    let longest = u16::try_from(key.bits() / 8 - 32 - 2).expect("small");
    for (number, salt) in [Some(0), Some(20), Some(32), Some(33), Some(longest), None]
        .into_iter()
        .enumerate()
    {
        let request = SignRequest {
            salt_length: salt,
            ..request_for("a", Mechanism::RsaPssSha256)
        };
        let made = test
            .sign(&id, &number.to_string(), &request)
            .await
            .unwrap_or_else(|error| panic!("{salt:?}: {error}"));
        assert_eq!(made.salt_length, salt);
        request
            .verify(key, made.signature.as_bytes())
            .expect("verifies with this salt");
        if salt.is_some_and(|salt| salt != 32) {
            assert!(
                request_for("a", Mechanism::RsaPssSha256)
                    .verify(key, made.signature.as_bytes())
                    .is_err(),
                "a salt of {salt:?} is taken for the usual one"
            );
        }
    }
    for (mechanism, salt) in [
        (Mechanism::RsaPssSha256, longest + 1),
        (Mechanism::RsaPssSha256, u16::MAX),
        (Mechanism::RsaPkcs1Sha256, 32),
    ] {
        let request = SignRequest {
            salt_length: Some(salt),
            ..request_for("a", mechanism)
        };
        let rejected = test
            .sign(&id, &format!("{mechanism} {salt}"), &request)
            .await;
        assert!(
            matches!(rejected, Err(SigningError::Invalid(_))),
            "{rejected:?}"
        );
    }
    test.shutdown().await;
}

#[tokio::test]
async fn a_change_of_key_settings_is_announced() {
    let test = TestServer::ready(Profile::VENDOR).await;
    let mut keys = test.hsm_view().await.keys.into_iter();
    let rsa = keys.find(|key| key.label == "rsa").expect("rsa");
    let mut events = test
        .server
        .announcements
        .subscribe(Who::Person(test.anna().person.id.clone()))
        .expect("a place");
    allow_raw_rsa(&test, &rsa.fingerprint)
        .await
        .expect("allowed");
    loop {
        let event = tokio::time::timeout(Duration::from_secs(20), events.next()).await;
        if let Event::Hsm { hsm } = &event.expect("in time").expect("an event").event {
            // Events from before the change may still arrive.
            let mut keys = hsm.keys.iter().filter(|key| key.label == "rsa");
            if keys.any(|key| key.mechanisms.contains(&Mechanism::RsaRaw)) {
                return;
            }
        }
    }
}

/// Anna's card allows raw RSA.
async fn allow_raw_rsa(test: &TestServer, key: &Fingerprint) -> Result<(), KeyError> {
    let mut tx = test.server.store.write().await.expect("a transaction");
    let mandate = Mandate::assumed(&test.anna().person);
    let keys = &test.server.keys;
    keys.allow_raw_rsa(&mut tx, &mandate, key).await?;
    tx.commit().await.expect("stored");
    Ok(())
}

async fn lock(test: &TestServer, id: &ActivationId) {
    let terms = test.view(id).await.terms;
    let lock = LockRequest {
        person: test.doug().person.clone(),
        actor: operator(&test.doug().person),
        is_admin: false,
    };
    let locked = test.server.activations.lock(&terms, lock).await;
    locked.expect("locked");
}

#[tokio::test]
async fn raw_rsa_needs_an_admins_permission_and_never_works_under_a_manifest() {
    let mut test = TestServer::ready(Profile::VENDOR).await;
    let keys = test.hsm_view().await.keys;
    let rsa = keys
        .iter()
        .find(|key| key.label == "rsa")
        .expect("rsa")
        .clone();
    let ec = keys
        .iter()
        .find(|key| key.label == "ec")
        .expect("ec")
        .clone();
    let admin = operator(&test.anna().person);
    let mut block = vec![0x5A; rsa.public_key.bits() / 8];
    block[0] = 0;
    let request = SignRequest::new(Mechanism::RsaRaw, block);

    let id = test.request_any_content("rsa", 600, 50).await;
    test.open(&id).await;
    let rejected = test.sign(&id, "1", &request).await;
    assert!(
        matches!(rejected, Err(SigningError::Mechanism(_))),
        "{rejected:?}"
    );
    allow_raw_rsa(&test, &rsa.fingerprint)
        .await
        .expect("allowed");
    // The custodians did not approve that.
    let rejected = test.sign(&id, "2", &request).await;
    assert!(
        matches!(rejected, Err(SigningError::Mechanism(_))),
        "{rejected:?}"
    );
    // A new request does not join the old one.
    let again = test.request_any_content("rsa", 600, 50).await;
    assert_ne!(again, id);
    lock(&test, &id).await;
    let id = again;
    test.open(&id).await;
    assert_eq!(test.view(&id).await.terms.raw_rsa, [rsa.fingerprint]);
    let made = test.sign(&id, "2", &request).await.expect("signed");
    request
        .verify(&rsa.public_key, made.signature.as_bytes())
        .expect("verifies");
    let short = SignRequest::new(Mechanism::RsaRaw, vec![0; 32]);
    let rejected = test.sign(&id, "3", &short).await;
    assert!(
        matches!(rejected, Err(SigningError::Invalid(_))),
        "{rejected:?}"
    );
    let wrong_key = allow_raw_rsa(&test, &ec.fingerprint).await;
    assert!(
        matches!(wrong_key, Err(KeyError::RawRsaOnEcKey)),
        "{wrong_key:?}"
    );
    test.wait_for_audit(|event| {
        matches!(event, AuditEvent::KeySettingsChanged { settings, .. } if settings.raw_rsa)
    })
    .await;
    // A later change of the setting changes nothing in the lease.
    let forbidden = KeySettings { raw_rsa: false };
    test.server
        .keys
        .put_settings(&admin, &rsa.fingerprint, forbidden)
        .await
        .expect("forbidden");
    test.sign(&id, "4", &request).await.expect("signed");
    allow_raw_rsa(&test, &rsa.fingerprint)
        .await
        .expect("allowed");
    lock(&test, &id).await;

    let id = test.request_signatures("rsa", &["a"]).await;
    test.open(&id).await;
    let rejected = test.sign(&id, "1", &request).await;
    assert!(
        matches!(rejected, Err(SigningError::Mechanism(_))),
        "{rejected:?}"
    );
    test.shutdown().await;
}

#[tokio::test]
async fn a_certificate_must_match_its_key_and_come_from_an_allowed_person() {
    let test = TestServer::ready(Profile::VENDOR).await;
    let keys = test.hsm_view().await.keys;
    let ec = keys
        .iter()
        .find(|key| key.label == "ec")
        .expect("ec")
        .clone();
    let rsa = keys
        .iter()
        .find(|key| key.label == "rsa")
        .expect("rsa")
        .clone();
    let actor = operator(&test.doug().person);
    let put = async |admin, key: &_, der| {
        test.server
            .keys
            .put_certificate(&actor, admin, key, der)
            .await
    };
    let garbage = put(true, &ec.fingerprint, b"garbage".to_vec()).await;
    assert!(
        matches!(garbage, Err(KeyError::Certificate(_))),
        "{garbage:?}"
    );
    let issued = pki::certificate_by_another(&ec.public_key);
    let other = put(true, &rsa.fingerprint, issued.clone()).await;
    assert!(matches!(other, Err(KeyError::Certificate(_))), "{other:?}");
    let no_admin = put(false, &ec.fingerprint, issued.clone()).await;
    assert!(
        matches!(no_admin, Err(KeyError::NotSelfSigned)),
        "{no_admin:?}"
    );
    put(true, &ec.fingerprint, issued.clone())
        .await
        .expect("an admin may");
    let view = test.hsm_view().await;
    let shown = view.keys.iter().find(|key| key.label == "ec").expect("ec");
    assert_eq!(
        shown.certificate.as_ref().expect("kept").der.as_bytes(),
        issued
    );
    test.server
        .keys
        .remove_certificate(&actor, &ec.fingerprint)
        .await
        .expect("removed");
    let view = test.hsm_view().await;
    assert!(view.keys.iter().all(|key| key.certificate.is_none()));
    let events = test.audit().await;
    assert!(
        events
            .iter()
            .any(|event| matches!(event, AuditEvent::CertificateStored { .. }))
    );
    assert!(
        events
            .iter()
            .any(|event| matches!(event, AuditEvent::CertificateRemoved { .. }))
    );
    // A purpose without keys cannot be parsed.
    assert!(
        serde_json::from_str::<Purpose>(r#"{"type":"sign","keys":[],"scope":{"type":"open"}}"#)
            .is_err()
    );
    test.shutdown().await;
}
