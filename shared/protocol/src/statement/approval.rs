//! The approval of an activation: an in-toto Statement v1.

use countersign_cvc::Fingerprint;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    activation::ActivationTerms,
    digest::Sha256Digest,
    dsse::Payload,
    file_digest::FileDigest,
    purpose::{Purpose, Scope},
};

/// The `_type` of an in-toto Statement v1.
pub const STATEMENT_TYPE: &str = "https://in-toto.io/Statement/v1";
/// The `predicateType` of an approval.
pub const APPROVAL_PREDICATE: &str = "https://countersign.dev/approval/v1";

/// The approval of an activation. Its subjects are the files of the manifest, or the activation itself if there is no
/// manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Approval {
    /// Always [`STATEMENT_TYPE`].
    #[serde(rename = "_type")]
    pub statement_type: String,
    /// The approved content.
    pub subject: Vec<ApprovalSubject>,
    /// Always [`APPROVAL_PREDICATE`].
    pub predicate_type: String,
    /// The terms of the approval.
    pub predicate: ApprovalPredicate,
}

/// A subject of an in-toto statement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ApprovalSubject {
    /// The name of the file, or `activation:` followed by the id of the activation.
    pub name: String,
    /// The digest of the file, or of the activation's terms.
    pub digest: FileDigest,
}

/// The terms of an approval, and the keys and devices to which it is bound.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ApprovalPredicate {
    /// Everything that the requester requested. The files of the manifest are in the subjects.
    pub terms: ApprovedTerms,
    /// SHA-256 over the signing HSM's device certificate, which the helper verified itself.
    pub device_certificate: Sha256Digest,
    /// SHA-256 over the challenge that the card signs together with this approval.
    pub challenge: Sha256Digest,
    /// The identity key of the server that issued the task.
    pub server_key: Fingerprint,
    /// The custodian's key, which signs this statement.
    pub key: Fingerprint,
    /// The time by the clock of the helper's computer.
    pub at: Timestamp,
}

/// [`ActivationTerms`] in which the digest of the manifest replaces the manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ApprovedTerms {
    /// SHA-256 over the canonical JSON of the complete [`ActivationTerms`].
    pub digest: Sha256Digest,
    /// The activation, or the member of a pool.
    pub activation: crate::id::MemberId,
    /// The signing HSM.
    pub hsm: crate::activation::HsmName,
    /// All the HSMs that are opened under the same limits, if there are several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pool: Option<crate::activation::Pool>,
    /// What may be done while the HSM is open.
    pub purpose: ApprovedPurpose,
    /// The person who requested the activation.
    pub requester: crate::operator::Person,
    /// The reason that the requester gave.
    pub reason: String,
    /// The limits of the lease.
    pub lease: crate::lease::LeaseLimits,
    /// The keys with which the requester may also use raw RSA.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub raw_rsa: Vec<Fingerprint>,
    /// The quorum that the HSM requires.
    pub quorum: crate::activation::Quorum,
}

/// A [`Purpose`] without the list of files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum ApprovedPurpose {
    /// Sign the subjects and nothing else.
    SignManifest {
        /// The keys that may be used.
        keys: crate::purpose::KeySet,
        /// The digest of the manifest.
        manifest: Sha256Digest,
    },
    /// Sign any content that the requester sends.
    SignAnything {
        /// The keys that may be used.
        keys: crate::purpose::KeySet,
    },
    /// Generate one key.
    #[serde(rename_all = "camelCase")]
    GenerateKey {
        /// The label of the new key.
        label: String,
        /// The type of the new key.
        key_type: crate::purpose::NewKeyType,
    },
}

impl ApprovedPurpose {
    /// The purpose in words, without the number of files; see [`Purpose::in_words`].
    pub fn in_words(&self, name: impl Fn(&str, Option<&Fingerprint>) -> String) -> String {
        match self {
            Self::SignManifest { keys, .. } => {
                format!("sign listed files with {}", keys.in_words(name))
            }
            Self::SignAnything { keys } => format!("sign any content with {}", keys.in_words(name)),
            Self::GenerateKey { label, key_type } => {
                format!("generate key {} ({key_type})", name(label, None))
            }
        }
    }

    /// The same purpose, with the digest of the manifest in place of the manifest.
    pub fn of(purpose: &Purpose) -> Self {
        match purpose {
            Purpose::Sign {
                keys,
                scope: Scope::Manifest { files },
            } => Self::SignManifest {
                keys: keys.clone(),
                manifest: files.digest(),
            },
            Purpose::Sign {
                keys,
                scope: Scope::Open,
            } => Self::SignAnything { keys: keys.clone() },
            Purpose::GenerateKey { label, key_type } => Self::GenerateKey {
                label: label.clone(),
                key_type: *key_type,
            },
        }
    }
}

impl Payload for Approval {
    const PAYLOAD_TYPE: &'static str = "application/vnd.in-toto+json";
}

impl Approval {
    /// Creates the only statement that approves `terms` in response to `challenge`.
    ///
    /// The helper calls this to sign the statement, and the server calls it to know what must have been signed.
    pub fn new(
        terms: &ActivationTerms,
        device_certificate: Sha256Digest,
        challenge: &[u8],
        server_key: Fingerprint,
        key: Fingerprint,
        at: Timestamp,
    ) -> Self {
        let digest = terms.digest();
        let subject = match &terms.purpose {
            Purpose::Sign {
                scope: Scope::Manifest { files },
                ..
            } => files
                .files()
                .iter()
                .map(|file| subject(&file.name, file.digest.clone()))
                .collect(),
            Purpose::Sign {
                scope: Scope::Open, ..
            }
            | Purpose::GenerateKey { .. } => {
                vec![subject(&format!("activation:{}", terms.id), digest.into())]
            }
        };
        Self {
            statement_type: STATEMENT_TYPE.to_owned(),
            subject,
            predicate_type: APPROVAL_PREDICATE.to_owned(),
            predicate: ApprovalPredicate {
                terms: ApprovedTerms {
                    digest,
                    activation: terms.id.clone(),
                    hsm: terms.hsm.clone(),
                    pool: terms.pool.clone(),
                    purpose: ApprovedPurpose::of(&terms.purpose),
                    requester: terms.requester.clone(),
                    reason: terms.reason.clone(),
                    lease: terms.lease,
                    raw_rsa: terms.raw_rsa.clone(),
                    quorum: terms.quorum,
                },
                device_certificate,
                challenge: Sha256Digest::of(challenge),
                server_key,
                key,
                at,
            },
        }
    }
}

fn subject(name: &str, digest: FileDigest) -> ApprovalSubject {
    ApprovalSubject {
        name: name.to_owned(),
        digest,
    }
}
