//! Lists: people, tokens and the audit log.

use countersign_protocol::{
    audit::AuditPage,
    cvc::Fingerprint,
    id::HsmId,
    operator::{InvitationView, OperatorView},
    token::TokenView,
};

use super::Views;
use crate::store::{self, StoreError, summaries::Summary};

impl Views {
    pub async fn operators(&self) -> Result<Vec<OperatorView>, StoreError> {
        let mut connection = self.store.read().await?;
        let operators = store::operators::list(&mut connection).await?;
        Ok(operators
            .into_iter()
            .map(|operator| operator.view)
            .collect())
    }

    pub async fn invitations(&self) -> Result<Vec<InvitationView>, StoreError> {
        let mut connection = self.store.read().await?;
        store::invitations::list(&mut connection).await
    }

    /// The certificate that the server stores for a signing key, in DER.
    pub async fn certificate(&self, key: &Fingerprint) -> Result<Option<Vec<u8>>, StoreError> {
        let mut connection = self.store.read().await?;
        let record = store::keys::load(&mut connection, key).await?;
        Ok(record.certificate)
    }

    /// Members of activations on an HSM that have not ended, oldest first.
    pub async fn active_of(&self, hsm: &HsmId) -> Result<Vec<Summary>, StoreError> {
        let mut connection = self.store.read().await?;
        store::summaries::active_of(&mut connection, hsm).await
    }

    pub async fn tokens(&self) -> Result<Vec<TokenView>, StoreError> {
        let mut connection = self.store.read().await?;
        store::tokens::list(&mut connection).await
    }

    /// Up to `limit` entries of the audit log before the entry `before`, newest first.
    pub async fn audit(&self, before: Option<u64>, limit: u32) -> Result<AuditPage, StoreError> {
        let mut connection = self.store.read().await?;
        store::audit::page(&mut connection, before, limit).await
    }
}
