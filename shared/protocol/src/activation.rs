//! Activations: requests to open a signing HSM, their progress, and their end.

use countersign_cvc::{Chr, DeviceId, Fingerprint};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    digest::Sha256Digest,
    dsse::Envelope,
    encoding::Base64,
    id::{ActivationId, HsmId, MemberId},
    lease::LeaseLimits,
    limits::MAX_POOL,
    operator::Person,
    purpose::Purpose,
    text::duration,
};

/// A quorum of n out of m custodian keys. Screens always show it as "2 of 3".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Quorum {
    /// n: the number of custodians who must approve.
    pub required: u8,
    /// m: the number of custodian keys that are registered in the HSM.
    pub total: u8,
}

impl std::fmt::Display for Quorum {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} of {}", self.required, self.total)
    }
}

/// The name of a signing HSM in statements.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HsmName {
    /// The name in the server's configuration.
    pub id: HsmId,
    /// The CHR of the device certificate.
    pub device: DeviceId,
}

/// Several HSMs with the same keys that are opened for one request. Each HSM has its own quorum, and all of them share
/// the limits of one lease.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(value_type = Vec<HsmName>))]
#[serde(try_from = "Vec<HsmName>", into = "Vec<HsmName>")]
pub struct Pool(Vec<HsmName>);

/// A list of HSMs that cannot be a pool because of its length.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("a pool must have 2 to {MAX_POOL} different HSMs, not {0}")]
pub struct InvalidPool(usize);

impl Pool {
    /// Checks the list and keeps its order.
    ///
    /// # Errors
    /// The list has fewer than 2 or more than [`MAX_POOL`] HSMs, or an HSM occurs twice.
    pub fn new(hsms: Vec<HsmName>) -> Result<Self, InvalidPool> {
        let devices: std::collections::HashSet<_> = hsms.iter().map(|hsm| &hsm.device).collect();
        if devices.len() == hsms.len() && (2..=MAX_POOL).contains(&hsms.len()) {
            Ok(Self(hsms))
        } else {
            Err(InvalidPool(devices.len()))
        }
    }

    /// The HSMs in the order in which they were given.
    pub fn hsms(&self) -> &[HsmName] {
        &self.0
    }
}

impl TryFrom<Vec<HsmName>> for Pool {
    type Error = InvalidPool;

    fn try_from(hsms: Vec<HsmName>) -> Result<Self, InvalidPool> {
        Self::new(hsms)
    }
}

impl From<Pool> for Vec<HsmName> {
    fn from(pool: Pool) -> Self {
        pool.0
    }
}

/// Everything that was requested. It never changes.
///
/// A pool has one such set of terms for each of its HSMs, which is called a *member*, and custodians approve each
/// member separately. The id of the first member is the id of the activation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ActivationTerms {
    /// The id of the activation, or of the member of a pool.
    pub id: MemberId,
    /// The HSM to open.
    pub hsm: HsmName,
    /// All the HSMs to open, if there are several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pool: Option<Pool>,
    /// What may be done while the HSM is open.
    pub purpose: Purpose,
    /// The person who requested the activation.
    pub requester: Person,
    /// The reason that the requester gave, which custodians read when they decide.
    pub reason: String,
    /// The limits of the lease.
    pub lease: LeaseLimits,
    /// The keys with which the requester may also use raw RSA, because an admin had allowed it when the activation was
    /// requested. Only a request for any content has them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub raw_rsa: Vec<Fingerprint>,
    /// The quorum that the HSM requires.
    pub quorum: Quorum,
    /// The time of the request.
    pub requested_at: Timestamp,
    /// The time by which the quorum must be reached.
    pub expires_at: Timestamp,
}

impl ActivationTerms {
    /// SHA-256 over the canonical JSON of the terms.
    pub fn digest(&self) -> Sha256Digest {
        crate::dsse::canonical_digest(self)
    }

    /// The names of the HSMs to open, such as `release, second`.
    pub fn hsm_names(&self) -> String {
        let members = self.members();
        let names: Vec<_> = members.iter().map(|(_, hsm)| hsm.id.as_str()).collect();
        names.join(", ")
    }

    /// Every HSM to open, with the id of its member.
    pub fn members(&self) -> Vec<(MemberId, &HsmName)> {
        match &self.pool {
            None => vec![(self.id.clone(), &self.hsm)],
            Some(pool) => {
                let id = self.id.activation();
                let members = pool.hsms().iter().enumerate();
                members.map(|(at, hsm)| (id.member(at), hsm)).collect()
            }
        }
    }

    /// Whether the other terms belong to the same request: they are equal to these, or they are the terms of another
    /// member of the same pool.
    pub fn is_same_request(&self, other: &Self) -> bool {
        let as_other = Self {
            id: other.id.clone(),
            hsm: other.hsm.clone(),
            quorum: other.quorum,
            ..self.clone()
        };
        let known = |(id, hsm): (MemberId, &HsmName)| id == other.id && *hsm == other.hsm;
        as_other == *other
            // A custodian who was shown "2 of 3" must not open another HSM that needs fewer approvals.
            && other.quorum.required >= self.quorum.required
            && self.members().into_iter().any(known)
            && (self.hsm != other.hsm || self == other)
    }
}

