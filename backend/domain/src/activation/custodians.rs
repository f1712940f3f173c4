//! Approves or declines an activation for a custodian, on each of its HSMs in turn. One consent covers all of them.

use std::time::Duration;

use countersign_protocol::{
    activation::{ActivationTerms, SignedApproval},
    dsse::Envelope,
};
use tokio::time::timeout;

use super::{ActivationError, Activations, Approved, Custodian};
use crate::hsm::HsmError;

/// Maximum time that an HSM of a pool may take to create a challenge.
const CHALLENGE_TIMEOUT: Duration = Duration::from_secs(8);

impl Activations {
    /// Creates the task for a custodian's helper, for the first HSM that lacks their approval.
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
                // An HSM that does not answer must not delay the others.
                let late = |_| {
                    HsmError::Unavailable(format!(
                        "HSM {} did not answer within {} s: try again later",
                        hsm.id,
                        CHALLENGE_TIMEOUT.as_secs()
                    ))
                    .into()
                };
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
        Err(refused.unwrap_or_else(|| ActivationError::NotFound(terms.id.activation())))
    }

    /// Presents an approval for one HSM. The result may be the task for the next HSM.
    pub async fn approve(
        &self,
        terms: &ActivationTerms,
        custodian: &Custodian,
        signed: SignedApproval,
    ) -> Result<Approved, ActivationError> {
        let activation = signed.activation.clone();
        let members = terms.members();
        let Some((_, hsm)) = members.iter().find(|(member, _)| *member == activation) else {
            return Err(ActivationError::Rejected(format!(
                "it is for activation {activation} instead of {}; reload the page and approve again",
                terms.id
            )));
        };
        let approved = self
            .coordinators
            .approve(&hsm.id, activation, custodian.clone(), signed)
            .await?;
        if matches!(approved, Approved::Counted)
            && terms.pool.is_some()
            && let Ok(task) = self.task(terms, custodian).await
        {
            return Ok(Approved::SignAgain { task });
        }
        Ok(approved)
    }

    /// Declines on every HSM.
    ///
    /// # Errors
    /// Declining failed on every HSM; the error is that of the first one.
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
