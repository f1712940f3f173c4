//! The disk is full for a while during operation.

use std::{
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    time::Duration,
};

use countersign_protocol::{
    activation::{ActivationState, Decision, EndReason},
    audit::AuditEvent,
    id::ActivationId,
    mechanism::Mechanism,
    operator::Role,
    signature::{SignRequest, SignatureView},
};
use countersign_server::{activation::ActivationError, signing::SigningError};
use countersign_simulator::Profile;

use super::{
    disk::Disk,
    health::{Lost, lock_request, nothing_is_half_done},
};
use crate::test_server::{BEN, CARLA, TestServer, reason, request_for};

const EC: Mechanism = Mechanism::EcdsaSha256;
/// How long the disk is full.
const FULL: Duration = Duration::from_secs(1);
/// Time limit for responses that need no storage.
const TIME_LIMIT: Duration = Duration::from_secs(2);
const SIGNERS: usize = 4;

async fn in_time<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(TIME_LIMIT, what)
        .await
        .expect("within the time limit")
}

/// Changes by people and the HSM work again without a restart.
async fn works_again(test: &mut TestServer, lost: Lost) {
    in_time(test.invite("Eve", Role::Requester)).await;
    let id = test.request_signatures("ec", &["afterwards"]).await;
    test.open(&id).await;
    test.sign(&id, "1", &request_for("afterwards", EC))
        .await
        .expect("signed");
    let view = test.wait_for(&id, |view| view.state.is_ended()).await;
    assert_eq!(reason(&view), EndReason::Completed);
    nothing_is_half_done(test, lost).await;
}

