//! Receipts with many signatures.

use std::collections::BTreeSet;

use countersign_protocol::{
    Timestamp,
    dsse::{Envelope, canonical},
    encoding::Base64,
    id::{ActivationId, MemberId, SignatureId},
    mechanism::Mechanism,
    receipt::Receipt,
};
use countersign_server::store::signatures::{self, Made, Reservation, StoredSignature};
use countersign_simulator::Profile;

use crate::{
    http::{json, log_in, send},
    test_server::{DOUG, TestServer, request_for, router},
};

/// More than two pages of the database.
const MANY: usize = 2500;

/// Stores signatures as if the HSM had made them.
async fn store_signatures(test: &TestServer, activation: &MemberId, template: &StoredSignature) {
    let mut tx = test.server.store.write().await.expect("a change");
    for number in 0..MANY {
        let id = SignatureId::new(format!("made-{number}"));
        let reservation = Reservation {
            activation: activation.clone(),
            idempotency_key: id.to_string(),
            signature: StoredSignature {
                id: id.clone(),
                ..template.clone()
            },
        };
        let made = Made {
            id,
            signature: vec![1; 64],
            at: Timestamp::now(),
        };
        signatures::reserve(tx.connection(), &[&reservation])
            .await
            .expect("reserved");
        signatures::record(tx.connection(), &[&made])
            .await
            .expect("recorded");
    }
    tx.commit().await.expect("committed");
}

/// An open activation with one signature of an HSM and many more that are only stored.
async fn with_many_signatures() -> (TestServer, ActivationId) {
    let mut test = TestServer::ready(Profile::VENDOR).await;
    let id = test.request_any_content("ec", 600, 10).await;
    test.open(&id).await;
    let made = test
        .sign(&id, "first", &request_for("x", Mechanism::EcdsaSha256))
        .await
        .expect("signed");
    let template = StoredSignature {
        id: made.id,
        key: made.key,
        mechanism: made.mechanism,
        digest: made.digest,
        salt_length: None,
        made: None,
    };
    store_signatures(&test, &id.member(0), &template).await;
    (test, id)
}

#[tokio::test(flavor = "multi_thread")]
async fn eight_receipts_at_once_have_every_signature_in_order_and_in_canonical_form() {
    let (mut test, id) = with_many_signatures().await;
    let router = router(&test.server).await;
    let cookie = log_in(&mut test, &router, DOUG).await;
    let mut all = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let (router, cookie) = (router.clone(), cookie.clone());
        let path = format!("/activations/{id}/receipt");
        all.spawn(async move {
            let headers = [("cookie", cookie.as_str())];
            let answer = send(&router, "GET", &path, &headers, None).await;
            assert_eq!(answer.headers()["content-type"], "application/json");
            json::<Envelope>(answer).await
        });
    }
    let envelopes = all.join_all().await;
    assert_eq!(envelopes.len(), 8);
    for envelope in envelopes {
        let receipt: Receipt = envelope
            .verify(test.server.identity.public_key())
            .expect("signed by the server");
        assert_eq!(canonical(&receipt), envelope.payload.as_bytes());
        let ids: Vec<_> = receipt.signatures.iter().map(|made| &made.id).collect();
        assert_eq!(ids.len(), MANY + 1);
        assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), MANY + 1);
        let stored = ids[1..].iter().enumerate();
        assert!(
            stored
                .into_iter()
                .all(|(number, id)| id.as_str() == format!("made-{number}"))
        );
        assert_eq!(receipt.signatures[1].signature, Base64(vec![1; 64]));
    }
    // No file is left behind.
    let names = std::fs::read_dir(test.folder.path()).expect("the folder");
    let left: Vec<_> = names
        .map(|entry| entry.expect("an entry").file_name())
        .filter(|name| name.to_string_lossy().contains("tmp"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
    test.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_page_of_signatures_grows_with_their_number() {
    const LARGEST: usize = 1000;
    let (test, id) = with_many_signatures().await;
    let mut connection = test.server.store.read().await.expect("a connection");
    let (mut after, mut pages, mut total) = (None, 0, 0);
    loop {
        let page = signatures::page(&mut connection, &id.member(0), after).await;
        let page = page.expect("a page");
        assert!(page.signatures.len() <= LARGEST);
        total += page.signatures.len();
        pages += 1;
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!((pages, total), (3, MANY + 1));
    drop(connection);
    test.shutdown().await;
}
