//! What an HSM's thread says of a lease reaches the desk when the next activation has the HSM already.

use std::collections::BTreeMap;

use countersign_card::pka::ChallengeBehaviour;
use countersign_protocol::{
    activation::{ActivationState, EndReason},
    hsm::HsmState,
    id::ActivationId,
    mechanism::Mechanism,
};
use countersign_server::{
    activation::LockRequest,
    hsm::{NewHsm, Notice},
    server::{Server, SimulatorConnector},
};
use countersign_simulator::Profile;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::{
    player::new_card,
    world::{World, config, hsm_id, operator, reason, request_for},
};

const EC: Mechanism = Mechanism::EcdsaSha256;

struct Late {
    world: World,
    /// Notices of a lease, kept from the desk.
    held: UnboundedReceiver<Notice>,
    desk: UnboundedSender<Notice>,
}

impl Late {
    async fn ready() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let card = new_card("TARGET", Profile::VENDOR, None);
        let app = Server::open(config(folder.path(), true))
            .await
            .expect("opens");
        app.start_with(BTreeMap::new()).await.expect("starts");
        let connector = Box::new(SimulatorConnector::new(card.clone()));
        let added = app.hsms.add(NewHsm {
            id: hsm_id(),
            connector,
            anchors: app.anchors.clone(),
            expected: None,
            behaviour: ChallengeBehaviour::Unknown,
        });
        let (hsm, mut notices) = added.expect("added");
        let (desk, relayed) = unbounded_channel();
        app.activations.start(hsm, relayed);
        let (hold, held) = unbounded_channel();
        let relay = desk.clone();
        tokio::spawn(async move {
            while let Some(notice) = notices.recv().await {
                let of_lease = matches!(
                    notice,
                    Notice::LeaseOver { .. } | Notice::Lost { lease: Some(_), .. }
                );
                let to = if of_lease { &hold } else { &relay };
                if to.send(notice).is_err() {
                    return;
                }
            }
        });
        let mut world = World::of(app, card, folder).await;
        world.make_ready().await;
        Self { world, held, desk }
    }

    async fn lock(&self, id: &ActivationId) {
        let terms = self.world.view(id).await.terms;
        let person = self.world.people[0].person.clone();
        let request = LockRequest {
            actor: operator(&person),
            person,
            is_admin: true,
        };
        self.world
            .app
            .activations
            .lock(&terms, request)
            .await
            .expect("locked");
        let view = self.world.view(id).await;
        assert!(matches!(reason(&view), EndReason::Locked { .. }));
    }

    /// The desk has read it: it reads notices before commands.
    async fn arrives(&self, notice: Notice) {
        self.desk.send(notice).expect("the desk listens");
        let begun = self
            .world
            .app
            .activations
            .coordinators()
            .begin(&hsm_id())
            .await;
        begun.expect("answered");
    }
}

#[tokio::test]
async fn the_end_of_a_leases_time_ends_no_later_lease() {
    let mut late = Late::ready().await;
    let first = late.world.ask_for_anything("ec", 2, 10).await;
    late.world.open(&first).await;
    let notice = late.held.recv().await.expect("its time is over");
    late.lock(&first).await;
    let next = late.world.ask_for_anything("ec", 600, 10).await;
    late.world.open(&next).await;
    late.arrives(notice).await;
    let made = late.world.sign(&next, "1", &request_for("a", EC)).await;
    assert!(made.is_ok(), "{made:?}");
    late.world.app.shutdown().await;
}

#[tokio::test]
async fn the_loss_of_a_lease_loses_nobody_who_authenticates_for_the_next() {
    let mut late = Late::ready().await;
    let first = late.world.ask_for_anything("ec", 600, 10).await;
    late.world.open(&first).await;
    late.world.hsm.remove();
    let notice = late.held.recv().await.expect("it is lost");
    late.lock(&first).await;
    late.world.hsm.insert();
    let locked = |view: &countersign_protocol::hsm::HsmView| view.state == HsmState::Locked;
    late.world.wait_for_hsm(locked).await;
    let next = late.world.ask_for_anything("ec", 600, 10).await;
    late.world.authenticate(0, &next).await;
    late.arrives(notice).await;
    let (_, view) = late.world.authenticate(2, &next).await;
    assert!(matches!(view.state, ActivationState::Open { .. }));
    late.world.app.shutdown().await;
}
