//! Verifies the device behind a new session before the thread of an HSM uses it.

use std::{sync::Arc, time::Duration};

use countersign_card::{CardError, SmartCardHsm};
use countersign_protocol::{
    Timestamp,
    audit::{Actor, Refusal},
    cvc::{DeviceId, TrustAnchors},
};

use super::Devices;
use crate::{
    config::UnknownDevices,
    events::Change,
    network::Network,
    remote::{
        Arrival, EXAMINATION_TIMEOUT, Ending, RamSession, RemoteTransport, TooManyWaiting, Waiting,
    },
};

impl Devices {
    /// Verifies the device behind a new session. Attaches it to its HSM, has it wait for an admin, or rejects it. Blocks.
    pub fn receive(&self, session: &Arc<RamSession>) {
        session.notify(1, "Verifying the device");
        let unprotected = |device: &DeviceId| {
            let slot = self.remote.slot(device);
            slot.is_some_and(|slot| slot.unprotected())
        };
        match verify(session, &self.anchors, unprotected, EXAMINATION_TIMEOUT) {
            Ok(arrival) => {
                session.mark_verified();
                self.admit(session, arrival);
            }
            Err(error) => {
                tracing::warn!(from = %session.from(), %error, "device rejected");
                self.note_refusal(session, format!("the device was rejected: {error}"));
                session.end(Ending::Refused(format!("Device rejected: {error}")));
            }
        }
    }

    /// Attaches a verified device, or applies the setting for unknown devices.
    fn admit(&self, session: &Arc<RamSession>, arrival: Arrival) {
        let device = arrival.device.id().clone();
        if self.attach(session, &device) {
            return;
        }
        match self.unknown {
            UnknownDevices::Reject => {
                tracing::warn!(%device, from = %session.from(), "unknown device rejected");
                self.note_refusal(
                    session,
                    format!("the device {device} is not in the configuration"),
                );
                session.end(Ending::Refused(format!(
                    "This server does not accept the device {device}: ask the server's operator to add it to the configuration"
                )));
            }
            UnknownDevices::Wait => {
                tracing::info!(%device, from = %session.from(), "unknown device added to the waiting list");
                let waiting = Waiting {
                    session: session.clone(),
                    arrival,
                    since: Timestamp::now(),
                };
                match self.remote.wait(device.clone(), waiting) {
                    Ok(()) => {
                        let server = &self.server;
                        session.notify(
                            2,
                            format!("The device {device} is genuine. It is waiting for an admin of {server} to accept it"),
                        );
                        self.store.publish(Change::Devices);
                    }
                    Err(TooManyWaiting) => {
                        self.note_refusal(session, "too many devices are waiting".to_owned());
                        session.end(Ending::Refused(
                            "Too many devices are waiting for acceptance: ask an admin to accept or decline some of them"
                                .into(),
                        ));
                    }
                }
            }
        }
    }

    /// Notes in the audit log that the device behind this session was rejected, without waiting for the database.
    fn note_refusal(&self, session: &RamSession, why: String) {
        let (refusals, network) = (self.refusals.clone(), Network::from(session.from()));
        tokio::runtime::Handle::current().spawn(async move {
            let actor = Actor::Stranger {
                network: network.into(),
            };
            let request = "POST /rt/hsm";
            refusals.note(Refusal::Device, actor, request, &why).await;
        });
    }

    /// Attaches the session of a verified device to its HSM. Returns whether the device belongs to an HSM.
    pub(super) fn attach(&self, session: &Arc<RamSession>, device: &DeviceId) -> bool {
        let Some(slot) = self.remote.slot(device) else {
            return false;
        };
        tracing::info!(%device, from = %session.from(), hsm = %slot.hsm(), "device attached");
        session.notify(
            3,
            format!("Attached: device {device} is HSM {}", slot.hsm()),
        );
        slot.put(session.clone());
        if let Ok(hsm) = self.fleet.hsms().get(slot.hsm()) {
            hsm.look();
        }
        true
    }
}

fn verify(
    session: &Arc<RamSession>,
    anchors: &TrustAnchors,
    unprotected: impl Fn(&DeviceId) -> bool,
    timeout: Duration,
) -> Result<Arrival, CardError> {
    let transport = RemoteTransport::for_examination(session.clone(), timeout);
    let mut card = SmartCardHsm::open(transport)?;
    let device = card.device_chain()?.verify(anchors)?;
    // A certificate can be copied, but only the device has its key. The secure channel proves it.
    match card.open_secure_channel(&device) {
        Err(CardError::SecureChannelUnsupported(_)) if unprotected(device.id()) => {}
        proven => proven?,
    }
    let info = card.token_info()?;
    let version = card.info().version_text();
    Ok(Arrival {
        device,
        info,
        version,
    })
}

#[cfg(test)]
mod tests {
    use countersign_ram::{Answer, Initiation, Instruction, Outcome};

    use super::*;
    use crate::remote::Reply;

    /// A client that answers every command slowly with one byte.
    async fn drip(session: &RamSession) {
        let mut answer = None;
        while let Reply::Work(request) = session.post(answer, None).await {
            let commands = request
                .instructions
                .iter()
                .filter(|instruction| matches!(instruction, Instruction::Command(_)));
            let outcomes: Vec<_> = commands
                .map(|_| Outcome::Response(vec![0x41, 0x90, 0x00]))
                .collect();
            tokio::time::sleep(Duration::from_millis(20)).await;
            answer = Some(Answer {
                executed: u32::try_from(outcomes.len()).unwrap(),
                outcomes,
            });
        }
    }

    #[tokio::test]
    async fn an_examination_ends_although_the_client_answers_every_command() {
        let initiation = Initiation {
            atr: Vec::new(),
            max_command: None,
            max_response: None,
        };
        let session = Arc::new(RamSession::new(&initiation, [127, 0, 0, 1].into()));
        let examined = session.clone();
        let examination = tokio::task::spawn_blocking(move || {
            let anchors = TrustAnchors::default();
            verify(&examined, &anchors, |_| false, Duration::from_millis(300))
        });
        let client = session.clone();
        let client = tokio::spawn(async move { drip(&client).await });
        assert!(matches!(
            examination.await.unwrap().err(),
            Some(CardError::Transport(_))
        ));
        // The place of the session is free, and the client hears of the end.
        assert!(matches!(session.ending(), Some(Ending::Lost(_))));
        client.await.unwrap();
    }
}
