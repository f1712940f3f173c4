//! A notice about the end of a lease can reach the coordinator after the next activation has begun.

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
    person::new_card,
    test_server::{ANNA, CARLA, TestServer, config, hsm_id, operator, reason, request_for},
};

const EC: Mechanism = Mechanism::EcdsaSha256;

struct DelayedNotices {
    test: TestServer,
    /// Notices about leases that are held back from the coordinator.
    held: UnboundedReceiver<Notice>,
    coordinator: UnboundedSender<Notice>,
}

impl DelayedNotices {
    async fn ready() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let card = new_card("TARGET", Profile::VENDOR, None);
        let server = Server::open(config(folder.path(), true))
            .await
            .expect("opens");
        server.start_with(BTreeMap::new()).await.expect("starts");
        let connector = Box::new(SimulatorConnector::new(card.clone()));
        let added = server.hsms.add(NewHsm {
            quarantines: server.hsms.quarantines().clone(),
            id: hsm_id(),
            connector,
            anchors: server.anchors.clone(),
            expected: None,
            behaviour: ChallengeBehaviour::Unknown,
        });
        let (hsm, mut notices) = added.expect("added");
        let (coordinator, relayed) = unbounded_channel();
        server.activations.start(hsm, relayed);
        let (hold, held) = unbounded_channel();
        let relay = coordinator.clone();
        tokio::spawn(async move {
            while let Some(notice) = notices.recv().await {
                let of_lease = matches!(
                    notice,
                    Notice::LeaseEnded { .. } | Notice::Lost { lease: Some(_), .. }
                );
                let to = if of_lease { &hold } else { &relay };
                if to.send(notice).is_err() {
                    return;
                }
            }
        });
        let mut test = TestServer::of(server, card, folder).await;
        test.make_ready().await;
        Self {
            test,
            held,
            coordinator,
        }
    }

    async fn lock(&self, id: &ActivationId) {
        let terms = self.test.view(id).await.terms;
        let person = self.test.anna().person.clone();
        let request = LockRequest {
            actor: operator(&person),
            person,
            is_admin: true,
        };
        self.test
            .server
            .activations
            .lock(&terms, request)
            .await
            .expect("locked");
        let view = self.test.view(id).await;
        assert!(matches!(reason(&view), EndReason::Locked { .. }));
    }

    /// Sends a notice, and waits until the coordinator has read it: it reads notices before commands.
    async fn deliver(&self, notice: Notice) {
        self.coordinator.send(notice).expect("the coordinator runs");
        let begun = self
            .test
            .server
            .activations
            .coordinators()
            .begin(&hsm_id())
            .await;
        begun.expect("answered");
    }
}

#[tokio::test]
async fn a_late_end_notice_does_not_end_the_next_lease() {
    let mut delayed = DelayedNotices::ready().await;
    let first = delayed.test.request_any_content("ec", 2, 10).await;
    delayed.test.open(&first).await;
    let notice = delayed.held.recv().await.expect("a notice of its end");
    delayed.lock(&first).await;
    let next = delayed.test.request_any_content("ec", 600, 10).await;
    delayed.test.open(&next).await;
    delayed.deliver(notice).await;
    let made = delayed.test.sign(&next, "1", &request_for("a", EC)).await;
    assert!(made.is_ok(), "{made:?}");
    delayed.test.shutdown().await;
}

#[tokio::test]
async fn a_late_loss_notice_keeps_the_approvals_of_the_next_activation() {
    let mut delayed = DelayedNotices::ready().await;
    let first = delayed.test.request_any_content("ec", 600, 10).await;
    delayed.test.open(&first).await;
    delayed.test.hsm.remove();
    let notice = delayed.held.recv().await.expect("a notice of its loss");
    delayed.lock(&first).await;
    delayed.test.hsm.insert();
    let locked = |view: &countersign_protocol::hsm::HsmView| view.state == HsmState::Locked;
    delayed.test.wait_for_hsm(locked).await;
    let next = delayed.test.request_any_content("ec", 600, 10).await;
    delayed.test.approve(ANNA, &next).await;
    delayed.deliver(notice).await;
    let (_, view) = delayed.test.approve(CARLA, &next).await;
    assert!(matches!(view.state, ActivationState::Open { .. }));
    delayed.test.shutdown().await;
}
