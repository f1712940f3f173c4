//! A label identifies one key of an HSM.

use countersign_protocol::{
    activation::{ActivationState, EndReason, NewPurpose},
    audit::AuditEvent,
    id::ActivationId,
    mechanism::Mechanism,
    purpose::NewKeyType,
};
use countersign_server::activation::ActivationError;
use countersign_simulator::Profile;

use crate::test_server::{ANNA, BEN, CARLA, TestServer, reason, request_for};

const LABEL: &str = "firmware";

async fn request_key(
    test: &TestServer,
    key_type: NewKeyType,
) -> Result<ActivationId, ActivationError> {
    let purpose = NewPurpose::GenerateKey {
        label: LABEL.into(),
        key_type,
    };
    Ok(test.request(ANNA, purpose, None).await?.id())
}

/// Ben and Carla approve; returns how the activation ends.
async fn approved(test: &mut TestServer, id: &ActivationId) -> EndReason {
    test.approve(BEN, id).await;
    test.approve(CARLA, id).await;
    reason(&test.wait_for(id, |view| view.state.is_ended()).await)
}

#[tokio::test]
async fn of_two_requests_for_one_label_only_the_first_generates_a_key() {
    let mut test = TestServer::ready(Profile::VENDOR).await;
    let first = request_key(&test, NewKeyType::EcSecp256r1)
        .await
        .expect("requested");
    let second = request_key(&test, NewKeyType::EcBrainpoolP256r1)
        .await
        .expect("no key has the label yet");
    assert_ne!(first, second);
    assert_eq!(test.view(&second).await.state, ActivationState::Queued);
    assert_eq!(approved(&mut test, &first).await, EndReason::Completed);
    let EndReason::Failed { why } = approved(&mut test, &second).await else {
        panic!("{:?}", test.view(&second).await.state)
    };
    assert!(why.contains(LABEL), "{why}");
    test.assert_locked().await;

    let keys = test.hsm_view().await.keys;
    let named = keys.iter().filter(|key| key.label == LABEL);
    assert_eq!(named.count(), 1, "{keys:?}");
    let generated = test.audit().await;
    let generated = generated
        .iter()
        .filter(|event| matches!(event, AuditEvent::KeyGenerated { label, .. } if label == LABEL));
    assert_eq!(generated.count(), 1);
    assert!(
        request_key(&test, NewKeyType::EcSecp384r1).await.is_err(),
        "the label is taken"
    );
    // Builds can still name the key by its label.
    let id = test.request_signatures(LABEL, &["a"]).await;
    test.open(&id).await;
    test.sign(&id, "1", &request_for("a", Mechanism::EcdsaSha256))
        .await
        .expect("signed");
    test.shutdown().await;
}
