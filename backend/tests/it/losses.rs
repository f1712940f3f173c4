//! Cards that are removed, reset or used by another program, and servers that restart.

use countersign_protocol::{
    activation::{ActivationState, Decision, EndReason},
    audit::AuditEvent,
    hsm::HsmState,
    mechanism::Mechanism,
};
use countersign_server::server::Server;
use countersign_simulator::Profile;

use crate::test_server::{ANNA, BEN, TestServer, reason, request_for};

const EC: Mechanism = Mechanism::EcdsaSha256;

/// Loses the HSM while an activation is waiting for approvals, then completes the activation.
async fn loses_hsm_while_waiting_for_approvals(profile: Profile, lose: impl Fn(&TestServer)) {
    let mut test = TestServer::ready(profile).await;
    let id = test.request_signatures("ec", &["a"]).await;
    test.approve(ANNA, &id).await;
    lose(&test);
    let view = test
        .wait_for(&id, |view| {
            view.state == ActivationState::AwaitingApprovals
                && view
                    .custodians
                    .iter()
                    .any(|custodian| matches!(custodian.decision, Decision::ApprovalLost { .. }))
        })
        .await;
    assert_eq!(view.approvals, 0);
    assert!(view.notice.is_some(), "there is no notice");
    // One more approval is not enough, because the first one is needed again.
    let (_, view) = test.approve(BEN, &id).await;
    assert_eq!(
        (view.approvals, &view.state),
        (1, &ActivationState::AwaitingApprovals)
    );
    let (_, view) = test.approve(ANNA, &id).await;
    assert!(matches!(view.state, ActivationState::Open { .. }));
    assert_eq!(view.notice, None);
    test.sign(&id, "1", &request_for("a", EC))
        .await
        .expect("signed");
    let audit = test.audit().await;
    assert!(
        audit
            .iter()
            .any(|event| matches!(event, AuditEvent::ApprovalsLost { .. }))
    );
    assert!(
        audit
            .iter()
            .any(|event| matches!(event, AuditEvent::HsmLost { .. }))
    );
    test.shutdown().await;
}

#[tokio::test]
async fn a_card_reset_discards_approvals_with_a_notice() {
    for profile in [Profile::VENDOR, Profile::PICO] {
        loses_hsm_while_waiting_for_approvals(profile, |test| test.hsm.reset_by_other()).await;
    }
}

#[tokio::test]
async fn another_program_that_selects_the_card_is_detected() {
    for profile in [Profile::VENDOR, Profile::PICO] {
        loses_hsm_while_waiting_for_approvals(profile, |test| test.hsm.select_by_other()).await;
    }
}

#[tokio::test]
async fn a_pulled_card_ends_the_lease_and_comes_back_locked() {
    let mut test = TestServer::ready(Profile::VENDOR).await;
    let id = test.request_any_content("ec", 600, 10).await;
    test.open(&id).await;
    test.hsm.remove();
    test.wait_for_hsm(|view| matches!(view.state, HsmState::Absent { .. }))
        .await;
    let view = test.wait_for(&id, |view| view.state.is_ended()).await;
    assert!(matches!(reason(&view), EndReason::HsmLost { .. }));
    assert!(test.sign(&id, "1", &request_for("a", EC)).await.is_err());
    test.hsm.insert();
    test.wait_for_hsm(|view| view.state == HsmState::Locked)
        .await;
    test.assert_locked().await;
    test.shutdown().await;
}

/// A device is locked before activations can use it after a restart.
#[tokio::test]
async fn a_restart_ends_leases_and_keeps_waiting_activations() {
    let mut test = TestServer::ready(Profile::VENDOR).await;
    let open = test.request_any_content("ec", 600, 10).await;
    test.open(&open).await;
    let waiting = test.request_signatures("ec", &["a"]).await;
    test.restart().await;
    assert_eq!(reason(&test.view(&open).await), EndReason::ServerRestarted);
    assert_eq!(
        test.hsm_view().await.pka.expect("a quorum").authenticated,
        0
    );
    test.open(&waiting).await;
    test.sign(&waiting, "1", &request_for("a", EC))
        .await
        .expect("signed");
    test.shutdown().await;
}

#[tokio::test]
async fn an_activation_for_a_removed_hsm_ends_at_the_restart() {
    let mut test = TestServer::ready(Profile::VENDOR).await;
    let id = test.request_signatures("ec", &["a"]).await;
    test.shutdown().await;
    let mut config = crate::test_server::config(test.folder.path(), true);
    config.hsms.clear();
    test.server = Server::open(config).await.expect("opens");
    test.server.start().await.expect("starts");
    let end = reason(&test.view(&id).await);
    assert!(matches!(end, EndReason::HsmRemoved { .. }), "{end:?}");
    test.shutdown().await;
}

#[tokio::test]
async fn approvals_given_before_a_restart_are_needed_again() {
    let mut test = TestServer::ready(Profile::VENDOR).await;
    let id = test.request_signatures("ec", &["a"]).await;
    test.approve(ANNA, &id).await;
    test.restart().await;
    let view = test
        .wait_for(&id, |view| view.state == ActivationState::AwaitingApprovals)
        .await;
    assert!(
        matches!(view.custodians[0].decision, Decision::ApprovalLost { .. }),
        "{:?}",
        view.custodians[0]
    );
    test.open(&id).await;
    test.shutdown().await;
}

#[tokio::test]
async fn another_device_in_the_same_reader_is_rejected() {
    let mut test = TestServer::ready(Profile::VENDOR).await;
    test.shutdown().await;
    let other = crate::person::new_card("OTHER1", Profile::VENDOR, None);
    test.server = crate::test_server::start(test.folder.path(), &other).await;
    let view = test
        .wait_for_hsm(|view| matches!(view.state, HsmState::Failed { .. }))
        .await;
    assert!(view.keys.is_empty());
    test.wait_for_audit(|event| matches!(event, AuditEvent::HsmRejected { .. }))
        .await;
    test.shutdown().await;
}
