//! A database that an earlier program made opens in this one, with everything that is in it.

use std::{collections::BTreeMap, fs, os::unix::fs::PermissionsExt, path::Path};

use countersign_protocol::{activation::ActivationState, audit::AuditEvent, operator::KeyStatus};
use countersign_server::{server::Server, store::activations::Which};

use crate::test_server::{config, hsm_id};

#[tokio::test]
async fn a_database_of_the_first_server_opens() {
    let folder = tempfile::tempdir().expect("a folder");
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/first-database");
    for name in ["countersign.db", "identity.key"] {
        let copy = folder.path().join(name);
        fs::copy(fixture.join(name), &copy).expect("copied");
        fs::set_permissions(&copy, fs::Permissions::from_mode(0o600)).expect("private");
    }
    let server = Server::open(config(folder.path(), true))
        .await
        .expect("opens");
    server.start_with(BTreeMap::new()).await.expect("starts");

    let operators = server.views.operators().await.expect("operators");
    let names: Vec<_> = operators
        .iter()
        .map(|operator| operator.person.name.as_str())
        .collect();
    assert_eq!(names, ["Anna", "Ben", "Carla", "Doug"]);
    assert!(
        operators
            .iter()
            .all(|operator| matches!(operator.status, KeyStatus::Confirmed { .. }))
    );
    let mut connection = server.store.read().await.expect("a connection");
    let custodians = countersign_server::store::hsms::custodians(&mut connection, &hsm_id())
        .await
        .expect("custodians");
    drop(connection);
    assert_eq!(custodians.len(), 3);
    assert!(custodians.iter().all(|custodian| !custodian.revoked));

    let activations = server
        .views
        .activations(Which::All, None, 100, None)
        .await
        .expect("activations");
    assert_eq!(activations.len(), 4);
    let mut signatures = 0;
    for activation in &activations {
        // Leases never survive a restart.
        assert!(matches!(activation.state, ActivationState::Ended { .. }));
        let made = server.views.signatures(&activation.id()).await;
        let made = made.expect("signatures");
        assert_eq!(made.len() as u64, u64::from(activation.signatures));
        signatures += made.len();
    }
    // The server was killed during the fourth one.
    assert_eq!(signatures, 3);

    let log = server.views.audit(None, 500).await.expect("the log");
    let signed = |event: &AuditEvent| matches!(event, AuditEvent::Signed { .. });
    let entries = log.entries.iter().filter(|entry| signed(&entry.event));
    assert_eq!(entries.count(), signatures);
    server.shutdown().await;
}
