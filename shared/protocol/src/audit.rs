//! Audit entries: the server writes one for every change of state, and a limited number for what it refuses.

use std::net::IpAddr;

use countersign_cvc::{Chr, DeviceId, Fingerprint};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    act::ActTerms,
    activation::{EndReason, Quorum},
    digest::Sha256Digest,
    dsse::Envelope,
    hsm::KeySettings,
    id::{ActId, HsmId, InvitationId, MemberId, SessionId, SignatureId, TokenId},
    lease::LeaseLimits,
    mechanism::Mechanism,
    operator::{Person, Role},
    session::SessionEnd,
    statement::ApprovedPurpose,
};

/// One entry of the audit log, which stores its canonical JSON (RFC 8785).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AuditEntry {
    /// The position in the log, from 0, without gaps.
    pub index: u64,
    /// The time by the server's clock.
    pub at: Timestamp,
    /// The person or program that caused the entry.
    pub actor: Actor,
    /// What happened.
    pub event: AuditEvent,
}

/// The person or program that caused an entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum Actor {
    /// The server itself.
    Server,
    /// A caller whom the server does not know.
    Stranger {
        /// The network from which the request came: an IPv4 address, or the first address of an IPv6 /64.
        #[cfg_attr(feature = "openapi", schema(value_type = String))]
        network: IpAddr,
    },
    /// A person without an account, who holds a one-time code.
    Invited {
        /// The name in the invitation.
        name: String,
    },
    /// A person in the portal.
    Operator {
        /// The person who is logged in.
        person: Person,
    },
    /// A program with an API token.
    Token {
        /// The person for whom the program acts.
        person: Person,
        /// The token.
        token: TokenId,
    },
}

/// The kinds of requests and devices that the server refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Refusal {
    /// A log-in.
    LogIn,
    /// A one-time code: the bootstrap code, or the code of an invitation.
    Code,
    /// An API token or a client certificate.
    Credential,
    /// A custodian's approval, or the task or decline of one.
    Approval,
    /// A request that the caller may not make, for lack of a role or from a page of another site.
    Permission,
    /// A remote device that failed its examination or is unknown.
    Device,
}

