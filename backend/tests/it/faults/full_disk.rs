//! A disk that is full for a while in the middle of everything.

use std::{
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    time::Duration,
};

use countersign_protocol::{
    activation::{ActivationState, Answer, EndReason},
    audit::AuditEvent,
    id::ActivationId,
    mechanism::Mechanism,
    signature::{SignRequest, SignatureView},
};
use countersign_server::{activation::ActivationError, signing::SigningError};
use countersign_simulator::Profile;

use super::{
    disk::Disk,
    health::{Lost, lock_request, nothing_is_half_done},
};
use crate::world::{World, reason, request_for};

const EC: Mechanism = Mechanism::EcdsaSha256;
/// How long the disk is full.
const FULL: Duration = Duration::from_secs(1);
/// Limit for answers that need no storage.
const AT_ONCE: Duration = Duration::from_secs(2);
const SIGNERS: usize = 4;

async fn at_once<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(AT_ONCE, what)
        .await
        .expect("it takes too long")
}

/// Anonymous writes and the HSM work again without a restart.
async fn goes_on(world: &mut World, lost: Lost) {
    at_once(world.app.people.challenge())
        .await
        .expect("a challenge is stored");
    let id = world.ask_for_files("ec", &["afterwards"]).await;
    world.open(&id).await;
    world
        .sign(&id, "1", &request_for("afterwards", EC))
        .await
        .expect("signed");
    let view = world.wait_for(&id, |view| view.state.is_ended()).await;
    assert_eq!(reason(&view), EndReason::Completed);
    nothing_is_half_done(world, lost).await;
}

/// Signs until `stop` is set, and returns the acknowledged signatures.
async fn keep_signing(
    world: &World,
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
        match world.sign(id, &key, &request).await {
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
        let mut world = disk.world(Profile::VENDOR).await;
        let id = world.ask_for_anything("ec", 600, 100_000).await;
        world.open(&id).await;
        let (stop, failed) = (AtomicBool::new(false), AtomicUsize::new(0));
        let signer = |number| keep_signing(&world, &id, number, &stop, &failed);
        let trouble = async {
            tokio::time::sleep(Duration::from_millis(300)).await;
            disk.fill(&world).await;
            tokio::time::sleep(FULL).await;
            disk.free(&world).await;
            tokio::time::sleep(Duration::from_millis(300)).await;
            stop.store(true, Ordering::SeqCst);
        };
        let (a, b, c, d, ()) = tokio::join!(signer(0), signer(1), signer(2), signer(3), trouble);
        assert!(failed.load(Ordering::SeqCst) >= SIGNERS, "it was not full");
        assert!(
            matches!(world.view(&id).await.state, ActivationState::Open { .. }),
            "the lease goes on"
        );
        let request = request_for("afterwards", EC);
        at_once(world.sign(&id, "afterwards", &request))
            .await
            .expect("signed");
        for (key, request, made) in [a, b, c, d].into_iter().flatten() {
            let again = world.sign(&id, &key, &request).await.expect("kept");
            assert_eq!(again, made);
        }
        let terms = world.view(&id).await.terms;
        world
            .app
            .activations
            .lock(&terms, lock_request(&world))
            .await
            .expect("locked");
        goes_on(&mut world, Lost::Some).await;
        world.app.shutdown().await;
    }
}