/// Signs until `stop` is set, and returns the acknowledged signatures.
async fn keep_signing(
    test: &TestServer,
    id: &ActivationId,
    signer: usize,
    stop: &AtomicBool,
    failed: &AtomicUsize,
) -> Vec<(String, SignRequest, SignatureView)> {
    let mut acknowledged = Vec::new();
    for number in 0.. {
        if stop.load(Ordering::SeqCst) {
            break;
        }
        let key = format!("{signer}-{number}");
        let request = request_for(&key, EC);
        match test.sign(id, &key, &request).await {
            Ok(made) => acknowledged.push((key, request, made)),
            Err(_) => {
                failed.fetch_add(1, Ordering::SeqCst);
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
    }
    acknowledged
}

#[tokio::test(flavor = "multi_thread")]
async fn signing_loses_nothing_that_was_acknowledged_and_goes_on() {
    for disk in Disk::all() {
        let mut test = disk.start_test_server(Profile::VENDOR).await;
        let id = test.request_any_content("ec", 600, 100_000).await;
        test.open(&id).await;
        let (stop, failed) = (AtomicBool::new(false), AtomicUsize::new(0));
        let signer = |number| keep_signing(&test, &id, number, &stop, &failed);
        let trouble = async {
            tokio::time::sleep(Duration::from_millis(300)).await;
            disk.fill(&test).await;
            tokio::time::sleep(FULL).await;
            disk.free(&test).await;
            tokio::time::sleep(Duration::from_millis(300)).await;
            stop.store(true, Ordering::SeqCst);
        };
        let (a, b, c, d, ()) = tokio::join!(signer(0), signer(1), signer(2), signer(3), trouble);
        assert!(
            failed.load(Ordering::SeqCst) >= SIGNERS,
            "the disk was not full"
        );
        assert!(
            matches!(test.view(&id).await.state, ActivationState::Open { .. }),
            "the lease stays open"
        );
        let request = request_for("afterwards", EC);
        in_time(test.sign(&id, "afterwards", &request))
            .await
            .expect("signed");
        for (key, request, made) in [a, b, c, d].into_iter().flatten() {
            let again = test.sign(&id, &key, &request).await.expect("kept");
            assert_eq!(again, made);
        }
        let terms = test.view(&id).await.terms;
        test.server
            .activations
            .lock(&terms, lock_request(&test))
            .await
            .expect("locked");
        works_again(&mut test, Lost::Some).await;
        test.shutdown().await;
    }
}

/// The card must not count an approval that is not stored, in particular the one that opens it.
#[tokio::test(flavor = "multi_thread")]
async fn an_approval_that_cannot_be_stored_locks_the_hsm_and_all_approve_again() {
    for profile in [Profile::VENDOR, Profile::PICO] {
        for disk in Disk::all() {
            let mut test = disk.start_test_server(profile).await;
            let id = test.request_any_content("ec", 600, 10).await;
            test.approve(BEN, &id).await;
            let task = test.task(CARLA, &id).await.expect("a task");
            let signed = test.carla_mut().approve(&task);
            let custodian = test.carla().custodian();
            let terms = test.view(&id).await.terms;
            disk.fill(&test).await;
            let rejected = test
                .server
                .activations
                .approve(&terms, &custodian, signed)
                .await;
            assert!(rejected.is_err(), "the approval was stored");
            assert!(!test.hsm.is_open());
            let pka = test.hsm_view().await.pka.expect("a quorum");
            assert_eq!(pka.authenticated, 0);
            let request = request_for("a", EC);
            let rejected = in_time(test.sign(&id, "1", &request)).await;
            assert!(
                matches!(rejected, Err(SigningError::NotOpen(_))),
                "{rejected:?}"
            );
            tokio::time::sleep(FULL).await;
            assert!(!test.hsm.is_open());

            disk.free(&test).await;
            let view = test
                .wait_for(&id, |view| {
                    view.state == ActivationState::AwaitingApprovals
                        && view.custodians.iter().any(|custodian| {
                            matches!(custodian.decision, Decision::ApprovalLost { .. })
                        })
                })
                .await;
            assert_eq!(view.approvals, 0);
            assert!(view.notice.is_some(), "the custodians see no notice");
            test.open(&id).await;
            test.sign(&id, "1", &request_for("a", EC))
                .await
                .expect("signed");
            let terms = test.view(&id).await.terms;
            test.server
                .activations
                .lock(&terms, lock_request(&test))
                .await
                .expect("locked");
            works_again(&mut test, Lost::None).await;
            test.shutdown().await;
        }
    }
}

/// Number of audit entries about the end of this activation.
async fn logged_ends(test: &TestServer, id: &ActivationId) -> usize {
    let log = test.audit().await;
    let ends = log.iter().filter(
        |event| matches!(event, AuditEvent::ActivationEnded { activation, .. } if activation.activation() == *id),
    );
    ends.count()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_a_lease_is_stored_as_soon_as_there_is_space() {
    for disk in Disk::all() {
        let mut test = disk.start_test_server(Profile::VENDOR).await;
        let id = test.request_any_content("ec", 1, 10).await;
        test.open(&id).await;
        disk.fill(&test).await;
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert!(
            !test.hsm.is_open(),
            "the HSM's thread does not lock the HSM"
        );
        let rejected = in_time(test.sign(&id, "1", &request_for("a", EC))).await;
        assert!(
            matches!(rejected, Err(SigningError::Ended(EndReason::LeaseExpired))),
            "{rejected:?}"
        );
        let left = match test.view(&id).await.state {
            ActivationState::Open { left, .. } => left,
            state => panic!("the end cannot be stored yet: {state:?}"),
        };
        assert_eq!(left, 0, "nothing more is signed");

        disk.free(&test).await;
        let view = in_time(test.wait_for(&id, |view| view.state.is_ended())).await;
        assert_eq!(reason(&view), EndReason::LeaseExpired);
        assert_eq!(logged_ends(&test, &id).await, 1);
        test.assert_locked().await;
        works_again(&mut test, Lost::None).await;
        test.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lock_now_locks_and_says_so_although_nothing_can_be_stored() {
    for disk in Disk::all() {
        let mut test = disk.start_test_server(Profile::VENDOR).await;
        let id = test.request_any_content("ec", 600, 10).await;
        test.open(&id).await;
        let terms = test.view(&id).await.terms;
        disk.fill(&test).await;
        for _ in 0..2 {
            let locked = test.server.activations.lock(&terms, lock_request(&test));
            let error = in_time(locked).await.expect_err("the end cannot be stored");
            assert!(matches!(error, ActivationError::NotStored(_)), "{error:?}");
            assert!(error.to_string().contains("the HSM is locked"), "{error}");
            assert!(!test.hsm.is_open());
        }
        let rejected = in_time(test.sign(&id, "1", &request_for("a", EC))).await;
        assert!(
            matches!(
                rejected,
                Err(SigningError::Ended(EndReason::Locked { ref by })) if by.name == "Ben"
            ),
            "{rejected:?}"
        );
        let view = test.view(&id).await;
        assert!(
            matches!(view.state, ActivationState::Open { left: 0, .. }),
            "{:?}",
            view.state
        );
        assert!(view.notice.is_some(), "the activation shows no notice");

        disk.free(&test).await;
        let view = in_time(test.wait_for(&id, |view| view.state.is_ended())).await;
        assert!(matches!(reason(&view), EndReason::Locked { by } if by.name == "Ben"));
        assert_eq!(logged_ends(&test, &id).await, 1);
        test.assert_locked().await;
        works_again(&mut test, Lost::None).await;
        test.shutdown().await;
    }
}