/// A change of state, or a request that was refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum AuditEvent {
    /// The server started. It locks every HSM before it uses it.
    ServerStarted {
        /// The version of the server program.
        version: String,
    },
    /// The server found a database that is older than the file beside it. It revoked all API tokens, open invitations,
    /// one-time codes and log-ins in the database.
    RestoredFromBackup,
    /// The database holds an entry that cannot be read. The time is unknown if it is 1970.
    Unreadable {
        /// What is wrong with the entry.
        why: String,
    },
    /// The first admin used the one-time code.
    Bootstrapped {
        /// The name of the first admin.
        name: String,
    },
    /// A person proposed an act.
    ActProposed {
        /// The act with all facts that its signers sign.
        terms: ActTerms,
    },
    /// A person's card signed an act. If no signature was missing, the entries of what was done follow.
    ActSigned {
        /// The act.
        act: ActId,
        /// The key that signed.
        key: Fingerprint,
        /// The signed statement about the act, with which anybody can check the signature.
        statement: Envelope,
    },
    /// An act was signed by everybody, but could not be carried out. Its last signature does not count.
    ActFailed {
        /// The act.
        act: ActId,
        /// The cause, in words.
        why: String,
    },
    /// An act was carried out.
    ActCarriedOut {
        /// The act.
        act: ActId,
    },
    /// An act ended without being carried out.
    ActDropped {
        /// The act.
        act: ActId,
        /// The cause.
        why: DroppedAct,
    },
    /// An admin invited a person.
    Invited {
        /// The invitation.
        invitation: InvitationId,
        /// The name of the invited person.
        name: String,
        /// The roles that the person will have.
        roles: Vec<Role>,
    },
    /// An admin revoked an invitation.
    InvitationRevoked {
        /// The revoked invitation.
        invitation: InvitationId,
    },
    /// A person enrolled a key.
    KeyEnrolled {
        /// The person.
        person: Person,
        /// The roles of the person.
        roles: Vec<Role>,
        /// The enrolled key.
        key: Fingerprint,
        /// The name of the key in its certificate request.
        chr: Chr,
        /// The card that holds the key.
        device: DeviceId,
        /// The trust anchor that certifies the card.
        anchor: String,
    },
    /// The server rejected an enrolment.
    #[serde(alias = "enrolment-refused")]
    EnrolmentRejected {
        /// The name of the person who tried to enrol.
        name: String,
        /// The reason for the rejection.
        why: String,
    },
    /// An admin compared the fingerprint of a key with its owner and confirmed the key.
    KeyConfirmed {
        /// The owner of the key.
        person: Person,
        /// The confirmed key.
        key: Fingerprint,
    },
    /// An admin revoked a key.
    KeyRevoked {
        /// The owner of the key.
        person: Person,
        /// The revoked key.
        key: Fingerprint,
    },
    /// A person logged in.
    LoggedIn {
        /// The key that signed the log-in.
        key: Fingerprint,
    },
    /// A person logged out.
    LoggedOut,
    /// A session of the portal ended in another way than by its own log-out.
    SessionEnded {
        /// The session.
        session: SessionId,
        /// The person who had logged in.
        person: Person,
        /// Why it ended.
        why: SessionEnd,
    },
    /// A person created an API token.
    TokenCreated {
        /// The token.
        token: TokenId,
        /// The label of the token.
        label: String,
        /// SHA-256 over the DER of the client certificate that can be used in place of the secret.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        certificate: Option<Sha256Digest>,
    },
    /// A person revoked an API token.
    TokenRevoked {
        /// The revoked token.
        token: TokenId,
    },
    /// A verified HSM was attached and is locked.
    HsmAttached {
        /// The HSM.
        hsm: HsmId,
        /// The device.
        device: DeviceId,
    },
    /// An HSM was disconnected or stopped working.
    HsmLost {
        /// The HSM.
        hsm: HsmId,
        /// The cause, in words.
        why: String,
    },
    /// An admin accepted a remote device as this HSM.
    RemoteHsmAccepted {
        /// The HSM.
        hsm: HsmId,
        /// The device.
        device: DeviceId,
    },
    /// An admin declined a remote device that waited to be accepted.
    RemoteDeviceDeclined {
        /// The device.
        device: DeviceId,
    },
    /// An admin removed a remote HSM from the server.
    #[serde(alias = "remote-hsm-withdrawn")]
    RemoteHsmRemoved {
        /// The removed HSM.
        hsm: HsmId,
        /// The device, which has to be accepted again before it can be used.
        device: DeviceId,
    },
    /// The server rejected an HSM.
    #[serde(alias = "hsm-refused")]
    HsmRejected {
        /// The HSM.
        hsm: HsmId,
        /// The reason for the rejection.
        why: String,
    },
    /// An HSM returned an invalid signature, so its device is not used until an admin ends its quarantine.
    HsmQuarantined {
        /// The HSM.
        hsm: HsmId,
        /// The device in quarantine.
        device: DeviceId,
        /// The reason, in words.
        why: String,
    },
    /// An admin ended the quarantine of a device.
    HsmQuarantineEnded {
        /// The HSM.
        hsm: HsmId,
        /// The device that may be used again.
        device: DeviceId,
    },
    /// An HSM was initialised, which erased everything on it.
    #[serde(rename_all = "camelCase")]
    HsmInitialised {
        /// The HSM.
        hsm: HsmId,
        /// The device.
        device: DeviceId,
        /// The quorum that the HSM requires from now on.
        quorum: Quorum,
        /// Whether registered keys can be replaced later.
        allow_replace: bool,
    },
    /// A custodian's key was registered in an HSM.
    CustodianRegistered {
        /// The HSM.
        hsm: HsmId,
        /// The custodian.
        person: Person,
        /// The registered key.
        key: Fingerprint,
    },
    /// A requester or an admin requested an activation.
    ActivationRequested {
        /// The activation.
        activation: MemberId,
        /// The HSM to open.
        hsm: HsmId,
        /// The purpose, without the list of files.
        purpose: ApprovedPurpose,
        /// The reason that the requester gave.
        reason: String,
        /// The limits of the lease.
        lease: LeaseLimits,
        /// SHA-256 over the canonical JSON of the complete terms.
        terms: Sha256Digest,
    },
    /// A custodian approved, and the HSM accepted the authentication.
    Approved {
        /// The approved activation.
        activation: MemberId,
        /// The custodian's key.
        key: Fingerprint,
        /// SHA-256 over the payload of the signed statement.
        statement: Sha256Digest,
        /// The number of approvals afterwards, as the HSM reports it.
        #[serde(alias = "authenticated")]
        approvals: u8,
    },
    /// A custodian declined.
    Declined {
        /// The declined activation.
        activation: MemberId,
        /// The reason that the custodian gave.
        reason: String,
    },
    /// The HSM lost the authentication of custodians, who must approve again.
    #[serde(alias = "custodians-forgotten")]
    ApprovalsLost {
        /// The activation.
        activation: MemberId,
        /// The cause, in words.
        why: String,
    },
    /// The lease began.
    LeaseOpened {
        /// The activation whose quorum was reached.
        activation: MemberId,
    },
    /// A key was generated on an HSM.
    KeyGenerated {
        /// The activation that allowed it.
        activation: MemberId,
        /// The HSM.
        hsm: HsmId,
        /// The label of the new key.
        label: String,
        /// The new key.
        key: Fingerprint,
    },
    /// An HSM made a signature.
    #[serde(rename_all = "camelCase")]
    Signed {
        /// The signature.
        signature: SignatureId,
        /// The activation that allowed it.
        activation: MemberId,
        /// The key that signed.
        key: Fingerprint,
        /// The signature mechanism.
        mechanism: Mechanism,
        /// The signed digest in hexadecimal digits.
        digest: String,
        /// The length of the salt in bytes, if it differs from the length of the hash.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        salt_length: Option<u16>,
    },
    /// A certificate was stored for a signing key.
    CertificateStored {
        /// The key.
        key: Fingerprint,
        /// SHA-256 over the certificate.
        certificate: Sha256Digest,
    },
    /// The stored certificate of a signing key was removed.
    CertificateRemoved {
        /// The key.
        key: Fingerprint,
        /// SHA-256 over the certificate.
        certificate: Sha256Digest,
    },
    /// An admin changed the settings of a signing key.
    KeySettingsChanged {
        /// The key.
        key: Fingerprint,
        /// The settings that apply from now on.
        settings: KeySettings,
    },
    /// The server refused a request or a device. The log has only the first few refusals of one kind and actor.
    Refused {
        /// The kind of the refusal.
        refusal: Refusal,
        /// The method and path of the request, with placeholders for ids.
        request: String,
        /// The reason, in words.
        why: String,
    },
    /// The server refused more than it logged one by one. The actor is the server if many callers were refused.
    RefusalsCounted {
        /// The kind of the refusals.
        refusal: Refusal,
        /// The number of refusals without an entry of their own.
        count: u64,
        /// The beginning of the time in which they were counted. It ends with this entry.
        since: Timestamp,
    },
    /// An activation ended.
    ActivationEnded {
        /// The activation.
        activation: MemberId,
        /// How it ended.
        reason: EndReason,
        /// The number of signatures that were made.
        signatures: u32,
    },
    /// The HSM was logged out and refused to use a key afterwards.
    HsmLocked {
        /// The HSM.
        hsm: HsmId,
        /// How the server verified the lock, in words.
        proof: String,
    },
}

/// Why an act ended without being carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum DroppedAct {
    /// A person withdrew it.
    Withdrawn,
    /// Its signatures were not complete in time.
    Expired,
    /// The server stopped while the HSM carried it out, so that nobody knows whether it was done.
    Interrupted,
}

/// The response to `GET /api/v1/audit?before=INDEX&limit=N`, newest entries first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct AuditPage {
    /// The number of entries in the log.
    pub total: u64,
    /// The entries of this page.
    pub entries: Vec<AuditEntry>,
}
