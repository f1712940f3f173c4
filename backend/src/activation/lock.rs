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
    let custodians = store::hsms::custodians(&mut connection, &terms.hsm.id).await?;
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
    if let Some(lease) = app.activations.lease(&terms.id) {
        lease.revoke();
    }
    app.activations
        .end_for(&terms.hsm.id, terms.id.clone(), request)
        .await
}
