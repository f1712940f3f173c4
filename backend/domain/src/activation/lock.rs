//! Cancels a request, or locks an open activation.

use countersign_protocol::{activation::ActivationTerms, audit::Actor, operator::Person};

use super::{ActivationError, Activations, command::Command};
use crate::{hsm::HsmError, store};

/// The person who wants an activation to end.
#[derive(Clone, Debug)]
pub struct LockRequest {
    pub person: Person,
    /// The actor in the audit log, which can be an API token.
    pub actor: Actor,
    pub is_admin: bool,
}

impl Activations {
    /// Ends an activation on every HSM, and returns when each of them is proven locked.
    ///
    /// # Errors
    /// [`ActivationError::CannotLock`] if the person is neither the requester nor a custodian of the HSM nor an admin;
    /// [`ActivationError::Ended`] if the activation has already ended on every HSM.
    pub async fn lock(
        &self,
        terms: &ActivationTerms,
        request: LockRequest,
    ) -> Result<(), ActivationError> {
        self.may_lock(terms, &request).await?;
        // Signatures that already wait for the HSM must not be created.
        for lease in self
            .leases
            .pool(&terms.id.activation())
            .iter()
            .flat_map(|pool| pool.open())
        {
            lease.revoke();
        }
        // Lock all HSMs at once, so that a slow HSM does not keep the others open.
        let locking: Vec<_> = terms
            .members()
            .into_iter()
            .map(|(activation, hsm)| {
                let (coordinators, hsm, request) =
                    (self.coordinators.clone(), hsm.id.clone(), request.clone());
                // Spawned so that it continues if the caller disconnects.
                tokio::spawn(async move {
                    let lock = |reply| Command::Lock {
                        activation,
                        request,
                        reply,
                    };
                    coordinators.ask(&hsm, lock).await
                })
            })
            .collect();
        let mut locked = false;
        let mut refused = None;
        for result in locking {
            let stopped = |_| HsmError::Stopped.into();
            match result.await.map_err(stopped).flatten() {
                Ok(()) => locked = true,
                // A member that already ended or was removed counts as locked.
                Err(
                    error @ (ActivationError::Ended(_)
                    | ActivationError::Hsm(HsmError::NotFound(_))),
                ) => {
                    refused.get_or_insert(error);
                }
                Err(error) => return Err(error),
            }
        }
        match refused {
            Some(error) if !locked => Err(error),
            _ => Ok(()),
        }
    }

    async fn may_lock(
        &self,
        terms: &ActivationTerms,
        request: &LockRequest,
    ) -> Result<(), ActivationError> {
        if request.is_admin || terms.requester.id == request.person.id {
            return Ok(());
        }
        let mut connection = self.store.read().await?;
        for (_, hsm) in terms.members() {
            let custodians = store::hsms::custodians(&mut connection, &hsm.id).await?;
            if custodians
                .iter()
                .any(|custodian| custodian.person.id == request.person.id)
            {
                return Ok(());
            }
        }
        Err(ActivationError::CannotLock)
    }
}
