//! A label names one key of an HSM.

use countersign_protocol::{
    activation::{ActivationState, EndReason, NewPurpose},
    audit::AuditEvent,
    id::ActivationId,
    mechanism::Mechanism,
    purpose::NewKeyType,
};
use countersign_server::activation::ActivationError;
use countersign_simulator::Profile;

use crate::world::{World, reason, request_for};

const LABEL: &str = "firmware";

async fn ask_for_a_key(
    world: &World,
    key_type: NewKeyType,
) -> Result<ActivationId, ActivationError> {
    let purpose = NewPurpose::GenerateKey {
        label: LABEL.into(),
        key_type,
    };
    Ok(world.ask(0, purpose, None).await?.terms.id)
}

/// Ben and Carla approve; returns how the activation ends.
async fn approved(world: &mut World, id: &ActivationId) -> EndReason {
    world.authenticate(1, id).await;
    world.authenticate(2, id).await;
    reason(&world.wait_for(id, |view| view.state.is_ended()).await)
}

#[tokio::test]
async fn of_two_requests_for_one_label_one_makes_a_key_and_the_other_says_why_not() {
    let mut world = World::ready(Profile::VENDOR).await;
    let first = ask_for_a_key(&world, NewKeyType::EcSecp256r1)
        .await
        .expect("requested");
    let second = ask_for_a_key(&world, NewKeyType::EcBrainpoolP256r1)
        .await
        .expect("no key has the label yet");
    assert_ne!(first, second);
    assert_eq!(world.view(&second).await.state, ActivationState::Queued);
    assert_eq!(approved(&mut world, &first).await, EndReason::Completed);
    let EndReason::Failed { why } = approved(&mut world, &second).await else {
        panic!("{:?}", world.view(&second).await.state)
    };
    assert!(why.contains(LABEL), "{why}");
    world.must_be_locked().await;

    let keys = world.hsm_view().await.keys;
    let named = keys.iter().filter(|key| key.label == LABEL);
    assert_eq!(named.count(), 1, "{keys:?}");
    let generated = world.audit().await;
    let generated = generated
        .iter()
        .filter(|event| matches!(event, AuditEvent::KeyGenerated { label, .. } if label == LABEL));
    assert_eq!(generated.count(), 1);
    assert!(
        ask_for_a_key(&world, NewKeyType::EcSecp384r1)
            .await
            .is_err(),
        "the label is taken"
    );
    // Builds can still name the key by its label.
    let id = world.ask_for_files(LABEL, &["a"]).await;
    world.open(&id).await;
    world
        .sign(&id, "1", &request_for("a", Mechanism::EcdsaSha256))
        .await
        .expect("signed");
    world.app.shutdown().await;
}
