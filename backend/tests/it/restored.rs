//! Lost, damaged, exchanged and restored files of the data directory.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use countersign_protocol::{
    audit::AuditEvent,
    digest::Sha256Digest,
    mechanism::Mechanism,
    operator::{InvitationStatus, Role},
    token::NewToken,
};
use countersign_server::{
    people::Browser,
    server::{DATABASE, Server},
    store,
};
use countersign_simulator::Profile;
use sqlx::{Connection, SqliteConnection, sqlite::SqliteConnectOptions};

use crate::{
    person::new_card,
    test_server::{DOUG, TestServer, config, create_token, operator, request_for, start},
};

/// A data directory in which a server ran once.
async fn used_folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::open(config(folder.path(), true)).await;
    let server = server.expect("opens");
    server.shutdown().await;
    server.store.pool().close().await;
    folder
}

async fn sql(file: &Path, statement: &str) {
    let options = SqliteConnectOptions::new().filename(file);
    let mut connection = SqliteConnection::connect_with(&options)
        .await
        .expect("opens");
    sqlx::raw_sql(statement)
        .execute(&mut connection)
        .await
        .expect("works");
    connection.close().await.expect("closes");
}

/// The reason why the server does not start.
async fn refusal(folder: &Path) -> String {
    match Server::open(config(folder, true)).await {
        Ok(_) => panic!("the server starts"),
        Err(error) => format!("{error:#}"),
    }
}

fn identity(folder: &Path) -> PathBuf {
    folder.join("identity.key")
}

#[tokio::test]
async fn a_missing_database_is_not_replaced_by_an_empty_one() {
    for damage in ["missing", "empty"] {
        let folder = used_folder().await;
        let database = folder.path().join(DATABASE);
        for name in ["-wal", "-shm"] {
            let _ = fs::remove_file(format!("{}{name}", database.display()));
        }
        fs::remove_file(&database).expect("removed");
        if damage == "empty" {
            fs::write(&database, "").expect("written");
        }
        let why = refusal(folder.path()).await;
        assert!(
            why.contains("identity.key") && why.contains("instance.json"),
            "{why}"
        );
        // The way to go on that the error names.
        fs::remove_file(identity(folder.path())).expect("removed");
        refusal(folder.path()).await;
        fs::remove_file(folder.path().join("instance.json")).expect("removed");
        let server = Server::open(config(folder.path(), true)).await;
        server.expect("a new server").shutdown().await;
    }
}

#[tokio::test]
async fn a_missing_exchanged_or_exposed_identity_is_refused() {
    let folder = used_folder().await;
    let (other, key) = (used_folder().await, identity(folder.path()));
    let original = fs::read(&key).expect("a key");
    fs::remove_file(&key).expect("removed");
    let why = refusal(folder.path()).await;
    assert!(why.contains("accept-new-identity"), "{why}");
    assert!(!key.exists(), "no key was generated");
    fs::copy(identity(other.path()), &key).expect("copied");
    let why = refusal(folder.path()).await;
    assert!(why.contains("accept-new-identity"), "{why}");
    fs::write(&key, original).expect("written");
    fs::set_permissions(&key, Permissions::from_mode(0o640)).expect("set");
    let why = refusal(folder.path()).await;
    assert!(why.contains("chmod 600"), "{why}");
    fs::set_permissions(&key, Permissions::from_mode(0o600)).expect("set");
    let server = Server::open(config(folder.path(), true)).await;
    let before = server.expect("opens").identity.fingerprint();

    fs::remove_file(&key).expect("removed");
    let accept = folder.path().join("accept-new-identity");
    fs::write(&accept, "").expect("written");
    let server = Server::open(config(folder.path(), true)).await;
    assert_ne!(server.expect("opens").identity.fingerprint(), before);
    assert!(!accept.exists(), "the consent counts once");
    Server::open(config(folder.path(), true))
        .await
        .expect("opens");
}

#[tokio::test]
async fn a_damaged_database_is_refused() {
    let folder = used_folder().await;
    let database = folder.path().join(DATABASE);
    sql(&database, "PRAGMA wal_checkpoint(TRUNCATE)").await;
    let sound = fs::read(&database).expect("a database");
    let mut damaged = sound.clone();
    let page = 4096;
    for byte in &mut damaged[5 * page..9 * page] {
        *byte ^= 0xA5;
    }
    fs::write(&database, damaged).expect("written");
    let why = refusal(folder.path()).await;
    assert!(why.contains("docs/operations.md"), "{why}");
    fs::write(&database, sound).expect("written");
    let missing_owner = "PRAGMA foreign_keys = OFF; INSERT INTO tokens
        (id, hash, owner, label, keys, created_at, expires_at) VALUES ('1', x'00', 'nobody', '', '[]', '', '')";
    sql(&database, missing_owner).await;
    let why = refusal(folder.path()).await;
    assert!(
        why.contains("tokens") && why.contains("docs/operations.md"),
        "{why}"
    );
}