/// The body of `POST /api/v1/activations`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewActivation {
    /// The HSM to open. Without it the server opens every HSM that holds the keys, as a pool if there are several. A key can
    /// be generated without it only if the server has one HSM.
    #[serde(default)]
    pub hsm: Option<HsmId>,
    /// What may be done while the HSM is open.
    pub purpose: NewPurpose,
    /// The reason, which custodians read when they decide.
    pub reason: String,
    /// The limits of the lease. Without them the server's defaults apply, with one signature for each file in the
    /// manifest.
    #[serde(default)]
    pub lease: Option<LeaseLimits>,
    /// The time that custodians have to approve, in seconds. Without it the server's default applies.
    #[serde(default)]
    pub approval_seconds: Option<u32>,
    /// The number of seconds after which the server ends the request as abandoned if no client has polled for it and it
    /// has not opened. Without it the request stays until the custodians' time runs out.
    #[serde(default)]
    pub abandoned_after_seconds: Option<u32>,
    /// Which existing activation of the same requester and reason the server returns instead of creating a new one.
    #[serde(default)]
    pub join: Join,
}

/// Which existing activation can take the place of a new one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Join {
    /// An activation for exactly the same purpose.
    #[default]
    SamePurpose,
    /// An activation with at least the same keys, even if its scope is narrower, so that a build of many programs needs
    /// only one approval.
    SameKeys,
}

/// A [`Purpose`] in which keys are named as a user names them.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "type", rename_all = "kebab-case", deny_unknown_fields)]
pub enum NewPurpose {
    /// Sign with existing keys.
    Sign {
        /// The labels or hexadecimal fingerprints of the keys. At least one HSM must hold all of them.
        keys: Vec<String>,
        /// The content that may be signed.
        scope: crate::purpose::Scope,
    },
    /// Generate a key, which only an admin can request.
    #[serde(rename_all = "camelCase")]
    GenerateKey {
        /// The label of the new key.
        label: String,
        /// The type of the new key.
        key_type: crate::purpose::NewKeyType,
    },
}

/// An activation as clients see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ActivationView {
    /// The terms of the request.
    pub terms: ActivationTerms,
    /// A number that grows with every change, for `GET ...?after=REVISION&wait=SECONDS`.
    pub revision: u64,
    /// The current state.
    pub state: ActivationState,
    /// The decision of each registered custodian.
    pub custodians: Vec<CustodianProgress>,
    /// The number of approvals, as the HSM reports it.
    pub approvals: u8,
    /// The number of signatures made so far.
    pub signatures: u32,
    /// A message about the current state, such as "the HSM was reset, Anna must approve again".
    pub notice: Option<String>,
    /// The progress of each HSM, if a pool is opened.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub members: Vec<MemberView>,
    /// The address of this activation's page in the portal.
    pub url: String,
}

impl ActivationView {
    /// The identifier of the activation.
    pub fn id(&self) -> ActivationId {
        self.terms.id.activation()
    }
}

/// One HSM of a pool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct MemberView {
    /// The id of the member.
    pub id: MemberId,
    /// The HSM.
    pub hsm: HsmName,
    /// The quorum that the HSM requires.
    pub quorum: Quorum,
    /// The number of approvals, as the HSM reports it.
    pub approvals: u8,
    /// The current state of the member.
    pub state: ActivationState,
    /// The number of signatures that the HSM has made.
    pub signatures: u32,
}

/// The state of an activation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum ActivationState {
    /// Another activation uses the HSM, or the HSM is not connected.
    Queued,
    /// The activation waits for approvals.
    #[serde(alias = "collecting")]
    AwaitingApprovals,
    /// The HSM is open, and the lease runs.
    Open {
        /// The time at which the HSM was opened.
        since: Timestamp,
        /// The time at which the lease expires.
        until: Timestamp,
        /// The number of signatures that are left.
        left: u32,
    },
    /// The activation has ended, and the HSM is locked.
    Ended {
        /// How the activation ended.
        reason: EndReason,
        /// The time of the end.
        at: Timestamp,
    },
}

impl ActivationState {
    /// The name of the state on the wire.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::AwaitingApprovals => "awaiting-approvals",
            Self::Open { .. } => "open",
            Self::Ended { .. } => "ended",
        }
    }

    /// Whether the activation has ended, so that its state does not change again.
    pub const fn is_ended(&self) -> bool {
        matches!(self, Self::Ended { .. })
    }
}

