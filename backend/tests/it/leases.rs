//! How activations open and end, and what each role may do with them.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use countersign_protocol::{
    Timestamp,
    activation::{ActivationState, EndReason, NewActivation, NewPurpose},
    audit::AuditEvent,
    lease::LeaseLimits,
    mechanism::Mechanism,
    purpose::Scope,
};
use countersign_server::{
    activation::{ActivationError, LockRequest},
    clock::Clock,
    signing::SigningError,
};
use countersign_simulator::{Fault, Profile};

use crate::{
    person::{approve_task, new_card},
    test_server::{
        ANNA, BEN, DOUG, TestServer, anything, config, files, hsm_id, operator, reason,
        request_for, start_at,
    },
};

const EC: Mechanism = Mechanism::EcdsaSha256;

fn lock_request(test: &TestServer, index: usize, is_admin: bool) -> LockRequest {
    let person = test.people[index].person.clone();
    LockRequest {
        actor: operator(&person),
        person,
        is_admin,
    }
}

#[tokio::test]
async fn one_approval_does_not_open_an_hsm_that_needs_two() {
    let mut test = TestServer::ready(Profile::VENDOR).await;
    let id = test.request_signatures("ec", &["a"]).await;
    let (_, view) = test.approve(ANNA, &id).await;
    assert_eq!(view.approvals, 1);
    let rejected = test.sign(&id, "1", &request_for("a", EC)).await;
    assert!(
        matches!(rejected, Err(SigningError::NotOpen(_))),
        "{rejected:?}"
    );
    test.shutdown().await;
}

#[tokio::test]
async fn lock_now_ends_a_lease_and_verifies_the_lock() {
    let mut test = TestServer::ready(Profile::VENDOR).await;
    let id = test.request_any_content("ec", 600, 10).await;
    test.open(&id).await;
    test.sign(&id, "1", &request_for("a", EC))
        .await
        .expect("signed");
    let terms = test.view(&id).await.terms;
    // Ben is a custodian, but has not approved this activation.
    test.server
        .activations
        .lock(&terms, lock_request(&test, BEN, false))
        .await
        .expect("locked");
    let view = test.view(&id).await;
    assert!(matches!(reason(&view), EndReason::Locked { by } if by.name == "Ben"));
    test.assert_locked().await;
    let rejected = test.sign(&id, "2", &request_for("b", EC)).await;
    assert!(
        matches!(rejected, Err(SigningError::Ended(_))),
        "{rejected:?}"
    );
    let audit = test.audit().await;
    let [.., locked, ended] = audit.as_slice() else {
        panic!("an empty log")
    };
    assert!(matches!(locked, AuditEvent::HsmLocked { .. }), "{locked:?}");
    assert!(
        matches!(ended, AuditEvent::ActivationEnded { signatures: 1, .. }),
        "{ended:?}"
    );
    test.shutdown().await;
}

#[tokio::test]
async fn an_auditor_cannot_lock_a_lease_and_does_not_disturb_it() {
    let mut test = TestServer::ready(Profile::VENDOR).await;
    let link = test
        .invite("Eve", countersign_protocol::operator::Role::Auditor)
        .await;
    test.enrol(&link, "EVE001").await;
    let id = test.request_any_content("ec", 600, 10).await;
    test.open(&id).await;
    let terms = test.view(&id).await.terms;
    let rejected = test
        .server
        .activations
        .lock(&terms, lock_request(&test, 4, false))
        .await;
    assert!(
        matches!(rejected, Err(ActivationError::CannotLock)),
        "{rejected:?}"
    );
    test.sign(&id, "1", &request_for("a", EC))
        .await
        .expect("the lease is still open");
    test.shutdown().await;
}

#[tokio::test]
async fn a_lease_ends_at_its_time_limit_without_any_request() {
    let mut test = TestServer::ready(Profile::VENDOR).await;
    let id = test.request_any_content("ec", 1, 10).await;
    test.open(&id).await;
    let view = test.wait_for(&id, |view| view.state.is_ended()).await;
    assert_eq!(reason(&view), EndReason::LeaseExpired);
    test.assert_locked().await;
    let rejected = test.sign(&id, "1", &request_for("a", EC)).await;
    assert!(
        matches!(rejected, Err(SigningError::Ended(EndReason::LeaseExpired))),
        "{rejected:?}"
    );
    test.shutdown().await;
}

