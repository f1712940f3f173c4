//! How leases begin and end, and who may do what.

use countersign_protocol::{
    activation::{ActivationState, EndReason, NewActivation, NewPurpose},
    audit::AuditEvent,
    lease::LeaseLimits,
    mechanism::Mechanism,
    purpose::Scope,
};
use countersign_server::{
    activation::{ActivationError, LockRequest},
    signing::SigningError,
};
use countersign_simulator::Profile;

use crate::{
    player::approve_task,
    world::{World, anything, files, hsm_id, operator, reason, request_for},
};

const EC: Mechanism = Mechanism::EcdsaSha256;

fn lock_request(world: &World, player: usize, is_admin: bool) -> LockRequest {
    let person = world.people[player].person.clone();
    LockRequest {
        actor: operator(&person),
        person,
        is_admin,
    }
}

#[tokio::test]
async fn one_of_three_is_not_enough() {
    let mut world = World::ready(Profile::VENDOR).await;
    let id = world.ask_for_files("ec", &["a"]).await;
    let (_, view) = world.authenticate(0, &id).await;
    assert_eq!(view.authenticated, 1);
    let refused = world.sign(&id, "1", &request_for("a", EC)).await;
    assert!(
        matches!(refused, Err(SigningError::NotOpen(_))),
        "{refused:?}"
    );
    world.app.shutdown().await;
}

#[tokio::test]
async fn lock_now_ends_a_lease_and_is_proven() {
    let mut world = World::ready(Profile::VENDOR).await;
    let id = world.ask_for_anything("ec", 600, 10).await;
    world.open(&id).await;
    world
        .sign(&id, "1", &request_for("a", EC))
        .await
        .expect("signed");
    let terms = world.view(&id).await.terms;
    // Ben is a custodian, though he has not approved this one.
    world
        .app
        .activations
        .lock(&terms, lock_request(&world, 1, false))
        .await
        .expect("locked");
    let view = world.view(&id).await;
    assert!(matches!(reason(&view), EndReason::Locked { by } if by.name == "Ben"));
    world.must_be_locked().await;
    let refused = world.sign(&id, "2", &request_for("b", EC)).await;
    assert!(
        matches!(refused, Err(SigningError::Ended(_))),
        "{refused:?}"
    );
    let audit = world.audit().await;
    let [.., locked, ended] = audit.as_slice() else {
        panic!("an empty log")
    };
    assert!(matches!(locked, AuditEvent::HsmLocked { .. }), "{locked:?}");
    assert!(
        matches!(ended, AuditEvent::ActivationEnded { signatures: 1, .. }),
        "{ended:?}"
    );
    world.app.shutdown().await;
}

#[tokio::test]
async fn only_those_concerned_lock_and_nobody_else_disturbs() {
    let mut world = World::ready(Profile::VENDOR).await;
    let link = world
        .invite("Eve", countersign_protocol::operator::Role::Auditor)
        .await;
    world.enrol(&link, "EVE001").await;
    let id = world.ask_for_anything("ec", 600, 10).await;
    world.open(&id).await;
    let terms = world.view(&id).await.terms;
    let refused = world
        .app
        .activations
        .lock(&terms, lock_request(&world, 4, false))
        .await;
    assert!(
        matches!(refused, Err(ActivationError::CannotLock)),
        "{refused:?}"
    );
    world
        .sign(&id, "1", &request_for("a", EC))
        .await
        .expect("the lease is still good");
    world.app.shutdown().await;
}

#[tokio::test]
async fn a_lease_ends_by_its_time_without_anybody_asking() {
    let mut world = World::ready(Profile::VENDOR).await;
    let id = world.ask_for_anything("ec", 1, 10).await;
    world.open(&id).await;
    let view = world.wait_for(&id, |view| view.state.is_ended()).await;
    assert_eq!(reason(&view), EndReason::TimeUsed);
    world.must_be_locked().await;
    let refused = world.sign(&id, "1", &request_for("a", EC)).await;
    assert!(
        matches!(refused, Err(SigningError::Ended(EndReason::TimeUsed))),
        "{refused:?}"
    );
    world.app.shutdown().await;
}

