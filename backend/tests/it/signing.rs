//! Each signature takes one command, is never made twice, and must have been approved.

use std::{collections::HashSet, time::Duration};

use countersign_protocol::{
    activation::{EndReason, NewPurpose},
    audit::AuditEvent,
    digest::Sha256Digest,
    file_digest::FileDigest,
    manifest::{Manifest, ManifestFile},
    mechanism::{Hash, Mechanism},
    purpose::Scope,
    signature::SignRequest,
};
use countersign_server::{activation::ActivationError, signing::SigningError};
use countersign_simulator::{Fault, Latency, Profile};

use crate::test_server::{DOUG, TestServer, reason, request_for};

const EC: Mechanism = Mechanism::EcdsaSha256;

#[tokio::test]
async fn every_mechanism_gives_a_signature_that_verifies() {
    let mut test = TestServer::ready(Profile::VENDOR).await;
    for key in ["ec", "rsa"] {
        let id = test.request_any_content(key, 600, 10).await;
        test.open(&id).await;
        let public = test
            .hsm_view()
            .await
            .keys
            .into_iter()
            .find(|view| view.label == key)
            .expect("the key");
        for mechanism in Mechanism::ALL {
            let digest: Vec<u8> = (0..mechanism.hash().expect("a hash").digest_len())
                .map(|i| u8::try_from(i).expect("small"))
                .collect();
            let request = SignRequest::new(mechanism, digest.clone());
            let result = test.sign(&id, mechanism.as_str(), &request).await;
            if mechanism.is_for(&public.public_key) {
                let made = result.expect("signed");
                mechanism
                    .verify(&public.public_key, &digest, made.signature.as_bytes())
                    .expect("verifies");
            } else {
                assert!(
                    matches!(result, Err(SigningError::Mechanism(_))),
                    "{result:?}"
                );
            }
        }
        let terms = test.view(&id).await.terms;
        let person = test.anna().person.clone();
        let actor = crate::test_server::operator(&person);
        let lock = countersign_server::activation::LockRequest {
            person,
            actor,
            is_admin: true,
        };
        test.server
            .activations
            .lock(&terms, lock)
            .await
            .expect("locked");
    }
    test.shutdown().await;
}

#[tokio::test]
async fn a_manifest_names_the_hash_function_of_each_digest() {
    let mut test = TestServer::ready(Profile::VENDOR).await;
    let digest = Hash::Sha384.digest(b"a");
    let listed = ManifestFile {
        name: "a.jar".into(),
        digest: FileDigest::new(Hash::Sha384, &digest).expect("a digest"),
    };
    let other = ManifestFile {
        name: "b.bin".into(),
        digest: Sha256Digest::of(b"b").into(),
    };
    let purpose = NewPurpose::Sign {
        keys: vec!["rsa".into()],
        scope: Scope::Manifest {
            files: Manifest::new(vec![listed, other]).expect("a manifest"),
        },
    };
    let view = test.request(DOUG, purpose, None).await.expect("requested");
    let id = view.id();
    test.open(&id).await;
    let unlisted = SignRequest::new(Mechanism::RsaPkcs1Sha384, vec![1; 48]);
    let rejected = test.sign(&id, "1", &unlisted).await;
    assert!(
        matches!(rejected, Err(SigningError::NotInManifest(_))),
        "{rejected:?}"
    );
    let unused = SignRequest::new(Mechanism::RsaPkcs1Sha512, vec![1; 64]);
    let rejected = test.sign(&id, "2", &unused).await;
    let Err(SigningError::Mechanism(why)) = rejected else {
        panic!("{rejected:?}");
    };
    for mechanism in Mechanism::ALL {
        // The error names exactly the mechanisms that the key supports with a hash function of the manifest.
        let is_possible = mechanism.scheme() != countersign_protocol::mechanism::Scheme::Ecdsa
            && mechanism.hash() != Some(Hash::Sha512);
        let (_, named) = why.split_once(": use ").expect("the mechanisms to use");
        assert_eq!(named.contains(mechanism.as_str()), is_possible, "{why}");
    }
    let request = SignRequest::new(Mechanism::RsaPkcs1Sha384, digest);
    let made = test.sign(&id, "3", &request).await.expect("signed");
    assert_eq!(made.name.as_deref(), Some("a.jar"));
    assert!(!test.view(&id).await.state.is_ended());
    let last = request_for("b", Mechanism::RsaPssSha256);
    test.sign(&id, "4", &last).await.expect("signed");
    let view = test.wait_for(&id, |view| view.state.is_ended()).await;
    assert_eq!(reason(&view), EndReason::Completed);
    test.shutdown().await;
}

