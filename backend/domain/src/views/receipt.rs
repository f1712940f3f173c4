//! Receipts, which prove who approved the signatures of an activation.

use countersign_protocol::{
    Timestamp,
    activation::Decision,
    dsse::Envelope,
    encoding::Base64,
    id::ActivationId,
    receipt::{Receipt, ReceiptApproval},
};
use sqlx::SqliteConnection;

use super::{Views, signatures};
use crate::{
    activation::ActivationError,
    hsm::HsmError,
    store::{self, activations::Activation},
};

impl Views {
    /// The present receipt of an activation, signed by this server.
    ///
    /// # Errors
    /// The activation does not exist, or a device that it used is not connected, because the receipt includes the device's
    /// certificates.
    pub async fn receipt(&self, id: &ActivationId) -> Result<Envelope, ActivationError> {
        let mut connection = self.store.read().await?;
        let members = store::activations::members(&mut connection, id).await?;
        let mut receipts = Vec::new();
        for member in &members {
            receipts.push(self.member_receipt(&mut connection, member).await?);
        }
        let others = receipts.split_off(receipts.len().min(1));
        let first = receipts
            .pop()
            .ok_or_else(|| ActivationError::NotFound(id.clone()))?;
        Ok(self.identity.seal(&Receipt { others, ..first })?)
    }

    /// The receipt of one member.
    async fn member_receipt(
        &self,
        connection: &mut SqliteConnection,
        member: &Activation,
    ) -> Result<Receipt, ActivationError> {
        let view = self.whole_member(connection, member).await?;
        let decisions = store::activations::decisions(connection, &member.terms.id).await?;
        let mut approvals = Vec::new();
        for decision in decisions {
            let (Decision::Approved { .. }, Some(statement)) =
                (decision.decision, decision.statement)
            else {
                continue;
            };
            if let Some(operator) = store::operators::by_key(connection, &decision.key).await? {
                approvals.push(ReceiptApproval {
                    person: operator.view.person,
                    statement,
                    pka: Base64(operator.pka),
                });
            }
        }
        let hsm = &member.terms.hsm;
        let device = self.hsms.get(&hsm.id)?.device()?;
        if *device.id() != hsm.device {
            return Err(HsmError::Unavailable(format!(
                "the receipt needs the certificates of the device {}: connect it and try again",
                hsm.device
            ))
            .into());
        }
        Ok(Receipt {
            server: self.identity.identity().clone(),
            device_certificates: Base64(device.verified.chain().to_ef()),
            approvals,
            signatures: signatures::of_member(
                connection,
                &member.terms,
                &member.terms.id.activation(),
            )
            .await?,
            activation: view,
            others: Vec::new(),
            at: Timestamp::now(),
        })
    }
}
