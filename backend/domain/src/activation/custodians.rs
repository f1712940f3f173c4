//! What custodians do: they approve or decline an activation on each of its HSMs, one after the other, in one consent.

use std::time::Duration;

use countersign_protocol::{
    activation::{ActivationTerms, ApprovalEvidence},
    dsse::Envelope,
};
use tokio::time::timeout;

use super::{ActivationError, Activations, Approved, Custodian};
use crate::hsm::HsmError;

/// How long one HSM of a pool may take to give its challenge.
const CHALLENGE_TIMEOUT: Duration = Duration::from_secs(8);

impl Activations {
    /// The task for a custodian's helper, for the first HSM that lacks their approval.
    pub async fn task(
        &self,
        terms: &ActivationTerms,
        custodian: &Custodian,
    ) -> Result<Envelope, ActivationError> {
        let mut refused = None;
        for (activation, hsm) in terms.members() {
            let task = self
                .coordinators
                .task(&hsm.id, activation, custodian.clone());
            let task = if terms.pool.is_some() {
                // The other HSMs need not wait for one that does not answer.
                let late =
                    |_| HsmError::Unavailable(format!("HSM {} does not answer", hsm.id)).into();
                timeout(CHALLENGE_TIMEOUT, task)
                    .await
                    .unwrap_or_else(|error| Err(late(error)))
            } else {
                task.await
            };
            match task {
                Ok(task) => return Ok(task),
                Err(error) => refused.get_or_insert(error),
            };
        }
        Err(refused.unwrap_or_else(|| ActivationError::NotFound(terms.id.clone())))
    }

    /// Hands in what a custodian's card has signed for one HSM; the result may be the task for the next one.
    pub async fn approve(
        &self,
        terms: &ActivationTerms,
        custodian: &Custodian,
        evidence: ApprovalEvidence,
    ) -> Result<Approved, ActivationError> {
        let activation = evidence.activation.clone();
        let members = terms.members();
        let Some((_, hsm)) = members.iter().find(|(member, _)| *member == activation) else {
            return Err(ActivationError::Rejected(format!(
                "it is about the activation {activation}, not about {}",
                terms.id
            )));
        };
        let approved = self
            .coordinators
            .approve(&hsm.id, activation, custodian.clone(), evidence)
            .await?;
        if matches!(approved, Approved::Counted)
            && terms.pool.is_some()
            && let Ok(task) = self.task(terms, custodian).await
        {
            return Ok(Approved::SignAgain { task });
        }
        Ok(approved)
    }

    /// Declines for every HSM.
    ///
    /// # Errors
    /// No HSM's coordinator took it.
    pub async fn decline(
        &self,
        terms: &ActivationTerms,
        custodian: &Custodian,
        reason: &str,
    ) -> Result<(), ActivationError> {
        let mut refused = None;
        let mut declined = false;
        for (activation, hsm) in terms.members() {
            let answer = self.coordinators.decline(
                &hsm.id,
                activation,
                custodian.clone(),
                reason.to_owned(),
            );
            match answer.await {
                Ok(()) => declined = true,
                Err(error) => {
                    refused.get_or_insert(error);
                }
            }
        }
        match refused {
            Some(error) if !declined => Err(error),
            _ => Ok(()),
        }
    }
}
