//! Signing HSMs as people see them.

use countersign_cvc::{Chr, DeviceId, Fingerprint, PublicKey};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    activation::Quorum,
    encoding::Base64,
    id::{ActivationId, HsmId},
    mechanism::Mechanism,
    operator::Person,
};

/// A signing HSM.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HsmView {
    /// Name in the server's configuration.
    pub id: HsmId,
    /// How it is attached, in words: "PC/SC reader ...", "simulator".
    pub transport: String,
    /// Where it stands.
    pub state: HsmState,
    /// The verified device; `None` until one was verified.
    pub device: Option<DeviceView>,
    /// PKA as the card reports it; `None`: not configured, or not known.
    pub pka: Option<PkaView>,
    /// Keys on the HSM.
    pub keys: Vec<SigningKeyView>,
    /// Custodian keys registered in the HSM, as far as this server registered them.
    pub custodians: Vec<RegisteredCustodian>,
    /// Things that an admin should look at, in words.
    pub warnings: Vec<String>,
    /// An admin accepted its device, and can withdraw it; otherwise the server's configuration names it.
    pub withdrawable: bool,
}

/// State of a signing HSM.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum HsmState {
    /// Not connected.
    Absent {
        /// Since when.
        since: Timestamp,
    },
    /// Connected; being verified.
    Attached,
    /// Verified, but public key authentication is not set up: initialise it.
    Uninitialised,
    /// Set up; custodian keys are still to be registered.
    Registering,
    /// Locked.
    Locked,
    /// Locked; custodians are asked.
    Collecting {
        /// For which activation; `None`: for one that is not the reader's to see.
        activation: Option<ActivationId>,
    },
    /// Open.
    Open {
        /// For which activation; `None`: for one that is not the reader's to see.
        activation: Option<ActivationId>,
        /// Until when at most.
        until: Timestamp,
        /// Signatures left.
        left: u32,
    },
    /// Refused; never used.
    Failed {
        /// Why, and what to do.
        why: String,
    },
}

/// The device behind an HSM.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeviceView {
    /// CHR of its device certificate.
    pub id: DeviceId,
    /// Certificate path, root first.
    pub path: String,
    /// Name of the trust anchor.
    pub anchor: String,
    /// Manufacturer, as the device tells it.
    pub manufacturer: Option<String>,
    /// Label, as the device tells it.
    pub label: Option<String>,
    /// Firmware version, "3.5".
    pub version: Option<String>,
    /// Whether commands travel inside the card's secure channel.
    pub secure_channel: bool,
}

/// PKA status of an HSM.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PkaView {
    /// "2 of 3".
    pub quorum: Quorum,
    /// Keys still to be registered.
    pub missing: u8,
    /// Custodians authenticated, as the card counts.
    pub authenticated: u8,
}

/// A key that can sign.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SigningKeyView {
    /// The HSM it is on.
    pub hsm: HsmId,
    /// Label.
    pub label: String,
    /// SHA-256 over the SubjectPublicKeyInfo.
    pub fingerprint: Fingerprint,
    /// PKCS#15 identifier on the card, in hex; never empty.
    pub id: String,
    /// The public key.
    pub public_key: PublicKey,
    /// Its certificate, if there is one.
    pub certificate: Option<CertificateView>,
    /// "EC secp256r1", "RSA 2048".
    pub kind: String,
    /// What it can do.
    pub mechanisms: Vec<Mechanism>,
    /// Uses left, where the key has a counter.
    pub uses_left: Option<u32>,
    /// Whether the device itself attests that the key was generated in it.
    pub attested: bool,
}

/// An X.509 certificate of a signing key. It proves nothing here; programs want one to go with the key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CertificateView {
    /// DER.
    pub der: Base64,
    /// Subject, as in RFC 4514.
    pub subject: String,
    /// Issuer.
    pub issuer: String,
    /// Until when it is valid.
    pub not_after: Timestamp,
    /// Where it is.
    pub place: CertificatePlace,
}

/// Where a certificate is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CertificatePlace {
    /// On the device, beside the key.
    Device,
    /// By the server.
    Server,
}

/// `PUT /api/v1/keys/{fingerprint}/certificate`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewCertificate {
    /// DER.
    pub der: Base64,
}

/// `PUT /api/v1/keys/{fingerprint}/settings`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KeySettings {
    /// Requesters may pad for themselves, so that nobody can tell what is signed. Only under an open scope.
    pub raw_rsa: bool,
}

/// A custodian key registered in an HSM.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RegisteredCustodian {
    /// Who.
    pub person: Person,
    /// Their key.
    pub key: Fingerprint,
    /// Its name in the HSM.
    pub chr: Chr,
    /// When.
    pub registered_at: Timestamp,
    /// By whom.
    pub registered_by: Person,
    /// Whether the key was revoked: the device still holds it, but the server accepts no approval by it.
    #[serde(default)]
    pub revoked: bool,
}

/// `POST /api/v1/hsms/{id}/initialise`. Erases everything on the HSM. The SO-PIN is asked for at the server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct InitialiseHsm {
    /// Custodians needed, and custodian keys in all.
    pub quorum: Quorum,
    /// Registered keys may be replaced later.
    #[serde(default)]
    pub allow_replace: bool,
    /// Must repeat the HSM's id where there are keys on it, since they will be gone.
    #[serde(default)]
    pub erase: Option<HsmId>,
}

/// `POST /api/v1/hsms/{id}/custodians`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegisterCustodian {
    /// The operator's confirmed key.
    pub key: Fingerprint,
}
