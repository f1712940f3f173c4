//! What was signed, and the receipt: who allowed it.

use countersign_protocol::{
    Timestamp,
    activation::{ActivationTerms, Answer},
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
    store::{self, activations::Activation},
};

/// Signatures made under an activation, on whichever HSM, oldest first.
///
/// # Errors
/// [`ActivationError`].
pub async fn signatures(
    connection: &mut SqliteConnection,
    id: &ActivationId,
) -> Result<Vec<SignatureView>, ActivationError> {
    let mut all = Vec::new();
    for member in store::activations::members(connection, id).await? {
        all.extend(of_member(connection, &member.terms, &id.activation()).await?);
    }
    all.sort_by_key(|signature| signature.made_at);
    Ok(all)
}

/// What one HSM has made, as made under this activation.
async fn of_member(
    connection: &mut SqliteConnection,
    terms: &ActivationTerms,
    activation: &ActivationId,
) -> Result<Vec<SignatureView>, ActivationError> {
    let made = store::signatures::made(connection, &terms.id).await?;
    Ok(made
        .into_iter()
        .filter_map(|stored| to_view(terms, activation, stored))
        .collect())
}

/// The receipt as it stands now, signed by this server.
///
/// # Errors
/// [`ActivationError`].
pub async fn receipt(app: &App, id: &ActivationId) -> Result<Envelope, ActivationError> {
    let mut connection = app.store.read().await?;
    let members = store::activations::members(&mut connection, id).await?;
    let mut receipts = Vec::new();
    for member in &members {
        receipts.push(about_member(app, &mut connection, member).await?);
    }
    let others = receipts.split_off(receipts.len().min(1));
    let first = receipts
        .pop()
        .ok_or_else(|| ActivationError::NotFound(id.clone()))?;
    Ok(app.identity.seal(&Receipt { others, ..first })?)
}

/// What one HSM has to do with it.
async fn about_member(
    app: &App,
    connection: &mut SqliteConnection,
    member: &Activation,
) -> Result<Receipt, ActivationError> {
    let view = activation::of_member(connection, app, member).await?;
    let answers = store::activations::answers(connection, &member.terms.id).await?;
    let mut approvals = Vec::new();
    for answer in answers {
        let (Answer::Authenticated { .. }, Some(statement)) = (answer.answer, answer.statement)
        else {
            continue;
        };
        if let Some(operator) = store::operators::by_key(connection, &answer.key).await? {
            approvals.push(ReceiptApproval {
                person: operator.view.person,
                statement,
                pka: Base64(operator.pka),
            });
        }
    }
    let hsm = &member.terms.hsm;
    let device = app.hsms.get(&hsm.id)?.device()?;
    if *device.id() != hsm.device {
        return Err(HsmError::Unavailable(format!(
            "the receipt needs the certificates of the device {}: attach it",
            hsm.device
        ))
        .into());
    }
    Ok(Receipt {
        server: app.identity.identity().clone(),
        device_certificates: Base64(device.verified.chain().to_ef()),
        approvals,
        signatures: of_member(connection, &member.terms, &member.terms.id).await?,
        activation: view,
        others: Vec::new(),
        at: Timestamp::now(),
    })
}