#[tokio::test]
async fn a_lease_ends_at_its_signature_limit() {
    let mut test = TestServer::ready(Profile::VENDOR).await;
    let id = test.request_any_content("ec", 600, 2).await;
    test.open(&id).await;
    for key in ["1", "2"] {
        test.sign(&id, key, &request_for(key, EC))
            .await
            .expect("signed");
    }
    let rejected = test.sign(&id, "3", &request_for("3", EC)).await;
    assert!(
        matches!(
            rejected,
            Err(SigningError::Ended(EndReason::SignatureLimitReached))
        ),
        "{rejected:?}"
    );
    let view = test.wait_for(&id, |view| view.state.is_ended()).await;
    assert_eq!(reason(&view), EndReason::SignatureLimitReached);
    test.assert_locked().await;
    test.shutdown().await;
}

#[tokio::test]
async fn requesters_cannot_approve_their_own_request() {
    let test = TestServer::ready(Profile::VENDOR).await;
    let purpose = NewPurpose::GenerateKey {
        label: "third".into(),
        key_type: countersign_protocol::purpose::NewKeyType::EcSecp256r1,
    };
    let id = test
        .request(ANNA, purpose, None)
        .await
        .expect("requested")
        .id();
    test.wait_for(&id, |view| view.state == ActivationState::AwaitingApprovals)
        .await;
    let rejected = test.task(ANNA, &id).await;
    assert!(
        matches!(rejected, Err(ActivationError::OwnRequest)),
        "{rejected:?}"
    );
    test.shutdown().await;
}

#[tokio::test]
async fn an_activation_ends_when_too_many_custodians_decline() {
    let test = TestServer::ready(Profile::VENDOR).await;
    let id = test.request_signatures("ec", &["a"]).await;
    test.wait_for(&id, |view| view.state == ActivationState::AwaitingApprovals)
        .await;
    let decline = async |index: usize| {
        let custodian = test.people[index].custodian();
        let why = "not before Monday".to_owned();
        test.server
            .activations
            .coordinators()
            .decline(&hsm_id(), id.member(0), custodian, why)
            .await
            .expect("declined");
        test.view(&id).await
    };
    let view = decline(ANNA).await;
    assert_eq!(view.state, ActivationState::AwaitingApprovals);
    let view = decline(BEN).await;
    assert_eq!(reason(&view), EndReason::Declined);
    test.shutdown().await;
}

#[tokio::test]
async fn an_equal_request_joins_and_a_different_one_is_queued() {
    let mut test = TestServer::ready(Profile::VENDOR).await;
    let first = test.request_signatures("ec", &["a"]).await;
    assert_eq!(test.request_signatures("ec", &["a"]).await, first);
    let second = test.request_signatures("rsa", &["a"]).await;
    assert_ne!(first, second);
    test.wait_for(&first, |view| {
        view.state == ActivationState::AwaitingApprovals
    })
    .await;
    assert_eq!(test.view(&second).await.state, ActivationState::Queued);
    test.open(&first).await;
    test.sign(&first, "1", &request_for("a", EC))
        .await
        .expect("signed");
    test.wait_for(&second, |view| {
        view.state == ActivationState::AwaitingApprovals
    })
    .await;
    test.open(&second).await;
    test.shutdown().await;
}

