//! Whether a custodian may approve or decline an activation now.

use countersign_protocol::activation::{ActivationState, Answer};

use super::Coordinator;
use crate::{
    activation::{ActivationError, Custodian},
    store::{self, activations::Activation, operators::Operator},
};

impl Coordinator {
    /// The custodian's key and card, and their answer so far.
    pub(super) async fn custodian(
        &self,
        activation: &Activation,
        custodian: &Custodian,
    ) -> Result<(Operator, Answer), ActivationError> {
        let mut connection = self.store.read().await?;
        let registered = store::hsms::custodians(&mut connection, self.hsm.id()).await?;
        if !registered
            .iter()
            .any(|registered| registered.key == custodian.key)
        {
            return Err(ActivationError::NotRegistered);
        }
        if activation.terms.requester.id == custodian.person.id {
            return Err(ActivationError::OwnRequest);
        }
        let operator = store::operators::by_key(&mut connection, &custodian.key)
            .await?
            .filter(Operator::is_confirmed)
            .ok_or(ActivationError::NotConfirmed)?;
        let answers = store::activations::answers(&mut connection, &activation.terms.id).await?;
        let answer = answers
            .into_iter()
            .find(|answer| answer.key == custodian.key)
            .map_or(Answer::Missing, |answer| answer.answer);
        Ok((operator, answer))
    }
}

/// Whether an activation is collecting approvals; otherwise why nobody can approve it.
pub(super) fn must_collect(activation: &Activation) -> Result<(), ActivationError> {
    match &activation.state {
        ActivationState::Collecting => Ok(()),
        ActivationState::Queued => {
            let waits = || "the HSM is absent, or another activation has it: wait".into();
            let notice = activation.notice.clone();
            Err(ActivationError::StillQueued(notice.unwrap_or_else(waits)))
        }
        ActivationState::Open { .. } => Err(ActivationError::AlreadyOpen),
        ActivationState::Ended { reason, .. } => Err(ActivationError::Ended(reason.clone())),
    }
}
