//! A revoked custodian no longer counts, and activations that can no longer be approved end with a reason.

use countersign_protocol::{
    activation::{ActivationState, Decision, EndReason, NewActivation, NewPurpose},
    id::ActivationId,
    mechanism::Mechanism,
    purpose::NewKeyType,
};
use countersign_server::activation::ActivationError;
use countersign_simulator::Profile;

use crate::test_server::{
    ANNA, BEN, CARLA, DOUG, TestServer, anything, hsm_id, operator, reason, request_for,
};

/// Anna revokes the key of one of the people.
async fn revoke(test: &TestServer, index: usize) {
    let anna = &test.anna().person;
    let id = &test.people[index].person.id;
    let revoked = test
        .server
        .people
        .revoke_key(anna, &operator(anna), id)
        .await;
    revoked.expect("revoked");
}

async fn request(test: &TestServer, why: &str) -> Result<ActivationId, ActivationError> {
    let new = NewActivation {
        reason: why.into(),
        ..anything()
    };
    Ok(test.request_activation(DOUG, new).await?.0.id())
}

/// Names of the revoked custodians that the HSM's page shows.
async fn shown_as_revoked(test: &TestServer) -> Vec<String> {
    let custodians = test.hsm_view().await.custodians;
    assert_eq!(custodians.len(), 3, "the device still holds three keys");
    let revoked = custodians.into_iter().filter(|custodian| custodian.revoked);
    revoked.map(|custodian| custodian.person.name).collect()
}

#[tokio::test]
async fn a_revoked_custodian_is_shown_as_revoked_and_the_others_can_approve() {
    let mut test = TestServer::ready(Profile::VENDOR).await;
    assert!(shown_as_revoked(&test).await.is_empty());
    let before = test.hsm_view().await.warnings.len();
    revoke(&test, BEN).await;
    assert_eq!(shown_as_revoked(&test).await, ["Ben"]);
    assert_eq!(
        test.hsm_view().await.warnings.len(),
        before,
        "two of three are enough"
    );
    let id = request(&test, "two are left")
        .await
        .expect("two are enough");
    let view = test
        .wait_for(&id, |view| view.state == ActivationState::AwaitingApprovals)
        .await;
    let revoked: Vec<_> = view
        .custodians
        .iter()
        .filter(|custodian| custodian.revoked)
        .map(|custodian| custodian.person.name.as_str())
        .collect();
    assert_eq!(revoked, ["Ben"]);
    assert!(test.task(BEN, &id).await.is_err(), "Ben cannot approve");
    test.open(&id).await;
    test.sign(&id, "1", &request_for("a", Mechanism::EcdsaSha256))
        .await
        .expect("signed");
    test.shutdown().await;
}

#[tokio::test]
async fn a_request_without_enough_custodians_is_rejected_with_a_reason() {
    let test = TestServer::ready(Profile::VENDOR).await;
    revoke(&test, BEN).await;
    // Anna must not approve her own request, and Ben is revoked.
    let purpose = NewPurpose::GenerateKey {
        label: "third".into(),
        key_type: NewKeyType::EcSecp256r1,
    };
    let rejected = test.request(ANNA, purpose, None).await;
    let error = rejected.expect_err("only Carla is left");
    assert!(
        matches!(error, ActivationError::TooFewCustodians { .. }),
        "{error:?}"
    );
    assert!(error.to_string().contains("revoked"), "{error}");

    let before = test.hsm_view().await.warnings;
    revoke(&test, CARLA).await;
    assert_eq!(shown_as_revoked(&test).await, ["Ben", "Carla"]);
    let after = test.hsm_view().await.warnings;
    let new: Vec<_> = after.iter().filter(|text| !before.contains(text)).collect();
    assert_eq!(new.len(), 1, "{after:?}");
    let error = request(&test, "too late")
        .await
        .expect_err("only Anna is left");
    assert!(
        matches!(error, ActivationError::TooFewCustodians { .. }),
        "{error:?}"
    );
    assert!(error.to_string().contains("2 revoked"), "{error}");
    test.shutdown().await;
}

#[tokio::test]
async fn an_activation_without_enough_custodians_ends_with_a_reason() {
    let test = TestServer::ready(Profile::VENDOR).await;
    let waiting = request(&test, "first").await.expect("requested");
    let queued = request(&test, "second").await.expect("requested");
    test.wait_for(&waiting, |view| {
        view.state == ActivationState::AwaitingApprovals
    })
    .await;
    revoke(&test, BEN).await;
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    for id in [&waiting, &queued] {
        assert!(
            !test.view(id).await.state.is_ended(),
            "two of three are enough"
        );
    }
    revoke(&test, CARLA).await;
    for id in [&waiting, &queued] {
        let view = test.wait_for(id, |view| view.state.is_ended()).await;
        let EndReason::Failed { why } = reason(&view) else {
            panic!("{:?}", view.state)
        };
        assert!(why.contains("2 approvals"), "{why}");
    }
    test.assert_locked().await;
    test.shutdown().await;
}

#[tokio::test]
async fn the_approval_of_a_revoked_custodian_no_longer_counts() {
    for profile in [Profile::VENDOR, Profile::PICO] {
        let mut test = TestServer::ready(profile).await;
        let id = request(&test, "approved by Ben").await.expect("requested");
        test.approve(BEN, &id).await;
        // Carla signs the challenge of the round in which Ben's approval still counted.
        let task = test.task(CARLA, &id).await.expect("a task");
        let signed = test.carla_mut().approve(&task);
        revoke(&test, BEN).await;
        let view = test
            .wait_for(&id, |view| {
                view.state == ActivationState::AwaitingApprovals && view.approvals == 0
            })
            .await;
        assert!(
            view.custodians
                .iter()
                .all(|custodian| !matches!(custodian.decision, Decision::Approved { .. })),
            "{:?}",
            view.custodians
        );
        test.wait_for_hsm(|view| view.pka.is_some_and(|pka| pka.authenticated == 0))
            .await;
        let custodian = test.carla().custodian();
        let _ = test
            .server
            .activations
            .approve(&view.terms, &custodian, signed)
            .await;
        assert!(!test.hsm.is_open());
        let view = test.view(&id).await;
        assert_eq!(view.state, ActivationState::AwaitingApprovals);
        if view.approvals == 0 {
            test.approve(CARLA, &id).await;
        }
        let (_, view) = test.approve(ANNA, &id).await;
        assert!(
            matches!(view.state, ActivationState::Open { .. }),
            "{:?}",
            view.state
        );
        test.shutdown().await;
    }
}

#[tokio::test]
async fn the_next_request_gets_the_hsm_when_a_revoked_custodian_ends_the_first_one() {
    let test = TestServer::ready(Profile::VENDOR).await;
    let first = request(&test, "first").await.expect("requested");
    let second = request(&test, "second").await.expect("requested");
    test.wait_for(&first, |view| {
        view.state == ActivationState::AwaitingApprovals
    })
    .await;
    let who = test.people[BEN].custodian();
    test.server
        .activations
        .coordinators()
        .decline(&hsm_id(), first.member(0), who, "no".into())
        .await
        .expect("declined");
    revoke(&test, CARLA).await;
    let ended = test.wait_for(&first, |view| view.state.is_ended()).await;
    assert!(
        matches!(reason(&ended), EndReason::Failed { .. }),
        "{:?}",
        ended.state
    );
    // The second request is not left until the coordinator wakes by itself, which takes half a minute.
    test.wait_for(&second, |view| {
        view.state == ActivationState::AwaitingApprovals
    })
    .await;
    test.shutdown().await;
}
