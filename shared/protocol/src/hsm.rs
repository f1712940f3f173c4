//! Signing HSMs as clients see them.

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
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct HsmView {
    /// The name in the server's configuration.
    pub id: HsmId,
    /// How the HSM is attached, in words: "PC/SC reader ...", "simulator".
    pub transport: String,
    /// The current state.
    pub state: HsmState,
    /// The verified device, or `None` if no device has been verified since the server started.
    pub device: Option<DeviceView>,
    /// Public key authentication as the HSM reports it, or `None` if it is not configured or not known.
    pub pka: Option<PkaView>,
    /// The keys on the HSM.
    pub keys: Vec<SigningKeyView>,
    /// The custodian keys that this server has registered in the HSM.
    pub custodians: Vec<RegisteredCustodian>,
    /// Messages, in words, that an admin should read.
    pub warnings: Vec<String>,
    /// Whether an admin can remove the HSM from the server. That is the case if an admin accepted its device, and not
    /// if the server's configuration names it.
    pub removable: bool,
}

/// The state of a signing HSM.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum HsmState {
    /// The HSM is not connected.
    Absent {
        /// The time at which it was last connected, or at which the server started.
        since: Timestamp,
    },
    /// The HSM is connected and is being verified.
    Attached,
    /// The HSM is verified, but public key authentication is not configured, so it has to be initialised.
    Uninitialised,
    /// The HSM is initialised, and custodian keys have yet to be registered.
    Registering,
    /// The HSM is locked.
    Locked,
    /// The HSM is locked, and an activation waits for approvals.
    AwaitingApprovals {
        /// The activation, or `None` if the reader may not see it.
        activation: Option<ActivationId>,
    },
    /// The HSM is open.
    Open {
        /// The activation, or `None` if the reader may not see it.
        activation: Option<ActivationId>,
        /// The time at which the lease expires.
        until: Timestamp,
        /// The number of signatures that are left.
        left: u32,
    },
    /// The HSM returned an invalid signature. The server does not use its device until an admin ends the quarantine.
    Quarantined {
        /// The cause and what to do about it, in words.
        why: String,
        /// The time since which the device is not used.
        since: Timestamp,
    },
    /// The server rejected the HSM and does not use it.
    Failed {
        /// The cause and what to do about it, in words.
        why: String,
    },
}

/// The device behind an HSM.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct DeviceView {
    /// The CHR of the device certificate.
    pub id: DeviceId,
    /// The path of the certificates, beginning with the root.
    pub path: String,
    /// The name of the trust anchor that certifies the device.
    pub anchor: String,
    /// The manufacturer, as the device reports it.
    pub manufacturer: Option<String>,
    /// The label, as the device reports it.
    pub label: Option<String>,
    /// The version of the firmware, such as "3.5".
    pub version: Option<String>,
    /// Whether commands are sent inside the card's secure channel.
    pub secure_channel: bool,
}

/// The state of public key authentication on an HSM.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct PkaView {
    /// The quorum that the HSM requires.
    pub quorum: Quorum,
    /// The number of keys that have yet to be registered.
    pub missing: u8,
    /// The number of custodians who have authenticated, as the HSM reports it.
    pub authenticated: u8,
}

/// A key that can sign.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct SigningKeyView {
    /// The HSM that holds the key.
    pub hsm: HsmId,
    /// The label on the HSM.
    pub label: String,
    /// SHA-256 over the SubjectPublicKeyInfo.
    pub fingerprint: Fingerprint,
    /// The PKCS#15 identifier on the card in hexadecimal digits, which is never empty.
    pub id: String,
    /// The public key.
    pub public_key: PublicKey,
    /// The certificate of the key, if one is stored.
    pub certificate: Option<CertificateView>,
    /// The type of the key, such as "EC secp256r1" or "RSA 2048".
    pub kind: String,
    /// The mechanisms with which the key can sign.
    pub mechanisms: Vec<Mechanism>,
    /// The number of uses that are left, if the key has a use counter.
    pub uses_left: Option<u32>,
    /// Whether the device attests that the key was generated on it.
    pub attested: bool,
}

/// The X.509 certificate of a signing key. Countersign draws no conclusions from it, but some programs need one to see
/// the key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct CertificateView {
    /// The certificate in DER.
    pub der: Base64,
    /// The subject, as in RFC 4514.
    pub subject: String,
    /// The issuer, as in RFC 4514.
    pub issuer: String,
    /// The end of the certificate's validity.
    pub not_after: Timestamp,
    /// The place where the certificate is stored.
    pub place: CertificatePlace,
}

/// The place where a certificate is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum CertificatePlace {
    /// The certificate is on the device, beside the key.
    Device,
    /// The certificate is in the server's database.
    Server,
}

/// The body of `PUT /api/v1/keys/{fingerprint}/certificate`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct NewCertificate {
    /// The certificate in DER.
    pub der: Base64,
}

/// The body of `PUT /api/v1/keys/{fingerprint}/settings`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KeySettings {
    /// Whether requesters may apply the RSA padding themselves, so that the server cannot check what is signed. It is
    /// possible only for activations for any content.
    pub raw_rsa: bool,
}

/// A custodian key that is registered in an HSM.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct RegisteredCustodian {
    /// The custodian.
    pub person: Person,
    /// The registered key.
    pub key: Fingerprint,
    /// The name of the key in the HSM.
    pub chr: Chr,
    /// The time of the registration.
    pub registered_at: Timestamp,
    /// The admin who registered the key.
    pub registered_by: Person,
    /// Whether the key was revoked. The device still holds it, but the server accepts no approval by it.
    #[serde(default)]
    pub revoked: bool,
}

/// The act that initialises an HSM, which erases everything on it. The SO-PIN is entered on the server's machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct InitialiseHsm {
    /// The HSM.
    pub hsm: HsmId,
    /// The number of custodians who must approve, and the number of custodian keys.
    pub quorum: Quorum,
    /// Whether registered keys can be replaced later.
    #[serde(default)]
    pub allow_replace: bool,
    /// The id of the HSM once more, as a person typed it.
    pub erase: HsmId,
}

/// The act that registers a custodian's key in an HSM.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct RegisterCustodian {
    /// The HSM.
    pub hsm: HsmId,
    /// The confirmed key of the custodian.
    pub key: Fingerprint,
}
