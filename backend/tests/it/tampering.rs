//! An attacker who can write to the database cannot extend what the custodians approved.

use countersign_protocol::{
    Timestamp,
    activation::{ActivationState, ActivationTerms, EndReason},
    cvc::{Curve, EcSecretKey},
    digest::Sha256Digest,
    dsse::Unsigned,
    id::ActivationId,
    operator::EnrolledKey,
    statement::Approval,
};
use countersign_server::store::StoreError;
use countersign_simulator::Profile;

use crate::{
    person::{Card, approve_task},
    test_server::{ANNA, CARLA, TestServer, reason},
};

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

/// A part of the database that an attacker changes after Anna has approved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Table {
    /// The terms of the request, which then list another file.
    Terms,
    /// Anna's public key, which then is the attacker's.
    Key,
    /// Anna's attestation, which then is that of another genuine card.
    Attestation,
    /// Anna's statement, which then approves the changed terms with the attacker's key.
    Statement,
    /// The row that says who approved.
    Approver,
}

impl Table {
    const ALL: [Self; 5] = [
        Self::Terms,
        Self::Key,
        Self::Attestation,
        Self::Statement,
        Self::Approver,
    ];
}

/// The changes that the attacker writes to the tables.
struct Forgery {
    terms: ActivationTerms,
    key: EnrolledKey,
    statement: String,
    attestation: Vec<u8>,
}

impl Forgery {
    async fn new(test: &TestServer, id: &ActivationId) -> Self {
        let secret = EcSecretKey::from_bytes(Curve::Secp256r1, &[7; 32]).expect("a key");
        let view = test.view(id).await;
        let terms = serde_json::to_string(&view.terms).expect("JSON");
        let terms: ActivationTerms =
            serde_json::from_str(&terms.replace("a.bin", "b.bin")).expect("terms");
        let anna = test.anna().person.id.as_str();
        let mut connection = test.server.store.read().await.expect("a connection");
        let key: String = sqlx::query_scalar("SELECT key FROM operators WHERE id = ?")
            .bind(anna)
            .fetch_one(&mut *connection)
            .await
            .expect("Anna's key");
        let key: EnrolledKey = serde_json::from_str(&key).expect("a key");
        let (task, approve) = approve_task(&test.task(ANNA, id).await.expect("a task"));
        let chain =
            countersign_protocol::cvc::DeviceChain::from_ef(approve.device_certificates.as_bytes())
                .expect("a chain");
        let public = secret.public_key();
        let approval = Approval::new(
            &terms,
            Sha256Digest::of(chain.device.raw()),
            approve.challenge.as_bytes(),
            task.server.key.fingerprint(),
            public.fingerprint(),
            Timestamp::now(),
        );
        let unsigned = Unsigned::new(&approval);
        let signature = secret
            .sign_prehash(unsigned.digest().as_bytes())
            .expect("signs");
        let statement = unsigned.seal(&public.fingerprint(), &signature);
        Self {
            terms,
            key: EnrolledKey {
                public_key: public,
                ..key
            },
            statement: serde_json::to_string(&statement).expect("JSON"),
            attestation: Card::new("EVIL01").file.to_new_format(),
        }
    }

    async fn write(&self, test: &TestServer, id: &ActivationId, tables: &[Table]) {
        let anna = test.anna().person.id.as_str();
        let id = id.as_str();
        let mut tx = test.server.store.write().await.expect("a change");
        for table in tables {
            let query = match table {
                Table::Terms => sqlx::query("UPDATE activations SET terms = ? WHERE id = ?")
                    .bind(serde_json::to_string(&self.terms).expect("JSON"))
                    .bind(id),
                Table::Key => sqlx::query("UPDATE operators SET key = ? WHERE id = ?")
                    .bind(serde_json::to_string(&self.key).expect("JSON"))
                    .bind(anna),
                Table::Attestation => sqlx::query("UPDATE operators SET pka = ? WHERE id = ?")
                    .bind(&self.attestation)
                    .bind(anna),
                Table::Statement => {
                    sqlx::query("UPDATE answers SET statement = ? WHERE activation = ?")
                        .bind(&self.statement)
                        .bind(id)
                }
                Table::Approver => {
                    let ben = test.ben().card.fingerprint().to_hex();
                    sqlx::query("UPDATE answers SET fingerprint = ? WHERE activation = ?")
                        .bind(ben)
                        .bind(id)
                }
            };
            query.execute(tx.connection()).await.expect("changed");
        }
        tx.commit().await.expect("stored");
    }
}

#[tokio::test]
async fn no_change_of_tables_between_two_approvals_opens_a_lease() {
    let mut test = TestServer::ready(Profile::VENDOR).await;
    let mut connection = test.server.store.read().await.expect("a connection");
    let (key, attestation): (String, Vec<u8>) =
        sqlx::query_as("SELECT key, pka FROM operators WHERE name = 'Anna'")
            .fetch_one(&mut *connection)
            .await
            .expect("Anna");
    drop(connection);
    let singles = Table::ALL.map(|table| vec![table]);
    let pairs = Table::ALL.into_iter().enumerate().flat_map(|(at, first)| {
        let rest = Table::ALL.into_iter().skip(at + 1);
        rest.map(move |second| vec![first, second])
    });
    // The last set is the complete attack: everything that is read from the database agrees.
    let attack = vec![Table::Terms, Table::Key, Table::Statement];
    for tables in singles.into_iter().chain(pairs).chain([attack]) {
        let id = test.request_signatures("ec", &["a.bin"]).await;
        test.wait_for(&id, |view| view.state == ActivationState::AwaitingApprovals)
            .await;
        let forgery = Forgery::new(&test, &id).await;
        test.approve(ANNA, &id).await;
        forgery.write(&test, &id, &tables).await;
        let (_, view) = test.approve(CARLA, &id).await;
        assert!(
            matches!(reason(&view), EndReason::Failed { .. }),
            "{tables:?}: {:?}",
            view.state
        );
        test.assert_locked().await;
        let mut tx = test.server.store.write().await.expect("a change");
        sqlx::query("UPDATE operators SET key = ?, pka = ? WHERE name = 'Anna'")
            .bind(&key)
            .bind(&attestation)
            .execute(tx.connection())
            .await
            .expect("restored");
        tx.commit().await.expect("stored");
    }
    test.shutdown().await;
}
