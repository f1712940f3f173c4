use countersign_protocol::{
    cvc::Fingerprint,
    encoding::Base64,
    hsm::{HsmView, KeySettings, NewCertificate, SigningKeyView},
    id::HsmId,
};

use crate::{client::Client, error::ClientError, path::segment};

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

    /// Changes the settings of a key. Requires the role admin. Raw RSA can only be forbidden in this way.
    pub fn put_key_settings(
        &self,
        key: &Fingerprint,
        settings: &KeySettings,
    ) -> Result<(), ClientError> {
        self.put(&format!("/keys/{}/settings", key.to_hex()), settings)
    }
}
