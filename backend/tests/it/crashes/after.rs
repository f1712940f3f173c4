//! What must be true after the server was started again.

use countersign_protocol::{
    activation::ActivationState, audit::AuditEvent, hsm::HsmState, id::ActivationId,
    mechanism::Mechanism,
};
use countersign_server::store;

use super::{Story, child::Acknowledged};
use crate::{
    faults::health::{Lost, nothing_is_half_done},
    test_server::{TestServer, hsm_id, operator, request_for, requester, start},
};

/// Starts the server again with the same data and the same card, and checks everything.
pub fn check(story: Story) {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let test = TestServer {
            server: start(story.folder.path(), &story.hsm).await,
            hsm: story.hsm,
            people: Vec::new(),
            folder: story.folder,
        };
        test.wait_for_hsm(|view| view.device.is_some()).await;
        nothing_is_open(&test).await;
        for what in &story.acknowledged {
            is_kept(&test, what).await;
        }
        signatures_are_known(&test, &story.signing, &story.acknowledged).await;
        nothing_is_half_done(&test, Lost::Some).await;
        test.shutdown().await;
    });
}

async fn nothing_is_open(test: &TestServer) {
    assert!(!test.hsm.is_open(), "the HSM is open without a lease");
    assert!(test.server.activations.leases().open().is_empty());
    let view = test.hsm_view().await;
    assert!(
        !matches!(view.state, HsmState::Open { .. } | HsmState::Absent { .. }),
        "{:?}",
        view.state
    );
    assert_eq!(view.pka.map_or(0, |pka| pka.authenticated), 0);
    for id in test.active().await {
        let state = test.view(&id).await.state;
        assert!(
            !matches!(state, ActivationState::Open { .. }),
            "{id} is {state:?}"
        );
    }
}

async fn is_kept(test: &TestServer, what: &Acknowledged) {
    let log = test.audit().await;
    let is_logged = |wanted: &dyn Fn(&AuditEvent) -> bool| log.iter().any(wanted);
    let mut connection = test.server.store.read().await.expect("reads");
    let kept = match what {
        Acknowledged::LoggedIn => is_logged(&|event| matches!(event, AuditEvent::LoggedIn { .. })),
        Acknowledged::Initialised => {
            is_logged(&|event| matches!(event, AuditEvent::HsmInitialised { .. }))
                && test.hsm_view().await.pka.is_some()
        }
        Acknowledged::Registered(key) => {
            let custodians = store::hsms::custodians(&mut connection, &hsm_id()).await;
            let custodians = custodians.expect("reads");
            custodians.iter().any(|custodian| custodian.key == *key)
        }
        Acknowledged::Generated(label) => {
            let keys = test.hsm_view().await.keys;
            keys.iter().filter(|key| key.label == *label).count() == 1
                && is_logged(
                    &|event| matches!(event, AuditEvent::KeyGenerated { label: logged, .. } if logged == label),
                )
        }
        Acknowledged::Token(id) => {
            let token = store::tokens::by_id(&mut connection, id).await;
            token.expect("reads").is_some()
        }
        Acknowledged::TokenRevoked(id) => {
            let token = store::tokens::by_id(&mut connection, id).await;
            token
                .expect("reads")
                .is_some_and(|token| token.revoked_at.is_some())
        }
        Acknowledged::Requested(id) => test.view(id).await.id() == *id,
        Acknowledged::Declined(id) => is_logged(
            &|event| matches!(event, AuditEvent::Declined { activation, .. } if activation.activation() == *id),
        ),
        Acknowledged::Approved(id) => is_logged(
            &|event| matches!(event, AuditEvent::Approved { activation, .. } if activation.activation() == *id),
        ),
        Acknowledged::Signed(id, _, signature) => {
            let stored = test.server.views.signatures(id).await.expect("reads");
            let made = stored
                .iter()
                .filter(|made| made.signature.as_bytes() == *signature);
            made.count() == 1
        }
        Acknowledged::Ended(id) => test.view(id).await.state.is_ended(),
        Acknowledged::KeyRevoked(key) => {
            let custodians = store::hsms::custodians(&mut connection, &hsm_id()).await;
            let custodians = custodians.expect("reads");
            let own =
                |custodian: &&countersign_protocol::hsm::RegisteredCustodian| custodian.key == *key;
            custodians
                .iter()
                .find(own)
                .is_some_and(|custodian| custodian.revoked)
        }
    };
    assert!(kept, "{what:?} was acknowledged and is lost");
}

/// Each signature that the card made is recorded, or its reservation says that it may have been made. No request for one is carried
/// out again.
async fn signatures_are_known(
    test: &TestServer,
    signing: &[(ActivationId, String)],
    acknowledged: &[Acknowledged],
) {
    let count = async |query: &'static str| {
        let count: (i64,) = sqlx::query_as(query)
            .fetch_one(test.server.store.pool())
            .await
            .expect("a number");
        u64::try_from(count.0).expect("a number")
    };
    let stored = count("SELECT COUNT(*) FROM signatures WHERE signature IS NOT NULL").await;
    let perhaps = count("SELECT COUNT(*) FROM signatures WHERE signature IS NULL").await;
    let made = test.hsm.apdu_counts().signatures;
    assert!(
        (stored..=stored + perhaps).contains(&made),
        "{made} signatures were made, {stored} are stored, {perhaps} may have been made"
    );
    assert!(made <= signing.len() as u64, "a signature was made twice");
    for (id, key) in signing {
        let person = test.view(id).await.terms.requester;
        let actor = operator(&person);
        let request = request_for(key, Mechanism::EcdsaSha256);
        let requester = requester(&person, &actor, false);
        let again = test
            .server
            .signing
            .sign(&requester, id, key, &request)
            .await;
        let before = acknowledged.iter().find_map(|what| match what {
            Acknowledged::Signed(_, own, signature) if own == key => Some(signature),
            _ => None,
        });
        match (before, again) {
            (Some(before), Ok(again)) => assert_eq!(again.signature.as_bytes(), before.as_slice()),
            (Some(_), Err(error)) => panic!("an acknowledged signature: {error}"),
            // It was recorded, and the answer was lost.
            (None, Ok(_)) => assert!(stored > 0),
            (None, Err(_)) => {}
        }
    }
    assert_eq!(test.hsm.apdu_counts().signatures, made, "signed again");
}
