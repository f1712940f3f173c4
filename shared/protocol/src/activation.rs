//! Activations: a request to open a signing HSM, and what became of it.

use countersign_cvc::{Chr, DeviceId, Fingerprint};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    digest::Sha256Digest,
    dsse::Envelope,
    encoding::Base64,
    id::{ActivationId, HsmId},
    lease::LeaseLimits,
    limits::MAX_POOL,
    operator::Person,
    purpose::Purpose,
};

/// n needed out of m registered; on screen always "2 of 3".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quorum {
    /// n: custodians needed.
    pub required: u8,
    /// m: custodian keys registered.
    pub total: u8,
}

impl std::fmt::Display for Quorum {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} of {}", self.required, self.total)
    }
}

/// A signing HSM as statements name it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HsmName {
    /// Name in the server's configuration.
    pub id: HsmId,
    /// CHR of its device certificate.
    pub device: DeviceId,
}

/// Several HSMs with the same keys that are opened for one request: each by a quorum of its own, all under the bounds of one
/// lease.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<HsmName>", into = "Vec<HsmName>")]
pub struct Pool(Vec<HsmName>);

/// Not a pool.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("a pool has 2 to {MAX_POOL} different HSMs, not {0}")]
pub struct NoPool(usize);

impl Pool {
    /// Checks the list; its order stays.
    ///
    /// # Errors
    /// [`NoPool`].
    pub fn new(hsms: Vec<HsmName>) -> Result<Self, NoPool> {
        let devices: std::collections::HashSet<_> = hsms.iter().map(|hsm| &hsm.device).collect();
        if devices.len() == hsms.len() && (2..=MAX_POOL).contains(&hsms.len()) {
            Ok(Self(hsms))
        } else {
            Err(NoPool(devices.len()))
        }
    }

    /// The HSMs.
    pub fn hsms(&self) -> &[HsmName] {
        &self.0
    }
}

impl TryFrom<Vec<HsmName>> for Pool {
    type Error = NoPool;

    fn try_from(hsms: Vec<HsmName>) -> Result<Self, NoPool> {
        Self::new(hsms)
    }
}

impl From<Pool> for Vec<HsmName> {
    fn from(pool: Pool) -> Self {
        pool.0
    }
}

/// Everything that was asked for; never changes.
///
/// Where a pool is opened there is one of these for each of its HSMs, a *member*, and each is approved by itself. The first one
/// has the activation's id; see [`ActivationId::member`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ActivationTerms {
    /// Id.
    pub id: ActivationId,
    /// The HSM to open.
    pub hsm: HsmName,
    /// All the HSMs that are to be opened, if there are several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pool: Option<Pool>,
    /// For what.
    pub purpose: Purpose,
    /// Who asked.
    pub requester: Person,
    /// Why.
    pub reason: String,
    /// Bounds of the lease.
    pub lease: LeaseLimits,
    /// The quorum that the HSM demands.
    pub quorum: Quorum,
    /// When it was asked.
    pub requested_at: Timestamp,
    /// Until when the quorum may be collected.
    pub expires_at: Timestamp,
}

impl ActivationTerms {
    /// SHA-256 over the canonical JSON of the terms.
    pub fn digest(&self) -> Sha256Digest {
        crate::dsse::canonical_digest(self)
    }

    /// The HSMs that are to be opened, for people: `release, second`.
    pub fn hsm_names(&self) -> String {
        let members = self.members();
        let names: Vec<_> = members.iter().map(|(_, hsm)| hsm.id.as_str()).collect();
        names.join(", ")
    }

    /// Every HSM that is to be opened, with the id under which.
    pub fn members(&self) -> Vec<(ActivationId, &HsmName)> {
        match &self.pool {
            None => vec![(self.id.clone(), &self.hsm)],
            Some(pool) => {
                let id = self.id.activation();
                let members = pool.hsms().iter().enumerate();
                members.map(|(at, hsm)| (id.member(at), hsm)).collect()
            }
        }
    }

