//! Certificates and settings that the server stores for signing keys, in addition to what the HSM holds.

pub mod certificate;
mod error;

pub use error::KeyError;

use countersign_protocol::{
    audit::{Actor, AuditEvent},
    cvc::{Fingerprint, PublicKey},
    digest::Sha256Digest,
    hsm::KeySettings,
    purpose::KeyName,
};

use crate::{
    events::Change,
    hsm::{HsmError, Hsms},
    mandate::Mandate,
    store::{self, Store, WriteTx, keys::KeyRecord},
};

/// Changes the stored certificates and settings of signing keys. Clones share the same state.
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

    /// Stores a certificate for a key. A caller without the admin role may only add the first certificate, and only if the key
    /// itself signed it, because custodians approved that signature.
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
        self.save(&mut tx, key, &record, actor, event).await?;
        Ok(tx.commit().await?)
    }

    /// Removes the stored certificate. Succeeds if none is stored.
    pub async fn remove_certificate(
        &self,
        actor: &Actor,
        key: &Fingerprint,
    ) -> Result<(), KeyError> {
        let mut tx = self.store.write().await?;
        let mut record = store::keys::load(tx.connection(), key).await?;
        let Some(der) = record.certificate.take() else {
            // A wrong fingerprint must not look like success.
            self.find(key)?;
            return Ok(());
        };
        let event = AuditEvent::CertificateRemoved {
            key: *key,
            certificate: Sha256Digest::of(&der),
        };
        self.save(&mut tx, key, &record, actor, event).await?;
        Ok(tx.commit().await?)
    }

    /// Changes the settings of a key. Raw RSA can only be forbidden in this way.
    pub async fn put_settings(
        &self,
        actor: &Actor,
        key: &Fingerprint,
        settings: KeySettings,
    ) -> Result<(), KeyError> {
        if settings.raw_rsa {
            return Err(KeyError::NeedsAct);
        }
        let mut tx = self.store.write().await?;
        self.store_settings(&mut tx, actor, key, settings).await?;
        Ok(tx.commit().await?)
    }

    /// The name of an RSA key for which raw RSA can be allowed.
    pub(crate) fn rsa_key(&self, key: &Fingerprint) -> Result<KeyName, KeyError> {
        if !matches!(self.find(key)?, PublicKey::Rsa(_)) {
            return Err(KeyError::RawRsaOnEcKey);
        }
        let places = self.hsms.find_key(None, &key.to_hex())?;
        let label = places.into_iter().next().map(|place| place.label);
        Ok(KeyName {
            label: label.ok_or(HsmError::AttachedJustNow)?,
            fingerprint: *key,
        })
    }

    /// Allows raw RSA with a key, in a transaction.
    pub async fn allow_raw_rsa(
        &self,
        tx: &mut WriteTx,
        mandate: &Mandate,
        key: &Fingerprint,
    ) -> Result<(), KeyError> {
        self.rsa_key(key)?;
        let settings = KeySettings { raw_rsa: true };
        self.store_settings(tx, &mandate.actor(), key, settings)
            .await
    }

    async fn store_settings(
        &self,
        tx: &mut WriteTx,
        actor: &Actor,
        key: &Fingerprint,
        settings: KeySettings,
    ) -> Result<(), KeyError> {
        let mut record = store::keys::load(tx.connection(), key).await?;
        if record.settings == settings {
            self.find(key)?;
            return Ok(());
        }
        record.settings = settings;
        let event = AuditEvent::KeySettingsChanged {
            key: *key,
            settings,
        };
        self.save(tx, key, &record, actor, event).await
    }

    /// Stores a change in a transaction, and notifies listeners of every HSM that holds the key.
    async fn save(
        &self,
        tx: &mut WriteTx,
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
        Ok(())
    }
}
