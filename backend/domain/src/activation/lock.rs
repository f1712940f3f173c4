//! *Lock now*, and cancelling a request.

use countersign_protocol::{activation::ActivationTerms, audit::Actor, operator::Person};

use super::{ActivationError, Activations, command::Command};
use crate::{hsm::HsmError, store};

/// Who wants an activation to end.
#[derive(Clone, Debug)]
pub struct LockRequest {
    pub person: Person,
    /// As the audit log names them.
    pub actor: Actor,
    pub is_admin: bool,
}

impl Activations {
    /// Ends an activation on every HSM; returns after each was proven locked.
    ///
    /// # Errors
    /// [`ActivationError::CannotLock`]: the person has no part in it; [`ActivationError::Ended`]: it has ended already.
    pub async fn lock(
        &self,
        terms: &ActivationTerms,
        request: LockRequest,
    ) -> Result<(), ActivationError> {
        self.may_lock(terms, &request).await?;
        // Signatures that wait for the card already must not be made any more.
        for lease in self
            .leases
            .pool(&terms.id)
            .iter()
            .flat_map(|pool| pool.open())
        {
            lease.revoke();
        }
        // All at once, so that an HSM that is slow to answer keeps no other one open.
        let locking: Vec<_> = terms
            .members()
            .into_iter()
            .map(|(activation, hsm)| {
                let (coordinators, hsm, request) =
                    (self.coordinators.clone(), hsm.id.clone(), request.clone());
                // Goes on although the caller leaves.
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
