//! "Open this HSM for exactly this": an in-toto Statement v1.

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

/// `_type` of an in-toto Statement v1.
pub const STATEMENT_TYPE: &str = "https://in-toto.io/Statement/v1";
/// `predicateType` of an approval.
pub const APPROVAL_PREDICATE: &str = "https://countersign.dev/approval/v1";

/// Approval statement. Its subjects are the manifest's files, or the activation's terms where there is no manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Approval {
    /// Always [`STATEMENT_TYPE`].
    #[serde(rename = "_type")]
    pub statement_type: String,
    /// What is approved.
    pub subject: Vec<ApprovalSubject>,
    /// Always [`APPROVAL_PREDICATE`].
    pub predicate_type: String,
    /// Under which terms.
    pub predicate: ApprovalPredicate,
}

/// An in-toto subject.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApprovalSubject {
    /// File name, or `activation:` and its id.
    pub name: String,
    /// Its digest.
    pub digest: FileDigest,
}

/// Terms of an approval.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ApprovalPredicate {
    /// Everything that the requester asked for; the manifest's files stand in the subjects.
    pub terms: ApprovedTerms,
    /// SHA-256 of the signing HSM's device certificate, verified by the helper itself.
    pub device_certificate: Sha256Digest,
    /// SHA-256 of the challenge that is answered together with this approval.
    pub challenge: Sha256Digest,
    /// Identity key of the server that asked.
    pub server_key: Fingerprint,
    /// The custodian's key, which signs this statement.
    pub key: Fingerprint,
    /// The helper's clock.
    pub at: Timestamp,
}

/// [`ActivationTerms`], with the manifest replaced by its digest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ApprovedTerms {
    /// SHA-256 over the canonical JSON of the complete [`ActivationTerms`].
    pub digest: Sha256Digest,
    /// The activation.
    pub activation: crate::id::ActivationId,
    /// The signing HSM.
    pub hsm: crate::activation::HsmName,
    /// All the HSMs that are opened under the same bounds, if there are several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pool: Option<crate::activation::Pool>,
    /// What is opened.
    pub purpose: ApprovedPurpose,
    /// Who asked.
    pub requester: crate::operator::Person,
    /// Why.
    pub reason: String,
    /// Bounds of the lease.
    pub lease: crate::lease::LeaseLimits,
    /// "2 of 3".
    pub quorum: crate::activation::Quorum,
}

/// [`Purpose`] without the list of files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    tag = "type",
    rename_all = "kebab-case",
    rename_all_fields = "camelCase"
)]
pub enum ApprovedPurpose {
    /// Sign the subjects, and nothing else.
    SignManifest {
        /// With which keys.
        keys: crate::purpose::KeySet,
        /// Digest of the manifest.
        manifest: Sha256Digest,
    },
    /// Sign whatever the requester sends.
    SignAnything {
        /// With which keys.
        keys: crate::purpose::KeySet,
    },
    /// Generate one key.
    GenerateKey {
        /// Label of the new key.
        label: String,
        /// Its type.
        key_type: crate::purpose::NewKeyType,
    },
}

impl ApprovedPurpose {
    /// The purpose in words; see [`Purpose::in_words`]. The number of files is not part of it.
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

    /// The same purpose, with the list of files replaced by its digest.
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
    /// Builds the only statement that approves `terms` in answer to `challenge`.
    ///
    /// Helper and server both call this: the helper to sign, the server to know what must have been signed.
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
