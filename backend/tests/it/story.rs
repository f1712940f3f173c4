//! The main job, with cards whose challenges live differently.

use countersign_protocol::{
    activation::{Answer, EndReason},
    audit::AuditEvent,
    mechanism::Mechanism,
    receipt::Receipt,
};
use countersign_simulator::Profile;

use countersign_server::activation::Approved;

use crate::world::{World, hsm_id, reason, request_for};

async fn main_job(profile: Profile) {
    let mut world = World::ready(profile).await;
    for (key, mechanism) in [
        ("ec", Mechanism::EcdsaSha256),
        ("rsa", Mechanism::RsaPssSha256),
    ] {
        let id = world.ask_for_files(key, &["a.bin", "b.bin"]).await;
        world.open(&id).await;
        for name in ["a.bin", "b.bin"] {
            let made = world
                .sign(&id, name, &request_for(name, mechanism))
                .await
                .expect("signed");
            assert_eq!(made.name.as_deref(), Some(name));
        }
        let view = world.wait_for(&id, |view| view.state.is_ended()).await;
        assert_eq!(reason(&view), EndReason::Completed);
        assert_eq!(view.signatures, 2);
        world.must_be_locked().await;

        let receipt = world.app.views.receipt(&id).await.expect("a receipt");
        let receipt: Receipt = receipt
            .verify(world.app.identity.public_key())
            .expect("signed by the server");
        assert_eq!(receipt.approvals.len(), 2);
        assert_eq!(receipt.signatures.len(), 2);
    }
    let audit = world.audit().await;
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
    world.app.shutdown().await;
}

#[tokio::test]
async fn a_card_whose_challenge_serves_once() {
    main_job(Profile::VENDOR).await;
}

#[tokio::test]
async fn a_card_whose_challenge_serves_everybody() {
    main_job(Profile::VENDOR_KEPT).await;
}

#[tokio::test]
async fn a_card_that_forgets_everybody_with_a_new_challenge() {
    main_job(Profile::PICO).await;
}

/// Two custodians fetch their tasks before either answers.
#[tokio::test]
async fn custodians_may_answer_at_the_same_time() {
    for profile in [Profile::VENDOR, Profile::VENDOR_KEPT, Profile::PICO] {
        let mut world = World::ready(profile).await;
        let id = world.ask_for_files("ec", &["a.bin"]).await;
        world
            .wait_for(&id, |view| view.terms.id == id && !view.state.is_ended())
            .await;
        let tasks = [
            world.task(0, &id).await.expect("a task"),
            world.task(1, &id).await.expect("a task"),
        ];
        for (player, mut task) in tasks.into_iter().enumerate() {
            let mut answers = 0;
            loop {
                answers += 1;
                assert!(answers <= 3);
                let evidence = world.people[player].approve(&task);
                let custodian = world.people[player].custodian();
                let outcome = world
                    .app
                    .activations
                    .coordinators()
                    .approve(&hsm_id(), id.clone(), custodian, evidence)
                    .await;
                match outcome.expect("an outcome") {
                    Approved::Counted => break,
                    Approved::SignAgain { task: again } => task = again,
                }
            }
        }
        world
            .sign(&id, "1", &request_for("a.bin", Mechanism::EcdsaSha256))
            .await
            .expect("signed");
        world.app.shutdown().await;
    }
}

/// What was learnt of a device spares the second custodian a second answer from then on.
#[tokio::test]
async fn the_challenge_behaviour_is_remembered() {
    let mut world = World::ready(Profile::VENDOR).await;
    world.restart().await;
    let id = world.ask_for_files("ec", &["a.bin"]).await;
    let (first, view) = world.authenticate(0, &id).await;
    assert!(matches!(
        view.custodians[0].answer,
        Answer::Authenticated { .. }
    ));
    let (second, _) = world.authenticate(1, &id).await;
    assert_eq!((first, second), (1, 1));
    world.app.shutdown().await;
}