/// How an activation ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum EndReason {
    /// Everything that was requested is done.
    Completed,
    /// The lease expired.
    #[serde(alias = "time-used")]
    LeaseExpired,
    /// The signatures of the lease are used up.
    #[serde(alias = "count-used")]
    SignatureLimitReached,
    /// A person ended the open lease, or a person other than the requester ended the request.
    Locked {
        /// The person who locked the HSM.
        by: Person,
    },
    /// The requester ended the request before it opened.
    Cancelled {
        /// The requester.
        by: Person,
    },
    /// Too many custodians declined for the quorum to be reached.
    Declined,
    /// The quorum was not reached in time.
    Expired,
    /// The time ran out while the activation was queued, so that custodians could not approve it.
    #[serde(alias = "still-queued")]
    ExpiredInQueue,
    /// The requester's client stopped polling for the request before it opened.
    Abandoned {
        /// The limit that the request set, in seconds.
        seconds: u32,
    },
    /// The HSM was disconnected, reset or taken by another program while it was open.
    HsmLost {
        /// The cause, in words.
        why: String,
    },
    /// The HSM failed to do what was requested.
    Failed {
        /// The cause, in words.
        why: String,
    },
    /// The HSM was removed from the server.
    HsmRemoved {
        /// The cause, in words.
        why: String,
    },
    /// The requester's key, role or API token was revoked.
    AccessRevoked {
        /// What was revoked, in words.
        why: String,
    },
    /// The server was restarted, which ends every lease.
    ServerRestarted,
}

/// The text can follow "activation X has ended: ", and is a sentence of its own with a capital letter and a full stop.
impl std::fmt::Display for EndReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Completed => f.write_str("completed"),
            Self::LeaseExpired => f.write_str("the lease expired"),
            Self::SignatureLimitReached => f.write_str("the lease reached its signature limit"),
            Self::Locked { by } => write!(f, "locked by {}", by.name),
            Self::Cancelled { by } => write!(f, "cancelled by {} before it opened", by.name),
            Self::Declined => {
                f.write_str("declined, because too few custodians are left to reach the quorum")
            }
            Self::Expired => f.write_str("expired before enough custodians approved"),
            Self::ExpiredInQueue => {
                f.write_str("expired while queued, because the HSM was in use or disconnected")
            }
            Self::Abandoned { seconds } => write!(
                f,
                "abandoned, because the program that waited had not contacted the server for {}",
                duration(*seconds)
            ),
            Self::HsmLost { why } => write!(f, "the HSM was lost: {why}"),
            Self::Failed { why } => write!(f, "failed: {why}"),
            Self::HsmRemoved { why } => write!(f, "the HSM was removed from the server: {why}"),
            Self::AccessRevoked { why } => write!(f, "access was revoked: {why}"),
            Self::ServerRestarted => {
                f.write_str("the server was restarted, which ends every lease")
            }
        }
    }
}

/// The progress of one custodian in one activation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct CustodianProgress {
    /// The custodian.
    pub person: Person,
    /// The custodian's key.
    pub key: Fingerprint,
    /// The name of the key in the HSM.
    pub chr: Chr,
    /// The custodian's decision so far.
    pub decision: Decision,
    /// Whether the key was revoked, so that the server accepts no approval by it.
    #[serde(default)]
    pub revoked: bool,
}

/// A custodian's decision about an activation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum Decision {
    /// The custodian has not decided yet.
    #[serde(alias = "missing")]
    Pending,
    /// The custodian approved, and the HSM accepted the authentication.
    #[serde(alias = "authenticated")]
    Approved {
        /// The time of the approval.
        at: Timestamp,
    },
    /// The custodian approved before, but the HSM lost the authentication, so the custodian must approve again.
    #[serde(alias = "forgotten")]
    ApprovalLost {
        /// The cause, in words.
        why: String,
    },
    /// The custodian declined.
    Declined {
        /// The time of the decision.
        at: Timestamp,
        /// The reason that the custodian gave.
        reason: String,
    },
}

/// The body of `POST /api/v1/activations/{id}/decline`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Decline {
    /// The reason, which must not be empty.
    pub reason: String,
}

/// The response to `POST /api/v1/activations/{id}/task`: what the custodian's helper has to sign next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ApprovalTaskView {
    /// The task for the helper.
    pub task: Envelope,
}

/// The body of `POST /api/v1/activations/{id}/approvals`: what the helper signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct SignedApproval {
    /// The approved activation, or the approved member of a pool.
    pub activation: MemberId,
    /// The signed approval.
    pub statement: Envelope,
    /// The challenge that the card signed.
    pub challenge: Base64,
    /// The PKA response as plain `r || s`.
    pub response: Base64,
}

/// The response to [`SignedApproval`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum ApprovalOutcome {
    /// The HSM accepted the authentication.
    Counted {
        /// The activation after the approval.
        activation: Box<ActivationView>,
    },
    /// Another response is needed in the same PIN session, because the HSM requires a fresh challenge or the next HSM
    /// of the pool is to be opened.
    SignAgain {
        /// A new task for the helper.
        task: Envelope,
    },
}