    /// Whether others are terms of the same request: for another HSM of the pool, or these themselves.
    pub fn is_same_request(&self, other: &Self) -> bool {
        let as_other = Self {
            id: other.id.clone(),
            hsm: other.hsm.clone(),
            quorum: other.quorum,
            ..self.clone()
        };
        let known = |(id, hsm): (ActivationId, &HsmName)| id == other.id && *hsm == other.hsm;
        as_other == *other
            // Nobody who was shown "2 of 3" opens another HSM alone.
            && other.quorum.required >= self.quorum.required
            && self.members().into_iter().any(known)
            && (self.hsm != other.hsm || self == other)
    }
}

/// `POST /api/v1/activations`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewActivation {
    /// The HSM; may be left out where the key is on one HSM only.
    #[serde(default)]
    pub hsm: Option<HsmId>,
    /// For what.
    pub purpose: NewPurpose,
    /// Why; shown to custodians.
    pub reason: String,
    /// Bounds of the lease; `None`: the server's default (as many signatures as files in the manifest).
    #[serde(default)]
    pub lease: Option<LeaseLimits>,
    /// How long custodians may take, in seconds; `None`: the server's default.
    #[serde(default)]
    pub collect_seconds: Option<u32>,
    /// The requester waits for it, and may be out of reach for so many seconds: later it is withdrawn, unless it is open by then.
    /// `None`: it stays until custodians may take no longer.
    #[serde(default)]
    pub abandoned_after_seconds: Option<u32>,
    /// Which activation of the same requester and reason is taken instead, if there is one.
    #[serde(default)]
    pub join: Join,
}

/// Which activation that is there already is as good as a new one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Join {
    /// One for exactly the same purpose.
    #[default]
    SamePurpose,
    /// One that has the same keys or more, even if it allows less to be signed with them: a build of many programs asks
    /// custodians once.
    SameKeys,
}

/// [`Purpose`] with the key named as a user names it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(
    tag = "type",
    rename_all = "kebab-case",
    rename_all_fields = "camelCase"
)]
pub enum NewPurpose {
    /// Sign.
    Sign {
        /// Labels or fingerprints (hex), all on one HSM.
        keys: Vec<String>,
        /// What may be signed.
        scope: crate::purpose::Scope,
    },
    /// Generate a key; admins only.
    GenerateKey {
        /// Label.
        label: String,
        /// Type.
        key_type: crate::purpose::NewKeyType,
    },
}

/// An activation as people see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ActivationView {
    /// What was asked.
    pub terms: ActivationTerms,
    /// Grows with every change; for `GET ...?after=REVISION&wait=SECONDS`.
    pub revision: u64,
    /// Where it stands.
    pub state: ActivationState,
    /// One row per registered custodian.
    pub custodians: Vec<CustodianProgress>,
    /// The count as the card reports it.
    pub authenticated: u8,
    /// Signatures made so far.
    pub signatures: u32,
    /// Something that people must know, such as "the HSM was reset, Anna must authenticate again".
    pub notice: Option<String>,
    /// Where each HSM stands, if a pool is opened.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub members: Vec<MemberView>,
    /// Page of this activation in the portal.
    pub url: String,
}

/// One HSM of a pool that is opened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MemberView {
    /// Under which id.
    pub id: ActivationId,
    /// The HSM.
    pub hsm: HsmName,
    /// The quorum that it demands.
    pub quorum: Quorum,
    /// The count as the card reports it.
    pub authenticated: u8,
    /// Where it stands.
    pub state: ActivationState,
    /// Signatures that it has made.
    pub signatures: u32,
}

/// Life of an activation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    tag = "type",
    rename_all = "kebab-case",
    rename_all_fields = "camelCase"
)]
pub enum ActivationState {
    /// Another activation has the HSM, or the HSM is absent.
    Queued,
    /// Custodians are asked.
    Collecting,
    /// The lease is open.
    Open {
        /// Since when.
        since: Timestamp,
        /// Until when at most.
        until: Timestamp,
        /// Signatures left.
        left: u32,
    },
    /// Over; the HSM is locked.
    Ended {
        /// How.
        reason: EndReason,
        /// When.
        at: Timestamp,
    },
}

impl ActivationState {
    /// One word, as on the wire.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Collecting => "collecting",
            Self::Open { .. } => "open",
            Self::Ended { .. } => "ended",
        }
    }

    /// Whether nothing can happen any more.
    pub const fn is_ended(&self) -> bool {
        matches!(self, Self::Ended { .. })
    }
}

