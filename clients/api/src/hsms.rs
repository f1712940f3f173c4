//! Signing HSMs and their keys.

use std::time::Duration;

use countersign_protocol::{
    cvc::Fingerprint,
    encoding::Base64,
    hsm::{HsmView, InitialiseHsm, KeySettings, NewCertificate, RegisterCustodian, SigningKeyView},
    id::HsmId,
};

use crate::{
    client::{Client, Limit},
    error::ClientError,
    path::segment,
};

/// Somebody has to enter the SO-PIN at the server.
const INITIALISE: Duration = Duration::from_secs(15 * 60);

fn path(id: &HsmId) -> String {
    format!("/hsms/{}", segment(id.as_str()))
}

impl Client {
    /// Every signing HSM.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn hsms(&self) -> Result<Vec<HsmView>, ClientError> {
        self.get("/hsms")
    }

    /// One signing HSM.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn hsm(&self, id: &HsmId) -> Result<HsmView, ClientError> {
        self.get(&path(id))
    }

    /// Initialises an HSM, which erases it; waits up to 15 minutes for the SO-PIN at the server.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn initialise_hsm(&self, id: &HsmId, body: &InitialiseHsm) -> Result<HsmView, ClientError> {
        self.post_with(
            &format!("{}/initialise", path(id)),
            body,
            &[],
            Limit::Answer(INITIALISE),
        )
        .map(|(_, hsm)| hsm)
    }

    /// Registers a confirmed key as custodian of an HSM.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn register_custodian(
        &self,
        id: &HsmId,
        body: &RegisterCustodian,
    ) -> Result<HsmView, ClientError> {
        self.post(&format!("{}/custodians", path(id)), body)
    }

    /// Keys that can sign, of every HSM.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn keys(&self) -> Result<Vec<SigningKeyView>, ClientError> {
        self.get("/keys")
    }

    /// Has the server keep a certificate (DER) for a key.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn put_certificate(&self, key: &Fingerprint, der: Vec<u8>) -> Result<(), ClientError> {
        let body = NewCertificate { der: Base64(der) };
        self.put(&format!("/keys/{}/certificate", key.to_hex()), &body)
    }

    /// Removes the certificate that the server keeps for a key; admins only.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn remove_certificate(&self, key: &Fingerprint) -> Result<(), ClientError> {
        self.delete(&format!("/keys/{}/certificate", key.to_hex()))
    }

    /// Changes what may be done with a key; admins only.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn put_key_settings(
        &self,
        key: &Fingerprint,
        settings: &KeySettings,
    ) -> Result<(), ClientError> {
        self.put(&format!("/keys/{}/settings", key.to_hex()), settings)
    }
}