#[tokio::test]
async fn nothing_is_signed_after_the_database_was_replaced() {
    let mut test = TestServer::ready(Profile::VENDOR).await;
    let id = test.request_any_content("ec", 600, 10).await;
    test.open(&id).await;
    let request = request_for("a", Mechanism::EcdsaSha256);
    test.sign(&id, "1", &request).await.expect("signed");
    let database = test.folder.path().join(DATABASE);
    let away = test.folder.path().join("away.db");
    test.hsm.reset_counts();
    fs::rename(&database, &away).expect("moved");
    test.sign(&id, "2", &request).await.expect_err("deleted");
    fs::copy(&away, &database).expect("copied");
    test.sign(&id, "3", &request).await.expect_err("replaced");
    assert_eq!(test.hsm.apdu_counts().signatures, 0);
    fs::rename(&away, &database).expect("moved");
    test.sign(&id, "4", &request).await.expect("signed");
    test.shutdown().await;
}

#[tokio::test]
async fn an_old_copy_of_the_database_lets_nobody_in() {
    let mut test = TestServer::with_people(Profile::VENDOR).await;
    let doug = test.people[DOUG].person.clone();
    let new = NewToken {
        label: "build".into(),
        days: 1,
        keys: Vec::new(),
        certificate: None,
    };
    let token = create_token(&test.server, &doug, &new).await;
    let token = token.expect("a token");
    let hash = Sha256Digest::of(token.secret.as_bytes());
    let link = test.invite("Emil", Role::Requester).await;
    let challenge = test.server.people.challenge().expect("a challenge");
    let database = test.folder.path().join(DATABASE);
    let copy = test.folder.path().join("backup.db");
    sql(&database, &format!("VACUUM INTO '{}'", copy.display())).await;

    // A restart revokes nothing.
    test.restart().await;
    assert!(
        test.server
            .tokens
            .by_secret(&hash)
            .await
            .expect("works")
            .is_some()
    );
    let actor = operator(&doug);
    let revoked = test
        .server
        .tokens
        .revoke(&doug, false, &actor, &token.token.id);
    revoked.await.expect("revoked");

    test.shutdown().await;
    test.server.store.pool().close().await;
    for name in ["-wal", "-shm"] {
        let _ = fs::remove_file(format!("{}{name}", database.display()));
    }
    fs::rename(&copy, &database).expect("restored");
    let hsm = new_card("OTHER0", Profile::VENDOR, None);
    let server = start(test.folder.path(), &hsm).await;
    assert!(
        server
            .tokens
            .by_secret(&hash)
            .await
            .expect("works")
            .is_none()
    );
    let (_, code) = link.split_once('#').expect("a code");
    server
        .people
        .open_invitation(code)
        .await
        .expect_err("revoked");
    let invitations = server.views.invitations().await.expect("invitations");
    assert!(invitations.iter().all(|invitation| !matches!(
        invitation.status,
        InvitationStatus::Sent | InvitationStatus::Opened
    )));
    let statement = test.anna_mut().card.log_in(&challenge.task);
    server
        .people
        .log_in(&statement, &Browser::default())
        .await
        .expect_err("an old challenge");
    let mut connection = server.store.read().await.expect("a connection");
    let page = store::audit::page(&mut connection, None, 100)
        .await
        .expect("the log");
    drop(connection);
    let noted = |event: &AuditEvent| matches!(event, AuditEvent::RestoredFromBackup);
    assert!(page.entries.iter().any(|entry| noted(&entry.event)));
    server.shutdown().await;
}

#[tokio::test]
async fn an_unreadable_audit_entry_does_not_hide_the_others() {
    let test = TestServer::with_people(Profile::VENDOR).await;
    let before = test.audit().await.len();
    let mut tx = test.server.store.write().await.expect("a change");
    sqlx::query("INSERT INTO audit (idx, entry) SELECT MAX(idx) + 1, ? FROM audit")
        .bind(b"{\"at\":\"2026-10-02T14:05:00Z\", damaged".as_slice())
        .execute(tx.connection())
        .await
        .expect("inserted");
    tx.commit().await.expect("stored");
    let log = test.audit().await;
    assert_eq!(log.len(), before + 1);
    assert!(matches!(log.last(), Some(AuditEvent::Unreadable { .. })));
    test.shutdown().await;
}
