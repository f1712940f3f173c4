//! What was signed, and the receipt: who allowed it.

use countersign_protocol::{
    Timestamp,
    activation::Answer,
    dsse::Envelope,
    encoding::Base64,
    id::ActivationId,
    receipt::{Receipt, ReceiptApproval},
    signature::SignatureView,
};
use sqlx::SqliteConnection;

use super::to_view;
use crate::{
    activation::{self, ActivationError},
    app::App,
    hsm::HsmError,
    store,
};

/// Signatures made under an activation, oldest first.
///
/// # Errors
/// [`ActivationError`].
pub async fn signatures(
    connection: &mut SqliteConnection,
    id: &ActivationId,
) -> Result<Vec<SignatureView>, ActivationError> {
    let terms = activation::load(connection, id).await?.terms;
    let made = store::signatures::made(connection, id).await?;
    Ok(made
        .into_iter()
        .filter_map(|stored| to_view(&terms, stored))
        .collect())
}

/// The receipt as it stands now, signed by this server.
///
/// # Errors
/// [`ActivationError`].
pub async fn receipt(app: &App, id: &ActivationId) -> Result<Envelope, ActivationError> {
    let mut connection = app.store.read().await?;
    let view = activation::by_id(&mut connection, app, id).await?;
    let answers = store::activations::answers(&mut connection, id).await?;
    let mut approvals = Vec::new();
    for answer in answers {
        let (Answer::Authenticated { .. }, Some(statement)) = (answer.answer, answer.statement)
        else {
            continue;
        };
        if let Some(operator) = store::operators::by_key(&mut connection, &answer.key).await? {
            approvals.push(ReceiptApproval {
                person: operator.view.person,
                statement,
                pka: Base64(operator.pka),
            });
        }
    }
    let hsm = &view.terms.hsm;
    let device = app.hsms.get(&hsm.id)?.device()?;
    if *device.id() != hsm.device {
        return Err(HsmError::Unavailable(format!(
            "the receipt needs the certificates of the device {}: attach it",
            hsm.device
        ))
        .into());
    }
    Ok(app.identity.seal(&Receipt {
        server: app.identity.identity().clone(),
        device_certificates: Base64(device.verified.chain().to_ef()),
        approvals,
        signatures: signatures(&mut connection, id).await?,
        activation: view,
        at: Timestamp::now(),
    })?)
}