#[tokio::test]
async fn limits_and_key_names_are_checked_before_custodians_see_a_request() {
    let test = TestServer::ready(Profile::VENDOR).await;
    let sign = |key: &str, scope: Scope| NewPurpose::Sign {
        keys: vec![key.into()],
        scope,
    };
    let manifest = || Scope::Manifest {
        files: files(&["a"]),
    };
    let unlimited = test.request(DOUG, sign("ec", Scope::Open), None).await;
    assert!(unlimited.is_err());
    let unknown = test.request(DOUG, sign("nothing", manifest()), None).await;
    assert!(
        matches!(unknown, Err(ActivationError::Hsm(_))),
        "{unknown:?}"
    );
    let huge = LeaseLimits {
        seconds: u32::MAX,
        signatures: 1,
    };
    let rejected = test.request(DOUG, sign("ec", manifest()), Some(huge)).await;
    assert!(
        matches!(rejected, Err(ActivationError::Invalid(_))),
        "{rejected:?}"
    );
    let not_a_requester = test.request(ANNA, sign("ec", manifest()), None).await;
    assert!(matches!(
        not_a_requester,
        Err(ActivationError::NotARequester)
    ));
    assert!(!test.audit().await.iter().any(
        |event| matches!(event, AuditEvent::ActivationRequested { reason, .. } if reason == "nothing")
    ));
    test.shutdown().await;
}

#[tokio::test]
async fn an_activation_without_enough_approvals_expires() {
    let test = TestServer::ready(Profile::VENDOR).await;
    let new = NewActivation {
        approval_seconds: Some(1),
        ..anything()
    };
    let (view, _) = test.request_activation(DOUG, new).await.expect("requested");
    let view = test
        .wait_for(&view.id(), |view| view.state.is_ended())
        .await;
    assert_eq!(reason(&view), EndReason::Expired);
    test.shutdown().await;
}

/// Custodians never saw the request, so it did not expire for lack of approvals.
#[tokio::test]
async fn an_activation_that_expires_in_the_queue_says_so() {
    let mut test = TestServer::ready(Profile::VENDOR).await;
    let open = test.request_any_content("ec", 600, 10).await;
    test.open(&open).await;
    let behind = NewActivation {
        reason: "behind".into(),
        approval_seconds: Some(1),
        ..anything()
    };
    let (view, _) = test
        .request_activation(DOUG, behind)
        .await
        .expect("requested");
    assert_eq!(view.state, ActivationState::Queued);
    let view = test
        .wait_for(&view.id(), |view| view.state.is_ended())
        .await;
    assert_eq!(reason(&view), EndReason::ExpiredInQueue);
    assert!(test.audit().await.iter().any(
        |event| matches!(event, AuditEvent::ActivationEnded { activation, reason: EndReason::ExpiredInQueue, .. } if *activation == view.terms.id)
    ));
    test.shutdown().await;
}

#[tokio::test]
async fn approvals_of_something_else_are_rejected_before_the_card_is_used() {
    let mut test = TestServer::ready(Profile::VENDOR).await;
    let id = test.request_signatures("ec", &["a"]).await;
    test.wait_for(&id, |view| view.state == ActivationState::AwaitingApprovals)
        .await;
    let task = test.task(ANNA, &id).await.expect("a task");
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
    test.hsm.reset_counts();
    for other in others {
        let mut signed = test.anna_mut().approve_as(&server, &other);
        if other.challenge != approve.challenge {
            signed.challenge = approve.challenge.clone();
        }
        let custodian = test.anna().custodian();
        let rejected = test
            .server
            .activations
            .coordinators()
            .approve(&hsm_id(), id.member(0), custodian, signed)
            .await;
        assert!(
            matches!(rejected, Err(ActivationError::Rejected(_))),
            "{rejected:?}"
        );
    }
    // A valid statement with an invalid response to the challenge.
    let mut signed = test.anna_mut().approve_as(&server, &approve);
    signed.response.0[5] ^= 1;
    let custodian = test.anna().custodian();
    let rejected = test
        .server
        .activations
        .coordinators()
        .approve(&hsm_id(), id.member(0), custodian, signed)
        .await;
    assert!(
        matches!(rejected, Err(ActivationError::Rejected(_))),
        "{rejected:?}"
    );
    assert_eq!(
        test.hsm.apdu_counts().by_instruction.get(&0x82),
        None,
        "the card was used"
    );
    // Another custodian's approval, submitted in one's own name.
    let signed = test.ben_mut().approve_as(&server, &approve);
    let custodian = test.anna().custodian();
    let rejected = test
        .server
        .activations
        .coordinators()
        .approve(&hsm_id(), id.member(0), custodian, signed)
        .await;
    assert!(
        matches!(rejected, Err(ActivationError::Rejected(_))),
        "{rejected:?}"
    );
    test.shutdown().await;
}