#[tokio::test]
async fn only_approved_digests_are_signed_and_only_by_mechanisms_that_can_be_checked() {
    let mut test = TestServer::ready(Profile::VENDOR).await;
    let id = test.request_signatures("ec", &["a", "b"]).await;
    test.open(&id).await;
    let outside = test.sign(&id, "1", &request_for("c", EC)).await;
    assert!(
        matches!(outside, Err(SigningError::NotInManifest(_))),
        "{outside:?}"
    );
    let unchecked = SignRequest::new(Mechanism::EcdsaSha384, vec![1; 48]);
    let rejected = test.sign(&id, "2", &unchecked).await;
    assert!(
        matches!(rejected, Err(SigningError::Mechanism(_))),
        "{rejected:?}"
    );
    let short = SignRequest::new(EC, vec![1; 20]);
    assert!(matches!(
        test.sign(&id, "3", &short).await,
        Err(SigningError::Invalid(_))
    ));
    test.sign(&id, "4", &request_for("a", EC))
        .await
        .expect("signed");
    test.shutdown().await;
}

#[tokio::test]
async fn a_retry_returns_the_recorded_signature_even_after_the_end() {
    let mut test = TestServer::ready(Profile::VENDOR).await;
    let id = test.request_signatures("ec", &["a"]).await;
    test.open(&id).await;
    let request = request_for("a", EC);
    let made = test.sign(&id, "key", &request).await.expect("signed");
    test.wait_for(&id, |view| view.state.is_ended()).await;
    assert_eq!(
        test.sign(&id, "key", &request).await.expect("the same"),
        made
    );
    let other = test.sign(&id, "key", &request_for("b", EC)).await;
    assert!(
        matches!(other, Err(SigningError::IdempotencyMismatch)),
        "{other:?}"
    );
    test.restart().await;
    assert_eq!(
        test.sign(&id, "key", &request)
            .await
            .expect("still the same"),
        made
    );
    test.shutdown().await;
}

/// The server sends no other commands to the card while it signs.
#[tokio::test]
async fn a_signature_is_exactly_one_command() {
    let mut test = TestServer::ready(Profile::VENDOR).await;
    let id = test.request_any_content("ec", 600, 100).await;
    test.open(&id).await;
    test.hsm.reset_counts();
    for number in 0..20 {
        test.sign(
            &id,
            &number.to_string(),
            &request_for(&number.to_string(), EC),
        )
        .await
        .expect("signed");
    }
    let counts = test.hsm.apdu_counts();
    assert_eq!((counts.total, counts.sign()), (20, 20));
    test.shutdown().await;
}

#[tokio::test]
async fn concurrent_requests_with_one_idempotency_key_sign_once() {
    let mut test = TestServer::ready(Profile::VENDOR).await;
    let id = test.request_any_content("ec", 600, 100).await;
    test.open(&id).await;
    test.hsm.reset_counts();
    test.hsm.set_latency(Latency {
        sign_ec: Duration::from_millis(100),
        ..Latency::NONE
    });
    let request = request_for("a", EC);
    let (a, b, c) = tokio::join!(
        test.sign(&id, "k", &request),
        test.sign(&id, "k", &request),
        test.sign(&id, "k", &request)
    );
    let made: HashSet<_> = [a, b, c]
        .map(|made| made.expect("signed").signature.0)
        .into();
    assert_eq!(made.len(), 1);
    assert_eq!(test.hsm.apdu_counts().sign(), 1);
    test.shutdown().await;
}

#[tokio::test]
async fn concurrent_requests_cannot_exceed_the_approved_number() {
    let mut test = TestServer::ready(Profile::VENDOR).await;
    let id = test.request_any_content("ec", 600, 5).await;
    test.open(&id).await;
    test.hsm.reset_counts();
    let test = &test;
    let attempts: Vec<_> = (0..20)
        .map(|number| {
            let id = id.clone();
            async move {
                test.sign(
                    &id,
                    &number.to_string(),
                    &request_for(&number.to_string(), EC),
                )
                .await
            }
        })
        .collect();
    let mut made = 0;
    for attempt in join_all(attempts).await {
        match attempt {
            Ok(_) => made += 1,
            Err(SigningError::Ended(_) | SigningError::NotOpen(_)) => {}
            Err(other) => panic!("unexpected: {other}"),
        }
    }
    assert_eq!(made, 5);
    let signed = test
        .audit()
        .await
        .iter()
        .filter(|event| matches!(event, AuditEvent::Signed { .. }))
        .count();
    assert_eq!(signed, 5);
    test.shutdown().await;
}

/// While a card signs, other requests are answered.
#[tokio::test]
async fn a_slow_card_delays_only_its_own_signatures() {
    let mut test = TestServer::ready(Profile::VENDOR).await;
    let id = test.request_any_content("ec", 600, 10).await;
    test.open(&id).await;
    test.hsm.reset_counts();
    test.hsm.set_latency(Latency {
        sign_ec: Duration::from_secs(3),
        ..Latency::NONE
    });
    let request = request_for("a", EC);
    let test = &test;
    let signature = test.sign(&id, "1", &request);
    let others = async {
        // Wait until the signature is reserved and the card works on it.
        while test.hsm.apdu_counts().sign() == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        // Read, write, and request another activation of the same HSM.
        test.audit().await;
        test.invite("Eve", countersign_protocol::operator::Role::Auditor)
            .await;
        test.request_signatures("rsa", &["b"]).await;
        test.view(&id).await
    };
    tokio::pin!(signature);
    tokio::select! {
        made = &mut signature => panic!("the other requests waited for the card: {made:?}"),
        view = others => assert_eq!(view.signatures, 0),
    }
    signature.await.expect("signed");
    test.shutdown().await;
}