#[tokio::test]
async fn a_lease_ends_by_its_count() {
    let mut world = World::ready(Profile::VENDOR).await;
    let id = world.ask_for_anything("ec", 600, 2).await;
    world.open(&id).await;
    for key in ["1", "2"] {
        world
            .sign(&id, key, &request_for(key, EC))
            .await
            .expect("signed");
    }
    let refused = world.sign(&id, "3", &request_for("3", EC)).await;
    assert!(
        matches!(refused, Err(SigningError::Ended(EndReason::CountUsed))),
        "{refused:?}"
    );
    let view = world.wait_for(&id, |view| view.state.is_ended()).await;
    assert_eq!(reason(&view), EndReason::CountUsed);
    world.must_be_locked().await;
    world.app.shutdown().await;
}

#[tokio::test]
async fn nobody_approves_their_own_request() {
    let world = World::ready(Profile::VENDOR).await;
    let purpose = NewPurpose::GenerateKey {
        label: "third".into(),
        key_type: countersign_protocol::purpose::NewKeyType::EcSecp256r1,
    };
    let id = world.ask(0, purpose, None).await.expect("asked").terms.id;
    world
        .wait_for(&id, |view| view.state == ActivationState::Collecting)
        .await;
    let refused = world.task(0, &id).await;
    assert!(
        matches!(refused, Err(ActivationError::OwnRequest)),
        "{refused:?}"
    );
    world.app.shutdown().await;
}

#[tokio::test]
async fn too_many_refusals_end_it() {
    let world = World::ready(Profile::VENDOR).await;
    let id = world.ask_for_files("ec", &["a"]).await;
    world
        .wait_for(&id, |view| view.state == ActivationState::Collecting)
        .await;
    let decline = async |player: usize| {
        let custodian = world.people[player].custodian();
        let why = "not before Monday".to_owned();
        world
            .app
            .activations
            .coordinators()
            .decline(&hsm_id(), id.clone(), custodian, why)
            .await
            .expect("declined");
        world.view(&id).await
    };
    let view = decline(0).await;
    assert_eq!(view.state, ActivationState::Collecting);
    let view = decline(1).await;
    assert_eq!(reason(&view), EndReason::Declined);
    world.app.shutdown().await;
}

#[tokio::test]
async fn the_same_request_joins_and_another_waits_its_turn() {
    let mut world = World::ready(Profile::VENDOR).await;
    let first = world.ask_for_files("ec", &["a"]).await;
    assert_eq!(world.ask_for_files("ec", &["a"]).await, first);
    let second = world.ask_for_files("rsa", &["a"]).await;
    assert_ne!(first, second);
    world
        .wait_for(&first, |view| view.state == ActivationState::Collecting)
        .await;
    assert_eq!(world.view(&second).await.state, ActivationState::Queued);
    world.open(&first).await;
    world
        .sign(&first, "1", &request_for("a", EC))
        .await
        .expect("signed");
    world
        .wait_for(&second, |view| view.state == ActivationState::Collecting)
        .await;
    world.open(&second).await;
    world.app.shutdown().await;
}

#[tokio::test]
async fn limits_and_names_are_checked_before_anybody_is_asked() {
    let world = World::ready(Profile::VENDOR).await;
    let sign = |key: &str, scope: Scope| NewPurpose::Sign {
        keys: vec![key.into()],
        scope,
    };
    let manifest = || Scope::Manifest {
        files: files(&["a"]),
    };
    let unlimited = world.ask(3, sign("ec", Scope::Open), None).await;
    assert!(unlimited.is_err());
    let unknown = world.ask(3, sign("nothing", manifest()), None).await;
    assert!(
        matches!(unknown, Err(ActivationError::Hsm(_))),
        "{unknown:?}"
    );
    let huge = LeaseLimits {
        seconds: u32::MAX,
        signatures: 1,
    };
    let refused = world.ask(3, sign("ec", manifest()), Some(huge)).await;
    assert!(
        matches!(refused, Err(ActivationError::Invalid(_))),
        "{refused:?}"
    );
    let not_a_requester = world.ask(0, sign("ec", manifest()), None).await;
    assert!(matches!(
        not_a_requester,
        Err(ActivationError::NotARequester)
    ));
    assert!(!world.audit().await.iter().any(
        |event| matches!(event, AuditEvent::ActivationRequested { reason, .. } if reason == "nothing")
    ));
    world.app.shutdown().await;
}

