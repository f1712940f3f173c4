//! Activations as people see them.

use countersign_protocol::{
    activation::{ActivationState, ActivationView, Answer, CustodianProgress},
    id::ActivationId,
};
use sqlx::SqliteConnection;

use super::ActivationError;
use crate::{
    app::App,
    store::{self, StoreError, activations::Activation},
};

/// The stored activation.
///
/// # Errors
/// [`ActivationError::NotFound`].
pub async fn load(
    connection: &mut SqliteConnection,
    id: &ActivationId,
) -> Result<Activation, ActivationError> {
    store::activations::by_id(connection, id)
        .await?
        .ok_or_else(|| ActivationError::NotFound(id.clone()))
}

/// The activation with this id.
///
/// # Errors
/// [`ActivationError::NotFound`].
pub async fn by_id(
    connection: &mut SqliteConnection,
    app: &App,
    id: &ActivationId,
) -> Result<ActivationView, ActivationError> {
    let activation = load(connection, id).await?;
    Ok(build(connection, app, &activation).await?)
}

/// What a queued activation waits for. Its requester may end an activation of their own, and is not told of others'.
async fn ahead(
    connection: &mut SqliteConnection,
    activation: &Activation,
) -> Result<Option<String>, StoreError> {
    let terms = &activation.terms;
    if activation.state != ActivationState::Queued {
        return Ok(None);
    }
    let active = store::activations::active_of(connection, &terms.hsm.id).await?;
    let first = active
        .iter()
        .find(|other| other.state != ActivationState::Queued && other.terms.id != terms.id);
    let Some(other) = first else {
        return Ok(Some("The HSM is absent, or not ready yet".into()));
    };
    let until = match other.state {
        ActivationState::Open { until, .. } => {
            let until = until.strftime("%Y-%m-%d %H:%M:%S UTC");
            format!("open until {until} at most")
        }
        _ => "waiting for its custodians".into(),
    };
    Ok(Some(if other.terms.requester.id == terms.requester.id {
        let id = &other.terms.id;
        format!(
            "Activation {id} of the same requester has the HSM, {until}; `countersign activation lock {id}` ends it"
        )
    } else {
        format!("Another requester's activation has the HSM, {until}")
    }))
}

/// Everything that people see of a stored activation.
pub(super) async fn build(
    connection: &mut SqliteConnection,
    app: &App,
    activation: &Activation,
) -> Result<ActivationView, StoreError> {
    let id = &activation.terms.id;
    let answers = store::activations::answers(connection, id).await?;
    let registered = store::hsms::custodians(connection, &activation.terms.hsm.id).await?;
    let custodians = registered
        .into_iter()
        .map(|custodian| CustodianProgress {
            answer: answers
                .iter()
                .find(|answer| answer.key == custodian.key)
                .map_or(Answer::Missing, |answer| answer.answer.clone()),
            person: custodian.person,
            key: custodian.key,
            chr: custodian.chr,
        })
        .collect();
    let (signatures, reserved) = store::signatures::counts(connection, id).await?;
    let mut state = activation.state.clone();
    if let ActivationState::Open { left, .. } = &mut state {
        *left = activation.terms.lease.signatures.saturating_sub(reserved);
    }
    Ok(ActivationView {
        terms: activation.terms.clone(),
        revision: activation.revision,
        state,
        custodians,
        authenticated: activation.authenticated,
        signatures,
        notice: match &activation.notice {
            Some(notice) => Some(notice.clone()),
            None => ahead(connection, activation).await?,
        },
        url: format!("{}/a/{id}", app.config.public_origin),
    })
}
