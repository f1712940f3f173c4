//! Custodians' approvals: what one must look like, and what a quorum of them allows.

use std::collections::BTreeMap;

use countersign_protocol::{
    Timestamp,
    activation::ActivationTerms,
    cvc::{Fingerprint, PublicKey},
    digest::Sha256Digest,
    dsse::Envelope,
    file_digest::FileDigest,
    lease::LeaseLimits,
    manifest::{Manifest, ManifestFile},
    purpose::{KeySet, NewKeyType},
    statement::{Approval, ApprovedPurpose},
};
use jiff::SignedDuration;

/// How far a helper's clock may be off.
const CLOCK: SignedDuration = SignedDuration::from_mins(10);

/// What a quorum has allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ApprovedScope {
    /// Signatures over these digests, with the files' names.
    Files(BTreeMap<FileDigest, String>),
    /// Signatures over anything.
    Anything,
    /// One new key.
    GenerateKey {
        /// Label.
        label: String,
        /// Type.
        key_type: NewKeyType,
    },
}

/// What the custodians' signatures together say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allowed {
    /// What may be done.
    pub scope: ApprovedScope,
    /// With which keys; `None` where one is to be generated.
    pub keys: Option<KeySet>,
    /// For how long, and how often.
    pub lease: LeaseLimits,
}

/// What an approval is checked against.
pub struct Expected<'a> {
    /// The terms.
    pub terms: &'a ActivationTerms,
    /// SHA-256 of the HSM's device certificate.
    pub device_certificate: Sha256Digest,
    /// This server's identity key.
    pub server_key: Fingerprint,
}

impl Expected<'_> {
    /// Verifies a new approval, which answers `challenge`.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub fn verify(
        &self,
        envelope: &Envelope,
        key: &PublicKey,
        challenge: &[u8],
        now: Timestamp,
    ) -> Result<(), String> {
        let approval: Approval = envelope.verify(key).map_err(|error| error.to_string())?;
        let at = approval.predicate.at;
        if now.duration_since(at).abs() > CLOCK {
            return Err(format!(
                "it says {at}, but it is {now}: set the clock of the custodian's machine"
            ));
        }
        let expected = Approval::new(
            self.terms,
            self.device_certificate,
            challenge,
            self.server_key,
            key.fingerprint(),
            at,
        );
        if approval == expected {
            Ok(())
        } else {
            Err("it is about other terms, another HSM, challenge or server".into())
        }
    }

    /// Verifies stored approvals once more, and works out from their signed contents what may be done.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub fn allowed(&self, approvals: &[(Envelope, PublicKey)]) -> Result<Allowed, String> {
        let mut result = None;
        let mut keys = std::collections::HashSet::new();
        for (envelope, key) in approvals {
            let approval: Approval = envelope.verify(key).map_err(|error| error.to_string())?;
            if approval.predicate.key != key.fingerprint() || !keys.insert(key.fingerprint()) {
                return Err("an approval stands for another key, or stands there twice".into());
            }
            if approval.predicate.terms.digest != self.terms.digest()
                || approval.predicate.terms.activation != self.terms.id
                || approval.predicate.device_certificate != self.device_certificate
                || approval.predicate.server_key != self.server_key
            {
                return Err("an approval is about something else than what is stored: the store was changed".into());
            }
            let allowed = allowed_by(&approval)?;
            match &result {
                None => result = Some(allowed),
                Some(before) if *before == allowed => {}
                Some(_) => return Err("the custodians approved different things".into()),
            }
        }
        if approvals.len() < usize::from(self.terms.quorum.required) {
            return Err(format!(
                "there are {} approvals, {} are needed",
                approvals.len(),
                self.terms.quorum.required
            ));
        }
        result.ok_or_else(|| "there is no approval".into())
    }
}

fn allowed_by(approval: &Approval) -> Result<Allowed, String> {
    let terms = &approval.predicate.terms;
    let (scope, keys) = match &terms.purpose {
        ApprovedPurpose::SignManifest { keys, manifest } => {
            let files = approval
                .subject
                .iter()
                .map(|subject| ManifestFile {
                    name: subject.name.clone(),
                    digest: subject.digest.clone(),
                })
                .collect::<Vec<_>>();
            // Approvals of stored activations can have names that are refused in new requests.
            let files = Manifest::try_from(files).map_err(|error| error.to_string())?;
            if files.digest() != *manifest {
                return Err(
                    "an approval's list of files does not have the digest that it names".into(),
                );
            }
            let files = files
                .files()
                .iter()
                .map(|file| (file.digest.clone(), file.name.clone()))
                .collect();
            (ApprovedScope::Files(files), Some(keys.clone()))
        }
        ApprovedPurpose::SignAnything { keys } => (ApprovedScope::Anything, Some(keys.clone())),
        ApprovedPurpose::GenerateKey { label, key_type } => (
            ApprovedScope::GenerateKey {
                label: label.clone(),
                key_type: *key_type,
            },
            None,
        ),
    };
    Ok(Allowed {
        scope,
        keys,
        lease: terms.lease,
    })
}
