//! Approves an activation, and approves it again if the HSM requires a fresh challenge.

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
    consent::{ApprovalRequest, Consent, Elsewhere},
    prompt::PinPurpose,
    task::CheckedTask,
};

/// How long a PIN session waits for [`countersign_protocol::helper::Operation::ApproveAgain`].
const SESSION: Duration = Duration::from_secs(60);
/// How much longer it waits for each further HSM of a pool.
const PER_FURTHER_HSM: Duration = Duration::from_secs(10);

/// A PIN session that can sign for a further challenge under the same consent.
pub(super) struct ApprovalSession {
    session: PinSession,
    consent: Consent<ApprovalRequest>,
    until: Instant,
}

impl ApprovalSession {
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
        let further = PER_FURTHER_HSM * u32::try_from(further).unwrap_or_default();
        let elsewhere = self.approved_elsewhere(&approve)?;
        let request = ApprovalRequest::new(task.server.clone(), approve, device, found.signer())?
            .with_elsewhere(elsewhere);
        let (consent, mut session) = {
            let prompt = self.acquire_prompt()?;
            let consent = self.obtain_consent(request, &task, &prompt, caller)?;
            let purpose = PinPurpose {
                action: "Approve",
                text: consent.subject().summary(),
            };
            let session = self.unlock(&found.card, purpose, &prompt, caller)?;
            (consent, session)
        };
        caller.step(Step::Signing);
        self.note_approved(&consent)?;
        let approval = session.approve(&consent)?;
        self.helper.tasks.mark_answered(&task);
        self.approval_session = Some(ApprovalSession {
            session,
            consent,
            until: Instant::now() + SESSION + further,
        });
        Ok(Answer::Approved {
            approval: Box::new(approval),
        })
    }

    pub(super) fn approve_again(
        &mut self,
        envelope: &Envelope,
        caller: &Caller,
    ) -> Result<Answer, HelperError> {
        // The session is taken out here, so that any error ends it.
        let mut open = self
            .approval_session
            .take()
            .ok_or_else(advice::no_session)?;
        let (task, approve) = self.check_approve(envelope)?;
        let device = self.verify_hsm(&approve)?;
        open.consent = open.consent.again(task.server.clone(), approve, device)?;
        caller.step(Step::Signing);
        self.note_approved(&open.consent)?;
        let approval = open.session.approve(&open.consent)?;
        self.helper.tasks.mark_answered(&task);
        self.approval_session = Some(open);
        Ok(Answer::Approved {
            approval: Box::new(approval),
        })
    }

    /// HSMs of the request for which the user has approved under another server.
    fn approved_elsewhere(&self, approve: &ApproveTask) -> Result<Vec<Elsewhere>, HelperError> {
        let mut elsewhere = Vec::new();
        for (_, hsm) in approve.terms.members() {
            let server = self
                .helper
                .origins
                .approved_elsewhere(&self.origin, &hsm.device)
                .map_err(advice::internal)?;
            if let Some(server) = server {
                let hsm = hsm.device.clone();
                elsewhere.push(Elsewhere { hsm, server });
            }
        }
        Ok(elsewhere)
    }

    /// Records the HSM before the card signs, so that no approval can be missing.
    fn note_approved(&self, consent: &Consent<ApprovalRequest>) -> Result<(), HelperError> {
        self.helper
            .origins
            .note_approved(&self.origin, consent.subject().device().id())
            .map_err(advice::internal)
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
            return Err(advice::task_refused("This request has expired."));
        }
        Ok((task, *approve))
    }

    /// Verifies the HSM's certificate chain. What the server states about the HSM is not trusted.
    fn verify_hsm(&self, approve: &ApproveTask) -> Result<VerifiedDevice, HelperError> {
        DeviceChain::from_ef(approve.device_certificates.as_bytes())
            .and_then(|chain| chain.verify(self.helper.cards.anchors()))
            .map_err(|why| {
                advice::task_refused(format!(
                    "The signing HSM couldn't be verified as genuine: {why}."
                ))
            })
    }
}
