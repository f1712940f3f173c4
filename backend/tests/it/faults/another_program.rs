//! Another program, such as a backup, locks the database for longer than the server waits.

use std::time::Duration;

use countersign_protocol::{
    activation::{ActivationState, EndReason},
    audit::AuditEvent,
    id::ActivationId,
    mechanism::Mechanism,
};
use countersign_server::{activation::ActivationError, signing::SigningError};
use countersign_simulator::Profile;
use sqlx::{Connection, Executor, SqliteConnection};

use super::health::{Lost, another_program, lock_request, nothing_is_half_done};
use crate::test_server::{TestServer, reason, request_for};

/// Longer than the server waits for a lock.
const HELD: Duration = Duration::from_secs(12);
/// Time limit for locking the HSM, and for responses that need no storage.
const TIME_LIMIT: Duration = Duration::from_secs(2);
/// Time limit for storing the end once the database lock is released.
const STORE_LIMIT: Duration = Duration::from_secs(5);

async fn hold(test: &TestServer) -> SqliteConnection {
    let mut other = another_program(test).await;
    while let Err(error) = other.execute("BEGIN IMMEDIATE").await {
        assert!(error.to_string().contains("locked"), "{error}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    other
}

async fn release(mut other: SqliteConnection) {
    other.execute("ROLLBACK").await.expect("rolled back");
    other.close().await.expect("closed");
}

async fn wait_until_locked(test: &TestServer) {
    let locked = async {
        while test.hsm.is_open() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(TIME_LIMIT, locked)
        .await
        .expect("the HSM stays open");
}

/// The end is stored together with its proof, and the next activation gets the HSM.
async fn ends_and_works_again(
    test: &mut TestServer,
    id: &ActivationId,
    expected: impl Fn(&EndReason),
) {
    let ended = test.wait_for(id, |view| view.state.is_ended());
    let view = tokio::time::timeout(STORE_LIMIT, ended)
        .await
        .expect("the end is not stored");
    expected(&reason(&view));
    test.assert_locked().await;
    let log = test.audit().await;
    let end = log.iter().rposition(
        |event| matches!(event, AuditEvent::ActivationEnded { activation, .. } if activation.activation() == *id),
    );
    let end = end.expect("an entry");
    assert!(matches!(log[end - 1], AuditEvent::HsmLocked { .. }));
    let next = test.request_signatures("ec", &["afterwards"]).await;
    test.open(&next).await;
    nothing_is_half_done(test, Lost::None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lock_now_locks_at_once_and_its_end_is_stored_afterwards() {
    let mut test = TestServer::ready(Profile::VENDOR).await;
    let id = test.request_any_content("ec", 600, 10).await;
    test.open(&id).await;
    let terms = test.view(&id).await.terms;
    let other = hold(&test).await;
    let held = tokio::time::Instant::now() + HELD;
    let (locked, ()) = tokio::join!(
        test.server.activations.lock(&terms, lock_request(&test)),
        wait_until_locked(&test),
    );
    let error = locked.expect_err("the end cannot be stored");
    assert!(matches!(error, ActivationError::NotStored(_)), "{error:?}");
    assert!(error.to_string().contains("the HSM is locked"), "{error}");
    let request = request_for("a", Mechanism::EcdsaSha256);
    let rejected = tokio::time::timeout(TIME_LIMIT, test.sign(&id, "1", &request))
        .await
        .expect("within the time limit");
    assert!(
        matches!(rejected, Err(SigningError::Ended(EndReason::Locked { .. }))),
        "{rejected:?}"
    );
    let view = test.view(&id).await;
    assert!(
        matches!(view.state, ActivationState::Open { left: 0, .. }),
        "{:?}",
        view.state
    );
    tokio::time::sleep_until(held).await;
    release(other).await;
    ends_and_works_again(&mut test, &id, |reason| {
        assert!(matches!(reason, EndReason::Locked { by } if by.name == "Ben"));
    })
    .await;
    test.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_ends_in_time_and_its_end_is_stored_afterwards() {
    let mut test = TestServer::ready(Profile::VENDOR).await;
    let id = test.request_any_content("ec", 1, 10).await;
    test.open(&id).await;
    let other = hold(&test).await;
    let held = tokio::time::Instant::now() + HELD;
    tokio::time::sleep(Duration::from_millis(500)).await;
    wait_until_locked(&test).await;
    tokio::time::sleep_until(held).await;
    release(other).await;
    ends_and_works_again(&mut test, &id, |reason| {
        assert_eq!(*reason, EndReason::LeaseExpired);
    })
    .await;
    test.shutdown().await;
}