#[tokio::test]
async fn an_activation_expires() {
    let world = World::ready(Profile::VENDOR).await;
    let new = NewActivation {
        collect_seconds: Some(1),
        ..anything()
    };
    let (view, _) = world.request(3, new).await.expect("asked");
    let view = world
        .wait_for(&view.terms.id, |view| view.state.is_ended())
        .await;
    assert_eq!(reason(&view), EndReason::Expired);
    world.app.shutdown().await;
}

/// Custodians have not failed to answer what they were not asked.
#[tokio::test]
async fn what_waits_behind_a_lease_until_its_time_is_over_says_so() {
    let mut world = World::ready(Profile::VENDOR).await;
    let open = world.ask_for_anything("ec", 600, 10).await;
    world.open(&open).await;
    let behind = NewActivation {
        reason: "behind".into(),
        collect_seconds: Some(1),
        ..anything()
    };
    let (view, _) = world.request(3, behind).await.expect("asked");
    assert_eq!(view.state, ActivationState::Queued);
    let view = world
        .wait_for(&view.terms.id, |view| view.state.is_ended())
        .await;
    assert_eq!(reason(&view), EndReason::StillQueued);
    assert!(world.audit().await.iter().any(
        |event| matches!(event, AuditEvent::ActivationEnded { activation, reason: EndReason::StillQueued, .. } if *activation == view.terms.id)
    ));
    world.app.shutdown().await;
}

/// The approval counts for what it says, and for nothing else.
#[tokio::test]
async fn approvals_of_something_else_are_refused_before_the_card_sees_them() {
    let mut world = World::ready(Profile::VENDOR).await;
    let id = world.ask_for_files("ec", &["a"]).await;
    world
        .wait_for(&id, |view| view.state == ActivationState::Collecting)
        .await;
    let task = world.task(0, &id).await.expect("a task");
    let (server, approve) = approve_task(&task);
    let mut others = Vec::new();
    let mut other = approve.clone();
    other.terms.reason = "something else".into();
    others.push(other);
    let mut other = approve.clone();
    other.terms.lease.signatures += 1;
    others.push(other);
    let mut other = approve.clone();
    other.challenge.0[0] ^= 1;
    others.push(other);
    world.hsm.reset_counts();
    for other in others {
        let mut evidence = world.people[0].approve_as(&server, &other);
        if other.challenge != approve.challenge {
            evidence.challenge = approve.challenge.clone();
        }
        let custodian = world.people[0].custodian();
        let refused = world
            .app
            .activations
            .coordinators()
            .approve(&hsm_id(), id.clone(), custodian, evidence)
            .await;
        assert!(
            matches!(refused, Err(ActivationError::Rejected(_))),
            "{refused:?}"
        );
    }
    // A right statement with a response to something else.
    let mut evidence = world.people[0].approve_as(&server, &approve);
    evidence.response.0[5] ^= 1;
    let custodian = world.people[0].custodian();
    let refused = world
        .app
        .activations
        .coordinators()
        .approve(&hsm_id(), id.clone(), custodian, evidence)
        .await;
    assert!(
        matches!(refused, Err(ActivationError::Rejected(_))),
        "{refused:?}"
    );
    assert_eq!(
        world.hsm.apdu_counts().by_instruction.get(&0x82),
        None,
        "the card was asked"
    );
    // Somebody else's approval under one's own name.
    let evidence = world.people[1].approve_as(&server, &approve);
    let custodian = world.people[0].custodian();
    let refused = world
        .app
        .activations
        .coordinators()
        .approve(&hsm_id(), id.clone(), custodian, evidence)
        .await;
    assert!(
        matches!(refused, Err(ActivationError::Rejected(_))),
        "{refused:?}"
    );
    world.app.shutdown().await;
}
