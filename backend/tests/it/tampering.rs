//! An attacker who can write to the database cannot extend what the custodians approved.

use countersign_protocol::activation::EndReason;
use countersign_server::store::StoreError;
use countersign_simulator::Profile;

use crate::test_server::{ANNA, CARLA, TestServer, reason};

async fn tamper(test: &TestServer, sql: &'static str) -> Result<(), StoreError> {
    let mut tx = test.server.store.write().await?;
    sqlx::query(sql).execute(tx.connection()).await?;
    tx.commit().await
}

#[tokio::test]
async fn changed_terms_open_nothing() {
    for change in [
        // The changes replace a file, extend the lease, and replace the reason.
        "UPDATE activations SET terms = replace(terms, 'a.bin', 'b.bin') WHERE ended = 0",
        "UPDATE activations SET terms = replace(terms, '\"signatures\":1', '\"signatures\":9') WHERE ended = 0",
        "UPDATE activations SET terms = replace(terms, 'Firmware', 'Malware!') WHERE ended = 0",
    ] {
        let mut test = TestServer::ready(Profile::VENDOR).await;
        let id = test.request_signatures("ec", &["a.bin"]).await;
        test.approve(ANNA, &id).await;
        tamper(&test, change).await.expect("changed");
        // The second custodian approves the changed terms, which the first one did not see.
        let (_, view) = test.approve(CARLA, &id).await;
        assert!(
            matches!(reason(&view), EndReason::Failed { .. }),
            "{:?}",
            view.state
        );
        test.assert_locked().await;
        test.shutdown().await;
    }
}

#[tokio::test]
async fn an_invented_approval_opens_nothing() {
    let mut test = TestServer::ready(Profile::VENDOR).await;
    let id = test.request_signatures("ec", &["a.bin"]).await;
    test.approve(ANNA, &id).await;
    tamper(&test, "UPDATE answers SET statement = NULL")
        .await
        .expect("changed");
    let (_, view) = test.approve(CARLA, &id).await;
    assert!(
        matches!(reason(&view), EndReason::Failed { .. }),
        "{:?}",
        view.state
    );
    test.assert_locked().await;
    test.shutdown().await;
}

#[tokio::test]
async fn the_audit_log_cannot_be_changed() {
    let test = TestServer::with_people(Profile::VENDOR).await;
    assert!(
        tamper(&test, "UPDATE audit SET entry = x'00' WHERE idx = 0")
            .await
            .is_err()
    );
    assert!(
        tamper(&test, "DELETE FROM audit WHERE idx = 0")
            .await
            .is_err()
    );
    test.shutdown().await;
}
