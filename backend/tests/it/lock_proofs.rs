//! An HSM is reported as locked only after it has proven it.

use countersign_protocol::{
    activation::EndReason, audit::AuditEvent, hsm::HsmState, mechanism::Mechanism,
    purpose::NewKeyType,
};
use countersign_server::activation::LockRequest;
use countersign_simulator::Profile;

use crate::world::{World, operator, reason, request_for};

const RSA: Mechanism = Mechanism::RsaPkcs1Sha256;

/// An HSM whose first key is an RSA key.
async fn with_rsa_first(profile: Profile) -> World {
    let mut world = World::with_people(profile).await;
    world.set_up().await;
    world.generate("rsa", NewKeyType::Rsa2048).await;
    world.generate("ec", NewKeyType::EcSecp256r1).await;
    world
}

/// All proofs since the quorum was set up.
async fn proofs(world: &World) -> Vec<String> {
    let audit = world.audit().await.into_iter();
    audit
        .skip_while(|event| !matches!(event, AuditEvent::HsmInitialised { .. }))
        .filter_map(|event| match event {
            AuditEvent::HsmLocked { proof, .. } => Some(proof),
            _ => None,
        })
        .collect()
}

/// Opens the HSM, signs, locks it, and returns the proof from the audit log.
async fn lock_an_open_hsm(world: &mut World) -> String {
    let id = world.ask_for_anything("rsa", 600, 10).await;
    world.open(&id).await;
    world
        .sign(&id, "1", &request_for("a", RSA))
        .await
        .expect("signed");
    assert!(world.hsm.is_open());
    let terms = world.view(&id).await.terms;
    let person = world.people[1].person.clone();
    let request = LockRequest {
        actor: operator(&person),
        person,
        is_admin: false,
    };
    let locked = world.app.activations.lock(&terms, request).await;
    locked.expect("locked");
    assert!(
        !world.hsm.is_open(),
        "reported as locked: {:?}",
        proofs(world).await
    );
    let view = world.view(&id).await;
    assert!(matches!(reason(&view), EndReason::Locked { .. }));
    world.must_be_locked().await;
    proofs(world).await.pop().expect("a proof")
}

#[tokio::test]
async fn an_hsm_that_swallows_the_logout_is_reset_before_it_is_reported_as_locked() {
    for profile in [Profile::VENDOR, Profile::PICO] {
        let mut world = with_rsa_first(Profile {
            wrong_key_type_sw: 0x6400,
            swallows_logout: true,
            ..profile
        })
        .await;
        let proof = lock_an_open_hsm(&mut world).await;
        assert!(proof.starts_with("after a reset"), "{proof}");
        // A lease that ends by its time is proven in the same way.
        let id = world.ask_for_anything("rsa", 1, 10).await;
        world.open(&id).await;
        world.wait_for(&id, |view| view.state.is_ended()).await;
        assert!(!world.hsm.is_open());
        for proof in proofs(&world).await {
            assert!(proof.contains("6982"), "{proof}");
        }
        world.app.shutdown().await;
    }
}

#[tokio::test]
async fn an_hsm_that_checks_the_kind_of_the_key_first_can_be_locked() {
    let mut world = with_rsa_first(Profile {
        checks_key_type_first: true,
        ..Profile::VENDOR
    })
    .await;
    let proof = lock_an_open_hsm(&mut world).await;
    assert!(proof.contains("6982"), "{proof}");
    assert!(!proof.contains("reset"), "{proof}");
    assert_eq!(world.hsm_view().await.state, HsmState::Locked);
    world.app.shutdown().await;
}
