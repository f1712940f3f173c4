//! The main flow from request to receipt, with HSMs whose challenges behave differently.

use countersign_protocol::{
    activation::{Decision, EndReason},
    audit::AuditEvent,
    mechanism::Mechanism,
    receipt::Receipt,
};
use countersign_simulator::Profile;

use countersign_server::activation::Approved;

use crate::test_server::{ANNA, BEN, TestServer, hsm_id, reason, request_for};

async fn run_main_flow(profile: Profile) {
    let mut test = TestServer::ready(profile).await;
    for (key, mechanism) in [
        ("ec", Mechanism::EcdsaSha256),
        ("rsa", Mechanism::RsaPssSha256),
    ] {
        let id = test.request_signatures(key, &["a.bin", "b.bin"]).await;
        test.open(&id).await;
        for name in ["a.bin", "b.bin"] {
            let made = test
                .sign(&id, name, &request_for(name, mechanism))
                .await
                .expect("signed");
            assert_eq!(made.name.as_deref(), Some(name));
        }
        let view = test.wait_for(&id, |view| view.state.is_ended()).await;
        assert_eq!(reason(&view), EndReason::Completed);
        assert_eq!(view.signatures, 2);
        test.assert_locked().await;

        let receipt = test.receipt(&id).await;
        let receipt: Receipt = receipt
            .verify(test.server.identity.public_key())
            .expect("signed by the server");
        assert_eq!(receipt.approvals.len(), 2);
        assert_eq!(receipt.signatures.len(), 2);
    }
    let audit = test.audit().await;
    let count =
        |wanted: fn(&AuditEvent) -> bool| audit.iter().filter(|event| wanted(event)).count();
    assert_eq!(count(|event| matches!(event, AuditEvent::Signed { .. })), 4);
    assert_eq!(
        count(|event| matches!(event, AuditEvent::KeyGenerated { .. })),
        2
    );
    assert_eq!(
        count(|event| matches!(event, AuditEvent::CustodianRegistered { .. })),
        3
    );
    assert_eq!(
        count(|event| matches!(event, AuditEvent::LeaseOpened { .. })),
        count(|event| matches!(event, AuditEvent::ActivationEnded { .. })),
    );
    test.shutdown().await;
}

#[tokio::test]
async fn the_main_flow_works_with_single_use_challenges() {
    run_main_flow(Profile::VENDOR).await;
}

#[tokio::test]
async fn the_main_flow_works_with_one_challenge_for_all_custodians() {
    run_main_flow(Profile::VENDOR_KEPT).await;
}

#[tokio::test]
async fn the_main_flow_works_if_a_new_challenge_discards_approvals() {
    run_main_flow(Profile::PICO).await;
}

/// Two custodians fetch their tasks before either of them approves.
#[tokio::test]
async fn custodians_can_approve_at_the_same_time() {
    for profile in [Profile::VENDOR, Profile::VENDOR_KEPT, Profile::PICO] {
        let mut test = TestServer::ready(profile).await;
        let id = test.request_signatures("ec", &["a.bin"]).await;
        test.wait_for(&id, |view| view.id() == id && !view.state.is_ended())
            .await;
        let tasks = [
            test.task(ANNA, &id).await.expect("a task"),
            test.task(BEN, &id).await.expect("a task"),
        ];
        for (index, mut task) in tasks.into_iter().enumerate() {
            let mut answers = 0;
            loop {
                answers += 1;
                assert!(answers <= 3);
                let signed = test.people[index].approve(&task);
                let custodian = test.people[index].custodian();
                let outcome = test
                    .server
                    .activations
                    .coordinators()
                    .approve(&hsm_id(), id.member(0), custodian, signed)
                    .await;
                match outcome.expect("an outcome") {
                    Approved::Counted => break,
                    Approved::SignAgain { task: again } => task = again,
                }
            }
        }
        test.sign(&id, "1", &request_for("a.bin", Mechanism::EcdsaSha256))
            .await
            .expect("signed");
        test.shutdown().await;
    }
}

/// Once the behaviour of a device is known, the second custodian needs to sign only once.
#[tokio::test]
async fn the_challenge_behaviour_is_remembered() {
    let mut test = TestServer::ready(Profile::VENDOR).await;
    test.restart().await;
    let id = test.request_signatures("ec", &["a.bin"]).await;
    let (first, view) = test.approve(ANNA, &id).await;
    assert!(matches!(
        view.custodians[0].decision,
        Decision::Approved { .. }
    ));
    let (second, _) = test.approve(BEN, &id).await;
    assert_eq!((first, second), (1, 1));
    test.shutdown().await;
}