/// How an activation ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum EndReason {
    /// Everything that was asked for was done.
    Completed,
    /// The lease's time is over.
    TimeUsed,
    /// The lease's signatures are used up.
    CountUsed,
    /// Somebody pressed *Lock now*.
    Locked {
        /// Who.
        by: Person,
    },
    /// The requester withdrew it.
    Cancelled {
        /// Who.
        by: Person,
    },
    /// Too many custodians declined.
    Declined,
    /// No quorum in time.
    Expired,
    /// Time was over while it was still [`ActivationState::Queued`]: custodians could not be asked.
    StillQueued,
    /// The requester waited for it, and does so no longer.
    Abandoned {
        /// For so many seconds nobody has asked for it.
        seconds: u32,
    },
    /// The HSM was removed, reset or taken by another program while open.
    HsmLost {
        /// What happened, in words.
        why: String,
    },
    /// The HSM refused what the activation was for.
    Failed {
        /// What happened, in words.
        why: String,
    },
    /// The HSM is no longer one of the server's.
    HsmRemoved {
        /// What happened, in words.
        why: String,
    },
    /// The server was restarted: leases never survive that.
    ServerRestarted,
}

impl std::fmt::Display for EndReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Completed => f.write_str("completed"),
            Self::TimeUsed => f.write_str("the lease's time is over"),
            Self::CountUsed => f.write_str("the lease's signatures are used up"),
            Self::Locked { by } => write!(f, "locked by {}", by.name),
            Self::Cancelled { by } => write!(f, "cancelled by {}", by.name),
            Self::Declined => f.write_str("declined: the quorum can no longer be met"),
            Self::Expired => f.write_str("expired: not enough custodians authenticated in time"),
            Self::StillQueued => f.write_str(
                "expired: it still waited for the HSM, which was in use or out of reach; custodians could not be asked",
            ),
            Self::Abandoned { seconds } => write!(
                f,
                "withdrawn: the program that waited for it has not been heard of for {seconds} seconds"
            ),
            Self::HsmLost { why } => write!(f, "the HSM was lost: {why}"),
            Self::Failed { why } => write!(f, "failed: {why}"),
            Self::HsmRemoved { why } => write!(f, "the HSM was taken away: {why}"),
            Self::ServerRestarted => {
                f.write_str("the server was restarted, and leases never survive that")
            }
        }
    }
}

/// One custodian in one activation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CustodianProgress {
    /// Who.
    pub person: Person,
    /// Their key.
    pub key: Fingerprint,
    /// Name of the key in the HSM.
    pub chr: Chr,
    /// Their answer so far.
    pub answer: Answer,
}

/// A custodian's answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum Answer {
    /// None yet.
    Missing,
    /// Approved, and counted by the HSM.
    Authenticated {
        /// When.
        at: Timestamp,
    },
    /// Approved before, but the HSM forgot: they must authenticate again.
    Forgotten {
        /// Why.
        why: String,
    },
    /// Declined.
    Declined {
        /// When.
        at: Timestamp,
        /// Why.
        reason: String,
    },
}

/// `POST /api/v1/activations/{id}/decline`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decline {
    /// Why; not empty.
    pub reason: String,
}

/// Answer to `POST /api/v1/activations/{id}/task`: what this custodian's helper has to sign now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApprovalTaskView {
    /// A [`crate::task::Task::Approve`] for the helper.
    pub task: Envelope,
}

/// `POST /api/v1/activations/{id}/approvals`: what the helper signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApprovalEvidence {
    /// What was approved: the activation, or that of another HSM of its pool.
    pub activation: ActivationId,
    /// The [`crate::statement::Approval`].
    pub statement: Envelope,
    /// The challenge that was answered.
    pub challenge: Base64,
    /// The PKA response, plain `r || s`.
    pub response: Base64,
}

/// Answer to [`ApprovalEvidence`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum ApprovalOutcome {
    /// The HSM counted the custodian.
    Counted {
        /// The activation now.
        activation: Box<ActivationView>,
    },
    /// The HSM wants a fresh challenge, or it is the next HSM's turn: sign this one too, inside the same PIN session.
    SignAgain {
        /// A new [`crate::task::Task::Approve`].
        task: Envelope,
    },
}
