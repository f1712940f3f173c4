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

/// Initialising takes this long at most, because a person may have to enter the SO-PIN on the server's terminal.
const INITIALISE_TIMEOUT: Duration = Duration::from_secs(15 * 60);

fn path(id: &HsmId) -> String {
    format!("/hsms/{}", segment(id.as_str()))
}

impl Client {
    pub fn hsms(&self) -> Result<Vec<HsmView>, ClientError> {
        self.get("/hsms")
    }

    pub fn hsm(&self, id: &HsmId) -> Result<HsmView, ClientError> {
        self.get(&path(id))
    }

    /// Initialises an HSM, which erases it. Waits up to 15 minutes for the SO-PIN to be entered on the server.
    pub fn initialise_hsm(&self, id: &HsmId, body: &InitialiseHsm) -> Result<HsmView, ClientError> {
        self.post_with(
            &format!("{}/initialise", path(id)),
            body,
            &[],
            Limit::Response(INITIALISE_TIMEOUT),
        )
        .map(|(_, hsm)| hsm)
    }

    /// Registers a confirmed key as a custodian key of an HSM.
    pub fn register_custodian(
        &self,
        id: &HsmId,
        body: &RegisterCustodian,
    ) -> Result<HsmView, ClientError> {
        let limit = Limit::Response(self.timeouts().hsm);
        self.post_with(&format!("{}/custodians", path(id)), body, &[], limit)
            .map(|(_, hsm)| hsm)
    }

    /// Lists the signing keys of all HSMs.
    pub fn keys(&self) -> Result<Vec<SigningKeyView>, ClientError> {
        self.get("/keys")
    }

    /// Stores a certificate (DER) for a key on the server.
    pub fn put_certificate(&self, key: &Fingerprint, der: Vec<u8>) -> Result<(), ClientError> {
        let body = NewCertificate { der: Base64(der) };
        self.put(&format!("/keys/{}/certificate", key.to_hex()), &body)
    }

    /// Removes the certificate that the server stores for a key. Requires the role admin.
    pub fn remove_certificate(&self, key: &Fingerprint) -> Result<(), ClientError> {
        self.delete(&format!("/keys/{}/certificate", key.to_hex()))
    }

    /// Changes the settings of a key. Requires the role admin.
    pub fn put_key_settings(
        &self,
        key: &Fingerprint,
        settings: &KeySettings,
    ) -> Result<(), ClientError> {
        self.put(&format!("/keys/{}/settings", key.to_hex()), settings)
    }
}
