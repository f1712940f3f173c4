//! The disk is slow in the middle of an approval, of an opening and of a signature.

use std::time::Duration;

use countersign_protocol::{
    activation::ActivationState, audit::AuditEvent, cvc::Fingerprint, id::ActivationId,
    mechanism::Mechanism,
};
use countersign_server::{
    activation::{ActivationError, Approved},
    signing::SigningError,
    store::WriteTx,
};
use countersign_simulator::Profile;
use tokio::task::JoinHandle;

use super::health::{Lost, nothing_is_half_done};
use crate::test_server::{ANNA, CARLA, TestServer, operator, request_for, requester};

const EC: Mechanism = Mechanism::EcdsaSha256;

/// Keeps every change waiting until it is dropped.
async fn slow_disk(test: &TestServer) -> WriteTx {
    test.server.store.write().await.expect("a change")
}

async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    for _ in 0..1000 {
        if is_so() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("never: {what}");
}

/// Sends an approval, which waits for the slow disk.
async fn approve(
    test: &mut TestServer,
    index: usize,
    id: &ActivationId,
) -> (WriteTx, JoinHandle<Result<Approved, ActivationError>>) {
    let task = test.task(index, id).await.expect("a task");
    let signed = test.people[index].approve(&task);
    let custodian = test.people[index].custodian();
    let terms = test.view(id).await.terms;
    let slow = slow_disk(test).await;
    let activations = test.server.activations.clone();
    let approval = async move { activations.approve(&terms, &custodian, signed).await };
    (slow, tokio::spawn(approval))
}

fn responses(test: &TestServer) -> u64 {
    const EXTERNAL_AUTHENTICATE: u8 = 0x82;
    let counts = test.hsm.apdu_counts();
    let responses = counts.by_instruction.get(&EXTERNAL_AUTHENTICATE);
    responses.copied().unwrap_or(0)
}

async fn counted(approval: JoinHandle<Result<Approved, ActivationError>>) {
    let approved = approval.await.expect("no panic").expect("stored");
    assert!(matches!(approved, Approved::Counted));
}

async fn approvals(test: &TestServer, key: Fingerprint) -> usize {
    let log = test.audit().await;
    let own =
        |event: &&AuditEvent| matches!(event, AuditEvent::Approved { key: own, .. } if *own == key);
    log.iter().filter(own).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_disk_delays_what_it_must_store_and_nothing_is_half_done() {
    let mut test = TestServer::ready(Profile::VENDOR).await;
    let id = test.request_any_content("ec", 600, 10).await;
    test.wait_for(&id, |view| view.state == ActivationState::AwaitingApprovals)
        .await;
    let anna = test.people[ANNA].card.fingerprint();
    let before = approvals(&test, anna).await;

    // The card counts the approval before it is stored.
    let responses_before = responses(&test);
    let (slow, approval) = approve(&mut test, ANNA, &id).await;
    until("the card counts", || responses(&test) > responses_before).await;
    assert!(!approval.is_finished(), "acknowledged before it is stored");
    assert_eq!(approvals(&test, anna).await, before);
    drop(slow);
    counted(approval).await;
    assert_eq!(approvals(&test, anna).await, before + 1);
    assert_eq!(responses(&test), responses_before + 1);

    // The card is open before the lease is stored, and nobody can sign.
    let (slow, opening) = approve(&mut test, CARLA, &id).await;
    until("the card is open", || test.hsm.is_open()).await;
    let request = request_for("a", EC);
    let early = test.sign(&id, "1", &request).await;
    assert!(matches!(early, Err(SigningError::NotOpen(_))), "{early:?}");
    assert!(test.server.activations.leases().open().is_empty());
    assert!(!opening.is_finished(), "acknowledged before it is stored");
    drop(slow);
    counted(opening).await;
    test.wait_for(&id, |view| {
        matches!(view.state, ActivationState::Open { .. })
    })
    .await;

    // Nothing is signed before the reservation is stored.
    let made = test.hsm.apdu_counts().signatures;
    let slow = slow_disk(&test).await;
    let (server, person, activation) =
        (test.server.clone(), test.doug().person.clone(), id.clone());
    let signature = tokio::spawn(async move {
        let actor = operator(&person);
        let requester = requester(&person, &actor, false);
        server
            .signing
            .sign(&requester, &activation, "1", &request)
            .await
    });
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(test.hsm.apdu_counts().signatures, made);
    assert!(!signature.is_finished(), "acknowledged before it is stored");
    drop(slow);
    signature.await.expect("no panic").expect("signed");
    assert_eq!(test.hsm.apdu_counts().signatures, made + 1);
    nothing_is_half_done(&test, Lost::None).await;
    test.shutdown().await;
}
