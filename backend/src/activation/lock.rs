//! *Lock now*, and the requester's withdrawal.

use countersign_protocol::{
    activation::{ActivationTerms, ActivationView},
    audit::Actor,
    operator::Person,
};

use super::ActivationError;
use crate::{app::App, hsm::HsmError, store};

/// Who wants an activation to end.
#[derive(Clone, Debug)]
pub struct LockRequest {
    /// Who.
    pub person: Person,
    /// For the audit log.
    pub actor: Actor,
    /// Whether they are an admin.
    pub admin: bool,
}

/// Ends an activation; answers after the HSM was proven locked.
///
/// # Errors
/// [`ActivationError`].
pub async fn lock(
    app: &App,
    terms: &ActivationTerms,
    request: LockRequest,
) -> Result<ActivationView, ActivationError> {
    let mut connection = app.store.read().await?;
    let mut custodians = Vec::new();
    for (_, hsm) in terms.members() {
        custodians.extend(store::hsms::custodians(&mut connection, &hsm.id).await?);
    }
    drop(connection);
    let may = request.admin
        || terms.requester.id == request.person.id
        || custodians
            .iter()
            .any(|custodian| custodian.person.id == request.person.id);
    if !may {
        return Err(ActivationError::NotAllowed(
            "only its requester, custodians of this HSM and admins can lock it".into(),
        ));
    }
    // What waits for the card already must not be signed any more.
    for lease in app
        .activations
        .pool(&terms.id)
        .iter()
        .flat_map(|pool| pool.open())
    {
        lease.revoke();
    }
    // All at once: an HSM that is slow to answer keeps no other one open.
    let locking: Vec<_> = terms
        .members()
        .into_iter()
        .map(|(id, hsm)| {
            let (app, hsm, request) = (app.clone(), hsm.id.clone(), request.clone());
            // Goes on although the caller leaves.
            tokio::spawn(async move { app.activations.end_for(&hsm, id, request).await })
        })
        .collect();
    let mut locked = false;
    let mut refused = None;
    for result in locking {
        let stopped = |_| HsmError::Stopped.into();
        match result.await.map_err(stopped).flatten() {
            Ok(_) => locked = true,
            // An HSM that was done before, or is here no more, is as well.
            Err(
                error @ (ActivationError::Ended(_) | ActivationError::Hsm(HsmError::NotFound(_))),
            ) => {
                refused.get_or_insert(error);
            }
            Err(error) => return Err(error),
        }
    }
    match refused {
        Some(error) if !locked => Err(error),
        _ => {
            let mut connection = app.store.read().await?;
            super::by_id(&mut connection, app, &terms.id).await
        }
    }
}
