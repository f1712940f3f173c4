//! Signing keys: the certificates and settings that the server stores beside the HSM.

pub mod certificate;
mod error;

pub use error::KeyError;

use countersign_protocol::{
    audit::{Actor, AuditEvent},
    cvc::{Fingerprint, PublicKey},
    digest::Sha256Digest,
    hsm::KeySettings,
};

use crate::{
    events::Change,
    hsm::Hsms,
    store::{self, Store, WriteTx, keys::KeyRecord},
};

/// Changes what the server stores of signing keys. Clones share the same state.
#[derive(Clone)]
pub struct Keys {
    store: Store,
    hsms: Hsms,
}

impl Keys {
    pub fn new(store: Store, hsms: Hsms) -> Self {
        Self { store, hsms }
    }

    fn find(&self, key: &Fingerprint) -> Result<PublicKey, KeyError> {
        Ok(self.hsms.public_key(key)?)
    }

    /// Keeps a certificate. Somebody who is no admin may bring one where there is none, if the key itself signed it: the
    /// quorum allowed that signature.
    ///
    /// # Errors
    /// [`KeyError`].
    pub async fn put_certificate(
        &self,
        actor: &Actor,
        admin: bool,
        key: &Fingerprint,
        der: Vec<u8>,
    ) -> Result<(), KeyError> {
        let public_key = self.find(key)?;
        certificate::check(&der, &public_key)?;
        if !admin && !certificate::is_self_signed(&der, &public_key) {
            return Err(KeyError::NotSelfSigned);
        }
        let mut tx = self.store.write().await?;
        let mut record = store::keys::load(tx.connection(), key).await?;
        if record.certificate.as_ref() == Some(&der) {
            return Ok(());
        }
        if !admin && record.certificate.is_some() {
            return Err(KeyError::HasCertificate);
        }
        let event = AuditEvent::CertificateStored {
            key: *key,
            certificate: Sha256Digest::of(&der),
        };
        record.certificate = Some(der);
        self.save(tx, key, &record, actor, event).await
    }

    /// Removes a certificate; nothing happens if there is none.
    ///
    /// # Errors
    /// [`KeyError`].
    pub async fn remove_certificate(
        &self,
        actor: &Actor,
        key: &Fingerprint,
    ) -> Result<(), KeyError> {
        let mut tx = self.store.write().await?;
        let mut record = store::keys::load(tx.connection(), key).await?;
        let Some(der) = record.certificate.take() else {
            return Ok(());
        };
        let event = AuditEvent::CertificateRemoved {
            key: *key,
            certificate: Sha256Digest::of(&der),
        };
        self.save(tx, key, &record, actor, event).await
    }

    /// Changes what may be done with a key.
    ///
    /// # Errors
    /// [`KeyError`].
    pub async fn put_settings(
        &self,
        actor: &Actor,
        key: &Fingerprint,
        settings: KeySettings,
    ) -> Result<(), KeyError> {
        if settings.raw_rsa && !matches!(self.find(key)?, PublicKey::Rsa(_)) {
            return Err(KeyError::RawRsaOnEcKey);
        }
        let mut tx = self.store.write().await?;
        let mut record = store::keys::load(tx.connection(), key).await?;
        if record.settings == settings {
            return Ok(());
        }
        record.settings = settings;
        let event = AuditEvent::KeySettingsChanged {
            key: *key,
            settings,
        };
        self.save(tx, key, &record, actor, event).await
    }

    /// Stores a change, and tells listeners of every HSM that has the key.
    async fn save(
        &self,
        mut tx: WriteTx,
        key: &Fingerprint,
        record: &KeyRecord,
        actor: &Actor,
        event: AuditEvent,
    ) -> Result<(), KeyError> {
        store::keys::save(tx.connection(), key, record).await?;
        tx.audit(actor, event).await?;
        for place in self.hsms.find_key(None, &key.to_hex()).unwrap_or_default() {
            tx.changed(Change::Hsm(place.hsm.id().clone()));
        }
        Ok(tx.commit().await?)
    }
}
