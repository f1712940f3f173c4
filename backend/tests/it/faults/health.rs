//! Checks that the database is consistent with the audit log, and that no transaction is open.

use std::{
    str::FromStr,
    time::{Duration, Instant},
};

use countersign_protocol::audit::AuditEvent;
use countersign_server::{activation::LockRequest, server::DATABASE, store::Durability};
use sqlx::{ConnectOptions, Connection, Executor, SqliteConnection, sqlite::SqliteConnectOptions};

use crate::test_server::{TestServer, operator};

/// Connections that the server reads with.
const READERS: usize = 8;

/// Whether the card may have made signatures that could not be recorded.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Lost {
    None,
    Some,
}

/// A database connection of another program, which does not wait for locks.
pub async fn another_program(test: &TestServer) -> SqliteConnection {
    let path = test.folder.path().join(DATABASE);
    SqliteConnectOptions::from_str(&format!("sqlite://{}", path.display()))
        .expect("a path")
        .busy_timeout(Duration::ZERO)
        .connect()
        .await
        .expect("a connection")
}

/// *Lock now* by Ben.
pub fn lock_request(test: &TestServer) -> LockRequest {
    let person = test.ben().person.clone();
    LockRequest {
        actor: operator(&person),
        person,
        is_admin: false,
    }
}

async fn count(test: &TestServer, query: &'static str) -> usize {
    let (count,): (i64,) = sqlx::query_as(query)
        .fetch_one(test.server.store.pool())
        .await
        .expect("a number");
    usize::try_from(count).expect("a number")
}

/// Tables whose number of rows differs from the number of their audit entries.
async fn contradictions(test: &TestServer, lost: Lost) -> Vec<String> {
    let log = test.audit().await;
    let logged = |wanted: fn(&AuditEvent) -> bool| log.iter().filter(|event| wanted(event)).count();
    let pairs = [
        (
            "audit entries without a gap",
            count(test, "SELECT MAX(idx) - MIN(idx) + 1 FROM audit").await,
            log.len(),
        ),
        (
            "tokens",
            count(test, "SELECT COUNT(*) FROM tokens").await,
            logged(|event| matches!(event, AuditEvent::TokenCreated { .. })),
        ),
        (
            "revoked tokens",
            count(
                test,
                "SELECT COUNT(*) FROM tokens WHERE revoked_at IS NOT NULL",
            )
            .await,
            logged(|event| matches!(event, AuditEvent::TokenRevoked { .. })),
        ),
        (
            "invitations",
            count(test, "SELECT COUNT(*) FROM invitations").await,
            // The first admin's invitation is a bootstrap.
            logged(|event| {
                matches!(
                    event,
                    AuditEvent::Invited { .. } | AuditEvent::Bootstrapped { .. }
                )
            }),
        ),
        (
            "activations",
            count(test, "SELECT COUNT(*) FROM activations").await,
            logged(|event| matches!(event, AuditEvent::ActivationRequested { .. })),
        ),
        (
            "ended activations",
            count(test, "SELECT COUNT(*) FROM activations WHERE ended").await,
            logged(|event| matches!(event, AuditEvent::ActivationEnded { .. })),
        ),
        (
            "signatures",
            count(
                test,
                "SELECT COUNT(*) FROM signatures WHERE signature IS NOT NULL",
            )
            .await,
            logged(|event| matches!(event, AuditEvent::Signed { .. })),
        ),
        (
            "reservations without a signature",
            match lost {
                Lost::Some => 0,
                Lost::None => {
                    let query = "SELECT COUNT(*) FROM signatures WHERE signature IS NULL";
                    count(test, query).await
                }
            },
            0,
        ),
    ];
    let differ = pairs.into_iter().filter(|(_, stored, log)| stored != log);
    differ
        .map(|(what, stored, logged)| format!("{what}: {stored} stored, {logged} expected"))
        .collect()
}

/// Waits until requests that are still under way have ended, then checks everything.
pub async fn nothing_is_half_done(test: &TestServer, lost: Lost) {
    let start = Instant::now();
    loop {
        let wrong = contradictions(test, lost).await;
        if wrong.is_empty() {
            break;
        }
        assert!(start.elapsed() < Duration::from_secs(5), "{wrong:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    no_transaction_is_open(test).await;
}

async fn no_transaction_is_open(test: &TestServer) {
    let mut other = another_program(test).await;
    let start = Instant::now();
    while let Err(error) = other.execute("BEGIN IMMEDIATE").await {
        assert!(start.elapsed() < Duration::from_secs(5), "{error}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    other.execute("ROLLBACK").await.expect("rolled back");
    other.close().await.expect("closed");
    let mut readers = Vec::new();
    for _ in 0..READERS {
        let reader = test.server.store.read().await.expect("a connection");
        readers.push(reader);
    }
    for reader in &mut readers {
        reader
            .execute("BEGIN; ROLLBACK")
            .await
            .expect("no transaction is open");
    }
    drop(readers);
    let mut writer = test
        .server
        .store
        .connection(Durability::PowerCut)
        .await
        .expect("the connection for changes");
    writer
        .execute("BEGIN IMMEDIATE; ROLLBACK")
        .await
        .expect("no transaction is open");
}
