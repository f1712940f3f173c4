//! Signing keys: certificates and settings that the server keeps beside the HSM.

pub mod certificate;

use countersign_protocol::{
    audit::{Actor, AuditEvent},
    cvc::{Fingerprint, PublicKey},
    digest::Sha256Digest,
    event::Event,
    hsm::KeySettings,
};

use crate::{
    app::App,
    hsm::{self, HsmError},
    keys::certificate::CertificateError,
    store::{self, StoreError, WriteTx, keys::KeptKey},
};

/// Why something about a key was not changed.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// No such key.
    #[error(transparent)]
    Hsm(#[from] HsmError),
    /// The certificate.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// Somebody else has to do it.
    #[error("{0}")]
    NotAllowed(&'static str),
    /// Not for this key.
    #[error("{0}")]
    Invalid(&'static str),
    /// Database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<sqlx::Error> for KeyError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

fn find(app: &App, key: &Fingerprint) -> Result<PublicKey, KeyError> {
    Ok(app.hsms.public_key(key)?)
}

/// Keeps a certificate. Somebody who is no admin may bring one where there is none, if the key itself signed it: the
/// quorum allowed that signature.
///
/// # Errors
/// [`KeyError`].
pub async fn put_certificate(
    app: &App,
    actor: &Actor,
    admin: bool,
    key: &Fingerprint,
    der: Vec<u8>,
) -> Result<(), KeyError> {
    let public_key = find(app, key)?;
    certificate::check(&der, &public_key)?;
    if !admin && !certificate::is_self_signed(&der, &public_key) {
        return Err(KeyError::NotAllowed(
            "only an admin adds a certificate that another key signed",
        ));
    }
    let mut tx = app.store.write().await?;
    let mut kept = store::keys::kept(tx.connection(), key).await?;
    if kept.certificate.as_ref() == Some(&der) {
        return Ok(());
    }
    if !admin && kept.certificate.is_some() {
        return Err(KeyError::NotAllowed(
            "the key has a certificate already: only an admin replaces it",
        ));
    }
    let event = AuditEvent::CertificateStored {
        key: *key,
        certificate: Sha256Digest::of(&der),
    };
    kept.certificate = Some(der);
    keep(app, tx, key, &kept, actor, event).await
}

/// Removes a certificate; nothing happens if there is none.
///
/// # Errors
/// [`KeyError`].
pub async fn remove_certificate(
    app: &App,
    actor: &Actor,
    key: &Fingerprint,
) -> Result<(), KeyError> {
    let mut tx = app.store.write().await?;
    let mut kept = store::keys::kept(tx.connection(), key).await?;
    let Some(der) = kept.certificate.take() else {
        return Ok(());
    };
    let event = AuditEvent::CertificateRemoved {
        key: *key,
        certificate: Sha256Digest::of(&der),
    };
    keep(app, tx, key, &kept, actor, event).await
}

/// Changes what may be done with a key.
///
/// # Errors
/// [`KeyError`].
pub async fn put_settings(
    app: &App,
    actor: &Actor,
    key: &Fingerprint,
    settings: KeySettings,
) -> Result<(), KeyError> {
    if settings.raw_rsa && !matches!(find(app, key)?, PublicKey::Rsa(_)) {
        return Err(KeyError::Invalid(
            "raw RSA is for RSA keys: this is an EC key",
        ));
    }
    let mut tx = app.store.write().await?;
    let mut kept = store::keys::kept(tx.connection(), key).await?;
    if kept.settings == settings {
        return Ok(());
    }
    kept.settings = settings;
    let event = AuditEvent::KeySettingsChanged {
        key: *key,
        settings,
    };
    keep(app, tx, key, &kept, actor, event).await
}

/// Stores a change, and tells listeners of every HSM that has the key.
async fn keep(
    app: &App,
    mut tx: WriteTx,
    key: &Fingerprint,
    kept: &KeptKey,
    actor: &Actor,
    event: AuditEvent,
) -> Result<(), KeyError> {
    store::keys::keep(tx.connection(), key, kept).await?;
    tx.audit(actor, event).await?;
    for place in app.hsms.find_key(None, &key.to_hex()).unwrap_or_default() {
        let view = hsm::view(tx.connection(), &place.hsm).await?;
        tx.announce(Event::Hsm {
            hsm: Box::new(view),
        });
    }
    Ok(tx.commit().await?)
}
