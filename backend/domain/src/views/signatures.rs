//! Signatures under an activation.

use countersign_protocol::{
    activation::ActivationTerms, id::ActivationId, signature::SignatureView,
};
use sqlx::SqliteConnection;

use super::Views;
use crate::{
    signing::to_view,
    store::{self, StoreError},
};

impl Views {
    /// Signatures under an activation, on all its HSMs, oldest first.
    pub async fn signatures(&self, id: &ActivationId) -> Result<Vec<SignatureView>, StoreError> {
        let mut connection = self.store.read().await?;
        let mut all = Vec::new();
        for member in store::activations::members(&mut connection, id).await? {
            all.extend(of_member(&mut connection, &member.terms, id).await?);
        }
        all.sort_by_key(|signature| signature.made_at);
        Ok(all)
    }
}

/// Signatures of one member, as signatures under `activation`.
pub(super) async fn of_member(
    connection: &mut SqliteConnection,
    terms: &ActivationTerms,
    activation: &ActivationId,
) -> Result<Vec<SignatureView>, StoreError> {
    let made = store::signatures::made(connection, &terms.id).await?;
    Ok(made
        .into_iter()
        .filter_map(|stored| to_view(terms, activation, stored))
        .collect())
}
