//! *Lock now*, and the requester's withdrawal.

use countersign_protocol::{
    activation::{ActivationTerms, ActivationView},
    audit::Actor,
    operator::Person,
};

use super::ActivationError;
use crate::{app::App, store};

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
    let mut result = None;
    for (id, hsm) in terms.members() {
        let locked = app.activations.end_for(&hsm.id, id, request.clone()).await;
        result = match (result, locked) {
            // An HSM that was done before is as well.
            (Some(Ok(view)), Err(ActivationError::Ended(_))) => Some(Ok(view)),
            (Some(Err(ActivationError::Ended(_))) | None, locked) => Some(locked),
            (Some(Err(error)), _) => Some(Err(error)),
            (Some(Ok(_)), locked) => Some(locked),
        };
    }
    result.unwrap_or_else(|| Err(ActivationError::NotFound(terms.id.clone())))
}
