//! Checks whether a custodian may approve or decline an activation now.

use countersign_protocol::activation::{ActivationState, Decision};

use super::Coordinator;
use crate::{
    activation::{ActivationError, Custodian},
    store::{self, activations::Activation, operators::Operator},
};

impl Coordinator {
    /// Loads the custodian's enrolled key and their decision so far.
    ///
    /// # Errors
    /// The custodian may not decide about this activation.
    pub(super) async fn custodian(
        &self,
        activation: &Activation,
        custodian: &Custodian,
    ) -> Result<(Operator, Decision), ActivationError> {
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
        let decisions =
            store::activations::decisions(&mut connection, &activation.terms.id).await?;
        let decision = decisions
            .into_iter()
            .find(|decision| decision.key == custodian.key)
            .map_or(Decision::Pending, |decision| decision.decision);
        Ok((operator, decision))
    }
}

/// Checks that an activation is waiting for approvals.
pub(super) fn must_await_approvals(activation: &Activation) -> Result<(), ActivationError> {
    match &activation.state {
        ActivationState::AwaitingApprovals => Ok(()),
        ActivationState::Queued => {
            let waits = || "the HSM is not connected or in use: try again later".into();
            let notice = activation.notice.clone();
            Err(ActivationError::ExpiredInQueue(
                notice.unwrap_or_else(waits),
            ))
        }
        ActivationState::Open { .. } => Err(ActivationError::AlreadyOpen),
        ActivationState::Ended { reason, .. } => Err(ActivationError::Ended(reason.clone())),
    }
}