/// A server whose wall clock the test moves by seconds.
async fn with_moving_clock() -> (TestServer, Arc<AtomicI64>) {
    let folder = tempfile::tempdir().expect("a folder");
    let hsm = new_card("TARGET", Profile::VENDOR, None);
    let moved = Arc::new(AtomicI64::new(0));
    let clock = Clock::new({
        let moved = moved.clone();
        move || {
            let now = Timestamp::now().as_second() + moved.load(Ordering::SeqCst);
            Timestamp::from_second(now).expect("a time")
        }
    });
    let server = start_at(config(folder.path(), true), &hsm, clock).await;
    let mut test = TestServer::of(server, hsm, folder).await;
    test.make_ready().await;
    (test, moved)
}

/// A machine that was suspended, or whose clock was set forward, must not sign after the time that people were shown.
#[tokio::test]
async fn a_lease_ends_when_the_wall_clock_passes_its_end() {
    let (mut test, moved) = with_moving_clock().await;
    let id = test.request_any_content("ec", 600, 10).await;
    test.open(&id).await;
    let request = request_for("a", Mechanism::EcdsaSha256);
    test.sign(&id, "1", &request).await.expect("signed");
    moved.store(601, Ordering::SeqCst);
    let refused = test.sign(&id, "2", &request).await;
    assert!(
        matches!(refused, Err(SigningError::Ended(EndReason::LeaseExpired))),
        "{refused:?}"
    );
    test.assert_locked().await;

    // Nobody has to ask for it.
    moved.store(0, Ordering::SeqCst);
    let id = test.request_any_content("ec", 600, 10).await;
    test.open(&id).await;
    moved.store(601, Ordering::SeqCst);
    let view = test.wait_for(&id, |view| view.state.is_ended()).await;
    assert_eq!(reason(&view), EndReason::LeaseExpired);
    test.assert_locked().await;
    test.shutdown().await;
}

#[tokio::test]
async fn setting_the_clock_back_extends_nothing() {
    let (mut test, moved) = with_moving_clock().await;
    let id = test.request_any_content("ec", 2, 10).await;
    test.open(&id).await;
    moved.store(-3600, Ordering::SeqCst);
    let view = test.wait_for(&id, |view| view.state.is_ended()).await;
    assert_eq!(reason(&view), EndReason::LeaseExpired);
    test.assert_locked().await;
    test.shutdown().await;
}

/// The HSM counts a response, and the server does not learn it.
#[tokio::test]
async fn an_approval_that_only_the_hsm_knows_does_not_stay_counted() {
    const EXTERNAL_AUTHENTICATE: u8 = 0x82;
    // Without a secure channel, the connection survives the fault.
    let mut test = TestServer::ready(Profile {
        secure_messaging: false,
        ..Profile::VENDOR
    })
    .await;
    let id = test.request_any_content("ec", 600, 10).await;
    test.wait_for(&id, |view| view.state == ActivationState::AwaitingApprovals)
        .await;
    let task = test.task(ANNA, &id).await.expect("a task");
    let signed = test.people[ANNA].approve(&task);
    let custodian = test.people[ANNA].custodian();
    let terms = test.view(&id).await.terms;
    test.hsm
        .inject_after(EXTERNAL_AUTHENTICATE, Fault::CardError);
    let lost = test.server.activations.approve(&terms, &custodian, signed);
    assert!(lost.await.is_err());
    test.wait_for_audit(|event| matches!(event, AuditEvent::HsmLost { .. }))
        .await;
    test.wait_for_hsm(|view| view.pka.is_some_and(|pka| pka.authenticated == 0))
        .await;
    assert!(!test.hsm.is_open());
    // Everybody approves again.
    test.open(&id).await;
    test.shutdown().await;
}
