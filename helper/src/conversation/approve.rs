//! Approving an activation, and once more where the HSM wants a fresh challenge.

use std::time::{Duration, Instant};

use countersign_protocol::{
    Timestamp,
    cvc::{DeviceChain, VerifiedDevice},
    dsse::Envelope,
    helper::{Answer, HelperError, Step},
    task::{ApproveTask, Task},
};

use super::{Caller, Conversation, wrong_kind};
use crate::{
    advice,
    cards::PinSession,
    consent::{ApprovalRequest, Consent},
    task::CheckedTask,
};

/// How long a PIN session waits for [`countersign_protocol::helper::Operation::ApproveAgain`].
const SESSION: Duration = Duration::from_secs(60);
/// And how much longer for each further HSM of a pool.
const FURTHER: Duration = Duration::from_secs(10);

/// A PIN session that can answer one more challenge of the same consent.
pub(super) struct Held {
    session: PinSession,
    consent: Consent<ApprovalRequest>,
    until: Instant,
}

impl Held {
    pub(super) fn until(&self) -> Instant {
        self.until
    }
}

impl Conversation {
    pub(super) fn approve(
        &mut self,
        envelope: &Envelope,
        caller: &Caller,
    ) -> Result<Answer, HelperError> {
        let (task, approve) = self.check_approve(envelope)?;
        let device = self.verify_hsm(&approve)?;
        let found = self
            .helper
            .cards
            .find_key(&approve.key, Some(&approve.terms.hsm.device))?;
        found.check_suitable()?;
        let further = approve.terms.members().len().saturating_sub(1);
        let further = FURTHER * u32::try_from(further).unwrap_or_default();
        let request = ApprovalRequest::new(task.server.clone(), approve, device, found.signer())?;
        let (consent, mut session) = {
            let seat = self.sit()?;
            let consent = self.agree(request, &task, &seat, caller)?;
            let session = self.unlock(&found.card, &consent.what().purpose(), &seat, caller)?;
            (consent, session)
        };
        caller.step(Step::Signing);
        let evidence = session.approve(&consent)?;
        self.helper.tasks.answered(&task);
        self.held = Some(Held {
            session,
            consent,
            until: Instant::now() + SESSION + further,
        });
        Ok(Answer::Approved {
            evidence: Box::new(evidence),
        })
    }

    pub(super) fn approve_again(
        &mut self,
        envelope: &Envelope,
        caller: &Caller,
    ) -> Result<Answer, HelperError> {
        // Taken out: an error of any kind ends the session.
        let mut held = self.held.take().ok_or_else(advice::no_session)?;
        let (task, approve) = self.check_approve(envelope)?;
        let device = self.verify_hsm(&approve)?;
        held.consent = held.consent.again(task.server.clone(), approve, device)?;
        caller.step(Step::Signing);
        let evidence = held.session.approve(&held.consent)?;
        self.helper.tasks.answered(&task);
        self.held = Some(held);
        Ok(Answer::Approved {
            evidence: Box::new(evidence),
        })
    }

    fn check_approve(
        &self,
        envelope: &Envelope,
    ) -> Result<(CheckedTask, ApproveTask), HelperError> {
        let task = self.check(envelope)?;
        let Task::Approve(approve) = task.task.clone() else {
            return Err(wrong_kind());
        };
        if approve.terms.expires_at <= Timestamp::now() {
            return Err(advice::task_refused("The time for this approval is over."));
        }
        Ok((task, *approve))
    }

    /// The HSM's chain is verified here, whatever the server says of it.
    fn verify_hsm(&self, approve: &ApproveTask) -> Result<VerifiedDevice, HelperError> {
        DeviceChain::from_ef(approve.device_certificates.as_bytes())
            .and_then(|chain| chain.verify(self.helper.cards.anchors()))
            .map_err(|why| {
                advice::task_refused(format!(
                    "The signing HSM isn't proven to be genuine: {why}."
                ))
            })
    }
}
