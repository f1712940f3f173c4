//! Audit entries: every change of state is one.

use countersign_cvc::{Chr, DeviceId, Fingerprint};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    activation::{EndReason, Quorum},
    digest::Sha256Digest,
    hsm::KeySettings,
    id::{ActivationId, HsmId, InvitationId, SignatureId, TokenId},
    lease::LeaseLimits,
    mechanism::Mechanism,
    operator::{Person, Role},
    statement::ApprovedPurpose,
};

/// One entry. Its canonical JSON (RFC 8785) is what the log stores.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AuditEntry {
    /// Position in the log, from 0, without gaps.
    pub index: u64,
    /// The server's clock.
    pub at: Timestamp,
    /// Who caused it.
    pub actor: Actor,
    /// What happened.
    pub event: AuditEvent,
}

/// Who caused an entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum Actor {
    /// The server itself.
    Server,
    /// Somebody without an account yet, holding a one-time code.
    Invited {
        /// Name as invited.
        name: String,
    },
    /// A person in the portal.
    Operator {
        /// Who.
        person: Person,
    },
    /// A program with a token.
    Token {
        /// For whom it acts.
        person: Person,
        /// The token.
        token: TokenId,
    },
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    tag = "type",
    rename_all = "kebab-case",
    rename_all_fields = "camelCase"
)]
pub enum AuditEvent {
    /// The server started; every HSM is locked before it is offered.
    ServerStarted {
        /// Version.
        version: String,
    },
    /// The bootstrap code was used.
    Bootstrapped {
        /// The first admin's name.
        name: String,
    },
    /// Somebody was invited.
    Invited {
        /// The invitation.
        invitation: InvitationId,
        /// Whom.
        name: String,
        /// As what.
        roles: Vec<Role>,
    },
    /// An invitation was withdrawn.
    InvitationRevoked {
        /// Which.
        invitation: InvitationId,
    },
    /// A key was enrolled.
    KeyEnrolled {
        /// Whose.
        person: Person,
        /// Roles.
        roles: Vec<Role>,
        /// The key.
        key: Fingerprint,
        /// Its name.
        chr: Chr,
        /// Its card.
        device: DeviceId,
        /// Trust anchor of the card.
        anchor: String,
    },
    /// An enrolment was refused.
    EnrolmentRefused {
        /// Who tried.
        name: String,
        /// Why.
        why: String,
    },
    /// An admin compared the fingerprint.
    KeyConfirmed {
        /// Whose.
        person: Person,
        /// The key.
        key: Fingerprint,
    },
    /// A key was revoked.
    KeyRevoked {
        /// Whose.
        person: Person,
        /// The key.
        key: Fingerprint,
    },
    /// Log-in.
    LoggedIn {
        /// With which key.
        key: Fingerprint,
    },
    /// Log-out.
    LoggedOut,
    /// A token was made.
    TokenCreated {
        /// Which.
        token: TokenId,
        /// What for.
        label: String,
        /// The client certificate that stands for it, too: SHA-256 of its DER.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        certificate: Option<Sha256Digest>,
    },
    /// A token was withdrawn.
    TokenRevoked {
        /// Which.
        token: TokenId,
    },
    /// A verified HSM was attached and found locked.
    HsmAttached {
        /// Which.
        hsm: HsmId,
        /// The device.
        device: DeviceId,
    },
    /// An HSM is gone.
    HsmLost {
        /// Which.
        hsm: HsmId,
        /// What happened.
        why: String,
    },
    /// A device may be attached from afar, as this HSM.
    RemoteHsmAccepted {
        /// Which.
        hsm: HsmId,
        /// The device.
        device: DeviceId,
    },
    /// A device may not be attached from afar any more.
    RemoteHsmWithdrawn {
        /// Which it was.
        hsm: HsmId,
        /// The device.
        device: DeviceId,
    },
    /// An HSM was refused.
    HsmRefused {
        /// Which.
        hsm: HsmId,
        /// Why.
        why: String,
    },
    /// An HSM was initialised: everything on it was erased.
    HsmInitialised {
        /// Which.
        hsm: HsmId,
        /// The device.
        device: DeviceId,
        /// The quorum.
        quorum: Quorum,
        /// Whether keys may be replaced.
        allow_replace: bool,
    },
    /// A custodian's key was registered in an HSM.
    CustodianRegistered {
        /// In which.
        hsm: HsmId,
        /// Whose.
        person: Person,
        /// The key.
        key: Fingerprint,
    },
    /// An activation was asked for.
    ActivationRequested {
        /// Which.
        activation: ActivationId,
        /// Of which HSM.
        hsm: HsmId,
        /// For what.
        purpose: ApprovedPurpose,
        /// Why.
        reason: String,
        /// Bounds.
        lease: LeaseLimits,
        /// Digest of the complete terms.
        terms: Sha256Digest,
    },
    /// A custodian approved, and the HSM counted them.
    Approved {
        /// What.
        activation: ActivationId,
        /// With which key.
        key: Fingerprint,
        /// SHA-256 of the signed statement's payload.
        statement: Sha256Digest,
        /// The HSM's count afterwards.
        authenticated: u8,
    },
    /// A custodian declined.
    Declined {
        /// What.
        activation: ActivationId,
        /// Why.
        reason: String,
    },
    /// The HSM forgot custodians.
    CustodiansForgotten {
        /// In which activation.
        activation: ActivationId,
        /// Why.
        why: String,
    },
    /// The lease began.
    LeaseOpened {
        /// Of which activation.
        activation: ActivationId,
    },
    /// A key was generated on the HSM.
    KeyGenerated {
        /// Under which activation.
        activation: ActivationId,
        /// On which HSM.
        hsm: HsmId,
        /// Label.
        label: String,
        /// The key.
        key: Fingerprint,
    },
    /// A signature was made.
    Signed {
        /// Which.
        signature: SignatureId,
        /// Under which activation.
        activation: ActivationId,
        /// By which key.
        key: Fingerprint,
        /// How.
        mechanism: Mechanism,
        /// Over which digest, in hex.
        digest: String,
        /// Length of the salt, where it is not the usual one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        salt_length: Option<u16>,
    },
    /// A certificate was kept for a signing key.
    CertificateStored {
        /// The key.
        key: Fingerprint,
        /// SHA-256 of the certificate.
        certificate: Sha256Digest,
    },
    /// The certificate of a signing key was removed.
    CertificateRemoved {
        /// The key.
        key: Fingerprint,
        /// SHA-256 of the certificate.
        certificate: Sha256Digest,
    },
    /// What may be done with a signing key was changed.
    KeySettingsChanged {
        /// The key.
        key: Fingerprint,
        /// What holds now.
        settings: KeySettings,
    },
    /// An activation ended.
    ActivationEnded {
        /// Which.
        activation: ActivationId,
        /// How.
        reason: EndReason,
        /// Signatures made.
        signatures: u32,
    },
    /// The HSM was logged out, and refused a key use afterwards.
    HsmLocked {
        /// Which.
        hsm: HsmId,
        /// How the lock was proven.
        proof: String,
    },
}

/// `GET /api/v1/audit?before=INDEX&limit=N`: newest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AuditPage {
    /// Entries in the log.
    pub total: u64,
    /// The page.
    pub entries: Vec<AuditEntry>,
}
