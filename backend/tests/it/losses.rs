//! Cards that are pulled, reset or taken; servers that stop.

use countersign_protocol::{
    activation::{ActivationState, Answer, EndReason},
    audit::AuditEvent,
    hsm::HsmState,
    mechanism::Mechanism,
};
use countersign_server::server::Server;
use countersign_simulator::Profile;

use crate::world::{World, reason, request_for};

const EC: Mechanism = Mechanism::EcdsaSha256;

/// Loses the HSM while custodians are asked, then goes on to the end.
async fn lost_while_collecting(profile: Profile, lose: impl Fn(&World)) {
    let mut world = World::ready(profile).await;
    let id = world.ask_for_files("ec", &["a"]).await;
    world.authenticate(0, &id).await;
    lose(&world);
    let view = world
        .wait_for(&id, |view| {
            view.state == ActivationState::Collecting
                && view
                    .custodians
                    .iter()
                    .any(|custodian| matches!(custodian.answer, Answer::Forgotten { .. }))
        })
        .await;
    assert_eq!(view.authenticated, 0);
    assert!(view.notice.is_some(), "nobody is told");
    // One more is not enough: the first must come again.
    let (_, view) = world.authenticate(1, &id).await;
    assert_eq!(
        (view.authenticated, &view.state),
        (1, &ActivationState::Collecting)
    );
    let (_, view) = world.authenticate(0, &id).await;
    assert!(matches!(view.state, ActivationState::Open { .. }));
    assert_eq!(view.notice, None);
    world
        .sign(&id, "1", &request_for("a", EC))
        .await
        .expect("signed");
    let audit = world.audit().await;
    assert!(
        audit
            .iter()
            .any(|event| matches!(event, AuditEvent::CustodiansForgotten { .. }))
    );
    assert!(
        audit
            .iter()
            .any(|event| matches!(event, AuditEvent::HsmLost { .. }))
    );
    world.app.shutdown().await;
}

#[tokio::test]
async fn a_reset_loses_the_custodians_and_says_so() {
    for profile in [Profile::VENDOR, Profile::PICO] {
        lost_while_collecting(profile, |world| world.hsm.reset_by_other()).await;
    }
}

#[tokio::test]
async fn another_program_that_selects_the_card_is_noticed() {
    for profile in [Profile::VENDOR, Profile::PICO] {
        lost_while_collecting(profile, |world| world.hsm.select_by_other()).await;
    }
}

#[tokio::test]
async fn a_pulled_card_ends_the_lease_and_comes_back_locked() {
    let mut world = World::ready(Profile::VENDOR).await;
    let id = world.ask_for_anything("ec", 600, 10).await;
    world.open(&id).await;
    world.hsm.remove();
    world
        .wait_for_hsm(|view| matches!(view.state, HsmState::Absent { .. }))
        .await;
    let view = world.wait_for(&id, |view| view.state.is_ended()).await;
    assert!(matches!(reason(&view), EndReason::HsmLost { .. }));
    assert!(world.sign(&id, "1", &request_for("a", EC)).await.is_err());
    world.hsm.insert();
    world
        .wait_for_hsm(|view| view.state == HsmState::Locked)
        .await;
    world.must_be_locked().await;
    world.app.shutdown().await;
}

/// A device that somebody else opened is found out, and locked before it is offered.
#[tokio::test]
async fn a_restart_ends_leases_and_asks_custodians_again() {
    let mut world = World::ready(Profile::VENDOR).await;
    let open = world.ask_for_anything("ec", 600, 10).await;
    world.open(&open).await;
    let waiting = world.ask_for_files("ec", &["a"]).await;
    world.restart().await;
    assert_eq!(reason(&world.view(&open).await), EndReason::ServerRestarted);
    assert_eq!(
        world.hsm_view().await.pka.expect("a quorum").authenticated,
        0
    );
    world.open(&waiting).await;
    world
        .sign(&waiting, "1", &request_for("a", EC))
        .await
        .expect("signed");
    world.app.shutdown().await;
}

#[tokio::test]
async fn what_waits_for_an_hsm_that_is_configured_no_more_ends() {
    let mut world = World::ready(Profile::VENDOR).await;
    let id = world.ask_for_files("ec", &["a"]).await;
    world.app.shutdown().await;
    let mut config = crate::world::config(world.folder.path(), true);
    config.hsms.clear();
    world.app = Server::open(config).await.expect("opens");
    world.app.start().await.expect("starts");
    let end = reason(&world.view(&id).await);
    assert!(matches!(end, EndReason::HsmRemoved { .. }), "{end:?}");
    world.app.shutdown().await;
}

#[tokio::test]
async fn what_was_collected_before_a_restart_is_collected_again() {
    let mut world = World::ready(Profile::VENDOR).await;
    let id = world.ask_for_files("ec", &["a"]).await;
    world.authenticate(0, &id).await;
    world.restart().await;
    let view = world
        .wait_for(&id, |view| view.state == ActivationState::Collecting)
        .await;
    assert!(
        matches!(view.custodians[0].answer, Answer::Forgotten { .. }),
        "{:?}",
        view.custodians[0]
    );
    world.open(&id).await;
    world.app.shutdown().await;
}

/// Another device in the same reader is not the HSM.
#[tokio::test]
async fn another_device_is_refused() {
    let mut world = World::ready(Profile::VENDOR).await;
    world.app.shutdown().await;
    let other = crate::player::new_card("OTHER1", Profile::VENDOR, None);
    world.app = crate::world::start(world.folder.path(), &other).await;
    let view = world
        .wait_for_hsm(|view| matches!(view.state, HsmState::Failed { .. }))
        .await;
    assert!(view.keys.is_empty());
    world
        .wait_for_audit(|event| matches!(event, AuditEvent::HsmRefused { .. }))
        .await;
    world.app.shutdown().await;
}
