//! Whoever can write to the database still cannot widen what the custodians signed.

use countersign_protocol::activation::EndReason;
use countersign_server::store::StoreError;
use countersign_simulator::Profile;

use crate::world::{World, reason};

async fn tamper(world: &World, sql: &'static str) -> Result<(), StoreError> {
    let mut tx = world.app.store.write().await?;
    sqlx::query(sql).execute(tx.connection()).await?;
    tx.commit().await
}

#[tokio::test]
async fn changed_terms_open_nothing() {
    for change in [
        // Another file, a longer lease, another reason.
        "UPDATE activations SET terms = replace(terms, 'a.bin', 'b.bin') WHERE ended = 0",
        "UPDATE activations SET terms = replace(terms, '\"signatures\":1', '\"signatures\":9') WHERE ended = 0",
        "UPDATE activations SET terms = replace(terms, 'Firmware', 'Malware!') WHERE ended = 0",
    ] {
        let mut world = World::ready(Profile::VENDOR).await;
        let id = world.ask_for_files("ec", &["a.bin"]).await;
        world.authenticate(0, &id).await;
        tamper(&world, change).await.expect("changed");
        // The second custodian sees and approves the changed terms, the first one has not.
        let (_, view) = world.authenticate(2, &id).await;
        assert!(
            matches!(reason(&view), EndReason::Failed { .. }),
            "{:?}",
            view.state
        );
        world.must_be_locked().await;
        world.app.shutdown().await;
    }
}

#[tokio::test]
async fn an_invented_approval_opens_nothing() {
    let mut world = World::ready(Profile::VENDOR).await;
    let id = world.ask_for_files("ec", &["a.bin"]).await;
    world.authenticate(0, &id).await;
    tamper(&world, "UPDATE answers SET statement = NULL")
        .await
        .expect("changed");
    let (_, view) = world.authenticate(2, &id).await;
    assert!(
        matches!(reason(&view), EndReason::Failed { .. }),
        "{:?}",
        view.state
    );
    world.must_be_locked().await;
    world.app.shutdown().await;
}

#[tokio::test]
async fn the_log_only_grows() {
    let world = World::with_people(Profile::VENDOR).await;
    assert!(
        tamper(&world, "UPDATE audit SET entry = x'00' WHERE idx = 0")
            .await
            .is_err()
    );
    assert!(
        tamper(&world, "DELETE FROM audit WHERE idx = 0")
            .await
            .is_err()
    );
    world.app.shutdown().await;
}
