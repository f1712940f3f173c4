//! A custodian whose key was revoked counts nowhere, and activations that can no longer be approved end in words.

use countersign_protocol::{
    activation::{ActivationState, Answer, EndReason, NewActivation, NewPurpose},
    id::ActivationId,
    mechanism::Mechanism,
    purpose::NewKeyType,
};
use countersign_server::activation::ActivationError;
use countersign_simulator::Profile;

use crate::world::{World, anything, operator, reason, request_for};

/// Anna revokes the key of one of the people.
async fn revoke(world: &World, player: usize) {
    let anna = &world.people[0].person;
    let id = &world.people[player].person.id;
    let revoked = world.app.people.revoke_key(anna, &operator(anna), id).await;
    revoked.expect("revoked");
}

async fn ask(world: &World, why: &str) -> Result<ActivationId, ActivationError> {
    let new = NewActivation {
        reason: why.into(),
        ..anything()
    };
    Ok(world.request(3, new).await?.0.terms.id)
}

/// Names of the revoked custodians that the HSM's page shows.
async fn shown_as_revoked(world: &World) -> Vec<String> {
    let custodians = world.hsm_view().await.custodians;
    assert_eq!(custodians.len(), 3, "the device still holds three keys");
    let revoked = custodians.into_iter().filter(|custodian| custodian.revoked);
    revoked.map(|custodian| custodian.person.name).collect()
}

#[tokio::test]
async fn a_revoked_custodian_is_shown_as_revoked_and_the_others_go_on() {
    let mut world = World::ready(Profile::VENDOR).await;
    assert!(shown_as_revoked(&world).await.is_empty());
    let before = world.hsm_view().await.warnings.len();
    revoke(&world, 1).await;
    assert_eq!(shown_as_revoked(&world).await, ["Ben"]);
    assert_eq!(
        world.hsm_view().await.warnings.len(),
        before,
        "two of three are enough"
    );
    let id = ask(&world, "two are left").await.expect("two are enough");
    let view = world
        .wait_for(&id, |view| view.state == ActivationState::Collecting)
        .await;
    let revoked: Vec<_> = view
        .custodians
        .iter()
        .filter(|custodian| custodian.revoked)
        .map(|custodian| custodian.person.name.as_str())
        .collect();
    assert_eq!(revoked, ["Ben"]);
    assert!(world.task(1, &id).await.is_err(), "Ben cannot approve");
    world.open(&id).await;
    world
        .sign(&id, "1", &request_for("a", Mechanism::EcdsaSha256))
        .await
        .expect("signed");
    world.app.shutdown().await;
}

#[tokio::test]
async fn a_request_that_too_few_custodians_are_left_for_is_rejected_in_words() {
    let world = World::ready(Profile::VENDOR).await;
    revoke(&world, 1).await;
    // Anna must not approve her own request, and Ben is revoked.
    let purpose = NewPurpose::GenerateKey {
        label: "third".into(),
        key_type: NewKeyType::EcSecp256r1,
    };
    let refused = world.ask(0, purpose, None).await;
    let error = refused.expect_err("only Carla is left");
    assert!(
        matches!(error, ActivationError::TooFewCustodians { .. }),
        "{error:?}"
    );
    assert!(error.to_string().contains("revoked"), "{error}");

    let before = world.hsm_view().await.warnings;
    revoke(&world, 2).await;
    assert_eq!(shown_as_revoked(&world).await, ["Ben", "Carla"]);
    let after = world.hsm_view().await.warnings;
    let new: Vec<_> = after.iter().filter(|text| !before.contains(text)).collect();
    assert_eq!(new.len(), 1, "{after:?}");
    let error = ask(&world, "too late")
        .await
        .expect_err("only Anna is left");
    assert!(
        matches!(error, ActivationError::TooFewCustodians { .. }),
        "{error:?}"
    );
    assert!(error.to_string().contains("2 revoked"), "{error}");
    world.app.shutdown().await;
}

#[tokio::test]
async fn what_waits_for_custodians_who_are_revoked_ends_in_words() {
    let world = World::ready(Profile::VENDOR).await;
    let collecting = ask(&world, "first").await.expect("requested");
    let queued = ask(&world, "second").await.expect("requested");
    world
        .wait_for(&collecting, |view| {
            view.state == ActivationState::Collecting
        })
        .await;
    revoke(&world, 1).await;
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    for id in [&collecting, &queued] {
        assert!(
            !world.view(id).await.state.is_ended(),
            "two of three are enough"
        );
    }
    revoke(&world, 2).await;
    for id in [&collecting, &queued] {
        let view = world.wait_for(id, |view| view.state.is_ended()).await;
        let EndReason::Failed { why } = reason(&view) else {
            panic!("{:?}", view.state)
        };
        assert!(why.contains("2 approvals"), "{why}");
    }
    world.must_be_locked().await;
    world.app.shutdown().await;
}

#[tokio::test]
async fn an_approval_counts_no_more_once_its_custodian_is_revoked() {
    for profile in [Profile::VENDOR, Profile::PICO] {
        let mut world = World::ready(profile).await;
        let id = ask(&world, "approved by Ben").await.expect("requested");
        world.authenticate(1, &id).await;
        // Carla signs the challenge of the round in which Ben still counted.
        let task = world.task(2, &id).await.expect("a task");
        let evidence = world.people[2].approve(&task);
        revoke(&world, 1).await;
        let view = world
            .wait_for(&id, |view| {
                view.state == ActivationState::Collecting && view.authenticated == 0
            })
            .await;
        assert!(
            view.custodians
                .iter()
                .all(|custodian| !matches!(custodian.answer, Answer::Authenticated { .. })),
            "{:?}",
            view.custodians
        );
        world
            .wait_for_hsm(|view| view.pka.is_some_and(|pka| pka.authenticated == 0))
            .await;
        let custodian = world.people[2].custodian();
        let _ = world
            .app
            .activations
            .approve(&view.terms, &custodian, evidence)
            .await;
        assert!(!world.hsm.is_open());
        let view = world.view(&id).await;
        assert_eq!(view.state, ActivationState::Collecting);
        if view.authenticated == 0 {
            world.authenticate(2, &id).await;
        }
        let (_, view) = world.authenticate(0, &id).await;
        assert!(
            matches!(view.state, ActivationState::Open { .. }),
            "{:?}",
            view.state
        );
        world.app.shutdown().await;
    }
}