/// The card must not count an approval that is not stored, in particular the one that opens it.
#[tokio::test(flavor = "multi_thread")]
async fn an_approval_that_cannot_be_stored_locks_the_hsm_and_all_approve_again() {
    for profile in [Profile::VENDOR, Profile::PICO] {
        for disk in Disk::all() {
            let mut world = disk.world(profile).await;
            let id = world.ask_for_anything("ec", 600, 10).await;
            world.authenticate(1, &id).await;
            let task = world.task(2, &id).await.expect("a task");
            let evidence = world.people[2].approve(&task);
            let custodian = world.people[2].custodian();
            let terms = world.view(&id).await.terms;
            disk.fill(&world).await;
            let refused = world
                .app
                .activations
                .approve(&terms, &custodian, evidence)
                .await;
            assert!(refused.is_err(), "it was stored");
            assert!(!world.hsm.is_open());
            let pka = world.hsm_view().await.pka.expect("a quorum");
            assert_eq!(pka.authenticated, 0);
            let request = request_for("a", EC);
            let refused = at_once(world.sign(&id, "1", &request)).await;
            assert!(
                matches!(refused, Err(SigningError::NotOpen(_))),
                "{refused:?}"
            );
            tokio::time::sleep(FULL).await;
            assert!(!world.hsm.is_open());

            disk.free(&world).await;
            let view = world
                .wait_for(&id, |view| {
                    view.state == ActivationState::Collecting
                        && view
                            .custodians
                            .iter()
                            .any(|custodian| matches!(custodian.answer, Answer::Forgotten { .. }))
                })
                .await;
            assert_eq!(view.authenticated, 0);
            assert!(view.notice.is_some(), "the custodians are not told");
            world.open(&id).await;
            world
                .sign(&id, "1", &request_for("a", EC))
                .await
                .expect("signed");
            let terms = world.view(&id).await.terms;
            world
                .app
                .activations
                .lock(&terms, lock_request(&world))
                .await
                .expect("locked");
            goes_on(&mut world, Lost::None).await;
            world.app.shutdown().await;
        }
    }
}

/// Number of audit entries about the end of this activation.
async fn logged_ends(world: &World, id: &ActivationId) -> usize {
    let log = world.audit().await;
    let ends = log.iter().filter(
        |event| matches!(event, AuditEvent::ActivationEnded { activation, .. } if activation == id),
    );
    ends.count()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_a_lease_is_stored_as_soon_as_there_is_space() {
    for disk in Disk::all() {
        let mut world = disk.world(Profile::VENDOR).await;
        let id = world.ask_for_anything("ec", 1, 10).await;
        world.open(&id).await;
        disk.fill(&world).await;
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert!(!world.hsm.is_open(), "the HSM's thread locks it by itself");
        let refused = at_once(world.sign(&id, "1", &request_for("a", EC))).await;
        assert!(
            matches!(refused, Err(SigningError::Ended(EndReason::TimeUsed))),
            "{refused:?}"
        );
        let left = match world.view(&id).await.state {
            ActivationState::Open { left, .. } => left,
            state => panic!("it cannot be stored: {state:?}"),
        };
        assert_eq!(left, 0, "nothing more is signed");

        disk.free(&world).await;
        let view = at_once(world.wait_for(&id, |view| view.state.is_ended())).await;
        assert_eq!(reason(&view), EndReason::TimeUsed);
        assert_eq!(logged_ends(&world, &id).await, 1);
        world.must_be_locked().await;
        goes_on(&mut world, Lost::None).await;
        world.app.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lock_now_locks_and_says_so_although_nothing_can_be_stored() {
    for disk in Disk::all() {
        let mut world = disk.world(Profile::VENDOR).await;
        let id = world.ask_for_anything("ec", 600, 10).await;
        world.open(&id).await;
        let terms = world.view(&id).await.terms;
        disk.fill(&world).await;
        for _ in 0..2 {
            let locked = world.app.activations.lock(&terms, lock_request(&world));
            let error = at_once(locked).await.expect_err("it cannot be stored");
            assert!(matches!(error, ActivationError::NotStored(_)), "{error:?}");
            assert!(error.to_string().contains("the HSM is locked"), "{error}");
            assert!(!world.hsm.is_open());
        }
        let refused = at_once(world.sign(&id, "1", &request_for("a", EC))).await;
        assert!(
            matches!(
                refused,
                Err(SigningError::Ended(EndReason::Locked { ref by })) if by.name == "Ben"
            ),
            "{refused:?}"
        );
        let view = world.view(&id).await;
        assert!(
            matches!(view.state, ActivationState::Open { left: 0, .. }),
            "{:?}",
            view.state
        );
        assert!(view.notice.is_some(), "the page says nothing of it");

        disk.free(&world).await;
        let view = at_once(world.wait_for(&id, |view| view.state.is_ended())).await;
        assert!(matches!(reason(&view), EndReason::Locked { by } if by.name == "Ben"));
        assert_eq!(logged_ends(&world, &id).await, 1);
        world.must_be_locked().await;
        goes_on(&mut world, Lost::None).await;
        world.app.shutdown().await;
    }
}