/// *Lock now* takes effect before signatures that wait for the card.
#[tokio::test]
async fn lock_now_overtakes_waiting_signatures() {
    let mut test = TestServer::ready(Profile::VENDOR).await;
    let id = test.request_any_content("ec", 600, 100).await;
    test.open(&id).await;
    test.hsm.set_latency(Latency {
        sign_ec: Duration::from_millis(100),
        ..Latency::NONE
    });
    let terms = test.view(&id).await.terms;
    let person = test.ben().person.clone();
    let actor = crate::test_server::operator(&person);
    let request = countersign_server::activation::LockRequest {
        person,
        actor,
        is_admin: false,
    };
    let test = &test;
    let attempts = (0..30).map(|number| {
        let id = id.clone();
        async move {
            test.sign(
                &id,
                &number.to_string(),
                &request_for(&number.to_string(), EC),
            )
            .await
            .is_ok()
        }
    });
    let (made, locked) = tokio::join!(join_all(attempts), async {
        tokio::time::sleep(Duration::from_millis(250)).await;
        test.server.activations.lock(&terms, request).await
    });
    let made = made.into_iter().filter(|made| *made).count();
    assert!((1..30).contains(&made), "{made} signatures");
    locked.expect("locked");
    let view = test.view(&id).await;
    assert_eq!(
        usize::try_from(view.signatures).expect("few"),
        made,
        "the signatures are recorded before the end"
    );
    test.assert_locked().await;
    test.shutdown().await;
}

/// A refused signature does not count. One that the card may have made counts, and is never made again.
#[tokio::test]
async fn a_signature_with_an_unknown_outcome_is_never_repeated() {
    let mut test = TestServer::ready(Profile::VENDOR).await;
    // A mechanism that the key does not support is rejected and does not count.
    let id = test.request_any_content("ec", 600, 1).await;
    test.open(&id).await;
    let too_long = SignRequest::new(Mechanism::RsaPssSha256, vec![0; 32]);
    assert!(matches!(
        test.sign(&id, "0", &too_long).await,
        Err(SigningError::Mechanism(_))
    ));
    // The card signs, but is removed before it responds.
    test.hsm.inject(Fault::RemovedBeforeAnswer);
    let request = request_for("a", EC);
    assert!(test.sign(&id, "1", &request).await.is_err());
    let again = test.sign(&id, "1", &request).await;
    assert!(
        matches!(again, Err(SigningError::UnknownOutcome)),
        "{again:?}"
    );
    let view = test.wait_for(&id, |view| view.state.is_ended()).await;
    assert_eq!(view.signatures, 0);
    test.shutdown().await;
}

async fn join_all<F: Future>(futures: impl IntoIterator<Item = F>) -> Vec<F::Output> {
    let mut pending: Vec<_> = futures
        .into_iter()
        .map(|future| (Box::pin(future), None))
        .collect();
    std::future::poll_fn(|context| {
        let mut ready = true;
        for (future, output) in &mut pending {
            if output.is_none() {
                match future.as_mut().poll(context) {
                    std::task::Poll::Ready(value) => *output = Some(value),
                    std::task::Poll::Pending => ready = false,
                }
            }
        }
        if ready {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
    pending
        .into_iter()
        .filter_map(|(_, output)| output)
        .collect()
}

/// ECDSA would cut off a longer digest, so that its signature were valid for other digests too.
#[tokio::test]
async fn a_hash_that_is_longer_than_the_order_of_the_curve_is_refused() {
    let mut test = TestServer::ready(Profile::VENDOR).await;
    let keys = test.hsm_view().await.keys;
    let ec = keys.iter().find(|key| key.label == "ec").expect("ec");
    assert_eq!(ec.mechanisms, [EC]);
    for digest in [
        FileDigest::new(Hash::Sha384, &[7; 48]),
        FileDigest::new(Hash::Sha512, &[7; 64]),
    ] {
        let file = ManifestFile {
            name: "firmware.bin".into(),
            digest: digest.expect("a digest"),
        };
        let purpose = NewPurpose::Sign {
            keys: vec!["ec".into()],
            scope: Scope::Manifest {
                files: Manifest::new(vec![file]).expect("a manifest"),
            },
        };
        let refused = test.request(DOUG, purpose, None).await;
        assert!(
            matches!(refused, Err(ActivationError::Invalid(_))),
            "{refused:?}"
        );
    }
    let id = test.request_any_content("ec", 600, 5).await;
    test.open(&id).await;
    for (mechanism, length) in [(Mechanism::EcdsaSha384, 48), (Mechanism::EcdsaSha512, 64)] {
        let request = SignRequest::new(mechanism, vec![7; length]);
        let refused = test.sign(&id, &mechanism.to_string(), &request).await;
        assert!(
            matches!(refused, Err(SigningError::Mechanism(_))),
            "{refused:?}"
        );
    }
    assert_eq!(test.view(&id).await.signatures, 0);
    test.shutdown().await;
}
