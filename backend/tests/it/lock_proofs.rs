//! An HSM is reported as locked only after the server has verified it.

use countersign_protocol::{
    activation::EndReason, audit::AuditEvent, hsm::HsmState, mechanism::Mechanism,
    purpose::NewKeyType,
};
use countersign_server::activation::LockRequest;
use countersign_simulator::Profile;

use crate::test_server::{TestServer, operator, reason, request_for};

const RSA: Mechanism = Mechanism::RsaPkcs1Sha256;

/// An HSM whose first key is an RSA key.
async fn with_rsa_first(profile: Profile) -> TestServer {
    let mut test = TestServer::with_people(profile).await;
    test.set_up().await;
    test.generate("rsa", NewKeyType::Rsa2048).await;
    test.generate("ec", NewKeyType::EcSecp256r1).await;
    test
}

/// All proofs since the quorum was set up.
async fn proofs(test: &TestServer) -> Vec<String> {
    let audit = test.audit().await.into_iter();
    audit
        .skip_while(|event| !matches!(event, AuditEvent::HsmInitialised { .. }))
        .filter_map(|event| match event {
            AuditEvent::HsmLocked { proof, .. } => Some(proof),
            _ => None,
        })
        .collect()
}

/// Opens the HSM, signs, locks it, and returns the proof from the audit log.
async fn lock_an_open_hsm(test: &mut TestServer) -> String {
    let id = test.request_any_content("rsa", 600, 10).await;
    test.open(&id).await;
    test.sign(&id, "1", &request_for("a", RSA))
        .await
        .expect("signed");
    assert!(test.hsm.is_open());
    let terms = test.view(&id).await.terms;
    let person = test.ben().person.clone();
    let request = LockRequest {
        actor: operator(&person),
        person,
        is_admin: false,
    };
    let locked = test.server.activations.lock(&terms, request).await;
    locked.expect("locked");
    assert!(
        !test.hsm.is_open(),
        "reported as locked: {:?}",
        proofs(test).await
    );
    let view = test.view(&id).await;
    assert!(matches!(reason(&view), EndReason::Locked { .. }));
    test.assert_locked().await;
    proofs(test).await.pop().expect("a proof")
}

#[tokio::test]
async fn an_hsm_that_swallows_the_logout_is_reset_before_it_is_reported_as_locked() {
    for profile in [Profile::VENDOR, Profile::PICO] {
        let mut test = with_rsa_first(Profile {
            wrong_key_type_sw: 0x6400,
            swallows_logout: true,
            ..profile
        })
        .await;
        let proof = lock_an_open_hsm(&mut test).await;
        assert!(proof.starts_with("after a reset"), "{proof}");
        // The lock after a lease that ends at its time limit is verified in the same way.
        let id = test.request_any_content("rsa", 1, 10).await;
        test.open(&id).await;
        test.wait_for(&id, |view| view.state.is_ended()).await;
        assert!(!test.hsm.is_open());
        for proof in proofs(&test).await {
            assert!(proof.contains("6982"), "{proof}");
        }
        test.shutdown().await;
    }
}

#[tokio::test]
async fn an_hsm_that_checks_the_kind_of_the_key_first_can_be_locked() {
    let mut test = with_rsa_first(Profile {
        checks_key_type_first: true,
        ..Profile::VENDOR
    })
    .await;
    let proof = lock_an_open_hsm(&mut test).await;
    assert!(proof.contains("6982"), "{proof}");
    assert!(!proof.contains("reset"), "{proof}");
    assert_eq!(test.hsm_view().await.state, HsmState::Locked);
    test.shutdown().await;
}
