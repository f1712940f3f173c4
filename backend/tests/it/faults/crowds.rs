//! Many clients at once.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use countersign_protocol::{
    activation::{EndReason, NewActivation},
    audit::AuditEvent,
    mechanism::Mechanism,
    operator::Role,
};
use countersign_server::{activation::LockRequest, signing::SigningError};
use countersign_simulator::Profile;
use tokio::task::JoinSet;

use super::health::{Lost, nothing_is_half_done};
use crate::test_server::{TestServer, anything, confirm, operator, reason, request_for, requester};

const EC: Mechanism = Mechanism::EcdsaSha256;
const CLIENTS: usize = 64;
const LIMIT: u32 = 10;

#[tokio::test(flavor = "multi_thread")]
async fn many_clients_get_exactly_as_many_signatures_as_were_approved() {
    let mut test = TestServer::ready(Profile::VENDOR).await;
    let id = test.request_any_content("ec", 600, LIMIT).await;
    test.open(&id).await;
    let before = test.hsm.apdu_counts().signatures;
    let mut clients = JoinSet::new();
    for number in 0..CLIENTS {
        let (server, person, id) = (test.server.clone(), test.doug().person.clone(), id.clone());
        clients.spawn(async move {
            let actor = operator(&person);
            let requester = requester(&person, &actor, false);
            let name = number.to_string();
            let request = request_for(&name, EC);
            server.signing.sign(&requester, &id, &name, &request).await
        });
    }
    let results = clients.join_all().await;
    let made = results.iter().filter(|result| result.is_ok()).count();
    assert_eq!(made, LIMIT as usize);
    for result in results {
        assert!(
            matches!(
                result,
                Ok(_) | Err(SigningError::Ended(EndReason::SignatureLimitReached))
            ),
            "{result:?}"
        );
    }
    assert_eq!(test.hsm.apdu_counts().signatures - before, u64::from(LIMIT));
    let view = test.wait_for(&id, |view| view.state.is_ended()).await;
    assert_eq!(reason(&view), EndReason::SignatureLimitReached);
    test.assert_locked().await;
    let log = test.audit().await;
    let signed = |event: &&AuditEvent| matches!(event, AuditEvent::Signed { .. });
    assert_eq!(log.iter().filter(signed).count(), LIMIT as usize);
    nothing_is_half_done(&test, Lost::None).await;
    test.shutdown().await;
}

/// Others get their turn between the requests of a flood, not after it.
#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_requests_by_one_person_does_not_keep_others_waiting() {
    const FLOOD: usize = 240;
    let mut test = TestServer::ready(Profile::VENDOR).await;
    let link = test.invite("Erin", Role::Requester).await;
    test.enrol(&link, "ERIN01").await;
    let (admin, erin) = (
        test.anna().person.clone(),
        test.people.last().expect("Erin"),
    );
    let (erin, key) = (erin.person.clone(), erin.card.fingerprint());
    confirm(&test.server, &admin, &erin.id, key)
        .await
        .expect("confirmed");
    let done = Arc::new(AtomicUsize::new(0));
    let mut flood = JoinSet::new();
    for worker in 0..CLIENTS / 4 {
        let (server, person, done) = (
            test.server.clone(),
            test.doug().person.clone(),
            done.clone(),
        );
        flood.spawn(async move {
            let actor = operator(&person);
            let requester = requester(&person, &actor, false);
            for number in 0..FLOOD / (CLIENTS / 4) {
                let new = NewActivation {
                    reason: format!("flood {worker}-{number}"),
                    ..anything()
                };
                let created = server.activations.create(&requester, new).await;
                created.expect("requested");
                done.fetch_add(1, Ordering::SeqCst);
            }
        });
    }
    while done.load(Ordering::SeqCst) == 0 {
        tokio::task::yield_now().await;
    }
    let actor = operator(&erin);
    let own = requester(&erin, &actor, false);
    let new = NewActivation {
        reason: "between the others".into(),
        ..anything()
    };
    let (id, _) = test
        .server
        .activations
        .create(&own, new)
        .await
        .expect("requested");
    let terms = test.view(&id).await.terms;
    let cancel = LockRequest {
        actor: actor.clone(),
        person: erin.clone(),
        is_admin: false,
    };
    test.server
        .activations
        .lock(&terms, cancel)
        .await
        .expect("cancelled");
    let before = done.load(Ordering::SeqCst);
    assert!(before < FLOOD, "Erin had to wait for the whole flood");
    flood.join_all().await;
    assert_eq!(done.load(Ordering::SeqCst), FLOOD);
    nothing_is_half_done(&test, Lost::None).await;
    test.shutdown().await;
}
